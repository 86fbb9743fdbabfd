//! Who this installation is: part of every batch's name.

use aws_lc_rs::rand;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use super::seal::{Purpose, Sealer};
use super::{Error, Result, history};
use crate::fact::Kind;
use crate::row::Keyer;

/// An installation and its ledger's incarnation.
#[derive(Clone, Debug)]
pub struct Identity {
    /// 16 random bytes, made with the ledger and kept by backup and restore.
    pub installation: [u8; 16],
    /// 1 at first; another one after each restore, so that no batch of the lost time shares a name
    /// with a new one.
    pub incarnation: u64,
    /// Makes the digests of keys and rows; its secret is kept sealed in the ledger.
    pub keyer: Keyer,
}

/// Reads the identity, or makes one for a new ledger. A ledger that was sealed with another key
/// is refused here, before anything is written.
pub(super) fn load(
    connection: &mut Connection,
    sealer: &Sealer,
    now: Timestamp,
) -> Result<Identity> {
    let transaction = connection.transaction().map_err(Error::engine("read the identity"))?;
    let stored: Option<Vec<u8>> = get(&transaction, "installation")?;
    let installation = match stored {
        Some(bytes) => {
            bytes.try_into().map_err(|_length| Error::Unreadable { what: "installation" })?
        }
        None if !is_new(&transaction)? => {
            return Err(Error::Unreadable { what: "installation" });
        }
        None => {
            let mut fresh = [0; 16];
            rand::fill(&mut fresh)
                .map_err(|_unspecified| Error::Unreadable { what: "random source" })?;
            put(&transaction, "installation", &fresh)?;
            put(&transaction, "incarnation", &1_u64.to_be_bytes())?;
            history::begin(&transaction, &fresh, 1)?;
            let kind = Kind::IncarnationBegun { incarnation: 1 };
            history::record(&transaction, None, "ledger", kind, now)?;
            fresh
        }
    };
    super::reseal::known(&transaction, sealer)?;
    let keyer = keyer(&transaction, sealer)?;
    let incarnation = number(&transaction, "incarnation")?.unwrap_or(1);
    transaction.commit().map_err(Error::engine("write the identity"))?;
    Ok(Identity { installation, incarnation, keyer })
}

/// Nothing was ever recorded: only then may an identity be made. One that is lost is damage; a new
/// one would make every key's digest and every batch's name another.
fn is_new(transaction: &Transaction<'_>) -> Result<bool> {
    transaction
        .query_row(
            "SELECT NOT EXISTS (SELECT 1 FROM object) AND NOT EXISTS (SELECT 1 FROM dataset)
             AND NOT EXISTS (SELECT 1 FROM fact)",
            [],
            |row| row.get(0),
        )
        .map_err(Error::engine("read the identity"))
}

/// The name of the sealed secret of [`Identity::keyer`].
pub(super) const SECRET: &str = "digest-secret";

fn keyer(transaction: &Transaction<'_>, sealer: &Sealer) -> Result<Keyer> {
    if let Some(sealed) = get(transaction, SECRET)? {
        let secret = sealer.open(Purpose::Ledger, SECRET.as_bytes(), &sealed)?;
        return Ok(Keyer::new(&secret));
    }
    if number(transaction, "ordinals")?.is_some() {
        return Err(Error::Unreadable { what: SECRET });
    }
    let mut secret = Zeroizing::new([0; 32]);
    rand::fill(secret.as_mut())
        .map_err(|_unspecified| Error::Unreadable { what: "random source" })?;
    let sealed = sealer.seal(Purpose::Ledger, SECRET.as_bytes(), secret.as_ref())?;
    put(transaction, SECRET, &sealed)?;
    Ok(Keyer::new(secret.as_ref()))
}

pub(super) fn get(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>> {
    connection
        .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
        .optional()
        .map_err(Error::engine("read meta"))
}

pub(super) fn put(connection: &Connection, name: &str, value: &[u8]) -> Result<()> {
    connection
        .execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, value],
        )
        .map(drop)
        .map_err(Error::engine("write meta"))
}

pub(super) fn number(connection: &Connection, name: &str) -> Result<Option<u64>> {
    get(connection, name)?
        .map(|bytes| {
            let bytes =
                bytes.try_into().map_err(|_length| Error::Unreadable { what: "meta number" })?;
            Ok(u64::from_be_bytes(bytes))
        })
        .transpose()
}
