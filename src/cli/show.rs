//! Answers as people read them. Pure: texts in, text out.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::control::protocol::{
    Accepted, Attention, Batch, Channel, Dataset, Job, LedgerReport, Link, Listing, Reconciled,
    Reject, RejectOriginal, Reloaded, Response, Rows, Standard, StandardDetail, Status, Urgency,
};

use super::show_score::trend_of;
use super::table::{count, printable, table};
use super::text::Message;
use crate::language::Language;

/// The most lines of `status` that ask for attention: more would hide what stands above them.
const MOST_ATTENTION: usize = 15;

/// In which language and zone to show.
#[derive(Clone, Debug)]
pub struct View {
    /// The language.
    pub language: Language,
    /// The zone of the times shown.
    pub zone: TimeZone,
}

impl View {
    /// What `message` says here.
    pub fn say(&self, message: Message, fill: &[&str]) -> String {
        message.say(self.language, fill)
    }

    pub(super) fn word(&self, message: Message) -> String {
        self.say(message, &[])
    }

    pub(super) fn time(&self, at: Option<Timestamp>) -> String {
        let shown = |at: Timestamp| {
            at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
        };
        at.map_or_else(|| "-".to_owned(), shown)
    }

    pub(super) fn table(
        &self,
        head: &[Message],
        rows: Vec<Vec<String>>,
        numbers: &[usize],
    ) -> String {
        if rows.is_empty() {
            return self.word(Message::Empty) + "\n";
        }
        let head: Vec<String> = head.iter().map(|message| self.word(*message)).collect();
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        table(&head, rows, numbers)
    }

    pub(super) fn listing<T>(
        &self,
        listing: &Listing<T>,
        head: &[Message],
        numbers: &[usize],
        row: impl Fn(&T) -> Vec<String>,
    ) -> String {
        let mut text = self.table(head, listing.entries.iter().map(row).collect(), numbers);
        if let Some(next) = &listing.next {
            let rest = listing.total.saturating_sub(listing.entries.len() as u64);
            text.push_str(&self.say(Message::More, &[&count(rest), next]));
            text.push('\n');
        }
        text
    }

    /// An answer as text, with a line feed at its end.
    pub fn show(&self, response: &Response) -> String {
        match response {
            Response::Status(it) => self.status(it),
            Response::Datasets(it) => self.datasets(it),
            Response::Links(it) => self.links(it),
            Response::Batches(it) => self.batches(it),
            Response::Inbox(it) => self.inbox(it),
            Response::InboxLines(it) => self.inbox_lines(it),
            Response::Rejects(it) => self.rejects(it),
            Response::Reject(it) => self.original(it),
            Response::Originals(it) => it.entries.iter().map(|it| self.original(it)).collect(),
            Response::Accepted(it) => self.accepted(it),
            Response::Jobs(it) => self.jobs(it),
            Response::Job(it) => {
                self.jobs(&Listing { entries: vec![it.as_ref().clone()], next: None, total: 1 })
            }
            Response::Standards(it) => self.standards(it),
            Response::Standard(it) => self.standard(it),
            Response::Differences(it) => self.differences(it),
            Response::Checked(it) => self.checked(it),
            Response::RowsChecked(it) => self.rows_checked(std::slice::from_ref(it)),
            Response::Wanted(it) => it.entries.iter().map(|it| self.wanted(it)).collect(),
            Response::Supplied(it) => self.supplied(it),
            Response::Shadow(it) => self.shadow(it),
            Response::ShadowOnce(it) => self.once(it),
            Response::Drift(it) => self.drift(it),
            Response::CutOver(it) => self.cut_over(it),
            Response::Reconciled(it) => self.reconciled(it),
            Response::Bulletin(it) => {
                it.files.iter().map(|file| printable(file.name.clone()) + "\n").collect()
            }
            Response::Mendings(it) => self.mendings(&it.entries),
            Response::Mended(it) => self.mended(*it),
            Response::Ledger(it) => self.ledger(it),
            Response::Score(it) => super::show_score::answer(self, it),
            Response::Ferry(it) => self.ferries(it),
            Response::Takeover(it) => self.takeover(it),
            Response::Oversight(it) => self.oversight(it),
            Response::Reloaded(it) => self.reloaded(it),
            Response::Failed(it) => printable(format!("{} [{}]", it.what, it.code)) + "\n",
        }
    }

    fn status(&self, it: &Status) -> String {
        let mut lines = vec![
            self.say(Message::StatusHead, &[&it.city, &it.version, &it.incarnation.to_string()]),
        ];
        match &it.watching {
            Some(watching) => lines.extend(self.watching(watching)),
            None if !it.complete_pass => lines.push(self.word(Message::FirstPass)),
            None => {}
        }
        lines.push(String::new());
        lines.push(self.channels(&it.channels, it.summary.rows));
        let entries = it.summary.entries;
        lines.push(self.say(
            Message::EntriesLine,
            &[&count(entries.accepted), &count(entries.due), &count(entries.rejected)],
        ));
        lines.push(
            self.say(
                Message::RejectedLine,
                &[&count(it.rejected_local), &count(it.rejected_above)],
            ),
        );
        let compared = match it.summary.reconcile.at {
            None => self.word(Message::Never),
            at => self.time(at),
        };
        let mismatched = count(it.summary.reconcile.mismatched);
        lines.push(self.say(Message::ReconcileLine, &[&mismatched, &compared]));
        if let Some(why) = &it.paused {
            lines.push(format!("✗ {}", self.say(Message::Paused, &[why])));
        }
        lines.push(String::new());
        if it.attention.is_empty() {
            lines.push(self.word(Message::NothingToSee));
        }
        lines.extend(it.attention.iter().take(MOST_ATTENTION).map(|it| self.attention(it)));
        let rest = it.attention.len().saturating_sub(MOST_ATTENTION);
        if rest > 0 {
            lines.push(self.say(Message::MoreAttention, &[&count(rest as u64)]));
        }
        if let Some(http) = &it.http {
            lines.push(self.say(Message::Metrics, &[http]));
        }
        lines.into_iter().map(|line| line.trim_end_matches('\n').to_owned() + "\n").collect()
    }

    fn channels(&self, channels: &[Channel], total: Rows) -> String {
        let head = [
            Message::Channel,
            Message::Standard,
            Message::Evidence,
            Message::Due,
            Message::Confirmed,
            Message::Placed,
            Message::Rejected,
            Message::Queued,
            Message::Oldest,
        ];
        let sums = |rows: Rows| {
            [rows.due, rows.confirmed, rows.placed, rows.rejected, rows.queued].map(count)
        };
        let mut rows: Vec<Vec<String>> = channels
            .iter()
            .map(|it| {
                let held = it.held.as_ref().map(|why| self.say(Message::Held, &[why]));
                let standard = match &it.written {
                    None => it.standard.clone(),
                    Some(written) => self.say(Message::NotWritten, &[&it.standard, written]),
                };
                let standard = match it.edited {
                    true => self.say(Message::Edited, &[&standard]),
                    false => standard,
                };
                let standard = it.ahead.iter().fold(standard, |text, it| {
                    self.say(Message::Ahead, &[&text, &it.scope, &it.standard])
                });
                let mut row = vec![it.title.clone(), standard, it.evidence.clone()];
                row.extend(sums(it.rows));
                row.push(held.unwrap_or_else(|| self.time(it.oldest_unacknowledged)));
                row
            })
            .collect();
        let mut last = vec![self.word(Message::Total), String::new(), String::new()];
        last.extend(sums(total));
        last.push(String::new());
        rows.push(last);
        self.table(&head, rows, &[3, 4, 5, 6, 7])
    }

    fn attention(&self, it: &Attention) -> String {
        let mark = match it.urgency {
            Urgency::Error => "✗",
            Urgency::Warning => "⚠",
        };
        let since = it.since.map(|at| self.time(Some(at))).unwrap_or_default();
        let count = count(it.count);
        let word = self.word(Message::of_trouble(it.trouble));
        printable(format!(
            "{mark} {word}  {}（{}）  {}  ×{count}  {since}",
            it.title, it.subject, it.detail
        ))
    }

    fn datasets(&self, it: &Listing<Dataset>) -> String {
        let mut head = vec![
            Message::Dataset,
            Message::Title,
            Message::Department,
            Message::Cycle,
            Message::Freshness,
            Message::Due,
            Message::Confirmed,
            Message::Rejected,
            Message::Queued,
            Message::LastChange,
            Message::LastConfirmed,
            Message::Deadline,
        ];
        let has_words = it.entries.iter().any(|it| it.validity.is_some());
        if has_words {
            head.extend([Message::TrueRate, Message::SoundRate, Message::UsableRate]);
        }
        let is_watched = it.entries.iter().any(|it| it.watched.is_some());
        if is_watched {
            head.extend([Message::WouldSend, Message::WouldDelete, Message::HeldAbove]);
        }
        let mut text = self.listing(it, &head, &[5, 6, 7, 8], |it| {
            let freshness = Message::of_freshness(&it.freshness)
                .map_or_else(|| it.freshness.clone(), |message| self.word(message));
            let held = it.held.as_ref().map(|why| self.say(Message::Held, &[why]));
            let mut cells = vec![
                it.dataset.clone(),
                it.title.clone(),
                it.department.clone(),
                it.cycle.clone(),
                held.unwrap_or(freshness),
                count(it.rows.due),
                count(it.rows.confirmed),
                count(it.rows.rejected),
                count(it.rows.queued),
                self.time(it.last_change),
                self.time(it.last_confirmed),
                self.time(it.deadline),
            ];
            if has_words {
                cells.extend(words(it));
            }
            if is_watched {
                cells.extend(super::show_watch::cells(it));
            }
            cells
        });
        // Of one dataset, its grace and its rules as well.
        if let [one] = it.entries.as_slice() {
            let (wanted, deadline) = (self.time(one.wanted), self.time(one.deadline));
            let (percent, days) =
                (one.grace.percent.to_string(), one.grace.working_days.to_string());
            text.push_str(&self.say(Message::GraceLine, &[&wanted, &percent, &days, &deadline]));
            text.push('\n');
            for rule in &one.rules {
                let [asked, broken, waived] = [rule.executed, rule.broken, rule.waived].map(count);
                let said = [rule.rule.as_str(), &asked, &broken, &waived];
                text.push_str(&printable(self.say(Message::RuleLine, &said)));
                text.push('\n');
            }
        }
        text
    }

    fn links(&self, it: &Listing<Link>) -> String {
        let head = [
            Message::Channel,
            Message::Kind,
            Message::Id,
            Message::Title,
            Message::State,
            Message::UpperId,
            Message::Reason,
            Message::Since,
        ];
        self.listing(it, &head, &[], |it| {
            vec![
                it.channel.clone(),
                it.kind.clone(),
                it.id.clone(),
                it.title.clone(),
                it.state.clone(),
                it.upper_id.clone().unwrap_or_default(),
                it.reason.clone().unwrap_or_default(),
                self.time(Some(it.since)),
            ]
        })
    }

    fn batches(&self, it: &Listing<Batch>) -> String {
        let head = [
            Message::Batch,
            Message::Channel,
            Message::Subject,
            Message::Lane,
            Message::State,
            Message::Rows,
            Message::Bytes,
            Message::Attempts,
            Message::Receipt,
            Message::Since,
        ];
        self.listing(it, &head, &[5, 6, 7], |it| {
            vec![
                it.batch.clone(),
                it.channel.clone(),
                it.subject.clone(),
                it.lane.clone(),
                it.state.clone(),
                count(it.rows.into()),
                count(it.payload_bytes),
                it.attempts.to_string(),
                it.receipt.clone().unwrap_or_default(),
                self.time(Some(it.packed)),
            ]
        })
    }

    fn rejects(&self, it: &Listing<Reject>) -> String {
        let head = [
            Message::Number,
            Message::Dataset,
            Message::Kind,
            Message::Rules,
            Message::Owner,
            Message::KeyDigest,
            Message::Since,
        ];
        self.listing(it, &head, &[0], |it| {
            vec![
                it.reject.to_string(),
                it.dataset.clone(),
                it.kind.clone(),
                it.rules.join(", "),
                it.owner.clone(),
                it.key_digest.clone(),
                self.time(Some(it.since)),
            ]
        })
    }

    fn original(&self, it: &RejectOriginal) -> String {
        let one = Listing { entries: vec![it.reject.clone()], next: None, total: 1 };
        let mut text = self.rejects(&one);
        text.push_str(&printable(format!("{}  {}", self.word(Message::Key), it.key)));
        text.push_str("\n\n");
        let row = |(column, value): &(String, Option<String>)| {
            let findings: Vec<&str> = it
                .findings
                .iter()
                .filter(|(of, _)| of == column)
                .map(|(_, finding)| finding.as_str())
                .collect();
            vec![
                column.clone(),
                value.clone().unwrap_or_else(|| "∅".to_owned()),
                findings.join(", "),
            ]
        };
        let head = [Message::Column, Message::Value, Message::Finding];
        text.push_str(&self.table(&head, it.cells.iter().map(row).collect(), &[]));
        text
    }

    fn accepted(&self, it: &Accepted) -> String {
        let first = match (&it.job, it.existed) {
            (Some(job), false) => self.say(Message::Taken, &[job]),
            (Some(job), true) => self.say(Message::TakenBefore, &[job]),
            (None, _) => self.word(Message::DryRun),
        };
        let rows = it
            .scope
            .iter()
            .map(|(dataset, rows)| {
                vec![dataset.clone(), rows.map_or_else(|| self.word(Message::OnlySource), count)]
            })
            .collect();
        format!("{first}\n{}", self.table(&[Message::Dataset, Message::Rows], rows, &[1]))
    }

    fn jobs(&self, it: &Listing<Job>) -> String {
        let head = [
            Message::Job,
            Message::What,
            Message::State,
            Message::Done,
            Message::Total,
            Message::Rejected,
            Message::Asked,
            Message::By,
            Message::Reason,
        ];
        self.listing(it, &head, &[3, 4, 5], |it| {
            vec![
                it.job.clone(),
                it.what.clone(),
                it.state.clone(),
                count(it.done),
                it.total.map_or_else(|| "-".to_owned(), count),
                count(it.rejected),
                self.time(Some(it.asked)),
                it.by.clone(),
                it.reason.clone().unwrap_or_default(),
            ]
        })
    }

    /// One line of a job's progress.
    pub fn progress(&self, job: &Job) -> String {
        let total = job.total.map_or_else(|| "?".to_owned(), count);
        let (done, rejected) = (count(job.done), count(job.rejected));
        printable(self.say(Message::Progress, &[&job.job, &done, &total, &rejected]))
    }

    fn standards(&self, standards: &[Standard]) -> String {
        let head = [
            Message::Standard,
            Message::Title,
            Message::State,
            Message::Since,
            Message::Scopes,
            Message::Drift,
            Message::Digest,
        ];
        let row = |it: &Standard| {
            vec![
                it.standard.clone(),
                it.title.clone(),
                it.state.clone(),
                self.time(it.since),
                it.scopes.join(", "),
                count(it.drift),
                it.digest.chars().take(12).collect(),
            ]
        };
        self.table(&head, standards.iter().map(row).collect(), &[5])
    }

    fn standard(&self, it: &StandardDetail) -> String {
        let mut text = self.standards(std::slice::from_ref(&it.standard));
        let facts = [
            (Message::ModelledOn, it.modelled_on.clone()),
            (Message::Evidence, it.evidence.clone()),
            (Message::Digest, it.standard.digest.clone()),
            (Message::Operations, it.operations.join(" ")),
            (Message::Gaps, it.gaps.join("; ")),
        ];
        for (message, value) in facts {
            text.push_str(&printable(format!("{}  {value}", self.word(message))));
            text.push('\n');
        }
        text
    }

    fn reconciled(&self, it: &Reconciled) -> String {
        let head = [Message::Channel, Message::Dataset, Message::Key, Message::What, Message::Ours];
        let numbers = [count(it.compared), count(it.differences.total)];
        let mut text = self.say(Message::Compared, &[&numbers[0], &numbers[1]]);
        text.push('\n');
        text.push_str(&self.listing(&it.differences, &head, &[], |it| {
            vec![
                it.channel.clone(),
                it.dataset.clone(),
                it.key.clone(),
                it.what.clone(),
                self.word(if it.ours { Message::Yes } else { Message::No }),
            ]
        }));
        for (channel, dataset, why) in &it.skipped {
            text.push_str(&printable(format!("{channel}  {dataset}  {why}")));
            text.push('\n');
        }
        if let Some(job) = &it.job {
            text.push_str(&self.say(Message::RepairJob, &[job]));
            text.push('\n');
        }
        text
    }

    fn ledger(&self, it: &LedgerReport) -> String {
        let mut lines = Vec::new();
        if let Some(directory) = &it.directory {
            lines.push(self.say(Message::LedgerCopied, &[directory]));
        }
        lines.push(if it.problems.is_empty() {
            let sums = [it.facts, it.spool_files, it.bytes].map(count);
            self.say(Message::LedgerSound, &[&sums[0], &sums[1], &sums[2]])
        } else {
            self.say(Message::LedgerUnsound, &[&it.problems.len().to_string()])
        });
        lines.extend(it.problems.iter().cloned());
        lines.into_iter().map(|line| printable(line) + "\n").collect()
    }

    fn reloaded(&self, it: &Reloaded) -> String {
        let none = self.word(Message::Empty);
        let listed = |names: &[String]| {
            if names.is_empty() { none.clone() } else { names.join(", ") }
        };
        let mut text = self.say(Message::Reloaded, &[&listed(&it.changed)]) + "\n";
        if !it.kept.is_empty() {
            text.push_str(&self.say(Message::NeedsRestart, &[&listed(&it.kept)]));
            text.push('\n');
        }
        text
    }
}

/// The three words of a dataset, each with its trend.
fn words(it: &Dataset) -> [String; 3] {
    let validity = it.validity.clone().unwrap_or_default();
    let (now, before) = (validity.now, validity.before);
    [
        trend_of(now.truth, before.truth),
        trend_of(now.soundness, before.soundness),
        trend_of(now.usability, before.usability),
    ]
}
