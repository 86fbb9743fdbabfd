//! What a configuration says that only the files and sources it names can contradict.

use std::sync::Arc;

use crate::city::Source;
use crate::clock::Clock;
use crate::config::{Configuration, Problem};
use crate::province::Way;
use crate::supervisor::Supervisor;
use crate::telemetry::logs::Chain;

/// Every problem of a configuration: `problems` are those that it shows by itself, and those that
/// only the world shows come behind them, none twice.
pub async fn with_the_world(
    configuration: &Configuration,
    mut problems: Vec<Problem>,
    clock: &Clock,
) -> Vec<Problem> {
    let found = prove(configuration, clock).await;
    // A source whose file is missing was told of as such, not once more for each of its datasets.
    let told = |it: &Problem| problems.iter().any(|told| it.message.contains(&told.message));
    let found: Vec<Problem> = found.into_iter().filter(|it| !told(it)).collect();
    problems.extend(found);
    problems
}

/// Reads every channel's secrets and asks every source whether it has what the datasets declare.
///
/// Every problem at once. A source that cannot be reached is none: it may be there tomorrow, and it
/// stops nobody else.
pub async fn prove(configuration: &Configuration, clock: &Clock) -> Vec<Problem> {
    let mut problems = Vec::new();
    for channel in &configuration.channels {
        let settings = channel.settings.province.clone();
        if let Err(error) = Way::new(settings, Arc::clone(&channel.standard), clock.clone()) {
            let place = format!("channel.{}.province", channel.settings.id);
            problems.push(Problem::new(&place, &Chain(&error).to_string()));
        }
    }
    let supervisor = Supervisor::new(clock.clone(), 2);
    let pool = super::pool::CityPool::shared(supervisor.clone());
    for it in &configuration.datasets {
        let Some(settings) =
            configuration.sources.iter().find(|source| source.id() == it.dataset.source)
        else {
            continue;
        };
        let source = Source::open(settings.clone(), Arc::clone(&pool));
        match source.probe(&it.dataset).await {
            Ok(found) => problems
                .extend(found.iter().map(|found| Problem::new(&found.place, &found.message))),
            Err(error) if error.is_permanent() => {
                let place = format!("dataset.{}", it.dataset.id);
                problems.push(Problem::new(&place, &Chain(&error).to_string()));
            }
            Err(error) => tracing::warn!(
                dataset = it.dataset.id, error = %Chain(&error), "the source cannot be asked",
            ),
        }
    }
    problems
}
