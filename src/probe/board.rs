//! What stands now: which interfaces answer, and since when they do not.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// How one interface stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// Its name.
    pub id: String,
    /// The resource that it is.
    pub resource: String,
    /// When it was asked last.
    pub asked: Timestamp,
    /// Since when it has not answered, and the word for why; `None` while it does.
    pub silent: Option<(Timestamp, String)>,
}

/// Where whoever asks leaves how interfaces stand, for whoever shows it. What was not asked yet is
/// not on it.
#[derive(Debug, Default)]
pub struct Board {
    standing: Mutex<BTreeMap<String, Standing>>,
}

impl Board {
    /// An interface was asked; tells whether that is a change worth a line in the log.
    pub fn asked(
        &self,
        (id, resource): (&str, &str),
        at: Timestamp,
        answer: Result<(), &str>,
    ) -> bool {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = standing.get(id).and_then(|it| it.silent.clone());
        let silent = answer.err().map(|why| {
            let since = before.as_ref().map_or(at, |(since, _)| *since);
            (since, why.to_owned())
        });
        let is_change = before.is_some() != silent.is_some();
        let (id, resource) = (id.to_owned(), resource.to_owned());
        standing.insert(id.clone(), Standing { id, resource, asked: at, silent });
        is_change
    }

    /// Only these are asked any more.
    pub fn retain(&self, is_asked: impl Fn(&str) -> bool) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.retain(|id, _| is_asked(id));
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Standing> {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_once_and_ends_with_an_answer() {
        let board = Board::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(!board.asked(("p", "r"), at(1), Ok(())));
        assert!(board.asked(("p", "r"), at(2), Err("timed-out")));
        assert!(!board.asked(("p", "r"), at(3), Err("status-503")));
        assert_eq!(board.all()[0].silent, Some((at(2), "status-503".to_owned())));
        assert!(board.asked(("p", "r"), at(4), Ok(())));
        assert_eq!((board.all()[0].silent.clone(), board.all()[0].asked), (None, at(4)));
        board.retain(|id| id != "p");
        assert!(board.all().is_empty());
    }
}
