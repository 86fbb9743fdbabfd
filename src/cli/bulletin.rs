//! `bulletin …`: writes the bulletin of a week, the assessment of a month, the paper of a quarter.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::arguments::{Format, ScoreGiven};
use super::client::ask;
use super::judge::{self, failure};
use super::text::Message;
use super::{Console, Exit, Trouble};
use crate::bulletin::folder::{self, Written};
use crate::bulletin::{self, Error, Form, Ground, Period, Settings};
use crate::calendar::Calendar;
use crate::clock::Clock;
use crate::control::protocol::{BulletinQuery, Failure, Request, Response};
use crate::indicator::scheme::Month;
use crate::indicator::tally::Body;
use crate::language::Language;
use crate::telemetry::logs::Chain;

/// The largest file of settings and the largest calendar, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// `bulletin …`.
#[derive(Debug, Subcommand)]
pub enum Bulletin {
    /// What changed in a week, and what is to be done next (周通报).
    Weekly {
        /// The week: 2026-W47; the last one that has ended where it is left out.
        #[arg(long, value_name = "WEEK", value_parser = |it: &str| period(Form::Weekly, it))]
        week: Option<Period>,
        /// What it is made of.
        #[command(flatten)]
        given: BulletinGiven,
    },
    /// The assessment of a month, item by item and ranked (月考评).
    Monthly {
        /// The month: 2026-10; the last one that has ended where it is left out.
        #[arg(long, value_name = "MONTH", value_parser = |it: &str| period(Form::Monthly, it))]
        month: Option<Period>,
        /// What it is made of.
        #[command(flatten)]
        given: BulletinGiven,
    },
    /// The paper of a quarter's meeting: months beside each other, what keeps coming back, what is
    /// to be decided (季调度).
    Quarterly {
        /// The quarter: 2026-Q3; the last one that has ended where it is left out.
        #[arg(long, value_name = "QUARTER", value_parser = |it: &str| period(Form::Quarterly, it))]
        quarter: Option<Period>,
        /// What it is made of.
        #[command(flatten)]
        given: BulletinGiven,
    },
}

/// What a bulletin is made of, and where it goes.
#[derive(Args, Debug)]
pub struct BulletinGiven {
    /// The folder in which the bulletin's own folder is made.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub out: PathBuf,
    /// The scheme (TOML), for a bulletin from tables; without it the daemon makes the bulletin.
    #[arg(long, value_name = "FILE")]
    pub scheme: Option<PathBuf>,
    /// Facts (CSV); as often as there are tables.
    #[arg(long, value_name = "FILE", requires = "scheme")]
    pub facts: Vec<PathBuf>,
    /// Values that the daemon cannot see (CSV); as often as there are tables.
    #[arg(long, value_name = "FILE", requires = "scheme")]
    pub values: Vec<PathBuf>,
    /// The lists that the city keeps: obligations.csv, exemptions.csv, approvals.csv, tasks.csv,
    /// bodies.csv, kept.csv and leads.csv, as far as they are there.
    #[arg(long, value_name = "DIR", requires = "scheme")]
    pub lists: Option<PathBuf>,
    /// The other cities' scores (CSV).
    #[arg(long, value_name = "FILE", requires = "scheme")]
    pub cities: Option<PathBuf>,
    /// Working days (TOML); Monday to Friday where it is left out.
    #[arg(long, value_name = "FILE", requires = "scheme")]
    pub calendar: Option<PathBuf>,
    /// Office, addressees, contact, grades: the keys of the configuration's `bulletin` (TOML).
    #[arg(long, value_name = "FILE", requires = "scheme")]
    pub settings: Option<PathBuf>,
    /// In which language: zh or en; as the settings say where it is left out.
    #[arg(long, value_parser = language)]
    pub language: Option<Language>,
    /// As known at: 2026-11-22T09:00:00 (Asia/Shanghai) or with an offset; now where it is left
    /// out. What is later enters no bulletin.
    #[arg(long, value_name = "TIME", value_parser = super::arguments::since)]
    pub at: Option<Timestamp>,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

fn period(form: Form, text: &str) -> Result<Period, String> {
    Period::parse(form, text).ok_or_else(|| {
        let example = match form {
            Form::Weekly => "2026-W47",
            Form::Monthly => "2026-10",
            Form::Quarterly => "2026-Q3",
        };
        format!("write {example}")
    })
}

fn language(text: &str) -> Result<Language, String> {
    Language::of(text).ok_or_else(|| "write zh or en".to_owned())
}

/// Does what `bulletin …` says.
pub(super) fn bulletin(
    command: &Bulletin,
    socket: &Path,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let (form, asked, given) = match command {
        Bulletin::Weekly { week, given } => (Form::Weekly, *week, given),
        Bulletin::Monthly { month, given } => (Form::Monthly, *month, given),
        Bulletin::Quarterly { quarter, given } => (Form::Quarterly, *quarter, given),
    };
    let made = match &given.scheme {
        Some(scheme) => from_tables(scheme, form, asked, given, console)?,
        None => from_daemon(socket, form, asked, given, console)?,
    };
    let (period, files) = (made.period, made.files);
    let into = folder::write(&given.out, period, &files, made.mode)
        .map_err(|error| failed(&error, console))?;
    let names: Vec<&str> = files.iter().map(|it| it.name.as_str()).collect();
    if given.format.json {
        return console.json(&json!({ "folder": into.display().to_string(), "files": names }));
    }
    for name in names {
        console.data(&format!("{}\n", into.join(name).display()));
    }
    Ok(())
}

/// A bulletin that was made and is not written yet.
struct Made {
    period: Period,
    files: Vec<Written>,
    mode: u32,
}

fn from_tables(
    path: &Path,
    form: Form,
    asked: Option<Period>,
    given: &BulletinGiven,
    console: &Console<'_>,
) -> Result<Made, Trouble> {
    let scheme = judge::load(path).map_err(judge::wrong)?;
    let now = given.at.unwrap_or_else(|| Clock::system().now());
    let today = scheme.period.zone.to_datetime(now).date();
    let period = asked.unwrap_or_else(|| Period::ended(form, today));
    let tables = judge::tables(&score_given(path, given, period), &scheme)?;
    let settings = settings(given)?;
    let calendar = calendar(given)?;
    let (lists, field) = (&tables.lists, &tables.field);
    let ground = Ground { scheme: &scheme, lists, field, calendar: &calendar, settings: &settings };
    let looks = bulletin::looks(&scheme, period, now);
    let counted = bulletin::count(ground, &looks, &tables.facts, now);
    let Some(report) = bulletin::report(ground, period, counted) else {
        let what = format!("nothing is judged in {} by {} yet", period.name(), scheme.id);
        return Err(Trouble::one(Exit::Usage, failure("E-BULLETIN-PERIOD", what, None)));
    };
    let files = folder::files(&report).map_err(|error| failed(&error, console))?;
    Ok(Made { period, files, mode: settings.mode })
}

fn from_daemon(
    socket: &Path,
    form: Form,
    asked: Option<Period>,
    given: &BulletinGiven,
    console: &Console<'_>,
) -> Result<Made, Trouble> {
    let query = BulletinQuery {
        form: form.as_str().to_owned(),
        period: asked.map(Period::name),
        language: given.language.map(|it| it.tag().to_owned()),
        at: given.at,
    };
    let unread = || {
        let what = Message::BadAnswer.say(console.view.language, &[]);
        Trouble::one(Exit::Failure, failure("E-CONTROL-ANSWER", what, None))
    };
    let answer = ask(socket, console.view.language, Request::Bulletin(query))?;
    let Response::Bulletin(answer) = answer else { return Err(unread()) };
    let period = Period::parse(form, &answer.period).ok_or_else(unread)?;
    let mut files = Vec::new();
    for file in answer.files {
        // A name is a name: whoever answers may not write elsewhere.
        if file.name.contains('/') || file.name.starts_with('.') {
            return Err(unread());
        }
        let bytes = STANDARD.decode(file.bytes).map_err(|_not_base64| unread())?;
        files.push(Written { name: file.name, bytes });
    }
    Ok(Made { period, files, mode: answer.mode & 0o664 })
}

/// The tables, as `score …` reads them.
fn score_given(scheme: &Path, given: &BulletinGiven, period: Period) -> ScoreGiven {
    ScoreGiven {
        scheme: Some(scheme.to_owned()),
        month: Some(Month::of(period.last())),
        facts: given.facts.clone(),
        values: given.values.clone(),
        lists: given.lists.clone(),
        cities: given.cities.clone(),
        body: Body::City,
    }
}

fn settings(given: &BulletinGiven) -> Result<Settings, Trouble> {
    let mut settings = match &given.settings {
        None => Settings::default(),
        Some(path) => read(path, |text| {
            let read: Settings = toml::from_str(text)
                .map_err(|error| vec![error.to_string().trim_end().to_owned()])?;
            let problems = read.problems();
            let told = problems.iter().map(|(key, what)| format!("{key}: {what}")).collect();
            if problems.is_empty() { Ok(read) } else { Err(told) }
        })?,
    };
    settings.language = given.language.unwrap_or(settings.language);
    Ok(settings)
}

fn calendar(given: &BulletinGiven) -> Result<Calendar, Trouble> {
    let path = given.calendar.as_deref();
    path.map_or_else(|| Ok(Calendar::provisional()), |path| read(path, Calendar::parse))
}

fn read<T>(path: &Path, parse: impl Fn(&str) -> Result<T, Vec<String>>) -> Result<T, Trouble> {
    let text = judge::text(path, MAX_BYTES).map_err(judge::wrong)?;
    parse(&text).map_err(|problems| {
        let place = path.display().to_string();
        let told = |what: String| failure("E-BULLETIN-SETTINGS", what, Some(place.clone()));
        judge::wrong(problems.into_iter().map(told).collect())
    })
}

fn failed(error: &Error, console: &Console<'_>) -> Trouble {
    let next = match error {
        Error::Exists(_) => Some(console.view.say(Message::BulletinExistsNext, &[])),
        Error::Disk { .. } | Error::Pack(_) | Error::Book(_) => None,
    };
    let failure = Failure { next, ..failure(error.code(), Chain(error).to_string(), None) };
    Trouble::one(Exit::Failure, failure)
}
