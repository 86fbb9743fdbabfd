//! Scores as operators ask for them, from the ledger as it is at that moment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{Office, failure, told};
use crate::app::judge::{Judge, NotJudged, closed};
use crate::control::protocol::{
    BodyLine, Bring, Brought, BroughtKind, By, Closed, Failure, PlanSheet, Points, RankSheet,
    ScoreAnswer, ScoreNote, ScoreQuery, ScoreRequest, ScoreSheet, ScoreVerified,
};
use crate::indicator::part::part_of_loss;
use crate::indicator::recover::recover_of;
use crate::indicator::replay::{score_of, score_until, span};
use crate::indicator::scheme::{Month, Scheme, in_force};
use crate::indicator::score::Score;
use crate::indicator::tally::{Body, Tally};
use crate::indicator::{brought, sheet};
use crate::ledger::{self, NewFact};

/// The most regions, departments or datasets of one answer.
const MOST_BODIES: usize = 500;
/// The most batches that are named with a finding.
const MOST_BATCHES: u32 = 3;
/// The most findings of an item whose batches are looked up.
const MOST_LOOKED_UP: usize = 20;

/// What is asked about.
pub(super) struct Of {
    pub(super) judge: Judge,
    pub(super) scheme: Scheme,
    pub(super) month: Month,
    pub(super) body: Body,
    /// What was recorded by then; of a running month the score is as of then.
    pub(super) now: Timestamp,
    pub(super) is_now: bool,
}

/// What an answer is computed from.
struct Asked {
    judge: Judge,
    scheme: Scheme,
    month: Month,
    body: Body,
    now: Timestamp,
    is_now: bool,
    tally: Tally<'static>,
}

impl Asked {
    /// The month is not over.
    fn is_running(&self) -> bool {
        self.now < self.tally.span().to
    }

    /// The tally of the month before, where a scheme held in it: for trends.
    async fn before(&self) -> Result<Option<Tally<'static>>, Failure> {
        let month = self.month.before();
        let Ok(scheme) = self.judge.scheme(month) else { return Ok(None) };
        self.judge.tally_by(scheme, month, self.now).await.map(Some).map_err(told)
    }

    fn score(&self, body: &Body) -> Score {
        let field = &self.judge.by().field;
        if self.is_running() {
            score_until(&self.tally, &self.scheme, body, field, self.now)
        } else {
            score_of(&self.tally, &self.scheme, body, field)
        }
    }
}

impl Office {
    /// Answers what is asked about scores.
    pub(super) async fn score(&self, it: &ScoreRequest) -> Result<ScoreAnswer, Failure> {
        Ok(match it {
            ScoreRequest::Show(query) => ScoreAnswer::Sheet(Box::new(self.sheet(query).await?)),
            ScoreRequest::Rank(query) => {
                let asked = self.asked(query).await?;
                let score = asked.score(&asked.body);
                ScoreAnswer::Rank(RankSheet::of(&asked.scheme, &score, &asked.judge.by().field))
            }
            ScoreRequest::Recover(query) => {
                let asked = self.asked(query).await?;
                let field = &asked.judge.by().field;
                let plan = recover_of(&asked.tally, &asked.scheme, &asked.body, field, asked.now);
                let month = Some(asked.month.to_string());
                ScoreAnswer::Plan(PlanSheet { month, ..PlanSheet::of(&plan) })
            }
            ScoreRequest::Forecast(query) => self.forecast(query).await?,
            ScoreRequest::Doubts(query) => self.doubts(query).await?,
            ScoreRequest::Calibrate(query) => self.calibrate(query).await?,
            ScoreRequest::Verify {} => ScoreAnswer::Verified(self.score_verified().await?),
            ScoreRequest::Bring(it) => ScoreAnswer::Brought(self.brought(it).await?),
            ScoreRequest::Days(query) => ScoreAnswer::Days(self.days(query).await?),
            ScoreRequest::Evidence(it) => ScoreAnswer::Evidence(Box::new(self.evidence(it).await?)),
        })
    }

    /// A judge by what is configured now.
    pub(super) fn judge(&self) -> Result<Judge, Failure> {
        let by = self.works().configuration.indicator.clone().ok_or_else(|| {
            let next = "name a scheme and its folder in `[indicator]`, then `cascaded reload`";
            failure("E-SCORE-UNCONFIGURED", "no scoring scheme is configured", Some(next))
        })?;
        Ok(Judge::new(self.crew.ledger.clone(), by))
    }

    async fn asked(&self, query: &ScoreQuery) -> Result<Asked, Failure> {
        let Of { judge, scheme, month, body, now, is_now } = self.of(query)?;
        let tally = judge.tally_by(&scheme, month, now).await.map_err(told)?;
        Ok(Asked { judge, scheme, month, body, now, is_now, tally })
    }

    /// Whom a query is about, by which scheme, as of when.
    pub(super) fn of(&self, query: &ScoreQuery) -> Result<Of, Failure> {
        let judge = self.judge()?;
        let now = query.known_by.unwrap_or_else(|| self.now());
        let month = match &query.month {
            Some(text) => Month::parse(text).ok_or_else(|| {
                failure("E-SCORE-MONTH", format!("`{text}` is no month"), Some("write 2026-11"))
            })?,
            None => judge.running(now).map_err(not_judged)?,
        };
        let scheme = match &query.scheme {
            None => judge.scheme(month).map_err(not_judged)?.clone(),
            Some(id) => in_force(&judge.by().schemes, id, month)
                .cloned()
                .ok_or_else(|| not_judged(NotJudged::Scheme { scheme: id.clone(), month }))?,
        };
        let text = query.body.as_deref().unwrap_or("city");
        let body = body_of(text).filter(is_judged).ok_or_else(|| {
            let next = "write city, region:ID or department:ID";
            failure("E-SCORE-BODY", format!("`{text}` is nobody who is judged"), Some(next))
        })?;
        // Of a month that has not begun nothing is known.
        if span(&scheme, month, now).from > now {
            let next = Some("leave `--month` out for the running month");
            return Err(failure("E-SCORE-MONTH", format!("{month} has not begun"), next));
        }
        let is_now = query.known_by.is_none();
        Ok(Of { judge, scheme, month, body, now, is_now })
    }

    async fn sheet(&self, query: &ScoreQuery) -> Result<ScoreSheet, Failure> {
        let asked = self.asked(query).await?;
        let score = asked.score(&asked.body);
        let mut sheet = ScoreSheet::of(&asked.scheme, &score);
        sheet.known_by = (!asked.is_now).then_some(asked.now);
        let by = asked.judge.by();
        if asked.is_running() {
            let whole = score_of(&asked.tally, &asked.scheme, &asked.body, &by.field);
            sheet.at_cut_off = Some(Points(whole.total));
            sheet.notes.push(ScoreNote::Running);
        }
        if asked.body == Body::City && !asked.is_running() {
            sheet.closed = self.closed(&asked, &score).await?;
        }
        if by.lists.obligations.is_empty() {
            sheet.notes.push(ScoreNote::NoObligations);
        }
        if by.settings.cities.is_none() {
            sheet.notes.push(ScoreNote::NoCities);
        }
        if let Some(item) = &query.item {
            self.narrow(&mut sheet, item).await?;
        }
        if let Some(by @ (By::Region | By::Department | By::Dataset)) = query.by {
            let before = asked.before().await?;
            let (bodies, more) = bodies(&asked, &before, &score, by);
            (sheet.bodies, sheet.bodies_more) = (bodies, more);
        }
        Ok(sheet)
    }

    /// What the month was closed with, and what came to be known since.
    async fn closed(&self, asked: &Asked, score: &Score) -> Result<Option<Closed>, Failure> {
        let (month, scheme) = (asked.month.to_string(), asked.scheme.id.clone());
        let to = asked.tally.span().to;
        let found = self.crew.ledger.period(month, scheme, to).await.map_err(told)?;
        let Some((period, late_facts)) = found else { return Ok(None) };
        let Some(total) = closed::total(&period) else { return Ok(None) };
        Ok(Some(Closed {
            at: period.closed_at,
            total: Points(total),
            late_facts,
            change: Points((score.total - total).normalize()),
            judged_otherwise: period.judged_by != asked.judge.by().sources(asked.month).digest(),
        }))
    }

    /// Leaves one item, with the batches that tell of what lowers it.
    async fn narrow(&self, sheet: &mut ScoreSheet, item: &str) -> Result<(), Failure> {
        let is_it = |id: &str| id == item;
        let ends_so = |id: &str| id.ends_with(&format!(".{item}"));
        let mut found: Vec<&str> =
            sheet.items.iter().map(|it| it.id.as_str()).filter(|id| is_it(id)).collect();
        if found.is_empty() {
            found = sheet.items.iter().map(|it| it.id.as_str()).filter(|id| ends_so(id)).collect();
        }
        let [id] = found.as_slice() else {
            let what = format!("no item `{item}` of {} marks {}", sheet.scheme, sheet.body);
            return Err(failure("E-SCORE-ITEM", what, Some("`cascaded score show` lists them")));
        };
        let id = (*id).to_owned();
        sheet.items.retain(|it| it.id == id);
        let figures = sheet.items.iter_mut().flat_map(|it| &mut it.computed_from);
        let findings = figures.flat_map(|figure| &mut figure.findings).take(MOST_LOOKED_UP);
        for finding in findings {
            finding.batches = self.batches_of(&finding.subject).await?;
        }
        Ok(())
    }

    /// The newest batches about a subject: identifier, state, receipt.
    async fn batches_of(&self, subject: &str) -> Result<Vec<String>, Failure> {
        let query = ledger::BatchQuery {
            subject: Some(subject.to_owned()),
            limit: MOST_BATCHES,
            ..ledger::BatchQuery::default()
        };
        let (found, _) = self.crew.ledger.batch_page(query).await.map_err(told)?;
        let line = |(it, receipt): (ledger::Waiting, Option<String>)| {
            let receipt = receipt.map_or(String::new(), |receipt| format!(" {receipt}"));
            format!("{} {}{receipt}", it.batch.id, it.batch.state.as_str())
        };
        Ok(found.into_iter().map(line).collect())
    }

    async fn score_verified(&self) -> Result<ScoreVerified, Failure> {
        let ledger = &self.crew.ledger;
        let (facts, mut problems) = ledger.history_verified().await.map_err(told)?;
        let (months, more) = ledger.periods_verified().await.map_err(told)?;
        problems.extend(more);
        let judge = self.judge().ok();
        let again = closed::recomputed(ledger, judge.as_ref()).await.map_err(told)?;
        problems.extend(again.problems);
        let (recomputed, notes) = (again.months, again.notes);
        Ok(ScoreVerified { facts, months, recomputed, problems, notes })
    }

    /// Writes down what a table says, each row once however often it is brought in.
    async fn brought(&self, it: &Bring) -> Result<Brought, Failure> {
        let read = match it.kind {
            BroughtKind::Cases => brought::cases(&it.file, &it.text),
            BroughtKind::Values => brought::values(&it.file, &it.text),
            BroughtKind::Notices => brought::notices(&it.file, &it.text),
            BroughtKind::Results => brought::results(&it.file, &it.text),
        };
        let made = read.map_err(|problems| of_table(&problems))?;
        let facts: Vec<NewFact> = made.into_iter().map(new_fact).collect();
        let count = u64::try_from(facts.len()).unwrap_or(u64::MAX);
        let new = self.crew.ledger.facts_brought(facts).await.map_err(told)?;
        Ok(Brought { facts: count, new })
    }
}

/// A row's fact as the ledger takes it.
pub(in crate::app) fn new_fact(made: brought::Made) -> NewFact {
    let brought::Made { channel, subject, kind, occurred } = made;
    NewFact { channel, subject, kind, occurred, amends: None }
}

/// The first problem of a table, and how many there are.
fn of_table(problems: &[sheet::Problem]) -> Failure {
    let what = problems.first().map_or_else(String::new, |it| it.what.clone());
    let mut told = failure(sheet::Problem::CODE, what, None);
    told.place = problems.first().map(sheet::Problem::place);
    if problems.len() > 1 {
        told.next = Some(format!("{} problems in all; nothing was brought in", problems.len()));
    }
    told
}

/// Who is judged, or looked at: a dataset is never judged.
pub(super) fn body_of(text: &str) -> Option<Body> {
    if text == "city" {
        return Some(Body::City);
    }
    let (kind, id) = text.split_once(':').filter(|(_, id)| !id.is_empty())?;
    match kind {
        "region" => Some(Body::Region(id.to_owned())),
        "department" => Some(Body::Department(id.to_owned())),
        "dataset" => Some(Body::Dataset(id.to_owned())),
        _ => None,
    }
}

fn is_judged(body: &Body) -> bool {
    match body {
        Body::City | Body::Region(_) | Body::Department(_) => true,
        Body::Dataset(_) => false,
    }
}

pub(super) fn not_judged(error: NotJudged) -> Failure {
    match error {
        NotJudged::Ledger(error) => told(error),
        NotJudged::Scheme { .. } => {
            let next = "`cascaded score check` reads a scheme; `[indicator]` names its folder";
            failure("E-SCORE-MONTH", error.to_string(), Some(next))
        }
    }
}

/// The bodies that lose most, and how many are left out.
fn bodies(
    asked: &Asked,
    before: &Option<Tally<'static>>,
    city: &Score,
    by: By,
) -> (Vec<BodyLine>, u64) {
    // As they count: what was struck off without an approval is still on them.
    let lists = asked.tally.lists();
    let mut known: BTreeMap<String, (Body, String, String)> = BTreeMap::new();
    let class_of = |id: &str| {
        let found = lists.bodies.iter().find(|it| it.id == id);
        found.map_or_else(String::new, |it| it.class.clone())
    };
    let mut add = |id: &str, body: Body, title: &str, class: String| {
        if !id.is_empty() {
            known.insert(id.to_owned(), (body, title.to_owned(), class));
        }
    };
    for it in &lists.obligations {
        match by {
            By::Region => {
                add(&it.region, Body::Region(it.region.clone()), "", class_of(&it.region));
            }
            By::Department => {
                let body = Body::Department(it.department.clone());
                add(&it.department, body, "", class_of(&it.department));
            }
            By::Dataset => {
                let body = Body::Dataset(it.dataset.clone());
                add(&it.dataset, body, &it.title, it.department.clone());
            }
            By::Item | By::Class | By::Day => {}
        }
    }
    for it in &lists.tasks {
        match by {
            By::Region => {
                add(&it.region, Body::Region(it.region.clone()), "", class_of(&it.region));
            }
            By::Department => {
                let body = Body::Department(it.department.clone());
                add(&it.department, body, "", class_of(&it.department));
            }
            By::Dataset | By::Item | By::Class | By::Day => {}
        }
    }
    if by == By::Department {
        // Cases have owners that need not stand on any other list.
        let findings = city.items.iter().flat_map(|it| &it.used).flat_map(|(_, it)| &it.findings);
        let owners: BTreeSet<&str> = findings.map(|it| it.owner.as_str()).collect();
        for owner in owners {
            add(owner, Body::Department(owner.to_owned()), "", class_of(owner));
        }
    }
    let mut lines: Vec<BodyLine> = known
        .into_iter()
        .map(|(id, (body, title, class))| BodyLine { id, title, class, ..line(asked, city, &body) })
        .collect();
    lines.sort_by(|a, b| a.part_of_loss.cmp(&b.part_of_loss).then_with(|| a.id.cmp(&b.id)));
    let more = lines.len().saturating_sub(MOST_BODIES);
    lines.truncate(MOST_BODIES);
    for line in &mut lines {
        let body = match by {
            By::Region => Body::Region(line.id.clone()),
            By::Department => Body::Department(line.id.clone()),
            By::Dataset | By::Item | By::Class | By::Day => Body::Dataset(line.id.clone()),
        };
        let figures = before.iter().flat_map(|tally| tally.figures(&body));
        let words = figures.filter(|(name, _)| name.starts_with("valid."));
        line.before =
            words.filter_map(|(name, figure)| Some((name, shown(figure.value?)))).collect();
    }
    (lines, u64::try_from(more).unwrap_or(u64::MAX))
}

pub(super) fn shown(value: Decimal) -> Points {
    Points(value.round_dp(6).normalize())
}

fn line(asked: &Asked, city: &Score, body: &Body) -> BodyLine {
    let mut whole = asked.tally.span();
    if asked.is_running() {
        whole.day = asked.scheme.period.zone.to_datetime(asked.now).date().min(whole.day);
        whole.to = asked.now;
    }
    let figures = asked.tally.figures_until(body, whole);
    let score = asked.score(body);
    let measures = figures.iter().filter(|(name, _)| !name.starts_with("value."));
    let measures = measures.filter_map(|(name, figure)| Some((name.clone(), shown(figure.value?))));
    BodyLine {
        id: String::new(),
        title: String::new(),
        class: String::new(),
        total: (!score.items.is_empty()).then_some(Points(score.total)),
        part_of_loss: Points(part_of_loss(city, &figures)),
        measures: measures.collect(),
        before: BTreeMap::new(),
    }
}
