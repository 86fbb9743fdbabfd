//! Department by department: one goes over to the new standard, everybody looks, then the rest, or
//! the one comes back. The province takes both standards meanwhile, each at a door of its own into
//! one house: two platforms over one database. Time is the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cascaded::catalogue::{Kind, ObjectKey};
use cascaded::clock::Clock;
use cascaded::control::protocol::{self, Activate, CutOver, Request, Response, Rollback};
use cascaded::delivery::{BatchState, ChannelId, Subject};
use cascaded::ledger::{BatchQuery, Link, LinkFilter, Scope};
use cascaded::rehearsal::{Fault, Platform, Play};
use cascaded::supervisor::Supervisor;

#[cfg(feature = "sabotage")]
use crate::march::opened;
use crate::march::{
    NEW, NOTHING, OLD, ask, cut_over, delivered, finished, named_with, refused, supplied,
};
use crate::march_beside::second;
use crate::march_clock::{batches, without_question};
use crate::march_kills::last_cut_over;
#[cfg(feature = "sabotage")]
use crate::march_kills::{count, last_number};
use crate::support::daemon::{TestCity, TestDaemon, run};
use crate::support::operator::{Said, Speech, command, wait_for};
#[cfg(feature = "sabotage")]
use crate::support::process::End;
use crate::support::process::Line;
use crate::support::town::{TABLES, go_on, open, town, unannounced, wrong};

const STEP: Duration = Duration::from_millis(500);
/// The datasets of a town, each of a department of its own.
const LAST: &str = "5151-0401";

/// A settled city under 1.0, prepared for 2.0; the province has a second door, where that is
/// spoken.
struct Stage {
    city: TestCity,
    above: Supervisor,
    new: Platform,
}

impl Stage {
    async fn set(seed: u64) -> (Self, TestDaemon) {
        let clock = Clock::manual("2026-03-01T01:00:00Z".parse().unwrap());
        Self::set_at(&clock, seed).await
    }

    async fn set_at(clock: &Clock, seed: u64) -> (Self, TestDaemon) {
        let city = town(120, clock, |plan| plan.seed = seed).await;
        delivered(&city);
        let above = Supervisor::new(clock.clone(), 4);
        let (new, configured) = second(&city, &above, Some("province.sqlite")).await;
        let stage = Self { city, above, new };
        let daemon = stage.daemon().await;
        daemon.settled().await;
        supplied(&daemon).await;
        named_with(&stage.city, &daemon, &configured).await;
        stage.map_written();
        (stage, daemon)
    }

    async fn daemon(&self) -> TestDaemon {
        let mut daemon = TestDaemon::start(self.city.configuration(), &self.city.clock).await;
        daemon.step = STEP;
        daemon
    }

    /// The map that the province hands over: every entry, whenever its turn comes.
    fn map_written(&self) {
        let mut text = "kind,old,new\n".to_owned();
        for it in self.city.platform.objects().unwrap() {
            if it.kind == "entry" {
                text.push_str(&format!("entry,{0},N-{0}\n", it.upper_id));
            }
        }
        let path = self.city.path().join("standards").join(NEW).join("upper-ids.csv");
        std::fs::write(path, text).unwrap();
    }

    /// The province gives these entries their new ids, or the old ones back.
    fn renumbered(&self, entries: &[Link]) {
        let house = open(&self.city.path().join("province.sqlite"));
        for it in entries {
            let old = it.upper_id.as_deref().unwrap();
            let new = old.strip_prefix("N-").map_or(format!("N-{old}"), str::to_owned);
            for step in [
                "update object set upper_id = ?2 where upper_id = ?1",
                "update object set parents = replace(parents, ' ' || ?1 || ' ', ' ' || ?2 || ' ')",
                "update batch set upper_id = ?2 where upper_id = ?1",
            ] {
                house.execute(step, [old, new.as_str()]).unwrap();
            }
        }
    }

    async fn close(self) {
        self.new.stop();
        self.above.stop();
        self.above.run(Duration::from_secs(10)).await;
        self.city.close().await;
    }
}

/// Who answers for a dataset, by id and by title.
async fn department(daemon: &TestDaemon, dataset: &str) -> (String, String) {
    let channel = daemon.channel("province");
    let carrier = channel.carriers().find(|it| it.flow().dataset == dataset).unwrap();
    let id = carrier.owner().department.clone();
    let key = ObjectKey { kind: Kind::Organisation, id: id.clone() };
    let title = daemon.ledger().titles().await.unwrap().get(&key).unwrap().clone();
    (id, title)
}

async fn links(daemon: &TestDaemon) -> Vec<Link> {
    daemon.ledger().links(ChannelId::from("province"), LinkFilter::default()).await.unwrap()
}

/// The entries that the province holds of these departments, or of all others.
async fn entries(daemon: &TestDaemon, of: &[&str], others: bool) -> Vec<Link> {
    let mut found = links(daemon).await;
    found.retain(|it| {
        it.key.kind == Kind::Entry
            && it.upper_id.is_some()
            && of.contains(&it.department.as_str()) != others
    });
    found
}

fn activate(scope: &[&str]) -> Activate {
    Activate {
        standard: NEW.to_owned(),
        channel: None,
        scope: scope.iter().map(|&it| it.to_owned()).collect(),
        at: None,
        parallel_seconds: None,
        dry_run: false,
    }
}

fn back(scope: &[&str]) -> Request {
    let scope = scope.iter().map(|&it| it.to_owned()).collect();
    Request::StandardRollback(Rollback { channel: None, scope, dry_run: false })
}

async fn goes_over(daemon: &TestDaemon, request: Request) -> (CutOver, String) {
    let report = cut_over(daemon, request).await;
    let number = report.job.as_ref().unwrap().trim_start_matches("r-").parse().unwrap();
    let said = finished(daemon, number).await;
    (report, said)
}

async fn channel(daemon: &TestDaemon) -> protocol::Channel {
    let Response::Status(status) = ask(daemon, Request::Status {}).await else {
        panic!("no status");
    };
    status.channels.into_iter().next().unwrap()
}

/// What is ahead, as `status` shows it.
async fn ahead(daemon: &TestDaemon) -> Vec<String> {
    channel(daemon)
        .await
        .ahead
        .into_iter()
        .map(|it| format!("{} {}", it.scope, it.standard))
        .collect()
}

/// The standards under which the batches of each dataset with an ordinal above `after` settled.
async fn spoken(daemon: &TestDaemon, after: u64) -> BTreeMap<String, BTreeSet<String>> {
    let query = BatchQuery {
        channel: None,
        subject: None,
        state: Some(BatchState::Settled),
        before: None,
        limit: 10_000,
    };
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for it in daemon.ledger().batch_page(query).await.unwrap().0 {
        let batch = it.0.batch;
        if let (Subject::Rows { dataset, .. }, true) = (&batch.subject, batch.ordinal > after) {
            found.entry(dataset.clone()).or_default().insert(batch.standard.to_string());
        }
    }
    found
}

/// The city goes on, and what each dataset's rows were then confirmed under is this.
async fn carried(stage: &Stage, daemon: &TestDaemon, tag: &str, ahead: &[&str]) {
    let after = daemon.ledger().next_ordinal().unwrap();
    go_on(&stage.city, 30, tag);
    daemon.looked_again().await;
    let all = TABLES.iter().map(|(dataset, ..)| *dataset).chain([LAST]);
    let one = |dataset: &str| {
        let standard = if ahead.contains(&dataset) { NEW } else { OLD };
        (dataset.to_owned(), BTreeSet::from([standard.to_owned()]))
    };
    let expected: BTreeMap<_, _> = all.map(one).collect();
    assert_eq!(spoken(daemon, after).await, expected, "{tag}");
    assert_eq!(wrong(&stage.city).await, NOTHING, "{tag}");
    assert_eq!(daemon.ledger().holds().await.unwrap(), [], "{tag}");
    assert_eq!(daemon.ledger().drift().await.unwrap(), [], "{tag}");
    for link in links(daemon).await.into_iter().filter(|it| it.refused.is_none()) {
        assert!(link.state.is_held_above(), "{tag}: {link:?}");
    }
}

/// How often each object was said to the province.
fn said(stage: &Stage) -> BTreeMap<String, u64> {
    let objects = stage.city.platform.objects().unwrap().into_iter();
    objects.map(|it| (format!("{}:{}", it.kind, it.local_id), it.times_said)).collect()
}

#[test]
fn one_department_goes_first_then_the_rest_and_nothing_is_lost_doubled_or_said_twice() {
    run(async {
        let (stage, daemon) = Stage::set(61).await;
        let (id, title) = department(&daemon, "5151-0201").await;
        let scope = format!("department={title}");
        let first = entries(&daemon, &[&id], false).await;
        let rest = entries(&daemon, &[&id], true).await;
        assert!(!first.is_empty() && !rest.is_empty());
        let before = said(&stage);

        let dry = Activate { dry_run: true, ..activate(&[&scope]) };
        let dry = cut_over(&daemon, Request::StandardActivate(dry)).await;
        assert_eq!((dry.job, dry.upper_ids, dry.unmapped), (None, first.len() as u64, 0));
        assert_eq!((dry.scopes, dry.ahead), (vec![scope.clone()], Vec::new()));
        assert!(dry.objects > 0 && ahead(&daemon).await.is_empty());

        stage.renumbered(&first);
        let (report, told) =
            goes_over(&daemon, Request::StandardActivate(activate(&[&scope]))).await;
        assert_eq!(report.objects, dry.objects);
        assert!(told.contains("is in force for department="), "{told}");
        carried(&stage, &daemon, "先行", &["5151-0201"]).await;
        assert_eq!(channel(&daemon).await.standard, OLD);
        assert_eq!(ahead(&daemon).await, [format!("{scope} {NEW}")]);
        // What of the department says something else was said once more, and nothing of others.
        let after = said(&stage);
        for link in links(&daemon).await.iter().filter(|it| it.refused.is_none()) {
            let (key, is_first) = (link.key.to_string(), link.department == id);
            let more = after[&key] - before[&key];
            let is_entry = link.key.kind == Kind::Entry;
            assert!(more <= u64::from(is_first), "{key}: {more} times");
            assert!(!(is_first && is_entry) || more == 1, "{key}: not said again");
            let upper = link.upper_id.as_deref().unwrap();
            assert_eq!(upper.starts_with("N-"), is_first && is_entry, "{key}: {upper}");
        }

        // A reload and a restart keep it.
        let reloaded = daemon.app.foreman.reload().await.unwrap();
        assert_eq!(reloaded.changed, ["channel.province.province: credentials"]);
        assert_eq!(ahead(&daemon).await, [format!("{scope} {NEW}")]);
        daemon.stop().await;
        let daemon = stage.daemon().await;
        carried(&stage, &daemon, "重启", &["5151-0201"]).await;
        assert_eq!(
            refused(&daemon, Request::StandardActivate(activate(&[&scope]))).await,
            "E-STANDARD-IN-FORCE"
        );

        // The rest: what went first is not said again.
        let before = said(&stage);
        stage.renumbered(&rest);
        let (report, _) = goes_over(&daemon, Request::StandardActivate(activate(&[]))).await;
        assert_eq!((report.scopes, report.ahead), (Vec::new(), vec![scope.clone()]));
        assert_eq!(report.upper_ids, rest.len() as u64);
        carried(&stage, &daemon, "其余", &["5151-0101", "5151-0201", "5151-0301", LAST]).await;
        assert_eq!(channel(&daemon).await.standard, NEW);
        assert_eq!(ahead(&daemon).await, NOTHING);
        let after = said(&stage);
        for link in links(&daemon).await.iter().filter(|it| it.refused.is_none()) {
            let (key, is_first) = (link.key.to_string(), link.department == id);
            let more = after[&key] - before[&key];
            assert!(more <= u64::from(!is_first), "{key}: {more} times");
            let is_entry = link.key.kind == Kind::Entry;
            assert_eq!(link.upper_id.as_deref().unwrap().starts_with("N-"), is_entry, "{key}");
        }
        daemon.stop().await;
        assert_eq!(unannounced(&stage.city), NOTHING);
        stage.close().await;
    });
}

#[test]
fn a_scope_comes_back_alone_or_with_the_others_and_its_trouble_is_its_own() {
    run(async {
        let (stage, daemon) = Stage::set(62).await;
        let (one, one_title) = department(&daemon, "5151-0201").await;
        let (other, other_title) = department(&daemon, "5151-0301").await;
        let scopes = [format!("department={one_title}"), format!("department={other_title}")];
        let both = [scopes[0].as_str(), scopes[1].as_str()];

        stage.renumbered(&entries(&daemon, &[&one, &other], false).await);
        goes_over(&daemon, Request::StandardActivate(activate(&both))).await;
        carried(&stage, &daemon, "两局", &["5151-0201", "5151-0301"]).await;
        let table = ahead(&daemon).await;
        assert_eq!(table.len(), 2, "{table:?}");

        // The new door answers with a code that nobody listed: the old one goes on.
        let code = "9999".to_owned();
        stage.new.faults().play(Play::next("rows.upsert", 1, Fault::UnknownCode { code }));
        go_on(&stage.city, 20, "异码");
        let holds = || async { daemon.ledger().holds().await.unwrap() };
        daemon.wait_until("it is held", || async { !holds().await.is_empty() }).await;
        let held = Scope::Standard(NEW.into(), Some("rows.upsert".to_owned()));
        assert_eq!(holds().await.iter().map(|it| it.scope.clone()).collect::<Vec<_>>(), [held]);
        let settled = || async {
            let others = ["5151-0101", LAST];
            let flows = daemon.ledger().flows().await.unwrap();
            let others = flows.iter().filter(|it| others.contains(&it.flow.dataset.as_str()));
            others.map(|it| it.counts.queued).sum::<u64>() == 0
        };
        daemon.wait_until("the others are confirmed", settled).await;
        daemon.ledger().holds_lifted(None).await.unwrap();
        carried(&stage, &daemon, "放行", &["5151-0201", "5151-0301"]).await;

        // One comes back.
        stage.renumbered(&entries(&daemon, &[&other], false).await);
        let (report, told) = goes_over(&daemon, back(&[both[1]])).await;
        assert_eq!((report.from.as_str(), report.to.as_str()), (NEW, OLD));
        assert_eq!(report.scopes, [both[1]]);
        assert!(report.rows_above > 0 && told.contains("stays above"), "{report:?} {told}");
        assert_eq!(ahead(&daemon).await, [format!("{} {NEW}", both[0])]);
        carried(&stage, &daemon, "一局退回", &["5151-0201"]).await;
        assert_eq!(refused(&daemon, back(&[both[1]])).await, "E-SCOPE");

        // And the other, with everything.
        stage.renumbered(&entries(&daemon, &[&one], false).await);
        goes_over(&daemon, back(&[])).await;
        assert_eq!(ahead(&daemon).await, NOTHING);
        carried(&stage, &daemon, "全部退回", &[]).await;
        assert!(
            entries(&daemon, &[], true)
                .await
                .iter()
                .all(|it| { it.upper_id.as_ref().is_some_and(|id| !id.starts_with("N-")) })
        );
        assert_eq!(refused(&daemon, back(&[both[0]])).await, "E-SCOPE");
        daemon.stop().await;
        stage.close().await;
    });
}

#[test]
fn what_cannot_go_by_itself_is_refused_and_changes_nothing() {
    run(async {
        let (stage, daemon) = Stage::set(63).await;
        let (_, title) = department(&daemon, "5151-0201").await;
        let scope = format!("department={title}");
        for wrong in [
            "department",
            "office=x",
            "kind=person",
            "department=没有这个局",
            // Its resource names an entry, and 2.0 numbers entries anew.
            "kind=resource",
        ] {
            let request = Request::StandardActivate(activate(&[wrong]));
            assert_eq!(refused(&daemon, request).await, "E-SCOPE", "{wrong}");
        }
        let beside = Activate { parallel_seconds: Some(60), ..activate(&[&scope]) };
        assert_eq!(refused(&daemon, Request::StandardActivate(beside)).await, "E-SCOPE");
        assert_eq!(refused(&daemon, back(&[&scope])).await, "E-SCOPE");
        carried(&stage, &daemon, "照旧", &[]).await;
        daemon.stop().await;
        stage.close().await;
    });
}

#[test]
fn a_scope_goes_over_at_its_time_and_not_before() {
    run(async {
        let clock = Clock::manual("2026-03-01T01:00:00Z".parse().unwrap());
        let (stage, daemon) = Stage::set_at(&clock, 66).await;
        let (first, title) = department(&daemon, LAST).await;
        let scope = format!("department={title}");
        let time = clock.now().checked_add(jiff::Span::new().hours(1)).unwrap();
        let asked = Activate { at: Some(time), ..activate(&[&scope]) };
        let report = cut_over(&daemon, Request::StandardActivate(asked)).await;
        assert_eq!(report.at, time);
        carried(&stage, &daemon, "之前", &[]).await;
        assert!(clock.now() < time);
        assert_eq!(ahead(&daemon).await, [""; 0]);
        stage.renumbered(&entries(&daemon, &[&first], false).await);
        clock.advance(Duration::from_hours(1));
        finished(&daemon, report.job.unwrap().trim_start_matches("r-").parse().unwrap()).await;
        assert_eq!(ahead(&daemon).await, [format!("{scope} {NEW}")]);
        carried(&stage, &daemon, "到点", &[LAST]).await;
        daemon.stop().await;
        stage.close().await;
    });
}

#[test]
fn an_answer_lost_under_the_old_standard_is_asked_for_in_its_words() {
    run(async {
        let (stage, mut daemon) = Stage::set(64).await;
        without_question(&stage.city);
        daemon.step = Duration::ZERO;
        let faults = stage.city.platform.faults();
        faults.play(Play::next("rows.upsert", 1, Fault::LoseAnswer));
        faults.play(Play::always("batch.receipt", Fault::ServerError { status: 503 }));
        go_on(&stage.city, 10, "丢失");
        stage.city.clock.advance(Duration::from_secs(2));
        let unknown = || async { batches(&daemon, "unknown").len() == 1 };
        daemon.wait_until("an answer is lost", unknown).await;
        let lost = batches(&daemon, "unknown").into_keys().next().unwrap();

        // Everything goes over, a restart comes between; the old door answers again.
        stage.renumbered(&entries(&daemon, &[], true).await);
        let mut daemon = daemon;
        daemon.step = STEP;
        goes_over(&daemon, Request::StandardActivate(activate(&[]))).await;
        daemon.stop().await;
        faults.clear();
        let daemon = stage.daemon().await;
        let known = || async { batches(&daemon, "settled").contains_key(&lost) };
        daemon.wait_until("it is known to have arrived", known).await;
        carried(&stage, &daemon, "之后", &["5151-0101", "5151-0201", "5151-0301", LAST]).await;
        daemon.stop().await;
        assert_eq!(unannounced(&stage.city), NOTHING);
        stage.close().await;
    });
}

/// What an operator says to the running program.
fn operator(city: &TestCity, words: &[&str]) -> Said {
    let socket = city.path().join(cascaded::demo::SOCKET);
    let to = ["--socket", socket.to_str().unwrap()];
    command(Speech::English, &[&to, words].concat())
}

/// The entries that the province holds of a department, while no daemon has the ledger.
#[cfg(feature = "sabotage")]
async fn entries_kept(city: &TestCity, department: &str) -> Vec<Link> {
    let ledger = opened(city, &city.clock);
    let links = ledger.links(ChannelId::from("province"), LinkFilter::default()).await.unwrap();
    let of = |it: &Link| it.key.kind == Kind::Entry && it.department == department;
    links.into_iter().filter(|it| of(it) && it.upper_id.is_some()).collect()
}

#[test]
fn one_command_waits_until_a_department_has_gone_over() {
    run(async {
        let (stage, daemon) = Stage::set_at(&Clock::system(), 65).await;
        let (id, title) = department(&daemon, "5151-0201").await;
        let scope = format!("department={title}");
        stage.renumbered(&entries(&daemon, &[&id], false).await);
        daemon.stop().await;
        let city = &stage.city;
        let line = Line::to(city);
        line.start(&[], None);
        let answers = || (operator(city, &["status"]).code == Some(0)).then_some(());
        wait_for("it answers", answers, || line.errors());
        let words = ["standard", "activate", NEW, "--scope", &scope, "--wait"];
        let said = operator(city, &words);
        assert_eq!(said.code, Some(0), "{said:?}\n{}", line.errors());
        assert!(said.out.contains(&format!("only for: {scope}")), "{said:?}");
        // It came back when all was done, not when it was asked for.
        assert_eq!(last_cut_over(city).1, None, "{said:?}");
        let said = operator(city, &["status"]);
        assert!(said.out.contains(&format!("{scope} ahead on {NEW}")), "{said:?}");
        drop(line);
        let daemon = stage.daemon().await;
        carried(&stage, &daemon, "随后", &["5151-0201"]).await;
        daemon.stop().await;
        stage.close().await;
    });
}

#[cfg(not(feature = "sabotage"))]
#[test]
fn points_of_a_scopes_cut_over_need_a_build_of_their_own() {
    println!("not run: crash points of a scope's cut-over (build with --features sabotage)");
}

#[cfg(feature = "sabotage")]
#[test]
fn killed_at_every_point_while_a_department_goes_over_it_goes_on_by_itself() {
    run(async {
        let (stage, daemon) = Stage::set_at(&Clock::system(), 66).await;
        let (id, title) = department(&daemon, "5151-0201").await;
        let scope = format!("department={title}");
        daemon.stop().await;
        let city = &stage.city;
        let line = Line::to(city);
        for point in cascaded::crash::CUT_OVER_POINTS {
            for is_back in [false, true] {
                // The door that the department leaves is shut, so that its rows wait there.
                let door = if is_back { &stage.new } else { &city.platform };
                door.faults().begin_outage();
                stage.renumbered(&entries_kept(city, &id).await);
                go_on(city, 30, &format!("{point}{is_back}"));
                line.start(&[("CASCADED_CRASH_AT", &format!("{point}:1"))], None);
                let sql = "SELECT count(*) FROM batch WHERE state = 'queued'
                           AND subject = '5151-0201'";
                let waits = || (count(city, sql) > 0).then_some(());
                wait_for("rows wait", waits, || line.errors());
                let before = last_number(city);
                let there = ["standard", "activate", NEW, "--scope", &scope];
                let words: &[&str] =
                    if is_back { &["standard", "rollback", "--scope", &scope] } else { &there };
                let said = operator(city, words);
                assert!(matches!(said.code, Some(0 | 75)), "{said:?}\n{}", line.errors());
                assert_eq!(line.aborted(), End::Aborted, "{point}: {said:?}\n{}", line.errors());
                let (number, how) = last_cut_over(city);
                assert!(number > before, "{point}: nothing was asked for");
                let begins = ["cut-over-asked", "cut-over-ready"].contains(&point);
                assert_eq!(how, Some(!begins), "{point}");
                door.faults().end_outage();
                assert_eq!(unannounced(city), NOTHING, "{point}");

                let daemon = stage.daemon().await;
                finished(&daemon, number).await;
                daemon.looked_again().await;
                let ahead: &[&str] = if is_back { &[] } else { &["5151-0201"] };
                carried(&stage, &daemon, &format!("{point}{is_back}后"), ahead).await;
                for link in entries(&daemon, &[&id], false).await {
                    let is_new = link.upper_id.as_ref().is_some_and(|it| it.starts_with("N-"));
                    assert_eq!(is_new, !is_back, "{point}: {link:?}");
                }
                daemon.stop().await;
            }
        }
        drop(line);
        stage.close().await;
    });
}
