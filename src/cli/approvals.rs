//! `approvals …`: what one person asked for and another has to approve of (审批).

use std::path::Path;

use clap::Subcommand;

use super::arguments::Format;
use super::audit::asked;
use super::show::View;
use super::text::Message;
use super::{Console, Trouble};
use crate::control::protocol::{ApprovalShown, OversightAnswer, OversightRequest};

/// `approvals …`.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// What waits for a second person (列出).
    List {
        /// What is over, too.
        #[arg(long)]
        all: bool,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Says yes: it is done once, as it was asked; never by who asked (批准).
    Approve {
        /// Its number.
        number: u64,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Says no (驳回).
    Decline {
        /// Its number.
        number: u64,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
}

/// Does what `approvals …` says.
pub(super) fn approvals(
    socket: &Path,
    it: &Approvals,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let (request, format) = match *it {
        Approvals::List { all, format } => (OversightRequest::Approvals { all }, format),
        Approvals::Approve { number, format } => (OversightRequest::Approve { number }, format),
        Approvals::Decline { number, format } => (OversightRequest::Decline { number }, format),
    };
    let answer = asked(socket, request, console)?;
    if format.json {
        return super::audit::json(&answer, console);
    }
    let text = console.view.oversight(&answer);
    console.data(&text);
    Ok(())
}

impl View {
    /// Approvals, newest first.
    pub(super) fn approvals(&self, all: &[ApprovalShown]) -> String {
        let head = [
            Message::Number,
            Message::State,
            Message::Act,
            Message::Person,
            Message::Asked,
            Message::Expires,
            Message::Decided,
            Message::Detail,
        ];
        let rows = all.iter().map(|it| {
            let named = |name: &str, uid: Option<u32>| {
                let uid = uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
                if name.is_empty() { uid } else { format!("{name} ({uid})") }
            };
            let decided = it.decided_by.as_deref().map(|name| named(name, it.decided_uid));
            let state = match &it.outcome {
                Some(outcome) if outcome != &it.state => format!("{}: {outcome}", it.state),
                Some(_) | None => it.state.clone(),
            };
            vec![
                it.number.to_string(),
                state,
                it.act.clone(),
                named(&it.person, it.uid),
                self.time(Some(it.asked_at)),
                self.time(Some(it.expires_at)),
                decided.unwrap_or_else(|| "-".to_owned()),
                it.detail.clone(),
            ]
        });
        self.table(&head, rows.collect(), &[0])
    }

    /// What was asked for and not done.
    pub(super) fn pending(&self, it: &ApprovalShown) -> String {
        let number = it.number.to_string();
        let until = self.time(Some(it.expires_at));
        self.say(Message::WaitsForApproval, &[&number, &until, &number]) + "\n"
    }

    /// An answer's approvals; nothing where it has none.
    pub(super) fn approved(&self, it: &OversightAnswer) -> String {
        match it {
            OversightAnswer::Approvals(all) => self.approvals(all),
            OversightAnswer::Decided(it) => self.approvals(std::slice::from_ref(it)),
            OversightAnswer::Pending(it) => self.pending(it),
            OversightAnswer::Whoami(_)
            | OversightAnswer::Acts(_)
            | OversightAnswer::Keys(_)
            | OversightAnswer::Proven(_) => String::new(),
        }
    }
}
