//! Counts that the province publishes in down-link tables: what a standard declares of them is
//! applied to every line, and the newest of each dataset is what comparing looks at.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::cases::{LINES, opened, tell};
use crate::app::Works;
use crate::cascade::{Channel, Crew};
use crate::catalogue::Kind;
use crate::delivery::{ChannelId, DigestSha256};
use crate::ledger::{self, Flow, InboxUnjudged, LineJudged, LinkFilter, Published};
use crate::standard::CountSaid;
use crate::standard::settings::{CountSettings, InboxSettings};

/// Another way to judge judges all lines again.
const WAY: &str = "counts 1";

/// Judges every line that was not judged under its declaration.
pub(super) async fn look(crew: &Crew, works: &Works) -> ledger::Result<()> {
    let mut carried = None;
    for channel in &works.channels {
        let tables = channel.standard.settings().inbox.iter();
        for (inbox, counts) in tables.filter_map(|it| Some((it, it.counts.as_ref()?))) {
            let zone = TimeZone::get(&channel.standard.settings().zone).unwrap_or(TimeZone::UTC);
            let judge = Judge { crew, channel, inbox, counts, zone };
            let by = judge.digest();
            loop {
                let (of, table) = (channel.id.clone(), inbox.table.clone());
                let lines = crew.ledger.inbox_unjudged(of, table, by, LINES).await?;
                if lines.is_empty() {
                    break;
                }
                let known = match &carried {
                    Some(known) => known,
                    None => carried.insert(Carried::read(crew, works).await?),
                };
                judge.lines(by, &lines, known).await?;
                works.channels.iter().for_each(|it| it.wake_reconcile());
            }
        }
    }
    Ok(())
}

/// One table's declaration, and what it is read with.
struct Judge<'a> {
    crew: &'a Crew,
    channel: &'a Channel,
    inbox: &'a InboxSettings,
    counts: &'a CountSettings,
    zone: TimeZone,
}

impl Judge<'_> {
    /// Of everything that decides what a line says: with another one all lines are judged again.
    fn digest(&self) -> DigestSha256 {
        let Self { inbox, counts, zone, .. } = self;
        let zone = zone.iana_name().unwrap_or_default();
        let (written, deleted) = (&inbox.written, &inbox.deleted);
        DigestSha256::of(format!("{WAY} {counts:?} {written:?} {deleted:?} {zone}").as_bytes())
    }

    async fn lines(
        &self,
        by: DigestSha256,
        lines: &[InboxUnjudged],
        carried: &Carried,
    ) -> ledger::Result<()> {
        let mut judged = Vec::new();
        let mut unreadable: BTreeMap<String, u64> = BTreeMap::new();
        for line in lines {
            let (said, is_unowned) = match self.said(line) {
                Ok(None) => (None, false),
                Ok(Some(said)) => {
                    let flow = carried.flow(&self.channel.id, &self.counts.of_is, &said.of);
                    let is_unowned = flow.is_none();
                    (flow.map(|flow| self.published(flow, said, line.number)), is_unowned)
                }
                Err(column) => {
                    *unreadable.entry(column).or_default() += 1;
                    (None, false)
                }
            };
            let (content, line) = (line.content.clone(), line.number);
            judged.push(LineJudged { line, content, said, is_unowned });
        }
        self.crew.ledger.counts_judged(by, judged).await?;
        tell(self.crew, (&self.channel.id, self.inbox), unreadable).await
    }

    /// What a line says; nothing for one that was taken away, or for a letter in no list.
    fn said(&self, line: &InboxUnjudged) -> Result<Option<CountSaid>, String> {
        let place = (&self.channel.id, self.inbox);
        match opened(self.crew, place, line, &self.zone)? {
            Some(it) if !it.is_gone => self.counts.said(&it.row, it.operated, &self.zone).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn published(&self, flow: Flow, said: CountSaid, line: u64) -> Published {
        let lag = self.counts.lag.unwrap_or_default();
        Published {
            flow,
            rows: said.rows,
            counted: said.counted,
            lag: SignedDuration::try_from(lag).unwrap_or(SignedDuration::MAX),
            proof: format!("inbox {} {} {line}", self.channel.id, self.inbox.table),
        }
    }
}

/// What goes where, and what the province calls it.
#[derive(Debug, Default)]
struct Carried {
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
