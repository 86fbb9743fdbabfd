//! Scores as people and scripts read them.
//!
//! In JSON, points are numbers with the digits of the decimal; a consumer that adds them up reads
//! them as decimals. Figures are rounded to twelve digits, their parts are exact.

use std::cmp::Ordering;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::show::View;
use super::table::table;
use super::text::Message;
use super::{show_days, show_forecast};
use crate::control::protocol::{
    ActionLine, BodyLine, Both, By, ClassLine, Closed, ItemLine, PlanSheet, Points, RankLine,
    RankSheet, ScoreAnswer, ScoreNote, ScoreSheet, ScoreVerified,
};
use crate::indicator::example::{Example, MonthTold};
use crate::indicator::field::Standing;
use crate::indicator::measures::Figure;
use crate::indicator::scheme::Known;
use crate::indicator::tally::Deed;
use crate::language::Language;

/// A decimal with its own digits: its shortest form has fewer than 16, so it survives the trip.
pub(super) fn number(points: Decimal) -> Value {
    points.normalize().to_string().parse().map_or(Value::Null, Value::Number)
}

pub(super) fn maybe(points: Option<Decimal>) -> Value {
    points.map_or(Value::Null, number)
}

fn of_known(view: &View, known: &str) -> String {
    let message = match Known::ALL.into_iter().find(|it| it.as_str() == known) {
        Some(Known::Published) => Message::KnownPublished,
        Some(Known::Estimated) => Message::KnownEstimated,
        Some(Known::Outside) => Message::KnownOutside,
        Some(Known::Unknown) => Message::KnownUnknown,
        None => return known.to_owned(),
    };
    view.say(message, &[])
}

/// `score example`.
pub(super) fn example(view: &View, example: &Example) -> String {
    let mut text = String::new();
    let parts =
        [(Message::ExampleThen, &example.then), (Message::ExampleWith, &example.with_daemon)];
    for (head, months) in parts {
        text.push_str(&view.say(head, &[&example.scheme]));
        text.push('\n');
        let heads = [
            Message::Month,
            Message::Lost,
            Message::ScoreTotal,
            Message::OverallRank,
            Message::IndicatorRank,
        ]
        .map(|head| view.say(head, &[]));
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let is_told = head == Message::ExampleThen;
        let rows = months.iter().map(|month| example_row(month, is_told)).collect();
        text.push_str(&table(&heads, rows, &[1, 2, 3, 4]));
        text.push('\n');
    }
    for month in example.then.iter().filter(|month| !month.lost.is_zero()) {
        text.push_str(&lines_of_losses(view, month));
    }
    text
}

fn example_row(month: &MonthTold, is_told: bool) -> Vec<String> {
    let mark = |name: &str, value: String| {
        if is_told && month.told.contains(&name) { format!("{value} *") } else { value }
    };
    let of = |standing: &Standing| format!("{}/{}", standing.rank, standing.cities);
    vec![
        month.score.month.to_string(),
        mark("lost", month.lost.to_string()),
        month.score.total.to_string(),
        mark("overall_rank", of(&month.overall)),
        mark("indicator_rank", of(&month.indicator)),
    ]
}

fn lines_of_losses(view: &View, month: &MonthTold) -> String {
    let mut text = String::new();
    for item in month.score.items.iter().filter(|item| item.lost.is_some_and(|it| !it.is_zero())) {
        let Some(points) = item.points.filter(Decimal::is_sign_negative) else { continue };
        let used: Vec<String> = item.used.iter().map(|(name, figure)| used(name, figure)).collect();
        let fill =
            [month.score.month.to_string(), item.id.clone(), points.to_string(), used.join(", ")];
        let fill: Vec<&str> = fill.iter().map(String::as_str).collect();
        text.push_str(&view.say(Message::LossLine, &fill));
        text.push('\n');
    }
    text
}

fn used(name: &str, figure: &Figure) -> String {
    let shown = |value: Decimal| format!("{name} {}", value.round_dp(6).normalize());
    figure.value.map_or_else(|| format!("{name} ?"), shown)
}

/// `score example --json`.
pub(super) fn example_as_json(example: &Example) -> Value {
    let month = |month: &MonthTold, is_told: bool| {
        let told: &[&str] = if is_told { month.told } else { &[] };
        json!({
            "month": month.score.month.to_string(),
            "lost": number(month.lost),
            "total": number(month.score.total),
            "overall_rank": month.overall.rank,
            "indicator_rank": month.indicator.rank,
            "cities": month.overall.cities,
            "to_the_next_better": maybe(month.overall.up),
            "told": told,
            "items": month.score.items.iter().map(|it| ItemLine::of(None, it)).collect::<Vec<_>>(),
        })
    };
    json!({
        "scheme": example.scheme,
        "is_model": true,
        "months": example.then.iter().map(|it| month(it, true)).collect::<Vec<_>>(),
        "with_daemon": example.with_daemon.iter().map(|it| month(it, false)).collect::<Vec<_>>(),
    })
}

/// A score of the daemon or of tables.
pub(super) fn sheet(view: &View, sheet: &ScoreSheet, by: By, is_closer: bool) -> String {
    let head = [
        of_both(view, &sheet.scheme_title),
        sheet.month.clone(),
        sheet.body.clone(),
        sheet.total.to_string(),
        share(sheet.known_share),
    ];
    let fill: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut text = view.say(Message::ScoreHead, &fill) + "\n";
    if let Some(total) = sheet.at_cut_off {
        text.push_str(&view.say(Message::ScoreAtCutOff, &[&total.to_string()]));
        text.push('\n');
    }
    if let Some(closed) = &sheet.closed {
        text.push_str(&of_closed(view, closed));
    }
    for note in &sheet.notes {
        let message = match note {
            ScoreNote::Running => continue,
            ScoreNote::NoObligations => Message::ScoreNoObligations,
            ScoreNote::NoCities => Message::ScoreNoCities,
        };
        text.push_str(&(view.say(message, &[]) + "\n"));
    }
    if is_closer {
        sheet.items.iter().for_each(|item| text.push_str(&closer(view, item)));
        return text;
    }
    text.push_str(&match by {
        By::Item | By::Day => items(view, sheet),
        By::Class => classes(view, sheet),
        By::Region | By::Department | By::Dataset => bodies(view, sheet, by),
    });
    text
}

/// A closed month, and what came to be known of it since.
fn of_closed(view: &View, closed: &Closed) -> String {
    let at = view.zone.to_datetime(closed.at).strftime("%Y-%m-%d %H:%M").to_string();
    let parts =
        [at, closed.total.to_string(), closed.late_facts.to_string(), closed.change.to_string()];
    let fill: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut text = view.say(Message::ScoreClosed, &fill) + "\n";
    if closed.judged_otherwise {
        text.push_str(&(view.say(Message::ScoreJudgedOtherwise, &[]) + "\n"));
    }
    text
}

fn items(view: &View, sheet: &ScoreSheet) -> String {
    let heads = [Message::Item, Message::Title, Message::Points, Message::Worth, Message::KnownAs];
    let row = |item: &ItemLine| {
        vec![
            item.id.clone(),
            of_both(view, &item.title),
            shown(item.points),
            shown(item.worth),
            item.lack.clone().unwrap_or_else(|| of_known(view, &item.known)),
        ]
    };
    tabled(view, &heads, sheet.items.iter().map(row).collect(), &[2, 3])
}

fn classes(view: &View, sheet: &ScoreSheet) -> String {
    let heads = [Message::Item, Message::Title, Message::Points, Message::Lost];
    let row = |class: &ClassLine| {
        vec![
            class.id.clone(),
            of_both(view, &class.title),
            class.points.to_string(),
            class.lost.to_string(),
        ]
    };
    tabled(view, &heads, sheet.classes.iter().map(row).collect(), &[2, 3])
}

/// The measures that a table of bodies shows, with their heads; the last where anybody has it.
const SHOWN: [(&str, Message); 5] = [
    ("data.timely_rate", Message::TimelyRate),
    ("valid.true_rate", Message::TrueRate),
    ("valid.sound_rate", Message::SoundRate),
    ("valid.usable_rate", Message::UsableRate),
    (COLLECTED, Message::CollectedRate),
];
/// Tasks have a column only where the city keeps the list of them.
const COLLECTED: &str = "collection.due_rate";

fn bodies(view: &View, sheet: &ScoreSheet, by: By) -> String {
    let class = if by == By::Dataset { Message::Department } else { Message::BodyClass };
    let mut heads = vec![Message::Subject, Message::Title, class, Message::PartOfLoss];
    heads.push(Message::Points);
    let has_tasks = sheet.bodies.iter().any(|it| it.measures.contains_key(COLLECTED));
    let measures = || SHOWN.iter().filter(|(name, _)| has_tasks || *name != COLLECTED);
    heads.extend(measures().map(|(_, head)| *head));
    let row = |body: &BodyLine| {
        let mut cells = vec![
            body.id.clone(),
            body.title.clone(),
            body.class.clone(),
            body.part_of_loss.to_string(),
            shown(body.total),
        ];
        cells.extend(measures().map(|(name, _)| trend(body, name)));
        cells
    };
    let numbers: Vec<usize> = (3..heads.len()).collect();
    let mut text = tabled(view, &heads, sheet.bodies.iter().map(row).collect(), &numbers);
    if sheet.bodies_more > 0 {
        text.push_str(&format!("+{}\n", sheet.bodies_more));
    }
    text
}

/// A rate in percent, with where it was the month before.
fn trend(body: &BodyLine, name: &str) -> String {
    trend_of(body.measures.get(name).copied(), body.before.get(name).copied())
}

/// A rate in percent, with an arrow to where it came from.
pub(super) fn trend_of(now: Option<Points>, before: Option<Points>) -> String {
    let Some(now) = now else { return "-".to_owned() };
    let arrow = match before.map(|before| now.cmp(&before)) {
        Some(Ordering::Greater) => " ↑",
        Some(Ordering::Less) => " ↓",
        Some(Ordering::Equal) | None => "",
    };
    format!("{}%{arrow}", percent(now))
}

fn share(known: Option<Points>) -> String {
    known.map_or_else(|| "?".to_owned(), percent)
}

pub(super) fn percent(share: Points) -> String {
    (share.0 * Decimal::ONE_HUNDRED).round_dp(1).normalize().to_string()
}

fn shown(points: Option<Points>) -> String {
    points.map_or_else(|| "?".to_owned(), |points| points.to_string())
}

pub(super) fn of_both(view: &View, title: &Both) -> String {
    match view.language {
        Language::Chinese => title.zh.clone(),
        Language::English => title.en.clone(),
    }
}

fn tabled(view: &View, heads: &[Message], rows: Vec<Vec<String>>, numbers: &[usize]) -> String {
    let heads: Vec<String> = heads.iter().map(|head| view.say(*head, &[])).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    table(&heads, rows, numbers)
}

/// One item with its figures and what they were computed from.
fn closer(view: &View, item: &ItemLine) -> String {
    let mut text = format!(
        "{}   {} / {}   {}\n",
        of_both(view, &item.title),
        shown(item.points),
        shown(item.worth),
        item.lack.clone().unwrap_or_else(|| of_known(view, &item.known))
    );
    if !item.note.is_empty() {
        text.push_str(&format!("  {}\n", item.note));
    }
    for figure in &item.computed_from {
        let parts = figure.parts.map_or(String::new(), |[of, all]| format!("   {of}/{all}"));
        let value = figure.value.map(|value| Points(value.0.round_dp(6)));
        text.push_str(&format!("  {} {}{parts}\n", figure.name, shown(value)));
        let moment = |at: Option<Timestamp>| {
            let local = |at: Timestamp| view.zone.to_datetime(at).strftime("%m-%d %H:%M");
            at.map_or(String::new(), |at| local(at).to_string())
        };
        for it in &figure.findings {
            let parts = [it.owner.clone(), it.subject.clone(), moment(it.from), moment(it.until)];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let doubt = if it.doubt.is_empty() {
                String::new()
            } else {
                format!("   {}", show_forecast::of_doubt(view, &it.doubt))
            };
            let line = format!("    {}   {}{doubt}", parts.join("   "), it.evidence);
            text.push_str(line.trim_end());
            text.push('\n');
            for batch in &it.batches {
                text.push_str(&format!("      {} {batch}\n", view.say(Message::Batch, &[])));
            }
        }
        if figure.more > 0 {
            text.push_str(&format!("    +{}\n", figure.more));
        }
    }
    text
}

/// `score rank`.
pub(super) fn rank(view: &View, sheet: &RankSheet) -> String {
    let mut rows = vec![rank_row(view.say(Message::ScoreTotal, &[]), &sheet.total)];
    rows.extend(sheet.classes.iter().map(|class| rank_row(of_both(view, &class.title), class)));
    let heads = [Message::Item, Message::Points, Message::Rank, Message::Up, Message::Down];
    let mut text = tabled(view, &heads, rows, &[1, 2, 3, 4]);
    text.push_str(&view.say(Message::KnownShare, &[&share(sheet.known_share)]));
    text.push('\n');
    for it in &sheet.if_repaired {
        let fill = [of_both(view, &it.title), it.total.to_string(), it.rank.to_string()];
        let fill: Vec<&str> = fill.iter().map(String::as_str).collect();
        text.push_str(&view.say(Message::IfRepaired, &fill));
        text.push('\n');
    }
    text
}

fn rank_row(name: String, line: &RankLine) -> Vec<String> {
    let margin = |it: Option<Points>| it.map_or(String::new(), |it| it.to_string());
    let rank = line.rank.zip(line.cities);
    let rank = rank.map_or("?".to_owned(), |(rank, cities)| format!("{rank}/{cities}"));
    vec![name, line.points.to_string(), rank, margin(line.up), margin(line.down)]
}

fn of_deed(view: &View, deed: &str) -> String {
    let message = match Deed::parse(deed) {
        Some(Deed::CloseCase) => Message::DeedCase,
        Some(Deed::CascadeEntry) => Message::DeedEntry,
        Some(Deed::MountResource) => Message::DeedResource,
        Some(Deed::DeliverData) => Message::DeedData,
        Some(Deed::MendRows) => Message::DeedRows,
        Some(Deed::SwitchStandard) => Message::DeedStandard,
        Some(Deed::CollectTask) => Message::DeedTask,
        None => return deed.to_owned(),
    };
    view.say(message, &[])
}

/// `score recover`.
pub(super) fn plan(view: &View, plan: &PlanSheet) -> String {
    let mut text = view.say(Message::RecoverHead, &[&plan.together.to_string()]) + "\n";
    let heads = [
        Message::Owner,
        Message::What,
        Message::Subject,
        Message::Points,
        Message::Hours,
        Message::BeginBy,
        Message::Deadline,
        Message::Command,
    ];
    let moment = |at: Timestamp| view.zone.to_datetime(at).strftime("%m-%d %H:%M").to_string();
    let row = |action: &ActionLine| {
        vec![
            action.owner.clone(),
            of_deed(view, &action.deed),
            action.subject.clone(),
            action.points.to_string(),
            action.hours.map_or_else(|| "?".to_owned(), |hours| hours.to_string()),
            action.begin_by.map_or_else(|| view.say(Message::TooLate, &[]), moment),
            moment(action.until),
            action.command.clone(),
        ]
    };
    let rows = plan.planned.iter().chain(&plan.too_late).map(row);
    text.push_str(&tabled(view, &heads, rows.collect(), &[3, 4]));
    text
}

/// `score verify`.
pub(super) fn verified(view: &View, it: &ScoreVerified) -> String {
    let (months, again) = (it.months.to_string(), it.recomputed.to_string());
    let fill = [it.facts.to_string(), months, again, it.problems.len().to_string()];
    let fill: Vec<&str> = fill.iter().map(String::as_str).collect();
    let mut text = view.say(Message::ScoreVerified, &fill) + "\n";
    it.problems.iter().for_each(|problem| text.push_str(&format!("  {problem}\n")));
    for note in &it.notes {
        text.push_str(&format!("  {}\n", view.say(Message::ScoreVerifyNote, &[note])));
    }
    text
}

/// What the daemon answers about scores.
pub(super) fn answer(view: &View, answer: &ScoreAnswer) -> String {
    match answer {
        ScoreAnswer::Sheet(it) => sheet(view, it, By::Item, false),
        ScoreAnswer::Rank(it) => rank(view, it),
        ScoreAnswer::Plan(it) => plan(view, it),
        ScoreAnswer::Forecast(it) => show_forecast::forecast(view, it),
        ScoreAnswer::Doubts(it) => show_forecast::doubts(view, it),
        ScoreAnswer::Calibration(it) => show_forecast::calibration(view, it),
        ScoreAnswer::Verified(it) => verified(view, it),
        ScoreAnswer::Evidence(_) => String::new(),
        ScoreAnswer::Days(it) => show_days::days(view, it),
        ScoreAnswer::Brought(it) => {
            view.say(Message::BroughtIn, &[&it.facts.to_string(), &it.new.to_string()]) + "\n"
        }
    }
}
