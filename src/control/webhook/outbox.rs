//! What stands, what was told of it, and so what is to be told next. Pure: time comes from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// The most changes in one message.
pub const MOST_CHANGES: usize = 50;

/// The most conditions that are followed; the worst ones, where there are more.
pub const MOST_STANDING: usize = 1000;

/// Something that somebody should know for as long as it stands. No row content, no key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// What: `overdue`, `channel-down`, `drift`, …; a word of a closed set.
    pub event: &'static str,
    /// The dataset, channel, operation or object.
    pub subject: String,
    /// Its title, for people.
    pub title: String,
    /// A rule, a code or a reason.
    pub detail: String,
    /// How many rows or how often.
    pub count: u64,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// What makes two looks see the same condition: all but how often and since when.
type Name = (&'static str, String, String, String);

#[derive(Clone, Debug)]
struct Followed {
    standing: Standing,
    /// Seen in the last look.
    stands: bool,
    /// When it came, or went.
    turned: Timestamp,
    /// The other side knows that it stands.
    told: bool,
}

/// What stands and what was told of it.
#[derive(Debug, Default)]
pub struct Outbox {
    followed: BTreeMap<Name, Followed>,
}

/// A message, and what it tells.
#[derive(Debug)]
pub struct Message {
    /// JSON.
    pub body: String,
    told: Vec<(Name, bool)>,
}

#[derive(Serialize)]
struct Body<'a> {
    version: u32,
    source: &'static str,
    city: &'a str,
    at: Timestamp,
    changes: Vec<Change<'a>>,
    /// Changes that come with the next message.
    more: usize,
}

#[derive(Serialize)]
struct Change<'a> {
    event: &'static str,
    state: &'static str,
    subject: &'a str,
    title: &'a str,
    detail: &'a str,
    count: u64,
    since: Option<Timestamp>,
}

impl Outbox {
    /// Compares what stands now, the worst first, with what stood before.
    pub fn look(&mut self, standing: impl IntoIterator<Item = Standing>, now: Timestamp) {
        let mut now_standing: BTreeMap<Name, Standing> = BTreeMap::new();
        for it in standing.into_iter().take(MOST_STANDING) {
            let name = (it.event, it.subject.clone(), it.title.clone(), it.detail.clone());
            now_standing.insert(name, it);
        }
        for (name, followed) in &mut self.followed {
            let seen = now_standing.remove(name);
            if seen.is_some() != followed.stands {
                (followed.stands, followed.turned) = (seen.is_some(), now);
            }
            if let Some(seen) = seen {
                followed.standing = seen;
            }
        }
        for (name, standing) in now_standing {
            let followed = Followed { standing, stands: true, turned: now, told: false };
            self.followed.insert(name, followed);
        }
        // What nobody was told of need not be taken back.
        self.followed.retain(|_, it| it.stands || it.told);
    }

    /// What is to be told now; `None`: nothing.
    pub fn message(&self, city: &str, steady: Duration, now: Timestamp) -> Option<Message> {
        let is_steady = |it: &Followed| {
            Duration::try_from(now.duration_since(it.turned)).is_ok_and(|age| age >= steady)
        };
        let due: Vec<(&Name, &Followed)> = (self.followed.iter())
            .filter(|(_, it)| it.stands != it.told && is_steady(it))
            .collect();
        if due.is_empty() {
            return None;
        }
        let more = due.len().saturating_sub(MOST_CHANGES);
        let due = due.get(..due.len().min(MOST_CHANGES)).unwrap_or_default();
        let changes = due.iter().map(|(_, it)| change(it)).collect();
        let body = Body { version: 1, source: "cascaded", city, at: now, changes, more };
        let body = serde_json::to_string(&body).expect("texts, numbers and times are always JSON");
        let told = due.iter().map(|(name, it)| ((*name).clone(), it.stands)).collect();
        Some(Message { body, told })
    }

    /// The message arrived.
    pub fn delivered(&mut self, message: Message) {
        for (name, stood) in message.told {
            if stood {
                if let Some(followed) = self.followed.get_mut(&name) {
                    followed.told = true;
                }
            } else {
                self.followed.remove(&name);
            }
        }
    }
}

fn change(it: &Followed) -> Change<'_> {
    Change {
        event: it.standing.event,
        state: if it.stands { "began" } else { "ended" },
        subject: &it.standing.subject,
        title: &it.standing.title,
        detail: &it.standing.detail,
        count: it.standing.count,
        since: it.standing.since,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const STEADY: Duration = Duration::from_secs(120);

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn overdue(dataset: u64) -> Standing {
        Standing {
            event: "overdue",
            subject: format!("d-{dataset}"),
            title: "不动产登记信息".to_owned(),
            detail: String::new(),
            count: 1,
            since: Some(at(0)),
        }
    }

    /// The states and subjects of a message.
    fn told(message: Option<&Message>) -> Vec<(String, String)> {
        let Some(message) = message else { return Vec::new() };
        let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        let text = |it: &serde_json::Value, key| it.get(key).unwrap().as_str().unwrap().to_owned();
        let changes = body.get("changes").unwrap().as_array().unwrap();
        changes.iter().map(|it| (text(it, "state"), text(it, "subject"))).collect()
    }

    #[test]
    fn a_beginning_is_told_once_when_it_has_stood_and_its_end_when_it_is_gone() {
        let mut outbox = Outbox::default();
        outbox.look([overdue(1)], at(0));
        assert!(outbox.message("c", STEADY, at(119)).is_none());
        let message = outbox.message("c", STEADY, at(120));
        assert_eq!(told(message.as_ref()), [("began".to_owned(), "d-1".to_owned())]);
        outbox.delivered(message.unwrap());
        outbox.look([overdue(1)], at(130));
        assert!(outbox.message("c", STEADY, at(10_000)).is_none());
        outbox.look([], at(10_000));
        assert!(outbox.message("c", STEADY, at(10_119)).is_none());
        let message = outbox.message("c", STEADY, at(10_120));
        assert_eq!(told(message.as_ref()), [("ended".to_owned(), "d-1".to_owned())]);
        outbox.delivered(message.unwrap());
        assert!(outbox.followed.is_empty());
    }

    #[test]
    fn what_stutters_or_went_before_it_was_told_is_never_told() {
        let mut outbox = Outbox::default();
        for second in (0..2_000).step_by(100) {
            outbox.look((second % 200 == 0).then(|| overdue(1)), at(second));
            assert!(outbox.message("c", STEADY, at(second + 99)).is_none(), "{second}");
        }
        outbox.look([], at(3_000));
        assert!(outbox.followed.is_empty());
    }

    #[test]
    fn what_did_not_arrive_is_told_as_it_is_then() {
        let mut outbox = Outbox::default();
        outbox.look([overdue(1), overdue(2)], at(0));
        drop(outbox.message("c", STEADY, at(120)));
        outbox.look([overdue(2)], at(200));
        let message = outbox.message("c", STEADY, at(400));
        assert_eq!(told(message.as_ref()), [("began".to_owned(), "d-2".to_owned())]);
    }

    #[test]
    fn ten_thousand_conditions_are_a_thousand_in_messages_of_fifty() {
        let mut outbox = Outbox::default();
        let mut messages = 0;
        outbox.look((0..10_000).map(overdue), at(0));
        while let Some(message) = outbox.message("c", STEADY, at(120)) {
            assert_eq!(told(Some(&message)).len(), MOST_CHANGES);
            assert!(message.body.len() < 16 << 10, "{}", message.body.len());
            outbox.delivered(message);
            messages += 1;
        }
        assert_eq!(messages, MOST_STANDING / MOST_CHANGES);
    }

    proptest! {
        /// Whatever comes, goes, arrives and gets lost: when it is quiet, the other side knows
        /// exactly what stands.
        #[test]
        fn at_rest_the_other_side_knows_what_stands(
            steps in proptest::collection::vec((0_u64..32, any::<bool>()), 1..60),
        ) {
            let mut outbox = Outbox::default();
            let mut known = std::collections::BTreeSet::new();
            let standing = |bits: u64| (0..5).filter(move |bit| bits >> bit & 1 == 1).map(overdue);
            let mut second = 0;
            let last = steps.last().copied().unwrap().0;
            for (bits, arrives) in steps.into_iter().chain([(last, true), (last, true)]) {
                second += 70;
                outbox.look(standing(bits), at(second));
                second += 60;
                let Some(message) = outbox.message("c", STEADY, at(second)) else { continue };
                if arrives {
                    for (state, subject) in told(Some(&message)) {
                        let changed = if state == "began" {
                            known.insert(subject)
                        } else {
                            known.remove(&subject)
                        };
                        prop_assert!(changed, "nothing is told twice");
                    }
                    outbox.delivered(message);
                }
            }
            outbox.look(standing(last), at(second + 200));
            if let Some(message) = outbox.message("c", STEADY, at(second + 400)) {
                for (state, subject) in told(Some(&message)) {
                    if state == "began" { known.insert(subject); } else { known.remove(&subject); }
                }
            }
            let wanted: std::collections::BTreeSet<String> =
                standing(last).map(|it| it.subject).collect();
            prop_assert_eq!(known, wanted);
        }
    }
}
