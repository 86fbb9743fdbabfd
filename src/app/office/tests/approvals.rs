//! Two people: one asks, another says yes or no, and it is done once, as it was asked.

use super::roles::bench;
use super::*;
use crate::control::protocol::{ApprovalShown, OversightAnswer, OversightRequest};
use crate::delivery::DigestSha256;
use crate::ledger::{Actor, Decided};

const BOTH: &str = "two_people = [\"withdraw\", \"originals\"]\napproval_hours = 24\n";
const LI: Peer = Peer { uid: 1001, gid: 100, pid: Some(11) };
const WANG: Peer = Peer { uid: 1002, gid: 100, pid: Some(12) };
/// Operator and approver at once.
const SUN: Peer = Peer { uid: 1005, gid: 100, pid: Some(13) };

fn withdraw(key: &str) -> Request {
    Request::Resync(Resync {
        datasets: Vec::new(),
        extent: Extent::Compare {},
        approve_deletions: true,
        dry_run: false,
        idempotency_key: key.to_owned(),
    })
}

fn look(reject: u64) -> Request {
    Request::RejectsShow(RejectAct { reject, reason: "the owner asked".to_owned() })
}

fn export(after: Option<String>) -> Request {
    let paging = Paging { after, limit: 1 };
    let query = RejectQuery { paging, ..RejectQuery::default() };
    Request::RejectsExport(RejectExport { query, reason: "complaint".to_owned() })
}

impl Bench {
    async fn of(&self, peer: Peer, request: Request) -> Response {
        self.office.handle(request, peer).await
    }

    /// What has to be approved of first.
    async fn waits(&self, peer: Peer, request: Request) -> ApprovalShown {
        let answer = self.of(peer, request).await;
        let Response::Oversight(OversightAnswer::Pending(it)) = answer else {
            panic!("{answer:?}")
        };
        *it
    }

    async fn refused(&self, peer: Peer, request: Request) -> String {
        let answer = self.of(peer, request).await;
        let Response::Failed(failure) = answer else { panic!("{answer:?}") };
        failure.code
    }

    async fn approve(&self, peer: Peer, number: u64) -> Result<ApprovalShown, String> {
        self.decided(peer, OversightRequest::Approve { number }).await
    }

    async fn decided(&self, peer: Peer, said: OversightRequest) -> Result<ApprovalShown, String> {
        let answer = self.of(peer, Request::Oversight(said)).await;
        if let Response::Failed(failure) = &answer {
            return Err(failure.code.clone());
        }
        let Response::Oversight(OversightAnswer::Decided(it)) = answer else {
            panic!("{answer:?}")
        };
        Ok(*it)
    }

    async fn jobs_made(&self) -> usize {
        self.ledger().jobs(100).await.unwrap().len()
    }

    /// The outcomes of acts of this name, oldest first.
    async fn outcomes(&self, name: &str) -> Vec<String> {
        let acts = self.ledger().acts(1_000).await.unwrap();
        let found = acts.into_iter().rev().filter(|act| act.name == name);
        found.map(|act| act.outcome.unwrap_or_default()).collect()
    }
}

#[tokio::test]
async fn a_bulk_withdrawal_is_done_once_another_person_approved_of_it() {
    let bench = bench(BOTH).await;
    let asked = bench.waits(LI, withdraw("k")).await;
    assert_eq!((asked.state.as_str(), asked.act.as_str()), ("pending", "resync"));
    assert_eq!(bench.jobs_made().await, 0);
    // Asked again it is the same; another key is another request.
    assert_eq!(bench.waits(LI, withdraw("k")).await.number, asked.number);
    assert_ne!(bench.waits(LI, withdraw("other")).await.number, asked.number);
    assert_eq!(bench.approve(LI, asked.number).await, Err("E-CONTROL-ROLE".to_owned()));
    let done = bench.approve(WANG, asked.number).await.unwrap();
    assert_eq!((done.state.as_str(), done.decided_by.as_deref()), ("done", Some("wang")));
    assert_eq!(bench.jobs_made().await, 1);
    let job = bench.ledger().jobs(1).await.unwrap().swap_remove(0);
    assert!(job.asked_by.contains("uid 1001"), "{}", job.asked_by);
    assert_eq!(bench.approve(WANG, asked.number).await, Err("E-APPROVAL-OVER".to_owned()));
    assert_eq!(bench.approve(WANG, 99).await, Err("E-NO-SUCH-APPROVAL".to_owned()));
    // What asks for no deletion in bulk needs nobody.
    let mut plain = withdraw("plain");
    if let Request::Resync(it) = &mut plain {
        it.approve_deletions = false;
    }
    assert!(matches!(bench.of(LI, plain).await, Response::Accepted(_)));
    // All of it stands in the chain: asked twice, done by li, approved of by wang.
    let said = bench.outcomes("resync").await;
    assert!(said[0].starts_with("waits for approval 1 (") && said[0].contains(&asked.digest));
    assert_eq!(said[3..], ["done".to_owned(), "done".to_owned()]);
    assert_eq!(
        bench.outcomes("approvals_approve").await,
        ["refused E-CONTROL-ROLE", "done", "failed E-APPROVAL-OVER", "failed E-NO-SUCH-APPROVAL"]
    );
    let acts = bench.ledger().acts(100).await.unwrap();
    let act = acts.iter().rev().filter(|act| act.name == "resync").nth(3).unwrap();
    assert_eq!((act.actor.uid, act.person.as_str()), (Some(1001), "li"));
    assert!(act.detail.starts_with("approval 1 by wang (1002): "), "{}", act.detail);
    assert_eq!(bench.ledger().acts_proven().await.unwrap().1, Vec::<String>::new());
}

#[tokio::test]
async fn nobody_approves_of_what_they_asked_for_not_even_with_both_roles() {
    let bench = bench(BOTH).await;
    let asked = bench.waits(SUN, withdraw("k")).await;
    assert_eq!(bench.approve(SUN, asked.number).await, Err("E-APPROVAL-OWN".to_owned()));
    let root = Peer { uid: 0, gid: 0, pid: None };
    let of_root = bench.waits(root, withdraw("r")).await;
    assert_eq!(bench.approve(root, of_root.number).await, Err("E-APPROVAL-OWN".to_owned()));
    assert_eq!(bench.jobs_made().await, 0);
    assert_eq!(bench.approve(SUN, of_root.number).await.unwrap().state, "done");
}

#[tokio::test]
async fn what_was_declined_or_waited_too_long_or_is_another_is_never_done() {
    let bench = bench(BOTH).await;
    let no = bench.waits(LI, withdraw("no")).await;
    let said = OversightRequest::Decline { number: no.number };
    assert_eq!(bench.decided(WANG, said).await.unwrap().state, "declined");
    assert_eq!(bench.approve(WANG, no.number).await, Err("E-APPROVAL-OVER".to_owned()));
    let late = bench.waits(LI, withdraw("late")).await;
    bench.clock.advance(Duration::from_hours(24));
    assert_eq!(bench.approve(WANG, late.number).await, Err("E-APPROVAL-OVER".to_owned()));
    assert_eq!(bench.outcomes("approval_expired").await, ["expired"]);
    // Somebody writes another request into the ledger.
    let bent = bench.waits(LI, withdraw("bent")).await;
    let path = bench._folder.path().join("ledger/ledger.sqlite");
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute("UPDATE approval SET request = replace(request, 'bent', 'more')", [])
        .unwrap();
    let it = bench.approve(WANG, bent.number).await.unwrap();
    assert_eq!(it.outcome.as_deref(), Some("failed E-APPROVAL-CHANGED"));
    // Who asked is no operator any more.
    let left = bench.waits(LI, withdraw("left")).await;
    bench.rewrite("group", "li,sun", "sun");
    let it = bench.approve(WANG, left.number).await.unwrap();
    assert_eq!(
        (it.state.as_str(), it.outcome.as_deref()),
        ("failed", Some("failed E-CONTROL-ROLE"))
    );
    assert_eq!(bench.jobs_made().await, 0);
}

#[tokio::test]
async fn what_was_approved_of_before_a_crash_is_done_after_it_and_once() {
    let bench = bench(BOTH).await;
    let asked = bench.waits(LI, withdraw("k")).await;
    let wang = (Actor { uid: Some(1002), ..Actor::default() }, "wang".to_owned());
    let decided = bench.ledger().approval_decided(asked.number, wang, true).await.unwrap();
    assert!(matches!(decided, Decided::Now(_)));
    assert_eq!(bench.jobs_made().await, 0, "the process ended here");
    // It was approved of in time, so that it is done however long the process was away.
    bench.clock.advance(Duration::from_hours(240));
    bench.office.approved_done().await.unwrap();
    assert_eq!(bench.jobs_made().await, 1);
    // It ended after the job and before that was noted.
    let path = bench._folder.path().join("ledger/ledger.sqlite");
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute("UPDATE approval SET state = 'approved'", []).unwrap();
    bench.office.approved_done().await.unwrap();
    bench.office.approved_done().await.unwrap();
    assert_eq!(bench.jobs_made().await, 1);
    assert_eq!(bench.ledger().approvals(true, 9).await.unwrap()[0].state.as_str(), "done");
}

#[tokio::test]
async fn an_original_is_shown_once_to_whom_it_was_approved_for() {
    let bench = bench(BOTH).await;
    bench.catalogue().await;
    bench.observe("d-one", 1).await;
    let asked = bench.waits(LI, look(1)).await;
    assert_eq!(bench.waits(LI, look(1)).await.number, asked.number, "not before a yes");
    bench.approve(WANG, asked.number).await.unwrap();
    // Neither for somebody else, nor another one, nor for another reason.
    assert_ne!(bench.waits(SUN, look(1)).await.number, asked.number);
    assert_ne!(bench.waits(LI, look(2)).await.number, asked.number);
    let Response::Reject(it) = bench.of(LI, look(1)).await else { panic!() };
    assert_eq!(it.key, SECRET);
    assert_ne!(bench.waits(LI, look(1)).await.number, asked.number, "once");
    // An approval that nobody used in time is over.
    let late = bench.waits(LI, look(1)).await;
    bench.approve(WANG, late.number).await.unwrap();
    bench.clock.advance(Duration::from_hours(24));
    assert_ne!(bench.waits(LI, look(1)).await.number, late.number);
}

#[tokio::test]
async fn an_export_is_approved_of_as_a_whole_and_read_once_page_by_page() {
    let bench = bench(BOTH).await;
    bench.catalogue().await;
    bench.observe("d-one", 1).await;
    bench.observe("d-two", 1).await;
    let asked = bench.waits(LI, export(None)).await;
    assert_eq!(bench.refused(LI, export(Some("1".to_owned()))).await, "E-PAGE");
    bench.approve(WANG, asked.number).await.unwrap();
    let mut seen = 0;
    let mut after = None;
    loop {
        let Response::Originals(page) = bench.of(LI, export(after.clone())).await else { panic!() };
        seen += page.entries.len();
        // No page twice.
        if after.is_some() {
            assert_eq!(bench.refused(LI, export(after)).await, "E-PAGE");
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 2);
    bench.waits(LI, export(None)).await;
}

#[tokio::test]
async fn only_so_much_waits_and_nobody_sees_an_original_by_listing_it() {
    let bench = bench(BOTH).await;
    for at in 0..100 {
        bench.waits(LI, withdraw(&format!("k{at}"))).await;
    }
    assert_eq!(bench.refused(LI, withdraw("one more")).await, "E-APPROVAL-FULL");
    let list = Request::Oversight(OversightRequest::Approvals { all: false });
    let Response::Oversight(OversightAnswer::Approvals(all)) = bench.of(WANG, list).await else {
        panic!()
    };
    assert_eq!(all.len(), 100);
    assert!(all.iter().all(|it| it.waits && DigestSha256::parse(&it.digest).is_some()));
}

const EXEMPTIONS: &str = "entry,measure,from,until,reason,approval\n\
    e,*,2026-11-01,,国垂系统,阅〔2026〕1 号\nf,*,2026-11-01,,国垂系统,阅〔2026〕1 号\n";

#[tokio::test]
async fn exemptions_count_once_another_person_approved_of_them() {
    let text = terms::indicator() + "\n[control]\ntwo_people = [\"exempt\"]\n";
    let bench = Bench::start_beside(&text, |folder| {
        std::fs::create_dir(folder.join("lists")).unwrap();
        std::fs::write(folder.join("lists/exemptions.csv"), EXEMPTIONS).unwrap();
    })
    .await;
    // The daemon found both by itself.
    let counted = async || {
        let path = bench._folder.path().join("cascaded.toml");
        let read = Configuration::load(&path).unwrap();
        let written = read.indicator.clone().unwrap();
        let (read, _) = crate::app::cutover::in_force(read, bench.ledger()).await.unwrap();
        let by = read.indicator.unwrap();
        let text = by.texts["lists/exemptions.csv"].to_string();
        let again = crate::indicator::lists::exemptions("e.csv", &text).unwrap();
        assert_eq!(again, by.lists.exemptions, "a closed month is judged by the same");
        assert_eq!(written.digest == by.digest, written.lists == by.lists);
        by.lists.exemptions.iter().map(|it| it.entry.clone()).collect::<Vec<_>>()
    };
    assert_eq!(counted().await, Vec::<String>::new());
    let waiting = bench.ledger().approvals(true, 9).await.unwrap();
    assert_eq!(waiting.len(), 1, "however often they are read");
    assert_eq!((waiting[0].guard.as_str(), waiting[0].actor.uid), ("exempt", None));
    assert_eq!(waiting[0].detail, "2 exemptions: e f");
    assert!(bench.outcomes("exemptions").await[0].starts_with("waits for approval 1 ("));
    let done = bench.approve(WANG, waiting[0].number).await.unwrap();
    assert_eq!(done.state, "done");
    assert_eq!(counted().await, ["e", "f"]);
    // Another line waits alone; whoever has it read does not approve of it.
    bench.rewrite("lists/exemptions.csv", "f,*,2026-11-01", "f,*,2026-10-01");
    let reload = ledger::NewAct {
        actor: Actor { uid: Some(1001), ..Actor::default() },
        name: "reload".to_owned(),
        ..ledger::NewAct::default()
    };
    bench.ledger().act_recorded(reload).await.unwrap();
    assert_eq!(counted().await, ["e"]);
    let waiting = bench.ledger().approvals(false, 9).await.unwrap().swap_remove(0);
    assert_eq!(bench.approve(LI, waiting.number).await, Err("E-APPROVAL-OWN".to_owned()));
    // What was declined is not asked for again.
    let said = OversightRequest::Decline { number: waiting.number };
    bench.decided(WANG, said).await.unwrap();
    assert_eq!(counted().await, ["e"]);
    assert_eq!(bench.ledger().approvals(true, 9).await.unwrap().len(), 2);
}
