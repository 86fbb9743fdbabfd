//! Broken standards met through the real program: each is refused with file, row, reason and a
//! code, and the one in force goes on.

use std::path::Path;

use cascaded::clock::Clock;
use cascaded::control::protocol::{Listing, Standard, Status};
use cascaded::demo::{STANDARD, Scale, standards_folder};

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, Speech, command};
use crate::support::town::copy;

/// File, text, what it becomes; then what the program must say.
struct Break {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    said: &'static [&'static str],
}

/// Every way of breaking a standard that a person is likely to find.
const BREAKS: [Break; 8] = [
    Break {
        file: "messages/entry.csv",
        from: "code,,,yes,update_cycle,",
        to: "code,,,yes,update_cycles,",
        said: &[
            "messages/entry.csv row 19",
            "there is no table `codes/update_cycles.csv`",
            "did you mean `update_cycle`",
            "E-STANDARD-FILE",
        ],
    },
    Break {
        file: "messages/entry.csv",
        from: ",entry.title,",
        to: ",entry.titel,",
        said: &["messages/entry.csv row 6", "no such value `entry.titel`", "E-STANDARD-VALUE"],
    },
    Break {
        file: "messages/entry.csv",
        from: "Catalog/Abstract",
        to: "Catalog//Abstract",
        said: &["messages/entry.csv row 12", "empty step", "E-STANDARD-PATH"],
    },
    Break {
        file: "messages/entry.csv",
        from: "entry.share_type == conditional",
        to: "entry.sharetype == conditional",
        said: &["messages/entry.csv row 15", "entry.sharetype", "E-STANDARD-CONDITION"],
    },
    Break {
        file: "standard.toml",
        from: "needs = [\"category\"]",
        to: "needs = [\"category\", \"resource\"]",
        said: &["standard.toml row ", "category, entry, resource", "E-STANDARD-CYCLE"],
    },
    Break {
        file: "standard.toml",
        from: "message = \"heartbeat\"",
        to: "message = \"../../../heartbeat\"",
        said: &["standard.toml row ", "leaves the folder `messages`", "E-STANDARD-OUTSIDE"],
    },
    Break {
        file: "codes/entry.share_type.csv",
        from: "conditional,1,有条件共享",
        to: "",
        said: &["codes/entry.share_type.csv", "lacks conditional", "E-STANDARD-CODES"],
    },
    Break {
        file: "standard.toml",
        from: "timeout = \"30s\"",
        to: "timeout = \"soon\"",
        said: &["standard.toml row ", "http.timeout", "E-STANDARD-KEY"],
    },
];

fn break_it(directory: &Path, how: &Break) {
    let path = directory.join(how.file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(how.from), "{}: {}", how.file, how.from);
    // `unconditional` ends with `conditional`: only whole lines may go.
    let text = if how.to.is_empty() {
        let kept = text.lines().filter(|line| *line != how.from);
        kept.map(|line| format!("{line}\n")).collect()
    } else {
        text.replacen(how.from, how.to, 1)
    };
    std::fs::write(path, text).unwrap();
}

#[test]
fn each_broken_directory_is_refused_with_file_row_and_reason() {
    let shipped = standards_folder().unwrap().join(STANDARD);
    for how in &BREAKS {
        let place = tempfile::tempdir().unwrap();
        copy(&shipped, place.path());
        break_it(place.path(), how);
        let words = ["standard", "diff", shipped.to_str().unwrap(), place.path().to_str().unwrap()];
        let said = command(Speech::English, &words);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}: {said:?}", how.to);
        for text in how.said {
            assert!(said.err.contains(text), "{text} is not in {}", said.err);
        }
    }
    // A missing file, and a link that leads out of the directory.
    let place = tempfile::tempdir().unwrap();
    copy(&shipped, place.path());
    let (table, words) = (place.path().join("messages/heartbeat.csv"), place.path());
    let words = ["standard", "diff", shipped.to_str().unwrap(), words.to_str().unwrap()];
    std::fs::remove_file(&table).unwrap();
    let said = command(Speech::English, &words);
    assert!(said.err.contains("there is no table `messages/heartbeat.csv`"), "{said:?}");
    std::os::unix::fs::symlink("/etc/passwd", &table).unwrap();
    let said = command(Speech::English, &words);
    assert!(said.err.contains("heartbeat.csv is not a plain file"), "{said:?}");
    assert!(said.err.contains("E-STANDARD-OUTSIDE") && !said.err.contains("root:"), "{said:?}");
}

#[test]
fn a_broken_candidate_is_refused_while_the_daemon_runs_and_the_active_one_stays() {
    run(async {
        let place = tempfile::tempdir().unwrap();
        let standards = place.path().join("standards");
        copy(&standards_folder().unwrap().join(STANDARD), &standards.join(STANDARD));
        let folder = standards.clone();
        let city =
            TestCity::demo(Scale::SMALL, &Clock::system(), |plan| plan.standards = folder).await;
        let mut service = Service::start(&city, &[]);
        service.settled();
        let candidate = standards.join("reference-xml/9.0");
        copy(&standards.join(STANDARD), &candidate);
        for how in BREAKS.iter().skip(1).take(2) {
            break_it(&candidate, how);
        }
        for words in [
            ["standard", "check", "reference-xml/9.0"].as_slice(),
            &["standard", "diff", STANDARD, "reference-xml/9.0"],
        ] {
            let said = service.asked(Speech::English, words);
            assert_ne!(said.code, Some(0), "{said:?}");
            for text in BREAKS.iter().skip(1).take(2).flat_map(|how| how.said) {
                assert!(said.err.contains(text), "{text} is not in {}", said.err);
            }
        }
        // Nothing was exchanged, and what is read again is refused as a whole.
        let said = service.asked(Speech::English, &["reload"]);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains("messages/entry.csv row 6"), "{said:?}");
        let status: Status = service.json(&["status"]);
        assert_eq!(status.channels[0].standard, STANDARD);
        let known: Vec<Standard> = service.json(&["standard", "list"]);
        let active: Vec<&str> = (known.iter())
            .filter(|it| it.state == "active")
            .map(|it| it.standard.as_str())
            .collect();
        assert_eq!(active, [STANDARD]);
        let rules: Listing<cascaded::control::protocol::Dataset> = service.json(&["datasets"]);
        rules_ran(&rules);
        service.stop();
        city.close().await;
    });
}

/// How often each rule was asked and broken is shown for each dataset: what is broken is what was
/// set aside.
fn rules_ran(datasets: &Listing<cascaded::control::protocol::Dataset>) {
    let with_rows: Vec<_> = datasets.entries.iter().filter(|it| it.rows.due > 0).collect();
    assert!(!with_rows.is_empty());
    for it in with_rows {
        let asked = it.rules.iter().filter(|rule| rule.executed > 0).count();
        assert!(asked > 3, "{}: {:?}", it.dataset, it.rules);
        let broken: u64 = it.rules.iter().map(|rule| rule.broken).sum();
        assert!(broken >= it.rows.rejected, "{}: {:?}", it.dataset, it.rules);
        assert!(it.rules.iter().all(|rule| rule.broken <= rule.executed), "{:?}", it.rules);
    }
}

/// Conformance as an operator runs it: against the stand-in, with a report for the province.
#[test]
fn the_conformance_command_ends_with_its_count_and_writes_a_report() {
    let place = tempfile::tempdir().unwrap();
    let standard = standards_folder().unwrap().join(STANDARD);
    for (name, starts) in [("report.html", "<!doctype html>"), ("report.md", "# ")] {
        let report = place.path().join(name);
        let words = [
            "rehearsal",
            "conformance",
            "--standard",
            standard.to_str().unwrap(),
            "--report",
            report.to_str().unwrap(),
        ];
        let said = command(Speech::English, &words);
        assert_eq!(said.code, Some(0), "{said:?}");
        let last = said.out.lines().last().unwrap();
        let passed = last.strip_suffix(" passed, 0 failed").unwrap_or_else(|| panic!("{last}"));
        let passed: usize = passed.parse().unwrap();
        let shown = said.out.lines().filter(|line| line.starts_with('✓')).count();
        assert!(passed >= 20 && shown == passed, "{passed} passed, {shown} shown");
        let text = std::fs::read_to_string(&report).unwrap();
        assert!(text.to_lowercase().starts_with(starts), "{}", text.lines().next().unwrap());
        assert!(text.contains(last) && text.contains(STANDARD), "{name} lacks its count");
        // What is there already is not lost: the second report of a name replaces it whole.
        assert_eq!(text.matches(" passed, ").count(), 1);
    }
}
