//! The mending list (整改清单): what the province found, as its own columns, and what became of it.
//!
//! A list is read from rows of texts, wherever they come from (CSV or a workbook): titles above the
//! head are passed over, columns may stand in any order, every mistake is told at once with its
//! row. It is written with the same columns.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::sheet::Problem;

/// The columns of such a list, in the order in which they are written.
pub const COLUMNS: [&str; 15] = [
    "序号",
    "责任单位",
    "问题来源",
    "问题类型",
    "问题描述",
    "目录/资源编码",
    "对应指标及扣分",
    "反馈日期",
    "整改措施",
    "时限",
    "责任人",
    "完成情况",
    "佐证材料",
    "是否销号",
    "备注",
];
/// Columns that a list may lack.
const NEEDED: [&str; 3] = ["序号", "责任单位", "问题描述"];
/// The most rows of one list.
pub const MAX_ROWS: usize = 5_000;
/// The longest cell, in characters.
pub const MAX_CELL: usize = 2_000;
/// Rows above the head that may hold a title.
const TITLE_ROWS: usize = 10;

/// By when something has to be mended, as the list says it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The end of that day.
    Day(Date),
    /// So many working days after the day it was told.
    WorkingDays(u16),
}

impl Limit {
    /// Reads `2022-02-25`, `2022年2月25日`, `5个工作日`, `5 个工作日内`.
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|it| !it.is_whitespace()).collect();
        if let Some((count, rest)) = text.split_once("个工作日")
            && matches!(rest, "" | "内" | "以内")
        {
            let count = count.parse().ok().filter(|count| (1..=250).contains(count))?;
            return Some(Self::WorkingDays(count));
        }
        day(text.trim_end_matches("前")).map(Self::Day)
    }
}

/// Reads a day as people write it: `2022-02-25`, `2022/2/25`, `2022.2.25`, `2022年2月25日`.
pub fn day(text: &str) -> Option<Date> {
    let text = text.trim().trim_end_matches('日');
    // A workbook's day may come with the midnight that it begins at.
    let text = text.split_once([' ', 'T']).map_or(text, |(day, _)| day);
    let mut parts = text.split(['-', '/', '.', '年', '月']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some_and(|rest| !rest.is_empty()) || year.len() != 4 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// One thing that the province found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// 序号: its number on the list.
    pub number: String,
    /// 责任单位.
    pub owner: String,
    /// 问题来源.
    pub source: String,
    /// 问题类型.
    pub kind: String,
    /// 问题描述.
    pub description: String,
    /// 目录/资源编码.
    pub object: String,
    /// 对应指标及扣分.
    pub points: String,
    /// 反馈日期.
    pub told: Option<Date>,
    /// 整改措施.
    pub measures: String,
    /// 时限.
    pub limit: Option<Limit>,
    /// 责任人.
    pub person: String,
    /// 备注.
    pub remark: String,
}

/// Reads a list. `rows` are all rows of a sheet, heads and titles among them.
///
/// # Errors
/// Every mistake, with its row (counted from 1) and column.
pub fn read(file: &str, rows: &[Vec<String>]) -> Result<Vec<Fault>, Vec<Problem>> {
    let mut problems = Vec::new();
    let cell = |row: &[String], at: usize| row.get(at).map_or("", |it| it.trim()).to_owned();
    let is_head = |row: &&Vec<String>| {
        NEEDED.iter().all(|column| row.iter().any(|cell| plain(cell) == *column))
    };
    let head = rows.iter().take(TITLE_ROWS).position(|row| is_head(&row));
    let Some((at, heads)) = head.and_then(|at| Some((at, rows.get(at)?))) else {
        let what = format!("no row holds the heads {}", NEEDED.join("、"));
        return Err(vec![problem(file, 1, "", what)]);
    };
    let place = |column: &str| heads.iter().position(|head| plain(head) == column);
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for (line, row) in (1_u64..).zip(rows).skip(at + 1) {
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if faults.len() >= MAX_ROWS {
            problems.push(problem(file, line, "", format!("more than {MAX_ROWS} rows")));
            break;
        }
        let mut wrong = |column: &str, what: String| {
            problems.push(problem(file, line, column, what));
        };
        let mut get = |column: &str| {
            let text = place(column).map_or_else(String::new, |at| cell(row, at));
            if text.chars().count() > MAX_CELL {
                wrong(column, format!("is longer than {MAX_CELL} characters"));
                return String::new();
            }
            if text.is_empty() && NEEDED.contains(&column) {
                wrong(column, "is empty".to_owned());
            }
            text
        };
        let (told, limit) = (get("反馈日期"), get("时限"));
        let fault = Fault {
            number: get("序号"),
            owner: get("责任单位"),
            source: get("问题来源"),
            kind: get("问题类型"),
            description: get("问题描述"),
            object: get("目录/资源编码"),
            points: get("对应指标及扣分"),
            told: day(&told),
            measures: get("整改措施"),
            limit: Limit::parse(&limit),
            person: get("责任人"),
            remark: get("备注"),
        };
        if !told.is_empty() && fault.told.is_none() {
            wrong("反馈日期", format!("`{told}` is no day (`2022-02-11`)"));
        }
        if !limit.is_empty() && fault.limit.is_none() {
            wrong("时限", format!("`{limit}` is neither a day nor `5个工作日`"));
        }
        if !seen.insert(fault.number.clone()) {
            wrong("序号", format!("`{}` stands twice", fault.number));
        }
        faults.push(fault);
    }
    if problems.is_empty() { Ok(faults) } else { Err(problems) }
}

/// A head without blanks and line breaks, in half-width strokes.
fn plain(head: &str) -> String {
    let head: String = head.chars().filter(|it| !it.is_whitespace()).collect();
    head.replace('／', "/")
}

fn problem(file: &str, line: u64, column: &str, what: String) -> Problem {
    Problem { file: file.to_owned(), line, column: column.to_owned(), what }
}

/// What became of a fault, for the columns that the city fills.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Became {
    /// The last day to mend it, as it is shown.
    pub limit: String,
    /// How far it is.
    pub progress: String,
    /// What proves it.
    pub proof: String,
    /// It is closed.
    pub is_closed: bool,
}

/// A row of the list as it goes back, in the order of [`COLUMNS`].
pub fn row(fault: &Fault, became: &Became) -> [String; 15] {
    [
        fault.number.clone(),
        fault.owner.clone(),
        fault.source.clone(),
        fault.kind.clone(),
        fault.description.clone(),
        fault.object.clone(),
        fault.points.clone(),
        fault.told.map_or_else(String::new, |day| day.to_string()),
        fault.measures.clone(),
        became.limit.clone(),
        fault.person.clone(),
        became.progress.clone(),
        became.proof.clone(),
        if became.is_closed { "是" } else { "否" }.to_owned(),
        fault.remark.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_list_is_read_below_its_title_in_any_order_and_written_back() {
        let text = "异常办事指南整改清单,,,\n\n\
                    责任单位,序 号,问题描述,时限,反馈日期,目录／资源编码\n\
                    住建局,1,材料不全,5个工作日内,2022年2月11日,E-1\n,,,\n\
                    人社局,2,事项缺失,2022/2/25,2022-02-11 00:00:00,\n";
        let faults = read("list.csv", &rows(text)).unwrap();
        assert_eq!(faults.len(), 2);
        let told = Some(jiff::civil::date(2022, 2, 11));
        assert_eq!((faults[0].told, faults[0].limit), (told, Some(Limit::WorkingDays(5))));
        assert_eq!(faults[0].object, "E-1");
        let day = Limit::Day(jiff::civil::date(2022, 2, 25));
        assert_eq!((faults[1].told, faults[1].limit), (told, Some(day)));
        let became =
            Became { limit: "2022-02-18".to_owned(), is_closed: true, ..Became::default() };
        let back: Vec<Vec<String>> = vec![
            COLUMNS.iter().map(|it| (*it).to_owned()).collect(),
            row(&faults[0], &became).to_vec(),
        ];
        let again = read("back.xlsx", &back).unwrap();
        assert_eq!(again[0].description, faults[0].description);
        assert_eq!(back[1][13], "是");
        let text = serde_json::to_string(&faults[0]).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), faults[0]);
    }

    #[test]
    fn every_column_goes_in_and_comes_out() {
        let cells = [
            "7",
            "住建局",
            "省级通报",
            "异常办事指南",
            "材料清单缺失",
            "E-1",
            "0.2 分",
            "2022-02-11",
            "逐条核对后重新发布",
            "2022-02-25",
            "张三",
            "已提交",
            "回函 7",
            "是",
            "同类两项",
        ];
        let head = COLUMNS.map(str::to_owned).to_vec();
        let table = vec![head.clone(), cells.map(str::to_owned).to_vec()];
        let faults = read("list.csv", &table).unwrap();
        let limit = Some(Limit::Day(jiff::civil::date(2022, 2, 25)));
        assert_eq!(faults[0].limit, limit);
        // How far it is, what proves it and whether it is closed is the ledger's to say: a list that
        // says so itself closes nothing.
        let became = Became { limit: "2022-02-25".to_owned(), ..Became::default() };
        let back = row(&faults[0], &became);
        for (at, (column, cell)) in COLUMNS.iter().zip(cells).enumerate() {
            let wanted = match *column {
                "完成情况" | "佐证材料" => "",
                "是否销号" => "否",
                _ => cell,
            };
            assert_eq!(back[at], wanted, "{column}");
        }
        let again = read("back.csv", &[head, back.to_vec()]).unwrap();
        assert_eq!(again, faults);
    }

    #[test]
    fn every_mistake_of_a_list_is_told_with_its_row() {
        let text = "序号,责任单位,问题描述,时限,反馈日期\n1,,x,soon,2022-02-30\n1,住建局,y,,\n";
        let told: Vec<String> = read("list.csv", &rows(text))
            .unwrap_err()
            .iter()
            .map(|it| format!("{} {} {}", it.line, it.column, it.what))
            .collect();
        assert_eq!(
            told,
            [
                "2 责任单位 is empty",
                "2 反馈日期 `2022-02-30` is no day (`2022-02-11`)",
                "2 时限 `soon` is neither a day nor `5个工作日`",
                "3 序号 `1` stands twice",
            ]
        );
        let none = read("list.csv", &rows("甲,乙\n1,2\n")).unwrap_err();
        assert!(none[0].what.contains("责任单位"), "{none:?}");
    }

    #[test]
    fn a_limit_is_a_day_or_working_days() {
        for text in ["0个工作日", "251个工作日", "两周", "2022-13-01", "2022-2", "22-2-1"]
        {
            assert_eq!(Limit::parse(text), None, "{text}");
        }
        let day = Some(Limit::Day(jiff::civil::date(2026, 3, 5)));
        for text in ["2026-03-05", "2026年3月5日前", "2026.3.5", " 2026/03/05 "] {
            assert_eq!(Limit::parse(text), day, "{text}");
        }
    }
}
