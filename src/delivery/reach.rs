//! How far a standard reaches on a channel: everything, or the objects and rows of one department,
//! region, dataset or kind that go over before the rest.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;

/// The word for rows among kinds of objects.
const ROWS: &str = "rows";
/// What a scope may name.
const WORDS: [&str; 4] = ["kind", "region", "department", "dataset"];

/// What of a subject decides which standard speaks for it.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    kind: &'a str,
    region: &'a str,
    department: &'a str,
    dataset: Option<&'a str>,
}

impl<'a> Whose<'a> {
    /// An object of the catalogue.
    pub fn object(kind: Kind, region: &'a str, department: &'a str) -> Self {
        Self { kind: kind.as_str(), region, department, dataset: None }
    }

    /// The rows of a dataset.
    pub fn rows(dataset: &'a str, region: &'a str, department: &'a str) -> Self {
        Self { kind: ROWS, region, department, dataset: Some(dataset) }
    }
}

/// One scope: what answers to everything that it names.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reach {
    kind: Option<String>,
    region: Option<String>,
    department: Option<String>,
    dataset: Option<String>,
}

/// A scope that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{part}` is no scope: {why}")]
pub struct NoReach {
    part: String,
    why: String,
}

impl Reach {
    /// Reads `department=X`, or several parts separated by commas, all of which must hold. What
    /// [`fmt::Display`] writes is read as the same.
    ///
    /// # Errors
    /// An unknown word, one that comes twice or without a value, or no such kind.
    pub fn parse(text: &str) -> Result<Self, NoReach> {
        let mut reach = Self::default();
        for part in text.split(',').map(str::trim) {
            let wrong = |why: String| NoReach { part: part.to_owned(), why };
            let (word, value) = part
                .split_once('=')
                .map(|(word, value)| (word.trim(), value.trim()))
                .filter(|(_, value)| !value.is_empty())
                .ok_or_else(|| wrong(format!("one of {} and a value", WORDS.join("=, "))))?;
            let place = match word {
                "kind" => &mut reach.kind,
                "region" => &mut reach.region,
                "department" => &mut reach.department,
                "dataset" => &mut reach.dataset,
                _ => return Err(wrong(format!("there are {}", WORDS.join(", ")))),
            };
            if place.is_some() {
                return Err(wrong(format!("`{word}` comes twice; give `--scope` twice for both")));
            }
            if word == "kind" && value != ROWS && Kind::parse(value).is_none() {
                let kinds: Vec<&str> =
                    Kind::ALL.iter().map(|kind| kind.as_str()).chain([ROWS]).collect();
                return Err(wrong(format!("the kinds are {}", kinds.join(", "))));
            }
            *place = Some(value.to_owned());
        }
        Ok(reach)
    }

    /// The same with another name for its department, where it names one.
    #[must_use]
    pub fn of_department(mut self, other: impl FnOnce(&str) -> Option<String>) -> Self {
        if let Some(renamed) = self.department.as_deref().and_then(other) {
            self.department = Some(renamed);
        }
        self
    }

    /// Whether a subject is in it.
    pub fn covers(&self, it: &Whose<'_>) -> bool {
        let fits = |asked: &Option<String>, is: &str| asked.as_deref().is_none_or(|it| it == is);
        fits(&self.kind, it.kind)
            && fits(&self.region, it.region)
            && fits(&self.department, it.department)
            && self.dataset.as_deref().is_none_or(|asked| it.dataset == Some(asked))
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = [&self.kind, &self.region, &self.department, &self.dataset];
        let parts =
            WORDS.iter().zip(values).filter_map(|(word, value)| Some((word, value.as_ref()?)));
        for (at, (word, value)) in parts.enumerate() {
            write!(formatter, "{}{word}={value}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Reach {
    type Error = NoReach;

    fn try_from(text: String) -> Result<Self, NoReach> {
        Self::parse(&text)
    }
}

impl From<Reach> for String {
    fn from(reach: Reach) -> Self {
        reach.to_string()
    }
}

/// Several scopes: what is in any of them. None: nothing is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reaches(Vec<Reach>);

impl Reaches {
    /// These, each once and in one order.
    pub fn of(scopes: impl IntoIterator<Item = Reach>) -> Self {
        let mut list: Vec<Reach> = scopes.into_iter().collect();
        list.sort();
        list.dedup();
        Self(list)
    }

    /// Whether a subject is in one of them.
    pub fn covers(&self, it: &Whose<'_>) -> bool {
        self.0.iter().any(|scope| scope.covers(it))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Reach> {
        self.0.iter()
    }

    /// Whether this very scope is among them.
    pub fn contains(&self, scope: &Reach) -> bool {
        self.0.contains(scope)
    }

    /// These and others.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self::of(self.iter().chain(others.iter()).cloned())
    }

    /// These without others.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self::of(self.iter().filter(|it| !others.contains(it)).cloned())
    }
}

impl fmt::Display for Reaches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.iter().map(ToString::to_string).collect();
        formatter.write_str(&texts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> Whose<'static> {
        Whose::object(Kind::Entry, "515100", "市住建局")
    }

    #[test]
    fn every_part_of_a_scope_must_hold_and_any_of_several_scopes() {
        let reach = |text: &str| Reach::parse(text).unwrap();
        assert!(reach("department=市住建局").covers(&entry()));
        assert!(reach("kind=entry, region=515100").covers(&entry()));
        assert!(!reach("kind=entry,department=市民政局").covers(&entry()));
        assert!(!reach("dataset=5151-0401").covers(&entry()), "rows alone have a dataset");
        let rows = Whose::rows("5151-0401", "515100", "市住建局");
        assert!(reach("dataset=5151-0401").covers(&rows) && reach("kind=rows").covers(&rows));
        assert!(reach("department=市住建局").covers(&rows) && !reach("kind=entry").covers(&rows));
        let both = Reaches::of([reach("kind=resource"), reach("dataset=5151-0401")]);
        assert!(both.covers(&rows) && !both.covers(&entry()));
        assert!(!Reaches::default().covers(&rows));
        let one = both.without(&Reaches::of([reach("kind=resource")]));
        assert_eq!(one.to_string(), "dataset=5151-0401");
        assert_eq!(one.with(&both), both);
    }

    #[test]
    fn what_is_no_scope_says_what_would_be() {
        for (text, why) in [
            ("", "kind=, region="),
            ("department", "kind=, region="),
            ("department=", "kind=, region="),
            ("office=x", "there are kind, region, department, dataset"),
            ("kind=person", "the kinds are "),
            ("region=1,region=2", "comes twice"),
        ] {
            let told = Reach::parse(text).unwrap_err().to_string();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    proptest! {
        #[test]
        fn a_scope_is_read_as_it_is_written(
            region in "[0-9]{6}",
            department in "[一-龥a-z=]{1,8}",
            dataset in proptest::option::of("[0-9-]{1,9}"),
        ) {
            let mut text = format!("region={region},department={department}");
            if let Some(dataset) = dataset {
                text.push_str(&format!(",dataset={dataset}"));
            }
            let reach = Reach::parse(&text).unwrap();
            prop_assert_eq!(&reach.to_string(), &text);
            let json = serde_json::to_string(&reach).unwrap();
            prop_assert_eq!(serde_json::from_str::<Reach>(&json).unwrap(), reach);
        }
    }
}
