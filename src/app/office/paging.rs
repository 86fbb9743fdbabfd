//! Pages of what was read whole: bounded by the configuration and the catalogue.

use super::failure;
use crate::control::protocol::{Failure, Listing, MAX_PAGE, Paging};

/// How many entries a page may have.
pub(super) fn limit(paging: &Paging) -> u32 {
    paging.limit.clamp(1, MAX_PAGE)
}

/// A numeric cursor.
pub(super) fn cursor(paging: &Paging) -> Result<Option<u64>, Failure> {
    let Some(after) = &paging.after else { return Ok(None) };
    let number = after.parse().map_err(|_not_a_number| {
        failure("E-PAGE", "this is not the cursor of a page before", Some("ask from the start"))
    })?;
    Ok(Some(number))
}

/// A page of `entries`, which are in the order of their names; the cursor is a name, so that what
/// comes or goes meanwhile moves nothing.
pub(super) fn page<T>(entries: Vec<T>, name: impl Fn(&T) -> String, paging: &Paging) -> Listing<T> {
    let total = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let limit = usize::try_from(limit(paging)).unwrap_or(1);
    let mut rest: Vec<T> = match &paging.after {
        Some(after) => entries.into_iter().filter(|entry| name(entry) > *after).collect(),
        None => entries,
    };
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next = rest.last().filter(|_| more).map(name);
    Listing { entries: rest, next, total }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_laid_end_to_end_are_the_list(
            mut names in prop::collection::btree_set("[a-z]{1,4}", 0..40), size in 0_u32..9,
        ) {
            let whole: Vec<String> = std::mem::take(&mut names).into_iter().collect();
            let mut seen = Vec::new();
            let mut paging = Paging { after: None, limit: size };
            for _ in 0..=whole.len() {
                let page = page(whole.clone(), Clone::clone, &paging);
                prop_assert_eq!(page.total, whole.len() as u64);
                prop_assert!(page.entries.len() <= usize::try_from(size.max(1)).unwrap());
                seen.extend(page.entries);
                paging.after = page.next;
                if paging.after.is_none() {
                    break;
                }
            }
            prop_assert_eq!(seen, whole);
        }
    }
}
