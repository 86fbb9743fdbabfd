//! One message of a made-up standard, signed, let in and hidden in every way that a standard's
//! directory can say.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::delivery::Outcome;
use cascaded::province::{Client, Error, Reply, Settings, SignerSettings};
use cascaded::rehearsal::certificates::Certificates;
use cascaded::rehearsal::{self, Platform};
use cascaded::standard::{files, load};
use cascaded::supervisor::Supervisor;

use super::openssl::pair;

const MESSAGE: &str = "path,title,value,type,format,length,required,encrypt,clause,basis\n\
    name,名称,\"fixed \"\"中文 <&>\"\"\",text,,,yes,HIDE,1,model\n\
    deep.time,时间,attempt.time,time,%Y-%m-%d %H:%M:%S,,yes,,1,model\n\
    deep.key,授权码,credential.appkey,text,,,yes,,1,model\n\
    deep.proof,签名,attempt.signature,text,,,PROOF,,1,model\n";
const REPLY: &str = "path,title,meaning,type,codes,required,clause,basis\n\
    code,返回码,code,text,,yes,1,model\nmessage,信息,message,text,,no,1,model\n";

/// A platform that plays a standard with these sections, and what a channel to it needs.
pub(super) struct Scene {
    folder: tempfile::TempDir,
    certificates: Certificates,
    _above: Supervisor,
    pub(super) platform: Platform,
    pub(super) clock: Clock,
}

/// The credentials that both sides know; `private` is the city's alone.
const KNOWN: [(&str, &str); 7] = [
    ("appkey", "appkey-123"),
    ("secret", "a secret of ours"),
    ("user", "city"),
    ("password", "pass:word"),
    ("cipher", "0123456789abcdeffedcba9876543210"),
    ("sid.heartbeat", "SID-1"),
    ("sid.token", "SID-0"),
];

impl Scene {
    pub(super) async fn new(sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_standard(&folder.path().join("standard"), sections);
        let clock = Clock::manual("2026-11-22T08:00:00Z".parse().unwrap());
        let above = Supervisor::new(clock.clone(), 2);
        let certificates = Certificates::generate().unwrap();
        let mut settings = rehearsal::Settings::new(
            folder.path().join("standard"),
            certificates.server.clone(),
            certificates.stranger.clone(),
        );
        settings.credentials =
            KNOWN.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter().collect();
        if pair(folder.path()).is_some() {
            let public = std::fs::read_to_string(folder.path().join("public.pem")).unwrap();
            settings.credentials.insert("private".to_owned(), public);
        }
        let platform = Platform::start(settings, clock.clone(), &above).await.unwrap();
        Self { folder, certificates, _above: above, platform, clock }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(format!("{name}.secret"));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The city's way to the platform.
    pub(super) fn settings(&self) -> Settings {
        let ca = self.path().join("ca.pem");
        std::fs::write(&ca, &self.certificates.authority).unwrap();
        let mut credentials: BTreeMap<String, PathBuf> = KNOWN
            .iter()
            .map(|(name, text)| ((*name).to_owned(), self.secret(name, text)))
            .collect();
        if let Ok(text) = std::fs::read_to_string(self.path().join("private.pem")) {
            credentials.insert("private".to_owned(), self.secret("private", &text));
        }
        Settings { ca_file: Some(ca), credentials, ..Settings::new(self.platform.url()) }
    }

    pub(super) fn client(&self, settings: Settings) -> Result<Client, Error> {
        let standard = load(&files(&self.path().join("standard")).unwrap());
        let standard = standard.unwrap_or_else(|problems| panic!("{problems:#?}"));
        Client::new(settings, Arc::new(standard), self.clock.clone())
    }

    /// A client with this credential of another value.
    fn with(&self, name: &str, text: &str) -> Client {
        let mut settings = self.settings();
        settings.credentials.insert(name.to_owned(), self.secret("other", text));
        self.client(settings).unwrap()
    }
}

fn write_standard(folder: &Path, sections: &str) {
    let is_inside = sections.contains("into = \"body\"");
    let hide = if sections.contains("over = \"fields\"") { "yes" } else { "" };
    let message = MESSAGE.replace("HIDE", hide).replace("PROOF", "yes");
    let message = match is_inside {
        true => message,
        false => {
            message.lines().filter(|line| !line.contains("proof")).collect::<Vec<_>>().join("\n")
        }
    };
    let settings = format!(
        "# A MODEL: made up for tests.\nid = \"made-up\"\nversion = \"1\"\ntitle = \"试\"\n\
         modelled_on = \"nothing\"\nevidence = \"receipt\"\n[http]\nmedia = \"application/json\"\n\
         [http.headers]\nX-Time = \"{{attempt.time ms}}\"\nX-Once = \"{{attempt.nonce}}\"\n{sections}\n\
         [reply]\ncommon = \"answer\"\naccepted = [\"1\"]\nrefused = [\"9\"]\nauth = [\"401\"]\n\
         [[operation]]\nname = \"heartbeat\"\ntitle = \"心跳\"\npath = \"/beat\"\nmessage = \"beat\"\n"
    );
    for (name, text) in [
        ("standard.toml", settings.as_str()),
        ("messages/beat.csv", message.as_str()),
        ("replies/answer.csv", REPLY),
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

pub(super) async fn beat(client: &Client) -> Reply {
    let message = client.standard().sample("heartbeat").unwrap();
    client.collect("heartbeat", &message, "b1").await
}

/// `accepted`, or the code of what it is instead.
pub(super) fn said(reply: &Reply) -> String {
    match &reply.reading.outcome {
        Outcome::Accepted { .. } => "accepted".to_owned(),
        Outcome::Auth { .. } => format!("auth {}", reply.reading.code),
        Outcome::Exists { .. }
        | Outcome::Refused { .. }
        | Outcome::Retry { .. }
        | Outcome::Unknown { .. }
        | Outcome::NoPlace { .. }
        | Outcome::Unlisted { .. } => format!("{:?}", reply.reading),
    }
}

fn sign(algorithm: &str, more: &str) -> String {
    format!(
        "[sign]\nalgorithm = \"{algorithm}\"\njoin = \"|\"\n{more}\n\
         over = [\"{{attempt.time ms}}\", \"{{attempt.nonce}}\", \"{{request.path}}\", \"{{body.sm3}}\"]\n"
    )
}

#[tokio::test]
async fn every_signature_is_believed_and_that_of_another_key_is_not() {
    let into = [
        "into = \"header:X-Sign\"",
        "into = \"query:sign\"\nencode = \"hex\"",
        "into = \"body\"\nencode = \"hex-upper\"",
    ];
    for into in into {
        for algorithm in ["hmac-sha256", "hmac-sm3"] {
            let key = format!("key = \"credential.secret\"\n{into}");
            let scene = Scene::new(&sign(algorithm, &key)).await;
            let good = beat(&scene.client(scene.settings()).unwrap()).await;
            assert_eq!(said(&good), "accepted", "{algorithm} {into}");
            let bad = beat(&scene.with("secret", "another")).await;
            assert_eq!(said(&bad), "auth 401", "{algorithm} {into}");
        }
    }
}

#[tokio::test]
async fn a_digest_is_believed_where_what_is_secret_stands_in_it() {
    for algorithm in ["sha256", "sm3"] {
        let sections = format!(
            "[sign]\nalgorithm = \"{algorithm}\"\ninto = \"header:X-Sign\"\n\
             over = [\"{{credential.secret}}\", \"{{attempt.time ms}}\", \"{{body}}\"]\n"
        );
        let scene = Scene::new(&sections).await;
        let good = beat(&scene.client(scene.settings()).unwrap()).await;
        assert_eq!(said(&good), "accepted", "{algorithm}");
        let bad = beat(&scene.with("secret", "another")).await;
        assert_eq!(said(&bad), "auth 401", "{algorithm}");
    }
}

#[tokio::test]
async fn a_signature_may_go_over_single_fields() {
    for into in ["header:X-Sign", "body"] {
        let sections = format!(
            "[sign]\nalgorithm = \"hmac-sm3\"\nkey = \"credential.secret\"\ninto = \"{into}\"\n\
             over = [\"{{field name}}\", \"{{field deep.time}}\", \"{{field deep.key}}\"]\n"
        );
        let scene = Scene::new(&sections).await;
        let good = beat(&scene.client(scene.settings()).unwrap()).await;
        assert_eq!(said(&good), "accepted", "{into}");
        let bad = beat(&scene.with("secret", "another")).await;
        assert_eq!(said(&bad), "auth 401", "{into}");
    }
}

#[tokio::test]
async fn a_pair_on_the_curve_signs_and_a_key_that_cannot_is_refused_at_once() {
    for more in ["form = \"raw\"\nidentity = \"city-511900\"", "", "form = \"der\""] {
        for into in ["header:X-Sign", "body"] {
            let key = format!("key = \"credential.private\"\ninto = \"{into}\"\n{more}");
            let scene = Scene::new(&sign("sm2", &key)).await;
            if !scene.path().join("private.pem").exists() {
                println!("not run, there is no openssl: a_pair_on_the_curve_signs");
                return;
            }
            let good = beat(&scene.client(scene.settings()).unwrap()).await;
            assert_eq!(said(&good), "accepted", "{more} {into}");
            let mut settings = scene.settings();
            settings.credentials.insert("private".to_owned(), scene.secret("bad", "no key"));
            assert!(matches!(scene.client(settings), Err(Error::Key { .. })));
            pair(scene.path()).unwrap();
            let bad = beat(&scene.client(scene.settings()).unwrap()).await;
            assert_eq!(said(&bad), "auth 401", "{more} {into}");
        }
    }
}

const OAUTH: &str = "[auth]\nkind = \"oauth-client-credentials\"\npath = \"/token\"\n\
    token = \"custom.access_token\"\nexpires = \"custom.expires_in\"\nlifetime = \"20m\"\n\
    form = { grant_type = \"client_credentials\", client_id = \"{credential.appkey}\", client_secret = \"{credential.secret}\" }\n\
    headers = { Authorization = \"Bearer {token}\" }\n";

#[tokio::test]
async fn a_token_is_fetched_once_for_all_and_renewed_before_it_ends() {
    let scene = Scene::new(OAUTH).await;
    let client = scene.client(scene.settings()).unwrap();
    let all = futures_util::future::join_all((0..8).map(|_| beat(&client))).await;
    assert!(all.iter().all(|reply| said(reply) == "accepted"), "{all:?}");
    assert_eq!(scene.platform.tokens_issued(), 1);
    // 20 minutes, a tenth of it before the end.
    scene.clock.advance(Duration::from_secs(17 * 60));
    assert_eq!(said(&beat(&client).await), "accepted");
    assert_eq!(scene.platform.tokens_issued(), 1);
    scene.clock.advance(Duration::from_secs(2 * 60));
    assert_eq!(said(&beat(&client).await), "accepted");
    assert_eq!(scene.platform.tokens_issued(), 2);
}

#[tokio::test]
async fn a_token_taken_back_is_fetched_again_once_and_another_citys_is_not_given() {
    for body in ["form", "json"] {
        let scene = Scene::new(&format!("{OAUTH}body = \"{body}\"\n")).await;
        let client = scene.client(scene.settings()).unwrap();
        assert_eq!(said(&beat(&client).await), "accepted");
        scene.platform.expire_tokens();
        let all = futures_util::future::join_all((0..8).map(|_| beat(&client))).await;
        assert!(all.iter().all(|reply| said(reply) == "accepted"), "{all:?}");
        assert_eq!(scene.platform.tokens_issued(), 2, "one for all that were turned away");
        let stranger = scene.with("secret", "another");
        assert_eq!(said(&beat(&stranger).await), "auth incomplete-token: refused");
    }
}

#[tokio::test]
async fn a_password_lets_in() {
    let sections = "[auth]\nkind = \"basic\"\nuser = \"credential.user\"\npassword = \"credential.password\"\n";
    let scene = Scene::new(sections).await;
    assert_eq!(said(&beat(&scene.client(scene.settings()).unwrap()).await), "accepted");
    let bad = beat(&scene.with("password", "other")).await;
    assert_eq!(said(&bad), "auth 401");
}

const EXCHANGE: &str = "[auth]\nkind = \"secret-exchange\"\npath = \"/secret\"\nbody = \"json\"\n\
    form = { sid = \"{credential.sid.*}\", rtime = \"{attempt.time ms}\", sign = \"{signature}\" }\n\
    key = \"credential.appkey\"\ndecrypt = \"aes-128-ecb-sha1prng\"\ntoken = \"data.secret\"\nlifetime = \"10m\"\n\
    [sign]\nalgorithm = \"hmac-sha256\"\nkey = \"token\"\n\
    over = [\"{credential.sid.*}\", \"{attempt.time ms}\"]\ninto = \"header:X-Sign\"\n";

#[tokio::test]
async fn a_secret_is_fetched_opened_used_and_renewed() {
    let scene = Scene::new(EXCHANGE).await;
    let client = scene.client(scene.settings()).unwrap();
    for (minutes, issued) in [(0, 1), (8, 1), (2, 2), (30, 3)] {
        scene.clock.advance(Duration::from_secs(60 * minutes));
        assert_eq!(said(&beat(&client).await), "accepted", "after {minutes} more minutes");
        assert_eq!(scene.platform.tokens_issued(), issued);
    }
    scene.platform.expire_tokens();
    assert_eq!(said(&beat(&client).await), "accepted");
    assert_eq!(scene.platform.tokens_issued(), 4);
    let stranger = scene.with("appkey", "appkey-124");
    assert_eq!(said(&beat(&stranger).await), "auth incomplete-token: refused");
    let mut settings = scene.settings();
    settings.credentials.remove("sid.heartbeat");
    let missing = scene.client(settings).map(drop);
    assert!(
        matches!(&missing, Err(Error::Credentials { missing }) if missing == &["sid.heartbeat"]),
        "{missing:?}"
    );
}

#[tokio::test]
async fn bodies_and_fields_are_hidden_and_opened() {
    let ways = [
        "algorithm = \"sm4-cbc\"\niv = \"prefix\"",
        "algorithm = \"sm4-cbc\"\niv = \"credential.cipher\"\nencode = \"hex\"",
        "algorithm = \"sm4-ecb\"\nencode = \"hex-upper\"",
        "algorithm = \"sm4-cbc\"\niv = \"prefix\"\nencode = \"raw\"",
    ];
    for way in ways {
        for over in ["body", "fields"] {
            if over == "fields" && way.contains("raw") {
                continue;
            }
            let sections = format!(
                "[encrypt]\n{way}\nkey = \"credential.cipher\"\nover = \"{over}\"\n{}",
                sign("hmac-sm3", "key = \"credential.secret\"\ninto = \"header:X-Sign\"")
            );
            let scene = Scene::new(&sections).await;
            let good = beat(&scene.client(scene.settings()).unwrap()).await;
            assert_eq!(said(&good), "accepted", "{way} {over}");
            // Another key: the platform cannot read it.
            let other = scene.with("cipher", "ffffffffffffffffffffffffffffffff");
            assert_ne!(said(&beat(&other).await), "accepted", "{way} {over}");
            let mut settings = scene.settings();
            settings.credentials.insert("cipher".to_owned(), scene.secret("bad", "0123"));
            assert!(matches!(scene.client(settings), Err(Error::Key { .. })));
        }
    }
}

/// A signer in the city's settings, in place of the credential.
pub(super) fn outside(scene: &Scene, name: &str, signer: SignerSettings) -> Settings {
    let mut settings = scene.settings();
    settings.credentials.remove(name);
    settings.signers.insert(name.to_owned(), signer);
    settings
}

pub(super) fn sm2_over_everything() -> String {
    sign("sm2", "key = \"credential.private\"\ninto = \"header:X-Sign\"\nform = \"raw\"")
}
