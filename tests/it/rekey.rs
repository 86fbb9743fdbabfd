//! Another sealing key: what lies under the one before is sealed again, killed at any moment, and
//! the old key can be put away when nothing lies under it, and not before.

use std::path::Path;

use cascaded::control::protocol::{KeyShown, Listing, Reject};
use cascaded::rehearsal::{Fault, Play};

use crate::oversight::listening;
use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, Speech, wait_for};
use crate::support::process::PROGRAM;

fn key_file(city: &TestCity, name: &str, byte: u8) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = city.path().join("keys").join(name);
    std::fs::write(&path, [byte; 32]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The configuration with another key in use, and keys before it.
fn keys(city: &TestCity, sound: &str, key: &str, before: &[&str]) {
    let mark = "key_file = \"keys/ledger.key\"";
    let before: Vec<String> = before.iter().map(|name| format!("\"keys/{name}\"")).collect();
    let line = format!("key_file = \"keys/{key}\"\nkeys_before = [{}]", before.join(", "));
    let text = sound.replacen(mark, &line, 1);
    assert_ne!(text, sound);
    std::fs::write(city.configuration_file(), text).unwrap();
}

fn left(service: &Service) -> Vec<(bool, u64)> {
    let keys: Vec<KeyShown> = service.json(&["ledger", "keys"]);
    keys.iter().map(|it| (it.in_use, it.values + it.files)).collect()
}

/// Everything that is due is above or set aside.
fn delivered(service: &mut Service) {
    service.wait_until("every row is confirmed or rejected", |status| {
        status.summary.rows.due > 0 && status.summary.rows.queued == 0
    });
}

/// Files of the ledger's folder in which a key's id stands where a sealed message names its key.
fn names(folder: &Path, id: &[u8]) -> usize {
    let mut found = 0;
    for below in ["spool", "runs"] {
        for entry in std::fs::read_dir(folder.join(below)).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            found += usize::from(memchr::memmem::find(&bytes, &[&[1], id].concat()).is_some());
        }
    }
    found
}

#[test]
fn under_another_key_everything_is_sealed_again_and_the_old_one_is_put_away() {
    run(async {
        let city = listening().await;
        let sound = std::fs::read_to_string(city.configuration_file()).unwrap();
        let mut service = Service::start(&city, &[]);
        service.settled();
        // A payload waits in the spool as well.
        city.platform.faults().play(Play::always("rows.upsert", Fault::Hold));
        assert_eq!(service.asked(Speech::English, &["resync", "--all", "--full"]).code, Some(0));
        let faults = city.platform.faults();
        wait_for("a batch is held", || (faults.held() > 0).then_some(()), || service.log());
        let old = left(&service);
        assert!(old.len() == 1 && old[0].1 > 10, "{old:?}");
        let shown: Vec<KeyShown> = service.json(&["ledger", "keys"]);
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        let id: Vec<u8> = shown[0].key.as_bytes().chunks(2).map(byte).collect();
        let ledger = city.path().join("ledger");
        assert!(names(&ledger, &id) > 0);
        let rejects: Listing<Reject> = service.json(&["rejects", "list", "--limit", "1"]);
        let reject = rejects.entries[0].reject.to_string();
        let show = ["rejects", "show", &reject, "--reason", "x", "--json"];
        let original = service.asked(Speech::English, &show).out;
        drop(service);
        faults.clear();
        faults.release();

        // Killed again and again, it goes on.
        key_file(&city, "second.key", 7);
        keys(&city, &sound, "second.key", &["ledger.key"]);
        if cfg!(feature = "sabotage") {
            city.platform.faults().play(Play::always("rows.upsert", Fault::Hold));
            for at in ["spool-resealed:1", "run-resealed:1", "run-resealed:1", "resealed:1"] {
                let mut service = Service::start(&city, &[("CASCADED_CRASH_AT", at)]);
                service.ended();
            }
            city.platform.faults().clear();
            city.platform.faults().release();
        }
        // Put away too early, it is missed at once.
        keys(&city, &sound, "second.key", &[]);
        let mut service = Service::start(&city, &[]);
        assert!(!service.ended().success());
        assert!(service.log().contains("sealed under another key"), "{}", service.log());
        drop(service);
        keys(&city, &sound, "second.key", &["ledger.key"]);
        let mut service = Service::start(&city, &[]);
        delivered(&mut service);
        wait_for(
            "nothing lies under the old key",
            || left(&service).iter().all(|(in_use, count)| *in_use || *count == 0).then_some(()),
            || format!("{:?} {}", left(&service), service.log()),
        );
        wait_for(
            "the log says so",
            || service.log().contains("it may be put away").then_some(()),
            || service.log(),
        );
        assert_eq!(service.asked(Speech::English, &show).out, original);
        assert_eq!(service.asked(Speech::English, &["ledger", "verify"]).code, Some(0));
        service.stop();
        assert_eq!(names(&ledger, &id), 0);

        // Without it everything goes on.
        std::fs::remove_file(city.path().join("keys/ledger.key")).unwrap();
        keys(&city, &sound, "second.key", &[]);
        let mut service = Service::start(&city, &[]);
        delivered(&mut service);
        assert_eq!(service.asked(Speech::English, &show).out, original);
        assert_eq!(service.asked(Speech::English, &["ledger", "verify"]).code, Some(0));
        assert_eq!(left(&service).len(), 1);
        service.stop();
        city.close().await;
    });
}

#[test]
fn a_key_named_twice_is_a_mistake_of_the_configuration() {
    run(async {
        let city = listening().await;
        let sound = std::fs::read_to_string(city.configuration_file()).unwrap();
        keys(&city, &sound, "ledger.key", &["ledger.key"]);
        let check = std::process::Command::new(PROGRAM)
            .args(["check", "--config"])
            .arg(city.configuration_file())
            .output()
            .unwrap();
        assert_eq!(check.status.code(), Some(78));
        assert!(String::from_utf8_lossy(&check.stderr).contains("the same key"), "{check:?}");
        city.close().await;
    });
}
