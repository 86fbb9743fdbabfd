//! A document being written: numbering, names, numbers and days as its language has them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};

use super::words::Say;
use crate::bulletin::document::{Block, Column, Side, Table};
use crate::bulletin::{Ill, Report};
use crate::indicator::measures::MEASURES;
use crate::indicator::scheme::Title;
use crate::language::Language;
use crate::markup::apart;

/// A document being written.
#[derive(Debug)]
pub(super) struct Draft<'r> {
    pub(super) report: &'r Report,
    pub(super) language: Language,
    pub(super) blocks: Vec<Block>,
    parts: usize,
    sections: usize,
    tables: usize,
}

impl<'r> Draft<'r> {
    pub(super) fn new(report: &'r Report) -> Self {
        let language = report.settings.language;
        Self { report, language, blocks: Vec::new(), parts: 0, sections: 0, tables: 0 }
    }

    pub(super) fn say(&self, say: Say, fill: &[&str]) -> String {
        say.say(self.language, fill)
    }

    /// A heading of the first level.
    pub(super) fn part(&mut self, title: Say) {
        self.parts += 1;
        self.sections = 0;
        let title = title.of(self.language);
        self.blocks.push(Block::Part(match self.language {
            Language::Chinese => format!("{}、{title}", numeral(self.parts)),
            Language::English => format!("{}. {title}", self.parts),
        }));
    }

    /// A heading of the second level.
    pub(super) fn section(&mut self, title: &str) {
        self.sections += 1;
        self.blocks.push(Block::Section(match self.language {
            Language::Chinese => format!("（{}）{title}", numeral(self.sections)),
            Language::English => format!("({}) {title}", self.sections),
        }));
    }

    pub(super) fn text(&mut self, text: String) {
        self.blocks.push(Block::Text(text.trim_end().to_owned()));
    }

    pub(super) fn tell(&mut self, say: Say, fill: &[&str]) {
        let text = self.say(say, fill);
        self.text(text);
    }

    pub(super) fn remark(&mut self, say: Say, fill: &[&str]) {
        let text = self.say(say, fill);
        self.blocks.push(Block::Remark(text));
    }

    /// A table; nothing where it has no row.
    pub(super) fn table(
        &mut self,
        caption: &str,
        columns: &[(Say, u32, Side)],
        rows: Vec<Vec<String>>,
    ) {
        if rows.is_empty() {
            return;
        }
        self.tables += 1;
        let caption = self.say(Say::TableNumber, &[&self.tables.to_string(), caption]);
        let column = |(head, share, side): &(Say, u32, Side)| Column {
            head: head.of(self.language).to_owned(),
            share: *share,
            side: *side,
        };
        let columns = columns.iter().map(column).collect();
        self.blocks.push(Block::Table(Table { caption, columns, rows }));
    }

    /// What stands between the members of a list.
    pub(super) fn list(&self, members: &[String]) -> String {
        members.join(match self.language {
            Language::Chinese => "、",
            Language::English => ", ",
        })
    }

    /// The first few members of a list, and that there are more.
    pub(super) fn few(&self, members: &[String], most: usize) -> String {
        let mut text = self.list(members.get(..most.min(members.len())).unwrap_or_default());
        if members.len() > most {
            text.push_str(Say::AndMore.of(self.language));
        }
        text
    }

    pub(super) fn title<'t>(&self, title: &'t Title) -> &'t str {
        match self.language {
            Language::Chinese => &title.zh,
            Language::English => &title.en,
        }
    }

    pub(super) fn class_title(&self, id: &str) -> String {
        let found = self.report.scheme.classes.iter().find(|it| it.id == id);
        found.map_or(id, |it| self.title(&it.title)).to_owned()
    }

    pub(super) fn item_title(&self, id: &str) -> String {
        let found = self.report.scheme.items.iter().find(|it| it.id == id);
        found.map_or(id, |it| self.title(&it.title)).to_owned()
    }

    /// What a list of cases is called, before the word for what is wrong.
    pub(super) fn ill_title(&self, ill: &Ill) -> String {
        let word = Say::of_ill(ill).of(self.language);
        let (Ill::CaseLate(list) | Ill::CaseOpen(list)) = ill else { return word.to_owned() };
        let found = self.report.scheme.cases.iter().find(|it| it.id == *list);
        let list = found.map_or(list.as_str(), |it| self.title(&it.title));
        match self.language {
            Language::Chinese => format!("{list}{word}"),
            Language::English => format!("{list}: {word}"),
        }
    }

    /// A measure's title; a scheme's own name where it is none of ours.
    pub(super) fn measure_title(&self, name: &str) -> String {
        let list = name.strip_prefix("cases.").and_then(|it| it.rsplit_once('.'));
        let list = list.and_then(|(id, _)| self.report.scheme.cases.iter().find(|it| it.id == id));
        if let Some(list) = list {
            return self.title(&list.title).to_owned();
        }
        let known = MEASURES.iter().find(|it| it.name == name);
        match (known, self.language) {
            (Some(it), Language::Chinese) => it.zh.to_owned(),
            (Some(_) | None, _) => name.to_owned(),
        }
    }

    /// The same, cut where it is too long to be read out.
    pub(super) fn name_of(&self, subject: &str) -> String {
        cut(&self.whole_name_of(subject))
    }

    /// What an entry or a dataset is called: its title, else its code.
    pub(super) fn whole_name_of(&self, subject: &str) -> String {
        let titles: &BTreeMap<String, String> = &self.report.titles;
        let bare = code_of(subject);
        titles.get(subject).map_or(bare, String::as_str).to_owned()
    }

    /// The city's name.
    pub(super) fn city(&self) -> String {
        let city = &self.report.settings.city;
        if city.is_empty() { self.say(Say::City, &[]) } else { city.clone() }
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.report.scheme.period.zone
    }

    /// `11月22日`, `22 Nov`.
    pub(super) fn day(&self, day: Date) -> String {
        match self.language {
            Language::Chinese => format!("{}月{}日", day.month(), day.day()),
            Language::English => day.strftime("%-d %b").to_string(),
        }
    }

    /// `2026年11月22日`, `22 Nov 2026`.
    pub(super) fn full_day(&self, day: Date) -> String {
        match self.language {
            Language::Chinese => format!("{}年{}", day.year(), self.day(day)),
            Language::English => day.strftime("%-d %b %Y").to_string(),
        }
    }

    /// `11月22日24时`, `11月25日18时`: midnight belongs to the day that it ends.
    pub(super) fn instant(&self, at: Timestamp) -> String {
        let local = self.zone().to_datetime(at);
        if local.time() == Time::midnight() {
            let day = local.date().yesterday().unwrap_or(local.date());
            return match self.language {
                Language::Chinese => format!("{}24时", self.day(day)),
                Language::English => self.day(day),
            };
        }
        let (hour, minute) = (local.hour(), local.minute());
        match (self.language, minute) {
            (Language::Chinese, 0) => format!("{}{hour}时", self.day(local.date())),
            (Language::Chinese, _) => format!("{}{hour}时{minute}分", self.day(local.date())),
            (Language::English, _) => format!("{} {hour:02}:{minute:02}", self.day(local.date())),
        }
    }

    /// `7月1日0时`: from when on, so midnight belongs to the day that it begins.
    pub(super) fn since_instant(&self, at: Timestamp) -> String {
        let local = self.zone().to_datetime(at);
        let is_day = local.time() == Time::midnight();
        if is_day { self.day(local.date()) } else { self.instant(at) }
    }

    /// The same with its year.
    pub(super) fn full_instant(&self, at: Timestamp) -> String {
        let year = self.zone().to_datetime(at.checked_sub(NANOSECOND).unwrap_or(at)).year();
        match self.language {
            Language::Chinese => format!("{year}年{}", self.instant(at)),
            Language::English => format!("{} {year}", self.instant(at)),
        }
    }

    /// A deadline: its day is enough where it is the day's end.
    pub(super) fn deadline(&self, at: Timestamp) -> String {
        self.instant(at).trim_end_matches("24时").to_owned()
    }
}

/// The most letters of a name in the document; lists to mend have it whole.
const NAME: usize = 36;

fn cut(name: &str) -> String {
    let mut letters = name.chars();
    let mut text: String = letters.by_ref().take(NAME).collect();
    if letters.next().is_some() {
        text.push('…');
    }
    text
}

/// What an entry, a dataset, a case or a task is numbered by, without the word for what it is.
pub(super) fn code_of(subject: &str) -> &str {
    let bare = subject.strip_prefix("entry:").or_else(|| subject.strip_prefix("task:"));
    bare.unwrap_or(subject)
}

const NANOSECOND: jiff::SignedDuration = jiff::SignedDuration::from_nanos(1);

/// Points with two digits at most.
pub(super) fn points(points: Decimal) -> String {
    let shown = rounded(points);
    if shown.is_zero() && !points.is_zero() {
        // What is not nothing does not read as nothing.
        let sign = if points.is_sign_negative() { "-" } else { "" };
        return format!("{sign}<0.01");
    }
    if shown.is_zero() { "0".to_owned() } else { shown.to_string() }
}

/// To two digits, half away from zero (四舍五入).
pub(super) fn rounded(points: Decimal) -> Decimal {
    points.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero).normalize()
}

/// A change, with its sign.
pub(super) fn change(change: Option<Decimal>) -> String {
    match change {
        None => "—".to_owned(),
        Some(change) if rounded(change).is_zero() => "0".to_owned(),
        Some(change) if change > Decimal::ZERO => format!("+{}", points(change)),
        Some(change) => points(change),
    }
}

/// A value of a measure: rates in percent, the rest as it is.
pub(super) fn measured(name: &str, value: Option<Decimal>) -> String {
    match value {
        None => "—".to_owned(),
        Some(value) if is_rate(name) => format!("{}%", points(value * Decimal::ONE_HUNDRED)),
        Some(value) => points(value),
    }
}

/// Whether a measure is a share.
pub(super) fn is_rate(name: &str) -> bool {
    name.ends_with("_rate") || name.ends_with("share")
}

/// A count with its thousands apart.
pub(super) fn count(count: u64) -> String {
    apart(count)
}

/// 一, 十, 二十三: up to 99, beyond in digits.
pub(super) fn numeral(number: usize) -> String {
    const DIGITS: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    let digit = |at: usize| DIGITS.get(at).copied().unwrap_or_default();
    match number {
        0 | 100.. => number.to_string(),
        1..10 => digit(number).to_owned(),
        10..20 => format!("十{}", digit(number % 10)),
        20.. => format!("{}十{}", digit(number / 10), digit(number % 10)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        let told = [1, 9, 10, 11, 20, 23, 99, 100].map(numeral);
        assert_eq!(told, ["一", "九", "十", "十一", "二十", "二十三", "九十九", "100"]);
        let of = |text: &str| points(text.parse().unwrap());
        assert_eq!(
            ["96.40", "-1.8", "0.005", "0.0012", "-0.001"].map(of),
            ["96.4", "-1.8", "0.01", "<0.01", "-<0.01"]
        );
        assert_eq!(points(Decimal::ZERO), "0");
        assert_eq!(change(Some("0.5".parse().unwrap())), "+0.5");
        assert_eq!(measured("data.timely_rate", Some("0.98765".parse().unwrap())), "98.77%");
        assert_eq!(measured("data.overdue_hours", None), "—");
    }
}
