//! Whose part of a loss is how large: for looking at who has to act, not for marking anybody.
//!
//! A scheme that marks only the city says nothing about its departments. A body's part of an
//! item's loss is its part of what lowers the item's figures: entries that a rate lacks, rows set
//! aside, hours overdue, cases too late. That is exact where an item is linear in its figure and a
//! convention where it has steps. Whoever shows parts shows these, so that two papers agree.

use rust_decimal::Decimal;

use super::measures::{Figure, Figures};
use super::score::{ItemScore, POINT_DIGITS, Score};

/// A body's part of what the city loses: below 0 or 0. `figures` are the body's.
pub fn part_of_loss(city: &Score, figures: &Figures) -> Decimal {
    let mut part = Decimal::ZERO;
    for item in city.items.iter().filter(|item| !item.is_struck) {
        let (lost, whole) = (item.lost.unwrap_or_default(), lacking(item));
        if !lost.is_zero() && !whole.is_zero() {
            part += lost * (lacking_of(item, figures) / whole).min(Decimal::ONE);
        }
    }
    part.round_dp(POINT_DIGITS).normalize()
}

/// How much of what lowers an item there is.
pub fn lacking(item: &ItemScore) -> Decimal {
    item.used.iter().map(|(name, figure)| lack(name, figure)).sum()
}

/// How much of it is a body's; `figures` are the body's.
pub fn lacking_of(item: &ItemScore, figures: &Figures) -> Decimal {
    let own = |name: &String| figures.get(name).map(|figure| lack(name, figure));
    item.used.iter().filter_map(|(name, _)| own(name)).sum()
}

/// By how much a figure is lowered: what a rate lacks, or hours and cases themselves.
fn lack(name: &str, figure: &Figure) -> Decimal {
    if let Some((of, all)) = figure.parts {
        // The share of key data is a fact about the list, not a failing.
        let lack = if name == "key.share" { 0 } else { all.saturating_sub(of) };
        return Decimal::from(lack);
    }
    let counts = name.ends_with("_hours")
        || name.starts_with("cases.") && (name.ends_with(".late") || name.ends_with(".open"));
    if counts { figure.value.unwrap_or_default().max(Decimal::ZERO) } else { Decimal::ZERO }
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
