//! What looks better than it is: signs, in facts and lists, that numbers were made and not earned.
//!
//! A doubt is no verdict and takes no points: it says where somebody has to look, with the fact
//! that shows it. Most of what it finds earns nothing in the first place, because only new content
//! makes a dataset fresh and only what stands above at the cut-off counts; that a hollow table or a
//! case made by ourselves does count above is exactly why it is told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::lists::{Lists, Obligation};
use super::tally::{Span, amended};
use crate::delivery::LinkState;
use crate::fact::{Fact, JobAct, Kind};

/// What is doubted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Doubt {
    /// Rows were confirmed although no pass saw anything change and nobody asked for a resync: the
    /// same rows again.
    Resent,
    /// Passes see changes of (nearly) every row, again and again: a column moves, the content
    /// hardly does.
    Touched,
    /// A resource stands above, and its dataset has no rows, or next to none.
    Hollow,
    /// Most rows broke a rule and were let through by waivers, or were filled with what a rule
    /// calls a placeholder.
    Filled,
    /// Several entries of one department have the same title but for numbers, years or parts.
    Split,
    /// Something was taken down shortly before a cut-off and put up again shortly after.
    Flapped,
    /// A request was laid and dealt with within minutes: by whom, for whom?
    SelfMade,
}

impl Doubt {
    /// Every doubt.
    pub const ALL: [Self; 7] = [
        Self::Resent,
        Self::Touched,
        Self::Hollow,
        Self::Filled,
        Self::Split,
        Self::Flapped,
        Self::SelfMade,
    ];

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resent => "resent",
            Self::Touched => "touched",
            Self::Hollow => "hollow",
            Self::Filled => "filled",
            Self::Split => "split",
            Self::Flapped => "flapped",
            Self::SelfMade => "self-made",
        }
    }
}

/// Something to look at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Doubted {
    /// What is doubted.
    pub doubt: Doubt,
    /// Who answers for it.
    pub owner: String,
    /// The entry, dataset or case.
    pub subject: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// Counts or names that show it; never content.
    pub shown_by: String,
    /// A fact that shows it; empty where it is lists that do.
    pub evidence: String,
}

/// A table with no more rows than these is hollow.
const HOLLOW_ROWS: u64 = 2;
/// Passes that changed (nearly) all rows before that is a habit.
const TOUCHED_PASSES: u32 = 5;
/// Entries of one title before they are split ones.
const SPLIT_ENTRIES: usize = 3;
/// Around a cut-off.
const AROUND: SignedDuration = SignedDuration::from_hours(72);
/// Nobody lays a request before somebody and has it answered in less.
const AT_ONCE: SignedDuration = SignedDuration::from_mins(10);

/// What is known of a dataset within the span.
#[derive(Debug, Default)]
struct Seen {
    confirmed: u64,
    changed: u64,
    passes: u32,
    whole: u32,
    /// The last pass that read everything: when, and how many rows it saw.
    last: Option<(Timestamp, u64, String)>,
    broken: u64,
    waived: u64,
    executed: u64,
    confirmed_by: String,
    ruled_by: String,
    is_resynced: bool,
}

/// Looks through facts within a span; one that was set right by another shows nothing.
pub fn doubts(facts: &[Fact], lists: &Lists, span: Span) -> Vec<Doubted> {
    let amended = amended(facts, span.known_by);
    let known =
        || facts.iter().filter(|it| it.recorded <= span.known_by && !amended.contains(&it.id));
    let mut found = Vec::new();
    of_datasets(known(), lists, span, &mut found);
    of_links(known(), lists, span, &mut found);
    of_cases(known(), span, &mut found);
    split(lists, &mut found);
    found.sort();
    found.dedup();
    found
}

fn of_datasets<'f>(
    facts: impl Iterator<Item = &'f Fact> + Clone,
    lists: &Lists,
    span: Span,
    found: &mut Vec<Doubted>,
) {
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for obligation in lists.obligations.iter().filter(|it| !it.dataset.is_empty()) {
        seen.entry(obligation.dataset.as_str()).or_default();
    }
    let mut is_resynced = false;
    for fact in facts.clone().filter(|it| span.from <= it.occurred && it.occurred < span.to) {
        // A job names no dataset among facts: it excuses all of them.
        is_resynced |= matches!(&fact.kind, Kind::Job { act: JobAct::Started, .. });
        if let Some(seen) = seen.get_mut(fact.subject.as_str()) {
            seen.add(fact);
        }
    }
    let mounted = mounted(lists, facts, span);
    for obligation in &lists.obligations {
        let Some(seen) = seen.get_mut(obligation.dataset.as_str()) else { continue };
        seen.is_resynced = is_resynced;
        seen.judge(obligation, mounted.contains(obligation.entry.as_str()), found);
    }
}

impl Seen {
    fn add(&mut self, fact: &Fact) {
        match &fact.kind {
            Kind::Confirmed { rows, .. } => {
                self.confirmed = self.confirmed.saturating_add(*rows);
                self.confirmed_by = fact.id.to_string();
            }
            Kind::PassCompleted { seen, changed, .. } => {
                self.passes += 1;
                self.changed = self.changed.saturating_add(*changed);
                // Rows that are new are a change of all rows too: only a table that stays as large
                // as it was, and is not small, tells.
                let is_same = self.last.as_ref().is_some_and(|(_, rows, _)| rows == seen);
                let is_whole =
                    *seen >= 20 && changed.saturating_mul(100) >= seen.saturating_mul(95);
                self.whole += u32::from(is_same && is_whole);
                if self.last.as_ref().is_none_or(|(at, ..)| *at <= fact.occurred) {
                    self.last = Some((fact.occurred, *seen, fact.id.to_string()));
                }
            }
            Kind::RuleCounted { executed, broken, waived, .. } => {
                self.executed = self.executed.saturating_add(*executed);
                self.broken = self.broken.saturating_add(*broken);
                self.waived = self.waived.saturating_add(*waived);
                self.ruled_by = fact.id.to_string();
            }
            Kind::Placed { .. }
            | Kind::Verdict { .. }
            | Kind::Rejected { .. }
            | Kind::OverdueFrom { .. }
            | Kind::OverdueUntil { .. }
            | Kind::Link { .. }
            | Kind::StandardInForce { .. }
            | Kind::Drift { .. }
            | Kind::DriftSettled { .. }
            | Kind::Reconciled { .. }
            | Kind::Job { .. }
            | Kind::OriginalOpened { .. }
            | Kind::IncarnationBegun { .. }
            | Kind::StandardRequired { .. }
            | Kind::Probed { .. }
            | Kind::CaseOpened { .. }
            | Kind::CaseClosed { .. }
            | Kind::PeriodClosed { .. }
            | Kind::Exempted { .. }
            | Kind::Declared { .. }
            | Kind::Approved { .. }
            | Kind::Stated { .. } => {}
        }
    }

    fn judge(&self, of: &Obligation, is_mounted: bool, found: &mut Vec<Doubted>) {
        let mut put = |doubt, shown_by: String, evidence: &str| {
            let (owner, subject) = (of.department.clone(), of.dataset.clone());
            let evidence = evidence.to_owned();
            found.push(Doubted { doubt, owner, subject, since: None, shown_by, evidence });
        };
        if self.passes > 0 && self.confirmed > 0 && self.changed == 0 && !self.is_resynced {
            put(
                Doubt::Resent,
                format!("confirmed {}, changed 0", self.confirmed),
                &self.confirmed_by,
            );
        }
        if self.whole >= TOUCHED_PASSES
            && let Some((_, rows, evidence)) = &self.last
        {
            put(Doubt::Touched, format!("{} passes changed all of {rows}", self.whole), evidence);
        }
        if is_mounted
            && let Some((_, rows, evidence)) = self.last.as_ref().filter(|it| it.1 <= HOLLOW_ROWS)
        {
            put(Doubt::Hollow, format!("rows {rows}"), evidence);
        }
        let excused = self.waived.saturating_mul(2) > self.executed;
        if self.executed > 0 && self.waived > 0 && excused {
            let shown = format!("waived {} of {}", self.waived, self.executed);
            put(Doubt::Filled, shown, &self.ruled_by);
        }
    }
}

/// Entries of which a resource stands above at the end of the span.
fn mounted<'l, 'f>(
    lists: &'l Lists,
    facts: impl Iterator<Item = &'f Fact>,
    span: Span,
) -> BTreeSet<&'l str> {
    let mut latest: BTreeMap<&str, (Timestamp, &crate::fact::FactId, LinkState)> = BTreeMap::new();
    for fact in facts.filter(|it| it.occurred < span.to) {
        let Kind::Link { to, .. } = &fact.kind else { continue };
        let known = latest.entry(fact.subject.as_str()).or_insert((fact.occurred, &fact.id, *to));
        if (known.0, known.1) <= (fact.occurred, &fact.id) {
            *known = (fact.occurred, &fact.id, *to);
        }
    }
    let stands = |resource: &String| {
        let link = latest.get(format!("resource:{resource}").as_str());
        link.is_some_and(|(_, _, state)| state.is_held_above())
    };
    let listed = lists.obligations.iter().filter(|it| it.resources.iter().any(stands));
    listed.map(|it| it.entry.as_str()).collect()
}

/// Taken down before the cut-off, up again after it. The cut-off before the span is looked at, for
/// of its own nobody knows yet what comes after.
fn of_links<'f>(
    facts: impl Iterator<Item = &'f Fact>,
    lists: &Lists,
    span: Span,
    found: &mut Vec<Doubted>,
) {
    let owners: BTreeMap<String, &str> = lists
        .obligations
        .iter()
        .map(|it| (format!("entry:{}", it.entry), it.department.as_str()))
        .collect();
    let mut down: BTreeMap<&str, &Fact> = BTreeMap::new();
    let mut up: BTreeSet<&str> = BTreeSet::new();
    for fact in facts {
        let Kind::Link { to, .. } = &fact.kind else { continue };
        let (at, cut_off) = (fact.occurred, span.from);
        let is_before = at < cut_off && cut_off.duration_since(at) <= AROUND;
        let is_after = at >= cut_off && at.duration_since(cut_off) <= AROUND;
        if *to == LinkState::Withdrawn && is_before {
            down.insert(fact.subject.as_str(), fact);
        }
        if to.is_held_above() && is_after {
            up.insert(fact.subject.as_str());
        }
    }
    for (subject, fact) in down.into_iter().filter(|(subject, _)| up.contains(subject)) {
        found.push(Doubted {
            doubt: Doubt::Flapped,
            owner: owners.get(subject).map_or_else(String::new, |it| (*it).to_owned()),
            subject: subject.to_owned(),
            since: Some(fact.occurred),
            shown_by: String::new(),
            evidence: fact.id.to_string(),
        });
    }
}

fn of_cases<'f>(
    facts: impl Iterator<Item = &'f Fact> + Clone,
    span: Span,
    found: &mut Vec<Doubted>,
) {
    let mut closed: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
    for fact in facts.clone() {
        if let Kind::CaseClosed { list, .. } = &fact.kind {
            let at = closed.entry((list, &fact.subject)).or_insert(fact.occurred);
            *at = (*at).min(fact.occurred);
        }
    }
    for fact in facts.filter(|it| span.from <= it.occurred && it.occurred < span.to) {
        let Kind::CaseOpened { list, owner, .. } = &fact.kind else { continue };
        let Some(at) = closed.get(&(list.as_str(), fact.subject.as_str())) else { continue };
        let lasted = at.duration_since(fact.occurred);
        // What the province finds is nothing that we make.
        if *list == "requests" && !lasted.is_negative() && lasted < AT_ONCE {
            found.push(Doubted {
                doubt: Doubt::SelfMade,
                owner: owner.clone(),
                subject: fact.subject.clone(),
                since: Some(fact.occurred),
                shown_by: format!("{} min", lasted.as_mins()),
                evidence: fact.id.to_string(),
            });
        }
    }
}

/// Entries that differ in nothing but a number, a year or a part.
fn split(lists: &Lists, found: &mut Vec<Doubted>) {
    let mut alike: BTreeMap<(&str, String), Vec<&Obligation>> = BTreeMap::new();
    for obligation in &lists.obligations {
        let stem = stem(&obligation.title);
        if stem.chars().count() >= 4 {
            alike.entry((obligation.department.as_str(), stem)).or_default().push(obligation);
        }
    }
    for ((owner, stem), entries) in alike {
        // The same title in several regions is the same kind of data of several places.
        let regions: BTreeSet<&str> = entries.iter().map(|it| it.region.as_str()).collect();
        if entries.len() < SPLIT_ENTRIES || regions.len() == entries.len() {
            continue;
        }
        let names: Vec<&str> = entries.iter().take(10).map(|it| it.entry.as_str()).collect();
        found.push(Doubted {
            doubt: Doubt::Split,
            owner: owner.to_owned(),
            subject: stem,
            since: None,
            shown_by: names.join(" "),
            evidence: String::new(),
        });
    }
}

/// A title without its numbers, years and parts.
fn stem(title: &str) -> String {
    let is_part = |letter: &char| {
        !(letter.is_numeric()
            || letter.is_whitespace()
            || "一二三四五六七八九十年月季度上下半第批期部分册（）()-—_、".contains(*letter))
    };
    title.chars().filter(is_part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicator::scheme::Month;
    use crate::indicator::{history, lists};

    const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e1,r1,d1,不动产登记,自规局,本级,每日,yes,yes,yes
e2,r2,d2,婚姻登记信息（一）,民政局,本级,每周,yes,no,no
e3,r3,d3,婚姻登记信息（二）,民政局,本级,每周,yes,no,no
e4,r4,d4,婚姻登记信息2025年,民政局,本级,每周,yes,no,no
e5,r5,d5,学校名录,教育局,甲县,每月,yes,no,no
e6,r6,d6,学校名录,教育局,乙县,每月,yes,no,no
e7,r7,d7,学校名录,教育局,丙县,每月,yes,no,no
";
    /// A month in which everything is as it should be.
    const HONEST: &str = "\
occurred,kind,subject,channel,fields,basis
2026-02-01T08:00,link,resource:r1,p,from=sent; to=accepted,model
2026-03-02T08:00,pass-completed,d1,p,lane=live; seen=500; changed=40; rejected=0,model
2026-03-02T09:00,confirmed,d1,p,rows=40; evidence=receipt,model
2026-03-02T08:00,rule-counted,d1,p,rule=id; executed=500; broken=3; waived=1,model
2026-03-03T08:00,case-opened,q1,,list=requests; owner=自规局; deadline=2026-03-13T18:00,model
2026-03-06T10:00,case-closed,q1,,list=requests; proof=回函,model
";

    fn found(more: &str) -> Vec<(&'static str, String)> {
        let lists = Lists {
            obligations: lists::obligations("o.csv", OBLIGATIONS).unwrap(),
            ..Lists::default()
        };
        let facts = history::parse("f.csv", &format!("{HONEST}{more}"), "t").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let span = Span {
            from: at("2026-03-01T00:00:00+08:00"),
            to: at("2026-04-01T00:00:00+08:00"),
            day: jiff::civil::date(2026, 3, 31),
            month: Month::parse("2026-03").unwrap(),
            known_by: Timestamp::MAX,
        };
        let all = doubts(&facts, &lists, span);
        all.into_iter()
            // The lists alone show one split title; the regions' schools are none.
            .filter(|it| it.doubt != Doubt::Split)
            .map(|it| (it.doubt.as_str(), it.subject))
            .collect()
    }

    #[test]
    fn an_honest_month_raises_no_doubt() {
        assert_eq!(found(""), []);
        // A resync that somebody asked for explains why the same rows went out again.
        let resync = "2026-03-05T08:00,job,job:1,,act=started; by=ops,model\n\
                      2026-03-05T08:00,pass-completed,d5,p,lane=backfill; seen=90; changed=0; rejected=0,model\n\
                      2026-03-05T09:00,confirmed,d5,p,rows=90; evidence=receipt,model\n";
        assert_eq!(found(resync), []);
    }

    #[test]
    fn each_kind_is_found_by_what_shows_it() {
        let pass = |day: u32, changed: u32, seen: u32| {
            format!(
                "2026-03-{day:02}T08:00,pass-completed,d5,p,lane=live; seen={seen}; changed={changed}; rejected=0,model\n"
            )
        };
        let resent =
            pass(5, 0, 90) + "2026-03-05T09:00,confirmed,d5,p,rows=90; evidence=receipt,model\n";
        let touched: String = (5..12).map(|day| pass(day, 90, 90)).collect();
        let mounted = "2026-03-01T08:00,link,resource:r5,p,from=sent; to=accepted,model\n";
        let hollow = format!("{mounted}{}", pass(6, 1, 1));
        let filled =
            "2026-03-05T08:00,rule-counted,d5,p,rule=x; executed=100; broken=80; waived=70,model\n";
        let flapped = "2026-02-27T08:00,link,entry:e5,p,from=accepted; to=withdrawn,model\n\
                       2026-03-02T08:00,link,entry:e5,p,from=sent; to=accepted,model\n";
        let made = "2026-03-09T08:00,case-opened,q9,,list=requests; owner=教育局; deadline=2026-03-19T18:00,model\n\
                    2026-03-09T08:03,case-closed,q9,,list=requests; proof=x,model\n";
        for (facts, expected) in [
            (resent.as_str(), ("resent", "d5")),
            (&touched, ("touched", "d5")),
            (&hollow, ("hollow", "d5")),
            (filled, ("filled", "d5")),
            (flapped, ("flapped", "entry:e5")),
            (made, ("self-made", "q9")),
        ] {
            assert_eq!(found(facts), [(expected.0, expected.1.to_owned())], "{facts}");
        }
    }

    #[test]
    fn entries_of_one_title_are_told_and_regions_are_none() {
        let lists = Lists {
            obligations: lists::obligations("o.csv", OBLIGATIONS).unwrap(),
            ..Lists::default()
        };
        let mut all = Vec::new();
        split(&lists, &mut all);
        let told: Vec<(&str, &str)> =
            all.iter().map(|it| (it.subject.as_str(), it.shown_by.as_str())).collect();
        assert_eq!(told, [("婚姻登记信息", "e2 e3 e4")]);
    }
}
