//! The measures that schemes may name, and the figures they come to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::doubts::Doubt;

/// A measure: its name in expressions, its Chinese title and how it is reckoned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Measure {
    /// As expressions write it.
    pub name: &'static str,
    /// As notices call it.
    pub zh: &'static str,
    /// What it is, over what.
    pub en: &'static str,
}

const fn measure(name: &'static str, zh: &'static str, en: &'static str) -> Measure {
    Measure { name, zh, en }
}

/// Every measure (facts §6.2). A rate lies between 0 and 1 and is absent where nothing stands below
/// the line. "At the cut-off" is the last instant of the window.
pub const MEASURES: [Measure; 25] = [
    measure(
        "catalogue.complete_rate",
        "目录完整率",
        "listed entries whose message could be made and was not refused, at the cut-off",
    ),
    measure(
        "catalogue.cascaded_rate",
        "目录级联率",
        "listed entries that stand above in their current version, at the cut-off",
    ),
    measure(
        "resource.mounted_rate",
        "资源挂接率",
        "listed entries to be shared of which a resource stands above, at the cut-off",
    ),
    measure(
        "data.timely_rate",
        "更新及时率",
        "listed datasets with a countable cycle that are not overdue, at the cut-off",
    ),
    measure(
        "data.overdue_hours",
        "逾期时长",
        "whole hours that listed datasets were overdue within the window",
    ),
    measure(
        "data.passed_rate",
        "数据合格率",
        "rows that no rule of ours set aside, of those that passes saw within the window",
    ),
    measure(
        "receipt.passed_rate",
        "校验回执成功率",
        "rows that the province's verdicts passed, of those judged within the window",
    ),
    measure(
        "interface.available_rate",
        "接口可用率",
        "probes that were answered, of those made within the window",
    ),
    measure(
        "request.timely_rate",
        "需求响应及时率",
        "cases of the list `requests` closed in time, of those due within the window",
    ),
    measure(
        "objection.timely_rate",
        "异议按时办结率",
        "cases of the list `objections` closed in time, of those due within the window",
    ),
    measure(
        "cascade.current",
        "级联对接状态",
        "1 where every channel speaks the standard that the province requires, at the cut-off; else 0",
    ),
    measure(
        "cascade.lapsed_hours",
        "级联脱节时长",
        "whole hours within the window during which some channel did not",
    ),
    measure(
        "reconcile.agreed_rate",
        "对账一致率",
        "keys on which city and province agree, in each dataset's last comparison",
    ),
    measure(
        "key.covered_rate",
        "关键数据覆盖率",
        "key entries that stand above and are not overdue, at the cut-off",
    ),
    measure(
        "valid.true_rate",
        "真实性",
        "askings of rules about check digits and fillers that were not broken, within the window",
    ),
    measure(
        "valid.sound_rate",
        "有效性",
        "askings of all other rules that were not broken, within the window",
    ),
    measure(
        "valid.usable_rate",
        "可用性",
        "the mean of what is known of three: `resource.mounted_rate`, `interface.available_rate`, \
         `receipt.passed_rate`",
    ),
    measure(
        "collection.rate",
        "归集任务完成率",
        "tasks of the province's list due within the window whose entry stands above with a resource \
         that is not all but empty and with rows that are confirmed and not overdue, at the cut-off",
    ),
    measure(
        "collection.due_rate",
        "到期归集任务完成率",
        "as `collection.rate`, over all tasks that were due by the cut-off",
    ),
    measure("key.share", "关键数据占比", "key entries among the listed entries"),
    measure(
        "worth.used_rate",
        "数据使用率",
        "listed entries to be shared of which a use was stated by the end of the month, where uses \
         are kept",
    ),
    measure(
        "worth.distinct_rate",
        "数据不重复率",
        "listed entries that do not repeat another: its dataset, or its title within one department",
    ),
    measure(
        "open.cascaded_rate",
        "开放目录级联率",
        "as `catalogue.cascaded_rate`, over the entries that are open to the public",
    ),
    measure(
        "open.mounted_rate",
        "开放资源挂接率",
        "as `resource.mounted_rate`, over the entries that are open to the public",
    ),
    measure(
        "open.timely_rate",
        "开放数据更新及时率",
        "as `data.timely_rate`, over the entries that are open to the public",
    ),
];

/// What one figure came to, and from what.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Figure {
    /// The figure; absent where nothing is known or nothing stands below the line.
    pub value: Option<Decimal>,
    /// Above and below the line, where it is a rate.
    pub parts: Option<(u64, u64)>,
    /// How many were left out because an exemption says so.
    pub exempt: u64,
    /// What lowers it, or where it comes from: at most [`Figure::MOST`].
    pub findings: Vec<Finding>,
    /// How many findings more there are.
    pub more: u64,
}

/// Something that a figure was computed from, down to what a person can look up.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Finding {
    /// The entry, dataset, case or channel.
    pub subject: String,
    /// The department that answers for it.
    pub owner: String,
    /// From when, where it lasts.
    pub from: Option<Timestamp>,
    /// Until when, where it has ended.
    pub until: Option<Timestamp>,
    /// The fact, or the source of a stated value; empty where it is the lack of any fact.
    pub evidence: String,
    /// It is not lacking: it does not count, for it is doubted.
    pub doubt: Option<Doubt>,
}

impl Figure {
    /// The most findings that a figure keeps.
    pub const MOST: usize = 50;

    /// A rate: `of` above the line, `all` below it.
    pub fn rate(of: u64, all: u64) -> Self {
        let value = Decimal::from(of).checked_div(Decimal::from(all)).map(|rate| rate.normalize());
        Self { value, parts: Some((of, all)), ..Self::default() }
    }

    /// A number.
    pub fn number(value: Decimal) -> Self {
        Self { value: Some(value.normalize()), ..Self::default() }
    }

    /// With what it was computed from.
    #[must_use]
    pub fn with(mut self, findings: Vec<Finding>) -> Self {
        let more = findings.len().saturating_sub(Self::MOST);
        self.findings = findings;
        self.findings.truncate(Self::MOST);
        self.more = u64::try_from(more).unwrap_or(u64::MAX);
        self
    }
}

/// Figures by the names of expressions.
pub type Figures = BTreeMap<String, Figure>;
