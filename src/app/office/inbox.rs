//! What stands in the inbox, without content.

use super::paging::{cursor, limit, page};
use super::{Office, failure, told};
use crate::control::protocol::{Failure, InboxEntry, InboxQuery, InboxTable, Listing};
use crate::delivery::ChannelId;

impl Office {
    /// How much each table told, by letter.
    pub(super) async fn inbox(&self, query: &InboxQuery) -> Result<Listing<InboxTable>, Failure> {
        self.known_channel(query)?;
        let sums = self.crew.ledger.inbox_sums().await.map_err(told)?;
        let wanted = |only: &Option<String>, is: &str| only.as_deref().is_none_or(|it| it == is);
        let tables = sums.into_iter().map(|it| InboxTable {
            channel: it.channel.to_string(),
            table: it.source,
            action: it.action,
            waiting: it.waiting,
            undated: it.undated,
            newest: it.newest,
            received: it.received,
        });
        let tables = tables
            .filter(|it| wanted(&query.channel, &it.channel) && wanted(&query.table, &it.table));
        let name = |it: &InboxTable| format!("{} {} {}", it.channel, it.table, it.action);
        let mut tables: Vec<InboxTable> = tables.collect();
        tables.sort_by_key(name);
        Ok(page(tables, name, &query.paging))
    }

    /// The lines, newest last.
    pub(super) async fn inbox_lines(
        &self,
        query: &InboxQuery,
    ) -> Result<Listing<InboxEntry>, Failure> {
        self.known_channel(query)?;
        let (after, size) = (cursor(&query.paging)?.unwrap_or_default(), limit(&query.paging));
        let channel = query.channel.clone().map(ChannelId::from);
        let asked = self.crew.ledger.inbox_page(channel, query.table.clone(), after, size).await;
        let (lines, total) = asked.map_err(told)?;
        let is_full = u32::try_from(lines.len()).is_ok_and(|count| count >= size);
        let next = lines.last().filter(|_| is_full).map(|line| line.number.to_string());
        let entries = lines.into_iter().map(|it| InboxEntry {
            number: it.number,
            channel: it.channel.to_string(),
            table: it.source,
            key_digest: it.key,
            action: it.action,
            operated: Some(it.operated).filter(|said| !said.is_empty()),
            received: it.received,
        });
        Ok(Listing { entries: entries.collect(), next, total })
    }

    fn known_channel(&self, query: &InboxQuery) -> Result<(), Failure> {
        let Some(asked) = &query.channel else { return Ok(()) };
        if self.works().channels.iter().any(|it| it.id.as_str() == asked) {
            return Ok(());
        }
        let next = "`cascaded status --json` lists the channels";
        Err(failure("E-NO-SUCH-WORD", format!("there is no channel `{asked}`"), Some(next)))
    }
}
