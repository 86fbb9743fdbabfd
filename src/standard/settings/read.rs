//! Reads `standard.toml` key by key rather than by a derive, so that every mistake of the file is
//! reported at once with what was probably meant.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::{Table, Value};

use super::super::problem::{Code, Problem, Problems};
use super::{
    ALGORITHMS, AUTH_KINDS, Auth, BODIES, CIPHERS, COLUMN_WORDS, CORRECTIONS, Class, Classes,
    Deadlines, ENCODINGS, Encrypt, FILE, Http, KEYS, Limits, MEDIA, METHODS, OperationSettings,
    PageSettings, Replies, RowSettings, RowStyle, SECRET_CIPHERS, STYLES, Settings, Sign,
    TableSettings, folders, inbox,
};
use crate::delivery::Evidence;

/// Reads the file. What could not be read has its default and a problem.
pub(in super::super) fn read(bytes: &[u8], list: &mut Vec<Problem>) -> Settings {
    let mut problems = Problems::new(list, FILE);
    let table = match std::str::from_utf8(bytes).map(str::parse::<Table>) {
        Ok(Ok(table)) => table,
        Ok(Err(error)) => {
            let line = error.span().map_or(0, |span| {
                let before = bytes.get(..span.start).unwrap_or_default();
                1 + before.iter().filter(|byte| **byte == b'\n').count()
            });
            let row = (line > 0).then_some(line);
            problems.add(Code::Format, row, "", format!("not TOML: {}", error.message()));
            return Settings::default();
        }
        Err(_) => {
            problems.add(Code::Format, None, "", "not UTF-8".to_owned());
            return Settings::default();
        }
    };
    let mut top = Section::new(&table, "", "", &mut problems);
    let mut settings = Settings {
        id: top.required("id"),
        version: top.required("version"),
        title: top.required("title"),
        modelled_on: top.required("modelled_on"),
        evidence: top.evidence(),
        zone: top.text_or("zone", "Asia/Shanghai"),
        gaps: top.texts("gaps"),
        renumbers: top.texts("renumbers"),
        namespaces: top.map("namespaces"),
        ..Settings::default()
    };
    settings.http = top.sub("http", http).unwrap_or_default();
    settings.auth = top.sub("auth", auth);
    settings.sign = top.sub("sign", sign);
    settings.encrypt = top.sub("encrypt", encrypt);
    settings.reply = top
        .sub("reply", |it| Replies {
            common: it.text("common"),
            classes: classes(it),
            dictionary: it.texts("dictionary"),
        })
        .unwrap_or_default();
    settings.limits = top.sub("limits", limits).unwrap_or_default();
    settings.deadlines = top.sub("deadlines", deadlines).unwrap_or_default();
    settings.operations = top.subs("operation", operation);
    settings.rows = top.sub("rows", rows);
    settings.tables = top.sub("tables", tables);
    settings.inbox = top.subs("inbox", inbox::inbox);
    settings.files = top.sub("files", folders::files);
    settings.sheet = top.sub("sheet", folders::sheet);
    flatten("", &table, &mut settings.written);
    if settings.evidence.is_none() && !table.contains_key("evidence") {
        problems.add(Code::Key, None, "evidence", "is required".to_owned());
    }
    settings
}

/// Every key with its path and its value as text. Tables in a list go by their name or key, else by
/// their place.
fn flatten(prefix: &str, table: &Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten(&path, inner, into),
            Value::Array(list) if list.iter().any(Value::is_table) => {
                for (at, inner) in list.iter().enumerate() {
                    let Value::Table(inner) = inner else { continue };
                    let name = ["name", "table"].iter().find_map(|it| inner.get(*it)?.as_str());
                    let name = name.map_or_else(|| at.to_string(), str::to_owned);
                    flatten(&format!("{path}.{name}"), inner, into);
                }
            }
            Value::Array(list) => {
                let texts: Vec<String> = list.iter().map(plain).collect();
                into.insert(path, texts.join(", "));
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_) => drop(into.insert(path, plain(value))),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One table of the file, being read.
pub(super) struct Section<'a, 'p, 'l> {
    table: &'a Table,
    /// Its name in [`KEYS`].
    name: String,
    /// Its name for people, for example `operation[entry.register]`.
    shown: String,
    problems: &'p mut Problems<'l>,
}

impl<'a, 'p, 'l> Section<'a, 'p, 'l> {
    fn new(table: &'a Table, name: &str, shown: &str, problems: &'p mut Problems<'l>) -> Self {
        let section = Self { table, name: name.to_owned(), shown: shown.to_owned(), problems };
        let known = KEYS.iter().find(|(it, _)| *it == name).map_or(&[][..], |(_, keys)| keys);
        if !known.contains(&"*") {
            for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
                section.problems.add_unknown(
                    Code::Key,
                    (None, &section.path(key)),
                    "no such key".to_owned(),
                    key,
                    known.iter().copied(),
                );
            }
        }
        section
    }

    fn path(&self, key: &str) -> String {
        if self.shown.is_empty() { key.to_owned() } else { format!("{}.{key}", self.shown) }
    }

    pub(super) fn wrong(&mut self, key: &str, what: &str) {
        let path = self.path(key);
        self.problems.add(Code::Key, None, &path, what.to_owned());
    }

    pub(super) fn text(&mut self, key: &str) -> String {
        match self.table.get(key) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                self.wrong(key, "must be a text in quotes");
                String::new()
            }
        }
    }

    fn text_or(&mut self, key: &str, otherwise: &str) -> String {
        let text = self.text(key);
        if text.is_empty() { otherwise.to_owned() } else { text }
    }

    pub(super) fn required(&mut self, key: &str) -> String {
        let text = self.text(key);
        if text.trim().is_empty() && !matches!(self.table.get(key), Some(value) if !value.is_str())
        {
            self.wrong(key, "is required");
        }
        text
    }

    pub(super) fn one_of(&mut self, key: &str, known: &[&str], otherwise: &str) -> String {
        let text = self.text_or(key, otherwise);
        if !known.contains(&text.as_str()) {
            let path = self.path(key);
            let what = format!("`{text}` is none of {}", known.join(", "));
            self.problems.add_unknown(Code::Key, (None, &path), what, &text, known.iter().copied());
        }
        text
    }

    pub(super) fn optional_one_of(&mut self, key: &str, known: &[&str]) -> String {
        if self.table.contains_key(key) { self.one_of(key, known, "") } else { String::new() }
    }

    /// The key, where it is there, names a credential.
    fn credential(&mut self, key: &str) {
        let text = self.text(key);
        let name = text.strip_prefix("credential.").unwrap_or_default();
        if !text.is_empty() && name.is_empty() {
            self.wrong(key, &format!("`{text}` is not `credential.NAME`"));
        }
    }

    /// A text, or a list of texts.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        match self.table.get(key) {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(array)) => {
                let texts: Vec<String> =
                    array.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                if texts.len() != array.len() {
                    self.wrong(key, "must be a list of texts in quotes");
                }
                texts
            }
            Some(_) => {
                self.wrong(key, "must be a list of texts in quotes");
                Vec::new()
            }
        }
    }

    fn map(&mut self, key: &str) -> BTreeMap<String, String> {
        match self.table.get(key) {
            None => BTreeMap::new(),
            Some(Value::Table(table)) => {
                let map: BTreeMap<String, String> = table
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                    .collect();
                if map.len() != table.len() {
                    self.wrong(key, "must map names to texts in quotes");
                }
                map
            }
            Some(_) => {
                self.wrong(key, "must map names to texts in quotes");
                BTreeMap::new()
            }
        }
    }

    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        let text = self.text(key);
        if text.is_empty() {
            return None;
        }
        let parsed = text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .filter(|duration| !duration.is_zero());
        if parsed.is_none() {
            self.wrong(key, "must be a time span such as \"30s\", \"20m\" or \"4h\"");
        }
        parsed
    }

    pub(super) fn number(&mut self, key: &str) -> Option<u32> {
        let number = self.table.get(key)?.as_integer().and_then(|n| u32::try_from(n).ok());
        let number = number.filter(|n| *n > 0);
        if number.is_none() {
            self.wrong(key, "must be a whole number above 0");
        }
        number
    }

    fn size(&mut self, key: &str) -> Option<u64> {
        self.table.get(key)?;
        let size = size_bytes(&self.text(key));
        if size.is_none() {
            self.wrong(key, "must be a size such as \"512KiB\" or \"4MiB\"");
        }
        size
    }

    fn flag(&mut self, key: &str) -> bool {
        match self.table.get(key) {
            None => false,
            Some(Value::Boolean(flag)) => *flag,
            Some(_) => {
                self.wrong(key, "must be true or false");
                false
            }
        }
    }

    fn evidence(&mut self) -> Option<Evidence> {
        let text = self.text("evidence");
        let grade = Evidence::parse(&text);
        if grade.is_none() && !text.is_empty() {
            let known = Evidence::ALL.map(Evidence::as_str);
            self.one_of("evidence", &known, "");
        }
        grade
    }

    pub(super) fn sub<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Section<'_, '_, 'l>) -> T,
    ) -> Option<T> {
        match self.table.get(key)? {
            Value::Table(table) => {
                let shown = self.path(key);
                Some(self.enter(table, key, &shown, read))
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => {
                self.wrong(key, "must be a section");
                None
            }
        }
    }

    fn subs<T>(&mut self, key: &str, read: impl Fn(&mut Section<'_, '_, 'l>) -> T) -> Vec<T> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let tables: Option<Vec<&Table>> =
            value.as_array().map(|list| list.iter().filter_map(Value::as_table).collect());
        let Some(tables) = tables else {
            self.wrong(key, "must be sections in double brackets");
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, table) in tables.into_iter().enumerate() {
            let name = ["name", "table"].iter().find_map(|name| table.get(*name)?.as_str());
            let shown = name.map_or_else(|| (index + 1).to_string(), str::to_owned);
            let shown = format!("{key}[{shown}]");
            all.push(self.enter(table, key, &shown, &read));
        }
        all
    }

    fn enter<T>(
        &mut self,
        table: &Table,
        key: &str,
        shown: &str,
        read: impl FnOnce(&mut Section<'_, '_, 'l>) -> T,
    ) -> T {
        let name =
            if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        read(&mut Section::new(table, &name, shown, self.problems))
    }
}

fn size_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "B" | "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(unit).filter(|size| *size > 0)
}

fn http(it: &mut Section<'_, '_, '_>) -> Http {
    Http {
        media: it.one_of("media", MEDIA, "application/xml"),
        method: it.one_of("method", METHODS, "POST"),
        timeout: it.duration("timeout"),
        headers: it.map("headers"),
    }
}

fn auth(it: &mut Section<'_, '_, '_>) -> Auth {
    let auth = Auth {
        kind: it.one_of("kind", AUTH_KINDS, ""),
        path: it.text("path"),
        body: it.one_of("body", &["form", "json"], "form"),
        form: it.map("form"),
        request: it.map("request"),
        key: it.text("key"),
        decrypt: it.optional_one_of("decrypt", SECRET_CIPHERS),
        token: it.text("token"),
        expires: it.text("expires"),
        lifetime: it.duration("lifetime"),
        renew: it.duration("renew"),
        headers: it.map("headers"),
        user: it.text("user"),
        password: it.text("password"),
    };
    let is_basic = auth.kind == "basic";
    let mut need = |key: &str, is_there: bool, is_wanted: bool| match (is_there, is_wanted) {
        (false, true) => it.wrong(key, "is required for this kind"),
        (true, false) => it.wrong(key, "means nothing for this kind"),
        (true, true) | (false, false) => {}
    };
    need("path", !auth.path.is_empty(), !is_basic);
    need("token", !auth.token.is_empty(), !is_basic);
    need("user", !auth.user.is_empty(), is_basic);
    need("password", !auth.password.is_empty(), is_basic);
    need("key", !auth.key.is_empty(), auth.kind == "secret-exchange");
    for key in ["key", "user", "password"] {
        it.credential(key);
    }
    auth
}

fn sign(it: &mut Section<'_, '_, '_>) -> Sign {
    let sign = Sign {
        algorithm: it.one_of("algorithm", ALGORITHMS, ""),
        key: it.text("key"),
        over: it.texts("over"),
        join: it.text("join"),
        encode: it.one_of("encode", ENCODINGS, "base64"),
        into: it.required("into"),
        form: it.one_of("form", &["der", "raw"], "der"),
        identity: it.text_or("identity", "1234567812345678"),
        tolerance: it.duration("tolerance"),
    };
    let is_digest = matches!(sign.algorithm.as_str(), "sha256" | "sm3");
    if sign.key.is_empty() && !is_digest {
        it.wrong("key", "is required");
    }
    if !sign.key.is_empty() && is_digest {
        it.wrong("key", "means nothing for a digest: what is secret stands in `over`");
    }
    for key in ["form", "identity"] {
        if sign.algorithm != "sm2" && it.table.contains_key(key) {
            it.wrong(key, "is for sm2 alone");
        }
    }
    if sign.over.is_empty() {
        it.wrong("over", "is required");
    }
    sign
}

fn encrypt(it: &mut Section<'_, '_, '_>) -> Encrypt {
    let encrypt = Encrypt {
        algorithm: it.one_of("algorithm", CIPHERS, ""),
        key: it.required("key"),
        key_encode: it.one_of("key_encode", &["hex", "base64", "text"], "hex"),
        iv: it.text("iv"),
        over: it.one_of("over", &["body", "fields"], "body"),
        encode: it.one_of("encode", &["base64", "hex", "hex-upper", "raw"], "base64"),
        answers: it.flag("answers"),
    };
    if encrypt.answers && encrypt.over != "body" {
        it.wrong("answers", "is for `over = \"body\"` alone");
    }
    it.credential("key");
    match (encrypt.algorithm.as_str(), encrypt.iv.as_str()) {
        ("sm4-cbc", "prefix") | ("sm4-ecb", "") => {}
        ("sm4-cbc", iv) if iv.starts_with("credential.") => {}
        ("sm4-cbc", _) => it.wrong("iv", "must be `prefix` or `credential.NAME`"),
        _ => it.wrong("iv", "is for sm4-cbc alone"),
    }
    if encrypt.over == "fields" && encrypt.encode == "raw" {
        it.wrong("encode", "a field holds text: base64, hex or hex-upper");
    }
    encrypt
}

fn limits(it: &mut Section<'_, '_, '_>) -> Limits {
    Limits {
        rows: it.number("rows"),
        bytes: it.size("bytes"),
        reply: it.size("reply"),
        in_flight: it.number("in_flight"),
    }
}

fn deadlines(it: &mut Section<'_, '_, '_>) -> Deadlines {
    Deadlines {
        receipt: it.duration("receipt"),
        verdict: it.duration("verdict"),
        review: it.duration("review"),
    }
}

fn operation(it: &mut Section<'_, '_, '_>) -> OperationSettings {
    OperationSettings {
        name: it.required("name"),
        title: it.text("title"),
        method: if it.table.contains_key("method") {
            it.one_of("method", METHODS, "POST")
        } else {
            String::new()
        },
        path: it.text("path"),
        body: it.one_of("body", BODIES, "message"),
        message: it.text("message"),
        reply: it.text("reply"),
        needs: it.texts("needs"),
        evidence: it.evidence(),
        compress: it.one_of("compress", &["none", "gzip", "zstd"], "none"),
        every: it.duration("every"),
        mandatory: it.flag("mandatory"),
        page: it.sub("page", |it| PageSettings {
            by: it.one_of("by", &["number", "cursor"], "number"),
            size: it.number("size").unwrap_or(100),
            until: it.one_of("until", &["next", "total", "empty"], "next"),
        }),
        outcomes: it.sub("outcomes", classes).unwrap_or_default(),
    }
}

fn rows(it: &mut Section<'_, '_, '_>) -> RowSettings {
    let style = |it: &mut Section<'_, '_, '_>| RowStyle {
        style: it.one_of("style", STYLES, ""),
        tag: it.text("tag"),
        column: it.one_of("column", COLUMN_WORDS, "item.code"),
        prefix: it.text("prefix"),
        null: it.one_of("null", &["omit", "empty", "nil"], "omit"),
        key: it.text("key"),
        only_key: it.one_of("only", &["all", "key"], "all") == "key",
    };
    RowSettings {
        upsert: it.sub("upsert", style).unwrap_or_default(),
        delete: it.sub("delete", style),
        time: it.text_or("time", "%Y-%m-%d %H:%M:%S"),
        date: it.text_or("date", "%Y-%m-%d"),
        yes: it.text_or("true", "true"),
        no: it.text_or("false", "false"),
        digest: it.one_of("digest", &["", "lines"], ""),
    }
}

fn tables(it: &mut Section<'_, '_, '_>) -> TableSettings {
    let statuses = |it: &mut Section<'_, '_, '_>, key: &str| {
        let texts = it.texts(key);
        if texts.is_empty() {
            it.wrong(key, "is required");
        }
        texts
    };
    let correct = it.one_of("correct", CORRECTIONS, "tombstone-then-new");
    TableSettings {
        own_key: it.required("own_key"),
        upper_key: it.text("upper_key"),
        status: it.required("status"),
        reason: it.text("reason"),
        new: it.required("new"),
        passed: statuses(it, "passed"),
        failed: statuses(it, "failed"),
        correct,
        validity: it.required("validity"),
        valid: it.required("valid"),
        invalid: it.required("invalid"),
        invalid_reason: it.text("invalid_reason"),
        corrected: it.text("corrected"),
        deleted: it.text("deleted"),
        prefix: it.text("prefix"),
    }
}

fn classes(it: &mut Section<'_, '_, '_>) -> Classes {
    Class::ALL
        .into_iter()
        .map(|class| (class, it.texts(class.as_str())))
        .filter(|(_, globs)| !globs.is_empty())
        .collect()
}
