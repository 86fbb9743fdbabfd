//! Messages written by a shape and read back by our reader, by quick-xml's and by `serde_json`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{
    Field, Leaf, Leaves, Limits, Media, Namespaces, Path, Role, Shape, ShapeProblem,
    UnwritableReason, read,
};

/// Values by field and position; lists by field and position.
#[derive(Default)]
struct Table {
    leaves: BTreeMap<(usize, Vec<usize>), Leaf<'static>>,
    counts: BTreeMap<(usize, Vec<usize>), usize>,
}

impl Table {
    fn with(mut self, field: usize, at: &[usize], leaf: Leaf<'static>) -> Self {
        self.leaves.insert((field, at.to_vec()), leaf);
        self
    }

    fn text(self, field: usize, at: &[usize], text: &str) -> Self {
        self.with(field, at, Leaf::Text(Cow::Owned(text.to_owned())))
    }

    fn list(mut self, field: usize, at: &[usize], count: usize) -> Self {
        self.counts.insert((field, at.to_vec()), count);
        self
    }
}

impl Leaves for Table {
    fn leaf(&mut self, number: usize, at: &[usize]) -> Leaf<'_> {
        self.leaves.get(&(number, at.to_vec())).cloned().unwrap_or(Leaf::Absent)
    }

    fn count(&mut self, number: usize, at: &[usize]) -> usize {
        self.counts.get(&(number, at.to_vec())).copied().unwrap_or(0)
    }
}

fn shape(
    media: Media,
    spaces: &Namespaces,
    fields: &[(&str, Role)],
) -> Result<Shape, Vec<ShapeProblem>> {
    let fields: Vec<Field<'_>> =
        fields.iter().map(|(path, role)| Field { path, role: *role }).collect();
    Shape::compile(media, spaces, &fields)
}

const LEAF: Role = Role::Leaf;
const LIST: Role = Role::List;
const ROWS: Role = Role::Rows;

fn entry() -> Shape {
    let spaces = Namespaces::new([("", "urn:d"), ("s", "urn:s")]).unwrap();
    let fields = [
        ("s:E/Head/Time", LEAF),
        ("s:E/Body/@id", LEAF),
        ("s:E/Body/Title", LEAF),
        ("s:E/Body/Items/Item[]", LIST),
        ("s:E/Body/Items/Item[]/@n", LEAF),
        ("s:E/Body/Items/Item[]/Name", LEAF),
        ("s:E/Body/Items/Item[]/Way[]", LIST),
    ];
    shape(Media::Xml, &spaces, &fields).unwrap()
}

#[test]
fn a_message_has_the_order_of_its_table() {
    let table = Table::default()
        .with(0, &[], Leaf::Slot(Cow::Borrowed("attempt.time")))
        .text(1, &[], "1\"")
        .text(2, &[], "<题>")
        .list(3, &[], 2)
        .text(5, &[0], "甲")
        .list(6, &[0], 2)
        .text(6, &[0, 0], "a")
        .text(6, &[0, 1], "b")
        .with(4, &[1], Leaf::Number(Cow::Borrowed("2")))
        .with(5, &[1], Leaf::Boolean(true));
    let mut table = table;
    let payload = entry().write(&mut table, None).unwrap();
    assert_eq!(payload.slots().collect::<Vec<_>>(), ["attempt.time"]);
    let filled = payload.fill(|_| Some("<now>".to_owned())).unwrap();
    assert_eq!(
        String::from_utf8(filled).unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:E xmlns=\"urn:d\" xmlns:s=\"urn:s\">\
         <Head><Time>&lt;now&gt;</Time></Head><Body id=\"1&quot;\"><Title>&lt;题&gt;</Title>\
         <Items><Item><Name>甲</Name><Way>a</Way><Way>b</Way></Item>\
         <Item n=\"2\"><Name>true</Name></Item></Items></Body></s:E>"
    );
}

#[test]
fn an_element_whose_every_leaf_is_absent_disappears() {
    let mut table = Table::default().text(2, &[], "t").list(3, &[], 3);
    let payload = entry().write(&mut table, None).unwrap().fixed().unwrap();
    assert!(
        String::from_utf8(payload).unwrap().ends_with(
            "<s:E xmlns=\"urn:d\" xmlns:s=\"urn:s\"><Body><Title>t</Title></Body></s:E>"
        )
    );
    let nothing = entry().write(&mut Table::default(), None).unwrap().fixed().unwrap();
    assert!(String::from_utf8(nothing).unwrap().ends_with("xmlns:s=\"urn:s\"></s:E>"));
}

#[test]
fn json_is_written_with_its_types() {
    let none = Namespaces::default();
    let fields = [
        ("id", LEAF),
        ("none", LEAF),
        ("data.n", LEAF),
        ("data.ok", LEAF),
        ("data.items[]", LIST),
        ("data.items[].k", LEAF),
        ("ways[]", LIST),
        ("empty[]", LIST),
        ("key", LEAF),
    ];
    let shape = shape(Media::Json, &none, &fields).unwrap();
    let mut table = Table::default()
        .text(0, &[], "a\"b")
        .with(2, &[], Leaf::Number(Cow::Borrowed("-12.30")))
        .with(3, &[], Leaf::Boolean(false))
        .list(4, &[], 3)
        .text(5, &[0], "x")
        .text(5, &[2], "y")
        .list(6, &[], 2)
        .text(6, &[0], "p")
        .text(6, &[1], "q")
        .with(8, &[], Leaf::Slot(Cow::Borrowed("credential.key")));
    let payload = shape.write(&mut table, None).unwrap();
    let filled = payload.fill(|_| Some("\"\n".to_owned())).unwrap();
    assert_eq!(
        String::from_utf8(filled).unwrap(),
        r#"{"id":"a\"b","data":{"n":-12.30,"ok":false,"items":[{"k":"x"},{"k":"y"}]},"ways":["p","q"],"key":"\"\n"}"#
    );
    let empty = shape.write(&mut Table::default(), None).unwrap().fixed().unwrap();
    assert_eq!(empty, b"{}");
}

#[test]
fn a_message_may_be_an_array() {
    let none = Namespaces::default();
    let shape = shape(Media::Json, &none, &[("[]", LIST), ("[].id", LEAF)]).unwrap();
    let mut table = Table::default().list(0, &[], 2).text(1, &[0], "a").text(1, &[1], "b");
    let written = shape.write(&mut table, None).unwrap().fixed().unwrap();
    assert_eq!(written, br#"[{"id":"a"},{"id":"b"}]"#);
    assert_eq!(shape.write(&mut Table::default(), None).unwrap().fixed().unwrap(), b"[]");
}

/// Where nothing says what the array repeats, it has one element.
#[test]
fn a_message_may_be_an_array_of_one() {
    let none = Namespaces::default();
    let fields = [("[].id", LEAF), ("[].of.name", LEAF), ("[].items[]", LIST), ("[].rows", ROWS)];
    let shape = shape(Media::Json, &none, &fields).unwrap();
    let mut table = Table::default()
        .text(0, &[], "a")
        .text(1, &[], "b")
        .list(2, &[], 2)
        .text(2, &[0], "c")
        .text(2, &[1], "d");
    let written = shape.write(&mut table, Some(b"[1],[2]")).unwrap().fixed().unwrap();
    let expected = br#"[{"id":"a","of":{"name":"b"},"items":["c","d"],"rows":[[1],[2]]}]"#;
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(expected));
}

#[test]
fn rows_stand_in_their_place_as_they_were_encoded() {
    let none = Namespaces::default();
    let xml =
        shape(Media::Xml, &none, &[("B/@n", LEAF), ("B/Rows", ROWS), ("B/End", LEAF)]).unwrap();
    assert!(xml.has_rows());
    let mut table = Table::default().text(0, &[], "1").text(2, &[], "e");
    let payload = xml.write(&mut table, Some(b"<ROW/>")).unwrap();
    let text = String::from_utf8(payload.fixed().unwrap()).unwrap();
    assert!(text.ends_with("<B n=\"1\"><Rows><ROW/></Rows><End>e</End></B>"), "{text}");
    let json = shape(Media::Json, &none, &[("n", LEAF), ("data.rows[]", ROWS)]).unwrap();
    let payload = json.write(&mut table, Some(b"[1],[2]")).unwrap();
    assert_eq!(payload.fixed().unwrap(), br#"{"n":"1","data":{"rows":[[1],[2]]}}"#);
    let missing = json.write(&mut table, None).unwrap_err();
    assert_eq!((missing[0].field, missing[0].reason), (1, UnwritableReason::NoRows));
    let entry = entry().write(&mut Table::default(), Some(b"")).unwrap_err();
    assert_eq!(entry[0].reason, UnwritableReason::NoPlaceForRows);
}

#[test]
fn of_leaves_at_one_path_the_first_present_is_written() {
    let none = Namespaces::default();
    let shape = shape(Media::Json, &none, &[("a", LEAF), ("a", LEAF)]).unwrap();
    let mut table = Table::default().text(1, &[], "second");
    assert_eq!(shape.write(&mut table, None).unwrap().fixed().unwrap(), br#"{"a":"second"}"#);
    let mut table = table.text(0, &[], "first");
    assert_eq!(shape.write(&mut table, None).unwrap().fixed().unwrap(), br#"{"a":"first"}"#);
}

#[test]
fn values_that_cannot_be_written_are_told_all_at_once() {
    let mut table = Table::default().text(2, &[], "\u{1}").list(3, &[], 2).with(
        4,
        &[1],
        Leaf::Number(Cow::Borrowed("1,5")),
    );
    let problems = entry().write(&mut table, None).unwrap_err();
    let found: Vec<_> = problems.iter().map(|it| (it.field, it.at.as_slice(), it.reason)).collect();
    assert_eq!(
        found,
        [(2, &[][..], UnwritableReason::Character), (4, &[1], UnwritableReason::Number)]
    );
}

#[test]
fn tables_that_give_no_shape_are_refused_with_every_problem() {
    let none = Namespaces::default();
    let bad: [(Media, &[(&str, Role)]); 14] = [
        (Media::Xml, &[]),
        (Media::Xml, &[("", LEAF)]),
        (Media::Xml, &[("A/B", LEAF), ("C", LEAF)]),
        (Media::Xml, &[("A/B[]/C", LEAF)]),
        (Media::Xml, &[("A/B[]", LEAF)]),
        (Media::Xml, &[("A/B", LIST)]),
        (Media::Xml, &[("A[]", LIST)]),
        (Media::Xml, &[("A/B[]", LIST), ("A/B", LEAF)]),
        (Media::Xml, &[("A/B[]", LIST), ("A/B[]", LIST)]),
        (Media::Xml, &[("A/B[]", ROWS)]),
        (Media::Xml, &[("A/B", ROWS), ("A/C", ROWS)]),
        (Media::Xml, &[("A/B", ROWS), ("A/B/C", LEAF)]),
        (Media::Json, &[("a", LEAF), ("a.b", LEAF)]),
        (Media::Json, &[("[]", LIST), ("a", LEAF)]),
    ];
    for (media, fields) in bad {
        assert!(shape(media, &none, fields).is_err(), "{fields:?}");
    }
    let all = shape(Media::Xml, &none, &[("A//B", LEAF), ("A/x:B", LEAF), ("A/C[]/D", LEAF)]);
    assert_eq!(all.unwrap_err().len(), 3);
}

/// A random tree of fields with a value for each leaf, lists expanded.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Option<String>),
    List(Vec<Option<String>>),
    Inner(Vec<Tree>),
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let value = || prop::option::of("\\PC{0,8}|[<>&\"'\t\n\r ]{1,4}|[\u{fffd}😀\u{7f}]");
    let leaf = prop_oneof![
        value().prop_map(Tree::Leaf),
        prop::collection::vec(value(), 0..4).prop_map(Tree::List),
    ];
    let inner = leaf
        .prop_recursive(3, 20, 4, |inner| prop::collection::vec(inner, 1..4).prop_map(Tree::Inner));
    prop::collection::vec(inner, 1..4).prop_map(Tree::Inner)
}

/// Adds the fields of `tree` and their values; names count the siblings.
fn plant(tree: &Tree, path: &str, dot: char, fields: &mut Vec<(String, Role)>, table: &mut Table) {
    match tree {
        Tree::Leaf(value) => {
            if let Some(text) = value {
                let leaf = Leaf::Text(Cow::Owned(text.clone()));
                table.leaves.insert((fields.len(), vec![]), leaf);
            }
            fields.push((path.to_owned(), LEAF));
        }
        Tree::List(values) => {
            table.counts.insert((fields.len(), vec![]), values.len());
            for (position, value) in values.iter().enumerate() {
                if let Some(text) = value {
                    let leaf = Leaf::Text(Cow::Owned(text.clone()));
                    table.leaves.insert((fields.len(), vec![position]), leaf);
                }
            }
            fields.push((format!("{path}[]"), LIST));
        }
        Tree::Inner(children) => {
            for (number, child) in children.iter().enumerate() {
                let at = |name: &str| {
                    if path.is_empty() { name.to_owned() } else { format!("{path}{dot}{name}") }
                };
                plant(child, &at(&format!("n{number}")), dot, fields, table);
            }
        }
    }
}

fn text_of<'a>(leaf: &'a Leaf<'static>) -> &'a str {
    let Leaf::Text(text) = leaf else { panic!("only texts were planted") };
    text
}

/// Text by path as another reader of XML sees it.
fn by_quick_xml(bytes: &[u8]) -> Vec<(String, String)> {
    let text = str::from_utf8(bytes).unwrap();
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut path, mut found, mut current) = (Vec::new(), Vec::new(), String::new());
    loop {
        use quick_xml::events::Event;
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                path.push(start.name().0.to_owned());
                current.clear();
            }
            Event::End(_) => {
                found.push((path.join("/"), std::mem::take(&mut current)));
                path.pop();
            }
            Event::Text(text) => current.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = format!("&{};", &*reference);
                current.push_str(&quick_xml::escape::unescape(&name).unwrap());
            }
            Event::Eof => return found,
            Event::Decl(_) => {}
            Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::PI(_)
            | Event::DocType(_) => {
                panic!("a shape writes none of these")
            }
        }
    }
}

proptest! {
    #[test]
    fn what_a_shape_writes_is_read_back(tree in any_tree(), media in prop::sample::select(vec![Media::Xml, Media::Json])) {
        let (mut fields, mut table) = (Vec::new(), Table::default());
        let (root, dot) = match media { Media::Xml => ("R", '/'), Media::Json => ("", '.') };
        plant(&tree, root, dot, &mut fields, &mut table);
        let none = Namespaces::default();
        let shape_fields: Vec<Field<'_>> =
            fields.iter().map(|(path, role)| Field { path, role: *role }).collect();
        let shape = Shape::compile(media, &none, &shape_fields).unwrap();
        let bytes = shape.write(&mut table, None).unwrap().fixed().unwrap();
        let document = read(media, &bytes, &Limits::default()).unwrap();
        let judged = (media == Media::Xml).then(|| by_quick_xml(&bytes));
        let value: Option<serde_json::Value> =
            (media == Media::Json).then(|| serde_json::from_slice(&bytes).unwrap());
        for (number, (text, _)) in fields.iter().enumerate() {
            let path = Path::parse(media, text, &none).unwrap();
            let found: Vec<&str> = document.all(&path).filter_map(super::super::Node::value).collect();
            let expected: Vec<&str> = table.leaves.range((number, vec![])..(number + 1, vec![]))
                .map(|(_, leaf)| text_of(leaf))
                .collect();
            prop_assert_eq!(&found, &expected, "{}", text);
            if let Some(judged) = &judged {
                let name = text.trim_end_matches("[]");
                let theirs: Vec<&str> = judged.iter().filter(|(path, _)| path == name).map(|(_, text)| text.as_str()).collect();
                prop_assert_eq!(&theirs, &expected, "{}", text);
            }
            if let Some(value) = &value {
                let pointer = format!("/{}", text.trim_end_matches("[]").replace('.', "/"));
                let theirs: Vec<&str> = match value.pointer(&pointer) {
                    Some(serde_json::Value::Array(items)) => items.iter().map(|item| item.as_str().unwrap()).collect(),
                    Some(other) => vec![other.as_str().unwrap()],
                    None => vec![],
                };
                prop_assert_eq!(&theirs, &expected, "{}", text);
            }
        }
        prop_assert!(document.unknown_paths(&fields.iter().map(|(text, _)| Path::parse(media, text, &none).unwrap()).collect::<Vec<_>>(), &none).is_empty());
    }
}
