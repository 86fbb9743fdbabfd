//! The document as a page that prints well on A4: no script, nothing fetched, light.

use super::chart;
use super::document::{Block, Document, Side, Table};
use crate::markup::Markup;

/// The most characters of one paragraph or cell.
const MOST: usize = 4000;

/// The only style there is.
const STYLE: &str = include_str!("style.css");

/// The page.
pub fn html(document: &Document) -> String {
    let mut html = Markup::new(MOST);
    html.raw("<!doctype html><html lang=\"").text(document.language.tag());
    html.raw(
        "\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>",
    );
    html.text(&document.plain_title())
        .raw("</title><style>")
        .raw(STYLE)
        .raw("</style></head><body>");
    html.raw("<header><p class=\"office\">").text(&document.office);
    html.raw("</p><p class=\"number\">").text(&document.number).raw("</p></header><main><h1>");
    for (at, line) in document.title.split('\n').enumerate() {
        html.raw(if at == 0 { "" } else { "<wbr>" }).text(line);
    }
    html.raw("</h1>");
    paragraph(&mut html, "<p class=\"subtitle\">", &document.subtitle);
    paragraph(&mut html, "<p class=\"to\">", &document.to);
    for block in &document.blocks {
        match block {
            Block::Part(text) => {
                html.raw("<h2>").text(text).raw("</h2>");
            }
            Block::Section(text) => {
                html.raw("<h3>").text(text).raw("</h3>");
            }
            Block::Text(text) => paragraph(&mut html, "<p>", text),
            Block::Remark(text) => paragraph(&mut html, "<p class=\"remark\">", text),
            Block::Table(it) => table(&mut html, it),
            Block::Chart(it) => chart::draw(&mut html, it),
        }
    }
    if !document.attachments.is_empty() {
        html.raw("<p class=\"attached\">").text(&document.attached).raw("</p><ol>");
        for text in &document.attachments {
            html.raw("<li>").text(text).raw("</li>");
        }
        html.raw("</ol>");
    }
    html.raw("<div class=\"signed\">");
    paragraph(&mut html, "<p>", &document.signature);
    paragraph(&mut html, "<p>", &document.date);
    html.raw("</div>");
    paragraph(&mut html, "<p>", &document.contact);
    html.raw("</main><footer>").text(&document.as_of).raw("</footer></body></html>\n");
    html.finish()
}

/// A paragraph; nothing where there is no text.
fn paragraph(html: &mut Markup, open: &'static str, text: &str) {
    if !text.is_empty() {
        html.raw(open).text(text).raw("</p>");
    }
}

fn table(html: &mut Markup, table: &Table) {
    let all: u32 = table.columns.iter().map(|it| it.share).sum::<u32>().max(1);
    html.raw("<table><caption>").text(&table.caption).raw("</caption><colgroup>");
    for column in &table.columns {
        let share = column.share * 100 / all;
        html.raw("<col style=\"width:").text(&share.to_string()).raw("%\">");
    }
    html.raw("</colgroup><thead><tr>");
    for column in &table.columns {
        html.raw("<th scope=\"col\">").text(&column.head).raw("</th>");
    }
    html.raw("</tr></thead><tbody>");
    for row in &table.rows {
        html.raw("<tr>");
        for (text, column) in row.iter().zip(&table.columns) {
            html.raw(match column.side {
                Side::Left => "<td>",
                Side::Middle => "<td class=\"m\">",
                Side::Right => "<td class=\"r\">",
            });
            html.text(text).raw("</td>");
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table>");
}
