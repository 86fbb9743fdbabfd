//! Dates and times: a pattern compiled to slices of the canonical text of [`row`](crate::row).

use crate::row::ColumnType;

use super::super::Escape;

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    /// Escaped already.
    Literal(Vec<u8>),
    /// Bytes of the canonical text.
    Slice { start: usize, end: usize },
    /// The fraction of a second, cut or filled with zeros to so many digits; `None` as it is.
    Fraction(Option<usize>),
}

/// A compiled pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    kind: ColumnType,
}

impl Pattern {
    /// Reads a pattern for a column of `kind` whose literals are written in `escape`'s context.
    pub(super) fn compile(
        text: &str,
        kind: ColumnType,
        escape: Escape,
    ) -> Result<Self, &'static str> {
        if !matches!(kind, ColumnType::Date | ColumnType::Time) {
            return Err("the column is neither a date nor a time");
        }
        let mut pattern = Self { pieces: Vec::new(), kind };
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                pattern.literal(letter, escape)?;
                continue;
            }
            match letters.next().ok_or("ends in `%`")? {
                'Y' => pattern.slice(0, 4),
                'y' => pattern.slice(2, 4),
                'm' => pattern.slice(5, 7),
                'd' => pattern.slice(8, 10),
                'H' => pattern.slice(11, 13),
                'M' => pattern.slice(14, 16),
                'S' => pattern.slice(17, 19),
                'F' => pattern.slice(0, 10),
                'T' => pattern.slice(11, 19),
                'f' => pattern.pieces.push(Piece::Fraction(None)),
                digit @ '1'..='9' if letters.next() == Some('f') => {
                    let digits = digit.to_digit(10).and_then(|digits| usize::try_from(digits).ok());
                    pattern.pieces.push(Piece::Fraction(digits));
                }
                '%' => pattern.literal('%', escape)?,
                _ => return Err("an unknown `%` code"),
            }
        }
        let needs_time = |piece: &Piece| match piece {
            Piece::Literal(_) => false,
            Piece::Slice { end, .. } => *end > 10,
            Piece::Fraction(_) => true,
        };
        if kind == ColumnType::Date && pattern.pieces.iter().any(needs_time) {
            return Err("a date has no time of day: write it as a literal");
        }
        pattern.fuse();
        Ok(pattern)
    }

    /// Joins slices around a mark that the canonical text has at the same place: `%Y-%m-%d` is one
    /// piece instead of five.
    fn fuse(&mut self) {
        let mut fused: Vec<Piece> = Vec::with_capacity(self.pieces.len());
        for piece in std::mem::take(&mut self.pieces) {
            let Piece::Slice { start, end } = piece else {
                fused.push(piece);
                continue;
            };
            let joined = match fused.as_slice() {
                [.., Piece::Slice { start: first, end: before }, Piece::Literal(mark)]
                    if before + 1 == start
                        && CANONICAL.get(*before..start) == Some(mark.as_slice()) =>
                {
                    Some(*first)
                }
                _other => None,
            };
            if let Some(first) = joined {
                fused.truncate(fused.len() - 2);
                fused.push(Piece::Slice { start: first, end });
            } else {
                fused.push(piece);
            }
        }
        self.pieces = fused;
    }

    fn slice(&mut self, start: usize, end: usize) {
        self.pieces.push(Piece::Slice { start, end });
    }

    fn literal(&mut self, letter: char, escape: Escape) -> Result<(), &'static str> {
        let mut bytes = Vec::new();
        escape
            .append(letter.encode_utf8(&mut [0; 4]), &mut bytes)
            .map_err(|_illegal| "a character that XML cannot carry")?;
        match self.pieces.last_mut() {
            Some(Piece::Literal(last)) => last.extend_from_slice(&bytes),
            Some(Piece::Slice { .. } | Piece::Fraction(_)) | None => {
                self.pieces.push(Piece::Literal(bytes));
            }
        }
        Ok(())
    }

    /// Appends a canonical text in this pattern; false when it is not canonical.
    #[inline]
    pub(super) fn append(&self, text: &str, into: &mut Vec<u8>) -> bool {
        let bytes = text.as_bytes();
        if !is_canonical(bytes, self.kind) {
            return false;
        }
        let fraction = bytes.get(20..).unwrap_or_default();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => into.extend_from_slice(literal),
                Piece::Slice { start, end } => {
                    let Some(slice) = bytes.get(*start..*end) else { return false };
                    into.extend_from_slice(slice);
                }
                Piece::Fraction(digits) => {
                    let count = digits.unwrap_or(fraction.len());
                    let zeros = std::iter::repeat(&b'0');
                    into.extend(fraction.iter().chain(zeros).take(count));
                }
            }
        }
        true
    }
}

impl Pattern {
    /// The canonical text of what [`Pattern::append`] wrote, as far as the pattern shows it: parts of
    /// a moment that it leaves out are the first (`01`, `00`), a year of two digits is this century's.
    /// `None` where the text is not written so. Literals are compared as this pattern escaped them.
    pub(super) fn read(&self, text: &str) -> Option<String> {
        let mut moment = *b"2000-01-01T00:00:00";
        let mut fraction = "";
        let mut rest = text;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => {
                    rest = rest.strip_prefix(std::str::from_utf8(literal).ok()?)?;
                }
                Piece::Slice { start, end } => {
                    let (part, after) = rest.split_at_checked(end - start)?;
                    moment.get_mut(*start..*end)?.copy_from_slice(part.as_bytes());
                    rest = after;
                }
                Piece::Fraction(digits) => {
                    let all =
                        rest.len() - rest.trim_start_matches(|it: char| it.is_ascii_digit()).len();
                    let (part, after) = rest.split_at_checked(digits.unwrap_or(all))?;
                    (fraction, rest) = (part, after);
                }
            }
        }
        let length = if self.kind == ColumnType::Date { 10 } else { moment.len() };
        let mut canonical = std::str::from_utf8(moment.get(..length)?).ok()?.to_owned();
        let fraction = fraction.trim_end_matches('0');
        if !fraction.is_empty() {
            canonical.push('.');
            canonical.push_str(fraction);
        }
        (rest.is_empty() && is_canonical(canonical.as_bytes(), self.kind)).then_some(canonical)
    }
}

/// Where the canonical text has digits (`0`) and which marks stand between them.
const CANONICAL: &[u8] = b"0000-00-00T00:00:00";

/// `2020-03-01`, or `2020-03-01T08:30:00` with an optional fraction.
fn is_canonical(bytes: &[u8], kind: ColumnType) -> bool {
    let fits = |bytes: &[u8], form: &[u8]| {
        bytes.iter().zip(form).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
    };
    match kind {
        ColumnType::Date => bytes.len() == 10 && fits(bytes, CANONICAL),
        ColumnType::Time => match bytes.split_at_checked(19) {
            Some((head, rest)) => {
                fits(head, CANONICAL)
                    && match rest.split_first() {
                        None => true,
                        Some((dot, digits)) => {
                            *dot == b'.'
                                && matches!(digits.len(), 1..=9)
                                && digits.iter().all(u8::is_ascii_digit)
                        }
                    }
            }
            None => false,
        },
        ColumnType::Text | ColumnType::Integer | ColumnType::Decimal | ColumnType::Boolean => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pattern: &str, kind: ColumnType, text: &str) -> Option<String> {
        let pattern = Pattern::compile(pattern, kind, Escape::XmlText).unwrap();
        let mut out = Vec::new();
        pattern.append(text, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_time_is_cut_into_its_pattern() {
        let time = "2020-03-01T08:30:05.25";
        let cases = [
            ("%Y-%m-%d %H:%M:%S", "2020-03-01 08:30:05"),
            ("%F %T", "2020-03-01 08:30:05"),
            ("%Y%m%d%H%M%S%3f", "20200301083005250"),
            ("%S.%f|%1f", "05.25|2"),
            ("%d/%m/%y 100%%", "01/03/20 100%"),
            ("%Y年%m月", "2020年03月"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(written(pattern, ColumnType::Time, time).as_deref(), Some(expected));
        }
        assert_eq!(written("%Y%m%d", ColumnType::Date, "2020-03-01").as_deref(), Some("20200301"));
    }

    #[test]
    fn what_a_pattern_wrote_it_reads_back() {
        let back = |pattern: &str, kind, text: &str| {
            Pattern::compile(pattern, kind, Escape::None).unwrap().read(text)
        };
        let time = |pattern: &str, text: &str| back(pattern, ColumnType::Time, text);
        let known = Some("2020-03-01T08:30:05".to_owned());
        assert_eq!(time("%Y-%m-%d %H:%M:%S", "2020-03-01 08:30:05"), known);
        assert_eq!(time("%F %T", "2020-03-01 08:30:05"), known);
        assert_eq!(time("%Y%m%d%H%M%S%3f", "20200301083005250").unwrap(), "2020-03-01T08:30:05.25");
        assert_eq!(time("%d/%m/%y 100%%", "01/03/20 100%").unwrap(), "2020-03-01T00:00:00");
        assert_eq!(back("%Y%m%d", ColumnType::Date, "20200301").unwrap(), "2020-03-01");
        for wrong in ["2020-03-01", "2020-03-01 08:30:05x", "2020-03-01 08:30:0二", ""] {
            assert_eq!(time("%Y-%m-%d %H:%M:%S", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_canonical_is_not_written() {
        for bad in ["", "2020-3-1", "2020-03-01 08:30:00", "2020-03-01T08:30:00.", "2020-03-01"] {
            assert_eq!(written("%F", ColumnType::Time, bad), None, "{bad}");
        }
        assert_eq!(written("%F", ColumnType::Date, "2020-03-01T00:00:00"), None);
        assert_eq!(written("%F", ColumnType::Date, "二020-03-01"), None);
    }

    #[test]
    fn a_wrong_pattern_is_refused() {
        let compile = |text, kind| Pattern::compile(text, kind, Escape::XmlText);
        assert!(compile("%Q", ColumnType::Time).is_err());
        assert!(compile("%", ColumnType::Time).is_err());
        assert!(compile("%3d", ColumnType::Time).is_err());
        assert!(compile("%F %T", ColumnType::Date).is_err());
        assert!(compile("%F", ColumnType::Text).is_err());
    }
}
