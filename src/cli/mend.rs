//! `mend …`: the province's list of what is to be mended comes in, is dealt with and goes back.
//!
//! Files are read and written here, by who typed the command and with his rights; the daemon is
//! given rows and digests.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use calamine::{Data, Reader as _, Xlsx};
use clap::{Args, Subcommand};

use super::arguments::{Format, Page};
use super::client::ask;
use super::show::View;
use super::text::Message;
use super::{Console, Exit, Trouble};
use crate::bulletin::compose::Sheet;
use crate::bulletin::{day_before, sheets};
use crate::clock::Clock;
use crate::control::protocol::{
    Failure, MAX_PAGE, Mend as Doing, MendAct, MendImport, MendReport, Mending, MendingQuery,
    Paging, Request, Response,
};
use crate::delivery::DigestSha256;
use crate::indicator::mending::{self, Became, COLUMNS, Fault};

/// A larger file is no list.
const MAX_LIST_BYTES: u64 = 16 << 20;
/// A larger file is no proof.
const MAX_PROOF_BYTES: u64 = 256 << 20;
/// Faults sent at once, and the bytes of them: a request's line is bounded.
const FAULTS_AT_ONCE: usize = 100;
const BYTES_AT_ONCE: usize = 100_000;

/// `mend …`.
#[derive(Debug, Subcommand)]
pub enum Mend {
    /// Brings in the province's list, CSV or XLSX (导入省级清单).
    Import {
        /// The list.
        file: PathBuf,
        /// The list's name, as the scheme has it under `cases`.
        #[arg(long, default_value = "feedback")]
        list: String,
        /// Working days for what names no limit of its own.
        #[arg(long, default_value_t = 5, value_name = "DAYS")]
        within: u16,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Lists what is to be mended (列出).
    List {
        /// Which.
        #[command(flatten)]
        filter: MendFilter,
        /// Which page.
        #[command(flatten)]
        page: Page,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Gives it to a department, with a person, measures and a deadline (分派).
    Assign {
        /// Which.
        #[command(flatten)]
        which: MendWhich,
        /// The department.
        #[arg(long)]
        owner: Option<String>,
        /// Who there.
        #[arg(long)]
        person: Option<String>,
        /// What is to be done.
        #[arg(long)]
        measures: Option<String>,
        /// So many working days from now.
        #[arg(long, value_name = "DAYS")]
        within: Option<u16>,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Attaches a proof: the file's name and digest are kept, the file stays where it is (佐证).
    Prove {
        /// Which.
        #[command(flatten)]
        which: MendWhich,
        /// The file.
        #[arg(long)]
        file: PathBuf,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Closes what is proven and what nothing the daemon sees speaks against (销号).
    Close {
        /// Which.
        #[command(flatten)]
        which: MendWhich,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Writes the list with the same columns as XLSX (导出).
    Export {
        /// The workbook; it must not exist.
        file: PathBuf,
        /// Which.
        #[command(flatten)]
        filter: MendFilter,
    },
}

/// One fault.
#[derive(Args, Debug)]
pub struct MendWhich {
    /// Its number on the list.
    pub number: String,
    /// The list.
    #[arg(long, default_value = "feedback")]
    pub list: String,
}

/// Which faults.
#[derive(Args, Debug)]
pub struct MendFilter {
    /// The list.
    #[arg(long, default_value = "feedback")]
    pub list: String,
    /// Only those in this state: open, proven, closed.
    #[arg(long)]
    pub state: Option<String>,
    /// Only this department's.
    #[arg(long)]
    pub owner: Option<String>,
}

/// Does what `mend …` says.
pub(super) fn mend(socket: &Path, it: &Mend, console: &mut Console<'_>) -> Result<(), Trouble> {
    match it {
        Mend::Import { file, list, within, format } => {
            let report = import(socket, file, (list, *within), console)?;
            report_of(report, format.json, console)
        }
        Mend::List { filter, page, format } => {
            let paging = Paging { after: page.after.clone(), limit: page.limit };
            let request = Request::Mendings(query(filter, paging));
            let response = ask(socket, console.view.language, request)?;
            let Response::Mendings(listing) = response else { return Err(misunderstood()) };
            if format.json {
                return console.json(&listing);
            }
            let text = console.view.mendings(&listing.entries);
            console.data(&text);
            if let Some(next) = &listing.next {
                console.note(&format!("--after {next}"));
            }
            Ok(())
        }
        Mend::Assign { which, owner, person, measures, within, format } => {
            let act = MendAct::Assign {
                owner: owner.clone(),
                person: person.clone(),
                measures: measures.clone(),
                within: *within,
            };
            done(socket, which, act, format.json, console)
        }
        Mend::Prove { which, file, format } => {
            let digest = digest_of(file).map_err(|error| unreadable(file, error))?;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let act = MendAct::Prove { name, digest: digest.to_string() };
            done(socket, which, act, format.json, console)
        }
        Mend::Close { which, format } => {
            done(socket, which, MendAct::Close {}, format.json, console)
        }
        Mend::Export { file, filter } => export(socket, file, filter, console),
    }
}

fn query(filter: &MendFilter, paging: Paging) -> MendingQuery {
    MendingQuery {
        list: filter.list.clone(),
        state: filter.state.clone(),
        owner: filter.owner.clone(),
        paging,
    }
}

fn done(
    socket: &Path,
    which: &MendWhich,
    act: MendAct,
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let (list, number) = (which.list.clone(), which.number.clone());
    let request = Request::Mend(Doing { list, number, act });
    let response = ask(socket, console.view.language, request)?;
    let Response::Mended(report) = response else { return Err(misunderstood()) };
    report_of(report, json, console)
}

fn report_of(report: MendReport, json: bool, console: &mut Console<'_>) -> Result<(), Trouble> {
    if json {
        return console.json(&report);
    }
    let text = console.view.mended(report);
    console.data(&text);
    Ok(())
}

fn import(
    socket: &Path,
    file: &Path,
    (list, within): (&str, u16),
    console: &mut Console<'_>,
) -> Result<MendReport, Trouble> {
    let rows = grid(file).map_err(|error| unreadable(file, error))?;
    let faults = mending::read(&file.display().to_string(), &rows).map_err(|problems| {
        let told = |it: &crate::indicator::sheet::Problem| Failure {
            code: "E-MEND-FILE".to_owned(),
            what: it.what.clone(),
            place: Some(it.place()),
            next: None,
            temporary: false,
        };
        Trouble { exit: Exit::Failure, failures: problems.iter().map(told).collect() }
    })?;
    let mut sum = MendReport::default();
    let mut rest = faults.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |fault: &&Fault| {
            bytes += size(fault);
            bytes <= BYTES_AT_ONCE
        };
        let count = rest.iter().take(FAULTS_AT_ONCE).take_while(fits).count().max(1);
        let (now, later) = rest.split_at(count.min(rest.len()));
        rest = later;
        let request = MendImport { list: list.to_owned(), within, faults: now.to_vec() };
        let response = ask(socket, console.view.language, Request::MendImport(request))?;
        let Response::Mended(report) = response else { return Err(misunderstood()) };
        sum.added += report.added;
        sum.changed += report.changed;
        sum.unchanged += report.unchanged;
    }
    Ok(sum)
}

/// About the bytes of a fault in a request.
fn size(fault: &Fault) -> usize {
    let texts = [&fault.description, &fault.measures, &fault.remark, &fault.points, &fault.object];
    texts.iter().map(|text| text.len()).sum::<usize>() + 1_000
}

/// The rows of a CSV table, or of a workbook's first sheet that has any.
pub(super) fn grid(file: &Path) -> Result<Vec<Vec<String>>, String> {
    let length = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > MAX_LIST_BYTES {
        return Err(format!("it is larger than {} MiB", MAX_LIST_BYTES >> 20));
    }
    if file.extension().unwrap_or_default().eq_ignore_ascii_case("csv") {
        let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let row = |record: csv::Result<csv::StringRecord>| {
            let record = record.map_err(|error| error.to_string())?;
            Ok(record.iter().map(ToOwned::to_owned).collect())
        };
        return reader.records().map(row).collect();
    }
    let mut book: Xlsx<_> =
        calamine::open_workbook(file).map_err(|error: calamine::XlsxError| error.to_string())?;
    for name in book.sheet_names() {
        let range = book.worksheet_range(&name).map_err(|error| error.to_string())?;
        if !range.is_empty() {
            // Rows above and columns before the first cell do not matter: heads are looked for.
            return Ok(range.rows().map(|row| row.iter().map(said).collect()).collect());
        }
    }
    Ok(Vec::new())
}

/// What a cell says, as text.
fn said(data: &Data) -> String {
    match data {
        Data::DateTime(at) if at.is_datetime() => {
            let (year, month, day, ..) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        Data::Empty | Data::Error(_) => String::new(),
        Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::Bool(_)
        | Data::DateTime(_)
        | Data::DateTimeIso(_)
        | Data::DurationIso(_) => data.to_string(),
    }
}

fn digest_of(file: &Path) -> Result<DigestSha256, String> {
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| error.to_string())?;
    let read = opened.take(MAX_PROOF_BYTES + 1).read_to_end(&mut bytes);
    let length = read.map_err(|error| error.to_string())?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_PROOF_BYTES) {
        return Err(format!("it is larger than {} MiB", MAX_PROOF_BYTES >> 20));
    }
    Ok(DigestSha256::of(&bytes))
}

fn export(
    socket: &Path,
    file: &Path,
    filter: &MendFilter,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let mut faults = Vec::new();
    let mut after = None;
    loop {
        let paging = Paging { after, limit: MAX_PAGE.min(200) };
        let request = Request::Mendings(query(filter, paging));
        let response = ask(socket, console.view.language, request)?;
        let Response::Mendings(listing) = response else { return Err(misunderstood()) };
        faults.extend(listing.entries);
        after = listing.next;
        if after.is_none() {
            break;
        }
    }
    let book = sheets::xlsx(&sheet(&faults, &console.view), Clock::system().now())
        .map_err(|error| unwritable(file, error.to_string()))?;
    // Nothing is ever written over.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut opened| opened.write_all(&book))
        .map_err(|error| unwritable(file, error.to_string()))?;
    let line = console.view.say(Message::MendWritten, &[&faults.len().to_string()]);
    console.note(&line);
    Ok(())
}

/// The list as a workbook: that which goes to a department with a bulletin, nothing left open.
fn sheet(faults: &[Mending], view: &View) -> Sheet {
    let row = |it: &Mending| {
        let became = Became {
            limit: day_before(it.deadline, &view.zone).to_string(),
            progress: view.word_of_state(it),
            proof: it.proof.clone(),
            is_closed: it.closed.is_some(),
        };
        mending::row(&it.fault, &became).into()
    };
    Sheet {
        owner: String::new(),
        name: "整改清单".to_owned(),
        heads: COLUMNS.map(ToOwned::to_owned).into(),
        rows: faults.iter().map(row).collect(),
        open: Vec::new(),
    }
}

impl View {
    /// What became of what was brought in or done.
    pub(super) fn mended(&self, it: MendReport) -> String {
        let numbers = [it.added, it.changed, it.unchanged].map(|it| it.to_string());
        self.say(Message::MendDone, &numbers.each_ref().map(String::as_str)) + "\n"
    }

    fn word_of_state(&self, it: &Mending) -> String {
        let message = match it.state.as_str() {
            "closed" => Message::MendClosed,
            "proven" => Message::MendProven,
            _ if it.overdue => Message::MendOverdue,
            _ => Message::MendOpen,
        };
        self.say(message, &[])
    }

    pub(super) fn mendings(&self, faults: &[Mending]) -> String {
        let head = [
            Message::Number,
            Message::Owner,
            Message::What,
            Message::Subject,
            Message::Deadline,
            Message::State,
            Message::MendSeen,
            Message::MendProof,
        ]
        .map(|head| self.say(head, &[]));
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let row = |it: &Mending| {
            let seen = match it.seen.as_str() {
                "mended" => self.say(Message::MendSeenMended, &[]),
                "not-above" => self.say(Message::MendSeenNotAbove, &[]),
                "rejects" => self.say(Message::MendSeenRejects, &[]),
                "overdue" => self.say(Message::MendSeenOverdue, &[]),
                _ => "-".to_owned(),
            };
            vec![
                it.fault.number.clone(),
                it.fault.owner.clone(),
                it.fault.description.chars().take(24).collect(),
                it.fault.object.clone(),
                day_before(it.deadline, &self.zone).to_string(),
                self.word_of_state(it),
                seen,
                it.proof.chars().take(40).collect(),
            ]
        };
        super::table::table(&head, faults.iter().map(row).collect(), &[])
    }
}

fn unreadable(file: &Path, what: String) -> Trouble {
    of_file("E-MEND-FILE", file, what)
}

fn unwritable(file: &Path, what: String) -> Trouble {
    of_file("E-CLI-OUTPUT", file, what)
}

fn of_file(code: &str, file: &Path, what: String) -> Trouble {
    let place = Some(file.display().to_string());
    let failure = Failure { code: code.to_owned(), what, place, next: None, temporary: false };
    Trouble::one(Exit::Failure, failure)
}

pub(super) fn misunderstood() -> Trouble {
    let what = "the daemon's answer cannot be understood".to_owned();
    let next = Some("restart the service after an upgrade".to_owned());
    let code = "E-CONTROL-ANSWER".to_owned();
    Trouble::one(Exit::Failure, Failure { code, what, place: None, next, temporary: false })
}
