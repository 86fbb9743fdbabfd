//! Rows that are committed late: their time is older than what was read when they appear. On
//! PostgreSQL and on MariaDB the overlap finds them, under load, and nothing arrives twice.

use cascaded::clock::Clock;
use cascaded::sql::{Address, MySql, Postgres, connect_mysql_read_write, connect_read_write};

use crate::support::daemon::{TestCity, TestDaemon, assert_content, run};
use crate::support::maria::Database;
use crate::support::plain::{Table, VISITS, settings, write_catalogue};
use crate::support::postgres::Server;

const ROUNDS: usize = 3;
const LOAD: usize = 300;

enum Base {
    Postgres(Server),
    Maria(Database),
}

/// Somebody of the department's.
enum Writer {
    Postgres(Box<Postgres>),
    Maria(Box<MySql>),
}

impl Base {
    fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Maria(city) => city.url(),
        }
    }

    fn source(&self) -> String {
        let kind = if matches!(self, Self::Maria(_)) { "mysql" } else { "postgres" };
        format!("[[source]]\nkind = \"{kind}\"\nid = \"city\"\nurl = \"{}\"\n", self.url())
    }

    fn make(&self) {
        let table = "CREATE TABLE visits (id varchar(40) PRIMARY KEY, note text, changed";
        match self {
            Self::Postgres(server) => server.sql(&format!("{table} timestamp)")),
            Self::Maria(city) => city.sql(&format!("{table} datetime(6))")),
        }
    }

    async fn writer(&self) -> Writer {
        let address = Address {
            url: self.url(),
            password_file: None,
            ca_file: None,
            statement_timeout: std::time::Duration::from_secs(60),
            zone: "Asia/Shanghai".to_owned(),
        };
        match self {
            Self::Postgres(_) => {
                Writer::Postgres(Box::new(connect_read_write(&address).await.unwrap()))
            }
            Self::Maria(_) => {
                Writer::Maria(Box::new(connect_mysql_read_write(&address).await.unwrap()))
            }
        }
    }
}

impl Writer {
    async fn say(&mut self, statement: &str) {
        match self {
            Self::Postgres(it) => it.wire.drive(it.client.batch_execute(statement)).await.unwrap(),
            Self::Maria(it) => drop(it.run(statement).await.unwrap()),
        }
    }

    /// A row with the time of now, as the department's programs write it.
    async fn insert(&mut self, id: &str) {
        self.say(&format!("INSERT INTO visits VALUES ('{id}', 'x', current_timestamp(6))")).await;
    }
}

async fn rows_that_come_late(base: &Base, overlap: &str, are_found: bool) {
    base.make();
    let folder = tempfile::tempdir().unwrap();
    let visits = Table {
        id: "visits",
        columns: VISITS,
        key: &["id"],
        from: format!(
            "source = \"city\"\ntable = \"visits\"\npoll = \"1s\"\n\
             change = {{ kind = \"time-column\", column = \"changed\", overlap = \"{overlap}\" }}"
        ),
        rules: "",
    };
    let datasets = vec![visits];
    write_catalogue(folder.path(), &datasets);
    let clock = Clock::system();
    let city = TestCity::with(folder, &settings(&base.source(), &datasets), &clock, |_| {}).await;
    let (mut others, mut department) = (base.writer().await, base.writer().await);
    for round in 0..ROUNDS {
        others.insert(&format!("old-{round}")).await;
    }
    let daemon = TestDaemon::start(city.configuration(), &clock).await;
    let stands = |id: String| {
        let city = &city;
        async move { city.platform.content("visits").unwrap().contains_key(&id) }
    };
    let mut load = base.writer().await;
    let under_load = async {
        for number in 0..LOAD {
            load.insert(&format!("load-{number:04}")).await;
        }
    };
    let late = async {
        for round in 0..ROUNDS {
            // Began before, and is committed when what came after it stands above.
            department.say("BEGIN").await;
            department.insert(&format!("late-{round}")).await;
            let update = "UPDATE visits SET note = 'late', changed = current_timestamp(6)";
            department.say(&format!("{update} WHERE id = 'old-{round}'")).await;
            others.insert(&format!("mark-{round}")).await;
            let mark = || stands(format!("mark-{round}"));
            daemon.wait_until("what came after it stands above", mark).await;
            assert!(!stands(format!("late-{round}")).await);
            department.say("COMMIT").await;
        }
        others.insert("end").await;
        daemon.wait_until("what came last stands above", || stands("end".to_owned())).await;
    };
    tokio::join!(under_load, late);
    daemon.looked_again().await;
    if are_found {
        let rows = city.rows("visits").await;
        assert_eq!(rows.len(), LOAD + 3 * ROUNDS + 1);
        let expected = rows.into_iter().map(|row| (row.key, row.columns)).collect();
        assert_content(&city.platform.content("visits").unwrap(), &expected, "visits");
    } else {
        assert!(!stands("late-0".to_owned()).await, "it is the overlap that finds it");
    }
    daemon.stop().await;
    city.close().await;
}

#[test]
fn on_postgres_no_row_that_is_committed_late_is_missed() {
    let base = Base::Postgres(Server::start());
    run(rows_that_come_late(&base, "1h", true));
}

#[test]
fn on_mariadb_no_row_that_is_committed_late_is_missed() {
    run(rows_that_come_late(&Base::Maria(Database::new()), "1h", true));
    // The other way round: what is shown above is due to the overlap.
    run(rows_that_come_late(&Base::Maria(Database::new()), "0s", false));
}
