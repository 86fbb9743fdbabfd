//! Schemes: what is read, how mistakes are told, and that the page says what the loader accepts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::indicator::measures::MEASURES;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemes")
}

fn shipped(name: &str) -> Scheme {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    Scheme::parse(name, &text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

const HEAD: &str = r#"
id = "s"
title = { zh = "办法", en = "scheme" }
modelled_on = "nothing"
[period]
from = "2026-01"
cut_off = "last day"
publication = "+5 working days"
appeal = "+5 working days"
[[class]]
id = "a"
title = { zh = "甲", en = "a" }
[[cases]]
id = "guides"
title = { zh = "清单", en = "list" }
[[value]]
id = "loss"
title = { zh = "扣分", en = "loss" }
"#;

fn item(lines: &str) -> String {
    format!(
        "{HEAD}[[item]]\nid = \"i\"\nclass = \"a\"\ntitle = {{ zh = \"项\", en = \"item\" }}\n{lines}\n"
    )
}

/// The problems of an item, without the file's name.
#[track_caller]
fn refused(lines: &str, expect: &[&str]) {
    let problems = Scheme::parse("s.toml", &item(lines)).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, expect, "{lines}");
}

#[test]
fn the_shipped_schemes_are_read_and_say_that_they_are_models() {
    for name in ["model-2022.toml", "model-2026.toml"] {
        let scheme = shipped(name);
        assert_eq!(format!("{}.toml", scheme.id), name);
        assert!(!scheme.modelled_on.is_empty());
        assert!(scheme.title.zh.contains("模型") && scheme.title.en.contains("model"), "{name}");
    }
    let worth: Decimal = shipped("model-2026.toml").items.iter().filter_map(|it| it.weight).sum();
    assert_eq!(worth, Decimal::from(100), "the weights of the model");
}

#[test]
fn a_scheme_holds_for_its_months_and_the_newest_one_counts() {
    let with = |from: &str, to: &str| {
        let text = item("kind = \"deduct\"\nknown = \"estimated\"\npoints = \"1\"");
        let to = if to.is_empty() { String::new() } else { format!("\nto = \"{to}\"") };
        let text = text.replace("from = \"2026-01\"", &format!("from = \"{from}\"{to}"));
        Scheme::parse("s.toml", &text).unwrap()
    };
    let schemes = [with("2026-01", ""), with("2026-04", ""), with("2025-01", "2025-06")];
    let at = |month: &str| in_force(&schemes, "s", Month::parse(month).unwrap());
    let from = |month: &str| at(month).map(|scheme| scheme.period.from.to_string());
    assert_eq!(from("2026-03"), Some("2026-01".to_owned()));
    assert_eq!(from("2026-04"), Some("2026-04".to_owned()));
    assert_eq!(from("2025-06"), Some("2025-01".to_owned()));
    assert_eq!(from("2025-07"), None);
}

#[test]
fn decimals_are_kept_as_written() {
    let text = item(
        "kind = \"award\"\nknown = \"estimated\"\nweight = 0.10\nfloor = 0.05\npoints = \"weight * 3\"",
    );
    let scheme = Scheme::parse("s.toml", &text).unwrap();
    assert_eq!(scheme.items[0].weight.unwrap().to_string(), "0.10");
    assert_eq!(scheme.items[0].floor.to_string(), "0.05");
    refused(
        "kind = \"award\"\nknown = \"estimated\"\nweight = 1e2\npoints = \"weight\"",
        &[
            "s.toml:25:10 (item[i].weight): a decimal number of at most 1,000,000 is wanted here [E-SCHEME-KEY]",
        ],
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    refused(
        "kind = \"awards\"\nknown = \"guessed\"\nwieght = 1\nscope = \"county\"\npoints = \"data.timly_rate\"",
        &[
            "s.toml:25:1 (item[i].wieght): `wieght` is no key of this table; did you mean `weight`? [E-SCHEME-KEY]",
            "s.toml:23:8 (item[i].kind): `awards` is none of award, deduct, veto, relative; did you mean `award`? [E-SCHEME-VALUE]",
            "s.toml:24:9 (item[i].known): `guessed` is none of published, estimated, outside, unknown [E-SCHEME-VALUE]",
            "s.toml:26:9 (item[i].scope): `county` is none of city, region, department, class NAME [E-SCHEME-VALUE]",
            "s.toml:27:10 (item[i].points): character 1 of the expression: `data.timly_rate` names nothing here; did you mean `data.timely_rate`? [E-SCHEME-EXPRESSION]",
        ],
    );
    refused(
        "kind = \"deduct\"\nknown = \"published\"\npoints = \"cases.guide.late + value.los + best\"",
        &[
            "s.toml:25:10 (item[i].points): character 1 of the expression: `cases.guide.late` names nothing here; did you mean `cases.guides.late`? [E-SCHEME-EXPRESSION]",
            "s.toml:25:10 (item[i].points): character 20 of the expression: `value.los` names nothing here; did you mean `value.loss`? [E-SCHEME-EXPRESSION]",
            "s.toml:25:10 (item[i].points): character 32 of the expression: `best` names nothing here [E-SCHEME-EXPRESSION]",
        ],
    );
    refused(
        "kind = \"deduct\"\nknown = \"published\"\npoints = \"data.timely_rate > 1\"",
        &[
            "s.toml:25:10 (item[i].points): a number is wanted here, this is a condition [E-SCHEME-EXPRESSION]",
        ],
    );
    refused(
        "kind = \"award\"\nknown = \"estimated\"\nweight = 5\nof = \"data.timely_rate\"\nsteps = [{ at_least = 0.9, points = 3 }, { at_least = 0.95, points = -5 }]",
        &[
            "s.toml:27:70 (item[i].steps[2].points): is below 0: the kind says which way it counts [E-SCHEME-VALUE]",
            "s.toml:27:42 (item[i].steps[2].at_least): steps go from the highest figure to the lowest [E-SCHEME-VALUE]",
        ],
    );
    refused(
        "kind = \"veto\"\nknown = \"published\"\npoints = \"cases.guides.late > 3\"\nstrikes = \"b\"",
        &[
            "s.toml:26:11 (item[i].strikes): there is no class `b`; did you mean `a`? [E-SCHEME-VALUE]",
        ],
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let problems = Scheme::parse("s.toml", "id = \"a\"\ntitle = \n").unwrap_err();
    assert_eq!((problems[0].code, problems[0].line), (Code::Format, 2));
    let twice = item("kind = \"deduct\"\nknown = \"estimated\"\npoints = \"1\"")
        + "[[item]]\nid = \"i\"\nclass = \"a\"\ntitle = { zh = \"项\", en = \"b\" }\nkind = \"deduct\"\nknown = \"estimated\"\npoints = \"1\"\n";
    let problems = Scheme::parse("s.toml", &twice).unwrap_err();
    assert_eq!(problems[0].what, "stands twice among the item tables");
}

/// The first cells, in back quotes, of the table below a heading of the page.
fn on_page(page: &str, heading: &str) -> BTreeSet<String> {
    let rest = page.split_once(heading).unwrap_or_else(|| panic!("no {heading}")).1;
    let section = rest.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|line| line.split('`').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_page_says_what_the_loader_accepts() {
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for table in ["", "period", "item", "steps"] {
        let name = if table.is_empty() { "the file" } else { table };
        let keys: BTreeSet<String> =
            Scheme::keys(table).iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(on_page(&page, &format!("### Keys of {name}\n")), keys, "{name}");
    }
    let measures: BTreeSet<String> = MEASURES.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(on_page(&page, "### Measures\n"), measures);
    for measure in MEASURES {
        let row = format!("| `{}` | {} | {} |", measure.name, measure.zh, measure.en);
        assert!(page.contains(&row), "{row}");
    }
    let own: BTreeSet<String> = Scheme::own_words().iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(on_page(&page, "### Own words\n"), own);
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,200}") {
        drop(Scheme::parse("s.toml", &text).map(|scheme| scheme.id));
    }

    #[test]
    fn no_bent_scheme_makes_the_loader_panic(
        cut in any::<prop::sample::Index>(), put in "[\"=.\\[\\]{}a-z0-9 \n-]{0,6}", length in 0_usize..9,
    ) {
        let mut text: Vec<char> = include_str!("../../../config/schemes/model-2026.toml").chars().collect();
        let at = cut.index(text.len());
        let end = (at + length).min(text.len());
        text.splice(at..end, put.chars());
        let text: String = text.into_iter().collect();
        if let Err(problems) = Scheme::parse("s.toml", &text) {
            let lines = text.matches('\n').count() + 1;
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|it| (1..=lines).contains(&it.line)));
        }
    }
}
