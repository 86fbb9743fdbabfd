//! Scores as people and scripts read them.
//!
//! In JSON, points are numbers with the digits of the decimal; a consumer that adds them up reads
//! them as decimals. Figures are rounded to twelve digits, their parts are exact.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::show::View;
use super::table::table;
use super::text::Message;
use crate::indicator::example::{Example, MonthTold};
use crate::indicator::field::{Field, Standing, TOTAL};
use crate::indicator::measures::{Figure, Finding};
use crate::indicator::recover::{Action, Plan};
use crate::indicator::scheme::{Known, Scheme, Title};
use crate::indicator::score::{ItemScore, Lack, Score};
use crate::indicator::tally::{Act, Deed};
use crate::language::Language;

/// A decimal with its own digits: its shortest form has fewer than 16, so it survives the trip.
pub(super) fn number(points: Decimal) -> Value {
    points.normalize().to_string().parse().map_or(Value::Null, Value::Number)
}

pub(super) fn maybe(points: Option<Decimal>) -> Value {
    points.map_or(Value::Null, number)
}

pub(super) fn title(view: &View, title: &Title) -> String {
    match view.language {
        Language::Chinese => title.zh.clone(),
        Language::English => title.en.clone(),
    }
}

pub(super) fn titled(view: &View, scheme: &Scheme, item: &str) -> String {
    let found = scheme.items.iter().find(|known| known.id == item);
    found.map_or_else(|| item.to_owned(), |found| title(view, &found.title))
}

fn of_known(view: &View, known: Known) -> String {
    let message = match known {
        Known::Published => Message::KnownPublished,
        Known::Estimated => Message::KnownEstimated,
        Known::Outside => Message::KnownOutside,
        Known::Unknown => Message::KnownUnknown,
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
            "items": month.score.items.iter().map(item_as_json).collect::<Vec<_>>(),
        })
    };
    json!({
        "scheme": example.scheme,
        "is_model": true,
        "months": example.then.iter().map(|it| month(it, true)).collect::<Vec<_>>(),
        "with_daemon": example.with_daemon.iter().map(|it| month(it, false)).collect::<Vec<_>>(),
    })
}

fn item_as_json(item: &ItemScore) -> Value {
    let lack = item.lack.as_ref().map(lack);
    let figures: Vec<Value> =
        item.used.iter().map(|(name, figure)| figure_as_json(name, figure)).collect();
    json!({
        "id": item.id,
        "class": item.class,
        "kind": item.kind.as_str(),
        "known": item.known.as_str(),
        "worth": maybe(item.worth),
        "points": maybe(item.points),
        "lost": maybe(item.lost),
        "struck": item.is_struck,
        "lack": lack,
        "computed_from": figures,
    })
}

fn figure_as_json(name: &str, figure: &Figure) -> Value {
    let finding = |it: &Finding| {
        json!({
            "subject": it.subject,
            "owner": it.owner,
            "from": it.from.map(|at| at.to_string()),
            "until": it.until.map(|at| at.to_string()),
            "evidence": it.evidence,
        })
    };
    json!({
        "name": name,
        "value": maybe(figure.value.map(|value| value.round_dp(12))),
        "parts": figure.parts.map(|(of, all)| [of, all]),
        "exempt": figure.exempt,
        "findings": figure.findings.iter().map(finding).collect::<Vec<_>>(),
        "more": figure.more,
    })
}

fn lack(lack: &Lack) -> String {
    match lack {
        Lack::Unknown => "unknown".to_owned(),
        Lack::Absent(names) => format!("absent: {}", names.join(", ")),
        Lack::Fault(fault) => fault.to_string(),
    }
}

/// `score replay --json`.
pub(super) fn score_as_json(score: &Score) -> Value {
    let class = |it: &crate::indicator::score::ClassScore| json!({"id": it.id, "points": number(it.points), "lost": number(it.lost), "struck": it.is_struck});
    let by =
        score.worth_by.iter().map(|(known, worth)| (known.as_str().to_owned(), number(*worth)));
    json!({
        "scheme": score.scheme,
        "month": score.month.to_string(),
        "body": score.body.id(),
        "total": number(score.total),
        "lost": number(score.lost),
        "worth": number(score.worth),
        "worth_known": number(score.worth_known),
        "worth_by": by.collect::<serde_json::Map<_, _>>(),
        "classes": score.classes.iter().map(class).collect::<Vec<_>>(),
        "items": score.items.iter().map(item_as_json).collect::<Vec<_>>(),
    })
}

/// `score replay`.
pub(super) fn score(view: &View, scheme: &Scheme, score: &Score, item: Option<&str>) -> String {
    let share = score.known_share().map(|it| (it * Decimal::ONE_HUNDRED).round_dp(1).normalize());
    let share = share.map_or_else(|| "?".to_owned(), |share| share.to_string());
    let head = [
        title(view, &scheme.title),
        score.month.to_string(),
        score.body.id().to_owned(),
        score.total.to_string(),
        share,
    ];
    let fill: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut text = view.say(Message::ScoreHead, &fill) + "\n";
    if let Some(item) = score.items.iter().find(|known| Some(known.id.as_str()) == item) {
        text.push_str(&closer(view, scheme, item));
        return text;
    }
    let heads = [Message::Item, Message::Title, Message::Points, Message::Worth, Message::KnownAs]
        .map(|head| view.say(head, &[]));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let points = |points: Option<Decimal>| points.map_or("?".to_owned(), |it| it.to_string());
    let row = |item: &ItemScore| {
        vec![
            item.id.clone(),
            titled(view, scheme, &item.id),
            points(item.points),
            points(item.worth),
            item.lack.as_ref().map_or_else(|| of_known(view, item.known), lack),
        ]
    };
    text.push_str(&table(&heads, score.items.iter().map(row).collect(), &[2, 3]));
    text
}

/// One item with its figures and what they were computed from.
fn closer(view: &View, scheme: &Scheme, item: &ItemScore) -> String {
    let points = |points: Option<Decimal>| points.map_or("?".to_owned(), |it| it.to_string());
    let mut text = format!(
        "{}   {} / {}   {}\n",
        titled(view, scheme, &item.id),
        points(item.points),
        points(item.worth),
        item.lack.as_ref().map_or_else(|| of_known(view, item.known), lack)
    );
    for (name, figure) in &item.used {
        let parts = figure.parts.map_or(String::new(), |(of, all)| format!("   {of}/{all}"));
        text.push_str(&format!("  {}{parts}\n", used(name, figure)));
        let moment = |at: Option<Timestamp>| {
            let local = |at: Timestamp| view.zone.to_datetime(at).strftime("%m-%d %H:%M");
            at.map_or(String::new(), |at| local(at).to_string())
        };
        for it in &figure.findings {
            let parts = [it.owner.clone(), it.subject.clone(), moment(it.from), moment(it.until)];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let line = format!("    {}   {}", parts.join("   "), it.evidence);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if figure.more > 0 {
            text.push_str(&format!("    +{}\n", figure.more));
        }
    }
    text
}

/// `score rank`.
pub(super) fn rank(view: &View, scheme: &Scheme, score: &Score, field: &Field) -> String {
    let mut rows = Vec::new();
    let total = field.standing(score.month, TOTAL, score.total);
    rows.push(rank_row(view.say(Message::ScoreTotal, &[]), score.total, total.as_ref()));
    for class in &score.classes {
        let standing = field.standing(score.month, &class.id, class.points);
        let found = scheme.classes.iter().find(|known| known.id == class.id);
        let name = found.map_or_else(|| class.id.clone(), |found| title(view, &found.title));
        rows.push(rank_row(name, class.points, standing.as_ref()));
    }
    let heads = [Message::Item, Message::Points, Message::Rank, Message::Up, Message::Down]
        .map(|head| view.say(head, &[]));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut text = table(&heads, rows, &[1, 2, 3, 4]);
    for (item, total, standing) in repaired(score, field) {
        let fill = [titled(view, scheme, item), total.to_string(), standing.rank.to_string()];
        let fill: Vec<&str> = fill.iter().map(String::as_str).collect();
        text.push_str(&view.say(Message::IfRepaired, &fill));
        text.push('\n');
    }
    text
}

/// Each loss, with the total and the standing that there would be without it; the best first.
fn repaired<'s>(score: &'s Score, field: &Field) -> Vec<(&'s str, Decimal, Standing)> {
    let lost = score.items.iter().filter(|it| it.lost.is_some_and(|lost| !lost.is_zero()));
    let mut found: Vec<(&str, Decimal, Standing)> = lost
        .filter_map(|item| {
            let total = score.repaired(&item.id)?;
            Some((item.id.as_str(), total, field.standing(score.month, TOTAL, total)?))
        })
        .collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    found
}

fn rank_row(name: String, points: Decimal, standing: Option<&Standing>) -> Vec<String> {
    let margin = |it: Option<Decimal>| it.map_or(String::new(), |it| it.to_string());
    let (rank, up, down) = standing.map_or(("?".to_owned(), None, None), |it| {
        (format!("{}/{}", it.rank, it.cities), it.up, it.down)
    });
    vec![name, points.to_string(), rank, margin(up), margin(down)]
}

/// `score rank --json`.
pub(super) fn rank_as_json(score: &Score, field: &Field) -> Value {
    let of = |what: &str, points: Decimal| {
        let standing = field.standing(score.month, what, points);
        json!({
            "what": what,
            "points": number(points),
            "rank": standing.as_ref().map(|it| it.rank),
            "cities": standing.as_ref().map(|it| it.cities),
            "up": maybe(standing.as_ref().and_then(|it| it.up)),
            "down": maybe(standing.as_ref().and_then(|it| it.down)),
        })
    };
    let repaired: Vec<Value> = repaired(score, field)
        .into_iter()
        .map(|(item, total, it)| json!({"item": item, "total": number(total), "rank": it.rank}))
        .collect();
    json!({
        "month": score.month.to_string(),
        "total": of(TOTAL, score.total),
        "classes": score.classes.iter().map(|it| of(&it.id, it.points)).collect::<Vec<_>>(),
        "if_repaired": repaired,
    })
}

fn of_deed(view: &View, deed: Deed) -> String {
    let message = match deed {
        Deed::CloseCase => Message::DeedCase,
        Deed::CascadeEntry => Message::DeedEntry,
        Deed::MountResource => Message::DeedResource,
        Deed::DeliverData => Message::DeedData,
        Deed::MendRows => Message::DeedRows,
        Deed::SwitchStandard => Message::DeedStandard,
    };
    view.say(message, &[])
}

/// The command that helps, where one does.
fn command(act: &Act) -> String {
    match act.deed {
        Deed::CloseCase => String::new(),
        Deed::CascadeEntry | Deed::MountResource => "cascaded resync --catalogue".to_owned(),
        Deed::DeliverData => format!("cascaded resync {}", act.subject),
        Deed::MendRows => "cascaded rejects list".to_owned(),
        Deed::SwitchStandard => "cascaded standard activate".to_owned(),
    }
}

/// `score recover`.
pub(super) fn plan(view: &View, plan: &Plan) -> String {
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
    ]
    .map(|head| view.say(head, &[]));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let moment = |at: Timestamp| view.zone.to_datetime(at).strftime("%m-%d %H:%M").to_string();
    let row = |action: &Action, begin_by: Option<Timestamp>| {
        vec![
            action.owner.clone(),
            of_deed(view, action.act.deed),
            action.act.subject.clone(),
            action.points.to_string(),
            action.hours.map_or_else(|| "?".to_owned(), |hours| hours.to_string()),
            begin_by.map_or_else(|| view.say(Message::TooLate, &[]), moment),
            moment(action.until),
            command(&action.act),
        ]
    };
    let planned = plan.planned.iter().map(|it| row(&it.action, Some(it.begin_by)));
    let late = plan.too_late.iter().map(|action| row(action, None));
    text.push_str(&table(&heads, planned.chain(late).collect(), &[3, 4]));
    text
}

/// `score recover --json`.
pub(super) fn plan_as_json(plan: &Plan) -> Value {
    let action = |it: &Action, begin_by: Option<Timestamp>| {
        json!({
            "deed": it.act.deed.as_str(),
            "list": it.act.list,
            "subject": it.act.subject,
            "owner": it.owner,
            "points": number(it.points),
            "hours": it.hours,
            "begin_by": begin_by.map(|at| at.to_string()),
            "until": it.until.to_string(),
            "command": command(&it.act),
        })
    };
    let planned = plan.planned.iter().map(|it| action(&it.action, Some(it.begin_by)));
    json!({
        "together": number(plan.together),
        "planned": planned.collect::<Vec<_>>(),
        "too_late": plan.too_late.iter().map(|it| action(it, None)).collect::<Vec<_>>(),
    })
}
