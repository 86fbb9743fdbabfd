//! What a daemon that only watches would do, as people read it. Pure: texts in, text out.

use super::show::View;
use super::table::count;
use super::text::Message;
use crate::control::protocol::{Dataset, Watching};

impl View {
    /// Lines of `status`.
    pub(super) fn watching(&self, it: &Watching) -> Vec<String> {
        let mut lines = vec![self.say(Message::Watching, &[&self.time(it.since)])];
        for kind in &it.objects {
            lines.push(self.say(
                Message::WatchedKind,
                &[
                    &kind.channel,
                    &kind.kind,
                    &count(kind.here),
                    &count(kind.would_register),
                    &maybe(kind.adoptable),
                    &count(kind.would_modify),
                    &count(kind.would_withdraw),
                    &count(kind.lacking),
                    &maybe(kind.held),
                    &maybe(kind.extra),
                ],
            ));
        }
        lines.push(self.say(
            Message::WatchedRows,
            &[
                &count(it.datasets),
                &count(it.would_send),
                &count(it.would_delete),
                &count(it.rejected),
                &count(it.held),
            ],
        ));
        lines
    }
}

/// The columns of `datasets` that stand there while the daemon watches.
pub(super) fn cells(it: &Dataset) -> [String; 3] {
    match &it.watched {
        Some(it) => [count(it.would_send), count(it.would_delete), maybe(it.held)],
        None => ["-", "-", "-"].map(str::to_owned),
    }
}

/// A number, where it is known.
fn maybe(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), count)
}
