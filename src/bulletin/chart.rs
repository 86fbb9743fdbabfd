//! Charts as inline SVG: drawn to whole pixels, so that the same numbers give the same picture.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::document::{Bar, Chart};
use crate::markup::Markup;

/// How wide a chart is, in its own units.
const WIDTH: u32 = 680;
/// Where bars begin: labels stand before.
const START: u32 = 215;
/// The longest bar.
const LONGEST: u32 = 370;
/// The most letters of a label.
const LABEL: usize = 15;
/// How high all bars are together, about.
const HEIGHT: u32 = 840;

/// Draws a chart.
pub(super) fn draw(html: &mut Markup, chart: &Chart) {
    match chart {
        Chart::Bars { caption, bars } => draw_bars(html, caption, bars),
        Chart::Line { caption, points } => draw_line(html, caption, points),
    }
}

fn open(html: &mut Markup, caption: &str, height: u32) {
    html.raw("<figure><figcaption>").text(caption).raw("</figcaption><svg viewBox=\"0 0 ");
    html.text(&WIDTH.to_string()).raw(" ").text(&height.to_string());
    html.raw("\" role=\"img\" aria-label=\"").text(caption).raw("\">");
}

fn draw_bars(html: &mut Markup, caption: &str, bars: &[Bar]) {
    let count = u32::try_from(bars.len()).unwrap_or(u32::MAX).max(1);
    let step = (HEIGHT / count).clamp(12, 26);
    let thick = step * 2 / 3;
    open(html, caption, count.saturating_mul(step) + 8);
    let small = step < 18;
    let mut top = 4;
    for bar in bars {
        let middle = top + step / 2 + if small { 3 } else { 5 };
        let bar_top = top + (step - thick) / 2;
        text(html, ("end", START - 8, middle), small, &cut(&bar.label));
        rect(html, (START, bar_top, LONGEST, thick), "track");
        let length = scaled(bar.value, bar.most, LONGEST);
        rect(html, (START, bar_top, length, thick), if bar.is_bad { "bad" } else { "good" });
        text(html, ("start", START + LONGEST + 8, middle), small, &bar.shown);
        top += step;
    }
    html.raw("</svg></figure>");
}

fn rect(html: &mut Markup, (x, y, width, height): (u32, u32, u32, u32), class: &'static str) {
    html.raw("<rect class=\"").raw(class).raw("\" x=\"").text(&x.to_string());
    html.raw("\" y=\"").text(&y.to_string()).raw("\" width=\"").text(&width.to_string());
    html.raw("\" height=\"").text(&height.to_string()).raw("\"/>");
}

fn text(html: &mut Markup, (side, x, y): (&'static str, u32, u32), small: bool, what: &str) {
    html.raw("<text text-anchor=\"").raw(side).raw("\" x=\"").text(&x.to_string());
    html.raw("\" y=\"").text(&y.to_string());
    html.raw(if small { "\" class=\"small\">" } else { "\">" }).text(what).raw("</text>");
}

fn draw_line(html: &mut Markup, caption: &str, points: &[(String, Decimal)]) {
    const HIGH: u32 = 150;
    open(html, caption, HIGH + 60);
    let low = points.iter().map(|it| it.1).min().unwrap_or_default();
    let high = points.iter().map(|it| it.1).max().unwrap_or_default();
    // A tenth above and below, so that a change of little does not look like one of much.
    let room = (high - low).max(Decimal::ONE);
    let count = u32::try_from(points.len()).unwrap_or(1).max(1);
    let step = WIDTH / (count + 1);
    let mut places = Vec::new();
    for (at, (_, value)) in (1_u32..).zip(points) {
        let up = scaled(*value - low + room / Decimal::TEN, room * Decimal::TWO, HIGH);
        places.push((at * step, HIGH + 20 - up));
    }
    rect(html, (step / 2, HIGH + 24, WIDTH - step, 1), "axis");
    html.raw("<polyline points=\"");
    for (x, y) in &places {
        html.text(&x.to_string()).raw(",").text(&y.to_string()).raw(" ");
    }
    html.raw("\"/>");
    for ((label, value), (x, y)) in points.iter().zip(&places) {
        html.raw("<circle cx=\"").text(&x.to_string()).raw("\" cy=\"").text(&y.to_string());
        html.raw("\" r=\"4\"/>");
        let shown = super::compose::shown_points(*value);
        text(html, ("middle", *x, y.saturating_sub(10)), false, &shown);
        text(html, ("middle", *x, HIGH + 46), false, label);
    }
    html.raw("</svg></figure>");
}

/// How long `value` of `most` is, where `most` is `longest`.
fn scaled(value: Decimal, most: Decimal, longest: u32) -> u32 {
    let length = (value * Decimal::from(longest)).checked_div(most).unwrap_or_default();
    length.round().to_u32().unwrap_or(0).min(longest)
}

fn cut(label: &str) -> String {
    let mut letters = label.chars();
    let mut text: String = letters.by_ref().take(LABEL).collect();
    if letters.next().is_some() {
        text.push('…');
    }
    text
}
