//! The lists that a city keeps (责任清单, 归集任务, 重点数据, 豁免, 考核对象): what measures are taken over.
//!
//! A denominator is what the city is obliged to, not whatever happens to be in its catalogue. Each
//! list is a CSV table with a head; `config/schemes/README.md` says what its columns mean.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::doubts::Doubt;
use super::measures::MEASURES;
use super::scheme::Month;
use super::sheet::{Problem, Sheet};
use super::tally::Deed;
use super::tasks::{Task, tasks};
use super::terms::{Approval, approvals};
use crate::calendar::Cycle;

/// An entry that the city has to cascade, with its resources and rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Obligation {
    /// The catalogue entry.
    pub entry: String,
    /// Its resources.
    pub resources: Vec<String>,
    /// The dataset that carries its rows; empty where it has none.
    pub dataset: String,
    /// What it is called.
    pub title: String,
    /// Whose it is.
    pub department: String,
    /// Where.
    pub region: String,
    /// How often it must be new.
    pub cycle: Cycle,
    /// It is shared among offices.
    pub is_shared: bool,
    /// It is open to the public.
    pub is_open: bool,
    /// It is on the list of key data.
    pub is_key: bool,
}

/// Something that a measure leaves out, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exemption {
    /// The catalogue entry.
    pub entry: String,
    /// The measure; `*` for all of them; `doubt.hollow` answers a doubt.
    pub measure: String,
    /// From this day …
    pub from: Date,
    /// … until this day, if it ends.
    pub until: Option<Date>,
    /// Why: for example that the data lives in a national vertical system.
    pub reason: String,
    /// Who approved it, and where that is written.
    pub approval: String,
}

/// An assessed body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assessed {
    /// Its name: a region or a department.
    pub id: String,
    /// Its class (县区, 市级A, 市级B).
    pub class: String,
}

/// A list of cases that is kept here, so that none on it means none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// The list.
    pub list: String,
    /// From which month on it is complete.
    pub since: Month,
}

/// How long a deed takes until it counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lead {
    /// Which.
    pub deed: Deed,
    /// Hours, the province's review among them.
    pub hours: u32,
}

/// All of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Lists {
    /// 责任清单.
    pub obligations: Vec<Obligation>,
    /// 豁免.
    pub exemptions: Vec<Exemption>,
    /// 考核对象.
    pub bodies: Vec<Assessed>,
    /// Which lists of cases are kept.
    pub cases: Vec<Kept>,
    /// How long deeds take.
    pub leads: Vec<Lead>,
    /// 变更审批: what may be promised less of.
    pub approvals: Vec<Approval>,
    /// 归集任务: what the province wants to have, and by when.
    pub tasks: Vec<Task>,
}

impl Lists {
    /// The files of a folder of lists, as far as they are there.
    pub const FILES: [&'static str; 7] = [
        "obligations.csv",
        "exemptions.csv",
        "bodies.csv",
        "kept.csv",
        "leads.csv",
        "approvals.csv",
        "tasks.csv",
    ];

    /// Reads the lists of a folder. `text_of` gives a file's text with the name to call it by, or
    /// nothing where it is not there; every problem of every list at once.
    pub fn read(mut text_of: impl FnMut(&str) -> Option<(String, String)>) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let lists = Self {
            obligations: one(&mut text_of, "obligations.csv", obligations, &mut problems),
            exemptions: one(&mut text_of, "exemptions.csv", exemptions, &mut problems),
            bodies: one(&mut text_of, "bodies.csv", bodies, &mut problems),
            cases: one(&mut text_of, "kept.csv", kept, &mut problems),
            leads: one(&mut text_of, "leads.csv", leads, &mut problems),
            approvals: one(&mut text_of, "approvals.csv", approvals, &mut problems),
            tasks: one(&mut text_of, "tasks.csv", tasks, &mut problems),
        };
        (lists, problems)
    }

    /// How many hours a deed takes, where the city says so.
    pub fn hours(&self, deed: Deed) -> Option<u32> {
        self.leads.iter().find(|lead| lead.deed == deed).map(|lead| lead.hours)
    }

    /// Whether an entry is left out of a measure on a day.
    pub fn is_exempt(&self, entry: &str, measure: &str, day: Date) -> bool {
        self.exemption(entry, measure, day).is_some()
    }

    /// The first exemption of an entry from a measure, or the answer to a doubt, on a day.
    pub fn exemption(&self, entry: &str, measure: &str, day: Date) -> Option<&Exemption> {
        self.exemptions.iter().find(|it| {
            it.entry == entry
                && (it.measure == "*" || it.measure == measure)
                && it.from <= day
                && it.until.is_none_or(|until| day <= until)
        })
    }
}

fn one<T>(
    text_of: &mut impl FnMut(&str) -> Option<(String, String)>,
    name: &str,
    parse: impl Fn(&str, &str) -> Result<Vec<T>, Vec<Problem>>,
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    let Some((file, text)) = text_of(name) else { return Vec::new() };
    parse(&file, &text).unwrap_or_else(|found| {
        problems.extend(found);
        Vec::new()
    })
}

const OBLIGATION: [&str; 10] = [
    "entry",
    "resources",
    "dataset",
    "title",
    "department",
    "region",
    "cycle",
    "shared",
    "open",
    "key",
];

/// Reads the list of obligations. `resources` are separated by blanks; `shared`, `open` and `key`
/// are `yes` or `no` (是, 否).
pub fn obligations(file: &str, text: &str) -> Result<Vec<Obligation>, Vec<Problem>> {
    let mut seen = BTreeSet::new();
    let sheet = Sheet::read(file, text, &OBLIGATION, &["resources", "dataset", "title", "region"]);
    sheet.map(|row, problem| {
        for column in ["entry", "department"] {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        if !seen.insert(row.get("entry").to_owned()) {
            problem("entry", format!("`{}` stands twice", row.get("entry")));
        }
        let mut yes = |column| {
            let told = is_yes(row.get(column));
            if told.is_none() {
                problem(column, format!("`{}` is neither `yes` nor `no`", row.get(column)));
            }
            told
        };
        let (shared, open, key) = (yes("shared"), yes("open"), yes("key"));
        Some(Obligation {
            entry: row.get("entry").to_owned(),
            resources: row.get("resources").split_whitespace().map(str::to_owned).collect(),
            dataset: row.get("dataset").to_owned(),
            title: row.get("title").to_owned(),
            department: row.get("department").to_owned(),
            region: row.get("region").to_owned(),
            cycle: Cycle::parse(row.get("cycle")),
            is_shared: shared?,
            is_open: open?,
            is_key: key?,
        })
    })
}

fn is_yes(text: &str) -> Option<bool> {
    match text {
        "yes" | "是" => Some(true),
        "no" | "否" => Some(false),
        _ => None,
    }
}

/// Reads the list of exemptions. None is taken without a reason and an approval.
pub fn exemptions(file: &str, text: &str) -> Result<Vec<Exemption>, Vec<Problem>> {
    let columns = ["entry", "measure", "from", "until", "reason", "approval"];
    Sheet::read(file, text, &columns, &["until"]).map(|row, problem| {
        for column in ["entry", "reason", "approval"] {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        let measure = row.get("measure");
        let is_known = MEASURES.iter().any(|known| known.name == measure)
            || Doubt::ALL.iter().any(|doubt| doubt.measure() == measure);
        if measure != "*" && !is_known {
            problem("measure", format!("there is no measure `{measure}`"));
        }
        let mut day = |column| {
            let told = row.get(column).parse::<Date>().ok();
            if told.is_none() {
                problem(column, format!("`{}` is no date (`2026-11-01`)", row.get(column)));
            }
            told
        };
        let from = day("from");
        let until = if row.get("until").is_empty() { None } else { Some(day("until")?) };
        Some(Exemption {
            entry: row.get("entry").to_owned(),
            measure: measure.to_owned(),
            from: from?,
            until,
            reason: row.get("reason").to_owned(),
            approval: row.get("approval").to_owned(),
        })
    })
}

/// Reads the list of assessed bodies.
pub fn bodies(file: &str, text: &str) -> Result<Vec<Assessed>, Vec<Problem>> {
    Sheet::read(file, text, &["body", "class"], &[]).map(|row, problem| {
        for column in ["body", "class"] {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        Some(Assessed { id: row.get("body").to_owned(), class: row.get("class").to_owned() })
    })
}

/// Reads which lists of cases are kept.
pub fn kept(file: &str, text: &str) -> Result<Vec<Kept>, Vec<Problem>> {
    Sheet::read(file, text, &["list", "since"], &[]).map(|row, problem| {
        let since = Month::parse(row.get("since"));
        if since.is_none() {
            problem("since", format!("`{}` is no month (`2026-11`)", row.get("since")));
        }
        Some(Kept { list: row.get("list").to_owned(), since: since? })
    })
}

/// Reads how long deeds take, in whole hours up to two months.
pub fn leads(file: &str, text: &str) -> Result<Vec<Lead>, Vec<Problem>> {
    Sheet::read(file, text, &["deed", "hours"], &[]).map(|row, problem| {
        let deed = Deed::parse(row.get("deed"));
        if deed.is_none() {
            let words: Vec<&str> = Deed::ALL.iter().map(|deed| deed.as_str()).collect();
            problem("deed", format!("`{}` is none of {}", row.get("deed"), words.join(", ")));
        }
        let hours = row.get("hours").parse::<u32>().ok().filter(|hours| *hours <= 1488);
        if hours.is_none() {
            problem("hours", format!("`{}` is no number of hours up to 1488", row.get("hours")));
        }
        Some(Lead { deed: deed?, hours: hours? })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told<T: std::fmt::Debug>(read: Result<T, Vec<Problem>>) -> Vec<String> {
        read.unwrap_err()
            .iter()
            .map(|it| format!("{} {}: {}", it.line, it.column, it.what))
            .collect()
    }

    #[test]
    fn lists_are_read_by_their_heads_in_any_order_with_remarks() {
        let text = "\u{feff}# 责任清单\nkey,open,shared,cycle,department,entry\n是,否,yes,每 2 日,住建局, e1 \n";
        let read = obligations("o.csv", text).unwrap();
        assert_eq!((read[0].entry.as_str(), read[0].department.as_str()), ("e1", "住建局"));
        assert_eq!((read[0].is_key, read[0].is_open, read[0].is_shared), (true, false, true));
        assert!(matches!(read[0].cycle, Cycle::Every(..)));
    }

    #[test]
    fn every_mistake_of_a_list_is_told() {
        let text =
            "entry,department,cycle,shared,open,key\ne1,,每日,yes,maybe,no\ne1,a,每日,yes,no,no\n";
        assert_eq!(
            told(obligations("o.csv", text)),
            [
                "2 department: is empty",
                "2 open: `maybe` is neither `yes` nor `no`",
                "3 entry: `e1` stands twice",
            ]
        );
        assert_eq!(
            told(obligations("o.csv", "entry,entry,departmnt\n")),
            [
                "1 department: this column is missing",
                "1 cycle: this column is missing",
                "1 shared: this column is missing",
                "1 open: this column is missing",
                "1 key: this column is missing",
                "1 entry: this column stands twice",
                "1 departmnt: nobody knows this column",
            ]
        );
        let text = "entry,measure,from,until,reason,approval\ne1,data.timly_rate,2026-02-30,,,\n";
        assert_eq!(
            told(exemptions("e.csv", text)),
            [
                "2 reason: is empty",
                "2 approval: is empty",
                "2 measure: there is no measure `data.timly_rate`",
                "2 from: `2026-02-30` is no date (`2026-11-01`)",
            ]
        );
        assert_eq!(
            told(leads("l.csv", "deed,hours\nexempt,1\n")),
            [
                "2 deed: `exempt` is none of close-case, cascade-entry, mount-resource, deliver-data, mend-rows, switch-standard, collect-task"
            ]
        );
    }

    #[test]
    fn an_exemption_holds_for_its_measure_and_its_days() {
        let text = "entry,measure,from,until,reason,approval\n\
                    e1,data.timely_rate,2026-03-01,2026-03-31,检修,批 1\ne2,*,2026-03-01,,垂管,批 2\n";
        let lists = Lists { exemptions: exemptions("e.csv", text).unwrap(), ..Lists::default() };
        let is = |entry, measure, day: &str| lists.is_exempt(entry, measure, day.parse().unwrap());
        assert!(is("e1", "data.timely_rate", "2026-03-31"));
        assert!(!is("e1", "data.timely_rate", "2026-04-01"));
        assert!(!is("e1", "key.covered_rate", "2026-03-31"));
        assert!(is("e2", "key.covered_rate", "2030-01-01"));
        assert!(!is("e2", "key.covered_rate", "2026-02-28"));
    }

    proptest! {
        #[test]
        fn no_table_panics(text in "\\PC{0,60}|(entry|department|cycle|shared|open|key|\"|,|\n|yes|#){0,40}") {
            drop(obligations("o.csv", &text).map(|it| it.len()));
            drop(kept("k.csv", &text).map(|it| it.len()));
        }
    }
}
