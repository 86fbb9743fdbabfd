//! The score: a pure function of figures, a scheme and the other cities' scores.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};

use crate::expression::{Expression, Fault, Slots, Value};
use crate::indicator::field::Field;
use crate::indicator::lists::Lists;
use crate::indicator::measures::{Figure, Figures};
use crate::indicator::scheme::{Item, Kind, Known, Month, Points, Scheme, Scope, Struck};
use crate::indicator::tally::Body;

/// The digits that an item's points keep after the point, half away from zero.
pub const POINT_DIGITS: u32 = 8;

/// One item's result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ItemScore {
    /// Which item.
    pub id: String,
    /// Its class.
    pub class: String,
    /// How it works on the total.
    pub kind: Kind,
    /// How well it is known.
    pub known: Known,
    /// The points that hang on it, where that is known.
    pub worth: Option<Decimal>,
    /// What it adds to the total: below 0 for a deduction. Absent where it cannot be computed.
    pub points: Option<Decimal>,
    /// What it costs: a deduction's points, or what an award lacks to its most; below 0 or 0.
    pub lost: Option<Decimal>,
    /// A veto that holds.
    pub strikes: bool,
    /// A veto that holds struck it: it counts nothing.
    pub is_struck: bool,
    /// The figure that was judged, where the scheme names one.
    pub judged: Option<Decimal>,
    /// What it was computed from, by the names of the expressions.
    pub used: Vec<(String, Figure)>,
    /// Why it has no points.
    pub lack: Option<Lack>,
}

/// Why an item has no points.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lack {
    /// The scheme says that nobody knows how it is reckoned.
    Unknown,
    /// These names have no value.
    Absent(Vec<String>),
    /// Its expression has no result.
    Fault(Fault),
}

/// A class's result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClassScore {
    /// Which class.
    pub id: String,
    /// The sum of its items.
    pub points: Decimal,
    /// What its items cost; below 0 or 0.
    pub lost: Decimal,
    /// A veto struck it.
    pub is_struck: bool,
}

/// A month's score of one body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Score {
    /// By which scheme.
    pub scheme: String,
    /// Which month.
    pub month: Month,
    /// Whose.
    pub body: Body,
    /// The classes, in the scheme's order.
    pub classes: Vec<ClassScore>,
    /// The items that mark this body, in the scheme's order.
    pub items: Vec<ItemScore>,
    /// The sum of what is known.
    pub total: Decimal,
    /// What is lost of what is known; below 0 or 0.
    pub lost: Decimal,
    /// The points of the scheme that mark this body.
    pub worth: Decimal,
    /// Of those, the points that could be computed.
    pub worth_known: Decimal,
    /// Of those, by how well they are known.
    pub worth_by: BTreeMap<Known, Decimal>,
}

impl Score {
    /// The share of points that is known, from 0 to 1; absent where nothing has a weight.
    pub fn known_share(&self) -> Option<Decimal> {
        self.worth_known.checked_div(self.worth).map(|share| share.normalize())
    }

    /// The class of that name.
    pub fn class(&self, id: &str) -> Option<&ClassScore> {
        self.classes.iter().find(|class| class.id == id)
    }

    /// What its deductions took: below 0 or 0.
    pub fn deducted(&self) -> Decimal {
        let deductions = self.items.iter().filter(|item| item.kind == Kind::Deduct);
        deductions.filter_map(|item| item.points).sum::<Decimal>().normalize()
    }

    /// What the total would be if this item cost nothing.
    pub fn repaired(&self, item: &str) -> Option<Decimal> {
        let lost = self.items.iter().find(|it| it.id == item)?.lost?;
        Some((self.total - lost).normalize())
    }
}

/// The values of an expression's slots.
struct Named<'n> {
    scheme: &'n Scheme,
    figures: &'n Figures,
    own: BTreeMap<&'static str, Decimal>,
}

impl Named<'_> {
    fn get(&self, slot: usize) -> Option<Decimal> {
        let name = self.scheme.name_of(slot)?;
        let own = self.own.get(name).copied();
        own.or_else(|| self.figures.get(name).and_then(|figure| figure.value))
    }
}

impl Slots for Named<'_> {
    fn value(&self, slot: usize) -> Value<'_> {
        self.get(slot).map_or(Value::Absent, Value::Number)
    }
}

/// The score of a body in a month. `lists` say to which class of assessed bodies it belongs.
pub fn score(
    scheme: &Scheme,
    month: Month,
    body: &Body,
    figures: &Figures,
    lists: &Lists,
    field: &Field,
) -> Score {
    let marks = |item: &&Item| marks(item, body, lists);
    let mut items: Vec<ItemScore> = scheme
        .items
        .iter()
        .filter(marks)
        .map(|item| of_item(scheme, item, month, figures, field))
        .collect();
    let struck = struck(scheme, &items);
    for item in &mut items {
        let by_class = struck.contains(&Struck::Class(item.class.clone()));
        item.is_struck = item.kind != Kind::Veto && (by_class || struck.contains(&Struck::All));
    }
    let classes: Vec<ClassScore> =
        scheme.classes.iter().map(|it| of_class(&it.id, &items)).collect();
    let total = classes.iter().map(|class| class.points).sum::<Decimal>().normalize();
    let lost = classes.iter().map(|class| class.lost).sum::<Decimal>().normalize();
    let (mut worth, mut worth_known) = (Decimal::ZERO, Decimal::ZERO);
    let mut worth_by = BTreeMap::new();
    for item in &items {
        let points = item.worth.unwrap_or_default();
        worth += points;
        let known = if item.points.is_some() { item.known } else { Known::Unknown };
        if known != Known::Unknown {
            worth_known += points;
        }
        *worth_by.entry(known).or_insert(Decimal::ZERO) += points;
    }
    Score {
        scheme: scheme.id.clone(),
        month,
        body: body.clone(),
        classes,
        items,
        total,
        lost,
        worth,
        worth_known,
        worth_by,
    }
}

fn marks(item: &Item, body: &Body, lists: &Lists) -> bool {
    let is_of = |class: &str| lists.bodies.iter().any(|it| it.id == body.id() && it.class == class);
    match (&item.scope, body) {
        (Scope::City, Body::City)
        | (Scope::Region, Body::Region(_))
        | (Scope::Department, Body::Department(_)) => true,
        (Scope::Class(class), Body::Region(_) | Body::Department(_)) => is_of(class),
        (Scope::City | Scope::Region | Scope::Department | Scope::Class(_), _) => false,
    }
}

/// What the vetoes that hold strike.
fn struck(scheme: &Scheme, items: &[ItemScore]) -> Vec<Struck> {
    let holding = items.iter().filter(|item| item.strikes);
    let of = |item: &ItemScore| {
        let found = scheme.items.iter().find(|known| known.id == item.id);
        found.and_then(|known| known.strikes.clone())
    };
    holding.filter_map(of).collect()
}

fn of_class(id: &str, items: &[ItemScore]) -> ClassScore {
    let of = || items.iter().filter(|item| item.class == id);
    let is_struck = of().any(|item| item.is_struck);
    let sum = |points: &mut dyn Iterator<Item = Decimal>| points.sum::<Decimal>().normalize();
    if !is_struck {
        let points = sum(&mut of().filter_map(|item| item.points));
        let lost = sum(&mut of().filter_map(|item| item.lost));
        return ClassScore { id: id.to_owned(), points, lost, is_struck };
    }
    // A struck class has lost what it could have given.
    let gives = of().filter(|item| matches!(item.kind, Kind::Award | Kind::Relative));
    let lost = -sum(&mut gives.filter_map(|item| item.worth));
    ClassScore { id: id.to_owned(), points: Decimal::ZERO, lost, is_struck }
}

fn of_item(
    scheme: &Scheme,
    item: &Item,
    month: Month,
    figures: &Figures,
    field: &Field,
) -> ItemScore {
    let mut named = Named { scheme, figures, own: BTreeMap::new() };
    let mut used = Vec::new();
    named.own.extend(item.weight.map(|weight| ("weight", weight)));
    let result = judge(item, month, field, &mut named, &mut used);
    let mut score = ItemScore {
        id: item.id.clone(),
        class: item.class.clone(),
        kind: item.kind,
        known: item.known,
        worth: item.worth(),
        points: None,
        lost: None,
        strikes: false,
        is_struck: false,
        judged: named.own.get("of").copied(),
        used,
        lack: None,
    };
    match result {
        Ok(Judged::Holds(strikes)) => {
            score.strikes = strikes;
            score.points = Some(Decimal::ZERO);
            score.lost = Some(Decimal::ZERO);
        }
        Ok(Judged::Points(points)) => {
            let most = item.cap.or(item.weight).unwrap_or(Decimal::MAX);
            let points = rounded(points.max(item.floor).min(most));
            let is_deduction = item.kind == Kind::Deduct;
            score.points = Some(if is_deduction { negative(points) } else { points });
            score.lost =
                Some(if is_deduction { negative(points) } else { negative(most - points) });
        }
        Err(lack) => score.lack = Some(lack),
    }
    score
}

/// Points have [`POINT_DIGITS`] digits, so that their sum is exact and the same in any order.
fn rounded(points: Decimal) -> Decimal {
    let half_away = RoundingStrategy::MidpointAwayFromZero;
    points.round_dp_with_strategy(POINT_DIGITS, half_away).normalize()
}

/// 0 has no sign.
fn negative(points: Decimal) -> Decimal {
    if points.is_zero() { Decimal::ZERO } else { -points.normalize() }
}

enum Judged {
    Points(Decimal),
    Holds(bool),
}

fn judge(
    item: &Item,
    month: Month,
    field: &Field,
    named: &mut Named<'_>,
    used: &mut Vec<(String, Figure)>,
) -> Result<Judged, Lack> {
    if item.known == Known::Unknown {
        return Err(Lack::Unknown);
    }
    if let Some(of) = &item.of {
        let judged = number(of, named, used)?.normalize();
        named.own.insert("of", judged);
        if item.kind == Kind::Relative {
            let others = field.of(month, &item.id);
            if let Some(standing) = crate::indicator::field::standing(&others, judged) {
                let best = others.iter().copied().max().unwrap_or(judged).max(judged);
                named.own.insert("best", best);
                named.own.insert("rank", Decimal::from(standing.rank));
                named.own.insert("cities", Decimal::from(standing.cities));
            }
        }
        if let Points::Steps(steps) = &item.points {
            let reached = steps.iter().find(|step| judged >= step.at_least);
            return Ok(Judged::Points(reached.map_or(Decimal::ZERO, |step| step.points)));
        }
    }
    let Points::Expression(points) = &item.points else {
        // The loader refuses steps without a figure.
        return Err(Lack::Absent(vec!["of".to_owned()]));
    };
    if item.kind != Kind::Veto {
        return number(points, named, used).map(Judged::Points);
    }
    note(points, named, used);
    match points.evaluate(named) {
        Ok(Value::Boolean(holds)) => Ok(Judged::Holds(holds)),
        Ok(_) => Err(absent(points, named)),
        Err(fault) => Err(Lack::Fault(fault)),
    }
}

fn number(
    expression: &Expression,
    named: &Named<'_>,
    used: &mut Vec<(String, Figure)>,
) -> Result<Decimal, Lack> {
    note(expression, named, used);
    match expression.evaluate(named) {
        Ok(Value::Number(number)) => Ok(number),
        Ok(_) => Err(absent(expression, named)),
        Err(fault) => Err(Lack::Fault(fault)),
    }
}

/// Keeps the figures that an expression reads, each once.
fn note(expression: &Expression, named: &Named<'_>, used: &mut Vec<(String, Figure)>) {
    for slot in expression.slots() {
        let Some(name) = named.scheme.name_of(*slot) else { continue };
        if used.iter().any(|(known, _)| known == name) {
            continue;
        }
        let own = named.own.get(name).map(|value| Figure::number(*value));
        let figure = own.or_else(|| named.figures.get(name).cloned()).unwrap_or_default();
        used.push((name.to_owned(), figure));
    }
}

fn absent(expression: &Expression, named: &Named<'_>) -> Lack {
    let lacking = expression.slots().iter().filter(|slot| named.get(**slot).is_none());
    let names = lacking.filter_map(|slot| named.scheme.name_of(*slot));
    Lack::Absent(names.map(ToOwned::to_owned).collect())
}

#[cfg(test)]
mod tests;
