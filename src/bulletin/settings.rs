//! What a bulletin says of its office and how it grades: `[bulletin]` of the configuration, or a
//! file of the same keys.

use std::path::PathBuf;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};

use super::schedule::{OfMonth, OfWeek, Times};
use crate::language::Language;

/// `[bulletin]`: how bulletins look, and when they are written by themselves.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The city, as titles name it; empty: the configuration's `city`.
    pub city: String,
    /// Who issues it; empty: left to be filled in.
    pub office: String,
    /// Whom it is sent to (主送); empty: left to be filled in.
    pub to: String,
    /// Whom to ask; empty: left to be filled in.
    pub contact: String,
    /// What it is about, in titles; empty: 数据共享开放.
    pub subject: String,
    /// `zh` or `en`.
    #[serde(deserialize_with = "language")]
    pub language: Language,
    /// From how many points of a hundred on which grade, the best first.
    pub grades: Vec<Grade>,
    /// Within how many working days what has no deadline of its own is to be mended.
    pub mend_within: u16,
    /// Where scheduled bulletins go: a folder for each.
    pub folder: Option<PathBuf>,
    /// The files' mode, as `chmod` takes it; folders are also searchable by whoever may read.
    #[serde(deserialize_with = "mode")]
    pub mode: u32,
    /// When the bulletin of the week before is written: `monday 09:00`.
    pub weekly: Option<OfWeek>,
    /// When the assessment of the month before is written: `day 3 09:00`.
    pub monthly: Option<OfMonth>,
    /// When the paper of the quarter before is written: `day 5 09:00` of the month after it.
    pub quarterly: Option<OfMonth>,
}

/// From how many points of a hundred on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Grade {
    /// Of a hundred.
    pub at_least: u8,
    /// What it is called.
    pub word: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            city: String::new(),
            office: String::new(),
            to: String::new(),
            contact: String::new(),
            subject: String::new(),
            language: Language::Chinese,
            grades: Vec::new(),
            mend_within: 5,
            folder: None,
            mode: 0o640,
            weekly: None,
            monthly: None,
            quarterly: None,
        }
    }
}

/// The grades where none are set: ours, no province's (好、较好、一般、较差、差).
const GRADES: [(u8, [&str; 2]); 5] = [
    (90, ["好", "good"]),
    (80, ["较好", "rather good"]),
    (70, ["一般", "fair"]),
    (60, ["较差", "rather bad"]),
    (0, ["差", "bad"]),
];

impl Settings {
    /// The most working days that may be left for mending.
    const MOST_DAYS: u16 = 60;

    /// What is wrong with it, by key: lower case and without a dot.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let falls = self.grades.is_sorted_by(|a, b| a.at_least > b.at_least);
        if !falls {
            problems.push(("grades", "the best comes first, no two begin at the same".to_owned()));
        }
        for grade in &self.grades {
            if grade.at_least > 100 || grade.word.trim().is_empty() {
                problems.push(("grades", "each has `at_least` up to 100 and a `word`".to_owned()));
            }
        }
        if self.mend_within == 0 || self.mend_within > Self::MOST_DAYS {
            problems.push(("mend_within", format!("is from 1 to {}", Self::MOST_DAYS)));
        }
        if self.times() != Times::default() && self.folder.is_none() {
            problems.push(("folder", "a schedule needs a folder".to_owned()));
        }
        if self.times() == Times::default() && self.folder.is_some() {
            problems.push(("weekly", "a folder needs a schedule".to_owned()));
        }
        problems
    }

    /// When each form is written.
    pub fn times(&self) -> Times {
        Times { weekly: self.weekly, monthly: self.monthly, quarterly: self.quarterly }
    }

    /// The grade of so many points of a hundred; of what is below the last the last.
    pub fn grade(&self, points: Decimal) -> String {
        let reached = |at_least: u8| points >= Decimal::from(at_least);
        if self.grades.is_empty() {
            let found = GRADES.iter().find(|(from, _)| reached(*from)).or(GRADES.last());
            let at = usize::from(self.language == Language::English);
            return found
                .and_then(|(_, words)| words.get(at))
                .map_or_else(String::new, |it| (*it).to_owned());
        }
        let found = self.grades.iter().find(|it| reached(it.at_least)).or(self.grades.last());
        found.map_or_else(String::new, |it| it.word.clone())
    }

    /// Whether this is the word of the worst grade.
    pub fn is_worst(&self, word: &str) -> bool {
        self.grade(Decimal::NEGATIVE_ONE) == word
    }
}

fn language<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Language, D::Error> {
    let text = String::deserialize(deserializer)?;
    Language::of(&text).ok_or_else(|| de::Error::custom("is `zh` or `en`"))
}

/// What everybody may write is not what was written.
fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    u32::from_str_radix(&text, 8)
        .ok()
        .filter(|mode| *mode & 0o400 != 0 && *mode & !0o664 == 0)
        .ok_or_else(|| de::Error::custom("is a mode such as \"0640\", writable by few"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_are_found_from_the_best_down() {
        let settings = Settings::default();
        let grades = [100, 90, 89, 60, 59, -4].map(|it| settings.grade(Decimal::from(it)));
        assert_eq!(grades, ["好", "好", "较好", "较差", "差", "差"]);
        assert!(settings.is_worst("差") && !settings.is_worst("较差"));
        let text =
            "grades = [{ at_least = 60, word = \"达标\" }, { at_least = 0, word = \"未达标\" }]";
        let settings: Settings = toml::from_str(text).unwrap();
        assert_eq!(settings.grade(Decimal::from(59)), "未达标");
        assert!(settings.problems().is_empty());
    }

    #[test]
    fn what_is_wrong_in_the_settings_is_told() {
        let text = "grades = [{ at_least = 60, word = \"\" }, { at_least = 60, word = \"b\" }]\n\
                    mend_within = 0\nmonthly = \"day 3 09:00\"\n";
        let settings: Settings = toml::from_str(text).unwrap();
        let keys: Vec<&str> = settings.problems().iter().map(|it| it.0).collect();
        assert_eq!(keys, ["grades", "grades", "mend_within", "folder"]);
        for text in [
            "language = \"de\"",
            "mode = \"0666\"",
            "mode = \"0o640\"",
            "mode = \"0040\"",
            "weekly = \"someday 09:00\"",
            "monthly = \"day 29 09:00\"",
            "colour = 1",
        ] {
            toml::from_str::<Settings>(text).unwrap_err();
        }
    }
}
