//! Rows as they travel through the daemon: pages of text cells in one buffer.
//!
//! Every source turns what it reads into the same canonical text, column by column, so that
//! checks and encoders know one form and no cell is a separate allocation:
//!
//! | type | canonical text |
//! |---|---|
//! | text | as it is, UTF-8 |
//! | integer | `-12` |
//! | decimal | `-12.30` (the scale of the source is kept) |
//! | date | `2020-03-01` |
//! | time | `2020-03-01T08:30:00` or with `.ffffff`, in the dataset's time zone |
//! | boolean | `true`, `false` |
//!
//! A cell that could not be decoded is *malformed*: it says why, holds no text and is a finding of
//! the checks, never a reason to stop the page.

mod digest;

pub use digest::{DigestHasher, DigestMap, DigestSet, KeyDigest, Keyer, RowHash};

/// What a column holds. It decides how a source renders it and which checks make sense.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ColumnType {
    /// Characters.
    Text,
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// A calendar date.
    Date,
    /// A date with a time of day.
    Time,
    /// True or false.
    Boolean,
}

/// A column of a dataset, as the city declares it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// The name in the source.
    pub name: String,
    /// What it holds.
    pub kind: ColumnType,
}

/// One cell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Canonical text, possibly empty.
    Text(&'a str),
    /// The source's bytes could not be read as this column's type; the reason holds no content.
    Malformed(&'a str),
}

impl<'a> Cell<'a> {
    /// The text, where there is one.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Malformed(_) => None,
        }
    }

    /// As tests compare it: `NULL`, the text, or `!` and the reason.
    #[cfg(test)]
    pub(crate) fn shown(self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Text(text) => text.to_owned(),
            Self::Malformed(reason) => format!("!{reason}"),
        }
    }

    /// Null, or text of nothing but white space.
    pub fn is_blank(self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Malformed(_) => false,
        }
    }
}

/// Appends a row's key in text form and returns whether any cell held text.
///
/// The cells of `columns` are joined with `|`; a `|` or `\` inside a cell is escaped with `\`, a
/// null is nothing. A key of one column is escaped the same way.
pub fn key_text(row: Row<'_>, columns: &[usize], into: &mut String) -> bool {
    let mut any = false;
    for (position, column) in columns.iter().enumerate() {
        if position > 0 {
            into.push('|');
        }
        let Some(text) = row.cell(*column).text() else { continue };
        any |= !text.is_empty();
        if text.contains(['|', '\\']) {
            text.chars().for_each(|letter| {
                if matches!(letter, '|' | '\\') {
                    into.push('\\');
                }
                into.push(letter);
            });
        } else {
            into.push_str(text);
        }
    }
    any
}

/// The key text of cells that are not in a page: the inverse of [`key_cells`].
pub fn key_of_cells(cells: &[String]) -> String {
    let mut page = Page::new(cells.len());
    let mut text = String::new();
    cells.iter().for_each(|cell| page.push(cell));
    if page.end_row().is_ok()
        && let Some(row) = page.row(0)
    {
        let columns: Vec<usize> = (0..cells.len()).collect();
        key_text(row, &columns, &mut text);
    }
    text
}

/// The cells of a key in text form: the inverse of [`key_text`], with nulls as empty texts.
pub fn key_cells(key: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut letters = key.chars();
    while let Some(letter) = letters.next() {
        match (letter, cells.last_mut()) {
            ('|', _) => cells.push(String::new()),
            ('\\', Some(cell)) => cell.extend(letters.next()),
            (_, Some(cell)) => cell.push(letter),
            (_, None) => {}
        }
    }
    cells
}

/// More bytes or cells than one page may hold, or a row with the wrong number of cells.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PageError {
    /// The row that was ended has another number of cells than the page has columns.
    #[error("row has {found} cells where the dataset has {expected} columns")]
    Shape {
        /// Columns of the page.
        expected: usize,
        /// Cells of the row.
        found: usize,
    },
    /// The page's text would pass [`Page::MAX_BYTES`].
    #[error("row does not fit into a page")]
    TooLarge,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    length: u32,
}

const NULL: u32 = u32::MAX;
const MALFORMED: u32 = 1 << 31;

/// A run of rows in one buffer. Reused from page to page: [`Page::clear`] keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Page {
    text: String,
    spans: Vec<Span>,
    width: usize,
    rows: usize,
    open: bool,
}

impl Page {
    /// The most text one page may hold, in bytes.
    pub const MAX_BYTES: usize = 256 << 20;

    /// An empty page of `width` columns.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Columns of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Complete rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// No complete row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of text held.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Forgets all rows, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
        self.rows = 0;
        self.open = false;
    }

    /// Appends a cell without a value to the row being built.
    pub fn push_null(&mut self) {
        self.open = true;
        self.spans.push(Span { start: 0, length: NULL });
    }

    /// Appends a cell with canonical text.
    pub fn push(&mut self, text: &str) {
        self.push_with(|buffer| buffer.push_str(text));
    }

    /// Appends a cell whose text `write` adds at the end of the buffer it is given; it must only
    /// append.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        self.close(0, write);
    }

    /// Appends a cell that could not be read. `reason` must hold no content of the cell.
    pub fn push_malformed(&mut self, reason: &str) {
        self.close(MALFORMED, |buffer| buffer.push_str(reason));
    }

    fn close(&mut self, mark: u32, write: impl FnOnce(&mut String)) {
        self.open = true;
        let start = self.text.len();
        write(&mut self.text);
        // Lengths past the limit are caught by `end_row`, which undoes the row.
        let start = u32::try_from(start).unwrap_or(0);
        let length = u32::try_from(self.text.len()).unwrap_or(0).saturating_sub(start);
        self.spans.push(Span { start, length: (length & !MALFORMED) | mark });
    }

    /// Completes the row being built. On an error the row is undone and the page stays valid.
    pub fn end_row(&mut self) -> Result<(), PageError> {
        let expected = self.rows * self.width;
        let found = self.spans.len() - expected;
        let result = if found != self.width {
            Err(PageError::Shape { expected: self.width, found })
        } else if self.text.len() > Self::MAX_BYTES {
            Err(PageError::TooLarge)
        } else {
            Ok(())
        };
        match result {
            Ok(()) => self.rows += 1,
            Err(_) => self.abandon_row(),
        }
        self.open = false;
        result
    }

    /// Drops the cells of the row being built.
    pub fn abandon_row(&mut self) {
        let keep = self.rows * self.width;
        let text = self
            .spans
            .get(keep..)
            .unwrap_or_default()
            .iter()
            .filter(|span| span.length != NULL)
            .map(|span| span.start as usize)
            .min();
        self.spans.truncate(keep);
        if let Some(end) = text {
            self.text.truncate(end);
        }
        self.open = false;
    }

    /// The row at `index`, counted from 0.
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        (index < self.rows).then(|| Row { page: self, first: index * self.width })
    }

    /// All complete rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows).map(|index| Row { page: self, first: index * self.width })
    }
}

/// One row of a page.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    page: &'a Page,
    first: usize,
}

impl<'a> Row<'a> {
    /// Columns.
    pub fn width(&self) -> usize {
        self.page.width
    }

    /// The cell of column `index`; null past the last column.
    pub fn cell(&self, index: usize) -> Cell<'a> {
        if index >= self.page.width {
            return Cell::Null;
        }
        let Some(span) = self.page.spans.get(self.first + index) else { return Cell::Null };
        if span.length == NULL {
            return Cell::Null;
        }
        let start = span.start as usize;
        let end = start + (span.length & !MALFORMED) as usize;
        let text = self.page.text.get(start..end).unwrap_or_default();
        if span.length & MALFORMED != 0 { Cell::Malformed(text) } else { Cell::Text(text) }
    }

    /// All cells in order.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        let row = *self;
        (0..self.page.width).map(move |index| row.cell(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_back_what_was_pushed() {
        let mut page = Page::new(3);
        page.push("甲");
        page.push_null();
        page.push("");
        page.end_row().unwrap();
        page.push("b");
        page.push_malformed("not UTF-8");
        page.push_with(|text| text.push_str("12"));
        page.end_row().unwrap();
        let rows: Vec<Vec<Cell<'_>>> = page.rows().map(|row| row.cells().collect()).collect();
        assert_eq!(rows[0], [Cell::Text("甲"), Cell::Null, Cell::Text("")]);
        assert_eq!(rows[1], [Cell::Text("b"), Cell::Malformed("not UTF-8"), Cell::Text("12")]);
    }

    #[test]
    fn a_key_survives_its_text_form() {
        let mut page = Page::new(3);
        page.push("a|b");
        page.push_null();
        page.push("c\\d");
        page.end_row().unwrap();
        let mut key = String::new();
        assert!(key_text(page.row(0).unwrap(), &[0, 1, 2], &mut key));
        assert_eq!(key, "a\\|b||c\\\\d");
        assert_eq!(key_cells(&key), ["a|b", "", "c\\d"]);
    }

    #[test]
    fn a_row_of_another_width_is_undone() {
        let mut page = Page::new(2);
        page.push("one");
        assert_eq!(page.end_row(), Err(PageError::Shape { expected: 2, found: 1 }));
        page.push("a");
        page.push("b");
        page.end_row().unwrap();
        assert_eq!(page.len(), 1);
        assert_eq!(page.row(0).unwrap().cell(0), Cell::Text("a"));
        assert_eq!(page.text_bytes(), 2);
    }
}
