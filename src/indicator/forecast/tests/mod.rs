//! The forecast against months that really end: better than today's value, and as sure as it says.

mod town;

use super::*;
use crate::fact::Fact;
use crate::indicator::replay::Given;
use town::{Town, day};

fn scheme() -> Scheme {
    let text = include_str!("../../../../config/schemes/model-2026.toml");
    Scheme::parse("model-2026.toml", text).unwrap()
}

/// Futures in tests: enough for a tenth on each side, few enough for an unoptimised build.
const FUTURES: usize = 41;

fn forecast_of(
    given: Given<'_>,
    month: Month,
    at: Timestamp,
    (seed, futures): (u64, usize),
) -> Forecast {
    let scheme = scheme();
    let tally = given.tally(&scheme, month, at);
    let habits = Habits::learn(given.facts, given.lists, at);
    let fields = given.field.standing_in(month, MONTHS_STANDING_IN);
    let (body, field) = (&Body::City, given.field);
    let ground = Ground { tally: &tally, habits: &habits, scheme: &scheme, body, field, fields };
    ground.forecast(seed, futures)
}

/// Sums over forecasts.
#[derive(Debug, Default)]
struct Sums {
    forecasts: u32,
    ours: Decimal,
    today: Decimal,
    as_cut_off: Decimal,
    within: u32,
    wide: Decimal,
    below: u32,
}

fn judge(seeds: std::ops::Range<u64>, days: &[i64]) -> std::collections::BTreeMap<i64, Sums> {
    let scheme = scheme();
    let mut by_day = std::collections::BTreeMap::new();
    for seed in seeds {
        let town = Town::new(seed);
        let given = Given { facts: &town.facts, lists: &town.lists, field: &town.all };
        let end = given.score(&scheme, town.month, &Body::City, Timestamp::MAX).total;
        for of in days {
            let given = Given { field: &town.known, ..given };
            let at = day(*of);
            let forecast = forecast_of(given, town.month, at, (seed, FUTURES));
            let sums: &mut Sums = by_day.entry(*of).or_default();
            // Today's value with the last month's cities: else it would lack an item altogether.
            let stood_in = &town.known.standing_in(town.month, 1)[0];
            let carried = Given { field: stood_in, ..given };
            let today = carried.score(&scheme, town.month, &Body::City, at).total;
            sums.forecasts += 1;
            sums.ours += (forecast.range.expected - end).abs();
            sums.today += (today - end).abs();
            sums.as_cut_off += (of_cut(carried, &scheme, town.month, at) - end).abs();
            sums.within += u32::from(forecast.range.low <= end && end <= forecast.range.high);
            sums.below += u32::from(end < forecast.range.low);
            sums.wide += forecast.range.high - forecast.range.low;
        }
    }
    by_day
}

/// Today's value as if the month were cut off now.
fn of_cut(given: Given<'_>, scheme: &Scheme, month: Month, at: Timestamp) -> Decimal {
    let tally = given.tally(scheme, month, at);
    score_until(&tally, scheme, &Body::City, given.field, at).total
}

#[test]
fn it_beats_carrying_today_forward_and_its_intervals_hold_what_they_promise() {
    let by_day = judge(100..150, &[5, 12, 19, 23, 27]);
    let mut all = Sums::default();
    for (of, sums) in &by_day {
        println!("day {of}: {sums:?}");
        all.forecasts += sums.forecasts;
        all.ours += sums.ours;
        all.today += sums.today;
        all.as_cut_off += sums.as_cut_off;
        all.within += sums.within;
        all.below += sums.below;
        // On every one of these days, not only over all of them.
        assert!(sums.ours < sums.today.min(sums.as_cut_off), "day {of}: {sums:?}");
    }
    println!("{all:?}");
    // By a fifth at least.
    assert!(all.ours * Decimal::new(125, 2) < all.today.min(all.as_cut_off), "{all:?}");
    let covered = 100 * all.within / all.forecasts;
    assert!((70..=95).contains(&covered), "{covered} % of the months lie within 80 %");
}

fn of_town(town: &Town, facts: &[Fact], at: Timestamp) -> Forecast {
    let given = Given { facts, lists: &town.lists, field: &town.known };
    forecast_of(given, town.month, at, (7, 21))
}

#[test]
fn the_same_facts_give_the_same_forecast_in_any_order() {
    let town = Town::new(3);
    let forecast = of_town(&town, &town.facts, day(21));
    let turned: Vec<Fact> = town.facts.iter().rev().cloned().collect();
    assert_eq!(format!("{forecast:?}"), format!("{:?}", of_town(&town, &turned, day(21))));
    // What is known later changes nothing of what was forecast.
    let known: Vec<Fact> =
        town.facts.iter().filter(|fact| fact.recorded <= day(21)).cloned().collect();
    assert_eq!(forecast, of_town(&town, &known, day(21)));
}

#[test]
fn what_is_lost_stays_lost_and_what_is_over_is_certain() {
    let town = Town::new(5);
    let given = Given { facts: &town.facts, lists: &town.lists, field: &town.known };
    let mut lost = Decimal::ZERO;
    for of in [5, 12, 19, 26] {
        let forecast = of_town(&town, &town.facts, day(of));
        assert!(forecast.range.low <= forecast.range.expected, "{forecast:?}");
        assert!(forecast.range.expected <= forecast.range.high, "{forecast:?}");
        for item in &forecast.items {
            assert!(item.lost <= Decimal::ZERO && item.avoidable >= Decimal::ZERO, "{item:?}");
            assert!(item.begin_by.is_none_or(|by| by <= forecast.cut_off), "{item:?}");
        }
        // Cases that were late do not become timely: a deduction never shrinks.
        let feedback = forecast.items.iter().find(|it| it.id == "feedback").unwrap();
        assert!(feedback.lost <= lost, "{feedback:?}");
        lost = feedback.lost;
    }
    let after = day(town::MONTH + 1);
    let forecast = of_town(&town, &town.facts, after);
    let score = given.score(&scheme(), town.month, &Body::City, after);
    assert_eq!(forecast.futures, 1);
    assert_eq!((forecast.today, forecast.avoidable), (score.total, Decimal::ZERO));
    let depends = forecast.items.iter().find(|it| it.depends_on_others).unwrap();
    assert_eq!(depends.id, "interface.available");
    assert_eq!((depends.today, forecast.on_others), (None, Decimal::from(5)));
    assert!(depends.range.is_some(), "the last months' cities stand in");
}

#[test]
fn a_city_without_history_is_told_what_it_has() {
    let (lists, field) = (crate::indicator::lists::Lists::default(), Field::default());
    let given = Given { facts: &[], lists: &lists, field: &field };
    let month = Month::parse("2026-04").unwrap();
    let forecast = forecast_of(given, month, day(3), (1, 5));
    assert_eq!((forecast.days, forecast.range.low), (0, forecast.range.high));
    assert_eq!(forecast.range.expected, forecast.today);
}
