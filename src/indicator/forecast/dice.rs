//! Chance that a seed repeats: the same numbers on every machine, and integers only.

/// A small generator (`SplitMix64`, DECISIONS 35).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

/// What [`Dice::happens`] counts in.
pub(super) const MILLION: u64 = 1_000_000;

impl Dice {
    /// One line of numbers of a seed.
    pub(super) fn new(seed: u64, line: u64) -> Self {
        let mut dice = Self(seed ^ line.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // The first number mixes both, so that neighbouring lines have nothing in common.
        let first = dice.next();
        Self(first ^ seed.rotate_left(17))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `most`, and 0 where that is 0. The bias of the remainder is below 1 in 2^40
    /// for anything counted here.
    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.next().checked_rem(most).unwrap_or(0)
    }

    /// Seconds from 0 to below `most`.
    pub(super) fn seconds(&mut self, most: i64) -> i64 {
        let most = u64::try_from(most).unwrap_or(0);
        i64::try_from(self.below(most)).unwrap_or(0)
    }

    /// Whether something of so many millionths happens.
    pub(super) fn happens(&mut self, millionths: u64) -> bool {
        self.below(MILLION) < millionths
    }

    /// One of a list, in the order of time: later ones are likelier, so that a change of habit is
    /// believed soon.
    pub(super) fn recent<'l, T>(&mut self, of: &'l [T]) -> Option<&'l T> {
        let most = u64::try_from(of.len()).ok()?;
        let latest = self.below(most).max(self.below(most)).max(self.below(most));
        of.get(usize::try_from(latest).ok()?)
    }

    /// One of a list, each as likely.
    pub(super) fn any<'l, T>(&mut self, of: &'l [T]) -> Option<&'l T> {
        let at = self.below(u64::try_from(of.len()).ok()?);
        of.get(usize::try_from(at).ok()?)
    }
}
