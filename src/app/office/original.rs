//! The originals of rejected rows, opened for an operator: the only answers that hold content.
//!
//! Whoever comes here was recorded before. What our own rules turned away is kept cell by cell in
//! the dataset's order of columns; what the province turned away is kept as it was sent.

use super::list::{departments, reject};
use super::{Office, failure, told};
use crate::city::Dataset;
use crate::control::Peer;
use crate::control::protocol::{Failure, Listing, RejectOriginal, RejectQuery};
use crate::delivery::RejectKind;
use crate::ledger;
use crate::ledger::seal::Purpose;
use crate::row::{Page, key_text};

/// The most bytes of originals in one answer: half of what a line may hold, for JSON escapes.
const PAGE_BYTES: usize = 2 << 20;

/// The one column of a row that is kept as it was sent.
const AS_SENT: &str = "as_sent";

type Cells = Vec<(String, Option<String>)>;

impl Office {
    pub(super) async fn original(
        &self,
        number: u64,
        peer: Peer,
    ) -> Result<RejectOriginal, Failure> {
        let found = self.crew.ledger.original_opened(number, peer.named()).await.map_err(told)?;
        let Some(found) = found else {
            let what = format!("there is no reject {number}");
            return Err(failure("E-NO-SUCH-REJECT", what, Some("see `cascaded rejects list`")));
        };
        let departments = departments(self).await?;
        self.opened(&found, reject(&found, &departments))
    }

    pub(super) async fn originals(
        &self,
        query: &RejectQuery,
    ) -> Result<Listing<RejectOriginal>, Failure> {
        let departments = departments(self).await?;
        let (found, mut next, total) = self.found(query).await?;
        let mut entries: Vec<RejectOriginal> = Vec::new();
        let mut bytes = 0;
        for it in &found {
            bytes += it.original.len();
            if bytes > PAGE_BYTES
                && let Some(last) = entries.last()
            {
                next = Some(last.reject.reject.to_string());
                break;
            }
            entries.push(self.opened(it, reject(it, &departments))?);
        }
        Ok(Listing { entries, next, total })
    }

    fn opened(
        &self,
        it: &ledger::Reject,
        shown: crate::control::protocol::Reject,
    ) -> Result<RejectOriginal, Failure> {
        let context = format!("{} {} {}", it.flow.channel, it.flow.dataset, it.key);
        let sealer = &self.crew.files.sealer;
        let plain = sealer
            .open(Purpose::Reject, context.as_bytes(), &it.original)
            .map_err(|error| told(error.into()))?;
        let works = self.works();
        let configuration = &works.configuration;
        let dataset = configuration
            .datasets
            .iter()
            .find(|known| known.dataset.id == it.flow.dataset)
            .map(|known| &known.dataset);
        let (cells, key) = match it.kind {
            RejectKind::Local => read(&plain, dataset)?,
            RejectKind::Refused | RejectKind::Failed => {
                let text = String::from_utf8_lossy(&plain).into_owned();
                (vec![(AS_SENT.to_owned(), Some(text))], String::new())
            }
        };
        let findings = it
            .findings
            .iter()
            .map(|finding| (finding.column.clone().unwrap_or_default(), finding.rule.clone()))
            .collect();
        Ok(RejectOriginal { reject: shown, key, cells, findings })
    }
}

/// Cells under their columns' names, and the key they make.
fn read(plain: &[u8], dataset: Option<&Dataset>) -> Result<(Cells, String), Failure> {
    let cells: Vec<Option<String>> = serde_json::from_slice(plain)
        .map_err(|_malformed| told(ledger::Error::Unreadable { what: "original" }))?;
    let columns = dataset.map(|dataset| dataset.columns.as_slice()).unwrap_or_default();
    // Kept under another configuration: the columns are no longer known.
    let known = columns.len() == cells.len();
    let mut key = String::new();
    if let Some(dataset) = dataset.filter(|_| known) {
        let mut page = Page::new(cells.len());
        for cell in &cells {
            match cell {
                Some(text) => page.push(text),
                None => page.push_null(),
            }
        }
        if page.end_row().is_ok()
            && let Some(row) = page.row(0)
        {
            key_text(row, &dataset.key, &mut key);
        }
    }
    let name = |at: usize| {
        let column = columns.get(at).filter(|_| known);
        column.map_or_else(|| format!("column {}", at + 1), |column| column.name.clone())
    };
    let cells = cells.into_iter().enumerate().map(|(at, cell)| (name(at), cell)).collect();
    Ok((cells, key))
}
