//! From a command to a request, and from its answer to what is shown.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use crate::control::protocol::{
    Activate, BatchQuery, DatasetQuery, Extent, Failure, InboxQuery, Job, JobName, JobQuery,
    LedgerBackup, LinkQuery, MAX_PAGE, ModeChange, OversightAnswer, OversightRequest, Paging,
    Reconcile, RejectAct, RejectExport, RejectOriginal, RejectQuery, RejectReplay, Request,
    Response, Resync, Rollback, Shadow, ShadowAct, ShadowOnce, StandardName,
};

use crate::delivery::Mode;

use super::arguments::{
    self, Arguments, Command, Inbox, InboxFilter, Jobs, Ledger, RejectFilter, Rejects, Score,
    Standard,
};
use super::client::ask;
use super::text::Message;
use super::{
    Console, Exit, Local, Trouble, appeal, approvals, audit, bulletin, changeover, doctor,
    generate, judge, mend, takeover,
};

/// How often a waiting command looks at its job.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Does what the arguments say.
pub(super) fn dispatch(
    arguments: &Arguments,
    local: &dyn Local,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let config = &arguments.config;
    match &arguments.command {
        Command::Demo(demo) => local.demo(demo, console),
        Command::Run => local.run(config, console),
        Command::Check => {
            local.check(config)?;
            let place = config.display().to_string();
            let line = console.view.say(Message::ConfigurationSound, &[&place]);
            console.note(&line);
            Ok(())
        }
        Command::Doctor(it) => doctor::doctor(arguments, it, local, console),
        Command::Score(Score::Evidence(it)) => appeal::evidence(it, &arguments.socket, console),
        Command::Score(it) => judge::score(it, &arguments.socket, console),
        Command::Bulletin(it) => bulletin::bulletin(it, &arguments.socket, console),
        Command::Takeover(it) => takeover::takeover(arguments, it, local, console),
        Command::Mend(it) => mend::mend(&arguments.socket, it, console),
        Command::Audit(it) => audit::audit(&arguments.socket, it, console),
        Command::Approvals(it) => approvals::approvals(&arguments.socket, it, console),
        Command::Generate(it) => generate::generate(it, console),
        Command::Rehearsal(rehearsal) => local.rehearsal(config, rehearsal, console),
        Command::Ledger(Ledger::Restore { directory }) => {
            local.ledger_restore(config, directory, console)
        }
        Command::Ledger(Ledger::Verify { offline: true, format }) => {
            let report = local.ledger_verify(config)?;
            answer(&Response::Ledger(report), format.json, console)
        }
        Command::Standard(Standard::Diff { from, to, channel, format }) => {
            changeover::diff(arguments, (from, to), channel.as_deref(), format.json, console)
        }
        Command::Standard(Standard::Check(it)) => changeover::check(&arguments.socket, it, console),
        Command::Standard(Standard::Supply(it)) => {
            changeover::supply(&arguments.socket, it, console)
        }
        Command::Rejects(Rejects::Export { filter, reason, output }) => {
            export(&arguments.socket, filter, reason, output, console)
        }
        Command::Reload
        | Command::Live
        | Command::Watch
        | Command::Status(_)
        | Command::Datasets(_)
        | Command::Links(_)
        | Command::Batches(_)
        | Command::Inbox(_)
        | Command::Rejects(_)
        | Command::Resync(_)
        | Command::Jobs(_)
        | Command::Standard(_)
        | Command::Reconcile(_)
        | Command::Ferry(_)
        | Command::Ledger(_) => {
            let Some((request, json)) = request(&arguments.command)? else { return Ok(()) };
            let response = ask(&arguments.socket, console.view.language, request)?;
            answer(&response, json, console)?;
            match job_of(&response).filter(|_| waits(&arguments.command)) {
                Some(job) => wait(&arguments.socket, job, json, console),
                None => Ok(()),
            }
        }
    }
}

fn waits(command: &Command) -> bool {
    if let Command::Resync(it) = command {
        it.wait
    } else if let Command::Standard(Standard::Activate(it)) = command {
        it.wait
    } else if let Command::Standard(Standard::Rollback(it)) = command {
        it.wait
    } else {
        matches!(command, Command::Rejects(Rejects::Replay { wait: true, .. }))
    }
}

/// The job that an answer speaks of.
fn job_of(response: &Response) -> Option<&str> {
    if let Response::Accepted(it) = response {
        it.job.as_deref()
    } else if let Response::CutOver(it) = response {
        it.job.as_deref()
    } else {
        None
    }
}

/// The request of a command that goes through the socket, and whether JSON is wanted.
fn request(command: &Command) -> Result<Option<(Request, bool)>, Trouble> {
    Ok(Some(match command {
        Command::Reload => (Request::Reload {}, false),
        Command::Live => mode(Mode::Live),
        Command::Watch => mode(Mode::Watch),
        Command::Status(format) => (Request::Status {}, format.json),
        Command::Datasets(it) => {
            let query = DatasetQuery {
                dataset: it.dataset.clone(),
                department: it.department.clone(),
                troubled: it.troubled,
                paging: paging(&it.page),
            };
            (Request::Datasets(query), it.format.json)
        }
        Command::Links(it) => {
            let query = LinkQuery {
                channel: it.channel.clone(),
                kind: it.kind.clone(),
                state: it.state.clone(),
                paging: paging(&it.page),
            };
            (Request::Links(query), it.format.json)
        }
        Command::Batches(it) => {
            let query = BatchQuery {
                channel: it.channel.clone(),
                dataset: it.dataset.clone(),
                state: it.state.clone(),
                paging: paging(&it.page),
            };
            (Request::Batches(query), it.format.json)
        }
        Command::Inbox(it) => inbox(it),
        Command::Rejects(it) => return rejects(it),
        Command::Resync(it) => (Request::Resync(resync(it)?), it.format.json),
        Command::Jobs(it) => jobs(it),
        Command::Standard(Standard::List(format)) => (Request::StandardList {}, format.json),
        Command::Standard(Standard::Show { standard, format }) => {
            (Request::StandardShow(StandardName { standard: standard.clone() }), format.json)
        }
        Command::Standard(Standard::Shadow(it)) => shadow(it),
        Command::Standard(Standard::Drift(format)) => (Request::StandardDrift {}, format.json),
        Command::Standard(Standard::Activate(it)) => activate(it),
        Command::Standard(Standard::Rollback(it)) => roll_back(it),
        Command::Reconcile(it) => {
            let request = Reconcile {
                datasets: it.datasets.clone(),
                repair: it.repair,
                paging: paging(&it.page),
            };
            (Request::Reconcile(request), it.format.json)
        }
        Command::Ferry(it) => it.request(),
        Command::Ledger(it) => return ledger(it),
        Command::Standard(Standard::Diff { .. } | Standard::Check(_) | Standard::Supply(_))
        | Command::Demo(_)
        | Command::Run
        | Command::Check
        | Command::Doctor(_)
        | Command::Rehearsal(_)
        | Command::Score(_)
        | Command::Bulletin(_)
        | Command::Takeover(_)
        | Command::Mend(_)
        | Command::Audit(_)
        | Command::Approvals(_)
        | Command::Generate(_) => return Ok(None),
    }))
}

fn ledger(it: &Ledger) -> Result<Option<(Request, bool)>, Trouble> {
    Ok(Some(match it {
        Ledger::Backup { directory, format } => {
            let request = LedgerBackup { directory: absolute(directory)? };
            (Request::LedgerBackup(request), format.json)
        }
        Ledger::Keys(it) => (Request::Oversight(OversightRequest::Keys {}), it.json),
        Ledger::Verify { format, .. } => (Request::LedgerVerify {}, format.json),
        Ledger::Restore { .. } => return Ok(None),
    }))
}

fn roll_back(it: &arguments::StandardRollback) -> (Request, bool) {
    let (channel, scope) = (it.channel.clone(), it.scope.clone());
    let request = Rollback { channel, scope, dry_run: it.dry_run };
    (Request::StandardRollback(request), it.format.json)
}

fn mode(mode: Mode) -> (Request, bool) {
    (Request::Mode(ModeChange { mode }), false)
}

fn shadow(it: &arguments::StandardShadow) -> (Request, bool) {
    let (standard, channel) = (it.standard.clone(), it.channel.clone());
    let request = match &it.once {
        Some(operation) => {
            let (operation, object) = (operation.clone(), it.object.clone());
            Request::StandardShadowOnce(ShadowOnce { standard, channel, operation, object })
        }
        None => {
            let act = match (it.start, it.stop) {
                (true, _) => ShadowAct::Start { with_rows: it.with_rows },
                (false, true) => ShadowAct::Stop {},
                (false, false) => ShadowAct::Report {},
            };
            Request::StandardShadow(Shadow { standard, channel, act })
        }
    };
    (request, it.format.json)
}

fn activate(it: &arguments::StandardActivate) -> (Request, bool) {
    let request = Activate {
        standard: it.standard.clone(),
        channel: it.channel.clone(),
        scope: it.scope.clone(),
        at: it.at,
        parallel_seconds: it.parallel,
        dry_run: it.dry_run,
    };
    (Request::StandardActivate(request), it.format.json)
}

fn rejects(command: &Rejects) -> Result<Option<(Request, bool)>, Trouble> {
    Ok(Some(match command {
        Rejects::List { filter, page, format } => {
            (Request::RejectsList(reject_query(filter, paging(page))), format.json)
        }
        Rejects::Show { reject, reason, format } => {
            let act = RejectAct { reject: *reject, reason: reason.clone() };
            (Request::RejectsShow(act), format.json)
        }
        Rejects::Replay { filter, key, format, .. } => {
            let replay = RejectReplay {
                query: reject_query(filter, Paging::default()),
                idempotency_key: idempotency_key(key.as_deref())?,
            };
            (Request::RejectsReplay(replay), format.json)
        }
        Rejects::Export { .. } => return Ok(None),
    }))
}

fn inbox(command: &Inbox) -> (Request, bool) {
    let query = |it: &InboxFilter| InboxQuery {
        channel: it.channel.clone(),
        table: it.table.clone(),
        paging: paging(&it.page),
    };
    match command {
        Inbox::List(it) => (Request::InboxList(query(it)), it.format.json),
        Inbox::Show(it) => (Request::InboxShow(query(it)), it.format.json),
    }
}

fn jobs(command: &Jobs) -> (Request, bool) {
    match command {
        Jobs::List { ended, page, format } => {
            (Request::JobsList(JobQuery { ended: *ended, paging: paging(page) }), format.json)
        }
        Jobs::Show { job, format } => {
            (Request::JobsShow(JobName { job: job.clone() }), format.json)
        }
        Jobs::Cancel { job, format } => {
            (Request::JobsCancel(JobName { job: job.clone() }), format.json)
        }
    }
}

fn resync(it: &arguments::Resync) -> Result<Resync, Trouble> {
    let extent = match it.since {
        Some(at) => Extent::Since { at },
        None if it.rejected => Extent::Rejected {},
        None if it.catalogue => Extent::Catalogue {},
        None if it.full => Extent::Full {},
        None => Extent::Compare {},
    };
    Ok(Resync {
        datasets: it.datasets.clone(),
        extent,
        approve_deletions: it.approve_deletions,
        dry_run: it.dry_run,
        idempotency_key: idempotency_key(it.key.as_deref())?,
    })
}

fn paging(page: &arguments::Page) -> Paging {
    Paging { after: page.after.clone(), limit: page.limit }
}

fn reject_query(filter: &RejectFilter, paging: Paging) -> RejectQuery {
    RejectQuery {
        dataset: filter.dataset.clone(),
        kind: filter.kind.clone(),
        rule: filter.rule.clone(),
        paging,
    }
}

/// The key that was given, or a new one: typed twice is meant twice.
fn idempotency_key(given: Option<&str>) -> Result<String, Trouble> {
    if let Some(key) = given {
        return Ok(key.to_owned());
    }
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| {
        failed("E-CLI-RANDOM", "the machine gives no random numbers".to_owned(), None)
    })?;
    Ok(format!("cli-{}", bytes.map(|byte| format!("{byte:02x}")).concat()))
}

/// The daemon's working directory is not ours.
fn absolute(path: &Path) -> Result<String, Trouble> {
    std::path::absolute(path)
        .ok()
        .and_then(|path| path.to_str().map(str::to_owned))
        .ok_or_else(|| failed("E-CLI-PATH", "not a usable path".to_owned(), Some(path)))
}

fn failed(code: &str, what: String, place: Option<&Path>) -> Trouble {
    let place = place.map(|path| path.display().to_string());
    let code = code.to_owned();
    Trouble::one(Exit::Failure, Failure { code, what, place, next: None, temporary: false })
}

/// Shows an answer. One that says that something is wrong ends in a failure.
fn answer(response: &Response, json: bool, console: &mut Console<'_>) -> Result<(), Trouble> {
    if let (Response::Oversight(it), true) = (response, json) {
        audit::json(it, console)?;
    } else if json {
        console.json(&inner(response)?)?;
    } else {
        let text = console.view.show(response);
        console.data(&text);
    }
    let exit = if let Response::Ledger(report) = response {
        (!report.problems.is_empty()).then_some(Exit::Failure)
    } else {
        // Nothing is done until another person approves.
        is_pending(response).then_some(Exit::Temporary)
    };
    exit.map_or(Ok(()), |exit| Err(Trouble { exit, failures: Vec::new() }))
}

fn is_pending(response: &Response) -> bool {
    matches!(response, Response::Oversight(OversightAnswer::Pending(_)))
}

/// What an answer holds, without the name it travels under.
fn inner(response: &Response) -> Result<serde_json::Value, Trouble> {
    let value = serde_json::to_value(response)
        .map_err(|error| failed("E-CLI-JSON", error.to_string(), None))?;
    let serde_json::Value::Object(map) = value else { return Ok(value) };
    Ok(map.into_iter().next().map_or(serde_json::Value::Null, |(_, value)| value))
}

/// Looks at a job until it has ended, and shows how.
fn wait(socket: &Path, name: &str, json: bool, console: &mut Console<'_>) -> Result<(), Trouble> {
    let job: Box<Job> = loop {
        let request = Request::JobsShow(JobName { job: name.to_owned() });
        let response = ask(socket, console.view.language, request)?;
        let Response::Job(job) = response else { return Ok(()) };
        if job.has_ended() {
            break job;
        }
        let line = console.view.progress(&job);
        console.progress(&line);
        std::thread::sleep(LOOK_EVERY);
    };
    console.progress_done();
    let done = job.state == "done";
    answer(&Response::Job(job), json, console)?;
    if done { Ok(()) } else { Err(Trouble { exit: Exit::Failure, failures: Vec::new() }) }
}

/// Writes rejects with their originals into a file of its own.
fn export(
    socket: &Path,
    filter: &RejectFilter,
    reason: &str,
    output: &Path,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let unwritable = |console: &Console<'_>| {
        let view = &console.view;
        Trouble::one(
            Exit::Failure,
            Failure {
                code: "E-CLI-OUTPUT".to_owned(),
                what: view.say(Message::CannotWrite, &[]),
                place: Some(output.display().to_string()),
                next: Some(view.say(Message::CannotWriteNext, &[])),
                temporary: false,
            },
        )
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output);
    let file = file.map_err(|_io| unwritable(console))?;
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(EXPORT_HEAD).map_err(|_io| unwritable(console))?;
    let mut after = None;
    let mut count = 0_usize;
    loop {
        let query = reject_query(filter, Paging { after, limit: MAX_PAGE });
        let request = Request::RejectsExport(RejectExport { query, reason: reason.to_owned() });
        let response = ask(socket, console.view.language, request)?;
        if is_pending(&response) {
            // The same command, once it is approved, makes the file.
            std::fs::remove_file(output).map_err(|_io| unwritable(console))?;
            return answer(&response, false, console);
        }
        let Response::Originals(page) = response else { break };
        for original in &page.entries {
            writer.write_record(record(original)).map_err(|_io| unwritable(console))?;
        }
        count += page.entries.len();
        // An empty page with a cursor would never end.
        if page.next.is_none() || page.entries.is_empty() {
            break;
        }
        after = page.next;
    }
    let written = writer.flush().and_then(|()| {
        writer.into_inner().map_err(csv::IntoInnerError::into_error).and_then(|mut file| {
            file.flush()?;
            file.sync_all()
        })
    });
    written.map_err(|_io| unwritable(console))?;
    let place = output.display().to_string();
    let line = console.view.say(Message::Exported, &[&count.to_string(), &place]);
    console.note(&line);
    Ok(())
}

const EXPORT_HEAD: [&str; 8] =
    ["reject", "dataset", "kind", "rules", "owner", "since", "key", "row"];

/// One line of an export; the row as a JSON object, for datasets have different columns.
fn record(original: &RejectOriginal) -> [String; 8] {
    let reject = &original.reject;
    let row: serde_json::Map<String, serde_json::Value> = original
        .cells
        .iter()
        .map(|(column, value)| (column.clone(), value.clone().into()))
        .collect();
    [
        reject.reject.to_string(),
        reject.dataset.clone(),
        reject.kind.clone(),
        reject.rules.join(" "),
        reject.owner.clone(),
        reject.since.to_string(),
        unformulated(&original.key),
        serde_json::Value::Object(row).to_string(),
    ]
}

/// A spreadsheet takes some first characters for a formula; a blank before them keeps text text.
pub(super) fn unformulated(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) { format!(" {text}") } else { text.to_owned() }
}
