//! How people and machines look at the daemon and ask it for something.
//!
//! Two doors, both bounded, neither of them holding state of its own: a unix socket whose file
//! mode is its access control ([`socket`]), speaking the closed language of [`protocol`] to the
//! command line; and an HTTP listener for Prometheus, for probes ([`http`]) and for people ([`page`]). And one way out: what began
//! and what ended is told to an address of the city's ([`webhook`]). What they answer
//! comes from a [`Handler`] and a [`Health`], which `app` implements over the ledger: a door never
//! looks into a stage.

pub mod http;
pub mod page;
pub mod people;
pub mod protocol;
pub mod socket;
pub mod syslog;
pub mod webhook;

use std::future::Future;
use std::sync::Arc;

use protocol::{Request, Response};

/// Who is at the other end of the socket, as the kernel says (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The process, where the kernel knows it.
    pub pid: Option<i32>,
}

/// Answers what comes through the socket.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. `peer` belongs into the record of every act.
    ///
    /// Called for several connections at once. Cancel-safe: yes, it must be, for the peer may hang
    /// up; what a request asks for is durable before it is acknowledged, or did not happen.
    fn handle(&self, request: Request, peer: Peer) -> impl Future<Output = Response> + Send;
}

/// Answers what comes through the HTTP listener. Quick and without I/O: it runs on the listener's
/// task.
pub trait Health: Send + Sync + 'static {
    /// Every metric in Prometheus' text format.
    fn metrics(&self) -> String;
    /// Why the process should be restarted; empty when it is alive.
    fn not_alive(&self) -> Vec<String>;
    /// Why it does not do its work; empty when it does.
    fn not_ready(&self) -> Vec<String>;
    /// The sums, once there are any.
    fn summary(&self) -> Option<protocol::Summary>;
    /// What the status page shows, once there is something to show.
    fn page(&self) -> Option<Arc<page::Page>>;
}
