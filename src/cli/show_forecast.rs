//! What a month will come to, what is doubted, and how our reckoning compares with what was
//! published, as people read them.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::show::View;
use super::show_score::of_both;
use super::table::table;
use super::text::Message;
use crate::control::protocol::{
    CalibratedLine, CalibrationSheet, ComparedLine, DoubtLine, DoubtSheet, ForecastSheet,
    ItemAhead, Points, RangeLine,
};
use crate::indicator::calibrate::Verdict;
use crate::indicator::doubts::Doubt;

/// Two digits are enough for what is not certain.
fn near(points: Points) -> String {
    points.0.round_dp(2).normalize().to_string()
}

fn between(range: &RangeLine) -> String {
    format!("{}–{}", near(range.low), near(range.high))
}

fn heads<const N: usize>(view: &View, heads: [Message; N]) -> [String; N] {
    heads.map(|head| view.say(head, &[]))
}

/// `score forecast`.
pub(super) fn forecast(view: &View, sheet: &ForecastSheet) -> String {
    let moment = |at: Timestamp| view.zone.to_datetime(at).strftime("%m-%d %H:%M").to_string();
    let head = [
        of_both(view, &sheet.scheme_title),
        sheet.month.clone(),
        sheet.body.clone(),
        near(sheet.today),
        near(sheet.forecast.expected),
        between(&sheet.forecast),
        sheet.promised_percent.to_string(),
        sheet.history_days.to_string(),
    ];
    let fill: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut text = view.say(Message::ForecastHead, &fill) + "\n";
    let parts = [near(sheet.already_lost), near(sheet.avoidable), near(sheet.depends_on_others)];
    let fill: Vec<&str> = parts.iter().map(String::as_str).collect();
    text.push_str(&view.say(Message::ForecastParts, &fill));
    text.push('\n');
    let times = [moment(sheet.at), moment(sheet.cut_off)];
    let fill: Vec<&str> = times.iter().map(String::as_str).collect();
    text.push_str(&view.say(Message::ForecastTimes, &fill));
    text.push('\n');
    let heads = heads(
        view,
        [
            Message::Item,
            Message::Title,
            Message::Today,
            Message::Expected,
            Message::Between,
            Message::LostForGood,
            Message::Avoidable,
            Message::BeginBy,
        ],
    );
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let some = |it: Points| if it.0.is_zero() { String::new() } else { near(it) };
    let row = |item: &ItemAhead| {
        let mut title = of_both(view, &item.title);
        if item.depends_on_others {
            title.push_str(&view.say(Message::OnOthers, &[]));
        }
        vec![
            item.id.clone(),
            title,
            item.today.map_or_else(|| "?".to_owned(), near),
            item.forecast.map_or_else(|| "?".to_owned(), |range| near(range.expected)),
            item.forecast.as_ref().map_or_else(String::new, between),
            some(item.already_lost),
            some(item.avoidable),
            item.begin_by.map_or_else(String::new, moment),
        ]
    };
    text.push_str(&table(&heads, sheet.items.iter().map(row).collect(), &[2, 3, 5, 6]));
    text
}

/// What a doubt is called.
pub(super) fn of_doubt(view: &View, word: &str) -> String {
    let message = match Doubt::parse(word) {
        Some(Doubt::Resent) => Message::DoubtResent,
        Some(Doubt::Touched) => Message::DoubtTouched,
        Some(Doubt::Hollow) => Message::DoubtHollow,
        Some(Doubt::Filled) => Message::DoubtFilled,
        Some(Doubt::Split) => Message::DoubtSplit,
        Some(Doubt::Flapped) => Message::DoubtFlapped,
        Some(Doubt::SelfMade) => Message::DoubtSelfMade,
        None => return word.to_owned(),
    };
    view.say(message, &[])
}

/// `score doubts`.
pub(super) fn doubts(view: &View, sheet: &DoubtSheet) -> String {
    if sheet.doubts.is_empty() {
        return view.say(Message::Empty, &[]) + "\n";
    }
    let heads = heads(
        view,
        [
            Message::What,
            Message::Owner,
            Message::Subject,
            Message::ShownBy,
            Message::Source,
            Message::AnsweredBy,
        ],
    );
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let row = |it: &DoubtLine| {
        vec![
            of_doubt(view, &it.doubt),
            it.owner.clone(),
            it.subject.clone(),
            it.shown_by.clone(),
            it.evidence.clone(),
            it.answered_by.clone(),
        ]
    };
    let mut text = table(&heads, sheet.doubts.iter().map(row).collect(), &[]);
    if sheet.more > 0 {
        text.push_str(&format!("+{}\n", sheet.more));
    }
    text
}

fn told(view: &View, item: &CalibratedLine) -> String {
    let by = item.by.map(|by| by.0).unwrap_or_default();
    let word = item.residual.as_str();
    if word == Verdict::TooFew.as_str() {
        view.say(Message::ResidualTooFew, &[])
    } else if word == Verdict::Agrees.as_str() {
        view.say(Message::ResidualAgrees, &[])
    } else if word == Verdict::Stable(by).as_str() {
        view.say(Message::ResidualStable, &[&signed(by)])
    } else if word == Verdict::Scaled(by).as_str() {
        view.say(Message::ResidualScaled, &[&by.normalize().to_string()])
    } else {
        view.say(Message::ResidualMoves, &[])
    }
}

fn signed(points: Decimal) -> String {
    let points = points.normalize();
    if points > Decimal::ZERO { format!("+{points}") } else { points.to_string() }
}

/// `score calibrate`.
pub(super) fn calibration(view: &View, of: &CalibrationSheet) -> String {
    let heads = heads(
        view,
        [
            Message::Item,
            Message::Title,
            Message::Month,
            Message::Computed,
            Message::PublishedPoints,
            Message::Residual,
            Message::Source,
        ],
    );
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let points = |points: Option<Points>| points.map_or("?".to_owned(), |it| it.to_string());
    let row = |item: &CalibratedLine, it: &ComparedLine| {
        let title = of_both(view, &item.title);
        vec![
            item.item.clone(),
            if title.is_empty() { item.item.clone() } else { title },
            it.month.clone(),
            points(it.computed),
            it.published.to_string(),
            it.residual.map_or("?".to_owned(), |it| signed(it.0)),
            it.source.clone(),
        ]
    };
    let rows = of.items.iter().flat_map(|item| item.months.iter().map(move |it| row(item, it)));
    let mut text = table(&heads, rows.collect(), &[3, 4, 5]);
    for item in &of.items {
        text.push_str(&format!("{}  {}\n", item.item, told(view, item)));
    }
    if !of.unpublished.is_empty() {
        let fill = of.unpublished.join(" ");
        text.push_str(&view.say(Message::Unpublished, &[&fill]));
        text.push('\n');
    }
    for it in &of.unplaced {
        text.push_str(&view.say(Message::Unplaced, &[&it.month, &it.item]));
        text.push('\n');
    }
    text
}
