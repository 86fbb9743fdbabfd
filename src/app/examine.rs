//! What `doctor` looks at in the world: sources, channels, clock, disk.

use std::sync::Arc;

use super::Found;
use crate::city::Source;
use crate::clock::Clock;
use crate::config::{Channel, Configuration};
use crate::delivery::Outcome;
use crate::province::Way;
use crate::standard::Scope;
use crate::supervisor::Supervisor;
use crate::telemetry::logs::Chain;

/// Asks every source and every channel something harmless.
pub(super) async fn examine(configuration: &Configuration, clock: &Clock) -> Vec<Found> {
    let supervisor = Supervisor::new(clock.clone(), 2);
    let pool = super::pool::CityPool::shared(supervisor);
    let mut found = Vec::new();
    for it in &configuration.datasets {
        let settings = configuration.sources.iter().find(|it2| it2.id() == it.dataset.source);
        let Some(settings) = settings else { continue };
        let source = Source::open(settings.clone(), Arc::clone(&pool));
        let what = format!("dataset {} in source {}", it.dataset.id, settings.id());
        found.push(match source.probe(&it.dataset).await {
            Ok(_) => Found { what, ok: true, advice: None },
            Err(error) => Found {
                what: format!("{what}: {}", Chain(&error)),
                ok: false,
                advice: Some("check address, credentials and rights of the source".to_owned()),
            },
        });
    }
    for channel in &configuration.channels {
        found.push(reach(channel, clock).await);
    }
    found
}

/// The first operation that can be asked without an object: a heartbeat, or an inventory.
async fn reach(channel: &Channel, clock: &Clock) -> Found {
    let what = format!("channel {} at {}", channel.settings.id, channel.settings.province.url);
    let lacking =
        |what: String, advice: &str| Found { what, ok: false, advice: Some(advice.to_owned()) };
    let standard = Arc::clone(&channel.standard);
    let client =
        match Way::new(channel.settings.province.clone(), Arc::clone(&standard), clock.clone()) {
            Ok(client) => client,
            Err(error) => {
                return lacking(format!("{what}: {}", Chain(&error)), "mend the channel's files");
            }
        };
    let asked = ["heartbeat", "inventory.datasets"]
        .into_iter()
        .find_map(|name| Some((name, standard.build(name, &Scope::default()).ok()?)));
    let Some((operation, message)) = asked else {
        return Found {
            what: format!("{what}: cannot be asked harmlessly"),
            ok: true,
            advice: None,
        };
    };
    let reply = client.collect(operation, &message, "", None, None).await;
    if client.is_clock_off(&reply) {
        let ahead = reply.clock_ahead.map_or(0.0, |ahead| ahead.as_secs_f64());
        return lacking(format!("{what}: its clock is {ahead:.0} s ahead of ours"), "check NTP");
    }
    match reply.reading.outcome {
        Outcome::Accepted { .. } | Outcome::Exists { .. } => Found { what, ok: true, advice: None },
        Outcome::Auth { code } => {
            lacking(format!("{what}: credentials refused ({code})"), "check the credential files")
        }
        Outcome::Retry { code, .. } | Outcome::Unknown { code } => {
            lacking(format!("{what}: {code}"), "check network, proxy, certificates and address")
        }
        Outcome::Refused { code, .. } | Outcome::Unlisted { code } => {
            lacking(format!("{what}: answered {code}"), "compare the standard with the platform")
        }
    }
}
