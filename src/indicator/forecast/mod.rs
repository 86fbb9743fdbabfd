//! What a month will come to: what is lost already, what can be avoided until when, what hangs on
//! others, and between which points the total will lie.
//!
//! The rest of the month is written many times over as facts, after the habits of the last months
//! ([`habit`], [`future`]), and each time it is judged by the same tally and scheme as ever. The
//! middle of the totals is what is expected; the interval leaves a tenth of them out on each side.
//! Everything is integers, decimals and a seed: the same facts, the same forecast (DECISIONS 35).

mod dice;
mod future;
mod habit;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::field::Field;
use super::recover::{Plan, acts_of, recover_of};
use super::replay::{score_of, score_until};
use super::scheme::{Kind, Month, Scheme};
use super::score::{ItemScore, Score};
use super::tally::{Body, Tally};
use dice::Dice;
use future::Future;
pub use habit::Habits;

/// How many of a hundred months are promised to end within the interval.
pub const PROMISED_PERCENT: u32 = 80;
/// How many futures are written: more where they are cheap.
const FEWEST_FUTURES: usize = 41;
const MOST_FUTURES: usize = 201;
/// Futures times datasets that are affordable.
const AFFORDABLE: usize = 200_000;
/// Other cities' months that stand in for one that is not published.
const MONTHS_STANDING_IN: usize = 3;

/// Between which points something will lie.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Range {
    /// A tenth of the futures lie below.
    pub low: Decimal,
    /// The middle one.
    pub expected: Decimal,
    /// A tenth lie above.
    pub high: Decimal,
}

/// An item's forecast.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ItemForecast {
    /// Which item.
    pub id: String,
    /// Its points as of now.
    pub today: Option<Decimal>,
    /// Its points at the cut-off; absent where no future could compute them.
    pub range: Option<Range>,
    /// What it has lost that nothing brings back: below 0 or 0.
    pub lost: Decimal,
    /// What can still be brought back or kept by acts that are known.
    pub avoidable: Decimal,
    /// The last moment to begin the first of those acts.
    pub begin_by: Option<Timestamp>,
    /// Its points hang on the other cities' figures.
    pub depends_on_others: bool,
}

/// A month's forecast.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forecast {
    /// By which scheme.
    pub scheme: String,
    /// Which month.
    pub month: Month,
    /// Whose.
    pub body: Body,
    /// As of when.
    pub at: Timestamp,
    /// The instant that cuts the month off.
    pub cut_off: Timestamp,
    /// The total as of now.
    pub today: Decimal,
    /// The total at the cut-off.
    pub range: Range,
    /// What is lost and does not come back: below 0 or 0.
    pub lost: Decimal,
    /// What acts that are known bring together if they are begun in time.
    pub avoidable: Decimal,
    /// The points of items that hang on the other cities.
    pub on_others: Decimal,
    /// The items that mark this body, in the scheme's order.
    pub items: Vec<ItemForecast>,
    /// Whole days of history that habits were learned from.
    pub days: u32,
    /// How many futures were written.
    pub futures: usize,
}

/// What the month that was tallied will come to, as of `at`; the tally holds what was known then.
/// The same `seed` gives the same forecast.
pub fn forecast(
    tally: &Tally<'_>,
    habits: &Habits,
    scheme: &Scheme,
    body: &Body,
    field: &Field,
    seed: u64,
) -> Forecast {
    let affordable = AFFORDABLE / tally.lists().obligations.len().max(1);
    let futures = affordable.clamp(FEWEST_FUTURES, MOST_FUTURES);
    let fields = field.standing_in(tally.span().month, MONTHS_STANDING_IN);
    Ground { tally, habits, scheme, body, field, fields }.forecast(seed, futures)
}

/// What a forecast is made from.
struct Ground<'g> {
    tally: &'g Tally<'g>,
    habits: &'g Habits,
    scheme: &'g Scheme,
    body: &'g Body,
    field: &'g Field,
    /// The other cities as of now, or as they were lately.
    fields: Vec<Field>,
}

impl Ground<'_> {
    fn forecast(&self, seed: u64, futures: usize) -> Forecast {
        let Self { tally, scheme, body, field, .. } = *self;
        let (at, span) = (self.habits.at(), tally.span());
        let today = score_until(tally, scheme, body, field, at);
        let whole = score_of(tally, scheme, body, field);
        let ends = self.ends(seed, futures);
        let best = self.best(&whole);
        let plan =
            if at < span.to { recover_of(tally, scheme, body, field, at) } else { Plan::none() };
        let acts = plan.planned.iter().map(|it| &it.action.act);
        let planned = acts.fold(tally.clone(), |tally, act| tally.supposing(act, at));
        let planned = score_of(&planned, scheme, body, field);
        let scores = Scores { whole: &whole, ends: &ends, best: &best, planned: &planned };
        let item = |item: &ItemScore| scores.item(item, &plan, at, span.to);
        let on_others = today.items.iter().filter(|it| it.kind == Kind::Relative);
        Forecast {
            scheme: scheme.id.clone(),
            month: span.month,
            body: body.clone(),
            at,
            cut_off: span.to,
            today: today.total,
            range: range(ends.iter().map(|end| end.total).collect()).unwrap_or_default(),
            lost: best.lost,
            avoidable: plan.together,
            on_others: on_others.filter_map(|it| it.worth).sum::<Decimal>().normalize(),
            items: today.items.iter().map(item).collect(),
            days: u32::try_from(self.habits.days()).unwrap_or(0),
            futures: ends.len(),
        }
    }

    /// How the month ends in each of so many futures.
    fn ends(&self, seed: u64, futures: usize) -> Vec<Score> {
        let cut_off = self.tally.span().to;
        // After the cut-off nothing more happens: one future is all of them.
        let is_over = self.habits.at() >= cut_off;
        let futures = if is_over { 1 } else { futures.max(1) };
        let end = |number| {
            let mut dice = Dice::new(seed, number);
            let field = dice.any(&self.fields).unwrap_or(self.field);
            let mut end = self.tally.clone();
            if !is_over {
                let future = Future::of(self.habits, self.tally.lists(), cut_off, dice);
                future.iter().for_each(|fact| end.add(fact));
            }
            score_of(&end, self.scheme, self.body, field)
        };
        (0_u64..).take(futures).map(end).collect()
    }

    /// The month if everything that can still be done were done at once and nothing more went
    /// wrong.
    fn best(&self, whole: &Score) -> Score {
        let (at, cut_off) = (self.habits.at(), self.tally.span().to);
        let mut best = self.tally.clone();
        if at < cut_off {
            for act in acts_of(&whole.items, at, cut_off).keys() {
                best = best.supposing(act, at);
            }
            let facts = future::flawless(self.habits, self.tally.lists(), cut_off);
            facts.iter().for_each(|fact| best.add(fact));
        }
        score_of(&best, self.scheme, self.body, self.fields.first().unwrap_or(self.field))
    }
}

/// The month as of now, as it may end, and as it could.
struct Scores<'s> {
    whole: &'s Score,
    ends: &'s [Score],
    best: &'s Score,
    planned: &'s Score,
}

impl Scores<'_> {
    fn item(
        &self,
        item: &ItemScore,
        plan: &Plan,
        at: Timestamp,
        cut_off: Timestamp,
    ) -> ItemForecast {
        let points = |score: &Score| found(score, &item.id).and_then(|it| it.points);
        let whole = found(self.whole, &item.id);
        let now = whole.and_then(|it| it.points);
        let avoidable = points(self.planned).zip(now).map(|(then, now)| then - now);
        let avoidable = avoidable.unwrap_or_default().max(Decimal::ZERO).normalize();
        let acts = acts_of(whole.map_or(&[], std::slice::from_ref), at, cut_off);
        let of_item = plan.planned.iter().filter(|it| acts.contains_key(&it.action.act));
        ItemForecast {
            id: item.id.clone(),
            today: item.points,
            range: range(self.ends.iter().filter_map(points).collect()),
            lost: found(self.best, &item.id).and_then(|it| it.lost).unwrap_or_default(),
            avoidable,
            begin_by: of_item.map(|it| it.begin_by).min().filter(|_| !avoidable.is_zero()),
            depends_on_others: item.kind == Kind::Relative,
        }
    }
}

fn found<'s>(score: &'s Score, id: &str) -> Option<&'s ItemScore> {
    score.items.iter().find(|item| item.id == id)
}

/// The middle, and what a tenth lies below and above of.
fn range(mut points: Vec<Decimal>) -> Option<Range> {
    points.sort_unstable();
    let last = points.len().checked_sub(1)?;
    let tail = last / 10;
    Some(Range {
        low: points.get(tail)?.normalize(),
        expected: points.get(last / 2)?.normalize(),
        high: points.get(last - tail)?.normalize(),
    })
}

#[cfg(test)]
mod tests;
