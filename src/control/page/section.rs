//! The sections: each a heading, a table of the worst, and how many there are beside them.

use jiff::SignedDuration;

use super::render::{Sheet, Tone};
use super::words::Word;
use super::{Awaited, Dated, Health, Waiting, Worst};
use crate::control::protocol::{self, Attention, Trouble, Urgency};
use crate::delivery::{BatchState, Evidence, LinkState};
use crate::markup::apart;

/// From so few days on a certificate is told: a province issues a new one in weeks.
const CERTIFICATE_DAYS: i64 = 30;

/// A table's column: what it is called, and whether it holds numbers.
type Column = (Word, bool);

impl Sheet<'_> {
    fn open(&mut self, title: Word) {
        self.html.raw("<section><h2>");
        self.word(title);
        self.html.raw("</h2>");
    }

    fn close(&mut self) {
        self.html.raw("</section>");
    }

    pub(super) fn table(&mut self, columns: &[Column]) {
        self.html.raw("<table><thead><tr>");
        for (word, is_number) in columns {
            self.html.raw(if *is_number {
                "<th scope=\"col\" class=\"n\">"
            } else {
                "<th scope=\"col\">"
            });
            self.word(*word);
            self.html.raw("</th>");
        }
        self.html.raw("</tr></thead><tbody>");
    }

    pub(super) fn end_table(&mut self) {
        self.html.raw("</tbody></table>");
    }

    /// Begins a cell. On a narrow screen its column's name stands before it.
    pub(super) fn cell(&mut self, (word, is_number): Column) {
        self.html.raw(if is_number { "<td class=\"n\" data-h=\"" } else { "<td data-h=\"" });
        self.word(word);
        self.html.raw("\">");
    }

    pub(super) fn end_cell(&mut self) {
        self.html.raw("</td>");
    }

    fn text_cell(&mut self, word: Word, text: &str) {
        self.cell((word, false));
        self.html.text(text);
        self.end_cell();
    }

    fn number_cell(&mut self, word: Word, count: u64) {
        self.cell((word, true));
        self.html.number(count);
        self.end_cell();
    }

    fn time_cell(&mut self, word: Word, at: Option<jiff::Timestamp>) {
        self.cell((word, false));
        self.time(at);
        self.end_cell();
    }

    /// A dataset's title with its id below, and its department.
    fn dataset_cells(&mut self, dataset: &str, title: &str, department: &str) {
        self.cell((Word::Dataset, false));
        self.html.raw("<b>").text(title).raw("</b> <small>").text(dataset).raw("</small>");
        self.end_cell();
        self.text_cell(Word::Department, department);
    }

    /// How many are not shown, and the command that shows them.
    fn rest<T>(&mut self, worst: &Worst<T>, command: &'static str) {
        if worst.rest > 0 {
            self.html.raw("<p class=\"calm\">");
            self.say(Word::Rest, &[&apart(worst.rest), command]);
            self.html.raw("</p>");
        }
    }

    fn nothing(&mut self, word: Word) {
        self.html.raw("<p>");
        let text = word.of(self.language);
        self.tag(Tone::Good, text);
        self.html.raw("</p>");
    }

    fn card(&mut self, title: Word, tone: Tone, count: u64, below: &str) {
        self.html.raw("<div").raw(tone.class()).raw("><dt>");
        self.word(title);
        self.html.raw("</dt><dd>").number(count).raw("</dd><dd class=\"below\">").text(below);
        self.html.raw("</dd></div>");
    }
}

/// The numbers that are read first.
pub(super) fn cards(sheet: &mut Sheet<'_>) {
    let (status, tally) = (&sheet.page.status, sheet.page.freshness);
    let (rows, entries) = (status.summary.rows, status.summary.entries);
    let language = sheet.language;
    let all = Word::OfDatasets.say(language, &[&apart(tally.all())]);
    let split = Word::RejectedSplit
        .say(language, &[&apart(status.rejected_local), &apart(status.rejected_above)]);
    let compared = status.summary.reconcile.at.map_or_else(
        || Word::NeverCompared.of(language).to_owned(),
        |at| Word::Compared.say(language, &[&sheet.shown(at)]),
    );
    let taken = Word::EntriesOf.say(language, &[&apart(entries.due), &apart(entries.rejected)]);
    let mib = |bytes: u64| (bytes >> 20).to_string();
    let room = Word::Room.of(language).to_owned()
        + " "
        + &Word::RoomOf.say(language, &[&mib(status.spool_bytes), &mib(status.spool_limit_bytes)]);
    let mismatched = status.summary.reconcile.mismatched;
    let warn_if = |holds: bool| if holds { Tone::Warn } else { Tone::Good };
    sheet.html.raw("<dl id=\"cards\">");
    sheet.card(Word::Overdue, Tone::bad_if(tally.overdue > 0), tally.overdue, &all);
    sheet.card(Word::Soon, warn_if(tally.soon > 0), tally.soon, &all);
    sheet.card(Word::Queued, Tone::Calm, rows.queued, &room);
    sheet.card(Word::Rejected, warn_if(rows.rejected > 0), rows.rejected, &split);
    // Nothing is known to differ where nothing was compared: that is not good, only calm.
    let differ = match status.summary.reconcile.at {
        None if mismatched == 0 => Tone::Calm,
        None | Some(_) => warn_if(mismatched > 0),
    };
    sheet.card(Word::Differences, differ, mismatched, &compared);
    sheet.card(Word::Entries, warn_if(entries.rejected > 0), entries.accepted, &taken);
    score(sheet);
    sheet.html.raw("</dl>");
}

/// Today's score and the forecast, or plainly that there is none.
fn score(sheet: &mut Sheet<'_>) {
    sheet.html.raw("<div id=\"score\"><dt>");
    sheet.word(Word::Score);
    sheet.html.raw("</dt>");
    match &sheet.page.score {
        None => {
            sheet.html.raw("<dd class=\"below\">");
            sheet.word(Word::NoScore);
            sheet.html.raw("</dd>");
        }
        Some(score) => {
            sheet.html.raw("<dd>").text(&score.today).raw("</dd>");
            let known = Word::ScoreKnown.say(sheet.language, &[&score.known]);
            if let Some(it) = &score.forecast {
                let at = sheet.shown(it.at);
                let fill = [&it.expected, &it.low, &it.high, &it.promised, &at];
                let told = Word::ScoreExpected.say(sheet.language, &fill.map(String::as_str));
                sheet.html.raw("<dd class=\"below\">").text(&told).raw("</dd>");
            }
            for (word, text) in [
                (Word::ScoreAtCutOff, &score.at_cut_off),
                (Word::ScoreAtRisk, &score.at_risk),
                (Word::ScoreToday, &score.scheme),
            ] {
                sheet.html.raw("<dd class=\"below\">");
                sheet.word(word);
                sheet.html.raw(" ").text(text).raw("</dd>");
            }
            sheet.html.raw("<dd class=\"below\">").text(&known).raw("</dd>");
        }
    }
    sheet.html.raw("</div>");
}

/// The command that shows more of a trouble.
fn command(it: &Attention) -> String {
    match it.trouble {
        Trouble::Overdue | Trouble::Unreachable | Trouble::Mismatched | Trouble::Unusual => {
            format!("cascaded datasets {}", it.subject)
        }
        Trouble::RejectedLocal | Trouble::RejectedAbove => {
            format!("cascaded rejects list --dataset {}", it.subject)
        }
        Trouble::Refused => format!("cascaded links --kind {} --state refused", it.subject),
        Trouble::Drift | Trouble::Held | Trouble::Late | Trouble::County => {
            "cascaded status".to_owned()
        }
        Trouble::Full | Trouble::Silent | Trouble::Plain => "cascaded doctor".to_owned(),
        Trouble::TakingOver => "cascaded takeover show".to_owned(),
        Trouble::Unapproved => "cascaded bulletin monthly".to_owned(),
    }
}

pub(super) fn attention(sheet: &mut Sheet<'_>) {
    let list = &sheet.page.attention;
    sheet.open(Word::Attention);
    if list.list.is_empty() {
        sheet.nothing(Word::Nothing);
        return sheet.close();
    }
    sheet.table(&[
        (Word::Trouble, false),
        (Word::Subject, false),
        (Word::Count, true),
        (Word::Since, false),
        (Word::Command, false),
    ]);
    for it in &list.list {
        let tone = match it.urgency {
            Urgency::Error => Tone::Bad,
            Urgency::Warning => Tone::Warn,
        };
        let word = Word::of_trouble(it.trouble).of(sheet.language);
        sheet.html.raw("<tr>");
        sheet.cell((Word::Trouble, false));
        sheet.tag(tone, word);
        sheet.end_cell();
        sheet.cell((Word::Subject, false));
        sheet.html.raw("<b>").text(&it.title).raw("</b>");
        if it.title != it.subject {
            sheet.html.raw(" <small>").text(&it.subject).raw("</small>");
        }
        if !it.detail.is_empty() {
            sheet.html.raw(" <small>").text(&it.detail).raw("</small>");
        }
        sheet.end_cell();
        sheet.number_cell(Word::Count, it.count);
        sheet.time_cell(Word::Since, it.since);
        sheet.cell((Word::Command, false));
        sheet.html.raw("<code>").text(&command(it)).raw("</code>");
        sheet.end_cell();
        sheet.html.raw("</tr>");
    }
    sheet.end_table();
    sheet.rest(list, "cascaded datasets --troubled");
    sheet.close();
}

pub(super) fn channels(sheet: &mut Sheet<'_>) {
    let page = sheet.page;
    sheet.open(Word::Channels);
    sheet.table(&[
        (Word::Channel, false),
        (Word::Reach, false),
        (Word::Standard, false),
        (Word::Drift, false),
        (Word::InFlight, true),
        (Word::Oldest, false),
        (Word::LastConfirmed, false),
        (Word::Certificate, false),
    ]);
    for (channel, health) in page.status.channels.iter().zip(&page.channels) {
        sheet.html.raw("<tr>");
        sheet.cell((Word::Channel, false));
        sheet.html.raw("<b>").text(&channel.title).raw("</b>");
        if let Some(held) = &channel.held {
            let text = format!("{} {held}", Word::Held.of(sheet.language));
            sheet.html.raw(" ");
            sheet.tag(Tone::Bad, &text);
        }
        sheet.end_cell();
        sheet.cell((Word::Reach, false));
        let (tone, word) = health.reach();
        let since = health.silent.map(|at| format!(" {}", sheet.shown(at)));
        let text = word.of(sheet.language).to_owned() + &since.unwrap_or_default();
        sheet.tag(tone, &text);
        sheet.end_cell();
        standard(sheet, channel, health);
        sheet.cell((Word::Drift, false));
        if health.drift > 0 {
            let text = Word::Signs.say(sheet.language, &[&apart(health.drift)]);
            sheet.tag(Tone::Bad, &text);
        } else {
            sheet.tag(Tone::Good, Word::NoSigns.of(sheet.language));
        }
        sheet.end_cell();
        sheet.number_cell(Word::InFlight, u64::from(channel.in_flight));
        let age = channel.oldest_unacknowledged.map(|at| page.status.now.duration_since(at));
        let age = age.map_or_else(|| "–".to_owned(), |age| sheet.span(age));
        sheet.text_cell(Word::Oldest, &age);
        sheet.time_cell(Word::LastConfirmed, channel.last_confirmed);
        certificate(sheet, health.certificate_ends);
        sheet.html.raw("</tr>");
    }
    sheet.end_table();
    sheet.close();
}

fn standard(sheet: &mut Sheet<'_>, channel: &protocol::Channel, health: &Health) {
    sheet.cell((Word::Standard, false));
    sheet.html.raw("<b>").text(&channel.standard).raw("</b>");
    if let Some(since) = channel.since {
        let shown = sheet.shown(since);
        sheet.html.raw(" <small>");
        sheet.say(Word::InForceSince, &[&shown]);
        sheet.html.raw("</small>");
    }
    for it in &channel.ahead {
        sheet.html.raw(" <small>").text(&it.scope).raw(": <b>").text(&it.standard);
        sheet.html.raw("</b></small>");
    }
    if let Some(written) = &channel.written {
        let text = Word::WrittenOtherwise.say(sheet.language, &[written]);
        sheet.html.raw(" ");
        sheet.tag(Tone::Warn, &text);
    }
    if let Some(candidate) = &health.candidate {
        sheet.html.raw(" <small>");
        sheet.say(Word::Candidate, &[candidate]);
        sheet.html.raw("</small>");
    }
    sheet.end_cell();
}

fn certificate(sheet: &mut Sheet<'_>, ends: Option<jiff::Timestamp>) {
    sheet.cell((Word::Certificate, false));
    match ends {
        None => drop(sheet.html.raw("–")),
        Some(ends) => {
            let left = ends.duration_since(sheet.page.status.now);
            let tone = if left.is_negative() {
                Tone::Bad
            } else if left < SignedDuration::from_hours(24 * CERTIFICATE_DAYS) {
                Tone::Warn
            } else {
                Tone::Good
            };
            let shown = sheet.shown(ends);
            sheet.tag(tone, shown.split(' ').next().unwrap_or_default());
        }
    }
    sheet.end_cell();
}

/// The grades, strongest first; *placed* stands apart, last.
const GRADES: [Evidence; 5] = [
    Evidence::RowVerdict,
    Evidence::Receipt,
    Evidence::Count,
    Evidence::ExportedLog,
    Evidence::Placed,
];

pub(super) fn evidence(sheet: &mut Sheet<'_>) {
    let page = sheet.page;
    sheet.open(Word::Evidence);
    let grades = GRADES.map(|grade| (Word::of_grade(grade), true));
    let mut columns = vec![(Word::Channel, false), (Word::Due, true)];
    columns.extend(grades);
    columns.extend([(Word::Rejected, true), (Word::Queued, true)]);
    sheet.table(&columns);
    // A number stands under the grade that its standard declares and under no other.
    let mut sums = [0_u64; GRADES.len()];
    for (channel, health) in page.status.channels.iter().zip(&page.channels) {
        let rows = channel.rows;
        let proven = GRADES.map(|grade| match grade {
            Evidence::Placed => Some(rows.placed),
            Evidence::RowVerdict | Evidence::Receipt | Evidence::Count | Evidence::ExportedLog => {
                (health.grade == Some(grade)).then_some(rows.confirmed)
            }
        });
        for (sum, count) in sums.iter_mut().zip(proven) {
            *sum = sum.saturating_add(count.unwrap_or_default());
        }
        proven_rows(sheet, &channel.title, &rows, proven);
    }
    if page.status.channels.len() > 1 {
        let total = Word::Total.of(sheet.language);
        proven_rows(sheet, total, &page.status.summary.rows, sums.map(Some));
    }
    sheet.end_table();
    sheet.html.raw("<p class=\"calm\">");
    sheet.word(Word::EvidenceNote);
    sheet.html.raw("</p>");
    sheet.close();
}

fn proven_rows(
    sheet: &mut Sheet<'_>,
    title: &str,
    rows: &protocol::Rows,
    proven: [Option<u64>; GRADES.len()],
) {
    sheet.html.raw("<tr>");
    sheet.cell((Word::Channel, false));
    sheet.html.raw("<b>").text(title).raw("</b>");
    sheet.end_cell();
    sheet.number_cell(Word::Due, rows.due);
    for (grade, count) in GRADES.into_iter().zip(proven) {
        sheet.cell((Word::of_grade(grade), true));
        match count {
            Some(count) => drop(sheet.html.number(count)),
            None => drop(sheet.html.raw("<span class=\"calm\">–</span>")),
        }
        sheet.end_cell();
    }
    sheet.number_cell(Word::Rejected, rows.rejected);
    sheet.number_cell(Word::Queued, rows.queued);
    sheet.html.raw("</tr>");
}

pub(super) fn overdue(sheet: &mut Sheet<'_>) {
    let list = &sheet.page.overdue;
    let tally = sheet.page.freshness;
    sheet.open(Word::Freshness);
    let counts = [tally.fresh, tally.soon, tally.overdue, tally.never, tally.not_computable];
    let counts = counts.map(apart);
    sheet.html.raw("<p>");
    sheet.say(Word::FreshnessLine, &counts.each_ref().map(String::as_str));
    sheet.html.raw("</p>");
    if list.list.is_empty() {
        sheet.nothing(Word::NoneOverdue);
    } else {
        dated(sheet, &list.list, Word::OverdueFor, Tone::Bad);
        sheet.rest(list, "cascaded datasets --troubled");
    }
    sheet.close();
}

pub(super) fn next(sheet: &mut Sheet<'_>) {
    let list = &sheet.page.next;
    sheet.open(Word::NextDeadlines);
    if list.list.is_empty() {
        sheet.html.raw("<p class=\"calm\">");
        sheet.word(Word::NoDeadlines);
        sheet.html.raw("</p>");
    } else {
        dated(sheet, &list.list, Word::In, Tone::Calm);
        sheet.rest(list, "cascaded datasets");
    }
    sheet.close();
}

fn dated(sheet: &mut Sheet<'_>, list: &[Dated], distance: Word, tone: Tone) {
    let now = sheet.page.status.now;
    sheet.table(&[
        (Word::Dataset, false),
        (Word::Department, false),
        (Word::Cycle, false),
        (distance, false),
        (Word::Deadline, false),
        (Word::LastConfirmed, false),
    ]);
    for it in list {
        sheet.html.raw("<tr>");
        sheet.dataset_cells(&it.dataset, &it.title, &it.department);
        sheet.text_cell(Word::Cycle, &it.cycle);
        sheet.cell((distance, false));
        let span = sheet.span(now.duration_since(it.deadline));
        sheet.tag(tone, &span);
        sheet.end_cell();
        sheet.time_cell(Word::Deadline, Some(it.deadline));
        sheet.time_cell(Word::LastConfirmed, it.last_confirmed);
        sheet.html.raw("</tr>");
    }
    sheet.end_table();
}

pub(super) fn rejected(sheet: &mut Sheet<'_>) {
    let list = &sheet.page.rejected;
    sheet.open(Word::RejectedDatasets);
    if list.list.is_empty() {
        sheet.nothing(Word::NoRejects);
        return sheet.close();
    }
    sheet.table(&[
        (Word::Dataset, false),
        (Word::Department, false),
        (Word::Local, true),
        (Word::Refused, true),
        (Word::Failed, true),
        (Word::Share, true),
    ]);
    for it in &list.list {
        sheet.html.raw("<tr>");
        sheet.dataset_cells(&it.dataset, &it.title, &it.department);
        sheet.number_cell(Word::Local, it.local);
        sheet.number_cell(Word::Refused, it.refused);
        sheet.number_cell(Word::Failed, it.failed);
        sheet.cell((Word::Share, true));
        let all = it.local.saturating_add(it.refused).saturating_add(it.failed);
        let share = tenths_of_percent(all, it.due);
        sheet.html.text(&share);
        sheet.end_cell();
        sheet.html.raw("</tr>");
    }
    sheet.end_table();
    sheet.rest(list, "cascaded datasets --troubled");
    sheet.close();
}

/// `part` of `all` in percent with one digit, rounded up: what is there is never shown as 0.
fn tenths_of_percent(part: u64, all: u64) -> String {
    if all == 0 {
        return "–".to_owned();
    }
    let tenths = (u128::from(part) * 1000).div_ceil(u128::from(all));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

pub(super) fn awaited(sheet: &mut Sheet<'_>) {
    let list = &sheet.page.awaited;
    sheet.open(Word::Awaited);
    if list.is_empty() {
        sheet.nothing(Word::NothingAwaited);
        return sheet.close();
    }
    sheet.table(&[
        (Word::What, false),
        (Word::Channel, false),
        (Word::Count, true),
        (Word::Late, true),
    ]);
    for it in list {
        let Some(word) = it.word() else { continue };
        sheet.html.raw("<tr>");
        sheet.text_cell(Word::What, word.of(sheet.language));
        sheet.text_cell(Word::Channel, &it.channel);
        sheet.number_cell(Word::Count, it.count);
        sheet.cell((Word::Late, true));
        if it.late > 0 {
            sheet.tag(Tone::Warn, &it.late.to_string());
        } else {
            sheet.html.raw("–");
        }
        sheet.end_cell();
        sheet.html.raw("</tr>");
    }
    sheet.end_table();
    sheet.close();
}

impl Awaited {
    /// `None` for a state in which nothing is waited for.
    fn word(&self) -> Option<Word> {
        match self.what {
            Waiting::Batch(state) => match state {
                BatchState::Queued => Some(Word::BatchQueued),
                BatchState::InFlight => Some(Word::BatchInFlight),
                BatchState::Unknown => Some(Word::BatchUnknown),
                BatchState::Taken => Some(Word::BatchTaken),
                BatchState::Settled
                | BatchState::Refused
                | BatchState::Split
                | BatchState::Superseded => None,
            },
            Waiting::Link(state) => match state {
                LinkState::Unmapped | LinkState::Queued => Some(Word::LinkQueued),
                LinkState::Sent => Some(Word::LinkSent),
                LinkState::Accepted => Some(Word::LinkAccepted),
                LinkState::InReview => Some(Word::LinkInReview),
                LinkState::Unknown => Some(Word::LinkUnknown),
                LinkState::Stale => Some(Word::LinkStale),
                LinkState::Published
                | LinkState::Exists
                | LinkState::Refused
                | LinkState::Orphan
                | LinkState::Withdrawn => None,
            },
        }
    }
}
