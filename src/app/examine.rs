//! What `doctor` looks at in the world: sources, channels and their clocks, secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::Found;
use crate::city::{Source, SourceSettings};
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
    found.extend(secrets(configuration));
    found
}

/// Every secret that the configuration names, and who may read it. One that others can read, or
/// that is missing, is a problem of the configuration and told as such.
fn secrets(configuration: &Configuration) -> Vec<Found> {
    let mut files = vec![("ledger.key_file".to_owned(), &configuration.ledger.key_file)];
    for channel in &configuration.channels {
        let (id, province) = (&channel.settings.id, &channel.settings.province);
        let place = |name: &str| format!("channel.{id}.province.{name}");
        let named = province.credentials.iter();
        files.extend(named.map(|(name, path)| (place(&format!("credentials.{name}")), path)));
        files.extend(province.client_key_file.iter().map(|path| (place("client_key_file"), path)));
        let inbox = province.inbox.iter().filter_map(|inbox| inbox.password_file.as_ref());
        files.extend(inbox.map(|path| (place("inbox.password_file"), path)));
        let proxy = province.proxy_credentials_file.iter();
        files.extend(proxy.map(|path| (place("proxy_credentials_file"), path)));
    }
    for source in &configuration.sources {
        if let SourceSettings::Postgres(it) = source {
            let place = format!("source.{}.password_file", it.id);
            files.extend(it.password_file.iter().map(|path| (place.clone(), path)));
        }
    }
    files.into_iter().map(|(place, path)| secret(&place, path)).collect()
}

fn secret(place: &str, path: &Path) -> Found {
    let what = format!("secret {place} {}", path.display());
    let advice = Some("chmod 0600, owned by the user who runs the daemon".to_owned());
    match std::fs::metadata(path) {
        Ok(about) => {
            let mode = about.permissions().mode() & 0o777;
            let ok = mode & 0o007 == 0;
            let advice = advice.filter(|_| !ok);
            Found { what: format!("{what}: mode {mode:04o}"), ok, advice }
        }
        Err(error) => Found { what: format!("{what}: {error}"), ok: false, advice },
    }
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
    // A front database is reached by a question about nothing.
    let by_rows = client.asks_by_rows().then_some("batch.receipt");
    let asked = by_rows
        .into_iter()
        .chain(["heartbeat", "inventory.datasets"])
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
        Outcome::Accepted { .. } | Outcome::Exists { .. } => {
            let clock = reply.clock_ahead.map_or_else(String::new, |ahead| {
                format!(": answers, its clock {:+.0} s from ours", ahead.as_secs_f64())
            });
            Found { what: format!("{what}{clock}"), ok: true, advice: None }
        }
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
