//! 口径变更: what is promised less of than before, without and with an approval.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::words::Say;
use crate::bulletin::document::Side;
use crate::calendar::{Cycle, Unit};
use crate::indicator::terms::{Change, List, Matter};
use crate::language::Language;

/// The most lines of a table.
const LINES: usize = 30;

/// Those that nobody approved of, first and by name; then those that somebody did.
pub(super) fn promises(draft: &mut Draft<'_>) {
    let report = draft.report;
    if report.loosened.is_empty() {
        return draft.tell(Say::LooserNone, &[]);
    }
    let open: Vec<&Change> = report.loosened.iter().filter(|it| it.is_unapproved()).collect();
    let approved: Vec<&Change> =
        report.loosened.iter().filter(|it| it.approved.is_some()).collect();
    let back = report.loosened.len() - open.len() - approved.len();
    if !open.is_empty() {
        draft.tell(Say::LooserOpen, &[&open.len().to_string()]);
        let row = |it: &&Change| [told(draft, it), vec![draft.since_instant(it.at)]].concat();
        let rows = open.iter().take(LINES).map(row).collect();
        let caption = draft.say(Say::LooserOpenTable, &[]);
        let last = (Say::SeenOn, 4, Side::Middle);
        draft.table(&caption, &[columns().as_slice(), &[last]].concat(), rows);
    }
    if !approved.is_empty() {
        draft.tell(Say::LooserApproved, &[&approved.len().to_string()]);
        let row = |it: &&Change| {
            let by = it.approved.as_ref();
            let by = by.map(|by| vec![by.reason.clone(), by.approval.clone()]).unwrap_or_default();
            [told(draft, it), by].concat()
        };
        let rows = approved.iter().take(LINES).map(row).collect();
        let caption = draft.say(Say::LooserApprovedTable, &[]);
        let last = [(Say::Reason, 5, Side::Left), (Say::Approval, 5, Side::Left)];
        draft.table(&caption, &[columns().as_slice(), &last].concat(), rows);
    }
    let more = open.len().saturating_sub(LINES) + approved.len().saturating_sub(LINES);
    if more > 0 {
        draft.tell(Say::LooserMore, &[&more.to_string()]);
    }
    if back > 0 {
        draft.tell(Say::LooserBack, &[&back.to_string()]);
    }
}

/// The sentence among what is wrong, where something counts as it was.
pub(super) fn unapproved(draft: &mut Draft<'_>) {
    let mut matters: BTreeMap<(List, Matter), usize> = BTreeMap::new();
    for change in draft.report.loosened.iter().filter(|it| it.is_unapproved()) {
        *matters.entry((change.list, change.matter)).or_default() += 1;
    }
    if matters.is_empty() {
        return;
    }
    let all: usize = matters.values().sum();
    let said = |((list, matter), count): (&(List, Matter), &usize)| {
        let matter = say_of(*list, *matter).of(draft.language);
        draft.say(Say::IllCount, &[matter, &count.to_string()])
    };
    let list = draft.list(&matters.iter().map(said).collect::<Vec<_>>());
    draft.tell(Say::LooserWarning, &[&all.to_string(), &list]);
}

fn columns() -> [(Say, u32, Side); 4] {
    [
        (Say::Object, 5, Side::Left),
        (Say::Matter, 3, Side::Middle),
        (Say::Counted, 3, Side::Middle),
        (Say::DeclaredNow, 3, Side::Middle),
    ]
}

/// The subject, the matter, what counted and what is declared.
fn told(draft: &Draft<'_>, it: &Change) -> Vec<String> {
    let key = it.list.named(&it.subject);
    let words = |text: &str| words(it.matter, text, draft.language);
    let matter = say_of(it.list, it.matter).of(draft.language).to_owned();
    vec![draft.name_of(&key), matter, words(&it.from), words(&it.to)]
}

fn say_of(list: List, matter: Matter) -> Say {
    match matter {
        Matter::Listed if list == List::Tasks => Say::MatterTask,
        Matter::Listed => Say::MatterListed,
        Matter::Entry => Say::MatterEntry,
        Matter::Dataset => Say::MatterDataset,
        Matter::Cycle => Say::MatterCycle,
        Matter::Share => Say::MatterShare,
        Matter::Open => Say::MatterOpen,
        Matter::Key => Say::MatterKey,
        Matter::Due => Say::MatterDue,
    }
}

/// A promise in the document's language; what nobody knows stands as it was written.
fn words(matter: Matter, text: &str, language: Language) -> String {
    let say = match (matter, text) {
        (Matter::Cycle, _) => return cycle(text, language),
        (Matter::Share | Matter::Open, "unconditional" | "open") => Say::Unconditional,
        (Matter::Share | Matter::Open, "conditional") => Say::Conditional,
        (Matter::Share | Matter::Open, "none" | "closed") => Say::NotAtAll,
        (_, "yes") => Say::Yes,
        (_, "no") => Say::No,
        (_, _) => return text.to_owned(),
    };
    say.of(language).to_owned()
}

/// `每 2 日`, `every 2 days`.
fn cycle(text: &str, language: Language) -> String {
    let cycle = Cycle::parse(text);
    match (cycle, language) {
        (_, Language::Chinese) => cycle.to_string(),
        (Cycle::Every(count, unit), Language::English) => {
            let unit = match unit {
                Unit::Minute => "minute",
                Unit::Hour => "hour",
                Unit::Day => "day",
                Unit::WorkingDay => "working day",
                Unit::Week => "week",
                Unit::Month => "month",
                Unit::Year => "year",
            };
            match count.get() {
                1 => format!("every {unit}"),
                count => format!("every {count} {unit}s"),
            }
        }
        (Cycle::Open(why), Language::English) => why.as_str().to_owned(),
    }
}
