//! What every source does, one table of behaviours run against each of them.
//!
//! Where a place cannot have what is asked (a folder has no connection that could break, a CSV
//! file no null), the behaviour says so itself.

use cascaded::city::{Error, Scan};
use cascaded::row::Page;

use super::place::{Columns, Holds, Line, World};
use super::{Row, all, rows, run, since, sorted, source};
use crate::support::maria::Database;
use crate::support::postgres::Server;

type Behaviour = fn(&World);

const BEHAVIOURS: [(&str, Behaviour); 11] = [
    ("values keep their text, null is not empty", values),
    ("dates and times at the edges, and none at all", edges),
    ("every character comes as it was written", characters),
    ("a field of a hundred megabytes", a_long_field),
    ("rows without a primary key, and rows twice", rows_twice),
    ("keys that differ in case or in blanks only", keys_alike),
    ("no rows", no_rows),
    ("a session that breaks at some row", broken),
    ("a statement that runs too long", too_long),
    ("a schema that changes under way", changing),
    ("a schema that has changed", changed),
];

fn behaves(world: &World) {
    for (name, behaviour) in BEHAVIOURS {
        println!("behaviour: {name}");
        behaviour(world);
    }
}

#[test]
fn sqlite_behaves() {
    behaves(&World::sqlite());
}

#[test]
fn a_folder_behaves() {
    behaves(&World::Csv(tempfile::tempdir().unwrap()));
}

#[test]
fn a_workbook_behaves() {
    behaves(&World::Book(tempfile::tempdir().unwrap()));
}

#[test]
fn postgres_by_copy_behaves() {
    behaves(&World::Postgres(Server::start(), "copy"));
}

#[test]
fn postgres_by_text_behaves() {
    behaves(&World::Postgres(Server::start(), "text"));
}

#[cfg(feature = "odbc")]
#[test]
fn postgres_by_its_odbc_driver_behaves() {
    behaves(&World::Odbc(Box::new(World::Postgres(Server::start(), "copy"))));
}

#[cfg(feature = "odbc")]
#[test]
fn sqlite_by_its_odbc_driver_behaves() {
    behaves(&World::Odbc(Box::new(World::sqlite())));
}

#[test]
fn mariadb_behaves() {
    behaves(&World::Maria(Database::new()));
}

const FULL: &str = "{ kind = 'full' }";
const BY_TIME: &str = "{ kind = 'time-column', column = 'at' }";

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn read(world: &World, columns: &Columns) -> Vec<Row> {
    let (source, dataset) = (source(&world.settings("")), world.dataset(columns, FULL));
    run(async {
        assert_eq!(source.probe(&dataset).await.unwrap(), []);
        all(&source, &dataset, Scan::Full).await
    })
}

/// In a file what is empty is null.
fn kept(world: &World, rows: &[Row]) -> Vec<Row> {
    let folder = world.is_folder();
    let cell = |cell: &Option<String>| cell.clone().filter(|text| !folder || !text.is_empty());
    rows.iter().map(|row| row.iter().map(cell).collect()).collect()
}

fn values(world: &World) {
    let columns = [
        ("id", Holds::Text),
        ("name", Holds::Text),
        ("whole", Holds::Integer),
        ("large", Holds::Decimal(38, 0)),
        ("fine", Holds::Decimal(38, 37)),
        ("ok", Holds::Boolean),
    ];
    let large = "12345678901234567890123456789012345678";
    let fine = "-9.0000000000000000000000000000000000001";
    let given = [
        vec![
            text("1"),
            text(""),
            text("-9223372036854775808"),
            text(large),
            text(fine),
            text("true"),
        ],
        vec![text("2"), None, text("9223372036854775807"), text("-1"), None, text("false")],
        vec![text("3"), text(" a "), None, None, None, None],
    ];
    world.fill(&columns, &given);
    assert_eq!(read(world, &columns), kept(world, &given));
}

fn edges(world: &World) {
    let columns = [("id", Holds::Text), ("day", Holds::Date), ("at", Holds::Time)];
    let given = [
        vec![text("1"), text("0001-01-01"), text("0001-01-01T00:00:00")],
        vec![text("2"), text("9999-12-31"), text("9999-12-31T23:59:59")],
        vec![text("3"), text("2020-02-29"), text("2020-02-29T08:30:00.000001")],
        vec![text("4"), None, None],
    ];
    world.fill(&columns, &given);
    assert_eq!(read(world, &columns), given);
    let nonsense = match world.beneath() {
        World::Postgres(..) => "INSERT INTO t VALUES ('5', 'infinity', '-infinity')",
        World::Maria(_) => {
            "SET sql_mode = 'ALLOW_INVALID_DATES'; INSERT INTO t VALUES ('5', '0000-00-00', \
             '0000-00-00'), ('6', '2020-00-00', '2020-02-00 01:00:00'), \
             ('7', '2020-02-31', '2020-02-31 01:00:00')"
        }
        World::Sqlite(..) => "INSERT INTO t VALUES ('5', '2020-02-31', 'yesterday')",
        World::Csv(folder) => {
            let file = "id,day,at\n1,2020-02-31,yesterday\n";
            super::write(folder.path(), "t.csv", file.as_bytes(), 2);
            let found = read(world, &columns);
            assert!(found[0][1..].iter().all(|cell| cell.as_ref().unwrap().starts_with('!')));
            return;
        }
        World::Book(_) => {
            world.fill(&columns, &[vec![text("1"), text("2020-02-31"), text("yesterday")]]);
            let found = read(world, &columns);
            assert!(found[0][1..].iter().all(|cell| cell.as_ref().unwrap().starts_with('!')));
            return;
        }
        #[cfg(feature = "odbc")]
        World::Odbc(_) => unreachable!("beneath a driver is no driver"),
    };
    world.sql(nonsense);
    let found = read(world, &columns);
    assert!(found.len() > given.len());
    for row in &found[given.len()..] {
        let marked = row[1..].iter().all(|cell| cell.as_ref().unwrap().starts_with('!'));
        assert!(marked, "nonsense is a finding by row: {row:?}");
    }
    // Nonsense has no place in the order of change and is found without it.
    let (source, dataset) = (source(&world.settings("")), world.dataset(&columns, BY_TIME));
    run(async {
        let dated = all(&source, &dataset, since(None)).await;
        assert_eq!(dated.len(), 3);
        let undated = all(&source, &dataset, Scan::MissingTime).await;
        assert_eq!(sorted([dated, undated].concat()), sorted(found));
    });
}

fn characters(world: &World) {
    let columns = [("id", Holds::Text), ("name", Holds::Text)];
    let mut given = Vec::new();
    for (number, name) in [
        "镕㐂𠀀𪚥\u{30000}",
        "]]>&amp;<!--",
        "o'neil\\ \"a\"",
        "a\u{1}b\u{b}\u{1f}\u{7f}\u{fffd}\u{feff}",
        "\r\n\t ",
        "👨‍👩‍👧‍👦é",
    ]
    .into_iter()
    .enumerate()
    {
        given.push(vec![text(&number.to_string()), text(name)]);
    }
    world.fill(&columns, &given);
    assert_eq!(read(world, &columns), given);
}

fn a_long_field(world: &World) {
    let columns = [("id", Holds::Text), ("body", Holds::Text)];
    let long = "长".repeat(35_000_000);
    assert!(long.len() > 100 << 20);
    let short = [vec![text("1"), text("a")], vec![text("3"), text("b")]];
    world.fill(&columns, &short);
    match world.beneath() {
        World::Sqlite(city, _) => {
            city.execute("INSERT INTO t VALUES ('2', ?1)", [&long]).unwrap();
        }
        World::Csv(folder) => {
            let file = format!("id,body\n1,a\n2,{long}\n3,b\n");
            super::write(folder.path(), "t.csv", file.as_bytes(), 3);
        }
        // Its cells hold 32,767 letters.
        World::Book(_) => return,
        #[cfg(feature = "odbc")]
        World::Odbc(_) => unreachable!("beneath a driver is no driver"),
        World::Postgres(..) | World::Maria(_) => {
            world.sql("INSERT INTO t VALUES ('2', repeat('长', 35000000))");
        }
    }
    let (source, dataset) = (source(&world.settings("")), world.dataset(&columns, FULL));
    let found = run(all(&source, &dataset, Scan::Full));
    assert_eq!(found[0], short[0]);
    if matches!(world, World::Csv(_)) {
        // No record of a file may be so long: most likely a quote that nobody closed.
        assert_eq!(found.len(), 2);
        assert!(found[1][0].as_ref().unwrap().starts_with('!'));
    } else {
        assert_eq!((found.len(), &found[2]), (3, &short[1]));
        assert!(found[1][1].as_ref() == Some(&long));
    }
}

fn rows_twice(world: &World) {
    let columns = [("id", Holds::Text), ("name", Holds::Text), ("at", Holds::Time)];
    let mut given = Vec::new();
    for number in 0..200 {
        let at = format!("2020-03-01T08:30:0{}", number % 3);
        given.push(vec![
            text(&(number % 7).to_string()),
            text(&(number % 5).to_string()),
            text(&at),
        ]);
    }
    world.fill(&columns, &given);
    assert_eq!(sorted(read(world, &columns)), sorted(given.clone()));
    if world.is_folder() {
        return;
    }
    let (source, dataset) = (source(&world.settings("")), world.dataset(&columns, BY_TIME));
    run(async {
        let pages = super::pages(&source, &dataset, since(None), 3).await;
        let found: Vec<Row> = pages.into_iter().flat_map(|(rows, _)| rows).collect();
        assert_eq!(sorted(found), sorted(given));
    });
}

/// Many servers hold `a`, `A` and `a ` for the same: no row may be lost or come twice for it.
fn keys_alike(world: &World) {
    let columns = [("id", Holds::Text), ("at", Holds::Time)];
    let ids = ["a", "A", "a ", "ä", "Ä", "ａ", "z", "Z", "ß", "ss", "张", "張", "", " "];
    let at = text("2020-03-01T08:30:00");
    let given: Vec<Row> = ids.iter().map(|id| vec![text(id), at.clone()]).collect();
    world.fill(&columns, &given);
    let found = read(world, &columns);
    assert_eq!(sorted(found.clone()), sorted(kept(world, &given)));
    if world.is_folder() {
        return;
    }
    assert_eq!(found, sorted(given), "in binary order");
    let (source, dataset) = (source(&world.settings("")), world.dataset(&columns, BY_TIME));
    run(async {
        let whole = all(&source, &dataset, since(None)).await;
        assert_eq!(whole, found);
        for (read, (_, position)) in
            super::pages(&source, &dataset, since(None), 1).await.into_iter().enumerate()
        {
            // A page of one row leaves the group open that it began.
            let from = if read == ids.len() { ids.len() } else { read };
            assert_eq!(all(&source, &dataset, since(position.as_ref())).await, whole[from..]);
        }
    });
}

fn no_rows(world: &World) {
    let columns = [("id", Holds::Text), ("at", Holds::Time)];
    world.fill(&columns, &[]);
    assert_eq!(read(world, &columns), Vec::<Row>::new());
    if world.is_folder() {
        return;
    }
    let (source, dataset) = (source(&world.settings("")), world.dataset(&columns, BY_TIME));
    run(async {
        for scan in [since(None), Scan::MissingTime] {
            let mut cursor = source.scan(&dataset, scan).await.unwrap();
            assert!(!cursor.next(&mut Page::new(2), 10).await.unwrap());
            assert_eq!(cursor.position(), None);
        }
    });
}

fn broken(world: &World) {
    let columns = [("id", Holds::Text), ("name", Holds::Text), ("at", Holds::Time)];
    let Some(socket) = world.socket() else { return };
    let filler = "文".repeat(300);
    let given: Vec<Row> = (0..600)
        .map(|number| {
            let at = format!("2020-03-01T08:30:{:02}", number / 20);
            vec![text(&format!("{number:04}")), text(&filler), text(&at)]
        })
        .collect();
    world.fill(&columns, &given);
    let dataset = world.dataset(&columns, BY_TIME);
    let mut breaks = 0;
    for bytes in [20_000, 100_000, 333_333] {
        let line = Line::breaking_after(bytes, socket.clone());
        let settings = world.through(&line).unwrap();
        run(async {
            let mut found: Vec<Row> = Vec::new();
            let mut page = Page::new(3);
            let mut position = None;
            let cut = source(&settings);
            let error = match cut.scan(&dataset, since(None)).await {
                Err(error) => error,
                Ok(mut cursor) => loop {
                    match cursor.next(&mut page, 7).await {
                        Ok(more) => assert!(more, "it breaks before the end"),
                        Err(error) => break error,
                    }
                    found.extend(rows(&page));
                    position = cursor.position().cloned();
                },
            };
            assert!(matches!(error, Error::Database { .. }) && !error.is_permanent(), "{error:?}");
            assert_eq!(found, given[..found.len()], "what came before it broke is whole");
            breaks += usize::from(!found.is_empty());
            let again = source(&world.settings(""));
            let rest = all(&again, &dataset, since(position.as_ref())).await;
            let twice = found.len() + rest.len() - given.len();
            assert!(twice <= 1, "the group that was open is read again, no more");
            assert_eq!(rest, given[found.len() - twice..]);
        });
    }
    assert!(breaks > 0, "some of it came");
}

fn too_long(world: &World) {
    let sleep = match world.beneath() {
        World::Postgres(..) => "SELECT 'a' AS id FROM (SELECT pg_sleep(600)) s",
        World::Maria(_) => "SELECT 'a' AS id FROM (SELECT sleep(600) AS n) s WHERE s.n < 1",
        World::Sqlite(..) | World::Csv(_) | World::Book(_) => return,
        #[cfg(feature = "odbc")]
        World::Odbc(_) => unreachable!("beneath a driver is no driver"),
    };
    let columns = [("id", Holds::Text)];
    let dataset = world.dataset_from(&format!("query = \"{sleep}\""), &columns, FULL);
    let source = source(&world.settings("statement_timeout = '200ms'"));
    let error = run(async {
        let mut cursor = source.scan(&dataset, Scan::Full).await?;
        cursor.next(&mut Page::new(1), 10).await
    })
    .unwrap_err();
    // The server's own limit ended it, long before ours would.
    let said = format!("{error:?}");
    assert!(matches!(error, Error::Database { .. }) && !error.is_permanent(), "{said}");
    assert!(said.contains("57014"), "{said}");
}

fn changing(world: &World) {
    let columns = [("id", Holds::Text), ("name", Holds::Text)];
    let given: Vec<Row> =
        (0..50).map(|number| vec![text(&format!("{number:02}")), text("名")]).collect();
    world.fill(&columns, &given);
    let (source, dataset) = (source(&world.settings("")), world.dataset(&columns, FULL));
    run(async {
        let mut cursor = source.scan(&dataset, Scan::Full).await.unwrap();
        let mut page = Page::new(2);
        assert!(cursor.next(&mut page, 5).await.unwrap());
        let mut found = rows(&page);
        world.tries_to_rename("name");
        // Either the place did not allow it, or the scan goes on as it began, or it ends with an
        // error; never does it give a row of another form.
        loop {
            match cursor.next(&mut page, 5).await {
                Ok(true) => found.extend(rows(&page)),
                Ok(false) => break assert_eq!(found, given),
                Err(error) => {
                    assert!(matches!(error, Error::Database { .. }), "{error:?}");
                    break assert_eq!(found, given[..found.len()]);
                }
            }
        }
    });
}

fn changed(world: &World) {
    let columns = [("id", Holds::Text), ("name", Holds::Text)];
    let now = [("id", Holds::Text), ("title", Holds::Text)];
    world.fill(&now, &[vec![text("1"), text("a")]]);
    let (source, dataset) = (source(&world.settings("")), world.dataset(&columns, FULL));
    run(async {
        let problems = source.probe(&dataset).await.unwrap();
        assert_eq!(problems[0].place, "dataset.d.columns.name");
        assert!(problems[0].message.contains("id, title"), "{problems:?}");
        let read = async {
            let mut cursor = source.scan(&dataset, Scan::Full).await?;
            let mut page = Page::new(2);
            cursor.next(&mut page, 10).await.map(|_| rows(&page))
        };
        match (read.await, world.beneath()) {
            // A file is one of many: what is wrong with it is a finding.
            (Ok(found), _) if world.is_folder() => {
                assert!(found[0][0].as_ref().unwrap().starts_with('!'));
            }
            (Ok(found), _) => panic!("rows of another form: {found:?}"),
            // SQLite's codes do not tell this mistake from others.
            (Err(error), World::Sqlite(..)) => assert!(matches!(error, Error::Database { .. })),
            (Err(error), _) => assert!(error.is_permanent(), "{error:?}"),
        }
    });
}
