//! What a message must say by the standard's tables, judged by code of its own.
//!
//! Every finding names the path as the table writes it and what is wrong; none repeats a value.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{Context, SHA256};

use super::condition::Said;
use super::directory::{Directory, Field, Operation, Place, Required};
use super::tree::{Media, Node, Path, Spaces};

/// A request's parts after its body was opened.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) directory: &'a Directory,
    pub(super) operation: &'a Operation,
    pub(super) document: &'a Node,
    /// Names in lower case.
    pub(super) headers: &'a BTreeMap<String, String>,
    pub(super) query: &'a BTreeMap<String, String>,
    pub(super) url: BTreeMap<String, String>,
}

/// The most findings that are told.
const MAX_FINDINGS: usize = 20;

impl Message<'_> {
    fn spaces(&self) -> &Spaces {
        &self.directory.spaces
    }

    /// The first text of the field with this value.
    pub(super) fn value(&self, value: &str) -> Option<&str> {
        self.operation.fields.iter().filter(|field| field.value == value).find_map(|field| {
            self.texts(field, None).into_iter().find(|text| !text.trim().is_empty())
        })
    }

    /// The batch that the message is, or is about.
    pub(super) fn batch_id(&self) -> Option<&str> {
        self.value("batch.id").or_else(|| {
            let mut headers = self.directory.headers.iter();
            let (name, _) = headers.find(|(_, template)| template.as_str() == "{batch.id}")?;
            self.headers.get(&name.to_ascii_lowercase()).map(String::as_str)
        })
    }

    /// The canonical word of a coded field, or its text where it has no list.
    pub(super) fn word(&self, value: &str) -> Option<String> {
        let field = self.operation.field(value)?;
        let text = self.value(value)?;
        Some(match &field.codes {
            None => text.to_owned(),
            Some(codes) => codes.iter().find(|(_, code)| code == text)?.0.clone(),
        })
    }

    /// The rows' elements; `None` when their place is not there.
    pub(super) fn rows(&self, tag: &str) -> Option<&[Node]> {
        let Place::Body(path) = &self.operation.field("rows")?.place else { return None };
        let mut path = path.clone();
        if self.directory.media == Media::Json {
            // An array's elements stand under its name beside whatever else is there.
            let name = path.steps.pop()?.name;
            let around = path.nodes(self.document, self.spaces()).into_iter().next()?;
            let from = around.children.iter().position(|child| child.name == name)?;
            let rest = around.children.get(from..)?;
            let count = rest.iter().take_while(|child| child.name == name && child.many).count();
            return rest.get(..count);
        }
        // The table may name the container or the row in it.
        if path.steps.last().is_some_and(|step| step.many || step.name == tag) {
            path.steps.pop();
        }
        let container = path.nodes(self.document, self.spaces()).into_iter().next()?;
        Some(&container.children)
    }

    /// Texts of a field: in the whole message, or in one element of the list it belongs to.
    fn texts<'s>(&'s self, field: &Field, inside: Option<(&Path, &'s Node)>) -> Vec<&'s str> {
        let one = |text: Option<&'s String>| text.map(String::as_str).into_iter().collect();
        match (&field.place, inside) {
            (Place::Header(name), _) => one(self.headers.get(&name.to_ascii_lowercase())),
            (Place::Query(name), _) => one(self.query.get(name)),
            (Place::Url(name), _) => one(self.url.get(name)),
            (Place::Body(path), Some((list, element))) => match path.below(list) {
                Some(rest) => rest.texts(element, self.spaces()),
                None => path.texts(self.document, self.spaces()),
            },
            (Place::Body(path), None) => path.texts(self.document, self.spaces()),
        }
    }

    /// What the message says of a canonical word; see [`Said`].
    fn said(&self, word: &str, inside: Option<(&Path, &Node)>) -> Said {
        let joined = format!("{word} joined ");
        let field = self
            .operation
            .fields
            .iter()
            .find(|field| field.value == word || field.value.starts_with(&joined))?;
        let separator = field.value.strip_prefix(&joined).map(|rest| rest.trim_matches('"'));
        let mut words = Vec::new();
        for text in self.texts(field, inside).into_iter().filter(|text| !text.trim().is_empty()) {
            let parts: Vec<&str> = match separator {
                Some(separator) if !separator.is_empty() => text.split(separator).collect(),
                Some(_) | None => vec![text],
            };
            for part in parts {
                let known = field.codes.as_ref().and_then(|codes| {
                    codes.iter().find(|(_, code)| code == part).map(|(word, _)| word.clone())
                });
                words.push(known.unwrap_or_else(|| part.to_owned()));
            }
        }
        Some(words)
    }

    /// Everything wrong with the message, bounded.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for field in &self.operation.fields {
            match self.list_of(field) {
                None => self.judge(field, None, &mut findings),
                Some(list) => {
                    if !self.is_counted(&list) && list.nodes(self.document, self.spaces()).len() > 1
                    {
                        findings.push(format!("{}: is given more than once", field.path));
                    }
                    for element in list.nodes(self.document, self.spaces()) {
                        self.judge(field, Some((&list, element)), &mut findings);
                    }
                }
            }
        }
        self.unannounced(&mut findings);
        findings.truncate(MAX_FINDINGS);
        findings
    }

    /// The list whose elements the field belongs to; a list itself belongs to the list around it.
    fn list_of(&self, field: &Field) -> Option<Path> {
        let Place::Body(path) = &field.place else { return None };
        let mut around = path.clone();
        if around.attribute.is_none() && around.steps.last().is_some_and(|step| step.many) {
            around.steps.pop();
        }
        around.list()
    }

    /// Whether something says how many elements a list has; the array that a whole message is has
    /// one otherwise.
    fn is_counted(&self, list: &Path) -> bool {
        self.operation.fields.iter().any(|field| {
            let is_list = field.value == "rows" || field.value.starts_with("each ");
            is_list && matches!(&field.place, Place::Body(path) if path == list)
        })
    }

    fn judge(&self, field: &Field, inside: Option<(&Path, &Node)>, findings: &mut Vec<String>) {
        if findings.len() >= MAX_FINDINGS {
            return;
        }
        let said = |word: &str| self.said(word, inside);
        let wanted = field.when.as_ref().map_or(Some(true), |when| when.holds(&said));
        if field.value == "rows" || field.value.starts_with("each ") {
            if wanted == Some(true) && self.is_required(field, &said) && !self.stands(field, inside)
            {
                findings.push(format!("{}: is required", field.path));
            }
            return;
        }
        let texts: Vec<&str> = self.texts(field, inside);
        let filled: Vec<&&str> = texts.iter().filter(|text| !text.trim().is_empty()).collect();
        if filled.is_empty() {
            if wanted == Some(true) && self.is_required(field, &said) {
                findings.push(format!("{}: is required", field.path));
            }
            return;
        }
        // Where rows share a path, the first that is present is written.
        let shared = self.operation.fields.iter().filter(|it| it.path == field.path).count() > 1;
        if shared && wanted != Some(true) {
            return;
        }
        if wanted == Some(false) {
            findings.push(format!("{}: must not be given here", field.path));
            return;
        }
        if filled.len() > 1 && !matches!(&field.place, Place::Body(path) if many(path)) {
            findings.push(format!("{}: is given more than once", field.path));
        }
        for text in filled {
            if let Some(problem) = self.problem(field, text) {
                findings.push(format!("{}: {problem}", field.path));
            }
        }
    }

    fn is_required(&self, field: &Field, said: &dyn Fn(&str) -> Said) -> bool {
        match &field.required {
            Required::Always => true,
            Required::Never => false,
            Required::When(condition) => condition.holds(said) == Some(true),
        }
    }

    fn stands(&self, field: &Field, inside: Option<(&Path, &Node)>) -> bool {
        let Place::Body(path) = &field.place else { return false };
        match inside.and_then(|(list, element)| Some((path.below(list)?, element))) {
            Some((rest, element)) => !rest.nodes(element, self.spaces()).is_empty(),
            None => !path.nodes(self.document, self.spaces()).is_empty(),
        }
    }

    fn problem(&self, field: &Field, text: &str) -> Option<String> {
        let letters = text.chars().count();
        let (shortest, longest) = field.length;
        if letters < shortest || longest.is_some_and(|longest| letters > longest) {
            let longest = longest.map_or_else(String::new, |longest| longest.to_string());
            return Some(format!("has {letters} characters, {shortest}..{longest} are allowed"));
        }
        if let Some(codes) = &field.codes {
            let separator = field.value.split_once(" joined ").map(|it| it.1.trim_matches('"'));
            let parts: Vec<&str> = match separator {
                Some(separator) if !separator.is_empty() => text.split(separator).collect(),
                Some(_) | None => vec![text],
            };
            let known = |part: &&str| codes.iter().any(|(_, code)| code == *part);
            return (!parts.iter().all(known)).then(|| "is in no code list".to_owned());
        }
        if let Some(fixed) = field.value.strip_prefix("fixed ") {
            return (fixed.trim_matches('"') != text).then(|| "is not the fixed value".to_owned());
        }
        typed(field, text).err().map(str::to_owned)
    }

    /// Elements and attributes that stand in no row of the table.
    fn unannounced(&self, findings: &mut Vec<String>) {
        let mut known = BTreeSet::new();
        let mut open = BTreeSet::new();
        for field in &self.operation.fields {
            let Place::Body(path) = &field.place else { continue };
            let mut so_far = String::new();
            for step in &path.steps {
                so_far = format!("{so_far}/{}", step.name);
                known.insert(so_far.clone());
            }
            if let Some(attribute) = &path.attribute {
                known.insert(format!("{so_far}/@{attribute}"));
            }
            if field.value == "rows" || field.value.starts_with("embed ") {
                open.insert(so_far);
            }
        }
        strangers(self.document, "", &known, &open, findings);
    }

    /// SHA-256, in hexadecimal, of what the message says, without what each attempt says anew.
    pub(super) fn digest(&self) -> String {
        let mut left_out: Vec<(*const Node, Option<&str>)> = Vec::new();
        for field in &self.operation.fields {
            let Place::Body(path) = &field.place else { continue };
            if field.value.starts_with("attempt.") || field.value.starts_with("credential.") {
                for node in path.nodes(self.document, self.spaces()) {
                    left_out.push((std::ptr::from_ref(node), path.attribute.as_deref()));
                }
            }
        }
        let mut context = Context::new(&SHA256);
        feed(self.document, &left_out, &mut context);
        hex(context.finish().as_ref())
    }

    /// The fields as said: JSON, path to texts.
    pub(super) fn as_json(&self) -> String {
        let mut said = serde_json::Map::new();
        for field in &self.operation.fields {
            let texts = self.texts(field, None);
            let is_slot = ["attempt.", "credential."].iter().any(|it| field.value.starts_with(it));
            if !texts.is_empty() && !is_slot {
                let texts = texts.into_iter().map(|text| text.to_owned().into()).collect();
                said.insert(field.path.clone(), serde_json::Value::Array(texts));
            }
        }
        serde_json::Value::Object(said).to_string()
    }
}

fn many(path: &Path) -> bool {
    path.steps.iter().any(|step| step.many)
}

/// Whether the text is of the field's type.
fn typed(field: &Field, text: &str) -> Result<(), &'static str> {
    match field.kind.as_str() {
        "integer" => text.parse::<i64>().map(|_| ()).map_err(|_error| "is no whole number"),
        "decimal" | "number" => {
            let plain = text.strip_prefix('-').unwrap_or(text);
            let digits = plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let once = plain.matches('.').count() <= 1
                && plain.starts_with(|it: char| it.is_ascii_digit());
            if digits && once { Ok(()) } else { Err("is no number") }
        }
        "time" | "date" if matches!(field.format.as_str(), "ms" | "s") => {
            text.parse::<i64>().map(|_| ()).map_err(|_error| "is no count since 1970")
        }
        "time" | "date" if !field.format.is_empty() => {
            jiff::fmt::strtime::parse(&field.format, text)
                .map(|_| ())
                .map_err(|_error| "is no time in this format")
        }
        "boolean" if !matches!(text, "true" | "false") => Err("is neither true nor false"),
        "uscc" => {
            let letters = "0123456789ABCDEFGHJKLMNPQRTUWXY";
            let allowed = text.len() == 18 && text.chars().all(|letter| letters.contains(letter));
            if allowed { Ok(()) } else { Err("is no unified social credit code") }
        }
        _ => Ok(()),
    }
}

fn strangers(
    node: &Node,
    path: &str,
    known: &BTreeSet<String>,
    open: &BTreeSet<String>,
    findings: &mut Vec<String>,
) {
    if open.contains(path) || findings.len() >= MAX_FINDINGS {
        return;
    }
    for (name, _) in &node.attributes {
        if !known.contains(&format!("{path}/@{name}")) {
            findings.push(format!("{path}/@{name}: stands in no table"));
        }
    }
    for child in &node.children {
        let path = format!("{path}/{}", child.name);
        if known.contains(&path) {
            strangers(child, &path, known, open, findings);
        } else {
            findings.push(format!("{path}: stands in no table"));
        }
    }
}

fn feed(node: &Node, left_out: &[(*const Node, Option<&str>)], context: &mut Context) {
    let this = std::ptr::from_ref(node);
    if left_out.contains(&(this, None)) {
        return;
    }
    let mut part = |mark: u8, text: &str| {
        context.update(&[mark]);
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    };
    part(b'<', &node.name);
    for (name, value) in &node.attributes {
        if !left_out.contains(&(this, Some(name.as_str()))) {
            part(b'@', name);
            part(b'=', value);
        }
    }
    if let Some(text) = &node.text {
        part(b't', text);
    }
    for child in &node.children {
        feed(child, left_out, context);
    }
    context.update(b">");
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
