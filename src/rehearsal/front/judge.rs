//! What the province does with the rows of a table: in the order in which they came, each once.
//!
//! A row that is invalid takes back the valid ones with its key. A valid one must have what the
//! standard and the table demand, must not stand beside another with its key, and its parent must
//! stand, if it names one. A transaction with more valid rows than the standard's limit fails as a
//! whole.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::directory::Rules;
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
    pub(super) async fn judge(&self, session: &mut Postgres, table: &Table) -> Result<u64, Error> {
        let names = &self.rules.names;
        let columns: Vec<&str> = self.columns(table);
        let texts: Vec<String> =
            columns.iter().map(|name| format!("{}::text", quoted(name))).collect();
        let statement = format!(
            "SELECT {number}, {validity}::text, {texts} FROM {table} WHERE {status}::text = $1 \
             ORDER BY {number} LIMIT {PAGE}",
            number = quoted(&names.upper_key),
            validity = quoted(&names.validity),
            texts = texts.join(", "),
            table = self.office.quoted_table(&table.name),
            status = quoted(&names.status),
        );
        let mut judged = 0;
        loop {
            // What is too much and what is judged are seen at the same moment.
            run(session, "BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
            judged += self.too_many(session, table).await?;
            let rows = session.wire.drive(session.client.query(&statement, &[&names.new])).await?;
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
            run(session, "COMMIT").await?;
            if rows.is_empty() {
                return Ok(judged);
            }
        }
    }

    /// Fails what came in transactions beyond the standard's limit; how many rows that were.
    async fn too_many(&self, session: &mut Postgres, table: &Table) -> Result<u64, Error> {
        let Some(limit) = self.rules.rows else { return Ok(0) };
        let names = &self.rules.names;
        let statement = format!(
            "UPDATE {table} SET {status} = $1, {reason} = $2 WHERE {waits} AND xmin::text IN \
             (SELECT xmin::text FROM {table} WHERE {waits} GROUP BY 1 HAVING count(*) > {limit})",
            table = self.office.quoted_table(&table.name),
            status = quoted(&names.status),
            reason = quoted(&names.reason),
            waits = format_args!(
                "{}::text = $3 AND {}::text = $4",
                quoted(&names.status),
                quoted(&names.validity)
            ),
        );
        let why = format!("超出单批上限：最多 {limit} 行");
        let failed = names.failed();
        let with: [&(dyn ToSql + Sync); 4] = [&failed, &why, &names.new, &names.valid];
        session.wire.drive(session.client.execute(&statement, &with)).await
    }

    fn columns<'a>(&'a self, table: &'a Table) -> Vec<&'a str> {
        let own = table.columns.iter().map(|(name, _)| name.as_str());
        own.chain(self.rules.columns.iter().map(|column| column.name.as_str())).collect()
    }

    fn seen(&self, row: &Row, columns: &[&str]) -> Result<Seen, Error> {
        let mut cells = Vec::with_capacity(columns.len());
        for (at, name) in columns.iter().enumerate() {
            cells.push(((*name).to_owned(), row.try_get(at + 2)?));
        }
        let validity: Option<String> = row.try_get(1)?;
        let names = &self.rules.names;
        let valid = match validity.as_deref() {
            Some(word) if word == names.valid => Some(true),
            Some(word) if word == names.invalid => Some(false),
            _ => None,
        };
        Ok(Seen { number: row.try_get(0)?, valid, cells })
    }

    async fn finding(
        &self,
        session: &mut Postgres,
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
        let names = &self.rules.names;
        let beside = format!(
            "SELECT count(*) FROM {} WHERE {} AND {}::text = $1 AND {}::text = $2 AND {} < {}",
            self.office.quoted_table(&table.name),
            self.same(&table.key, &table.key, row),
            quoted(&names.validity),
            quoted(&names.status),
            quoted(&names.upper_key),
            row.number,
        );
        if self.count(session, &beside, names).await? > 0 {
            return Ok(Some("违反唯一约束：同键有效数据已存在".to_owned()));
        }
        let Some(parent) = &table.parent else { return Ok(None) };
        if parent.columns.iter().any(|name| row.text(name).is_none()) {
            return Ok(None);
        }
        let stands = format!(
            "SELECT count(*) FROM {} WHERE {} AND {}::text = $1 AND {}::text = $2",
            self.office.quoted_table(&parent.table),
            self.same(&parent.key, &parent.columns, row),
            quoted(&names.validity),
            quoted(&names.status),
        );
        let stands = self.count(session, &stands, names).await? > 0;
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
        session: &mut Postgres,
        table: &Table,
        row: &Seen,
    ) -> Result<(), Error> {
        let names = &self.rules.names;
        let statement = format!(
            "UPDATE {} SET {validity} = '{}' WHERE {} AND {validity}::text = '{}' AND {} < {}",
            self.office.quoted_table(&table.name),
            names.invalid,
            self.same(&table.key, &table.key, row),
            names.valid,
            quoted(&names.upper_key),
            row.number,
            validity = quoted(&names.validity),
        );
        run(session, &statement).await
    }

    async fn say(
        &self,
        session: &mut Postgres,
        table: &Table,
        number: i64,
        finding: Option<&str>,
    ) -> Result<(), Error> {
        let names = &self.rules.names;
        let statement = format!(
            "UPDATE {} SET {} = $1, {} = $2 WHERE {} = $3",
            self.office.quoted_table(&table.name),
            quoted(&names.status),
            quoted(&names.reason),
            quoted(&names.upper_key),
        );
        let status = if finding.is_some() { names.failed() } else { names.passed() };
        session
            .wire
            .drive(session.client.execute(&statement, &[&status, &finding, &number]))
            .await
            .map(drop)
    }

    /// The columns `left` of a table have what the columns `right` of the row have.
    fn same(&self, left: &[String], right: &[String], row: &Seen) -> String {
        let pairs = left.iter().zip(right).map(|(left, right)| {
            let text = row.text(right).map(|text| text.replace('\'', "''"));
            match text {
                Some(text) => format!("{} = '{text}'", quoted(left)),
                None => format!("{} IS NULL", quoted(left)),
            }
        });
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    async fn count(
        &self,
        session: &mut Postgres,
        statement: &str,
        names: &super::directory::Names,
    ) -> Result<i64, Error> {
        let (valid, passed) = (names.valid.as_str(), names.passed());
        let row =
            session.wire.drive(session.client.query_one(statement, &[&valid, &passed])).await?;
        Ok(row.try_get(0)?)
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
