//! Everything that a bulletin tells, before a word of it is written: numbers, names and times.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::carried::Carried;
use super::defects::{Defect, Ill, More, Terms, defects, recurring};
use super::losses::{Loss, losses};
use super::moment::{Compared, Moment, Place, compare, moment, ranking};
use super::period::{Look, Period, day_before};
use super::settings::Settings;
use crate::calendar::Calendar;
use crate::indicator::field::Field;
use crate::indicator::forecast::Forecast;
use crate::indicator::lists::{Exemption, Lists};
use crate::indicator::recover::Plan;
use crate::indicator::replay;
use crate::indicator::scheme::Scheme;
use crate::indicator::tally::{Span, Tally};
use crate::indicator::terms::Change;

/// What a bulletin is made of.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'g> {
    /// The scheme by which its months are judged.
    pub scheme: &'g Scheme,
    /// What the city keeps.
    pub lists: &'g Lists,
    /// The other cities.
    pub field: &'g Field,
    /// Which days are working days.
    pub calendar: &'g Calendar,
    /// How it looks.
    pub settings: &'g Settings,
}

/// At which instants a bulletin looks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Looks {
    /// Of the period itself.
    pub now: Vec<Look>,
    /// Of the one before, as far as the scheme held then.
    pub before: Vec<Look>,
}

/// Which tallies a bulletin needs; none where the period has not begun by `now`.
pub fn looks(scheme: &Scheme, period: Period, now: Timestamp) -> Looks {
    let of = |period: Period| {
        let held = |look: &Look| scheme.period.holds_in(look.month);
        period.looks(scheme, now).into_iter().filter(held).collect()
    };
    Looks { now: of(period), before: of(period.before()) }
}

/// The span that a look tallies, as known by some time.
pub fn span(scheme: &Scheme, look: Look, known_by: Timestamp) -> Span {
    let whole = replay::span(scheme, look.month, known_by);
    let to = look.to.min(whole.to);
    Span { to, day: day_before(to, &scheme.period.zone), ..whole }
}

/// Facts, counted: wherever they came from.
#[derive(Debug)]
pub struct Counted<'t> {
    /// A tally for each look of the period.
    pub now: Vec<(Look, Tally<'t>)>,
    /// A tally for each look of the one before.
    pub before: Vec<(Look, Tally<'t>)>,
    /// What can be recovered at the last look.
    pub plan: Plan,
    /// What was carried from the first look's beginning to the last one's end.
    pub carried: Carried,
    /// Every promise that was loosened before the last look's end.
    pub loosened: Vec<Change>,
    /// What the month will come to, where it still runs at the last look.
    pub forecast: Option<Forecast>,
}

/// The seed of a bulletin's forecast: any, as long as it is the same.
pub const SEED: u64 = 1;

/// Everything that a bulletin tells.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it is about.
    pub period: Period,
    /// The scheme.
    pub scheme: Scheme,
    /// How it looks.
    pub settings: Settings,
    /// How things stood: of a quarter at the end of each month, else once.
    pub moments: Vec<Moment>,
    /// How they stood the time before.
    pub before: Vec<Moment>,
    /// The classes with their bodies, from the best to the worst.
    pub ranking: Vec<(String, Vec<Place>)>,
    /// Whose the lost points are.
    pub losses: Vec<Loss>,
    /// What is to be mended.
    pub defects: Vec<Defect>,
    /// How many findings more there are, by department.
    pub more: More,
    /// What stands for the second month or longer; only of a quarter.
    pub recurring: BTreeMap<(Ill, String, String), usize>,
    /// What can be recovered.
    pub plan: Plan,
    /// What was carried.
    pub carried: Carried,
    /// Promises that were loosened within the period, and those of before that nobody approved of
    /// to this day.
    pub loosened: Vec<Change>,
    /// What the month will come to, where it still runs.
    pub forecast: Option<Forecast>,
    /// Exemptions that held on the last day, with what the list calls the entry.
    pub exemptions: Vec<(Exemption, String)>,
    /// What the list calls an entry or a dataset.
    pub titles: BTreeMap<String, String>,
    /// The last day it tells of.
    pub last_day: Date,
    /// By when what has no deadline of its own is to be mended.
    pub deadline: Timestamp,
    /// That deadline lies in a year without an official calendar.
    pub is_provisional: bool,
    /// How many departments there are.
    pub departments: usize,
}

/// Makes the report of a period; nothing where there is no look at it.
pub fn report(ground: Ground<'_>, period: Period, counted: Counted<'_>) -> Option<Report> {
    // As they counted: what was loosened without an approval is as it was.
    let lists = counted.now.last()?.1.lists();
    let ground = Ground { lists, ..ground };
    let moments = judged(ground, &counted.now);
    let before = judged(ground, &counted.before);
    let (last, to) = (moments.last()?, counted.now.last()?.0.to);
    let zone = &ground.scheme.period.zone;
    let terms = Terms { calendar: ground.calendar, days: ground.settings.mend_within, zone };
    let (defects, more) = defects(last, ground.lists, &counted.carried, &counted.plan, terms);
    let (deadline, is_provisional) = terms.deadline(to);
    let last_day = day_before(to, zone);
    let by_month: Vec<_> = moments.iter().map(|it| (it.at, &it.departments)).collect();
    Some(Report {
        period,
        scheme: ground.scheme.clone(),
        settings: ground.settings.clone(),
        ranking: ranking(&moments, &before),
        recurring: recurring(&by_month),
        losses: losses(last),
        departments: last.departments.len(),
        moments,
        before,
        defects,
        more,
        plan: counted.plan,
        carried: counted.carried,
        loosened: loosened(counted.loosened, counted.now.first()?.0.from),
        forecast: counted.forecast,
        exemptions: exemptions(ground.lists, last_day),
        titles: titles(ground.lists),
        last_day,
        deadline,
        is_provisional,
    })
}

fn loosened(mut changes: Vec<Change>, from: Timestamp) -> Vec<Change> {
    changes.retain(|it| it.at >= from || it.is_unapproved());
    changes
}

fn judged(ground: Ground<'_>, looked: &[(Look, Tally<'_>)]) -> Vec<Moment> {
    let Ground { scheme, lists, field, .. } = ground;
    let of = |(look, tally): &(Look, Tally<'_>)| {
        moment(scheme, (look.month, look.to), lists, field, |body| tally.figures(body))
    };
    looked.iter().map(of).collect()
}

/// Those that hold on a day, as the list has them.
fn exemptions(lists: &Lists, day: Date) -> Vec<(Exemption, String)> {
    let holds = |it: &&Exemption| it.from <= day && it.until.is_none_or(|until| day <= until);
    let title = |entry: &str| {
        let listed = lists.obligations.iter().find(|it| it.entry == entry);
        listed.map_or_else(String::new, |it| it.title.clone())
    };
    lists.exemptions.iter().filter(holds).map(|it| (it.clone(), title(&it.entry))).collect()
}

fn titles(lists: &Lists) -> BTreeMap<String, String> {
    let mut titles = BTreeMap::new();
    for it in lists.obligations.iter().filter(|it| !it.title.is_empty()) {
        titles.insert(format!("entry:{}", it.entry), it.title.clone());
        if !it.dataset.is_empty() {
            titles.insert(it.dataset.clone(), it.title.clone());
        }
    }
    for it in lists.tasks.iter().filter(|it| !it.title.is_empty()) {
        titles.insert(it.subject(), it.title.clone());
    }
    titles
}

impl Report {
    /// How everything stands at its end.
    pub fn last(&self) -> Option<&Moment> {
        self.moments.last()
    }

    /// How it stood at the end of the time before.
    pub fn earlier(&self) -> Option<&Moment> {
        self.before.last()
    }

    /// The city's points, of a quarter their mean.
    pub fn points(&self) -> Option<Decimal> {
        let sum: Decimal = self.moments.iter().map(|it| it.city.total).sum();
        let mean = sum.checked_div(Decimal::from(self.moments.len()))?;
        Some(mean.round_dp(8).normalize())
    }

    /// How they changed since the time before, over what could be computed at both; nothing where
    /// nothing could.
    pub fn compared(&self) -> Option<Compared> {
        Some(compare(&self.moments, &self.before, |_| true)).filter(|it| it.items > 0)
    }

    /// The departments with something to mend, each with its defects; who lost most comes first.
    pub fn by_department(&self) -> Vec<(&str, Decimal, Vec<&Defect>)> {
        let lost = super::losses::by_owner(&self.losses);
        let mut groups: BTreeMap<&str, Vec<&Defect>> = BTreeMap::new();
        for owner in lost.keys().filter(|owner| !owner.is_empty()) {
            groups.entry(owner).or_default();
        }
        for defect in &self.defects {
            groups.entry(&defect.owner).or_default().push(defect);
        }
        let points = |owner: &str| lost.get(owner).copied().unwrap_or_default();
        let mut found: Vec<(&str, Decimal, Vec<&Defect>)> =
            groups.into_iter().map(|(owner, defects)| (owner, points(owner), defects)).collect();
        found.sort_by(|a, b| {
            b.1.cmp(&a.1).then_with(|| b.2.len().cmp(&a.2.len())).then_with(|| a.0.cmp(b.0))
        });
        found
    }
}
