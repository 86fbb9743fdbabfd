//! The import sheet (导入表) that a clerk takes to a portal: rows in the portal's own template, and
//! the result sheet read back under whatever name it comes.

use std::path::Path;

use cascaded::delivery::RejectKind;
use cascaded::rehearsal::RowRules;
use rust_xlsxwriter::{DataValidation, Format, Workbook};

use super::{Scene, failing};
use crate::support::daemon::run;

const SHEET: &str = "import-sheet/1";

/// A portal's template with the heads of both datasets, instructions, an example and a hidden list.
fn template(standard: &Path, heads: &[&str]) {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("填写说明").unwrap().write(0, 0, "带*的必填").unwrap();
    let page = book.add_worksheet().set_name("数据导入").unwrap();
    page.write(0, 0, "政务数据导入模板").unwrap();
    let text = Format::new().set_num_format("@");
    for (head, column) in heads.iter().zip(0_u16..) {
        page.write(1, column, *head).unwrap();
        page.write_string_with_format(2, column, "示例", &text).unwrap();
    }
    let list = DataValidation::new().allow_list_strings(&["a", "b"]).unwrap();
    page.add_data_validation(2, 3, 999, 3, &list).unwrap();
    book.add_worksheet().set_name("字典").unwrap().set_hidden(true).write(0, 0, "a").unwrap();
    std::fs::write(standard.join("template.xlsx"), book.save_to_buffer().unwrap()).unwrap();
}

const HEADS: [&str; 7] = ["序号", "*id", "*name", "grade", "note", "changed", "备注"];

/// A result sheet as a portal writes it.
fn result(heads: &[&str], rows: &[&[&str]]) -> Vec<u8> {
    let mut book = Workbook::new();
    let page = book.add_worksheet();
    page.write(0, 0, "导入结果").unwrap();
    for (row, at) in std::iter::once(&heads).chain(rows).zip(1_u32..) {
        for (cell, column) in row.iter().zip(0_u16..) {
            // Portals write numbers as numbers.
            match cell.parse::<f64>() {
                Ok(number) => page.write_number(at, column, number).unwrap(),
                Err(_) => page.write_string(at, column, *cell).unwrap(),
            };
        }
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn a_clerk_takes_the_portals_own_template_and_brings_its_result_back() {
    run(async {
        let rules = failing(&["p00007", "p00008"]);
        let mut scene = Scene::new(SHEET, rules, |standard| template(standard, &HEADS)).await;
        scene.carried().await;
        scene.assert_equal(&["p00007", "p00008"]).await;
        scene.assert_nothing_twice();
        for file in scene.fetcher.fetched() {
            assert!(!file.name.contains('/') && file.rows.len() <= 100, "{}", file.name);
            // Numbered from 1, a code of noughts and a time as the template wants them.
            let cell = |head: &str| {
                let first = file.rows.first().unwrap();
                first.iter().find(|(it, _)| it == head).and_then(|(_, text)| text.clone())
            };
            assert_eq!(cell("序号").as_deref(), Some("1"));
            assert_eq!(cell("备注"), None);
            assert!(cell("changed").is_none_or(|it| it.contains('/')));
        }
        let people = scene.daemon().counts_on("files", "people").await;
        assert_eq!((people.rejected_failed, people.queued, people.placed), (2, 0, 0));
        for reject in scene.daemon().rejects().await {
            assert_eq!(reject.kind, RejectKind::Failed);
        }
        scene.sql("UPDATE people SET name = name || '改' WHERE id = 'p00003'");
        scene.compared().await;
        scene.assert_equal(&["p00007", "p00008"]).await;
        scene.end().await;
    });
}

#[test]
fn a_column_that_the_template_lacks_holds_its_dataset_alone() {
    run(async {
        let heads = ["序号", "id", "name", "grade"];
        let mut scene = Scene::new(SHEET, RowRules::default(), |it| template(it, &heads)).await;
        let ledger = scene.daemon().ledger().clone();
        scene
            .daemon()
            .wait_until("the dataset is held", || async {
                let holds = ledger.holds().await.unwrap();
                holds.iter().any(|hold| hold.code == "template-column-missing:note")
            })
            .await;
        let mut looks = 0;
        while scene.daemon().counts_on("files", "people").await.queued > 0 || looks == 0 {
            scene.fetcher.fetch().unwrap();
            scene.fetcher.judge().unwrap();
            scene.daemon().wake();
            looks += 1;
            assert!(looks < 3_000, "the other goes on");
            cascaded::supervisor::sleep(&scene.clock, std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(scene.daemon().counts_on("files", "visits").await.rejected(), 0);
        scene.end().await;
    });
}

#[test]
fn a_result_sheet_is_read_under_any_name_by_number_or_key_and_never_half() {
    run(async {
        let mut scene = Scene::new(SHEET, RowRules::default(), |_| {}).await;
        let channel = scene.daemon().channel("files");
        scene
            .daemon()
            .wait_until("everything is placed", || async {
                channel.client().unfetched().is_some_and(|it| it.files == 6)
            })
            .await;
        scene.fetcher.fetch().unwrap();
        let people = |it: &&cascaded::rehearsal::Fetched| it.dataset == "people";
        let files: Vec<_> = scene.fetcher.fetched().iter().filter(people).cloned().collect();
        let (Some(one), Some(two)) = (files.first(), files.get(1)) else { panic!("{files:?}") };
        let stem = |name: &str| name.trim_end_matches(".xlsx").to_owned();
        let keys = |file: &cascaded::rehearsal::Fetched| -> Vec<String> {
            let of = |row: &cascaded::rehearsal::Cells| {
                let cell = row.iter().find(|(head, _)| head == "id");
                cell.and_then(|(_, text)| text.clone()).unwrap()
            };
            file.rows.iter().map(of).collect()
        };
        let daemon = scene.daemon();
        // The rows of another sheet under this one's name: keys and numbers disagree.
        let name = format!("{}(1).xlsx", stem(&one.name));
        let numbers: Vec<String> = (1..=one.rows.len()).map(|it| it.to_string()).collect();
        let heads = ["序号", "id", "导入结果", "失败原因"];
        let rows = |keys: &[String]| -> Vec<Vec<String>> {
            let cells = numbers.iter().zip(keys);
            cells
                .map(|(number, key)| {
                    vec![number.clone(), key.clone(), "成功".to_owned(), String::new()]
                })
                .collect()
        };
        let lay = |name: &str, heads: &[&str], rows: &[Vec<String>]| {
            let rows: Vec<Vec<&str>> =
                rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
            let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
            scene.fetcher.lay(name, &result(heads, &rows)).unwrap();
            daemon.wake();
        };
        lay(&name, &heads, &rows(&keys(two)));
        let aside = || async { scene.folder("down/aside") == [name.clone()] };
        daemon.wait_until("it is set aside", aside).await;
        assert_eq!(daemon.counts_on("files", "people").await.confirmed, 0);
        // The right one; then one whose name says nothing, and whose rows say which sheet they are of.
        lay(&name, &heads, &rows(&keys(one)));
        let sent = one.rows.len() as u64;
        let confirmed = |count: u64| async move {
            daemon.counts_on("files", "people").await.confirmed == count
        };
        daemon.wait_until("the first is heard", || confirmed(sent)).await;
        let of_file: Vec<Vec<String>> = (1..=two.rows.len())
            .map(|at| vec![at.to_string(), "成功".to_owned(), two.name.clone()])
            .collect();
        lay("导出.xlsx", &["序号", "导入结果", "文件"], &of_file);
        let all = sent + two.rows.len() as u64;
        daemon.wait_until("the second is heard", || confirmed(all)).await;
        // A clerk drops the first once more: it is put away and changes nothing.
        let again = format!("{} 结果.xlsx", stem(&one.name));
        lay(&again, &heads, &rows(&keys(one)));
        let is_away = || async { !scene.folder("down").contains(&again) };
        daemon.wait_until("it is put away", is_away).await;
        assert!(confirmed(all).await);
        assert_eq!(scene.folder("down/aside").len(), 1);
        scene.end().await;
    });
}
