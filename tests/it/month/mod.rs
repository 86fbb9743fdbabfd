//! The first month of a city (第一个月): it watches, takes over what other tools have registered,
//! goes live, and carries rows day by day over channels that prove differently much, while every
//! program of it is killed at moments that a seed chose. At the end nothing is registered twice,
//! every row is above once, and every figure stands under its grade.
//!
//! A day is a round of work, not a date: the real program has the machine's clock. `SEED=` repeats
//! the choices; `CASCADED_BINARY=` has another build of the program do it, the packaged one for
//! instance (`tests/packages`), and `CASCADED_MONTH_ENTRIES=10000` makes the catalogue that of a whole
//! city, which takes minutes.

mod keeper;
mod outcome;
mod outer;
mod people;
mod place;

use std::collections::BTreeMap;

use people::Month;

/// Days on which people work: those of a month, holidays left out.
const DAYS: u64 = 20;
/// The least number of kills of the city's program, of the counties' together, and of the one beyond
/// the gap.
const KILLS: [u64; 3] = [24, 10, 6];

#[test]
fn a_first_month_registers_nothing_twice_and_every_figure_stands_under_its_grade() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut month = runtime.block_on(Month::new());
    month.watches();
    month.begins_a_takeover();
    month.registers_nothing_before_the_report_is_accepted();
    month.decides_and_accepts();
    let mut day = 0;
    // What chance left for later comes on further days.
    while day < DAYS || month.kills_to_come() > 0 {
        day += 1;
        month.day(day);
        assert!(day < 10 * DAYS, "the moments of some kills never come");
    }
    let kills = month.kills();
    assert!(kills.iter().zip(KILLS).all(|(times, least)| *times >= least), "{kills:?}");
    let seen = month.ends();
    println!(
        "{day} days, {kills:?} kills of the city's program, the counties' and the one beyond the gap; {seen}"
    );
    runtime.block_on(month.closes());
}

/// What a row is now, by its key.
type Rows = BTreeMap<String, Option<String>>;
