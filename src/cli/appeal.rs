//! `score evidence` and `score evidence-check`: the appeal bundle is written and checked here, by
//! who typed the command; the daemon is only asked what it holds.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::json;

use super::evidence as of_daemon;
use super::score::{ScoreEvidence, ScoreGiven};
use super::text::Message;
use super::{Console, Exit, Trouble, judge};
use crate::control::protocol::Failure;
use crate::indicator::bundle::{Bundle, MAX_BYTES};
use crate::indicator::evidence::{self, Proven, Question, Wrong};
use crate::indicator::lists::Lists;

/// `score evidence`.
pub(super) fn evidence(
    it: &ScoreEvidence,
    socket: &Path,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let (bundle, proven) = if it.given.is_offline() {
        of_tables(it, socket, console)?
    } else {
        of_daemon::make(it, socket, console)?
    };
    let told = |error: std::io::Error| trouble("E-CLI-OUTPUT", error.to_string(), &it.out);
    // Nothing is ever written over.
    let mut file = OpenOptions::new().write(true).create_new(true).open(&it.out).map_err(told)?;
    file.write_all(&bundle.write()).and_then(|()| file.sync_all()).map_err(told)?;
    say(Message::EvidenceMade, &proven, it.format.json, console)
}

/// A bundle of tables; with `--live` beside them what the daemon holds.
fn of_tables(
    it: &ScoreEvidence,
    socket: &Path,
    console: &Console<'_>,
) -> Result<(Bundle, Proven), Trouble> {
    let mut inputs = inputs(&it.given)?;
    let (_, month) = judge::judged_by(&it.given)?;
    let question = Question { month, body: it.given.body.clone(), item: it.item.clone() };
    let told = |wrong: Wrong| of_wrong(&wrong, &it.out);
    let made = evidence::make(&question, inputs.clone()).map_err(told)?;
    if !it.live {
        return Ok(made);
    }
    of_daemon::live(&made.1, socket, console, &mut inputs)?;
    evidence::make(&question, inputs).map_err(told)
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
    let (scheme, _) = judge::judged_by(given)?;
    let mut inputs = BTreeMap::new();
    let mut put = |name: String, path: &Path| -> Result<(), Trouble> {
        inputs.insert(format!("input/{name}"), bytes(path)?);
        Ok(())
    };
    put("scheme.toml".to_owned(), scheme)?;
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
        for name in Lists::FILES {
            let path = folder.join(name);
            if path.exists() {
                put(format!("lists/{name}"), &path)?;
            }
        }
    }
    Ok(inputs)
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

pub(super) fn of_wrong(wrong: &Wrong, path: &Path) -> Trouble {
    let code = match wrong {
        Wrong::Item(_) => "E-SCORE-ITEM",
        Wrong::Input { .. } => "E-SCORE-TABLE",
        Wrong::NotWhole(_) | Wrong::Derived(_) => "E-EVIDENCE",
    };
    trouble(code, wrong.to_string(), path)
}

pub(super) fn trouble(code: &str, what: String, path: &Path) -> Trouble {
    let place = Some(path.display().to_string());
    let failure = Failure { code: code.to_owned(), what, place, next: None, temporary: false };
    Trouble::one(Exit::Failure, failure)
}
