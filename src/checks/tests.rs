//! Every rule on rows, and every mistake a configuration can make.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::row::{Column, ColumnType, Keyer, Page};

const COLUMNS: [(&str, ColumnType); 9] = [
    ("id", ColumnType::Text),
    ("credit", ColumnType::Text),
    ("kind", ColumnType::Text),
    ("card", ColumnType::Text),
    ("amount", ColumnType::Decimal),
    ("start", ColumnType::Date),
    ("changed", ColumnType::Time),
    ("open", ColumnType::Boolean),
    ("count", ColumnType::Integer),
];

const CLEAN: [Option<&str>; 9] = [
    Some("a1"),
    Some("91510100MA6C8A7M4M"),
    Some("01"),
    Some("11010519491231002X"),
    Some("12.50"),
    Some("2026-11-22"),
    Some("2026-11-22T15:00:00"),
    Some("true"),
    Some("3"),
];

fn columns() -> Vec<Column> {
    COLUMNS.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind }).collect()
}

fn compile(rules: &str) -> Result<Rules, Vec<Problem>> {
    #[derive(serde::Deserialize)]
    struct Dataset {
        #[serde(default)]
        rule: Vec<RuleSettings>,
    }
    let dataset: Dataset = toml::from_str(rules).unwrap();
    let table = CodeTable::parse("code,title,from,until\n110105,朝阳,,1940-01-01\n511900,巴中,,\n");
    let tables = BTreeMap::from([("regions".to_owned(), table.unwrap())]);
    Rules::compile(&dataset.rule, &columns(), &tables)
}

/// A page with one row: the clean one with some cells replaced.
fn page(changes: &[(&str, Option<&str>)]) -> Page {
    let mut page = Page::new(COLUMNS.len());
    for ((name, _), clean) in COLUMNS.iter().zip(CLEAN) {
        let change = changes.iter().find(|(changed, _)| changed == name);
        match change.map_or(clean, |(_, value)| *value) {
            Some("<malformed>") => page.push_malformed("not UTF-8"),
            Some(text) => page.push(text),
            None => page.push_null(),
        }
    }
    page.end_row().unwrap();
    page
}

fn pass<'j>(rules: &Rules) -> Pass<'j> {
    // 15:30 in Shanghai.
    let now: Timestamp = "2026-11-22T07:30:00Z".parse().unwrap();
    Pass::new(rules, now, &TimeZone::get("Asia/Shanghai").unwrap())
}

fn found(rules: &Rules, changes: &[(&str, Option<&str>)]) -> Vec<String> {
    let page = page(changes);
    let mut violations = Vec::new();
    let valid = rules.check(page.row(0).unwrap(), &mut pass(rules), &mut violations);
    assert_eq!(valid.is_some(), violations.is_empty());
    violations
        .iter()
        .map(|violation| {
            let rule = rules.rule(*violation).unwrap();
            format!("{} {}", rule.name, violation.finding.as_str())
        })
        .collect()
}

/// One rule; changes to the clean row with the finding they make, `""` for none.
#[track_caller]
fn check(rule: &str, cases: &[(&str, Option<&str>, &str)]) {
    let rules = compile(&format!("[[rule]]\nname = \"it\"\n{rule}")).unwrap();
    assert_eq!(found(&rules, &[]), Vec::<String>::new(), "the clean row passes {rule}");
    for (column, value, finding) in cases {
        let expect = if finding.is_empty() { vec![] } else { vec![format!("it {finding}")] };
        assert_eq!(found(&rules, &[(column, *value)]), expect, "{rule}: {column} = {value:?}");
    }
}

#[test]
fn the_rules_that_are_always_on_need_no_configuration() {
    let rules = compile("").unwrap();
    assert_eq!(found(&rules, &[]), Vec::<String>::new());
    for (column, value, expect) in [
        ("id", "<malformed>", "malformed malformed"),
        ("id", "a\u{1}", "control-character control-character"),
        ("amount", "1,5", "type wrong-type"),
        ("start", "2026-02-29", "type wrong-type"),
        ("changed", "2026-11-22 15:00:00", "type wrong-type"),
        ("open", "是", "type wrong-type"),
        ("count", "1.0", "type wrong-type"),
    ] {
        assert_eq!(found(&rules, &[(column, Some(value))]), [expect]);
    }
    assert_eq!(found(&rules, &[("amount", Some("")), ("start", None)]), Vec::<String>::new());
}

#[test]
fn presence_length_codes_and_pattern() {
    check(
        "rule = \"required\"\ncolumn = \"id\"",
        &[
            ("id", None, "missing"),
            ("id", Some(""), "missing"),
            ("id", Some(" \u{3000}"), "missing"),
            ("id", Some("　a"), ""),
        ],
    );
    check("rule = \"change-time\"\ncolumn = \"changed\"", &[("changed", None, "missing")]);
    check(
        "rule = \"length\"\ncolumn = \"id\"\nmin = 2\nmax = 3",
        &[
            ("id", Some("数"), "too-short"),
            ("id", Some("数据库"), ""),
            ("id", Some("数据库表"), "too-long"),
            ("id", Some("abcd"), "too-long"),
            ("id", None, ""),
        ],
    );
    check(
        "rule = \"code-list\"\ncolumn = \"kind\"\ncodes = [\"01\", \"02\"]\nwaived = [\"9\"]",
        &[("kind", Some("02"), ""), ("kind", Some("9"), ""), ("kind", Some("03"), "not-in-codes")],
    );
    check(
        "rule = \"pattern\"\ncolumn = \"id\"\npattern = 'a\\d|b'",
        &[
            ("id", Some("b"), ""),
            ("id", Some("a1x"), "pattern-mismatch"),
            ("id", Some("xb"), "pattern-mismatch"),
            ("id", Some("b\n"), "pattern-mismatch"),
        ],
    );
    let codes: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    check(
        &format!("rule = \"code-list\"\ncolumn = \"kind\"\ncodes = {codes:?}"),
        &[("kind", Some("19"), ""), ("kind", Some("20"), "not-in-codes")],
    );
}

#[test]
fn numbers_dates_and_times_have_ranges() {
    check(
        "rule = \"range\"\ncolumn = \"amount\"\nmin = \"0.01\"\nmax = 50",
        &[
            ("amount", Some("0.01"), ""),
            ("amount", Some("50.00"), ""),
            ("amount", Some("50.001"), "too-large"),
            ("amount", Some("0"), "too-small"),
            ("amount", Some("-1"), "too-small"),
            ("amount", Some("99999999999999999999999999999999999"), "too-large"),
            ("amount", Some("-99999999999999999999999999999999999"), "too-small"),
        ],
    );
    check(
        "rule = \"range\"\ncolumn = \"start\"\nmin = \"2000-01-01\"\nnot_future = true",
        &[
            ("start", Some("1999-12-31"), "too-small"),
            ("start", Some("2000-01-01"), ""),
            ("start", Some("2026-11-23"), "in-future"),
        ],
    );
    check(
        "rule = \"range\"\ncolumn = \"changed\"\nmax = \"2026-11-22\"\nnot_future = true",
        &[
            ("changed", Some("2026-11-22T15:35:00"), ""),
            ("changed", Some("2026-11-22T15:35:01"), "in-future"),
            ("changed", Some("2026-11-23T00:00:00"), "too-large"),
        ],
    );
}

#[test]
fn codes_of_the_state_are_judged_where_they_are_meant() {
    check(
        "rule = \"credit-code\"\ncolumn = \"credit\"\nwaived = [\"91510100MA6C8A7M4Y\"]",
        &[
            ("credit", Some("91510100MA6C8A7M4X"), "credit-check-digit"),
            ("credit", Some("91510100MA6C8A7M4Y"), ""),
            ("credit", Some("91510100ma6c8a7m4m"), "lower-case"),
            ("credit", Some("1"), "code-length"),
        ],
    );
    let card = "rule = \"id-card\"\ncolumn = \"card\"\nwhen_column = \"kind\"\nwhen_in = [\"01\"]";
    check(card, &[("card", Some("E12345678"), "code-length"), ("card", None, "")]);
    let rules = compile(&format!("[[rule]]\n{card}")).unwrap();
    let passport = [("card", Some("E12345678")), ("kind", Some("02"))];
    assert_eq!(found(&rules, &passport), Vec::<String>::new());
    let unknown = [("card", Some("E12345678")), ("kind", None)];
    assert_eq!(found(&rules, &unknown), Vec::<String>::new());
    let rules =
        compile("[[rule]]\nrule = \"id-card\"\ncolumn = \"card\"\ncode_table = \"regions\"");
    assert_eq!(found(&rules.unwrap(), &[]), ["id-card(card) card-region"]);
}

#[test]
fn fillers_and_conditions_over_several_cells() {
    check(
        "rule = \"placeholder\"\ncolumns = [\"id\", \"credit\"]",
        &[
            ("id", Some("1"), "placeholder"),
            ("id", Some(" NULL "), "placeholder"),
            ("credit", Some("测试"), "placeholder"),
            ("id", Some("10"), ""),
        ],
    );
    check(
        "rule = \"placeholder\"\ncolumn = \"id\"\nwords = [\"占位\"]",
        &[("id", Some("占位"), "placeholder"), ("id", Some("1"), "")],
    );
    check(
        "rule = \"cross-field\"\nexpression = 'amount > 10 and start <= today or not open'",
        &[
            ("amount", Some("9"), "condition-false"),
            ("amount", None, ""),
            ("start", Some("2026-11-23"), "condition-false"),
            ("open", Some("false"), ""),
        ],
    );
}

#[test]
fn all_violations_of_a_row_come_at_once() {
    let rules = compile(
        "[[rule]]\nrule = \"required\"\ncolumns = [\"id\", \"card\"]\n\
         [[rule]]\nrule = \"credit-code\"\ncolumn = \"credit\"\n\
         [[rule]]\nrule = \"placeholder\"\ncolumn = \"credit\"",
    )
    .unwrap();
    let changes = [("id", None), ("card", None), ("credit", Some("1")), ("count", Some("x"))];
    assert_eq!(
        found(&rules, &changes),
        [
            "required(id,card) missing",
            "credit-code(credit) code-length",
            "placeholder(credit) placeholder",
            "required(id,card) missing",
            "type wrong-type",
        ]
    );
}

#[test]
fn uniqueness_is_judged_by_digest_and_never_assumed() {
    let rules = compile("[[rule]]\nrule = \"unique\"\ncolumns = [\"id\", \"kind\"]").unwrap();
    assert!(rules.needs_judge());
    assert_eq!(found(&rules, &[]), ["unique(id,kind) unjudged"]);
    let keyer = Keyer::new(b"secret");
    let mut seen = std::collections::HashSet::new();
    let mut is_taken = |rule, digest| !seen.insert((rule, digest));
    let mut pass = pass(&rules).judged_by(&keyer, &mut is_taken);
    let mut judge = |changes: &[(&str, Option<&str>)]| {
        let mut violations = Vec::new();
        let page = page(changes);
        rules.check(page.row(0).unwrap(), &mut pass, &mut violations);
        violations.first().map(|violation| violation.finding)
    };
    assert_eq!(judge(&[("count", Some("x"))]), Some(Finding::WrongType));
    assert_eq!(judge(&[]), None, "a refused row held nothing");
    assert_eq!(judge(&[]), Some(Finding::Duplicate));
    assert_eq!(judge(&[("kind", None)]), None);
    assert_eq!(judge(&[("kind", None), ("id", None)]), None, "nothing is equal to nothing");
    assert_eq!(judge(&[("kind", None), ("id", None)]), None);
    assert!(seen.contains(&(3, keyer.key("a1|01"))));
}

#[test]
fn rules_count_how_often_they_ran_and_waivers_how_often_they_helped() {
    let rules = compile(
        "[[rule]]\nrule = \"credit-code\"\ncolumn = \"credit\"\nwaived = [\"91510100MA6C8A7M4Y\"]\n\
         [[rule]]\nrule = \"id-card\"\ncolumn = \"card\"\nwhen_column = \"kind\"\nwhen_in = [\"01\"]",
    )
    .unwrap();
    let mut pass = pass(&rules);
    for changes in [
        vec![],
        vec![("credit", Some("91510100MA6C8A7M4Y"))],
        vec![("credit", Some("x")), ("kind", Some("02"))],
        vec![("credit", None)],
    ] {
        let page = page(&changes);
        rules.check(page.row(0).unwrap(), &mut pass, &mut Vec::new());
    }
    let mut tally = pass.into_tally();
    assert_eq!((tally.rows(), tally.valid()), (4, 3));
    assert_eq!(tally.counts()[0], Count { executed: 4, broken: 0, waived: 0 });
    assert_eq!(tally.counts()[3], Count { executed: 3, broken: 1, waived: 1 });
    assert_eq!(tally.counts()[4], Count { executed: 3, broken: 0, waived: 0 });
    let once = tally.clone();
    tally.add(&once);
    assert_eq!(tally.counts()[3], Count { executed: 6, broken: 2, waived: 2 });
}

const FULL_OF_MISTAKES: &str = r#"
[[rule]]
rule = "requird"
[[rule]]
rule = "required"
columns = ["id", "credti", "id"]
max = 3
[[rule]]
rule = "length"
column = "id"
min = 5
max = 3
[[rule]]
rule = "code-list"
column = "kind"
code_table = "region"
[[rule]]
rule = "range"
column = "amount"
min = "ten"
not_future = true
[[rule]]
rule = "pattern"
column = "id"
pattern = "a)|(b"
[[rule]]
rule = "cross-field"
expression = "amuont > 1 and start > \"yesterday\""
[[rule]]
rule = "id-card"
column = "count"
when_column = "kind"
[[rule]]
rule = "malformed"
[[rule]]
rule = "credit-code"
[[rule]]
rule = "change-time"
name = "length(id)"
column = "changed"
[[rule]]
rule = "range"
column = "start"
max = 3
"#;

#[test]
fn every_mistake_of_a_configuration_is_told_at_once_with_its_place() {
    let problems = compile(FULL_OF_MISTAKES).unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "rule[0].rule: there is no rule `requird` (did you mean `required`?)",
            "rule[1].max: does not belong to rule `required`",
            "rule[1].columns[1]: the dataset has no column `credti` (did you mean `credit`?)",
            "rule[1].columns[2]: `id` is named twice",
            "rule[2].min: is above `max`",
            "rule[3].code_table: there is no code table `region` (did you mean `regions`?)",
            "rule[4].not_future: needs a date or time column",
            "rule[4].min: a number is wanted here, for example 100 or \"0.05\"",
            "rule[5].pattern: is no regular expression: error: unopened group",
            "rule[6].expression: character 1: `amuont` names nothing here (did you mean `amount`?)",
            "rule[6].expression: character 24: \"yesterday\" is no date (`2020-03-01` or `2020-03-01T08:30:00`)",
            "rule[7].when_in: is missing beside `when_column`",
            "rule[7].column: rule `id-card` needs a text column",
            "rule[8].rule: `malformed` is always on",
            "rule[9].column: is missing",
            "rule[10].name: another rule is called `length(id)`",
            "rule[11].max: a date is wanted here, for example \"2020-03-01\"",
        ]
    );
}

#[test]
fn a_key_that_no_rule_has_is_refused_by_name() {
    let error = toml::from_str::<RuleSettings>("rule = \"required\"\ncolum = \"id\"").unwrap_err();
    assert!(error.to_string().contains("unknown field `colum`"), "{error}");
    let error = toml::from_str::<RuleSettings>("rule = \"range\"\nmin = 1.5").unwrap_err();
    assert!(error.to_string().contains("as text"), "{error}");
}

#[test]
fn a_code_table_tells_its_bad_lines() {
    assert_eq!(CodeTable::parse("\u{feff}code\na\nb\n").unwrap().len(), 2);
    let problems = CodeTable::parse("code,from\na,2020-13-01\n,2020-01-01\nb,\n").unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["line 2: `2020-13-01` is no date (`2020-03-01`)", "line 3: the code is empty",]
    );
    assert_eq!(CodeTable::parse("kode\na\n").unwrap_err().len(), 1);
}

#[test]
fn words_survive_a_round_trip() {
    for code in RuleCode::ALL {
        assert_eq!(RuleCode::parse(code.as_str()), Some(code));
    }
}

proptest! {
    #[test]
    fn no_row_panics_and_every_refusal_has_a_rule(cells in prop::collection::vec("\\PC{0,20}|[0-9.T:-]{0,20}", 9)) {
        let rules = compile(
            "[[rule]]\nrule = \"range\"\ncolumn = \"amount\"\nmin = 0\n\
             [[rule]]\nrule = \"cross-field\"\nexpression = 'amount / count > 1 or now > start'\n\
             [[rule]]\nrule = \"length\"\ncolumns = [\"id\", \"kind\"]\nmin = 2\nmax = 9\n\
             [[rule]]\nrule = \"placeholder\"\ncolumn = \"kind\"",
        ).unwrap();
        let mut page = Page::new(9);
        cells.iter().for_each(|cell| page.push(cell));
        page.end_row().unwrap();
        let mut violations = Vec::new();
        let valid = rules.check(page.row(0).unwrap(), &mut pass(&rules), &mut violations);
        prop_assert_eq!(valid.is_some(), violations.is_empty());
        prop_assert!(violations.iter().all(|violation| rules.rule(*violation).is_some()));
    }
}
