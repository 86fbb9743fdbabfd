//! What an answer of the province means, once its standard has classed it.

use std::time::Duration;

/// The strongest proof an operation's standard can give, weakest first (证据等级).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Evidence {
    /// We put it where the province fetches it. Never shown as confirmed.
    Placed,
    /// The province's exported log names it.
    ExportedLog,
    /// A count or a read-back agrees.
    Count,
    /// A receipt (回执): the platform took it.
    Receipt,
    /// A verdict (校验结果) on each row: the platform judged it.
    RowVerdict,
}

impl Evidence {
    /// Every grade, weakest first.
    pub const ALL: [Self; 5] =
        [Self::Placed, Self::ExportedLog, Self::Count, Self::Receipt, Self::RowVerdict];

    /// The word used in a standard's directory, in the ledger and on labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::ExportedLog => "exported-log",
            Self::Count => "count",
            Self::Receipt => "receipt",
            Self::RowVerdict => "row-verdict",
        }
    }

    /// Whether the province's answer reaches this grade, so that rows count as confirmed by it.
    /// Counts and exported logs are read apart from any answer; until they are, rows under such a
    /// grade are placed and no more.
    pub fn confirms(self) -> bool {
        self >= Self::Receipt
    }

    /// The inverse of [`Evidence::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grade| grade.as_str() == text)
    }
}

/// The platform took a batch (回执).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Receipt {
    /// The province's name for it.
    pub id: String,
    /// The digest of what it took, where its standard gives one.
    pub digest: Option<String>,
    /// Rows it says it took, where its standard gives a count.
    pub rows: Option<u64>,
}

/// What a standard makes of one answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Taken.
    Accepted {
        /// The province's id of the object, where the operation gives one.
        upper_id: Option<String>,
        /// The receipt, where the operation gives one.
        receipt: Option<Receipt>,
    },
    /// It stands above already: adopt the id after comparing.
    Exists {
        /// The province's id of the object, where the answer names it.
        upper_id: Option<String>,
        /// The province's code, as said.
        code: String,
    },
    /// Not taken; sending the same again would be refused again.
    Refused {
        /// The province's code, as said.
        code: String,
        /// The province's message, as said. May hold content: never log it.
        message: String,
    },
    /// The world may heal: the same again, later.
    Retry {
        /// The province's code, or a word of ours such as `http-503`.
        code: String,
        /// How long the province asks us to wait.
        after: Option<Duration>,
    },
    /// Credentials were not accepted: refresh once, then hold.
    Auth {
        /// The province's code, as said.
        code: String,
    },
    /// The bytes may have arrived: ask before sending again.
    Unknown {
        /// A word of ours such as `timed-out`.
        code: String,
    },
    /// Where it should go is not there, or not open to us: everything about this dataset or object
    /// would meet the same, and nothing else on the channel.
    NoPlace {
        /// A word of ours and what is missing, such as `front-table-missing:NAME`.
        code: String,
    },
    /// A code in no list of the standard: the operation is held on this channel, nothing is
    /// rejected by it, and drift is raised.
    Unlisted {
        /// The province's code, as said.
        code: String,
    },
}

impl Outcome {
    /// The word that is counted and shown.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Exists { .. } => "exists",
            Self::Refused { .. } => "refused",
            Self::Retry { .. } => "retry",
            Self::Auth { .. } => "auth",
            Self::Unknown { .. } => "unknown",
            Self::NoPlace { .. } => "nowhere",
            Self::Unlisted { .. } => "unlisted",
        }
    }

    /// The code that was said, or ours where nothing was.
    pub fn code(&self) -> &str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Exists { code, .. }
            | Self::Refused { code, .. }
            | Self::Retry { code, .. }
            | Self::Auth { code }
            | Self::Unknown { code }
            | Self::NoPlace { code }
            | Self::Unlisted { code } => code,
        }
    }
}

/// The platform judged one row (校验结果).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It stands.
    Passed,
    /// It does not.
    Failed {
        /// The province's reason code or words, as said. May hold content: never log it.
        reason: String,
    },
}

/// Who turned a row away.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RejectKind {
    /// Our own rules; it was never sent.
    Local,
    /// The province did not take it.
    Refused,
    /// The province took it and its verdict failed.
    Failed,
}

impl RejectKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Local, Self::Refused, Self::Failed];

    /// The word that is stored, shown and used as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The inverse of [`RejectKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
