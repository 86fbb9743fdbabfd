//! The rows of a dataset under another standard, nothing sent.
//!
//! A row is refused by the rules of its dataset, or because the candidate cannot write it. Whether
//! another row has the same key or the same unique value only a real reading can say.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cascade::{Carrier, Crew, Error};
use crate::catalogue::{Kind, Object, ObjectKey};
use crate::checks;
use crate::delivery::Action;
use crate::row::{Column, Keyer, Page, key_text};
use crate::standard::{RowLayout, Standard};
use crate::wire::RowPlan;

/// Rows read at once.
const PAGE_ROWS: usize = 5_000;

/// Rows of a sample: the first in the order of keys.
pub const SAMPLE_ROWS: u64 = 1_000;

/// What a check of a dataset's rows found. Printed by `--json`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RowsChecked {
    /// The dataset.
    pub dataset: String,
    /// Its name.
    pub title: String,
    /// Who answers for it.
    pub department: String,
    /// Rows read.
    pub rows: u64,
    /// Of them, refused.
    pub refused: u64,
    /// There are more rows than were read.
    pub sampled: bool,
    /// Why no row of it could be written at all.
    pub reason: Option<String>,
    /// By rule and column: rows.
    pub rules: Vec<(String, String, u64)>,
}

/// Reads a dataset and tries each row, or the first [`SAMPLE_ROWS`].
///
/// # Errors
/// The ledger cannot be read, or the source not reached.
pub async fn check_rows(
    crew: &Crew,
    carrier: &Arc<Carrier>,
    standard: &Standard,
    all: bool,
) -> Result<RowsChecked, Error> {
    let dataset = carrier.dataset();
    let mut checked = RowsChecked {
        dataset: dataset.id.clone(),
        title: dataset.title.clone(),
        department: dataset.department.clone(),
        ..RowsChecked::default()
    };
    let plan = match plan(crew, carrier, standard).await? {
        Ok(plan) => Arc::new(plan),
        Err(reason) => {
            checked.reason = Some(reason);
            return Ok(checked);
        }
    };
    let mut rules = BTreeMap::new();
    let (_place, mut cursor) = carrier.read_all(&crew.readers).await?;
    let mut page = Page::new(dataset.columns.len());
    loop {
        let left = if all { u64::MAX } else { SAMPLE_ROWS - checked.rows };
        let most = usize::try_from(left).map_or(PAGE_ROWS, |left| left.min(PAGE_ROWS));
        if most == 0 {
            checked.sampled = cursor.next(&mut page, 1).await?;
            break;
        }
        if !cursor.next(&mut page, most).await? {
            break;
        }
        let trial = Trial {
            carrier: Arc::clone(carrier),
            plan: Arc::clone(&plan),
            keyer: crew.ledger.identity().keyer.clone(),
            now: crew.supervisor.clock().now(),
            most: standard.limits().bytes,
        };
        let (tried, read) = crew.supervisor.pool().run(move || (trial.of(&page), page)).await;
        page = read;
        checked.rows += tried.rows;
        checked.refused += tried.refused;
        for (rule, rows) in tried.rules {
            *rules.entry(rule).or_insert(0) += rows;
        }
    }
    checked.rules = rules.into_iter().map(|((rule, column), rows)| (rule, column, rows)).collect();
    Ok(checked)
}

/// How the candidate writes the dataset's rows, or why it cannot.
pub(super) async fn plan(
    crew: &Crew,
    carrier: &Carrier,
    standard: &Standard,
) -> Result<Result<RowPlan, String>, Error> {
    let dataset = carrier.dataset();
    if standard.operation("rows.upsert").is_none() {
        return Ok(Err("the standard carries no rows".to_owned()));
    }
    let Some(id) = crew.ledger.resource_of(dataset.id.clone()).await? else {
        return Ok(Err("no resource of the catalogue carries this dataset".to_owned()));
    };
    let key = ObjectKey { kind: Kind::Resource, id };
    let mut items = Vec::new();
    for parent in crew.ledger.object(key).await?.iter().flat_map(Object::parents) {
        if let Some(entry) = crew.ledger.object(parent).await? {
            items.extend_from_slice(entry.items());
        }
    }
    let columns: Vec<Column> = dataset
        .columns
        .iter()
        .zip(&dataset.fields)
        .map(|(column, field)| Column { name: field.item.clone(), kind: column.kind })
        .collect();
    let layout = RowLayout { columns: &columns, key: &dataset.key, items: &items };
    Ok(standard
        .row_plan(Action::Upsert, layout)
        .map_err(|lacks| lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
}

/// One page, tried on the pool.
struct Trial {
    carrier: Arc<Carrier>,
    plan: Arc<RowPlan>,
    keyer: Keyer,
    now: jiff::Timestamp,
    most: Option<u64>,
}

#[derive(Default)]
struct Tried {
    rows: u64,
    refused: u64,
    rules: BTreeMap<(String, String), u64>,
}

impl Trial {
    fn of(&self, page: &Page) -> Tried {
        let dataset = self.carrier.dataset();
        let rules = self.carrier.rules();
        let mut unjudged = |_rule, _digest| false;
        let mut pass =
            checks::Pass::new(rules, self.now, &dataset.zone).judged_by(&self.keyer, &mut unjudged);
        let mut tried = Tried::default();
        let (mut violations, mut text, mut encoded) = (Vec::new(), String::new(), Vec::new());
        let name = |column: usize| {
            dataset.columns.get(column).map(|it| it.name.clone()).unwrap_or_default()
        };
        for row in page.rows() {
            violations.clear();
            text.clear();
            encoded.clear();
            let has_key = key_text(row, &dataset.key, &mut text);
            let valid = rules.check(row, &mut pass, &mut violations);
            let mut found: Vec<(String, String)> = violations
                .iter()
                .map(|it| {
                    let rule = rules.rule(*it).map_or("", |rule| rule.code.as_str());
                    let column = it.column.map(|at| name(usize::from(at))).unwrap_or_default();
                    (rule.to_owned(), column)
                })
                .collect();
            if !has_key && found.is_empty() {
                let column = dataset.key.first().copied().map(name).unwrap_or_default();
                found.push(("required".to_owned(), column));
            }
            if let Some(valid) = valid.filter(|_| found.is_empty()) {
                match self.plan.append(valid.row(), &text, &mut encoded) {
                    Err(unencodable) => {
                        let column = unencodable.column.map(name).unwrap_or_default();
                        found.push(("control-character".to_owned(), column));
                    }
                    Ok(()) if self.most.is_some_and(|most| encoded.len() as u64 > most) => {
                        found.push(("limits.bytes".to_owned(), String::new()));
                    }
                    Ok(()) => {}
                }
            }
            tried.rows += 1;
            tried.refused += u64::from(!found.is_empty());
            for rule in found {
                *tried.rules.entry(rule).or_insert(0) += 1;
            }
        }
        tried
    }
}
