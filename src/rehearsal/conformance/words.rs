//! The made-up city behind the messages: a value for every word that a table can ask for.
//!
//! Values come from the seed, the word's name and the field's type, length and code list, and from
//! nothing else, so a run can be repeated. No value is anybody's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::condition::{Condition, Said};
use super::super::directory::{Field, Operation};
use super::super::tree::Node;

/// What a message is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    /// `entry` and the like; empty where it is about no object.
    pub(super) kind: String,
    /// The city's id of the object.
    pub(super) local: String,
    /// The id the platform gave it.
    pub(super) upper: Option<String>,
    /// Kind to the upper id of the parent.
    pub(super) parents: BTreeMap<String, String>,
    /// Words that are not as usual: their canonical values; none where the word is absent. Those
    /// of an item hold for the last item.
    pub(super) choices: BTreeMap<String, Vec<String>>,
    pub(super) dataset: String,
    /// The names of a row's columns, separated by commas.
    pub(super) columns: String,
    pub(super) batch: String,
    pub(super) action: String,
    /// The rows as the table's rows say, ready to be written.
    pub(super) rows: Vec<Node>,
    /// SHA-256 of the rows as written.
    pub(super) digest: String,
    pub(super) page: usize,
    pub(super) size: usize,
    pub(super) cursor: String,
}

/// What all messages of a run share.
#[derive(Clone, Debug, Default)]
pub(super) struct City {
    pub(super) zone: String,
    pub(super) now: Timestamp,
    pub(super) nonce: String,
    pub(super) credentials: BTreeMap<String, String>,
    /// Words with a value that was asked for.
    pub(super) given: BTreeMap<String, String>,
}

/// Items of an entry.
pub(super) const ITEMS: usize = 2;

impl City {
    /// The canonical values of a word in a message; `None` when it is absent there.
    fn canonical(&self, subject: &Subject, field: &Field, word: &str, item: usize) -> Canonical {
        let chosen = |name: &str| subject.choices.get(name).cloned();
        let last = item + 1 == ITEMS;
        if let Some(words) = chosen(word).filter(|_| last || !is_of_item(word)) {
            return if words.is_empty() { None } else { Some(words) };
        }
        if let Some(given) = self.given.get(word) {
            return Some(vec![given.clone()]);
        }
        let one = |text: &str| (!text.is_empty()).then(|| vec![text.to_owned()]);
        match word.split_once('.') {
            Some(("object", "kind") | ("inventory", "kind")) => return one(&subject.kind),
            Some(("batch", "action")) => return one(&subject.action),
            Some(("item", "is_key")) => return one(if item == 0 { "true" } else { "false" }),
            _ => {}
        }
        if let Some(codes) = &field.codes {
            let usable = || codes.iter().filter(|(_, code)| !code.is_empty());
            let usual = USUAL.iter().find(|(known, _)| *known == word).map(|it| it.1);
            let known = usable().find(|(word, _)| Some(word.as_str()) == usual);
            return known.or_else(|| usable().next()).map(|(word, _)| vec![word.clone()]);
        }
        self.text(subject, field, word, item).map(|text| vec![text])
    }

    /// A value without a code list.
    fn text(&self, subject: &Subject, field: &Field, word: &str, item: usize) -> Option<String> {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        if let Some(name) = word.strip_prefix("credential.") {
            return self.credentials.get(name).cloned();
        }
        if let Some(kind) = word.strip_prefix("upper.") {
            return subject.parents.get(kind).cloned();
        }
        let (of, name) = word.split_once('.').unwrap_or(("", word));
        let text = match (of, name) {
            ("link", "upper_id") => return subject.upper.clone(),
            ("batch", "id") => return said(&subject.batch),
            ("batch", "rows") => subject.rows.len().to_string(),
            ("batch", "digest") => return said(&subject.digest),
            ("dataset", "id") | ("resource", "dataset") => return said(&subject.dataset),
            // What `compose` makes rows of: all of it, or the key alone.
            ("dataset", "columns") => return said(&subject.columns),
            ("resource", "table") => format!("t_{}", subject.dataset.replace('-', "_")),
            ("page", "number") => subject.page.to_string(),
            ("page", "size") => subject.size.to_string(),
            ("page", "cursor") => return said(&subject.cursor),
            ("attempt", "id") => format!("a{}", self.nonce),
            ("attempt", "number") => "1".to_owned(),
            ("attempt", "nonce") => self.nonce.clone(),
            // Filled when everything else stands.
            ("attempt", "signature") => String::new(),
            ("attempt", "time") => time(self.now, &field.format, &self.zone),
            ("item", "order") => (item + 1).to_string(),
            ("item", "code" | "id") => column(item),
            ("item", "title") => format!("信息项{}", item + 1),
            ("object" | "organisation" | "category" | "system" | "entry" | "resource", "id") => {
                return said(&subject.local);
            }
            (_, "code" | "related_code") => return said(&subject.local),
            // The parent's own id: an object of this run is the root of its tree.
            (_, "parent") => return None,
            (_, "region") => "110000".to_owned(),
            (_, "title") => format!("一致性测试 {}", subject.local),
            (_, "published" | "updated") => time(SOME_DAY, &field.format, &self.zone),
            (_, "credit_code" | "department.credit_code") => credit_code(),
            _ => made_up(field, self),
        };
        Some(text)
    }

    /// The text of a field as it goes into a message; `None` when it is absent.
    pub(super) fn value(&self, subject: &Subject, field: &Field, item: usize) -> Option<String> {
        let value = field.value.as_str();
        if let Some(fixed) = value.strip_prefix("fixed ") {
            return Some(fixed.trim().trim_matches('"').to_owned());
        }
        if let Some(template) = value.strip_prefix("format ") {
            return self.filled(subject, field, template.trim().trim_matches('"'), item);
        }
        let (word, separator) = match value.split_once(" joined ") {
            Some((word, separator)) => (word.trim(), separator.trim().trim_matches('"')),
            None => (value, ""),
        };
        let words = self.canonical(subject, field, &canonical_name(word), item)?;
        let coded = |word: &String| match &field.codes {
            Some(codes) => {
                let code = codes.iter().find(|(known, _)| known == word).map(|it| it.1.clone());
                code.filter(|code| !code.is_empty())
            }
            None => Some(word.clone()),
        };
        let texts: Vec<String> = words.iter().map(coded).collect::<Option<_>>()?;
        let text = texts.join(separator);
        let is_open = field.codes.is_none() && !is_reference(value);
        Some(if is_open { fit(&text, field.length) } else { text })
    }

    fn filled(
        &self,
        subject: &Subject,
        field: &Field,
        template: &str,
        item: usize,
    ) -> Option<String> {
        let plain = Field { codes: None, length: (0, None), ..field.clone() };
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}')?;
            text.push_str(before);
            let words = self.canonical(subject, &plain, &canonical_name(word.trim()), item)?;
            text.push_str(&words.join(","));
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }

    /// Whether a condition holds in the message this subject makes.
    pub(super) fn holds(
        &self,
        operation: &Operation,
        subject: &Subject,
        condition: &Condition,
        item: usize,
    ) -> bool {
        let said = |word: &str| -> Said {
            let joined = format!("{word} joined ");
            let of = |field: &&Field| {
                canonical_name(&field.value) == word || field.value.starts_with(&joined)
            };
            let Some(field) = operation.fields.iter().find(of) else {
                return Some(subject.choices.get(word).cloned().unwrap_or_default());
            };
            Some(self.canonical(subject, field, word, item).unwrap_or_default())
        };
        condition.holds(&said) == Some(true)
    }
}

type Canonical = Option<Vec<String>>;

/// Words that a message is best about, where the code list has them.
const USUAL: [(&str, &str); 3] =
    [("resource.kind", "table"), ("item.data_type", "text"), ("entry.update_cycle", "daily")];

/// 2026-01-15 08:30:00 in China.
const SOME_DAY: Timestamp = Timestamp::constant(1_768_437_000, 0);

/// The name of an item's column.
pub(super) fn column(item: usize) -> String {
    format!("C{}", item + 1)
}

/// `name.title` under `each entry.items as name` is `item.title`, whatever the name.
pub(super) fn canonical_name(word: &str) -> String {
    let kinds = [
        "object",
        "batch",
        "dataset",
        "page",
        "inventory",
        "attempt",
        "link",
        "upper",
        "supplied",
        "credential",
        "organisation",
        "category",
        "system",
        "entry",
        "item",
        "resource",
        "file",
    ];
    match word.split_once('.') {
        Some((of, name)) if !kinds.contains(&of) => format!("item.{name}"),
        _ => word.to_owned(),
    }
}

/// Whether a word is an item's.
pub(super) fn is_of_item(word: &str) -> bool {
    canonical_name(word).starts_with("item.")
}

/// Whether a field's text is somebody's id or comes from the attempt: changing its length would
/// make it another thing.
pub(super) fn is_reference(value: &str) -> bool {
    let starts = ["upper.", "link.", "credential.", "attempt.", "batch.", "page.", "fixed "];
    starts.iter().any(|start| value.starts_with(start))
        || matches!(value, "dataset.id" | "resource.dataset" | "item.code" | "item.id")
}

/// A text of the field's type.
fn made_up(field: &Field, city: &City) -> String {
    match field.kind.as_str() {
        "integer" => "1".to_owned(),
        "decimal" | "number" => "1.5".to_owned(),
        "boolean" => "true".to_owned(),
        "uscc" => credit_code(),
        "time" | "date" => time(SOME_DAY, &field.format, &city.zone),
        _ => "合规测试".to_owned(),
    }
}

/// An instant in a table's format.
pub(super) fn time(at: Timestamp, format: &str, zone: &str) -> String {
    match format {
        "ms" => at.as_millisecond().to_string(),
        "s" => at.as_second().to_string(),
        "" => at.to_string(),
        _ => {
            let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
            at.to_zoned(zone).strftime(format).to_string()
        }
    }
}

/// A unified social credit code (GB 32100) of no organisation, with its right check character.
fn credit_code() -> String {
    let letters: Vec<char> = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars().collect();
    let body = "11000000MB0000000";
    let mut weight = 1;
    let mut sum = 0;
    for letter in body.chars() {
        sum += letters.iter().position(|known| *known == letter).unwrap_or(0) * weight;
        weight = weight * 3 % 31;
    }
    let check = letters.get((31 - sum % 31) % 31).copied().unwrap_or('0');
    format!("{body}{check}")
}

/// Cuts or fills a text to a length; the end, where counters are, is kept.
pub(super) fn fit(text: &str, (least, most): (usize, Option<usize>)) -> String {
    let count = text.chars().count();
    match most {
        Some(most) if count > most => text.chars().skip(count - most).collect(),
        _ => format!("{}{text}", "0".repeat(least.saturating_sub(count))),
    }
}

/// Choices of words under which a condition is as wanted; `None` where no choice is found.
pub(super) fn choices(
    operation: &Operation,
    condition: &Condition,
    wanted: bool,
) -> Option<BTreeMap<String, Vec<String>>> {
    let codes = |word: &str| {
        let field = operation.fields.iter().find(|field| canonical_name(&field.value) == word)?;
        field.codes.as_ref()
    };
    let usable = |word: &str, fits: &dyn Fn(&String) -> bool| {
        let codes = codes(word)?;
        codes.iter().find(|(known, code)| !code.is_empty() && fits(known)).map(|it| it.0.clone())
    };
    let one = |word: &String, value: Vec<String>| Some(BTreeMap::from([(word.clone(), value)]));
    match (condition, wanted) {
        (Condition::Not(part), _) => choices(operation, part, !wanted),
        (Condition::All(parts), true) | (Condition::Any(parts), false) => {
            let all: Option<Vec<_>> =
                parts.iter().map(|part| choices(operation, part, wanted)).collect();
            Some(all?.into_iter().flatten().collect())
        }
        (Condition::Any(parts), true) | (Condition::All(parts), false) => {
            parts.iter().find_map(|part| choices(operation, part, wanted))
        }
        (Condition::OneOf(word, list), true) | (Condition::NoneOf(word, list), false) => {
            let known = usable(word, &|it| list.contains(it));
            one(word, vec![known?])
        }
        (Condition::OneOf(word, list), false) | (Condition::NoneOf(word, list), true) => {
            let known = usable(word, &|it| !list.contains(it));
            one(word, vec![known?])
        }
        (Condition::Present(word), true) => {
            // What stands there anyway needs no choice.
            match codes(word) {
                Some(_) => one(word, vec![usable(word, &|_| true)?]),
                None => Some(BTreeMap::new()),
            }
        }
        (Condition::Present(word), false) => one(word, Vec::new()),
    }
}

/// The words a condition asks about.
pub(super) fn asked(condition: &Condition) -> Vec<&str> {
    match condition {
        Condition::Any(parts) | Condition::All(parts) => parts.iter().flat_map(asked).collect(),
        Condition::Not(part) => asked(part),
        Condition::Present(word) | Condition::OneOf(word, _) | Condition::NoneOf(word, _) => {
            vec![word]
        }
    }
}

/// Whether the message itself shows every word of a condition.
pub(super) fn is_shown(operation: &Operation, condition: &Condition) -> bool {
    asked(condition).iter().all(|word| {
        let joined = format!("{word} joined ");
        operation
            .fields
            .iter()
            .any(|field| canonical_name(&field.value) == *word || field.value.starts_with(&joined))
    })
}
