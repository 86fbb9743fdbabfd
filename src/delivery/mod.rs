//! What is carried and what became of it: channels, links, batches, attempts, receipts, verdicts,
//! and which transitions are legal.

mod batch;
mod link;
mod mode;
mod outcome;
mod reach;

pub use batch::{
    Action, Attempt, Batch, BatchId, BatchOrigin, BatchState, DigestSha256, Lane, Subject,
};
pub use link::{IllegalTransition, LinkState};
pub use mode::{Mode, Permit};
pub use outcome::{Evidence, Outcome, Receipt, RejectKind, Verdict};
pub use reach::{NoReach, Reach, Reaches, Whose};

use std::fmt;
use std::sync::Arc;

/// Declares a cheap, comparable name.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as people write it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name! {
    /// One upper platform × object kinds × address and credentials (通道). The standard is the
    /// protocol spoken on it.
    ChannelId
}

name! {
    /// A standard at one version, `id/version`, as people write it.
    StandardId
}
