//! The kit over tables: a front database tried by the tables of its standard.
//!
//! The kit writes and reads with SQL of its own, which the report shows as it was said. It gets in
//! as the city does. Rows are made up, every text of theirs says so, and what stands of them is
//! taken back at the end.
//!
//! ```text
//! tables ─► row ─► spoiled in one place ─► INSERT ─► refused, or judged ─► as expected?
//! ```
//!
//! The stand-in judges when it is asked to. A real front database judges when it likes: then the
//! kit waits, and when nobody judged within its patience the tests that need a verdict fail.

mod down;
mod fields;
mod form;
mod lives;
mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

use super::{Outcome, Progress, Titles};
use crate::clock::Clock;
use crate::rehearsal::Error;
use crate::rehearsal::front::directory::Rules;
use crate::rehearsal::front::{Front, Table};
use crate::sql::{self, Address, Postgres, connect_read_write};
use crate::supervisor::sleep;

/// How long a real front database may take to judge what the kit wrote.
const PATIENCE: Duration = Duration::from_mins(10);
/// After which time it is asked first whether it has; each time after twice as much.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// The longest time between two such questions.
const SELDOM: Duration = Duration::from_secs(5);
/// The most tests of one run.
const MAX_TESTS: usize = 5_000;
/// The most characters of one test that the report shows.
const SHOWN: usize = 4_000;

/// Who judges what the kit writes, and who acts as the province.
#[derive(Clone, Copy)]
pub(super) enum Above<'a> {
    /// The stand-in: it judges when asked, and its people do what a test wants.
    StandIn(&'a Front),
    /// A real one.
    Real(&'a Clock),
}

/// A test: what is tried, and what it rests on.
pub(super) struct Case {
    pub(super) slug: String,
    pub(super) titles: Titles,
    pub(super) basis: String,
    pub(super) expected: Titles,
}

impl Case {
    pub(super) fn new(
        slug: impl Into<String>,
        (zh, en): (&str, &str),
        basis: impl Into<String>,
        (expected_zh, expected_en): (&str, &str),
    ) -> Self {
        Self {
            slug: slug.into(),
            titles: Titles::new(zh, en),
            basis: basis.into(),
            expected: Titles::new(expected_zh, expected_en),
        }
    }
}

/// What a run over tables has to go by.
struct Exam<'a> {
    rules: &'a Rules,
    tables: &'a [Table],
    above: Above<'a>,
    city: Postgres,
    address: Address,
    /// Words with a value that was asked for.
    given: &'a BTreeMap<String, String>,
    seed: u64,
    outcomes: Vec<Outcome>,
    progress: Progress<'a>,
    /// Rows that were written as valid: their table and their cells.
    written: Vec<(usize, rows::Row)>,
    /// By table: a row that stands, for those that belong to it.
    standing: BTreeMap<usize, rows::Row>,
    count: u64,
    /// Nobody judged in time: nobody is waited for any more.
    silent: bool,
}

/// What a run over tables starts from.
pub(super) struct Start<'a> {
    pub(super) rules: &'a Rules,
    pub(super) tables: &'a [Table],
    pub(super) above: Above<'a>,
    pub(super) address: Address,
    pub(super) given: &'a BTreeMap<String, String>,
    pub(super) seed: u64,
    /// Tests of the same run that come before.
    pub(super) outcomes: Vec<Outcome>,
}

/// Tries the tables that the city writes and those that it reads.
pub(super) async fn examine(
    start: Start<'_>,
    progress: Progress<'_>,
) -> Result<Vec<Outcome>, Error> {
    let Start { rules, tables, above, address, given, seed, outcomes } = start;
    let city = connect_read_write(&address).await.map_err(|error| Error::Front {
        operation: "connect as the city",
        reason: error.to_string(),
    })?;
    let mut exam = Exam {
        rules,
        tables,
        above,
        city,
        address,
        given,
        seed,
        outcomes,
        progress,
        written: Vec::new(),
        standing: BTreeMap::new(),
        count: 0,
        silent: false,
    };
    if !rules.names.own_key.is_empty() {
        exam.of_rows().await;
    }
    exam.of_down().await;
    Ok(exam.outcomes)
}

impl Exam<'_> {
    /// Everything about the tables that the city writes.
    async fn of_rows(&mut self) {
        for at in 0..self.tables.len() {
            self.form(at).await;
            self.lives(at).await;
            self.demands(at).await;
            self.rights(at).await;
        }
        self.families().await;
        self.line().await;
        for at in 0..self.tables.len() {
            self.endings(at).await;
        }
    }

    /// Writes a test down.
    pub(super) fn note(
        &mut self,
        of: &str,
        case: Case,
        (sent, came): (&str, &str),
        fault: Option<String>,
    ) {
        if self.outcomes.len() >= MAX_TESTS {
            return;
        }
        let outcome = Outcome {
            number: self.outcomes.len() + 1,
            name: format!("{of}/{}", case.slug),
            operation: of.to_owned(),
            operation_title: String::new(),
            title: case.titles,
            basis: case.basis,
            expected: case.expected,
            sent: shown(sent),
            came: shown(came),
            fault,
        };
        (self.progress)(&outcome);
        self.outcomes.push(outcome);
    }

    /// Runs statements as the city; what they did is undone where one was refused.
    pub(super) async fn say(&mut self, statements: &str) -> Result<(), sql::Error> {
        let said = self.city.client.batch_execute(statements);
        let said = self.city.wire.drive(said).await;
        if said.is_err() {
            let end = self.city.client.batch_execute("ROLLBACK");
            // A session that is gone is told by the statement itself.
            drop(self.city.wire.drive(end).await);
        }
        said
    }

    /// Asks as the city: rows of texts.
    pub(super) async fn ask(
        &mut self,
        statement: &str,
    ) -> Result<Vec<Vec<Option<String>>>, sql::Error> {
        asked(&mut self.city, statement).await
    }

    /// The number that a statement gives.
    pub(super) async fn number(&mut self, statement: &str) -> Result<i64, String> {
        let rows = self.ask(statement).await.map_err(|error| code(&error))?;
        let text = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        text.and_then(|text| text.parse().ok()).ok_or_else(|| "no number".to_owned())
    }

    /// Waits until nothing that the kit wrote into a table waits to be judged.
    pub(super) async fn judged(&mut self, at: usize) -> Result<(), String> {
        let clock = match self.above {
            Above::StandIn(front) => {
                return front.judge().await.map(drop).map_err(|error| error.to_string());
            }
            Above::Real(clock) => clock.clone(),
        };
        let Some(table) = self.tables.get(at) else { return Ok(()) };
        let names = &self.rules.names;
        let waits = format!(
            "SELECT count(*)::text FROM {} WHERE {} AND {}::text = {}",
            self.table_name(table),
            self.is_ours(),
            rows::quoted(&names.status),
            rows::literal(&names.new),
        );
        let (mut waited, mut pause) = (Duration::ZERO, FIRST_LOOK);
        while self.number(&waits).await? > 0 {
            if self.silent || waited >= PATIENCE {
                self.silent = true;
                return Err("nobody judged it in time".to_owned());
            }
            sleep(&clock, pause).await;
            waited += pause;
            pause = (pause * 2).min(SELDOM);
        }
        Ok(())
    }
}

/// Asks in a session: rows of texts, by the simple protocol, in which everything is text.
pub(super) async fn asked(
    session: &mut Postgres,
    statement: &str,
) -> Result<Vec<Vec<Option<String>>>, sql::Error> {
    let answers = session.wire.drive(session.client.simple_query(statement)).await?;
    let rows = answers.iter().filter_map(|answer| {
        let SimpleQueryMessage::Row(row) = answer else { return None };
        Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
    });
    Ok(rows.collect())
}

/// What a refusal is called: its SQLSTATE, otherwise the failure in words.
pub(super) fn code(error: &sql::Error) -> String {
    match error {
        sql::Error::Server { code, .. } => format!("SQLSTATE {code}"),
        sql::Error::File { .. }
        | sql::Error::Embedded { .. }
        | sql::Error::Session { .. }
        | sql::Error::Credential { .. }
        | sql::Error::Timeout { .. } => error.to_string(),
    }
}

/// Whether a refusal is of one of these classes or codes of SQLSTATE.
pub(super) fn is_of(error: &sql::Error, classes: &[&str]) -> bool {
    match error {
        sql::Error::Server { code, .. } => classes.iter().any(|class| code.starts_with(class)),
        sql::Error::File { .. }
        | sql::Error::Embedded { .. }
        | sql::Error::Session { .. }
        | sql::Error::Credential { .. }
        | sql::Error::Timeout { .. } => false,
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
    }
}
