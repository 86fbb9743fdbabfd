//! Requests and objections of the inbox become cases: what a standard declares of its down-link
//! tables is applied to every line, each once, and what follows is facts.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::lines::{Declaration, Judged, Row, Table};
use crate::app::Works;
use crate::calendar::Calendar;
use crate::cascade::Crew;
use crate::catalogue::{Content, Kind};
use crate::delivery::{ChannelId, DigestSha256};
use crate::ledger::{self, CaseFound, LineJudged, LinkFilter};
use crate::standard::CaseSaid;
use crate::standard::settings::CaseSettings;

/// The most organisations that owners are looked for among.
const ORGANISATIONS: usize = 20_000;

/// What is declared of one table, and what deadlines are counted with.
pub(super) struct Cases<'a> {
    pub(super) settings: &'a CaseSettings,
    pub(super) calendar: &'a Calendar,
}

impl Declaration for Cases<'_> {
    type Known = Owners;
    type Said = CaseFound;

    fn text(&self) -> String {
        format!("cases 1 {:?} {:?}", self.settings, self.calendar)
    }

    async fn known(crew: &Crew, works: &Works) -> ledger::Result<Owners> {
        Owners::read(crew, works).await
    }

    fn said(
        &self,
        table: &Table<'_>,
        row: &Row,
        owners: &Owners,
    ) -> Result<Judged<CaseFound>, String> {
        let touched = (row.operated, row.is_gone);
        let said = self.settings.said(&row.cells, touched, (&table.zone, self.calendar))?;
        Ok(self.found(table, row, said, owners))
    }

    async fn keep(
        table: &Table<'_>,
        by: DigestSha256,
        judged: Vec<LineJudged<CaseFound>>,
    ) -> ledger::Result<()> {
        table.crew.ledger.cases_judged(table.channel.id.clone(), by, judged).await.map(drop)
    }
}

impl Cases<'_> {
    /// As the ledger keeps it: whose it is in the city's own words, and no content.
    fn found(
        &self,
        table: &Table<'_>,
        row: &Row,
        said: CaseSaid,
        owners: &Owners,
    ) -> Judged<CaseFound> {
        let exact = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let owner = owners.of(&table.channel.id, &self.settings.owner_is, &said.owner);
        let is_unowned = owner.is_none() && (said.opening.is_some() || said.is_granted);
        let entry = owner.and_then(|it| it.entry.clone());
        let department = owner.map_or_else(String::new, |it| it.department.clone());
        let case = table.crew.ledger.identity().keyer.key(&said.number);
        let found = CaseFound {
            list: self.settings.list.clone(),
            case,
            operated: exact(row.operated),
            opening: said.opening.map(|it| (department, exact(it.laid), exact(it.deadline))),
            closed: said.closed.map(exact),
            used: entry.filter(|_| said.is_granted),
            proof: table.proof(row),
        };
        Judged { said: Some(found), is_unowned }
    }
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
pub(super) struct Owners {
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
