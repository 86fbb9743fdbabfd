//! A county that no line leads to: its requests come by a ferry, and so do our answers.
//!
//! One request is acted on after the other, in the order of their numbers. Dying between the deed
//! and its answer does no harm: the same request again finds what it said taken, and is answered the
//! same.

use std::sync::Arc;

use super::answer::{Spoken, spoken, tell};
use super::desk::{County, Desk, Ruling};
use super::listener::Above;
use super::request::Request;
use crate::catalogue::{Kind, ObjectKey};
use crate::province::{Carried, CarriedAnswer, Ferry, FerryAddress, FerryError};
use crate::telemetry::logs::Chain;

/// Requests acted on in one look.
const AT_ONCE: usize = 256;

/// A request, and when it was made.
struct Asked {
    request: Request,
    at: jiff::Timestamp,
}

impl Desk {
    /// The ferries of counties, each with its county's id.
    pub fn ferries(&self) -> impl Iterator<Item = (&str, &Arc<Ferry>)> {
        self.counties().filter_map(|it| Some((it.settings.id.as_str(), it.ferry.as_ref()?)))
    }

    /// Takes in what a county's ferry brought and acts on it; whether there may be more.
    ///
    /// # Errors
    /// The ferry or the county's store cannot be used. Nothing is lost: it is tried again.
    pub async fn ferried(
        self: &Arc<Self>,
        county: &str,
        above: &Above,
    ) -> Result<bool, FerryError> {
        let found = self.counties().find(|it| it.settings.id == county);
        let Some((county, ferry)) = found.and_then(|it| Some((it, it.ferry.as_ref()?))) else {
            return Ok(false);
        };
        ferry.run(Ferry::look).await?;
        for _ in 0..AT_ONCE {
            let Some((address, plain)) = ferry.run(Ferry::next).await? else { return Ok(false) };
            let Some(asked) = asked(&plain) else {
                let nothing = Spoken { status: 400, ..Spoken::default() };
                acted(ferry, address, nothing).await?;
                continue;
            };
            let Some(answer) = self.answered(county, ferry, asked, above).await else {
                return Ok(false);
            };
            crate::crash::point("ferry-acted");
            acted(ferry, address, answer).await?;
        }
        Ok(true)
    }

    /// The answer to a request; `None` where we could not find one, so that it is asked again.
    async fn answered(
        self: &Arc<Self>,
        county: &Arc<County>,
        ferry: &Arc<Ferry>,
        asked: Asked,
        above: &Above,
    ) -> Option<Spoken> {
        let (desk, sender) = (Arc::clone(self), Arc::clone(county));
        let turn = Arc::clone(&county.turn).acquire_owned().await;
        let Asked { request, at } = asked;
        let ruled = ferry.run(move |_| {
            let _turn = turn;
            let ruled = desk.rule_carried(&sender, &request, at);
            ruled.map(|it| it.map(|(operation, ruling)| (operation.name.clone(), ruling)))
        });
        let ruled = match ruled.await {
            Ok(ruled) => ruled,
            Err(error) => {
                let (county, code) = (&county.settings.id, error.code());
                tracing::error!(county, code, error = %Chain(&error), "a county cannot be answered");
                return None;
            }
        };
        let Some((name, mut ruling)) = ruled else {
            return Some(Spoken { status: 404, ..Spoken::default() });
        };
        if ruling.after.is_some() {
            self.told_busy(county);
        }
        told_above(&mut ruling, above).await;
        let operation = self.standard().operation(&name)?;
        Some(spoken(self, operation, &ruling))
    }
}

async fn told_above(ruling: &mut Ruling, above: &Above) {
    if let Some((kind, id)) = ruling.about.take()
        && let Some(kind) = Kind::parse(&kind)
        && let Some(state) = above(ObjectKey { kind, id }).await
    {
        tell(&mut ruling.says, state);
    }
}

fn asked(plain: &[u8]) -> Option<Asked> {
    let Carried { at_us, method, path, query, headers, body } = Carried::from_bytes(plain)?;
    let at = jiff::Timestamp::from_microsecond(at_us).ok()?;
    Some(Asked { request: Request { method, path, query, headers, body }, at })
}

async fn acted(ferry: &Arc<Ferry>, it: FerryAddress, answer: Spoken) -> Result<(), FerryError> {
    let Spoken { status, headers, retry_after, body } = answer;
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let headers = headers.collect();
    let bytes = CarriedAnswer { status, headers, retry_after, body }.to_bytes();
    ferry.run(move |ferry| ferry.acted(&it, &bytes)).await
}
