//! The reader's language, and how a module declares everything it says in both.
//!
//! Whatever people read — command line, status page, bulletins — is said from one table for each of
//! them, so that no sentence exists in one language alone: [`messages`] declares such a table.

/// The reader's language.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Language {
    /// 中文.
    Chinese,
    /// English.
    English,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Chinese, Self::English];

    /// The word in `?lang=` and in documents (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// What a tag or a word (`zh`, `zh-CN`, `en_US`) asks for.
    pub fn of(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// By the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that says something, as everywhere.
    pub fn of_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let said = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(get)
            .find(|value| !value.is_empty());
        match said {
            Some(value) if value.starts_with("zh") => Self::Chinese,
            Some(_) | None => Self::English,
        }
    }

    /// By the query, where it says `lang=zh` or `lang=en`; else by what the browser likes better;
    /// else Chinese, for that is who runs this.
    pub fn negotiate(query: Option<&str>, accept: Option<&str>) -> Self {
        let asked = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter_map(|pair| pair.strip_prefix("lang="))
            .find_map(Self::of);
        asked.or_else(|| accept.and_then(Self::liked)).unwrap_or(Self::Chinese)
    }

    /// The one with the greater weight, of two that weigh the same the one that is named first.
    fn liked(accept: &str) -> Option<Self> {
        let mut best: Option<(u16, Self)> = None;
        for part in accept.split(',').take(32) {
            let mut pieces = part.split(';').map(str::trim);
            let Some(language) = pieces.next().and_then(Self::of) else { continue };
            let weight =
                pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(1000, thousandths);
            if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

/// `0.85` as 850; what is no weight counts least.
fn thousandths(weight: &str) -> u16 {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = part.chars().chain(['0'; 3]).take(3).collect::<String>();
    match (whole, digits.parse::<u16>()) {
        ("1", _) => 1000,
        ("0", Ok(part)) => part,
        _ => 0,
    }
}

/// Declares a table: a type, then a message, its Chinese and its English a line. A message's gaps
/// (`{}`) are filled from left to right.
macro_rules! messages {
    (
        $(#[$about:meta])*
        $vis:vis enum $Table:ident;
        $($name:ident, $zh:literal, $en:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        $vis enum $Table {
            $(#[doc = $en] $name,)*
        }

        impl $Table {
            /// Every message.
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What is said, its gaps still open.
            $vis fn of(self, language: $crate::language::Language) -> &'static str {
                match (self, language) {
                    $(
                        (Self::$name, $crate::language::Language::Chinese) => $zh,
                        (Self::$name, $crate::language::Language::English) => $en,
                    )*
                }
            }

            /// What is said, with every `{}` filled from left to right.
            $vis fn say(self, language: $crate::language::Language, fill: &[&str]) -> String {
                $crate::language::filled(self.of(language), fill)
            }
        }
    };
}

pub(crate) use messages;

/// The template with every `{}` filled from left to right; a gap too many is left empty.
pub fn filled(template: &str, fill: &[&str]) -> String {
    let mut pieces = template.split("{}");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for (place, piece) in pieces.enumerate() {
        text.push_str(fill.get(place).copied().unwrap_or_default());
        text.push_str(piece);
    }
    text
}

/// What is wrong with a message: it lacks a language, or its gaps differ.
#[cfg(test)]
pub(crate) fn flaw([zh, en]: [&str; 2]) -> Option<String> {
    let is_whole = !zh.is_empty() && !en.is_empty();
    let same_gaps = zh.matches("{}").count() == en.matches("{}").count();
    (!is_whole || !same_gaps).then(|| format!("`{zh}` is not `{en}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_first_variable_that_speaks() {
        let of = |variables: &[(&str, &str)]| {
            Language::of_environment(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|it| it.1.to_owned())
            })
        };
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8")]), Language::Chinese);
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")]), Language::English);
        assert_eq!(of(&[("LC_ALL", ""), ("LC_MESSAGES", "zh_CN")]), Language::Chinese);
        assert_eq!(of(&[]), Language::English);
    }

    #[test]
    fn the_query_wins_then_the_browser_then_chinese() {
        use Language::{Chinese, English};
        for (query, accept, expected) in [
            (None, None, Chinese),
            (None, Some("de,fr;q=0.5"), Chinese),
            (None, Some("en-US,en;q=0.9"), English),
            (None, Some("zh-CN,zh;q=0.9,en;q=0.8"), Chinese),
            (None, Some("en;q=0.7, zh;q=0.8"), Chinese),
            (None, Some("zh;q=0,en;q=0.1"), English),
            (None, Some("*;q=0.1,\u{0},,;;q=,zh;q=x,en;q=0.2"), English),
            (Some("lang=en"), Some("zh-CN"), English),
            (Some("a=b&lang=zh"), Some("en"), Chinese),
            (Some("lang=<script>"), Some("en"), English),
        ] {
            assert_eq!(Language::negotiate(query, accept), expected, "{query:?} {accept:?}");
        }
    }

    #[test]
    fn gaps_are_filled_from_left_to_right() {
        assert_eq!(filled("{} of {}, {}", &["294", "300"]), "294 of 300, ");
        assert_eq!(flaw(["共 {} 个", "of {}"]), None);
        assert!(flaw(["共 {} 个", "of"]).is_some() && flaw(["", ""]).is_some());
    }
}
