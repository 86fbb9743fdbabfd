//! The conformance kit over every standard that is shipped, over one that is invented here, and
//! against platforms that lack something.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cascaded::clock::Clock;
use cascaded::rehearsal::certificates::Certificates;
use cascaded::rehearsal::conformance::{self, Outcome, Report, Stage, Target, Trial};
use cascaded::rehearsal::{Fault, Platform, Play, Settings};
use cascaded::supervisor::Supervisor;

fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards");
    let folders = |at: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let mut found: Vec<PathBuf> = folders(&root).iter().flat_map(|id| folders(id)).collect();
    found.retain(|path| path.join("standard.toml").exists());
    found.sort();
    found
}

async fn run(standard: &Path, plays: &Path) -> Report {
    let clock = Clock::system();
    let supervisor = Supervisor::new(clock.clone(), 1);
    let mut progress = |_: &Outcome| {};
    let stage = Stage { clock: &clock, supervisor: &supervisor, tables: &[] };
    let with = (7, BTreeMap::new());
    Box::pin(conformance::rehearse(standard, plays, with, stage, &mut progress)).await.unwrap()
}

fn failures(report: &Report) -> BTreeMap<&str, &str> {
    let failed = report.outcomes.iter();
    failed.filter_map(|it| Some((it.name.as_str(), it.fault.as_deref()?))).collect()
}

fn names(report: &Report) -> BTreeSet<&str> {
    failures(report).into_keys().collect()
}

#[tokio::test]
async fn the_stand_in_conforms_to_every_standard_that_is_shipped() {
    let mut all = 0;
    for standard in shipped() {
        let report = run(&standard, &standard).await;
        println!("{}: {}", report.standard, report.verdict());
        assert_eq!(failures(&report), BTreeMap::new(), "{}", report.standard);
        let count = report.outcomes.len();
        assert!(count >= 20, "{}: only {count} tests", report.standard);
        let numbers: Vec<usize> = report.outcomes.iter().map(|outcome| outcome.number).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
        all += count;
    }
    assert!(all >= 150, "only {all} tests in all");
}

/// The shipped XML model, copied so that it can be changed.
fn copied() -> tempfile::TempDir {
    copied_of("reference-xml/1.0")
}

fn copied_of(standard: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards").join(standard);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(from.join("standard.toml"), folder.path().join("standard.toml")).unwrap();
    for part in ["messages", "replies", "codes"] {
        if !from.join(part).exists() {
            continue;
        }
        std::fs::create_dir(folder.path().join(part)).unwrap();
        for entry in std::fs::read_dir(from.join(part)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(part).join(entry.file_name())).unwrap();
        }
    }
    folder
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

/// A platform that plays the standard as it was is tried by one that demands more.
#[tokio::test]
async fn what_a_platform_does_not_hold_to_fails_and_nothing_else() {
    let plays = copied();
    let demands = copied();
    let at = demands.path();
    let entry = "messages/entry.csv";
    edit(at, entry, "entry.title,text,,200,yes", "entry.title,text,,30,yes");
    edit(at, entry, "entry.related_code,text,,200,no", "entry.related_code,text,,200,yes");
    edit(at, "standard.toml", "tolerance = \"5m\"", "tolerance = \"1m\"");
    edit(at, "standard.toml", "rows = 5000", "rows = 100");
    let cycles = std::fs::read_to_string(at.join("codes/update_cycle.csv")).unwrap();
    std::fs::write(at.join("codes/update_cycle.csv"), cycles + "hourly,77,\n").unwrap();
    let report = run(at, plays.path()).await;
    let title = |verb: &str| format!("entry.{verb}/long/Catalog/ResourceName");
    let related = |verb: &str| format!("entry.{verb}/missing/Catalog/RelatedCode");
    let mut expected = vec![
        "organisation.register/time/stale".to_owned(),
        "organisation.register/time/ahead".to_owned(),
        "rows.upsert/limit/rows".to_owned(),
        "entry.register/code-77/Catalog/UpdateCycle".to_owned(),
    ];
    for verb in ["register", "modify", "cancel"] {
        expected.extend([title(verb), related(verb)]);
    }
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    // An object whose cancellation is taken where it should not be is gone for what comes after.
    let after = |name: &&str| name.starts_with("entry.cancel/");
    let found = names(&report);
    let missed: Vec<_> = expected.difference(&found).collect();
    assert!(missed.is_empty(), "{missed:?} of {:?}", failures(&report));
    let more: Vec<_> = found.difference(&expected).copied().filter(|it| !after(it)).collect();
    assert!(more.is_empty(), "{more:?}");
    assert_eq!(report.failed(), found.len());
    assert!(report.verdict().ends_with(&format!("{} failed", found.len())));
}

/// A front database whose judge demands less than the tables that it is tried by.
#[tokio::test]
async fn what_a_front_database_does_not_judge_fails_and_nothing_else() {
    let (plays, demands) = (copied_of("front-tables/3.0"), copied_of("front-tables/3.0"));
    let column = "columns.xzqhdm,行政区划代码,rows.upsert,,object.region,text,,";
    let strict = format!("{column}=6,yes");
    edit(plays.path(), "messages/rows.csv", &strict, &format!("{column},no"));
    edit(plays.path(), "standard.toml", "rows = 500 ", "rows = 5000 ");
    let report = run(demands.path(), plays.path()).await;
    let both = |what: &str| ["matter", "step"].map(|it| format!("rehearsal_{it}/{what}/xzqhdm"));
    let expected = [both("missing"), both("long"), both("short")].concat();
    let mut expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    expected.insert("rehearsal_matter/limit/over");
    assert_eq!(names(&report), expected, "{:?}", failures(&report));
}

/// A front database that names a column otherwise, and has rows that keep to no rule.
#[tokio::test]
async fn what_a_down_link_database_does_not_offer_fails_and_nothing_else() {
    let (plays, demands) = (copied_of("region-tables/1.0"), copied_of("region-tables/1.0"));
    let file = "replies/resource_apply_review.csv";
    edit(plays.path(), file, "revirew_user,", "reviewUser,");
    edit(
        plays.path(),
        "replies/resource_file.csv",
        "operate_date,操作时间,ignore,time",
        "operate_date,操作时间,ignore,text",
    );
    let report = run(demands.path(), plays.path()).await;
    let expected = BTreeSet::from([
        "resource_apply_review/column/revirew_user",
        "resource_apply_review/unlisted",
        "resource_file/column/operate_date",
    ]);
    assert_eq!(names(&report), expected, "{:?}", failures(&report));
}

/// A platform that gives receipts and keeps nothing, tried over the line as a stranger's would be.
#[tokio::test]
async fn a_platform_that_forgets_what_it_took_is_found_out() {
    let standard = copied();
    let clock = Clock::system();
    let supervisor = Supervisor::new(clock.clone(), 1);
    let certificates = Certificates::generate().unwrap();
    let credentials: BTreeMap<String, String> =
        [("requester", "city"), ("secret", "s3cret-s3cret")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into();
    let mut settings = Settings::new(
        standard.path().to_owned(),
        certificates.server.clone(),
        certificates.stranger.clone(),
    );
    settings.credentials.clone_from(&credentials);
    let platform = Platform::start(settings, clock.clone(), &supervisor).await.unwrap();
    platform.faults().play(Play::always("rows.upsert", Fault::ReceiptWithoutStoring));
    let trial = Trial {
        standard: standard.path().to_owned(),
        target: Some(Target {
            url: platform.url(),
            authority: Some(certificates.authority.clone()),
            client: None,
        }),
        front: None,
        tables: Vec::new(),
        credentials,
        values: BTreeMap::from([("organisation.region".to_owned(), "510100".to_owned())]),
        seed: 11,
    };
    let mut seen = 0;
    let mut progress = |_: &Outcome| seen += 1;
    let report = Box::pin(conformance::examine(trial, &clock, &mut progress)).await.unwrap();
    assert_eq!(seen, report.outcomes.len());
    let found = names(&report);
    for name in ["inventory.keys/pages/resource", "batch.receipt/valid", "rows.upsert/reused"] {
        assert!(found.contains(name), "{name} in {found:?}");
    }
    let about_rows =
        |name: &&str| ["rows.", "batch.", "inventory."].iter().any(|start| name.starts_with(start));
    assert!(found.iter().all(about_rows), "{found:?}");
    for text in [report.html(), report.markdown()] {
        assert!(text.contains("510100"));
        assert!(!text.contains("s3cret-s3cret"), "a secret stands in the report");
        assert!(text.contains(&report.verdict()));
    }
}

/// Answers that are arrays with their code in a header, forms, other methods, a signature in the query, a password: no line of it in `src`.
#[tokio::test]
async fn a_standard_that_is_different_in_every_way_is_tried_as_well() {
    let standard = crate::sixth::standard();
    let report = run(&standard, &standard).await;
    println!("{}: {}", report.standard, report.verdict());
    assert_eq!(failures(&report), BTreeMap::new());
    assert!(report.outcomes.len() >= 40, "only {}", report.outcomes.len());
    let has = |name: &str| report.outcomes.iter().any(|outcome| outcome.name == name);
    for name in [
        "resource.register/missing/[].set",
        "resource.register/misplaced/[].set",
        "resource.register/type/[].open",
        "resource.register/unknown/[].work",
        "rows.verdict/least",
        "entry.register/signature/wrong",
        "resource.state/nobody",
        "resource.state/gone",
        "rows.upsert/rows/twice",
        "rows.upsert/limit/bytes",
        "rows.verdict/valid",
        "entry.modify/valid",
        "inventory.keys/pages/resource",
        "heartbeat/valid",
    ] {
        assert!(has(name), "no test {name}");
    }
}
