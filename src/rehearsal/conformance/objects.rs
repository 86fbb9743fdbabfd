//! Objects of the catalogue: registered, said again, changed, asked about and cancelled.

use super::super::directory::{Operation, Place};
use super::client::{Answer, Turn};
use super::compose::Extent;
use super::exam::{Case, Exam, Expect};
use super::fields::{About, NOBODY};
use super::words::Subject;

/// Kinds in an order in which parents come first.
fn order(operations: &[Operation]) -> Vec<String> {
    let registers = || operations.iter().filter_map(|of| Some((of, of.name.split_once('.')?)));
    let known = ["register", "modify", "cancel", "state"];
    let mut left: Vec<&str> = Vec::new();
    for (_, (kind, verb)) in registers() {
        let is_object = !["rows", "batch", "inventory"].contains(&kind) && known.contains(&verb);
        if is_object && !left.contains(&kind) {
            left.push(kind);
        }
    }
    let needs = |kind: &str| -> Vec<String> {
        let of = registers().find(|(_, (known, verb))| *known == kind && *verb == "register");
        of.map(|(of, _)| of.needs.clone()).unwrap_or_default()
    };
    let mut sorted: Vec<String> = Vec::new();
    while !left.is_empty() {
        let ready = left.iter().position(|kind| {
            let waits = |need: &String| need != kind && left.contains(&need.as_str());
            !needs(kind).iter().any(waits)
        });
        // A circle is the standard's mistake; its operations are tried in any order.
        sorted.push(left.remove(ready.unwrap_or(0)).to_owned());
    }
    sorted
}

impl Exam<'_> {
    /// Everything about objects but their end.
    pub(super) async fn objects(&mut self) {
        for kind in order(&self.directory.operations) {
            self.registered(&kind).await;
            self.changed(&kind).await;
            self.asked(&kind).await;
        }
    }

    /// Whether the platform is told which message this is.
    pub(super) fn has_batch_id(&self, of: &Operation) -> bool {
        of.field("batch.id").is_some()
            || self.directory.headers.values().any(|template| template.contains("{batch.id}"))
    }

    async fn registered(&mut self, kind: &str) {
        let Some((at, of)) = self.operation(&format!("{kind}.register")) else { return };
        let table = format!("messages/{}.csv", of.table);
        let subject = self.fresh(kind);
        let draft = self.draft(at, subject.clone(), Extent::Full);
        let case = Case::new(
            "valid",
            "按表齐全的报文",
            "a message with all its fields",
            table.clone(),
            Expect::Accepted,
        );
        let answer = self.test(of, case, &draft).await;
        let upper = answer.value(of, self.directory, "upper_id");
        if answer.class.as_deref() == Some("accepted") {
            self.held.insert(kind.to_owned(), (subject.local.clone(), upper.clone()));
        }
        self.fields(at, of, &About::New(kind.to_owned())).await;
        let again = self.again(&subject);
        let draft = self.draft(at, again, Extent::Full);
        let has_code = of.code("exists").is_some();
        let expect = if has_code { Expect::Exists } else { Expect::Classed };
        let case = Case::new(
            "again",
            "同一对象再次登记",
            "the same object once more",
            "standard.toml [reply] exists".to_owned(),
            expect,
        );
        self.same(of, case, draft, ("upper_id", upper.as_ref())).await;
        if !self.has_batch_id(of) {
            return;
        }
        let batch = "standard.toml batch.id".to_owned();
        let draft = self.draft(at, subject.clone(), Extent::Full);
        let case = Case::new(
            "repeat",
            "同一批次号、同样内容重发",
            "the same message id with the same content",
            batch.clone(),
            Expect::Accepted,
        );
        self.same(of, case, draft, ("upper_id", upper.as_ref())).await;
        let other = Subject { batch: subject.batch.clone(), ..self.fresh(kind) };
        let draft = self.draft(at, other, Extent::Full);
        let case = Case::new(
            "reused",
            "同一批次号、另一内容",
            "the same message id with another content",
            batch,
            Expect::Refused,
        );
        self.test(of, case, &draft).await;
    }

    /// Sends a draft as a test whose answer must say the same as one before.
    pub(super) async fn same(
        &mut self,
        of: &Operation,
        case: Case,
        draft: super::compose::Draft,
        (meaning, before): (&str, Option<&String>),
    ) -> Answer {
        let request = match self.prepared(&draft, &Turn::default()) {
            Ok(request) => request,
            Err(problem) => {
                self.unsent(of, case, &problem);
                return Answer::default();
            }
        };
        let answer = self.client.send(of, self.directory, &request).await;
        let said = answer.value(of, self.directory, meaning);
        let differs = before.is_some() && said.is_some() && said.as_ref() != before;
        let other = differs.then(|| format!("{meaning} is another one than before"));
        let fault = self.fault(of, &answer, case.expect).or(other);
        self.note(of, case, &request, &answer, fault);
        answer
    }

    async fn changed(&mut self, kind: &str) {
        let Some((at, of)) = self.operation(&format!("{kind}.modify")) else { return };
        let subject = self.standing(kind);
        let draft = self.draft(at, subject.clone(), Extent::Full);
        let table = format!("messages/{}.csv", of.table);
        let case = Case::new(
            "valid",
            "变更已登记的对象",
            "a registered object changes",
            table,
            Expect::Accepted,
        );
        self.test(of, case, &draft).await;
        self.fields(at, of, &About::Same(Box::new(subject))).await;
        self.unknown(at, of, kind).await;
    }

    async fn asked(&mut self, kind: &str) {
        let Some((at, of)) = self.operation(&format!("{kind}.state")) else { return };
        let subject = self.standing(kind);
        let draft = self.draft(at, subject.clone(), Extent::Full);
        let table = format!("messages/{}.csv", of.table);
        let case = Case::new(
            "valid",
            "查询已登记对象的状态",
            "the state of a registered object",
            table,
            Expect::Accepted,
        );
        self.test(of, case, &draft).await;
        self.fields(at, of, &About::Same(Box::new(subject))).await;
        self.unknown(at, of, kind).await;
    }

    /// An object that the platform does not hold.
    async fn unknown(&mut self, at: usize, of: &Operation, kind: &str) {
        let subject = Subject { upper: Some(NOBODY.to_owned()), ..self.fresh(kind) };
        let draft = self.draft(at, subject, Extent::Full);
        let basis = match of.field("link.upper_id") {
            Some(field) => super::exam::basis(of, field),
            None => format!("messages/{}.csv", of.table),
        };
        let case =
            Case::new("nobody", "对象不存在", "an object that is not there", basis, Expect::Absent);
        self.test(of, case, &draft).await;
    }

    /// The end of objects: children first.
    pub(super) async fn endings(&mut self) {
        for kind in order(&self.directory.operations).into_iter().rev() {
            let Some((at, of)) = self.operation(&format!("{kind}.cancel")) else { continue };
            let victim = self.victim(&kind).await;
            self.fields(at, of, &About::Same(Box::new(victim.clone()))).await;
            self.unknown(at, of, &kind).await;
            let subject = self.again(&victim);
            let draft = self.draft(at, subject, Extent::Full);
            let table = format!("messages/{}.csv", of.table);
            let case = Case::new(
                "valid",
                "注销已登记的对象",
                "a registered object is cancelled",
                table,
                Expect::Accepted,
            );
            self.test(of, case, &draft).await;
            self.gone(&kind, &victim).await;
        }
    }

    /// A new object that nothing hangs on.
    async fn victim(&mut self, kind: &str) -> Subject {
        let mut subject = self.fresh(kind);
        let Some((at, of)) = self.operation(&format!("{kind}.register")) else {
            return self.standing(kind);
        };
        let draft = self.draft(at, subject.clone(), Extent::Full);
        if let Ok(request) = self.prepared(&draft, &Turn::default()) {
            let answer = self.client.send(of, self.directory, &request).await;
            subject.upper = answer.value(of, self.directory, "upper_id");
        }
        subject
    }

    /// After its cancellation an object is absent or withdrawn.
    async fn gone(&mut self, kind: &str, victim: &Subject) {
        let Some((at, of)) = self.operation(&format!("{kind}.state")) else { return };
        let says_state = of.replies.iter().any(|row| {
            row.meaning == "state"
                && row.codes.iter().flatten().any(|(word, _)| word == "withdrawn")
        });
        if !says_state {
            return;
        }
        let subject = self.again(victim);
        let draft = self.draft(at, subject, Extent::Full);
        let table = "replies: state withdrawn".to_owned();
        let case = Case::new(
            "gone",
            "注销后的状态",
            "its state after it was cancelled",
            table,
            Expect::Classed,
        );
        let Ok(request) = self.prepared(&draft, &Turn::default()) else { return };
        let answer = self.client.send(of, self.directory, &request).await;
        let state = answer.value(of, self.directory, "state");
        let stands =
            answer.class.as_deref() == Some("accepted") && state.as_deref() != Some("withdrawn");
        let still = stands.then(|| "the object still stands".to_owned());
        let fault = self.fault(of, &answer, case.expect).or(still);
        self.note(of, case, &request, &answer, fault);
    }
}

/// Whether the operation's message has a body.
pub(super) fn has_body(of: &Operation) -> bool {
    of.body != "none" && of.fields.iter().any(|field| matches!(field.place, Place::Body(_)))
}
