//! What is special to MariaDB.

use std::sync::Arc;

use cascaded::city::{CatalogueSettings, Error, Scan, Source, SourceSettings, read_catalogue};
use cascaded::row::Page;
use cascaded::sql::{self, Address};

use super::{Threads, all, dataset, pages, rows, run, since, source};
use crate::support::maria::Database;

fn settings(city: &Database) -> String {
    format!("id = 'm'\nkind = 'mysql'\nurl = '{}'", city.url())
}

#[test]
fn mariadb_values_are_canonical_whatever_their_type() {
    let city = Database::new();
    city.sql(
        "CREATE TABLE edge (id int(5) ZEROFILL, n decimal(65,30), flag bit(1), bits bit(12), \
         ok boolean, j json, b varbinary(9), e enum('甲','乙'), y year, f float, d double, \
         c char(6), g varchar(20) CHARACTER SET gbk, t time, u bigint unsigned, Named int); \
         INSERT INTO edge VALUES (7, -12345678901234567890123456789012345.000000000000000000000000000001, \
          b'1', b'101', true, '{\"a\":1}', x'00ff', '乙', 2020, 0.1, 1e20, '中', '镕', \
          '08:30:00', 18446744073709551615, 5), \
         (8, 0, b'0', b'0', 2, NULL, '', NULL, NULL, 16777216, -0.5, '', '', NULL, 0, NULL);",
    );
    let columns = "table = 'edge'\nkey = ['id']\nchange = { kind = 'full' }\n\
        columns = [{ name = 'id', type = 'integer' }, { name = 'n', type = 'decimal' }, \
        { name = 'flag', type = 'boolean' }, { name = 'bits', type = 'integer' }, \
        { name = 'ok', type = 'boolean' }, { name = 'j' }, { name = 'b' }, { name = 'e' }, \
        { name = 'y', type = 'integer' }, { name = 'f', type = 'decimal' }, \
        { name = 'd', type = 'decimal' }, { name = 'c' }, { name = 'g' }, { name = 't' }, \
        { name = 'u', type = 'integer' }, { name = 'NAMED', type = 'integer' }]";
    let settings = settings(&city);
    let (source, dataset) = (source(&settings), dataset(&settings, columns));
    run(async {
        assert_eq!(source.probe(&dataset).await.unwrap(), []);
        let full = all(&source, &dataset, Scan::Full).await;
        let text = |row: usize| -> Vec<&str> {
            full[row].iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect()
        };
        let large = "-12345678901234567890123456789012345.000000000000000000000000000001";
        assert_eq!(
            text(0),
            [
                "7",
                large,
                "true",
                "5",
                "true",
                "{\"a\":1}",
                "\\x00ff",
                "乙",
                "2020",
                "0.1",
                "100000000000000000000",
                "中",
                "镕",
                "08:30:00",
                "18446744073709551615",
                "5"
            ]
        );
        let second = text(1);
        assert_eq!(second[0..4], ["8", "0.000000000000000000000000000000", "false", "0"]);
        assert_eq!(second[4], "!neither true nor false");
        assert_eq!(second[5..11], ["NULL", "\\x", "NULL", "NULL", "16777216", "-0.5"]);
        assert_eq!(second[11..], ["", "", "NULL", "0", "NULL"]);
    });
}

#[test]
fn a_timestamp_is_an_instant_and_a_datetime_is_what_a_clock_showed() {
    let city = Database::new();
    city.sql(
        "CREATE TABLE seen (id int, at timestamp NULL, clock datetime); SET time_zone = '+00:00'; \
         INSERT INTO seen VALUES (1, '2020-03-01 00:30:00', '2020-03-01 00:30:00'), \
         (2, '1990-07-01 00:00:00', '1990-07-01 00:00:00'), (3, NULL, NULL), \
         (4, '2020-03-01 00:30:00', '2020-03-01 00:30:00');",
    );
    let settings = settings(&city);
    let columns = |column: &str| {
        format!(
            "table = 'seen'\nkey = ['id']\nchange = {{ kind = 'time-column', column = '{column}' }}\n\
             columns = [{{ name = 'id' }}, {{ name = 'at', type = 'time' }}, \
             {{ name = 'clock', type = 'time' }}]"
        )
    };
    let source = source(&settings);
    run(async {
        let dataset_at = dataset(&settings, &columns("at"));
        let found = all(&source, &dataset_at, since(None)).await;
        let at: Vec<&str> = found.iter().map(|row| row[1].as_deref().unwrap()).collect();
        // Summer time of 1990: +09:00.
        assert_eq!(at, ["1990-07-01T09:00:00", "2020-03-01T08:30:00", "2020-03-01T08:30:00"]);
        let clock: Vec<&str> = found.iter().map(|row| row[2].as_deref().unwrap()).collect();
        assert_eq!(clock, ["1990-07-01T00:00:00", "2020-03-01T00:30:00", "2020-03-01T00:30:00"]);
        for column in ["at", "clock"] {
            let dataset = dataset(&settings, &columns(column));
            let whole = all(&source, &dataset, since(None)).await;
            for (read, (_, position)) in
                pages(&source, &dataset, since(None), 1).await.into_iter().enumerate()
            {
                let rest = all(&source, &dataset, since(position.as_ref())).await;
                assert_eq!(rest, whole[read.min(3)..], "after {position:?}");
            }
            let until = Some(jiff::civil::datetime(1990, 7, 1, 9, 0, 0, 0));
            let early = all(&source, &dataset, Scan::Since { after: None, until }).await;
            assert_eq!(early.len(), 1);
        }
    });
}

#[test]
fn a_department_writes_while_a_scan_of_its_table_waits() {
    let city = Database::new();
    let filler = "x".repeat(400);
    city.sql(&format!(
        "CREATE TABLE person (id int, note varchar(900)); \
         INSERT INTO person SELECT seq, '{filler}' FROM seq_1_to_20000"
    ));
    let settings = settings(&city);
    let columns = "table = 'person'\nkey = ['id']\nchange = { kind = 'full' }\n\
        columns = [{ name = 'id', type = 'integer' }, { name = 'note' }]";
    let (source, dataset) = (source(&settings), dataset(&settings, columns));
    run(async {
        let mut cursor = source.scan(&dataset, Scan::Full).await.unwrap();
        let mut page = Page::new(2);
        assert!(cursor.next(&mut page, 4).await.unwrap());
        // Nobody waits here: what cannot write at once fails.
        city.sql(
            "SET lock_wait_timeout = 0, innodb_lock_wait_timeout = 0; \
             UPDATE person SET note = 'changed'",
        );
        let mut found = rows(&page);
        while cursor.next(&mut page, 1000).await.unwrap() {
            found.extend(rows(&page));
        }
        assert_eq!(found.len(), 20_000);
        let note = Some(filler.clone());
        assert!(found.iter().all(|row| row[1] == note), "rows of one moment");
    });
}

#[test]
fn a_scan_that_is_dropped_frees_its_session_and_leaves_the_rest_unread() {
    let city = Database::new();
    city.sql(
        "CREATE TABLE long_one (id int, note varchar(900)); \
         INSERT INTO long_one SELECT seq, repeat('x', 900) FROM seq_1_to_50000",
    );
    let settings = settings(&city);
    let columns = "table = 'long_one'\nkey = ['id']\nchange = { kind = 'full' }\n\
        columns = [{ name = 'id', type = 'integer' }, { name = 'note' }]";
    let (source, dataset) = (source(&settings), dataset(&settings, columns));
    run(async {
        let mut cursor = source.scan(&dataset, Scan::Full).await.unwrap();
        assert!(cursor.next(&mut Page::new(2), 4).await.unwrap());
        drop(cursor);
        // No task of the driver's lives on in this runtime to read millions of rows.
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
        let sessions = format!(
            "SELECT count(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE \
             'SELECT q.%'",
            city.name()
        );
        while city.told(&sessions).trim() != "0" {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_session_of_a_source_writes_nothing_and_one_of_a_channel_does() {
    let city = Database::new();
    city.sql("CREATE TABLE t (id int)");
    let address = Address {
        url: city.url(),
        password_file: None,
        ca_file: None,
        statement_timeout: std::time::Duration::from_secs(30),
        zone: "Asia/Shanghai".to_owned(),
    };
    run(async {
        let mut reader = sql::connect_mysql_read_only(&address).await.unwrap();
        for statement in ["INSERT INTO t VALUES (1)", "CREATE TABLE u (id int)", "DROP TABLE t"] {
            let error = reader.run(statement).await.unwrap_err();
            assert!(error.to_string().contains("(error 1792)"), "{statement}: {error}");
        }
        let told = reader.rows("SELECT @@max_statement_time, @@time_zone").await.unwrap();
        let told: (String, String) = mysql_async::from_row(told.into_iter().next().unwrap());
        assert_eq!(told, ("30.000000".to_owned(), "+08:00".to_owned()));
        let mut writer = sql::connect_mysql_read_write(&address).await.unwrap();
        assert_eq!(writer.run("INSERT INTO t VALUES (1), (2)").await.unwrap(), 2);
    });
}

#[test]
fn mariadb_is_encrypted_with_the_right_certificate_and_password_only() {
    let city = Database::new();
    let name = city.name();
    city.sql(&format!(
        "CREATE TABLE t (id int); INSERT INTO t VALUES (7); \
         CREATE USER {name}@'%' IDENTIFIED BY '县级' REQUIRE SSL; GRANT SELECT ON t TO {name}@'%';"
    ));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let other =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    let (right, wrong) = (file("right", "县级\n"), file("wrong", "市级\n"));
    let (trusted, other) = (city.trusted().display().to_string(), file("other.pem", &other));
    let toml = "table = 't'\nkey = ['id']\nchange = { kind = 'full' }\ncolumns = [{ name = 'id' }]";
    let read = |password: &str, ca: Option<&str>| {
        let ca = ca.map_or_else(String::new, |path| format!("ca_file = '{path}'"));
        let settings = format!(
            "id = 'm'\nkind = 'mysql'\nurl = '{}'\npassword_file = '{password}'\n{ca}",
            city.network(name)
        );
        let (source, dataset) = (source(&settings), dataset(&settings, toml));
        run(async {
            let mut cursor = source.scan(&dataset, Scan::Full).await?;
            let mut page = Page::new(1);
            cursor.next(&mut page, 10).await?;
            Ok::<_, Error>(rows(&page))
        })
    };
    assert_eq!(read(&right, Some(&trusted)).unwrap(), [[Some("7".to_owned())]]);
    let error = read(&wrong, Some(&trusted)).unwrap_err();
    assert!(error.is_permanent(), "{error:?}");
    let error = read(&right, Some(&other)).unwrap_err();
    let said = format!("{error:?}");
    assert!(!error.is_permanent() && said.contains("certificate"), "{said}");
    assert!(!said.contains("县级"));
    // Plain, where the server demands encryption.
    assert!(read(&right, None).unwrap_err().is_permanent());
}

#[test]
fn a_wrong_mapping_and_missing_rights_are_told_by_the_probe() {
    let city = Database::new();
    let name = city.name();
    city.sql(&format!(
        "CREATE TABLE person (id int, name text); CREATE TABLE secret (id int, name text); \
         CREATE USER {name}@'%'; GRANT SELECT ON person TO {name}@'%';"
    ));
    let settings = format!("id = 'm'\nkind = 'mysql'\nurl = '{}'", city.network(name));
    let wrong = "table = 'person'\nkey = ['id']\nchange = { kind = 'full' }\n\
        columns = [{ name = 'id' }, { name = 'nmae' }]";
    let probe = |toml: &str| {
        let (source, dataset) = (source(&settings), dataset(&settings, toml));
        run(source.probe(&dataset)).unwrap()
    };
    let problems = probe(wrong);
    assert_eq!(problems[0].place, "dataset.d.columns.nmae");
    assert!(problems[0].message.contains("id, name"), "{problems:?}");
    for table in ["absent", "secret", "nowhere.person"] {
        let problems = probe(&wrong.replace("'person'", &format!("'{table}'")));
        assert!(problems[0].message.contains("SELECT") || problems[0].message.contains(table));
    }
    let untimed = wrong
        .replace("nmae", "name")
        .replace("{ name = 'name' }", "{ name = 'name', type = 'time' }")
        .replace("{ kind = 'full' }", "{ kind = 'time-column', column = 'name' }");
    assert!(probe(&untimed)[0].message.contains("cast it in a `query`"));
}

#[test]
fn a_key_longer_than_a_server_sorts_is_refused_and_not_lost() {
    let city = Database::new();
    city.sql(
        "CREATE TABLE t (id longtext, at datetime); INSERT INTO t VALUES \
         ('a', '2020-03-01 08:30:00'), (repeat('x', 4097), '2020-03-01 08:30:00')",
    );
    let toml = "table = 't'\nkey = ['id']\nchange = { kind = 'time-column', column = 'at' }\n\
        columns = [{ name = 'id' }, { name = 'at', type = 'time' }]";
    let settings = settings(&city);
    let (source, dataset) = (source(&settings), dataset(&settings, toml));
    run(async {
        let mut cursor = source.scan(&dataset, since(None)).await.unwrap();
        let error = cursor.next(&mut Page::new(2), 10).await.unwrap_err();
        assert!(matches!(error, Error::Unfit { .. }), "{error:?}");
        assert_eq!(all(&source, &dataset, Scan::Full).await.len(), 2);
    });
}

#[test]
fn a_catalogue_is_read_from_tables_in_mariadb() {
    let city = Database::new();
    city.sql(
        "CREATE TABLE category (code varchar(9), title text, parent varchar(9)); \
         INSERT INTO category VALUES ('3', '部门', NULL), ('307', '自然资源', '3'); \
         CREATE TABLE organ (id varchar(9), title text, code char(18)); \
         INSERT INTO organ VALUES ('o1', '市自然资源局𪚥', '115119000000000001');",
    );
    let source: SourceSettings = toml::from_str(&settings(&city)).unwrap();
    let parts: CatalogueSettings = toml::from_str(
        "region = '511900'\n\
         [[part]]\nkind = 'sql'\nsource = 'm'\ntable = 'category'\ncolumns = { 'category.id' = \
         'code', 'category.code' = 'code', 'category.title' = 'title', 'category.parent' = 'parent' }\n\
         [[part]]\nkind = 'sql'\nsource = 'm'\nquery = 'SELECT o.*, \"511900\" AS region FROM organ o'\n\
         columns = { 'organisation.id' = 'id', 'organisation.title' = 'title', \
         'organisation.credit_code' = 'code', 'organisation.region' = 'region' }",
    )
    .unwrap();
    assert_eq!(parts.check(std::slice::from_ref(&source)), []);
    let opened = Source::open(source.clone(), Arc::new(Threads));
    let catalogue = run(read_catalogue(&parts, &[(source, opened)], &Threads)).unwrap();
    assert_eq!((catalogue.objects.len(), catalogue.problems.len()), (3, 0), "{catalogue:?}");
}
