//! `score …` of what the running daemon knows.

use std::path::Path;

use super::client::ask;
use super::judge::{MAX_BYTES, of_table, text, wrong};
use super::score::{Score, ScoreGiven, ScoreWhich};
use super::{Console, Exit, Trouble, show_score};
use crate::control::protocol::{
    Bring, Brought, BroughtKind, By, DaysQuery, Request, Response, ScoreAnswer, ScoreQuery,
    ScoreRequest,
};
use crate::indicator::brought;
use crate::indicator::tally::Body;

/// The most bytes of a table's part in one request: a line of JSON holds it with room to spare.
const PART_BYTES: usize = 96 << 10;

/// Asks the daemon and shows what it answers.
pub(super) fn score(
    command: &Score,
    socket: &Path,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    if let Score::Import { kind, file, format } = command {
        let brought = bring(*kind, file, socket, console)?;
        if format.json {
            return console.json(&brought);
        }
        let text = show_score::answer(&console.view, &ScoreAnswer::Brought(brought));
        console.data(&text);
        return Ok(());
    }
    let Some((request, by, is_closer, json)) = request(command) else { return Ok(()) };
    let response = ask(socket, console.view.language, Request::Score(request))?;
    let Response::Score(answer) = response else { return Ok(()) };
    if json {
        match &answer {
            ScoreAnswer::Sheet(it) => console.json(it)?,
            ScoreAnswer::Rank(it) => console.json(it)?,
            ScoreAnswer::Plan(it) => console.json(it)?,
            ScoreAnswer::Forecast(it) => console.json(it)?,
            ScoreAnswer::Doubts(it) => console.json(it)?,
            ScoreAnswer::Calibration(it) => console.json(it)?,
            ScoreAnswer::Verified(it) => console.json(it)?,
            ScoreAnswer::Brought(it) => console.json(it)?,
            // Asked for by another command.
            ScoreAnswer::Evidence(it) => console.json(it)?,
            ScoreAnswer::Days(it) => console.json(it)?,
        }
    } else {
        let text = match &answer {
            ScoreAnswer::Sheet(it) => show_score::sheet(&console.view, it, by, is_closer),
            ScoreAnswer::Rank(_)
            | ScoreAnswer::Plan(_)
            | ScoreAnswer::Forecast(_)
            | ScoreAnswer::Doubts(_)
            | ScoreAnswer::Calibration(_)
            | ScoreAnswer::Verified(_)
            | ScoreAnswer::Brought(_)
            | ScoreAnswer::Days(_)
            | ScoreAnswer::Evidence(_) => show_score::answer(&console.view, &answer),
        };
        console.data(&text);
    }
    match answer {
        ScoreAnswer::Verified(it) if !it.problems.is_empty() => {
            Err(Trouble { exit: Exit::Failure, failures: Vec::new() })
        }
        ScoreAnswer::Verified(_)
        | ScoreAnswer::Sheet(_)
        | ScoreAnswer::Rank(_)
        | ScoreAnswer::Plan(_)
        | ScoreAnswer::Forecast(_)
        | ScoreAnswer::Doubts(_)
        | ScoreAnswer::Calibration(_)
        | ScoreAnswer::Brought(_)
        | ScoreAnswer::Days(_)
        | ScoreAnswer::Evidence(_) => Ok(()),
    }
}

/// The request, how its answer is broken down, whether it looks closer, whether it is JSON.
fn request(command: &Score) -> Option<(ScoreRequest, By, bool, bool)> {
    Some(match command {
        Score::Show { which, by, day, format } if day.is_some() || *by == By::Day => {
            let of_one = day.is_some() && !matches!(by, By::Day | By::Item | By::Class);
            let ScoreQuery { month, body, known_by, .. } = query(which);
            let day = day.map(|day| day.to_string());
            let by = of_one.then_some(*by);
            let query = DaysQuery { month, day, body, by, known_by };
            (ScoreRequest::Days(query), By::Day, false, format.json)
        }
        Score::Show { which, by, format, .. } => {
            let query = ScoreQuery { by: Some(*by), ..query(which) };
            (ScoreRequest::Show(query), *by, false, format.json)
        }
        Score::Explain { item, which, format } => {
            let query = ScoreQuery { item: Some(item.clone()), ..query(which) };
            (ScoreRequest::Show(query), By::Item, true, format.json)
        }
        Score::Verify(format) => (ScoreRequest::Verify {}, By::Item, false, format.json),
        Score::Replay { given, item, format } => {
            let query = ScoreQuery { item: item.clone(), ..of_given(given) };
            (ScoreRequest::Show(query), By::Item, item.is_some(), format.json)
        }
        Score::Rank { given, format } => {
            (ScoreRequest::Rank(of_given(given)), By::Item, false, format.json)
        }
        Score::Recover { given, at, format } => {
            let query = ScoreQuery { known_by: *at, ..of_given(given) };
            (ScoreRequest::Recover(query), By::Item, false, format.json)
        }
        Score::Forecast { given, at, seed, format } => {
            let query = ScoreQuery { known_by: *at, seed: Some(*seed), ..of_given(given) };
            (ScoreRequest::Forecast(query), By::Item, false, format.json)
        }
        Score::Doubts { given, format } => {
            (ScoreRequest::Doubts(of_given(given)), By::Item, false, format.json)
        }
        Score::Calibrate { given, format, .. } => {
            (ScoreRequest::Calibrate(of_given(given)), By::Item, false, format.json)
        }
        Score::Example(_)
        | Score::Check { .. }
        | Score::Import { .. }
        | Score::Evidence(_)
        | Score::EvidenceCheck { .. } => return None,
    })
}

fn query(which: &ScoreWhich) -> ScoreQuery {
    ScoreQuery {
        month: which.month.map(|month| month.to_string()),
        body: Some(of_body(&which.body)),
        known_by: which.as_of,
        ..ScoreQuery::default()
    }
}

fn of_given(given: &ScoreGiven) -> ScoreQuery {
    ScoreQuery {
        month: given.month.map(|month| month.to_string()),
        body: Some(of_body(&given.body)),
        scheme: given.scheme.as_ref().map(|it| it.display().to_string()),
        ..ScoreQuery::default()
    }
}

fn of_body(body: &Body) -> String {
    match body {
        Body::City => "city".to_owned(),
        Body::Region(id) => format!("region:{id}"),
        Body::Department(id) => format!("department:{id}"),
        Body::Dataset(id) => format!("dataset:{id}"),
    }
}

/// Proves a whole table here, then hands it over in parts.
fn bring(
    kind: BroughtKind,
    path: &Path,
    socket: &Path,
    console: &mut Console<'_>,
) -> Result<Brought, Trouble> {
    let table = text(path, MAX_BYTES).map_err(wrong)?;
    let file = path.display().to_string();
    let read = match kind {
        BroughtKind::Cases => brought::cases(&file, &table),
        BroughtKind::Values => brought::values(&file, &table),
        BroughtKind::Notices => brought::notices(&file, &table),
        BroughtKind::Results => brought::results(&file, &table),
    };
    read.map_err(|problems| wrong(problems.iter().map(of_table).collect()))?;
    let mut sum = Brought::default();
    for text in parts(&table) {
        let request = Bring { kind, file: file.clone(), text };
        let request = Request::Score(ScoreRequest::Bring(request));
        let response = ask(socket, console.view.language, request)?;
        if let Response::Score(ScoreAnswer::Brought(it)) = response {
            sum.facts += it.facts;
            sum.new += it.new;
        }
    }
    Ok(sum)
}

/// A table in parts of bounded size, each with the head. A quoted cell may hold line feeds, so a
/// part ends only where the quotes are balanced.
fn parts(table: &str) -> Vec<String> {
    let table = table.strip_prefix('\u{feff}').unwrap_or(table);
    let mut records: Vec<String> = Vec::new();
    let mut record = String::new();
    for line in table.split_inclusive('\n') {
        if record.is_empty() && line.starts_with('#') {
            continue;
        }
        record.push_str(line);
        if record.matches('"').count().is_multiple_of(2) {
            records.push(std::mem::take(&mut record));
        }
    }
    if !record.is_empty() {
        records.push(record);
    }
    let mut records = records.into_iter().map(|it| if it.ends_with('\n') { it } else { it + "\n" });
    let Some(head) = records.next() else { return Vec::new() };
    let mut parts = Vec::new();
    let mut part = head.clone();
    for record in records {
        if part.len() + record.len() > PART_BYTES && part.len() > head.len() {
            parts.push(std::mem::replace(&mut part, head.clone()));
        }
        part.push_str(&record);
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_goes_in_parts_that_are_tables() {
        let head = "name,month,body,value,source,date\n";
        let row = |at| format!("v{at},2026-02,city,1,\"通报,\n第{at}号\",2026-03-08\n");
        let table: String = "# 说明\n".to_owned() + head + &(0..6000).map(row).collect::<String>();
        let parts = parts(&table);
        assert!(parts.len() > 2);
        let mut rows = 0;
        for part in &parts {
            assert!(part.len() <= PART_BYTES && part.starts_with(head));
            rows += brought::values("v.csv", part).unwrap().len();
        }
        assert_eq!(rows, 6000);
    }
}
