//! What expressions mean, and how their mistakes are told.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

fn scope() -> Scope {
    let mut scope = Scope::new();
    scope.declare("amount", Type::Number);
    scope.declare("limit", Type::Number);
    scope.declare("start", Type::Date);
    scope.declare("end", Type::Time);
    scope.declare("名称", Type::Text);
    scope.declare_code("entry.share_type", Type::Code, &["unconditional", "conditional", "none"]);
    scope.declare("open", Type::Boolean);
    scope
}

fn values() -> [Value<'static>; 7] {
    [
        Value::Number(Decimal::new(1250, 2)),
        Value::Absent,
        Value::Date("2020-02-29".parse().unwrap()),
        Value::Time("2020-02-29T08:30:00".parse().unwrap()),
        Value::Text("测试"),
        Value::Text("none"),
        Value::Boolean(true),
    ]
}

/// Evaluates over [`values`] and compares with `expect` as Rust shows it.
#[track_caller]
fn check(text: &str, expect: &str) {
    let expression = Expression::compile(text, &scope());
    let expression = expression.unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    let shown = match expression.evaluate(&values()) {
        Ok(Value::Number(number)) => number.normalize().to_string(),
        Ok(Value::Boolean(is)) => is.to_string(),
        Ok(Value::Absent) => "absent".to_owned(),
        Ok(value) => format!("{value:?}"),
        Err(fault) => fault.to_string(),
    };
    assert_eq!(shown, expect, "{text}");
}

/// The problems of `text`, one line each.
#[track_caller]
fn refused(text: &str, expect: &[&str]) {
    let problems = Expression::compile(text, &scope()).unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expect, "{text}");
}

#[test]
fn arithmetic_is_decimal_and_binds_as_at_school() {
    check("1 + 2 * 3 - 4 / 8", "6.5");
    check("(1 + 2) * -3", "-9");
    check("0.1 + 0.2 == 0.3", "true");
    check("1 / 0", "division by zero");
    check("79228162514264337593543950335 * 10", "number too large");
    check("round(2.345, 2)", "2.35");
    check("floor(12.5 / 5) + ceiling(12.5 / 5) * 10", "32");
    check("floor(-0.5)", "-1");
    check("floor(limit)", "absent");
    check("min(3, amount, 4) + max(1, 2) + abs(-1)", "6");
    check("if(amount > 12, 1, 2)", "1");
    check("length(名称)", "2");
}

#[test]
fn what_is_absent_stays_absent_unless_the_other_side_decides() {
    check("limit + 1", "absent");
    check("amount <= limit", "absent");
    check("amount <= limit or open", "true");
    check("amount <= limit and not open", "false");
    check("amount <= limit and open", "absent");
    check("not (amount <= limit)", "absent");
    check("open and amount <= limit", "absent");
    check("open or amount <= limit", "true");
    check("present(limit)", "false");
    check("present(amount) and not present(limit)", "true");
    check("limit in (1, 2)", "absent");
    check("min(limit, 1)", "absent");
}

#[test]
fn words_dates_and_texts_are_compared_as_what_they_are() {
    check("entry.share_type != none", "false");
    check("none == entry.share_type", "true");
    check("entry.share_type in (unconditional, \"none\")", "true");
    check("entry.share_type not in (unconditional, conditional)", "true");
    check("start < \"2020-03-01\"", "true");
    check("end > start", "true");
    check("end <= \"2020-02-29T08:30:00\"", "true");
    check("名称 in (\"测试\", \"无\")", "true");
    check("`名称` == \"测\\试\"", "true");
    check("open == true", "true");
}

#[test]
fn mistakes_are_told_with_their_place_all_at_once() {
    refused(
        "amuont > 1 and entry.share_type != nome",
        &[
            "character 1: `amuont` names nothing here (did you mean `amount`?)",
            "character 36: `nome` is no word of `entry.share_type` (did you mean `none`?)",
        ],
    );
    refused("amount = 1", &["character 8: `=` means nothing here (did you mean `==`?)"]);
    refused("名称 > \"a\"", &["character 1: text has no order: use == or !="]);
    refused("amount == \"a\"", &["character 1: a number cannot be compared with text"]);
    refused(
        "start < \"2020-02-30\"",
        &["character 9: \"2020-02-30\" is no date (`2020-03-01` or `2020-03-01T08:30:00`)"],
    );
    refused("名称 + 1", &["character 1: a number is wanted here, this is text"]);
    refused("maxx(1, 2)", &["character 1: there is no function `maxx` (did you mean `max`?)"]);
    refused(
        "if(open, 1, \"a\")",
        &["character 1: `if` gives a number or text: they must be alike"],
    );
    refused("(amount", &["character 8: `)` is wanted here"]);
    refused("1 +", &["character 4: the expression ends too early"]);
    refused("\"open", &["character 1: this quote is never closed"]);
    refused("1 2", &["character 3: nothing more is expected here"]);
    refused("amount in (limit)", &["character 12: a literal is wanted here"]);
    refused("present(1)", &["character 9: a name is wanted here"]);
    refused("", &["character 1: the expression ends too early"]);
    refused("none", &["character 1: `none` names nothing here"]);
}

#[test]
fn a_condition_must_be_one() {
    assert!(Expression::condition("amount > 1", &scope()).is_ok());
    let problems = Expression::condition("amount + 1", &scope()).unwrap_err();
    assert_eq!(problems[0].message, "a condition is wanted here, this is a number");
}

#[test]
fn depth_and_length_are_bounded() {
    for text in ["(".repeat(4000), "-".repeat(4000), "not ".repeat(1000), "1+".repeat(2000)] {
        assert!(Expression::compile(&text, &scope()).is_err());
    }
    let long = format!("open{}", " ".repeat(Expression::MAX_CHARS));
    assert_eq!(
        Expression::compile(&long, &scope()).unwrap_err()[0].message,
        "the expression is too long"
    );
}

#[test]
fn an_expression_names_the_slots_it_reads() {
    let expression = Expression::compile("open and amount > 1 and amount < 9", &scope()).unwrap();
    assert_eq!(expression.slots(), [0, 6]);
    assert_eq!(expression.holds(&values()), Some(false));
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(text in "[ -~（，测0-9a-z.()\"`+*/<>=]{0,80}") {
        if let Ok(expression) = Expression::compile(&text, &scope()) {
            drop(expression.evaluate(&values()).map(|value| format!("{value:?}")));
        }
    }

    #[test]
    fn sums_agree_with_integers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
        let expression = Expression::compile(&format!("{a} - {b} * 2 < 0"), &Scope::new()).unwrap();
        prop_assert_eq!(expression.holds(&[]), Some(a - b * 2 < 0));
    }
}
