//! What is special to PostgreSQL.

use cascaded::city::{Error, Scan};
use cascaded::row::Page;

use super::{all, dataset, rows, run, since, source, sqlite};
use crate::support::postgres::Server;

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

#[test]
fn an_encrypted_session_needs_the_right_certificate_and_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (server, trusted) = Server::start_encrypted(port);
    server.sql_on(
        port,
        "CREATE ROLE reader LOGIN PASSWORD '县级'; CREATE TABLE t (id int); \
        GRANT SELECT ON t TO reader; INSERT INTO t VALUES (7);",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let other =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    let (right, wrong) = (file("right", "县级\n"), file("wrong", "市级\n"));
    let (trusted, other) = (trusted.display().to_string(), file("other.pem", &other));
    let toml = "table = 't'\nkey = ['id']\nchange = { kind = 'full' }\ncolumns = [{ name = 'id' }]";
    let read = |password: &str, ca: &str| {
        let settings = format!(
            "id = 'p'\nkind = 'postgres'\n\
            url = 'postgres://reader@localhost:{port}/postgres'\n{password}\n{ca}"
        );
        let (source, dataset) = (source(&settings), dataset(&settings, toml));
        run(async {
            let mut cursor = source.scan(&dataset, Scan::Full).await?;
            let mut page = Page::new(1);
            cursor.next(&mut page, 10).await?;
            Ok::<_, Error>(rows(&page))
        })
    };
    let password = |path: &str| format!("password_file = '{path}'");
    let ca = |path: &str| format!("ca_file = '{path}'");
    assert_eq!(read(&password(&right), &ca(&trusted)).unwrap(), [[Some("7".to_owned())]]);
    let error = read(&password(&wrong), &ca(&trusted)).unwrap_err();
    assert!(error.is_permanent(), "{error:?}");
    let error = read(&password(&right), &ca(&other)).unwrap_err();
    let said = format!("{error:?}");
    assert!(!error.is_permanent() && said.contains("certificate"), "{said}");
    assert!(!said.contains("县级"));
}
