//! Closed months: closed also when nobody was there, computed again, and proven against tampering.

use rust_decimal::Decimal;

use super::score::{CASES, bench};
use super::*;
use crate::control::protocol::{BroughtKind, ScoreAnswer, ScoreQuery, ScoreRequest, ScoreVerified};
use crate::indicator::scheme::Month;
use crate::ledger::NewPeriod;

impl Bench {
    async fn verified(&self) -> ScoreVerified {
        let ScoreAnswer::Verified(it) = self.score(ScoreRequest::Verify {}).await else { panic!() };
        it
    }

    /// Somebody writes into the file.
    fn tampered(&self, statement: &str) {
        let path = self.ledger().folder().join("ledger.sqlite");
        let connection = rusqlite::Connection::open(path).unwrap();
        assert!(connection.execute(statement, []).unwrap() > 0, "{statement}");
    }

    /// November with its cases, and it is over by a few days.
    async fn november_closed(&self) {
        self.bring(BroughtKind::Cases, CASES).await;
        self.live().await;
        self.clock.advance(Duration::from_hours(24 * 12));
        self.live().await;
        let it = self.verified().await;
        assert_eq!((it.months, it.recomputed, it.problems.len()), (1, 1, 0), "{it:?}");
        assert!(it.notes.is_empty(), "{it:?}");
    }
}

#[tokio::test]
async fn a_daemon_that_was_away_closes_every_month_that_ended() {
    let bench = bench().await;
    bench.bring(BroughtKind::Cases, CASES).await;
    bench.live().await;
    assert_eq!(bench.ledger().periods().await.unwrap(), []);
    // November and December end while nobody is there; January runs.
    bench.clock.advance(Duration::from_hours(24 * 60));
    bench.live().await;
    let closed = bench.ledger().periods().await.unwrap();
    let months: Vec<&str> = closed.iter().map(|it| it.month.as_str()).collect();
    assert_eq!(months, ["2026-11", "2026-12"], "October was before the ledger");
    bench.live().await;
    assert_eq!(bench.ledger().periods().await.unwrap(), closed, "each is closed once");
    let it = bench.verified().await;
    assert_eq!((it.months, it.recomputed, it.problems.len()), (2, 2, 0), "{it:?}");
    for month in months {
        let query = ScoreQuery { month: Some(month.to_owned()), ..ScoreQuery::default() };
        let sheet = bench.sheet(query).await;
        assert_eq!(sheet.closed.unwrap().total, sheet.total, "{month}");
    }
}

#[tokio::test]
async fn what_comes_late_changes_nothing_of_what_is_computed_again() {
    let bench = bench().await;
    bench.november_closed().await;
    let late = "list,number,owner,opened,deadline,closed,proof\n\
                feedback,g-3,other,2026-11-02,2026-11-28,2026-11-27T09:00,档 9\n";
    assert_eq!(bench.bring(BroughtKind::Cases, late).await, (2, 1));
    let it = bench.verified().await;
    assert_eq!((it.recomputed, it.problems.len()), (1, 0), "{it:?}");
}

#[tokio::test]
async fn a_fact_that_is_changed_or_gone_shows() {
    for statement in [
        // A case is made somebody else's, and its deadline a later day.
        "UPDATE fact SET subject = 'g-9' WHERE kind = 'case-opened' AND subject = 'g-1'",
        "UPDATE fact SET occurred = occurred + 4000000000 WHERE kind = 'case-opened'",
        "DELETE FROM fact WHERE kind = 'case-opened' AND subject = 'g-1'",
    ] {
        let bench = bench().await;
        bench.november_closed().await;
        bench.tampered(statement);
        let it = bench.verified().await;
        assert!(!it.problems.is_empty(), "{statement}");
    }
    let bench = bench().await;
    bench.november_closed().await;
    bench.tampered("DELETE FROM fact WHERE kind = 'case-opened' AND subject = 'g-1'");
    let it = bench.verified().await;
    let again = it.problems.iter().find(|it| it.contains("its facts give")).unwrap();
    assert!(again.starts_with("2026-11 by model-2026: closed with `total "), "{again}");
    assert_eq!(it.recomputed, 0);
}

#[tokio::test]
async fn a_month_that_was_closed_with_points_its_facts_do_not_give_shows() {
    let bench = bench().await;
    bench.bring(BroughtKind::Cases, CASES).await;
    // Every digest and the fact of the closing fit what was written; the points do not.
    let judge = bench.office.judge().unwrap_or_else(|_| panic!());
    let month = Month::parse("2026-11").unwrap();
    let new = NewPeriod {
        month: month.to_string(),
        scheme: "model-2026".to_owned(),
        last_fact: bench.ledger().horizon(Timestamp::MAX).await.unwrap().last,
        total: Decimal::from(99),
        judged_by: judge.by().sources(month),
        body: format!("program {}\ntotal 99\n", env!("CARGO_PKG_VERSION")),
    };
    assert!(bench.ledger().period_closed(new).await.unwrap());
    let (months, problems) = bench.ledger().periods_verified().await.unwrap();
    assert_eq!((months, problems.len()), (1, 0), "digests alone do not show it");
    let it = bench.verified().await;
    assert_eq!((it.problems.len(), it.recomputed), (1, 0), "{it:?}");
    assert!(it.problems[0].contains("closed with `total 99`"), "{it:?}");
}

#[tokio::test]
async fn a_scheme_or_a_list_that_is_changed_shows() {
    for statement in [
        "UPDATE source SET text = replace(text, '0.2', '0.1') WHERE text LIKE 'id = %' OR text LIKE '%[period]%'",
        "UPDATE source SET text = replace(text, 'd-two', 'd-six') WHERE text LIKE 'entry,%'",
        "DELETE FROM period_source WHERE name = 'lists/kept.csv'",
        "UPDATE period_source SET name = 'lists/bodies.csv' WHERE name = 'lists/kept.csv'",
    ] {
        let bench = bench().await;
        bench.november_closed().await;
        bench.tampered(statement);
        let it = bench.verified().await;
        let what = "2026-11 by model-2026: the scheme or a list is not the one it was closed by";
        assert_eq!(it.problems, [what], "{statement}");
        assert_eq!(it.recomputed, 0);
    }
}
