//! A bundle says what follows from what went in, and any change of it shows.

use super::*;

fn inputs() -> BTreeMap<String, Vec<u8>> {
    let file = |name: &str, text: &str| (format!("input/{name}"), text.as_bytes().to_vec());
    BTreeMap::from([
        file("scheme.toml", include_str!("../../../config/schemes/model-2022.toml")),
        file("facts-1.csv", include_str!("../../../config/schemes/example-2022/province.csv")),
        file("facts-2.csv", include_str!("../../../config/schemes/example-2022/then.csv")),
        file("values-1.csv", include_str!("../../../config/schemes/example-2022/outside.csv")),
        (
            "live/batches.json".to_owned(),
            b"[{\"receipt\":\"R-1\",\"taken_at\":\"2022-02-25T10:00:00Z\"}]".to_vec(),
        ),
    ])
}

fn made() -> (Bundle, Proven) {
    let month = Month::parse("2022-02").unwrap();
    let question = Question { month, body: Body::City, item: "guides".to_owned() };
    make(&question, inputs()).unwrap()
}

#[test]
fn a_bundle_says_the_points_and_proves_them_again() {
    let (bundle, proven) = made();
    assert_eq!(proven.item.points, Some(rust_decimal::Decimal::new(-26, 1)));
    let archive = bundle.write();
    assert_eq!(check(&archive), Ok(proven));
    let text = |name: &str| String::from_utf8(bundle.get(name).unwrap().to_vec()).unwrap();
    assert!(text("letter.zh.md").contains("得分 -2.6"), "{}", text("letter.zh.md"));
    assert!(text("findings.csv").contains("guide-01"));
    assert_eq!(text("notices.csv").matches("case-opened").count(), 13);
    assert!(text("item.txt").contains("figure cases.guides.late 13"));
}

#[test]
fn whatever_file_is_changed_the_check_is_red_even_with_a_new_manifest() {
    let (bundle, _) = made();
    let names: Vec<String> = bundle.files().map(|(name, _)| name.to_owned()).collect();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        // As somebody does who does not know of the manifest.
        let mut content = bundle.get(&name).unwrap().to_vec();
        content.push(b'\n');
        let mut changed = bundle.clone();
        changed.put(&name, content.clone());
        let archive = bundle.write();
        let (old, new) = (bundle.manifest().0, changed.manifest().0);
        let mut forged = changed.write();
        let at = forged.windows(new.len()).position(|it| it == new.as_bytes()).unwrap();
        forged.splice(at..at + new.len(), old.bytes().chain(std::iter::repeat(0)).take(new.len()));
        assert!(matches!(check(&forged), Err(Wrong::NotWhole(_))), "{name}");
        assert!(check(&archive).is_ok());
    }
    // As somebody does who writes the manifest anew: what is computed no longer follows.
    for name in DERIVED {
        let mut changed = bundle.clone();
        let content = [bundle.get(name).unwrap(), b"more"].concat();
        changed.put(name, content);
        assert_eq!(check(&changed.write()), Err(Wrong::Derived(name.to_owned())));
    }
    let mut changed = bundle.clone();
    let facts = String::from_utf8(bundle.get("input/facts-1.csv").unwrap().to_vec()).unwrap();
    changed.put("input/facts-1.csv", facts.replacen("2022-02-25", "2022-03-25", 1));
    assert!(matches!(check(&changed.write()), Err(Wrong::Derived(_))));
    let mut added = bundle;
    added.put("note.txt", "x");
    assert_eq!(check(&added.write()), Err(Wrong::Derived("note.txt".to_owned())));
}

#[test]
fn an_outage_runs_from_the_first_silent_probe_to_the_next_answer() {
    let text = "occurred,kind,subject,channel,fields,basis\n\
                2026-03-01T08:00,probed,resource:r1,,succeeded=3; failed=0,model\n\
                2026-03-01T09:00,probed,resource:r1,,succeeded=0; failed=3,model\n\
                2026-03-01T10:00,probed,resource:r1,,succeeded=0; failed=3,model\n\
                2026-03-01T11:00,probed,resource:r1,,succeeded=1; failed=2,model\n\
                2026-03-02T09:00,probed,resource:r1,,succeeded=0; failed=1,model\n";
    let facts = history::parse("f.csv", text, "t").unwrap();
    assert_eq!(
        outages(&facts),
        "subject,from,until,failed,fact\n\
         resource:r1,2026-03-01T01:00:00Z,2026-03-01T03:00:00Z,6,t/2026-03-01/2\n\
         resource:r1,2026-03-02T01:00:00Z,,1,t/2026-03-02/5\n"
    );
}

#[test]
fn what_cannot_be_read_or_is_not_asked_is_said() {
    let month = Month::parse("2022-02").unwrap();
    let question = Question { month, body: Body::City, item: "nothing".to_owned() };
    let wrong = make(&question, inputs()).map(drop);
    assert_eq!(wrong, Err(Wrong::Item("nothing".to_owned())));
    let mut without = inputs();
    without.remove("input/scheme.toml");
    assert!(matches!(make(&question, without), Err(Wrong::Input { .. })));
}
