//! The ferries of one configuration: who looks, and by what names operators know them.

use std::path::Path;
use std::sync::Arc;

use super::intake::Intake;
use super::works::Works;
use crate::cascade::{Channel, Crew};
use crate::ledger::Ledger;
use crate::province::{Ferry, FerryError, FerrySettings, LOOK_EVERY};
use crate::standard::Standard;
use crate::supervisor::{StopPolicy, sleep};
use crate::telemetry::logs::Chain;

/// The folder of journals in a backup, and in a ledger that was restored from one.
pub(super) const COPIES: &str = "ferry";

/// Gives a ferry the history of the ledger: a restored one sends under numbers of its own.
pub(super) fn rooted(settings: &mut Option<FerrySettings>, ledger: &Ledger) {
    if let Some(settings) = settings {
        let identity = ledger.identity();
        let installation: String =
            identity.installation.iter().map(|byte| format!("{byte:02x}")).collect();
        settings.origin = format!("{installation}-{}", identity.incarnation);
        settings.restored = ledger.folder().join(COPIES);
    }
}

/// A standard as it is spoken by a ferry: where nothing comes back, all that can be known is that
/// something was placed.
pub(super) fn spoken(settings: Option<&FerrySettings>, standard: &Arc<Standard>) -> Arc<Standard> {
    match settings {
        Some(ferry) if !ferry.returns => Arc::new(standard.one_way()),
        Some(_) | None => Arc::clone(standard),
    }
}

/// The ferry of a channel, looked after until the works end.
pub(super) fn carry(crew: &Crew, channel: &Arc<Channel>) {
    let Some(ferry) = channel.client().ferry().map(Arc::clone) else { return };
    let under = crew.supervisor.clone();
    crew.supervisor.spawn(format!("ferry {}", channel.id), StopPolicy::Abort, async move {
        loop {
            if let Err(error) = ferry.run(Ferry::look).await {
                let (ferry, code, error) = (ferry.name(), error.code(), Chain(&error));
                tracing::warn!(ferry, code, %error, "a ferry stands still");
            }
            sleep(under.clock(), LOOK_EVERY).await;
        }
    });
}

impl Works {
    /// Every ferry of these works.
    pub fn ferries(&self) -> Vec<Arc<Ferry>> {
        let below = self.channels.iter().filter_map(|it| it.client().ferry());
        let desk = self.desk();
        let above = desk.iter().flat_map(|it| it.ferries()).map(|(_, ferry)| ferry);
        below.chain(above).map(Arc::clone).collect()
    }

    /// Copies the journal of every ferry into a backup. It may be younger than the ledger's copy: then
    /// it knows more answers, and what it sent is over once the copy is restored.
    ///
    /// # Errors
    /// A journal cannot be read, or a copy not be made.
    pub async fn copy_ferries(&self, backup: &Path) -> Result<(), FerryError> {
        let folder = backup.join(COPIES);
        for ferry in self.ferries() {
            let folder = folder.clone();
            ferry.run(move |it| it.copy_into(&folder)).await?;
        }
        Ok(())
    }
}

impl Intake {
    /// Takes in what the counties' ferries bring until the works end.
    pub(super) fn ferry(&self, crew: &Crew, above: &crate::intake::Above) {
        let supervisor = &crew.supervisor;
        for (county, _) in self.desk.ferries() {
            let (county, desk) = (county.to_owned(), Arc::clone(&self.desk));
            let (above, under) = (Arc::clone(above), supervisor.clone());
            let mut stop = supervisor.stop_signal();
            supervisor.spawn(format!("ferry {county}"), StopPolicy::Drain, async move {
                while !stop.is_raised() {
                    let has_more = match desk.ferried(&county, &above).await {
                        Ok(has_more) => has_more,
                        Err(error) => {
                            let (code, error) = (error.code(), Chain(&error));
                            tracing::warn!(county, code, %error, "a ferry stands still");
                            false
                        }
                    };
                    if !has_more {
                        tokio::select! {
                            () = stop.raised() => {}
                            () = sleep(under.clock(), LOOK_EVERY) => {}
                        }
                    }
                }
                Ok(())
            });
        }
    }
}
