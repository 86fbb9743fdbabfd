//! 总体情况: points, rank, what changed, what was carried.

use rust_decimal::Decimal;

use super::draft::{Draft, change, count, is_rate, measured, points, rounded};
use super::words::Say;
use crate::bulletin::Moment;
use crate::bulletin::document::{Bar, Block, Chart, Side};
use crate::bulletin::moment::{compare, reachable};
use crate::bulletin::period::{Form, day_before};
use crate::indicator::measures::MEASURES;
use crate::indicator::scheme::{Kind, Known};
use crate::indicator::score::{ItemScore, Lack};

/// The most items that are named in a sentence.
const FEW: usize = 3;

/// The whole part.
pub(super) fn overall(draft: &mut Draft<'_>) {
    let report = draft.report;
    let Some(last) = report.last() else { return };
    let mut text = lead(draft, last);
    text.push_str(&rank(draft, last));
    text.push_str(&compared(draft));
    draft.text(text);
    let text = lost(draft, last);
    draft.text(text);
    super::ahead::ahead(draft);
    let form = report.period.form;
    if form == Form::Quarterly {
        months(draft);
    }
    classes(draft, last);
    if form != Form::Weekly {
        items(draft, last);
    }
    let text = carried(draft);
    draft.text(text);
    measures(draft, last);
    basis(draft, last);
}

fn lead(draft: &Draft<'_>, last: &Moment) -> String {
    let report = draft.report;
    let at = draft.full_instant(last.at);
    let total = points(report.points().unwrap_or(last.city.total));
    let say = match report.period.form {
        Form::Weekly => Say::LeadWeekly,
        Form::Monthly => Say::LeadMonthly,
        Form::Quarterly => Say::LeadQuarterly,
    };
    let scheme = draft.title(&report.scheme.title);
    let mut text = draft.say(say, &[&at, scheme, &draft.city(), &total]);
    text.push_str(&match last.city.known_share() {
        Some(share) => draft.say(Say::Known, &[&points(share * Decimal::ONE_HUNDRED)]),
        None => draft.say(Say::NothingKnown, &[]),
    });
    text
}

fn rank(draft: &Draft<'_>, last: &Moment) -> String {
    let Some(rank) = &last.rank else { return draft.say(Say::RankUnknown, &[]) };
    let (cities, place) = (rank.cities.to_string(), rank.rank.to_string());
    let mut text = draft.say(Say::RankOf, &[&cities, &place]);
    for (margin, say) in [(rank.up, Say::Up), (rank.down, Say::Down)] {
        text.extend(margin.map(|margin| draft.say(say, &[&points(margin)])));
    }
    text.push_str(Say::Stop.of(draft.language));
    text
}

fn compared(draft: &Draft<'_>) -> String {
    let report = draft.report;
    let Some((moment, compared)) = report.earlier().zip(report.compared()) else {
        return draft.say(Say::NoBefore, &[]);
    };
    let day = draft.day(day_before(moment.at, draft.zone()));
    let difference = compared.difference;
    let mut text = if rounded(difference).is_zero() {
        draft.say(Say::Same, &[&day])
    } else {
        let say = if difference > Decimal::ZERO { Say::Better } else { Say::Worse };
        draft.say(say, &[&day, &points(difference.abs())])
    };
    if compared.others > 0 {
        text.push_str(&draft.say(Say::NotCompared, &[&compared.others.to_string()]));
    }
    text
}

/// How the items for which `counts` changed from one moment to another.
fn since(
    now: &Moment,
    before: Option<&Moment>,
    counts: impl Fn(&ItemScore) -> bool,
) -> Option<Decimal> {
    let compared = compare(std::slice::from_ref(now), std::slice::from_ref(before?), counts);
    (compared.items > 0).then_some(compared.difference)
}

fn lost(draft: &Draft<'_>, last: &Moment) -> String {
    let mut items: Vec<&ItemScore> =
        last.city.items.iter().filter(|it| it.lost.is_some_and(|lost| !lost.is_zero())).collect();
    items.sort_by(|a, b| a.lost.cmp(&b.lost).then_with(|| a.id.cmp(&b.id)));
    let told: Vec<String> = items
        .iter()
        .map(|it| {
            let lost = points(it.lost.unwrap_or_default().abs());
            draft.say(Say::LossOf, &[&draft.item_title(&it.id), &lost])
        })
        .collect();
    let mut text = if told.is_empty() {
        draft.say(Say::LostNothing, &[])
    } else {
        let all = points(last.city.lost.abs());
        draft.say(Say::LostIn, &[&all, &draft.few(&told, FEW)])
    };
    let together = draft.report.plan.together;
    // The forecast says it with the items.
    if together > Decimal::ZERO && draft.report.forecast.is_none() {
        text.push_str(&draft.say(Say::Recover, &[&points(together)]));
    }
    text
}

fn months(draft: &mut Draft<'_>) {
    let report = draft.report;
    let (mut rows, mut line) = (Vec::new(), Vec::new());
    let mut before = report.earlier();
    for moment in &report.moments {
        let total = moment.city.total;
        let rank = moment.rank.as_ref();
        rows.push(vec![
            moment.month.to_string(),
            points(total),
            points(moment.city.lost.abs()),
            change(since(moment, before, |_| true)),
            rank.map_or_else(|| "—".to_owned(), |it| format!("{}/{}", it.rank, it.cities)),
        ]);
        line.push((moment.month.to_string(), total));
        before = Some(moment);
    }
    let caption = draft.say(Say::Months, &[]);
    let columns = [
        (Say::Month, 3, Side::Middle),
        (Say::Points, 2, Side::Right),
        (Say::Lost, 2, Side::Right),
        (Say::Since, 2, Side::Right),
        (Say::Rank, 2, Side::Middle),
    ];
    draft.table(&caption, &columns, rows);
    let caption = draft.say(Say::MonthChart, &[]);
    draft.blocks.push(Block::Chart(Chart::Line { caption, points: line }));
}

fn classes(draft: &mut Draft<'_>, last: &Moment) {
    let earlier = draft.report.earlier();
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for class in &last.city.classes {
        let of = || last.city.items.iter().filter(|item| item.class == class.id);
        if of().next().is_none() {
            continue;
        }
        let worth = reachable(of());
        let title = draft.class_title(&class.id);
        rows.push(vec![
            title.clone(),
            points(worth),
            points(class.points),
            points(class.lost.abs()),
            change(since(last, earlier, |it| it.class == class.id)),
        ]);
        if let Some(rate) = (class.points * Decimal::ONE_HUNDRED).checked_div(worth) {
            let shown = format!("{}/{}", points(class.points), points(worth));
            let is_bad = rate < Decimal::from(60);
            bars.push(Bar { label: title, value: rate, most: Decimal::ONE_HUNDRED, shown, is_bad });
        }
    }
    let caption = draft.say(Say::Classes, &[]);
    draft.table(&caption, &columns(Say::Class), rows);
    if !bars.is_empty() {
        let caption = draft.say(Say::ScoreChart, &[]);
        draft.blocks.push(Block::Chart(Chart::Bars { caption, bars }));
    }
}

fn columns(first: Say) -> [(Say, u32, Side); 5] {
    [
        (first, 6, Side::Left),
        (Say::Worth, 2, Side::Right),
        (Say::Points, 2, Side::Right),
        (Say::Lost, 2, Side::Right),
        (Say::Since, 2, Side::Right),
    ]
}

fn items(draft: &mut Draft<'_>, last: &Moment) {
    let earlier = draft.report.earlier();
    let row = |item: &ItemScore| {
        let of = |moment: &Moment| moment.city.items.iter().find(|it| it.id == item.id)?.points;
        let before = earlier.and_then(of);
        let dash = || "—".to_owned();
        let known = match item.lack {
            None | Some(Lack::Unknown) => Say::of_known(item.known),
            Some(Lack::Absent(_) | Lack::Fault(_)) => Say::NoFigure,
        };
        // Of a deduction it is what it may take at most.
        let worth = item.worth.map(|it| if item.kind == Kind::Deduct { -it } else { it });
        vec![
            draft.item_title(&item.id),
            worth.map_or_else(dash, points),
            item.points.map_or_else(dash, points),
            item.lost.map_or_else(dash, |it| points(it.abs())),
            change(item.points.zip(before).map(|(now, before)| now - before)),
            known.of(draft.language).to_owned(),
        ]
    };
    let rows = last.city.items.iter().map(row).collect();
    let caption = draft.say(Say::Items, &[]);
    let [first, worth, points, lost, since] = columns(Say::Item);
    let basis = (Say::Basis1, 3, Side::Middle);
    draft.table(&caption, &[first, worth, points, lost, since, basis], rows);
}

/// What was carried, by how well that is proven.
fn carried(draft: &Draft<'_>) -> String {
    let carried = &draft.report.carried;
    let mut text = draft.say(Say::Evidence, &[&count(carried.confirmed_rows())]);
    // The strongest evidence first.
    let grades: Vec<String> = carried
        .confirmed
        .iter()
        .rev()
        .map(|(grade, rows)| {
            let word = Say::of_evidence(*grade).of(draft.language);
            draft.say(Say::Grade, &[word, &count(*rows)])
        })
        .collect();
    if !grades.is_empty() {
        text.push_str(&draft.say(Say::EvidenceBy, &[&draft.list(&grades)]));
    }
    if carried.placed > 0 {
        text.push_str(&draft.say(Say::Placed, &[&count(carried.placed)]));
    }
    text.push_str(&draft.say(Say::Rejected, &[&count(carried.here), &count(carried.above)]));
    text
}

fn measures(draft: &mut Draft<'_>, last: &Moment) {
    let earlier = draft.report.earlier();
    let mut rows = Vec::new();
    for measure in &MEASURES {
        let of = |moment: &Moment| moment.figures.get(measure.name)?.value;
        let Some(now) = of(last) else { continue };
        let before = earlier.and_then(of);
        let difference = before
            .map(|before| now - before)
            .map(|it| if is_rate(measure.name) { it * Decimal::ONE_HUNDRED } else { it });
        rows.push(vec![
            draft.measure_title(measure.name),
            measured(measure.name, Some(now)),
            measured(measure.name, before),
            change(difference),
        ]);
    }
    let caption = draft.say(Say::Measures, &[]);
    let columns = [
        (Say::Measure, 5, Side::Left),
        (Say::Now, 2, Side::Right),
        (Say::Before, 2, Side::Right),
        (Say::Since, 2, Side::Right),
    ];
    draft.table(&caption, &columns, rows);
}

fn basis(draft: &mut Draft<'_>, last: &Moment) {
    let worth = |known| points(last.city.worth_by.get(&known).copied().unwrap_or_default());
    let [published, estimated, outside, unknown] = Known::ALL.map(worth);
    let source = draft.report.scheme.modelled_on.as_str();
    draft.remark(Say::Basis, &[&published, &estimated, &outside, &unknown, source]);
}

/// 本周变化: items that gained and lost.
pub(super) fn changes(draft: &mut Draft<'_>) {
    let report = draft.report;
    let Some((last, earlier)) = report.last().zip(report.earlier()) else {
        return draft.tell(Say::NoBefore, &[]);
    };
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for item in &last.city.items {
        let before = earlier.city.items.iter().find(|it| it.id == item.id);
        let Some((now, then)) = item.points.zip(before.and_then(|it| it.points)) else { continue };
        let told =
            draft.say(Say::ItemMoved, &[&draft.item_title(&item.id), &change(Some(now - then))]);
        if rounded(now - then).is_zero() {
            continue;
        }
        if now > then {
            up.push(told);
        } else {
            down.push(told);
        }
    }
    if up.is_empty() && down.is_empty() {
        return draft.tell(Say::NothingMoved, &[]);
    }
    let mut text = String::new();
    for (items, say) in [(down, Say::ItemsDown), (up, Say::ItemsUp)] {
        if !items.is_empty() {
            text.push_str(&draft.say(say, &[&draft.list(&items)]));
        }
    }
    draft.text(text);
}
