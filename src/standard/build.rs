//! Building a message: every field's value from a scope, under the field's rules.
//!
//! A value that nobody supplied is never filled in: the message lacks it, and the object is
//! rejected locally with the field, the rule and the clause.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::message::{Field, FieldType, Message, Place, Required};
use super::problem::{Lack, LackRule};
use super::scope::Scope;
use super::value::{self, AnyWord, ContextWord, Piece, Source};
use crate::catalogue::Value;
use crate::checks;
use crate::delivery::DigestSha256;
use crate::wire::{Escape, HIDDEN, Leaf, Leaves, Payload, Segment};

/// Where a message's values come from: a [`Scope`], or a made-up sample.
pub(super) trait Values {
    /// The value of `source` in the item at position `item`.
    fn value(&self, source: &Source, item: Option<usize>) -> Value;
    /// How many items the object has.
    fn items(&self) -> usize;
    /// The encoded rows of a batch.
    fn rows(&self) -> &[u8];
}

/// The value of one field, as the standard writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Written {
    Absent,
    Text(String),
    Number(String),
    Boolean(bool),
    Slot(String),
}

impl Written {
    /// What a reader finds; `None` where nothing stands.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Text(text) | Self::Number(text) | Self::Slot(text) => Some(text),
            Self::Boolean(true) => Some("true"),
            Self::Boolean(false) => Some("false"),
        }
    }
}

/// All values of a message: by field, by position in its list (one where it is in none).
#[derive(Clone, Debug)]
pub(super) struct Filled {
    pub(super) values: Vec<Vec<Written>>,
    pub(super) items: usize,
}

/// Something outside the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameter {
    /// `header`, `query` or `url`.
    pub place: &'static str,
    /// The header's, the query's or the path's name.
    pub name: String,
    /// Its value; may hold slots.
    pub value: Payload,
}

/// Fills every field and tells every lack.
pub(super) fn fill(message: &Message, values: &impl Values, zone: &str) -> (Filled, Vec<Lack>) {
    let items = values.items();
    let mut lacks = Vec::new();
    let mut all = Vec::with_capacity(message.fields.len());
    for field in &message.fields {
        let count = if field.list.is_some() { items } else { 1 };
        let mut written = Vec::with_capacity(count);
        for at in 0..count {
            let item = field.list.is_some().then_some(at);
            match one(field, values, item, zone) {
                Ok(value) => written.push(value),
                Err(rule) => {
                    lacks.push(lack(message, field, item, rule));
                    written.push(Written::Absent);
                }
            }
        }
        all.push(written);
    }
    (Filled { values: all, items }, lacks)
}

/// A lack of `field`, in element `item` of its list.
pub(super) fn lack(message: &Message, field: &Field, item: Option<usize>, rule: LackRule) -> Lack {
    let list = field.list.and_then(|at| message.fields.get(at));
    let path = match (list, item) {
        (Some(list), Some(item)) => {
            let rest = field.path.strip_prefix(&list.path).unwrap_or_default();
            let head = list.path.trim_end_matches("[]");
            format!("{head}[{}]{rest}", item + 1)
        }
        _ => field.path.clone(),
    };
    Lack {
        path,
        title: field.title.clone(),
        rule,
        clause: field.clause.clone(),
        value: field.value.clone(),
    }
}

/// One field's value in one place.
pub(super) fn one(
    field: &Field,
    values: &impl Values,
    item: Option<usize>,
    zone: &str,
) -> Result<Written, LackRule> {
    let word = |word: &str| {
        value::word(word, &field.around).map_or(Value::Absent, |source| values.value(&source, item))
    };
    if field.when.as_ref().is_some_and(|when| !when.holds(&word)) {
        return Ok(Written::Absent);
    }
    let is_required = match &field.required {
        Required::Yes => true,
        Required::No => false,
        Required::If(condition) => condition.holds(&word),
    };
    match field.kind {
        FieldType::List if is_required && values.items() == 0 => return Err(LackRule::Required),
        FieldType::Rows if is_required && values.rows().is_empty() => {
            return Err(LackRule::Required);
        }
        FieldType::List | FieldType::Rows => return Ok(Written::Absent),
        FieldType::Text
        | FieldType::Code
        | FieldType::Integer
        | FieldType::Decimal
        | FieldType::Time
        | FieldType::Boolean
        | FieldType::Uscc => {}
    }
    let written = match &field.source {
        Source::Slot(name) => slot(name, &field.format),
        Source::Template(pieces) => template(pieces, values, item),
        Source::Joined(list, separator) => joined(field, &values.value(list, item), separator)?,
        // The batch's own message cannot know the batch's id, which covers the message.
        Source::Context(ContextWord::BatchId) if values.value(&field.source, item).is_absent() => {
            slot("batch.id", "")
        }
        Source::Object(..)
        | Source::Any(_)
        | Source::Item(_)
        | Source::Supplied(_)
        | Source::ItemSupplied(_)
        | Source::UpperId
        | Source::Upper(_)
        | Source::Context(_)
        | Source::Fixed(_)
        | Source::Each(_)
        | Source::Rows => written(field, values.value(&field.source, item), zone)?,
    };
    match written.text() {
        None if is_required => Err(LackRule::Required),
        None => Ok(Written::Absent),
        Some(_) if matches!(written, Written::Slot(_)) => Ok(written),
        Some(text) => {
            rules(field, text)?;
            let hidden = field.hidden.then(|| Written::Slot(format!("{HIDDEN}{text}")));
            Ok(hidden.unwrap_or(written))
        }
    }
}

fn slot(name: &str, format: &str) -> Written {
    if format.is_empty() {
        Written::Slot(name.to_owned())
    } else {
        Written::Slot(format!("{name} {format}"))
    }
}

fn template(pieces: &[Piece], values: &impl Values, item: Option<usize>) -> Written {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Word(source) => match plain(values.value(source, item)) {
                Some(value) => text.push_str(&value),
                // A format of which a part is absent is absent.
                None => return Written::Absent,
            },
        }
    }
    Written::Text(text)
}

fn joined(field: &Field, value: &Value, separator: &str) -> Result<Written, LackRule> {
    let Value::Codes(words) = value else { return Ok(Written::Absent) };
    if words.is_empty() {
        return Ok(Written::Absent);
    }
    let coded: Option<Vec<&str>> = match &field.codes {
        Some(codes) => words.iter().map(|word| codes.code(word)).collect(),
        None => Some(words.iter().map(String::as_str).collect()),
    };
    coded.map(|coded| Written::Text(coded.join(separator))).ok_or(LackRule::Code)
}

/// A value as plain text, without codes or formats.
fn plain(value: Value) -> Option<String> {
    if value.is_absent() {
        return None;
    }
    match value {
        Value::Absent => None,
        Value::Text(text) | Value::Code(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Codes(codes) => Some(codes.join(",")),
        Value::Time(at) => Some(at.to_string()),
    }
}

fn written(field: &Field, value: Value, zone: &str) -> Result<Written, LackRule> {
    if let Value::Time(at) = value {
        let text = format_time(at, &field.format, zone).ok_or(LackRule::Format)?;
        return Ok(if field.kind == FieldType::Integer {
            Written::Number(text)
        } else {
            Written::Text(text)
        });
    }
    if let (Value::Boolean(flag), FieldType::Boolean, None) = (&value, field.kind, &field.codes) {
        return Ok(Written::Boolean(*flag));
    }
    // The city's own constant is the standard's text already, never a canonical word.
    let is_coded = field.codes.is_some() && !matches!(field.source, Source::Fixed(_));
    let Some(mut text) = plain(value) else { return Ok(Written::Absent) };
    if let (true, Some(codes)) = (is_coded, &field.codes) {
        codes.code(&text).ok_or(LackRule::Code)?.clone_into(&mut text);
    }
    Ok(match field.kind {
        FieldType::Integer | FieldType::Decimal => Written::Number(text),
        FieldType::Boolean => Written::Boolean(match text.as_str() {
            "true" => true,
            "false" => false,
            _ => return Err(LackRule::Format),
        }),
        FieldType::Text
        | FieldType::Code
        | FieldType::Time
        | FieldType::Uscc
        | FieldType::List
        | FieldType::Rows => Written::Text(text),
    })
}

/// The rules that a written value must meet.
pub(super) fn rules(field: &Field, text: &str) -> Result<(), LackRule> {
    if let Some(length) = field.length {
        let count = text.chars().count();
        if count < length.least || count > length.most {
            return Err(LackRule::Length);
        }
    }
    let fits = match field.kind {
        FieldType::Integer => is_number(text, false),
        FieldType::Decimal => is_number(text, true),
        FieldType::Uscc => is_credit_code(text),
        FieldType::Boolean
        | FieldType::Text
        | FieldType::Code
        | FieldType::Time
        | FieldType::List
        | FieldType::Rows => true,
    };
    if fits { Ok(()) } else { Err(LackRule::Format) }
}

fn is_number(text: &str, with_fraction: bool) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (with_fraction || !digits.contains('.'))
}

/// GB 32100 with its check character (facts §7.1). The older check character inside, of GB 11714,
/// is not judged here: genuine codes break it, which is what waivers over rows are for.
fn is_credit_code(text: &str) -> bool {
    matches!(checks::credit_code(text), None | Some(checks::Finding::OrganisationCheckDigit))
}

/// Writes an instant by a pattern: `ms` and `s` since 1970, else as `strftime` in `zone`.
pub(super) fn format_time(at: Timestamp, pattern: &str, zone: &str) -> Option<String> {
    match pattern {
        "ms" => Some(at.as_millisecond().to_string()),
        "s" => Some(at.as_second().to_string()),
        _ => {
            let zoned = at.to_zoned(TimeZone::get(zone).ok()?);
            let text = jiff::fmt::strtime::format(pattern, &zoned).ok()?;
            (pattern.contains('%') && !text.is_empty()).then_some(text)
        }
    }
}

/// Writes the body; `Err` names the fields that the medium cannot carry.
pub(super) fn body(message: &Message, filled: &Filled, rows: &[u8]) -> Result<Payload, Vec<Lack>> {
    let Some(shape) = &message.shape else { return Ok(form(message, filled)) };
    let mut leaves = FilledLeaves { message, filled };
    let rows = shape.has_rows().then_some(rows);
    shape.write(&mut leaves, rows).map_err(|wrong| {
        let lacks = wrong.into_iter().filter_map(|it| {
            let field = message.fields.get(*message.body.get(it.field)?)?;
            Some(lack(message, field, it.at.first().copied(), LackRule::Format))
        });
        lacks.collect()
    })
}

/// The body as `application/x-www-form-urlencoded`.
fn form(message: &Message, filled: &Filled) -> Payload {
    let mut payload = Payload::default();
    for at in &message.body {
        let (Some(field), Some(value)) =
            (message.fields.get(*at), filled.values.get(*at).and_then(|all| all.first()))
        else {
            continue;
        };
        if *value == Written::Absent {
            continue;
        }
        let separator = if payload.segments.is_empty() { "" } else { "&" };
        let name = form_text(&field.path);
        push(&mut payload, separator.as_bytes().to_vec());
        push(&mut payload, name);
        push(&mut payload, b"=".to_vec());
        match value {
            Written::Slot(name) => {
                payload.segments.push(Segment::Slot { name: name.clone(), escape: Escape::Form });
            }
            Written::Absent | Written::Text(_) | Written::Number(_) | Written::Boolean(_) => {
                push(&mut payload, form_text(value.text().unwrap_or_default()));
            }
        }
    }
    payload
}

/// A text escaped for a form.
fn form_text(text: &str) -> Vec<u8> {
    let slot = Segment::Slot { name: String::new(), escape: Escape::Form };
    Payload { segments: vec![slot] }.fill(|_| Some(text.to_owned())).unwrap_or_default()
}

fn push(payload: &mut Payload, bytes: Vec<u8>) {
    match payload.segments.last_mut() {
        Some(Segment::Bytes(last)) => last.extend(bytes),
        Some(Segment::Slot { .. }) | None => payload.segments.push(Segment::Bytes(bytes)),
    }
}

/// What stands outside the body.
pub(super) fn parameters(message: &Message, filled: &Filled) -> Vec<Parameter> {
    let each = message.fields.iter().zip(&filled.values);
    each.filter_map(|(field, values)| {
        let Place::Outside(place, name) = &field.place else { return None };
        let written = values.first()?;
        let value = match written {
            Written::Absent => return None,
            Written::Slot(slot) => Payload {
                segments: vec![Segment::Slot { name: slot.clone(), escape: Escape::None }],
            },
            Written::Text(_) | Written::Number(_) | Written::Boolean(_) => {
                Payload::of_bytes(written.text()?.as_bytes().to_vec())
            }
        };
        Some(Parameter { place, name: name.clone(), value })
    })
    .collect()
}

struct FilledLeaves<'a> {
    message: &'a Message,
    filled: &'a Filled,
}

impl Leaves for FilledLeaves<'_> {
    fn leaf(&mut self, number: usize, at: &[usize]) -> Leaf<'_> {
        let value = self
            .message
            .body
            .get(number)
            .and_then(|field| self.filled.values.get(*field))
            .and_then(|values| values.get(at.first().copied().unwrap_or(0)));
        match value {
            None | Some(Written::Absent) => Leaf::Absent,
            Some(Written::Text(text)) => Leaf::Text(text.into()),
            Some(Written::Number(text)) => Leaf::Number(text.into()),
            Some(Written::Boolean(flag)) => Leaf::Boolean(*flag),
            Some(Written::Slot(name)) => Leaf::Slot(name.into()),
        }
    }

    fn count(&mut self, _number: usize, _at: &[usize]) -> usize {
        self.filled.items
    }
}

impl Values for Scope<'_> {
    fn value(&self, source: &Source, item: Option<usize>) -> Value {
        let in_item = |read: &dyn Fn(&crate::catalogue::Item, usize) -> Option<Value>| {
            let at = item?;
            read(self.object?.items().get(at)?, at + 1)
        };
        let found = match source {
            Source::Object(_, name) => self.object.and_then(|object| object.word(name)),
            Source::Any(word) => self.any(*word),
            Source::Item(name) => in_item(&|it, order| it.word(order, name)),
            Source::Supplied(name) => self.object.map(|object| object.supplied(name)),
            Source::ItemSupplied(name) => in_item(&|it, _| {
                self.object.map(|object| object.supplied(&format!("{}/{name}", it.id)))
            }),
            Source::UpperId => Some(Value::optional(self.upper_id)),
            Source::Upper(kind) => self.upper.get(kind).map(|id| Value::text(id)),
            Source::Context(word) => self.context(*word),
            Source::Fixed(text) => Some(Value::text(text)),
            Source::Slot(_)
            | Source::Template(_)
            | Source::Each(_)
            | Source::Joined(..)
            | Source::Rows => None,
        };
        found.unwrap_or(Value::Absent)
    }

    fn items(&self) -> usize {
        self.object.map_or(0, |object| object.items().len())
    }

    fn rows(&self) -> &[u8] {
        self.batch.encoded
    }
}

impl Scope<'_> {
    fn any(&self, word: AnyWord) -> Option<Value> {
        let object = self.object?;
        Some(match word {
            AnyWord::Id => Value::text(&object.key().id),
            AnyWord::Kind => Value::code(object.key().kind.as_str()),
            AnyWord::Title => Value::text(object.title()),
            AnyWord::Region => Value::text(&object.region),
            AnyWord::Department => Value::text(&object.department),
        })
    }

    fn context(&self, word: ContextWord) -> Option<Value> {
        let number = |number: Option<u32>| number.map(|it| Value::Integer(it.into()));
        match word {
            ContextWord::BatchId => self.batch.id.map(Value::text),
            ContextWord::BatchRows => number(self.batch.rows),
            ContextWord::BatchAction => self.batch.action.map(|it| Value::code(it.as_str())),
            ContextWord::BatchLane => self.batch.lane.map(|it| Value::code(it.as_str())),
            // A pass over the whole batch, made only for a message that says it.
            ContextWord::BatchDigest => (!self.batch.encoded.is_empty())
                .then(|| Value::text(&DigestSha256::of(self.batch.encoded).to_string())),
            ContextWord::BatchOrdinal => {
                let ordinal = self.batch.ordinal.and_then(|it| i64::try_from(it).ok());
                ordinal.map(Value::Integer)
            }
            ContextWord::BatchPacked => self.batch.packed.map(Value::Time),
            ContextWord::DatasetId => self.dataset.map(Value::text),
            ContextWord::DatasetKey => self.dataset_key.map(Value::text),
            ContextWord::DatasetColumns => self.dataset_columns.map(Value::text),
            ContextWord::PageNumber => number(self.page.number),
            ContextWord::PageSize => number(self.page.size),
            ContextWord::PageCursor => self.page.cursor.map(Value::text),
            ContextWord::InventoryKind => self.inventory.map(|it| Value::code(it.as_str())),
        }
    }
}
