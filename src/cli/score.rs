//! The arguments of `score …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::arguments::Format;
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
    /// Scores a month by any scheme, from tables of facts (按办法重算某月).
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
    /// Compares what was computed with official results, item by item and month by month until
    /// `--month` (校准).
    Calibrate {
        /// What is judged.
        #[command(flatten)]
        given: ScoreGiven,
        /// Official results (CSV): month, item, points, source, date; as often as there are tables.
        #[arg(long, required = true, value_name = "FILE")]
        results: Vec<PathBuf>,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
}

/// What is judged, and by which scheme.
#[derive(Args, Debug)]
pub struct ScoreGiven {
    /// The scheme (TOML).
    #[arg(long, value_name = "FILE")]
    pub scheme: PathBuf,
    /// The month: 2022-03.
    #[arg(long, value_parser = month)]
    pub month: Month,
    /// Facts (CSV); as often as there are tables.
    #[arg(long, value_name = "FILE")]
    pub facts: Vec<PathBuf>,
    /// Values that the daemon cannot see (CSV); as often as there are tables.
    #[arg(long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
    /// The lists that the city keeps: obligations.csv, exemptions.csv, bodies.csv, kept.csv and
    /// leads.csv, as far as they are there.
    #[arg(long, value_name = "DIR")]
    pub lists: Option<PathBuf>,
    /// The other cities' scores (CSV).
    #[arg(long, value_name = "FILE")]
    pub cities: Option<PathBuf>,
    /// Whom: city, region:ID or department:ID.
    #[arg(long, default_value = "city", value_parser = body)]
    pub body: Body,
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "write 2022-03".to_owned())
}

fn body(text: &str) -> Result<Body, String> {
    match text.split_once(':') {
        None if text == "city" => Ok(Body::City),
        Some(("region", id)) if !id.is_empty() => Ok(Body::Region(id.to_owned())),
        Some(("department", id)) if !id.is_empty() => Ok(Body::Department(id.to_owned())),
        _ => Err("write city, region:ID or department:ID".to_owned()),
    }
}
