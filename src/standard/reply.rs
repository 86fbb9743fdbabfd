//! Reading replies: which paths mean what, and which codes mean what became of a request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::message::Codes;
use super::problem::{Code, Problems};
use super::reading::{Drift, Held, HttpAnswer, Reading, RowJudgement};
use super::settings::{Class, Classes, Replies};
use super::tables::{BASES, ReplyRow};
use super::vocabulary::{needed_reply_words, reply_words};
use crate::delivery::{LinkState, Outcome, Receipt, Verdict};
use crate::wire::{Document, Media, Namespaces, Node, Path};

/// Declares the closed set of meanings.
macro_rules! meanings {
    ($($variant:ident = $text:literal,)*) => {
        /// What a path of a reply means to the daemon.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub(super) enum Meaning { $($variant),* }

        impl Meaning {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $text)),*];
        }
    };
}

meanings! {
    Code = "code",
    Message = "message",
    UpperId = "upper_id",
    State = "state",
    ReceiptId = "receipt.id",
    ReceiptDigest = "receipt.digest",
    ReceiptRows = "receipt.rows",
    RowKey = "row.key",
    RowVerdict = "row.verdict",
    RowReason = "row.reason",
    RowNumber = "row.number",
    RowBatch = "row.batch",
    InventoryKey = "inventory.key",
    InventoryUpperId = "inventory.upper_id",
    InventoryDigest = "inventory.digest",
    InventoryCount = "inventory.count",
    InventoryState = "inventory.state",
    PageNext = "page.next",
    PageTotal = "page.total",
    Ignore = "ignore",
}

/// Every meaning, as the column `meaning` writes it.
pub fn meanings() -> Vec<&'static str> {
    Meaning::ALL.iter().map(|(_, text)| *text).collect()
}

impl Meaning {
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, it)| *it == text).map(|(meaning, _)| *meaning)
    }

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(it, _)| *it == self).map_or("", |(_, text)| text)
    }

    /// It speaks of one element of a list.
    fn list(self) -> Option<List> {
        match self {
            Self::RowKey
            | Self::RowVerdict
            | Self::RowReason
            | Self::RowNumber
            | Self::RowBatch => Some(List::Rows),
            Self::InventoryKey
            | Self::InventoryUpperId
            | Self::InventoryDigest
            | Self::InventoryCount
            | Self::InventoryState => Some(List::Inventory),
            Self::Code
            | Self::Message
            | Self::UpperId
            | Self::State
            | Self::ReceiptId
            | Self::ReceiptDigest
            | Self::ReceiptRows
            | Self::PageNext
            | Self::PageTotal
            | Self::Ignore => None,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum List {
    Rows,
    Inventory,
}

#[derive(Clone, Debug)]
enum Where {
    Body(Path),
    /// A header's name in lower case.
    Header(String),
}

#[derive(Clone, Debug)]
struct Entry {
    meaning: Meaning,
    path: String,
    place: Where,
    /// Below the element of its list, where the meaning speaks of one.
    below: Option<Path>,
    codes: Option<Arc<Codes>>,
    required: bool,
}

/// The compiled reply of one operation.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    entries: Vec<Entry>,
    rows: Option<Path>,
    inventory: Option<Path>,
    known: Vec<Path>,
    namespaces: Namespaces,
    /// It answers a question: "no such thing" is then an answer, elsewhere a refusal.
    is_query: bool,
    /// Own classes first, then the standard's.
    classes: [Classes; 2],
    /// Refusals of a value for its code list.
    dictionary: Vec<String>,
}

/// What compiling needs to know of the directory.
pub(super) struct Context<'a> {
    pub(super) media: Media,
    pub(super) namespaces: &'a Namespaces,
    pub(super) codes: &'a BTreeMap<String, Arc<Codes>>,
}

/// Checks the rows of one table; problems only. Called once for each table.
pub(super) fn check_rows(rows: &[ReplyRow], context: &Context<'_>, problems: &mut Problems<'_>) {
    for row in rows {
        let mut wrong = |code, what| problems.add(code, Some(row.row), &row.path, what);
        if row.required != "yes" && row.required != "no" && !row.required.is_empty() {
            wrong(Code::Rule, format!("required `{}` is neither yes nor no", row.required));
        }
        if !BASES.contains(&row.basis.as_str()) {
            wrong(Code::Rule, format!("basis `{}` is none of {}", row.basis, BASES.join(", ")));
        }
        if !row.path.starts_with("header:")
            && let Err(error) = Path::parse(context.media, &row.path, context.namespaces)
        {
            wrong(Code::Path, error.to_string());
        }
        if row.path.is_empty() {
            wrong(Code::Path, "path is empty".to_owned());
        }
        let Some(meaning) = Meaning::parse(&row.meaning) else {
            let what = format!("no such meaning `{}`", row.meaning);
            let place = (Some(row.row), row.path.as_str());
            problems.add_unknown(Code::Reply, place, what, &row.meaning, meanings());
            continue;
        };
        let allowed = reply_words(meaning.as_str());
        match (row.codes.as_str(), allowed) {
            ("", Some(_)) => {
                let what = format!("`{}` needs a code list", meaning.as_str());
                problems.add(Code::Codes, Some(row.row), &row.path, what);
            }
            ("", None) => {}
            (name, _) => match context.codes.get(name) {
                None => {
                    let known = context.codes.keys().map(String::as_str);
                    let place = (Some(row.row), row.path.as_str());
                    problems.add_missing(place, ("codes", name), known);
                }
                Some(codes) => check_words(row, meaning, codes, problems),
            },
        }
    }
}

fn check_words(row: &ReplyRow, meaning: Meaning, codes: &Codes, problems: &mut Problems<'_>) {
    let Some(allowed) = reply_words(meaning.as_str()) else { return };
    for word in codes.words().filter(|word| !allowed.contains(word)) {
        let what = format!("`codes/{}.csv` says `{word}`, which is no {}", codes.name, row.meaning);
        let place = (Some(row.row), row.path.as_str());
        problems.add_unknown(Code::Codes, place, what, word, allowed.iter().copied());
    }
    for word in needed_reply_words(meaning.as_str()) {
        if codes.code(word).is_none() {
            let what = format!("`codes/{}.csv` has no code for `{word}`", codes.name);
            problems.add(Code::Codes, Some(row.row), &row.path, what);
        }
    }
}

/// Compiles the rows of an operation's reply: the common ones and its own.
pub(super) fn compile<'r>(
    rows: impl IntoIterator<Item = &'r ReplyRow>,
    (classes, is_query): ([Classes; 2], bool),
    dictionary: &[String],
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Reply {
    let (namespaces, dictionary) = (context.namespaces.clone(), dictionary.to_vec());
    let mut reply = Reply { classes, dictionary, is_query, namespaces, ..Reply::default() };
    for row in rows {
        let Some(meaning) = Meaning::parse(&row.meaning) else { continue };
        let (place, below) = match row.path.strip_prefix("header:") {
            Some(name) => (Where::Header(name.to_ascii_lowercase()), None),
            None => {
                let Ok(path) = Path::parse(context.media, &row.path, context.namespaces) else {
                    continue;
                };
                reply.known.push(path.clone());
                let below = match meaning.list() {
                    None => None,
                    Some(list) => match reply.list(list, row, &path, context) {
                        Ok(below) => Some(below),
                        Err(what) => {
                            problems.add(Code::Reply, Some(row.row), &row.path, what);
                            continue;
                        }
                    },
                };
                (Where::Body(path), below)
            }
        };
        reply.entries.push(Entry {
            meaning,
            path: row.path.clone(),
            place,
            below,
            codes: context.codes.get(&row.codes).cloned(),
            required: row.required == "yes",
        });
    }
    reply
}

impl Reply {
    /// The path below the list's element, with the list remembered.
    fn list(
        &mut self,
        list: List,
        row: &ReplyRow,
        path: &Path,
        context: &Context<'_>,
    ) -> Result<Path, String> {
        let end = row.path.rfind("[]").map_or(0, |at| at + 2);
        let text = row.path.get(..end).unwrap_or_default();
        let own = Path::parse(context.media, text, context.namespaces)
            .map_err(|error| error.to_string())?;
        let known = match list {
            List::Rows => &mut self.rows,
            List::Inventory => &mut self.inventory,
        };
        match known {
            Some(other) if *other != own => {
                return Err(format!("stands in another list than `{other}`"));
            }
            Some(_) => {}
            None => *known = Some(own.clone()),
        }
        path.below(&own).ok_or_else(|| "stands in no list".to_owned())
    }

    /// Whether any row has this meaning.
    pub(super) fn says(&self, meaning: Meaning) -> bool {
        self.entries.iter().any(|entry| entry.meaning == meaning)
    }

    /// The class of a code: an exact name before a glob, own classes before the standard's.
    pub(super) fn class_of(&self, code: &str) -> Option<Class> {
        self.classes.iter().find_map(|classes| class_in(classes, code))
    }

    /// Reads a reply. `document` is `None` where the body could not be read.
    pub(super) fn read(&self, http: &HttpAnswer<'_>, document: Option<&Document>) -> Reading {
        let code = self.first(Meaning::Code, http, document);
        let wants_code = self.says(Meaning::Code);
        let class_code = match &code {
            Some(code) => code.clone(),
            None => format!("http-{}", http.status),
        };
        let message = self.first(Meaning::Message, http, document);
        let is_ok = (200..300).contains(&http.status);
        let class = self.class_of(&class_code);
        // An answer that should say a code and does not leaves open what became of the request.
        let outcome = if code.is_none() && is_ok && (wants_code || document.is_none()) {
            Outcome::Unknown { code: "unreadable-answer".to_owned() }
        } else if code.is_none() && is_ok {
            Outcome::Accepted { upper_id: None, receipt: None }
        } else {
            self.outcome(class, &class_code, message.as_deref(), http)
        };
        let mut reading = Reading::new(outcome, class_code.clone());
        reading.message = message;
        reading.absent = class == Some(Class::Absent);
        if matches!(reading.outcome, Outcome::Unlisted { .. }) {
            reading.drift.push(Drift::UnlistedCode(class_code));
        }
        if matches!(reading.outcome, Outcome::Refused { .. })
            && self.dictionary.iter().any(|glob| glob_matches(glob, &reading.code))
        {
            reading.drift.push(Drift::RefusedCode(reading.code.clone()));
        }
        if let Some(document) = document {
            self.content(http, document, &mut reading);
            let unknown = document.unknown_paths(&self.known, &self.namespaces);
            reading.drift.extend(unknown.into_iter().map(Drift::UnknownPath));
        }
        self.complete(&mut reading);
        reading
    }

    fn outcome(
        &self,
        class: Option<Class>,
        code: &str,
        message: Option<&str>,
        http: &HttpAnswer<'_>,
    ) -> Outcome {
        let code = code.to_owned();
        match class {
            Some(Class::Accepted) => Outcome::Accepted { upper_id: None, receipt: None },
            Some(Class::Absent) if self.is_query => {
                Outcome::Accepted { upper_id: None, receipt: None }
            }
            Some(Class::Exists) => Outcome::Exists { upper_id: None, code },
            Some(Class::Refused | Class::Absent) => {
                Outcome::Refused { code, message: message.unwrap_or_default().to_owned() }
            }
            Some(Class::Retry) => Outcome::Retry { code, after: http.retry_after },
            Some(Class::Auth) => Outcome::Auth { code },
            Some(Class::Unknown) => Outcome::Unknown { code },
            None => Outcome::Unlisted { code },
        }
    }

    /// Puts ids and receipts into the outcome, and doubts an acceptance that lacks what the
    /// standard says every acceptance has.
    fn complete(&self, reading: &mut Reading) {
        let missing = self.entries.iter().find(|entry| {
            entry.required
                && (entry.meaning == Meaning::UpperId && reading.upper_id.is_none()
                    || entry.meaning == Meaning::ReceiptId && reading.receipt.is_none()
                    || entry.meaning == Meaning::State && reading.state.is_none())
        });
        let is_taken = matches!(reading.outcome, Outcome::Accepted { .. }) && !reading.absent;
        match (&mut reading.outcome, missing) {
            (outcome @ Outcome::Accepted { .. }, Some(entry)) if is_taken => {
                let what = format!("no-{}", entry.meaning.as_str());
                *outcome = Outcome::Unknown { code: what };
                reading.drift.push(Drift::MissingPath(entry.path.clone()));
            }
            (Outcome::Accepted { upper_id, receipt }, _) => {
                upper_id.clone_from(&reading.upper_id);
                receipt.clone_from(&reading.receipt);
            }
            (Outcome::Exists { upper_id, .. }, _) => upper_id.clone_from(&reading.upper_id),
            (
                Outcome::Refused { .. }
                | Outcome::Retry { .. }
                | Outcome::Auth { .. }
                | Outcome::Unknown { .. }
                | Outcome::NoPlace { .. }
                | Outcome::Unlisted { .. },
                _,
            ) => {}
        }
    }

    fn content(&self, http: &HttpAnswer<'_>, document: &Document, reading: &mut Reading) {
        let text = |meaning| self.first(meaning, http, Some(document));
        reading.upper_id = text(Meaning::UpperId);
        let count = |text: String| text.trim().parse::<u64>().ok();
        reading.receipt = text(Meaning::ReceiptId).map(|id| Receipt {
            id,
            digest: text(Meaning::ReceiptDigest),
            rows: text(Meaning::ReceiptRows).and_then(count),
        });
        reading.page.next = text(Meaning::PageNext);
        reading.page.total = text(Meaning::PageTotal).and_then(count);
        if let Some(entry) = self.entries.iter().find(|it| it.meaning == Meaning::State)
            && let Some(said) = text(Meaning::State)
        {
            reading.state = entry.state(&said, &mut reading.drift);
        }
        for element in self.rows.iter().flat_map(|list| document.all(list)) {
            self.judgement(element, reading);
        }
        for element in self.inventory.iter().flat_map(|list| document.all(list)) {
            self.held(element, reading);
        }
    }

    fn judgement(&self, element: &Node, reading: &mut Reading) {
        let text = |meaning| self.below(element, meaning).map(|(_, text)| text);
        let number = text(Meaning::RowNumber).and_then(|text| text.trim().parse().ok());
        let key = text(Meaning::RowKey);
        if key.is_none() && number.is_none() {
            return;
        }
        let (key, batch) = (key.unwrap_or_default(), text(Meaning::RowBatch));
        let reason = self.below(element, Meaning::RowReason).map(|(_, text)| text);
        let word = self
            .below(element, Meaning::RowVerdict)
            .and_then(|(entry, said)| entry.word(&said, &mut reading.drift));
        let verdict = match word.as_deref() {
            Some("passed") => Some(Verdict::Passed),
            Some("failed") => Some(Verdict::Failed { reason: reason.unwrap_or_default() }),
            _ => None,
        };
        reading.verdicts.push(RowJudgement { key, verdict, batch, number });
    }

    fn held(&self, element: &Node, reading: &mut Reading) {
        let text = |meaning| self.below(element, meaning).map(|(_, text)| text);
        let Some(key) = text(Meaning::InventoryKey) else { return };
        let state = self
            .below(element, Meaning::InventoryState)
            .and_then(|(entry, said)| entry.state(&said, &mut reading.drift));
        reading.inventory.push(Held {
            key,
            upper_id: text(Meaning::InventoryUpperId),
            digest: text(Meaning::InventoryDigest),
            count: text(Meaning::InventoryCount).and_then(|text| text.trim().parse().ok()),
            state,
        });
    }

    fn below(&self, element: &Node, meaning: Meaning) -> Option<(&Entry, String)> {
        self.entries.iter().filter(|entry| entry.meaning == meaning).find_map(|entry| {
            let text = element.text_at(entry.below.as_ref()?)?;
            (!text.is_empty()).then(|| (entry, text.to_owned()))
        })
    }

    /// The first text that is there with a meaning.
    fn first(
        &self,
        meaning: Meaning,
        http: &HttpAnswer<'_>,
        document: Option<&Document>,
    ) -> Option<String> {
        let found =
            self.entries.iter().filter(|entry| entry.meaning == meaning).find_map(|entry| {
                match &entry.place {
                    Where::Body(path) => document?.text(path).map(str::trim).map(str::to_owned),
                    Where::Header(name) => {
                        let header = http.headers.iter().find(|(it, _)| it == name);
                        header.map(|(_, value)| value.clone())
                    }
                }
            });
        found.filter(|text| !text.is_empty())
    }
}

impl Entry {
    /// The canonical word of what was said; a value outside the list is drift and means nothing.
    fn word(&self, said: &str, drift: &mut Vec<Drift>) -> Option<String> {
        let Some(codes) = &self.codes else { return Some(said.to_owned()) };
        let word = codes.word(said.trim()).map(str::to_owned);
        if word.is_none() {
            drift.push(Drift::UnlistedValue(self.path.clone(), said.chars().take(40).collect()));
        }
        word
    }

    fn state(&self, said: &str, drift: &mut Vec<Drift>) -> Option<LinkState> {
        self.word(said, drift).and_then(|word| LinkState::parse(&word))
    }
}

fn class_in(classes: &Classes, code: &str) -> Option<Class> {
    let best = classes.iter().flat_map(|(class, globs)| {
        globs.iter().filter(|glob| glob_matches(glob, code)).map(|glob| {
            let is_exact = !glob.contains('*');
            ((is_exact, glob.len()), *class)
        })
    });
    best.max_by_key(|(weight, _)| *weight).map(|(_, class)| class)
}

/// Whether a code matches a glob in which `*` stands for any characters.
pub(super) fn glob_matches(glob: &str, code: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = parts.next().and_then(|first| code.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            match rest.find(before).and_then(|at| rest.get(at + before.len()..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |end| rest.ends_with(end))
}

/// Reports patterns that stand in two classes.
pub(super) fn check_classes(classes: &Classes, subject: &str, problems: &mut Problems<'_>) {
    let mut seen: BTreeMap<&str, Class> = BTreeMap::new();
    for (class, globs) in classes {
        for glob in globs {
            if let Some(other) = seen.insert(glob, *class) {
                let (a, b) = (other.as_str(), class.as_str());
                let what = format!("code `{glob}` is both {a} and {b}");
                problems.add(Code::Reply, None, subject, what);
            }
        }
    }
}

/// Reports codes of the dictionary that no class refuses: they would never be met.
pub(super) fn check_dictionary(written: &Replies, problems: &mut Problems<'_>) {
    for glob in &written.dictionary {
        if class_in(&written.classes, glob) != Some(Class::Refused) {
            let what = format!("code `{glob}` of `dictionary` is not `refused`");
            problems.add(Code::Reply, None, "reply.dictionary", what);
        }
    }
}

/// `Retry-After` in seconds, bounded to a day.
pub fn retry_after(header: &str) -> Option<Duration> {
    let seconds: u64 = header.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(86_400)))
}
