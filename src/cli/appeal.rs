//! `score evidence` and `score evidence-check`: the appeal bundle is written and checked here, by
//! who typed the command; the daemon is only asked what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::client::ask;
use super::score::{ScoreEvidence, ScoreGiven};
use super::text::Message;
use super::{Console, Exit, Trouble, judge};
use crate::control::protocol::{
    BatchQuery, Failure, LinkQuery, MAX_PAGE, Paging, Request, Response,
};
use crate::indicator::bundle::MAX_BYTES;
use crate::indicator::evidence::{self, Proven, Question, Wrong};

/// The most links and batches that are put in.
const MOST_ENTRIES: usize = 20_000;
/// The lists that a folder may hold.
const LISTS: [&str; 5] =
    ["obligations.csv", "exemptions.csv", "bodies.csv", "kept.csv", "leads.csv"];

/// `score evidence`.
pub(super) fn evidence(
    it: &ScoreEvidence,
    socket: &Path,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let (_, month) = judge::scheme(&it.given)?;
    let mut inputs = inputs(&it.given)?;
    let body = it.given.body.clone();
    let question = Question { month, body, item: it.item.clone() };
    let (mut bundle, mut proven) =
        evidence::make(&question, inputs.clone()).map_err(|wrong| of_wrong(&wrong, &it.out))?;
    if it.live {
        live(&proven, socket, console, &mut inputs)?;
        (bundle, proven) =
            evidence::make(&question, inputs).map_err(|wrong| of_wrong(&wrong, &it.out))?;
    }
    let told = |error: std::io::Error| trouble("E-CLI-OUTPUT", error.to_string(), &it.out);
    // Nothing is ever written over.
    let mut file = OpenOptions::new().write(true).create_new(true).open(&it.out).map_err(told)?;
    file.write_all(&bundle.write()).and_then(|()| file.sync_all()).map_err(told)?;
    say(Message::EvidenceMade, &proven, it.format.json, console)
}

/// `score evidence-check`.
pub(super) fn check(
    path: &Path,
    digest: Option<&str>,
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let archive = bytes(path)?;
    let proven = evidence::check(&archive).map_err(|wrong| of_wrong(&wrong, path))?;
    if digest.is_some_and(|digest| !digest.eq_ignore_ascii_case(&proven.digest.to_string())) {
        let what = "it is whole, but not the one of this digest".to_owned();
        return Err(trouble("E-EVIDENCE", what, path));
    }
    say(Message::EvidenceHolds, &proven, json, console)
}

fn say(
    message: Message,
    proven: &Proven,
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let points = proven.item.points.map_or_else(|| "?".to_owned(), |it| it.to_string());
    if json {
        return console.json(&json!({
            "month": proven.question.month.to_string(),
            "item": proven.question.item,
            "points": points,
            "facts": proven.facts,
            "digest": proven.digest.to_string(),
        }));
    }
    let fill = [
        proven.question.month.to_string(),
        proven.question.item.clone(),
        points,
        proven.facts.to_string(),
        proven.digest.to_string(),
    ];
    let line = console.view.say(message, &fill.each_ref().map(String::as_str));
    console.data(&(line + "\n"));
    Ok(())
}

/// The files as they are, under the names that a bundle gives them.
fn inputs(given: &ScoreGiven) -> Result<BTreeMap<String, Vec<u8>>, Trouble> {
    let mut inputs = BTreeMap::new();
    let mut put = |name: String, path: &Path| -> Result<(), Trouble> {
        inputs.insert(format!("input/{name}"), bytes(path)?);
        Ok(())
    };
    if let Some(scheme) = &given.scheme {
        put("scheme.toml".to_owned(), scheme)?;
    }
    for (number, path) in (1_u32..).zip(&given.facts) {
        put(format!("facts-{number}.csv"), path)?;
    }
    for (number, path) in (1_u32..).zip(&given.values) {
        put(format!("values-{number}.csv"), path)?;
    }
    if let Some(path) = &given.cities {
        put("cities.csv".to_owned(), path)?;
    }
    if let Some(folder) = &given.lists {
        for name in LISTS {
            let path = folder.join(name);
            if path.exists() {
                put(format!("lists/{name}"), &path)?;
            }
        }
    }
    Ok(inputs)
}

/// What the daemon holds of the objects that the item's findings name: links with their upper ids,
/// batches with their receipts and the province's times.
fn live(
    proven: &Proven,
    socket: &Path,
    console: &Console<'_>,
    inputs: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), Trouble> {
    let findings = proven.item.used.iter().flat_map(|(_, figure)| &figure.findings);
    let subjects: BTreeSet<&str> = findings.map(|it| it.subject.as_str()).collect();
    let mut links = Vec::new();
    let mut after = None;
    loop {
        let paging = Paging { after, limit: MAX_PAGE };
        let request = Request::Links(LinkQuery { paging, ..LinkQuery::default() });
        let Response::Links(page) = ask(socket, console.view.language, request)? else {
            return Err(trouble("E-CONTROL-ANSWER", "no list of links".to_owned(), socket));
        };
        for link in page.entries {
            let link = value(&link)?;
            if links.len() < MOST_ENTRIES && is_about(&link, &subjects) {
                links.push(link);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut batches = Vec::new();
    for subject in subjects.iter().filter(|it| !it.contains(':') && !it.is_empty()) {
        let paging = Paging { after: None, limit: MAX_PAGE };
        let dataset = Some((*subject).to_owned());
        let request = Request::Batches(BatchQuery { dataset, paging, ..BatchQuery::default() });
        // A case is no dataset: the daemon says that it knows none of that name.
        if let Ok(Response::Batches(page)) = ask(socket, console.view.language, request) {
            for batch in page.entries.iter().take(MOST_ENTRIES.saturating_sub(batches.len())) {
                batches.push(value(batch)?);
            }
        }
    }
    for (name, entries) in [("links", links), ("batches", batches)] {
        let text = serde_json::to_vec_pretty(&entries).unwrap_or_default();
        inputs.insert(format!("live/{name}.json"), text);
    }
    Ok(())
}

/// Whether a link is of an entry, or of an object, that a finding names.
fn is_about(link: &Value, subjects: &BTreeSet<&str>) -> bool {
    let text = |key: &str| link.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}:{}", text("kind"), text("id"));
    subjects.contains(name.as_str())
}

fn value(of: &impl serde::Serialize) -> Result<Value, Trouble> {
    let told =
        |error: serde_json::Error| trouble("E-CLI-JSON", error.to_string(), Path::new("live"));
    serde_json::to_value(of).map_err(told)
}

fn bytes(path: &Path) -> Result<Vec<u8>, Trouble> {
    let told = |error: std::io::Error| trouble("E-SCORE-FILE", error.to_string(), path);
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(told)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() > MAX_BYTES {
        return Err(trouble("E-SCORE-FILE", "it is too large".to_owned(), path));
    }
    Ok(bytes)
}

fn of_wrong(wrong: &Wrong, path: &Path) -> Trouble {
    let code = match wrong {
        Wrong::Item(_) => "E-SCORE-ITEM",
        Wrong::Input { .. } => "E-SCORE-TABLE",
        Wrong::NotWhole(_) | Wrong::Derived(_) => "E-EVIDENCE",
    };
    trouble(code, wrong.to_string(), path)
}

fn trouble(code: &str, what: String, path: &Path) -> Trouble {
    let place = Some(path.display().to_string());
    let failure = Failure { code: code.to_owned(), what, place, next: None, temporary: false };
    Trouble::one(Exit::Failure, failure)
}
