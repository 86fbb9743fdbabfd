//! What a kind of table is: columns and where their values come from, keys, cycles, defects.

use super::flaw::Flaw;

/// Where a value comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fill {
    /// A running number after a prefix and the region: unique.
    Serial(&'static str),
    /// A running number that repeats `per` times: the first part of a composite key.
    Group {
        /// Before the number.
        prefix: &'static str,
        /// Rows per group.
        per: u64,
    },
    /// The place within a [`Fill::Group`].
    Member(u64),
    /// The place within a group, as a day before today.
    MemberDay(u64),
    /// The place within a group, as a month before this one: `2026-10`.
    MemberMonth(u64),
    /// A credit code, unique: a key.
    OwnCreditCode,
    /// Somebody's credit code.
    CreditCode,
    /// A person's name.
    Person,
    /// A company's name.
    Company,
    /// Which certificate the next [`Fill::CertificateNumber`] is of.
    CertificateType,
    /// An identity number with its check digit, or a passport's, as the type before it says.
    CertificateNumber,
    /// An address.
    Address,
    /// A mobile number, sometimes nothing.
    Phone,
    /// One of a code list.
    Code(&'static [&'static str]),
    /// A day, `from..=to` days before today.
    DaysAgo(i64, i64),
    /// A day up to so many days after the column before it.
    DaysAfter(i64),
    /// A decimal number of hundredths.
    Hundredths(i64, i64),
    /// At most the decimal number before it.
    AtMostBefore,
    /// A whole number.
    Whole(i64, i64),
    /// One of some texts, sometimes nothing.
    Remark(&'static [&'static str]),
    /// When the row last changed.
    Changed,
}

/// How a column is written in the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Type {
    Text,
    Integer,
    Decimal,
    Date,
    Time,
}

impl Type {
    /// The word of the configuration and of the catalogue.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Time => "time",
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) fill: Fill,
    /// Longest text, in characters.
    pub(super) length: u32,
    pub(super) required: bool,
}

impl Column {
    pub(super) fn kind(&self) -> Type {
        match self.fill {
            Fill::DaysAgo(..) | Fill::DaysAfter(_) | Fill::MemberDay(_) => Type::Date,
            Fill::Hundredths(..) | Fill::AtMostBefore => Type::Decimal,
            Fill::Whole(..) | Fill::Member(_) => Type::Integer,
            Fill::Changed => Type::Time,
            Fill::Serial(_)
            | Fill::Group { .. }
            | Fill::MemberMonth(_)
            | Fill::OwnCreditCode
            | Fill::CreditCode
            | Fill::Person
            | Fill::Company
            | Fill::CertificateType
            | Fill::CertificateNumber
            | Fill::Address
            | Fill::Phone
            | Fill::Code(_)
            | Fill::Remark(_) => Type::Text,
        }
    }
}

/// A rule over several columns: its name and its condition in the language of `expression`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Across {
    pub(super) name: &'static str,
    pub(super) holds: &'static str,
}

/// A kind of table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Template {
    /// The table's name, before the region.
    pub(super) table: &'static str,
    pub(super) title: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) key: &'static [&'static str],
    /// Declared cycle, as the catalogue's people write it.
    pub(super) cycle: &'static str,
    /// The column of business time.
    pub(super) business: Option<&'static str>,
    pub(super) across: Option<Across>,
    /// Which defects it has, each in the column named.
    pub(super) flaws: &'static [(Flaw, &'static str)],
    /// How many rows of a hundred fall to this kind.
    pub(super) weight: u64,
    /// Which of the city's departments keeps it.
    pub(super) department: usize,
}

impl Template {
    /// The column that says when a row changed; without one everything is read again.
    pub(super) fn changed(&self) -> Option<&'static str> {
        self.columns
            .iter()
            .find(|column| matches!(column.fill, Fill::Changed))
            .map(|column| column.name)
    }
}

/// The certificate types, and which of them are identity cards.
pub(super) const CERTIFICATES: &[&str] = &["111", "414"];
pub(super) const IDENTITY_CARD: &str = "111";
