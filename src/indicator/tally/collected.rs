//! What came of the province's tasks (归集任务): the figures over the list of data to be collected.
//!
//! A task is as done as the obligation with its entry: there is one truth about an entry. A task
//! whose entry is nowhere on the list of obligations, or that has none, is not done.

use super::figures::{Holds, Seen, cascaded, mounted, timely};
use super::{Body, Part};
use crate::indicator::doubts::Doubt;
use crate::indicator::lists::Obligation;
use crate::indicator::measures::{Figure, Figures, Finding};
use crate::indicator::tasks::Task;

impl<'t> Seen<'t, '_> {
    /// Both figures over the list of tasks.
    pub(super) fn of_tasks(self, body: &Body, figures: &mut Figures) {
        let is_due = |it: &Task| it.deadline() <= self.span.to;
        let is_new = |it: &Task| is_due(it) && it.deadline() > self.span.from;
        for (name, counts) in [
            ("collection.rate", &is_new as &dyn Fn(&Task) -> bool),
            ("collection.due_rate", &is_due),
        ] {
            figures.insert(name.to_owned(), self.collected(body, name, counts));
        }
    }

    fn collected(self, body: &Body, name: &str, counts: &dyn Fn(&Task) -> bool) -> Figure {
        let (mut of, mut all, mut exempt) = (0_u64, 0_u64, 0);
        let mut findings = Vec::new();
        for task in self.tally.lists.tasks.iter().filter(|it| counts(it)) {
            let listed = self.listed_as(task);
            let is_ours = match body {
                Body::City => true,
                Body::Region(id) => task.region == *id,
                Body::Department(id) => task.department == *id,
                Body::Dataset(id) => listed.is_some_and(|it| it.dataset == *id),
            };
            if !is_ours {
                continue;
            }
            let is_exempt = |id: &str| self.tally.lists.is_exempt(id, name, self.span.day);
            if is_exempt(&task.subject()) || (!task.entry.is_empty() && is_exempt(&task.entry)) {
                exempt += 1;
                continue;
            }
            all += 1;
            match self.done(task) {
                Ok(()) => of += 1,
                Err(lacks) => findings.push(open(task, *lacks)),
            }
        }
        Figure { exempt, ..Figure::rate(of, all) }.with(findings)
    }

    /// The obligation with a task's entry.
    fn listed_as(self, task: &Task) -> Option<&'t Obligation> {
        let at = self.place_of(task)?;
        self.tally.lists.obligations.get(at)
    }

    fn place_of(self, task: &Task) -> Option<usize> {
        if task.entry.is_empty() {
            return None;
        }
        let places = self.tally.places.get(&format!("entry:{}", task.entry))?;
        places.iter().find(|(_, part)| matches!(part, Part::Entry)).map(|(at, _)| *at)
    }

    /// Whether a task is done, and what it lacks.
    fn done(self, task: &Task) -> Holds {
        if self.tally.collected.contains(&task.subject()) {
            return Ok(());
        }
        let at = self.place_of(task);
        let listed = at.and_then(|at| {
            Some((self.tally.lists.obligations.get(at)?, self.tally.known.get(at)?))
        });
        let Some(listed) = listed else {
            let subject =
                if task.entry.is_empty() { String::new() } else { format!("entry:{}", task.entry) };
            return Err(Box::new(Finding {
                subject,
                owner: String::new(),
                from: None,
                until: None,
                evidence: String::new(),
                doubt: None::<Doubt>,
            }));
        };
        cascaded(listed)
            .and_then(|()| mounted(listed))
            .and_then(|()| timely(listed))
            .and_then(|()| self.solid(listed))
            .and_then(|()| self.moved(listed))
    }
}

/// That a task is not done: since its day, because of what it lacks first.
fn open(task: &Task, lacks: Finding) -> Finding {
    let parts = [lacks.subject, lacks.evidence];
    let told: Vec<&str> = parts.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    Finding {
        subject: task.subject(),
        owner: task.department.clone(),
        from: Some(task.deadline()),
        until: None,
        evidence: told.join(" · "),
        doubt: lacks.doubt,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rust_decimal::Decimal;

    use super::*;
    use crate::fact::Fact;
    use crate::indicator::field::Field;
    use crate::indicator::lists::{self, Lists};
    use crate::indicator::recover::recover;
    use crate::indicator::replay::Given;
    use crate::indicator::scheme::{Month, Scheme};
    use crate::indicator::{history, tasks};

    const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e1,r1,d1,不动产登记,自规局,本级,每日,yes,no,no
e2,r2,d2,商品房网签,住建局,本级,每日,yes,no,no
e3,r3,d3,施工许可,住建局,甲县,每日,yes,no,no
e4,r4,d4,垂管系统数据,税务局,甲县,每日,yes,no,no
";
    const EXEMPTIONS: &str = "\
entry,measure,from,until,reason,approval
e4,collection.due_rate,2026-01-01,,国家垂管系统,市府办〔2026〕1 号
task:T-6,*,2026-01-01,,省级已撤销,省数据局函
";
    // T-1 is done; T-2's entry is not above; T-3's is not mounted; T-4 has no entry; T-5's entry is
    // on no list; T-6 is exempt; T-7 was due in February, T-8 is due in April.
    const TASKS: &str = "\
task,title,entry,department,region,due,source
T-1,不动产登记,e1,自规局,本级,2026-03-31,省 3 月清单
T-2,网签,e2,住建局,本级,2026-03-10,省 3 月清单
T-3,施工许可,e3,住建局,甲县,2026-03-10,省 3 月清单
T-4,燃气报装,,住建局,甲县,2026-03-20,省 3 月清单
T-5,无此目录,e9,税务局,甲县,2026-03-20,省 3 月清单
T-6,撤销,e1,自规局,本级,2026-03-20,省 3 月清单
T-7,垂管,e4,税务局,甲县,2026-02-20,省 2 月清单
T-8,以后,e2,住建局,本级,2026-04-10,省 4 月清单
";
    const FACTS: &str = "\
occurred,kind,subject,channel,fields,basis,remark
2026-02-01T08:00,link,entry:e1,province,from=sent; to=accepted,model,
2026-02-01T08:00,link,entry:e3,province,from=sent; to=accepted,model,
2026-02-01T08:00,link,entry:e4,province,from=sent; to=accepted,model,
2026-02-02T08:00,link,resource:r1,province,from=sent; to=accepted,model,
2026-02-02T08:00,link,resource:r4,province,from=sent; to=accepted,model,
2026-02-03T08:00,confirmed,d1,province,rows=10; evidence=row-verdict,model,
2026-02-03T08:00,confirmed,d4,province,rows=10; evidence=row-verdict,model,
";
    const SCHEME: &str = r#"
id = "model"
title = { zh = "模型", en = "model" }
modelled_on = "a test"
[period]
from = "2026-01"
cut_off = "last day"
publication = "+5 working days"
appeal = "+5 working days"
[[class]]
id = "data"
title = { zh = "数据", en = "data" }
[[item]]
id = "collected"
class = "data"
title = { zh = "归集", en = "collected" }
kind = "award"
known = "estimated"
weight = 10
points = "weight * collection.rate"
"#;

    fn lists() -> Lists {
        Lists {
            obligations: lists::obligations("o.csv", OBLIGATIONS).unwrap(),
            exemptions: lists::exemptions("e.csv", EXEMPTIONS).unwrap(),
            tasks: tasks::tasks("t.csv", TASKS).unwrap(),
            ..Lists::default()
        }
    }

    fn facts() -> Vec<Fact> {
        history::parse("facts.csv", FACTS, "test").unwrap()
    }

    fn march() -> Month {
        Month::parse("2026-03").unwrap()
    }

    fn figure(facts: &[Fact], body: &Body, name: &str) -> Figure {
        let (lists, field) = (lists(), Field::default());
        let scheme = Scheme::parse("model.toml", SCHEME).unwrap();
        let given = Given { facts, lists: &lists, field: &field };
        given.figures(&scheme, march(), body, Timestamp::MAX)[name].clone()
    }

    fn parts(body: Body, name: &str) -> (u64, u64, u64) {
        let figure = figure(&facts(), &body, name);
        let (of, all) = figure.parts.unwrap();
        (of, all, figure.exempt)
    }

    #[test]
    fn a_task_is_done_when_its_entry_is_above_mounted_and_its_rows_are_confirmed() {
        assert_eq!(parts(Body::City, "collection.rate"), (1, 5, 1));
        assert_eq!(parts(Body::City, "collection.due_rate"), (1, 5, 2), "T-7 is exempt in it");
        let figure = figure(&facts(), &Body::City, "collection.rate");
        let told: Vec<(&str, &str, &str)> = figure
            .findings
            .iter()
            .map(|it| (it.subject.as_str(), it.owner.as_str(), it.evidence.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("task:T-2", "住建局", "entry:e2"),
                ("task:T-3", "住建局", "entry:e3"),
                ("task:T-4", "住建局", ""),
                ("task:T-5", "税务局", "entry:e9"),
            ]
        );
        assert_eq!(figure.findings[0].from.unwrap().to_string(), "2026-03-10T16:00:00Z");
    }

    #[test]
    fn a_city_a_region_a_department_and_a_dataset_have_their_own() {
        let of = |body| parts(body, "collection.rate");
        assert_eq!(of(Body::Region("甲县".to_owned())), (0, 3, 0));
        assert_eq!(of(Body::Department("自规局".to_owned())), (1, 1, 1));
        assert_eq!(of(Body::Dataset("d1".to_owned())), (1, 1, 1));
        assert_eq!(of(Body::Dataset("d3".to_owned())), (0, 1, 0));
        assert_eq!(of(Body::Department("无此局".to_owned())), (0, 0, 0));
    }

    #[test]
    fn stale_rows_undo_a_task_and_newer_ones_do_it_again() {
        let mut text = FACTS.to_owned();
        text.push_str(
            "2026-03-30T20:00,overdue-from,d1,province,deadline=2026-03-30T20:00,model,\n",
        );
        let rate = |text: &str| {
            let facts = history::parse("facts.csv", text, "test").unwrap();
            figure(&facts, &Body::City, "collection.rate").parts
        };
        assert_eq!(rate(&text), Some((0, 5)));
        text.push_str(
            "2026-03-31T20:00,overdue-until,d1,province,deadline=2026-03-30T20:00,model,\n",
        );
        assert_eq!(rate(&text), Some((1, 5)));
    }

    #[test]
    fn what_a_task_brings_is_tried_like_any_other_act() {
        let (lists, field, facts) = (lists(), Field::default(), facts());
        let scheme = Scheme::parse("model.toml", SCHEME).unwrap();
        let given = Given { facts: &facts, lists: &lists, field: &field };
        let now = "2026-03-25T08:00:00+08:00".parse().unwrap();
        let plan = recover(given, &scheme, march(), &Body::City, now);
        // Whoever has no entry yet has most to do, and it is still in time.
        let told: Vec<(&str, &str)> = plan
            .planned
            .iter()
            .map(|it| (it.action.act.deed.as_str(), it.action.act.subject.as_str()))
            .collect();
        assert_eq!(told.len(), 4);
        assert!(told.contains(&("collect-task", "task:T-4")), "{told:?}");
        assert_eq!(plan.together, Decimal::from(8));
        assert_eq!(plan.planned[0].action.points, Decimal::from(2));
    }
}
