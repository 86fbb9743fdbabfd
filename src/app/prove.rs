//! What a configuration says that only the files and sources it names can contradict.

use std::sync::Arc;

use crate::city::Source;
use crate::clock::Clock;
use crate::config::{Configuration, Problem};
use crate::control::webhook::Sender;
use crate::probe;
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
        problems.extend(candidate(configuration, channel, clock));
    }
    let told = configuration.notify.as_ref().map(Sender::new);
    if let Some(Err(error)) = told {
        problems.push(Problem::new("notify", &Chain(&error).to_string()));
    }
    for (id, error) in probe::callers(&configuration.probes).err().unwrap_or_default() {
        problems.push(Problem::new(&format!("probe.{id}"), &Chain(&error).to_string()));
    }
    let taken = configuration.intake.as_ref().map(crate::intake::examine).unwrap_or_default();
    for found in taken {
        problems.push(Problem::new(&format!("intake.{}", found.place), &found.message));
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

/// The secrets of the standard that is prepared for a channel, and of its test platform.
fn candidate(
    configuration: &Configuration,
    channel: &crate::config::Channel,
    clock: &Clock,
) -> Vec<Problem> {
    let Some(candidate) = &channel.written.candidate else { return Vec::new() };
    let Some(standard) = configuration.standards.get(&candidate.standard) else {
        return Vec::new();
    };
    let ways = [("province", &candidate.province), ("test", &candidate.test)];
    let ways = ways.into_iter().filter_map(|(name, way)| Some((name, way.as_ref()?)));
    ways.filter_map(|(name, way)| {
        let error = Way::new(way.clone(), Arc::clone(standard), clock.clone()).err()?;
        let place = format!("channel.{}.candidate.{name}", channel.settings.id);
        Some(Problem::new(&place, &Chain(&error).to_string()))
    })
    .collect()
}
