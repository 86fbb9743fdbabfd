//! Down-link tables (下行库表): what the province writes for the city to read.
//!
//! A page is read in the order of date and key, so that rows of one instant are told apart at its
//! border; rows that have no date of their own come with the row they belong to, in the same
//! snapshot. Rows are taken as they are, names and all, and judged afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio_postgres::types::ToSql;

use super::statement::{quoted, quoted_table};
use super::{bounded, query, run, text};
use crate::province::settings::Settings;
use crate::province::tables::Stop;
use crate::sql::{self, Address, Postgres, connect_read_only};
use crate::standard::settings::InboxSettings;
use crate::standard::{Drift, Standard};

const TIMEOUT: Duration = Duration::from_secs(60);
/// Rows that come with those of a page, for a province that sends without end.
const MAX_CHILDREN: usize = 100_000;

/// Where a reading of a table goes on.
#[derive(Clone, Eq, PartialEq)]
pub enum Start {
    /// At its first row.
    Beginning,
    /// At the first row of this date or a later one.
    Date(String),
    /// After the row with this date and key.
    After(String, String),
    /// Rows that have no date, though the standard demands one: after the row with this key.
    Undated(Option<String>),
}

impl std::fmt::Debug for Start {
    /// No key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Beginning => "Beginning",
            Self::Date(_) => "Date(***)",
            Self::After(..) => "After(***)",
            Self::Undated(_) => "Undated(***)",
        })
    }
}

/// A row as the province wrote it. Holds content.
#[derive(Clone, Eq, PartialEq)]
pub struct DownRow {
    /// Its key.
    pub key: String,
    /// When the province touched it, as said.
    pub operated: String,
    /// What it did: true for a row that is gone; `None` for a letter in no list.
    pub deleted: Option<bool>,
    /// The letter, as said.
    pub action: String,
    /// The row and those that come with it, as JSON: `{"row":{…},"with":{"TABLE":[{…}]}}`.
    pub body: String,
}

impl std::fmt::Debug for DownRow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DownRow")
            .field("operated", &self.operated)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A page of a down-link table.
#[derive(Debug, Default)]
pub struct DownPage {
    /// Its rows, in the order of date and key.
    pub rows: Vec<DownRow>,
    /// What the standard did not announce.
    pub drift: Vec<Drift>,
}

/// Reads a channel's down-link tables.
#[derive(Debug)]
pub(in crate::province) struct Down {
    standard: Arc<Standard>,
    address: Address,
}

impl Down {
    /// `None` where the channel has no such database or its standard no such table.
    pub(in crate::province) fn new(settings: &Settings, standard: &Arc<Standard>) -> Option<Self> {
        let said = settings.inbox.as_ref().filter(|_| !standard.settings().inbox.is_empty())?;
        let address = Address {
            url: said.url.clone(),
            password_file: said.password_file.clone(),
            ca_file: said.ca_file.clone(),
            statement_timeout: settings.timeout.unwrap_or(TIMEOUT),
            zone: standard.settings().zone.clone(),
        };
        Some(Self { standard: Arc::clone(standard), address })
    }

    /// One page; the error is a stable word. Cancel-safe: it only reads.
    pub(in crate::province) async fn page(
        &self,
        inbox: &InboxSettings,
        from: &Start,
        rows: usize,
    ) -> Result<DownPage, String> {
        match bounded(self.address.statement_timeout, self.read(inbox, from, rows)).await {
            Ok(page) => Ok(page),
            Err(Stop::Undone(sql::Error::Server { code, .. })) => Err(format!("sql-{code}")),
            Err(Stop::Undone(sql::Error::Credential { .. })) => {
                Err("credential-unreadable".to_owned())
            }
            Err(Stop::Undone(_) | Stop::Open | Stop::Unreadable | Stop::Waits) => {
                Err("connect-failed".to_owned())
            }
        }
    }

    async fn read(
        &self,
        inbox: &InboxSettings,
        from: &Start,
        rows: usize,
    ) -> Result<DownPage, Stop> {
        let mut session = connect_read_only(&self.address).await?;
        run(&mut session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let (statement, start) = select(inbox, from, rows);
        let with: Vec<&(dyn ToSql + Sync)> =
            start.iter().map(|start| start as &(dyn ToSql + Sync)).collect();
        let found = query(&mut session, &statement, &with).await?;
        let mut page = DownPage::default();
        let mut drift = BTreeSet::new();
        let mut bodies = Vec::with_capacity(found.len());
        for row in &found {
            let body = object(text(row, 0)?);
            self.compare(inbox, &body, &mut drift);
            bodies.push(body);
        }
        let children = self.children(&mut session, inbox, &bodies, &mut drift).await?;
        for (row, body) in found.iter().zip(bodies) {
            let action = text(row, 2)?.unwrap_or_default();
            let is_in = |codes: &[String]| codes.contains(&action);
            let deleted = match (is_in(&inbox.deleted), is_in(&inbox.written)) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => {
                    let place = format!("{}.{}", inbox.table, inbox.action);
                    drift.insert(Drift::UnlistedValue(place, action.clone()));
                    None
                }
            };
            let mut with = Map::new();
            for (table, by, of) in &children {
                let own = body.get(by).map(plain).and_then(|value| of.get(&value)).cloned();
                with.insert(table.clone(), Value::Array(own.unwrap_or_default()));
            }
            let whole = serde_json::json!({ "row": body, "with": with });
            page.rows.push(DownRow {
                key: text(row, 3)?.unwrap_or_default(),
                operated: text(row, 1)?.unwrap_or_default(),
                deleted,
                action,
                body: whole.to_string(),
            });
        }
        page.drift = drift.into_iter().collect();
        Ok(page)
    }

    /// Rows of tables that are read with this one: table, common column, and rows by its value.
    async fn children(
        &self,
        session: &mut Postgres,
        inbox: &InboxSettings,
        bodies: &[Map<String, Value>],
        drift: &mut BTreeSet<Drift>,
    ) -> Result<Vec<Children>, Stop> {
        let mut all = Vec::new();
        let said = &self.standard.settings().inbox;
        for child in said.iter().filter(|child| child.with == inbox.table) {
            let wanted: Vec<BTreeMap<&str, &Value>> = bodies
                .iter()
                .filter_map(|body| {
                    Some(BTreeMap::from([(child.by.as_str(), body.get(&child.by)?)]))
                })
                .collect();
            let wanted = serde_json::to_string(&wanted).unwrap_or_default();
            let (table, by) = (quoted_table(&child.table), quoted(&child.by));
            let statement = format!(
                "SELECT row_to_json(o)::text FROM {table} o WHERE o.{by} IN (SELECT r.{by} FROM \
                 json_populate_recordset(NULL::{table}, $1::text::json) r) ORDER BY o.{} \
                 LIMIT {MAX_CHILDREN}",
                quoted(&child.key)
            );
            let mut of: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for row in query(session, &statement, &[&wanted]).await? {
                let body = object(text(&row, 0)?);
                self.compare(child, &body, drift);
                let value = body.get(&child.by).map(plain).unwrap_or_default();
                of.entry(value).or_default().push(Value::Object(body));
            }
            all.push((child.table.clone(), child.by.clone(), of));
        }
        Ok(all)
    }

    /// The columns that are there are those that the standard lists.
    fn compare(
        &self,
        inbox: &InboxSettings,
        body: &Map<String, Value>,
        drift: &mut BTreeSet<Drift>,
    ) {
        let Some(columns) = self.standard.tables().replies.get(&inbox.reply) else { return };
        for name in body.keys().filter(|name| !columns.iter().any(|row| row.path == **name)) {
            drift.insert(Drift::UnknownPath(format!("{}.{name}", inbox.table)));
        }
        for row in columns.iter().filter(|row| row.required == "yes") {
            if !body.contains_key(&row.path) {
                drift.insert(Drift::MissingPath(format!("{}.{}", inbox.table, row.path)));
            }
        }
    }
}

/// Table, common column, and the rows by its value.
type Children = (String, String, BTreeMap<String, Vec<Value>>);

/// The statement of a page, and where it begins as a JSON record of the table.
fn select(inbox: &InboxSettings, from: &Start, rows: usize) -> (String, Option<String>) {
    let table = quoted_table(&inbox.table);
    let (date, key) = (quoted(&inbox.date), quoted(&inbox.key));
    let (condition, start) = match from {
        Start::Beginning => (format!("o.{date} IS NOT NULL"), None),
        Start::Date(at) => {
            let start = BTreeMap::from([(inbox.date.as_str(), at.as_str())]);
            (format!("o.{date} >= p.{date}"), Some(start))
        }
        Start::After(at, last) => {
            let start = BTreeMap::from([
                (inbox.date.as_str(), at.as_str()),
                (inbox.key.as_str(), last.as_str()),
            ]);
            (format!("(o.{date}, o.{key}) > (p.{date}, p.{key})"), Some(start))
        }
        Start::Undated(None) => (format!("o.{date} IS NULL"), None),
        Start::Undated(Some(last)) => {
            let start = BTreeMap::from([(inbox.key.as_str(), last.as_str())]);
            (format!("o.{date} IS NULL AND o.{key} > p.{key}"), Some(start))
        }
    };
    let start = start.map(|start| serde_json::to_string(&start).unwrap_or_default());
    let joined = match start {
        Some(_) => format!(", json_populate_record(NULL::{table}, $1::text::json) p"),
        None => String::new(),
    };
    let statement = format!(
        "SELECT row_to_json(o)::text, o.{date}::text, o.{}::text, o.{key}::text \
         FROM {table} o{joined} WHERE {condition} ORDER BY o.{date}, o.{key} LIMIT {rows}",
        quoted(&inbox.action)
    );
    (statement, start)
}

fn object(text: Option<String>) -> Map<String, Value> {
    match serde_json::from_str(&text.unwrap_or_default()) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// A value as plain text, to find what belongs together.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
