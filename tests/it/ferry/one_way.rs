//! A gap that lets nothing back: what went over is placed and never more.

use std::fs;
use std::path::{Path, PathBuf};

use cascaded::clock::Clock;
use cascaded::control::protocol::FerryAnswer;
use cascaded::province::{Carried, Ferry, FerrySettings, Side};

use crate::prometheus::ferry_alerts_lack;
use crate::support::daemon::{PACE, TestCity, TestDaemon, run};
use crate::support::operator::{Service, Speech, get, wait_for};
use crate::support::plain::{CITY, people, settings, write_catalogue, write_city};

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ferry/standards")
}

/// A city whose rows go one way over a gap, and its tables.
async fn city(clock: &Clock) -> (TestCity, rusqlite::Connection) {
    let folder = tempfile::tempdir().unwrap();
    let now = clock.now().to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let tables = write_city(folder.path(), 40, now);
    write_catalogue(folder.path(), &[people("1s")]);
    let city = TestCity::with(folder, &settings(CITY, &[people("1s")]), clock, |_| {}).await;
    let ferry = city.path().join("ferry");
    for way in ["in", "out"] {
        fs::create_dir_all(ferry.join(way)).unwrap();
    }
    super::key(&city.path().join("keys/ferry.key"));
    let text = fs::read_to_string(city.configuration_file()).unwrap();
    let text = text.replacen("standards = [", &format!("standards = [{:?}, ", model()), 1);
    let channel = format!(
        "[[channel]]\nid = \"gap\"\nstandard = \"one-way/1\"\ncarries = [\"rows\"]\n\n\
         [channel.province]\nurl = \"ferry://{}\"\n\n[channel.province.ferry]\nname = \"gap\"\n\
         key_file = \"keys/ferry.key\"\nreturns = false\n\n{PACE}",
        ferry.display(),
    );
    fs::write(city.configuration_file(), text.replace(PACE, &channel)).unwrap();
    (city, tables)
}

/// What the other side reads, in its order; it has nothing to say.
fn read(city: &TestCity, clock: &Clock) -> u64 {
    let (ferry, other) = (city.path().join("ferry"), city.path().join("other"));
    fs::create_dir_all(other.join("out")).unwrap();
    fs::rename(ferry.join("out"), other.join("in")).unwrap();
    fs::create_dir_all(ferry.join("out")).unwrap();
    let key = city.path().join("keys/ferry.key");
    let text = format!("name = \"gap\"\nkey_file = {key:?}\nreturns = false");
    let settings = FerrySettings { folder: other.clone(), ..toml::from_str(&text).unwrap() };
    let above = Ferry::new(settings, Side::Above, clock.clone()).unwrap();
    above.look().unwrap();
    let mut read = 0;
    while let Some((address, plain)) = above.next().unwrap() {
        read += 1;
        assert_eq!(address.number, read);
        let carried = Carried::from_bytes(&plain).unwrap();
        assert_eq!((carried.method.as_str(), carried.path.as_str()), ("POST", "/rows/people"));
        above.acted(&address, b"").unwrap();
    }
    assert_eq!(fs::read_dir(other.join("out")).unwrap().count(), 0);
    read
}

#[test]
fn what_nothing_comes_back_about_stays_placed() {
    run(async {
        let clock = Clock::system();
        let (city, tables) = city(&clock).await;
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        let placed = |rows: u64| {
            let daemon = &daemon;
            move || async move { daemon.counts_on("gap", "people").await.placed == rows }
        };
        daemon.wait_until("all are placed", placed(40)).await;
        tables.execute("UPDATE people SET name = '改' WHERE id = 'p00003'", []).unwrap();
        daemon.wait_until("the change is placed", placed(41)).await;
        let counts = daemon.counts_on("gap", "people").await;
        assert_eq!((counts.due, counts.confirmed, counts.queued), (41, 0, 0), "{counts:?}");
        daemon.stop().await;
        // A restarted one says nothing twice.
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.looked_again().await;
        let counts = daemon.counts_on("gap", "people").await;
        assert_eq!((counts.due, counts.placed), (41, 41), "{counts:?}");
        let own = daemon.app.works().ferries().remove(0);
        let sent = own.run(Ferry::standing).await.unwrap();
        assert_eq!((sent.unanswered, sent.returns), (0, false));
        assert_eq!(read(&city, &clock), sent.sent);
        // Put down again it is the same, for as long as it is kept.
        assert_eq!(own.run(|it| it.again(1, 1)).await.unwrap(), 1);
        daemon.stop().await;
        city.close().await;
    });
}

#[test]
fn operators_see_a_ferry_and_put_its_files_down_again() {
    run(async {
        let clock = Clock::system();
        let (city, _tables) = city(&clock).await;
        let text = fs::read_to_string(city.configuration_file()).unwrap();
        let socket = city.path().join(cascaded::demo::SOCKET);
        let control = "[control]\nhttp = \"127.0.0.1:0\"\nsocket";
        let control = format!("{text}\n{control} = {{ path = {socket:?} }}\n");
        fs::write(city.configuration_file(), control).unwrap();
        // Machines behind a gap trust no authority: there is none to ask.
        let nowhere = city.path().join("nowhere").display().to_string();
        let trusted = [("SSL_CERT_FILE", &*nowhere), ("SSL_CERT_DIR", &*nowhere)];
        let mut service = Service::start(&city, &trusted);
        // Over the gap and to the province; what nothing comes back about waits no more.
        service.has_settled(80);
        let listed: FerryAnswer = service.json(&["ferry", "list"]);
        let [one] = listed.ferries.as_slice() else { panic!("{listed:?}") };
        assert_eq!((one.name.as_str(), one.side.as_str(), one.returns), ("gap", "below", false));
        assert!(one.sent > 0 && one.unput == 0, "{one:?}");
        let address = service.http();
        let page = || get(address, "/metrics").map(|(_, page)| page).unwrap_or_default();
        wait_for(
            "what the alerts about ferries read is exported",
            || (ferry_alerts_lack(&page()) == (2, Vec::new())).then_some(()),
            || format!("{:?}", ferry_alerts_lack(&page())),
        );
        let out = city.path().join("ferry/out");
        let lying = || fs::read_dir(&out).unwrap().count();
        let before = lying();
        fs::remove_dir_all(&out).unwrap();
        fs::create_dir(&out).unwrap();
        let range = format!("1..{}", one.sent);
        let again: FerryAnswer = service.json(&["ferry", "again", "gap", &range]);
        assert_eq!((again.done, lying()), (Some(one.sent), before));
        for speech in Speech::BOTH {
            let said = service.asked(speech, &["ferry", "list"]);
            assert!(said.code == Some(0) && said.out.contains("gap"), "{said:?}");
        }
        let said = service.asked(Speech::English, &["ferry", "again", "nowhere", "1"]);
        assert!(said.code != Some(0) && said.err.contains("E-FERRY-UNKNOWN"), "{said:?}");
        let said =
            service.asked(Speech::English, &["ferry", "skip", "gap", "1", "--reason", "a test"]);
        assert!(said.code != Some(0) && said.err.contains("E-FERRY-NOTHING"), "{said:?}");
        let acts = service.asked(Speech::English, &["audit", "list"]);
        assert!(acts.out.contains("a test"), "{acts:?}");
        service.stop();
        city.close().await;
    });
}
