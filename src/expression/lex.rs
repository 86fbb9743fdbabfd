//! Text to tokens, each with its place.

use rust_decimal::Decimal;

use super::Problem;

/// Characters `start..end`, counted from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    pub(super) fn problem(self, message: impl Into<String>) -> Problem {
        Problem {
            at: self.start + 1,
            length: self.end.saturating_sub(self.start).max(1),
            message: message.into(),
            suggestion: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(Decimal),
    Text(String),
    /// A name or a keyword; `true` when it was quoted with backticks and can be no keyword.
    Word(String, bool),
    /// `( ) , + - * / == != < <= > >=`
    Sign(&'static str),
    End,
}

/// The longest signs first.
const SIGNS: [&str; 13] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", ",", "+", "-", "*", "/"];

pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Problem> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        let rest = letters.get(at..).unwrap_or_default();
        let (token, length) = if letter.is_whitespace() {
            at += 1;
            continue;
        } else if letter.is_ascii_digit() {
            number(rest, at)?
        } else if letter == '"' || letter == '`' {
            quoted(rest, at)?
        } else if is_word(letter) {
            let length = rest.iter().take_while(|l| is_word(**l) || **l == '.').count();
            (Token::Word(rest.iter().take(length).collect(), false), length)
        } else {
            sign(rest, at)?
        };
        tokens.push((token, Span { start: at, end: at + length }));
        at += length;
    }
    tokens.push((Token::End, Span { start: at, end: at }));
    Ok(tokens)
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn number(rest: &[char], at: usize) -> Result<(Token, usize), Problem> {
    let length = rest.iter().take_while(|l| is_word(**l) || **l == '.').count();
    let text: String = rest.iter().take(length).collect();
    match Decimal::from_str_exact(&text) {
        Ok(number) if !text.ends_with('.') => Ok((Token::Number(number), length)),
        Ok(_) | Err(_) => {
            Err(Span { start: at, end: at + length }.problem(format!("`{text}` is no number")))
        }
    }
}

fn quoted(rest: &[char], at: usize) -> Result<(Token, usize), Problem> {
    let mut letters = rest.iter();
    let Some(quote) = letters.next().copied() else {
        return Err(Span { start: at, end: at }.problem("a quote is wanted here"));
    };
    let mut text = String::new();
    let mut length = 1;
    while let Some(letter) = letters.next().copied() {
        length += 1;
        if letter == quote {
            let token = if quote == '"' { Token::Text(text) } else { Token::Word(text, true) };
            return Ok((token, length));
        }
        if letter == '\\' {
            length += 1;
            text.extend(letters.next());
        } else {
            text.push(letter);
        }
    }
    Err(Span { start: at, end: at + 1 }.problem("this quote is never closed"))
}

fn sign(rest: &[char], at: usize) -> Result<(Token, usize), Problem> {
    let found = SIGNS.into_iter().find(|sign| {
        sign.chars().count() <= rest.len() && sign.chars().zip(rest).all(|(a, b)| a == *b)
    });
    if let Some(sign) = found {
        return Ok((Token::Sign(sign), sign.len()));
    }
    let letter: String = rest.iter().take(1).collect();
    let mut problem =
        Span { start: at, end: at + 1 }.problem(format!("`{letter}` means nothing here"));
    problem.suggestion = match letter.as_str() {
        "=" => Some("==".to_owned()),
        "&" => Some("and".to_owned()),
        "|" => Some("or".to_owned()),
        "!" => Some("not".to_owned()),
        "'" | "“" | "”" => Some("\"".to_owned()),
        "（" => Some("(".to_owned()),
        "）" => Some(")".to_owned()),
        "，" => Some(",".to_owned()),
        _ => None,
    };
    Err(problem)
}
