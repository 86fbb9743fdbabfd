//! What an appeal needs, part by part: whoever asks puts it together and writes it where he may.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::score::not_judged;
use super::{Office, failure, told};
use crate::app::judge::Judge;
use crate::app::judge::read::{Mark, Reading};
use crate::control::protocol::{
    ClockLine, CountLine, EvidenceClosed, EvidenceHeld, EvidenceJudged, EvidencePart,
    EvidenceQuery, Failure, ReplyLine,
};
use crate::indicator::ledgered::Ledgered;
use crate::indicator::replay::span;
use crate::indicator::scheme::{Month, Scheme, in_force};
use crate::indicator::sources::{Judged, SCHEME, Sources};
use crate::ledger::{ClockDay, FlowState, Horizon, Period, Said};

/// Bytes of a text that are answered at once.
const TEXT_BYTES: usize = 1 << 20;
/// Ends of chains that are told.
const MOST_CHAINS: u32 = 1_000;
/// Subjects of one question.
const MOST_SUBJECTS: usize = 500;
/// Answers of the province about one subject, and in all.
const MOST_OF_ONE: u32 = 100;
const MOST_REPLIES: usize = 500;

/// By what a month is judged, as asked.
struct Asked {
    judge: Judge,
    month: Month,
    scheme: Scheme,
    sources: Sources,
    closed: Option<Period>,
}

impl Asked {
    /// What the texts say.
    fn judged(&self) -> Result<Judged, Failure> {
        self.sources.read().map_err(|unread| {
            let next = "`cascaded score verify` proves what a closed month was judged by";
            failure("E-EVIDENCE", unread.to_string(), Some(next))
        })
    }
}

impl Office {
    /// Answers one part.
    pub(super) async fn evidence(&self, it: &EvidenceQuery) -> Result<EvidencePart, Failure> {
        Ok(match it {
            EvidenceQuery::Judged { month, scheme } => {
                let asked = self.of_month(month.as_deref(), scheme.as_deref()).await?;
                EvidencePart::Judged(self.told_judged(&asked).await?)
            }
            EvidenceQuery::Text { month, scheme, name, from } => {
                let asked = self.of_month(Some(month), scheme.as_deref()).await?;
                text_part(&asked.sources, name, *from)?
            }
            EvidenceQuery::Facts { month, scheme, last_fact, after } => {
                let asked = self.of_month(Some(month), scheme.as_deref()).await?;
                self.facts_part(&asked, *last_fact, after.as_deref()).await?
            }
            EvidenceQuery::Held { month, scheme, subjects } => {
                let asked = self.of_month(Some(month), scheme.as_deref()).await?;
                EvidencePart::Held(Box::new(self.held(&asked, subjects).await?))
            }
        })
    }

    async fn of_month(&self, month: Option<&str>, scheme: Option<&str>) -> Result<Asked, Failure> {
        let judge = self.judge()?;
        let month = match month {
            Some(text) => Month::parse(text).ok_or_else(|| {
                failure("E-SCORE-MONTH", format!("`{text}` is no month"), Some("write 2026-11"))
            })?,
            None => judge.running(self.now()).map_err(not_judged)?,
        };
        let id = scheme.unwrap_or(&judge.by().settings.scheme).to_owned();
        let scheme = in_force(&judge.by().schemes, &id, month).cloned().ok_or_else(|| {
            not_judged(crate::app::judge::NotJudged::Scheme { scheme: id.clone(), month })
        })?;
        let ledger = &self.crew.ledger;
        let to = span(&scheme, month, Timestamp::MAX).to;
        let closed = ledger.period(month.to_string(), id.clone(), to).await.map_err(told)?;
        let closed = closed.map(|(period, _)| period);
        // A closed month is judged by what it was closed by, whatever is configured by now.
        let mut sources = Sources::default();
        if closed.is_some() {
            sources = ledger.sources_of(month.to_string(), id).await.map_err(told)?;
        }
        if sources.files().next().is_none() {
            sources = judge.by().sources_by(&scheme);
        }
        Ok(Asked { judge, month, scheme, sources, closed })
    }

    async fn told_judged(&self, asked: &Asked) -> Result<EvidenceJudged, Failure> {
        let ledger = &self.crew.ledger;
        let horizon = ledger.horizon(Timestamp::MAX).await.map_err(told)?;
        let (chains, all) = ledger.chains(MOST_CHAINS).await.map_err(told)?;
        let shown = u64::try_from(chains.len()).unwrap_or(u64::MAX);
        Ok(EvidenceJudged {
            month: asked.month.to_string(),
            scheme: asked.scheme.id.clone(),
            files: asked.sources.files().map(|(name, _)| name.to_owned()).collect(),
            last_fact: horizon.last,
            closed: asked.closed.as_ref().map(|it| EvidenceClosed {
                at: it.closed_at,
                last_fact: it.last_fact,
                facts: it.facts.to_string(),
                judged_by: it.judged_by.to_string(),
                body: it.body.clone(),
            }),
            chains: chains.into_iter().map(|(id, digest)| format!("{id} {digest}")).collect(),
            chains_more: all.saturating_sub(shown),
        })
    }

    async fn facts_part(
        &self,
        asked: &Asked,
        last: u64,
        after: Option<&str>,
    ) -> Result<EvidencePart, Failure> {
        let mark = match after {
            None => Mark::default(),
            Some(text) => Mark::parse(text).ok_or_else(|| {
                let next = Some("go on where the page before ended");
                failure("E-CONTROL-REQUEST", format!("`{text}` is no mark"), next)
            })?,
        };
        let (ledger, judged) = (asked.judge.ledger(), asked.judged()?);
        let span = span(&judged.scheme, asked.month, Timestamp::MAX);
        let horizon = Horizon { last, known_by: Timestamp::MAX };
        let reading = Reading::new(ledger, &judged.lists, span, horizon).await.map_err(told)?;
        let (mut facts, next) = reading.page(mark).await.map_err(told)?;
        facts.retain(|fact| !reading.amended().contains(&fact.id));
        let ids = facts.iter().map(|fact| fact.id.clone()).collect();
        let chained = ledger.chained(ids).await.map_err(told)?;
        let lines = facts.into_iter().zip(chained);
        let lines = lines
            .map(|(fact, (before, digest))| Ledgered { before, digest, fact }.line())
            .collect();
        Ok(EvidencePart::Facts { lines, next: next.map(|mark| mark.to_string()) })
    }

    async fn held(&self, asked: &Asked, subjects: &[String]) -> Result<EvidenceHeld, Failure> {
        if subjects.len() > MOST_SUBJECTS {
            let what = format!("more than {MOST_SUBJECTS} subjects at once");
            return Err(failure("E-CONTROL-REQUEST", what, Some("ask in parts")));
        }
        let ledger = &self.crew.ledger;
        let span = span(&asked.scheme, asked.month, Timestamp::MAX);
        let mut held = EvidenceHeld::default();
        let all = [String::new()];
        let of = if subjects.is_empty() { &all[..] } else { subjects };
        for subject in of {
            let (times, subject) = ((span.from, Timestamp::MAX), subject.clone());
            let most = if subject.is_empty() { MOST_REPLIES } else { 100 };
            let most = u32::try_from(most).unwrap_or(MOST_OF_ONE);
            let said = ledger.said(subject, times, most.saturating_add(1)).await.map_err(told)?;
            let more = said.len() > usize::try_from(most).unwrap_or(usize::MAX);
            let room = MOST_REPLIES.saturating_sub(held.replies.len());
            held.replies_cut |= more || said.len() > room;
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            held.replies.extend(said.into_iter().take(most.min(room)).map(reply));
        }
        let zone = jiff::tz::TimeZone::UTC;
        let days = (zone.to_datetime(span.from).date(), zone.to_datetime(span.to).date());
        let clocks = ledger.clocks(days.0, days.1).await.map_err(told)?;
        held.clocks = clocks.into_iter().map(clock).collect();
        let wanted: BTreeSet<&str> = subjects.iter().map(String::as_str).collect();
        let flows = ledger.flows().await.map_err(told)?;
        let flows = flows.into_iter().filter(|it| wanted.contains(it.flow.dataset.as_str()));
        held.counts = flows.map(count).collect();
        Ok(held)
    }
}

fn text_part(sources: &Sources, name: &str, from: u64) -> Result<EvidencePart, Failure> {
    let found = sources.files().find(|(known, _)| *known == name);
    let text = found.map(|(_, text)| text).ok_or_else(|| {
        let next = format!("the month is judged by `{SCHEME}` and what the first part lists");
        failure("E-CONTROL-REQUEST", format!("there is no file `{name}`"), Some(&next))
    })?;
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let rest = text.get(from..).ok_or_else(|| {
        let next = Some("go on where the part before ended");
        failure("E-CONTROL-REQUEST", format!("`{name}` has no byte {from}"), next)
    })?;
    let mut end = rest.len().min(TEXT_BYTES);
    while !rest.is_char_boundary(end) {
        end -= 1;
    }
    let part = rest.get(..end).unwrap_or_default().to_owned();
    let next = (end < rest.len()).then(|| u64::try_from(from + end).unwrap_or(u64::MAX));
    Ok(EvidencePart::Text { text: part, next })
}

fn reply(it: Said) -> ReplyLine {
    let said = it.said;
    let province_at = said.ahead.and_then(|ahead| it.last_at.checked_add(ahead).ok());
    ReplyLine {
        channel: said.channel.to_string(),
        operation: said.operation,
        subject: it.subject,
        batch: said.batch,
        outcome: said.outcome,
        code: said.code,
        status: said.status,
        first_at: it.first_at,
        last_at: it.last_at,
        // Headers of HTTP tell whole seconds.
        province_at: province_at.and_then(|at| Timestamp::from_second(at.as_second()).ok()),
        times: it.times,
        bytes: said.bytes,
        sha256: said.digest.to_string(),
        redacted: said.shown,
    }
}

fn clock(it: ClockDay) -> ClockLine {
    let ms = |of: jiff::SignedDuration| i64::try_from(of.as_millis()).unwrap_or(i64::MAX);
    ClockLine {
        channel: it.channel.to_string(),
        day: it.day.to_string(),
        least_ms: ms(it.least),
        most_ms: ms(it.most),
        last_ms: ms(it.last),
        last_at: it.last_at,
        answers: it.answers,
    }
}

fn count(it: FlowState) -> CountLine {
    CountLine {
        channel: it.flow.channel.to_string(),
        dataset: it.flow.dataset,
        due: it.counts.due,
        queued: it.counts.queued,
        confirmed: it.counts.confirmed,
        placed: it.counts.placed,
        rejected_local: it.counts.rejected_local,
        rejected_refused: it.counts.rejected_refused,
        rejected_failed: it.counts.rejected_failed,
        held_above: it.held_above,
        mismatched: it.mismatched,
        compared_at: it.last_reconciled_at,
    }
}
