//! The document as an editable .docx: the form of 公文 after GB/T 9704-2012, in minimal OOXML.
//!
//! A4 with margins of 37, 35, 28 and 26 mm, 三号仿宋 with 22 lines a page, headings in 黑体 and 楷体,
//! the page's number between dashes, outside on even pages. The fonts are named as offices have
//! them; where one is missing the table of fonts names another. Markup goes through
//! [`Markup`], so no title can become any; every part of the container has the same time.

use std::io::{Cursor, Write};

use jiff::Timestamp;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::Error;
use super::document::{Block, Document, Side, Table};
use crate::markup::Markup;

/// The most characters of one paragraph or cell.
const MOST: usize = 4000;
/// Between the margins, in twentieths of a point: 156 mm.
const TEXT_WIDTH: u32 = 8844;

const CONTENT_TYPES: &str = include_str!("docx/content_types.xml");
const RELATIONS: &str = include_str!("docx/relations.xml");
const DOCUMENT_RELATIONS: &str = include_str!("docx/document_relations.xml");
const STYLES: &str = include_str!("docx/styles.xml");
const FONTS: &str = include_str!("docx/fonts.xml");
const SETTINGS: &str = include_str!("docx/settings.xml");

/// The bytes of the document.
///
/// # Errors
/// The container cannot be made.
pub fn docx(document: &Document) -> Result<Vec<u8>, Error> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, text) in [
        ("[Content_Types].xml", CONTENT_TYPES.to_owned()),
        ("_rels/.rels", RELATIONS.to_owned()),
        ("docProps/core.xml", core(document)),
        ("word/_rels/document.xml.rels", DOCUMENT_RELATIONS.to_owned()),
        ("word/document.xml", body(document)),
        ("word/styles.xml", STYLES.to_owned()),
        ("word/fontTable.xml", FONTS.to_owned()),
        ("word/settings.xml", SETTINGS.to_owned()),
        ("word/footer1.xml", footer("right")),
        ("word/footer2.xml", footer("left")),
    ] {
        zip.start_file(name, options)?;
        zip.write_all(text.as_bytes()).map_err(zip::result::ZipError::Io)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn core(document: &Document) -> String {
    let mut xml = Markup::new(MOST);
    xml.raw(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cp:coreProperties \
         xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><dc:title>",
    );
    xml.text(&document.plain_title()).raw("</dc:title><dc:creator>").text(&document.office);
    xml.raw("</dc:creator><dc:language>").text(document.language.tag()).raw("</dc:language>");
    for (open, close) in [
        ("<dcterms:created xsi:type=\"dcterms:W3CDTF\">", "</dcterms:created>"),
        ("<dcterms:modified xsi:type=\"dcterms:W3CDTF\">", "</dcterms:modified>"),
    ] {
        xml.raw(open).text(&whole_seconds(document.at)).raw(close);
    }
    xml.raw("</cp:coreProperties>");
    xml.finish()
}

fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn footer(side: &'static str) -> String {
    let mut xml = Markup::new(MOST);
    xml.raw(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<w:ftr \
         xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:p><w:pPr>\
         <w:pStyle w:val=\"Footer\"/><w:jc w:val=\"",
    );
    xml.raw(side).raw(
        "\"/></w:pPr><w:r><w:t xml:space=\"preserve\">— </w:t></w:r><w:fldSimple \
         w:instr=\" PAGE \"><w:r><w:t>1</w:t></w:r></w:fldSimple><w:r><w:t \
         xml:space=\"preserve\"> —</w:t></w:r></w:p></w:ftr>",
    );
    xml.finish()
}

fn body(document: &Document) -> String {
    let mut xml = Markup::new(MOST);
    xml.raw(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<w:document \
         xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><w:body>",
    );
    paragraph(&mut xml, "Office", &document.office);
    paragraph(&mut xml, "Number", &document.number);
    paragraph(&mut xml, "Title", &document.title);
    paragraph(&mut xml, "Subtitle", &document.subtitle);
    paragraph(&mut xml, "To", &document.to);
    for block in &document.blocks {
        match block {
            Block::Part(text) => paragraph(&mut xml, "Heading1", text),
            Block::Section(text) => paragraph(&mut xml, "Heading2", text),
            Block::Text(text) => paragraph(&mut xml, "Normal", text),
            Block::Remark(text) => paragraph(&mut xml, "Remark", text),
            Block::Table(it) => table(&mut xml, it),
            Block::Chart(_) => {}
        }
    }
    for (at, text) in document.attachments.iter().enumerate() {
        let (style, head) = if at == 0 {
            ("Attachment", document.attached.as_str())
        } else {
            ("AttachmentNext", "")
        };
        paragraph(&mut xml, style, &format!("{head}{}. {text}", at + 1));
    }
    paragraph(&mut xml, "Signature", &document.signature);
    paragraph(&mut xml, "Date", &document.date);
    paragraph(&mut xml, "Contact", &document.contact);
    paragraph(&mut xml, "Remark", &document.as_of);
    xml.raw(
        "<w:sectPr><w:footerReference w:type=\"default\" r:id=\"rId4\"/><w:footerReference \
         w:type=\"even\" r:id=\"rId5\"/><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar \
         w:top=\"2098\" w:right=\"1474\" w:bottom=\"1984\" w:left=\"1588\" w:header=\"851\" \
         w:footer=\"1588\" w:gutter=\"0\"/></w:sectPr></w:body></w:document>",
    );
    xml.finish()
}

/// A paragraph; nothing where there is no text.
fn paragraph(xml: &mut Markup, style: &'static str, text: &str) {
    if text.is_empty() {
        return;
    }
    xml.raw("<w:p><w:pPr><w:pStyle w:val=\"").raw(style).raw("\"/></w:pPr><w:r>");
    for (at, line) in text.split('\n').enumerate() {
        xml.raw(if at == 0 { "" } else { "<w:br/>" });
        xml.raw("<w:t xml:space=\"preserve\">").text(line).raw("</w:t>");
    }
    xml.raw("</w:r></w:p>");
}

fn table(xml: &mut Markup, table: &Table) {
    paragraph(xml, "Caption", &table.caption);
    let widths = widths(table);
    xml.raw("<w:tbl><w:tblPr><w:tblStyle w:val=\"Grid\"/><w:tblW w:w=\"")
        .text(&TEXT_WIDTH.to_string());
    xml.raw("\" w:type=\"dxa\"/><w:jc w:val=\"center\"/><w:tblLayout w:type=\"fixed\"/></w:tblPr>");
    xml.raw("<w:tblGrid>");
    for width in &widths {
        xml.raw("<w:gridCol w:w=\"").text(&width.to_string()).raw("\"/>");
    }
    xml.raw("</w:tblGrid>");
    let heads: Vec<&str> = table.columns.iter().map(|it| it.head.as_str()).collect();
    xml.raw("<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>");
    for (head, width) in heads.iter().zip(&widths) {
        cell(xml, *width, "TableHead", Side::Middle, head);
    }
    xml.raw("</w:tr>");
    for row in &table.rows {
        xml.raw("<w:tr><w:trPr><w:cantSplit/></w:trPr>");
        for ((text, width), column) in row.iter().zip(&widths).zip(&table.columns) {
            cell(xml, *width, "TableText", column.side, text);
        }
        xml.raw("</w:tr>");
    }
    xml.raw("</w:tbl>");
    // What follows a table must be a paragraph, and should not stick to it.
    xml.raw("<w:p><w:pPr><w:pStyle w:val=\"AfterTable\"/></w:pPr></w:p>");
}

fn cell(xml: &mut Markup, width: u32, style: &'static str, side: Side, text: &str) {
    xml.raw("<w:tc><w:tcPr><w:tcW w:w=\"").text(&width.to_string());
    xml.raw(
        "\" w:type=\"dxa\"/><w:vAlign w:val=\"center\"/></w:tcPr><w:p><w:pPr><w:pStyle w:val=\"",
    );
    xml.raw(style).raw("\"/><w:jc w:val=\"").raw(match side {
        Side::Left => "left",
        Side::Middle => "center",
        Side::Right => "right",
    });
    xml.raw("\"/></w:pPr><w:r><w:t xml:space=\"preserve\">").text(text);
    xml.raw("</w:t></w:r></w:p></w:tc>");
}

/// The columns' widths: their shares of what there is.
fn widths(table: &Table) -> Vec<u32> {
    let all: u32 = table.columns.iter().map(|it| it.share).sum::<u32>().max(1);
    table.columns.iter().map(|it| TEXT_WIDTH * it.share / all).collect()
}
