//! The calendar and the code tables: whether they cover today.

use jiff::civil::Date;

use super::code::Code;
use super::finding::Found;
use crate::calendar::Calendar;
use crate::checks::CodeTable;
use crate::config::Configuration;

/// From this month on next year's notice is about to come.
const AUTUMN: i8 = 11;
/// Codes that are named in one finding.
const NAMED: usize = 5;

/// What was seen of the calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Years {
    is_configured: bool,
    /// The last official one.
    last: Option<i16>,
}

/// What was seen of a code table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Table {
    codes: usize,
    in_force: usize,
    /// The same code for the same days more than once.
    twice: Vec<String>,
}

/// Looks at both. Blocking work: code tables are read again.
pub(super) fn examine(configuration: &Configuration, today: Date) -> Vec<Found> {
    let mut found = calendar(years(&configuration.calendar, &configuration.calendar_file), today);
    for (id, path) in &configuration.code_table_files {
        // One that cannot be read is a problem of the configuration.
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let Ok(read) = CodeTable::parse(&text) else { continue };
        let place = format!("code_table.{id} {}", path.display());
        found.push(table(&place, &look(&read, today)));
    }
    found
}

fn years(calendar: &Calendar, file: &Option<std::path::PathBuf>) -> Years {
    Years { is_configured: file.is_some(), last: calendar.last_year() }
}

fn look(table: &CodeTable, today: Date) -> Table {
    let mut twice: Vec<&str> = table.twice().collect();
    twice.sort_unstable();
    Table {
        codes: table.len(),
        in_force: table.in_force(today),
        twice: twice.into_iter().take(NAMED).map(str::to_owned).collect(),
    }
}

fn calendar(seen: Years, today: Date) -> Vec<Found> {
    let place = ["calendar", "工作日历"];
    let last = seen.last.map_or_else(String::new, |year| year.to_string());
    let last = [last.as_str(), last.as_str()];
    let found = match seen {
        Years { is_configured: false, .. } => Found::of(Code::CalendarNone, place, ["", ""]),
        // A problem of the configuration, told as one.
        Years { last: None, .. } => return Vec::new(),
        Years { last: Some(year), .. } if year < today.year() => {
            Found::of(Code::CalendarEnded, place, last)
        }
        Years { last: Some(year), .. } if year == today.year() && today.month() >= AUTUMN => {
            Found::of(Code::CalendarEnds, place, last)
        }
        Years { last: Some(year), .. } => {
            Found::good([format!("calendar until {year}"), format!("工作日历至 {year} 年")])
        }
    };
    vec![found]
}

fn table(place: &str, seen: &Table) -> Found {
    let Table { codes, in_force, twice } = seen;
    match () {
        () if *codes == 0 => Found::at(Code::CodesEmpty, place, ""),
        () if *in_force == 0 => Found::at(Code::CodesEnded, place, ""),
        () if !twice.is_empty() => Found::at(Code::CodesTwice, place, &twice.join(", ")),
        () => Found::good([
            format!("{place}: {in_force} of {codes} codes in force"),
            format!("{place}：{codes} 个代码中现行 {in_force} 个"),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_says_when_it_ends_and_that_it_ended() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let code = |is_configured, last, today: &str| {
            calendar(Years { is_configured, last }, day(today)).first().and_then(|it| it.code)
        };
        assert_eq!(code(false, None, "2026-05-01"), Some("D-CALENDAR-NONE"));
        assert_eq!(code(true, Some(2025), "2026-01-01"), Some("D-CALENDAR-ENDED"));
        assert_eq!(code(true, Some(2026), "2026-10-31"), None);
        assert_eq!(code(true, Some(2026), "2026-11-01"), Some("D-CALENDAR-ENDS"));
        assert_eq!(code(true, Some(2027), "2026-12-31"), None);
    }

    #[test]
    fn a_code_table_that_would_reject_every_row_is_told() {
        let read = |text: &str| {
            let table = CodeTable::parse(text).unwrap();
            super::table("code_table.region", &look(&table, "2026-11-23".parse().unwrap())).code
        };
        assert_eq!(read("code,title\n"), Some("D-CODES-EMPTY"));
        assert_eq!(read("code,until\n1,2020-01-01\n2,2021-01-01\n"), Some("D-CODES-ENDED"));
        assert_eq!(read("code,title\n1,a\n2,b\n1,c\n"), Some("D-CODES-TWICE"));
        let renamed = "code,from,until\n1,2020-01-01,2021-12-31\n1,2022-01-01,\n";
        assert_eq!(read(renamed), None);
    }
}
