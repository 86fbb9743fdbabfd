//! Down-link tables (下行库表): what the province writes comes into the inbox, once, whole, and as it
//! is spelt.

use std::collections::BTreeMap;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::control::protocol::{InboxQuery, Paging, Request, Response};
use cascaded::control::{Handler as _, Peer};
use cascaded::delivery::ChannelId;
use cascaded::demo::standards_folder;
use cascaded::ledger::InboxLine;
use cascaded::ledger::seal::Purpose;
use cascaded::rehearsal::{Front, FrontSettings};
use cascaded::supervisor::Supervisor;

use crate::support::daemon::{PACE, TestCity, TestDaemon, run};
use crate::support::plain::{CITY, people, settings, write_catalogue, write_city};

const STANDARD: &str = "region-tables/1.0";
const CHANNEL: &str = "region";

pub(crate) struct Scene {
    city: TestCity,
    region: Front,
    daemon: Option<TestDaemon>,
    clock: Clock,
    above: Supervisor,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets = vec![people("1h")];
        write_city(folder.path(), 3, jiff::civil::date(2026, 3, 2).at(8, 0, 0, 0));
        write_catalogue(folder.path(), &datasets);
        let city = TestCity::with(folder, &settings(CITY, &datasets), &clock, |_| {}).await;
        let above = Supervisor::new(clock.clone(), 4);
        let front = FrontSettings {
            standard: standards_folder().unwrap().join(STANDARD),
            tables: Vec::new(),
            every: None,
            rules: BTreeMap::new(),
            ..FrontSettings::default()
        };
        let region = Front::start(front, clock.clone(), &above).await.unwrap();
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let channel = format!(
            "[[channel]]\nid = \"{CHANNEL}\"\nstandard = \"{STANDARD}\"\ncarries = []\n\n\
             [channel.province]\nurl = \"https://region.example\"\n\n\
             [channel.province.credentials]\ntoken = \"keys/requester\"\n\n\
             [channel.province.inbox]\nurl = \"{}\"\n\n{PACE}",
            region.url()
        );
        std::fs::write(city.configuration_file(), text.replace(PACE, &channel)).unwrap();
        let daemon = Some(TestDaemon::start(city.configuration(), &clock).await);
        Self { city, region, daemon, clock, above }
    }

    pub(crate) fn daemon(&self) -> &TestDaemon {
        self.daemon.as_ref().unwrap()
    }

    async fn lines(&self, table: &str) -> Vec<InboxLine> {
        let ledger = self.daemon().ledger();
        let lines = ledger.inbox(ChannelId::from(CHANNEL), 0, 100_000).await.unwrap();
        lines.into_iter().filter(|line| line.source == table).collect()
    }

    /// Waits until a table has left so many lines.
    async fn told(&self, table: &str, lines: usize) {
        self.daemon().wake();
        self.daemon()
            .wait_until("the inbox has what the region wrote", || async {
                self.lines(table).await.len() >= lines
            })
            .await;
        assert_eq!(self.lines(table).await.len(), lines, "{table}");
    }

    /// A line's content.
    fn open(&self, line: &InboxLine) -> serde_json::Value {
        let context = format!("inbox {CHANNEL} {}", line.source);
        let sealer = &self.daemon().app.crew.files.sealer;
        let plain = sealer.open(Purpose::Ledger, context.as_bytes(), &line.body).unwrap();
        serde_json::from_slice(&plain).unwrap()
    }

    pub(crate) async fn act(&self, statements: &str) {
        self.region.act(statements).await.unwrap();
    }

    /// Whether this stands in clear in the ledger's files.
    pub(crate) fn holds(&self, clear: &str) -> bool {
        let files = std::fs::read_dir(self.city.path().join("ledger")).unwrap();
        let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
        let ledger: Vec<u8> = files.flat_map(|path| std::fs::read(path).unwrap()).collect();
        assert!(ledger.len() > 100_000, "the ledger and its log");
        ledger.windows(clear.len()).any(|window| window == clear.as_bytes())
    }

    pub(crate) async fn restart(&mut self) {
        self.daemon.take().unwrap().stop().await;
        self.daemon = Some(TestDaemon::start(self.city.configuration(), &self.clock).await);
    }

    pub(crate) async fn end(mut self) {
        self.daemon.take().unwrap().stop().await;
        self.city.close().await;
        self.above.stop();
        let ended = self.above.run(Duration::from_secs(10)).await;
        assert!(ended.cause.is_none(), "{ended:?}");
    }
}

const CATALOGUES: &str = "INSERT INTO catalog_basicinfo \
    (cata_id, cata_title, \"openFrequency\", operate_date, operate_type) \
    SELECT 'k' || lpad(n::text, 4, '0'), '目录' || n, '每日', '2026-03-02 08:00:00', 'I' \
    FROM generate_series(1, 500) n;";

#[test]
fn rows_of_one_instant_come_once_with_their_fields_and_their_spelling() {
    run(async {
        let mut scene = Scene::new().await;
        // More than two pages of the same second; two of them with fields.
        scene
            .act(&format!(
                "BEGIN; INSERT INTO catalog_fieldinfo \
                 (column_id, column_name, cata_id, \"NormDetail\") VALUES \
                 ('f2', '姓名', 'k0200', '汉字'), ('f1', '证件号', 'k0200', '18 位'), \
                 ('f3', '日期', 'k0201', NULL); {CATALOGUES} COMMIT"
            ))
            .await;
        scene.told("catalog_basicinfo", 500).await;
        let lines = scene.lines("catalog_basicinfo").await;
        let keyer = scene.daemon().ledger().identity().keyer.clone();
        let line = lines.iter().find(|line| line.key == keyer.key("k0200").to_string()).unwrap();
        let content = scene.open(line);
        assert_eq!(content["row"]["openFrequency"], "每日");
        assert_eq!(content["row"]["cata_title"], "目录200");
        let fields = content["with"]["catalog_fieldinfo"].as_array().unwrap();
        let names: Vec<&str> = fields.iter().map(|it| it["column_id"].as_str().unwrap()).collect();
        assert_eq!(names, ["f1", "f2"]);
        assert_eq!(fields[0]["NormDetail"], "18 位");
        // Misspelt as they are.
        scene
            .act(
                "INSERT INTO resource_apply_review (id, revirew_user, revirew_status, \
                 operate_date, operate_type) VALUES ('r1', '李四', '1', '2026-03-02 09:00:00', 'I')",
            )
            .await;
        scene.told("resource_apply_review", 1).await;
        let review = scene.lines("resource_apply_review").await;
        assert_eq!(scene.open(&review[0])["row"]["revirew_user"], "李四");
        // Nothing of it is in clear.
        for clear in ["李四", "目录200", "k0200"] {
            assert!(!scene.holds(clear), "{clear} stands in the ledger");
        }
        scene.restart().await;
        scene
            .act(
                "UPDATE catalog_basicinfo SET cata_title = '改', operate_type = 'U', \
                   operate_date = '2026-03-02 08:05:00' WHERE cata_id = 'k0300'",
            )
            .await;
        scene.told("catalog_basicinfo", 501).await;
        assert!(scene.daemon().ledger().drift().await.unwrap().is_empty());
        scene.end().await;
    });
}

#[test]
fn changes_deletions_and_late_commits_are_told_and_nothing_twice() {
    run(async {
        let mut scene = Scene::new().await;
        let table = "catalog_category";
        scene
            .act(
                "INSERT INTO catalog_category (group_id, group_name, operate_date, operate_type) \
                 VALUES ('g1', '一', '2026-03-02 08:00:00', 'I'), \
                 ('g2', '二', '2026-03-02 08:20:00.5', 'I')",
            )
            .await;
        scene.told(table, 2).await;
        // Committed late, within the overlap.
        scene
            .act(
                "INSERT INTO catalog_category (group_id, group_name, operate_date, operate_type) \
                 VALUES ('g3', '三', '2026-03-02 08:12:00', 'I')",
            )
            .await;
        scene.told(table, 3).await;
        scene
            .act(
                "UPDATE catalog_category SET operate_type = 'U', group_name = '二改', \
                 operate_date = '2026-03-02 08:30:00' WHERE group_id = 'g2'",
            )
            .await;
        scene.told(table, 4).await;
        // Changed again within the same instant: the line says the newest.
        scene.act("UPDATE catalog_category SET group_name = '二再改' WHERE group_id = 'g2'").await;
        scene.daemon().wake();
        let daemon = scene.daemon();
        daemon
            .wait_until("the newest is told", || async {
                let lines = scene.lines(table).await;
                lines.iter().any(|line| scene.open(line)["row"]["group_name"] == "二再改")
            })
            .await;
        assert_eq!(scene.lines(table).await.len(), 4);
        scene
            .act(
                "UPDATE catalog_category SET operate_type = 'D', \
                 operate_date = '2026-03-02 08:40:00' WHERE group_id = 'g1'",
            )
            .await;
        scene.told(table, 5).await;
        let actions: Vec<String> =
            scene.lines(table).await.into_iter().map(|line| line.action).collect();
        assert_eq!(actions, ["I", "I", "I", "U", "D"]);
        scene.restart().await;
        scene.daemon().wake();
        // What the standard does not list is stored as said, and is drift.
        scene
            .act(
                "ALTER TABLE catalog_category ADD COLUMN level text; \
                 INSERT INTO catalog_category (group_id, operate_date, operate_type) \
                 VALUES ('g4', '2026-03-02 08:50:00', 'X')",
            )
            .await;
        scene.told(table, 6).await;
        let daemon = scene.daemon();
        daemon
            .wait_until("drift is raised", || async {
                let drift = daemon.ledger().drift().await.unwrap();
                let details: Vec<&str> = drift.iter().map(|it| it.detail.as_str()).collect();
                details.contains(&"catalog_category.level")
                    && details.contains(&"catalog_category.operate_type")
            })
            .await;
        let counts = daemon.ledger().inbox_counts(ChannelId::from(CHANNEL)).await.unwrap();
        assert_eq!((counts.len(), counts[0].waiting), (1, 6));
        scene.end().await;
    });
}

const PEER: Peer = Peer { uid: 0, gid: 0, pid: None };

#[test]
fn rows_without_a_date_are_kept_and_told_and_the_inbox_is_listed_without_content() {
    run(async {
        let scene = Scene::new().await;
        let table = "catalog_category";
        // More than a page of them, beside one that keeps to the rule.
        scene
            .act(
                "ALTER TABLE catalog_category ALTER operate_date DROP NOT NULL; \
                 INSERT INTO catalog_category (group_id, group_name, operate_date, operate_type) \
                 VALUES ('g1', '一', '2026-03-02 08:00:00', 'I'); \
                 INSERT INTO catalog_category (group_id, group_name, operate_type) \
                 SELECT 'n' || n, '王五', 'U' FROM generate_series(1, 450) n",
            )
            .await;
        scene.told(table, 451).await;
        let drift = scene.daemon().ledger().drift().await.unwrap();
        let told = drift.iter().find(|it| it.detail == "catalog_category.operate_date");
        assert_eq!(told.map(|it| it.kind.as_str()), Some("reply-missing"), "{drift:?}");
        // Read again and again they are the same lines.
        scene.act("UPDATE catalog_category SET operate_date = now() WHERE group_id = 'n7'").await;
        scene.told(table, 452).await;
        let office = scene.daemon().app.office(None);
        let query = InboxQuery { table: Some(table.to_owned()), ..InboxQuery::default() };
        let answer = office.handle(Request::InboxList(query.clone()), PEER).await;
        let Response::Inbox(list) = answer else { panic!("{answer:?}") };
        let counts: Vec<_> =
            list.entries.iter().map(|it| (it.action.as_str(), it.waiting, it.undated)).collect();
        assert_eq!(counts, [("I", 1, 0), ("U", 451, 450)]);
        assert_eq!(list.entries[0].newest.as_deref(), Some("2026-03-02 08:00:00"));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let paging = Paging { after, limit: 200 };
            let page = InboxQuery { paging, ..query.clone() };
            let answer = office.handle(Request::InboxShow(page), PEER).await;
            let Response::InboxLines(lines) = answer else { panic!("{answer:?}") };
            assert_eq!(lines.total, 452);
            let text = serde_json::to_string(&lines).unwrap();
            assert!(!text.contains("王五") && !text.contains("\"n7\""), "content is listed");
            seen.extend(lines.entries.into_iter().map(|line| line.number));
            after = lines.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 452);
        assert!(seen.is_sorted());
        let wrong = InboxQuery { channel: Some("nowhere".to_owned()), ..InboxQuery::default() };
        let answer = office.handle(Request::InboxList(wrong), PEER).await;
        assert!(matches!(answer, Response::Failed(it) if it.what.contains("nowhere")));
        scene.end().await;
    });
}
