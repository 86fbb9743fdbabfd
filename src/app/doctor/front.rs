//! Front-end tables: whether each table that rows are to go to is there, with its columns and the
//! right to write it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::code::Code;
use super::finding::Found;
use crate::clock::Clock;
use crate::config::{Channel, Configuration};
use crate::province::{Lack, Way};

/// Longest look at one table.
const LOOK: Duration = Duration::from_secs(30);

/// Looks at the tables of every channel of tables that can be spoken to; `tables` are those of the
/// datasets, as the catalogue names them.
pub(super) async fn examine(
    configuration: &Configuration,
    tables: &BTreeMap<String, String>,
    clock: &Clock,
) -> Vec<Found> {
    let of_tables = |it: &&Channel| it.standard.settings().tables.is_some();
    let channels: Vec<&Channel> = configuration.channels.iter().filter(of_tables).collect();
    let mut found = Vec::new();
    for channel in channels {
        let settings = channel.settings.province.clone();
        let made = Way::new(settings, Arc::clone(&channel.standard), clock.clone());
        // One that cannot be made is told with the channel.
        let Ok(way) = made else { continue };
        for it in &configuration.datasets {
            let dataset = &it.dataset;
            let table =
                tables.get(&dataset.id).filter(|_| channel.settings.carries_rows_of(&dataset.id));
            let Some(table) = table else { continue };
            let by_code = channel
                .standard
                .settings()
                .rows
                .as_ref()
                .is_some_and(|it| it.upsert.column == "item.code");
            let columns: Vec<String> = match by_code {
                true => dataset.fields.iter().map(|field| field.item.clone()).collect(),
                // Named by ids of the catalogue: the standard's own columns alone are looked for.
                false => Vec::new(),
            };
            let looked = tokio::time::timeout(LOOK, way.lacks(Some((table, &columns)))).await;
            match looked {
                Ok(Ok(lack)) => found.push(told(&channel.settings.id, table, lack.as_ref())),
                // A database that cannot be asked is told with the channel.
                Ok(Err(_)) | Err(_) => break,
            }
        }
    }
    found
}

fn told(channel: &str, table: &str, lack: Option<&Lack>) -> Found {
    let places =
        [format!("channel {channel}, table {table}"), format!("通道 {channel}，表 {table}")];
    let [place, place_zh] = &places;
    let of = |code, seen: &str| Found::of(code, [place, place_zh], [seen, seen]);
    match lack {
        None => Found::good([format!("{place}: can be written"), format!("{place_zh}：可写")]),
        Some(Lack::Table) => of(Code::FrontTable, ""),
        Some(Lack::Columns(columns)) => of(Code::FrontColumn, &columns.join(", ")),
        Some(Lack::Right) => of(Code::FrontRight, ""),
    }
}
