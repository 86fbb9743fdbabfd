//! The commands that documents and alerts tell people to type are commands that exist.

use cascaded::cli::arguments::Arguments;
use clap::Parser;

use super::{none, read};

const DOCUMENTS: [&str; 4] =
    ["README.md", "deploy/manual.zh.md", "deploy/CHANGES.md", "deploy/prometheus/alerts.yml"];

/// What stands for something of the reader's own, and an example of it.
const PLACEHOLDERS: [(&str, &str); 7] = [
    ("数据集", "5151-0207"),
    ("编号", "17"),
    ("理由", "complaint"),
    ("文件", "/srv/export.csv"),
    ("标准目录", "/usr/share/cascaded/standards/reference-xml/1.0"),
    ("目录", "/backup/today"),
    ("…", ""),
];

/// Every command of ours in a text: in fences one on a line, in prose between backticks, in alerts
/// between quotation marks. What follows two blanks is a remark.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            in_fence = !in_fence;
            continue;
        }
        if in_fence {
            found.extend(command(trimmed));
            continue;
        }
        let mark = if trimmed.starts_with("runbook: \"") { '"' } else { '`' };
        found.extend(line.split(mark).skip(1).step_by(2).filter_map(command));
    }
    found
}

fn command(text: &str) -> Option<String> {
    let text = text.strip_prefix("$ ").unwrap_or(text);
    let rest =
        text.strip_prefix("cascaded ").or_else(|| text.strip_prefix("cargo run --release -- "))?;
    let rest = rest.split("  ").next().unwrap_or_default().trim();
    Some(format!("cascaded {rest}"))
}

/// The words of a command with examples in place of what is the reader's own.
fn words(command: &str) -> Vec<String> {
    let mut command = command.to_owned();
    while let Some((before, rest)) = command.split_once("{{") {
        let after = rest.split_once("}}").map_or("", |(_, after)| after);
        command = format!("{before}example{after}");
    }
    for (placeholder, example) in PLACEHOLDERS {
        command = command.replace(placeholder, example);
    }
    command.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_documented_command_is_understood() {
    let mut findings = Vec::new();
    let mut count = 0;
    for document in DOCUMENTS {
        for command in commands(&read(document)) {
            count += 1;
            if let Err(error) = Arguments::try_parse_from(words(&command))
                && error.exit_code() != 0
            {
                let reason = error.to_string();
                let reason = reason.lines().next().unwrap_or_default();
                findings.push(format!("{document}: `{command}`: {reason}"));
            }
        }
    }
    assert!(count > 30, "only {count} commands were found");
    none(&findings);
}

#[test]
fn commands_are_found_where_people_read_them() {
    let text = "Ask `cascaded status` or `cascaded.service`.\n```\ncascaded jobs list    all\nls\n```\n\
                runbook: \"cascaded datasets {{ $labels.dataset }}\"\n";
    let found = commands(text);
    assert_eq!(
        found,
        ["cascaded status", "cascaded jobs list", "cascaded datasets {{ $labels.dataset }}"]
    );
    assert_eq!(words(&found[2]), ["cascaded", "datasets", "example"]);
}
