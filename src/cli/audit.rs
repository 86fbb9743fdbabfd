//! `audit …`: the record of acts, shown, taken away and proven (审计).

use std::path::Path;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::arguments::{Format, Page, since};
use super::client::ask;
use super::dispatch::unformulated;
use super::mend::misunderstood;
use super::show::View;
use super::table::count;
use super::text::Message;
use super::{Console, Exit, Trouble};
use crate::control::protocol::{
    ActShown, ActsQuery, KeyShown, Listing, MAX_PAGE, OversightAnswer, OversightRequest, Paging,
    Request, Response,
};

/// `audit …`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Acts, newest first, each with what came of it (列出).
    List {
        /// Which.
        #[command(flatten)]
        acts: Acts,
        /// Which page.
        #[command(flatten)]
        page: Page,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Every line of the chain, oldest first, as CSV or as JSON lines; recorded (导出，留痕).
    Export {
        /// Which.
        #[command(flatten)]
        acts: Acts,
        /// As lines of JSON.
        #[arg(long)]
        json: bool,
        /// As CSV, which it is without this word too.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
    /// Proves the chain: no line was changed, taken out or put in (校验).
    Verify(Format),
    /// Who the daemon takes you for, and what you may be (本人角色).
    Whoami(Format),
}

/// Which acts.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Acts {
    /// From then on: 2026-11-01, 2026-11-01T08:00:00 (Asia/Shanghai) or with an offset.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub from: Option<Timestamp>,
    /// Before then.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub to: Option<Timestamp>,
}

impl Acts {
    fn query(self, paging: Paging) -> ActsQuery {
        ActsQuery { from: self.from, to: self.to, paging }
    }
}

/// Does what `audit …` says.
pub(super) fn audit(socket: &Path, it: &Audit, console: &mut Console<'_>) -> Result<(), Trouble> {
    match it {
        Audit::List { acts, page, format } => {
            let paging = Paging { after: page.after.clone(), limit: page.limit };
            let request = OversightRequest::Acts(acts.query(paging));
            told(socket, request, format.json, console)
        }
        Audit::Export { acts, json, csv: _ } => export(socket, *acts, *json, console),
        Audit::Verify(format) => told(socket, OversightRequest::Prove {}, format.json, console),
        Audit::Whoami(format) => told(socket, OversightRequest::Whoami {}, format.json, console),
    }
}

pub(super) fn asked(
    socket: &Path,
    request: OversightRequest,
    console: &Console<'_>,
) -> Result<OversightAnswer, Trouble> {
    let response = ask(socket, console.view.language, Request::Oversight(request))?;
    let Response::Oversight(answer) = response else { return Err(misunderstood()) };
    Ok(answer)
}

fn told(
    socket: &Path,
    request: OversightRequest,
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let answer = asked(socket, request, console)?;
    if json {
        self::json(&answer, console)?;
    } else {
        let text = console.view.oversight(&answer);
        console.data(&text);
    }
    if let OversightAnswer::Proven(it) = &answer
        && !it.problems.is_empty()
    {
        return Err(Trouble { exit: Exit::Failure, failures: Vec::new() });
    }
    Ok(())
}

pub(super) fn json(answer: &OversightAnswer, console: &mut Console<'_>) -> Result<(), Trouble> {
    match answer {
        OversightAnswer::Whoami(it) => console.json(it),
        OversightAnswer::Acts(it) => console.json(it),
        OversightAnswer::Proven(it) => console.json(it),
        OversightAnswer::Approvals(it) => console.json(it),
        OversightAnswer::Keys(it) => console.json(it),
        OversightAnswer::Pending(it) | OversightAnswer::Decided(it) => console.json(it),
    }
}

const HEAD: [&str; 13] = [
    "number", "at", "uid", "gid", "pid", "person", "role", "act", "detail", "outcome", "about",
    "form", "digest",
];

/// Every line, page by page.
fn export(socket: &Path, acts: Acts, json: bool, console: &mut Console<'_>) -> Result<(), Trouble> {
    if !json {
        console.data(&(HEAD.join(",") + "\n"));
    }
    let mut after = None;
    loop {
        let request = OversightRequest::Lines(acts.query(Paging { after, limit: MAX_PAGE }));
        let OversightAnswer::Acts(page) = asked(socket, request, console)? else {
            return Err(misunderstood());
        };
        for line in &page.entries {
            let text = if json { json_line(line)? } else { csv_line(line)? };
            console.data(&text);
        }
        if page.next.is_none() || page.entries.is_empty() {
            return Ok(());
        }
        after = page.next;
    }
}

fn json_line(line: &ActShown) -> Result<String, Trouble> {
    serde_json::to_string(line).map(|text| text + "\n").map_err(|_unwritable| misunderstood())
}

fn csv_line(line: &ActShown) -> Result<String, Trouble> {
    let maybe = |text: Option<String>| text.unwrap_or_default();
    let cells = [
        line.number.to_string(),
        line.at.to_string(),
        maybe(line.uid.map(|it| it.to_string())),
        maybe(line.gid.map(|it| it.to_string())),
        maybe(line.pid.map(|it| it.to_string())),
        unformulated(&line.person),
        line.role.clone(),
        line.act.clone(),
        unformulated(&line.detail),
        maybe(line.outcome.clone()),
        maybe(line.about.map(|it| it.to_string())),
        maybe(line.form.map(|it| it.to_string())),
        maybe(line.digest.clone()),
    ];
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(&cells).ok().and_then(|()| writer.into_inner().ok());
    written.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(misunderstood)
}

impl View {
    /// An answer about oversight.
    pub(super) fn oversight(&self, it: &OversightAnswer) -> String {
        match it {
            OversightAnswer::Whoami(it) => {
                let roles: Vec<&str> = it.roles.iter().map(|role| role.as_str()).collect();
                let uid = it.uid.to_string();
                self.say(Message::Whoami, &[&it.person, &uid, &roles.join(", ")]) + "\n"
            }
            OversightAnswer::Acts(it) => self.acts(it),
            OversightAnswer::Keys(it) => self.keys(it),
            OversightAnswer::Approvals(_)
            | OversightAnswer::Pending(_)
            | OversightAnswer::Decided(_) => self.approved(it),
            OversightAnswer::Proven(it) => {
                let mut lines = if it.problems.is_empty() {
                    vec![self.say(Message::ActsSound, &[&count(it.lines)])]
                } else {
                    let problems = u64::try_from(it.problems.len()).unwrap_or(u64::MAX);
                    vec![self.say(Message::ActsUnsound, &[&count(problems)])]
                };
                lines.extend(it.problems.iter().cloned());
                if let Some(until) = it.forwarded {
                    let waiting = count(it.waiting);
                    lines.push(self.say(Message::ActsForwarded, &[&count(until), &waiting]));
                }
                lines.join("\n") + "\n"
            }
        }
    }

    fn keys(&self, it: &[KeyShown]) -> String {
        let head = [Message::Key, Message::InUse, Message::SealedValues, Message::SealedFiles];
        let rows = it.iter().map(|it| {
            let in_use = self.word(if it.in_use { Message::Yes } else { Message::No });
            vec![it.key.clone(), in_use, count(it.values), count(it.files)]
        });
        self.table(&head, rows.collect(), &[2, 3])
    }

    fn acts(&self, it: &Listing<ActShown>) -> String {
        let head = [
            Message::Number,
            Message::Asked,
            Message::Person,
            Message::Role,
            Message::Act,
            Message::Outcome,
            Message::Detail,
        ];
        self.listing(it, &head, &[0], |it| {
            let uid = it.uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
            let outcome = it.outcome.clone().unwrap_or_else(|| self.word(Message::NoOutcome));
            vec![
                it.number.to_string(),
                self.time(Some(it.at)),
                if it.person.is_empty() { uid } else { format!("{} ({uid})", it.person) },
                it.role.clone(),
                it.act.clone(),
                outcome,
                it.detail.clone(),
            ]
        })
    }
}
