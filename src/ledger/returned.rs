//! Which files with verdicts were taken, by their digests: a file that is laid there again, after
//! another said otherwise, changes nothing.

use rusqlite::{OptionalExtension as _, params};

use super::{Error, Ledger, Result, stored};
use crate::delivery::{ChannelId, DigestSha256};

/// How far a file that came back was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReturnedStage {
    /// Some of the batches it is about may have heard.
    Begun,
    /// All of them.
    Taken,
}

impl ReturnedStage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Taken => "taken",
        }
    }
}

impl Ledger {
    /// How far a file was taken; `None` for one that was never seen.
    pub async fn returned_stage(
        &self,
        channel: ChannelId,
        digest: DigestSha256,
    ) -> Result<Option<ReturnedStage>> {
        self.read(move |connection| {
            let stage: Option<String> = connection
                .prepare_cached(
                    "SELECT stage FROM returned_file WHERE channel = ?1 AND digest = ?2",
                )
                .and_then(|mut statement| {
                    let with = params![channel.as_str(), digest.0];
                    statement.query_row(with, |row| row.get(0)).optional()
                })
                .map_err(Error::engine("look for a returned file"))?;
            Ok(stage.map(|stage| match stage.as_str() {
                "begun" => ReturnedStage::Begun,
                _ => ReturnedStage::Taken,
            }))
        })
        .await
    }

    /// A file is taken so far. Never goes back from taken to begun.
    pub async fn file_returned(
        &self,
        channel: ChannelId,
        digest: DigestSha256,
        stage: ReturnedStage,
    ) -> Result<()> {
        self.write("record a returned file", move |transaction, now| {
            transaction
                .execute(
                    "INSERT INTO returned_file (channel, digest, stage, at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (channel, digest) DO UPDATE SET stage = excluded.stage
                        WHERE stage = 'begun'",
                    params![channel.as_str(), digest.0, stage.as_str(), stored(now)],
                )
                .map(drop)
                .map_err(Error::engine("record a returned file"))
        })
        .await
    }
}
