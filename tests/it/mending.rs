//! The province's list of what is to be mended: it comes in, is assigned and proven, closed against
//! what the ledger sees, and goes back with the same columns.

use calamine::Reader as _;
use cascaded::clock::Clock;
use cascaded::control::protocol::{Listing, MendReport, Mending, Reject};
use cascaded::demo::Scale;
use cascaded::indicator::mending::COLUMNS;

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, Speech};

/// The thirteen guides as such a list has them; the last two are about what the daemon knows.
fn guides(dataset: &str, unknown: &str) -> String {
    let mut text =
        "异常办事指南整改清单\n\n序号,责任单位,问题来源,问题类型,问题描述,目录/资源编码,\
                    对应指标及扣分,反馈日期,时限,备注\n"
            .to_owned();
    for at in 1..=13 {
        let object = match at {
            12 => dataset,
            13 => unknown,
            _ => "",
        };
        text += &format!(
            "{at},部门{at},省级通报,异常办事指南,指南第{at}项材料清单缺失,{object},0.2 分,\
             2022年2月11日,2022-02-25,\n"
        );
    }
    text
}

fn facts(city: &TestCity, kind: &str) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let path = city.path().join("ledger/ledger.sqlite");
    let ledger = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let query = "SELECT count(*) FROM fact WHERE kind = ?1";
    ledger.query_row(query, [kind], |row| row.get(0)).unwrap()
}

#[test]
fn thirteen_guides_come_in_are_proven_closed_and_go_back() {
    run(async {
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await;
        let mut service = Service::start(&city, &[]);
        service.settled();
        let rejects: Listing<Reject> = service.json(&["rejects", "list"]);
        let dataset = rejects.entries[0].dataset.clone();
        let path = |name: &str| city.path().join(name).display().to_string();
        std::fs::write(path("list.csv"), guides(&dataset, "no-such-entry")).unwrap();
        let import = ["mend", "import", &path("list.csv"), "--list", "guides"];
        let report: MendReport = service.json(&import);
        assert_eq!((report.added, report.changed, report.unchanged), (13, 0, 0));
        let again: MendReport = service.json(&import);
        assert_eq!((again.added, again.unchanged), (0, 13), "the same list says nothing new");
        assert_eq!(facts(&city, "case-opened"), 13);

        let said = |speech, words: &[&str]| {
            let words = [&["mend"], words, &["--list", "guides"]].concat();
            service.asked(speech, &words)
        };
        // Nothing is closed without a proof.
        let refused = said(Speech::English, &["close", "1"]);
        assert!(refused.code == Some(1) && refused.err.contains("E-MEND-PROOF"), "{refused:?}");
        let assigned =
            said(Speech::Chinese, &["assign", "1", "--owner", "部门九", "--within", "3"]);
        assert_eq!(assigned.code, Some(0), "{assigned:?}");
        std::fs::write(path("proof.pdf"), "the corrected guide").unwrap();
        let prove = |number: &str| {
            let proven = said(Speech::English, &["prove", number, "--file", &path("proof.pdf")]);
            assert_eq!(proven.code, Some(0), "{proven:?}");
        };
        prove("1");
        assert_eq!(said(Speech::English, &["close", "1"]).code, Some(0));
        // Nor against what the ledger sees: rows of that dataset are still set aside.
        prove("12");
        let open = said(Speech::English, &["close", "12"]);
        assert!(open.code == Some(1) && open.err.contains("E-MEND-OPEN"), "{open:?}");
        // Of what the ledger does not know, the proof is all there is.
        prove("13");
        assert_eq!(said(Speech::English, &["close", "13"]).code, Some(0));
        let missing = said(Speech::English, &["close", "77"]);
        assert!(missing.err.contains("E-MEND-UNKNOWN"), "{missing:?}");
        assert_eq!((facts(&city, "case-opened"), facts(&city, "case-closed")), (14, 2));

        let listing: Listing<Mending> = service.json(&["mend", "list", "--list", "guides"]);
        assert_eq!(listing.total, 13);
        let first = &listing.entries[0];
        assert_eq!((first.state.as_str(), first.fault.owner.as_str()), ("closed", "部门九"));
        assert!(first.proof.starts_with("proof.pdf sha256:"), "{first:?}");
        assert!(!first.overdue && listing.entries[1].overdue);
        assert_eq!(listing.entries[11].seen, "rejects");
        let zh = said(Speech::Chinese, &["list"]);
        assert!(zh.out.contains("已销号") && zh.out.contains("仍有拦截行"), "{zh:?}");

        goes_back(&service, &path("back.xlsx"));
        // What the province wrote stands nowhere in clear.
        let files = std::fs::read_dir(city.path().join("ledger")).unwrap();
        let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
        let ledger: Vec<u8> = files.flat_map(|path| std::fs::read(path).unwrap()).collect();
        let clear = "材料清单缺失".as_bytes();
        assert!(!ledger.windows(clear.len()).any(|window| window == clear));
        service.terminate();
        drop(service);
        city.close().await;
    });
}

/// The list goes back with the same columns, and comes in again as what is known.
fn goes_back(service: &Service, path: &str) {
    let words = ["mend", "export", path, "--list", "guides"];
    assert_eq!(service.asked(Speech::English, &words).code, Some(0));
    let over = service.asked(Speech::English, &words);
    assert_ne!(over.code, Some(0), "nothing is written over: {over:?}");
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(path).unwrap();
    let range = book.worksheet_range("整改清单").unwrap();
    let rows: Vec<Vec<String>> =
        range.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(rows.first().unwrap().as_slice(), COLUMNS);
    assert_eq!(rows.len(), 14);
    let cell = |row: usize, column: usize| rows.get(row).unwrap().get(column).unwrap().as_str();
    assert_eq!((cell(1, 13), cell(2, 13)), ("是", "否"));
    assert_eq!((cell(2, 9), cell(2, 11)), ("2022-02-25", "overdue"));
    let report: MendReport = service.json(&["mend", "import", path, "--list", "guides"]);
    assert_eq!((report.added, report.changed, report.unchanged), (0, 0, 13));
}
