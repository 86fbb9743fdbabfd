//! The worked example: January to April 2022, as it was told and as it would have been.
//!
//! A speech told what a city lost and how it fell in rank. The events stand in
//! `config/schemes/example-2022/` as tables whose every row says whether the speech told it or
//! whether it is modelled. Both replays go through the same tally and the same score as any other
//! month; nothing here knows a result.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::field::{Field, Standing, TOTAL};
use super::lists::Lists;
use super::replay::Given;
use super::scheme::{Month, Scheme};
use super::score::Score;
use super::tally::Body;
use super::{history, lists, sheet, stated};
use crate::fact::Fact;

/// The files of the example.
const SCHEME: &str = include_str!("../../config/schemes/model-2022.toml");
const PROVINCE: &str = include_str!("../../config/schemes/example-2022/province.csv");
const THEN: &str = include_str!("../../config/schemes/example-2022/then.csv");
const WITH_DAEMON: &str = include_str!("../../config/schemes/example-2022/with-daemon.csv");
const PUBLISHED: &str = include_str!("../../config/schemes/example-2022/published.csv");
const OUTSIDE: &str = include_str!("../../config/schemes/example-2022/outside.csv");
const CITIES: &str = include_str!("../../config/schemes/example-2022/cities.csv");
const KEPT: &str = include_str!("../../config/schemes/example-2022/kept.csv");

/// The class whose rank the speech tells as that of the indicator 数据开放共享.
const INDICATOR: &str = "sharing";

/// The months, each with what of it the speech tells; the rest is modelled.
const MONTHS: [(&str, &[&str]); 4] = [
    ("2022-01", &["overall_rank", "indicator_rank"]),
    ("2022-02", &["lost", "overall_rank"]),
    ("2022-03", &["lost", "indicator_rank"]),
    ("2022-04", &["lost", "indicator_rank"]),
];

/// One month of a replay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MonthTold {
    /// Its score.
    pub score: Score,
    /// What its deductions took: below 0 or 0.
    pub lost: Decimal,
    /// Where the total stands among all cities.
    pub overall: Standing,
    /// Where the class of data opening and sharing stands.
    pub indicator: Standing,
    /// Which of `lost`, `overall_rank` and `indicator_rank` the speech tells of this month.
    pub told: &'static [&'static str],
}

/// Both replays.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Example {
    /// The scheme's id.
    pub scheme: String,
    /// As it was told.
    pub then: Vec<MonthTold>,
    /// The same months with the daemon.
    pub with_daemon: Vec<MonthTold>,
}

/// Why the example could not be computed: its files are part of the program, so a test sees it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the worked example is broken: {0}")]
pub struct Broken(String);

impl From<Vec<sheet::Problem>> for Broken {
    fn from(problems: Vec<sheet::Problem>) -> Self {
        Self(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

/// Computes both replays.
pub fn example() -> Result<Example, Broken> {
    let scheme = Scheme::parse("model-2022.toml", SCHEME).map_err(|problems| {
        Broken(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let field = Field::parse("cities.csv", CITIES)?;
    let lists = Lists { cases: lists::kept("kept.csv", KEPT)?, ..Lists::default() };
    let province = history::parse("province.csv", PROVINCE, "province")?;
    let outside = stated::parse("outside.csv", OUTSIDE)?;
    let published = stated::parse("published.csv", PUBLISHED)?;
    let zone = &scheme.period.zone;
    let common: Vec<Fact> =
        province.into_iter().chain(stated::facts(&outside, "outside", zone)).collect();
    let replay = |file: &str, text: &str, more: Vec<Fact>| {
        let city = history::parse(file, text, "city")?;
        let facts: Vec<Fact> = common.iter().cloned().chain(city).chain(more).collect();
        months(&scheme, &facts, &lists, &field)
    };
    let losses = stated::facts(&published, "published", zone);
    Ok(Example {
        scheme: scheme.id.clone(),
        then: replay("then.csv", THEN, losses)?,
        with_daemon: replay("with-daemon.csv", WITH_DAEMON, Vec::new())?,
    })
}

fn months(
    scheme: &Scheme,
    facts: &[Fact],
    lists: &Lists,
    field: &Field,
) -> Result<Vec<MonthTold>, Broken> {
    let of = |(text, told): (&str, &'static [&'static str])| {
        let month = Month::parse(text).ok_or_else(|| Broken(format!("{text} is no month")))?;
        let given = Given { facts, lists, field };
        let score = given.score(scheme, month, &Body::City, Timestamp::MAX);
        let class = score.class(INDICATOR).map(|class| class.points).unwrap_or_default();
        let standing = |what, ours| {
            let standing = field.standing(month, what, ours);
            standing.ok_or_else(|| Broken(format!("no city has a score `{what}` in {month}")))
        };
        Ok(MonthTold {
            overall: standing(TOTAL, score.total)?,
            indicator: standing(INDICATOR, class)?,
            lost: score.deducted(),
            score,
            told,
        })
    };
    MONTHS.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(month: &MonthTold) -> (String, String, usize, usize) {
        let lost = month.lost.to_string();
        (month.score.month.to_string(), lost, month.overall.rank, month.indicator.rank)
    }

    #[test]
    fn the_months_come_out_as_the_speech_told_them() {
        let example = example().unwrap();
        let rows: Vec<_> = example.then.iter().map(row).collect();
        let expect = |month: &str, lost: &str, overall, indicator| {
            (month.to_owned(), lost.to_owned(), overall, indicator)
        };
        assert_eq!(rows[0], expect("2022-01", "0", 1, 1));
        assert_eq!(rows[1], expect("2022-02", "-2.6", 15, 1));
        // Of March and April the speech tells no overall rank: here it is the model's.
        assert_eq!((rows[2].1.as_str(), rows[2].3), ("-2", 21));
        assert_eq!((rows[3].1.as_str(), rows[3].3), ("-1.8", 21));
        let february = &example.then[1];
        let others = Field::parse("cities.csv", CITIES).unwrap();
        let best = others.of(february.score.month, TOTAL).into_iter().max().unwrap();
        assert_eq!((best - february.score.total).to_string(), "2.19");
        let repaired = february.score.repaired("guides").unwrap();
        assert_eq!((repaired - best).to_string(), "0.41", "without the 2.6 it would be first");
    }

    #[test]
    fn with_the_daemon_nothing_is_lost_and_no_rank_falls() {
        let example = example().unwrap();
        for month in &example.with_daemon {
            assert_eq!(row(month).1, "0", "{}", month.score.month);
            assert_eq!((month.overall.rank, month.indicator.rank), (1, 1));
        }
        // The switch took an afternoon, and it is to be seen.
        let march = &example.with_daemon[2].score;
        let cascade = march.items.iter().find(|item| item.id == "sharing.cascade").unwrap();
        let (_, lapsed) =
            cascade.used.iter().find(|(name, _)| name == "cascade.lapsed_hours").unwrap();
        assert_eq!(lapsed.value, Some(Decimal::from(3)));
        assert_eq!(lapsed.findings.len(), 1);
    }

    #[test]
    fn another_number_of_guides_is_another_loss() {
        // The result is computed: two guides mended in time leave eleven.
        let then = THEN.replace("2022-03-03T16:00,case-closed", "2022-02-25T17:59,case-closed");
        let count = then.matches("2022-02-25T17:59").count();
        let scheme = Scheme::parse("model-2022.toml", SCHEME).unwrap();
        let mut facts = history::parse("province.csv", PROVINCE, "province").unwrap();
        facts.extend(history::parse("then.csv", &then, "city").unwrap());
        let month = Month::parse("2022-02").unwrap();
        let (lists, field) = (Lists::default(), Field::default());
        let given = Given { facts: &facts, lists: &lists, field: &field };
        let score = given.score(&scheme, month, &Body::City, Timestamp::MAX);
        let guides = score.items.iter().find(|item| item.id == "guides").unwrap();
        let left = Decimal::from(13 - count);
        assert!(count > 0);
        assert_eq!(guides.points, Some(-(left * Decimal::new(2, 1)).normalize()));
    }
}
