//! What is said to a front database, as text: one function, one statement.
//!
//! Rows travel as one JSON text that the server reads as records of the table itself, so that the
//! types of its columns are the server's business and a whole batch is one statement. Values are
//! always parameters; names come from the standard and the catalogue and are quoted as they are,
//! however they are spelt.

use super::load::{PURPOSE_AT, Purpose, VERSION};
use crate::province::settings::ParentSettings;
use crate::standard::settings::TableSettings;

/// A table with the columns that the standard gives every table.
pub(super) struct Table<'a> {
    pub(super) name: &'a str,
    pub(super) key: &'a [String],
    pub(super) columns: &'a [String],
    pub(super) tables: &'a TableSettings,
}

/// A name as it is, in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name; a dot stands between schema and table.
pub(super) fn quoted_table(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
        None => quoted(name),
    }
}

impl Table<'_> {
    fn table(&self) -> String {
        quoted_table(self.name)
    }

    fn own(&self) -> String {
        quoted(&self.tables.own_key)
    }

    fn status(&self) -> String {
        quoted(&self.tables.status)
    }

    fn validity(&self) -> String {
        quoted(&self.tables.validity)
    }

    /// The reason as text; nothing where the standard has no such column.
    fn reason(&self, of: &str) -> String {
        match self.tables.reason.as_str() {
            "" => "NULL::text".to_owned(),
            name => format!("{of}.{}::text", quoted(name)),
        }
    }

    /// `$1` as records of the table.
    fn records(&self) -> String {
        format!("json_populate_recordset(NULL::{}, $1::text::json)", self.table())
    }

    /// `o` is a row of ours for this purpose.
    fn is_ours(&self, purpose: Purpose) -> String {
        let (own, at) = (self.own(), PURPOSE_AT - 1);
        format!("substr(o.{own}::text, {at}, 2) = '{VERSION}{}'", purpose.digit())
    }

    /// `o` and `r` are rows of the same key.
    fn same_key(&self) -> String {
        let equal = self.key.iter().map(|name| {
            let name = quoted(name);
            format!("o.{name} = r.{name}")
        });
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// How many of the records are there already. `$1` records.
    pub(super) fn arrived(&self) -> String {
        let (table, own, records) = (self.table(), self.own(), self.records());
        format!("SELECT count(*) FROM {table} o WHERE o.{own} IN (SELECT r.{own} FROM {records} r)")
    }

    /// Rows of ours that stand under the keys of the records and are not taken back yet. `$1`
    /// records, `$2` valid, `$3` failed statuses.
    fn standing(&self) -> String {
        format!(
            "{} AND o.{}::text = $2 AND NOT o.{}::text = ANY($3::text[])",
            self.is_ours(Purpose::Row),
            self.validity(),
            self.status()
        )
    }

    /// How many rows would have to be taken back for the records. `$1` records, `$2` valid, `$3`
    /// failed statuses, `$4` the own key's name.
    pub(super) fn unvoided(&self) -> String {
        let (table, own) = (self.table(), self.own());
        format!(
            "SELECT count(*) FROM {table} o JOIN {records} r ON {same}, LATERAL {tomb} v \
             WHERE {standing} AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t.{own} = v.{own})",
            records = self.records(),
            same = self.same_key(),
            tomb = self.tombstone("$4::text", ""),
            standing = self.standing(),
        )
    }

    /// A record with a tombstone's own key and whatever `more` gives it.
    fn tombstone(&self, own_name: &str, more: &str) -> String {
        format!(
            "json_populate_record(NULL::{table}, json_build_object({own_name}, \
             overlay(o.{own}::text placing '{digit}' from {PURPOSE_AT} for 1){more}))",
            table = self.table(),
            own = self.own(),
            digit = Purpose::Tombstone.digit(),
        )
    }

    /// Takes back every standing row of ours under the keys of the records. `$1` records, `$2`
    /// valid, `$3` failed statuses, `$4` what a tombstone has of its own, as a JSON object, `$5`
    /// the own key's name.
    pub(super) fn take_back(&self) -> String {
        let tables = self.tables;
        let mut said = vec![&tables.validity, &tables.status];
        if !tables.invalid_reason.is_empty() {
            said.push(&tables.invalid_reason);
        }
        let is_own = |name: &&String| **name == tables.own_key || said.contains(name);
        let copied: Vec<&String> = self.columns.iter().filter(|name| !is_own(name)).collect();
        let names = |prefix: &str, names: &[&String]| {
            let all = names.iter().map(|name| format!("{prefix}{}", quoted(name)));
            all.collect::<Vec<_>>().join(", ")
        };
        let values = [names("v.", &[&tables.own_key]), names("w.", &said), names("o.", &copied)];
        let values: Vec<String> = values.into_iter().filter(|text| !text.is_empty()).collect();
        let all = [vec![&tables.own_key], said, copied].concat();
        format!(
            "INSERT INTO {table} ({all}) SELECT {values} FROM {table} o JOIN {records} r ON {same}, \
             LATERAL {tomb} v, LATERAL json_populate_record(NULL::{table}, $4::text::json) w \
             WHERE {standing} ON CONFLICT ({own}) DO NOTHING",
            table = self.table(),
            all = names("", &all),
            values = values.join(", "),
            records = self.records(),
            same = self.same_key(),
            tomb = self.tombstone("$5::text", ""),
            standing = self.standing(),
            own = self.own(),
        )
    }

    /// Writes the records; gives how many and the numbers that the database gave them, first and
    /// last. `$1` records.
    pub(super) fn insert(&self) -> String {
        let tables = self.tables;
        let mut columns = vec![&tables.own_key, &tables.validity, &tables.status];
        columns.extend(
            self.columns
                .iter()
                .filter(|name| ![&tables.own_key, &tables.validity, &tables.status].contains(name)),
        );
        let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let from: Vec<String> = names.iter().map(|name| format!("r.{name}")).collect();
        let (given, bounds) = match tables.upper_key.as_str() {
            "" => (String::from("1 AS given"), "NULL::text, NULL::text"),
            name => (format!("{} AS given", quoted(name)), "min(given)::text, max(given)::text"),
        };
        format!(
            "WITH placed AS (INSERT INTO {table} ({names}) SELECT {from} FROM {records} r \
             ON CONFLICT ({own}) DO NOTHING RETURNING {given}) SELECT count(*), {bounds} FROM placed",
            table = self.table(),
            names = names.join(", "),
            from = from.join(", "),
            records = self.records(),
            own = self.own(),
        )
    }

    /// The records' own keys whose parent does not stand, and whether one waits to be judged. `$1`
    /// records, `$2` valid, `$3` passed statuses, `$4` the status of what nobody has judged.
    pub(super) fn held(&self, parent: &ParentSettings) -> String {
        let named = parent.columns.iter().map(|name| format!("r.{} IS NOT NULL", quoted(name)));
        let pairs = parent.columns.iter().zip(&parent.key);
        let same = pairs.map(|(ours, theirs)| format!("p.{} = r.{}", quoted(theirs), quoted(ours)));
        let beside = format!(
            "FROM {parents} p WHERE {same} AND p.{validity}::text = $2",
            parents = quoted_table(&format!("{}{}", self.tables.prefix, parent.table)),
            same = same.collect::<Vec<_>>().join(" AND "),
            validity = self.validity(),
        );
        format!(
            "SELECT r.{own}::text, EXISTS (SELECT 1 {beside} AND p.{status}::text = $4) \
             FROM {records} r WHERE {named} \
             AND NOT EXISTS (SELECT 1 {beside} AND p.{status}::text = ANY($3::text[]))",
            own = self.own(),
            records = self.records(),
            named = named.collect::<Vec<_>>().join(" AND "),
            status = self.status(),
        )
    }

    /// A page of rows of ours that failed: own key, reason, and the key's columns. `$1` valid,
    /// `$2` failed statuses, `$3` the own key after which the page begins, as a JSON object.
    pub(super) fn revoked(&self, rows: usize) -> String {
        let own = self.own();
        let key: Vec<String> =
            self.key.iter().map(|name| format!(", o.{}::text", quoted(name))).collect();
        format!(
            "SELECT o.{own}::text, {reason}{key} FROM {table} o \
             WHERE o.{validity}::text = $1 AND o.{status}::text = ANY($2::text[]) AND {ours} \
             AND o.{own} > (json_populate_record(NULL::{table}, $3::text::json)).{own} \
             ORDER BY o.{own} LIMIT {rows}",
            reason = self.reason("o"),
            key = key.concat(),
            table = self.table(),
            validity = self.validity(),
            status = self.status(),
            ours = self.is_ours(Purpose::Row),
        )
    }

    /// What became of the records: own key, status, reason. `$1` records.
    pub(super) fn verdicts(&self) -> String {
        format!(
            "SELECT o.{own}::text, o.{status}::text, {reason} FROM {table} o \
             WHERE o.{own} IN (SELECT r.{own} FROM {records} r)",
            own = self.own(),
            status = self.status(),
            reason = self.reason("o"),
            table = self.table(),
            records = self.records(),
        )
    }

    /// Every row of ours under the keys of the records: the record's own key, then own key,
    /// validity, status and reason. `$1` records.
    pub(super) fn under_keys(&self) -> String {
        format!(
            "SELECT r.{own}::text, o.{own}::text, o.{validity}::text, o.{status}::text, {reason} \
             FROM {table} o JOIN {records} r ON {same}",
            own = self.own(),
            validity = self.validity(),
            status = self.status(),
            reason = self.reason("o"),
            table = self.table(),
            records = self.records(),
            same = self.same_key(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_as_they_are_spelt_and_never_end_a_statement() {
        assert_eq!(quoted("NormDetail"), "\"NormDetail\"");
        assert_eq!(quoted("a\"; DROP TABLE t; --"), "\"a\"\"; DROP TABLE t; --\"");
        assert_eq!(quoted_table("front.XM\"x"), "\"front\".\"XM\"\"x\"");
    }
}
