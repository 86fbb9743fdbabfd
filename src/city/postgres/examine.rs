//! What a server that speaks PostgreSQL's protocol says of a table beside its rows.

use tokio_postgres::SimpleQueryMessage;

use super::connect;
use crate::city::dataset::{Dataset, Origin};
use crate::city::examine::{TableSeen, indexes};
use crate::city::settings::PostgresSettings;
use crate::sql::Postgres;

/// Asks the catalogue of the server; `None` where it does not answer.
pub(in crate::city) async fn examine(
    it: &PostgresSettings,
    dataset: &Dataset,
) -> Option<TableSeen> {
    let mut session = connect(it, dataset).await.ok()?;
    let account = "SELECT current_user, r.rolsuper::text, current_setting('server_encoding') \
                   FROM pg_roles r WHERE r.rolname = current_user";
    let told = rows(&mut session, account).await?.pop()?;
    let mut told = told.into_iter().flatten();
    let mut seen = TableSeen {
        account: told.next()?,
        is_administrator: told.next()?.starts_with('t'),
        encoding: told.next()?,
        has_schema: true,
        ..TableSeen::default()
    };
    let Origin::Table(table) = &dataset.origin else { return Some(seen) };
    if let Some((schema, _)) = table.split_once('.') {
        let sql = format!("SELECT 1 FROM pg_namespace WHERE nspname = {}", literal(schema));
        seen.has_schema = !rows(&mut session, &sql).await?.is_empty();
    }
    let quoted: Vec<String> =
        table.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    let table = literal(&quoted.join("."));
    let own = format!(
        "SELECT c.relkind::text, (has_table_privilege(c.oid, 'INSERT') OR \
         has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE'))::text \
         FROM pg_class c WHERE c.oid = to_regclass({table})"
    );
    // Where there is no such table, there is no more to see.
    let Some(own) = rows(&mut session, &own).await?.pop() else { return Some(seen) };
    let mut own = own.into_iter().flatten();
    seen.is_table = own.next().is_some_and(|kind| ["r", "p"].contains(&kind.as_str()));
    seen.may_write = own.next().is_some_and(|word| word.starts_with('t'));
    let listed = format!(
        "SELECT i.indexrelid::text, i.indisunique::text, a.attname \
         FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
         CROSS JOIN generate_series(0, 31) AS place(at) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place.at] \
         WHERE i.indrelid = to_regclass({table}) AND i.indpred IS NULL AND i.indexprs IS NULL \
         AND i.indisvalid ORDER BY 1, place.at"
    );
    let listed = rows(&mut session, &listed).await?.into_iter().filter_map(|row| {
        let mut cells = row.into_iter().flatten();
        Some((cells.next()?, cells.next()?.starts_with('t'), cells.next()?))
    });
    seen.indexes = indexes(listed);
    let nullable = format!(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass({table}) \
         AND attnum > 0 AND NOT attisdropped AND NOT attnotnull"
    );
    let nullable = rows(&mut session, &nullable).await?;
    seen.nullable = nullable.into_iter().flatten().flatten().collect();
    Some(seen)
}

/// A text of SQL; strings are the standard's in our sessions.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn rows(session: &mut Postgres, sql: &str) -> Option<Vec<Vec<Option<String>>>> {
    let answer = session.wire.drive(session.client.simple_query(sql)).await.ok()?;
    let cells = |message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
    };
    Some(answer.into_iter().filter_map(cells).collect())
}
