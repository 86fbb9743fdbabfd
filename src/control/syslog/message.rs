//! One act as an RFC 5424 message. Pure: a line in, bytes out.

use crate::ledger::ActLine;

/// The longest message: what receivers should take (RFC 5424 §6.1).
pub const MOST_BYTES: usize = 8_192;

/// Facility 13, log audit (RFC 5424 §6.2.1).
const FACILITY: u8 = 13;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;

/// The structured data's name. 32473 is the enterprise number kept for examples (RFC 5612): this
/// program has none of its own.
const STRUCTURE: &str = "act@32473";

/// Says acts as messages of one process on one machine.
#[derive(Clone, Debug)]
pub struct Sayer {
    host: String,
    process: u32,
}

impl Sayer {
    /// For a machine of this name and a process of this number.
    pub fn new(host: &str, process: u32) -> Self {
        Self { host: printable(host, 255), process }
    }

    /// The message of a line: at most [`MOST_BYTES`], without a frame.
    ///
    /// Message id: the line's number, the same each time. Structured data: every column of the
    /// line and its digest in the chain, so that a receiver can prove what it has. Text: what, on
    /// what, and what came of it.
    pub fn message(&self, line: &ActLine) -> Vec<u8> {
        let act = &line.act;
        let outcome = act.outcome.as_deref();
        let is_bad = outcome.is_some_and(|it| it != "done");
        let priority = FACILITY * 8 + if is_bad { WARNING } else { NOTICE };
        let at = act.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let mut text = format!(
            "<{priority}>1 {at} {} cascaded {} {} [{STRUCTURE}",
            self.host, self.process, act.number
        );
        let number = |value: Option<i64>| value.map(|it| it.to_string());
        let parameters = [
            ("number", Some(act.number.to_string())),
            ("about", line.about.map(|it| it.to_string())),
            ("uid", number(act.actor.uid.map(i64::from))),
            ("gid", number(act.actor.gid.map(i64::from))),
            ("pid", number(act.actor.pid.map(i64::from))),
            ("person", Some(act.person.clone()).filter(|it| !it.is_empty())),
            ("role", Some(act.role.clone()).filter(|it| !it.is_empty())),
            ("act", Some(act.name.clone())),
            ("outcome", act.outcome.clone()),
            ("form", Some(line.form.to_string())),
            ("chain", Some(line.digest.to_string())),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                text.push_str(&format!(" {name}=\"{}\"", escaped(&value)));
            }
        }
        // The mark says that the rest is UTF-8 (RFC 5424 §6.4).
        text.push_str("] \u{feff}");
        text.push_str(&act.name);
        for part in [act.detail.as_str(), outcome.unwrap_or_default()] {
            if !part.is_empty() {
                text.push_str(": ");
                text.push_str(&clean(part));
            }
        }
        let mut end = text.len().min(MOST_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.into_bytes()
    }
}

/// A value of structured data: three characters are escaped (RFC 5424 §6.3.3), and control
/// characters, which some receivers write out as they are, are blanks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in clean(text).chars() {
        if matches!(letter, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// Without control characters: one message is one line wherever it ends up.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A word of printable ASCII, or the sign for none.
fn printable(text: &str, most: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::delivery::DigestSha256;
    use crate::ledger::{Act, Actor};

    /// Priority, head, structured data, text.
    type Taken = (u8, [String; 5], BTreeMap<String, String>, String);

    /// A message taken apart by the grammar of RFC 5424 §6, byte by byte; `None`: it is none.
    fn parse(bytes: &[u8]) -> Option<Taken> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (priority, rest) = text.strip_prefix('<')?.split_once('>')?;
        let rest = rest.strip_prefix("1 ")?;
        let mut words = rest.splitn(6, ' ');
        let mut head: [String; 5] = Default::default();
        for (word, most) in head.iter_mut().zip([32, 255, 48, 128, 32]) {
            let found = words.next()?;
            let is_word = !found.is_empty() && found.bytes().all(|byte| (33..=126).contains(&byte));
            if !is_word || found.len() > most {
                return None;
            }
            found.clone_into(word);
        }
        head[0].parse::<jiff::Timestamp>().ok()?;
        let rest = words.next()?;
        let mut letters = rest.strip_prefix("[act@32473")?.char_indices();
        let structure = rest.strip_prefix("[act@32473")?;
        let mut values = BTreeMap::new();
        loop {
            let (at, letter) = letters.next()?;
            if letter == ']' {
                let text = structure.get(at + 1..)?.strip_prefix(" \u{feff}")?;
                return Some((priority.parse().ok()?, head, values, text.to_owned()));
            }
            if letter != ' ' {
                return None;
            }
            let mut name = String::new();
            for (_, letter) in letters.by_ref() {
                if letter == '=' {
                    break;
                }
                name.push(letter);
            }
            if name.is_empty() || name.len() > 32 || letters.next()?.1 != '"' {
                return None;
            }
            let mut value = String::new();
            loop {
                match letters.next()?.1 {
                    '"' => break,
                    ']' => return None,
                    '\\' => {
                        let next = letters.next()?.1;
                        if !"\"\\]".contains(next) {
                            return None;
                        }
                        value.push(next);
                    }
                    letter => value.push(letter),
                }
            }
            values.insert(name, value);
        }
    }

    fn line(person: &str, detail: &str, outcome: Option<&str>) -> ActLine {
        ActLine {
            act: Act {
                number: 4711,
                at: "2026-11-20T02:03:04.5Z".parse().unwrap(),
                actor: Actor { uid: Some(1001), gid: Some(100), pid: None },
                person: person.to_owned(),
                role: "operator".to_owned(),
                name: "rejects_show".to_owned(),
                detail: detail.to_owned(),
                outcome: outcome.map(str::to_owned),
            },
            about: None,
            form: 2,
            digest: DigestSha256::of(b"x"),
        }
    }

    #[test]
    fn an_act_is_a_message_with_its_number_for_an_id() {
        let message = Sayer::new("gw-1", 7).message(&line("li", "reject 7: 群众来电", None));
        let text = String::from_utf8(message).unwrap();
        let digest = DigestSha256::of(b"x");
        assert_eq!(
            text,
            format!(
                "<109>1 2026-11-20T02:03:04.500Z gw-1 cascaded 7 4711 [act@32473 number=\"4711\" \
                 uid=\"1001\" gid=\"100\" person=\"li\" role=\"operator\" act=\"rejects_show\" \
                 form=\"2\" chain=\"{digest}\"] \u{feff}rejects_show: reject 7: 群众来电"
            )
        );
        let refused = Sayer::new("", 7).message(&line("li", "", Some("refused E-X")));
        assert!(refused.starts_with(b"<108>1 2026-11-20T02:03:04.500Z - cascaded "));
    }

    proptest! {
        #[test]
        fn whatever_was_typed_is_one_message_of_one_line(
            host in any::<String>(),
            person in any::<String>(),
            detail in prop::collection::vec(any::<char>(), 0..3_000),
            outcome in prop::option::of("[\\]\"\\\\\n a-z]{0,40}"),
        ) {
            let detail: String = detail.into_iter().collect();
            let said = line(&person, &detail, outcome.as_deref());
            let message = Sayer::new(&host, 9).message(&said);
            prop_assert!(message.len() <= MOST_BYTES);
            prop_assume!(person.len() < 4_000);
            let (priority, head, values, text) = parse(&message).unwrap();
            prop_assert!(priority == 109 || priority == 108);
            prop_assert_eq!(&head[4], "4711");
            let person: String = clean(&person);
            prop_assert_eq!(values.get("person").cloned().unwrap_or_default(), person);
            prop_assert_eq!(values.get("outcome").cloned(), outcome.as_deref().map(clean));
            prop_assert!(!text.contains(char::is_control));
        }
    }
}
