//! The words in which a standard's tables speak of an object, with their types.
//!
//! A test holds that every object answers every word of its kind.

use std::fmt;

use super::value::WordType;

/// Which kind of object, in the order of registration (facts: `cascade-facts` §4.4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A department or another body (机构).
    Organisation,
    /// A node of the catalogue's classification (目录分类).
    Category,
    /// An information system (信息系统).
    System,
    /// A catalogue entry with its items (目录、信息项).
    Entry,
    /// A mounted resource (资源: table, file, api).
    Resource,
}

impl Kind {
    /// Every kind, parents first.
    pub const ALL: [Self; 5] =
        [Self::Organisation, Self::Category, Self::System, Self::Entry, Self::Resource];

    /// The word used in operations (`entry.register`), in the ledger and on labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Category => "category",
            Self::System => "system",
            Self::Entry => "entry",
            Self::Resource => "resource",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One word that a standard may use as a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Word {
    /// As written in a standard's table after the kind and a dot; `items.` words belong to an
    /// entry's items and are written `item.NAME` under `each entry.items as item`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What sort of value.
    pub of: WordType,
}

const fn word(name: &'static str, title: &'static str, of: WordType) -> Word {
    Word { name, title, of }
}

use WordType::{Boolean, Code, Codes, Integer, List, Text, Time};

const ORGANISATION: &[Word] = &[
    word("id", "机构标识", Text),
    word("title", "机构名称", Text),
    word("credit_code", "统一社会信用代码", Text),
    word("region", "行政区划代码", Text),
    word("parent", "上级机构标识", Text),
];

const CATEGORY: &[Word] = &[
    word("id", "分类标识", Text),
    word("code", "分类代码", Text),
    word("title", "分类名称", Text),
    word("parent", "上级分类标识", Text),
];

const SYSTEM: &[Word] = &[
    word("id", "系统标识", Text),
    word("title", "系统名称", Text),
    word("department.title", "所属机构", Text),
    word("department.credit_code", "所属机构代码", Text),
];

const ENTRY: &[Word] = &[
    word("id", "目录标识", Text),
    word("code", "信息资源代码", Text),
    word("title", "信息资源名称", Text),
    word("summary", "信息资源摘要", Text),
    word("category", "分类标识", Text),
    word("region", "行政区划代码", Text),
    word("department.title", "信息资源提供方", Text),
    word("department.credit_code", "信息资源提供方代码", Text),
    word("format", "信息资源格式", Code),
    word("share_type", "共享类型", Code),
    word("share_condition", "共享条件", Text),
    word("share_ways", "共享方式", Codes),
    word("open_type", "开放类型", Code),
    word("open_condition", "开放条件", Text),
    word("update_cycle", "更新周期", Code),
    word("cycle_text", "其他更新周期", Text),
    word("published", "发布日期", Time),
    word("updated", "更新时间", Time),
    word("related_code", "关联资源代码", Text),
    word("items", "信息项信息", List),
];

const ITEM: &[Word] = &[
    word("id", "信息项标识", Text),
    word("code", "信息项代码", Text),
    word("title", "信息项名称", Text),
    word("data_type", "数据类型", Code),
    word("length", "数据长度", Integer),
    word("precision", "数据精度", Integer),
    word("order", "序号", Integer),
    word("is_key", "主键", Boolean),
    word("share_type", "共享类型", Code),
    word("not_share_reason", "不予共享理由", Text),
    word("sensitive_level", "数据敏感级别", Code),
];

const RESOURCE: &[Word] = &[
    word("id", "资源标识", Text),
    word("title", "资源名称", Text),
    word("kind", "资源类型", Code),
    word("entry", "目录标识", Text),
    word("dataset", "数据集标识", Text),
    word("table", "表名", Text),
    word("department.credit_code", "提供方代码", Text),
];

/// The words of a kind's objects; with `item`, those of the items in an entry.
pub fn words(scope: &str) -> Option<&'static [Word]> {
    match scope {
        "organisation" => Some(ORGANISATION),
        "category" => Some(CATEGORY),
        "system" => Some(SYSTEM),
        "entry" => Some(ENTRY),
        "item" => Some(ITEM),
        "resource" => Some(RESOURCE),
        _ => None,
    }
}
