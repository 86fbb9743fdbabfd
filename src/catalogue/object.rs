//! The objects themselves, and how they answer a standard's words.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::value::Value;
use super::words::Kind;

/// What names an object within the city.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// Which kind; parents sort first.
    pub kind: Kind,
    /// The city's id of it.
    pub id: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind, self.id)
    }
}

/// A value the city adds to an object because a standard asks for it (`supplied.NAME`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Supplied {
    /// The value.
    pub value: String,
    /// Who supplied it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// One object of the catalogue.
///
/// Serialized only into the ledger's own storage, never onto a wire.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Object {
    /// The administrative division (行政区划代码) it belongs to.
    pub region: String,
    /// The organisation that owns it.
    pub department: String,
    /// The object.
    pub content: Content,
    /// Values supplied for standards that ask for more than the catalogue holds.
    #[serde(default)]
    pub supplied: BTreeMap<String, Supplied>,
}

/// What an object is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "object")]
pub enum Content {
    /// See [`Organisation`].
    Organisation(Organisation),
    /// See [`Category`].
    Category(Category),
    /// See [`System`].
    System(System),
    /// See [`Entry`].
    Entry(Box<Entry>),
    /// See [`Resource`].
    Resource(Resource),
}

/// A department or another body (机构).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Organisation {
    /// The city's id of it.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Unified social credit code (统一社会信用代码, GB 32100).
    pub credit_code: String,
    /// The organisation above it within the city.
    pub parent: Option<String>,
}

/// A node of the classification (目录分类).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Category {
    /// The city's id of it.
    pub id: String,
    /// Its code: 类 1 digit, 项 2, 目 3 (2017 guide; facts §3.2).
    pub code: String,
    /// Its name.
    pub title: String,
    /// The node above it.
    pub parent: Option<String>,
}

/// An information system (信息系统).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct System {
    /// The city's id of it.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Its owner's name.
    pub department_title: String,
    /// Its owner's credit code.
    pub department_credit_code: String,
}

/// A catalogue entry (目录) with its items (信息项); core metadata of facts §3.1.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// The city's id of it.
    pub id: String,
    /// 信息资源代码, facts §3.2.
    pub code: String,
    /// 信息资源名称.
    pub title: String,
    /// 信息资源摘要.
    pub summary: String,
    /// Id of its category.
    pub category: String,
    /// Id of the system it comes from.
    pub system: Option<String>,
    /// 信息资源提供方.
    pub department_title: String,
    /// 信息资源提供方代码.
    pub department_credit_code: String,
    /// `file`, `spreadsheet`, `database`, `image`, `stream`, `self_described` (信息资源格式).
    pub format: String,
    /// `unconditional`, `conditional`, `none` (共享类型).
    pub share_type: String,
    /// 共享条件.
    pub share_condition: String,
    /// `platform`, `mail`, `copy` and the like (共享方式).
    pub share_ways: Vec<String>,
    /// `open`, `conditional`, `closed` (开放类型).
    pub open_type: String,
    /// 开放条件.
    pub open_condition: String,
    /// `realtime daily weekly monthly quarterly half_yearly yearly irregular other` (更新周期).
    pub update_cycle: String,
    /// The cycle in words, where `update_cycle` is `other`.
    pub cycle_text: String,
    /// 发布日期.
    pub published: Option<Timestamp>,
    /// When the entry's description last changed; says nothing about its data.
    pub updated: Option<Timestamp>,
    /// 关联资源代码.
    pub related_code: String,
    /// 信息项.
    pub items: Vec<Item>,
}

/// An item of an entry (信息项).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Item {
    /// The city's id of it, unique within the entry.
    pub id: String,
    /// The column that carries it.
    pub code: String,
    /// 信息项名称.
    pub title: String,
    /// `text`, `integer`, `decimal`, `date`, `time`, `boolean` (数据类型).
    pub data_type: String,
    /// 数据长度, in characters.
    pub length: Option<u32>,
    /// Digits after the decimal point.
    pub precision: Option<u32>,
    /// Part of the key.
    pub is_key: bool,
    /// As the entry's, per item.
    pub share_type: String,
    /// 不予共享理由.
    pub not_share_reason: String,
    /// 数据敏感级别.
    pub sensitive_level: String,
}

/// What a resource is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// Rows (库表).
    Table,
    /// Documents (文件).
    File,
    /// A service (接口).
    Api,
}

impl ResourceKind {
    /// The canonical word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

/// A resource mounted on an entry (资源).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Resource {
    /// The city's id of it.
    pub id: String,
    /// Its name.
    pub title: String,
    /// What it is.
    pub kind: ResourceKind,
    /// Id of the entry it belongs to.
    pub entry: String,
    /// The dataset that carries its rows.
    pub dataset: Option<String>,
    /// The table's name, as the province will know it.
    pub table: String,
    /// Its owner's credit code.
    pub department_credit_code: String,
}

impl Object {
    /// What names it.
    pub fn key(&self) -> ObjectKey {
        let (kind, id) = match &self.content {
            Content::Organisation(it) => (Kind::Organisation, &it.id),
            Content::Category(it) => (Kind::Category, &it.id),
            Content::System(it) => (Kind::System, &it.id),
            Content::Entry(it) => (Kind::Entry, &it.id),
            Content::Resource(it) => (Kind::Resource, &it.id),
        };
        ObjectKey { kind, id: id.clone() }
    }

    /// What people call it.
    pub fn title(&self) -> &str {
        match &self.content {
            Content::Organisation(it) => &it.title,
            Content::Category(it) => &it.title,
            Content::System(it) => &it.title,
            Content::Entry(it) => &it.title,
            Content::Resource(it) => &it.title,
        }
    }

    /// The objects that must be registered above before this one.
    pub fn parents(&self) -> Vec<ObjectKey> {
        let key = |kind, id: &str| ObjectKey { kind, id: id.to_owned() };
        let mut parents = Vec::new();
        let mut owner = || {
            if !self.department.is_empty() {
                parents.push(key(Kind::Organisation, &self.department));
            }
        };
        match &self.content {
            Content::Organisation(it) => {
                parents.extend(it.parent.iter().map(|id| key(Kind::Organisation, id)));
            }
            Content::Category(it) => {
                parents.extend(it.parent.iter().map(|id| key(Kind::Category, id)));
            }
            Content::System(_) => owner(),
            Content::Entry(it) => {
                owner();
                parents.push(key(Kind::Category, &it.category));
                parents.extend(it.system.iter().map(|id| key(Kind::System, id)));
            }
            Content::Resource(it) => parents.push(key(Kind::Entry, &it.entry)),
        }
        parents
    }

    /// The value of a word of this object's kind (see [`words`](super::words())); `None` where the
    /// kind has no such word. `items` is not a value: see [`Object::items`].
    pub fn word(&self, name: &str) -> Option<Value> {
        match &self.content {
            Content::Organisation(it) => Some(match name {
                "id" => Value::text(&it.id),
                "title" => Value::text(&it.title),
                "credit_code" => Value::text(&it.credit_code),
                "region" => Value::text(&self.region),
                "parent" => Value::optional(it.parent.as_deref()),
                _ => return None,
            }),
            Content::Category(it) => Some(match name {
                "id" => Value::text(&it.id),
                "code" => Value::text(&it.code),
                "title" => Value::text(&it.title),
                "parent" => Value::optional(it.parent.as_deref()),
                _ => return None,
            }),
            Content::System(it) => Some(match name {
                "id" => Value::text(&it.id),
                "title" => Value::text(&it.title),
                "department.title" => Value::text(&it.department_title),
                "department.credit_code" => Value::text(&it.department_credit_code),
                _ => return None,
            }),
            Content::Entry(it) => it.word(&self.region, name),
            Content::Resource(it) => Some(match name {
                "id" => Value::text(&it.id),
                "title" => Value::text(&it.title),
                "kind" => Value::code(it.kind.as_str()),
                "entry" => Value::text(&it.entry),
                "dataset" => Value::optional(it.dataset.as_deref()),
                "table" => Value::text(&it.table),
                "department.credit_code" => Value::text(&it.department_credit_code),
                _ => return None,
            }),
        }
    }

    /// A value that the city supplied under `name`.
    pub fn supplied(&self, name: &str) -> Value {
        self.supplied.get(name).map_or(Value::Absent, |supplied| Value::text(&supplied.value))
    }

    /// The items of an entry; empty for other kinds.
    pub fn items(&self) -> &[Item] {
        match &self.content {
            Content::Entry(it) => &it.items,
            Content::Organisation(_)
            | Content::Category(_)
            | Content::System(_)
            | Content::Resource(_) => &[],
        }
    }
}

impl Entry {
    fn word(&self, region: &str, name: &str) -> Option<Value> {
        let time = |at: Option<Timestamp>| at.map_or(Value::Absent, Value::Time);
        Some(match name {
            "id" => Value::text(&self.id),
            "code" => Value::text(&self.code),
            "title" => Value::text(&self.title),
            "summary" => Value::text(&self.summary),
            "category" => Value::text(&self.category),
            "region" => Value::text(region),
            "department.title" => Value::text(&self.department_title),
            "department.credit_code" => Value::text(&self.department_credit_code),
            "format" => Value::code(&self.format),
            "share_type" => Value::code(&self.share_type),
            "share_condition" => Value::text(&self.share_condition),
            "share_ways" => Value::Codes(self.share_ways.clone()),
            "open_type" => Value::code(&self.open_type),
            "open_condition" => Value::text(&self.open_condition),
            "update_cycle" => Value::code(&self.update_cycle),
            "cycle_text" => Value::text(&self.cycle_text),
            "published" => time(self.published),
            "updated" => time(self.updated),
            "related_code" => Value::text(&self.related_code),
            _ => return None,
        })
    }
}

impl Item {
    /// The value of a word of an item; `order` is its place in the entry, counted from 1.
    pub fn word(&self, order: usize, name: &str) -> Option<Value> {
        let number = |of: Option<u32>| of.map_or(Value::Absent, |n| Value::Integer(n.into()));
        Some(match name {
            "id" => Value::text(&self.id),
            "code" => Value::text(&self.code),
            "title" => Value::text(&self.title),
            "data_type" => Value::code(&self.data_type),
            "length" => number(self.length),
            "precision" => number(self.precision),
            "order" => Value::Integer(i64::try_from(order).unwrap_or(i64::MAX)),
            "is_key" => Value::Boolean(self.is_key),
            "share_type" => Value::code(&self.share_type),
            "not_share_reason" => Value::text(&self.not_share_reason),
            "sensitive_level" => Value::code(&self.sensitive_level),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{WordType, words};
    use super::*;

    fn samples() -> Vec<Object> {
        let object = |content| Object {
            region: "511900".to_owned(),
            department: "d1".to_owned(),
            content,
            supplied: BTreeMap::new(),
        };
        vec![
            object(Content::Organisation(Organisation::default())),
            object(Content::Category(Category::default())),
            object(Content::System(System::default())),
            object(Content::Entry(Box::default())),
            object(Content::Resource(Resource {
                id: "r1".to_owned(),
                title: String::new(),
                kind: ResourceKind::Table,
                entry: "e1".to_owned(),
                dataset: None,
                table: String::new(),
                department_credit_code: String::new(),
            })),
        ]
    }

    #[test]
    fn every_object_answers_every_word_of_its_kind() {
        for object in samples() {
            for word in words(object.key().kind.as_str()).unwrap() {
                assert_eq!(
                    object.word(word.name).is_some(),
                    word.of != WordType::List,
                    "{} {}",
                    object.key(),
                    word.name
                );
            }
        }
        for word in words("item").unwrap() {
            assert!(Item::default().word(1, word.name).is_some(), "item.{}", word.name);
        }
    }

    #[test]
    fn every_object_survives_the_ledger() {
        for object in samples() {
            let stored = serde_json::to_string(&object).unwrap();
            assert_eq!(serde_json::from_str::<Object>(&stored).unwrap(), object);
        }
    }

    #[test]
    fn parents_sort_before_their_children() {
        for object in samples() {
            assert!(object.parents().iter().all(|parent| parent.kind <= object.key().kind));
        }
    }
}
