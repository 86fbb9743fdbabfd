//! `takeover …`: adopts what another tool registered above (接管).

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::arguments::{Arguments, Format, Page};
use super::client::ask;
use super::mend::{grid, misunderstood};
use super::show::View;
use super::table::count;
use super::text::Message;
use super::{Console, Exit, Local, Trouble};
use crate::changeover::sheet::{TakeoverRow, write_takeover};
use crate::control::protocol::{
    Failure, Listing, MAX_PAGE, Paging, Request, Response, TakeoverAnswer, TakeoverBegin,
    TakeoverBring, TakeoverDecide, TakeoverLines, TakeoverOf, TakeoverReport, TakeoverRequest,
    TakeoverShown,
};
use crate::takeover::{Decision, Misread, Registration, decisions, registrations};

/// Lines and their characters in one request: a request's line is bounded.
const LINES_AT_ONCE: usize = 200;
const BYTES_AT_ONCE: usize = 96 << 10;

/// `takeover …`.
#[derive(Debug, Subcommand)]
pub enum Takeover {
    /// Opens one: what stands above is found, nothing is registered meanwhile (开始).
    Begin {
        /// A portal's export, CSV or XLSX: 上级编号, and 编码, 名称, 类别.
        #[arg(long, value_name = "FILE")]
        file: Vec<PathBuf>,
        /// Asks the province's inventory as well.
        #[arg(long)]
        inventory: bool,
        /// A source of the configuration that `--query` is asked of, with the program's own rights
        /// there: the vendor's tables.
        #[arg(long, value_name = "NAME", requires = "query")]
        source: Option<String>,
        /// A file with one SELECT: columns `upper_id`, `kind`, `code`, `title`.
        #[arg(long, value_name = "FILE", requires = "source")]
        query: Option<PathBuf>,
        /// Only this kind (`entry`, …); may be repeated.
        #[arg(long)]
        kind: Vec<String>,
        /// Which channel.
        #[command(flatten)]
        of: TakeoverChannel,
    },
    /// How it stands: matched, proposed, ambiguous, missing (报告).
    Show(TakeoverChannel),
    /// Its lines (逐条).
    Lines {
        /// Only with this fate: matched, proposed, ambiguous, rival, duplicate, `missing_here`.
        #[arg(long)]
        fate: Option<String>,
        /// Which part.
        #[command(flatten)]
        page: Page,
        /// Which channel.
        #[command(flatten)]
        of: TakeoverChannel,
    },
    /// Writes what people have to say something of as XLSX (核对表).
    Sheet {
        /// The workbook; it must not exist.
        file: PathBuf,
        /// Which channel.
        #[command(flatten)]
        of: TakeoverChannel,
    },
    /// Reads the sheet back (读回核对表).
    Decide {
        /// The workbook, or a CSV table of the same columns.
        file: PathBuf,
        /// Which channel.
        #[command(flatten)]
        of: TakeoverChannel,
    },
    /// Accepts the report: links are adopted, what is missing above may be registered (接受).
    Accept(TakeoverChannel),
    /// Ends it without adopting anything (放弃).
    Drop(TakeoverChannel),
}

/// Which channel, and how to answer.
#[derive(Args, Clone, Debug)]
pub struct TakeoverChannel {
    /// The channel; not needed where one carries the catalogue.
    #[arg(long)]
    pub channel: Option<String>,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

impl TakeoverChannel {
    fn named(&self) -> TakeoverOf {
        TakeoverOf { channel: self.channel.clone() }
    }
}

/// Does what `takeover …` says.
pub(super) fn takeover(
    arguments: &Arguments,
    it: &Takeover,
    local: &dyn Local,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let socket = &arguments.socket;
    match it {
        Takeover::Begin { file, inventory, source, query, kind, of } => {
            // Read before anything is asked for: a table that is wrong opens nothing.
            let mut tables: Vec<Vec<Registration>> =
                file.iter().map(|file| export(file)).collect::<Result<_, _>>()?;
            if let (Some(source), Some(query)) = (source, query) {
                tables.push(queried(&arguments.config, (source, query), local)?);
            }
            let begin = TakeoverBegin {
                channel: of.channel.clone(),
                kinds: kind.clone(),
                inventory: *inventory,
            };
            let mut last = report(socket, TakeoverRequest::Begin(begin), console)?;
            if !tables.is_empty() {
                last = bring(socket, of, tables.concat(), console)?;
            }
            shown(&last, of, console)
        }
        Takeover::Show(of) => one(socket, TakeoverRequest::Show(of.named()), of, console),
        Takeover::Accept(of) => one(socket, TakeoverRequest::Accept(of.named()), of, console),
        Takeover::Drop(of) => one(socket, TakeoverRequest::Drop(of.named()), of, console),
        Takeover::Lines { fate, page, of } => {
            let paging = Paging { after: page.after.clone(), limit: page.limit };
            let listing = lines(socket, of, fate.clone(), paging, console)?;
            if of.format.json {
                return console.json(&listing);
            }
            let text = console.view.takeover_lines(&listing);
            console.data(&text);
            Ok(())
        }
        Takeover::Sheet { file, of } => sheet(socket, file, of, console),
        Takeover::Decide { file, of } => {
            let rows = grid(file).map_err(|error| wrong(file, "E-TAKEOVER-FILE", error))?;
            let said = decisions(&rows).map_err(|list| misread(file, "E-TAKEOVER-SHEET", list))?;
            let last = decide(socket, of, said, console)?;
            shown(&last, of, console)
        }
    }
}

fn one(
    socket: &Path,
    request: TakeoverRequest,
    of: &TakeoverChannel,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let found = report(socket, request, console)?;
    shown(&found, of, console)
}

fn shown(
    it: &TakeoverReport,
    of: &TakeoverChannel,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    if of.format.json {
        return console.json(it);
    }
    let text = console.view.takeover(&TakeoverAnswer::Report(it.clone()));
    console.data(&text);
    Ok(())
}

fn report(
    socket: &Path,
    request: TakeoverRequest,
    console: &Console<'_>,
) -> Result<TakeoverReport, Trouble> {
    let response = ask(socket, console.view.language, Request::Takeover(request))?;
    let Response::Takeover(TakeoverAnswer::Report(it)) = response else {
        return Err(misunderstood());
    };
    Ok(it)
}

fn lines(
    socket: &Path,
    of: &TakeoverChannel,
    fate: Option<String>,
    paging: Paging,
    console: &Console<'_>,
) -> Result<Listing<TakeoverShown>, Trouble> {
    let request = TakeoverLines { channel: of.channel.clone(), fate, paging };
    let request = Request::Takeover(TakeoverRequest::Lines(request));
    let response = ask(socket, console.view.language, request)?;
    let Response::Takeover(TakeoverAnswer::Lines(it)) = response else {
        return Err(misunderstood());
    };
    Ok(it)
}

fn export(file: &Path) -> Result<Vec<Registration>, Trouble> {
    let rows = grid(file).map_err(|error| wrong(file, "E-TAKEOVER-FILE", error))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    registrations(&name, &rows).map_err(|list| misread(file, "E-TAKEOVER-FILE", list))
}

/// What the city's own tables say of it: the command reads them, the daemon is told lines alone.
fn queried(
    config: &Path,
    (source, file): (&str, &Path),
    local: &dyn Local,
) -> Result<Vec<Registration>, Trouble> {
    let read = std::fs::read_to_string(file);
    let query = read.map_err(|error| wrong(file, "E-TAKEOVER-QUERY", error.to_string()))?;
    let rows = local.queried(config, source, query.trim().trim_end_matches(';'))?;
    registrations(source, &rows).map_err(|list| misread(file, "E-TAKEOVER-QUERY", list))
}

/// In parts; the same again changes nothing, so that a command that was cut off is given again.
fn bring(
    socket: &Path,
    of: &TakeoverChannel,
    all: Vec<Registration>,
    console: &Console<'_>,
) -> Result<TakeoverReport, Trouble> {
    let size = |it: &Registration| {
        2 * (it.upper_id.len() + it.code.len() + it.title.len() + it.origin.len()) + 100
    };
    let mut rest = all.as_slice();
    loop {
        let mut bytes = 0;
        let fits = |it: &&Registration| {
            bytes += size(it);
            bytes <= BYTES_AT_ONCE
        };
        let count = rest.iter().take(LINES_AT_ONCE).take_while(fits).count().max(1);
        let (now, later) = rest.split_at(count.min(rest.len()));
        rest = later;
        let is_last = rest.is_empty();
        let channel = of.channel.clone();
        let request = TakeoverBring { channel, lines: now.to_vec(), is_last };
        let last = report(socket, TakeoverRequest::Bring(request), console)?;
        if is_last {
            return Ok(last);
        }
    }
}

fn decide(
    socket: &Path,
    of: &TakeoverChannel,
    said: Vec<Decision>,
    console: &Console<'_>,
) -> Result<TakeoverReport, Trouble> {
    let mut last = None;
    for decisions in said.chunks(LINES_AT_ONCE) {
        let channel = of.channel.clone();
        let request = TakeoverDecide { channel, decisions: decisions.to_vec() };
        last = Some(report(socket, TakeoverRequest::Decide(request), console)?);
    }
    match last {
        Some(last) => Ok(last),
        None => report(socket, TakeoverRequest::Show(of.named()), console),
    }
}

fn sheet(
    socket: &Path,
    file: &Path,
    of: &TakeoverChannel,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    if file.exists() {
        let what = "it exists: nothing is ever written over".to_owned();
        return Err(wrong(file, "E-TAKEOVER-FILE", what));
    }
    let mut rows = Vec::new();
    for fate in ["proposed", "ambiguous", "rival", "duplicate", "missing_here"] {
        let mut after = None;
        loop {
            let paging = Paging { after: after.take(), limit: MAX_PAGE };
            let page = lines(socket, of, Some(fate.to_owned()), paging, console)?;
            rows.extend(page.entries.into_iter().map(|it| row(it, &console.view)));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    let open = write_takeover(&rows, file)
        .map_err(|error| wrong(file, "E-TAKEOVER-FILE", error.to_string()))?;
    let line = console.view.say(Message::TakeoverSheet, &[&count(open)]);
    console.note(&line);
    Ok(())
}

fn row(it: TakeoverShown, view: &View) -> TakeoverRow {
    let fate = it.fate.unwrap_or_default();
    let is_open = matches!(fate.as_str(), "proposed" | "ambiguous" | "rival");
    let named = it.objects.iter().zip(&it.titles).map(|(id, title)| format!("{id} {title}"));
    TakeoverRow {
        candidates: named.collect::<Vec<_>>().join("\n"),
        object: it.objects.first().filter(|_| it.objects.len() == 1).cloned().unwrap_or_default(),
        fate: view.fate(&fate),
        kind: it.registration.kind,
        upper_id: it.registration.upper_id,
        code: it.registration.code,
        title: it.registration.title,
        origin: it.registration.origin,
        is_open,
    }
}

fn wrong(file: &Path, code: &str, what: String) -> Trouble {
    let place = Some(file.display().to_string());
    let failure = Failure { code: code.to_owned(), what, place, next: None, temporary: false };
    Trouble::one(Exit::Failure, failure)
}

fn misread(file: &Path, code: &str, list: Vec<Misread>) -> Trouble {
    let told = list.into_iter().take(100).map(|it| Failure {
        code: code.to_owned(),
        what: it.what,
        place: Some(match it.row {
            0 => file.display().to_string(),
            row => format!("{}:{row}", file.display()),
        }),
        next: None,
        temporary: false,
    });
    Trouble { exit: Exit::Failure, failures: told.collect() }
}

impl View {
    /// A takeover's answer as people read it.
    pub(super) fn takeover(&self, answer: &TakeoverAnswer) -> String {
        match answer {
            TakeoverAnswer::Report(it) => self.takeover_report(it),
            TakeoverAnswer::Lines(it) => self.takeover_lines(it),
        }
    }

    fn takeover_report(&self, it: &TakeoverReport) -> String {
        let head = [it.job.as_str(), &it.channel, &it.kinds.join(" "), &it.phase];
        let counts = [
            it.above,
            it.matched,
            it.proposed,
            it.ambiguous,
            it.rivals,
            it.duplicates,
            it.missing_here,
            it.missing_above,
            it.adopted,
            it.not_adopted,
        ]
        .map(count);
        let counts: Vec<&str> = counts.iter().map(String::as_str).collect();
        let lines =
            [self.say(Message::TakeoverHead, &head), self.say(Message::TakeoverCounts, &counts)];
        lines.join("\n") + "\n"
    }

    fn takeover_lines(&self, it: &Listing<TakeoverShown>) -> String {
        let head = [
            Message::Kind,
            Message::UpperId,
            Message::Title,
            Message::State,
            Message::Id,
            Message::Reason,
        ];
        self.listing(it, &head, &[], |it| {
            vec![
                it.registration.kind.clone(),
                it.registration.upper_id.clone(),
                it.registration.title.clone(),
                self.fate(it.fate.as_deref().unwrap_or_default()),
                it.objects.join(" "),
                it.adopted.clone().or_else(|| it.how.clone()).unwrap_or_default(),
            ]
        })
    }

    fn fate(&self, word: &str) -> String {
        let message = match word {
            "matched" => Message::FateMatched,
            "proposed" => Message::FateProposed,
            "ambiguous" => Message::FateAmbiguous,
            "rival" => Message::FateRival,
            "duplicate" => Message::FateDuplicate,
            "missing_here" => Message::FateMissingHere,
            other => return other.to_owned(),
        };
        self.word(message)
    }
}
