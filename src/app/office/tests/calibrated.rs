//! Computed against published over several months that a real ledger closed one after the other.

use super::score::bench;
use super::*;
use crate::control::protocol::{
    BroughtKind, CalibratedLine, Points, ScoreAnswer, ScoreQuery, ScoreRequest,
};

/// Cases of a month that nobody deals with, each of which costs 0.2.
fn cases(month: &str, count: u32) -> String {
    let row = |at| format!("feedback,{month}-{at},dep,{month}-02,{month}-15T18:00,,\n");
    "list,number,owner,opened,deadline,closed,proof\n".to_owned()
        + &(0..count).map(row).collect::<String>()
}

fn results(day: &str, points: [&str; 3]) -> String {
    let months = ["2026-11", "2026-12", "2027-01"].into_iter().zip(points);
    let row = |(month, points)| format!("{month},feedback,{points},通报,{day}\n");
    "month,item,points,source,date\n".to_owned() + &months.map(row).collect::<String>()
}

impl Bench {
    async fn calibrated(&self) -> CalibratedLine {
        let query = ScoreQuery { month: Some("2027-01".to_owned()), ..ScoreQuery::default() };
        let answer = self.score(ScoreRequest::Calibrate(query)).await;
        let ScoreAnswer::Calibration(sheet) = answer else { panic!("{answer:?}") };
        let [item] = <[CalibratedLine; 1]>::try_from(sheet.items).unwrap();
        item
    }
}

#[tokio::test]
async fn several_closed_months_tell_a_constant_a_share_and_what_moves() {
    let bench = bench().await;
    // November, December and January, each lived through and closed when it was over.
    for (month, count, days) in [("2026-11", 2, 14), ("2026-12", 1, 30), ("2027-01", 3, 30)] {
        bench.bring(BroughtKind::Cases, &cases(month, count)).await;
        bench.live().await;
        bench.clock.advance(Duration::from_hours(24 * days));
        bench.live().await;
    }
    let closed = bench.ledger().periods().await.unwrap();
    let months: Vec<&str> = closed.iter().map(|it| it.month.as_str()).collect();
    assert_eq!(months, ["2026-11", "2026-12", "2027-01"]);
    let shown = |it: &Option<Points>| it.map_or("-".to_owned(), |it| it.to_string());
    for (day, published, verdict, by, residuals) in [
        ("2027-02-02", ["-0.5", "-0.3", "-0.7"], "stable", "-0.1", ["-0.1", "-0.1", "-0.1"]),
        ("2027-02-03", ["-0.6", "-0.3", "-0.9"], "scaled", "1.5", ["-0.2", "-0.1", "-0.3"]),
        ("2027-02-04", ["-0.4", "-0.2", "-0.6"], "agrees", "-", ["0", "0", "0"]),
        ("2027-02-05", ["-0.4", "-1", "-0.6"], "moves", "-", ["0", "-0.8", "0"]),
    ] {
        let table = results(day, published);
        assert_eq!(bench.bring(BroughtKind::Results, &table).await, (3, 3));
        let item = bench.calibrated().await;
        assert_eq!((item.residual.as_str(), shown(&item.by)), (verdict, by.to_owned()), "{day}");
        let computed: Vec<String> = item.months.iter().map(|it| shown(&it.computed)).collect();
        assert_eq!(computed, ["-0.4", "-0.2", "-0.6"]);
        let history: Vec<String> = item.months.iter().map(|it| shown(&it.residual)).collect();
        assert_eq!(history, residuals, "{day}: what was published last counts");
    }
}
