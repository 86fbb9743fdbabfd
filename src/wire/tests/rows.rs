//! Rows written by a plan and read back by readers of another hand.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{
    ColumnFormat, Form, KeyPlace, Limits, Media, Misshapen, Namespaces, NullForm, Path,
    PlanProblem, Reason, RowColumn, RowPlan, RowReader, RowSpec, RowStyle, Unencodable, read,
};
use crate::row::{ColumnType, Page};

fn column(index: usize, name: &str, kind: ColumnType) -> RowColumn {
    RowColumn { index, name: name.to_owned(), kind, format: ColumnFormat::AsIs, quoted: false }
}

fn spec(style: RowStyle, null: NullForm) -> RowSpec {
    let columns = vec![
        column(0, "A", ColumnType::Text),
        column(1, "B", ColumnType::Decimal),
        RowColumn {
            format: ColumnFormat::Pattern("%Y-%m-%d %H:%M:%S".to_owned()),
            ..column(2, "C", ColumnType::Time)
        },
        RowColumn {
            format: ColumnFormat::Codes(BTreeMap::from([("none".to_owned(), "<3".to_owned())])),
            ..column(3, "D", ColumnType::Text)
        },
    ];
    RowSpec { style, null, key: None, columns }
}

fn elements() -> RowStyle {
    RowStyle::Elements { tag: "ROW".to_owned() }
}

fn attributes() -> RowStyle {
    RowStyle::Attributes { tag: "ROW".to_owned() }
}

fn spaces() -> Namespaces {
    Namespaces::new([("xsi", "http://www.w3.org/2001/XMLSchema-instance")]).unwrap()
}

fn plan(spec: &RowSpec) -> RowPlan {
    RowPlan::compile(spec, &spaces()).unwrap()
}

fn page(rows: &[&[Option<&str>]]) -> Page {
    let mut page = Page::new(rows[0].len());
    for row in rows {
        for cell in *row {
            match cell {
                Some(text) => page.push(text),
                None => page.push_null(),
            }
        }
        page.end_row().unwrap();
    }
    page
}

fn written(spec: &RowSpec, page: &Page) -> String {
    let plan = plan(spec);
    let mut out = Vec::new();
    page.rows().for_each(|row| plan.append(row, "k|1", &mut out).unwrap());
    String::from_utf8(out).unwrap()
}

fn sample() -> Page {
    page(&[
        &[Some("a<&\""), Some("-12.30"), Some("2020-03-01T08:30:00.25"), Some("none")],
        &[None, None, None, None],
    ])
}

#[test]
fn each_style_writes_rows_its_way() {
    let text = |style, null, key: Option<KeyPlace>| {
        written(&RowSpec { key, ..spec(style, null) }, &sample())
    };
    assert_eq!(
        text(elements(), NullForm::Omit, Some(KeyPlace::Attribute("key".to_owned()))),
        "<ROW key=\"k|1\"><A>a&lt;&amp;\"</A><B>-12.30</B><C>2020-03-01 08:30:00</C><D>&lt;3</D></ROW>\
         <ROW key=\"k|1\"></ROW>"
    );
    assert_eq!(
        text(elements(), NullForm::Nil, Some(KeyPlace::Element("K".to_owned())))
            .split_once("</ROW>")
            .unwrap()
            .1,
        "<ROW><K>k|1</K><A xsi:nil=\"true\"/><B xsi:nil=\"true\"/><C xsi:nil=\"true\"/>\
         <D xsi:nil=\"true\"/></ROW>"
    );
    assert_eq!(
        text(attributes(), NullForm::Empty, None),
        "<ROW A=\"a&lt;&amp;&quot;\" B=\"-12.30\" C=\"2020-03-01 08:30:00\" D=\"&lt;3\"/>\
         <ROW A=\"\" B=\"\" C=\"\" D=\"\"/>"
    );
    assert_eq!(
        text(RowStyle::JsonObject, NullForm::Omit, Some(KeyPlace::Element("K".to_owned()))),
        "{\"K\":\"k|1\",\"A\":\"a<&\\\"\",\"B\":-12.30,\"C\":\"2020-03-01 08:30:00\",\"D\":\"<3\"},\
         {\"K\":\"k|1\"}"
    );
    assert_eq!(
        text(RowStyle::JsonArray, NullForm::Nil, None),
        "[\"a<&\\\"\",-12.30,\"2020-03-01 08:30:00\",\"<3\"],[null,null,null,null]"
    );
}

#[test]
fn only_the_given_columns_are_written() {
    let mut spec = spec(RowStyle::Elements { tag: "DEL".to_owned() }, NullForm::Omit);
    spec.columns.truncate(1);
    assert_eq!(written(&spec, &page(&[&[Some("1"), Some("2")]])), "<DEL><A>1</A></DEL>");
}

#[test]
fn what_cannot_be_written_is_a_finding_and_leaves_the_buffer_as_it_was() {
    let good = [Some("a"), Some("1"), Some("2020-03-01T08:30:00"), Some("none")];
    let cases = [
        (0, "a\u{1}", Reason::Character),
        (2, "2020-03-01", Reason::Time),
        (3, "some", Reason::Code),
    ];
    let plan = plan(&spec(elements(), NullForm::Omit));
    let mut out = Vec::new();
    plan.append(page(&[&good]).row(0).unwrap(), "", &mut out).unwrap();
    let before = out.clone();
    for (index, text, reason) in cases {
        let mut cells = good;
        cells[index] = Some(text);
        let result = plan.append(page(&[&cells]).row(0).unwrap(), "", &mut out);
        assert_eq!(result, Err(Unencodable { column: Some(index), reason }));
        assert_eq!(out, before);
    }
    let mut malformed = Page::new(4);
    malformed.push("a");
    malformed.push_malformed("not a number");
    malformed.push_null();
    malformed.push_null();
    malformed.end_row().unwrap();
    let result = plan.append(malformed.row(0).unwrap(), "", &mut out);
    assert_eq!(result, Err(Unencodable { column: Some(1), reason: Reason::Malformed }));
    assert_eq!(out, before);
}

#[test]
fn a_key_or_number_that_cannot_be_written_is_a_finding_too() {
    let with_key = RowSpec {
        key: Some(KeyPlace::Attribute("k".to_owned())),
        ..spec(elements(), NullForm::Omit)
    };
    let empty = page(&[&[None, None, None, None]]);
    let mut out = Vec::new();
    let result = plan(&with_key).append(empty.row(0).unwrap(), "\u{0}", &mut out);
    assert_eq!(result, Err(Unencodable { column: None, reason: Reason::Character }));
    let wrong = page(&[&[None, Some("1 2"), None, None]]);
    let json = plan(&spec(RowStyle::JsonObject, NullForm::Omit));
    let result = json.append(wrong.row(0).unwrap(), "", &mut out);
    assert_eq!(result, Err(Unencodable { column: Some(1), reason: Reason::Number }));
    assert!(out.is_empty());
}

#[test]
fn plans_that_cannot_be_made_say_every_reason() {
    let none = Namespaces::default();
    let problems = |spec: &RowSpec| RowPlan::compile(spec, &none).unwrap_err();
    let nil = problems(&spec(elements(), NullForm::Nil));
    assert!(matches!(nil.as_slice(), [PlanProblem::Style { .. }]), "{nil:?}");
    let bad = [
        spec(RowStyle::JsonArray, NullForm::Omit),
        spec(attributes(), NullForm::Nil),
        spec(RowStyle::Elements { tag: "x:ROW".to_owned() }, NullForm::Omit),
        RowSpec { columns: vec![], ..spec(elements(), NullForm::Omit) },
        RowSpec {
            key: Some(KeyPlace::Attribute("k".to_owned())),
            ..spec(RowStyle::JsonObject, NullForm::Omit)
        },
    ];
    for spec in bad {
        assert_eq!(problems(&spec).len(), 1, "{spec:?}");
    }
    let mut many = spec(elements(), NullForm::Omit);
    many.columns.push(column(4, "A", ColumnType::Text));
    many.columns.push(column(5, "1 2", ColumnType::Text));
    many.columns.push(RowColumn {
        format: ColumnFormat::Pattern("%Q".to_owned()),
        ..column(6, "E", ColumnType::Date)
    });
    assert_eq!(problems(&many).len(), 3);
}

fn cell() -> impl Strategy<Value = Option<String>> {
    prop::option::of("\\PC{0,12}|[<>&\"'\t\n\r\\\\ ]{1,4}|[\u{fffd}😀\u{7f}城市]{1,3}")
}

proptest! {
    #[test]
    fn rows_are_read_back_by_others(rows in prop::collection::vec(prop::collection::vec(cell(), 5), 1..6)) {
        let cells: Vec<Vec<Option<&str>>> =
            rows.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect();
        let borrowed: Vec<&[Option<&str>]> = cells.iter().map(Vec::as_slice).collect();
        let page = page(&borrowed);
        let columns: Vec<RowColumn> =
            (0..5).map(|index| column(index, &format!("列{index}"), ColumnType::Text)).collect();
        for style in [elements(), attributes()] {
            let is_attributes = style == attributes();
            let spec = RowSpec { style, null: NullForm::Omit, key: None, columns: columns.clone() };
            let text = format!("<R>{}</R>", written(&spec, &page));
            let document = read(Media::Xml, text.as_bytes(), &Limits::default()).unwrap();
            let none = Namespaces::default();
            let list = Path::parse(Media::Xml, "R/ROW[]", &none).unwrap();
            let found: Vec<_> = document.all(&list).collect();
            prop_assert_eq!(found.len(), rows.len());
            for (node, row) in found.iter().zip(&cells) {
                for (index, expected) in row.iter().enumerate() {
                    let at = if is_attributes { "@" } else { "" };
                    let path = Path::parse(Media::Xml, &format!("{at}列{index}"), &none).unwrap();
                    prop_assert_eq!(node.text_at(&path), *expected);
                }
            }
        }
        let spec = RowSpec { style: RowStyle::JsonArray, null: NullForm::Nil, key: None, columns };
        let text = format!("[{}]", written(&spec, &page));
        let theirs: Vec<Vec<Option<String>>> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(theirs, rows);
    }

    #[test]
    fn any_text_is_written_or_a_finding(text in any::<String>()) {
        let page = page(&[&[Some(&text)]]);
        let columns = vec![column(0, "A", ColumnType::Text)];
        let spec = RowSpec { style: elements(), null: NullForm::Omit, key: None, columns };
        let mut out = Vec::new();
        match plan(&spec).append(page.row(0).unwrap(), "", &mut out) {
            Ok(()) => {
                let document = read(Media::Xml, &out, &Limits::default()).unwrap();
                let path = Path::parse(Media::Xml, "ROW/A", &Namespaces::default()).unwrap();
                prop_assert_eq!(document.text(&path), Some(text.as_str()));
            }
            Err(_) => prop_assert!(out.is_empty()),
        }
    }
}

/// What is written in each style is read back the same, cell by cell.
#[test]
fn every_style_of_rows_is_read_back_as_it_was_written() {
    let array = RowStyle::JsonArray;
    let styles = [
        (elements(), NullForm::Omit, Some(KeyPlace::Attribute("k".to_owned()))),
        (elements(), NullForm::Nil, Some(KeyPlace::Element("k".to_owned()))),
        (attributes(), NullForm::Omit, Some(KeyPlace::Attribute("k".to_owned()))),
        (RowStyle::JsonObject, NullForm::Nil, Some(KeyPlace::Element("k".to_owned()))),
        (RowStyle::JsonObject, NullForm::Omit, None),
        (array.clone(), NullForm::Nil, Some(KeyPlace::Element("k".to_owned()))),
        (array, NullForm::Nil, None),
    ];
    let sample = page(&[
        &[Some("a<&\" 长"), Some("-12.30"), Some("2020-03-01T08:30:00"), Some("none")],
        &[None, None, None, None],
        &[Some(""), Some("0"), None, Some("none")],
    ]);
    for (style, null, key) in styles {
        let spec = RowSpec { key: key.clone(), ..spec(style.clone(), null) };
        let is_json = style.media() == Media::Json;
        let text = written(&spec, &sample);
        let (head, tail) = match is_json {
            true => ("[".to_owned(), "]"),
            false => {
                ("<L xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">".to_owned(), "</L>")
            }
        };
        let text = format!("{head}{text}{tail}");
        let document = read(style.media(), text.as_bytes(), &Limits::default()).unwrap();
        let nodes = match is_json {
            true => &document.top().children,
            false => &document.top().children[0].children,
        };
        let reader = RowReader::compile(&spec).unwrap();
        let mut back = Page::new(4);
        for node in nodes.iter().filter(|node| node.form != Form::Attribute) {
            let said = reader.read(node, &mut back).unwrap();
            assert_eq!(said, key.as_ref().map(|_| "k|1".to_owned()));
        }
        let cells = |page: &Page| -> Vec<Vec<Option<String>>> {
            let text = |cell: crate::row::Cell<'_>| cell.text().map(str::to_owned);
            page.rows().map(|row| row.cells().map(text).collect()).collect()
        };
        assert_eq!(cells(&back), cells(&sample), "{style:?}");
    }
}

#[test]
fn a_row_of_another_shape_is_told_and_appends_nothing() {
    let row = |text: &str, spec: &RowSpec| {
        let document = read(Media::Json, text.as_bytes(), &Limits::default()).unwrap();
        let mut page = Page::new(4);
        let told = RowReader::compile(spec).unwrap().read(document.top(), &mut page);
        (told, page.len())
    };
    let object = spec(RowStyle::JsonObject, NullForm::Omit);
    let array = spec(RowStyle::JsonArray, NullForm::Nil);
    assert_eq!(row("[]", &object), (Err(Misshapen::Style), 0));
    assert_eq!(row(r#"["a"]"#, &array), (Err(Misshapen::Cells), 0));
    assert_eq!(row(r#"{"E":"1"}"#, &object), (Err(Misshapen::Column("E".to_owned())), 0));
}
