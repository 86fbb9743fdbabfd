//! Requests and objections of the inbox become cases: what a standard declares of its down-link
//! tables is applied to every line, each once, and what follows is facts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{Current, counts};
use crate::app::Works;
use crate::calendar::{Calendar, moment};
use crate::cascade::{Channel, Crew};
use crate::catalogue::{Content, Kind};
use crate::delivery::{ChannelId, DigestSha256};
use crate::ledger::seal::Purpose;
use crate::ledger::{self, CaseFound, InboxUnjudged, LineJudged, LinkFilter};
use crate::standard::CaseSaid;
use crate::standard::settings::{CaseSettings, InboxSettings};
use crate::supervisor::{TaskError, sleep};
use crate::telemetry::logs::Chain;

/// How often lines are looked for that were not judged.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often lines are judged again whose owner nobody knew: catalogues grow.
const AGAIN_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Lines that are judged at once.
pub(super) const LINES: u32 = 200;
/// The most organisations that owners are looked for among.
const ORGANISATIONS: usize = 20_000;
/// Another way to judge judges all lines again.
const WAY: &str = "cases 1";

/// Judges until it is aborted: a judgement is one transaction, so that nothing is lost by a cut.
pub(super) async fn serve(crew: Crew, current: Arc<Current>) -> Result<(), TaskError> {
    let mut again = Timestamp::MIN;
    loop {
        let now = crew.supervisor.clock().now();
        let looked = async {
            if now.duration_since(again) >= AGAIN_EVERY {
                crew.ledger.inbox_unowned().await?;
                again = now;
            }
            let works = current.load();
            look(&crew, &works).await?;
            counts::look(&crew, &works).await
        };
        if let Err(error) = looked.await {
            tracing::warn!(error = %Chain(&error), "cases of the inbox are not judged");
        }
        sleep(crew.supervisor.clock(), LOOK_EVERY).await;
    }
}

async fn look(crew: &Crew, works: &Works) -> ledger::Result<()> {
    let mut owners = None;
    for channel in &works.channels {
        let tables = channel.standard.settings().inbox.iter();
        for (inbox, cases) in tables.filter_map(|it| Some((it, it.cases.as_ref()?))) {
            let calendar = &works.configuration.calendar;
            let zone = TimeZone::get(&channel.standard.settings().zone).unwrap_or(TimeZone::UTC);
            let judge = Judge { crew, channel, inbox, cases, calendar, zone };
            let by = judge.digest();
            loop {
                let (of, table) = (channel.id.clone(), inbox.table.clone());
                let lines = crew.ledger.inbox_unjudged(of, table, by, LINES).await?;
                if lines.is_empty() {
                    break;
                }
                let owners = match &owners {
                    Some(known) => known,
                    None => owners.insert(Owners::read(crew, works).await?),
                };
                judge.lines(by, &lines, owners).await?;
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
    cases: &'a CaseSettings,
    calendar: &'a Calendar,
    zone: TimeZone,
}

impl Judge<'_> {
    /// Of everything that decides what a line says: with another one all lines are judged again.
    fn digest(&self) -> DigestSha256 {
        let Self { inbox, cases, calendar, zone, .. } = self;
        let zone = zone.iana_name().unwrap_or_default();
        let (written, deleted) = (&inbox.written, &inbox.deleted);
        let text = format!("{WAY} {cases:?} {written:?} {deleted:?} {zone} {calendar:?}");
        DigestSha256::of(text.as_bytes())
    }

    async fn lines(
        &self,
        by: DigestSha256,
        lines: &[InboxUnjudged],
        owners: &Owners,
    ) -> ledger::Result<()> {
        let mut judged = Vec::new();
        let mut unreadable: BTreeMap<String, u64> = BTreeMap::new();
        for line in lines {
            let (said, is_unowned) = match self.said(line) {
                Ok(None) => (None, false),
                Ok(Some((said, operated))) => {
                    let (found, is_unowned) = self.found(line, said, operated, owners);
                    (Some(found), is_unowned)
                }
                Err(column) => {
                    *unreadable.entry(column).or_default() += 1;
                    (None, false)
                }
            };
            let (content, line) = (line.content.clone(), line.number);
            judged.push(LineJudged { line, content, said, is_unowned });
        }
        self.crew.ledger.cases_judged(self.channel.id.clone(), by, judged).await?;
        tell(self.crew, (&self.channel.id, self.inbox), unreadable).await
    }

    /// What a line says and when the province said it; nothing for a letter in no list. The error
    /// is the column that does not hold what it should.
    fn said(&self, line: &InboxUnjudged) -> Result<Option<(CaseSaid, Timestamp)>, String> {
        let Some(Opened { row, operated, is_gone }) =
            opened(self.crew, (&self.channel.id, self.inbox), line, &self.zone)?
        else {
            return Ok(None);
        };
        let said = self.cases.said(&row, (operated, is_gone), (&self.zone, self.calendar))?;
        Ok(Some((said, operated)))
    }

    /// As the ledger keeps it: whose it is in the city's own words, and no content.
    fn found(
        &self,
        line: &InboxUnjudged,
        said: CaseSaid,
        operated: Timestamp,
        owners: &Owners,
    ) -> (CaseFound, bool) {
        let exact = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let owner = owners.of(&self.channel.id, &self.cases.owner_is, &said.owner);
        let is_unowned = owner.is_none() && (said.opening.is_some() || said.is_granted);
        let entry = owner.and_then(|it| it.entry.clone());
        let department = owner.map_or_else(String::new, |it| it.department.clone());
        let case = self.crew.ledger.identity().keyer.key(&said.number);
        let found = CaseFound {
            list: self.cases.list.clone(),
            case,
            operated: exact(operated),
            opening: said.opening.map(|it| (department, exact(it.laid), exact(it.deadline))),
            closed: said.closed.map(exact),
            used: entry.filter(|_| said.is_granted),
            proof: format!("inbox {} {} {}", self.channel.id, self.inbox.table, line.number),
        };
        (found, is_unowned)
    }
}

/// A line's row, as it was unsealed.
pub(super) struct Opened {
    pub(super) row: Map<String, Value>,
    /// When the province touched it.
    pub(super) operated: Timestamp,
    /// It took it away.
    pub(super) is_gone: bool,
}

/// What a line holds; nothing for a letter in no list. The error is the column that does not hold
/// what it should.
pub(super) fn opened(
    crew: &Crew,
    (channel, inbox): (&ChannelId, &InboxSettings),
    line: &InboxUnjudged,
    zone: &TimeZone,
) -> Result<Option<Opened>, String> {
    let is_gone = inbox.deleted.contains(&line.action);
    if !is_gone && !inbox.written.contains(&line.action) {
        return Ok(None);
    }
    let operated = moment(&line.operated, zone, false).ok_or_else(|| inbox.date.clone())?;
    let context = format!("inbox {channel} {}", inbox.table);
    let plain = crew.files.sealer.open(Purpose::Ledger, context.as_bytes(), &line.body);
    let plain = plain.ok().and_then(|it| serde_json::from_slice::<Value>(&it).ok());
    match plain {
        Some(Value::Object(mut said)) => match said.remove("row") {
            Some(Value::Object(row)) => Ok(Some(Opened { row, operated, is_gone })),
            Some(_) | None => Err(inbox.key.clone()),
        },
        Some(_) | None => Err(inbox.key.clone()),
    }
}

/// Tells columns that did not hold what they should, and in how many rows.
pub(super) async fn tell(
    crew: &Crew,
    (channel, inbox): (&ChannelId, &InboxSettings),
    unreadable: BTreeMap<String, u64>,
) -> ledger::Result<()> {
    for (column, rows) in unreadable {
        let place = format!("{}.{column}", inbox.table);
        tracing::warn!(%channel, place, rows, "rows do not say what was declared of them");
        let (of, kind) = (channel.clone(), "reply-value");
        crew.ledger.drift_seen(of, kind, "inbox".to_owned(), vec![place]).await?;
    }
    Ok(())
}

/// Whose something is.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Owner {
    department: String,
    /// The entry that it is, or that it belongs to.
    entry: Option<String>,
}

/// Who is meant by what down-link tables hold.
#[derive(Debug, Default)]
struct Owners {
    /// By id, credit code and title; what two share names nobody.
    organisations: BTreeMap<String, Option<Owner>>,
    /// By kind and the province's id, on a channel.
    above: BTreeMap<(Kind, ChannelId, String), Owner>,
    /// By kind and the province's id wherever it is known; what two share names nobody.
    anywhere: BTreeMap<(Kind, String), Option<Owner>>,
    /// By kind and the city's own id.
    objects: BTreeMap<(Kind, String), Owner>,
}

impl Owners {
    /// Looks into the catalogue and at its links.
    async fn read(crew: &Crew, works: &Works) -> ledger::Result<Self> {
        let mut owners = Self::default();
        let all = crew.ledger.objects(Kind::Organisation, None, None, ORGANISATIONS).await?;
        for object in all {
            let Content::Organisation(it) = object.content else { continue };
            for name in [&it.id, &it.credit_code, &it.title] {
                if name.is_empty() {
                    continue;
                }
                let owner = Owner { department: it.id.clone(), entry: None };
                name_once(&mut owners.organisations, name.clone(), owner);
            }
        }
        let mut entry_of = BTreeMap::new();
        let mut after = None;
        loop {
            let page = crew.ledger.objects(Kind::Resource, None, after, 1_000).await?;
            after = page.last().map(|it| it.key().id);
            for object in &page {
                if let Content::Resource(it) = &object.content {
                    entry_of.insert(it.id.clone(), it.entry.clone());
                }
            }
            if page.len() < 1_000 {
                break;
            }
        }
        for channel in &works.channels {
            for kind in [Kind::Entry, Kind::Resource] {
                let filter = LinkFilter { kind: Some(kind), state: None };
                for link in crew.ledger.links(channel.id.clone(), filter).await? {
                    let own = Some(&link.key.id).filter(|_| kind == Kind::Entry);
                    let entry = own.or_else(|| entry_of.get(&link.key.id)).cloned();
                    let owner = Owner { department: link.department, entry };
                    if let Some(upper) = link.upper_id {
                        let place = (kind, upper.clone());
                        name_once(&mut owners.anywhere, place, owner.clone());
                        let place = (kind, channel.id.clone(), upper);
                        owners.above.insert(place, owner.clone());
                    }
                    owners.objects.insert((kind, link.key.id), owner);
                }
            }
        }
        Ok(owners)
    }

    /// Whose it is, by what the declaration says the text is.
    fn of(&self, channel: &ChannelId, what: &str, text: &str) -> Option<&Owner> {
        let kind = match what {
            "entry" => Kind::Entry,
            "resource" => Kind::Resource,
            _ => return self.organisations.get(text)?.as_ref(),
        };
        let here = self.above.get(&(kind, channel.clone(), text.to_owned()));
        let named = (kind, text.to_owned());
        let anywhere = || self.anywhere.get(&named).and_then(Option::as_ref);
        here.or_else(anywhere).or_else(|| self.objects.get(&named))
    }
}

/// A name that means two means none.
fn name_once<N: Ord>(names: &mut BTreeMap<N, Option<Owner>>, name: N, owner: Owner) {
    let known = names.entry(name).or_insert_with(|| Some(owner.clone()));
    if known.as_ref() != Some(&owner) {
        *known = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_means_its_owner_on_its_channel_first_and_nobody_where_two_could_be_meant() {
        let owner = |id: &str| Owner { department: id.to_owned(), entry: None };
        let mut owners = Owners::default();
        let (one, two) = (ChannelId::from("one"), ChannelId::from("two"));
        for (channel, upper, department) in
            [(&one, "u1", "a"), (&two, "u1", "b"), (&two, "u2", "b")]
        {
            let place = (Kind::Resource, channel.clone(), upper.to_owned());
            owners.above.insert(place, owner(department));
            name_once(&mut owners.anywhere, (Kind::Resource, upper.to_owned()), owner(department));
        }
        owners.objects.insert((Kind::Resource, "r9".to_owned()), owner("c"));
        name_once(&mut owners.organisations, "同名局".to_owned(), owner("a"));
        name_once(&mut owners.organisations, "同名局".to_owned(), owner("b"));
        let of = |channel: &str, what: &str, text: &str| {
            let found = owners.of(&ChannelId::from(channel), what, text);
            found.map(|it| it.department.clone()).unwrap_or_default()
        };
        assert_eq!(of("one", "resource", "u1"), "a");
        assert_eq!(of("two", "resource", "u1"), "b");
        assert_eq!(of("three", "resource", "u1"), "");
        assert_eq!(of("three", "resource", "u2"), "b");
        assert_eq!(of("three", "resource", "r9"), "c");
        assert_eq!(of("one", "entry", "u1"), "");
        assert_eq!(of("one", "organisation", "同名局"), "");
    }
}
