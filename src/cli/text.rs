//! Everything the command line says, in Chinese and in English, in one table.

use crate::control::protocol::Trouble;
use crate::language::messages;

messages! {
    /// Something the command line says.
    pub enum Message;
    Error, "错误", "error";
    Place, "位置", "where";
    Hint, "提示", "hint";
    DemoMakesCity, "正在生成示例市（{} 行）与省级平台……",
        "making a city of {} rows and a provincial platform";
    DemoListens, "指标与状态：{}/metrics、{}（省平台）",
        "metrics and status: {}/metrics; provincial platform: {}";
    DemoGoesOn, "守护进程继续运行；按 Ctrl-C 结束", "the daemon goes on; Ctrl-C ends it";
    DemoEntries, "目录：应报 {}，省端已接收 {}，拦截或退回 {}",
        "catalogue entries: {} due, {} accepted, {} rejected";
    DemoRows, "数据行：应报 {}，已确认 {}，拦截或退回 {}，待处理 {}；与省端不一致 {}",
        "rows: {} due, {} confirmed, {} rejected, {} queued; {} differ from the province";
    DemoStale, "超过更新周期没有新数据：{}", "no new data within their cycle: {}";
    DemoUnmounted, "目录被退回而无法挂接：{}", "cannot be mounted, for their entry was rejected: {}";
    DemoFolder, "全部文件在 {}", "everything is in {}";
    NotReachable, "连不上守护进程：{}", "the daemon cannot be reached: {}";
    NotReachableNext, "确认服务在运行（systemctl status cascaded），或用 --socket 指定套接字",
        "see whether it runs (systemctl status cascaded), or name its socket with --socket";
    Denied, "没有权限使用控制套接字", "you may not use the control socket";
    DeniedNext, "请由属主或属组用户执行（ls -l 可见属组）",
        "run this as its owner or as a member of its group (ls -l shows them)";
    RoleNeeded, "此操作需要角色 {}，您没有该角色；本次请求已留痕",
        "this takes the role {}, which you do not have; that you asked is recorded";
    RoleNeededNext, "请由该角色所属用户组的成员执行；cascaded audit whoami 显示您的角色",
        "ask a member of that role's group; cascaded audit whoami says what you may be";
    Whoami, "{}（uid {}）的角色：{}", "{} (uid {}): {}";
    Person, "用户", "person";
    Role, "角色", "role";
    Act, "操作", "act";
    Detail, "内容", "detail";
    Outcome, "结果", "outcome";
    NoOutcome, "未知（进程当时已结束）", "unknown (the process ended)";
    WaitsForApproval, "尚未执行：编号 {}，需在 {} 前由另一人批准（cascaded approvals approve {}）",
        "not done yet: number {}, to be approved by another person before {} (cascaded approvals approve {})";
    InUse, "在用", "in use";
    SealedValues, "账本内", "values";
    SealedFiles, "文件", "files";
    Expires, "有效期至", "until";
    Decided, "批复人", "decided by";
    ActsSound, "操作记录完好：{} 行", "the record of acts is sound: {} lines";
    ActsUnsound, "操作记录有 {} 处问题", "the record of acts has {} problems";
    ActsForwarded, "已转发至第 {} 行，待转发 {} 行", "forwarded up to line {}, {} wait";
    CutOff, "守护进程没有答完就断开了", "the daemon hung up before it had answered";
    CutOffNext, "查看日志：journalctl -u cascaded；请求可能已被记录，重试前先看 cascaded jobs list",
        "see journalctl -u cascaded; what was asked may be recorded: look at cascaded jobs list before asking again";
    BadAnswer, "看不懂守护进程的回答", "the daemon's answer cannot be understood";
    BadAnswerNext, "升级后需重启服务：systemctl restart cascaded",
        "restart the service after an upgrade: systemctl restart cascaded";
    CannotWrite, "无法写入文件", "the file cannot be written";
    CannotWriteNext, "指定一个尚不存在的文件", "name a file that does not exist yet";
    StatusHead, "{}   版本 {}   账本第 {} 代", "{}   version {}   ledger incarnation {}";
    Channel, "通道", "channel";
    Standard, "标准", "standard";
    Evidence, "证明等级", "evidence";
    Due, "应报", "due";
    Confirmed, "确认", "confirmed";
    Placed, "已投放", "placed";
    Rejected, "未收", "rejected";
    Queued, "待处理", "queued";
    InFlight, "在途批次", "in flight";
    Oldest, "最久未确认", "oldest unacknowledged";
    Total, "合计", "total";
    EntriesLine, "目录 {}/{}，被拒 {}", "entries {} of {}, rejected {}";
    RejectedLine, "本地拦截 {}，省端退回 {}", "set aside here {}, returned by the province {}";
    GraceLine, "周期到期 {}；宽限 {}%，至少 {} 个工作日；截止 {}",
        "its cycle ends {}; grace {} %, at least {} working days; deadline {}";
    RuleLine, "规则 {}：本次启动以来查 {}，不合 {}，豁免 {}",
        "rule {}: since the start asked {}, broken {}, waived {}";
    ReconcileLine, "对账差异 {}（{}）", "differences from the province {} ({})";
    Never, "从未", "never";
    Watching, "只看不发，自 {}：不登记、不发送，下列为将要做的；正式运行用 cascaded live",
        "it only watches, since {}: nothing is registered or sent; cascaded live begins to carry what follows";
    WatchedKind, "  {} {}：本市 {}，将登记 {}（其中省端已有 {}），将变更 {}，将撤销 {}，缺必填 {}；省端 {}，其中本市没有 {}",
        "  {} {}: {} here, {} would be registered ({} of them held above), {} modified, {} withdrawn, {} lack what is required; {} above, {} of them not here";
    WatchedRows, "  数据行：已看 {} 个数据集，将发送 {}，将删除 {}，不合规则 {}；省端 {}",
        "  rows: {} datasets looked at, {} would be sent, {} deleted, {} break a rule; {} above";
    FerryName, "摆渡", "ferry";
    FerrySide, "方向", "side";
    FerryBelow, "内侧", "below";
    FerryAbove, "外侧", "above";
    FerrySent, "已发", "sent";
    FerryUnanswered, "未答", "unanswered";
    FerryActed, "已办至", "acted on";
    FerryCame, "已到", "came";
    FerryMissed, "缺号", "missed";
    FerryAside, "搁置", "set aside";
    FerryOffered, "{}：对端以新身份 {} 发来，核实后用 `cascaded ferry accept` 认可",
        "{}: the other side speaks as {} now; once that is right, `cascaded ferry accept`";
    TakeoverHead, "接管 {}   通道 {}   {}   {}", "takeover {}   channel {}   {}   {}";
    TakeoverCounts, "上级已有 {}：已对上 {}，按名称待确认 {}，不能确定 {}，争一个对象 {}，重复登记 {}，本市没有 {}；本市有而上级没有 {}；已接管 {}，未接管 {}",
        "{} above: {} matched, {} proposed by title, {} ambiguous, {} rivals of one object, {} duplicates, {} missing here; {} missing above; {} adopted, {} not";
    TakeoverSheet, "待核对 {} 条", "{} lines to decide";
    FateMatched, "已对上", "matched";
    FateProposed, "名称相同，待确认", "proposed by title";
    FateAmbiguous, "不能确定", "ambiguous";
    FateRival, "争一个对象", "rival";
    FateDuplicate, "重复登记", "duplicate above";
    FateMissingHere, "本市没有", "missing here";
    WouldSend, "将发送", "would send";
    WouldDelete, "将删除", "would delete";
    HeldAbove, "省端", "above";
    FirstPass, "首轮尚未完成，以下数字还会变", "the first complete pass is not over: these numbers will change";
    Paused, "读取暂停：{}", "extraction waits: {}";
    Held, "停用：{}", "held: {}";
    Metrics, "指标与状态：{}", "metrics and status: {}";
    MoreAttention, "另有 {} 项：cascaded datasets --troubled；全部见 cascaded status --json",
        "{} more: cascaded datasets --troubled; all of them: cascaded status --json";
    NothingToSee, "没有需要处理的事项", "nothing needs attention";
    Dataset, "数据集", "dataset";
    Title, "名称", "title";
    Department, "部门", "department";
    Cycle, "周期", "cycle";
    Freshness, "时效", "freshness";
    LastChange, "最近变化", "last change";
    LastConfirmed, "最近确认", "last confirmed";
    Deadline, "截止", "deadline";
    Kind, "类别", "kind";
    Id, "标识", "id";
    State, "状态", "state";
    UpperId, "上级标识", "upper id";
    Reason, "原因", "reason";
    Since, "自", "since";
    Batch, "批次", "batch";
    Subject, "内容", "subject";
    Lane, "车道", "lane";
    Rows, "行", "rows";
    Bytes, "字节", "bytes";
    Attempts, "次数", "attempts";
    Receipt, "回执", "receipt";
    Number, "编号", "number";
    KeyDigest, "键摘要", "key digest";
    Rules, "规则", "rules";
    Owner, "责任部门", "owner";
    Key, "键", "key";
    Column, "列", "column";
    Value, "值", "value";
    Finding, "问题", "finding";
    Job, "任务", "job";
    What, "事项", "what";
    InboxTable, "下行表", "table";
    InboxAction, "操作", "letter";
    InboxWaiting, "待处理", "waiting";
    InboxUndated, "无时间", "undated";
    InboxNewest, "操作时间", "operated";
    InboxReceived, "读入", "read";
    Done, "已完成", "done";
    Asked, "提出", "asked";
    By, "提出人", "by";
    Scopes, "使用范围", "used by";
    Drift, "异动", "drift";
    Digest, "摘要", "digest";
    ModelledOn, "依据", "modelled on";
    Operations, "操作", "operations";
    Gaps, "缺口", "gaps";
    Ours, "本账本所发", "ours";
    Yes, "是", "yes";
    No, "否", "no";
    More, "还有 {} 条：--after {}", "{} more: --after {}";
    Empty, "没有", "none";
    Taken, "任务 {} 已受理；现有流量优先", "job {} was taken; live traffic goes first";
    TakenBefore, "同一幂等键已有任务 {}", "this idempotency key had already made job {}";
    DryRun, "仅试算，未受理任何任务", "only reckoned: no job was made";
    OnlySource, "由数据源决定", "only the source knows";
    Progress, "{}：{}/{}，未收 {}", "{}: {} of {}, rejected {}";
    Compared, "已比对 {} 个键，差异 {}", "compared {} keys, {} differ";
    RepairJob, "修复任务 {}", "repair job {}";
    LedgerSound, "账本完好：{} 条事实，{} 个暂存文件，{} 字节",
        "the ledger is sound: {} facts, {} spool files, {} bytes";
    LedgerUnsound, "账本有 {} 处问题", "the ledger has {} problems";
    LedgerCopied, "已备份到 {}", "copied to {}";
    Reloaded, "已重新加载；有变化：{}", "read again; changed: {}";
    NeedsRestart, "重启后生效：{}", "takes a restart: {}";
    Exported, "已导出 {} 条到 {}，本次查看已留痕", "wrote {} rejects to {}; this look was recorded";
    ConfigurationSound, "配置无误：{}", "the configuration is right: {}";
    TroubleOverdue, "逾期", "overdue";
    TroubleRejectedLocal, "拦截", "set aside";
    TroubleRejectedAbove, "退回", "returned";
    TroubleDrift, "接口异动", "drift";
    TroubleHeld, "停用", "held";
    TroubleUnreachable, "连不上", "unreachable";
    TroubleRefused, "目录被拒", "refused";
    TroubleMismatched, "对账差异", "mismatched";
    TroubleFull, "空间不足", "full";
    TroubleLate, "超时未决", "late";
    TroubleSilent, "接口无应答", "interface silent";
    TroubleUnusual, "整体异常", "unusual as a whole";
    TroubleUnapproved, "口径放宽未经批准", "less promised, not approved";
    TroubleTakingOver, "接管未结束，该类别暂不登记", "takeover open, nothing of its kinds is registered";
    TroubleCounty, "区县被拒或超配额", "county turned away or over its quota";
    TroublePlain, "明文 HTTP 传输", "plain HTTP on the line";
    NoDifference, "两个版本没有差异", "the two versions do not differ";
    DiffUncounted, "未统计对本市的影响：{}", "not counted in the city's catalogue: {}";
    DiffNoDaemon, "守护进程不可达", "the daemon cannot be reached";
    DiffDirectory, "比较的是目录", "a directory was named";
    DiffAffects, "影响 {} 个对象 {} 处", "touches {} objects, {} values";
    DiffWithout, "其中 {} 处无值", "{} without a value";
    DiffBroken, "{} 处不合规", "{} break its rules";
    DiffClause, "条款 {}（{}）", "clause {} ({})";
    OperationAdded, "新增操作", "operation added";
    OperationRemoved, "取消操作", "operation removed";
    OperationMandatory, "操作改为必须", "operation now mandatory";
    OperationOptional, "操作不再必须", "operation no longer mandatory";
    OperationMoved, "操作换址", "operation moved";
    OperationChanged, "操作变化", "operation changed";
    FieldAddedRequired, "新增必填", "required field added";
    FieldAdded, "新增字段", "field added";
    FieldRemoved, "取消字段", "field removed";
    FieldRenamed, "疑似改名", "probably renamed";
    FieldsMoved, "整枝移动", "branch moved";
    FieldRequired, "改为必填", "now required";
    FieldOptional, "放宽必填", "no longer required";
    FieldCondition, "条件变化", "condition changed";
    FieldType, "类型变化", "type changed";
    FieldLength, "长度变化", "length changed";
    FieldFormat, "格式变化", "format changed";
    FieldValue, "取值变化", "value comes from elsewhere";
    CodeAdded, "新增代码", "code added";
    CodeRemoved, "取消代码", "code removed";
    CodeChanged, "代码变化", "code changed";
    ReplyAdded, "答复新增", "reply says more";
    ReplyRemoved, "答复取消", "reply says less";
    ReplyMoved, "答复移位", "reply moved";
    ReplyRequired, "答复必有", "reply now required";
    ReplyOptional, "答复可无", "reply no longer required";
    OutcomeAdded, "新增返回码", "reply code added";
    OutcomeRemoved, "取消返回码", "reply code removed";
    OutcomeMoved, "返回码改义", "reply code means something else";
    Signing, "签名", "signing";
    Authentication, "认证", "authentication";
    Limit, "限额", "limit";
    DeadlineChanged, "时限", "deadline";
    RowFormat, "数据行写法", "rows are written otherwise";
    Setting, "设置", "setting";
    CheckHead, "候选 {}（通道 {}）：{} 个对象可直接通过，{} 个将被拒",
        "candidate {} (channel {}): {} objects would pass, {} would not";
    CheckValues, "补充值：已填 {} / 应填 {}", "supplied values: {} of {}";
    CheckMore, "另有 {} 条规则未列出", "{} more rules are not listed";
    Objects, "对象", "objects";
    Pass, "通过", "pass";
    RefusedHere, "将被拒", "refused";
    Blocked, "受上级牵连", "blocked by a parent";
    NotCarried, "标准不收", "not carried";
    Supplied, "已填", "supplied";
    Wanted, "应填", "wanted";
    Field, "字段", "field";
    Rule, "规则", "rule";
    Values, "处", "values";
    Clause, "条款", "clause";
    Sampled, "抽样", "sampled";
    CheckNotMounted, "资源将被拒，数据行随之不能上报", "its resource would be refused: no row could follow";
    CheckRowsProgress, "正在试算 {}（{}/{}）", "trying {} ({} of {})";
    SheetWritten, "已写出 {}：待填 {} 处", "wrote {}: {} values";
    SheetNone, "没有需要部门填写的值", "no department has a value to fill in";
    SheetFailed, "无法写出填报表", "the workbook cannot be written";
    SheetUnreadable, "无法读取填报表", "the workbook cannot be read";
    SheetUnreadableNext, "请用 cascaded standard check --xlsx 写出的工作簿", "use a workbook that cascaded standard check --xlsx wrote";
    SupplyDone, "已记录 {} 处，未变 {} 处，未收 {} 处", "{} values recorded, {} unchanged, {} not taken";
    SupplyDry, "仅试算：可收 {} 处，未变 {} 处，不可收 {} 处", "only tried: {} values would be recorded, {} are unchanged, {} would not be taken";
    Edited, "{}（目录已改动，尚未 reload）", "{} (its directory was edited: not reloaded yet)";
    NotWritten, "{}（配置仍写 {}，请改）", "{} (the file says {}: edit it)";
    CutOverJob, "作业 {}：通道 {} 由 {} 切换到 {}，不早于 {}", "job {}: channel {} goes over from {} to {}, not before {}";
    CutOverDry, "仅试算：通道 {} 由 {} 切换到 {}，不早于 {}", "only tried: channel {} would go over from {} to {}, not before {}";
    CutOverOnly, "仅限范围：{}", "only for: {}";
    CutOverAhead, "此前已先行：{}", "went over before: {}";
    Ahead, "{}；{} 先行 {}", "{}; {} ahead on {}";
    CutOverBeside, "并行：通道 {} 另行承载相同内容，回执分开，至 {}；期满后旧通道停用，由它单独承载", "in parallel: channel {} carries the same with acknowledgements of its own until {}; then the old one is retired and it goes on alone";
    CutOverGivenUp, "并行通道 {} 停用", "the further channel {} is given up";
    CutOverScope, "待发批次 {} 个将重新切分，目录对象 {} 个将重报，上级编号对照 {} 个，对照表中没有 {} 个", "{} waiting batches are cut again, {} objects are sent again, {} upper ids are mapped, {} are not in the map";
    CutOverAbove, "留在上级的：{} 行、新注册对象 {} 个", "what stays above: {} rows, {} objects registered";
    ShadowHead, "候选 {}（通道 {}，在用 {}）：就绪 {} %（{}/{}）",
        "candidate {} (channel {}, in force {}): ready {} % ({} of {})";
    ShadowExcept, "尚缺：{}", "except {}";
    ShadowNothing, "一无所缺", "nothing is missing";
    ShadowApprovals, "审批 {} 项", "{} approvals";
    ShadowValues, "补值 {} 个", "{} values";
    ShadowLacking, "本地规则拦下 {} 个对象", "{} objects that our own rules turn away";
    ShadowRefused, "测试平台退回 {} 个对象", "{} objects that the test platform refuses";
    ShadowWaiting, "受上级牵连 {} 个对象", "{} objects below those";
    ShadowUndecided, "未得答复 {} 个对象", "{} objects without an answer";
    ShadowUntried, "尚未试报 {} 个对象", "{} objects not tried yet";
    ShadowRun, "试运行 {}，自 {}；测试平台 {}；{}", "run {} since {}; test platform {}; {}";
    ShadowStopped, "试运行 {}（自 {}）已结束；测试平台 {}；{}",
        "run {} (since {}) has ended; test platform {}; {}";
    ShadowCatalogueOnly, "只报目录", "catalogue only";
    ShadowWithRows, "目录与脱敏数据行", "catalogue and masked rows";
    ShadowNever, "未曾试运行：--start 开始", "no run yet: --start begins one";
    ShadowTrouble, "受阻：{}", "it waits: {}";
    ShadowOwing, "待补值：{}", "values owed by {}";
    ShadowLive, "在用标准", "in force";
    ShadowCandidate, "候选标准", "candidate";
    ShadowStandIns, "注意：测试平台尚未给出上级编号，以占位值代替",
        "note: ids that the test platform has not given yet were stood in for";
    ShadowSilent, "没有应答：{}", "no answer: {}";
    ShadowAnswer, "按候选标准判读：{} {}", "as the candidate reads it: {} {}";
    Code, "代码", "code";
    DriftNone, "没有接口异动", "nothing drifted";
    DriftCode, "向省端问清此代码，写入标准的 [reply] 后 cascaded reload；该操作停用中",
        "ask the province what the code means, class it under `[reply]` of the standard, then cascaded reload; the operation is held";
    DriftField, "对照省端文本，在 replies/ 表中登记此字段；多半是改版前兆",
        "compare with the province's text and put the field into the table under replies/; often the first sign of a new version";
    DriftValue, "代码表变了：在 codes/ 补上新代码，或登记候选标准后 cascaded standard diff",
        "a code list changed: complete it under codes/, or prepare a candidate and see cascaded standard diff";
    DriftMissing, "省端不再返回此字段：对照文本；受影响的应答按未知处理，会先查询再重发",
        "the province leaves the field out: compare with its text; such answers are doubted and asked about";
    DriftRefusals, "退回突增：cascaded rejects list --rule 查看该代码，再核对省端是否改了规则",
        "refusals jumped: see cascaded rejects list --rule with this code, then ask whether the province changed its rules";
    DriftVerdict, "校验结果与所报不符：cascaded reconcile 对账，再请省端核对",
        "verdicts do not fit what was sent: cascaded reconcile, then ask the province";
    Operation, "操作", "operation";
    Times, "次数", "times";
    NotTakenObject, "目录中没有此对象或信息项", "no such object or item in the catalogue";
    NotTakenValue, "标准不要求此值", "the standard asks for no such value here";
    NotTakenLength, "长度不符", "too long or too short";
    NotTakenCode, "不是代码表中的词", "not a word of the code list";
    NotTakenFormat, "类型或格式不符", "not of the type or format asked for";
    MisreadFailed, "公式出错", "its formula has failed";
    MisreadNameless, "该行没有对象标识", "its row does not say which object it is about";
    Fresh, "及时", "fresh";
    DueSoon, "将到期", "due soon";
    Overdue, "逾期", "overdue";
    NotComputable, "无法计算", "not computable";
    ExampleThen, "当时（{}；* 为讲话所说，其余为设定）", "as it was ({}; * told by the speech, the rest is a model)";
    ExampleWith, "同样的月份，使用守护进程（{}；设定）", "the same months with the daemon ({}; a model)";
    Month, "月份", "month";
    Lost, "扣分", "lost";
    ScoreTotal, "总分", "total";
    OverallRank, "总名次", "overall rank";
    IndicatorRank, "数据开放共享名次", "rank of data sharing";
    LossLine, "{} {} 得分 {}：{}", "{} {} {}: {}";
    ScoreHead, "{} {} {}：{} 分（已知项占 {} % 分值）", "{} {} {}: {} points ({} % of the points are known)";
    ScoreAtCutOff, "以上截至此刻；若到截止日不再有变化：{} 分",
        "as of now; {} points at the cut-off if nothing more happens";
    ScoreClosed, "已于 {} 结账（{} 分）；此后补记 {} 条事实，影响 {} 分",
        "closed at {} with {} points; {} late facts change it by {}";
    ScoreJudgedOtherwise, "办法、清单或其他市得分与结账时不同",
        "the scheme, the lists or the other cities are not those it was closed by";
    ScoreNoObligations, "未配置责任清单：按清单计的比率缺分母，不计分",
        "no list of obligations is configured: rates over it have no denominator and count nothing";
    ScoreNoCities, "未配置其他市得分：没有名次", "no other cities' scores are configured: there is no rank";
    ScoreVerified, "已核验 {} 条事实、{} 个已结账月份（其中 {} 个重算一致），发现 {} 处问题",
        "{} facts and {} closed months proven, {} of them computed again with the same result, {} problems";
    ScoreVerifyNote, "注：{}", "note: {}";
    BroughtIn, "共 {} 条，其中新增 {} 条", "{} facts, {} of them new";
    KnownShare, "已知项占 {} % 分值", "{} % of the points are known";
    PartOfLoss, "分摊失分", "part of the loss";
    BodyClass, "类别", "class";
    TimelyRate, "更新及时率", "timely";
    TrueRate, "真实性", "true";
    SoundRate, "有效性", "sound";
    UsableRate, "可用性", "usable";
    CollectedRate, "归集完成率", "collected";
    CascadedRate, "目录级联率", "cascaded";
    MountedRate, "资源挂接率", "mounted";
    PassedRate, "数据合格率", "passed";
    ReceiptRate, "校验成功率", "verdicts";
    AvailableRate, "接口可用率", "answered";
    AgreedRate, "对账一致率", "agreed";
    KeyRate, "重点覆盖率", "key data";
    Day, "日期", "day";
    MeasureName, "指标", "measure";
    Figure, "数值", "value";
    Of, "分子/分母", "of";
    DaysHead, "{}  {}  逐日指标（按日计，不计分）", "{}  {}  measures by day (no points: a scheme judges months)";
    DaysKnownBy, "以 {} 时所知为准", "as known at {}";
    DaysRunning, "{} 尚未结束，截至 {}", "{} is not over: as of {}";
    Item, "项", "item";
    Points, "得分", "points";
    Worth, "分值", "worth";
    KnownAs, "依据状态", "known as";
    KnownPublished, "已公布", "published";
    KnownEstimated, "估算", "estimated";
    KnownOutside, "外部填报", "outside";
    KnownUnknown, "未知", "unknown";
    Rank, "名次", "rank";
    Up, "距上一名", "to the next better";
    Down, "领先下一名", "ahead of the next";
    RecoverHead, "可挽回 {} 分（按计划全部办成）", "{} points can be recovered, if all that is planned is done";
    Hours, "需时（小时）", "hours";
    BeginBy, "最迟开始", "begin by";
    TooLate, "来不及", "too late";
    Command, "命令", "command";
    DeedCase, "按期办结并留证明", "deal with it, with proof";
    DeedEntry, "补正目录并上报", "set the entry right and register it";
    DeedResource, "挂接资源", "mount a resource";
    DeedData, "报送新数据", "deliver newer data";
    DeedRows, "改正被拦截、退回的行并重报", "mend the rows turned away and deliver them again";
    DeedStandard, "切换到在用标准", "switch to the required standard";
    DeedTask, "编目、挂接并报送归集数据", "publish, mount and deliver what is to be collected";
    BulletinExistsNext, "已印发的通报不覆盖：换一个 --out，或先移走旧的",
        "a bulletin is not written over: name another --out, or move the old one away";

    ShownBy, "依据", "shown by";
    AnsweredBy, "已批准", "answered by";
    DoubtResent, "疑似重复报送", "the same rows again";
    DoubtTouched, "疑似只改时间", "a column moves, the content hardly does";
    DoubtHollow, "疑似空表挂接", "mounted and all but empty";
    DoubtFilled, "疑似占位凑数", "let through by waivers";
    DoubtSplit, "疑似拆分目录", "one entry split into several";
    DoubtFlapped, "疑似考核前后撤挂", "down before the cut-off, up after it";
    DoubtSelfMade, "疑似自设需求", "laid and dealt with within minutes";
    EvidenceMade, "{} {}：{} 分，事实 {} 条；摘要 {}（请另行留存）",
        "{} {}: {} points, {} facts; digest {} (keep it elsewhere)";
    EvidenceHolds, "核验通过：{} {}：{} 分，事实 {} 条；摘要 {}",
        "it holds: {} {}: {} points, {} facts; digest {}";
    MendDone, "新增 {}，变更 {}，未变 {}", "{} added, {} changed, {} as they were";
    MendWritten, "已写出 {} 条", "{} written";
    MendOpen, "整改中", "open";
    MendProven, "已佐证，待销号", "proven, to be closed";
    MendOverdue, "逾期", "overdue";
    MendClosed, "已销号", "closed";
    MendSeen, "系统核查", "seen by the machine";
    MendSeenMended, "已改好", "mended";
    MendSeenNotAbove, "省端未见", "not above";
    MendSeenRejects, "仍有拦截行", "rows still set aside";
    MendSeenOverdue, "仍逾期", "still overdue";
    MendProof, "佐证", "proof";
    ForecastHead, "{} {} {}：今日 {} 分，预计 {} 分 [{}]（{} % 的月份落在区间内；习惯取自 {} 天历史）",
        "{} {} {}: {} points today, {} expected [{}] ({} % of months lie within; habits of {} days)";
    ForecastParts, "已失且追不回 {}；尚可避免 {}；取决于其他市 {}",
        "lost for good {}; avoidable {}; hanging on other cities {}";
    ForecastTimes, "截至 {}；本月截止 {}", "as of {}; cut-off {}";
    Today, "今日", "today";
    Expected, "预计", "expected";
    Between, "区间", "between";
    LostForGood, "已失", "lost for good";
    Avoidable, "可避免", "avoidable";
    OnOthers, "（取决于其他市）", " (on other cities)";
    Computed, "本地计算", "computed";
    PublishedPoints, "公布", "published";
    Residual, "差", "residual";
    Source, "来源", "source";
    ResidualTooFew, "可比月份不足三个", "fewer than three months to compare";
    ResidualAgrees, "与公布一致", "agrees with what is published";
    ResidualStable, "各月差值相同：{}，办法里少一个常数", "always the same difference: {}; the scheme lacks a constant";
    ResidualScaled, "各月比值相同：×{}，分值或权重不同", "always the same share: {} times; a weight differs";
    ResidualMoves, "差值不定：办法里有未知的规则", "the difference moves: something of the rule is not known";
    Unpublished, "未见公布结果的项：{}", "nothing published of: {}";
    Unplaced, "{} 的 {} 未比较：不在本办法内，或该月未结账",
        "{} {} was not compared: not of this scheme, or of a month that is not closed";
    IfRepaired, "若 {} 不失分：{} 分，第 {} 名", "without the loss of {}: {} points, rank {}";
}

impl Message {
    /// The word for a kind of trouble.
    pub fn of_trouble(trouble: Trouble) -> Self {
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

    /// The word for a freshness of the protocol, where it is one we know.
    pub fn of_freshness(freshness: &str) -> Option<Self> {
        match freshness {
            "fresh" => Some(Self::Fresh),
            "due_soon" => Some(Self::DueSoon),
            "overdue" => Some(Self::Overdue),
            "not_computable" => Some(Self::NotComputable),
            "never" => Some(Self::Never),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Language, flaw};

    #[test]
    fn both_languages_say_every_message_with_the_same_gaps() {
        for message in Message::ALL {
            let [zh, en] = Language::ALL.map(|it| message.of(it));
            assert_eq!(flaw([zh, en]), None, "{message:?}");
            assert!(zh.chars().any(|it| ('\u{4e00}'..'\u{9fff}').contains(&it)), "{message:?}");
            assert!(en.is_ascii(), "{message:?}");
        }
    }

    #[test]
    fn gaps_are_filled_from_left_to_right() {
        assert_eq!(
            Message::EntriesLine.say(Language::English, &["294", "300", "6"]),
            "entries 294 of 300, rejected 6"
        );
    }
}
