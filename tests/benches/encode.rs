//! What a row costs on its way from a page to a message, beside the same message written by hand.
//!
//! `cargo bench --bench encode` prints, for one run on one thread, the nanoseconds a row of making
//! the page, of checking, of writing XML from a declared format, and of a hand-written writer of
//! the very same bytes, and the ratio of the last two. Rounds of the two writers alternate and the
//! best of each counts, so that a machine that others use disturbs both alike; nothing fails by
//! being slow.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::indexing_slicing, reason = "arrays of this file, of a length it gives them")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cascaded::checks::{Pass, RuleSettings, Rules};
use cascaded::clock::Clock;
use cascaded::row::{Cell, Column, ColumnType, Page, Row};
use cascaded::wire::{
    ColumnFormat, KeyPlace, Namespaces, NullForm, RowColumn, RowPlan, RowSpec, RowStyle,
};
use jiff::tz::TimeZone;

/// Rows in a page; each round goes over it [`REPEATS`] times.
const ROWS: usize = 1_000;
const REPEATS: usize = 100;
const ROUNDS: usize = 15;
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// The twelve columns of the trial (CRATES: 350 bytes of XML a row).
const COLUMNS: [(&str, ColumnType); 12] = [
    ("CERT_NO", ColumnType::Text),
    ("OWNER_NAME", ColumnType::Text),
    ("CERT_TYPE", ColumnType::Text),
    ("CERT_ID", ColumnType::Text),
    ("REGION_CODE", ColumnType::Text),
    ("ADDRESS", ColumnType::Text),
    ("AREA", ColumnType::Decimal),
    ("PRICE", ColumnType::Decimal),
    ("FLOORS", ColumnType::Integer),
    ("SIGN_DATE", ColumnType::Date),
    ("UPDATED_AT", ColumnType::Time),
    ("VALID", ColumnType::Boolean),
];

fn cells(row: usize) -> [String; 12] {
    [
        format!("川(2026)不动产权第{row:07}号"),
        format!("申请人{}", row % 977),
        "identity".to_owned(),
        format!("5190{row:014}"),
        format!("5190{:02}", row % 20),
        format!("示例市东城区人民路{}号{}栋", row % 400, row % 9),
        format!("{}.{:02}", 40 + row % 160, row % 100),
        format!("{}.00", 300_000 + row * 7),
        (row % 33).to_string(),
        format!("2026-{:02}-{:02}", 1 + row % 12, 1 + row % 28),
        format!("2026-10-{:02}T{:02}:{:02}:{:02}", 1 + row % 28, row % 24, row % 60, row % 60),
        if row.is_multiple_of(5) { "false" } else { "true" }.to_owned(),
    ]
}

fn fill(page: &mut Page, source: &[[String; 12]]) {
    page.clear();
    for row in source {
        row.iter().for_each(|cell| page.push(cell));
        page.end_row().expect("twelve cells");
    }
}

fn rules() -> Rules {
    let columns = COLUMNS.map(|(name, kind)| Column { name: name.to_owned(), kind });
    let rule = |rule: &str, column: &str| RuleSettings {
        rule: rule.to_owned(),
        column: Some(column.to_owned()),
        ..RuleSettings::default()
    };
    let settings = [
        rule("required", "CERT_NO"),
        rule("required", "OWNER_NAME"),
        rule("placeholder", "OWNER_NAME"),
        RuleSettings { codes: vec!["identity".to_owned()], ..rule("code-list", "CERT_TYPE") },
        RuleSettings { not_future: true, ..rule("range", "UPDATED_AT") },
    ];
    Rules::compile(&settings, &columns, &BTreeMap::new()).expect("rules of this file")
}

fn declared() -> RowPlan {
    let columns = COLUMNS
        .into_iter()
        .enumerate()
        .map(|(index, (name, kind))| RowColumn {
            index,
            name: name.to_owned(),
            kind,
            format: match name {
                "UPDATED_AT" => ColumnFormat::Pattern(TIME.to_owned()),
                "CERT_TYPE" => {
                    ColumnFormat::Codes(BTreeMap::from([("identity".to_owned(), "111".to_owned())]))
                }
                "VALID" => ColumnFormat::Codes(BTreeMap::from([
                    ("true".to_owned(), "1".to_owned()),
                    ("false".to_owned(), "0".to_owned()),
                ])),
                _ => ColumnFormat::AsIs,
            },
            quoted: false,
        })
        .collect();
    let spec = RowSpec {
        style: RowStyle::Elements { tag: "Row".to_owned() },
        null: NullForm::Omit,
        key: Some(KeyPlace::Attribute("key".to_owned())),
        columns,
    };
    let namespaces = Namespaces::new([("", "urn:cascaded:bench")]).expect("a namespace");
    RowPlan::compile(&spec, &namespaces).expect("a plan of this file")
}

/// The same message by hand: tags are literals, the order is fixed, and what must be escaped is.
fn by_hand(row: Row<'_>, key: &str, into: &mut Vec<u8>) {
    macro_rules! element {
        ($at:literal, $name:literal, $write:expr) => {
            if let Cell::Text(text) = row.cell($at) {
                into.extend_from_slice(concat!("<", $name, ">").as_bytes());
                $write(text, into);
                into.extend_from_slice(concat!("</", $name, ">").as_bytes());
            }
        };
    }
    into.extend_from_slice(b"<Row key=\"");
    escaped(key, into);
    into.extend_from_slice(b"\">");
    element!(0, "CERT_NO", escaped);
    element!(1, "OWNER_NAME", escaped);
    element!(2, "CERT_TYPE", |_text, into: &mut Vec<u8>| into.extend_from_slice(b"111"));
    element!(3, "CERT_ID", escaped);
    element!(4, "REGION_CODE", escaped);
    element!(5, "ADDRESS", escaped);
    element!(6, "AREA", plain);
    element!(7, "PRICE", plain);
    element!(8, "FLOORS", plain);
    element!(9, "SIGN_DATE", plain);
    element!(10, "UPDATED_AT", |text: &str, into: &mut Vec<u8>| {
        let (date, time) = text.split_once('T').unwrap_or((text, ""));
        plain(date, into);
        into.push(b' ');
        plain(time.get(..8).unwrap_or(time), into);
    });
    element!(11, "VALID", |text, into: &mut Vec<u8>| into.push(if text == "true" {
        b'1'
    } else {
        b'0'
    }));
    into.extend_from_slice(b"</Row>");
}

fn plain(text: &str, into: &mut Vec<u8>) {
    into.extend_from_slice(text.as_bytes());
}

/// What a careful hand would write: most texts hold nothing special and are copied whole.
fn escaped(text: &str, into: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"']) {
        let (before, special) = rest.split_at(at);
        into.extend_from_slice(before.as_bytes());
        into.extend_from_slice(match special.as_bytes().first() {
            Some(b'&') => b"&amp;",
            Some(b'<') => b"&lt;",
            Some(b'>') => b"&gt;",
            _ => b"&quot;",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    into.extend_from_slice(rest.as_bytes());
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's own time")]
fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn each(best: Duration) -> f64 {
    best.as_secs_f64() * 1e9 / f64::from(u32::try_from(ROWS * REPEATS).expect("small"))
}

fn main() {
    let source: Vec<[String; 12]> = (0..ROWS).map(cells).collect();
    let (rules, plan) = (rules(), declared());
    let mut page = Page::new(COLUMNS.len());
    fill(&mut page, &source);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (row, cells) in page.rows().zip(&source) {
        plan.append(row, &cells[0], &mut ours).expect("every cell is canonical");
        by_hand(row, &cells[0], &mut theirs);
    }
    assert_eq!(ours, theirs, "both write the same message");
    let bytes = ours.len() / ROWS;

    let mut best = [Duration::MAX; 4];
    let now = Clock::system().now();
    for _round in 0..ROUNDS {
        let mut keep = |at: usize, took: Duration| best[at] = best[at].min(took);
        keep(0, took(|| (0..REPEATS).for_each(|_| fill(&mut page, black_box(&source)))));
        let mut pass = Pass::new(&rules, now, &TimeZone::UTC);
        let mut violations = Vec::new();
        keep(
            1,
            took(|| {
                for _repeat in 0..REPEATS {
                    for row in page.rows() {
                        black_box(rules.check(row, &mut pass, &mut violations).is_some());
                    }
                }
            }),
        );
        assert!(violations.is_empty(), "every row is valid");
        keep(
            2,
            took(|| {
                for _repeat in 0..REPEATS {
                    ours.clear();
                    for (row, cells) in page.rows().zip(&source) {
                        plan.append(row, &cells[0], &mut ours).expect("canonical");
                    }
                    black_box(&ours);
                }
            }),
        );
        keep(
            3,
            took(|| {
                for _repeat in 0..REPEATS {
                    theirs.clear();
                    for (row, cells) in page.rows().zip(&source) {
                        by_hand(row, &cells[0], &mut theirs);
                    }
                    black_box(&theirs);
                }
            }),
        );
    }
    let [making, checking, declared, hand] = best.map(each);
    println!("12 columns, {bytes} bytes of XML a row; best of {ROUNDS} rounds, ns a row:");
    println!(
        "  page {making:.0} · checks {checking:.0} · declared XML {declared:.0} · hand-written XML {hand:.0}"
    );
    println!("  page + checks + declared XML: {:.0} ns", making + checking + declared);
    println!("  speed of declared / hand-written: {:.2}", hand / declared);
}
