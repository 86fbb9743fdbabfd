//! What can still be recovered this month, by whom, until when, and in which order.
//!
//! Each act is tried: the month is scored as it would be had the act been done, by the same tally
//! and scheme as ever, and the difference is what it brings. So nothing is promised that the score
//! would not give; an act that brings nothing by itself (a step that is not reached) is not listed.
//!
//! Departments work side by side, one act after the other each. Which acts a department begins, and
//! in which order, is exact: of all acts that end by their last useful moment, those that bring
//! most together (a table over hours, after Lawler and Moore), the earliest deadline first.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::field::Field;
use super::measures::Finding;
use super::replay::{Given, score_of};
use super::scheme::{Month, Scheme};
use super::score::{ItemScore, Score};
use super::tally::{Act, Body, Deed, Tally};

/// Something that would bring points.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Action {
    /// What is done to what.
    pub act: Act,
    /// Who has to.
    pub owner: String,
    /// The points that it brings by itself.
    pub points: Decimal,
    /// Hours from its beginning until it counts, the province's review among them; absent where
    /// the city has not said.
    pub hours: Option<u32>,
    /// The last moment at which it must count.
    pub until: Timestamp,
}

/// An action with its place in the plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Planned {
    /// Which.
    pub action: Action,
    /// The last moment to begin it.
    pub begin_by: Timestamp,
}

/// What to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// What to do, by owner in order; the owner that brings most comes first.
    pub planned: Vec<Planned>,
    /// What can no longer be done in time, or only instead of what is planned.
    pub too_late: Vec<Action>,
    /// What the planned acts bring together, by the score: caps and steps make it differ from
    /// their sum.
    pub together: Decimal,
    /// The same by item, of those that it brings anything.
    pub by_item: BTreeMap<String, Decimal>,
}

impl Plan {
    /// Nothing can be done.
    pub fn none() -> Self {
        Self {
            planned: Vec::new(),
            too_late: Vec::new(),
            together: Decimal::ZERO,
            by_item: BTreeMap::new(),
        }
    }
}

/// The most acts that are looked at.
pub const MOST_ACTS: usize = 2000;
/// The longest time that is planned, in hours: two months.
const MOST_HOURS: u32 = 24 * 62;

/// What can be recovered of a month at `now`, which lies before its cut-off.
pub fn recover(
    given: Given<'_>,
    scheme: &Scheme,
    month: Month,
    body: &Body,
    now: Timestamp,
) -> Plan {
    recover_of(&given.tally(scheme, month, now), scheme, body, given.field, now)
}

/// What can be recovered of the month that was tallied, wherever its facts came from.
pub fn recover_of(
    tally: &Tally<'_>,
    scheme: &Scheme,
    body: &Body,
    field: &Field,
    now: Timestamp,
) -> Plan {
    let of = |tally: &Tally<'_>| score_of(tally, scheme, body, field);
    let before = of(tally);
    let cut_off = tally.span().to;
    let mut actions = Vec::new();
    for (act, (owner, until)) in acts(&before, now, cut_off) {
        let points = (of(&tally.supposing(&act, now)).total - before.total).normalize();
        if points > Decimal::ZERO {
            let hours = tally.lists().hours(act.deed);
            actions.push(Action { act, owner, points, hours, until });
        }
    }
    let (planned, too_late) = plan(actions, now);
    let mut all = tally.clone();
    for planned in &planned {
        all = all.supposing(&planned.action.act, now);
    }
    let after = of(&all);
    let together = (after.total - before.total).normalize();
    let items = before.items.iter().zip(&after.items);
    let by_item = items.filter_map(|(before, after)| {
        let brought = after.points? - before.points?;
        (!brought.is_zero()).then(|| (before.id.clone(), brought.normalize()))
    });
    Plan { planned, too_late, together, by_item: by_item.collect() }
}

/// The acts that the findings of a score suggest, each with its owner and its last useful moment.
fn acts(score: &Score, now: Timestamp, cut_off: Timestamp) -> BTreeMap<Act, (String, Timestamp)> {
    acts_of(&score.items, now, cut_off)
}

/// The acts that the findings of these items suggest.
pub(super) fn acts_of(
    items: &[ItemScore],
    now: Timestamp,
    cut_off: Timestamp,
) -> BTreeMap<Act, (String, Timestamp)> {
    let mut acts = BTreeMap::new();
    for (name, figure) in items.iter().flat_map(|item| &item.used) {
        // What is doubted comes back by no act but an approval, which is nothing to propose.
        for finding in figure.findings.iter().filter(|it| it.doubt.is_none()) {
            let Some((act, until)) = act(name, finding, cut_off) else { continue };
            if until > now && acts.len() < MOST_ACTS {
                acts.insert(act, (finding.owner.clone(), until));
            }
        }
    }
    acts
}

/// What can be done about a finding of a figure. Closed: a figure that is not here suggests nothing.
fn act(name: &str, finding: &Finding, cut_off: Timestamp) -> Option<(Act, Timestamp)> {
    let subject = finding.subject.clone();
    let of = |deed| Some((Act { deed, list: String::new(), subject: subject.clone() }, cut_off));
    match name {
        "catalogue.complete_rate" | "catalogue.cascaded_rate" | "open.cascaded_rate" => {
            of(Deed::CascadeEntry)
        }
        "resource.mounted_rate" | "open.mounted_rate" => of(Deed::MountResource),
        "data.timely_rate" | "open.timely_rate" => of(Deed::DeliverData),
        "key.covered_rate" if subject.starts_with("entry:") => of(Deed::CascadeEntry),
        "key.covered_rate" => of(Deed::DeliverData),
        "data.passed_rate" | "receipt.passed_rate" => of(Deed::MendRows),
        "cascade.current" | "cascade.lapsed_hours" if finding.until.is_none() => {
            of(Deed::SwitchStandard)
        }
        // What was not done by its day is still counted at the cut-off.
        "collection.rate" | "collection.due_rate" => of(Deed::CollectTask),
        "request.timely_rate" => case("requests", finding),
        "objection.timely_rate" => case("objections", finding),
        _ => {
            let list = name.strip_prefix("cases.")?.rsplit_once('.')?.0;
            case(list, finding)
        }
    }
}

/// A case can be dealt with until its deadline; after that only the mending is left, no points.
fn case(list: &str, finding: &Finding) -> Option<(Act, Timestamp)> {
    if finding.until.is_some() {
        return None;
    }
    let subject = finding.subject.clone();
    Some((Act { deed: Deed::CloseCase, list: list.to_owned(), subject }, finding.from?))
}

/// Chooses and orders. What takes nobody knows how long is planned as taking no time.
fn plan(actions: Vec<Action>, now: Timestamp) -> (Vec<Planned>, Vec<Action>) {
    let mut by_owner: BTreeMap<String, Vec<Action>> = BTreeMap::new();
    for action in actions {
        by_owner.entry(action.owner.clone()).or_default().push(action);
    }
    let mut plans = Vec::new();
    let mut too_late = Vec::new();
    for (owner, mut actions) in by_owner {
        actions.sort_by(|a, b| (a.until, &a.act).cmp(&(b.until, &b.act)));
        let jobs: Vec<Job> = actions.iter().map(|action| Job::of(action, now)).collect();
        let chosen = choose(&jobs);
        let (mut planned, mut points) = (Vec::new(), Decimal::ZERO);
        for (action, is_chosen) in actions.into_iter().zip(chosen) {
            if is_chosen {
                points += action.points;
                planned.push(action);
            } else {
                too_late.push(action);
            }
        }
        plans.push((points, owner, begun(planned)));
    }
    plans.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    (plans.into_iter().flat_map(|(_, _, planned)| planned).collect(), too_late)
}

/// The last moments to begin, from the last act back: each leaves time for those after it.
fn begun(actions: Vec<Action>) -> Vec<Planned> {
    let mut next = Timestamp::MAX;
    let mut planned: Vec<Planned> = Vec::new();
    for action in actions.into_iter().rev() {
        let takes = SignedDuration::from_hours(i64::from(action.hours.unwrap_or(0)));
        let begin_by = action.until.min(next).checked_sub(takes).unwrap_or(action.until);
        next = begin_by;
        planned.push(Planned { action, begin_by });
    }
    planned.reverse();
    planned
}

/// An action in whole hours from now.
#[derive(Clone, Copy, Debug)]
struct Job {
    takes: u32,
    until: u32,
    points: Decimal,
}

impl Job {
    fn of(action: &Action, now: Timestamp) -> Self {
        let until = action.until.duration_since(now).as_hours().max(0);
        let until = u32::try_from(until).unwrap_or(MOST_HOURS).min(MOST_HOURS);
        Self { takes: action.hours.unwrap_or(0), until, points: action.points }
    }
}

/// Which jobs one worker does, given in the order of their deadlines: the set that brings most of
/// all that can be done in time; of two such sets the one that is done sooner.
fn choose(jobs: &[Job]) -> Vec<bool> {
    let hours = usize::try_from(jobs.iter().map(|job| job.until).max().unwrap_or(0)).unwrap_or(0);
    // By the hour at which the worker is done: the most points so far, if that hour can be.
    let mut best: Vec<Option<Decimal>> = vec![None; hours + 1];
    if let Some(first) = best.first_mut() {
        *first = Some(Decimal::ZERO);
    }
    // By job: at which hours it was the one that ended there.
    let mut ended: Vec<Vec<bool>> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let (takes, until) = (size(job.takes), size(job.until));
        let mut ends = vec![false; hours + 1];
        for hour in (takes..=until.min(hours)).rev() {
            let Some(before) = best.get(hour - takes).copied().flatten() else { continue };
            let with = before + job.points;
            if best.get(hour).copied().flatten().is_none_or(|known| known < with)
                && let (Some(cell), Some(mark)) = (best.get_mut(hour), ends.get_mut(hour))
            {
                *cell = Some(with);
                *mark = true;
            }
        }
        ended.push(ends);
    }
    let top = best.iter().flatten().max().copied();
    let mut hour = best.iter().position(|points| points.is_some() && *points == top).unwrap_or(0);
    let mut chosen = vec![false; jobs.len()];
    for (at, job) in jobs.iter().enumerate().rev() {
        let is_ended = ended.get(at).and_then(|ends| ends.get(hour)).copied().unwrap_or(false);
        if let (true, Some(mark)) = (is_ended, chosen.get_mut(at)) {
            *mark = true;
            hour = hour.saturating_sub(size(job.takes));
        }
    }
    chosen
}

fn size(hours: u32) -> usize {
    usize::try_from(hours).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fact::Fact;
    use crate::indicator::lists::Lists;
    use crate::indicator::{history, lists};

    /// The same with nothing but facts.
    fn recover_alone(
        facts: &[Fact],
        lists: &Lists,
        scheme: &Scheme,
        month: Month,
        now: Timestamp,
    ) -> Plan {
        let field = Field::default();
        recover(Given { facts, lists, field: &field }, scheme, month, &Body::City, now)
    }

    fn shipped() -> Scheme {
        let text = include_str!("../../config/schemes/model-2022.toml");
        Scheme::parse("model-2022.toml", text).unwrap()
    }

    fn february(now: &str, leads: &str) -> Plan {
        let province = include_str!("../../config/schemes/example-2022/province.csv");
        let facts = history::parse("province.csv", province, "province").unwrap();
        let lists = Lists { leads: lists::leads("l.csv", leads).unwrap(), ..Lists::default() };
        let month = Month::parse("2022-02").unwrap();
        recover_alone(&facts, &lists, &shipped(), month, now.parse().unwrap())
    }

    #[test]
    fn the_guides_could_have_been_mended_until_their_deadline() {
        let plan = february("2022-02-21T09:00:00+08:00", "deed,hours\nclose-case,8\n");
        assert_eq!((plan.planned.len(), plan.too_late.len()), (13, 0));
        assert_eq!(plan.together, Decimal::new(26, 1));
        let first = &plan.planned[0];
        assert_eq!(
            (first.action.points, first.action.act.deed),
            (Decimal::new(2, 1), Deed::CloseCase)
        );
        // Three guides of eight hours each before Friday, 18:00.
        assert_eq!(first.begin_by.to_string(), "2022-02-24T10:00:00Z");
        let plan = february("2022-02-25T09:00:00+08:00", "deed,hours\nclose-case,8\n");
        assert_eq!((plan.planned.len(), plan.too_late.len()), (5, 8), "one each is left");
        let plan = february("2022-02-25T18:00:00+08:00", "deed,hours\n");
        assert_eq!((plan.planned.len(), plan.together), (0, Decimal::ZERO), "nothing is left");
    }

    #[test]
    fn a_gain_is_what_the_score_would_give() {
        let text = include_str!("../../config/schemes/model-2026.toml");
        let scheme = Scheme::parse("model-2026.toml", text).unwrap();
        let lists = Lists {
            obligations: lists::obligations(
                "o.csv",
                "entry,resources,dataset,title,department,region,cycle,shared,open,key\n\
                 e1,r1,d1,x,局一,,每日,yes,yes,yes\ne2,r2,d2,y,局二,,每日,yes,no,no\n",
            )
            .unwrap(),
            ..Lists::default()
        };
        let facts = history::parse(
            "f.csv",
            "occurred,kind,subject,channel,fields,basis\n\
             2026-03-01T08:00,link,entry:e1,p,from=sent; to=accepted,model\n\
             2026-03-01T08:00,confirmed,d1,p,rows=1; evidence=receipt,model\n\
             2026-03-02T08:00,overdue-from,d1,p,deadline=2026-03-02T08:00,model\n\
             2026-01-01T00:00,standard-required,c,p,standard=s/2,model\n\
             2026-01-01T00:00,standard-in-force,all,p,standard=s/1,model\n",
            "t",
        )
        .unwrap();
        let now: Timestamp = "2026-03-10T00:00:00+08:00".parse().unwrap();
        let month = Month::parse("2026-03").unwrap();
        let plan = recover_alone(&facts, &lists, &scheme, month, now);
        let found: BTreeMap<(&str, &str), Decimal> = plan
            .planned
            .iter()
            .map(|it| {
                ((it.action.act.deed.as_str(), it.action.act.subject.as_str()), it.action.points)
            })
            .collect();
        // d1 is half of the timely data, all of the open and all of the key data.
        assert_eq!(found[&("deliver-data", "d1")], Decimal::new(225, 1));
        assert_eq!(found[&("cascade-entry", "entry:e2")], Decimal::new(75, 1));
        // Half of the resources reach no step; the standard is worth its points and stops the lapse.
        assert!(!found.contains_key(&("mount-resource", "entry:e1")));
        assert!(found[&("switch-standard", "p")] >= Decimal::from(5));
        let closed: Vec<&str> = Deed::ALL.iter().map(|deed| deed.as_str()).collect();
        assert!(found.keys().all(|(deed, _)| closed.contains(deed)));
    }

    #[test]
    fn rows_that_were_turned_away_can_be_mended_and_what_happened_stays() {
        let text = include_str!("../../config/schemes/model-2026.toml");
        let scheme = Scheme::parse("model-2026.toml", text).unwrap();
        let obligations = "entry,resources,dataset,title,department,region,cycle,shared,open,key\n\
                           e1,r1,d1,x,局一,,每日,yes,no,no\n";
        let lists = Lists {
            obligations: lists::obligations("o.csv", obligations).unwrap(),
            ..Lists::default()
        };
        let facts = history::parse(
            "f.csv",
            "occurred,kind,subject,channel,fields,basis\n\
             2026-03-02T08:00,pass-completed,d1,p,lane=live; seen=100; changed=1; rejected=10,model\n\
             2026-03-02T09:00,verdict,d1,p,passed=60; failed=40,model\n",
            "t",
        )
        .unwrap();
        let now: Timestamp = "2026-03-10T00:00:00+08:00".parse().unwrap();
        let month = Month::parse("2026-03").unwrap();
        let plan = recover_alone(&facts, &lists, &scheme, month, now);
        let mend = plan.planned.iter().find(|it| it.action.act.deed == Deed::MendRows).unwrap();
        assert_eq!(
            (mend.action.owner.as_str(), mend.action.act.subject.as_str()),
            ("局一", "entry:e1")
        );
        // 90 of 100 cost all five points and 100 of 110 still do; verdicts go from 60 of 100 to 100
        // of 140: the ten and the forty stay below the line.
        let gain = Decimal::from(100) / Decimal::from(140) - Decimal::new(6, 1);
        assert_eq!(mend.action.points, (gain * Decimal::from(5)).round_dp(8));
    }

    #[test]
    fn rows_that_are_mended_already_promise_nothing() {
        let text = include_str!("../../config/schemes/model-2026.toml");
        let scheme = Scheme::parse("model-2026.toml", text).unwrap();
        let obligations = "entry,resources,dataset,title,department,region,cycle,shared,open,key\n\
                           e1,r1,d1,x,局一,,每日,yes,no,no\n";
        let lists = Lists {
            obligations: lists::obligations("o.csv", obligations).unwrap(),
            ..Lists::default()
        };
        let gain = |told: &str| {
            let table = format!(
                "occurred,kind,subject,channel,fields,basis\n\
                 2026-03-02T09:00,verdict,d1,p,passed=60; failed=40,model\n{told}"
            );
            let facts = history::parse("f.csv", &table, "t").unwrap();
            let now: Timestamp = "2026-03-10T00:00:00+08:00".parse().unwrap();
            let month = Month::parse("2026-03").unwrap();
            let plan = recover_alone(&facts, &lists, &scheme, month, now);
            let mend = plan.planned.iter().find(|it| it.action.act.deed == Deed::MendRows);
            mend.map(|it| it.action.points)
        };
        let points = |left: i64| {
            let rate = Decimal::from(60 + left) / Decimal::from(100 + left) - Decimal::new(6, 1);
            Some((rate * Decimal::from(5)).round_dp(8))
        };
        assert_eq!(gain(""), points(40), "nobody said that any was mended");
        let left = |day: u8, above: u8| {
            format!("2026-03-{day:02}T09:00,unmended,d1,p,here=0; above={above},model\n")
        };
        assert_eq!(gain(&left(3, 30)), points(30));
        assert_eq!(gain(&[left(5, 10), left(3, 30)].concat()), points(10), "the last counts");
        assert_eq!(gain(&left(6, 0)), None);
        // More than were turned away within the month are no more of this month's.
        assert_eq!(gain(&left(4, 70)), points(40));
    }

    /// The most that one worker can bring, by trying every order of every set.
    fn by_force(jobs: &[Job], done: &mut Vec<usize>, hour: u32, points: Decimal) -> Decimal {
        let mut most = points;
        for (at, job) in jobs.iter().enumerate() {
            if !done.contains(&at) && hour + job.takes <= job.until {
                done.push(at);
                most = most.max(by_force(jobs, done, hour + job.takes, points + job.points));
                done.pop();
            }
        }
        most
    }

    proptest! {
        #[test]
        fn no_order_of_any_set_brings_more(
            jobs in prop::collection::vec((0_u32..5, 0_u32..12, 1_i64..9), 0..7),
        ) {
            let mut jobs: Vec<Job> = jobs
                .into_iter()
                .map(|(takes, until, points)| Job { takes, until, points: Decimal::new(points, 1) })
                .collect();
            jobs.sort_by_key(|job| job.until);
            let chosen = choose(&jobs);
            let (mut hour, mut points) = (0, Decimal::ZERO);
            for (job, _) in jobs.iter().zip(&chosen).filter(|(_, is_chosen)| **is_chosen) {
                hour += job.takes;
                points += job.points;
                prop_assert!(hour <= job.until, "in the order given every one is in time");
            }
            prop_assert_eq!(points, by_force(&jobs, &mut Vec::new(), 0, Decimal::ZERO));
        }
    }
}
