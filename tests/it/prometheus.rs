//! A real Prometheus scrapes the daemon, and the probes say why when they say no.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use cascaded::clock::Clock;
use cascaded::demo::Scale;
use serde_json::Value;

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, Speech, get, wait_for};

/// Debian's server in a folder of its own, on a free port.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn scraping(target: SocketAddr) -> Self {
        let folder = tempfile::Builder::new().prefix("cascaded-prometheus-").tempdir().unwrap();
        let configuration = folder.path().join("prometheus.yml");
        std::fs::write(
            &configuration,
            format!(
                "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n\
                 - job_name: cascaded\n  static_configs:\n  - targets: ['{target}']\n"
            ),
        )
        .unwrap();
        let log = folder.path().join("log");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("Debian's package prometheus is installed by tests/run");
        let mut server =
            Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), _folder: folder };
        // It took a free port, and says which.
        let read = || std::fs::read_to_string(&log).unwrap();
        server.address = wait_for("Prometheus listens", || listening(&read()), read);
        server
    }

    /// The value of an instant query; `None` while it has none.
    fn value(&self, query: &str) -> Option<u64> {
        let (status, body) = get(self.address, &format!("/api/v1/query?query={query}"))?;
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let value = answer.pointer("/data/result/0/value/1")?.as_str()?;
        Some(value.parse().unwrap())
    }

    fn wait_for_value(&self, query: &str, expected: u64) {
        wait_for(
            query,
            || self.value(query).filter(|value| *value == expected),
            || format!("expected {expected}, last {:?}", self.value(query)),
        );
    }
}

/// The address after `Listening on` in its log.
fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
    let (_, rest) = line.split_once("address=")?;
    rest.split_whitespace().next()?.parse().ok()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A city whose daemon serves HTTP on a free port.
async fn served() -> TestCity {
    TestCity::demo(Scale::SMALL, &Clock::system(), |plan| {
        plan.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    })
    .await
}

#[test]
fn a_real_prometheus_reads_the_number_that_the_ledger_holds() {
    run(async {
        let city = served().await;
        let mut service = Service::start(&city, &[]);
        let target = service.http();
        // It scrapes from the start: a counter that is only there at the end shows no rate.
        let prometheus = Prometheus::scraping(target);
        let rows = service.settled().summary.rows;
        assert!(rows.confirmed > 1_000 && rows.rejected > 10, "{rows:?}");
        prometheus.wait_for_value("up", 1);
        prometheus.wait_for_value("sum(cascade_rows_confirmed_total)", rows.confirmed);
        let grade = "sum(cascade_rows_confirmed_total{grade=%22row-verdict%22})";
        prometheus.wait_for_value(grade, rows.confirmed);
        prometheus.wait_for_value("sum(cascade_rows_due)", rows.due);
        prometheus.wait_for_value("sum(cascade_rows_queued)", 0);
        prometheus.wait_for_value("sum(cascade_rows_rejected_total)", rows.rejected);
        drop(prometheus);
        service.stop();
        city.close().await;
    });
}

#[test]
fn the_live_metrics_pass_promtool_and_have_families_of_ours() {
    run(async {
        let city = served().await;
        let mut service = Service::start(&city, &[]);
        let address = service.http();
        service.settled();
        let (status, page) = get(address, "/metrics").unwrap();
        assert_eq!(status, 200);
        let families = page.lines().filter(|line| line.starts_with("# TYPE cascade_")).count();
        assert!(families >= 15, "{families}\n{page}");
        check(&page);
        service.stop();
        city.close().await;
    });
}

/// `promtool check metrics` has nothing to say about the page.
fn check(page: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool comes with Debian's package prometheus");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}\n{page}", String::from_utf8_lossy(&said));
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_probe_says_why_when_the_province_is_down_and_yes_when_it_is_back() {
    run(async {
        let city = served().await;
        let mut service = Service::start(&city, &[]);
        let address = service.http();
        service.settled();
        let readiness = |wanted: u16| {
            wait_for(
                &format!("/readyz answers {wanted}"),
                || get(address, "/readyz").filter(|(status, _)| *status == wanted),
                || format!("{:?}", get(address, "/readyz")),
            )
            .1
        };
        readiness(200);
        city.platform.faults().begin_outage();
        // Nothing is due, and nobody asks: something must be sent for the outage to be noticed.
        let asked = service.asked(Speech::English, &["resync", "--all", "--full"]);
        assert_eq!(asked.code, Some(0), "{asked:?}");
        let why = readiness(503);
        assert!(why.contains("channel-unreached: channel province"), "{why}");
        // A province that is down is no reason to restart us.
        assert_eq!(get(address, "/healthz").unwrap().0, 200);
        city.platform.faults().end_outage();
        readiness(200);
        service.settled();
        service.stop();
        city.close().await;
    });
}

#[test]
fn a_probe_says_no_with_a_reason_when_the_province_was_never_reached() {
    run(async {
        let city = served().await;
        city.platform.faults().begin_outage();
        let mut service = Service::start(&city, &[]);
        let address = service.http();
        let (_, why) = wait_for(
            "/readyz says no",
            || get(address, "/readyz").filter(|(status, _)| *status == 503),
            || service.log(),
        );
        assert!(why.contains("channel-unreached: channel province"), "{why}");
        assert!(why.lines().all(|line| line.contains(": ")), "every reason has a code: {why}");
        city.platform.faults().end_outage();
        wait_for(
            "/readyz says yes",
            || get(address, "/readyz").filter(|(status, _)| *status == 200),
            || service.log(),
        );
        service.stop();
        city.close().await;
    });
}
