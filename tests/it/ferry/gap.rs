//! A gap device: carries files between two folders as badly as it is told to.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

/// What it does with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Again some looks later.
    Twice,
    /// Some looks later.
    Late,
    /// Half of it first, under its own name.
    Half,
    /// Under another name first.
    Renamed,
}

struct Due {
    look: u64,
    to: PathBuf,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Memory {
    looks: u64,
    carried: usize,
    due: Vec<Due>,
    all: Vec<Vec<u8>>,
    lose: [u32; 2],
    lost: u32,
}

pub(crate) struct Gap {
    pub(crate) below: PathBuf,
    pub(crate) above: PathBuf,
    faults: &'static [Fault],
    memory: RefCell<Memory>,
}

impl Gap {
    pub(crate) fn new(below: &Path, above: &Path, faults: &'static [Fault]) -> Self {
        let (below, above) = (below.to_owned(), above.to_owned());
        Self { below, above, faults, memory: RefCell::default() }
    }

    /// The next so many requests never arrive.
    pub(crate) fn lose_requests(&self, count: u32) {
        let mut memory = self.memory.borrow_mut();
        (memory.lose[0], memory.lost) = (count, 0);
    }

    /// The next so many answers never arrive.
    pub(crate) fn lose_answers(&self, count: u32) {
        let mut memory = self.memory.borrow_mut();
        (memory.lose[1], memory.lost) = (count, 0);
    }

    pub(crate) fn has_lost(&self) -> bool {
        self.memory.borrow().lost > 0
    }

    /// The last file that was carried up.
    pub(crate) fn last(&self) -> Option<Vec<u8>> {
        self.memory.borrow().all.last().cloned()
    }

    /// Looks once: what is there is carried, the last first.
    pub(crate) fn carry(&self) {
        let mut memory = self.memory.borrow_mut();
        memory.looks += 1;
        let ways = [(&self.below, &self.above), (&self.above, &self.below)];
        for (way, (from, to)) in ways.into_iter().enumerate() {
            let mut names: Vec<String> = fs::read_dir(from.join("out"))
                .unwrap()
                .map(|it| it.unwrap().file_name().into_string().unwrap())
                .filter(|it| !it.starts_with('.'))
                .collect();
            names.sort_unstable();
            for name in names.into_iter().rev() {
                let path = from.join("out").join(&name);
                let bytes = fs::read(&path).unwrap();
                fs::remove_file(path).unwrap();
                let lose = memory.lose.get_mut(way).unwrap();
                if *lose > 0 {
                    *lose -= 1;
                    memory.lost += 1;
                    continue;
                }
                memory.take(self.faults, &to.join("in").join(&name), bytes);
            }
        }
        let now = memory.looks;
        let (due, later) = memory.due.drain(..).partition(|it| it.look <= now);
        memory.due = later;
        let due: Vec<Due> = due;
        for it in due {
            fs::write(it.to, it.bytes).unwrap();
        }
    }

    pub(crate) fn assert_nothing_in_clear(&self, words: &[&str]) {
        for bytes in &self.memory.borrow().all {
            assert_sealed(bytes, words, "a file");
        }
    }
}

impl Memory {
    fn take(&mut self, faults: &[Fault], to: &Path, bytes: Vec<u8>) {
        let fault = *faults.iter().cycle().nth(self.carried).unwrap();
        let half = bytes.get(..bytes.len() / 2).unwrap().to_vec();
        self.carried += 1;
        self.all.push(bytes.clone());
        let now = self.looks;
        let mut at = |later: u64, to: &Path, bytes: &[u8]| {
            self.due.push(Due { look: now + later, to: to.to_owned(), bytes: bytes.to_vec() });
        };
        match fault {
            Fault::None => at(0, to, &bytes),
            Fault::Twice => {
                at(0, to, &bytes);
                at(60, to, &bytes);
            }
            Fault::Late => at(90, to, &bytes),
            Fault::Half => {
                at(0, to, &half);
                at(60, to, &bytes);
            }
            Fault::Renamed => {
                let other = to.with_extension("carried");
                at(0, &other, &half);
                at(30, to, &bytes);
            }
        }
    }
}

/// No file below this folder holds any of these words.
pub(crate) fn assert_nothing_in_clear(folder: &Path, words: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nothing_in_clear(&path, words);
        } else {
            let bytes = fs::read(&path).unwrap();
            assert_sealed(&bytes, words, &path.display().to_string());
        }
    }
}

fn assert_sealed(bytes: &[u8], words: &[&str], what: &str) {
    for word in words {
        let is_there = bytes.windows(word.len()).any(|it| it == word.as_bytes());
        assert!(!is_there, "{what} holds {word}");
    }
}
