//! What is said to a front database that speaks MySQL's protocol: one function, one statement.
//!
//! As in [`statement`](super::statement), but for what that server has not. It reads no records of
//! a table's own types, so that values stand in the statement, as text that no setting of it reads
//! as anything else, and are compared with a column one by one. Its collations hold `a` and `A`,
//! or `a` and `a ` for the same; where a key is text, its bytes decide.

use std::collections::BTreeMap;

use mysql_async::consts::ColumnType as Wire;
use serde_json::{Map, Value};

use super::load::{PURPOSE_AT, Purpose, VERSION};
use super::statement::Table;
use crate::sql::{mysql_bytes, mysql_text};

/// What bytes have for a character set; everything that is no text has it too.
const BINARY: u16 = 63;

/// A row as a message has it.
pub(super) type Record = Map<String, Value>;

/// A table with what its columns hold.
pub(super) struct Told<'a> {
    pub(super) table: Table<'a>,
    pub(super) kinds: Kinds,
}

/// Which columns of a table hold text; the names of columns are the same in capitals.
pub(super) struct Kinds(BTreeMap<String, bool>);

impl Kinds {
    /// From an answer's columns.
    pub(super) fn of(columns: &[mysql_async::Column]) -> Self {
        let is_text = |column: &mysql_async::Column| {
            column.character_set() != BINARY && column.column_type() != Wire::MYSQL_TYPE_JSON
        };
        let named = columns.iter().map(|it| (it.name_str().to_lowercase(), is_text(it)));
        Self(named.collect())
    }

    fn is_text(&self, name: &str) -> bool {
        self.0.get(&name.to_lowercase()).copied().unwrap_or(true)
    }

    /// A column of `of` holds a value.
    pub(super) fn holds(&self, of: &str, name: &str, value: &Value) -> String {
        let column = format!("{of}.{}", quoted(name));
        let equal = format!("{column} = {}", self.literal(name, value));
        match value {
            // Equal to nothing.
            Value::Null => "FALSE".to_owned(),
            _ if !self.is_text(name) => equal,
            // The first comparison lets an index work.
            Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                format!("{equal} AND {} = {}", as_bytes(&column), mysql_bytes(&plain(value)))
            }
        }
    }

    /// A value as a column takes it.
    fn literal(&self, name: &str, value: &Value) -> String {
        match value {
            Value::Null => "NULL".to_owned(),
            Value::Bool(it) if !self.is_text(name) => it.to_string(),
            Value::Number(it) if !self.is_text(name) => it.to_string(),
            Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => mysql_text(&plain(value)),
        }
    }
}

/// A name as it is, in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table's name; a dot stands between database and table.
pub(super) fn quoted_table(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
        None => quoted(name),
    }
}

/// Whether what is written to a table is undone with its transaction; no row: nobody knows.
pub(super) fn transactions(name: &str) -> String {
    let (schema, table) = match name.split_once('.') {
        Some((schema, table)) => (mysql_text(schema), table),
        None => ("database()".to_owned(), name),
    };
    format!(
        "SELECT e.transactions FROM information_schema.tables t JOIN information_schema.engines e \
         ON e.engine = t.engine WHERE t.table_schema = {schema} AND t.table_name = {}",
        mysql_text(table)
    )
}

/// The columns of a table, and none of its rows.
pub(super) fn columns(name: &str) -> String {
    format!("SELECT * FROM {} LIMIT 0", quoted_table(name))
}

/// Rows of a parents' table that are valid and under one of these keys: which key, and the status.
pub(super) fn standing_parents(
    name: &str,
    kinds: &Kinds,
    keys: &[Vec<(&str, &Value)>],
    (validity, valid, status): (&str, &str, &str),
) -> String {
    let conditions: Vec<String> = keys.iter().map(|key| all_of(kinds, "p", key)).collect();
    format!(
        "SELECT {which}, p.{status} FROM {parents} p WHERE {is_valid} AND ({any})",
        which = first_of(&conditions, |at| at.to_string()),
        status = quoted(status),
        parents = quoted_table(name),
        is_valid = is(&format!("p.{}", quoted(validity)), &[valid]),
        any = any_of(&conditions),
    )
}

impl Told<'_> {
    fn name(&self) -> String {
        quoted_table(self.table.name)
    }

    fn own(&self) -> String {
        quoted(&self.table.tables.own_key)
    }

    fn said(&self, column: &str) -> String {
        format!("o.{}", quoted(column))
    }

    fn reason(&self) -> String {
        match self.table.tables.reason.as_str() {
            "" => "NULL".to_owned(),
            name => self.said(name),
        }
    }

    /// `o` is one of the records.
    fn arrived_ones(&self, records: &[Record]) -> String {
        let own = &self.table.tables.own_key;
        let keys = records.iter().filter_map(|it| it.get(own)?.as_str()).map(mysql_text);
        let keys: Vec<String> = keys.collect();
        if keys.is_empty() {
            return "FALSE".to_owned();
        }
        format!("o.{} IN ({})", self.own(), keys.join(", "))
    }

    /// How many of the records are there already.
    pub(super) fn arrived(&self, records: &[Record]) -> String {
        format!("SELECT count(*) FROM {} o WHERE {}", self.name(), self.arrived_ones(records))
    }

    /// One condition for each record: `o` has its key.
    fn same_keys(&self, records: &[Record]) -> Vec<String> {
        let of = |record: &Record| {
            let null = Value::Null;
            let cells = self.table.key.iter().map(|name| (name.as_str(), record.get(name)));
            let cells: Vec<(&str, &Value)> =
                cells.map(|(name, value)| (name, value.unwrap_or(&null))).collect();
            all_of(&self.kinds, "o", &cells)
        };
        records.iter().map(of).collect()
    }

    fn is_ours(&self) -> String {
        let digits = format!("{VERSION}{}", Purpose::Row.digit());
        format!("substr(o.{}, {}, 2) = '{digits}'", self.own(), PURPOSE_AT - 1)
    }

    fn tombstone(&self) -> String {
        format!("insert(o.{}, {PURPOSE_AT}, 1, '{}')", self.own(), Purpose::Tombstone.digit())
    }

    /// Rows of ours that stand under the records' keys and are not taken back yet.
    fn unvoided_ones(&self, records: &[Record]) -> String {
        let tables = self.table.tables;
        let failed: Vec<&str> = tables.failed.iter().map(String::as_str).collect();
        format!(
            "{ours} AND {valid} AND NOT {failed} AND ({keys}) \
             AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t.{own} = {tomb})",
            ours = self.is_ours(),
            valid = is(&self.said(&tables.validity), &[&tables.valid]),
            failed = is(&self.said(&tables.status), &failed),
            keys = any_of(&self.same_keys(records)),
            table = self.name(),
            own = self.own(),
            tomb = self.tombstone(),
        )
    }

    /// How many rows would have to be taken back for the records.
    pub(super) fn unvoided(&self, records: &[Record]) -> String {
        format!("SELECT count(*) FROM {} o WHERE {}", self.name(), self.unvoided_ones(records))
    }

    /// Takes back every standing row of ours under the keys of the records.
    pub(super) fn take_back(&self, records: &[Record], why: &str) -> String {
        let tables = self.table.tables;
        let mut own: Vec<(&str, String)> = vec![
            (&tables.own_key, self.tombstone()),
            (&tables.validity, mysql_text(&tables.invalid)),
            (&tables.status, mysql_text(&tables.new)),
        ];
        if !tables.invalid_reason.is_empty() {
            own.push((&tables.invalid_reason, mysql_text(why)));
        }
        let is_own = |name: &String| own.iter().any(|(own, _)| own == name);
        let copied = self.table.columns.iter().filter(|name| !is_own(name));
        let copied: Vec<(&str, String)> =
            copied.map(|name| (name.as_str(), self.said(name))).collect();
        let all = [own, copied].concat();
        let names: Vec<String> = all.iter().map(|(name, _)| quoted(name)).collect();
        let values: Vec<&str> = all.iter().map(|(_, value)| value.as_str()).collect();
        format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM {table} o WHERE {standing}",
            table = self.name(),
            names = names.join(", "),
            values = values.join(", "),
            standing = self.unvoided_ones(records),
        )
    }

    /// Writes the records.
    pub(super) fn insert(&self, records: &[Record]) -> String {
        let tables = self.table.tables;
        let first = [&tables.own_key, &tables.validity, &tables.status];
        let more = self.table.columns.iter().filter(|name| !first.contains(name));
        let columns: Vec<&String> = first.into_iter().chain(more).collect();
        let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let rows = records.iter().map(|record| {
            let cells = columns.iter().map(|name| {
                record.get(*name).map_or("NULL".to_owned(), |it| self.kinds.literal(name, it))
            });
            format!("({})", cells.collect::<Vec<_>>().join(", "))
        });
        let rows: Vec<String> = rows.collect();
        format!("INSERT INTO {} ({}) VALUES {}", self.name(), names.join(", "), rows.join(", "))
    }

    /// The numbers that the database gave the records, first and last.
    pub(super) fn given(&self, records: &[Record]) -> Option<String> {
        let name = Some(&self.table.tables.upper_key).filter(|name| !name.is_empty())?;
        let (of, name) = (self.name(), self.said(name));
        let which = self.arrived_ones(records);
        Some(format!("SELECT min({name}), max({name}) FROM {of} o WHERE {which}"))
    }

    /// A page of rows of ours that failed: own key, reason, and the key's columns.
    pub(super) fn revoked(&self, after: &str, rows: usize) -> String {
        let tables = self.table.tables;
        let failed: Vec<&str> = tables.failed.iter().map(String::as_str).collect();
        let key: Vec<String> =
            self.table.key.iter().map(|name| format!(", {}", self.said(name))).collect();
        format!(
            "SELECT o.{own}, {reason}{key} FROM {table} o WHERE {valid} AND {failed} AND {ours} \
             AND o.{own} > {after} ORDER BY o.{own} LIMIT {rows}",
            own = self.own(),
            reason = self.reason(),
            key = key.concat(),
            table = self.name(),
            valid = is(&self.said(&tables.validity), &[&tables.valid]),
            failed = is(&self.said(&tables.status), &failed),
            ours = self.is_ours(),
            after = mysql_text(after),
        )
    }

    /// What became of the records: own key, status, reason.
    pub(super) fn verdicts(&self, records: &[Record]) -> String {
        format!(
            "SELECT o.{own}, {status}, {reason} FROM {table} o WHERE {which}",
            own = self.own(),
            status = self.said(&self.table.tables.status),
            reason = self.reason(),
            table = self.name(),
            which = self.arrived_ones(records),
        )
    }

    /// Every row under the keys of the records: the own key of the first record with that key, then
    /// own key, validity, status and reason.
    pub(super) fn under_keys(&self, records: &[Record]) -> String {
        let keys = self.same_keys(records);
        let own = |at: usize| {
            let record = records.get(at).and_then(|it| it.get(&self.table.tables.own_key));
            mysql_text(record.and_then(Value::as_str).unwrap_or_default())
        };
        format!(
            "SELECT {which}, o.{own}, {validity}, {status}, {reason} FROM {table} o WHERE {any}",
            which = first_of(&keys, own),
            own = self.own(),
            validity = self.said(&self.table.tables.validity),
            status = self.said(&self.table.tables.status),
            reason = self.reason(),
            table = self.name(),
            any = any_of(&keys),
        )
    }
}

/// A value as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn as_bytes(column: &str) -> String {
    format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY)")
}

/// A column's text is one of these.
fn is(column: &str, texts: &[&str]) -> String {
    if texts.is_empty() {
        return "FALSE".to_owned();
    }
    let texts: Vec<String> = texts.iter().map(|text| mysql_bytes(text)).collect();
    format!("({} IN ({}))", as_bytes(column), texts.join(", "))
}

fn all_of(kinds: &Kinds, of: &str, cells: &[(&str, &Value)]) -> String {
    let all: Vec<String> = cells.iter().map(|(name, value)| kinds.holds(of, name, value)).collect();
    format!("({})", all.join(" AND "))
}

fn any_of(conditions: &[String]) -> String {
    if conditions.is_empty() { "FALSE".to_owned() } else { conditions.join(" OR ") }
}

/// What belongs to the first condition that holds.
fn first_of(conditions: &[String], of: impl Fn(usize) -> String) -> String {
    if conditions.is_empty() {
        return "NULL".to_owned();
    }
    let cases: Vec<String> = conditions
        .iter()
        .enumerate()
        .map(|(at, condition)| format!("WHEN {condition} THEN {}", of(at)))
        .collect();
    format!("CASE {} END", cases.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_values_never_end_a_statement() {
        assert_eq!(quoted_table("front.XM`x"), "`front`.`XM``x`");
        let kinds = Kinds(BTreeMap::from([("id".to_owned(), true), ("no".to_owned(), false)]));
        assert_eq!(
            kinds.holds("o", "ID", &json!("a'\\")),
            "o.`ID` = _utf8mb4 x'61275c' AND \
             CAST(CONVERT(o.`ID` USING utf8mb4) AS BINARY) = x'61275c'"
        );
        assert_eq!(kinds.holds("o", "no", &json!(12)), "o.`no` = 12");
        assert_eq!(kinds.holds("o", "no", &json!("12")), "o.`no` = _utf8mb4 x'3132'");
        assert_eq!(kinds.holds("o", "no", &Value::Null), "FALSE");
        assert_eq!(kinds.literal("id", &json!(true)), "_utf8mb4 x'74727565'");
        assert_eq!(kinds.literal("no", &json!(true)), "true");
    }

    #[test]
    fn nothing_asked_about_is_nothing_found() {
        assert_eq!(any_of(&[]), "FALSE");
        assert_eq!(first_of(&[], |at| at.to_string()), "NULL");
        assert_eq!(is("o.`s`", &[]), "FALSE");
        assert_eq!(first_of(&["a".to_owned()], |at| at.to_string()), "CASE WHEN a THEN 0 END");
    }
}
