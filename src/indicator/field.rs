//! The other cities' published scores, and where ours stands among them.

use rust_decimal::Decimal;

use super::scheme::Month;
use super::sheet::{Problem, Sheet};

/// What one city was given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// The first month that the row is about.
    pub from: Month,
    /// The last one.
    pub to: Month,
    /// `total`, a class of items, or an item's judged figure.
    pub what: String,
    /// Whose.
    pub city: String,
    /// How much.
    pub points: Decimal,
    /// Who published it and where.
    pub source: String,
}

/// The other cities.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Field {
    rows: Vec<Published>,
}

/// What a total is called in the table.
pub const TOTAL: &str = "total";

/// Where one stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// 1 is the best; equal points share a rank.
    pub rank: usize,
    /// How many cities are ranked, ours among them.
    pub cities: usize,
    /// Points to the next better city; absent for the first.
    pub up: Option<Decimal>,
    /// Points to the next city that is not better; absent for the last.
    pub down: Option<Decimal>,
}

impl Field {
    /// Reads a table of `month,what,city,points,source`, where `month` is `2022-03` or a run
    /// `2022-03..2022-04`. Our own city does not stand in it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let columns = ["month", "what", "city", "points", "source"];
        let mut seen: Vec<Published> = Vec::new();
        let rows = Sheet::read(file, text, &columns, &[]).map(|row, problem| {
            for column in ["what", "city", "source"] {
                if row.get(column).is_empty() {
                    problem(column, "is empty".to_owned());
                }
            }
            let run = row.get("month");
            let (from, to) = run.split_once("..").unwrap_or((run, run));
            let months = Month::parse(from).zip(Month::parse(to)).filter(|(from, to)| from <= to);
            if months.is_none() {
                problem("month", format!("`{run}` is no month (`2022-03`, `2022-03..2022-04`)"));
            }
            let points = Decimal::from_str_exact(row.get("points")).ok();
            if points.is_none() {
                problem("points", format!("`{}` is no decimal number", row.get("points")));
            }
            let (from, to) = months?;
            let (what, city) = (row.get("what").to_owned(), row.get("city").to_owned());
            let source = row.get("source").to_owned();
            let published = Published { from, to, what, city, points: points?, source };
            if seen.iter().any(|it| it.is_about(&published)) {
                problem("city", format!("`{}` has this score twice", published.city));
            }
            seen.push(published.clone());
            Some(published)
        })?;
        Ok(Self { rows })
    }

    /// What the other cities were given in a month.
    pub fn of(&self, month: Month, what: &str) -> Vec<Decimal> {
        let given = self.rows.iter().filter(|row| row.what == what);
        given.filter(|row| row.from <= month && month <= row.to).map(|row| row.points).collect()
    }

    /// Fields in which the last months before `month`, at most `most`, stand in for it, each in its
    /// turn, for all of which nothing is known yet; the latest first. At least one.
    pub fn standing_in(&self, month: Month, most: usize) -> Vec<Self> {
        let lacks = |row: &Published| self.of(month, &row.what).is_empty();
        let mut at = month.before();
        let mut fields = Vec::new();
        let first = self.rows.iter().map(|row| row.from).min();
        while fields.len() < most && first.is_some_and(|first| first <= at) {
            let theirs = self.rows.iter().filter(|row| row.from <= at && at <= row.to);
            let moved: Vec<Published> = theirs
                .filter(|row| lacks(row))
                .map(|row| Published { from: month, to: month, ..row.clone() })
                .collect();
            if !moved.is_empty() {
                fields.push(Self { rows: self.rows.iter().cloned().chain(moved).collect() });
            }
            at = at.before();
        }
        if fields.is_empty() {
            fields.push(self.clone());
        }
        fields
    }

    /// Where `ours` stands among the others; `None` where nothing of them is known.
    pub fn standing(&self, month: Month, what: &str, ours: Decimal) -> Option<Standing> {
        standing(&self.of(month, what), ours)
    }
}

impl Published {
    fn is_about(&self, other: &Self) -> bool {
        self.what == other.what
            && self.city == other.city
            && self.from <= other.to
            && other.from <= self.to
    }
}

/// Where `ours` stands among the others; `None` where there are none.
pub fn standing(others: &[Decimal], ours: Decimal) -> Option<Standing> {
    if others.is_empty() {
        return None;
    }
    let better = others.iter().filter(|it| **it > ours);
    let next = better.clone().min().map(|it| (*it - ours).normalize());
    let behind = others.iter().filter(|it| **it <= ours).max();
    Some(Standing {
        rank: better.count() + 1,
        cities: others.len() + 1,
        up: next,
        down: behind.map(|it| (ours - *it).normalize()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_points_share_a_rank_and_margins_reach_the_next() {
        let others = [95, 90, 90, 80].map(Decimal::from);
        let at = |ours: i64| standing(&others, Decimal::from(ours)).unwrap();
        let some = |n: i64| Some(Decimal::from(n));
        assert_eq!(at(96), Standing { rank: 1, cities: 5, up: None, down: some(1) });
        assert_eq!(at(90), Standing { rank: 2, cities: 5, up: some(5), down: some(0) });
        assert_eq!(at(85), Standing { rank: 4, cities: 5, up: some(5), down: some(5) });
        assert_eq!(at(70), Standing { rank: 5, cities: 5, up: some(10), down: None });
        assert_eq!(standing(&[], Decimal::ONE), None);
    }

    #[test]
    fn every_mistake_of_the_table_is_told() {
        let text = "month,what,city,points,source\n2022-13,total,a,1,x\n2022-01..2022-03,total,b,one,x\n\
                    2022-02,total,c,1,x\n2022-01..2022-03,total,c,2,\n";
        let problems = Field::parse("cities.csv", text).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "cities.csv:2 (month): `2022-13` is no month (`2022-03`, `2022-03..2022-04`) [E-SCORE-TABLE]",
                "cities.csv:3 (points): `one` is no decimal number [E-SCORE-TABLE]",
                "cities.csv:5 (source): is empty [E-SCORE-TABLE]",
                "cities.csv:5 (city): `c` has this score twice [E-SCORE-TABLE]",
            ]
        );
    }

    proptest! {
        #[test]
        fn more_points_never_rank_worse(
            others in prop::collection::vec(0_i64..100, 1..20), a in 0_i64..100, b in 0_i64..100,
        ) {
            let others: Vec<Decimal> = others.into_iter().map(Decimal::from).collect();
            let at = |ours: i64| standing(&others, Decimal::from(ours)).unwrap();
            prop_assert!(at(a.max(b)).rank <= at(a.min(b)).rank);
            // The margin up is exactly what takes a place.
            if let Some(up) = at(a).up {
                let reached = standing(&others, Decimal::from(a) + up).unwrap();
                prop_assert!(reached.rank < at(a).rank);
            }
        }
    }
}
