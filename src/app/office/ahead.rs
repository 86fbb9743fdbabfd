//! What the month will come to, what is doubted, and computed against published: from the ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::score::Of;
use super::{Office, told};
use crate::app::Asked;
use crate::control::protocol::{
    CalibrationSheet, DoubtSheet, Failure, ForecastSheet, ScoreAnswer, ScoreQuery,
};
use crate::fact::{Fact, Kind};
use crate::indicator::calibrate;
use crate::indicator::replay::{score_of, span};
use crate::indicator::tally::Body;
use crate::ledger::FactQuery;

/// The most published results that are looked at: five years of all of an assessment's items.
const MOST_RESULTS: usize = 20_000;

impl Office {
    /// What the month will come to. Of now the answer is a few minutes old at most, and says so.
    pub(super) async fn forecast(&self, query: &ScoreQuery) -> Result<ScoreAnswer, Failure> {
        let Of { judge, scheme, month, body, now, is_now } = self.of(query)?;
        let asked = Asked { scheme, month, body, seed: query.seed.unwrap_or(1) };
        let (ahead, pool) = (self.live.ahead(), self.crew.supervisor.pool());
        let sheet = if is_now {
            let made = ahead.forecast(&judge, pool, &asked, now).await.map_err(told)?;
            ForecastSheet::of(&asked.scheme, &made)
        } else {
            let made = ahead.as_of(&judge, pool, &asked, now).await.map_err(told)?;
            ForecastSheet::of(&asked.scheme, &made)
        };
        Ok(ScoreAnswer::Forecast(Box::new(sheet)))
    }

    /// What looks better than it is; of a department what it answers for.
    pub(super) async fn doubts(&self, query: &ScoreQuery) -> Result<ScoreAnswer, Failure> {
        let Of { judge, scheme, month, body, now, .. } = self.of(query)?;
        let tally = judge.tally_by(&scheme, month, now).await.map_err(told)?;
        let mut found = tally.doubts();
        if let Body::Department(id) = &body {
            found.retain(|it| it.owner == *id);
        }
        Ok(ScoreAnswer::Doubts(DoubtSheet::of(&found)))
    }

    /// The closed months against the results that were brought in.
    pub(super) async fn calibrate(&self, query: &ScoreQuery) -> Result<ScoreAnswer, Failure> {
        let Of { judge, scheme, month: until, body, now, .. } = self.of(query)?;
        let horizon = judge.ledger().horizon(now).await.map_err(told)?;
        let amended = judge.ledger().amended(horizon).await.map_err(told)?;
        let mut stated: Vec<Fact> = Vec::new();
        let query = FactQuery { kind: "stated", from: None, to: None, horizon };
        let take = |fact: &Fact| {
            let Kind::Stated { name, .. } = &fact.kind else { return };
            let counts = name.starts_with(calibrate::STATED) && !amended.contains(&fact.id);
            if counts && stated.len() < MOST_RESULTS {
                stated.push(fact.clone());
            }
        };
        judge.each(query, take).await.map_err(told)?;
        let officials = calibrate::stated_results(&stated);
        let mut scores = BTreeMap::new();
        for month in calibrate::months(&officials, &body, until) {
            let to = span(&scheme, month, now).to;
            let closed = judge.ledger().period(month.to_string(), scheme.id.clone(), to);
            if !scheme.period.holds_in(month) || closed.await.map_err(told)?.is_none() {
                continue;
            }
            let tally = judge.tally_by(&scheme, month, Timestamp::MAX).await.map_err(told)?;
            scores.insert(month, score_of(&tally, &scheme, &body, &judge.by().field));
        }
        let of = calibrate::compare(&scheme, &officials, &body, until, &scores);
        Ok(ScoreAnswer::Calibration(CalibrationSheet::of(&scheme, &of)))
    }
}
