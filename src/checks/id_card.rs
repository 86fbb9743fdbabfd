//! 公民身份号码: GB 11643 (facts §7.1).

use jiff::civil::Date;

use super::{CodeTable, Finding};

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: &[u8; 11] = b"10X98765432";
/// Nobody born before this year holds a number that was first issued in 1984.
const FIRST_YEAR: i16 = 1850;

/// What is wrong with an identity number, if anything.
///
/// The first of length, alphabet, check character, date of birth (must exist and not lie after
/// `today`), and region: with a table, the first six digits must have been in force on some day of
/// the holder's life. A number that is right but for a lower-case `x` is [`Finding::LowerCase`]. A
/// number of the old form with 15 digits is [`Finding::CodeLength`].
pub fn id_card(text: &str, today: Date, regions: Option<&CodeTable>) -> Option<Finding> {
    let Ok(card) = <[u8; 18]>::try_from(text.as_bytes()) else {
        let is_long_enough = text.chars().count() == 18;
        return Some(if is_long_enough { Finding::CodeAlphabet } else { Finding::CodeLength });
    };
    let [body @ .., last] = card;
    if !body.iter().all(u8::is_ascii_digit)
        || !(last.is_ascii_digit() || matches!(last, b'X' | b'x'))
    {
        return Some(Finding::CodeAlphabet);
    }
    let digit = |letter: u8| u32::from(letter.saturating_sub(b'0'));
    let sum: u32 = body.iter().zip(WEIGHTS).map(|(letter, weight)| digit(*letter) * weight).sum();
    let check = usize::try_from(sum % 11).ok().and_then(|place| CHECKS.get(place));
    if check != Some(&last.to_ascii_uppercase()) {
        return Some(Finding::CardCheckDigit);
    }
    let Some(born) = born(&body).filter(|born| *born <= today && born.year() >= FIRST_YEAR) else {
        return Some(Finding::CardDate);
    };
    let region = text.get(..6).unwrap_or_default();
    if regions.is_some_and(|regions| !regions.contains_within(region, born, today)) {
        return Some(Finding::CardRegion);
    }
    (last == b'x').then_some(Finding::LowerCase)
}

fn born(body: &[u8; 17]) -> Option<Date> {
    let number = |from: usize, to: usize| {
        body.get(from..to)
            .unwrap_or_default()
            .iter()
            .fold(0_i16, |number, letter| number * 10 + i16::from(letter.saturating_sub(b'0')))
    };
    let part = |from, to| i8::try_from(number(from, to)).ok();
    Date::new(number(6, 10), part(10, 12)?, part(12, 14)?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const TODAY: Date = date(2026, 11, 22);
    const GENUINE: &str = "11010519491231002X";

    fn closed(first: &str) -> String {
        "0123456789X"
            .chars()
            .map(|check| format!("{first}{check}"))
            .find(|card| id_card(card, TODAY, None) != Some(Finding::CardCheckDigit))
            .unwrap()
    }

    #[test]
    fn the_vector_passes_and_each_way_to_be_wrong_has_its_finding() {
        let judge = |card: &str| id_card(card, TODAY, None);
        assert_eq!(judge(GENUINE), None);
        assert_eq!(judge("11010519491231002x"), Some(Finding::LowerCase));
        assert_eq!(judge("110105194912310021"), Some(Finding::CardCheckDigit));
        assert_eq!(judge("110105491231002"), Some(Finding::CodeLength));
        assert_eq!(judge("1101051949123100２X"), Some(Finding::CodeAlphabet));
        assert_eq!(judge("1101051949123100AX"), Some(Finding::CodeAlphabet));
        assert_eq!(judge(&closed("11010520230229002")), Some(Finding::CardDate));
        assert_eq!(judge(&closed("11010520240229002")), None);
        assert_eq!(judge(&closed("11010520261122002")), None);
        assert_eq!(judge(&closed("11010520261123002")), Some(Finding::CardDate));
        assert_eq!(judge(&closed("11010500001231002")), Some(Finding::CardDate));
    }

    #[test]
    fn a_region_must_have_been_in_force_in_the_holders_life() {
        let mut regions = CodeTable::default();
        regions.insert("110105", None, Some(date(1940, 1, 1)));
        assert_eq!(id_card(GENUINE, TODAY, Some(&regions)), Some(Finding::CardRegion));
        regions.insert("110105", Some(date(1984, 1, 1)), Some(date(1990, 1, 1)));
        assert_eq!(id_card(GENUINE, TODAY, Some(&regions)), None);
        assert_eq!(id_card(GENUINE, TODAY, Some(&CodeTable::default())), Some(Finding::CardRegion));
    }

    proptest! {
        #[test]
        fn any_one_other_digit_is_caught(
            region in 110_000_u32..660_000, serial in 0_u32..1000,
            place in 0_usize..17, other in 0_u8..10,
        ) {
            let card = closed(&format!("{region}19800515{serial:03}"));
            prop_assert_eq!(id_card(&card, TODAY, None), None);
            let mut letters = card.into_bytes();
            prop_assume!(letters[place] != b'0' + other);
            letters[place] = b'0' + other;
            let found = id_card(std::str::from_utf8(&letters).unwrap(), TODAY, None);
            prop_assert_eq!(found, Some(Finding::CardCheckDigit));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}|[0-9xX]{18}") {
            let _finding: Option<Finding> = id_card(&text, TODAY, None);
        }
    }
}
