//! The platform's own reading of the conditions in a standard's tables.
//!
//! ```text
//! or   := and { "or" and }
//! and  := one { "and" one }
//! one  := "not" one | "(" or ")" | "present" WORD
//!       | WORD ("==" | "!=") CODE | WORD ["not"] "in" "(" CODE { "," CODE } ")"
//! ```
//!
//! The platform sees only a message. A word that no field of the message carries is unknown, and
//! so is a condition that hangs on it: nothing is judged by it.

/// A condition over canonical words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Present(String),
    OneOf(String, Vec<String>),
    /// An absent value is neither equal nor unequal to anything.
    NoneOf(String, Vec<String>),
}

/// What a message says of a word: unknown, or its canonical values (none when it is absent).
pub(super) type Said = Option<Vec<String>>;

impl Condition {
    /// Reads a condition; the error names what was met.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text);
        let mut rest = tokens.as_slice();
        let condition = any(&mut rest, 0)?;
        match rest.first() {
            None => Ok(condition),
            Some(token) => Err(format!("`{token}` where the condition should end")),
        }
    }

    /// Whether it holds; `None` when the message does not show it.
    pub(super) fn holds(&self, said: &dyn Fn(&str) -> Said) -> Option<bool> {
        match self {
            Self::Any(parts) => {
                let found: Vec<_> = parts.iter().map(|part| part.holds(said)).collect();
                if found.contains(&Some(true)) {
                    return Some(true);
                }
                (!found.contains(&None)).then_some(false)
            }
            Self::All(parts) => {
                let found: Vec<_> = parts.iter().map(|part| part.holds(said)).collect();
                if found.contains(&Some(false)) {
                    return Some(false);
                }
                (!found.contains(&None)).then_some(true)
            }
            Self::Not(part) => part.holds(said).map(|holds| !holds),
            Self::Present(word) => said(word).map(|values| !values.is_empty()),
            Self::OneOf(word, codes) => {
                said(word).map(|values| values.iter().any(|value| codes.contains(value)))
            }
            Self::NoneOf(word, codes) => said(word).map(|values| {
                !values.is_empty() && !values.iter().any(|value| codes.contains(value))
            }),
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '"' {
            word.extend(letters.by_ref().take_while(|letter| *letter != '"'));
            tokens.push(std::mem::take(&mut word));
            continue;
        }
        let joined = matches!(letter, '=' | '!') && letters.peek() == Some(&'=');
        if letter.is_whitespace() || joined || matches!(letter, '(' | ')' | ',') {
            if !word.is_empty() {
                tokens.push(std::mem::take(&mut word));
            }
            if joined {
                letters.next();
                tokens.push(format!("{letter}="));
            } else if !letter.is_whitespace() {
                tokens.push(letter.to_string());
            }
        } else {
            word.push(letter);
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

/// The deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 16;

type Rest<'a, 't> = &'a mut &'t [String];

fn next<'t>(rest: Rest<'_, 't>) -> Result<&'t str, String> {
    let (first, after) = rest.split_first().ok_or("the condition ends too early")?;
    *rest = after;
    Ok(first)
}

fn eat(rest: Rest<'_, '_>, wanted: &str) -> bool {
    match rest.split_first() {
        Some((first, after)) if first == wanted => {
            *rest = after;
            true
        }
        _ => false,
    }
}

fn any(rest: Rest<'_, '_>, depth: usize) -> Result<Condition, String> {
    let mut parts = vec![all(rest, depth)?];
    while eat(rest, "or") {
        parts.push(all(rest, depth)?);
    }
    Ok(alone(parts, Condition::Any))
}

fn all(rest: Rest<'_, '_>, depth: usize) -> Result<Condition, String> {
    let mut parts = vec![one(rest, depth)?];
    while eat(rest, "and") {
        parts.push(one(rest, depth)?);
    }
    Ok(alone(parts, Condition::All))
}

fn alone(mut parts: Vec<Condition>, several: fn(Vec<Condition>) -> Condition) -> Condition {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            several(parts)
        }
    }
}

fn one(rest: Rest<'_, '_>, depth: usize) -> Result<Condition, String> {
    if depth > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH}"));
    }
    if eat(rest, "not") {
        return Ok(Condition::Not(Box::new(one(rest, depth + 1)?)));
    }
    if eat(rest, "(") {
        let inner = any(rest, depth + 1)?;
        return if eat(rest, ")") { Ok(inner) } else { Err("`)` is missing".to_owned()) };
    }
    if eat(rest, "present") {
        return Ok(Condition::Present(next(rest)?.to_owned()));
    }
    let word = next(rest)?.to_owned();
    match next(rest)? {
        "==" => Ok(Condition::OneOf(word, vec![next(rest)?.to_owned()])),
        "!=" => Ok(Condition::NoneOf(word, vec![next(rest)?.to_owned()])),
        "in" => Ok(Condition::OneOf(word, codes(rest)?)),
        "not" if eat(rest, "in") => Ok(Condition::NoneOf(word, codes(rest)?)),
        token => Err(format!("`{token}` where `==`, `!=` or `in` should be")),
    }
}

fn codes(rest: Rest<'_, '_>) -> Result<Vec<String>, String> {
    if !eat(rest, "(") {
        return Err("`(` is missing after `in`".to_owned());
    }
    let mut codes = vec![next(rest)?.to_owned()];
    while eat(rest, ",") {
        codes.push(next(rest)?.to_owned());
    }
    if eat(rest, ")") { Ok(codes) } else { Err("`)` is missing".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Option<bool> {
        Condition::parse(text).unwrap().holds(&|word| match word {
            "share" => Some(vec!["none".to_owned()]),
            "ways" => Some(vec!["api".to_owned(), "file".to_owned()]),
            "empty" => Some(Vec::new()),
            _ => None,
        })
    }

    #[test]
    fn conditions_are_judged_by_what_the_message_shows() {
        assert_eq!(judged("share == none"), Some(true));
        assert_eq!(judged("share != none"), Some(false));
        assert_eq!(judged("ways in (api, table)"), Some(true));
        assert_eq!(judged("ways not in (table)"), Some(true));
        assert_eq!(judged("present empty"), Some(false));
        assert_eq!(judged("empty != none"), Some(false), "neither equal nor unequal");
        assert_eq!(judged("share == \"two words\""), Some(false));
        assert_eq!(judged("not present empty and (share == all or ways == file)"), Some(true));
    }

    #[test]
    fn an_unknown_word_decides_nothing_unless_it_cannot_matter() {
        assert_eq!(judged("hidden == 1"), None);
        assert_eq!(judged("hidden == 1 and share == none"), None);
        assert_eq!(judged("hidden == 1 and share == all"), Some(false));
        assert_eq!(judged("hidden == 1 or share == none"), Some(true));
    }

    #[test]
    fn broken_conditions_are_refused() {
        for text in ["", "a", "a ==", "a = b", "(a == b", "a in b", "a in (b", "a == b c", "and"] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
        assert!(Condition::parse(&"not ".repeat(40)).is_err());
    }
}
