//! The contract that every source keeps, one suite for all of them; and what is special to each.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use cascaded::city::{
    ChangeSettings, Dataset, DatasetSettings, Error, Pool, Position, Scan, Source, SourceSettings,
};
use cascaded::row::{Cell, Page};
use rusqlite::Connection;

use crate::support::postgres::Server;
use crate::support::shared_data;

/// One row: text, `None` for null, `!reason` for malformed.
type Row = Vec<Option<String>>;

pub(crate) struct Threads;

impl Pool for Threads {
    fn run(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap();
    }
}

fn source(toml: &str) -> Source {
    Source::open(toml::from_str(toml).unwrap(), Arc::new(Threads))
}

fn dataset(source: &str, toml: &str) -> Dataset {
    let source: SourceSettings = toml::from_str(source).unwrap();
    let common = "id = 'd'\ntitle = '人'\ndepartment = 'o'\nregion = '511900'\ncycle = 'daily'";
    let text = format!("{common}\nsource = '{}'\n{toml}", source.id());
    let settings: DatasetSettings = toml::from_str(&text).unwrap();
    Dataset::compile(&settings, &[source]).unwrap()
}

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn rows(page: &Page) -> Vec<Row> {
    let cell = |cell: Cell<'_>| match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(text.to_owned()),
        Cell::Malformed(reason) => Some(format!("!{reason}")),
    };
    page.rows().map(|row| row.cells().map(cell).collect()).collect()
}

/// All rows in pages, with the position after each page.
async fn pages(
    source: &Source,
    dataset: &Dataset,
    scan: Scan,
    max_rows: usize,
) -> Vec<(Vec<Row>, Option<Position>)> {
    let mut cursor = source.scan(dataset, scan).await.unwrap();
    let mut page = Page::new(0);
    let mut all = Vec::new();
    while cursor.next(&mut page, max_rows).await.unwrap() {
        assert!(page.len() <= max_rows && !page.is_empty());
        all.push((rows(&page), cursor.position().cloned()));
    }
    assert!(page.is_empty());
    // A cursor that has ended stays ended, and now knows that its last group is complete.
    assert!(!cursor.next(&mut page, max_rows).await.unwrap());
    all.push((Vec::new(), cursor.position().cloned()));
    all
}

async fn all(source: &Source, dataset: &Dataset, scan: Scan) -> Vec<Row> {
    pages(source, dataset, scan, 1000).await.into_iter().flat_map(|(rows, _)| rows).collect()
}

fn since(after: Option<&Position>) -> Scan {
    Scan::Since { after: after.cloned(), until: None }
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// What the contract's table holds: repeated keys and rows, ties in time, nulls everywhere, quotes.
fn people() -> Vec<Row> {
    let mut people = Vec::new();
    let ids = ["o'neil", "张三", "a|b", "", "A", "a", "zz\\"];
    for number in 0..90_u32 {
        let text = |text: &str| Some(text.to_owned());
        let id = ids[number as usize % ids.len()];
        let changed = match number % 9 {
            0 => None,
            8 => text("2020-03-01T08:30:00.000001"),
            _ => text(&format!("2020-03-01T08:3{}:00", number % 4)),
        };
        people.push(vec![
            if number % 11 == 3 { None } else { text(id) },
            if number % 13 == 5 { None } else { text(&(number % 10).to_string()) },
            changed,
            if number % 7 == 0 { None } else { text(&format!("-{number}.50")) },
            text(&format!("19{:02}-02-2{}", number % 100, number % 9)),
            text(if number % 2 == 0 { "true" } else { "false" }),
        ]);
    }
    // Whole rows twice.
    people.extend_from_within(10..25);
    people
}

const PEOPLE: &str = "
table = 'person'
key = ['id', 'no']
change = { kind = 'time-column', column = 'changed' }
columns = [
  { name = 'id' }, { name = 'no', type = 'integer' }, { name = 'changed', type = 'time' },
  { name = 'amount', type = 'decimal' }, { name = 'born', type = 'date' },
  { name = 'ok', type = 'boolean' },
]
";

fn insert(people: &[Row]) -> String {
    let cell = |cell: &Option<String>| match cell {
        None => "NULL".to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', "''").replace("T0", " 0")),
    };
    let rows = people.iter().map(|row| {
        let cells: Vec<String> = row.iter().map(cell).collect();
        format!("({})", cells.join(", "))
    });
    format!("INSERT INTO person VALUES {};", rows.collect::<Vec<_>>().join(",\n"))
}

/// What holds for every database.
async fn keeps_the_contract(source: &Source, dataset: &Dataset, people: &[Row]) {
    assert_eq!(source.probe(dataset).await.unwrap(), []);
    let full = all(source, dataset, Scan::Full).await;
    assert_eq!(sorted(full.clone()), sorted(people.to_vec()), "a full scan has every row");
    let key = |row: &Row| (row[0].clone().unwrap_or_default(), row[1].clone().unwrap_or_default());
    assert!(full.is_sorted_by_key(key), "a full scan is ordered by key, in binary order");
    let by_time = all(source, dataset, since(None)).await;
    let missing = all(source, dataset, Scan::MissingTime).await;
    assert!(missing.iter().all(|row| row[2].is_none()) && !missing.is_empty());
    let both = [by_time.clone(), missing].concat();
    assert_eq!(sorted(both), sorted(people.to_vec()), "dated and undated rows are all rows");
    let order = |row: &Row| (row[2].clone(), key(row));
    assert!(by_time.is_sorted_by_key(order), "a scan since is ordered by time and key");
    for max_rows in [1, 2, 7, 64] {
        let paged = pages(source, dataset, Scan::Full, max_rows).await;
        let paged: Vec<Row> = paged.into_iter().flat_map(|(rows, _)| rows).collect();
        assert_eq!(paged, full, "pages of {max_rows} rows");
    }
    resumes_without_a_gap(source, dataset, &by_time, order).await;
    keeps_to_its_bounds(source, dataset, &by_time).await;
    loses_nothing_when_dropped_half_way(source, dataset, &full).await;
}

async fn resumes_without_a_gap<K: Ord>(
    source: &Source,
    dataset: &Dataset,
    by_time: &[Row],
    order: impl Fn(&Row) -> K,
) {
    let mut read = 0;
    let pages = pages(source, dataset, since(None), 5).await;
    let end = pages.last().unwrap().1.clone().unwrap();
    assert_eq!(all(source, dataset, since(Some(&end))).await, Vec::<Row>::new());
    for (rows, position) in pages {
        read += rows.len();
        let rest = all(source, dataset, since(position.as_ref())).await;
        let again = read - (by_time.len() - rest.len());
        assert_eq!(rest, by_time[read - again..]);
        // Only the group that may go on is read twice.
        let open = &by_time[read - again..read];
        assert!(open.windows(2).all(|pair| order(&pair[0]) == order(&pair[1])));
    }
}

async fn keeps_to_its_bounds(source: &Source, dataset: &Dataset, by_time: &[Row]) {
    let until = Some(jiff::civil::datetime(2020, 3, 1, 8, 30, 0, 0));
    let early = all(source, dataset, Scan::Since { after: None, until }).await;
    let at = |row: &Row| row[2].clone().unwrap();
    let expected: Vec<&Row> =
        by_time.iter().filter(|row| *at(row) <= *"2020-03-01T08:30:00").collect();
    assert!(!early.is_empty() && early.len() < by_time.len());
    assert_eq!(early.iter().collect::<Vec<_>>(), expected);
    let from = Position::at(jiff::civil::datetime(2020, 3, 1, 8, 32, 0, 0));
    let late = all(source, dataset, since(Some(&from))).await;
    assert_eq!(late.len(), by_time.iter().filter(|row| *at(row) >= *"2020-03-01T08:32:00").count());
    let back = from.back(std::time::Duration::from_secs(60));
    assert_eq!(back.time, "2020-03-01T08:31:00");
}

async fn loses_nothing_when_dropped_half_way(source: &Source, dataset: &Dataset, full: &[Row]) {
    let mut cursor = source.scan(dataset, Scan::Full).await.unwrap();
    let mut page = Page::new(dataset.columns.len());
    let mut got = Vec::new();
    loop {
        // Polled once and dropped: often before the answer is there.
        let polled = {
            let mut next = std::pin::pin!(cursor.next(&mut page, 4));
            std::future::poll_fn(|context| {
                std::task::Poll::Ready(match next.as_mut().poll(context) {
                    std::task::Poll::Ready(result) => Some(result.unwrap()),
                    std::task::Poll::Pending => None,
                })
            })
            .await
        };
        let more = match polled {
            Some(more) => more,
            None => cursor.next(&mut page, 4).await.unwrap(),
        };
        if !more {
            break;
        }
        got.extend(rows(&page));
    }
    assert_eq!(got, full);
}

fn sqlite(folder: &Path) -> (Connection, String) {
    let path = folder.join("city.sqlite");
    let toml = format!("id = 's'\nkind = 'sqlite'\npath = '{}'", path.display());
    (Connection::open(path).unwrap(), toml)
}

#[test]
fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let (city, settings) = sqlite(folder.path());
    // Declared collations must not change the order.
    city.execute_batch(
        "CREATE TABLE person (id TEXT COLLATE NOCASE, no INTEGER, changed TEXT, amount TEXT, \
         born TEXT, ok TEXT)",
    )
    .unwrap();
    city.execute_batch(&insert(&people())).unwrap();
    run(keeps_the_contract(&source(&settings), &dataset(&settings, PEOPLE), &people()));
}

#[test]
fn postgres_keeps_the_contract_by_copy_and_by_text() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE person (id varchar(40), no int, changed timestamp, amount numeric(14,2), \
         born date, ok boolean);",
    );
    server.sql(&insert(&people()));
    for protocol in ["copy", "text"] {
        let url = server.url();
        let settings =
            format!("id = 'p'\nkind = 'postgres'\nurl = '{url}'\nprotocol = '{protocol}'");
        run(keeps_the_contract(&source(&settings), &dataset(&settings, PEOPLE), &people()));
    }
}

#[test]
fn postgres_values_at_the_edges_are_canonical_or_malformed() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE edge (id int, n numeric, d date, t timestamptz, u uuid, c char(6), f float8, \
         j json); INSERT INTO edge VALUES \
         (1, 12345678901234567890123456789012345678, '0001-01-01', '2020-03-01 00:30:00+00', \
          'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '中', 0.1, '{\"a\":1}'), \
         (2, -0.00000000000000000000000000000000000001, '9999-12-31', '1990-07-01 00:00:00+00', \
          NULL, '', -2, NULL), \
         (3, 'NaN', 'infinity', 'infinity', NULL, NULL, NULL, NULL), \
         (4, 1000000.000, '0044-03-15 BC', '-infinity', NULL, NULL, NULL, NULL);",
    );
    let columns = "table = 'edge'\nkey = ['id']\nchange = { kind = 'time-column', column = 't' }\n\
        columns = [{ name = 'id', type = 'integer' }, { name = 'n', type = 'decimal' }, \
        { name = 'd', type = 'date' }, { name = 't', type = 'time' }, { name = 'u' }, \
        { name = 'c' }, { name = 'f', type = 'decimal' }, { name = 'j' }]";
    for protocol in ["copy", "text"] {
        let url = server.url();
        let settings =
            format!("id = 'p'\nkind = 'postgres'\nurl = '{url}'\nprotocol = '{protocol}'");
        let (source, dataset) = (source(&settings), dataset(&settings, columns));
        run(async {
            assert_eq!(source.probe(&dataset).await.unwrap(), []);
            let full = all(&source, &dataset, Scan::Full).await;
            let text = |row: usize| -> Vec<&str> {
                full[row].iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect()
            };
            assert_eq!(
                text(0),
                [
                    "1",
                    "12345678901234567890123456789012345678",
                    "0001-01-01",
                    "2020-03-01T08:30:00",
                    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                    "中",
                    "0.1",
                    "{\"a\":1}"
                ]
            );
            // Summer time of 1990: +09:00.
            let second = text(1);
            assert_eq!(second[1], "-0.00000000000000000000000000000000000001");
            assert_eq!(second[2..4], ["9999-12-31", "1990-07-01T09:00:00"]);
            assert!(text(2)[1..4].iter().all(|cell| cell.starts_with('!')), "{:?}", text(2));
            assert_eq!(text(3)[1], "1000000.000");
            assert!(text(3)[2..4].iter().all(|cell| cell.starts_with('!')), "{:?}", text(3));
            assert_eq!(all(&source, &dataset, since(None)).await.len(), 2);
            assert_eq!(all(&source, &dataset, Scan::MissingTime).await.len(), 2);
        });
    }
}

#[test]
fn a_wrong_mapping_and_an_absent_server_are_told_apart() {
    let server = Server::start();
    server.sql("CREATE TABLE person (id text, name text)");
    let url = server.url();
    let wrong = "table = 'person'\nkey = ['id']\nchange = { kind = 'full' }\ncolumns = [{ name = 'id' }, { name = 'nmae' }]";
    let absent = wrong.replace("'person'", "'persons'");
    let folder = tempfile::tempdir().unwrap();
    let (city, embedded) = sqlite(folder.path());
    city.execute_batch("CREATE TABLE person (id, name)").unwrap();
    let settings = format!("id = 'p'\nkind = 'postgres'\nurl = '{url}'");
    for settings in [settings, embedded] {
        run(async {
            let source = source(&settings);
            let problems = source.probe(&dataset(&settings, wrong)).await.unwrap();
            assert_eq!(problems[0].place, "dataset.d.columns.nmae");
            assert!(problems[0].message.contains("id, name"), "{problems:?}");
            let problems = source.probe(&dataset(&settings, &absent)).await.unwrap();
            assert!(problems[0].message.contains("persons"), "{problems:?}");
        });
    }
    drop(server);
    let settings = format!("id = 'p'\nkind = 'postgres'\nurl = '{url}'");
    let source = source(&settings);
    let error = run(source.probe(&dataset(&settings, wrong))).unwrap_err();
    assert!(matches!(error, Error::Database { .. }) && !error.is_permanent(), "{error:?}");
}

fn folder_settings(folder: &Path, more: &str) -> String {
    format!("id = 'c'\nkind = 'csv-folder'\npath = '{}'\n{more}", folder.display())
}

fn write(folder: &Path, name: &str, bytes: &[u8], written: u64) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_583_000_000 + written);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

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

const DIVISIONS: &str = "key = ['ext_id']\nchange = { kind = 'full' }\ncolumns = [
  { name = 'id' }, { name = 'pid' }, { name = 'deep', type = 'integer' }, { name = 'name' },
  { name = 'pinyin_prefix' }, { name = 'pinyin' }, { name = 'ext_id' }, { name = 'ext_name' }]\n";

/// A file goes through PostgreSQL and through the folder source: the same rows, key by key.
fn travels_both_ways(folder: &Path, file: &str) -> Vec<Row> {
    let server = Server::start();
    server.sql(&format!(
        "CREATE TABLE division (id text, pid text, deep int, name text, pinyin_prefix text, \
         pinyin text, ext_id text, ext_name text);\n\
         \\copy division from '{}' with (format csv, header)\n",
        folder.join(file).display()
    ));
    let from = folder_settings(folder, "");
    let of_files = format!("{DIVISIONS}files = '{file}'");
    let to = format!("id = 'p'\nkind = 'postgres'\nurl = '{}'", server.url());
    let of_table = format!("{DIVISIONS}table = 'division'");
    run(async {
        let files = all(&source(&from), &dataset(&from, &of_files), Scan::Full).await;
        let table = all(&source(&to), &dataset(&to, &of_table), Scan::Full).await;
        assert!(table.is_sorted_by_key(|row| row[6].clone().unwrap_or_default()));
        assert_eq!(sorted(files), sorted(table.clone()));
        table
    })
}

/// Rows that share their key with another.
fn repeated(rows: &[Row], key: impl Fn(&Row) -> Vec<Option<String>>) -> usize {
    let mut keys = std::collections::BTreeMap::new();
    for row in rows {
        *keys.entry(key(row)).or_insert(0) += 1;
    }
    keys.into_values().filter(|count| *count > 1).sum()
}

#[test]
fn real_divisions_travel_through_both_sources() {
    let Some(folder) = shared_data("divisions") else { return };
    let rows = travels_both_ways(&folder, "areacity_level4.csv");
    assert_eq!(rows.len(), 43_118);
    assert_eq!(repeated(&rows, |row| row[6..7].to_vec()), 806);
}

#[test]
fn generated_divisions_travel_through_both_sources() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "\u{feff}id,pid,deep,name,pinyin_prefix,pinyin,ext_id,ext_name\n".to_owned();
    for number in 0..3000 {
        let key = number - number % 50 % 2;
        text.push_str(&format!(
            "{number},{},3,\"街道 \"\"{number}\"\"\",\"j\",\"jie dao\",\"{key:012}\",\n",
            number / 9
        ));
    }
    write(folder.path(), "level4.csv", text.as_bytes(), 1);
    let rows = travels_both_ways(folder.path(), "level4.csv");
    assert_eq!(rows.len(), 3000);
    assert_eq!(repeated(&rows, |row| row[6..7].to_vec()), 3000);
}

#[test]
fn real_daily_cases_are_picked_up_day_by_day() {
    let Some(from) = shared_data("daily-cases") else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = folder_settings(folder.path(), "");
    let toml = "files = '2020-*.csv'\nkey = ['date', 'countryCode', 'provinceCode', 'cityCode']\n\
        change = { kind = 'files' }\ncolumns = [{ name = 'date', type = 'date' }, \
        { name = 'countryCode' }, { name = 'provinceCode' }, { name = 'cityCode' }, \
        { name = 'confirmed', type = 'integer' }, { name = 'day', type = 'date', from = 'file-date' }]";
    let (source, dataset) = (source(&settings), dataset(&settings, toml));
    let mut position = None;
    let mut rows = Vec::new();
    for day in 1..=31 {
        let name = format!("2020-03-{day:02}.csv");
        write(folder.path(), &name, &std::fs::read(from.join(&name)).unwrap(), day);
        let pages = run(pages(&source, &dataset, since(position.as_ref()), 500));
        position = pages.last().unwrap().1.clone().or(position);
        rows.extend(pages.into_iter().flat_map(|(rows, _)| rows));
    }
    assert_eq!(rows.len(), 20_636);
    assert!(rows.iter().all(|row| row[0] == row[5]), "the date in the row is the file's");
    assert_eq!(repeated(&rows, |row| row[..4].to_vec()), 366);
}
