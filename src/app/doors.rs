//! The doors of the daemon: control socket and HTTP listener.

use std::net::SocketAddr;
use std::path::Path;

use super::App;
use crate::cascade::Events;
use crate::clock::Clock;
use crate::config::Configuration;
use crate::control::protocol::LedgerReport;
use crate::delivery::{ChannelId, RejectKind};
use crate::ledger::Flow;

/// Something `doctor` looked at.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Found {
    /// What.
    pub what: String,
    /// It is as it should be.
    pub ok: bool,
    /// What to do when it is not.
    pub advice: Option<String>,
}

pub(super) struct Nobody;

impl Events for Nobody {
    fn failed(&self, _: &str, _: &str) {}
    fn attempted(&self, _: &ChannelId, _: &str, _: &str) {}
    fn observed(&self, _: &Flow, _: u64) {}
    fn confirmed(&self, _: &Flow, _: u64) {}
    fn rejected(&self, _: &Flow, _: RejectKind, _: u64) {}
    fn drifted(&self, _: &ChannelId, _: &str) {}
    fn clock_offset(&self, _: &ChannelId, _: f64) {}
}

impl App {
    /// Opens the doors.
    pub async fn open_doors(&self) -> anyhow::Result<Option<SocketAddr>> {
        Ok(None)
    }
}

/// Looks.
pub async fn doctor(_: &Configuration, _: &Clock) -> Vec<Found> {
    Vec::new()
}

/// Verifies.
pub async fn verify_offline(_: &Configuration) -> anyhow::Result<LedgerReport> {
    anyhow::bail!("not wired yet")
}

/// Restores.
pub fn restore(_: &Configuration, _: &Path) -> anyhow::Result<()> {
    anyhow::bail!("not wired yet")
}
