//! What is special to a folder of CSV files, and mistakes in a dataset.

use cascaded::city::{ChangeSettings, Dataset, DatasetSettings, Scan, SourceSettings};

use super::{all, dataset, folder_settings, pages, run, since, source, write};

const CASES: &str = "files = 'case-*.csv'\nkey = ['code']\nchange = { kind = 'files' }\ncolumns = [
  { name = 'code' }, { name = 'name' }, { name = 'count', type = 'integer' },
  { name = 'day', type = 'date', from = 'file-date' }]";

#[test]
fn a_bad_row_or_file_stops_neither_the_file_nor_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let day = |name: &str, bytes: &[u8], at| write(folder.path(), name, bytes, at);
    day(
        "case-20200301.csv",
        "\u{feff}code,name,count\n1,\"甲,\n乙\",5\n2,丙\n3,丁,x\n".as_bytes(),
        1,
    );
    day("case-20200302.csv", b"code,name\n9,9\n", 2);
    day("case-20200303.csv", b"code,name,count\n4,\xff\xfe,7\n5,\"never closed,1\n6,a,1\n", 3);
    day("case-20200304.csv", b"", 4);
    day("case-20200305.csv", b"count,code,name\r\n8,7,\r\n", 5);
    day("other.csv", b"code\n1\n", 6);
    let settings = folder_settings(folder.path(), "");
    let (source, dataset) = (source(&settings), dataset(&settings, CASES));
    let rows = run(all(&source, &dataset, Scan::Full));
    let text: Vec<String> = rows
        .iter()
        .map(|row| {
            row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("/")
        })
        .collect();
    assert_eq!(
        text,
        [
            "1/甲,\n乙/5/2020-03-01",
            "!case-20200301.csv line 4: 2 fields where the head has 3/-/-/-",
            "3/丁/!not a whole number/2020-03-01",
            "!case-20200302.csv: its head has no column count/-/-/-",
            "4/!not UTF-8/7/2020-03-03",
            "!case-20200303.csv line 3: 2 fields where the head has 3/-/-/-",
            "7/-/8/2020-03-05",
        ]
    );
}

#[test]
fn gb18030_is_read_as_the_same_rows_as_utf_8() {
    let folder = tempfile::tempdir().unwrap();
    // 镕 and 㐂 are beyond GB2312; the last takes four bytes.
    let text = "code,name,count\n1,朱镕㐂𠀀,2\n2,\"乙\n丙\",3\n";
    let encoded = encoding_rs::GB18030.encode(text).0;
    assert!(std::str::from_utf8(&encoded).is_err());
    write(folder.path(), "case-20200301.csv", &encoded, 1);
    write(folder.path(), "case-20200302.csv", format!("\u{feff}{text}").as_bytes(), 2);
    let settings = folder_settings(folder.path(), "encoding = 'gb18030'");
    let (source, dataset) = (source(&settings), dataset(&settings, CASES));
    let rows = run(all(&source, &dataset, Scan::Full));
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0][1].as_deref(), Some("朱镕㐂𠀀"));
    assert_eq!(rows[0][..3], rows[2][..3]);
    assert_eq!(rows[1][..3], rows[3][..3]);
}

#[test]
fn a_daily_drop_is_read_once_and_again_when_it_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let body = |code: &str| format!("code,name,count\n{code},a,1\n{code}x,b,2\n");
    for day in 1..=5_u64 {
        write(
            folder.path(),
            &format!("case-2020030{day}.csv"),
            body(&day.to_string()).as_bytes(),
            day,
        );
    }
    let settings = folder_settings(folder.path(), "");
    let (source, dataset) = (source(&settings), dataset(&settings, CASES));
    run(async {
        let pages = pages(&source, &dataset, since(None), 3).await;
        let total: usize = pages.iter().map(|(rows, _)| rows.len()).sum();
        assert_eq!(total, 10);
        // In the middle of the second file: the position is the end of the first.
        let middle = pages[0].1.as_ref().unwrap();
        assert_eq!(middle.key, ["case-20200301.csv"]);
        assert_eq!(all(&source, &dataset, since(Some(middle))).await.len(), 8);
        let end = pages.last().unwrap().1.as_ref().unwrap();
        assert!(all(&source, &dataset, since(Some(end))).await.is_empty());
        write(folder.path(), "case-20200302.csv", body("2y").as_bytes(), 9);
        write(folder.path(), "case-20200306.csv", body("6").as_bytes(), 10);
        let new = all(&source, &dataset, since(Some(end))).await;
        let codes: Vec<&str> = new.iter().map(|row| row[0].as_deref().unwrap()).collect();
        assert_eq!(codes, ["2y", "2yx", "6", "6x"]);
        assert!(all(&source, &dataset, Scan::MissingTime).await.is_empty());
    });
}

#[test]
fn every_mistake_of_a_dataset_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let source: SourceSettings = toml::from_str(&folder_settings(folder.path(), "")).unwrap();
    let settings: DatasetSettings = toml::from_str(
        "id = 'd'\ntitle = ''\ndepartment = 'o'\nregion = '511900'\ncycle = 'daily'\nsource = 'nowhere'\n\
         files = '*.csv'\ntable = 't'\nkey = ['a', 'a', 'b']\nzone = 'Asia/Chengdu'\npoll = '1ms'\n\
         business_time = 'a'\nchange = { kind = 'time-column', column = 'c' }\n\
         columns = [{ name = 'a', format = '%Y' }, { name = 'a' }]",
    )
    .unwrap();
    let problems = Dataset::compile(&settings, &[source]).unwrap_err();
    let places: Vec<&str> = problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "dataset.d.source",
            "dataset.d.columns",
            "dataset.d.columns.a.format",
            "dataset.d.key",
            "dataset.d.key",
            "dataset.d.change.column",
            "dataset.d.zone",
            "dataset.d.business_time",
            "dataset.d.poll"
        ]
    );
    assert!(matches!(settings.change, ChangeSettings::TimeColumn { .. }));
}
