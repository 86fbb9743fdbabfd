//! A department's list to mend as a workbook: what is told is fixed, what is filled in is light.

use jiff::Timestamp;
use rust_xlsxwriter::{
    DataValidation, DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook,
};

use super::Error;
use super::compose::Sheet;

/// The columns' widths.
const WIDTHS: [f64; 15] =
    [6.0, 16.0, 14.0, 16.0, 44.0, 22.0, 26.0, 12.0, 24.0, 12.0, 10.0, 18.0, 18.0, 10.0, 22.0];
/// The column that says whether something is closed.
const CLOSED: u16 = 13;

/// The bytes of the workbook. `at` is its time, whenever it is written.
///
/// # Errors
/// The workbook cannot be made.
pub fn xlsx(sheet: &Sheet, at: Timestamp) -> Result<Vec<u8>, Error> {
    let mut book = Workbook::new();
    let created = ExcelDateTime::from_timestamp(at.as_second())?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&created));
    let lined = || {
        let format = Format::new().set_border(FormatBorder::Thin).set_num_format("@");
        format.set_text_wrap().set_align(FormatAlign::VerticalCenter)
    };
    let head = lined().set_bold().set_background_color("#D9E2F3").set_align(FormatAlign::Center);
    let open = lined().set_background_color("#FFF9E5");
    let fixed = lined();
    let page = book.add_worksheet().set_name(&sheet.name)?;
    for (at, width) in (0_u16..).zip(WIDTHS) {
        page.set_column_width(at, width)?;
    }
    for (at, text) in (0_u16..).zip(&sheet.heads) {
        page.write_string_with_format(0, at, text, &head)?;
    }
    for (row, cells) in (1_u32..).zip(&sheet.rows) {
        for (at, text) in (0_u16..).zip(cells) {
            let is_open = sheet.open.contains(&usize::from(at));
            page.write_string_with_format(row, at, text, if is_open { &open } else { &fixed })?;
        }
    }
    let last = u32::try_from(sheet.rows.len()).unwrap_or(u32::MAX);
    if last > 0 {
        let choice = DataValidation::new().allow_list_strings(&["是", "否"])?.ignore_blank(true);
        page.add_data_validation(1, CLOSED, last, CLOSED, &choice)?;
    }
    page.set_freeze_panes(1, 2)?;
    page.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    Ok(book.save_to_buffer()?)
}
