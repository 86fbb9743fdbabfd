//! The command line against a real socket with a daemon that knows a few answers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::control::protocol::{self, Attention, Listing, Status, Summary, Urgency};
use crate::control::protocol::{
    Accepted, Extent, Job, LedgerReport, Reject, RejectOriginal, Request, Response,
};
use crate::control::socket::{Listener, Settings};
use crate::control::{Handler, Peer};

/// Nothing local is asked for in these tests but `check`.
struct Nothing;

impl Local for Nothing {
    fn queried(&self, _: &Path, _: &str, _: &str) -> Result<Vec<Vec<String>>, Trouble> {
        Ok(Vec::new())
    }

    fn demo(&self, _: &Demo, _: &mut Console<'_>) -> Result<(), Trouble> {
        Ok(())
    }
    fn run(&self, _: &Path, _: &mut Console<'_>) -> Result<(), Trouble> {
        Ok(())
    }
    fn check(&self, _: &Path) -> Result<(), Trouble> {
        let failure = |number: u32| Failure {
            code: "E-CONFIG-KEY".to_owned(),
            what: format!("problem {number}"),
            place: Some("dataset[1].key".to_owned()),
            next: None,
            temporary: false,
        };
        Err(Trouble { exit: Exit::Configuration, failures: vec![failure(1), failure(2)] })
    }
    fn doctor(&self, _: &Path, _: Option<&str>) -> Result<Vec<Found>, Trouble> {
        Ok(Vec::new())
    }
    fn ledger_verify(&self, _: &Path) -> Result<LedgerReport, Trouble> {
        Ok(LedgerReport {
            took: SignedDuration::ZERO,
            facts: 0,
            spool_files: 0,
            bytes: 0,
            problems: vec!["spool file 7 has another digest".to_owned()],
            directory: None,
        })
    }
    fn ledger_restore(&self, _: &Path, _: &Path, _: &mut Console<'_>) -> Result<(), Trouble> {
        Ok(())
    }
    fn rehearsal(&self, _: &Path, _: &Rehearsal, _: &mut Console<'_>) -> Result<(), Trouble> {
        Ok(())
    }
}

/// Answers and remembers what was asked.
#[derive(Default)]
struct Daemon(Mutex<Vec<(Request, Peer)>>);

fn job(ended: bool) -> Job {
    Job {
        job: "r-0143".to_owned(),
        what: "resync".to_owned(),
        state: if ended { "done" } else { "running" }.to_owned(),
        asked: Timestamp::UNIX_EPOCH,
        by: "uid:0".to_owned(),
        done: 24_400,
        total: Some(40_000),
        rejected: 214,
        ended: ended.then_some(Timestamp::UNIX_EPOCH),
        reason: None,
    }
}

fn original() -> RejectOriginal {
    RejectOriginal {
        reject: Reject {
            reject: 7,
            dataset: "5151-0101".to_owned(),
            key_digest: "00ff".to_owned(),
            kind: "local".to_owned(),
            rules: vec!["id-card".to_owned()],
            owner: "示例市公安局".to_owned(),
            since: Timestamp::UNIX_EPOCH,
        },
        key: "=R1".to_owned(),
        cells: vec![("name".to_owned(), Some("王\u{1b}[2J".to_owned())), ("sex".to_owned(), None)],
        findings: vec![("name".to_owned(), "placeholder".to_owned())],
    }
}

impl Handler for Daemon {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a daemon of a few answers")]
    async fn handle(&self, request: Request, peer: Peer) -> Response {
        let asked_before = {
            let mut asked = self.0.lock().unwrap();
            asked.push((request.clone(), peer));
            asked.len()
        };
        match request {
            Request::Resync(_) => Response::Accepted(Accepted {
                job: Some("r-0143".to_owned()),
                existed: false,
                scope: vec![("5151-0101".to_owned(), None)],
            }),
            Request::JobsShow(_) => Response::Job(Box::new(job(asked_before > 2))),
            Request::RejectsExport(_) => {
                Response::Originals(Listing { entries: vec![original()], next: None, total: 1 })
            }
            Request::RejectsShow(_) => Response::Reject(Box::new(original())),
            _ => Response::Failed(Failure {
                code: "E-TEST".to_owned(),
                what: "not now".to_owned(),
                place: None,
                next: Some("later".to_owned()),
                temporary: true,
            }),
        }
    }
}

/// A daemon on a socket of its own, and what commands against it say.
struct Bench {
    folder: tempfile::TempDir,
    daemon: Arc<Daemon>,
    runtime: tokio::runtime::Runtime,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Bench {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let daemon = Arc::new(Daemon::default());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let settings = Settings { path: folder.path().join("s"), mode: Default::default() };
        let listener = runtime.block_on(async { Listener::bind(&settings).unwrap() });
        runtime.spawn(listener.serve(Arc::clone(&daemon), async { drop(stopped.await) }));
        Self { folder, daemon, runtime, stop: Some(stop) }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// The exit, standard output and standard error of a command line.
    fn run(&self, line: &str) -> (Exit, String, String) {
        run(&self.socket(), line)
    }

    fn asked(&self) -> Vec<Request> {
        self.daemon.0.lock().unwrap().iter().map(|(request, _)| request.clone()).collect()
    }
}

fn run(socket: &Path, line: &str) -> (Exit, String, String) {
    let words = ["cascaded", "--socket", socket.to_str().unwrap()];
    let words = words.into_iter().chain(line.split_whitespace());
    let arguments = Arguments::try_parse_from(words).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let view = View { language: Language::English, zone: TimeZone::UTC };
    let mut console = Console::new(view, false, &mut out, &mut err);
    let exit = perform(&arguments, &Nothing, &mut console);
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn a_resync_waits_for_its_job_and_shows_how_it_ended() {
    let bench = Bench::start();
    let (exit, out, _) = bench.run("resync 5151-0101 --wait --key k1");
    assert_eq!(exit, Exit::Done);
    assert!(out.contains("job r-0143 was taken") && out.contains("24,400"), "{out}");
    let asked = bench.asked();
    let Some(Request::Resync(resync)) = asked.first() else { panic!("{asked:?}") };
    assert_eq!(resync.extent, Extent::Compare {});
    assert!(!resync.approve_deletions);
    assert_eq!(resync.idempotency_key, "k1");
    assert_eq!(asked.len(), 3);
    let uid = bench.daemon.0.lock().unwrap()[0].1.uid;
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(bench.folder.path()).unwrap());
    assert_eq!(uid, own);
}

#[test]
fn keys_made_up_for_two_commands_differ() {
    let bench = Bench::start();
    bench.run("resync --all --dry-run");
    bench.run("resync --all --dry-run");
    let keys: Vec<String> = bench
        .asked()
        .into_iter()
        .map(|request| {
            let Request::Resync(it) = request else { panic!("{request:?}") };
            it.idempotency_key
        })
        .collect();
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn a_failure_says_what_and_what_next_and_its_code() {
    let bench = Bench::start();
    let (exit, out, err) = bench.run("status");
    assert_eq!((exit, out.as_str()), (Exit::Temporary, ""));
    assert_eq!(err, "error: not now\n  hint: later\n  [E-TEST]\n");
}

#[test]
fn without_a_daemon_a_command_says_so_and_ends_temporarily() {
    let (exit, _, err) = run(Path::new("/nonexistent/s"), "status --json");
    assert_eq!(exit, Exit::Temporary);
    assert!(err.contains("[E-CONTROL-UNREACHABLE]"), "{err}");
}

#[test]
fn every_configuration_problem_is_told_at_once() {
    let (exit, _, err) = run(Path::new("/nonexistent/s"), "check");
    assert_eq!(exit, Exit::Configuration);
    assert!(err.contains("problem 1") && err.contains("problem 2"), "{err}");
}

#[test]
fn an_unsound_ledger_is_shown_and_fails() {
    let (exit, out, _) = run(Path::new("/nonexistent/s"), "ledger verify --offline");
    assert_eq!(exit, Exit::Failure);
    assert!(out.contains("spool file 7"), "{out}");
}

#[test]
fn an_export_is_its_owners_alone_and_never_overwrites() {
    let bench = Bench::start();
    let path = bench.folder.path().join("out.csv");
    let line = format!("rejects export --reason audit --output {}", path.display());
    assert_eq!(bench.run(&line).0, Exit::Done);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(", =R1,") || text.contains(", =R1"), "{text}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (exit, _, err) = bench.run(&line);
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("[E-CLI-OUTPUT]"), "{err}");
}

#[test]
fn an_original_cannot_command_the_terminal() {
    let bench = Bench::start();
    let (_, out, _) = bench.run("rejects show 7 --reason audit");
    assert!(out.contains("placeholder") && !out.contains('\u{1b}'), "{out:?}");
}

#[test]
fn a_stopped_listener_leaves_no_socket() {
    let mut bench = Bench::start();
    assert!(bench.socket().exists());
    bench.stop.take().unwrap().send(()).unwrap();
    let Bench { folder, runtime, .. } = bench;
    drop(runtime);
    assert!(!folder.path().join("s").exists());
}

#[test]
fn a_summary_has_the_names_that_scripts_rely_on() {
    let json = serde_json::to_value(Summary::default()).unwrap();
    for path in [
        "/rows/due",
        "/rows/confirmed",
        "/rows/rejected",
        "/rows/queued",
        "/entries/due",
        "/entries/accepted",
        "/entries/rejected",
        "/reconcile/mismatched",
    ] {
        assert!(json.pointer(path).is_some(), "{path}");
    }
}

#[test]
fn status_shows_fifteen_troubles_and_says_where_the_rest_is() {
    let trouble = |count: u64| Attention {
        urgency: Urgency::Warning,
        trouble: protocol::Trouble::Overdue,
        subject: format!("5151-{count:04}"),
        title: "人口".to_owned(),
        count,
        since: None,
        detail: String::new(),
    };
    let shown = |troubles: u64, language| {
        let status = Status {
            city: "示例市".to_owned(),
            version: "1".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
            incarnation: 1,
            watching: None,
            summary: Summary::default(),
            rejected_local: 0,
            rejected_above: 0,
            complete_pass: true,
            channels: Vec::new(),
            attention: (1..=troubles).map(trouble).collect(),
            spool_bytes: 0,
            spool_limit_bytes: 0,
            paused: None,
            http: None,
        };
        View { language, zone: TimeZone::UTC }.show(&Response::Status(Box::new(status)))
    };
    for (language, rest) in [(Language::Chinese, "另有 3 项"), (Language::English, "3 more: ")] {
        let full = shown(15, language);
        assert_eq!(full.matches('⚠').count(), 15);
        assert!(!full.contains("--troubled"), "{full}");
        let cut = shown(18, language);
        assert_eq!(cut.matches('⚠').count(), 15);
        assert!(cut.contains(rest) && cut.contains("cascaded datasets --troubled"), "{cut}");
        assert!(cut.contains("5151-0001") && !cut.contains("5151-0016"), "the worst first: {cut}");
    }
}
