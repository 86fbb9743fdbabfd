//! The failure table: what the stages do about each answer of the province.
//!
//! Exhaustive over our own enums, no arm for "the rest": a new outcome does not compile until
//! somebody has decided.

use crate::delivery::{Outcome, Subject};

/// What the stages do about an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Disposition {
    /// It is done.
    Done,
    /// The world may heal: the same batch, later.
    Retry,
    /// Credentials may be stale: renew them once for this batch, then the same batch.
    Renew,
    /// Nobody knows: ask the province before sending again.
    Ask,
    /// Something in this batch is refused: halve it until the offender is alone.
    Split,
    /// This row or object is wrong and the next may be right: set it aside, tell its owner.
    Quarantine,
    /// Everything of this dataset or object would fail the same way: stop there until an operator
    /// acts.
    HoldSubject,
    /// Everything through this operation would fail the same way: stop there until an operator
    /// acts.
    HoldOperation,
    /// Everything on this channel would fail the same way: stop there until an operator acts.
    HoldChannel,
}

/// The table. `rows` is how many rows the batch carries, `renewed` whether its credentials were
/// renewed already.
pub fn disposition(outcome: &Outcome, subject: &Subject, rows: u32, renewed: bool) -> Disposition {
    match (outcome, subject) {
        (Outcome::Accepted { .. } | Outcome::Exists { .. }, _) => Disposition::Done,
        (Outcome::Retry { .. }, _) => Disposition::Retry,
        (Outcome::Unknown { .. }, _) => Disposition::Ask,
        (Outcome::Unlisted { .. }, _) if crate::crash::sabotaged("unlisted-refuses") => {
            if rows > 1 { Disposition::Split } else { Disposition::Quarantine }
        }
        (Outcome::Unlisted { .. }, _) => Disposition::HoldOperation,
        (Outcome::NoPlace { .. }, _) => Disposition::HoldSubject,
        (Outcome::Auth { .. }, _) if renewed => Disposition::HoldChannel,
        (Outcome::Auth { .. }, _) => Disposition::Renew,
        (Outcome::Refused { .. }, Subject::Rows { .. }) if rows > 1 => Disposition::Split,
        (Outcome::Refused { .. }, Subject::Rows { .. } | Subject::Object { .. }) => {
            Disposition::Quarantine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Action;

    #[test]
    fn a_refusal_never_takes_innocent_rows_along() {
        let refused = Outcome::Refused { code: "1".to_owned(), message: String::new() };
        let rows = Subject::Rows { dataset: "d".to_owned(), action: Action::Upsert };
        assert_eq!(disposition(&refused, &rows, 2, false), Disposition::Split);
        assert_eq!(disposition(&refused, &rows, 1, false), Disposition::Quarantine);
    }

    #[test]
    fn what_has_no_place_above_waits_alone_and_loses_nothing() {
        let none = Outcome::NoPlace { code: "front-table-missing:t".to_owned() };
        let rows = Subject::Rows { dataset: "d".to_owned(), action: Action::Upsert };
        assert_eq!(disposition(&none, &rows, 500, false), Disposition::HoldSubject);
    }

    #[test]
    fn an_unlisted_code_rejects_nothing() {
        let unlisted = Outcome::Unlisted { code: "C-47".to_owned() };
        let object = Subject::Object { kind: "entry".to_owned(), id: "e".to_owned() };
        assert_eq!(disposition(&unlisted, &object, 1, false), Disposition::HoldOperation);
    }

    #[test]
    fn credentials_are_renewed_once() {
        let auth = Outcome::Auth { code: "401".to_owned() };
        let object = Subject::Object { kind: "entry".to_owned(), id: "e".to_owned() };
        assert_eq!(disposition(&auth, &object, 1, false), Disposition::Renew);
        assert_eq!(disposition(&auth, &object, 1, true), Disposition::HoldChannel);
    }
}
