//! Measures of single days, from the ledger as it is at that moment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::score::{Of, body_of, not_judged, shown};
use super::{Office, failure, told};
use crate::control::protocol::{By, DayLine, DaySheet, DaysQuery, Failure, ScoreQuery};
use crate::indicator::lists::Lists;
use crate::indicator::tally::{Body, Span, Tally};

/// The most regions, departments or datasets of one answer.
const MOST_BODIES: usize = 500;

impl Office {
    /// The measures of each day of a month, or of one day of each body.
    pub(super) async fn days(&self, query: &DaysQuery) -> Result<DaySheet, Failure> {
        let day = query.day.as_deref().map(day_of).transpose()?;
        let month = match day {
            Some(day) => Some(self.judge()?.month_of(day).map_err(not_judged)?.to_string()),
            None => query.month.clone(),
        };
        let asked = ScoreQuery { month, known_by: query.known_by, ..ScoreQuery::default() };
        let Of { judge, scheme, month, now, is_now, .. } = self.of(&asked)?;
        let mut spans = judge.days(&scheme, month, now);
        if let Some(day) = day {
            spans.retain(|span| span.day == day);
            if spans.is_empty() {
                let next = Some("write a day that has begun: 2026-11-05");
                return Err(failure("E-SCORE-DAY", format!("{day} has not begun"), next));
            }
        }
        let body = query.body.as_deref().unwrap_or("city");
        let of = body_of(body).ok_or_else(|| {
            let next = "write city, region:ID, department:ID or dataset:ID";
            failure("E-SCORE-BODY", format!("`{body}` is nobody who is judged"), Some(next))
        })?;
        let each = query.by.filter(|by| day.is_some() && sort_of(*by).is_some());
        let (mut lines, mut more) = (Vec::new(), 0);
        let zone = &scheme.period.zone;
        let is_running = |span: &Span| crate::calendar::end_of_day(span.day, zone) > span.to;
        let take = |tally: &Tally<'_>| {
            let span = tally.span();
            match each {
                None => lines.push(line(tally, &of, String::new(), is_running(&span))),
                Some(by) => {
                    let bodies = bodies(tally.lists(), by);
                    more += bodies.len().saturating_sub(MOST_BODIES);
                    for (_, (body, title)) in bodies.into_iter().take(MOST_BODIES) {
                        lines.push(line(tally, &body, title, is_running(&span)));
                    }
                }
            }
        };
        judge.each_day(&spans, now, take).await.map_err(told)?;
        Ok(DaySheet {
            month: month.to_string(),
            body: each.and_then(sort_of).map_or_else(|| body.to_owned(), str::to_owned),
            known_by: (!is_now).then_some(now),
            lines,
            more: u64::try_from(more).unwrap_or(u64::MAX),
        })
    }
}

fn day_of(text: &str) -> Result<Date, Failure> {
    text.parse().map_err(|_no_date| {
        failure("E-SCORE-DAY", format!("`{text}` is no day"), Some("write 2026-11-05"))
    })
}

/// The word for all bodies of a sort, where a day can be broken down by it.
fn sort_of(by: By) -> Option<&'static str> {
    match by {
        By::Region => Some("region"),
        By::Department => Some("department"),
        By::Dataset => Some("dataset"),
        By::Item | By::Class | By::Day => None,
    }
}

/// Every body of a sort that the lists name, in the order of their names.
fn bodies(lists: &Lists, by: By) -> BTreeMap<String, (Body, String)> {
    let mut known = BTreeMap::new();
    let mut add = |id: &str, title: &str| {
        let body = match by {
            By::Region => Body::Region(id.to_owned()),
            By::Department => Body::Department(id.to_owned()),
            By::Dataset | By::Item | By::Class | By::Day => Body::Dataset(id.to_owned()),
        };
        if !id.is_empty() {
            known.entry(id.to_owned()).or_insert((body, title.to_owned()));
        }
    };
    for it in &lists.obligations {
        match by {
            By::Region => add(&it.region, ""),
            By::Department => add(&it.department, ""),
            By::Dataset | By::Item | By::Class | By::Day => add(&it.dataset, &it.title),
        }
    }
    for it in &lists.tasks {
        match by {
            By::Region => add(&it.region, ""),
            By::Department => add(&it.department, ""),
            By::Dataset | By::Item | By::Class | By::Day => {}
        }
    }
    known
}

fn line(tally: &Tally<'_>, body: &Body, title: String, is_running: bool) -> DayLine {
    let span = tally.span();
    let figures = tally.figures(body);
    let known = || figures.iter().filter(|(name, _)| !name.starts_with("value."));
    let until: Timestamp = span.to;
    DayLine {
        day: span.day.to_string(),
        until,
        is_running,
        id: body.id().to_owned(),
        title,
        measures: known()
            .filter_map(|(name, figure)| Some((name.clone(), shown(figure.value?))))
            .collect(),
        parts: known()
            .filter_map(|(name, figure)| Some((name.clone(), figure.parts?)))
            .filter(|(_, (_, all))| *all > 0)
            .map(|(name, (of, all))| (name, [of, all]))
            .collect(),
    }
}
