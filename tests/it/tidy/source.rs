//! Just enough of Rust's grammar to judge a source file: words, texts and punctuation, without
//! comments, and without what is compiled for tests only.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A piece of source code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Token {
    /// An identifier or keyword.
    Word(String),
    /// The content of a text literal, escapes as written.
    Text(String),
    /// A number, or anything else that says nothing here.
    Other,
    /// Any other visible character.
    Mark(char),
}

impl Token {
    pub(crate) fn is(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }

    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Text(_) | Self::Other | Self::Mark(_) => None,
        }
    }
}

/// One source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the project.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// What is compiled into the product.
    pub(crate) code: Vec<Token>,
    /// The whole file is for tests only.
    pub(crate) test_only: bool,
}

/// Where the project is.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the project, in order of path.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join(folder), "rs", &mut paths);
    paths.sort();
    let mut found: Vec<Source> = Vec::new();
    let mut test_files = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        let (code, test_modules) = product_code(&tokens(&text));
        let inside = if path.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs") {
            path.parent().map(Path::to_path_buf)
        } else {
            Some(path.with_extension(""))
        };
        let inside = inside.expect("a file is in a folder");
        test_files.extend(test_modules.iter().map(|name| inside.join(name)));
        let path = path.strip_prefix(root()).expect("below the project").to_path_buf();
        found.push(Source { path, text, code, test_only: false });
    }
    for source in &mut found {
        let whole = root().join(&source.path);
        source.test_only = test_files
            .iter()
            .any(|module| whole.with_extension("") == *module || whole.starts_with(module));
        if source.test_only {
            source.code.clear();
        }
    }
    found
}

/// Every file with this extension below `folder`.
pub(crate) fn collect(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            collect(&path, extension, into);
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push(path);
        }
    }
}

/// Cuts source text into tokens.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut rest = text;
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if rest.starts_with("//") {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (None, block_comment(rest))
        } else if let Some((content, length)) = text_literal(rest) {
            (Some(Token::Text(content)), length)
        } else if first == '\'' {
            (Some(Token::Other), quote(rest))
        } else if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .unwrap_or(rest.len());
            (rest.get(..length).map(|word| Token::Word(word.to_owned())), length)
        } else if first.is_ascii_digit() {
            let end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
            (Some(Token::Other), rest.find(end).unwrap_or(rest.len()))
        } else {
            (Some(Token::Mark(first)), first.len_utf8())
        };
        found.extend(token);
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// The length of the block comment that `rest` starts with; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else if let Some(letter) = tail.chars().next() {
            at += letter.len_utf8();
        } else {
            break;
        }
    }
    at
}

/// The content and whole length of the text literal that `rest` starts with.
fn text_literal(rest: &str) -> Option<(String, usize)> {
    let prefix = ["", "b", "c", "r", "br", "cr"].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix).unwrap_or_default();
        let after = if prefix.ends_with('r') { after.trim_start_matches('#') } else { after };
        after.starts_with('"')
    })?;
    let body = rest.strip_prefix(prefix)?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let content = body.get(hashes + 1..)?;
    let end = if prefix.ends_with('r') {
        content.find(&format!("\"{}", "#".repeat(hashes)))?
    } else {
        let mut escaped = false;
        content.find(|letter: char| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        })?
    };
    let length = prefix.len() + hashes + 1 + end + 1 + hashes;
    Some((content.get(..end)?.to_owned(), length))
}

/// The length of the character literal or lifetime that `rest` starts with.
fn quote(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    match letters.next() {
        // The second letter after a backslash may be a quote itself.
        Some((_, '\\')) => {
            letters.next();
            letters.find(|(_, letter)| *letter == '\'').map_or(rest.len(), |(at, _)| at + 1)
        }
        Some((at, letter)) => match letters.next() {
            Some((end, '\'')) => end + 1,
            // A lifetime or a label.
            _ => {
                let ends = |letter: char| !letter.is_alphanumeric() && letter != '_';
                let name = rest.get(at..).unwrap_or_default();
                at + name.find(ends).unwrap_or(name.len()).max(letter.len_utf8())
            }
        },
        None => rest.len(),
    }
}

/// The tokens that are compiled into the product, and the names of the modules in other files that
/// are not.
pub(crate) fn product_code(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let mut code = Vec::new();
    let mut test_modules = Vec::new();
    let mut rest = tokens;
    while let Some((first, tail)) = rest.split_first() {
        match attribute(rest) {
            Some((attribute, after)) if is_for_tests(attribute) => {
                if attribute.get(1).is_some_and(|token| token.is('!')) {
                    return (Vec::new(), Vec::new());
                }
                let (item, after) = item(after);
                if let [.., Token::Word(keyword), Token::Word(name), Token::Mark(';')] = item
                    && keyword == "mod"
                {
                    test_modules.push(name.clone());
                }
                rest = after;
            }
            Some((attribute, after)) => {
                code.extend_from_slice(attribute);
                rest = after;
            }
            None => {
                code.push(first.clone());
                rest = tail;
            }
        }
    }
    (code, test_modules)
}

/// The attribute that `rest` starts with, and what follows it.
fn attribute(rest: &[Token]) -> Option<(&[Token], &[Token])> {
    let open = match rest {
        [Token::Mark('#'), Token::Mark('['), ..] => 1,
        [Token::Mark('#'), Token::Mark('!'), Token::Mark('['), ..] => 2,
        _ => return None,
    };
    let mut depth = 0_usize;
    for (at, token) in rest.iter().enumerate().skip(open) {
        if token.is('[') {
            depth += 1;
        } else if token.is(']') {
            depth -= 1;
            if depth == 0 {
                return rest.split_at_checked(at + 1);
            }
        }
    }
    None
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let mut words = attribute.iter().filter_map(Token::word);
    words.next() == Some("cfg")
        && words.clone().any(|word| word == "test")
        && words.all(|word| word != "not" && word != "any")
}

/// The item that `rest` starts with, its further attributes included, and what follows it.
fn item(mut rest: &[Token]) -> (&[Token], &[Token]) {
    while let Some((_, after)) = attribute(rest) {
        rest = after;
    }
    let mut depth = 0_usize;
    for (at, token) in rest.iter().enumerate() {
        if token.is('{') {
            depth += 1;
        } else if token.is('}') {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 && (token.is('}') || token.is(';')) {
            return rest.split_at(at + 1);
        }
    }
    (rest, &[])
}

#[test]
fn comments_are_left_out_and_texts_are_kept_apart_from_words() {
    let text = r##"// crate::no
        /* crate::no /* still */ "no" */ use crate::row; let x = 'a'; let y: &'static str = "a\"b";
        let z = br#"quo"te"#; let quote = '\''; 12.5"##;
    let found = tokens(text);
    let texts: Vec<&Token> = found.iter().filter(|token| matches!(token, Token::Text(_))).collect();
    assert_eq!(texts, [&Token::Text("a\\\"b".to_owned()), &Token::Text("quo\"te".to_owned())]);
    let words: Vec<&str> = found.iter().filter_map(Token::word).collect();
    assert_eq!(
        words,
        ["use", "crate", "row", "let", "x", "let", "y", "str", "let", "z", "let", "quote"]
    );
}

#[test]
fn what_is_compiled_for_tests_only_is_not_the_product() {
    let text = "use a::b; #[cfg(test)] #[derive(Debug)] mod tests { use c::d; fn e() { {} } } \
                #[cfg(test)] mod outside; #[cfg(not(test))] fn f() {} #[derive(Clone)] struct G;";
    let (code, modules) = product_code(&tokens(text));
    let words: Vec<&str> = code.iter().filter_map(Token::word).collect();
    assert_eq!(
        words,
        ["use", "a", "b", "cfg", "not", "test", "fn", "f", "derive", "Clone", "struct", "G"]
    );
    assert_eq!(modules, ["outside"]);
}
