//! `doctor`: what stands in the daemon's way, and whom one waits for.
//!
//! Files, sources and channels are looked at here, whether or not a daemon runs; who is awaited is
//! known to a running daemon alone.

use clap::Args;
use jiff::tz::TimeZone;

use crate::app::{Code, Found, Severity};
use crate::changeover::{DepartmentCount, KindCount};
use crate::control::protocol::{
    LinkQuery, Paging, Request, Response, Shadow, ShadowAct, StandardCheck, Trial,
    Trouble as Awaited,
};

use super::arguments::{Arguments, Format};
use super::client::ask;
use super::show::View;
use super::{Console, Exit, Local, Trouble};
use crate::language::Language;

/// What to look at.
#[derive(Args, Debug)]
pub struct Doctor {
    /// Only the ways prepared for this candidate, `id/version` (候选标准).
    #[arg(long)]
    pub standard: Option<String>,
    /// How it is shown.
    #[command(flatten)]
    pub format: Format,
}

/// Looks, shows, and fails where something is not as it should be. Waiting for somebody is no
/// failure.
pub(super) fn doctor(
    arguments: &Arguments,
    it: &Doctor,
    local: &dyn Local,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let mut findings = local.doctor(&arguments.config, it.standard.as_deref())?;
    findings.extend(awaited(arguments, it.standard.as_deref(), console.view.language));
    if it.format.json {
        console.json(&findings)?;
    } else {
        for finding in &findings {
            console.data(&shown(finding, console.view.language));
        }
    }
    if findings.iter().all(|finding| finding.ok) {
        Ok(())
    } else {
        Err(Trouble { exit: Exit::Failure, failures: Vec::new() })
    }
}

fn shown(finding: &Found, language: Language) -> String {
    let (what, advice) = match language {
        Language::Chinese => (&finding.what_zh, &finding.advice_zh),
        Language::English => (&finding.what, &finding.advice),
    };
    let mark = match finding.severity {
        Severity::Bad => "✗",
        Severity::Warning => "!",
        Severity::Good => "✓",
    };
    let code = finding.code.map_or_else(String::new, |code| format!(" [{code}]"));
    let advice = advice.as_ref().map_or_else(String::new, |advice| format!("    {advice}\n"));
    format!("{mark} {what}{code}\n{advice}")
}

/// Whom one waits for: people who review, verdicts that are late, departments that owe values.
fn awaited(arguments: &Arguments, candidate: Option<&str>, language: Language) -> Vec<Found> {
    let socket = &arguments.socket;
    let mut found = Vec::new();
    let paging = || Paging { after: None, limit: 1 };
    let query = LinkQuery {
        channel: None,
        kind: None,
        state: Some("in_review".to_owned()),
        paging: paging(),
    };
    match ask(socket, language, Request::Links(query)) {
        Ok(Response::Links(links)) => found.push(Found::good([
            format!("the province reviews {} objects", links.total),
            format!("省端审核中的对象：{}", links.total),
        ])),
        Ok(_) | Err(_) => {
            found.push(Found::good([
                "no daemon answers, so nobody knows who is awaited".to_owned(),
                "守护进程未应答，无法得知在等谁".to_owned(),
            ]));
            return found;
        }
    }
    if let Ok(Response::Status(status)) = ask(socket, language, Request::Status {}) {
        for late in status.attention.iter().filter(|it| it.trouble == Awaited::Late) {
            let place = format!("{} {}", late.subject, late.detail);
            let seen = [format!("{}", late.count), format!("{} 项", late.count)];
            let [en, zh] = &seen;
            found.push(Found::of(Code::Late, [&place, &place], [en, zh]));
        }
    }
    found.extend(candidate.map(|candidate| readiness(arguments, candidate, language)));
    found
}

/// What the candidate still waits for: where it was tried, as the test platform says it; otherwise
/// within the city.
fn readiness(arguments: &Arguments, candidate: &str, language: Language) -> Found {
    let (standard, act) = (candidate.to_owned(), ShadowAct::Report {});
    let request = Request::StandardShadow(Shadow { standard, channel: None, act });
    match ask(&arguments.socket, language, request) {
        Ok(Response::Shadow(report)) if report.job.is_some() => {
            let texts = [Language::English, Language::Chinese].map(|language| {
                let view = View { language, zone: TimeZone::UTC };
                let (head, except) = view.readiness(&report);
                format!("{head}; {except}")
            });
            let ok = report.readiness.percent == 100 && report.readiness.values == 0;
            let advice =
                ["`cascaded standard shadow` says more", "详见 `cascaded standard shadow`"];
            let found = ready(ok, candidate, texts);
            if ok { found } else { found.advising(advice) }
        }
        Ok(_) | Err(_) => reckoned(arguments, candidate, language),
    }
}

/// What the candidate still waits for within the city: values, and objects that it would refuse.
fn reckoned(arguments: &Arguments, candidate: &str, language: Language) -> Found {
    let check =
        StandardCheck { standard: candidate.to_owned(), channel: None, trial: Trial::Catalogue {} };
    match ask(&arguments.socket, language, Request::StandardCheck(check)) {
        Ok(Response::Checked(checked)) => {
            let sum = |of: fn(&KindCount) -> u64| {
                checked.kinds.iter().map(of).fold(0, u64::saturating_add)
            };
            let (all, pass) =
                (sum(|it| it.objects - it.not_carried.min(it.objects)), sum(|it| it.pass));
            let owed = |it: &DepartmentCount| it.wanted - it.supplied.min(it.wanted);
            let values: u64 = checked.departments.iter().map(owed).fold(0, u64::saturating_add);
            let percent = ready_percent(pass, all);
            let owing: Vec<String> = (checked.departments.iter().filter(|it| owed(it) > 0))
                .map(|it| format!("{} {}", it.title, owed(it)))
                .collect();
            let of =
                if owing.is_empty() { String::new() } else { format!(" ({})", owing.join(", ")) };
            let ok = percent == 100 && values == 0;
            let except = all.saturating_sub(pass);
            let texts = [
                format!(
                    "{candidate}: ready {percent} %, except {except} objects and {values} values{of}"
                ),
                format!("{candidate}：就绪 {percent} %，尚缺 {except} 个对象、{values} 个值{of}"),
            ];
            ready(ok, candidate, texts)
        }
        Ok(_) => Found::of(Code::Candidate, [candidate, candidate], ["not checked", "未能试算"]),
        Err(trouble) => {
            let why: Vec<&str> = trouble.failures.iter().map(|it| it.what.as_str()).collect();
            Found::at(Code::Candidate, candidate, &why.join("; "))
        }
    }
}

/// How ready a candidate is; a finding where something is missing.
fn ready(ok: bool, candidate: &str, texts: [String; 2]) -> Found {
    let [en, zh] = &texts;
    if ok {
        return Found::good(texts);
    }
    Found::of(Code::Candidate, [candidate, candidate], [en, zh])
}

/// Whole percent, rounded down: 100 only where nothing is missing.
fn ready_percent(pass: u64, all: u64) -> u128 {
    if all == 0 { 100 } else { u128::from(pass.min(all)) * 100 / u128::from(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ready_before_it_is() {
        assert_eq!(
            [(0, 0), (299, 300), (300, 300), (0, 5)].map(|(a, b)| ready_percent(a, b)),
            [100, 99, 100, 0]
        );
    }

    #[test]
    fn each_finding_speaks_both_languages_and_advises_only_where_it_must() {
        let bad = Found::at(Code::Dns, "channel a", "no.such").advising(["do", "做"]);
        let zh = "✗ channel a：域名无法解析——no.such [D-DNS]\n    做\n";
        assert_eq!(shown(&bad, Language::Chinese), zh);
        let en = "✗ channel a: the name has no address - no.such [D-DNS]\n    do\n";
        assert_eq!(shown(&bad, Language::English), en);
        let warned = Found::at(Code::Root, "this machine", "");
        assert!(shown(&warned, Language::English).starts_with("! this machine: "));
        let good = Found::good(["a".to_owned(), "甲".to_owned()]);
        assert_eq!(shown(&good, Language::Chinese), "✓ 甲\n");
    }
}
