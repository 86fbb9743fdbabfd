//! The appeal bundle (申诉): everything that an item's points hang on, in one archive that anybody
//! can check without us.
//!
//! What went in stands under `input/` as it was: the scheme, the facts, the lists, the values. All
//! else is computed from it, and checking computes it again: a bundle that says other points than
//! its own facts give does not check. Under `live/` stands what the daemon answered (upper ids,
//! receipts with the province's times): that is accounted for by its digest. Facts hold no row
//! content, and nothing else is put in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::bundle::{Bundle, NotWhole};
use super::field::Field;
use super::ledgered;
use super::lists::Lists;
use super::replay::Given;
use super::scheme::{Month, Scheme};
use super::score::{ItemScore, Score};
use super::sources::{Judged, Sources};
use super::tally::Body;
use super::{history, stated, terms};
use crate::delivery::DigestSha256;
use crate::fact::{Fact, FactId, Kind, chain, start};

/// What is appealed against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// The month.
    pub month: Month,
    /// Whose points.
    pub body: Body,
    /// Which item.
    pub item: String,
}

/// Why there is no bundle, or why one does not check.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Wrong {
    /// The archive is not whole.
    #[error("the bundle is not whole: {0}")]
    NotWhole(#[from] NotWhole),
    /// A table or the scheme in it cannot be read.
    #[error("`{file}` cannot be read: {what}")]
    Input {
        /// The file.
        file: String,
        /// The first mistake.
        what: String,
    },
    /// The item does not mark this body.
    #[error("no item `{0}` marks this body")]
    Item(String),
    /// What it says is not what follows from what went in.
    #[error("`{0}` does not follow from what went in")]
    Derived(String),
}

/// What a bundle that checks says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proven {
    /// What it is about.
    pub question: Question,
    /// The item as computed.
    pub item: ItemScore,
    /// How many facts stand in it.
    pub facts: usize,
    /// The digest by which the bundle is known.
    pub digest: DigestSha256,
}

/// Facts of a ledger, under `input/`.
pub const LEDGER: &str = "ledger.txt";

/// Files that are computed.
const DERIVED: [&str; 6] =
    ["facts.txt", "findings.csv", "item.txt", "letter.zh.md", "notices.csv", "outages.csv"];

/// Makes a bundle of what went in: files named as under [`Bundle`], `input/…` and `live/…`.
///
/// # Errors
/// A table cannot be read, or the item does not mark the body.
pub fn make(
    question: &Question,
    inputs: BTreeMap<String, Vec<u8>>,
) -> Result<(Bundle, Proven), Wrong> {
    let mut bundle = Bundle::default();
    for (name, content) in inputs {
        bundle.put(&name, content);
    }
    let body = match &question.body {
        Body::City => "city".to_owned(),
        Body::Region(id) => format!("region:{id}"),
        Body::Department(id) => format!("department:{id}"),
        Body::Dataset(id) => format!("dataset:{id}"),
    };
    let (month, item) = (question.month, &question.item);
    bundle.put("question.txt", format!("month {month}\nbody {body}\nitem {item}\n"));
    let (derived, found, facts) = derive(&bundle, question)?;
    for (name, content) in derived {
        bundle.put(name, content);
    }
    let digest = bundle.manifest().1;
    Ok((bundle, Proven { question: question.clone(), item: found, facts, digest }))
}

/// Checks a bundle: every byte, and everything that is computed once more.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(archive: &[u8]) -> Result<Proven, Wrong> {
    let bundle = Bundle::read(archive)?;
    let asked = bundle.get("question.txt").and_then(|it| std::str::from_utf8(it).ok());
    let question = asked.and_then(question).ok_or(Wrong::Derived("question.txt".to_owned()))?;
    let (derived, item, facts) = derive(&bundle, &question)?;
    for (name, content) in derived {
        if bundle.get(name) != Some(content.as_bytes()) {
            return Err(Wrong::Derived(name.to_owned()));
        }
    }
    let is_known = |name: &str| {
        DERIVED.contains(&name)
            || name == "question.txt"
            || name.starts_with("input/")
            || name.starts_with("live/")
    };
    if let Some((name, _)) = bundle.files().find(|(name, _)| !is_known(name)) {
        return Err(Wrong::Derived(name.to_owned()));
    }
    Ok(Proven { question, item, facts, digest: bundle.manifest().1 })
}

fn question(text: &str) -> Option<Question> {
    let said =
        |word: &str| text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    let body = match said("body")?.split_once(':') {
        None => Body::City,
        Some(("region", id)) => Body::Region(id.to_owned()),
        Some(("department", id)) => Body::Department(id.to_owned()),
        Some(("dataset", id)) => Body::Dataset(id.to_owned()),
        Some(_) => return None,
    };
    Some(Question { month: Month::parse(said("month")?)?, body, item: said("item")?.to_owned() })
}

/// What stands in a bundle as it went in.
struct Inputs {
    scheme: Scheme,
    facts: Vec<Fact>,
    /// The ledger's own digests, of facts that came from a ledger.
    digests: BTreeMap<FactId, DigestSha256>,
    lists: Lists,
    field: Field,
}

type Derived = (Vec<(&'static str, String)>, ItemScore, usize);

fn derive(bundle: &Bundle, question: &Question) -> Result<Derived, Wrong> {
    let Inputs { scheme, facts, digests, lists, field } = inputs(bundle)?;
    let given = Given { facts: &facts, lists: &lists, field: &field };
    let score = given.score(&scheme, question.month, &question.body, Timestamp::MAX);
    let item = score.items.iter().find(|it| it.id == question.item);
    let item = item.ok_or_else(|| Wrong::Item(question.item.clone()))?;
    let outages = outages(&facts);
    let derived = vec![
        ("facts.txt", chained(&facts, &digests)),
        ("findings.csv", findings(item)),
        ("item.txt", told(&score, item)),
        ("letter.zh.md", letter(&scheme, &score, item, facts.len()) + &beside(bundle)),
        ("notices.csv", notices(&facts)),
        ("outages.csv", outages),
    ];
    Ok((derived, item.clone(), facts.len()))
}

fn inputs(bundle: &Bundle) -> Result<Inputs, Wrong> {
    let wrong = |file: &str, what: String| Wrong::Input { file: file.to_owned(), what };
    let (mut sources, mut stated_rows) = (Sources::default(), Vec::new());
    let (mut facts, mut digests) = (Vec::new(), BTreeMap::new());
    for (name, content) in bundle.files() {
        let Some(file) = name.strip_prefix("input/") else { continue };
        let text = std::str::from_utf8(content).map_err(|error| wrong(name, error.to_string()))?;
        let first = |problems: Vec<super::sheet::Problem>| {
            wrong(name, problems.first().map_or_else(String::new, ToString::to_string))
        };
        match file {
            _ if Sources::is_one(file) => sources.put(file, text),
            LEDGER => {
                let read = ledgered::parse(text.lines());
                for it in read.map_err(|error| wrong(name, error.to_string()))? {
                    digests.insert(it.fact.id.clone(), it.digest);
                    facts.push(it.fact);
                }
            }
            _ if file.starts_with("facts-") => {
                let writer = file.trim_end_matches(".csv");
                facts.extend(history::parse(file, text, writer).map_err(first)?);
            }
            _ if file.starts_with("values-") => {
                stated_rows.push((
                    file.trim_end_matches(".csv"),
                    stated::parse(file, text).map_err(first)?,
                ));
            }
            _ => return Err(wrong(name, "nobody knows this file".to_owned())),
        }
    }
    let judged = sources.read().map_err(|it| wrong(&format!("input/{}", it.file), it.what))?;
    let Judged { scheme, lists, field } = judged;
    for (writer, rows) in stated_rows {
        facts.extend(stated::facts(&rows, writer, &scheme.period.zone));
    }
    // A ledger has made facts of them already.
    if digests.is_empty() {
        facts.extend(terms::approved(&lists.approvals, "approvals"));
    }
    Ok(Inputs { scheme, facts, digests, lists, field })
}

/// Every fact, chained by writer and day: as the ledger did, or, where it came from a table, here.
fn chained(facts: &[Fact], digests: &BTreeMap<FactId, DigestSha256>) -> String {
    let mut sorted: Vec<&Fact> = facts.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    let mut text = String::new();
    let mut last: Option<(&str, jiff::civil::Date, DigestSha256)> = None;
    for fact in sorted {
        let (writer, day) = (&*fact.id.writer, fact.id.day);
        let before = match last {
            Some((of, on, digest)) if of == writer && on == day => digest,
            Some(_) | None => start(writer, day),
        };
        let digest = digests.get(&fact.id).copied().unwrap_or_else(|| chain(before, fact));
        last = Some((writer, day, digest));
        let fields: Vec<String> =
            fact.kind.fields().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let channel = fact.channel.as_ref().map_or("-", |it| it.as_str());
        // Writing to a text cannot fail.
        let _written = writeln!(
            text,
            "{digest} {} {} {} {channel} {} {}",
            fact.id,
            fact.occurred,
            fact.kind.as_str(),
            fact.subject,
            fields.join("; ")
        );
    }
    text
}

fn csv(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut is_whole = writer.write_record(head).is_ok();
    for row in rows {
        is_whole &= writer.write_record(&row).is_ok();
    }
    let bytes = writer.into_inner().unwrap_or_default();
    if is_whole { String::from_utf8(bytes).unwrap_or_default() } else { String::new() }
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.to_string())
}

fn findings(item: &ItemScore) -> String {
    let rows = item.used.iter().flat_map(|(name, figure)| {
        figure.findings.iter().map(move |it| {
            let (from, until) = (moment(it.from), moment(it.until));
            let (subject, owner) = (it.subject.clone(), it.owner.clone());
            let doubt = it.doubt.map_or_else(String::new, |it| it.as_str().to_owned());
            vec![name.clone(), owner, subject, from, until, it.evidence.clone(), doubt]
        })
    });
    csv(&["figure", "owner", "subject", "from", "until", "evidence", "doubt"], rows)
}

/// The item with its figures.
fn told(score: &Score, item: &ItemScore) -> String {
    let some = |it: Option<rust_decimal::Decimal>| {
        it.map_or_else(|| "?".to_owned(), |it| it.normalize().to_string())
    };
    let mut text = format!(
        "scheme {}\nmonth {}\nbody {}\nitem {}\npoints {}\nlost {}\nworth {}\n",
        score.scheme,
        score.month,
        score.body.id(),
        item.id,
        some(item.points),
        some(item.lost),
        some(item.worth),
    );
    for (name, figure) in &item.used {
        let parts = figure.parts.map_or_else(String::new, |(of, all)| format!(" {of}/{all}"));
        let _written = writeln!(text, "figure {name} {}{parts}", some(figure.value));
    }
    text
}

/// What the province said: standards that it required, cases that it laid, values that were stated.
fn notices(facts: &[Fact]) -> String {
    let mut sorted: Vec<&Fact> = facts.iter().collect();
    sorted.sort_by(|a, b| (a.occurred, &a.id).cmp(&(b.occurred, &b.id)));
    let rows = sorted.into_iter().filter_map(|fact| {
        let is_notice = matches!(
            fact.kind,
            Kind::StandardRequired { .. } | Kind::CaseOpened { .. } | Kind::Stated { .. }
        );
        let fields: Vec<String> =
            fact.kind.fields().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (at, kind) = (fact.occurred.to_string(), fact.kind.as_str().to_owned());
        let row = vec![at, kind, fact.subject.clone(), fields.join("; "), fact.id.to_string()];
        is_notice.then_some(row)
    });
    csv(&["at", "kind", "subject", "fields", "fact"], rows)
}

/// From a probe that nothing answered to the next that was answered, by what was probed.
fn outages(facts: &[Fact]) -> String {
    let mut probes: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| matches!(fact.kind, Kind::Probed { .. })) {
        probes.entry(fact.subject.as_str()).or_default().push(fact);
    }
    let mut rows = Vec::new();
    for (subject, mut line) in probes {
        line.sort_by(|a, b| (a.occurred, &a.id).cmp(&(b.occurred, &b.id)));
        let mut begun: Option<(&Fact, u64)> = None;
        let mut ended = |begun: (&Fact, u64), until: Option<Timestamp>| {
            let (from, id) = (begun.0.occurred.to_string(), begun.0.id.to_string());
            rows.push(vec![subject.to_owned(), from, moment(until), begun.1.to_string(), id]);
        };
        for fact in line {
            let Kind::Probed { succeeded, failed } = &fact.kind else { continue };
            begun = match (begun, *succeeded) {
                (Some((first, count)), 0) => Some((first, count.saturating_add(*failed))),
                (Some(it), _) => {
                    ended(it, Some(fact.occurred));
                    None
                }
                (None, 0) => Some((fact, *failed)),
                (None, _) => None,
            };
        }
        if let Some(it) = begun {
            ended(it, None);
        }
    }
    csv(&["subject", "from", "until", "failed", "fact"], rows)
}

/// A draft: whoever sends it signs for it.
fn letter(scheme: &Scheme, score: &Score, item: &ItemScore, facts: usize) -> String {
    let title = scheme.items.iter().find(|known| known.id == item.id);
    let title = title.map_or(item.id.as_str(), |known| known.title.zh.as_str());
    let some = |it: Option<rust_decimal::Decimal>| {
        it.map_or_else(|| "无法计算".to_owned(), |it| it.normalize().to_string())
    };
    let mut text = format!(
        "# 关于 {month} “{title}”得分的申诉函（草稿）\n\n\
         省数据主管部门：\n\n\
         我市 {month} “{title}”（{item}）按《{scheme}》计算得分 {points}（失分 {lost}）。\
         所依据的事实共 {facts} 条，逐条列于 `facts.txt`，每条带链式摘要；任何一条被改动、增删，核验即不通过。\n\n\
         ## 依据\n\n",
        month = score.month,
        item = item.id,
        scheme = scheme.title.zh,
        points = some(item.points),
        lost = some(item.lost),
    );
    for (name, figure) in &item.used {
        let parts = figure.parts.map_or_else(String::new, |(of, all)| format!("（{of}/{all}）"));
        let _written = writeln!(text, "- {name}：{}{parts}", some(figure.value));
        for it in figure.findings.iter().take(20) {
            let from = it.from.map_or_else(String::new, |at| format!("，自 {at}"));
            let until = it.until.map_or_else(String::new, |at| format!(" 至 {at}"));
            let _written =
                writeln!(text, "  - {} {}{from}{until}（{}）", it.owner, it.subject, it.evidence);
        }
    }
    text.push_str(
        "\n## 附件\n\n\
         - `findings.csv` 逐项问题　`outages.csv` 接口停用时段及探测记录　`notices.csv` 省级通知与反馈\n\
         - `facts.txt` 全部事实及链式摘要　`input/` 办法、清单与原始表格　`live/` 上级标识、批次与回执（如有）\n\n\
         核验方法：`cascaded score evidence-check 文件`。\n\n\
         （此处写明申诉请求、联系人与日期）\n",
    );
    text
}

/// What stands beside the facts in this bundle, as the letter names it.
fn beside(bundle: &Bundle) -> String {
    let told: Vec<&str> = [
        ("live/links.json", "目录与资源的上级标识"),
        ("live/batches.json", "批次与回执及时间"),
        ("live/replies.json", "省平台答复（已脱敏）及省平台时间"),
        ("live/clocks.json", "逐日时钟差"),
        ("live/counts.json", "双方计数"),
        ("live/closed.txt", "结账快照"),
        ("live/chains.txt", "各链末端摘要"),
    ]
    .into_iter()
    .filter(|(name, _)| bundle.get(name).is_some())
    .map(|(_, what)| what)
    .collect();
    if told.is_empty() {
        return String::new();
    }
    format!("\n`live/` 内：{}。\n", told.join("；"))
}

#[cfg(test)]
mod tests;
