//! JSON to the tree (RFC 8259), strictly and within limits.
//!
//! Our own small reader, because numbers keep their text here: an upper id of twenty digits must
//! not pass through a floating point number.

use std::collections::BTreeSet;

use super::document::{Document, Form, Limits, Node, ReadError};
use super::{Media, encoding::at_most};

/// No message nests deeper, whatever the limits say: reading recurses.
const DEEPEST: usize = 128;

pub(super) fn read(text: &str, limits: &Limits) -> Result<Document, ReadError> {
    let mut reader = Reader { text, at: 0, nodes: 0, limits };
    reader.space();
    let top = reader.value(String::new(), 1)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.malformed("something after the value"));
    }
    Ok(Document::new(Media::Json, top))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: usize,
    limits: &'a Limits,
}

impl<'a> Reader<'a> {
    fn malformed(&self, reason: &'static str) -> ReadError {
        ReadError::Malformed { at: u64::try_from(self.at).unwrap_or(u64::MAX), reason }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, name: String, depth: usize) -> Result<Node, ReadError> {
        at_most(depth, self.limits.depth.min(DEEPEST), "nesting depth")?;
        self.nodes += 1;
        at_most(self.nodes, self.limits.nodes, "number of nodes")?;
        match self.peek() {
            Some(b'{') => self.object(name, depth),
            Some(b'[') => self.array(name, depth),
            Some(b'"') => {
                let mut node = Node::new(Form::Text, name);
                node.text = self.string(self.limits.text_bytes, "text")?;
                Ok(node)
            }
            Some(b'-' | b'0'..=b'9') => self.number(name),
            Some(_) => self.word(name),
            None => Err(self.malformed("the end came too soon")),
        }
    }

    fn word(&mut self, name: String) -> Result<Node, ReadError> {
        let words = [("true", Form::Boolean), ("false", Form::Boolean), ("null", Form::Null)];
        let found = words.into_iter().find(|(word, _)| self.rest().starts_with(word));
        let (word, form) = found.ok_or_else(|| self.malformed("not a value"))?;
        self.at += word.len();
        let mut node = Node::new(form, name);
        if form == Form::Boolean {
            node.text.push_str(word);
        }
        Ok(node)
    }

    fn number(&mut self, name: String) -> Result<Node, ReadError> {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest().bytes().take_while(is_part).count();
        at_most(length, self.limits.attribute_bytes, "number")?;
        let text = self.rest().get(..length).unwrap_or_default();
        if !super::shape::is_json_number(text) {
            return Err(self.malformed("not a number"));
        }
        self.at += length;
        let mut node = Node::new(Form::Number, name);
        node.text.push_str(text);
        Ok(node)
    }

    fn array(&mut self, name: String, depth: usize) -> Result<Node, ReadError> {
        let mut node = Node::new(Form::Array, name);
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(node);
        }
        loop {
            self.space();
            node.children.push(self.value(String::new(), depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(node);
            }
            if !self.take(b',') {
                return Err(self.malformed("`,` or `]` expected"));
            }
        }
    }

    fn object(&mut self, name: String, depth: usize) -> Result<Node, ReadError> {
        let mut node = Node::new(Form::Object, name);
        let mut names = BTreeSet::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(node);
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.malformed("a member's name expected"));
            }
            let member = self.string(self.limits.attribute_bytes, "name")?;
            if !names.insert(member.clone()) {
                return Err(self.malformed("a member twice"));
            }
            self.space();
            if !self.take(b':') {
                return Err(self.malformed("`:` expected"));
            }
            self.space();
            node.children.push(self.value(member, depth + 1)?);
            self.space();
            if self.take(b'}') {
                return Ok(node);
            }
            if !self.take(b',') {
                return Err(self.malformed("`,` or `}` expected"));
            }
        }
    }

    /// A string, from its opening quote on.
    fn string(&mut self, limit: usize, what: &'static str) -> Result<String, ReadError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let stop = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\');
            let length = self.rest().bytes().position(stop);
            let length = length.ok_or_else(|| self.malformed("a string without an end"))?;
            out.push_str(self.rest().get(..length).unwrap_or_default());
            at_most(out.len(), limit, what)?;
            self.at += length;
            if self.take(b'"') {
                return Ok(out);
            }
            if !self.take(b'\\') {
                return Err(self.malformed("a control character in a string"));
            }
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, ReadError> {
        let letter = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.malformed("an unknown escape")),
        };
        self.at += 1;
        Ok(letter)
    }

    fn unicode(&mut self) -> Result<char, ReadError> {
        let first = self.hex()?;
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.malformed("an unknown character"));
        }
        let pair = first < 0xDC00 && self.rest().starts_with("\\u");
        if pair {
            self.at += 2;
            let second = self.hex()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return char::from_u32(code).ok_or_else(|| self.malformed("an unknown character"));
            }
        }
        Err(self.malformed("half of a character"))
    }

    fn hex(&mut self) -> Result<u32, ReadError> {
        let digits =
            self.rest().get(..4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.malformed("an unknown escape"))?;
        self.at += 4;
        Ok(code)
    }
}
