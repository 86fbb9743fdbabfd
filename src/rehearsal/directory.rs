//! The platform's own reading of a standard's directory.
//!
//! It takes from the tables what a platform needs (which operation has which path, what a message
//! must say, what a reply says) and shares no code with `standard`, so that a mistake of that
//! loader does not judge itself. Everything that cannot be used is reported at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::access::Auth;
use super::condition::Condition;
use super::seal::Encrypt;
use super::tree::{Media, Path, Spaces};

pub(super) use super::folder::{Files, files};

/// A standard, as a platform sees it.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) name: String,
    pub(super) media: Media,
    pub(super) content_type: String,
    pub(super) spaces: Spaces,
    /// Zone in which times are written.
    pub(super) zone: String,
    /// Header to template.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) sign: Option<Sign>,
    pub(super) auth: Option<Auth>,
    pub(super) encrypt: Option<Encrypt>,
    pub(super) operations: Vec<Operation>,
    pub(super) rows: Option<Rows>,
    pub(super) limits: Limits,
    /// Kinds whose objects get new ids when the platform goes over to it.
    pub(super) renumbers: Vec<String>,
}

/// One operation.
#[derive(Clone, Debug, Default)]
pub(super) struct Operation {
    pub(super) name: String,
    /// What the document calls it.
    pub(super) title: String,
    /// The table of its message, without folder and ending.
    pub(super) table: String,
    /// `message`, `form` or `none`.
    pub(super) body: String,
    /// `none`, `gzip` or `zstd`.
    pub(super) compress: String,
    /// Kinds whose upper ids must be there first.
    pub(super) needs: Vec<String>,
    /// Its own outcome classes, which go before those of `[reply]`.
    pub(super) outcomes: Classes,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) fields: Vec<Field>,
    pub(super) replies: Vec<Reply>,
    pub(super) page: Option<Page>,
    pub(super) classes: Classes,
}

/// Where a field stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Body(Path),
    Header(String),
    Query(String),
    Url(String),
}

/// How far a value is demanded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Required {
    Always,
    Never,
    When(Condition),
}

/// A row of a message's table.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) place: Place,
    /// As written, to be named in refusals.
    pub(super) path: String,
    /// What the document calls it.
    pub(super) title: String,
    /// Where the document says so.
    pub(super) clause: String,
    /// The table's row, as a spreadsheet counts.
    pub(super) row: usize,
    pub(super) when: Option<Condition>,
    pub(super) value: String,
    pub(super) kind: String,
    pub(super) format: String,
    /// Shortest and longest, in characters.
    pub(super) length: (usize, Option<usize>),
    pub(super) required: Required,
    /// Canonical word and code.
    pub(super) codes: Option<Vec<(String, String)>>,
    /// Encrypted by itself.
    pub(super) hidden: bool,
}

/// A row of a reply's table.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) place: Place,
    /// As written.
    pub(super) path: String,
    pub(super) required: bool,
    pub(super) meaning: String,
    pub(super) kind: String,
    pub(super) codes: Option<Vec<(String, String)>>,
}

/// Globs of reply codes by class.
pub(super) type Classes = BTreeMap<String, Vec<String>>;

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(text) => vec![text],
            Texts::Many(texts) => texts,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    id: String,
    version: String,
    zone: Option<String>,
    namespaces: Spaces,
    http: Http,
    sign: Option<Sign>,
    auth: Option<Auth>,
    encrypt: Option<Encrypt>,
    reply: BTreeMap<String, Texts>,
    limits: RawLimits,
    renumbers: Vec<String>,
    operation: Vec<RawOperation>,
    rows: Option<Rows>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Http {
    media: Option<String>,
    method: Option<String>,
    headers: BTreeMap<String, String>,
}

/// `[sign]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sign {
    pub(super) algorithm: String,
    pub(super) key: String,
    pub(super) over: Vec<String>,
    pub(super) join: String,
    pub(super) encode: Option<String>,
    pub(super) into: String,
    pub(super) form: Option<String>,
    pub(super) identity: Option<String>,
    pub(super) tolerance: Option<String>,
}

impl Sign {
    /// How far clocks may be apart; five minutes where nothing is said.
    pub(super) fn tolerance(&self) -> Duration {
        let said = self.tolerance.as_deref().and_then(|text| text.parse().ok());
        said.and_then(|span: jiff::SignedDuration| Duration::try_from(span).ok())
            .unwrap_or(Duration::from_secs(300))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawLimits {
    rows: Option<usize>,
    bytes: Option<String>,
}

/// `[limits]`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) rows: Option<usize>,
    /// Bytes of a body before compression.
    pub(super) bytes: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawOperation {
    name: String,
    title: String,
    method: Option<String>,
    body: Option<String>,
    compress: Option<String>,
    needs: Option<Texts>,
    path: String,
    message: String,
    reply: String,
    page: Option<Page>,
    outcomes: BTreeMap<String, Texts>,
}

/// `page` of an operation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    pub(super) by: Option<String>,
    pub(super) size: Option<usize>,
}

/// `[rows]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rows {
    pub(super) upsert: RowStyle,
    pub(super) delete: Option<RowStyle>,
    /// How an inventory digests a row; empty for not at all.
    pub(super) digest: String,
}

/// One way of writing rows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RowStyle {
    /// `elements`, `attributes`, `object` or `array`.
    pub(super) style: String,
    pub(super) tag: String,
    /// Before the name of each column.
    pub(super) prefix: String,
    /// `omit`, `empty` or `nil`.
    pub(super) null: Option<String>,
    /// Where the row's key stands: `@attribute` or an element.
    pub(super) key: String,
    /// `key`: the key's columns alone.
    pub(super) only: Option<String>,
}

/// Reads tables, collecting every problem.
struct Reader<'a> {
    files: &'a Files,
    media: Media,
    problems: Vec<String>,
}

impl Directory {
    /// Reads a standard; every problem at once.
    pub(super) fn read(files: &Files) -> Result<Self, Vec<String>> {
        let text = files.get("standard.toml").map(|bytes| String::from_utf8_lossy(bytes));
        let text = text.ok_or_else(|| vec!["standard.toml is missing".to_owned()])?;
        let document: Document = toml::from_str(&text)
            .map_err(|error| vec![format!("standard.toml: {}", error.message())])?;
        let content_type = document.http.media.unwrap_or_else(|| "application/xml".to_owned());
        // Rows for a table are written down as JSON.
        let is_json = ["json", "tables", "csv", "xlsx"].iter().any(|it| content_type.contains(it));
        let media = if is_json { Media::Json } else { Media::Xml };
        let mut reader = Reader { files, media, problems: Vec::new() };
        let mut common = document.reply;
        let shared: Vec<String> = common.remove("common").map(Vec::from).unwrap_or_default();
        let classes = classes(common);
        let method = document.http.method.unwrap_or_else(|| "POST".to_owned());
        let mut operations = Vec::new();
        for raw in document.operation {
            let mut replies = Vec::new();
            for table in shared.iter().chain([&raw.reply]).filter(|name| !name.is_empty()) {
                replies.extend(reader.replies(table));
            }
            let mut own = classes.clone();
            let outcomes = self::classes(raw.outcomes);
            // An operation's own globs go first.
            for (class, globs) in outcomes.clone() {
                let standing = own.remove(&class).unwrap_or_default();
                own.insert(class, globs.into_iter().chain(standing).collect());
            }
            operations.push(Operation {
                fields: reader.fields(&raw.message, &raw.name),
                title: raw.title,
                table: raw.message,
                body: raw.body.unwrap_or_else(|| "message".to_owned()),
                compress: raw.compress.unwrap_or_else(|| "none".to_owned()),
                needs: raw.needs.map(Vec::from).unwrap_or_default(),
                outcomes,
                method: raw.method.unwrap_or_else(|| method.clone()),
                path: raw.path,
                name: raw.name,
                replies,
                page: raw.page,
                classes: own,
            });
        }
        if operations.is_empty() {
            reader.problems.push("standard.toml: no operation".to_owned());
        }
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        Ok(Self {
            name: format!("{}/{}", document.id, document.version),
            media,
            content_type,
            spaces: document.namespaces,
            zone: document.zone.unwrap_or_else(|| "Asia/Shanghai".to_owned()),
            headers: document.http.headers,
            sign: document.sign,
            auth: document.auth,
            encrypt: document.encrypt,
            operations,
            rows: document.rows,
            limits: Limits {
                rows: document.limits.rows,
                bytes: document.limits.bytes.as_deref().and_then(size),
            },
            renumbers: document.renumbers,
        })
    }
}

fn classes(texts: BTreeMap<String, Texts>) -> Classes {
    texts.into_iter().map(|(class, texts)| (class, texts.into())).collect()
}

impl Reader<'_> {
    fn table(&mut self, folder: &str, name: &str) -> Vec<BTreeMap<String, String>> {
        let file = format!("{folder}/{name}.csv");
        let Some(bytes) = self.files.get(&file) else {
            self.problems.push(format!("{file} is missing"));
            return Vec::new();
        };
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let head = reader.headers().cloned().unwrap_or_default();
        let mut rows = Vec::new();
        for record in reader.records() {
            match record {
                Ok(record) if record.iter().all(|cell| cell.trim().is_empty()) => {}
                Ok(record) => {
                    let cells = head.iter().zip(record.iter());
                    rows.push(
                        cells
                            .map(|(name, cell)| (name.trim().to_owned(), cell.trim().to_owned()))
                            .collect(),
                    );
                }
                Err(_) => self.problems.push(format!("{file}: a row is no CSV in UTF-8")),
            }
        }
        rows
    }

    fn fields(&mut self, message: &str, operation: &str) -> Vec<Field> {
        if message.is_empty() {
            return Vec::new();
        }
        let mut fields = Vec::new();
        for (at, row) in self.table("messages", message).into_iter().enumerate() {
            let cell = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
            let on = cell("on");
            if !on.is_empty() && !on.split(',').any(|name| name.trim() == operation) {
                continue;
            }
            let path = cell("path").to_owned();
            let place = self.place(&path);
            let when = self.condition(message, &path, cell("when"));
            let required = match cell("required") {
                "" | "no" => Required::Never,
                "yes" => Required::Always,
                text => {
                    self.condition(message, &path, text).map_or(Required::Never, Required::When)
                }
            };
            let length = length(cell("length")).unwrap_or_else(|| {
                let problem = format!("messages/{message}.csv: {path}: length is not understood");
                self.problems.push(problem);
                (0, None)
            });
            let codes = self.codes(cell("codes"));
            fields.push(Field {
                place,
                when,
                value: cell("value").to_owned(),
                kind: cell("type").to_owned(),
                format: cell("format").to_owned(),
                length,
                required,
                codes,
                hidden: cell("encrypt") == "yes",
                path,
                title: cell("title").to_owned(),
                clause: cell("clause").to_owned(),
                row: at + 2,
            });
        }
        fields
    }

    fn replies(&mut self, name: &str) -> Vec<Reply> {
        let mut replies = Vec::new();
        for row in self.table("replies", name) {
            let cell = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
            replies.push(Reply {
                place: self.place(cell("path")),
                path: cell("path").to_owned(),
                required: cell("required") == "yes",
                meaning: cell("meaning").to_owned(),
                kind: cell("type").to_owned(),
                codes: self.codes(cell("codes")),
            });
        }
        replies
    }

    fn place(&self, path: &str) -> Place {
        match path.split_once(':') {
            Some(("header", name)) => Place::Header(name.to_owned()),
            Some(("query", name)) => Place::Query(name.to_owned()),
            Some(("url", name)) => Place::Url(name.to_owned()),
            _ => Place::Body(Path::parse(self.media, path)),
        }
    }

    fn condition(&mut self, message: &str, path: &str, text: &str) -> Option<Condition> {
        if text.is_empty() {
            return None;
        }
        match Condition::parse(text) {
            Ok(condition) => Some(condition),
            Err(problem) => {
                self.problems.push(format!("messages/{message}.csv: {path}: {problem}"));
                None
            }
        }
    }

    fn codes(&mut self, list: &str) -> Option<Vec<(String, String)>> {
        if list.is_empty() {
            return None;
        }
        let cell =
            |row: &BTreeMap<String, String>, name: &str| row.get(name).cloned().unwrap_or_default();
        let rows = self.table("codes", list);
        Some(rows.iter().map(|row| (cell(row, "word"), cell(row, "code"))).collect())
    }
}

/// `50`, `=18`, `2..50` or nothing.
fn length(text: &str) -> Option<(usize, Option<usize>)> {
    if text.is_empty() {
        return Some((0, None));
    }
    if let Some(exact) = text.strip_prefix('=') {
        let exact = exact.trim().parse().ok()?;
        return Some((exact, Some(exact)));
    }
    match text.split_once("..") {
        Some((from, to)) => Some((from.trim().parse().ok()?, Some(to.trim().parse().ok()?))),
        None => Some((0, Some(text.parse().ok()?))),
    }
}

fn size(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits)?.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.trim().parse::<usize>().ok()?.checked_mul(unit)
}

impl Operation {
    /// The first code of a class that is not a glob, or a glob with its star made a number.
    pub(super) fn code(&self, class: &str) -> Option<String> {
        let globs = self.classes.get(class)?;
        let usable = globs.iter().filter(|glob| !glob.starts_with("http-"));
        let plain = usable.clone().find(|glob| !glob.contains('*'));
        plain.cloned().or_else(|| usable.clone().next().map(|glob| glob.replace('*', "001")))
    }

    /// The first field with this value.
    pub(super) fn field(&self, value: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.value == value)
    }

    /// Whether this is the operation of a request; `{name}` in its path stands for a segment.
    pub(super) fn matches(&self, method: &str, path: &str) -> Option<BTreeMap<String, String>> {
        if !self.method.eq_ignore_ascii_case(method) {
            return None;
        }
        let (ours, theirs): (Vec<&str>, Vec<&str>) =
            (segments(&self.path).collect(), segments(path).collect());
        if ours.len() != theirs.len() {
            return None;
        }
        let mut found = BTreeMap::new();
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            match ours.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => drop(found.insert(name.to_owned(), theirs.to_owned())),
                None if ours == theirs => {}
                None => return None,
            }
        }
        Some(found)
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(tables: &[(&str, &str)]) -> Files {
        tables.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn every_problem_is_named_with_its_file() {
        let toml =
            "id='x'\nversion='1'\n[[operation]]\nname='a.b'\npath='/p'\nmessage='m'\nreply='r'";
        let table = "path,value,when,length,required,codes\nA/B,entry.title,x =,many,yes,none\n";
        let problems =
            Directory::read(&files(&[("standard.toml", toml), ("messages/m.csv", table)]))
                .unwrap_err()
                .join("\n");
        for part in ["replies/r.csv is missing", "A/B: length", "codes/none.csv", "A/B: `=`"] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
    }

    #[test]
    fn lengths_and_sizes_are_read() {
        assert_eq!(length("50"), Some((0, Some(50))));
        assert_eq!(length("=18"), Some((18, Some(18))));
        assert_eq!(length("2..50"), Some((2, Some(50))));
        assert_eq!(length("long"), None);
        assert_eq!(size("4MiB"), Some(4 << 20));
        assert_eq!(size("12"), Some(12));
    }

    #[test]
    fn a_path_may_hold_names() {
        let mut operation = Operation {
            name: "x".to_owned(),
            method: "GET".to_owned(),
            path: "/rows/{id}/state".to_owned(),
            classes: Classes::from([("refused".to_owned(), vec!["C-*".to_owned()])]),
            ..Operation::default()
        };
        let found = operation.matches("get", "/rows/7/state").unwrap();
        assert_eq!(found.get("id").map(String::as_str), Some("7"));
        assert!(operation.matches("GET", "/rows/7").is_none());
        assert_eq!(operation.code("refused").as_deref(), Some("C-001"));
        operation.method = "POST".to_owned();
        assert!(operation.matches("GET", "/rows/7/state").is_none());
    }
}
