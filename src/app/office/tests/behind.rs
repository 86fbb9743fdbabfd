//! How far what is shown is behind the facts: told by the clock that the tasks go by.

use super::*;
use crate::app::doors;
use crate::app::judge::live;
use crate::fact::Kind;
use crate::ledger::NewFact;

const SHOWN: &str = "cascade_score_measure{measure=\"receipt.passed_rate\"} ";

/// The daemon's own tasks: the one that keeps the score, and the one that shows it.
struct Tasks<'b> {
    bench: &'b Bench,
    both: BoxFuture<'b, ()>,
}

impl<'b> Tasks<'b> {
    fn start(bench: &'b Bench) -> Self {
        let (crew, current) = (bench.app.crew.clone(), Arc::clone(&bench.app.current));
        let score = live::serve(crew, current, Arc::clone(&bench.app.live));
        let doors = doors::refreshing(&bench.office, &bench.clock);
        let both = async move {
            let (ended, ()) = tokio::join!(score, doors);
            panic!("{ended:?}");
        };
        Self { bench, both: Box::pin(both) }
    }

    /// Lets them go on at this instant until something is so.
    async fn until(&mut self, is_so: impl Fn(&Bench) -> bool) {
        while !is_so(self.bench) {
            tokio::select! {
                () = &mut self.both => panic!("they ended"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
}

/// The rate of passed verdicts as `/metrics` has it.
fn shown(bench: &Bench) -> Option<String> {
    bench.office.metrics().lines().find_map(|it| it.strip_prefix(SHOWN).map(str::to_owned))
}

/// The score was looked at at this instant.
fn is_scored(bench: &Bench) -> bool {
    bench.app.live.shown().is_some_and(|shown| shown.at == bench.clock.now())
}

/// What is shown was taken at this instant.
fn is_taken(bench: &Bench) -> bool {
    bench.office.last.load().as_ref().is_some_and(|known| known.at == bench.clock.now())
}

#[tokio::test]
async fn the_score_that_is_shown_is_at_most_five_seconds_behind_its_facts() {
    let bench = score::bench().await;
    let mut tasks = Tasks::start(&bench);
    tasks.until(is_scored).await;
    bench.clock.advance(doors::LOOK_EVERY);
    tasks.until(is_taken).await;
    bench.clock.advance(doors::LOOK_EVERY);
    tasks.until(|bench| is_scored(bench) && is_taken(bench)).await;
    assert_eq!(shown(&bench), None);
    for ((passed, failed), rate) in [((1, 0), "1"), ((0, 1), "0.5"), ((2, 0), "0.75")] {
        // Both have just looked: the worst moment for a fact to come.
        let fact = NewFact {
            channel: None,
            subject: "d-one".to_owned(),
            kind: Kind::Verdict { passed, failed },
            occurred: bench.clock.now(),
            amends: None,
        };
        let written = bench.clock.now();
        bench.ledger().facts_recorded(vec![fact]).await.unwrap();
        let before = shown(&bench);
        bench.clock.advance(live::LOOK_EVERY);
        tasks.until(|bench| is_scored(bench) && is_taken(bench)).await;
        bench.clock.advance(doors::LOOK_EVERY);
        tasks.until(is_taken).await;
        assert_ne!(before.as_deref(), Some(rate), "it was not there before");
        assert_eq!(shown(&bench).as_deref(), Some(rate));
        let behind = bench.clock.now().duration_since(written).unsigned_abs();
        assert!(behind <= live::MOST_BEHIND && live::MOST_BEHIND == Duration::from_secs(5));
        bench.clock.advance(doors::LOOK_EVERY);
        tasks.until(|bench| is_scored(bench) && is_taken(bench)).await;
    }
}
