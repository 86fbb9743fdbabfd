//! The platform under raw requests over real TLS, by an invented standard; our client takes no
//! part, and neither does any code of ours that writes messages.

mod faults;
mod samples;
mod taking;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::certificates::Certificates;
use super::judge::hex;
use super::tree::{self, Media, Node};
use super::{Platform, RowRules, Settings};
use crate::clock::Clock;
use crate::supervisor::Supervisor;

const STANDARD: &str = r#"
id = "invented"
version = "1"
[namespaces]
"" = "urn:test:invented"
[http]
media = "application/xml"
[http.headers]
X-Who = "{credential.who}"
X-When = "{attempt.time ms}"
X-Once = "{attempt.nonce}"
X-Bundle = "{batch.id}"
[sign]
algorithm = "hmac-sha256"
key = "credential.secret"
over = ["{credential.who}", "{attempt.time ms}", "{attempt.nonce}", "{request.path}", "{body.sha256}"]
join = "|"
encode = "hex"
into = "header:X-Proof"
tolerance = "5m"
[reply]
common = "base"
accepted = ["OK"]
exists = ["HAVE"]
absent = ["NONE"]
refused = ["NO-*"]
auth = ["WHO"]
[limits]
rows = 3
bytes = "64KiB"
[rows]
upsert = { style = "elements", tag = "Line", column = "item.code", null = "omit", key = "@k" }
delete = { style = "elements", tag = "Gone", column = "item.code", only = "key", key = "@k" }
digest = "lines"
"#;

/// Name, path, message, reply, and how an answer in parts is asked for.
const OPERATIONS: &[(&str, &str, &str, &str, &str)] = &[
    ("organisation.register", "/o", "organ", "object", ""),
    ("organisation.cancel", "/o/drop", "state", "object", ""),
    ("organisation.state", "/state", "state", "object", ""),
    ("entry.register", "/e", "entry", "object", ""),
    ("entry.modify", "/e/change", "entry", "object", ""),
    ("entry.state", "/state", "state", "object", ""),
    ("resource.register", "/r", "resource", "object", ""),
    ("rows.upsert", "/rows", "rows", "receipt", ""),
    ("rows.delete", "/rows", "rows", "receipt", ""),
    ("rows.verdict", "/verdict", "verdict", "verdict", "size = 2"),
    ("batch.receipt", "/receipt", "receipt", "receipt", ""),
    ("inventory.datasets", "/have/sets", "page", "have", "size = 2"),
    ("inventory.keys", "/have/keys", "keys", "have", "size = 2"),
    ("inventory.objects", "/have/objects", "page", "have", "by = 'cursor', size = 2"),
    ("heartbeat", "/beat", "beat", "", ""),
];

const MESSAGES: &[(&str, &str)] = &[
    (
        "organ",
        "O/@n,organisation.id,text,,,20,yes,\nO/T,organisation.title,text,,,5,yes,\n\
      O/At,attempt.time,time,,,,no,\n",
    ),
    (
        "entry",
        "E/U,link.upper_id,text,entry.modify,,,yes,\nE/N,entry.id,text,,,,yes,\n\
      E/T,entry.title,text,,,,yes,\nE/P,upper.organisation,text,,,,yes,\n\
      E/S,entry.share_type,code,,,,yes,share\n\
      E/W,entry.share_condition,text,,entry.share_type == some,,yes,\n\
      E/I[],each entry.items as item,list,,,,yes,\nE/I[]/C,item.code,text,,,,yes,\n",
    ),
    (
        "resource",
        "R/N,resource.id,text,,,,yes,\nR/E,upper.entry,text,,,,yes,\n\
      R/D,resource.dataset,text,,,,yes,\n",
    ),
    ("state", "S/K,object.kind,code,,,,yes,kind\nS/U,link.upper_id,text,,,,yes,\n"),
    (
        "rows",
        "B/@id,batch.id,text,,,,yes,\nB/A,batch.action,code,,,,yes,action\n\
      B/D,dataset.id,text,,,,yes,\nB/N,batch.rows,integer,,,,yes,\n\
      B/H,batch.digest,text,,,=64,yes,\nB/At,attempt.time,text,,,,no,\n\
      B/Lines,rows,rows,,,,yes,\n",
    ),
    ("verdict", "V/B,batch.id,text,,,,yes,\nV/P,page.number,integer,,,,yes,\n"),
    ("receipt", "Q/B,batch.id,text,,,,yes,\n"),
    ("page", "H/P,page.number,integer,,,,no,\nH/C,page.cursor,text,,,,no,\n"),
    ("keys", "K/D,dataset.id,text,,,,yes,\nK/P,page.number,integer,,,,yes,\n"),
    ("beat", "T,attempt.time,text,,,,no,\n"),
];

const REPLIES: &[(&str, &str)] = &[
    ("base", "A/C,code,,\nA/M,message,,\n"),
    ("object", "A/U,upper_id,,\nA/S,state,,state\n"),
    ("receipt", "A/R/@id,receipt.id,,\nA/R/N,receipt.rows,integer,\nA/R/H,receipt.digest,,\n"),
    (
        "verdict",
        "A/V/L[]/@k,row.key,,\nA/V/L[]/S,row.verdict,,verdict\n\
      A/V/L[]/W,row.reason,,\nA/Next,page.next,,\n",
    ),
    (
        "have",
        "A/H/I[]/@k,inventory.key,,\nA/H/I[]/@d,inventory.digest,,\n\
      A/H/I[]/@n,inventory.count,,\nA/H/I[]/@u,inventory.upper_id,,\nA/Next,page.next,,\n\
      A/Total,page.total,,\n",
    ),
];

const CODES: &[(&str, &str)] = &[
    ("share", "all,1\nsome,2\n"),
    ("kind", "organisation,O\nentry,E\n"),
    ("action", "upsert,put\ndelete,drop\n"),
    ("state", "in_review,R\npublished,P\nwithdrawn,W\n"),
    ("verdict", "passed,Y\nfailed,N\n"),
];

fn write_standard(into: &Path) {
    let mut toml = STANDARD.to_owned();
    for (name, path, message, reply, page) in OPERATIONS {
        toml +=
            &format!("[[operation]]\nname = '{name}'\npath = '{path}'\nmessage = '{message}'\n");
        toml += &format!("reply = '{reply}'\n");
        if !page.is_empty() {
            toml += &format!("page = {{ {page} }}\n");
        }
    }
    std::fs::write(into.join("standard.toml"), toml).unwrap();
    let write = |folder: &str, head: &str, tables: &[(&str, &str)]| {
        std::fs::create_dir(into.join(folder)).unwrap();
        for (name, rows) in tables {
            let path = into.join(folder).join(format!("{name}.csv"));
            std::fs::write(path, format!("{head}\n{rows}")).unwrap();
        }
    };
    write("messages", "path,value,type,on,when,length,required,codes", MESSAGES);
    write("replies", "path,meaning,type,codes", REPLIES);
    write("codes", "word,code", CODES);
}

/// The platform under test and a client that shares nothing with ours.
struct Scene {
    _folder: tempfile::TempDir,
    _supervisor: Supervisor,
    platform: Platform,
    certificates: Certificates,
    client: reqwest::Client,
    clock: Clock,
    once: AtomicU64,
}

/// What an answer says.
#[derive(Debug)]
struct Said {
    status: u16,
    tree: Node,
}

impl Said {
    fn texts(&self, path: &str) -> Vec<String> {
        let path = tree::Path::parse(Media::Xml, path);
        path.texts(&self.tree, &BTreeMap::new()).into_iter().map(str::to_owned).collect()
    }

    fn text(&self, path: &str) -> String {
        self.texts(path).into_iter().next().unwrap_or_default()
    }

    fn code(&self) -> String {
        self.text("A/C")
    }
}

fn client(certificates: &Certificates, with_own: bool) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(certificates.authority.as_bytes()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([root]).retry(reqwest::retry::never());
    let builder = builder.pool_max_idle_per_host(0).timeout(Duration::from_secs(20));
    if !with_own {
        return builder.build().unwrap();
    }
    let own = format!("{}{}", certificates.client.certificate, certificates.client.key);
    builder.identity(reqwest::Identity::from_pem(own.as_bytes()).unwrap()).build().unwrap()
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_settings| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_standard(folder.path());
        let certificates = Certificates::generate().unwrap();
        let mut settings = Settings::new(
            folder.path().to_owned(),
            certificates.server.clone(),
            certificates.stranger.clone(),
        );
        settings.client_authority = Some(certificates.authority.clone());
        settings.credentials = [("who", "city"), ("secret", "s3cret")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into();
        settings.rules = [(
            "d1".to_owned(),
            RowRules { required: ["a".to_owned()].into(), ..RowRules::default() },
        )]
        .into();
        settings.review = Duration::from_secs(3_600);
        settings.verdict = Duration::from_secs(60);
        settings.database = Some(folder.path().join("province.sqlite"));
        change(&mut settings);
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let supervisor = Supervisor::new(clock.clone(), 1);
        let platform = Platform::start(settings, clock.clone(), &supervisor).await.unwrap();
        Self {
            client: client(&certificates, true),
            _folder: folder,
            _supervisor: supervisor,
            platform,
            certificates,
            clock,
            once: AtomicU64::new(0),
        }
    }

    /// A signed request; the caller may spoil it before it is sent.
    fn request(&self, path: &str, body: Vec<u8>) -> reqwest::RequestBuilder {
        let number = self.once.fetch_add(1, Ordering::Relaxed);
        self.request_as(path, body, &format!("once-{number}"), self.clock.now())
    }

    fn request_as(
        &self,
        path: &str,
        body: Vec<u8>,
        once: &str,
        at: Timestamp,
    ) -> reqwest::RequestBuilder {
        use aws_lc_rs::{digest, hmac};
        let at = at.as_millisecond().to_string();
        let hash = hex(digest::digest(&digest::SHA256, &body).as_ref());
        let text = format!("city|{at}|{once}|{path}|{hash}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
        let proof = hex(hmac::sign(&key, text.as_bytes()).as_ref());
        self.client
            .post(format!("{}{path}", self.platform.url()))
            .header("X-Who", "city")
            .header("X-When", at)
            .header("X-Once", once)
            .header("X-Proof", proof)
            .body(body)
    }

    async fn send(&self, path: &str, body: &str) -> Said {
        self.try_send(path, body).await.unwrap()
    }

    async fn try_send(&self, path: &str, body: &str) -> Result<Said, reqwest::Error> {
        read(self.request(path, body.as_bytes().to_vec()).send().await?).await
    }

    /// Registers an organisation, an entry and the resource that announces `d1`.
    async fn mount(&self) {
        let organ = self.send("/o", &organ("o1")).await.text("A/U");
        let entry = self.send("/e", &entry("e1", &organ)).await.text("A/U");
        let body = x(&format!("<R><N>r1</N><E>{entry}</E><D>d1</D></R>"));
        assert_eq!(self.send("/r", &body).await.code(), "OK");
    }
}

async fn read(response: reqwest::Response) -> Result<Said, reqwest::Error> {
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    Ok(Said { status, tree: tree::read(Media::Xml, &body).unwrap_or_default() })
}

/// Gives the root the standard's namespace.
fn x(body: &str) -> String {
    let (name, _) = body.split_once(['>', ' ']).unwrap();
    body.replacen(name, &format!("{name} xmlns=\"urn:test:invented\""), 1)
}

fn organ(id: &str) -> String {
    x(&format!("<O n=\"{id}\"><T>org</T></O>"))
}

fn entry(id: &str, organ: &str) -> String {
    x(&format!("<E><N>{id}</N><T>t</T><P>{organ}</P><S>1</S><I><C>a</C></I></E>"))
}

/// A batch of rows for `d1`: key and the text of column `a`.
fn batch(id: &str, rows: &[(&str, &str)]) -> String {
    let lines: String =
        rows.iter().map(|(key, a)| format!("<Line k=\"{key}\"><a>{a}</a></Line>")).collect();
    lines_batch(id, "put", rows.len(), &lines)
}

fn lines_batch(id: &str, action: &str, count: usize, lines: &str) -> String {
    use aws_lc_rs::digest;
    let hash = hex(digest::digest(&digest::SHA256, lines.as_bytes()).as_ref());
    x(&format!(
        "<B id=\"{id}\"><A>{action}</A><D>d1</D><N>{count}</N><H>{hash}</H><Lines>{lines}</Lines></B>"
    ))
}

fn ask_verdicts(id: &str, page: u32) -> String {
    x(&format!("<V><B>{id}</B><P>{page}</P></V>"))
}
