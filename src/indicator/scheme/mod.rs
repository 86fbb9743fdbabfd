//! Scoring schemes (考核办法): what a month's points hang on, as a file that people read and change.
//!
//! One file is one scheme for the months it names; a scheme that changes is a further file with the
//! same id and later months ([`in_force`]). The page `config/schemes/README.md` describes the file
//! and its language. Everything is compiled when it is loaded: a name nobody knows, a wrong type
//! or a step out of order is told with its place, all at once, before anything is scored.

mod document;
mod period;
mod read;

pub use document::{Code, Problem};
pub use period::{CutOff, Later, Month, Period, Window};

use rust_decimal::Decimal;

use crate::expression::Expression;

/// A text in both languages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Title {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// A scheme.
#[derive(Clone, Debug)]
pub struct Scheme {
    /// Its name; several files may share it for different months.
    pub id: String,
    /// What it is called.
    pub title: Title,
    /// What it was made from: a document, a notice, or what a model was modelled on.
    pub modelled_on: String,
    /// When it holds and how its months run.
    pub period: Period,
    /// Its classes (大类), in the order of the file.
    pub classes: Vec<Class>,
    /// Lists of cases that its items count.
    pub cases: Vec<Named>,
    /// Values that the daemon cannot see.
    pub values: Vec<Named>,
    /// Its items (项), in the order of the file.
    pub items: Vec<Item>,
    /// What expressions name, by slot.
    names: Vec<String>,
}

/// A class of items (大类).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Class {
    /// Its name.
    pub id: String,
    /// What it is called.
    pub title: Title,
}

/// A list or a value that expressions name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Its name.
    pub id: String,
    /// What it is called.
    pub title: Title,
}

/// How an item works on the total.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Its points are added.
    Award,
    /// Its points are taken away.
    Deduct,
    /// Where its condition holds, a class or the whole counts nothing (一票否决).
    Veto,
    /// Its points are added and depend on the other cities' figures.
    Relative,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Award, Self::Deduct, Self::Veto, Self::Relative];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Award => "award",
            Self::Deduct => "deduct",
            Self::Veto => "veto",
            Self::Relative => "relative",
        }
    }
}

/// How well an item is known.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Known {
    /// The province published how it is reckoned, or the loss itself.
    Published,
    /// We reckon it after what is known; the province may reckon otherwise.
    Estimated,
    /// The daemon cannot see it: its value is brought in.
    Outside,
    /// Nobody here knows how it is reckoned.
    Unknown,
}

impl Known {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Published, Self::Estimated, Self::Outside, Self::Unknown];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Estimated => "estimated",
            Self::Outside => "outside",
            Self::Unknown => "unknown",
        }
    }
}

/// Whom an item marks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The city as a whole.
    City,
    /// Each region.
    Region,
    /// Each department.
    Department,
    /// Each body (region or department) of a class of assessed bodies.
    Class(String),
}

impl Scope {
    /// The word in the file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::City => "city",
            Self::Region => "region",
            Self::Department => "department",
            Self::Class(class) => class,
        }
    }
}

/// What a veto strikes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Struck {
    /// The whole score.
    All,
    /// One class.
    Class(String),
}

/// How an item's points come about.
#[derive(Clone, Debug)]
pub enum Points {
    /// By an expression; of a veto it is a condition.
    Expression(Expression),
    /// By the first step that the judged figure reaches; nothing below the last one.
    Steps(Vec<Step>),
}

/// From this figure on, so many points.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// The figure.
    pub at_least: Decimal,
    /// The points.
    pub points: Decimal,
}

/// An item (项).
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name.
    pub id: String,
    /// Its class.
    pub class: String,
    /// What it is called.
    pub title: Title,
    /// How it works on the total.
    pub kind: Kind,
    /// How well it is known.
    pub known: Known,
    /// Whom it marks.
    pub scope: Scope,
    /// The points that it is about, where that is known.
    pub weight: Option<Decimal>,
    /// The fewest points it gives or takes.
    pub floor: Decimal,
    /// The most points it gives or takes.
    pub cap: Option<Decimal>,
    /// The figure that is judged, where it is named apart from the points.
    pub of: Option<Expression>,
    /// How the points come about.
    pub points: Points,
    /// What a veto strikes.
    pub strikes: Option<Struck>,
    /// What a reader should know: what is modelled, which reason is not known.
    pub note: String,
}

impl Item {
    /// The points that hang on it: its weight, else its cap, else unknown.
    pub fn worth(&self) -> Option<Decimal> {
        self.weight.or(self.cap)
    }
}

impl Scheme {
    /// The largest file that is read, in bytes.
    pub const MAX_BYTES: usize = 1 << 20;
    /// The most classes, items, lists or values of one file.
    pub const MAX_ENTRIES: usize = 2000;

    /// Reads a scheme; `file` is how its problems call it. Pure: every problem at once.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        read::read(file, text)
    }

    /// The name under which the slot of a compiled expression of this scheme is known.
    pub fn name_of(&self, slot: usize) -> Option<&str> {
        self.names.get(slot).map(String::as_str)
    }

    /// The words that expressions may use, apart from those of the file.
    pub fn own_words() -> [&'static str; 5] {
        read::OWN
    }

    /// The keys of a table of the file, for the page that describes them.
    pub fn keys(table: &str) -> &'static [&'static str] {
        read::keys(table)
    }
}

/// The scheme `id` that holds in `month`: of several, the one that began last.
pub fn in_force<'s>(schemes: &'s [Scheme], id: &str, month: Month) -> Option<&'s Scheme> {
    let holds = |scheme: &&Scheme| scheme.id == id && scheme.period.holds_in(month);
    schemes.iter().filter(holds).max_by_key(|scheme| scheme.period.from)
}

#[cfg(test)]
mod tests;
