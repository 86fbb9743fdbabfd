//! Everything the page says, in Chinese and in English, in one table.

use crate::control::protocol::Trouble;
use crate::delivery::Evidence;
use crate::language::messages;

messages! {
    /// Something the page says.
    pub(super) enum Word;
    Title, "级联运行状况", "cascade status";
    City, "本市", "this city";
    AsOf, "截至 {}", "as of {}";
    OtherLanguage, "English", "中文 (Chinese)";
    NothingYet, "尚无数据：服务刚刚启动，还没有看过账本。本页每半分钟自动刷新。",
        "No data yet: the service has just started and has not looked into its ledger. \
         This page reloads itself every half minute.";
    VerdictGood, "运行正常", "all is well";
    VerdictFirst, "首轮尚未完成，数字还会变", "the first complete pass is not over: numbers will change";
    VerdictWatch, "只看不发", "it only watches";
    WatchHead, "只看不发：将要登记与发送的", "only watching: what would be registered and sent";
    WatchSince, "自 {} 起只读取、比对、计算，不登记、不发送。", "Since {} it only reads, compares and computes; nothing is registered or sent.";
    WatchRows, "数据行：将发送 {}，将删除 {}，不合规则 {}；省端 {}", "rows: {} would be sent, {} deleted, {} break a rule; {} above";
    Kind, "类别", "kind";
    Here, "本市", "here";
    Above, "省端", "above";
    WouldRegister, "将登记", "would register";
    Adoptable, "省端已有", "held above";
    WouldModify, "将变更", "would modify";
    Lacking, "缺必填", "lacking";
    VerdictAct, "{} 项需要处理", "{} to act on";
    VerdictDown, "没有在正常工作", "not doing its work";
    Overdue, "逾期数据集", "overdue datasets";
    OfDatasets, "共 {} 个", "of {}";
    Soon, "即将到期", "due soon";
    Queued, "待处理行", "rows waiting";
    Rejected, "未收行", "rows rejected";
    RejectedSplit, "本地 {}，省端 {}", "{} here, {} above";
    Differences, "与省端差异", "differences";
    Compared, "{} 对账", "compared {}";
    NeverCompared, "尚未对账", "never compared";
    Entries, "目录", "catalogue entries";
    EntriesOf, "共 {}，未收 {}", "of {}, {} rejected";
    Score, "得分与预测", "score and forecast";
    ScoreToday, "本月至今", "this month so far";
    ScoreExpected, "预计 {}（{}–{}，{} % 的月份落在其间；{}）",
        "expected {} ({}–{}, {} % of months lie between; {})";
    ScoreAtCutOff, "到截止日若不再变化", "at the cut-off if nothing more happens";
    ScoreAtRisk, "可挽回", "can be recovered";
    ScoreKnown, "已知项占分值 {}", "{} of the points are known";
    NoScore, "未配置考核办法：没有得分，也没有预测。", "No scoring scheme is configured: no score and no forecast.";
    Attention, "需要处理", "needs attention";
    Nothing, "没有需要处理的事项", "nothing needs attention";
    Rest, "另有 {} 项：{}", "{} more: {}";
    Trouble, "事项", "trouble";
    Subject, "对象", "subject";
    Count, "次数或行数", "count";
    Since, "自", "since";
    Command, "命令", "command";
    Channels, "通道与标准", "channels and standards";
    Channel, "通道", "channel";
    Standard, "在用标准", "standard in force";
    InForceSince, "{} 起", "since {}";
    WrittenOtherwise, "配置写的是 {}", "the file says {}";
    Candidate, "候选 {}", "candidate {}";
    Drift, "异动", "drift";
    NoSigns, "无", "none";
    Signs, "{} 次", "{} signs";
    Reach, "省平台", "the platform";
    Answering, "有应答", "answers";
    Silent, "无应答", "does not answer";
    NotReached, "尚未连接", "not reached yet";
    Held, "停用", "held";
    InFlight, "在途批次", "batches in flight";
    Oldest, "最久未确认", "oldest unacknowledged";
    LastConfirmed, "最近确认", "last confirmed";
    Certificate, "证书到期", "certificate ends";
    Evidence, "数据行，按证明等级", "rows by grade of evidence";
    EvidenceNote, "每个数字只列在所用标准能证明到的等级下；“仅放置”未证明被取走，从不算作确认。",
        "Each number stands under the strongest grade its standard can prove. \
         What was only placed is not known to be fetched and never counts as confirmed.";
    Due, "应报", "due";
    GradeRowVerdict, "逐行校验", "row verdict";
    GradeReceipt, "回执", "receipt";
    GradeCount, "计数或回读", "count, read back";
    GradeExportedLog, "省端日志", "exported log";
    GradePlaced, "仅放置", "placed only";
    Total, "合计", "total";
    Freshness, "时效", "freshness";
    FreshnessLine, "及时 {}，即将到期 {}，逾期 {}，从未确认 {}，周期无法计算 {}",
        "{} fresh, {} due soon, {} overdue, {} never confirmed, {} without a usable cycle";
    NoneOverdue, "没有逾期的数据集", "no dataset is overdue";
    Dataset, "数据集", "dataset";
    Department, "部门", "department";
    Cycle, "周期", "cycle";
    Deadline, "截止", "deadline";
    OverdueFor, "逾期", "overdue for";
    NextDeadlines, "接下来的截止时间", "next deadlines";
    NoDeadlines, "没有可计算的截止时间", "no deadline can be computed";
    In, "还有", "in";
    RejectedDatasets, "未收行最多的数据集", "datasets with most rejected rows";
    NoRejects, "没有被拒的行", "no row is rejected";
    Local, "本地拦截", "here";
    Refused, "省端拒收", "refused above";
    Failed, "校验不通过", "failed above";
    Share, "占应报", "of due";
    Awaited, "在等什么", "what is awaited";
    NothingAwaited, "没有在等的事项", "nothing is awaited";
    What, "事项", "what";
    Late, "已超时限", "past the deadline";
    BatchQueued, "批次：待发", "batches to be sent";
    BatchInFlight, "批次：等回执", "batches without a receipt";
    BatchUnknown, "批次：答复丢失，正在询问", "batches whose answer was lost, being asked about";
    BatchTaken, "批次：等校验结果", "batches without a verdict";
    LinkQueued, "目录对象：待报", "catalogue objects to be sent";
    LinkSent, "目录对象：等答复", "catalogue objects without an answer";
    LinkAccepted, "目录对象：已接收，待审核", "catalogue objects accepted, to be reviewed";
    LinkInReview, "目录对象：审核中", "catalogue objects in review";
    LinkUnknown, "目录对象：答复丢失，正在询问", "catalogue objects whose answer was lost";
    LinkStale, "目录对象：有变更待报", "catalogue objects changed since";
    Room, "缓存", "spool";
    RoomOf, "{} / {} MiB", "{} of {} MiB";
    Paused, "抽取暂停：{}", "extraction waits: {}";
    Footer, "cascaded {}，{} 启动，账本第 {} 代。本页只读，每半分钟自动刷新，不含数据内容。",
        "cascaded {}, started {}, ledger incarnation {}. Read-only, reloads itself every half minute, \
         shows no row content.";
    Machine, "机器可读：", "for machines: ";
    Days, "{} 天", "{} d";
    Hours, "{} 小时", "{} h";
    Minutes, "{} 分钟", "{} min";
    Moments, "不到 1 分钟", "under a minute";
    TroubleOverdue, "逾期", "overdue";
    TroubleRejectedLocal, "本地拦截", "rejected here";
    TroubleRejectedAbove, "省端退回", "rejected above";
    TroubleDrift, "接口异动", "drift";
    TroubleHeld, "停用", "held";
    TroubleUnreachable, "源不可达", "source unreachable";
    TroubleRefused, "目录被拒", "objects refused";
    TroubleMismatched, "对账不符", "differs above";
    TroubleFull, "空间不足", "no room";
    TroubleLate, "超时限", "past its deadline";
    TroubleSilent, "接口无应答", "interface silent";
    TroubleUnusual, "整体异常", "unusual as a whole";
    TroubleUnapproved, "口径放宽未经批准", "less promised, not approved";
    TroubleTakingOver, "接管未结束，该类别暂不登记", "takeover open, nothing of its kinds is registered";
    TroubleCounty, "区县被拒或超配额", "county turned away or over its quota";
    TroublePlain, "明文 HTTP 传输", "plain HTTP on the line";
    ReasonUnreached, "省平台没有应答", "the platform does not answer";
    ReasonHeld, "通道停用，等人处理", "a channel is held";
    ReasonSilent, "内部环节没有动静", "a part of the service is silent";
    ReasonStarting, "正在启动", "starting";
    ReasonFull, "空间已满", "no room is left";
    ReasonLedger, "账本不能正常读写", "the ledger cannot be used";
}

impl Word {
    /// The word for a kind of trouble.
    pub(super) fn of_trouble(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Overdue => Self::TroubleOverdue,
            Trouble::RejectedLocal => Self::TroubleRejectedLocal,
            Trouble::RejectedAbove => Self::TroubleRejectedAbove,
            Trouble::Drift => Self::TroubleDrift,
            Trouble::Held => Self::TroubleHeld,
            Trouble::Unreachable => Self::TroubleUnreachable,
            Trouble::Refused => Self::TroubleRefused,
            Trouble::Mismatched => Self::TroubleMismatched,
            Trouble::Full => Self::TroubleFull,
            Trouble::Late => Self::TroubleLate,
            Trouble::Silent => Self::TroubleSilent,
            Trouble::Unusual => Self::TroubleUnusual,
            Trouble::Unapproved => Self::TroubleUnapproved,
            Trouble::Plain => Self::TroublePlain,
            Trouble::TakingOver => Self::TroubleTakingOver,
            Trouble::County => Self::TroubleCounty,
        }
    }

    /// The word for a grade.
    pub(super) fn of_grade(grade: Evidence) -> Self {
        match grade {
            Evidence::RowVerdict => Self::GradeRowVerdict,
            Evidence::Receipt => Self::GradeReceipt,
            Evidence::Count => Self::GradeCount,
            Evidence::ExportedLog => Self::GradeExportedLog,
            Evidence::Placed => Self::GradePlaced,
        }
    }

    /// The word for the code that a reason of readiness begins with.
    pub(super) fn of_reason(code: &str) -> Self {
        match code {
            "channel-unreached" => Self::ReasonUnreached,
            "held" => Self::ReasonHeld,
            "office-silent" | "stage-silent" => Self::ReasonSilent,
            "starting" => Self::ReasonStarting,
            "disk-full" | "spool-full" => Self::ReasonFull,
            _ => Self::ReasonLedger,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Language, flaw};

    #[test]
    fn both_languages_say_every_word_with_the_same_gaps() {
        for word in Word::ALL {
            assert_eq!(flaw(Language::ALL.map(|it| word.of(it))), None, "{word:?}");
        }
    }
}
