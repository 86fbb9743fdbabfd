//! From what a tally holds to the figures of one body.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::doubted::Held;
use super::{Body, Case, Known, Links, Overdue, Span, Tally};
use crate::calendar::Cycle;
use crate::delivery::LinkState;
use crate::indicator::doubts::Doubt;
use crate::indicator::lists::Obligation;
use crate::indicator::measures::{Figure, Figures, Finding};

/// The lists of cases that measures of their own count.
const MEASURED_LISTS: [(&str, &str); 2] =
    [("request.timely_rate", "requests"), ("objection.timely_rate", "objections")];

/// Whether something holds, and if not, what is wrong.
pub(super) type Holds = Result<(), Box<Finding>>;

/// An obligation with what is known of it.
pub(super) type Listed<'t> = (&'t Obligation, &'t Known);

impl Tally<'_> {
    /// The figures of a body. What a body cannot have is absent: a department has no standard.
    pub fn figures(&self, body: &Body) -> Figures {
        self.figures_until(body, self.span)
    }

    /// Whether an entry is mounted, and its verdicts that passed and failed, as figures count them.
    pub(super) fn usable_of(&self, listed: Listed<'_>) -> (bool, (u64, u64)) {
        let seen = Seen { tally: self, span: self.span };
        let again = seen.judged_again(listed).map_or(0, |(rows, _)| rows);
        let passed = listed.1.passed.saturating_sub(again);
        (seen.filled(listed).is_ok(), (passed, listed.1.failed))
    }

    /// The figures as they are before the cut-off: the month so far. `span` is this tally's with
    /// an earlier end and that end's day; what was past a deadline then counts until then.
    pub fn figures_until(&self, body: &Body, span: Span) -> Figures {
        Seen { tally: self, span }.figures(body)
    }
}

/// A tally with the span that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Seen<'t, 'l> {
    pub(super) tally: &'t Tally<'l>,
    pub(super) span: Span,
}

impl<'t> Seen<'t, '_> {
    fn figures(self, body: &Body) -> Figures {
        let mut figures = Figures::new();
        self.of_objects(body, &mut figures);
        self.of_rows(body, &mut figures);
        self.of_cases(body, &mut figures);
        self.of_tasks(body, &mut figures);
        if *body == Body::City {
            self.of_standards(&mut figures);
        }
        for ((name, who), stated) in &self.tally.stated {
            if who == body.id() {
                let finding = Finding {
                    subject: who.clone(),
                    owner: String::new(),
                    from: None,
                    until: None,
                    evidence: format!("{} · {}", stated.source, stated.stamp.2),
                    doubt: None,
                };
                let figure = Figure::number(stated.value).with(vec![finding]);
                figures.insert(format!("value.{name}"), figure);
            }
        }
        figures
    }

    /// The obligations of a body with their places in the list.
    fn listed<'b>(
        self,
        body: &'b Body,
    ) -> impl Iterator<Item = (usize, &'t Obligation, &'t Known)> + use<'t, 'b> {
        let all = self.tally.lists.obligations.iter().zip(&self.tally.known).enumerate();
        let all = all.map(|(place, (obligation, known))| (place, obligation, known));
        all.filter(move |(_, it, _)| match body {
            Body::City => true,
            Body::Region(id) => it.region == *id,
            Body::Department(id) => it.department == *id,
            Body::Dataset(id) => it.dataset == *id,
        })
    }

    /// A rate over the obligations for which `counts`; those that fail are its findings.
    fn rate(
        &self,
        body: &Body,
        name: &str,
        counts: impl Fn(&Obligation) -> bool,
        holds: impl Fn(Listed<'_>) -> Holds,
    ) -> Figure {
        let (mut of, mut all, mut exempt) = (0_u64, 0_u64, 0);
        let mut findings = Vec::new();
        // Entries that were split count once, and hold if all of them do.
        let mut groups: BTreeMap<usize, bool> = BTreeMap::new();
        let mut split = Vec::new();
        let listed = self.listed(body).filter(|(_, it, _)| counts(it));
        for (place, obligation, known) in listed {
            if self.tally.lists.is_exempt(&obligation.entry, name, self.span.day) {
                exempt += 1;
                continue;
            }
            let held = holds((obligation, known));
            match self.tally.groups.of.get(&place) {
                None => {
                    all += 1;
                    of += u64::from(held.is_ok());
                }
                Some(group) => {
                    if groups.contains_key(group) {
                        split.push(Finding { doubt: Some(Doubt::Split), ..lack(obligation) });
                    }
                    *groups.entry(*group).or_insert(true) &= held.is_ok();
                }
            }
            findings.extend(held.err().map(|finding| *finding));
        }
        for holds in groups.into_values() {
            all += 1;
            of += u64::from(holds);
        }
        findings.append(&mut split);
        Figure { exempt, ..Figure::rate(of, all) }.with(findings)
    }

    fn of_objects(self, body: &Body, figures: &mut Figures) {
        let mut put = |name: &str, figure| figures.insert(name.to_owned(), figure);
        let all = |_: &Obligation| true;
        let shared = |it: &Obligation| it.is_shared;
        let open = |it: &Obligation| it.is_open;
        let cyclic =
            |it: &Obligation| !it.dataset.is_empty() && matches!(it.cycle, Cycle::Every(..));
        let open_and_cyclic = |it: &Obligation| open(it) && cyclic(it);
        let key = |it: &Obligation| it.is_key;
        let name = "catalogue.complete_rate";
        put(name, self.rate(body, name, all, complete));
        for (name, counts) in [
            ("catalogue.cascaded_rate", &all as &dyn Fn(&Obligation) -> bool),
            ("open.cascaded_rate", &open),
        ] {
            put(name, self.rate(body, name, counts, cascaded));
        }
        for (name, counts) in [
            ("resource.mounted_rate", &shared as &dyn Fn(&Obligation) -> bool),
            ("open.mounted_rate", &open),
        ] {
            put(name, self.rate(body, name, counts, |listed| self.filled(listed)));
        }
        for (name, counts) in [
            ("data.timely_rate", &cyclic as &dyn Fn(&Obligation) -> bool),
            ("open.timely_rate", &open_and_cyclic),
        ] {
            let fresh = |listed: Listed<'_>| timely(listed).and_then(|()| self.moved(listed));
            put(name, self.rate(body, name, counts, fresh));
        }
        let covered = |listed: Listed<'_>| {
            cascaded(listed)
                .and_then(|()| timely(listed))
                .and_then(|()| self.solid(listed))
                .and_then(|()| self.moved(listed))
        };
        let name = "key.covered_rate";
        put(name, self.rate(body, name, key, covered));
        let is_key = |listed: Listed<'_>| {
            if listed.0.is_key { Ok(()) } else { Err(Box::new(lack(listed.0))) }
        };
        let share = self.rate(body, "key.share", all, is_key);
        put("key.share", Figure { findings: Vec::new(), more: 0, ..share });
        let once = |(it, known): Listed<'_>| {
            if known.repeats { Err(Box::new(lack(it))) } else { Ok(()) }
        };
        put("worth.distinct_rate", self.rate(body, "worth.distinct_rate", all, once));
        let used = |(it, known): Listed<'_>| {
            if known.is_used() { Ok(()) } else { Err(Box::new(lack(it))) }
        };
        if self.tally.knows_uses() {
            put("worth.used_rate", self.rate(body, "worth.used_rate", shared, used));
        }
    }

    /// Mounted, and not all but empty.
    fn filled(self, listed: Listed<'_>) -> Holds {
        mounted(listed).and_then(|()| self.solid(listed))
    }

    /// Not all but empty, as far as nobody answered for it.
    pub(super) fn solid(self, (obligation, known): Listed<'_>) -> Holds {
        let found =
            known.hollow().filter(|it| !self.tally.is_answered(&obligation.entry, it.doubt));
        found.map_or(Ok(()), |held| Err(Box::new(doubted(obligation, held, String::new()))))
    }

    /// Fresh by more than a column that moves, as far as nobody answered for it.
    pub(super) fn moved(self, (obligation, known): Listed<'_>) -> Holds {
        let found = known.touched().map(|it| it.1);
        let found = found.filter(|it| !self.tally.is_answered(&obligation.entry, it.doubt));
        found.map_or(Ok(()), |held| {
            let subject = obligation.dataset.clone();
            Err(Box::new(Finding { subject, ..doubted(obligation, held, String::new()) }))
        })
    }

    /// Of rows that passed, those that waivers let through: as many of a hundred as of those asked.
    fn let_through(self, (obligation, known): Listed<'_>, good: u64) -> Option<(u64, Held)> {
        let ((waived, asked), held) = known.filled()?;
        let share = u128::from(good) * u128::from(waived) / u128::from(asked.max(1));
        let is_answered = self.tally.is_answered(&obligation.entry, held.doubt);
        (!is_answered).then(|| (u64::try_from(share).unwrap_or(good), held))
    }

    /// Of passed verdicts, those on rows that the province held already: what was sent again, and
    /// of a table whose every row is touched all but one for each row.
    fn judged_again(self, (obligation, known): Listed<'_>) -> Option<(u64, Held)> {
        let resent = known.resent().map(|(rows, held)| (rows.min(known.passed), held));
        let touched = known.touched().map(|(rows, held)| (known.passed.saturating_sub(rows), held));
        let open = [resent, touched].into_iter().flatten();
        open.filter(|(_, it)| !self.tally.is_answered(&obligation.entry, it.doubt))
            .max_by_key(|(rows, held)| (*rows, held.doubt))
    }

    fn of_rows(self, body: &Body, figures: &mut Figures) {
        /// What holds and what does not, of what is known of an obligation.
        type Counted<'c> = &'c dyn Fn(&Known) -> (u64, u64);
        /// What of it does not count, and why.
        type Less<'c> = &'c dyn Fn(Listed<'_>, u64) -> Option<(u64, Held)>;
        let mut sum = |name: &str, of: Counted<'_>, less: Less<'_>| {
            let (mut whole, mut exempt) = ((0_u64, 0_u64), 0);
            let (mut findings, mut uncounted) = (Vec::new(), Vec::new());
            for (_, obligation, known) in self.listed(body) {
                let (good, bad) = of(known);
                if good == 0 && bad == 0 {
                    continue;
                }
                if self.tally.lists.is_exempt(&obligation.entry, name, self.span.day) {
                    exempt += 1;
                    continue;
                }
                let mut good = good;
                if let Some((rows, held)) = less((obligation, known), good).filter(|it| it.0 > 0) {
                    good = good.saturating_sub(rows);
                    uncounted.push(doubted(obligation, held, format!("{rows} · ")));
                }
                whole = (whole.0.saturating_add(good), whole.1.saturating_add(bad));
                if bad > 0 {
                    findings.push(Finding { evidence: format!("{bad}"), ..lack(obligation) });
                }
            }
            findings.append(&mut uncounted);
            let figure = Figure::rate(whole.0, whole.0.saturating_add(whole.1));
            figures.insert(name.to_owned(), Figure { exempt, ..figure }.with(findings));
        };
        let all: Less<'_> = &|_, _| None;
        let again: Less<'_> = &|listed, _| self.judged_again(listed);
        let seen: Counted<'_> =
            &|it| (it.seen.saturating_sub(it.set_aside), it.set_aside.min(it.seen));
        sum("data.passed_rate", seen, &|listed, good| self.let_through(listed, good));
        sum("receipt.passed_rate", &|it| (it.passed, it.failed), again);
        sum("valid.true_rate", &|it| part(it.truth), all);
        sum("valid.sound_rate", &|it| part(it.soundness), all);
        sum("interface.available_rate", &|it| (it.answered, it.unanswered), all);
        let agreed: Counted<'_> = &|it| {
            let compared = it.compared.as_ref().map_or((0, 0), |(_, all, bad)| (*all, *bad));
            (compared.0.saturating_sub(compared.1), compared.1.min(compared.0))
        };
        sum("reconcile.agreed_rate", agreed, all);
        figures.insert("data.overdue_hours".to_owned(), self.overdue_hours(body));
        let usable = usable(figures);
        figures.insert("valid.usable_rate".to_owned(), usable);
    }

    /// Whole hours past a deadline within the span, over all datasets; absent where none is listed.
    fn overdue_hours(self, body: &Body) -> Figure {
        let name = "data.overdue_hours";
        let (mut seconds, mut exempt, mut is_listed) = (0_i64, 0, false);
        let mut findings = Vec::new();
        let listed = self.listed(body).filter(|(_, it, _)| !it.dataset.is_empty());
        for (_, obligation, known) in listed {
            if self.tally.lists.is_exempt(&obligation.entry, name, self.span.day) {
                exempt += 1;
                continue;
            }
            is_listed = true;
            for (deadline, overdue) in &known.overdue {
                let from = (*deadline).max(self.span.from);
                let to = overdue.until.unwrap_or(self.span.to).min(self.span.to);
                if from < to {
                    seconds = seconds.saturating_add(to.duration_since(from).as_secs());
                    findings.push(late(obligation, *deadline, overdue));
                }
            }
        }
        if !is_listed {
            return Figure { exempt, ..Figure::default() };
        }
        Figure { exempt, ..Figure::number(Decimal::from(seconds / 3600)) }.with(findings)
    }

    fn of_cases(self, body: &Body, figures: &mut Figures) {
        let declared = self.tally.lists.cases.iter().filter(|kept| kept.since <= self.span.month);
        let mut lists: Vec<&str> = declared.map(|kept| kept.list.as_str()).collect();
        lists.extend(self.tally.cases.keys().map(|(list, _)| list.as_str()));
        lists.sort_unstable();
        lists.dedup();
        for list in lists {
            let (mut due, mut late, mut open) = (0_u64, Vec::new(), Vec::new());
            let mut made = Vec::new();
            for ((of, subject), case) in &self.tally.cases {
                let Some((stamp, owner, deadline)) = &case.opened else { continue };
                let is_ours = match body {
                    Body::City => true,
                    Body::Department(id) => owner == id,
                    Body::Region(_) | Body::Dataset(_) => false,
                };
                if of != list || !is_ours {
                    continue;
                }
                let finding = || Finding {
                    subject: subject.clone(),
                    owner: owner.clone(),
                    from: Some(*deadline),
                    until: closed_at(case),
                    evidence: stamp.2.to_string(),
                    doubt: None,
                };
                let self_made = case.self_made(list);
                if let Some(held) =
                    self_made.filter(|it| !self.tally.is_answered(subject, it.doubt))
                {
                    if *deadline > self.span.from && *deadline <= self.span.to {
                        made.push(Finding { doubt: Some(held.doubt), ..finding() });
                    }
                    continue;
                }
                if *deadline > self.span.from && *deadline <= self.span.to {
                    due += 1;
                    if closed_at(case).is_none_or(|closed| closed > *deadline) {
                        late.push(finding());
                    }
                }
                if closed_at(case).is_none() {
                    open.push(finding());
                }
            }
            let count = |findings: Vec<Finding>| {
                Figure::number(Decimal::from(findings.len())).with(findings)
            };
            let in_time = due.saturating_sub(u64::try_from(late.len()).unwrap_or(u64::MAX));
            let told = late.iter().cloned().chain(made).collect();
            let timely = Figure::rate(in_time, due).with(told);
            if let Some((measure, _)) = MEASURED_LISTS.iter().find(|(_, known)| *known == list) {
                figures.insert((*measure).to_owned(), timely.clone());
            }
            figures.insert(format!("cases.{list}.timely_rate"), timely);
            figures.insert(format!("cases.{list}.due"), Figure::number(Decimal::from(due)));
            figures.insert(format!("cases.{list}.late"), count(late));
            figures.insert(format!("cases.{list}.open"), count(open));
        }
    }

    fn of_standards(self, figures: &mut Figures) {
        let (mut seconds, mut is_current, mut is_known) = (0_i64, true, false);
        let mut findings = Vec::new();
        for (channel, standing) in &self.tally.channels {
            let Some(lapses) = standing.lapses(self.span) else { continue };
            is_known = true;
            let required = standing.required.keys().next_back();
            for lapse in lapses {
                seconds = seconds.saturating_add(lapse.to.duration_since(lapse.from).as_secs());
                is_current &= lapse.to < self.span.to;
                findings.push(Finding {
                    subject: channel.as_ref().map_or("", |it| it.as_str()).to_owned(),
                    owner: String::new(),
                    from: Some(lapse.from),
                    until: (lapse.to < self.span.to).then_some(lapse.to),
                    evidence: required.map_or(String::new(), |stamp| stamp.2.to_string()),
                    doubt: None,
                });
            }
        }
        if is_known {
            let current = Figure::number(Decimal::from(u8::from(is_current)));
            figures.insert("cascade.current".to_owned(), current.with(findings.clone()));
            let hours = Figure::number(Decimal::from(seconds / 3600)).with(findings);
            figures.insert("cascade.lapsed_hours".to_owned(), hours);
        }
    }
}

/// The mean of what is known of three: mounted, reached, judged well. They count entries, probes and
/// rows, so that no sum of them means anything.
fn usable(figures: &Figures) -> Figure {
    let parts = ["resource.mounted_rate", "interface.available_rate", "receipt.passed_rate"];
    let parts: Vec<&Figure> = parts.iter().filter_map(|name| figures.get(*name)).collect();
    let mean = mean(parts.iter().filter_map(|figure| figure.value));
    let findings = parts.iter().flat_map(|figure| figure.findings.iter().cloned()).collect();
    let more: u64 = parts.iter().fold(0, |sum, figure| sum.saturating_add(figure.more));
    let figure = Figure { value: mean, ..Figure::default() };
    let figure = figure.with(findings);
    Figure { more: figure.more.saturating_add(more), ..figure }
}

/// The mean of rates; none of none.
pub(super) fn mean(rates: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    let rates: Vec<Decimal> = rates.map(|rate| rate.round_dp(12)).collect();
    let mean = rates.iter().sum::<Decimal>().checked_div(Decimal::from(rates.len()))?;
    Some(mean.round_dp(6).normalize())
}

/// Asked and broken, as what holds and what does not.
pub(super) fn part((asked, broken): (u64, u64)) -> (u64, u64) {
    (asked.saturating_sub(broken), broken.min(asked))
}

fn closed_at(case: &Case) -> Option<Timestamp> {
    case.closed.as_ref().map(|(stamp, _)| stamp.0)
}

/// That something is not there.
fn lack(obligation: &Obligation) -> Finding {
    Finding {
        subject: format!("entry:{}", obligation.entry),
        owner: obligation.department.clone(),
        from: None,
        until: None,
        evidence: String::new(),
        doubt: None,
    }
}

/// That something is there and does not count.
fn doubted(obligation: &Obligation, held: Held, rows: String) -> Finding {
    let evidence = rows + &held.evidence;
    Finding { evidence, doubt: Some(held.doubt), ..lack(obligation) }
}

fn late(obligation: &Obligation, deadline: Timestamp, overdue: &Overdue) -> Finding {
    Finding {
        subject: obligation.dataset.clone(),
        owner: obligation.department.clone(),
        from: Some(deadline),
        until: overdue.until,
        evidence: overdue.evidence.as_ref().map_or(String::new(), |stamp| stamp.2.to_string()),
        doubt: None,
    }
}

/// The latest state, for a finding; `Ok` where a state on any channel will do.
fn stands(links: &Links, will_do: impl Fn(LinkState) -> bool, lack: Finding) -> Holds {
    if links.values().any(|(_, state)| will_do(*state)) {
        return Ok(());
    }
    let latest = links.values().max_by_key(|(stamp, _)| stamp);
    Err(Box::new(latest.map_or(lack.clone(), |(stamp, _)| Finding {
        from: Some(stamp.0),
        evidence: stamp.2.to_string(),
        ..lack
    })))
}

fn complete((obligation, known): Listed<'_>) -> Holds {
    let refused = |state| matches!(state, LinkState::Refused | LinkState::Unmapped);
    stands(&known.entry, |state| !refused(state), lack(obligation))
}

pub(super) fn cascaded((obligation, known): Listed<'_>) -> Holds {
    stands(&known.entry, LinkState::is_held_above, lack(obligation))
}

pub(super) fn mounted((obligation, known): Listed<'_>) -> Holds {
    let mut states = known.resources.values().flat_map(Links::values);
    if states.any(|(_, state)| state.is_held_above()) {
        return Ok(());
    }
    let links = known.resources.values().next();
    links.map_or_else(
        || Err(Box::new(lack(obligation))),
        |links| stands(links, LinkState::is_held_above, lack(obligation)),
    )
}

pub(super) fn timely((obligation, known): Listed<'_>) -> Holds {
    let open = known.overdue.iter().find(|(_, overdue)| overdue.until.is_none());
    match open {
        Some((deadline, overdue)) => Err(Box::new(late(obligation, *deadline, overdue))),
        // An entry without rows cannot be late; one with rows must have been confirmed once.
        None if known.is_confirmed || obligation.dataset.is_empty() => Ok(()),
        None => {
            let subject = obligation.dataset.clone();
            Err(Box::new(Finding { subject, ..lack(obligation) }))
        }
    }
}
