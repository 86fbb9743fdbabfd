//! Requests in the region's down-link tables become cases of the score, each once, whoever reads
//! them again; what is set right is set right with a trace, and nothing of them stands in clear.

use std::collections::BTreeSet;

use cascaded::catalogue::{Kind as ObjectKind, ObjectKey};
use cascaded::delivery::ChannelId;
use cascaded::fact::{Fact, Kind};
use cascaded::indicator::lists::{Lists, obligations};
use cascaded::indicator::measures::Figures;
use cascaded::indicator::scheme::Month;
use cascaded::indicator::tally::{Body, Span, Tally, amended};
use jiff::Timestamp;

use crate::inbox::Scene;
use crate::support::daemon::run;

/// Facts about cases, and about what came to be used, in their order.
async fn facts(scene: &Scene) -> Vec<Fact> {
    let facts = scene.daemon().ledger().facts(0, 100_000).await.unwrap();
    let of_cases = facts.into_iter().map(|(_, fact)| fact).filter(|fact| {
        matches!(fact.kind, Kind::CaseOpened { .. } | Kind::CaseClosed { .. } | Kind::Stated { .. })
    });
    of_cases.collect()
}

async fn count(scene: &Scene) -> [usize; 3] {
    let facts = facts(scene).await;
    let of = |is: fn(&Kind) -> bool| facts.iter().filter(|fact| is(&fact.kind)).count();
    [
        of(|it| matches!(it, Kind::CaseOpened { .. })),
        of(|it| matches!(it, Kind::CaseClosed { .. })),
        of(|it| matches!(it, Kind::Stated { .. })),
    ]
}

async fn until(scene: &Scene, what: &str, wanted: [usize; 3]) {
    scene.daemon().wake();
    scene.daemon().wait_until(what, || async { count(scene).await == wanted }).await;
}

/// March's figures from the ledger's facts.
async fn march(scene: &Scene, body: &Body) -> Figures {
    let table = "entry,resources,dataset,department,cycle,shared,open,key\n\
                 e-people,r-people,people,o1,每日,yes,no,no\n";
    let lists = Lists { obligations: obligations("o.csv", table).unwrap(), ..Lists::default() };
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let span = Span {
        from: at("2026-03-01T00:00:00+08:00"),
        to: at("2026-04-01T00:00:00+08:00"),
        day: jiff::civil::date(2026, 3, 31),
        month: Month::parse("2026-03").unwrap(),
        known_by: Timestamp::MAX,
    };
    let facts = facts(scene).await;
    let mut tally = Tally::new(&lists, span, &amended(&facts, Timestamp::MAX));
    facts.iter().for_each(|fact| tally.add(fact));
    tally.figures(body)
}

async fn timely(scene: &Scene, body: &Body) -> Option<(u64, u64)> {
    march(scene, body).await.get("request.timely_rate").and_then(|it| it.parts)
}

/// The province's id of the resource that is asked for, once it stands above.
async fn upper_id(scene: &Scene) -> String {
    let resource = ObjectKey { kind: ObjectKind::Resource, id: "r-people".to_owned() };
    let ledger = scene.daemon().ledger().clone();
    let link = || async {
        let link = ledger.link(ChannelId::from("province"), resource.clone()).await.unwrap();
        link.and_then(|link| link.upper_id)
    };
    let stands = || async { link().await.is_some() };
    scene.daemon().wait_until("the resource stands above", stands).await;
    link().await.unwrap()
}

/// Open; granted in time; open as well; about something that nobody knows.
async fn lay_four(scene: &Scene) {
    let upper = upper_id(scene).await;
    scene
        .act(&format!(
            "INSERT INTO resource_apply (apply_id, resourceid, apply_user, apply_date, \
             apply_status, operate_date, operate_type) VALUES \
             ('apply-0001', '{upper}', '赵六', '2026-03-02', '1', '2026-03-02 09:00:00', 'I'), \
             ('apply-0002', '{upper}', '赵六', '2026-03-02', '5', '2026-03-06 09:00:00', 'U'), \
             ('apply-0003', '{upper}', '赵六', '2026-03-02', '1', '2026-03-02 09:00:00', 'I'), \
             ('apply-0004', 'nobody', '赵六', '2026-03-02', '1', '2026-03-02 09:00:00', 'I')"
        ))
        .await;
    until(scene, "four are laid, one is closed and used", [4, 1, 1]).await;
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    for fact in facts(scene).await {
        if let Kind::CaseOpened { list, deadline, .. } = &fact.kind {
            // Ten working days after Monday the 2nd, to the end of the day.
            assert_eq!((list.as_str(), *deadline), ("requests", at("2026-03-17T00:00:00+08:00")));
            assert_eq!(fact.occurred, at("2026-03-02T00:00:00+08:00"));
        }
    }
    let used = facts(scene).await.into_iter().find(|it| matches!(it.kind, Kind::Stated { .. }));
    assert_eq!(used.unwrap().subject, "entry:e-people");
}

/// A row that does not say when it was laid is told and opens nothing.
async fn lay_one_without_a_date(scene: &Scene) {
    let before = count(scene).await;
    scene
        .act(
            "INSERT INTO resource_apply (apply_id, resourceid, apply_status, operate_date, \
             operate_type) VALUES ('apply-0005', 'nobody', '1', '2026-03-21 09:00:00', 'I')",
        )
        .await;
    let daemon = scene.daemon();
    daemon.wake();
    daemon
        .wait_until("drift is told", || async {
            let drift = daemon.ledger().drift().await.unwrap();
            drift.iter().any(|it| it.detail == "resource_apply.apply_date")
        })
        .await;
    assert_eq!(count(scene).await, before);
}

#[test]
fn applications_of_the_region_are_requests_with_deadlines_and_count_once() {
    run(async {
        let mut scene = Scene::new().await;
        let (city, department) = (Body::City, Body::Department("o1".to_owned()));
        lay_four(&scene).await;
        assert_eq!(timely(&scene, &city).await, Some((1, 4)));
        // What nobody knows is the city's alone.
        assert_eq!(timely(&scene, &department).await, Some((1, 3)));
        scene.restart().await;
        // Dealt with in time; and one that was said to be granted is not, in the same instant.
        scene
            .act(
                "UPDATE resource_apply SET apply_status = '5', operate_type = 'U', \
                 operate_date = '2026-03-10 09:00:00' WHERE apply_id = 'apply-0001'; \
                 UPDATE resource_apply SET apply_status = '1' WHERE apply_id = 'apply-0002'",
            )
            .await;
        until(&scene, "one is closed, one is open again", [5, 2, 2]).await;
        assert_eq!(timely(&scene, &department).await, Some((1, 3)));
        let told = facts(&scene).await;
        let amends: BTreeSet<_> = told.iter().filter_map(|it| it.amends.clone()).collect();
        let set_right: Vec<_> = told.iter().filter(|it| amends.contains(&it.id)).collect();
        assert_eq!(set_right.len(), 1);
        assert!(set_right.iter().all(|it| matches!(it.kind, Kind::CaseClosed { .. })));
        // Taken away in time, so that it waits for nobody; and refused too late.
        scene
            .act(
                "UPDATE resource_apply SET operate_type = 'D', operate_date = '2026-03-11 09:00:00' \
                 WHERE apply_id = 'apply-0004'; \
                 UPDATE resource_apply SET apply_status = '3', operate_type = 'U', \
                 operate_date = '2026-03-20 09:00:00' WHERE apply_id = 'apply-0003'",
            )
            .await;
        until(&scene, "two more are over", [5, 4, 2]).await;
        assert_eq!(timely(&scene, &city).await, Some((2, 4)));
        lay_one_without_a_date(&scene).await;
        for clear in ["赵六", "apply-000"] {
            assert!(!scene.holds(clear), "{clear} stands in the ledger");
        }
        scene.end().await;
    });
}
