//! Watching a dataset as a whole: warnings about what no single row can show, never rejections.
//!
//! A whole reading counts its rows, and how often the most frequent value of a watched column
//! stands in them. Values are kept as keyed digests in a sketch of bounded size (Misra and Gries),
//! which undercounts by at most one in [`Sketch::COUNTERS`] of the rows: a share is never told too
//! high, so a warning is never false.

use std::collections::HashMap;

use serde::Deserialize;

use super::settings::Problem;
use crate::row::{Cell, Column, KeyDigest, Keyer, Row};

/// `[dataset.watch]`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct WatchSettings {
    /// Warn when a whole reading has over so many hundredths more rows than the one before.
    pub rise_percent: Option<u16>,
    /// Warn when it has over so many hundredths fewer.
    pub fall_percent: Option<u8>,
    /// Columns in which no value should be too frequent.
    pub values: Vec<ValueSettings>,
}

/// One of `values`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ValueSettings {
    /// The column.
    pub column: String,
    /// Warn when one value stands in over so many hundredths of the rows.
    pub percent: u8,
}

/// The most columns that are watched: each keeps a sketch while a reading goes on.
const MOST_COLUMNS: usize = 16;

/// What is watched of a dataset, its settings found right.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    rise: Option<u16>,
    fall: Option<u8>,
    values: Vec<Watched>,
}

#[derive(Clone, Debug)]
struct Watched {
    column: usize,
    name: String,
    percent: u8,
}

/// Something unusual about a dataset as a whole. No content: column names and counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Warning {
    /// Far more rows than at the reading before.
    Rose {
        /// Then.
        before: u64,
        /// Now.
        now: u64,
    },
    /// Far fewer.
    Fell {
        /// Then.
        before: u64,
        /// Now.
        now: u64,
    },
    /// One value fills a column.
    OneValue {
        /// The column's name.
        column: String,
        /// Rows that hold it, at least.
        rows: u64,
        /// Rows read.
        of: u64,
    },
}

impl Watch {
    /// Checks settings against the dataset's columns. `reads_whole`: something reads the whole
    /// dataset from time to time. Places are relative to the dataset.
    ///
    /// # Errors
    /// Every problem.
    pub fn compile(
        settings: &WatchSettings,
        columns: &[Column],
        reads_whole: bool,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut wrong = |key: &str, message: String| {
            let place = format!("watch{key}");
            problems.push(Problem { place, message, suggestion: None });
        };
        if *settings != WatchSettings::default() && !reads_whole {
            let message = "nothing reads the whole dataset: set `compare_deletions`";
            wrong("", message.to_owned());
        }
        if settings.fall_percent.is_some_and(|percent| percent > 100) {
            wrong(".fall_percent", "at most 100".to_owned());
        }
        if settings.values.len() > MOST_COLUMNS {
            wrong(".values", format!("at most {MOST_COLUMNS} columns"));
        }
        let mut values = Vec::new();
        for it in &settings.values {
            if !(1..=99).contains(&it.percent) {
                wrong(".values.percent", "from 1 to 99".to_owned());
            }
            match columns.iter().position(|column| column.name == it.column) {
                Some(column) => {
                    values.push(Watched { column, name: it.column.clone(), percent: it.percent });
                }
                None => wrong(".values.column", format!("no column `{}`", it.column)),
            }
        }
        if problems.is_empty() {
            Ok(Self { rise: settings.rise_percent, fall: settings.fall_percent, values })
        } else {
            Err(problems)
        }
    }

    /// Whether the number of rows jumped or fell from one whole reading to the next. From and to
    /// nothing at all is a jump or a fall too.
    pub fn counted(&self, before: u64, now: u64) -> Option<Warning> {
        let (then, new) = (u128::from(before), u128::from(now));
        let rose = |percent: u16| new * 100 > then * (100 + u128::from(percent));
        let fell = |percent: u8| new * 100 < then * u128::from(100_u8.saturating_sub(percent));
        if self.rise.is_some_and(rose) {
            Some(Warning::Rose { before, now })
        } else if self.fall.is_some_and(fell) {
            Some(Warning::Fell { before, now })
        } else {
            None
        }
    }

    /// Starts counting the values of a whole reading.
    pub fn begin(&self, keyer: Keyer) -> Watching {
        let values = self.values.iter().map(|it| (it.clone(), Sketch::default())).collect();
        Watching { keyer, rows: 0, values }
    }
}

/// The values of one whole reading, as far as they are watched.
#[derive(Debug)]
pub struct Watching {
    keyer: Keyer,
    rows: u64,
    values: Vec<(Watched, Sketch)>,
}

impl Watching {
    /// A row was read. A null and an empty text are no value.
    pub fn met(&mut self, row: Row<'_>) {
        self.rows += 1;
        for (watched, sketch) in &mut self.values {
            match row.cell(watched.column) {
                Cell::Null | Cell::Text("") => {}
                Cell::Text(text) | Cell::Malformed(text) => sketch.add(self.keyer.key(text)),
            }
        }
    }

    /// What is unusual about them, at the end.
    pub fn into_warnings(self) -> Vec<Warning> {
        let of = self.rows;
        let values = self.values.into_iter();
        values
            .filter_map(|(watched, sketch)| {
                let rows = sketch.most();
                let limit = u128::from(of) * u128::from(watched.percent);
                (u128::from(rows) * 100 > limit).then_some(Warning::OneValue {
                    column: watched.name,
                    rows,
                    of,
                })
            })
            .collect()
    }
}

/// The frequent ones among any number of values, in bounded memory.
#[derive(Debug, Default)]
struct Sketch(HashMap<KeyDigest, u64>);

impl Sketch {
    /// Values counted at once, about 40 KiB.
    const COUNTERS: usize = 1_000;

    fn add(&mut self, value: KeyDigest) {
        if let Some(count) = self.0.get_mut(&value) {
            *count += 1;
        } else if self.0.len() < Self::COUNTERS {
            self.0.insert(value, 1);
        } else {
            // The new value and one of each counted cancel one another. Each costs an earlier
            // addition, so this is paid for.
            self.0.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// At least so often the most frequent value came.
    fn most(&self) -> u64 {
        self.0.values().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::{ColumnType, Page};

    fn watch(toml: &str) -> Result<Watch, Vec<Problem>> {
        let columns =
            ["id", "town"].map(|name| Column { name: name.to_owned(), kind: ColumnType::Text });
        Watch::compile(&toml::from_str(toml).unwrap(), &columns, true)
    }

    fn read<'v>(watch: &Watch, values: impl IntoIterator<Item = Option<&'v str>>) -> Vec<Warning> {
        let mut reading = watch.begin(Keyer::new(b"secret"));
        let mut page = Page::new(2);
        for (at, value) in values.into_iter().enumerate() {
            page.push(&at.to_string());
            match value {
                Some(text) => page.push(text),
                None => page.push_null(),
            }
            page.end_row().unwrap();
        }
        page.rows().for_each(|row| reading.met(row));
        reading.into_warnings()
    }

    #[test]
    fn a_count_that_jumps_or_falls_by_more_than_was_set_warns() {
        let watch = watch("rise_percent = 50\nfall_percent = 20").unwrap();
        for (before, now, kind) in [
            (100, 150, ""),
            (100, 151, "rose"),
            (100, 80, ""),
            (100, 79, "fell"),
            (100, 0, "fell"),
            (0, 1, "rose"),
            (0, 0, ""),
            (u64::MAX, u64::MAX, ""),
        ] {
            let found = match watch.counted(before, now) {
                None => "",
                Some(Warning::Rose { .. }) => "rose",
                Some(Warning::Fell { .. }) => "fell",
                Some(Warning::OneValue { .. }) => "value",
            };
            assert_eq!(found, kind, "{before} to {now}");
        }
        assert_eq!(Watch::default().counted(100, 0), None, "nothing is watched by itself");
    }

    #[test]
    fn one_value_that_fills_a_column_warns_and_nulls_are_no_value() {
        let watch = watch("values = [{ column = \"town\", percent = 60 }]").unwrap();
        let filled = |ones: usize, others: usize| {
            let others: Vec<String> = (0..others).map(|at| format!("other {at}")).collect();
            let values = std::iter::repeat_n(Some("one"), ones)
                .chain(others.iter().map(|it| Some(it.as_str())));
            read(&watch, values.collect::<Vec<_>>())
        };
        assert_eq!(filled(60, 40), []);
        let column = "town".to_owned();
        assert_eq!(filled(61, 39), [Warning::OneValue { column, rows: 61, of: 100 }]);
        assert_eq!(read(&watch, std::iter::repeat_n(None, 100)), []);
        assert_eq!(read(&watch, std::iter::repeat_n(Some(""), 100)), []);
        assert_eq!(read(&watch, []), []);
    }

    #[test]
    fn settings_that_cannot_be_are_told_with_their_place() {
        let broken = "fall_percent = 101\nvalues = [{ column = \"towm\", percent = 100 }]";
        let places: Vec<String> =
            watch(broken).unwrap_err().into_iter().map(|it| it.place).collect();
        assert_eq!(places, ["watch.fall_percent", "watch.values.percent", "watch.values.column"]);
        let settings = WatchSettings { rise_percent: Some(1), ..WatchSettings::default() };
        assert_eq!(Watch::compile(&settings, &[], false).unwrap_err()[0].place, "watch");
    }

    proptest! {
        #[test]
        fn a_share_is_never_told_too_high_and_hardly_too_low(
            frequent in 0_usize..3_000, distinct in 0_usize..3_000, every in 1_usize..7,
        ) {
            let keyer = Keyer::new(b"secret");
            let mut sketch = Sketch::default();
            let mut left = frequent;
            for at in 0..distinct {
                sketch.add(keyer.key(&at.to_string()));
                if at % every == 0 && left > 0 {
                    sketch.add(keyer.key("frequent"));
                    left -= 1;
                }
            }
            (0..left).for_each(|_| sketch.add(keyer.key("frequent")));
            prop_assert!(sketch.0.len() <= Sketch::COUNTERS);
            let truth = u64::try_from(frequent.max(usize::from(distinct > 0))).unwrap();
            let error = u64::try_from((frequent + distinct) / (Sketch::COUNTERS + 1)).unwrap();
            prop_assert!(sketch.most() <= truth);
            prop_assert!(sketch.most() + error >= truth);
        }
    }
}
