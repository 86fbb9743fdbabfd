//! A cascade standard as data (级联标准): load a directory of tables, compile it, build messages
//! from it, read replies by it.
//!
//! No field name, path or code of any standard stands in this code; all of them are in the
//! directory. The raw layer is [`Tables`], the compiled one [`Standard`]. How a directory is
//! written is told to integrators in `config/standards/README.md`; a test holds that page to what
//! is accepted here.

mod answer;
mod attempt;
mod build;
mod cases;
mod check;
mod condition;
mod counts;
mod files;
mod folders;
mod inspect;
mod load;
mod message;
mod operation;
mod problem;
mod prove;
mod reading;
mod renumber;
mod reply;
mod rows;
mod sample;
mod scope;
pub mod settings;
mod tables;
mod take;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod vocabulary;

pub use answer::{Answer, Says};
pub use attempt::{AttemptFacts, Covered, TEMPLATE_WORDS, covered, fill_template, word};
pub use build::Parameter;
pub use cases::{CaseSaid, Opening};
pub use counts::CountSaid;
pub use files::{Files, FilesError, MAX_FILE_BYTES, MAX_FILES, digest, files};
pub use folders::TEMPLATE;
pub use inspect::{Asked, SuppliedField};
pub use load::load;
pub use message::{FIELD_TYPES, PLACES};
pub use operation::{OTHER_OPERATIONS, Operation, VERBS, operation_names};
pub use problem::{Code, Lack, LackRule, Problem};
pub use reading::{Drift, Held, HttpAnswer, PageReading, Reading, RowJudgement};
pub use renumber::{UPPER_IDS_COLUMNS, UPPER_IDS_FILE, UpperIds};
pub use reply::{meanings, retry_after};
pub use rows::RowLayout;
pub use sample::Negative;
pub use scope::{BatchScope, PageScope, Scope};
pub use settings::{Class, Settings};
pub use tables::{
    BASES, CODE_COLUMNS, CodeRow, FieldRow, MAX_ROWS, MESSAGE_COLUMNS, REPLY_COLUMNS, ReplyRow,
    Tables, tables,
};
pub use take::{Outside, Said, read_time};
pub use value::{VALUE_FORMS, value_words};

use crate::catalogue::Kind;
use crate::delivery::{DigestSha256, Outcome, StandardId};
use crate::wire::{Document, Media, Namespaces, Payload};

/// A standard, loaded and proven. Cheap to share behind an `Arc`; nothing in it changes.
#[derive(Clone, Debug)]
pub struct Standard {
    id: StandardId,
    digest: DigestSha256,
    media: Media,
    namespaces: Namespaces,
    order: Vec<Kind>,
    operations: Vec<Operation>,
    tables: Tables,
}

/// A message, built: its body with slots, and what stands outside it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// The body; empty for an operation without one.
    pub payload: Payload,
    /// Headers, query and path values of the message's table.
    pub parameters: Vec<Parameter>,
}

impl Standard {
    /// `id/version`.
    pub fn id(&self) -> &StandardId {
        &self.id
    }

    /// The digest of the directory's files: an edited directory is another standard.
    pub fn digest(&self) -> &DigestSha256 {
        &self.digest
    }

    /// The tables as written.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// `standard.toml`.
    pub fn settings(&self) -> &Settings {
        &self.tables.settings
    }

    /// The limits of its requests and replies.
    pub fn limits(&self) -> &settings::Limits {
        &self.settings().limits
    }

    /// After which waiting is overdue.
    pub fn deadlines(&self) -> &settings::Deadlines {
        &self.settings().deadlines
    }

    /// What messages and replies are written in.
    pub fn media(&self) -> Media {
        self.media
    }

    /// The namespaces of its paths.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// The kinds that can be registered, parents first.
    pub fn order(&self) -> &[Kind] {
        &self.order
    }

    /// Every operation in the file's order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation with this name; `None` is a gap of the standard.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// The same where nothing ever comes back: what is sent is placed, and only our own journal is
    /// asked about it.
    pub fn one_way(&self) -> Self {
        let mut other = self.clone();
        other.operations.retain(|it| !it.is_question() || it.name == "batch.receipt");
        other.operations.iter_mut().for_each(|it| it.evidence = crate::delivery::Evidence::Placed);
        other
    }

    /// Builds the message of an operation. Every lack at once; a lack is a local rejection.
    pub fn build(&self, operation: &str, scope: &Scope<'_>) -> Result<Message, Vec<Lack>> {
        let operation = self.operation(operation).ok_or_else(|| vec![gap(operation)])?;
        let Some(message) = &operation.message else { return Ok(Message::default()) };
        let mut scope = scope.clone();
        scope.page.size = scope.page.size.or(operation.page.as_ref().map(|page| page.size));
        let (filled, lacks) = build::fill(message, &scope, &self.settings().zone);
        if !lacks.is_empty() {
            return Err(lacks);
        }
        Ok(Message {
            payload: build::body(message, &filled, scope.batch.encoded)?,
            parameters: build::parameters(message, &filled),
        })
    }

    /// What a message lacks, without building it: for `standard check`.
    pub fn lacks(&self, operation: &str, scope: &Scope<'_>) -> Vec<Lack> {
        match self.operation(operation) {
            None => vec![gap(operation)],
            Some(operation) => operation.message.as_ref().map_or_else(Vec::new, |message| {
                build::fill(message, scope, &self.settings().zone).1
            }),
        }
    }

    /// A made-up message of an operation, as proven when the standard was loaded.
    pub fn sample(&self, operation: &str) -> Option<Message> {
        let operation = self.operation(operation)?;
        let message = operation.message.as_ref()?;
        let rows = prove::sample_rows(self, operation).ok()?;
        let made = sample::Made::new(message, &[], &rows);
        let (filled, _lacks) = build::fill(message, &made, &self.settings().zone);
        Some(Message {
            payload: build::body(message, &filled, &rows).ok()?,
            parameters: build::parameters(message, &filled),
        })
    }

    /// Made-up messages that each break one rule of the operation's table.
    pub fn negatives(&self, operation: &str) -> Vec<Negative> {
        let Some(operation) = self.operation(operation) else { return Vec::new() };
        let Some(message) = &operation.message else { return Vec::new() };
        let rows = prove::sample_rows(self, operation).unwrap_or_default();
        sample::negatives(message, &self.settings().zone, &rows)
    }

    /// Checks a message that was read back by the rules of its own table.
    pub fn check(&self, operation: &str, document: &Document) -> Vec<Lack> {
        match self.operation(operation).and_then(|operation| operation.message.as_ref()) {
            Some(message) => check::check(message, document),
            None => vec![gap(operation)],
        }
    }

    /// Reads a reply. `document` is `None` where the body was empty or could not be read.
    pub fn read_reply(
        &self,
        operation: &str,
        http: &HttpAnswer<'_>,
        document: Option<&Document>,
    ) -> Reading {
        match self.operation(operation) {
            Some(operation) => operation.reply.read(http, document),
            None => {
                let code = "no-such-operation".to_owned();
                Reading::new(Outcome::Unlisted { code: code.clone() }, code)
            }
        }
    }
}

fn gap(operation: &str) -> Lack {
    Lack {
        path: operation.to_owned(),
        title: String::new(),
        rule: LackRule::Operation,
        clause: String::new(),
        value: String::new(),
    }
}
