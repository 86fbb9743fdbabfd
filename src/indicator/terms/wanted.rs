//! What the lists say now, beside what was last declared: the facts that are missing.

use std::collections::BTreeMap;

use super::{List, Terms, line};
use crate::fact::Kind;
use crate::indicator::lists::Obligation;
use crate::indicator::tasks::Task;

/// What a list says of each subject now.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    lines: BTreeMap<(List, String), String>,
    /// The lists that were read.
    lists: Vec<List>,
}

impl Wanted {
    /// The list of obligations.
    pub fn obligations(&mut self, all: &[Obligation]) {
        self.lists.push(List::Obligations);
        for it in all {
            let line = line::of_obligation(it, &it.cycle.to_string());
            self.lines.insert((List::Obligations, it.entry.clone()), line);
        }
    }

    /// The list of tasks.
    pub fn tasks(&mut self, all: &[Task]) {
        self.lists.push(List::Tasks);
        for it in all {
            self.lines.insert((List::Tasks, it.id.clone()), line::of_task(it));
        }
    }

    /// The configured datasets, each with its cycle as written.
    pub fn datasets<'d>(&mut self, all: impl IntoIterator<Item = (&'d str, &'d str)>) {
        self.lists.push(List::Datasets);
        for (dataset, cycle) in all {
            let line = line::write(&[("cycle", cycle), ("dataset", dataset)]);
            self.lines.insert((List::Datasets, dataset.to_owned()), line);
        }
    }

    /// The catalogue's entries: id, cycle, how it is shared, how it is open.
    pub fn catalogue<'d>(&mut self, all: impl IntoIterator<Item = [&'d str; 4]>) {
        self.lists.push(List::Catalogue);
        for [entry, cycle, share, open] in all {
            let line = line::write(&[("cycle", cycle), ("share", share), ("open", open)]);
            self.lines.insert((List::Catalogue, entry.to_owned()), line);
        }
    }
}

/// The declarations that are missing: subject and kind of fact, of lists that were read alone.
pub fn wanted(now: &Wanted, known: &Terms) -> Vec<(String, Kind)> {
    let mut missing = Vec::new();
    let mut declare = |list: List, subject: &str, terms: &str| {
        let list_name = list.as_str().to_owned();
        missing.push((
            list.named(subject),
            Kind::Declared { list: list_name, terms: terms.to_owned() },
        ));
    };
    for ((list, subject), line) in &now.lines {
        if known.latest(*list, subject) != Some(line) {
            declare(*list, subject, line);
        }
    }
    for list in &now.lists {
        for subject in known.listed(*list) {
            if !now.lines.contains_key(&(*list, subject.to_owned())) {
                declare(*list, subject, "");
            }
        }
    }
    missing
}
