//! What is taken, what is refused, and what is said of it later.

use std::io::Write as _;
use std::time::Duration;

use super::{Scene, ask_verdicts, batch, client, entry, lines_batch, organ, read, x};

#[tokio::test]
async fn a_signed_message_is_taken_and_named() {
    let scene = Scene::new().await;
    let said = scene.send("/o", &organ("o1")).await;
    assert_eq!((said.status, said.code().as_str()), (200, "OK"));
    let again = scene.send("/o", &organ("o1")).await;
    assert_eq!((again.code().as_str(), again.text("A/U")), ("HAVE", said.text("A/U")));
    let objects = scene.platform.objects().unwrap();
    assert_eq!(objects.len(), 1);
    assert_eq!((objects[0].local_id.as_str(), &objects[0].upper_id), ("o1", &said.text("A/U")));
    assert_eq!(scene.platform.standard(), "invented/1");
}

#[tokio::test]
async fn who_does_not_prove_himself_now_and_for_the_first_time_is_not_believed() {
    let scene = Scene::new().await;
    let body = organ("o1").into_bytes();
    let now = scene.clock.now();
    let code = async |request: reqwest::RequestBuilder| {
        read(request.send().await.unwrap()).await.unwrap().code()
    };
    let spoiled = scene.request("/o", body.clone()).header("X-Proof", "00");
    assert_eq!(code(spoiled).await, "WHO", "two proofs");
    let other = scene.request("/o", body.clone()).body(organ("o2"));
    assert_eq!(code(other).await, "WHO", "another body than was signed");
    let late = now.checked_sub(jiff::SignedDuration::from_secs(301)).unwrap();
    assert_eq!(code(scene.request_as("/o", body.clone(), "late", late)).await, "WHO");
    let edge = now.checked_sub(jiff::SignedDuration::from_secs(299)).unwrap();
    assert_eq!(code(scene.request_as("/o", body.clone(), "edge", edge)).await, "OK");
    assert_eq!(code(scene.request_as("/o", body, "edge", now)).await, "WHO", "a replay");
    assert_eq!(scene.platform.objects().unwrap().len(), 1);
    let nobody = client(&scene.certificates, false);
    assert!(nobody.post(scene.platform.url()).send().await.is_err(), "no client certificate");
}

#[tokio::test]
async fn every_rule_of_the_tables_is_judged() {
    let scene = Scene::new().await;
    let organ_id = scene.send("/o", &organ("o1")).await.text("A/U");
    let good = entry("e1", &organ_id);
    for (body, path, finding) in [
        (x("<O n=\"1\"></O>"), "/o", "O/T: is required"),
        (x("<O n=\"1\"><T>longer</T></O>"), "/o", "O/T: has 6 characters"),
        (x("<O n=\"1\"><T>a</T><T>b</T></O>"), "/o", "more than once"),
        (x("<O n=\"1\"><T>a</T><X/></O>"), "/o", "/O/X: stands in no table"),
        ("<O n=\"1\"><T>a</T></O>".to_owned(), "/o", "is required"),
        (good.replace("<S>1</S>", "<S>9</S>"), "/e", "E/S: is in no code list"),
        (good.replace("<S>1</S>", "<S>2</S>"), "/e", "E/W: is required"),
        (good.replace("</S>", "</S><W>w</W>"), "/e", "E/W: must not be given"),
        (good.replace("<C>a</C>", "<C/>"), "/e", "E/I[]/C: is required"),
        (good.replace("<I><C>a</C></I>", ""), "/e", "E/I[]: is required"),
        (entry("e1", "nobody"), "/e", "E/P: no organisation"),
        ("<!DOCTYPE O><O/>".to_owned(), "/o", "DTD"),
    ] {
        let said = scene.send(path, &body).await;
        assert_eq!(said.code(), "NO-001", "{body}");
        assert!(said.text("A/M").contains(finding), "{finding}: {said:?}");
    }
    assert_eq!(scene.send("/e", &good).await.code(), "OK");
}

#[tokio::test]
async fn an_entry_is_reviewed_before_it_is_published() {
    let scene = Scene::new().await;
    let organ = scene.send("/o", &organ("o1")).await.text("A/U");
    let said = scene.send("/e", &entry("e1", &organ)).await;
    assert_eq!(said.text("A/S"), "R");
    let ask = x(&format!("<S><K>E</K><U>{}</U></S>", said.text("A/U")));
    assert_eq!(scene.send("/state", &ask).await.text("A/S"), "R");
    scene.clock.advance(Duration::from_secs(3_601));
    assert_eq!(scene.send("/state", &ask).await.text("A/S"), "P");
    let drop = x(&format!("<S><K>O</K><U>{organ}</U></S>"));
    assert_eq!(scene.send("/o/drop", &drop).await.code(), "NO-001", "an entry hangs on it");
    let unknown = x("<S><K>E</K><U>nothing</U></S>");
    assert_eq!(scene.send("/state", &unknown).await.code(), "NONE");
}

#[tokio::test]
async fn rows_are_kept_by_key_and_judged_later() {
    let scene = Scene::new().await;
    let first = batch("b1", &[("k1", "x"), ("k2", ""), ("k3", "&lt;z")]);
    assert!(scene.send("/rows", &first).await.text("A/M").contains("not registered"));
    scene.mount().await;
    let said = scene.send("/rows", &first).await;
    assert_eq!((said.code().as_str(), said.text("A/R/N").as_str()), ("OK", "3"));
    let content = scene.platform.content("d1").unwrap();
    assert_eq!(content.keys().collect::<Vec<_>>(), ["k1", "k3"], "k2 lacks what is required");
    assert_eq!(content["k3"]["a"].as_deref(), Some("<z"));
    assert!(scene.send("/verdict", &ask_verdicts("b1", 1)).await.texts("A/V/L[]/@k").is_empty());
    scene.clock.advance(Duration::from_secs(61));
    let page = scene.send("/verdict", &ask_verdicts("b1", 1)).await;
    assert_eq!(page.texts("A/V/L[]/S"), ["Y", "N"]);
    assert_eq!(
        (page.text("A/V/L[]/W"), page.text("A/Next")),
        ("a: is required".into(), "2".into())
    );
    let page = scene.send("/verdict", &ask_verdicts("b1", 2)).await;
    assert_eq!((page.texts("A/V/L[]/@k"), page.text("A/Next")), (vec!["k3".into()], String::new()));
    let gone = lines_batch("b2", "drop", 1, "<Gone k=\"k1\"/>");
    assert_eq!(scene.send("/rows", &gone).await.code(), "OK");
    assert_eq!(scene.platform.count("d1").unwrap(), 1);
}

#[tokio::test]
async fn a_replay_changes_nothing_and_another_payload_is_caught() {
    let scene = Scene::new().await;
    scene.mount().await;
    let receipt = scene.send("/rows", &batch("b1", &[("k1", "x")])).await.text("A/R/@id");
    scene.send("/rows", &batch("b2", &[("k1", "newer")])).await;
    // What each attempt says anew is not the payload.
    let attempt = batch("b1", &[("k1", "x")]).replace("<Lines>", "<At>later</At><Lines>");
    let again = scene.send("/rows", &attempt).await;
    assert_eq!((again.code(), again.text("A/R/@id")), ("OK".to_owned(), receipt));
    assert_eq!(scene.platform.content("d1").unwrap()["k1"]["a"].as_deref(), Some("newer"));
    assert_eq!(scene.platform.times_received().unwrap()["b1"], 2);
    assert_eq!(scene.platform.payloads().unwrap()["b1"].len(), 1);
    let other = scene.send("/rows", &batch("b1", &[("k1", "y")])).await;
    assert!(other.text("A/M").contains("another payload"));
    assert_eq!(scene.platform.payloads().unwrap()["b1"].len(), 2);
    let ask = |id: &str| x(&format!("<Q><B>{id}</B></Q>"));
    assert_eq!(scene.send("/receipt", &ask("b1")).await.code(), "OK");
    assert_eq!(scene.send("/receipt", &ask("b9")).await.code(), "NONE");
}

#[tokio::test]
async fn a_batch_that_is_not_what_it_says_is_refused() {
    let scene = Scene::new().await;
    scene.mount().await;
    let rows = [("k1", "x"), ("k2", "y")];
    for (body, finding) in [
        (batch("b", &[("1", "a"), ("2", "a"), ("3", "a"), ("4", "a")]), "more rows"),
        (batch("b", &rows).replace("<N>2", "<N>3"), "another number of rows"),
        (batch("b", &rows).replace("<a>x", "<a>z"), "digest"),
        (batch("b", &[("k", "x"), ("k", "y")]), "twice"),
        (batch("b", &[("", "x")]), "no key"),
        (batch("b", &[("k", &"x".repeat(70_000))]), "larger"),
        (lines_batch("b", "put", 0, ""), "no rows"),
    ] {
        let said = scene.send("/rows", &body).await;
        assert!(said.text("A/M").contains(finding), "{finding}: {said:?}");
    }
    assert!(scene.platform.content("d1").unwrap().is_empty());
    assert_eq!(scene.platform.deliveries().unwrap().len(), 3 + 7);
}

#[tokio::test]
async fn compressed_bodies_are_opened_within_bounds() {
    let scene = Scene::with(|settings| settings.max_body_bytes = 10_000).await;
    scene.mount().await;
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zipped = gzip(&batch("b1", &[("k1", "x")]));
    let zstd = zstd::encode_all(batch("b2", &[("k2", "x")]).as_bytes(), 1).unwrap();
    let bomb = gzip(&" ".repeat(10_001));
    for (body, how, code) in
        [(zipped, "gzip", "OK"), (zstd, "zstd", "OK"), (bomb, "gzip", "NO-001")]
    {
        let request = scene.request("/rows", body).header("content-encoding", how);
        assert_eq!(read(request.send().await.unwrap()).await.unwrap().code(), code);
    }
    assert_eq!(scene.platform.count("d1").unwrap(), 2);
}

#[tokio::test]
async fn the_inventory_tells_what_is_held_in_parts() {
    let scene = Scene::new().await;
    scene.mount().await;
    scene.send("/rows", &batch("b1", &[("k1", "x"), ("k2", "y"), ("k3", "x")])).await;
    let sets = scene.send("/have/sets", &x("<H><P>1</P></H>")).await;
    assert_eq!((sets.text("A/H/I[]/@k"), sets.text("A/H/I[]/@n")), ("d1".into(), "3".into()));
    let ask = |page: u32| x(&format!("<K><D>d1</D><P>{page}</P></K>"));
    let first = scene.send("/have/keys", &ask(1)).await;
    assert_eq!(first.texts("A/H/I[]/@k"), ["k1", "k2"]);
    assert_eq!((first.text("A/Next"), first.text("A/Total")), ("2".into(), "3".into()));
    let second = scene.send("/have/keys", &ask(2)).await;
    assert_eq!((second.texts("A/H/I[]/@k"), second.text("A/Next")), (vec!["k3".into()], "".into()));
    let digest = |said: &super::Said, at: usize| said.texts("A/H/I[]/@d")[at].clone();
    assert_ne!(digest(&first, 0), digest(&first, 1));
    assert_eq!(digest(&first, 0), digest(&second, 0), "equal rows have equal digests");
    let mut upper_ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = scene.send("/have/objects", &x(&format!("<H><C>{cursor}</C></H>"))).await;
        upper_ids.extend(page.texts("A/H/I[]/@u"));
        cursor = page.text("A/Next");
        if cursor.is_empty() {
            break;
        }
    }
    let held: Vec<String> =
        scene.platform.objects().unwrap().into_iter().map(|it| it.upper_id).collect();
    assert_eq!(upper_ids, held);
    assert_eq!(held.len(), 3);
}

#[tokio::test]
async fn what_was_taken_is_in_tables_that_people_can_read() {
    let scene = Scene::new().await;
    scene.mount().await;
    scene.send("/rows", &batch("b1", &[("k1", "x")])).await;
    let db = rusqlite::Connection::open(scene._folder.path().join("province.sqlite")).unwrap();
    let row: (String, String, String) = db
        .query_row("select _key, a, _batch from rows_d1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(row, ("k1".into(), "x".into(), "b1".into()));
}

#[tokio::test]
async fn the_message_of_an_object_is_a_batch_too() {
    let scene = Scene::new().await;
    let send = async |id: &str| {
        let request = scene.request("/o", organ(id).into_bytes()).header("X-Bundle", "b7");
        read(request.send().await.unwrap()).await.unwrap()
    };
    let first = send("o1").await;
    let again = send("o1").await;
    assert_eq!((again.code().as_str(), again.text("A/U")), ("OK", first.text("A/U")), "a replay");
    // The id is an attribute, and nothing else differs.
    assert!(send("o2").await.text("A/M").contains("another payload"));
    assert_eq!(scene.platform.payloads().unwrap()["b7"].len(), 2);
    assert_eq!(scene.send("/receipt", &x("<Q><B>b7</B></Q>")).await.code(), "OK");
    assert_eq!(scene.platform.objects().unwrap().len(), 1);
    assert_eq!(scene.platform.objects().unwrap()[0].times_said, 1);
}
