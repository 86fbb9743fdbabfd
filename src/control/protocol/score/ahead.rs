//! What a month will come to, what is doubted, and computed against published, as people and scripts
//! read them: the same whether the daemon answers or tables were judged.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Both, Points};
use crate::indicator::calibrate::{Calibrated, Calibration, Compared, Verdict};
use crate::indicator::doubts::Doubted;
use crate::indicator::forecast::{Forecast, ItemForecast, PROMISED_PERCENT, Range};
use crate::indicator::scheme::Scheme;

/// The most doubts of one answer; how many more there are is said.
pub const MOST_DOUBTS: usize = 1_000;

/// Between which points something will lie.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RangeLine {
    /// A tenth of the futures lie below.
    pub low: Points,
    /// The middle one.
    pub expected: Points,
    /// A tenth lie above.
    pub high: Points,
}

/// What a month will come to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastSheet {
    /// By which scheme.
    pub scheme: String,
    /// What it is called.
    pub scheme_title: Both,
    /// Which month.
    pub month: String,
    /// Whose.
    pub body: String,
    /// As of when.
    pub at: Timestamp,
    /// The instant that cuts the month off.
    pub cut_off: Timestamp,
    /// The total as of then.
    pub today: Points,
    /// The total at the cut-off.
    pub forecast: RangeLine,
    /// How many of a hundred months are promised to end within the interval.
    pub promised_percent: u32,
    /// What is lost and does not come back: below 0 or 0.
    pub already_lost: Points,
    /// What acts that are known bring together if they are begun in time.
    pub avoidable: Points,
    /// The points of items that hang on the other cities.
    pub depends_on_others: Points,
    /// Whole days of history that habits were learned from.
    pub history_days: u32,
    /// How many futures were written.
    pub futures: u64,
    /// The items that mark this body.
    pub items: Vec<ItemAhead>,
}

/// An item's forecast.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ItemAhead {
    /// Which.
    pub id: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Both::is_empty")]
    pub title: Both,
    /// Its points as of now.
    pub today: Option<Points>,
    /// Its points at the cut-off; absent where no future could compute them.
    pub forecast: Option<RangeLine>,
    /// What it has lost that nothing brings back.
    pub already_lost: Points,
    /// What can still be brought back or kept by acts that are known.
    pub avoidable: Points,
    /// The last moment to begin the first of those acts.
    pub begin_by: Option<Timestamp>,
    /// Its points hang on the other cities' figures.
    pub depends_on_others: bool,
}

/// Something that looks better than it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DoubtLine {
    /// Which doubt.
    pub doubt: String,
    /// Who answers for it.
    pub owner: String,
    /// The entry, dataset, title or case.
    pub subject: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// Counts or names that show it.
    pub shown_by: String,
    /// A fact that shows it; empty where it is lists that do.
    pub evidence: String,
    /// The approved exemption that answers it, with its reason: then it takes nothing away.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answered_by: String,
}

/// What looks better than it is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DoubtSheet {
    /// What was found, at most [`MOST_DOUBTS`].
    pub doubts: Vec<DoubtLine>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub more: u64,
}

/// One month of one item.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ComparedLine {
    /// Which month.
    pub month: String,
    /// What we compute; absent where it cannot be.
    pub computed: Option<Points>,
    /// What the province published.
    pub published: Points,
    /// Published less computed.
    pub residual: Option<Points>,
    /// Who published it and where.
    pub source: String,
}

/// An item against what was published of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibratedLine {
    /// `total`, a class or an item.
    pub item: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Both::is_empty")]
    pub title: Both,
    /// What the residuals tell: `too-few`, `agrees`, `stable`, `scaled`, `moves`.
    pub residual: String,
    /// By how much, where it is one number.
    pub by: Option<Points>,
    /// Month by month.
    pub months: Vec<ComparedLine>,
}

/// A published result that nothing could be compared with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnplacedLine {
    /// Of which month.
    pub month: String,
    /// Of what.
    pub item: String,
}

/// Computed against published.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationSheet {
    /// The total first, then classes and items.
    pub items: Vec<CalibratedLine>,
    /// Items that mark this body and of which nothing was published.
    pub unpublished: Vec<String>,
    /// Results of no item of the scheme, or of a month that it does not hold in or that is not
    /// closed.
    pub unplaced: Vec<UnplacedLine>,
}

impl From<&Range> for RangeLine {
    fn from(it: &Range) -> Self {
        Self { low: Points(it.low), expected: Points(it.expected), high: Points(it.high) }
    }
}

fn title_of(scheme: &Scheme, id: &str) -> Both {
    let classes = scheme.classes.iter().map(|it| (&it.id, &it.title));
    let items = scheme.items.iter().map(|it| (&it.id, &it.title));
    let mut all = classes.chain(items);
    all.find(|(known, _)| *known == id).map_or_else(Both::default, |(_, it)| Both::from(it))
}

impl ForecastSheet {
    /// A forecast as it is shown.
    pub fn of(scheme: &Scheme, forecast: &Forecast) -> Self {
        let item = |it: &ItemForecast| ItemAhead {
            id: it.id.clone(),
            title: title_of(scheme, &it.id),
            today: it.today.map(Points),
            forecast: it.range.as_ref().map(RangeLine::from),
            already_lost: Points(it.lost),
            avoidable: Points(it.avoidable),
            begin_by: it.begin_by,
            depends_on_others: it.depends_on_others,
        };
        Self {
            scheme: forecast.scheme.clone(),
            scheme_title: Both::from(&scheme.title),
            month: forecast.month.to_string(),
            body: forecast.body.id().to_owned(),
            at: forecast.at,
            cut_off: forecast.cut_off,
            today: Points(forecast.today),
            forecast: RangeLine::from(&forecast.range),
            promised_percent: PROMISED_PERCENT,
            already_lost: Points(forecast.lost),
            avoidable: Points(forecast.avoidable),
            depends_on_others: Points(forecast.on_others),
            history_days: forecast.days,
            futures: u64::try_from(forecast.futures).unwrap_or(u64::MAX),
            items: forecast.items.iter().map(item).collect(),
        }
    }
}

impl DoubtSheet {
    /// Doubts as they are shown.
    pub fn of(found: &[Doubted]) -> Self {
        let line = |it: &Doubted| DoubtLine {
            doubt: it.doubt.as_str().to_owned(),
            owner: it.owner.clone(),
            subject: it.subject.clone(),
            since: it.since,
            shown_by: it.shown_by.clone(),
            evidence: it.evidence.clone(),
            answered_by: it.answered_by.clone(),
        };
        let more = found.len().saturating_sub(MOST_DOUBTS);
        Self {
            doubts: found.iter().take(MOST_DOUBTS).map(line).collect(),
            more: u64::try_from(more).unwrap_or(u64::MAX),
        }
    }
}

impl CalibrationSheet {
    /// A calibration as it is shown.
    pub fn of(scheme: &Scheme, of: &Calibration) -> Self {
        let month = |it: &Compared| ComparedLine {
            month: it.month.to_string(),
            computed: it.computed.map(Points),
            published: Points(it.published),
            residual: it.residual.map(Points),
            source: it.source.clone(),
        };
        let item = |it: &Calibrated| CalibratedLine {
            item: it.item.clone(),
            title: title_of(scheme, &it.item),
            residual: it.verdict.as_str().to_owned(),
            by: match it.verdict {
                Verdict::Stable(by) | Verdict::Scaled(by) => Some(Points(by)),
                Verdict::TooFew | Verdict::Agrees | Verdict::Moves => None,
            },
            months: it.months.iter().map(month).collect(),
        };
        let unplaced = |(month, item): &(crate::indicator::scheme::Month, String)| UnplacedLine {
            month: month.to_string(),
            item: item.clone(),
        };
        Self {
            items: of.items.iter().map(item).collect(),
            unpublished: of.unpublished.clone(),
            unplaced: of.unplaced.iter().map(unplaced).collect(),
        }
    }
}
