//! The workbook that a department fills in: written from the values that a candidate wants, read
//! back in parts.
//!
//! | sheet | content |
//! |---|---|
//! | first | which standard, for whom, and how to fill it in; what must be mended in the catalogue itself |
//! | one for each kind of object, and one for the items of entries | a row an object or item, a column a value |
//! | last | the words of code lists, for the drop-downs |
//!
//! A sheet of values has three head rows: what people read, what the machine reads (protected, so
//! that columns may be moved and rows left out), and what is asked for. Everything but the values
//! is protected; a value that an object does not need is grey.

mod read;
mod takeover;
mod write;

pub use read::{Cell, Content, Misread, ReadError, read};
pub use takeover::{TakeoverRow, write_takeover};
pub use write::{Book, WriteError};

/// Head rows above the values.
const HEAD_ROWS: usize = 3;
/// The machine's names of the columns before the values.
const FIXED: [&str; 6] = ["kind", "department", "id", "title", "item", "item_title"];
/// What stands before a value's name in the machine's row.
const VALUE: &str = "value:";
/// In a cell whose object does not need the value.
const NOT_NEEDED: &str = "—";
/// Before the standard's name on the first sheet.
const STANDARD: &str = "standard";

/// `C12` for row 11 and column 2, counted from 0.
fn cell_name(row: usize, column: usize) -> String {
    let mut letters = String::new();
    let mut left = column + 1;
    while left > 0 {
        let digit = u8::try_from((left - 1) % 26).unwrap_or(0);
        letters.insert(0, char::from(b'A' + digit));
        left = (left - 1) / 26;
    }
    format!("{letters}{}", row + 1)
}

#[cfg(test)]
mod tests {
    use super::cell_name;

    #[test]
    fn cells_are_called_as_spreadsheets_call_them() {
        let names = [(0, 0), (11, 6), (0, 25), (0, 26), (4, 701), (4, 702)]
            .map(|(row, column)| cell_name(row, column));
        assert_eq!(names, ["A1", "G12", "Z1", "AA1", "ZZ5", "AAA5"]);
    }
}
