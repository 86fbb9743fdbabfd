//! The city's catalogue: whether it can be read, what in it cannot, and what it calls the tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::code::Code;
use super::database;
use super::finding::Found;
use crate::app::pool::CityPool;
use crate::catalogue::Content;
use crate::city::{self, Catalogue, Source, SourceSettings};
use crate::clock::Clock;
use crate::config::Configuration;
use crate::supervisor::Supervisor;
use crate::telemetry::logs::Chain;

/// Longest reading of the catalogue.
const READING: Duration = Duration::from_mins(1);
const PLACE: [&str; 2] = ["catalogue", "目录"];
/// Where problems of a part that is a table are: it is read as a dataset is.
const PART: &str = "dataset.catalogue.part.";

/// Reads the catalogue once: what there is to say of it, and the table of each dataset as it names
/// it.
pub(super) async fn examine(
    configuration: &Configuration,
    clock: &Clock,
) -> (Vec<Found>, BTreeMap<String, String>) {
    let Some(settings) = &configuration.catalogue else { return (Vec::new(), BTreeMap::new()) };
    let pool = CityPool::shared(Supervisor::new(clock.clone(), 2));
    let opened: Vec<(SourceSettings, Source)> = configuration
        .sources
        .iter()
        .map(|it| (it.clone(), Source::open(it.clone(), Arc::clone(&pool))))
        .collect();
    let reading = Box::pin(city::read_catalogue(settings, &opened, &*pool));
    let read = match tokio::time::timeout(READING, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => {
            let why = Chain(&error).to_string();
            let found = Found::of(database::classed(&error).0, PLACE, [&why, &why]);
            return (vec![found], BTreeMap::new());
        }
        Err(_elapsed) => {
            let late = format!("{} s", READING.as_secs());
            return (vec![Found::of(Code::DatabaseSilent, PLACE, [&late, &late])], BTreeMap::new());
        }
    };
    let found = judge(&read);
    (vec![found], read.objects.into_iter().filter_map(table).collect())
}

/// What there is to say of a catalogue that was read.
fn judge(read: &Catalogue) -> Found {
    let (objects, problems) = (read.objects.len(), read.problems.len());
    let [place, place_zh] = PLACE;
    // A part that its source does not have is the cause of whatever else is lacking.
    if let Some(part) = read.problems.iter().find(|it| it.place.starts_with(PART)) {
        let seen = part.to_string();
        return Found::of(database::problem(part), PLACE, [&seen, &seen]);
    }
    match read.problems.first() {
        _ if objects == 0 => Found::of(Code::CatalogueEmpty, PLACE, ["", ""]),
        Some(first) => {
            let en = format!("{problems}, the first: {first}");
            let zh = format!("{problems} 处，首处：{first}");
            Found::of(Code::CatalogueCells, PLACE, [&en, &zh])
        }
        None => Found::good([
            format!("{place}: {objects} objects"),
            format!("{place_zh}：{objects} 个对象"),
        ]),
    }
}

fn table(object: crate::catalogue::Object) -> Option<(String, String)> {
    match object.content {
        Content::Resource(it) => Some((it.dataset?, it.table)),
        Content::Organisation(_)
        | Content::Category(_)
        | Content::System(_)
        | Content::Entry(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_catalogue_is_worse_than_one_with_a_bad_cell() {
        let mut read = Catalogue::default();
        let problem =
            city::Problem { place: "organ!3".to_owned(), message: "no such kind".to_owned() };
        read.problems.push(problem);
        assert_eq!(judge(&read).code, Some("D-CATALOGUE-EMPTY"));
        read.objects.push(crate::catalogue::Object {
            region: String::new(),
            department: String::new(),
            content: Content::Organisation(crate::catalogue::Organisation::default()),
            supplied: BTreeMap::new(),
        });
        let found = judge(&read);
        assert_eq!(found.code, Some("D-CATALOGUE-CELLS"));
        assert!(found.ok && found.what.contains("1, the first: organ!3"), "{found:?}");
        let part = |end: &str, message: &str| city::Problem {
            place: format!("{PART}5{end}"),
            message: message.to_owned(),
        };
        read.problems.push(part("", "embedded database: no such table: resource"));
        assert_eq!(judge(&read).code, Some("D-DB-TABLE"));
        read.problems = vec![part(".columns.code", "the source has no such column")];
        assert_eq!(judge(&read).code, Some("D-DB-COLUMN"));
        read.problems.clear();
        assert_eq!(judge(&read).code, None);
    }
}
