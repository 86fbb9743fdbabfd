//! JSON as a tree, every number with the text it was sent as.
//!
//! A reader that makes numbers of numbers holds 168.30 and 168.3 to be one, and rounds what has
//! more than seventeen digits. What a city sent is compared with what it has, so the platform keeps
//! what was said. `serde_json` judges the form first; nothing here does.

use serde::de::IgnoredAny;

use super::tree::{MAX_DEPTH, MAX_NODES, Node};

/// The values of a text under a node without a name. An array's elements stand beside one another,
/// under the array's name.
pub(super) fn read(text: &str) -> Result<Node, String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        format!("JSON is broken at line {} column {}", error.line(), error.column())
    })?;
    let mut document = Node::default();
    Reader { rest: text.trim_start(), left: MAX_NODES }.value("", &mut document, 0)?;
    Ok(document)
}

struct Reader<'t> {
    /// What is not read yet; white space is taken with what stands before it.
    rest: &'t str,
    left: usize,
}

impl<'t> Reader<'t> {
    fn value(&mut self, name: &str, into: &mut Node, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        self.left =
            self.left.checked_sub(1).ok_or_else(|| format!("more than {MAX_NODES} values"))?;
        let mut node = Node::named(name);
        if self.takes('{') {
            while !self.takes('}') {
                let member = self.text()?;
                self.takes(':');
                self.value(&member, &mut node, depth + 1)?;
                self.takes(',');
            }
        } else if self.takes('[') {
            while !self.takes(']') {
                self.element(name, into, depth)?;
                self.takes(',');
            }
            return Ok(());
        } else if self.rest.starts_with('"') {
            node.text = Some(self.text()?);
        } else {
            let end = self.rest.find([',', ']', '}', ' ', '\n', '\r', '\t']);
            let word = self.take(end.unwrap_or(self.rest.len()))?;
            node.text = (word != "null").then(|| word.to_owned());
            node.bare = node.text.is_some();
        }
        into.children.push(node);
        Ok(())
    }

    fn element(&mut self, name: &str, into: &mut Node, depth: usize) -> Result<(), String> {
        if self.rest.starts_with('[') {
            // An array in an array stays one element, of elements without a name.
            let mut inner = Node { many: true, ..Node::named(name) };
            self.value("", &mut inner, depth + 1)?;
            into.children.push(inner);
            return Ok(());
        }
        self.value(name, into, depth + 1)?;
        if let Some(last) = into.children.last_mut() {
            last.many = true;
        }
        Ok(())
    }

    /// A text in quotes, its escapes resolved.
    fn text(&mut self) -> Result<String, String> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find_map(|(at, letter)| {
            let is_end = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            is_end.then_some(at + 1)
        });
        let quoted = self.take(end.unwrap_or(self.rest.len()))?;
        serde_json::from_str(quoted).map_err(|_error| "JSON holds a text that is none".to_owned())
    }

    fn take(&mut self, length: usize) -> Result<&'t str, String> {
        let split = self.rest.split_at_checked(length).filter(|_| length > 0);
        let (taken, rest) = split.ok_or("JSON ends before its values do")?;
        self.rest = rest.trim_start();
        Ok(taken)
    }

    fn takes(&mut self, mark: char) -> bool {
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.map_or(self.rest, str::trim_start);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_as_they_were_sent() {
        let long = "12345678901234567890.10";
        let text = format!(
            " {{ \"n\" : 168.30 , \"l\":[-0,{long}\n], \"t\":\"7\\u4e00\\\"\",\"x\":null}}"
        );
        let document = read(&text).unwrap();
        let members = &document.children[0].children;
        let said = |at: usize| (members[at].name.as_str(), members[at].text.as_deref());
        assert_eq!(said(0), ("n", Some("168.30")));
        assert_eq!(said(1), ("l", Some("-0")));
        assert_eq!(said(2), ("l", Some(long)));
        assert_eq!(said(3), ("t", Some("7一\"")));
        assert_eq!(said(4), ("x", None));
        assert_eq!(
            members.iter().map(|it| it.bare).collect::<Vec<_>>(),
            [true, true, true, false, false]
        );
        assert!(members[2].many && !members[0].many);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in
            ["", "{", "[1,]", "{\"a\":1,}", "01", "1.", "\"\\ud800\"", "\"a", "nul", "1 2", "{a:1}"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
