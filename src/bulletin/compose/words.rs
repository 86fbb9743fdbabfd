//! Everything a bulletin says, in Chinese and in English, in one table.

use crate::bulletin::Ill;
use crate::delivery::Evidence;
use crate::indicator::scheme::Known;
use crate::language::messages;

messages! {
    /// Something a bulletin says.
    pub(super) enum Say;
    Subject, "数据共享开放", "data sharing";
    TitleWeekly, "关于{}年第{}周{}\n工作情况的通报", "{}, week {}: bulletin on {}";
    TitleMonthly, "关于{}年{}月{}\n工作考评情况的通报", "{}-{}: assessment of {}";
    TitleQuarterly, "{}年第{}季度{}\n工作调度会材料", "{}, quarter {}: paper for the meeting on {}";
    Between, "（{}—{}）", "({} to {})";
    Number, "〔{}〕　　号", "No. ____ ({})";
    OfficeBlank, "（发文机关）", "(issuing office)";
    ToBlank, "（主送单位）：", "To: (addressees)";
    To, "{}：", "To: {}";
    Contact, "（联系人：{}）", "(Contact: {})";
    ContactBlank, "（联系人：　　　　　联系电话：　　　　　）", "(Contact: ____________ )";
    Attached, "附件：", "Attachments:";
    Attachment, "{}整改清单（{}项）", "{}: list to mend ({})";
    AsOf, "数据截至{}", "as of {}";
    Overall, "总体情况", "Overall";
    OverallQuarter, "季度运行情况", "The quarter";
    Changes, "本周变化", "What changed";
    Ranking, "分类排名", "Ranks by class";
    Troubles, "存在问题", "What is wrong";
    Recurring, "反复出现的问题", "What keeps coming back";
    Matters, "提请会议研究的事项", "For the meeting to decide";
    Next, "下步要求", "What is to be done";
    NextWeek, "下周重点", "What is to be done next week";
    Exempt, "豁免与变更", "Exemptions and changes";
    LeadWeekly, "截至{}，按《{}》测算，{}本月累计得分{}分。", "As of {}, by \"{}\", {} has {} points this month. ";
    LeadMonthly, "截至{}，按《{}》测算，{}当月得分{}分。", "As of {}, by \"{}\", {} has {} points. ";
    LeadQuarterly, "截至{}，按《{}》测算，{}本季度月均得分{}分。", "As of {}, by \"{}\", {} has {} points, the mean of the quarter's months. ";
    RankOf, "在全省参与排名的{}个市中列第{}位", "Of {} cities that are ranked it is number {}";
    Up, "，与上一名相差{}分", ", {} points behind the next better";
    Down, "，领先下一名{}分", ", {} points ahead of the next";
    RankUnknown, "全省名次以省级公布为准，目前没有其他市的得分。", "Its rank is not known: no other city's points are at hand. ";
    Stop, "。", ". ";
    Better, "按可比项目，较上期（截至{}）上升{}分。", "That is more than at the end of {}, by {}. ";
    Worse, "按可比项目，较上期（截至{}）下降{}分。", "That is less than at the end of {}, by {}. ";
    Same, "按可比项目，与上期（截至{}）持平。", "That is the same as at the end of {}. ";
    NotCompared, "另有{}个考核项只有一期可以计分，未计入比较。", "{} items could be computed only once and are not compared. ";
    City, "本市", "the city";
    NoBefore, "上期没有可比数据。", "There is nothing to compare it with. ";
    Known, "已知项占分值的{}%，未知项不计分。", "{} % of the points are known; what is unknown counts nothing. ";
    NothingKnown, "各项均无分值可计，得分仅反映扣分。", "No item has a worth: the points are deductions alone. ";
    LostIn, "已知项共失{}分，主要为：{}。", "What is known has lost {} points, mostly: {}. ";
    LostNothing, "已知各项均未失分。", "Nothing that is known has lost a point. ";
    LossOf, "{}{}分", "{} {}";
    Recover, "至本月考评截止前仍可挽回{}分。", "{} points can still be recovered before the cut-off. ";
    Evidence, "本期经省级确认的数据{}行", "Rows that the province confirmed: {}";
    EvidenceBy, "（{}）", " ({})";
    Grade, "{}{}行", "{} {}";
    Placed, "；另有{}行仅投放到位、尚无任何回执，不计入已确认", "; a further {} were only placed, without any acknowledgement, and are not among them";
    Rejected, "。本市规则拦截{}行，省级退回{}行。", ". Our rules set {} aside, the province returned {}. ";
    Basis, "得分依据：已公布{}分、估算{}分、外部填报{}分、未知{}分。办法来源：{}。", "Basis, in points: {} published, {} estimated, {} brought in, {} unknown. The scheme was made from: {}.";
    TableNumber, "表{}　{}", "Table {}: {}";
    Classes, "分类得分", "Points by class";
    Items, "分项得分", "Points by item";
    Measures, "主要指标", "Measures";
    Months, "各月得分", "Points by month";
    Class, "类别", "class";
    Item, "考核项", "item";
    Measure, "指标", "measure";
    Month, "月份", "month";
    Worth, "分值", "worth";
    Points, "得分", "points";
    Lost, "失分", "lost";
    Since, "较上期", "change";
    Basis1, "依据", "basis";
    Now, "本期", "now";
    Before, "上期", "before";
    Rank, "名次", "rank";
    Body, "单位", "body";
    Rate, "得分率", "of a hundred";
    GradeHead, "等次", "grade";
    OfWorth, "得分／可计分值", "points of those known";
    NotJudged, "未评", "not judged";
    ClassOf, "{}（{}个）", "{} ({})";
    GradeOf, "{}{}个", "{}: {}";
    GradesLead, "按百分制得分率评定：{}。", "By points of a hundred: {}. ";
    BestAre, "排名前列的是{}。", "First: {}. ";
    WorstAre, "等次为“{}”的是{}。", "Graded \"{}\": {}. ";
    ByCityItems, "本办法未单列对各单位的考核项，本表以同一办法的市级项目、按各单位责任清单测算，仅供内部比较；不能测算的项目不计入分值。", "The scheme has no items for these bodies: they are judged by the city's items over their own lists, for comparison within the city; what cannot be computed counts on neither side.";
    MeanOfMonths, "本表为本季度各月得分率的平均值。", "The mean of the quarter's months.";
    NoBodies, "尚未登记考核对象，本期不排名。", "No assessed bodies are listed: nothing is ranked.";
    TroublesLead, "共涉及{}个单位、{}个问题：{}。", "{} departments, {} findings: {}. ";
    IllCount, "{}{}个", "{} {}";
    NoTroubles, "本期未发现需要整改的问题。", "Nothing was found that has to be mended.";
    Overview, "各单位问题汇总", "Findings by department";
    Department, "责任单位", "department";
    All, "问题数", "findings";
    StaleShort, "逾期", "overdue";
    CataloguedShort, "目录", "entries";
    MountedShort, "挂接", "resources";
    RowsShort, "数据质量", "rows";
    CasesShort, "办件", "cases";
    Shared, "失分（折算）", "points (shared out)";
    SharedRemark, "失分按各单位问题数占全市的比例折算；分档计分的项目，折算仅作参考。", "Lost points are shared out by each department's part of the findings; where an item has steps that is a convention.";
    DepartmentLost, "{}（失{}分）", "{} ({} points)";
    IllLine, "{}{}个：{}。", "{} {}: {}. ";
    AndMore, "等", " and others";
    FurtherMore, "另有{}个问题未逐条列出。", "{} further findings are not listed.";
    NotDetailed, "其余{}个单位的问题见表及附件。", "The findings of {} further departments stand in the table and the attachments.";
    Sound, "未发现问题的单位（{}个）：{}。", "Departments without a finding ({}): {}.";
    CityLost, "另有{}分不归属于单个部门：{}。", "{} points belong to no single department: {}. ";
    KeyMark, "重点数据，", "key data, ";
    Detail, "{}（{}）", "{} ({})";
    OverdueHours, "逾期{}小时", "overdue {} h";
    OverdueDays, "逾期{}天", "overdue {} days";
    NeverConfirmed, "从未获省级确认", "never confirmed";
    SinceDay, "自{}", "since {}";
    Until, "期限{}", "deadline {}";
    RowsOf, "{}行", "{} rows";
    RowsBy, "{}行：{}", "{} rows: {}";
    CodeRows, "{} {}行", "{} {}";
    KeysOf, "{}个键", "{} keys";
    ProbesOf, "{}次", "{} times";
    NextLead, "请各责任单位对照下表和附件逐项整改，未列明时限的事项于{}前完成，完成后在整改清单中填写完成情况并附佐证材料。", "Each department mends what stands below and in its attachment, by {} where no other time is named, and returns the list with proof.";
    NextHonest, "整改须以真实数据和真实办理为准。修改时间戳、重复报送相同数据、填充占位值、拆分目录、空表挂接等做法，系统均可识别，不计入得分。", "Only real data and real work count. Touched times, identical resends, fillers, split entries and hollow tables are recognised and earn nothing.";
    NextTable, "整改事项", "To be mended";
    NextMore, "以上列出{}项，其余{}项见附件。", "{} are listed, {} more stand in the attachments.";
    NextNone, "本期没有需要整改的事项，请各单位继续保持。", "Nothing has to be mended.";
    Ordinal, "序号", "no.";
    Matter, "事项", "what";
    Object, "对象", "object";
    Gain, "可挽回分", "points";
    Deadline, "完成时限", "deadline";
    Provisional, "时限跨入尚未公布放假安排的年份，暂按周一至周五为工作日推算，以国务院办公厅通知为准。", "The deadline lies in a year whose holidays are not published: counted from Monday to Friday for the time being.";
    RecurringTable, "连续或多次出现的问题", "Found at the end of several months";
    RecurringLead, "以下问题在本季度两个及以上月末均存在，共{}个。", "These stood at the end of two months or more: {}.";
    RecurringMore, "仅列前{}个。", "Only the first {} are listed.";
    RecurringNone, "没有在两个及以上月末均存在的问题。", "Nothing stood at the end of two months or more.";
    TimesHead, "出现次数", "times";
    MatterWorst, "等次为“{}”的单位作情况说明：{}。", "Bodies graded \"{}\" explain themselves: {}.";
    MatterCity, "不归属于单个部门的失分{}分，请明确牵头单位：{}。", "{} points belong to no single department; who takes the lead: {}.";
    MatterRecurring, "对反复出现的{}个问题逐一明确整改责任人和完成时限。", "For each of the {} findings that came back: who mends it, and until when.";
    MatterUnknown, "未知项分值{}分，请商省级主管部门明确计分办法。", "{} points are unknown: ask the province how they are reckoned.";
    MatterNone, "本季度没有需要提请会议研究的事项。", "There is nothing for the meeting to decide.";
    ItemsUp, "得分上升的考核项：{}。", "Items that gained: {}. ";
    ItemsDown, "得分下降的考核项：{}。", "Items that lost: {}. ";
    ItemMoved, "{}（{}）", "{} ({})";
    NothingMoved, "与上期相比，各考核项得分没有变化。", "No item's points changed.";
    ExemptTable, "经批准的豁免", "Approved exemptions";
    ExemptNone, "本期没有生效的豁免。", "No exemption holds.";
    ExemptLead, "以下{}项经批准不计入相应指标，名单随期公布。", "Left out of the measures named, as approved: {}. ";
    Entry, "目录", "entry";
    Span, "起止", "from, to";
    Reason, "原因", "reason";
    Approval, "批准依据", "approval";
    AllMeasures, "全部指标", "all measures";
    FromOn, "{}起", "from {}";
    FromTo, "{}至{}", "{} to {}";
    Ahead, "按近{}天的规律推算，到{}考评截止时预计得{}分，{}%的可能在{}至{}分之间。", "By the habits of the last {} days it will have, at the cut-off ({}), {} points; with {} % likelihood between {} and {}. ";
    AheadLost, "其中{}分已无法挽回。", "Of what is lost, {} points do not come back. ";
    AheadOthers, "另有{}分取决于其他市的得分。", "{} points hang on the other cities. ";
    AheadAvoidable, "抓紧办理可争取{}分，主要为：{}。", "Acts that are known bring {} points together, mostly: {}. ";
    AheadItemBy, "{}{}分（最迟{}着手）", "{} {} (begin by {})";
    LooserNone, "本期没有放宽更新周期、共享类型或撤下目录的情况。", "No cycle was lengthened, no share type lowered, nothing taken off a list.";
    LooserWarning, "有{}项承诺未经批准被放宽（{}），一律按原口径计分，见“豁免与变更”。", "Promises loosened without an approval: {} ({}). They count as before, see the last part.";
    LooserOpen, "以下{}项放宽未经批准，不予认可，仍按原口径计分；确需放宽的，须说明理由并报批。", "Loosened without an approval: {}. They count as before; who needs them asks for an approval, with reasons. ";
    LooserOpenTable, "未经批准的变更（仍按原口径计分）", "Without an approval (they count as before)";
    LooserApproved, "以下{}项放宽已经批准，名单随期公布。", "Loosened with an approval: {}. ";
    LooserApprovedTable, "经批准的变更", "Approved changes";
    LooserMore, "另有{}项未列出。", "{} further ones are not listed.";
    LooserBack, "另有{}项曾被放宽，现已恢复。", "{} further ones were taken back.";
    Counted, "原口径", "before";
    DeclaredNow, "现申报", "declared now";
    SeenOn, "发现时间", "seen on";
    MatterListed, "列入责任清单", "listed";
    MatterTask, "列入归集任务清单", "on the list of tasks";
    MatterEntry, "列入目录", "in the catalogue";
    MatterDataset, "报送数据", "rows carried";
    MatterCycle, "更新周期", "update cycle";
    MatterShare, "共享类型", "share type";
    MatterOpen, "开放类型", "open type";
    MatterKey, "重点数据", "key data";
    MatterDue, "归集时限", "by when it is due";
    Unconditional, "无条件", "unconditional";
    Conditional, "有条件", "conditional";
    NotAtAll, "不予", "not at all";
    Yes, "是", "yes";
    No, "否", "no";
    Required, "{}，省级要求自此使用标准{}（通道{}）。", "{}: the province requires the standard {} (channel {}).";
    InForce, "{}，标准{}在通道{}启用。", "{}: the standard {} was put in force (channel {}).";
    ChangesMore, "另有{}次标准变更未列出。", "{} further changes of standard are not listed.";
    ScoreChart, "分类得分率（%）", "points of a hundred, by class";
    RankChart, "{}得分率（%）", "{}: points of a hundred";
    MonthChart, "各月得分", "points by month";
    DepartmentChart, "失分（折算）最多的单位", "departments that lost most";
    KnownPublished, "已公布", "published";
    KnownEstimated, "估算", "estimated";
    KnownOutside, "外部填报", "brought in";
    KnownUnknown, "未知", "unknown";
    NoFigure, "无数据", "no figure";
    EvidenceRowVerdict, "逐行校验", "by row verdict";
    EvidenceReceipt, "回执", "by receipt";
    EvidenceCount, "数量核对", "by count";
    EvidenceLog, "省级导出日志", "by exported log";
    EvidencePlaced, "仅投放", "only placed";
    IllCaseLate, "逾期未办结", "cases too late";
    IllCaseOpen, "待办结", "cases open";
    IllStale, "逾期未更新", "overdue datasets";
    IllIncomplete, "目录不完整或被退回", "incomplete or refused entries";
    IllNotCascaded, "目录未级联", "entries not cascaded";
    IllUnmounted, "资源未挂接", "entries without a resource";
    IllRejectedHere, "数据不合规被拦截", "datasets with rows set aside";
    IllRejectedAbove, "省级校验未通过", "datasets with rows failed";
    IllDiffering, "与省级对账不一致", "datasets that differ from the province";
    IllUnanswered, "接口无应答", "interfaces without an answer";
    IllUncollected, "归集任务未完成", "tasks to collect that are not done";
    SheetName, "整改清单", "to mend";
    SheetFrom, "{}监测", "monitoring of {}";
    SheetLoss, "{}；可挽回{}分", "{}; {} points can be recovered";
    ColumnNumber, "序号", "no.";
    ColumnBody, "责任单位", "department";
    ColumnSource, "问题来源", "source";
    ColumnKind, "问题类型", "kind";
    ColumnText, "问题描述", "what is wrong";
    ColumnCode, "目录/资源编码", "entry, dataset or case";
    ColumnItem, "对应指标及扣分", "measures and points";
    ColumnDate, "反馈日期", "told on";
    ColumnMeasure, "整改措施", "what is done";
    ColumnDeadline, "时限", "deadline";
    ColumnPerson, "责任人", "who does it";
    ColumnDone, "完成情况", "how far";
    ColumnProof, "佐证材料", "proof";
    ColumnClosed, "是否销号", "closed";
    ColumnRemark, "备注", "remark";
}

impl Say {
    /// The word for what is wrong.
    pub(super) fn of_ill(ill: &Ill) -> Self {
        match ill {
            Ill::CaseLate(_) => Self::IllCaseLate,
            Ill::CaseOpen(_) => Self::IllCaseOpen,
            Ill::Stale => Self::IllStale,
            Ill::Incomplete => Self::IllIncomplete,
            Ill::NotCascaded => Self::IllNotCascaded,
            Ill::Unmounted => Self::IllUnmounted,
            Ill::RejectedHere => Self::IllRejectedHere,
            Ill::RejectedAbove => Self::IllRejectedAbove,
            Ill::Differing => Self::IllDiffering,
            Ill::Unanswered => Self::IllUnanswered,
            Ill::Uncollected => Self::IllUncollected,
        }
    }

    /// The word for how well an item is known.
    pub(super) fn of_known(known: Known) -> Self {
        match known {
            Known::Published => Self::KnownPublished,
            Known::Estimated => Self::KnownEstimated,
            Known::Outside => Self::KnownOutside,
            Known::Unknown => Self::KnownUnknown,
        }
    }

    /// The word for a grade of evidence.
    pub(super) fn of_evidence(evidence: Evidence) -> Self {
        match evidence {
            Evidence::RowVerdict => Self::EvidenceRowVerdict,
            Evidence::Receipt => Self::EvidenceReceipt,
            Evidence::Count => Self::EvidenceCount,
            Evidence::ExportedLog => Self::EvidenceLog,
            Evidence::Placed => Self::EvidencePlaced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Language, flaw};

    #[test]
    fn both_languages_say_every_sentence_with_the_same_gaps() {
        for say in Say::ALL {
            let [zh, en] = Language::ALL.map(|it| say.of(it));
            assert_eq!(flaw([zh, en]), None, "{say:?}");
            assert!(en.is_ascii(), "{say:?}");
        }
    }
}
