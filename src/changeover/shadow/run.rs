//! A run at work: objects in order, parents first, each sent when its message is another one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::report::is_pending;
use super::{judged, word};
use crate::cascade::{Channel, Crew, Error};
use crate::catalogue::{Kind, Object, ObjectKey};
use crate::changeover::check;
use crate::delivery::{BatchId, BatchOrigin, ChannelId, DigestSha256};
use crate::ledger::ShadowObject;
use crate::province::{Placement, Reply, Way};
use crate::standard::{Lack, Message, Scope, Standard};

/// Objects sent at once; the pace is kept by the wait between two parts.
pub(super) const PARTS_PER_MINUTE: u32 = 12;
/// How high the chain of an object's parents is followed.
const LEVELS: usize = Kind::ALL.len() + 1;

/// What a trial is made of.
#[derive(Debug)]
pub struct TrialParts {
    /// The channel whose catalogue it follows. Only its kinds and datasets are used.
    pub channel: Arc<Channel>,
    /// The candidate.
    pub candidate: Arc<Standard>,
    /// The way to the test platform, and never to another.
    pub way: Way,
    /// Masked rows go, too.
    pub with_rows: bool,
    /// The most objects sent in a minute.
    pub per_minute: u32,
    /// How long to wait where nothing is to be done.
    pub idle: Duration,
    /// How long to wait before the test platform is asked again.
    pub ask: Duration,
}

/// A shadow run at work.
#[derive(Debug)]
pub struct Trial {
    pub(super) parts: TrialParts,
    pub(super) seen: HashMap<ObjectKey, ShadowObject>,
    above: HashMap<ObjectKey, Vec<ObjectKey>>,
    is_read: bool,
    /// What was refused is tried once more: the test platform may have been mended.
    is_fresh: bool,
    pass: Option<Pass>,
    /// The catalogue's mark when it was last gone through.
    mark: Option<String>,
    again_at: Timestamp,
    /// Why the last sending came to nothing.
    trouble: Option<String>,
    pub(super) rows: super::rows::Rows,
}

/// Once through the catalogue.
#[derive(Debug)]
struct Pass {
    mark: String,
    kinds: VecDeque<Kind>,
    after: Option<String>,
    /// Taken for the first time: what waited for them can go.
    taken: u64,
    waiting: u64,
    /// Without an answer, or under review there.
    open: u64,
}

impl Trial {
    /// A run that has not looked yet.
    pub fn new(parts: TrialParts) -> Self {
        Self {
            parts,
            seen: HashMap::new(),
            above: HashMap::new(),
            is_read: false,
            is_fresh: true,
            pass: None,
            mark: None,
            again_at: Timestamp::MIN,
            trouble: None,
            rows: super::rows::Rows::default(),
        }
    }

    /// Whether another trial is of the same candidate, as its directory was.
    pub fn is_of(&self, other: &Self) -> bool {
        self.parts.candidate.digest() == other.parts.candidate.digest()
    }

    /// What keeps it from going on: a code of ours or the test platform's.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Sends the next part of what is another message now; says when to look again. Ends early at
    /// a stop.
    ///
    /// # Errors
    /// The ledger or a source cannot be read.
    pub async fn step(&mut self, crew: &Crew) -> Result<Timestamp, Error> {
        self.read(crew).await?;
        let now = crew.supervisor.clock().now();
        if self.pass.is_none() {
            let mark = crew.ledger.catalogue_mark().await?;
            if self.mark.as_ref() == Some(&mark) && now < self.again_at {
                if self.parts.with_rows {
                    self.trouble = self.send_rows(crew).await?;
                }
                return Ok(self.after(crew, self.parts.idle).min(self.again_at));
            }
            let kinds = self.parts.channel.kinds.iter().copied().collect();
            let (after, taken, waiting, open) = (None, 0, 0, 0);
            self.pass = Some(Pass { mark, kinds, after, taken, waiting, open });
        }
        let mut changed = Vec::new();
        let ended = self.go_on(crew, &mut changed).await;
        // What was said is kept, whatever ended the part.
        crew.ledger.shadow_seen(self.channel(), changed).await?;
        ended
    }

    /// The next part of the pass.
    async fn go_on(
        &mut self,
        crew: &Crew,
        changed: &mut Vec<ShadowObject>,
    ) -> Result<Timestamp, Error> {
        let mut budget = self.parts.per_minute.div_ceil(PARTS_PER_MINUTE);
        let stop = crew.supervisor.stop_signal();
        while let Some(mut pass) = self.pass.take() {
            let Some(kind) = pass.kinds.front().copied() else {
                return Ok(self.over(crew, pass));
            };
            let objects = crew.ledger.objects(kind, None, pass.after.clone(), check::PART).await?;
            if objects.len() < check::PART {
                pass.kinds.pop_front();
            }
            let is_last = objects.len() < check::PART;
            let mut ended = None;
            for object in &objects {
                if budget == 0 || stop.is_raised() {
                    ended = Some(self.after(crew, Duration::from_mins(1) / PARTS_PER_MINUTE));
                    break;
                }
                if let Some(it) = self.object(crew, object, (&mut pass, &mut budget)).await? {
                    self.seen.insert(it.key.clone(), it.clone());
                    changed.push(it);
                }
                if self.trouble.is_some() {
                    ended = Some(self.after(crew, self.parts.ask));
                    break;
                }
                pass.after = Some(object.key().id);
                tokio::task::yield_now().await;
            }
            match ended {
                Some(_) if is_last => pass.kinds.push_front(kind),
                None if is_last => pass.after = None,
                Some(_) | None => {}
            }
            self.pass = Some(pass);
            if let Some(at) = ended {
                return Ok(at);
            }
        }
        Ok(self.after(crew, self.parts.idle))
    }

    /// The catalogue was gone through; when to look again.
    fn over(&mut self, crew: &Crew, pass: Pass) -> Timestamp {
        let now = crew.supervisor.clock().now();
        self.again_at = match (pass.taken > 0 && pass.waiting > 0, pass.open > 0) {
            (true, _) => now,
            (false, true) => self.after(crew, self.parts.ask),
            (false, false) => Timestamp::MAX,
        };
        (self.is_fresh, self.mark) = (false, Some(pass.mark));
        if self.parts.with_rows {
            now
        } else {
            self.after(crew, self.parts.idle).min(self.again_at)
        }
    }

    /// One object: what is known of it now, where that is new.
    async fn object(
        &mut self,
        crew: &Crew,
        object: &Object,
        (pass, budget): (&mut Pass, &mut u32),
    ) -> Result<Option<ShadowObject>, Error> {
        let key = object.key();
        self.above.insert(key.clone(), object.parents());
        let known = self.seen.get(&key).cloned();
        let next = match self.wanted(object, known.as_ref()) {
            Wanted::Nothing(outcome, code, field) => {
                pass.waiting += u64::from(outcome == word::WAITING);
                let known = known.clone();
                let keep = |it: ShadowObject| (it.upper_id, it.upper_state);
                let (upper_id, upper_state) = known.map(keep).unwrap_or_default();
                ShadowObject {
                    outcome: outcome.to_owned(),
                    said: None,
                    key,
                    code,
                    field,
                    upper_id,
                    upper_state,
                }
            }
            Wanted::Said => {
                let Some(it) = known.clone() else { return Ok(None) };
                self.follow(crew, object, it, (pass, budget)).await?
            }
            Wanted::Send { operation, message, said } => {
                *budget -= 1;
                let reply = self.place(crew, &key, &operation, &message).await?;
                self.trouble = unanswered(&reply);
                let it = heard(key, known.as_ref(), said, &reply);
                let is_taken = matches!(it.outcome.as_str(), word::ACCEPTED | word::EXISTS);
                pass.taken += u64::from(is_taken && known.is_none_or(|it| it.upper_id.is_none()));
                let kind = object.key().kind;
                pass.open += u64::from(
                    it.outcome == word::UNDECIDED || is_pending(&self.parts.candidate, kind, &it),
                );
                return Ok(Some(it));
            }
        };
        Ok(Some(next).filter(|next| Some(next) != known.as_ref()))
    }

    /// Where an object stands that people at the test platform look at.
    async fn follow(
        &mut self,
        crew: &Crew,
        object: &Object,
        mut it: ShadowObject,
        (pass, budget): (&mut Pass, &mut u32),
    ) -> Result<ShadowObject, Error> {
        let kind = it.key.kind;
        if !is_pending(&self.parts.candidate, kind, &it) {
            return Ok(it);
        }
        let operation = format!("{kind}.state");
        let scope = Scope {
            object: Some(object),
            upper_id: it.upper_id.as_deref(),
            upper: self.upper(object).0,
            inventory: Some(kind),
            ..Scope::default()
        };
        if let Ok(message) = self.parts.candidate.build(&operation, &scope) {
            *budget -= 1;
            let reply = self.place(crew, &it.key, &operation, &message).await?;
            self.trouble = unanswered(&reply);
            it.upper_state = reply.reading.state.or(it.upper_state);
        }
        pass.open += u64::from(is_pending(&self.parts.candidate, kind, &it));
        Ok(it)
    }

    /// What to do with an object now.
    fn wanted(&self, object: &Object, known: Option<&ShadowObject>) -> Wanted {
        let candidate = &self.parts.candidate;
        let key = object.key();
        let register = format!("{}.register", key.kind);
        let Some(settings) = candidate.operation(&register) else {
            return Wanted::Nothing(word::NOT_CARRIED, String::new(), String::new());
        };
        let (upper, missing) = self.upper(object);
        let missing = missing.into_iter().find(|parent| settings.needs.contains(&parent.kind));
        let lacks = check::lacks(candidate, &register, object, None);
        if let Some(wanted) = Wanted::lacking(&lacks) {
            return wanted;
        }
        if let Some(parent) = missing {
            return Wanted::Nothing(word::WAITING, parent.kind.as_str().to_owned(), String::new());
        }
        let upper_id = known.and_then(|it| it.upper_id.as_deref());
        let scope = Scope { object: Some(object), upper, ..Scope::default() };
        let message = match candidate.build(&register, &scope) {
            Ok(message) => message,
            Err(lacks) => return Wanted::lacking(&lacks).unwrap_or(Wanted::Said),
        };
        let said = message.payload.digest();
        if let Some(it) = known.filter(|it| it.said == Some(said)) {
            let is_open = match it.outcome.as_str() {
                word::UNDECIDED | word::UNLISTED => true,
                word::REFUSED => self.is_fresh,
                _ => false,
            };
            if !is_open {
                return Wanted::Said;
            }
        }
        let modify = format!("{}.modify", key.kind);
        if upper_id.is_none() || candidate.operation(&modify).is_none() {
            return Wanted::Send { operation: register, message, said };
        }
        match candidate.build(&modify, &Scope { upper_id, ..scope }) {
            Ok(message) => Wanted::Send { operation: modify, message, said },
            Err(lacks) => Wanted::lacking(&lacks).unwrap_or(Wanted::Said),
        }
    }

    /// The test platform's ids of everything above an object, and the parents that it lacks.
    pub(super) fn upper(&self, object: &Object) -> (BTreeMap<Kind, String>, Vec<ObjectKey>) {
        let (mut upper, mut missing) = (BTreeMap::new(), Vec::new());
        let mut next = object.parents();
        for level in 0..LEVELS {
            let mut further = Vec::new();
            for key in next {
                match self.seen.get(&key).and_then(|it| it.upper_id.clone()) {
                    Some(id) => drop(upper.entry(key.kind).or_insert(id)),
                    None if level == 0 => missing.push(key.clone()),
                    None => {}
                }
                further.extend(self.above.get(&key).into_iter().flatten().cloned());
            }
            next = further;
        }
        (upper, missing)
    }

    /// What is known already, read once.
    pub(super) async fn read(&mut self, crew: &Crew) -> Result<(), Error> {
        if !self.is_read {
            let known = crew.ledger.shadow_objects(self.channel()).await?;
            self.seen = known.into_iter().map(|it| (it.key.clone(), it)).collect();
            self.is_read = true;
        }
        Ok(())
    }

    /// Sends one message to the test platform, under a name of its own.
    pub(super) async fn place(
        &self,
        crew: &Crew,
        key: &ObjectKey,
        operation: &str,
        message: &Message,
    ) -> Result<Reply, Error> {
        let batch = self.name(crew, &key.to_string(), message)?;
        let (payload, parameters) = (&message.payload, message.parameters.as_slice());
        let placement = Placement { operation, payload, parameters, batch: &batch, attempt: 1 };
        let permit = crew.ledger.permit()?;
        Ok(self.parts.way.place(&permit, placement).await)
    }

    pub(super) fn name(
        &self,
        crew: &Crew,
        subject: &str,
        message: &Message,
    ) -> Result<String, Error> {
        let identity = crew.ledger.identity();
        let channel = ChannelId::from(
            format!("{}/{}", self.parts.channel.id, crate::ledger::SHADOW).as_str(),
        );
        let id = BatchId::of(BatchOrigin {
            installation: &identity.installation,
            incarnation: identity.incarnation,
            channel: &channel,
            subject,
            standard: self.parts.candidate.id(),
            ordinal: crew.ledger.next_ordinal()?,
            payload: &message.payload.digest(),
        });
        Ok(id.to_string())
    }

    pub(super) fn channel(&self) -> ChannelId {
        self.parts.channel.id.clone()
    }

    fn after(&self, crew: &Crew, wait: Duration) -> Timestamp {
        crew.supervisor.clock().now().saturating_add(wait).unwrap_or(Timestamp::MAX)
    }
}

/// What to do with an object.
enum Wanted {
    /// Nothing can be sent: the word, the code and the field.
    Nothing(&'static str, String, String),
    /// It was said, and answered.
    Said,
    /// This is to be sent.
    Send { operation: String, message: Message, said: DigestSha256 },
}

impl Wanted {
    /// The first thing that it lacks.
    fn lacking(lacks: &[Lack]) -> Option<Self> {
        let first = lacks.first()?;
        let field = check::without_places(&first.path);
        Some(Self::Nothing(word::LACKING, first.rule.as_str().to_owned(), field))
    }
}

/// The code of an exchange in which nothing came back.
pub(super) fn unanswered(reply: &Reply) -> Option<String> {
    reply.status.is_none().then(|| reply.reading.code.clone())
}

/// What an answer makes of an object.
pub(super) fn heard(
    key: ObjectKey,
    known: Option<&ShadowObject>,
    said: DigestSha256,
    reply: &Reply,
) -> ShadowObject {
    let (outcome, code) = judged(&reply.reading.outcome);
    let before = known.and_then(|it| it.upper_id.clone());
    ShadowObject {
        key,
        outcome: outcome.to_owned(),
        code,
        field: String::new(),
        said: Some(said),
        upper_id: reply.reading.upper_id.clone().or(before),
        upper_state: reply.reading.state,
    }
}
