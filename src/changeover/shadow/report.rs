//! What a shadow run found: what the standard in force and the candidate say of the same objects,
//! how ready the city is, and what it waits for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::word;
use crate::catalogue::{Kind, ObjectKey};
use crate::changeover::catalogue::{self, Part};
use crate::delivery::LinkState;
use crate::ledger::{Ledger, Link, LinkFilter, Result, ShadowObject, ShadowRows};
use crate::standard::Standard;
use crate::supervisor::Pool;

/// The most lines of [`ShadowReport::outcomes`]; what does not fit is counted beside them.
const MOST_OUTCOMES: usize = 1_000;

/// What became of objects of one kind, under either standard. Printed by `--json`.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowCount {
    /// The kind; of rows the dataset.
    pub subject: String,
    /// Under the standard in force: `accepted`, `refused CODE`, `pending`; empty for rows.
    pub live: String,
    /// Under the candidate: a word of [`word`], `in_review`, or `untried`.
    pub candidate: String,
    /// The test platform's code, or the rule of ours.
    pub code: String,
    /// The field that our rule is about.
    pub field: String,
    /// How many objects or rows.
    pub count: u64,
}

/// A department that owes values. Printed by `--json`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Owing {
    /// Its id.
    pub department: String,
    /// Its name, where the catalogue knows it.
    pub title: String,
    /// Values that it has not supplied.
    pub values: u64,
}

/// How ready the city is, and what stands between it and the candidate. Printed by `--json`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Objects that the candidate carries.
    pub objects: u64,
    /// Of them, taken by the test platform and approved of where it approves.
    pub ready: u64,
    /// In percent, rounded down: 100 only where nothing is missing.
    pub percent: u64,
    /// Taken, and people at the province still look at them.
    pub approvals: u64,
    /// Values that departments have not supplied.
    pub values: u64,
    /// Turned away by our own rules: mostly for those values.
    pub lacking: u64,
    /// Refused, or answered with a code that the candidate does not class.
    pub refused: u64,
    /// Below one of those.
    pub waiting: u64,
    /// Sent, without an answer that says anything.
    pub undecided: u64,
    /// Not tried yet.
    pub untried: u64,
}

/// A shadow run and what it found. Printed by `--json`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowReport {
    /// The candidate, `id/version`.
    pub standard: String,
    /// The channel.
    pub channel: String,
    /// The standard in force on it.
    pub in_force: String,
    /// The test platform's address.
    pub endpoint: String,
    /// The run's job; none where none was started.
    pub job: Option<String>,
    /// It goes on.
    pub running: bool,
    /// Masked rows go, too.
    pub with_rows: bool,
    /// Since when it runs, or ran.
    pub since: Option<Timestamp>,
    /// What keeps it from going on, or why it ended.
    pub trouble: Option<String>,
    /// How ready the city is.
    pub readiness: Ready,
    /// Objects by kind and by what either standard made of them.
    pub outcomes: Vec<ShadowCount>,
    /// Objects whose line did not fit.
    pub more_outcomes: u64,
    /// Masked rows by dataset and what became of them.
    pub rows: Vec<ShadowCount>,
    /// Who owes values, most first.
    pub owing: Vec<Owing>,
}

/// Compares what both standards said of a channel's catalogue; the run itself is the caller's.
///
/// # Errors
/// The ledger cannot be read.
pub async fn report(
    ledger: &Ledger,
    pool: &Pool,
    part: &Part,
    candidate: &Arc<Standard>,
    is_known: bool,
) -> Result<ShadowReport> {
    let checked = catalogue::check(ledger, pool, part, candidate).await?;
    let (mut tried, mut rows) = (HashMap::new(), Vec::new());
    if is_known {
        let known = ledger.shadow_objects(part.channel.clone()).await?;
        tried.extend(known.into_iter().map(|it| (it.key.clone(), it)));
        rows = ledger.shadow_rows(part.channel.clone()).await?;
    }
    let links = ledger.links(part.channel.clone(), LinkFilter::default()).await?;
    let mut tally = Tally::new(candidate);
    for link in links.iter().filter(|link| link.wanted.is_some()) {
        if part.kinds.contains(&link.key.kind) {
            tally.add(link, tried.get(&link.key));
        }
    }
    let mut owing: Vec<Owing> = checked
        .departments
        .iter()
        .map(|it| Owing {
            department: it.department.clone(),
            title: it.title.clone(),
            values: it.wanted.saturating_sub(it.supplied),
        })
        .filter(|it| it.values > 0)
        .collect();
    owing.sort_by_key(|it| (std::cmp::Reverse(it.values), it.department.clone()));
    let mut report = tally.finish();
    report.readiness.values = owing.iter().map(|it| it.values).sum();
    report.owing = owing;
    report.rows = rows.into_iter().map(of_rows).collect();
    report.standard = candidate.id().to_string();
    report.channel = part.channel.to_string();
    Ok(report)
}

fn of_rows(it: ShadowRows) -> ShadowCount {
    ShadowCount {
        subject: it.dataset,
        candidate: it.outcome,
        code: it.code,
        count: it.rows,
        ..ShadowCount::default()
    }
}

/// What is counted of the objects.
struct Tally<'s> {
    candidate: &'s Standard,
    ready: Ready,
    outcomes: BTreeMap<ShadowCount, u64>,
    more: u64,
}

impl<'s> Tally<'s> {
    fn new(candidate: &'s Standard) -> Self {
        let (ready, outcomes) = (Ready::default(), BTreeMap::new());
        Self { candidate, ready, outcomes, more: 0 }
    }

    fn add(&mut self, link: &Link, tried: Option<&ShadowObject>) {
        let kind = link.key.kind;
        let outcome = match tried {
            Some(it) if is_pending(self.candidate, kind, it) => "in_review",
            Some(it) => it.outcome.as_str(),
            None if self.candidate.operation(&format!("{kind}.register")).is_none() => {
                word::NOT_CARRIED
            }
            None => "untried",
        };
        let ready = &mut self.ready;
        ready.objects += u64::from(outcome != word::NOT_CARRIED);
        match outcome {
            word::ACCEPTED | word::EXISTS => ready.ready += 1,
            "in_review" => ready.approvals += 1,
            word::LACKING => ready.lacking += 1,
            word::REFUSED | word::UNLISTED => ready.refused += 1,
            word::WAITING => ready.waiting += 1,
            word::UNDECIDED => ready.undecided += 1,
            word::NOT_CARRIED => {}
            _ => ready.untried += 1,
        }
        let line = ShadowCount {
            subject: kind.as_str().to_owned(),
            live: live(link),
            candidate: outcome.to_owned(),
            code: tried.map(|it| it.code.clone()).unwrap_or_default(),
            field: tried.map(|it| it.field.clone()).unwrap_or_default(),
            count: 0,
        };
        if self.outcomes.len() >= MOST_OUTCOMES && !self.outcomes.contains_key(&line) {
            self.more += 1;
        } else {
            *self.outcomes.entry(line).or_insert(0) += 1;
        }
    }

    fn finish(mut self) -> ShadowReport {
        let (ready, all) = (u128::from(self.ready.ready), u128::from(self.ready.objects));
        let percent = (ready * 100).checked_div(all).unwrap_or_default();
        self.ready.percent = u64::try_from(percent).unwrap_or_default();
        let outcomes = self.outcomes.into_iter().map(|(line, count)| ShadowCount { count, ..line });
        ShadowReport {
            readiness: self.ready,
            outcomes: outcomes.collect(),
            more_outcomes: self.more,
            ..ShadowReport::default()
        }
    }
}

/// The test platform took it, and people there still look at it.
pub(super) fn is_pending(candidate: &Standard, kind: Kind, it: &ShadowObject) -> bool {
    let followed = candidate.operation(&format!("{kind}.state"));
    let followed = followed.is_some_and(|operation| operation.every.is_some());
    let taken = matches!(it.outcome.as_str(), word::ACCEPTED | word::EXISTS);
    let is_over = match it.upper_state {
        Some(LinkState::Published) => true,
        Some(LinkState::InReview) => false,
        Some(_) | None => !followed,
    };
    taken && !is_over
}

/// What the standard in force made of an object.
fn live(link: &Link) -> String {
    match (link.state.is_held_above(), &link.refused) {
        (true, _) => "accepted".to_owned(),
        (false, Some((_, code))) if link.state == LinkState::Refused => format!("refused {code}"),
        (false, _) => "pending".to_owned(),
    }
}

/// What names an object that is shown.
pub(super) fn named(key: &ObjectKey) -> String {
    key.to_string()
}
