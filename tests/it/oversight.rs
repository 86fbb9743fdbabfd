//! Roles and the record of acts, as people meet them: the real program, users the kernel knows.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use cascaded::clock::Clock;
use cascaded::control::protocol::{
    ActShown, Listing, OversightAnswer, OversightRequest, Request, Response,
};
#[cfg(feature = "sabotage")]
use cascaded::control::protocol::{ApprovalShown, Job};
use cascaded::control::{Handler as _, Peer};
use cascaded::demo::Scale;

use crate::march::{
    NEW, OLD, activate, assert_green, delivered, finished, gone_over, named, supplied,
};
use crate::support::daemon::{TestCity, TestDaemon, run};
#[cfg(feature = "sabotage")]
use crate::support::operator::wait_for;
use crate::support::operator::{Said, Service, Speech};
use crate::support::process::PROGRAM;
use crate::support::town::town;

/// Adds settings to `[control]`.
pub(crate) fn control(city: &TestCity, lines: &str) {
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let with = text.replacen("[control]\n", &format!("[control]\n{lines}"), 1);
    assert_ne!(with, text);
    std::fs::write(city.configuration_file(), with).unwrap();
}

/// A city whose daemon listens.
pub(crate) async fn listening() -> TestCity {
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    TestCity::demo(Scale::SMALL, &Clock::system(), |plan| plan.listen = listen).await
}

/// Whether this process can be other users; says by name what is not run otherwise.
pub(crate) fn can_be_anybody(folder: &Path, test: &str) -> bool {
    let is_root = std::fs::metadata(folder).unwrap().uid() == 0;
    if !is_root {
        println!("{test}: not run, for only root can ask as other users");
    }
    is_root
}

/// Lets every user of the machine to the socket: who may what is the daemon's to say then.
pub(crate) fn opened(city: &TestCity) {
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(city.path(), 0o711);
    open(&city.path().join(cascaded::demo::SOCKET), 0o666);
}

/// A command of another user.
pub(crate) fn asked_by(city: &TestCity, (uid, gid): (u32, u32), words: &[&str]) -> Said {
    let output = Command::new(PROGRAM)
        .env("LANG", "zh_CN.UTF-8")
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .arg("--socket")
        .arg(city.path().join(cascaded::demo::SOCKET))
        .args(words)
        .current_dir("/")
        .uid(uid)
        .gid(gid)
        .output()
        .unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn roles_are_those_of_the_users_whom_the_kernel_names() {
    run(async {
        let city = listening().await;
        if !can_be_anybody(city.path(), "roles_are_those_of_the_users_whom_the_kernel_names") {
            return city.close().await;
        }
        // Groups of every Debian: their numbers are fixed.
        control(&city, "operators = \"daemon\"\nauditors = \"bin\"\n");
        let mut service = Service::start(&city, &[]);
        service.settled();
        opened(&city);
        let (operator, auditor, reader) = ((54_321, 1), (54_322, 2), (54_323, 54_323));
        let code = |who, words: &[&str]| asked_by(&city, who, words).code;
        for who in [operator, auditor, reader] {
            assert_eq!(code(who, &["status"]), Some(0));
            assert_eq!(code(who, &["ledger", "verify"]), Some(0));
        }
        assert_eq!(code(operator, &["reload"]), Some(0));
        let refused = asked_by(&city, auditor, &["reload"]);
        assert_eq!(refused.code, Some(77), "{refused:?}");
        assert!(refused.err.contains("此操作需要角色 operator"), "{refused:?}");
        assert!(refused.err.contains("[E-CONTROL-ROLE]"), "{refused:?}");
        let show = ["rejects", "show", "1", "--reason", "x"];
        assert_eq!(code(auditor, &show), Some(77));
        assert_eq!(code(reader, &show), Some(77));
        assert_eq!(code(operator, &show), Some(0));
        assert_eq!(code(operator, &["audit", "list"]), Some(77));
        assert_eq!(code(reader, &["audit", "export"]), Some(77));
        let whoami = asked_by(&city, auditor, &["audit", "whoami"]);
        assert_eq!(whoami.out, "（uid 54322）的角色：reader, auditor\n");
        assert_eq!(code(auditor, &["audit", "verify"]), Some(0));
        let said = asked_by(&city, auditor, &["audit", "list", "--json"]);
        let acts: Listing<ActShown> = said.json();
        let told: Vec<(u32, &str, &str)> = acts
            .entries
            .iter()
            .rev()
            .map(|it| (it.uid.unwrap(), it.act.as_str(), it.outcome.as_deref().unwrap()))
            .collect();
        let no = "refused E-CONTROL-ROLE";
        assert_eq!(
            told,
            [
                (54_321, "reload", "done"),
                (54_322, "reload", no),
                (54_322, "rejects_show", no),
                (54_323, "rejects_show", no),
                (54_321, "rejects_show", "done"),
                (54_321, "audit_list", no),
                (54_323, "audit_export", no),
            ]
        );
        let exported = asked_by(&city, auditor, &["audit", "export", "--json"]);
        assert_eq!(exported.out.lines().count(), 10, "acts, their outcomes, and the export itself");
        let csv = asked_by(&city, auditor, &["audit", "export", "--csv"]);
        assert_eq!(csv.out.lines().count(), 1 + 12, "{}", csv.out);
        // Root is everybody, and no less recorded.
        assert_eq!(service.asked(Speech::English, &["reload"]).code, Some(0));
        let acts: Listing<ActShown> = service.json(&["audit", "list", "--limit", "1"]);
        let newest = acts.entries.first().unwrap();
        assert_eq!((newest.uid, newest.person.as_str()), (Some(0), "root"));
        service.stop();
        city.close().await;
    });
}

#[test]
fn a_standard_is_put_in_force_by_two_people_and_only_as_it_was_asked_for() {
    run(async {
        let clock = Clock::system();
        let city = town(120, &clock, |plan| plan.seed = 72).await;
        control(&city, "two_people = [\"activate\"]\n");
        let daemon = TestDaemon::start(city.configuration(), &clock).await;
        daemon.settled().await;
        let new = delivered(&city);
        gone_over(&city, &new).await;
        supplied(&daemon).await;
        named(&city, &daemon).await;
        let peer = |uid| Peer { uid, gid: 100, pid: None };
        let office = daemon.app.office(None);
        let pending = async || {
            let answer = office.handle(activate(false), peer(1001)).await;
            let Response::Oversight(OversightAnswer::Pending(it)) = answer else {
                panic!("{answer:?}")
            };
            it.number
        };
        let approve = async |number, uid| {
            let request = Request::Oversight(OversightRequest::Approve { number });
            let answer = office.handle(request, peer(uid)).await;
            let Response::Oversight(OversightAnswer::Decided(it)) = answer else {
                panic!("{answer:?}")
            };
            (it.state, it.outcome.unwrap())
        };
        // Only said: nobody is asked.
        assert!(matches!(office.handle(activate(true), peer(1001)).await, Response::CutOver(_)));
        let number = pending().await;
        assert_eq!(daemon.channel("province").standard.id().as_str(), OLD);
        assert_eq!(daemon.ledger().open_cut_overs().await.unwrap(), []);
        // Somebody edits the standard before the other person says yes.
        let file = new.join("standard.toml");
        let text = std::fs::read(&file).unwrap();
        std::fs::write(&file, [&text[..], b"\n# another\n"].concat()).unwrap();
        let failed = ("failed".to_owned(), "failed E-APPROVAL-CHANGED".to_owned());
        assert_eq!(approve(number, 1002).await, failed);
        assert_eq!(daemon.ledger().open_cut_overs().await.unwrap(), []);
        std::fs::write(&file, text).unwrap();
        let number = pending().await;
        assert_eq!(approve(number, 1002).await, ("done".to_owned(), "done".to_owned()));
        let jobs = daemon.ledger().jobs(100).await.unwrap();
        let made: Vec<_> = jobs.iter().filter(|job| job.kind == "cut-over").collect();
        assert_eq!(made.len(), 1);
        assert!(made[0].asked_by.contains("1001"), "{:?}", made[0]);
        finished(&daemon, made[0].number).await;
        daemon.looked_again().await;
        assert_green(&city, &daemon, NEW).await;
        daemon.stop().await;
        city.close().await;
    });
}

#[cfg(feature = "sabotage")]
#[test]
fn killed_after_a_yes_and_after_the_deed_it_is_done_and_once() {
    run(async {
        let city = listening().await;
        if !can_be_anybody(city.path(), "killed_after_a_yes_and_after_the_deed_it_is_done_and_once")
        {
            return city.close().await;
        }
        control(
            &city,
            "operators = \"daemon\"\napprovers = \"bin\"\ntwo_people = [\"withdraw\"]\n",
        );
        let (operator, approver) = ((54_321, 1), (54_322, 2));
        for (at, number) in [("approval-given:1", "1"), ("approval-done:1", "2")] {
            let mut service = Service::start(&city, &[("CASCADED_CRASH_AT", at)]);
            service.wait_until("it answers", |_status| true);
            opened(&city);
            let words = ["resync", "--all", "--approve-deletions", "--key", number];
            let said = asked_by(&city, operator, &words);
            assert_eq!(said.code, Some(75), "{said:?}");
            assert!(said.out.contains(&format!("cascaded approvals approve {number}")), "{said:?}");
            let said = asked_by(&city, operator, &["approvals", "approve", number]);
            assert_eq!(said.code, Some(77), "{said:?}");
            let said = asked_by(&city, approver, &["approvals", "approve", number]);
            assert_eq!(said.code, Some(75), "the daemon ended: {said:?}");
            service.ended();
            let service = Service::start(&city, &[]);
            wait_for(
                "it is done",
                || {
                    let said =
                        service.asked(Speech::English, &["approvals", "list", "--all", "--json"]);
                    let all: Vec<ApprovalShown> = (said.code == Some(0)).then(|| said.json())?;
                    all.first().is_some_and(|it| it.state == "done").then_some(())
                },
                || service.log(),
            );
            let jobs: Listing<Job> = service.json(&["jobs", "list", "--ended"]);
            assert_eq!(jobs.entries.len().to_string(), number, "{jobs:?}");
            service.stop();
        }
        city.close().await;
    });
}
