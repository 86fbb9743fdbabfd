//! The live score: what the daemon knows of the running month, a few seconds behind its facts.
//!
//! One reading of the month, then only the facts that are new. What a tally holds is bounded by
//! the lists and the cases, so memory does not grow with the facts. Where something other than a
//! new fact changes the score (another configuration, a new month, a fact that sets an older one
//! right) the month is read again. On the way, what the configuration states becomes facts, and a
//! month that is over is closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{Ahead, Judge, NotJudged, closed};
use crate::app::works::Current;
use crate::cascade::Crew;
use crate::config::Indicator;
use crate::fact::Kind;
use crate::indicator::brought::{Made, value};
use crate::indicator::forecast::Forecast;
use crate::indicator::recover::{Plan, recover_of};
use crate::indicator::replay::{score_of, score_until, span};
use crate::indicator::scheme::{Month, Title};
use crate::indicator::score::Score;
use crate::indicator::tally::{Body, ByDay, Tally, Words};
use crate::indicator::terms;
use crate::ledger::{self, NewFact};
use crate::supervisor::{TaskError, sleep};
use crate::telemetry::logs::Chain;

/// How often new facts are looked for.
pub(in crate::app) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How far the score that is shown may be behind its facts.
pub(in crate::app) const MOST_BEHIND: Duration = Duration::from_secs(5);
// A fact that has just missed a look is taken by the next one and shown by the one of the doors
// after that; what is left is for reading and reckoning.
const _: () = assert!(
    LOOK_EVERY.as_millis() + crate::app::doors::LOOK_EVERY.as_millis() + 2_000
        <= MOST_BEHIND.as_millis()
);
/// New facts that are taken at once.
const PAGE: u32 = 4_096;
/// How often what can be recovered is tried again: every act is scored for it.
const PLAN_EVERY: SignedDuration = SignedDuration::from_secs(60);

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
    /// The three words of every listed dataset, as they are and as they were the month before.
    pub words: [Arc<BTreeMap<String, Words>>; 2],
    /// The same by day.
    pub by_day: ByDay,
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
    words_before: Arc<BTreeMap<String, Words>>,
}

/// Keeps the live score until it is aborted.
pub(in crate::app) async fn serve(
    crew: Crew,
    current: Arc<Current>,
    live: Arc<Live>,
) -> Result<(), TaskError> {
    let mut kept: Option<Kept> = None;
    loop {
        // Before a month may be closed: an hour that ended with it belongs to it.
        if let Err(error) = settle_rules(&crew).await {
            tracing::warn!(error = %Chain(&error), "rules' counts are not recorded");
        }
        let by = current.load().configuration.indicator.clone();
        let looked = match by {
            Some(by) => look((&crew, &current), &live, &mut kept, by).await,
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
        sleep(crew.supervisor.clock(), LOOK_EVERY).await;
    }
}

/// What rules did in hours that are over becomes facts.
async fn settle_rules(crew: &Crew) -> ledger::Result<()> {
    while crew.ledger.rules_settled().await? > 0 {}
    Ok(())
}

async fn look(
    (crew, current): (&Crew, &Current),
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
        // What nobody was there to write down when the month ended belongs to it.
        crate::app::overdue::once(crew, current).await?;
        closed::close(&judge, month.before(), now).await?;
        let words = Arc::new(words_of(&judge, month.before(), now).await?);
        *kept = Some(begin(&judge, month, words).await?);
    }
    let Some(known) = kept.as_mut() else { return Ok(()) };
    if !catch_up(&judge, known).await? {
        *known = begin(&judge, month, Arc::clone(&known.words_before)).await?;
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
        words: [Arc::new(known.tally.words()), Arc::clone(&known.words_before)],
        by_day: known.tally.by_day(),
    })));
    Ok(())
}

/// The month read from its first fact.
async fn begin(
    judge: &Judge,
    month: Month,
    words_before: Arc<BTreeMap<String, Words>>,
) -> Result<Kept, NotJudged> {
    let horizon = judge.ledger.horizon(Timestamp::MAX).await?;
    let scheme = judge.scheme(month)?;
    let span = span(scheme, month, Timestamp::MAX);
    let tally = judge.tally_by_day(span, horizon).await?;
    let (by, last) = (Arc::clone(&judge.by), horizon.last);
    Ok(Kept { by, month, tally, last, plan: (Timestamp::MIN, Arc::default()), words_before })
}

/// The three words of every dataset in a month that is over; none where no scheme says what a
/// month is.
async fn words_of(
    judge: &Judge,
    month: Month,
    now: Timestamp,
) -> Result<BTreeMap<String, Words>, NotJudged> {
    let Some(scheme) = judge.by().scheme(month) else { return Ok(BTreeMap::new()) };
    let horizon = judge.ledger.horizon(now).await?;
    Ok(judge.tally_of(span(scheme, month, now), horizon).await?.words())
}

/// Takes the facts that are new; false where one sets an older one right, which cannot be taken
/// back from a sum, or changes what the lists promise.
async fn catch_up(judge: &Judge, known: &mut Kept) -> Result<bool, NotJudged> {
    loop {
        let facts = judge.ledger.facts(known.last, PAGE).await?;
        let is_last = facts.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        for (number, fact) in &facts {
            if fact.amends.is_some() || terms::KINDS.contains(&fact.kind.as_str()) {
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
