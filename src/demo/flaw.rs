//! The defects that real data has, one by one, and which rule must find each.

/// A way in which a row is wrong. Each is planted so that exactly one rule finds it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Flaw {
    /// An identity number whose check digit is wrong (GB 11643).
    CheckDigitOfIdCard,
    /// A credit code whose check digit is wrong (GB 32100).
    CheckDigitOfCreditCode,
    /// `1`, `无`, `测试` where somebody had to write something.
    Placeholder,
    /// Nothing where something is required.
    Missing,
    /// More characters than declared.
    TooLong,
    /// A code that its list does not have.
    OutsideList,
    /// A day that has not come.
    InTheFuture,
    /// A number nobody can mean.
    OutOfRange,
    /// A telephone number of another form.
    Pattern,
    /// A character that no XML can carry.
    Control,
    /// Two columns that contradict each other.
    Across,
    /// Bytes that are no characters.
    Undecodable,
    /// The key of another row.
    RepeatedKey,
    /// No change time, where changes are noticed by it.
    NoChangeTime,
}

impl Flaw {
    /// Every kind.
    #[cfg(test)]
    pub(super) const ALL: [Self; 14] = [
        Self::CheckDigitOfIdCard,
        Self::CheckDigitOfCreditCode,
        Self::Placeholder,
        Self::Missing,
        Self::TooLong,
        Self::OutsideList,
        Self::InTheFuture,
        Self::OutOfRange,
        Self::Pattern,
        Self::Control,
        Self::Across,
        Self::Undecodable,
        Self::RepeatedKey,
        Self::NoChangeTime,
    ];

    /// The code of the rule that finds it.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::CheckDigitOfIdCard => "id-card",
            Self::CheckDigitOfCreditCode => "credit-code",
            Self::Placeholder => "placeholder",
            Self::Missing => "required",
            Self::TooLong => "length",
            Self::OutsideList => "code-list",
            Self::InTheFuture | Self::OutOfRange => "range",
            Self::Pattern => "pattern",
            Self::Control => "control-character",
            Self::Across => "cross-field",
            Self::Undecodable => "malformed",
            Self::RepeatedKey => "unique",
            Self::NoChangeTime => "change-time",
        }
    }
}
