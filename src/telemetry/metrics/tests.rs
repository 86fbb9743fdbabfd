//! What a scrape sees.

use super::*;
use crate::delivery::StandardId;
use crate::indicator::freshness::State;

const CODES: [&str; 2] = ["province-unreachable", "spool-full"];

fn dataset(channel: &str, name: &str) -> DatasetLabels {
    DatasetLabels { channel: channel.into(), dataset: name.to_owned(), grade: Evidence::RowVerdict }
}

fn declared(limit: usize, names: &[&str]) -> Metrics {
    let metrics = Metrics::new(limit, &CODES);
    let datasets: Vec<DatasetLabels> = names.iter().map(|name| dataset("upper", name)).collect();
    metrics.declare(&["upper".into()], &datasets);
    metrics
}

fn snapshot_of(name: &str, queued: u64, confirmed: Option<i64>) -> DatasetSnapshot {
    DatasetSnapshot {
        channel: "upper".into(),
        dataset: name.to_owned(),
        confirmed: confirmed.map(|second| Timestamp::from_second(second).unwrap()),
        deadline: None,
        rows_due: queued,
        rows_queued: queued,
        source_lag: Some(Duration::from_secs(queued)),
        mismatched_rows: 0,
        rejected_rows: 0,
        freshness: State::Fresh,
        overdue: None,
        warnings: 0,
    }
}

/// So many datasets, the later the worse.
fn all_overdue(count: u64) -> Vec<DatasetSnapshot> {
    (0..count)
        .map(|at| DatasetSnapshot {
            freshness: State::Overdue { since: Timestamp::UNIX_EPOCH },
            overdue: Some(Duration::from_secs(at)),
            rejected_rows: at,
            ..snapshot_of(&format!("d-{at}"), at, None)
        })
        .collect()
}

fn channel_snapshot() -> ChannelSnapshot {
    ChannelSnapshot {
        channel: "upper".into(),
        standards: vec![StandardId::from("model/1.0")],
        oldest_unacknowledged: Some(Duration::from_secs(7)),
        batches: vec![(BatchState::Queued, 3)],
        links: vec![(Kind::Entry, LinkState::InReview, 6)],
        holds: 1,
        late_batches: 0,
        late_links: 2,
        drift: vec![(Drift::ReplyCode, 18)],
        silent: Some(Duration::from_secs(90)),
        allowed: 3,
        is_plain: true,
        certificates: vec![(CertificateHolder::Ours, Timestamp::from_second(300).unwrap())],
    }
}

/// The value of one series, as text.
fn value<'a>(page: &'a str, series: &str) -> Option<&'a str> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

#[test]
fn every_family_has_help_and_a_type_as_soon_as_anything_is_configured() {
    let metrics = declared(10, &["5119-0207"]);
    metrics.show(&Snapshot {
        channels: vec![channel_snapshot()],
        datasets: all_overdue(2),
        interfaces: vec![("api".to_owned(), Some(Duration::from_secs(90)))],
        unapproved: vec![("obligations", 1)],
        points: vec![("sharing.fresh".to_owned(), 2.71)],
        measures: vec![("data.timely_rate".to_owned(), 0.9)],
        score_known: Some((0.82, 95.1)),
        score_forecast: Some(ForecastSnapshot {
            expected: 95.0,
            low: 93.5,
            high: 96.0,
            avoidable: 0.4,
        }),
        points_at_risk: vec![("sharing.fresh".to_owned(), 0.29)],
        watching: Some(WatchSnapshot {
            objects: vec![("upper".into(), 3)],
            rows: vec![("upper".into(), 7)],
        }),
        ferries: vec![FerrySnapshot {
            ferry: "gap".to_owned(),
            missing: 1,
            ..FerrySnapshot::default()
        }],
        takeovers: vec![TakeoverSnapshot {
            channel: "upper".into(),
            objects: vec![("matched", 4), ("duplicate", 0)],
        }],
        counties: vec![CountySnapshot {
            county: "tongjiang".to_owned(),
            waiting: 3,
            last_batch: Some(Timestamp::from_second(300).unwrap()),
            refused: 1,
            busy: 2,
        }],
        ..Snapshot::default()
    });
    let page = metrics.render();
    let families = include_str!("families.rs");
    let names: Vec<&str> =
        families.split('"').filter(|text| text.starts_with("cascade_")).collect();
    assert!(names.len() >= 15, "{names:?}");
    for name in names {
        let help = format!("# HELP {name} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&help));
        assert!(line.is_some_and(|help| help.len() > 10), "{name} has no help:\n{page}");
        assert!(page.contains(&format!("# TYPE {name} ")), "{name} has no type");
    }
}

#[test]
fn every_series_of_a_configured_dataset_exists_at_zero_before_anything_happens() {
    let page = declared(10, &["a"]).render();
    let at = r#"{channel="upper",dataset="a""#;
    for series in [
        format!("cascade_rows_rejected_total{at},kind=\"local\"}}"),
        format!("cascade_rows_confirmed_total{at},grade=\"row-verdict\"}}"),
        format!("cascade_rows_placed_total{at}}}"),
        format!("cascade_dataset_confirmed_timestamp_seconds{at}}}"),
        "cascade_failures_total{code=\"spool-full\"}".to_owned(),
        "cascade_attempts_total{channel=\"upper\",outcome=\"unknown\"}".to_owned(),
        "cascade_spool_bytes".to_owned(),
    ] {
        assert_eq!(value(&page, &series), Some("0"), "{series}\n{page}");
    }
    assert!(!page.contains("other"), "nothing is over the limit:\n{page}");
}

#[test]
fn a_gauge_goes_to_zero_when_the_ledger_no_longer_speaks_of_it() {
    let metrics = declared(10, &["a"]);
    metrics.show(&Snapshot { channels: vec![channel_snapshot()], ..Snapshot::default() });
    let queued = r#"cascade_batches{channel="upper",state="queued"}"#;
    let standard = r#"cascade_standard_info{channel="upper",standard="model/1.0"}"#;
    let page = metrics.render();
    assert_eq!((value(&page, queued), value(&page, standard)), (Some("3"), Some("1")));
    metrics.show(&Snapshot::default());
    let page = metrics.render();
    assert_eq!((value(&page, queued), value(&page, standard)), (Some("0"), Some("0")));
}

#[test]
fn datasets_beyond_the_limit_share_a_series_in_which_counts_add_and_the_worst_time_shows() {
    let metrics = declared(1, &["a", "b", "c"]);
    for name in ["a", "b", "c"] {
        metrics.confirmed(&"upper".into(), name, Evidence::RowVerdict, 5);
    }
    metrics.show(&Snapshot {
        datasets: vec![
            snapshot_of("a", 1, Some(100)),
            snapshot_of("b", 2, Some(300)),
            snapshot_of("c", 4, Some(200)),
        ],
        ..Snapshot::default()
    });
    let page = metrics.render();
    let other = |family: &str| format!("{family}{{channel=\"upper\",dataset=\"other\"}}");
    assert_eq!(value(&page, &other("cascade_rows_queued")), Some("6"));
    assert_eq!(value(&page, &other("cascade_source_lag_seconds")), Some("4"));
    assert_eq!(value(&page, &other("cascade_dataset_confirmed_timestamp_seconds")), Some("200"));
    let confirmed =
        r#"cascade_rows_confirmed_total{channel="upper",dataset="other",grade="row-verdict"}"#;
    assert_eq!(value(&page, confirmed), Some("10"));
    assert!(!page.contains("dataset=\"b\""), "{page}");
}

#[test]
fn a_name_that_nobody_configured_makes_no_series_of_its_own() {
    let metrics = declared(10, &["a"]);
    metrics.rejected(&"nobody".into(), "stranger", RejectKind::Refused, 1);
    let page = metrics.render();
    assert!(!page.contains("nobody") && !page.contains("stranger"), "{page}");
}

#[test]
fn series_of_a_dataset_that_a_reload_removed_end_and_the_others_keep_their_values() {
    let metrics = declared(10, &["a", "b"]);
    metrics.confirmed(&"upper".into(), "a", Evidence::RowVerdict, 5);
    metrics.confirmed(&"upper".into(), "b", Evidence::RowVerdict, 7);
    metrics.declare(&["upper".into()], &[dataset("upper", "a")]);
    let page = metrics.render();
    let kept = r#"cascade_rows_confirmed_total{channel="upper",dataset="a",grade="row-verdict"}"#;
    assert_eq!(value(&page, kept), Some("5"));
    assert!(!page.contains("dataset=\"b\""), "{page}");
}

#[test]
fn rows_that_were_only_placed_never_count_as_confirmed() {
    let metrics = declared(10, &["a"]);
    metrics.confirmed(&"upper".into(), "a", Evidence::Placed, 9);
    let page = metrics.render();
    let placed = r#"cascade_rows_placed_total{channel="upper",dataset="a"}"#;
    assert_eq!(value(&page, placed), Some("9"));
    assert!(!page.contains("grade=\"placed\""), "{page}");
}

#[test]
fn of_ten_thousand_datasets_the_worst_are_named_and_the_series_stay_few() {
    let metrics = Metrics::new(200, &CODES);
    let names: Vec<DatasetLabels> =
        (0..10_000).map(|at| dataset("upper", &format!("d-{at}"))).collect();
    metrics.declare(&["upper".into()], &names);
    metrics.show(&Snapshot { datasets: all_overdue(10_000), ..Snapshot::default() });
    let page = metrics.render();
    let overdue = r#"cascade_datasets{channel="upper",freshness="overdue"}"#;
    assert_eq!(value(&page, overdue), Some("10000"));
    for family in ["cascade_worst_overdue_seconds", "cascade_worst_rejected_rows"] {
        let worst = format!("{family}{{channel=\"upper\",dataset=\"d-9999\"}}");
        assert_eq!(value(&page, &worst), Some("9999"), "{worst}");
        let series = page.lines().filter(|line| line.starts_with(&format!("{family}{{")));
        assert_eq!(series.count(), WORST);
    }
    let series = page.lines().filter(|line| line.starts_with("cascade_")).count();
    assert!(series < 3_000, "{series}");
    // Who is no longer among the worst has no series any more.
    metrics.show(&Snapshot { datasets: all_overdue(1), ..Snapshot::default() });
    let page = metrics.render();
    assert_eq!(page.matches("cascade_worst_overdue_seconds{").count(), 1, "{page}");
    assert!(!page.contains("d-9999"));
}

#[test]
fn a_silent_channel_and_an_ending_certificate_show_and_go_back_to_zero() {
    let metrics = declared(10, &["a"]);
    let silent = r#"cascade_channel_silent_seconds{channel="upper"}"#;
    let ours = r#"cascade_certificate_expiry_timestamp_seconds{channel="upper",holder="ours"}"#;
    let page = metrics.render();
    assert_eq!((value(&page, silent), value(&page, ours)), (Some("0"), Some("0")));
    metrics.show(&Snapshot { channels: vec![channel_snapshot()], ..Snapshot::default() });
    let page = metrics.render();
    assert_eq!((value(&page, silent), value(&page, ours)), (Some("90"), Some("300")));
    assert_eq!(value(&page, r#"cascade_channel_allowed_requests{channel="upper"}"#), Some("3"));
}
