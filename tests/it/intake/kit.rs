//! The conformance kit against the upper side: what a province must hold to, a city must, too.

use std::collections::BTreeMap;
use std::path::Path;

use cascaded::clock::Clock;
use cascaded::rehearsal::conformance::{self, Outcome, Report, Target, Trial};

use super::place::{Middle, TONGJIANG};
use crate::support::daemon::run;
use crate::support::town::copy;

/// What the kit makes up under its seed is a dataset of two columns.
fn dataset_of_the_kit(table: &str) -> String {
    format!(
        "\n[[dataset]]\nid = \"of-the-kit\"\ntitle = \"of the kit\"\ndepartment = \"515121-o1\"\n\
         region = \"515121\"\nsource = \"tongjiang\"\ntable = \"{table}\"\ncycle = \"daily\"\n\
         key = [\"C1\"]\n\
         change = {{ kind = \"time-column\", column = \"taken_at\", overlap = \"0s\" }}\n\
         columns = [{{ name = \"C1\" }}, {{ name = \"C2\" }}, {{ name = \"taken_at\", type = \"time\" }}]\n"
    )
}

/// Lets the kit try a city that passes this dataset on; `speak` may have it speak otherwise.
async fn tried(
    table: &str,
    standard: &Path,
    credentials: &[(&str, String)],
    speak: impl FnOnce(&Middle),
) -> Report {
    let clock = Clock::system();
    let more = "requests_per_second = 5000";
    let middle = Middle::new(&[TONGJIANG], &clock, more, |_| {}).await;
    middle.edit("\n[intake]", &format!("{}\n[intake]", dataset_of_the_kit(table)));
    speak(&middle);
    let (city, address) = middle.start().await;
    let named = credentials.iter().map(|(name, text)| ((*name).to_owned(), text.clone()));
    let trial = Trial {
        standard: standard.to_owned(),
        target: Some(Target {
            url: format!("https://{address}"),
            authority: Some(middle.authority.clone()),
            client: None,
        }),
        front: None,
        tables: Vec::new(),
        credentials: named.collect(),
        values: BTreeMap::new(),
        seed: 5,
    };
    let mut progress = |_: &Outcome| {};
    let report = Box::pin(conformance::examine(trial, &clock, &mut progress)).await.unwrap();
    city.stop().await;
    middle.city.close().await;
    report
}

/// Runs the kit twice under one seed: what it called its dataset at first, the city has then.
async fn nothing_fails(
    standard: &Path,
    credentials: &[(&str, String)],
    speak: impl Fn(&Middle),
) -> usize {
    let first = tried("none", standard, credentials, &speak).await;
    let rows = first.outcomes.iter().find(|it| it.name == "rows.upsert/valid").unwrap();
    let is_name = |it: &&str| it.starts_with("D-CT");
    let table = rows.sent.split(['"', '<', '>']).find(is_name).unwrap().to_owned();
    let report = tried(&table, standard, credentials, &speak).await;
    println!("{}: {}", report.standard, report.verdict());
    let failed = report.outcomes.iter().filter(|it| it.fault.is_some());
    let failed: Vec<String> =
        failed.map(|it| format!("{}: {:?} came {}", it.name, it.fault, it.came)).collect();
    assert_eq!(failed, Vec::<String>::new());
    report.passed()
}

/// The kit that judges provinces judges the city: another code, by the same tables.
#[test]
fn the_upper_side_holds_to_what_the_conformance_kit_demands_of_a_platform() {
    run(async {
        let standard = cascaded::demo::standards_folder().unwrap().join(cascaded::demo::STANDARD);
        let credentials =
            [("requester", "R-515121".to_owned()), ("secret", "secret of tongjiang".to_owned())];
        let passed = nothing_fails(&standard, &credentials, |_| {}).await;
        assert!(passed > 600, "{passed}");
    });
}

/// The same in JSON: REST paths and methods, rows as arrays, answers that say their code in a header,
/// a password and an SM2 signature. The invented standard of these tests, without its encryption.
#[test]
fn the_upper_side_speaks_json_with_a_password_and_a_signature_of_sm2() {
    run(async {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("river-json/1");
        copy(&crate::sixth::standard(), &folder);
        let file = folder.join("standard.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let (before, rest) = text.split_once("[encrypt]").unwrap();
        let (_, after) = rest.split_once("[reply]").unwrap();
        std::fs::write(&file, format!("{before}[reply]{after}")).unwrap();
        let all = crate::sixth::credentials();
        let credentials: Vec<(&str, String)> = all.into_iter().take(3).collect();
        let passed = nothing_fails(&folder, &credentials, |middle| {
            let taking = middle.city.path().join("taking");
            for (name, text) in &credentials {
                // A copy of a secret's file is as closed as that file.
                let path = taking.join(name);
                std::fs::copy(taking.join("tongjiang.secret"), &path).unwrap();
                std::fs::write(path, text).unwrap();
            }
            middle.edit("standards = [", &format!("standards = [{:?}, ", place.path()));
            middle
                .edit("0\"\nstandard = \"reference-xml/1.0\"", "0\"\nstandard = \"river-json/1\"");
            middle.edit(
                "requester = \"taking/tongjiang.requester\"\nsecret = \"taking/tongjiang.secret\"",
                "who = \"taking/who\"\nword = \"taking/word\"\nkey = \"taking/key\"",
            );
        })
        .await;
        assert!(passed > 100, "{passed}");
    });
}
