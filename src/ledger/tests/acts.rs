//! The chain of acts: whatever is changed in it shows, and what is let go of leaves it provable.

use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::ledger::{ActQuery, Actor, LEAST_DAYS, NewAct};

fn act(name: &str) -> NewAct {
    NewAct {
        actor: Actor { uid: Some(1001), gid: Some(100), pid: Some(7) },
        person: "li".to_owned(),
        role: "operator".to_owned(),
        name: name.to_owned(),
        detail: "reject 7: a complaint".to_owned(),
        outcome: None,
    }
}

fn proven(bench: &Bench, ledger: &Ledger) -> (u64, Vec<String>) {
    bench.run(ledger.acts_proven()).unwrap()
}

/// An act as the program before this one recorded it.
fn of_form_one(connection: &Connection) {
    let before: Vec<u8> = connection
        .query_row("SELECT value FROM meta WHERE name = 'act-head'", [], |row| row.get(0))
        .unwrap_or_else(|_none| DigestSha256::of(b"act-chain-1").0.to_vec());
    let at = 1_700_000_000_000_i64;
    let who = [7_i64, 8, 9].map(i64::to_be_bytes).concat();
    let digest = DigestSha256::of_parts([
        before.as_slice(),
        &at.to_be_bytes(),
        &who,
        &6_u64.to_be_bytes(),
        b"reload",
        b"x",
    ]);
    let values = rusqlite::params![at, digest.0];
    connection
        .execute(
            "INSERT INTO act (at, uid, gid, pid, name, detail, chain)
             VALUES (?1, 7, 8, 9, 'reload', 'x', ?2)",
            values,
        )
        .unwrap();
    connection
        .execute(
            "INSERT INTO meta (name, value) VALUES ('act-head', ?1)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [digest.0],
        )
        .unwrap();
}

#[test]
fn an_act_and_what_came_of_it_are_two_lines_of_one_chain() {
    let bench = Bench::new();
    let ledger = bench.open();
    drop(ledger);
    of_form_one(&Connection::open(bench.path().join("ledger.sqlite")).unwrap());
    let ledger = bench.open();
    let number = bench.run(ledger.act_recorded(act("reload"))).unwrap();
    let lost = bench.run(ledger.act_recorded(act("resync"))).unwrap();
    let ended = NewAct { outcome: Some("done".to_owned()), ..act("reload") };
    bench.run(ledger.act_ended(number, ended.clone())).unwrap();
    assert!(bench.run(ledger.act_ended(number, ended)).is_err(), "an act ends once");
    let acts = bench.run(ledger.acts(9)).unwrap();
    let told: Vec<_> = acts.iter().map(|it| (it.number, it.outcome.as_deref())).collect();
    assert_eq!(told, [(lost, None), (number, Some("done")), (1, None)]);
    assert_eq!(acts.iter().map(|it| it.person.as_str()).collect::<Vec<_>>(), ["li", "li", ""]);
    assert_eq!(proven(&bench, &ledger), (4, Vec::new()));
    // By time, and page by page.
    let later = ActQuery { from: Some(bench.clock.now()), limit: 9, ..ActQuery::default() };
    let (found, total) = bench.run(ledger.acts_of(later)).unwrap();
    assert_eq!((found.len(), total), (2, 2));
    let older = ActQuery { before: Some(lost), limit: 1, ..ActQuery::default() };
    let (found, total) = bench.run(ledger.acts_of(older)).unwrap();
    assert_eq!((found[0].number, total), (number, 2));
}

#[test]
fn whatever_is_changed_of_an_act_shows() {
    for bend in [
        "UPDATE act SET at = at + 1 WHERE id = 2",
        "UPDATE act SET uid = 0 WHERE id = 2",
        "UPDATE act SET gid = NULL WHERE id = 2",
        "UPDATE act SET pid = 8 WHERE id = 2",
        "UPDATE act SET name = 'status' WHERE id = 2",
        "UPDATE act SET detail = 'reject 8: a complaint' WHERE id = 2",
        "UPDATE act SET person = 'wang' WHERE id = 2",
        "UPDATE act SET person = 'lio', role = 'perator' WHERE id = 2",
        "UPDATE act SET role = 'reader' WHERE id = 2",
        "UPDATE act SET outcome = 'done' WHERE id = 2",
        "UPDATE act SET outcome = '' WHERE id = 2",
        "UPDATE act SET outcome = 'failed' WHERE id = 3",
        "UPDATE act SET about = 1 WHERE id = 3",
        "UPDATE act SET form = 1 WHERE id = 2",
        "DELETE FROM act WHERE id = 1",
        "DELETE FROM act WHERE id = 3",
        "DELETE FROM act",
        "INSERT INTO act (at, name, detail, chain) SELECT at, name, detail, chain FROM act",
    ] {
        let bench = Bench::new();
        let ledger = bench.open();
        for name in ["reload", "mode"] {
            bench.run(ledger.act_recorded(act(name))).unwrap();
        }
        let ended = NewAct { outcome: Some("done".to_owned()), ..act("mode") };
        bench.run(ledger.act_ended(2, ended)).unwrap();
        assert_eq!(proven(&bench, &ledger), (3, Vec::new()));
        let connection = Connection::open(bench.path().join("ledger.sqlite")).unwrap();
        connection.execute(bend, []).unwrap();
        assert_eq!(proven(&bench, &ledger).1.len(), 1, "{bend}");
    }
}

#[test]
fn acts_stay_six_months_whatever_is_asked_and_the_rest_is_proven_without_them() {
    let bench = Bench::new();
    let ledger = bench.open();
    for name in ["one", "two", "three"] {
        bench.run(ledger.act_recorded(act(name))).unwrap();
    }
    bench.clock.advance(Duration::from_hours(24 * 100));
    bench.run(ledger.act_recorded(act("four"))).unwrap();
    let let_go = |days, forwarded| bench.run(ledger.acts_let_go(days, forwarded)).unwrap();
    assert_eq!(let_go(1, false), 0, "a hundred days are less than six months");
    bench.clock.advance(Duration::from_hours(24 * (u64::from(LEAST_DAYS) - 100) + 1));
    assert_eq!(let_go(400, false), 0);
    assert_eq!(let_go(LEAST_DAYS, true), 0, "nobody has them yet");
    bench.run(ledger.acts_forwarded(2)).unwrap();
    assert_eq!(bench.run(ledger.acts_forwarded_until()).unwrap(), (2, 2));
    assert_eq!(let_go(LEAST_DAYS, true), 2);
    assert_eq!(let_go(1, false), 1);
    assert_eq!(let_go(1, false), 0);
    assert_eq!(proven(&bench, &ledger), (1, Vec::new()));
    let connection = Connection::open(bench.path().join("ledger.sqlite")).unwrap();
    connection.execute("DELETE FROM act", []).unwrap();
    assert_eq!(proven(&bench, &ledger).1, ["the newest acts are missing"]);
}

#[test]
fn a_reason_of_any_length_is_a_line_of_bounded_length() {
    let bench = Bench::new();
    let ledger = bench.open();
    let long = NewAct { detail: "群众来电反映".repeat(10_000), ..act("rejects_show") };
    bench.run(ledger.act_recorded(long)).unwrap();
    let acts = bench.run(ledger.acts(1)).unwrap();
    assert!(acts[0].detail.len() < 1_510 && acts[0].detail.ends_with('…'));
    assert_eq!(proven(&bench, &ledger), (1, Vec::new()));
}
