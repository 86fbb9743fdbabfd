//! The families under `config/standards`, each carrying a small town: tables alone, no code of
//! their own on our side or on the platform's.

use std::collections::BTreeMap;
use std::path::Path;

use cascaded::catalogue::Kind;
use cascaded::clock::Clock;
use cascaded::delivery::LinkState;
use cascaded::demo::{STANDARD, Scale, generate, standards_folder};
use cascaded::ledger::{Link, LinkFilter};
use cascaded::rehearsal::{Object, Platform, RowRules};
use jiff::tz::TimeZone;

use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::town::{copy, go_on, open, wrong};

const NOTHING: [String; 0] = [];

/// A generated town whose only channel speaks another shipped standard.
async fn town_over(standard: &str, clock: &Clock) -> TestCity {
    let folder = tempfile::tempdir().unwrap();
    let now = TimeZone::get("Asia/Shanghai").unwrap().to_datetime(clock.now());
    let scale = Scale { datasets: 4, rows: 400, entries: 8 };
    let made = generate(folder.path(), scale, 31, now).unwrap();
    std::fs::create_dir_all(folder.path().join("files")).unwrap();
    let directory = standards_folder().unwrap().join(standard);
    let database = folder.path().join("province.sqlite");
    let sources = made.configuration.replace("\ncycle = ", "\npoll = \"1s\"\ncycle = ");
    let mut city = TestCity::with(folder, &sources, clock, |settings| {
        settings.standard = directory;
        settings.database = Some(database);
        settings.rules = [("5151-0101".to_owned(), RowRules::default())].into();
    })
    .await;
    reconfigure(&city, &format!("\"{STANDARD}\""), &format!("\"{standard}\""));
    city.made = Some(made);
    city
}

fn reconfigure(city: &TestCity, from: &str, to: &str) {
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let changed = text.replace(from, to);
    assert_ne!(text, changed, "the configuration has {from}");
    std::fs::write(city.configuration_file(), changed).unwrap();
}

/// Supplies values for every entry and, with names that start with `*/`, for each of its items.
/// The daemon must not run.
fn supply(city: &TestCity, values: &[(&str, &str)]) {
    let ledger = open(&city.path().join("ledger/ledger.sqlite"));
    for (name, value) in values {
        let sql = match name.strip_prefix("*/") {
            None => format!("SELECT 'entry', id, '{name}', ?1, 'a test', 0 FROM object WHERE kind = 'entry'"),
            Some(name) => format!(
                "SELECT 'entry', object.id, json_extract(item.value, '$.id') || '/{name}', ?1, 'a test', 0
                 FROM object, json_each(object.content, '$.content.items') item WHERE kind = 'entry'"
            ),
        };
        let added = ledger.execute(&format!("INSERT INTO supplied {sql}"), [value]).unwrap();
        assert!(added > 0, "{name} was supplied for nothing");
    }
    ledger.execute("UPDATE link SET sent = NULL WHERE state = 'refused'", []).unwrap();
}

async fn links(daemon: &TestDaemon, channel: &str, kind: Kind) -> Vec<Link> {
    let filter = LinkFilter { kind: Some(kind), state: None };
    daemon.ledger().links(daemon.channel(channel).id.clone(), filter).await.unwrap()
}

/// Waits until every object of a kind stands in this state.
async fn wait_for(daemon: &TestDaemon, channel: &str, kind: Kind, state: LinkState) {
    daemon
        .wait_until(&format!("every {kind} is {}", state.as_str()), || async {
            let links = links(daemon, channel, kind).await;
            !links.is_empty() && links.iter().all(|link| link.state == state)
        })
        .await;
}

fn held(platform: &Platform, kind: &str) -> Vec<Object> {
    platform.objects().unwrap().into_iter().filter(|object| object.kind == kind).collect()
}

#[test]
fn a_town_arrives_under_a_changed_standard_once_its_missing_values_are_supplied() {
    run(async {
        let clock = Clock::system();
        let city = town_over("reference-xml/2.0", &clock).await;
        // Nobody prepared anything: every entry is turned away here, by the rules that are new, and
        // nothing is filled in.
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        wait_for(&daemon, "province", Kind::Entry, LinkState::Refused).await;
        for link in links(&daemon, "province", Kind::Entry).await {
            let findings = link.findings.unwrap_or_default();
            for name in ["AppScene", "DataDomain", "DataLevel"] {
                assert!(findings.contains(name), "{name} is not in {findings}");
            }
        }
        assert_eq!(held(&city.platform, "entry"), []);
        daemon.stop().await;

        let values =
            [("app_scene", "联办"), ("data_domain", "population"), ("*/data_level", "general")];
        supply(&city, &values);
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let made = city.made.as_ref().unwrap();
        let sound = made.entries - made.entry_defects.len() as u64;
        daemon
            .wait_until("every sound entry stands above", || async {
                held(&city.platform, "entry").len() as u64 == sound
            })
            .await;
        let sight = daemon.looked_again().await;
        assert_eq!(sight.entries_accepted, sound);
        assert_eq!(sight.unmounted, Vec::<String>::new());
        assert!(sight.rows.balance() && sight.rows.confirmed > 300, "{:?}", sight.rows);
        assert_eq!(wrong(&city).await, NOTHING);

        go_on(&city, 30, "二版");
        daemon.looked_again().await;
        assert_eq!(wrong(&city).await, NOTHING);
        for found in cascaded::demo::compare(&daemon.app).await.unwrap() {
            assert_eq!((found.mismatched(), found.skipped), (0, None), "{found:?}");
        }
        let deliveries = city.platform.deliveries().unwrap();
        let beats = deliveries.iter().filter(|it| it.operation == "heartbeat");
        assert!(beats.clone().count() > 0, "the heartbeat is mandatory");
        assert!(deliveries.iter().all(|it| it.code == "0000"), "{deliveries:?}");
        daemon.stop().await;
        city.close().await;
    });
}

/// A catalogue and one dataset in tables, so that a test can change them.
const SOURCES: &str = r#"
[[source]]
kind = "sqlite"
id = "city"
path = "city.sqlite"

[catalogue]
region = "515100"
poll = "1s"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "organisation"
[catalogue.part.columns]
"organisation.id" = "id"
"organisation.title" = "title"
"organisation.credit_code" = "credit_code"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "category"
[catalogue.part.columns]
"category.id" = "id"
"category.code" = "code"
"category.title" = "title"
"category.parent" = "parent"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "system"
[catalogue.part.columns]
"system.id" = "id"
"system.title" = "title"
"system.department" = "department"
"system.department.title" = "department_title"
"system.department.credit_code" = "credit_code"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "entry"
[catalogue.part.columns]
"entry.id" = "id"
"entry.code" = "code"
"entry.title" = "title"
"entry.summary" = "summary"
"entry.category" = "category"
"entry.system" = "system"
"entry.department.title" = "department_title"
"entry.department.credit_code" = "credit_code"
"entry.format" = "format"
"entry.share_type" = "share_type"
"entry.share_condition" = "share_condition"
"entry.share_ways" = "share_ways"
"entry.open_type" = "open_type"
"entry.update_cycle" = "update_cycle"

[[catalogue.part]]
kind = "sql"
source = "city"
query = "SELECT entry, code, title, data_type, share_type, is_key FROM item"
[catalogue.part.columns]
"item.entry" = "entry"
"item.code" = "code"
"item.title" = "title"
"item.data_type" = "data_type"
"item.share_type" = "share_type"
"item.is_key" = "is_key"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "resource"
[catalogue.part.columns]
"resource.id" = "id"
"resource.title" = "title"
"resource.kind" = "kind"
"resource.entry" = "entry"
"resource.dataset" = "dataset"
"resource.table" = "table_name"
"resource.department.credit_code" = "credit_code"

[[dataset]]
id = "d1"
title = "住所"
department = "o1"
region = "515100"
source = "city"
table = "home"
key = ["no"]
cycle = "daily"
poll = "1s"
change = { kind = "time-column", column = "changed" }
columns = [{ name = "no" }, { name = "place" }, { name = "changed", type = "time" }]
"#;

const TABLES: &str = "
CREATE TABLE organisation (id TEXT, title TEXT, credit_code TEXT);
INSERT INTO organisation VALUES ('o1', '示例市住建局', '91510100MA6C8A7M4M');
CREATE TABLE category (id TEXT, code TEXT, title TEXT, parent TEXT);
INSERT INTO category VALUES ('c3', '3', '部门类', NULL), ('c307', '307', '住建', 'c3'),
    ('c308', '308', '网签', 'c3');
CREATE TABLE system (id TEXT, title TEXT, department TEXT, department_title TEXT, credit_code TEXT);
INSERT INTO system VALUES ('s1', '住房系统', 'o1', '示例市住建局', '91510100MA6C8A7M4M'),
    ('s2', '网签系统', 'o1', '示例市住建局', '91510100MA6C8A7M4M');
CREATE TABLE entry (id TEXT, code TEXT, title TEXT, summary TEXT, category TEXT, system TEXT,
    department_title TEXT, credit_code TEXT, format TEXT, share_type TEXT, share_condition TEXT,
    share_ways TEXT, open_type TEXT, update_cycle TEXT);
INSERT INTO entry VALUES
    ('e1', '307001/000001', '住所信息', '摘要', 'c307', 's1', '示例市住建局', '91510100MA6C8A7M4M',
     '数据库', '有条件共享', '审批', '共享平台', '不予开放', '每日'),
    ('e2', '307001/000002', '网签信息', '摘要', 'c308', 's2', '示例市住建局', '91510100MA6C8A7M4M',
     '数据库', '无条件共享', NULL, '共享平台', '不予开放', '每月');
CREATE TABLE item (entry TEXT, code TEXT, title TEXT, data_type TEXT, share_type TEXT, is_key TEXT);
INSERT INTO item VALUES
    ('e1', 'no', '编号', '字符型', '无条件共享', '是'),
    ('e1', 'place', '地址', '字符型', '有条件共享', '否'),
    ('e1', 'changed', '变更时间', '日期时间型', '无条件共享', '否'),
    ('e2', 'no', '编号', '字符型', '无条件共享', '是');
CREATE TABLE resource (id TEXT, title TEXT, kind TEXT, entry TEXT, dataset TEXT, table_name TEXT,
    credit_code TEXT);
INSERT INTO resource VALUES ('r1', '住所库表', '库表', 'e1', 'd1', 'home', '91510100MA6C8A7M4M');
CREATE TABLE home (no TEXT, place TEXT, changed TEXT);
INSERT INTO home VALUES ('h1', '甲路', '2026-01-05 09:00:00'), ('h2', '乙路', '2026-01-05 09:01:00');
";

/// The first reference standard with rows that need no mount: a channel for rows alone.
fn rows_alone(standards: &Path) {
    let from = standards_folder().unwrap();
    copy(&from, standards);
    let folder = standards.join(STANDARD);
    let file = folder.join("standard.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let alone = text.replace("needs = [\"resource\"]\n", "");
    assert_ne!(text, alone);
    std::fs::write(file, alone).unwrap();
    let file = folder.join("messages/batch.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    let alone: String = text
        .lines()
        .filter(|line| !line.contains("link.upper_id"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(file, alone).unwrap();
}

/// What the province hands out: one name for the city, and a number for each interface.
fn credentials(directory: &Path) -> BTreeMap<String, String> {
    let settings = std::fs::read_to_string(directory.join("standard.toml")).unwrap();
    let settings: toml::Table = settings.parse().unwrap();
    let operations = settings.get("operation").unwrap().as_array().unwrap().iter();
    let names = operations.map(|it| it.get("name").unwrap().as_str().unwrap()).chain(["token"]);
    let sids = names.map(|name| (format!("sid.{name}"), format!("SID-{name}")));
    let common = [("appkey", "appkey-123"), ("appsecret", "AS-1"), ("rid", "RID-1")];
    common.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter().chain(sids).collect()
}

/// A city whose rows go by the channel `province` and whose catalogue goes by the channel
/// `catalogue`, which speaks `standard`.
async fn two_channels(standard: &str, carries: &str, clock: &Clock) -> (TestCity, Platform) {
    let folder = tempfile::tempdir().unwrap();
    open(&folder.path().join("city.sqlite")).execute_batch(TABLES).unwrap();
    let standards = folder.path().join("standards");
    rows_alone(&standards);
    let directory = standards.join(STANDARD);
    let city = TestCity::with(folder, SOURCES, clock, |settings| {
        settings.standard = directory;
        settings.mounted_only = false;
    })
    .await;
    let credentials = credentials(&standards.join(standard));
    let above = city
        .further_platform(|settings| {
            settings.standard = standards.join(standard);
            settings.credentials = credentials.clone();
        })
        .await;
    let mut lines = String::new();
    for (name, text) in &credentials {
        // A copy of a secret's file is as closed as that file.
        let file = city.path().join("keys").join(format!("second-{name}"));
        std::fs::copy(city.path().join("keys/secret"), &file).unwrap();
        std::fs::write(&file, text).unwrap();
        lines.push_str(&format!("\"{name}\" = \"keys/second-{name}\"\n"));
    }
    let shipped = format!("standards = [\"{}\"]", standards_folder().unwrap().display());
    reconfigure(&city, &shipped, "standards = [\"standards\"]");
    let rows = format!("standard = \"{STANDARD}\"\n");
    reconfigure(&city, &rows, &format!("{rows}carries = [\"rows\"]\n"));
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let text = format!(
        "{text}\n[[channel]]\nid = \"catalogue\"\nstandard = \"{standard}\"\ncarries = {carries}\n\
         [channel.province]\nurl = \"{}\"\nca_file = \"keys/authority.pem\"\n\
         client_certificate_file = \"keys/client.pem\"\nclient_key_file = \"keys/client.key\"\n\
         [channel.province.credentials]\n{lines}",
        above.url()
    );
    std::fs::write(city.configuration_file(), text).unwrap();
    (city, above)
}

fn change(city: &TestCity, sql: &str) {
    open(&city.path().join("city.sqlite")).execute_batch(sql).unwrap();
}

fn titles(platform: &Platform, kind: &str, state: &str) -> Vec<String> {
    let found = held(platform, kind).into_iter().filter(|object| object.state == state);
    let mut titles: Vec<String> = found.filter_map(|object| object.title).collect();
    titles.sort();
    titles
}

const GUID_VALUES: [(&str, &str); 2] = [("comb_type", "system"), ("use_demand", "依据第 5 条")];

#[test]
fn entries_cascade_by_a_standard_without_rows_while_rows_go_by_another_channel() {
    run(async {
        let clock = Clock::system();
        let kinds = "[\"category\", \"system\", \"entry\"]";
        let (city, above) = two_channels("cascadeguid/2023", kinds, &clock).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        wait_for(&daemon, "catalogue", Kind::Entry, LinkState::Refused).await;
        daemon.stop().await;
        supply(&city, &GUID_VALUES);

        // Registered: parents first, each child with its parents' ids.
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        wait_for(&daemon, "catalogue", Kind::Entry, LinkState::Accepted).await;
        assert_eq!(titles(&above, "entry", "published"), ["住所信息", "网签信息"]);
        let upper = |kind: &str, title: &str| {
            let found =
                held(&above, kind).into_iter().find(|it| it.title.as_deref() == Some(title));
            found.unwrap().upper_id
        };
        let found = held(&above, "entry").into_iter();
        let entry = found.into_iter().find(|it| it.title.as_deref() == Some("住所信息")).unwrap();
        for id in [upper("category", "住建"), upper("system", "住房系统")] {
            assert!(entry.message.contains(&id), "{id} is not in {}", entry.message);
        }
        for link in links(&daemon, "catalogue", Kind::Entry).await {
            let known = held(&above, "entry").into_iter().map(|object| object.upper_id);
            assert!(known.into_iter().any(|id| link.upper_id.as_deref() == Some(&id)), "{link:?}");
        }
        // Rows went by the other channel, and only there.
        daemon.settled().await;
        assert_eq!(city.platform.count("d1").unwrap(), 2);
        assert_eq!((city.platform.objects().unwrap(), above.datasets().unwrap()), (vec![], vec![]));

        // A token that ends is fetched again, once.
        assert_eq!(above.tokens_issued(), 2, "each daemon fetched one");
        above.expire_tokens();

        // Modified: under the ids that were given.
        change(
            &city,
            "UPDATE system SET title = '住房管理系统' WHERE id = 's1';
                       UPDATE entry SET title = '住所登记信息' WHERE id = 'e1';",
        );
        daemon.wake();
        daemon
            .wait_until("what changed stands above", || async {
                titles(&above, "entry", "published") == ["住所登记信息", "网签信息"]
                    && titles(&above, "system", "published") == ["住房管理系统", "网签系统"]
            })
            .await;
        assert_eq!(held(&above, "entry").len(), 2, "nothing was registered twice");

        // Cancelled: children first.
        change(
            &city,
            "DELETE FROM item WHERE entry = 'e2'; DELETE FROM entry WHERE id = 'e2';
             DELETE FROM system WHERE id = 's2'; DELETE FROM category WHERE id = 'c308';",
        );
        daemon.wake();
        daemon
            .wait_until("what is gone is withdrawn", || async {
                let gone = |kind| titles(&above, kind, "withdrawn");
                gone("entry") == ["网签信息"]
                    && gone("system") == ["网签系统"]
                    && gone("category") == ["网签"]
            })
            .await;
        assert_eq!(titles(&above, "category", "published"), ["住建", "部门类"]);
        assert_eq!(above.tokens_issued(), 3);
        let codes = above.deliveries().unwrap();
        let doubts = codes.iter().filter(|it| it.code != "1");
        assert!(doubts.clone().all(|it| it.code == "401"), "{codes:?}");
        assert!(doubts.count() > 0, "the old token was tried");
        daemon.stop().await;
        above.stop();
        city.close().await;
    });
}

#[test]
fn what_another_installation_registered_is_adopted_with_its_id() {
    run(async {
        let clock = Clock::system();
        let kinds = "[\"category\", \"system\"]";
        let (city, above) = two_channels("cascadeguid/2023", kinds, &clock).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        wait_for(&daemon, "catalogue", Kind::System, LinkState::Accepted).await;
        wait_for(&daemon, "catalogue", Kind::Category, LinkState::Accepted).await;
        let before = above.objects().unwrap();
        daemon.stop().await;
        // A new installation knows nothing of the old one's ids.
        std::fs::remove_dir_all(city.path().join("ledger")).unwrap();

        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon
            .wait_until("everything is adopted", || async {
                let mut all = links(&daemon, "catalogue", Kind::System).await;
                all.extend(links(&daemon, "catalogue", Kind::Category).await);
                all.len() == 5 && all.iter().all(|link| link.upper_id.is_some())
            })
            .await;
        let codes: Vec<String> =
            above.deliveries().unwrap().into_iter().map(|it| it.code).collect();
        assert_eq!(codes.iter().filter(|code| *code == "C-10").count(), 3, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| *code == "P-29").count(), 2, "{codes:?}");
        for kind in [Kind::System, Kind::Category] {
            for link in links(&daemon, "catalogue", kind).await {
                let id = link.upper_id.clone().unwrap();
                assert!(before.iter().any(|object| object.upper_id == id), "{link:?}");
                assert!(!link.ours, "what we did not send we never withdraw: {link:?}");
            }
        }
        assert_eq!(above.objects().unwrap().len(), before.len());
        daemon.stop().await;
        above.stop();
        city.close().await;
    });
}

#[test]
fn a_catalogue_is_registered_followed_and_withdrawn_over_the_national_interface() {
    run(async {
        let clock = Clock::system();
        let kinds = "[\"organisation\", \"category\", \"system\", \"entry\", \"resource\"]";
        let (city, above) = two_channels("national-direct/0.55", kinds, &clock).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        // Only what nobody can know for the city is lacking: the platform its resources lie on.
        wait_for(&daemon, "catalogue", Kind::Entry, LinkState::Refused).await;
        daemon.stop().await;
        supply(&city, &[("res_platform", "示例市共享交换平台")]);

        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        for kind in [Kind::Entry, Kind::Resource] {
            wait_for(&daemon, "catalogue", kind, LinkState::Published).await;
        }
        assert_eq!(titles(&above, "resource", "published"), ["住所库表"]);
        daemon.settled().await;
        assert_eq!((city.platform.count("d1").unwrap(), above.datasets().unwrap()), (2, vec![]));

        change(
            &city,
            "UPDATE entry SET title = '住所登记信息' WHERE id = 'e1';
                       DELETE FROM item WHERE entry = 'e2'; DELETE FROM entry WHERE id = 'e2';",
        );
        daemon.wake();
        daemon
            .wait_until("what changed stands above and what is gone is withdrawn", || async {
                titles(&above, "entry", "published") == ["住所登记信息"]
                    && titles(&above, "entry", "withdrawn") == ["网签信息"]
            })
            .await;
        assert!(above.tokens_issued() >= 2, "each daemon exchanges a secret");
        let codes = above.deliveries().unwrap();
        assert!(codes.iter().all(|it| it.code == "200"), "{codes:?}");
        for object in above.objects().unwrap() {
            let said: serde_json::Value = serde_json::from_str(&object.message).unwrap();
            let names: Vec<&String> = said.as_object().unwrap().keys().collect();
            assert!(names.iter().all(|name| **name == name.to_lowercase()), "{names:?}");
        }
        daemon.stop().await;
        above.stop();
        city.close().await;
    });
}
