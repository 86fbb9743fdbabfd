//! Comma-separated values, row by row.
//!
//! The bytes are cut into fields before they become characters: in UTF-8 and in GB18030 no byte of a
//! longer character is a separator, a quote or a line end.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Cells, Line, Said, Taker, Wrong};
use crate::city::settings::{FolderSettings, TextEncoding};

/// A record longer than this is malformed: most likely a quote that was never closed.
const MAX_RECORD_BYTES: usize = 16 << 20;

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Counts what it hands out, so that a record without an end is noticed.
struct Measured {
    file: BufReader<File>,
    handed_out: Arc<AtomicUsize>,
}

impl io::Read for Measured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed_out.load(Ordering::Relaxed) > MAX_RECORD_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let count = self.file.read(buffer)?;
        self.handed_out.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

/// Hands out the records from the one with number `head_row`.
pub(super) fn lines(
    path: &Path,
    it: &FolderSettings,
    encoding: TextEncoding,
    head_row: u32,
    take: &mut Taker<'_>,
) -> Result<(), Wrong> {
    let (file, has_mark) = open(path).map_err(Wrong::Io)?;
    // A byte order mark says more than the configuration.
    let encoding = if has_mark { TextEncoding::Utf8 } else { encoding };
    let handed_out = Arc::new(AtomicUsize::new(0));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(u8::try_from(it.delimiter).unwrap_or(b','))
        .from_reader(Measured { file, handed_out: Arc::clone(&handed_out) });
    let mut record = csv::ByteRecord::new();
    let mut above = head_row.saturating_sub(1);
    loop {
        // What was read ahead belongs to this record; the reader's own buffer is small against
        // the limit.
        handed_out.store(0, Ordering::Relaxed);
        let line = match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) if above > 0 => {
                above -= 1;
                continue;
            }
            Ok(true) => {
                let number = record.position().map_or(0, csv::Position::line);
                Line { cells: &Record { fields: &record, encoding }, number }
            }
            Err(error) => {
                // As an error of the system it would have another kind.
                let endless = matches!(error.kind(), csv::ErrorKind::Io(cause)
                    if cause.kind() == io::ErrorKind::FileTooLarge);
                if endless {
                    return Err(Wrong::File("a record without an end".to_owned()));
                }
                return Err(Wrong::Io(io::Error::from(error)));
            }
        };
        if take(line).is_break() {
            return Ok(());
        }
    }
}

/// The file behind its byte order mark, and whether it has one.
fn open(path: &Path) -> io::Result<(BufReader<File>, bool)> {
    let mut file = BufReader::with_capacity(64 << 10, File::open(path)?);
    let mut start = [0; 3];
    let mut length = 0;
    while let Some(rest) = start.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            more => length += more,
        }
    }
    if start != BOM {
        file.seek(SeekFrom::Start(0))?;
    }
    Ok((file, start == BOM))
}

struct Record<'a> {
    fields: &'a csv::ByteRecord,
    encoding: TextEncoding,
}

impl Cells for Record<'_> {
    fn width(&self) -> usize {
        self.fields.len()
    }

    fn cell(&self, at: usize) -> Said<'_> {
        match self.fields.get(at) {
            // A file cannot tell an empty text from none.
            None | Some([]) => Said::Nothing,
            Some(bytes) => match decode(self.encoding, bytes) {
                Some(text) => Said::Text(text),
                None => Said::Unreadable(match self.encoding {
                    TextEncoding::Utf8 => "not UTF-8",
                    TextEncoding::Gb18030 => "not GB18030",
                }),
            },
        }
    }
}

/// `None` where the bytes are not of this encoding: nothing is replaced.
pub(crate) fn decode(encoding: TextEncoding, bytes: &[u8]) -> Option<Cow<'_, str>> {
    match encoding {
        TextEncoding::Utf8 => std::str::from_utf8(bytes).ok().map(Into::into),
        TextEncoding::Gb18030 => {
            encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes)
        }
    }
}
