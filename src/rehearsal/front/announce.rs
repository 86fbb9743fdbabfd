//! The front-end tables that a province announces to its city: names, columns, keys, parents.
//!
//! A standard says what every table has; what a table is about comes from here. No public document
//! gives the tables of any province, so that [`Table::made_up`] is a model with neutral names, and
//! whoever has a province's own list writes it down as TOML ([`Table::parse`]).

use serde::Deserialize;

/// The most tables of one list.
const MAX_TABLES: usize = 500;

/// A front-end table as the province announces it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Written")]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its own columns and their types in SQL.
    pub columns: Vec<(String, String)>,
    /// The columns by which rows are told apart.
    pub key: Vec<String>,
    /// Where its rows have a parent.
    pub parent: Option<Parent>,
    /// What the province demands of its columns.
    pub rules: Vec<ColumnRule>,
}

/// What a province demands of a column beyond its type.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRule {
    /// The column.
    pub name: String,
    /// It must have a value.
    #[serde(default)]
    pub required: bool,
    /// The codes it may hold; any text where there are none.
    #[serde(default)]
    pub codes: Vec<String>,
}

/// A row stands only while its parent does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// The columns of the child that name it; a row without a value in one of them has none.
    pub columns: Vec<String>,
    /// The parent's table.
    pub table: String,
    /// The parent's columns, in the same order.
    pub key: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    key: Vec<String>,
    column: Vec<WrittenColumn>,
    parent: Option<Parent>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    codes: Vec<String>,
}

impl From<Written> for Table {
    fn from(written: Written) -> Self {
        let columns = written.column.iter();
        let columns = columns.map(|column| (column.name.clone(), column.kind.clone())).collect();
        let rules = written.column.into_iter().map(|column| ColumnRule {
            name: column.name,
            required: column.required,
            codes: column.codes,
        });
        let rules = rules.filter(|rule| rule.required || !rule.codes.is_empty()).collect();
        Self { name: written.name, columns, key: written.key, parent: written.parent, rules }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    table: Vec<Table>,
}

impl Table {
    /// Two tables of a province that does not exist, as a list; the second's rows belong to the
    /// first's.
    pub const MADE_UP: &'static str = include_str!("made_up.toml");

    /// Reads a list; every problem at once.
    pub fn parse(text: &str) -> Result<Vec<Self>, Vec<String>> {
        let list: List = toml::from_str(text).map_err(|error| vec![error.message().to_owned()])?;
        let mut problems = Vec::new();
        if list.table.is_empty() || list.table.len() > MAX_TABLES {
            problems.push(format!("[[table]] stands there 1 to {MAX_TABLES} times"));
        }
        for (at, table) in list.table.iter().enumerate() {
            let earlier = list.table.get(..at).unwrap_or_default();
            table.problems(earlier, &mut problems);
        }
        if problems.is_empty() { Ok(list.table) } else { Err(problems) }
    }

    /// A model: tables with neutral names in which every kind of rule stands once.
    pub fn made_up() -> Vec<Self> {
        Self::parse(Self::MADE_UP).unwrap_or_default()
    }

    fn problems(&self, earlier: &[Self], problems: &mut Vec<String>) {
        let mut say = |what: String| problems.push(format!("table {}: {what}", self.name));
        if earlier.iter().any(|table| table.name == self.name) {
            say("stands there twice".to_owned());
        }
        if self.key.is_empty() {
            say("has no key".to_owned());
        }
        for name in self.key.iter().filter(|name| !self.has(name)) {
            say(format!("its key names no column: {name}"));
        }
        for (name, kind) in &self.columns {
            let is_type = kind.chars().all(|it| it.is_ascii_alphanumeric() || " (),_".contains(it));
            if kind.is_empty() || !is_type {
                say(format!("column {name}: its type is none of SQL"));
            }
        }
        let Some(parent) = &self.parent else { return };
        for name in parent.columns.iter().filter(|name| !self.has(name)) {
            say(format!("parent: no such column: {name}"));
        }
        if parent.columns.is_empty() || parent.columns.len() != parent.key.len() {
            say("parent: columns and key are as many".to_owned());
        }
        match earlier.iter().find(|table| table.name == parent.table) {
            None => say(format!("parent: {} does not stand above it", parent.table)),
            Some(table) => {
                for name in parent.key.iter().filter(|name| !table.has(name)) {
                    say(format!("parent: {} has no column {name}", parent.table));
                }
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(known, _)| known == name)
    }

    /// What is demanded of a column.
    pub(in crate::rehearsal) fn rule(&self, column: &str) -> Option<&ColumnRule> {
        self.rules.iter().find(|rule| rule.name == column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_has_a_parent_and_a_child_with_every_kind_of_rule() {
        let tables = Table::made_up();
        assert_eq!(tables.len(), 2);
        assert!(tables[1].parent.as_ref().is_some_and(|parent| parent.table == tables[0].name));
        assert!(tables.iter().all(|table| table.rules.iter().any(|rule| rule.required)));
        assert!(tables.iter().all(|table| table.rules.iter().any(|rule| !rule.codes.is_empty())));
    }

    #[test]
    fn every_problem_of_a_list_is_told_at_once() {
        let text = "[[table]]\nname = 'a'\nkey = ['none']\n\
             [[table.column]]\nname = 'x'\ntype = 'text; DROP'\n\
             [table.parent]\ncolumns = ['y']\ntable = 'b'\nkey = []\n";
        let problems = Table::parse(text).unwrap_err().join("\n");
        for part in ["names no column: none", "column x", "no such column: y", "as many", "b does"]
        {
            assert!(problems.contains(part), "{part} in {problems}");
        }
        assert!(Table::parse("").is_err());
    }
}
