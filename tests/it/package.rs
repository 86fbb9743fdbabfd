//! What operators install: the unit and its sandbox, the alert rules, the metrics page, each judged
//! by the program that will read it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use cascaded::delivery::Evidence;
use cascaded::telemetry::metrics::{DatasetLabels, Metrics, Snapshot};

use crate::tidy::{read, root};

/// The most exposure that `systemd-analyze security` may find, of 10.
const EXPOSURE_LIMIT: f64 = 2.0;

/// Runs a program on `input` and gives its output, both streams; it must succeed.
fn judged_by(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}:\n{text}");
    text
}

/// The last value of a key in the unit.
fn unit(key: &str) -> String {
    let text = read("deploy/cascaded.service");
    let prefix = format!("{key}=");
    let value = text.lines().rev().find_map(|line| line.strip_prefix(&prefix));
    value.unwrap_or_else(|| panic!("the unit has no {key}")).to_owned()
}

/// A span as systemd writes it, of one unit: `90s`, `3min`.
fn span(text: &str) -> Duration {
    let (digits, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
    let count: u64 = digits.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    match unit {
        "s" | "" => Duration::from_secs(count),
        "min" => Duration::from_secs(count * 60),
        other => panic!("{text}: a span in {other}"),
    }
}

#[test]
fn the_unit_is_sandboxed_well_below_the_limit() {
    let arguments = ["security", "--offline=true", "--no-pager", "deploy/cascaded.service"];
    let text = judged_by("systemd-analyze", &arguments, "");
    let line = text.lines().find(|line| line.contains("Overall exposure level"));
    let number = line.and_then(|line| line.rsplit_once(": ")).map(|(_, rest)| rest);
    let exposure: f64 = number
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no exposure in {text}"));
    println!("exposure {exposure}");
    assert!(exposure <= EXPOSURE_LIMIT, "{exposure}\n{text}");
}

#[test]
fn the_unit_waits_for_readiness_checks_first_and_gives_time_to_stop() {
    assert_eq!(unit("Type"), "notify");
    assert_eq!(unit("StateDirectory"), "cascaded");
    assert!(unit("ExecStartPre").starts_with("/usr/bin/cascaded check "));
    assert!(unit("ExecStart").starts_with("/usr/bin/cascaded run "));
    let kept_down: Vec<String> =
        unit("RestartPreventExitStatus").split(' ').map(str::to_owned).collect();
    assert!(kept_down.contains(&"78".to_owned()), "a bad configuration is not tried again");
    assert!(span(&unit("WatchdogSec")) >= Duration::from_secs(10));
    assert!(span(&unit("TimeoutStopSec")) >= Duration::from_secs(90));
}

#[test]
fn a_span_without_a_known_unit_is_no_span() {
    assert_eq!(span("3min"), Duration::from_secs(180));
    assert!(std::panic::catch_unwind(|| span("2fortnights")).is_err());
}

#[test]
fn prometheus_accepts_the_metrics_page() {
    let metrics = Metrics::new(50, &["province-unreachable"]);
    let datasets = ["5119-0207", "不动产登记\"信息\\"].map(|name| DatasetLabels {
        channel: "province".into(),
        dataset: name.to_owned(),
        grade: Evidence::Receipt,
    });
    metrics.declare(&["province".into()], &datasets);
    metrics.show(&Snapshot::default());
    let page = metrics.render();
    let said = judged_by("promtool", &["check", "metrics"], &page);
    assert_eq!(said, "", "promtool has remarks");
    let families = page.lines().filter(|line| line.starts_with("# TYPE cascade_")).count();
    assert!(families >= 15, "{families} families:\n{page}");
}

#[test]
fn prometheus_accepts_the_alert_rules_and_their_unit_tests() {
    let said = judged_by("promtool", &["check", "rules", "deploy/prometheus/alerts.yml"], "");
    assert!(said.contains("rules found"), "{said}");
    let said = judged_by("promtool", &["test", "rules", "deploy/prometheus/alerts.test.yml"], "");
    assert!(said.contains("SUCCESS"), "{said}");
}

/// The values of a key in a file of ours that has one `key: value` on a line.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key)).collect()
}

#[test]
fn every_alert_has_a_severity_a_runbook_and_a_unit_test_that_sees_it_fire() {
    let (rules, tests) =
        (read("deploy/prometheus/alerts.yml"), read("deploy/prometheus/alerts.test.yml"));
    let alerts = values(&rules, "alert: ");
    assert!(alerts.len() >= 15, "{alerts:?}");
    assert_eq!(values(&rules, "runbook: ").len(), alerts.len());
    assert_eq!(values(&rules, "labels: {severity: ").len(), alerts.len());
    for alert in alerts {
        let case = tests.split("  - name: ").find(|part| part.lines().next() == Some(alert));
        let case = case.unwrap_or_else(|| panic!("{alert} has no unit test"));
        assert!(case.contains("exp_alerts:"), "{alert} is never seen to fire");
        assert!(case.contains(&format!("alertname: {alert}}}")), "{alert} is never seen silent");
    }
}
