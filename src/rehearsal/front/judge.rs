//! What the province does with the rows of a table: in the order in which they came, each once.
//!
//! A row that is invalid takes back the valid ones with its key. A valid one must have what the
//! standard and the table demand, must not stand beside another with its key, and its parent must
//! stand, if it names one. A transaction with more valid rows than the standard's limit fails as a
//! whole, where the database tells which rows came in one (PostgreSQL).

use super::directory::Rules;
use super::tongue::{Session, Tongue};
use super::{Office, Table};
use crate::sql::{Error, Postgres};

/// Rows judged in one statement.
const PAGE: usize = 500;

/// A name as it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What is wrong with a row; nothing of its content.
type Finding = Option<String>;

pub(super) struct Judge<'a> {
    pub(super) rules: &'a Rules,
    pub(super) office: &'a Office,
}

struct Seen {
    number: i64,
    /// `None` is neither of the standard's two words.
    valid: Option<bool>,
    cells: Vec<(String, Option<String>)>,
}

impl Judge<'_> {
    /// Judges what nobody has judged; how many rows that were.
    pub(super) async fn judge(&self, session: &mut Session, table: &Table) -> Result<u64, Error> {
        let names = &self.rules.names;
        let (columns, tongue) = (self.columns(table), self.tongue());
        let texts: Vec<String> = columns.iter().map(|name| tongue.text(name)).collect();
        let statement = format!(
            "SELECT {number}, {validity}, {texts} FROM {table} WHERE {status} = {new} \
             ORDER BY {number} LIMIT {PAGE}",
            number = tongue.quoted(&names.upper_key),
            validity = tongue.text(&names.validity),
            texts = texts.join(", "),
            table = self.office.quoted_table(&table.name),
            status = tongue.text(&names.status),
            new = tongue.literal(&names.new),
        );
        let mut judged = 0;
        loop {
            // What is too much and what is judged are seen at the same moment.
            for begin in tongue.begin().into_iter().filter(|it| !it.is_empty()) {
                session.run(begin).await?;
            }
            judged += self.too_many(session, table).await?;
            let rows = session.rows(&statement).await?;
            for row in &rows {
                let seen = self.seen(row, &columns)?;
                let finding = match seen.valid {
                    Some(true) => self.finding(session, table, &seen).await?,
                    Some(false) => {
                        self.take_back(session, table, &seen).await?;
                        None
                    }
                    None => Some(format!("{}: is in no list", names.validity)),
                };
                self.say(session, table, seen.number, finding.as_deref()).await?;
                judged += 1;
            }
            session.run("COMMIT").await?;
            if rows.is_empty() {
                return Ok(judged);
            }
        }
    }

    fn tongue(&self) -> Tongue {
        self.office.tongue
    }

    /// Fails what came in transactions beyond the standard's limit; how many rows that were.
    async fn too_many(&self, session: &mut Session, table: &Table) -> Result<u64, Error> {
        let tongue = self.tongue();
        let Some(limit) = self.rules.rows.filter(|_| tongue == Tongue::Postgres) else {
            return Ok(0);
        };
        let names = &self.rules.names;
        let statement = format!(
            "UPDATE {table} SET {status} = {failed}, {reason} = {why} WHERE {waits} AND xmin::text IN \
             (SELECT xmin::text FROM {table} WHERE {waits} GROUP BY 1 HAVING count(*) > {limit})",
            table = self.office.quoted_table(&table.name),
            status = tongue.quoted(&names.status),
            failed = tongue.literal(names.failed()),
            reason = tongue.quoted(&names.reason),
            why = tongue.literal(&format!("超出单批上限：最多 {limit} 行")),
            waits = format_args!(
                "{} = {} AND {} = {}",
                tongue.text(&names.status),
                tongue.literal(&names.new),
                tongue.text(&names.validity),
                tongue.literal(&names.valid)
            ),
        );
        session.changed(&statement).await
    }

    fn columns<'a>(&'a self, table: &'a Table) -> Vec<&'a str> {
        let own = table.columns.iter().map(|(name, _)| name.as_str());
        own.chain(self.rules.columns.iter().map(|column| column.name.as_str())).collect()
    }

    fn seen(&self, row: &[Option<String>], columns: &[&str]) -> Result<Seen, Error> {
        let text = |at: usize| row.get(at).cloned().flatten();
        let cells = columns.iter().enumerate();
        let cells = cells.map(|(at, name)| ((*name).to_owned(), text(at + 2))).collect();
        let names = &self.rules.names;
        let valid = match text(1).as_deref() {
            Some(word) if word == names.valid => Some(true),
            Some(word) if word == names.invalid => Some(false),
            _ => None,
        };
        let number = text(0).and_then(|number| number.parse().ok());
        let number = number
            .ok_or_else(|| Error::Session { reason: "a row without its number".to_owned() })?;
        Ok(Seen { number, valid, cells })
    }

    async fn finding(
        &self,
        session: &mut Session,
        table: &Table,
        row: &Seen,
    ) -> Result<Finding, Error> {
        if let Some(finding) = self.of_form(table, row) {
            return Ok(Some(finding));
        }
        let key = row.key(&table.key);
        if let Some(reason) = self.office.rules_of(&table.name).reason(&key, &row.cells) {
            return Ok(Some(reason));
        }
        let (names, tongue) = (&self.rules.names, self.tongue());
        let stands = format!(
            "{} = {} AND {} = {}",
            tongue.text(&names.validity),
            tongue.literal(&names.valid),
            tongue.text(&names.status),
            tongue.literal(names.passed())
        );
        let beside = format!(
            "SELECT count(*) FROM {} WHERE {} AND {stands} AND {} < {}",
            self.office.quoted_table(&table.name),
            self.same(&table.key, &table.key, row),
            tongue.quoted(&names.upper_key),
            row.number,
        );
        if session.number(&beside).await? > 0 {
            return Ok(Some("违反唯一约束：同键有效数据已存在".to_owned()));
        }
        let Some(parent) = &table.parent else { return Ok(None) };
        if parent.columns.iter().any(|name| row.text(name).is_none()) {
            return Ok(None);
        }
        let above = format!(
            "SELECT count(*) FROM {} WHERE {} AND {stands}",
            self.office.quoted_table(&parent.table),
            self.same(&parent.key, &parent.columns, row),
        );
        let stands = session.number(&above).await? > 0;
        Ok((!stands).then(|| "对应父表数据校验失败".to_owned()))
    }

    /// By the standard's own tables, then by the table's: required, length, codes.
    fn of_form(&self, table: &Table, row: &Seen) -> Finding {
        let of_standard = self.rules.columns.iter().find_map(|column| {
            let codes = column.codes.as_deref().unwrap_or_default();
            demand(row, (&column.name, column.required), column.length, codes)
        });
        of_standard.or_else(|| {
            let mut rules = table.rules.iter();
            rules.find_map(|it| demand(row, (&it.name, it.required), (0, None), &it.codes))
        })
    }

    async fn take_back(
        &self,
        session: &mut Session,
        table: &Table,
        row: &Seen,
    ) -> Result<(), Error> {
        let (names, tongue) = (&self.rules.names, self.tongue());
        let statement = format!(
            "UPDATE {} SET {} = {} WHERE {} AND {} = {} AND {} < {}",
            self.office.quoted_table(&table.name),
            tongue.quoted(&names.validity),
            tongue.literal(&names.invalid),
            self.same(&table.key, &table.key, row),
            tongue.text(&names.validity),
            tongue.literal(&names.valid),
            tongue.quoted(&names.upper_key),
            row.number,
        );
        session.run(&statement).await
    }

    async fn say(
        &self,
        session: &mut Session,
        table: &Table,
        number: i64,
        finding: Option<&str>,
    ) -> Result<(), Error> {
        let (names, tongue) = (&self.rules.names, self.tongue());
        let status = if finding.is_some() { names.failed() } else { names.passed() };
        let statement = format!(
            "UPDATE {} SET {} = {}, {} = {} WHERE {} = {number}",
            self.office.quoted_table(&table.name),
            tongue.quoted(&names.status),
            tongue.literal(status),
            tongue.quoted(&names.reason),
            finding.map_or("NULL".to_owned(), |text| tongue.literal(text)),
            tongue.quoted(&names.upper_key),
        );
        session.run(&statement).await
    }

    /// The columns `left` of a table have what the columns `right` of the row have.
    fn same(&self, left: &[String], right: &[String], row: &Seen) -> String {
        let tongue = self.tongue();
        let pairs = left.iter().zip(right).map(|(left, right)| match (row.text(right), tongue) {
            (Some(text), Tongue::Postgres) => {
                format!("{} = {}", tongue.quoted(left), tongue.literal(text))
            }
            (Some(text), Tongue::MySql) => {
                format!("{} = {}", tongue.text(left), tongue.literal(text))
            }
            (None, _) => format!("{} IS NULL", tongue.quoted(left)),
        });
        pairs.collect::<Vec<_>>().join(" AND ")
    }
}

/// What a column's demands find in a row.
fn demand(
    row: &Seen,
    (name, required): (&str, bool),
    (least, most): (usize, Option<usize>),
    codes: &[String],
) -> Finding {
    let Some(text) = row.text(name).filter(|text| !text.is_empty()) else {
        return required.then(|| format!("{name}: is required"));
    };
    let count = text.chars().count();
    if count < least || most.is_some_and(|most| count > most) {
        return Some(format!("{name}: has another length"));
    }
    let listed = codes.is_empty() || codes.iter().any(|code| code == text);
    (!listed).then(|| format!("{name}: is in no list"))
}

impl Seen {
    fn text(&self, column: &str) -> Option<&str> {
        self.cells.iter().find(|(name, _)| name == column)?.1.as_deref()
    }

    /// The key's texts, as the city's keys are written: joined with a vertical bar.
    fn key(&self, columns: &[String]) -> String {
        let texts: Vec<&str> =
            columns.iter().map(|name| self.text(name).unwrap_or_default()).collect();
        texts.join("|")
    }
}

pub(super) async fn run(session: &mut Postgres, statement: &str) -> Result<(), Error> {
    session.wire.drive(session.client.batch_execute(statement)).await
}
