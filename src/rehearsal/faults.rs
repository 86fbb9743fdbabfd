//! The script of faults: what the platform plays before, instead of and after doing its work.
//!
//! A [`Faults`] handle is shared: a test adds plays while the platform runs, proves with
//! [`Faults::played`] that they hit, and lets held answers go. Chance is a function of the seed,
//! the play and how often it was asked, so a run with the same seed and the same requests is the
//! same run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// One fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Refused with this reply code, nothing taken.
    Refuse {
        /// The reply code.
        code: String,
    },
    /// Nothing taken and no answer until the client gives up (at most [`Faults::SILENCE`]).
    Silent,
    /// Taken and committed; the connection closes instead of an answer.
    LoseAnswer,
    /// Taken and committed; no answer until the client gives up.
    LoseAnswerSilently,
    /// Taken and committed; the answer ends in the middle of its body.
    CutBody,
    /// Nothing taken; an HTTP status of the 5xx class with a body that is no reply.
    ServerError {
        /// The status.
        status: u16,
    },
    /// Nothing taken; HTTP 429 with `Retry-After`.
    TooMany {
        /// Whole seconds in `Retry-After`.
        retry_after: Duration,
    },
    /// Taken and answered; the answer's bytes come one by one.
    Slow {
        /// The pause before each byte.
        per_byte: Duration,
    },
    /// Taken and committed; the answer waits for [`Faults::release`].
    Hold,
    /// Every verdict of the reply is in it twice.
    DuplicateVerdicts,
    /// The batch's verdicts become visible later than usual by this much.
    LateVerdicts {
        /// How much later.
        by: Duration,
    },
    /// The batch's rows pass; after this time the same rows fail.
    ContradictVerdicts {
        /// When the second verdict becomes visible after the first.
        after: Duration,
    },
    /// Every verdict of the reply comes after its opposite.
    DoubtVerdicts,
    /// Instead of the reply's first verdict comes one against a row that the batch does not carry.
    ForeignVerdict {
        /// That row's key.
        key: String,
    },
    /// The answer is a receipt, but nothing was stored.
    ReceiptWithoutStoring,
    /// Nothing taken; a reply code that is in no list.
    UnknownCode {
        /// The code.
        code: String,
    },
    /// Taken; the answer has a field that is in no table.
    UnknownField {
        /// Its name.
        name: String,
    },
}

impl Fault {
    /// The word used in scripts and counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refuse { .. } => "refuse",
            Self::Silent => "silent",
            Self::LoseAnswer => "lose-answer",
            Self::LoseAnswerSilently => "lose-answer-silently",
            Self::CutBody => "cut-body",
            Self::ServerError { .. } => "server-error",
            Self::TooMany { .. } => "too-many",
            Self::Slow { .. } => "slow",
            Self::Hold => "hold",
            Self::DuplicateVerdicts => "duplicate-verdicts",
            Self::LateVerdicts { .. } => "late-verdicts",
            Self::ContradictVerdicts { .. } => "contradict-verdicts",
            Self::DoubtVerdicts => "doubt-verdicts",
            Self::ForeignVerdict { .. } => "foreign-verdict",
            Self::ReceiptWithoutStoring => "receipt-without-storing",
            Self::UnknownCode { .. } => "unknown-code",
            Self::UnknownField { .. } => "unknown-field",
        }
    }
}

/// When a fault is played.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Play {
    /// The standard's operation, for example `rows.upsert`; `*` for all, `entry.*` for a kind's.
    pub operation: String,
    /// What is played.
    pub fault: Fault,
    /// How often, in thousandths: 1,000 is always.
    pub per_mille: u32,
    /// Requests that pass before the first.
    pub skip: u64,
    /// How often at most; `None` for as long as the play stands.
    pub times: Option<u64>,
}

impl Play {
    /// Always, from the next request of `operation` on.
    pub fn always(operation: &str, fault: Fault) -> Self {
        Self { operation: operation.to_owned(), fault, per_mille: 1_000, skip: 0, times: None }
    }

    /// The next `times` requests of `operation`.
    pub fn next(operation: &str, times: u64, fault: Fault) -> Self {
        Self { times: Some(times), ..Self::always(operation, fault) }
    }

    fn covers(&self, operation: &str) -> bool {
        match self.operation.strip_suffix('*') {
            Some(start) => operation.starts_with(start),
            None => self.operation == operation,
        }
    }
}

/// What happens to connections, before any request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Line {
    /// Nobody listens: connections are refused.
    pub(super) outage: bool,
    /// Counts releases: an answer held at `n` goes when this is above `n`.
    pub(super) released: u64,
    /// The platform ends.
    pub(super) stopped: bool,
}

#[derive(Debug, Default)]
struct Script {
    seed: u64,
    plays: Vec<Standing>,
    wrong_certificates: u64,
    played: BTreeMap<&'static str, u64>,
    held: u64,
}

#[derive(Debug)]
struct Standing {
    play: Play,
    asked: u64,
    hit: u64,
}

/// The shared handle. Clones are the same script.
#[derive(Clone, Debug)]
pub struct Faults {
    script: Arc<Mutex<Script>>,
    line: watch::Sender<Line>,
}

impl Faults {
    /// The longest a silent answer keeps a connection.
    pub const SILENCE: Duration = Duration::from_secs(600);
    /// The word counted for a connection shown the wrong certificate.
    pub const WRONG_CERTIFICATE: &str = "wrong-certificate";
    /// The word counted for an outage.
    pub const OUTAGE: &str = "outage";

    /// No faults; chances come from `seed`.
    pub fn new(seed: u64) -> Self {
        let script = Script { seed, ..Script::default() };
        Self { script: Arc::new(Mutex::new(script)), line: watch::Sender::new(Line::default()) }
    }

    /// Adds a play; earlier ones are asked first and the first that hits is played.
    pub fn play(&self, play: Play) {
        self.lock().plays.push(Standing { play, asked: 0, hit: 0 });
    }

    /// Ends all plays and the wrong certificate; counters and an outage stay.
    pub fn clear(&self) {
        let mut script = self.lock();
        script.plays.clear();
        script.wrong_certificates = 0;
    }

    /// The next `connections` are shown a certificate nobody trusts.
    pub fn wrong_certificate(&self, connections: u64) {
        self.lock().wrong_certificates = connections;
    }

    /// From now on connections are refused, and open ones are cut.
    pub fn begin_outage(&self) {
        self.count(Self::OUTAGE);
        self.line.send_modify(|line| line.outage = true);
    }

    /// Connections are taken again, on the same port.
    pub fn end_outage(&self) {
        self.line.send_modify(|line| line.outage = false);
    }

    /// Lets every answer go that is held now.
    pub fn release(&self) {
        self.line.send_modify(|line| line.released += 1);
    }

    /// Answers that were held so far, released or not.
    pub fn held(&self) -> u64 {
        self.lock().held
    }

    /// How often this kind of fault was played.
    pub fn played(&self, kind: &str) -> u64 {
        self.lock().played.get(kind).copied().unwrap_or(0)
    }

    /// Everything that was played, by kind.
    pub fn all_played(&self) -> BTreeMap<&'static str, u64> {
        self.lock().played.clone()
    }

    /// The fault for this request of `operation`, counted as played.
    pub(super) fn draw(&self, operation: &str) -> Option<Fault> {
        let mut script = self.lock();
        let seed = script.seed;
        let mut drawn = None;
        for (index, standing) in script.plays.iter_mut().enumerate() {
            if !standing.play.covers(operation) {
                continue;
            }
            standing.asked += 1;
            let spent = standing.play.times.is_some_and(|times| standing.hit >= times);
            if spent || standing.asked <= standing.play.skip {
                continue;
            }
            if chance(seed, index, standing.asked) < u64::from(standing.play.per_mille) {
                standing.hit += 1;
                drawn = Some(standing.play.fault.clone());
                break;
            }
        }
        if let Some(fault) = &drawn {
            *script.played.entry(fault.kind()).or_default() += 1;
        }
        drawn
    }

    /// Whether this connection is shown the wrong certificate.
    pub(super) fn draw_certificate(&self) -> bool {
        let mut script = self.lock();
        if script.wrong_certificates == 0 {
            return false;
        }
        script.wrong_certificates -= 1;
        *script.played.entry(Self::WRONG_CERTIFICATE).or_default() += 1;
        true
    }

    pub(super) fn count_held(&self) {
        self.lock().held += 1;
    }

    pub(super) fn line(&self) -> watch::Receiver<Line> {
        self.line.subscribe()
    }

    pub(super) fn stop(&self) {
        self.line.send_modify(|line| line.stopped = true);
    }

    fn count(&self, kind: &'static str) {
        *self.lock().played.entry(kind).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number below 1,000 that depends on nothing but its arguments (splitmix64).
fn chance(seed: u64, play: usize, asked: u64) -> u64 {
    let play = u64::try_from(play).unwrap_or(u64::MAX);
    let mut mixed = seed ^ play.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ asked.rotate_left(32);
    mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_play_hits_as_often_as_it_says_and_only_its_operation() {
        let faults = Faults::new(1);
        faults.play(Play { skip: 1, ..Play::next("rows.*", 2, Fault::LoseAnswer) });
        let drawn: Vec<bool> = (0..5).map(|_| faults.draw("rows.upsert").is_some()).collect();
        assert_eq!(drawn, [false, true, true, false, false]);
        assert_eq!(faults.draw("entry.register"), None);
        assert_eq!(faults.played("lose-answer"), 2);
    }

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let draws = |seed| {
            let faults = Faults::new(seed);
            faults.play(Play { per_mille: 300, ..Play::always("*", Fault::CutBody) });
            (0..1_000).map(|_| faults.draw("x").is_some()).collect::<Vec<_>>()
        };
        let first = draws(7);
        assert_eq!(first, draws(7));
        assert_ne!(first, draws(8));
        let hits = first.iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&hits), "{hits} of 1,000 at 300 per mille");
    }

    #[test]
    fn the_wrong_certificate_is_shown_as_often_as_asked() {
        let faults = Faults::new(1);
        faults.wrong_certificate(1);
        assert!(faults.draw_certificate());
        assert!(!faults.draw_certificate());
        assert_eq!(faults.played(Faults::WRONG_CERTIFICATE), 1);
    }
}
