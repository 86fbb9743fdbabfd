//! Another configuration while the daemon runs and the city goes on: what changed takes effect,
//! nothing is lost or sent twice, and what is wrong changes nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::control::protocol::Failure;
use cascaded::delivery::LinkState;
use cascaded::ledger::{LinkFilter, PassKind, Scope};
use cascaded::rehearsal::{Fault, Play};

use crate::support::daemon::{TestCity, TestDaemon, channel, run};
use crate::support::town::{Dice, come_in, copy, go_on, open, town, unannounced, wrong};

const NOTHING: [String; 0] = [];

/// The configuration's text, as written now.
fn text(city: &TestCity) -> String {
    std::fs::read_to_string(city.configuration_file()).unwrap()
}

/// Writes the configuration with one passage changed; the passage must be there.
fn edit(city: &TestCity, from: &str, to: &str) {
    let before = text(city);
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after, "{from:?} is not in the configuration");
    std::fs::write(city.configuration_file(), after).unwrap();
}

/// The configuration's text about one dataset.
fn dataset(text: &str, id: &str) -> String {
    let head = format!("[[dataset]]\nid = \"{id}\"");
    let (_, rest) = text.split_once(&head).unwrap();
    match rest.split_once("\n[[dataset]]\n") {
        Some((body, _)) => format!("{head}{body}\n"),
        None => format!("{head}{rest}"),
    }
}

/// Reads it again; what changed.
async fn reloaded(daemon: &TestDaemon) -> BTreeSet<String> {
    let reloaded = daemon.app.foreman.reload().await.unwrap();
    assert_eq!(reloaded.kept, NOTHING);
    reloaded.changed.into_iter().collect()
}

async fn refused(daemon: &TestDaemon) -> Vec<Failure> {
    let running = daemon.app.works();
    let failures = daemon.app.foreman.reload().await.unwrap_err();
    assert!(std::sync::Arc::ptr_eq(&running, &daemon.app.works()), "the old works go on");
    failures
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// Stops everything; above is what the city has, once.
async fn end(city: TestCity, daemon: TestDaemon) {
    assert_eq!(wrong(&city).await, NOTHING);
    daemon.stop().await;
    assert_eq!(unannounced(&city), NOTHING);
    city.close().await;
}

/// No batch was sent more than once.
fn assert_sent_once(city: &TestCity) {
    let times = city.platform.times_received().unwrap();
    let twice: Vec<_> = times.into_iter().filter(|(_, times)| *times > 1).collect();
    assert_eq!(twice, []);
}

#[test]
fn datasets_and_rules_come_change_and_go_while_rows_flow() {
    run(async {
        let clock = Clock::system();
        let city = town(300, &clock, |plan| plan.seed = 61).await;
        let whole = text(&city);
        let houses = dataset(&whole, "5151-0301");
        edit(&city, &houses, "");
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        assert_eq!(city.platform.content("5151-0301").unwrap().len(), 0);

        // It comes while the others go on.
        go_on(&city, 30, "来");
        std::fs::write(city.configuration_file(), &whole).unwrap();
        assert_eq!(reloaded(&daemon).await, names(["+dataset.5151-0301"]));
        go_on(&city, 30, "又来");
        daemon.looked_again().await;
        assert!(city.platform.content("5151-0301").unwrap().len() > 50);
        assert_eq!(wrong(&city).await, NOTHING);

        // A rule becomes so strict that no address written from now on is right.
        let people = dataset(&whole, "5151-0101");
        let rule = "\n[[dataset.rule]]\nrule = \"pattern\"\ncolumn = \"address\"\n\
                    pattern = '绝无此址'\n";
        edit(&city, &people, &format!("{people}{rule}"));
        assert_eq!(reloaded(&daemon).await, names(["dataset.5151-0101"]));
        go_on(&city, 20, "严");
        daemon.looked_again().await;
        let strict = |rejects: &[cascaded::ledger::Reject]| {
            rejects
                .iter()
                .filter(|it| {
                    it.findings
                        .iter()
                        .any(|it| it.rule == "pattern" && it.column.as_deref() == Some("address"))
                })
                .count()
        };
        let rejects = daemon.rejects().await;
        let rules: Vec<_> = rejects.iter().map(|it| (&it.flow.dataset, &it.findings)).collect();
        assert_eq!(strict(&rejects), 20, "{rules:?}");
        // And is taken back: what it stopped is judged anew when somebody asks for it.
        std::fs::write(city.configuration_file(), &whole).unwrap();
        assert_eq!(reloaded(&daemon).await, names(["dataset.5151-0101"]));
        daemon.passed("province", PassKind::Rejected, false).await;
        assert_eq!(wrong(&city).await, NOTHING);

        // It goes: what it sent stays above, the others go on, and it can come back.
        edit(&city, &houses, "");
        assert_eq!(reloaded(&daemon).await, names(["-dataset.5151-0301"]));
        let above = city.platform.content("5151-0301").unwrap();
        go_on(&city, 30, "去");
        daemon.wake();
        daemon.wait_until("the others go on", || async { wrong(&city).await.is_empty() }).await;
        assert_eq!(city.platform.content("5151-0301").unwrap(), above);
        std::fs::write(city.configuration_file(), &whole).unwrap();
        assert_eq!(reloaded(&daemon).await, names(["+dataset.5151-0301"]));
        daemon.looked_again().await;
        end(city, daemon).await;
    });
}

#[test]
fn addresses_rates_and_channels_change_while_rows_flow() {
    run(async {
        let clock = Clock::system();
        let city = town(300, &clock, |plan| plan.seed = 62).await;
        let (whole, url) = (text(&city), city.platform.url());
        // Nobody answers at the first address: everything waits, longer and longer.
        edit(&city, &url, "https://127.0.0.1:9");
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon
            .wait_until("something waits", || async {
                let open = daemon.ledger().open_batches().await.unwrap();
                open.iter().any(|(_, _, count)| *count > 0)
            })
            .await;
        std::fs::write(city.configuration_file(), &whole).unwrap();
        assert_eq!(reloaded(&daemon).await, names(["channel.province"]));
        daemon.settled().await;
        assert_eq!(wrong(&city).await, NOTHING);

        // One request at a time, then many.
        for in_flight in [1, 6] {
            let setting = format!("[channel.province]\nin_flight = {in_flight}\n");
            std::fs::write(city.configuration_file(), &whole).unwrap();
            edit(&city, "[channel.province]\n", &setting);
            go_on(&city, 40, &format!("并发{in_flight}"));
            daemon.wake();
            assert_eq!(reloaded(&daemon).await, names(["channel.province"]));
            assert_eq!(daemon.channel("province").client().in_flight(), in_flight);
            daemon.looked_again().await;
            assert_eq!(wrong(&city).await, NOTHING);
        }

        // A second channel comes and goes; its links stay in the ledger.
        let second = channel("second", &url, "carries = [\"organisation\"]\n");
        std::fs::write(city.configuration_file(), format!("{whole}\n{second}")).unwrap();
        assert_eq!(
            reloaded(&daemon).await,
            names(["+channel.second", "channel.province"]),
            "in_flight went back as well"
        );
        let id = daemon.channel("second").id.clone();
        daemon
            .wait_until("the second channel has its organisations", || async {
                let links = daemon.ledger().links(id.clone(), LinkFilter::default()).await.unwrap();
                !links.is_empty() && links.iter().all(|link| link.state != LinkState::Unmapped)
            })
            .await;
        go_on(&city, 20, "两路");
        daemon.looked_again().await;
        std::fs::write(city.configuration_file(), &whole).unwrap();
        assert_eq!(reloaded(&daemon).await, names(["-channel.second"]));
        go_on(&city, 20, "一路");
        daemon.looked_again().await;
        end(city, daemon).await;
    });
}

#[test]
fn a_new_standard_directory_is_picked_up_and_spoken_without_a_restart() {
    run(async {
        let clock = Clock::system();
        let city = town(200, &clock, |plan| plan.seed = 63).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let folder = city.path().join("standards/reference-xml");
        copy(&folder.join("1.0"), &folder.join("1.1"));
        let file = folder.join("1.1/standard.toml");
        let said = std::fs::read_to_string(&file).unwrap();
        let next = said.replacen("version = \"1.0\"", "version = \"1.1\"", 1);
        let title = next.lines().find(|line| line.starts_with("title = ")).unwrap();
        std::fs::write(&file, next.replacen(title, "title = \"第二版\"", 1)).unwrap();
        assert_eq!(reloaded(&daemon).await, names(["+standard.reference-xml/1.1"]));

        // The same configuration with the other standard on one channel, as a cut-over asks for it.
        go_on(&city, 20, "换标");
        daemon.wake();
        let works = daemon.app.works();
        let standard = &works.configuration.standards["reference-xml/1.1"];
        let other = works.configuration.speaking("province", standard).unwrap();
        let changed = daemon.app.foreman.replace(other).await.unwrap().changed;
        assert_eq!(changed, ["channel.province"]);
        assert_eq!(daemon.channel("province").standard.id().as_str(), "reference-xml/1.1");
        go_on(&city, 20, "新标");
        daemon.looked_again().await;
        assert_eq!(wrong(&city).await, NOTHING);
        let in_force = daemon.ledger().standards_in_force().await.unwrap();
        assert_eq!(in_force.len(), 1);
        assert_eq!(in_force[0].1.as_str(), "reference-xml/1.1");

        // A broken directory is refused with file and row, and the one in force stays.
        let table = folder.join("1.1/messages/entry.csv");
        let sound = std::fs::read_to_string(&table).unwrap();
        std::fs::write(&table, sound.replacen("entry.title", "entry.no_such_word", 1)).unwrap();
        edit(&city, "standard = \"reference-xml/1.0\"", "standard = \"reference-xml/1.1\"");
        let failures = refused(&daemon).await;
        let shown = format!("{failures:?}");
        assert!(shown.contains("messages/entry.csv row "), "{shown}");
        assert!(shown.contains("no_such_word"), "{shown}");
        go_on(&city, 10, "照旧");
        daemon.looked_again().await;
        std::fs::write(&table, sound).unwrap();
        // The file says now what was activated before.
        assert_eq!(reloaded(&daemon).await.len(), 1);
        end(city, daemon).await;
    });
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_changes_nothing() {
    run(async {
        let clock = Clock::system();
        let city = town(200, &clock, |plan| plan.seed = 64).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let whole = text(&city);
        edit(&city, "[pace]", "[pase]");
        edit(&city, "keys/secret", "keys/no-such-file");
        edit(&city, "table = \"population_515100\"", "table = \"no_such_table\"");
        let shown = format!("{:?}", refused(&daemon).await);
        for part in ["did you mean `pace`?", "no-such-file", "no_such_table"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        std::fs::write(city.configuration_file(), &whole).unwrap();
        go_on(&city, 30, "照旧");
        daemon.wake();
        daemon.wait_until("the old works go on", || async { wrong(&city).await.is_empty() }).await;
        // Nothing changed: no stage ends, secrets are read again.
        let running = daemon.app.works();
        let secrets = names(["channel.province.province: credentials"]);
        assert_eq!(reloaded(&daemon).await, secrets);
        assert!(std::sync::Arc::ptr_eq(&running, &daemon.app.works()));
        end(city, daemon).await;
    });
}

#[test]
fn a_reload_lifts_holds_so_that_what_was_mended_is_tried_again() {
    run(async {
        let clock = Clock::system();
        let city = town(200, &clock, |plan| plan.seed = 65).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let id = daemon.channel("province").id.clone();
        for scope in [Scope::Channel, Scope::Operation("rows.upsert".to_owned())] {
            daemon.ledger().hold_placed(id.clone(), scope, "4001".to_owned()).await.unwrap();
            go_on(&city, 20, "停用");
            daemon.wake();
            daemon
                .wait_until("rows wait behind the hold", || async {
                    daemon.counts("5151-0101").await.queued > 0
                })
                .await;
            reloaded(&daemon).await;
            daemon.looked_again().await;
            assert_eq!(daemon.ledger().holds().await.unwrap(), []);
        }
        end(city, daemon).await;
    });
}

#[test]
fn what_is_in_flight_at_a_reload_is_answered_and_not_sent_again() {
    run(async {
        let clock = Clock::system();
        let city = town(200, &clock, |plan| plan.seed = 66).await;
        let faults = city.platform.faults();
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        faults.play(Play::next("rows.upsert", 1, Fault::Hold));
        go_on(&city, 20, "途中");
        daemon.wake();
        daemon.wait_until("an answer is held", || async { faults.held() > 0 }).await;
        edit(&city, "idle = \"200ms\"", "idle = \"150ms\"");
        let foreman = &daemon.app.foreman;
        let stages = || daemon.app.supervisor.running().contains(&"settle province".to_owned());
        let both = async {
            // The stages that need not wait are gone, the one with the upload is there.
            let gone = daemon.wait_until("the other stages end", || async { !stages() });
            gone.await;
            assert_eq!(faults.held(), 1);
            faults.release();
        };
        let (reloaded, ()) = tokio::join!(foreman.reload(), both);
        assert_eq!(reloaded.unwrap().changed, ["pace"]);
        daemon.looked_again().await;
        assert_sent_once(&city);
        end(city, daemon).await;
    });
}

#[test]
fn an_upload_that_outlives_the_grace_of_a_reload_is_cut_and_asked_about() {
    run(async {
        let clock = Clock::system();
        let city = town(200, &clock, |plan| {
            plan.seed = 67;
            plan.extra = plan.extra.replace("grace = \"20s\"", "grace = \"500ms\"");
        })
        .await;
        let faults = city.platform.faults();
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        faults.play(Play::next("rows.upsert", 1, Fault::Hold));
        go_on(&city, 20, "久等");
        daemon.wake();
        daemon.wait_until("an answer is held", || async { faults.held() > 0 }).await;
        edit(&city, "idle = \"200ms\"", "idle = \"150ms\"");
        assert_eq!(reloaded(&daemon).await, names(["pace"]));
        faults.release();
        daemon.looked_again().await;
        // It had arrived: it was asked about, not sent again.
        assert_sent_once(&city);
        end(city, daemon).await;
    });
}

#[test]
fn reloads_at_any_moment_lose_nothing_and_double_nothing() {
    run(async {
        let clock = Clock::system();
        let city = town(600, &clock, |plan| plan.seed = 68).await;
        let mut dice = Dice::from_environment("reloads_at_any_moment");
        let whole = text(&city);
        // From the first page of the first load on.
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        for round in 0..12_u64 {
            let setting = format!("[channel.province]\nin_flight = {}\n", 1 + (round + 1) % 3);
            std::fs::write(city.configuration_file(), &whole).unwrap();
            edit(&city, "[channel.province]\n", &setting);
            let goal = received(city.path()) + dice.below(2);
            come_in(&city, 5 + usize::try_from(dice.below(40)).unwrap(), &format!("r{round}"));
            if dice.below(2) == 0 {
                go_on(&city, 30, &format!("轮{round}"));
            }
            daemon.wake();
            let arrived = async || round % 4 == 3 || received(city.path()) >= goal;
            daemon.wait_until("a few batches arrive", arrived).await;
            assert_eq!(reloaded(&daemon).await, names(["channel.province"]));
        }
        daemon.looked_again().await;
        assert_sent_once(&city);
        end(city, daemon).await;
    });
}

/// Batches of rows that the platform has.
fn received(folder: &Path) -> u64 {
    let province = open(&folder.join("province.sqlite"));
    province
        .query_row("SELECT count(*) FROM batch", [], |row| row.get::<_, i64>(0))
        .unwrap()
        .cast_unsigned()
}

#[test]
fn a_retired_stage_leaves_its_places_to_the_next() {
    run(async {
        let clock = Clock::system();
        let city = town(100, &clock, |plan| plan.seed = 69).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let stages = |daemon: &TestDaemon| {
            let mut running = daemon.app.supervisor.running();
            running.retain(|name| name.contains("province") || name == "inventory");
            running
        };
        let before = stages(&daemon);
        for idle in [150, 160, 170] {
            std::fs::write(
                city.configuration_file(),
                text(&city)
                    .lines()
                    .map(|line| match line.starts_with("idle = ") {
                        true => format!("idle = \"{idle}ms\"\n"),
                        false => format!("{line}\n"),
                    })
                    .collect::<String>(),
            )
            .unwrap();
            assert_eq!(reloaded(&daemon).await, names(["pace"]));
        }
        daemon.wait_until("each stage runs once", || async { stages(&daemon) == before }).await;
        assert_eq!(daemon.app.works().configuration.pace.idle, Duration::from_millis(170));
        end(city, daemon).await;
    });
}
