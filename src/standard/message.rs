//! A message compiled from its table: the shape of its body, and for each field where its value
//! comes from and which rules it must meet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::condition::{self, Condition};
use super::problem::{Code, Problems, missing};
use super::tables::{BASES, CodeRow, FieldRow};
use super::value::{self, Source, Surroundings};
use super::vocabulary::needed_words;
use crate::catalogue::{Kind, WordType};
use crate::wire::{self, Media, Namespaces, Path, Role, Shape};

/// Values of the column `type`.
pub const FIELD_TYPES: [&str; 10] =
    ["text", "code", "integer", "decimal", "date", "time", "boolean", "uscc", "list", "rows"];

/// Where outside the body a field may stand.
pub const PLACES: [&str; 3] = ["header", "query", "url"];

/// What a field holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FieldType {
    Text,
    Code,
    Integer,
    Decimal,
    /// A date or a time, with its pattern in `format`.
    Time,
    Boolean,
    /// A unified social credit code by its form (GB 32100); its check digit is a rule of the city.
    Uscc,
    List,
    Rows,
}

/// Whether a value must be there.
#[derive(Clone, Debug)]
pub(super) enum Required {
    Yes,
    No,
    If(Condition),
}

/// How many characters a value may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Length {
    pub(super) least: usize,
    pub(super) most: usize,
}

/// A code list of one field: canonical words and the standard's codes.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes {
    pub(super) name: String,
    by_word: BTreeMap<String, String>,
    by_code: BTreeMap<String, Vec<String>>,
}

impl Codes {
    pub(super) fn new(name: &str, rows: &[CodeRow]) -> Self {
        let mut codes = Self { name: name.to_owned(), ..Self::default() };
        for row in rows.iter().filter(|row| !row.code.is_empty()) {
            codes.by_word.insert(row.word.clone(), row.code.clone());
            codes.by_code.entry(row.code.clone()).or_default().push(row.word.clone());
        }
        codes
    }

    /// The standard's code for a canonical word.
    pub(super) fn code(&self, word: &str) -> Option<&str> {
        self.by_word.get(word).map(String::as_str)
    }

    /// The canonical word for the standard's code: the first, where several share it.
    pub(super) fn word(&self, code: &str) -> Option<&str> {
        self.by_code.get(code)?.first().map(String::as_str)
    }

    /// Several words share this code: which one was meant cannot be taken back from a message.
    pub(super) fn is_shared(&self, code: &str) -> bool {
        self.by_code.get(code).is_some_and(|words| words.len() > 1)
    }

    /// Words that have a code, in order.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.by_word.keys().map(String::as_str)
    }
}

/// Where a field stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// In the body; its number in the shape.
    Body,
    /// `header:`, `query:` or `url:` and the name.
    Outside(&'static str, String),
}

/// One field, compiled.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) row: usize,
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) title: String,
    pub(super) clause: String,
    pub(super) value: String,
    pub(super) source: Source,
    /// What its words mean.
    pub(super) around: Surroundings,
    pub(super) kind: FieldType,
    pub(super) format: String,
    pub(super) when: Option<Condition>,
    pub(super) required: Required,
    pub(super) length: Option<Length>,
    pub(super) codes: Option<Arc<Codes>>,
    /// `[encrypt]` hides it.
    pub(super) hidden: bool,
    /// The `each` field that repeats it, by position in the message's fields.
    pub(super) list: Option<usize>,
    /// Its path as a reader walks it: from the top, or from an element of its list.
    pub(super) reader: Option<Path>,
}

/// A compiled message of one operation.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) table: String,
    pub(super) fields: Vec<Field>,
    /// Positions of the body's fields, by their number in the shape.
    pub(super) body: Vec<usize>,
    pub(super) shape: Option<Shape>,
}

/// What compiling needs to know of the directory.
pub(super) struct Context<'a> {
    pub(super) media: Media,
    pub(super) namespaces: &'a Namespaces,
    pub(super) codes: &'a BTreeMap<String, Arc<Codes>>,
    pub(super) is_form: bool,
}

/// Compiles the rows of a table that belong to `operation`.
pub(super) fn compile(
    (table, operation): (&str, &str),
    kind: Option<Kind>,
    rows: &[FieldRow],
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Message {
    let mut fields: Vec<Field> = Vec::new();
    let of = |row: &&FieldRow| row.on.is_empty() || row.on.iter().any(|name| name == operation);
    for row in rows.iter().filter(of) {
        // The list that a row stands in: the longest path of an `each` before it.
        let list = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| matches!(field.source, Source::Each(_)))
            .filter(|(_, field)| row.path.starts_with(&field.path) && row.path != field.path)
            .max_by_key(|(_, field)| field.path.len())
            .map(|(at, _)| at);
        let item = list.and_then(|at| fields.get(at)).and_then(|field| {
            let Source::Each(name) = &field.source else { return None };
            Some(name.clone())
        });
        let around = Surroundings { kind, item };
        let mut reader = RowReader { row, around: &around, context, problems };
        if let Some(mut field) = reader.field() {
            field.list = list;
            fields.push(field);
        }
    }
    set_readers(&mut fields, context);
    let body: Vec<usize> = (0..fields.len())
        .filter(|at| fields.get(*at).is_some_and(|field| field.place == Place::Body))
        .collect();
    let shape = shape(&fields, &body, context, problems);
    Message { table: table.to_owned(), fields, body, shape }
}

fn shape(
    fields: &[Field],
    body: &[usize],
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Shape> {
    if body.is_empty() || context.is_form {
        return None;
    }
    let chosen: Vec<&Field> = body.iter().filter_map(|at| fields.get(*at)).collect();
    let described: Vec<wire::Field<'_>> = chosen
        .iter()
        .map(|field| wire::Field {
            path: &field.path,
            role: match field.kind {
                FieldType::List => Role::List,
                FieldType::Rows => Role::Rows,
                FieldType::Text
                | FieldType::Code
                | FieldType::Integer
                | FieldType::Decimal
                | FieldType::Time
                | FieldType::Boolean
                | FieldType::Uscc => Role::Leaf,
            },
        })
        .collect();
    match Shape::compile(context.media, context.namespaces, &described) {
        Ok(shape) => Some(shape),
        Err(wrong) => {
            for problem in wrong {
                let number = match &problem {
                    wire::ShapeProblem::Path { field, .. }
                    | wire::ShapeProblem::Place { field, .. } => Some(*field),
                    wire::ShapeProblem::Empty | wire::ShapeProblem::Namespace(_) => None,
                };
                let field = number.and_then(|at| chosen.get(at));
                let path = field.map_or("", |field| field.path.as_str());
                problems.add(Code::Path, field.map(|it| it.row), path, problem.to_string());
            }
            None
        }
    }
}

fn set_readers(fields: &mut [Field], context: &Context<'_>) {
    let parse = |text: &str| Path::parse(context.media, text, context.namespaces).ok();
    let absolute: Vec<Option<Path>> = fields.iter().map(|field| parse(&field.path)).collect();
    for (at, field) in fields.iter_mut().enumerate() {
        let own = absolute.get(at).cloned().flatten();
        let list = field.list.and_then(|list| absolute.get(list).cloned().flatten());
        field.reader = match list {
            Some(list) => own.and_then(|own| own.below(&list)),
            None => own,
        };
    }
}

/// Reads one row of a message's table.
struct RowReader<'a, 'p, 'l> {
    row: &'a FieldRow,
    around: &'a Surroundings,
    context: &'a Context<'a>,
    problems: &'p mut Problems<'l>,
}

impl RowReader<'_, '_, '_> {
    fn wrong(&mut self, code: Code, what: String) {
        self.problems.add(code, Some(self.row.row), &self.row.path, what);
    }

    fn wrong_word<'c>(
        &mut self,
        code: Code,
        what: String,
        word: &str,
        known: impl IntoIterator<Item = &'c str>,
    ) {
        let place = (Some(self.row.row), self.row.path.as_str());
        self.problems.add_unknown(code, place, what, word, known);
    }

    fn field(&mut self) -> Option<Field> {
        let (place, path) = self.place();
        let source = self.source()?;
        let kind = self.kind(&source);
        let field = Field {
            row: self.row.row,
            path,
            place,
            title: self.row.title.clone(),
            clause: self.row.clause.clone(),
            value: self.row.value.clone(),
            kind,
            format: self.format(&source, kind),
            when: match self.row.when.as_str() {
                "" => None,
                when => self.condition(when),
            },
            required: self.required(),
            length: self.length(),
            codes: self.codes(&source, kind),
            hidden: self.hidden(&source),
            source,
            around: self.around.clone(),
            list: None,
            reader: None,
        };
        if !BASES.contains(&self.row.basis.as_str()) {
            let what = format!("basis `{}` is none of {}", self.row.basis, BASES.join(", "));
            self.wrong_word(Code::Rule, what, &self.row.basis.clone(), BASES);
        }
        if matches!(field.source, Source::Fixed(_)) && field.clause.is_empty() {
            self.wrong(Code::Rule, "a fixed value needs the clause that gives it".to_owned());
        }
        if field.place != Place::Body && matches!(kind, FieldType::List | FieldType::Rows) {
            self.wrong(Code::Path, "a list or rows can only stand in the body".to_owned());
        }
        Some(field)
    }

    fn hidden(&mut self, source: &Source) -> bool {
        match self.row.encrypt.as_str() {
            "" | "no" => false,
            "yes" => {
                if matches!(source, Source::Slot(_) | Source::Each(_) | Source::Rows) {
                    let what = "a list, rows or what is filled when it is sent is never encrypted";
                    self.wrong(Code::Rule, what.to_owned());
                }
                true
            }
            other => {
                let what = format!("encrypt `{other}` is neither yes nor empty");
                self.wrong(Code::Rule, what);
                false
            }
        }
    }

    fn place(&mut self) -> (Place, String) {
        let path = self.row.path.as_str();
        for place in PLACES {
            if let Some(name) = path.strip_prefix(place).and_then(|rest| rest.strip_prefix(':')) {
                let is_name = !name.is_empty()
                    && name.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it));
                if is_name {
                    return (Place::Outside(place, name.to_owned()), path.to_owned());
                }
                let what = format!("`{name}` is no name of a {place} value");
                self.wrong(Code::Path, what);
            }
        }
        if path.is_empty() {
            self.wrong(Code::Path, "path is empty".to_owned());
        }
        (Place::Body, path.to_owned())
    }

    fn source(&mut self) -> Option<Source> {
        if self.row.value.is_empty() {
            self.wrong(Code::Value, "says no value".to_owned());
            return None;
        }
        match value::parse(&self.row.value, self.around) {
            Ok(source) => {
                if let Source::Template(pieces) = &source {
                    let is_slot =
                        |piece: &value::Piece| matches!(piece, value::Piece::Word(Source::Slot(_)));
                    if pieces.iter().any(is_slot) {
                        let what = "a value of an attempt stands alone, not in a format";
                        self.wrong(Code::Value, what.to_owned());
                    }
                }
                Some(source)
            }
            Err(error) => {
                let candidates = self.around.candidates();
                let candidates = candidates.iter().map(String::as_str);
                self.wrong_word(Code::Value, error.what, &error.word, candidates);
                None
            }
        }
    }

    fn kind(&mut self, source: &Source) -> FieldType {
        let implied = match source.of() {
            WordType::List if *source == Source::Rows => FieldType::Rows,
            WordType::List => FieldType::List,
            WordType::Text
            | WordType::Code
            | WordType::Integer
            | WordType::Time
            | WordType::Boolean
            | WordType::Codes => FieldType::Text,
        };
        let kind = match self.row.kind.as_str() {
            "" => implied,
            "text" => FieldType::Text,
            "code" => FieldType::Code,
            "integer" => FieldType::Integer,
            "decimal" => FieldType::Decimal,
            "date" | "time" => FieldType::Time,
            "boolean" => FieldType::Boolean,
            "uscc" => FieldType::Uscc,
            "list" => FieldType::List,
            "rows" => FieldType::Rows,
            other => {
                let what = format!("type `{other}` is none of {}", FIELD_TYPES.join(", "));
                self.wrong_word(Code::Rule, what, other, FIELD_TYPES);
                implied
            }
        };
        let is_nest = |it| matches!(it, FieldType::List | FieldType::Rows);
        if (is_nest(implied) || is_nest(kind)) && implied != kind {
            let what = format!("type `{}` does not fit this value", self.row.kind);
            self.wrong(Code::Rule, what);
            return implied;
        }
        kind
    }

    fn format(&mut self, source: &Source, kind: FieldType) -> String {
        let format = self.row.format.as_str();
        let is_time = source.of() == WordType::Time || *source == slot("attempt.time");
        if kind == FieldType::Time || is_time {
            if format.is_empty() {
                self.wrong(Code::Rule, "a time needs a format".to_owned());
            } else if super::build::format_time(jiff::Timestamp::UNIX_EPOCH, format, "UTC")
                .is_none()
            {
                self.wrong(Code::Rule, format!("format `{format}` is no pattern of a time"));
            }
        } else if !format.is_empty() {
            self.wrong(Code::Rule, "only a time has a format".to_owned());
        }
        format.to_owned()
    }

    fn condition(&mut self, text: &str) -> Option<Condition> {
        let condition = match condition::parse(text) {
            Ok(condition) => condition,
            Err(why) => {
                self.wrong(Code::Condition, format!("condition `{text}`: {why}"));
                return None;
            }
        };
        let mut known = true;
        for (word, texts) in condition.words() {
            if let Err(error) = value::word(word, self.around) {
                known = false;
                let candidates = self.around.candidates();
                let what = format!("condition `{text}`: {}", error.what);
                let candidates = candidates.iter().map(String::as_str);
                self.wrong_word(Code::Condition, what, &error.word, candidates);
                continue;
            }
            let Some(needed) = needed_words(&self.canonical(word)) else { continue };
            for compared in texts.into_iter().filter(|text| !needed.contains(text)) {
                known = false;
                let what = format!("condition `{text}`: `{word}` is never `{compared}`");
                self.wrong_word(Code::Condition, what, compared, needed.iter().copied());
            }
        }
        known.then_some(condition)
    }

    /// A word with the kind `item` for the name that `each` gave.
    fn canonical(&self, word: &str) -> String {
        match (&self.around.item, word.split_once('.')) {
            (Some(item), Some((head, rest))) if head == item => format!("item.{rest}"),
            _ => word.to_owned(),
        }
    }

    fn required(&mut self) -> Required {
        match self.row.required.as_str() {
            "yes" => Required::Yes,
            "no" => Required::No,
            "" => {
                self.wrong(Code::Rule, "says neither that it is required nor not".to_owned());
                Required::No
            }
            text => self.condition(text).map_or(Required::No, Required::If),
        }
    }

    fn length(&mut self) -> Option<Length> {
        let text = self.row.length.as_str();
        if text.is_empty() {
            return None;
        }
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let length = if let Some(exact) = text.strip_prefix('=') {
            number(exact).map(|both| Length { least: both, most: both })
        } else if let Some((least, most)) = text.split_once("..") {
            number(least).zip(number(most)).map(|(least, most)| Length { least, most })
        } else {
            number(text).map(|most| Length { least: 0, most })
        };
        let length = length.filter(|length| length.most > 0 && length.least <= length.most);
        if length.is_none() {
            self.wrong(Code::Rule, format!("length `{text}` is not `50`, `=18` or `2..50`"));
        }
        length
    }

    fn codes(&mut self, source: &Source, kind: FieldType) -> Option<Arc<Codes>> {
        let name = self.row.codes.clone();
        if name.is_empty() {
            let coded = matches!(source.of(), WordType::Code | WordType::Codes);
            if kind == FieldType::Code || coded || matches!(source, Source::Joined(..)) {
                self.wrong(Code::Codes, "a coded value names no code list".to_owned());
            }
            return None;
        }
        let Some(codes) = self.context.codes.get(&name).cloned() else {
            let known = self.context.codes.keys().map(String::as_str);
            let (code, what) = missing("codes", &name);
            self.wrong_word(code, what, &name, known);
            return None;
        };
        Some(codes)
    }
}

fn slot(name: &str) -> Source {
    Source::Slot(name.to_owned())
}

/// The canonical words that the code list of a row must answer for; empty where they are open.
pub(super) fn wanted_words(field: &Field) -> &'static [&'static str] {
    let name = match &field.source {
        Source::Object(kind, name) => format!("{kind}.{name}"),
        Source::Item(name) => format!("item.{name}"),
        Source::Any(_) | Source::Context(_) => field.value.clone(),
        Source::Supplied(_)
        | Source::ItemSupplied(_)
        | Source::UpperId
        | Source::Upper(_)
        | Source::Slot(_)
        | Source::Fixed(_)
        | Source::Template(_)
        | Source::Each(_)
        | Source::Joined(..)
        | Source::Rows => return &[],
    };
    needed_words(&name).unwrap_or_default()
}
