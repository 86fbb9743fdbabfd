//! How everything stands at one instant: the city's score, every department's figures, and the
//! assessed bodies in their classes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::indicator::field::{Field, Standing, TOTAL};
use crate::indicator::lists::Lists;
use crate::indicator::measures::Figures;
use crate::indicator::scheme::{Kind, Month, Scheme, Scope};
use crate::indicator::score::{ItemScore, Score, score};
use crate::indicator::tally::Body;

/// How everything stands at one instant.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The first instant that no longer counts.
    pub at: Timestamp,
    /// The scheme's month.
    pub month: Month,
    /// The city's score.
    pub city: Score,
    /// The city's figures.
    pub figures: Figures,
    /// Every department's figures.
    pub departments: BTreeMap<String, Figures>,
    /// The assessed bodies, in the order of their list.
    pub bodies: Vec<Assessment>,
    /// Where the city stands among the others, where their scores are known.
    pub rank: Option<Standing>,
    /// The bodies are judged by the city's items, because the scheme has none of their own.
    pub by_city_items: bool,
}

/// What an assessed body came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assessment {
    /// Which body.
    pub id: String,
    /// Its class.
    pub class: String,
    /// Its points.
    pub points: Decimal,
    /// The points that could be computed for it.
    pub worth: Decimal,
    /// Its points of a hundred that could be computed; absent where none could.
    pub rate: Option<Decimal>,
}

/// Judges everything. `figures_of` gives a body's figures at the instant.
pub fn moment(
    scheme: &Scheme,
    (month, at): (Month, Timestamp),
    lists: &Lists,
    field: &Field,
    figures_of: impl Fn(&Body) -> Figures,
) -> Moment {
    let figures = figures_of(&Body::City);
    let city = score(scheme, month, &Body::City, &figures, lists, field);
    let names = departments(lists, &figures);
    let departments: BTreeMap<String, Figures> =
        names.into_iter().map(|id| (id.clone(), figures_of(&Body::Department(id)))).collect();
    let by_city_items = scheme.items.iter().all(|item| item.scope == Scope::City);
    let as_bodies = by_city_items.then(|| of_departments(scheme));
    let bodies = lists.bodies.iter().map(|it| {
        let (body, of_body) = match departments.get(&it.id) {
            Some(figures) => (Body::Department(it.id.clone()), figures.clone()),
            None => {
                let body = body_of(&it.id, lists);
                let figures = figures_of(&body);
                (body, figures)
            }
        };
        let judged = match &as_bodies {
            // The items are marked as those of departments, whatever the body is.
            Some(scheme) => {
                let body = Body::Department(it.id.clone());
                score(scheme, month, &body, &of_body, lists, &Field::default())
            }
            None => score(scheme, month, &body, &of_body, lists, field),
        };
        assessment((&it.id, &it.class), &judged)
    });
    let bodies = bodies.collect();
    let rank = field.standing(month, TOTAL, city.total);
    Moment { at, month, city, figures, departments, bodies, rank, by_city_items }
}

/// Every department that a list names or that owns a case.
fn departments(lists: &Lists, figures: &Figures) -> BTreeSet<String> {
    let listed = lists.obligations.iter().map(|it| it.department.clone());
    let findings = figures.values().flat_map(|figure| &figure.findings);
    let owners = findings.map(|finding| finding.owner.clone());
    let tasks = lists.tasks.iter().map(|it| it.department.clone());
    listed.chain(tasks).chain(owners).filter(|id| !id.is_empty()).collect()
}

/// A body is a region where an obligation says so, else a department.
fn body_of(id: &str, lists: &Lists) -> Body {
    let is_region = lists.obligations.iter().any(|it| it.region == id)
        || lists.tasks.iter().any(|it| it.region == id);
    if is_region { Body::Region(id.to_owned()) } else { Body::Department(id.to_owned()) }
}

/// The city's items as if they marked each department: what depends on other cities and what holds
/// for the city alone is left out, for it has no figure.
fn of_departments(scheme: &Scheme) -> Scheme {
    let mut scheme = scheme.clone();
    scheme.items.retain(|item| matches!(item.kind, Kind::Award | Kind::Deduct));
    for item in &mut scheme.items {
        item.scope = Scope::Department;
    }
    scheme
}

/// The points that these items can give: of those that could be computed, without deductions.
pub(super) fn reachable<'i>(items: impl IntoIterator<Item = &'i ItemScore>) -> Decimal {
    let gives =
        |it: &&ItemScore| it.points.is_some() && matches!(it.kind, Kind::Award | Kind::Relative);
    items.into_iter().filter(gives).filter_map(|it| it.worth).sum::<Decimal>().normalize()
}

fn assessment((id, class): (&str, &str), judged: &Score) -> Assessment {
    let worth = reachable(&judged.items);
    let rate = judged.total.checked_mul(Decimal::ONE_HUNDRED);
    let rate = rate.and_then(|it| it.checked_div(worth));
    Assessment {
        id: id.to_owned(),
        class: class.to_owned(),
        points: judged.total,
        worth,
        rate: rate.map(|it| it.round_dp(8).normalize()),
    }
}

/// How points changed between two times, over what could be computed at both.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Compared {
    /// The sum of changes.
    pub difference: Decimal,
    /// Over so many items.
    pub items: usize,
    /// Items that could be computed only once: they are in no difference.
    pub others: usize,
}

/// Compares the items for which `counts`; of several moments each item's mean counts.
pub(super) fn compare(
    now: &[Moment],
    before: &[Moment],
    counts: impl Fn(&ItemScore) -> bool,
) -> Compared {
    let of = |moments: &[Moment], id: &str| {
        let items = moments.iter().flat_map(|it| &it.city.items).filter(|it| it.id == id);
        // What a veto struck counts nothing.
        let points =
            |it: &ItemScore| it.points.map(|at| if it.is_struck { Decimal::ZERO } else { at });
        let points: Vec<Decimal> = items.filter_map(points).collect();
        points.iter().sum::<Decimal>().checked_div(Decimal::from(points.len()))
    };
    let mut compared = Compared::default();
    let items = now.last().map_or(&[][..], |it| &it.city.items);
    for item in items.iter().filter(|it| counts(it)) {
        match (of(now, &item.id), of(before, &item.id)) {
            (Some(now), Some(then)) => {
                compared.difference += now - then;
                compared.items += 1;
            }
            (Some(_), None) | (None, Some(_)) => compared.others += 1,
            (None, None) => {}
        }
    }
    compared
}

/// A body's place in its class.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Which body.
    pub id: String,
    /// 1 is the best; equal ones share a rank; absent for what could not be judged.
    pub rank: Option<usize>,
    /// Of a hundred.
    pub rate: Option<Decimal>,
    /// Points and the points that could be computed; of a quarter the last month's.
    pub points: (Decimal, Decimal),
    /// How many places it went up (or down, below 0) since the time before, where it had one.
    pub moved: Option<i64>,
}

/// The classes in the order of the list, each with its bodies from the best to the worst. Of
/// several moments the mean counts.
pub fn ranking(moments: &[Moment], before: &[Moment]) -> Vec<(String, Vec<Place>)> {
    let Some(last) = moments.last() else { return Vec::new() };
    let mut classes: Vec<String> = Vec::new();
    for body in &last.bodies {
        if !classes.contains(&body.class) {
            classes.push(body.class.clone());
        }
    }
    let of = |class: &String| {
        let earlier = places(before, class);
        let mut places = places(moments, class);
        for place in &mut places {
            let then = earlier.iter().find(|it| it.id == place.id).and_then(|it| it.rank);
            place.moved = then
                .zip(place.rank)
                .and_then(|(then, now)| Some(i64::try_from(then).ok()? - i64::try_from(now).ok()?));
        }
        (class.clone(), places)
    };
    classes.iter().map(of).collect()
}

fn places(moments: &[Moment], class: &str) -> Vec<Place> {
    let Some(last) = moments.last() else { return Vec::new() };
    let mut places: Vec<Place> = last
        .bodies
        .iter()
        .filter(|body| body.class == class)
        .map(|body| Place {
            id: body.id.clone(),
            rank: None,
            rate: mean(moments, &body.id),
            points: (body.points, body.worth),
            moved: None,
        })
        .collect();
    // A name decides only where two come next to each other, never who is better.
    places.sort_by(|a, b| b.rate.cmp(&a.rate).then_with(|| a.id.cmp(&b.id)));
    let rates: Vec<Option<Decimal>> = places.iter().map(|it| it.rate).collect();
    for place in &mut places {
        if place.rate.is_some() {
            place.rank = Some(rates.iter().filter(|it| **it > place.rate).count() + 1);
        }
    }
    places
}

/// The mean of what a body came to, over the moments that could judge it.
fn mean(moments: &[Moment], id: &str) -> Option<Decimal> {
    let bodies = moments.iter().flat_map(|it| &it.bodies).filter(|body| body.id == id);
    let rates: Vec<Decimal> = bodies.filter_map(|body| body.rate).collect();
    let mean = rates.iter().sum::<Decimal>().checked_div(Decimal::from(rates.len()))?;
    Some(mean.round_dp(8).normalize())
}
