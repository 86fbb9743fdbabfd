//! What somebody outside is told of for as long as it stands.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::look::Look;
use super::page::Certificates;
use super::{Office, Reach};
use crate::control::protocol::Trouble;
use crate::control::webhook::Standing;
use crate::delivery::ChannelId;

/// From so few seconds on, a certificate is told: a province issues a new one in weeks.
const CERTIFICATE_SECONDS: i64 = 30 * 24 * 3600;

impl Office {
    /// What stood in the last look, the worst first.
    pub(in crate::app) fn standing(&self) -> Vec<Standing> {
        self.last.load().as_ref().map(|known| known.standing.clone()).unwrap_or_default()
    }
}

/// The word for a trouble that is told; `None` for those whose numbers move with every batch and
/// which `status`, the page and metrics show.
fn event(trouble: Trouble) -> Option<&'static str> {
    match trouble {
        Trouble::Overdue => Some("overdue"),
        Trouble::Unreachable => Some("source-unreachable"),
        Trouble::Drift => Some("drift"),
        Trouble::Held => Some("held"),
        Trouble::Full => Some("full"),
        Trouble::Silent => Some("interface-silent"),
        Trouble::Late => Some("past-deadline"),
        Trouble::Mismatched => Some("mismatched"),
        Trouble::Refused
        | Trouble::RejectedLocal
        | Trouble::RejectedAbove
        | Trouble::Unusual
        | Trouble::Unapproved
        | Trouble::Plain
        | Trouble::TakingOver
        | Trouble::County => None,
    }
}

impl Look {
    /// What stands now, the worst first.
    pub(super) fn standing(
        &self,
        reach: &BTreeMap<ChannelId, Reach>,
        certificates: &Certificates,
    ) -> Vec<Standing> {
        let of = |event, subject: &str, detail: &str, since: Option<Timestamp>| Standing {
            event,
            subject: subject.to_owned(),
            title: subject.to_owned(),
            detail: detail.to_owned(),
            count: 1,
            since,
        };
        let mut list = Vec::new();
        for channel in &self.channels {
            let name = channel.id.as_str();
            if let Some(since) = reach.get(&channel.id).and_then(|reach| reach.silent_since) {
                list.push(of("channel-down", name, "", Some(since)));
            }
            for (holder, end) in certificates.of(&channel.id) {
                if end.duration_since(self.at).as_secs() < CERTIFICATE_SECONDS {
                    list.push(of("certificate-ends", name, holder.as_str(), Some(end)));
                }
            }
        }
        for it in self.troubles() {
            let Some(event) = event(it.trouble) else { continue };
            let (subject, title, detail) = (it.subject, it.title, it.detail);
            list.push(Standing { event, subject, title, detail, count: it.count, since: it.since });
        }
        list
    }
}
