//! The arguments of `score …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;

use super::arguments::Format;
use crate::control::protocol::{BroughtKind, By};
use crate::indicator::scheme::Month;
use crate::indicator::tally::Body;

/// `score …`.
#[derive(Debug, Subcommand)]
pub enum Score {
    /// Replays January to April 2022 as a speech told them, and as they would have been with the
    /// daemon (讲话示例).
    Example(Format),
    /// Reads schemes and tells every problem at once; 78 if there are any (检查考核办法).
    Check {
        /// The schemes.
        #[arg(required = true, value_name = "FILE")]
        schemes: Vec<PathBuf>,
    },
    /// A month's score as the daemon knows it: what is known, what is lost, whose part (得分).
    Show {
        /// Which score.
        #[command(flatten)]
        which: ScoreWhich,
        /// Broken down by what: item, class, region, department, dataset or day (measures only).
        #[arg(long, value_parser = by, default_value = "item")]
        by: By,
        /// The measures of this day only: 2026-11-05; of all regions, departments or datasets with
        /// `--by`.
        #[arg(long, conflicts_with = "month")]
        day: Option<Date>,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// One item down to datasets, hours and evidence: facts, batches, receipts (逐项说明).
    Explain {
        /// The item, or the last part of its name.
        item: String,
        /// Which score.
        #[command(flatten)]
        which: ScoreWhich,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Proves the chains of facts and every closed month; says the first broken place (核验).
    Verify(Format),
    /// Brings in a table of cases, of values that the daemon cannot see, or of the province's
    /// notices; a row that was brought in before changes nothing (导入).
    Import {
        /// Which kind of table.
        #[arg(value_parser = brought)]
        kind: BroughtKind,
        /// The table (CSV).
        file: PathBuf,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Scores a month by any scheme, from the daemon's facts or from tables (按办法重算某月).
    Replay {
        /// What is judged.
        #[command(flatten)]
        given: ScoreGiven,
        /// Looks closer at this item: the figures and what they were computed from.
        #[arg(long)]
        item: Option<String>,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Where the month stands among the other cities, and where it would without each loss (排名).
    Rank {
        /// What is judged.
        #[command(flatten)]
        given: ScoreGiven,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// What can still be recovered: by whom, until when, in which order (可挽回).
    Recover {
        /// What is judged.
        #[command(flatten)]
        given: ScoreGiven,
        /// As of when: 2026-11-22T09:00:00 (Asia/Shanghai) or with an offset; now where it is left
        /// out.
        #[arg(long, value_name = "TIME", value_parser = super::arguments::since)]
        at: Option<Timestamp>,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// What the month will come to: expected, between which points, what is lost for good, what can
    /// be avoided until when, what hangs on others (预测).
    Forecast {
        /// What is judged.
        #[command(flatten)]
        given: ScoreGiven,
        /// As of when: 2026-11-22T09:00:00 (Asia/Shanghai) or with an offset; now where it is left
        /// out.
        #[arg(long, value_name = "TIME", value_parser = super::arguments::since)]
        at: Option<Timestamp>,
        /// The seed of its chances: the same seed gives the same forecast.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// What looks better than it is: resends, touched columns, hollow tables, split entries and the
    /// like; a doubt takes no points, it says where to look (存疑).
    Doubts {
        /// What is judged.
        #[command(flatten)]
        given: ScoreGiven,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Puts everything that an item's points hang on into one archive, with a draft of the appeal
    /// (申诉材料).
    Evidence(ScoreEvidence),
    /// Checks such an archive, without us: every byte, and every number computed again; 1 if it does
    /// not hold (核验申诉材料).
    EvidenceCheck {
        /// The archive.
        file: PathBuf,
        /// The digest that was told when it was made.
        #[arg(long, value_name = "SHA256")]
        digest: Option<String>,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Compares what was computed with official results, item by item and month by month until
    /// `--month` (校准).
    Calibrate {
        /// What is judged.
        #[command(flatten)]
        given: ScoreGiven,
        /// Official results (CSV): month, item, points, source, date; as often as there are tables.
        /// Without tables the daemon compares its closed months with the results that were imported.
        #[arg(long, value_name = "FILE")]
        results: Vec<PathBuf>,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
}

/// `score evidence`.
#[derive(Args, Debug)]
pub struct ScoreEvidence {
    /// The item.
    pub item: String,
    /// The archive (tar); it must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Of tables: asks the daemon for upper ids, batches and receipts and puts them in, too. Without
    /// tables that, what the province answered, clocks and counts are always in it.
    #[arg(long)]
    pub live: bool,
    /// What is judged.
    #[command(flatten)]
    pub given: ScoreGiven,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// Which score of the daemon.
#[derive(Args, Debug)]
pub struct ScoreWhich {
    /// The month: 2026-11; the running one where it is left out.
    #[arg(long, value_parser = month)]
    pub month: Option<Month>,
    /// Whom: city, region:ID or department:ID; measures by day also of dataset:ID.
    #[arg(long, default_value = "city", value_parser = anybody)]
    pub body: Body,
    /// As it was known then: 2026-11-22T09:00:00 (Asia/Shanghai) or with an offset.
    #[arg(long, value_name = "TIME", value_parser = super::arguments::since)]
    pub as_of: Option<Timestamp>,
}

/// What is judged, and by which scheme: with tables (or a scheme's file) without the daemon, else
/// by the daemon.
#[derive(Args, Debug)]
pub struct ScoreGiven {
    /// The scheme: a file (TOML), or the name of one that the daemon knows.
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<PathBuf>,
    /// The month: 2022-03. Without tables the running one where it is left out.
    #[arg(long, value_parser = month)]
    pub month: Option<Month>,
    /// Facts (CSV); as often as there are tables.
    #[arg(long, value_name = "FILE")]
    pub facts: Vec<PathBuf>,
    /// Values that the daemon cannot see (CSV); as often as there are tables.
    #[arg(long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
    /// The lists that the city keeps: obligations.csv, exemptions.csv, approvals.csv, tasks.csv,
    /// bodies.csv, kept.csv and leads.csv, as far as they are there.
    #[arg(long, value_name = "DIR")]
    pub lists: Option<PathBuf>,
    /// The other cities' scores (CSV).
    #[arg(long, value_name = "FILE")]
    pub cities: Option<PathBuf>,
    /// Whom: city, region:ID or department:ID.
    #[arg(long, default_value = "city", value_parser = body)]
    pub body: Body,
}

impl ScoreGiven {
    /// Whether tables or a scheme's file are judged instead of what the daemon knows.
    pub(super) fn is_offline(&self) -> bool {
        let names_file = |path: &PathBuf| path.extension().is_some_and(|it| it == "toml");
        !self.facts.is_empty()
            || !self.values.is_empty()
            || self.lists.is_some()
            || self.cities.is_some()
            || self.scheme.as_ref().is_some_and(names_file)
    }
}

fn by(text: &str) -> Result<By, String> {
    match text {
        "item" => Ok(By::Item),
        "class" => Ok(By::Class),
        "region" => Ok(By::Region),
        "department" => Ok(By::Department),
        "dataset" => Ok(By::Dataset),
        "day" => Ok(By::Day),
        _ => Err("write item, class, region, department, dataset or day".to_owned()),
    }
}

fn brought(text: &str) -> Result<BroughtKind, String> {
    match text {
        "cases" => Ok(BroughtKind::Cases),
        "values" => Ok(BroughtKind::Values),
        "notices" => Ok(BroughtKind::Notices),
        "results" => Ok(BroughtKind::Results),
        _ => Err("write cases, values, notices or results".to_owned()),
    }
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "write 2022-03".to_owned())
}

/// Datasets are looked at, and never judged.
fn anybody(text: &str) -> Result<Body, String> {
    match text.split_once(':') {
        Some(("dataset", id)) if !id.is_empty() => Ok(Body::Dataset(id.to_owned())),
        Some(_) | None => body(text),
    }
}

fn body(text: &str) -> Result<Body, String> {
    match text.split_once(':') {
        None if text == "city" => Ok(Body::City),
        Some(("region", id)) if !id.is_empty() => Ok(Body::Region(id.to_owned())),
        Some(("department", id)) if !id.is_empty() => Ok(Body::Department(id.to_owned())),
        _ => Err("write city, region:ID or department:ID".to_owned()),
    }
}
