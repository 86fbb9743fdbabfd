//! Whose the city's lost points are.
//!
//! A loss is shared out by what stands behind the figures that it was computed from: entries that
//! are not held above, rows set aside, hours overdue, cases too late. That is exact where an item
//! is linear in its figure and a convention where it has steps; a bulletin says so. What nobody
//! answers for (a stated loss, a standard) stays with the city. The shares of an item add up to
//! its loss, to the last digit.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::moment::Moment;
use crate::indicator::measures::Figure;
use crate::indicator::score::{ItemScore, POINT_DIGITS};

/// A share of an item's loss.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Loss {
    /// Which item.
    pub item: String,
    /// Whose; empty for what stays with the city.
    pub owner: String,
    /// Above 0.
    pub points: Decimal,
}

/// Shares out every loss of a moment: items in the scheme's order, owners by name.
pub fn losses(moment: &Moment) -> Vec<Loss> {
    let items = moment.city.items.iter().filter(|item| !item.is_struck);
    items.flat_map(|item| of_item(item, moment)).collect()
}

/// What each owner lost in all.
pub fn by_owner(losses: &[Loss]) -> BTreeMap<&str, Decimal> {
    let mut sums = BTreeMap::new();
    for loss in losses {
        *sums.entry(loss.owner.as_str()).or_insert(Decimal::ZERO) += loss.points;
    }
    sums
}

fn of_item(item: &ItemScore, moment: &Moment) -> Vec<Loss> {
    let Some(lost) = item.lost.map(|lost| -lost).filter(|lost| *lost > Decimal::ZERO) else {
        return Vec::new();
    };
    let of = |owner: &str, points| Loss { item: item.id.clone(), owner: owner.to_owned(), points };
    let names: Vec<&str> = item.used.iter().map(|(name, _)| name.as_str()).collect();
    let sum = |figures: &mut dyn Iterator<Item = (&str, Option<&Figure>)>| -> Decimal {
        figures.filter_map(|(name, figure)| Some(badness(name, figure?))).sum()
    };
    let all = sum(&mut item.used.iter().map(|(name, figure)| (name.as_str(), Some(figure))));
    if all <= Decimal::ZERO {
        return vec![of("", lost)];
    }
    let mut losses = Vec::new();
    let (mut bad, mut given) = (Decimal::ZERO, Decimal::ZERO);
    for (owner, figures) in &moment.departments {
        let theirs = sum(&mut names.iter().map(|name| (*name, figures.get(*name))));
        if theirs <= Decimal::ZERO {
            continue;
        }
        // The sum so far is shared out, not each part, so that rounding never adds up.
        bad = (bad + theirs).min(all);
        let so_far = if bad == all { lost } else { rounded(lost, bad, all) };
        let points = so_far - given;
        given = so_far;
        if points > Decimal::ZERO {
            losses.push(of(owner, points.normalize()));
        }
    }
    if given < lost {
        losses.push(of("", (lost - given).normalize()));
    }
    losses
}

fn rounded(lost: Decimal, part: Decimal, all: Decimal) -> Decimal {
    let share = part.checked_div(all).and_then(|share| lost.checked_mul(share));
    share.unwrap_or_default().round_dp(POINT_DIGITS).min(lost)
}

/// How much of what lowers a score stands behind a figure.
fn badness(name: &str, figure: &Figure) -> Decimal {
    if let Some((of, all)) = figure.parts {
        // The share of key data is a fact about the list, not a failing.
        return if name == "key.share" { Decimal::ZERO } else { Decimal::from(all - of.min(all)) };
    }
    let counts = name.ends_with("_hours")
        || name.starts_with("cases.") && (name.ends_with(".late") || name.ends_with(".open"));
    if counts { figure.value.unwrap_or_default() } else { Decimal::ZERO }
}
