//! What a server that speaks MySQL's protocol says of a table beside its rows.

use super::{bounded, connect, plan};
use crate::city::dataset::{Dataset, Origin};
use crate::city::examine::{TableSeen, indexes};
use crate::city::settings::MySqlSettings;
use crate::sql::{MySql, mysql_text};

/// Asks the catalogue of the server; `None` where it does not answer.
pub(in crate::city) async fn examine(it: &MySqlSettings, dataset: &Dataset) -> Option<TableSeen> {
    let mut session = connect(it, dataset).await.ok()?;
    let account = "SELECT current_user(), CAST(EXISTS(SELECT 1 FROM information_schema.user_privileges \
                   WHERE privilege_type = 'SUPER') AS CHAR), @@character_set_database";
    let told = rows(it, &mut session, account).await?.pop()?;
    let mut told = told.into_iter();
    let mut seen = TableSeen {
        account: told.next()?,
        is_administrator: told.next()? == "1",
        encoding: told.next()?,
        has_schema: true,
        ..TableSeen::default()
    };
    let Origin::Table(table) = &dataset.origin else { return Some(seen) };
    let (schema, name) = match table.split_once('.') {
        Some((schema, name)) => (mysql_text(schema), name),
        None => ("database()".to_owned(), table.as_str()),
    };
    let of = format!("table_schema = {schema} AND table_name = {}", mysql_text(name));
    let kind = format!("SELECT table_type FROM information_schema.tables WHERE {of}");
    let kind = rows(it, &mut session, &kind).await?.pop()?.pop()?;
    seen.is_table = kind == "BASE TABLE";
    let writes = "privilege_type IN ('INSERT', 'UPDATE', 'DELETE')";
    let may = format!(
        "SELECT CAST(EXISTS(SELECT 1 FROM information_schema.user_privileges WHERE {writes}) \
         OR EXISTS(SELECT 1 FROM information_schema.schema_privileges WHERE {writes} AND \
         table_schema = {schema}) OR EXISTS(SELECT 1 FROM information_schema.table_privileges \
         WHERE {writes} AND {of}) AS CHAR)"
    );
    seen.may_write = rows(it, &mut session, &may).await?.pop()?.pop()? == "1";
    let quoted: Vec<String> = table.split('.').map(plan::quoted).collect();
    let quoted = quoted.join(".");
    // By place: both answers have had the same columns since MySQL 5.0.
    let listed = rows(it, &mut session, &format!("SHOW INDEX FROM {quoted}")).await?;
    let is_whole = |row: &&Vec<String>| row.get(7).is_some_and(String::is_empty);
    let index =
        |row: &Vec<String>| Some((row.get(2)?.clone(), row.get(1)? == "0", row.get(4)?.clone()));
    seen.indexes = indexes(listed.iter().filter(is_whole).filter_map(index));
    let columns = rows(it, &mut session, &format!("SHOW COLUMNS FROM {quoted}")).await?;
    let nullable = columns.into_iter().filter(|row| row.get(2).is_some_and(|word| word == "YES"));
    seen.nullable = nullable.filter_map(|row| row.into_iter().next()).collect();
    Some(seen)
}

/// Rows as texts, a null as an empty one.
async fn rows(it: &MySqlSettings, session: &mut MySql, sql: &str) -> Option<Vec<Vec<String>>> {
    let answer = bounded(it, session.rows(sql)).await.ok()?;
    let texts = |row: mysql_async::Row| {
        let text = |at| row.get_opt::<String, usize>(at).and_then(Result::ok).unwrap_or_default();
        (0..row.len()).map(text).collect()
    };
    Some(answer.into_iter().map(texts).collect())
}
