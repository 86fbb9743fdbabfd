//! Scores of the daemon's own facts.

use super::*;
use crate::control::protocol::{
    Bring, BroughtKind, By, Points, ScoreAnswer, ScoreNote, ScoreQuery, ScoreRequest, ScoreSheet,
};

const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e,r,d-one,Housing contracts,dep,515100,每日,yes,no,no
f,,d-two,Pensions,other,515100,每月,yes,no,no
";
pub(super) const CASES: &str = "\
list,number,owner,opened,deadline,closed,proof
feedback,g-1,dep,2026-11-02,2026-11-10T18:00,,
feedback,g-2,other,2026-11-02,2026-11-10T18:00,2026-11-10T17:00,档 7
feedback,g-3,other,2026-11-02,2026-11-28,,
";

fn indicator() -> String {
    let schemes = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemes");
    format!(
        "{CONFIGURATION}\n[indicator]\nscheme = \"model-2026\"\nschemes = \"{}\"\nlists = \"lists\"\n\
         cities = \"cities.csv\"\nvalues = \"values\"\n",
        schemes.display()
    )
}

fn files(folder: &Path) {
    for below in ["lists", "values"] {
        std::fs::create_dir(folder.join(below)).unwrap();
    }
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("lists/obligations.csv", OBLIGATIONS);
    write("lists/kept.csv", "list,since\nfeedback,2026-11\n");
    write("values/11.csv", "name,month,body,value,source,date\nx,2026-11,city,1,通报,2026-11-18\n");
    write("cities.csv", "month,what,city,points,source\n2026-11,total,甲市,3,网站\n");
}

pub(super) async fn bench() -> Bench {
    Bench::start_beside(&indicator(), files).await
}

impl Bench {
    pub(super) async fn score(&self, request: ScoreRequest) -> ScoreAnswer {
        let answer = self.ask(Request::Score(request)).await;
        let Response::Score(answer) = answer else { panic!("{answer:?}") };
        answer
    }

    pub(super) async fn sheet(&self, query: ScoreQuery) -> ScoreSheet {
        let ScoreAnswer::Sheet(sheet) = self.score(ScoreRequest::Show(query)).await else {
            panic!("no sheet")
        };
        *sheet
    }

    pub(super) async fn bring(&self, kind: BroughtKind, text: &str) -> (u64, u64) {
        let bring = Bring { kind, file: "table.csv".to_owned(), text: text.to_owned() };
        let ScoreAnswer::Brought(it) = self.score(ScoreRequest::Bring(bring)).await else {
            panic!("not brought")
        };
        (it.facts, it.new)
    }
}

#[tokio::test]
async fn without_a_scheme_the_score_says_what_to_do() {
    let bench = Bench::start().await;
    let asked = ScoreRequest::Show(ScoreQuery::default());
    let Response::Failed(failure) = bench.ask(Request::Score(asked)).await else { panic!() };
    assert_eq!(failure.code, "E-SCORE-UNCONFIGURED");
    assert!(failure.next.unwrap().contains("[indicator]"));
}

#[tokio::test]
async fn what_is_brought_in_counts_once_and_is_an_act() {
    let bench = bench().await;
    assert_eq!(bench.bring(BroughtKind::Cases, CASES).await, (4, 4));
    assert_eq!(bench.bring(BroughtKind::Cases, CASES).await, (4, 0));
    let acts = bench.ledger().acts(5).await.unwrap();
    assert_eq!(acts[0].name, "score_import");
    assert!(acts[0].detail.starts_with("table.csv "), "{}", acts[0].detail);
    // Two of the three deadlines have passed at 11-20, one of them with the case open.
    let sheet = bench.sheet(ScoreQuery::default()).await;
    let item = |sheet: &ScoreSheet, id: &str| {
        sheet.items.iter().find(|it| it.id == id).unwrap().points.map(|it| it.to_string())
    };
    assert_eq!(item(&sheet, "feedback").as_deref(), Some("-0.2"));
    assert_eq!(sheet.month, "2026-11");
    assert_eq!(sheet.notes, [ScoreNote::Running]);
    // If nothing more happens the third is late as well.
    let later = sheet.at_cut_off.unwrap();
    assert_eq!(later, Points(sheet.total.0 - rust_decimal::Decimal::new(2, 1)));
    // As it was known before.
    let known_by = Some(bench.clock.now() - SignedDuration::from_hours(1));
    let before = bench.sheet(ScoreQuery { known_by, ..ScoreQuery::default() }).await;
    assert_eq!(item(&before, "feedback").as_deref(), Some("0"));
    assert_eq!(before.known_by, known_by);
}

#[tokio::test]
async fn a_loss_leads_to_who_has_to_act_and_to_the_facts() {
    let bench = bench().await;
    bench.bring(BroughtKind::Cases, CASES).await;
    let batch = bench.observe("d-one", 3).await;
    bench.take(&batch, taken()).await;
    let by = Some(By::Department);
    let sheet = bench.sheet(ScoreQuery { by, ..ScoreQuery::default() }).await;
    let of = |id: &str| sheet.bodies.iter().find(|it| it.id == id).unwrap();
    assert!(of("other").part_of_loss < of("dep").part_of_loss, "d-two was never confirmed");
    assert_eq!(of("dep").measures["data.timely_rate"].to_string(), "1");
    assert_eq!(of("other").measures["data.timely_rate"].to_string(), "0");
    let sum: rust_decimal::Decimal = sheet.bodies.iter().map(|it| it.part_of_loss.0).sum();
    assert_eq!(sum.round_dp(6), sheet.lost.0.round_dp(6), "the parts are the whole");
    let by = Some(By::Dataset);
    let sheet = bench.sheet(ScoreQuery { by, ..ScoreQuery::default() }).await;
    assert_eq!(sheet.bodies[0].id, "d-two");
    let item = Some("timely".to_owned());
    let answer =
        bench.ask(Request::Score(ScoreRequest::Show(ScoreQuery { item, ..ScoreQuery::default() })));
    let Response::Failed(failure) = answer.await else { panic!() };
    assert_eq!(failure.code, "E-SCORE-ITEM", "several items end so");
    let item = Some("data.timely".to_owned());
    let sheet = bench.sheet(ScoreQuery { item, ..ScoreQuery::default() }).await;
    let findings = &sheet.items[0].computed_from[0].findings;
    assert_eq!((findings[0].owner.as_str(), findings[0].subject.as_str()), ("other", "d-two"));
    let item = Some("feedback".to_owned());
    let sheet = bench.sheet(ScoreQuery { item, ..ScoreQuery::default() }).await;
    let finding = &sheet.items[0].computed_from[0].findings[0];
    let id = crate::fact::FactId::parse(&finding.evidence).unwrap();
    let fact = bench.ledger().fact(id).await.unwrap().unwrap();
    assert_eq!((fact.subject.as_str(), fact.kind.as_str()), ("g-1", "case-opened"));
}

#[tokio::test]
async fn the_daemon_ranks_and_plans_over_its_own_facts() {
    let bench = bench().await;
    bench.bring(BroughtKind::Cases, CASES).await;
    let ScoreAnswer::Rank(rank) = bench.score(ScoreRequest::Rank(ScoreQuery::default())).await
    else {
        panic!()
    };
    assert_eq!((rank.total.rank, rank.total.cities), (Some(2), Some(2)));
    assert!(rank.known_share.is_some());
    let query = ScoreQuery::default();
    let ScoreAnswer::Plan(plan) = bench.score(ScoreRequest::Recover(query)).await else { panic!() };
    let case = plan.planned.iter().find(|it| it.subject == "g-3").unwrap();
    assert_eq!((case.owner.as_str(), case.points.to_string().as_str()), ("other", "0.2"));
    assert!(plan.planned.iter().all(|it| it.subject != "g-1"), "its deadline has passed");
    let ScoreAnswer::Verified(it) = bench.score(ScoreRequest::Verify {}).await else { panic!() };
    assert!(it.facts >= 4 && it.problems.is_empty(), "{it:?}");
}

#[tokio::test]
async fn a_wrong_question_is_told_what_is_right() {
    let bench = bench().await;
    let ask = |change: fn(&mut ScoreQuery)| {
        let mut query = ScoreQuery::default();
        change(&mut query);
        bench.ask(Request::Score(ScoreRequest::Show(query)))
    };
    for (code, answer) in [
        ("E-SCORE-MONTH", ask(|it| it.month = Some("2025-01".to_owned())).await),
        ("E-SCORE-MONTH", ask(|it| it.month = Some("2026-12".to_owned())).await),
        ("E-SCORE-MONTH", ask(|it| it.scheme = Some("nobody".to_owned())).await),
        ("E-SCORE-BODY", ask(|it| it.body = Some("planet:mars".to_owned())).await),
        ("E-SCORE-ITEM", ask(|it| it.item = Some("nothing".to_owned())).await),
    ] {
        let Response::Failed(failure) = answer else { panic!("{code}") };
        assert_eq!(failure.code, code);
    }
}

impl Bench {
    /// Waits until the live score is of now.
    pub(super) async fn live(&self) -> Arc<crate::app::Shown> {
        let (crew, current) = (self.app.crew.clone(), Arc::clone(&self.app.current));
        let live = Arc::clone(&self.app.live);
        let serving = crate::app::judge::live::serve(crew, current, Arc::clone(&live));
        let mut serving = std::pin::pin!(serving);
        loop {
            tokio::select! {
                ended = &mut serving => panic!("{ended:?}"),
                () = tokio::task::yield_now() => {}
            }
            if let Some(shown) = live.shown().filter(|it| it.at == self.clock.now()) {
                return shown;
            }
        }
    }
}

#[tokio::test]
async fn datasets_show_three_words_with_their_trend() {
    let bench = bench().await;
    let asked = |only: Option<&str>| {
        let dataset = only.map(str::to_owned);
        Request::Datasets(DatasetQuery { dataset, ..DatasetQuery::default() })
    };
    let probed = |at: &str, succeeded, failed| ledger::NewFact {
        channel: None,
        subject: "resource:r".to_owned(),
        kind: crate::fact::Kind::Probed { succeeded, failed },
        occurred: at.parse().unwrap(),
        amends: None,
    };
    let facts = vec![
        probed("2026-10-12T01:00:00Z", 9, 1),
        probed("2026-11-12T01:00:00Z", 10, 0),
        probed("2026-11-13T01:00:00Z", 8, 2),
    ];
    bench.ledger().facts_recorded(facts).await.unwrap();
    bench.live().await;
    let Response::Datasets(all) = bench.ask(asked(None)).await else { panic!() };
    assert!(all.entries.len() > 1);
    assert!(all.entries.iter().all(|it| it.validity.as_ref().is_none_or(|it| it.days.is_empty())));
    let Response::Datasets(one) = bench.ask(asked(Some("d-one"))).await else { panic!() };
    let validity = one.entries[0].validity.as_ref().unwrap();
    let some = |text: &str| Some(Points(rust_decimal::Decimal::from_str_exact(text).unwrap()));
    // Nothing is mounted: the mean of that and of the probes.
    assert_eq!(validity.now.usability, some("0.45"));
    assert_eq!(validity.before.usability, some("0.45"));
    assert_eq!((validity.now.truth, validity.now.soundness), (None, None));
    let days: Vec<_> =
        validity.days.iter().map(|it| (it.day.to_string(), it.words.usability)).collect();
    assert_eq!(
        days,
        [("2026-11-12".to_owned(), some("1")), ("2026-11-13".to_owned(), some("0.8"))]
    );
}

#[tokio::test]
async fn the_live_score_is_shown_on_the_page_and_as_metrics() {
    let bench = bench().await;
    bench.bring(BroughtKind::Cases, CASES).await;
    let live = bench.live().await;
    let sheet = bench.sheet(ScoreQuery::default()).await;
    assert_eq!(Points(live.score.total), sheet.total);
    assert_eq!(Some(Points(live.at_cut_off)), sheet.at_cut_off);
    bench.office.refresh().await;
    let metrics = bench.office.metrics();
    assert!(metrics.contains("cascade_score_points{item=\"feedback\"} -0.2\n"), "{metrics}");
    let at_risk = metrics
        .lines()
        .find_map(|line| line.strip_prefix("cascade_score_points_at_risk{item=\"feedback\"} "));
    assert_eq!(at_risk, Some("0.2"), "the third case can still be closed in time");
    assert!(metrics.contains("cascade_score_measure{measure=\"data.timely_rate\"} 0\n"));
    let page = bench.office.page().unwrap();
    let score = page.score.as_ref().unwrap();
    assert_eq!(score.today, sheet.total.to_string());
    assert_eq!(score.at_cut_off, sheet.at_cut_off.unwrap().to_string());
    // The value that the configuration states has become a fact, once.
    let facts = bench.ledger().facts(0, 100).await.unwrap();
    let stated = facts.iter().filter(|(_, it)| it.kind.as_str() == "stated").count();
    assert_eq!(stated, 1);
    bench.live().await;
    assert_eq!(bench.ledger().facts(0, 100).await.unwrap().len(), facts.len());
}

#[tokio::test]
async fn the_forecast_of_the_running_month_is_asked_for_shown_and_measured() {
    let bench = bench().await;
    bench.bring(BroughtKind::Cases, CASES).await;
    let ask = async |seed| {
        let query = ScoreQuery { seed, ..ScoreQuery::default() };
        let ScoreAnswer::Forecast(sheet) = bench.score(ScoreRequest::Forecast(query)).await else {
            panic!("no forecast")
        };
        *sheet
    };
    let sheet = ask(None).await;
    let score = bench.sheet(ScoreQuery::default()).await;
    assert_eq!((sheet.today, sheet.month.as_str()), (score.total, "2026-11"));
    assert!(sheet.forecast.low <= sheet.forecast.expected);
    assert!(sheet.forecast.expected <= sheet.forecast.high);
    let feedback = sheet.items.iter().find(|it| it.id == "feedback").unwrap();
    assert_eq!(feedback.avoidable.to_string(), "0.2", "the third case can still be closed in time");
    // Another seed is another forecast; the same one is not made again within minutes.
    assert_eq!(ask(Some(1)).await, sheet);
    bench.bring(BroughtKind::Cases, &CASES.replace("g-3", "g-4")).await;
    assert_eq!(ask(None).await, sheet);
    bench.clock.advance(Duration::from_mins(5));
    let later = ask(None).await;
    assert_eq!(later.at, bench.clock.now());
    assert_eq!(
        later.items.iter().find(|it| it.id == "feedback").unwrap().avoidable.to_string(),
        "0.4"
    );
    // As it was known then, whoever asks.
    let known_by = Some(sheet.at);
    let query = ScoreQuery { known_by, ..ScoreQuery::default() };
    let ScoreAnswer::Forecast(then) = bench.score(ScoreRequest::Forecast(query)).await else {
        panic!("no forecast")
    };
    assert_eq!(then.at, sheet.at);
    // The page and the gauges say the same.
    bench.live().await;
    bench.office.refresh().await;
    assert!(bench.office.page().unwrap().score.as_ref().unwrap().forecast.is_none());
    let serving = crate::app::judge::ahead::serve(
        bench.app.crew.clone(),
        Arc::clone(&bench.app.current),
        Arc::clone(&bench.app.live),
    );
    let mut serving = std::pin::pin!(serving);
    while bench.app.live.foretold().is_none() {
        tokio::select! {
            ended = &mut serving => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    bench.office.refresh().await;
    let page = bench.office.page().unwrap();
    let shown = page.score.as_ref().unwrap().forecast.clone().unwrap();
    assert_eq!(shown.expected, later.forecast.expected.0.round_dp(2).normalize().to_string());
    assert_eq!(shown.at, later.at);
    let metrics = bench.office.metrics();
    for (bound, points) in [
        ("expected", later.forecast.expected),
        ("low", later.forecast.low),
        ("high", later.forecast.high),
    ] {
        let series = format!("cascade_score_forecast_points{{bound=\"{bound}\"}} {points}\n");
        assert!(metrics.contains(&series), "{series}{metrics}");
    }
    let series = format!("cascade_score_avoidable_points {}\n", later.avoidable);
    assert!(metrics.contains(&series), "{series}{metrics}");
}

#[tokio::test]
async fn closed_months_are_compared_with_what_was_published() {
    let bench = bench().await;
    bench.bring(BroughtKind::Cases, CASES).await;
    bench.live().await;
    let results = "month,item,points,source,date\n2026-11,feedback,-0.4,通报,2026-12-10\n\
                   2026-11,feedback,-0.6,更正,2026-12-12\n2026-11,nothing,1,通报,2026-12-10\n\
                   2026-10,feedback,0,通报,2026-11-10\n";
    bench.clock.advance(Duration::from_hours(24 * 12));
    bench.live().await;
    assert_eq!(bench.bring(BroughtKind::Results, results).await, (4, 4));
    assert_eq!(bench.bring(BroughtKind::Results, results).await, (4, 0));
    let query = ScoreQuery { month: Some("2026-11".to_owned()), ..ScoreQuery::default() };
    let ScoreAnswer::Calibration(sheet) = bench.score(ScoreRequest::Calibrate(query)).await else {
        panic!("no calibration")
    };
    let [item] = sheet.items.as_slice() else { panic!("{sheet:?}") };
    assert_eq!((item.item.as_str(), item.residual.as_str()), ("feedback", "too-few"));
    let of = |points: Option<Points>| points.unwrap().to_string();
    assert_eq!(of(item.months[0].computed), "-0.4");
    assert_eq!(
        (item.months[0].published.to_string(), of(item.months[0].residual)),
        ("-0.6".into(), "-0.2".into())
    );
    assert_eq!(item.months[0].source, "更正", "the later day counts");
    let unplaced: Vec<(&str, &str)> =
        sheet.unplaced.iter().map(|it| (it.month.as_str(), it.item.as_str())).collect();
    assert_eq!(unplaced, [("2026-10", "feedback"), ("2026-11", "nothing")]);
    // A published result is no value of a score.
    let sheet =
        bench.sheet(ScoreQuery { month: Some("2026-11".to_owned()), ..ScoreQuery::default() });
    let used: Vec<String> = sheet
        .await
        .items
        .iter()
        .flat_map(|it| &it.computed_from)
        .map(|it| it.name.clone())
        .collect();
    assert!(used.iter().all(|it| !it.contains("result:")), "{used:?}");
}

#[tokio::test]
async fn what_is_doubted_is_told_with_its_fact_and_explained() {
    let bench = bench().await;
    let requests = "list,number,owner,opened,deadline,closed,proof\n\
                    requests,q-1,dep,2026-11-02T09:00,2026-11-10T18:00,2026-11-02T09:03,回函\n";
    bench.bring(BroughtKind::Cases, requests).await;
    let ScoreAnswer::Doubts(sheet) = bench.score(ScoreRequest::Doubts(ScoreQuery::default())).await
    else {
        panic!("no doubts")
    };
    let [line] = sheet.doubts.as_slice() else { panic!("{sheet:?}") };
    assert_eq!(
        (line.doubt.as_str(), line.subject.as_str(), line.owner.as_str()),
        ("self-made", "q-1", "dep")
    );
    let id = crate::fact::FactId::parse(&line.evidence).unwrap();
    assert_eq!(bench.ledger().fact(id).await.unwrap().unwrap().subject, "q-1");
    let other = ScoreQuery { body: Some("department:other".to_owned()), ..ScoreQuery::default() };
    let ScoreAnswer::Doubts(none) = bench.score(ScoreRequest::Doubts(other)).await else {
        panic!()
    };
    assert!(none.doubts.is_empty());
    let sheet = bench.sheet(ScoreQuery::default()).await;
    let figures = sheet.items.iter().flat_map(|it| &it.computed_from);
    let doubted: Vec<&str> = figures
        .flat_map(|it| &it.findings)
        .filter(|it| it.subject == "q-1")
        .map(|it| it.doubt.as_str())
        .collect();
    assert!(!doubted.is_empty() && doubted.iter().all(|it| *it == "self-made"), "{doubted:?}");
}

#[tokio::test]
async fn a_month_is_closed_once_and_late_facts_amend_it_with_a_trace() {
    let bench = bench().await;
    bench.bring(BroughtKind::Cases, CASES).await;
    bench.live().await;
    // November is over: the second and the third case have missed their deadlines or not.
    bench.clock.advance(Duration::from_hours(24 * 12));
    bench.live().await;
    let month = Some("2026-11".to_owned());
    let query = ScoreQuery { month, ..ScoreQuery::default() };
    let sheet = bench.sheet(query.clone()).await;
    let closed = sheet.closed.clone().unwrap();
    assert_eq!((closed.total, closed.change.to_string()), (sheet.total, "0".to_owned()));
    assert!(!closed.judged_otherwise);
    // It becomes known later that the third was dealt with in time.
    let late = "list,number,owner,opened,deadline,closed,proof\n\
                feedback,g-3,other,2026-11-02,2026-11-28,2026-11-27T09:00,档 9\n";
    assert_eq!(bench.bring(BroughtKind::Cases, late).await, (2, 1));
    let amended = bench.sheet(query.clone()).await;
    let closed = amended.closed.clone().unwrap();
    assert_eq!((closed.late_facts, closed.change.to_string()), (1, "0.2".to_owned()));
    assert_eq!(closed.total, sheet.total, "what was closed stays");
    bench.live().await;
    let ScoreAnswer::Verified(it) = bench.score(ScoreRequest::Verify {}).await else { panic!() };
    assert_eq!((it.months, it.problems.len()), (1, 0), "{it:?}");
    // Somebody makes the closed month better than it was.
    let path = bench.ledger().folder().join("ledger.sqlite");
    let connection = rusqlite::Connection::open(path).unwrap();
    let changed = connection
        .execute("UPDATE period SET body = replace(body, 'total ', 'total 1')", [])
        .unwrap();
    assert_eq!(changed, 1);
    let ScoreAnswer::Verified(it) = bench.score(ScoreRequest::Verify {}).await else { panic!() };
    let of = "2026-11 by model-2026: ";
    assert_eq!(it.problems[0], format!("{of}what is kept is not what was closed"));
    // Computing it again says so, too.
    assert!(it.problems[1].starts_with(&format!("{of}closed with `total 1")), "{it:?}");
}
