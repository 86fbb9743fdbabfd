//! A ruling in the standard's words, whoever carries it.

use super::desk::{Desk, Ruling};
use crate::delivery::LinkState;
use crate::standard::{Operation, Says};

/// An answer before anybody writes it.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// The same again after so many seconds.
    pub(super) retry_after: Option<u64>,
    pub(super) body: Vec<u8>,
}

pub(super) fn spoken(desk: &Desk, operation: &Operation, ruling: &Ruling) -> Spoken {
    let answer = desk.standard().answer(operation, ruling.class, &ruling.says);
    let mut headers: Vec<(String, String)> = answer.headers.into_iter().collect();
    if !answer.body.is_empty() {
        let media = &desk.standard().settings().http.media;
        headers.push(("content-type".to_owned(), format!("{media}; charset=utf-8")));
    }
    let retry_after = ruling.after.map(|after| after.as_secs().max(1));
    Spoken { status: answer.status, headers, retry_after, body: answer.body }
}

/// What became above of an object, as far as it is proven: published and refused are said, and all
/// between is only that it was taken here.
pub(super) fn tell(says: &mut Says, state: LinkState) {
    let word = match state {
        LinkState::Published => "published",
        LinkState::InReview => "in_review",
        LinkState::Refused => "refused",
        LinkState::Unmapped
        | LinkState::Queued
        | LinkState::Sent
        | LinkState::Accepted
        | LinkState::Exists
        | LinkState::Unknown
        | LinkState::Stale
        | LinkState::Orphan
        | LinkState::Withdrawn => return,
    };
    says.values.insert("state", word.to_owned());
}
