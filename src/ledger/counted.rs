//! How often rules were asked: counted in the transaction that records the rows they were asked
//! about, and made facts hour by hour.
//!
//! A fact per page would let history grow with the rows; a sum in memory would be lost in a crash.
//! So each rule of each dataset has one line per hour, which becomes one fact when the hour is over
//! and is gone then. A month's cut-off lies between two hours, so no line counts for two months.

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::rows::Flow;
use super::{Error, Ledger, Result, history, instant, stored};
use crate::delivery::ChannelId;
use crate::fact::Kind;

/// What became of one rule on one page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleCount {
    /// Its sort, a blank, its name.
    pub rule: String,
    /// How often it was asked.
    pub executed: u64,
    /// How often it was broken.
    pub broken: u64,
    /// How often a waiver helped.
    pub waived: u64,
}

const COUNT: &str = "count rules";
const SETTLE: &str = "record rules' counts";
/// Facts of one transaction.
const AT_ONCE: u32 = 1_000;
const HOUR_MS: i64 = 3_600_000;

/// Adds what rules did on a page.
pub(super) fn add(
    transaction: &Transaction<'_>,
    flow: &Flow,
    counts: &[RuleCount],
    now: Timestamp,
) -> Result<()> {
    for it in counts.iter().filter(|it| it.executed > 0) {
        transaction
            .prepare_cached(
                "INSERT INTO rule_count
                    (channel, dataset, rule, hour, executed, broken, waived, last_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (hour, channel, dataset, rule) DO UPDATE SET
                    executed = executed + excluded.executed, broken = broken + excluded.broken,
                    waived = waived + excluded.waived, last_at = max(last_at, excluded.last_at)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    flow.channel.as_str(),
                    flow.dataset,
                    it.rule,
                    hour(now),
                    it.executed.cast_signed(),
                    it.broken.cast_signed(),
                    it.waived.cast_signed(),
                    stored(now)
                ])
            })
            .map_err(Error::engine(COUNT))?;
    }
    Ok(())
}

impl Ledger {
    /// What was counted in hours that are over becomes facts, at most a thousand; how many. To be
    /// called until it is 0.
    pub async fn rules_settled(&self) -> Result<u32> {
        self.write(SETTLE, move |transaction, now| {
            let mut statement = transaction
                .prepare_cached(
                    "SELECT channel, dataset, rule, hour, executed, broken, waived, last_at
                     FROM rule_count WHERE hour < ?1
                     ORDER BY hour, channel, dataset, rule LIMIT ?2",
                )
                .map_err(Error::engine(SETTLE))?;
            let mut rows =
                statement.query(params![hour(now), AT_ONCE]).map_err(Error::engine(SETTLE))?;
            let mut settled = 0;
            while let Some(row) = rows.next().map_err(Error::engine(SETTLE))? {
                settle(transaction, row, now)?;
                settled += 1;
            }
            Ok(settled)
        })
        .await
    }
}

/// One line becomes a fact.
fn settle(transaction: &Transaction<'_>, row: &Row<'_>, now: Timestamp) -> Result<()> {
    let text = |at| row.get::<_, String>(at).map_err(Error::engine(SETTLE));
    let number = |at| row.get::<_, i64>(at).map_err(Error::engine(SETTLE));
    let (channel, dataset, rule, hour) = (text(0)?, text(1)?, text(2)?, number(3)?);
    transaction
        .prepare_cached(
            "DELETE FROM rule_count WHERE hour = ?1 AND channel = ?2 AND dataset = ?3 AND rule = ?4",
        )
        .and_then(|mut statement| statement.execute(params![hour, channel, dataset, rule]))
        .map_err(Error::engine(SETTLE))?;
    let kind = Kind::RuleCounted {
        rule,
        executed: number(4)?.cast_unsigned(),
        broken: number(5)?.cast_unsigned(),
        waived: number(6)?.cast_unsigned(),
    };
    let channel = ChannelId::from(channel);
    let of = (Some(&channel), dataset.as_str());
    history::record_at(transaction, of, kind, instant(number(7)?)?, now)
}

/// Hours since 1970.
fn hour(at: Timestamp) -> i64 {
    stored(at).div_euclid(HOUR_MS)
}
