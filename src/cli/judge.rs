//! `score …`: reads what is judged and has it scored.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::score::{Score, ScoreGiven};
use super::{Console, Exit, Trouble, appeal, live, show_forecast, show_score};
use crate::clock::Clock;
use crate::control::protocol::{
    By, CalibrationSheet, DoubtSheet, Failure, ForecastSheet, PlanSheet, RankSheet, ScoreSheet,
};
use crate::fact::Fact;
use crate::indicator::calibrate::{self, Official};
use crate::indicator::field::Field;
use crate::indicator::forecast::{self, Forecast, Habits};
use crate::indicator::lists::Lists;
use crate::indicator::replay::Given;
use crate::indicator::scheme::{self, Month, Scheme};
use crate::indicator::tally::Body;
use crate::indicator::{doubts, example, history, recover, replay, sheet, stated, terms};

/// The largest table that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 256 << 20;

/// Does what `score …` says.
pub(super) fn score(
    command: &Score,
    socket: &Path,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    match command {
        Score::Example(format) => told(format.json, console),
        Score::Check { schemes } => {
            let mut failures = Vec::new();
            for path in schemes {
                failures.extend(load(path).err().into_iter().flatten());
            }
            if failures.is_empty() { Ok(()) } else { Err(wrong(failures)) }
        }
        Score::Show { .. } | Score::Explain { .. } | Score::Verify(_) | Score::Import { .. } => {
            live::score(command, socket, console)
        }
        Score::Replay { given, item, format } if given.is_offline() => {
            replayed(given, item.as_deref(), format.json, console)
        }
        Score::Recover { given, at, format } if given.is_offline() => {
            let (scheme, month) = scheme(given)?;
            let all = tables(given, &scheme)?;
            let now = at.unwrap_or_else(|| Clock::system().now());
            let plan = recover::recover(all.given(), &scheme, month, &given.body, now);
            let plan = PlanSheet::of(&plan);
            if format.json {
                return console.json(&plan);
            }
            let text = show_score::plan(&console.view, &plan);
            console.data(&text);
            Ok(())
        }
        Score::Forecast { given, at, seed, format } if given.is_offline() => {
            let now = at.unwrap_or_else(|| Clock::system().now());
            forecast(given, now, *seed, format.json, console)
        }
        Score::EvidenceCheck { file, digest, format } => {
            appeal::check(file, digest.as_deref(), format.json, console)
        }
        // Asked of the daemon as well: dispatched before this.
        Score::Evidence(_) => Ok(()),
        Score::Doubts { given, format } if given.is_offline() => {
            doubted(given, format.json, console)
        }
        Score::Calibrate { given, results, format }
            if given.is_offline() || !results.is_empty() =>
        {
            calibration(given, results, format.json, console)
        }
        Score::Rank { given, format } if given.is_offline() => {
            let (scheme, month) = scheme(given)?;
            let all = tables(given, &scheme)?;
            let score = all.given().score(&scheme, month, &given.body, Timestamp::MAX);
            let sheet = RankSheet::of(&scheme, &score, &all.field);
            if format.json {
                return console.json(&sheet);
            }
            let text = show_score::rank(&console.view, &sheet);
            console.data(&text);
            Ok(())
        }
        Score::Replay { .. }
        | Score::Recover { .. }
        | Score::Rank { .. }
        | Score::Forecast { .. }
        | Score::Doubts { .. }
        | Score::Calibrate { .. } => live::score(command, socket, console),
    }
}

fn replayed(
    given: &ScoreGiven,
    item: Option<&str>,
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let (scheme, month) = scheme(given)?;
    let all = tables(given, &scheme)?;
    let score = all.given().score(&scheme, month, &given.body, Timestamp::MAX);
    let mut sheet = ScoreSheet::of(&scheme, &score);
    if let Some(item) = item {
        sheet.items.retain(|known| known.id == *item);
        if sheet.items.is_empty() {
            let what = format!("no item `{item}` of {} marks this body", scheme.id);
            return Err(Trouble::one(Exit::Usage, failure("E-SCORE-ITEM", what, None)));
        }
    }
    if json {
        return console.json(&sheet);
    }
    let text = show_score::sheet(&console.view, &sheet, By::Item, item.is_some());
    console.data(&text);
    Ok(())
}

/// `score example`.
fn told(json: bool, console: &mut Console<'_>) -> Result<(), Trouble> {
    let example = example::example().map_err(|broken| {
        Trouble::one(Exit::Failure, failure("E-SCORE-EXAMPLE", broken.to_string(), None))
    })?;
    if json {
        return console.json(&show_score::example_as_json(&example));
    }
    let text = show_score::example(&console.view, &example);
    console.data(&text);
    Ok(())
}

fn forecast(
    given: &ScoreGiven,
    now: Timestamp,
    seed: u64,
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let (scheme, month) = scheme(given)?;
    let all = tables(given, &scheme)?;
    let forecast = all.forecast((&scheme, month), &given.body, now, seed);
    let sheet = ForecastSheet::of(&scheme, &forecast);
    if json {
        return console.json(&sheet);
    }
    let text = show_forecast::forecast(&console.view, &sheet);
    console.data(&text);
    Ok(())
}

fn doubted(given: &ScoreGiven, json: bool, console: &mut Console<'_>) -> Result<(), Trouble> {
    let (scheme, month) = scheme(given)?;
    let all = tables(given, &scheme)?;
    let span = replay::span(&scheme, month, Timestamp::MAX);
    let sheet = DoubtSheet::of(&doubts::doubts(&all.facts, &all.lists, span));
    if json {
        return console.json(&sheet);
    }
    let text = show_forecast::doubts(&console.view, &sheet);
    console.data(&text);
    Ok(())
}

fn calibration(
    given: &ScoreGiven,
    results: &[PathBuf],
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), Trouble> {
    let (scheme, month) = scheme(given)?;
    let all = tables(given, &scheme)?;
    let officials = officials(results)?;
    let of = calibrate::calibrate(all.given(), &scheme, &officials, &given.body, month);
    let sheet = CalibrationSheet::of(&scheme, &of);
    if json {
        return console.json(&sheet);
    }
    let text = show_forecast::calibration(&console.view, &sheet);
    console.data(&text);
    Ok(())
}

/// The scheme's file and the month, which tables are never judged without.
pub(super) fn judged_by(given: &ScoreGiven) -> Result<(&Path, Month), Trouble> {
    let both = given.scheme.as_deref().zip(given.month);
    both.ok_or_else(|| {
        let what = "tables are judged by a scheme's file and for a month".to_owned();
        let place = Some("--scheme, --month".to_owned());
        Trouble::one(Exit::Usage, failure("E-SCORE-GIVEN", what, place))
    })
}

/// The scheme, if it holds in the month.
fn scheme(given: &ScoreGiven) -> Result<(Scheme, Month), Trouble> {
    let (path, month) = judged_by(given)?;
    let scheme = load(path).map_err(wrong)?;
    if scheme.period.holds_in(month) {
        return Ok((scheme, month));
    }
    let until = scheme.period.to.map_or(String::new(), |to| to.to_string());
    let what =
        format!("{} holds from {} to {until}, not in {month}", scheme.id, scheme.period.from);
    let place = Some(path.display().to_string());
    Err(Trouble::one(Exit::Usage, failure("E-SCORE-MONTH", what, place)))
}

/// What was read.
pub(super) struct Tables {
    pub(super) facts: Vec<Fact>,
    pub(super) lists: Lists,
    pub(super) field: Field,
}

impl Tables {
    fn given(&self) -> Given<'_> {
        Given { facts: &self.facts, lists: &self.lists, field: &self.field }
    }

    fn forecast(
        &self,
        (scheme, month): (&Scheme, Month),
        body: &Body,
        now: Timestamp,
        seed: u64,
    ) -> Forecast {
        let given = self.given();
        let tally = given.tally(scheme, month, now);
        let habits = Habits::learn(&self.facts, tally.lists(), now);
        forecast::forecast(&tally, &habits, scheme, body, &self.field, seed)
    }
}

/// The official results of every table; the problems of all of them at once.
fn officials(paths: &[PathBuf]) -> Result<Vec<Official>, Trouble> {
    let (mut officials, mut failures) = (Vec::new(), Vec::new());
    for path in paths {
        let read = table(path, calibrate::officials);
        officials.extend(noted(read, &mut failures).unwrap_or_default());
    }
    if failures.is_empty() { Ok(officials) } else { Err(wrong(failures)) }
}

/// Reads every table; the problems of all of them at once.
pub(super) fn tables(given: &ScoreGiven, scheme: &Scheme) -> Result<Tables, Trouble> {
    let mut failures = Vec::new();
    let mut facts = Vec::new();
    for (number, path) in given.facts.iter().enumerate() {
        let writer = format!("table-{}", number + 1);
        let read = table(path, |file, text| history::parse(file, text, &writer));
        facts.extend(noted(read, &mut failures).unwrap_or_default());
    }
    for (number, path) in given.values.iter().enumerate() {
        let writer = format!("values-{}", number + 1);
        let read = table(path, stated::parse);
        let rows = noted(read, &mut failures).unwrap_or_default();
        facts.extend(stated::facts(&rows, &writer, &scheme.period.zone));
    }
    let cities = given.cities.as_deref().map(|path| table(path, Field::parse));
    let field = cities.and_then(|read| noted(read, &mut failures)).unwrap_or_default();
    let mut lists = Lists::default();
    if let Some(folder) = &given.lists {
        let mut unread = Vec::new();
        let (read, problems) = Lists::read(|name| {
            let path = folder.join(name);
            if !path.exists() {
                return None;
            }
            let text = noted(text(&path, MAX_BYTES), &mut unread)?;
            Some((path.display().to_string(), text))
        });
        lists = read;
        failures.extend(unread);
        failures.extend(problems.iter().map(of_table));
        if lists == Lists::default() && failures.is_empty() {
            let what = "there is none of the lists in this folder".to_owned();
            failures.push(failure("E-SCORE-FILE", what, Some(folder.display().to_string())));
        }
    }
    facts.extend(terms::approved(&lists.approvals, "approvals"));
    if failures.is_empty() { Ok(Tables { facts, lists, field }) } else { Err(wrong(failures)) }
}

fn noted<T>(read: Result<T, Vec<Failure>>, failures: &mut Vec<Failure>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(more) => {
            failures.extend(more);
            None
        }
    }
}

fn table<T>(
    path: &Path,
    parse: impl Fn(&str, &str) -> Result<T, Vec<sheet::Problem>>,
) -> Result<T, Vec<Failure>> {
    let text = text(path, MAX_BYTES)?;
    let shown = path.display().to_string();
    parse(&shown, &text).map_err(|problems| problems.iter().map(of_table).collect())
}

pub(super) fn of_table(problem: &sheet::Problem) -> Failure {
    failure(sheet::Problem::CODE, problem.what.clone(), Some(problem.place()))
}

/// Reads a scheme; every problem at once.
pub(super) fn load(path: &Path) -> Result<Scheme, Vec<Failure>> {
    let most = u64::try_from(Scheme::MAX_BYTES).unwrap_or(u64::MAX);
    let text = text(path, most.saturating_add(1))?;
    Scheme::parse(&path.display().to_string(), &text).map_err(|problems| {
        let told = |it: &scheme::Problem| failure(it.code.as_str(), it.told(), Some(it.place()));
        problems.iter().map(told).collect()
    })
}

pub(super) fn text(path: &Path, most: u64) -> Result<String, Vec<Failure>> {
    let told = |what: String| vec![failure("E-SCORE-FILE", what, Some(path.display().to_string()))];
    let file = File::open(path).map_err(|error| told(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| told(error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(told(format!("is larger than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|_binary| told("is not UTF-8".to_owned()))
}

pub(super) fn failure(code: &str, what: String, place: Option<String>) -> Failure {
    Failure { code: code.to_owned(), what, place, next: None, temporary: false }
}

pub(super) fn wrong(failures: Vec<Failure>) -> Trouble {
    Trouble { exit: Exit::Configuration, failures }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::cli::View;
    use crate::cli::arguments::{Arguments, Command};
    use crate::language::Language;

    /// What `cascaded score …` prints, or how it fails.
    fn run(line: &str, language: Language) -> Result<String, Trouble> {
        let words = ["cascaded", "score"].into_iter().chain(line.split_whitespace());
        let arguments = Arguments::try_parse_from(words).unwrap();
        let Command::Score(command) = &arguments.command else { panic!("{line}") };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let view = View { language, zone: TimeZone::fixed(jiff::tz::offset(8)) };
        let mut console = Console::new(view, false, &mut out, &mut err);
        score(command, Path::new("/nowhere"), &mut console)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn path(name: &str) -> String {
        format!("{}/config/schemes/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    /// The arguments that judge a month of the example.
    fn month(month: &str) -> String {
        format!(
            "--scheme {} --month {month} --facts {} --facts {} --values {} --values {} --cities {}",
            path("model-2022.toml"),
            path("example-2022/province.csv"),
            path("example-2022/then.csv"),
            path("example-2022/outside.csv"),
            path("example-2022/published.csv"),
            path("example-2022/cities.csv"),
        )
    }

    #[test]
    fn the_example_gives_scripts_the_losses_and_both_falls() {
        let text = run("example --json", Language::English).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let months = json["months"].as_array().unwrap();
        let lost: Vec<f64> = months.iter().map(|it| it["lost"].as_f64().unwrap()).collect();
        assert_eq!(lost, [0.0, -2.6, -2.0, -1.8]);
        assert!(
            text.contains("\"lost\": -2.6,") && text.contains("\"lost\": -1.8,"),
            "no digits added"
        );
        let ranks =
            |key: &str| -> Vec<u64> { months.iter().map(|it| it[key].as_u64().unwrap()).collect() };
        assert_eq!(ranks("overall_rank")[..2], [1, 15]);
        assert_eq!(ranks("indicator_rank"), [1, 1, 21, 21]);
        assert_eq!(months[1]["month"], "2022-02");
        for month in json["with_daemon"].as_array().unwrap() {
            assert_eq!(
                (month["lost"].as_f64(), month["overall_rank"].as_u64()),
                (Some(0.0), Some(1))
            );
        }
    }

    #[test]
    fn the_example_is_told_in_both_languages_with_what_is_modelled() {
        let zh = run("example", Language::Chinese).unwrap();
        let en = run("example", Language::English).unwrap();
        for text in [&zh, &en] {
            assert!(text.contains("-2.6 *") && text.contains("15/21 *"), "{text}");
            assert!(text.contains("cases.guides.late 13"), "{text}");
        }
        assert!(zh.contains("讲话所说") && zh.contains("使用守护进程"), "{zh}");
        assert!(en.contains("the rest is a model"), "{en}");
    }

    #[test]
    fn a_month_is_replayed_from_tables_and_looked_at_closely() {
        let text = run(&format!("replay {}", month("2022-03")), Language::Chinese).unwrap();
        assert!(text.contains("2022-03 city：88 分（已知项占 100 % 分值）"), "{text}");
        let closer = format!("replay {} --item guides", month("2022-02"));
        let text = run(&closer, Language::Chinese).unwrap();
        assert!(text.contains("cases.guides.late 13"), "{text}");
        assert!(text.contains("部门1   guide-01   02-25 18:00"), "{text}");
        let json = run(&format!("replay {} --json", month("2022-04")), Language::English).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["total"].as_f64(), Some(88.2));
    }

    #[test]
    fn a_rank_says_what_each_repair_would_bring() {
        let text = run(&format!("rank {}", month("2022-02")), Language::English).unwrap();
        assert!(text.contains("15/21"), "{text}");
        assert!(
            text.contains("without the loss of guides not repaired in time: 90 points, rank 1"),
            "{text}"
        );
        let json = run(&format!("rank {} --json", month("2022-02")), Language::English).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["total"]["rank"], 15);
        assert_eq!(json["if_repaired"][1]["rank"], 1);
    }

    #[test]
    fn what_can_be_recovered_says_who_until_when_and_how() {
        let given = format!(
            "recover --scheme {} --month 2022-02 --facts {} --values {}",
            path("model-2022.toml"),
            path("example-2022/province.csv"),
            path("example-2022/outside.csv"),
        );
        let text = run(&format!("{given} --at 2022-02-21T09:00:00"), Language::Chinese).unwrap();
        assert!(text.contains("可挽回 2.6 分"), "{text}");
        let first = text.lines().nth(2).unwrap();
        for part in ["部门1", "guide-01", "0.2", "02-25 18:00"] {
            assert!(first.contains(part), "{first}");
        }
        let json = run(&format!("{given} --at 2022-02-26T09:00:00 --json"), Language::English);
        let json: serde_json::Value = serde_json::from_str(&json.unwrap()).unwrap();
        assert_eq!(json["together"].as_f64(), Some(0.0));
    }

    #[test]
    fn a_forecast_says_what_is_lost_what_can_be_avoided_and_how_sure_it_is() {
        let given = format!(
            "forecast --scheme {} --month 2022-02 --facts {} --values {}",
            path("model-2022.toml"),
            path("example-2022/province.csv"),
            path("example-2022/outside.csv"),
        );
        let before = format!("{given} --at 2022-02-21T09:00:00");
        let text = run(&before, Language::Chinese).unwrap();
        assert!(text.contains("80 % 的月份落在区间内"), "{text}");
        assert!(text.contains("已失且追不回 0；尚可避免 2.6"), "{text}");
        assert!(text.contains("02-25 18:00"), "{text}");
        assert_eq!(text, run(&before, Language::Chinese).unwrap(), "the same seed, the same text");
        let after = format!("{given} --at 2022-02-26T09:00:00 --json");
        let json: serde_json::Value =
            serde_json::from_str(&run(&after, Language::English).unwrap()).unwrap();
        assert_eq!(json["already_lost"].as_f64(), Some(-2.6));
        assert_eq!(json["avoidable"].as_f64(), Some(0.0));
        assert_eq!(json["forecast"]["high"], json["today"]);
    }

    #[test]
    fn an_appeal_is_made_and_checked_and_any_change_is_red() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("appeal.tar");
        let words =
            format!("cascaded score evidence guides {} --out {}", month("2022-02"), out.display());
        let arguments = Arguments::try_parse_from(words.split_whitespace()).unwrap();
        let (mut text, mut err) = (Vec::new(), Vec::new());
        let view = View { language: Language::Chinese, zone: TimeZone::fixed(jiff::tz::offset(8)) };
        let mut console = Console::new(view, false, &mut text, &mut err);
        let Command::Score(Score::Evidence(it)) = &arguments.command else { panic!("{words}") };
        appeal::evidence(it, Path::new("/nowhere"), &mut console).unwrap();
        assert!(appeal::evidence(it, Path::new("/nowhere"), &mut console).is_err(), "not over it");
        let check = format!("evidence-check {}", out.display());
        let said = run(&check, Language::Chinese).unwrap();
        assert!(said.contains("核验通过：2022-02 guides：-2.6 分"), "{said}");
        let digest = said.trim().rsplit_once("摘要 ").unwrap().1.to_owned();
        assert!(String::from_utf8(text).unwrap().contains(&digest));
        assert!(run(&format!("{check} --digest {digest}"), Language::English).is_ok());
        let other = run(&format!("{check} --digest 00"), Language::English).unwrap_err();
        assert_eq!(other.failures[0].code, "E-EVIDENCE");
        let mut bytes = std::fs::read(&out).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(&out, bytes).unwrap();
        assert_eq!(run(&check, Language::English).unwrap_err().failures[0].code, "E-EVIDENCE");
    }

    #[test]
    fn what_looks_better_than_it_is_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let facts = folder.path().join("facts.csv");
        let rows = "occurred,kind,subject,fields,basis\n\
                    2022-03-09T08:00,case-opened,q9,list=requests; owner=教育局; deadline=2022-03-19T18:00,model\n\
                    2022-03-09T08:03,case-closed,q9,list=requests; proof=x,model\n";
        std::fs::write(&facts, rows).unwrap();
        let line = format!("doubts {} --facts {}", month("2022-03"), facts.display());
        let text = run(&line, Language::Chinese).unwrap();
        assert!(text.contains("疑似自设需求") && text.contains("教育局"), "{text}");
        let json = run(&format!("{line} --json"), Language::English).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&json["doubts"][0]["doubt"], &json["doubts"][0]["subject"]),
            (&"self-made".into(), &"q9".into())
        );
        assert_eq!(
            run(&format!("doubts {}", month("2022-03")), Language::English).unwrap(),
            "none\n"
        );
    }

    #[test]
    fn official_results_are_compared_item_by_item() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("results.csv");
        let rows = "month,item,points,source,date\n2022-01,total,90.5,s,2022-02-10\n\
                    2022-02,total,87.9,s,2022-03-10\n2022-03,total,88.5,s,2022-04-10\n";
        std::fs::write(&results, rows).unwrap();
        let line = format!("calibrate {} --results {}", month("2022-03"), results.display());
        let text = run(&line, Language::Chinese).unwrap();
        assert!(text.contains("各月差值相同：+0.5"), "{text}");
        let text = run(&format!("{line} --json"), Language::English).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["items"][0]["residual"], "stable");
        assert_eq!(json["items"][0]["months"][1]["computed"].as_f64(), Some(87.4));
        std::fs::write(&results, "month,item,points,source,date\nx,total,1,s,2022-02-10\n")
            .unwrap();
        let trouble = run(&line, Language::English).unwrap_err();
        assert_eq!(trouble.failures[0].code, "E-SCORE-TABLE");
    }

    #[test]
    fn every_mistake_of_every_file_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let facts =
            file("facts.csv", "occurred,kind,subject,fields,basis\nsoon,confirmed,d,rows=1,told\n");
        let values =
            file("values.csv", "name,month,value,source,date\nv,2022-03,two,s,2022-04-01\n");
        let scheme = path("model-2022.toml");
        let line =
            format!("replay --scheme {scheme} --month 2022-03 --facts {facts} --values {values}");
        let trouble = run(&line, Language::English).unwrap_err();
        assert_eq!(trouble.exit, Exit::Configuration);
        let told: Vec<&str> = trouble.failures.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(
            told,
            [
                "`soon` is no time (`2022-02-25T17:30`)",
                "are not those of a fact `confirmed`",
                "`two` is no decimal number",
            ]
        );
        let bad = file("bad.toml", "id = \"a\"\n");
        let trouble = run(&format!("check {bad} {scheme} {facts}"), Language::English).unwrap_err();
        assert!(trouble.failures.len() > 5);
        let codes: Vec<&str> = trouble.failures.iter().map(|it| it.code.as_str()).collect();
        assert!(codes.contains(&"E-SCHEME-KEY") && codes.contains(&"E-SCHEME-FORMAT"), "{codes:?}");
        let trouble = run(&format!("replay --scheme {scheme} --month 2023-01"), Language::English);
        assert_eq!(trouble.unwrap_err().failures[0].code, "E-SCORE-MONTH");
    }
}
