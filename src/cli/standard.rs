//! The arguments of `standard …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::arguments::Format;

/// `standard …`.
#[derive(Debug, Subcommand)]
pub enum Standard {
    /// Lists standards and who uses them (列出).
    List(Format),
    /// Shows one standard (查看).
    Show {
        /// For example reference-xml/1.0.
        standard: String,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Tells what differs between two standards, and what of the city's it touches (比较).
    Diff {
        /// The older: id/version, or a directory.
        from: String,
        /// The newer: id/version, or a directory.
        to: String,
        /// Whose catalogue is counted.
        #[arg(long)]
        channel: Option<String>,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Tries everything the city has under a candidate, nothing sent; 1 if anything would be
    /// refused (试算).
    Check(StandardCheck),
    /// Takes in workbooks that departments filled in, whole or in parts; 1 if any value is not
    /// taken (收回填报).
    Supply(StandardSupply),
    /// Tries a candidate at the province's test platform while the standard in force goes on; says
    /// how ready the city is (试运行).
    Shadow(StandardShadow),
    /// Lists what the province does that the standard in force does not say (接口异动).
    Drift(Format),
    /// Puts a prepared candidate in force while everything runs (切换).
    Activate(StandardActivate),
    /// Puts the standard in force before in force again (退回).
    Rollback(StandardRollback),
}

/// `standard shadow`.
#[derive(Args, Debug)]
pub struct StandardShadow {
    /// The candidate: id/version.
    pub standard: String,
    /// Beside which channel.
    #[arg(long)]
    pub channel: Option<String>,
    /// Begins a run: a durable job, and recorded. The address is the one in the configuration.
    #[arg(long, conflicts_with_all = ["stop", "once"])]
    pub start: bool,
    /// Ends the run; what it found is kept.
    #[arg(long, conflicts_with = "once")]
    pub stop: bool,
    /// Rows go, too, every cell masked.
    #[arg(long, requires = "start", conflicts_with_all = ["stop", "once"])]
    pub with_rows: bool,
    /// Sends one operation alone and shows what was said, without secrets: entry.register.
    #[arg(long, value_name = "OPERATION")]
    pub once: Option<String>,
    /// The object that the operation is about, by its id.
    #[arg(long, value_name = "ID", requires = "once")]
    pub object: Option<String>,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// `standard activate`.
#[derive(Args, Debug)]
pub struct StandardActivate {
    /// The candidate: id/version.
    pub standard: String,
    /// Which channel goes over.
    #[arg(long)]
    pub channel: Option<String>,
    /// Only this, before the rest: department=NAME, region=CODE, dataset=ID (its rows) or
    /// kind=KIND; several with commas must all hold. May be given more than once: what any of
    /// them names.
    #[arg(long, value_name = "SCOPE", conflicts_with = "parallel")]
    pub scope: Vec<String>,
    /// Not before: 2026-12-01T08:00:00 (Asia/Shanghai) or with an offset.
    #[arg(long, value_name = "TIME", value_parser = super::arguments::since)]
    pub at: Option<Timestamp>,
    /// Not instead but beside it for so long, 7d or 12h, on a further channel with acknowledgements
    /// of its own; alone then.
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    pub parallel: Option<u64>,
    /// Only says what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Shows progress until all is done.
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// `standard rollback`.
#[derive(Args, Debug)]
pub struct StandardRollback {
    /// Which channel goes back.
    #[arg(long)]
    pub channel: Option<String>,
    /// Only this scope of those that went over before the rest; otherwise all of them.
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// Only says what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Shows progress until all is done.
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// `standard check`.
#[derive(Args, Debug)]
pub struct StandardCheck {
    /// The candidate: id/version.
    pub standard: String,
    /// Whose catalogue and rows.
    #[arg(long)]
    pub channel: Option<String>,
    /// Which rows are tried: none, the first 1,000 of each dataset by key, or all.
    #[arg(long, value_enum, default_value_t = RowsTried::Sample)]
    pub rows: RowsTried,
    /// Writes the values to fill in: a file ending in .xlsx for all departments, else a folder
    /// with one workbook for each.
    #[arg(long, value_name = "FILE|DIR")]
    pub xlsx: Option<PathBuf>,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// Which rows `standard check` tries.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum RowsTried {
    /// No rows.
    None,
    /// The first of each dataset, in the order of keys.
    Sample,
    /// Every row.
    All,
}

/// `standard supply`.
#[derive(Args, Debug)]
pub struct StandardSupply {
    /// The workbooks.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Who vouches for the values, for the record.
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// Judges them by this candidate, not by the one that the workbook names.
    #[arg(long, value_name = "STANDARD")]
    pub standard: Option<String>,
    /// Only says what would be taken.
    #[arg(long)]
    pub dry_run: bool,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// Reads a period of at least a minute and at most a year; its seconds.
fn period(text: &str) -> Result<u64, String> {
    let (number, unit) = text.trim().split_at(text.trim().find(char::is_alphabetic).unwrap_or(0));
    let unit = match unit {
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => 0,
    };
    let seconds = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    let possible = 60..=366 * 86_400;
    seconds.filter(|it| possible.contains(it)).ok_or_else(|| "write 90m, 12h, 7d or 2w".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::arguments::Arguments;

    #[test]
    fn a_shadow_run_begins_ends_or_is_one_operation_and_no_address_is_typed() {
        let parse = |rest: &str| {
            let line = format!("cascaded standard shadow reference-xml/2.0 {rest}");
            Arguments::try_parse_from(line.split_whitespace())
        };
        for right in
            ["", "--json", "--start --with-rows --channel c", "--stop", "--once a.b --object x"]
        {
            assert!(parse(right).is_ok(), "{right}: {:?}", parse(right).err());
        }
        for wrong in [
            "--start --stop",
            "--start --once a.b",
            "--stop --once a.b",
            "--with-rows",
            "--stop --with-rows",
            "--once a.b --with-rows",
            "--object x",
            "--url https://h",
            "--start https://h",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
