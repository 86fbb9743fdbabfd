//! Broken directories: each is refused with file, row, reason and a stable code.

use super::super::{Code, Files, Problem, files, load};
use super::{shipped, told};

/// The shipped directory with one text replaced in one file.
fn with(file: &str, from: &str, to: &str) -> Files {
    let mut files = shipped();
    let text = String::from_utf8(files.remove(file).unwrap()).unwrap();
    assert!(text.contains(from), "{file} does not contain {from}");
    files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    files
}

fn problems(files: &Files) -> Vec<Problem> {
    load(files).err().unwrap_or_default()
}

/// The directory is refused with this code, in this file and row, for this reason.
#[track_caller]
fn refused(files: &Files, code: Code, file: &str, row: Option<usize>, reason: &str) -> Problem {
    let found = problems(files);
    // Lines of the settings move with every edit of the shipped file: they have tests of their own.
    let in_settings = file == "standard.toml" && row.is_none();
    let fits = |it: &&Problem| {
        it.code == code
            && it.file == file
            && (it.row == row || in_settings)
            && it.what.contains(reason)
    };
    let Some(problem) = found.iter().find(fits) else {
        panic!("no {} at {file} {row:?} ({reason}) in:\n{}", code.as_str(), told(&found));
    };
    problem.clone()
}

#[test]
fn a_missing_file_is_named() {
    let mut files = shipped();
    files.remove("messages/entry.csv");
    refused(&files, Code::File, "standard.toml", None, "messages/entry.csv");
    files.remove("standard.toml");
    refused(&files, Code::File, "standard.toml", None, "has this file");
    let mut files = shipped();
    files.remove("codes/share_way.csv");
    refused(&files, Code::File, "messages/entry.csv", Some(16), "codes/share_way.csv");
    let mut files = shipped();
    files.remove("replies/receipt.csv");
    refused(&files, Code::File, "standard.toml", None, "replies/receipt.csv");
}

#[test]
fn an_unknown_value_comes_with_what_was_meant() {
    let files = with("messages/entry.csv", ",entry.title,", ",entry.titel,");
    let file = "messages/entry.csv";
    let problem = refused(&files, Code::Value, file, Some(6), "no such value `entry.titel`");
    assert_eq!(problem.meant.as_deref(), Some("entry.title"));
    assert_eq!(
        problem.to_string(),
        "messages/entry.csv row 6 (Catalog/ResourceName): no such value `entry.titel`; \
         did you mean `entry.title`? [E-STANDARD-VALUE]"
    );
}

#[test]
fn a_path_that_cannot_be_read_is_refused() {
    let files = with("messages/entry.csv", "Catalog/Abstract", "Catalog//Abstract");
    refused(&files, Code::Path, "messages/entry.csv", Some(12), "empty step");
    let files = with("messages/entry.csv", "Catalog/Abstract", "nobody:Catalog/Abstract");
    refused(&files, Code::Path, "messages/entry.csv", Some(12), "not declared");
    let files = with("replies/state.csv", "Reply/State", "Reply/@State/x");
    refused(&files, Code::Path, "replies/state.csv", Some(3), "attribute");
}

#[test]
fn ways_to_sign_let_in_and_hide_that_cannot_be_are_refused() {
    let file = "standard.toml";
    let bent = |from: &str, to: &str, code, reason: &str| {
        refused(&with(file, from, to), code, file, None, reason);
    };
    let (key, into) = ("key = \"credential.secret\"", "into = \"header:X-Signature\"");
    let algorithm = "algorithm = \"hmac-sha256\"";
    bent(algorithm, "algorithm = \"hmac-md5\"", Code::Key, "none of");
    bent(algorithm, "algorithm = \"sm3\"", Code::Key, "means nothing for a digest");
    bent(algorithm, &format!("{algorithm}\nform = \"raw\""), Code::Key, "for sm2 alone");
    bent(key, "", Code::Key, "is required");
    bent(key, "key = \"token\"", Code::Key, "with [auth]");
    bent(into, "into = \"cookie:x\"", Code::Key, "`header:NAME`, `query:NAME` or `body`");
    bent(into, "into = \"body\"", Code::Operation, "is not signed");
    bent("{body.sha256}", "{signature}", Code::Value, "no such value `signature`");
    bent("{body.sha256}", "{field Catalog//Abstract}", Code::Path, "is no path");
    let more = |text: &str| format!("{text}\n[limits]");
    for (section, reason) in [
        ("[auth]\nkind = \"basic\"\nuser = \"credential.u\"", "is required for this kind"),
        ("[auth]\nkind = \"basic\"\nuser = \"u\"\npassword = \"credential.p\"", "`u` is not"),
        (
            "[auth]\nkind = \"secret-exchange\"\npath = \"/s\"\ntoken = \"T\"",
            "is required for this kind",
        ),
        (
            "[auth]\nkind = \"oauth-client-credentials\"\npath = \"/t\"\ntoken = \"T\"\nkey = \"credential.k\"",
            "means nothing for this kind",
        ),
        ("[encrypt]\nalgorithm = \"sm4-cbc\"\nkey = \"credential.k\"", "`prefix` or"),
        (
            "[encrypt]\nalgorithm = \"sm4-ecb\"\nkey = \"credential.k\"\niv = \"prefix\"",
            "for sm4-cbc alone",
        ),
        (
            "[encrypt]\nalgorithm = \"sm4-ecb\"\nkey = \"credential.k\"\nover = \"fields\"\nencode = \"raw\"",
            "a field holds text",
        ),
    ] {
        bent("[limits]", &more(section), Code::Key, reason);
    }
    let message = "messages/heartbeat.csv";
    let text = String::from_utf8(shipped()[message].clone()).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let (first, others) = rest.split_once('\n').unwrap();
    let hidden = |cell: &str| {
        let mut files = shipped();
        let text = format!("{head},encrypt\n{first},{cell}\n");
        let others: String = others.lines().map(|line| format!("{line},\n")).collect();
        files.insert(message.to_owned(), format!("{text}{others}").into_bytes());
        files
    };
    refused(&hidden("yes"), Code::Value, message, Some(2), "there is no [encrypt]");
    refused(&hidden("maybe"), Code::Rule, message, Some(2), "neither yes nor empty");
}

#[test]
fn a_rule_that_names_no_field_is_refused() {
    let from = "entry.share_type == conditional";
    let files = with("messages/entry.csv", from, "entry.sharetype == conditional");
    let file = "messages/entry.csv";
    let problem = refused(&files, Code::Condition, file, Some(15), "entry.sharetype");
    assert_eq!(problem.meant.as_deref(), Some("entry.share_type"));
    let files = with(file, from, "entry.share_type == conditionl");
    let problem = refused(&files, Code::Condition, file, Some(15), "is never `conditionl`");
    assert_eq!(problem.meant.as_deref(), Some("conditional"));
    refused(
        &with(file, from, "entry.share_type = none"),
        Code::Condition,
        file,
        Some(15),
        "no meaning",
    );
}

#[test]
fn a_circle_of_operations_is_refused() {
    let files =
        with("standard.toml", "needs = [\"category\"]", "needs = [\"category\", \"resource\"]");
    refused(&files, Code::Cycle, "standard.toml", None, "category, entry, resource");
}

#[test]
fn a_need_nobody_can_register_is_refused() {
    let files = with("standard.toml", "needs = [\"entry\"]", "needs = [\"catalogue\"]");
    refused(&files, Code::Operation, "standard.toml", None, "no kind of object");
    refused(&files, Code::Operation, "messages/resource.csv", Some(4), "needs `entry`");
}

#[test]
fn a_path_that_leaves_the_directory_is_refused() {
    let mut files = shipped();
    files.insert("messages/../../secret.csv".to_owned(), Vec::new());
    refused(&files, Code::Outside, "messages/../../secret.csv", None, "leaves");
    let from = "message = \"heartbeat\"";
    let files = with("standard.toml", from, "message = \"../heartbeat\"");
    refused(&files, Code::Outside, "standard.toml", None, "messages/../heartbeat.csv");
    let files = with("standard.toml", "reply = \"state\"", "reply = \"../../state\"");
    refused(&files, Code::Outside, "standard.toml", None, "leaves the folder `replies`");
    let file = "messages/entry.csv";
    let files = with(file, "code,,,yes,update_cycle,", "code,,,yes,../update_cycle,");
    let row = 1 + text_of(&files, file).lines().position(|it| it.contains("../update")).unwrap();
    refused(&files, Code::Outside, file, Some(row), "leaves the folder `codes`");
    let files = with("standard.toml", "\"/cascade/v1/heartbeat\"", "\"/../heartbeat\"");
    refused(&files, Code::Outside, "standard.toml", None, "leaves the channel's address");
}

#[test]
fn a_code_list_without_a_needed_word_is_refused() {
    let files = with("codes/entry.share_type.csv", "conditional,1,有条件共享\n", "");
    let files = if problems(&files).iter().any(|it| it.code == Code::Codes) {
        files
    } else {
        with("codes/entry.share_type.csv", "\nconditional,1,有条件共享", "")
    };
    refused(&files, Code::Codes, "codes/entry.share_type.csv", Some(3), "lacks conditional");
    let files = with("codes/verdict.csv", "failed,2,不通过", "");
    refused(&files, Code::Codes, "replies/verdict.csv", Some(3), "no code for `failed`");
}

#[test]
fn a_word_without_a_code_loads_and_is_a_gap_that_was_thought_of() {
    let files = with("codes/update_cycle.csv", "realtime,8,", "realtime,,");
    assert_eq!(told(&problems(&files)), "");
}

#[test]
fn a_constant_needs_its_clause() {
    let files = with("messages/entry.csv", ",yes,,M4.2,model", ",yes,,,model");
    refused(&files, Code::Rule, "messages/entry.csv", Some(2), "needs the clause");
}

#[test]
fn every_mistake_of_standard_toml_is_told_at_once() {
    let files = with("standard.toml", "timeout = \"30s\"", "timeuot = \"30s\"");
    let text = String::from_utf8(files["standard.toml"].clone()).unwrap();
    let text = text
        .replace("bytes = \"4MiB\"", "bytes = \"4 megs\"")
        .replace("compress = \"gzip\"", "compress = \"gzpi\"")
        .replace("evidence = \"receipt\"", "evidence = \"recept\"")
        .replace("{body.sha256}", "{body.sha265}");
    let mut files = files;
    files.insert("standard.toml".to_owned(), text.into_bytes());
    let file = "standard.toml";
    let problem = refused(&files, Code::Key, file, None, "no such key");
    assert_eq!(problem.meant.as_deref(), Some("timeout"));
    refused(&files, Code::Key, file, None, "must be a size");
    refused(&files, Code::Key, file, None, "`gzpi` is none of");
    refused(&files, Code::Key, file, None, "`recept` is none of");
    refused(&files, Code::Value, file, None, "body.sha265");
}

#[test]
fn text_that_is_no_table_is_refused_and_nothing_panics() {
    refused(
        &with("standard.toml", "[limits]", "[limits"),
        Code::Format,
        "standard.toml",
        Some(54),
        "not TOML",
    );
    let mut files = shipped();
    files.insert("messages/entry.csv".to_owned(), vec![0xff, 0xfe, b',', b'\n']);
    assert!(problems(&files).iter().any(|it| it.code == Code::Format));
    let files = with("messages/receipt.csv", "path,title", "paht,title");
    let problem = refused(&files, Code::Format, "messages/receipt.csv", Some(1), "no such column");
    assert_eq!(problem.meant.as_deref(), Some("path"));
}

#[test]
fn a_code_in_two_classes_is_refused() {
    let files = with("standard.toml", "accepted = [\"0000\"]", "accepted = [\"0000\", \"1001\"]");
    refused(&files, Code::Reply, "standard.toml", None, "both accepted and exists");
}

#[test]
fn an_unknown_operation_or_meaning_is_refused_with_what_was_meant() {
    let files = with("standard.toml", "\"rows.upsert\"", "\"rows.upset\"");
    let problem = refused(&files, Code::Operation, "standard.toml", None, "no such operation");
    assert_eq!(problem.meant.as_deref(), Some("rows.upsert"));
    let files = with("replies/verdict.csv", "row.verdict", "row.verdit");
    let problem = refused(&files, Code::Reply, "replies/verdict.csv", Some(3), "no such meaning");
    assert_eq!(problem.meant.as_deref(), Some("row.verdict"));
}

#[test]
fn a_sample_that_cannot_satisfy_its_own_table_is_refused() {
    let from = "Catalog/SharedWays,共享方式,,entry.share_type != none,\"entry.share_ways joined \"\",\"\"\",text,,50";
    let to = "Catalog/SharedWays,共享方式,,entry.share_type != none,\"entry.share_ways joined \"\",\"\"\",text,,40..50";
    let files = with("messages/entry.csv", from, to);
    refused(&files, Code::Sample, "messages/entry.csv", Some(16), "no sample of `entry.register`");
}

fn text_of(files: &Files, file: &str) -> String {
    String::from_utf8(files[file].clone()).unwrap()
}

/// Whatever is wrong in the settings is told with the line that a person has to look at.
#[test]
fn a_mistake_in_the_settings_is_told_with_its_line() {
    for (from, to, reason, at) in [
        ("timeout = \"30s\"", "timeuot = \"30s\"", "no such key", "timeuot = "),
        ("bytes = \"4MiB\"", "bytes = \"4 megs\"", "must be a size", "bytes = \"4 megs"),
        ("\"rows.upsert\"", "\"rows.upset\"", "no such operation", "name = \"rows.upset\""),
        ("message = \"entry\"", "message = \"entries\"", "no table", "name = \"entry.register\""),
        ("\"/cascade/v1/heartbeat\"", "\"/../x\"", "leaves the channel", "name = \"heartbeat\""),
        ("needs = [\"category\"]", "needs = [\"category\", \"resource\"]", "circle", "circle"),
        // What is missing is told where it belongs.
        ("key = \"credential.secret\"", "", "is required", "[sign]"),
        ("accepted = [\"0000\"]", "accepted = [\"0000\", \"1001\"]", "both", "[reply]"),
    ] {
        let files = with("standard.toml", from, to);
        let text = text_of(&files, "standard.toml");
        let found = problems(&files);
        let problem = found.iter().find(|it| it.what.contains(reason)).unwrap_or_else(|| {
            panic!("{reason} is not in:\n{}", told(&found));
        });
        let row = problem.row.unwrap_or_else(|| panic!("no line: {problem}"));
        let line = text.lines().nth(row - 1).unwrap();
        let expected = if at == "circle" { "needs = [" } else { at };
        assert!(line.contains(expected), "{problem}: line {row} is {line}");
    }
}

#[test]
fn a_dictionary_lists_refusals() {
    let listed = |codes: &str| with("standard.toml", "[reply]\n", &format!("[reply]\n{codes}\n"));
    assert_eq!(problems(&listed("dictionary = [\"3012\", \"31*\"]")), []);
    let files = listed("dictionary = [\"0000\"]");
    refused(&files, Code::Reply, "standard.toml", None, "`0000` of `dictionary` is not `refused`");
}

/// A breakage: its name, the file and the texts that break it, what is told, and where: the file and
/// a text of the row.
struct Broken {
    what: &'static str,
    edit: (&'static str, &'static str, &'static str),
    code: Code,
    reason: &'static str,
    at: (&'static str, &'static str),
}

const fn broken(
    what: &'static str,
    edit: (&'static str, &'static str, &'static str),
    code: Code,
    reason: &'static str,
    at: (&'static str, &'static str),
) -> Broken {
    Broken { what, edit, code, reason, at }
}

const TOML: &str = "standard.toml";
const WORK: &str = "messages/work.csv";
const ENTRY: &str = "messages/entry.csv";

const XML: [Broken; 7] = [
    broken(
        "missing file",
        (TOML, "message = \"entry\"", "message = \"gone\""),
        Code::File,
        "messages/gone.csv",
        (TOML, "name = \"entry.register\""),
    ),
    broken(
        "unknown value",
        (ENTRY, ",entry.title,", ",entry.titel,"),
        Code::Value,
        "no such value `entry.titel`",
        (ENTRY, "entry.titel"),
    ),
    broken(
        "path",
        (ENTRY, "Catalog/Abstract", "Catalog/<Abstract"),
        Code::Path,
        "`<Abstract`",
        (ENTRY, "<Abstract"),
    ),
    broken(
        "no field",
        (ENTRY, "entry.share_type != none", "entry.no_field != none"),
        Code::Condition,
        "entry.no_field",
        (ENTRY, "entry.no_field"),
    ),
    broken(
        "circle",
        (TOML, "needs = [\"category\"]", "needs = [\"category\", \"resource\"]"),
        Code::Cycle,
        "category, entry, resource",
        (TOML, "needs = [\"category\", \"resource\"]"),
    ),
    broken(
        "outside",
        (ENTRY, ",update_cycle,", ",../../update_cycle,"),
        Code::Outside,
        "leaves the folder `codes`",
        (ENTRY, "../../update_cycle"),
    ),
    broken(
        "word",
        ("codes/resource.kind.csv", "\nfile,", "\nfiel,"),
        Code::Codes,
        "lacks file",
        ("codes/resource.kind.csv", "api,"),
    ),
];

const JSON: [Broken; 7] = [
    broken(
        "missing file",
        (TOML, "reply = \"made\"", "reply = \"gone\""),
        Code::File,
        "replies/gone.csv",
        (TOML, "name = \"entry.register\""),
    ),
    broken(
        "unknown value",
        (WORK, ",item.title,", ",item.titel,"),
        Code::Value,
        "no such value `item.titel`",
        (WORK, "item.titel"),
    ),
    broken(
        "path",
        (WORK, "about.text", "about..text"),
        Code::Path,
        "empty step",
        (WORK, "about..text"),
    ),
    broken(
        "no field",
        (WORK, "entry.share_type == conditional", "present entry.no_field"),
        Code::Condition,
        "entry.no_field",
        (WORK, "entry.no_field"),
    ),
    broken(
        "circle",
        (
            TOML,
            "message = \"work\"\nreply = \"made\"",
            "message = \"work\"\nreply = \"made\"\nneeds = [\"resource\"]",
        ),
        Code::Cycle,
        "entry, resource",
        (TOML, "needs = [\"resource\"]"),
    ),
    broken(
        "outside",
        (TOML, "path = \"/beat\"", "path = \"/../../beat\""),
        Code::Outside,
        "leaves the channel's address",
        (TOML, "name = \"heartbeat\""),
    ),
    broken(
        "word",
        ("codes/verdict.csv", "\nfailed,-", ""),
        Code::Codes,
        "no code for `failed`",
        ("replies/verdicts.csv", "row.verdict"),
    ),
];

/// The seven ways to break a standard that a release is judged by, over XML and over JSON.
#[test]
fn a_broken_standard_is_refused_with_file_row_and_reason_whatever_it_speaks() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let sixth = files(&root.join("tests/it/sixth/standards/river-json/1")).unwrap();
    assert_eq!(told(&problems(&sixth)), "");
    for (whole, all) in [(shipped(), XML), (sixth, JSON)] {
        for Broken { what, edit: (file, from, to), code, reason, at: (place, row) } in all {
            let mut files = whole.clone();
            let text = text_of(&files, file);
            assert!(text.contains(from), "{what}: {file} does not contain {from}");
            files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
            let found = problems(&files);
            let line = text_of(&files, place).lines().position(|line| line.contains(row));
            let is_it = |it: &&Problem| {
                (it.code, it.file.as_str(), it.row) == (code, place, line.map(|at| at + 1))
                    && it.what.contains(reason)
            };
            assert!(
                line.is_some() && found.iter().any(|it| is_it(&it)),
                "{what}:\n{}",
                told(&found)
            );
        }
    }
}

#[test]
fn rows_as_arrays_must_say_which_column_is_which() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = files(&root.join("tests/it/sixth/standards/river-json/1")).unwrap();
    let file = "messages/rows.csv";
    let text = text_of(&files, file);
    for (from, to) in [
        ("dataset.columns", "dataset.id"),
        ("dataset.columns,text,2000,yes", "dataset.columns,text,2000,no"),
    ] {
        assert!(text.contains(from));
        files.insert(file.to_owned(), text.replace(from, to).into_bytes());
        refused(&files, Code::Value, file, None, "which column is which");
    }
}
