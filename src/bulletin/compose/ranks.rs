//! 分类排名: the assessed bodies in their classes, with grades.

use rust_decimal::Decimal;

use super::draft::{Draft, points};
use super::words::Say;
use crate::bulletin::Place;
use crate::bulletin::document::{Bar, Block, Chart, Side};
use crate::bulletin::period::Form;

/// The most bodies that a sentence names.
const FEW: usize = 12;
/// A class of at least so many has its first three named.
const MANY: usize = 6;

/// The whole part.
pub(super) fn ranks(draft: &mut Draft<'_>) {
    let report = draft.report;
    if report.ranking.is_empty() {
        return draft.tell(Say::NoBodies, &[]);
    }
    for (class, places) in &report.ranking {
        let title = draft.say(Say::ClassOf, &[class, &places.len().to_string()]);
        draft.section(&title);
        let text = told(draft, places);
        if !text.is_empty() {
            draft.text(text);
        }
        table(draft, class, places);
    }
    if report.last().is_some_and(|it| it.by_city_items) {
        draft.remark(Say::ByCityItems, &[]);
    }
    if report.period.form == Form::Quarterly {
        draft.remark(Say::MeanOfMonths, &[]);
    }
}

fn grade(draft: &Draft<'_>, place: &Place) -> Option<String> {
    place.rate.map(|rate| draft.report.settings.grade(rate))
}

/// How many there are of each grade, who is first and who is graded worst.
fn told(draft: &Draft<'_>, places: &[Place]) -> String {
    let mut grades: Vec<(String, Vec<String>)> = Vec::new();
    for place in places {
        let Some(grade) = grade(draft, place) else { continue };
        match grades.iter_mut().find(|(known, _)| *known == grade) {
            Some((_, bodies)) => bodies.push(place.id.clone()),
            None => grades.push((grade, vec![place.id.clone()])),
        }
    }
    if grades.is_empty() {
        return String::new();
    }
    let counts: Vec<String> = grades
        .iter()
        .map(|(grade, bodies)| draft.say(Say::GradeOf, &[grade, &bodies.len().to_string()]))
        .collect();
    let mut text = draft.say(Say::GradesLead, &[&draft.list(&counts)]);
    if places.len() >= MANY {
        let best: Vec<String> = places.iter().take(3).map(|it| it.id.clone()).collect();
        text.push_str(&draft.say(Say::BestAre, &[&draft.list(&best)]));
    }
    let worst = grades.iter().find(|(grade, _)| draft.report.settings.is_worst(grade));
    if let Some((grade, bodies)) = worst {
        text.push_str(&draft.say(Say::WorstAre, &[grade, &draft.few(bodies, FEW)]));
    }
    text
}

fn table(draft: &mut Draft<'_>, class: &str, places: &[Place]) {
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for place in places {
        let dash = || "—".to_owned();
        let grade = grade(draft, place);
        let is_bad = grade.as_deref().is_some_and(|it| draft.report.settings.is_worst(it));
        let (got, of) = place.points;
        rows.push(vec![
            place.rank.map_or_else(dash, |rank| rank.to_string()),
            place.id.clone(),
            place.rate.map_or_else(dash, points),
            grade.unwrap_or_else(|| Say::NotJudged.of(draft.language).to_owned()),
            format!("{}／{}", points(got), points(of)),
            place.moved.map_or_else(dash, moved),
        ]);
        if let Some(rate) = place.rate {
            let shown = points(rate);
            let (label, most) = (place.id.clone(), Decimal::ONE_HUNDRED);
            bars.push(Bar { label, value: rate, most, shown, is_bad });
        }
    }
    let columns = [
        (Say::Rank, 2, Side::Middle),
        (Say::Body, 7, Side::Left),
        (Say::Rate, 3, Side::Right),
        (Say::GradeHead, 2, Side::Middle),
        (Say::OfWorth, 4, Side::Right),
        (Say::Since, 2, Side::Middle),
    ];
    draft.table(class, &columns, rows);
    if !bars.is_empty() {
        let caption = draft.say(Say::RankChart, &[class]);
        draft.blocks.push(Block::Chart(Chart::Bars { caption, bars }));
    }
}

/// ↑2, ↓1 or — for places.
fn moved(places: i64) -> String {
    match places {
        0 => "＝".to_owned(),
        1.. => format!("↑{places}"),
        i64::MIN..0 => format!("↓{}", places.unsigned_abs()),
    }
}
