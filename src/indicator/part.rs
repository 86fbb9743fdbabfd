//! Whose part of a loss is how large: for looking at who has to act, not for marking anybody.
//!
//! A scheme that marks only the city says nothing about its departments. A body's part of an
//! item's loss is its part of what lowers the item's figures: of the entries that a rate lacks, of
//! the hours that were overdue. Of an item with several figures the first that is lowered counts.

use rust_decimal::Decimal;

use super::measures::{Figure, Figures};
use super::score::{POINT_DIGITS, Score};

/// A body's part of what the city loses: below 0 or 0. `figures` are the body's.
pub fn part_of_loss(city: &Score, figures: &Figures) -> Decimal {
    let mut part = Decimal::ZERO;
    for item in &city.items {
        let Some(lost) = item.lost.filter(|lost| !lost.is_zero()) else { continue };
        let lowered = item.used.iter().map(|(name, figure)| (name, lack(name, figure)));
        let Some((name, whole)) = lowered.into_iter().find(|(_, whole)| !whole.is_zero()) else {
            continue;
        };
        let own = figures.get(name).map_or(Decimal::ZERO, |figure| lack(name, figure));
        part += lost * (own / whole).min(Decimal::ONE);
    }
    part.round_dp(POINT_DIGITS).normalize()
}

/// By how much a figure is lowered: what a rate lacks, or the number itself.
fn lack(name: &str, figure: &Figure) -> Decimal {
    match figure.parts {
        Some((of, all)) => Decimal::from(all.saturating_sub(of)),
        // Own words of an expression lower nothing.
        None if name.contains('.') && !name.starts_with("value.") => {
            figure.value.unwrap_or_default().max(Decimal::ZERO)
        }
        None => Decimal::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicator::replay::Given;
    use crate::indicator::scheme::{Month, Scheme};
    use crate::indicator::tally::Body;
    use crate::indicator::{field::Field, history, lists::Lists};

    #[test]
    fn the_parts_of_the_departments_are_the_whole_loss() {
        let text = include_str!("../../config/schemes/model-2022.toml");
        let scheme = Scheme::parse("model-2022.toml", text).unwrap();
        let province = include_str!("../../config/schemes/example-2022/province.csv");
        let facts = history::parse("province.csv", province, "province").unwrap();
        let (lists, field) = (Lists::default(), Field::default());
        let given = Given { facts: &facts, lists: &lists, field: &field };
        let month = Month::parse("2022-02").unwrap();
        let now = jiff::Timestamp::MAX;
        let city = given.score(&scheme, month, &Body::City, now);
        let owners: std::collections::BTreeSet<&str> = facts
            .iter()
            .filter_map(|fact| {
                let crate::fact::Kind::CaseOpened { owner, .. } = &fact.kind else { return None };
                Some(owner.as_str())
            })
            .collect();
        assert!(owners.len() > 1);
        let parts: Decimal = owners
            .iter()
            .map(|owner| Body::Department((*owner).to_owned()))
            .map(|body| part_of_loss(&city, &given.figures(&scheme, month, &body, now)))
            .sum();
        assert_eq!(parts, Decimal::new(-26, 1));
    }
}
