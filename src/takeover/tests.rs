//! Matching: what is decided, what is asked, and that nothing is ever merged.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn above(upper_id: &str, code: &str, title: &str) -> Registration {
    Registration {
        kind: "entry".to_owned(),
        upper_id: upper_id.to_owned(),
        code: code.to_owned(),
        title: title.to_owned(),
        origin: "portal.csv:2".to_owned(),
    }
}

fn here(id: &str, code: &str, title: &str, upper_id: Option<&str>) -> Here {
    Here {
        key: ObjectKey { kind: Kind::Entry, id: id.to_owned() },
        code: code.to_owned(),
        title: title.to_owned(),
        upper_id: upper_id.map(str::to_owned),
    }
}

fn said(list: &[(&str, Option<&str>)]) -> BTreeMap<(String, String), Option<String>> {
    let one = |(upper, id): &(&str, Option<&str>)| {
        (("entry".to_owned(), (*upper).to_owned()), id.map(str::to_owned))
    };
    list.iter().map(one).collect()
}

fn city() -> Vec<Here> {
    vec![
        here("a", "C-1", "人口基础信息", None),
        here("b", "C-2", "企业登记信息", None),
        here("c", "C-3", "不动产登记", None),
        here("d", "C-4", "不动产登记", None),
        here("e", "", "养老机构", Some("U-9")),
        here("f", "", "只在本市", None),
    ]
}

#[test]
fn an_id_goes_before_a_code_and_a_title_alone_is_only_proposed() {
    let list = [
        above("U-9", "C-1", "人口基础信息"),
        above("U-1", "a", "别的名称"),
        above("U-2", "", "企业 登记　信息"),
        above("U-3", "", "不动产登记"),
        above("U-4", "X", "谁也不是"),
    ];
    let report = compare(&list, &city(), &BTreeMap::new());
    assert_eq!(report.fates[0], Fate::Matched("e".to_owned(), How::UpperId));
    assert_eq!(report.fates[1], Fate::Matched("a".to_owned(), How::Code));
    assert_eq!(report.fates[2], Fate::Proposed("b".to_owned()));
    assert_eq!(report.fates[3], Fate::Ambiguous(vec!["c".to_owned(), "d".to_owned()]));
    assert_eq!(report.fates[4], Fate::MissingHere);
    let missing: Vec<&str> = report.missing_above.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(missing, ["f"], "what may stand above is not missing there");
}

#[test]
fn what_a_person_says_decides_and_a_no_leaves_the_object_missing_above() {
    let list = [above("U-2", "", "企业登记信息"), above("U-3", "", "不动产登记")];
    let answers = said(&[("U-2", None), ("U-3", Some("d"))]);
    let report = compare(&list, &city(), &answers);
    assert_eq!(report.fates, [Fate::MissingHere, Fate::Matched("d".to_owned(), How::Said)]);
    assert!(report.missing_above.iter().any(|key| key.id == "b"));
    // An object that is not the city's is nobody's: asked again.
    let report = compare(&list, &city(), &said(&[("U-2", Some("zzz"))]));
    assert_eq!(report.fates[0], Fate::Proposed("b".to_owned()));
}

#[test]
fn duplicates_above_are_shown_and_never_merged() {
    // Two tools sent the same entry under its code: nothing decides between them.
    let list =
        [above("U-1", "C-1", "人口"), above("U-2", "a", "人口"), above("U-3", "", "人口基础信息")];
    let report = compare(&list, &city(), &BTreeMap::new());
    assert_eq!(report.fates, vec![Fate::Rival("a".to_owned()); 3]);
    assert!(report.fates.iter().all(Fate::is_open));
    // A person says which: the others are duplicates, and stay what they are above.
    let report = compare(&list, &city(), &said(&[("U-2", Some("a"))]));
    let duplicate = Fate::Duplicate("a".to_owned());
    let chosen = Fate::Matched("a".to_owned(), How::Said);
    assert_eq!(report.fates, [duplicate.clone(), chosen, duplicate.clone()]);
    // A code decides against a title.
    let report = compare(&[list[0].clone(), list[2].clone()], &city(), &BTreeMap::new());
    assert_eq!(report.fates, [Fate::Matched("a".to_owned(), How::Code), duplicate]);
    // Two people say the same of two: nothing is decided.
    let both = said(&[("U-1", Some("a")), ("U-2", Some("a"))]);
    let report = compare(&list, &city(), &both);
    assert_eq!(report.fates, vec![Fate::Rival("a".to_owned()); 3]);
}

#[test]
fn titles_are_compared_without_width_case_spaces_and_punctuation() {
    assert_eq!(normalised("（ＡＢc）人口 基础—信息"), normalised("abC人口基础信息"));
    assert_eq!(normalised("——"), "");
    let nameless = here("g", "", "——", None);
    let report = compare(&[above("U-1", "", "…")], &[nameless], &BTreeMap::new());
    assert_eq!(report.fates, [Fate::MissingHere], "no title is no title");
}

#[test]
fn a_portals_export_is_read_by_its_heads_and_every_mistake_is_told() {
    let rows = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let table =
        rows("某省门户导出,,,\n名称,上级编号,目录编码,类别\n人口,U-1,C-1,目录\n,,,\n企业,U-2,,\n");
    let found = registrations("portal.csv", &table).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[0],
        Registration { origin: "portal.csv:3".to_owned(), ..above("U-1", "C-1", "人口") }
    );
    assert_eq!(found[1].kind, "entry");
    let wrong = registrations("p", &rows("上级编号,类别\n,目录\nU-1,飞船\n")).unwrap_err();
    assert_eq!(wrong.iter().map(|it| it.row).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(registrations("p", &rows("名称\n人口\n")).unwrap_err()[0].row, 0);
    let sheet = rows("类别,上级编号,采用本市标识,处置\n目录,U-1,a,是\n目录,U-2,,否\n目录,U-3,b,\n");
    let read = decisions(&sheet).unwrap();
    assert_eq!(read.iter().map(|it| it.id.as_deref()).collect::<Vec<_>>(), [Some("a"), None]);
    let wrong =
        decisions(&rows("类别,上级编号,采用本市标识,处置\n目录,U-1,,是\n目录,U-2,a,也许\n"));
    assert_eq!(wrong.unwrap_err().iter().map(|it| it.row).collect::<Vec<_>>(), [2, 3]);
}

type World = (Vec<Registration>, Vec<Here>, BTreeMap<(String, String), Option<String>>);

/// A small world in which ids, codes and titles often collide.
fn world() -> impl Strategy<Value = World> {
    let word = || prop::sample::select(vec!["", "a", "b", "c", "d", "x", "y"]);
    let registration = (word(), word());
    let objects = prop::collection::btree_map(
        prop::sample::select(vec!["a", "b", "c", "d", "e"]),
        (word(), word(), prop::option::of(0_usize..8)),
        0..6,
    );
    let answers = prop::collection::btree_map(0_usize..8, prop::option::of(word()), 0..4);
    (prop::collection::vec(registration, 0..8), objects, answers).prop_map(
        |(list, objects, answers)| {
            let upper = |at: usize| format!("U-{at}");
            let list =
                list.iter().enumerate().map(|(at, (code, title))| above(&upper(at), code, title));
            let objects = objects.iter().map(|(id, (code, title, known))| {
                here(id, code, title, known.map(upper).as_deref())
            });
            let answers = answers
                .into_iter()
                .map(|(at, id)| (("entry".to_owned(), upper(at)), id.map(str::to_owned)));
            (list.collect(), objects.collect(), answers.collect())
        },
    )
}

proptest! {
    #[test]
    fn no_object_and_no_registration_is_matched_twice((list, city, answers) in world()) {
        let report = compare(&list, &city, &answers);
        prop_assert_eq!(report.fates.len(), list.len());
        let matched: Vec<&String> = (report.fates.iter())
            .filter(|fate| matches!(fate, Fate::Matched(..)))
            .flat_map(Fate::objects)
            .collect();
        let once: BTreeSet<&String> = matched.iter().copied().collect();
        prop_assert_eq!(once.len(), matched.len());
        // A title alone never decides, and a person's word is never overruled.
        for (it, fate) in list.iter().zip(&report.fates) {
            let word = answers.get(&(it.kind.clone(), it.upper_id.clone()));
            if let Fate::Matched(id, how) = fate {
                let object = city.iter().find(|here| here.key.id == *id).unwrap();
                match how {
                    How::Said => prop_assert_eq!(word, Some(&Some(id.clone()))),
                    How::UpperId => prop_assert_eq!(object.upper_id.as_ref(), Some(&it.upper_id)),
                    How::Code => prop_assert!(it.code == object.key.id || it.code == object.code),
                }
            }
            if word == Some(&None) {
                prop_assert_eq!(fate, &Fate::MissingHere);
            }
        }
        // Every object is spoken for, known above, or missing there.
        for object in &city {
            let spoken = report.fates.iter().any(|fate| fate.objects().contains(&object.key.id));
            let missing = report.missing_above.contains(&object.key);
            prop_assert!(missing == (!spoken && object.upper_id.is_none()));
        }
    }

    #[test]
    fn the_order_of_either_side_does_not_matter(
        (list, city, answers) in world(), turn in 0_usize..8,
    ) {
        let report = compare(&list, &city, &answers);
        let (mut turned, mut moved) = (list.clone(), city.clone());
        let by = turn.min(turned.len());
        turned.rotate_left(by);
        let from = turn.min(moved.len());
        moved.rotate_left(from);
        let other = compare(&turned, &moved, &answers);
        let named = |list: &[Registration], report: &Report| -> BTreeMap<String, Fate> {
            list.iter().map(|it| it.upper_id.clone()).zip(report.fates.clone()).collect()
        };
        prop_assert_eq!(named(&list, &report), named(&turned, &other));
        prop_assert_eq!(report.missing_above, other.missing_above);
    }
}
