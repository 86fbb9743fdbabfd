//! The conditions of the columns `when` and `required`: `entry.share_type != none and present
//! entry.category`.
//!
//! ```text
//! condition = all { "or" all }          all = one { "and" one }
//! one       = "not" one | "(" condition ")" | "present" word
//!           | word ("==" | "!=") text | word "in" "(" text { "," text } ")"
//! text      = a word of a code list, a number, true, false, or "quoted"
//! ```
//!
//! A comparison with an absent value is false, `!=` included: what nobody supplied is neither
//! equal nor unequal to anything. Words of code lists are the canonical ones, never the standard's
//! codes.

use crate::catalogue::Value;

/// The deepest nesting of `not` and parentheses.
const MAX_DEPTH: usize = 16;

/// A parsed condition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    Present(String),
    /// The word is one of the texts; `==` has one.
    In(String, Vec<String>),
    /// The word is there and is not this text.
    Differs(String, String),
}

impl Condition {
    /// Whether it holds, with `value` giving each word's value.
    pub(super) fn holds(&self, value: &impl Fn(&str) -> Value) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(value)),
            Self::And(parts) => parts.iter().all(|part| part.holds(value)),
            Self::Not(part) => !part.holds(value),
            Self::Present(word) => !value(word).is_absent(),
            Self::In(word, texts) => {
                let value = value(word);
                texts.iter().any(|text| is(&value, text) == Some(true))
            }
            Self::Differs(word, text) => is(&value(word), text) == Some(false),
        }
    }

    /// The words it asks for, each with the texts it is compared with.
    pub(super) fn words(&self) -> Vec<(&str, Vec<&str>)> {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().flat_map(Self::words).collect(),
            Self::Not(part) => part.words(),
            Self::Present(word) => vec![(word, Vec::new())],
            Self::In(word, texts) => vec![(word, texts.iter().map(String::as_str).collect())],
            Self::Differs(word, text) => vec![(word, vec![text])],
        }
    }
}

fn is(value: &Value, text: &str) -> Option<bool> {
    match value {
        _ if value.is_absent() => None,
        Value::Absent => None,
        Value::Text(own) | Value::Code(own) => Some(own == text),
        Value::Integer(number) => Some(text.parse() == Ok(*number)),
        Value::Boolean(flag) => Some(text == if *flag { "true" } else { "false" }),
        Value::Codes(codes) => Some(codes.iter().any(|code| code == text)),
        Value::Time(_) => Some(false),
    }
}

/// Reads a condition; the error says what was expected and what was found.
pub(super) fn parse(text: &str) -> Result<Condition, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let condition = parser.any(0)?;
    match parser.next() {
        None => Ok(condition),
        Some(token) => Err(format!("`{}` after the end of the condition", token.shown())),
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

impl Token {
    fn shown(&self) -> &str {
        match self {
            Self::Word(text) | Self::Quoted(text) => text,
            Self::Sign(sign) => sign,
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            _ if letter.is_whitespace() => {}
            '(' => tokens.push(Token::Sign("(")),
            ')' => tokens.push(Token::Sign(")")),
            ',' => tokens.push(Token::Sign(",")),
            '=' | '!' if letters.next_if_eq(&'=').is_some() => {
                tokens.push(Token::Sign(if letter == '=' { "==" } else { "!=" }));
            }
            '"' => {
                let mut quoted = String::new();
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some(inner) => quoted.push(inner),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                }
                tokens.push(Token::Quoted(quoted));
            }
            _ if is_word_letter(letter) => {
                let mut word = String::from(letter);
                while let Some(more) = letters.next_if(|next| is_word_letter(*next)) {
                    word.push(more);
                }
                tokens.push(Token::Word(word));
            }
            _ => return Err(format!("`{letter}` has no meaning in a condition")),
        }
    }
    Ok(tokens)
}

fn is_word_letter(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-' | '/')
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.take(&Token::Word(word.to_owned()))
    }

    fn any(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        let mut parts = vec![self.all(depth)?];
        while self.take_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Condition, String> {
        let mut parts = vec![self.one(depth)?];
        while self.take_word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::And(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        if self.take_word("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take(&Token::Sign("(")) {
            let inner = self.any(depth + 1)?;
            return if self.take(&Token::Sign(")")) {
                Ok(inner)
            } else {
                Err("`)` is missing".to_owned())
            };
        }
        if self.take_word("present") {
            return Ok(Condition::Present(self.word()?));
        }
        let word = self.word()?;
        match self.next() {
            Some(Token::Sign("==")) => Ok(Condition::In(word, vec![self.text()?])),
            Some(Token::Sign("!=")) => Ok(Condition::Differs(word, self.text()?)),
            Some(Token::Word(it)) if it == "in" => Ok(Condition::In(word, self.list()?)),
            Some(token) => Err(format!("`==`, `!=` or `in` expected, found `{}`", token.shown())),
            None => Err(format!("`==`, `!=` or `in` expected after `{word}`")),
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) if !matches!(word.as_str(), "and" | "or" | "in") => Ok(word),
            Some(token) => Err(format!("a word expected, found `{}`", token.shown())),
            None => Err("a word expected at the end".to_owned()),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(text) | Token::Quoted(text)) => Ok(text),
            Some(token) => Err(format!("a text expected, found `{}`", token.shown())),
            None => Err("a text expected at the end".to_owned()),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        if !self.take(&Token::Sign("(")) {
            return Err("`(` expected after `in`".to_owned());
        }
        let mut texts = vec![self.text()?];
        while self.take(&Token::Sign(",")) {
            texts.push(self.text()?);
        }
        if self.take(&Token::Sign(")")) { Ok(texts) } else { Err("`)` is missing".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(text: &str) -> bool {
        let value = |word: &str| match word {
            "a" => Value::Code("one".to_owned()),
            "n" => Value::Integer(3),
            "f" => Value::Boolean(true),
            "l" => Value::Codes(vec!["x".to_owned(), "y".to_owned()]),
            _ => Value::Absent,
        };
        parse(text).unwrap().holds(&value)
    }

    #[test]
    fn conditions_mean_what_they_say() {
        for yes in [
            "a == one",
            "a != two",
            "n == 3",
            "f == true",
            "l == y",
            "a in (two, one)",
            "present a",
            "not present z",
            "a == two or a == one and n == 3",
            "not (a == two or n == 4)",
            "a == \"one\"",
        ] {
            assert!(holds(yes), "{yes}");
        }
        for no in ["a == two", "z == one", "z != one", "(a == one or n == 3) and f == false"] {
            assert!(!holds(no), "{no}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, why) in [
            ("", "a word expected"),
            ("a", "expected after `a`"),
            ("a = one", "no meaning"),
            ("a == ", "a text expected"),
            ("a == one two", "after the end"),
            ("(a == one", "`)` is missing"),
            ("a in one", "`(` expected"),
            ("a == \"one", "not closed"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9 ()=!,\"\\.]{0,60}") {
            let read = parse(&text);
            prop_assert!(read.is_ok() || read.is_err());
        }

        #[test]
        fn depth_is_bounded(depth in 0_usize..400) {
            let text = format!("{}a == b", "not ".repeat(depth));
            prop_assert_eq!(parse(&text).is_ok(), depth <= MAX_DEPTH);
        }
    }
}
