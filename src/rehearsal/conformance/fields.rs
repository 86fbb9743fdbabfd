//! What every field of a message's table gives to be tried.

use std::collections::BTreeMap;

use super::super::directory::{Field, Operation, Place, Required};
use super::compose::{Draft, Extent};
use super::exam::{Case, Exam, Expect, basis};
use super::words::{self, Subject};

/// What a field's tests are about.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// A new object each time.
    New(String),
    /// The same subject as another message each time.
    Same(Box<Subject>),
    /// This very batch, which was taken.
    Taken(Box<Subject>),
    /// A batch of new rows each time.
    Rows(String),
}

/// Texts longer than this are not tried.
const MAX_LENGTH: usize = 20_000;
/// The most codes of one list that are tried one by one.
const MAX_CODES: usize = 20;
/// An id that nothing has.
pub(super) const NOBODY: &str = "CTNOSUCHOBJECT";

impl Exam<'_> {
    fn about(&mut self, about: &About) -> Subject {
        match about {
            About::New(kind) => self.fresh(kind),
            About::Same(subject) => self.again(subject),
            About::Taken(subject) => (**subject).clone(),
            About::Rows(action) => self.bundle(action, 1),
        }
    }

    /// Every test that the fields of an operation's table give.
    pub(super) async fn fields(&mut self, at: usize, of: &Operation, about: &About) {
        if of.fields.iter().any(|field| field.required == Required::Never) {
            let subject = self.about(about);
            let draft = self.draft(at, subject, Extent::Least);
            let table = format!("messages/{}.csv", of.table);
            let zh = "只含必填项的报文";
            let case = Case::new(
                "least",
                zh,
                "a message of required fields alone",
                table,
                Expect::Accepted,
            );
            if !matches!(about, About::Same(_)) || !of.name.ends_with(".cancel") {
                self.test(of, case, &draft).await;
            }
        }
        for (number, field) in of.fields.iter().enumerate() {
            let trial = Trial { at, of, field, number, about };
            self.missing(&trial).await;
            self.misplaced(&trial).await;
            self.texts(&trial).await;
            if of.name.ends_with(".register") {
                self.taken(&trial).await;
            }
        }
    }

    /// A message in which the field stands, in the last element where it is in a list.
    fn present(&mut self, trial: &Trial<'_>) -> Option<Draft> {
        let mut choices = BTreeMap::new();
        let required = match &trial.field.required {
            Required::When(condition) => Some(condition),
            Required::Always | Required::Never => None,
        };
        for condition in trial.field.when.iter().chain(required) {
            choices.extend(words::choices(trial.of, condition, true)?);
        }
        let mut subject = self.about(trial.about);
        subject.choices.extend(choices);
        let draft = self.draft(trial.at, subject, Extent::Full);
        let holds = draft.leaf(trial.number).is_some() || trial.field.value.starts_with("each ");
        holds.then_some(draft)
    }

    async fn missing(&mut self, trial: &Trial<'_>) {
        let of = trial.of;
        let is_judged = match &trial.field.required {
            Required::Always => true,
            Required::Never => false,
            Required::When(condition) => words::is_shown(of, condition),
        };
        let is_shown = trial.field.when.iter().all(|when| words::is_shown(of, when));
        let is_shared = of.fields.iter().filter(|it| it.path == trial.field.path).count() > 1;
        if !is_judged || !is_shown || is_shared || matches!(trial.field.place, Place::Url(_)) {
            return;
        }
        let Some(draft) = self.present(trial) else { return };
        let case = trial.case("missing", ("缺少必填项", "is required and missing"), trial.doubt());
        self.test(of, case, &draft.without(of, trial.number)).await;
    }

    /// The field stands where its condition forbids it.
    async fn misplaced(&mut self, trial: &Trial<'_>) {
        let of = trial.of;
        let Some(when) = trial.field.when.as_ref().filter(|when| words::is_shown(of, when)) else {
            return;
        };
        let is_shared = of.fields.iter().filter(|it| it.path == trial.field.path).count() > 1;
        let Some(choices) = words::choices(of, when, false).filter(|_| !is_shared) else { return };
        let Some(there) = self.present(trial) else { return };
        let text = there.leaf(trial.number).map(|leaf| leaf.text.clone()).unwrap_or_default();
        let mut subject = self.about(trial.about);
        subject.choices.extend(choices);
        let draft = self.draft(trial.at, subject, Extent::Full);
        if draft.leaf(trial.number).is_none() {
            let case = trial.case(
                "misplaced",
                ("条件不符时给出", "is given against its condition"),
                Expect::Refused,
            );
            self.test(of, case, &draft.with(of, trial.number, &text)).await;
        }
    }

    /// Texts that the field's length, type, list or reference forbids.
    async fn texts(&mut self, trial: &Trial<'_>) {
        let is_nest = trial.field.value.starts_with("each ") || trial.field.value == "rows";
        if is_nest || matches!(trial.field.place, Place::Url(_)) {
            return;
        }
        let Some(draft) = self.present_or_parent(trial) else { return };
        let text = draft.leaf(trial.number).map(|leaf| leaf.text.clone()).unwrap_or_default();
        for (slug, said, wrong) in trial.wrong(&text) {
            let subject =
                Subject { choices: draft.subject.choices.clone(), ..self.about(trial.about) };
            let draft = self.draft(trial.at, subject, Extent::Full);
            let expect = match slug {
                "unknown" => Expect::Absent,
                _ => trial.doubt(),
            };
            let case = trial.case(slug, said, expect);
            self.test(trial.of, case, &draft.with(trial.of, trial.number, &wrong)).await;
        }
    }

    /// As [`Exam::present`]; a parent in a tree is tried although a root has none.
    fn present_or_parent(&mut self, trial: &Trial<'_>) -> Option<Draft> {
        let draft = self.present(trial);
        if draft.is_some() || !trial.field.value.starts_with("upper.") {
            return draft;
        }
        let subject = self.about(trial.about);
        Some(self.draft(trial.at, subject, Extent::Full))
    }

    /// What the field's table allows and a platform may forget to take.
    async fn taken(&mut self, trial: &Trial<'_>) {
        let (of, field) = (trial.of, trial.field);
        if field.when.is_some()
            && field.required != Required::Never
            && let Some(draft) = self.present(trial)
        {
            let case = trial.case(
                "given",
                ("条件成立时给出", "is given under its condition"),
                Expect::Accepted,
            );
            self.test(of, case, &draft).await;
        }
        if let Some(parent) = field.value.strip_prefix("upper.")
            && let Some((_, Some(upper))) = self.held.get(parent).cloned()
            && of.name.starts_with(&format!("{parent}."))
        {
            let mut subject = self.about(trial.about);
            subject.parents.insert(parent.to_owned(), upper);
            let parent = format!("{parent}.parent");
            subject.choices.insert(parent, vec!["parent".to_owned()]);
            let draft = self.draft(trial.at, subject, Extent::Full);
            let case = trial.case(
                "child",
                ("挂在上级节点之下", "stands below its parent"),
                Expect::Accepted,
            );
            self.test(of, case, &draft).await;
        }
        if let Some(longest) = trial.free_length()
            && let Some(draft) = self.present(trial)
        {
            let case = trial.case(
                "longest",
                ("按字符计的最大长度", "has as many characters as allowed"),
                Expect::Accepted,
            );
            self.test(of, case, &draft.with(of, trial.number, &"界".repeat(longest))).await;
        }
        self.codes(trial).await;
    }

    /// Every code of a list but the usual one.
    async fn codes(&mut self, trial: &Trial<'_>) {
        let word = trial.word();
        let ours = ["object.", "inventory.", "batch."];
        let Some(codes) = trial.field.codes.clone() else { return };
        if ours.iter().any(|start| word.starts_with(start)) || trial.field.when.is_some() {
            return;
        }
        let Some(usual) = self.present(trial) else { return };
        let usual = usual.leaf(trial.number).map(|leaf| leaf.text.clone());
        let others =
            codes.iter().filter(|(_, code)| !code.is_empty() && Some(code) != usual.as_ref());
        for (known, code) in others.take(MAX_CODES) {
            let mut subject = self.about(trial.about);
            subject.choices.insert(word.clone(), vec![known.clone()]);
            let draft = self.draft(trial.at, subject, Extent::Full);
            let (zh, en) = (format!("取代码 {code}"), format!("has the code {code}"));
            let case = trial.case(&format!("code-{code}"), (&zh, &en), Expect::Accepted);
            self.test(trial.of, case, &draft).await;
        }
    }
}

/// A field that is tried.
struct Trial<'t> {
    at: usize,
    of: &'t Operation,
    field: &'t Field,
    /// Its place among the operation's fields.
    number: usize,
    about: &'t About,
}

impl Trial<'_> {
    fn case(&self, slug: &str, (zh, en): (&str, &str), expect: Expect) -> Case {
        let (path, title) = (&self.field.path, &self.field.title);
        let named = if title.is_empty() { path.clone() } else { format!("{title} {path}") };
        let slug = format!("{slug}/{path}");
        let (zh, en) = (format!("{named}：{zh}"), format!("{path} {en}"));
        Case::new(&slug, &zh, &en, basis(self.of, self.field), expect)
    }

    /// A field of the attempt may belong to the proof.
    fn doubt(&self) -> Expect {
        let starts = ["attempt.", "credential."];
        match starts.iter().any(|start| self.field.value.starts_with(start)) {
            true => Expect::Doubted,
            false => Expect::Refused,
        }
    }

    /// The canonical word behind the field.
    fn word(&self) -> String {
        let value = self.field.value.split(" joined ").next().unwrap_or_default();
        words::canonical_name(value.trim())
    }

    /// The longest text, where the field is free text.
    fn free_length(&self) -> Option<usize> {
        let word = self.word();
        let endings = ["title", "summary", "condition", "_text", "reason"];
        let is_free =
            endings.iter().any(|ending| word.ends_with(ending)) || word.contains("supplied.");
        let plain = self.field.codes.is_none() && matches!(self.field.kind.as_str(), "text" | "");
        let longest = self.field.length.1.filter(|longest| *longest <= MAX_LENGTH)?;
        (is_free && plain).then_some(longest)
    }

    /// Wrong texts for the field: a name, words about it, and the text.
    fn wrong(&self, right: &str) -> Vec<(&'static str, (&'static str, &'static str), String)> {
        let field = self.field;
        let mut found = Vec::new();
        if field.codes.is_some() {
            found.push((
                "code",
                ("取值不在代码表内", "has a code outside its list"),
                "ZZ9".to_owned(),
            ));
            return found;
        }
        if field.value.starts_with("fixed ") {
            found.push(("fixed", ("不是固定值", "is not the fixed value"), format!("not {right}")));
            return found;
        }
        if field.value.starts_with("upper.") {
            found.push((
                "unknown",
                ("上级编号不存在", "names a parent that is not there"),
                NOBODY.to_owned(),
            ));
        }
        let (least, most) = field.length;
        let is_time = !field.format.is_empty();
        if let Some(most) = most.filter(|most| *most <= MAX_LENGTH && !is_time) {
            let filler = if field.kind == "integer" { "1" } else { "X" };
            let missing = (most + 1).saturating_sub(right.chars().count());
            let long = format!("{right}{}", filler.repeat(missing));
            found.push(("long", ("超长", "is too long"), long));
        }
        if least > 1 && !is_time {
            let short = right.chars().take(least - 1).collect();
            found.push(("short", ("过短", "is too short"), short));
        }
        let typed = match field.kind.as_str() {
            "integer" => Some("12a".to_owned()),
            "decimal" | "number" => Some("1.2.3".to_owned()),
            "boolean" => Some("maybe".to_owned()),
            "uscc" => Some(format!("1I{}", right.chars().skip(2).collect::<String>())),
            "time" | "date" if is_time => Some("昨天".to_owned()),
            _ => None,
        };
        found.extend(
            typed.map(|wrong| ("type", ("类型或格式不符", "is not of its type or format"), wrong)),
        );
        found
    }
}
