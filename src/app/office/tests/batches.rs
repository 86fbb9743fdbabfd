//! Batches as they are listed.

use super::*;

#[tokio::test]
async fn batches_are_paged_newest_first_with_their_receipts() {
    let bench = Bench::start().await;
    let first = bench.observe("d-one", 1).await;
    bench.take(&first, taken()).await;
    bench.observe("d-two", 1).await;
    let mut query = crate::control::protocol::BatchQuery {
        paging: Paging { after: None, limit: 1 },
        ..Default::default()
    };
    let Response::Batches(page) = bench.ask(Request::Batches(query.clone())).await else {
        panic!()
    };
    assert_eq!((page.entries[0].subject.as_str(), page.total), ("d-two", 2));
    assert_eq!(page.entries[0].state, BatchState::Queued.as_str());
    query.paging.after = page.next;
    let Response::Batches(page) = bench.ask(Request::Batches(query)).await else { panic!() };
    assert_eq!(page.entries[0].receipt.as_deref(), Some("R1"));
    assert_eq!((page.next, page.entries[0].next_attempt), (None, None));
}
