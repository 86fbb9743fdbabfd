//! Comparisons, checks and supplied values as people read them.

use super::show::View;
use super::table::{count, printable};
use super::text::Message;
use crate::changeover::sheet::Misread;
use crate::changeover::{Affects, Change, Checked, Difference, NotTaken, RowsChecked, Wanted};
use crate::control::protocol::{CutOver, SupplyReport};

/// The most rules that a person is shown; all are in the JSON.
const MOST_RULES: usize = 40;

impl View {
    /// A line for each difference, and one below it for where it stands and what it touches.
    pub(super) fn differences(&self, list: &[Difference]) -> String {
        if list.is_empty() {
            return self.word(Message::NoDifference) + "\n";
        }
        list.iter().map(|it| self.difference(it)).collect()
    }

    /// A cut-over, what it does, and what a way back leaves above.
    pub(super) fn cut_over(&self, it: &CutOver) -> String {
        let at = it.at.to_string();
        let way = [it.channel.as_str(), &it.from, &it.to, &at];
        let mut text = match &it.job {
            Some(job) => {
                let all = [job.as_str(), way[0], way[1], way[2], way[3]];
                self.say(Message::CutOverJob, &all)
            }
            None => self.say(Message::CutOverDry, &way),
        };
        if !it.scopes.is_empty() {
            text.push('\n');
            text.push_str(&self.say(Message::CutOverOnly, &[&it.scopes.join("; ")]));
        }
        if !it.ahead.is_empty() {
            text.push('\n');
            text.push_str(&self.say(Message::CutOverAhead, &[&it.ahead.join("; ")]));
        }
        if let Some(further) = &it.beside {
            text.push('\n');
            text.push_str(&match it.until {
                Some(until) => self.say(Message::CutOverBeside, &[further, &until.to_string()]),
                None => self.say(Message::CutOverGivenUp, &[further]),
            });
        }
        let scope = [it.batches, it.objects, it.upper_ids, it.unmapped].map(count);
        let scope = scope.each_ref().map(String::as_str);
        text.push('\n');
        text.push_str(&self.say(Message::CutOverScope, &scope));
        if it.rows_above + it.objects_above > 0 {
            text.push('\n');
            let above = [count(it.rows_above), count(it.objects_above)];
            text.push_str(&self.say(Message::CutOverAbove, &[&above[0], &above[1]]));
        }
        text.lines().map(|line| printable(line.to_owned()) + "\n").collect()
    }

    fn difference(&self, it: &Difference) -> String {
        let mark = match (&it.before, &it.after) {
            (None, Some(_)) => '+',
            (Some(_), None) => '-',
            (Some(_), Some(_)) | (None, None) => '~',
        };
        let what = self.word(of_change(it));
        let mut line = format!("{mark} {what}  ");
        if !it.title.is_empty() {
            line.push_str(&it.title);
            line.push(' ');
        }
        line.push_str(&it.subject);
        match (&it.before, &it.after) {
            (Some(before), Some(after)) => {
                line.push_str(&format!("  {} → {}", shown(before), shown(after)));
            }
            (Some(text), None) | (None, Some(text)) if it.change != Change::FieldAdded => {
                line.push_str(&format!("  {}", shown(text)));
            }
            (Some(_), None) | (None, Some(_) | None) => {}
        }
        let mut parts = vec![self.say(Message::DiffClause, &[&it.clause, &it.basis])];
        parts.push(it.file.clone());
        if !it.operations.is_empty() {
            parts.push(it.operations.join(", "));
        }
        if let Some(affects) = &it.affects {
            parts.push(self.affects(affects));
        }
        format!("{}\n    {}\n", printable(line), printable(parts.join("  ")))
    }

    fn affects(&self, it: &Affects) -> String {
        let mut parts =
            vec![self.say(Message::DiffAffects, &[&count(it.objects), &count(it.values)])];
        if it.without > 0 {
            parts.push(self.say(Message::DiffWithout, &[&count(it.without)]));
        }
        if it.broken > 0 {
            parts.push(self.say(Message::DiffBroken, &[&count(it.broken)]));
        }
        parts.join(", ")
    }

    /// Sums, departments and the rules that turn most away.
    pub(super) fn checked(&self, it: &Checked) -> String {
        let pass: u64 = it.kinds.iter().map(|it| it.pass).sum();
        let sums = [count(pass), count(it.refused())];
        let [pass, refused] = &sums;
        let mut text = self.say(Message::CheckHead, &[&it.standard, &it.channel, pass, refused]);
        text.push_str("\n\n");
        let head = [
            Message::Kind,
            Message::Objects,
            Message::Pass,
            Message::RefusedHere,
            Message::Blocked,
            Message::NotCarried,
        ];
        let kinds = it.kinds.iter().map(|it| {
            let numbers = [it.objects, it.pass, it.refused, it.blocked, it.not_carried];
            [it.kind.clone()].into_iter().chain(numbers.map(count)).collect()
        });
        text.push_str(&self.table(&head, kinds.collect(), &[1, 2, 3, 4, 5]));
        text.push('\n');
        let head = [
            Message::Department,
            Message::Objects,
            Message::RefusedHere,
            Message::Blocked,
            Message::Supplied,
            Message::Wanted,
        ];
        let departments = it.departments.iter().map(|it| {
            let name = if it.title.is_empty() { &it.department } else { &it.title };
            let numbers = [it.objects, it.refused, it.blocked, it.supplied, it.wanted];
            [name.clone()].into_iter().chain(numbers.map(count)).collect()
        });
        text.push_str(&self.table(&head, departments.collect(), &[1, 2, 3, 4, 5]));
        let (wanted, supplied) = it.values();
        text.push_str(&self.say(Message::CheckValues, &[&count(supplied), &count(wanted)]));
        text.push_str("\n\n");
        text.push_str(&self.rules(it));
        text
    }

    fn rules(&self, it: &Checked) -> String {
        if it.rules.is_empty() {
            return String::new();
        }
        let head = [
            Message::Department,
            Message::Kind,
            Message::Field,
            Message::Rule,
            Message::Objects,
            Message::Values,
            Message::Clause,
        ];
        let rows = it.rules.iter().take(MOST_RULES).map(|rule| {
            let known = it.departments.iter().find(|of| of.department == rule.department);
            let name =
                known.filter(|of| !of.title.is_empty()).map_or(&rule.department, |of| &of.title);
            vec![
                name.clone(),
                rule.kind.clone(),
                format!("{} {}", rule.title, rule.field),
                rule.rule.clone(),
                count(rule.objects),
                count(rule.values),
                rule.clause.clone(),
            ]
        });
        let mut text = self.table(&head, rows.collect(), &[4, 5]);
        let rest = it.rules.len().saturating_sub(MOST_RULES) as u64 + it.more_rules;
        if rest > 0 {
            text.push_str(&self.say(Message::CheckMore, &[&count(rest)]));
            text.push('\n');
        }
        text
    }

    /// A line for each dataset and one for each rule that turns rows away.
    pub(super) fn rows_checked(&self, list: &[RowsChecked]) -> String {
        let head =
            [Message::Dataset, Message::Title, Message::Rows, Message::RefusedHere, Message::Rules];
        let rows = list.iter().map(|it| {
            let mut rules: Vec<String> = it
                .rules
                .iter()
                .map(|(rule, column, rows)| format!("{rule} {column} {}", count(*rows)))
                .collect();
            rules.extend(it.reason.clone());
            let sampled = if it.sampled { self.word(Message::Sampled) } else { String::new() };
            vec![
                it.dataset.clone(),
                it.title.clone(),
                format!("{sampled} {}", count(it.rows)).trim().to_owned(),
                count(it.refused),
                rules.join("; "),
            ]
        });
        if list.is_empty() { String::new() } else { self.table(&head, rows.collect(), &[2, 3]) }
    }

    pub(super) fn wanted(&self, it: &Wanted) -> String {
        let parts = [
            it.department.as_str(),
            &it.kind,
            &it.id,
            it.item.as_deref().unwrap_or_default(),
            &it.name,
            it.value.as_deref().unwrap_or("-"),
            it.by.as_deref().unwrap_or_default(),
            &self.time(it.at),
        ];
        printable(parts.join("  ")) + "\n"
    }

    pub(super) fn supplied(&self, it: &SupplyReport) -> String {
        let numbers = [it.changed, it.unchanged, it.refused.len() as u64].map(count);
        let [changed, unchanged, refused] = &numbers;
        self.say(Message::SupplyDone, &[changed, unchanged, refused]) + "\n"
    }

    /// Why a value was not taken.
    pub(super) fn not_taken(&self, why: NotTaken) -> String {
        self.word(match why {
            NotTaken::NoSuchObject => Message::NotTakenObject,
            NotTaken::NoSuchValue => Message::NotTakenValue,
            NotTaken::Length => Message::NotTakenLength,
            NotTaken::Code => Message::NotTakenCode,
            NotTaken::Format => Message::NotTakenFormat,
        })
    }

    /// Why a cell could not be read.
    pub(super) fn misread(&self, why: Misread) -> String {
        self.word(match why {
            Misread::Failed => Message::MisreadFailed,
            Misread::Nameless => Message::MisreadNameless,
        })
    }
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "(-)" } else { text }
}

/// The word for a kind of change.
fn of_change(it: &Difference) -> Message {
    match it.change {
        Change::OperationAdded => Message::OperationAdded,
        Change::OperationRemoved => Message::OperationRemoved,
        Change::OperationMandatory => Message::OperationMandatory,
        Change::OperationOptional => Message::OperationOptional,
        Change::OperationMoved => Message::OperationMoved,
        Change::OperationChanged => Message::OperationChanged,
        Change::FieldAdded if it.demands() => Message::FieldAddedRequired,
        Change::FieldAdded => Message::FieldAdded,
        Change::FieldRemoved => Message::FieldRemoved,
        Change::FieldRenamed => Message::FieldRenamed,
        Change::FieldsMoved => Message::FieldsMoved,
        Change::FieldRequired => Message::FieldRequired,
        Change::FieldOptional => Message::FieldOptional,
        Change::FieldCondition => Message::FieldCondition,
        Change::FieldType => Message::FieldType,
        Change::FieldLength => Message::FieldLength,
        Change::FieldFormat => Message::FieldFormat,
        Change::FieldValue => Message::FieldValue,
        Change::CodeAdded => Message::CodeAdded,
        Change::CodeRemoved => Message::CodeRemoved,
        Change::CodeChanged => Message::CodeChanged,
        Change::ReplyAdded => Message::ReplyAdded,
        Change::ReplyRemoved => Message::ReplyRemoved,
        Change::ReplyMoved => Message::ReplyMoved,
        Change::ReplyRequired => Message::ReplyRequired,
        Change::ReplyOptional => Message::ReplyOptional,
        Change::OutcomeAdded => Message::OutcomeAdded,
        Change::OutcomeRemoved => Message::OutcomeRemoved,
        Change::OutcomeMoved => Message::OutcomeMoved,
        Change::Signing => Message::Signing,
        Change::Authentication => Message::Authentication,
        Change::Limit => Message::Limit,
        Change::Deadline => Message::DeadlineChanged,
        Change::RowFormat => Message::RowFormat,
        Change::Setting => Message::Setting,
    }
}
