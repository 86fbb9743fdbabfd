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
use crate::tidy::root;

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
                "global:\n  evaluation_interval: 1s\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n\
                 - job_name: cascaded\n  static_configs:\n  - targets: ['{target}']\n\
                 rule_files:\n- {}\n",
                root().join("deploy/prometheus/alerts.yml").display()
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

    /// What the server answers to a question of its interface; it must be no error.
    fn asked(&self, path: &str) -> Value {
        let (status, body) = get(self.address, path).expect("it answers");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let said = answer.get("status").and_then(Value::as_str);
        assert_eq!((status, said), (200, Some("success")), "{path}: {body}");
        answer
    }

    /// How many series a query has now.
    fn series(&self, query: &str) -> usize {
        let answer = self.asked(&format!("/api/v1/query?query={}", encoded(query)));
        answer.pointer("/data/result").and_then(Value::as_array).expect("a vector").len()
    }

    fn wait_for_value(&self, query: &str, expected: u64) {
        wait_for(
            query,
            || self.value(query).filter(|value| *value == expected),
            || format!("expected {expected}, last {:?}", self.value(query)),
        );
    }
}

/// A text as part of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let mut out = String::new();
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
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

/// Every query of the dashboards in a folder, with what Grafana puts in for its variables.
fn dashboard_queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(root().join("deploy/grafana")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let board: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut open = vec![&board];
        while let Some(value) = open.pop() {
            if let Some(query) = value.get("expr").and_then(Value::as_str) {
                let filled = query.replace("$channel", ".*").replace("$__rate_interval", "1m");
                assert!(!filled.contains('$'), "{name}: {query}: a variable nobody fills");
                found.push((name.clone(), filled));
            }
            if let Some(query) = value.get("query").and_then(Value::as_str)
                && let Some(inner) = query.strip_prefix("label_values(")
            {
                let metric = inner.split(',').next().unwrap();
                found.push((name.clone(), metric.to_owned()));
            }
            open.extend(value.as_array().into_iter().flatten());
            open.extend(value.as_object().into_iter().flat_map(|it| it.values()));
        }
    }
    found
}

/// What has no series in a city that has no scoring scheme, asks no interface and did not go over.
fn may_be_empty(query: &str) -> bool {
    let scored = query.starts_with("cascade_score_") && !query.contains("measure");
    scored
        || query == "cascade_worst_interface_silent_seconds"
        || query.starts_with("changes(cascade_standard_info")
}

#[test]
fn every_query_of_the_dashboards_and_every_alert_is_answered_by_a_real_prometheus() {
    let queries = dashboard_queries();
    assert!(queries.len() >= 40, "{}", queries.len());
    run(async {
        let city = served().await;
        let mut service = Service::start(&city, &[]);
        let prometheus = Prometheus::scraping(service.http());
        let rows = service.settled().summary.rows;
        prometheus.wait_for_value("sum(cascade_rows_confirmed_total)", rows.confirmed);
        // A rate needs two samples.
        let rate = "sum(rate(cascade_rows_confirmed_total[1m]))";
        wait_for("a rate", || (prometheus.series(rate) > 0).then_some(()), String::new);
        let mut empty = Vec::new();
        for (board, query) in &queries {
            if prometheus.series(query) == 0 && !may_be_empty(query) {
                empty.push(format!("{board}: {query}"));
            }
        }
        assert!(empty.is_empty(), "{empty:#?}");
        let rules = prometheus.asked("/api/v1/rules");
        let rules = rules.pointer("/data/groups/0/rules").and_then(Value::as_array).unwrap();
        assert!(rules.len() >= 15, "{rules:?}");
        for rule in rules {
            assert_ne!(rule.get("health").and_then(Value::as_str), Some("err"), "{rule}");
        }
        drop(prometheus);
        service.stop();
        city.close().await;
    });
}

/// A metric of ours that a query reads, and its matchers: a label, and the value where it is one.
struct Selector {
    metric: String,
    matchers: Vec<(String, Option<String>)>,
}

/// What a query reads.
fn selectors(query: &str) -> Vec<Selector> {
    let read = |rest: &str| {
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let (metric, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let inside = rest.strip_prefix('{').and_then(|it| it.split_once('}')).map(|it| it.0);
        let matcher = |text: &str| {
            let (label, value) = text.split_once('=').expect("a matcher");
            let value = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            (label.trim().to_owned(), value.map(str::to_owned))
        };
        let matchers = inside.into_iter().flat_map(|it| it.split(',')).map(matcher).collect();
        Selector { metric: format!("cascade_{metric}"), matchers }
    };
    query.split("cascade_").skip(1).map(read).collect()
}

/// The labels that a query sums by; `le` is the histogram's own.
fn summed_by(query: &str) -> Vec<String> {
    let sums = query.split("by (").skip(1).filter_map(|it| it.split_once(')'));
    let labels = sums.flat_map(|(labels, _)| labels.split(','));
    labels.map(|it| it.trim().to_owned()).filter(|it| it != "le").collect()
}

/// The series of a metric on a page of metrics, without their values; of a counter or a histogram
/// as Prometheus names them.
fn series_on<'p>(page: &'p str, metric: &str) -> Vec<&'p str> {
    let is_of = |line: &&str| {
        line.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
    };
    page.lines().filter(is_of).collect()
}

/// What a page of metrics lacks of what a query reads and its text names.
fn lacking(page: &str, query: &str, told: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Selector { metric, matchers } in selectors(query) {
        let mut known = series_on(page, &metric);
        known.extend(series_on(page, &format!("{metric}_total")));
        if known.is_empty() {
            wrong.push(format!("no series of {metric}"));
            continue;
        }
        let has = |label: &str| known.iter().all(|it| it.contains(&format!("{label}=\"")));
        let labels = matchers.iter().map(|(label, _)| label.trim_end_matches('~'));
        for label in labels.chain(summed_by(query).iter().map(String::as_str)) {
            if !has(label) {
                wrong.push(format!("{metric} has no label {label}"));
            }
        }
        let exact = matchers.iter().filter_map(|(label, value)| Some((label, value.as_ref()?)));
        for (label, value) in exact.filter(|(_, value)| !value.contains(['.', '|'])) {
            let pair = format!("{label}=\"{value}\"");
            if !known.iter().any(|it| it.contains(&pair)) {
                wrong.push(format!("no series of {metric} with {pair}"));
            }
        }
    }
    for label in told {
        let pair = format!("{label}=\"");
        let carries =
            |it: &Selector| series_on(page, &it.metric).iter().any(|it| it.contains(&pair));
        if !selectors(query).iter().any(carries) {
            wrong.push(format!("its text names {label}, which no series has"));
        }
    }
    wrong
}

/// A ferry's series are there where one is: its own tests ask [`ferry_alerts_lack`].
fn is_of_a_ferry(query: &str) -> bool {
    let read = selectors(query);
    !read.is_empty() && read.iter().all(|it| it.metric.starts_with("cascade_ferry_"))
}

/// What a page of metrics lacks of what the alerts about ferries read and tell, and their number.
pub(crate) fn ferry_alerts_lack(page: &str) -> (usize, Vec<String>) {
    let rules = std::fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    let queries = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let of_ferries: Vec<&str> = queries.filter(|query| is_of_a_ferry(query)).collect();
    let told = ["ferry".to_owned()];
    let lacks = of_ferries.iter().flat_map(|query| lacking(page, query, &told)).collect();
    (of_ferries.len(), lacks)
}

#[test]
fn every_series_that_an_alert_or_a_dashboard_reads_is_exported_with_its_labels() {
    run(async {
        let home = tempfile::tempdir().unwrap();
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |plan| {
            plan.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
            plan.extra = crate::bulletin::scored(home.path(), &["5151-0207", "never-there"]);
            // Nobody listens there.
            plan.extra += "\n[[probe]]\nid = \"nobody\"\nresource = \"r\"\n\
                           url = \"http://127.0.0.1:9/\"\nevery = \"30s\"\n";
        })
        .await;
        let mut service = Service::start(&city, &[]);
        let address = service.http();
        let prometheus = Prometheus::scraping(address);
        service.settled();
        let scraped = || get(address, "/metrics").map(|(_, page)| page);
        let last = [
            "cascade_score_points_at_risk{",
            "cascade_worst_overdue_seconds{",
            "cascade_worst_interface_silent_seconds{",
            "cascade_score_forecast_points{",
        ];
        let page = wait_for(
            "the score and who is overdue are exported",
            || scraped().filter(|page| last.iter().all(|it| page.contains(it))),
            || scraped().unwrap_or_default(),
        );
        let alerts = prometheus.asked("/api/v1/rules");
        let alerts = alerts.pointer("/data/groups/0/rules").and_then(Value::as_array).unwrap();
        let text = |rule: &Value, key: &str| {
            rule.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut read: Vec<(String, String, Vec<String>)> = Vec::new();
        for alert in alerts {
            let (name, query) = (text(alert, "/name"), text(alert, "/query"));
            assert!(!text(alert, "/annotations/runbook").is_empty(), "{name} has no runbook");
            let said = text(alert, "/annotations/summary") + &text(alert, "/annotations/runbook");
            let words = said.split("$labels.").skip(1);
            let label = |it: &str| it.split([' ', '}']).next().unwrap_or_default().to_owned();
            read.push((name, query, words.map(label).collect()));
        }
        let boards = dashboard_queries().into_iter();
        read.extend(boards.map(|(board, query)| (board, query, Vec::new())));
        let mut wrong = Vec::new();
        for (name, query, told) in read.iter().filter(|(_, query, _)| !is_of_a_ferry(query)) {
            let found = lacking(&page, query, told).into_iter();
            wrong.extend(found.map(|what| format!("{name}: {what}")));
        }
        assert!(read.len() > 50, "{}", read.len());
        assert!(wrong.is_empty(), "{wrong:#?}\n{page}");
        // What can still be won back is at risk, and the real server sees that it is.
        let state = || {
            let rules = prometheus.asked("/api/v1/rules?type=alert");
            let rules = rules.pointer("/data/groups/0/rules").and_then(Value::as_array).cloned();
            let rule = rules?.into_iter().find(|it| text(it, "/name") == "CascadeScoreAtRisk")?;
            Some(text(&rule, "/state"))
        };
        let is_pending = || state().filter(|it| it == "pending" || it == "firing");
        wait_for("the score at risk is seen", is_pending, || format!("{:?}", state()));
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
