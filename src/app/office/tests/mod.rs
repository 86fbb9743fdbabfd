//! The office against a real ledger: its state is built by its events, then asked about.

mod approvals;
mod batches;
mod behind;
mod calibrated;
mod closed;
mod days;
mod liveness;
mod page;
mod plain;
mod roles;
mod score;
mod tasks;
mod terms;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::app::App;
use crate::cascade::Events as _;
use crate::catalogue::{Content, Entry, Kind, Object, ObjectKey, Organisation};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::control::protocol::{
    DatasetQuery, Extent, JobName, JobQuery, Paging, Reconcile, RejectAct, RejectExport,
    RejectQuery, RejectReplay, Resync, Trouble,
};
use crate::delivery::{
    Action, BatchId, BatchState, ChannelId, DigestSha256, Evidence, Lane, LinkState, Mode, Receipt,
    RejectKind, Subject,
};
use crate::ledger::seal::Purpose;
use crate::ledger::{Ended, Finding, Flow, NewBatch, NewReject, Observation, Progress, Scope};
use crate::row::{KeyDigest, RowHash};

const SECRET: &str = "51190119900101001X";
const PEER: Peer = Peer { uid: 4711, gid: 42, pid: Some(99) };

const CONFIGURATION: &str = r#"
[ledger]
begins = "live"
folder = "ledger"
key_file = "keys/ledger.key"

[[channel]]
id = "province"
standard = "reference-xml/1.0"

[channel.province]
url = "https://127.0.0.1:9/"
ca_file = "keys/authority.pem"

[channel.province.credentials]
requester = "keys/requester"
secret = "keys/secret"

[[source]]
kind = "sqlite"
id = "city"
path = "city.sqlite"

[[dataset]]
id = "d-one"
title = "Housing contracts"
department = "dep"
region = "515100"
source = "city"
table = "one"
key = ["id"]
cycle = "每日"
change = { kind = "time-column", column = "changed" }
columns = [
  { name = "id", type = "text" },
  { name = "changed", type = "time" },
]

[[dataset]]
id = "d-two"
title = "Pensions"
department = "dep"
region = "515100"
source = "city"
table = "two"
key = ["id"]
cycle = "每月"
change = { kind = "full" }
columns = [{ name = "id", type = "text" }]
"#;

struct Nothing;

impl Lent for Nothing {
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, Vec<Failure>>> {
        Box::pin(async { Err(vec![failure("E-CONFIG", "wrong", None)]) })
    }

    fn mode(&self, _mode: Mode) -> BoxFuture<'_, Result<Reloaded, Vec<Failure>>> {
        Box::pin(async { Err(vec![failure("E-RELOAD", "wrong", None)]) })
    }

    fn cut_over(&self) {}
    fn shadow(&self) {}
    fn takeover(&self) {}
}

fn office(app: &App) -> Office {
    Office::new(OfficeParts {
        crew: app.crew.clone(),
        current: Arc::clone(&app.current),
        metrics: Arc::clone(&app.metrics),
        watch: Arc::clone(&app.watch),
        catalogue: app.catalogue.clone(),
        live: Arc::clone(&app.live),
        board: Arc::default(),
        http: None,
        lent: Arc::new(Nothing),
    })
}

/// A look at a dataset that found nothing.
fn nothing_seen(carrier: &cascade::Carrier, lane: Lane, as_of: Timestamp) -> Observation {
    Observation {
        flow: carrier.flow().clone(),
        owner: carrier.owner().clone(),
        lane,
        batches: Vec::new(),
        rejects: Vec::new(),
        rules: Vec::new(),
        mended: Vec::new(),
        replayed: Vec::new(),
        unique: Vec::new(),
        freed: Vec::new(),
        coalesced: 0,
        skipped: 0,
        resent: 0,
        newest_content: None,
        as_of,
        progress: Progress::Unmoved,
    }
}

struct Bench {
    office: Office,
    app: App,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        Self::start_with(CONFIGURATION).await
    }

    async fn start_with(configuration: &str) -> Self {
        Self::start_beside(configuration, |_folder| {}).await
    }

    /// With files of the test's own beside the configuration.
    async fn start_beside(configuration: &str, write: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let certificates = crate::rehearsal::certificates::Certificates::generate().unwrap();
        crate::demo::write_keys(folder.path(), &certificates).unwrap();
        let standards = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards");
        let text = format!("standards = [\"{}\"]\n{configuration}", standards.display());
        let path = folder.path().join("cascaded.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.path().join("city.sqlite"), "").unwrap();
        let configuration = Configuration::load(&path).unwrap();
        let clock = Clock::manual("2026-11-20T02:00:00Z".parse().unwrap());
        let app = App::build(configuration, clock.clone()).await.unwrap();
        Self { office: office(&app), app, clock, _folder: folder }
    }

    /// The office of a process that starts now, on the same ledger.
    fn another_office(&self) -> Office {
        office(&self.app)
    }

    async fn ask(&self, request: Request) -> Response {
        self.office.handle(request, PEER).await
    }

    fn ledger(&self) -> &ledger::Ledger {
        &self.app.crew.ledger
    }

    /// Rows of a dataset are observed: a batch of `rows`, and one local reject.
    async fn observe(&self, dataset: &str, rows: u32) -> NewBatch {
        let carrier = self.carrier(dataset);
        let ordinal = self.ledger().next_ordinal().unwrap();
        let batch = NewBatch {
            id: BatchId([u8::try_from(ordinal).unwrap(); 16]),
            ordinal,
            channel: carrier.flow().channel.clone(),
            standard: self.app.channels()[0].standard.id().clone(),
            operation: "rows.upsert".to_owned(),
            subject: Subject::Rows { dataset: dataset.to_owned(), action: Action::Upsert },
            lane: Lane::Live,
            rows,
            payload_bytes: 10,
            payload_digest: DigestSha256::of(b"payload"),
            parent: None,
            after: Vec::new(),
            evidence: Evidence::Receipt,
            content_at: Some(self.clock.now()),
            deadline: self.clock.now() + SignedDuration::from_mins(10),
        };
        let cells = serde_json::to_vec(&[Some(SECRET), Some("2026-11-20T08:00:00")]).unwrap();
        let observation = Observation {
            batches: vec![batch.clone()],
            rejects: vec![self.reject(carrier.flow(), RejectKind::Local, "id-card", &cells)],
            newest_content: Some(self.clock.now()),
            ..nothing_seen(&carrier, Lane::Live, self.clock.now())
        };
        self.ledger().observed(observation).await.unwrap();
        batch
    }

    fn carrier(&self, dataset: &str) -> Arc<cascade::Carrier> {
        let works = self.app.works();
        let mut carriers = works.carriers();
        Arc::clone(carriers.find(|carrier| carrier.flow().dataset == dataset).unwrap())
    }

    fn reject(&self, flow: &Flow, kind: RejectKind, rule: &str, plain: &[u8]) -> NewReject {
        let key = KeyDigest([7; 12]);
        let context = format!("{} {} {key}", flow.channel, flow.dataset);
        let sealer = &self.app.crew.files.sealer;
        NewReject {
            key,
            row: RowHash(1),
            kind,
            findings: vec![Finding { rule: rule.to_owned(), column: Some("id".to_owned()) }],
            original: sealer.seal(Purpose::Reject, context.as_bytes(), plain).unwrap(),
        }
    }

    async fn take(&self, batch: &NewBatch, ended: Ended) {
        let attempt = self.ledger().attempt_begun(batch.id, batch.payload_digest).await.unwrap();
        self.ledger().attempt_ended(attempt, ended).await.unwrap();
    }

    async fn catalogue(&self) {
        let object = |content| Object {
            region: "515100".to_owned(),
            department: "dep".to_owned(),
            content,
            supplied: BTreeMap::new(),
        };
        let organisation = Organisation {
            id: "dep".to_owned(),
            title: "Housing bureau".to_owned(),
            ..Organisation::default()
        };
        let entry = Entry { id: "e".to_owned(), title: "Entry".to_owned(), ..Entry::default() };
        let objects = vec![
            object(Content::Organisation(organisation)),
            object(Content::Entry(Box::new(entry))),
        ];
        let channels = vec![(ChannelId::from("province"), Kind::ALL.to_vec())];
        self.ledger().catalogue_read(objects, channels).await.unwrap();
    }
}

fn taken() -> Ended {
    let receipt = Receipt { id: "R1".to_owned(), ..Receipt::default() };
    Ended::Taken { receipt: Some(receipt), upper_id: None, adopted: false }
}

fn export() -> Request {
    Request::RejectsExport(RejectExport {
        query: RejectQuery::default(),
        reason: "audit".to_owned(),
    })
}

fn resync(datasets: &[&str], extent: Extent, key: &str) -> Resync {
    Resync {
        datasets: datasets.iter().map(|it| (*it).to_owned()).collect(),
        extent,
        approve_deletions: false,
        dry_run: false,
        idempotency_key: key.to_owned(),
    }
}

#[tokio::test]
async fn status_adds_up_and_names_what_is_wrong_worst_first() {
    let bench = Bench::start().await;
    bench.catalogue().await;
    let batch = bench.observe("d-one", 3).await;
    bench.take(&batch, taken()).await;
    bench.observe("d-two", 2).await;
    let channel = ChannelId::from("province");
    let scope = Scope::Operation("entry.modify".to_owned());
    bench.ledger().hold_placed(channel, scope, "C-47".to_owned()).await.unwrap();
    bench.clock.advance(Duration::from_hours(24 * 4));
    let Response::Status(status) = bench.ask(Request::Status {}).await else { panic!() };
    let rows = status.summary.rows;
    assert_eq!((rows.due, rows.confirmed, rows.rejected, rows.queued), (7, 3, 2, 2));
    assert_eq!(rows.due, rows.confirmed + rows.placed + rows.rejected + rows.queued);
    assert_eq!((status.rejected_local, status.rejected_above), (2, 0));
    assert_eq!(status.summary.entries.due, 1);
    assert_eq!(status.summary.reconcile.at, None, "nothing was compared");
    assert!(!status.complete_pass);
    let troubles: Vec<Trouble> = status.attention.iter().map(|it| it.trouble).collect();
    assert_eq!(
        troubles,
        [
            Trouble::Overdue,
            Trouble::Held,
            Trouble::RejectedLocal,
            Trouble::RejectedLocal,
            // The batch, and the two objects that nobody has sent for days.
            Trouble::Late,
            Trouble::Late,
            Trouble::Late
        ]
    );
    assert_eq!(status.attention[0].title, "Housing contracts Housing bureau");
    assert_eq!(status.channels[0].held.as_deref(), Some("entry.modify: C-47"));
    assert_eq!(status.channels[0].rows, rows);
}

#[tokio::test]
async fn datasets_are_paged_and_show_their_clocks() {
    let bench = Bench::start().await;
    let batch = bench.observe("d-one", 3).await;
    bench.take(&batch, taken()).await;
    let mut query = DatasetQuery { paging: Paging { after: None, limit: 1 }, ..Default::default() };
    let Response::Datasets(first) = bench.ask(Request::Datasets(query.clone())).await else {
        panic!()
    };
    assert_eq!((first.entries[0].dataset.as_str(), first.total), ("d-one", 2));
    assert_eq!(first.entries[0].freshness, "fresh");
    assert!(first.entries[0].deadline.is_some());
    query.paging.after = first.next;
    let Response::Datasets(second) = bench.ask(Request::Datasets(query)).await else { panic!() };
    assert_eq!(second.entries[0].dataset, "d-two");
    assert_eq!(second.entries[0].freshness, "never");
    assert_eq!(second.next, None);
    bench.clock.advance(Duration::from_hours(72));
    let troubled = DatasetQuery { troubled: true, ..Default::default() };
    let Response::Datasets(late) = bench.ask(Request::Datasets(troubled)).await else { panic!() };
    assert_eq!(late.entries.len(), 1);
    assert_eq!(late.entries[0].freshness, "overdue");
}

#[tokio::test]
async fn nothing_is_overdue_before_its_grace_has_ended() {
    let own = "cycle = \"每日\"\ngrace = { percent = 0, working_days = 2 }";
    let default = "grace = { percent = 0, working_days = 1 }\n";
    let with_default = format!("{default}{CONFIGURATION}");
    let with_own = with_default.replace("cycle = \"每日\"", own);
    // It is Friday morning; from Saturday morning on, something new is wanted.
    for (text, hours, expected, days) in [
        (CONFIGURATION, 25, "overdue", 0),
        (with_default.as_str(), 25, "due_soon", 1),
        (with_default.as_str(), 72, "due_soon", 1),
        (with_default.as_str(), 96, "overdue", 1),
        (with_own.as_str(), 96, "due_soon", 2),
        (with_own.as_str(), 120, "overdue", 2),
    ] {
        let bench = Bench::start_with(text).await;
        let batch = bench.observe("d-one", 3).await;
        bench.take(&batch, taken()).await;
        bench.clock.advance(Duration::from_hours(hours));
        let query = DatasetQuery { dataset: Some("d-one".to_owned()), ..Default::default() };
        let Response::Datasets(shown) = bench.ask(Request::Datasets(query)).await else { panic!() };
        let [one] = shown.entries.as_slice() else { panic!("{shown:?}") };
        assert_eq!((one.freshness.as_str(), one.grace.working_days), (expected, days), "{hours} h");
        assert_eq!(one.wanted.unwrap().to_string(), "2026-11-21T02:00:00Z");
        let Response::Status(status) = bench.ask(Request::Status {}).await else { panic!() };
        let overdue = status.attention.iter().any(|it| it.trouble == Trouble::Overdue);
        assert_eq!(overdue, expected == "overdue", "{hours} h");
    }
}

#[tokio::test]
async fn an_original_is_opened_only_for_whom_the_ledger_names() {
    let bench = Bench::start().await;
    bench.observe("d-one", 1).await;
    let flow = bench.carrier("d-one").flow().clone();
    let batch = bench.observe("d-two", 1).await;
    let sent = bench.reject(
        bench.carrier("d-two").flow(),
        RejectKind::Refused,
        "E9",
        format!("<Row>{SECRET}</Row>").as_bytes(),
    );
    bench.take(&batch, Ended::RowRefused { reject: sent }).await;
    let show =
        |reject| Request::RejectsShow(RejectAct { reject, reason: "the owner asked".to_owned() });
    let Response::Reject(local) = bench.ask(show(1)).await else { panic!() };
    assert_eq!(local.key, SECRET);
    assert_eq!(local.cells[0], ("id".to_owned(), Some(SECRET.to_owned())));
    assert_eq!(local.findings, [("id".to_owned(), "id-card".to_owned())]);
    assert_eq!(local.reject.dataset, flow.dataset);
    let Response::Originals(page) = bench.ask(export()).await else { panic!() };
    assert_eq!(page.total, 3);
    let above = page.entries.iter().find(|it| it.reject.kind == "refused").unwrap();
    assert_eq!(above.cells, [("as_sent".to_owned(), Some(format!("<Row>{SECRET}</Row>")))]);
    let acts = bench.ledger().acts(10).await.unwrap();
    let names: Vec<&str> = acts.iter().map(|act| act.name.as_str()).collect();
    assert_eq!(names, ["rejects_export", "rejects_show"]);
    for act in acts {
        let actor = act.actor;
        assert_eq!((actor.uid, actor.gid, actor.pid), (Some(4711), Some(42), Some(99)));
        assert!(!act.detail.contains(SECRET));
    }
    assert!(
        matches!(bench.ask(show(999)).await, Response::Failed(it) if it.code == "E-NO-SUCH-REJECT")
    );
}

#[tokio::test]
async fn no_other_answer_holds_content_or_a_key() {
    let bench = Bench::start().await;
    bench.catalogue().await;
    let batch = bench.observe("d-one", 1).await;
    bench.take(&batch, taken()).await;
    bench.office.refresh().await;
    let requests = [
        Request::Status {},
        Request::Datasets(DatasetQuery::default()),
        Request::Links(crate::control::protocol::LinkQuery::default()),
        Request::Batches(crate::control::protocol::BatchQuery::default()),
        Request::RejectsList(RejectQuery::default()),
        Request::Resync(resync(&[], Extent::Rejected {}, "k")),
        Request::JobsList(JobQuery { ended: true, paging: Paging::default() }),
        Request::StandardList {},
        Request::Reconcile(Reconcile::default()),
        Request::LedgerVerify {},
        Request::Reload {},
    ];
    for request in requests {
        let said = serde_json::to_string(&bench.ask(request.clone()).await).unwrap();
        assert!(!said.contains(SECRET), "{request:?}");
        assert!(!said.contains("2026-11-20T08:00:00\""), "{request:?}");
    }
    assert!(!Health::metrics(&bench.office).contains(SECRET));
    let shown = serde_json::to_string(&bench.ask(export()).await).unwrap();
    assert!(shown.contains(SECRET), "the canary is really there");
}

#[tokio::test]
async fn a_resync_is_one_job_under_one_key_and_can_be_called_off() {
    let bench = Bench::start().await;
    let since = Extent::Since { at: bench.clock.now() };
    let wrong = bench.ask(Request::Resync(resync(&["d-one", "x", "y"], since.clone(), "k"))).await;
    let Response::Failed(wrong) = wrong else { panic!() };
    assert_eq!(
        (wrong.code.as_str(), wrong.what.as_str()),
        ("E-NO-SUCH-DATASET", "no channel carries x, y")
    );
    let timeless = bench.ask(Request::Resync(resync(&[], since.clone(), "k"))).await;
    assert!(matches!(timeless, Response::Failed(it) if it.code == "E-NO-TIME-COLUMN"));
    let mut dry = resync(&["d-one"], Extent::Full {}, "k");
    dry.dry_run = true;
    let Response::Accepted(dry) = bench.ask(Request::Resync(dry)).await else { panic!() };
    assert_eq!((dry.job, dry.scope.len()), (None, 1));
    let asked = resync(&["d-one"], since, "k");
    let Response::Accepted(first) = bench.ask(Request::Resync(asked.clone())).await else {
        panic!()
    };
    assert_eq!((first.job.as_deref(), first.existed), (Some("r-0001"), false));
    let Response::Accepted(again) = bench.ask(Request::Resync(asked)).await else { panic!() };
    assert_eq!((again.job.as_deref(), again.existed), (Some("r-0001"), true));
    let pass = bench.ledger().open_pass(bench.carrier("d-one").flow().clone()).await.unwrap();
    assert_eq!(pass.unwrap().since.as_deref(), Some("2026-11-20T10:00:00"));
    let name = JobName { job: "r-0001".to_owned() };
    let Response::Job(job) = bench.ask(Request::JobsCancel(name)).await else { panic!() };
    assert_eq!((job.state.as_str(), job.by.as_str()), ("cancelled", "uid 4711 pid 99"));
    assert!(job.has_ended());
    let open = bench.ledger().open_pass(bench.carrier("d-one").flow().clone()).await.unwrap();
    assert_eq!(open, None);
    let none = JobName { job: "r-9".to_owned() };
    assert!(matches!(bench.ask(Request::JobsShow(none)).await, Response::Failed(_)));
}

#[tokio::test]
async fn a_replay_covers_the_datasets_that_match() {
    let bench = Bench::start().await;
    bench.observe("d-one", 1).await;
    bench.observe("d-two", 1).await;
    let query = RejectQuery { dataset: Some("d-two".to_owned()), ..Default::default() };
    let replay = RejectReplay { query, idempotency_key: "k".to_owned() };
    let Response::Accepted(accepted) = bench.ask(Request::RejectsReplay(replay)).await else {
        panic!()
    };
    assert_eq!(accepted.scope, [("d-two".to_owned(), Some(1))]);
    let flow = |dataset| bench.carrier(dataset).flow().clone();
    assert_eq!(bench.ledger().open_pass(flow("d-one")).await.unwrap(), None);
    let pass = bench.ledger().open_pass(flow("d-two")).await.unwrap().unwrap();
    assert_eq!(pass.kind, ledger::PassKind::Rejected);
    let query = RejectQuery { kind: Some("nonsense".to_owned()), ..Default::default() };
    let wrong = bench.ask(Request::RejectsList(query)).await;
    assert!(matches!(wrong, Response::Failed(it) if it.code == "E-NO-SUCH-WORD"));
}

#[tokio::test]
async fn a_catalogue_request_retries_what_was_refused_and_approves_only_when_asked() {
    let bench = Bench::start().await;
    bench.catalogue().await;
    let channel = ChannelId::from("province");
    let key = ObjectKey { kind: Kind::Entry, id: "e".to_owned() };
    let link = || bench.ledger().link(channel.clone(), key.clone());
    let wanted = link().await.unwrap().unwrap().wanted.unwrap();
    let refused = bench.ledger().object_rejected(
        channel.clone(),
        key.clone(),
        wanted,
        "x".into(),
        String::new(),
    );
    refused.await.unwrap();
    let mut asked = resync(&[], Extent::Catalogue {}, "one");
    bench.ask(Request::Resync(asked.clone())).await;
    let now = link().await.unwrap().unwrap();
    assert_eq!((now.state, now.sent), (LinkState::Refused, None), "it is due again");
    assert!(!bench.ledger().withdrawal_approved(channel.clone()).await.unwrap());
    "two".clone_into(&mut asked.idempotency_key);
    asked.approve_deletions = true;
    let Response::Accepted(first) = bench.ask(Request::Resync(asked.clone())).await else {
        panic!()
    };
    assert!(bench.ledger().withdrawal_approved(channel).await.unwrap());
    let Response::Accepted(again) = bench.ask(Request::Resync(asked)).await else { panic!() };
    assert!(again.existed && again.job == first.job);
}

#[tokio::test]
async fn readiness_says_why_not() {
    let bench = Bench::start().await;
    let ready = || Health::not_ready(&bench.office);
    assert!(ready()[0].starts_with("starting: "));
    bench.office.refresh().await;
    assert_eq!(ready(), Vec::<String>::new(), "nothing waits, so nobody need be reached");
    bench.observe("d-one", 1).await;
    bench.office.refresh().await;
    assert_eq!(ready(), ["channel-unreached: channel province was not reached yet"]);
    let channel = ChannelId::from("province");
    let watch = Arc::clone(&bench.office.watch);
    watch.called(&channel, true);
    bench.office.refresh().await;
    assert_eq!(ready(), Vec::<String>::new());
    watch.called(&channel, false);
    bench.ledger().hold_placed(channel, Scope::Channel, "auth".to_owned()).await.unwrap();
    bench.office.refresh().await;
    let said = ready();
    assert!(said[0].contains("does not answer since 2026-11-20T02:00:00Z"), "{said:?}");
    assert!(said[1].starts_with("held: channel province is held since"), "{said:?}");
    assert_eq!(Health::summary(&bench.office).unwrap().rows.due, 2);
}

#[tokio::test]
async fn who_falls_silent_is_not_alive() {
    let bench = Bench::start().await;
    bench.office.refresh().await;
    let heart = bench.app.supervisor.heart("submit province");
    heart.begin();
    assert!(Health::not_alive(&bench.office).is_empty());
    bench.clock.advance(SILENCE + Duration::from_secs(1));
    let said = Health::not_alive(&bench.office);
    assert!(said[0].starts_with("office-silent: ") && said[1].contains("submit"), "{said:?}");
    bench.office.refresh().await;
    heart.beat();
    assert!(Health::not_alive(&bench.office).is_empty());
}

#[tokio::test]
async fn everything_is_read_through_once_every_dataset_was() {
    let bench = Bench::start().await;
    let (one, two) = (bench.carrier("d-one"), bench.carrier("d-two"));
    let (ledger, office) = (bench.ledger(), &bench.office);
    ledger.lanes_begun(one.flow().clone(), one.owner().clone(), None).await.unwrap();
    assert!(!office.is_complete().await.unwrap(), "the other was not read");
    let (flow, owner) = (two.flow().clone(), two.owner().clone());
    let kind = ledger::PassKind::Compare;
    let number = ledger.pass_asked(flow, owner, kind, None, None).await.unwrap();
    assert!(!office.is_complete().await.unwrap(), "its pass is open");
    let progress = Progress::Pass { number, rows_seen: 5, rows_gone: 0, finished: true };
    let observation =
        Observation { progress, ..nothing_seen(&two, Lane::Backfill, bench.clock.now()) };
    ledger.observed(observation).await.unwrap();
    assert!(office.is_complete().await.unwrap());
    // Nor does a process that starts later, and reads it again only when its time has come, doubt
    // what the ledger knows.
    bench.clock.advance(Duration::from_hours(1));
    assert!(bench.another_office().is_complete().await.unwrap());
}
