//! Scopes of a cut-over: read, and judged whole before anything is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Office, failure, told};
use crate::cascade::{Carrier, Channel};
use crate::catalogue::{Kind, ObjectKey};
use crate::control::protocol::Failure;
use crate::delivery::{ChannelId, Reach, Reaches, Whose};
use crate::ledger::{LinkFilter, Scopes, Spoken};
use crate::standard::Standard;

/// A scope that cannot go over.
const NO_SCOPE: &str = "E-SCOPE";

impl Office {
    /// The scopes of a request. A department may be named by its title.
    pub(super) async fn reaches(&self, texts: &[String]) -> Result<Reaches, Failure> {
        if texts.is_empty() {
            return Ok(Reaches::default());
        }
        let titles = self.crew.ledger.titles().await.map_err(told)?;
        let organisations = titles.iter().filter(|(key, _)| key.kind == Kind::Organisation);
        let ids: BTreeMap<&str, &str> =
            organisations.map(|(key, title)| (title.as_str(), key.id.as_str())).collect();
        let mut list = Vec::new();
        for text in texts {
            let reach = Reach::parse(text).map_err(|error| {
                failure(NO_SCOPE, error.to_string(), Some("see `cascaded standard activate -h`"))
            })?;
            list.push(reach.of_department(|name| ids.get(name).map(|&id| id.to_owned())));
        }
        Ok(Reaches::of(list))
    }

    /// Scopes as people read them: a department by its title.
    pub(super) async fn shown(&self, scopes: &Reaches) -> Result<Vec<String>, Failure> {
        let titles = self.crew.ledger.titles().await.map_err(told)?;
        Ok(scopes.iter().map(|it| scope_shown(&titles, it)).collect())
    }

    /// What an activation changes: these scopes go over, or what is not ahead yet.
    pub(super) fn forward(
        channel: &Channel,
        to: &Standard,
        asked: &Reaches,
    ) -> Result<Option<Scopes>, Failure> {
        let ahead = channel.ahead();
        if let Some((reaches, voice)) = ahead.filter(|(_, it)| it.standard.id() != to.id()) {
            let spoken = voice.standard.id();
            let what = format!("{spoken} is ahead on {} for {reaches}", channel.id);
            return Err(failure(NO_SCOPE, what, Some("`cascaded standard rollback` it first")));
        }
        let before = ahead.map(|(reaches, _)| reaches.clone()).unwrap_or_default();
        if asked.is_empty() {
            return Ok((!before.is_empty()).then_some(Scopes { before, after: None }));
        }
        let after = before.with(asked);
        if after == before {
            let what = format!("{} is in force on {} for {asked} already", to.id(), channel.id);
            return Err(failure("E-STANDARD-IN-FORCE", what, Some("see `cascaded status`")));
        }
        Ok(Some(Scopes { before, after: Some(after) }))
    }

    /// What a rollback changes where something is ahead: these scopes come back, or all of them.
    pub(super) fn back(channel: &Channel, asked: &Reaches) -> Result<Option<Scopes>, Failure> {
        let before = channel.ahead().map(|(reaches, _)| reaches.clone()).unwrap_or_default();
        if let Some(unknown) = asked.iter().find(|it| !before.contains(it)) {
            let what = match before.is_empty() {
                true => format!("nothing went over on {} before the rest", channel.id),
                false => format!("`{unknown}` did not go over by itself; there are: {before}"),
            };
            return Err(failure(NO_SCOPE, what, Some("see `cascaded status`")));
        }
        if before.is_empty() {
            return Ok(None);
        }
        let after = if asked.is_empty() { Reaches::default() } else { before.without(asked) };
        Ok(Some(Scopes { before, after: Some(after) }))
    }

    /// Whether the scopes can go by themselves: somebody is in them, the other standard carries
    /// the rows among them, and no object is told of a parent whose id it would not know.
    pub(super) async fn separable(
        &self,
        channel: &Arc<Channel>,
        (from, to): (&Standard, &Standard),
        scopes: &Scopes,
    ) -> Result<(), Failure> {
        let Some(after) = &scopes.after else { return Ok(()) };
        let links = self.crew.ledger.links(channel.id.clone(), LinkFilter::default());
        let links = links.await.map_err(told)?;
        let objects = links.iter().filter(|it| it.wanted.is_some());
        let is_moved = |it: &&crate::ledger::Link| {
            scopes.moves(&Whose::object(it.key.kind, &it.region, &it.department))
        };
        let rows: Vec<&str> =
            channel.carriers().filter(|it| scopes.moves(&whose(it))).map(dataset).collect();
        if rows.is_empty() && !objects.clone().any(|it| is_moved(&it)) {
            let what = format!("nothing on {} answers to {}", channel.id, scopes.moved());
            let next = "`cascaded links` and `cascaded datasets` name departments and regions";
            return Err(failure(NO_SCOPE, what, Some(next)));
        }
        if let (Some(first), None) = (rows.first(), to.operation("rows.upsert")) {
            let what = format!("{} carries no rows, and {first} is in the scope", to.id());
            return Err(failure(NO_SCOPE, what, Some("name kinds of objects, as kind=entry")));
        }
        let renumbered: BTreeSet<&str> = (from.settings().renumbers.iter())
            .chain(&to.settings().renumbers)
            .map(String::as_str)
            .collect();
        if renumbered.is_empty() {
            return Ok(());
        }
        let ahead: BTreeMap<&ObjectKey, bool> = links
            .iter()
            .map(|it| {
                (&it.key, after.covers(&Whose::object(it.key.kind, &it.region, &it.department)))
            })
            .collect();
        let mut torn = Vec::new();
        for link in objects.filter(|it| it.wanted.is_some()) {
            if let Some(parent) = self.torn(&link.key, &ahead, &renumbered).await? {
                torn.push(format!("{} from {parent}", link.key));
            }
        }
        for carrier in channel.carriers() {
            let id = self.crew.ledger.resource_of(dataset(carrier).to_owned()).await;
            let Some(id) = id.map_err(told)? else { continue };
            let (key, is_ahead) =
                (ObjectKey { kind: Kind::Resource, id }, after.covers(&whose(carrier)));
            let mut with_rows = ahead.clone();
            with_rows.insert(&key, is_ahead);
            if let Some(parent) = self.torn(&key, &with_rows, &renumbered).await? {
                torn.push(format!("rows of {} from {parent}", dataset(carrier)));
            }
        }
        let Some(first) = torn.first() else { return Ok(()) };
        let kinds: Vec<&str> = renumbered.into_iter().collect();
        let (count, kinds) = (torn.len(), kinds.join(", "));
        let what = format!(
            "the standards number {kinds} differently, and the scope would tear {count} apart \
             that name each other: {first}"
        );
        Err(failure(NO_SCOPE, what, Some("take what belongs together, as department=NAME")))
    }

    /// The ancestor of a renumbered kind that another standard would speak for than for the object.
    async fn torn(
        &self,
        of: &ObjectKey,
        ahead: &BTreeMap<&ObjectKey, bool>,
        renumbered: &BTreeSet<&str>,
    ) -> Result<Option<ObjectKey>, Failure> {
        let side = ahead.get(of).copied().unwrap_or_default();
        let mut next = vec![of.clone()];
        // A chain of parents is as long as there are kinds, and one more for nested organisations.
        for _ in 0..=Kind::ALL.len() {
            let mut further = Vec::new();
            for key in next {
                let object = self.crew.ledger.object(key).await.map_err(told)?;
                for parent in object.into_iter().flat_map(|it| it.parents()) {
                    let other = ahead.get(&parent).copied().unwrap_or_default();
                    if renumbered.contains(parent.kind.as_str()) && other != side {
                        return Ok(Some(parent));
                    }
                    further.push(parent);
                }
            }
            next = further;
        }
        Ok(None)
    }

    /// Which standard will speak for what once a cut-over is made.
    pub(super) fn spoken_after(
        channel: &Arc<Channel>,
        (from, to): (&Standard, &Standard),
        (scopes, back): (Option<&Scopes>, bool),
    ) -> Spoken {
        let Some(after) = scopes.and_then(|it| it.after.as_ref()) else {
            return Spoken::all(to.id().clone());
        };
        let mut spoken = Spoken::all(channel.standard.id().clone());
        if !after.is_empty() {
            let ahead = if back { from } else { to };
            let rows = channel.carriers().filter(|it| after.covers(&whose(it)));
            let rows = rows.filter(|_| ahead.operation("rows.upsert").is_some());
            let rows = rows.map(|it| dataset(it).to_owned()).collect();
            spoken.ahead = Some((ahead.id().clone(), after.clone(), rows));
        }
        spoken
    }

    /// Rows and objects that stay above when a standard is left.
    pub(super) async fn above(
        &self,
        channel: ChannelId,
        standard: &Standard,
        scopes: Option<&Scopes>,
    ) -> Result<(u64, u64), Failure> {
        let (ledger, standard) = (&self.crew.ledger, standard.id().clone());
        let found = match scopes {
            None => ledger.delivered_under(channel, standard).await,
            Some(scopes) => ledger.delivered_ahead(channel, standard, scopes.clone()).await,
        };
        found.map_err(told)
    }
}

/// A scope with its department by its title, where that can be read back.
pub(super) fn scope_shown(titles: &BTreeMap<ObjectKey, String>, scope: &Reach) -> String {
    let title = |id: &str| {
        let key = ObjectKey { kind: Kind::Organisation, id: id.to_owned() };
        titles.get(&key).filter(|title| !title.contains(',')).cloned()
    };
    scope.clone().of_department(title).to_string()
}

fn whose(carrier: &Carrier) -> Whose<'_> {
    let owner = carrier.owner();
    Whose::rows(&carrier.flow().dataset, &owner.region, &owner.department)
}

fn dataset(carrier: &Arc<Carrier>) -> &str {
    &carrier.flow().dataset
}
