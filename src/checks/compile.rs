//! Rules as people write them to the plan that runs, with every mistake told at once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use rust_decimal::Decimal;

use crate::expression::{Expression, Scope, Type, nearest};
use crate::row::{Column, ColumnType};

use super::run::{ALWAYS_ON, Check, ColumnPlan, Condition, Cross, Plan, Presence, Test, Unique};
use super::{Bound, CodeTable, Problem, Rule, RuleCode, RuleSettings, Rules, form};

/// A pattern's compiled size, in bytes: a dataset's rules must stay small.
const PATTERN_BYTES: usize = 1 << 20;
/// Lists of codes up to this length are compared one by one.
const FEW_CODES: usize = 8;

pub(super) fn compile(
    settings: &[RuleSettings],
    columns: &[Column],
    code_tables: &BTreeMap<String, CodeTable>,
) -> Result<Rules, Vec<Problem>> {
    let tables = code_tables.iter().map(|(name, table)| (name.as_str(), Arc::new(table.clone())));
    let mut compiler = Compiler {
        columns,
        tables: tables.collect(),
        scope: scope(columns),
        rules: ALWAYS_ON.iter().map(|code| always_on(*code)).collect(),
        plan: Plan { columns: plans(columns), ..Plan::default() },
        problems: Vec::new(),
        place: String::new(),
    };
    for (position, rule) in settings.iter().enumerate() {
        compiler.place = format!("rule[{position}]");
        compiler.rule(rule);
    }
    if compiler.problems.is_empty() {
        Ok(Rules { rules: compiler.rules, plan: compiler.plan })
    } else {
        Err(compiler.problems)
    }
}

fn always_on(code: RuleCode) -> Rule {
    Rule { code, name: code.as_str().to_owned(), columns: Vec::new() }
}

fn plans(columns: &[Column]) -> Vec<ColumnPlan> {
    let plan = |(place, column): (u16, &Column)| ColumnPlan {
        place,
        kind: column.kind,
        presence: Vec::new(),
        checks: Vec::new(),
    };
    (0..u16::MAX).zip(columns).map(plan).collect()
}

fn scope(columns: &[Column]) -> Scope {
    let mut scope = Scope::new();
    for column in columns {
        let of = match column.kind {
            ColumnType::Text => Type::Text,
            ColumnType::Integer | ColumnType::Decimal => Type::Number,
            ColumnType::Date => Type::Date,
            ColumnType::Time => Type::Time,
            ColumnType::Boolean => Type::Boolean,
        };
        scope.declare(&column.name, of);
    }
    // A column of that name comes first and hides them.
    scope.declare("today", Type::Date);
    scope.declare("now", Type::Time);
    scope
}

struct Compiler<'c> {
    columns: &'c [Column],
    tables: BTreeMap<&'c str, Arc<CodeTable>>,
    scope: Scope,
    rules: Vec<Rule>,
    plan: Plan,
    problems: Vec<Problem>,
    place: String,
}

impl Compiler<'_> {
    fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.suggest(key, message, None);
    }

    fn suggest(&mut self, key: &str, message: impl Into<String>, suggestion: Option<&str>) {
        self.problems.push(Problem {
            place: format!("{}.{key}", self.place),
            message: message.into(),
            suggestion: suggestion.map(ToOwned::to_owned),
        });
    }

    fn rule(&mut self, settings: &RuleSettings) {
        let Some(code) = RuleCode::parse(&settings.rule) else {
            let words = RuleCode::ALL.into_iter().filter(|code| !code.is_always_on());
            let suggestion = nearest(&settings.rule, words.map(RuleCode::as_str));
            return self.suggest(
                "rule",
                format!("there is no rule `{}`", settings.rule),
                suggestion,
            );
        };
        if code.is_always_on() {
            return self.problem("rule", format!("`{}` is always on", code.as_str()));
        }
        self.refuse_foreign_keys(code, settings);
        let columns = self.rule_columns(code, settings);
        let condition = self.condition(settings);
        let Some(rule) = self.name(code, settings, &columns) else { return };
        match code {
            RuleCode::Unique => {
                self.plan.uniques.push(Unique { rule, condition, columns });
            }
            RuleCode::CrossField => self.cross_field(rule, condition, settings),
            RuleCode::Required | RuleCode::ChangeTime => {
                for column in columns {
                    if let Some(plan) = self.plan.columns.get_mut(column) {
                        plan.presence.push(Presence { rule, condition: condition.clone() });
                    }
                }
            }
            RuleCode::Length
            | RuleCode::CodeList
            | RuleCode::Range
            | RuleCode::Pattern
            | RuleCode::CreditCode
            | RuleCode::IdCard
            | RuleCode::Placeholder => {
                let waived: HashSet<Box<str>> =
                    settings.waived.iter().map(|value| value.as_str().into()).collect();
                for column in columns {
                    let Some(test) = self.test(code, settings, column) else { return };
                    let (condition, waived) = (condition.clone(), waived.clone());
                    if let Some(plan) = self.plan.columns.get_mut(column) {
                        plan.checks.push(Check { rule, condition, waived, test });
                    }
                }
            }
            RuleCode::Malformed | RuleCode::ControlCharacter | RuleCode::Type => {}
        }
    }

    /// A key that a rule does not take would be ignored in silence.
    fn refuse_foreign_keys(&mut self, code: RuleCode, settings: &RuleSettings) {
        use RuleCode as R;
        let takes_waivers =
            !matches!(code, R::Required | R::ChangeTime | R::Unique | R::CrossField);
        let given = [
            ("column", settings.column.is_some(), code != R::CrossField),
            (
                "columns",
                !settings.columns.is_empty(),
                !matches!(code, R::CrossField | R::ChangeTime),
            ),
            ("min", settings.min.is_some(), matches!(code, R::Length | R::Range)),
            ("max", settings.max.is_some(), matches!(code, R::Length | R::Range)),
            ("not_future", settings.not_future, code == R::Range),
            ("codes", !settings.codes.is_empty(), code == R::CodeList),
            ("code_table", settings.code_table.is_some(), matches!(code, R::CodeList | R::IdCard)),
            ("pattern", settings.pattern.is_some(), code == R::Pattern),
            ("expression", settings.expression.is_some(), code == R::CrossField),
            ("waived", !settings.waived.is_empty(), takes_waivers),
            ("words", !settings.words.is_empty(), code == R::Placeholder),
        ];
        for (key, is_given, belongs) in given {
            if is_given && !belongs {
                self.problem(key, format!("does not belong to rule `{}`", code.as_str()));
            }
        }
    }

    fn column(&mut self, key: &str, name: &str) -> Option<usize> {
        let found = self.columns.iter().position(|column| column.name == name);
        if found.is_none() {
            let columns = self.columns;
            let suggestion = nearest(name, columns.iter().map(|column| column.name.as_str()));
            self.suggest(key, format!("the dataset has no column `{name}`"), suggestion);
        }
        found
    }

    fn rule_columns(&mut self, code: RuleCode, settings: &RuleSettings) -> Vec<usize> {
        if code == RuleCode::CrossField {
            return Vec::new();
        }
        if settings.column.is_some() && !settings.columns.is_empty() {
            self.problem("columns", "give `column` or `columns`, not both");
        } else if settings.column.is_none() && settings.columns.is_empty() {
            self.problem("column", "is missing");
        }
        let mut places = Vec::new();
        if let Some(name) = &settings.column {
            places.extend(self.column("column", name));
        }
        for (position, name) in settings.columns.iter().enumerate() {
            let Some(place) = self.column(&format!("columns[{position}]"), name) else { continue };
            if places.contains(&place) {
                self.problem(&format!("columns[{position}]"), format!("`{name}` is named twice"));
            }
            places.push(place);
        }
        places
    }

    fn condition(&mut self, settings: &RuleSettings) -> Option<Condition> {
        match (&settings.when_column, settings.when_in.is_empty()) {
            (None, true) => None,
            (None, false) => {
                self.problem("when_column", "is missing beside `when_in`");
                None
            }
            (Some(_), true) => {
                self.problem("when_in", "is missing beside `when_column`");
                None
            }
            (Some(name), false) => {
                let column = self.column("when_column", name)?;
                let values = settings.when_in.iter().map(|value| value.as_str().into()).collect();
                Some(Condition { column, values })
            }
        }
    }

    /// Registers the rule under its name and gives its place.
    fn name(&mut self, code: RuleCode, settings: &RuleSettings, columns: &[usize]) -> Option<u16> {
        let columns: Vec<String> = columns
            .iter()
            .filter_map(|place| self.columns.get(*place))
            .map(|column| column.name.clone())
            .collect();
        let name = match (&settings.name, &settings.expression) {
            (Some(name), _) => name.clone(),
            (None, Some(expression)) => format!("{}({expression})", code.as_str()),
            (None, None) => format!("{}({})", code.as_str(), columns.join(",")),
        };
        if name.trim().is_empty() {
            self.problem("name", "is empty");
        }
        if self.rules.iter().any(|rule| rule.name == name) {
            self.problem("name", format!("another rule is called `{name}`"));
        }
        let place = u16::try_from(self.rules.len()).ok();
        if place.is_none() {
            self.problem("rule", "too many rules");
        }
        self.rules.push(Rule { code, name, columns });
        place
    }

    fn cross_field(&mut self, rule: u16, condition: Option<Condition>, settings: &RuleSettings) {
        let Some(text) = &settings.expression else {
            return self.problem("expression", "is missing");
        };
        match Expression::condition(text, &self.scope) {
            Ok(expression) => {
                let slots = expression.slots();
                let named = slots.iter().filter_map(|slot| self.columns.get(*slot));
                let columns = named.map(|column| column.name.clone()).collect();
                if let Some(rule) = self.rules.get_mut(usize::from(rule)) {
                    rule.columns = columns;
                }
                self.plan.crosses.push(Cross { rule, condition, expression });
            }
            Err(problems) => {
                for problem in problems {
                    let message = format!("character {}: {}", problem.at, problem.message);
                    self.suggest("expression", message, problem.suggestion.as_deref());
                }
            }
        }
    }

    fn test(&mut self, code: RuleCode, settings: &RuleSettings, column: usize) -> Option<Test> {
        let kind = self.columns.get(column)?.kind;
        match code {
            RuleCode::Length => self.length(settings),
            RuleCode::CodeList => self.code_list(settings),
            RuleCode::Range => self.range(settings, kind),
            RuleCode::Pattern => self.pattern(settings),
            RuleCode::CreditCode => self.text_only(code, kind).then_some(Test::CreditCode),
            RuleCode::IdCard => {
                let regions = match &settings.code_table {
                    Some(name) => Some(self.table(name)?),
                    None => None,
                };
                self.text_only(code, kind).then_some(Test::IdCard(regions))
            }
            RuleCode::Placeholder => {
                let boxed = |word: &str| Box::<str>::from(word.trim());
                let words: Vec<Box<str>> = if settings.words.is_empty() {
                    RuleSettings::PLACEHOLDERS.iter().map(|word| boxed(word)).collect()
                } else {
                    settings.words.iter().map(|word| boxed(word)).collect()
                };
                let longest = words.iter().map(|word| word.len()).max().unwrap_or(0);
                Some(Test::Placeholder(words, longest))
            }
            RuleCode::Malformed
            | RuleCode::ControlCharacter
            | RuleCode::Type
            | RuleCode::Required
            | RuleCode::ChangeTime
            | RuleCode::Unique
            | RuleCode::CrossField => None,
        }
    }

    fn text_only(&mut self, code: RuleCode, kind: ColumnType) -> bool {
        let is_text = kind == ColumnType::Text;
        if !is_text {
            self.problem("column", format!("rule `{}` needs a text column", code.as_str()));
        }
        is_text
    }

    fn length(&mut self, settings: &RuleSettings) -> Option<Test> {
        let min = self.count("min", settings.min.as_ref())?;
        let max = self.count("max", settings.max.as_ref())?;
        if min.is_none() && max.is_none() {
            self.problem("max", "is missing");
            return None;
        }
        let (min, max) = (min.unwrap_or(0), max.unwrap_or(usize::MAX));
        if min > max {
            self.problem("min", "is above `max`");
        }
        Some(Test::Length { min, max })
    }

    fn count(&mut self, key: &str, bound: Option<&Bound>) -> Option<Option<usize>> {
        let count = match bound {
            None => return Some(None),
            Some(Bound::Integer(count)) => usize::try_from(*count).ok(),
            Some(Bound::Text(_)) => None,
        };
        if count.is_none() {
            self.problem(key, "a number of characters is wanted here");
        }
        count.map(Some)
    }

    fn code_list(&mut self, settings: &RuleSettings) -> Option<Test> {
        match (&settings.code_table, settings.codes.as_slice()) {
            (Some(name), []) => self.table(name).map(Test::Codes),
            (None, []) => {
                self.problem("codes", "`codes` or `code_table` is missing");
                None
            }
            (Some(_), _) => {
                self.problem("codes", "give `codes` or `code_table`, not both");
                None
            }
            (None, codes) if codes.len() <= FEW_CODES => {
                Some(Test::FewCodes(codes.iter().map(|code| code.as_str().into()).collect()))
            }
            (None, codes) => {
                Some(Test::Codes(Arc::new(CodeTable::of(codes.iter().map(String::as_str)))))
            }
        }
    }

    fn table(&mut self, name: &str) -> Option<Arc<CodeTable>> {
        let found = self.tables.get(name).map(Arc::clone);
        if found.is_none() {
            let suggestion = nearest(name, self.tables.keys().copied()).map(ToOwned::to_owned);
            self.suggest(
                "code_table",
                format!("there is no code table `{name}`"),
                suggestion.as_deref(),
            );
        }
        found
    }

    fn range(&mut self, settings: &RuleSettings, kind: ColumnType) -> Option<Test> {
        if settings.min.is_none() && settings.max.is_none() && !settings.not_future {
            self.problem("min", "`min`, `max` or `not_future` is missing");
        }
        match kind {
            ColumnType::Integer | ColumnType::Decimal => {
                if settings.not_future {
                    self.problem("not_future", "needs a date or time column");
                }
                let min = self.decimal("min", settings.min.as_ref())?;
                let max = self.decimal("max", settings.max.as_ref())?;
                if min.zip(max).is_some_and(|(min, max)| min > max) {
                    self.problem("min", "is above `max`");
                }
                Some(Test::Number { min, max })
            }
            ColumnType::Date | ColumnType::Time => {
                let min = self.moment("min", settings.min.as_ref(), kind, "T00:00:00")?;
                let max = self.moment("max", settings.max.as_ref(), kind, "T23:59:59.999999999")?;
                if min.as_ref().zip(max.as_ref()).is_some_and(|(min, max)| min > max) {
                    self.problem("min", "is above `max`");
                }
                Some(Test::Moment { min, max, not_future: settings.not_future })
            }
            ColumnType::Text | ColumnType::Boolean => {
                self.problem("column", "rule `range` needs a number, date or time column");
                None
            }
        }
    }

    fn decimal(&mut self, key: &str, bound: Option<&Bound>) -> Option<Option<Decimal>> {
        let number = match bound {
            None => return Some(None),
            Some(Bound::Integer(number)) => Some(Decimal::from(*number)),
            Some(Bound::Text(text)) => Decimal::from_str_exact(text).ok(),
        };
        if number.is_none() {
            self.problem(key, "a number is wanted here, for example 100 or \"0.05\"");
        }
        number.map(Some)
    }

    /// The canonical text of a bound; a date beside a time column is its whole day.
    fn moment(
        &mut self,
        key: &str,
        bound: Option<&Bound>,
        kind: ColumnType,
        edge: &str,
    ) -> Option<Option<Box<str>>> {
        let Some(bound) = bound else { return Some(None) };
        let text = match bound {
            Bound::Text(text) => text.as_str(),
            Bound::Integer(_) => "",
        };
        if form::judge(text, kind).is_none() {
            return Some(Some(text.into()));
        }
        if kind == ColumnType::Time && form::judge(text, ColumnType::Date).is_none() {
            return Some(Some(format!("{text}{edge}").into()));
        }
        self.problem(key, "a date is wanted here, for example \"2020-03-01\"");
        None
    }

    fn pattern(&mut self, settings: &RuleSettings) -> Option<Test> {
        let Some(pattern) = &settings.pattern else {
            self.problem("pattern", "is missing");
            return None;
        };
        // Alone first: `a)|(b` is wrong although the anchored form would compile.
        if let Err(error) = Regex::new(pattern) {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim();
            self.problem("pattern", format!("is no regular expression: {reason}"));
            return None;
        }
        let anchored = format!("^(?:{pattern})$");
        match RegexBuilder::new(&anchored).size_limit(PATTERN_BYTES).build() {
            Ok(regex) => Some(Test::Pattern(regex)),
            Err(_too_large) => {
                self.problem("pattern", "is too large");
                None
            }
        }
    }
}
