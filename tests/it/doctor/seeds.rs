//! The mistakes of configuration, lists, secrets, machine and databases: how each is made, and what
//! must be named first.

use std::net::TcpListener;
use std::path::Path;

use cascaded::demo::standards_folder;

use super::site::Site;
use crate::support::town::copy;

/// A mistake.
pub(super) struct Seed {
    /// For people.
    pub(super) name: &'static str,
    /// What the first finding must be.
    pub(super) code: &'static str,
    /// A part of what it must say: where or what.
    pub(super) says: &'static str,
    pub(super) spoil: fn(&mut Site<'_>),
}

/// A seed, in one line each.
pub(super) const fn seed(
    name: &'static str,
    code: &'static str,
    says: &'static str,
    spoil: fn(&mut Site<'_>),
) -> Seed {
    Seed { name, code, says, spoil }
}

pub(super) const CONFIGURATION: &[Seed] = &[
    seed("a bracket is missing", "D-CONFIG-UNREADABLE", "line", |it| {
        it.turn("[ledger]", "[ledger");
    }),
    seed("the file is elsewhere", "D-CONFIG-UNREADABLE", "elsewhere.toml", |it| {
        it.configuration = it.path("elsewhere.toml");
    }),
    seed("a section is misspelt", "D-CONFIG", "contrl", |it| {
        it.text.push_str("\n[contrl]\nhttp = \"127.0.0.1:9464\"\n");
    }),
    seed("a key is misspelt", "D-CONFIG", "spool_byte", |it| {
        it.turn("spool_bytes", "spool_byte");
    }),
    seed("a dataset's key is no column", "D-CONFIG", "dataset.visits", |it| {
        it.turn("key = [\"id\"]", "key = [\"number\"]");
    }),
    seed("a password stands in an address", "D-CONFIG", "source.city.url", |it| {
        it.turn("user=reader dbname", "user=reader password=reader dbname");
    }),
    seed("everybody may write the configuration", "D-CONFIG-WRITABLE", "0666", |it| {
        it.mode("cascaded.toml", 0o666);
    }),
    seed("a standard of another version", "D-STANDARD", "channel.province.standard", |it| {
        it.turn("standard = \"reference-xml/1.0\"", "standard = \"reference-xml/0.9\"");
    }),
    seed("the standards are not there", "D-STANDARD", "standards", |it| {
        let folder = standards_folder().unwrap();
        it.turn(folder.to_str().unwrap(), "/nowhere/standards");
    }),
    seed("a table of a standard is damaged", "D-STANDARD", "E-STANDARD", |it| {
        let name = "reference-xml/1.0";
        let folder = standards_folder().unwrap();
        copy(&folder.join(name), &it.path("standards").join(name));
        it.turn(folder.to_str().unwrap(), "standards");
        let settings = Path::new("standards").join(name).join("standard.toml");
        let settings = settings.to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(it.path(&settings)).unwrap();
        it.write(&settings, &format!("{text}\n[unheard_of]\na = 1\n"));
    }),
    seed("the calendar is not there", "D-CALENDAR", "days.toml", |it| {
        std::fs::remove_file(it.path("days.toml")).unwrap();
    }),
    seed("a day of the calendar is none", "D-CALENDAR", "days.toml", |it| {
        it.write("days.toml", "[year.2031]\nsource = \"a\"\noff = [\"2031-02-30\"]\n");
    }),
    seed("the calendar ended years ago", "D-CALENDAR-ENDED", "2020", |it| {
        it.write("days.toml", "[year.2020]\nsource = \"a\"\noff = [\"2020-01-01\"]\n");
    }),
    seed("there is no calendar", "D-CALENDAR-NONE", "calendar", |it| {
        it.turn("calendar = \"days.toml\"", "");
    }),
    seed("a code table is not there", "D-CODE-TABLE", "grade.csv", |it| {
        std::fs::remove_file(it.path("grade.csv")).unwrap();
    }),
    seed("a code table has no head row", "D-CODE-TABLE", "grade.csv", |it| {
        it.write("grade.csv", "a,A\nb,B\n");
    }),
    seed("a code table is empty", "D-CODES-EMPTY", "grade", |it| {
        it.write("grade.csv", "code,title\n");
    }),
    seed("a code table has ended", "D-CODES-ENDED", "grade", |it| {
        it.write("grade.csv", "code,title,from,until\na,A,,2019-12-31\n");
    }),
    seed("a code stands twice", "D-CODES-TWICE", "b", |it| {
        it.write("grade.csv", "code,title\na,A\nb,B\nb,C\n");
    }),
    seed("the scheme of judging is not there", "D-INDICATOR", "indicator", |it| {
        let indicator = "\n[indicator]\nscheme = \"no-such-scheme\"\nschemes = \"schemes\"\n";
        it.text.push_str(indicator);
    }),
];

pub(super) const SECRETS: &[Seed] = &[
    seed("a credential is not there", "D-SECRET-MISSING", "credentials.secret", |it| {
        std::fs::remove_file(it.path("keys/secret")).unwrap();
    }),
    seed("a credential is empty", "D-SECRET-EMPTY", "credentials.secret", |it| {
        it.write("keys/secret", "\n");
    }),
    seed("everybody can read a credential", "D-SECRET-EXPOSED", "credentials.secret", |it| {
        it.mode("keys/secret", 0o644);
    }),
    seed("a credential begins with a byte order mark", "D-SECRET-FORM", "byte order", |it| {
        let secret = std::fs::read_to_string(it.path("keys/secret")).unwrap();
        it.write("keys/secret", &format!("\u{feff}{secret}"));
    }),
    seed("a credential ends in a blank", "D-SECRET-FORM", "blank", |it| {
        let secret = std::fs::read_to_string(it.path("keys/secret")).unwrap();
        it.write("keys/secret", &format!("{} \n", secret.trim()));
    }),
    seed("a credential has a second line", "D-SECRET-FORM", "line", |it| {
        let secret = std::fs::read_to_string(it.path("keys/secret")).unwrap();
        it.write("keys/secret", &format!("{}\n# from the letter\n", secret.trim()));
    }),
    seed("the ledger's key is not there", "D-SECRET-MISSING", "ledger.key_file", |it| {
        std::fs::remove_file(it.path("keys/ledger.key")).unwrap();
    }),
    seed("the ledger's key is too short", "D-SECRET-KEY", "ledger.key_file", |it| {
        it.write("keys/ledger.key", "0123456789abcdef\n");
    }),
    seed("the group can read a password", "D-SECRET-EXPOSED", "password_file", |it| {
        it.mode("database.password", 0o640);
    }),
    seed("a password is not there", "D-SECRET-MISSING", "source.city.password_file", |it| {
        std::fs::remove_file(it.path("database.password")).unwrap();
    }),
    seed("a credential is not configured", "D-CREDENTIALS", "secret", |it| {
        it.turn("secret = \"keys/secret\"\n", "");
    }),
    seed("a credential is another's", "D-PLATFORM-CREDENTIALS", "channel province", |it| {
        it.write("keys/secret", "somebody-elses-secret\n");
    }),
];

pub(super) const MACHINE: &[Seed] = &[
    seed("a file is in the ledger's way", "D-LEDGER-FOLDER", "in the way", |it| {
        it.turn("folder = \"ledger\"", "folder = \"days.toml/ledger\"");
    }),
    seed("the ledger lies in memory", "D-LEDGER-MEMORY", "/dev/shm", |it| {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = folder.path().join("ledger").display().to_string();
        it.turn("folder = \"ledger\"", &format!("folder = \"{path}\""));
        it.foreign = Some(folder);
    }),
    seed("the spool may take more than the disk has", "D-DISK-ROOM", "MiB free", |it| {
        it.turn("spool_bytes = 67108864", "spool_bytes = 1000000000000000");
    }),
    seed("a file of the ledger is somebody else's", "D-LEDGER-OWNER", "ledger.sqlite", |it| {
        std::fs::create_dir(it.path("ledger")).unwrap();
        it.write("ledger/ledger.sqlite", "");
        std::os::unix::fs::chown(it.path("ledger/ledger.sqlite"), Some(1), None).unwrap();
    }),
    seed("the socket's folder is not there", "D-SOCKET", "folder", |it| {
        let path = it.path("run/cascaded.sock").display().to_string();
        it.text.push_str(&format!("\n[control.socket]\npath = \"{path}\"\n"));
    }),
    seed("the socket's path is too long", "D-SOCKET", "90 bytes", |it| {
        let path = format!("/run/{}/cascaded.sock", "a".repeat(90));
        it.text.push_str(&format!("\n[control.socket]\npath = \"{path}\"\n"));
    }),
    seed("the status page's port is taken", "D-PORT-TAKEN", "control.http", |it| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::mem::forget(listener);
        it.text.push_str(&format!("\n[control]\nhttp = \"{address}\"\n"));
    }),
    seed("the status page's address is not ours", "D-PORT-ADDRESS", "192.0.2.1", |it| {
        it.text.push_str("\n[control]\nhttp = \"192.0.2.1:9464\"\n");
    }),
    seed("the environment names a proxy", "D-PROXY-ENVIRONMENT", "https_proxy", |it| {
        it.environment.push(("https_proxy", "http://user:password@10.0.0.2:3128".to_owned()));
    }),
    seed("the machine keeps another zone's time", "D-CLOCK-ZONE", "UTC-", |it| {
        it.environment.push(("TZ", "America/New_York".to_owned()));
    }),
];

pub(super) const DATABASE: &[Seed] = &[
    seed("nobody listens at the database's port", "D-DB-SILENT", "visits", |it| {
        let port = super::servers::closed().port();
        it.source(&format!("host=localhost port={port} user=reader dbname=postgres"));
    }),
    seed("the password is wrong", "D-DB-LOGIN", "28P01", |it| {
        it.write("database.password", "another\n");
    }),
    seed("there is no such account", "D-DB-LOGIN", "28P01", |it| it.account("nobody_known")),
    seed("the account may not come from here", "D-DB-DOOR", "pg_hba", |it| it.account("barred")),
    seed("there is no such database", "D-DB-NAME", "3D000", |it| {
        let url = format!("host=localhost port={} user=reader dbname=people", it.base.port);
        it.source(&url);
    }),
    seed("the account has no session left", "D-DB-FULL", "53300", |it| it.account("crowded")),
    seed("the database's certificate is another's", "D-DB-TLS", "city", |it| {
        it.write("database.pem", &it.base.root.pem);
    }),
    seed("the file to trust the database by is none", "D-DB-TLS", "database.pem", |it| {
        it.write("database.pem", "not a certificate\n");
    }),
    seed("there is no such schema", "D-DB-SCHEMA", "42P01", |it| it.table("health.visits")),
    seed("there is no such table", "D-DB-TABLE", "42P01", |it| it.table("visit")),
    seed("a column is not there", "D-DB-COLUMN", "columns.note", |it| it.table("lacking")),
    seed("the account may not read the table", "D-DB-RIGHT", "42501", |it| it.table("guarded")),
    seed("a column is of another type", "D-DB-TYPE", "changed", |it| it.table("typed")),
    seed("a query is not understood", "D-DB-QUERY", "42601", |it| {
        it.turn("table = \"visits\"\npoll", "query = \"SELEC * FROM visits\"\npoll");
    }),
    seed("the account is the administrator", "D-DB-SUPERUSER", "chief", |it| it.account("chief")),
    seed("the account may write", "D-DB-WRITES", "writer", |it| it.account("writer")),
    seed("nothing keeps the key unique", "D-DB-KEY", "id", |it| it.table("loose")),
    seed("the key may be null", "D-DB-KEY-NULL", "id", |it| it.table("hollow")),
    seed("the time column has no index", "D-DB-INDEX", "changed", |it| it.table("slow")),
    seed("the database takes any bytes for text", "D-DB-ENCODING", "SQL_ASCII", |it| {
        let url = format!("host=localhost port={} user=reader dbname=ascii", it.base.port);
        it.source(&url);
    }),
    seed("a file of a source is not there", "D-FILE-MISSING", "source.catalogue.path", |it| {
        std::fs::remove_file(it.path("catalogue.sqlite")).unwrap();
    }),
];

/// Does something to the catalogue's database.
fn catalogue(it: &Site<'_>, sql: &str) {
    rusqlite::Connection::open(it.path("catalogue.sqlite")).unwrap().execute_batch(sql).unwrap();
}

pub(super) const CATALOGUE: &[Seed] = &[
    seed("a table of the catalogue is not there", "D-DB-TABLE", "catalogue", |it| {
        catalogue(it, "DROP TABLE resource");
    }),
    seed("a column of the catalogue is not there", "D-DB-COLUMN", "catalogue", |it| {
        catalogue(it, "ALTER TABLE organ RENAME COLUMN code TO number");
    }),
    seed("the catalogue is empty", "D-CATALOGUE-EMPTY", "catalogue", |it| {
        let tables = ["organ", "category", "entry", "item", "resource"];
        catalogue(it, &tables.map(|name| format!("DELETE FROM {name};")).concat());
    }),
    seed("a cell of the catalogue is of no known word", "D-CATALOGUE-CELLS", "type", |it| {
        catalogue(it, "UPDATE item SET type = 'unheard-of' WHERE name = 'note'");
    }),
];

pub(super) const FRONT: &[Seed] = &[
    seed("nobody listens at the front database", "D-DB-SILENT", "channel front", |it| {
        let port = super::servers::closed().port();
        it.front(&format!("host=localhost port={port} user=city dbname=front"));
    }),
    seed("the front database wants another password", "D-DB-LOGIN", "28P01", |it| {
        it.front_account("city");
        it.write("front.password", "another\n");
    }),
    seed("the front database lacks the table", "D-FRONT-TABLE", "visits", |it| {
        it.front_account("stranger");
    }),
    seed("a front table lacks a column", "D-FRONT-COLUMN", "note", |it| {
        it.front_account("lacking");
    }),
    seed("a front table may only be read", "D-FRONT-RIGHT", "visits", |it| {
        it.front_account("reading");
    }),
];
