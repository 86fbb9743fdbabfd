//! The column `value`: where a field's value comes from.
//!
//! Every word that may stand there is in [`VALUE_FORMS`], in [`value_words`] or in the catalogue's
//! [`words`](crate::catalogue::words()); the page for integrators lists the same and a test compares.

use super::template;
use crate::catalogue::{Kind, WordType, words};

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Source {
    /// A word of the message's object: `entry.title`.
    Object(Kind, String),
    /// A word that every kind of object answers: `object.id`.
    Any(AnyWord),
    /// A word of an item under `each entry.items as NAME`.
    Item(String),
    /// `supplied.NAME`.
    Supplied(String),
    /// `NAME.supplied.X` under `each`: supplied for one item.
    ItemSupplied(String),
    /// `link.upper_id`.
    UpperId,
    /// `upper.KIND`.
    Upper(Kind),
    /// `batch.…`, `dataset.…`, `page.…`, `inventory.…`.
    Context(ContextWord),
    /// Filled when an attempt is made: `attempt.…`, `credential.…`.
    Slot(String),
    /// `fixed "x"`.
    Fixed(String),
    /// `format "{a}-{b}"`.
    Template(Vec<Piece>),
    /// `each LIST as NAME`.
    Each(String),
    /// `LIST joined ","`.
    Joined(Box<Source>, String),
    /// `rows`: where the encoded rows stand.
    Rows,
}

/// A part of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Word(Source),
}

/// Declares a closed set of words with their texts and types.
macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal, $of:ident;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) enum $name { $($variant),* }

        impl $name {
            pub(super) const ALL: &'static [(Self, &'static str, WordType)] =
                &[$((Self::$variant, $text, WordType::$of)),*];

            fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, it, _)| *it == text).map(|(word, _, _)| *word)
            }

            fn of(self) -> WordType {
                Self::ALL.iter().find(|(it, _, _)| *it == self).map_or(WordType::Text, |it| it.2)
            }
        }
    };
}

closed! {
    /// Words that every kind of object answers.
    AnyWord {
        Id = "object.id", Text;
        Kind = "object.kind", Code;
        Title = "object.title", Text;
        Region = "object.region", Text;
        Department = "object.department", Text;
    }
}

closed! {
    /// Words of what surrounds the object.
    ContextWord {
        BatchId = "batch.id", Text;
        BatchRows = "batch.rows", Integer;
        BatchAction = "batch.action", Code;
        BatchLane = "batch.lane", Code;
        BatchDigest = "batch.digest", Text;
        BatchOrdinal = "batch.ordinal", Integer;
        BatchPacked = "batch.packed", Time;
        DatasetId = "dataset.id", Text;
        DatasetKey = "dataset.key", Text;
        DatasetColumns = "dataset.columns", Text;
        PageNumber = "page.number", Integer;
        PageSize = "page.size", Integer;
        PageCursor = "page.cursor", Text;
        InventoryKind = "inventory.kind", Code;
    }
}

/// Slots of an attempt; `credential.NAME` is free.
pub(super) const ATTEMPT_WORDS: [&str; 5] =
    ["attempt.id", "attempt.number", "attempt.time", "attempt.nonce", "attempt.signature"];

/// The forms of a value that are no plain word, as the page for integrators lists them.
pub const VALUE_FORMS: [&str; 10] = [
    "fixed \"x\"",
    "format \"{a}{b}\"",
    "each LIST as NAME",
    "LIST joined \",\"",
    "rows",
    "supplied.NAME",
    "NAME.supplied.X",
    "credential.NAME",
    "upper.KIND",
    "link.upper_id",
];

/// Every plain word with a fixed name that a value may be, the catalogue's own aside.
pub fn value_words() -> Vec<&'static str> {
    let any = AnyWord::ALL.iter().map(|it| it.1);
    any.chain(ContextWord::ALL.iter().map(|it| it.1)).chain(ATTEMPT_WORDS).collect()
}

/// What is at hand where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// The kind of the operation's object, where it has one.
    pub(super) kind: Option<Kind>,
    /// The name given to an item by the `each` above, where there is one.
    pub(super) item: Option<String>,
}

impl Surroundings {
    /// Every word that could stand here, for suggestions.
    pub(super) fn candidates(&self) -> Vec<String> {
        let mut all: Vec<String> = value_words().into_iter().map(str::to_owned).collect();
        all.extend(["link.upper_id", "rows"].map(str::to_owned));
        all.extend(Kind::ALL.map(|kind| format!("upper.{kind}")));
        let mut add = |scope: &str, prefix: &str| {
            let known = words(scope).unwrap_or_default();
            all.extend(known.iter().map(|word| format!("{prefix}.{}", word.name)));
        };
        if let Some(kind) = self.kind {
            add(kind.as_str(), kind.as_str());
        }
        if let Some(item) = &self.item {
            add("item", item);
        }
        all
    }
}

/// Reads a value with its surroundings. The error says what is wrong and which word it is about.
pub(super) fn parse(text: &str, around: &Surroundings) -> Result<Source, ValueError> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("fixed ") {
        return quoted(rest).map(Source::Fixed).ok_or_else(|| ValueError::form("fixed \"x\""));
    }
    if let Some(rest) = text.strip_prefix("format ") {
        let template = quoted(rest).ok_or_else(|| ValueError::form("format \"{a}{b}\""))?;
        return template_of(&template, around).map(Source::Template);
    }
    if let Some(rest) = text.strip_prefix("each ") {
        let (list, name) =
            rest.split_once(" as ").ok_or_else(|| ValueError::form("each LIST as NAME"))?;
        if around.item.is_some() {
            return Err(ValueError::new(text, "a list inside a list's element"));
        }
        let list = list.trim();
        let known = around
            .kind
            .filter(|kind| word_type(list, kind.as_str(), kind.as_str()) == Some(WordType::List));
        if known.is_none() {
            return Err(ValueError::new(list, "not a list of this operation's object"));
        }
        return Ok(Source::Each(name.trim().to_owned()));
    }
    if let Some((list, separator)) = text.split_once(" joined ") {
        let separator = quoted(separator).ok_or_else(|| ValueError::form("LIST joined \",\""))?;
        let source = word(list.trim(), around)?;
        if source.of() != WordType::Codes {
            return Err(ValueError::new(list, "not a list of codes"));
        }
        return Ok(Source::Joined(Box::new(source), separator));
    }
    if text == "rows" {
        return Ok(Source::Rows);
    }
    word(text, around)
}

/// Reads a single word.
pub(super) fn word(text: &str, around: &Surroundings) -> Result<Source, ValueError> {
    if let Some(found) = AnyWord::parse(text) {
        return match around.kind {
            Some(_) => Ok(Source::Any(found)),
            None => Err(ValueError::new(text, "this operation is about no object")),
        };
    }
    if let Some(found) = ContextWord::parse(text) {
        return Ok(Source::Context(found));
    }
    let base = text.split(' ').next().unwrap_or(text);
    if ATTEMPT_WORDS.contains(&base) && (base == text || base == "attempt.time") {
        return Ok(Source::Slot(text.to_owned()));
    }
    let Some((head, rest)) = text.split_once('.') else {
        return Err(ValueError::unknown(text));
    };
    let is_name = !rest.is_empty() && rest.chars().all(|it| it.is_alphanumeric() || it == '_');
    match head {
        "link" if rest == "upper_id" => return Ok(Source::UpperId),
        "upper" => {
            let kind = Kind::parse(rest).ok_or_else(|| ValueError::unknown(text))?;
            return Ok(Source::Upper(kind));
        }
        "credential" if is_name => return Ok(Source::Slot(text.to_owned())),
        "supplied" if is_name => return Ok(Source::Supplied(rest.to_owned())),
        _ => {}
    }
    if around.item.as_deref() == Some(head) {
        if let Some(name) = rest.strip_prefix("supplied.") {
            return Ok(Source::ItemSupplied(name.to_owned()));
        }
        return match word_type(text, head, "item") {
            Some(_) => Ok(Source::Item(rest.to_owned())),
            None => Err(ValueError::unknown(text)),
        };
    }
    let Some(kind) = Kind::parse(head) else { return Err(ValueError::unknown(text)) };
    match word_type(text, head, head) {
        None => Err(ValueError::unknown(text)),
        Some(_) if around.kind != Some(kind) => {
            Err(ValueError::new(text, "this operation is about another kind of object"))
        }
        Some(WordType::List) => Err(ValueError::new(text, "a list: `each` or `joined` is needed")),
        Some(_) => Ok(Source::Object(kind, rest.to_owned())),
    }
}

/// The type of `text`, which is `prefix.WORD`, among the words of `scope`.
fn word_type(text: &str, prefix: &str, scope: &str) -> Option<WordType> {
    let name = text.strip_prefix(prefix)?.strip_prefix('.')?;
    words(scope)?.iter().find(|word| word.name == name).map(|word| word.of)
}

impl Source {
    /// What sort of value it gives.
    pub(super) fn of(&self) -> WordType {
        let named = |scope: &str, name: &str| {
            let word = words(scope)
                .and_then(|known| known.iter().find(|word| word.name == name))
                .map(|word| word.of);
            word.unwrap_or(WordType::Text)
        };
        match self {
            Self::Object(kind, name) => named(kind.as_str(), name),
            Self::Item(name) => named("item", name),
            Self::Any(word) => word.of(),
            Self::Context(word) => word.of(),
            Self::Each(_) | Self::Rows => WordType::List,
            Self::Supplied(_)
            | Self::ItemSupplied(_)
            | Self::UpperId
            | Self::Upper(_)
            | Self::Slot(_)
            | Self::Fixed(_)
            | Self::Template(_)
            | Self::Joined(..) => WordType::Text,
        }
    }
}

/// The template of a `format`, its words read.
fn template_of(text: &str, around: &Surroundings) -> Result<Vec<Piece>, ValueError> {
    let pieces = template::pieces(text)
        .ok_or_else(|| ValueError::new(text, "a brace is not closed"))?
        .into_iter();
    pieces
        .map(|piece| match piece {
            template::Piece::Text(plain) => Ok(Piece::Text(plain)),
            template::Piece::Word(inner) => word(inner, around).map(Piece::Word),
        })
        .collect()
}

/// Why a value cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ValueError {
    /// The word it is about.
    pub(super) word: String,
    /// What is wrong with it.
    pub(super) what: String,
}

impl ValueError {
    fn new(word: &str, why: &str) -> Self {
        Self { word: word.to_owned(), what: format!("`{word}`: {why}") }
    }

    fn unknown(word: &str) -> Self {
        Self { word: word.to_owned(), what: format!("no such value `{word}`") }
    }

    fn form(form: &str) -> Self {
        Self { word: String::new(), what: format!("is written `{form}`") }
    }
}

fn quoted(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Surroundings {
        Surroundings { kind: Some(Kind::Entry), item: None }
    }

    #[test]
    fn every_form_is_read() {
        let around = Surroundings { kind: Some(Kind::Entry), item: Some("it".to_owned()) };
        for (text, expected) in [
            ("entry.department.title", Source::Object(Kind::Entry, "department.title".to_owned())),
            ("it.share_type", Source::Item("share_type".to_owned())),
            ("it.supplied.level", Source::ItemSupplied("level".to_owned())),
            ("supplied.level", Source::Supplied("level".to_owned())),
            ("upper.category", Source::Upper(Kind::Category)),
            ("link.upper_id", Source::UpperId),
            ("credential.appkey", Source::Slot("credential.appkey".to_owned())),
            ("attempt.time %s", Source::Slot("attempt.time %s".to_owned())),
            ("fixed \"1\"", Source::Fixed("1".to_owned())),
            ("rows", Source::Rows),
        ] {
            assert_eq!(parse(text, &around), Ok(expected), "{text}");
        }
        assert_eq!(
            parse("each entry.items as item", &entry()),
            Ok(Source::Each("item".to_owned()))
        );
        assert!(matches!(
            parse("entry.share_ways joined \",\"", &entry()),
            Ok(Source::Joined(_, separator)) if separator == ","
        ));
        assert_eq!(
            parse("format \"{{{entry.id}}}-x\"", &entry()),
            Ok(Source::Template(vec![
                Piece::Text("{".to_owned()),
                Piece::Word(Source::Object(Kind::Entry, "id".to_owned())),
                Piece::Text("}-x".to_owned()),
            ]))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for wrong in [
            "entry.titel",
            "system.title",
            "entry.items",
            "item.title",
            "each entry.title as t",
            "entry.title joined \",\"",
            "fixed x",
            "format \"{entry.id\"",
            "upper.nobody",
            "title",
            "attempt.number %s",
            "",
        ] {
            assert!(parse(wrong, &entry()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_words_offered_are_words_that_can_be_read() {
        let around = Surroundings { kind: Some(Kind::Entry), item: Some("item".to_owned()) };
        for candidate in around.candidates() {
            let is_list = candidate == "entry.items";
            assert_eq!(parse(&candidate, &around).is_err(), is_list, "{candidate}");
        }
    }
}
