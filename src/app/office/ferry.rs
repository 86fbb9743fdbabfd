//! Ferries, as operators ask for them.

use std::sync::Arc;

use super::{Office, failure};
use crate::control::protocol::{Failure, FerryAnswer, FerryRequest, FerryShown};
use crate::province::{Ferry, FerryError, FerryStanding};
use crate::telemetry::logs::Chain;

impl Office {
    pub(super) async fn ferry(&self, request: FerryRequest) -> Result<FerryAnswer, Failure> {
        let (ferries, done) = match request {
            FerryRequest::List {} => (self.works().ferries(), None),
            FerryRequest::Again(it) => {
                let ferry = self.named_ferry(&it.ferry)?;
                let done = ferry.run(move |ferry| ferry.again(it.from, it.to)).await;
                (vec![ferry], Some(some(done.map_err(broken)?)?))
            }
            FerryRequest::Skip(it) => {
                let ferry = self.named_ferry(&it.ferry)?;
                let done = ferry.run(move |ferry| ferry.skip(it.from, it.to)).await;
                (vec![ferry], Some(some(done.map_err(broken)?)?))
            }
            FerryRequest::Accept(it) => {
                let ferry = self.named_ferry(&it.ferry)?;
                let done = ferry.run(move |ferry| ferry.accept(&it.incarnation)).await;
                (vec![ferry], Some(some(u64::from(done.map_err(broken)?))?))
            }
            FerryRequest::Anew(it) => {
                let ferry = self.named_ferry(&it.ferry)?;
                ferry.run(Ferry::anew).await.map_err(broken)?;
                (vec![ferry], Some(1))
            }
        };
        let mut shown = Vec::new();
        for ferry in ferries {
            let standing = ferry.run(Ferry::standing).await.map_err(broken)?;
            shown.push(told(standing));
        }
        Ok(FerryAnswer { done, ferries: shown })
    }

    fn named_ferry(&self, name: &str) -> Result<Arc<Ferry>, Failure> {
        let mut ferries = self.works().ferries();
        ferries.retain(|it| it.name() == name);
        match ferries.as_slice() {
            [one] => Ok(Arc::clone(one)),
            [] | [_, _, ..] => {
                let what = format!("there is no one ferry `{name}`");
                Err(failure("E-FERRY-UNKNOWN", what, Some("`cascaded ferry list` names them")))
            }
        }
    }
}

/// Nothing it could be done to is a mistake of whoever asked.
fn some(done: u64) -> Result<u64, Failure> {
    if done > 0 {
        return Ok(done);
    }
    let next = "`cascaded ferry list` shows what is kept, missed and offered";
    Err(failure("E-FERRY-NOTHING", "there is nothing to do that to", Some(next)))
}

pub(super) fn broken(error: FerryError) -> Failure {
    let what = Chain(&error).to_string();
    failure("E-FERRY-FAILED", what, Some("see to its folders and the disk"))
}

fn told(it: FerryStanding) -> FerryShown {
    FerryShown {
        name: it.name,
        side: it.side,
        returns: it.returns,
        incarnation: it.incarnation,
        sent: it.sent,
        unput: it.unput,
        unanswered: it.unanswered,
        unanswered_since: it.unanswered_since,
        peer: it.peer,
        came: it.came,
        acted: it.acted,
        waiting: it.waiting,
        gaps: it.gaps.iter().map(|gap| (gap.from, gap.to)).collect(),
        gap_since: it.gap_since,
        offered: it.offered,
        aside: it.aside,
        aside_last: it.aside_last,
        is_late: it.is_late,
    }
}
