//! What a database says of a table beside its rows: who may write it, which indexes it has. For
//! `doctor` alone; a server that does not answer such questions is none the worse for it.

/// What was seen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TableSeen {
    /// Who we are there.
    pub account: String,
    /// The account may do anything.
    pub is_administrator: bool,
    /// The account may write the table.
    pub may_write: bool,
    /// How the database writes characters, in its own word.
    pub encoding: String,
    /// The schema that the dataset names is there, or it names none.
    pub has_schema: bool,
    /// It is a table, and not a view or a query.
    pub is_table: bool,
    /// Its indexes without conditions and expressions.
    pub indexes: Vec<IndexSeen>,
    /// Columns that may be null.
    pub nullable: Vec<String>,
}

/// An index.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IndexSeen {
    /// Nothing is in it twice.
    pub is_unique: bool,
    /// Its columns in their order.
    pub columns: Vec<String>,
}

/// The indexes of rows (name, unique, column) that come in the order of the columns.
pub(super) fn indexes(rows: impl IntoIterator<Item = (String, bool, String)>) -> Vec<IndexSeen> {
    let mut found: Vec<(String, IndexSeen)> = Vec::new();
    for (name, is_unique, column) in rows {
        match found.iter_mut().find(|(known, _)| *known == name) {
            Some((_, index)) => index.columns.push(column),
            None => found.push((name, IndexSeen { is_unique, columns: vec![column] })),
        }
    }
    found.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_an_index_come_together() {
        let row = |name: &str, unique, column: &str| (name.to_owned(), unique, column.to_owned());
        let found = indexes([row("a", true, "x"), row("b", false, "x"), row("a", true, "y")]);
        assert_eq!(found[0], IndexSeen { is_unique: true, columns: vec!["x".into(), "y".into()] });
        assert_eq!(found[1], IndexSeen { is_unique: false, columns: vec!["x".into()] });
    }
}
