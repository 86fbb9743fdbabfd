//! The city's catalogue as objects, from the sheets and tables in which people keep it.
//!
//! A catalogue has parts: sheets (CSV, XLSX) and tables or queries of a source. A part maps words
//! (`entry.title`, `item.data_type`) to its columns; a row says something about every object whose
//! words it has. What several rows or parts say about one object is put together; where they
//! disagree the first is kept and the other reported. A row with an item and no entry belongs to
//! the entry above it.
//!
//! The words are those of [`crate::catalogue::words`], and `entry.department`,
//! `entry.department.title`, `entry.system`, `system.department`, `resource.entry`, `item.entry`,
//! `KIND.region`. What is missing is left empty: whether it is required is for the standard to say.

mod assemble;
mod code;
mod sheet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::county;
use super::dataset::Dataset;
use super::error::Error;
use super::feed;
use super::settings::{
    self, ChangeSettings, ColumnKind, ColumnSettings, DatasetSettings, From, Problem,
    SourceSettings, TextEncoding,
};
use super::source::{Pool, Scan, Source};
use crate::catalogue::Object;
use crate::row::Page;

/// `[catalogue]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueSettings {
    /// The division of everything that says no other (行政区划代码).
    pub region: String,
    /// How often it is read. Default 10 m.
    #[serde(default = "poll", deserialize_with = "settings::duration")]
    pub poll: Duration,
    /// Where it is kept.
    #[serde(rename = "part")]
    pub parts: Vec<PartSettings>,
}

/// `[[catalogue.part]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PartSettings {
    /// A sheet.
    Sheet(SheetSettings),
    /// A table or query.
    Sql(TableSettings),
    /// What a county registered with this instance, by the id of its source; comes with
    /// `[[intake.county]]`.
    #[serde(skip)]
    County(String),
}

/// `kind = "sheet"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetSettings {
    /// `.csv`; anything else is read as XLSX.
    pub file: PathBuf,
    /// The sheet's name. Default the first.
    #[serde(default)]
    pub sheet: Option<String>,
    /// Rows above the first entry. Default 1.
    #[serde(default = "one")]
    pub head_rows: usize,
    /// Of a CSV file.
    #[serde(default)]
    pub encoding: TextEncoding,
    /// The division of this part's objects.
    #[serde(default)]
    pub region: Option<String>,
    /// Word → column: its head, several head rows joined with `/`.
    pub columns: BTreeMap<String, String>,
}

/// `kind = "sql"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSettings {
    /// Id of a source that is a database.
    pub source: String,
    /// `table` or `schema.table`.
    #[serde(default)]
    pub table: Option<String>,
    /// Instead of `table`.
    #[serde(default)]
    pub query: Option<String>,
    /// The division of this part's objects.
    #[serde(default)]
    pub region: Option<String>,
    /// Word → column.
    pub columns: BTreeMap<String, String>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Parents before children.
    pub objects: Vec<Object>,
    /// What is wrong, with its cell. Objects keep what was readable.
    pub problems: Vec<Problem>,
}

/// What one row says: word → text and the place of it.
pub(super) struct Cells {
    pub(super) place: String,
    pub(super) of: BTreeMap<String, (String, String)>,
}

impl CatalogueSettings {
    /// Makes relative paths relative to `base`, the configuration's folder.
    pub fn resolve(&mut self, base: &Path) {
        for part in &mut self.parts {
            match part {
                PartSettings::Sheet(sheet) => sheet.file = base.join(&sheet.file),
                PartSettings::Sql(_) | PartSettings::County(_) => {}
            }
        }
    }

    /// Mistakes that show without reading anything.
    pub fn check(&self, sources: &[SourceSettings]) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.parts.is_empty() {
            problems.push(Problem::new("catalogue.part", "a catalogue needs at least one part"));
        }
        for (index, part) in self.parts.iter().enumerate() {
            let place = place(index);
            let columns = match part {
                PartSettings::County(_) => continue,
                PartSettings::Sheet(sheet) => &sheet.columns,
                PartSettings::Sql(table) => {
                    if let Err(found) = Dataset::compile(&table.dataset(&place), sources) {
                        problems.extend(found);
                    }
                    &table.columns
                }
            };
            for word in columns.keys().filter(|word| !assemble::is_word(word)) {
                let message = format!("no such word `{word}`");
                problems.push(Problem::new(format!("{place}.columns"), message));
            }
        }
        problems
    }
}

/// Reads all parts. An error means that a source could not be asked; what is wrong with what was
/// read is in the result. `sources` are the opened ones with their settings; files are read on
/// `pool`.
///
/// Cancel-safe: a dropped call has read nothing and changed nothing.
pub async fn read_catalogue(
    settings: &CatalogueSettings,
    sources: &[(SourceSettings, Source)],
    pool: &dyn Pool,
) -> Result<Catalogue, Error> {
    let mut problems = Vec::new();
    let mut parts = Vec::new();
    for (index, part) in settings.parts.iter().enumerate() {
        let place = place(index);
        let (rows, region) = match part {
            PartSettings::Sheet(it) => {
                let sheet = it.clone();
                let work = move || Ok(sheet::read(&sheet, &place));
                let (rows, found) = feed::ask(pool, "sheet", SHEET_TIMEOUT, work).await?;
                problems.extend(found);
                (rows, &it.region)
            }
            PartSettings::Sql(it) => (table(it, &place, sources, &mut problems).await?, &it.region),
            PartSettings::County(id) => {
                for (settings, _) in sources {
                    let SourceSettings::County(it) = settings else { continue };
                    if it.id == *id {
                        let mut rows = county::objects(it, pool).await?;
                        county::share_categories(&parts, &mut rows);
                        parts.push((it.region.clone(), rows));
                    }
                }
                continue;
            }
        };
        parts.push((region.clone().unwrap_or_else(|| settings.region.clone()), rows));
    }
    let objects = assemble::objects(parts, &mut problems);
    Ok(Catalogue { objects, problems })
}

/// Longest wait for one sheet.
const SHEET_TIMEOUT: Duration = Duration::from_mins(1);

fn place(index: usize) -> String {
    format!("catalogue.part.{}", index + 1)
}

impl TableSettings {
    /// A table of the catalogue is read like any other dataset.
    fn dataset(&self, place: &str) -> DatasetSettings {
        let mut names: Vec<&String> = self.columns.values().collect();
        names.sort_unstable();
        names.dedup();
        let column = |name: &&String| ColumnSettings {
            name: (*name).clone(),
            item: None,
            kind: ColumnKind::Text,
            format: None,
            from: From::Row,
        };
        DatasetSettings {
            id: place.to_owned(),
            title: place.to_owned(),
            department: String::new(),
            region: String::new(),
            source: self.source.clone(),
            table: self.table.clone(),
            query: self.query.clone(),
            files: None,
            encoding: None,
            sheet: None,
            head_row: None,
            columns: names.iter().map(column).collect(),
            key: names.first().map(|name| (*name).clone()).into_iter().collect(),
            change: ChangeSettings::Full {},
            cycle: String::new(),
            grace: None,
            zone: "Asia/Shanghai".to_owned(),
            poll: poll(),
            compare_deletions: None,
            business_time: None,
            watch: crate::checks::WatchSettings::default(),
            rules: Vec::new(),
        }
    }
}

async fn table(
    it: &TableSettings,
    place: &str,
    sources: &[(SourceSettings, Source)],
    problems: &mut Vec<Problem>,
) -> Result<Vec<Cells>, Error> {
    let settings: Vec<SourceSettings> = sources.iter().map(|(it, _)| it.clone()).collect();
    let dataset = match Dataset::compile(&it.dataset(place), &settings) {
        Ok(dataset) => dataset,
        Err(found) => {
            problems.extend(found);
            return Ok(Vec::new());
        }
    };
    let Some((_, source)) = sources.iter().find(|(settings, _)| settings.id() == it.source) else {
        return Ok(Vec::new());
    };
    let missing = source.probe(&dataset).await?;
    if !missing.is_empty() {
        problems.extend(missing);
        return Ok(Vec::new());
    }
    let name = it.table.as_deref().unwrap_or("query");
    let mut cursor = source.scan(&dataset, Scan::Full).await?;
    let mut page = Page::new(dataset.columns.len());
    let mut rows = Vec::new();
    while rows.len() < MAX_ROWS && cursor.next(&mut page, 1000).await? {
        for row in page.rows() {
            let number = rows.len() + 1;
            let cells = it.columns.iter().filter_map(|(word, column)| {
                let index = dataset.columns.iter().position(|known| known.name == *column)?;
                let text = row.cell(index).text()?.trim();
                let place = format!("{}!{name}!{column}:{number}", it.source);
                (!text.is_empty()).then(|| (word.clone(), (text.to_owned(), place)))
            });
            let place = format!("{}!{name}!{number}", it.source);
            rows.push(Cells { place, of: cells.collect() });
        }
    }
    Ok(rows)
}

/// The columns of a query of a source, text by text, empty where there is none; as many rows as a
/// table of the catalogue may have.
///
/// # Errors
/// The source cannot be read.
pub async fn read_query(
    source: &str,
    query: &str,
    columns: &[&str],
    sources: &[(SourceSettings, Source)],
) -> Result<Result<Vec<Vec<String>>, Vec<Problem>>, Error> {
    let it = TableSettings {
        source: source.to_owned(),
        table: None,
        query: Some(query.to_owned()),
        region: None,
        columns: columns.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect(),
    };
    let mut problems = Vec::new();
    let rows = table(&it, "query", sources, &mut problems).await?;
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let cell = |row: &Cells, name: &str| row.of.get(name).map(|(text, _)| text.clone());
    let row = |row: Cells| {
        columns.iter().map(|name| cell(&row, name).unwrap_or_default()).collect::<Vec<_>>()
    };
    Ok(Ok(rows.into_iter().map(row).collect()))
}

/// A table of the catalogue is read up to this many rows.
const MAX_ROWS: usize = 1_000_000;

fn poll() -> Duration {
    Duration::from_mins(10)
}

fn one() -> usize {
    1
}
