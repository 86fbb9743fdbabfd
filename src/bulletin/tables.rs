//! Facts all in memory, counted: months before the ledger, worked examples, tests.

use jiff::Timestamp;

use super::carried::Carried;
use super::period::Look;
use super::report::{Counted, Ground, Looks, SEED, span};
use crate::fact::Fact;
use crate::indicator::forecast::{Habits, forecast};
use crate::indicator::recover::{Plan, recover};
use crate::indicator::replay::Given;
use crate::indicator::tally::{Body, Tally, amended};
use crate::indicator::terms::Terms;

/// Counts facts for every look, as known by some time.
pub fn count<'t>(
    ground: Ground<'t>,
    looks: &Looks,
    facts: &[Fact],
    known_by: Timestamp,
) -> Counted<'t> {
    let amended = amended(facts, known_by);
    let terms = Terms::of(facts, known_by);
    let tally = |look: &Look| {
        let span = span(ground.scheme, *look, known_by);
        let mut tally = Tally::new(terms.keep(ground.lists, span.to), span, &amended);
        facts.iter().for_each(|fact| tally.add(fact));
        (*look, tally)
    };
    let (from, to) = match (looks.now.first(), looks.now.last()) {
        (Some(first), Some(last)) => (first.from, last.to),
        (None, _) | (_, None) => (Timestamp::MIN, Timestamp::MIN),
    };
    let mut carried = Carried::new(from, to, known_by);
    facts.iter().for_each(|fact| carried.add(fact, &amended));
    let given = Given { facts, lists: ground.lists, field: ground.field };
    let plan = looks.now.last().map_or_else(nothing, |look| {
        recover(given, ground.scheme, look.month, &Body::City, look.to)
    });
    let at = looks.now.last().map_or(Timestamp::MIN, |look| look.to);
    let forecast = looks.now.last().and_then(|look| {
        let tally = given.tally(ground.scheme, look.month, look.to);
        let learn = || Habits::learn(facts, tally.lists(), look.to);
        (look.to < tally.span().to)
            .then(|| forecast(&tally, &learn(), ground.scheme, &Body::City, ground.field, SEED))
    });
    Counted {
        now: looks.now.iter().map(tally).collect(),
        before: looks.before.iter().map(tally).collect(),
        plan,
        carried,
        loosened: terms.changes(at),
        forecast,
    }
}

fn nothing() -> Plan {
    Plan::default()
}
