//! A ledger in a folder of its own, opened and closed at will, and what the tests put into it.

mod acts;
mod answers;
mod backup;
mod history;
mod mending;
mod mode;
mod model;
mod opening;
mod reseal;
mod retention;
mod shadow;
mod takeover;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;

use super::disk;
use super::manifest::{ManifestRow, Original};
use super::seal::Sealer;
use super::spool::{self, Limits, Spool};
use super::{Finding, Flow, Ledger, NewBatch, NewReject, Observation, Owner, Progress, Result};
use crate::clock::Clock;
use crate::delivery::{
    Action, BatchId, BatchOrigin, ChannelId, DigestSha256, Evidence, Lane, Mode, RejectKind,
    StandardId, Subject,
};
use crate::row::{KeyDigest, RowHash};
use crate::supervisor::Pool;

/// One folder and the clock and key it is used with.
struct Bench {
    folder: TempDir,
    clock: Clock,
    sealer: Arc<Sealer>,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::manual(Timestamp::from_second(1_790_000_000).unwrap()),
            sealer: Arc::new(Sealer::from_bytes(&[7; 32]).unwrap()),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn open(&self) -> Ledger {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Ledger> {
        let ledger = Ledger::open(self.path(), &self.sealer, self.clock.clone(), Pool::new(2))?;
        self.run(ledger.mode_begun(Mode::Live))?;
        Ok(ledger)
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn spool(&self, folder: &Path) -> Spool {
        let limits = Limits { bound_bytes: 1 << 20, live_share_bytes: 0 };
        Spool::open(&folder.join("spool"), Arc::clone(&self.sealer), limits, []).unwrap()
    }
}

fn channel() -> ChannelId {
    ChannelId::from("province")
}

fn flow(dataset: &str) -> Flow {
    Flow { channel: channel(), dataset: dataset.to_owned() }
}

fn owner() -> Owner {
    Owner {
        region: "5119".to_owned(),
        department: "housing".to_owned(),
        zone: "Asia/Shanghai".to_owned(),
    }
}

fn key(number: u8) -> KeyDigest {
    KeyDigest([number; 12])
}

/// A batch of `rows` rows, named by the ledger's next ordinal.
fn batch(ledger: &Ledger, subject: Subject, rows: u32, evidence: Evidence) -> NewBatch {
    let (ordinal, payload_digest) = (ledger.next_ordinal().unwrap(), DigestSha256::of(b"payload"));
    let (channel, standard) = (channel(), StandardId::from("a/1"));
    let identity = ledger.identity();
    let id = BatchId::of(BatchOrigin {
        installation: &identity.installation,
        incarnation: identity.incarnation,
        channel: &channel,
        subject: &subject.name(),
        standard: &standard,
        ordinal,
        payload: &payload_digest,
    });
    NewBatch {
        id,
        ordinal,
        channel,
        standard,
        operation: "rows.upsert".to_owned(),
        subject,
        lane: Lane::Live,
        rows,
        payload_bytes: 7,
        payload_digest,
        parent: None,
        after: Vec::new(),
        evidence,
        content_at: None,
        deadline: Timestamp::MAX,
    }
}

fn rows_of(dataset: &str) -> Subject {
    Subject::Rows { dataset: dataset.to_owned(), action: Action::Upsert }
}

fn reject(number: u8, version: u64, kind: RejectKind) -> NewReject {
    NewReject {
        key: key(number),
        row: RowHash(version),
        kind,
        findings: vec![Finding { rule: "id-card".to_owned(), column: None }],
        original: vec![1, 2, 3],
    }
}

fn observation(dataset: &str) -> Observation {
    Observation {
        flow: flow(dataset),
        owner: owner(),
        lane: Lane::Live,
        batches: Vec::new(),
        rejects: Vec::new(),
        rules: Vec::new(),
        mended: Vec::new(),
        replayed: Vec::new(),
        unique: Vec::new(),
        freed: Vec::new(),
        coalesced: 0,
        skipped: 0,
        resent: 0,
        newest_content: None,
        as_of: Timestamp::from_second(1_790_000_000).unwrap(),
        progress: Progress::Unmoved,
    }
}

/// Puts a batch's payload and manifest into the spool, as the pack stage does.
fn spooled(spool: &Spool, batch: &NewBatch) -> std::result::Result<(), disk::Error> {
    let rows: Vec<ManifestRow> = (0..batch.rows)
        .map(|number| ManifestRow {
            key: key(u8::try_from(number).unwrap()),
            row: RowHash(1),
            version_ms: 0,
            original: Original { key_text: number.to_string(), ..Original::default() },
        })
        .collect();
    spool.write(&batch.id.to_string(), spool::Owner::BACKFILL, b"payload", &rows).map(drop)
}
