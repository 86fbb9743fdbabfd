//! The catalogue under another standard, nothing sent: what would be refused, by department, field
//! and rule, and how many of the values it asks for are there.
//!
//! Objects come parents first and in parts, so that memory holds a part and the counts. What the
//! province has not given yet (its ids of parents) is waited for as always and refuses nothing
//! here; a stand-in takes its place while a message is tried, and goes nowhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::wanted::{self, WantedField};
use crate::catalogue::{Content, Kind, Object, ObjectKey};
use crate::standard::{Lack, LackRule, Scope, Standard};

/// The most lines of [`Checked::rules`]; further ones are counted in [`Checked::more_rules`].
pub const MOST_RULES: usize = 10_000;

/// Objects read at once.
pub const PART: usize = 500;

/// In the place of an id that the province has not given yet, while a message is tried.
const STAND_IN: &str = "0";

/// What a check of the catalogue found. Printed by `--json`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// The candidate, `id/version`.
    pub standard: String,
    /// The digest of its directory.
    pub digest: String,
    /// The channel whose catalogue was checked.
    pub channel: String,
    /// By kind of object, parents first.
    pub kinds: Vec<KindCount>,
    /// What would be refused, by department, field and rule.
    pub rules: Vec<RuleCount>,
    /// Lines that did not fit into `rules`.
    pub more_rules: u64,
    /// By department.
    pub departments: Vec<DepartmentCount>,
    /// The values that the candidate wants the city to supply.
    pub fields: Vec<WantedField>,
    /// The datasets of the channel, and whether the candidate takes their resource.
    pub datasets: Vec<DatasetMount>,
}

/// Objects of one kind.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KindCount {
    /// The kind.
    pub kind: String,
    /// In the catalogue.
    pub objects: u64,
    /// Whose message the candidate would take.
    pub pass: u64,
    /// Which our own rules would refuse.
    pub refused: u64,
    /// Which have nothing wrong and stand below a refused one.
    pub blocked: u64,
    /// Which the candidate has no operation for.
    pub not_carried: u64,
}

/// One rule that a field breaks.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleCount {
    /// The department's id.
    pub department: String,
    /// The kind of objects.
    pub kind: String,
    /// The field's path.
    pub field: String,
    /// What the standard calls it.
    pub title: String,
    /// The field's clause.
    pub clause: String,
    /// Where its value comes from: what to mend.
    pub value: String,
    /// `required`, `length`, `code`, `format` or `operation`.
    pub rule: String,
    /// Objects that break it.
    pub objects: u64,
    /// Values that break it: several in one object where the field repeats.
    pub values: u64,
}

/// One department.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DepartmentCount {
    /// Its id.
    pub department: String,
    /// Its name, where the catalogue knows it.
    pub title: String,
    /// Its objects.
    pub objects: u64,
    /// Of them, refused.
    pub refused: u64,
    /// Of them, below a refused one.
    pub blocked: u64,
    /// Values that the candidate wants supplied and requires.
    pub wanted: u64,
    /// Of them, there and right.
    pub supplied: u64,
}

/// A dataset and its resource.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetMount {
    /// The dataset.
    pub dataset: String,
    /// Its resource would be taken: its rows can follow.
    pub mounts: bool,
}

impl Checked {
    /// Objects that would not arrive.
    pub fn refused(&self) -> u64 {
        self.kinds.iter().map(|it| it.refused + it.blocked + it.not_carried).sum()
    }

    /// Values wanted and values supplied.
    pub fn values(&self) -> (u64, u64) {
        let sum = |of: fn(&DepartmentCount) -> u64| self.departments.iter().map(of).sum();
        (sum(|it| it.wanted), sum(|it| it.supplied))
    }
}

/// A check under way: give it every object, parents first.
#[derive(Debug)]
pub struct Check<'s> {
    standard: &'s Standard,
    counts: Counts,
}

/// What a check has counted so far; travels between threads without the standard.
#[derive(Debug, Default)]
pub(super) struct Counts {
    kinds: BTreeMap<Kind, KindCount>,
    rules: BTreeMap<(String, Kind, String, LackRule), RuleCount>,
    more_rules: u64,
    departments: BTreeMap<String, DepartmentCount>,
    /// What will not be above, children of the same kind included.
    bad: BTreeSet<ObjectKey>,
    /// Objects below one of their own kind, which may come later: (child, parent, department).
    nested: Vec<(ObjectKey, ObjectKey, String)>,
    mounts: BTreeMap<String, ObjectKey>,
}

impl<'s> Check<'s> {
    /// Of this candidate.
    pub fn new(standard: &'s Standard) -> Self {
        Self { standard, counts: Counts::default() }
    }

    pub(super) fn resumed(standard: &'s Standard, counts: Counts) -> Self {
        Self { standard, counts }
    }

    pub(super) fn into_counts(self) -> Counts {
        self.counts
    }

    /// One object, and the province's id of it, where there is one.
    pub fn object(&mut self, object: &Object, upper_id: Option<&str>) {
        let key = object.key();
        if let Content::Resource(it) = &object.content
            && let Some(dataset) = &it.dataset
        {
            self.counts.mounts.insert(dataset.clone(), key.clone());
        }
        let kinds = self.counts.kinds.entry(key.kind).or_default();
        kinds.objects += 1;
        let department = self.counts.departments.entry(object.department.clone()).or_default();
        department.objects += 1;
        let Some(operation) = operation(self.standard, key.kind, upper_id.is_some()) else {
            kinds.not_carried += 1;
            self.counts.bad.insert(key);
            return;
        };
        let (wanted, supplied) = wanted::count(self.standard, &operation, object);
        department.wanted += wanted;
        department.supplied += supplied;
        let lacks = lacks(self.standard, &operation, object, upper_id);
        let needs = self
            .standard
            .operation(&format!("{}.register", key.kind))
            .map_or(&[][..], |register| &register.needs);
        let parents: Vec<ObjectKey> =
            object.parents().into_iter().filter(|it| needs.contains(&it.kind)).collect();
        if !lacks.is_empty() {
            kinds.refused += 1;
            department.refused += 1;
            self.counts.bad.insert(key.clone());
        } else if parents.iter().any(|parent| self.counts.bad.contains(parent)) {
            kinds.blocked += 1;
            department.blocked += 1;
            self.counts.bad.insert(key.clone());
        } else {
            kinds.pass += 1;
            let same = parents.into_iter().filter(|parent| parent.kind == key.kind);
            let department = &object.department;
            self.counts.nested.extend(same.map(|parent| (key.clone(), parent, department.clone())));
        }
        self.lacking(&object.department, key.kind, lacks);
    }

    /// Every object of a kind was given: one that came before its parent follows it.
    pub fn kind_done(&mut self) {
        loop {
            let before = self.counts.bad.len();
            let nested = std::mem::take(&mut self.counts.nested);
            for (key, parent, department) in nested {
                if !self.counts.bad.contains(&parent) {
                    self.counts.nested.push((key, parent, department));
                    continue;
                }
                let kinds = self.counts.kinds.entry(key.kind).or_default();
                kinds.pass = kinds.pass.saturating_sub(1);
                kinds.blocked += 1;
                self.counts.departments.entry(department).or_default().blocked += 1;
                self.counts.bad.insert(key);
            }
            if self.counts.bad.len() == before {
                break;
            }
        }
        self.counts.nested.clear();
    }

    fn lacking(&mut self, department: &str, kind: Kind, lacks: Vec<Lack>) {
        let mut counted = BTreeSet::new();
        for lack in lacks {
            let field = without_places(&lack.path);
            let key = (department.to_owned(), kind, field.clone(), lack.rule);
            if self.counts.rules.len() >= MOST_RULES && !self.counts.rules.contains_key(&key) {
                self.counts.more_rules += 1;
                continue;
            }
            let first = counted.insert((field.clone(), lack.rule));
            let count = self.counts.rules.entry(key).or_insert_with(|| RuleCount {
                department: department.to_owned(),
                kind: kind.as_str().to_owned(),
                field,
                title: lack.title,
                clause: lack.clause,
                value: lack.value,
                rule: lack.rule.as_str().to_owned(),
                objects: 0,
                values: 0,
            });
            count.objects += u64::from(first);
            count.values += 1;
        }
    }

    /// What was found; `titles` names departments, `datasets` are those of the channel.
    pub fn finish(
        mut self,
        channel: &str,
        titles: &BTreeMap<ObjectKey, String>,
        datasets: &[String],
    ) -> Checked {
        self.kind_done();
        let mut rules: Vec<RuleCount> = self.counts.rules.into_values().collect();
        rules.sort_by_key(|it| std::cmp::Reverse(it.objects));
        let departments = self.counts.departments.into_iter().map(|(department, count)| {
            let key = ObjectKey { kind: Kind::Organisation, id: department.clone() };
            let title = titles.get(&key).cloned().unwrap_or_default();
            DepartmentCount { department, title, ..count }
        });
        let bad = &self.counts.bad;
        let mounts = &self.counts.mounts;
        Checked {
            standard: self.standard.id().to_string(),
            digest: self.standard.digest().to_string(),
            channel: channel.to_owned(),
            kinds: self
                .counts
                .kinds
                .into_iter()
                .map(|(kind, count)| KindCount { kind: kind.as_str().to_owned(), ..count })
                .collect(),
            rules,
            more_rules: self.counts.more_rules,
            departments: departments.collect(),
            fields: wanted::fields(self.standard),
            datasets: datasets
                .iter()
                .map(|dataset| DatasetMount {
                    dataset: dataset.clone(),
                    mounts: mounts.get(dataset).is_some_and(|key| !bad.contains(key)),
                })
                .collect(),
        }
    }
}

/// The operation that would carry an object: it is changed where it stands above already.
pub(super) fn operation(standard: &Standard, kind: Kind, is_above: bool) -> Option<String> {
    let modify = Some(format!("{kind}.modify")).filter(|_| is_above);
    let register = Some(format!("{kind}.register"));
    [modify, register].into_iter().flatten().find(|it| standard.operation(it).is_some())
}

/// A scope in which nothing is missing that only the province can give.
pub(super) fn scope<'a>(object: &'a Object, upper_id: Option<&'a str>) -> Scope<'a> {
    let upper = Kind::ALL.into_iter().map(|kind| (kind, STAND_IN.to_owned())).collect();
    Scope { object: Some(object), upper_id: upper_id.or(Some(STAND_IN)), upper, ..Scope::default() }
}

/// Everything that would have the object's message refused by our own rules.
pub(super) fn lacks(
    standard: &Standard,
    operation: &str,
    object: &Object,
    upper_id: Option<&str>,
) -> Vec<Lack> {
    match standard.build(operation, &scope(object, upper_id)) {
        Ok(message) => {
            let most = standard.limits().bytes.unwrap_or(u64::MAX);
            let bytes = u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
            if bytes <= most {
                return Vec::new();
            }
            vec![Lack {
                path: "limits.bytes".to_owned(),
                title: String::new(),
                rule: LackRule::Operation,
                clause: "standard.toml limits.bytes".to_owned(),
                value: String::new(),
            }]
        }
        // A stand-in says nothing about what the province will give.
        Err(mut lacks) => {
            lacks.retain(|it| !it.value.starts_with("upper.") && it.value != "link.upper_id");
            lacks
        }
    }
}

/// `Item[3]/Name` as the table has it: `Item[]/Name`.
pub(super) fn without_places(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            _ if inside && letter.is_ascii_digit() => continue,
            _ => {}
        }
        text.push(letter);
    }
    text
}
