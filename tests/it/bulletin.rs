//! Bulletins as people get them: from the command, read by programs that are not ours, shown by a
//! browser, and written by the daemon at their time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use cascaded::clock::Clock;
use cascaded::demo::Scale;

use crate::page::browser::{Look, measure, picture, sheets};
use crate::support::daemon::{PACE, TestCity, run};
use crate::support::operator::{Service, Speech, command, wait_for};

/// Opens a container, parses every part of it and says the text of paragraphs, rows and cells.
const READER: &str = r#"
import sys, zipfile, xml.etree.ElementTree as tree
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
box = zipfile.ZipFile(sys.argv[1])
assert box.testzip() is None
parts = {name: tree.fromstring(box.read(name)) for name in box.namelist() if name.endswith((".xml", ".rels"))}
for name in parts:
    if name.endswith(".rels"):
        for it in parts[name]:
            folder = name.replace("_rels/", "").rsplit("/", 1)[0] if "/" in name.replace("_rels/", "") else ""
            target = it.get("Target").lstrip("/")
            full = target if target in parts or not folder else folder + "/" + target
            assert full in parts, (name, target)
if "word/document.xml" in parts:
    body = parts["word/document.xml"]
    styles = {it.get(W + "styleId") for it in parts["word/styles.xml"].iter(W + "style")}
    for it in list(body.iter(W + "pStyle")) + list(body.iter(W + "tblStyle")):
        assert it.get(W + "val") in styles, it.get(W + "val")
    for row in body.iter(W + "tr"):
        grid = [cell for cell in row.iter(W + "tc")]
        print(" | ".join("".join(t.text or "" for t in cell.iter(W + "t")) for cell in grid))
    for paragraph in body.iter(W + "p"):
        print("".join(t.text or "" for t in paragraph.iter(W + "t")))
else:
    shared = ["".join(t.text or "" for t in it.iter(S + "t")) for it in parts["xl/sharedStrings.xml"]]
    sheet = parts["xl/worksheets/sheet1.xml"]
    for row in sheet.iter(S + "row"):
        print(" | ".join(shared[int(cell.find(S + "v").text)] if cell.get("t") == "s" else "" for cell in row))
    for it in sheet.iter(S + "dataValidation"):
        print("choice", it.get("sqref"), it.find(S + "formula1").text)
"#;

/// What another program reads in a document or workbook.
fn read(file: &Path) -> String {
    let output = Command::new("python3").args(["-c", READER]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

/// The arguments that make a bulletin of the shipped example.
fn example(form: &[&str], out: &Path) -> Vec<String> {
    let schemes = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemes");
    let path = |name: &str| schemes.join(name).display().to_string();
    let mut words: Vec<String> = form.iter().map(|it| (*it).to_owned()).collect();
    words.extend(["--scheme".to_owned(), path("model-2022.toml")]);
    for (option, file) in [
        ("--facts", "province.csv"),
        ("--facts", "then.csv"),
        ("--values", "outside.csv"),
        ("--values", "published.csv"),
        ("--cities", "cities.csv"),
    ] {
        words.extend([option.to_owned(), path(&format!("example-2022/{file}"))]);
    }
    words.extend(["--lists".to_owned(), path("example-2022")]);
    words.extend(["--out".to_owned(), out.display().to_string()]);
    words.extend(["--at".to_owned(), "2022-06-01".to_owned()]);
    words
}

fn make(form: &[&str], out: &Path) -> crate::support::operator::Said {
    let words = example(form, out);
    let words: Vec<&str> =
        ["bulletin"].into_iter().chain(words.iter().map(String::as_str)).collect();
    command(Speech::Chinese, &words)
}

#[test]
fn a_command_writes_a_bulletin_that_other_programs_read() {
    let out = tempfile::tempdir().unwrap();
    let said = make(&["monthly", "--month", "2022-02"], out.path());
    assert_eq!(said.code, Some(0), "{said:?}");
    let folder = out.path().join("monthly-2022-02");
    let text = read(&folder.join("bulletin.docx"));
    has(
        &text,
        &[
            "2022年2月数据共享开放工作考评情况的通报",
            "当月得分87.4分",
            "在全省参与排名的21个市中列第15位",
            "按可比项目，较上期（截至1月31日）下降2.6分。",
            "异常办事指南未按要求整改 | — | -2.6 | 2.6 | -2.6 | 估算",
            "13个问题",
            "guide-13",
            "部门1整改清单（3项）",
        ],
    );
    let sheet = read(&folder.join("01-部门1.xlsx"));
    has(
        &sheet,
        &[
            "序号 | 责任单位 | 问题来源 | 问题类型 | 问题描述 | 目录/资源编码 | 对应指标及扣分 | 反馈日期 | \
             整改措施 | 时限 | 责任人 | 完成情况 | 佐证材料 | 是否销号 | 备注",
            "1 | 部门1 | ",
            "guide-11",
            "异常办事指南整改清单 | 2022-03-01",
            "choice N2:N4 \"是,否\"",
        ],
    );
    // Once more is refused, elsewhere it is the same to the last byte.
    let again = make(&["monthly", "--month", "2022-02"], out.path());
    assert_eq!(again.code, Some(1));
    has(&again.err, &["E-BULLETIN-EXISTS", "--out"]);
    let other = tempfile::tempdir().unwrap();
    make(&["monthly", "--month", "2022-02"], other.path());
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        let twin = other.path().join("monthly-2022-02").join(file.file_name());
        assert!(std::fs::read(file.path()).unwrap() == std::fs::read(twin).unwrap(), "{file:?}");
    }
}

#[test]
fn what_cannot_be_made_is_said_with_its_code() {
    let out = tempfile::tempdir().unwrap();
    let early = make(&["monthly", "--month", "2023-02"], out.path());
    assert_eq!(early.code, Some(2), "{early:?}");
    has(&early.err, &["E-BULLETIN-PERIOD"]);
    let settings = out.path().join("settings.toml");
    std::fs::write(&settings, "mend_within = 0\n").unwrap();
    let path = settings.display().to_string();
    let wrong = make(&["monthly", "--month", "2022-02", "--settings", &path], out.path());
    assert_eq!(wrong.code, Some(78), "{wrong:?}");
    has(&wrong.err, &["E-BULLETIN-SETTINGS", "mend_within"]);
    let parsed = make(&["weekly", "--week", "2022-9"], out.path());
    assert_eq!(parsed.code, Some(2), "{parsed:?}");
    assert!(std::fs::read_dir(out.path()).unwrap().count() == 1, "nothing was written");
}

/// `CASCADED_PICTURES=FOLDER` keeps pictures in a folder, for eyes.
#[test]
fn a_browser_shows_the_page_light_on_any_width_and_prints_it() {
    let out = tempfile::tempdir().unwrap();
    for (form, name) in [
        (["monthly", "--month", "2022-02"], "monthly-2022-02"),
        (["quarterly", "--quarter", "2022-Q1"], "quarterly-2022-Q1"),
        (["weekly", "--week", "2022-W08"], "weekly-2022-W08"),
    ] {
        let said = make(&form, out.path());
        assert_eq!(said.code, Some(0), "{said:?}");
        let file = out.path().join(name).join("bulletin.html");
        let page = std::fs::read_to_string(&file).unwrap();
        for look in [
            Look::DESK,
            Look { dark: true, ..Look::DESK },
            Look { dark: false, language: "zh-CN", width: 420 },
        ] {
            let measured = measure(&page, look);
            assert!(measured.content_width <= look.width, "{name}: {measured:?}");
            assert_eq!(measured.scripts, 0, "{name}");
            assert!(measured.elements > 60, "{name}: {measured:?}");
        }
        assert!(page.contains("<svg "), "{name} has a chart");
        let paper = sheets(&page);
        assert!((2..12).contains(&paper), "{name}: {paper} sheets");
        if let Ok(folder) = std::env::var("CASCADED_PICTURES") {
            let into = Path::new(&folder).join(format!("{name}.png"));
            picture(&format!("file://{}", file.display()), Look::DESK, 3000, &into);
        }
    }
}

/// The configuration's part about scores and bulletins.
pub(crate) fn scored(folder: &Path, datasets: &[&str]) -> String {
    let lists = folder.join("lists");
    std::fs::create_dir_all(&lists).unwrap();
    let mut listed =
        "entry,resources,dataset,title,department,region,cycle,shared,open,key\n".to_owned();
    for (at, dataset) in datasets.iter().enumerate() {
        writeln!(listed, "e{at},,{dataset},数据{at},单位{at},,每日,yes,no,no").unwrap();
    }
    std::fs::write(lists.join("obligations.csv"), listed).unwrap();
    std::fs::write(lists.join("bodies.csv"), "body,class\n单位0,市级A\n单位1,市级A\n").unwrap();
    let schemes = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemes");
    format!(
        "{PACE}[indicator]\nscheme = \"model-2026\"\nschemes = \"{}\"\nlists = \"{}\"\n\n\
         [bulletin]\noffice = \"示例市数据局\"\nfolder = \"{}\"\nweekly = \"monday 00:00\"\nmode = \"0600\"\n\n",
        schemes.display(),
        lists.display(),
        folder.join("bulletins").display(),
    )
}

/// The files of a folder with what tells one writing from another.
fn written(folder: &Path) -> BTreeMap<String, u64> {
    let Ok(found) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let told = |it: std::fs::DirEntry| {
        (it.file_name().to_string_lossy().into_owned(), it.metadata().unwrap().ino())
    };
    found.map(|it| told(it.unwrap())).collect()
}

#[test]
fn the_daemon_makes_bulletins_when_asked_and_by_itself_once() {
    run(async {
        let home = tempfile::tempdir().unwrap();
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |plan| {
            plan.extra = scored(home.path(), &["5151-0207", "5151-0311"]);
        })
        .await;
        let mut service = Service::start(&city, &[]);
        service.settled();
        let bulletins = home.path().join("bulletins");
        // The one of the week before was due on Monday: it is written as soon as the daemon runs.
        let first = wait_for(
            "a bulletin is written",
            || Some(written(&bulletins)).filter(|it| !it.is_empty()),
            || service.log(),
        );
        let name = first.keys().next().unwrap().clone();
        assert!(first.len() == 1 && name.starts_with("weekly-"), "{first:?}");
        let document = bulletins.join(&name).join("bulletin.docx");
        assert_eq!(document.metadata().unwrap().mode() & 0o777, 0o600);
        has(&read(&document), &["示例市数据局", "工作情况的通报"]);
        // Asked for, the running week's has the rows that are confirmed.
        let today =
            jiff::Zoned::new(city.clock.now(), jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
        let week = today.date().iso_week_date();
        let week = format!("{:04}-W{:02}", week.year(), week.week());
        let out = home.path().join("asked");
        let path = out.display().to_string();
        for (speech, language) in [(Speech::Chinese, "zh"), (Speech::English, "en")] {
            let into = format!("{path}-{language}");
            let words =
                ["bulletin", "weekly", "--week", &week, "--out", &into, "--language", language];
            let said = service.asked(speech, &words);
            assert_eq!(said.code, Some(0), "{said:?}");
            let text = read(&Path::new(&into).join(format!("weekly-{week}")).join("bulletin.docx"));
            let word = if language == "zh" { "逐行校验" } else { "by row verdict" };
            has(&text, &[word]);
            // What the province must not see is in no bulletin either.
            for defect in &city.made.as_ref().unwrap().defects {
                assert!(!text.contains(&defect.key), "a key is shown: {}", defect.key);
            }
        }
        service.stop();
        let mut service = Service::start(&city, &[]);
        service.settled();
        assert_eq!(written(&bulletins), first, "a restart writes nothing twice");
        service.stop();
        city.close().await;
    });
}
