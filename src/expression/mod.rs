//! Small typed decimal expressions: cross-field checks, required-if conditions and, later, scoring
//! schemes.
//!
//! ```text
//! end_date >= start_date and (amount * 1.06 <= limit or present(waiver))
//! entry.share_type != none
//! if(rate >= 0.98, weight, max(0, weight * rate))
//! certificate in ("01", "02") and 出生日期 < "2010-01-01"
//! ```
//!
//! | form | meaning |
//! |---|---|
//! | `12`, `0.5`, `"text"`, `true`, `false` | literals; numbers are decimals, never floats |
//! | `name`, `a.b`, `` `any name` `` | a name of the [`Scope`], resolved to a slot when compiled |
//! | `+ - * /` | decimals |
//! | `== != < <= > >=` | the same type on both sides; a text literal beside a date is a date |
//! | `x in (a, b)`, `x not in (a, b)` | `x` equals one of (none of) the literals |
//! | `and`, `or`, `not` | of three values: see below |
//! | `present(x)` | `x` has a value |
//! | `min(…)`, `max(…)`, `abs(x)`, `round(x, 2)`, `length(x)` | numbers; `round` is half away from zero, `length` in characters |
//! | `floor(x)`, `ceiling(x)` | the whole number below or at `x`, above or at `x` |
//! | `if(condition, a, b)` | one of two values of one type |
//!
//! A word that names nothing is a code word where it stands beside a name of type [`Type::Code`].
//!
//! **Absent values.** Whatever is calculated from or compared with an absent value is itself absent,
//! `and` and `or` know three values as in SQL. So a cross-field rule says nothing about a row that
//! lacks one of its cells; that is what the `required` rule is for.
//!
//! Everything is bounded: [`Expression::MAX_CHARS`], [`Expression::MAX_DEPTH`].

mod evaluate;
mod lex;
mod nearest;
mod parse;

pub use evaluate::{Fault, Slots, Value};
pub use nearest::nearest;

use jiff::civil::{Date, DateTime};
use rust_decimal::Decimal;

/// What a name or an expression is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Type {
    /// A decimal number.
    Number,
    /// Characters.
    Text,
    /// A canonical word of a code list.
    Code,
    /// A calendar date.
    Date,
    /// A date with a time of day, in the zone of whoever declares the name.
    Time,
    /// True or false.
    Boolean,
}

impl Type {
    /// How a problem calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "text",
            Self::Code => "a code word",
            Self::Date => "a date",
            Self::Time => "a time",
            Self::Boolean => "a condition",
        }
    }
}

/// One name that an expression may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name {
    /// As written.
    pub name: String,
    /// What it is.
    pub of: Type,
    /// For a code: the words it may have. Empty where any word will do.
    pub words: Vec<String>,
}

/// The names that an expression may use; the slot of a name is its place, counted from 0.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: Vec<Name>,
}

impl Scope {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name and gives its slot.
    pub fn declare(&mut self, name: &str, of: Type) -> usize {
        self.declare_code(name, of, &[])
    }

    /// Adds a code with the words it may have and gives its slot.
    pub fn declare_code(&mut self, name: &str, of: Type, words: &[&str]) -> usize {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        self.names.push(Name { name: name.to_owned(), of, words });
        self.names.len() - 1
    }

    fn find(&self, name: &str) -> Option<(usize, &Name)> {
        self.names.iter().enumerate().find(|(_, known)| known.name == name)
    }

    fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.names.iter().map(|known| known.name.as_str())).map(ToOwned::to_owned)
    }
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The first character it is about, counted from 1.
    pub at: usize,
    /// How many characters it is about.
    pub length: usize,
    /// What is wrong: lower case, no dot.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "character {}: {}", self.at, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(formatter, " (did you mean `{suggestion}`?)"),
            None => Ok(()),
        }
    }
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
    of: Type,
    slots: Vec<usize>,
}

impl Expression {
    /// The longest text that is compiled, in characters.
    pub const MAX_CHARS: usize = 4096;
    /// How deep parentheses, functions and signs may nest.
    pub const MAX_DEPTH: usize = 48;

    /// Compiles `text` over the names of `scope`. Gives every problem of names and types at once;
    /// a mistake of grammar ends the reading, so there is at most one of those.
    pub fn compile(text: &str, scope: &Scope) -> Result<Self, Vec<Problem>> {
        parse::compile(text, scope)
    }

    /// [`Expression::compile`], and the expression must be a condition.
    pub fn condition(text: &str, scope: &Scope) -> Result<Self, Vec<Problem>> {
        let expression = Self::compile(text, scope)?;
        if expression.of == Type::Boolean {
            return Ok(expression);
        }
        Err(vec![Problem {
            at: 1,
            length: text.chars().count(),
            message: format!("a condition is wanted here, this is {}", expression.of.as_str()),
            suggestion: None,
        }])
    }

    /// What it evaluates to.
    pub fn of(&self) -> Type {
        self.of
    }

    /// The slots it reads, each once, in rising order.
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }

    /// Its value over `slots`. Allocates nothing.
    pub fn evaluate<'a>(&'a self, slots: &'a dyn Slots) -> Result<Value<'a>, Fault> {
        evaluate::evaluate(&self.root, slots)
    }

    /// Whether it holds; `None` where an absent value leaves that open. A fault (division by zero,
    /// a number past 28 digits) leaves it open as well.
    pub fn holds(&self, slots: &dyn Slots) -> Option<bool> {
        match evaluate::evaluate(&self.root, slots) {
            Ok(Value::Boolean(holds)) => Some(holds),
            Ok(_) | Err(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Number(Decimal),
    Text(Box<str>),
    Date(Date),
    Time(DateTime),
    Boolean(bool),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Relation {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Relation {
    fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::Unequal)
    }
}

#[derive(Clone, Debug)]
enum Node {
    Literal(Literal),
    Slot(usize),
    Present(usize),
    Not(Box<Node>),
    Negate(Box<Node>),
    Absolute(Box<Node>),
    Length(Box<Node>),
    Round(Box<Node>, u32),
    Floor(Box<Node>),
    Ceiling(Box<Node>),
    Both(Box<Node>, Box<Node>),
    Either(Box<Node>, Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Compare(Relation, Box<Node>, Box<Node>),
    Among { of: Box<Node>, members: Vec<Literal>, negated: bool },
    Least(Vec<Node>),
    Greatest(Vec<Node>),
    Choose(Box<Node>, Box<Node>, Box<Node>),
}

#[cfg(test)]
mod tests;
