//! Who may do what in the stand-in's database.
//!
//! The city writes new rows that wait to be judged, reads everything, and changes nothing: a
//! verdict, a validity or a date that it could write itself would be worth nothing. The province's
//! people write the down-link tables and judge.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;

use super::directory::Rules;
use super::judge::{quoted, run};
use super::{Office, Table};
use crate::rehearsal::Error;
use crate::sql::{self, Postgres};

/// A way in: an address without a password, and the file that the password is in.
#[derive(Clone, Debug)]
pub struct Account {
    /// As a configuration's `url`.
    pub url: String,
    /// Readable by its owner alone; gone with the server.
    pub password_file: PathBuf,
}

/// The city's account.
pub(super) const CITY: &str = "city";
/// The account of the province's own people.
pub(super) const PROVINCE: &str = "province";

/// Where an account's password is, in the server's folder.
pub(super) fn password_file(folder: &Path, account: &str) -> PathBuf {
    folder.join(format!("{account}.password"))
}

/// Writes a new password for an account where nobody else reads it.
pub(super) fn write_password(folder: &Path, account: &str) -> Result<String, Error> {
    let failed = |reason: String| Error::Front { operation: "write a password", reason };
    let mut bytes = [0_u8; 24];
    rand::fill(&mut bytes).map_err(|_unspecified| failed("no random bytes".to_owned()))?;
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = password_file(folder, account);
    let opened = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file);
    let written = opened.and_then(|mut file| file.write_all(password.as_bytes()));
    written.map_err(|error| failed(error.to_string()))?;
    Ok(password)
}

/// Makes both accounts with their passwords.
pub(super) async fn make(
    session: &mut Postgres,
    passwords: &[(&str, String)],
) -> Result<(), sql::Error> {
    for (account, password) in passwords {
        let statement = format!("CREATE ROLE {} LOGIN PASSWORD '{password}'", quoted(account));
        run(session, &statement).await?;
    }
    Ok(())
}

/// What the accounts may do with the tables, once those are there.
pub(super) async fn grant(
    session: &mut Postgres,
    rules: &Rules,
    office: &Office,
    tables: &[Table],
) -> Result<(), sql::Error> {
    let names = &rules.names;
    if let Some((schema, _)) = names.prefix.split_once('.') {
        let statement = format!("GRANT USAGE ON SCHEMA {} TO {CITY}, {PROVINCE}", quoted(schema));
        run(session, &statement).await?;
    }
    for down in &rules.down {
        let table = quoted(&down.table);
        let statement = format!(
            "GRANT SELECT ON {table} TO {CITY}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {PROVINCE}"
        );
        run(session, &statement).await?;
    }
    for table in tables {
        let table = office.quoted_table(&table.name);
        // What waits is all that the city may write.
        let statement = format!(
            "GRANT SELECT, INSERT ON {table} TO {CITY}; GRANT SELECT, UPDATE ON {table} TO {PROVINCE}; \
             ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY everybody_reads ON {table} FOR SELECT USING (true); \
             CREATE POLICY what_waits ON {table} FOR INSERT TO {CITY} \
             WITH CHECK ({status}::text = '{new}'); \
             CREATE POLICY judges ON {table} FOR UPDATE TO {PROVINCE} USING (true)",
            status = quoted(&names.status),
            new = names.new.replace('\'', "''"),
        );
        run(session, &statement).await?;
    }
    Ok(())
}
