//! Bulletins from the ledger: when asked for, and by themselves at their time.
//!
//! What was written is the only memory of the schedule: a bulletin whose folder is there is not
//! written again, whoever wrote it, and one that came due while nobody ran is written at the next
//! start, until the one after it is due.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Current;
use super::judge::{Judge, NotJudged};
use crate::bulletin::{
    self, Carried, Counted, Ground, KINDS, Look, Looks, Period, Report, Scheduled, Settings, folder,
};
use crate::calendar::Calendar;
use crate::config::{Configuration, Indicator};
use crate::indicator::forecast::{Habits, forecast};
use crate::indicator::recover::recover_of;
use crate::indicator::scheme::{Month, Scheme};
use crate::indicator::tally::{Body, Tally};
use crate::ledger::{self, FactQuery, Horizon, Ledger};
use crate::supervisor::{Supervisor, sleep};
use crate::telemetry::logs::Chain;

/// Between two looks at the schedule.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Why there is no bulletin.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotMade {
    /// Nothing says how months are judged.
    #[error("no `indicator` is configured: nothing says how months are judged")]
    NoIndicator,
    /// The month has no score.
    #[error(transparent)]
    NotJudged(#[from] NotJudged),
    /// The ledger failed.
    #[error("the facts cannot be read")]
    Ledger(#[from] ledger::Error),
    /// The period has not begun.
    #[error("nothing is judged in {0} yet")]
    NotBegun(String),
    /// It cannot be written.
    #[error("the bulletin cannot be written")]
    Files(#[from] bulletin::Error),
}

impl NotMade {
    /// The stable code.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoIndicator => "E-BULLETIN-INDICATOR",
            Self::NotJudged(NotJudged::Scheme { .. }) | Self::NotBegun(_) => "E-BULLETIN-PERIOD",
            Self::NotJudged(NotJudged::Ledger(_)) | Self::Ledger(_) => "E-LEDGER",
            Self::Files(error) => error.code(),
        }
    }
}

/// The settings of a configuration's bulletins, its city among them.
pub(super) fn settings_of(configuration: &Configuration) -> Settings {
    let mut settings = configuration.bulletin.clone().unwrap_or_default();
    if settings.city.is_empty() {
        settings.city.clone_from(&configuration.city);
    }
    settings
}

/// The period that was asked for, or the last one that had ended at `now`; by the days of the
/// scheme's zone.
pub(super) fn period_of(
    judge: &Judge,
    form: bulletin::Form,
    asked: Option<Period>,
    now: Timestamp,
) -> Result<Period, NotMade> {
    if let Some(period) = asked {
        return Ok(period);
    }
    let scheme = judge.scheme(judge.running(now)?)?;
    Ok(Period::ended(form, scheme.period.zone.to_datetime(now).date()))
}

/// What a bulletin is made with.
#[derive(Debug)]
pub(super) struct Press {
    ledger: Ledger,
    indicator: Option<Arc<Indicator>>,
    calendar: Calendar,
    settings: Settings,
    supervisor: Supervisor,
}

impl Press {
    /// By what is configured now.
    pub(super) fn new(
        ledger: Ledger,
        configuration: &Configuration,
        settings: Settings,
        supervisor: Supervisor,
    ) -> Self {
        let calendar = configuration.calendar.clone();
        Self { ledger, indicator: configuration.indicator.clone(), calendar, settings, supervisor }
    }

    /// The judge, where it is said how months are judged.
    pub(super) fn judge(&self) -> Result<Judge, NotMade> {
        let indicator = self.indicator.as_ref().ok_or(NotMade::NoIndicator)?;
        Ok(Judge::new(self.ledger.clone(), Arc::clone(indicator)))
    }

    /// The files of a period's bulletin, from what was recorded by `known_by`.
    pub(super) async fn files(
        &self,
        judge: &Judge,
        period: Period,
        known_by: Timestamp,
    ) -> Result<Vec<folder::Written>, NotMade> {
        let scheme = judge.scheme(Month::of(period.last()))?.clone();
        let looks = bulletin::looks(&scheme, period, known_by);
        let counted = count(judge, &scheme, &looks, known_by, &self.supervisor).await?;
        let (settings, calendar) = (self.settings.clone(), self.calendar.clone());
        let indicator: Arc<Indicator> = Arc::clone(judge.by());
        let made = self.supervisor.pool().run(move || {
            let ground = Ground {
                scheme: &scheme,
                lists: &indicator.lists,
                field: &indicator.field,
                calendar: &calendar,
                settings: &settings,
            };
            let report: Option<Report> = bulletin::report(ground, period, counted);
            report.map(|report| folder::files(&report)).transpose()
        });
        made.await?.ok_or_else(|| NotMade::NotBegun(period.name()))
    }
}

/// Counts the ledger's facts for every look, a page at a time.
async fn count(
    judge: &Judge,
    scheme: &Scheme,
    looks: &Looks,
    known_by: Timestamp,
    supervisor: &Supervisor,
) -> Result<Counted<'static>, NotMade> {
    let horizon = judge.ledger().horizon(known_by).await?;
    let now = tallies(judge, scheme, &looks.now, horizon).await?;
    let before = tallies(judge, scheme, &looks.before, horizon).await?;
    let (from, to) = match (looks.now.first(), looks.now.last()) {
        (Some(first), Some(last)) => (first.from, last.to),
        (None, _) | (_, None) => (known_by, known_by),
    };
    let amended = judge.ledger().amended(horizon).await?;
    let mut carried = Carried::new(from, to, known_by);
    for kind in KINDS {
        let query = FactQuery { kind, from: Some(from), to: Some(to), horizon };
        judge.each(query, |fact| carried.add(fact, &amended)).await?;
    }
    // What can still be done is asked of the whole month, as it was known at the last look.
    let at = looks.now.last().map_or(known_by, |look| look.to);
    let month = looks.now.last().map_or_else(|| Month::of(jiff::civil::Date::ZERO), |it| it.month);
    let whole = judge.tally_by(scheme, month, at).await?;
    let is_over = at >= whole.span().to;
    let habits = if is_over { None } else { Some(judge.habits(whole.lists(), at).await?) };
    let (by, scheme) = (Arc::clone(judge.by()), scheme.clone());
    // Both judge the month many times over.
    let judged = move || {
        let plan = recover_of(&whole, &scheme, &Body::City, &by.field, at);
        let ahead = |habits: Habits| {
            let habits = habits.settled(whole.lists());
            forecast(&whole, &habits, &scheme, &Body::City, &by.field, bulletin::SEED)
        };
        (plan, habits.map(ahead))
    };
    let (plan, forecast) = supervisor.pool().run_long(judged).await;
    let loosened = judge.terms(at, horizon, &amended).await?.changes(at);
    Ok(Counted { now, before, plan, carried, loosened, forecast })
}

async fn tallies(
    judge: &Judge,
    scheme: &Scheme,
    looks: &[Look],
    horizon: Horizon,
) -> Result<Vec<(Look, Tally<'static>)>, NotMade> {
    let mut tallies = Vec::new();
    for look in looks {
        let span = bulletin::span(scheme, *look, horizon.known_by);
        tallies.push((*look, judge.tally_of(span, horizon).await?));
    }
    Ok(tallies)
}

/// Writes bulletins at their times.
pub(super) struct Schedule {
    pub(super) ledger: Ledger,
    pub(super) current: Arc<Current>,
    pub(super) supervisor: Supervisor,
}

impl Schedule {
    /// Looks and writes until it is cancelled: a bulletin that was cut off is written again.
    pub(super) async fn serve(self) {
        let clock = self.supervisor.clock().clone();
        let mut told = BTreeSet::new();
        loop {
            self.look(clock.now(), &mut told).await;
            sleep(&clock, LOOK_EVERY).await;
        }
    }

    /// Writes what is due; `told` are those whose failure was told already.
    async fn look(&self, now: Timestamp, told: &mut BTreeSet<String>) {
        let configuration = Arc::clone(&self.current.load().configuration);
        let settings = settings_of(&configuration);
        let Some(folder) = settings.folder.clone() else { return };
        let (ledger, supervisor) = (self.ledger.clone(), self.supervisor.clone());
        let press = Press::new(ledger, &configuration, settings, supervisor);
        for scheduled in press.due(now) {
            let name = format!("{} {}", scheduled.period.form.as_str(), scheduled.period.name());
            match press.write(&folder, scheduled).await {
                Ok(None) => {}
                Ok(Some(into)) => {
                    told.remove(&name);
                    tracing::info!(bulletin = name, folder = %into.display(), "a bulletin was written");
                }
                Err(error) => {
                    let (code, error) = (error.code(), Chain(&error));
                    if told.insert(name.clone()) {
                        tracing::warn!(bulletin = name, code, %error, "a bulletin was not written");
                    } else {
                        tracing::debug!(bulletin = name, code, %error, "a bulletin was not written");
                    }
                }
            }
        }
    }
}

impl Press {
    /// What was to be written by `now`: of each form the last.
    fn due(&self, now: Timestamp) -> Vec<Scheduled> {
        let zone = self
            .judge()
            .ok()
            .and_then(|judge| {
                let month = judge.running(now).ok()?;
                judge.scheme(month).ok().map(|scheme| scheme.period.zone.clone())
            })
            .unwrap_or(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
        self.settings.times().last(now, &zone)
    }

    /// Writes a bulletin unless it is there; gives its folder if it was written.
    async fn write(
        &self,
        folder: &std::path::Path,
        scheduled: Scheduled,
    ) -> Result<Option<PathBuf>, NotMade> {
        let period = scheduled.period;
        let (into, out) = (folder::folder_of(folder, period), folder.to_owned());
        if self.supervisor.pool().run(move || into.exists()).await {
            return Ok(None);
        }
        // As it was known at its time, whenever it is written.
        let files = self.files(&self.judge()?, period, scheduled.at).await?;
        let mode = self.settings.mode;
        let written = self.supervisor.pool().run(move || folder::write(&out, period, &files, mode));
        match written.await {
            Ok(into) => Ok(Some(into)),
            // Somebody wrote it meanwhile.
            Err(bulletin::Error::Exists(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::judge;
    use crate::bulletin::Form;
    use crate::clock::Clock;
    use crate::delivery::Evidence;
    use crate::fact::{Fact, Kind};
    use crate::indicator::lists;
    use crate::ledger::NewFact;
    use crate::ledger::seal::Sealer;
    use crate::supervisor::Pool;

    const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e1,r1,d1,不动产登记,自规局,,每日,yes,yes,yes
e2,r2,d2,商品房网签,住建局,,每周,yes,no,no
";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn press(ledger: &Ledger, clock: &Clock, settings: &str) -> Press {
        let mut indicator = judge::tests::indicator(OBLIGATIONS);
        let bodies = lists::bodies("b.csv", "body,class\n自规局,市级A\n住建局,市级A\n").unwrap();
        Arc::make_mut(&mut indicator.lists).bodies = bodies;
        Press {
            ledger: ledger.clone(),
            indicator: Some(Arc::new(indicator)),
            calendar: crate::calendar::shipped(),
            settings: toml::from_str(settings).unwrap(),
            supervisor: Supervisor::new(clock.clone(), 2),
        }
    }

    /// A ledger with a few facts of October 2026.
    async fn ledger(folder: &Path, clock: &Clock) -> Ledger {
        let key = folder.join("key");
        std::fs::write(&key, "00".repeat(32)).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let sealer = Arc::new(Sealer::from_key_file(&key).unwrap());
        let ledger = Ledger::open(&folder.join("ledger"), &sealer, clock.clone(), Pool::new(2));
        let ledger = ledger.unwrap();
        let fact = |subject: &str, occurred: &str, kind| NewFact {
            channel: Some("p".into()),
            subject: subject.to_owned(),
            kind,
            occurred: at(occurred),
            amends: None,
        };
        let facts = vec![
            fact(
                "d1",
                "2026-10-05T00:00:00Z",
                Kind::Confirmed { rows: 70, evidence: Evidence::Receipt },
            ),
            fact("d2", "2026-10-06T00:00:00Z", Kind::Placed { rows: 9 }),
            fact(
                "d1",
                "2026-10-20T00:00:00Z",
                Kind::OverdueFrom { deadline: at("2026-10-20T00:00:00Z") },
            ),
            fact(
                "c1",
                "2026-10-07T00:00:00Z",
                Kind::CaseOpened {
                    list: "feedback".to_owned(),
                    owner: "住建局".to_owned(),
                    deadline: at("2026-10-15T00:00:00Z"),
                },
            ),
        ];
        ledger.facts_brought(facts).await.unwrap();
        ledger
    }

    #[tokio::test]
    async fn the_ledger_gives_the_bulletin_that_its_facts_give() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(at("2026-10-21T00:00:00Z"));
        let ledger = ledger(folder.path(), &clock).await;
        let press = press(&ledger, &clock, "city = \"示例市\"");
        let judge = press.judge().unwrap();
        let facts = ledger.facts(0, 100).await.unwrap();
        let facts: Vec<Fact> = facts.into_iter().map(|(_, fact)| fact).collect();
        let known_by = at("2026-11-03T01:00:00Z");
        for (form, name) in
            [(Form::Weekly, "2026-W43"), (Form::Monthly, "2026-10"), (Form::Quarterly, "2026-Q4")]
        {
            let period = Period::parse(form, name).unwrap();
            let made = press.files(&judge, period, known_by).await.unwrap();
            let scheme = judge.scheme(Month::of(period.last())).unwrap();
            let ground = Ground {
                scheme,
                lists: &judge.by().lists,
                field: &judge.by().field,
                calendar: &press.calendar,
                settings: &press.settings,
            };
            let looks = bulletin::looks(scheme, period, known_by);
            let counted = bulletin::count(ground, &looks, &facts, known_by);
            let report = bulletin::report(ground, period, counted).unwrap();
            assert!(made == folder::files(&report).unwrap(), "{name} differs");
            assert!(made.len() > 3, "both departments have something to mend: {name}");
        }
        let asked = period_of(&judge, Form::Weekly, None, known_by).unwrap();
        assert_eq!(asked.name(), "2026-W44");
        let future = Period::parse(Form::Monthly, "2027-01").unwrap();
        let error = press.files(&judge, future, known_by).await.unwrap_err();
        assert_eq!(error.code(), "E-BULLETIN-PERIOD");
    }

    /// What a look at the schedule writes.
    async fn look(press: &Press, out: &Path, now: &str) -> Vec<String> {
        let mut written = Vec::new();
        for scheduled in press.due(at(now)) {
            if let Some(into) = press.write(out, scheduled).await.unwrap() {
                written.push(into.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        written
    }

    #[tokio::test]
    async fn a_bulletin_is_written_at_its_time_once_whatever_happens_between() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(at("2026-10-21T00:00:00Z"));
        let ledger = ledger(folder.path(), &clock).await;
        let settings = "folder = \"x\"\nweekly = \"monday 09:00\"\nmonthly = \"day 3 09:00\"";
        let first = press(&ledger, &clock, settings);
        let out = folder.path().join("out");
        // On Saturday the last Monday's and the last month's are missing.
        let written = look(&first, &out, "2026-10-24T00:00:00Z").await;
        assert_eq!(written, ["weekly-2026-W42", "monthly-2026-09"]);
        assert!(look(&first, &out, "2026-10-26T00:59:59Z").await.is_empty(), "08:59:59");
        // Another daemon on the same folder.
        let second = press(&ledger, &clock, settings);
        assert_eq!(look(&second, &out, "2026-10-26T01:00:00Z").await, ["weekly-2026-W43"]);
        assert!(look(&first, &out, "2026-10-26T01:00:30Z").await.is_empty());
        // One that was down over several Mondays writes the last one, as it was known at its time.
        let written = look(&second, &out, "2026-11-12T00:00:00Z").await;
        assert_eq!(written, ["weekly-2026-W45", "monthly-2026-10"]);
        assert!(
            look(&press(&ledger, &clock, settings), &out, "2026-11-12T00:00:00Z").await.is_empty()
        );
    }
}
