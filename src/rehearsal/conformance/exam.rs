//! One run: what was learnt so far, how a request is made a numbered test, and what came of it.

use std::collections::BTreeMap;

use super::super::directory::{Directory, Field, Operation};
use super::client::{Answer, Client, Prepared, Turn, shown, told};
use super::compose::{Draft, Extent, columns, rows, rows_digest};
use super::words::{City, Subject};
use super::{Outcome, Titles};
use crate::clock::Clock;

/// The most tests of one run.
const MAX_TESTS: usize = 5_000;

/// What should come back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expect {
    /// Taken, with all that the reply's table demands.
    Accepted,
    /// Not taken.
    Refused,
    /// Not taken, or nothing of this name is there.
    Absent,
    /// It stands already.
    Exists,
    /// The sender is not believed, or the message is not taken.
    Doubted,
    /// Anything but taken.
    Anything,
    /// Any code that stands in a list.
    Classed,
}

impl Expect {
    fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Accepted => &["accepted"],
            Self::Refused => &["refused"],
            Self::Absent => &["absent", "refused"],
            Self::Exists => &["exists"],
            Self::Doubted => &["auth", "refused"],
            Self::Anything => &["refused", "absent", "auth"],
            Self::Classed => &["accepted", "absent", "refused"],
        }
    }

    pub(super) fn titles(self) -> Titles {
        let (zh, en) = match self {
            Self::Accepted => (
                "受理，且应答含应答表的必填项",
                "accepted, with all that the reply's table demands",
            ),
            Self::Refused => ("拒绝", "refused"),
            Self::Absent => ("答复查无此对象，或拒绝", "answered as absent, or refused"),
            Self::Exists => ("答复已存在", "answered as existing"),
            Self::Doubted => ("鉴权不通过，或拒绝", "not believed, or refused"),
            Self::Anything => ("不受理", "not accepted"),
            Self::Classed => ("答复标准所列的代码", "answered with a code of the standard's lists"),
        };
        Titles::new(zh, en)
    }
}

/// What a test is called, and what it rests on.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) slug: String,
    pub(super) titles: Titles,
    pub(super) basis: String,
    pub(super) expect: Expect,
}

impl Case {
    pub(super) fn new(slug: &str, zh: &str, en: &str, basis: String, expect: Expect) -> Self {
        Self { slug: slug.to_owned(), titles: Titles::new(zh, en), basis, expect }
    }
}

/// Where a field's rule stands.
pub(super) fn basis(of: &Operation, field: &Field) -> String {
    let clause = match field.clause.as_str() {
        "" => String::new(),
        clause => format!(", {clause}"),
    };
    format!("messages/{}.csv {} {}{clause}", of.table, field.row, field.path)
}

/// See the module.
pub(super) struct Exam<'a> {
    pub(super) directory: &'a Directory,
    pub(super) client: Client,
    pub(super) city: City,
    pub(super) clock: Clock,
    pub(super) seed: u64,
    /// Kind to the object of this run that stands above: the city's id and the platform's.
    pub(super) held: BTreeMap<String, (String, Option<String>)>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) progress: &'a mut dyn FnMut(&Outcome),
    count: u64,
}

impl<'a> Exam<'a> {
    pub(super) fn new(
        directory: &'a Directory,
        client: Client,
        city: City,
        (clock, seed): (Clock, u64),
        progress: &'a mut dyn FnMut(&Outcome),
    ) -> Self {
        let (held, outcomes) = (BTreeMap::new(), Vec::new());
        Self { directory, client, city, clock, seed, held, outcomes, progress, count: 0 }
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// The operation of this name, with its place.
    pub(super) fn operation(&self, name: &str) -> Option<(usize, &'a Operation)> {
        let mut operations = self.directory.operations.iter().enumerate();
        operations.find(|(_, operation)| operation.name == name)
    }

    /// An id of the city that was not used yet.
    pub(super) fn local(&mut self) -> String {
        let number = self.number();
        format!("CT{:06x}{number:05}", self.seed & 0xff_ffff)
    }

    /// A batch id that was not used yet.
    pub(super) fn batch(&mut self) -> String {
        let number = self.number();
        format!("{:016x}{number:016x}", self.seed)
    }

    /// A message's subject about a new object.
    pub(super) fn fresh(&mut self, kind: &str) -> Subject {
        let local = self.local();
        let batch = self.batch();
        let parents = self.held.iter().filter(|(of, _)| *of != kind);
        let parents = parents.filter_map(|(of, (_, upper))| Some((of.clone(), upper.clone()?)));
        Subject {
            kind: kind.to_owned(),
            parents: parents.collect(),
            dataset: format!("D-{local}"),
            local,
            batch,
            page: 1,
            size: 10,
            ..Subject::default()
        }
    }

    /// A subject about an object that stands above.
    pub(super) fn standing(&mut self, kind: &str) -> Subject {
        let mut subject = self.fresh(kind);
        if let Some((local, upper)) = self.held.get(kind) {
            subject.local.clone_from(local);
            subject.upper.clone_from(upper);
            subject.dataset = format!("D-{local}");
        }
        subject
    }

    /// The same again, as another message.
    pub(super) fn again(&mut self, subject: &Subject) -> Subject {
        Subject { batch: self.batch(), ..subject.clone() }
    }

    /// A batch of so many new rows for the resource that stands.
    pub(super) fn bundle(&mut self, action: &str, count: usize) -> Subject {
        let cells: Vec<(String, String)> =
            (0..count).map(|at| (self.local(), format!("行 {at}"))).collect();
        self.bundle_of(action, &cells)
    }

    /// A batch of these rows: key and text.
    pub(super) fn bundle_of(&mut self, action: &str, cells: &[(String, String)]) -> Subject {
        let mut subject = self.standing("resource");
        action.clone_into(&mut subject.action);
        subject.rows = rows(self.directory, action, cells);
        subject.digest = rows_digest(self.directory, &subject.rows);
        subject.columns = columns(self.directory, action);
        if let Some(upper) = subject.upper.clone() {
            subject.parents.insert("resource".to_owned(), upper);
        }
        subject
    }

    /// A message of an operation.
    pub(super) fn draft(&mut self, operation: usize, subject: Subject, extent: Extent) -> Draft {
        let number = self.number();
        self.city.now = self.clock.now();
        self.city.nonce = format!("ct{:08x}{number:08x}", self.seed & 0xffff_ffff);
        Draft::new(self.directory, operation, &self.city, subject, extent)
    }

    /// A draft as a request; the error is the test's.
    pub(super) fn prepared(&mut self, draft: &Draft, turn: &Turn) -> Result<Prepared, String> {
        self.client.prepare(self.directory, &self.city, draft, turn)
    }

    /// Sends a draft as a test.
    pub(super) async fn test(&mut self, of: &Operation, case: Case, draft: &Draft) -> Answer {
        match self.prepared(draft, &Turn::default()) {
            Ok(request) => self.test_request(of, case, &request).await,
            Err(problem) => {
                self.unsent(of, case, &problem);
                Answer { lost: Some(problem), ..Answer::default() }
            }
        }
    }

    /// Sends a request as a test.
    pub(super) async fn test_request(
        &mut self,
        of: &Operation,
        case: Case,
        request: &Prepared,
    ) -> Answer {
        let answer = self.client.send(of, self.directory, request).await;
        let fault = self.fault(of, &answer, case.expect);
        self.note(of, case, request, &answer, fault);
        answer
    }

    /// What is wrong with an answer; `None` is as expected.
    pub(super) fn fault(&self, of: &Operation, answer: &Answer, expect: Expect) -> Option<String> {
        if let Some(lost) = &answer.lost {
            return Some(format!("no answer: {lost}"));
        }
        let classes = expect.classes();
        let Some(class) = answer.class.as_deref() else {
            let has_any = classes.iter().any(|class| of.classes.contains_key(*class));
            // A class for which the standard has no code is said by the HTTP status alone.
            let by_status = matches!(answer.status, 400..=499) && answer.code.starts_with("http-");
            let unlisted = expect == Expect::Anything || !has_any;
            if by_status && unlisted && expect != Expect::Accepted {
                return None;
            }
            return Some(format!("code {} stands in no list of the standard", answer.code));
        };
        let has_none = !classes.iter().any(|class| of.classes.contains_key(*class));
        let fits = classes.contains(&class) || (has_none && class != "accepted");
        if !fits {
            return Some(format!("code {} means `{class}`", answer.code));
        }
        if class != "accepted" {
            return None;
        }
        let findings = answer.findings(of, self.directory);
        (!findings.is_empty()).then(|| findings.join("; "))
    }

    /// Writes a test down.
    pub(super) fn note(
        &mut self,
        of: &Operation,
        case: Case,
        request: &Prepared,
        answer: &Answer,
        fault: Option<String>,
    ) {
        let sent = told(request, &self.city.credentials);
        let came = match &answer.lost {
            Some(lost) => lost.clone(),
            None => {
                let body = shown(&answer.text, &self.city.credentials);
                format!("HTTP {} ({})\n\n{body}", answer.status, answer.code)
            }
        };
        self.push(of, case, sent, came, fault);
    }

    /// A test that could not be sent has failed.
    pub(super) fn unsent(&mut self, of: &Operation, case: Case, problem: &str) {
        self.push(of, case, String::new(), String::new(), Some(format!("not sent: {problem}")));
    }

    fn push(
        &mut self,
        of: &Operation,
        case: Case,
        sent: String,
        came: String,
        fault: Option<String>,
    ) {
        if self.outcomes.len() >= MAX_TESTS {
            return;
        }
        let outcome = Outcome {
            number: self.outcomes.len() + 1,
            name: format!("{}/{}", of.name, case.slug),
            operation: of.name.clone(),
            operation_title: of.title.clone(),
            title: case.titles,
            basis: case.basis,
            expected: case.expect.titles(),
            sent,
            came,
            fault,
        };
        (self.progress)(&outcome);
        self.outcomes.push(outcome);
    }
}
