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
use crate::config::{Configuration, Indicator};
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
    pub(super) ledger: Ledger,
    pub(super) configuration: Arc<Configuration>,
    pub(super) settings: Settings,
    pub(super) supervisor: Supervisor,
}

impl Press {
    /// The judge, where it is said how months are judged.
    pub(super) fn judge(&self) -> Result<Judge, NotMade> {
        let indicator = self.configuration.indicator.as_ref().ok_or(NotMade::NoIndicator)?;
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
        let counted = count(judge, &scheme, &looks, known_by).await?;
        let (settings, configuration) = (self.settings.clone(), Arc::clone(&self.configuration));
        let indicator: Arc<Indicator> = Arc::clone(judge.by());
        let made = self.supervisor.pool().run(move || {
            let ground = Ground {
                scheme: &scheme,
                lists: &indicator.lists,
                field: &indicator.field,
                calendar: &configuration.calendar,
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
    let plan = recover_of(&whole, scheme, &Body::City, &judge.by().field, at);
    Ok(Counted { now, before, plan, carried })
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
        let press = Press {
            ledger: self.ledger.clone(),
            configuration,
            settings,
            supervisor: self.supervisor.clone(),
        };
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
