//! Rows as a test platform may see them: every cell is another one.
//!
//! Nothing marks a column as personal, so that nothing can be forgotten to be marked: all cells are
//! replaced, but those under a code list, booleans, and what holds no letter and no digit. What is
//! kept is the form, for a test platform judges forms:
//!
//! | original | in its place |
//! |---|---|
//! | identity number | its region, another birthday and serial, a right check character |
//! | credit code | its kind and region, another body, both check characters right |
//! | other text | as long; digits for digits, letters for letters, stems and branches (天干地支) for all other writing; a text of six digits and more keeps its first |
//! | dates and times of a row | all earlier by the same number of days, so that their order stays |
//! | numbers of a row | all smaller in the same proportion, with the same scale, so that their order stays; 0 stays 0 |
//!
//! The same cell of the same column has the same mask, and the same row the same days and
//! proportion: they are drawn from a keyed digest, under the secret of the installation. Without
//! it nobody comes back to the original, and not to which rows were the same elsewhere.

use std::str::FromStr as _;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Span};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::checks::{Finding, RuleCode, Rules, credit_code, id_card};
use crate::row::{Cell, Column, ColumnType, Keyer, Page, Row};

/// What stands for writing that is neither digits nor Latin letters; nobody is called so.
const STEMS: [char; 22] = [
    '甲', '乙', '丙', '丁', '戊', '己', '庚', '辛', '壬', '癸', '子', '丑', '寅', '卯', '辰', '巳',
    '午', '未', '申', '酉', '戌', '亥',
];
/// Days by which a row's dates are earlier, at least and fewer than this more.
const DAYS: (u16, u16) = (31, 700);
/// Thousandths to which a row's numbers shrink, at least and fewer than this more.
const THOUSANDTHS: (u16, u16) = (500, 490);
/// From this many digits on a text of digits keeps its first.
const LONG: usize = 6;
/// Another draw where a mask came out as the original.
const DRAWS: u32 = 16;

/// The masks of one dataset.
#[derive(Debug)]
pub struct Mask<'a> {
    keyer: &'a Keyer,
    dataset: &'a str,
    columns: &'a [Column],
    /// Columns whose values are codes of a list.
    coded: Vec<bool>,
    today: Date,
}

impl<'a> Mask<'a> {
    /// For the rows of this dataset, which these rules judge.
    pub fn new(
        keyer: &'a Keyer,
        dataset: &'a str,
        columns: &'a [Column],
        rules: &Rules,
        today: Date,
    ) -> Self {
        let lists = || rules.rules().iter().filter(|rule| rule.code == RuleCode::CodeList);
        let is_coded = |name: &String| lists().any(|rule| rule.columns.contains(name));
        let coded = columns.iter().map(|column| is_coded(&column.name)).collect();
        Self { keyer, dataset, columns, coded, today }
    }

    /// Appends the row's cells, masked, to the row that is being built in `into`; `key` is the
    /// row's key in text form.
    pub fn row(&self, row: Row<'_>, key: &str, into: &mut Page) {
        let mut draw = self.draw("", key, 0);
        let days = DAYS.0 + draw.below(DAYS.1);
        let part = THOUSANDTHS.0 + draw.below(THOUSANDTHS.1);
        for (at, column) in self.columns.iter().enumerate() {
            let Cell::Text(text) = row.cell(at) else {
                into.push_null();
                continue;
            };
            if text.is_empty() || self.coded.get(at).copied().unwrap_or_default() {
                into.push(text);
                continue;
            }
            match column.kind {
                ColumnType::Boolean => into.push(text),
                ColumnType::Text => into.push(&self.text(&column.name, text, days)),
                ColumnType::Integer | ColumnType::Decimal => match smaller(text, part) {
                    Some(number) => into.push(&number),
                    None => into.push_null(),
                },
                ColumnType::Date => {
                    match text.parse::<Date>().ok().and_then(|at| earlier(at, days)) {
                        Some(date) => into.push(&date.to_string()),
                        None => into.push_null(),
                    }
                }
                ColumnType::Time => match earlier_time(text, days) {
                    Some(time) => into.push(&time),
                    None => into.push_null(),
                },
            }
        }
    }

    fn text(&self, column: &str, text: &str, days: u16) -> String {
        for number in 0..DRAWS {
            let mut draw = self.draw(column, text, number);
            let masked = match text {
                card if is_right(id_card(card, self.today, None)) => draw.card(card, days),
                code if is_right(credit_code(code)) => draw.code(code),
                _ => None,
            };
            let masked = masked.unwrap_or_else(|| draw.plain(text));
            if masked != text {
                return masked;
            }
        }
        // There is nothing in it that could be another.
        text.to_owned()
    }

    fn draw(&self, column: &str, text: &str, number: u32) -> Draw<'_> {
        // No key of a row begins so: what is drawn is no digest that the ledger knows.
        let seed =
            format!("\u{1f}mask\u{1f}{}\u{1f}{column}\u{1f}{number}\u{1f}{text}", self.dataset);
        Draw { keyer: self.keyer, seed, block: 0, left: Vec::new() }
    }
}

/// Right, but perhaps for small letters.
fn is_right(found: Option<Finding>) -> bool {
    matches!(found, None | Some(Finding::LowerCase))
}

fn earlier(at: Date, days: u16) -> Option<Date> {
    at.checked_sub(Span::new().days(days)).ok()
}

fn earlier_time(text: &str, days: u16) -> Option<String> {
    let at: DateTime = text.parse().ok()?;
    let earlier = at.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).ok()?;
    // The fraction stays as it was written.
    let fraction = text.find('.').and_then(|point| text.get(point..)).unwrap_or_default();
    Some(format!("{}{fraction}", earlier.strftime("%Y-%m-%dT%H:%M:%S")))
}

/// The number in a smaller measure, its scale kept.
fn smaller(text: &str, thousandths: u16) -> Option<String> {
    let number = Decimal::from_str(text).ok()?;
    let scale = number.scale();
    let part = number.checked_mul(Decimal::new(i64::from(thousandths), 3))?;
    let mut rounded = part.round_dp_with_strategy(scale, RoundingStrategy::ToZero);
    rounded.rescale(scale);
    Some(rounded.to_string())
}

/// Numbers drawn from a keyed digest, as many as are wanted.
struct Draw<'a> {
    keyer: &'a Keyer,
    seed: String,
    block: u32,
    left: Vec<u8>,
}

impl Draw<'_> {
    fn byte(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.left.pop() {
                return byte;
            }
            self.left = self.keyer.key(&format!("{}\u{1f}{}", self.seed, self.block)).0.to_vec();
            self.block += 1;
        }
    }

    /// Below `bound`, nearly evenly.
    fn below(&mut self, bound: u16) -> u16 {
        let number = u16::from_be_bytes([self.byte(), self.byte()]);
        number % bound.max(1)
    }

    fn one_of(&mut self, letters: &[u8]) -> char {
        let at = self.below(u16::try_from(letters.len()).unwrap_or(u16::MAX));
        letters.get(usize::from(at)).copied().map_or('0', char::from)
    }

    fn plain(&mut self, text: &str) -> String {
        let keeps = text.len() >= LONG && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut letters = text.chars();
        let mut masked = String::with_capacity(text.len());
        masked.extend(letters.by_ref().take(usize::from(keeps)));
        for letter in letters {
            masked.push(match letter {
                '0'..='9' => self.one_of(b"0123456789"),
                'a'..='z' => self.one_of(b"abcdefghijklmnopqrstuvwxyz"),
                'A'..='Z' => self.one_of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
                other if other.is_alphanumeric() => {
                    let at = self.below(u16::try_from(STEMS.len()).unwrap_or(1));
                    STEMS.get(usize::from(at)).copied().unwrap_or('甲')
                }
                other => other,
            });
        }
        masked
    }

    /// An identity number of the same region (facts §7.1), born earlier.
    fn card(&mut self, text: &str, days: u16) -> Option<String> {
        let born = text.get(6..14).and_then(|digits| Date::strptime("%Y%m%d", digits).ok())?;
        let born = earlier(born, days)?;
        let serial = self.below(1_000);
        let body = format!("{}{}{serial:03}", text.get(..6)?, born.strftime("%Y%m%d"));
        let right =
            |card: &String| is_right(id_card(card, born.max(Date::constant(2000, 1, 1)), None));
        "0123456789X".chars().map(|check| format!("{body}{check}")).find(right)
    }

    /// A credit code of the same kind and region (facts §7.1).
    fn code(&mut self, text: &str) -> Option<String> {
        let mut body = text.get(..8)?.to_ascii_uppercase();
        for _ in 0..8 {
            body.push(self.one_of(b"0123456789ABCDEFGHJKLMNPQRTUWXY"));
        }
        let checks = "0123456789ABCDEFGHJKLMNPQRTUWXY";
        "0123456789X".chars().find_map(|inner| {
            let codes = checks.chars().map(|outer| format!("{body}{inner}{outer}"));
            codes.into_iter().find(|code| credit_code(code).is_none())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checks::{Bound, RuleSettings};

    const TODAY: Date = Date::constant(2026, 11, 22);

    fn columns() -> Vec<Column> {
        [
            ("no", ColumnType::Text),
            ("name", ColumnType::Text),
            ("card", ColumnType::Text),
            ("sex", ColumnType::Text),
            ("from", ColumnType::Date),
            ("until", ColumnType::Time),
            ("paid", ColumnType::Decimal),
            ("base", ColumnType::Decimal),
        ]
        .map(|(name, kind)| Column { name: name.to_owned(), kind })
        .to_vec()
    }

    fn rules(columns: &[Column]) -> Rules {
        let list = RuleSettings {
            rule: "code-list".to_owned(),
            column: Some("sex".to_owned()),
            codes: vec!["1".to_owned(), "2".to_owned()],
            ..RuleSettings::default()
        };
        let least = RuleSettings {
            rule: "range".to_owned(),
            column: Some("paid".to_owned()),
            min: Some(Bound::Integer(0)),
            ..RuleSettings::default()
        };
        Rules::compile(&[list, least], columns, &std::collections::BTreeMap::new()).unwrap()
    }

    fn masked(secret: &[u8], cells: &[&str]) -> Vec<String> {
        let columns = columns();
        let (keyer, rules) = (Keyer::new(secret), rules(&columns));
        let mask = Mask::new(&keyer, "d", &columns, &rules, TODAY);
        let mut page = Page::new(columns.len());
        cells.iter().for_each(|cell| page.push(cell));
        page.end_row().unwrap();
        let mut out = Page::new(columns.len());
        mask.row(page.row(0).unwrap(), cells[0], &mut out);
        out.end_row().unwrap();
        out.row(0).unwrap().cells().map(|cell| cell.text().unwrap_or("-").to_owned()).collect()
    }

    const ROW: [&str; 8] = [
        "R0000017",
        "王小明",
        "11010519491231002X",
        "2",
        "2020-02-29",
        "2020-03-01T08:30:00.50",
        "70.10",
        "5000.00",
    ];

    #[test]
    fn every_cell_is_another_and_of_the_same_form() {
        let out = masked(b"one", &ROW);
        for (at, (masked, original)) in out.iter().zip(ROW).enumerate() {
            assert_eq!(masked == original, at == 3, "{masked} {original}");
        }
        assert_eq!(out[0].len(), 8);
        assert!(out[1].chars().count() == 3 && out[1].chars().all(|it| STEMS.contains(&it)));
        assert!(out[2].starts_with("110105") && id_card(&out[2], TODAY, None).is_none());
        assert!(out[4].as_str() < ROW[4] && out[5].ends_with(":30:00.50") && out[4] < out[5]);
        let number = |text: &String| Decimal::from_str(text).unwrap();
        assert!(number(&out[6]) < number(&out[7]) && out[6].len() <= 5 && out[6].contains('.'));
    }

    #[test]
    fn the_same_row_has_the_same_mask_and_elsewhere_another() {
        assert_eq!(masked(b"one", &ROW), masked(b"one", &ROW));
        assert_ne!(masked(b"one", &ROW)[..3], masked(b"two", &ROW)[..3]);
    }

    #[test]
    fn codes_and_telephone_numbers_stay_what_they_are() {
        for (text, other) in
            [("91510100MA6C8A7M4M", "13800138000"), ("11370000MB284651XL", "028-8612")]
        {
            let row = [text, other, "x", "1", "2020-01-01", "2020-01-01T00:00:00", "0", "1"];
            let out = masked(b"one", &row);
            assert!(credit_code(&out[0]).is_none(), "{}", out[0]);
            assert_eq!(out[0].get(..8), text.get(..8));
            assert_eq!(out[1].len(), other.len());
            assert!(out[1].starts_with('1') || out[1].as_bytes()[3] == b'-', "{}", out[1]);
            assert_eq!(out[6], "0");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_or_comes_through(text in "\\PC{0,20}|[0-9]{1,20}", key in "[a-z0-9]{1,9}") {
            let row = [key.as_str(), &text, "x", "1", "2020-01-01", "2020-01-01T00:00:00", "1", "-2"];
            let out = masked(b"one", &row);
            let can_change = text.chars().any(char::is_alphanumeric);
            prop_assert_eq!(out[1] != text, can_change, "{} {}", out[1], text);
            prop_assert_eq!(out[1].chars().count(), text.chars().count());
        }

        #[test]
        fn numbers_keep_their_order_and_sign(a in -99_999_i64..99_999, b in -99_999_i64..99_999, part in 500_u16..990) {
            let [one, other] = [a, b].map(|it| smaller(&Decimal::new(it, 2).to_string(), part).unwrap());
            let number = |text: &String| Decimal::from_str(text).unwrap();
            prop_assert!(a > b || number(&one) <= number(&other));
            prop_assert!(a == 0 || number(&one) != Decimal::new(a, 2));
        }
    }
}
