//! Changing over: comparing, trying and completing a candidate. Nothing here sends anything.
//!
//! A candidate is read from its directory each time it is asked for, so that an edited or new one
//! needs no reload, and a broken one says so here and stops nothing.

use std::sync::Arc;

use super::{Office, failed, failure, told};
use crate::cascade::Channel;
use crate::catalogue::{Kind, ObjectKey};
use crate::changeover::{self, Difference, Part, Wanted, catalogue};
use crate::config;
use crate::control::Peer;
use crate::control::protocol::{
    DriftLine, Failure, Listing, Response, StandardCheck, StandardPair, Supply, SupplyReport,
    Trial, WantedQuery,
};
use crate::delivery::ChannelId;
use crate::standard::Standard;

impl Office {
    pub(super) async fn differences(
        &self,
        pair: &StandardPair,
    ) -> Result<Vec<Difference>, Failure> {
        let from = self.candidate(&pair.from).await?;
        let to = self.candidate(&pair.to).await?;
        let part = self.part(pair.channel.as_deref(), &[&from, &to])?;
        let mut list = changeover::compare(from.tables(), to.tables());
        let pool = self.crew.supervisor.pool();
        let ledger = &self.crew.ledger;
        catalogue::affects(ledger, pool, &part, &to, &mut list).await.map_err(told)?;
        Ok(list)
    }

    pub(super) async fn check(&self, asked: &StandardCheck) -> Result<Response, Failure> {
        let candidate = self.candidate(&asked.standard).await?;
        let channel = self.meant(asked.channel.as_deref(), &[&candidate])?;
        match &asked.trial {
            Trial::Catalogue {} => {
                let part = part(&channel);
                let (ledger, pool) = (&self.crew.ledger, self.crew.supervisor.pool());
                let checked = catalogue::check(ledger, pool, &part, &candidate).await;
                Ok(Response::Checked(Box::new(checked.map_err(told)?)))
            }
            Trial::Rows { dataset, all } => {
                let mut carriers = channel.carriers();
                let carrier =
                    carriers.find(|it| it.flow().dataset == *dataset).ok_or_else(|| {
                        let what = format!("channel {} carries no {dataset}", channel.id);
                        failure("E-NO-SUCH-DATASET", what, Some("see `cascaded datasets`"))
                    })?;
                let checked = changeover::check_rows(&self.crew, carrier, &candidate, *all).await;
                let mut checked = checked.map_err(|error| failed(&error))?;
                let key = ObjectKey { kind: Kind::Organisation, id: checked.department.clone() };
                let titles = self.crew.ledger.titles().await.map_err(told)?;
                if let Some(title) = titles.get(&key) {
                    checked.department.clone_from(title);
                }
                Ok(Response::RowsChecked(Box::new(checked)))
            }
        }
    }

    pub(super) async fn wanted(&self, query: &WantedQuery) -> Result<Listing<Wanted>, Failure> {
        let candidate = self.candidate(&query.standard).await?;
        let part = self.part(query.channel.as_deref(), &[&candidate])?;
        let after = match &query.paging.after {
            None => None,
            Some(cursor) => Some(key_of(cursor).ok_or_else(|| {
                let what = "this is not the cursor of a page before";
                failure("E-PAGE", what, Some("ask from the start"))
            })?),
        };
        let limit = usize::try_from(super::paging::limit(&query.paging)).unwrap_or(1);
        let (ledger, pool) = (&self.crew.ledger, self.crew.supervisor.pool());
        let of = query.department.as_deref();
        let (entries, next) =
            catalogue::wanted(ledger, pool, &part, &candidate, of, (after, limit))
                .await
                .map_err(told)?;
        let total = entries.len() as u64;
        Ok(Listing { entries, next: next.map(|key| key.to_string()), total })
    }

    pub(super) async fn supply(
        &self,
        supply: &Supply,
        peer: Peer,
    ) -> Result<SupplyReport, Failure> {
        if supply.by.trim().is_empty() || supply.by.chars().count() > 100 {
            let next = Some("name who vouches for the values, in at most 100 characters");
            return Err(failure("E-SUPPLY-BY", "nobody is named who supplies the values", next));
        }
        let candidate = self.candidate(&supply.standard).await?;
        let by = format!("{} ({})", supply.by.trim(), peer.named());
        let works = self.works();
        let in_force: Vec<(ChannelId, Arc<Standard>)> = works
            .channels
            .iter()
            .map(|channel| (channel.id.clone(), Arc::clone(&channel.standard)))
            .collect();
        let who = (by.as_str(), supply.dry_run);
        let ledger = &self.crew.ledger;
        let recorded = catalogue::supply(ledger, &candidate, &supply.values, who, &in_force)
            .await
            .map_err(told)?;
        if recorded.changed > 0 && !supply.dry_run {
            works.channels.iter().for_each(|channel| channel.wake());
        }
        let catalogue::Recorded { changed, unchanged, refused } = recorded;
        Ok(SupplyReport { changed, unchanged, refused })
    }

    /// What the province does that the standards in force do not say.
    pub(super) async fn drift(&self) -> Result<Vec<DriftLine>, Failure> {
        let seen = self.crew.ledger.drift().await.map_err(told)?;
        let works = self.works();
        let spoken = |id: &ChannelId| {
            let channel = works.channels.iter().find(|channel| channel.id == *id);
            channel.map(|channel| channel.standard.id().to_string()).unwrap_or_default()
        };
        let lines = seen.into_iter().map(|it| DriftLine {
            standard: spoken(&it.channel),
            channel: it.channel.to_string(),
            kind: it.kind,
            operation: it.subject,
            what: it.detail,
            count: it.count,
            since: it.since,
        });
        Ok(lines.collect())
    }

    /// The standard of this name, as its directory is now.
    pub(super) async fn candidate(&self, name: &str) -> Result<Arc<Standard>, Failure> {
        let folders = self.works().configuration.standard_folders.clone();
        let wanted = name.to_owned();
        let pool = self.crew.supervisor.pool();
        let found = pool.run(move || config::standard_now(&folders, &wanted)).await;
        match found {
            Some(Ok(standard)) => Ok(Arc::new(standard)),
            Some(Err(problems)) => {
                let count = problems.len();
                let mut told = failure("E-CONFIG", "the standard cannot be read", None);
                if let Some(first) = problems.into_iter().next() {
                    told.code = first.code.to_owned();
                    told.what = first.message;
                    told.place = Some(first.place);
                }
                told.next = Some(format!("{count} problems in all; `cascaded check` lists them"));
                Err(told)
            }
            None => {
                let what = format!("there is no standard `{name}`");
                Err(failure("E-NO-SUCH-STANDARD", what, Some("see `cascaded standard list`")))
            }
        }
    }

    fn part(&self, channel: Option<&str>, of: &[&Standard]) -> Result<Part, Failure> {
        Ok(part(&*self.meant(channel, of)?))
    }

    /// The channel that is named; else the only one, or the only one that speaks a version of the
    /// same standard.
    pub(super) fn meant(
        &self,
        named: Option<&str>,
        of: &[&Standard],
    ) -> Result<Arc<Channel>, Failure> {
        let all = self.works().channels.clone();
        if let Some(named) = named {
            let found = all.into_iter().find(|channel| channel.id.as_str() == named);
            return found.ok_or_else(|| {
                let next = Some("`cascaded status` names the channels");
                failure("E-NO-SUCH-CHANNEL", format!("there is no channel `{named}`"), next)
            });
        }
        let same = |channel: &Arc<Channel>| {
            let own = &channel.standard.settings().id;
            of.iter().any(|standard| standard.settings().id == *own)
        };
        let spoken: Vec<&Arc<Channel>> = all.iter().filter(|channel| same(channel)).collect();
        match (spoken.as_slice(), all.as_slice()) {
            ([one], _) => Ok(Arc::clone(one)),
            (_, [one]) => Ok(Arc::clone(one)),
            _ => Err(failure(
                "E-CHANNEL-UNNAMED",
                "several channels could be meant",
                Some("name one with --channel; `cascaded status` lists them"),
            )),
        }
    }
}

pub(super) fn part(channel: &Channel) -> Part {
    Part {
        channel: channel.id.clone(),
        kinds: channel.kinds.clone(),
        datasets: channel.carriers().map(|it| it.flow().dataset.clone()).collect(),
    }
}

/// The inverse of a key's text.
fn key_of(text: &str) -> Option<ObjectKey> {
    let (kind, id) = text.split_once(':')?;
    Some(ObjectKey { kind: Kind::parse(kind)?, id: id.to_owned() })
}
