//! What `doctor` can find is what the documents say it finds: one table, in two languages.

use cascaded::app::{Code, Severity};

use super::{none, read};

/// A document, which of the two languages it speaks, and what it calls a warning.
const TABLES: [(&str, usize, &str); 2] =
    [("README.md", 0, "warning: "), ("deploy/manual.zh.md", 1, "提醒：")];

/// The row of a code in a document.
fn row(code: Code, language: usize, warning: &str) -> String {
    let entry = code.entry();
    let warning = if entry.severity == Severity::Warning { warning } else { "" };
    let in_language = |texts: &'static [&'static str; 2]| texts.get(language).unwrap_or(&"");
    let (title, next) = (in_language(&entry.title), in_language(&entry.next));
    format!("| `{}` | {warning}{title} | {next} |", entry.word)
}

#[test]
fn every_finding_of_doctor_is_documented_in_its_own_words_and_order() {
    let mut findings = Vec::new();
    for (document, language, warning) in TABLES {
        let text = read(document);
        let documented: Vec<&str> = text.lines().filter(|line| line.starts_with("| `D-")).collect();
        let expected: Vec<String> =
            Code::ALL.iter().map(|code| row(*code, language, warning)).collect();
        for row in &expected {
            if !documented.contains(&row.as_str()) {
                findings.push(format!("{document} lacks: {row}"));
            }
        }
        for row in &documented {
            if !expected.iter().any(|known| known == row) {
                findings.push(format!("{document} has what no code says: {row}"));
            }
        }
        if findings.is_empty() && documented != expected {
            findings.push(format!("{document} has them in another order than that of repair"));
        }
    }
    none(&findings);
}
