//! What readers accept, refuse and find.

use proptest::prelude::*;

use super::super::{Document, Form, Limits, Media, Namespaces, Path, ReadError, read};

fn xml(text: &str) -> Result<Document, ReadError> {
    read(Media::Xml, text.as_bytes(), &Limits::default())
}

fn json(text: &str) -> Result<Document, ReadError> {
    read(Media::Json, text.as_bytes(), &Limits::default())
}

fn path(media: Media, text: &str) -> Path {
    Path::parse(media, text, &Namespaces::default()).unwrap()
}

fn is_forbidden(result: &Result<Document, ReadError>) -> bool {
    matches!(result, Err(ReadError::Forbidden { .. }))
}

fn is_too_large(result: &Result<Document, ReadError>) -> bool {
    matches!(result, Err(ReadError::TooLarge { .. }))
}

fn is_malformed(result: &Result<Document, ReadError>) -> bool {
    matches!(result, Err(ReadError::Malformed { .. }))
}

#[test]
fn texts_and_lists_are_found_by_their_paths() {
    let document = xml("<Rows n='2'>\n <Row id=\"1\"><Key>a&lt;&#x4e2d;</Key></Row>\n \
                        <Row id=\"2\"><Key><![CDATA[<b>]]>c</Key><V/></Row>\n</Rows>")
    .unwrap();
    assert_eq!(document.text(&path(Media::Xml, "Rows/@n")), Some("2"));
    assert_eq!(document.text(&path(Media::Xml, "Rows/Row[]/Key")), Some("a<中"));
    let row = path(Media::Xml, "Rows/Row[]");
    let key = path(Media::Xml, "Key");
    let found: Vec<_> = document.all(&row).map(|row| row.text_at(&key).unwrap()).collect();
    assert_eq!(found, ["a<中", "<b>c"]);
    assert_eq!(document.text(&path(Media::Xml, "Rows/Row[]/V")), Some(""));
    assert_eq!(document.text(&path(Media::Xml, "Rows/Row[]/W")), None);
    assert_eq!(document.text(&path(Media::Xml, "Other/@n")), None);
}

#[test]
fn members_and_elements_are_found_by_their_paths() {
    let document = json(
        r#"{"data":{"items":[{"id":12345678901234567890},{"id":"b","x":[1,2]}],"none":null},"ok":true}"#,
    )
    .unwrap();
    let text = |of: &str| document.text(&path(Media::Json, of)).map(str::to_owned);
    assert_eq!(text("data.items[].id").as_deref(), Some("12345678901234567890"));
    assert_eq!(text("ok").as_deref(), Some("true"));
    assert_eq!(text("data.none"), None);
    assert_eq!(text("data.items.id"), None);
    assert_eq!(text("data"), None);
    assert_eq!(document.all(&path(Media::Json, "data.items[].x[]")).count(), 2);
    let top = json(r#"[{"id":1},{"id":2}]"#).unwrap();
    let ids = path(Media::Json, "[].id");
    let found: Vec<_> = top.all(&ids).map(|node| node.value().unwrap()).collect();
    assert_eq!(found, ["1", "2"]);
}

#[test]
fn namespaces_decide_not_prefixes() {
    let spaces = Namespaces::new([("s", "urn:soap"), ("r", "urn:reg")]).unwrap();
    let document =
        xml("<x:E xmlns:x='urn:soap' xmlns='urn:reg'><x:B><R c='1' x:d='2'/></x:B></x:E>");
    let document = document.unwrap();
    let text =
        |of: &str| document.text(&Path::parse(Media::Xml, of, &spaces).unwrap()).map(str::to_owned);
    assert_eq!(text("s:E/s:B/r:R/@c").as_deref(), Some("1"));
    assert_eq!(text("s:E/s:B/r:R/@s:d").as_deref(), Some("2"));
    assert_eq!(text("s:E/s:B/s:R/@c"), None);
    assert_eq!(text("s:E/s:B/R/@c"), None);
}

#[test]
fn an_element_marked_nil_has_no_text() {
    let document =
        xml("<A xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><B i:nil='true'/><C/></A>")
            .unwrap();
    assert_eq!(document.text(&path(Media::Xml, "A/B")), None);
    assert_eq!(document.text(&path(Media::Xml, "A/C")), Some(""));
}

#[test]
fn entities_and_document_types_are_refused() {
    let bomb =
        "<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><l>&b;</l>";
    assert!(is_forbidden(&xml(bomb)));
    assert!(is_forbidden(&xml("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>")));
    assert!(is_forbidden(&xml("<a>&b;</a>")));
    assert!(is_forbidden(&xml("<a b='&c;'/>")));
}

#[test]
fn every_limit_ends_in_an_error() {
    let deep = format!("{}{}", "<a>".repeat(33), "</a>".repeat(33));
    assert!(is_too_large(&xml(&deep)));
    assert!(xml(&format!("{}{}", "<a>".repeat(32), "</a>".repeat(32))).is_ok());
    assert!(is_too_large(&json(&format!("{}{}", "[".repeat(33), "]".repeat(33)))));
    let many: String = (0..40).map(|n| format!(" a{n}='1'")).collect();
    assert!(is_too_large(&xml(&format!("<a{many}/>"))));
    assert!(is_too_large(&xml(&format!("<a b='{}'/>", "x".repeat(9000)))));
    assert!(is_too_large(&xml(&format!("<{}/>", "x".repeat(9000)))));
    let small = Limits { nodes: 10, text_bytes: 10, bytes: 200, ..Limits::default() };
    let read = |media, text: &str| read(media, text.as_bytes(), &small);
    assert!(is_too_large(&read(Media::Xml, "<a><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/></a>")));
    assert!(is_too_large(&read(Media::Json, "[1,2,3,4,5,6,7,8,9,10]")));
    assert!(is_too_large(&read(Media::Xml, "<a>01234567890</a>")));
    assert!(is_too_large(&read(Media::Xml, "<a>012345<!-- -->67890</a>")));
    assert!(is_too_large(&read(Media::Json, "\"01234567890\"")));
    assert!(is_too_large(&read(Media::Json, &format!("[{}]", " ".repeat(200)))));
}

#[test]
fn a_hundred_thousand_declared_namespaces_are_refused_early() {
    let bindings: String = (0..100_000).map(|n| format!(" xmlns:p{n}='u{n}'")).collect();
    let result = xml(&format!("<a{bindings}/>"));
    assert!(is_malformed(&result) || is_too_large(&result), "{result:?}");
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for bad in [
        "",
        " ",
        "a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a b/>",
        "<a b=1/>",
        "<a b='1' b='2'/>",
        "<a>&</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFE;</a>",
        "<a>\u{1}</a>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        "<a b='<'/>",
        "<1a/>",
        "<a>]]></a>",
        "<a/><?xml version='1.0'?>",
        "<![CDATA[x]]><a/>",
        "<a/>&lt;",
        "<a b='\u{1}'/>",
        "<a><!-- -- --></a>",
        "<a:b:c xmlns:a='u'/>",
    ] {
        let result = xml(bad);
        assert!(is_malformed(&result) || is_forbidden(&result), "{bad:?} {result:?}");
    }
    for bad in [
        "",
        "{",
        "[",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        "-",
        "+1",
        "nul",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "[1] 2",
        "{\"a\":1,\"a\":2}",
        "\"a",
        "{\"a\"}",
        "'a'",
        "NaN",
        "[1 2]",
        "\"\\u00\"",
    ] {
        assert!(is_malformed(&json(bad)), "{bad:?}");
    }
}

#[test]
fn accepted_encodings_are_read_and_others_refused() {
    let limits = Limits::default();
    let a = path(Media::Xml, "a");
    let text = |bytes: &[u8]| {
        read(Media::Xml, bytes, &limits).map(|document| document.text(&a).map(str::to_owned))
    };
    for label in ["GB18030", "gbk", "GB2312"] {
        let xml = format!("<?xml version=\"1.0\" encoding='{label}'?><a>城市</a>");
        let bytes = encoding_rs::GB18030.encode(&xml).0;
        assert_eq!(text(&bytes).unwrap().as_deref(), Some("城市"), "{label}");
    }
    assert_eq!(text("\u{feff}<a>城</a>".as_bytes()).unwrap().as_deref(), Some("城"));
    let declared = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><a>城</a>";
    assert_eq!(text(declared.as_bytes()).unwrap().as_deref(), Some("城"));
    let utf16: Vec<u8> = "\u{feff}<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let refused: [&[u8]; 6] = [
        &utf16,
        b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
        b"<?xml version='1.0' encoding='UTF-16'?><a/>",
        b"<?xml version='1.0' encoding=",
        b"<a>\xC3\x28</a>",
        b"\xEF\xBB\xBF<?xml version='1.0' encoding='GBK'?><a/>",
    ];
    for bytes in refused {
        assert!(matches!(text(bytes), Err(ReadError::Encoding { .. })), "{bytes:?}");
    }
    assert!(matches!(read(Media::Json, b"\"\xB3\xC7\"", &limits), Err(ReadError::Encoding { .. })));
    assert!(read(Media::Json, b"\xEF\xBB\xBF{}", &limits).is_ok());
}

#[test]
fn what_no_path_names_is_drift() {
    let spaces = Namespaces::new([("s", "urn:s")]).unwrap();
    let document =
        xml("<R id='1' x='2' xmlns:t='urn:t' xmlns:s='urn:s'><Row><Key/><New>1</New></Row>\
                        <Row><Key/></Row><s:Ext><Deep>1</Deep></s:Ext><t:Y>1</t:Y></R>")
        .unwrap();
    let known = |paths: &[&str]| -> Vec<Path> {
        paths.iter().map(|text| Path::parse(Media::Xml, text, &spaces).unwrap()).collect()
    };
    assert_eq!(
        document.unknown_paths(&known(&["R/@id", "R/Row[]", "R/Row[]/Key"]), &spaces),
        ["R/?:Y", "R/@x", "R/Row/New", "R/s:Ext/Deep"]
    );
    assert_eq!(
        document.unknown_paths(&known(&["R/@id", "R/@x", "R/Row[]/Key", "R/s:Ext"]), &spaces),
        ["R/?:Y", "R/Row/New"]
    );
    let document =
        json(r#"{"code":1,"data":{"list":[{"id":1,"n":{"x":1}}],"tags":["a"]}}"#).unwrap();
    let known = |paths: &[&str]| -> Vec<Path> {
        paths.iter().map(|text| path(Media::Json, text)).collect()
    };
    assert_eq!(
        document.unknown_paths(&known(&["code", "data.list[].id"]), &spaces),
        ["data.list[].n.x", "data.tags[]"]
    );
    assert_eq!(
        document.unknown_paths(&known(&["code", "data.list[]", "data.tags[]"]), &spaces),
        ["data.list[].id", "data.list[].n.x"]
    );
    assert!(document.unknown_paths(&known(&["code", "data"]), &spaces).is_empty());
    let top = json(r#"[{"id":1,"x":2}]"#).unwrap();
    assert_eq!(top.unknown_paths(&known(&["[].id"]), &spaces), ["[].x"]);
}

#[test]
fn neither_debug_nor_errors_show_content() {
    let document = xml("<a><b>51190119900101001X</b></a>").unwrap();
    assert!(!format!("{document:?}").contains("5119"));
    let errors = [xml("<a>51190119900101001X</b>"), json("{\"a\":51190119900101001X}")];
    for error in errors {
        let error = error.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("5119"), "{error:?}");
    }
}

fn as_json(node: &super::super::Node) -> serde_json::Value {
    use serde_json::Value;
    match node.form {
        Form::Object => Value::Object(
            node.children.iter().map(|child| (child.name.clone(), as_json(child))).collect(),
        ),
        Form::Array => Value::Array(node.children.iter().map(as_json).collect()),
        Form::Text => Value::String(node.text.clone()),
        // Not through serde_json, which reads some floats a unit in the last place off.
        Form::Number => match node.text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => node.text.parse::<f64>().unwrap().into(),
        },
        Form::Boolean => Value::Bool(node.text == "true"),
        Form::Null => Value::Null,
        Form::Document | Form::Element | Form::Attribute => unreachable!("not in JSON"),
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn another_writers_json_is_read_as_it_was(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        prop_assert_eq!(as_json(json(&text).unwrap().top()), value);
    }

    #[test]
    fn both_json_readers_agree_on_what_is_json(text in "[\\[\\]{}\",:0-9eE+.\\-truefalsn\\\\ ]{0,12}") {
        let ours = json(&text);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(_) => {
                let is_twice = |error: ReadError| error.to_string().ends_with("a member twice");
                prop_assert!(ours.map_or_else(is_twice, |_| true));
            }
            // The other reader also refuses numbers that no float can hold.
            Err(error) => prop_assert!(ours.is_err() || error.to_string().contains("out of range")),
        }
    }

    #[test]
    fn malformed_bytes_end_in_an_error_never_a_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        for media in [Media::Xml, Media::Json] {
            drop(read(media, &bytes, &Limits::default()));
            drop(read(media, text.as_bytes(), &Limits::default()));
        }
    }

    #[test]
    fn broken_markup_ends_in_an_error_never_a_panic(text in "[<>/a-c='\"&;#x!?\\[\\]\\- :]{0,40}") {
        drop(xml(&text));
        drop(xml(&format!("<a>{text}</a>")));
    }
}
