//! The section of a daemon that only watches: what it would register and send.

use super::render::Sheet;
use super::words::Word;
use crate::markup::apart;

const COLUMNS: [(Word, bool); 8] = [
    (Word::Channel, false),
    (Word::Kind, false),
    (Word::Here, true),
    (Word::Above, true),
    (Word::WouldRegister, true),
    (Word::Adoptable, true),
    (Word::WouldModify, true),
    (Word::Lacking, true),
];

pub(super) fn section(sheet: &mut Sheet<'_>) {
    let Some(it) = &sheet.page.status.watching else { return };
    sheet.html.raw("<section class=\"wide\"><h2>");
    sheet.word(Word::WatchHead);
    sheet.html.raw("</h2><p class=\"warn\">");
    let since = it
        .since
        .map(|at| at.to_zoned(sheet.page.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
    sheet.say(Word::WatchSince, &[&since.unwrap_or_default()]);
    sheet.html.raw("</p><p>");
    let sums = [it.would_send, it.would_delete, it.rejected, it.held].map(apart);
    let sums: Vec<&str> = sums.iter().map(String::as_str).collect();
    sheet.say(Word::WatchRows, &sums);
    sheet.html.raw("</p>");
    sheet.table(&COLUMNS);
    for kind in &it.objects {
        let number = |it: Option<u64>| it.map_or_else(|| "-".to_owned(), apart);
        let cells = [
            kind.channel.clone(),
            kind.kind.clone(),
            apart(kind.here),
            number(kind.held),
            apart(kind.would_register),
            number(kind.adoptable),
            apart(kind.would_modify),
            apart(kind.lacking),
        ];
        sheet.html.raw("<tr>");
        for (column, text) in COLUMNS.into_iter().zip(cells) {
            sheet.cell(column);
            sheet.html.text(&text);
            sheet.end_cell();
        }
        sheet.html.raw("</tr>");
    }
    sheet.end_table();
    sheet.html.raw("</section>");
}
