//! Whose the city's lost points are.
//!
//! A loss is shared out by [`part`](crate::indicator::part) of what lowers it, as `score show` does;
//! where an item has steps that is a convention, and a bulletin says so. What nobody answers for (a
//! stated loss, a standard) stays with the city. The shares of an item add up to its loss, to the
//! last digit.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::moment::Moment;
use crate::indicator::part::{lacking, lacking_of};
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
    let all = lacking(item);
    if all <= Decimal::ZERO {
        return vec![of("", lost)];
    }
    let mut losses = Vec::new();
    let (mut bad, mut given) = (Decimal::ZERO, Decimal::ZERO);
    for (owner, figures) in &moment.departments {
        let theirs = lacking_of(item, figures);
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
