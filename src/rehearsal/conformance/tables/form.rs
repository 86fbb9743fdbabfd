//! What the front database offers: every table with every column, under its name and of its type.

use std::collections::BTreeMap;

use super::rows::{is_text, kind, literal};
use super::{Case, Exam, code};

/// Column to its type as the database says it.
pub(super) type Columns = BTreeMap<String, String>;

/// Where the columns are asked for.
pub(super) const CATALOGUE: &str = "pg_attribute";
const THERE: (&str, &str) = ("存在", "is there");

impl Exam<'_> {
    /// The columns of a table; none where it is not there or may not be read.
    pub(super) async fn columns(&mut self, whole: &str) -> Result<Columns, String> {
        let (place, table) = match whole.split_once('.') {
            Some((schema, table)) => (format!("n.nspname = {}", literal(schema)), table),
            None => ("n.nspname = ANY(current_schemas(false))".to_owned(), whole),
        };
        let statement = format!(
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a \
             JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relname = {} AND {place} AND a.attnum > 0 AND NOT a.attisdropped",
            literal(table)
        );
        let rows = self.ask(&statement).await.map_err(|error| code(&error))?;
        let columns = rows.into_iter().filter_map(|row| {
            let mut cells = row.into_iter();
            let mut next = || cells.next().flatten();
            Some((next()?, next()?))
        });
        Ok(columns.collect())
    }

    /// A test of one column.
    pub(super) fn column_test(
        &mut self,
        of: &str,
        (column, basis): (&str, String),
        found: Option<&String>,
        fits: &dyn Fn(&str) -> Result<(), String>,
    ) {
        let title = (format!("列 {column}"), format!("the column {column}"));
        let case = Case::new(format!("column/{column}"), (&title.0, &title.1), basis, THERE);
        let fault = match found {
            None => Some("no such column, spelt like this".to_owned()),
            Some(kind) => fits(kind).err(),
        };
        let came = found.cloned().unwrap_or_default();
        self.note(of, case, (CATALOGUE, &came), fault);
    }

    /// A table is there, and so is every column.
    pub(super) async fn form(&mut self, at: usize) {
        let Some(table) = self.tables.get(at).cloned() else { return };
        let whole = format!("{}{}", self.rules.names.prefix, table.name);
        let found = self.columns(&whole).await;
        let case = Case::new("exists", ("前置表", "the table"), "[tables]", THERE);
        let fault = match &found {
            Ok(columns) if columns.is_empty() => Some("no such table".to_owned()),
            Ok(_) => None,
            Err(problem) => Some(problem.clone()),
        };
        self.note(&table.name, case, (CATALOGUE, ""), fault);
        let found = found.unwrap_or_default();
        let names = self.rules.names.clone();
        for (key, column) in [
            ("own_key", &names.own_key),
            ("upper_key", &names.upper_key),
            ("validity", &names.validity),
            ("invalid_reason", &names.invalid_reason),
            ("status", &names.status),
            ("reason", &names.reason),
        ] {
            if !column.is_empty() {
                let basis = format!("standard.toml [tables] {key}");
                self.column_test(&table.name, (column, basis), found.get(column), &|_| Ok(()));
            }
        }
        for column in &self.rules.columns {
            let of = (column.name.as_str(), column.basis.clone());
            self.column_test(&table.name, of, found.get(&column.name), &|said| {
                let (of, length) = kind(said);
                let least = column.length.1.unwrap_or(column.length.0);
                match length {
                    Some(most) if is_text(&of) && most < least => {
                        Err(format!("holds {most} characters, {least} are needed"))
                    }
                    _ => Ok(()),
                }
            });
        }
        for (column, written) in &table.columns {
            let of = (column.as_str(), "the announced tables".to_owned());
            self.column_test(&table.name, of, found.get(column), &|said| {
                let (want, have) = (kind(written), kind(said));
                let narrow = want.1.zip(have.1).is_some_and(|(want, have)| have != want);
                let same = want.0 == have.0 && !(narrow && is_text(&want.0));
                if same { Ok(()) } else { Err(format!("is {said}, announced as {written}")) }
            });
        }
    }
}
