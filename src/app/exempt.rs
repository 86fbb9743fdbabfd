//! Exemptions that nobody approved of do not count, where they take two people.
//!
//! A line of `exemptions.csv` is taken out of the configuration that is put to work until its
//! digest is among the approved, wherever the line came from: a reload, a restart, an editor. The
//! lines that are new wait together as one request, asked for by whoever has the configuration read
//! again, or by the daemon where it reads it by itself.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::config::{Configuration, Indicator};
use crate::control::protocol::Guard;
use crate::delivery::DigestSha256;
use crate::indicator::lists::{Exemption, Lists};
use crate::indicator::sources::LISTS;
use crate::ledger::{Actor, ApprovalState, Ledger, NewAct, NewApproval};

/// What such a request is called.
const NAME: &str = "exemptions";
/// The list's file.
const FILE: &str = "exemptions.csv";
/// Approvals that are looked through.
const MOST: u32 = 500;
/// Entries that a request names.
const NAMED: usize = 5;

/// The configuration with those exemptions that count.
pub(super) async fn approved_only(
    mut read: Configuration,
    ledger: &Ledger,
) -> anyhow::Result<Configuration> {
    let Some(by) = read.indicator.clone() else { return Ok(read) };
    if !read.control.two_people.contains(&Guard::Exempt) {
        return Ok(read);
    }
    let lines: Vec<DigestSha256> = by.lists.exemptions.iter().map(digest).collect();
    let missing = ledger.lines_unapproved(lines).await?;
    if missing.is_empty() {
        return Ok(read);
    }
    let is_missing = |it: &&Exemption| missing.contains(&digest(it));
    let named: Vec<&str> = by
        .lists
        .exemptions
        .iter()
        .filter(is_missing)
        .take(NAMED)
        .map(|it| it.entry.as_str())
        .collect();
    tracing::warn!(
        count = missing.len(),
        "exemptions do not count until somebody approves of them"
    );
    ask(ledger, &missing, named.join(" "), read.control.approval_hours).await?;
    read.indicator = Some(Arc::new(without(&by, &missing)));
    Ok(read)
}

/// By what is judged, without these lines: also in the texts by which a month is closed.
fn without(by: &Indicator, missing: &[DigestSha256]) -> Indicator {
    let kept: Vec<Exemption> =
        by.lists.exemptions.iter().filter(|it| !missing.contains(&digest(it))).cloned().collect();
    let mut other = by.clone();
    let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
    other.digest = DigestSha256::of(format!("{} without {}", by.digest, told.join(" ")).as_bytes());
    let text = std::iter::once(HEAD.to_owned()).chain(kept.iter().map(line)).collect::<String>();
    other.texts.insert(format!("{LISTS}{FILE}"), text.into());
    other.lists = Arc::new(Lists { exemptions: kept, ..Lists::clone(&by.lists) });
    other
}

async fn ask(
    ledger: &Ledger,
    missing: &[DigestSha256],
    named: String,
    hours: u32,
) -> anyhow::Result<()> {
    let (actor, person) = ledger.reloading().await?.unwrap_or((Actor::default(), String::new()));
    let lines: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let more = if missing.len() > NAMED { " …" } else { "" };
    let new = NewApproval {
        guard: Guard::Exempt.as_str().to_owned(),
        name: NAME.to_owned(),
        detail: format!("{} exemptions: {named}{more}", missing.len()),
        request: serde_json::to_string(&lines)?,
        bound: String::new(),
        actor,
        person,
        lifetime: SignedDuration::from_hours(i64::from(hours)),
    };
    let digest = new.digest();
    // Once somebody said no, the same lines are not asked for again.
    let is_known = |state| match state {
        ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Declined => true,
        ApprovalState::Expired | ApprovalState::Done | ApprovalState::Failed => false,
    };
    let known = ledger.approvals(true, MOST).await?;
    if known.iter().any(|it| it.digest == digest && is_known(it.state)) {
        return Ok(());
    }
    let (actor, person, detail) = (new.actor, new.person.clone(), new.detail.clone());
    let Some((asked, _)) = ledger.approval_asked(new).await? else {
        tracing::warn!("too much waits for an approval: exemptions are not asked for");
        return Ok(());
    };
    let outcome = Some(format!("waits for approval {} ({digest})", asked.number));
    let name = NAME.to_owned();
    let act = NewAct { actor, person, role: String::new(), name, detail, outcome };
    ledger.act_recorded(act).await?;
    Ok(())
}

const HEAD: &str = "entry,measure,from,until,reason,approval\n";

/// A line as the list's file has it, whoever wrote it and in whatever order of columns.
fn line(it: &Exemption) -> String {
    let until = it.until.map_or_else(String::new, |until| until.to_string());
    let cells = [&it.entry, &it.measure, &it.from.to_string(), &until, &it.reason, &it.approval];
    let quoted = cells.map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
    quoted.join(",") + "\n"
}

fn digest(it: &Exemption) -> DigestSha256 {
    DigestSha256::of(line(it).as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::indicator::lists::exemptions;

    proptest! {
        #[test]
        fn a_line_is_read_back_as_it_was(
            entry in "[a-z0-9,\" 房]{0,9}x", reason in "[^\r\n\u{feff}]{0,20}x", until in any::<bool>(),
        ) {
            let it = Exemption {
                entry: entry.trim().to_owned(),
                measure: "*".to_owned(),
                from: "2026-11-01".parse().unwrap(),
                until: until.then(|| "2026-12-01".parse().unwrap()),
                reason: reason.trim().to_owned(),
                approval: "阅〔2026〕1 号".to_owned(),
            };
            let text = HEAD.to_owned() + &line(&it);
            prop_assert_eq!(exemptions("e.csv", &text).unwrap(), [it]);
        }
    }
}
