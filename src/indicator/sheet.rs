//! Tables that people keep, as CSV: columns by their heads, every mistake at once with its place.

use std::fmt;

/// What is wrong in a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The column's head.
    pub column: String,
    /// What is wrong: lower case, no dot.
    pub what: String,
}

impl Problem {
    /// The stable code.
    pub const CODE: &'static str = "E-SCORE-TABLE";

    /// Where it is: `cities.csv:14 (points)`.
    pub fn place(&self) -> String {
        let place = format!("{}:{}", self.file, self.line);
        if self.column.is_empty() { place } else { format!("{place} ({})", self.column) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} [{}]", self.place(), self.what, Self::CODE)
    }
}

/// The most rows of one table.
pub const MAX_ROWS: usize = 200_000;

/// A table that was read: its cells by the columns that were asked for.
#[derive(Debug)]
pub(super) struct Sheet<'f> {
    file: &'f str,
    columns: &'f [&'f str],
    rows: Vec<(u64, Vec<String>)>,
    pub(super) problems: Vec<Problem>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'s> {
    columns: &'s [&'s str],
    cells: &'s [String],
}

impl Row<'_> {
    /// A cell without the blanks around it.
    pub(super) fn get(&self, column: &str) -> &str {
        let at = self.columns.iter().position(|name| *name == column);
        at.and_then(|at| self.cells.get(at)).map_or("", |cell| cell.trim())
    }
}

impl<'f> Sheet<'f> {
    /// Reads a table that has these columns, in any order, the `optional` ones at will. Lines that
    /// begin with `#` are remarks.
    pub(super) fn read(
        file: &'f str,
        text: &str,
        columns: &'f [&'f str],
        optional: &[&str],
    ) -> Self {
        let mut sheet = Self { file, columns, rows: Vec::new(), problems: Vec::new() };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let heads: Vec<String> = match reader.headers() {
            Ok(heads) => heads.iter().map(|head| head.trim().to_owned()).collect(),
            Err(error) => {
                sheet.add(1, "", error.to_string());
                return sheet;
            }
        };
        let head_line = reader.position().line().saturating_sub(1).max(1);
        for column in columns.iter().filter(|column| !optional.contains(column)) {
            if !heads.iter().any(|head| head == column) {
                sheet.add(head_line, column, "this column is missing".to_owned());
            }
        }
        for (at, head) in heads.iter().enumerate() {
            if !columns.contains(&head.as_str()) {
                sheet.add(head_line, head, "nobody knows this column".to_owned());
            } else if heads.iter().take(at).any(|before| before == head) {
                sheet.add(head_line, head, "this column stands twice".to_owned());
            }
        }
        if !sheet.problems.is_empty() {
            return sheet;
        }
        let places: Vec<Option<usize>> =
            columns.iter().map(|column| heads.iter().position(|head| head == column)).collect();
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    if sheet.rows.len() >= MAX_ROWS {
                        sheet.add(line, "", format!("more than {MAX_ROWS} rows"));
                        break;
                    }
                    let cell = |place: &Option<usize>| {
                        place.and_then(|at| record.get(at)).unwrap_or_default().to_owned()
                    };
                    sheet.rows.push((line, places.iter().map(cell).collect()));
                }
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    sheet.add(line, "", "is no row of this table".to_owned());
                }
            }
        }
        sheet
    }

    /// Notes a problem.
    pub(super) fn add(&mut self, line: u64, column: &str, what: String) {
        let (file, column) = (self.file.to_owned(), column.to_owned());
        self.problems.push(Problem { file, line, column, what });
    }

    /// Reads every row with `read`; problems of `read` are noted with the row's line.
    pub(super) fn map<T>(
        mut self,
        mut read: impl FnMut(Row<'_>, &mut dyn FnMut(&str, String)) -> Option<T>,
    ) -> Result<Vec<T>, Vec<Problem>> {
        let mut found = Vec::new();
        let rows = std::mem::take(&mut self.rows);
        for (line, cells) in &rows {
            let row = Row { columns: self.columns, cells };
            let mut noted = Vec::new();
            found.extend(read(row, &mut |column, what| noted.push((column.to_owned(), what))));
            for (column, what) in noted {
                self.add(*line, &column, what);
            }
        }
        if self.problems.is_empty() { Ok(found) } else { Err(self.problems) }
    }
}
