//! Counts that the province publishes in a down-link table are held against what was put where it
//! fetches: nothing else is ever heard of such rows.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cascaded::delivery::ChannelId;
use cascaded::demo::standards_folder;
use cascaded::fact::Kind;
use cascaded::ledger::{FlowState, PassKind};
use cascaded::rehearsal::{Front, FrontSettings, RowRules};
use cascaded::supervisor::Supervisor;
use jiff::{SignedDuration, Timestamp};

use crate::placed::{FILES, Scene, copy, only_placed};
use crate::support::daemon::{PACE, TestDaemon, run};

/// A MODEL: real dumps have records of rows per table (facts §3.5); no document says their columns.
const TABLE: &str = "\n[[inbox]]\ntable = \"resource_rows\"\nkey = \"id\"\ndate = \"operate_date\"\n\
    type = \"operate_type\"\noverlap = \"10m\"\nwritten = [\"I\", \"U\"]\ndeleted = [\"D\"]\n\
    reply = \"resource_rows\"\n\n[inbox.counts]\nof = \"resource_id\"\nof_is = \"resource\"\n\
    rows = \"row_count\"\ncounted = \"counted\"\nlag = \"1s\"\n";
const COLUMNS: &str = "path,title,meaning,type,codes,required,clause,basis\n\
    id,,ignore,text,,yes,model,model\nresource_id,,ignore,text,,no,model,model\n\
    row_count,,ignore,text,,no,model,model\ncounted,,ignore,text,,no,model,model\n\
    operate_date,,ignore,time,,yes,model,model\noperate_type,,ignore,text,,yes,model,model\n";

struct Counting {
    scene: Scene,
    region: Front,
    above: Supervisor,
    published: u32,
}

impl Counting {
    /// Rows of people and visits are placed; a region publishes on a channel that carries nothing.
    async fn new() -> Self {
        let mut scene = Scene::new(FILES, RowRules::default(), only_placed).await;
        scene.daemon.take().unwrap().stop().await;
        let standard = scene.city.path().join("standards/counting/1");
        copy(&standards_folder().unwrap().join("region-tables/1.0"), &standard);
        declare(&standard);
        let above = Supervisor::new(scene.clock.clone(), 4);
        let front = FrontSettings {
            standard,
            tables: Vec::new(),
            every: None,
            rules: BTreeMap::new(),
            ..FrontSettings::default()
        };
        let region = Front::start(front, scene.clock.clone(), &above).await.unwrap();
        let text = std::fs::read_to_string(scene.city.configuration_file()).unwrap();
        let channel = format!(
            "[[channel]]\nid = \"region\"\nstandard = \"counting/1\"\ncarries = []\n\n\
             [channel.province]\nurl = \"https://region.example\"\n\n\
             [channel.province.credentials]\ntoken = \"keys/requester\"\n\n\
             [channel.province.inbox]\nurl = \"{}\"\n\n{PACE}",
            region.url()
        );
        std::fs::write(scene.city.configuration_file(), text.replace(PACE, &channel)).unwrap();
        let mut counting = Self { scene, region, above, published: 0 };
        counting.start().await;
        counting
    }

    async fn start(&mut self) {
        let configuration = self.scene.city.configuration();
        self.scene.daemon = Some(TestDaemon::start(configuration, &self.scene.clock).await);
    }

    /// The region has counted `rows` of people, so long after now.
    async fn publish(&mut self, rows: &str, after: SignedDuration) {
        self.published += 1;
        let number = self.published;
        let local = |at: Timestamp| {
            let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
            at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
        };
        let now = self.scene.clock.now();
        let (counted, operated) = (local(now + after), local(now));
        let insert = format!(
            "INSERT INTO resource_rows VALUES \
             ('n{number}', 'r-people', '{rows}', '{counted}', '{operated}', 'I')"
        );
        self.region.act(&insert).await.unwrap();
        self.scene.daemon().wake();
    }

    async fn people(&self) -> Option<FlowState> {
        let flows = self.scene.daemon().ledger().flows().await.unwrap();
        let is_it = |it: &FlowState| {
            it.flow.channel == ChannelId::from("files") && it.flow.dataset == "people"
        };
        flows.into_iter().find(is_it)
    }

    async fn until_held(&self, held: u64, mismatched: u64) {
        let daemon = self.scene.daemon();
        daemon
            .wait_until("the published count is held against the books", || async {
                let people = self.people().await;
                people.is_some_and(|it| (it.held_above, it.mismatched) == (Some(held), mismatched))
            })
            .await;
    }

    /// What a comparison says once the books have heard of what the ledger knows: they are told after it.
    async fn asked(&self) -> (Option<&'static str>, u64, u64) {
        let said = Cell::new((Some("rows-on-the-way"), 0, 0));
        let is_told = || async {
            said.set(self.compared().await);
            said.get().0 != Some("rows-on-the-way")
        };
        self.scene.daemon().wait_until("the books are told", is_told).await;
        said.get()
    }

    async fn compared(&self) -> (Option<&'static str>, u64, u64) {
        let daemon = self.scene.daemon();
        let channel = daemon.channel("files");
        let crew = &daemon.app.crew;
        let totals = crew.totals(&channel).await.unwrap();
        let found = crew.reconcile(&channel, "people", &totals, true).await.unwrap().unwrap();
        assert!(found.keys.is_empty() && found.mended == 0, "nobody said which: {found:?}");
        (found.skipped, found.confirmed, found.held)
    }

    async fn placed(&self, rows: u64) {
        let placed = || async { self.people().await.is_some_and(|it| it.counts.placed == rows) };
        self.scene.daemon().wait_until("all is placed", placed).await;
    }
}

fn declare(standard: &Path) {
    let path = standard.join("standard.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("id = \"region-tables\"", "id = \"counting\"");
    let text = text.replace("version = \"1.0\"", "version = \"1\"");
    std::fs::write(path, text + TABLE).unwrap();
    std::fs::write(standard.join("replies/resource_rows.csv"), COLUMNS).unwrap();
}

/// More than the lag.
const SOON: SignedDuration = SignedDuration::from_secs(2);

#[test]
fn what_the_province_says_it_counted_is_held_against_what_was_only_placed() {
    run(async {
        let mut it = Box::pin(Counting::new()).await;
        it.placed(250).await;
        assert_eq!(it.asked().await, (Some("no-inventory"), 0, 0));
        it.publish("248.00", SOON).await;
        it.until_held(248, 2).await;
        // Placed it is, and placed it stays: a count names no row.
        let people = it.people().await.unwrap();
        assert_eq!((people.counts.confirmed, people.counts.placed), (0, 250));
        let facts = it.scene.daemon().ledger().facts(0, 100_000).await.unwrap();
        let compared = facts.iter().filter(|(_, fact)| {
            matches!(fact.kind, Kind::Reconciled { compared: 250, mismatched: 2 })
        });
        assert_eq!(compared.count(), 1);

        // A count of yesterday is none of today, and what is no number is told.
        it.publish("7", SignedDuration::from_hours(-24)).await;
        it.publish("viele", SOON).await;
        let daemon = it.scene.daemon();
        daemon
            .wait_until("drift is told", || async {
                let drift = daemon.ledger().drift().await.unwrap();
                drift.iter().any(|it| it.detail == "resource_rows.row_count")
            })
            .await;
        assert_eq!(it.asked().await, (None, 250, 248));

        // What is placed after it was counted cannot be in it.
        let past = it.scene.clock.now() + SOON;
        let is_past = || async { it.scene.clock.now() > past };
        daemon.wait_until("it was counted", is_past).await;
        it.scene.sql("INSERT INTO people VALUES ('p90000', '新人', 'a')");
        it.scene.daemon().resync("files", PassKind::Compare, false, None).await;
        it.scene.daemon().wake();
        it.placed(251).await;
        assert_eq!(it.asked().await, (Some("counted-before"), 251, 248));
        it.publish("251", SOON).await;
        it.until_held(251, 0).await;

        it.scene.daemon.take().unwrap().stop().await;
        it.start().await;
        assert_eq!(it.asked().await, (None, 251, 251));
        it.above.stop();
        let ended = it.above.run(Duration::from_secs(10)).await;
        assert!(ended.cause.is_none(), "{ended:?}");
        it.scene.end().await;
    });
}
