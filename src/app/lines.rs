//! Lines of the inbox that say something by a declaration of their standard: each is judged once under
//! it, and again when it, the declaration or what is known beside it has changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::Current;
use super::cases::Cases;
use super::counts::Counts;
use crate::app::Works;
use crate::calendar::moment;
use crate::cascade::{Channel, Crew};
use crate::delivery::DigestSha256;
use crate::ledger::seal::Purpose;
use crate::ledger::{self, InboxUnjudged, LineJudged};
use crate::standard::settings::InboxSettings;
use crate::supervisor::{TaskError, sleep};
use crate::telemetry::logs::Chain;

/// How often lines are looked for that were not judged.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often lines are judged again whose owner nobody knew: catalogues grow.
const AGAIN_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Lines that are judged at once.
const LINES: u32 = 200;

/// What a standard declares of one table.
pub(super) trait Declaration {
    /// What else lines are read with: gathered once a look, where there is a line.
    type Known;
    /// What a line says.
    type Said;

    /// Everything beside the table that decides what a line says.
    fn text(&self) -> String;

    async fn known(crew: &Crew, works: &Works) -> ledger::Result<Self::Known>;

    /// The error is the column that does not hold what it should.
    fn said(
        &self,
        table: &Table<'_>,
        row: &Row,
        known: &Self::Known,
    ) -> Result<Judged<Self::Said>, String>;

    async fn keep(
        table: &Table<'_>,
        by: DigestSha256,
        judged: Vec<LineJudged<Self::Said>>,
    ) -> ledger::Result<()>;
}

/// What a row was judged to say.
pub(super) struct Judged<S> {
    pub(super) said: Option<S>,
    /// Of whom or what could not be told: it is judged again when more is known.
    pub(super) is_unowned: bool,
}

impl<S> Judged<S> {
    pub(super) fn nothing() -> Self {
        Self { said: None, is_unowned: false }
    }
}

/// A line's row, unsealed.
pub(super) struct Row {
    number: u64,
    pub(super) cells: Map<String, Value>,
    /// When the province touched it.
    pub(super) operated: Timestamp,
    /// It took it away.
    pub(super) is_gone: bool,
}

/// A down-link table, and what its lines are read with.
pub(super) struct Table<'a> {
    pub(super) crew: &'a Crew,
    pub(super) channel: &'a Channel,
    inbox: &'a InboxSettings,
    pub(super) zone: TimeZone,
}

/// Judges until it is aborted: a judgement is one transaction, so that nothing is lost by a cut.
pub(super) async fn serve(crew: Crew, current: Arc<Current>) -> Result<(), TaskError> {
    let mut again = Timestamp::MIN;
    loop {
        let now = crew.supervisor.clock().now();
        let looked = async {
            if now.duration_since(again) >= AGAIN_EVERY {
                crew.ledger.inbox_unowned().await?;
                again = now;
            }
            look(&crew, &current.load()).await
        };
        if let Err(error) = looked.await {
            tracing::warn!(error = %Chain(&error), "lines of the inbox are not judged");
        }
        sleep(crew.supervisor.clock(), LOOK_EVERY).await;
    }
}

async fn look(crew: &Crew, works: &Works) -> ledger::Result<()> {
    let calendar = &works.configuration.calendar;
    let (mut owners, mut carried, mut has_counted) = (None, None, false);
    for channel in &works.channels {
        for inbox in &channel.standard.settings().inbox {
            let zone = TimeZone::get(&channel.standard.settings().zone).unwrap_or(TimeZone::UTC);
            let table = Table { crew, channel, inbox, zone };
            if let Some(settings) = &inbox.cases {
                table.judge(works, &Cases { settings, calendar }, &mut owners).await?;
            }
            if let Some(settings) = &inbox.counts {
                has_counted |= table.judge(works, &Counts(settings), &mut carried).await?;
            }
        }
    }
    if has_counted {
        works.channels.iter().for_each(|it| it.wake_reconcile());
    }
    Ok(())
}

impl Table<'_> {
    /// What proves what a row says: the channel, the table and the line; never content.
    pub(super) fn proof(&self, row: &Row) -> String {
        format!("inbox {} {} {}", self.channel.id, self.inbox.table, row.number)
    }

    /// Of everything that decides what a line says: with another one all lines are judged again.
    fn digest(&self, declared: &str) -> DigestSha256 {
        let zone = self.zone.iana_name().unwrap_or_default();
        let (written, deleted) = (&self.inbox.written, &self.inbox.deleted);
        DigestSha256::of(format!("{declared} {written:?} {deleted:?} {zone}").as_bytes())
    }

    /// Judges what was not judged under this declaration; false where there was nothing.
    async fn judge<D: Declaration>(
        &self,
        works: &Works,
        declaration: &D,
        known: &mut Option<D::Known>,
    ) -> ledger::Result<bool> {
        let by = self.digest(&declaration.text());
        let mut has_judged = false;
        loop {
            let (of, table) = (self.channel.id.clone(), self.inbox.table.clone());
            let lines = self.crew.ledger.inbox_unjudged(of, table, by, LINES).await?;
            if lines.is_empty() {
                return Ok(has_judged);
            }
            has_judged = true;
            let known = match known {
                Some(known) => known,
                None => known.insert(D::known(self.crew, works).await?),
            };
            self.judge_lines(by, &lines, declaration, known).await?;
        }
    }

    async fn judge_lines<D: Declaration>(
        &self,
        by: DigestSha256,
        lines: &[InboxUnjudged],
        declaration: &D,
        known: &D::Known,
    ) -> ledger::Result<()> {
        let mut judged = Vec::new();
        let mut unreadable: BTreeMap<String, u64> = BTreeMap::new();
        for line in lines {
            let row = self.row(line);
            let said = row.and_then(|row| {
                row.map_or_else(|| Ok(Judged::nothing()), |row| declaration.said(self, &row, known))
            });
            let Judged { said, is_unowned } = said.unwrap_or_else(|column| {
                *unreadable.entry(column).or_default() += 1;
                Judged::nothing()
            });
            let (content, line) = (line.content.clone(), line.number);
            judged.push(LineJudged { line, content, said, is_unowned });
        }
        D::keep(self, by, judged).await?;
        for (column, rows) in unreadable {
            let (channel, place) = (&self.channel.id, format!("{}.{column}", self.inbox.table));
            tracing::warn!(%channel, place, rows, "rows do not say what was declared of them");
            let (of, kind) = (channel.clone(), "reply-value");
            self.crew.ledger.drift_seen(of, kind, "inbox".to_owned(), vec![place]).await?;
        }
        Ok(())
    }

    /// A line's row; nothing for a letter in no list. The error is the column that does not hold
    /// what it should.
    fn row(&self, line: &InboxUnjudged) -> Result<Option<Row>, String> {
        let inbox = self.inbox;
        let is_gone = inbox.deleted.contains(&line.action);
        if !is_gone && !inbox.written.contains(&line.action) {
            return Ok(None);
        }
        let operated = moment(&line.operated, &self.zone, false);
        let operated = operated.ok_or_else(|| inbox.date.clone())?;
        let context = format!("inbox {} {}", self.channel.id, inbox.table);
        let plain = self.crew.files.sealer.open(Purpose::Ledger, context.as_bytes(), &line.body);
        let mut plain = plain.ok().and_then(|it| serde_json::from_slice::<Value>(&it).ok());
        match plain.as_mut().and_then(|it| it.get_mut("row")).map(Value::take) {
            Some(Value::Object(cells)) => {
                Ok(Some(Row { number: line.number, cells, operated, is_gone }))
            }
            Some(_) | None => Err(inbox.key.clone()),
        }
    }
}
