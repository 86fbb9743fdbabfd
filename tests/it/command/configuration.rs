//! `check` and `run` with a configuration that is wrong, and one that is right.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cascaded::clock::Clock;
use cascaded::demo::{STANDARD, Scale, standards_folder};

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Said, Speech, command};

fn check(configuration: &Path) -> Said {
    command(Speech::English, &["check", "--config", configuration.to_str().unwrap()])
}

/// Copies a folder of files and folders.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// One problem says this of this place.
fn told(said: &Said, place: &str, what: &str) -> bool {
    let place = format!("where: {place}");
    said.err.split("error: ").any(|problem| problem.contains(&place) && problem.contains(what))
}

/// Plants one mistake by replacing a text that is there.
fn plant(text: &mut String, right: &str, wrong: &str) {
    assert!(text.contains(right), "nothing to plant {wrong} in");
    *text = text.replacen(right, wrong, 1);
}

/// A configuration of the city's with one mistake of every kind, beside the right one.
fn spoilt(city: &TestCity) -> std::path::PathBuf {
    let mut text = std::fs::read_to_string(city.configuration_file()).unwrap();
    // A section and a key that nobody knows.
    plant(&mut text, "city = ", "citty = \"x\"\ncity = ");
    plant(&mut text, "[control]\n", "[control]\nsockets = 1\n");
    // A directory of a standard that says nonsense.
    let broken = city.path().join("standards/broken-xml/1.0");
    copy(&standards_folder().unwrap().join(STANDARD), &broken);
    let entry = broken.join("messages/entry.csv");
    let table = std::fs::read_to_string(&entry).unwrap();
    std::fs::write(&entry, table.replacen("entry.title", "entry.titel", 1)).unwrap();
    plant(&mut text, "standards = [", "standards = [\"standards\", ");
    // A second channel of the same name, with a standard that nobody wrote.
    plant(
        &mut text,
        "\n[[source]]",
        "\n[[channel]]\nid = \"province\"\nstandard = \"of-nobody/9\"\n\
         [channel.province]\nurl = \"https://127.0.0.1:1\"\n\n[[source]]",
    );
    // A secret that others can read.
    std::fs::set_permissions(
        city.path().join("keys/ledger.key"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    // Sources: one twice, one whose file is missing.
    plant(
        &mut text,
        "[[source]]\nkind = \"folder\"",
        "[[source]]\nkind = \"sqlite\"\n\
         id = \"gone\"\npath = \"gone.sqlite\"\n\n[[source]]\nkind = \"folder\"",
    );
    plant(
        &mut text,
        "[catalogue]",
        "[[source]]\nkind = \"folder\"\nid = \"files\"\n\
         path = \"files\"\n\n[catalogue]",
    );
    // Datasets: a column that the source lacks, a zone that is none, a key that is no column.
    plant(
        &mut text,
        "{ name = \"name\", type = \"text\" }",
        "{ name = \"nahme\", type = \"text\" }",
    );
    plant(&mut text, "id = \"5151-0201\"", "id = \"5151-0201\"\nzone = \"Asia/Chengdu\"");
    let path = city.path().join("spoilt.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn every_planted_mistake_is_told_at_once_with_its_place_and_ends_in_78() {
    run(async {
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await;
        let path = spoilt(&city);
        let said = check(&path);
        assert_eq!(said.code, Some(78), "{said:?}");
        assert_eq!(said.out, "");
        for (place, what) in [
            ("citty", "did you mean `city`?"),
            ("control", "unknown field `sockets`"),
            (&city.path().join("standards/broken-xml/1.0").display().to_string(), "entry.titel"),
            ("channel.province.standard", "of-nobody/9"),
            ("channel.province.id", "this id appears twice"),
            ("ledger.key_file", "others"),
            ("source.gone.path", "no such file"),
            ("source.files.id", "this id appears twice"),
            ("dataset.5151-0101.rule[0]", "no column `name`"),
            ("dataset.5151-0201", "Asia/Chengdu"),
        ] {
            assert!(
                told(&said, place, what),
                "{place} {what}:
{}",
                said.err
            );
        }
        // Each has a code, and the daemon refuses to run on it with the same words.
        assert_eq!(said.err.matches("error: ").count(), said.err.matches("\n  [E-").count());
        let run = command(Speech::English, &["run", "--config", path.to_str().unwrap()]);
        assert_eq!((run.code, &run.err), (Some(78), &said.err));
        assert!(!city.path().join("ledger").exists(), "nothing was touched");
        city.close().await;
    });
}

#[test]
fn what_only_files_and_sources_know_is_told_together_with_the_rest() {
    run(async {
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await;
        let mut text = std::fs::read_to_string(city.configuration_file()).unwrap();
        plant(
            &mut text,
            "{ name = \"cert_no\", type = \"text\" }",
            "{ name = \"cert_number\", type = \"text\" }",
        );
        text = text.replace("\"cert_no\"", "\"cert_number\"");
        plant(&mut text, "[pace]", "[pase]\n\n[pace]");
        std::fs::write(city.configuration_file(), text).unwrap();
        std::fs::set_permissions(
            city.path().join("keys/secret"),
            std::fs::Permissions::from_mode(0o644),
        )
        .unwrap();
        let said = check(city.configuration_file());
        assert_eq!(said.code, Some(78), "{said:?}");
        for (place, what) in [
            ("pase", "did you mean `pace`?"),
            ("channel.province.province", "keys/secret"),
            ("dataset.5151-0101", "cert_number"),
        ] {
            assert!(
                told(&said, place, what),
                "{place} {what}:
{}",
                said.err
            );
        }
        let secret = std::fs::read_to_string(city.path().join("keys/secret")).unwrap();
        assert!(!said.err.contains(&secret));
        city.close().await;
    });
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_one_clear_message() {
    let missing = check(Path::new("/nonexistent/cascaded.toml"));
    assert_eq!(missing.code, Some(78));
    assert!(missing.err.contains("where: /nonexistent/cascaded.toml"), "{}", missing.err);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cascaded.toml");
    std::fs::write(&path, "city = \"x\"\n[ledger\n").unwrap();
    let broken = check(&path);
    assert_eq!(broken.code, Some(78));
    assert!(broken.err.contains("line 2"), "{}", broken.err);
    assert_eq!(broken.err.matches("[E-CONFIG]").count(), 1, "{}", broken.err);
}

#[test]
fn a_right_configuration_is_said_to_be_right_in_both_languages() {
    run(async {
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await;
        let path = city.configuration_file().to_str().unwrap();
        for (speech, words) in
            [(Speech::Chinese, "配置无误"), (Speech::English, "the configuration is right")]
        {
            let said = command(speech, &["check", "--config", path]);
            assert_eq!(said.code, Some(0), "{said:?}");
            assert!(said.err.starts_with(words), "{said:?}");
        }
        city.close().await;
    });
}
