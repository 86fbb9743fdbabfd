//! Every fault, seen from the city's side and from the platform's.

use std::time::Duration;

use super::{Scene, ask_verdicts, batch, client, organ, x};
use crate::rehearsal::{Fault, Faults, Play, Script};

async fn mounted(play: Play) -> Scene {
    let scene = Scene::new().await;
    scene.mount().await;
    scene.platform.faults().play(play);
    scene
}

#[tokio::test]
async fn a_lost_answer_was_taken() {
    for fault in [Fault::LoseAnswer, Fault::CutBody] {
        let kind = fault.kind();
        let scene = mounted(Play::next("rows.upsert", 1, fault)).await;
        let body = batch("b1", &[("k1", "x")]);
        assert!(scene.try_send("/rows", &body).await.is_err(), "{kind}");
        assert_eq!(scene.platform.count("d1").unwrap(), 1, "{kind}");
        let ask = x("<Q><B>b1</B></Q>");
        let receipt = scene.send("/receipt", &ask).await.text("A/R/@id");
        assert_eq!(scene.send("/rows", &body).await.text("A/R/@id"), receipt);
        assert_eq!(scene.platform.faults().played(kind), 1);
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_with_the_patience_of_the_client() {
    for (fault, taken) in [(Fault::Silent, 0), (Fault::LoseAnswerSilently, 1)] {
        let scene = mounted(Play::next("rows.upsert", 1, fault)).await;
        let request = scene.request("/rows", batch("b1", &[("k1", "x")]).into_bytes());
        let error = request.timeout(Duration::from_millis(500)).send().await.unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(scene.platform.count("d1").unwrap(), taken);
    }
}

#[tokio::test]
async fn what_stands_in_the_way_takes_nothing() {
    let scene = Scene::new().await;
    let faults = scene.platform.faults();
    faults.play(Play::next("*", 1, Fault::Refuse { code: "NO-7".to_owned() }));
    faults.play(Play::next("*", 1, Fault::UnknownCode { code: "EH".to_owned() }));
    faults.play(Play::next("*", 1, Fault::ServerError { status: 503 }));
    faults.play(Play::next("*", 1, Fault::TooMany { retry_after: Duration::from_secs(7) }));
    assert_eq!(scene.send("/o", &organ("o1")).await.code(), "NO-7");
    assert_eq!(scene.send("/o", &organ("o1")).await.code(), "EH");
    assert_eq!(scene.send("/o", &organ("o1")).await.status, 503);
    let busy = scene.request("/o", organ("o1").into_bytes()).send().await.unwrap();
    assert_eq!(busy.status().as_u16(), 429);
    assert_eq!(busy.headers()["retry-after"], "7");
    assert!(scene.platform.objects().unwrap().is_empty());
    assert_eq!(faults.all_played().len(), 4);
    assert_eq!(scene.send("/o", &organ("o1")).await.code(), "OK");
}

#[tokio::test]
async fn a_held_answer_goes_when_it_is_released() {
    let scene = mounted(Play::next("rows.upsert", 1, Fault::Hold)).await;
    let body = batch("b1", &[("k1", "x")]);
    let send = scene.send("/rows", &body);
    tokio::pin!(send);
    while scene.platform.faults().held() == 0 {
        tokio::select! {
            _ = &mut send => panic!("it was not held"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(scene.platform.count("d1").unwrap(), 1, "taken before it is said");
    scene.platform.faults().release();
    assert_eq!(send.await.code(), "OK");
}

#[tokio::test]
async fn a_slow_answer_comes_byte_by_byte() {
    let per_byte = Duration::from_secs(1);
    let scene = mounted(Play::next("heartbeat", 1, Fault::Slow { per_byte })).await;
    let before = scene.clock.now();
    let body =
        x("<T/>").replace("/ xmlns=\"urn:test:invented\">", " xmlns=\"urn:test:invented\"/>");
    let send = scene.send("/beat", &body);
    tokio::pin!(send);
    let said = loop {
        tokio::select! {
            said = &mut send => break said,
            () = tokio::task::yield_now() => {
                // Before it is taken, the clock must not leave the signature behind.
                if scene.platform.faults().played("slow") > 0 {
                    scene.clock.advance(per_byte);
                }
            }
        }
    };
    assert_eq!(said.code(), "OK");
    let passed = scene.clock.now().duration_since(before).as_secs();
    assert!(passed >= 50, "{passed} s for an answer of more than 50 bytes");
}

#[tokio::test]
async fn verdicts_come_twice_late_and_against_themselves() {
    let scene = mounted(Play::next("rows.verdict", 1, Fault::DuplicateVerdicts)).await;
    let faults = scene.platform.faults();
    let late = Fault::LateVerdicts { by: Duration::from_secs(600) };
    faults.play(Play { skip: 1, ..Play::next("rows.upsert", 1, late) });
    let after = Duration::from_secs(600);
    faults.play(Play {
        skip: 1,
        ..Play::next("rows.upsert", 1, Fault::ContradictVerdicts { after })
    });
    for id in ["b1", "b2", "b3"] {
        let key = id.replace('b', "k");
        assert_eq!(scene.send("/rows", &batch(id, &[(&key, "x")])).await.code(), "OK");
    }
    scene.clock.advance(Duration::from_secs(61));
    let verdicts =
        async |id: &str| scene.send("/verdict", &ask_verdicts(id, 1)).await.texts("A/V/L[]/S");
    assert_eq!(verdicts("b1").await, ["Y", "Y"], "twice");
    assert_eq!(verdicts("b1").await, ["Y"]);
    assert_eq!(verdicts("b2").await, Vec::<String>::new(), "late");
    assert_eq!(verdicts("b3").await, ["Y"]);
    assert_eq!(scene.platform.count("d1").unwrap(), 3);
    scene.clock.advance(Duration::from_secs(600));
    assert_eq!(verdicts("b2").await, ["Y"]);
    assert_eq!(verdicts("b3").await, ["Y", "N"], "against itself");
    let content = scene.platform.content("d1").unwrap();
    assert_eq!(content.keys().collect::<Vec<_>>(), ["k1", "k2"], "the revoked row is out");
}

#[tokio::test]
async fn a_receipt_may_be_a_lie() {
    let scene = mounted(Play::next("rows.upsert", 1, Fault::ReceiptWithoutStoring)).await;
    let said = scene.send("/rows", &batch("b1", &[("k1", "x")])).await;
    assert_eq!((said.code().as_str(), said.text("A/R/@id").is_empty()), ("OK", false));
    assert_eq!(scene.platform.count("d1").unwrap(), 0);
    assert_eq!(scene.send("/receipt", &x("<Q><B>b1</B></Q>")).await.code(), "NONE");
}

#[tokio::test]
async fn a_reply_may_hold_a_field_nobody_announced() {
    let fault = Fault::UnknownField { name: "Surprise".to_owned() };
    let scene = mounted(Play::next("rows.upsert", 1, fault)).await;
    let said = scene.send("/rows", &batch("b1", &[("k1", "x")])).await;
    assert_eq!((said.code().as_str(), said.text("A/Surprise").as_str()), ("OK", "1"));
}

#[tokio::test]
async fn yesterday_comes_back_but_the_record_of_deliveries_stays() {
    let scene = Scene::new().await;
    scene.mount().await;
    scene.send("/rows", &batch("b1", &[("k1", "old")])).await;
    scene.platform.snapshot().unwrap();
    scene.send("/rows", &batch("b2", &[("k1", "new"), ("k2", "new")])).await;
    scene.platform.restore().unwrap();
    let content = scene.platform.content("d1").unwrap();
    assert_eq!(content.len(), 1);
    assert_eq!(content["k1"]["a"].as_deref(), Some("old"));
    assert_eq!(scene.send("/receipt", &x("<Q><B>b2</B></Q>")).await.code(), "NONE");
    assert_eq!(scene.platform.times_received().unwrap()["b2"], 1);
    assert_eq!(
        scene.send("/rows", &batch("b2", &[("k1", "new"), ("k2", "new")])).await.code(),
        "OK"
    );
    assert_eq!(scene.platform.count("d1").unwrap(), 2);
}

#[tokio::test]
async fn nobody_listens_in_an_outage_and_the_same_port_comes_back() {
    let scene = Scene::new().await;
    let address = scene.platform.address();
    scene.platform.faults().begin_outage();
    // The listener's task closes the port; until it ran, a connection may still be queued.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(scene.try_send("/o", &organ("o1")).await.unwrap_err().is_connect());
    scene.platform.faults().end_outage();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.send("/o", &organ("o1")).await.code(), "OK");
    assert_eq!(scene.platform.faults().played(Faults::OUTAGE), 1);
    scene.platform.stop();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_wrong_certificate_is_not_trusted() {
    let scene = Scene::new().await;
    scene.platform.faults().wrong_certificate(1);
    assert!(scene.try_send("/o", &organ("o1")).await.unwrap_err().is_connect());
    assert_eq!(scene.send("/o", &organ("o1")).await.code(), "OK");
    assert_eq!(scene.platform.faults().played(Faults::WRONG_CERTIFICATE), 1);
    let open = Scene::with(|settings| settings.client_authority = None).await;
    let nobody = client(&open.certificates, false);
    let answer = nobody.get(open.platform.url()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404, "no client certificate is demanded");
}

#[tokio::test]
async fn the_events_of_a_script_happen_in_their_time() {
    let scene = Scene::new().await;
    let script = "[[event]]\nafter = '5m'\ndo = 'snapshot'\n[[event]]\nafter = '10m'\ndo = 'restore'\n\
                  [[play]]\noperation = 'heartbeat'\nfault = 'refuse'\ncode = 'NO-3'\n";
    let script = Script::parse(script).unwrap();
    script.perform(&scene.platform, &scene.clock, &scene._supervisor);
    assert_eq!(scene.send("/beat", "<T xmlns=\"urn:test:invented\"/>").await.code(), "NO-3");
    scene.send("/o", &organ("o1")).await;
    scene.clock.advance(Duration::from_secs(301));
    tokio::task::yield_now().await;
    scene.send("/o", &organ("o2")).await;
    assert_eq!(scene.platform.objects().unwrap().len(), 2);
    scene.clock.advance(Duration::from_secs(300));
    tokio::task::yield_now().await;
    assert_eq!(scene.platform.objects().unwrap().len(), 1);
}
