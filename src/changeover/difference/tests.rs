//! Each kind of difference by editing a copy of a shipped standard, and what holds for all of them.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::{Change, Difference, compare};
use crate::standard::{Files, Tables, files, tables};

fn shipped() -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/standards/reference-xml/1.0");
    files(&folder).unwrap()
}

fn read(files: &Files) -> Tables {
    let (tables, problems) = tables(files);
    assert!(problems.is_empty(), "{problems:?}");
    tables
}

/// The shipped directory with texts of its files replaced.
fn edited(edits: &[(&str, &str, &str)]) -> Tables {
    let mut files = shipped();
    for (file, old, new) in edits {
        let bytes = files.get_mut(*file).unwrap_or_else(|| panic!("{file}"));
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(old), "{file} has no {old}");
        *bytes = text.replace(old, new).into_bytes();
    }
    read(&files)
}

fn found(edits: &[(&str, &str, &str)]) -> Vec<Difference> {
    compare(&read(&shipped()), &edited(edits))
}

fn one(file: &str, old: &str, new: &str) -> Difference {
    let mut list = found(&[(file, old, new)]);
    assert_eq!(list.len(), 1, "{list:#?}");
    list.remove(0)
}

const ENTRY: &str = "messages/entry.csv";
const SETTINGS: &str = "standard.toml";

#[test]
fn a_standard_does_not_differ_from_itself() {
    assert_eq!(compare(&read(&shipped()), &read(&shipped())), []);
}

#[test]
fn a_new_required_field_is_told_with_its_clause_and_its_operations() {
    let row = "Catalog/Items/Item[]/DataLevel,数据分级,\"entry.register, entry.modify\",,\
               item.supplied.data_level,code,,,yes,yes_no,M6.1,model\n";
    let at = "Catalog/Items/Item[]/SharedType";
    let it = one(ENTRY, at, &format!("{row}{at}"));
    assert_eq!(it.change, Change::FieldAdded);
    assert!(it.demands());
    assert_eq!(it.subject, "Catalog/Items/Item[]/DataLevel");
    assert_eq!(
        (it.title.as_str(), it.clause.as_str(), it.basis.as_str()),
        ("数据分级", "M6.1", "model")
    );
    assert_eq!(it.operations, ["entry.modify", "entry.register"]);
    assert_eq!((it.before, it.after.as_deref()), (None, Some("yes")));
}

#[test]
fn each_change_of_a_field_is_one_difference() {
    let cases: [(Change, &str, &str, &str, &str); 9] = [
        (
            Change::FieldRemoved,
            "Catalog/RelatedCode,关联资源代码,,,entry.related_code,text,,200,no,,M5.4,V\n",
            "",
            "no",
            "",
        ),
        (
            Change::FieldRenamed,
            "Catalog/ResourceName,",
            "Catalog/ResTitle,",
            "Catalog/ResourceName",
            "Catalog/ResTitle",
        ),
        (
            Change::FieldRequired,
            "entry.related_code,text,,200,no",
            "entry.related_code,text,,200,yes",
            "no",
            "yes",
        ),
        (
            Change::FieldOptional,
            "entry.summary,text,,1000,yes",
            "entry.summary,text,,1000,no",
            "yes",
            "no",
        ),
        (
            Change::FieldCondition,
            "entry.share_type == conditional",
            "entry.share_type != none",
            "entry.share_type == conditional",
            "entry.share_type != none",
        ),
        (Change::FieldType, "item.length,integer", "item.length,text", "integer", "text"),
        (Change::FieldLength, "entry.summary,text,,1000", "entry.summary,text,,500", "1000", "500"),
        (
            Change::FieldFormat,
            "entry.published,date,%Y-%m-%d",
            "entry.published,date,%Y%m%d",
            "%Y-%m-%d",
            "%Y%m%d",
        ),
        (Change::FieldValue, ",entry.code,", ",object.id,", "entry.code", "object.id"),
    ];
    for (change, old, new, before, after) in cases {
        let it = one(ENTRY, old, new);
        assert_eq!(it.change, change, "{it:?}");
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        assert_eq!((text(&it.before), text(&it.after)), (before.to_owned(), after.to_owned()));
        assert!(!it.clause.is_empty() && !it.basis.is_empty(), "{it:?}");
    }
}

#[test]
fn a_branch_that_moves_is_one_difference_and_its_fields_are_not_lost() {
    let list = found(&[(ENTRY, "Catalog/Provider/", "Catalog/Department/Provider/")]);
    let changes: Vec<Change> = list.iter().map(|it| it.change).collect();
    assert_eq!(changes, [Change::FieldsMoved], "{list:#?}");
    assert_eq!(list[0].before.as_deref(), Some("Catalog"));
    assert_eq!(list[0].after.as_deref(), Some("Catalog/Department"));
}

#[test]
fn an_envelope_around_everything_is_one_difference_for_each_kind_of_message() {
    let mut files = shipped();
    let text = String::from_utf8(files[ENTRY].clone()).unwrap();
    let wrapped = text.replace("\nCatalog/", "\nEnvelope/Body/reg:Catalog/");
    files.insert(ENTRY.to_owned(), wrapped.into_bytes());
    let list = compare(&read(&shipped()), &read(&files));
    assert_eq!(list.len(), 1, "{list:#?}");
    assert_eq!(list[0].change, Change::FieldsMoved);
    assert_eq!(list[0].operations, ["entry.cancel", "entry.modify", "entry.register"]);
}

#[test]
fn codes_are_compared_word_by_word_and_cite_the_field_that_uses_them() {
    let list = "codes/update_cycle.csv";
    let changed = one(list, "realtime,8", "realtime,9");
    assert_eq!((changed.change, changed.subject.as_str()), (Change::CodeChanged, "realtime"));
    assert_eq!((changed.before.as_deref(), changed.after.as_deref()), (Some("8"), Some("9")));
    assert_eq!((changed.file.as_str(), changed.clause.as_str()), (list, "M5.4"));
    let removed = one(list, "realtime,8", "realtime,");
    assert_eq!((removed.change, removed.after), (Change::CodeRemoved, None));
    let old = edited(&[(list, "realtime,8", "realtime,")]);
    let added = compare(&old, &read(&shipped()));
    assert_eq!((added.len(), added[0].change), (1, Change::CodeAdded));
}

#[test]
fn replies_are_compared_by_what_they_mean() {
    let text = String::from_utf8(shipped()["replies/registered.csv"].clone()).unwrap();
    let row = text.lines().find(|line| line.contains("upper_id")).unwrap().to_owned();
    let path = row.split(',').next().unwrap().to_owned();
    let moved = one("replies/registered.csv", &path, &format!("{path}New"));
    assert_eq!(moved.change, Change::ReplyMoved);
    assert_eq!(moved.operations.len(), 5, "{:?}", moved.operations);
    let gone = one("replies/registered.csv", &format!("{row}\n"), "");
    assert_eq!((gone.change, gone.before.as_deref()), (Change::ReplyRemoved, Some("upper_id")));
    let without = edited(&[("replies/registered.csv", &format!("{row}\n"), "")]);
    let back = compare(&without, &read(&shipped()));
    assert_eq!(back[0].change, Change::ReplyAdded);
    let optional = one("replies/registered.csv", ",yes,", ",no,");
    assert_eq!(optional.change, Change::ReplyOptional);
    let old = edited(&[("replies/registered.csv", ",yes,", ",no,")]);
    assert_eq!(compare(&old, &read(&shipped()))[0].change, Change::ReplyRequired);
}

#[test]
fn each_change_of_the_settings_is_one_difference_with_its_key() {
    let cases = [
        (Change::Signing, "encode = \"base64\"", "encode = \"hex\"", "sign.encode"),
        (Change::Limit, "rows = 5000", "rows = 1000", "limits.rows"),
        (Change::Deadline, "verdict = \"4h\"", "verdict = \"1h\"", "deadlines.verdict"),
        (Change::RowFormat, "digest = \"lines\"", "digest = \"\"", "rows.digest"),
        (Change::Setting, "timeout = \"30s\"", "timeout = \"9s\"", "http.timeout"),
        (Change::OutcomeMoved, "exists = [\"1001\"]\n", "absent = [\"1001\"]\n#", "1001"),
        (Change::OutcomeAdded, "accepted = [\"0000\"]", "accepted = [\"0000\", \"0\"]", "0"),
        (Change::OutcomeRemoved, "retry = [\"5*\", ", "retry = [", "5*"),
        (Change::OperationMoved, "\"/cascade/v1/heartbeat\"", "\"/hb\"", "heartbeat.path"),
        (
            Change::OperationChanged,
            "evidence = \"row-verdict\"\ncompress = \"gzip\"\nmandatory = true",
            "evidence = \"receipt\"\ncompress = \"gzip\"\nmandatory = true",
            "rows.upsert.evidence",
        ),
        (
            Change::OperationMandatory,
            "message = \"heartbeat\"",
            "message = \"heartbeat\"\nmandatory = true",
            "heartbeat.mandatory",
        ),
        (
            Change::OperationOptional,
            "needs = [\"entry\"]\nmandatory = true",
            "needs = [\"entry\"]",
            "resource.register.mandatory",
        ),
    ];
    for (change, old, new, subject) in cases {
        // `absent` stands in the file already: the moved code's case replaces that line, too.
        let mut edits = vec![(SETTINGS, old, new)];
        if change == Change::OutcomeMoved {
            edits = vec![
                (SETTINGS, "exists = [\"1001\"]\n", ""),
                (SETTINGS, "absent = [\"2404\"]", "absent = [\"2404\", \"1001\"]"),
            ];
        }
        let list = found(&edits);
        assert_eq!(list.len(), 1, "{change:?}: {list:#?}");
        assert_eq!((list[0].change, list[0].subject.as_str()), (change, subject));
        assert!(list[0].clause.starts_with("standard.toml "), "{:?}", list[0]);
        assert!(!list[0].basis.is_empty());
    }
    let auth = "[auth]\nkind = \"basic\"\nuser = \"credential.user\"\n\
                password = \"credential.password\"\n\n[reply]";
    let list = found(&[(SETTINGS, "[reply]", auth)]);
    assert!(list.iter().all(|it| it.change == Change::Authentication), "{list:#?}");
    assert!(list.iter().any(|it| it.subject == "auth.kind"));
}

#[test]
fn an_operation_that_comes_or_goes_is_told_without_its_fields() {
    let mut files = shipped();
    let text = String::from_utf8(files[SETTINGS].clone()).unwrap();
    let (kept, _heartbeat) = text.split_once("[[operation]]\nname = \"heartbeat\"").unwrap();
    files.insert(SETTINGS.to_owned(), kept.as_bytes().to_vec());
    let (old, new) = (read(&shipped()), read(&files));
    let gone = compare(&old, &new);
    assert_eq!(gone.len(), 1, "{gone:#?}");
    assert_eq!((gone[0].change, gone[0].subject.as_str()), (Change::OperationRemoved, "heartbeat"));
    let come = compare(&new, &old);
    assert_eq!((come.len(), come[0].change), (1, Change::OperationAdded));
}

/// What a difference says, seen from either side.
fn said(it: &Difference, mirrored: bool) -> String {
    let (change, before, after) = if mirrored {
        (it.change.mirrored(), &it.after, &it.before)
    } else {
        (it.change, &it.before, &it.after)
    };
    format!("{change:?} {before:?} {after:?} {:?}", it.operations)
}

fn mirror(old: &Tables, new: &Tables) {
    let mut there: Vec<String> = compare(old, new).iter().map(|it| said(it, false)).collect();
    let mut back: Vec<String> = compare(new, old).iter().map(|it| said(it, true)).collect();
    there.sort();
    back.sort();
    assert_eq!(there, back);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever rows are dropped, renamed, swapped or changed: a version does not differ from
    /// itself, and from the other side the same is told the other way round.
    #[test]
    fn what_was_added_is_removed_from_the_other_side(
        dropped in proptest::collection::btree_set(0_usize..33, 0..8),
        renamed in proptest::collection::btree_map(0_usize..33, "[A-Z][a-z]{1,5}", 0..8),
        loosened in proptest::collection::btree_set(0_usize..33, 0..8),
        swapped in proptest::collection::vec((0_usize..33, 0_usize..33), 0..4),
        retitled in proptest::collection::btree_set(0_usize..33, 0..4),
    ) {
        let old = read(&shipped());
        let mut new = old.clone();
        let rows = new.messages.get_mut("entry").unwrap();
        for (at, name) in renamed {
            let parent = rows[at].path.rsplit_once('/').map_or("", |it| it.0).to_owned();
            rows[at].path = format!("{parent}/{name}");
        }
        for at in loosened {
            rows[at].required = "no".to_owned();
        }
        for at in retitled {
            rows[at].title = "另一个".to_owned();
        }
        for (one, other) in swapped {
            rows.swap(one, other);
        }
        for at in dropped.into_iter().rev() {
            rows.remove(at);
        }
        prop_assert_eq!(compare(&new, &new), []);
        mirror(&old, &new);
    }
}

/// Every shipped standard and the one that the tests invented, by name.
static FAMILIES: LazyLock<Vec<(String, Tables)>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("config/standards");
    let sixth = root.join("tests/it/sixth/standards/river-json/1");
    let mut all = vec![("river-json".to_owned(), read(&files(&sixth).unwrap()))];
    for family in std::fs::read_dir(folder).unwrap().flatten().filter(|it| it.path().is_dir()) {
        for version in std::fs::read_dir(family.path()).unwrap().flatten() {
            if version.path().join(SETTINGS).is_file() {
                let name = version.path().display().to_string();
                all.push((name, read(&files(&version.path()).unwrap())));
            }
        }
    }
    assert!(all.len() > 5);
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two standards that have nothing to do with one another, tables cut and lent anyhow.
    #[test]
    fn unrelated_standards_tell_the_same_from_both_sides(
        (one, other) in (0_usize..7, 0_usize..7),
        lent in proptest::collection::vec((0_usize..40, 0_usize..40), 0..6),
        swapped in proptest::collection::vec((0_usize..40, 0_usize..40), 0..6),
    ) {
        let all = &*FAMILIES;
        let (mut old, new) = (all[one % all.len()].1.clone(), &all[other % all.len()].1);
        for (from, to) in lent {
            let operations = &mut old.settings.operations;
            let count = operations.len();
            let lender = operations[from % count].clone();
            let borrower = &mut operations[to % count];
            (borrower.message, borrower.reply) = (lender.message, lender.reply);
        }
        for (here, there) in swapped {
            for rows in old.messages.values_mut() {
                let count = rows.len();
                rows.swap(here % count, there % count);
            }
        }
        mirror(&old, new);
    }
}

#[test]
fn every_two_families_and_versions_tell_the_same_from_both_sides() {
    for (name, one) in &*FAMILIES {
        for (other_name, other) in &*FAMILIES {
            mirror(one, other);
            let list = compare(one, other);
            // Nobody wrote a document for the invented one to cite.
            let cites = [name, other_name].iter().all(|it| *it != "river-json");
            assert!(!cites || list.iter().all(|it| !it.clause.is_empty()), "{list:#?}");
        }
    }
}

#[test]
fn every_kind_of_change_has_its_place_and_its_mirror() {
    for change in Change::ALL {
        assert_eq!(change.mirrored().mirrored(), change);
    }
    let mut sorted = Change::ALL.to_vec();
    sorted.sort();
    assert_eq!(sorted, Change::ALL);
}
