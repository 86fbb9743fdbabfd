//! The statements that the contract of [`super::source`] asks of a database.
//!
//! SQLite, PostgreSQL and MySQL differ in how a name is quoted, a key becomes text and a time is
//! recognised; what is selected, compared and ordered is the same.

use super::dataset::Origin;

/// What a scan asks for, as expressions of the database.
pub(crate) struct Select {
    /// One per column: how it is selected.
    pub(crate) columns: Vec<String>,
    /// One per column: how it is ordered. The time column natively, others in binary order.
    pub(crate) order: Vec<String>,
    /// One per key column: its text, never null, in binary order.
    pub(crate) keys: Vec<String>,
    /// Which rows.
    pub(crate) condition: Option<String>,
    /// The time column, where the scan is in the order of change.
    pub(crate) time: Option<String>,
    /// Only what comes after.
    pub(crate) after: Option<Bound>,
    /// Only what has no later time.
    pub(crate) until: Option<String>,
    /// Select the key's texts after the columns.
    pub(crate) with_keys: bool,
}

/// A point in the order, as literals or parameters.
pub(crate) struct Bound {
    /// Absent in the order of keys.
    pub(crate) time: Option<String>,
    /// Empty: before every key of this time.
    pub(crate) key: Vec<String>,
    /// Include the point itself.
    pub(crate) inclusive: bool,
}

/// `q."name"`: qualified, because SQLite takes an unknown quoted name for a text.
pub(crate) fn column(name: &str) -> String {
    format!("q.\"{}\"", name.replace('"', "\"\""))
}

/// `FROM … AS q`.
pub(crate) fn from(origin: &Origin) -> String {
    from_quoted(origin, |part| format!("\"{}\"", part.replace('"', "\"\"")))
}

/// The same with a server's own quotes around names.
pub(crate) fn from_quoted(origin: &Origin, quote: impl Fn(&str) -> String) -> String {
    let source = match origin {
        Origin::Table(table) => {
            let parts: Vec<String> = table.split('.').map(quote).collect();
            parts.join(".")
        }
        // The line break ends a comment that the query may end with.
        Origin::Query(query) => format!("({query}\n)"),
        Origin::Files { .. } => String::new(),
    };
    format!("FROM {source} AS q")
}

/// The statement for a scan.
pub(crate) fn statement(origin: &Origin, select: &Select) -> String {
    statement_from(&from(origin), select)
}

/// The same from what [`from_quoted`] wrote.
pub(crate) fn statement_from(from: &str, select: &Select) -> String {
    let mut list: Vec<&str> = select.columns.iter().map(String::as_str).collect();
    if select.with_keys {
        list.extend(select.keys.iter().map(String::as_str));
    }
    let mut conditions: Vec<String> = select.condition.iter().cloned().collect();
    conditions.extend(select.after.as_ref().map(|bound| after(bound, select)));
    if let (Some(time), Some(until)) = (&select.time, &select.until) {
        conditions.push(format!("{time} <= {until}"));
    }
    let order = select.time.iter().chain(&select.keys).chain(&select.order);
    let order: Vec<&str> = order.map(String::as_str).collect();
    let mut sql = format!("SELECT {} {from}", list.join(", "));
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    sql.push_str(" ORDER BY ");
    sql.push_str(&order.join(", "));
    sql
}

/// In the order of change the first comparison lets an index on the time column work; the second
/// decides among equals.
fn after(bound: &Bound, select: &Select) -> String {
    let compare = if bound.inclusive { ">=" } else { ">" };
    let keys = format!("({}) {compare} ({})", select.keys.join(", "), bound.key.join(", "));
    match (&select.time, &bound.time) {
        (Some(time), Some(at)) if bound.key.is_empty() => format!("{time} >= {at}"),
        (Some(time), Some(at)) => format!("{time} >= {at} AND ({time} > {at} OR {keys})"),
        (_, _) => keys,
    }
}
