//! The made-up city's catalogue: its classification, systems, entries and resources, with the
//! defects that catalogues have.

use super::department::{Department, Plan, departments};
use super::identity;
use super::random::Random;
use super::template::Column;

/// A node of the classification.
#[derive(Clone, Debug)]
pub(super) struct Category {
    pub(super) code: String,
    pub(super) title: String,
    pub(super) parent: Option<String>,
}

/// An item of an entry.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) column: String,
    pub(super) title: String,
    /// A canonical word.
    pub(super) data_type: &'static str,
    pub(super) length: u32,
    pub(super) is_key: bool,
}

/// An entry before anybody writes it down.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) code: String,
    pub(super) title: String,
    pub(super) summary: String,
    /// Codes and titles of 类, 项 and 目.
    pub(super) category: [(String, String); 3],
    pub(super) department: Department,
    /// As written: of one entry it is wrong.
    pub(super) credit_code: String,
    pub(super) share_type: Option<Share>,
    pub(super) share_condition: String,
    pub(super) cycle: &'static str,
    pub(super) published: String,
    pub(super) items: Vec<Item>,
    /// The dataset that carries its rows.
    pub(super) dataset: Option<(String, String)>,
}

impl Entry {
    /// Why its items are not shared; empty where they are.
    pub(super) fn not_share_reason(&self) -> &'static str {
        match self.share_type {
            Some(Share::None) => "涉及个人隐私，按规定不予共享",
            Some(Share::Unconditional | Share::Conditional) | None => "",
        }
    }
}

/// How an entry is shared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Share {
    /// 无条件共享.
    #[default]
    Unconditional,
    /// 有条件共享.
    Conditional,
    /// 不予共享.
    None,
}

impl Share {
    /// The canonical word, and the one on a sheet.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unconditional => ("unconditional", "无条件共享"),
            Self::Conditional => ("conditional", "有条件共享"),
            Self::None => ("none", "不予共享"),
        }
    }
}

/// A defect planted in an entry.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct EntryDefect {
    /// The entry's code (信息资源代码).
    pub entry: String,
    /// The word of `catalogue::words` that has no value, or a wrong one.
    pub word: &'static str,
}

/// The whole catalogue.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    pub(super) departments: Vec<Department>,
    pub(super) categories: Vec<Category>,
    pub(super) entries: Vec<Entry>,
    pub(super) defects: Vec<EntryDefect>,
}

const TOPICS: &[&str] = &[
    "行政许可事项目录",
    "办事指南信息",
    "机构编制信息",
    "公示公告信息",
    "双随机抽查结果",
    "投诉举报受理信息",
    "执法人员信息",
    "证照信息",
    "年度统计信息",
    "项目审批信息",
    "补贴发放信息",
    "从业人员信息",
    "设施分布信息",
    "应急物资信息",
    "信用评价信息",
    "培训考核信息",
    "监督检查信息",
    "行政确认信息",
    "财政预算执行信息",
    "便民服务网点信息",
];

/// What an entry without rows tells: column, title, type, length.
const GENERAL: &[(&str, &str, &str, u32)] = &[
    ("record_no", "记录编号", "text", 32),
    ("title", "名称", "text", 100),
    ("kind", "类别", "text", 20),
    ("issued", "发布日期", "date", 10),
    ("amount", "金额（元）", "decimal", 14),
    ("quantity", "数量", "integer", 8),
    ("contact", "联系人", "text", 30),
    ("remark", "备注", "text", 200),
];

const CYCLES: &[&str] = &["每日", "每周", "每月", "每季度", "每半年", "每年", "不定期"];

/// How entries are shared: rows go only where they are shared.
const CARRIED: &[Share] = &[Share::Unconditional, Share::Unconditional, Share::Conditional];
const ANY: &[Share] =
    &[Share::Unconditional, Share::Unconditional, Share::Conditional, Share::None];

/// Makes `count` entries, those of the datasets first.
pub(super) fn catalogue(plans: &[Plan], count: usize, seed: u64) -> Catalogue {
    let departments = departments();
    let mut random = Random::new(seed, "catalogue");
    let mut entries: Vec<Entry> = plans
        .iter()
        .zip(1_usize..)
        .map(|(plan, number)| of_dataset(plan, number, &departments, &mut random))
        .collect();
    let rest = count.saturating_sub(entries.len());
    entries.extend(departments.iter().cycle().enumerate().take(rest).map(|(index, department)| {
        without_rows(index, plans.len(), department, &departments, &mut random)
    }));
    let defects = plant(entries.get_mut(plans.len()..).unwrap_or_default());
    Catalogue { categories: categories(&departments), departments, entries, defects }
}

fn of_dataset(
    plan: &Plan,
    number: usize,
    departments: &[Department],
    random: &mut Random,
) -> Entry {
    let template = plan.template;
    let item = |column: &Column| Item {
        column: column.name.to_owned(),
        title: column.title.to_owned(),
        data_type: column.kind().as_str(),
        length: column.length,
        is_key: template.key.contains(&column.name),
    };
    Entry {
        title: plan.title.clone(),
        summary: format!("{}登记和维护的{}", plan.department.title, template.title),
        cycle: template.cycle,
        items: template.columns.iter().map(item).collect(),
        dataset: Some((plan.id.clone(), plan.table.clone())),
        ..entry(number, &plan.department, departments, ("001", CARRIED), random)
    }
}

fn without_rows(
    index: usize,
    before: usize,
    department: &Department,
    departments: &[Department],
    random: &mut Random,
) -> Entry {
    let round = index / departments.len().max(1);
    let topic = TOPICS.get(round % TOPICS.len().max(1)).copied().unwrap_or_default();
    let items =
        GENERAL.iter().take(usize::try_from(random.between(4, 8)).unwrap_or(4)).enumerate().map(
            |(place, (column, title, data_type, length))| Item {
                column: (*column).to_owned(),
                title: (*title).to_owned(),
                data_type,
                length: *length,
                is_key: place == 0,
            },
        );
    Entry {
        title: format!("{}{topic}", department.title),
        summary: format!("{}的{topic}，示例数据", department.title),
        cycle: random.pick(CYCLES),
        items: items.collect(),
        ..entry(before + index + 1, department, departments, ("002", ANY), random)
    }
}

/// What every entry has: codes as facts §3.2 describes them (类 1, 项 2, 目 3, area and organisation,
/// running number).
fn entry(
    number: usize,
    department: &Department,
    departments: &[Department],
    (leaf, shares): (&str, &[Share]),
    random: &mut Random,
) -> Entry {
    let place = departments.iter().position(|it| it.id == department.id).unwrap_or(0) + 1;
    let leaf_title = if leaf == "001" { "基本信息" } else { "业务信息" };
    let share_type = random.pick(shares);
    let share_condition = match share_type {
        Share::Unconditional => "",
        Share::Conditional => "经提供方同意后用于履行职责",
        Share::None => "涉及个人隐私，按规定不予共享",
    };
    Entry {
        code: format!("3{place:02}{leaf}5151{place:09}/{number:06}"),
        title: String::new(),
        summary: String::new(),
        category: [
            ("3".to_owned(), "部门信息资源".to_owned()),
            (format!("3{place:02}"), department.title.clone()),
            (format!("3{place:02}{leaf}"), leaf_title.to_owned()),
        ],
        credit_code: department.credit_code.clone(),
        department: department.clone(),
        share_type: Some(share_type),
        share_condition: share_condition.to_owned(),
        cycle: "每年",
        published: format!("2025-{:02}-{:02}", random.between(1, 12), random.between(1, 28)),
        items: Vec::new(),
        dataset: None,
    }
}

type Spoil = fn(&mut Entry);

/// Spoils some entries that carry no rows, each in one word.
fn plant(entries: &mut [Entry]) -> Vec<EntryDefect> {
    let spoil: [(&'static str, Spoil); 5] = [
        ("summary", |entry| entry.summary.clear()),
        ("share_type", |entry| {
            entry.share_type = None;
            entry.share_condition.clear();
        }),
        ("share_condition", |entry| {
            entry.share_type = Some(Share::Conditional);
            entry.share_condition.clear();
        }),
        ("department.credit_code", |entry| identity::with_wrong_check(&mut entry.credit_code)),
        ("update_cycle", |entry| entry.cycle = ""),
    ];
    // Every other one, so that spoiled entries lie on the sheet and in the tables.
    entries
        .iter_mut()
        .step_by(2)
        .zip(spoil)
        .map(|(entry, (word, spoil))| {
            spoil(entry);
            EntryDefect { entry: entry.code.clone(), word }
        })
        .collect()
}

fn categories(departments: &[Department]) -> Vec<Category> {
    let node = |code: String, title: &str, parent: Option<&str>| Category {
        code,
        title: title.to_owned(),
        parent: parent.map(str::to_owned),
    };
    let mut nodes = vec![
        node("1".to_owned(), "基础信息资源", None),
        node("2".to_owned(), "主题信息资源", None),
        node("3".to_owned(), "部门信息资源", None),
    ];
    for (place, department) in departments.iter().enumerate() {
        let code = format!("3{:02}", place + 1);
        nodes.push(node(format!("{code}001"), "基本信息", Some(&code)));
        nodes.push(node(format!("{code}002"), "业务信息", Some(&code)));
        nodes.push(node(code, &department.title, Some("3")));
    }
    nodes.sort_by(|one, other| one.code.cmp(&other.code));
    nodes
}
