//! The way to a platform, whatever is spoken on it: HTTP, tables of a front database, or files in a
//! folder.

use std::sync::Arc;

use super::client::{Client, Placement, Reply};
use super::error::Error;
use super::ferry::Ferry;
use super::folder::{Folder, Returned, Unfetched};
use super::settings::Settings;
use super::tables::{About, Down, DownPage, Front, Lack, Start};
use super::transcript::Transcript;
use crate::clock::Clock;
use crate::delivery::Permit;
use crate::sql;
use crate::standard::settings::InboxSettings;
use crate::standard::{Message, Standard};

/// A channel's client.
///
/// It has two calls, and only the first can write, by a [`Permit`]: [`Way::place`] sends what is durable, [`Way::collect`] asks what became of
/// it. An HTTP answer is a collection that came at once; a table answers later.
#[derive(Debug)]
pub struct Way {
    kind: Kind,
    down: Option<Down>,
}

#[derive(Debug)]
enum Kind {
    Http(Box<Client>),
    Tables(Box<Front>),
    Files(Box<Folder>),
}

impl Way {
    /// Opens nothing yet: reads certificates, keys and credentials, and checks that the standard
    /// asks for nothing that is not there.
    pub fn new(settings: Settings, standard: Arc<Standard>, clock: Clock) -> Result<Self, Error> {
        let down = Down::new(&settings, &standard);
        let said = standard.settings();
        let kind = match (&said.tables, &said.files) {
            (Some(_), _) => Kind::Tables(Box::new(Front::new(settings, standard)?)),
            (None, Some(_)) => Kind::Files(Box::new(Folder::new(settings, standard, clock)?)),
            (None, None) => Kind::Http(Box::new(Client::new(settings, standard, clock)?)),
        };
        Ok(Self { kind, down })
    }

    /// Reads certificates, keys and credentials again; on an error the old ones stay.
    pub fn reload(&self) -> Result<(), Error> {
        match &self.kind {
            Kind::Http(client) => client.reload(),
            Kind::Tables(front) => front.reload(),
            Kind::Files(folder) => folder.reload(),
        }
    }

    /// How many calls may be under way at once.
    pub fn in_flight(&self) -> usize {
        match &self.kind {
            Kind::Http(client) => client.in_flight(),
            Kind::Tables(front) => front.in_flight(),
            // One file after the other: their order is that of the batches.
            Kind::Files(_) => 1,
        }
    }

    /// The standard spoken here.
    pub fn standard(&self) -> &Arc<Standard> {
        match &self.kind {
            Kind::Http(client) => client.standard(),
            Kind::Tables(front) => front.standard(),
            Kind::Files(folder) => folder.standard(),
        }
    }

    /// Whether the province's clock is further from ours than signatures allow.
    pub fn is_clock_off(&self, reply: &Reply) -> bool {
        match &self.kind {
            Kind::Http(client) => client.is_clock_off(reply),
            Kind::Tables(_) | Kind::Files(_) => false,
        }
    }

    /// Whether a question about a batch is asked by what was sent, so that [`About`] is needed.
    pub fn asks_by_rows(&self) -> bool {
        match &self.kind {
            Kind::Http(_) => false,
            Kind::Tables(_) | Kind::Files(_) => true,
        }
    }

    /// The datasets whose rows have their parents in this one, and are held while those fail.
    pub fn children_of(&self, dataset: &str) -> Vec<String> {
        match &self.kind {
            Kind::Http(_) | Kind::Files(_) => Vec::new(),
            Kind::Tables(front) => front.children_of(dataset),
        }
    }

    /// Whether there are down-link tables to read.
    pub fn has_down(&self) -> bool {
        self.down.is_some()
    }

    /// A page of a down-link table; the error is a stable word. Cancel-safe: it only reads.
    pub async fn down(
        &self,
        inbox: &InboxSettings,
        from: &Start,
        rows: usize,
    ) -> Result<DownPage, String> {
        match &self.down {
            Some(down) => Box::pin(down.page(inbox, from, rows)).await,
            None => Ok(DownPage::default()),
        }
    }

    /// Sends what is durable, once, by leave of the ledger. Not cancel-safe: dropped, nobody knows whether it arrived.
    // Boxed, here and below: whoever waits on a channel need not carry its exchange about.
    pub async fn place(&self, permit: &Permit, placement: Placement<'_>) -> Reply {
        match &self.kind {
            Kind::Http(client) => Box::pin(client.place(permit, placement)).await,
            Kind::Tables(front) => Box::pin(front.place(permit, &placement)).await,
            Kind::Files(folder) => Box::pin(folder.place(permit, &placement)).await,
        }
    }

    /// As [`Way::place`], with what was said on both sides as people may see it; `None` where
    /// nothing is said, but written into tables. Never sent a second time.
    pub async fn show(
        &self,
        permit: &Permit,
        placement: Placement<'_>,
    ) -> Option<(Reply, Transcript)> {
        match &self.kind {
            // What is carried is answered hours later, if at all.
            Kind::Http(client) if client.ferry().is_some() => None,
            Kind::Http(client) => Some(Box::pin(client.show(permit, placement)).await),
            Kind::Tables(_) | Kind::Files(_) => None,
        }
    }

    /// What a front table, named as the catalogue names it, lacks of these columns and of the
    /// standard's own; without a table whether the database answers. Nothing lacks over HTTP.
    /// Cancel-safe: it only reads.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn lacks(
        &self,
        asked: Option<(&str, &[String])>,
    ) -> Result<Option<Lack>, sql::Error> {
        match &self.kind {
            Kind::Http(_) | Kind::Files(_) => Ok(None),
            Kind::Tables(front) => Box::pin(front.lacks(asked)).await,
        }
    }

    /// Asks: receipts, verdicts, inventories, states. Nothing above changes by it, so that it may
    /// be asked again at any time. Cancel-safe for that reason. `cursor` is as the last answer
    /// said; over HTTP it is in the message.
    pub async fn collect(
        &self,
        operation: &str,
        message: &Message,
        batch: &str,
        about: Option<About<'_>>,
        cursor: Option<&str>,
    ) -> Reply {
        match &self.kind {
            Kind::Http(client) => Box::pin(client.collect(operation, message, batch)).await,
            Kind::Tables(front) => {
                Box::pin(front.collect(operation, message, batch, about, cursor)).await
            }
            Kind::Files(folder) => Box::pin(folder.collect(operation, batch, about)).await,
        }
    }

    /// What carries it, where nobody can speak across.
    pub fn ferry(&self) -> Option<&Arc<Ferry>> {
        match &self.kind {
            Kind::Http(client) => client.ferry(),
            Kind::Tables(_) | Kind::Files(_) => None,
        }
    }

    /// How many files lie unfetched, as of the last look; `None` where nothing is placed as files.
    pub fn unfetched(&self) -> Option<Unfetched> {
        self.folder().map(Folder::unfetched)
    }

    /// Files with verdicts that came back and are whole; the error is a stable word. Cancel-safe: it
    /// writes our own notes alone.
    pub async fn returned(&self) -> Result<Vec<Returned>, &'static str> {
        match self.folder() {
            Some(folder) => Box::pin(folder.returned()).await,
            None => Ok(Vec::new()),
        }
    }

    /// A file that came back is done with: taken, or set aside. The error is a stable word; the file
    /// is then told no more until it changes.
    pub async fn put_away(&self, returned: Returned, is_taken: bool) -> Result<(), &'static str> {
        match self.folder() {
            Some(folder) => Box::pin(folder.put_away(returned, is_taken)).await,
            None => Ok(()),
        }
    }

    fn folder(&self) -> Option<&Folder> {
        match &self.kind {
            Kind::Files(folder) => Some(folder),
            Kind::Http(_) | Kind::Tables(_) => None,
        }
    }
}
