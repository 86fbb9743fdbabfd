//! How often a dataset promises new content, in the words that real catalogues use.

use std::fmt;
use std::num::NonZeroU16;

/// A unit of time that cycles are counted in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Unit {
    /// 分钟.
    Minute,
    /// 小时.
    Hour,
    /// 日、天.
    Day,
    /// 工作日.
    WorkingDay,
    /// 周.
    Week,
    /// 月.
    Month,
    /// 年.
    Year,
}

/// An update cycle (更新周期).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cycle {
    /// Every so many units.
    Every(NonZeroU16, Unit),
    /// No deadline follows from it.
    Open(NotComputable),
}

/// Why no deadline follows from a declared cycle.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NotComputable {
    /// Nothing is declared.
    Missing,
    /// 不定期.
    Irregular,
    /// 自定义 or 其他, and no words that say more.
    Custom,
    /// 不更新, 一次性: the content does not change.
    Once,
    /// Words that nobody can count with, such as `每 null null`.
    Unreadable,
}

impl NotComputable {
    /// The stable word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Irregular => "irregular",
            Self::Custom => "custom",
            Self::Once => "once",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Words of one meaning each. `按` and `每`, `更新` and `一次` are taken away before.
const WORDS: &[(&str, Cycle)] = &[
    ("realtime", every(1, Unit::Hour)),
    ("实时", every(1, Unit::Hour)),
    ("daily", every(1, Unit::Day)),
    ("weekly", every(1, Unit::Week)),
    ("monthly", every(1, Unit::Month)),
    ("quarterly", every(3, Unit::Month)),
    ("half_yearly", every(6, Unit::Month)),
    ("yearly", every(1, Unit::Year)),
    ("半月", every(15, Unit::Day)),
    ("半年", every(6, Unit::Month)),
    ("半年度", every(6, Unit::Month)),
    ("irregular", Cycle::Open(NotComputable::Irregular)),
    ("不定期", Cycle::Open(NotComputable::Irregular)),
    ("other", Cycle::Open(NotComputable::Custom)),
    ("其他", Cycle::Open(NotComputable::Custom)),
    ("其它", Cycle::Open(NotComputable::Custom)),
    ("自定义", Cycle::Open(NotComputable::Custom)),
    ("不", Cycle::Open(NotComputable::Once)),
    ("一次性", Cycle::Open(NotComputable::Once)),
    ("静态", Cycle::Open(NotComputable::Once)),
];

/// What a unit's word stands for.
const UNITS: &[(&str, u16, Unit)] = &[
    ("分钟", 1, Unit::Minute),
    ("分", 1, Unit::Minute),
    ("小时", 1, Unit::Hour),
    ("时", 1, Unit::Hour),
    ("工作日", 1, Unit::WorkingDay),
    ("日", 1, Unit::Day),
    ("日度", 1, Unit::Day),
    ("天", 1, Unit::Day),
    ("周", 1, Unit::Week),
    ("周度", 1, Unit::Week),
    ("星期", 1, Unit::Week),
    ("旬", 10, Unit::Day),
    ("月", 1, Unit::Month),
    ("月度", 1, Unit::Month),
    ("季", 3, Unit::Month),
    ("季度", 3, Unit::Month),
    ("年", 1, Unit::Year),
    ("年度", 1, Unit::Year),
];

const fn every(count: u16, unit: Unit) -> Cycle {
    match NonZeroU16::new(count) {
        Some(count) => Cycle::Every(count, unit),
        None => Cycle::Open(NotComputable::Unreadable),
    }
}

impl Cycle {
    /// The longest count of a cycle.
    pub const MOST: u16 = 9999;

    /// Reads a cycle as catalogues write it: a canonical word (`daily`), `每日`, `每天`, `按月`,
    /// `季度`, `每半年`, `每 2 日`, `每两周`, `每 121 日`, `实时` (an hour: facts §6.2), `不定期`, ….
    /// What cannot be counted with is [`Cycle::Open`] and says why.
    pub fn parse(text: &str) -> Self {
        let text: String = text
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .collect::<String>()
            .to_lowercase();
        if text.is_empty() {
            return Self::Open(NotComputable::Missing);
        }
        let known = |text: &str| WORDS.iter().find(|(word, _)| *word == text);
        if let Some((_, cycle)) = known(&text) {
            return *cycle;
        }
        let text = ["每隔", "每", "按", "逐"]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))
            .unwrap_or(&text);
        let text = ["更新一次", "更新1次", "更新", "一次", "1次"]
            .iter()
            .find_map(|suffix| text.strip_suffix(suffix))
            .unwrap_or(text);
        if let Some((_, cycle)) = known(text) {
            return *cycle;
        }
        counted(text).unwrap_or(Self::Open(NotComputable::Unreadable))
    }

    /// The cycle of a catalogue entry: its declared word, or where that says nothing countable the
    /// words beside it (其他更新周期).
    pub fn of_entry(update_cycle: &str, cycle_text: &str) -> Self {
        let declared = Self::parse(update_cycle);
        match (declared, Self::parse(cycle_text)) {
            (Self::Every(..), _) | (_, Self::Open(NotComputable::Missing)) => declared,
            (Self::Open(NotComputable::Custom | NotComputable::Missing), in_words) => in_words,
            (Self::Open(_), in_words @ Self::Every(..)) => in_words,
            (Self::Open(_), Self::Open(_)) => declared,
        }
    }
}

impl fmt::Display for Cycle {
    /// The words that [`Cycle::parse`] reads as the same cycle.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self {
            Self::Every(count, unit) => (count.get(), unit),
            Self::Open(NotComputable::Missing) => return Ok(()),
            Self::Open(NotComputable::Irregular) => return formatter.write_str("不定期"),
            Self::Open(NotComputable::Custom) => return formatter.write_str("自定义"),
            Self::Open(NotComputable::Once) => return formatter.write_str("不更新"),
            Self::Open(NotComputable::Unreadable) => return formatter.write_str("无法计算"),
        };
        let word = match unit {
            Unit::Minute => "分钟",
            Unit::Hour => "小时",
            Unit::Day => "日",
            Unit::WorkingDay => "个工作日",
            Unit::Week => "周",
            Unit::Month => "个月",
            Unit::Year => "年",
        };
        match count {
            1 => write!(formatter, "每{}", word.trim_start_matches('个')),
            _ => write!(formatter, "每 {count} {word}"),
        }
    }
}

impl Cycle {
    /// How long it is in minutes, for telling which of two is the longer one: a month is a twelfth
    /// of a year of 365.25 days, a working day seven fifths of a day. None where no deadline
    /// follows from it: nothing is longer.
    pub fn minutes(self) -> Option<u64> {
        let Self::Every(count, unit) = self else { return None };
        let minutes = match unit {
            Unit::Minute => 1,
            Unit::Hour => 60,
            Unit::Day => 1_440,
            Unit::WorkingDay => 2_016,
            Unit::Week => 10_080,
            Unit::Month => 43_830,
            Unit::Year => 525_960,
        };
        Some(minutes * u64::from(count.get()))
    }
}

/// `2日`, `三个月`, `季度`.
fn counted(text: &str) -> Option<Cycle> {
    let is_numeral = |letter: &char| value(*letter).is_some();
    let numeral: Vec<char> = text.chars().take_while(is_numeral).collect();
    let rest: String = text.chars().skip(numeral.len()).collect();
    let rest = rest.strip_prefix('个').unwrap_or(&rest);
    let (_, times, unit) = UNITS.iter().find(|(word, _, _)| *word == rest)?;
    let count = if numeral.is_empty() { 1 } else { number(&numeral)? };
    let count = count.checked_mul(*times).filter(|count| *count <= Cycle::MOST)?;
    NonZeroU16::new(count).map(|count| Cycle::Every(count, *unit))
}

fn value(letter: char) -> Option<u16> {
    const CHINESE: &str = "零一二三四五六七八九十";
    let full_width = || u32::from(letter).checked_sub(u32::from('０')).filter(|digit| *digit < 10);
    match letter {
        '0'..='9' => letter.to_digit(10).and_then(|digit| u16::try_from(digit).ok()),
        '两' => Some(2),
        _ => CHINESE
            .chars()
            .position(|known| known == letter)
            .and_then(|place| u16::try_from(place).ok())
            .or_else(|| full_width().and_then(|digit| u16::try_from(digit).ok())),
    }
}

/// `12`, `十二`, `三十`, `九十九`.
fn number(numeral: &[char]) -> Option<u16> {
    let ten = |letter: &char| *letter == '十';
    let Some(place) = numeral.iter().position(ten) else {
        return numeral.iter().try_fold(0_u16, |number, letter| {
            number.checked_mul(10)?.checked_add(value(*letter)?)
        });
    };
    let (tens, ones) = numeral.split_at(place);
    let digit = |letters: &[char], empty| match letters {
        [] => Some(empty),
        [letter] if !ten(letter) => value(*letter),
        _ => None,
    };
    Some(digit(tens, 1)? * 10 + digit(ones.get(1..)?, 0)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_of_real_catalogues_are_understood() {
        for (text, count, unit) in [
            ("实时", 1, Unit::Hour),
            ("实时更新", 1, Unit::Hour),
            ("每日", 1, Unit::Day),
            ("每天", 1, Unit::Day),
            ("按日更新", 1, Unit::Day),
            ("每 2 日", 2, Unit::Day),
            ("每 121 日", 121, Unit::Day),
            ("每周", 1, Unit::Week),
            ("每两周", 2, Unit::Week),
            ("每星期", 1, Unit::Week),
            ("每旬", 10, Unit::Day),
            ("每月", 1, Unit::Month),
            ("每 3 月", 3, Unit::Month),
            ("每三个月", 3, Unit::Month),
            ("每季度", 3, Unit::Month),
            ("季", 3, Unit::Month),
            ("每半年", 6, Unit::Month),
            ("半年度", 6, Unit::Month),
            ("每年", 1, Unit::Year),
            ("年度", 1, Unit::Year),
            ("每十二个月", 12, Unit::Month),
            ("每２年", 2, Unit::Year),
            ("每10个工作日", 10, Unit::WorkingDay),
            ("每工作日", 1, Unit::WorkingDay),
            ("每30分钟", 30, Unit::Minute),
            ("每小时一次", 1, Unit::Hour),
            ("Daily", 1, Unit::Day),
            ("half_yearly", 6, Unit::Month),
            ("quarterly", 3, Unit::Month),
        ] {
            assert_eq!(Cycle::parse(text), every(count, unit), "{text}");
        }
        for (text, why) in [
            ("", NotComputable::Missing),
            (" ", NotComputable::Missing),
            ("不定期", NotComputable::Irregular),
            ("不定期更新", NotComputable::Irregular),
            ("自定义", NotComputable::Custom),
            ("其他", NotComputable::Custom),
            ("不更新", NotComputable::Once),
            ("每 null null", NotComputable::Unreadable),
            ("每 0 日", NotComputable::Unreadable),
            ("每 99999 日", NotComputable::Unreadable),
            ("每 9999 季度", NotComputable::Unreadable),
            ("每十十日", NotComputable::Unreadable),
            ("每周五", NotComputable::Unreadable),
            ("每", NotComputable::Unreadable),
            ("8", NotComputable::Unreadable),
        ] {
            assert_eq!(Cycle::parse(text), Cycle::Open(why), "{text}");
        }
    }

    #[test]
    fn of_two_cycles_the_longer_one_is_told() {
        let words = [
            "实时",
            "每日",
            "每工作日",
            "每 2 日",
            "每周",
            "每 10 日",
            "半月",
            "每月",
            "每 2 月",
            "每季度",
            "每 121 日",
            "每半年",
            "每年",
            "每 2 年",
        ];
        let minutes: Vec<u64> =
            words.iter().map(|word| Cycle::parse(word).minutes().unwrap()).collect();
        assert!(minutes.is_sorted_by(|a, b| a < b), "{minutes:?}");
        for (one, other) in [("每 3 月", "季度"), ("每 12 月", "每年"), ("每 7 日", "每周")]
        {
            assert_eq!(Cycle::parse(one).minutes(), Cycle::parse(other).minutes());
        }
        assert_eq!(Cycle::parse("不定期").minutes(), None);
    }

    #[test]
    fn the_words_beside_a_cycle_count_where_the_cycle_says_nothing() {
        assert_eq!(Cycle::of_entry("other", "每 2 日"), every(2, Unit::Day));
        assert_eq!(Cycle::of_entry("不定期", "每季度"), every(3, Unit::Month));
        assert_eq!(Cycle::of_entry("不定期", "视情况"), Cycle::Open(NotComputable::Irregular));
        assert_eq!(Cycle::of_entry("daily", "每年"), every(1, Unit::Day));
        assert_eq!(Cycle::of_entry("other", ""), Cycle::Open(NotComputable::Custom));
        assert_eq!(Cycle::of_entry("", "每 null null"), Cycle::Open(NotComputable::Unreadable));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,12}|每[0-9十百两]{0,6}个?[日月年季度]{0,3}") {
            let _cycle: Cycle = Cycle::parse(&text);
        }

        #[test]
        fn a_cycle_is_read_as_it_is_shown(count in 1_u16..=9999, unit in 0_usize..7, why in 0_usize..5) {
            let unit = [
                Unit::Minute, Unit::Hour, Unit::Day, Unit::WorkingDay, Unit::Week, Unit::Month, Unit::Year,
            ][unit];
            let why = [
                NotComputable::Missing,
                NotComputable::Irregular,
                NotComputable::Custom,
                NotComputable::Once,
                NotComputable::Unreadable,
            ][why];
            for cycle in [every(count, unit), every(1, unit), Cycle::Open(why)] {
                prop_assert_eq!(Cycle::parse(&cycle.to_string()), cycle, "{}", cycle);
            }
        }

        #[test]
        fn numbers_are_read_as_written(count in 1_u16..=9999) {
            prop_assert_eq!(Cycle::parse(&format!("每 {count} 天")), every(count, Unit::Day));
        }
    }
}
