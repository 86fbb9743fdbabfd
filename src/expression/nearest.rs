//! The known word that a mistyped one may have meant.

/// The candidate nearest to `word`, when at most a third of its letters differ (at least one may).
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let letters: Vec<char> = word.chars().take(LONGEST).collect();
    let allowed = (letters.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&letters, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters of a word that are looked at.
const LONGEST: usize = 64;

/// Edits (insert, remove, replace) from one word to the other, ignoring ASCII case.
fn distance(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (line, wanted) in to.chars().take(LONGEST).enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (letter, cell) in from.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(!letter.eq_ignore_ascii_case(&wanted));
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let words = ["share_type", "title", "统一社会信用代码", "id"];
        assert_eq!(nearest("sharetype", words), Some("share_type"));
        assert_eq!(nearest("Titel", words), None);
        assert_eq!(nearest("titl", words), Some("title"));
        assert_eq!(nearest("统一社会信用编码", words), Some("统一社会信用代码"));
        assert_eq!(nearest("region", words), None);
        assert_eq!(distance(&['a', 'b', 'c'], ""), 3);
        assert_eq!(distance(&[], "abc"), 3);
        assert_eq!(distance(&['k', 'i', 't', 't', 'e', 'n'], "sitting"), 3);
    }
}
