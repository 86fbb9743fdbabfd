//! Tokens to a typed tree, by precedence: `or`, `and`, `not`, comparison, sum, product, sign.

use jiff::civil::{Date, DateTime};

use super::lex::{Span, Token, tokens};
use super::{Arithmetic, Expression, Literal, Node, Problem, Relation, Scope, Type};

pub(super) fn compile(text: &str, scope: &Scope) -> Result<Expression, Vec<Problem>> {
    let length = text.chars().count();
    if length > Expression::MAX_CHARS {
        let problem = Span { start: 0, end: length }.problem("the expression is too long");
        return Err(vec![problem]);
    }
    let tokens = tokens(text).map_err(|problem| vec![problem])?;
    let mut parser =
        Parser { tokens, at: 0, depth: 0, scope, problems: Vec::new(), slots: Vec::new() };
    let term = match parser.or().and_then(|term| parser.end().map(|()| term)) {
        Ok(term) => parser.resolved(term),
        Err(problem) => {
            parser.problems.push(problem);
            return Err(parser.problems);
        }
    };
    match term.of {
        Some(of) if parser.problems.is_empty() => {
            parser.slots.sort_unstable();
            parser.slots.dedup();
            Ok(Expression { root: term.node, of, slots: parser.slots })
        }
        _ => Err(parser.problems),
    }
}

/// A piece of the tree. `of` is `None` once a problem about it was noted, so that one mistake is
/// told once.
struct Term {
    node: Node,
    of: Option<Type>,
    at: Span,
    /// A word that is no name: a code word if its neighbour is a code.
    word: Option<String>,
}

struct Parser<'s> {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
    scope: &'s Scope,
    problems: Vec<Problem>,
    slots: Vec<usize>,
}

type Parsed<T> = Result<T, Problem>;

impl Parser<'_> {
    fn peek(&self) -> (&Token, Span) {
        let last = self.tokens.last();
        self.tokens
            .get(self.at)
            .or(last)
            .map_or((&Token::End, Span { start: 0, end: 0 }), |t| (&t.0, t.1))
    }

    fn next(&mut self) -> (Token, Span) {
        let (token, span) = self.peek();
        let taken = (token.clone(), span);
        self.at += 1;
        taken
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek().0, Token::Word(word, false) if word == keyword)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek().0, Token::Sign(found) if *found == sign)
    }

    fn take_sign(&mut self, sign: &str) -> Parsed<Span> {
        let (token, span) = self.next();
        if matches!(token, Token::Sign(found) if found == sign) {
            return Ok(span);
        }
        Err(span.problem(format!("`{sign}` is wanted here")))
    }

    fn end(&mut self) -> Parsed<()> {
        match self.next() {
            (Token::End, _) => Ok(()),
            (_, span) => Err(span.problem("nothing more is expected here")),
        }
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > Expression::MAX_DEPTH {
            return Err(self.peek().1.problem("nested too deep"));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn or(&mut self) -> Parsed<Term> {
        self.chain("or", Self::and, Node::Either)
    }

    fn and(&mut self) -> Parsed<Term> {
        self.chain("and", Self::not, Node::Both)
    }

    fn chain(
        &mut self,
        keyword: &str,
        mut operand: impl FnMut(&mut Self) -> Parsed<Term>,
        join: impl Fn(Box<Node>, Box<Node>) -> Node,
    ) -> Parsed<Term> {
        let mut left = operand(self)?;
        let mut count = 0;
        while self.is_keyword(keyword) {
            count += 1;
            self.limit_chain(count)?;
            self.at += 1;
            let right = operand(self)?;
            let at = left.at.to(right.at);
            let (a, b) = (self.of_type(left, Type::Boolean), self.of_type(right, Type::Boolean));
            left = Term::new(join(Box::new(a), Box::new(b)), Type::Boolean, at);
        }
        Ok(left)
    }

    /// A chain of operators is a deep tree as well.
    fn limit_chain(&self, count: usize) -> Parsed<()> {
        if count > MAX_CHAIN {
            Err(self.peek().1.problem("too many operators in a row"))
        } else {
            Ok(())
        }
    }

    fn not(&mut self) -> Parsed<Term> {
        if !self.is_keyword("not") {
            return self.comparison();
        }
        let (_, start) = self.next();
        let of = self.nested(Self::not)?;
        let at = start.to(of.at);
        let node = Node::Not(Box::new(self.of_type(of, Type::Boolean)));
        Ok(Term::new(node, Type::Boolean, at))
    }

    fn comparison(&mut self) -> Parsed<Term> {
        let left = self.sum()?;
        let negated = self.is_keyword("not");
        if negated || self.is_keyword("in") {
            self.at += usize::from(negated);
            if !self.is_keyword("in") {
                return Err(self.peek().1.problem("`in` is wanted here"));
            }
            self.at += 1;
            return self.among(left, negated);
        }
        let Some((_, relation)) = RELATIONS.into_iter().find(|(sign, _)| self.is_sign(sign)) else {
            return Ok(left);
        };
        self.at += 1;
        let right = self.sum()?;
        let at = left.at.to(right.at);
        let (left, right) = self.alike(left, right);
        if let (Some(a), Some(b)) = (left.of, right.of) {
            if !comparable(a, b) {
                let message = format!("{} cannot be compared with {}", a.as_str(), b.as_str());
                self.problems.push(at.problem(message));
            } else if !relation.is_equality() && !is_ordered(a) {
                let message = format!("{} has no order: use == or !=", a.as_str());
                self.problems.push(at.problem(message));
            }
        }
        let node = Node::Compare(relation, Box::new(left.node), Box::new(right.node));
        Ok(Term::new(node, Type::Boolean, at))
    }

    fn among(&mut self, left: Term, negated: bool) -> Parsed<Term> {
        let mut left = left;
        self.take_sign("(")?;
        let mut members = Vec::new();
        loop {
            let member = self.nested(Self::sign)?;
            let (first, member) = self.alike(left, member);
            left = first;
            match (member.node, member.of, left.of) {
                (Node::Literal(literal), Some(a), Some(b)) if comparable(a, b) => {
                    members.push(literal);
                }
                (Node::Literal(_), Some(a), Some(b)) => {
                    let message = format!("{} cannot be among {}", b.as_str(), a.as_str());
                    self.problems.push(member.at.problem(message));
                }
                (_, Some(_), Some(_)) => {
                    self.problems.push(member.at.problem("a literal is wanted here"));
                }
                _ => {}
            }
            if !self.is_sign(",") {
                break;
            }
            self.at += 1;
        }
        let at = left.at.to(self.take_sign(")")?);
        let node = Node::Among { of: Box::new(left.node), members, negated };
        Ok(Term::new(node, Type::Boolean, at))
    }

    fn sum(&mut self) -> Parsed<Term> {
        self.arithmetic(Self::product, &[("+", Arithmetic::Add), ("-", Arithmetic::Subtract)])
    }

    fn product(&mut self) -> Parsed<Term> {
        self.arithmetic(Self::sign, &[("*", Arithmetic::Multiply), ("/", Arithmetic::Divide)])
    }

    fn arithmetic(
        &mut self,
        operand: impl Fn(&mut Self) -> Parsed<Term>,
        signs: &[(&str, Arithmetic)],
    ) -> Parsed<Term> {
        let mut left = operand(self)?;
        let mut count = 0;
        while let Some((_, sign)) = signs.iter().find(|(sign, _)| self.is_sign(sign)) {
            count += 1;
            self.limit_chain(count)?;
            self.at += 1;
            let right = operand(self)?;
            let at = left.at.to(right.at);
            let (a, b) = (self.of_type(left, Type::Number), self.of_type(right, Type::Number));
            left = Term::new(Node::Arithmetic(*sign, Box::new(a), Box::new(b)), Type::Number, at);
        }
        Ok(left)
    }

    fn sign(&mut self) -> Parsed<Term> {
        if !self.is_sign("-") {
            return self.atom();
        }
        let (_, start) = self.next();
        let of = self.nested(Self::sign)?;
        let at = start.to(of.at);
        let of = self.of_type(of, Type::Number);
        let node = if let Node::Literal(Literal::Number(number)) = of {
            Node::Literal(Literal::Number(-number))
        } else {
            Node::Negate(Box::new(of))
        };
        Ok(Term::new(node, Type::Number, at))
    }

    fn atom(&mut self) -> Parsed<Term> {
        let (token, at) = self.next();
        let literal = |literal, of| Ok(Term::new(Node::Literal(literal), of, at));
        match token {
            Token::Number(number) => literal(Literal::Number(number), Type::Number),
            Token::Text(text) => literal(Literal::Text(text.into()), Type::Text),
            Token::Sign("(") => {
                let mut inner = self.nested(Self::or)?;
                inner.at = at.to(self.take_sign(")")?);
                Ok(inner)
            }
            Token::Word(word, false) if word == "true" => {
                literal(Literal::Boolean(true), Type::Boolean)
            }
            Token::Word(word, false) if word == "false" => {
                literal(Literal::Boolean(false), Type::Boolean)
            }
            Token::Word(word, false) if self.is_sign("(") && word != "in" => self.call(&word, at),
            Token::Word(word, false) if KEYWORDS.contains(&word.as_str()) => {
                Err(at.problem(format!("`{word}` cannot stand here")))
            }
            Token::Word(word, _) => Ok(self.name(word, at)),
            Token::Sign(sign) => Err(at.problem(format!("`{sign}` cannot stand here"))),
            Token::End => Err(at.problem("the expression ends too early")),
        }
    }

    fn name(&mut self, word: String, at: Span) -> Term {
        match self.scope.find(&word) {
            Some((slot, name)) => {
                self.slots.push(slot);
                Term::new(Node::Slot(slot), name.of, at)
            }
            None => {
                let node = Node::Literal(Literal::Text(word.as_str().into()));
                Term { node, of: None, at, word: Some(word) }
            }
        }
    }

    fn call(&mut self, function: &str, at: Span) -> Parsed<Term> {
        self.take_sign("(")?;
        let mut given = Vec::new();
        loop {
            given.push(self.nested(Self::or)?);
            if !self.is_sign(",") {
                break;
            }
            self.at += 1;
            if given.len() > MAX_CHAIN {
                return Err(self.peek().1.problem("too many arguments"));
            }
        }
        let at = at.to(self.take_sign(")")?);
        self.function(function, given, at)
    }

    fn function(&mut self, function: &str, given: Vec<Term>, at: Span) -> Parsed<Term> {
        let count = given.len();
        let mut given = given.into_iter();
        let mut take = || given.next().ok_or_else(|| at.problem("an argument is missing"));
        match (function, count) {
            ("present", 1) => {
                let of = take()?;
                let of = self.resolved(of);
                let Node::Slot(slot) = of.node else {
                    if of.of.is_some() {
                        self.problems.push(of.at.problem("a name is wanted here"));
                    }
                    return Ok(Term::poisoned(at));
                };
                Ok(Term::new(Node::Present(slot), Type::Boolean, at))
            }
            ("abs" | "floor" | "ceiling", 1) => {
                let of = take()?;
                let of = Box::new(self.of_type(of, Type::Number));
                let node = match function {
                    "abs" => Node::Absolute(of),
                    "floor" => Node::Floor(of),
                    _ => Node::Ceiling(of),
                };
                Ok(Term::new(node, Type::Number, at))
            }
            ("length", 1) => {
                let of = take()?;
                let of = self.of_type(of, Type::Text);
                Ok(Term::new(Node::Length(Box::new(of)), Type::Number, at))
            }
            ("round", 2) => {
                let (of, digits) = (take()?, take()?);
                let of = self.of_type(of, Type::Number);
                let digits_at = digits.at;
                let digits = if let Node::Literal(Literal::Number(digits)) = digits.node {
                    u32::try_from(digits).ok()
                } else {
                    None
                };
                match digits.filter(|digits| *digits <= 28) {
                    Some(digits) => {
                        Ok(Term::new(Node::Round(Box::new(of), digits), Type::Number, at))
                    }
                    None => {
                        let message = "a number of digits from 0 to 28 is wanted here";
                        self.problems.push(digits_at.problem(message));
                        Ok(Term::poisoned(at))
                    }
                }
            }
            ("min" | "max", 1..) => {
                let of = given.map(|term| self.of_type(term, Type::Number)).collect();
                let node = if function == "min" { Node::Least(of) } else { Node::Greatest(of) };
                Ok(Term::new(node, Type::Number, at))
            }
            ("if", 3) => {
                let (condition, yes, no) = (take()?, take()?, take()?);
                Ok(self.choice(condition, yes, no, at))
            }
            ("present" | "abs" | "floor" | "ceiling" | "length", _) => {
                Err(at.problem(format!("`{function}` takes one argument, not {count}")))
            }
            ("round", _) => Err(at.problem(format!("`round` takes two arguments, not {count}"))),
            ("if", _) => Err(at.problem(format!("`if` takes three arguments, not {count}"))),
            _ => {
                let mut problem = at.problem(format!("there is no function `{function}`"));
                problem.suggestion = super::nearest(function, FUNCTIONS).map(ToOwned::to_owned);
                Err(problem)
            }
        }
    }

    fn choice(&mut self, condition: Term, yes: Term, no: Term, at: Span) -> Term {
        let condition = self.of_type(condition, Type::Boolean);
        let (yes, no) = self.alike(yes, no);
        let (Some(a), Some(b)) = (yes.of, no.of) else { return Term::poisoned(at) };
        if a != b {
            let message =
                format!("`if` gives {} or {}: they must be alike", a.as_str(), b.as_str());
            self.problems.push(at.problem(message));
        }
        let node = Node::Choose(Box::new(condition), Box::new(yes.node), Box::new(no.node));
        Term::new(node, a, at)
    }

    /// Reports a word that names nothing.
    fn resolved(&mut self, mut term: Term) -> Term {
        if let Some(word) = term.word.take() {
            let mut problem = term.at.problem(format!("`{word}` names nothing here"));
            problem.suggestion = self.scope.nearest(&word);
            self.problems.push(problem);
        }
        term
    }

    fn of_type(&mut self, term: Term, wanted: Type) -> Node {
        let term = self.resolved(term);
        let fits = |found| found == wanted || (wanted == Type::Text && found == Type::Code);
        if let Some(found) = term.of.filter(|found| !fits(*found)) {
            let message = format!("{} is wanted here, this is {}", wanted.as_str(), found.as_str());
            self.problems.push(term.at.problem(message));
        }
        term.node
    }

    /// Lets each side lend its type to a literal on the other: a code to a word, a date to a text.
    fn alike(&mut self, left: Term, right: Term) -> (Term, Term) {
        let (lends_left, lends_right) = (Lender::of(&left), Lender::of(&right));
        (self.lent(left, lends_right), self.lent(right, lends_left))
    }

    fn lent(&mut self, term: Term, lender: Lender) -> Term {
        let is_text = matches!(term.node, Node::Literal(Literal::Text(_)));
        match (lender.of, lender.slot) {
            (Some(Type::Code), slot) if is_text => self.code_word(term, slot),
            (Some(of @ (Type::Date | Type::Time)), _) if is_text && term.word.is_none() => {
                self.moment(term, of)
            }
            _ => self.resolved(term),
        }
    }

    fn code_word(&mut self, mut term: Term, slot: Option<usize>) -> Term {
        term.word = None;
        term.of = Some(Type::Code);
        let Node::Literal(Literal::Text(word)) = &term.node else { return term };
        let known = slot.and_then(|slot| self.scope.names.get(slot));
        if let Some(name) = known.filter(|name| !name.words.is_empty())
            && !name.words.iter().any(|known| **known == **word)
        {
            let mut problem = term.at.problem(format!("`{word}` is no word of `{}`", name.name));
            let words = name.words.iter().map(String::as_str);
            problem.suggestion = super::nearest(word, words).map(ToOwned::to_owned);
            self.problems.push(problem);
        }
        term
    }

    fn moment(&mut self, mut term: Term, of: Type) -> Term {
        let Node::Literal(Literal::Text(text)) = &term.node else { return term };
        let literal = match (text.parse::<Date>(), text.parse::<DateTime>()) {
            (Ok(date), _) if text.len() == 10 => Literal::Date(date),
            (_, Ok(time)) if text.len() > 10 => Literal::Time(time),
            _ => {
                let message =
                    format!("\"{text}\" is no date (`2020-03-01` or `2020-03-01T08:30:00`)");
                self.problems.push(term.at.problem(message));
                return Term::poisoned(term.at);
            }
        };
        term.of = Some(of);
        term.node = Node::Literal(literal);
        term
    }
}

/// What one side of a comparison says about the other.
struct Lender {
    of: Option<Type>,
    slot: Option<usize>,
}

impl Lender {
    fn of(term: &Term) -> Self {
        let slot = if let Node::Slot(slot) = term.node { Some(slot) } else { None };
        Self { of: term.of, slot }
    }
}

impl Term {
    fn new(node: Node, of: Type, at: Span) -> Self {
        Self { node, of: Some(of), at, word: None }
    }

    /// Stands for what a noted problem is about.
    fn poisoned(at: Span) -> Self {
        Self { node: Node::Literal(Literal::Boolean(false)), of: None, at, word: None }
    }
}

/// Operators of one kind in a row, and arguments of a function.
const MAX_CHAIN: usize = 64;
const RELATIONS: [(&str, Relation); 6] = [
    ("==", Relation::Equal),
    ("!=", Relation::Unequal),
    ("<", Relation::Less),
    ("<=", Relation::AtMost),
    (">", Relation::Greater),
    (">=", Relation::AtLeast),
];
const KEYWORDS: [&str; 4] = ["and", "or", "not", "in"];
const FUNCTIONS: [&str; 9] =
    ["present", "min", "max", "abs", "floor", "ceiling", "round", "length", "if"];

fn comparable(left: Type, right: Type) -> bool {
    let class = |of| match of {
        Type::Number => 0,
        Type::Text | Type::Code => 1,
        Type::Date | Type::Time => 2,
        Type::Boolean => 3,
    };
    class(left) == class(right)
}

fn is_ordered(of: Type) -> bool {
    match of {
        Type::Number | Type::Date | Type::Time => true,
        Type::Text | Type::Code | Type::Boolean => false,
    }
}
