//! Drift and shadow runs as people read them.

use super::show::View;
use super::table::{count, printable};
use super::text::Message;
use crate::changeover::shadow::{Once, Ready, ShadowCount, ShadowReport};
use crate::control::protocol::DriftLine;
use crate::language::Language;

/// The most departments that are named in a line; all are in the JSON.
const MOST_OWING: usize = 5;
/// The most lines of outcomes that a person is shown.
const MOST_OUTCOMES: usize = 60;

impl View {
    /// How ready the city is and what it waits for, in words; then what either standard said.
    pub(super) fn shadow(&self, it: &ShadowReport) -> String {
        let (head, except) = self.readiness(it);
        let mut lines = vec![head, except];
        if !it.owing.is_empty() {
            let named = it.owing.iter().take(MOST_OWING).map(|it| {
                let name = if it.title.is_empty() { &it.department } else { &it.title };
                format!("{name} {}", count(it.values))
            });
            let mut text = named.collect::<Vec<_>>().join(", ");
            if it.owing.len() > MOST_OWING {
                text.push_str(", …");
            }
            lines.push(self.say(Message::ShadowOwing, &[&text]));
        }
        lines.push(self.run(it));
        if let Some(trouble) = &it.trouble {
            lines.push(format!("✗ {}", self.say(Message::ShadowTrouble, &[trouble])));
        }
        let mut text: String = lines.into_iter().map(|line| printable(line) + "\n").collect();
        text.push_str(&self.outcomes(&it.outcomes));
        if !it.rows.is_empty() {
            text.push_str(&self.outcomes(&it.rows));
        }
        text
    }

    /// How ready, and the critical path in words.
    pub(super) fn readiness(&self, it: &ShadowReport) -> (String, String) {
        let ready = &it.readiness;
        let numbers = [ready.percent, ready.ready, ready.objects].map(count);
        let [percent, done, all] = numbers.each_ref().map(String::as_str);
        let head = [it.standard.as_str(), &it.channel, &it.in_force, percent, done, all];
        (self.say(Message::ShadowHead, &head), self.except(ready))
    }

    fn run(&self, it: &ShadowReport) -> String {
        let Some(job) = &it.job else { return self.word(Message::ShadowNever) };
        let what =
            if it.with_rows { Message::ShadowWithRows } else { Message::ShadowCatalogueOnly };
        let endpoint = if it.endpoint.is_empty() { "-" } else { &it.endpoint };
        let fill = [job.as_str(), &self.time(it.since), endpoint, &self.word(what)];
        self.say(if it.running { Message::ShadowRun } else { Message::ShadowStopped }, &fill)
    }

    /// The critical path in words.
    fn except(&self, it: &Ready) -> String {
        let parts: Vec<String> = [
            (Message::ShadowApprovals, it.approvals),
            (Message::ShadowValues, it.values),
            (Message::ShadowLacking, it.lacking),
            (Message::ShadowRefused, it.refused),
            (Message::ShadowWaiting, it.waiting),
            (Message::ShadowUndecided, it.undecided),
            (Message::ShadowUntried, it.untried),
        ]
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(message, number)| self.say(message, &[&count(number)]))
        .collect();
        if parts.is_empty() {
            return self.word(Message::ShadowNothing);
        }
        let between = if self.language == Language::Chinese { "、" } else { ", " };
        self.say(Message::ShadowExcept, &[&parts.join(between)])
    }

    fn outcomes(&self, list: &[ShadowCount]) -> String {
        let head = [
            Message::Kind,
            Message::ShadowLive,
            Message::ShadowCandidate,
            Message::Code,
            Message::Field,
            Message::Objects,
        ];
        let rows = list.iter().take(MOST_OUTCOMES).map(|it| {
            vec![
                it.subject.clone(),
                it.live.clone(),
                it.candidate.clone(),
                it.code.clone(),
                it.field.clone(),
                count(it.count),
            ]
        });
        self.table(&head, rows.collect(), &[5])
    }

    /// What was said on both sides.
    pub(super) fn once(&self, it: &Once) -> String {
        let header = |(name, value): &(String, String)| format!("{name}: {value}");
        let mut lines = Vec::new();
        if it.stand_ins {
            lines.push(self.word(Message::ShadowStandIns));
        }
        lines.push(format!("> {} {}", it.method, it.url));
        lines.extend(it.headers.iter().map(|it| format!("> {}", header(it))));
        lines.push(String::new());
        lines.extend(it.body.lines().map(str::to_owned));
        lines.push(String::new());
        match it.status {
            Some(status) => {
                lines.push(format!("< {status}"));
                lines.extend(it.reply_headers.iter().map(|it| format!("< {}", header(it))));
                lines.push(String::new());
                lines.extend(it.reply.lines().map(str::to_owned));
                lines.push(String::new());
            }
            None => lines.push(self.say(Message::ShadowSilent, &[&it.code])),
        }
        lines.push(self.say(Message::ShadowAnswer, &[&it.outcome, &it.code]));
        lines.into_iter().map(|line| printable(line) + "\n").collect()
    }

    /// What drifted, and below it what to do about each kind.
    pub(super) fn drift(&self, list: &[DriftLine]) -> String {
        if list.is_empty() {
            return self.word(Message::DriftNone) + "\n";
        }
        let head = [
            Message::Channel,
            Message::Standard,
            Message::Drift,
            Message::Operation,
            Message::What,
            Message::Times,
            Message::Since,
        ];
        let rows = list.iter().map(|it| {
            vec![
                it.channel.clone(),
                it.standard.clone(),
                it.kind.clone(),
                it.operation.clone(),
                it.what.clone(),
                count(it.count),
                self.time(Some(it.since)),
            ]
        });
        let mut text = self.table(&head, rows.collect(), &[5]);
        let mut told: Vec<&str> = Vec::new();
        for it in list {
            if !told.contains(&it.kind.as_str()) {
                told.push(&it.kind);
                let next = self.word(of_drift(&it.kind));
                text.push_str(&(printable(format!("{}: {next}", it.kind)) + "\n"));
            }
        }
        text
    }
}

/// What to do about a kind of drift.
fn of_drift(kind: &str) -> Message {
    match kind {
        "reply-code" => Message::DriftCode,
        "reply-value" | "dictionary" => Message::DriftValue,
        "reply-missing" => Message::DriftMissing,
        "refused-more" | "failed-more" => Message::DriftRefusals,
        "verdict-foreign" | "verdict-contradiction" => Message::DriftVerdict,
        _ => Message::DriftField,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::changeover::shadow::Owing;

    fn view(language: Language) -> View {
        View { language, zone: TimeZone::UTC }
    }

    fn report() -> ShadowReport {
        let readiness = Ready {
            objects: 1_300,
            ready: 1_186,
            percent: 91,
            approvals: 3,
            values: 1_170,
            ..Ready::default()
        };
        ShadowReport {
            standard: "x/2.0".to_owned(),
            channel: "province".to_owned(),
            in_force: "x/1.0".to_owned(),
            readiness,
            owing: vec![Owing {
                department: "d1".to_owned(),
                title: "市住建局".to_owned(),
                values: 1_170,
            }],
            ..ShadowReport::default()
        }
    }

    #[test]
    fn the_critical_path_is_said_in_words() {
        let said = view(Language::English).shadow(&report());
        let expected = "candidate x/2.0 (channel province, in force x/1.0): ready 91 % \
                        (1,186 of 1,300)\nexcept 3 approvals, 1,170 values\n";
        assert!(said.starts_with(expected), "{said}");
        let said = view(Language::Chinese).shadow(&report());
        assert!(
            said.contains("就绪 91 %（1,186/1,300）\n尚缺：审批 3 项、补值 1,170 个\n"),
            "{said}"
        );
        assert!(said.contains("市住建局 1,170") && said.contains("未曾试运行"), "{said}");
        let mut whole = report();
        (whole.readiness, whole.owing) = (Ready::default(), Vec::new());
        assert!(view(Language::English).shadow(&whole).contains("nothing is missing"));
    }

    #[test]
    fn a_transcript_shows_both_sides_and_no_control_character() {
        let once = Once {
            method: "POST".to_owned(),
            url: "https://h/a".to_owned(),
            headers: vec![("x-sign".to_owned(), "[signature]".to_owned())],
            body: "<a>\u{1b}[31m</a>".to_owned(),
            status: Some(200),
            reply: "<ok/>".to_owned(),
            outcome: "accepted".to_owned(),
            stand_ins: true,
            ..Once::default()
        };
        let said = view(Language::English).once(&once);
        for line in ["> POST https://h/a", "> x-sign: [signature]", "< 200", "<ok/>"] {
            assert!(said.lines().any(|it| it == line), "{line}: {said}");
        }
        assert!(said.starts_with("note:") && !said.contains('\u{1b}'), "{said:?}");
        let silent = Once { status: None, code: "connect-failed".to_owned(), ..once };
        assert!(view(Language::Chinese).once(&silent).contains("没有应答：connect-failed"));
    }

    #[test]
    fn each_kind_of_drift_is_followed_by_what_to_do() {
        let line = |kind: &str, what: &str| DriftLine {
            channel: "province".to_owned(),
            standard: "x/1.0".to_owned(),
            kind: kind.to_owned(),
            operation: "entry.modify".to_owned(),
            what: what.to_owned(),
            count: 18,
            since: jiff::Timestamp::UNIX_EPOCH,
        };
        let list =
            [line("reply-code", "C-47"), line("reply-code", "C-48"), line("reply-field", "a")];
        let said = view(Language::English).drift(&list);
        assert_eq!(said.matches("reply-code: ask the province").count(), 1, "{said}");
        assert!(said.contains("C-48") && said.contains("reply-field: compare"), "{said}");
    }
}
