//! Hands pages from a reader that blocks to a cursor that waits.
//!
//! One page is under way at any time: the reader fills a page only when asked, so a slow cursor
//! costs no memory. The asked-for page comes back even if the one who asked stopped waiting.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::PAGE_BYTES;
use super::error::{Error, in_time};
use super::source::{Pool, Position};
use crate::row::Page;

struct Order {
    page: Page,
    max_rows: usize,
}

struct Delivery {
    page: Page,
    more: Result<bool, Error>,
    position: Option<Position>,
}

type Interrupt = Box<dyn Fn() + Send + Sync>;

/// The waiting side.
pub(crate) struct Feed {
    source_id: String,
    timeout: Duration,
    orders: mpsc::Sender<Order>,
    deliveries: mpsc::Receiver<Delivery>,
    ordered: bool,
    position: Option<Position>,
    interrupt: Arc<OnceLock<Interrupt>>,
}

/// The blocking side.
pub(crate) struct Desk {
    orders: mpsc::Receiver<Order>,
    deliveries: mpsc::Sender<Delivery>,
    interrupt: Arc<OnceLock<Interrupt>>,
}

/// What a reader does at its desk.
pub(crate) trait Read {
    /// Appends at most `max_rows` rows to an empty page. False: there are no more.
    fn fill(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error>;

    /// The last complete (time, key).
    fn position(&self) -> Option<&Position>;
}

/// Starts `reader` on the pool.
pub(crate) fn start(
    pool: &dyn Pool,
    source_id: &str,
    timeout: Duration,
    reader: impl FnOnce(&mut Desk) -> Result<(), Error> + Send + 'static,
) -> Feed {
    let (orders, order_queue) = mpsc::channel(1);
    let (delivery_queue, deliveries) = mpsc::channel(1);
    let interrupt = Arc::new(OnceLock::new());
    let mut desk =
        Desk { orders: order_queue, deliveries: delivery_queue, interrupt: Arc::clone(&interrupt) };
    pool.run(
        "city-reader",
        Box::new(move || {
            if let Err(error) = reader(&mut desk) {
                desk.refuse(error);
            }
        }),
    );
    Feed {
        source_id: source_id.to_owned(),
        timeout,
        orders,
        deliveries,
        ordered: false,
        position: None,
        interrupt,
    }
}

/// Does `work` on the pool and waits for what it says.
pub(crate) async fn ask<T: Send + 'static>(
    pool: &dyn Pool,
    source_id: &str,
    timeout: Duration,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (answer, waiting) = oneshot::channel();
    // Whoever asked may have stopped waiting; then nobody needs the answer.
    pool.run("city-probe", Box::new(move || drop(answer.send(work()))));
    match in_time(source_id, timeout, waiting).await? {
        Ok(answer) => answer,
        Err(_gone) => Err(Error::Ended { source_id: source_id.to_owned() }),
    }
}

impl Desk {
    /// Lets the cursor break off a call that blocks for long.
    pub(crate) fn interruptible(&mut self, interrupt: impl Fn() + Send + Sync + 'static) {
        // A second registration cannot happen: a desk has one reader.
        self.interrupt.get_or_init(|| Box::new(interrupt));
    }

    /// Serves pages until the cursor is dropped.
    pub(crate) fn serve(&mut self, reader: &mut dyn Read) {
        while let Some(Order { mut page, max_rows }) = self.orders.blocking_recv() {
            page.clear();
            let more = reader.fill(&mut page, max_rows);
            let delivery = Delivery { page, more, position: reader.position().cloned() };
            if self.deliveries.blocking_send(delivery).is_err() {
                return;
            }
        }
    }

    /// As [`Desk::serve`], for a reader that hands rows out from within its own loops.
    pub(crate) fn pump(&mut self) -> Pump<'_> {
        Pump { desk: self, order: None }
    }

    fn refuse(&mut self, error: Error) {
        if let Some(Order { page, .. }) = self.orders.blocking_recv() {
            let delivery = Delivery { page, more: Err(error), position: None };
            // A cursor that is gone needs no answer.
            self.deliveries.blocking_send(delivery).ok();
        }
    }
}

/// Pages that a reader fills as it comes by. What is full goes out before the next row.
pub(crate) struct Pump<'d> {
    desk: &'d mut Desk,
    order: Option<Order>,
}

impl Pump<'_> {
    /// The page for the next row, once somebody asks for one; `position` is what was complete
    /// before this row. `None`: the cursor is gone.
    pub(crate) fn page(&mut self, position: Option<&Position>) -> Option<&mut Page> {
        let is_full =
            |it: &mut Order| it.page.len() >= it.max_rows || it.page.text_bytes() >= PAGE_BYTES;
        if let Some(full) = self.order.take_if(is_full) {
            self.deliver(full.page, true, position)?;
        }
        if self.order.is_none() {
            let mut order = self.desk.orders.blocking_recv()?;
            order.page.clear();
            self.order = Some(order);
        }
        self.order.as_mut().map(|order| &mut order.page)
    }

    /// Hands out what is under way, and then that there is no more, until the cursor is dropped.
    pub(crate) fn finish(mut self, position: Option<&Position>) {
        while let Some(mut order) = self.order.take().or_else(|| {
            let mut order = self.desk.orders.blocking_recv()?;
            order.page.clear();
            Some(order)
        }) {
            let page = std::mem::take(&mut order.page);
            let more = !page.is_empty();
            if self.deliver(page, more, position).is_none() {
                return;
            }
        }
    }

    fn deliver(&self, page: Page, more: bool, position: Option<&Position>) -> Option<()> {
        let delivery = Delivery { page, more: Ok(more), position: position.cloned() };
        self.desk.deliveries.blocking_send(delivery).ok()
    }
}

impl Feed {
    /// Cancel-safe: an order stays under way, and the next call takes its delivery.
    pub(crate) async fn next(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        let ended = || Error::Ended { source_id: self.source_id.clone() };
        if !self.ordered {
            let permit = self.orders.reserve().await.map_err(|_gone| ended())?;
            permit.send(Order { page: std::mem::take(page), max_rows });
            self.ordered = true;
        }
        let waiting = in_time(&self.source_id, self.timeout, self.deliveries.recv());
        let delivery = match waiting.await {
            Ok(delivery) => delivery.ok_or_else(ended)?,
            Err(late) => {
                self.break_off();
                return Err(late);
            }
        };
        self.ordered = false;
        *page = delivery.page;
        if delivery.position.is_some() {
            self.position = delivery.position;
        }
        delivery.more
    }

    pub(crate) fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    fn break_off(&self) {
        if let Some(interrupt) = self.interrupt.get() {
            interrupt();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.break_off();
    }
}

/// Follows the order of a scan and knows the last (time, key) that no further row can share.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    open: Option<Position>,
    complete: Option<Position>,
}

impl Trail {
    /// The next row's time and key.
    pub(crate) fn step<'a>(&mut self, time: &str, key: impl Iterator<Item = &'a str> + Clone) {
        if let Some(open) = &self.open
            && open.time == time
            && open.key.iter().map(String::as_str).eq(key.clone())
        {
            return;
        }
        std::mem::swap(&mut self.open, &mut self.complete);
        let open =
            self.open.get_or_insert_with(|| Position { time: String::new(), key: Vec::new() });
        open.time.clear();
        open.time.push_str(time);
        let mut cells = 0;
        for cell in key {
            match open.key.get_mut(cells) {
                Some(text) => {
                    text.clear();
                    text.push_str(cell);
                }
                None => open.key.push(cell.to_owned()),
            }
            cells += 1;
        }
        open.key.truncate(cells);
    }

    /// The scan has ended: what was open is complete.
    pub(crate) fn finish(&mut self) {
        if let Some(open) = self.open.take() {
            self.complete = Some(open);
        }
    }

    pub(crate) fn complete(&self) -> Option<&Position> {
        self.complete.as_ref()
    }
}
