//! `standard.toml` as written: identity, transport, signing, operations, reply classes, limits.

mod folders;
mod inbox;
mod lines;
mod read;

use std::collections::BTreeMap;
use std::time::Duration;

pub use folders::{CSV, FileSettings, SheetSettings, TEXT_ENCODINGS, XLSX};
pub use inbox::{COUNTED, CaseSettings, CountSettings, InboxSettings, OWNERS};
pub(super) use lines::place;
pub(super) use read::read;

use crate::delivery::Evidence;

/// The file's name.
pub const FILE: &str = "standard.toml";

/// The keys of each section; `""` is the top of the file. An `*` allows any key.
pub const KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "id",
            "version",
            "title",
            "modelled_on",
            "evidence",
            "zone",
            "gaps",
            "renumbers",
            "namespaces",
            "http",
            "auth",
            "sign",
            "encrypt",
            "reply",
            "limits",
            "deadlines",
            "operation",
            "rows",
            "tables",
            "inbox",
            "files",
            "sheet",
        ],
    ),
    ("namespaces", &["*"]),
    ("http", &["media", "method", "timeout", "headers"]),
    ("http.headers", &["*"]),
    (
        "auth",
        &[
            "kind", "path", "body", "form", "request", "key", "decrypt", "token", "expires",
            "lifetime", "renew", "headers", "user", "password",
        ],
    ),
    ("auth.form", &["*"]),
    ("auth.request", &["*"]),
    ("auth.headers", &["*"]),
    (
        "sign",
        &["algorithm", "key", "over", "join", "encode", "into", "form", "identity", "tolerance"],
    ),
    ("encrypt", &["algorithm", "key", "key_encode", "iv", "over", "encode", "answers"]),
    (
        "reply",
        &[
            "common",
            "accepted",
            "exists",
            "absent",
            "refused",
            "retry",
            "auth",
            "unknown",
            "dictionary",
        ],
    ),
    ("limits", &["rows", "bytes", "reply", "in_flight"]),
    ("deadlines", &["receipt", "verdict", "review"]),
    (
        "operation",
        &[
            "name",
            "title",
            "method",
            "path",
            "body",
            "message",
            "reply",
            "needs",
            "evidence",
            "compress",
            "every",
            "mandatory",
            "page",
            "outcomes",
        ],
    ),
    ("operation.page", &["by", "size", "until"]),
    (
        "operation.outcomes",
        &["accepted", "exists", "absent", "refused", "retry", "auth", "unknown"],
    ),
    ("rows", &["upsert", "delete", "time", "date", "true", "false", "digest"]),
    ("rows.upsert", ROW_KEYS),
    ("rows.delete", ROW_KEYS),
    (
        "tables",
        &[
            "own_key",
            "upper_key",
            "status",
            "reason",
            "new",
            "passed",
            "failed",
            "correct",
            "validity",
            "valid",
            "invalid",
            "invalid_reason",
            "corrected",
            "deleted",
            "prefix",
        ],
    ),
    (
        "inbox",
        &[
            "table", "key", "date", "type", "overlap", "written", "deleted", "with", "by", "reply",
            "cases", "counts",
        ],
    ),
    ("inbox.counts", &["of", "of_is", "rows", "counted", "lag"]),
    (
        "inbox.cases",
        &[
            "list",
            "number",
            "owner",
            "owner_is",
            "laid",
            "deadline",
            "working_days",
            "closed_by",
            "closed",
            "closed_at",
            "granted",
        ],
    ),
    ("files", &["waiting", "done", "receipt", "result", "quiet"]),
    ("sheet", &["name", "above", "number", "encoding"]),
];

const ROW_KEYS: &[&str] = &["style", "tag", "column", "prefix", "null", "key", "only"];

/// How a reply's code is classed, in the order of [`Class::ALL`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// Taken, or answered.
    Accepted,
    /// It stands above already.
    Exists,
    /// The question was answered: the province holds no such thing.
    Absent,
    /// Not taken.
    Refused,
    /// The same again, later.
    Retry,
    /// Credentials were not accepted.
    Auth,
    /// The province itself does not know: ask before sending again.
    Unknown,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Exists,
        Self::Absent,
        Self::Refused,
        Self::Retry,
        Self::Auth,
        Self::Unknown,
    ];

    /// The key in `[reply]`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Exists => "exists",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Retry => "retry",
            Self::Auth => "auth",
            Self::Unknown => "unknown",
        }
    }
}

/// Globs of codes for each class: `C-*`, `http-5*`.
pub type Classes = BTreeMap<Class, Vec<String>>;

/// `standard.toml`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The standard's name, for example `reference-xml`.
    pub id: String,
    /// Its version.
    pub version: String,
    /// What people call it.
    pub title: String,
    /// What it was modelled on, and which parts are from memory.
    pub modelled_on: String,
    /// The strongest proof, where an operation does not say otherwise.
    pub evidence: Option<Evidence>,
    /// The zone in which times are written.
    pub zone: String,
    /// What the standard lacks, in words for people.
    pub gaps: Vec<String>,
    /// Kinds whose upper ids this version gives anew; the map is a file of the city.
    pub renumbers: Vec<String>,
    /// Prefix to URI; the empty prefix is the default namespace.
    pub namespaces: BTreeMap<String, String>,
    /// `[http]`.
    pub http: Http,
    /// `[auth]`.
    pub auth: Option<Auth>,
    /// `[sign]`.
    pub sign: Option<Sign>,
    /// `[encrypt]`.
    pub encrypt: Option<Encrypt>,
    /// `[reply]`.
    pub reply: Replies,
    /// `[limits]`.
    pub limits: Limits,
    /// `[deadlines]`.
    pub deadlines: Deadlines,
    /// `[[operation]]`, in the file's order.
    pub operations: Vec<OperationSettings>,
    /// `[rows]`.
    pub rows: Option<RowSettings>,
    /// `[tables]`: front-end tables (前置库) instead of HTTP.
    pub tables: Option<TableSettings>,
    /// `[[inbox]]`: down-link tables (下行库表), in the file's order.
    pub inbox: Vec<InboxSettings>,
    /// `[files]`: files in a folder instead of HTTP.
    pub files: Option<FileSettings>,
    /// `[sheet]`: how rows stand in a table.
    pub sheet: Option<SheetSettings>,
    /// Every key of the file and its value as text, so that two versions can be compared whatever
    /// their keys are: `limits.rows`, `operation.entry.register.path`.
    pub written: BTreeMap<String, String>,
}

/// `[http]`: how messages travel.
#[derive(Clone, Debug, Default)]
pub struct Http {
    /// `application/xml`, `text/xml`, `application/soap+xml` or `application/json`.
    pub media: String,
    /// The method of operations that name none.
    pub method: String,
    /// For one exchange.
    pub timeout: Option<Duration>,
    /// Name to template, see `config/standards/README.md`, "Templates".
    pub headers: BTreeMap<String, String>,
}

/// `[auth]`: how a token or a secret is fetched before operations.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// `oauth-client-credentials`, `secret-exchange` or `basic`.
    pub kind: String,
    /// Where, below the channel's address; empty for `basic`.
    pub path: String,
    /// How `form` travels: `form` or `json`.
    pub body: String,
    /// Fields of the request: name to template.
    pub form: BTreeMap<String, String>,
    /// Headers of the request for the token: name to template.
    pub request: BTreeMap<String, String>,
    /// The credential that signs the request for a secret and opens the answer.
    pub key: String,
    /// How the secret in the answer is opened: a name of `signing::SecretCipher`, or empty.
    pub decrypt: String,
    /// The path of the token or secret in the answer.
    pub token: String,
    /// The path of its lifetime in the answer, in seconds; may be empty.
    pub expires: String,
    /// The longest it is used.
    pub lifetime: Option<Duration>,
    /// How long before its end the next is fetched.
    pub renew: Option<Duration>,
    /// `basic`: the credential with the name.
    pub user: String,
    /// `basic`: the credential with the password.
    pub password: String,
    /// Headers that carry it: name to template with `{token}`.
    pub headers: BTreeMap<String, String>,
}

/// `[sign]`: how a request is signed.
#[derive(Clone, Debug, Default)]
pub struct Sign {
    /// For example `hmac-sha256`.
    pub algorithm: String,
    /// The credential that holds the key, for example `credential.secret`.
    pub key: String,
    /// Templates whose texts are signed, in this order.
    pub over: Vec<String>,
    /// What stands between them.
    pub join: String,
    /// `base64`, `hex` or `hex-upper`.
    pub encode: String,
    /// `header:NAME`, `query:NAME`, or `body`: the fields whose value is `attempt.signature`.
    pub into: String,
    /// SM2 alone: `der` or `raw` (r and s, 32 bytes each).
    pub form: String,
    /// SM2 alone: who signs (GB/T 32918.2, 用户标识).
    pub identity: String,
    /// How far clocks may be apart.
    pub tolerance: Option<Duration>,
}

/// `[encrypt]`: what is hidden from those who carry a message.
#[derive(Clone, Debug, Default)]
pub struct Encrypt {
    /// `sm4-cbc` or `sm4-ecb`.
    pub algorithm: String,
    /// The credential that holds the key, for example `credential.cipher_key`.
    pub key: String,
    /// How the credential writes the 16 bytes: `hex`, `base64` or `text`.
    pub key_encode: String,
    /// `prefix` (drawn for each value, before the ciphertext), `credential.NAME`, or empty.
    pub iv: String,
    /// `body`, or `fields` (the rows of messages that say `encrypt`).
    pub over: String,
    /// `base64`, `hex`, `hex-upper` or, for a body, `raw`.
    pub encode: String,
    /// The bodies of answers are hidden in the same way.
    pub answers: bool,
}

/// `[reply]`: how replies are classed.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    /// The reply table whose rows belong to every reply.
    pub common: String,
    /// Outcome classes.
    pub classes: Classes,
    /// Refusals that say "this value is in no code list": globs of codes. What is sent holds only
    /// codes of the directory's own lists, so that such a refusal tells of a changed dictionary.
    pub dictionary: Vec<String>,
}

/// `[limits]`.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Rows in one batch; see [`Limits::batch_rows`].
    pub rows: Option<u32>,
    /// Bytes of one request's body before compression.
    pub bytes: Option<u64>,
    /// Bytes of one reply.
    pub reply: Option<u64>,
    /// Requests at once on one channel.
    pub in_flight: Option<u32>,
}

impl Limits {
    /// Rows of a batch at most: 5,000 where the standard sets no limit.
    pub fn batch_rows(&self) -> u32 {
        self.rows.unwrap_or(5_000)
    }
}

/// `[deadlines]`: after which waiting is overdue and visible.
#[derive(Clone, Debug, Default)]
pub struct Deadlines {
    /// From an attempt to its receipt.
    pub receipt: Option<Duration>,
    /// From a receipt to the verdicts.
    pub verdict: Option<Duration>,
    /// From acceptance of an object to its publication.
    pub review: Option<Duration>,
}

/// One `[[operation]]`.
#[derive(Clone, Debug, Default)]
pub struct OperationSettings {
    /// `object.verb`, for example `entry.register`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The HTTP method; empty means the one of `[http]`.
    pub method: String,
    /// Below the channel's address.
    pub path: String,
    /// `message`, `none` or `form`.
    pub body: String,
    /// The message's table; empty for a request without one.
    pub message: String,
    /// The reply's table beside the common one; may be empty.
    pub reply: String,
    /// Kinds whose upper ids it needs first.
    pub needs: Vec<String>,
    /// The strongest proof this operation can give.
    pub evidence: Option<Evidence>,
    /// `none`, `gzip` or `zstd`.
    pub compress: String,
    /// How often it is asked for by itself.
    pub every: Option<Duration>,
    /// The province demands that it works.
    pub mandatory: bool,
    /// `page = { by, size, until }` for answers in parts.
    pub page: Option<PageSettings>,
    /// Classes that go before those of `[reply]`.
    pub outcomes: Classes,
}

/// How an answer in parts is asked for.
#[derive(Clone, Debug, Default)]
pub struct PageSettings {
    /// `number` (counted from 1) or `cursor` (as the last answer said).
    pub by: String,
    /// Elements in one part.
    pub size: u32,
    /// `next` (until the answer names no next page), `total` or `empty`.
    pub until: String,
}

/// `[rows]`: how rows are written.
#[derive(Clone, Debug, Default)]
pub struct RowSettings {
    /// How a new or changed row is written.
    pub upsert: RowStyle,
    /// How a deleted row is written.
    pub delete: Option<RowStyle>,
    /// The pattern of a time.
    pub time: String,
    /// The pattern of a date.
    pub date: String,
    /// What true is written as.
    pub yes: String,
    /// What false is written as.
    pub no: String,
    /// How the province's inventory digests a row: `lines` or empty for not at all.
    pub digest: String,
}

/// One way of writing a row.
#[derive(Clone, Debug, Default)]
pub struct RowStyle {
    /// `elements`, `attributes`, `object` or `array`.
    pub style: String,
    /// The element around a row; empty in JSON.
    pub tag: String,
    /// Which word names a column: one of [`COLUMN_WORDS`].
    pub column: String,
    /// What stands before a column's name, for example the prefix of a namespace.
    pub prefix: String,
    /// `omit`, `empty` or `nil`.
    pub null: String,
    /// Where the row's key text goes: an attribute `@name`, an element or member, or nowhere.
    pub key: String,
    /// Key columns only.
    pub only_key: bool,
}

/// `[tables]`: how rows stand in front-end tables, and where the province writes its verdicts.
///
/// Every name is a column's; every other value is what stands in it, as text.
#[derive(Clone, Debug, Default)]
pub struct TableSettings {
    /// Our own primary key of a row.
    pub own_key: String,
    /// The number that the front database gives a row; may be empty.
    pub upper_key: String,
    /// Where the province says what became of the row.
    pub status: String,
    /// Why it was turned away; may be empty.
    pub reason: String,
    /// The status of a row that nobody has judged.
    pub new: String,
    /// Statuses of rows that stand.
    pub passed: Vec<String>,
    /// Statuses of rows that do not.
    pub failed: Vec<String>,
    /// How a row that is there is corrected: one of [`CORRECTIONS`].
    pub correct: String,
    /// Whether the row is valid, or takes back the one with the same key.
    pub validity: String,
    /// In [`TableSettings::validity`]: valid.
    pub valid: String,
    /// In [`TableSettings::validity`]: taken back.
    pub invalid: String,
    /// Why a row is taken back; may be empty.
    pub invalid_reason: String,
    /// The reason of a correction.
    pub corrected: String,
    /// The reason of a deletion.
    pub deleted: String,
    /// What stands before a table's name, for example a schema and a dot.
    pub prefix: String,
}

/// Values of `[tables] correct`.
pub const CORRECTIONS: &[&str] = &["tombstone-then-new"];

/// Values of `[http] media`.
pub const MEDIA: &[&str] = &[
    "application/xml",
    "text/xml",
    "application/soap+xml",
    "application/json",
    "tables",
    CSV,
    XLSX,
];
/// Values of `method`.
pub const METHODS: &[&str] = &["POST", "PUT", "GET", "DELETE", "PATCH"];
/// Values of `body`.
pub const BODIES: &[&str] = &["message", "none", "form"];
/// Values of `[auth] kind`.
pub const AUTH_KINDS: &[&str] = &["oauth-client-credentials", "secret-exchange", "basic"];
/// Values of `[sign] algorithm`.
pub const ALGORITHMS: &[&str] = &["hmac-sha256", "hmac-sm3", "sm2", "sha256", "sm3"];
/// Values of `[sign] encode`.
pub const ENCODINGS: &[&str] = &["base64", "hex", "hex-upper"];
/// Values of `[encrypt] algorithm`.
pub const CIPHERS: &[&str] = &["sm4-cbc", "sm4-ecb"];
/// Values of `[auth] decrypt`.
pub const SECRET_CIPHERS: &[&str] = &["aes-128-ecb-sha1prng"];
/// Values of a row's `column`.
pub const COLUMN_WORDS: &[&str] = &["item.code", "item.id", "item.title"];
/// Values of a row's `style`.
pub const STYLES: &[&str] = &["elements", "attributes", "object", "array"];
