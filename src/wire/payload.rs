//! What is sent: bytes with named slots, so that a batch's content never changes while times,
//! tokens and signatures do.

use crate::delivery::DigestSha256;

use super::Escape;

/// How the name of a slot begins whose rest is a text of the message that is encrypted anew for each
/// attempt. It is content: neither `Debug` nor an error shows it.
pub const HIDDEN: &str = "hidden ";

/// What may be shown of a slot's name.
fn shown(name: &str) -> &str {
    if name.starts_with(HIDDEN) { "hidden" } else { name }
}

/// A part of a payload.
#[derive(Clone, Eq, PartialEq)]
pub enum Segment {
    /// Bytes that never change.
    Bytes(Vec<u8>),
    /// A value that an attempt fills in, for example `attempt.time` or `credential.appkey`.
    Slot {
        /// Its name.
        name: String,
        /// How its value is written.
        escape: Escape,
    },
}

impl Segment {
    /// What stands before it in the durable form: its kind and its length.
    fn head(&self) -> [u8; 9] {
        let kind = match self {
            Self::Bytes(_) => 0xFF,
            Self::Slot { escape, .. } => escape.mark(),
        };
        let [a, b, c, d, e, f, g, h] = number(self.content().len());
        [kind, a, b, c, d, e, f, g, h]
    }

    fn content(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Slot { name, .. } => name.as_bytes(),
        }
    }
}

impl std::fmt::Debug for Segment {
    /// No content: a payload holds rows.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(formatter, "Bytes({})", bytes.len()),
            Self::Slot { name, escape } => write!(formatter, "Slot({}, {escape:?})", shown(name)),
        }
    }
}

/// A durable payload that cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PayloadError {
    /// Not a payload, or of a version that this build does not know.
    #[error("not a payload of a known version")]
    Version,
    /// Cut short, or with something behind its end.
    #[error("payload is damaged")]
    Damaged,
}

/// A slot that could not be filled. Holds no value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FillError {
    /// Nothing has this name.
    #[error("nothing fills the slot `{slot}`")]
    Missing {
        /// Its name.
        slot: String,
    },
    /// The value holds a character that the message cannot carry.
    #[error("the value of slot `{slot}` holds a character that the message cannot carry")]
    Illegal {
        /// Its name.
        slot: String,
    },
}

/// A message or batch, ready but for its slots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Payload {
    /// The parts in order.
    pub segments: Vec<Segment>,
}

const MAGIC: &[u8; 4] = b"CPL\x01";

impl Payload {
    /// A payload of fixed bytes.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        Self { segments: vec![Segment::Bytes(bytes)] }
    }

    /// Bytes of the fixed segments.
    pub fn len(&self) -> usize {
        let length = |segment: &Segment| match segment {
            Segment::Bytes(bytes) => bytes.len(),
            Segment::Slot { .. } => 0,
        };
        self.segments.iter().map(length).sum()
    }

    /// No segment.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The names of its slots, in order, repeated as often as they occur.
    pub fn slots(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Bytes(_) => None,
            Segment::Slot { name, .. } => Some(name.as_str()),
        })
    }

    /// The fixed bytes; `None` when there are slots.
    pub fn fixed(&self) -> Option<Vec<u8>> {
        self.fill(|_| None).ok()
    }

    /// SHA-256 over the durable form: it covers the segments and the names of the slots, not what
    /// an attempt fills in.
    pub fn digest(&self) -> DigestSha256 {
        let heads: Vec<[u8; 9]> = self.segments.iter().map(Segment::head).collect();
        let segments = heads.iter().zip(&self.segments);
        let parts = segments.flat_map(|(head, segment)| [head.as_slice(), segment.content()]);
        let count = number(self.segments.len());
        DigestSha256::of_parts([MAGIC.as_slice(), &count].into_iter().chain(parts))
    }

    /// The bytes to send, each slot filled with what `value` returns for its name.
    pub fn fill(
        &self,
        mut value: impl FnMut(&str) -> Option<String>,
    ) -> Result<Vec<u8>, FillError> {
        let mut out = Vec::with_capacity(self.len() + 64 * self.slots().count());
        for segment in &self.segments {
            match segment {
                Segment::Bytes(bytes) => out.extend_from_slice(bytes),
                Segment::Slot { name, escape } => {
                    let Some(text) = value(name) else {
                        return Err(FillError::Missing { slot: shown(name).to_owned() });
                    };
                    escape
                        .append(&text, &mut out)
                        .map_err(|_illegal| FillError::Illegal { slot: shown(name).to_owned() })?;
                }
            }
        }
        Ok(out)
    }

    /// The durable form: a version, the number of segments, then kind, length and bytes of each
    /// (numbers big-endian, 64 bits).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.stored_len());
        self.store(&mut out);
        out
    }

    /// Bytes of the durable form.
    pub(crate) fn stored_len(&self) -> usize {
        let segments =
            self.segments.iter().map(|segment| segment.head().len() + segment.content().len());
        MAGIC.len() + 8 + segments.sum::<usize>()
    }

    /// Appends the durable form.
    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&number(self.segments.len()));
        for segment in &self.segments {
            out.extend_from_slice(&segment.head());
            out.extend_from_slice(segment.content());
        }
    }

    /// The inverse of [`Payload::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(PayloadError::Version)?;
        let count = take_number(&mut rest)?;
        let mut segments = Vec::new();
        for _ in 0..count {
            let kind = take(&mut rest, 1)?.first().copied().unwrap_or_default();
            let length = take_number(&mut rest)?;
            let content = take(&mut rest, length)?;
            segments.push(match (kind, Escape::of_mark(kind)) {
                (0xFF, _) => Segment::Bytes(content.to_vec()),
                (_, Some(escape)) => {
                    let name = str::from_utf8(content).map_err(|_utf8| PayloadError::Damaged)?;
                    Segment::Slot { name: name.to_owned(), escape }
                }
                (_, None) => return Err(PayloadError::Damaged),
            });
        }
        if rest.is_empty() { Ok(Self { segments }) } else { Err(PayloadError::Damaged) }
    }

    /// Appends fixed bytes, to the last segment where that is fixed too.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        match self.segments.last_mut() {
            Some(Segment::Bytes(last)) => last.extend_from_slice(bytes),
            Some(Segment::Slot { .. }) | None => self.segments.push(Segment::Bytes(bytes.to_vec())),
        }
    }

    /// The last segment, fixed.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        if !matches!(self.segments.last(), Some(Segment::Bytes(_))) {
            self.segments.push(Segment::Bytes(Vec::new()));
        }
        match self.segments.last_mut() {
            Some(Segment::Bytes(last)) => last,
            Some(Segment::Slot { .. }) | None => unreachable!("a fixed segment was just pushed"),
        }
    }
}

fn number(number: usize) -> [u8; 8] {
    u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes()
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], PayloadError> {
    let (head, tail) = rest.split_at_checked(length).ok_or(PayloadError::Damaged)?;
    *rest = tail;
    Ok(head)
}

fn take_number(rest: &mut &[u8]) -> Result<usize, PayloadError> {
    let bytes = take(rest, 8)?.try_into().map_err(|_length| PayloadError::Damaged)?;
    usize::try_from(u64::from_be_bytes(bytes)).map_err(|_size| PayloadError::Damaged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slot(name: &str, escape: Escape) -> Segment {
        Segment::Slot { name: name.to_owned(), escape }
    }

    #[test]
    fn a_slot_is_filled_as_its_place_demands() {
        let payload = Payload {
            segments: vec![
                Segment::Bytes(b"<a t=\"".to_vec()),
                slot("attempt.time", Escape::XmlAttribute),
                Segment::Bytes(b"\">".to_vec()),
                slot("credential.key", Escape::XmlText),
                Segment::Bytes(b"</a>".to_vec()),
            ],
        };
        let filled = payload.fill(|name| Some(format!("\"{name}<"))).unwrap();
        assert_eq!(filled, b"<a t=\"&quot;attempt.time&lt;\">\"credential.key&lt;</a>");
        assert_eq!(
            payload.fill(|name| (name == "attempt.time").then(String::new)),
            Err(FillError::Missing { slot: "credential.key".to_owned() })
        );
        assert_eq!(
            payload.fill(|_| Some("\u{1}".to_owned())),
            Err(FillError::Illegal { slot: "attempt.time".to_owned() })
        );
    }

    #[test]
    fn debug_shows_no_content() {
        let payload = Payload::of_bytes(b"51190119900101001X".to_vec());
        assert!(!format!("{payload:?}").contains("5119"));
        let payload = Payload { segments: vec![slot("hidden 5119", Escape::None)] };
        assert!(!format!("{payload:?}").contains("5119"));
        let error = payload.fill(|_| None).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("5119"));
    }

    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let escapes = [Escape::None, Escape::XmlText, Escape::JsonString, Escape::Form];
        let one = prop_oneof![
            any::<Vec<u8>>().prop_map(Segment::Bytes),
            ("[a-z.]{1,9}", prop::sample::select(escapes.to_vec()))
                .prop_map(|(name, escape)| Segment::Slot { name, escape }),
        ];
        prop::collection::vec(one, 0..6)
    }

    proptest! {
        #[test]
        fn the_durable_form_gives_the_payload_back(segments in segments()) {
            let payload = Payload { segments };
            prop_assert_eq!(Payload::from_bytes(&payload.to_bytes()).unwrap(), payload);
        }

        #[test]
        fn a_cut_durable_form_is_refused(segments in segments(), cut in any::<prop::sample::Index>()) {
            let bytes = Payload { segments }.to_bytes();
            let end = cut.index(bytes.len());
            prop_assert!(Payload::from_bytes(&bytes[..end]).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_no_panic(bytes in any::<Vec<u8>>()) {
            let mut known = MAGIC.to_vec();
            known.extend_from_slice(&bytes);
            drop(Payload::from_bytes(&bytes));
            drop(Payload::from_bytes(&known));
        }
    }
}
