//! The inbox as people read it.

use super::show::View;
use super::table::count;
use super::text::Message;
use crate::control::protocol::{InboxEntry, InboxTable, Listing};

impl View {
    /// A line for each table and letter.
    pub(super) fn inbox(&self, it: &Listing<InboxTable>) -> String {
        let head = [
            Message::Channel,
            Message::InboxTable,
            Message::InboxAction,
            Message::InboxWaiting,
            Message::InboxUndated,
            Message::InboxNewest,
            Message::InboxReceived,
        ];
        self.listing(it, &head, &[3, 4], |it| {
            vec![
                it.channel.clone(),
                it.table.clone(),
                it.action.clone(),
                count(it.waiting),
                count(it.undated),
                it.newest.clone().unwrap_or_else(|| "-".to_owned()),
                self.time(it.received),
            ]
        })
    }

    /// A line for each row, without its content.
    pub(super) fn inbox_lines(&self, it: &Listing<InboxEntry>) -> String {
        let head = [
            Message::Number,
            Message::Channel,
            Message::InboxTable,
            Message::KeyDigest,
            Message::InboxAction,
            Message::InboxNewest,
            Message::InboxReceived,
        ];
        self.listing(it, &head, &[0], |it| {
            vec![
                it.number.to_string(),
                it.channel.clone(),
                it.table.clone(),
                it.key_digest.clone(),
                it.action.clone(),
                it.operated.clone().unwrap_or_else(|| "-".to_owned()),
                self.time(Some(it.received)),
            ]
        })
    }
}
