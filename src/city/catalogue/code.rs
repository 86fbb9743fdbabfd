//! Code words as people write them on sheets, and the canonical words they stand for (facts §3.3).
//! A canonical word stands for itself.

type Codes = &'static [(&'static str, &'static [&'static str])];

const SHARE: Codes = &[
    ("unconditional", &["无条件共享", "无条件"]),
    ("conditional", &["有条件共享", "有条件"]),
    ("none", &["不予共享", "不共享"]),
];
const OPEN: Codes = &[
    ("open", &["无条件开放", "开放", "向社会开放", "是"]),
    ("conditional", &["有条件开放", "有条件"]),
    ("closed", &["不予开放", "不开放", "不向社会开放", "否"]),
];
const FORMAT: Codes = &[
    ("file", &["电子文件"]),
    ("spreadsheet", &["电子表格"]),
    ("database", &["数据库"]),
    ("image", &["图形图像", "图像"]),
    ("stream", &["流媒体"]),
    ("self_described", &["自描述格式", "自描述"]),
];
const CYCLE: Codes = &[
    ("realtime", &["实时"]),
    ("daily", &["每日", "每天"]),
    ("weekly", &["每周"]),
    ("monthly", &["每月"]),
    ("quarterly", &["每季度", "每季"]),
    ("half_yearly", &["每半年"]),
    ("yearly", &["每年"]),
    ("irregular", &["不定期"]),
    ("other", &["其他", "其它", "自定义"]),
];
const WAY: Codes = &[
    ("platform", &["共享平台", "共享平台方式"]),
    ("mail", &["邮件", "邮件方式"]),
    ("copy", &["拷盘", "拷贝", "介质交换", "拷盘方式"]),
];
const TYPE: Codes = &[
    ("text", &["字符型", "字符型C", "字符串", "文本", "文本型"]),
    ("integer", &["整数型", "整型", "整数"]),
    ("decimal", &["数值型", "数值型N", "小数", "浮点型", "货币型", "货币型Y"]),
    ("date", &["日期型", "日期型D", "日期"]),
    ("time", &["日期时间型", "日期时间型T", "时间", "时间型"]),
    ("boolean", &["布尔型", "逻辑型", "逻辑型L"]),
];
const RESOURCE: Codes =
    &[("table", &["库表", "数据库表"]), ("file", &["文件"]), ("api", &["接口", "服务接口", "API"])];

fn codes(word: &str) -> Option<Codes> {
    match word {
        "entry.share_type" | "item.share_type" => Some(SHARE),
        "entry.open_type" => Some(OPEN),
        "entry.format" => Some(FORMAT),
        "entry.update_cycle" => Some(CYCLE),
        "entry.share_ways" => Some(WAY),
        "item.data_type" => Some(TYPE),
        "resource.kind" => Some(RESOURCE),
        _ => None,
    }
}

/// The canonical word, or what could have been written instead.
pub(super) fn canonical(word: &str, text: &str) -> Result<&'static str, String> {
    let codes = codes(word).unwrap_or_default();
    let plain: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let found = codes.iter().find(|(canonical, titles)| {
        canonical.eq_ignore_ascii_case(&plain)
            || titles.iter().any(|title| title.eq_ignore_ascii_case(&plain))
    });
    found.map(|(canonical, _)| *canonical).ok_or_else(|| {
        let titles: Vec<&str> =
            codes.iter().filter_map(|(_, titles)| titles.first().copied()).collect();
        titles.join("、")
    })
}

/// Yes or no, as sheets have it.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.trim() {
        "是" | "Y" | "y" | "1" | "true" | "√" | "主键" => Some(true),
        "否" | "N" | "n" | "0" | "false" | "" => Some(false),
        _ => None,
    }
}
