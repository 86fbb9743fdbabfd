//! What is never said nor stored in clear: names, identity numbers and keys of the city's people.
//!
//! Every value is looked for in every byte that leaves the daemon towards an operator, in its
//! log, and in every file of its ledger, while a batch waits in the spool and after everything
//! was confirmed.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use cascaded::city::Origin;
use cascaded::clock::Clock;
use cascaded::control::protocol::{Listing, Reject};
use cascaded::demo::{STANDARD, Scale};
use cascaded::rehearsal::{Fault, Play};

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, Speech, files, get, wait_for};

/// The dataset whose people are looked for.
const DATASET: &str = "5151-0101";

/// Values that identify people, from the dataset's table: every flawed row's, which the ledger
/// keeps sealed, and every fifth of the right ones.
fn canaries(city: &TestCity) -> BTreeSet<String> {
    let flawed: BTreeSet<&str> = city
        .made
        .iter()
        .flat_map(|made| &made.defects)
        .filter(|defect| defect.dataset == DATASET)
        .map(|defect| defect.key.as_str())
        .collect();
    let configuration = city.configuration();
    let dataset = configuration.datasets.iter().find(|it| it.dataset.id == DATASET).unwrap();
    let Origin::Table(table) = &dataset.dataset.origin else { panic!("{DATASET} is a table") };
    let database = rusqlite::Connection::open(city.path().join("city.sqlite")).unwrap();
    let query = format!("SELECT person_no, name, cert_no FROM {table}");
    let mut query = database.prepare(&query).unwrap();
    // Some cells hold bytes that are no characters.
    let text = |row: &rusqlite::Row<'_>, at: usize| {
        row.get_ref(at).map(|cell| cell.as_str().ok().map(str::to_owned))
    };
    let rows = query.query_map([], |row| Ok([text(row, 0)?, text(row, 1)?, text(row, 2)?]));
    let rows = rows.unwrap().map(Result::unwrap).enumerate();
    rows.filter(|(at, [key, ..])| {
        at % 5 == 0 || key.as_deref().is_some_and(|key| flawed.contains(key))
    })
    .flat_map(|(_, row)| row.into_iter().flatten())
    // Two characters of a name may stand in any text, and so may a placeholder.
    .filter(|value| value.len() >= 9)
    .collect()
}

/// The canaries that are in these bytes.
fn found<'a>(canaries: &'a BTreeSet<String>, bytes: &[u8]) -> Vec<&'a str> {
    let is_in = |value: &&String| memchr::memmem::find(bytes, value.as_bytes()).is_some();
    canaries.iter().filter(is_in).map(String::as_str).collect()
}

/// No file of the ledger holds one; gives how many files of the spool were looked at.
fn ledger_holds_none(city: &TestCity, canaries: &BTreeSet<String>) -> usize {
    let mut spooled = 0;
    for path in files(&city.path().join("ledger")) {
        // A file may go while it is looked at: its batch was confirmed.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        assert_eq!(found(canaries, &bytes), Vec::<&str>::new(), "{}", path.display());
        spooled += usize::from(path.components().any(|part| part.as_os_str() == "spool"));
    }
    spooled
}

#[test]
fn no_content_and_no_key_is_said_or_stored_in_clear() {
    run(async {
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |plan| {
            plan.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        })
        .await;
        let canaries = canaries(&city);
        // The search finds what is there.
        let database = std::fs::read(city.path().join("city.sqlite")).unwrap();
        assert_eq!(found(&canaries, &database).len(), canaries.len());
        assert!(canaries.len() > 100, "{}", canaries.len());

        city.platform.faults().play(Play::always("rows.upsert", Fault::Hold));
        let mut service = Service::start(&city, &[("RUST_LOG", "trace")]);
        let faults = city.platform.faults();
        wait_for("a batch is held", || (faults.held() > 0).then_some(()), || service.log());
        assert!(ledger_holds_none(&city, &canaries) > 0, "a payload waits in the spool");
        faults.clear();
        faults.release();
        service.settled();
        ledger_holds_none(&city, &canaries);

        let mut said = Vec::new();
        for words in [
            &["status"][..],
            &["datasets"],
            &["links", "--limit", "1000"],
            &["batches", "--limit", "1000"],
            &["rejects", "list", "--limit", "1000"],
            &["reconcile"],
            &["resync", "--all", "--dry-run"],
            &["jobs", "list", "--ended"],
            &["standard", "show", STANDARD],
            &["ledger", "verify"],
            &["rejects", "show", "999999", "--reason", "x"],
            &["audit", "list", "--limit", "1000"],
            &["audit", "export"],
            &["audit", "verify"],
            &["approvals", "list", "--all"],
        ] {
            for more in [&[][..], &["--json"]] {
                let answer = service.asked(Speech::Chinese, &[words, more].concat());
                said.push((format!("{words:?}"), answer.out + &answer.err));
            }
        }
        let address = service.http();
        for path in ["/metrics", "/readyz", "/healthz", "/status"] {
            said.push((path.to_owned(), get(address, path).unwrap().1));
        }
        said.push(("the log".to_owned(), service.log()));
        for (where_from, text) in &said {
            assert!(!text.is_empty(), "{where_from} said nothing");
            assert_eq!(found(&canaries, text.as_bytes()), Vec::<&str>::new(), "{where_from}");
        }

        // The one command that shows content shows it, and that look leaves none behind.
        let list = ["rejects", "list", "--rule", "id-card", "--dataset", DATASET];
        let rejects: Listing<Reject> = service.json(&list);
        let number = rejects.entries.first().unwrap().reject.to_string();
        let words = ["rejects", "show", &number, "--reason", "complaint"];
        let shown = service.asked(Speech::Chinese, &words);
        assert!(!found(&canaries, shown.out.as_bytes()).is_empty(), "{}", shown.out);
        assert_eq!(found(&canaries, service.log().as_bytes()), Vec::<&str>::new());
        ledger_holds_none(&city, &canaries);
        service.stop();
        city.close().await;
    });
}
