//! What can be typed after `cascaded`.

pub use super::approvals::Approvals;
pub use super::audit::{Acts, Audit};
pub use super::bulletin::{Bulletin, BulletinGiven};
pub use super::doctor::Doctor;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;

pub use super::ferry::Ferry;
pub use super::generate::{Generate, Generated};
pub use super::mend::{Mend, MendFilter, MendWhich};
pub(super) use super::moment::since;
pub use super::score::{Score, ScoreEvidence, ScoreGiven, ScoreWhich};
pub use super::standard::{
    RowsTried, Standard, StandardActivate, StandardCheck, StandardRollback, StandardShadow,
    StandardSupply,
};
pub use super::takeover::{Takeover, TakeoverChannel};

/// Where the daemon's socket is unless told otherwise; the unit's `RuntimeDirectory`.
pub const SOCKET: &str = "/run/cascaded/control.sock";

/// Where the configuration is unless told otherwise.
pub const CONFIG: &str = "/etc/cascaded/cascaded.toml";

/// 级联连接器: connects a city's data exchange platform to its province's.
///
/// Exit codes: 0 done; 1 failed; 2 wrong usage; 75 the daemon cannot be reached, or try again
/// later; 77 your role does not allow it; 78 the configuration is wrong. Output is Chinese or English by `LC_ALL`, `LC_MESSAGES`
/// or `LANG`; data goes to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "cascaded", version, propagate_version = true)]
#[command(disable_help_subcommand = true, infer_long_args = false)]
pub struct Arguments {
    /// The configuration file (配置文件).
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// The running daemon's control socket (控制套接字).
    #[arg(long, global = true, value_name = "FILE", default_value = SOCKET)]
    pub socket: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a made-up city, a provincial platform and the daemon between them (演示).
    Demo(Demo),
    /// Runs the daemon (运行).
    Run,
    /// Has the running daemon read its configuration, standards and secrets again (重新加载).
    Reload,
    /// Begins to carry: what is due is registered and sent, through every restart (正式运行).
    Live,
    /// Only watches: asks and compares, and sends nothing that writes (只看不发).
    Watch,
    /// Reads the configuration and tells every problem at once; 78 if there are any (检查配置).
    Check,
    /// Looks at everything the daemon needs: files, sources, channels, certificates (诊断).
    Doctor(Doctor),
    /// How everything stands (总体状态).
    Status(Format),
    /// The datasets: rows, freshness, deadlines (数据集).
    Datasets(Datasets),
    /// Catalogue objects and their counterparts above (目录对象的上级对应).
    Links(Links),
    /// Batches (批次).
    Batches(Batches),
    /// What the province wrote into its down-link tables (下行收件).
    #[command(subcommand)]
    Inbox(Inbox),
    /// Rows that were set aside, and why (拦截与退回).
    #[command(subcommand)]
    Rejects(Rejects),
    /// Sends rows or objects again, as a durable job (重传).
    Resync(Resync),
    /// Durable jobs (任务).
    #[command(subcommand)]
    Jobs(Jobs),
    /// Cascade standards (级联标准).
    #[command(subcommand)]
    Standard(Standard),
    /// Compares the city, the ledger and the province (对账).
    Reconcile(Reconcile),
    /// The ledger (账本).
    #[command(subcommand)]
    Ledger(Ledger),
    /// Runs a stand-in for a provincial platform, driven by a standard (模拟省平台).
    Rehearsal(Rehearsal),
    /// Scores a month by a scheme (考核得分).
    #[command(subcommand)]
    Score(Score),
    /// Writes a bulletin: document, page and lists to mend (通报).
    #[command(subcommand)]
    Bulletin(Bulletin),
    /// Adopts what another tool registered above (接管).
    #[command(subcommand)]
    Takeover(Takeover),
    /// What crosses a gap as files (网闸摆渡).
    #[command(subcommand)]
    Ferry(Ferry),
    /// What the province found and wants mended (整改).
    #[command(subcommand)]
    Mend(Mend),
    /// The record of acts: who did what, and what came of it (审计).
    #[command(subcommand)]
    Audit(Audit),
    /// What one person asked for and another has to approve of (审批).
    #[command(subcommand)]
    Approvals(Approvals),
    /// Writes completions or manual pages, for whoever packages.
    #[command(hide = true)]
    Generate(Generate),
}

/// How a reading command answers.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Format {
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which part of a list.
#[derive(Args, Clone, Debug)]
pub struct Page {
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// The cursor that the page before ended with.
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
}

/// `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Ends when all that is due is confirmed or rejected.
    #[arg(long)]
    pub once: bool,
    /// Prints the summary as JSON.
    #[arg(long)]
    pub json: bool,
    /// Keeps everything in this folder, among it city.sqlite and province.sqlite.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Where metrics and status are served.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Another seed makes another city.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Makes a city of so many rows.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=2_000_000))]
    pub rows: u32,
}

/// `datasets`.
#[derive(Args, Debug)]
pub struct Datasets {
    /// Only this one.
    pub dataset: Option<String>,
    /// Only this department's.
    #[arg(long)]
    pub department: Option<String>,
    /// Only those past a deadline, held, or with rejects.
    #[arg(long)]
    pub troubled: bool,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// `links`.
#[derive(Args, Debug)]
pub struct Links {
    /// Only this channel's.
    #[arg(long)]
    pub channel: Option<String>,
    /// Only this kind: organisation, category, system, entry, resource.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only in this state: unmapped, queued, sent, accepted, `in_review`, published, exists, refused, unknown, stale, orphan, withdrawn.
    #[arg(long)]
    pub state: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// `batches`.
#[derive(Args, Debug)]
pub struct Batches {
    /// Only this channel's.
    #[arg(long)]
    pub channel: Option<String>,
    /// Only this dataset's.
    #[arg(long)]
    pub dataset: Option<String>,
    /// Only in this state: queued, `in_flight`, unknown, taken, settled, refused, split, superseded.
    #[arg(long)]
    pub state: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// Which rejects.
#[derive(Args, Clone, Debug, Default)]
pub struct RejectFilter {
    /// Only this dataset's.
    #[arg(long)]
    pub dataset: Option<String>,
    /// Only this kind: local, refused, failed.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only with this rule or code.
    #[arg(long)]
    pub rule: Option<String>,
}

/// `rejects …`.
#[derive(Debug, Subcommand)]
pub enum Rejects {
    /// Lists rejects without their content (列出).
    List {
        /// Which.
        #[command(flatten)]
        filter: RejectFilter,
        /// Which page.
        #[command(flatten)]
        page: Page,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Shows one reject with its original; who looked and why is recorded (查看原始数据，留痕).
    Show {
        /// Its number.
        reject: u64,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Writes rejects with their originals as CSV; recorded (导出，留痕).
    Export {
        /// Which.
        #[command(flatten)]
        filter: RejectFilter,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
        /// A file that does not exist yet; only its owner will be able to read it.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Makes rejected rows due again from current values, as a durable job (重放).
    Replay {
        /// Which.
        #[command(flatten)]
        filter: RejectFilter,
        /// The same key never makes a second job.
        #[arg(long)]
        key: Option<String>,
        /// Waits until the job has ended.
        #[arg(long)]
        wait: bool,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
}

/// `resync`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["datasets", "all", "catalogue"])))]
#[command(group(clap::ArgGroup::new("extent").args(["full", "since", "rejected", "catalogue"])))]
pub struct Resync {
    /// Which datasets.
    #[arg(value_name = "DATASET")]
    pub datasets: Vec<String>,
    /// All of them.
    #[arg(long)]
    pub all: bool,
    /// Every row, whatever was confirmed. Without this, every row is compared with what was sent,
    /// and only what changed or is gone goes out.
    #[arg(long)]
    pub full: bool,
    /// Rows changed since then: 2026-11-01, 2026-11-01T08:00:00 (Asia/Shanghai) or with an offset.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Timestamp>,
    /// Rows that are rejected now.
    #[arg(long)]
    pub rejected: bool,
    /// Catalogue objects instead of rows.
    #[arg(long)]
    pub catalogue: bool,
    /// Approves of deletions and withdrawals above in bulk (批准批量删除).
    #[arg(long)]
    pub approve_deletions: bool,
    /// Only says what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// The same key never makes a second job.
    #[arg(long)]
    pub key: Option<String>,
    /// Waits until the job has ended.
    #[arg(long)]
    pub wait: bool,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// `inbox …`.
#[derive(Debug, Subcommand)]
pub enum Inbox {
    /// Counts what waits, by table and letter (汇总).
    List(InboxFilter),
    /// Lists the lines, without content (逐条).
    Show(InboxFilter),
}

/// Which lines of the inbox.
#[derive(Args, Debug)]
pub struct InboxFilter {
    /// Only this table's.
    pub table: Option<String>,
    /// Only this channel's.
    #[arg(long)]
    pub channel: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// `jobs …`.
#[derive(Debug, Subcommand)]
pub enum Jobs {
    /// Lists jobs (列出).
    List {
        /// Those that ended, too.
        #[arg(long)]
        ended: bool,
        /// Which page.
        #[command(flatten)]
        page: Page,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Shows one job (查看).
    Show {
        /// Its name, for example r-0143.
        job: String,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Ends a job where it stands; what went out stays (取消).
    Cancel {
        /// Its name.
        job: String,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
}

/// `reconcile`.
#[derive(Args, Debug)]
pub struct Reconcile {
    /// Which datasets; none means all, and the catalogue.
    #[arg(value_name = "DATASET")]
    pub datasets: Vec<String>,
    /// Sends again what is missing or differs; touches only what this ledger sent.
    #[arg(long)]
    pub repair: bool,
    /// Which page of the differences.
    #[command(flatten)]
    pub page: Page,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// `ledger …`.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Copies the ledger and its spool while the daemon runs (备份).
    Backup {
        /// A folder that does not exist yet, written by the daemon.
        directory: PathBuf,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// Proves chains, sums and spool (校验).
    Verify {
        /// Opens the ledger itself: for when the daemon does not run.
        #[arg(long)]
        offline: bool,
        /// How to answer.
        #[command(flatten)]
        format: Format,
    },
    /// What lies under which sealing key; none under one of before: it may be put away (密钥).
    Keys(Format),
    /// Puts a backup in the ledger's place, as a new incarnation: the daemon must not run (恢复).
    Restore {
        /// The backup's folder.
        directory: PathBuf,
    },
}

/// `rehearsal`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Rehearsal {
    /// Something else than playing the platform.
    #[command(subcommand)]
    pub command: Option<Rehearse>,
    /// The standard's directory, for example config/standards/reference-xml/1.0.
    #[arg(long, value_name = "DIR", required = true)]
    pub standard: Option<PathBuf>,
    /// Where it listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where province.sqlite and the certificates go.
    #[arg(long, value_name = "DIR", required = true)]
    pub dir: Option<PathBuf>,
    /// The front-end tables that it announces (TOML); without a list, made-up ones.
    #[arg(long, value_name = "FILE")]
    pub tables: Option<PathBuf>,
    /// A script of faults (TOML).
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// The standard that it speaks next, and no other any more: from --at on, otherwise at a
    /// SIGHUP. Again: the one after. The new upper ids go to DIR/upper-ids.csv.
    #[arg(long, value_name = "DIR")]
    pub then: Vec<PathBuf>,
    /// When, as 2026-12-01T00:00:00 (Asia/Shanghai) or with an offset; again for the one after.
    #[arg(long, value_name = "TIME", value_parser = since, requires = "then")]
    pub at: Vec<Timestamp>,
}

/// `rehearsal …`.
#[derive(Debug, Subcommand)]
pub enum Rehearse {
    /// Tries a platform by a standard's tables, test by test (一致性测试).
    Conformance(Box<Conformance>),
}

/// `rehearsal conformance`.
#[derive(Args, Debug)]
pub struct Conformance {
    /// The standard's directory, for example config/standards/reference-xml/1.0.
    #[arg(long, value_name = "DIR")]
    pub standard: PathBuf,
    /// A test endpoint or, for front-end tables, a database (`postgres://user@host/name`); without
    /// one the stand-in is tried, which is started for it. What is registered there stays where
    /// the standard has no cancellation; rows are taken back.
    #[arg(long, value_name = "URL")]
    pub against: Option<String>,
    /// Takes address, certificates and credentials from this channel of the configuration.
    #[arg(long, value_name = "CHANNEL", conflicts_with_all = ["ca", "client_certificate", "credentials"])]
    pub channel: Option<String>,
    /// Certificates to trust, PEM.
    #[arg(long, value_name = "FILE", requires = "against")]
    pub ca: Option<PathBuf>,
    /// Our certificate with its chain, PEM.
    #[arg(long, value_name = "FILE", requires_all = ["against", "client_key"])]
    pub client_certificate: Option<PathBuf>,
    /// Its key, PEM, in a file that others cannot read.
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,
    /// A credential of the standard and the file it is in; as often as there are credentials.
    #[arg(long = "credential", value_name = "NAME=FILE", value_parser = pair, requires = "against")]
    pub credentials: Vec<(String, String)>,
    /// A value to be used instead of a made-up one, for example organisation.region=510100.
    #[arg(long = "value", value_name = "WORD=TEXT", value_parser = pair)]
    pub values: Vec<(String, String)>,
    /// The front-end tables that the province announced (TOML); made-up ones at the stand-in.
    #[arg(long, value_name = "FILE")]
    pub tables: Option<PathBuf>,
    /// Writes a report: HTML where the name ends in .html, otherwise Markdown.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// From which all ids come; 1 for the stand-in, otherwise from the clock.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Reads `NAME=TEXT`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=TEXT")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_rehearsal_plays_or_tries_a_platform() {
        for right in [
            "cascaded rehearsal --standard s --listen 127.0.0.1:1 --dir d --faults f",
            "cascaded rehearsal --standard s --dir d --then t --then s --at 2026-12-01T00:00:00",
            "cascaded rehearsal conformance --standard s --channel province --config c",
            "cascaded rehearsal conformance --standard s --against https://h --ca c \
             --credential secret=f --value organisation.region=510100 --report r.html --seed 7",
        ] {
            assert!(parse(right).is_ok(), "{right}: {:?}", parse(right).err());
        }
        for wrong in [
            "cascaded rehearsal --standard s",
            "cascaded rehearsal conformance --standard s --ca c",
            "cascaded rehearsal conformance --standard s --against https://h --client-certificate c",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_resync_names_what_it_covers_and_only_one_extent() {
        for right in [
            "cascaded resync 5151-0101",
            "cascaded resync 5151-0101 5151-0102 --full --wait",
            "cascaded resync --all --since 2026-11-01 --dry-run",
            "cascaded resync --catalogue",
            "cascaded resync --all --rejected --json",
        ] {
            assert!(parse(right).is_ok(), "{right}");
        }
        for wrong in [
            "cascaded resync",
            "cascaded resync --full",
            "cascaded resync --all --full --rejected",
            "cascaded resync 5151-0101 --all",
            "cascaded resync --all --since yesterday",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
