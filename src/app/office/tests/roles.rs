//! Who may ask for what: every request of one list, asked by everybody.

use std::collections::BTreeMap;

use super::*;
use crate::control::people::People;
use crate::control::protocol::{
    Access, Activate, ActsQuery, LedgerBackup, OversightAnswer, OversightRequest, Role,
};

const ROLES: &str = "\n[control]\noperators = \"op\"\napprovers = \"yes\"\nauditors = \"see\"\n";

const OPERATOR: Peer = Peer { uid: 1001, gid: 100, pid: Some(11) };
const APPROVER: Peer = Peer { uid: 1002, gid: 100, pid: Some(12) };
const AUDITOR: Peer = Peer { uid: 1003, gid: 100, pid: Some(13) };
const READER: Peer = Peer { uid: 1999, gid: 100, pid: Some(14) };
const ROOT: Peer = Peer { uid: 0, gid: 0, pid: Some(15) };

/// A bench whose machine has these people.
pub(super) async fn bench(more: &str) -> Bench {
    let mut bench = Bench::start_beside(&format!("{CONFIGURATION}{ROLES}{more}"), |folder| {
        let passwd = "root:x:0:0::/:\nli:x:1001:100::/:\nwang:x:1002:100::/:\nzhao:x:1003:100::/:\n\
             sun:x:1005:100::/:\n";
        std::fs::write(folder.join("passwd"), passwd).unwrap();
        let group = "root:x:0:\nop:x:71:li,sun\nyes:x:72:wang,sun\nsee:x:73:zhao\n";
        std::fs::write(folder.join("group"), group).unwrap();
    })
    .await;
    bench.office = office(&bench.app).with_people(People::at(bench._folder.path()));
    bench
}

impl Bench {
    async fn by(&self, peer: Peer, request: Request) -> Response {
        self.office.handle(request, peer).await
    }
}

/// One request of each access.
fn requests(bench: &Bench) -> Vec<Request> {
    let reject = RejectAct { reject: 1, reason: "x".to_owned() };
    let name = JobName { job: "r-1".to_owned() };
    let backup = bench._folder.path().join("copy").display().to_string();
    vec![
        Request::Status {},
        Request::JobsList(JobQuery::default()),
        Request::LedgerVerify {},
        Request::RejectsShow(reject),
        Request::JobsCancel(name),
        Request::Reload {},
        Request::LedgerBackup(LedgerBackup { directory: backup }),
        Request::StandardActivate(Activate {
            standard: "none/1".to_owned(),
            channel: None,
            scope: Vec::new(),
            at: None,
            parallel_seconds: None,
            dry_run: false,
        }),
        Request::Oversight(OversightRequest::Whoami {}),
        Request::Oversight(OversightRequest::Acts(ActsQuery::default())),
        Request::Oversight(OversightRequest::Lines(ActsQuery::default())),
        Request::Oversight(OversightRequest::Prove {}),
    ]
}

#[tokio::test]
async fn everybody_gets_what_their_role_allows_and_every_refusal_is_recorded() {
    let bench = bench("").await;
    let may: BTreeMap<u32, &[Role]> = [
        (OPERATOR.uid, &[Role::Reader, Role::Operator][..]),
        (APPROVER.uid, &[Role::Reader, Role::Approver]),
        (AUDITOR.uid, &[Role::Reader, Role::Auditor]),
        (READER.uid, &[Role::Reader]),
        (ROOT.uid, &Role::ALL),
    ]
    .into();
    let mut refused = Vec::new();
    for peer in [OPERATOR, APPROVER, AUDITOR, READER, ROOT] {
        for request in requests(&bench) {
            let (name, role) = (request.name(), request.access().role());
            let answer = bench.by(peer, request).await;
            let is_refused = matches!(&answer, Response::Failed(it) if it.code == "E-CONTROL-ROLE");
            assert_eq!(is_refused, !may[&peer.uid].contains(&role), "{} {name}", peer.uid);
            if is_refused {
                refused.push((peer.uid, name.to_owned()));
            }
        }
    }
    assert!(refused.len() > 15, "{refused:?}");
    let acts = bench.ledger().acts(1_000).await.unwrap();
    let recorded: Vec<(u32, String)> = acts
        .iter()
        .rev()
        .filter(|act| act.outcome.as_deref() == Some("refused E-CONTROL-ROLE"))
        .map(|act| (act.actor.uid.unwrap(), act.name.clone()))
        .collect();
    assert_eq!(recorded, refused);
    assert_eq!(bench.ledger().acts_proven().await.unwrap().1, Vec::<String>::new());
}

#[tokio::test]
async fn an_act_says_who_by_which_role_what_and_what_came_of_it() {
    let bench = bench("").await;
    bench.by(OPERATOR, Request::Reload {}).await;
    bench.by(ROOT, Request::JobsCancel(JobName { job: "r-7".to_owned() })).await;
    bench.by(READER, Request::Reload {}).await;
    let asked = Request::Oversight(OversightRequest::Acts(ActsQuery::default()));
    let Response::Oversight(OversightAnswer::Acts(acts)) = bench.by(AUDITOR, asked).await else {
        panic!()
    };
    let told: Vec<_> = acts
        .entries
        .iter()
        .map(|it| {
            let outcome = it.outcome.as_deref().unwrap();
            (it.uid.unwrap(), it.person.as_str(), it.role.as_str(), it.act.as_str(), outcome)
        })
        .collect();
    assert_eq!(
        told,
        [
            (1999, "", "reader", "reload", "refused E-CONTROL-ROLE"),
            (0, "root", "operator", "jobs_cancel", "failed E-NO-SUCH-JOB"),
            (1001, "li", "operator", "reload", "failed E-CONFIG"),
        ]
    );
    assert_eq!(acts.total, 3);
    // Looking is no act; taking it away is.
    assert_eq!(bench.ledger().acts(9).await.unwrap().len(), 3);
    let lines = Request::Oversight(OversightRequest::Lines(ActsQuery::default()));
    let Response::Oversight(OversightAnswer::Acts(lines)) = bench.by(AUDITOR, lines).await else {
        panic!()
    };
    let about: Vec<_> = lines.entries.iter().map(|it| (it.number, it.about)).collect();
    assert_eq!(about, [(1, None), (2, Some(1)), (3, None), (4, Some(3)), (5, None), (6, None)]);
    assert_eq!(bench.ledger().acts(1).await.unwrap()[0].name, "audit_export");
}

#[tokio::test]
async fn without_groups_everybody_whom_the_socket_lets_in_acts_as_before() {
    let bench = Bench::start().await;
    let whoami = Request::Oversight(OversightRequest::Whoami {});
    assert_eq!(whoami.access(), Access::Look);
    let Response::Oversight(OversightAnswer::Whoami(it)) = bench.ask(whoami).await else {
        panic!()
    };
    assert_eq!((it.uid, it.roles), (4711, Role::ALL.to_vec()));
}

#[tokio::test]
async fn roles_are_read_anew_with_the_configuration_and_the_groups() {
    let bench = bench("").await;
    let is_refused = async |peer| {
        let answer = bench.by(peer, Request::Reload {}).await;
        matches!(answer, Response::Failed(it) if it.code == "E-CONTROL-ROLE")
    };
    assert!(!is_refused(OPERATOR).await);
    let group = bench._folder.path().join("group");
    let text = std::fs::read_to_string(&group).unwrap();
    std::fs::write(&group, text.replace("li,sun", "sun")).unwrap();
    assert!(is_refused(OPERATOR).await);
    bench.rewrite("cascaded.toml", "operators = \"op\"", "operators = \"yes\"");
    bench.reload().await;
    assert!(is_refused(OPERATOR).await);
    assert!(!is_refused(APPROVER).await);
}
