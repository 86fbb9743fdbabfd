//! Measures by day as people read them.

use super::show::View;
use super::show_score::percent;
use super::table::table;
use super::text::Message;
use crate::control::protocol::{DayLine, DaySheet};
use crate::indicator::measures::MEASURES;
use crate::language::Language;

/// The measures that have a column, with their heads; JSON has all of them.
const SHOWN: [(&str, Message); 9] = [
    ("catalogue.cascaded_rate", Message::CascadedRate),
    ("resource.mounted_rate", Message::MountedRate),
    ("data.timely_rate", Message::TimelyRate),
    ("data.passed_rate", Message::PassedRate),
    ("receipt.passed_rate", Message::ReceiptRate),
    ("interface.available_rate", Message::AvailableRate),
    ("reconcile.agreed_rate", Message::AgreedRate),
    ("key.covered_rate", Message::KeyRate),
    ("collection.due_rate", Message::CollectedRate),
];

/// `score show --by day`, `score show --day`.
pub(super) fn days(view: &View, sheet: &DaySheet) -> String {
    let fill = [sheet.month.as_str(), sheet.body.as_str()];
    let mut text = view.say(Message::DaysHead, &fill) + "\n";
    if let Some(known_by) = sheet.known_by {
        let at = view.zone.to_datetime(known_by).strftime("%Y-%m-%d %H:%M").to_string();
        text.push_str(&(view.say(Message::DaysKnownBy, &[&at]) + "\n"));
    }
    match sheet.lines.as_slice() {
        [line] => text.push_str(&single(view, line)),
        lines => text.push_str(&several(view, lines)),
    }
    if let Some(line) = sheet.lines.iter().find(|it| it.is_running) {
        let at = view.zone.to_datetime(line.until).strftime("%m-%d %H:%M").to_string();
        text.push_str(&(view.say(Message::DaysRunning, &[&line.day, &at]) + "\n"));
    }
    if sheet.more > 0 {
        text.push_str(&format!("+{}\n", sheet.more));
    }
    text
}

/// A line for each day, or for each body of one day.
fn several(view: &View, lines: &[DayLine]) -> String {
    let has_titles = lines.iter().any(|it| !it.title.is_empty());
    let mut heads = vec![Message::Day, Message::Subject];
    if has_titles {
        heads.push(Message::Title);
    }
    let first = heads.len();
    // What nobody has a figure of has no column.
    let is_known = |name: &str| lines.iter().any(|it| it.measures.contains_key(name));
    let columns: Vec<_> = SHOWN.iter().filter(|(name, _)| is_known(name)).collect();
    heads.extend(columns.iter().map(|(_, head)| *head));
    let row = |it: &DayLine| {
        let mut cells = vec![it.day.clone(), it.id.clone()];
        if has_titles {
            cells.push(it.title.clone());
        }
        let rate = |name: &str| it.measures.get(name).map(|rate| format!("{}%", percent(*rate)));
        cells.extend(columns.iter().map(|(name, _)| rate(name).unwrap_or_else(|| "-".to_owned())));
        cells
    };
    let numbers: Vec<usize> = (first..heads.len()).collect();
    let heads: Vec<String> = heads.iter().map(|head| view.say(*head, &[])).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    table(&heads, lines.iter().map(row).collect(), &numbers)
}

/// Every measure of one day of one body.
fn single(view: &View, line: &DayLine) -> String {
    let row = |(name, value): (&String, &crate::control::protocol::Points)| {
        let title = MEASURES.iter().find(|it| it.name == *name);
        let title = match (view.language, title) {
            (Language::Chinese, Some(it)) => it.zh.to_owned(),
            (Language::English, Some(_)) | (_, None) => String::new(),
        };
        let parts = line.parts.get(name).map(|[of, all]| format!("{of}/{all}"));
        vec![name.clone(), title, value.to_string(), parts.unwrap_or_default()]
    };
    let heads = [Message::MeasureName, Message::Title, Message::Figure, Message::Of];
    let heads = heads.map(|head| view.say(head, &[]));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    format!(
        "{} {}\n{}",
        line.day,
        line.id,
        table(&heads, line.measures.iter().map(row).collect(), &[2, 3])
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::control::protocol::Points;

    fn line(day: &str, rate: Option<i64>) -> DayLine {
        let measure = |rate| ("receipt.passed_rate".to_owned(), Points(rate));
        let rate = rate.map(|rate| rust_decimal::Decimal::new(rate, 2));
        DayLine {
            day: day.to_owned(),
            until: "2026-11-06T02:00:00Z".parse().unwrap(),
            is_running: day == "2026-11-06",
            id: "city".to_owned(),
            title: String::new(),
            measures: rate.into_iter().map(measure).collect(),
            parts: BTreeMap::from([("receipt.passed_rate".to_owned(), [3, 4])]),
        }
    }

    fn sheet(lines: Vec<DayLine>) -> DaySheet {
        let (month, body) = ("2026-11".to_owned(), "city".to_owned());
        DaySheet { month, body, known_by: None, lines, more: 2 }
    }

    fn view(language: Language) -> View {
        View { language, zone: TimeZone::fixed(jiff::tz::offset(8)) }
    }

    #[test]
    fn days_stand_under_each_other_and_what_nobody_has_has_no_column() {
        let sheet = sheet(vec![line("2026-11-05", Some(75)), line("2026-11-06", None)]);
        assert_eq!(
            days(&view(Language::English), &sheet),
            "2026-11  city  measures by day (no points: a scheme judges months)\n\
             day         subject  verdicts\n\
             2026-11-05  city          75%\n\
             2026-11-06  city            -\n\
             2026-11-06 is not over: as of 11-06 10:00\n+2\n"
        );
        let zh = days(&view(Language::Chinese), &sheet);
        assert!(zh.contains("校验成功率") && zh.contains("2026-11-06 尚未结束"), "{zh}");
    }

    #[test]
    fn one_day_of_one_body_has_every_measure_with_its_parts() {
        let sheet = sheet(vec![line("2026-11-05", Some(75))]);
        let zh = days(&view(Language::Chinese), &sheet);
        assert!(zh.contains("receipt.passed_rate  校验回执成功率  0.75"), "{zh}");
        assert!(zh.contains("3/4"), "{zh}");
    }
}
