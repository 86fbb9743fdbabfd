//! Tables whose columns stand under each other although Chinese characters are twice as wide.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// A table of texts without lines, two blanks between columns; columns named in `numbers` (counted
/// from 0) stand on the right. Never wraps: what is cut cannot be copied.
pub(super) fn table(head: &[&str], rows: Vec<Vec<String>>, numbers: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    rows.into_iter().for_each(|row| {
        table.add_row(row.into_iter().map(printable).collect::<Vec<_>>());
    });
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A terminal obeys control characters; titles and reasons come from others.
pub(super) fn printable(text: String) -> String {
    if text.contains(char::is_control) {
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
    } else {
        text
    }
}

/// A count with separators: `198,412`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        let rows = vec![
            vec!["示例市".to_owned(), "7".to_owned()],
            vec!["abcdef".to_owned(), "1,234".to_owned()],
        ];
        assert_eq!(
            table(&["name", "行"], rows, &[1]),
            "name       行\n示例市      7\nabcdef  1,234\n"
        );
    }

    #[test]
    fn a_title_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb".to_owned()), "a [2Jb");
    }

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 198_412].map(count), ["0", "999", "1,000", "198,412"]);
    }
}
