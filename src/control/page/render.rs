//! The document: its head, its sections in the order in which they matter, its foot.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::words::Word;
use super::{Health, Page};
use super::{section, watching};
use crate::language::Language;
use crate::markup::{Markup, apart};

/// The most characters of one text on the page.
const MAX_TEXT: usize = 160;

/// The only style there is.
const STYLE: &str = include_str!("style.css");

/// What a browser may do with the page: show it with this style and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

/// The page's content security policy.
pub fn policy() -> &'static str {
    &POLICY
}

/// The page in a language; without anything to show, one that says so.
pub fn page(page: Option<&Page>, language: Language) -> String {
    let mut html = Markup::new(MAX_TEXT);
    head(&mut html, page, language);
    match page {
        None => {
            html.raw("<main><section class=\"wide\"><p class=\"calm\">");
            html.text(Word::NothingYet.of(language)).raw("</p></section></main>");
        }
        Some(page) => {
            let mut sheet = Sheet { html, page, language };
            section::cards(&mut sheet);
            sheet.html.raw("<main>");
            watching::section(&mut sheet);
            section::attention(&mut sheet);
            section::channels(&mut sheet);
            section::evidence(&mut sheet);
            section::overdue(&mut sheet);
            section::next(&mut sheet);
            section::rejected(&mut sheet);
            section::awaited(&mut sheet);
            sheet.html.raw("</main>");
            foot(&mut sheet);
            html = sheet.html;
        }
    }
    html.raw("</body></html>\n");
    html.finish()
}

/// A page that is being written.
pub(super) struct Sheet<'a> {
    pub(super) html: Markup,
    pub(super) page: &'a Page,
    pub(super) language: Language,
}

/// How a thing stands. Never told by colour alone: each has a sign and words beside it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tone {
    Good,
    Calm,
    Warn,
    Bad,
}

impl Tone {
    /// Where more than none is bad.
    pub(super) fn bad_if(is_bad: bool) -> Self {
        if is_bad { Self::Bad } else { Self::Good }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => " class=\"good\"",
            Self::Calm => " class=\"calm\"",
            Self::Warn => " class=\"warn\"",
            Self::Bad => " class=\"bad\"",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Good => "<i aria-hidden=\"true\">●</i> ",
            Self::Calm => "<i aria-hidden=\"true\">○</i> ",
            Self::Warn => "<i aria-hidden=\"true\">▲</i> ",
            Self::Bad => "<i aria-hidden=\"true\">■</i> ",
        }
    }
}

impl Sheet<'_> {
    pub(super) fn word(&mut self, word: Word) {
        self.html.text(word.of(self.language));
    }

    pub(super) fn say(&mut self, word: Word, fill: &[&str]) {
        self.html.text(&word.say(self.language, fill));
    }

    /// A tone, as a sign and its words.
    pub(super) fn tag(&mut self, tone: Tone, words: &str) {
        self.html.raw("<span").raw(tone.class()).raw(">").raw(tone.sign()).text(words);
        self.html.raw("</span>");
    }

    /// A point in time, to the minute: people read this, machines have `/status`.
    pub(super) fn time(&mut self, at: Option<Timestamp>) {
        match at {
            None => drop(self.html.raw("–")),
            Some(at) => {
                let shown = self.shown(at);
                self.html.raw("<time datetime=\"").text(&at.to_string()).raw("\">");
                self.html.text(&shown).raw("</time>");
            }
        }
    }

    pub(super) fn shown(&self, at: Timestamp) -> String {
        at.to_zoned(self.page.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// How long, in the one unit that matters.
    pub(super) fn span(&self, span: SignedDuration) -> String {
        let minutes = span.abs().as_mins();
        let (word, count) = match minutes {
            0 => (Word::Moments, 0),
            1..120 => (Word::Minutes, minutes),
            120..2880 => (Word::Hours, minutes / 60),
            _ => (Word::Days, minutes / 1440),
        };
        word.say(self.language, &[&count.to_string()])
    }
}

fn head(html: &mut Markup, page: Option<&Page>, language: Language) {
    html.raw("<!doctype html>\n<html lang=\"").text(language.tag());
    html.raw("\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">");
    // Without a script: whoever leaves it open on a wall sees what is, not what was.
    html.raw("<meta http-equiv=\"refresh\" content=\"30\"><title>");
    let city = page.map_or("", |page| page.status.city.as_str());
    html.text(city).raw(if city.is_empty() { "" } else { " · " });
    html.text(Word::Title.of(language));
    html.raw("</title><style>").raw(STYLE).raw("</style></head><body><header><div><h1>");
    let title = if city.is_empty() { Word::City.of(language) } else { city };
    html.text(title).raw("<small>").text(Word::Title.of(language)).raw("</small></h1>");
    if let Some(page) = page {
        let at = page.status.now.to_zoned(page.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z");
        html.raw("<p class=\"calm\">");
        html.text(&Word::AsOf.say(language, &[&at.to_string()])).raw("</p>");
    }
    let other = match language {
        Language::Chinese => "</div><nav><a href=\"/?lang=en\" hreflang=\"en\">",
        Language::English => "</div><nav><a href=\"/?lang=zh\" hreflang=\"zh-CN\">",
    };
    html.raw(other).text(Word::OtherLanguage.of(language)).raw("</a></nav></header>");
    if let Some(page) = page {
        verdict(html, page, language);
    }
}

/// The one line that is read from across the room.
fn verdict(html: &mut Markup, page: &Page, language: Language) {
    let (tone, text) = if !page.not_ready.is_empty() {
        (Tone::Bad, Word::VerdictDown.of(language).to_owned())
    } else if page.to_act > 0 {
        (Tone::Bad, Word::VerdictAct.say(language, &[&apart(page.to_act)]))
    } else if page.status.watching.is_some() {
        (Tone::Warn, Word::VerdictWatch.of(language).to_owned())
    } else if !page.status.complete_pass {
        (Tone::Warn, Word::VerdictFirst.of(language).to_owned())
    } else {
        (Tone::Good, Word::VerdictGood.of(language).to_owned())
    };
    html.raw("<div id=\"verdict\"").raw(tone.class()).raw("><p>").raw(tone.sign());
    html.text(&text).raw("</p>");
    if !page.not_ready.is_empty() {
        html.raw("<ul>");
        for reason in page.not_ready.iter().take(super::MOST) {
            let code = reason.split(':').next().unwrap_or_default();
            html.raw("<li>").text(Word::of_reason(code).of(language)).raw(" <code>");
            html.text(reason).raw("</code></li>");
        }
        html.raw("</ul>");
    }
    if let Some(code) = &page.status.paused {
        html.raw("<p>").text(&Word::Paused.say(language, &[code])).raw("</p>");
    }
    html.raw("</div>");
}

fn foot(sheet: &mut Sheet<'_>) {
    let status = &sheet.page.status;
    let (version, started) = (status.version.clone(), sheet.shown(status.started));
    let incarnation = status.incarnation.to_string();
    sheet.html.raw("<footer><p>");
    sheet.say(Word::Footer, &[&version, &started, &incarnation]);
    sheet.html.raw("</p><p>");
    sheet.word(Word::Machine);
    sheet.html.raw("<a href=\"/status\">/status</a> <a href=\"/metrics\">/metrics</a> ");
    sheet.html.raw("<a href=\"/readyz\">/readyz</a> <a href=\"/healthz\">/healthz</a>");
    sheet.html.raw("</p></footer>");
}

impl Health {
    /// It answers, is silent, or was not reached.
    pub(super) fn reach(&self) -> (Tone, Word) {
        match (self.silent, self.answered) {
            (Some(_), _) => (Tone::Bad, Word::Silent),
            (None, Some(_)) => (Tone::Good, Word::Answering),
            (None, None) => (Tone::Calm, Word::NotReached),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_style_that_stands_in_the_document() {
        for language in Language::ALL {
            let text = page(None, language);
            let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
            let named = STANDARD.encode(digest(&SHA256, style.as_bytes()));
            assert!(policy().contains(&format!("style-src 'sha256-{named}'")), "{}", policy());
            assert_eq!(text.matches("<style").count(), 1);
            assert!(
                !text.contains("style=") && !text.contains("<script") && !text.contains("src=")
            );
        }
    }

    #[test]
    fn before_the_first_look_it_says_so_in_both_languages() {
        assert!(page(None, Language::Chinese).contains("尚无数据"));
        assert!(page(None, Language::English).contains("No data yet"));
    }
}
