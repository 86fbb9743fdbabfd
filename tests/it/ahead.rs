//! Forecast, doubts and calibration as operators get them from the running daemon: through its
//! socket, on its page and as metrics.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use cascaded::clock::Clock;
use cascaded::demo::Scale;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};
use serde_json::Value;

use crate::support::daemon::{PACE, TestCity, run};
use crate::support::operator::{Service, Speech, get, wait_for};

const DATASETS: [&str; 2] = ["5151-0201", "5151-0101"];

/// The configuration's part about scores.
fn scored(folder: &Path) -> String {
    let lists = folder.join("lists");
    std::fs::create_dir_all(&lists).unwrap();
    let mut listed =
        "entry,resources,dataset,title,department,region,cycle,shared,open,key\n".to_owned();
    for (at, dataset) in DATASETS.iter().enumerate() {
        writeln!(listed, "e{at},,{dataset},数据{at},单位{at},,每日,yes,no,no").unwrap();
    }
    std::fs::write(lists.join("obligations.csv"), listed).unwrap();
    let schemes = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemes");
    format!(
        "{PACE}[indicator]\nscheme = \"model-2026\"\nschemes = \"{}\"\nlists = \"{}\"\n\n",
        schemes.display(),
        lists.display(),
    )
}

/// A request that was laid and dealt with within seconds, of this month whenever this runs.
fn self_made(clock: &Clock) -> String {
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    let now = clock.now();
    let first = now.to_zoned(zone.clone()).first_of_month().unwrap().start_of_day().unwrap();
    let opened = (now - SignedDuration::from_hours(1)).max(first.timestamp());
    let after = |seconds: i64| (opened + seconds.seconds()).to_string();
    format!(
        "list,number,owner,opened,deadline,closed,proof\nrequests,q-1,单位1,{opened},{},{},回函\n",
        after(20),
        after(10)
    )
}

/// What stands at a place of an answer.
#[track_caller]
fn of<'v>(sheet: &'v Value, pointer: &str) -> &'v Value {
    sheet.pointer(pointer).unwrap_or_else(|| panic!("{pointer}: {sheet}"))
}

fn doubts(service: &Service) -> Vec<(String, String, String)> {
    let sheet: Value = service.json(&["score", "doubts"]);
    let text =
        |it: &Value, key: &str| it.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let line = |it: &Value| (text(it, "doubt"), text(it, "subject"), text(it, "answered_by"));
    of(&sheet, "/doubts").as_array().unwrap().iter().map(line).collect()
}

/// What is asked for is answered in both languages.
#[track_caller]
fn says(service: &Service, words: &[&str], chinese: &str, english: &str) {
    for (speech, part) in [(Speech::Chinese, chinese), (Speech::English, english)] {
        let said = service.asked(speech, words);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains(part), "`{part}` is missing: {}", said.out);
    }
}

fn what_is_doubted(service: &Service, home: &Path, clock: &Clock) {
    assert_eq!(doubts(service), [], "an honest day raises none");
    let file = home.join("requests.csv");
    std::fs::write(&file, self_made(clock)).unwrap();
    let path = file.display().to_string();
    assert_eq!(service.asked(Speech::English, &["score", "import", "cases", &path]).code, Some(0));
    // Everything again, although the province holds all of it.
    let again = ["resync", DATASETS[0], "--full", "--wait"];
    let said = service.asked(Speech::English, &again);
    assert_eq!(said.code, Some(0), "{said:?}");
    let none = String::new;
    let made = ("self-made".to_owned(), "q-1".to_owned(), none());
    let resent = |answer: &str| ("resent".to_owned(), DATASETS[0].to_owned(), answer.to_owned());
    assert_eq!(doubts(service), [resent(""), made.clone()]);
    says(service, &["score", "doubts"], "疑似重复报送", "the same rows again");
    let explain = ["score", "explain", "request.timely"];
    says(service, &explain, "疑似自设需求", "laid and dealt with within minutes");
    // An approval with a reason answers, and shows.
    let exemption = "entry,measure,from,until,reason,approval\n\
                     e0,doubt.resent,2026-01-01,,省端丢失数据后重报,市府办 7 号\n";
    std::fs::write(home.join("lists/exemptions.csv"), exemption).unwrap();
    let said = service.asked(Speech::English, &["reload"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(doubts(service), [resent("市府办 7 号 · 省端丢失数据后重报"), made]);
}

fn what_is_forecast(service: &mut Service) {
    let sheet: Value = service.json(&["score", "forecast"]);
    let number = |pointer: &str| sheet.pointer(pointer).and_then(Value::as_f64).unwrap();
    assert!(number("/forecast/low") <= number("/forecast/expected"), "{sheet}");
    assert!(number("/forecast/expected") <= number("/forecast/high"), "{sheet}");
    assert_eq!(number("/promised_percent"), 80.0);
    let score: Value = service.json(&["score", "show"]);
    for place in ["/month", "/scheme"] {
        assert_eq!(of(&sheet, place), of(&score, place));
    }
    let items = |of: &Value| of.get("items").and_then(Value::as_array).map(Vec::len);
    assert_eq!(items(&sheet), items(&score), "every item has its forecast");
    says(service, &["score", "forecast"], "预计", "expected [");
    let seed: Value = service.json(&["score", "forecast", "--seed", "2"]);
    assert_eq!(of(&seed, "/month"), of(&sheet, "/month"));
    // The same stands on the page and among the metrics, with so many series and no more.
    let address = service.http();
    let metrics = wait_for(
        "the forecast is measured",
        || {
            let page = get(address, "/metrics").map(|it| it.1)?;
            page.contains("cascade_score_forecast_points{").then_some(page)
        },
        || service.log(),
    );
    let series = |family: &str| metrics.lines().filter(|it| it.starts_with(family)).count();
    assert_eq!(series("cascade_score_forecast_points{"), 3, "{metrics}");
    assert_eq!(series("cascade_score_avoidable_points "), 1, "{metrics}");
    let (_, page) = get(address, "/").unwrap();
    assert!(page.contains("预计 ") || page.contains("expected "), "{page}");
}

fn what_was_published(service: &Service, home: &Path) {
    let file = home.join("results.csv");
    let results = "month,item,points,source,date\n2026-01,data.timely,9.5,通报,2026-02-10\n";
    std::fs::write(&file, results).unwrap();
    let path = file.display().to_string();
    for new in [1, 0] {
        let said: Value = service.json(&["score", "import", "results", &path]);
        assert_eq!((of(&said, "/facts"), of(&said, "/new")), (&1.into(), &new.into()));
    }
    let sheet: Value = service.json(&["score", "calibrate"]);
    assert_eq!(*of(&sheet, "/items"), Value::Array(Vec::new()), "no month is closed yet: {sheet}");
    assert_eq!(*of(&sheet, "/unplaced/0/item"), "data.timely");
    says(service, &["score", "calibrate"], "2026-01 的 data.timely", "2026-01 data.timely");
}

#[test]
fn the_daemon_looks_ahead_doubts_and_calibrates_over_its_own_facts() {
    run(async {
        let home = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let city = TestCity::demo(Scale::SMALL, &clock, |plan| {
            plan.extra = scored(home.path());
            plan.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        })
        .await;
        let mut service = Service::start(&city, &[]);
        service.settled();
        what_is_doubted(&service, home.path(), &clock);
        what_is_forecast(&mut service);
        what_was_published(&service, home.path());
        service.stop();
        city.close().await;
    });
}
