//! `numeric` on the wire: digits of base 10,000.

use crate::city::value;

/// Appends the number's text with its own scale; false where it is none (`NaN`, infinity) or the
/// bytes are not a numeric. Then nothing was appended.
pub(super) fn append(bytes: &[u8], into: &mut String) -> bool {
    let mut words = bytes.chunks_exact(2).map(|pair| match pair {
        [high, low] => i16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    let (Some(count), Some(weight), Some(sign), Some(scale)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let negative = match sign {
        0 => false,
        0x4000 => true,
        _ => return false,
    };
    let (Ok(count), Ok(scale)) = (usize::try_from(count), usize::try_from(scale)) else {
        return false;
    };
    if words.len() != count || words.clone().any(|digit| !(0..10_000).contains(&digit)) {
        return false;
    }
    if negative {
        into.push('-');
    }
    let mut four = [0; 4];
    let mut started = false;
    for _ in 0..=i32::from(weight).max(-1) {
        let group = words.next().unwrap_or(0);
        if started {
            let group = u32::try_from(group).unwrap_or(0);
            value::append_two(into, group / 100);
            value::append_two(into, group % 100);
        } else if group != 0 {
            into.push_str(itoa::Buffer::new().format(group));
            started = true;
        }
    }
    if !started {
        into.push('0');
    }
    if scale == 0 {
        return true;
    }
    into.push('.');
    // Groups of zeros between the point and the first stored digit.
    let mut absent = usize::try_from(-1 - i32::from(weight)).unwrap_or(0);
    let mut left = scale;
    while left > 0 {
        let group = if absent > 0 {
            absent -= 1;
            0
        } else {
            words.next().unwrap_or(0)
        };
        split(group, &mut four);
        for digit in four.iter().take(left) {
            into.push(char::from(*digit));
        }
        left = left.saturating_sub(4);
    }
    true
}

fn split(group: i16, into: &mut [u8; 4]) {
    let mut rest = u16::try_from(group).unwrap_or(0);
    for place in into.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[i16]) -> Option<String> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut text = String::new();
        append(&bytes, &mut text).then_some(text)
    }

    #[test]
    fn numbers_keep_their_scale() {
        assert_eq!(text(&[0, 0, 0, 0]).unwrap(), "0");
        assert_eq!(text(&[0, 0, 0, 2]).unwrap(), "0.00");
        assert_eq!(text(&[2, 0, 0, 2, 12, 3000]).unwrap(), "12.30");
        assert_eq!(text(&[1, 1, 0x4000, 0, 5]).unwrap(), "-50000");
        assert_eq!(text(&[1, -2, 0, 8, 1234]).unwrap(), "0.00001234");
        assert_eq!(text(&[3, 1, 0, 3, 1, 0, 5000]).unwrap(), "10000.500");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(text(&[0, 0, -0x4000, 0]), None);
        assert_eq!(text(&[2, 0, 0, 0, 1]), None);
        assert_eq!(text(&[1, 0, 0, 0, 10_000]), None);
        assert_eq!(text(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn bytes_from_anywhere_neither_panic_nor_run_away(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
        ) {
            let mut text = String::new();
            append(&bytes, &mut text);
            proptest::prop_assert!(text.len() <= 2 + 4 * 32_768 + 32_768);
        }
    }
}
