//! Files with verdicts that came back to a channel of files: read as they are whole, taken whole or
//! set aside whole, and the same file again changes nothing.
//!
//! Everything that a file says is compared with what its batches carry before any of it counts: a
//! row that none of them carries, or one that is judged twice, and the file is set aside under its
//! own name, which people are told. A batch that is settled already hears of rows that do not stand
//! any more, as of any verdict that is taken back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::channel::Channel;
use super::revoked::revoke;
use super::settle::Settle;
use super::submit::{after, manifest};
use super::{Error, inquire};
use crate::delivery::{BatchId, BatchState, Mode, Subject, Verdict};
use crate::ledger::manifest::ManifestRow;
use crate::ledger::{self, ReturnedStage, Waiting};
use crate::province::{FULL, Returned, ReturnedRow};
use crate::standard::RowJudgement;

const QUESTION: &str = "rows.verdict";
/// It is about no batch of ours, or about rows that its batch does not carry.
const FOREIGN: &str = "result-foreign";
/// It judges a row twice.
const TWICE: &str = "result-twice";
/// It tells rows by their numbers, and of its batch only the keys are known by now.
const LATE: &str = "result-late";
/// The most characters of a file's name that are told.
const MOST_NAME: usize = 80;

/// What a file says of one batch, compared with what the batch carries.
struct Part {
    waiting: Waiting,
    dataset: String,
    rows: Vec<Heard>,
}

/// What is said of one row.
struct Heard {
    said: RowJudgement,
    /// Its place in the batch's manifest, where that is still there.
    found: Option<(usize, ManifestRow)>,
}

/// What is done with a file.
enum Plan {
    /// All of it counts.
    Take(Vec<Part>),
    /// What became of one of its batches must be known first.
    Wait,
    /// None of it counts.
    Aside(&'static str),
}

impl Settle {
    /// Looks into the folders of a channel's files, when it is time.
    pub(super) async fn take_returned(&mut self) -> Result<bool, Error> {
        let channel = Arc::clone(&self.channel);
        let voices = || channel.voices().filter(|voice| voice.client.unfetched().is_some());
        if voices().next().is_none()
            || self.crew.now() < self.next_return
            || self.crew.ledger.mode() == Mode::Watch
        {
            return Ok(false);
        }
        let (mut did, mut every) = (false, self.crew.pace.ask);
        for voice in voices() {
            let own = voice.standard.operation(QUESTION).and_then(|known| known.every);
            every = own.map_or(every, |own| own.min(every));
            let is_full = || voice.client.unfetched().is_some_and(|it| it.is_full);
            let was_full = is_full();
            let returned = match self.crew.heart.outside(voice.client.returned()).await {
                Ok(returned) => returned,
                Err(code) => {
                    self.trouble(code);
                    continue;
                }
            };
            if was_full && !is_full() {
                let waited = BTreeSet::from([FULL.to_owned()]);
                self.crew.ledger.waits_ended(channel.id.clone(), waited).await?;
                channel.submit.raise();
            }
            for file in returned {
                did |= self.take(voice, file).await?;
            }
        }
        self.next_return = self.crew.after(every);
        Ok(did)
    }

    fn trouble(&self, code: &'static str) {
        self.crew.events.failed("settle", code);
        tracing::warn!(channel.id = %self.channel.id, code, "a folder of files cannot be used");
    }

    /// One file; true where it was dealt with.
    async fn take(&self, voice: &Arc<Channel>, file: Returned) -> Result<bool, Error> {
        let (ledger, id) = (&self.crew.ledger, self.channel.id.clone());
        let stage = ledger.returned_stage(id.clone(), file.digest).await?;
        if stage == Some(ReturnedStage::Taken) {
            return self.put_away(voice, file, true).await;
        }
        let plan = match &file.rows {
            Ok(rows) => self.plan(rows, stage.is_some()).await?,
            Err(code) => Plan::Aside(code),
        };
        let parts = match plan {
            Plan::Take(parts) => parts,
            Plan::Wait => return Ok(false),
            Plan::Aside(code) => {
                self.crew.drifted(voice, QUESTION, &file.drift).await?;
                let name: String = file.name.chars().take(MOST_NAME).collect();
                tracing::warn!(channel.id = %id, code, "a file that came back is set aside");
                self.crew.events.drifted(&id, code);
                ledger.drift_seen(id, code, QUESTION.to_owned(), vec![name]).await?;
                return self.put_away(voice, file, false).await;
            }
        };
        self.crew.drifted(voice, QUESTION, &file.drift).await?;
        ledger.file_returned(id.clone(), file.digest, ReturnedStage::Begun).await?;
        for part in parts {
            self.hear(part).await?;
            crate::crash::point("result-heard");
        }
        ledger.file_returned(id, file.digest, ReturnedStage::Taken).await?;
        crate::crash::point("result-taken");
        self.put_away(voice, file, true).await
    }

    async fn put_away(
        &self,
        voice: &Arc<Channel>,
        file: Returned,
        is_taken: bool,
    ) -> Result<bool, Error> {
        let moved = self.crew.heart.outside(voice.client.put_away(file, is_taken)).await;
        if let Err(code) = moved {
            self.trouble(code);
        }
        Ok(true)
    }

    /// Compares all that a file says with what its batches carry. `is_begun`: some of them may have
    /// heard of it before.
    async fn plan(&self, rows: &[ReturnedRow], is_begun: bool) -> Result<Plan, Error> {
        let mut by_batch: BTreeMap<BatchId, Vec<RowJudgement>> = BTreeMap::new();
        for row in rows {
            by_batch.entry(row.batch).or_default().push(row.said.clone());
        }
        let mut parts = Vec::new();
        for (id, said) in by_batch {
            let waiting = match self.crew.ledger.batch(id).await {
                Ok(waiting) if waiting.batch.channel == self.channel.id => waiting,
                Ok(_) | Err(ledger::Error::NoBatch { .. }) => return Ok(Plan::Aside(FOREIGN)),
                Err(error) => return Err(error.into()),
            };
            let Subject::Rows { dataset, .. } = waiting.batch.subject.clone() else {
                return Ok(Plan::Aside(FOREIGN));
            };
            let is_open = match waiting.batch.state {
                BatchState::Taken => true,
                BatchState::Settled => false,
                BatchState::Queued | BatchState::InFlight | BatchState::Unknown => {
                    return Ok(Plan::Wait);
                }
                BatchState::Refused | BatchState::Split | BatchState::Superseded => {
                    return Ok(Plan::Aside(LATE));
                }
            };
            let carried = match manifest(&self.crew, &waiting.batch).await {
                Ok(rows) => Some(rows),
                Err(error) if is_open => return Err(error),
                // What is settled leaves the spool.
                Err(_gone) => None,
            };
            if carried.is_none() && is_begun {
                continue;
            }
            match resolve(said, carried.as_deref()) {
                Ok(rows) => parts.push(Part { waiting, dataset, rows }),
                Err(code) => return Ok(Plan::Aside(code)),
            }
        }
        Ok(Plan::Take(parts))
    }

    /// What a file says of one batch counts.
    async fn hear(&self, part: Part) -> Result<(), Error> {
        let Part { waiting, dataset, rows } = part;
        let batch = &waiting.batch;
        if batch.state == BatchState::Settled {
            let Some(carrier) = self.channel.carriers.get(&dataset) else { return Ok(()) };
            for Heard { mut said, found } in rows {
                if let Some((_, row)) = found {
                    said.key.clone_from(&row.original.key_text);
                }
                said.batch = Some(batch.id.to_string());
                revoke(&self.crew, carrier, &said).await?;
            }
            return Ok(());
        }
        let is_failed = |it: &Heard| matches!(it.said.verdict, Some(Verdict::Failed { .. }));
        let parcel = match rows.iter().any(is_failed) {
            true => Some(inquire::parcel(&self.crew, batch).await?),
            false => None,
        };
        let mut judged = Vec::with_capacity(rows.len());
        for Heard { said, found } in &rows {
            if let Some((at, row)) = found {
                judged.extend(self.judge(&dataset, said, row, *at, parcel.as_ref())?);
            }
        }
        if self.record(batch, &dataset, judged).await? {
            after(&self.crew, &self.channel, batch, Vec::new()).await?;
            self.free_children(&dataset, batch).await?;
        }
        Ok(())
    }
}

/// Finds every row that is spoken of in what the batch carries, by its number or its key; where that
/// is gone, the keys are what is left.
fn resolve(
    said: Vec<RowJudgement>,
    carried: Option<&[ManifestRow]>,
) -> Result<Vec<Heard>, &'static str> {
    let Some(carried) = carried else {
        let is_named = |it: &RowJudgement| !it.key.is_empty();
        if !said.iter().all(is_named) {
            return Err(LATE);
        }
        return Ok(said.into_iter().map(|said| Heard { said, found: None }).collect());
    };
    let by_key: HashMap<&str, usize> =
        carried.iter().enumerate().map(|(at, row)| (row.original.key_text.as_str(), at)).collect();
    let mut seen = BTreeSet::new();
    said.into_iter()
        .map(|said| {
            let of_key = by_key.get(said.key.as_str()).copied();
            let at = match said.number {
                Some(number) => usize::try_from(number).ok().and_then(|it| it.checked_sub(1)),
                None => of_key,
            };
            let is_one = |at: &usize| said.key.is_empty() || of_key == Some(*at);
            let at = at.filter(is_one).ok_or(FOREIGN)?;
            let row = carried.get(at).cloned().ok_or(FOREIGN)?;
            if !seen.insert(at) {
                return Err(TWICE);
            }
            Ok(Heard { said, found: Some((at, row)) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::manifest::Original;
    use crate::row::{KeyDigest, RowHash};

    fn carried(keys: &[&str]) -> Vec<ManifestRow> {
        let row = |key: &&str| ManifestRow {
            key: KeyDigest([0; 12]),
            row: RowHash(0),
            version_ms: 0,
            original: Original { key_text: (*key).to_owned(), ..Original::default() },
        };
        keys.iter().map(row).collect()
    }

    fn said(key: &str, number: Option<u32>) -> RowJudgement {
        RowJudgement { key: key.to_owned(), verdict: Some(Verdict::Passed), batch: None, number }
    }

    fn places(said: Vec<RowJudgement>) -> Result<Vec<usize>, &'static str> {
        let heard = resolve(said, Some(&carried(&["a", "b", "c"])))?;
        Ok(heard.into_iter().filter_map(|it| Some(it.found?.0)).collect())
    }

    #[test]
    fn rows_are_found_by_number_or_key_and_both_agree() {
        assert_eq!(
            places(vec![said("", Some(3)), said("a", None), said("b", Some(2))]),
            Ok(vec![2, 0, 1])
        );
        for foreign in [said("x", None), said("", Some(4)), said("", Some(0)), said("a", Some(2))] {
            assert_eq!(places(vec![said("c", None), foreign]), Err(FOREIGN));
        }
        assert_eq!(places(vec![said("a", None), said("", Some(1))]), Err(TWICE));
    }

    #[test]
    fn of_a_batch_that_is_gone_rows_are_known_by_their_keys_alone() {
        assert!(resolve(vec![said("a", None)], None).is_ok());
        assert_eq!(resolve(vec![said("", Some(1))], None).err(), Some(LATE));
    }
}
