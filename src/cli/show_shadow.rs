//! Drift and shadow runs as people read them.

use super::show::View;
use super::table::{count, printable};
use super::text::Message;
use crate::control::protocol::DriftLine;

impl View {
    /// What drifted, and below it what to do about each kind.
    pub(super) fn drift(&self, list: &[DriftLine]) -> String {
        if list.is_empty() {
            return self.word(Message::DriftNone) + "\n";
        }
        let head = [
            Message::Channel,
            Message::Standard,
            Message::Drift,
            Message::Operation,
            Message::What,
            Message::Times,
            Message::Since,
        ];
        let rows = list.iter().map(|it| {
            vec![
                it.channel.clone(),
                it.standard.clone(),
                it.kind.clone(),
                it.operation.clone(),
                it.what.clone(),
                count(it.count),
                self.time(Some(it.since)),
            ]
        });
        let mut text = self.table(&head, rows.collect(), &[5]);
        let mut told: Vec<&str> = Vec::new();
        for it in list {
            if !told.contains(&it.kind.as_str()) {
                told.push(&it.kind);
                let next = self.word(of_drift(&it.kind));
                text.push_str(&(printable(format!("{}: {next}", it.kind)) + "\n"));
            }
        }
        text
    }
}

/// What to do about a kind of drift.
fn of_drift(kind: &str) -> Message {
    match kind {
        "reply-code" => Message::DriftCode,
        "reply-value" | "dictionary" => Message::DriftValue,
        "reply-missing" => Message::DriftMissing,
        "refused-more" | "failed-more" => Message::DriftRefusals,
        "verdict-foreign" | "verdict-contradiction" => Message::DriftVerdict,
        _ => Message::DriftField,
    }
}
