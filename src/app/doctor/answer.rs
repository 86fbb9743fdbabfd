//! What the platform's answer to a harmless question means for whoever installs.

use super::code::Code;
use crate::delivery::Outcome;
use crate::province::Reply;

/// What is looked at of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    /// The HTTP status; `None` where nothing came.
    pub(super) status: Option<u16>,
    /// What the standard makes of it.
    pub(super) outcome: &'a Outcome,
    /// Its stable word.
    pub(super) code: &'a str,
    /// The body.
    pub(super) said: &'a [u8],
    /// A forward proxy stands between.
    pub(super) is_proxied: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn of(reply: &'a Reply, is_proxied: bool) -> Self {
        Self {
            status: reply.status,
            outcome: &reply.reading.outcome,
            code: &reply.reading.code,
            said: &reply.said,
            is_proxied,
        }
    }
}

/// What is wrong with an answer, and what was seen; `None` where it is one.
pub(super) fn judge(seen: &Seen<'_>) -> Option<(Code, String)> {
    let Some(status) = seen.status else { return Some(unanswered(seen)) };
    if matches!(seen.outcome, Outcome::Accepted { .. } | Outcome::Exists { .. }) {
        return None;
    }
    let code = match status {
        407 if seen.is_proxied => Code::ProxyCredentials,
        // A page where a person would log in, or a firewall's notice.
        200 | 203 | 300..=399 | 403 | 511 if is_page(seen.said) => Code::PlatformCaptive,
        300..=399 | 511 => Code::PlatformCaptive,
        404 | 405 | 410 => Code::PlatformPath,
        429 | 502..=504 => Code::PlatformBusy,
        401 | 403 => Code::PlatformCredentials,
        _ => match seen.outcome {
            Outcome::Auth { .. } => Code::PlatformCredentials,
            Outcome::Retry { .. } => Code::PlatformBusy,
            Outcome::Accepted { .. }
            | Outcome::Exists { .. }
            | Outcome::Unknown { .. }
            | Outcome::Refused { .. }
            | Outcome::NoPlace { .. }
            | Outcome::Unlisted { .. } => Code::PlatformWord,
        },
    };
    Some((code, format!("{} ({status})", seen.code)))
}

/// No answer came, although the way is open.
fn unanswered(seen: &Seen<'_>) -> (Code, String) {
    let word = seen.code;
    let code = match word {
        "province-certificate-not-trusted" => Code::CertUntrusted,
        "name-not-resolved" => Code::Dns,
        "connect-timed-out" => Code::ConnectSilent,
        "connect-failed" if seen.is_proxied => Code::ProxyForbids,
        "connect-failed" => Code::Refused,
        "tls-refused" | "tls-failed" => Code::TlsRefused,
        _ if word.starts_with("incomplete-") => Code::Credentials,
        _ => match seen.outcome {
            Outcome::Auth { .. } => Code::PlatformCredentials,
            Outcome::Accepted { .. }
            | Outcome::Exists { .. }
            | Outcome::Retry { .. }
            | Outcome::Unknown { .. }
            | Outcome::Refused { .. }
            | Outcome::NoPlace { .. }
            | Outcome::Unlisted { .. } => Code::PlatformSilent,
        },
    };
    (code, word.to_owned())
}

/// A page for people.
fn is_page(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let start = start.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(start);
    let begins =
        |tag: &[u8]| start.get(..tag.len()).is_some_and(|found| found.eq_ignore_ascii_case(tag));
    begins(b"<!doctype html") || begins(b"<html")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: Option<u16>, outcome: Outcome, word: &str, said: &[u8]) -> Option<Code> {
        let seen = Seen { status, outcome: &outcome, code: word, said, is_proxied: false };
        judge(&seen).map(|(code, _)| code)
    }

    fn unlisted() -> Outcome {
        Outcome::Unlisted { code: "http".to_owned() }
    }

    #[test]
    fn a_page_a_wrong_path_and_a_refused_account_are_told_apart() {
        let page = b"\r\n<!DOCTYPE HTML><title>login</title>";
        assert_eq!(code(Some(200), unlisted(), "x", page), Some(Code::PlatformCaptive));
        assert_eq!(code(Some(302), unlisted(), "x", b""), Some(Code::PlatformCaptive));
        assert_eq!(code(Some(403), unlisted(), "x", page), Some(Code::PlatformCaptive));
        assert_eq!(code(Some(403), unlisted(), "x", b"{}"), Some(Code::PlatformCredentials));
        assert_eq!(code(Some(404), unlisted(), "x", page), Some(Code::PlatformPath));
        assert_eq!(code(Some(502), unlisted(), "x", page), Some(Code::PlatformBusy));
        assert_eq!(code(Some(200), unlisted(), "x", b"<a/>"), Some(Code::PlatformWord));
        let auth = Outcome::Auth { code: "1003".to_owned() };
        assert_eq!(code(Some(200), auth, "1003", b"{}"), Some(Code::PlatformCredentials));
        let fine = Outcome::Exists { upper_id: None, code: "0".to_owned() };
        assert_eq!(code(Some(200), fine, "0", b"{}"), None);
    }

    #[test]
    fn silence_is_sorted_by_its_word() {
        let lost = |word: &str| code(None, Outcome::Unknown { code: word.to_owned() }, word, b"");
        assert_eq!(lost("timed-out"), Some(Code::PlatformSilent));
        assert_eq!(lost("connection-cut"), Some(Code::PlatformSilent));
        assert_eq!(lost("province-certificate-not-trusted"), Some(Code::CertUntrusted));
        assert_eq!(lost("connect-failed"), Some(Code::Refused));
    }
}
