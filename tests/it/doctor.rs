//! `doctor` against a platform that is there: certificates, room, secrets, and a candidate that
//! nobody prepared or that has a way of its own.

use cascaded::app::{Found, doctor};
use cascaded::clock::Clock;
use cascaded::config::Configuration;

use crate::support::daemon::run;
use crate::support::town::town;

fn wrong(found: &[Found]) -> Vec<&str> {
    found.iter().filter(|it| !it.ok).map(|it| it.what.as_str()).collect()
}

#[test]
fn certificates_room_and_a_candidates_ways_are_looked_at_in_both_languages() {
    run(async {
        let clock = Clock::system();
        let city = town(50, &clock, |plan| plan.seed = 62).await;
        let found = doctor(&city.configuration(), None, &clock).await;
        assert_eq!(wrong(&found), [""; 0], "{found:?}");
        for expected in ["our certificate", "the authority", "the platform's certificate"] {
            let ends = found.iter().find(|it| it.what.contains(expected)).expect(expected);
            assert!(ends.what.contains("ends in ") && ends.what_zh.contains("天到期"), "{ends:?}");
        }
        assert!(found.iter().any(|it| it.what_zh.contains("台账目录")), "{found:?}");

        // Nobody prepared it.
        let none = doctor(&city.configuration(), Some("reference-xml/2.0"), &clock).await;
        assert_eq!(none.len(), 1);
        assert!(!none[0].ok && none[0].what.contains("no channel is prepared"), "{none:?}");

        // Its test endpoint is not there, and one of its credentials is missing.
        let path = city.configuration_file();
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
