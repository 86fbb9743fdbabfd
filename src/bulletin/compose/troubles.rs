//! 存在问题: department by department, down to the dataset.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::draft::{Draft, points};
use super::words::Say;
use crate::bulletin::defects::hours;
use crate::bulletin::document::{Bar, Block, Chart, Side};
use crate::bulletin::period::Form;
use crate::bulletin::{Defect, Ill, by_owner};

/// The most objects that a sentence names.
const FEW: usize = 5;
/// The most rules of one object.
const RULES: usize = 2;
/// The most bars of a chart.
const BARS: usize = 15;
/// The most departments without a finding that are named.
const SOUND: usize = 40;

/// The whole part.
pub(super) fn troubles(draft: &mut Draft<'_>) {
    let report = draft.report;
    let groups = report.by_department();
    let with_defects = groups.iter().filter(|(_, _, defects)| !defects.is_empty()).count();
    if report.defects.is_empty() {
        draft.tell(Say::NoTroubles, &[]);
    } else {
        let mut kinds: BTreeMap<&Ill, usize> = BTreeMap::new();
        for defect in &report.defects {
            *kinds.entry(&defect.ill).or_default() += 1;
        }
        let told: Vec<String> = kinds
            .iter()
            .map(|(ill, count)| {
                draft.say(Say::IllCount, &[&draft.ill_title(ill), &count.to_string()])
            })
            .collect();
        let fill = [with_defects.to_string(), report.defects.len().to_string(), draft.list(&told)];
        draft.tell(Say::TroublesLead, &fill.each_ref().map(String::as_str));
        overview(draft, &groups);
        chart(draft, &groups);
        draft.remark(Say::SharedRemark, &[]);
    }
    super::promises::unapproved(draft);
    let most = match report.period.form {
        Form::Weekly => 8,
        Form::Monthly => 15,
        Form::Quarterly => 5,
    };
    let detailed: Vec<_> = groups.iter().filter(|(_, _, defects)| !defects.is_empty()).collect();
    for (owner, lost, defects) in detailed.iter().take(most) {
        department(draft, owner, *lost, defects);
    }
    if detailed.len() > most {
        draft.tell(Say::NotDetailed, &[&(detailed.len() - most).to_string()]);
    }
    city(draft);
    sound(draft);
}

/// Points that do not read as nothing.
fn is_shown(points: Decimal) -> bool {
    points.round_dp(2) > Decimal::ZERO
}

type Group<'r> = (&'r str, Decimal, Vec<&'r Defect>);

fn overview(draft: &mut Draft<'_>, groups: &[Group<'_>]) {
    let row = |(owner, lost, defects): &Group<'_>| {
        let of = |kinds: &dyn Fn(&Ill) -> bool| {
            let found = defects.iter().filter(|it| kinds(&it.ill)).count();
            if found == 0 { "—".to_owned() } else { found.to_string() }
        };
        vec![
            (*owner).to_owned(),
            defects.len().to_string(),
            of(&|ill| *ill == Ill::Stale),
            of(&|ill| matches!(ill, Ill::Incomplete | Ill::NotCascaded)),
            of(&|ill| matches!(ill, Ill::Unmounted | Ill::Unanswered | Ill::Uncollected)),
            of(&|ill| matches!(ill, Ill::RejectedHere | Ill::RejectedAbove | Ill::Differing)),
            of(&|ill| matches!(ill, Ill::CaseLate(_) | Ill::CaseOpen(_))),
            points(*lost),
        ]
    };
    let rows = groups.iter().map(row).collect();
    let caption = draft.say(Say::Overview, &[]);
    let columns = [
        (Say::Department, 7, Side::Left),
        (Say::All, 3, Side::Middle),
        (Say::StaleShort, 2, Side::Middle),
        (Say::CataloguedShort, 2, Side::Middle),
        (Say::MountedShort, 2, Side::Middle),
        (Say::RowsShort, 3, Side::Middle),
        (Say::CasesShort, 2, Side::Middle),
        (Say::Shared, 4, Side::Right),
    ];
    draft.table(&caption, &columns, rows);
}

fn chart(draft: &mut Draft<'_>, groups: &[Group<'_>]) {
    let losing = || groups.iter().filter(|(_, lost, _)| is_shown(*lost));
    let Some(most) = losing().map(|(_, lost, _)| *lost).max() else { return };
    let bar = |(owner, lost, _): &Group<'_>| Bar {
        label: (*owner).to_owned(),
        value: *lost,
        most,
        shown: points(*lost),
        is_bad: true,
    };
    let bars = losing().take(BARS).map(bar).collect();
    let caption = draft.say(Say::DepartmentChart, &[]);
    draft.blocks.push(Block::Chart(Chart::Bars { caption, bars }));
}

fn department(draft: &mut Draft<'_>, owner: &str, lost: Decimal, defects: &[&Defect]) {
    let title = if is_shown(lost) {
        draft.say(Say::DepartmentLost, &[owner, &points(lost)])
    } else {
        owner.to_owned()
    };
    draft.section(&title);
    let kinds: BTreeSet<&Ill> = defects.iter().map(|it| &it.ill).collect();
    let mut text = String::new();
    for ill in kinds {
        let of: Vec<&&Defect> = defects.iter().filter(|it| it.ill == *ill).collect();
        let told: Vec<String> = of.iter().map(|it| named(draft, it)).collect();
        let fill = [draft.ill_title(ill), of.len().to_string(), draft.few(&told, FEW)];
        text.push_str(&draft.say(Say::IllLine, &fill.each_ref().map(String::as_str)));
    }
    if let Some(more) = draft.report.more.get(owner) {
        text.push_str(&draft.say(Say::FurtherMore, &[&more.to_string()]));
    }
    draft.text(text);
}

/// A defect with its name and what is known of it.
fn named(draft: &Draft<'_>, defect: &Defect) -> String {
    let name = draft.name_of(&defect.subject);
    let detail = detail(draft, defect, RULES);
    if detail.is_empty() { name } else { draft.say(Say::Detail, &[&name, &detail]) }
}

/// What is known of a defect: since when, how many, by which of at most so many rules.
pub(super) fn detail(draft: &Draft<'_>, defect: &Defect, rules: usize) -> String {
    let at = draft.report.last().map_or(jiff::Timestamp::UNIX_EPOCH, |it| it.at);
    let detail = match &defect.ill {
        Ill::Stale => match defect.since {
            None => draft.say(Say::NeverConfirmed, &[]),
            Some(since) => {
                let hours = hours(since, at);
                let (say, span) = if hours < 72 {
                    (Say::OverdueHours, hours)
                } else {
                    (Say::OverdueDays, hours / 24)
                };
                draft.say(say, &[&span.to_string()])
            }
        },
        Ill::CaseLate(_) | Ill::CaseOpen(_) | Ill::Uncollected => {
            let until = |at| draft.say(Say::Until, &[&draft.deadline(at)]);
            defect.since.map_or_else(String::new, until)
        }
        Ill::RejectedHere | Ill::RejectedAbove => rows(draft, defect, rules),
        Ill::Differing => counted(draft, Say::KeysOf, defect),
        Ill::Unanswered => counted(draft, Say::ProbesOf, defect),
        Ill::Incomplete | Ill::NotCascaded | Ill::Unmounted => {
            let since = |at| {
                let day = draft.zone().to_datetime(at).date();
                draft.say(Say::SinceDay, &[&draft.day(day)])
            };
            defect.since.map_or_else(String::new, since)
        }
    };
    let mark = if defect.is_key { Say::KeyMark.of(draft.language) } else { "" };
    format!("{mark}{detail}").trim_end_matches(['，', ',', ' ']).to_owned()
}

fn counted(draft: &Draft<'_>, say: Say, defect: &Defect) -> String {
    defect.count.map_or_else(String::new, |count| draft.say(say, &[&count.to_string()]))
}

fn rows(draft: &Draft<'_>, defect: &Defect, most: usize) -> String {
    if defect.codes.is_empty() || most == 0 {
        return counted(draft, Say::RowsOf, defect);
    }
    let code = |(code, rows): &(String, u64)| draft.say(Say::CodeRows, &[code, &rows.to_string()]);
    let codes: Vec<String> = defect.codes.iter().map(code).collect();
    let count = defect.count.unwrap_or_else(|| defect.codes.iter().map(|it| it.1).sum());
    draft.say(Say::RowsBy, &[&count.to_string(), &draft.few(&codes, most)])
}

/// What is lost and belongs to no department.
fn city(draft: &mut Draft<'_>) {
    if let Some((lost, items)) = city_lost(draft) {
        draft.tell(Say::CityLost, &[&lost, &items]);
    }
}

/// The points that belong to no department, and of which items they are.
pub(super) fn city_lost(draft: &Draft<'_>) -> Option<(String, String)> {
    let losses = &draft.report.losses;
    let lost = by_owner(losses).get("").copied().filter(|it| *it > Decimal::ZERO)?;
    let items: Vec<String> = losses
        .iter()
        .filter(|it| it.owner.is_empty())
        .map(|it| draft.say(Say::LossOf, &[&draft.item_title(&it.item), &points(it.points)]))
        .collect();
    Some((points(lost), draft.few(&items, FEW)))
}

/// The departments without a finding.
fn sound(draft: &mut Draft<'_>) {
    let report = draft.report;
    let Some(last) = report.last() else { return };
    let with: BTreeSet<&str> = report.defects.iter().map(|it| it.owner.as_str()).collect();
    let sound: Vec<String> =
        last.departments.keys().filter(|id| !with.contains(id.as_str())).cloned().collect();
    if !sound.is_empty() {
        let fill = [sound.len().to_string(), draft.few(&sound, SOUND)];
        draft.tell(Say::Sound, &fill.each_ref().map(String::as_str));
    }
}
