//! PostgreSQL servers as a source.

use super::dataset::Dataset;
use super::error::Error;
use super::settings::{PostgresSettings, Problem};
use super::source::{Position, Scan};
use crate::row::Page;

pub(crate) struct Cursor;

pub(crate) async fn probe(it: &PostgresSettings, dataset: &Dataset) -> Result<Vec<Problem>, Error> {
    Ok(Vec::new())
}

pub(crate) async fn scan(
    it: &PostgresSettings,
    dataset: &Dataset,
    scan: Scan,
) -> Result<Cursor, Error> {
    Err(Error::Unfit { source_id: it.id.clone(), reason: "not yet".to_owned() })
}

impl Cursor {
    pub(crate) async fn next(&mut self, page: &mut Page, max_rows: usize) -> Result<bool, Error> {
        Ok(false)
    }
    pub(crate) fn position(&self) -> Option<&Position> {
        None
    }
}
