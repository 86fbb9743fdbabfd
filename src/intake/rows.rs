//! Rows of a county: read by the standard's own tables, judged by the city's own rules, kept.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use super::Error;
use super::desk::{Ruling, Scene, TakenDataset};
use super::store::{Change, Judged, StoredBatch, StoredObject, StoredRow};
use crate::catalogue::Item;
use crate::checks::{Pass, Rules, Violation};
use crate::city::TAKEN_AT;
use crate::delivery::{Action, DigestSha256, Evidence};
use crate::row::{Cell, Column, Page, Row, key_text};
use crate::standard::RowLayout;
use crate::wire::{Misshapen, RowPlan, RowReader};

/// When a county may ask again whose rows wait here.
const LATER: Duration = Duration::from_secs(30);

/// How the rows of a message are understood.
struct Layout {
    /// In the order of the message.
    columns: Vec<Column>,
    items: Vec<Item>,
    key: Vec<usize>,
}

/// A page of rows as they came, and the keys that they came with.
struct Read {
    layout: Layout,
    page: Page,
    keys: Vec<Option<String>>,
}

pub(super) fn take(scene: &Scene<'_>) -> Result<Ruling, Error> {
    let Some(batch) = scene.batch else { return Ok(Ruling::refused("batch has no id")) };
    let dataset = match dataset(scene)? {
        Ok(found) => found,
        Err(ruling) => return Ok(ruling),
    };
    let is_delete = scene.operation.name == "rows.delete";
    let action = if is_delete { Action::Delete } else { Action::Upsert };
    let read = match read(scene, dataset, action) {
        Ok(read) => read,
        Err(ruling) => return Ok(ruling),
    };
    let count = u64::try_from(read.page.len()).unwrap_or(u64::MAX);
    if let Some(ruling) = over_quota(scene, count)? {
        return Ok(ruling);
    }
    let (changes, verdicts) = judged(scene, dataset, &read, action);
    let failed = verdicts.iter().filter(|it| it.reason.is_some()).count();
    let tells_rows = scene.operation.evidence == Evidence::RowVerdict
        && scene.standard.operation("rows.verdict").is_some();
    if failed > 0 && !tells_rows {
        // Who gets no verdict on a row must hear at once, and halves the batch.
        let first = verdicts.iter().find_map(|it| it.reason.clone()).unwrap_or_default();
        return Ok(Ruling::refused(first));
    }
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let stored = StoredBatch {
        id: batch.to_owned(),
        operation: scene.operation.name.clone(),
        digest: scene.digest(),
        receipt: super::queries::receipt_id(scene, batch),
        rows: number(verdicts.len()),
        failed: number(failed),
        upper_id: None,
    };
    crate::crash::point("intake-batch-read");
    let before = scene.now.saturating_sub(scene.keep).unwrap_or(jiff::Timestamp::MIN);
    let known = scene.county.store.write(|write| {
        // Two of the same may have come at once.
        if let Some(known) = write.batch(batch)? {
            return Ok(Some(known));
        }
        write.keep_rows(&dataset.table, &changes, scene.now)?;
        write.keep_batch(&stored, &verdicts, scene.now)?;
        write.forget(before)?;
        Ok(None)
    })?;
    crate::crash::point("intake-batch-kept");
    scene.sent_rows();
    if let Some(known) = known {
        return Ok(match known.digest == stored.digest {
            true => Ruling::accepted(super::queries::told(&known)),
            false => Ruling::refused("batch id carries another payload already"),
        });
    }
    let kept = u64::try_from(changes.iter().filter(|it| it.row.is_some()).count());
    let waiting = &scene.county.waiting;
    waiting.fetch_add(kept.unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
    Ok(Ruling::accepted(super::queries::told(&stored)))
}

/// The dataset that a batch is of: its resource stands and carries it, or is registered elsewhere, and
/// the city passes it on.
fn dataset<'s>(scene: &'s Scene<'_>) -> Result<Result<&'s TakenDataset, Ruling>, Error> {
    let named = ["link.upper_id", "upper.resource"].iter().find_map(|word| scene.said.get(word));
    let resource = match named {
        Some(upper_id) => {
            let found = scene.county.store.object_above(upper_id)?;
            let stands = found.filter(|it| it.kind == "resource" && it.state != "withdrawn");
            if stands.is_none() {
                return Ok(Err(Ruling::refused("no resource stands under this id")));
            }
            stands
        }
        None => None,
    };
    let carried = resource.and_then(|it| it.words.of.get("resource.county_dataset").cloned());
    let said = scene.said.get("dataset.id").map(str::to_owned);
    if let (Some(carried), Some(said)) = (&carried, &said)
        && carried != said
    {
        return Ok(Err(Ruling::refused("resource under this id is of another dataset")));
    }
    let Some(table) = said.or(carried) else {
        return Ok(Err(Ruling::refused("batch names no dataset")));
    };
    let announces = |it: &StoredObject| it.words.of.get("resource.county_dataset") == Some(&table);
    if scene.county.settings.registers
        && !scene.county.store.standing(Some("resource"))?.iter().any(announces)
    {
        return Ok(Err(Ruling::refused("no resource announced this dataset")));
    }
    // The city can mend this, and the county cannot: it waits.
    let later = || Ruling::busy("dataset is not taken in by the city yet", LATER * 10);
    Ok(scene.county.datasets.get(&table).ok_or_else(later))
}

impl Layout {
    /// `names` are the columns in the order of the message, where it says them.
    fn of(dataset: &TakenDataset, names: Option<&str>) -> Result<Self, Ruling> {
        let own = || dataset.dataset.columns.iter().filter(|column| column.name != TAKEN_AT);
        let unknown = |name: &str| {
            Ruling::busy(format!("column `{name}` is not taken in by the city yet"), LATER * 10)
        };
        let columns: Vec<Column> = match names {
            None => own().cloned().collect(),
            Some(names) => names
                .split(',')
                .map(|name| own().find(|it| it.name == name).cloned().ok_or_else(|| unknown(name)))
                .collect::<Result<_, _>>()?,
        };
        let item = |column: &Column| Item {
            id: column.name.clone(),
            code: column.name.clone(),
            ..Item::default()
        };
        let keys = dataset.dataset.key.iter().filter_map(|at| dataset.dataset.columns.get(*at));
        let place = |key: &Column| columns.iter().position(|it| it.name == key.name);
        let key = keys.filter_map(place).collect();
        Ok(Self { items: columns.iter().map(item).collect(), columns, key })
    }

    fn as_ref(&self) -> RowLayout<'_> {
        RowLayout { columns: &self.columns, key: &self.key, items: &self.items }
    }
}

fn read(scene: &Scene<'_>, dataset: &TakenDataset, action: Action) -> Result<Read, Ruling> {
    let layout = Layout::of(dataset, scene.said.get("dataset.columns"))?;
    let reader: RowReader = scene
        .standard
        .row_reader(action, layout.as_ref())
        .map_err(|_lacks| Ruling::refused("standard cannot carry this dataset's columns"))?;
    let styles = scene.standard.settings().rows.as_ref();
    let style = styles.and_then(|it| match action {
        Action::Upsert => Some(&it.upsert),
        Action::Delete => it.delete.as_ref(),
    });
    let has_key_place = style.is_some_and(|style| !style.key.is_empty());
    let nodes = scene.document.and_then(|it| scene.standard.rows_in(scene.operation, it));
    let nodes = nodes.filter(|nodes| !nodes.is_empty());
    let nodes = nodes.ok_or_else(|| Ruling::refused("batch has no rows"))?;
    let most = scene.standard.limits().rows.map_or(usize::MAX, |it| it as usize);
    if nodes.len() > most {
        return Err(Ruling::refused("batch has more rows than the standard allows"));
    }
    if scene.said.get("batch.rows").is_some_and(|it| it.parse() != Ok(nodes.len())) {
        return Err(Ruling::refused("batch has another number of rows than it says"));
    }
    let written = scene.standard.rows_written(scene.operation, scene.text);
    if let (Some(written), Some(said)) = (written, scene.said.get("batch.digest"))
        && !said.eq_ignore_ascii_case(&DigestSha256::of(written.as_bytes()).to_string())
    {
        return Err(Ruling::refused("batch has another digest than it says"));
    }
    let mut page = Page::new(layout.columns.len());
    let mut keys: Vec<Option<String>> = Vec::with_capacity(nodes.len());
    let mut seen = BTreeSet::new();
    for (at, node) in nodes.into_iter().enumerate() {
        match reader.read(node, &mut page) {
            Ok(key) => {
                if has_key_place && key.as_ref().is_none_or(String::is_empty) {
                    return Err(Ruling::refused(format!("row {}: has no key", at + 1)));
                }
                if key.as_ref().is_some_and(|key| !seen.insert(key.clone())) {
                    return Err(Ruling::refused(format!("row {}: its key came before", at + 1)));
                }
                keys.push(key);
            }
            Err(Misshapen::Column(name)) => {
                let what = format!("column `{name}` is not taken in by the city yet");
                return Err(Ruling::busy(what, LATER * 10));
            }
            Err(wrong @ (Misshapen::Style | Misshapen::Cells)) => {
                return Err(Ruling::refused(format!("row {}: {wrong}", at + 1)));
            }
        }
    }
    Ok(Read { layout, page, keys })
}

/// The county waits where more waits here than may.
fn over_quota(scene: &Scene<'_>, rows: u64) -> Result<Option<Ruling>, Error> {
    let (county, settings) = (scene.county, &scene.county.settings);
    let waiting = county.waiting.load(std::sync::atomic::Ordering::Relaxed);
    let held = county.store.held()?;
    // One batch passes whenever nothing waits: a quota below a batch is slow, not for ever.
    let is_over = (waiting > 0 && waiting.saturating_add(rows) > settings.rows_waiting)
        || held.rows.saturating_add(rows) > settings.rows_held
        || held.bytes >= settings.bytes_held;
    Ok(is_over.then(|| Ruling::busy("county has as many rows here as it may", LATER)))
}

/// What becomes of each row, in the order of the message.
fn judged(
    scene: &Scene<'_>,
    dataset: &TakenDataset,
    read: &Read,
    action: Action,
) -> (Vec<Change>, Vec<Judged>) {
    let own = &dataset.dataset;
    let keyer = scene.county.store.keyer();
    // Whether a value stands elsewhere is known where everything is: when it is passed on.
    let mut unique = |_rule, _digest| false;
    let mut pass = Pass::new(&dataset.rules, scene.now, &own.zone).judged_by(keyer, &mut unique);
    let taken = own.zone.to_datetime(scene.now).to_string();
    let plan = match scene.standard.settings().rows.as_ref().map(|it| it.digest.as_str()) {
        Some("lines") => scene.standard.row_plan(Action::Upsert, read.layout.as_ref()).ok(),
        Some(_) | None => None,
    };
    let mut changes = Vec::new();
    let mut verdicts = Vec::new();
    let mut page = Page::new(own.columns.len());
    let mut violations: Vec<Violation> = Vec::new();
    for (row, said) in read.page.rows().zip(&read.keys) {
        page.clear();
        arrange(own, &read.layout, row, &taken, &mut page);
        let Some(arranged) = page.row(0) else { continue };
        let mut text = String::new();
        let has_key = key_text(arranged, &own.key, &mut text);
        let key = said.clone().unwrap_or_else(|| text.clone());
        violations.clear();
        let is_delete = action == Action::Delete;
        let is_valid =
            is_delete || dataset.rules.check(arranged, &mut pass, &mut violations).is_some();
        let reason = match (has_key, is_valid) {
            (false, _) => Some("required: key missing".to_owned()),
            (true, true) => None,
            (true, false) => Some(told(&dataset.rules, &violations, dataset)),
        };
        if reason.is_none() {
            let row = (!is_delete).then(|| {
                let digest = plan.as_ref().and_then(|plan| lines(plan, row));
                let cells = cells(own, arranged);
                (keyer.row(row), StoredRow { key: key.clone(), digest, cells })
            });
            changes.push(Change { key: keyer.key(&text), row });
        }
        verdicts.push(Judged { key, reason });
    }
    (changes, verdicts)
}

/// A row in the order of the city's columns.
fn arrange(
    dataset: &crate::city::Dataset,
    layout: &Layout,
    row: Row<'_>,
    taken: &str,
    into: &mut Page,
) {
    for column in &dataset.columns {
        let at = layout.columns.iter().position(|it| it.name == column.name);
        match at.map(|at| row.cell(at)) {
            _ if column.name == TAKEN_AT => into.push(taken),
            Some(Cell::Text(text)) => into.push(text),
            Some(Cell::Malformed(why)) => into.push_malformed(why),
            Some(Cell::Null) | None => into.push_null(),
        }
    }
    into.end_row().ok();
}

fn cells(
    dataset: &crate::city::Dataset,
    row: Row<'_>,
) -> std::collections::BTreeMap<String, Option<String>> {
    let columns = dataset.columns.iter().enumerate().filter(|(_, it)| it.name != TAKEN_AT);
    let texts = columns.map(|(at, it)| (it.name.clone(), row.cell(at).text().map(str::to_owned)));
    texts.collect()
}

/// The digest that the county's standard makes of a row.
fn lines(plan: &RowPlan, row: Row<'_>) -> Option<String> {
    let mut text = String::new();
    plan.lines(row, &mut text).ok()?;
    let hash = digest(&SHA256, text.as_bytes());
    Some(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Which rules a row breaks, by name, column and finding: no content.
fn told(rules: &Rules, violations: &[Violation], dataset: &TakenDataset) -> String {
    let each = violations.iter().take(5).map(|it| {
        let rule = rules.rule(*it).map_or("", |rule| rule.name.as_str());
        let column = it.column.and_then(|at| dataset.dataset.columns.get(usize::from(at)));
        let column = column.map_or("", |column| column.name.as_str());
        format!("{rule}: {column} {}", it.finding.as_str())
    });
    each.collect::<Vec<_>>().join("; ")
}
