//! What a spool file holds: a message of the standard, and where each row stands in it.
//!
//! A refused batch is split until the offender is alone, and the row that is left is set aside as
//! it was sent; both need the rows' places in the payload. Slots stay slots: the spool never holds
//! a credential.

use crate::standard::{Message, Parameter};
use crate::wire::{Payload, Segment};

/// The stored form's version.
const FORMAT: u8 = 1;
/// Bytes by which rows are found again in their message.
const BEGIN_BYTES: usize = 64;
/// Where a parameter stands, by its number in the stored form.
const PLACES: [&str; 3] = ["header", "query", "url"];

/// A message with the places of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// As the standard built it.
    pub(crate) message: Message,
    /// Where its rows are; empty for an object, and for rows a standard hides in an encoding.
    rows: Rows,
}

/// Rows lie one behind the other in one segment.
#[derive(Clone, Debug, Default)]
struct Rows {
    segment: usize,
    start: usize,
    /// Where each row ends, from `start`.
    ends: Vec<u32>,
}

/// The stored form is of another version or damaged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a spooled message cannot be read by this version")]
pub(crate) struct UnreadableParcel;

impl Parcel {
    /// A message without rows.
    pub(crate) fn of_object(message: Message) -> Self {
        Self { message, rows: Rows::default() }
    }

    /// A message that carries `encoded`, whose rows end at `ends`.
    pub(crate) fn of_rows(message: Message, encoded: &[u8], ends: Vec<u32>) -> Self {
        let place = message.payload.segments.iter().enumerate().find_map(|(segment, part)| {
            let Segment::Bytes(bytes) = part else { return None };
            // The beginning is looked for: to prepare a search for the whole costs more than it.
            let begin = encoded.get(..BEGIN_BYTES.min(encoded.len())).unwrap_or_default();
            memchr::memmem::find_iter(bytes, begin)
                .find(|start| bytes.get(*start..).is_some_and(|rest| rest.starts_with(encoded)))
                .map(|start| (segment, start))
        });
        let rows =
            place.map_or_else(Rows::default, |(segment, start)| Rows { segment, start, ends });
        Self { message, rows }
    }

    /// How many rows can be told apart in it.
    pub(crate) fn row_count(&self) -> usize {
        self.rows.ends.len()
    }

    /// The bytes of one row, with the separator before it where the media has one.
    pub(crate) fn row(&self, index: usize) -> Option<&[u8]> {
        let Some(Segment::Bytes(bytes)) = self.message.payload.segments.get(self.rows.segment)
        else {
            return None;
        };
        let from = match index.checked_sub(1) {
            Some(before) => *self.rows.ends.get(before)? as usize,
            None => 0,
        };
        let until = *self.rows.ends.get(index)? as usize;
        bytes.get(self.rows.start + from..self.rows.start + until)
    }

    /// The durable form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // A batch is large: it is copied once.
        let payload = &self.message.payload;
        let length = payload.stored_len();
        let mut out = Vec::with_capacity(length + 1_024 + self.rows.ends.len() * 4);
        out.push(FORMAT);
        number(&mut out, length);
        payload.store(&mut out);
        number(&mut out, self.message.parameters.len());
        for parameter in &self.message.parameters {
            let place = PLACES.iter().position(|place| *place == parameter.place).unwrap_or(0);
            number(&mut out, place);
            put(&mut out, parameter.name.as_bytes());
            put(&mut out, &parameter.value.to_bytes());
        }
        number(&mut out, self.rows.segment);
        number(&mut out, self.rows.start);
        number(&mut out, self.rows.ends.len());
        self.rows.ends.iter().for_each(|end| out.extend_from_slice(&end.to_be_bytes()));
        out
    }

    /// The inverse of [`Parcel::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, UnreadableParcel> {
        read(bytes).ok_or(UnreadableParcel)
    }
}

fn read(bytes: &[u8]) -> Option<Parcel> {
    let mut rest = bytes.strip_prefix(&[FORMAT])?;
    let payload = Payload::from_bytes(take(&mut rest)?).ok()?;
    let count = take_number(&mut rest)?;
    let mut parameters = Vec::new();
    for _ in 0..count {
        let place = PLACES.get(take_number(&mut rest)?)?;
        let name = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        let value = Payload::from_bytes(take(&mut rest)?).ok()?;
        parameters.push(Parameter { place, name, value });
    }
    let segment = take_number(&mut rest)?;
    let start = take_number(&mut rest)?;
    let rows = take_number(&mut rest)?;
    let (ends, rest) = rest.split_at_checked(rows.checked_mul(4)?)?;
    let ends = ends
        .chunks_exact(4)
        .map(|end| end.try_into().map(u32::from_be_bytes))
        .collect::<Result<_, _>>()
        .ok()?;
    let message = Message { payload, parameters };
    rest.is_empty().then_some(Parcel { message, rows: Rows { segment, start, ends } })
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_at_checked(8)?;
    *rest = tail;
    usize::try_from(u64::from_be_bytes(head.try_into().ok()?)).ok()
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_number(rest)?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parcel() -> Parcel {
        let bytes = b"<Rows><R>a</R><R>bc</R></Rows>".to_vec();
        let message = Message {
            payload: Payload { segments: vec![Segment::Bytes(bytes)] },
            parameters: vec![Parameter {
                place: "query",
                name: "n".to_owned(),
                value: Payload::of_bytes(b"v".to_vec()),
            }],
        };
        Parcel::of_rows(message, b"<R>a</R><R>bc</R>", vec![8, 17])
    }

    #[test]
    fn rows_are_found_again_after_the_spool() {
        let parcel = Parcel::from_bytes(&parcel().to_bytes()).unwrap();
        assert_eq!(parcel.row_count(), 2);
        assert_eq!(parcel.row(0).unwrap(), b"<R>a</R>");
        assert_eq!(parcel.row(1).unwrap(), b"<R>bc</R>");
        assert_eq!(parcel.row(2), None);
        assert_eq!(parcel.message.parameters.len(), 1);
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(cut in 0_usize..200, flip in 0_usize..200) {
            let mut bytes = parcel().to_bytes();
            bytes.truncate(cut);
            if let Some(byte) = bytes.get_mut(flip) {
                *byte ^= 0x55;
            }
            if let Ok(parcel) = Parcel::from_bytes(&bytes) {
                for row in 0..parcel.row_count().min(4) {
                    prop_assert!(parcel.row(row).is_none_or(|bytes| bytes.len() <= 200));
                }
            }
        }
    }
}
