//! The statements of a scan in each database's own words.
//!
//! Tried with PostgreSQL and SQLite through Debian's drivers. What is written here for Dameng,
//! Oracle and SQL Server was written from memory, **not** looked up in their manuals and **not** run
//! against a server; KingbaseES is asked for what PostgreSQL is asked for.
//!
//! Every key is compared as text that ends in U+0001. So a null and an empty text come first where a
//! server has but one of them (Oracle), and blanks at the end count where a server passes them over
//! (SQL Server); the order stays that of the characters.

use std::time::Duration;

use crate::city::dataset::Origin;
use crate::city::settings::Dialect;
use crate::city::value::TimeFormat;

/// What the text of a key ends in.
pub(super) const END: char = '\u{1}';

/// A column by which a scan goes.
pub(super) struct Time {
    pub(super) name: String,
    /// How the text of a time is written (SQLite, which has no type for it).
    pub(super) format: TimeFormat,
    /// Digits of a second that the column keeps.
    pub(super) digits: usize,
}

/// Where a statement starts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Start {
    /// Canonical; absent in the order of keys.
    pub(super) time: Option<String>,
    /// Empty: before every key of this time.
    pub(super) key: Vec<String>,
    /// Include the point itself.
    pub(super) inclusive: bool,
}

/// What a scan asks for, whatever the point from which it goes on.
pub(super) struct Statement {
    pub(super) dialect: Dialect,
    pub(super) from: String,
    pub(super) columns: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) order: Vec<String>,
    pub(super) undated: bool,
    pub(super) time: Option<Time>,
    pub(super) until: Option<String>,
}

impl Dialect {
    /// A name in the server's quotes, as the server writes it: no letter becomes another.
    pub(super) fn quoted(self, name: &str) -> String {
        match self {
            Self::SqlServer => format!("[{}]", name.replace(']', "]]")),
            Self::Dameng | Self::Oracle | Self::Kingbase | Self::Postgres | Self::Sqlite => {
                format!("\"{}\"", name.replace('"', "\"\""))
            }
        }
    }

    pub(super) fn column(self, name: &str) -> String {
        format!("q.{}", self.quoted(name))
    }

    /// No `AS`: Oracle has none before the name of a table.
    pub(super) fn from(self, origin: &Origin) -> String {
        let source = match origin {
            Origin::Table(table) => {
                let parts: Vec<String> = table.split('.').map(|part| self.quoted(part)).collect();
                parts.join(".")
            }
            // The line break ends a comment that the query may end with.
            Origin::Query(query) => format!("({query}\n)"),
            Origin::Files { .. } => String::new(),
        };
        format!("FROM {source} q")
    }

    /// What a session is told once.
    pub(super) fn setup(self, zone: &str, limit: Duration) -> Vec<String> {
        let zone = zone.replace('\'', "''");
        match self {
            Self::Postgres | Self::Kingbase => vec![
                "SET default_transaction_read_only = on".to_owned(),
                format!("SET statement_timeout = {}", limit.as_millis()),
                "SET extra_float_digits = 1".to_owned(),
                format!("SET TimeZone = '{zone}'"),
            ],
            Self::Sqlite => vec!["PRAGMA query_only = on".to_owned()],
            Self::Oracle => vec![
                "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,'".to_owned(),
                "ALTER SESSION SET NLS_SORT = BINARY".to_owned(),
                "ALTER SESSION SET NLS_COMP = BINARY".to_owned(),
                "ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD HH24:MI:SS'".to_owned(),
                "ALTER SESSION SET NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF'".to_owned(),
                format!("ALTER SESSION SET TIME_ZONE = '{zone}'"),
            ],
            Self::Dameng | Self::SqlServer => Vec::new(),
        }
    }

    /// What makes one transaction unable to write, where only a transaction can be told.
    pub(super) fn read_only_transaction(self) -> Option<&'static str> {
        match self {
            Self::Dameng | Self::Oracle => Some("SET TRANSACTION READ ONLY"),
            Self::SqlServer | Self::Kingbase | Self::Postgres | Self::Sqlite => None,
        }
    }

    /// The text of a column by which keys are compared.
    pub(super) fn key(self, column: &str) -> String {
        match self {
            Self::Postgres | Self::Kingbase => {
                format!("((coalesce(CAST({column} AS text), '') || chr(1)) COLLATE \"C\")")
            }
            Self::Sqlite => format!("(coalesce(CAST({column} AS TEXT), '') || char(1))"),
            Self::Oracle => format!("(TO_CHAR({column}) || CHR(1))"),
            Self::Dameng => format!("(COALESCE(TO_CHAR({column}), '') || CHR(1))"),
            // Style 121 is that of ISO for times and means nothing for other types.
            Self::SqlServer => format!(
                "((COALESCE(CONVERT(nvarchar(4000), {column}, 121), N'') + NCHAR(1)) \
                 COLLATE Latin1_General_BIN2)"
            ),
        }
    }

    /// How the columns beside the key are ordered; `None` where the server cannot order such one.
    pub(super) fn order(self, column: &str, is_long: bool) -> Option<String> {
        match self {
            Self::Postgres | Self::Kingbase => {
                Some(format!("CAST({column} AS text) COLLATE \"C\""))
            }
            Self::Sqlite => Some(format!("{column} COLLATE BINARY")),
            Self::Dameng | Self::Oracle | Self::SqlServer => (!is_long).then(|| column.to_owned()),
        }
    }
}

impl Statement {
    /// The statement and its parameters, for at most `limit` rows.
    pub(super) fn text(&self, start: Option<&Start>, limit: u64) -> (String, Vec<String>) {
        let mut parameters = Vec::new();
        let mut conditions = Vec::new();
        if let Some(time) = &self.time {
            let dated = self.dated(time);
            conditions.push(if self.undated { format!("NOT {dated}") } else { dated });
        }
        if let Some(start) = start {
            conditions.push(self.after(start, &mut parameters));
        }
        if let (Some(time), Some(until)) = (&self.time, &self.until) {
            let until = self.moment(time, until, &mut parameters);
            conditions.push(format!("{} <= {until}", time.name));
        }
        let aliased = self.columns.iter().chain(&self.keys).enumerate();
        let list: Vec<String> = aliased.map(|(at, sql)| format!("{sql} AS c{at}")).collect();
        let by = self.time.iter().filter(|_| !self.undated).map(|time| &time.name);
        let order: Vec<&str> =
            by.chain(&self.keys).chain(&self.order).map(String::as_str).collect();
        let condition = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let (list, order) = (list.join(", "), order.join(", "));
        let from = &self.from;
        let text = match self.dialect {
            Dialect::SqlServer => {
                format!("SELECT TOP ({limit}) {list} {from}{condition} ORDER BY {order}")
            }
            // Also before 12c, which has `FETCH FIRST`.
            Dialect::Oracle => format!(
                "SELECT * FROM (SELECT {list} {from}{condition} ORDER BY {order}) \
                 WHERE ROWNUM <= {limit}"
            ),
            Dialect::Dameng | Dialect::Kingbase | Dialect::Postgres | Dialect::Sqlite => {
                format!("SELECT {list} {from}{condition} ORDER BY {order} LIMIT {limit}")
            }
        };
        (text, parameters)
    }

    /// True for rows whose time has a place in the order, and false, never unknown, for others.
    fn dated(&self, time: &Time) -> String {
        let name = &time.name;
        match self.dialect {
            // Infinity and years that four digits cannot write have none.
            Dialect::Postgres | Dialect::Kingbase => format!(
                "({name} IS NOT NULL AND {name} >= '0001-01-01' AND {name} < '10000-01-01')"
            ),
            Dialect::Sqlite => {
                let globs = time.format.globs();
                let globs =
                    globs.iter().map(|it| format!("{name} GLOB '{}'", it.replace('\'', "''")));
                let globs: Vec<String> = globs.collect();
                format!("(typeof({name}) = 'text' AND ({}))", globs.join(" OR "))
            }
            Dialect::Oracle => {
                format!("({name} IS NOT NULL AND {name} >= TO_DATE('0001-01-01', 'YYYY-MM-DD'))")
            }
            Dialect::Dameng | Dialect::SqlServer => format!("({name} IS NOT NULL)"),
        }
    }

    /// Written out: not every server compares lists.
    fn after(&self, start: &Start, parameters: &mut Vec<String>) -> String {
        let (Some(time), Some(at)) = (&self.time, &start.time) else {
            return self.after_key(start, parameters);
        };
        let name = &time.name;
        let from = format!("{name} >= {}", self.moment(time, at, parameters));
        if start.key.is_empty() {
            return from;
        }
        let later = format!("{name} > {}", self.moment(time, at, parameters));
        format!("{from} AND ({later} OR {})", self.after_key(start, parameters))
    }

    fn after_key(&self, start: &Start, parameters: &mut Vec<String>) -> String {
        let mut cases = Vec::new();
        for (place, key) in self.keys.iter().enumerate() {
            let last = place + 1 == self.keys.len();
            let mut case = Vec::new();
            for (earlier, other) in self.keys.iter().take(place).enumerate() {
                case.push(format!("{other} = ?"));
                parameters.push(ended(start, earlier));
            }
            case.push(format!("{key} {} ?", if last && start.inclusive { ">=" } else { ">" }));
            parameters.push(ended(start, place));
            cases.push(format!("({})", case.join(" AND ")));
        }
        format!("({})", cases.join(" OR "))
    }

    /// A canonical time as the server reads it: digits, and no word of a row. A column that keeps
    /// fewer digits has no value in what a bound loses.
    fn moment(&self, time: &Time, canonical: &str, parameters: &mut Vec<String>) -> String {
        if self.dialect == Dialect::Sqlite {
            parameters.push(time.format.raw(canonical));
            return "?".to_owned();
        }
        let (whole, fraction) = canonical.split_once('.').unwrap_or((canonical, ""));
        let whole: String = whole
            .chars()
            .filter(|it| it.is_ascii_digit() || matches!(it, '-' | ':' | 'T'))
            .collect();
        let fraction = fraction.chars().filter(char::is_ascii_digit);
        let fraction: String = fraction.take(time.digits).collect();
        let point = if fraction.is_empty() { "" } else { "." };
        match self.dialect {
            Dialect::Postgres | Dialect::Kingbase | Dialect::Sqlite => {
                format!("'{whole}{point}{fraction}'")
            }
            Dialect::SqlServer => {
                format!("CAST('{whole}{point}{fraction}' AS datetime2({}))", time.digits.min(7))
            }
            Dialect::Oracle | Dialect::Dameng => {
                let whole = whole.replace('T', " ");
                // A timestamp beside a column of dates would keep its index from being used.
                if time.digits == 0 {
                    format!("TO_DATE('{whole}', 'YYYY-MM-DD HH24:MI:SS')")
                } else {
                    format!("TO_TIMESTAMP('{whole}.{fraction:0<6}', 'YYYY-MM-DD HH24:MI:SS.FF')")
                }
            }
        }
    }
}

fn ended(start: &Start, place: usize) -> String {
    let mut text = start.key.get(place).cloned().unwrap_or_default();
    text.push(END);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::ColumnType;

    fn statement(dialect: Dialect) -> Statement {
        let column = dialect.column("AT");
        Statement {
            dialect,
            from: dialect.from(&Origin::Table("GA.PERSON".to_owned())),
            columns: vec![dialect.column("ID"), column.clone()],
            keys: vec![dialect.key(&dialect.column("ID"))],
            order: vec![column.clone()],
            undated: false,
            time: Some(Time {
                name: column,
                format: TimeFormat::usual(ColumnType::Time),
                digits: 6,
            }),
            until: None,
        }
    }

    #[test]
    fn every_dialect_bounds_quotes_and_writes_times_in_its_own_words() {
        let start = Start {
            time: Some("2020-03-01T08:30:00.5".to_owned()),
            key: vec!["511902".to_owned()],
            inclusive: false,
        };
        for (dialect, has) in [
            (Dialect::Oracle, ["\"GA\".\"PERSON\" q", "WHERE ROWNUM <= 9", "TO_TIMESTAMP('2020"]),
            (Dialect::Dameng, ["\"GA\".\"PERSON\" q", " LIMIT 9", ".500000', 'YYYY"]),
            (Dialect::SqlServer, ["[GA].[PERSON] q", "SELECT TOP (9) ", "AS datetime2(6))"]),
            (Dialect::Kingbase, ["COLLATE \"C\"", " LIMIT 9", "'2020-03-01T08:30:00.5'"]),
            (Dialect::Postgres, ["COLLATE \"C\"", " LIMIT 9", "'2020-03-01T08:30:00.5'"]),
            (Dialect::Sqlite, ["char(1)", " LIMIT 9", "GLOB"]),
        ] {
            let (text, parameters) = statement(dialect).text(Some(&start), 9);
            for part in has {
                assert!(text.contains(part), "{dialect:?} lacks {part}: {text}");
            }
            // What a row holds goes beside the statement and never into it.
            assert!(!text.contains("511902"), "{text}");
            assert_eq!(parameters.last().map(String::as_str), Some("511902\u{1}"));
            assert_eq!(text.matches('?').count(), parameters.len());
        }
    }

    #[test]
    fn a_key_of_several_columns_is_compared_column_by_column() {
        let mut of = statement(Dialect::Oracle);
        of.keys = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        of.time = None;
        let key = vec!["1".to_owned(), "2".to_owned(), "3".to_owned()];
        let start = Start { time: None, key, inclusive: true };
        let (text, parameters) = of.text(Some(&start), 1);
        let expected = "((a > ?) OR (a = ? AND b > ?) OR (a = ? AND b = ? AND c >= ?))";
        assert!(text.contains(expected), "{text}");
        let bare: Vec<&str> = parameters.iter().map(|it| it.trim_end_matches(END)).collect();
        assert_eq!(bare, ["1", "1", "2", "1", "2", "3"]);
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(Dialect::Oracle.quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(Dialect::SqlServer.quoted("a]b"), "[a]]b]");
    }
}
