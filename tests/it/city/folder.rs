//! What is special to a folder of files, and mistakes in a dataset.

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

const SHEET: &str = "files = '*.xlsx'\nsheet = '明细'\nhead_row = 3\nkey = ['证号']\n\
  change = { kind = 'files' }\ncolumns = [ { name = '证号' }, { name = '姓名' },
  { name = '金额', type = 'decimal' }, { name = '日期', type = 'date', format = '%Y%m%d' },
  { name = '时间', type = 'time' }, { name = '在职', type = 'boolean' },
  { name = '人数', type = 'integer' } ]";

/// What people keep: a title, a note, heads in the third row, and cells of every kind.
fn kept_by_people(book: &mut rust_xlsxwriter::Workbook) -> Result<(), rust_xlsxwriter::XlsxError> {
    use rust_xlsxwriter::{ExcelDateTime, Format};
    book.add_worksheet().set_name("字典")?.write_string(0, 0, "不是这张")?;
    let page = book.add_worksheet().set_name("明细")?;
    page.write_string(0, 0, "2020年3月登记表")?.write_string(1, 0, "填表说明")?;
    for (name, column) in ["证号", " 姓名 ", "金额", "日期", "时间", "在职", "人数"].iter().zip(0..)
    {
        page.write_string(2, column, *name)?;
    }
    let day = Format::new().set_num_format("yyyy\"年\"m\"月\"d\"日\"");
    let time = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    page.write_string(3, 0, "007")?.write_string(3, 1, " 张三 ")?.write_number(3, 2, 1.1 + 2.2)?;
    let at = ExcelDateTime::from_ymd(2020, 3, 1)?;
    page.write_datetime_with_format(3, 3, &at, &day)?;
    page.write_datetime_with_format(3, 4, &at.and_hms(8, 30, 5)?, &time)?;
    page.write_boolean(3, 5, true)?.write_number(3, 6, 12)?;
    // A blank row, and one with a blank in it.
    page.write_string(5, 1, "  ")?;
    page.write_string(6, 0, "008")?.write_string(6, 3, "20200302")?.write_number(6, 6, -0.0)?;
    page.write_number(7, 0, 511_902_199_001_011_234_f64)?.write_number(7, 6, 1.5)?;
    page.write_string(8, 0, "009")?.write_string(8, 7, "在表头之外")?;
    page.write_formula(9, 0, rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!"))?;
    Ok(())
}

#[test]
fn a_workbook_is_read_as_people_see_it_and_what_it_lost_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut book = rust_xlsxwriter::Workbook::new();
    kept_by_people(&mut book).unwrap();
    let whole = book.save_to_buffer().unwrap();
    write(folder.path(), "1.xlsx", &whole, 1);
    // One that is still being copied, and one without the sheet, keep nobody waiting.
    write(folder.path(), "2.xlsx", &whole[..whole.len() / 2], 2);
    let mut other = rust_xlsxwriter::Workbook::new();
    other.add_worksheet().set_name("总表").unwrap().write_string(0, 0, "证号").unwrap();
    write(folder.path(), "3.xlsx", &other.save_to_buffer().unwrap(), 3);
    let settings = folder_settings(folder.path(), "");
    let (source, dataset) = (source(&settings), dataset(&settings, SHEET));
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
            "007/ 张三 /3.3/2020-03-01/2020-03-01T08:30:05/true/12",
            "008/-/-/2020-03-02/-/-/0",
            "!a number of more than 15 digits, whose last ones are lost/-/-/-/-/-/\
             !not a whole number",
            "!1.xlsx line 9: 8 fields where the head has 7/-/-/-/-/-/-",
            "!a formula that has failed/-/-/-/-/-/-",
            "!2.xlsx: it is no workbook, or not a whole one/-/-/-/-/-/-",
            "!3.xlsx: no sheet `明细`; there are: 总表/-/-/-/-/-/-",
        ]
    );
}

#[test]
fn a_workbook_that_would_fill_the_memory_is_not_opened() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let bomb = |part: &str, letters: usize| {
        let mut book = rust_xlsxwriter::Workbook::new();
        kept_by_people(&mut book).unwrap();
        let whole = book.save_to_buffer().unwrap();
        let mut zip = zip::ZipWriter::new_append(std::io::Cursor::new(whole)).unwrap();
        zip.start_file(part, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&vec![b'x'; letters]).unwrap();
        zip.finish().unwrap().into_inner()
    };
    write(folder.path(), "1.xlsx", &bomb("xl/worksheets/sheet9.xml", 2 << 20), 1);
    let mut texts = bomb("xl/other.xml", 0);
    for part in ["xl/more.xml", "xl/most.xml"] {
        let mut zip = zip::ZipWriter::new_append(std::io::Cursor::new(texts)).unwrap();
        zip.start_file(part, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&b"<a/>".repeat(9 << 20)).unwrap();
        texts = zip.finish().unwrap().into_inner();
    }
    write(folder.path(), "2.xlsx", &texts, 2);
    let settings = folder_settings(folder.path(), "");
    let (source, dataset) = (source(&settings), dataset(&settings, SHEET));
    let rows = run(all(&source, &dataset, Scan::Full));
    let first: Vec<&str> = rows.iter().map(|row| row[0].as_deref().unwrap()).collect();
    assert_eq!(
        first,
        [
            "!1.xlsx: a cell of more than 1048576 bytes",
            "!2.xlsx: its texts take more than 64 MiB: divide it"
        ]
    );
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
