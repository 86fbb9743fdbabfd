//! The judge: months scored from the ledger's facts, by the configured scheme.
//!
//! [`Judge`] reads the facts that a month needs page by page and never holds more than one page: a
//! year of them costs the same memory as a day. What it gives is a tally of its own, from which
//! figures, scores and plans follow without the ledger.

pub(in crate::app) mod ahead;
pub(in crate::app) mod closed;
mod days;
pub(in crate::app) mod live;
pub(in crate::app) mod read;

pub use ahead::{Ahead, Asked};
pub use live::{Live, Shown};

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use self::read::{Days, PAGE, tally_over, terms_of};
use crate::config::Indicator;
use crate::fact::{Fact, FactId};
use crate::indicator::measures::Figures;
use crate::indicator::replay::{score_of, span};
use crate::indicator::scheme::{Month, Scheme};
use crate::indicator::score::Score;
use crate::indicator::tally::{Body, Span, Tally};
use crate::indicator::terms::Terms;
use crate::ledger::{self, FactQuery, Horizon, Ledger};

/// Scores months from a ledger. Cheap to make.
#[derive(Clone, Debug)]
pub struct Judge {
    ledger: Ledger,
    by: Arc<Indicator>,
}

/// Why a month has no score.
#[derive(Debug, thiserror::Error)]
pub enum NotJudged {
    /// No scheme holds in it.
    #[error("no scheme `{scheme}` holds in {month}")]
    Scheme {
        /// The scheme that is configured.
        scheme: String,
        /// The month.
        month: Month,
    },
    /// The ledger failed.
    #[error("the facts cannot be read")]
    Ledger(#[from] ledger::Error),
}

impl Judge {
    /// A judge by what is configured now.
    pub fn new(ledger: Ledger, by: Arc<Indicator>) -> Self {
        Self { ledger, by }
    }

    /// By what it judges.
    pub fn by(&self) -> &Arc<Indicator> {
        &self.by
    }

    /// The scheme by which a month is judged.
    pub fn scheme(&self, month: Month) -> Result<&Scheme, NotJudged> {
        let scheme = self.by.settings.scheme.clone();
        self.by.scheme(month).ok_or(NotJudged::Scheme { scheme, month })
    }

    /// The month that runs at a moment: the first whose cut-off is still to come.
    pub fn running(&self, now: Timestamp) -> Result<Month, NotJudged> {
        let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap_or(jiff::tz::TimeZone::UTC);
        let month = Month::of(zone.to_datetime(now).date());
        let ends = span(self.scheme(month)?, month, now).to;
        Ok(if now < ends { month } else { month.after() })
    }

    /// A body's score of a month, from what was recorded by `known_by`.
    pub async fn score(
        &self,
        month: Month,
        body: &Body,
        known_by: Timestamp,
    ) -> Result<Score, NotJudged> {
        let tally = self.tally(month, known_by).await?;
        Ok(score_of(&tally, self.scheme(month)?, body, &self.by.field))
    }

    /// A body's figures of a month, from what was recorded by `known_by`.
    pub async fn figures(
        &self,
        month: Month,
        body: &Body,
        known_by: Timestamp,
    ) -> Result<Figures, NotJudged> {
        Ok(self.tally(month, known_by).await?.figures(body))
    }

    /// The tally of a month by its scheme, from what was recorded by `known_by`.
    pub async fn tally(
        &self,
        month: Month,
        known_by: Timestamp,
    ) -> Result<Tally<'static>, NotJudged> {
        Ok(self.tally_by(self.scheme(month)?, month, known_by).await?)
    }

    /// The tally of a month by any scheme, from what was recorded by `known_by`.
    pub async fn tally_by(
        &self,
        scheme: &Scheme,
        month: Month,
        known_by: Timestamp,
    ) -> ledger::Result<Tally<'static>> {
        let horizon = self.ledger.horizon(known_by).await?;
        self.tally_of(span(scheme, month, known_by), horizon).await
    }

    /// The tally of any span: a week, a day.
    pub async fn tally_of(&self, span: Span, horizon: Horizon) -> ledger::Result<Tally<'static>> {
        tally_over(&self.ledger, &self.by.lists, span, horizon, Days::Summed).await
    }

    /// The same, with what is counted by day.
    pub async fn tally_by_day(
        &self,
        span: Span,
        horizon: Horizon,
    ) -> ledger::Result<Tally<'static>> {
        tally_over(&self.ledger, &self.by.lists, span, horizon, Days::Kept).await
    }

    /// What was promised and approved before `to`.
    pub async fn terms(
        &self,
        to: Timestamp,
        horizon: Horizon,
        amended: &BTreeSet<FactId>,
    ) -> ledger::Result<Terms> {
        terms_of(&self.ledger, to, horizon, amended).await
    }

    /// The ledger whose facts it reads.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Every fact of a query, a page at a time.
    pub async fn each(&self, query: FactQuery, mut take: impl FnMut(&Fact)) -> ledger::Result<()> {
        let mut after = None;
        loop {
            let page = self.ledger.facts_of(query, after, PAGE).await?;
            page.facts.iter().for_each(&mut take);
            match page.next {
                Some(place) => after = Some(place),
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
