//! The status page, the gauges of the worst and what is notified, over a real ledger.

use std::fmt::Write as _;

use super::*;
use crate::control::page::{MOST, page};
use crate::language::Language;

/// Datasets of a large city.
const MANY: usize = 10_000;
/// Of them, those of which something is known.
const KNOWN: usize = 30;

/// A configuration of so many datasets, which tells an address what stands.
fn many() -> String {
    let mut text = CONFIGURATION.to_owned();
    for at in 2..MANY {
        let more = format!(
            "\n[[dataset]]\nid = \"d-{at}\"\ntitle = \"Dataset {at}\"\ndepartment = \"dep\"\n\
             region = \"515100\"\nsource = \"city\"\ntable = \"t{at}\"\nkey = [\"id\"]\n\
             cycle = \"每日\"\nchange = {{ kind = \"full\" }}\n\
             columns = [{{ name = \"id\", type = \"text\" }}]\n"
        );
        write!(text, "{more}").unwrap();
    }
    text + "\n[notify]\nurl_file = \"keys/secret\"\n"
}

fn shown(office: &Office, language: Language) -> String {
    page(Health::page(office).as_deref(), language)
}

#[tokio::test]
async fn the_page_says_what_the_ledger_says_and_no_content() {
    let bench = Bench::start().await;
    assert!(Health::page(&bench.office).is_none(), "nothing was looked at");
    bench.catalogue().await;
    let batch = bench.observe("d-one", 3).await;
    bench.take(&batch, taken()).await;
    bench.observe("d-two", 2).await;
    bench.clock.advance(Duration::from_hours(24 * 4));
    bench.office.refresh().await;
    let text = shown(&bench.office, Language::English);
    for word in ["Housing contracts", "Housing bureau", "reference-xml/1.0", "not reached yet"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // Its deadline was on the 21st; today is the 24th.
    assert!(text.contains("datetime=\"2026-11-21T02:00:00Z\"") && text.contains("3 d"), "{text}");
    // A batch waits for its turn.
    assert!(text.contains("batches to be sent"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("2026-11-20T08:00:00\""));
    // It is a look's: a change shows with the next.
    bench.take(&bench.observe("d-one", 40).await, taken()).await;
    assert_eq!(shown(&bench.office, Language::English), text);
    bench.office.refresh().await;
    assert!(shown(&bench.office, Language::English).contains(">43<"));
}

#[tokio::test]
async fn ten_thousand_datasets_fit_on_the_page_and_their_worst_are_named() {
    let bench = Bench::start_with(&many()).await;
    for at in 0..KNOWN {
        // The last ones: by the order of names they have no series of their own.
        let batch = bench.observe(&format!("d-{}", MANY - 1 - at), 3).await;
        bench.take(&batch, taken()).await;
        bench.clock.advance(Duration::from_mins(1));
    }
    bench.clock.advance(Duration::from_hours(24 * 4));
    bench.office.refresh().await;
    for language in Language::ALL {
        let text = shown(&bench.office, language);
        assert!(text.len() < 64 << 10, "{} bytes", text.len());
        assert!(text.contains(&format!("d-{}<", MANY - 1)), "the longest overdue is named");
    }
    let page = Health::page(&bench.office).unwrap();
    let tally = page.freshness;
    assert_eq!(tally.all(), u64::try_from(MANY).unwrap());
    assert_eq!(tally.overdue, u64::try_from(KNOWN).unwrap());
    let rest = u64::try_from(KNOWN - MOST).unwrap();
    assert_eq!((page.overdue.rest, page.rejected.rest), (rest, rest));
    let metrics = Health::metrics(&bench.office);
    let worst =
        format!("cascade_worst_overdue_seconds{{channel=\"province\",dataset=\"d-{}\"}}", MANY - 1);
    assert!(metrics.contains(&worst), "{worst}");
    assert!(metrics.lines().count() < 4_000, "{} lines", metrics.lines().count());
    let standing = bench.office.standing();
    assert_eq!(standing.iter().filter(|it| it.event == "overdue").count(), KNOWN);
    assert!(!standing.iter().any(|it| it.detail.contains(SECRET) || it.title.contains(SECRET)));
}

#[tokio::test]
async fn what_nobody_wants_to_be_told_is_not_gathered() {
    let bench = Bench::start().await;
    bench.take(&bench.observe("d-one", 3).await, taken()).await;
    bench.clock.advance(Duration::from_hours(24 * 4));
    bench.office.refresh().await;
    assert!(bench.app.works().configuration.notify.is_none());
    assert!(bench.office.standing().is_empty());
}
