//! Text with `{word}` in it; `{{` and `}}` are braces. Templates of requests and the form `format`
//! of a value are the same text: this is its one reader.

/// A part of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Piece<'t> {
    /// Text as it stands; never empty, and never beside another.
    Text(String),
    /// What stands between braces, without the space around it.
    Word(&'t str),
}

/// The parts in order; `None` for a brace that is not closed or not opened.
pub(super) fn pieces(template: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        if let Some(next) = after.strip_prefix("{{") {
            plain.push('{');
            rest = next;
        } else if let Some(next) = after.strip_prefix("}}") {
            plain.push('}');
            rest = next;
        } else {
            let (word, next) = after.strip_prefix('{')?.split_once('}')?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Word(word.trim()));
            rest = next;
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn braces_are_words_or_doubled() {
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            pieces("a{{{ b c }}}d{e}").unwrap(),
            [text("a{"), Piece::Word("b c"), text("}d"), Piece::Word("e")]
        );
        assert_eq!(pieces("").unwrap(), []);
        for broken in ["{a", "a}", "{", "}", "{a}}", "{{a}"] {
            assert_eq!(pieces(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn plain_text_is_itself_once_its_braces_are_doubled(plain in "[a-z{} 目]{1,12}") {
            let template = plain.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(pieces(&template), Some(vec![Piece::Text(plain)]));
        }
    }
}
