//! A pass: a full comparison of the city's table with what was sent.
//!
//! One mark per entry, in memory: a byte a row of every run, a bit in every entry of a batch. Keys
//! that nothing is known of are remembered until they are packed, up to a limit; past it a
//! repeated key that is never packed is [`Mark::New`] once more, which the checks then count.
//! The caller knows the keys of the batch it is still filling.

use std::collections::BTreeSet;

use super::memory::{SEEN, Slot};
use super::merge::Heads;
use super::run::Run;
use super::{Error, Index, KeyRange, Known, View};
use crate::row::{DigestSet, KeyDigest};

/// The most new keys that a pass remembers.
const MET_LIMIT: usize = 1 << 18;

/// What a pass says of a key it meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mark {
    /// Known, and met for the first time in this pass.
    First,
    /// Met before in this pass: the city's table repeats it.
    Again,
    /// Nothing is known of it.
    New,
}

#[derive(Debug, Default)]
pub(super) struct Pass {
    met: DigestSet,
}

impl Pass {
    pub(super) fn met(&mut self, key: KeyDigest) {
        if self.met.len() < MET_LIMIT {
            self.met.insert(key);
        }
    }

    pub(super) fn take_met(&mut self, key: KeyDigest) -> bool {
        self.met.remove(&key)
    }
}

impl Index {
    /// Begins a pass: nothing is marked. One that was under way is forgotten.
    pub fn begin_pass(&mut self) -> Result<(), Error> {
        self.end_pass();
        for level in &mut self.levels {
            level.marks = vec![0; rows(&level.run)];
        }
        self.pass = Some(Pass::default());
        Ok(())
    }

    /// Whether a pass is under way.
    pub fn in_pass(&self) -> bool {
        self.pass.is_some()
    }

    /// Ends the pass, or gives it up.
    pub fn end_pass(&mut self) {
        self.pass = None;
        self.memory.unmark_all();
        self.levels.iter_mut().for_each(|level| level.marks = Vec::new());
    }

    /// Marks the keys of a page that the pass has read; fastest when they are sorted. With each
    /// mark, what is known of the key.
    pub fn mark(&mut self, keys: &[KeyDigest]) -> Result<Vec<(Mark, Option<Known>)>, Error> {
        let mut cursors = self.cursors();
        let Self { memory, levels, pass, .. } = self;
        let Some(pass) = pass else { return Err(Error::Pass("no pass is under way")) };
        let mut out = Vec::with_capacity(keys.len());
        for key in keys {
            let group = memory.group(*key);
            let mut marks = group.marks;
            let mut below = None;
            let mut met = memory.mark(*key, SEEN);
            let mut in_run = false;
            for (cursor, level) in cursors.iter_mut().zip(levels.iter_mut()) {
                let Some((row, record)) = cursor.lookup(*key)? else { continue };
                if !in_run {
                    below = super::held(&record);
                    in_run = true;
                }
                met = true;
                if let Some(mark) = place(&mut level.marks, row) {
                    marks |= *mark;
                    *mark |= SEEN;
                }
            }
            let known = super::newest(&group, below);
            let again = marks & SEEN != 0 || pass.met.contains(key);
            if !met {
                pass.met(*key);
            }
            let mark = match known {
                _ if again => Mark::Again,
                Some(_) => Mark::First,
                None => Mark::New,
            };
            out.push((mark, known));
        }
        Ok(out)
    }

    /// Entries in `range` that the pass did not meet and that no batch packed since it began, up
    /// to `limit`: once the pass has read everything, the rows that are gone from the city. Those
    /// whose deletion is on the way are not among them.
    pub fn unseen(&self, range: KeyRange, limit: usize) -> Result<Vec<(KeyDigest, Known)>, Error> {
        let Some(pass) = &self.pass else { return Err(Error::Pass("no pass is under way")) };
        let mut out = Vec::new();
        if self.memory.is_marked() && self.levels.iter().all(|level| !level.marks.contains(&0)) {
            return Ok(out);
        }
        self.walk(range, View::Newest, |key, known, marks| {
            if let Some(known) = known.filter(|known| !known.deleting)
                && marks == 0
                && !pass.met.contains(&key)
            {
                out.push((key, known));
            }
            out.len() < limit
        })?;
        Ok(out)
    }

    /// The mark that everything has that is merged, where nothing of it was deleted: a first load's
    /// as a rule. No key is lost then, and nobody has to walk through them.
    fn one_mark(&self, replaced: usize, batches: &BTreeSet<u64>) -> Option<u8> {
        let levels = || self.levels.iter().take(replaced);
        let slots = || self.memory.entries_of(batches).map(|(_, slot)| slot);
        let leaving = slots().map(Slot::marks).next();
        let mark = leaving.or_else(|| levels().find_map(|level| level.marks.first().copied()))?;
        let is_one = slots().all(|slot| !slot.deleted() && slot.marks() == mark)
            && levels().all(|level| {
                level.run.tombstones() == 0 && level.marks.iter().all(|it| *it == mark)
            });
        is_one.then_some(mark)
    }

    /// The marks of a run that takes the place of the first `replaced` levels and some batches,
    /// and the marked keys that are not in it.
    pub(super) fn carry_marks(
        &self,
        run: &std::sync::Arc<Run>,
        replaced: usize,
        batches: &BTreeSet<u64>,
    ) -> Result<(Vec<u8>, Vec<KeyDigest>), Error> {
        if let Some(mark) = self.one_mark(replaced, batches) {
            return Ok((vec![mark; rows(run)], Vec::new()));
        }
        let mut marks = vec![0; rows(run)];
        let mut lost = Vec::new();
        let inputs = self.levels.iter().take(replaced).map(|level| &level.run);
        let mut heads = Heads::begin(std::iter::once(run).chain(inputs), KeyDigest([0; 12]))?;
        let mut leaving = self.memory.marks_of(batches).into_iter().peekable();
        let mut found = Vec::new();
        loop {
            let ahead = leaving.peek().map(|(key, _)| *key);
            let Some(key) = ahead.into_iter().chain(heads.key()).min() else { break };
            heads.take(key, &mut found)?;
            let mut all = 0;
            while let Some((_, marks)) = leaving.next_if(|(at, _)| *at == key) {
                all |= marks;
            }
            let mut target = None;
            for (number, row, _) in &found {
                match number.checked_sub(1).and_then(|level| self.levels.get(level)) {
                    Some(level) => {
                        let at = usize::try_from(*row).ok();
                        all |= at.and_then(|at| level.marks.get(at)).copied().unwrap_or(0);
                    }
                    None => target = Some(*row),
                }
            }
            match target.and_then(|row| place(&mut marks, row)) {
                Some(mark) => *mark = all,
                None if all & SEEN != 0 => lost.push(key),
                None => {}
            }
        }
        Ok((marks, lost))
    }
}

fn rows(run: &Run) -> usize {
    usize::try_from(run.rows()).unwrap_or_default()
}

fn place(marks: &mut [u8], row: u64) -> Option<&mut u8> {
    usize::try_from(row).ok().and_then(|row| marks.get_mut(row))
}
