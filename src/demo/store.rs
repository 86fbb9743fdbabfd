//! Where the rows are put: tables of `city.sqlite`, and CSV files as programs of three ages write
//! them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::Defect;
use super::department::{Plan, Store};
use super::error::Error;
use super::rows::{Rows, Value};
use super::template::Type;
use crate::row::{Page, key_text};

/// Bytes that are characters neither in UTF-8 nor in GB18030, and that a spreadsheet's cut
/// through the middle of a character leaves behind.
const BROKEN: &[u8] = b"\xff\xfe";

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            // Text, and not a blob: nothing but its bytes is wrong.
            Self::Undecodable(_) => ToSqlOutput::Borrowed(ValueRef::Text(BROKEN)),
        })
    }
}

/// Writes a dataset's rows into the open transaction and notes its defects.
pub(super) fn write_table(
    connection: &Connection,
    plan: &Plan,
    seed: u64,
    now: DateTime,
    defects: &mut Vec<Defect>,
) -> rusqlite::Result<()> {
    let columns = plan.template.columns;
    let declared: Vec<String> = columns
        .iter()
        .map(|column| {
            // Decimals are text: a real number would not keep their scale.
            let kind = if column.kind() == Type::Integer { "INTEGER" } else { "TEXT" };
            format!("{} {kind}", column.name)
        })
        .collect();
    let table = &plan.table;
    connection.execute_batch(&format!("CREATE TABLE {table} ({});", declared.join(", ")))?;
    let slots = vec!["?"; columns.len()].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO {table} VALUES ({slots})"))?;
    let mut rows = Rows::new(plan, seed, now);
    while let Some((row, flaw)) = rows.next() {
        insert.execute(params_from_iter(row))?;
        defects.extend(flaw.map(|flaw| defect(plan, row, flaw.rule())));
    }
    let keys = plan.template.key.join(", ");
    connection.execute_batch(&format!("CREATE INDEX {table}_key ON {table} ({keys});"))?;
    if let Some(changed) = plan.template.changed() {
        connection.execute_batch(&format!(
            "CREATE INDEX {table}_changed ON {table} ({changed}, {keys});"
        ))?;
    }
    Ok(())
}

/// Writes a dataset's rows into two files and notes its defects.
pub(super) fn write_files(
    folder: &Path,
    plan: &Plan,
    seed: u64,
    now: DateTime,
    defects: &mut Vec<Defect>,
) -> Result<(), Error> {
    let folder = folder.join(&plan.id);
    fs::create_dir_all(&folder).map_err(write_failed(&folder))?;
    let mut rows = Rows::new(plan, seed, now);
    let first = plan.rows.div_ceil(2);
    for (number, take) in [(1, first), (2, plan.rows - first)] {
        let path = folder.join(format!("{}-{number}.csv", plan.table));
        let file = File::create(&path).map_err(write_failed(&path))?;
        write_file(BufWriter::new(file), plan, &mut rows, take, defects)
            .map_err(write_failed(&path))?;
    }
    Ok(())
}

fn write_file(
    mut file: BufWriter<File>,
    plan: &Plan,
    rows: &mut Rows<'_>,
    take: usize,
    defects: &mut Vec<Defect>,
) -> std::io::Result<()> {
    if plan.store == Store::CsvWithMark {
        file.write_all(b"\xef\xbb\xbf")?;
    }
    let mut line = Vec::new();
    for column in plan.template.columns {
        separate(&mut line);
        append(&mut line, column.name, plan.store);
    }
    line.extend_from_slice(b"\r\n");
    file.write_all(&line)?;
    for _ in 0..take {
        let Some((row, flaw)) = rows.next() else { break };
        line.clear();
        for (place, value) in row.iter().enumerate() {
            if place > 0 {
                line.push(b',');
            }
            match value {
                Value::Null => {}
                Value::Text(text) => append(&mut line, text, plan.store),
                Value::Integer(number) => append(&mut line, &number.to_string(), plan.store),
                Value::Undecodable(_) => line.extend_from_slice(BROKEN),
            }
        }
        line.extend_from_slice(b"\r\n");
        file.write_all(&line)?;
        defects.extend(flaw.map(|flaw| defect(plan, row, flaw.rule())));
    }
    file.flush()
}

fn separate(line: &mut Vec<u8>) {
    if !line.is_empty() {
        line.push(b',');
    }
}

fn append(line: &mut Vec<u8>, text: &str, store: Store) {
    let quoted = text.contains(['"', ',', '\n', '\r', '\u{b}']);
    let text = if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() };
    match store {
        Store::CsvInGb18030 => line.extend_from_slice(&encoding_rs::GB18030.encode(&text).0),
        Store::Table | Store::Csv | Store::CsvWithMark => line.extend_from_slice(text.as_bytes()),
    }
}

fn defect(plan: &Plan, row: &[Value], rule: &'static str) -> Defect {
    let mut page = Page::new(plan.template.columns.len());
    for value in row {
        match value {
            Value::Null | Value::Undecodable(_) => page.push_null(),
            Value::Text(text) => page.push(text),
            Value::Integer(number) => page.push(&number.to_string()),
        }
    }
    let mut key = String::new();
    if page.end_row().is_ok()
        && let Some(row) = page.row(0)
    {
        let columns = plan.template.columns;
        let places: Vec<usize> = plan
            .template
            .key
            .iter()
            .filter_map(|name| columns.iter().position(|column| column.name == *name))
            .collect();
        key_text(row, &places, &mut key);
    }
    Defect { dataset: plan.id.clone(), key, rule }
}

pub(super) fn write_failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::Write { path: path.clone(), source }
}
