//! Batches and attempts: what is sent, under which unchanging name, and where it stands.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;

use super::{ChannelId, StandardId};

/// SHA-256 of some bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DigestSha256(pub [u8; 32]);

impl DigestSha256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts([bytes])
    }

    /// The inverse of its 64 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let mut out = [0; 32];
        if pairs.len() != out.len() {
            return None;
        }
        for (byte, pair) in out.iter_mut().zip(pairs) {
            let digits = std::str::from_utf8(pair).ok()?;
            digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(out))
    }

    /// The digest of parts laid end to end.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = Context::new(&SHA256);
        parts.into_iter().for_each(|part| context.update(part));
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        Self(out)
    }
}

impl fmt::Display for DigestSha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The name of a batch: it never changes, and no two payloads share one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BatchId(pub [u8; 16]);

/// What a batch's name is made of (invariant 3).
#[derive(Clone, Copy, Debug)]
pub struct BatchOrigin<'a> {
    /// The installation, 16 random bytes made with the ledger.
    pub installation: &'a [u8; 16],
    /// The ledger's incarnation: another one after each restore.
    pub incarnation: u64,
    /// Where it goes.
    pub channel: &'a ChannelId,
    /// The dataset, or the object as `kind:id`.
    pub subject: &'a str,
    /// Which standard it is cut for.
    pub standard: &'a StandardId,
    /// A number that the ledger never gives twice.
    pub ordinal: u64,
    /// SHA-256 of the payload's segments.
    pub payload: &'a DigestSha256,
}

impl BatchId {
    /// The name of the batch with this origin.
    pub fn of(origin: BatchOrigin<'_>) -> Self {
        let numbers = [origin.incarnation.to_be_bytes(), origin.ordinal.to_be_bytes()];
        let text = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
        let [channel, subject, standard] =
            [origin.channel.as_str(), origin.subject, origin.standard.as_str()];
        let digest = DigestSha256::of_parts([
            origin.installation.as_slice(),
            numbers.as_flattened(),
            &text(channel),
            channel.as_bytes(),
            &text(subject),
            subject.as_bytes(),
            &text(standard),
            standard.as_bytes(),
            &origin.payload.0,
        ]);
        let mut id = [0; 16];
        id.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
        Self(id)
    }

    /// The inverse of `Display`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        if text.len() != 32 {
            return None;
        }
        for (index, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Which of a dataset's two lanes (车道): new changes, or the past.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Lane {
    /// From now on.
    Live,
    /// First load, resync, repair.
    Backfill,
}

impl Lane {
    /// Both lanes.
    pub const ALL: [Self; 2] = [Self::Live, Self::Backfill];

    /// The word that is stored, shown and used as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backfill => "backfill",
        }
    }

    /// The inverse of [`Lane::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }
}

/// What a row batch does above.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// The row is new or has changed.
    Upsert,
    /// The row is gone from the city's table.
    Delete,
}

impl Action {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }

    /// The inverse of [`Action::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Upsert, Self::Delete].into_iter().find(|action| action.as_str() == text)
    }
}

/// What a batch carries.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Subject {
    /// Rows of a dataset.
    Rows {
        /// The dataset.
        dataset: String,
        /// What happens to them above.
        action: Action,
    },
    /// One catalogue object's message.
    Object {
        /// `organisation`, `category`, `system`, `entry`, `resource`.
        kind: String,
        /// The city's id of it.
        id: String,
    },
}

impl Subject {
    /// One word for it: the dataset, or `kind:id`.
    pub fn name(&self) -> String {
        match self {
            Self::Rows { dataset, .. } => dataset.clone(),
            Self::Object { kind, id } => format!("{kind}:{id}"),
        }
    }
}

/// Where a batch stands.
///
/// `queued → in_flight → (unknown →) taken → settled`, or `superseded`, `split`, `refused`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BatchState {
    /// Durable, waiting for its turn or its next attempt.
    Queued,
    /// An attempt is committed and no answer is known.
    InFlight,
    /// An answer was lost: ask before sending again.
    Unknown,
    /// The province gave a receipt; row verdicts are awaited.
    Taken,
    /// Every row in it has reached the declared evidence or was rejected.
    Settled,
    /// The province refused it whole and it carried one row or one object.
    Refused,
    /// Refused whole and cut in two; the halves carry on.
    Split,
    /// Its standard can no longer deliver it; its keys are due again from current values.
    Superseded,
}

impl BatchState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::InFlight,
        Self::Unknown,
        Self::Taken,
        Self::Settled,
        Self::Refused,
        Self::Split,
        Self::Superseded,
    ];

    /// The word that is stored, shown and used as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InFlight => "in_flight",
            Self::Unknown => "unknown",
            Self::Taken => "taken",
            Self::Settled => "settled",
            Self::Refused => "refused",
            Self::Split => "split",
            Self::Superseded => "superseded",
        }
    }

    /// The inverse of [`BatchState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Nothing more will happen to it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Refused | Self::Split | Self::Superseded)
    }

    /// Whether a batch may go from here to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use BatchState as S;
        match self {
            S::Queued => matches!(next, S::InFlight | S::Superseded),
            S::InFlight => !matches!(next, S::InFlight | S::Superseded),
            S::Unknown => !matches!(next, S::InFlight),
            S::Taken => matches!(next, S::Settled | S::Unknown | S::Queued),
            S::Settled | S::Refused | S::Split | S::Superseded => false,
        }
    }
}

/// A durable unit of sending.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Its unchanging name.
    pub id: BatchId,
    /// Where it goes.
    pub channel: ChannelId,
    /// Which standard it was cut for.
    pub standard: StandardId,
    /// The standard's operation, for example `rows.upsert`.
    pub operation: String,
    /// What it carries.
    pub subject: Subject,
    /// Which lane it came from; objects travel on the live lane.
    pub lane: Lane,
    /// The ledger's ordinal: older batches have smaller ones.
    pub ordinal: u64,
    /// Rows in it; 1 for an object.
    pub rows: u32,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// SHA-256 of its payload's segments.
    pub payload_digest: DigestSha256,
    /// The batch it was split from.
    pub parent: Option<BatchId>,
    /// Where it stands.
    pub state: BatchState,
    /// Sendings so far.
    pub attempts: u32,
    /// When it was packed.
    pub packed_at: Timestamp,
    /// Not to be sent before.
    pub next_attempt_at: Timestamp,
}

/// One sending of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// The ledger's number for it, unique and rising.
    pub number: u64,
    /// Which batch.
    pub batch: BatchId,
    /// When it was committed, which is before any byte left.
    pub begun_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin<'a>(
        channel: &'a ChannelId,
        standard: &'a StandardId,
        payload: &'a DigestSha256,
    ) -> BatchOrigin<'a> {
        BatchOrigin {
            installation: &[7; 16],
            incarnation: 1,
            channel,
            subject: "5119-0207",
            standard,
            ordinal: 12,
            payload,
        }
    }

    #[test]
    fn every_part_of_the_origin_changes_the_name() {
        let channel = ChannelId::from("province");
        let standard = StandardId::from("a/1");
        let payload = DigestSha256::of(b"payload");
        let base = origin(&channel, &standard, &payload);
        let mut names = vec![
            BatchId::of(base),
            BatchId::of(BatchOrigin { installation: &[8; 16], ..base }),
            BatchId::of(BatchOrigin { incarnation: 2, ..base }),
            BatchId::of(BatchOrigin { channel: &ChannelId::from("other"), ..base }),
            BatchId::of(BatchOrigin { subject: "5119-0208", ..base }),
            BatchId::of(BatchOrigin { standard: &StandardId::from("a/2"), ..base }),
            BatchId::of(BatchOrigin { ordinal: 13, ..base }),
            BatchId::of(BatchOrigin { payload: &DigestSha256::of(b"other"), ..base }),
        ];
        assert_eq!(BatchId::parse(&names[0].to_string()), Some(names[0]));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn a_final_state_is_final() {
        for from in BatchState::ALL {
            assert_eq!(BatchState::parse(from.as_str()), Some(from));
            for to in BatchState::ALL {
                assert!(!(from.is_final() && from.may_become(to)), "{from:?} to {to:?}");
            }
        }
    }
}
