//! The bare driver: a binary `COPY` whose tuples are walked and dropped.

use std::time::{Duration, Instant};

use cascaded::sql::Postgres;
use futures_util::TryStreamExt as _;

/// Reads all that is due; rows, and how long it took.
pub(crate) async fn walk(session: &mut Postgres, columns: &str) -> (u64, Duration) {
    let begun = Instant::now();
    let sql = format!("COPY (SELECT {columns} FROM due) TO STDOUT (FORMAT binary)");
    let stream = session.wire.drive(session.client.copy_out(&sql)).await.unwrap();
    let mut stream = std::pin::pin!(stream);
    let mut rest: Vec<u8> = Vec::new();
    let (mut rows, mut cells, mut begins) = (0, 0_u64, true);
    while let Some(message) = session.wire.drive(stream.try_next()).await.unwrap() {
        // A message of the server is one tuple; the first has the head before it.
        let whole: &[u8] = if rest.is_empty() {
            &message
        } else {
            rest.extend_from_slice(&message);
            &rest
        };
        let mut at = if std::mem::take(&mut begins) { 19 } else { 0 };
        while let Some(count) = number::<2>(whole, at) {
            at += 2;
            if count < 0 {
                break;
            }
            for _ in 0..count {
                let length = number::<4>(whole, at).unwrap();
                at += 4 + usize::try_from(length).unwrap_or(0);
                cells += 1;
            }
            rows += 1;
        }
        rest.clear();
    }
    assert_eq!(cells, rows * 12);
    (rows, begun.elapsed())
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<i32> {
    let bytes: [u8; N] = bytes.get(at..at + N)?.try_into().ok()?;
    let wide = bytes.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
    Some(if N == 2 {
        i32::from(i16::from_be_bytes([bytes[0], bytes[1]]))
    } else {
        wide.cast_signed()
    })
}
