//! A moment as people type it.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

/// Reads a moment; one without an offset is Chinese time.
pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    let shanghai = TimeZone::fixed(Offset::constant(8));
    let local = |at: DateTime| shanghai.to_timestamp(at).ok();
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<DateTime>().ok().and_then(local))
        .or_else(|| {
            text.parse::<Date>()
                .ok()
                .and_then(|day| local(day.to_datetime(jiff::civil::Time::midnight())))
        })
        .ok_or_else(|| {
            "write 2026-11-01, 2026-11-01T08:00:00 or 2026-11-01T08:00:00+08:00".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_without_an_offset_is_chinese_time() {
        assert_eq!(since("2026-11-01").unwrap(), since("2026-10-31T16:00:00Z").unwrap());
        assert_eq!(since("2026-11-01T08:00:00").unwrap(), since("2026-11-01T00:00:00Z").unwrap());
    }
}
