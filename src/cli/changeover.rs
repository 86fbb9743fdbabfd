//! `standard diff`, `standard check`, `standard supply`.
//!
//! Workbooks are written and read here, by who typed the command and with his rights; the daemon
//! gives and takes values only.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::arguments::{Arguments, RowsTried, StandardCheck, StandardSupply};
use super::client::ask;
use super::text::Message;
use super::{Console, Exit, Trouble};
use crate::changeover::sheet::{Book, Content, read};
use crate::changeover::{Checked, Difference, NotTaken, RowsChecked, compare};
use crate::config::{self, Configuration};
use crate::control::protocol::{
    self, Failure, MAX_PAGE, Paging, Request, Response, StandardPair, Supply, SupplyReport, Trial,
    WantedQuery,
};
use crate::standard::Standard;

/// Values sent at once, and the characters of them: a request's line is bounded.
const VALUES_AT_ONCE: usize = 200;
const CHARACTERS_AT_ONCE: usize = 30_000;

fn trouble(code: &str, what: String, place: &Path, next: Option<String>) -> Trouble {
    let place = Some(place.display().to_string());
    let failure = Failure { code: code.to_owned(), what, place, next, temporary: false };
    Trouble::one(Exit::Failure, failure)
}

fn found_wrong() -> Trouble {
    Trouble { exit: Exit::Failure, failures: Vec::new() }
}

/// `standard diff`: counted by the daemon where it can be reached and knows both versions.
pub(super) fn diff(
    arguments: &Arguments,
    (from, to): (&str, &str),
    channel: Option<&str>,
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let is_directory = |name: &str| Path::new(name).join("standard.toml").is_file();
    let counted = if is_directory(from) || is_directory(to) {
        Err(Message::DiffDirectory)
    } else {
        let pair = StandardPair {
            from: from.to_owned(),
            to: to.to_owned(),
            channel: channel.map(str::to_owned),
        };
        let asked = ask(&arguments.socket, console.view.language, Request::StandardDiff(pair));
        match asked {
            Ok(Response::Differences(list)) => Ok(list),
            Ok(_) => Err(Message::BadAnswer),
            Err(trouble) if trouble.exit == Exit::Temporary => Err(Message::DiffNoDaemon),
            Err(trouble) => return Err(trouble),
        }
    };
    let list = match counted {
        Ok(list) => list,
        Err(why) => {
            let why = console.view.say(why, &[]);
            console.note(&console.view.say(Message::DiffUncounted, &[&why]));
            let sides = [from, to].map(|name| standard(&arguments.config, name));
            let [from, to] = sides;
            let (from, to) = (from?, to?);
            compare(from.tables(), to.tables())
        }
    };
    show_differences(&list, json, console)
}

fn show_differences(
    list: &[Difference],
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    if json {
        return console.json(&list);
    }
    let text = console.view.differences(list);
    console.data(&text);
    Ok(())
}

/// A standard by its directory, or by its name in the folders of the configuration.
fn standard(configuration: &Path, name: &str) -> Result<Standard, Trouble> {
    let told = |problems: Vec<config::Problem>| Trouble {
        exit: Exit::Failure,
        failures: problems
            .into_iter()
            .map(|it| Failure {
                code: it.code.to_owned(),
                what: it.message,
                place: Some(it.place),
                next: None,
                temporary: false,
            })
            .collect(),
    };
    let directory = Path::new(name);
    if directory.join("standard.toml").is_file() {
        return config::standard_at(directory).map_err(told);
    }
    let (known, _others) = Configuration::examine(configuration).map_err(told)?;
    match config::standard_now(&known.standard_folders, name) {
        Some(found) => found.map_err(told),
        None => {
            let what = format!("there is no standard `{name}`");
            let next = Some("name a directory with a standard.toml, or id/version".to_owned());
            Err(trouble("E-NO-SUCH-STANDARD", what, configuration, next))
        }
    }
}

/// What `standard check --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    catalogue: Checked,
    rows: Vec<RowsChecked>,
    workbooks: Vec<Workbook>,
}

/// A workbook that was written.
#[derive(Debug, Serialize)]
struct Workbook {
    file: String,
    values: u64,
}

/// `standard check`.
pub(super) fn check(
    socket: &Path,
    it: &StandardCheck,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let language = console.view.language;
    let try_out = |trial: Trial| {
        let request = protocol::StandardCheck {
            standard: it.standard.clone(),
            channel: it.channel.clone(),
            trial,
        };
        ask(socket, language, Request::StandardCheck(request))
    };
    let Response::Checked(checked) = try_out(Trial::Catalogue {})? else {
        return Err(bad_answer(socket, console));
    };
    let mut rows = Vec::new();
    if it.rows != RowsTried::None {
        let all = it.rows == RowsTried::All;
        let total = checked.datasets.len().to_string();
        for (at, mount) in checked.datasets.iter().enumerate() {
            let dataset = mount.dataset.clone();
            let line = [dataset.as_str(), &(at + 1).to_string(), &total];
            console.progress(&console.view.say(Message::CheckRowsProgress, &line));
            if !mount.mounts {
                let reason = Some(console.view.say(Message::CheckNotMounted, &[]));
                rows.push(RowsChecked { dataset, reason, ..RowsChecked::default() });
                continue;
            }
            let Response::RowsChecked(tried) = try_out(Trial::Rows { dataset, all })? else {
                return Err(bad_answer(socket, console));
            };
            rows.push(*tried);
        }
        console.progress_done();
    }
    let workbooks = match &it.xlsx {
        Some(path) => write(socket, it, &checked, path, console)?,
        None => Vec::new(),
    };
    let refused =
        checked.refused() > 0 || rows.iter().any(|it| it.refused > 0 || it.reason.is_some());
    if it.format.json {
        console.json(&Report { catalogue: *checked, rows, workbooks })?;
    } else {
        let text = console.view.checked(&checked) + "\n" + &console.view.rows_checked(&rows);
        console.data(text.trim_end_matches('\n'));
        console.data("\n");
        for it in &workbooks {
            let line = [it.file.as_str(), &it.values.to_string()];
            console.note(&console.view.say(Message::SheetWritten, &line));
        }
    }
    if refused { Err(found_wrong()) } else { Ok(()) }
}

fn bad_answer(socket: &Path, console: &Console<'_>) -> Trouble {
    let next = console.view.say(Message::BadAnswerNext, &[]);
    trouble("E-CONTROL-ANSWER", console.view.say(Message::BadAnswer, &[]), socket, Some(next))
}

/// Writes the workbooks: one file, or one for each department that has values to fill in.
fn write(
    socket: &Path,
    it: &StandardCheck,
    checked: &Checked,
    path: &Path,
    console: &mut Console<'_>,
) -> Result<Vec<Workbook>, Trouble> {
    if checked.values().0 == 0 {
        console.note(&console.view.say(Message::SheetNone, &[]));
        return Ok(Vec::new());
    }
    let mut targets: Vec<(Option<String>, PathBuf)> = Vec::new();
    if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("xlsx")) {
        targets.push((None, path.to_owned()));
    } else {
        std::fs::create_dir_all(path).map_err(|error| unwritable(path, &error, console))?;
        for of in checked.departments.iter().filter(|it| it.wanted > 0) {
            let name = file_name(&of.department, &of.title);
            targets.push((Some(of.department.clone()), path.join(name)));
        }
    }
    let mut written = Vec::new();
    for (department, path) in targets {
        // A workbook that is being filled in is never overwritten.
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        drop(file.map_err(|error| unwritable(&path, &error, console))?);
        let failed = |error: &dyn std::error::Error| unwritable(&path, error, console);
        let mut book = Book::new(checked, department.as_deref()).map_err(|error| failed(&error))?;
        let mut after = None;
        loop {
            let query = WantedQuery {
                standard: it.standard.clone(),
                channel: it.channel.clone(),
                department: department.clone(),
                paging: Paging { after, limit: MAX_PAGE },
            };
            let request = Request::StandardWanted(query);
            let Response::Wanted(page) = ask(socket, console.view.language, request)? else {
                return Err(bad_answer(socket, console));
            };
            for wanted in page.entries {
                book.add(wanted).map_err(|error| failed(&error))?;
            }
            if page.next.is_none() {
                break;
            }
            after = page.next;
        }
        let values = book.finish(&path).map_err(|error| failed(&error))?;
        written.push(Workbook { file: path.display().to_string(), values });
    }
    Ok(written)
}

fn unwritable(path: &Path, error: &dyn std::error::Error, console: &Console<'_>) -> Trouble {
    let mut what = console.view.say(Message::SheetFailed, &[]);
    what.push_str(&format!(": {error}"));
    let next = console.view.say(Message::CannotWriteNext, &[]);
    trouble("E-CLI-OUTPUT", what, path, Some(next))
}

/// A file's name from a department's id and name.
fn file_name(department: &str, title: &str) -> String {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it));
        letters.take(40).collect()
    };
    format!("{}-{}.xlsx", plain(department), plain(title)).replace("-.xlsx", ".xlsx")
}

/// A value that was not taken, with its place.
#[derive(Debug, Serialize)]
struct Refusal {
    file: String,
    sheet: String,
    cell: String,
    why: String,
}

/// What `standard supply --json` prints.
#[derive(Debug, Default, Serialize)]
struct Taken {
    changed: u64,
    unchanged: u64,
    refused: Vec<Refusal>,
}

/// `standard supply`.
pub(super) fn supply(
    socket: &Path,
    it: &StandardSupply,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let mut taken = Taken::default();
    for file in &it.files {
        let content = read(file).map_err(|error| {
            let what = format!("{}: {error}", console.view.say(Message::SheetUnreadable, &[]));
            let next = console.view.say(Message::SheetUnreadableNext, &[]);
            trouble("E-CLI-WORKBOOK", what, file, Some(next))
        })?;
        one_file(socket, it, file, &content, &mut taken, console)?;
    }
    if it.format.json {
        console.json(&taken)?;
    } else {
        for it in &taken.refused {
            console.data(&format!("{} {}!{}  {}\n", it.file, it.sheet, it.cell, it.why));
        }
        let numbers = [taken.changed, taken.unchanged, taken.refused.len() as u64];
        let texts = numbers.map(|it| it.to_string());
        let texts = texts.each_ref().map(String::as_str);
        let message = if it.dry_run { Message::SupplyDry } else { Message::SupplyDone };
        console.data(&(console.view.say(message, &texts) + "\n"));
    }
    if taken.refused.is_empty() { Ok(()) } else { Err(found_wrong()) }
}

fn one_file(
    socket: &Path,
    it: &StandardSupply,
    file: &Path,
    content: &Content,
    taken: &mut Taken,
    console: &Console<'_>,
) -> Result<(), Trouble> {
    let shown = file.display().to_string();
    for (sheet, cell, why) in &content.misread {
        let (file, sheet, cell) = (shown.clone(), sheet.clone(), cell.clone());
        taken.refused.push(Refusal { file, sheet, cell, why: console.view.misread(*why) });
    }
    let standard = it.standard.as_ref().unwrap_or(&content.standard);
    let mut rest = content.cells.as_slice();
    while !rest.is_empty() {
        let mut characters = 0;
        let size = rest
            .iter()
            .take(VALUES_AT_ONCE)
            .take_while(|cell| {
                let given = &cell.given;
                characters += given.value.len() + given.id.len() + 200;
                characters <= CHARACTERS_AT_ONCE.max(given.value.len() + given.id.len() + 200)
            })
            .count()
            .max(1);
        let (now, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        let supply = Supply {
            standard: standard.clone(),
            by: it.by.clone(),
            dry_run: it.dry_run,
            values: now.iter().map(|cell| cell.given.clone()).collect(),
        };
        let request = Request::StandardSupply(supply);
        let Response::Supplied(report) = ask(socket, console.view.language, request)? else {
            return Err(bad_answer(socket, console));
        };
        let SupplyReport { changed, unchanged, refused } = report;
        taken.changed += changed;
        taken.unchanged += unchanged;
        for (at, why) in refused {
            taken.refused.push(refusal(&shown, now.get(at), why, console));
        }
    }
    Ok(())
}

fn refusal(
    file: &str,
    cell: Option<&crate::changeover::sheet::Cell>,
    why: NotTaken,
    console: &Console<'_>,
) -> Refusal {
    Refusal {
        file: file.to_owned(),
        sheet: cell.map(|it| it.sheet.clone()).unwrap_or_default(),
        cell: cell.map(|it| it.cell.clone()).unwrap_or_default(),
        why: console.view.not_taken(why),
    }
}
