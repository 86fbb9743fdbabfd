//! Made-up rows, how they are written, and what is read back of them.

use std::collections::BTreeMap;

use super::{Case, Exam, code, is_of};
use crate::rehearsal::front::Table;
use crate::sql;

/// A row as the kit writes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) own: String,
    pub(super) validity: String,
    pub(super) status: String,
    /// Why it is invalid.
    pub(super) why: Option<String>,
    pub(super) cells: BTreeMap<String, Option<String>>,
}

/// What stands above of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) given: Option<String>,
    pub(super) validity: Option<String>,
    pub(super) status: Option<String>,
    pub(super) reason: Option<String>,
}

/// What should become of rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hope {
    /// Written and passed.
    Stands,
    /// Written, judged and failed, with a reason.
    Fails,
    /// Not written, or failed: a type that is too narrow may say it first.
    NotTaken,
    /// Not written, with a SQLSTATE of this class.
    Refused(&'static str),
}

impl Hope {
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Stands => ("写入并校验通过", "written and passed"),
            Self::Fails => ("写入后校验不通过，且有原因", "written and failed, with a reason"),
            Self::NotTaken => ("拒绝写入，或校验不通过", "not written, or failed"),
            Self::Refused(_) => ("拒绝写入", "refused by the database"),
        }
    }
}

/// A name as it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL reads it.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn of(text: Option<&String>) -> String {
    text.map_or_else(|| "NULL".to_owned(), |text| literal(text))
}

/// A type's family and its length.
pub(super) fn kind(written: &str) -> (String, Option<usize>) {
    let lower = written.trim().to_ascii_lowercase();
    let (name, rest) = lower.split_once('(').unwrap_or((&lower, ""));
    let length = rest.split([',', ')']).next().and_then(|text| text.trim().parse().ok());
    let name = match name.trim() {
        "varchar" | "character varying" => "character varying",
        "char" | "character" | "bpchar" => "character",
        "decimal" | "numeric" => "numeric",
        "int" | "int4" | "integer" => "integer",
        "int8" | "bigint" => "bigint",
        "bool" | "boolean" => "boolean",
        "timestamp" | "timestamp without time zone" => "timestamp without time zone",
        "timestamptz" | "timestamp with time zone" => "timestamp with time zone",
        other => other,
    };
    (name.to_owned(), length)
}

pub(super) fn is_text(kind: &str) -> bool {
    matches!(kind, "character varying" | "character" | "text" | "clob")
}

impl Exam<'_> {
    /// A table's name with the standard's prefix.
    pub(super) fn table_name(&self, table: &Table) -> String {
        let whole = format!("{}{}", self.rules.names.prefix, table.name);
        match whole.split_once('.') {
            Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
            None => quoted(&whole),
        }
    }

    /// What all own keys of this run begin with.
    fn mark(&self) -> String {
        format!("{:08x}-0000-4000-8000-", self.seed & 0xffff_ffff)
    }

    /// A condition: the row was written by this run.
    pub(super) fn is_ours(&self) -> String {
        format!(
            "{}::text LIKE {}",
            quoted(&self.rules.names.own_key),
            literal(&format!("{}%", self.mark()))
        )
    }

    /// An own key that was not used yet.
    pub(super) fn own(&mut self) -> String {
        self.count += 1;
        format!("{}{:012x}", self.mark(), self.count)
    }

    /// A new row that should stand; that of a child belongs to a parent that stands.
    pub(super) fn fresh(&mut self, at: usize) -> Row {
        let own = self.own();
        let token = format!("CT{:06x}{:05}", self.seed & 0xff_ffff, self.count);
        let mut cells = BTreeMap::new();
        for column in &self.rules.columns {
            let value = match (self.given.get(&column.word), &column.codes) {
                (Some(given), _) => given.clone(),
                (None, Some(codes)) => codes.first().cloned().unwrap_or_default(),
                (None, None) if column.word.ends_with(".region") => "110000".to_owned(),
                (None, None) => "1".repeat(column.length.0.max(1)),
            };
            cells.insert(column.name.clone(), Some(value));
        }
        let Some(table) = self.tables.get(at) else { return Row::default() };
        for (name, written) in &table.columns {
            let codes = table.rule(name).map(|rule| rule.codes.as_slice()).unwrap_or_default();
            let value = match codes.first() {
                Some(code) => code.clone(),
                None => self.made_up(written, table.key.contains(name), &token),
            };
            cells.insert(name.clone(), Some(value));
        }
        if let Some(parent) = &table.parent {
            let above = self.tables.iter().position(|known| known.name == parent.table);
            let above = above.and_then(|above| self.standing.get(&above));
            for (ours, theirs) in parent.columns.iter().zip(&parent.key) {
                if let Some(value) = above.and_then(|row| row.cells.get(theirs)) {
                    cells.insert(ours.clone(), value.clone());
                }
            }
        }
        let names = &self.rules.names;
        let (validity, status) = (names.valid.clone(), names.new.clone());
        Row { own, validity, status, why: None, cells }
    }

    fn made_up(&self, written: &str, is_key: bool, token: &str) -> String {
        let (kind, length) = kind(written);
        let cut = |text: &str| -> String {
            let count = text.chars().count();
            let most = length.unwrap_or(count);
            // The end of a token is what tells it from the others.
            text.chars().skip(count.saturating_sub(most)).collect()
        };
        match kind.as_str() {
            "date" => "2026-01-15".to_owned(),
            name if name.starts_with("timestamp") => "2026-01-15 08:30:00".to_owned(),
            "boolean" => "true".to_owned(),
            name if !is_text(name) => {
                if is_key {
                    self.count.to_string()
                } else {
                    "1".to_owned()
                }
            }
            _ if is_key => cut(token),
            _ => cut("一致性测试"),
        }
    }

    /// The same object once more, under another own key.
    pub(super) fn again(&mut self, row: &Row) -> Row {
        Row { own: self.own(), ..row.clone() }
    }

    /// What takes a row back.
    pub(super) fn tombstone(&mut self, row: &Row) -> Row {
        let validity = self.rules.names.invalid.clone();
        let why = Some("一致性测试：作废".to_owned());
        Row { own: self.own(), validity, why, ..row.clone() }
    }

    /// The statement that writes rows.
    pub(super) fn insert(&self, at: usize, rows: &[Row]) -> String {
        let names = &self.rules.names;
        let Some((table, first)) = self.tables.get(at).zip(rows.first()) else {
            return String::new();
        };
        let mut columns = vec![&names.own_key, &names.validity, &names.status];
        let has_why = !names.invalid_reason.is_empty();
        if has_why {
            columns.push(&names.invalid_reason);
        }
        columns.extend(first.cells.keys());
        let columns: Vec<String> = columns.into_iter().map(|name| quoted(name)).collect();
        let values = rows.iter().map(|row| {
            let mut values = vec![literal(&row.own), literal(&row.validity), literal(&row.status)];
            if has_why {
                values.push(of(row.why.as_ref()));
            }
            values.extend(row.cells.values().map(|cell| of(cell.as_ref())));
            format!("({})", values.join(", "))
        });
        let values: Vec<String> = values.collect();
        let table = self.table_name(table);
        format!("INSERT INTO {table} ({}) VALUES {}", columns.join(", "), values.join(", "))
    }

    /// Writes rows in one transaction.
    pub(super) async fn write(
        &mut self,
        at: usize,
        rows: &[Row],
    ) -> (String, Result<(), sql::Error>) {
        let sent = format!("BEGIN; {}; COMMIT", self.insert(at, rows));
        let said = self.say(&sent).await;
        if said.is_ok() {
            let valid = rows.iter().filter(|row| row.validity == self.rules.names.valid);
            self.written.extend(valid.map(|row| (at, row.clone())));
        }
        (sent, said)
    }

    /// What stands of a row, by its own key.
    pub(super) async fn read(&mut self, at: usize, own: &str) -> Result<Option<Standing>, String> {
        let Some(table) = self.tables.get(at) else { return Ok(None) };
        let names = &self.rules.names;
        let text = |name: &str| match name {
            "" => "NULL::text".to_owned(),
            name => format!("{}::text", quoted(name)),
        };
        let statement = format!(
            "SELECT {}, {}, {}, {} FROM {} WHERE {} = {}",
            text(&names.upper_key),
            text(&names.validity),
            text(&names.status),
            text(&names.reason),
            self.table_name(table),
            text(&names.own_key),
            literal(own),
        );
        let found = self.ask(&statement).await.map_err(|error| code(&error))?;
        Ok(found.into_iter().next().map(|row| {
            let mut cells = row.into_iter();
            let mut next = || cells.next().flatten();
            Standing { given: next(), validity: next(), status: next(), reason: next() }
        }))
    }

    /// Whether a row is there, valid and passed.
    pub(super) async fn stands(&mut self, at: usize, own: &str) -> Result<bool, String> {
        let names = &self.rules.names;
        let is_one = |codes: &[String], said: &Option<String>| {
            said.as_ref().is_some_and(|said| codes.contains(said))
        };
        let valid = std::slice::from_ref(&names.valid);
        Ok(self.read(at, own).await?.is_some_and(|found| {
            is_one(&names.passed, &found.status) && is_one(valid, &found.validity)
        }))
    }

    /// Writes rows as a test: what becomes of the last of them is what was hoped.
    pub(super) async fn test(&mut self, at: usize, case: Case, rows: &[Row], hope: Hope) -> bool {
        let name = self.tables.get(at).map(|table| table.name.clone()).unwrap_or_default();
        let (sent, said) = self.write(at, rows).await;
        let (came, fault) = self.became(at, rows, said, hope).await;
        let passed = fault.is_none();
        self.note(&name, case, (&sent, &came), fault);
        passed
    }

    async fn became(
        &mut self,
        at: usize,
        rows: &[Row],
        said: Result<(), sql::Error>,
        hope: Hope,
    ) -> (String, Option<String>) {
        let refused = |class: &str| said.as_ref().is_err_and(|error| is_of(error, &[class]));
        match (&said, hope) {
            (Err(error), Hope::Refused(class)) if refused(class) => return (code(error), None),
            (Err(error), Hope::NotTaken) if refused("22") || refused("23") => {
                return (code(error), None);
            }
            (Err(error), _) => {
                let came = code(error);
                return (came.clone(), Some(format!("not written: {came}")));
            }
            (Ok(()), Hope::Refused(_)) => {
                return ("written".to_owned(), Some("it was written".to_owned()));
            }
            (Ok(()), Hope::Stands | Hope::Fails | Hope::NotTaken) => {}
        }
        if let Err(problem) = self.judged(at).await {
            return (String::new(), Some(problem));
        }
        let Some(last) = rows.last() else { return (String::new(), None) };
        let found = match self.read(at, &last.own).await {
            Ok(Some(found)) => found,
            Ok(None) => return (String::new(), Some("the row is not there".to_owned())),
            Err(problem) => return (String::new(), Some(problem)),
        };
        let names = &self.rules.names;
        let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "NULL".to_owned());
        let (status, reason) = (said(&found.status), said(&found.reason));
        let came = format!("{} = {status}, {} = {reason}", names.status, names.reason);
        let fault = match hope {
            Hope::Stands => {
                (!names.passed.contains(&status)).then(|| format!("its status is {status}"))
            }
            Hope::Fails | Hope::NotTaken => {
                if !names.failed.contains(&status) {
                    Some(format!("its status is {status}"))
                } else if found.reason.as_deref().unwrap_or_default().trim().is_empty() {
                    Some("it failed without a reason".to_owned())
                } else {
                    None
                }
            }
            Hope::Refused(_) => None,
        };
        (came, fault)
    }
}
