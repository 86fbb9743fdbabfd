//! The rows that the city has against the keys that the province lists, where nothing was sent:
//! how many only one side has. What a daemon that watches can say of a dataset.

use std::sync::Arc;

use super::super::Error;
use super::super::carrier::{Carrier, Mount};
use super::super::channel::Channel;
use super::super::lane::Crew;
use super::sides::{Heads, Sides, sorter};
use super::{Comparison, Totals};
use crate::ledger::sorting::Sorter;
use crate::row::KeyDigest;

/// What the province holds of a dataset, beside what the city has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::cascade) struct Against {
    /// Rows that it says it holds.
    pub(in crate::cascade) held: Option<u64>,
    /// Keys that only the city has, and keys that only the province has.
    pub(in crate::cascade) apart: Option<(u64, u64)>,
}

/// Keys of the city's rows, gathered while they are read; sealed where they spill.
pub(in crate::cascade) struct Keys(Sorter);

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    pub(in crate::cascade) fn new(crew: &Crew) -> Result<Self, Error> {
        Ok(Self(sorter(crew)?))
    }

    /// Blocking: spills now and then.
    pub(in crate::cascade) fn push(&mut self, key: KeyDigest) -> Result<(), Error> {
        Ok(self.0.push(&key.0, &[])?)
    }
}

/// Asks the province and compares; it need not answer.
pub(in crate::cascade) async fn against(
    crew: &Crew,
    channel: &Arc<Channel>,
    (carrier, mount): (&Arc<Carrier>, &Arc<Mount>),
    totals: &Totals,
    city: Keys,
) -> Result<Against, Error> {
    let total = totals.of(channel.standard.id(), &carrier.flow.dataset);
    let mut found = Against { held: total.map(|(held, _)| held), apart: None };
    if channel.standard.operation("inventory.keys").is_none() {
        return Ok(found);
    }
    let sides = Sides { crew, channel, carrier, mount };
    let mut counted = Comparison::default();
    let theirs = match sides.theirs(false, &mut counted).await {
        Ok(Some(theirs)) => theirs,
        // A question about a resource that is not registered may not be askable at all.
        Ok(None) | Err(Error::Standard { .. }) => return Ok(found),
        Err(error) => return Err(error),
    };
    found.held = Some(counted.held);
    let apart = crew.block(move || -> Result<_, Error> {
        let (mut theirs, mut city) = (Heads::new(theirs)?, Heads::new(city.0.finish()?)?);
        let (mut absent, mut extra) = (0_u64, 0_u64);
        while let Some(key) = theirs.key().into_iter().chain(city.key()).min() {
            let above = !theirs.take(key)?.is_empty();
            let here = !city.take(key)?.is_empty();
            absent += u64::from(here && !above);
            extra += u64::from(above && !here);
        }
        Ok((absent, extra))
    });
    found.apart = Some(apart.await?);
    Ok(found)
}
