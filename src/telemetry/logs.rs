//! Log lines: where they go, what they look like, what may be in them.
//!
//! Lines go to standard error, which the journal keeps. Three looks: `human` for a terminal,
//! `journal` (no time, a syslog priority in front, as sd-daemon(3) reads it) and `json`, one
//! object a line. `auto` picks `journal` when standard error is the journal's and `human`
//! otherwise.
//!
//! What may be in them: ids, codes, counts, paths of files. Never row content, a key in clear or a
//! secret (invariant 8). Two things hold that: our own errors carry none, and the crates below us
//! are heard from `warn` up, whatever `RUST_LOG` says, because database drivers and HTTP clients
//! print parameters and bodies at their lower levels. Only `cascaded` itself can be made louder.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use jiff::tz::TimeZone;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FmtSpan, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::clock::Clock;

/// The longest text that [`Chain`] prints of one error, in bytes: an answer or a statement that a
/// driver quotes must not flood the journal.
const CHAIN_LIMIT: usize = 2048;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// `journal` when standard error is the journal's, otherwise `human`.
    #[default]
    Auto,
    /// Time, level, spans, message.
    Human,
    /// A syslog priority in front and no time, for the journal adds its own.
    Journal,
    /// One JSON object a line.
    Json,
}

/// The least severe level that is printed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Least {
    /// Someone should act.
    Error,
    /// Someone should know.
    Warn,
    /// What happens, once per batch at most.
    #[default]
    Info,
    /// Why it happens.
    Debug,
    /// Every step.
    Trace,
}

/// `[logs]` of the configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// How lines look.
    pub look: Look,
    /// From which severity on. `RUST_LOG`, if set to a bare level, wins.
    pub level: Least,
}

/// Logging was started already in this process.
#[derive(Debug, thiserror::Error)]
#[error("a logger is already installed in this process")]
pub struct AlreadyStarted(#[source] tracing::subscriber::SetGlobalDefaultError);

/// Starts logging to standard error for the whole process. `environment` is the value of
/// `RUST_LOG`, of which only a bare level is used.
///
/// # Errors
/// When a logger was installed before.
pub fn start(
    settings: Settings,
    environment: Option<&str>,
    clock: Clock,
) -> Result<(), AlreadyStarted> {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let logger = logger(settings, environment, clock, journal, io::stderr);
    tracing::subscriber::set_global_default(logger).map_err(AlreadyStarted)
}

/// A logger that writes to `writer`; what [`start`] installs, and what a test reads.
pub fn logger<W>(
    settings: Settings,
    environment: Option<&str>,
    clock: Clock,
    journal: bool,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = environment
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_else(|| LevelFilter::from(settings.level));
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_PKG_NAME"), level);
    let base = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(false);
    let time = Time(clock);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match (settings.look, journal) {
        (Look::Json, _) => base.json().with_timer(time).flatten_event(true).boxed(),
        (Look::Journal, _) | (Look::Auto, true) => base.event_format(Journal).boxed(),
        (Look::Human, _) | (Look::Auto, false) => base.with_timer(time).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(targets))
}

impl From<Least> for LevelFilter {
    fn from(level: Least) -> Self {
        match level {
            Least::Error => Self::ERROR,
            Least::Warn => Self::WARN,
            Least::Info => Self::INFO,
            Least::Debug => Self::DEBUG,
            Least::Trace => Self::TRACE,
        }
    }
}

/// Prints an error with all its causes, `what: why: why`, on one line: the one adapter through
/// which errors reach the log.
///
/// A cause whose text the text before it already ends with is not repeated; control characters
/// become spaces, so that nothing from outside can forge a line; long texts are cut with a mark.
#[derive(Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let words = cause.to_string();
            if !text.ends_with(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            if text.len() > CHAIN_LIMIT {
                break;
            }
            next = cause.source();
        }
        let end = text.floor_char_boundary(CHAIN_LIMIT);
        let (kept, cut) = text.split_at(end);
        for letter in kept.chars() {
            fmt::Write::write_char(formatter, if letter.is_control() { ' ' } else { letter })?;
        }
        if cut.is_empty() { Ok(()) } else { formatter.write_str(" …") }
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Beijing time, from the injected clock.
struct Time(Clock);

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
        let now = self.0.now().to_zoned(zone);
        write!(writer, "{}", now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"))
    }
}

/// One line for the journal.
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                write!(writer, "{}", span.name())?;
                let extensions = span.extensions();
                let fields = extensions.get::<tracing_subscriber::fmt::FormattedFields<N>>();
                if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                    write!(writer, "{{{fields}}}")?;
                }
                writer.write_str(": ")?;
            }
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// The syslog priority of a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a logger with this look and `RUST_LOG` prints of one batch's trouble.
    fn printed(look: Look, environment: Option<&str>) -> String {
        let page = Page::default();
        let copy = page.clone();
        let clock = Clock::manual(Timestamp::from_second(1_790_000_000).unwrap());
        let settings = Settings { look, level: Least::Info };
        let logger = logger(settings, environment, clock, false, move || copy.clone());
        tracing::subscriber::with_default(logger, || {
            let span = tracing::info_span!("submit", batch.id = "00ff");
            let _inside = span.enter();
            tracing::warn!(code = "province-timed-out", "the province did not answer");
            tracing::debug!("a detail");
            tracing::info!(target: "tokio_postgres::query", "executing with [\"CANARY\"]");
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_journal_line_has_a_priority_its_span_and_no_time() {
        assert_eq!(
            printed(Look::Journal, None),
            "<4>submit{batch.id=\"00ff\"}: the province did not answer \
             code=\"province-timed-out\"\n"
        );
    }

    #[test]
    fn a_json_line_is_one_object_with_the_time_in_beijing() {
        let text = printed(Look::Json, None);
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["timestamp"], "2026-09-21T22:13:20.000+08:00");
        assert_eq!(line["code"], "province-timed-out");
        assert_eq!(line["span"]["batch.id"], "00ff");
    }

    #[test]
    fn what_drivers_say_below_warn_is_never_printed_however_loud_the_operator_asks() {
        for asked in [None, Some("trace"), Some("tokio_postgres=trace")] {
            let text = printed(Look::Human, asked);
            assert!(text.contains("did not answer"), "{text}");
            assert!(!text.contains("CANARY"), "{text}");
        }
        assert!(printed(Look::Human, Some("debug")).contains("a detail"));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layered(String, #[source] Option<Box<Self>>);

    fn layered(texts: &[&str]) -> Layered {
        let (first, rest) = texts.split_first().unwrap();
        let cause = (!rest.is_empty()).then(|| Box::new(layered(rest)));
        Layered((*first).to_owned(), cause)
    }

    #[test]
    fn a_chain_prints_every_cause_once_and_on_one_line() {
        let error = layered(&["cannot open ledger", "cannot read file", "denied\nroot: fine"]);
        assert_eq!(
            Chain(&error).to_string(),
            "cannot open ledger: cannot read file: denied root: fine"
        );
        let error = layered(&["cannot connect: refused", "refused"]);
        assert_eq!(Chain(&error).to_string(), "cannot connect: refused");
    }

    #[test]
    fn a_chain_is_cut_between_two_characters() {
        let error = layered(&[&"县".repeat(CHAIN_LIMIT)]);
        let text = Chain(&error).to_string();
        assert!(text.ends_with(" …") && text.len() <= CHAIN_LIMIT + 4, "{}", text.len());
    }
}
