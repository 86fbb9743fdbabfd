//! Closed months: closing every month that is over, and computing a closed one again.
//!
//! A month is closed with the texts by which it was judged and the number of the last fact that was
//! counted. So it can be computed again at any later time from exactly what was known then,
//! whatever lists and schemes are configured by then; another result is a sign of tampering.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::read::{Days, tally_over};
use super::{Judge, NotJudged};
use crate::indicator::replay::{score_of, span};
use crate::indicator::scheme::Month;
use crate::indicator::score::Score;
use crate::indicator::tally::{Body, Tally};
use crate::ledger::{self, Horizon, Ledger, NewPeriod, Period};

/// The most months that are closed after the daemon was away.
const MOST_MONTHS: usize = 24;
/// The word before the program that closed a month.
const PROGRAM: &str = "program ";

/// Closes every month that is over and in which the ledger lived, the oldest first, up to `last`;
/// how many were closed.
pub(super) async fn close(judge: &Judge, last: Month, now: Timestamp) -> Result<u32, NotJudged> {
    let first = judge.ledger.facts(0, 1).await?;
    let Some(begun) = first.first().map(|(_, fact)| fact.recorded) else { return Ok(0) };
    let mut months = Vec::new();
    let mut month = last;
    while months.len() < MOST_MONTHS {
        let Some(scheme) = judge.by.scheme(month) else { break };
        let span = span(scheme, month, Timestamp::MAX);
        if begun >= span.to {
            break;
        }
        let name = (month.to_string(), scheme.id.clone());
        let closed = judge.ledger.period(name.0, name.1, span.to).await?;
        if span.to <= now && closed.is_none() {
            months.push(month);
        }
        month = month.before();
    }
    let mut count = 0;
    for month in months.into_iter().rev() {
        count += u32::from(close_one(judge, month).await?);
    }
    Ok(count)
}

async fn close_one(judge: &Judge, month: Month) -> Result<bool, NotJudged> {
    let scheme = judge.scheme(month)?;
    let span = span(scheme, month, Timestamp::MAX);
    let horizon = judge.ledger.horizon(Timestamp::MAX).await?;
    let tally = tally_over(&judge.ledger, &judge.by.lists, span, horizon, Days::Summed).await?;
    let score = score_of(&tally, scheme, &Body::City, &judge.by.field);
    let new = NewPeriod {
        month: month.to_string(),
        scheme: scheme.id.clone(),
        last_fact: horizon.last,
        total: score.total,
        judged_by: judge.by.sources(month),
        body: body(&score, &tally),
    };
    Ok(judge.ledger.period_closed(new).await?)
}

/// What a month came to, as text that is the same for the same facts.
fn body(score: &Score, tally: &Tally<'_>) -> String {
    let shown =
        |it: Option<Decimal>| it.map_or_else(|| "?".to_owned(), |it| it.normalize().to_string());
    let mut text =
        format!("{PROGRAM}{}\ntotal {}\n", env!("CARGO_PKG_VERSION"), score.total.normalize());
    for item in &score.items {
        text.push_str(&format!("item {} {}\n", item.id, shown(item.points)));
    }
    for (name, figure) in tally.figures(&Body::City) {
        text.push_str(&format!("figure {name} {}\n", shown(figure.value)));
    }
    text
}

/// The total that a closed month's text states.
pub(in crate::app) fn total(period: &Period) -> Option<Decimal> {
    let total = period.body.lines().find_map(|line| line.strip_prefix("total "))?;
    Decimal::from_str_exact(total).ok()
}

/// What came of computing closed months again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::app) struct Recomputed {
    /// Months that came to what they were closed with.
    pub(in crate::app) months: u64,
    /// What is wrong.
    pub(in crate::app) problems: Vec<String>,
    /// What is no tampering, and good to know.
    pub(in crate::app) notes: Vec<String>,
}

/// Computes every closed month again, from the facts and by the texts of its close. `judge` says by
/// what months would be judged now.
pub(in crate::app) async fn recomputed(
    ledger: &Ledger,
    judge: Option<&Judge>,
) -> ledger::Result<Recomputed> {
    let mut all = Recomputed::default();
    for period in ledger.periods().await? {
        let of = format!("{} by {}", period.month, period.scheme);
        let sources = ledger.sources_of(period.month.clone(), period.scheme.clone()).await?;
        if sources.digest() != period.judged_by {
            all.problems
                .push(format!("{of}: the scheme or a list is not the one it was closed by"));
            continue;
        }
        let (judged, month) = match (sources.read(), Month::parse(&period.month)) {
            (Ok(judged), Some(month)) => (judged, month),
            (Err(unread), _) => {
                all.problems.push(format!("{of}: {unread}"));
                continue;
            }
            (Ok(_), None) => {
                all.problems.push(format!("{of}: it is no month"));
                continue;
            }
        };
        let span = span(&judged.scheme, month, Timestamp::MAX);
        let horizon = Horizon { last: period.last_fact, known_by: Timestamp::MAX };
        let lists = std::sync::Arc::new(judged.lists);
        let tally = tally_over(ledger, &lists, span, horizon, Days::Summed).await?;
        let score = score_of(&tally, &judged.scheme, &Body::City, &judged.field);
        match differs(&period.body, &body(&score, &tally)) {
            None => all.months += 1,
            Some(Differs { what, by: None }) => {
                all.problems.push(format!("{of}: {what}"));
            }
            Some(Differs { what, by: Some(program) }) => {
                all.notes.push(format!("{of}: closed by {program}, this one computes: {what}"));
            }
        }
        let now = judge.map(|judge| judge.by.sources(month)).unwrap_or_default();
        if judge.is_some() && now != sources {
            let names = now.unlike(&sources).join(", ");
            all.notes.push(format!("{of}: configured otherwise since it was closed: {names}"));
        }
    }
    Ok(all)
}

struct Differs {
    what: String,
    /// The program that closed it, where it is another one.
    by: Option<String>,
}

/// The first line in which two texts of a month differ.
fn differs(kept: &str, computed: &str) -> Option<Differs> {
    let program =
        |text: &str| text.lines().next().and_then(|it| it.strip_prefix(PROGRAM)).map(str::to_owned);
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|it| !it.starts_with(PROGRAM)).map(str::to_owned).collect()
    };
    let (was, is) = (lines(kept), lines(computed));
    let longest = was.len().max(is.len());
    let at = (0..longest).find(|at| was.get(*at) != is.get(*at))?;
    let told =
        |line: Option<&String>| line.map_or_else(|| "nothing".to_owned(), |it| format!("`{it}`"));
    let what = format!("closed with {}, its facts give {}", told(was.get(at)), told(is.get(at)));
    let by = program(kept).filter(|it| Some(it) != program(computed).as_ref());
    Some(Differs { what, by })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_is_told_from_another_result() {
        let (kept, now) = ("program 1\ntotal 3\nitem a 1\n", "program 1\ntotal 3\nitem a 2\n");
        assert!(differs(kept, kept).is_none());
        let told = differs(kept, now).unwrap();
        assert_eq!(told.what, "closed with `item a 1`, its facts give `item a 2`");
        assert_eq!(told.by, None);
        let newer = now.replace("program 1", "program 2");
        assert_eq!(differs(kept, &newer).unwrap().by.as_deref(), Some("1"));
        assert!(differs(kept, &kept.replace("program 1", "program 2")).is_none());
        assert!(differs(kept, "program 1\ntotal 3\n").unwrap().what.ends_with("give nothing"));
    }
}
