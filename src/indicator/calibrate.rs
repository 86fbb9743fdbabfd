//! Computed against published: what the province gave, item by item and month by month, and how
//! far our own reckoning was from it.
//!
//! A residual that is always the same tells how a rule of ours has to be changed; one that is not
//! tells that something is missing. Nothing is corrected by it: a score stays what the scheme says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::field::TOTAL;
use super::replay::Given;
use super::scheme::{Month, Scheme};
use super::score::Score;
use super::sheet::{Problem, Sheet};
use super::tally::{Body, Stamp};
use crate::fact::{Fact, Kind};

/// One published result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Official {
    /// The month that it is about.
    pub month: Month,
    /// `total`, a class of items, or an item.
    pub item: String,
    /// Whom: `city`, a region or a department.
    pub body: String,
    /// As published; a deduction is below 0.
    pub points: Decimal,
    /// Who published it and where.
    pub source: String,
    /// On which day.
    pub date: Date,
}

/// Reads a table of `month,item,points,source,date` and, at will, `body`. Of two rows about the same
/// the later date counts.
pub fn officials(file: &str, text: &str) -> Result<Vec<Official>, Vec<Problem>> {
    let columns = ["month", "item", "body", "points", "source", "date"];
    Sheet::read(file, text, &columns, &["body"]).map(|row, problem| {
        for column in ["item", "source"] {
            if row.get(column).is_empty() {
                problem(column, "is empty".to_owned());
            }
        }
        let month = Month::parse(row.get("month"));
        if month.is_none() {
            problem("month", format!("`{}` is no month (`2022-03`)", row.get("month")));
        }
        let points = Decimal::from_str_exact(row.get("points")).ok();
        if points.is_none() {
            problem("points", format!("`{}` is no decimal number", row.get("points")));
        }
        let date = row.get("date").parse::<Date>().ok();
        if date.is_none() {
            problem("date", format!("`{}` is no date (`2022-04-08`)", row.get("date")));
        }
        let body = if row.get("body").is_empty() { "city" } else { row.get("body") };
        Some(Official {
            month: month?,
            item: row.get("item").to_owned(),
            body: body.to_owned(),
            points: points?,
            source: row.get("source").to_owned(),
            date: date?,
        })
    })
}

/// Before an item's name in the stated fact that holds a published result. Such facts are no
/// values of a score: a tally passes them over.
pub const STATED: &str = "result:";

/// How a published result is named among stated facts.
pub fn stated_name(row: &Official) -> String {
    format!("{STATED}{}", row.item)
}

/// The published results among facts, in the order in which they were published, so that of two
/// about the same the later counts. Facts that others set right are for the caller to leave out.
pub fn stated_results<'f>(facts: impl IntoIterator<Item = &'f Fact>) -> Vec<Official> {
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    let mut found: Vec<(Stamp, Official)> = Vec::new();
    for fact in facts {
        let Kind::Stated { name, month, value, source } = &fact.kind else { continue };
        let (Some(item), Some(month)) = (name.strip_prefix(STATED), Month::parse(month)) else {
            continue;
        };
        let official = Official {
            month,
            item: item.to_owned(),
            body: fact.subject.clone(),
            points: *value,
            source: source.clone(),
            date: zone.to_datetime(fact.occurred).date(),
        };
        found.push(((fact.occurred, fact.recorded, fact.id.clone()), official));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.into_iter().map(|(_, official)| official).collect()
}

/// The months of which results of a body are known, until `until`, the latest [`MOST_MONTHS`].
pub fn months(officials: &[Official], body: &Body, until: Month) -> BTreeSet<Month> {
    let of_body = officials.iter().filter(|row| row.body == body.id() && row.month <= until);
    let mut months: BTreeSet<Month> = of_body.map(|row| row.month).collect();
    while months.len() > MOST_MONTHS {
        months.pop_first();
    }
    months
}

/// The most months that are compared at once: five years.
pub const MOST_MONTHS: usize = 60;

/// One month of one item.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Compared {
    /// Which month.
    pub month: Month,
    /// What we computed; absent where it could not be.
    pub computed: Option<Decimal>,
    /// What the province published.
    pub published: Decimal,
    /// Published less computed.
    pub residual: Option<Decimal>,
    /// Who published it and where.
    pub source: String,
}

/// What the residuals of an item tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Fewer than [`FEWEST`] months can be compared.
    TooFew,
    /// Computed and published are the same, within [`SAME`].
    Agrees,
    /// Always the same difference: the rule is known but for a constant.
    Stable(Decimal),
    /// Always the same share of what was computed: a weight is wrong.
    Scaled(Decimal),
    /// The difference moves: something of the rule is not known.
    Moves,
}

impl Verdict {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooFew => "too-few",
            Self::Agrees => "agrees",
            Self::Stable(_) => "stable",
            Self::Scaled(_) => "scaled",
            Self::Moves => "moves",
        }
    }
}

/// The fewest months that tell anything.
pub const FEWEST: usize = 3;
/// Points that are taken for the same: the province rounds to two digits.
pub const SAME: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// An item against what was published of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Calibrated {
    /// `total`, a class or an item.
    pub item: String,
    /// Month by month.
    pub months: Vec<Compared>,
    /// What they tell.
    pub verdict: Verdict,
}

/// Published against computed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Calibration {
    /// The total first, then classes and items in the scheme's order.
    pub items: Vec<Calibrated>,
    /// Rows that no item of the scheme answers to, or whose month another scheme holds.
    pub unplaced: Vec<(Month, String)>,
    /// Items that mark this body and of which nothing was published.
    pub unpublished: Vec<String>,
}

/// Compares every month until `until` of which results are known.
pub fn calibrate(
    given: Given<'_>,
    scheme: &Scheme,
    officials: &[Official],
    body: &Body,
    until: Month,
) -> Calibration {
    let months = months(officials, body, until);
    let held = months.into_iter().filter(|month| scheme.period.holds_in(*month));
    let score = |month| (month, given.score(scheme, month, body, Timestamp::MAX));
    compare(scheme, officials, body, until, &held.map(score).collect())
}

/// Compares results with the scores of their months; one of a month without a score is left over.
pub fn compare(
    scheme: &Scheme,
    officials: &[Official],
    body: &Body,
    until: Month,
    scores: &BTreeMap<Month, Score>,
) -> Calibration {
    let mut latest: BTreeMap<(&str, Month), &Official> = BTreeMap::new();
    let ours = officials.iter().filter(|row| row.body == body.id() && row.month <= until);
    for row in ours {
        let known = latest.entry((row.item.as_str(), row.month)).or_insert(row);
        if known.date <= row.date {
            *known = row;
        }
    }
    let classes = scheme.classes.iter().map(|it| it.id.as_str());
    let items = scheme.items.iter().map(|it| it.id.as_str());
    let known: Vec<&str> = [TOTAL].into_iter().chain(classes).chain(items.clone()).collect();
    let mut calibration = Calibration::default();
    for item in &known {
        let rows =
            latest.iter().filter(|((of, month), _)| of == item && scores.contains_key(month));
        let months: Vec<Compared> = rows
            .filter_map(|((_, month), row)| Some(compared(scores.get(month)?, item, row)))
            .collect();
        if !months.is_empty() {
            let verdict = verdict(&months);
            calibration.items.push(Calibrated { item: (*item).to_owned(), months, verdict });
        }
    }
    for (item, month) in latest.keys() {
        if !known.contains(item) || !scores.contains_key(month) {
            calibration.unplaced.push((*month, (*item).to_owned()));
        }
    }
    let marks: Vec<&str> = scores
        .values()
        .next_back()
        .map(|score| score.items.iter().map(|item| item.id.as_str()).collect())
        .unwrap_or_default();
    let published = |item: &&str| latest.keys().any(|(of, _)| of == item);
    let silent = marks.into_iter().filter(|item| !published(item));
    calibration.unpublished = silent.map(ToOwned::to_owned).collect();
    calibration
}

fn compared(score: &Score, item: &str, row: &Official) -> Compared {
    let of_item = || score.items.iter().find(|it| it.id == item)?.points;
    let computed = if item == TOTAL {
        Some(score.total)
    } else {
        score.class(item).map(|class| class.points).or_else(of_item)
    };
    Compared {
        month: row.month,
        computed,
        published: row.points.normalize(),
        residual: computed.map(|computed| (row.points - computed).normalize()),
        source: row.source.clone(),
    }
}

fn verdict(months: &[Compared]) -> Verdict {
    let residuals: Vec<Decimal> = months.iter().filter_map(|it| it.residual).collect();
    let (Some(least), Some(most)) = (residuals.iter().min(), residuals.iter().max()) else {
        return Verdict::TooFew;
    };
    if residuals.len() < FEWEST {
        return Verdict::TooFew;
    }
    if least.abs() <= SAME && most.abs() <= SAME {
        return Verdict::Agrees;
    }
    if *most - *least <= SAME {
        let sum: Decimal = residuals.iter().sum();
        let mean = sum.checked_div(Decimal::from(residuals.len())).unwrap_or_default();
        return Verdict::Stable(mean.round_dp(4).normalize());
    }
    scaled(months).map_or(Verdict::Moves, Verdict::Scaled)
}

/// What every computed value has to be multiplied with, where one number does for all months.
fn scaled(months: &[Compared]) -> Option<Decimal> {
    let pairs = || months.iter().filter_map(|it| Some((it.computed?, it.published)));
    let (computed, published) = pairs().max_by_key(|(computed, _)| computed.abs())?;
    let share = published.checked_div(computed)?.round_dp(4).normalize();
    pairs()
        .all(|(computed, published)| (computed * share - published).abs() <= SAME)
        .then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicator::field::Field;
    use crate::indicator::lists::Lists;
    use crate::indicator::{history, stated};

    const OFFICIAL: &str = "\
month,item,points,source,date
2022-01,total,90,省通报,2022-02-10
2022-02,total,87.4,省通报,2022-03-10
2022-03,total,88,省通报,2022-04-10
2022-04,total,80,误,2022-05-09
2022-04,total,88.2,省通报,2022-05-10
2022-02,guides,-2.6,省通报,2022-03-10
2022-02,nothing,1,省通报,2022-03-10
2021-12,total,1,省通报,2022-01-10
";

    fn month(text: &str) -> Month {
        Month::parse(text).unwrap()
    }

    /// The example's months against what is said to be published of them.
    fn calibrated(officials_text: &str) -> Calibration {
        let scheme = include_str!("../../config/schemes/model-2022.toml");
        let scheme = Scheme::parse("model-2022.toml", scheme).unwrap();
        let facts = |name, text| history::parse(name, text, name).unwrap();
        let mut all =
            facts("p.csv", include_str!("../../config/schemes/example-2022/province.csv"));
        all.extend(facts("t.csv", include_str!("../../config/schemes/example-2022/then.csv")));
        for (name, text) in [
            ("o.csv", include_str!("../../config/schemes/example-2022/outside.csv")),
            ("q.csv", include_str!("../../config/schemes/example-2022/published.csv")),
        ] {
            let rows = stated::parse(name, text).unwrap();
            all.extend(stated::facts(&rows, name, &scheme.period.zone));
        }
        let (lists, field) = (Lists::default(), Field::default());
        let given = Given { facts: &all, lists: &lists, field: &field };
        let officials = officials("results.csv", officials_text).unwrap();
        calibrate(given, &scheme, &officials, &Body::City, month("2022-04"))
    }

    #[test]
    fn a_month_as_published_leaves_nothing_and_a_constant_is_said() {
        let found = calibrated(OFFICIAL);
        let total = &found.items[0];
        assert_eq!((total.item.as_str(), total.months.len()), ("total", 4));
        assert_eq!(total.verdict, Verdict::Agrees, "{total:?}");
        assert_eq!(total.months[3].published, Decimal::new(882, 1), "the later row counts");
        let guides = found.items.iter().find(|it| it.item == "guides").unwrap();
        assert_eq!(
            (guides.verdict, guides.months[0].residual),
            (Verdict::TooFew, Some(Decimal::ZERO))
        );
        assert_eq!(
            found.unplaced,
            [(month("2022-02"), "nothing".to_owned()), (month("2021-12"), "total".to_owned())]
        );
        assert!(!found.unpublished.is_empty() && !found.unpublished.contains(&"guides".to_owned()));
        // Every month half a point more than ours: a constant that the scheme does not know.
        let more = OFFICIAL.replace(",90,", ",90.5,").replace(",87.4,", ",87.9,");
        let more = more.replace(",88,", ",88.5,").replace(",88.2,", ",88.7,");
        assert_eq!(calibrated(&more).items[0].verdict, Verdict::Stable(Decimal::new(5, 1)));
        // Each nine tenths of ours: a weight.
        let less = OFFICIAL.replace(",90,", ",81,").replace(",87.4,", ",78.66,");
        let less = less.replace(",88,", ",79.2,").replace(",88.2,", ",79.38,");
        assert_eq!(calibrated(&less).items[0].verdict, Verdict::Scaled(Decimal::new(9, 1)));
        let moved = OFFICIAL.replace(",88,", ",80,");
        let moved = calibrated(&moved);
        assert_eq!(moved.items[0].verdict, Verdict::Moves);
        assert_eq!(moved.items[0].months[2].residual, Some(Decimal::from(-8)));
    }

    #[test]
    fn results_without_month_points_source_or_day_are_refused() {
        let problems = officials("r.csv", "month,item,points,source,date\n2022-13,,1e3,,x\n");
        let told: Vec<String> =
            problems.unwrap_err().iter().map(|it| format!("{} {}", it.column, it.what)).collect();
        assert_eq!(
            told,
            [
                "item is empty",
                "source is empty",
                "month `2022-13` is no month (`2022-03`)",
                "points `1e3` is no decimal number",
                "date `x` is no date (`2022-04-08`)",
            ]
        );
    }
}
