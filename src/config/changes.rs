//! What another configuration changes, and what of it only a restart can change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Ahead, Channel, Configuration, Voice};
use crate::delivery::{DigestSha256, Reaches};
use crate::standard::Standard;

/// What another configuration changes, by setting: `dataset.X` changed, `+dataset.X` came,
/// `-dataset.X` went.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// What takes effect while the daemon runs.
    pub changed: Vec<String>,
    /// What takes effect with a restart: the ledger's place, the sockets, how lines are logged.
    pub kept: Vec<String>,
}

impl Configuration {
    /// What `other` changes here. Files that it names count with their content, except secrets and
    /// certificates, which are read anew by whoever uses them.
    pub fn changes(&self, other: &Self) -> Changes {
        let mut changed = Vec::new();
        for (section, differs) in [
            ("city", self.city != other.city),
            ("ledger.spool_bytes", self.ledger.spool_bytes != other.ledger.spool_bytes),
            (
                "ledger.live_share_bytes",
                self.ledger.live_share_bytes != other.ledger.live_share_bytes,
            ),
            (
                "ledger.deletion_percent",
                self.ledger.deletion_percent != other.ledger.deletion_percent,
            ),
            ("control.roles", roles(self) != roles(other)),
            ("audit", self.audit != other.audit),
            ("notify", self.notify != other.notify),
            ("pace", shown(&self.pace) != shown(&other.pace)),
            ("catalogue", shown(&self.catalogue) != shown(&other.catalogue)),
            ("calendar", self.calendar != other.calendar),
            ("grace", self.grace != other.grace),
            ("bulletin", self.bulletin != other.bulletin),
            ("probe", self.probes != other.probes),
            ("intake", shown(&self.intake) != shown(&other.intake)),
            ("indicator", judged(self) != judged(other)),
        ] {
            if differs {
                changed.push(section.to_owned());
            }
        }
        for (section, before, after) in [
            ("standard", standards(self), standards(other)),
            ("channel", channels(self), channels(other)),
            ("source", sources(self), sources(other)),
            ("code_table", code_tables(self), code_tables(other)),
            ("dataset", datasets(self), datasets(other)),
        ] {
            changed.extend(differing(section, &before, &after));
        }
        let kept = [
            ("ledger.folder", self.ledger.folder != other.ledger.folder),
            ("ledger.key_file", self.ledger.key_file != other.ledger.key_file),
            ("ledger.keys_before", self.ledger.keys_before != other.ledger.keys_before),
            ("control", doors(self) != doors(other)),
            ("logs", self.logs != other.logs),
        ];
        let kept = kept.into_iter().filter(|(_, differs)| *differs);
        Changes { changed, kept: kept.map(|(section, _)| section.to_owned()).collect() }
    }

    /// This configuration in a process that runs on `before`: what only a restart changes is as it
    /// is there.
    #[must_use]
    pub fn in_place_of(mut self, before: &Self) -> Self {
        self.ledger.folder.clone_from(&before.ledger.folder);
        self.ledger.key_file.clone_from(&before.ledger.key_file);
        self.ledger.keys_before.clone_from(&before.ledger.keys_before);
        self.control.socket.clone_from(&before.control.socket);
        self.control.http = before.control.http;
        self.logs = before.logs;
        self
    }

    /// The same configuration with another standard on one channel; `None`: there is no such
    /// channel.
    #[must_use]
    pub fn speaking(&self, channel: &str, standard: &Arc<Standard>) -> Option<Self> {
        let mut other = self.clone();
        let found = other.channels.iter_mut().find(|it| it.settings.id == channel)?;
        standard.id().as_str().clone_into(&mut found.settings.standard);
        found.standard = Arc::clone(standard);
        let id = standard.id().as_str().to_owned();
        other.standards.insert(id, Arc::clone(standard));
        Some(other)
    }
}

impl Configuration {
    /// This configuration with a channel turned to a standard that was put in force: on the
    /// address and credentials of the candidate where it is the candidate, else on those that the
    /// file gives the channel. Nothing is ahead of it any more. `None`: there is no such channel.
    #[must_use]
    pub fn turned(&self, channel: &str, standard: &Arc<Standard>) -> Option<Self> {
        let before = self.channels.iter().find(|it| it.settings.id == channel)?;
        let mut other = self.after(channel, &before.standard).speaking(channel, standard)?;
        let found = other.channels.iter_mut().find(|it| it.settings.id == channel)?;
        found.settings.province = found.written.way_of(standard.id().as_str()).clone();
        found.ahead = None;
        Some(other)
    }

    /// This configuration with a standard that a channel spoke before.
    #[must_use]
    pub fn after(&self, channel: &str, before: &Arc<Standard>) -> Self {
        let mut other = self.clone();
        if let Some(found) = other.channels.iter_mut().find(|it| it.settings.id == channel) {
            let province = found.written.way_of(before.id().as_str()).clone();
            found.former.retain(|it| it.standard.id() != before.id());
            found.former.push(Voice { standard: Arc::clone(before), province });
        }
        other
    }

    /// This configuration with another standard for some subjects of a channel, on the candidate's
    /// address and credentials where it has its own; without any, the channel speaks one standard.
    /// `None`: there is no such channel.
    #[must_use]
    pub fn ahead(&self, channel: &str, reaches: Reaches, standard: &Arc<Standard>) -> Option<Self> {
        let mut other = self.clone();
        let found = other.channels.iter_mut().find(|it| it.settings.id == channel)?;
        let province = found.written.way_of(standard.id().as_str()).clone();
        let before = found.ahead.take();
        if reaches.is_empty() {
            // What was sent ahead and not answered can be asked about.
            found.former.extend(before.map(|it| it.voice));
        } else {
            let voice = Voice { standard: Arc::clone(standard), province };
            found.ahead = Some(Ahead { reaches, voice });
            other.standards.insert(standard.id().as_str().to_owned(), Arc::clone(standard));
        }
        Some(other)
    }
}

impl Configuration {
    /// This configuration with a further channel beside one: it carries the same under another
    /// standard, on the candidate's address and credentials. `None`: the one is not there, or the
    /// other is.
    #[must_use]
    pub fn beside(&self, (origin, id): (&str, &str), standard: &Arc<Standard>) -> Option<Self> {
        let mut other = self.clone();
        if other.channels.iter().any(|it| it.settings.id == id) {
            return None;
        }
        let found = other.channels.iter().find(|it| it.settings.id == origin)?;
        let mut settings = found.written.clone();
        settings.province = settings.way_of(standard.id().as_str()).clone();
        id.clone_into(&mut settings.id);
        standard.id().as_str().clone_into(&mut settings.standard);
        settings.candidate = None;
        let written = settings.clone();
        other.channels.push(Channel {
            settings,
            standard: Arc::clone(standard),
            written,
            ahead: None,
            former: Vec::new(),
        });
        other.standards.insert(standard.id().as_str().to_owned(), Arc::clone(standard));
        Some(other)
    }

    /// This configuration with a channel retired.
    #[must_use]
    pub fn alone(mut self, origin: &str) -> Self {
        let (retired, channels) =
            self.channels.into_iter().partition(|it| it.settings.id == origin);
        self.channels = channels;
        self.retired.extend::<Vec<Channel>>(retired);
        self
    }

    /// This configuration without a further channel; the one beside which it ran is there.
    #[must_use]
    pub fn without_beside(&self, (origin, id): (&str, &str)) -> Self {
        let mut other = self.clone();
        other.channels.retain(|it| it.settings.id != id);
        let back = other.retired.iter().position(|it| it.settings.id == origin);
        if let Some(at) = back {
            other.channels.push(other.retired.remove(at));
        }
        other
    }
}

/// Settings as text that is the same when they are the same. Secrets are only ever paths.
fn shown(settings: &impl std::fmt::Debug) -> String {
    format!("{settings:?}")
}

/// Where the daemon is reached.
fn doors(of: &Configuration) -> String {
    format!("{:?} {:?}", of.control.socket, of.control.http)
}

/// Who may do what there.
fn roles(of: &Configuration) -> String {
    format!("{:?} {}", of.control.roles(), of.control.approval_hours)
}

type Pieces = BTreeMap<String, String>;

/// By what it judges: what is configured, and every file that it names.
fn judged(configuration: &Configuration) -> Option<DigestSha256> {
    configuration.indicator.as_ref().map(|it| it.digest)
}

fn standards(of: &Configuration) -> Pieces {
    of.standards.iter().map(|(id, it)| (id.clone(), it.digest().to_string())).collect()
}

fn channels(of: &Configuration) -> Pieces {
    let spoken = |it: &Voice| format!("{} {:?}", it.standard.digest(), it.province);
    let piece = |it: &Channel| {
        let ahead = it.ahead.as_ref();
        let ahead = ahead.map(|it| format!("{} {}", it.reaches, spoken(&it.voice)));
        // What was spoken before makes no difference to anything new.
        format!("{:?} {} {ahead:?}", it.settings, it.standard.digest())
    };
    of.channels.iter().map(|it| (it.settings.id.clone(), piece(it))).collect()
}

fn sources(of: &Configuration) -> Pieces {
    of.sources.iter().map(|it| (it.id().to_owned(), shown(it))).collect()
}

fn code_tables(of: &Configuration) -> Pieces {
    of.code_tables.iter().map(|(id, digest)| (id.clone(), digest.to_string())).collect()
}

fn datasets(of: &Configuration) -> Pieces {
    of.datasets.iter().map(|it| (it.dataset.id.clone(), it.written.to_string())).collect()
}

fn differing(section: &str, before: &Pieces, after: &Pieces) -> Vec<String> {
    let mut names = Vec::new();
    for (id, piece) in after {
        match before.get(id) {
            None => names.push(format!("+{section}.{id}")),
            Some(old) if old != piece => names.push(format!("{section}.{id}")),
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|id| !after.contains_key(*id));
    names.extend(gone.map(|id| format!("-{section}.{id}")));
    names
}
