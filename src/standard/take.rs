//! What a request of this standard says, read by the tables that wrote it: the upper side's reading.
//!
//! Building is a function from words to texts; this is its inverse, as far as there is one. A code
//! that several words share gives the first of them, a `format` of several words none, and what
//! `[encrypt]` hides stays hidden. What the table demands is judged by `Standard::check`, never
//! here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Standard;
use super::build;
use super::message::{Field, FieldType, Message, Place, Required};
use super::operation::Operation;
use super::problem::{Lack, LackRule};
use super::template;
use super::value::{self, AnyWord, ContextWord, Piece, Source};
use crate::catalogue::{Value, WordType};
use crate::wire::{Document, Node, enclosed};

/// What stands outside a request's body. Header names are in lower case, all texts unescaped.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    /// Headers.
    pub headers: &'a BTreeMap<String, String>,
    /// The query.
    pub query: &'a BTreeMap<String, String>,
    /// Segments of the path, by the names that the operation gives them.
    pub url: &'a BTreeMap<String, String>,
    /// The fields of a body that is a form.
    pub form: &'a BTreeMap<String, String>,
}

/// What a request says, by the words of the catalogue and of the standard's values.
///
/// `entry.title`, `link.upper_id`, `upper.category`, `batch.id`, `dataset.id`, `supplied.x`. Codes are canonical
/// words, instants RFC 3339, several codes are joined with `,`. `Debug` shows words alone.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Said {
    /// What is said once.
    pub words: BTreeMap<String, String>,
    /// What is said of each item, without the item's name before it: `title`, `supplied.level`.
    pub items: Vec<BTreeMap<String, String>>,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&String> = self.words.keys().collect();
        formatter
            .debug_struct("Said")
            .field("words", &words)
            .field("items", &self.items.len())
            .finish()
    }
}

impl Said {
    /// What was said under a word.
    pub fn get(&self, word: &str) -> Option<&str> {
        self.words.get(word).map(String::as_str)
    }
}

impl Standard {
    /// The operations that a request may be, by its method and its path below the address that the
    /// channel has; several may share both. With each what its path names.
    pub fn addressed(
        &self,
        method: &str,
        path: &str,
    ) -> Vec<(&Operation, BTreeMap<String, String>)> {
        let operations = self.operations().iter();
        let found = operations.filter(|it| it.method.eq_ignore_ascii_case(method));
        found.filter_map(|it| Some((it, named_segments(&it.path, path)?))).collect()
    }

    /// What a request of `operation` says. `document` is its body, read; `None` where it has none.
    pub fn said(
        &self,
        operation: &Operation,
        document: Option<&Document>,
        outside: Outside<'_>,
    ) -> Said {
        let mut said = Said::default();
        let Some(message) = &operation.message else { return said };
        let zone = &self.settings().zone;
        // What stands under a condition is understood when what it depends on is.
        let is_plain = |field: &&Field| field.list.is_none() && field.when.is_none();
        let is_bound = |field: &&Field| field.list.is_none() && field.when.is_some();
        let fields = || message.fields.iter();
        for field in fields().filter(is_plain).chain(fields().filter(is_bound)) {
            if field.when.is_some() && !holds(field, &said.words, &BTreeMap::new()) {
                continue;
            }
            let node = document.filter(|_| field.place == Place::Body).map(Document::top);
            let text = match node {
                Some(node) => text_in(field, node),
                None => text_apart(field, outside),
            };
            take(field, text, zone, &mut said.words);
        }
        let Some(document) = document else { return said };
        for (at, list) in fields().enumerate().filter(|(_, it)| it.kind == FieldType::List) {
            for node in list.reader.iter().flat_map(|path| document.all(path)) {
                let mut item = BTreeMap::new();
                let inside = || fields().filter(|field| field.list == Some(at));
                let free = inside().filter(|field| field.when.is_none());
                for field in free.chain(inside().filter(|field| field.when.is_some())) {
                    if field.when.is_none() || holds(field, &said.words, &item) {
                        take(field, text_in(field, node), zone, &mut item);
                    }
                }
                said.items.push(item);
            }
        }
        said
    }

    /// Where the rows of a batch stand: each row's node; `None` where the message has no place for
    /// them or the place is not there.
    pub fn rows_in<'d>(
        &self,
        operation: &Operation,
        document: &'d Document,
    ) -> Option<Vec<&'d Node>> {
        let message = operation.message.as_ref()?;
        let field = message.fields.iter().find(|it| it.kind == FieldType::Rows)?;
        let place = document.all(field.reader.as_ref()?).next()?;
        let is_row = |node: &&Node| node.form != crate::wire::Form::Attribute;
        Some(place.children.iter().filter(is_row).collect())
    }

    /// The rows of a batch as they were written, for the digest over them; `None` as for
    /// [`Standard::rows_in`].
    pub fn rows_written<'t>(&self, operation: &Operation, text: &'t str) -> Option<&'t str> {
        let message = operation.message.as_ref()?;
        let field = message.fields.iter().find(|it| it.kind == FieldType::Rows)?;
        enclosed(self.media(), text, field.reader.as_ref()?)
    }

    /// The words that the headers of `[http]` show of who sends and when: `credential.requester`,
    /// `attempt.time ms`. A header of several words, or one that is written otherwise, shows none.
    pub fn shown(&self, headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let settings = self.settings();
        let carried = settings.auth.iter().flat_map(|auth| &auth.headers);
        let all = settings.http.headers.iter().chain(carried);
        let shown = all.filter_map(|(name, written)| {
            let said = headers.get(&name.to_ascii_lowercase())?;
            only_word(written, said)
        });
        shown.collect()
    }
}

/// The one word of a template and the text that stands in its place.
pub(super) fn only_word(written: &str, said: &str) -> Option<(String, String)> {
    use template::Piece::{Text, Word};
    let pieces = template::pieces(written)?;
    let (before, word, after) = match pieces.as_slice() {
        [Word(word)] => ("", word, ""),
        [Text(before), Word(word)] => (before.as_str(), word, ""),
        [Word(word), Text(after)] => ("", word, after.as_str()),
        [Text(before), Word(word), Text(after)] => (before.as_str(), word, after.as_str()),
        _several => return None,
    };
    let text = said.strip_prefix(before)?.strip_suffix(after)?;
    Some(((*word).to_owned(), text.to_owned()))
}

/// The instant that was written by a pattern: the inverse of `format_time`.
pub fn read_time(text: &str, pattern: &str, zone: &str) -> Option<Timestamp> {
    match pattern {
        "" => text.parse().ok(),
        "ms" => Timestamp::from_millisecond(text.trim().parse().ok()?).ok(),
        "s" => Timestamp::from_second(text.trim().parse().ok()?).ok(),
        _ => {
            let parsed = jiff::fmt::strtime::parse(pattern, text.trim()).ok()?;
            if let Ok(at) = parsed.to_timestamp() {
                return Some(at);
            }
            let date = parsed.to_date().ok()?;
            let time = parsed.to_time().unwrap_or_else(|_no_time| jiff::civil::Time::midnight());
            TimeZone::get(zone).ok()?.to_timestamp(date.to_datetime(time)).ok()
        }
    }
}

/// What an operation's path names in a request's; `None` where it is another path.
fn named_segments(ours: &str, theirs: &str) -> Option<BTreeMap<String, String>> {
    let segments = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let (ours, theirs) = (segments(ours), segments(theirs));
    if ours.len() != theirs.len() {
        return None;
    }
    let mut named = BTreeMap::new();
    for (own, said) in ours.iter().zip(theirs) {
        match own.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            Some(name) => drop(named.insert(name.to_owned(), said)),
            None if *own == said => {}
            None => return None,
        }
    }
    Some(named)
}

/// The text of a field outside the body, or of a form.
fn text_apart<'o>(field: &Field, outside: Outside<'o>) -> Option<&'o str> {
    let found = match &field.place {
        Place::Outside("header", name) => outside.headers.get(&name.to_ascii_lowercase()),
        Place::Outside("query", name) => outside.query.get(name),
        Place::Outside(_, name) => outside.url.get(name),
        Place::Body => outside.form.get(&field.path),
    };
    found.map(String::as_str)
}

fn text_in<'n>(field: &Field, node: &'n Node) -> Option<&'n str> {
    node.text_at(field.reader.as_ref()?)
}

/// Whether a field's condition holds by what was understood before it.
fn holds(field: &Field, words: &BTreeMap<String, String>, item: &BTreeMap<String, String>) -> bool {
    let value = |word: &str| {
        let Ok(source) = value::word(word, &field.around) else { return Value::Absent };
        let found = match name_of(&source) {
            Some((name, true)) => item.get(&name),
            Some((name, false)) => words.get(&name),
            None => None,
        };
        found.map_or(Value::Absent, |text| typed(&source, text))
    };
    field.when.as_ref().is_none_or(|when| when.holds(&value))
}

fn typed(source: &Source, text: &str) -> Value {
    match source.of() {
        WordType::Integer => text.parse().map_or(Value::Absent, Value::Integer),
        WordType::Boolean => Value::Boolean(text == "true"),
        WordType::Code => Value::code(text),
        WordType::Codes => Value::Codes(text.split(',').map(str::to_owned).collect()),
        WordType::Text | WordType::List | WordType::Time => Value::text(text),
    }
}

/// The word under which a source's value is told, and whether it belongs to an item.
fn name_of(source: &Source) -> Option<(String, bool)> {
    let closed = |all: &[(AnyWord, &str, WordType)], word: AnyWord| {
        all.iter().find(|it| it.0 == word).map(|it| it.1.to_owned())
    };
    let context = |word: ContextWord| {
        ContextWord::ALL.iter().find(|it| it.0 == word).map(|it| it.1.to_owned())
    };
    Some(match source {
        Source::Object(kind, name) => (format!("{kind}.{name}"), false),
        Source::Any(word) => (closed(AnyWord::ALL, *word)?, false),
        Source::Item(name) => (name.clone(), true),
        Source::Supplied(name) => (format!("supplied.{name}"), false),
        Source::ItemSupplied(name) => (format!("supplied.{name}"), true),
        Source::UpperId => ("link.upper_id".to_owned(), false),
        Source::Upper(kind) => (format!("upper.{kind}"), false),
        Source::Context(word) => (context(*word)?, false),
        Source::Slot(name) => (name.clone(), false),
        Source::Joined(list, _) => name_of(list)?,
        Source::Fixed(_) | Source::Template(_) | Source::Each(_) | Source::Rows => return None,
    })
}

/// Understands one field's text.
fn take(field: &Field, text: Option<&str>, zone: &str, into: &mut BTreeMap<String, String>) {
    let is_nest = matches!(field.kind, FieldType::List | FieldType::Rows);
    let Some(text) = text.filter(|text| !text.is_empty() && !field.hidden && !is_nest) else {
        return;
    };
    let one_word = |pieces: &[Piece]| -> Option<(String, String)> {
        let (before, source, after) = match pieces {
            [Piece::Word(word)] => ("", word, ""),
            [Piece::Text(before), Piece::Word(word)] => (before.as_str(), word, ""),
            [Piece::Word(word), Piece::Text(after)] => ("", word, after.as_str()),
            [Piece::Text(before), Piece::Word(word), Piece::Text(after)] => {
                (before.as_str(), word, after.as_str())
            }
            _several => return None,
        };
        let text = text.strip_prefix(before)?.strip_suffix(after)?;
        Some((name_of(source)?.0, text.to_owned()))
    };
    let found = match &field.source {
        Source::Template(pieces) => one_word(pieces),
        Source::Joined(_, separator) => {
            let word = |code: &str| match &field.codes {
                Some(codes) => codes.word(code).unwrap_or(code).to_owned(),
                None => code.to_owned(),
            };
            let words: Vec<String> = text.split(separator.as_str()).map(word).collect();
            name_of(&field.source).map(|(name, _)| (name, words.join(",")))
        }
        Source::Object(..)
        | Source::Any(_)
        | Source::Item(_)
        | Source::Supplied(_)
        | Source::ItemSupplied(_)
        | Source::UpperId
        | Source::Upper(_)
        | Source::Context(_)
        | Source::Slot(_)
        | Source::Fixed(_)
        | Source::Each(_)
        | Source::Rows => {
            let is_time = field.source.of() == WordType::Time;
            let word = match &field.codes {
                Some(codes) => codes.word(text).unwrap_or(text).to_owned(),
                None if is_time => match read_time(text, &field.format, zone) {
                    Some(at) => at.to_string(),
                    None => return,
                },
                None => text.to_owned(),
            };
            name_of(&field.source).map(|(name, _)| (name, word))
        }
    };
    if let Some((name, text)) = found {
        into.entry(name).or_insert(text);
    }
}

impl Standard {
    /// What a message says otherwise than its table, beyond what [`Standard::check`] judges of our own:
    /// another text than a fixed one, a time that is none, a field where its condition does not
    /// hold. A condition about a word that the message does not carry demands nothing.
    ///
    /// What stands outside the body, or in a form, is judged by its rules as well.
    pub fn misspoken(
        &self,
        operation: &Operation,
        document: Option<&Document>,
        said: &Said,
        outside: Outside<'_>,
    ) -> Vec<Lack> {
        let Some(message) = &operation.message else { return Vec::new() };
        let zone = &self.settings().zone;
        let mut lacks = Vec::new();
        let is_apart = |it: &&Field| it.place != Place::Body || document.is_none();
        let is_form = !outside.form.is_empty();
        for field in message.fields.iter().filter(is_apart) {
            let stands = field.place != Place::Body || is_form;
            let rule = match text_apart(field, outside).filter(|text| !text.is_empty()) {
                None if stands
                    && matches!(field.required, Required::Yes)
                    && field.when.is_none() =>
                {
                    Err(LackRule::Required)
                }
                None => Ok(()),
                Some(text) => build::rules(field, text),
            };
            lacks.extend(rule.err().map(|rule| build::lack(message, field, None, rule)));
        }
        let Some(document) = document else { return lacks };
        for field in message.fields.iter().filter(|field| field.place == Place::Body) {
            let list = field.list.and_then(|at| message.fields.get(at));
            let places: Vec<(Option<usize>, &Node)> = match list {
                None => vec![(None, document.top())],
                Some(list) => {
                    let nodes = list.reader.iter().flat_map(|path| document.all(path));
                    nodes.enumerate().map(|(at, node)| (Some(at), node)).collect()
                }
            };
            for (at, node) in places {
                let none = BTreeMap::new();
                let item = at.and_then(|at| said.items.get(at)).unwrap_or(&none);
                let text = text_in(field, node).filter(|text| !text.is_empty() && !field.hidden);
                let Some(text) = text else { continue };
                let is_other = matches!(&field.source, Source::Fixed(own) if own != text);
                let is_no_time =
                    !field.format.is_empty() && read_time(text, &field.format, zone).is_none();
                let is_misplaced = is_bound_elsewhere(message, field, &said.words, item);
                let is_no_flag = field.kind == FieldType::Boolean
                    && field.codes.is_none()
                    && !matches!(text, "true" | "false");
                if is_other || is_no_time || is_misplaced || is_no_flag {
                    lacks.push(build::lack(message, field, at, LackRule::Format));
                }
            }
        }
        lacks
    }
}

/// Whether a field's condition is known not to hold, and no other row of its path has one that does.
fn is_bound_elsewhere(
    message: &Message,
    field: &Field,
    words: &BTreeMap<String, String>,
    item: &BTreeMap<String, String>,
) -> bool {
    let Some(when) = &field.when else { return false };
    let carried = |word: &str| {
        let source = value::word(word, &field.around).ok();
        source.is_some_and(|source| message.fields.iter().any(|it| it.source == source))
    };
    let is_known = when.words().into_iter().all(|(word, _)| carried(word));
    let sharing = message.fields.iter().filter(|it| it.path == field.path && it.row != field.row);
    is_known && !holds(field, words, item) && !sharing.into_iter().any(|it| holds(it, words, item))
}
