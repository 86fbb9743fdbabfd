//! Verdicts that were taken back: a row that stood and does not any more becomes a reject of the
//! batch that sent it, and is shown.
//!
//! A sweep over the rows that the province says failed, one bounded page for each dataset at a
//! time; most of them are known, and saying so again changes nothing. A row of which a newer
//! version is on its way, or that is gone from the city, is not asked about any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Error;
use super::carrier::{Carrier, Mount};
use super::channel::Channel;
use super::lane::Crew;
use super::pack::seal_original;
use super::settle::reason_code;
use crate::delivery::{Outcome, RejectKind, Verdict};
use crate::ledger::sent::{Known, Place};
use crate::ledger::{Finding, Judged, NewReject};
use crate::row::{ColumnType, key_cells, key_of_cells};
use crate::standard::{PageScope, RowJudgement, Scope};

const OPERATION: &str = "rows.revoked";
/// The code of a reject whose reason has none.
const REVOKED: &str = "revoked-above";

/// Where the sweep of one channel is.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    next: Option<Timestamp>,
    cursors: BTreeMap<String, String>,
}

impl Sweep {
    /// When it goes on; `None` where the standard has no such operation or it never began.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// One page of each dataset, when it is time.
    pub(super) async fn step(&mut self, crew: &Crew, channel: &Arc<Channel>) -> Result<(), Error> {
        let own = |voice: &Arc<Channel>| voice.standard.operation(OPERATION).map(|it| it.every);
        let Some(every) = channel.voices().filter_map(own).min() else { return Ok(()) };
        if self.next.is_some_and(|next| crew.now() < next) {
            return Ok(());
        }
        let every = every.unwrap_or(crew.pace.ask).min(crew.pace.ask);
        for carrier in channel.carriers() {
            let voice = channel.of_rows(&carrier.flow().dataset);
            if voice.standard.operation(OPERATION).is_none() {
                continue;
            }
            if !self.page(crew, voice, carrier).await? {
                // Nobody is there: the other datasets would hear no more.
                break;
            }
        }
        self.next = Some(crew.after(every));
        Ok(())
    }

    /// One page of one dataset; false where the question was not answered.
    async fn page(
        &mut self,
        crew: &Crew,
        channel: &Arc<Channel>,
        carrier: &Arc<Carrier>,
    ) -> Result<bool, Error> {
        let flow = carrier.flow();
        let found = Mount::find(&crew.ledger, carrier, &channel.standard, "rows.upsert").await?;
        let Some(mount) = found else { return Ok(true) };
        let cursor = self.cursors.remove(&flow.dataset);
        let scope = Scope {
            object: Some(&mount.object),
            upper_id: mount.upper_id.as_deref(),
            upper: mount.upper.clone(),
            dataset: Some(&flow.dataset),
            dataset_key: Some(&mount.key),
            page: PageScope { cursor: cursor.as_deref(), ..PageScope::default() },
            ..Scope::default()
        };
        let reading = crew.ask(channel, OPERATION, &scope).await?.reading;
        if !matches!(reading.outcome, Outcome::Accepted { .. }) {
            // Asked again from where it stood.
            self.cursors.extend(cursor.map(|cursor| (flow.dataset.clone(), cursor)));
            return Ok(false);
        }
        for said in &reading.verdicts {
            revoke(crew, carrier, said).await?;
        }
        self.cursors.extend(reading.page.next.map(|next| (flow.dataset.clone(), next)));
        Ok(true)
    }
}

/// A row that stood does not any more.
pub(super) async fn revoke(
    crew: &Crew,
    carrier: &Arc<Carrier>,
    said: &RowJudgement,
) -> Result<(), Error> {
    let flow = carrier.flow().clone();
    let (Some(Verdict::Failed { reason }), Some(beginning)) = (&said.verdict, &said.batch) else {
        return Ok(());
    };
    let Some(batch) = crew.ledger.settled_batch(flow.clone(), beginning.clone()).await? else {
        return Ok(());
    };
    let key = crew.ledger.identity().keyer.key(&canonical(carrier, &said.key));
    let looking = Arc::clone(carrier);
    let known = crew.block(move || looking.index().lookup(&[key])).await?;
    let Some(Known { row, place: Place::Run | Place::Settled { .. }, deleting: false, .. }) =
        known.into_iter().next().flatten()
    else {
        return Ok(());
    };
    let code = match reason_code(reason) {
        code if code == super::settle::FAILED_ABOVE => REVOKED.to_owned(),
        code => code,
    };
    let reject = NewReject {
        key,
        row,
        kind: RejectKind::Failed,
        findings: vec![Finding { rule: code, column: None }],
        original: seal_original(&crew.files, &flow, key, reason.as_bytes())?,
    };
    let (_, changed) = crew.ledger.judged(batch, vec![Judged::Failed(reject)]).await?;
    if changed > 0 {
        crew.events.rejected(&flow, RejectKind::Failed, changed);
    }
    Ok(())
}

/// A key as the province's columns say it, in the city's canonical text: a time column may put a
/// blank between day and hour.
fn canonical(carrier: &Carrier, key: &str) -> String {
    let dataset = carrier.dataset();
    let mut cells = key_cells(key);
    for (cell, column) in cells.iter_mut().zip(&dataset.key) {
        let column = dataset.columns.get(*column);
        if column.is_some_and(|column| column.kind == ColumnType::Time) {
            *cell = cell.replacen(' ', "T", 1);
        }
    }
    key_of_cells(&cells)
}
