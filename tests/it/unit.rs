//! The unit on systemd 243 (of 2019, what servers of that age carry) as well as 252: each directive
//! with the version that introduced it, and what function needs is as old as 243.
//!
//! systemd ignores a directive it does not know and writes one line to the journal. So a newer one
//! may stand in the unit only if the daemon works without it: it tightens the sandbox, or its
//! absence is made up for elsewhere.

use std::collections::BTreeMap;

use crate::tidy::read;

/// The oldest systemd the unit is for.
const OLDEST: u32 = 243;

/// What the daemon loses on a systemd that is older than the directive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Without {
    /// It does not run as it should: no such directive may be newer than [`OLDEST`].
    Function,
    /// One wall of the sandbox less.
    Wall,
}
use Without::{Function, Wall};

/// Directive, the version that introduced it (systemd's NEWS and manual), what is lost without it.
const DIRECTIVES: [(&str, u32, Without); 60] = [
    ("After", 1, Function),
    ("AmbientCapabilities", 229, Wall),
    ("CapabilityBoundingSet", 1, Wall),
    ("Description", 1, Function),
    ("DevicePolicy", 208, Wall),
    ("Documentation", 1, Function),
    ("Environment", 1, Function),
    ("ExecReload", 1, Function),
    ("ExecStart", 1, Function),
    ("ExecStartPre", 1, Function),
    ("Group", 1, Function),
    ("KillMode", 1, Function),
    ("LimitNOFILE", 1, Function),
    ("LockPersonality", 235, Wall),
    ("MemoryDenyWriteExecute", 231, Wall),
    ("MemoryHigh", 231, Wall),
    ("MemoryMax", 231, Wall),
    ("NoNewPrivileges", 187, Wall),
    ("NotifyAccess", 1, Function),
    ("OOMPolicy", 243, Wall),
    ("PrivateDevices", 209, Wall),
    ("PrivateIPC", 248, Wall),
    ("PrivateMounts", 239, Wall),
    ("PrivateTmp", 1, Wall),
    ("ProtectClock", 245, Wall),
    ("ProtectControlGroups", 232, Wall),
    ("ProtectHome", 214, Wall),
    ("ProtectHostname", 242, Wall),
    ("ProtectKernelLogs", 244, Wall),
    ("ProtectKernelModules", 232, Wall),
    ("ProtectKernelTunables", 232, Wall),
    ("ProtectProc", 247, Wall),
    ("ProtectSystem", 214, Wall),
    ("RemoveIPC", 232, Wall),
    ("Restart", 1, Function),
    ("RestartPreventExitStatus", 189, Function),
    ("RestartSec", 1, Function),
    ("RestrictAddressFamilies", 211, Wall),
    ("RestrictNamespaces", 233, Wall),
    ("RestrictRealtime", 231, Wall),
    ("RestrictSUIDSGID", 242, Wall),
    ("RuntimeDirectory", 211, Function),
    ("RuntimeDirectoryMode", 211, Function),
    ("StartLimitBurst", 229, Function),
    ("StartLimitIntervalSec", 230, Function),
    ("StateDirectory", 235, Function),
    ("StateDirectoryMode", 235, Function),
    ("SystemCallArchitectures", 209, Wall),
    ("SystemCallErrorNumber", 209, Wall),
    ("SystemCallFilter", 187, Wall),
    ("TasksMax", 227, Wall),
    ("TimeoutStartSec", 188, Function),
    ("TimeoutStopSec", 188, Function),
    ("Type", 1, Function),
    ("UMask", 1, Function),
    ("User", 1, Function),
    ("WantedBy", 1, Function),
    ("Wants", 1, Function),
    ("WatchdogSec", 183, Function),
    // Named in remarks, for a drop-in.
    ("LoadCredential", 247, Wall),
];

fn known() -> BTreeMap<&'static str, (u32, Without)> {
    DIRECTIVES.iter().map(|(name, since, without)| (*name, (*since, *without))).collect()
}

/// The unit's directives with their values, remarks aside.
fn directives(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with(['#', '[', ';']));
    lines.filter_map(|line| line.split_once('=')).collect()
}

/// Why a unit's text is not for [`OLDEST`].
fn findings(text: &str) -> Vec<String> {
    let known = known();
    let mut findings = Vec::new();
    for (name, _) in directives(text) {
        match known.get(name) {
            None => findings.push(format!("{name} is not in the table")),
            Some((since, Function)) if *since > OLDEST => {
                findings.push(format!("{name} came with systemd {since} and function needs it"));
            }
            Some(_) => {}
        }
    }
    findings
}

#[test]
fn what_function_needs_is_as_old_as_the_oldest_systemd() {
    let text = read("deploy/cascaded.service");
    assert!(directives(&text).len() > 50, "{:?}", directives(&text));
    assert_eq!(findings(&text), Vec::<String>::new());
}

#[test]
fn a_newer_or_unheard_of_directive_is_found() {
    assert_eq!(findings("Environment=A\nExitType=cgroup\n"), ["ExitType is not in the table"]);
    assert_eq!(directives("#A=1\n[Unit]\nB=2=3"), [("B", "2=3")]);
    assert_eq!(known().len(), DIRECTIVES.len(), "a directive stands twice");
}

#[test]
fn the_manual_names_every_directive_an_older_systemd_ignores() {
    let (unit, manual) = (read("deploy/cascaded.service"), read("deploy/manual.zh.md"));
    let known = known();
    for (name, _) in directives(&unit) {
        let (since, _) = known[name];
        let shown = format!("`{name}`（{since}）");
        assert!(since <= OLDEST || manual.contains(&shown), "the manual lacks {shown}");
    }
    assert!(manual.contains("`LoadCredential`（247）"));
}

#[test]
fn no_value_is_of_a_newer_systemd() {
    // `Type=notify-reload` (253), `ProtectSystem=strict` (232), `%d` for credentials (251),
    // `Restart=on-failure` of old: values have versions too.
    let text = read("deploy/cascaded.service");
    for (name, value) in directives(&text) {
        assert!(!value.contains("notify-reload"), "{name}={value}");
        assert!(!value.contains("%d"), "{name}={value}: a specifier of systemd 251");
    }
    // Nothing of the unit itself demands credentials: the folder of a drop-in may be absent.
    assert!(directives(&text).iter().all(|(name, _)| !name.contains("Credential")));
}
