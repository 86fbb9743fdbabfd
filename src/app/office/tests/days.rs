//! Measures by day, as they are asked for.

use super::*;
use crate::control::protocol::{By, DaySheet, DaysQuery, ScoreAnswer, ScoreRequest};
use crate::fact::Kind;
use crate::ledger::NewFact;

impl Bench {
    async fn days(&self, query: DaysQuery) -> DaySheet {
        let ScoreAnswer::Days(sheet) = self.score(ScoreRequest::Days(query)).await else {
            panic!("no days")
        };
        sheet
    }

    async fn verdict(&self, at: &str, passed: u64, failed: u64) {
        let fact = NewFact {
            channel: None,
            subject: "d-one".to_owned(),
            kind: Kind::Verdict { passed, failed },
            occurred: at.parse().unwrap(),
            amends: None,
        };
        self.ledger().facts_brought(vec![fact]).await.unwrap();
    }
}

/// The day and the rate of verdicts of each line.
fn verdicts(sheet: &DaySheet) -> Vec<(&str, String)> {
    let rate = |it: &crate::control::protocol::DayLine| {
        it.measures.get("receipt.passed_rate").map_or("-".to_owned(), ToString::to_string)
    };
    sheet.lines.iter().map(|it| (it.day.as_str(), rate(it))).collect()
}

#[tokio::test]
async fn a_month_has_a_line_for_each_day_and_a_day_one_for_each_body() {
    let bench = score::bench().await;
    bench.verdict("2026-11-05T00:00:00+08:00", 3, 1).await;
    bench.verdict("2026-11-05T23:59:59+08:00", 3, 1).await;
    bench.verdict("2026-11-06T00:00:00+08:00", 1, 0).await;
    let sheet = bench.days(DaysQuery::default()).await;
    let told = verdicts(&sheet);
    let last = told.len();
    assert_eq!((sheet.month.as_str(), sheet.body.as_str(), last), ("2026-11", "city", 20));
    assert_eq!(
        told[3..6].to_vec(),
        [
            ("2026-11-04", "-".to_owned()),
            ("2026-11-05", "0.75".to_owned()),
            ("2026-11-06", "1".to_owned()),
        ]
    );
    assert_eq!(sheet.lines[4].parts["receipt.passed_rate"], [6, 8]);
    // The day that runs is as of now.
    assert!(sheet.lines[19].is_running && !sheet.lines[18].is_running);
    assert_eq!(sheet.lines[19].until, bench.clock.now());
    // One dataset; one that had none.
    let of = |body: &str| DaysQuery { body: Some(body.to_owned()), ..DaysQuery::default() };
    assert_eq!(verdicts(&bench.days(of("dataset:d-one")).await), told);
    let other = bench.days(of("dataset:d-two")).await;
    assert!(verdicts(&other).iter().all(|(_, rate)| rate == "-"));
    assert_eq!(other.lines[4].measures["data.timely_rate"].to_string(), "0", "never confirmed");
    // One day of everybody.
    let day = Some("2026-11-05".to_owned());
    let one = DaysQuery { day: day.clone(), by: Some(By::Department), ..DaysQuery::default() };
    let sheet = bench.days(one).await;
    let ids: Vec<&str> = sheet.lines.iter().map(|it| it.id.as_str()).collect();
    assert_eq!((sheet.body.as_str(), ids), ("department", vec!["dep", "other"]));
    assert_eq!(verdicts(&sheet)[0], ("2026-11-05", "0.75".to_owned()));
    assert_eq!(verdicts(&sheet)[1], ("2026-11-05", "-".to_owned()));
    let sheet = bench.days(DaysQuery { day, ..DaysQuery::default() }).await;
    assert_eq!(verdicts(&sheet), [("2026-11-05", "0.75".to_owned())]);
}

#[tokio::test]
async fn a_day_that_is_none_has_not_begun_or_is_nobodys_is_told() {
    let bench = score::bench().await;
    let refused = async |day: Option<&str>, body: Option<&str>| {
        let query = DaysQuery {
            day: day.map(str::to_owned),
            body: body.map(str::to_owned),
            ..DaysQuery::default()
        };
        let answer = bench.ask(Request::Score(ScoreRequest::Days(query))).await;
        let Response::Failed(failure) = answer else { panic!("{answer:?}") };
        failure.code
    };
    assert_eq!(refused(Some("2026-11-31"), None).await, "E-SCORE-DAY");
    assert_eq!(refused(Some("2026-11-21"), None).await, "E-SCORE-DAY");
    assert_eq!(refused(Some("2027-02-01"), None).await, "E-SCORE-MONTH");
    assert_eq!(refused(None, Some("county:x")).await, "E-SCORE-BODY");
    // A month is judged for bodies alone.
    let query = crate::control::protocol::ScoreQuery {
        body: Some("dataset:d-one".to_owned()),
        ..Default::default()
    };
    let answer = bench.ask(Request::Score(ScoreRequest::Show(query))).await;
    let Response::Failed(failure) = answer else { panic!("{answer:?}") };
    assert_eq!(failure.code, "E-SCORE-BODY");
}
