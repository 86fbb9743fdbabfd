//! Messages: built from real objects, compared with hand-written ones, and broken on purpose.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::sample::variants;
use super::super::*;
use super::{every_standard, read, samples, standard};
use crate::catalogue::{Content, Entry, Item, Object, Organisation, Supplied};
use crate::delivery::Action;
use crate::row::{Column, ColumnType, Page};
use crate::wire::{self, Form, Node};

fn entry() -> Entry {
    let item = |code: &str, share: &str| Item {
        id: code.to_owned(),
        code: code.to_owned(),
        title: format!("名称{code}"),
        data_type: "text".to_owned(),
        length: Some(20),
        share_type: share.to_owned(),
        ..Item::default()
    };
    Entry {
        id: "e1".to_owned(),
        code: "307320/1".to_owned(),
        title: "不动产 <登记> & 信息".to_owned(),
        summary: "摘要".to_owned(),
        category: "c1".to_owned(),
        department_title: "局".to_owned(),
        department_credit_code: "91510100MA6C8A7M4M".to_owned(),
        format: "database".to_owned(),
        share_type: "unconditional".to_owned(),
        share_ways: vec!["platform".to_owned(), "copy".to_owned()],
        open_type: "closed".to_owned(),
        update_cycle: "daily".to_owned(),
        updated: Some(Timestamp::from_second(1_767_605_400).unwrap()),
        items: vec![item("a", "unconditional"), item("b", "conditional")],
        ..Entry::default()
    }
}

fn object(entry: Entry) -> Object {
    Object {
        region: "511900".to_owned(),
        department: "d1".to_owned(),
        content: Content::Entry(Box::new(entry)),
        supplied: BTreeMap::new(),
    }
}

fn scope(object: &Object) -> Scope<'_> {
    let upper = [(Kind::Category, "P-CAT"), (Kind::Organisation, "P-ORG")];
    Scope {
        object: Some(object),
        upper: upper.map(|(kind, id)| (kind, id.to_owned())).into(),
        ..Scope::default()
    }
}

fn bytes(message: &Message) -> Vec<u8> {
    message.payload.fill(|_| Some("slot".to_owned())).unwrap()
}

fn build(entry: Entry) -> Result<String, Vec<Lack>> {
    let object = object(entry);
    let message = standard().build("entry.register", &scope(&object))?;
    Ok(String::from_utf8(bytes(&message)).unwrap())
}

#[test]
fn an_entry_becomes_the_message_of_its_table() {
    let text = build(entry()).unwrap();
    for part in [
        "<ResourceName>不动产 &lt;登记&gt; &amp; 信息</ResourceName>",
        "<CategoryId>P-CAT</CategoryId>",
        "<SharedType>0</SharedType>",
        "<SharedWays>1,3</SharedWays>",
        "<UpdateTime>2026-01-05 17:30:00</UpdateTime>",
        "<Item no=\"2\"><ItemName>名称b</ItemName>",
        // Fact 5: the item's code for the same word is another one.
        "<SharedType>2</SharedType>",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("OtherUpdateCycle") && !text.contains("UpperId"), "{text}");
}

#[test]
fn a_time_of_sending_is_a_slot_and_not_part_of_the_message() {
    let object = object(entry());
    let message = standard().build("entry.register", &scope(&object)).unwrap();
    let slots: Vec<&str> = message.payload.slots().collect();
    assert_eq!(slots, ["attempt.time %Y-%m-%d %H:%M:%S"]);
}

#[test]
fn what_nobody_supplied_is_lacking_and_never_filled() {
    let mut poor = entry();
    poor.title = "  ".to_owned();
    poor.share_type = "conditional".to_owned();
    poor.items[1].share_type = "none".to_owned();
    poor.update_cycle = "sometimes".to_owned();
    poor.department_credit_code = "1".to_owned();
    poor.code = "9".repeat(61);
    let lacks = build(poor).unwrap_err();
    let told: Vec<(&str, LackRule)> =
        lacks.iter().map(|lack| (lack.path.as_str(), lack.rule)).collect();
    assert_eq!(
        told,
        [
            ("Catalog/ResourceName", LackRule::Required),
            ("Catalog/ResourceCode", LackRule::Length),
            ("Catalog/Provider/CreditCode", LackRule::Length),
            ("Catalog/SharedCondition", LackRule::Required),
            ("Catalog/UpdateCycle", LackRule::Code),
            ("Catalog/Items/Item[2]/NotSharedReason", LackRule::Required),
        ]
    );
    assert!(lacks.iter().all(|lack| !lack.clause.is_empty()));
}

#[test]
fn a_supplied_value_needs_no_code_of_ours() {
    let mut files = super::shipped();
    let table = files.get_mut("messages/entry.csv").unwrap();
    table.extend(
        "Catalog/Items/Item[]/DataLevel,数据分级,\"entry.register, entry.modify\",,\
         item.supplied.data_level,code,,,yes,data_level,M5.6,model\n\
         Catalog/Scene,应用场景,entry.register,,supplied.scene,text,,20,yes,,M5.7,model\n"
            .as_bytes(),
    );
    let list = "word,code,title\ncore,3,核心\ngeneral,1,一般\n";
    files.insert("codes/data_level.csv".to_owned(), list.as_bytes().to_vec());
    let standard = &load(&files).unwrap_or_else(|problems| panic!("{}", super::told(&problems)));
    let mut object = object(entry());
    let lacks = standard.build("entry.register", &scope(&object)).unwrap_err();
    let paths: Vec<&str> = lacks.iter().map(|lack| lack.path.as_str()).collect();
    assert_eq!(
        paths,
        ["Catalog/Items/Item[1]/DataLevel", "Catalog/Items/Item[2]/DataLevel", "Catalog/Scene"]
    );
    for (name, value) in [("a/data_level", "core"), ("b/data_level", "general"), ("scene", "x")] {
        let at = Timestamp::UNIX_EPOCH;
        let supplied = Supplied { value: value.to_owned(), by: "someone".to_owned(), at };
        object.supplied.insert(name.to_owned(), supplied);
    }
    let text = bytes(&standard.build("entry.register", &scope(&object)).unwrap());
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("<DataLevel>3</DataLevel>") && text.contains("<DataLevel>1</DataLevel>"));
}

#[test]
fn a_child_without_its_parents_id_is_not_built() {
    let object = object(entry());
    let bare = Scope { object: Some(&object), ..Scope::default() };
    let lacks = standard().build("entry.register", &bare).unwrap_err();
    let paths: Vec<&str> = lacks.iter().map(|lack| lack.path.as_str()).collect();
    assert_eq!(paths, ["Catalog/CategoryId", "Catalog/Provider/OrganId"]);
}

#[test]
fn an_organisation_at_the_top_has_no_parent_and_one_below_needs_it() {
    let organisation = |parent: Option<&str>| Object {
        region: "511900".to_owned(),
        department: "o2".to_owned(),
        content: Content::Organisation(Organisation {
            id: "o2".to_owned(),
            title: "局".to_owned(),
            credit_code: "91510100MA6C8A7M4M".to_owned(),
            parent: parent.map(str::to_owned),
        }),
        supplied: BTreeMap::new(),
    };
    let lacks = |object: &Object| {
        let scope = Scope { object: Some(object), ..Scope::default() };
        standard().lacks("organisation.register", &scope).len()
    };
    assert_eq!((lacks(&organisation(None)), lacks(&organisation(Some("o1")))), (0, 1));
}

/// Every path of texts in a tree, in order, lists as `[]`-less names.
fn paths(node: &Node, prefix: &str, into: &mut Vec<String>) {
    for child in &node.children {
        let mark = if child.form == Form::Attribute { "@" } else { "" };
        let path = format!("{prefix}/{mark}{}", child.name);
        if child.children.is_empty() && !into.contains(&path) {
            into.push(path.clone());
        }
        paths(child, &path, into);
    }
}

/// The paths of every made-up message of an operation.
fn made_paths(standard: &Standard, operation: &Operation) -> BTreeSet<String> {
    let Some(message) = operation.message.as_ref().filter(|message| message.shape.is_some()) else {
        return BTreeSet::new();
    };
    let rows = prove::sample_rows(standard, operation).unwrap();
    let mut ours = Vec::new();
    for variant in variants(message) {
        let made = sample::Made::new(message, &variant, &rows);
        let (filled, _) = build::fill(message, &made, "Asia/Shanghai");
        let payload = build::body(message, &filled, &rows).unwrap();
        let text = payload.fill(|_| Some("slot".to_owned())).unwrap();
        paths(read(standard, &text).top(), "", &mut ours);
    }
    ours.into_iter().collect()
}

/// Where rules exclude one another a message has several samples, which together show every field.
#[test]
fn our_samples_and_the_hand_written_ones_have_the_same_structure() {
    for (standard, files) in every_standard() {
        for operation in standard.operations() {
            let place = format!("{} {}", standard.id(), operation.name);
            let Some(message) = &operation.message else { continue };
            let mut theirs = BTreeSet::new();
            for (name, bytes) in samples(&files, &operation.name, ".request") {
                let hand = read(&standard, bytes);
                let mut own = Vec::new();
                paths(hand.top(), "", &mut own);
                assert_eq!(standard.check(&operation.name, &hand), [], "{place} {name}");
                let table = &standard.tables().messages[&message.table];
                assert!(is_in_order(table, hand.top(), ""), "{place} {name}");
                theirs.extend(own);
            }
            assert_eq!(made_paths(&standard, operation), theirs, "{place}");
        }
    }
}

/// Whether elements stand in the order of the table's rows.
fn is_in_order(table: &[FieldRow], node: &Node, prefix: &str) -> bool {
    let elements = || node.children.iter().filter(|child| child.form != Form::Attribute);
    let row_of = |child: &Node| {
        let path = format!("{prefix}/{}", child.name);
        table.iter().position(|row| {
            let written = path_of(row);
            written == path || written.starts_with(&format!("{path}/"))
        })
    };
    let rows: Vec<usize> = elements().filter_map(row_of).collect();
    rows.is_sorted()
        && elements().all(|child| is_in_order(table, child, &format!("{prefix}/{}", child.name)))
}

/// A row's path as [`paths`] writes it.
fn path_of(row: &FieldRow) -> String {
    let steps = row.path.replace("[]", "").replace('.', "/");
    let local = |step: &str| match step.strip_prefix('@') {
        Some(_) => step.to_owned(),
        None => step.rsplit(':').next().unwrap_or_default().to_owned(),
    };
    steps.split('/').map(|step| format!("/{}", local(step))).collect()
}

#[test]
fn every_negative_message_is_refused_by_its_rule() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (standard, _) in every_standard() {
        for operation in standard.operations() {
            for negative in standard.negatives(&operation.name) {
                let text = negative.payload.fill(|_| Some("slot".to_owned())).unwrap();
                let lacks = standard.check(&operation.name, &read(&standard, &text));
                let is_refused = lacks
                    .iter()
                    .any(|lack| lack.title == negative.title && lack.rule == negative.rule);
                assert!(is_refused, "{} {negative:?} {lacks:?}", operation.name);
                *counts.entry(negative.rule.as_str()).or_default() += 1;
            }
        }
    }
    assert!(counts["required"] > 100 && counts["code"] > 20 && counts["length"] > 60, "{counts:?}");
}

#[test]
fn a_sample_that_is_read_back_otherwise_is_noticed() {
    let standard = standard();
    let message = standard.operation("entry.register").unwrap().message.as_ref().unwrap();
    let made = sample::Made::new(message, &[], &[]);
    let (filled, _) = build::fill(message, &made, "Asia/Shanghai");
    let payload = build::body(message, &filled, &[]).unwrap();
    let text = payload.fill(|_| Some(prove::SLOT.to_owned())).unwrap();
    let text = String::from_utf8(text).unwrap();
    let judged = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        let changed = text.replacen(from, to, 1);
        prove::compare(message, &filled, &read(standard, changed.as_bytes()))
    };
    assert_eq!(judged("<Abstract>", "<Abstract>"), Ok(()));
    for (from, to) in [
        ("<ResourceName>S", "<ResourceName>T"),
        ("<ItemName>S-100</ItemName>", ""),
        ("<Items>", "<Items><Item/>"),
        ("<Abstract>", "<OtherUpdateCycle>x</OtherUpdateCycle><Abstract>"),
        (prove::SLOT, "other"),
    ] {
        assert!(judged(from, to).is_err(), "{from} {to}");
    }
}

#[test]
fn conditional_fields_are_negated_too() {
    let negatives = standard().negatives("entry.register");
    for path in ["Catalog/SharedCondition", "Catalog/Items/Item[]/NotSharedReason"] {
        let is_there = negatives.iter().any(|it| it.path == path && it.rule == LackRule::Required);
        assert!(is_there, "{path}");
    }
}

#[test]
fn a_batch_names_itself_in_a_slot_and_carries_its_rows() {
    let standard = standard();
    let columns = [("ID", ColumnType::Text), ("at", ColumnType::Time), ("own", ColumnType::Text)]
        .map(|(name, kind)| Column { name: name.to_owned(), kind });
    let items = ["at", "ID"].map(|code| Item { code: code.to_owned(), ..Item::default() });
    let layout = RowLayout { columns: &columns, key: &[0], items: &items };
    let mut page = Page::new(3);
    page.push("1<2");
    page.push("2026-01-05T09:30:00");
    page.push("not for the province");
    page.end_row().unwrap();
    let written = |action| {
        let plan = standard.row_plan(action, layout).unwrap();
        let mut rows = Vec::new();
        plan.append(page.row(0).unwrap(), "1<2", &mut rows).unwrap();
        rows
    };
    let rows = written(Action::Upsert);
    assert_eq!(
        String::from_utf8_lossy(&rows),
        "<Row key=\"1&lt;2\"><ID>1&lt;2</ID><at>2026-01-05 09:30:00</at></Row>"
    );
    assert_eq!(
        String::from_utf8_lossy(&written(Action::Delete)),
        "<Del key=\"1&lt;2\"><ID>1&lt;2</ID></Del>"
    );
    let digest = DigestSha256::of(&rows);
    let batch = BatchScope {
        rows: Some(1),
        action: Some(Action::Upsert),
        encoded: &rows,
        ..BatchScope::default()
    };
    let scope = Scope { upper_id: Some("P-RES"), dataset: Some("d"), batch, ..Scope::default() };
    let message = standard.build("rows.upsert", &scope).unwrap();
    assert_eq!(message.payload.slots().collect::<Vec<_>>(), ["batch.id"]);
    let text = String::from_utf8(bytes(&message)).unwrap();
    assert!(text.contains(&String::from_utf8_lossy(&rows).into_owned()), "{text}");
    assert!(text.contains(&format!("<Digest>{digest}</Digest>")), "{text}");
}

#[test]
fn a_query_names_the_batch_it_is_about() {
    let batch = BatchScope { id: Some("0123"), ..BatchScope::default() };
    let lacks = standard().lacks("batch.receipt", &Scope { batch, ..Scope::default() });
    assert_eq!(lacks[0].rule, LackRule::Length);
    let id = "0123456789abcdef0123456789abcdef";
    let batch = BatchScope { id: Some(id), ..BatchScope::default() };
    let message = standard().build("batch.receipt", &Scope { batch, ..Scope::default() }).unwrap();
    assert!(String::from_utf8(bytes(&message)).unwrap().contains(id));
}

/// A small directory of its own, in JSON, with this message table.
fn small(body: &str, table: &str, codes: &str) -> Result<Standard, String> {
    let settings = format!(
        "id = \"small\"\nversion = \"1\"\ntitle = \"t\"\nmodelled_on = \"m\"\n\
         evidence = \"receipt\"\n[http]\nmedia = \"application/json\"\n[reply]\n\
         common = \"answer\"\naccepted = [\"1\"]\n[[operation]]\nname = \"entry.register\"\n\
         path = \"/e/{{id}}\"\nmessage = \"entry\"\nbody = \"{body}\"\n"
    );
    let head = "path,title,on,when,value,type,format,length,required,codes,clause,basis\n";
    let files: Files = [
        ("standard.toml", settings),
        ("messages/entry.csv", format!("{head}{table}")),
        ("replies/answer.csv", "path,meaning,basis\ncode,code,model\n".to_owned()),
        ("codes/share.csv", codes.to_owned()),
    ]
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
    .into();
    load(&files).map_err(|problems| super::told(&problems))
}

const SHARE: &str = "word,code\nunconditional,1\nconditional,1\nnone,2\n";

#[test]
fn what_stands_outside_the_body_is_given_apart() {
    let table = "url:id,i,,,entry.id,text,,,yes,,c,model\n\
                 header:X-Key,k,,,credential.key,text,,,yes,,c,model\n\
                 query:t,t,,,entry.title,text,,,yes,,c,model\n\
                 name,n,,,entry.title,text,,,yes,,c,model\n";
    let standard = small("message", table, SHARE).unwrap();
    let object = object(entry());
    let message = standard.build("entry.register", &scope(&object)).unwrap();
    let told: Vec<(&str, &str, String)> = message
        .parameters
        .iter()
        .map(|it| {
            let text = it.value.fill(|slot| Some(format!("<{slot}>"))).unwrap();
            (it.place, it.name.as_str(), String::from_utf8(text).unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("url", "id", "e1".to_owned()),
            ("header", "X-Key", "<credential.key>".to_owned()),
            ("query", "t", entry().title),
        ]
    );
}

#[test]
fn a_form_is_escaped_and_its_slots_too() {
    let table = "a b,n,,,entry.code,text,,,yes,,c,model\n\
                 x,n,,,entry.related_code,text,,,no,,c,model\n\
                 key,k,,,credential.key,text,,,yes,,c,model\n";
    let standard = small("form", table, SHARE).unwrap();
    let object = object(entry());
    let message = standard.build("entry.register", &scope(&object)).unwrap();
    let text = message.payload.fill(|_| Some("s&t".to_owned())).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "a+b=307320%2F1&key=s%26t");
}

#[test]
fn a_code_that_two_words_share_demands_nothing_by_either() {
    let table = "s,share,,,entry.share_type,code,,,yes,share,c,model\n\
                 r,reason,,entry.share_type == unconditional,entry.title,text,,,yes,,c,model\n";
    // The variant `conditional` has no reason and the same code as `unconditional`.
    let table =
        format!("{table}q,q,,entry.share_type == conditional,entry.title,text,,,yes,,c,model\n");
    assert_eq!(small("message", &table, SHARE).err(), None);
}

proptest! {
    #[test]
    fn what_was_built_is_read_back(
        title in "[^\\p{Cc}\\p{Cn}\u{fffe}\u{ffff}]{1,80}",
        summary in "[a-z&<>\"' ]{0,40}x",
        share in prop::sample::select(vec!["unconditional", "none"]),
        count in 1_usize..6,
    ) {
        prop_assume!(!title.trim().is_empty());
        let mut entry = entry();
        entry.title.clone_from(&title);
        entry.summary.clone_from(&summary);
        entry.share_type = share.to_owned();
        entry.items = (0..count).map(|_| entry.items[0].clone()).collect();
        let object = object(entry);
        let standard = standard();
        let message = standard.build("entry.register", &scope(&object)).unwrap();
        let document = read(standard, &bytes(&message));
        prop_assert_eq!(standard.check("entry.register", &document), vec![]);
        let text = |path: &str| {
            let path = wire::Path::parse(standard.media(), path, standard.namespaces()).unwrap();
            document.text(&path).map(str::to_owned)
        };
        prop_assert_eq!(text("Catalog/ResourceName"), Some(title));
        prop_assert_eq!(text("Catalog/Abstract"), Some(summary));
        let items = wire::Path::parse(standard.media(), "Catalog/Items/Item[]", standard.namespaces());
        prop_assert_eq!(document.all(&items.unwrap()).count(), count);
    }
}
