//! What can happen: a closed list, so that nothing new is counted by accident.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::form::{self, Value};
use crate::delivery::{Evidence, Lane, LinkState, RejectKind, StandardId};

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Rows reached the declared evidence above *placed*.
    Confirmed {
        /// How many.
        rows: u64,
        /// How well that is proven.
        evidence: Evidence,
    },
    /// Rows were put where the province fetches them; nothing more is known.
    Placed {
        /// How many.
        rows: u64,
    },
    /// The platform judged rows (校验结果).
    Verdict {
        /// How many stand.
        passed: u64,
        /// How many do not.
        failed: u64,
    },
    /// Rows or an object were turned away.
    Rejected {
        /// By whom.
        kind: RejectKind,
        /// The rule, or the province's code as said.
        code: String,
        /// How many.
        rows: u64,
    },
    /// A deadline passed without newer content.
    OverdueFrom {
        /// The deadline.
        deadline: Timestamp,
    },
    /// Newer content was confirmed after a deadline had passed.
    OverdueUntil {
        /// The deadline that had passed.
        deadline: Timestamp,
    },
    /// A link changed its state.
    Link {
        /// From.
        from: LinkState,
        /// To.
        to: LinkState,
        /// The province's code, where it gave one.
        code: Option<String>,
    },
    /// From now on this standard is spoken for the subject.
    StandardInForce {
        /// Which.
        standard: StandardId,
    },
    /// The province answered with something that its standard does not list.
    Drift {
        /// The operation that is held.
        operation: String,
        /// The code, as said.
        code: String,
    },
    /// An operator or a new standard settled a drift.
    DriftSettled {
        /// The operation that goes on.
        operation: String,
    },
    /// A pass over a dataset came to its end.
    PassCompleted {
        /// Which lane.
        lane: Lane,
        /// Rows that were seen.
        seen: u64,
        /// Rows that were new, gone or changed.
        changed: u64,
        /// Rows that our own rules turned away.
        rejected: u64,
        /// Rows that were sent again although the province holds just them; written where it is
        /// not 0.
        resent: u64,
        /// Only a part of the table was read; written where that is so.
        is_part: bool,
    },
    /// One rule's counts of a pass.
    RuleCounted {
        /// The rule's name.
        rule: String,
        /// How often it was asked.
        executed: u64,
        /// How often it was broken.
        broken: u64,
        /// How often a waiver helped.
        waived: u64,
    },
    /// What the city has, the ledger says and the province holds was compared.
    Reconciled {
        /// Rows or objects compared.
        compared: u64,
        /// Those that differ.
        mismatched: u64,
    },
    /// Something was done with a durable operator request.
    Job {
        /// What.
        act: JobAct,
        /// Who: the peer of the control socket.
        by: String,
    },
    /// Somebody looked at a sealed original.
    OriginalOpened {
        /// Who.
        by: String,
        /// The row's keyed digest.
        key: String,
    },
    /// The ledger began a new incarnation: it was made, or restored from a backup.
    IncarnationBegun {
        /// Which.
        incarnation: u64,
    },
    /// The province gave notice: from when it occurred on, this standard is wanted.
    StandardRequired {
        /// Which.
        standard: StandardId,
    },
    /// An interface was asked whether it answers.
    Probed {
        /// How often it did.
        succeeded: u64,
        /// How often it did not.
        failed: u64,
    },
    /// Something with a deadline was laid before the city; the subject is its number on its list.
    CaseOpened {
        /// The list: requests, objections, what the province found to be mended, ….
        list: String,
        /// The department that has to deal with it.
        owner: String,
        /// By when.
        deadline: Timestamp,
    },
    /// A month was closed: what it came to is kept beside, with this digest.
    PeriodClosed {
        /// By which scheme.
        scheme: String,
        /// The city's total.
        total: Decimal,
        /// Of what is kept.
        digest: String,
    },
    /// The city's list says that a measure leaves the subject out.
    Exempted {
        /// The measure; `*` for all of them.
        measure: String,
        /// From which day, and until which where it ends: `2026-01-01..2026-12-31`.
        days: String,
        /// Why.
        reason: String,
        /// Who approved it, and where that is written.
        approval: String,
    },
    /// So many of the dataset's rows are turned away and not mended yet: what stands, no count of
    /// what happened.
    Unmended {
        /// By our rules.
        here: u64,
        /// By the platform: not taken, or failed.
        above: u64,
    },
    /// What the city promises of the subject from now on, as one of its lists has it.
    Declared {
        /// Which list: obligations, the catalogue, the configured datasets.
        list: String,
        /// The promise as `name=value` joined by `&`; empty where the subject left the list.
        terms: String,
    },
    /// From this day on the city may promise less of the subject.
    Approved {
        /// What of it: its cycle, how it is shared, that it is listed, ….
        what: String,
        /// What was promised.
        from: String,
        /// What may be promised instead.
        to: String,
        /// Why.
        reason: String,
        /// Who approved it, and where that is written.
        approval: String,
    },
    /// It was dealt with.
    CaseClosed {
        /// The list.
        list: String,
        /// What proves it: never empty, never content.
        proof: String,
    },
    /// A value that the daemon cannot see was stated by somebody; the subject is who it is about.
    Stated {
        /// Which value, as schemes name it.
        name: String,
        /// The month that it is about, `2022-03`.
        month: String,
        /// The value.
        value: Decimal,
        /// Who said so and where.
        source: String,
    },
}

/// What was done with a job.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum JobAct {
    /// Asked for.
    Requested,
    /// Begun.
    Started,
    /// At its end.
    Completed,
    /// Given up by an operator.
    Cancelled,
    /// Ended by a failure.
    Failed,
}

impl JobAct {
    /// Every act.
    pub const ALL: [Self; 5] =
        [Self::Requested, Self::Started, Self::Completed, Self::Cancelled, Self::Failed];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// The inverse of [`JobAct::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == text)
    }
}

/// What is not there in most readings is written only where it is, so that others keep their form.
fn each_that_is_seldom(resent: u64, is_part: bool, put: &mut dyn FnMut(&'static str, Value<'_>)) {
    if resent > 0 {
        put("resent", Value::Count(resent));
    }
    if is_part {
        put("part", Value::Text("yes"));
    }
}

impl Kind {
    /// The word that is stored, shown and used as a label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "confirmed",
            Self::Placed { .. } => "placed",
            Self::Verdict { .. } => "verdict",
            Self::Rejected { .. } => "rejected",
            Self::OverdueFrom { .. } => "overdue-from",
            Self::OverdueUntil { .. } => "overdue-until",
            Self::Link { .. } => "link",
            Self::StandardInForce { .. } => "standard-in-force",
            Self::Drift { .. } => "drift",
            Self::DriftSettled { .. } => "drift-settled",
            Self::PassCompleted { .. } => "pass-completed",
            Self::RuleCounted { .. } => "rule-counted",
            Self::Reconciled { .. } => "reconciled",
            Self::Job { .. } => "job",
            Self::OriginalOpened { .. } => "original-opened",
            Self::IncarnationBegun { .. } => "incarnation-begun",
            Self::StandardRequired { .. } => "standard-required",
            Self::Probed { .. } => "probed",
            Self::CaseOpened { .. } => "case-opened",
            Self::CaseClosed { .. } => "case-closed",
            Self::PeriodClosed { .. } => "period-closed",
            Self::Exempted { .. } => "exempted",
            Self::Unmended { .. } => "unmended",
            Self::Declared { .. } => "declared",
            Self::Approved { .. } => "approved",
            Self::Stated { .. } => "stated",
        }
    }

    /// Its fields as names and texts, always in the same order.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        self.each_field(&mut |name, value| fields.push((name, value.to_string())));
        fields
    }

    /// Shows each field, in the order of [`Kind::fields`], without making texts of them.
    pub(super) fn each_field(&self, put: &mut dyn FnMut(&'static str, Value<'_>)) {
        match self {
            Self::Confirmed { rows, evidence } => {
                put("rows", Value::Count(*rows));
                put("evidence", Value::Text(evidence.as_str()));
            }
            Self::Placed { rows } => put("rows", Value::Count(*rows)),
            Self::Verdict { passed, failed } => {
                put("passed", Value::Count(*passed));
                put("failed", Value::Count(*failed));
            }
            Self::Rejected { kind, code, rows } => {
                put("kind", Value::Text(kind.as_str()));
                put("code", Value::Text(code));
                put("rows", Value::Count(*rows));
            }
            Self::OverdueFrom { deadline } | Self::OverdueUntil { deadline } => {
                put("deadline", Value::Instant(*deadline));
            }
            Self::Link { from, to, code } => {
                put("from", Value::Text(from.as_str()));
                put("to", Value::Text(to.as_str()));
                code.iter().for_each(|code| put("code", Value::Text(code)));
            }
            Self::StandardInForce { standard } | Self::StandardRequired { standard } => {
                put("standard", Value::Text(standard.as_str()));
            }
            Self::Drift { operation, code } => {
                put("operation", Value::Text(operation));
                put("code", Value::Text(code));
            }
            Self::DriftSettled { operation } => put("operation", Value::Text(operation)),
            Self::PassCompleted { lane, seen, changed, rejected, resent, is_part } => {
                put("lane", Value::Text(lane.as_str()));
                put("seen", Value::Count(*seen));
                put("changed", Value::Count(*changed));
                put("rejected", Value::Count(*rejected));
                each_that_is_seldom(*resent, *is_part, put);
            }
            Self::RuleCounted { rule, executed, broken, waived } => {
                put("rule", Value::Text(rule));
                put("executed", Value::Count(*executed));
                put("broken", Value::Count(*broken));
                put("waived", Value::Count(*waived));
            }
            Self::Reconciled { compared, mismatched } => {
                put("compared", Value::Count(*compared));
                put("mismatched", Value::Count(*mismatched));
            }
            Self::Job { act, by } => {
                put("act", Value::Text(act.as_str()));
                put("by", Value::Text(by));
            }
            Self::OriginalOpened { by, key } => {
                put("by", Value::Text(by));
                put("key", Value::Text(key));
            }
            Self::IncarnationBegun { incarnation } => {
                put("incarnation", Value::Count(*incarnation));
            }
            Self::Probed { .. }
            | Self::CaseOpened { .. }
            | Self::CaseClosed { .. }
            | Self::PeriodClosed { .. }
            | Self::Exempted { .. }
            | Self::Unmended { .. }
            | Self::Declared { .. }
            | Self::Approved { .. }
            | Self::Stated { .. } => self.each_field_of_the_score(put),
        }
    }

    /// The fields of the kinds that only the score asks about.
    fn each_field_of_the_score(&self, put: &mut dyn FnMut(&'static str, Value<'_>)) {
        match self {
            Self::Probed { succeeded, failed } => {
                put("succeeded", Value::Count(*succeeded));
                put("failed", Value::Count(*failed));
            }
            Self::CaseOpened { list, owner, deadline } => {
                put("list", Value::Text(list));
                put("owner", Value::Text(owner));
                put("deadline", Value::Instant(*deadline));
            }
            Self::CaseClosed { list, proof } => {
                put("list", Value::Text(list));
                put("proof", Value::Text(proof));
            }
            Self::PeriodClosed { scheme, total, digest } => {
                put("scheme", Value::Text(scheme));
                put("total", Value::Decimal(total.normalize()));
                put("digest", Value::Text(digest));
            }
            Self::Exempted { measure, days, reason, approval } => {
                put("measure", Value::Text(measure));
                put("days", Value::Text(days));
                put("reason", Value::Text(reason));
                put("approval", Value::Text(approval));
            }
            Self::Unmended { here, above } => {
                put("here", Value::Count(*here));
                put("above", Value::Count(*above));
            }
            Self::Declared { list, terms } => {
                put("list", Value::Text(list));
                put("terms", Value::Text(terms));
            }
            Self::Approved { what, from, to, reason, approval } => {
                put("what", Value::Text(what));
                put("from", Value::Text(from));
                put("to", Value::Text(to));
                put("reason", Value::Text(reason));
                put("approval", Value::Text(approval));
            }
            Self::Stated { name, month, value, source } => {
                put("name", Value::Text(name));
                put("month", Value::Text(month));
                put("value", Value::Decimal(*value));
                put("source", Value::Text(source));
            }
            Self::Confirmed { .. }
            | Self::Placed { .. }
            | Self::Verdict { .. }
            | Self::Rejected { .. }
            | Self::OverdueFrom { .. }
            | Self::OverdueUntil { .. }
            | Self::Link { .. }
            | Self::StandardInForce { .. }
            | Self::StandardRequired { .. }
            | Self::Drift { .. }
            | Self::DriftSettled { .. }
            | Self::PassCompleted { .. }
            | Self::RuleCounted { .. }
            | Self::Reconciled { .. }
            | Self::Job { .. }
            | Self::OriginalOpened { .. }
            | Self::IncarnationBegun { .. } => {}
        }
    }

    /// The inverse of [`Kind::as_str`] with [`Kind::fields`]. Fields that the kind does not have
    /// are found by [`Fact::decode`](super::Fact::decode), which writes it again and compares.
    pub fn from_fields(word: &str, fields: &[(&str, &str)]) -> Option<Self> {
        let found = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, v)| *v);
        let text = |name| found(name).map(ToOwned::to_owned);
        let count = |name| form::count(found(name)?);
        let deadline = || form::instant(found("deadline")?);
        Some(match word {
            "confirmed" => Self::Confirmed {
                rows: count("rows")?,
                evidence: Evidence::parse(found("evidence")?)?,
            },
            "placed" => Self::Placed { rows: count("rows")? },
            "verdict" => Self::Verdict { passed: count("passed")?, failed: count("failed")? },
            "rejected" => Self::Rejected {
                kind: RejectKind::parse(found("kind")?)?,
                code: text("code")?,
                rows: count("rows")?,
            },
            "overdue-from" => Self::OverdueFrom { deadline: deadline()? },
            "overdue-until" => Self::OverdueUntil { deadline: deadline()? },
            "link" => Self::Link {
                from: LinkState::parse(found("from")?)?,
                to: LinkState::parse(found("to")?)?,
                code: text("code"),
            },
            "standard-in-force" => {
                Self::StandardInForce { standard: StandardId::from(found("standard")?) }
            }
            "drift" => Self::Drift { operation: text("operation")?, code: text("code")? },
            "drift-settled" => Self::DriftSettled { operation: text("operation")? },
            "pass-completed" => Self::PassCompleted {
                lane: Lane::parse(found("lane")?)?,
                seen: count("seen")?,
                changed: count("changed")?,
                rejected: count("rejected")?,
                resent: found("resent").map_or(Some(0), form::count)?,
                is_part: found("part") == Some("yes"),
            },
            "rule-counted" => Self::RuleCounted {
                rule: text("rule")?,
                executed: count("executed")?,
                broken: count("broken")?,
                waived: count("waived")?,
            },
            "reconciled" => {
                Self::Reconciled { compared: count("compared")?, mismatched: count("mismatched")? }
            }
            "job" => Self::Job { act: JobAct::parse(found("act")?)?, by: text("by")? },
            "original-opened" => Self::OriginalOpened { by: text("by")?, key: text("key")? },
            "incarnation-begun" => Self::IncarnationBegun { incarnation: count("incarnation")? },
            _ => return Self::of_the_score(word, &found),
        })
    }

    /// The kinds that only the score asks about.
    fn of_the_score<'f>(word: &str, found: &impl Fn(&str) -> Option<&'f str>) -> Option<Self> {
        let text = |name| found(name).map(ToOwned::to_owned);
        let count = |name| form::count(found(name)?);
        Some(match word {
            "standard-required" => {
                Self::StandardRequired { standard: StandardId::from(found("standard")?) }
            }
            "probed" => Self::Probed { succeeded: count("succeeded")?, failed: count("failed")? },
            "case-opened" => Self::CaseOpened {
                list: text("list")?,
                owner: text("owner")?,
                deadline: form::instant(found("deadline")?)?,
            },
            "period-closed" => Self::PeriodClosed {
                scheme: text("scheme")?,
                total: Decimal::from_str_exact(found("total")?).ok()?,
                digest: text("digest")?,
            },
            "exempted" => Self::Exempted {
                measure: text("measure")?,
                days: text("days")?,
                reason: text("reason")?,
                approval: text("approval")?,
            },
            "unmended" => Self::Unmended { here: count("here")?, above: count("above")? },
            "declared" => Self::Declared { list: text("list")?, terms: text("terms")? },
            "approved" => Self::Approved {
                what: text("what")?,
                from: text("from")?,
                to: text("to")?,
                reason: text("reason")?,
                approval: text("approval")?,
            },
            "case-closed" => Self::CaseClosed {
                list: text("list")?,
                proof: text("proof").filter(|proof| !proof.is_empty())?,
            },
            "stated" => Self::Stated {
                name: text("name")?,
                month: text("month")?,
                value: Decimal::from_str_exact(found("value")?).ok()?,
                source: text("source")?,
            },
            _ => return None,
        })
    }
}
