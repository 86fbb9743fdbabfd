//! The throttle against a model of a platform, in simulated time. The platform is a model: so many
//! places that each take a while, and either a queue without end or a refusal where none is free.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use proptest::prelude::*;

use super::*;

/// Simulated microseconds.
type Micros = u64;

const SECOND: Micros = 1_000_000;
/// Capacity changes at these times; what is carried counts from 30 seconds after.
const HALVED: Micros = 120 * SECOND;
const DOUBLED: Micros = 240 * SECOND;
const END: Micros = 360 * SECOND;
const LEARNING: Micros = 30 * SECOND;

#[derive(Clone, Copy, Debug)]
struct Model {
    places: usize,
    /// One request's own time.
    takes: Micros,
    /// Of it, what chance adds at most, in percent.
    jitter: u64,
    /// Who finds no place waits there; otherwise it is refused.
    queues: bool,
}

/// Who says how many may be in flight.
enum Limit {
    Fixed(usize),
    Learned(Box<Throttle>),
}

impl Limit {
    fn allowed(&self) -> usize {
        match self {
            Self::Fixed(limit) => *limit,
            Self::Learned(throttle) => throttle.allowed(),
        }
    }
}

#[derive(Debug, Default)]
struct Carried {
    /// After the halving and after the doubling, each once it was learned.
    done: [u64; 2],
    sent: u64,
    refused: u64,
}

fn play(model: Model, limit: &mut Limit, seed: u64) -> Carried {
    let (mut carried, mut now, mut in_flight, mut busy) = (Carried::default(), 0, 0, 0_usize);
    let mut answers: BinaryHeap<Reverse<(Micros, u64, bool, Micros)>> = BinaryHeap::new();
    let mut queue: VecDeque<(u64, Micros)> = VecDeque::new();
    let (mut number, mut chance) = (0_u64, seed);
    while now < END {
        let places = if (HALVED..DOUBLED).contains(&now) { model.places / 2 } else { model.places };
        let mut takes = || {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            model.takes + model.takes * model.jitter * (chance >> 33) / (100 << 31)
        };
        while busy < places
            && let Some((number, left)) = queue.pop_front()
        {
            busy += 1;
            answers.push(Reverse((now + takes(), number, true, left)));
        }
        while in_flight < limit.allowed() {
            (in_flight, number, carried.sent) = (in_flight + 1, number + 1, carried.sent + 1);
            if let Limit::Learned(throttle) = limit {
                throttle.begun();
            }
            if busy < places {
                busy += 1;
                answers.push(Reverse((now + takes(), number, true, now)));
            } else if model.queues {
                queue.push_back((number, now));
            } else {
                answers.push(Reverse((now + 1_000, number, false, now)));
            }
        }
        let Some(Reverse((at, _, is_done, left))) = answers.pop() else { break };
        (now, in_flight) = (at, in_flight - 1);
        let heard = if is_done {
            busy -= 1;
            for (period, begun) in carried.done.iter_mut().zip([HALVED, DOUBLED]) {
                if (begun + LEARNING..begun + (DOUBLED - HALVED)).contains(&now) {
                    *period += 1;
                }
            }
            Heard::Dealt { took: Duration::from_micros(now - left), bytes: 4096 }
        } else {
            carried.refused += 1;
            Heard::Refused { after: None, subject: "dataset" }
        };
        if let Limit::Learned(throttle) = limit {
            let at = Timestamp::from_microsecond(i64::try_from(now).unwrap()).unwrap();
            throttle.heard(at, heard);
            throttle.ended();
        }
    }
    carried
}

/// At least nine tenths of the best fixed limit from 30 seconds after the capacity halved and after
/// it doubled again, and at most one request of a hundred refused.
#[test]
fn it_carries_nine_tenths_of_the_best_fixed_limit_half_a_minute_after_a_change() {
    let mut judged = 0;
    for (places, most) in [(2, 4), (4, 4), (4, 16), (8, 16), (16, 64), (32, 64)] {
        for takes in [5_000, 50_000, 500_000] {
            // More answers than a test has time for, and no other course of things.
            if places > 4 && takes == 5_000 {
                continue;
            }
            for (jitter, queues) in [(0, false), (40, false), (0, true), (40, true)] {
                let model = Model { places, takes, jitter, queues };
                // Where refusals are the only sign, learning takes a hundred answers for each that
                // may be refused: less than eight answers a second are too few for half a minute.
                let half = u64::try_from(places / 2).unwrap();
                if !queues && half * SECOND / takes < 8 {
                    continue;
                }
                let fixed = |limit| play(model, &mut Limit::Fixed(limit), 7).done;
                // Beyond the places nothing is gained, and where more is refused nothing but
                // refusals: the best of both periods is among these.
                let limits = [places / 2, places, if queues { most } else { places }];
                let tried = limits.map(fixed);
                let throttle = Box::new(Throttle::new(most));
                let learned = play(model, &mut Limit::Learned(throttle), 7);
                for period in 0..2 {
                    let best = tried.iter().map(|done| done[period]).max().unwrap();
                    let own = learned.done[period];
                    assert!(own * 10 >= best * 9, "{model:?} {most} {period}: {own} of {best}");
                }
                let share = learned.refused * 100 <= learned.sent;
                assert!(share, "{model:?} {most}: {} of {}", learned.refused, learned.sent);
                judged += 1;
            }
        }
    }
    assert_eq!(judged, 54);
}

/// A long queue there would hold the live lane back.
#[test]
fn it_keeps_no_long_queue_at_the_platform() {
    let model = Model { places: 4, takes: 50_000, jitter: 0, queues: true };
    let mut limit = Limit::Learned(Box::new(Throttle::new(64)));
    play(model, &mut limit, 1);
    assert!((4..=12).contains(&limit.allowed()), "{}", limit.allowed());
}

fn dealt() -> Heard<'static> {
    Heard::Dealt { took: Duration::from_millis(50), bytes: 100 }
}

#[test]
fn after_an_outage_it_is_as_wide_as_before_within_a_few_answers() {
    let mut throttle = Throttle::new(16);
    let now = Timestamp::UNIX_EPOCH;
    throttle.limit = 16.0;
    for _ in 0..100 {
        throttle.begun();
        throttle.heard(now, Heard::Silence);
        throttle.ended();
    }
    assert_eq!(throttle.allowed(), 1);
    for _ in 0..30 {
        while throttle.in_flight < throttle.allowed() {
            throttle.begun();
        }
        throttle.heard(now, dealt());
        throttle.ended();
    }
    assert_eq!(throttle.allowed(), 16);
}

#[test]
fn a_word_to_wait_is_for_all_once_a_second_subject_is_told() {
    let (mut throttle, now) = (Throttle::new(4), Timestamp::UNIX_EPOCH);
    let wait = |subject| Heard::Refused { after: Some(Duration::from_secs(90)), subject };
    // One dataset's own quota stops nobody else, however often it is told.
    (0..5).for_each(|_| throttle.heard(now, wait("one")));
    // What was told before anything was dealt with again does not count.
    throttle.heard(now, dealt());
    throttle.heard(now, wait("other"));
    assert!(throttle.closed_until() < now);
    throttle.heard(now, wait("one"));
    assert_eq!(throttle.closed_until(), now + Duration::from_secs(90));
    let never = Heard::Refused { after: Some(Duration::from_hours(1_000_000)), subject: "one" };
    throttle.heard(now, never);
    assert_eq!(throttle.closed_until(), now + LONGEST_PAUSE);
}

fn any_heard() -> impl Strategy<Value = Heard<'static>> {
    prop_oneof![
        (any::<u64>(), any::<u64>())
            .prop_map(|(took, bytes)| { Heard::Dealt { took: Duration::from_nanos(took), bytes } }),
        (any::<Option<u64>>(), any::<bool>()).prop_map(|(after, first)| Heard::Refused {
            after: after.map(Duration::from_secs),
            subject: if first { "one" } else { "other" },
        }),
        Just(Heard::Silence),
    ]
}

proptest! {
    #[test]
    fn there_is_always_one_and_never_more_than_allowed(
        most in 0_usize..300,
        heard in proptest::collection::vec((any::<bool>(), any_heard()), 0..400),
    ) {
        let mut throttle = Throttle::new(most);
        for (second, (begins, heard)) in heard.into_iter().enumerate() {
            if begins {
                throttle.begun();
            }
            let now = Timestamp::from_second(i64::try_from(second).unwrap()).unwrap();
            throttle.heard(now, heard);
            throttle.ended();
            prop_assert!((1..=most.max(1)).contains(&throttle.allowed()));
        }
    }
}
