//! Facts as a table that people can write: for worked examples and for months before the ledger.
//!
//! `fields` holds what a kind of fact needs, as `name=value` separated by `;`. The names are those
//! that the ledger stores; what it would refuse is refused here.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::sheet::{Problem, Sheet};
use crate::delivery::ChannelId;
use crate::fact::{Fact, FactId, Kind};

/// Reads a table of `occurred,kind,subject,channel,fields,basis,remark`.
///
/// Facts are numbered by their rows and written by `writer`; `occurred` without an offset is Chinese time. `basis` says
/// whether the row was told by somebody (`told`) or is modelled (`model`).
pub fn parse(file: &str, text: &str, writer: &str) -> Result<Vec<Fact>, Vec<Problem>> {
    let columns = ["occurred", "kind", "subject", "channel", "fields", "basis", "remark"];
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    let mut number = 0;
    Sheet::read(file, text, &columns, &["channel", "remark"]).map(|row, problem| {
        number += 1;
        let local = |text: &str| text.parse().ok().and_then(|at| zone.to_timestamp(at).ok());
        let occurred = row.get("occurred");
        let occurred = occurred.parse::<Timestamp>().ok().or_else(|| local(occurred));
        if occurred.is_none() {
            let what = format!("`{}` is no time (`2022-02-25T17:30`)", row.get("occurred"));
            problem("occurred", what);
        }
        if !matches!(row.get("basis"), "told" | "model") {
            problem("basis", format!("`{}` is neither `told` nor `model`", row.get("basis")));
        }
        if row.get("subject").is_empty() {
            problem("subject", "is empty".to_owned());
        }
        let fields: Vec<(&str, &str)> = row
            .get("fields")
            .split(';')
            .filter(|field| !field.trim().is_empty())
            .map(|field| field.split_once('=').unwrap_or((field, "")))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let local = local_deadline(&fields, local);
        let given: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (*name, local_value(name, value, &local))).collect();
        let kind = Kind::from_fields(row.get("kind"), &given);
        match &kind {
            None => problem("fields", format!("are not those of a fact `{}`", row.get("kind"))),
            Some(kind) => {
                let known = kind.fields();
                let stray = given.iter().find(|(name, _)| known.iter().all(|(it, _)| it != name));
                if let Some((name, _)) = stray {
                    problem("fields", format!("`{name}` is no field of `{}`", kind.as_str()));
                }
            }
        }
        let (occurred, kind) = (occurred?, kind?);
        let channel = Some(row.get("channel")).filter(|it| !it.is_empty()).map(ChannelId::from);
        let day = zone.to_datetime(occurred).date();
        let id = FactId { writer: writer.into(), day, number };
        let subject = row.get("subject").to_owned();
        Some(Fact {
            id,
            channel,
            kind,
            subject,
            occurred,
            recorded: occurred,
            cause: None,
            amends: None,
        })
    })
}

/// A deadline may be written in local time, as everything a person writes.
fn local_deadline(
    fields: &[(&str, &str)],
    local: impl Fn(&str) -> Option<Timestamp>,
) -> Option<String> {
    let (_, written) = fields.iter().find(|(name, _)| *name == "deadline")?;
    local(written).map(|at| at.to_string())
}

fn local_value<'v>(name: &str, value: &'v str, local: &'v Option<String>) -> &'v str {
    match local {
        Some(deadline) if name == "deadline" => deadline,
        _ => value,
    }
}
