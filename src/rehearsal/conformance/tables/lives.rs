//! A row's life: it waits, is numbered and judged; it is corrected, taken back, revoked. And what
//! nobody may do with it.

use super::rows::{Hope, Row, literal, quoted};
use super::{Above, Case, Exam, code, is_of};
use crate::rehearsal::front::{Front, Table};
use crate::sql::connect_read_write;

/// Why a verdict is taken back in a test.
const REVOKED: &str = "一致性测试：撤销";

fn basis(key: &str) -> String {
    format!("standard.toml [tables] {key}")
}

impl Exam<'_> {
    fn name(&self, at: usize) -> String {
        self.tables.get(at).map(|table| table.name.clone()).unwrap_or_default()
    }

    /// A test that `what` is so.
    fn holds(&mut self, at: usize, case: Case, sent: &str, what: Result<bool, String>) {
        let (came, fault) = match what {
            Ok(true) => ("so".to_owned(), None),
            Ok(false) => ("not so".to_owned(), Some("it is not so".to_owned())),
            Err(problem) => (problem.clone(), Some(problem)),
        };
        let name = self.name(at);
        self.note(&name, case, (sent, &came), fault);
    }

    /// A row from its writing to its end.
    pub(super) async fn lives(&mut self, at: usize) {
        self.first(at).await;
        self.twice(at).await;
        self.corrected(at).await;
        self.taken_back(at).await;
        self.revoked(at).await;
    }

    /// It waits, is numbered by the database, passes, and is found by its key.
    async fn first(&mut self, at: usize) {
        let (one, two) = (self.fresh(at), self.fresh(at));
        let (sent, said) = self.write(at, std::slice::from_ref(&one)).await;
        let problem = said.as_ref().err().map(code);
        let found = match problem {
            Some(problem) => Err(problem),
            None => self.read(at, &one.own).await.map(Option::unwrap_or_default),
        };
        let waits = found.clone().map(|found| found.status.as_ref() == Some(&self.rules.names.new));
        let case = Case::new(
            "waits",
            ("新行等待校验", "a new row waits"),
            basis("new"),
            ("状态为等待", "its status is the waiting one"),
        );
        self.holds(at, case, &sent, waits);
        let case = Case::new(
            "given",
            ("数据库给出流水号", "the database numbers it"),
            basis("upper_key"),
            ("读回流水号", "its number is read back"),
        );
        self.holds(at, case, &sent, found.clone().map(|found| found.given.is_some()));
        let case =
            Case::new("valid", ("正确的行", "a right row"), basis("passed"), Hope::Stands.words());
        if self.test(at, case, std::slice::from_ref(&two), Hope::Stands).await {
            self.standing.insert(at, two.clone());
        }
        let second = self.read(at, &two.own).await.map(Option::unwrap_or_default);
        let numbers = found.and_then(|found| Ok((found.given, second?.given)));
        let differ = numbers.map(|(one, two)| one.is_some() && one != two);
        let case = Case::new(
            "given/other",
            ("流水号各不相同", "every row has its own number"),
            basis("upper_key"),
            ("两行流水号不同", "two rows, two numbers"),
        );
        self.holds(at, case, &sent, differ);
        let by_key = self.by_key(at, &two);
        let owns = self.ask(&by_key).await.map_err(|error| code(&error));
        let is_it = |rows: Vec<Vec<Option<String>>>| {
            rows.len() == 1 && rows.concat().first() == Some(&Some(two.own.clone()))
        };
        let case = Case::new(
            "found",
            ("按唯一约束列读回", "found by the columns of its key"),
            "the announced tables: key",
            ("恰好读回该行", "just this row"),
        );
        self.holds(at, case, &by_key, owns.map(is_it));
    }

    fn by_key(&self, at: usize, row: &Row) -> String {
        let Some(table) = self.tables.get(at) else { return String::new() };
        let pairs = table.key.iter().map(|name| match row.cells.get(name).cloned().flatten() {
            Some(text) => format!("{} = {}", quoted(name), literal(&text)),
            None => format!("{} IS NULL", quoted(name)),
        });
        format!(
            "SELECT {}::text FROM {} WHERE {}",
            quoted(&self.rules.names.own_key),
            self.table_name(table),
            pairs.collect::<Vec<_>>().join(" AND ")
        )
    }

    /// Under one own key or one key of the business no second row.
    async fn twice(&mut self, at: usize) {
        let Some(held) = self.standing.get(&at).cloned() else { return };
        let other = Row { own: held.own.clone(), ..self.fresh(at) };
        let hope = Hope::Refused("23");
        let case = Case::new(
            "twice/own",
            ("同一地方主键再次写入", "the same own key again"),
            basis("own_key"),
            hope.words(),
        );
        self.test(at, case, &[other], hope).await;
        let again = self.again(&held);
        let case = Case::new(
            "twice/key",
            ("同键有效行再次写入", "another valid row of the same key"),
            "the announced tables: key",
            Hope::NotTaken.words(),
        );
        self.test(at, case, &[again], Hope::NotTaken).await;
        let case = Case::new(
            "twice/first",
            ("重复写入不影响原行", "the first row stands as it stood"),
            "the announced tables: key",
            ("原行仍有效", "the first row stands"),
        );
        let stands = self.stands(at, &held.own).await;
        self.holds(at, case, "", stands);
    }

    /// A tombstone and a new row in one transaction: the new one stands, and it alone.
    async fn corrected(&mut self, at: usize) {
        let Some(old) = self.standing.get(&at).cloned() else { return };
        let (tombstone, new) = (self.tombstone(&old), self.again(&old));
        let rows = [tombstone, new.clone()];
        let case = Case::new(
            "corrected",
            ("更正：作废行加新行", "a correction: a tombstone and a new row"),
            basis("correct"),
            Hope::Stands.words(),
        );
        let sent = self.insert(at, &rows);
        if self.test(at, case, &rows, Hope::Stands).await {
            self.standing.insert(at, new.clone());
        }
        let gone = self.stands(at, &old.own).await.map(|stands| !stands);
        let case = Case::new(
            "corrected/old",
            ("更正后旧行失效", "after it the old row does not stand"),
            basis("invalid"),
            ("旧行失效", "the old row is invalid"),
        );
        self.holds(at, case, &sent, gone);
    }

    /// A tombstone alone, for a row and for nothing; and a word that is neither.
    async fn taken_back(&mut self, at: usize) {
        let row = self.fresh(at);
        let (mut sent, said) = self.write(at, std::slice::from_ref(&row)).await;
        let mut gone = said.map_err(|error| code(&error)).map(|()| false);
        if gone.is_ok() {
            gone = self.judged(at).await.map(|()| false);
        }
        if gone.is_ok() {
            let tombstone = self.tombstone(&row);
            let (statement, said) = self.write(at, &[tombstone]).await;
            sent = statement;
            let judged = self.judged(at).await;
            gone = match (said, judged) {
                (Ok(()), Ok(())) => self.stands(at, &row.own).await.map(|stands| !stands),
                (Err(error), _) => Err(code(&error)),
                (_, Err(problem)) => Err(problem),
            };
        }
        let case = Case::new(
            "deleted",
            ("作废行使原行失效", "a tombstone takes its row back"),
            basis("invalid"),
            ("原行失效", "the row does not stand"),
        );
        self.holds(at, case, &sent, gone);
        let anew = self.again(&row);
        let case = Case::new(
            "deleted/anew",
            ("作废后同键可再写入", "after it its key is free"),
            basis("correct"),
            Hope::Stands.words(),
        );
        self.test(at, case, &[anew], Hope::Stands).await;
        let mut odd = self.fresh(at);
        "~".clone_into(&mut odd.validity);
        let case = Case::new(
            "validity",
            ("有效标识不在代码内", "a validity in no list"),
            basis("validity"),
            Hope::NotTaken.words(),
        );
        self.test(at, case, &[odd], Hope::NotTaken).await;
    }

    /// The province takes a verdict back: only the stand-in's people do it for a test.
    async fn revoked(&mut self, at: usize) {
        let Above::StandIn(front) = self.above else { return };
        let row = self.fresh(at);
        let case = Case::new(
            "revoked/first",
            ("待撤销的行", "a row to be revoked"),
            basis("passed"),
            Hope::Stands.words(),
        );
        if !self.test(at, case, std::slice::from_ref(&row), Hope::Stands).await {
            return;
        }
        let done = self.revoke(front, at, &row).await;
        let said = self.read(at, &row.own).await.map(Option::unwrap_or_default);
        let names = &self.rules.names;
        let told = done.and_then(|()| {
            let found = said?;
            let failed = found.status.is_some_and(|status| names.failed.contains(&status));
            Ok(failed && found.reason.as_deref() == Some(REVOKED))
        });
        let case = Case::new(
            "revoked",
            ("撤销后读回失败与原因", "a revocation is read back with its reason"),
            basis("failed"),
            ("状态为失败且有原因", "failed, with the reason"),
        );
        self.holds(at, case, "", told);
        let anew = self.again(&row);
        let case = Case::new(
            "revoked/anew",
            ("撤销后更正的行", "the corrected row after it"),
            basis("correct"),
            Hope::Stands.words(),
        );
        self.test(at, case, &[anew], Hope::Stands).await;
    }

    async fn revoke(&self, front: &Front, at: usize, row: &Row) -> Result<(), String> {
        let Some(table) = self.tables.get(at) else { return Ok(()) };
        let cell = |name: &String| row.cells.get(name).cloned().flatten().unwrap_or_default();
        let key: Vec<String> = table.key.iter().map(cell).collect();
        let done = front.revoke(&table.name, &key.join("|"), REVOKED).await;
        match done.map_err(|error| error.to_string())? {
            true => Ok(()),
            false => Err("nothing was revoked".to_owned()),
        }
    }

    /// What the city's account may not do: judge, number, change, remove.
    pub(super) async fn rights(&mut self, at: usize) {
        let Some(table) = self.tables.get(at).cloned() else { return };
        let names = self.rules.names.clone();
        let hope = Hope::Refused("42501");
        let mut judged = self.fresh(at);
        judged.status.clone_from(names.passed.first().unwrap_or(&names.new));
        let case = Case::new(
            "rights/verdict",
            ("自带校验通过状态的行", "a row that brings its own verdict"),
            basis("new"),
            hope.words(),
        );
        self.test(at, case, &[judged], hope).await;
        let mut numbered = self.fresh(at);
        numbered.cells.insert(names.upper_key.clone(), Some("1".to_owned()));
        let case = Case::new(
            "rights/number",
            ("自带流水号的行", "a row that brings its own number"),
            basis("upper_key"),
            hope.words(),
        );
        self.test(at, case, &[numbered], Hope::Refused("42")).await;
        let Some(held) = self.standing.get(&at).cloned() else { return };
        let whole = self.table_name(&table);
        let own = format!("{} = {}", quoted(&names.own_key), literal(&held.own));
        for (what, zh, en, statement) in [
            (
                "rights/update",
                "改写校验状态",
                "a verdict is overwritten",
                format!("UPDATE {whole} SET {0} = {0} WHERE {own}", quoted(&names.status)),
            ),
            (
                "rights/delete",
                "删除行",
                "a row is removed",
                format!("DELETE FROM {whole} WHERE {own}"),
            ),
        ] {
            let case = Case::new(what, (zh, en), basis("status"), hope.words());
            self.refused(&table, case, &statement, &["42501"]).await;
        }
        let stands = self.stands(at, &held.own).await;
        let case = Case::new(
            "rights/kept",
            ("以上均未改变原行", "none of it changed the row"),
            basis("status"),
            ("原行仍有效", "the row stands"),
        );
        self.holds(at, case, "", stands);
    }

    /// A statement is refused; whatever it did is undone.
    async fn refused(&mut self, table: &Table, case: Case, statement: &str, classes: &[&str]) {
        let sent = format!("BEGIN; {statement}; ROLLBACK");
        let (came, fault) = match self.say(&sent).await {
            Err(error) if is_of(&error, classes) => (code(&error), None),
            Err(error) => (code(&error), Some(format!("refused otherwise: {}", code(&error)))),
            Ok(()) => ("done".to_owned(), Some("it was done".to_owned())),
        };
        self.note(&table.name, case, (&sent, &came), fault);
    }

    /// Rows that belong to others.
    pub(super) async fn families(&mut self) {
        for at in 0..self.tables.len() {
            let Some(parent) = self.tables.get(at).and_then(|table| table.parent.clone()) else {
                continue;
            };
            let above = self.tables.iter().position(|known| known.name == parent.table);
            let Some(above) = above else { continue };
            let says = "the announced tables: parent";
            let mut orphan = self.fresh(at);
            let stranger = self.fresh(above);
            belong(&mut orphan, &stranger, &parent);
            let case = Case::new(
                "parent/none",
                ("父行不存在的子行", "a child before its parent"),
                says,
                Hope::Fails.words(),
            );
            self.test(at, case, &[orphan], Hope::Fails).await;
            let mut failed = self.fresh(above);
            "~".clone_into(&mut failed.validity);
            let (_, _) = self.write(above, std::slice::from_ref(&failed)).await;
            let mut child = self.fresh(at);
            belong(&mut child, &failed, &parent);
            let case = Case::new(
                "parent/failed",
                ("父行校验不通过的子行", "a child of a parent that failed"),
                says,
                Hope::Fails.words(),
            );
            self.test(at, case, &[child], Hope::Fails).await;
            self.family(at, above, &parent).await;
        }
    }

    /// A parent with its child: both stand, the parent is corrected and then taken back.
    async fn family(&mut self, at: usize, above: usize, parent: &crate::rehearsal::front::Parent) {
        let says = "the announced tables: parent";
        let head = self.fresh(above);
        let (_, _) = self.write(above, std::slice::from_ref(&head)).await;
        let mut child = self.fresh(at);
        belong(&mut child, &head, parent);
        let case = Case::new(
            "parent/stands",
            ("父子先后写入", "a parent and its child"),
            says,
            Hope::Stands.words(),
        );
        self.test(at, case, std::slice::from_ref(&child), Hope::Stands).await;
        let rows = [self.tombstone(&head), self.again(&head)];
        let (sent, _) = self.write(above, &rows).await;
        let kept = match self.judged(above).await {
            Ok(()) => self.stands(at, &child.own).await,
            Err(problem) => Err(problem),
        };
        let case = Case::new(
            "parent/corrected",
            ("父行更正后子行仍有效", "a child outlives its parent's correction"),
            says,
            ("子行仍有效", "the child stands"),
        );
        self.holds(at, case, &sent, kept);
        let mut next = self.fresh(at);
        belong(&mut next, &head, parent);
        let case = Case::new(
            "parent/corrected/next",
            ("父行更正后的新子行", "a new child after it"),
            says,
            Hope::Stands.words(),
        );
        self.test(at, case, &[next], Hope::Stands).await;
        let (last, mut late) = (self.tombstone(&head), self.fresh(at));
        let (_, _) = self.write(above, &[last]).await;
        belong(&mut late, &head, parent);
        let case = Case::new(
            "parent/gone",
            ("父行作废后的子行", "a child of a parent that was taken back"),
            says,
            Hope::Fails.words(),
        );
        self.test(at, case, &[late], Hope::Fails).await;
    }

    /// Transactions, limits, names that are not there.
    pub(super) async fn line(&mut self) {
        let Some(table) = self.tables.first().cloned() else { return };
        if let Some(limit) = self.rules.rows {
            for (slug, zh, count, hope) in [
                ("limit/full", "单批达到上限", limit, Hope::Stands),
                ("limit/over", "单批超出上限", limit + 1, Hope::NotTaken),
            ] {
                let rows: Vec<Row> = (0..count).map(|_| self.fresh(0)).collect();
                let en = format!("{count} rows in one transaction");
                let case = Case::new(slug, (zh, &en), "standard.toml [limits] rows", hope.words());
                self.test(0, case, &rows, hope).await;
            }
        }
        let row = self.fresh(0);
        let sent = format!("BEGIN; {}; ROLLBACK", self.insert(0, std::slice::from_ref(&row)));
        let said = self.say(&sent).await.map_err(|error| code(&error));
        let there = self.read(0, &row.own).await;
        let nothing = said.and(there).map(|found| found.is_none());
        let case = Case::new(
            "rollback",
            ("回滚的行不留下", "what is rolled back leaves nothing"),
            "transactions",
            ("读不到该行", "nothing is there"),
        );
        self.holds(0, case, &sent, nothing);
        let row = self.fresh(0);
        let sent = format!("BEGIN; {}", self.insert(0, std::slice::from_ref(&row)));
        let unseen = self.unseen(&sent, &row.own).await;
        let case = Case::new(
            "unseen",
            ("提交前他人不可见", "nobody sees it before its end"),
            "transactions",
            ("另一会话读不到", "another session finds nothing"),
        );
        self.holds(0, case, &sent, unseen);
        let nowhere = Table { name: format!("{}_none", table.name), ..table.clone() };
        let sent = format!("SELECT 1 FROM {}", self.table_name(&nowhere));
        let case = Case::new(
            "unknown",
            ("未知的表", "a table that is not there"),
            "the announced tables",
            Hope::Refused("42").words(),
        );
        self.refused(&table, case, &sent, &["42"]).await;
    }

    async fn unseen(&mut self, sent: &str, own: &str) -> Result<bool, String> {
        self.say(sent).await.map_err(|error| code(&error))?;
        let other = connect_read_write(&self.address).await.map_err(|error| code(&error))?;
        let ours = std::mem::replace(&mut self.city, other);
        let found = self.read(0, own).await;
        self.city = ours;
        self.say("ROLLBACK").await.map_err(|error| code(&error))?;
        Ok(found?.is_none())
    }

    /// What stands of this run is taken back.
    pub(super) async fn endings(&mut self, at: usize) {
        let Some(table) = self.tables.get(at).cloned() else { return };
        let names = self.rules.names.clone();
        let mut keys = std::collections::BTreeSet::new();
        let ours: Vec<Row> =
            self.written.iter().filter(|(of, _)| *of == at).map(|(_, row)| row.clone()).collect();
        let mut tombstones = Vec::new();
        for row in ours {
            let key: Vec<_> = table.key.iter().map(|name| row.cells.get(name).cloned()).collect();
            if keys.insert(key) {
                tombstones.push(self.tombstone(&row));
            }
        }
        let mut problem = None;
        for rows in tombstones.chunks(self.rules.rows.unwrap_or(100).max(1)) {
            let (_, said) = self.write(at, rows).await;
            problem = problem.or_else(|| said.err().map(|error| code(&error)));
        }
        let judged = self.judged(at).await;
        let standing = format!(
            "SELECT count(*)::text FROM {} WHERE {} AND {}::text = {} AND {}::text = {}",
            self.table_name(&table),
            self.is_ours(),
            quoted(&names.validity),
            literal(&names.valid),
            quoted(&names.status),
            literal(names.passed.first().map_or("", String::as_str)),
        );
        let left = self.number(&standing).await;
        let nothing = match (problem, judged) {
            (Some(problem), _) | (None, Err(problem)) => Err(problem),
            (None, Ok(())) => left.map(|count| count == 0),
        };
        let case = Case::new(
            "ending",
            ("本次测试的行全部作废", "all rows of this run are taken back"),
            basis("invalid"),
            ("无有效行留下", "no row of it stands"),
        );
        self.holds(at, case, &standing, nothing);
    }
}

/// Makes a row name its parent.
fn belong(child: &mut Row, head: &Row, parent: &crate::rehearsal::front::Parent) {
    for (ours, theirs) in parent.columns.iter().zip(&parent.key) {
        if let Some(value) = head.cells.get(theirs) {
            child.cells.insert(ours.clone(), value.clone());
        }
    }
}
