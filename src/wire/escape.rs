//! Characters that a text may not hold as they are, and how each context writes them.

/// How a text is written where it stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Escape {
    /// As it is.
    None,
    /// Between tags.
    XmlText,
    /// Between the quotes of an attribute.
    XmlAttribute,
    /// Between the quotes of a JSON string.
    JsonString,
    /// A name or value of `application/x-www-form-urlencoded`.
    Form,
}

/// A character that the context cannot carry, not even escaped (XML 1.0 §2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct IllegalCharacter;

impl Escape {
    pub(super) const fn mark(self) -> u8 {
        match self {
            Self::None => 0,
            Self::XmlText => 1,
            Self::XmlAttribute => 2,
            Self::JsonString => 3,
            Self::Form => 4,
        }
    }

    pub(super) const fn of_mark(mark: u8) -> Option<Self> {
        match mark {
            0 => Some(Self::None),
            1 => Some(Self::XmlText),
            2 => Some(Self::XmlAttribute),
            3 => Some(Self::JsonString),
            4 => Some(Self::Form),
            _ => None,
        }
    }

    /// Appends `text`. On an error `into` may hold a part of it.
    pub(super) fn append(self, text: &str, into: &mut Vec<u8>) -> Result<(), IllegalCharacter> {
        match self {
            Self::None => into.extend_from_slice(text.as_bytes()),
            Self::XmlText => return xml::<false>(text, into),
            Self::XmlAttribute => return xml::<true>(text, into),
            Self::JsonString => json(text, into),
            Self::Form => form(text, into),
        }
        Ok(())
    }
}

/// A character of XML 1.0 (§2.2, production 2).
pub(crate) fn is_xml_char(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Almost every cell holds none of these bytes and is copied whole. 0xEF begins U+FFFE and U+FFFF.
/// Without branches, so that [`holds`] looks at many bytes at once.
#[inline]
fn is_xml_special(byte: u8) -> bool {
    (byte < 0x20)
        | (byte == b'&')
        | (byte == b'<')
        | (byte == b'>')
        | (byte == b'"')
        | (byte == 0xEF)
}

#[inline]
fn holds(bytes: &[u8], is_special: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_special(*byte))
}

fn xml<const ATTRIBUTE: bool>(text: &str, into: &mut Vec<u8>) -> Result<(), IllegalCharacter> {
    let mut rest = text.as_bytes();
    if !holds(rest, is_xml_special) {
        into.extend_from_slice(rest);
        return Ok(());
    }
    while let Some(at) = rest.iter().position(|byte| is_xml_special(*byte)) {
        let (plain, special) = rest.split_at(at);
        into.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        rest = after;
        let written: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' if ATTRIBUTE => b"&quot;",
            b'"' => b"\"",
            b'\t' if ATTRIBUTE => b"&#9;",
            b'\n' if ATTRIBUTE => b"&#10;",
            b'\t' => b"\t",
            b'\n' => b"\n",
            // A reader turns a bare carriage return into a line feed (XML 1.0 §2.11).
            b'\r' => b"&#13;",
            0xEF => match after {
                [0xBF, 0xBE | 0xBF, ..] => return Err(IllegalCharacter),
                _ => &[0xEF],
            },
            _ => return Err(IllegalCharacter),
        };
        into.extend_from_slice(written);
    }
    into.extend_from_slice(rest);
    Ok(())
}

fn json(text: &str, into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text.as_bytes();
    let is_special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if !holds(rest, is_special) {
        into.extend_from_slice(rest);
        return;
    }
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (plain, special) = rest.split_at(at);
        into.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        rest = after;
        match byte {
            b'"' => into.extend_from_slice(b"\\\""),
            b'\\' => into.extend_from_slice(b"\\\\"),
            b'\n' => into.extend_from_slice(b"\\n"),
            b'\r' => into.extend_from_slice(b"\\r"),
            b'\t' => into.extend_from_slice(b"\\t"),
            other => {
                let digit = |of: u8| HEX.get(usize::from(of & 15)).copied().unwrap_or(b'0');
                into.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    digit(other >> 4),
                    digit(*other),
                ]);
            }
        }
    }
    into.extend_from_slice(rest);
}

fn form(text: &str, into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => into.push(byte),
            b' ' => into.push(b'+'),
            other => {
                let digit = |of: u8| HEX.get(usize::from(of & 15)).copied().unwrap_or(b'0');
                into.extend_from_slice(&[b'%', digit(other >> 4), digit(other)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(escape: Escape, text: &str) -> Result<String, IllegalCharacter> {
        let mut out = Vec::new();
        escape.append(text, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_context_has_its_own_escapes() {
        let text = "a<b>&\"'\t\r\n中 ";
        assert_eq!(written(Escape::XmlText, text).unwrap(), "a&lt;b&gt;&amp;\"'\t&#13;\n中 ");
        assert_eq!(
            written(Escape::XmlAttribute, text).unwrap(),
            "a&lt;b&gt;&amp;&quot;'&#9;&#13;&#10;中 "
        );
        assert_eq!(written(Escape::JsonString, "\"\\\n\u{1}中").unwrap(), "\\\"\\\\\\n\\u0001中");
        assert_eq!(written(Escape::Form, "a b&中").unwrap(), "a+b%26%E4%B8%AD");
        assert_eq!(written(Escape::None, text).unwrap(), text);
    }

    #[test]
    fn what_xml_cannot_carry_is_an_error() {
        for bad in ["\u{0}", "a\u{8}b", "\u{b}", "\u{1f}", "\u{fffe}", "x\u{ffff}"] {
            assert!(written(Escape::XmlText, bad).is_err(), "{bad:?}");
            assert!(written(Escape::XmlAttribute, bad).is_err(), "{bad:?}");
        }
        for good in ["\u{feff}", "\u{fffd}", "\u{f900}", "\u{10ffff}", "\u{7f}"] {
            assert!(written(Escape::XmlText, good).is_ok(), "{good:?}");
        }
    }

    proptest! {
        #[test]
        fn json_strings_are_read_back_by_another_reader(text in any::<String>()) {
            let json = format!("\"{}\"", written(Escape::JsonString, &text).unwrap());
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn xml_texts_are_legal_exactly_when_every_character_is(text in any::<String>()) {
            let legal = text.chars().all(is_xml_char);
            prop_assert_eq!(written(Escape::XmlText, &text).is_ok(), legal);
            if let Ok(xml) = written(Escape::XmlText, &text) {
                prop_assert_eq!(quick_xml::escape::unescape(&xml).unwrap(), text);
            }
        }
    }
}
