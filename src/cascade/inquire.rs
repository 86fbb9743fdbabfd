//! Asking what became of a batch: in the words of who speaks for its subject now, or, where those
//! have no such question, in the words in which it was sent.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::channel::Channel;
use super::lane::Crew;
use super::parcel::Parcel;
use super::submit::taken;
use crate::catalogue::Kind;
use crate::delivery::{Batch, Evidence, Outcome, Subject};
use crate::ledger::{Ended, Waiting};
use crate::province::About;
use crate::standard::{BatchScope, Message, Scope};

const RECEIPT: &str = "batch.receipt";

/// Asks the province about a batch whose answer was lost; what it does not hold is sent again
/// under the same name, or cut again where another standard speaks for it by now.
pub(super) async fn fate(
    crew: &Crew,
    channel: &Arc<Channel>,
    waiting: &Waiting,
) -> Result<Ended, Error> {
    let again = |code: &str| Ended::Again { code: code.to_owned(), at: crew.now(), auth: false };
    let batch = &waiting.batch;
    let voice = crew.voice(channel, &batch.subject).await?;
    let standard = &voice.standard;
    let asker = asker(channel, &voice, batch, RECEIPT);
    let is_former = !Arc::ptr_eq(&asker, &voice);
    // It cannot go again under its name, and under another it might come twice: where nobody can
    // be asked it stays visible as unknown as long as an answer could have been expected.
    let patience = super::deadline(standard, Evidence::Receipt, batch.packed_at);
    if asker.standard.operation(RECEIPT).is_none() {
        if batch.standard != *standard.id() && crew.now() < patience {
            return Ok(Ended::Unknown { code: "cannot-be-asked".to_owned(), at: patience });
        }
        // The standard cannot be asked; the name stays the same, so a second arrival shows.
        return Ok(again("asked-by-sending"));
    }
    let id = batch.id.to_string();
    let scope = scope(&id, batch);
    let parcel = sent(crew, &asker, batch).await?;
    let about = parcel.as_ref().map(|parcel| about(batch, parcel));
    let reply = if is_former {
        crew.ask_former(&asker, RECEIPT, &scope, about).await?
    } else {
        crew.ask_about(&asker, RECEIPT, &scope, about).await?
    };
    let reading = reply.reading;
    if reading.absent {
        return Ok(again("not-arrived"));
    }
    Ok(match reading.outcome {
        Outcome::Accepted { .. } | Outcome::Exists { .. } => {
            let mut ended = taken(&reading.outcome);
            if let (Ended::Taken { receipt, upper_id, .. }, Subject::Object { kind, .. }) =
                (&mut ended, &batch.subject)
            {
                *receipt = receipt.take().or(reading.receipt);
                *upper_id = upper_id.take().or(reading.upper_id);
                // An id in the words of before means another object, or none, in those of now.
                let is_renumbered = is_former && standard.settings().renumbers.contains(kind);
                if (upper_id.is_none() || is_renumbered) && batch.operation.ends_with(".register") {
                    // Taken, but under which id? The same message again is answered with it.
                    return Ok(again("upper-id-unknown"));
                }
            }
            ended
        }
        outcome @ (Outcome::Refused { .. }
        | Outcome::Retry { .. }
        | Outcome::Auth { .. }
        | Outcome::Unknown { .. }
        | Outcome::NoPlace { .. }
        | Outcome::Unlisted { .. }) => {
            if is_former && crew.now() >= patience {
                // What was spoken before is understood no more.
                return Ok(again("cannot-be-asked"));
            }
            // A receipt that is laid down by somebody is not there sooner for being asked for.
            let every = asker.standard.operation(RECEIPT).and_then(|known| known.every);
            let at = crew.after(backoff(crew, waiting).max(every.unwrap_or_default()));
            Ended::Unknown {
                code: outcome.code().to_owned(),
                at: if is_former { at.min(patience) } else { at },
            }
        }
    })
}

/// Who asks about a batch: who speaks for its subject, where that has such a question; else who
/// spoke for it when it was sent, where that has.
pub(super) fn asker(
    channel: &Arc<Channel>,
    voice: &Arc<Channel>,
    batch: &Batch,
    operation: &str,
) -> Arc<Channel> {
    let asks = |it: &&Arc<Channel>| it.standard.operation(operation).is_some();
    let former = || channel.speaker(&batch.standard).filter(asks);
    Arc::clone(Some(voice).filter(asks).or_else(former).unwrap_or(voice))
}

/// When an unanswered question is asked again.
pub(super) fn backoff(crew: &Crew, waiting: &Waiting) -> Duration {
    let spread = waiting.batch.id.0.first().copied().unwrap_or_default();
    crate::ledger::pause_before_retry(waiting.batch.attempts, spread).max(crew.pace.unknown)
}

/// What a question about a batch is made of.
pub(super) fn scope<'a>(id: &'a str, batch: &'a Batch) -> Scope<'a> {
    let (dataset, action) = match &batch.subject {
        Subject::Rows { dataset, action } => (Some(dataset.as_str()), Some(*action)),
        Subject::Object { .. } => (None, None),
    };
    let kind = match &batch.subject {
        Subject::Rows { .. } => None,
        Subject::Object { kind, .. } => Kind::parse(kind),
    };
    Scope {
        dataset,
        inventory: kind,
        batch: BatchScope {
            id: Some(id),
            rows: Some(batch.rows),
            action,
            lane: Some(batch.lane),
            ..BatchScope::default()
        },
        ..Scope::default()
    }
}

/// What was sent, where the channel asks by it.
pub(super) async fn sent(
    crew: &Crew,
    voice: &Channel,
    batch: &Batch,
) -> Result<Option<Parcel>, Error> {
    match (&batch.subject, voice.client.asks_by_rows()) {
        (Subject::Rows { .. }, true) => parcel(crew, batch).await.map(Some),
        (Subject::Rows { .. } | Subject::Object { .. }, _) => Ok(None),
    }
}

/// A batch's payload from the spool.
pub(super) async fn parcel(crew: &Crew, batch: &Batch) -> Result<Parcel, Error> {
    let (spool, name) = (Arc::clone(&crew.files.spool), batch.id.to_string());
    crew.block(move || -> Result<Parcel, Error> {
        Ok(Parcel::from_bytes(&spool.read_payload(&name)?)?)
    })
    .await
}

/// The rows that a question is about, where a channel asks by them.
pub(super) fn about<'a>(batch: &'a Batch, parcel: &'a Parcel) -> About<'a> {
    let Message { payload, parameters } = &parcel.message;
    About { operation: &batch.operation, payload, parameters }
}
