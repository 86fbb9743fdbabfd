//! From a scheme's text to a [`Scheme`].

use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use toml::de::DeTable;

use super::document::{Code, Problem, Reader, Section};
use super::period::{CutOff, Later, Month};
use super::{Class, Item, Kind, Known, Named, Period, Points, Scheme, Scope, Step, Struck, Title};
use crate::expression::{Expression, Scope as Names, Type, nearest};
use crate::indicator::measures::MEASURES;

/// The words that an expression may use beside measures, cases and values; the slots of a scheme's
/// expressions begin with them.
pub(super) const OWN: [&str; 5] = ["weight", "of", "best", "rank", "cities"];
/// What a case list is counted by.
const OF_CASES: [&str; 4] = ["due", "late", "open", "timely_rate"];
/// The most steps of an item.
const MAX_STEPS: usize = 64;

/// The keys of each table.
const KEYS: [(&str, &[&str]); 7] = [
    ("", &["id", "title", "modelled_on", "period", "class", "cases", "value", "item"]),
    ("title", &["zh", "en"]),
    ("period", &["from", "to", "cut_off", "publication", "appeal", "zone"]),
    ("class", &["id", "title"]),
    ("cases", &["id", "title"]),
    ("value", &["id", "title"]),
    (
        "item",
        &[
            "id", "class", "title", "kind", "known", "scope", "weight", "floor", "cap", "of",
            "points", "steps", "strikes", "note",
        ],
    ),
];
const STEP_KEYS: [&str; 2] = ["at_least", "points"];

pub(super) fn keys(table: &str) -> &'static [&'static str] {
    match KEYS.iter().find(|(name, _)| *name == table) {
        Some((_, keys)) => keys,
        None => &STEP_KEYS,
    }
}

pub(super) fn read(file: &str, text: &str) -> Result<Scheme, Vec<Problem>> {
    let mut reader = Reader::new(file, text);
    if text.len() > Scheme::MAX_BYTES {
        reader.add(Code::Format, 0, "", "the file is larger than 1 MiB");
        return Err(reader.problems);
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.add(Code::Format, at, "", error.message().replace('\n', ", "));
    }
    if !errors.is_empty() {
        return Err(reader.problems);
    }
    let root = reader.root(&document);
    reader.only(&root, keys(""));
    let scheme = scheme(&mut reader, &root);
    match scheme {
        Some(scheme) if reader.problems.is_empty() => Ok(scheme),
        _ => Err(reader.problems),
    }
}

fn scheme(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<Scheme> {
    let id = id(reader, root);
    let title = title(reader, root);
    let modelled_on = reader.text(root, "modelled_on").map(|(text, _)| text.to_owned());
    let period = reader.section(root, "period").and_then(|section| period(reader, &section));
    let named = |reader: &mut Reader<'_>, key: &'static str| {
        let sections = reader.sections(root, key, Scheme::MAX_ENTRIES);
        let read = sections.iter().filter_map(|section| {
            reader.only(section, keys(key));
            let (id, title) = (self::id(reader, section), self::title(reader, section));
            Some(Named { id: id?, title: title? })
        });
        let read: Vec<Named> = read.collect();
        once(reader, &sections, key);
        read
    };
    let (classes, cases, values) =
        (named(reader, "class"), named(reader, "cases"), named(reader, "value"));
    let classes = classes.into_iter().map(|it| Class { id: it.id, title: it.title }).collect();
    let names = Vocabulary { classes: &classes, cases: &cases, values: &values };
    let sections = reader.sections(root, "item", Scheme::MAX_ENTRIES);
    let items = sections.iter().filter_map(|section| item(reader, section, &names)).collect();
    once(reader, &sections, "item");
    if sections.is_empty() {
        reader.add(Code::Key, 0, "item", "is missing: a scheme has items");
    }
    let (id, title, modelled_on, period) = (id?, title?, modelled_on?, period?);
    let names = self::names(&cases, &values).collect();
    Some(Scheme { id, title, modelled_on, period, classes, cases, values, items, names })
}

/// What the expressions and keys of items may name.
struct Vocabulary<'v> {
    classes: &'v Vec<Class>,
    cases: &'v [Named],
    values: &'v [Named],
}

/// The names of a scheme's expressions, in the order of their slots.
fn names<'v>(cases: &'v [Named], values: &'v [Named]) -> impl Iterator<Item = String> + 'v {
    let own = OWN.iter().map(|name| (*name).to_owned());
    let measures = MEASURES.iter().map(|measure| measure.name.to_owned());
    let of_case = |list: &'v Named| OF_CASES.iter().map(|of| format!("cases.{}.{of}", list.id));
    let values = values.iter().map(|value| format!("value.{}", value.id));
    own.chain(measures).chain(cases.iter().flat_map(of_case)).chain(values)
}

/// Refuses names that stand twice.
fn once(reader: &mut Reader<'_>, sections: &[Section<'_>], key: &str) {
    let mut seen: Vec<&str> = Vec::new();
    let mut twice = Vec::new();
    for section in sections {
        if seen.contains(&section.path.as_str()) {
            twice.push((section.at, section.path.clone()));
        }
        seen.push(&section.path);
    }
    for (at, path) in twice {
        reader.add(Code::Value, at, &path, format!("stands twice among the {key} tables"));
    }
}

/// A name: lower-case letters, digits, `_`; for schemes and items also `-` and `.`.
fn id(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<String> {
    let (text, at) = reader.text(section, "id")?;
    let is_item = section.path.is_empty() || section.path.starts_with("item[");
    let fits = |letter: char| {
        letter.is_ascii_lowercase()
            || letter.is_ascii_digit()
            || letter == '_'
            || (is_item && (letter == '-' || letter == '.'))
    };
    if text.len() <= 64
        && text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.chars().all(fits)
    {
        return Some(text.to_owned());
    }
    let what = "a name is lower-case letters, digits and `_`, begins with a letter and has at most 64 characters";
    reader.add(Code::Value, at, &section.key("id"), what);
    None
}

fn title(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Title> {
    let both = reader.section(section, "title")?;
    reader.only(&both, keys("title"));
    let (zh, en) = (reader.text(&both, "zh"), reader.text(&both, "en"));
    Some(Title { zh: zh?.0.to_owned(), en: en?.0.to_owned() })
}

fn period(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Period> {
    reader.only(section, keys("period"));
    let from = parsed(reader, section, "from", Month::parse, "a month such as `2022-01`");
    let to = if section.has("to") {
        Some(parsed(reader, section, "to", Month::parse, "a month such as `2022-12`")?)
    } else {
        None
    };
    let cut_off = parsed(reader, section, "cut_off", CutOff::parse, "`last day` or `day 25`");
    let later = "`+5 working days` or `+10 days`, at most 250";
    let publication = parsed(reader, section, "publication", Later::parse, later);
    let appeal = parsed(reader, section, "appeal", Later::parse, later);
    let zone = match reader.maybe_text(section, "zone") {
        None => Some("Asia/Shanghai"),
        Some((name, _)) => Some(name),
    };
    let zone = zone.and_then(|name| TimeZone::get(name).ok());
    if zone.is_none() {
        reader.add(Code::Value, section.at, &section.key("zone"), "is no time zone");
    }
    let (from, cut_off) = (from?, cut_off?);
    if to.is_some_and(|to| to < from) {
        reader.add(Code::Value, section.at, &section.key("to"), "ends before it begins");
        return None;
    }
    Some(Period { from, to, cut_off, publication: publication?, appeal: appeal?, zone: zone? })
}

fn parsed<T>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    parse: impl Fn(&str) -> Option<T>,
    wanted: &str,
) -> Option<T> {
    let (text, at) = reader.text(section, key)?;
    let found = parse(text);
    if found.is_none() {
        let what = format!("`{text}` cannot be read: {wanted} is wanted");
        reader.add(Code::Value, at, &section.key(key), what);
    }
    found
}

/// One of a closed list of words.
fn word<T: Copy>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    all: &[(&'static str, T)],
) -> Option<T> {
    let (text, at) = reader.text(section, key)?;
    if let Some((_, found)) = all.iter().find(|(word, _)| *word == text) {
        return Some(*found);
    }
    let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
    let what = format!("`{text}` is none of {}", words.join(", "));
    let meant = nearest(text, words).map(ToOwned::to_owned);
    reader.add_unknown(Code::Value, at, &section.key(key), what, meant);
    None
}

fn class(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    names: &Vocabulary<'_>,
) -> Option<String> {
    let all: Vec<&str> = names.classes.iter().map(|class| class.id.as_str()).collect();
    let (text, at) = reader.text(section, key)?;
    if all.contains(&text) {
        return Some(text.to_owned());
    }
    let meant = nearest(text, all).map(ToOwned::to_owned);
    let what = format!("there is no class `{text}`");
    reader.add_unknown(Code::Value, at, &section.key(key), what, meant);
    None
}

fn item(reader: &mut Reader<'_>, section: &Section<'_>, names: &Vocabulary<'_>) -> Option<Item> {
    reader.only(section, keys("item"));
    let (id, title) = (id(reader, section), title(reader, section));
    let class = class(reader, section, "class", names);
    let kind = word(reader, section, "kind", &Kind::ALL.map(|kind| (kind.as_str(), kind)));
    let known = word(reader, section, "known", &Known::ALL.map(|it| (it.as_str(), it)));
    let scope = scope(reader, section);
    let weight = limit(reader, section, "weight");
    let cap = limit(reader, section, "cap");
    let floor = limit(reader, section, "floor").unwrap_or_default();
    if let Some(most) = cap.or(weight).filter(|most| *most < floor) {
        let what = format!("is more than the most that the item gives, {most}");
        reader.add(Code::Value, section.at, &section.key("floor"), what);
    }
    let note =
        reader.maybe_text(section, "note").map_or(String::new(), |(text, _)| text.to_owned());
    let strikes = strikes(reader, section, kind, names);
    let gives = matches!(kind, Some(Kind::Award | Kind::Relative));
    if gives && !section.has("weight") && !section.has("cap") {
        let what = "is missing: what gives points says how many at most";
        reader.add(Code::Key, section.at, &section.key("weight"), what);
    }
    let of = section.has("of").then(|| {
        let usable = Usable { weight: section.has("weight"), ..Usable::default() };
        expression(reader, section, "of", Some(Type::Number), usable, names)
    });
    let points = points(reader, section, kind, names);
    let of = match of {
        Some(of) => Some(of?),
        None => None,
    };
    let (id, title, class, known, scope) = (id?, title?, class?, known?, scope?);
    let (kind, points, strikes) = (kind?, points?, strikes?);
    Some(Item {
        id,
        class,
        title,
        kind,
        known,
        scope,
        weight,
        floor,
        cap,
        of,
        points,
        strikes,
        note,
    })
}

/// Points and limits are never below nothing: the kind says which way they count.
fn limit(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Decimal> {
    let (number, at) = reader.maybe_decimal(section, key)?;
    if number.is_sign_negative() && !number.is_zero() {
        reader.add(
            Code::Value,
            at,
            &section.key(key),
            "is below 0: the kind says which way it counts",
        );
        return None;
    }
    Some(number)
}

fn scope(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Scope> {
    if !section.has("scope") {
        return Some(Scope::City);
    }
    let (text, at) = reader.text(section, "scope")?;
    Some(match text {
        "city" => Scope::City,
        "region" => Scope::Region,
        "department" => Scope::Department,
        _ => match text.strip_prefix("class ") {
            Some(class) if !class.trim().is_empty() => Scope::Class(class.trim().to_owned()),
            _ => {
                let what = format!("`{text}` is none of city, region, department, class NAME");
                reader.add(Code::Value, at, &section.key("scope"), what);
                return None;
            }
        },
    })
}

fn strikes(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    kind: Option<Kind>,
    names: &Vocabulary<'_>,
) -> Option<Option<Struck>> {
    match (kind, section.has("strikes")) {
        (Some(Kind::Veto), _) => match reader.text(section, "strikes")?.0 {
            "all" => Some(Some(Struck::All)),
            _ => class(reader, section, "strikes", names).map(|class| Some(Struck::Class(class))),
        },
        (Some(_), true) => {
            reader.add(Code::Key, section.at, &section.key("strikes"), "only a veto strikes");
            None
        }
        (_, _) => Some(None),
    }
}

/// `kind` is absent where it could not be read: the rest of the item is looked at all the same.
fn points(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    kind: Option<Kind>,
    names: &Vocabulary<'_>,
) -> Option<Points> {
    let of = section.has("of");
    if section.has("steps") {
        let wrong = if section.has("points") {
            Some("an item has `points` or `steps`, not both")
        } else if kind == Some(Kind::Veto) {
            Some("a veto has a condition in `points`, no steps")
        } else if !of {
            Some("steps judge a figure: `of` is missing")
        } else {
            None
        };
        if let Some(what) = wrong {
            reader.add(Code::Key, section.at, &section.key("steps"), what);
            return None;
        }
        return steps(reader, section).map(Points::Steps);
    }
    if kind == Some(Kind::Relative) && !of {
        let what = "is missing: what is compared with the other cities";
        reader.add(Code::Key, section.at, &section.key("of"), what);
    }
    let wanted = kind.map(|kind| if kind == Kind::Veto { Type::Boolean } else { Type::Number });
    let others = kind.is_none_or(|kind| kind == Kind::Relative);
    let usable = Usable { weight: section.has("weight"), of, others };
    expression(reader, section, "points", wanted, usable, names).map(Points::Expression)
}

fn steps(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_whole = true;
    let mut before: Option<Decimal> = None;
    for step in reader.sections(section, "steps", MAX_STEPS) {
        reader.only(&step, &STEP_KEYS);
        if !step.has("points") {
            reader.add(Code::Key, step.at, &step.key("points"), "is missing: a number is wanted");
        }
        let at_least = reader.decimal(&step, "at_least").map(|(number, _)| number);
        let points = limit(reader, &step, "points");
        if before.zip(at_least).is_some_and(|(before, at_least)| before <= at_least) {
            let what = "steps go from the highest figure to the lowest";
            reader.add(Code::Value, step.at, &step.key("at_least"), what);
            is_whole = false;
        }
        before = at_least.or(before);
        match (at_least, points) {
            (Some(at_least), Some(points)) => steps.push(Step { at_least, points }),
            _ => is_whole = false,
        }
    }
    if steps.is_empty() && is_whole {
        reader.add(Code::Value, section.at, &section.key("steps"), "has no step");
        is_whole = false;
    }
    is_whole.then_some(steps)
}

/// Which of the own words an expression may use.
#[derive(Clone, Copy, Default)]
struct Usable {
    weight: bool,
    of: bool,
    others: bool,
}

fn expression(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    wanted: Option<Type>,
    usable: Usable,
    names: &Vocabulary<'_>,
) -> Option<Expression> {
    let (text, at) = reader.text(section, key)?;
    let path = section.key(key);
    let mut scope = Names::new();
    for (slot, name) in self::names(names.cases, names.values).enumerate() {
        // A word that means nothing here keeps its slot under a name that cannot be written.
        let is_usable = match slot {
            0 => usable.weight,
            1 => usable.of,
            2..=4 => usable.others,
            _ => true,
        };
        scope.declare(if is_usable { &name } else { "\u{0}" }, Type::Number);
    }
    let compiled = match Expression::compile(text, &scope) {
        Ok(compiled) => compiled,
        Err(problems) => {
            for problem in problems {
                let what =
                    format!("character {} of the expression: {}", problem.at, problem.message);
                let meant = problem.suggestion.filter(|meant| meant != "\u{0}");
                reader.add_unknown(Code::Expression, at, &path, what, meant);
            }
            return None;
        }
    };
    if let Some(wanted) = wanted.filter(|wanted| compiled.of() != *wanted) {
        let what =
            format!("{} is wanted here, this is {}", wanted.as_str(), compiled.of().as_str());
        reader.add(Code::Expression, at, &path, what);
        return None;
    }
    Some(compiled)
}
