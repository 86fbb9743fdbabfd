//! The matching itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fate, Here, How, Registration};
use crate::catalogue::{Kind, ObjectKey};

/// What a comparison came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// What becomes of each registration, in the order in which they were given.
    pub fates: Vec<Fate>,
    /// The city's objects that no registration is, or may be.
    pub missing_above: Vec<ObjectKey>,
}

/// A title as it is compared: full and half width, case, spaces and punctuation do not matter.
pub fn normalised(title: &str) -> String {
    let folded = title.chars().map(|letter| match letter {
        '\u{ff01}'..='\u{ff5e}' => {
            u32::from(letter).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(letter)
        }
        other => other,
    });
    folded.filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What one registration could be, by the strongest that says anything.
enum Claim {
    Of(String, How),
    Titled(String),
    Among(Vec<String>),
    Nothing,
}

/// The city's objects of one kind, by everything that can name them.
#[derive(Default)]
struct Names<'a> {
    ids: BTreeSet<&'a str>,
    upper: BTreeMap<&'a str, BTreeSet<&'a str>>,
    codes: BTreeMap<&'a str, BTreeSet<&'a str>>,
    titles: BTreeMap<String, BTreeSet<&'a str>>,
}

impl<'a> Names<'a> {
    fn add(&mut self, here: &'a Here) {
        let id = here.key.id.as_str();
        self.ids.insert(id);
        if let Some(upper) = &here.upper_id {
            self.upper.entry(upper).or_default().insert(id);
        }
        for code in [id, here.code.as_str()].into_iter().filter(|it| !it.is_empty()) {
            self.codes.entry(code).or_default().insert(id);
        }
        let title = normalised(&here.title);
        if !title.is_empty() {
            self.titles.entry(title).or_default().insert(id);
        }
    }

    fn claim(&self, it: &Registration) -> Claim {
        let all = |found: &BTreeSet<&str>| found.iter().map(|id| (*id).to_owned()).collect();
        let by = |found: &BTreeSet<&str>, how| match found.first() {
            Some(id) if found.len() == 1 => Claim::Of((*id).to_owned(), how),
            _ => Claim::Among(all(found)),
        };
        if let Some(found) = self.upper.get(it.upper_id.as_str()) {
            return by(found, How::UpperId);
        }
        if let Some(found) = self.codes.get(it.code.as_str()) {
            return by(found, How::Code);
        }
        match self.titles.get(&normalised(&it.title)) {
            Some(found) if found.len() == 1 => {
                found.first().map_or(Claim::Nothing, |id| Claim::Titled((*id).to_owned()))
            }
            Some(found) => Claim::Among(all(found)),
            None => Claim::Nothing,
        }
    }
}

/// Who claims an object: places of registrations, by how strong the claim is.
type Claimants = BTreeMap<(Kind, String), BTreeMap<Option<How>, Vec<usize>>>;

/// Matches registrations with the city's objects. `said` is what people said, by kind and the
/// province's id; an object that is not the city's is nobody's. The order of neither side matters.
pub fn compare(
    above: &[Registration],
    here: &[Here],
    said: &BTreeMap<(String, String), Option<String>>,
) -> Report {
    let mut names: BTreeMap<Kind, Names<'_>> = BTreeMap::new();
    for it in here {
        names.entry(it.key.kind).or_default().add(it);
    }
    let mut claimants = Claimants::new();
    let mut fates = vec![Fate::MissingHere; above.len()];
    for (at, it) in above.iter().enumerate() {
        let Some((kind, of)) = it.kind().and_then(|kind| Some((kind, names.get(&kind)?))) else {
            continue;
        };
        let decided = said.get(&(it.kind.clone(), it.upper_id.clone()));
        let claim = match decided {
            Some(None) => Claim::Nothing,
            Some(Some(id)) if of.ids.contains(id.as_str()) => Claim::Of(id.clone(), How::Said),
            Some(Some(_)) | None => of.claim(it),
        };
        let (id, how) = match claim {
            Claim::Nothing => continue,
            Claim::Among(ids) => {
                set(&mut fates, at, Fate::Ambiguous(ids));
                continue;
            }
            // `None` sorts first: a title is the weakest.
            Claim::Titled(id) => (id, None),
            Claim::Of(id, how) => (id, Some(how)),
        };
        claimants.entry((kind, id)).or_default().entry(how).or_default().push(at);
    }
    for ((_, id), by) in &claimants {
        settle(id, by, &mut fates);
    }
    let spoken_for: BTreeSet<(Kind, &str)> = (above.iter().zip(&fates))
        .filter_map(|(it, fate)| Some((it.kind()?, fate)))
        .flat_map(|(kind, fate)| fate.objects().iter().map(move |id| (kind, id.as_str())))
        .collect();
    let is_missing = |it: &&Here| {
        it.upper_id.is_none() && !spoken_for.contains(&(it.key.kind, it.key.id.as_str()))
    };
    let missing = here.iter().filter(is_missing).map(|it| it.key.clone());
    let missing: BTreeSet<ObjectKey> = missing.collect();
    Report { fates, missing_above: missing.into_iter().collect() }
}

/// One object and everything that claims it: the strongest claim, where only one makes it.
fn settle(id: &str, by: &BTreeMap<Option<How>, Vec<usize>>, fates: &mut [Fate]) {
    let strongest = [Some(How::Said), Some(How::UpperId), Some(How::Code), None]
        .into_iter()
        .find_map(|how| Some((how, by.get(&how)?)));
    let Some((how, first)) = strongest else { return };
    let of = || id.to_owned();
    let is_one = first.len() == 1;
    let rest = by.iter().filter(|(other, _)| **other != how).flat_map(|(_, places)| places);
    for at in first {
        let fate = match how {
            Some(how) if is_one => Fate::Matched(of(), how),
            None if is_one => Fate::Proposed(of()),
            _ => Fate::Rival(of()),
        };
        set(fates, *at, fate);
    }
    for at in rest {
        set(fates, *at, if is_one { Fate::Duplicate(of()) } else { Fate::Rival(of()) });
    }
}

fn set(fates: &mut [Fate], at: usize, fate: Fate) {
    if let Some(place) = fates.get_mut(at) {
        *place = fate;
    }
}
