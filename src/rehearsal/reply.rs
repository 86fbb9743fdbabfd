//! Replies, written from the tables of `replies/`.

use std::collections::BTreeMap;

use super::directory::{Operation, Place, Reply};
use super::tree::{self, Media, Node, Spaces, Step};

/// What a reply says, by meaning. Words of code lists are canonical here.
#[derive(Clone, Debug, Default)]
pub(super) struct Says {
    pub(super) values: BTreeMap<&'static str, String>,
    /// Elements of the reply's list, where it has one.
    pub(super) list: Vec<BTreeMap<&'static str, String>>,
}

impl Says {
    pub(super) fn set(&mut self, meaning: &'static str, value: impl Into<String>) {
        self.values.insert(meaning, value.into());
    }
}

/// A row of the table with the part of its path that is still to go.
type Rest<'a> = (&'a Reply, &'a [Step], Option<&'a str>);

/// The reply's body, and the headers that carry a part of it.
pub(super) fn write(
    operation: &Operation,
    media: Media,
    spaces: &Spaces,
    says: &Says,
    stranger: Option<&str>,
) -> (Vec<u8>, Vec<(String, String)>) {
    let mut rows: Vec<Rest<'_>> = Vec::new();
    let mut headers = Vec::new();
    for reply in &operation.replies {
        match &reply.place {
            Place::Body(path) => rows.push((reply, &path.steps, path.attribute.as_deref())),
            Place::Header(name) => {
                let text = text(reply, &says.values);
                headers.extend(text.map(|text| (name.clone(), text)));
            }
            Place::Query(_) | Place::Url(_) => {}
        }
    }
    let mut document = Node::default();
    fill(&mut document, &rows, &says.values, &says.list);
    if let Some(name) = stranger {
        let mut node = Node::named(name);
        node.text = Some("1".to_owned());
        match (media, document.children.first_mut()) {
            (Media::Xml, Some(root)) => root.children.push(node),
            (Media::Xml | Media::Json, _) => document.children.push(node),
        }
    }
    (tree::write(media, &document, spaces).into_bytes(), headers)
}

fn fill(
    node: &mut Node,
    rows: &[Rest<'_>],
    values: &BTreeMap<&'static str, String>,
    list: &[BTreeMap<&'static str, String>],
) {
    let mut done: Vec<&Step> = Vec::new();
    for (reply, steps, attribute) in rows {
        let Some(step) = steps.first() else {
            let Some(text) = text(reply, values) else { continue };
            match attribute {
                Some(name) => node.attributes.push(((*name).to_owned(), text)),
                None => {
                    node.bare = matches!(reply.kind.as_str(), "integer" | "number" | "boolean");
                    node.text = Some(text);
                }
            }
            continue;
        };
        if done.contains(&step) {
            continue;
        }
        done.push(step);
        let below: Vec<Rest<'_>> = rows
            .iter()
            .filter(|(_, steps, _)| steps.first() == Some(step))
            .filter_map(|(reply, steps, attribute)| Some((*reply, steps.get(1..)?, *attribute)))
            .collect();
        let name = match step.prefix.as_str() {
            "" => step.name.clone(),
            prefix => format!("{prefix}:{}", step.name),
        };
        if step.many {
            for element in list {
                let mut child = Node { many: true, ..Node::named(&name) };
                fill(&mut child, &below, element, &[]);
                node.children.push(child);
            }
        } else {
            let mut child = Node::named(&name);
            fill(&mut child, &below, values, list);
            if child != Node::named(&name) {
                node.children.push(child);
            }
        }
    }
}

/// The text of a row; a canonical word in the row's own codes.
fn text(reply: &Reply, values: &BTreeMap<&'static str, String>) -> Option<String> {
    let value = values.get(reply.meaning.as_str())?;
    let Some(codes) = reply.codes.as_ref().filter(|_| reply.meaning != "code") else {
        return Some(value.clone());
    };
    let code = |word: &str| codes.iter().find(|(known, _)| known == word).map(|it| it.1.clone());
    // A list without a word for the review speaks of acceptance.
    code(value).or_else(|| code("accepted"))
}

#[cfg(test)]
mod tests {
    use super::super::directory::Classes;
    use super::super::tree::Path;
    use super::*;

    fn reply(media: Media, path: &str, meaning: &str) -> Reply {
        Reply {
            place: Place::Body(Path::parse(media, path)),
            path: path.to_owned(),
            required: false,
            meaning: meaning.to_owned(),
            kind: "text".to_owned(),
            codes: (meaning == "row.verdict").then(|| vec![("passed".to_owned(), "1".to_owned())]),
        }
    }

    fn operation(media: Media, rows: &[(&str, &str)]) -> Operation {
        Operation {
            name: "rows.verdict".to_owned(),
            title: String::new(),
            table: String::new(),
            body: "message".to_owned(),
            compress: "none".to_owned(),
            needs: Vec::new(),
            outcomes: Classes::new(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            fields: Vec::new(),
            replies: rows.iter().map(|(path, meaning)| reply(media, path, meaning)).collect(),
            page: None,
            classes: Classes::new(),
        }
    }

    fn says() -> Says {
        let mut says = Says::default();
        says.set("code", "0");
        for key in ["a", "b<"] {
            says.list.push(BTreeMap::from([
                ("row.key", key.to_owned()),
                ("row.verdict", "passed".to_owned()),
            ]));
        }
        says
    }

    #[test]
    fn a_list_is_written_as_its_table_says() {
        let table = [("R/@c", "code"), ("R/L/V[]/@k", "row.key"), ("R/L/V[]/S", "row.verdict")];
        let operation = operation(Media::Xml, &table);
        let (body, _) = write(&operation, Media::Xml, &Spaces::new(), &says(), Some("New"));
        let body = String::from_utf8(body).unwrap();
        let expected =
            "<R c=\"0\"><L><V k=\"a\"><S>1</S></V><V k=\"b&lt;\"><S>1</S></V></L><New>1</New></R>";
        assert!(body.ends_with(expected), "{body}");
    }

    #[test]
    fn json_is_written_from_the_same_kind_of_table() {
        let table = [("code", "code"), ("data.list[].k", "row.key"), ("data.none", "upper_id")];
        let operation = operation(Media::Json, &table);
        let (body, _) = write(&operation, Media::Json, &Spaces::new(), &says(), None);
        let expected = r#"{"code":"0","data":{"list":[{"k":"a"},{"k":"b<"}]}}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
