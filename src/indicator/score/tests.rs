//! How items become points: kinds, limits, steps, vetoes, the other cities, what is not known.

use proptest::prelude::*;

use super::*;
use crate::indicator::lists::Assessed;

const HEAD: &str = r#"
id = "s"
title = { zh = "办法", en = "scheme" }
modelled_on = "a test"
[period]
from = "2026-01"
cut_off = "last day"
publication = "+5 days"
appeal = "+5 days"
[[class]]
id = "a"
title = { zh = "甲", en = "a" }
[[class]]
id = "b"
title = { zh = "乙", en = "b" }
[[value]]
id = "x"
title = { zh = "值", en = "x" }
[[value]]
id = "y"
title = { zh = "值", en = "y" }
"#;

/// A scheme of items, each `class | key = value; …`; the first is called `i1`.
fn scheme(items: &[&str]) -> Scheme {
    let mut text = HEAD.to_owned();
    for (number, item) in items.iter().enumerate() {
        let (class, keys) = item.split_once(" | ").unwrap();
        text.push_str(&format!(
            "[[item]]\nid = \"i{}\"\nclass = \"{class}\"\ntitle = {{ zh = \"项\", en = \"item\" }}\n{}\n",
            number + 1,
            keys.replace("; ", "\n")
        ));
        if !keys.contains("known =") {
            text.push_str("known = \"estimated\"\n");
        }
    }
    Scheme::parse("s.toml", &text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn figures(values: &[(&str, &str)]) -> Figures {
    let figure = |text: &str| Figure::number(Decimal::from_str_exact(text).unwrap());
    values.iter().map(|(name, value)| ((*name).to_owned(), figure(value))).collect()
}

fn judged(scheme: &Scheme, values: &[(&str, &str)], field: &str) -> Score {
    let field = format!("month,what,city,points,source\n{field}");
    let field = Field::parse("f.csv", &field).unwrap();
    let month = Month::parse("2026-03").unwrap();
    score(scheme, month, &Body::City, &figures(values), &Lists::default(), &field)
}

/// The points of the only item.
#[track_caller]
fn check(keys: &str, x: &str, expect: &str) {
    let score = judged(&scheme(&[&format!("a | {keys}")]), &[("value.x", x)], "");
    let shown = score.items[0].points.map_or("none".to_owned(), |points| points.to_string());
    assert_eq!(shown, expect, "{keys} at {x}");
}

#[test]
fn points_stay_between_floor_and_cap_and_the_kind_says_which_way() {
    let award = "kind = \"award\"; weight = 5; points = \"value.x\"";
    check(award, "3.25", "3.25");
    check(award, "1.234567895", "1.2345679");
    check(award, "7", "5");
    check(award, "-1", "0");
    check(&format!("{award}; cap = 6; floor = 1"), "7", "6");
    check(&format!("{award}; cap = 6; floor = 1"), "0", "1");
    let deduct = "kind = \"deduct\"; points = \"value.x * 0.2\"";
    check(deduct, "13", "-2.6");
    check(deduct, "0", "0");
    check(deduct, "-1", "0");
    check(&format!("{deduct}; cap = 2"), "13", "-2");
    // Exact to the last digit where binary fractions are not.
    check("kind = \"award\"; weight = 1; points = \"0.1 + 0.2 - 0.3 + value.x\"", "0.1", "0.1");
}

#[test]
fn the_first_step_that_is_reached_gives_its_points() {
    let steps = "kind = \"award\"; weight = 3; of = \"value.x\"; steps = [{ at_least = 0.98, points = 3 }, { at_least = 0.9, points = 1.5 }]";
    for (x, points) in
        [("1", "3"), ("0.98", "3"), ("0.9799", "1.5"), ("0.9", "1.5"), ("0.8999", "0")]
    {
        check(steps, x, points);
    }
}

#[test]
fn what_is_absent_or_unknown_has_no_points_and_says_why() {
    let scheme = scheme(&[
        "a | kind = \"award\"; weight = 6; points = \"value.x + value.y\"",
        "a | kind = \"award\"; weight = 2; points = \"1\"; known = \"unknown\"",
        "a | kind = \"award\"; weight = 1; points = \"1 / value.x\"",
        "b | kind = \"award\"; weight = 1; points = \"if(present(value.y), value.y, 1)\"; known = \"outside\"",
    ]);
    let score = judged(&scheme, &[("value.x", "0")], "");
    let lacks: Vec<_> = score.items.iter().map(|item| item.lack.clone()).collect();
    assert_eq!(lacks[0], Some(Lack::Absent(vec!["value.y".to_owned()])));
    assert_eq!(lacks[1], Some(Lack::Unknown));
    assert_eq!(lacks[2], Some(Lack::Fault(Fault::DivisionByZero)));
    assert_eq!(lacks[3], None);
    assert_eq!(
        (score.total, score.worth, score.worth_known),
        (Decimal::ONE, Decimal::TEN, Decimal::ONE)
    );
    assert_eq!(score.known_share(), Some(Decimal::new(1, 1)));
    assert_eq!(score.worth_by[&Known::Unknown], Decimal::from(9));
}

#[test]
fn a_veto_strikes_its_class_or_everything() {
    let items = |strikes: &str| {
        scheme(&[
            "a | kind = \"award\"; weight = 6; points = \"weight\"",
            "b | kind = \"award\"; weight = 4; points = \"weight\"",
            &format!("a | kind = \"veto\"; points = \"value.x > 3\"; strikes = \"{strikes}\""),
        ])
    };
    let total = |strikes: &str, x: &str| judged(&items(strikes), &[("value.x", x)], "").total;
    assert_eq!(total("b", "3"), Decimal::TEN);
    assert_eq!(total("b", "4"), Decimal::from(6));
    assert_eq!(total("all", "4"), Decimal::ZERO);
    let score = judged(&items("b"), &[("value.x", "4")], "");
    assert_eq!(
        score.class("b").map(|class| (class.is_struck, class.lost)),
        Some((true, Decimal::from(-4)))
    );
    // A veto whose figure nobody knows strikes nothing and says so.
    let score = judged(&items("b"), &[], "");
    assert_eq!(score.items[2].lack, Some(Lack::Absent(vec!["value.x".to_owned()])));
    assert_eq!(score.total, Decimal::TEN);
}

#[test]
fn a_relative_item_is_measured_against_the_best_city_or_by_rank() {
    let scheme = scheme(&[
        "a | kind = \"relative\"; weight = 5; of = \"value.x\"; points = \"weight * of / best\"",
        "a | kind = \"relative\"; weight = 4; of = \"value.x\"; points = \"if(rank <= 2, 4, if(rank <= cities / 2, 2, 0))\"",
    ]);
    let field = "2026-03,i1,甲市,0.9,x\n2026-03,i1,乙市,1,x\n2026-03,i2,甲市,0.9,x\n2026-03,i2,乙市,1,x\n2026-03,i2,丙市,0.95,x\n";
    let points = |x: &str| {
        let score = judged(&scheme, &[("value.x", x)], field);
        score.items.iter().map(|item| item.points.unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(points("0.8"), ["4", "0"]);
    assert_eq!(points("0.97"), ["4.85", "4"]);
    // We may be the best city ourselves.
    assert_eq!(points("1.25"), ["5", "4"]);
    // Of a month without the others' figures nothing is known.
    let score = judged(&scheme, &[("value.x", "1")], "");
    assert_eq!(score.items[0].lack, Some(Lack::Absent(vec!["best".to_owned()])));
}

#[test]
fn an_item_marks_whom_its_scope_names() {
    let scheme = scheme(&[
        "a | kind = \"deduct\"; points = \"1\"",
        "a | kind = \"deduct\"; points = \"1\"; scope = \"region\"",
        "a | kind = \"deduct\"; points = \"1\"; scope = \"department\"",
        "a | kind = \"deduct\"; points = \"1\"; scope = \"class 市级A\"",
    ]);
    let assessed = |id: &str, class: &str| Assessed { id: id.to_owned(), class: class.to_owned() };
    let lists = Lists {
        bodies: vec![assessed("住建局", "市级A"), assessed("甲县", "县区")],
        ..Lists::default()
    };
    let marked = |body: Body| -> Vec<String> {
        let month = Month::parse("2026-03").unwrap();
        let field = Field::default();
        let score = score(&scheme, month, &body, &Figures::new(), &lists, &field);
        score.items.into_iter().map(|item| item.id).collect()
    };
    assert_eq!(marked(Body::City), ["i1"]);
    assert_eq!(marked(Body::Region("甲县".to_owned())), ["i2"]);
    assert_eq!(marked(Body::Department("住建局".to_owned())), ["i3", "i4"]);
    assert_eq!(marked(Body::Department("税务局".to_owned())), ["i3"]);
    assert!(marked(Body::Dataset("d".to_owned())).is_empty());
}

proptest! {
    #[test]
    fn the_total_is_the_sum_of_its_items_and_no_worth_is_exceeded(
        x in -500_i64..500, y in prop::option::of(-500_i64..500),
    ) {
        let scheme = scheme(&[
            "a | kind = \"award\"; weight = 6; points = \"value.x / 7\"",
            "b | kind = \"award\"; weight = 4; points = \"value.y\"",
            "b | kind = \"deduct\"; cap = 3; points = \"value.x * value.y\"",
        ]);
        let mut values = vec![("value.x", Decimal::new(x, 1).to_string())];
        values.extend(y.map(|y| ("value.y", Decimal::new(y, 1).to_string())));
        let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let score = judged(&scheme, &values, "");
        let sum: Decimal = score.items.iter().filter_map(|item| item.points).sum();
        prop_assert_eq!(score.total, sum);
        for item in &score.items {
            prop_assert!(item.points.is_none_or(|it| it.abs() <= item.worth.unwrap()));
            prop_assert!(item.lost.is_none_or(|it| it <= Decimal::ZERO));
            prop_assert_eq!(item.points.is_none(), item.lack.is_some());
        }
        prop_assert!(score.worth_known <= score.worth);
    }
}
