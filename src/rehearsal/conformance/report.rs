//! The report as a document: what a city hands to its province.
//!
//! Both languages stand side by side. Nothing in it is a credential, and everything that came from
//! outside is escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Outcome, Report};

impl Report {
    /// The report as a web page that needs nothing else.
    pub fn html(&self) -> String {
        let mut out = String::from(HEAD);
        let title = "一致性测试报告 Conformance report";
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        line(format!("<h1>{title}</h1>\n<dl>"));
        for (name, text) in self.facts() {
            line(format!("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(&text)));
        }
        line("</dl>\n<table><tr><th>操作 Operation</th><th>通过 Passed</th><th>未通过 Failed</th></tr>".to_owned());
        for (operation, (title, passed, failed)) in self.operations() {
            let name = escaped(&format!("{operation} {title}"));
            line(format!("<tr><td>{name}</td><td>{passed}</td><td>{failed}</td></tr>"));
        }
        line("</table>".to_owned());
        for outcome in &self.outcomes {
            line(page(outcome));
        }
        line("</body></html>".to_owned());
        out
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::from("# 一致性测试报告 Conformance report\n\n");
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        for (name, text) in self.facts() {
            line(format!("* {name}: {}", cell(&text)));
        }
        line("\n| 操作 Operation | 通过 Passed | 未通过 Failed |\n|---|---|---|".to_owned());
        for (operation, (title, passed, failed)) in self.operations() {
            line(format!("| {} {} | {passed} | {failed} |", cell(operation), cell(title)));
        }
        for outcome in &self.outcomes {
            line(section(outcome));
        }
        out
    }

    fn facts(&self) -> [(&'static str, String); 7] {
        [
            ("标准 Standard", self.standard.clone()),
            ("目录摘要 Digest of its tables (SHA-256)", self.digest.clone()),
            ("平台 Platform", self.target.clone()),
            ("时间 Began", self.began.to_string()),
            ("种子 Seed", self.seed.to_string()),
            ("结果 Result", self.verdict()),
            (
                "说明 Note",
                "所有数据均为虚构，签名与凭证不在报告内。 All data are made up; proofs and \
                 credentials are left out."
                    .to_owned(),
            ),
        ]
    }

    /// Operation to its title and its counts.
    fn operations(&self) -> BTreeMap<&str, (&str, usize, usize)> {
        let mut operations = BTreeMap::new();
        for outcome in &self.outcomes {
            let of = operations.entry(outcome.operation.as_str()).or_insert((
                outcome.operation_title.as_str(),
                0,
                0,
            ));
            match outcome.fault {
                None => of.1 += 1,
                Some(_) => of.2 += 1,
            }
        }
        operations
    }
}

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"zh\"><head><meta charset=\"utf-8\">\
<title>一致性测试报告</title><style>\
body{font-family:sans-serif;max-width:72em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2em .6em;text-align:left}\
pre{background:#f4f4f4;padding:.6em;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}\
details{border-bottom:1px solid #ccc;padding:.3em 0}.no>summary{color:#a00;font-weight:bold}\
dt{font-weight:bold}</style></head><body>\n";

fn mark(outcome: &Outcome) -> &'static str {
    if outcome.fault.is_none() { "✓" } else { "✗" }
}

fn page(outcome: &Outcome) -> String {
    let class = if outcome.fault.is_none() { "yes" } else { "no" };
    let mut out = format!(
        "<details class=\"{class}\"><summary>{} {:03} {} · {} · {}</summary><dl>",
        mark(outcome),
        outcome.number,
        escaped(&outcome.name),
        escaped(&outcome.title.zh),
        escaped(&outcome.title.en),
    );
    let expected = format!("{} · {}", outcome.expected.zh, outcome.expected.en);
    for (name, text) in [("依据 Basis", &outcome.basis), ("应得 Expected", &expected)] {
        let _infallible = write!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(text));
    }
    if let Some(fault) = &outcome.fault {
        let _infallible = write!(out, "<dt>不符 Fault</dt><dd>{}</dd>", escaped(fault));
    }
    for (name, text) in [("发送 Sent", &outcome.sent), ("收到 Came", &outcome.came)] {
        let _infallible = write!(out, "<dt>{name}</dt><dd><pre>{}</pre></dd>", escaped(text));
    }
    out.push_str("</dl></details>");
    out
}

fn section(outcome: &Outcome) -> String {
    let mut out = format!(
        "\n## {} {:03} {}\n\n{} · {}\n\n* 依据 Basis: {}\n* 应得 Expected: {} · {}\n",
        mark(outcome),
        outcome.number,
        cell(&outcome.name),
        cell(&outcome.title.zh),
        cell(&outcome.title.en),
        cell(&outcome.basis),
        outcome.expected.zh,
        outcome.expected.en,
    );
    if let Some(fault) = &outcome.fault {
        let _infallible = writeln!(out, "* 不符 Fault: {}", cell(fault));
    }
    for (name, text) in [("发送 Sent", &outcome.sent), ("收到 Came", &outcome.came)] {
        let _infallible = write!(out, "\n{name}\n\n");
        for line in text.lines() {
            let _infallible = writeln!(out, "    {}", printable(line));
        }
    }
    out
}

/// Text on a page.
fn escaped(text: &str) -> String {
    let text: Vec<String> = text.lines().map(printable).collect();
    let text = text.join("\n");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text in a line of Markdown.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for letter in printable(text).chars() {
        if matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// Without characters that do something.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
