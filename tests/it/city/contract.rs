//! The suite that every database goes through.

use cascaded::city::{Dataset, Position, Scan, Source};
use cascaded::row::Page;

use super::{Row, all, dataset, pages, rows, run, since, sorted, source, sqlite};
use crate::support::maria;
use crate::support::postgres::Server;

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
    for journal in ["delete", "wal"] {
        city.pragma_update(None, "journal_mode", journal).unwrap();
        run(keeps_the_contract(&source(&settings), &dataset(&settings, PEOPLE), &people()));
    }
}

#[test]
fn a_department_writes_while_a_scan_of_its_file_waits() {
    for journal in ["delete", "wal"] {
        let folder = tempfile::tempdir().unwrap();
        let (city, settings) = sqlite(folder.path());
        city.execute_batch(
            "CREATE TABLE person (id TEXT, no INTEGER, changed TEXT, amount TEXT, born TEXT, \
             ok TEXT)",
        )
        .unwrap();
        city.execute_batch(&insert(&people())).unwrap();
        city.pragma_update(None, "journal_mode", journal).unwrap();
        city.busy_timeout(std::time::Duration::ZERO).unwrap();
        let (source, dataset) = (source(&settings), dataset(&settings, PEOPLE));
        run(async {
            let full = all(&source, &dataset, Scan::Full).await;
            let by_time = all(&source, &dataset, since(None)).await;
            for (scan, expected) in [(Scan::Full, full), (since(None), by_time)] {
                let mut cursor = source.scan(&dataset, scan).await.unwrap();
                let mut page = Page::new(dataset.columns.len());
                assert!(cursor.next(&mut page, 4).await.unwrap());
                let mut got = rows(&page);
                // Nobody waits here: what cannot write at once fails.
                city.execute_batch("UPDATE person SET amount = '1.00'").unwrap();
                while cursor.next(&mut page, 4).await.unwrap() {
                    got.extend(rows(&page));
                }
                assert_eq!(got, expected, "a scan sees one state of the file ({journal})");
                city.execute_batch("DELETE FROM person").unwrap();
                city.execute_batch(&insert(&people())).unwrap();
            }
        });
    }
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
fn mariadb_keeps_the_contract_whatever_its_collations_and_engine() {
    let city = maria::Database::new();
    let settings = format!("id = 'm'\nkind = 'mysql'\nurl = '{}'", city.url());
    // Case does not matter to the server's own order, and blanks at the end do not either.
    for (engine, collation) in [
        ("InnoDB", "utf8mb4_general_ci"),
        ("MyISAM", "utf8mb4_unicode_ci"),
        ("InnoDB", "gbk_chinese_ci"),
    ] {
        let set = collation.split('_').next().unwrap();
        city.sql(&format!(
            "DROP TABLE IF EXISTS person; CREATE TABLE person (id varchar(40), no int, \
             changed datetime(6), amount decimal(14,2), born date, ok varchar(5)) \
             ENGINE={engine} CHARACTER SET {set} COLLATE {collation}; \
             SET sql_mode = 'NO_BACKSLASH_ESCAPES';"
        ));
        city.sql(&format!("SET sql_mode = 'NO_BACKSLASH_ESCAPES'; {}", insert(&people())));
        run(keeps_the_contract(&source(&settings), &dataset(&settings, PEOPLE), &people()));
    }
}

/// A statement's worth of rows is smaller than most groups, and larger than the table.
#[cfg(feature = "odbc")]
#[test]
fn odbc_keeps_the_contract_by_two_drivers() {
    use super::place::World;
    let city = World::Odbc(Box::new(World::sqlite()));
    city.sql(
        "CREATE TABLE person (id TEXT COLLATE NOCASE, no INTEGER, changed TEXT, amount TEXT, \
         born TEXT, ok TEXT)",
    );
    let server = World::Odbc(Box::new(World::Postgres(Server::start(), "copy")));
    server.sql(
        "CREATE TABLE person (id varchar(40), no int, changed timestamp, amount numeric(14,2), \
         born date, ok boolean);",
    );
    for place in [city, server] {
        place.sql(&insert(&people()));
        for rows in ["", "statement_rows = 1", "statement_rows = 7"] {
            let settings = place.settings(rows);
            run(keeps_the_contract(&source(&settings), &dataset(&settings, PEOPLE), &people()));
        }
    }
}
