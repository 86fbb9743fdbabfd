//! The live score: what the daemon knows of the running month, a few seconds behind its facts.
//!
//! One reading of the month, then only the facts that are new. What a tally holds is bounded by
//! the lists and the cases, so memory does not grow with the facts. Where something other than a
//! new fact changes the score (another configuration, a new month, a fact that sets an older one
//! right) the month is read again. On the way, what the configuration states becomes facts, and a
//! month that is over is closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{Ahead, Judge, NotJudged};
use crate::app::works::Current;
use crate::cascade::Crew;
use crate::checks::Count;
use crate::config::Indicator;
use crate::fact::Kind;
use crate::indicator::brought::{Made, value};
use crate::indicator::forecast::Forecast;
use crate::indicator::recover::{Plan, recover_of};
use crate::indicator::replay::{score_of, score_until, span};
use crate::indicator::scheme::{Month, Title};
use crate::indicator::score::Score;
use crate::indicator::tally::{Body, Tally};
use crate::ledger::{self, NewFact, NewPeriod};
use crate::supervisor::{TaskError, sleep};
use crate::telemetry::logs::Chain;

/// How often new facts are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// New facts that are taken at once.
const PAGE: u32 = 4_096;
/// How often what can be recovered is tried again: every act is scored for it.
const PLAN_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// How often rules' counts are recorded.
const COUNT_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// The running month as of a few seconds ago.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The scheme's title.
    pub scheme: Title,
    /// As of when.
    pub at: Timestamp,
    /// The month so far.
    pub score: Score,
    /// The month's total at the cut-off if nothing more happens.
    pub at_cut_off: Decimal,
    /// The city's measures that could be computed.
    pub measures: BTreeMap<String, Decimal>,
    /// What can still be recovered.
    pub plan: Arc<Plan>,
}

/// Where the live score is left for whoever shows it.
#[derive(Debug, Default)]
pub struct Live {
    shown: ArcSwapOption<Shown>,
    pub(super) foretold: ArcSwapOption<Forecast>,
    pub(super) ahead: Ahead,
}

impl Live {
    /// The running month; none where no scheme is configured, or nothing was read yet.
    pub fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.load_full()
    }

    /// What the running month will come to; none where no scheme is configured, or none was made
    /// yet.
    pub fn foretold(&self) -> Option<Arc<Forecast>> {
        self.foretold.load_full()
    }

    /// The forecasts of the last minutes.
    pub fn ahead(&self) -> &Ahead {
        &self.ahead
    }
}

/// What is kept between two looks.
struct Kept {
    by: Arc<Indicator>,
    month: Month,
    tally: Tally<'static>,
    last: u64,
    plan: (Timestamp, Arc<Plan>),
}

/// Keeps the live score until it is aborted.
pub(in crate::app) async fn serve(
    crew: Crew,
    current: Arc<Current>,
    live: Arc<Live>,
) -> Result<(), TaskError> {
    let mut kept: Option<Kept> = None;
    let counts = Counts::default();
    loop {
        let by = current.load().configuration.indicator.clone();
        let looked = match by {
            Some(by) => look(&crew, &live, &mut kept, by).await,
            None => {
                kept = None;
                live.shown.store(None);
                Ok(())
            }
        };
        if let Err(error) = looked {
            kept = None;
            tracing::warn!(error = %Chain(&error), "the score is not kept");
        }
        if let Err(error) = counts.record(&crew, &current).await {
            tracing::warn!(error = %Chain(&error), "rules' counts are not recorded");
        }
        sleep(crew.supervisor.clock(), LOOK_EVERY).await;
    }
}

async fn look(
    crew: &Crew,
    live: &Live,
    kept: &mut Option<Kept>,
    by: Arc<Indicator>,
) -> Result<(), NotJudged> {
    let judge = Judge::new(crew.ledger.clone(), Arc::clone(&by));
    let now = crew.supervisor.clock().now();
    let month = judge.running(now)?;
    let is_other = |it: &Kept| !Arc::ptr_eq(&it.by, &by) || it.month != month;
    if kept.as_ref().is_none_or(is_other) {
        bring(crew, &by).await?;
        close(&judge, month.before(), now).await?;
        *kept = Some(begin(&judge, month).await?);
    }
    let Some(known) = kept.as_mut() else { return Ok(()) };
    if !catch_up(&judge, known).await? {
        *known = begin(&judge, month).await?;
    }
    let scheme = judge.scheme(month)?.clone();
    let score = score_until(&known.tally, &scheme, &Body::City, &by.field, now);
    let whole = score_of(&known.tally, &scheme, &Body::City, &by.field);
    if now.duration_since(known.plan.0) >= PLAN_EVERY {
        let (tally, field) = (known.tally.clone(), by.field.clone());
        let of = scheme.clone();
        let plan = move || recover_of(&tally, &of, &Body::City, &field, now);
        known.plan = (now, Arc::new(crew.supervisor.pool().run_long(plan).await));
    }
    let figures = known.tally.figures(&Body::City);
    let measures = figures.into_iter().filter_map(|(name, figure)| Some((name, figure.value?)));
    live.shown.store(Some(Arc::new(Shown {
        scheme: scheme.title,
        at: now,
        score,
        at_cut_off: whole.total,
        measures: measures.filter(|(name, _)| !name.starts_with("value.")).collect(),
        plan: Arc::clone(&known.plan.1),
    })));
    Ok(())
}

/// The month read from its first fact.
async fn begin(judge: &Judge, month: Month) -> Result<Kept, NotJudged> {
    let horizon = judge.ledger.horizon(Timestamp::MAX).await?;
    let scheme = judge.scheme(month)?;
    let tally = judge.tally_of(span(scheme, month, Timestamp::MAX), horizon).await?;
    let (by, last) = (Arc::clone(&judge.by), horizon.last);
    Ok(Kept { by, month, tally, last, plan: (Timestamp::MIN, Arc::default()) })
}

/// Takes the facts that are new; false where one sets an older one right, which cannot be taken
/// back from a sum.
async fn catch_up(judge: &Judge, known: &mut Kept) -> Result<bool, NotJudged> {
    loop {
        let facts = judge.ledger.facts(known.last, PAGE).await?;
        let is_last = facts.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        for (number, fact) in &facts {
            if fact.amends.is_some() {
                return Ok(false);
            }
            known.tally.add(fact);
            known.last = *number;
        }
        if is_last {
            return Ok(true);
        }
    }
}

/// What the configuration states becomes facts, each once.
async fn bring(crew: &Crew, by: &Indicator) -> ledger::Result<()> {
    const AT_ONCE: usize = 1_000;
    let new = |made: Made| NewFact {
        channel: made.channel,
        subject: made.subject,
        kind: made.kind,
        occurred: made.occurred,
        amends: None,
    };
    let exempted = by.lists.exemptions.iter().map(|it| NewFact {
        channel: None,
        subject: format!("entry:{}", it.entry),
        kind: Kind::Exempted {
            measure: it.measure.clone(),
            days: format!(
                "{}..{}",
                it.from,
                it.until.map_or_else(String::new, |until| until.to_string())
            ),
            reason: it.reason.clone(),
            approval: it.approval.clone(),
        },
        occurred: crate::calendar::end_of_day(
            it.from.yesterday().unwrap_or(it.from),
            &jiff::tz::TimeZone::fixed(jiff::tz::offset(8)),
        ),
        amends: None,
    });
    let facts: Vec<NewFact> = by.stated.iter().map(|row| new(value(row))).chain(exempted).collect();
    for facts in facts.chunks(AT_ONCE) {
        crew.ledger.facts_brought(facts.to_vec()).await?;
    }
    Ok(())
}

/// Closes a month that is over, if the ledger knows anything of it.
async fn close(judge: &Judge, month: Month, now: Timestamp) -> Result<(), NotJudged> {
    let Some(scheme) = judge.by.scheme(month) else { return Ok(()) };
    let span = span(scheme, month, now);
    let horizon = judge.ledger.horizon(now).await?;
    let first = judge.ledger.facts(0, 1).await?;
    let lived = first.first().is_some_and(|(_, fact)| fact.recorded < span.to);
    let closed = judge.ledger.period(month.to_string(), scheme.id.clone(), span.to).await?;
    if span.to > now || !lived || closed.is_some() {
        return Ok(());
    }
    let tally = judge.tally_of(span, horizon).await?;
    let score = score_of(&tally, scheme, &Body::City, &judge.by.field);
    let new = NewPeriod {
        month: month.to_string(),
        scheme: scheme.id.clone(),
        last_fact: horizon.last,
        total: score.total,
        judged_by: judge.by.digest,
        body: body(&score, &tally),
    };
    judge.ledger.period_closed(new).await?;
    Ok(())
}

/// What a month came to, as text that is the same for the same facts.
pub(in crate::app) fn body(score: &Score, tally: &Tally<'_>) -> String {
    let mut text = format!("total {}\n", score.total.normalize());
    for item in &score.items {
        let points = item.points.map_or_else(|| "?".to_owned(), |it| it.normalize().to_string());
        text.push_str(&format!("item {} {points}\n", item.id));
    }
    for (name, figure) in tally.figures(&Body::City) {
        let value = figure.value.map_or_else(|| "?".to_owned(), |it| it.to_string());
        text.push_str(&format!("figure {name} {value}\n"));
    }
    text
}

/// A channel, a dataset and a rule of it.
type Counted = (String, String, String);

/// How often rules were asked, as last recorded.
#[derive(Debug, Default)]
struct Counts {
    known: Mutex<(Option<Timestamp>, BTreeMap<Counted, Count>)>,
}

impl Counts {
    /// Records what was counted since the last time, every hour: one fact for each rule that was
    /// asked. What was counted in the hour before a crash is lost.
    async fn record(&self, crew: &Crew, current: &Current) -> ledger::Result<()> {
        let now = crew.supervisor.clock().now();
        let facts = self.taken(current, now);
        for facts in facts.chunks(1_000) {
            crew.ledger.rules_counted(facts.to_vec()).await?;
        }
        Ok(())
    }

    fn taken(&self, current: &Current, now: Timestamp) -> Vec<NewFact> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *known.0.get_or_insert(now);
        if now.duration_since(since) < COUNT_EVERY {
            return Vec::new();
        }
        known.0 = Some(now);
        let works = current.load();
        let mut facts = Vec::new();
        for carrier in works.carriers() {
            let flow = carrier.flow();
            for (sort, name, count) in carrier.sorted_counts() {
                let rule = format!("{sort} {name}");
                let key = (flow.channel.to_string(), flow.dataset.clone(), rule.clone());
                // A reload begins to count anew.
                let before = known.1.insert(key, count).filter(|it| it.executed <= count.executed);
                let before = before.unwrap_or_default();
                let executed = count.executed.saturating_sub(before.executed);
                if executed == 0 {
                    continue;
                }
                let kind = Kind::RuleCounted {
                    rule,
                    executed,
                    broken: count.broken.saturating_sub(before.broken),
                    waived: count.waived.saturating_sub(before.waived),
                };
                let (channel, subject) = (Some(flow.channel.clone()), flow.dataset.clone());
                facts.push(NewFact { channel, subject, kind, occurred: now, amends: None });
            }
        }
        facts
    }
}
