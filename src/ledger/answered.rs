//! What the province took and what it turned away in a span of time, read from history.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::params;

use super::{Error, Ledger, Result, stored};
use crate::delivery::{ChannelId, LinkState, RejectKind};
use crate::fact::{Fact, Kind};

/// Rows and objects that the province answered for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answered {
    /// Taken and, where it judges, not judged wrong.
    pub taken: u64,
    /// Refused or judged wrong, by whom and for which code.
    pub turned_away: BTreeMap<(RejectKind, String), u64>,
}

impl Answered {
    /// All that it answered for.
    pub fn total(&self) -> u64 {
        self.turned_away.values().fold(self.taken, |sum, count| sum.saturating_add(*count))
    }

    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Confirmed { rows, .. } | Kind::Placed { rows } => self.taken += rows,
            Kind::Link { to: LinkState::Accepted | LinkState::Exists, .. } => self.taken += 1,
            Kind::Rejected {
                kind: kind @ (RejectKind::Refused | RejectKind::Failed),
                code,
                rows,
            } => {
                *self.turned_away.entry((kind, code)).or_default() += rows;
            }
            Kind::Rejected { kind: RejectKind::Local, .. }
            | Kind::Link { .. }
            | Kind::Verdict { .. }
            | Kind::OverdueFrom { .. }
            | Kind::OverdueUntil { .. }
            | Kind::StandardInForce { .. }
            | Kind::Drift { .. }
            | Kind::DriftSettled { .. }
            | Kind::PassCompleted { .. }
            | Kind::RuleCounted { .. }
            | Kind::Reconciled { .. }
            | Kind::Job { .. }
            | Kind::OriginalOpened { .. }
            | Kind::IncarnationBegun { .. }
            | Kind::StandardRequired { .. }
            | Kind::Probed { .. }
            | Kind::CaseOpened { .. }
            | Kind::CaseClosed { .. }
            | Kind::PeriodClosed { .. }
            | Kind::Exempted { .. }
            | Kind::Unmended { .. }
            | Kind::Declared { .. }
            | Kind::Approved { .. }
            | Kind::Stated { .. } => {}
        }
    }
}

impl Ledger {
    /// What was answered on a channel from an instant until before another, as far as the newest
    /// `most` facts tell; the newest come first, so a span with more loses its beginning.
    pub async fn answered(
        &self,
        channel: ChannelId,
        (from, until): (Timestamp, Timestamp),
        most: u32,
    ) -> Result<Answered> {
        self.read(move |connection| {
            let engine = || Error::engine("read what was answered");
            let mut statement = connection
                .prepare_cached(
                    "SELECT occurred, body, channel = ?1 AND kind IN
                        ('confirmed', 'placed', 'link', 'rejected')
                     FROM fact WHERE occurred < ?2 ORDER BY id DESC LIMIT ?3",
                )
                .map_err(engine())?;
            let mut rows =
                statement.query(params![channel.as_str(), stored(until), most]).map_err(engine())?;
            let mut answered = Answered::default();
            while let Some(row) = rows.next().map_err(engine())? {
                if row.get::<_, i64>(0).map_err(engine())? < stored(from) {
                    break;
                }
                if row.get(2).map_err(engine())? {
                    let body: Vec<u8> = row.get(1).map_err(engine())?;
                    let fact = Fact::decode(&body)
                        .map_err(|_unreadable| Error::Unreadable { what: "fact" })?;
                    answered.add(fact.kind);
                }
            }
            Ok(answered)
        })
        .await
    }
}
