//! What is to be mended, department by department: findings of figures in the words of a list.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::carried::Carried;
use super::moment::Moment;
use super::period::day_before;
use crate::calendar::{Calendar, end_of_day};
use crate::indicator::lists::Lists;
use crate::indicator::measures::{Figures, Finding};
use crate::indicator::recover::Plan;
use crate::indicator::tally::Deed;

/// What is wrong.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Ill {
    /// A case of this list was not dealt with by its deadline.
    CaseLate(String),
    /// A case of this list is open, its deadline to come.
    CaseOpen(String),
    /// A dataset is overdue, or was never confirmed.
    Stale,
    /// An entry's message could not be made, or was refused.
    Incomplete,
    /// An entry does not stand above in its current version.
    NotCascaded,
    /// An entry without a resource above.
    Unmounted,
    /// Rows that our rules set aside.
    RejectedHere,
    /// Rows that the province's verdicts failed.
    RejectedAbove,
    /// Keys on which city and province differ.
    Differing,
    /// Probes without an answer.
    Unanswered,
    /// A task of the province's list whose day has passed and that is not done.
    Uncollected,
}

/// Something to be mended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Defect {
    /// The department that answers for it.
    pub owner: String,
    /// What is wrong.
    pub ill: Ill,
    /// The entry, dataset or case.
    pub subject: String,
    /// What the list calls it; empty where it does not.
    pub title: String,
    /// It is on the list of key data.
    pub is_key: bool,
    /// How many rows, keys or probes, where it is counted.
    pub count: Option<u64>,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// Rules or codes with their rows, the most first.
    pub codes: Vec<(String, u64)>,
    /// The fact that shows it.
    pub evidence: String,
    /// The measures that it lowers.
    pub measures: BTreeSet<String>,
    /// What mending it brings by itself, and by when it must be begun, where that is known.
    pub gain: Option<(Decimal, Timestamp)>,
    /// By when it is to be mended.
    pub deadline: Timestamp,
}

/// What else is to be known of a department: findings beyond those that figures keep.
pub type More = BTreeMap<String, u64>;

/// How deadlines come about.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'t> {
    /// Which days are working days.
    pub calendar: &'t Calendar,
    /// Within how many.
    pub days: u16,
    /// The zone of days.
    pub zone: &'t TimeZone,
}

impl Terms<'_> {
    /// The end of the working day until which what has no deadline of its own is mended, and
    /// whether a year without an official calendar was counted.
    pub fn deadline(&self, at: Timestamp) -> (Timestamp, bool) {
        let from: Date = day_before(at, self.zone);
        let counted = self.calendar.add_working_days(from, u32::from(self.days));
        (end_of_day(counted.date, self.zone), counted.is_provisional)
    }
}

/// Everything to be mended at a moment, by department, and how much more of it there is.
pub(super) fn defects(
    moment: &Moment,
    lists: &Lists,
    carried: &Carried,
    plan: &Plan,
    terms: Terms<'_>,
) -> (Vec<Defect>, More) {
    let mut all = Vec::new();
    let mut more = More::new();
    for (owner, figures) in &moment.departments {
        let mut found: BTreeMap<(Ill, String), Defect> = BTreeMap::new();
        let mut beyond = 0;
        for (name, figure) in figures {
            let Some(ill) = ill(name) else { continue };
            beyond = figure.more.max(beyond);
            for finding in figure.findings.iter().filter(|it| it.doubt.is_none()) {
                let ill = of_subject(ill.clone(), finding, moment.at);
                let of = found.entry((ill.clone(), finding.subject.clone()));
                let defect = of.or_insert_with(|| start(owner, ill, finding, lists));
                defect.measures.insert(name.clone());
            }
        }
        if beyond > 0 {
            more.insert(owner.clone(), beyond);
        }
        let told = told_once(
            found.keys().map(|(ill, of)| (ill.clone(), of.clone(), owner.clone())).collect(),
        );
        found.retain(|(ill, of), _| told.contains(&(ill.clone(), of.clone(), owner.clone())));
        for mut defect in found.into_values() {
            complete(&mut defect, moment.at, carried, plan, terms, lists);
            all.push(defect);
        }
    }
    all.sort_by(|a, b| {
        let key = |it: &Defect| (it.owner.clone(), it.ill.clone(), !it.is_key, it.subject.clone());
        key(a).cmp(&key(b))
    });
    (all, more)
}

/// What a finding of a figure says is wrong. Closed: other figures say nothing of a department.
fn ill(name: &str) -> Option<Ill> {
    Some(match name {
        "catalogue.complete_rate" => Ill::Incomplete,
        "catalogue.cascaded_rate" | "open.cascaded_rate" => Ill::NotCascaded,
        "resource.mounted_rate" | "open.mounted_rate" => Ill::Unmounted,
        "data.timely_rate" | "open.timely_rate" | "key.covered_rate" => Ill::Stale,
        "data.passed_rate" => Ill::RejectedHere,
        "receipt.passed_rate" => Ill::RejectedAbove,
        "reconcile.agreed_rate" => Ill::Differing,
        "interface.available_rate" => Ill::Unanswered,
        "collection.due_rate" => Ill::Uncollected,
        _ => {
            let (list, what) = name.strip_prefix("cases.")?.rsplit_once('.')?;
            match what {
                "late" => Ill::CaseLate(list.to_owned()),
                "open" => Ill::CaseOpen(list.to_owned()),
                _ => return None,
            }
        }
    })
}

/// A key entry is either late or not above at all: its finding's subject tells. A case that is open
/// is late when its deadline has passed, in whichever month that was.
fn of_subject(ill: Ill, finding: &Finding, at: Timestamp) -> Ill {
    let is_late = || finding.from.is_some_and(|deadline| deadline <= at);
    if let Ill::CaseOpen(list) = &ill
        && is_late()
    {
        return Ill::CaseLate(list.clone());
    }
    if ill == Ill::Stale && finding.subject.starts_with("entry:") { Ill::NotCascaded } else { ill }
}

fn start(owner: &str, ill: Ill, finding: &Finding, lists: &Lists) -> Defect {
    let subject = finding.subject.as_str();
    let listed = lists
        .obligations
        .iter()
        .find(|it| subject.strip_prefix("entry:") == Some(&it.entry) || *subject == it.dataset);
    let is_counted =
        matches!(ill, Ill::RejectedHere | Ill::RejectedAbove | Ill::Differing | Ill::Unanswered);
    let count = is_counted.then(|| finding.evidence.parse().ok()).flatten();
    Defect {
        owner: owner.to_owned(),
        ill,
        subject: subject.to_owned(),
        title: listed.map_or_else(String::new, |it| it.title.clone()),
        is_key: listed.is_some_and(|it| it.is_key),
        count,
        since: finding.from,
        codes: Vec::new(),
        evidence: if is_counted { String::new() } else { finding.evidence.clone() },
        measures: BTreeSet::new(),
        gain: None,
        deadline: Timestamp::MAX,
    }
}

fn complete(
    defect: &mut Defect,
    at: Timestamp,
    carried: &Carried,
    plan: &Plan,
    terms: Terms<'_>,
    lists: &Lists,
) {
    let here = defect.ill == Ill::RejectedHere;
    if here || defect.ill == Ill::RejectedAbove {
        let entry = defect.subject.strip_prefix("entry:").unwrap_or(&defect.subject);
        let listed = lists.obligations.iter().find(|it| it.entry == entry);
        let dataset = listed.map_or(entry, |it| it.dataset.as_str());
        let codes = carried.codes_of(dataset, here);
        defect.codes = codes.into_iter().map(|(code, rows)| (code.to_owned(), rows)).collect();
    }
    let deed = deed(&defect.ill);
    let planned = plan.planned.iter().find(|it| {
        let is_list = match &defect.ill {
            Ill::CaseLate(list) | Ill::CaseOpen(list) => it.action.act.list == *list,
            Ill::Stale
            | Ill::Incomplete
            | Ill::NotCascaded
            | Ill::Unmounted
            | Ill::RejectedHere
            | Ill::RejectedAbove
            | Ill::Differing
            | Ill::Unanswered
            | Ill::Uncollected => true,
        };
        is_list && Some(it.action.act.deed) == deed && it.action.act.subject == defect.subject
    });
    let (ours, _) = terms.deadline(at);
    defect.gain = planned.map(|it| (it.action.points, it.begin_by));
    defect.deadline = match (&defect.ill, planned) {
        // The province set it; what was missed is mended within our own days.
        (Ill::CaseOpen(_), _) => defect.since.unwrap_or(ours),
        // Points are still to be had: no later than that.
        (_, Some(it)) if it.action.until > at => it.action.until.min(ours).max(soonest(at, terms)),
        _ => ours,
    };
}

/// The end of the next working day: nobody mends anything in the hour before the month ends.
fn soonest(at: Timestamp, terms: Terms<'_>) -> Timestamp {
    Terms { days: 1, ..terms }.deadline(at).0
}

fn deed(ill: &Ill) -> Option<Deed> {
    match ill {
        Ill::CaseLate(_) | Ill::CaseOpen(_) => Some(Deed::CloseCase),
        Ill::Stale => Some(Deed::DeliverData),
        Ill::Incomplete | Ill::NotCascaded => Some(Deed::CascadeEntry),
        Ill::Unmounted => Some(Deed::MountResource),
        Ill::Uncollected => Some(Deed::CollectTask),
        Ill::RejectedHere | Ill::RejectedAbove | Ill::Differing | Ill::Unanswered => None,
    }
}

/// The defects that stand at several moments: what came back, or never left.
pub(super) fn recurring(
    figures: &[(Timestamp, &BTreeMap<String, Figures>)],
) -> BTreeMap<(Ill, String, String), usize> {
    let mut times = BTreeMap::new();
    for (at, departments) in figures {
        let mut seen = BTreeSet::new();
        for (owner, figures) in departments.iter() {
            for (name, figure) in figures {
                let Some(ill) = ill(name) else { continue };
                for finding in figure.findings.iter().filter(|it| it.doubt.is_none()) {
                    let ill = of_subject(ill.clone(), finding, *at);
                    if !matches!(ill, Ill::CaseOpen(_)) {
                        seen.insert((ill, finding.subject.clone(), owner.clone()));
                    }
                }
            }
        }
        for key in told_once(seen) {
            *times.entry(key).or_insert(0) += 1;
        }
    }
    times.retain(|_, count| *count > 1);
    times
}

/// What does not follow from something worse of the same subject.
fn told_once(seen: BTreeSet<(Ill, String, String)>) -> Vec<(Ill, String, String)> {
    let is = |ill: Ill, subject: &str, owner: &str| {
        seen.contains(&(ill, subject.to_owned(), owner.to_owned()))
    };
    let follows = |(ill, subject, owner): &(Ill, String, String)| match ill {
        Ill::NotCascaded => is(Ill::Incomplete, subject, owner),
        Ill::Unmounted => {
            is(Ill::Incomplete, subject, owner) || is(Ill::NotCascaded, subject, owner)
        }
        Ill::CaseLate(_)
        | Ill::CaseOpen(_)
        | Ill::Stale
        | Ill::Incomplete
        | Ill::RejectedHere
        | Ill::RejectedAbove
        | Ill::Differing
        | Ill::Unanswered
        | Ill::Uncollected => false,
    };
    seen.iter().filter(|it| !follows(it)).cloned().collect()
}

/// Since how long something lasts, in whole hours.
pub(super) fn hours(since: Timestamp, at: Timestamp) -> i64 {
    at.duration_since(since).max(SignedDuration::ZERO).as_hours()
}
