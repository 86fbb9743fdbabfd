//! How many requests may be in flight to a platform at once, learned from its answers.
//!
//! Between one and the most that a city or its standard allows. Three things are listened to:
//!
//! * **Refusals** (429, 503 and codes that a standard says to repeat). Of what is refused beside
//!   others in flight, those others are what fits: the limit falls to their number at once, and
//!   grows no further until [`PROBE`] answers came without a refusal. Then one more is tried, so
//!   that less than one request in a hundred is refused for the sake of learning.
//! * **Latency**. What an answer takes beyond the shortest for a payload of its size was spent in
//!   the platform's own queue. A share of up to a quarter of what is in flight lets the limit grow,
//!   more than half lets it fall: a longer queue there makes nothing faster, and the live lane
//!   would wait in it.
//! * **Silence**. Nobody answers: the limit is halved, and grows by half a round once somebody does.
//!
//! `Retry-After` for a second subject, with nothing taken since the first, is meant for all: until
//! then nothing goes. Said of one subject alone it is its batches' own, and stops nobody else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::Outcome;
use crate::province::Reply;

/// Answers without a refusal before one more is tried than was refused.
const PROBE: u32 = 140;
/// Sizes of payloads, by their doubling, each with its own shortest time.
const SIZES: usize = 32;
/// The shortest time is that of the last one to two of these. Each begins with half of the limit where
/// that is more than [`FIRST`], so that our own queue is not taken for the platform's pace.
const WINDOW: Duration = Duration::from_secs(60);
/// What it begins with, where so many are allowed.
const FIRST: usize = 4;
/// No platform's word keeps everything back for longer.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// What an answer says of the platform's room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Heard<'a> {
    /// It was dealt with, whatever was said of it.
    Dealt {
        /// From the first byte to the whole answer.
        took: Duration,
        /// Bytes of its payload.
        bytes: u64,
    },
    /// It was turned away for now.
    Refused {
        /// How long to wait, where that was said.
        after: Option<Duration>,
        /// The name of the dataset or object that it was about.
        subject: &'a str,
    },
    /// Nothing came back.
    Silence,
}

/// The shortest times of this window and of the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Shortest {
    here: Option<Duration>,
    before: Option<Duration>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Throttle {
    most: f64,
    limit: f64,
    in_flight: usize,
    /// So many were too many once.
    full: Option<usize>,
    /// Answers since the last refusal.
    calm: u32,
    /// The limit grows by half with each round of answers, not by one.
    is_fast: bool,
    /// One more than was refused is in flight, and not answered yet.
    is_probing: bool,
    /// Who was told to wait since anything was dealt with.
    told_to_wait: Option<String>,
    closed_until: Timestamp,
    shortest: [Shortest; SIZES],
    window_ends: Timestamp,
}

impl Throttle {
    /// For at most so many. It begins with a few and grows fast.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most: as_number(most),
            limit: as_number(most.min(FIRST)),
            in_flight: 0,
            full: None,
            calm: 0,
            is_fast: true,
            is_probing: false,
            told_to_wait: None,
            closed_until: Timestamp::MIN,
            shortest: [Shortest::default(); SIZES],
            window_ends: Timestamp::MIN,
        }
    }

    /// How many may be in flight, at least one.
    #[expect(clippy::cast_possible_truncation, reason = "between one and the most")]
    #[expect(clippy::cast_sign_loss, reason = "between one and the most")]
    pub(super) fn allowed(&self) -> usize {
        (self.limit as usize).max(1)
    }

    /// Until when nothing may go; in the past as a rule.
    pub(super) fn closed_until(&self) -> Timestamp {
        self.closed_until
    }

    /// A request leaves.
    fn begun(&mut self) {
        self.in_flight += 1;
    }

    /// A request of those that left is over, whatever came of it.
    fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// An answer came, or none will. To be told before the request is [`ended`](Self::ended).
    fn heard(&mut self, now: Timestamp, heard: Heard<'_>) {
        match heard {
            Heard::Dealt { took, bytes } => self.dealt(now, took, bytes),
            Heard::Refused { after, subject } => self.refused(now, after, subject),
            Heard::Silence => {
                (self.calm, self.is_fast) = (0, true);
                self.limit = (self.limit / 2.0).max(1.0);
            }
        }
    }

    fn dealt(&mut self, now: Timestamp, took: Duration, bytes: u64) {
        self.told_to_wait = None;
        self.calm = self.calm.saturating_add(1);
        let queued = self.queued(now, took, bytes);
        if queued > (self.limit / 2.0).max(4.0) {
            self.is_fast = false;
            self.limit = (self.limit - 1.0 / self.limit).max(1.0);
            return;
        }
        // What was never used up says nothing of more.
        let is_used = self.in_flight >= self.allowed();
        if !is_used || queued > (self.limit / 4.0).max(2.0) {
            return;
        }
        let round = u32::try_from(self.allowed()).unwrap_or(u32::MAX);
        if self.is_probing && self.calm < round {
            return;
        }
        // One more was not refused for a round: from here on it grows fast.
        if std::mem::take(&mut self.is_probing) {
            self.is_fast = true;
        }
        if self.full.is_some() && self.calm >= PROBE {
            (self.full, self.calm, self.is_probing) = (None, 0, true);
            self.limit = (self.limit.floor() + 1.0).min(self.most);
            return;
        }
        let end = self.full.map_or(self.most, |full| as_number(full) - 1.0).min(self.most);
        let step = if self.is_fast { 0.5 } else { 1.0 / self.limit };
        self.limit = self.limit.max((self.limit + step).min(end));
    }

    fn refused(&mut self, now: Timestamp, after: Option<Duration>, subject: &str) {
        self.full = Some(self.in_flight.max(2));
        (self.calm, self.is_fast, self.is_probing) = (0, false, false);
        let others = as_number(self.in_flight.saturating_sub(1));
        self.limit = self.limit.min(others).max(1.0);
        let Some(after) = after else { return };
        let before = self.told_to_wait.get_or_insert_with(|| subject.to_owned());
        if before != subject {
            let until = now.saturating_add(after.min(LONGEST_PAUSE)).unwrap_or(now);
            self.closed_until = self.closed_until.max(until);
        }
    }

    /// Of what is in flight, how many wait there as far as one answer tells.
    fn queued(&mut self, now: Timestamp, took: Duration, bytes: u64) -> f64 {
        if now >= self.window_ends {
            let first = as_number(FIRST);
            if self.limit > first {
                (self.limit, self.is_fast) = ((self.limit / 2.0).max(first), true);
            }
            self.window_ends = now.saturating_add(WINDOW).unwrap_or(now);
            for it in &mut self.shortest {
                *it = Shortest { here: None, before: it.here };
            }
        }
        let size = usize::try_from(bytes.checked_ilog2().unwrap_or(0)).unwrap_or(SIZES);
        let Some(known) = self.shortest.get_mut(size.min(SIZES - 1)) else { return 0.0 };
        known.here = Some(known.here.map_or(took, |it| it.min(took)));
        let shortest = known.before.into_iter().chain(known.here).min().unwrap_or(took);
        if took.is_zero() {
            return 0.0;
        }
        as_number(self.in_flight) * (1.0 - shortest.as_secs_f64() / took.as_secs_f64())
    }
}

/// A request's place among those in flight, given up when dropped.
pub(super) struct InFlight<'a>(&'a Mutex<Throttle>);

impl<'a> InFlight<'a> {
    /// A request leaves.
    pub(super) fn begun(throttle: &'a Mutex<Throttle>) -> Self {
        throttle.lock().unwrap_or_else(PoisonError::into_inner).begun();
        Self(throttle)
    }

    /// How many may be in flight now that this was heard.
    pub(super) fn heard(&self, now: Timestamp, heard: Heard<'_>) -> usize {
        let mut throttle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.heard(now, heard);
        throttle.allowed()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ended();
    }
}

/// What a reply says of the platform's room.
pub(super) fn heard<'a>(
    reply: &Reply,
    took: Duration,
    (bytes, subject): (u64, &'a str),
) -> Heard<'a> {
    if reply.status.is_none() {
        return Heard::Silence;
    }
    if let Outcome::Retry { after, .. } = reply.reading.outcome {
        return Heard::Refused { after, subject };
    }
    Heard::Dealt { took, bytes }
}

/// Requests in flight: few.
fn as_number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
