//! 下步要求, what the meeting decides, exemptions and changes.

use jiff::civil::Date;

use super::draft::{Draft, points};
use super::troubles::{city_lost, detail};
use super::words::Say;
use crate::bulletin::document::Side;
use crate::bulletin::period::Form;
use crate::bulletin::{Defect, Ill};
use crate::indicator::scheme::Known;

/// The most lines of a table in the document.
const LINES: usize = 20;
/// The most names in a sentence.
const FEW: usize = 8;

/// 下步要求: what is to be mended, by whom and until when.
pub(super) fn next(draft: &mut Draft<'_>) {
    let report = draft.report;
    if report.defects.is_empty() {
        return draft.tell(Say::NextNone, &[]);
    }
    let deadline = draft.deadline(report.deadline);
    draft.tell(Say::NextLead, &[&deadline]);
    draft.tell(Say::NextHonest, &[]);
    let mut defects: Vec<&Defect> = report.defects.iter().collect();
    let gain = |it: &Defect| it.gain.map(|it| it.0);
    defects.sort_by(|a, b| {
        let first = a.deadline.cmp(&b.deadline).then_with(|| gain(b).cmp(&gain(a)));
        let then = b.is_key.cmp(&a.is_key).then_with(|| a.owner.cmp(&b.owner));
        first.then(then).then_with(|| (&a.ill, &a.subject).cmp(&(&b.ill, &b.subject)))
    });
    let most = if report.period.form == Form::Quarterly { LINES / 2 } else { LINES };
    let row = |(at, defect): (usize, &&Defect)| {
        let detail = detail(draft, defect, 0);
        let name = draft.name_of(&defect.subject);
        let object =
            if detail.is_empty() { name } else { draft.say(Say::Detail, &[&name, &detail]) };
        vec![
            (at + 1).to_string(),
            defect.owner.clone(),
            draft.ill_title(&defect.ill),
            object,
            gain(defect).map_or_else(|| "—".to_owned(), points),
            draft.deadline(defect.deadline),
        ]
    };
    let rows = defects.iter().take(most).enumerate().map(row).collect();
    let caption = draft.say(Say::NextTable, &[]);
    let columns = [
        (Say::Ordinal, 2, Side::Middle),
        (Say::Department, 5, Side::Left),
        (Say::Matter, 5, Side::Left),
        (Say::Object, 9, Side::Left),
        (Say::Gain, 3, Side::Right),
        (Say::Deadline, 4, Side::Middle),
    ];
    draft.table(&caption, &columns, rows);
    if defects.len() > most {
        let fill = [most.to_string(), (defects.len() - most).to_string()];
        draft.remark(Say::NextMore, &fill.each_ref().map(String::as_str));
    }
    if report.is_provisional {
        draft.remark(Say::Provisional, &[]);
    }
}

/// What stood at the end of several months.
pub(super) fn recurring(draft: &mut Draft<'_>) {
    let report = draft.report;
    if report.recurring.is_empty() {
        return draft.tell(Say::RecurringNone, &[]);
    }
    let all = report.recurring.len();
    draft.tell(Say::RecurringLead, &[&all.to_string()]);
    let mut found: Vec<_> = report.recurring.iter().collect();
    found.sort_by(|a, b| b.1.cmp(a.1).then_with(|| (&a.0.2, &a.0.0).cmp(&(&b.0.2, &b.0.0))));
    let row = |(at, ((ill, subject, owner), times)): (usize, &(&(Ill, String, String), &usize))| {
        vec![
            (at + 1).to_string(),
            owner.clone(),
            draft.ill_title(ill),
            draft.name_of(subject),
            times.to_string(),
        ]
    };
    let rows = found.iter().take(LINES).enumerate().map(row).collect();
    let caption = draft.say(Say::RecurringTable, &[]);
    let columns = [
        (Say::Ordinal, 2, Side::Middle),
        (Say::Department, 5, Side::Left),
        (Say::Matter, 5, Side::Left),
        (Say::Object, 8, Side::Left),
        (Say::TimesHead, 3, Side::Middle),
    ];
    draft.table(&caption, &columns, rows);
    if all > LINES {
        draft.remark(Say::RecurringMore, &[&LINES.to_string()]);
    }
}

/// What the meeting has to decide.
pub(super) fn matters(draft: &mut Draft<'_>) {
    let report = draft.report;
    let settings = &report.settings;
    let mut matters = Vec::new();
    let places = report.ranking.iter().flat_map(|(_, places)| places);
    let worst: Vec<String> = places
        .filter(|it| it.rate.is_some_and(|rate| settings.is_worst(&settings.grade(rate))))
        .map(|it| it.id.clone())
        .collect();
    if !worst.is_empty() {
        let word = settings.grade(rust_decimal::Decimal::NEGATIVE_ONE);
        matters.push(draft.say(Say::MatterWorst, &[&word, &draft.few(&worst, FEW)]));
    }
    if let Some((lost, items)) = city_lost(draft) {
        matters.push(draft.say(Say::MatterCity, &[&lost, &items]));
    }
    if !report.recurring.is_empty() {
        let all = report.recurring.len().to_string();
        matters.push(draft.say(Say::MatterRecurring, &[&all]));
    }
    let unknown = report.last().and_then(|it| it.city.worth_by.get(&Known::Unknown));
    if let Some(unknown) = unknown.filter(|it| !it.is_zero()) {
        matters.push(draft.say(Say::MatterUnknown, &[&points(*unknown)]));
    }
    if matters.is_empty() {
        return draft.tell(Say::MatterNone, &[]);
    }
    for (at, matter) in matters.into_iter().enumerate() {
        draft.text(format!("{}. {matter}", at + 1));
    }
}

/// 豁免与变更.
pub(super) fn exemptions(draft: &mut Draft<'_>) {
    let report = draft.report;
    if report.exemptions.is_empty() {
        draft.tell(Say::ExemptNone, &[]);
    } else {
        draft.tell(Say::ExemptLead, &[&report.exemptions.len().to_string()]);
        let day = |day: Date| day.to_string();
        let mut rows = Vec::new();
        for (it, title) in &report.exemptions {
            let measure = if it.measure == "*" {
                Say::AllMeasures.of(draft.language).to_owned()
            } else {
                draft.measure_title(&it.measure)
            };
            let span = match it.until {
                None => draft.say(Say::FromOn, &[&day(it.from)]),
                Some(until) => draft.say(Say::FromTo, &[&day(it.from), &day(until)]),
            };
            let entry = if title.is_empty() { it.entry.clone() } else { title.clone() };
            rows.push(vec![entry, measure, span, it.reason.clone(), it.approval.clone()]);
        }
        let caption = draft.say(Say::ExemptTable, &[]);
        let columns = [
            (Say::Entry, 5, Side::Left),
            (Say::Measure, 4, Side::Left),
            (Say::Span, 4, Side::Middle),
            (Say::Reason, 6, Side::Left),
            (Say::Approval, 5, Side::Left),
        ];
        draft.table(&caption, &columns, rows);
    }
    for (at, change) in report.carried.changes.iter().take(LINES) {
        let say = if change.is_required { Say::Required } else { Say::InForce };
        let when = draft.since_instant(*at);
        draft.tell(say, &[&when, &change.standard, &change.channel]);
    }
    let more = report.carried.changes.len().saturating_sub(LINES);
    if more > 0 {
        draft.tell(Say::ChangesMore, &[&more.to_string()]);
    }
}
