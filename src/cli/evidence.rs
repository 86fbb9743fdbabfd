//! `score evidence` of what the running daemon knows: asked for part by part, proven here, put
//! together and written by who typed the command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::appeal::{of_wrong, trouble};
use super::client::ask;
use super::score::ScoreEvidence;
use super::{Console, Trouble};
use crate::control::protocol::{
    BatchQuery, EvidenceHeld, EvidenceJudged, EvidencePart, EvidenceQuery, LinkQuery, MAX_PAGE,
    Paging, Request, Response, ScoreAnswer, ScoreRequest,
};
use crate::indicator::bundle::Bundle;
use crate::indicator::evidence::{self, LEDGER, Proven, Question};
use crate::indicator::ledgered::{self, Ledgered};
use crate::indicator::scheme::{Month, Scheme};
use crate::indicator::sources::{Judged, Sources};

/// The most facts of a month that are looked through.
const MOST_FACTS: usize = 1_000_000;
/// The most bytes of texts that a month is judged by.
const MOST_TEXT: usize = 64 << 20;
/// The most links and batches that are put in.
const MOST_ENTRIES: usize = 20_000;
/// Subjects of one question.
const SUBJECTS: usize = 500;

type Inputs = BTreeMap<String, Vec<u8>>;

/// Asks the daemon and makes the bundle.
pub(super) fn make(
    it: &ScoreEvidence,
    socket: &Path,
    console: &Console<'_>,
) -> Result<(Bundle, Proven), Trouble> {
    let asking = Asking { socket, console };
    let scheme = it.given.scheme.as_ref().map(|it| it.display().to_string());
    let month = it.given.month.map(|month| month.to_string());
    let told = asking.judged(month, scheme.clone())?;
    let sources = asking.sources(&told, scheme.as_ref())?;
    let judged = sources.read().map_err(|unread| asking.wrong(&unread.to_string()))?;
    let month = Month::parse(&told.month).ok_or_else(|| asking.wrong("it names no month"))?;
    let item = item_of(&judged.scheme, &it.item).unwrap_or_else(|| it.item.clone());
    let question = Question { month, body: it.given.body.clone(), item };
    let facts = asking.facts(&told, scheme.as_ref())?;
    let facts = ledgered::needed(&question, &judged, facts);
    let mut inputs = given(&sources, &facts);
    let (_, proven) =
        evidence::make(&question, inputs.clone()).map_err(|wrong| of_wrong(&wrong, &it.out))?;
    let subjects = with_neighbours(subjects(&proven), &judged);
    let held = asking.held(&told, scheme.as_ref(), &subjects)?;
    beside(&told, &held, &mut inputs);
    asking.put_links_and_batches(&subjects, &mut inputs)?;
    evidence::make(&question, inputs).map_err(|wrong| of_wrong(&wrong, &it.out))
}

/// What the daemon holds of the objects that an item's findings name: links with their upper ids,
/// batches with their receipts. For bundles made from tables.
pub(super) fn live(
    proven: &Proven,
    socket: &Path,
    console: &Console<'_>,
    inputs: &mut Inputs,
) -> Result<(), Trouble> {
    let asking = Asking { socket, console };
    asking.put_links_and_batches(&subjects(proven), inputs)
}

/// An item by its name or the last part of it, where that is one.
fn item_of(scheme: &Scheme, name: &str) -> Option<String> {
    let ids = || scheme.items.iter().map(|item| item.id.as_str());
    if ids().any(|id| id == name) {
        return Some(name.to_owned());
    }
    let ending = format!(".{name}");
    let mut found = ids().filter(|id| id.ends_with(&ending));
    let first = found.next()?;
    found.next().is_none().then(|| first.to_owned())
}

/// The subjects of an item's findings.
fn subjects(proven: &Proven) -> BTreeSet<String> {
    let findings = proven.item.used.iter().flat_map(|(_, figure)| &figure.findings);
    findings.map(|it| it.subject.clone()).filter(|it| !it.is_empty()).collect()
}

/// With what stands on the same line of the list: of an entry its resources and its dataset, and the
/// other way round.
fn with_neighbours(mut subjects: BTreeSet<String>, judged: &Judged) -> BTreeSet<String> {
    for it in &judged.lists.obligations {
        let mut line = vec![format!("entry:{}", it.entry)];
        line.extend(it.resources.iter().map(|id| format!("resource:{id}")));
        line.extend(Some(it.dataset.clone()).filter(|it| !it.is_empty()));
        if line.iter().any(|it| subjects.contains(it)) {
            subjects.extend(line);
        }
    }
    subjects
}

fn given(sources: &Sources, facts: &[Ledgered]) -> Inputs {
    let mut inputs: Inputs = sources
        .files()
        .map(|(name, text)| (format!("input/{name}"), text.as_bytes().to_vec()))
        .collect();
    let lines: String = facts.iter().map(|it| it.line() + "\n").collect();
    inputs.insert(format!("input/{LEDGER}"), lines.into_bytes());
    inputs
}

/// What the daemon said beside the facts.
fn beside(told: &EvidenceJudged, held: &EvidenceHeld, inputs: &mut Inputs) {
    let mut put = |name: &str, content: Vec<u8>| {
        inputs.insert(format!("live/{name}"), content);
    };
    put("replies.json", serde_json::to_vec_pretty(&held.replies).unwrap_or_default());
    put("clocks.json", serde_json::to_vec_pretty(&held.clocks).unwrap_or_default());
    put("counts.json", serde_json::to_vec_pretty(&held.counts).unwrap_or_default());
    let mut chains = told.chains.join("\n") + "\n";
    if told.chains_more > 0 {
        chains.push_str(&format!("{} more\n", told.chains_more));
    }
    put("chains.txt", chains.into_bytes());
    if let Some(closed) = &told.closed {
        let text = format!(
            "closed {}\nlast-fact {}\nfacts {}\njudged-by {}\n{}",
            closed.at, closed.last_fact, closed.facts, closed.judged_by, closed.body
        );
        put("closed.txt", text.into_bytes());
    }
}

struct Asking<'a, 'c> {
    socket: &'a Path,
    console: &'a Console<'c>,
}

impl Asking<'_, '_> {
    fn wrong(&self, what: &str) -> Trouble {
        trouble("E-EVIDENCE", what.to_owned(), self.socket)
    }

    fn part(&self, query: EvidenceQuery) -> Result<EvidencePart, Trouble> {
        let request = Request::Score(ScoreRequest::Evidence(query));
        let response = ask(self.socket, self.console.view.language, request)?;
        let Response::Score(ScoreAnswer::Evidence(part)) = response else {
            return Err(self.unasked());
        };
        Ok(*part)
    }

    fn unasked(&self) -> Trouble {
        trouble("E-CONTROL-ANSWER", "it is not what was asked for".to_owned(), self.socket)
    }

    fn judged(
        &self,
        month: Option<String>,
        scheme: Option<String>,
    ) -> Result<EvidenceJudged, Trouble> {
        match self.part(EvidenceQuery::Judged { month, scheme })? {
            EvidencePart::Judged(it) => Ok(it),
            EvidencePart::Text { .. } | EvidencePart::Facts { .. } | EvidencePart::Held(_) => {
                Err(self.unasked())
            }
        }
    }

    fn sources(&self, told: &EvidenceJudged, scheme: Option<&String>) -> Result<Sources, Trouble> {
        let mut sources = Sources::default();
        for name in &told.files {
            let (mut all, mut from) = (String::new(), Some(0));
            while let Some(at) = from {
                let (month, scheme) = (told.month.clone(), scheme.cloned());
                let query = EvidenceQuery::Text { month, scheme, name: name.clone(), from: at };
                let EvidencePart::Text { text, next } = self.part(query)? else {
                    return Err(self.unasked());
                };
                all.push_str(&text);
                if all.len() > MOST_TEXT {
                    return Err(self.wrong(&format!("`{name}` is too large")));
                }
                from = next;
            }
            sources.put(name.as_str(), all);
        }
        Ok(sources)
    }

    fn facts(
        &self,
        told: &EvidenceJudged,
        scheme: Option<&String>,
    ) -> Result<Vec<Ledgered>, Trouble> {
        let (mut all, mut after, mut is_more) = (Vec::new(), None, true);
        while is_more {
            let (month, scheme) = (told.month.clone(), scheme.cloned());
            let last_fact = told.last_fact;
            let query = EvidenceQuery::Facts { month, scheme, last_fact, after: after.take() };
            let EvidencePart::Facts { lines, next } = self.part(query)? else {
                return Err(self.unasked());
            };
            let read = ledgered::parse(lines.iter().map(String::as_str));
            all.extend(read.map_err(|unchained| self.wrong(&unchained.to_string()))?);
            if all.len() > MOST_FACTS {
                let what = format!("the month reads more than {MOST_FACTS} facts");
                return Err(self.wrong(&what));
            }
            is_more = next.is_some();
            after = next;
        }
        Ok(all)
    }

    fn held(
        &self,
        told: &EvidenceJudged,
        scheme: Option<&String>,
        subjects: &BTreeSet<String>,
    ) -> Result<EvidenceHeld, Trouble> {
        let list: Vec<String> = subjects.iter().cloned().collect();
        let mut parts: Vec<Vec<String>> = list.chunks(SUBJECTS).map(<[String]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let mut all = EvidenceHeld::default();
        for subjects in parts {
            let (month, scheme) = (told.month.clone(), scheme.cloned());
            let EvidencePart::Held(it) =
                self.part(EvidenceQuery::Held { month, scheme, subjects })?
            else {
                return Err(self.unasked());
            };
            all.replies.extend(it.replies);
            all.replies_cut |= it.replies_cut;
            all.clocks = it.clocks;
            all.counts.extend(it.counts);
        }
        Ok(all)
    }

    fn put_links_and_batches(
        &self,
        subjects: &BTreeSet<String>,
        inputs: &mut Inputs,
    ) -> Result<(), Trouble> {
        let language = self.console.view.language;
        let (mut links, mut batches, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let paging = Paging { after, limit: MAX_PAGE };
            let request = Request::Links(LinkQuery { paging, ..LinkQuery::default() });
            let Response::Links(page) = ask(self.socket, language, request)? else {
                return Err(self.unasked());
            };
            for link in page.entries {
                let link = self.value(&link)?;
                if links.len() < MOST_ENTRIES && is_about(&link, subjects) {
                    links.push(link);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for subject in subjects.iter().filter(|it| !it.contains(':')) {
            let paging = Paging { after: None, limit: MAX_PAGE };
            let dataset = Some(subject.clone());
            let request = Request::Batches(BatchQuery { dataset, paging, ..BatchQuery::default() });
            // A case is no dataset: the daemon says that it knows none of that name.
            if let Ok(Response::Batches(page)) = ask(self.socket, language, request) {
                let room = MOST_ENTRIES.saturating_sub(batches.len());
                for batch in page.entries.iter().take(room) {
                    batches.push(self.value(batch)?);
                }
            }
        }
        for (name, entries) in [("links", links), ("batches", batches)] {
            let text = serde_json::to_vec_pretty(&entries).unwrap_or_default();
            inputs.insert(format!("live/{name}.json"), text);
        }
        Ok(())
    }

    fn value(&self, of: &impl serde::Serialize) -> Result<Value, Trouble> {
        let told = |error: serde_json::Error| trouble("E-CLI-JSON", error.to_string(), self.socket);
        serde_json::to_value(of).map_err(told)
    }
}

/// Whether a link is of an entry, or of an object, that a finding names.
fn is_about(link: &Value, subjects: &BTreeSet<String>) -> bool {
    let text = |key: &str| link.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}:{}", text("kind"), text("id"));
    subjects.contains(&name)
}
