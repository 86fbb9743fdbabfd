//! Made-up people and bodies: identity numbers and credit codes with right check digits.
//!
//! All of them carry the division 5151xx, which was never assigned: no number made here belongs
//! to anybody.

use jiff::civil::Date;

use super::random::Random;

/// The characters of a credit code in the order of their values (GB 32100: no I, O, S, V, Z).
const CREDIT: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

const SURNAMES: &[&str] = &[
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭",
    "何", "林", "高", "罗", "郑", "梁", "谢", "宋", "唐", "许", "韩", "邓", "冯", "曹", "彭", "曾",
    "欧阳", "司马", "上官",
];
const GIVEN: &[&str] = &[
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明",
    "超", "秀", "霞", "平", "刚", "桂", "文", "辉", "玲", "建", "国", "华", "红", "玉", "梅", "云",
    "春", "海", "燕", "鹏", "浩", "宇", "轩", "怡", "佳", "欣", "梓", "涵", "䶮", "𬱖",
];
const STREETS: &[&str] =
    &["滨河路", "新市街", "人民南路", "青年路", "文昌巷", "红旗大道", "梨园街", "兴业路"];
const TRADES: &[&str] = &["建筑", "商贸", "农业", "科技", "物流", "餐饮", "药业", "文化传播"];
const BRANDS: &[&str] = &["示范", "样例", "虚构", "演示", "模型"];

/// A person's name; a few characters lie outside the common plane, as some people's do.
pub(super) fn name(random: &mut Random, into: &mut String) {
    into.push_str(random.pick(SURNAMES));
    into.push_str(random.pick(GIVEN));
    if !random.once_in(3) {
        into.push_str(random.pick(GIVEN));
    }
}

/// A company's name, marked as made up.
pub(super) fn company(random: &mut Random, into: &mut String) {
    into.push_str("示例");
    into.push_str(random.pick(BRANDS));
    into.push_str(random.pick(GIVEN));
    into.push_str(random.pick(GIVEN));
    into.push_str(random.pick(TRADES));
    into.push_str("有限公司");
}

/// An address in the made-up city.
pub(super) fn address(random: &mut Random, region: &str, into: &mut String) {
    into.push_str(region);
    into.push_str(random.pick(STREETS));
    into.push_str(&random.between(1, 399).to_string());
    into.push('号');
    if random.once_in(2) {
        into.push_str(&random.between(1, 32).to_string());
        into.push('栋');
        into.push_str(&random.between(101, 3204).to_string());
        into.push('室');
    }
}

/// A mobile number of the made-up city: its prefix is assigned to no operator.
pub(super) fn phone(random: &mut Random, into: &mut String) {
    into.push_str("120");
    into.push_str(&format!("{:08}", random.below(100_000_000)));
}

/// A passport number.
pub(super) fn passport(random: &mut Random, into: &mut String) {
    into.push(if random.once_in(2) { 'E' } else { 'G' });
    into.push_str(&format!("{:08}", random.below(100_000_000)));
}

/// An identity number of 18 characters (GB 11643) for somebody born on `birth`.
pub(super) fn id_card(random: &mut Random, birth: Date, into: &mut String) {
    let start = into.len();
    into.push_str(random.pick(&["515102", "515121"]));
    into.push_str(&format!("{:04}{:02}{:02}", birth.year(), birth.month(), birth.day()));
    into.push_str(&format!("{:03}", random.between(1, 999)));
    let sum = into
        .bytes()
        .skip(start)
        .zip(ID_WEIGHTS)
        .map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight)
        .sum::<u32>();
    into.push(char::from(ID_CHECK.get(sum as usize % 11).copied().unwrap_or(b'0')));
}

const ID_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const ID_CHECK: &[u8; 11] = b"10X98765432";

/// A credit code of 18 characters (GB 32100 with the GB 11714 digit inside): `kind` is the two
/// characters of registrar and kind, `number` makes it unique (below 31⁴ · 10⁴ in effect).
pub(super) fn credit_code(kind: &str, region: &str, number: u64, into: &mut String) {
    let start = into.len();
    into.push_str(kind);
    into.push_str(region);
    let body = format!("MA{:06}", number % 1_000_000);
    let inner = body
        .bytes()
        .zip([3_u64, 7, 9, 10, 5, 8, 4, 2])
        .map(|(letter, weight)| credit_value(letter) * weight)
        .sum::<u64>();
    into.push_str(&body);
    into.push(match 11 - inner % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from_digit(u32::try_from(digit).unwrap_or(0), 10).unwrap_or('0'),
    });
    let mut weight = 1_u64;
    let mut sum = 0;
    for letter in into.bytes().skip(start) {
        sum += credit_position(letter) * weight;
        weight = weight * 3 % 31;
    }
    let check = usize::try_from((31 - sum % 31) % 31).unwrap_or(0);
    into.push(char::from(CREDIT.get(check).copied().unwrap_or(b'0')));
}

/// The value of a character in GB 11714: digits, then A = 10 … Z = 35.
fn credit_value(letter: u8) -> u64 {
    char::from(letter).to_digit(36).map_or(0, u64::from)
}

fn credit_position(letter: u8) -> u64 {
    CREDIT.iter().position(|known| *known == letter).map_or(0, |position| position as u64)
}

/// The same number with another last character: right in form, wrong in its check digit.
pub(super) fn with_wrong_check(number: &mut String) {
    let wrong = match number.pop() {
        Some('1') => '2',
        Some(_) => '1',
        None => return,
    };
    number.push(wrong);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_agree_with_published_numbers() {
        // The published example of GB 11643, and codes of facts §7.1.
        let sum = "34052419800101001"
            .bytes()
            .zip(ID_WEIGHTS)
            .map(|(digit, weight)| u32::from(digit - b'0') * weight)
            .sum::<u32>();
        assert_eq!(ID_CHECK[sum as usize % 11], b'X');
        let mut sum = 0;
        let mut weight = 1;
        for letter in "91510100MA6C8A7M4M".bytes().take(17) {
            sum += credit_position(letter) * weight;
            weight = weight * 3 % 31;
        }
        assert_eq!(CREDIT[usize::try_from((31 - sum % 31) % 31).unwrap()], b'M');
    }

    #[test]
    fn a_made_code_has_eighteen_characters() {
        for number in 0..2_000 {
            let mut code = String::new();
            credit_code("91", "515102", number, &mut code);
            assert_eq!(code.len(), 18, "{code}");
        }
        let mut random = Random::new(1, "cards");
        for _ in 0..100 {
            let mut card = String::new();
            id_card(&mut random, jiff::civil::date(1990, 2, 3), &mut card);
            assert_eq!(card.len(), 18);
            assert_eq!(card.get(6..14), Some("19900203"));
        }
    }
}
