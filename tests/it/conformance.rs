//! The conformance kit over every standard that is shipped, and against platforms that lack
//! something.

use std::path::{Path, PathBuf};

use cascaded::clock::Clock;
use cascaded::rehearsal::conformance::{self, Outcome, Report};
use cascaded::supervisor::Supervisor;

fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards");
    let folders = |at: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.join("standard.toml").exists() || path.is_dir()).collect()
    };
    let mut found: Vec<PathBuf> = folders(&root)
        .iter()
        .flat_map(|id| folders(id))
        .filter(|path| path.join("standard.toml").exists())
        .collect();
    found.sort();
    found
}

async fn run(standard: &Path, plays: &Path) -> Report {
    let clock = Clock::system();
    let supervisor = Supervisor::new(clock.clone(), 1);
    let mut progress = |_: &Outcome| {};
    conformance::rehearse(standard, plays, 7, (&clock, &supervisor), &mut progress).await.unwrap()
}

fn failures(report: &Report) -> Vec<String> {
    let failed = report.outcomes.iter().filter(|outcome| outcome.fault.is_some());
    failed.map(|it| format!("{} {}", it.name, it.fault.as_deref().unwrap_or_default())).collect()
}

#[tokio::test]
async fn the_stand_in_conforms_to_every_standard_that_is_shipped() {
    let mut all = 0;
    for standard in shipped() {
        let report = run(&standard, &standard).await;
        println!("{}: {}", report.standard, report.verdict());
        assert_eq!(failures(&report), Vec::<String>::new(), "{}", report.standard);
        let count = report.outcomes.len();
        assert!(count >= 20, "{}: only {count} tests", report.standard);
        all += count;
    }
    assert!(all >= 150, "only {all} tests in all");
}
