//! `demo`: the main job on embedded parts, with its progress on the terminal.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use super::arguments::Demo;
use super::local::{failed, stop_on_signals};
use super::{Console, Message, Trouble};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Configuration;
use crate::control::protocol::{Entries, Mismatches, Rows, Summary};
use crate::demo::{Scale, Set, SetPlan, Sight, compare, standards_folder, watch};
use crate::supervisor::Supervisor;

/// The demonstration's pace: what takes minutes in a city takes seconds here.
const PACE: &str = "[pace]\nidle = \"1s\"\nask = \"500ms\"\nunknown = \"500ms\"\n";
/// How long the province reviews an entry.
const REVIEW: Duration = Duration::from_secs(2);
/// How long the province takes to judge a row.
const VERDICT: Duration = Duration::from_millis(500);

/// Runs the demonstration to its end.
pub(super) async fn run(demo: &Demo, console: &mut Console<'_>) -> Result<(), Trouble> {
    let (folder, temporary) = folder(demo).map_err(failed("E-DEMO-FOLDER"))?;
    let result = Box::pin(show(demo, folder.clone(), console)).await;
    if temporary {
        // What stays behind in the machine's folder for temporary files hurts nobody.
        drop(std::fs::remove_dir_all(&folder));
    }
    result.map_err(failed("E-DEMO"))
}

fn folder(demo: &Demo) -> anyhow::Result<(PathBuf, bool)> {
    if let Some(folder) = &demo.dir {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("make the folder {}", folder.display()))?;
        return Ok((folder.canonicalize()?, false));
    }
    let mut bytes = [0_u8; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| anyhow::anyhow!("no random bytes"))?;
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = std::env::temp_dir().join(format!("cascaded-demo-{name}"));
    std::fs::create_dir(&folder)
        .with_context(|| format!("make the folder {}", folder.display()))?;
    Ok((folder, true))
}

async fn show(demo: &Demo, folder: PathBuf, console: &mut Console<'_>) -> anyhow::Result<()> {
    let clock = Clock::system();
    let above = Supervisor::new(clock.clone(), 4);
    let rows = usize::try_from(demo.rows)?;
    let plan = SetPlan {
        folder,
        standards: standards_folder()?,
        scale: Scale { rows, ..Scale::FULL },
        seed: demo.seed,
        listen: Some(demo.listen),
        review: REVIEW,
        verdict: VERDICT,
        province_rules: std::collections::BTreeMap::default(),
        extra: PACE.to_owned(),
    };
    console.note(&console.view.say(Message::DemoMakesCity, &[&demo.rows.to_string()]));
    let set = Set::build(plan, &clock, &above).await?;
    let configuration = Configuration::load(&set.configuration).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })?;
    let app = App::build(configuration, clock).await?;
    let address = app.open_doors().await?;
    app.start();
    stop_on_signals(&app.supervisor)?;
    let address = address.map_or_else(String::new, |address| format!("http://{address}"));
    console.note(&console.view.say(Message::DemoListens, &[&address, &set.platform.url()]));
    let result = carry(demo, &app, &set, console).await;
    app.supervisor.stop();
    let ended = app.run().await;
    set.platform.stop();
    above.stop();
    above.run(Duration::from_secs(2)).await;
    if let Some((task, error)) = ended.cause {
        let why = error.map_or_else(String::new, |error| format!(": {error}"));
        anyhow::bail!("task {task} ended by itself{why}");
    }
    result
}

async fn carry(demo: &Demo, app: &App, set: &Set, console: &mut Console<'_>) -> anyhow::Result<()> {
    let running = app.run();
    tokio::pin!(running);
    let watched = async {
        let sight = watch(app, |sight, _| console.progress(&line(console_line(sight)))).await?;
        Ok::<_, anyhow::Error>(sight)
    };
    let sight = tokio::select! {
        sight = watched => sight?,
        ended = &mut running => {
            if let Some((task, error)) = ended.cause {
                let why = error.map_or_else(String::new, |error| format!(": {error}"));
                anyhow::bail!("task {task} ended by itself{why}");
            }
            None
        }
    };
    console.progress_done();
    let Some(sight) = sight else { return Ok(()) };
    let compared = compare(app).await?;
    let mismatched = compared.iter().map(crate::cascade::Comparison::mismatched).sum();
    let at = Some(app.supervisor.clock().now());
    let summary = summary(&sight, Mismatches { mismatched, at });
    if demo.json {
        console.data(&format!("{}\n", serde_json::to_string_pretty(&summary)?));
    } else {
        tell(app, set, &sight, &summary, console).await?;
    }
    if !demo.once {
        let mut stop = app.supervisor.stop_signal();
        console.note(&console.view.say(Message::DemoGoesOn, &[]));
        tokio::select! {
            () = stop.raised() => {}
            _ = &mut running => {}
        }
    }
    Ok(())
}

fn summary(sight: &Sight, reconcile: Mismatches) -> Summary {
    Summary {
        rows: Rows {
            due: sight.rows.due,
            confirmed: sight.rows.confirmed,
            placed: sight.rows.placed,
            rejected: sight.rows.rejected(),
            queued: sight.rows.queued,
        },
        entries: Entries {
            due: sight.entries_due,
            accepted: sight.entries_accepted,
            rejected: sight.entries_rejected,
        },
        reconcile,
    }
}

fn console_line(sight: &Sight) -> [u64; 6] {
    [
        sight.entries_accepted,
        sight.entries_due,
        sight.rows.confirmed,
        sight.rows.due,
        sight.rows.rejected(),
        u64::try_from(sight.unread.len()).unwrap_or(u64::MAX),
    ]
}

fn line([accepted, entries, confirmed, due, rejected, unread]: [u64; 6]) -> String {
    format!(
        "目录 entries {accepted}/{entries}  数据行 rows {confirmed}/{due}  \
         拦截 rejected {rejected}  未读 unread {unread}"
    )
}

async fn tell(
    app: &App,
    set: &Set,
    sight: &Sight,
    summary: &Summary,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let say = |message, values: &[&str]| console.view.say(message, values);
    let mut text = String::new();
    let number = |number: u64| number.to_string();
    text.push_str(&say(
        Message::DemoEntries,
        &[
            &number(summary.entries.due),
            &number(summary.entries.accepted),
            &number(summary.entries.rejected),
        ],
    ));
    text.push('\n');
    text.push_str(&say(
        Message::DemoRows,
        &[
            &number(summary.rows.due),
            &number(summary.rows.confirmed),
            &number(summary.rows.rejected),
            &number(summary.rows.queued),
            &number(summary.reconcile.mismatched),
        ],
    ));
    text.push('\n');
    let mut rules: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for (_, kind, rule, count) in app.crew.ledger.rejects_by_rule().await? {
        *rules.entry(format!("{} {rule}", kind.as_str())).or_default() += count;
    }
    for (rule, count) in rules {
        text.push_str(&format!("  {count:>7}  {rule}\n"));
    }
    if !set.city.stale.is_empty() {
        text.push_str(&say(Message::DemoStale, &[&set.city.stale.join(", ")]));
        text.push('\n');
    }
    if !sight.unmounted.is_empty() {
        text.push_str(&say(Message::DemoUnmounted, &[&sight.unmounted.join(", ")]));
        text.push('\n');
    }
    text.push_str(&say(Message::DemoFolder, &[&set.folder.display().to_string()]));
    text.push('\n');
    console.data(&text);
    Ok(())
}
