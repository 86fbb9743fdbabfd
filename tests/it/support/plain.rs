//! A plain city for tests that need to know every row: one department, its catalogue in SQLite, and
//! tables of the test's choosing.

use std::path::Path;

use rusqlite::{Connection, params};

/// A table that is in the catalogue and a dataset.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The dataset's id; the entry is `e-ID`, the resource `r-ID`.
    pub(crate) id: &'static str,
    /// Columns: name and the canonical word of their type.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    pub(crate) key: &'static [&'static str],
    /// `source`, `table` or `files`, `change` and whatever else the dataset says.
    pub(crate) from: String,
    /// `[[dataset.rule]]`.
    pub(crate) rules: &'static str,
}

const CODE: &str = "91510100MA6C8A7M4M";

const TABLES: &str = "
CREATE TABLE organ (id TEXT, title TEXT, code TEXT, region TEXT);
CREATE TABLE category (id TEXT, title TEXT);
CREATE TABLE entry (id TEXT PRIMARY KEY, title TEXT);
CREATE TABLE item (entry TEXT, name TEXT, type TEXT, is_key TEXT);
CREATE TABLE resource (id TEXT PRIMARY KEY, entry TEXT);
INSERT INTO category VALUES ('3', '部门信息资源');
";

const SETTINGS: &str = r#"
[[source]]
kind = "sqlite"
id = "catalogue"
path = "catalogue.sqlite"

[catalogue]
region = "515100"

[[catalogue.part]]
kind = "sql"
source = "catalogue"
table = "organ"
columns = { "organisation.id" = "id", "organisation.title" = "title", "organisation.credit_code" = "code", "organisation.region" = "region" }

[[catalogue.part]]
kind = "sql"
source = "catalogue"
table = "category"
columns = { "category.id" = "id", "category.code" = "id", "category.title" = "title" }

[[catalogue.part]]
kind = "sql"
source = "catalogue"
query = "SELECT id, title, '3' AS category, 'o1' AS organ, '示例局' AS organ_title, '91510100MA6C8A7M4M' AS code, '515100' AS region, 'database' AS format, 'unconditional' AS share, 'platform' AS ways, 'closed' AS open, 'daily' AS cycle FROM entry"
columns = { "entry.id" = "id", "entry.code" = "id", "entry.title" = "title", "entry.summary" = "title", "entry.category" = "category", "entry.department" = "organ", "entry.department.title" = "organ_title", "entry.department.credit_code" = "code", "entry.region" = "region", "entry.format" = "format", "entry.share_type" = "share", "entry.share_ways" = "ways", "entry.open_type" = "open", "entry.update_cycle" = "cycle" }

[[catalogue.part]]
kind = "sql"
source = "catalogue"
query = "SELECT entry, entry || '#' || name AS id, name, type, is_key, 'unconditional' AS share FROM item"
columns = { "item.entry" = "entry", "item.id" = "id", "item.code" = "name", "item.title" = "name", "item.data_type" = "type", "item.is_key" = "is_key", "item.share_type" = "share" }

[[catalogue.part]]
kind = "sql"
source = "catalogue"
query = "SELECT id, id AS title, 'table' AS kind, entry, substr(id, 3) AS dataset, 'o1' AS organ, '91510100MA6C8A7M4M' AS code, '515100' AS region FROM resource"
columns = { "resource.id" = "id", "resource.title" = "title", "resource.kind" = "kind", "resource.entry" = "entry", "resource.dataset" = "dataset", "resource.table" = "dataset", "resource.department" = "organ", "resource.department.credit_code" = "code", "resource.region" = "region" }
"#;

/// Writes `catalogue.sqlite` into `folder` and gives the connection, for tests that change it.
pub(crate) fn write_catalogue(folder: &Path, tables: &[Table]) -> Connection {
    let catalogue = Connection::open(folder.join("catalogue.sqlite")).unwrap();
    catalogue.execute_batch(TABLES).unwrap();
    let organ = params!["o1", "示例局", CODE, "515100"];
    catalogue.execute("INSERT INTO organ VALUES (?, ?, ?, ?)", organ).unwrap();
    for table in tables {
        let (entry, resource) = (format!("e-{}", table.id), format!("r-{}", table.id));
        catalogue.execute("INSERT INTO entry VALUES (?, ?)", params![entry, table.id]).unwrap();
        catalogue.execute("INSERT INTO resource VALUES (?, ?)", params![resource, entry]).unwrap();
        for (name, kind) in table.columns {
            let is_key = if table.key.contains(name) { "1" } else { "0" };
            catalogue
                .execute("INSERT INTO item VALUES (?, ?, ?, ?)", params![entry, name, kind, is_key])
                .unwrap();
        }
    }
    catalogue
}

/// The configuration of the catalogue and of the datasets; `sources` are the tables' own.
pub(crate) fn settings(sources: &str, tables: &[Table]) -> String {
    let mut text = format!("{sources}\n{SETTINGS}");
    for table in tables {
        let quoted = |names: Vec<&str>| names.join("\", \"");
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind)| format!("  {{ name = \"{name}\", type = \"{kind}\" }},\n"))
            .collect();
        text.push_str(&format!(
            "\n[[dataset]]\nid = \"{id}\"\ntitle = \"{id}\"\ndepartment = \"o1\"\n\
             region = \"515100\"\ncycle = \"daily\"\nkey = [\"{}\"]\n{}\ncolumns = [\n{}]\n{}",
            quoted(table.key.to_vec()),
            table.from,
            columns.concat(),
            table.rules,
            id = table.id,
        ));
    }
    text
}

/// `people` and `visits` in `city.sqlite`: one without a time column, one with.
pub(crate) const PEOPLE: &[(&str, &str)] = &[("id", "text"), ("name", "text"), ("grade", "text")];
pub(crate) const VISITS: &[(&str, &str)] = &[("id", "text"), ("note", "text"), ("changed", "time")];

pub(crate) const CITY: &str =
    "[[source]]\nkind = \"sqlite\"\nid = \"city\"\npath = \"city.sqlite\"\n";

/// People, read whole at every poll.
pub(crate) fn people(poll: &str) -> Table {
    Table {
        id: "people",
        columns: PEOPLE,
        key: &["id"],
        from: format!(
            "source = \"city\"\ntable = \"people\"\npoll = \"{poll}\"\nchange = {{ kind = \"full\" }}"
        ),
        rules: "[[dataset.rule]]\nrule = \"required\"\ncolumns = [\"name\"]\n\
             [[dataset.rule]]\nrule = \"code-list\"\ncolumns = [\"grade\"]\ncodes = [\"a\", \"b\"]\n",
    }
}

/// Visits, read by their change time, compared for deletions as often.
pub(crate) fn visits(poll: &str) -> Table {
    Table {
        id: "visits",
        columns: VISITS,
        key: &["id"],
        from: format!(
            "source = \"city\"\ntable = \"visits\"\npoll = \"{poll}\"\n\
             compare_deletions = \"{poll}\"\n\
             change = {{ kind = \"time-column\", column = \"changed\", overlap = \"1h\" }}"
        ),
        rules: "",
    }
}

/// `city.sqlite` with so many people and visits; the visits changed a day before `now`, all in the
/// same second.
pub(crate) fn write_city(folder: &Path, rows: u32, now: jiff::civil::DateTime) -> Connection {
    let city = Connection::open(folder.join("city.sqlite")).unwrap();
    city.execute_batch(
        "CREATE TABLE people (id TEXT, name TEXT, grade TEXT);
         CREATE TABLE visits (id TEXT, note TEXT, changed TEXT);",
    )
    .unwrap();
    let yesterday = now.yesterday().unwrap().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let filling = city.unchecked_transaction().unwrap();
    for number in 0..rows {
        let grade = if number % 2 == 0 { "a" } else { "b" };
        let (id, name) = (format!("p{number:05}"), format!("人{number}"));
        filling.execute("INSERT INTO people VALUES (?, ?, ?)", params![id, name, grade]).unwrap();
        let (id, note) = (format!("v{number:05}"), format!("第{number}次"));
        filling
            .execute("INSERT INTO visits VALUES (?, ?, ?)", params![id, note, yesterday])
            .unwrap();
    }
    filling.commit().unwrap();
    city
}
