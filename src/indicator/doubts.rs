//! What looks better than it is: signs, in facts and lists, that numbers were made and not earned.
//!
//! A doubt is no verdict. It says where somebody has to look, with the fact that shows it, and until
//! somebody did, what is doubted does not count: a hollow table is not mounted, entries that were
//! split count once, what waivers let through did not pass, rows that were sent again were not
//! judged again, a request that was laid and dealt with within minutes is none, and a table whose
//! every row changes on every reading is not fresh. An approved exemption with a reason answers a
//! doubt ([`Doubt::measure`]); then it counts again, and both are shown. What is taken down before a
//! cut-off and put up after it needs no rule of its own: at the cut-off it counted as down.
//!
//! What shows a doubt is kept by the [`tally`](super::tally), so that it is the same in any order of
//! facts and costs no more memory than the lists.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::lists::{Lists, Obligation};
use super::tally::{Span, Tally, amended};
use crate::fact::Fact;

/// What is doubted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Doubt {
    /// Rows were sent again although the province holds just them.
    Resent,
    /// Whole readings find (nearly) every row of an unchanging number changed, again and again: a
    /// column moves, the content hardly does.
    Touched,
    /// A resource stands above, and its dataset has no rows, or next to none.
    Hollow,
    /// A rule was mostly broken, and waivers let through what broke it.
    Filled,
    /// Several entries of one department have the same title but for numbers, years or parts.
    Split,
    /// Something was taken down shortly before a cut-off and put up again shortly after.
    Flapped,
    /// A request was laid and dealt with within minutes: by whom, for whom?
    SelfMade,
}

impl Doubt {
    /// Every doubt.
    pub const ALL: [Self; 7] = [
        Self::Resent,
        Self::Touched,
        Self::Hollow,
        Self::Filled,
        Self::Split,
        Self::Flapped,
        Self::SelfMade,
    ];

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resent => "resent",
            Self::Touched => "touched",
            Self::Hollow => "hollow",
            Self::Filled => "filled",
            Self::Split => "split",
            Self::Flapped => "flapped",
            Self::SelfMade => "self-made",
        }
    }

    /// The inverse of [`Doubt::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }

    /// As the list of exemptions names it: an approved line with it answers the doubt about an
    /// entry, or about a case by its number.
    pub fn measure(self) -> &'static str {
        match self {
            Self::Resent => "doubt.resent",
            Self::Touched => "doubt.touched",
            Self::Hollow => "doubt.hollow",
            Self::Filled => "doubt.filled",
            Self::Split => "doubt.split",
            Self::Flapped => "doubt.flapped",
            Self::SelfMade => "doubt.self-made",
        }
    }
}

/// Something to look at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Doubted {
    /// What is doubted.
    pub doubt: Doubt,
    /// Who answers for it.
    pub owner: String,
    /// The entry, dataset or case.
    pub subject: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// Counts or names that show it; never content.
    pub shown_by: String,
    /// A fact that shows it; empty where it is lists that do.
    pub evidence: String,
    /// The approval and the reason that answer it; empty while nothing does.
    pub answered_by: String,
}

/// A table with no more rows than these is hollow.
pub(super) const HOLLOW_ROWS: u64 = 2;
/// Fewer rows may well all change.
pub(super) const TOUCHED_ROWS: u64 = 20;
/// Readings that changed (nearly) all rows before that is a habit.
pub(super) const TOUCHED_PASSES: u32 = 5;
/// A rule that was asked less often than this tells nothing about how many were let through.
pub(super) const FILLED_ASKED: u64 = 20;
/// Entries of one title before they are split ones.
pub(super) const SPLIT_ENTRIES: usize = 3;
/// Around a cut-off.
pub(super) const AROUND: SignedDuration = SignedDuration::from_hours(72);
/// Nobody lays a request before somebody and has it answered in less.
pub(super) const AT_ONCE: SignedDuration = SignedDuration::from_mins(10);

/// Looks through facts within a span; one that was set right by another shows nothing.
pub fn doubts(facts: &[Fact], lists: &Lists, span: Span) -> Vec<Doubted> {
    let mut tally = Tally::new(lists, span, &amended(facts, span.known_by));
    facts.iter().for_each(|fact| tally.add(fact));
    tally.doubts()
}

/// Entries of a department that differ in nothing but a number, a year or a part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Alike {
    /// The department.
    pub(super) owner: String,
    /// What their titles have in common.
    pub(super) stem: String,
    /// Their places in the list of obligations.
    pub(super) places: Vec<usize>,
}

/// The groups of entries that differ in nothing but a number, a year or a part.
pub(super) fn alike(lists: &Lists) -> Vec<Alike> {
    let mut alike: BTreeMap<(&str, String), Vec<(usize, &Obligation)>> = BTreeMap::new();
    for (place, obligation) in lists.obligations.iter().enumerate() {
        let stem = stem(&obligation.title);
        if stem.chars().count() >= 4 {
            let owner = obligation.department.as_str();
            alike.entry((owner, stem)).or_default().push((place, obligation));
        }
    }
    let of = |((owner, stem), entries): ((&str, String), Vec<(usize, &Obligation)>)| {
        // The same title in several regions is the same kind of data of several places.
        let regions: BTreeSet<&str> = entries.iter().map(|(_, it)| it.region.as_str()).collect();
        let is_split = entries.len() >= SPLIT_ENTRIES && regions.len() < entries.len();
        let places = entries.iter().map(|(place, _)| *place).collect();
        is_split.then(|| Alike { owner: owner.to_owned(), stem, places })
    };
    alike.into_iter().filter_map(of).collect()
}

/// A title without its numbers, years and parts.
fn stem(title: &str) -> String {
    let is_part = |letter: &char| {
        !(letter.is_numeric()
            || letter.is_whitespace()
            || "一二三四五六七八九十年月季度上下半第批期部分册（）()-—_、".contains(*letter))
    };
    title.chars().filter(is_part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicator::scheme::Month;
    use crate::indicator::{history, lists};

    const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e1,r1,d1,不动产登记,自规局,本级,每日,yes,yes,yes
e2,r2,d2,婚姻登记信息（一）,民政局,本级,每周,yes,no,no
e3,r3,d3,婚姻登记信息（二）,民政局,本级,每周,yes,no,no
e4,r4,d4,婚姻登记信息2025年,民政局,本级,每周,yes,no,no
e5,r5,d5,学校名录,教育局,甲县,每月,yes,no,no
e6,r6,d6,学校名录,教育局,乙县,每月,yes,no,no
e7,r7,d7,学校名录,教育局,丙县,每月,yes,no,no
";
    /// A month in which everything is as it should be.
    const HONEST: &str = "\
occurred,kind,subject,channel,fields,basis
2026-02-01T08:00,link,resource:r1,p,from=sent; to=accepted,model
2026-03-02T08:00,pass-completed,d1,p,lane=live; seen=500; changed=40; rejected=0,model
2026-03-02T09:00,confirmed,d1,p,rows=40; evidence=receipt,model
2026-03-02T08:00,rule-counted,d1,p,rule=id; executed=500; broken=3; waived=1,model
2026-03-03T08:00,case-opened,q1,,list=requests; owner=自规局; deadline=2026-03-13T18:00,model
2026-03-06T10:00,case-closed,q1,,list=requests; proof=回函,model
";

    fn found(more: &str) -> Vec<(&'static str, String)> {
        let lists = Lists {
            obligations: lists::obligations("o.csv", OBLIGATIONS).unwrap(),
            ..Lists::default()
        };
        let facts = history::parse("f.csv", &format!("{HONEST}{more}"), "t").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let span = Span {
            from: at("2026-03-01T00:00:00+08:00"),
            to: at("2026-04-01T00:00:00+08:00"),
            day: jiff::civil::date(2026, 3, 31),
            month: Month::parse("2026-03").unwrap(),
            known_by: Timestamp::MAX,
        };
        let all = doubts(&facts, &lists, span);
        all.into_iter()
            // The lists alone show one split title; the regions' schools are none.
            .filter(|it| it.doubt != Doubt::Split)
            .map(|it| (it.doubt.as_str(), it.subject))
            .collect()
    }

    #[test]
    fn an_honest_month_raises_no_doubt() {
        assert_eq!(found(""), []);
    }

    #[test]
    fn each_kind_is_found_by_what_shows_it() {
        let pass = |day: u32, changed: u32, seen: u32| {
            format!(
                "2026-03-{day:02}T08:00,pass-completed,d5,p,lane=live; seen={seen}; changed={changed}; rejected=0,model\n"
            )
        };
        let resent = "2026-03-05T08:00,pass-completed,d5,p,lane=backfill; seen=90; changed=0; rejected=0; resent=90,model\n";
        let touched: String = (5..12).map(|day| pass(day, 90, 90)).collect();
        let mounted = "2026-03-01T08:00,link,resource:r5,p,from=sent; to=accepted,model\n";
        let hollow = format!("{mounted}{}", pass(6, 1, 1));
        let filled =
            "2026-03-05T08:00,rule-counted,d5,p,rule=x; executed=100; broken=80; waived=70,model\n";
        let flapped = "2026-02-27T08:00,link,entry:e5,p,from=accepted; to=withdrawn,model\n\
                       2026-03-02T08:00,link,entry:e5,p,from=sent; to=accepted,model\n";
        let made = "2026-03-09T08:00,case-opened,q9,,list=requests; owner=教育局; deadline=2026-03-19T18:00,model\n\
                    2026-03-09T08:03,case-closed,q9,,list=requests; proof=x,model\n";
        for (facts, expected) in [
            (resent, ("resent", "d5")),
            (&touched, ("touched", "d5")),
            (&hollow, ("hollow", "d5")),
            (filled, ("filled", "d5")),
            (flapped, ("flapped", "entry:e5")),
            (made, ("self-made", "q9")),
        ] {
            assert_eq!(found(facts), [(expected.0, expected.1.to_owned())], "{facts}");
        }
    }

    #[test]
    fn entries_of_one_title_are_told_and_regions_are_none() {
        let lists = Lists {
            obligations: lists::obligations("o.csv", OBLIGATIONS).unwrap(),
            ..Lists::default()
        };
        let all = alike(&lists);
        let places = |it: &Alike| -> Vec<String> {
            it.places.iter().map(|at| lists.obligations[*at].entry.clone()).collect()
        };
        let told: Vec<(&str, String)> =
            all.iter().map(|it| (it.stem.as_str(), places(it).join(" "))).collect();
        assert_eq!(told, [("婚姻登记信息", "e2 e3 e4".to_owned())]);
    }
}
