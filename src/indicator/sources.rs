//! By what a month is judged, as texts: the scheme, the lists that the city keeps, the other cities.
//!
//! Scheme and lists change while months stay closed. Kept as the texts that they were, with one
//! digest over all of them, they can be read again at any time and give the same judgement.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field::Field;
use super::lists::Lists;
use super::scheme::Scheme;
use super::sheet;
use crate::delivery::DigestSha256;

/// The scheme's name among the files.
pub const SCHEME: &str = "scheme.toml";
/// The other cities' name among the files.
pub const CITIES: &str = "cities.csv";
/// The folder of the lists among the files.
pub const LISTS: &str = "lists/";

/// Files by their names: [`SCHEME`], [`CITIES`], and lists below [`LISTS`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sources {
    files: BTreeMap<String, Arc<str>>,
}

/// What the files say.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The scheme.
    pub scheme: Scheme,
    /// The lists.
    pub lists: Lists,
    /// The other cities.
    pub field: Field,
}

/// A file that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{file}` cannot be read: {what}")]
pub struct Unread {
    /// Which.
    pub file: String,
    /// The first mistake.
    pub what: String,
}

impl Sources {
    /// Puts a file in.
    pub fn put(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) {
        self.files.insert(name.into(), text.into());
    }

    /// Whether it is one of the files that a month is judged by.
    pub fn is_one(name: &str) -> bool {
        let is_list = |it: &str| Lists::FILES.contains(&it);
        name == SCHEME || name == CITIES || name.strip_prefix(LISTS).is_some_and(is_list)
    }

    /// The files in the order of their names.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.files.iter().map(|(name, text)| (name.as_str(), text))
    }

    /// Over every name and every byte.
    pub fn digest(&self) -> DigestSha256 {
        let line = |(name, text): (&str, &Arc<str>)| {
            format!("{} {name}\n", DigestSha256::of(text.as_bytes()))
        };
        DigestSha256::of(self.files().map(line).collect::<String>().as_bytes())
    }

    /// The names of the files that are not the same in `other`.
    pub fn unlike<'s>(&'s self, other: &'s Self) -> Vec<&'s str> {
        let differs = |(name, text): (&'s str, &Arc<str>), of: &Self| {
            of.files.get(name).is_none_or(|it| it != text).then_some(name)
        };
        let mut names: Vec<&str> = self.files().filter_map(|it| differs(it, other)).collect();
        names.extend(other.files().filter_map(|it| differs(it, self)));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What they say.
    ///
    /// # Errors
    /// The first file that cannot be read, or that no scheme is among them.
    pub fn read(&self) -> Result<Judged, Unread> {
        let unread = |file: &str, what: String| Unread { file: file.to_owned(), what };
        let of_table = |it: &sheet::Problem| unread(&it.place(), it.what.clone());
        let text = self.files.get(SCHEME).ok_or_else(|| unread(SCHEME, "it is missing".into()))?;
        let scheme = Scheme::parse(SCHEME, text).map_err(|problems| {
            unread(SCHEME, problems.first().map_or_else(String::new, super::scheme::Problem::told))
        })?;
        let (lists, problems) = Lists::read(|name| {
            let name = format!("{LISTS}{name}");
            let text = self.files.get(&name)?.to_string();
            Some((name, text))
        });
        if let Some(problem) = problems.first() {
            return Err(of_table(problem));
        }
        let field = match self.files.get(CITIES) {
            None => Field::default(),
            Some(text) => Field::parse(CITIES, text).map_err(|problems| {
                problems.first().map_or_else(|| unread(CITIES, String::new()), of_table)
            })?,
        };
        Ok(Judged { scheme, lists, field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        let mut sources = Sources::default();
        sources.put(SCHEME, include_str!("../../config/schemes/model-2026.toml"));
        sources.put("lists/kept.csv", "list,since\nfeedback,2026-01\n");
        sources.put(CITIES, "month,what,city,points,source\n2026-11,total,甲市,3,网站\n");
        sources
    }

    #[test]
    fn the_texts_say_again_what_they_said() {
        let judged = sources().read().unwrap();
        assert_eq!((judged.scheme.id.as_str(), judged.lists.cases.len()), ("model-2026", 1));
        let month = super::super::scheme::Month::parse("2026-11").unwrap();
        assert_eq!(judged.field.of(month, "total").len(), 1);
        let mut bad = sources();
        bad.put("lists/kept.csv", "list\nfeedback\n");
        assert!(bad.read().unwrap_err().file.starts_with("lists/kept.csv"));
        assert_eq!(Sources::default().read().unwrap_err().file, SCHEME);
    }

    #[test]
    fn another_byte_or_name_is_another_digest_and_is_named() {
        let (mut other, mut more) = (sources(), sources());
        other.put("lists/kept.csv", "list,since\nfeedback,2026-02\n");
        more.put("lists/bodies.csv", "body,class\n");
        assert_eq!(sources().digest(), sources().digest());
        for (it, name) in [(&other, "lists/kept.csv"), (&more, "lists/bodies.csv")] {
            assert_ne!(it.digest(), sources().digest());
            assert_eq!((it.unlike(&sources()), sources().unlike(it)), (vec![name], vec![name]));
        }
        assert!(Sources::is_one("lists/leads.csv") && !Sources::is_one("lists/other.csv"));
    }
}
