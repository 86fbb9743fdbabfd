//! A parallel period: old and new side by side, with separate acknowledgements.
//!
//! The candidate is spoken on a further channel that carries the same as the one beside which it
//! runs, on the candidate's address and credentials. Links, batches and confirmations belong to a
//! channel, so that nothing of one side is ever taken for the other's. When the period is over the
//! old channel is retired and the further one goes on alone; given up before, it goes and the old
//! one never noticed.

use std::sync::Arc;

use super::cutover::loaded;
use super::foreman::Turn;
use crate::config::{Configuration, Problem};
use crate::delivery::ChannelId;
use crate::ledger::{Beside, Crossing, CutOver, Ledger};

/// What a further channel is called.
pub fn further_channel(origin: &str, standard: &str) -> String {
    let version = standard.rsplit('/').next().unwrap_or(standard);
    format!("{origin}-{version}")
}

/// The configuration as the file says it, with the further channels and without the retired ones.
/// Problems: those whose standard is there no more.
pub(super) async fn in_force(
    mut read: Configuration,
    ledger: &Ledger,
) -> anyhow::Result<(Configuration, Vec<Problem>)> {
    let mut problems = Vec::new();
    for it in ledger.besides().await? {
        let (origin, channel) = (it.origin.as_str(), it.channel.as_str());
        let has = |id: &str| read.channels.iter().any(|it| it.settings.id == id);
        if !has(origin) || has(channel) {
            ledger.beside_over(it.origin).await?;
            continue;
        }
        if !names_candidate(&read, origin, it.standard.as_str()) {
            let message = format!(
                "{channel} runs beside it with `{}`: keep that, or `cascaded standard rollback`",
                it.standard
            );
            problems.push(Problem::new(&format!("channel.{origin}.candidate"), &message));
        }
        let standard = read.standards.get(it.standard.as_str()).cloned();
        let Some(both) = standard.and_then(|it| read.beside((origin, channel), &it)) else {
            let message = format!("`{}` is in force and was not loaded", it.standard);
            problems.push(Problem::new(&format!("channel.{channel}.standard"), &message));
            continue;
        };
        read = if it.is_alone { both.alone(origin) } else { both };
    }
    Ok((read, problems))
}

/// Whether the file names a candidate for a channel: its address is where the further one sends.
pub fn names_candidate(file: &Configuration, origin: &str, standard: &str) -> bool {
    let found = file.channels.iter().find(|it| it.settings.id == origin);
    let candidate = found.and_then(|it| it.written.candidate.as_ref());
    candidate.is_some_and(|it| it.standard == standard)
}

/// The first step of a parallel period, or of giving one up. Blocking: reads the standard.
pub(super) fn prepare(
    number: u64,
    asked: &CutOver,
    seconds: u64,
    of: &Arc<Configuration>,
) -> Result<Turn, String> {
    let CutOver { channel: origin, from, to, back, at, .. } = asked;
    if *back {
        let configuration = of.without_beside((origin, &further_channel(origin, from)));
        let crossing = Crossing::GivenUp(ChannelId::from(origin.as_str()));
        return Ok(Turn { number, of: Arc::clone(of), configuration, crossing });
    }
    let standard = loaded(of, to)?;
    let channel = further_channel(origin, to);
    let configuration = of
        .beside((origin, &channel), &standard)
        .ok_or_else(|| format!("{origin} is gone, or {channel} is there (E-NO-SUCH-CHANNEL)"))?;
    let beside = Beside {
        origin: ChannelId::from(origin.as_str()),
        channel: ChannelId::from(channel.as_str()),
        standard: standard.id().clone(),
        is_alone: false,
    };
    let period = std::time::Duration::from_secs(seconds);
    let until = at.saturating_add(period).unwrap_or(jiff::Timestamp::MAX);
    let crossing = Crossing::Begun(beside, until);
    Ok(Turn { number, of: Arc::clone(of), configuration, crossing })
}

/// The period is over.
pub(super) fn over(number: u64, asked: &CutOver, of: &Arc<Configuration>) -> Turn {
    let origin = asked.channel.as_str();
    Turn {
        number,
        of: Arc::clone(of),
        configuration: Configuration::clone(of).alone(origin),
        crossing: Crossing::Alone(ChannelId::from(origin)),
    }
}
