//! A channel, and which standard speaks for which of its subjects.
//!
//! A cut-over may take some subjects first. They stay on their channel, with their links, counts,
//! positions and runs; only who speaks for them is another: a channel of the same name, signals and
//! datasets, on another standard and another way. Whoever works on a subject asks for its voice
//! and goes on with that as with any channel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::carrier::Carrier;
use crate::catalogue::Kind;
use crate::delivery::{ChannelId, Reaches, StandardId, Whose};
use crate::ledger::{Link, Scope as HoldScope, Spoken};
use crate::province::{Error, Way};
use crate::standard::Standard;
use crate::supervisor::Signal;

/// A channel, put together.
#[derive(Debug)]
pub struct ChannelParts {
    /// Its name.
    pub id: ChannelId,
    /// Kinds of objects it carries.
    pub kinds: Vec<Kind>,
    /// The protocol spoken on it.
    pub standard: Arc<Standard>,
    /// The way to the platform.
    pub client: Way,
    /// The datasets whose rows it carries.
    pub carriers: Vec<Arc<Carrier>>,
    /// What goes ahead of the rest.
    pub ahead: Option<AheadParts>,
    /// Standards before and the ways on which they were spoken, for what was left unanswered.
    pub former: Vec<(Arc<Standard>, Way)>,
}

/// What goes ahead of the rest of a channel, put together.
#[derive(Debug)]
pub struct AheadParts {
    /// Which subjects.
    pub reaches: Reaches,
    /// The datasets among them whose rows the standard carries.
    pub datasets: BTreeSet<String>,
    /// The protocol spoken for them.
    pub standard: Arc<Standard>,
    /// The way to the platform on which it is spoken.
    pub client: Way,
}

/// One upper platform × kinds × address and credentials.
#[derive(Debug)]
pub struct Channel {
    /// Its name.
    pub id: ChannelId,
    /// Kinds of objects it carries.
    pub kinds: Vec<Kind>,
    /// The protocol spoken on it.
    pub standard: Arc<Standard>,
    pub(super) client: Way,
    pub(super) carriers: BTreeMap<String, Arc<Carrier>>,
    pub(super) submit: Signal,
    pub(super) settle: Signal,
    pub(super) register: Signal,
    /// Of each dataset that is looked at.
    observe: Arc<Mutex<Vec<(String, Signal)>>>,
    pub(super) reconcile: Signal,
    pub(super) receive: Signal,
    ahead: Option<Ahead>,
    former: Vec<Arc<Self>>,
    /// It speaks for what goes ahead, or did.
    is_apart: bool,
}

#[derive(Debug)]
struct Ahead {
    reaches: Reaches,
    datasets: BTreeSet<String>,
    voice: Arc<Channel>,
}

impl Channel {
    /// A channel whose stages do not run yet.
    pub fn new(parts: ChannelParts) -> Self {
        let ChannelParts { id, kinds, standard, client, carriers, ahead, former } = parts;
        let carriers =
            carriers.into_iter().map(|carrier| (carrier.flow().dataset.clone(), carrier)).collect();
        let mut channel = Self {
            id,
            kinds,
            standard,
            client,
            carriers,
            submit: Signal::default(),
            settle: Signal::default(),
            register: Signal::default(),
            observe: Arc::default(),
            reconcile: Signal::default(),
            receive: Signal::default(),
            ahead: None,
            former: Vec::new(),
            is_apart: false,
        };
        channel.ahead = ahead.map(|it| Ahead {
            reaches: it.reaches,
            datasets: it.datasets,
            voice: Arc::new(channel.apart(it.standard, it.client)),
        });
        let former = former.into_iter();
        channel.former =
            former.map(|(standard, client)| Arc::new(channel.apart(standard, client))).collect();
        channel
    }

    /// The same channel in other words.
    fn apart(&self, standard: Arc<Standard>, client: Way) -> Self {
        Self {
            id: self.id.clone(),
            kinds: self.kinds.clone(),
            standard,
            client,
            carriers: self.carriers.clone(),
            submit: self.submit.clone(),
            settle: self.settle.clone(),
            register: self.register.clone(),
            observe: Arc::clone(&self.observe),
            reconcile: self.reconcile.clone(),
            receive: self.receive.clone(),
            ahead: None,
            former: Vec::new(),
            is_apart: true,
        }
    }

    /// The datasets it carries.
    pub fn carriers(&self) -> impl Iterator<Item = &Arc<Carrier>> {
        self.carriers.values()
    }

    /// The way to the platform on which its own standard is spoken.
    pub fn client(&self) -> &Way {
        &self.client
    }

    /// Reads certificates, keys and credentials of everything that is spoken here again; on an
    /// error the old ones stay.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn reload(&self) -> Result<(), Error> {
        let ahead = self.ahead.as_ref().map(|it| it.voice.client.reload());
        self.client.reload().and(ahead.unwrap_or(Ok(())))
    }

    /// What goes ahead: its scopes, and who speaks for them.
    pub fn ahead(&self) -> Option<(&Reaches, &Arc<Self>)> {
        self.ahead.as_ref().map(|it| (&it.reaches, &it.voice))
    }

    /// Everybody who speaks here now: itself, and who speaks for what goes ahead.
    pub fn voices(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::once(self).chain(self.ahead.as_ref().map(|it| &it.voice))
    }

    /// Who speaks for a dataset's rows.
    pub fn of_rows(self: &Arc<Self>, dataset: &str) -> &Arc<Self> {
        let ahead = self.ahead.as_ref().filter(|it| it.datasets.contains(dataset));
        ahead.map_or(self, |it| &it.voice)
    }

    /// Who speaks for an object.
    pub fn of_link(self: &Arc<Self>, link: &Link) -> &Arc<Self> {
        let whose = Whose::object(link.key.kind, &link.region, &link.department);
        let ahead = self.ahead.as_ref().filter(|it| it.reaches.covers(&whose));
        ahead.map_or(self, |it| &it.voice)
    }

    /// Who speaks this standard here, or did: what was packed for it is sent and asked about so.
    pub fn speaker(self: &Arc<Self>, standard: &StandardId) -> Option<&Arc<Self>> {
        self.voices().chain(&self.former).find(|it| it.standard.id() == standard)
    }

    /// Which standard is in force for what.
    pub fn spoken(&self) -> Spoken {
        let mut spoken = Spoken::all(self.standard.id().clone());
        if let Some(Ahead { reaches, datasets, voice }) = &self.ahead {
            let standard = voice.standard.id().clone();
            spoken.ahead = Some((standard, reaches.clone(), datasets.clone()));
        }
        spoken
    }

    /// A hold of an operation, or of everything that is said here: what goes ahead never holds up
    /// the rest, nor the other way round.
    pub(super) fn hold(&self, operation: Option<&str>) -> HoldScope {
        match (self.is_apart || self.ahead.is_some(), operation) {
            (true, operation) => {
                HoldScope::Standard(self.standard.id().clone(), operation.map(str::to_owned))
            }
            (false, Some(operation)) => HoldScope::Operation(operation.to_owned()),
            (false, None) => HoldScope::Channel,
        }
    }

    /// Everything on this channel should look again: an operator asked, or a hold was lifted.
    pub fn wake(&self) {
        self.register.raise();
        self.submit.raise();
        self.settle.raise();
        self.reconcile.raise();
        self.receive.raise();
        self.wake_observers();
    }

    /// The province said how many rows it holds: look at it.
    pub fn wake_reconcile(&self) {
        self.reconcile.raise();
    }

    /// Datasets should look again: the catalogue changed, or passes were asked for.
    pub fn wake_observers(&self) {
        let signals = self.observe.lock().unwrap_or_else(PoisonError::into_inner);
        signals.iter().for_each(|(_, signal)| signal.raise());
    }

    /// One dataset should look again, and no other has to: a mount appeared, or a pass was asked for.
    pub(super) fn wake_observer(&self, dataset: &str) {
        let signals = self.observe.lock().unwrap_or_else(PoisonError::into_inner);
        signals.iter().filter(|(of, _)| of == dataset).for_each(|(_, signal)| signal.raise());
    }

    /// The signal of one who looks at a dataset.
    pub(super) fn observer(&self, dataset: &str) -> Signal {
        let signal = Signal::default();
        self.observe
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((dataset.to_owned(), signal.clone()));
        signal
    }
}
