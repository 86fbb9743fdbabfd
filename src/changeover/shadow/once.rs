//! One operation alone, with what was said on both sides (联调).

use serde::{Deserialize, Serialize};

use super::report::named;
use super::run::{Trial, heard};
use super::{judged, word};
use crate::cascade::{Crew, Error};
use crate::catalogue::{Kind, Object, ObjectKey};
use crate::changeover::check;
use crate::ledger::ShadowObject;
use crate::province::Placement;
use crate::standard::{Message, Scope};

/// Objects looked at for one whose message can be built.
const LOOKED_AT: usize = 500;

/// One exchange with the test platform, without a secret. Printed by `--json`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Once {
    /// The candidate, `id/version`.
    pub standard: String,
    /// The channel.
    pub channel: String,
    /// The operation.
    pub operation: String,
    /// What it was about, `kind:id`, or a dataset whose rows are masked; none for a question.
    pub subject: Option<String>,
    /// Ids that the test platform has not given yet were stood in for.
    pub stand_ins: bool,
    /// What the candidate makes of the answer: a word of [`word`].
    pub outcome: String,
    /// The code of the answer, or of what kept it away.
    pub code: String,
    /// The test platform's id, where it gave one.
    pub upper_id: Option<String>,
    /// The request's method.
    pub method: String,
    /// Its address.
    pub url: String,
    /// Its headers, with words in the place of secrets.
    pub headers: Vec<(String, String)>,
    /// Its body before it was encrypted and compressed.
    pub body: String,
    /// The answer's HTTP status.
    pub status: Option<u16>,
    /// The answer's headers.
    pub reply_headers: Vec<(String, String)>,
    /// The answer's body.
    pub reply: String,
}

/// Why nothing was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The candidate has no such operation.
    NoOperation,
    /// There is no such object, or none of the kind whose message can be built; the first lack.
    NoObject(String),
    /// It is not sent alone: it takes back, or it is about a batch.
    NotAlone,
    /// No dataset can be written; why.
    NoRows(String),
    /// The test platform is reached through tables, where nothing is said.
    NoWords,
}

/// What an operation is asked of.
struct About {
    message: Message,
    object: Option<(ObjectKey, bool)>,
    dataset: Option<String>,
    stand_ins: bool,
}

impl Trial {
    /// Sends one operation to the test platform: about `object`, or the first that can be said
    /// something of; of rows, a masked one.
    ///
    /// # Errors
    /// The ledger or a source cannot be read.
    pub async fn once(
        &mut self,
        crew: &Crew,
        operation: &str,
        object: Option<ObjectKey>,
    ) -> Result<Result<Once, Refusal>, Error> {
        self.read(crew).await?;
        if self.parts.candidate.operation(operation).is_none() {
            return Ok(Err(Refusal::NoOperation));
        }
        let about = match operation.split_once('.') {
            Some(("rows", "upsert")) => self.about_rows(crew).await?,
            Some(("rows" | "batch" | "application", _) | (_, "cancel")) => Err(Refusal::NotAlone),
            Some((kind, _)) => match Kind::parse(kind) {
                Some(kind) => self.about_object(crew, (kind, operation), object).await?,
                None => self.question(operation),
            },
            None => self.question(operation),
        };
        let about = match about {
            Ok(about) => about,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let subject = match (&about.object, &about.dataset) {
            (Some((key, _)), _) => Some(named(key)),
            (None, dataset) => dataset.clone(),
        };
        let batch = self.name(crew, subject.as_deref().unwrap_or(operation), &about.message)?;
        let placement = Placement {
            operation,
            payload: &about.message.payload,
            parameters: &about.message.parameters,
            batch: &batch,
            attempt: 1,
        };
        let permit = crew.ledger.permit()?;
        let Some((reply, said)) = self.parts.way.show(&permit, placement).await else {
            return Ok(Err(Refusal::NoWords));
        };
        if let Some((key, true)) = &about.object {
            let known = self.seen.get(key);
            let said = about.message.payload.digest();
            let mut it = heard(key.clone(), known, said, &reply);
            // A run says it again with the ids of its own.
            it.said = known.and_then(|it| it.said).filter(|_| !about.stand_ins);
            if matches!(it.outcome.as_str(), word::ACCEPTED | word::EXISTS) {
                crew.ledger.shadow_seen(self.channel(), vec![it.clone()]).await?;
                self.seen.insert(key.clone(), it);
            }
        }
        let (outcome, code) = judged(&reply.reading.outcome);
        Ok(Ok(Once {
            standard: self.parts.candidate.id().to_string(),
            channel: self.channel().to_string(),
            operation: operation.to_owned(),
            subject,
            stand_ins: about.stand_ins,
            outcome: outcome.to_owned(),
            code,
            upper_id: reply.reading.upper_id.clone(),
            method: said.method,
            url: said.url,
            headers: said.headers,
            body: said.body,
            status: said.status,
            reply_headers: said.reply_headers,
            reply: said.reply,
        }))
    }

    /// A question about nothing in particular: a heartbeat, an inventory.
    fn question(&self, operation: &str) -> Result<About, Refusal> {
        let candidate = &self.parts.candidate;
        let scope = Scope {
            inventory: Some(Kind::Entry),
            page: crate::standard::PageScope { number: Some(1), ..Default::default() },
            ..Scope::default()
        };
        match candidate.build(operation, &scope) {
            Ok(message) => Ok(About { message, object: None, dataset: None, stand_ins: false }),
            Err(_lacks) => Err(Refusal::NotAlone),
        }
    }

    async fn about_object(
        &self,
        crew: &Crew,
        (kind, operation): (Kind, &str),
        named: Option<ObjectKey>,
    ) -> Result<Result<About, Refusal>, Error> {
        let objects = match named {
            Some(key) => crew.ledger.object(key).await?.into_iter().collect(),
            None => crew.ledger.objects(kind, None, None, LOOKED_AT).await?,
        };
        let mut why = String::new();
        let mut second = None;
        for object in objects.iter().filter(|it| it.key().kind == kind) {
            match self.about(object, operation) {
                // One with the test platform's own ids goes before one with stand-ins.
                Ok(about) if !about.stand_ins => return Ok(Ok(about)),
                Ok(about) => second = second.or(Some(about)),
                Err(lack) if why.is_empty() => why = lack,
                Err(_lack) => {}
            }
        }
        Ok(second.ok_or(Refusal::NoObject(why)))
    }

    fn about(&self, object: &Object, operation: &str) -> Result<About, String> {
        let key = object.key();
        let upper_id = self.seen.get(&key).and_then(|it| it.upper_id.as_deref());
        let (upper, _missing) = self.upper(object);
        let exact = Scope {
            object: Some(object),
            upper_id,
            upper,
            inventory: Some(key.kind),
            ..Scope::default()
        };
        let candidate = &self.parts.candidate;
        let (message, stand_ins) = match candidate.build(operation, &exact) {
            Ok(message) => (message, false),
            Err(_lacks) => match candidate.build(operation, &check::scope(object, upper_id)) {
                Ok(message) => (message, true),
                Err(lacks) => {
                    return Err(lacks.first().map(ToString::to_string).unwrap_or_default());
                }
            },
        };
        let places = operation.ends_with(".register") || operation.ends_with(".modify");
        Ok(About { message, object: Some((key, places)), dataset: None, stand_ins })
    }

    /// One masked row of the first dataset that has one.
    async fn about_rows(&self, crew: &Crew) -> Result<Result<About, Refusal>, Error> {
        let mut why = String::new();
        for carrier in self.parts.channel.carriers() {
            let dataset = carrier.flow().dataset.clone();
            let Some(id) = crew.ledger.resource_of(dataset.clone()).await? else { continue };
            let key = ObjectKey { kind: Kind::Resource, id };
            if self.seen.get(&key).is_none_or(|it: &ShadowObject| it.upper_id.is_none()) {
                why =
                    "no resource stands at the test platform: start a run, or register one".into();
                continue;
            }
            let Some(resource) = crew.ledger.object(key).await? else { continue };
            match self.masked(crew, carrier, None, 1).await? {
                Ok(written) if written.rows > 0 => {
                    if let Some(message) = self.of_rows(&resource, &written, &dataset) {
                        let dataset = Some(dataset);
                        let stand_ins = false;
                        return Ok(Ok(About { message, object: None, dataset, stand_ins }));
                    }
                }
                Ok(_none) => {}
                Err(reason) => why = reason,
            }
        }
        Ok(Err(Refusal::NoRows(why)))
    }
}
