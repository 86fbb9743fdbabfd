//! Whether a front database has the place that rows are to go to, for `doctor`: asked without
//! writing anything.

use super::ask::{Session, speaks_mysql};
use super::{Front, Stop, bounded, maria, statement};
use crate::sql::{self, mysql_text};

/// What a front table lacks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lack {
    /// The table itself.
    Table,
    /// These columns.
    Columns(Vec<String>),
    /// The account's right to write it.
    Right,
}

impl Front {
    /// What the table, named as the catalogue names it, lacks of these columns and of the standard's
    /// own; without a table whether the database answers.
    pub(in crate::province) async fn lacks(
        &self,
        asked: Option<(&str, &[String])>,
    ) -> Result<Option<Lack>, sql::Error> {
        let looked = bounded(self.timeout, async { Ok(self.looked(asked).await?) }).await;
        looked.map_err(|stop| match stop {
            Stop::Undone(error) => error,
            Stop::Open | Stop::Unreadable | Stop::Waits => {
                sql::Error::Session { reason: "closed".to_owned() }
            }
        })
    }

    async fn looked(&self, asked: Option<(&str, &[String])>) -> Result<Option<Lack>, sql::Error> {
        let mut session = Session::reader(&self.address.load()).await?;
        let Some((table, columns)) = asked else {
            session.run("SELECT 1").await?;
            return Ok(None);
        };
        let is_mysql = speaks_mysql(&self.settings.url);
        let name = format!("{}{table}", self.tables.prefix);
        let from = match is_mysql {
            true => maria::quoted_table(&name),
            false => statement::quoted_table(&name),
        };
        match session.run(&format!("SELECT 1 FROM {from} WHERE 1 = 0")).await {
            Ok(()) => {}
            Err(error) => return lack(&error).map(Some).ok_or(error),
        }
        let mut lacking = Vec::new();
        for column in self.own_columns().chain(columns.iter().map(String::as_str)) {
            let quoted = if is_mysql { maria::quoted(column) } else { statement::quoted(column) };
            // Qualified: some servers take an unknown quoted name for a text.
            let sql = format!("SELECT t.{quoted} FROM {from} t WHERE 1 = 0");
            match session.run(&sql).await {
                Ok(()) => {}
                Err(error) if is_column(&error) => lacking.push(column.to_owned()),
                Err(error) => return lack(&error).map(Some).ok_or(error),
            }
        }
        if !lacking.is_empty() {
            return Ok(Some(Lack::Columns(lacking)));
        }
        let may = may_write(&mut session, &name, &from).await?;
        Ok((!may).then_some(Lack::Right))
    }

    /// The columns that the standard puts beside the city's.
    fn own_columns(&self) -> impl Iterator<Item = &str> {
        let it = &self.tables;
        let all = [&it.own_key, &it.upper_key, &it.status, &it.reason, &it.validity];
        all.into_iter().chain([&it.invalid_reason]).map(String::as_str).filter(|it| !it.is_empty())
    }
}

fn lack(error: &sql::Error) -> Option<Lack> {
    let sql::Error::Server { code, .. } = error else { return None };
    match code.as_str() {
        "42P01" | "3F000" | "42S02" => Some(Lack::Table),
        "42501" => Some(Lack::Right),
        _ => None,
    }
}

fn is_column(error: &sql::Error) -> bool {
    let codes = ["42703", "42S22"];
    matches!(error, sql::Error::Server { code, .. } if codes.contains(&code.as_str()))
}

async fn may_write(session: &mut Session, name: &str, quoted: &str) -> Result<bool, sql::Error> {
    match session {
        Session::Postgres(it) => {
            let sql = "SELECT has_table_privilege($1::text, 'INSERT') AND \
                       has_table_privilege($1::text, 'UPDATE')";
            let rows = it.wire.drive(it.client.query(sql, &[&quoted])).await?;
            let may = rows.first().map(|row| row.try_get::<_, bool>(0)).transpose()?;
            Ok(may.unwrap_or_default())
        }
        Session::MySql(it) => {
            let (schema, table) = match name.split_once('.') {
                Some((schema, table)) => (mysql_text(schema), table),
                None => ("database()".to_owned(), name),
            };
            let of = format!("table_schema = {schema} AND table_name = {}", mysql_text(table));
            let may = |right: &str| {
                format!(
                    "(EXISTS(SELECT 1 FROM information_schema.user_privileges WHERE \
                     privilege_type = '{right}') OR EXISTS(SELECT 1 FROM \
                     information_schema.schema_privileges WHERE privilege_type = '{right}' AND \
                     {schema} LIKE table_schema) OR EXISTS(SELECT 1 FROM \
                     information_schema.table_privileges WHERE privilege_type = '{right}' AND {of}))"
                )
            };
            let sql = format!("SELECT CAST({} AND {} AS CHAR)", may("INSERT"), may("UPDATE"));
            let rows = it.rows(&sql).await?;
            Ok(rows
                .first()
                .and_then(|row| row.get_opt::<String, usize>(0)?.ok())
                .is_some_and(|it| it == "1"))
        }
    }
}
