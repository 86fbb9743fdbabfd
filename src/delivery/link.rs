//! A link: a city object and its counterpart above.

use std::fmt;

/// Where a link stands (facts: `cascade-facts` §5).
///
/// `unmapped → queued → sent → accepted → in_review → published`; the rest are asides.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LinkState {
    /// The province has never been told.
    Unmapped,
    /// A message is durable and waits to be sent.
    Queued,
    /// A message is on its way, or its answer was lost on the way back.
    Sent,
    /// The province took it and gave an upper id.
    Accepted,
    /// People at the province look at it.
    InReview,
    /// It is visible above.
    Published,
    /// It stood above before us; its upper id was adopted after comparing.
    Exists,
    /// The province did not take it; its code is kept.
    Refused,
    /// Nobody knows whether the province took it: ask before sending again.
    Unknown,
    /// We are ahead: the city's object changed since the province took it.
    Stale,
    /// The province holds what the city does not.
    Orphan,
    /// Taken back by us.
    Withdrawn,
}

impl LinkState {
    /// Every state, in the order people read them.
    pub const ALL: [Self; 12] = [
        Self::Unmapped,
        Self::Queued,
        Self::Sent,
        Self::Accepted,
        Self::InReview,
        Self::Published,
        Self::Exists,
        Self::Refused,
        Self::Unknown,
        Self::Stale,
        Self::Orphan,
        Self::Withdrawn,
    ];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unmapped => "unmapped",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::InReview => "in_review",
            Self::Published => "published",
            Self::Exists => "exists",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
            Self::Orphan => "orphan",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The inverse of [`LinkState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The province holds the current version or one of ours.
    pub fn is_held_above(self) -> bool {
        matches!(self, Self::Accepted | Self::InReview | Self::Published | Self::Exists)
    }

    /// Whether a link may go from here to `next`. Staying where one is is always legal.
    pub fn may_become(self, next: Self) -> bool {
        use LinkState as S;
        if self == next {
            return true;
        }
        match self {
            S::Unmapped => matches!(next, S::Queued | S::Exists | S::Orphan | S::Refused),
            S::Queued => matches!(next, S::Sent | S::Stale | S::Unmapped | S::Unknown),
            S::Sent => matches!(
                next,
                S::Accepted
                    | S::InReview
                    | S::Published
                    | S::Exists
                    | S::Refused
                    | S::Unknown
                    | S::Queued
                    | S::Withdrawn
            ),
            S::Accepted | S::InReview | S::Published | S::Exists => matches!(
                next,
                S::Accepted
                    | S::InReview
                    | S::Published
                    | S::Refused
                    | S::Stale
                    | S::Queued
                    | S::Orphan
                    | S::Unknown
            ),
            S::Refused => matches!(next, S::Queued | S::Stale | S::Withdrawn | S::Unknown),
            S::Unknown => !matches!(next, S::Orphan),
            S::Stale => matches!(next, S::Queued | S::Orphan | S::Unknown | S::Refused),
            S::Orphan => matches!(next, S::Queued | S::Withdrawn | S::Exists | S::Unknown),
            S::Withdrawn => matches!(next, S::Queued | S::Unmapped | S::Orphan | S::Unknown),
        }
    }

    /// [`LinkState::may_become`] as a result, for the ledger.
    pub fn become_checked(self, next: Self) -> Result<Self, IllegalTransition> {
        if self.may_become(next) {
            Ok(next)
        } else {
            Err(IllegalTransition { from: self, to: next })
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A bug or a damaged ledger: a link was asked to make a step that has no meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a link cannot go from {from} to {to}")]
pub struct IllegalTransition {
    /// Where it stands.
    pub from: LinkState,
    /// Where it was sent.
    pub to: LinkState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_round_trip() {
        for state in LinkState::ALL {
            assert_eq!(LinkState::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn nothing_is_published_that_was_never_sent() {
        assert!(!LinkState::Unmapped.may_become(LinkState::Published));
        assert!(!LinkState::Queued.may_become(LinkState::Accepted));
        assert!(!LinkState::Refused.may_become(LinkState::Accepted));
    }

    #[test]
    fn every_state_is_reachable_from_unmapped() {
        let mut reached = vec![LinkState::Unmapped];
        let mut index = 0;
        while let Some(state) = reached.get(index).copied() {
            for next in LinkState::ALL {
                if state.may_become(next) && !reached.contains(&next) {
                    reached.push(next);
                }
            }
            index += 1;
        }
        assert_eq!(reached.len(), LinkState::ALL.len());
    }
}
