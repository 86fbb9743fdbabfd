//! The province's tasks as they count: one that was struck off the list, or put off, without an
//! approval counts as it was.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{List, Matter, Terms, line};
use crate::indicator::tasks::Task;

impl Terms {
    /// Makes of a list of tasks what of it counts at an instant.
    pub(super) fn hold_tasks(&self, tasks: &mut Vec<Task>, until: Timestamp) {
        let mut known: BTreeMap<&str, Option<Task>> = BTreeMap::new();
        for (list, subject) in self.declared.keys() {
            if *list == List::Tasks {
                known.insert(subject, self.task(subject, until));
            }
        }
        for task in tasks.iter_mut() {
            if let Some(Some(counts)) = known.remove(task.id.as_str()) {
                task.due = counts.due;
            }
        }
        tasks.extend(known.into_values().flatten());
    }

    /// A task as it counts; none where it is rightly off the list, or not on it yet.
    fn task(&self, id: &str, until: Timestamp) -> Option<Task> {
        let counts = |matter| {
            let held = self.held(List::Tasks, id, matter, until)?;
            held.counts.map(|(_, words)| words)
        };
        if counts(Matter::Listed)? != "yes" {
            return None;
        }
        let lines = self.declared.get(&(List::Tasks, id.to_owned()))?;
        let mut said = lines.iter().filter(|((at, ..), line)| *at < until && !line.is_empty());
        let (_, line) = said.next_back()?;
        Some(Task { due: counts(Matter::Due)?.parse().ok()?, ..line::task(id, line)? })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::fact::{Fact, FactId, Kind};
    use crate::indicator::lists::Lists;
    use crate::indicator::tasks::tasks;
    use crate::indicator::terms::{Wanted, wanted};

    const HEAD: &str = "task,title,entry,department,region,due,source\n";
    const ONE: &str = "T-1,不动产登记,e1,自规局,本级,2026-03-20,省清单\n";
    const TWO: &str = "e1,网签,e2,住建局,本级,2026-03-20,省清单\n";

    fn at(day: i8) -> Timestamp {
        format!("2026-03-{day:02}T08:00:00+08:00").parse().unwrap()
    }

    fn fact(number: usize, day: i8, subject: String, kind: Kind) -> Fact {
        let number = u64::try_from(number).unwrap();
        Fact {
            id: FactId { writer: "w".into(), day: date(2026, 3, 1), number },
            channel: None,
            kind,
            subject,
            occurred: at(day),
            recorded: at(day),
            cause: None,
            amends: None,
        }
    }

    fn declare(facts: &mut Vec<Fact>, day: i8, rows: &[&str]) {
        let mut now = Wanted::default();
        now.tasks(&read(rows));
        let known = Terms::of(&*facts, Timestamp::MAX);
        for (subject, kind) in wanted(&now, &known) {
            facts.push(fact(facts.len(), day, subject, kind));
        }
    }

    fn read(rows: &[&str]) -> Vec<Task> {
        tasks("t.csv", &format!("{HEAD}{}", rows.concat())).unwrap()
    }

    fn held(facts: &[Fact], rows: &[&str], until: i8) -> Vec<(String, String)> {
        let lists = Lists { tasks: read(rows), ..Lists::default() };
        let terms = Terms::of(facts, Timestamp::MAX);
        let held = terms.keep(&lists, at(until)).tasks.clone();
        held.into_iter().map(|it| (it.id, it.due.to_string())).collect()
    }

    fn approved(what: &str, from: &str, to: &str) -> Kind {
        let text = str::to_owned;
        Kind::Approved {
            what: text(what),
            from: text(from),
            to: text(to),
            reason: text("省级调整"),
            approval: text("省数据局函〔2026〕3 号"),
        }
    }

    #[test]
    fn a_task_that_is_put_off_or_struck_off_counts_as_it_was_until_somebody_approves() {
        let later = ONE.replace("2026-03-20", "2026-06-30");
        let mut facts = Vec::new();
        declare(&mut facts, 1, &[ONE, TWO]);
        assert_eq!(facts[1].subject, "task:e1");
        declare(&mut facts, 10, &[&later]);
        assert_eq!(facts.len(), 4, "one was put off, one struck off");
        let now: [&str; 1] = [&later];
        let pair = |id: &str, due: &str| (id.to_owned(), due.to_owned());
        let before = [pair("T-1", "2026-03-20"), pair("e1", "2026-03-20")];
        assert_eq!(held(&facts, &now, 28), before);
        // An entry of the same name may leave its list: that is not about the task.
        facts.push(fact(50, 11, "e1".to_owned(), approved("listed", "yes", "no")));
        assert_eq!(held(&facts, &now, 28), before);
        facts.push(fact(51, 12, "task:e1".to_owned(), approved("listed", "yes", "no")));
        let due = approved("due", "2026-03-20", "2026-06-30");
        facts.push(fact(52, 12, "task:T-1".to_owned(), due));
        assert_eq!(held(&facts, &now, 11), before, "an approval has a day");
        assert_eq!(held(&facts, &now, 28), [pair("T-1", "2026-06-30")]);
        // Sooner counts at once.
        let sooner = ONE.replace("2026-03-20", "2026-03-15");
        declare(&mut facts, 20, &[&sooner]);
        assert_eq!(held(&facts, &[&sooner], 28), [pair("T-1", "2026-03-15")]);
    }
}
