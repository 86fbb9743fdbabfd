//! `[control]` and `[audit]`: where the daemon is reached, who may do what there, and who gets the
//! record of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::Deserialize;

use super::Problem;
use crate::control::people::RoleSettings;
use crate::control::protocol::Guard;
use crate::control::{socket, syslog};
use crate::ledger::LEAST_DAYS;

/// `[control]`: where operators and Prometheus reach the daemon.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlSettings {
    /// The unix socket of the command line.
    #[serde(default)]
    pub socket: Option<socket::Settings>,
    /// Where the status page, `/metrics`, `/healthz` and `/readyz` are served.
    #[serde(default)]
    pub http: Option<SocketAddr>,
    /// The unix group whose members act. Default: whoever the socket lets in.
    #[serde(default)]
    pub operators: Option<String>,
    /// The unix group whose members approve. Default: operators.
    #[serde(default)]
    pub approvers: Option<String>,
    /// The unix group whose members look at the record of acts and do nothing else. Default:
    /// operators look at it.
    #[serde(default)]
    pub auditors: Option<String>,
    /// What takes two people: `activate`, `withdraw`, `originals`, `exempt`. Default nothing.
    #[serde(default)]
    pub two_people: BTreeSet<Guard>,
    /// How long an approval may be waited for, in hours. Default 72.
    #[serde(default = "approval_hours")]
    pub approval_hours: u32,
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            socket: None,
            http: None,
            operators: None,
            approvers: None,
            auditors: None,
            two_people: BTreeSet::new(),
            approval_hours: approval_hours(),
        }
    }
}

fn approval_hours() -> u32 {
    72
}

impl ControlSettings {
    /// Who may be what.
    pub fn roles(&self) -> RoleSettings {
        RoleSettings {
            operators: self.operators.clone(),
            approvers: self.approvers.clone(),
            auditors: self.auditors.clone(),
            two_people: self.two_people.clone(),
        }
    }

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let named = [
            ("operators", &self.operators),
            ("approvers", &self.approvers),
            ("auditors", &self.auditors),
        ];
        for (key, group) in named {
            let is_name = |name: &String| {
                let fits = |letter: char| letter.is_ascii_alphanumeric() || "_-.$".contains(letter);
                !name.is_empty() && name.len() <= 32 && name.chars().all(fits)
            };
            if group.as_ref().is_some_and(|name| !is_name(name)) {
                let message = "the name of one unix group is needed";
                problems.push(Problem::new(&format!("control.{key}"), message));
            }
        }
        if self.auditors.is_some()
            && [&self.operators, &self.approvers].into_iter().any(|it| *it == self.auditors)
        {
            let message = "auditors do nothing else: a group of their own is needed";
            problems.push(Problem::new("control.auditors", message));
        }
        if !(1..=720).contains(&self.approval_hours) {
            problems.push(Problem::new("control.approval_hours", "from 1 to 720"));
        }
    }
}

/// `[audit]`: the record of acts.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// How long acts are kept, in days: at least 184. Default for ever.
    #[serde(default)]
    pub keep_days: Option<u32>,
    /// Who gets them.
    #[serde(default)]
    pub syslog: Option<syslog::Settings>,
}

impl AuditSettings {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if self.keep_days.is_some_and(|days| days < LEAST_DAYS) {
            let message = format!("at least {LEAST_DAYS}: acts are kept for six months");
            problems.push(Problem::new("audit.keep_days", &message));
        }
        if let Some((key, message)) = self.syslog.as_ref().and_then(syslog::Settings::problem) {
            problems.push(Problem::new(&format!("audit.syslog.{key}"), &message));
        } else if let Some(settings) = &self.syslog
            && let Err(error) = syslog::Sender::new(settings)
        {
            let chain = crate::telemetry::logs::Chain(&error).to_string();
            problems.push(Problem::new("audit.syslog", &chain));
        }
    }
}
