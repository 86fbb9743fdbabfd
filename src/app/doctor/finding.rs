//! What `doctor` says of one thing it looked at.

use super::code::{Code, Severity};

/// Something `doctor` looked at.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Found {
    /// Stable, where something is to be done: `D-…`.
    pub code: Option<&'static str>,
    /// How much it weighs.
    pub severity: Severity,
    /// What, in English.
    pub what: String,
    /// 是什么。
    pub what_zh: String,
    /// It is as it should be, or may stay as it is.
    pub ok: bool,
    /// What to do when it is not.
    pub advice: Option<String>,
    /// 不对时怎么办。
    pub advice_zh: Option<String>,
    #[serde(skip)]
    rank: Option<Code>,
}

impl Found {
    /// Something that is as it should be.
    pub fn good([what, what_zh]: [String; 2]) -> Self {
        Self {
            code: None,
            severity: Severity::Good,
            what,
            what_zh,
            ok: true,
            advice: None,
            advice_zh: None,
            rank: None,
        }
    }

    /// Something of the closed list: where it is, and what was seen there; nothing where the code
    /// says it all.
    pub fn of(code: Code, [place, place_zh]: [&str; 2], [seen, seen_zh]: [&str; 2]) -> Self {
        let entry = code.entry();
        let ([title, title_zh], [next, next_zh]) = (entry.title, entry.next);
        let joined = |place: &str, title: &str, seen: &str, [to, end]: [&str; 2]| {
            let seen = if seen.is_empty() { String::new() } else { format!("{end}{seen}") };
            format!("{place}{to}{title}{seen}")
        };
        Self {
            code: Some(entry.word),
            severity: entry.severity,
            what: joined(place, title, seen, [": ", " - "]),
            what_zh: joined(place_zh, title_zh, seen_zh, ["：", "——"]),
            ok: entry.severity != Severity::Bad,
            advice: Some(next.to_owned()),
            advice_zh: Some(next_zh.to_owned()),
            rank: Some(code),
        }
    }

    /// The same where place and what was seen read alike in both languages.
    pub fn at(code: Code, place: &str, seen: &str) -> Self {
        Self::of(code, [place, place], [seen, seen])
    }

    /// With further advice in the place of the table's.
    pub fn advising(mut self, [next, next_zh]: [&str; 2]) -> Self {
        (self.advice, self.advice_zh) = (Some(next.to_owned()), Some(next_zh.to_owned()));
        self
    }

    /// Bad first, then warnings, then what is good; of each what is to be repaired first. What is
    /// alike keeps its order and stands once.
    pub(super) fn sorted(mut all: Vec<Self>) -> Vec<Self> {
        all.sort_by_key(|it| (it.severity, it.rank));
        let mut once: Vec<Self> = Vec::with_capacity(all.len());
        for it in all {
            if !once.contains(&it) {
                once.push(it);
            }
        }
        once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_repaired_first_stands_first_and_nothing_twice() {
        let found = Found::sorted(vec![
            Found::good(["fine".to_owned(), "好".to_owned()]),
            Found::at(Code::Root, "this machine", ""),
            Found::at(Code::CertExpired, "channel a", "2026-01-01"),
            Found::at(Code::Dns, "channel b", "no.such"),
            Found::at(Code::Dns, "channel b", "no.such"),
        ]);
        let codes: Vec<_> = found.iter().map(|it| it.code).collect();
        assert_eq!(codes, [Some("D-DNS"), Some("D-CERT-EXPIRED"), Some("D-ROOT"), None]);
        assert_eq!(found[0].what, "channel b: the name has no address - no.such");
        assert_eq!(found[0].what_zh, "channel b：域名无法解析——no.such");
        assert!(!found[1].ok && found[2].ok && found[3].ok);
    }
}
