//! What the kernel saw: every payload was made durable and given its name before it was read for
//! sending, so before any byte of it left. The program runs under strace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cascaded::clock::Clock;

use crate::support::daemon::{TestCity, run};
use crate::support::process::{PATIENCE, PROGRAM};
use crate::support::town::{town, wrong};

const CALLS: &str = "trace=openat,fdatasync,fsync,rename,renameat,renameat2,write,writev,sendto,\
     sendmsg";

/// Where in the trace each step of one payload is.
#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    synced: Option<usize>,
    named: Option<usize>,
    read: Option<usize>,
    sent: Option<usize>,
}

/// Reads a trace of `strace -f -y`. A call that was interrupted by another thread's counts where
/// it began for what must come after it, and where it ended for what must come before.
fn steps(trace: &str) -> BTreeMap<String, Steps> {
    let mut found: BTreeMap<String, Steps> = BTreeMap::new();
    let mut unfinished: BTreeMap<String, String> = BTreeMap::new();
    let mut waiting: BTreeSet<String> = BTreeSet::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread.to_owned(), begun.to_owned());
            if is_socket_write(begun) {
                sent(&mut found, &mut waiting, at);
            }
            continue;
        }
        let whole = if call.starts_with("<... ") {
            unfinished.remove(thread).unwrap_or_default() + call
        } else {
            call.to_owned()
        };
        if is_socket_write(&whole) {
            sent(&mut found, &mut waiting, at);
        }
        let Some(batch) = payload(&whole) else { continue };
        let steps = found.entry(batch.clone()).or_default();
        if whole.starts_with("fdatasync") && whole.contains(".tmp") {
            steps.synced.get_or_insert(at);
        } else if whole.starts_with("rename") {
            steps.named.get_or_insert(at);
        } else if whole.starts_with("openat") && whole.contains("O_RDONLY") && steps.read.is_none()
        {
            steps.read = Some(at);
            waiting.insert(batch);
        }
    }
    found
}

fn is_socket_write(call: &str) -> bool {
    ["write(", "writev(", "sendto(", "sendmsg("].iter().any(|name| call.starts_with(name))
        && (call.contains("<TCP:") || call.contains("<socket:"))
}

/// The first write to a socket after a payload was read is the earliest that can carry it.
fn sent(found: &mut BTreeMap<String, Steps>, waiting: &mut BTreeSet<String>, at: usize) {
    for batch in std::mem::take(waiting) {
        found.entry(batch).or_default().sent.get_or_insert(at);
    }
}

/// The batch whose spool file a call is about.
fn payload(call: &str) -> Option<String> {
    let (before, _) = call.split_once(".batch")?;
    let name = before.rsplit('/').next()?;
    before.contains("/spool/").then(|| name.to_owned())
}

fn begin(city: &TestCity, trace: &Path, sabotage: Option<&str>) -> Child {
    Command::new("strace")
        .args(["-f", "-y", "-s", "0", "-e", CALLS, "-o"])
        .arg(trace)
        .arg(PROGRAM)
        .args(["run", "--config"])
        .arg(city.configuration_file())
        .env("RUST_LOG", "error")
        .envs(sabotage.map(|switch| ("CASCADED_SABOTAGE", switch)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace is installed by tests/run")
}

/// Asks the traced program to stop; strace ends with it.
fn end(mut strace: Child) {
    let id = strace.id();
    let children = format!("/proc/{id}/task/{id}/children");
    let children = std::fs::read_to_string(children).unwrap();
    for child in children.split_whitespace() {
        assert!(Command::new("kill").args(["-TERM", child]).status().unwrap().success());
    }
    strace.wait().unwrap();
}

/// Runs a town under strace; the batches whose payload was not durable before it was read.
async fn not_durable(sabotage: Option<&str>) -> (usize, Vec<String>) {
    let city = town(200, &Clock::system(), |plan| plan.seed = 41).await;
    let trace = city.path().join("trace");
    let strace = begin(&city, &trace, sabotage);
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    let waited = tokio::time::timeout(PATIENCE, async {
        while !wrong(&city).await.is_empty() {
            looks.tick().await;
        }
    });
    let complete = waited.await.is_ok();
    end(strace);
    assert!(complete, "not everything arrived under strace: {:?}", wrong(&city).await);
    let found = steps(&std::fs::read_to_string(&trace).unwrap());
    let received = city.platform.times_received().unwrap();
    let early = received
        .keys()
        .filter(|batch| {
            let steps = found.get(*batch).copied().unwrap_or_default();
            let (Some(synced), Some(named), Some(read), Some(sent)) =
                (steps.synced, steps.named, steps.read, steps.sent)
            else {
                return true;
            };
            !(synced < named && named < read && read < sent)
        })
        .map(|batch| format!("{batch}: {:?}", found.get(batch)))
        .collect();
    city.close().await;
    (received.len(), early)
}

#[test]
fn a_payload_is_durable_before_its_first_byte_leaves() {
    run(async {
        let (batches, early) = not_durable(None).await;
        println!("under strace: {batches} batches, each payload durable before it was sent");
        assert!(batches > 20, "{batches}");
        assert!(early.is_empty(), "{early:#?}");
    });
}

#[cfg(feature = "sabotage")]
#[test]
fn without_the_sync_the_trace_shows_it() {
    run(async {
        let (batches, early) = not_durable(Some("unsynced")).await;
        println!("unsynced: {} of {batches} batches were not durable", early.len());
        assert_eq!(early.len(), batches);
    });
}

#[test]
fn a_trace_is_read_also_where_threads_interrupt_each_other() {
    let trace = "\
7 openat(AT_FDCWD, \"/x/spool/a.batch.tmp\", O_WRONLY|O_CREAT) = 9</x/spool/a.batch.tmp>
7 fdatasync(9</x/spool/a.batch.tmp> <unfinished ...>
8 sendto(5<TCP:[1->2]>, \"\"..., 3, 0) = 3
7 <... fdatasync resumed>) = 0
7 rename(\"/x/spool/a.batch.tmp\", \"/x/spool/a.batch\") = 0
8 openat(AT_FDCWD, \"/x/spool/a.batch\", O_RDONLY) = 6</x/spool/a.batch>
8 writev(5<TCP:[1->2]>, \"\"..., 3) = 3
";
    let found = steps(trace);
    let steps = found.get("a").unwrap();
    assert_eq!(
        (steps.synced, steps.named, steps.read, steps.sent),
        (Some(3), Some(4), Some(5), Some(6))
    );
}
