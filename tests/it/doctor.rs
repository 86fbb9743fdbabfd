//! `doctor` against a platform that is there: certificates, room, secrets, and a candidate that
//! nobody prepared or that has a way of its own.

use cascaded::app::{Found, doctor};
use cascaded::clock::Clock;
use cascaded::config::Configuration;
use cascaded::control::protocol::Status;
use cascaded::demo::{STANDARD, standards_folder};

use crate::support::daemon::{TestCity, run};
use crate::support::maria::Database;
use crate::support::operator::{Service, Speech, command};
use crate::support::plain::{settings, visits, write_catalogue};
use crate::support::town::{copy, town};

const NEW: &str = "reference-xml/2.0";

fn wrong(found: &[Found]) -> Vec<&str> {
    found.iter().filter(|it| !it.ok).map(|it| it.what.as_str()).collect()
}

#[test]
fn certificates_room_and_a_candidates_ways_are_looked_at_in_both_languages() {
    run(async {
        let clock = Clock::system();
        let city = town(50, &clock, |plan| plan.seed = 62).await;
        // Whatever room the machine has: the spool wants no more than it must.
        let path = city.configuration_file();
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, text.replacen("[ledger]", "[ledger]\nspool_bytes = 67108864", 1))
            .unwrap();
        let found = doctor(&city.configuration(), None, &clock).await;
        assert_eq!(wrong(&found), [""; 0], "{found:?}");
        for expected in ["our certificate", "the authority", "the platform's certificate"] {
            let ends = found.iter().find(|it| it.what.contains(expected)).expect(expected);
            assert!(ends.what.contains("ends in ") && ends.what_zh.contains("天到期"), "{ends:?}");
        }
        assert!(found.iter().any(|it| it.what_zh.contains("台账目录")), "{found:?}");

        // It is not there; it is there and nobody prepared it; it is in force.
        let none = doctor(&city.configuration(), Some(NEW), &clock).await;
        assert_eq!(none.len(), 1);
        assert!(!none[0].ok && none[0].what.contains("there is no standard"), "{none:?}");
        copy(&standards_folder().unwrap().join(NEW), &city.path().join("standards").join(NEW));
        let none = doctor(&city.configuration(), Some(NEW), &clock).await;
        assert!(wrong(&none)[0].contains("does not name reference-xml/2.0"), "{none:?}");
        assert!(none[0].what_zh.contains("未在 [channel.candidate]") && none.len() > 1);
        let spoken = doctor(&city.configuration(), Some(STANDARD), &clock).await;
        assert_eq!(wrong(&spoken), [""; 0], "{spoken:?}");
        assert!(spoken[0].what.ends_with("is in force") && spoken.len() > 1, "{spoken:?}");

        // Its test endpoint is not there, and one of its credentials is missing.
        let text = std::fs::read_to_string(path).unwrap();
        let more = "\n[channel.candidate]\nstandard = \"reference-xml/1.0\"\n\
                    [channel.candidate.test]\nurl = \"http://127.0.0.1:1/\"\n\
                    [channel.candidate.test.credentials]\nsecret = \"/not/there\"\n";
        let province = "\n[channel.province]";
        assert!(text.contains(province), "{text}");
        let prepared = text.replacen(province, &format!("{more}{province}"), 1);
        std::fs::write(path, prepared).unwrap();
        let (configuration, _problems) = Configuration::examine(path).unwrap();
        let found = doctor(&configuration, Some("reference-xml/1.0"), &clock).await;
        let wrong = wrong(&found);
        assert!(wrong.iter().any(|it| it.contains("(test)")), "{wrong:?}");
        let secret = "channel.province.candidate.test.credentials.secret /not/there";
        assert!(wrong.iter().any(|it| it.contains(secret)), "{wrong:?}");
        city.close().await;
    });
}

#[test]
fn a_source_that_lacks_a_column_or_refuses_the_account_is_told() {
    run(async {
        let base = Database::new();
        base.sql("CREATE TABLE visits (id varchar(40), note text, changed datetime)");
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets = vec![visits("1h")];
        write_catalogue(folder.path(), &datasets);
        let source =
            format!("[[source]]\nkind = \"mysql\"\nid = \"city\"\nurl = \"{}\"\n", base.url());
        let city = TestCity::with(folder, &settings(&source, &datasets), &clock, |_| {}).await;
        let found = doctor(&city.configuration(), None, &clock).await;
        assert_eq!(wrong(&found), [""; 0], "{found:?}");
        base.sql("ALTER TABLE visits RENAME COLUMN changed TO other");
        let found = doctor(&city.configuration(), None, &clock).await;
        let wrong = wrong(&found);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains("columns.changed") && wrong[0].contains("id, note, other"));
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let text = text.replace("mysql://root@", "mysql://nobody_known@");
        std::fs::write(city.configuration_file(), text).unwrap();
        let found = doctor(&city.configuration(), None, &clock).await;
        let refused = found.iter().find(|it| it.what.contains("in source city")).unwrap();
        assert!(!refused.ok && refused.what.contains("(error 1045)"), "{refused:?}");
        city.close().await;
    });
}

/// What `doctor --standard` says of the candidate on the command line, in both languages.
fn said(city: &TestCity, more: &[&str]) -> Vec<(bool, String, String)> {
    let config = city.configuration_file().to_str().unwrap();
    let socket = city.path().join(cascaded::demo::SOCKET);
    let words = ["--config", config, "--socket", socket.to_str().unwrap(), "doctor", "--json"];
    let said = command(Speech::English, &[&words, more].concat());
    let list: Vec<serde_json::Value> = said.json();
    let text = |it: &serde_json::Value, name: &str| it[name].as_str().unwrap().to_owned();
    list.iter()
        .map(|it| (it["ok"].as_bool().unwrap(), text(it, "what"), text(it, "what_zh")))
        .collect()
}

#[test]
fn whom_one_waits_for_and_how_ready_one_is_is_told_while_the_daemon_runs() {
    run(async {
        let city = town(80, &Clock::system(), |plan| {
            plan.seed = 63;
            plan.review = std::time::Duration::from_hours(1);
        })
        .await;
        copy(&standards_folder().unwrap().join(NEW), &city.path().join("standards").join(NEW));
        let asked = ["--standard", NEW];
        let silent = said(&city, &asked);
        assert!(silent.iter().any(|it| it.1.contains("nobody knows who is awaited")), "{silent:?}");
        let mut service = Service::start(&city, &[]);
        let status: Status = service.settled();
        let found = said(&city, &asked);
        let line = |part: &str| found.iter().find(|it| it.1.contains(part)).cloned();
        let (_, reviewed, zh) = line("the province reviews").unwrap();
        let number: u64 = reviewed.split(' ').nth(3).unwrap().parse().unwrap();
        assert!(number > 0 && number <= status.summary.entries.accepted, "{reviewed}");
        assert!(zh.ends_with(&number.to_string()), "{zh}");
        let (ok, ready, zh) = line(": ready ").unwrap();
        assert!(!ok && !ready.contains("ready 100 %") && ready.contains(" values ("), "{ready}");
        assert!(zh.contains("就绪") && zh.contains("个值"), "{zh}");
        let plain = service.asked(Speech::Chinese, &["standard", "shadow", NEW]);
        assert!(plain.out.contains("未曾试运行") && plain.out.contains("尚缺"), "{plain:?}");
        let refused = service.asked(Speech::English, &["standard", "shadow", NEW, "--start"]);
        assert!(refused.err.contains("E-SHADOW-TEST"), "{refused:?}");
        let drift = service.asked(Speech::Chinese, &["standard", "drift"]);
        assert!(drift.code == Some(0) && drift.out.contains("没有接口异动"), "{drift:?}");
        service.stop();
        city.close().await;
    });
}
