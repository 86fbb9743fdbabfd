//! What a month will come to, and how our reckoning compares with what was published, as people and
//! scripts read them.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::show::View;
use super::show_score::{maybe, number, title, titled};
use super::table::table;
use super::text::Message;
use crate::indicator::calibrate::{Calibrated, Calibration, Compared, Verdict};
use crate::indicator::forecast::{Forecast, ItemForecast, PROMISED_PERCENT, Range};
use crate::indicator::scheme::Scheme;

/// Two digits are enough for what is not certain.
fn near(points: Decimal) -> String {
    points.round_dp(2).normalize().to_string()
}

fn between(range: &Range) -> String {
    format!("{}–{}", near(range.low), near(range.high))
}

/// `score forecast`.
pub(super) fn forecast(view: &View, scheme: &Scheme, forecast: &Forecast) -> String {
    let head = [
        title(view, &scheme.title),
        forecast.month.to_string(),
        forecast.body.id().to_owned(),
        near(forecast.today),
        near(forecast.range.expected),
        between(&forecast.range),
        PROMISED_PERCENT.to_string(),
        forecast.days.to_string(),
    ];
    let fill: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut text = view.say(Message::ForecastHead, &fill) + "\n";
    let parts = [near(forecast.lost), near(forecast.avoidable), near(forecast.on_others)];
    let fill: Vec<&str> = parts.iter().map(String::as_str).collect();
    text.push_str(&view.say(Message::ForecastParts, &fill));
    text.push('\n');
    let heads = [
        Message::Item,
        Message::Title,
        Message::Today,
        Message::Expected,
        Message::Between,
        Message::LostForGood,
        Message::Avoidable,
        Message::BeginBy,
    ]
    .map(|head| view.say(head, &[]));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let moment = |at: Timestamp| view.zone.to_datetime(at).strftime("%m-%d %H:%M").to_string();
    let some = |points: Decimal| if points.is_zero() { String::new() } else { near(points) };
    let row = |item: &ItemForecast| {
        let mut title = titled(view, scheme, &item.id);
        if item.depends_on_others {
            title.push_str(&view.say(Message::OnOthers, &[]));
        }
        vec![
            item.id.clone(),
            title,
            item.today.map_or_else(|| "?".to_owned(), near),
            item.range.map_or_else(|| "?".to_owned(), |range| near(range.expected)),
            item.range.as_ref().map_or_else(String::new, between),
            some(item.lost),
            some(item.avoidable),
            item.begin_by.map_or_else(String::new, moment),
        ]
    };
    text.push_str(&table(&heads, forecast.items.iter().map(row).collect(), &[2, 3, 5, 6]));
    text
}

fn range_as_json(range: &Range) -> Value {
    json!({
        "low": number(range.low),
        "expected": number(range.expected),
        "high": number(range.high),
    })
}

/// `score forecast --json`.
pub(super) fn forecast_as_json(forecast: &Forecast) -> Value {
    let item = |it: &ItemForecast| {
        json!({
            "id": it.id,
            "today": maybe(it.today),
            "forecast": it.range.as_ref().map(range_as_json),
            "already_lost": number(it.lost),
            "avoidable": number(it.avoidable),
            "begin_by": it.begin_by.map(|at| at.to_string()),
            "depends_on_others": it.depends_on_others,
        })
    };
    json!({
        "scheme": forecast.scheme,
        "month": forecast.month.to_string(),
        "body": forecast.body.id(),
        "at": forecast.at.to_string(),
        "cut_off": forecast.cut_off.to_string(),
        "today": number(forecast.today),
        "forecast": range_as_json(&forecast.range),
        "promised_percent": PROMISED_PERCENT,
        "already_lost": number(forecast.lost),
        "avoidable": number(forecast.avoidable),
        "depends_on_others": number(forecast.on_others),
        "history_days": forecast.days,
        "futures": forecast.futures,
        "items": forecast.items.iter().map(item).collect::<Vec<_>>(),
    })
}

fn told(view: &View, verdict: Verdict) -> String {
    match verdict {
        Verdict::TooFew => view.say(Message::ResidualTooFew, &[]),
        Verdict::Agrees => view.say(Message::ResidualAgrees, &[]),
        Verdict::Stable(by) => view.say(Message::ResidualStable, &[&signed(by)]),
        Verdict::Scaled(by) => view.say(Message::ResidualScaled, &[&by.to_string()]),
        Verdict::Moves => view.say(Message::ResidualMoves, &[]),
    }
}

fn signed(points: Decimal) -> String {
    if points > Decimal::ZERO { format!("+{points}") } else { points.to_string() }
}

/// `score calibrate`.
pub(super) fn calibration(view: &View, scheme: &Scheme, of: &Calibration) -> String {
    let heads = [
        Message::Item,
        Message::Title,
        Message::Month,
        Message::Computed,
        Message::PublishedPoints,
        Message::Residual,
        Message::Source,
    ]
    .map(|head| view.say(head, &[]));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let points = |points: Option<Decimal>| points.map_or("?".to_owned(), |it| it.to_string());
    let row = |item: &Calibrated, it: &Compared| {
        let class = scheme.classes.iter().find(|class| class.id == item.item);
        let of_class = class.map(|class| title(view, &class.title));
        vec![
            item.item.clone(),
            of_class.unwrap_or_else(|| titled(view, scheme, &item.item)),
            it.month.to_string(),
            points(it.computed),
            it.published.to_string(),
            it.residual.map_or("?".to_owned(), signed),
            it.source.clone(),
        ]
    };
    let rows = of.items.iter().flat_map(|item| item.months.iter().map(move |it| row(item, it)));
    let mut text = table(&heads, rows.collect(), &[3, 4, 5]);
    for item in &of.items {
        text.push_str(&format!("{}  {}\n", item.item, told(view, item.verdict)));
    }
    if !of.unpublished.is_empty() {
        let fill = of.unpublished.join(" ");
        text.push_str(&view.say(Message::Unpublished, &[&fill]));
        text.push('\n');
    }
    for (month, item) in &of.unplaced {
        text.push_str(&view.say(Message::Unplaced, &[&month.to_string(), item]));
        text.push('\n');
    }
    text
}

/// `score calibrate --json`.
pub(super) fn calibration_as_json(of: &Calibration) -> Value {
    let month = |it: &Compared| {
        json!({
            "month": it.month.to_string(),
            "computed": maybe(it.computed),
            "published": number(it.published),
            "residual": maybe(it.residual),
            "source": it.source,
        })
    };
    let item = |it: &Calibrated| {
        let by = match it.verdict {
            Verdict::Stable(by) | Verdict::Scaled(by) => Some(by),
            Verdict::TooFew | Verdict::Agrees | Verdict::Moves => None,
        };
        json!({
            "item": it.item,
            "residual": it.verdict.as_str(),
            "by": maybe(by),
            "months": it.months.iter().map(month).collect::<Vec<_>>(),
        })
    };
    let unplaced: Vec<Value> = of
        .unplaced
        .iter()
        .map(|(month, item)| json!({"month": month.to_string(), "item": item}))
        .collect();
    json!({
        "items": of.items.iter().map(item).collect::<Vec<_>>(),
        "unpublished": of.unpublished,
        "unplaced": unplaced,
    })
}
