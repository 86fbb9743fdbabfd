//! What is demanded of each column, tried one at a time: no value, another code, another length,
//! another type.

use super::rows::{Hope, Row, is_text, kind};
use super::{Case, Exam};

/// A code that no list has.
const NO_CODE: &str = "~9";

impl Exam<'_> {
    /// Each demand of a table's columns, broken.
    pub(super) async fn demands(&mut self, at: usize) {
        for column in self.rules.columns.clone() {
            let name = column.name.as_str();
            if column.required {
                self.missing(at, name, &column.basis).await;
            }
            if let Some(codes) = &column.codes {
                self.outside(at, name, codes, &column.basis).await;
            }
            let (least, most) = column.length;
            if let Some(most) = most {
                self.sized(at, ("long", name), most + 1, &column.basis).await;
            }
            if least > 1 {
                self.sized(at, ("short", name), least - 1, &column.basis).await;
            }
        }
        let Some(table) = self.tables.get(at) else { return };
        let basis = format!("the announced tables: {}", table.name);
        for rule in &table.rules {
            if rule.required {
                self.missing(at, &rule.name, &basis).await;
            }
            if !rule.codes.is_empty() {
                self.outside(at, &rule.name, &rule.codes, &basis).await;
            }
        }
        for (name, written) in &table.columns {
            let (of, length) = kind(written);
            match length {
                Some(most) if is_text(&of) => {
                    self.sized(at, ("long", name), most + 1, &basis).await;
                }
                _ if is_text(&of) => {}
                _ => self.typed(at, name, &basis).await,
            }
        }
    }

    fn spoiled(&mut self, at: usize, name: &str, value: Option<String>) -> Row {
        let mut row = self.fresh(at);
        row.cells.insert(name.to_owned(), value);
        row
    }

    async fn missing(&mut self, at: usize, name: &str, basis: &str) {
        let hope = Hope::NotTaken;
        let title = (format!("缺少必填项 {name}"), format!("{name} without a value"));
        let case = Case::new(format!("missing/{name}"), (&title.0, &title.1), basis, hope.words());
        let row = self.spoiled(at, name, None);
        self.test(at, case, &[row], hope).await;
    }

    async fn outside(&mut self, at: usize, name: &str, codes: &[String], basis: &str) {
        for code in codes {
            let hope = Hope::Stands;
            let title = (format!("{name} 取值 {code}"), format!("{name} is {code}"));
            let case =
                Case::new(format!("code-{code}/{name}"), (&title.0, &title.1), basis, hope.words());
            let row = self.spoiled(at, name, Some(code.clone()));
            self.test(at, case, &[row], hope).await;
        }
        let hope = Hope::NotTaken;
        let title = (format!("{name} 取值不在代码表内"), format!("{name} is in no list"));
        let case = Case::new(format!("code/{name}"), (&title.0, &title.1), basis, hope.words());
        let row = self.spoiled(at, name, Some(NO_CODE.to_owned()));
        self.test(at, case, &[row], hope).await;
    }

    async fn sized(&mut self, at: usize, (what, name): (&str, &str), count: usize, basis: &str) {
        let hope = Hope::NotTaken;
        let title = (format!("{name} 长度为 {count}"), format!("{name} has {count} characters"));
        let case = Case::new(format!("{what}/{name}"), (&title.0, &title.1), basis, hope.words());
        let row = self.spoiled(at, name, Some("1".repeat(count)));
        self.test(at, case, &[row], hope).await;
    }

    async fn typed(&mut self, at: usize, name: &str, basis: &str) {
        let hope = Hope::Refused("22");
        let title = (format!("{name} 类型不符"), format!("{name} of another type"));
        let case = Case::new(format!("type/{name}"), (&title.0, &title.1), basis, hope.words());
        let row = self.spoiled(at, name, Some("不是".to_owned()));
        self.test(at, case, &[row], hope).await;
    }
}
