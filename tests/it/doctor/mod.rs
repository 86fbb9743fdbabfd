//! `doctor`: a sound installation, the mistakes of a first one, and a candidate that nobody prepared
//! or that has a way of its own.

mod seeds;
mod seeds_way;
mod servers;
mod site;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cascaded::app::{Found, doctor};
use cascaded::clock::Clock;
use cascaded::config::Configuration;
use cascaded::control::protocol::Status;
use cascaded::demo::{STANDARD, standards_folder};

use self::seeds::Seed;
use self::site::{Base, Site};
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
        let found = doctor(&city.configuration(), &[], None, &clock).await;
        assert_eq!(wrong(&found), [""; 0], "{found:?}");
        for expected in ["our certificate", "the authority", "the platform's certificate"] {
            let ends = found.iter().find(|it| it.what.contains(expected)).expect(expected);
            assert!(ends.what.contains("ends in ") && ends.what_zh.contains("天到期"), "{ends:?}");
        }
        assert!(found.iter().any(|it| it.what_zh.contains("台账目录")), "{found:?}");

        // It is not there; it is there and nobody prepared it; it is in force.
        let none = doctor(&city.configuration(), &[], Some(NEW), &clock).await;
        assert_eq!(none.len(), 1);
        assert!(!none[0].ok && none[0].what.contains("there is no standard"), "{none:?}");
        assert_eq!(none[0].code, Some("D-CANDIDATE"));
        copy(&standards_folder().unwrap().join(NEW), &city.path().join("standards").join(NEW));
        let none = doctor(&city.configuration(), &[], Some(NEW), &clock).await;
        let unnamed = wrong(&none).iter().any(|it| it.contains("does not name reference-xml/2.0"));
        assert!(unnamed, "{none:?}");
        let unnamed = none.iter().any(|it| it.what_zh.contains("未在 [channel.candidate]"));
        assert!(unnamed && none.len() > 1);
        let spoken = doctor(&city.configuration(), &[], Some(STANDARD), &clock).await;
        assert_eq!(wrong(&spoken), [""; 0], "{spoken:?}");
        let in_force = spoken.iter().any(|it| it.what.ends_with("is in force"));
        assert!(in_force && spoken.len() > 1, "{spoken:?}");

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
        let found = doctor(&configuration, &[], Some("reference-xml/1.0"), &clock).await;
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
        let found = doctor(&city.configuration(), &[], None, &clock).await;
        assert_eq!(wrong(&found), [""; 0], "{found:?}");
        // What a table and an account have that they need not have, or the other way about.
        let told: Vec<&str> = found.iter().filter_map(|it| it.code).collect();
        for code in ["D-DB-SUPERUSER", "D-DB-KEY", "D-DB-KEY-NULL", "D-DB-INDEX"] {
            assert!(told.contains(&code), "{code}: {told:?}");
        }
        base.sql("ALTER TABLE visits MODIFY id varchar(40) NOT NULL PRIMARY KEY");
        base.sql("CREATE INDEX by_time ON visits (changed)");
        let found = doctor(&city.configuration(), &[], None, &clock).await;
        let told: Vec<&str> = found.iter().filter_map(|it| it.code).collect();
        for code in ["D-DB-KEY", "D-DB-KEY-NULL", "D-DB-INDEX"] {
            assert!(!told.contains(&code), "{code}: {told:?}");
        }
        base.sql("ALTER TABLE visits RENAME COLUMN changed TO other");
        let found = doctor(&city.configuration(), &[], None, &clock).await;
        let wrong = wrong(&found);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains("columns.changed") && wrong[0].contains("id, note, other"));
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let text = text.replace("mysql://root@", "mysql://nobody_known@");
        std::fs::write(city.configuration_file(), text).unwrap();
        let found = doctor(&city.configuration(), &[], None, &clock).await;
        let refused = found.iter().find(|it| it.what.contains("in source city")).unwrap();
        assert!(!refused.ok && refused.what.contains("(error 1045)"), "{refused:?}");
        city.close().await;
    });
}

#[test]
fn a_front_database_of_mysqls_kind_says_what_it_lacks() {
    run(async {
        let (base, front) = (Database::new(), Database::new());
        base.sql("CREATE TABLE visits (id varchar(40), note text, changed datetime)");
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let datasets = vec![visits("1h")];
        write_catalogue(folder.path(), &datasets);
        let source =
            format!("[[source]]\nkind = \"mysql\"\nid = \"city\"\nurl = \"{}\"\n", base.url());
        let city = TestCity::with(folder, &settings(&source, &datasets), &clock, |_| {}).await;
        let sound = std::fs::read_to_string(city.configuration_file()).unwrap();
        let found = async |url: &str, code: &str| {
            let channel = format!(
                "\n[[channel]]\nid = \"front\"\nstandard = \"front-tables/3.0\"\n\
                 carries = [\"rows\"]\n\n[channel.province]\nurl = \"{url}\"\n"
            );
            std::fs::write(city.configuration_file(), format!("{sound}{channel}")).unwrap();
            let found = doctor(&city.configuration(), &[], None, &clock).await;
            let bad: Vec<&Found> = found.iter().filter(|it| !it.ok).collect();
            assert_eq!(bad.iter().filter_map(|it| it.code).collect::<Vec<_>>(), [code], "{bad:?}");
        };
        found(&front.url(), "D-FRONT-TABLE").await;
        front.sql(
            "CREATE TABLE visits (dfsjzj varchar(64) PRIMARY KEY, lsh bigint, sjsczt text, \
             sbyy text, sjyxbs text, sjwxyy text, id varchar(40), changed datetime)",
        );
        found(&front.url(), "D-FRONT-COLUMN").await;
        front.sql("ALTER TABLE visits ADD COLUMN note text");
        let user = format!("looker_{}", front.name());
        front.sql(&format!("CREATE USER {user}; GRANT SELECT ON visits TO {user}"));
        found(&front.network(&user), "D-FRONT-RIGHT").await;
        front.sql(&format!("GRANT INSERT, UPDATE ON visits TO {user}"));
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        assert!(text.contains(&user));
        let all = doctor(&city.configuration(), &[], None, &clock).await;
        assert_eq!(wrong(&all), [""; 0], "{all:?}");
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

/// The first thing that is said of a spoiled installation and not of a sound one, where it is not
/// what it must be.
fn misnamed(base: &Base, seed: &Seed) -> Option<String> {
    let mut site: Site<'_> = base.site();
    (seed.spoil)(&mut site);
    let found = site.findings();
    let text = |it: &serde_json::Value, name: &str| it[name].as_str().unwrap_or("").to_owned();
    let wrong = found.iter().filter(|it| it["severity"] != "good");
    let first = wrong.clone().find(|it| !base.known.contains(&text(it, "code")));
    let is_right = first
        .is_some_and(|it| text(it, "code") == seed.code && text(it, "what").contains(seed.says));
    // Whoever reads it is told what to do next, in both languages, and no secret.
    let is_told =
        first.is_some_and(|it| !text(it, "advice").is_empty() && !text(it, "advice_zh").is_ascii());
    let said: Vec<String> =
        wrong.map(|it| format!("{}: {}", text(it, "code"), text(it, "what"))).collect();
    let leaks = said.iter().any(|it| it.contains("user:password"));
    let expected = format!("{}: {} ({})", seed.name, seed.code, seed.says);
    (!is_right || !is_told || leaks).then(|| format!("{expected}\n      {}", said.join("\n      ")))
}

#[test]
fn of_sixty_mistakes_of_a_first_installation_at_least_fifty_seven_are_named_right() {
    run(async {
        let mut base = Base::new().await;
        let full = servers::full().await;
        // What a sound one says of this machine, and nothing bad.
        let found = base.site().findings();
        let bad: Vec<&serde_json::Value> =
            found.iter().filter(|it| it["severity"] == "bad").collect();
        assert!(bad.is_empty(), "{bad:#?}");
        let mut fronted = base.site();
        fronted.front_account("city");
        let bad = fronted.findings().into_iter().find(|it| it["severity"] == "bad");
        assert_eq!(bad, None, "a sound channel of front tables");
        let known = found.iter().filter_map(|it| it["code"].as_str().map(str::to_owned));
        base.known = known.collect();
        println!("a sound installation here: {}", base.known.join(", "));
        let topics = [
            seeds::CONFIGURATION,
            seeds::SECRETS,
            seeds::MACHINE,
            seeds_way::ROUTE,
            seeds_way::TLS,
            seeds_way::CERTIFICATES,
            seeds_way::ANSWER,
            seeds::DATABASE,
            seeds::CATALOGUE,
            seeds::FRONT,
        ];
        let mut seeds = Vec::new();
        for seed in topics.into_iter().flatten() {
            match not_here(seed) {
                Some(why) => println!("not run: {}: {why}", seed.name),
                None => seeds.push(seed),
            }
        }
        let mut missed = all_misnamed(&base, &seeds);
        let mut count = seeds.len();
        // One that needs a queue which only a runtime can make.
        count += 1;
        let mut site = base.site();
        site.other(full);
        site.province("connect_timeout = \"300ms\"");
        let first = site.findings().remove(0);
        if first["code"] != "D-CONNECT-SILENT" {
            missed.push(format!("the queue is full: D-CONNECT-SILENT\n      {first}"));
        }
        println!("{} of {count} mistakes are named right", count - missed.len());
        assert!(count >= 60, "only {count}");
        for miss in &missed {
            println!("missed: {miss}");
        }
        // 57 of 60 are asked for; here no more may go wrong among twice as many.
        assert!(missed.len() <= 3, "\n  {}", missed.join("\n  "));
        base.close().await;
    });
}

/// The mistakes that are misnamed, three installations at a time: most of a look is waiting.
fn all_misnamed(base: &Base, seeds: &[&Seed]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let why = misnamed(base, seed);
                    missed.lock().unwrap().extend(why);
                }
            });
        }
    });
    missed.into_inner().unwrap()
}

/// Why a mistake cannot be made on this machine.
fn not_here(seed: &Seed) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    match seed.code {
        "D-LEDGER-OWNER" if !is_root => Some("only root gives files away"),
        "D-LEDGER-MEMORY" if !std::path::Path::new("/dev/shm").is_dir() => {
            Some("there is no /dev/shm")
        }
        _ => None,
    }
}
