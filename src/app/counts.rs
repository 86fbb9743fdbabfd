//! Counts that the province publishes in down-link tables: what a standard declares of them is
//! applied to every line, and the newest of each dataset is what comparing looks at.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::lines::{Declaration, Judged, Row, Table};
use crate::app::Works;
use crate::cascade::Crew;
use crate::catalogue::Kind;
use crate::delivery::{ChannelId, DigestSha256};
use crate::ledger::{self, Flow, LineJudged, LinkFilter, Published};
use crate::standard::settings::CountSettings;

/// What is declared of one table.
pub(super) struct Counts<'a>(pub(super) &'a CountSettings);

impl Declaration for Counts<'_> {
    type Known = Carried;
    type Said = Published;

    fn text(&self) -> String {
        format!("counts 1 {:?}", self.0)
    }

    async fn known(crew: &Crew, works: &Works) -> ledger::Result<Carried> {
        Carried::read(crew, works).await
    }

    fn said(
        &self,
        table: &Table<'_>,
        row: &Row,
        carried: &Carried,
    ) -> Result<Judged<Published>, String> {
        if row.is_gone {
            return Ok(Judged::nothing());
        }
        let said = self.0.said(&row.cells, row.operated, &table.zone)?;
        let lag = self.0.lag.unwrap_or_default();
        let published = |flow| Published {
            flow,
            rows: said.rows,
            counted: said.counted,
            lag: SignedDuration::try_from(lag).unwrap_or(SignedDuration::MAX),
            proof: table.proof(row),
        };
        let said = carried.flow(&table.channel.id, &self.0.of_is, &said.of).map(published);
        Ok(Judged { is_unowned: said.is_none(), said })
    }

    async fn keep(
        table: &Table<'_>,
        by: DigestSha256,
        judged: Vec<LineJudged<Published>>,
    ) -> ledger::Result<()> {
        table.crew.ledger.counts_judged(by, judged).await
    }
}

/// What goes where, and what the province calls it.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// The channels that carry a dataset.
    channels: BTreeMap<String, Vec<ChannelId>>,
    /// The dataset of a resource, by the city's own id.
    datasets: BTreeMap<String, String>,
    /// The city's id of a resource, by a channel and the province's id.
    above: BTreeMap<(ChannelId, String), String>,
}

impl Carried {
    async fn read(crew: &Crew, works: &Works) -> ledger::Result<Self> {
        let mut known = Self::default();
        for channel in &works.channels {
            for carrier in channel.carriers() {
                let dataset = carrier.flow().dataset.clone();
                if !known.channels.contains_key(&dataset)
                    && let Some(id) = crew.ledger.resource_of(dataset.clone()).await?
                {
                    known.datasets.insert(id, dataset.clone());
                }
                known.channels.entry(dataset).or_default().push(channel.id.clone());
            }
            let filter = LinkFilter { kind: Some(Kind::Resource), state: None };
            for link in crew.ledger.links(channel.id.clone(), filter).await? {
                if let Some(upper) = link.upper_id {
                    known.above.insert((channel.id.clone(), upper), link.key.id);
                }
            }
        }
        Ok(known)
    }

    /// The dataset that is meant, on the channel that carries it: that of the line, or else the
    /// only one. What could be two is none.
    fn flow(&self, on: &ChannelId, what: &str, text: &str) -> Option<Flow> {
        let dataset = match what {
            "resource" => self.datasets.get(self.resource(on, text)?)?,
            _ => text,
        };
        let channels = self.channels.get(dataset)?;
        let channel = match channels.as_slice() {
            [one] => one,
            _ => channels.iter().find(|it| *it == on)?,
        };
        Some(Flow { channel: channel.clone(), dataset: dataset.to_owned() })
    }

    fn resource<'a>(&'a self, on: &ChannelId, text: &'a str) -> Option<&'a str> {
        if let Some(own) = self.above.get(&(on.clone(), text.to_owned())) {
            return Some(own);
        }
        let mut named = self.above.iter().filter(|((_, upper), _)| upper == text);
        match (named.next(), named.next()) {
            (None, _) => Some(text),
            (Some((_, own)), None) => Some(own),
            // Two platforms that give one id to two resources.
            (Some((_, one)), Some((_, other))) => (one == other).then_some(one.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_of_the_dataset_where_it_is_carried_and_of_none_where_two_could_be_meant() {
        let (one, two) = (ChannelId::from("one"), ChannelId::from("two"));
        let mut known = Carried::default();
        known.channels.insert("people".to_owned(), vec![one.clone()]);
        known.channels.insert("visits".to_owned(), vec![one.clone(), two.clone()]);
        for (resource, dataset) in [("r-people", "people"), ("r-visits", "visits")] {
            known.datasets.insert(resource.to_owned(), dataset.to_owned());
        }
        for (channel, upper, own) in
            [(&one, "u1", "r-people"), (&two, "u1", "r-visits"), (&two, "u2", "r-people")]
        {
            known.above.insert((channel.clone(), upper.to_owned()), own.to_owned());
        }
        let of = |channel: &str, what: &str, text: &str| {
            let flow = known.flow(&ChannelId::from(channel), what, text);
            flow.map(|it| format!("{} on {}", it.dataset, it.channel)).unwrap_or_default()
        };
        assert_eq!(of("one", "resource", "u1"), "people on one");
        assert_eq!(of("two", "resource", "u1"), "visits on two");
        assert_eq!(of("three", "resource", "u1"), "");
        assert_eq!(of("three", "resource", "u2"), "people on one");
        assert_eq!(of("three", "resource", "r-people"), "people on one");
        assert_eq!(of("three", "resource", "r-visits"), "");
        assert_eq!(of("three", "dataset", "people"), "people on one");
        assert_eq!(of("two", "dataset", "visits"), "visits on two");
        assert_eq!(of("two", "dataset", "nothing"), "");
    }
}
