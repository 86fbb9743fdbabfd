//! Puts what rows say together into objects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Cells, code};
use crate::catalogue::{
    Category, Content, Entry, Item, Kind, Object, ObjectKey, Organisation, Resource, ResourceKind,
    System, words,
};
use crate::city::settings::Problem;
use crate::city::value;

/// The words beside those of the catalogue.
const MORE: [&str; 8] = [
    "entry.department",
    "entry.system",
    "item.entry",
    "organisation.department",
    "category.department",
    "system.department",
    "resource.department",
    "system.region",
];

/// A part may map this word.
pub(super) fn is_word(word: &str) -> bool {
    let Some((kind, name)) = word.split_once('.') else { return false };
    let known = words(kind).is_some_and(|words| words.iter().any(|it| it.name == name));
    let region = name == "region" && kind != "item" && words(kind).is_some();
    let list = word == "entry.items";
    (known || region || MORE.contains(&word)) && !list
}

type Field = (String, String);

/// What is known of one object so far: name within its kind → text and place.
#[derive(Default)]
struct Draft {
    region: String,
    place: String,
    fields: BTreeMap<String, Field>,
    items: Vec<Draft>,
}

impl Draft {
    fn text(&self, name: &str) -> String {
        self.fields.get(name).map(|(text, _)| text.clone()).unwrap_or_default()
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.fields.get(name).map(|(text, _)| text.clone())
    }

    fn place(&self, name: &str) -> &str {
        self.fields.get(name).map_or(&self.place, |(_, place)| place)
    }

    /// The first text stays; another one is reported.
    fn learn(&mut self, name: &str, field: &Field, problems: &mut Vec<Problem>) {
        match self.fields.get(name) {
            Some((text, place)) if *text != field.0 => {
                let message = format!("another value than at {place}; that one is kept");
                problems.push(Problem::new(&field.1, message));
            }
            Some(_) => {}
            None => drop(self.fields.insert(name.to_owned(), field.clone())),
        }
    }
}

#[derive(Default)]
struct Drafts(BTreeMap<ObjectKey, Draft>);

/// The objects of all parts, parents first. Every part comes with its division.
pub(super) fn objects(
    parts: Vec<(String, Vec<Cells>)>,
    problems: &mut Vec<Problem>,
) -> Vec<Object> {
    let mut drafts = Drafts::default();
    for (region, rows) in parts {
        // The entry that a row without one belongs to.
        let mut above = None;
        for row in rows {
            drafts.take(&region, &row, &mut above, problems);
        }
    }
    drafts.owners();
    let resolved = Resolver::new(&drafts);
    let made = drafts.0.iter().filter_map(|(key, draft)| object(key, draft, &resolved, problems));
    made.collect()
}

impl Drafts {
    fn take(
        &mut self,
        region: &str,
        row: &Cells,
        above: &mut Option<String>,
        problems: &mut Vec<Problem>,
    ) {
        let of = |kind: &str| -> BTreeMap<&str, &Field> {
            let own = row.of.iter().filter_map(|(word, field)| {
                let (of, name) = word.split_once('.')?;
                (of == kind).then_some((name, field))
            });
            own.collect()
        };
        for kind in Kind::ALL {
            let fields = of(kind.as_str());
            let id = match kind {
                Kind::Organisation => first(&fields, &["id", "credit_code"]),
                Kind::Category | Kind::Entry => first(&fields, &["id", "code"]),
                Kind::System | Kind::Resource => first(&fields, &["id"]),
            };
            // A row that leaves the entry blank goes on with the one above.
            let id = id.or_else(|| above.clone().filter(|_| kind == Kind::Entry));
            if fields.is_empty() {
                continue;
            }
            let Some(id) = id else {
                let message = format!("a row about a {kind} without its id");
                problems.push(Problem::new(&row.place, message));
                continue;
            };
            if kind == Kind::Entry {
                *above = Some(id.clone());
            }
            let draft = self.0.entry(ObjectKey { kind, id }).or_insert_with(|| Draft {
                region: region.to_owned(),
                place: row.place.clone(),
                ..Draft::default()
            });
            for (name, field) in fields {
                draft.learn(name, field, problems);
            }
        }
        let item = of("item");
        if !item.is_empty() {
            self.take_item(&row.place, &item, above.as_deref(), problems);
        }
    }

    fn take_item(
        &mut self,
        place: &str,
        fields: &BTreeMap<&str, &Field>,
        above: Option<&str>,
        problems: &mut Vec<Problem>,
    ) {
        let entry = first(fields, &["entry"]).or_else(|| above.map(str::to_owned));
        let Some(entry) = entry else {
            problems.push(Problem::new(place, "an item before the first entry"));
            return;
        };
        let Some(id) = first(fields, &["id", "code", "title"]) else {
            problems.push(Problem::new(place, "an item without id, code and title"));
            return;
        };
        let draft = self.0.entry(ObjectKey { kind: Kind::Entry, id: entry }).or_insert_with(|| {
            // Said by a later part; if not, it is reported as an entry without a title.
            Draft { place: place.to_owned(), ..Draft::default() }
        });
        if draft.items.iter().any(|item| item.text("id") == id) {
            problems.push(Problem::new(place, "this entry has an item of this id already"));
            return;
        }
        let mut item = Draft { place: place.to_owned(), ..Draft::default() };
        for (name, field) in fields {
            item.learn(name, field, problems);
        }
        item.fields.entry("id".to_owned()).or_insert_with(|| (id, place.to_owned()));
        draft.items.push(item);
    }

    /// A provider that only entries speak of is an organisation too.
    fn owners(&mut self) {
        let resolver = Resolver::new(self);
        let mut new = BTreeMap::new();
        for (key, draft) in self.0.iter().filter(|(key, _)| key.kind == Kind::Entry) {
            let code = draft.text("department.credit_code");
            let title = draft.text("department.title");
            if resolver.owner(key, draft).is_some() || code.is_empty() || title.is_empty() {
                continue;
            }
            let place = draft.place("department.credit_code").to_owned();
            let mut owner =
                Draft { region: draft.region.clone(), place: place.clone(), ..Draft::default() };
            owner.fields.insert("title".to_owned(), (title, place.clone()));
            owner.fields.insert("credit_code".to_owned(), (code.clone(), place));
            new.entry(ObjectKey { kind: Kind::Organisation, id: code }).or_insert(owner);
        }
        self.0.extend(new);
    }
}

fn first(fields: &BTreeMap<&str, &Field>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| fields.get(name)).map(|field| field.0.clone())
}

/// Finds objects by what sheets call them.
struct Resolver {
    organisations: BTreeMap<String, Option<String>>,
    categories: BTreeMap<String, Option<String>>,
    category_codes: BTreeMap<String, String>,
    systems: BTreeMap<String, Option<String>>,
    entries: BTreeMap<String, Option<String>>,
}

impl Resolver {
    fn new(drafts: &Drafts) -> Self {
        let names = |kind: Kind, words: &[&str]| {
            let mut names = BTreeMap::new();
            let of_kind = || drafts.0.iter().filter(move |(key, _)| key.kind == kind);
            for (key, draft) in of_kind() {
                for word in words {
                    let name = draft.text(word);
                    // A name that two have names nobody.
                    let known = names.entry(name).or_insert_with(|| Some(key.id.clone()));
                    if known.as_ref() != Some(&key.id) {
                        *known = None;
                    }
                }
            }
            // An id is never ambiguous.
            names.extend(of_kind().map(|(key, _)| (key.id.clone(), Some(key.id.clone()))));
            names
        };
        let categories = drafts.0.iter().filter(|(key, _)| key.kind == Kind::Category);
        Self {
            organisations: names(Kind::Organisation, &["credit_code", "title"]),
            categories: names(Kind::Category, &["code", "title"]),
            category_codes: categories
                .map(|(key, draft)| {
                    (draft.optional("code").unwrap_or_else(|| key.id.clone()), key.id.clone())
                })
                .collect(),
            systems: names(Kind::System, &["title"]),
            entries: names(Kind::Entry, &["code"]),
        }
    }

    fn owner(&self, key: &ObjectKey, draft: &Draft) -> Option<String> {
        if key.kind == Kind::Organisation {
            return Some(key.id.clone());
        }
        let names = ["department", "department.credit_code", "department.title"];
        let known = |name: &&str| self.organisations.get(&draft.optional(name)?).cloned().flatten();
        names.iter().find_map(known)
    }

    /// As mapped, or from the entry's code: 类, 项 and 目 are its first six digits (facts §3.2).
    fn category(&self, draft: &Draft) -> Option<String> {
        if let Some(name) = draft.optional("category") {
            return self.categories.get(&name).cloned().flatten();
        }
        let code = draft.text("code");
        let ends = (1..=code.len().min(6)).rev();
        ends.filter_map(|end| code.get(..end))
            .find_map(|head| self.category_codes.get(head))
            .cloned()
    }
}

fn object(
    key: &ObjectKey,
    draft: &Draft,
    resolver: &Resolver,
    problems: &mut Vec<Problem>,
) -> Option<Object> {
    let id = key.id.clone();
    let owner = resolver.owner(key, draft);
    if owner.is_none() && matches!(key.kind, Kind::System | Kind::Entry) {
        let place = draft.place("department.title");
        problems.push(Problem::new(place, format!("{key}: no such organisation")));
    }
    let content = match key.kind {
        Kind::Organisation => Content::Organisation(Organisation {
            id,
            title: draft.text("title"),
            credit_code: draft.text("credit_code"),
            parent: draft.optional("parent"),
        }),
        Kind::Category => Content::Category(Category {
            id,
            code: draft.text("code"),
            title: draft.text("title"),
            parent: draft.optional("parent"),
        }),
        Kind::System => Content::System(System {
            id,
            title: draft.text("title"),
            department_title: draft.text("department.title"),
            department_credit_code: draft.text("department.credit_code"),
        }),
        Kind::Entry if draft.fields.is_empty() => {
            let message = format!("items of an entry {id} that nobody describes");
            problems.push(Problem::new(&draft.place, message));
            return None;
        }
        Kind::Entry => Content::Entry(Box::new(entry(id, draft, resolver, problems))),
        Kind::Resource => Content::Resource(resource(id, draft, resolver, problems)?),
    };
    let region = draft.optional("region").unwrap_or_else(|| draft.region.clone());
    let department = owner.unwrap_or_default();
    Some(Object { region, department, content, supplied: BTreeMap::new() })
}

fn resource(
    id: String,
    draft: &Draft,
    resolver: &Resolver,
    problems: &mut Vec<Problem>,
) -> Option<Resource> {
    let Some(entry) = resolver.entries.get(&draft.text("entry")).cloned().flatten() else {
        let place = draft.place("entry");
        problems.push(Problem::new(place, format!("resource:{id}: no such entry")));
        return None;
    };
    let kind = match coded(draft, "resource.kind", problems).as_str() {
        "file" => ResourceKind::File,
        "api" => ResourceKind::Api,
        _ => ResourceKind::Table,
    };
    Some(Resource {
        id,
        title: draft.text("title"),
        kind,
        entry,
        dataset: draft.optional("dataset"),
        table: draft.text("table"),
        department_credit_code: draft.text("department.credit_code"),
    })
}

fn entry(id: String, draft: &Draft, resolver: &Resolver, problems: &mut Vec<Problem>) -> Entry {
    let category = resolver.category(draft).unwrap_or_else(|| {
        let message = format!("entry:{id}: no such category, or several of this name");
        problems.push(Problem::new(draft.place("category"), message));
        String::new()
    });
    let system = draft.optional("system").and_then(|name| {
        let known = resolver.systems.get(&name).cloned().flatten();
        if known.is_none() {
            let message = format!("entry:{id}: no such system, or several of this name");
            problems.push(Problem::new(draft.place("system"), message));
        }
        known
    });
    let (update_cycle, cycle_text) = cycle(draft, problems);
    Entry {
        code: draft.text("code"),
        title: draft.text("title"),
        summary: draft.text("summary"),
        category,
        system,
        department_title: draft.text("department.title"),
        department_credit_code: draft.text("department.credit_code"),
        format: coded(draft, "entry.format", problems),
        share_type: coded(draft, "entry.share_type", problems),
        share_condition: draft.text("share_condition"),
        share_ways: ways(draft, problems),
        open_type: coded(draft, "entry.open_type", problems),
        open_condition: draft.text("open_condition"),
        update_cycle,
        cycle_text,
        published: instant(draft, "published", problems),
        updated: instant(draft, "updated", problems),
        related_code: draft.text("related_code"),
        items: items(draft, problems),
        id,
    }
}

fn items(entry: &Draft, problems: &mut Vec<Problem>) -> Vec<Item> {
    let mut drafts: Vec<&Draft> = entry.items.iter().collect();
    // Stable: without an order they stay as written.
    drafts.sort_by_key(|draft| draft.text("order").parse::<u32>().unwrap_or(0));
    let mut items = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let is_key = code::flag(&draft.text("is_key")).unwrap_or_else(|| {
            problems.push(Problem::new(draft.place("is_key"), "write 是 or 否"));
            false
        });
        items.push(Item {
            id: draft.text("id"),
            code: draft.text("code"),
            title: draft.text("title"),
            data_type: coded(draft, "item.data_type", problems),
            length: number(draft, "length", problems),
            precision: number(draft, "precision", problems),
            is_key,
            share_type: coded(draft, "item.share_type", problems),
            not_share_reason: draft.text("not_share_reason"),
            sensitive_level: draft.text("sensitive_level"),
        });
    }
    items
}

/// The canonical word; empty where there is none or nobody knows it, which is reported.
fn coded(draft: &Draft, word: &str, problems: &mut Vec<Problem>) -> String {
    let name = word.split_once('.').map_or(word, |(_, name)| name);
    let Some(text) = draft.optional(name) else { return String::new() };
    match code::canonical(word, &text) {
        Ok(canonical) => canonical.to_owned(),
        Err(known) => {
            problems.push(Problem::new(draft.place(name), format!("no such code; write {known}")));
            String::new()
        }
    }
}

fn ways(draft: &Draft, problems: &mut Vec<Problem>) -> Vec<String> {
    let text = draft.text("share_ways");
    let ways = text.split(['、', ',', '，', ';', '；', '|']).map(str::trim);
    let mut canonical = Vec::new();
    for way in ways.filter(|way| !way.is_empty()) {
        match code::canonical("entry.share_ways", way) {
            Ok(way) => canonical.push(way.to_owned()),
            Err(known) => {
                let message = format!("no such way of sharing; write {known}");
                problems.push(Problem::new(draft.place("share_ways"), message));
            }
        }
    }
    canonical
}

/// `每 2 日` and the like are another cycle with words of its own.
fn cycle(draft: &Draft, problems: &mut Vec<Problem>) -> (String, String) {
    let text = draft.text("update_cycle");
    let own = draft.text("cycle_text");
    match code::canonical("entry.update_cycle", &text) {
        _ if text.is_empty() => (String::new(), own),
        Ok(canonical) => (canonical.to_owned(), own),
        Err(_) if text.starts_with('每') => {
            ("other".to_owned(), if own.is_empty() { text } else { own })
        }
        Err(known) => {
            let message = format!("no such cycle; write {known}");
            problems.push(Problem::new(draft.place("update_cycle"), message));
            (String::new(), own)
        }
    }
}

fn number(draft: &Draft, name: &str, problems: &mut Vec<Problem>) -> Option<u32> {
    let text = draft.optional(name)?;
    let number = text.parse().ok();
    if number.is_none() {
        problems.push(Problem::new(draft.place(name), "not a whole number"));
    }
    number
}

/// Sheets have no zone: China's.
fn instant(draft: &Draft, name: &str, problems: &mut Vec<Problem>) -> Option<Timestamp> {
    let text = draft.optional(name)?;
    let at = value::civil(&text).and_then(|time| {
        let zone = TimeZone::get("Asia/Shanghai").ok()?;
        zone.to_timestamp(time).ok()
    });
    if at.is_none() {
        problems.push(Problem::new(draft.place(name), "not a date"));
    }
    at
}
