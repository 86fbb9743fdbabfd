//! Lists without content: datasets, links, batches, rejects, jobs, standards.

use std::collections::BTreeMap;

use super::look::{self, ChannelLook, DatasetLook, Look};
use super::paging::{cursor, limit, page};
use super::{Office, failure, told, validity};
use crate::catalogue::Kind;
use crate::control::protocol::{
    Batch, BatchQuery, Dataset, DatasetQuery, Failure, Grace, Job, JobQuery, Link, LinkQuery,
    Listing, Reject, RejectQuery, RuleCount, ScopeUse, Standard, StandardDetail, Validity,
};
use crate::delivery::{BatchState, ChannelId, Evidence, LinkState, RejectKind};
use crate::indicator::freshness::State;
use crate::ledger::{self, CUT_OVER, JobState, LinkFilter, Scope};
use crate::standard;

/// The most jobs that are listed; older ones are history.
const MOST_JOBS: u32 = 10_000;

/// A word of a closed set that was asked for by name.
pub(super) fn word<T>(
    asked: Option<&String>,
    what: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Failure> {
    asked
        .map(|text| {
            parse(text).ok_or_else(|| {
                let next = "the manual lists the words";
                failure("E-NO-SUCH-WORD", format!("there is no {what} `{text}`"), Some(next))
            })
        })
        .transpose()
}

/// The titles of departments by their ids.
pub(super) async fn departments(office: &Office) -> Result<BTreeMap<String, String>, Failure> {
    let titles = office.crew.ledger.titles().await.map_err(told)?;
    Ok(titles
        .into_iter()
        .filter(|(key, _)| key.kind == Kind::Organisation)
        .map(|(key, title)| (key.id, title))
        .collect())
}

impl Office {
    pub(super) async fn datasets(&self, query: &DatasetQuery) -> Result<Listing<Dataset>, Failure> {
        let look = self.look().await.map_err(told)?;
        let shown = self.live.shown();
        let only = |wanted: &Option<String>, known: [&str; 2]| {
            wanted.as_ref().is_none_or(|wanted| known.contains(&wanted.as_str()))
        };
        let entries: Vec<(String, Dataset)> = look
            .datasets
            .iter()
            .filter(|it| {
                only(&query.dataset, [&it.flow.dataset, &it.flow.dataset])
                    && only(&query.department, [&it.dataset.department, &it.department])
            })
            .map(|it| {
                (
                    look::name(&it.flow),
                    dataset(&look, it, validity::of(shown.as_deref(), &it.flow.dataset)),
                )
            })
            .filter(|(_, it)| {
                let overdue = it.freshness == "overdue";
                !query.troubled || overdue || it.held.is_some() || it.rows.rejected > 0
            })
            .collect();
        let listing = page(entries, |(name, _)| name.clone(), &query.paging);
        let mut entries: Vec<Dataset> = listing.entries.into_iter().map(|(_, it)| it).collect();
        if let ([one], Some(shown)) = (entries.as_mut_slice(), &shown) {
            validity::add_days(one, shown);
        }
        Ok(Listing { entries, next: listing.next, total: listing.total })
    }

    pub(super) async fn links(&self, query: &LinkQuery) -> Result<Listing<Link>, Failure> {
        let filter = LinkFilter {
            kind: word(query.kind.as_ref(), "kind", Kind::parse)?,
            state: word(query.state.as_ref(), "state of a link", LinkState::parse)?,
        };
        let titles = self.crew.ledger.titles().await.map_err(told)?;
        let mut entries = Vec::new();
        for channel in &self.works().channels {
            if query.channel.as_ref().is_some_and(|only| only != channel.id.as_str()) {
                continue;
            }
            let links = self.crew.ledger.links(channel.id.clone(), filter.clone()).await;
            for link in links.map_err(told)? {
                // Without content: which fields lack what, never what stood in them.
                let reason = link.refused.as_ref().map(|(kind, code)| {
                    let lacks = link.findings.as_deref().unwrap_or_default().replace('\n', "; ");
                    format!("{} {code} {lacks}", kind.as_str()).trim_end().to_owned()
                });
                entries.push(Link {
                    channel: channel.id.to_string(),
                    kind: link.key.kind.as_str().to_owned(),
                    title: titles.get(&link.key).cloned().unwrap_or_default(),
                    id: link.key.id,
                    state: link.state.as_str().to_owned(),
                    upper_id: link.upper_id,
                    reason,
                    since: link.since,
                });
            }
        }
        let name = |it: &Link| format!("{} {} {}", it.channel, it.kind, it.id);
        entries.sort_by_key(name);
        Ok(page(entries, name, &query.paging))
    }

    pub(super) async fn batches(&self, query: &BatchQuery) -> Result<Listing<Batch>, Failure> {
        let limit = limit(&query.paging);
        let asked = ledger::BatchQuery {
            channel: query.channel.clone(),
            subject: query.dataset.clone(),
            state: word(query.state.as_ref(), "state of a batch", BatchState::parse)?,
            before: cursor(&query.paging)?,
            // One more tells whether there is another page.
            limit: limit + 1,
        };
        let (mut found, total) = self.crew.ledger.batch_page(asked).await.map_err(told)?;
        let size = usize::try_from(limit).unwrap_or(1);
        let more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| more).map(|(it, _)| it.batch.ordinal.to_string());
        let entries = found
            .into_iter()
            .map(|(it, receipt)| Batch {
                batch: it.batch.id.to_string(),
                channel: it.batch.channel.to_string(),
                subject: it.batch.subject.name(),
                lane: it.batch.lane.as_str().to_owned(),
                state: it.batch.state.as_str().to_owned(),
                rows: it.batch.rows,
                payload_bytes: it.batch.payload_bytes,
                attempts: it.batch.attempts,
                packed: it.batch.packed_at,
                next_attempt: (!it.batch.state.is_final()).then_some(it.batch.next_attempt_at),
                receipt,
            })
            .collect();
        Ok(Listing { entries, next, total })
    }

    pub(super) async fn rejects(&self, query: &RejectQuery) -> Result<Listing<Reject>, Failure> {
        let departments = departments(self).await?;
        let (found, next, total) = self.found(query).await?;
        let entries = found.iter().map(|it| reject(it, &departments)).collect();
        Ok(Listing { entries, next, total })
    }

    /// A page of rejects as the ledger has them, and the cursor of the next.
    pub(super) async fn found(
        &self,
        query: &RejectQuery,
    ) -> Result<(Vec<ledger::Reject>, Option<String>, u64), Failure> {
        let limit = limit(&query.paging);
        let asked = ledger::RejectQuery {
            dataset: query.dataset.clone(),
            kind: word(query.kind.as_ref(), "kind of reject", RejectKind::parse)?,
            rule: query.rule.clone(),
            after: cursor(&query.paging)?.unwrap_or_default(),
            limit: limit + 1,
        };
        let (mut found, total) = self.crew.ledger.reject_page(asked).await.map_err(told)?;
        let size = usize::try_from(limit).unwrap_or(1);
        let more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| more).map(|it| it.number.to_string());
        Ok((found, next, total))
    }

    pub(super) async fn jobs(&self, query: &JobQuery) -> Result<Listing<Job>, Failure> {
        let before = cursor(&query.paging)?;
        let mut jobs = self.crew.ledger.jobs(MOST_JOBS).await.map_err(told)?;
        jobs.retain(|it| query.ended || it.state == JobState::Running);
        let total = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
        jobs.retain(|it| before.is_none_or(|before| it.number < before));
        let size = usize::try_from(limit(&query.paging)).unwrap_or(1);
        let more = jobs.len() > size;
        jobs.truncate(size);
        let next = jobs.last().filter(|_| more).map(|it| it.number.to_string());
        Ok(Listing { entries: jobs.iter().map(job).collect(), next, total })
    }

    pub(super) async fn job(&self, name: &str) -> Result<Job, Failure> {
        let number = number(name)?;
        let found = self.crew.ledger.job(number).await.map_err(told)?;
        found.as_ref().map(job).ok_or_else(|| no_such_job(name))
    }

    pub(super) async fn standards(&self) -> Result<Vec<Standard>, ledger::Error> {
        let look = self.look().await?;
        let works = self.works();
        let configuration = &works.configuration;
        Ok(configuration.standards.values().map(|it| known(&look, it)).collect())
    }

    pub(super) async fn standard(&self, name: &str) -> Result<StandardDetail, Failure> {
        let look = self.look().await.map_err(told)?;
        let works = self.works();
        let configuration = &works.configuration;
        let Some(found) = configuration.standards.get(name) else {
            let known: Vec<&str> = configuration.standards.keys().map(String::as_str).collect();
            let what = format!("there is no standard `{name}`; there are: {}", known.join(", "));
            return Err(failure("E-NO-SUCH-STANDARD", what, None));
        };
        let settings = found.settings();
        let rows = found.operation("rows.upsert").map(|operation| operation.evidence);
        let evidence = rows.or(settings.evidence).unwrap_or(Evidence::Placed);
        Ok(StandardDetail {
            standard: known(&look, found),
            modelled_on: settings.modelled_on.clone(),
            evidence: evidence.as_str().to_owned(),
            operations: found.operations().iter().map(|it| it.name.clone()).collect(),
            gaps: settings.gaps.clone(),
        })
    }
}

fn known(look: &Look, found: &standard::Standard) -> Standard {
    let users: Vec<&ChannelLook> =
        look.channels.iter().filter(|channel| channel.standard == *found.id()).collect();
    let ahead = look.channels.iter().flat_map(|it| it.ahead.iter().map(|ahead| (&it.id, ahead)));
    let ahead: Vec<(&ChannelId, &ScopeUse)> =
        ahead.filter(|(_, it)| it.standard == found.id().as_str()).collect();
    let seen = look.drift.iter().filter(|it| users.iter().any(|user| user.id == it.channel));
    let scopes = users.iter().map(|user| user.id.to_string());
    let scopes = scopes.chain(ahead.iter().map(|(of, it)| format!("{of} {}", it.scope)));
    Standard {
        standard: found.id().to_string(),
        title: found.settings().title.clone(),
        digest: found.digest().to_string(),
        state: if users.is_empty() && ahead.is_empty() { "candidate" } else { "active" }.to_owned(),
        scopes: scopes.collect(),
        since: users
            .iter()
            .filter_map(|it| it.since)
            .chain(ahead.iter().map(|(_, it)| it.since))
            .min(),
        drift: seen.map(|it| it.count).sum(),
    }
}

fn dataset(look: &Look, it: &DatasetLook, validity: Option<Validity>) -> Dataset {
    let freshness = match it.freshness.state {
        State::Fresh => "fresh",
        State::DueSoon => "due_soon",
        State::Overdue { .. } => "overdue",
        State::NotComputable { .. } => "not_computable",
        State::Never => "never",
    };
    let state = it.state.as_ref();
    let trouble = state.and_then(|state| state.trouble.as_ref()).map(|(code, _)| code.clone());
    let hold = look.holds.iter().find(|hold| {
        hold.channel == it.flow.channel
            && match &hold.scope {
                Scope::Channel => true,
                Scope::Operation(name) => name.starts_with("rows."),
                Scope::Subject(name) => *name == it.flow.dataset,
                Scope::Standard(standard, operation) => {
                    let user = look.channels.iter().find(|user| user.id == it.flow.channel);
                    user.is_some_and(|user| user.spoken.of_rows(&it.flow.dataset) == standard)
                        && operation.as_ref().is_none_or(|name| name.starts_with("rows."))
                }
            }
    });
    Dataset {
        dataset: it.flow.dataset.clone(),
        title: it.dataset.title.clone(),
        department: it.department.clone(),
        region: it.dataset.region.clone(),
        cycle: it.dataset.cycle.clone(),
        freshness: freshness.to_owned(),
        validity,
        newest_business: state.and_then(|state| state.newest_content_at),
        last_change: state.and_then(|state| state.last_change_at),
        last_confirmed: state.and_then(|state| state.last_confirmed_at),
        wanted: it.freshness.deadline.map(|deadline| deadline.wanted),
        deadline: it.freshness.deadline.map(|deadline| deadline.at),
        grace: Grace { percent: it.grace.percent, working_days: it.grace.working_days },
        rows: state.map(|state| look::rows(&state.counts)).unwrap_or_default(),
        watched: look.watched_rows(&it.flow),
        held: trouble.or_else(|| hold.map(|hold| hold.code.clone())),
        rules: (it.rules.iter())
            .map(|(rule, count)| RuleCount {
                rule: rule.clone(),
                executed: count.executed,
                broken: count.broken,
                waived: count.waived,
            })
            .collect(),
    }
}

/// A reject without its content.
pub(super) fn reject(it: &ledger::Reject, departments: &BTreeMap<String, String>) -> Reject {
    Reject {
        reject: it.number,
        dataset: it.flow.dataset.clone(),
        key_digest: it.key.to_string(),
        kind: it.kind.as_str().to_owned(),
        rules: it.findings.iter().map(|finding| finding.rule.clone()).collect(),
        owner: departments.get(&it.department).cloned().unwrap_or_else(|| it.department.clone()),
        since: it.at,
    }
}

/// How a job is called.
pub(in crate::app) fn job_name(number: u64) -> String {
    format!("r-{number:04}")
}

/// The inverse of [`job_name`].
pub(super) fn number(name: &str) -> Result<u64, Failure> {
    let digits = name.strip_prefix("r-").unwrap_or(name);
    digits.parse().map_err(|_not_a_number| no_such_job(name))
}

pub(super) fn no_such_job(name: &str) -> Failure {
    failure("E-NO-SUCH-JOB", format!("there is no job `{name}`"), Some("see `cascaded jobs list`"))
}

pub(super) fn job(it: &ledger::Job) -> Job {
    let running = it.state == JobState::Running;
    if it.kind == CUT_OVER {
        return cut_over(it);
    }
    Job {
        job: job_name(it.number),
        what: format!("{} {}", it.kind, it.request),
        state: it.state.as_str().to_owned(),
        asked: it.created_at,
        by: it.asked_by.clone(),
        done: it.rows_seen,
        // Only the source knows how many rows there are before they were read.
        total: (!running).then_some(it.rows_seen),
        rejected: it.rows_rejected,
        ended: it.finished_at,
        reason: it.result.clone(),
    }
}

/// A cut-over counts the objects that it looks at.
fn cut_over(it: &ledger::Job) -> Job {
    let asked: Option<ledger::CutOver> = serde_json::from_str(&it.request).ok();
    let what = asked.map_or_else(String::new, |it| {
        let ledger::CutOver { channel, from, to, back, at, beside, scopes } = it;
        let verb = match (back, beside) {
            (true, _) => "rollback",
            (false, Some(_)) => "activate beside",
            (false, None) => "activate",
        };
        let of = scopes.map_or_else(String::new, |it| {
            let moved = it.moved();
            if moved.is_empty() { " (the rest)".to_owned() } else { format!(" ({moved})") }
        });
        format!("{verb} {channel}{of} {from} -> {to} at {at}")
    });
    let running = it.state == JobState::Running;
    Job {
        job: job_name(it.number),
        what,
        state: it.state.as_str().to_owned(),
        asked: it.created_at,
        by: it.asked_by.clone(),
        done: it.done,
        total: it.total,
        rejected: 0,
        ended: it.finished_at,
        reason: it.result.clone().filter(|_| !running),
    }
}
