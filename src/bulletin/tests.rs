//! Whole bulletins: what they say, that the same facts give the same bytes, that any name is safe.

use std::fmt::Write as _;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;
use proptest::prelude::*;
use quick_xml::events::Event;
use rust_decimal::Decimal;

use super::compose::{document, sheets};
use super::document::{Block, Chart};
use super::{
    Error, Form, Ground, Period, Report, Settings, by_owner, count, folder, looks, report,
};
use crate::calendar::{Calendar, shipped};
use crate::fact::Fact;
use crate::indicator::field::Field;
use crate::indicator::history;
use crate::indicator::lists::{self, Lists};
use crate::indicator::mending;
use crate::indicator::scheme::Scheme;

/// A city of `departments`, each with two entries; the first department's data is late, the second
/// one's is set aside, the third one's entry is not above, the others' are well.
struct City {
    scheme: Scheme,
    lists: Lists,
    field: Field,
    facts: Vec<Fact>,
    settings: Settings,
    calendar: Calendar,
}

const HEAD: &str = "occurred,kind,subject,channel,fields,basis,remark\n";

/// What happened in particular.
const EVENTS: &str = "2026-10-09T00:00,overdue-from,d0-a,p,deadline=2026-10-09T00:00,model,\n\
             2026-10-20T08:00,placed,d0-b,p,rows=500,model,\n\
             2026-07-01T08:00,standard-in-force,all,p,standard=old/1.0,model,\n\
             2026-10-12T08:00,standard-required,cascade,p,standard=next/2.0,model,\n\
             2026-10-20T08:00,standard-in-force,all,p,standard=next/2.0,model,\n\
             2026-09-01T08:00,case-opened,f-1,,list=feedback;owner=单位0;deadline=2026-09-20T18:00,model,\n\
             2026-10-01T08:00,case-opened,f-2,,list=feedback;owner=单位1;deadline=2026-11-05T18:00,model,\n";

const CITIES: &str =
    "month,what,city,points,source\n2026-10,total,甲市,99,model\n2026-10,total,乙市,1,model\n";

fn name(at: usize) -> String {
    format!("单位{at}")
}

impl City {
    fn new(departments: usize) -> Self {
        let mut rows = String::new();
        let mut listed =
            "entry,resources,dataset,title,department,region,cycle,shared,open,key\n".to_owned();
        let mut bodies = "body,class\n".to_owned();
        for at in 0..departments {
            let (owner, class) = (name(at), if at % 2 == 0 { "市级A" } else { "市级B" });
            writeln!(bodies, "{owner},{class}").unwrap();
            for entry in [format!("{at}-a"), format!("{at}-b")] {
                let key = if entry.ends_with('a') { "yes" } else { "no" };
                writeln!(
                    listed,
                    "{entry},r{entry},d{entry},数据{entry},{owner},,每日,yes,no,{key}"
                )
                .unwrap();
                let refused = at == 2 && entry == "2-b";
                let state = if refused { "refused" } else { "published" };
                let mut add = |day: &str, kind: &str, subject: &str, fields: &str| {
                    writeln!(rows, "2026-{day},{kind},{subject},p,{fields},model,").unwrap();
                };
                add(
                    "07-01T08:00",
                    "link",
                    &format!("entry:{entry}"),
                    &format!("from=queued;to={state}"),
                );
                if !refused {
                    let resource = format!("resource:r{entry}");
                    add("07-01T08:00", "link", &resource, "from=queued;to=published");
                }
                for month in ["07", "08", "09", "10"] {
                    let dataset = format!("d{entry}");
                    let day = |day: &str| format!("{month}-{day}");
                    add(&day("05T08:00"), "confirmed", &dataset, "rows=1000;evidence=row-verdict");
                    let bad = if at == 1 { 10 } else { 0 };
                    let pass = format!("lane=live;seen=1000;changed=9;rejected={bad}");
                    add(&day("05T08:00"), "pass-completed", &dataset, &pass);
                    if bad > 0 {
                        let fields = "kind=local;code=证件号码;rows=10";
                        add(&day("05T08:00"), "rejected", &dataset, fields);
                    }
                }
            }
        }
        rows.push_str(EVENTS);
        let lists = Lists {
            obligations: lists::obligations("o.csv", &listed).unwrap(),
            bodies: lists::bodies("b.csv", &bodies).unwrap(),
            exemptions: lists::exemptions(
                "e.csv",
                "entry,measure,from,until,reason,approval\n0-b,key.covered_rate,2026-10-01,,垂管系统,批3\n",
            )
            .unwrap(),
            cases: lists::kept("k.csv", "list,since\nfeedback,2026-07\n").unwrap(),
            ..Lists::default()
        };
        let scheme = include_str!("../../config/schemes/model-2026.toml");
        Self {
            scheme: Scheme::parse("model-2026.toml", scheme).unwrap(),
            lists,
            field: Field::parse("c.csv", CITIES).unwrap(),
            facts: history::parse("f.csv", &format!("{HEAD}{rows}"), "t").unwrap(),
            settings: Settings { city: "示例市".to_owned(), ..Settings::default() },
            calendar: shipped(),
        }
    }

    fn more(mut self, rows: &str) -> Self {
        self.facts.extend(history::parse("m.csv", &format!("{HEAD}{rows}"), "more").unwrap());
        self
    }

    fn report(&self, form: Form, name: &str, now: &str) -> Report {
        let ground = Ground {
            scheme: &self.scheme,
            lists: &self.lists,
            field: &self.field,
            calendar: &self.calendar,
            settings: &self.settings,
        };
        let (period, now) = (Period::parse(form, name).unwrap(), now.parse().unwrap());
        let looks = looks(&self.scheme, period, now);
        let counted = count(ground, &looks, &self.facts, now);
        report(ground, period, counted).unwrap()
    }

    fn october(&self) -> Report {
        self.report(Form::Monthly, "2026-10", "2026-11-02T01:00:00Z")
    }
}

/// Everything a document says, a line for each paragraph and row.
fn said(report: &Report) -> String {
    let document = document(report, &sheets(report));
    let mut lines = vec![document.plain_title(), document.to.clone(), document.as_of.clone()];
    for block in &document.blocks {
        match block {
            Block::Part(text) | Block::Section(text) | Block::Text(text) | Block::Remark(text) => {
                lines.push(text.clone());
            }
            Block::Table(table) => {
                lines.push(table.caption.clone());
                for row in &table.rows {
                    assert_eq!(row.len(), table.columns.len(), "{}", table.caption);
                    lines.push(row.join(" | "));
                }
            }
            Block::Chart(Chart::Bars { caption, .. } | Chart::Line { caption, .. }) => {
                lines.push(caption.clone());
            }
        }
    }
    lines.extend(document.attachments);
    lines.join("\n")
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

#[test]
fn an_assessment_says_where_everything_stands_and_what_is_to_be_mended() {
    let text = said(&City::new(6).october());
    has(
        &text,
        &[
            "关于2026年10月示例市数据共享开放工作考评情况的通报",
            "数据截至2026年10月31日24时",
            "在全省参与排名的3个市中列第2位，与上一名相差",
            // A dataset that is late, with how long; an entry that was refused; rows by their rule.
            "逾期未更新1个：数据0-a（重点数据，逾期23天）",
            "目录不完整或被退回1个：数据2-b（自7月1日）",
            "数据1-a（重点数据，10行：证件号码 10行）",
            // What was late in September is late still, what is due in November is not.
            "省级反馈问题清单逾期未办结1个：f-1（期限9月20日18时）",
            "省级反馈问题清单待办结1个：f-2（期限11月5日18时）",
            "未发现问题的单位（3个）：单位3、单位4、单位5。",
            // Five working days after 31 October, and the province's own deadline.
            "未列明时限的事项于11月6日前完成",
            "f-2（期限11月5日18时） | — | 11月5日18时",
            "数据0-b | 关键数据覆盖率 | 2026-10-01起 | 垂管系统 | 批3",
            "10月20日8时，标准next/2.0在通道p启用。",
            "另有1.6分不归属于单个部门：级联脱节扣分1.6分。",
            "单位0整改清单（2项）",
        ],
    );
    // What was refused is not told again as not cascaded and not mounted.
    assert!(!text.contains("目录未级联") && !text.contains("资源未挂接"), "{text}");
}

#[test]
fn rows_that_were_only_placed_are_never_among_those_that_are_confirmed() {
    let report = City::new(3).october();
    assert_eq!((report.carried.confirmed_rows(), report.carried.placed), (6000, 500));
    let text = said(&report);
    has(
        &text,
        &[
            "经省级确认的数据6,000行（逐行校验6,000行）",
            "另有500行仅投放到位、尚无任何回执，不计入已确认",
        ],
    );
    // A fact that calls placed rows confirmed does not make them so.
    let row = "2026-10-21T08:00,confirmed,d0-b,p,rows=70;evidence=placed,model,\n";
    let report = City::new(3).more(row).october();
    assert_eq!((report.carried.confirmed_rows(), report.carried.placed), (6000, 570));
}

#[test]
fn nothing_to_mend_is_said_so() {
    let mut city = City::new(2);
    city.lists.obligations.clear();
    city.lists.exemptions.clear();
    city.facts.retain(|fact| !fact.kind.as_str().starts_with("case"));
    let report = city.october();
    has(
        &said(&report),
        &["本期未发现需要整改的问题。", "本期没有需要整改的事项", "本期没有生效的豁免。"],
    );
    assert!(sheets(&report).is_empty());
    // Without any fact, list or body there is a bulletin all the same.
    city.facts.clear();
    city.lists = Lists::default();
    for (form, name) in [(Form::Weekly, "2026-W43"), (Form::Quarterly, "2026-Q3")] {
        let report = city.report(form, name, "2026-11-02T01:00:00Z");
        has(&said(&report), &["尚未登记考核对象", "本期没有需要整改的事项"]);
        folder::files(&report).unwrap();
    }
}

#[test]
fn the_shares_of_a_loss_add_up_to_it() {
    for departments in [1, 3, 7, 60] {
        let report = City::new(departments).october();
        let last = report.last().unwrap();
        for item in &last.city.items {
            let shares = report.losses.iter().filter(|it| it.item == item.id);
            let sum: Decimal = shares.map(|it| it.points).sum();
            assert_eq!(sum, -item.lost.unwrap_or_default(), "{}", item.id);
        }
        let all: Decimal = by_owner(&report.losses).values().sum();
        assert_eq!(all, -last.city.lost);
    }
}

#[test]
fn bodies_are_ranked_within_their_class_and_the_worst_explain_themselves() {
    let report = City::new(8).october();
    let classes: Vec<&str> = report.ranking.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(classes, ["市级A", "市级B"]);
    let ranks: Vec<(&str, Option<usize>)> =
        report.ranking[0].1.iter().map(|it| (it.id.as_str(), it.rank)).collect();
    // Equal ones share a rank; who is late and who was refused come after them.
    assert_eq!(ranks[..2], [("单位4", Some(1)), ("单位6", Some(1))]);
    assert_eq!([ranks[2].1, ranks[3].1], [Some(3), Some(3)]);
    assert_eq!(report.ranking[0].1[0].rate, Some(Decimal::ONE_HUNDRED), "nothing lost is all");
    // The scheme's own items for departments are taken where it has some.
    let mut city = City::new(8);
    let text = include_str!("../../config/schemes/model-2026.toml");
    let own = text.replace("weight = 15", "weight = 15\nscope = \"department\"");
    city.scheme = Scheme::parse("own", &own).unwrap();
    let report = city.october();
    assert!(!report.last().unwrap().by_city_items);
    let late = report.ranking[0].1.iter().find(|it| it.id == "单位0").unwrap();
    assert_eq!(late.points, (Decimal::new(75, 1), Decimal::from(15)), "half of its data is late");
}

#[test]
fn only_what_could_be_computed_both_times_is_compared() {
    let mut city = City::new(4);
    city.facts.retain(|fact| !fact.kind.as_str().starts_with("standard"));
    let week = city.report(Form::Weekly, "2026-W43", "2026-10-27T00:00:00Z");
    let text = said(&week);
    has(
        &text,
        &[
            "关于2026年第43周示例市",
            "按可比项目，与上期（截至10月18日）持平。",
            "各考核项得分没有变化",
        ],
    );
    // In the week before the pass of the month there was nothing to judge rows by.
    let early = city.report(Form::Weekly, "2026-W41", "2026-10-27T00:00:00Z");
    let compared = early.compared().unwrap();
    // A pass that was not there before is no gain of five points.
    assert!(compared.items > 0 && compared.others > 0 && compared.difference < Decimal::ZERO);
    has(
        &said(&early),
        &["较上期（截至10月4日）下降", "只有一期可以计分", "下降的考核项：更新及时率"],
    );
}

#[test]
fn a_meeting_paper_shows_months_beside_each_other_and_what_keeps_coming_back() {
    let report = City::new(5).report(Form::Quarterly, "2026-Q3", "2026-10-08T00:00:00Z");
    assert_eq!(report.moments.len(), 3);
    has(
        &said(&report),
        &[
            "2026年第三季度示例市数据共享开放工作调度会材料",
            "2026-07 |",
            "2026-09 |",
            "单位1 | 数据不合规被拦截 | 数据1-a | 3",
            "单位2 | 目录不完整或被退回 | 数据2-b | 3",
            "五、提请会议研究的事项",
            "对反复出现的3个问题逐一明确",
        ],
    );
}

#[test]
fn english_is_there_in_full() {
    let mut city = City::new(4);
    city.settings.language = crate::language::Language::English;
    city.settings.city = "Model City".to_owned();
    for (form, name) in
        [(Form::Weekly, "2026-W43"), (Form::Monthly, "2026-10"), (Form::Quarterly, "2026-Q4")]
    {
        let text = said(&city.report(form, name, "2026-11-02T01:00:00Z"));
        has(&text, &["Model City", "To be mended", "what is unknown counts nothing"]);
        for line in text.lines().filter(|line| !line.contains("单位") && !line.contains("数据"))
        {
            let foreign =
                line.replace(['—', '／', '＝', '↑', '↓', '垂', '管', '系', '统', '批'], "");
            let foreign = foreign.replace("市级A", "").replace("市级B", "");
            assert!(foreign.is_ascii(), "{line}");
        }
    }
}

/// The texts of a container, by name.
fn parts(bytes: &[u8]) -> Vec<(String, String)> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    (0..zip.len())
        .map(|at| {
            let mut file = zip.by_index(at).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            let name = file.name().unwrap().into_owned();
            assert_eq!(file.last_modified().unwrap().year(), 1980, "{name}");
            (name, text)
        })
        .collect()
}

/// The text of an XML document; panics where it is not well formed.
fn text_of(xml: &str) -> String {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let (mut text, mut depth) = (String::new(), 0_i32);
    loop {
        let event = reader.read_event().unwrap();
        if let Event::Start(_) = event {
            depth += 1;
        } else if let Event::End(_) = event {
            depth -= 1;
        } else if let Event::Text(it) = event {
            text.push_str(&it);
        } else if let Event::GeneralRef(it) = event {
            text.push_str(&format!("&{};", &*it));
        } else if let Event::Eof = event {
            break;
        }
    }
    assert_eq!(depth, 0);
    text
}

#[test]
fn a_document_is_well_formed_whatever_things_are_called() {
    let mut city = City::new(3);
    let nasty = "<w:br/>&amp;\"'\u{0}\u{202e}]]>";
    for it in &mut city.lists.obligations {
        it.title = format!("{nasty}{}", it.title);
    }
    city.settings.office = nasty.to_owned();
    city.settings.contact = nasty.repeat(3000);
    let files = folder::files(&city.october()).unwrap();
    for (name, text) in parts(&files[0].bytes) {
        let told = text_of(&text);
        if name == "word/document.xml" {
            let start: String = told.chars().take(200).collect();
            assert!(told.contains("&lt;w:br/&gt;&amp;amp;&quot;"), "{start}");
        }
    }
    let page = String::from_utf8(files[1].bytes.clone()).unwrap();
    assert!(!page.contains("<w:br") && !page.contains('\u{0}') && !page.contains('\u{202e}'));
    assert!(
        !page.contains("<script") && !page.contains("http:") && !page.contains("https:"),
        "nothing runs, nothing is fetched"
    );
}

#[test]
fn a_folder_is_written_at_once_once_and_readable_by_whom_it_should_be() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("bulletins");
    let mut city = City::new(3);
    city.lists.obligations[0].department = "甲/乙 ..局".to_owned();
    let report = city.october();
    let files = folder::files(&report).unwrap();
    assert!(files.iter().any(|it| it.name.ends_with("-甲_乙___局.xlsx")));
    // What a crash left behind is no bulletin and is in nobody's way.
    std::fs::create_dir_all(out.join(".monthly-2026-10.part/rest")).unwrap();
    let into = folder::write(&out, report.period, &files, 0o640).unwrap();
    assert!(into.ends_with("monthly-2026-10"));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&into), mode(&into.join("bulletin.docx"))), (0o750, 0o640));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1, "nothing is left beside it");
    let again = folder::write(&out, report.period, &files, 0o640).unwrap_err();
    assert!(matches!(again, Error::Exists(_)), "{again}");
}

#[test]
fn sixty_departments_and_names_of_any_length_fit() {
    let mut city = City::new(60);
    for it in &mut city.lists.obligations {
        it.title = "不动产登记".repeat(40);
    }
    let report = city.october();
    let text = said(&report);
    has(
        &text,
        &[
            "市级A（30个）",
            "不动产登记不动产登记不动产登记不动产登记不动产登记不动产登记不动产登记不…（",
        ],
    );
    let whole = "不动产登记".repeat(40);
    let mut cells = sheets(&report).into_iter().flat_map(|sheet| sheet.rows).flatten();
    assert!(cells.any(|cell| cell.contains(&whole)), "the list has it whole");
}

#[test]
fn a_departments_list_has_the_columns_of_the_mending_list_and_is_read_as_one() {
    let sheets = sheets(&City::new(3).october());
    assert!(!sheets.is_empty());
    for sheet in sheets {
        assert_eq!(sheet.heads, mending::COLUMNS);
        let rows = [vec![sheet.heads], sheet.rows.clone()].concat();
        let faults = mending::read("list.xlsx", &rows).unwrap();
        assert_eq!(faults.len(), sheet.rows.len());
        assert!(faults.iter().all(|fault| fault.owner == sheet.owner));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_facts_give_the_same_bytes_in_whatever_order_they_come(
        departments in 1_usize..6, seed in any::<u64>(),
    ) {
        let mut city = City::new(departments);
        let once = folder::files(&city.october()).unwrap();
        // Any order: by a hash of the fact's number.
        city.facts.sort_by_key(|it| it.id.number.wrapping_mul(seed | 1).rotate_left(17));
        let again = folder::files(&city.october()).unwrap();
        prop_assert!(once == again);
        prop_assert!(once.iter().all(|it| !it.bytes.is_empty()));
    }
}

#[test]
fn what_is_recorded_after_the_time_it_is_known_at_enters_no_bulletin() {
    let later = "2026-11-03T08:00,stated,city,,name=x;month=2026-10;value=1;source=s,model,\n";
    let (without, with) = (City::new(2).october(), City::new(2).more(later).october());
    let at = Timestamp::MIN;
    assert!(at < without.last().unwrap().at);
    assert_eq!(folder::files(&without).unwrap(), folder::files(&with).unwrap());
}

#[test]
fn what_is_promised_less_of_stands_in_the_bulletin_the_unapproved_first() {
    let line = |cycle: &str| {
        format!(
            "cycle={cycle}&share=yes&open=yes&key=yes&dataset=d0-a&resources=r0-a&title=t\
             &department=单位0&region="
        )
    };
    let head = "list=obligations;terms=";
    let rows = format!(
        "2026-09-01T08:00,declared,entry:0-a,,{head}{},model,\n\
         2026-10-06T08:00,declared,entry:0-a,,{head}{},model,\n\
         2026-09-01T08:00,declared,d1-a,,list=datasets;terms=cycle=每日&dataset=d1-a,model,\n\
         2026-10-08T08:00,declared,d1-a,,list=datasets;terms=cycle=每周&dataset=d1-a,model,\n\
         2026-10-07T00:00,approved,d1-a,,what=cycle;from=每日;to=每周;reason=源系统改造;approval=批9,model,\n\
         2026-09-01T08:00,declared,entry:1-b,,list=catalogue;terms=share=unconditional&open=open&cycle=daily,model,\n\
         2026-10-09T08:00,declared,entry:1-b,,list=catalogue;terms=share=none&open=open&cycle=daily,model,\n\
         2026-10-10T08:00,declared,entry:1-b,,list=catalogue;terms=share=unconditional&open=open&cycle=daily,model,\n",
        line("每日"),
        line("不定期"),
    );
    let mut city = City::new(3).more(&rows);
    let text = said(&city.october());
    has(
        &text,
        &[
            "有1项承诺未经批准被放宽（更新周期1个），一律按原口径计分",
            "以下1项放宽未经批准，不予认可",
            "数据0-a | 更新周期 | 每日 | 不定期 | 10月6日8时",
            "数据1-a | 更新周期 | 每日 | 每周 | 源系统改造 | 批9",
            "另有1项曾被放宽，现已恢复。",
        ],
    );
    assert!(text.find("未经批准的变更") < text.find("批9"), "what nobody approved of comes first");
    // What nobody approved of stands in every bulletin until it is; what was approved only once.
    let city_of =
        |city: &City| said(&city.report(Form::Weekly, "2026-W45", "2026-11-09T01:00:00Z"));
    let later = city_of(&city);
    has(&later, &["数据0-a | 更新周期 | 每日 | 不定期 | 10月6日8时"]);
    assert!(!later.contains("批9"), "{later}");
    // The rate is what it was: a dataset without a deadline would be no part of it.
    let rate = |city: &City| city.october().last().unwrap().figures["data.timely_rate"].parts;
    let unapproved = rate(&city);
    assert_eq!(unapproved, rate(&City::new(3)));
    city.settings.language = crate::language::Language::English;
    has(
        &said(&city.october()),
        &["update cycle | every day | irregular | 6 Oct 08:00", "Loosened without an approval: 1."],
    );
    city.facts.retain(|fact| !matches!(fact.kind.as_str(), "declared" | "approved"));
    city.settings.language = crate::language::Language::Chinese;
    has(&said(&city.october()), &["本期没有放宽更新周期、共享类型或撤下目录的情况。"]);
}

#[test]
fn while_the_month_runs_the_bulletin_says_what_it_will_come_to() {
    let city = City::new(6);
    let report = city.report(Form::Weekly, "2026-W43", "2026-10-26T01:00:00Z");
    let text = said(&report);
    let forecast = report.forecast.as_ref().unwrap();
    has(&text, &["天的规律推算，到2026年10月31日24时考评截止时预计得", "80%的可能在"]);
    let expected = super::compose::shown_points(forecast.range.expected);
    has(&text, &[&format!("预计得{expected}分")]);
    assert_eq!(said(&city.report(Form::Weekly, "2026-W43", "2026-10-26T01:00:00Z")), text);
    // A month that is over needs none.
    assert!(city.october().forecast.is_none());
    assert!(!said(&city.october()).contains("规律推算"));
}
