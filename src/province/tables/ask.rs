//! What a channel asks of its front database and tells it, whichever of the two it speaks to.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio_postgres::types::ToSql;

use super::load::Load;
use super::maria::{self, Kinds, Record, Told};
use super::statement::Table;
use super::{Front, PAGE_ROWS, Stop, UNTRANSACTIONAL};
use crate::province::settings::ParentSettings;
use crate::sql::{
    self, Address, MySql, Postgres, connect_mysql_read_only, connect_mysql_read_write,
    connect_read_only, connect_read_write,
};

/// One session with a front database.
pub(super) enum Session {
    Postgres(Box<Postgres>),
    MySql(Box<MySql>),
}

/// The cells of an answer, as text.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// Whether an address is of a server that speaks MySQL's protocol.
pub(super) fn speaks_mysql(url: &str) -> bool {
    url.starts_with("mysql:") || url.starts_with("mariadb:")
}

/// Whether an address can be read; true where it holds a password.
pub(super) fn parse_url(url: &str) -> Result<bool, sql::Error> {
    if speaks_mysql(url) { sql::parse_mysql_url(url) } else { sql::parse_url(url) }
}

impl Session {
    pub(super) async fn reader(address: &Address) -> Result<Self, sql::Error> {
        Ok(if speaks_mysql(&address.url) {
            Self::MySql(Box::new(connect_mysql_read_only(address).await?))
        } else {
            Self::Postgres(Box::new(connect_read_only(address).await?))
        })
    }

    pub(super) async fn writer(address: &Address) -> Result<Self, sql::Error> {
        Ok(if speaks_mysql(&address.url) {
            Self::MySql(Box::new(connect_mysql_read_write(address).await?))
        } else {
            Self::Postgres(Box::new(connect_read_write(address).await?))
        })
    }

    pub(super) async fn run(&mut self, statement: &str) -> Result<(), sql::Error> {
        match self {
            Self::Postgres(it) => it.wire.drive(it.client.batch_execute(statement)).await,
            Self::MySql(it) => it.run(statement).await.map(drop),
        }
    }
}

impl Front {
    /// A table with what its columns hold, from the server.
    async fn told<'a>(&self, session: &mut MySql, table: Table<'a>) -> Result<Told<'a>, Stop> {
        let kinds = Kinds::of(&session.columns(&maria::columns(table.name)).await?);
        Ok(Told { table, kinds })
    }

    /// How many of a batch's rows are there.
    pub(super) async fn arrived(&self, session: &mut Session, load: &Load) -> Result<i64, Stop> {
        let (table, all) = (self.table(load), load.all());
        match session {
            Session::Postgres(it) => number(query(it, &table.arrived(), &[&json(&all)]).await?),
            Session::MySql(it) => {
                let table = self.told(it, table).await?;
                number(ask(it, &table.arrived(&all)).await?)
            }
        }
    }

    /// How many rows a deletion would still have to take back.
    pub(super) async fn unvoided(&self, session: &mut Session, load: &Load) -> Result<i64, Stop> {
        let (table, all, tables) = (self.table(load), load.all(), &self.tables);
        match session {
            Session::Postgres(it) => {
                let all = json(&all);
                let with: [&(dyn ToSql + Sync); 4] =
                    [&all, &tables.valid, &tables.failed, &tables.own_key];
                number(query(it, &table.unvoided(), &with).await?)
            }
            Session::MySql(it) => {
                let table = self.told(it, table).await?;
                number(ask(it, &table.unvoided(&all)).await?)
            }
        }
    }

    /// Writes rows; the numbers that the database gave them, first and last.
    pub(super) async fn insert(
        &self,
        session: &mut Session,
        load: &Load,
        records: &[Record],
    ) -> Result<Option<String>, Stop> {
        let table = self.table(load);
        let bounds = match session {
            // First comes how many they are.
            Session::Postgres(it) => query(it, &table.insert(), &[&json(records)])
                .await?
                .into_iter()
                .next()
                .map(|row| row.into_iter().skip(1).collect()),
            Session::MySql(it) => {
                if records.is_empty() {
                    return Ok(None);
                }
                let transactions = ask(it, &maria::transactions(table.name)).await?;
                if transactions.iter().flatten().flatten().any(|word| word == "NO") {
                    // Half a batch could stand there, and would be taken for a whole one.
                    let (code, reason) = (UNTRANSACTIONAL.to_owned(), String::new());
                    return Err(Stop::Undone(sql::Error::Server { code, reason }));
                }
                let table = self.told(it, table).await?;
                it.run(&table.insert(records)).await?;
                match table.given(records) {
                    Some(statement) => ask(it, &statement).await?.into_iter().next(),
                    None => None,
                }
            }
        };
        let bounds: Vec<Option<String>> = bounds.unwrap_or_default();
        Ok(match bounds.as_slice() {
            [Some(first), Some(last), ..] => Some(format!("{first}-{last}")),
            _ => None,
        })
    }

    /// Takes back what stands under the keys of a batch's records.
    pub(super) async fn take_back(
        &self,
        session: &mut Session,
        load: &Load,
        records: &[Record],
        why: &str,
    ) -> Result<(), Stop> {
        let (table, tables) = (self.table(load), &self.tables);
        match session {
            Session::Postgres(it) => {
                let own = [
                    (&tables.validity, tables.invalid.as_str()),
                    (&tables.status, tables.new.as_str()),
                    (&tables.invalid_reason, why),
                ];
                let own: BTreeMap<&String, &str> =
                    own.into_iter().filter(|(name, _)| !name.is_empty()).collect();
                let own = serde_json::to_string(&own).unwrap_or_default();
                let (statement, records) = (table.take_back(), json(records));
                let with: [&(dyn ToSql + Sync); 5] =
                    [&records, &tables.valid, &tables.failed, &own, &tables.own_key];
                it.wire.drive(it.client.execute(&statement, &with)).await?;
            }
            Session::MySql(it) => {
                let table = self.told(it, table).await?;
                it.run(&table.take_back(records, why)).await?;
            }
        }
        Ok(())
    }

    /// The own keys of rows whose parent does not stand, and whether it is about to be judged.
    pub(super) async fn held_by(
        &self,
        session: &mut Session,
        load: &Load,
        records: &[Record],
        parent: &ParentSettings,
    ) -> Result<BTreeMap<String, bool>, Stop> {
        let tables = &self.tables;
        match session {
            Session::Postgres(it) => {
                let (statement, records) = (self.table(load).held(parent), json(records));
                let with: [&(dyn ToSql + Sync); 4] =
                    [&records, &tables.valid, &tables.passed, &tables.new];
                let rows = query(it, &statement, &with).await?;
                let held = rows.into_iter().filter_map(|row| {
                    let mut cells = row.into_iter();
                    let own = cells.next().flatten()?;
                    Some((own, cells.next().flatten().as_deref() == Some("true")))
                });
                Ok(held.collect())
            }
            Session::MySql(it) => self.held_by_mysql(it, records, parent).await,
        }
    }

    async fn held_by_mysql(
        &self,
        session: &mut MySql,
        records: &[Record],
        parent: &ParentSettings,
    ) -> Result<BTreeMap<String, bool>, Stop> {
        let tables = &self.tables;
        let mut keys: Vec<Vec<(&str, &Value)>> = Vec::new();
        let mut wanted: Vec<(&str, usize)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for record in records {
            let pairs = parent.columns.iter().zip(&parent.key);
            let key: Option<Vec<(&str, &Value)>> = pairs
                .map(|(ours, theirs)| {
                    let value = record.get(ours).filter(|value| !value.is_null())?;
                    Some((theirs.as_str(), value))
                })
                .collect();
            let own = record.get(&tables.own_key).and_then(Value::as_str);
            let (Some(key), Some(own)) = (key, own) else { continue };
            let text = serde_json::to_string(&key).unwrap_or_default();
            let at = *places.entry(text).or_insert_with(|| {
                keys.push(key);
                keys.len() - 1
            });
            wanted.push((own, at));
        }
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let name = format!("{}{}", tables.prefix, parent.table);
        let kinds = Kinds::of(&session.columns(&maria::columns(&name)).await?);
        let words = (tables.validity.as_str(), tables.valid.as_str(), tables.status.as_str());
        let statement = maria::standing_parents(&name, &kinds, &keys, words);
        let mut found: BTreeMap<usize, (bool, bool)> = BTreeMap::new();
        for row in ask(session, &statement).await? {
            let [which, status] = row.as_slice() else { continue };
            let Some(at) = which.as_ref().and_then(|text| text.parse().ok()) else { continue };
            let status = status.clone().unwrap_or_default();
            let (stands, waits) = found.entry(at).or_default();
            *stands |= tables.passed.contains(&status);
            *waits |= status == tables.new;
        }
        let of = |at| found.get(at).copied().unwrap_or_default();
        let held = wanted.iter().filter(|(_, at)| !of(at).0);
        Ok(held.map(|(own, at)| ((*own).to_owned(), of(at).1)).collect())
    }

    /// What was said of rows: own key, status, reason.
    pub(super) async fn said(
        &self,
        session: &mut Session,
        load: &Load,
        records: &[Record],
    ) -> Result<Rows, Stop> {
        let table = self.table(load);
        match session {
            Session::Postgres(it) => query(it, &table.verdicts(), &[&json(records)]).await,
            Session::MySql(it) => {
                let table = self.told(it, table).await?;
                ask(it, &table.verdicts(records)).await
            }
        }
    }

    /// Every row under the records' keys: the record's own key, then own key, validity, status and
    /// reason.
    pub(super) async fn under_keys(
        &self,
        session: &mut Session,
        load: &Load,
        records: &[Record],
    ) -> Result<Rows, Stop> {
        let table = self.table(load);
        match session {
            Session::Postgres(it) => query(it, &table.under_keys(), &[&json(records)]).await,
            Session::MySql(it) => {
                let table = self.told(it, table).await?;
                let mut rows = ask(it, &table.under_keys(records)).await?;
                // The statement tells the first record of a key; others with it have the same rows.
                let key = |record: &Record| -> Vec<Option<Value>> {
                    load.key.iter().map(|name| record.get(name).cloned()).collect()
                };
                let own = |record: &Record| {
                    record.get(&self.tables.own_key).and_then(Value::as_str).map(str::to_owned)
                };
                for (at, record) in records.iter().enumerate() {
                    let first = records.iter().take(at).find(|it| key(it) == key(record));
                    let Some(first) = first.and_then(own) else { continue };
                    let mut again: Rows = rows
                        .iter()
                        .filter(|row| row.first().cloned().flatten().as_ref() == Some(&first))
                        .cloned()
                        .collect();
                    again
                        .iter_mut()
                        .filter_map(|row| row.first_mut())
                        .for_each(|it| *it = own(record));
                    rows.extend(again);
                }
                Ok(rows)
            }
        }
    }

    /// A page of rows of ours that failed: own key, reason, and the key's columns.
    pub(super) async fn failed_after(
        &self,
        session: &mut Session,
        table: Table<'_>,
        after: &str,
    ) -> Result<Rows, Stop> {
        let tables = &self.tables;
        match session {
            Session::Postgres(it) => {
                let after = BTreeMap::from([(tables.own_key.as_str(), after)]);
                let after = serde_json::to_string(&after).unwrap_or_default();
                let with: [&(dyn ToSql + Sync); 3] = [&tables.valid, &tables.failed, &after];
                query(it, &table.revoked(PAGE_ROWS), &with).await
            }
            Session::MySql(it) => {
                let table = self.told(it, table).await?;
                ask(it, &table.revoked(after, PAGE_ROWS)).await
            }
        }
    }
}

/// Rows as one JSON array that PostgreSQL reads as records of the table.
fn json(records: &[Record]) -> String {
    serde_json::to_string(records).unwrap_or_default()
}

/// The cells of an answer whose columns are text, numbers or truth values.
async fn query(
    session: &mut Postgres,
    statement: &str,
    with: &[&(dyn ToSql + Sync)],
) -> Result<Rows, Stop> {
    let rows = session.wire.drive(session.client.query(statement, with)).await?;
    let cell = |row: &tokio_postgres::Row, at: usize| -> Result<Option<String>, sql::Error> {
        let text: Result<Option<String>, _> = row.try_get(at);
        if let Ok(text) = text {
            return Ok(text);
        }
        if let Ok(number) = row.try_get::<_, Option<i64>>(at) {
            return Ok(number.map(|it| it.to_string()));
        }
        let flag: Option<bool> = row.try_get(at)?;
        Ok(flag.map(|it| it.to_string()))
    };
    let row = |row: &tokio_postgres::Row| (0..row.len()).map(|at| cell(row, at)).collect();
    Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
}

async fn ask(session: &mut MySql, statement: &str) -> Result<Rows, Stop> {
    let rows = session.rows(statement).await?;
    let cell = |row: &mysql_async::Row, at: usize| match row.as_ref(at) {
        Some(mysql_async::Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Some(_) | None => None,
    };
    let row = |row: &mysql_async::Row| (0..row.len()).map(|at| cell(row, at)).collect();
    Ok(rows.iter().map(row).collect())
}

/// The one number that a statement gives.
fn number(rows: Rows) -> Result<i64, Stop> {
    let told = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
    told.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Stop::Undone(sql::Error::Session { reason: "an answer of another form".to_owned() })
    })
}
