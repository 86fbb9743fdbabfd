//! 统一社会信用代码: GB 32100 with the organisation code of GB 11714 inside (facts §7.1).
//!
//! What the standard leaves to registries is not judged: letters in the first eight characters are
//! issued, and a region that is in no table of today is no reason to reject (measured: 37 % of one
//! province's valid codes).

use super::Finding;

/// Weights of the first 17 characters: powers of 3 modulo 31.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// The characters by value: no I, O, S, V, Z.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Weights of the first eight characters of the organisation code.
const ORGANISATION_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// Character to value, 255 for those the alphabet lacks.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < 31 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        #[expect(clippy::cast_possible_truncation, reason = "below 31")]
        {
            values[ALPHABET[value] as usize] = value as u8;
        }
        value += 1;
    }
    values
};

/// What is wrong with a credit code, if anything.
///
/// The first of length, alphabet, check character of GB 32100, check character of GB 11714. A code
/// that is right but for lower-case letters is [`Finding::LowerCase`].
pub fn credit_code(text: &str) -> Option<Finding> {
    let Ok(code) = <[u8; 18]>::try_from(text.as_bytes()) else {
        // Eighteen characters of which some take several bytes have the right length.
        let is_long_enough = text.chars().count() == 18;
        return Some(if is_long_enough { Finding::CodeAlphabet } else { Finding::CodeLength });
    };
    if code.iter().any(u8::is_ascii_lowercase) {
        return judge(&code.map(|letter| letter.to_ascii_uppercase())).or(Some(Finding::LowerCase));
    }
    judge(&code)
}

fn judge(code: &[u8; 18]) -> Option<Finding> {
    let mut values = [0_u32; 18];
    let mut is_foreign = false;
    for (value, letter) in values.iter_mut().zip(code) {
        let known = VALUES.get(usize::from(*letter)).copied().unwrap_or(255);
        is_foreign |= known == 255;
        *value = u32::from(known);
    }
    if is_foreign {
        return Some(Finding::CodeAlphabet);
    }
    let sum: u32 = values.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    if values.last() != Some(&((31 - sum % 31) % 31)) {
        return Some(Finding::CreditCheckDigit);
    }
    let organisation = code.get(8..17).unwrap_or_default();
    let sum: u32 =
        organisation.iter().zip(ORGANISATION_WEIGHTS).map(|(l, weight)| base36(*l) * weight).sum();
    let check = match 11 - sum % 11 {
        10 => Some(b'X'),
        11 => Some(b'0'),
        digit => u8::try_from(digit).ok().map(|digit| b'0' + digit),
    };
    (organisation.last().copied() != check).then_some(Finding::OrganisationCheckDigit)
}

/// GB 11714 counts letters as 10 to 35; only characters of [`ALPHABET`] come here.
fn base36(letter: u8) -> u32 {
    u32::from(if letter.is_ascii_digit() {
        letter - b'0'
    } else {
        letter.saturating_sub(b'A') + 10
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GENUINE: [&str; 4] =
        ["91510100MA6C8A7M4M", "11370000MB284651XL", "11370000004504927A", "91330000755918469E"];

    #[test]
    fn the_genuine_codes_pass() {
        for code in GENUINE {
            assert_eq!(credit_code(code), None, "{code}");
        }
    }

    #[test]
    fn each_way_to_be_wrong_has_its_finding() {
        assert_eq!(credit_code(""), Some(Finding::CodeLength));
        assert_eq!(credit_code("91510100MA6C8A7M4"), Some(Finding::CodeLength));
        assert_eq!(credit_code("91510100MA6C8A7M4MM"), Some(Finding::CodeLength));
        assert_eq!(credit_code("91510100MA6C8A7M4O"), Some(Finding::CodeAlphabet));
        assert_eq!(credit_code("９1510100MA6C8A7M4M"), Some(Finding::CodeAlphabet));
        assert_eq!(credit_code("91510100MA6C8A7M4Y"), Some(Finding::CreditCheckDigit));
        assert_eq!(credit_code("91510100ma6c8a7m4m"), Some(Finding::LowerCase));
        assert_eq!(credit_code("91510100ma6c8a7m4y"), Some(Finding::CreditCheckDigit));
    }

    /// The code with the right outer check character after its first 17.
    fn closed(first: &str) -> String {
        ALPHABET
            .iter()
            .map(|check| format!("{first}{}", char::from(*check)))
            .find(|code| credit_code(code) != Some(Finding::CreditCheckDigit))
            .unwrap()
    }

    #[test]
    fn the_inner_code_is_judged_when_the_outer_one_is_right() {
        assert_eq!(credit_code(&closed("91510100MA6C8A7M4")), None);
        assert_eq!(
            credit_code(&closed("91510100MA6C8A7M5")),
            Some(Finding::OrganisationCheckDigit)
        );
    }

    #[test]
    fn a_region_that_no_table_knows_is_no_reason_to_reject() {
        assert_eq!(credit_code(&closed("91999999MA6C8A7M4")), None);
        assert_eq!(credit_code(&closed("A1XYN100MA6C8A7M4")), None);
    }

    proptest! {
        #[test]
        fn any_one_other_character_is_caught(
            code in 0_usize..4, place in 0_usize..18, other in 0_usize..31,
        ) {
            let mut letters = GENUINE[code].as_bytes().to_vec();
            prop_assume!(letters[place] != ALPHABET[other]);
            letters[place] = ALPHABET[other];
            prop_assert!(credit_code(std::str::from_utf8(&letters).unwrap()).is_some());
        }

        #[test]
        fn any_swap_of_neighbours_is_caught(code in 0_usize..4, place in 0_usize..17) {
            let mut letters = GENUINE[code].as_bytes().to_vec();
            prop_assume!(letters[place] != letters[place + 1]);
            letters.swap(place, place + 1);
            prop_assert!(credit_code(std::str::from_utf8(&letters).unwrap()).is_some());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _finding: Option<Finding> = credit_code(&text);
        }
    }
}
