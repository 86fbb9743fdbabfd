//! The map of upper ids that a new version gives anew.

use super::super::*;
use super::every_standard;

fn second() -> (Standard, Files) {
    let found = every_standard().into_iter();
    found.into_iter().find(|(it, _)| !it.settings().renumbers.is_empty()).unwrap()
}

#[test]
fn the_sample_of_the_map_gives_every_old_id_its_new_one() {
    let (standard, files) = second();
    let map = UpperIds::read(&files["samples/upper-ids.csv"], &standard).unwrap();
    assert_eq!((map.len(), map.is_empty()), (2, false));
    assert_eq!(map.new_id(Kind::Entry, "P-CATA-311"), Some("P2-CATA-311"));
    assert_eq!(map.new_id(Kind::Entry, "P-CATA-9"), None);
    assert_eq!(map.new_id(Kind::Resource, "P-CATA-311"), None);
}

#[test]
fn a_map_that_would_join_or_lose_objects_is_refused_with_its_row() {
    let (standard, _) = second();
    let told = |text: &str| {
        let problems = UpperIds::read(text.as_bytes(), &standard).unwrap_err();
        problems.iter().map(|it| (it.row, it.code.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(told("kind,new,old\n"), [(Some(1), "E-STANDARD-FORMAT")]);
    assert_eq!(
        told("kind,old,new\nentry,a,1\nentry,a,2\nentry,b,1\nresource,c,3\nentry,,4\nentry,d\n"),
        [
            (Some(3), "E-STANDARD-CODES"),
            (Some(4), "E-STANDARD-CODES"),
            (Some(5), "E-STANDARD-VALUE"),
            (Some(6), "E-STANDARD-RULE"),
            (Some(7), "E-STANDARD-FORMAT"),
        ]
    );
    let first = every_standard().into_iter().find(|(it, _)| it.settings().renumbers.is_empty());
    let refused = UpperIds::read(b"kind,old,new\nentry,a,b\n", &first.unwrap().0);
    assert_eq!(refused.unwrap_err()[0].code, Code::Value);
}

#[test]
fn a_kind_that_does_not_exist_cannot_be_renumbered() {
    let (_, mut files) = second();
    let text = String::from_utf8_lossy(&files["standard.toml"]).into_owned();
    let broken = text.replace("renumbers = [\"entry\"]", "renumbers = [\"entrys\"]");
    assert_ne!(text, broken);
    files.insert("standard.toml".to_owned(), broken.into_bytes());
    let problems = load(&files).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].meant.as_deref(), Some("entry"));
}
