//! What a service manager sees: readiness, the watchdog, the stop, a second start.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::config::PaceSettings;
use cascaded::demo::Scale;
use cascaded::rehearsal::{Fault, Play};
use jiff::SignedDuration;

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, wait_for};

/// A service manager's end of the notification socket.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn beside(city: &TestCity, name: &str) -> Self {
        let path = city.path().join(name);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { socket, path }
    }

    fn variables<'a>(&'a self, watchdog: &'a str) -> [(&'static str, &'a str); 2] {
        [("NOTIFY_SOCKET", self.path.to_str().unwrap()), ("WATCHDOG_USEC", watchdog)]
    }

    /// The next message; `None` when none came for a minute.
    fn next(&self) -> Option<String> {
        let mut buffer = [0; 4_096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer.get(..length)?.to_vec()).unwrap())
    }

    /// Everything up to the message wanted, itself included.
    fn until(&self, wanted: &str) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(message) = self.next() {
            let found = message.lines().any(|line| line == wanted);
            said.push(message);
            if found {
                return said;
            }
        }
        panic!("{wanted} was never said, only {said:?}");
    }

    /// What was said and not heard yet.
    fn rest(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).unwrap();
        let rest = std::iter::from_fn(|| self.next()).collect();
        self.socket.set_nonblocking(false).unwrap();
        rest
    }
}

async fn small() -> TestCity {
    TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await
}

/// Rows that the platform was sent more often than once, by batch.
fn sent_twice(city: &TestCity) -> Vec<(String, u64)> {
    let times = city.platform.times_received().unwrap();
    times.into_iter().filter(|(_, times)| *times > 1).collect()
}

#[test]
fn ready_is_said_when_the_ledger_is_open_and_the_socket_answers() {
    run(async {
        let city = small().await;
        let manager = Manager::beside(&city, "notify");
        let service = Service::start(&city, &manager.variables("60000000"));
        manager.until("READY=1");
        assert!(city.path().join("ledger/ledger.sqlite").is_file());
        assert!(service.status().is_some(), "{}", service.log());
        service.stop();
        city.close().await;
    });
}

#[test]
fn the_watchdog_is_fed_while_it_lives_and_the_stop_is_announced() {
    run(async {
        let city = small().await;
        let manager = Manager::beside(&city, "notify");
        let started = city.clock.now();
        let mut service = Service::start(&city, &manager.variables("600000"));
        manager.until("READY=1");
        let told = city.clock.now();
        for _ in 0..10 {
            manager.until("WATCHDOG=1");
        }
        // Three times in its interval: ten take about two seconds, never four intervals and more.
        let fed = city.clock.now().duration_since(told);
        assert!(fed < SignedDuration::from_secs(12), "{fed} since {started}");
        service.terminate();
        manager.until("STOPPING=1");
        assert!(service.ended().success(), "{}", service.log());
        let rest = manager.rest();
        assert!(!rest.iter().any(|message| message.contains("READY=1")), "{rest:?}");
        city.close().await;
    });
}

#[test]
fn without_a_watchdog_nobody_feeds_one() {
    run(async {
        let city = small().await;
        let manager = Manager::beside(&city, "notify");
        let [socket, _] = manager.variables("0");
        let mut service = Service::start(&city, &[socket]);
        manager.until("READY=1");
        service.terminate();
        let said = manager.until("STOPPING=1");
        assert!(!said.iter().any(|message| message.contains("WATCHDOG")), "{said:?}");
        assert!(service.ended().success(), "{}", service.log());
        city.close().await;
    });
}

/// The next start carries the rest, and nothing was sent again.
async fn goes_on_without_repeating(city: TestCity) {
    let mut service = Service::start(&city, &[]);
    service.has_settled(city.made.as_ref().unwrap().rows);
    assert_eq!(sent_twice(&city), []);
    service.stop();
    city.close().await;
}

#[test]
fn a_stop_in_the_middle_of_an_upload_lets_it_finish() {
    run(async {
        let city = small().await;
        let manager = Manager::beside(&city, "notify");
        let faults = city.platform.faults();
        faults.play(Play::next("rows.upsert", 1, Fault::Hold));
        let mut service = Service::start(&city, &manager.variables("60000000"));
        wait_for("an answer is held", || (faults.held() > 0).then_some(()), || service.log());
        service.terminate();
        manager.until("STOPPING=1");
        // It waits for the province, and says so to whoever asks.
        assert!(service.is_running(), "{}", service.log());
        assert!(service.status().is_some(), "the doors close last\n{}", service.log());
        faults.release();
        assert!(service.ended().success(), "{}", service.log());
        assert!(!service.log().contains("grace"), "{}", service.log());
        // The receipt was taken: nothing is asked about.
        goes_on_without_repeating(city).await;
    });
}

#[test]
fn an_upload_that_never_ends_is_cut_at_the_grace_and_resolved_after_the_next_start() {
    run(async {
        let clock = Clock::system();
        let city = TestCity::demo(Scale::SMALL, &clock, |plan| {
            plan.extra = plan.extra.replace("grace = \"20s\"", "grace = \"1s\"");
        })
        .await;
        let faults = city.platform.faults();
        faults.play(Play::next("rows.upsert", 1, Fault::Hold));
        let mut service = Service::start(&city, &[]);
        wait_for("an answer is held", || (faults.held() > 0).then_some(()), || service.log());
        let told = clock.now();
        service.terminate();
        assert!(service.ended().success(), "{}", service.log());
        let took = clock.now().duration_since(told);
        assert!(took < SignedDuration::from_secs(30), "{took}");
        assert!(service.log().contains("did not end within the grace period"), "{}", service.log());
        faults.release();
        // The answer was lost with the connection: the province is asked.
        goes_on_without_repeating(city).await;
    });
}

#[test]
fn a_hangup_reads_everything_again_and_the_service_manager_hears_of_it() {
    run(async {
        let city = small().await;
        let manager = Manager::beside(&city, "notify");
        let mut service = Service::start(&city, &manager.variables("60000000"));
        manager.until("READY=1");
        // Ready is told before the signal is watched; the socket answers afterwards too.
        service.settled();
        let path = city.configuration_file();
        let right = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, right.replace("idle = \"200ms\"", "idle = \"300ms\"")).unwrap();
        service.hang_up();
        let begun = manager.until("RELOADING=1").pop().unwrap();
        assert!(begun.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "{begun}");
        manager.until("READY=1");
        assert!(service.log().contains("read again"), "{}", service.log());
        // A wrong one is refused, and the daemon is as ready as before.
        std::fs::write(path, right.replace("[pace]", "[pase]")).unwrap();
        service.hang_up();
        manager.until("RELOADING=1");
        manager.until("READY=1");
        assert!(service.log().contains("did you mean `pace`?"), "{}", service.log());
        std::fs::write(path, right).unwrap();
        service.stop();
        city.close().await;
    });
}

#[test]
fn a_stop_before_it_is_ready_ends_in_order() {
    run(async {
        let city = small().await;
        // A database server that takes the connection and says nothing.
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (path, port) = (city.configuration_file(), mute.local_addr().unwrap().port());
        let text = std::fs::read_to_string(path).unwrap();
        let [before, after] = ["city", "mute"]
            .map(|source| format!("source = \"{source}\"\ntable = \"population_515100\""));
        let text = text.replacen(&before, &after, 1);
        let source = format!(
            "\n[[source]]\nkind = \"postgres\"\nid = \"mute\"\n\
             url = \"postgres://x@127.0.0.1:{port}/x\"\n"
        );
        std::fs::write(path, text + &source).unwrap();
        let mut service = Service::start(&city, &[]);
        // The sources are asked: signals are caught by now, and nothing is open yet.
        let asked = mute.accept().unwrap();
        service.terminate();
        assert!(service.ended().success(), "{}", service.log());
        assert!(service.log().contains("told to stop before it was ready"), "{}", service.log());
        drop(asked);
        city.close().await;
    });
}

#[test]
fn a_second_daemon_on_the_same_ledger_is_refused_and_never_ready() {
    run(async {
        let city = small().await;
        let mut first = Service::start(&city, &[]);
        first.settled();
        let before = first.log().len();
        let manager = Manager::beside(&city, "second");
        let mut second = Service::start(&city, &manager.variables("600000"));
        let status = second.ended();
        assert_eq!(status.code(), Some(1), "{}", second.log());
        let said = second.log().split_off(before);
        assert!(said.contains("is in use by another process"), "{said}");
        assert!(said.contains("[E-RUN-BUILD]"), "{said}");
        assert_eq!(manager.rest(), Vec::<String>::new());
        // The first one lost neither its ledger nor its socket.
        assert!(first.status().is_some(), "{}", first.log());
        first.stop();
        city.close().await;
    });
}

#[test]
fn the_unit_waits_longer_for_the_stop_than_the_daemon_does() {
    let unit = include_str!("../../deploy/cascaded.service");
    let value = |name: &str| -> SignedDuration {
        let found = unit.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        found.unwrap().parse().unwrap()
    };
    let grace = SignedDuration::try_from(PaceSettings::default().grace).unwrap();
    assert!(value("TimeoutStopSec") > grace);
    // Silence is noticed by the daemon before the watchdog is left unfed for good.
    assert!(value("WatchdogSec") >= SignedDuration::from_secs(10));
}
