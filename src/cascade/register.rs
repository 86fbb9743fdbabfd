//! Register: catalogue objects that should be above and are not, or are there in another version,
//! or should not be there any more.
//!
//! Parents come first: an object waits until the province has given the ids of everything above
//! it; a withdrawal waits until everything below is withdrawn. Withdrawal touches only what this
//! ledger sent, and in bulk only with an approval.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::channel::Channel;
use super::lane::Crew;
use super::parcel::Parcel;
use super::stage::{Progress, Stage};
use super::{Error, above, deadline};
use crate::catalogue::{Object, ObjectKey};
use crate::delivery::{BatchId, BatchOrigin, DigestSha256, Evidence, Lane, LinkState, Subject};
use crate::ledger::spool::Owner as SpoolOwner;
use crate::ledger::{Finding, Link, LinkFilter, NewBatch, OpenTakeover};
use crate::standard::Scope;
use crate::supervisor::{Heart, Signal};

/// Objects packed in one step.
const STEP_OBJECTS: usize = 50;
/// More withdrawals than this at once need an approval.
const FEW_WITHDRAWALS: usize = 5;

/// The stage of one channel.
#[derive(Debug)]
pub struct Register {
    crew: Crew,
    channel: Arc<Channel>,
    failures: u32,
}

impl Stage for Register {
    async fn step(&mut self) -> Result<Progress, Error> {
        let links = self.crew.ledger.links(self.channel.id.clone(), LinkFilter::default()).await?;
        let mut packed = 0;
        // After a restore nobody knows what the province holds: the same again under our id tells.
        let adrift = if links.iter().any(|link| link.state == LinkState::Unknown) {
            self.crew.ledger.links_adrift(self.channel.id.clone()).await?
        } else {
            BTreeSet::new()
        };
        let again = |link: &Link| link.wanted.is_some() && adrift.contains(&link.key);
        // What may stand above already, sent by another tool, waits until that is known.
        let open = self.crew.ledger.open_takeovers().await?;
        let taking_over = |link: &Link| {
            let is_of = |kinds: &[String]| kinds.iter().any(|it| it == link.key.kind.as_str());
            let here = |it: &OpenTakeover| it.asked.channel == self.channel.id.as_str();
            link.upper_id.is_none() && open.iter().any(|it| here(it) && is_of(&it.asked.kinds))
        };
        let due = |link: &&Link| (wants_registration(link) || again(link)) && !taking_over(link);
        for link in links.iter().filter(due) {
            if packed >= STEP_OBJECTS {
                break;
            }
            packed += usize::from(self.register(link).await?);
        }
        packed += self.withdraw(&links).await?;
        self.failures = 0;
        if packed == 0 {
            return Ok(Progress::Idle(self.crew.after(self.crew.pace.idle)));
        }
        self.channel.submit.raise();
        Ok(Progress::Did)
    }

    fn heart(&self) -> &Heart {
        &self.crew.heart
    }

    fn signal(&self) -> Signal {
        self.channel.register.clone()
    }

    async fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        super::stage::report(&self.crew, "register", &self.channel.id, error, self.failures)
    }
}

/// The object should be above in a version that was neither taken nor refused.
pub(super) fn wants_registration(link: &Link) -> bool {
    let Some(wanted) = link.wanted else { return false };
    match link.state {
        LinkState::Unmapped | LinkState::Stale | LinkState::Withdrawn | LinkState::Orphan => true,
        // What was refused is tried again when it has changed.
        LinkState::Refused => link.sent != Some(wanted),
        LinkState::Queued
        | LinkState::Sent
        | LinkState::Accepted
        | LinkState::InReview
        | LinkState::Published
        | LinkState::Exists
        | LinkState::Unknown => false,
    }
}

impl Register {
    /// The stage of a channel.
    pub fn new(crew: Crew, channel: Arc<Channel>) -> Self {
        Self { crew, channel, failures: 0 }
    }

    /// Packs one object's message; false where it waits for its parents.
    async fn register(&self, link: &Link) -> Result<bool, Error> {
        let Some(object) = self.crew.ledger.object(link.key.clone()).await? else {
            return Ok(false);
        };
        let verb = if link.upper_id.is_some() { "modify" } else { "register" };
        self.pack(link, &object, verb).await
    }

    async fn pack(&self, link: &Link, object: &Object, verb: &str) -> Result<bool, Error> {
        let standard = &self.channel.of_link(link).standard;
        let operation = format!("{}.{verb}", link.key.kind);
        let Some(known) = standard.operation(&operation) else {
            // A gap of the standard: what cannot be modified stays as it is above, and shows.
            return Ok(false);
        };
        let needs = &standard
            .operation(&format!("{}.register", link.key.kind))
            .map_or_else(Vec::new, |register| register.needs.clone());
        let above = above(&self.crew.ledger, &self.channel.id, object).await?;
        if verb != "cancel" && above.missing.iter().any(|key| needs.contains(&key.kind)) {
            return Ok(false);
        }
        let scope = Scope {
            object: Some(object),
            upper_id: link.upper_id.as_deref(),
            upper: above.upper,
            ..Scope::default()
        };
        let message = match standard.build(&operation, &scope) {
            Ok(message) => message,
            Err(lacks) => return self.turned_away(link, &lacks).await,
        };
        let evidence = known.evidence.min(Evidence::Receipt);
        let wanted = link.wanted.filter(|_| verb != "cancel");
        let (batch, parcel) = self.seal(link, &operation, message, evidence)?;
        let (spool, name) = (Arc::clone(&self.crew.files.spool), batch.id.to_string());
        let owner = SpoolOwner::live(self.channel.id.as_str(), "catalogue");
        self.crew.block(move || spool.write(&name, owner, &parcel.to_bytes(), &[])).await?;
        self.crew.ledger.object_packed(batch, wanted).await?;
        crate::crash::point("object-packed");
        Ok(true)
    }

    fn seal(
        &self,
        link: &Link,
        operation: &str,
        message: crate::standard::Message,
        evidence: Evidence,
    ) -> Result<(NewBatch, Parcel), Error> {
        let digest = message.payload.digest();
        let payload_bytes = u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
        let ordinal = self.crew.ledger.next_ordinal()?;
        let identity = self.crew.ledger.identity();
        let key = &link.key;
        let subject = Subject::Object { kind: key.kind.as_str().to_owned(), id: key.id.clone() };
        let spoken = &self.channel.of_link(link).standard;
        let standard = spoken.id();
        let id = BatchId::of(BatchOrigin {
            installation: &identity.installation,
            incarnation: identity.incarnation,
            channel: &self.channel.id,
            subject: &subject.name(),
            standard,
            ordinal,
            payload: &digest,
        });
        let batch = NewBatch {
            id,
            ordinal,
            channel: self.channel.id.clone(),
            standard: standard.clone(),
            operation: operation.to_owned(),
            subject,
            lane: Lane::Live,
            rows: 1,
            payload_bytes,
            payload_digest: digest,
            parent: None,
            after: Vec::new(),
            evidence,
            content_at: None,
            deadline: deadline(spoken, evidence, self.crew.now()),
        };
        Ok((batch, Parcel::of_object(message)))
    }

    /// The standard asks for what the object does not have: rejected here, never filled in.
    async fn turned_away(
        &self,
        link: &Link,
        lacks: &[crate::standard::Lack],
    ) -> Result<bool, Error> {
        let findings: Vec<Finding> = lacks
            .iter()
            .map(|lack| Finding {
                rule: lack.rule.as_str().to_owned(),
                column: Some(lack.path.clone()),
            })
            .collect();
        let code = findings.first().map_or("unknown", |finding| finding.rule.as_str()).to_owned();
        let lines: Vec<String> = lacks.iter().map(ToString::to_string).collect();
        let wanted = link.wanted.unwrap_or(DigestSha256([0; 32]));
        let (channel, key) = (self.channel.id.clone(), link.key.clone());
        self.crew.ledger.object_rejected(channel, key, wanted, code, lines.join("\n")).await?;
        Ok(true)
    }

    /// Withdraws what is no longer wanted, children first.
    async fn withdraw(&self, links: &[Link]) -> Result<usize, Error> {
        let unwanted: Vec<&Link> = links
            .iter()
            .filter(|link| link.wanted.is_none() && link.ours && link.upper_id.is_some())
            .filter(|link| {
                link.state.is_held_above()
                    || matches!(link.state, LinkState::Stale | LinkState::Orphan)
            })
            .collect();
        if unwanted.is_empty() {
            return Ok(0);
        }
        let approved = self.crew.ledger.withdrawal_approved(self.channel.id.clone()).await?;
        if unwanted.len() > FEW_WITHDRAWALS && !approved {
            tracing::warn!(
                channel = %self.channel.id, objects = unwanted.len(),
                "withdrawing so many objects needs an approval: resync --catalogue \
                 --approve-deletions",
            );
            return Ok(0);
        }
        let mut parents: BTreeSet<ObjectKey> = BTreeSet::new();
        for link in links.iter().filter(|link| link.upper_id.is_some()) {
            if let Some(object) = self.crew.ledger.object(link.key.clone()).await? {
                parents.extend(object.parents());
            }
        }
        let mut packed = 0;
        for link in unwanted.into_iter().rev().take(STEP_OBJECTS) {
            if parents.contains(&link.key) {
                continue;
            }
            if let Some(object) = self.crew.ledger.object(link.key.clone()).await? {
                packed += usize::from(self.pack(link, &object, "cancel").await?);
            }
        }
        Ok(packed)
    }
}
