//! Tables that the province writes and the city reads: every column as it is spelt, and what the
//! rule of reading promises — a date that moves with every change, a letter that says which, rows
//! of one instant told apart by their key, late ones within the overlap.
//!
//! At the stand-in the kit plays the province's writer and reads as the city. A real front database
//! is only read: its tables, and whether what stands in them keeps to the rules.

use std::time::Duration;

use super::form::CATALOGUE;
use super::rows::{literal, quoted};
use super::{Above, Case, Exam, asked, code};
use crate::rehearsal::front::Account;
use crate::rehearsal::front::directory::Down;
use crate::sql::{Address, Postgres, connect_read_write};

const THERE: (&str, &str) = ("存在", "is there");
const MET: (&str, &str) = ("恰好读到一次", "met exactly once");
const NONE: (&str, &str) = ("没有这样的行", "no such row");

/// A date of the tests' rows, by minutes.
fn date(minutes: u32) -> String {
    format!("2026-01-15 {:02}:{:02}:00", 8 + minutes / 60, minutes % 60)
}

fn name_of(whole: &str) -> String {
    match whole.split_once('.') {
        Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
        None => quoted(whole),
    }
}

/// What the province's writer says of a row.
#[derive(Clone, Debug)]
struct Said<'a> {
    key: &'a str,
    letter: &'a str,
    minutes: u32,
}

impl Exam<'_> {
    /// Everything about the tables that the city reads.
    pub(super) async fn of_down(&mut self) {
        for down in self.rules.down.clone() {
            self.down_form(&down).await;
        }
        if let Above::StandIn(front) = self.above {
            match self.writer(front.province()).await {
                Ok(mut writer) => {
                    for down in self.rules.down.clone() {
                        self.down_lives(&down, &mut writer).await;
                    }
                }
                Err(problem) => self.down_note("", "writer", Err(problem), "", NONE),
            }
        }
        for down in self.rules.down.clone() {
            self.down_content(&down).await;
        }
    }

    async fn writer(&self, account: Account) -> Result<Postgres, String> {
        let address = Address {
            url: account.url,
            password_file: Some(account.password_file),
            ..self.address.clone()
        };
        connect_read_write(&address).await.map_err(|error| code(&error))
    }

    fn down_note(
        &mut self,
        table: &str,
        slug: &str,
        what: Result<bool, String>,
        sent: &str,
        expected: (&str, &str),
    ) {
        let (zh, en) = title(slug);
        let case = Case::new(slug, (zh, en), "standard.toml [[inbox]]", expected);
        let (came, fault) = match what {
            Ok(true) => ("so".to_owned(), None),
            Ok(false) => ("not so".to_owned(), Some("it is not so".to_owned())),
            Err(problem) => (problem.clone(), Some(problem)),
        };
        self.note(table, case, (sent, &came), fault);
    }

    /// The table, its columns, none beside them, and no right to write.
    async fn down_form(&mut self, down: &Down) {
        let found = self.columns(&down.table).await;
        let there = found.clone().map(|columns| !columns.is_empty());
        self.down_note(&down.table, "exists", there, CATALOGUE, THERE);
        let found = found.unwrap_or_default();
        for column in &down.columns {
            let basis = format!("{} {} {}, {}", down.file, column.row, column.name, column.clause);
            let is_time = column.is_time;
            let of = (column.name.as_str(), basis);
            self.column_test(&down.table, of, found.get(&column.name), &|kind| {
                let fits = !is_time || kind.starts_with("timestamp") || kind.starts_with("date");
                if fits { Ok(()) } else { Err(format!("is {kind}, no time")) }
            });
        }
        let known = |name: &String| down.columns.iter().any(|column| column.name == *name);
        let more: Vec<&String> = found.keys().filter(|name| !known(name)).collect();
        let only = if more.is_empty() { Ok(true) } else { Err(format!("{more:?}")) };
        self.down_note(&down.table, "unlisted", only, CATALOGUE, NONE);
        let sent = format!(
            "SELECT bool_or(has_table_privilege({}, kind))::text FROM \
             (VALUES ('INSERT'), ('UPDATE'), ('DELETE')) kinds (kind)",
            literal(&name_of(&down.table))
        );
        let may = self.ask(&sent).await.map_err(|error| code(&error));
        let may_not = may.map(|rows| rows.concat().first() == Some(&Some("false".to_owned())));
        self.down_note(&down.table, "read-only", may_not, &sent, ("只读", "read-only"));
    }

    /// The province writes, changes and deletes; the city reads by the rule.
    async fn down_lives(&mut self, down: &Down, writer: &mut Postgres) {
        if down.date.is_empty() {
            self.down_with(down, writer).await;
            return;
        }
        let letters = (down.written.first(), down.written.last(), down.deleted.first());
        let (Some(new), Some(changed), Some(gone)) = letters else { return };
        let keys: Vec<String> = (0..4).map(|_| self.own()).collect();
        let [one, two, three, late] = keys.as_slice() else { return };
        let write = |key, minutes| insert(down, &Said { key, letter: new, minutes });
        let statements = [write(one, 0), write(two, 0), write(three, 0)].join("; ");
        let said = act(writer, &statements).await;
        let met = match said {
            Ok(()) => self.paged(down, &date(0)).await,
            Err(problem) => Err(problem),
        };
        let each = met.map(|met| [one, two, three].iter().all(|key| times(&met, key) == 1));
        self.down_note(&down.table, "instant", each, &statements, MET);
        for (slug, letter, minutes) in [("changed", changed, 30), ("deleted", gone, 40)] {
            let statement = touch(down, &Said { key: two, letter, minutes });
            let said = act(writer, &statement).await;
            let met = match said {
                Ok(()) => self.paged(down, &date(minutes)).await,
                Err(problem) => Err(problem),
            };
            let is_it = met.map(|met| {
                met.iter().filter(|(key, said)| key == two && said == letter).count() == 1
            });
            self.down_note(&down.table, slug, is_it, &statement, MET);
        }
        self.down_late(down, writer, (late, new)).await;
    }

    /// A row with an earlier date that is committed after a later one was read.
    async fn down_late(&mut self, down: &Down, writer: &mut Postgres, (key, new): (&str, &str)) {
        let span: Option<jiff::SignedDuration> = down.overlap.parse().ok();
        let span = span.and_then(|span| Duration::try_from(span).ok()).unwrap_or_default();
        let overlap = u32::try_from(span.as_secs() / 60).unwrap_or(0);
        // The last date that was read is 08:40.
        let minutes = 40_u32.saturating_sub(overlap / 2);
        let statement = insert(down, &Said { key, letter: new, minutes });
        let met = match act(writer, &format!("BEGIN; {statement}")).await {
            Ok(()) => {
                let before = self.paged(down, &date(0)).await;
                let ended = act(writer, "COMMIT").await;
                let from = date(40_u32.saturating_sub(overlap));
                match (before, ended) {
                    (Ok(before), Ok(())) => self.paged(down, &from).await.map(|met| (before, met)),
                    (Err(problem), _) | (_, Err(problem)) => Err(problem),
                }
            }
            Err(problem) => Err(problem),
        };
        let only_late = met.map(|(before, met)| times(&before, key) == 0 && times(&met, key) == 1);
        self.down_note(&down.table, "late", only_late, &statement, MET);
    }

    /// Rows without a date of their own come with the row they belong to, in one snapshot.
    async fn down_with(&mut self, down: &Down, writer: &mut Postgres) {
        let above = self.rules.down.iter().find(|above| above.table == down.with).cloned();
        let Some(above) = above else { return };
        let Some(new) = above.written.first() else { return };
        let (head, one, two) = (self.own(), self.own(), self.own());
        let child = |key: &str| {
            let columns = format!("{}, {}", quoted(&down.key), quoted(&down.by));
            let values = format!("{}, {}", literal(key), literal(&head));
            format!("INSERT INTO {} ({columns}) VALUES ({values})", name_of(&down.table))
        };
        let parent = insert(&above, &Said { key: &head, letter: new, minutes: 50 });
        let statements = format!("BEGIN; {parent}; {}; {}", child(&one), child(&two));
        let read = format!(
            "SELECT count(*)::text FROM {} c JOIN {} p ON c.{by} = p.{by} WHERE p.{} = {}",
            name_of(&down.table),
            name_of(&above.table),
            quoted(&above.key),
            literal(&head),
            by = quoted(&down.by),
        );
        let counts = match act(writer, &statements).await {
            Ok(()) => {
                let before = self.number(&read).await;
                let ended = act(writer, "COMMIT").await;
                let after = self.number(&read).await;
                ended.and_then(|()| Ok((before?, after?)))
            }
            Err(problem) => Err(problem),
        };
        let whole = counts.map(|counts| counts == (0, 2));
        let expected = ("与所属行一同可读", "seen together with the row they belong to");
        self.down_note(&down.table, "together", whole, &statements, expected);
    }

    /// Reads a table as the city does, two rows at a time: keys and letters.
    async fn paged(&mut self, down: &Down, from: &str) -> Result<Vec<(String, String)>, String> {
        let (key, at, letter) = (quoted(&down.key), quoted(&down.date), quoted(&down.letter));
        let mut condition = format!("{at} >= {}", literal(from));
        let mut met = Vec::new();
        // So many pages are more than the tests ever write.
        for _ in 0..1_000 {
            let statement = format!(
                "SELECT {key}::text, {letter}::text, {at}::text FROM {} WHERE {condition} \
                 ORDER BY {at}, {key} LIMIT 2",
                name_of(&down.table)
            );
            let rows = self.ask(&statement).await.map_err(|error| code(&error))?;
            let Some(last) = rows.last() else { return Ok(met) };
            if let [Some(last_key), _, Some(last_date)] = last.as_slice() {
                let (after, last_key) = (literal(last_date), literal(last_key));
                condition = format!("({at}, {key}) > ({after}, {last_key})");
            }
            met.extend(rows.into_iter().filter_map(|row| {
                let mut cells = row.into_iter();
                Some((cells.next()??, cells.next()?.unwrap_or_default()))
            }));
        }
        Ok(met)
    }

    /// What stands in a table keeps to its rules.
    async fn down_content(&mut self, down: &Down) {
        let table = name_of(&down.table);
        let key = quoted(&down.key);
        let mut checks = vec![(
            "key",
            format!(
                "SELECT count(*)::text FROM (SELECT {key} FROM {table} GROUP BY {key} \
                 HAVING count(*) > 1 OR {key} IS NULL) twice"
            ),
        )];
        let required = down.columns.iter().filter(|column| column.required);
        let empty: Vec<String> =
            required.map(|column| format!("{} IS NULL", quoted(&column.name))).collect();
        if !empty.is_empty() {
            checks.push((
                "filled",
                format!("SELECT count(*)::text FROM {table} WHERE {}", empty.join(" OR ")),
            ));
        }
        for column in &down.columns {
            let Some(codes) = &column.codes else { continue };
            let name = quoted(&column.name);
            let listed: Vec<String> = codes.iter().map(|code| literal(code)).collect();
            checks.push((
                "codes",
                format!(
                    "SELECT count(*)::text FROM {table} WHERE {name}::text NOT IN ({})",
                    listed.join(", ")
                ),
            ));
        }
        if down.date.is_empty() {
            if let Some(above) = self.rules.down.iter().find(|above| above.table == down.with) {
                let by = quoted(&down.by);
                checks.push((
                    "orphans",
                    format!(
                        "SELECT count(*)::text FROM {table} c WHERE NOT EXISTS \
                         (SELECT 1 FROM {} p WHERE p.{by} = c.{by})",
                        name_of(&above.table)
                    ),
                ));
            }
        } else {
            let letters = down.written.iter().chain(&down.deleted).map(|code| literal(code));
            let letters: Vec<String> = letters.collect();
            checks.push((
                "letters",
                format!(
                    "SELECT count(*)::text FROM {table} WHERE {} IS NULL OR {0}::text NOT IN ({})",
                    quoted(&down.letter),
                    letters.join(", ")
                ),
            ));
            checks.push((
                "dated",
                format!("SELECT count(*)::text FROM {table} WHERE {} IS NULL", quoted(&down.date)),
            ));
        }
        for (slug, statement) in checks {
            let none = match self.number(&statement).await {
                Ok(0) => Ok(true),
                Ok(count) => Err(format!("{count} rows")),
                Err(problem) => Err(problem),
            };
            self.down_note(&down.table, slug, none, &statement, NONE);
        }
    }
}

/// What a test is called.
fn title(slug: &str) -> (&'static str, &'static str) {
    match slug {
        "exists" => ("下行库表", "the table"),
        "unlisted" => ("标准未列的列", "columns that no list has"),
        "read-only" => ("本市账号只读", "the city's account only reads"),
        "instant" => ("同一时刻的多行", "several rows of one instant"),
        "changed" => ("变更的行", "a row that was changed"),
        "deleted" => ("删除的行", "a row that was deleted"),
        "late" => ("晚提交的行", "a row that was committed late"),
        "together" => ("随所属行下行", "rows that come with another"),
        "key" => ("主键重复或为空", "a key twice, or none"),
        "filled" => ("必填列为空", "a required column without a value"),
        "codes" => ("取值不在代码表内", "a value in no list"),
        "orphans" => ("没有所属行的行", "a row that belongs to nothing"),
        "letters" => ("操作类型不在代码内", "a letter in no list"),
        "dated" => ("操作时间为空", "a row without a date"),
        _ => ("省级写入账号", "the province's account"),
    }
}

fn times(met: &[(String, String)], key: &str) -> usize {
    met.iter().filter(|(known, _)| known == key).count()
}

/// Required columns that the statements name by themselves.
fn is_named(down: &Down, name: &str) -> bool {
    [&down.key, &down.date, &down.letter].into_iter().any(|known| known == name)
}

fn insert(down: &Down, said: &Said<'_>) -> String {
    let others = down.columns.iter().filter(|it| it.required && !is_named(down, &it.name));
    let others: Vec<(String, String)> = others
        .map(|column| {
            let code = column.codes.as_ref().and_then(|codes| codes.first());
            let text = match code {
                Some(code) => code.clone(),
                None if column.is_time => date(0),
                None => "一致性测试".to_owned(),
            };
            (quoted(&column.name), literal(&text))
        })
        .collect();
    let mut names = vec![quoted(&down.key), quoted(&down.date), quoted(&down.letter)];
    let mut values = vec![literal(said.key), literal(&date(said.minutes)), literal(said.letter)];
    for (name, value) in others {
        names.push(name);
        values.push(value);
    }
    let table = name_of(&down.table);
    format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
}

fn touch(down: &Down, said: &Said<'_>) -> String {
    format!(
        "UPDATE {} SET {} = {}, {} = {} WHERE {} = {}",
        name_of(&down.table),
        quoted(&down.letter),
        literal(said.letter),
        quoted(&down.date),
        literal(&date(said.minutes)),
        quoted(&down.key),
        literal(said.key),
    )
}

/// Runs statements as the province's writer.
async fn act(writer: &mut Postgres, statements: &str) -> Result<(), String> {
    let said = asked(writer, statements).await.map(drop);
    if said.is_err() {
        // What failed is told by the statement itself.
        drop(asked(writer, "ROLLBACK").await);
    }
    said.map_err(|error| code(&error))
}
