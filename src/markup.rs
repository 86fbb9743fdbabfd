//! Text that becomes HTML or XML only escaped.
//!
//! Two doors, told apart by the type system: markup is `&'static str`, so it can only be a literal
//! of our own source; everything that comes from a configuration, a catalogue or a province goes
//! through [`Markup::text`], which escapes it for elements and quoted attributes alike and cuts what
//! is too long. There is no third.

/// A document that grows.
#[derive(Debug)]
pub struct Markup {
    text: String,
    most: usize,
}

impl Markup {
    /// An empty document in which a text has at most `most` characters: a title in a catalogue may
    /// be of any length.
    pub fn new(most: usize) -> Self {
        Self { text: String::new(), most }
    }

    /// A literal of our own.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.text.push_str(markup);
        self
    }

    /// Somebody's text, escaped and cut. What would act instead of being read (controls, marks that
    /// turn the direction of writing) is shown as a replacement character.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for (at, letter) in text.chars().enumerate() {
            if at == self.most {
                self.text.push('…');
                break;
            }
            match letter {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                acting if acts(acting) => self.text.push('\u{fffd}'),
                plain => self.text.push(plain),
            }
        }
        self
    }

    /// A count with its thousands apart.
    pub fn number(&mut self, count: u64) -> &mut Self {
        self.text.push_str(&apart(count));
        self
    }

    /// The whole document.
    pub fn finish(self) -> String {
        self.text
    }
}

/// A count with its thousands apart.
pub fn apart(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Letters that are not read but do something.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 160;

    fn escaped(text: &str) -> String {
        let mut markup = Markup::new(MOST);
        markup.text(text);
        markup.finish()
    }

    #[test]
    fn markup_in_a_title_is_text() {
        assert_eq!(
            escaped("<script>alert(\"1\")</script>&amp;'"),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;"
        );
        assert_eq!(escaped("a\u{202e}b\u{0}c\r\n"), "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_text_of_any_length_stays_short_and_is_cut_between_letters() {
        let long = "数".repeat(100_000);
        assert_eq!(escaped(&long), format!("{}…", "数".repeat(MOST)));
        let fits = "据".repeat(MOST);
        assert_eq!(escaped(&fits), fits);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(apart), ["0", "999", "1,000", "12,345,678"]);
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag_or_leaves_a_quoted_attribute(text in any::<String>()) {
            let out = escaped(&text);
            prop_assert!(!out.contains(['<', '>', '"', '\'']));
            prop_assert!(!out.chars().any(acts));
            for (at, _) in out.match_indices('&') {
                let tail = out.get(at..).unwrap_or_default();
                prop_assert!(
                    ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|it| tail.starts_with(it))
                );
            }
        }
    }
}
