//! 走势: what the month will come to, and what can still be kept.

use rust_decimal::Decimal;

use super::draft::{Draft, points};
use super::words::Say;
use crate::indicator::forecast::{ItemForecast, PROMISED_PERCENT};

/// The most items that are named.
const FEW: usize = 5;

/// A paragraph while the month still runs; what is over needs no forecast.
pub(super) fn ahead(draft: &mut Draft<'_>) {
    let Some(forecast) = &draft.report.forecast else { return };
    let range = forecast.range;
    let until = draft.full_instant(forecast.cut_off);
    let percent = PROMISED_PERCENT.to_string();
    let [expected, low, high] = [range.expected, range.low, range.high].map(points);
    let days = forecast.days.to_string();
    let fill = [&days, &until, &expected, &percent, &low, &high];
    let mut text = draft.say(Say::Ahead, &fill.map(String::as_str));
    if !forecast.lost.is_zero() {
        text.push_str(&draft.say(Say::AheadLost, &[&points(forecast.lost.abs())]));
    }
    if !forecast.on_others.is_zero() {
        text.push_str(&draft.say(Say::AheadOthers, &[&points(forecast.on_others)]));
    }
    let mut items: Vec<&ItemForecast> =
        forecast.items.iter().filter(|it| it.avoidable > Decimal::ZERO).collect();
    items.sort_by(|a, b| b.avoidable.cmp(&a.avoidable).then_with(|| a.id.cmp(&b.id)));
    let named: Vec<String> = items
        .iter()
        .map(|it| {
            let (title, gain) = (draft.item_title(&it.id), points(it.avoidable));
            // With the month itself everything ends.
            match it.begin_by.filter(|by| *by < forecast.cut_off) {
                Some(by) => draft.say(Say::AheadItemBy, &[&title, &gain, &draft.deadline(by)]),
                None => draft.say(Say::LossOf, &[&title, &gain]),
            }
        })
        .collect();
    if !named.is_empty() {
        let fill = [points(forecast.avoidable), draft.few(&named, FEW)];
        text.push_str(&draft.say(Say::AheadAvoidable, &fill.each_ref().map(String::as_str)));
    }
    draft.text(text);
}
