//! A report in words: the document that is read out, and the lists that departments get.
//!
//! The three forms tell the same facts differently. A weekly bulletin says what changed and what is
//! to be done next week; a monthly assessment goes through every item and ranks; a quarterly paper
//! shows the months beside each other, what keeps coming back, and what the meeting has to decide.

mod ahead;
mod draft;
mod lists;
mod next;
mod overall;
mod promises;
mod ranks;
mod troubles;
mod words;

pub use lists::{Sheet, sheets};

use draft::{Draft, numeral};
use words::Say;

use super::document::Document;
use super::period::Form;
use super::report::Report;
use crate::language::Language;

/// The document of a report. `attached` are the sheets that go with it.
pub fn document(report: &Report, attached: &[Sheet]) -> Document {
    let mut draft = Draft::new(report);
    match report.period.form {
        Form::Weekly => {
            draft.part(Say::Overall);
            overall::overall(&mut draft);
            draft.part(Say::Changes);
            overall::changes(&mut draft);
            draft.part(Say::Ranking);
            ranks::ranks(&mut draft);
            draft.part(Say::Troubles);
            troubles::troubles(&mut draft);
            draft.part(Say::NextWeek);
        }
        Form::Monthly => {
            draft.part(Say::Overall);
            overall::overall(&mut draft);
            draft.part(Say::Ranking);
            ranks::ranks(&mut draft);
            draft.part(Say::Troubles);
            troubles::troubles(&mut draft);
            draft.part(Say::Next);
        }
        Form::Quarterly => {
            draft.part(Say::OverallQuarter);
            overall::overall(&mut draft);
            draft.part(Say::Ranking);
            ranks::ranks(&mut draft);
            draft.part(Say::Troubles);
            troubles::troubles(&mut draft);
            draft.part(Say::Recurring);
            next::recurring(&mut draft);
            draft.part(Say::Matters);
            next::matters(&mut draft);
            draft.part(Say::Next);
        }
    }
    next::next(&mut draft);
    draft.part(Say::Exempt);
    promises::promises(&mut draft);
    next::exemptions(&mut draft);
    framed(draft, attached)
}

/// Points as a document shows them.
pub(super) fn shown_points(points: rust_decimal::Decimal) -> String {
    draft::points(points)
}

/// The body in its frame: head, title, addressees, attachments, signature.
fn framed(draft: Draft<'_>, attached: &[Sheet]) -> Document {
    let report = draft.report;
    let settings = &report.settings;
    let or = |text: &str, say: Say| {
        if text.is_empty() { draft.say(say, &[]) } else { text.to_owned() }
    };
    let to = settings.to.trim_end_matches(['：', ':']);
    let (title, subtitle) = title(&draft);
    let at = report.last().map_or(jiff::Timestamp::UNIX_EPOCH, |it| it.at);
    let attachment =
        |sheet: &Sheet| draft.say(Say::Attachment, &[&sheet.owner, &sheet.rows.len().to_string()]);
    let next_day = report.last_day.tomorrow().unwrap_or(report.last_day);
    Document {
        language: draft.language,
        office: or(&settings.office, Say::OfficeBlank),
        number: draft.say(Say::Number, &[&report.last_day.year().to_string()]),
        title,
        subtitle,
        to: if to.is_empty() { draft.say(Say::ToBlank, &[]) } else { draft.say(Say::To, &[to]) },
        attached: draft.say(Say::Attached, &[]),
        attachments: attached.iter().map(attachment).collect(),
        signature: or(&settings.office, Say::OfficeBlank),
        date: draft.full_day(next_day),
        contact: if settings.contact.is_empty() {
            draft.say(Say::ContactBlank, &[])
        } else {
            draft.say(Say::Contact, &[&settings.contact])
        },
        as_of: draft.say(Say::AsOf, &[&draft.full_instant(at)]),
        at,
        blocks: draft.blocks,
    }
}

fn title(draft: &Draft<'_>) -> (String, String) {
    let report = draft.report;
    let settings = &report.settings;
    let subject = if settings.subject.is_empty() {
        draft.say(Say::Subject, &[])
    } else {
        settings.subject.clone()
    };
    // The city belongs to the subject: 关于2026年10月示例市数据共享开放工作考评情况的通报.
    let subject = match draft.language {
        Language::Chinese => format!("{}{subject}", settings.city),
        Language::English if settings.city.is_empty() => subject,
        Language::English => format!("{subject} of {}", settings.city),
    };
    let period = report.period;
    let year = period.first().year().to_string();
    match period.form {
        Form::Weekly => {
            let week = period.first().iso_week_date();
            let (year, week) = (week.year().to_string(), week.week().to_string());
            let (from, to) = (draft.day(period.first()), draft.day(report.last_day));
            (
                draft.say(Say::TitleWeekly, &[&year, &week, &subject]),
                draft.say(Say::Between, &[&from, &to]),
            )
        }
        Form::Monthly => {
            let month = period.first().month().to_string();
            (draft.say(Say::TitleMonthly, &[&year, &month, &subject]), String::new())
        }
        Form::Quarterly => {
            let quarter = match draft.language {
                Language::Chinese => numeral(usize::try_from(period.quarter()).unwrap_or(0)),
                Language::English => period.quarter().to_string(),
            };
            (draft.say(Say::TitleQuarterly, &[&year, &quarter, &subject]), String::new())
        }
    }
}
