//! Who is alive: every stage's own beat, and what the watchdog is told of it.

use std::sync::atomic::Ordering;

use super::*;

/// A stage whose step never ends.
struct Stuck {
    heart: crate::supervisor::Heart,
    begun: Signal,
}

impl cascade::Stage for Stuck {
    async fn step(&mut self) -> Result<cascade::Progress, cascade::Error> {
        self.begun.raise();
        std::future::pending().await
    }

    fn heart(&self) -> &crate::supervisor::Heart {
        &self.heart
    }

    fn signal(&self) -> Signal {
        Signal::default()
    }

    async fn failed(&mut self, _error: &cascade::Error) -> Option<Duration> {
        None
    }
}

#[tokio::test]
async fn a_stage_that_hangs_is_named_and_the_watchdog_is_fed_no_more() {
    let bench = Bench::start().await;
    let supervisor = &bench.app.supervisor;
    let begun = Signal::default();
    let stage = Stuck { heart: supervisor.heart("settle province"), begun: begun.clone() };
    let task = cascade::run(stage, supervisor.clone());
    supervisor.spawn("settle province", crate::supervisor::StopPolicy::Abort, task);
    begun.raised().await;
    bench.office.refresh().await;
    let fed = std::sync::atomic::AtomicU32::new(0);
    let pause = Duration::from_secs(5);
    let feeding = crate::app::notify::feed(
        supervisor,
        pause,
        || Health::not_alive(&bench.office).is_empty(),
        || {
            fed.fetch_add(1, Ordering::Relaxed);
        },
    );
    tokio::pin!(feeding);
    let mut tick = async |by: Duration| {
        bench.clock.advance(by);
        bench.office.refresh().await;
        // Polled until it waits for the next tick.
        for _ in 0..3 {
            let once = std::future::poll_fn(|context| {
                std::task::Poll::Ready(feeding.as_mut().poll(context).is_pending())
            });
            assert!(once.await);
        }
        fed.load(Ordering::Relaxed)
    };
    assert!(tick(pause).await > 0, "it lives");
    let before = tick(pause).await;
    assert!(tick(SILENCE).await <= before + 1);
    let said = Health::not_alive(&bench.office);
    assert!(said[0].starts_with("stage-silent: settle province was last heard"), "{said:?}");
    let starved = tick(pause).await;
    assert_eq!(tick(pause).await, starved, "a hung stage is not hidden from the watchdog");
}
