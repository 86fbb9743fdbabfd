//! Receive: what the province writes into down-link tables comes into the ledger's inbox.
//!
//! Each table is read in pages by date and key, from before where it stood by the standard's
//! overlap, for rows may be committed late. Position and rows are one transaction, so a restart
//! reads on and loses nothing; what is read again is known. The position never goes back. A row that
//! has no date, though its standard demands one, is read by its key and told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;

use super::Error;
use super::channel::Channel;
use super::lane::Crew;
use super::stage::{Progress, Stage};
use crate::ledger::Told;
use crate::ledger::seal::Purpose;
use crate::province::{DownPage, DownRow, Start};
use crate::standard::Drift;
use crate::standard::settings::InboxSettings;
use crate::supervisor::{Heart, Signal};

/// Rows of a page.
const PAGE_ROWS: usize = 200;
/// Pages of one table in one step.
const STEP_PAGES: usize = 10;

/// The stage of one channel.
#[derive(Debug)]
pub struct Receive {
    crew: Crew,
    channel: Arc<Channel>,
    /// Where the reading of a table goes on that was not at its end.
    open: BTreeMap<String, Start>,
    /// The key of a row without a date after which the reading of a table goes on.
    undated: BTreeMap<String, String>,
    failures: u32,
    /// The code of the last reading that failed, told once.
    trouble: Option<String>,
}

impl Stage for Receive {
    async fn step(&mut self) -> Result<Progress, Error> {
        let standard = Arc::clone(&self.channel.standard);
        let mut more = false;
        for inbox in standard.settings().inbox.iter().filter(|inbox| inbox.with.is_empty()) {
            match self.table(inbox).await? {
                Read::All => {}
                Read::More => more = true,
                // The other tables lie in the same database.
                Read::Nobody => break,
            }
        }
        self.failures = 0;
        if more {
            return Ok(Progress::Did);
        }
        Ok(Progress::Idle(self.crew.after(self.crew.pace.ask)))
    }

    fn heart(&self) -> &Heart {
        &self.crew.heart
    }

    fn signal(&self) -> Signal {
        self.channel.receive.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        super::stage::report(&self.crew, "receive", &self.channel.id, error, self.failures)
    }
}

/// How far a step came with a table.
enum Read {
    All,
    More,
    Nobody,
}

impl Receive {
    /// The stage of a channel.
    pub fn new(crew: Crew, channel: Arc<Channel>) -> Self {
        Self {
            crew,
            channel,
            open: BTreeMap::new(),
            undated: BTreeMap::new(),
            failures: 0,
            trouble: None,
        }
    }

    async fn table(&mut self, inbox: &InboxSettings) -> Result<Read, Error> {
        let mut stands = self.position(inbox).await?;
        let mut from = match (self.open.remove(&inbox.table), &stands) {
            (Some(from), _) => from,
            (None, Some((date, _))) => earlier(date, inbox.overlap.unwrap_or_default()),
            (None, None) => Start::Beginning,
        };
        for _ in 0..STEP_PAGES {
            let asked = Box::pin(self.channel.client.down(inbox, &from, PAGE_ROWS));
            let page = match self.crew.heart.outside(asked).await {
                Ok(page) => page,
                Err(code) => {
                    self.silent(code);
                    self.open.insert(inbox.table.clone(), from);
                    return Ok(Read::Nobody);
                }
            };
            self.trouble = None;
            self.crew.events.called(&self.channel.id, true);
            let is_last = page.rows.len() < PAGE_ROWS;
            let last = page.rows.last().map(|row| (row.operated.clone(), row.key.clone()));
            stands = stands.max(last.clone());
            self.keep(inbox, page, stands.as_ref()).await?;
            match last {
                Some((date, key)) if !is_last => from = Start::After(date, key),
                Some(_) | None => return self.undated(inbox).await,
            }
        }
        self.open.insert(inbox.table.clone(), from);
        Ok(Read::More)
    }

    /// Rows without a date, which no position can pass: all of them each time, a bounded part in a
    /// step. They are kept like the others, and that there are some is told once for each.
    async fn undated(&mut self, inbox: &InboxSettings) -> Result<Read, Error> {
        let mut from = Start::Undated(self.undated.remove(&inbox.table));
        for _ in 0..STEP_PAGES {
            let asked = Box::pin(self.channel.client.down(inbox, &from, PAGE_ROWS));
            let page = match self.crew.heart.outside(asked).await {
                Ok(page) => page,
                Err(code) => {
                    self.silent(code);
                    return Ok(Read::Nobody);
                }
            };
            let is_last = page.rows.len() < PAGE_ROWS;
            let last = page.rows.last().map(|row| row.key.clone());
            if self.keep(inbox, page, None).await? > 0 {
                let place = format!("{}.{}", inbox.table, inbox.date);
                tracing::warn!(channel = %self.channel.id, place, "rows without a date were read");
                self.crew.drifted(&self.channel, "inbox", &[Drift::MissingPath(place)]).await?;
            }
            match last {
                Some(key) if !is_last => {
                    self.undated.insert(inbox.table.clone(), key.clone());
                    from = Start::Undated(Some(key));
                }
                Some(_) | None => {
                    self.undated.remove(&inbox.table);
                    return Ok(Read::All);
                }
            }
        }
        // More than a step may read: the next looking goes on from here.
        Ok(Read::All)
    }

    /// One page into the ledger, with where the reading stands.
    async fn keep(
        &self,
        inbox: &InboxSettings,
        page: DownPage,
        stands: Option<&(String, String)>,
    ) -> Result<u64, Error> {
        let told: Vec<Told> =
            page.rows.iter().map(|row| self.told(inbox, row)).collect::<Result<_, Error>>()?;
        let position = stands.map(|stands| self.sealed_position(inbox, stands)).transpose()?;
        let (channel, source) = (self.channel.id.clone(), inbox.table.clone());
        let new = self.crew.ledger.inbox_taken(channel, source, told, position).await?;
        self.crew.drifted(&self.channel, "inbox", &page.drift).await?;
        Ok(new)
    }

    fn told(&self, inbox: &InboxSettings, row: &DownRow) -> Result<Told, Error> {
        let keyer = &self.crew.ledger.identity().keyer;
        let context = self.context(&inbox.table);
        let body = self.crew.files.sealer.seal(
            Purpose::Ledger,
            context.as_bytes(),
            row.body.as_bytes(),
        )?;
        Ok(Told {
            key: keyer.key(&row.key),
            content: keyer.key(&row.body),
            operated: row.operated.clone(),
            action: row.action.clone(),
            body,
        })
    }

    /// What ties a sealed text to its table.
    fn context(&self, table: &str) -> String {
        format!("inbox {} {table}", self.channel.id)
    }

    fn sealed_position(
        &self,
        inbox: &InboxSettings,
        stands: &(String, String),
    ) -> Result<String, Error> {
        let plain = serde_json::to_vec(stands).unwrap_or_default();
        let context = self.context(&inbox.table);
        let sealed = self.crew.files.sealer.seal(Purpose::Ledger, context.as_bytes(), &plain)?;
        Ok(crate::signing::Encoding::Hex.encode(&sealed))
    }

    /// The newest row that was read; what cannot be opened any more is read from the beginning.
    async fn position(&self, inbox: &InboxSettings) -> Result<Option<(String, String)>, Error> {
        let (channel, source) = (self.channel.id.clone(), inbox.table.clone());
        let Some(text) = self.crew.ledger.inbox_position(channel, source).await? else {
            return Ok(None);
        };
        let context = self.context(&inbox.table);
        let plain = bytes_of(&text).and_then(|sealed| {
            self.crew.files.sealer.open(Purpose::Ledger, context.as_bytes(), &sealed).ok()
        });
        Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
    }

    fn silent(&mut self, code: String) {
        self.crew.events.called(&self.channel.id, false);
        if self.trouble.as_ref() != Some(&code) {
            tracing::warn!(channel = %self.channel.id, code, "the inbox cannot be read");
        }
        self.trouble = Some(code);
    }
}

/// Hexadecimal digits as bytes.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// Where to begin so that rows committed late by `overlap` are met. A date of another form than a
/// database's is begun with itself.
fn earlier(date: &str, overlap: Duration) -> Start {
    let before = date.replacen(' ', "T", 1).parse::<DateTime>().ok().and_then(|at| {
        let overlap = jiff::SignedDuration::try_from(overlap).ok()?;
        at.checked_sub(overlap).ok()
    });
    match before {
        Some(at) => Start::Date(at.strftime("%Y-%m-%d %H:%M:%S%.f").to_string()),
        None => Start::Date(date.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_begins_before_where_it_stood() {
        let minute = Duration::from_secs(60);
        let begun = |date: &str| earlier(date, minute);
        assert_eq!(begun("2026-03-01 00:00:30"), Start::Date("2026-02-28 23:59:30".to_owned()));
        assert_eq!(
            begun("2026-03-01 08:00:00.25"),
            Start::Date("2026-03-01 07:59:00.25".to_owned())
        );
        assert_eq!(begun("2026年3月"), Start::Date("2026年3月".to_owned()));
    }

    #[test]
    fn hexadecimal_digits_come_back_and_damage_is_nothing() {
        assert_eq!(bytes_of("00ff7f"), Some(vec![0, 255, 127]));
        assert_eq!(bytes_of("0"), None);
        assert_eq!(bytes_of("数据"), None);
    }
}
