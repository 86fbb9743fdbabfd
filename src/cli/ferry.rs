//! `ferry …`: what crosses a gap as files (网闸摆渡).

use clap::Subcommand;

use super::arguments::Format;
use super::show::View;
use super::table::{count, printable, table};
use super::text::Message;
use crate::control::protocol::{
    FerryAnswer, FerryNumbers, FerryRequest, FerryShown, FerryWord, Request,
};

/// `ferry …`.
#[derive(Debug, Subcommand)]
pub enum Ferry {
    /// How every ferry stands: sent, acted on, missed, waiting (摆渡状态).
    List(Format),
    /// Puts what was sent down again, byte for byte (重放).
    Again {
        /// Which ferry.
        ferry: String,
        /// A number, or the first and the last: 17 or 17..20.
        #[arg(value_parser = numbers)]
        numbers: (u64, u64),
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Passes over numbers that will never come (跳号).
    Skip {
        /// Which ferry.
        ferry: String,
        /// A number, or the first and the last: 17 or 17..20.
        #[arg(value_parser = numbers)]
        numbers: (u64, u64),
        /// Why; it goes into the record of acts.
        #[arg(long)]
        reason: String,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// The other side began anew, and that is right (认可对端).
    Accept {
        /// Which ferry.
        ferry: String,
        /// Its incarnation, as `ferry list` tells it.
        incarnation: String,
        /// Why; it goes into the record of acts.
        #[arg(long)]
        reason: String,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Begins anew under numbers of our own, after this machine was set back (重新起号).
    Anew {
        /// Which ferry.
        ferry: String,
        /// Why; it goes into the record of acts.
        #[arg(long)]
        reason: String,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
}

/// `17` or `17..20`.
fn numbers(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|it| *it > 0);
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let range = number(from).zip(number(to)).filter(|(from, to)| from <= to);
    range.ok_or_else(|| "write a number, or two as 17..20".to_owned())
}

impl Ferry {
    /// What is asked for, and whether the answer is to be JSON.
    pub(super) fn request(&self) -> (Request, bool) {
        let range = |ferry: &String, (from, to): (u64, u64), reason: &str| FerryNumbers {
            ferry: ferry.clone(),
            from,
            to,
            reason: reason.to_owned(),
        };
        let word = |ferry: &String, incarnation: &str, reason: &String| FerryWord {
            ferry: ferry.clone(),
            incarnation: incarnation.to_owned(),
            reason: reason.clone(),
        };
        let (request, format) = match self {
            Self::List(format) => (FerryRequest::List {}, format),
            Self::Again { ferry, numbers, format } => {
                (FerryRequest::Again(range(ferry, *numbers, "")), format)
            }
            Self::Skip { ferry, numbers, reason, format } => {
                (FerryRequest::Skip(range(ferry, *numbers, reason)), format)
            }
            Self::Accept { ferry, incarnation, reason, format } => {
                (FerryRequest::Accept(word(ferry, incarnation, reason)), format)
            }
            Self::Anew { ferry, reason, format } => {
                (FerryRequest::Anew(word(ferry, "", reason)), format)
            }
        };
        (Request::Ferry(request), format.json)
    }
}

impl View {
    /// Ferries as people read them.
    pub(super) fn ferries(&self, it: &FerryAnswer) -> String {
        let head = [
            Message::FerryName,
            Message::FerrySide,
            Message::FerrySent,
            Message::FerryUnanswered,
            Message::FerryActed,
            Message::FerryCame,
            Message::FerryMissed,
            Message::FerryAside,
        ];
        let head = head.map(|it| self.word(it));
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let rows = it.ferries.iter().map(|it| self.ferry(it)).collect();
        let mut text = table(&head, rows, &[2, 3, 4, 5, 7]);
        for it in &it.ferries {
            for offered in &it.offered {
                text.push_str(&self.say(Message::FerryOffered, &[&it.name, offered]));
                text.push('\n');
            }
        }
        text
    }

    fn ferry(&self, it: &FerryShown) -> Vec<String> {
        let gap = |(from, to): &(u64, u64)| match from == to {
            true => from.to_string(),
            false => format!("{from}..{to}"),
        };
        let gaps: Vec<String> = it.gaps.iter().map(gap).collect();
        let aside = it.aside_last.as_ref().map(|(_, reason)| format!(" {reason}"));
        let side = match it.side.as_str() {
            "above" => Message::FerryAbove,
            _ => Message::FerryBelow,
        };
        vec![
            printable(it.name.clone()),
            self.word(side),
            count(it.sent),
            count(it.unanswered),
            count(it.acted),
            count(it.came),
            gaps.join(" "),
            format!("{}{}", count(it.aside), aside.unwrap_or_default()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn a_number_or_the_first_and_the_last() {
        assert_eq!(numbers("17"), Ok((17, 17)));
        assert_eq!(numbers("17..20"), Ok((17, 20)));
        for bad in ["", "0", "20..17", "17..", "a", "-1"] {
            assert!(numbers(bad).is_err(), "{bad}");
        }
    }
}
