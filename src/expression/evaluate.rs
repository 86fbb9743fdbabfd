//! The value of a compiled expression over some slots.

use std::cmp::Ordering;

use jiff::civil::{Date, DateTime};
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Arithmetic, Literal, Node, Relation};

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// There is none.
    Absent,
    /// A decimal number.
    Number(Decimal),
    /// Characters, or a code word.
    Text(&'a str),
    /// A calendar date.
    Date(Date),
    /// A date with a time of day.
    Time(DateTime),
    /// True or false.
    Boolean(bool),
}

impl<'a> Value<'a> {
    /// The number, if it is one.
    pub fn number(self) -> Option<Decimal> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The text, if it is one.
    pub fn text(self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Whether it holds, if it is a condition.
    pub fn boolean(self) -> Option<bool> {
        if let Self::Boolean(is) = self { Some(is) } else { None }
    }
}

/// Where an expression finds its values.
pub trait Slots {
    /// The value of the name with this slot; absent where it cannot be read as the declared type.
    fn value(&self, slot: usize) -> Value<'_>;
}

impl Slots for [Value<'_>] {
    fn value(&self, slot: usize) -> Value<'_> {
        self.get(slot).copied().unwrap_or(Value::Absent)
    }
}

impl<const N: usize> Slots for [Value<'_>; N] {
    fn value(&self, slot: usize) -> Value<'_> {
        self.as_slice().value(slot)
    }
}

/// A calculation that has no result.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A number past 28 digits.
    #[error("number too large")]
    Overflow,
}

/// The tree is at most `Expression::MAX_DEPTH` deep, so this recursion is bounded.
pub(super) fn evaluate<'a>(node: &'a Node, slots: &'a dyn Slots) -> Result<Value<'a>, Fault> {
    Ok(match node {
        Node::Literal(literal) => literal.value(),
        Node::Slot(slot) => slots.value(*slot),
        Node::Present(slot) => Value::Boolean(slots.value(*slot) != Value::Absent),
        Node::Not(of) => {
            evaluate(of, slots)?.boolean().map_or(Value::Absent, |is| Value::Boolean(!is))
        }
        Node::Negate(of) => number(of, slots)?.map_or(Value::Absent, |n| Value::Number(-n)),
        Node::Absolute(of) => number(of, slots)?.map_or(Value::Absent, |n| Value::Number(n.abs())),
        Node::Length(of) => {
            let count = |text: &str| Value::Number(Decimal::from(text.chars().count()));
            evaluate(of, slots)?.text().map_or(Value::Absent, count)
        }
        Node::Round(of, digits) => number(of, slots)?.map_or(Value::Absent, |n| {
            let away = RoundingStrategy::MidpointAwayFromZero;
            Value::Number(n.round_dp_with_strategy(*digits, away))
        }),
        Node::Floor(of) => number(of, slots)?.map_or(Value::Absent, |n| Value::Number(n.floor())),
        Node::Ceiling(of) => number(of, slots)?.map_or(Value::Absent, |n| Value::Number(n.ceil())),
        Node::Both(left, right) => junction(left, right, slots, false)?,
        Node::Either(left, right) => junction(left, right, slots, true)?,
        Node::Arithmetic(sign, left, right) => arithmetic(*sign, left, right, slots)?,
        Node::Compare(relation, left, right) => {
            let order = order(evaluate(left, slots)?, evaluate(right, slots)?);
            order.map_or(Value::Absent, |order| Value::Boolean(relation.holds(order)))
        }
        Node::Among { of, members, negated } => {
            let value = evaluate(of, slots)?;
            if value == Value::Absent {
                return Ok(value);
            }
            let is_member =
                |member: &Literal| order(value, member.value()).is_some_and(Ordering::is_eq);
            Value::Boolean(members.iter().any(is_member) != *negated)
        }
        Node::Least(of) => extreme(of, slots, Ordering::Less)?,
        Node::Greatest(of) => extreme(of, slots, Ordering::Greater)?,
        Node::Choose(condition, yes, no) => match evaluate(condition, slots)?.boolean() {
            Some(true) => evaluate(yes, slots)?,
            Some(false) => evaluate(no, slots)?,
            None => Value::Absent,
        },
    })
}

fn number<'a>(node: &'a Node, slots: &'a dyn Slots) -> Result<Option<Decimal>, Fault> {
    Ok(evaluate(node, slots)?.number())
}

/// `or` when `decides` is true, `and` when it is false: a side with the value `decides` settles it,
/// whatever the other side says or lacks.
fn junction<'a>(
    left: &'a Node,
    right: &'a Node,
    slots: &'a dyn Slots,
    decides: bool,
) -> Result<Value<'a>, Fault> {
    let left = evaluate(left, slots)?;
    if left == Value::Boolean(decides) {
        return Ok(left);
    }
    let right = evaluate(right, slots)?;
    Ok(if left == Value::Absent && right != Value::Boolean(decides) { left } else { right })
}

fn arithmetic<'a>(
    sign: Arithmetic,
    left: &'a Node,
    right: &'a Node,
    slots: &'a dyn Slots,
) -> Result<Value<'a>, Fault> {
    let (Some(left), Some(right)) = (number(left, slots)?, number(right, slots)?) else {
        return Ok(Value::Absent);
    };
    let result = match sign {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide if right.is_zero() => return Err(Fault::DivisionByZero),
        Arithmetic::Divide => left.checked_div(right),
    };
    result.map(Value::Number).ok_or(Fault::Overflow)
}

fn extreme<'a>(of: &'a [Node], slots: &'a dyn Slots, wanted: Ordering) -> Result<Value<'a>, Fault> {
    let mut best = Value::Absent;
    for (position, node) in of.iter().enumerate() {
        let value = evaluate(node, slots)?;
        if value == Value::Absent {
            return Ok(value);
        }
        if position == 0 || order(value, best) == Some(wanted) {
            best = value;
        }
    }
    Ok(best)
}

fn order(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    let midnight = |date: Date| date.to_datetime(jiff::civil::Time::midnight());
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => Some(a.cmp(&b)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(&b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(&b)),
        (Value::Date(a), Value::Time(b)) => Some(midnight(a).cmp(&b)),
        (Value::Time(a), Value::Date(b)) => Some(a.cmp(&midnight(b))),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(&b)),
        // The compiler lets no other pair through; what is left has an absent side.
        (
            Value::Absent
            | Value::Number(_)
            | Value::Text(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Boolean(_),
            _,
        ) => None,
    }
}

impl Literal {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text),
            Self::Date(date) => Value::Date(*date),
            Self::Time(time) => Value::Time(*time),
            Self::Boolean(is) => Value::Boolean(*is),
        }
    }
}

impl Relation {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}
