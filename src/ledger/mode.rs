//! Whether the daemon watches or is live: a word in the ledger, so that a restart changes nothing.
//!
//! A new ledger is *fresh*: it watches until its configuration's word or an operator says
//! otherwise. A ledger without a word is older than the word, and live as it was. The transactions
//! that lead to a byte leaving (packing, beginning an attempt) look at the word themselves.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction};

use super::{Error, Ledger, Result, identity, instant, lock, stored};
use crate::delivery::{Mode, Permit};

const WORD: &str = "mode";
const SINCE: &str = "mode-since";
/// The word of a ledger that nobody has told anything yet.
const FRESH: &str = "fresh";

/// The mode as it is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    mode: Mode,
    is_fresh: bool,
    since: Option<Timestamp>,
}

impl Ledger {
    /// Whether anything may be written above.
    pub fn mode(&self) -> Mode {
        lock(&self.inner.mode).mode
    }

    /// Since when, where it was ever said.
    pub fn mode_since(&self) -> Option<Timestamp> {
        lock(&self.inner.mode).since
    }

    /// Leave to write above once.
    ///
    /// # Errors
    /// [`Error::Watching`] while the daemon watches.
    pub fn permit(&self) -> Result<Permit> {
        match self.mode() {
            Mode::Live => Ok(Permit::granted()),
            Mode::Watch => Err(Error::Watching),
        }
    }

    /// What a configuration says that a new ledger begins as. Where the ledger was told before it
    /// stays what it is.
    pub async fn mode_begun(&self, begins: Mode) -> Result<Mode> {
        if lock(&self.inner.mode).is_fresh {
            self.mode_set(begins).await?;
        }
        Ok(self.mode())
    }

    /// From now on; false where it was so already.
    pub async fn mode_set(&self, mode: Mode) -> Result<bool> {
        let is_same = {
            let mut kept = lock(&self.inner.mode);
            let is_same = kept.mode == mode && !kept.is_fresh;
            if !is_same && mode == Mode::Watch {
                // No leave is given while this is being written.
                kept.mode = Mode::Watch;
            }
            is_same
        };
        if is_same {
            return Ok(false);
        }
        let kept = self
            .write("change the mode", move |transaction, now| {
                put(transaction, mode.as_str(), now)?;
                if mode == Mode::Live {
                    super::watched::over(transaction, now)?;
                }
                Ok(Kept { mode, is_fresh: false, since: Some(now) })
            })
            .await?;
        *lock(&self.inner.mode) = kept;
        Ok(true)
    }
}

/// A new ledger: in the transaction that makes it, so that none is ever taken for an older one.
pub(super) fn begin(transaction: &Transaction<'_>, now: Timestamp) -> Result<()> {
    put(transaction, FRESH, now)
}

pub(super) fn load(connection: &Connection) -> Result<Kept> {
    let since = identity::number(connection, SINCE)?;
    let since = since.map(|it| instant(it.cast_signed())).transpose()?;
    let (mode, is_fresh) = read(connection)?;
    Ok(Kept { mode, is_fresh, since })
}

/// Nothing may lead to a byte leaving in a transaction that finds the daemon watching.
pub(super) fn needs_live(connection: &Connection) -> Result<()> {
    match read(connection)?.0 {
        Mode::Live => Ok(()),
        Mode::Watch => Err(Error::Watching),
    }
}

fn read(connection: &Connection) -> Result<(Mode, bool)> {
    let Some(word) = identity::get(connection, WORD)? else { return Ok((Mode::Live, false)) };
    if word == FRESH.as_bytes() {
        return Ok((Mode::Watch, true));
    }
    let mode = std::str::from_utf8(&word).ok().and_then(Mode::parse);
    Ok((mode.ok_or(Error::Unreadable { what: WORD })?, false))
}

fn put(transaction: &Transaction<'_>, word: &str, now: Timestamp) -> Result<()> {
    identity::put(transaction, WORD, word.as_bytes())?;
    identity::put(transaction, SINCE, &stored(now).to_be_bytes())
}
