//! Masked rows at the test platform: of each dataset whose resource stands there, some rows whenever
//! the live lane saw a change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::mask::Mask;
use super::run::{Trial, unanswered};
use super::{judged, word};
use crate::cascade::{Carrier, Crew, Error};
use crate::catalogue::{Kind, Object, ObjectKey};
use crate::changeover::rows::plan;
use crate::checks;
use crate::delivery::{Action, Lane, Outcome, Verdict};
use crate::ledger::ShadowRows;
use crate::province::Placement;
use crate::row::{Keyer, Page, key_text};
use crate::standard::{BatchScope, Message, PageScope, Scope};
use crate::wire::RowPlan;

/// Rows of one dataset sent at once.
const ROWS: usize = 50;
/// Batches whose verdicts are asked for.
const MOST_OPEN: usize = 100;
/// How often a batch's verdicts are asked for before it is let go of.
const MOST_ASKED: u32 = 20;
/// The longest reason of a failed row that is counted by itself, in characters.
const REASON: usize = 32;

/// What a run remembers of rows; a restart begins anew.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// What the live lane had seen of a dataset when its rows were last sent, and when.
    sent: HashMap<String, (Mark, Timestamp)>,
    open: Vec<Open>,
}

type Mark = (u64, Option<Timestamp>);

/// A batch that awaits verdicts.
#[derive(Debug)]
struct Open {
    batch: String,
    dataset: String,
    rows: u32,
    asked: u32,
}

impl Trial {
    /// Sends masked rows of every dataset that changed, and asks for verdicts; gives the code where
    /// nothing came back.
    pub(super) async fn send_rows(&mut self, crew: &Crew) -> Result<Option<String>, Error> {
        if self.parts.candidate.operation("rows.upsert").is_none() {
            return Ok(None);
        }
        if let Some(trouble) = self.verdicts(crew).await? {
            return Ok(Some(trouble));
        }
        let flows = crew.ledger.flows().await?;
        let channel = Arc::clone(&self.parts.channel);
        let stop = crew.supervisor.stop_signal();
        for carrier in channel.carriers() {
            if stop.is_raised() {
                break;
            }
            let dataset = &carrier.flow().dataset;
            let state = flows.iter().find(|it| it.flow == *carrier.flow());
            let mark = state.map(|it| (it.counts.due, it.last_change_at)).unwrap_or_default();
            let last = self.rows.sent.get(dataset).copied();
            if last.is_some_and(|(known, _)| known == mark) {
                continue;
            }
            let Some(id) = crew.ledger.resource_of(dataset.clone()).await? else { continue };
            let key = ObjectKey { kind: Kind::Resource, id };
            if self.seen.get(&key).is_none_or(|it| it.upper_id.is_none()) {
                continue;
            }
            let now = crew.supervisor.clock().now();
            let since = last.map(|(_, at)| at);
            if let Some(trouble) = self.sample(crew, carrier, &key, since).await? {
                return Ok(Some(trouble));
            }
            self.rows.sent.insert(dataset.clone(), (mark, now));
        }
        Ok(None)
    }

    /// Some rows of a dataset, masked and sent.
    async fn sample(
        &mut self,
        crew: &Crew,
        carrier: &Arc<Carrier>,
        key: &ObjectKey,
        since: Option<Timestamp>,
    ) -> Result<Option<String>, Error> {
        let dataset = carrier.flow().dataset.clone();
        let count = |outcome: &str, code: String, rows: u64| {
            let (outcome, dataset) = (outcome.to_owned(), dataset.clone());
            crew.ledger
                .shadow_rows_seen(self.channel(), ShadowRows { dataset, outcome, code, rows })
        };
        let written = match self.masked(crew, carrier, since, ROWS).await? {
            Ok(written) => written,
            Err(reason) => {
                count(word::LACKING, reason, 1).await?;
                return Ok(None);
            }
        };
        if written.left_out > 0 {
            count(word::LACKING, "mask".to_owned(), written.left_out).await?;
        }
        if written.rows == 0 {
            return Ok(None);
        }
        let Some(resource) = crew.ledger.object(key.clone()).await? else { return Ok(None) };
        let Some(message) = self.of_rows(&resource, &written, &dataset) else {
            count(word::LACKING, "message".to_owned(), u64::from(written.rows)).await?;
            return Ok(None);
        };
        let batch = self.name(crew, &dataset, &message)?;
        let (payload, parameters) = (&message.payload, message.parameters.as_slice());
        let operation = "rows.upsert";
        let placement = Placement { operation, payload, parameters, batch: &batch, attempt: 1 };
        let permit = crew.ledger.permit()?;
        let reply = self.parts.way.place(&permit, placement).await;
        let (outcome, code) = judged(&reply.reading.outcome);
        count(outcome, code, u64::from(written.rows)).await?;
        let is_judged = self.parts.candidate.operation("rows.verdict").is_some();
        let is_taken = matches!(reply.reading.outcome, Outcome::Accepted { .. });
        if is_taken && is_judged && self.rows.open.len() < MOST_OPEN {
            self.rows.open.push(Open { batch, dataset, rows: written.rows, asked: 0 });
        }
        Ok(unanswered(&reply))
    }

    /// The message that carries masked rows; none where the candidate lacks something for it.
    pub(super) fn of_rows(
        &self,
        resource: &Object,
        written: &Written,
        dataset: &str,
    ) -> Option<Message> {
        let upper_id = self.seen.get(&resource.key()).and_then(|it| it.upper_id.as_deref());
        let scope = Scope {
            object: Some(resource),
            upper_id,
            upper: self.upper(resource).0,
            dataset: Some(dataset),
            dataset_key: Some(written.key.as_str()).filter(|key| !key.is_empty()),
            batch: BatchScope {
                id: None,
                rows: Some(written.rows),
                action: Some(Action::Upsert),
                lane: Some(Lane::Live),
                ordinal: None,
                packed: None,
                encoded: &written.encoded,
            },
            ..Scope::default()
        };
        self.parts.candidate.build("rows.upsert", &scope).ok()
    }

    /// Reads rows and writes them as the candidate does, every one masked; the reason where none
    /// can be written.
    pub(super) async fn masked(
        &self,
        crew: &Crew,
        carrier: &Arc<Carrier>,
        since: Option<Timestamp>,
        most: usize,
    ) -> Result<Result<Written, String>, Error> {
        let candidate = &self.parts.candidate;
        let plan = match plan(crew, carrier, candidate).await? {
            Ok(plan) => plan,
            Err(reason) => return Ok(Err(reason)),
        };
        let limits = candidate.limits();
        let most = limits.rows.map_or(most, |rows| most.min(rows as usize));
        let (_place, mut cursor) = carrier.read_changed(&crew.readers, since).await?;
        let mut page = Page::new(carrier.dataset().columns.len());
        cursor.next(&mut page, most).await?;
        drop(cursor);
        let masking = Masking {
            carrier: Arc::clone(carrier),
            plan,
            keyer: crew.ledger.identity().keyer.clone(),
            now: crew.supervisor.clock().now(),
            bytes: limits.bytes,
        };
        Ok(Ok(crew.supervisor.pool().run(move || masking.write(&page)).await))
    }

    /// What the test platform says of the rows that it took.
    async fn verdicts(&mut self, crew: &Crew) -> Result<Option<String>, Error> {
        let stop = crew.supervisor.stop_signal();
        for mut open in std::mem::take(&mut self.rows.open) {
            let scope = Scope {
                dataset: Some(&open.dataset),
                batch: BatchScope {
                    id: Some(&open.batch),
                    rows: Some(open.rows),
                    action: Some(Action::Upsert),
                    lane: Some(Lane::Live),
                    ..BatchScope::default()
                },
                page: PageScope { number: Some(1), ..PageScope::default() },
                ..Scope::default()
            };
            let Ok(message) = self.parts.candidate.build("rows.verdict", &scope) else { continue };
            if stop.is_raised() {
                break;
            }
            let way = &self.parts.way;
            let reply = way.collect("rows.verdict", &message, &open.batch, None, None).await;
            if let Some(trouble) = unanswered(&reply) {
                self.rows.open.push(open);
                return Ok(Some(trouble));
            }
            let mut counts: HashMap<(&str, String), u64> = HashMap::new();
            let judged = reply.reading.verdicts.iter().filter_map(|it| it.verdict.as_ref());
            for verdict in judged {
                let outcome = match verdict {
                    Verdict::Passed => (word::PASSED, String::new()),
                    Verdict::Failed { reason } => (word::FAILED, short(reason)),
                };
                *counts.entry(outcome).or_insert(0) += 1;
            }
            open.asked += 1;
            let all: u64 = counts.values().sum();
            if all < u64::from(open.rows) && open.asked < MOST_ASKED {
                self.rows.open.push(open);
                continue;
            }
            for ((outcome, code), rows) in counts {
                let (dataset, outcome) = (open.dataset.clone(), outcome.to_owned());
                let rows = ShadowRows { dataset, outcome, code, rows };
                crew.ledger.shadow_rows_seen(self.channel(), rows).await?;
            }
        }
        Ok(None)
    }
}

/// The code that a reason begins with, as the live lane reads it: the rest may quote the row.
fn short(reason: &str) -> String {
    let is_code = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    let code: String = reason.chars().take_while(is_code).take(REASON).collect();
    if code.is_empty() { word::FAILED.to_owned() } else { code }
}

/// Rows as the candidate writes them, every one masked.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The key's columns as they are named above, separated by commas.
    pub(super) key: String,
    pub(super) encoded: Vec<u8>,
    pub(super) rows: u32,
    /// Sound rows whose mask our own rules would turn away, or whose masked key came twice.
    pub(super) left_out: u64,
}

/// One page, on the pool.
struct Masking {
    carrier: Arc<Carrier>,
    plan: RowPlan,
    keyer: Keyer,
    now: Timestamp,
    bytes: Option<u64>,
}

impl Masking {
    fn write(&self, page: &Page) -> Written {
        let dataset = self.carrier.dataset();
        let (rules, width) = (self.carrier.rules(), dataset.columns.len());
        let mut unjudged = |_rule, _digest| false;
        let mut pass =
            checks::Pass::new(rules, self.now, &dataset.zone).judged_by(&self.keyer, &mut unjudged);
        let today = self.now.to_zoned(TimeZone::clone(&dataset.zone)).date();
        let mask = Mask::new(&self.keyer, &dataset.id, &dataset.columns, rules, today);
        let (mut masked, mut keys) = (Page::new(width), HashSet::new());
        let mut violations = Vec::new();
        let names = dataset.key.iter().filter_map(|at| self.plan.name_of(*at));
        let mut out = Written { key: names.collect::<Vec<_>>().join(","), ..Written::default() };
        for row in page.rows() {
            let mut key = String::new();
            violations.clear();
            // What the live lane would not send is not sent here either.
            let has_key = key_text(row, &dataset.key, &mut key);
            if !has_key || rules.check(row, &mut pass, &mut violations).is_none() {
                continue;
            }
            masked.clear();
            mask.row(row, &key, &mut masked);
            let is_written = masked.end_row().is_ok() && {
                key.clear();
                violations.clear();
                let before = out.encoded.len();
                let wanted = masked.row(0).and_then(|row| {
                    let has_key = key_text(row, &dataset.key, &mut key);
                    let valid = rules.check(row, &mut pass, &mut violations)?;
                    (has_key && keys.insert(key.clone())).then_some(valid)
                });
                let fits = |bytes: usize| self.bytes.is_none_or(|most| (bytes as u64) < most / 2);
                let is_written = wanted.is_some_and(|valid| {
                    self.plan.append(valid.row(), &key, &mut out.encoded).is_ok()
                }) && fits(out.encoded.len());
                if !is_written {
                    out.encoded.truncate(before);
                }
                is_written
            };
            out.rows += u32::from(is_written);
            out.left_out += u64::from(!is_written);
        }
        out
    }
}
