//! The three sides of a comparison in one order, read side by side.
//!
//! The ledger's runs are sorted by keyed digest. What the province lists and what the city reads
//! is brought into that order by [`Sorter`], which spills sealed; so two million keys need no more
//! memory than two thousand.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use super::super::Error;
use super::super::carrier::{Carrier, Mount};
use super::super::channel::Channel;
use super::super::lane::Crew;
use super::{Comparison, MAX_LISTED, Mismatch, inventory};
use crate::city::Scan;
use crate::delivery::DigestSha256;
use crate::ledger::Ledger;
use crate::ledger::sent::{KeyRange, View};
use crate::ledger::sorting::{Pair, Sorted, Sorter};
use crate::row::{KeyDigest, Page, RowHash, key_text};
use crate::standard::{Held, Scope};

/// Keys and rows looked at at once.
const STEP_KEYS: usize = 5_000;
/// Keys that one repair makes due again, and rows it deletes above.
pub(super) const MOST_MENDED: usize = 100_000;

/// What the ledger says of a dataset, as one value: two that are equal saw nothing happen between.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Books {
    /// Settled rows.
    pub(super) count: u64,
    digest: u128,
    /// Keys on their way.
    pub(super) unsettled: u64,
}

impl Books {
    /// Blocking.
    pub(super) fn of(carrier: &Carrier) -> Result<Self, Error> {
        let buckets = carrier.index().summary(0)?;
        let bucket = buckets.first().copied().unwrap_or_default();
        Ok(Self { count: bucket.count, digest: bucket.digest, unsettled: bucket.unsettled })
    }
}

/// What a comparison by keys found that repair could mend.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Missing or different above: our books' version.
    pub(super) lost: Vec<(KeyDigest, RowHash)>,
    /// Key texts, as the province says them, of rows that only it holds and that we sent.
    pub(super) orphans: Vec<(KeyDigest, String)>,
}

/// One comparison's surroundings.
pub(super) struct Sides<'a> {
    pub(super) crew: &'a Crew,
    pub(super) channel: &'a Arc<Channel>,
    pub(super) carrier: &'a Arc<Carrier>,
    pub(super) mount: &'a Arc<Mount>,
}

pub(super) fn sorter(crew: &Crew) -> Result<Sorter, Error> {
    Ok(Sorter::new(&crew.files.runs, Arc::clone(&crew.files.sealer))?)
}

/// The digest that the standard defines over a dataset, taken over what was confirmed: the city's
/// rows in the version that our books hold, in the order of their keys' texts. `None` where the
/// city has another version of any of the `count` rows by now. The key texts are sorted sealed.
pub(super) async fn digest(
    crew: &Crew,
    carrier: &Arc<Carrier>,
    mount: &Arc<Mount>,
    count: u64,
) -> Result<Option<String>, Error> {
    let read = read_city(crew, carrier, mount, |key, row, sorter| match row.digest {
        Some(digest) if row.is_ours => sorter.push(key.as_bytes(), &digest),
        Some(_) | None => Ok(()),
    });
    let sorter = read.await?;
    crew.block(move || -> Result<_, Error> {
        let mut sorted = sorter.finish()?;
        let mut context = Context::new(&SHA256);
        let mut before: Option<Vec<u8>> = None;
        let mut rows = 0_u64;
        while let Some((key, digest)) = sorted.next_pair()? {
            // The city may have the same row twice; above it is once.
            if before.as_ref() == Some(&key) {
                continue;
            }
            rows += 1;
            context.update(&key);
            context.update(b"=");
            context.update(text(&digest).as_bytes());
            context.update(b"\n");
            before = Some(key);
        }
        Ok((rows == count).then(|| text(context.finish().as_ref())))
    })
    .await
}

/// A digest as it is said.
fn text(bytes: &[u8]) -> String {
    bytes.try_into().map_or_else(|_other_length| String::new(), |it| DigestSha256(it).to_string())
}

/// One row of the city as a comparison sees it.
struct CityRow {
    digest_of_key: KeyDigest,
    /// In the version that our books hold.
    is_ours: bool,
    /// The digest the province should say of it; `None` where it cannot be written.
    digest: Option<[u8; 32]>,
}

/// Reads the city whole; `take` gives the sorter what it needs of each row.
async fn read_city(
    crew: &Crew,
    carrier: &Arc<Carrier>,
    mount: &Arc<Mount>,
    take: fn(&str, &CityRow, &mut Sorter) -> Result<(), crate::ledger::disk::Error>,
) -> Result<Sorter, Error> {
    let mut cursor = crew.scan(carrier, Scan::Full).await?;
    let mut sorter = sorter(crew)?;
    let mut page = Page::default();
    while crew.read(&mut cursor, &mut page, STEP_KEYS).await? {
        let (carrier, mount, ledger) =
            (Arc::clone(carrier), Arc::clone(mount), crew.ledger.clone());
        let read = std::mem::take(&mut page);
        sorter = crew
            .block(move || -> Result<_, Error> {
                let rows = look_up(&carrier, &mount, &ledger, &read)?;
                for (key, row) in rows {
                    take(&key, &row, &mut sorter)?;
                }
                Ok(sorter)
            })
            .await?;
    }
    Ok(sorter)
}

/// A page of the city against our books. Blocking.
fn look_up(
    carrier: &Carrier,
    mount: &Mount,
    ledger: &Ledger,
    page: &Page,
) -> Result<Vec<(String, CityRow)>, Error> {
    let keyer = &ledger.identity().keyer;
    let mut rows = Vec::with_capacity(page.len());
    for (at, row) in page.rows().enumerate() {
        let mut text = String::new();
        if key_text(row, &carrier.dataset.key, &mut text) {
            rows.push((keyer.key(&text), at, text));
        }
    }
    rows.sort_unstable();
    let keys: Vec<KeyDigest> = rows.iter().map(|(key, ..)| *key).collect();
    // Nothing is on its way, so the newest entry is the settled one.
    let known = carrier.index().lookup(&keys)?;
    let mut lines = String::new();
    Ok(rows
        .into_iter()
        .zip(known)
        .filter_map(|((key, at, text), known)| {
            let row = page.row(at)?;
            let is_ours = known.is_some_and(|known| known.row == keyer.row(row));
            lines.clear();
            let written = is_ours && mount.upsert.lines(row, &mut lines).is_ok();
            let digest = written.then(|| DigestSha256::of(lines.as_bytes()).0);
            Some((text, CityRow { digest_of_key: key, is_ours, digest }))
        })
        .collect())
}

/// The first bytes of a digest tell as much as is needed.
const HEAD: usize = 8;

impl Sides<'_> {
    /// The province's keys with their digests, in the order of our keyed digests; with `texts`,
    /// the keys themselves beside them. `None` where it did not answer to its end.
    pub(super) async fn theirs(
        &self,
        texts: bool,
        found: &mut Comparison,
    ) -> Result<Option<Sorted>, Error> {
        let scope = Scope {
            object: Some(&self.mount.object),
            upper_id: self.mount.upper_id.as_deref(),
            upper: self.mount.upper.clone(),
            dataset: Some(&self.carrier.flow.dataset),
            ..Scope::default()
        };
        let keyer = self.crew.ledger.identity().keyer.clone();
        let sorter = std::sync::Mutex::new(sorter(self.crew)?);
        let mut held = 0_u64;
        let answered = inventory(self.crew, self.channel, "inventory.keys", scope, |page| {
            held += u64::try_from(page.len()).unwrap_or(u64::MAX);
            let mut sorter = sorter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let taken = page
                .iter()
                .try_for_each(|one| sorter.push(&keyer.key(&one.key).0, &said(one, texts)));
            std::future::ready(taken.map(|()| true).map_err(Error::from))
        })
        .await?;
        found.held = held;
        let sorter = sorter.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match answered {
            Some(()) => self.crew.block(move || Ok(Some(sorter.finish()?))).await,
            None => Ok(None),
        }
    }

    /// Reads the city and puts the three sides together.
    pub(super) async fn join(
        &self,
        theirs: Sorted,
        found: &mut Comparison,
    ) -> Result<Joined, Error> {
        let read = read_city(self.crew, self.carrier, self.mount, |_, row, sorter| {
            let digest = row.digest.map(|digest| digest.into_iter().take(HEAD).collect());
            let digest: Vec<u8> = digest.unwrap_or_default();
            sorter.push(&row.digest_of_key.0, &digest)
        });
        let city = read.await?;
        let (carrier, mut counted) = (Arc::clone(self.carrier), std::mem::take(found));
        let (joined, counted) = self
            .crew
            .block(move || -> Result<_, Error> {
                let mut join = Join {
                    carrier: &carrier,
                    ours: Ours::new(&carrier),
                    theirs: Heads::new(theirs)?,
                    city: Heads::new(city.finish()?)?,
                    found: &mut counted,
                    joined: Joined::default(),
                    extra: Vec::new(),
                };
                join.run()?;
                let joined = join.joined;
                Ok((joined, counted))
            })
            .await?;
        *found = counted;
        Ok(joined)
    }
}

/// No digest was said; one was, and stands behind; one was, and is none.
const UNSAID: u8 = 0;
const SAID: u8 = 1;
const UNREADABLE: u8 = 2;

/// What the province says of one key: a mark, the head of its digest, and its text if wanted.
fn said(held: &Held, text: bool) -> Vec<u8> {
    let digest = held.digest.as_deref().filter(|digest| !digest.is_empty());
    let head = digest.and_then(|digest| digest.get(..2 * HEAD));
    let head = head.and_then(|head| u64::from_str_radix(head, 16).ok());
    let mark = match (digest, head) {
        (None, _) => UNSAID,
        (Some(_), Some(_)) => SAID,
        (Some(_), None) => UNREADABLE,
    };
    let mut said = vec![mark];
    said.extend_from_slice(&head.unwrap_or_default().to_be_bytes());
    if text {
        said.extend_from_slice(held.key.as_bytes());
    }
    said
}

/// A sorted side with its next record in sight.
pub(super) struct Heads {
    sorted: Sorted,
    head: Option<Pair>,
}

impl Heads {
    pub(super) fn new(mut sorted: Sorted) -> Result<Self, Error> {
        let head = sorted.next_pair()?;
        Ok(Self { sorted, head })
    }

    pub(super) fn key(&self) -> Option<KeyDigest> {
        let (key, _) = self.head.as_ref()?;
        key.as_slice().try_into().ok().map(KeyDigest)
    }

    /// Everything said of `key`.
    pub(super) fn take(&mut self, key: KeyDigest) -> Result<Vec<Vec<u8>>, Error> {
        let mut all = Vec::new();
        while self.key() == Some(key) {
            let next = self.sorted.next_pair()?;
            all.extend(std::mem::replace(&mut self.head, next).map(|(_, value)| value));
        }
        Ok(all)
    }
}

/// The ledger's settled rows in order.
struct Ours<'a> {
    carrier: &'a Carrier,
    rest: Option<KeyRange>,
    page: std::vec::IntoIter<(KeyDigest, RowHash)>,
    head: Option<(KeyDigest, RowHash)>,
}

impl<'a> Ours<'a> {
    fn new(carrier: &'a Carrier) -> Self {
        Self { carrier, rest: Some(KeyRange::ALL), page: Vec::new().into_iter(), head: None }
    }

    fn peek(&mut self) -> Result<Option<(KeyDigest, RowHash)>, Error> {
        while self.head.is_none() {
            self.head = self.page.next();
            let Some(range) = self.rest.filter(|_| self.head.is_none()) else { break };
            let entries = self.carrier.index().entries(View::Settled, range, STEP_KEYS)?;
            self.rest = entries.last().and_then(|(key, _)| range.after(*key));
            let page: Vec<_> = entries.into_iter().map(|(key, known)| (key, known.row)).collect();
            self.page = page.into_iter();
        }
        Ok(self.head)
    }

    fn take(&mut self, key: KeyDigest) -> Result<Option<RowHash>, Error> {
        let head = self.peek()?.filter(|(at, _)| *at == key);
        if head.is_some() {
            self.head = None;
        }
        Ok(head.map(|(_, row)| row))
    }
}

/// A key that the province holds and we do not count, with its text and whether the city has it.
type Extra = (KeyDigest, String, bool);

struct Join<'a> {
    carrier: &'a Carrier,
    ours: Ours<'a>,
    theirs: Heads,
    city: Heads,
    found: &'a mut Comparison,
    joined: Joined,
    extra: Vec<Extra>,
}

impl Join<'_> {
    /// Blocking.
    fn run(&mut self) -> Result<(), Error> {
        loop {
            let ours = self.ours.peek()?.map(|(key, _)| key);
            let sides = [ours, self.theirs.key(), self.city.key()];
            let Some(key) = sides.into_iter().flatten().min() else { break };
            let ours = self.ours.take(key)?;
            let theirs = self.theirs.take(key)?;
            let city = self.city.take(key)?;
            match (ours, theirs.first()) {
                (Some(row), None) => self.lost(key, row, Mismatch::Missing),
                (Some(row), Some(said)) => self.both(key, row, said, &city),
                (None, Some(said)) => {
                    let text = said.get(1 + HEAD..).unwrap_or_default();
                    let text = String::from_utf8_lossy(text).into_owned();
                    self.extra.push((key, text, !city.is_empty()));
                    if self.extra.len() >= STEP_KEYS {
                        self.sort_out()?;
                    }
                }
                (None, None) => {}
            }
        }
        self.sort_out()
    }

    fn list(&mut self, key: KeyDigest, what: Mismatch) {
        if self.found.keys.len() < MAX_LISTED {
            self.found.keys.push((key, what));
        }
    }

    fn lost(&mut self, key: KeyDigest, row: RowHash, what: Mismatch) {
        if what == Mismatch::Missing {
            self.found.missing += 1;
        } else {
            self.found.different += 1;
        }
        self.list(key, what);
        if self.joined.lost.len() < MOST_MENDED {
            self.joined.lost.push((key, row));
        }
    }

    /// Both hold the key. Where the city still has the version that was confirmed, the province's
    /// digest must be the one its standard defines over that content.
    fn both(&mut self, key: KeyDigest, row: RowHash, said: &[u8], city: &[Vec<u8>]) {
        let Some((mark, rest)) = said.split_first().filter(|(mark, _)| **mark != UNSAID) else {
            return;
        };
        let digest = rest.get(..HEAD).filter(|_| *mark == SAID);
        let mut expected = city.iter().filter(|digest| !digest.is_empty()).peekable();
        if expected.peek().is_none() {
            return;
        }
        self.found.compared += 1;
        if !expected.any(|expected| Some(expected.as_slice()) == digest) {
            self.lost(key, row, Mismatch::Different);
        }
    }

    /// Of the keys that only the province holds: which of them did we send?
    fn sort_out(&mut self) -> Result<(), Error> {
        let extra = std::mem::take(&mut self.extra);
        let keys: Vec<KeyDigest> = extra.iter().map(|(key, ..)| *key).collect();
        let traces = self.carrier.index().traces(&keys)?;
        for ((key, text, in_city), sent) in extra.into_iter().zip(traces) {
            let what = match (sent, in_city) {
                (false, _) => Mismatch::Foreign,
                (true, true) => Mismatch::Unconfirmed,
                (true, false) => Mismatch::Orphan,
            };
            self.found.extra += 1;
            self.list(key, what);
            if what == Mismatch::Orphan && self.joined.orphans.len() < MOST_MENDED {
                self.joined.orphans.push((key, text));
            }
        }
        Ok(())
    }
}
