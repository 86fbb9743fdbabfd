//! Signers outside the process: a real command, a small server, and what goes wrong with both.

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use cascaded::province::{Error, Settings, SignerSettings};
use cascaded::signing::{Algorithm, DEFAULT_IDENTITY, Encoding, Form, Key, Secret, sign};

use super::played::{Scene, beat, outside, said, sm2_over_everything};

/// Settings as an operator writes them.
fn signer(text: &str) -> SignerSettings {
    let text = format!("url = \"https://x\"\n[signers.private]\n{text}");
    let settings: Settings = toml::from_str(&text).unwrap();
    settings.signers.get("private").unwrap().clone()
}

fn refusal(scene: &Scene, text: &str) -> String {
    match scene.client(outside(scene, "private", signer(text))) {
        Ok(_) => "none".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A scene whose key only `openssl` has; `None` without it.
async fn scene() -> Option<Scene> {
    let scene = Scene::new(&sm2_over_everything()).await;
    let has_pair = scene.path().join("private.pem").exists();
    if !has_pair {
        println!("not run, there is no openssl: signers outside the process");
    }
    has_pair.then_some(scene)
}

fn openssl(scene: &Scene) -> String {
    let found = ["/usr/bin/openssl", "/usr/local/bin/openssl", "/bin/openssl"];
    let program = found.into_iter().find(|path| std::path::Path::new(path).exists()).unwrap();
    let key = scene.path().join("private.pem");
    format!(
        "command = [\"{program}\", \"dgst\", \"-sm3\", \"-sign\", \"{}\", \"-sigopt\", \"distid:{DEFAULT_IDENTITY}\"]\n",
        key.display()
    )
}

#[tokio::test]
async fn a_command_signs_in_place_of_a_key() {
    let Some(scene) = scene().await else { return };
    let command = openssl(&scene);
    // It writes DER; the standard wants r and s, and gets them.
    let client = scene.client(outside(&scene, "private", signer(&command))).unwrap();
    let all = futures_util::future::join_all((0..6).map(|_| beat(&client))).await;
    assert!(all.iter().all(|reply| said(reply) == "accepted"), "{all:?}");
    // What a command is given may be the signer's alone.
    assert!(!format!("{client:?}").contains("distid"));
}

#[tokio::test]
async fn a_command_that_cannot_sign_sends_nothing_and_says_why() {
    let Some(scene) = scene().await else { return };
    for (text, code) in [
        ("command = [\"/no/such/program\"]", "signer-not-started"),
        ("command = [\"/bin/false\"]", "signer-failed"),
        ("command = [\"/bin/true\"]", "signer-answer-unusable"),
        ("command = [\"/bin/cat\", \"/dev/zero\"]", "signer-answer-unusable"),
        (
            "command = [\"/bin/echo\", \"no signature\"]\noutput = \"base64\"",
            "signer-answer-unusable",
        ),
        ("command = [\"/bin/sleep\", \"600\"]\ntimeout = \"200ms\"", "signer-timed-out"),
    ] {
        let client = scene.client(outside(&scene, "private", signer(text))).unwrap();
        let reply = beat(&client).await;
        assert_eq!(reply.reading.code, code, "{text}");
        assert_eq!((reply.status, reply.sent), (None, None), "{text}");
    }
    assert!(scene.platform.deliveries().unwrap().is_empty());
}

#[tokio::test]
async fn settings_that_make_no_signer_are_refused_with_their_reason() {
    let Some(scene) = scene().await else { return };
    for (text, reason) in [
        ("", "names a command or a url, and not both"),
        (
            "command = [\"/bin/true\"]\nurl = \"https://x\"",
            "names a command or a url, and not both",
        ),
        ("command = [\"openssl\"]", "not an absolute path"),
        ("url = \"http://sign.example/\"", "plain http is for this machine alone"),
        ("url = \"ftp://localhost/\"", "not the address of an HTTP server"),
        ("command = [\"/bin/true\"]\noutput = \"der\"", "output is unknown"),
    ] {
        let said = refusal(&scene, text);
        assert!(said.contains(reason) && said.starts_with("signers.private"), "{text}: {said}");
    }
    // A signer that nothing asks for is a mistake in a name.
    let mut settings = scene.settings();
    settings.signers.insert("privat".to_owned(), signer("command = [\"/bin/true\"]"));
    assert!(matches!(scene.client(settings), Err(Error::Signer { .. })));
}

#[tokio::test]
async fn an_address_signs_in_place_of_a_key() {
    let Some(scene) = scene().await else { return };
    let pem = Secret::new(std::fs::read(scene.path().join("private.pem")).unwrap());
    let sign_it = move |body: Bytes| async move {
        let key = Key::Pair { pem: &pem, identity: DEFAULT_IDENTITY, form: Form::Der };
        Encoding::Base64.encode(&sign(Algorithm::Sm2, key, [&body[..]]).unwrap())
    };
    let busy = || async { (StatusCode::SERVICE_UNAVAILABLE, "later") };
    let never = || async { std::future::pending::<()>().await };
    let huge = || async { "x".repeat(100_000) };
    let app = Router::new()
        .route("/sign", post(sign_it))
        .route("/busy", post(busy))
        .route("/never", post(never))
        .route("/huge", post(huge));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let work = async {
        for (path, timeout, expected) in [
            ("sign", "30s", "1"),
            ("busy", "30s", "signer-failed"),
            ("never", "500ms", "signer-timed-out"),
            ("huge", "30s", "signer-answer-unusable"),
        ] {
            let text = format!(
                "url = \"http://{address}/{path}\"\noutput = \"base64\"\ntimeout = \"{timeout}\""
            );
            let client = scene.client(outside(&scene, "private", signer(&text))).unwrap();
            assert_eq!(beat(&client).await.reading.code, expected, "{path}");
        }
    };
    tokio::select! {
        () = work => {}
        ended = axum::serve(listener, app).into_future() => panic!("{ended:?}"),
    }
}
