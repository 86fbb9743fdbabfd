//! What a county may not do, what another does not suffer from it, and what a crash leaves.

use cascaded::clock::Clock;
use cascaded::config::Configuration;

use super::cascade::arrived;
use super::place::{County, Middle, NANJIANG, TONGJIANG};
use crate::support::daemon::run;

/// A county with a wrong secret is let in by nobody and harms nobody; mended, it goes on.
#[test]
fn a_county_with_a_wrong_secret_is_not_let_in_and_another_is() {
    run(async {
        let clock = Clock::system();
        let middle = Middle::new(&[TONGJIANG, NANJIANG], &clock, "", |_| {}).await;
        let (city, address) = middle.start().await;
        let (wrong, right) = (
            County::new(&middle, TONGJIANG, 20, address),
            County::new(&middle, NANJIANG, 20, address),
        );
        wrong.credential("secret", "another secret");
        let stranger = County::new(&middle, TONGJIANG, 20, address);
        stranger.credential("requester", "R-000000");
        let below = [wrong.start().await, right.start().await, stranger.start().await];
        below[1].settled().await;
        arrived(&middle, &city, &right).await;
        let standing = || {
            let all = city.app.works().counties().unwrap();
            let of = |name: &str| all.iter().find(|it| it.county == name).unwrap().clone();
            (of("tongjiang"), of("nanjiang"))
        };
        let refused = || async { standing().0.refused > 0 };
        city.wait_until("the wrong secret was told", refused).await;
        let (tongjiang, nanjiang) = standing();
        assert_eq!((tongjiang.rows_held, tongjiang.last_batch), (0, None));
        assert_eq!((nanjiang.refused, nanjiang.rows_held), (0, 20));
        let asked = || async { city.app.works().intake_strangers() > 0 };
        city.wait_until("somebody asked under a name of no county", asked).await;
        assert!(middle.above(TONGJIANG).is_empty());
        for daemon in below {
            daemon.stop().await;
        }
        // With the right secret the county registers and sends what waited.
        wrong.credential("secret", "secret of tongjiang");
        std::fs::remove_dir_all(wrong.path("ledger")).unwrap();
        let again = wrong.start().await;
        again.settled().await;
        arrived(&middle, &city, &wrong).await;
        again.stop().await;
        city.stop().await;
        middle.city.close().await;
    });
}

/// A county that sends more than it may waits at its own door; its neighbour's rows pass it by.
/// With more room the rest goes through.
#[test]
fn a_county_over_its_quota_waits_and_its_neighbour_does_not() {
    run(async {
        let clock = Clock::system();
        let few = "rows_held = 6000\nrequests_per_second = 50";
        let middle = Middle::new(&[TONGJIANG, NANJIANG], &clock, few, |_| {}).await;
        let (city, address) = middle.start().await;
        let flood = County::new(&middle, TONGJIANG, 12_000, address);
        let calm = County::new(&middle, NANJIANG, 30, address);
        let flooding = flood.start().await;
        let standing = |name: &str| {
            let all = city.app.works().counties().unwrap();
            all.into_iter().find(|it| it.county == name).unwrap()
        };
        let is_full = || async { standing("tongjiang").rows_held >= 5_000 };
        city.wait_until("the flood has what it may", is_full).await;
        let calming = calm.start().await;
        calming.settled().await;
        arrived(&middle, &city, &calm).await;
        assert!(standing("tongjiang").rows_held <= 6_000, "{:?}", standing("tongjiang"));
        assert!(middle.above(TONGJIANG).len() <= 6_000);
        flooding.stop().await;
        city.stop().await;
        middle.edit("rows_held = 6000", "rows_held = 100000");
        let (city, _) = middle.start().await;
        let flooding = flood.start().await;
        arrived(&middle, &city, &flood).await;
        flooding.settled().await;
        flooding.stop().await;
        calming.stop().await;
        city.stop().await;
        middle.city.close().await;
    });
}

/// A quota below one batch lets one through whenever nothing waits; room for less than one is a mistake
/// that shows before anything is started.
#[test]
fn a_quota_below_one_batch_is_slow_and_not_for_ever() {
    run(async {
        let clock = Clock::system();
        let few = "rows_waiting = 10\nrequests_per_second = 50";
        let middle = Middle::new(&[TONGJIANG], &clock, few, |_| {}).await;
        let (city, address) = middle.start().await;
        let county = County::new(&middle, TONGJIANG, 60, address);
        let below = county.start().await;
        below.settled().await;
        arrived(&middle, &city, &county).await;
        below.stop().await;
        city.stop().await;
        middle.edit("rows_waiting = 10", "rows_held = 4999");
        let problems = Configuration::load(middle.city.configuration_file()).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let [only] = told.as_slice() else { panic!("{told:?}") };
        assert!(only.contains("intake.county.tongjiang.rows_held"), "{only}");
        assert!(only.contains("at least 5000"), "{only}");
        middle.city.close().await;
    });
}

/// A city that only watches takes from its counties and says nothing above that writes.
#[test]
fn a_city_that_watches_takes_from_its_counties_and_passes_nothing_on() {
    run(async {
        let clock = Clock::system();
        let middle = Middle::new(&[TONGJIANG], &clock, "", |_| {}).await;
        middle.edit("begins = \"live\"", "begins = \"watch\"");
        let (city, address) = middle.start().await;
        let county = County::new(&middle, TONGJIANG, 25, address);
        let below = county.start().await;
        let sight = below.settled().await;
        assert_eq!(sight.rows.confirmed, 25, "taken and checked here, which is what is told");
        let standing = city.app.works().counties().unwrap();
        assert_eq!((standing[0].rows_held, standing[0].rows_waiting), (25, 25));
        assert!(middle.city.platform.payloads().unwrap().is_empty());
        below.stop().await;
        city.stop().await;
        middle.city.close().await;
    });
}

/// The city dies before and after it made a county's batch durable, and before it answered. The
/// county asks, and nothing is lost or doubled.
#[cfg(feature = "sabotage")]
#[test]
fn killed_wherever_it_takes_from_a_county_it_loses_nothing_and_doubles_nothing() {
    use std::process::{Command, Stdio};
    run(async {
        let clock = Clock::system();
        let middle = Middle::new(&[TONGJIANG], &clock, "", |_| {}).await;
        let (city, address) = middle.start().await;
        city.stop().await;
        let county = County::new(&middle, TONGJIANG, 50, address);
        let below = county.start().await;
        let [object, read, kept] = cascaded::crash::INTAKE_POINTS;
        for (point, time) in [(object, 1), (object, 2), (read, 1), (kept, 1), (kept, 3)] {
            let mut child = Command::new(crate::support::process::PROGRAM)
                .args(["run", "--config"])
                .arg(middle.city.configuration_file())
                .env("CASCADED_CRASH_AT", format!("{point}:{time}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut number = 0;
            let mut has_ended = || {
                // Something to take, whatever came through already.
                number += 1;
                county.write(number % 50..number % 50 + 1, point);
                let ended = child.try_wait().unwrap().is_some();
                async move { ended }
            };
            below.wait_until(point, &mut has_ended).await;
            assert!(!child.wait().unwrap().success());
        }
        let (city, _) = middle.start().await;
        arrived(&middle, &city, &county).await;
        below.settled().await;
        for (batch, payloads) in middle.city.platform.payloads().unwrap() {
            assert_eq!(payloads.len(), 1, "batch {batch} carried several payloads");
        }
        assert_eq!(middle.above(TONGJIANG).len(), 50);
        below.stop().await;
        city.stop().await;
        middle.city.close().await;
    });
}
