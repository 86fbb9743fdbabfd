//! A durable payload as a table channel reads it: which table, by which key, which rows.
//!
//! The payload is the message that the standard built: JSON with the table's name, the columns of
//! its key, what stands in every row, and the rows as the row plan wrote them. A row's own key is
//! made of the batch's name and the row's place in it. Both never change (invariant 3), so the same
//! batch written twice has the same own keys, and an own key tells which batch a row came from.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::delivery::BatchId;
use crate::standard::settings::TableSettings;
use crate::wire::Payload;

/// A batch of rows for a table.
#[derive(Clone, PartialEq)]
pub(super) struct Load {
    /// The table's name, with the standard's prefix; a dot stands between schema and table.
    pub(super) table: String,
    /// The dataset, where the message names it.
    pub(super) dataset: String,
    /// The columns by which the province tells rows apart.
    pub(super) key: Vec<String>,
    /// Every column that is written, the own key aside, in the order of the message.
    pub(super) columns: Vec<String>,
    /// Rows in the payload's order, each with its own key.
    rows: Vec<Map<String, Value>>,
    /// The key texts, in the same order.
    pub(super) texts: Vec<String>,
    batch: BatchId,
}

impl std::fmt::Debug for Load {
    /// No content.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Load")
            .field("table", &self.table)
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

/// The message's paths; the standard was loaded with exactly these.
#[derive(Deserialize)]
struct Written {
    table: String,
    key: String,
    #[serde(default)]
    dataset: String,
    #[serde(default)]
    columns: BTreeMap<String, Value>,
    #[serde(default)]
    rows: Vec<Map<String, Value>>,
}

/// The table that a message without rows is about, and its key.
pub(super) fn table_of(payload: &Payload, tables: &TableSettings) -> Option<(String, Vec<String>)> {
    let written: Written = serde_json::from_slice(&payload.fixed()?).ok()?;
    let key = written.key.split(',').map(str::to_owned).collect();
    Some((format!("{}{}", tables.prefix, written.table), key))
}

/// A payload that is no message for a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unreadable;

impl Load {
    /// Reads a payload of the batch with this name.
    pub(super) fn read(
        payload: &Payload,
        batch: &str,
        tables: &TableSettings,
    ) -> Result<Self, Unreadable> {
        let batch = BatchId::parse(batch).ok_or(Unreadable)?;
        let bytes = payload.fixed().ok_or(Unreadable)?;
        let written: Written = serde_json::from_slice(&bytes).map_err(|_json| Unreadable)?;
        let mut rows = written.rows;
        let mut texts = Vec::with_capacity(rows.len());
        let mut columns: Vec<String> = written.columns.keys().cloned().collect();
        if let Some(first) = rows.first() {
            let named = first.keys().filter(|name| **name != tables.own_key);
            columns.extend(named.filter(|name| !written.columns.contains_key(*name)).cloned());
        }
        for (at, row) in rows.iter_mut().enumerate() {
            let Some(Value::String(text)) = row.get(&tables.own_key) else {
                return Err(Unreadable);
            };
            texts.push(text.clone());
            let own = own_key(batch, u32::try_from(at).map_err(|_many| Unreadable)?);
            row.insert(tables.own_key.clone(), Value::String(own));
            row.extend(written.columns.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        Ok(Self {
            table: format!("{}{}", tables.prefix, written.table),
            dataset: written.dataset,
            key: written.key.split(',').map(str::to_owned).collect(),
            columns,
            rows,
            texts,
            batch,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The own key of the row at a place.
    pub(super) fn own(&self, at: usize) -> String {
        own_key(self.batch, u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Every row.
    pub(super) fn all(&self) -> Vec<Map<String, Value>> {
        self.rows.clone()
    }

    /// Those rows for which `keep` says so, with `more` in each of them.
    pub(super) fn records(
        &self,
        range: std::ops::Range<usize>,
        more: &[(&str, &str)],
        keep: impl Fn(&str) -> bool,
    ) -> Vec<Map<String, Value>> {
        let mut records = Vec::new();
        for at in range {
            let own = self.own(at);
            let Some(row) = self.rows.get(at).filter(|_| keep(&own)) else { continue };
            let mut row = row.clone();
            for (name, value) in more.iter().filter(|(name, _)| !name.is_empty()) {
                row.insert((*name).to_owned(), Value::String((*value).to_owned()));
            }
            records.push(row);
        }
        records
    }
}

/// What a row with an own key of ours is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// It is the city's row.
    Row,
    /// It takes back the row whose own key differs from its own in this alone.
    Tombstone,
}

/// Where the digit of a purpose stands in an own key's text, counted from 1 as SQL does; the digit
/// before it is the version of all own keys of ours.
pub(super) const PURPOSE_AT: usize = 16;
/// The version of our own keys (RFC 9562 §5.8: of the application's own making).
pub(super) const VERSION: char = '8';

impl Purpose {
    /// Its digit.
    pub(super) fn digit(self) -> char {
        match self {
            Self::Row => '0',
            Self::Tombstone => '1',
        }
    }
}

/// A row's own key: a UUID of version 8 from 78 bits of the batch's name and the row's place.
pub(super) fn own_key(batch: BatchId, at: u32) -> String {
    let [a, b, c, d, e, f, g, h, i, j, ..] = batch.0;
    let [k, l, m, n] = at.to_be_bytes();
    let row = u8::try_from(VERSION.to_digit(16).unwrap_or_default() << 4).unwrap_or_default();
    let bytes = [a, b, c, d, e, f, row, g, 0x80 | (h & 0x3f), i, j, 0, k, l, m, n];
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

/// The own key of the row that takes back the row with this own key.
pub(super) fn tombstone_of(own: &str) -> String {
    let change =
        |(at, letter)| if at + 1 == PURPOSE_AT { Purpose::Tombstone.digit() } else { letter };
    own.chars().enumerate().map(change).collect()
}

/// What an own key is for; `None` where it is none of ours.
pub(super) fn purpose(own: &str) -> Option<Purpose> {
    let digits = own.get(PURPOSE_AT - 2..PURPOSE_AT)?;
    [Purpose::Row, Purpose::Tombstone]
        .into_iter()
        .find(|purpose| own.len() == 36 && digits.chars().eq([VERSION, purpose.digit()]))
}

/// How the name of the batch begins from which a row came, in hexadecimal.
pub(super) fn origin(own: &str) -> Option<String> {
    purpose(own)?;
    let digits: String = own.chars().filter(|letter| *letter != '-').collect();
    // Six bytes, then the version, then the seventh.
    Some(format!("{}{}", digits.get(..12)?, digits.get(14..16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tables() -> TableSettings {
        TableSettings {
            own_key: "own".to_owned(),
            prefix: "front.".to_owned(),
            ..TableSettings::default()
        }
    }

    const BATCH: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn a_payload_becomes_rows_with_keys_of_their_own() {
        let text = r#"{"table":"t","key":"a,b","columns":{"area":"515100"},
            "rows":[{"own":"k1","a":"k1","n":7},{"own":"k2","a":null,"n":8}]}"#;
        let payload = Payload::of_bytes(text.as_bytes().to_vec());
        let load = Load::read(&payload, BATCH, &tables()).unwrap();
        assert_eq!((load.table.as_str(), load.len()), ("front.t", 2));
        assert_eq!(load.key, ["a", "b"]);
        assert_eq!(load.columns, ["area", "a", "n"]);
        assert_eq!(load.texts, ["k1", "k2"]);
        let own = own_key(BatchId::parse(BATCH).unwrap(), 1);
        let records = load.records(0..2, &[("status", "0"), ("", "x")], |it| it == own);
        assert_eq!(
            serde_json::to_value(&records).unwrap(),
            serde_json::json!([{"own": own, "a": null, "n": 8, "area": "515100", "status": "0"}])
        );
    }

    #[test]
    fn what_is_no_message_for_a_table_is_refused() {
        for text in ["", "[]", r#"{"table":"t","key":"a","rows":[{"a":"1"}]}"#, r#"{"rows":[]}"#] {
            // Rows without a place for their key, and messages without a table.
            let payload = Payload::of_bytes(text.as_bytes().to_vec());
            assert_eq!(Load::read(&payload, BATCH, &tables()), Err(Unreadable), "{text}");
        }
        let payload = Payload::of_bytes(br#"{"table":"t","key":"a","rows":[]}"#.to_vec());
        assert_eq!(Load::read(&payload, "not a batch", &tables()), Err(Unreadable));
    }

    proptest! {
        #[test]
        fn an_own_key_tells_where_it_came_from(batch in any::<[u8; 16]>(), at in any::<u32>()) {
            let own = own_key(BatchId(batch), at);
            prop_assert_eq!(own.len(), 36);
            prop_assert_eq!(purpose(&own), Some(Purpose::Row));
            prop_assert_eq!(purpose(&tombstone_of(&own)), Some(Purpose::Tombstone));
            let named = origin(&own).unwrap();
            prop_assert!(BatchId(batch).to_string().starts_with(&named) && named.len() == 14);
            prop_assert_eq!(origin(&tombstone_of(&own)), Some(named));
            prop_assert!(own == own_key(BatchId(batch), at) && own != own_key(BatchId(batch), !at));
        }

        #[test]
        fn other_peoples_keys_are_not_taken_for_ours(text in ".{0,40}") {
            if let Some(found) = purpose(&text) {
                prop_assert!(text.len() == 36 && matches!(found, Purpose::Row | Purpose::Tombstone));
            }
        }
    }
}
