//! Watching and being live, as operators ask for it and are told of it.

use super::look::Look;
use super::{Office, act, failure};
use crate::control::protocol::{Failure, Reloaded, Request, WatchedKind, WatchedRows, Watching};
use crate::delivery::{ChannelId, Mode};
use crate::ledger::Flow;
use crate::telemetry::metrics::WatchSnapshot;

impl Office {
    /// Refuses what would write above while the daemon watches: before it is recorded, for it is
    /// not done.
    pub(super) fn refuse_watching(&self, request: &Request) -> Result<(), Failure> {
        if self.crew.ledger.mode() == Mode::Live || !request.writes_above() {
            return Ok(());
        }
        let what = format!("the daemon watches (只看不发): {} would write above", request.name());
        let next = Some("`cascaded live` begins to carry; `cascaded status` says what it would do");
        Err(failure("E-WATCHING", what, next))
    }

    /// Begins to carry, or only to watch, from now on and through every restart.
    pub(super) async fn change_mode(&self, mode: Mode) -> Result<Reloaded, Failure> {
        self.lent.mode(mode).await.map_err(act::first)
    }
}

impl Look {
    /// What would be done; `None` where the daemon is live.
    pub(super) fn watching(&self) -> Option<Watching> {
        if self.mode == Mode::Live {
            return None;
        }
        let objects = self.watched.objects.iter().filter(|(id, ..)| self.has_channel(id.as_str()));
        let rows = || self.watched.rows.iter().filter(|(flow, ..)| self.carries(flow));
        let sum =
            |of: fn(&crate::ledger::WatchedRows) -> u64| rows().map(|(_, it, _)| of(it)).sum();
        let kinds = objects.clone().map(|(channel, it, _)| WatchedKind {
            channel: channel.to_string(),
            kind: it.kind.as_str().to_owned(),
            here: it.here,
            would_register: it.would_register,
            adoptable: it.adoptable,
            would_modify: it.would_modify,
            would_withdraw: it.would_withdraw,
            lacking: it.lacking,
            held: it.held,
            extra: it.extra,
        });
        Some(Watching {
            since: self.mode_since,
            objects: kinds.collect(),
            datasets: u64::try_from(rows().count()).unwrap_or(u64::MAX),
            would_send: sum(|it| it.would_send),
            would_delete: sum(|it| it.would_delete),
            rejected: sum(|it| it.rejected),
            held: sum(|it| it.held.unwrap_or_default()),
            looked: rows().map(|(.., at)| *at).chain(objects.map(|(.., at)| *at)).min(),
        })
    }

    /// What would be done with the rows of a dataset, once it was looked at.
    pub(super) fn watched_rows(&self, flow: &Flow) -> Option<WatchedRows> {
        let (_, it, _) = self.watched.rows.iter().find(|(of, ..)| of == flow)?;
        Some(WatchedRows {
            here: it.here,
            would_send: it.would_send,
            would_delete: it.would_delete,
            rejected: it.rejected,
            held: it.held,
            absent: it.absent,
            extra: it.extra,
        })
    }

    /// The sums of that, as the gauges show them.
    pub(super) fn watching_snapshot(&self) -> Option<WatchSnapshot> {
        let watching = self.watching()?;
        let objects = (watching.objects.iter()).map(|it| {
            let count = it.would_register + it.would_modify + it.would_withdraw;
            (ChannelId::from(it.channel.as_str()), count)
        });
        let rows = self.watched.rows.iter().filter(|(flow, ..)| self.carries(flow));
        let rows =
            rows.map(|(flow, it, _)| (flow.channel.clone(), it.would_send + it.would_delete));
        Some(WatchSnapshot { objects: objects.collect(), rows: rows.collect() })
    }

    fn has_channel(&self, id: &str) -> bool {
        self.channels.iter().any(|it| it.id.as_str() == id)
    }

    fn carries(&self, flow: &Flow) -> bool {
        self.datasets.iter().any(|it| it.flow == *flow)
    }
}
