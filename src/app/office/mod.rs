//! What operators, Prometheus and probes are answered.
//!
//! The office holds nothing of its own: it looks into the ledger ([`look`]), and everything it
//! says follows from one look, the configuration and the clock. Requests are answered from a fresh
//! look; `/`, `/metrics`, `/readyz` and `/status` from the last, which [`Office::refresh`] takes every
//! second or so, so that no probe costs a query.
//!
//! What changes something, or shows the content of a row, is an act: it is recorded with the peer
//! that the kernel named before it happens. No other answer holds content or a key in clear.

mod act;
mod ahead;
mod approvals;
mod attention;
mod audit;
mod bulletin;
mod changeover;
mod cutover;
mod days;
mod evidence;
mod ferry;
mod inbox;
mod list;
mod look;
mod mending;
mod mode;
mod original;
mod page;
mod paging;
mod resync;
mod roles;
mod scopes;
mod score;
mod shadow;
mod standing;
mod status;
mod takeover;
mod validity;
mod watch;

#[cfg(test)]
mod tests;

pub use act::report_of;
pub(super) use list::job_name;
pub(in crate::app) use look::{freshness_of, freshness_of_withheld};
pub use watch::{Contact, FAILURE_CODES, Reach, Watch};

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::app::{Current, Live, Works};
use crate::cascade::{self, Crew};
use crate::control::page::Page;
use crate::control::people::{People, Person};
use crate::control::protocol::{
    Access, Failure, OversightAnswer, Reloaded, Request, Response, Summary,
};
use crate::control::webhook::Standing;
use crate::control::{Handler, Health, Peer};
use crate::delivery::Mode;
use crate::ledger;
use crate::probe::Board;
use crate::supervisor::Signal;
use crate::telemetry::metrics::Metrics;

use self::approvals::ByTwo;
use self::page::Certificates;

/// How long the office's own look, and a stage that works, may be silent before the process is
/// thought dead.
const SILENCE: Duration = Duration::from_mins(2);

/// What the assembly does for the office, because it owns what it takes.
pub trait Lent: Send + Sync + 'static {
    /// Reads configuration, standards and secrets again.
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, Vec<Failure>>>;
    /// Begins to carry, or only to watch.
    fn mode(&self, mode: Mode) -> BoxFuture<'_, Result<Reloaded, Vec<Failure>>>;
    /// A cut-over was asked for.
    fn cut_over(&self);
    /// A shadow run was asked for, or called off.
    fn shadow(&self);
    /// A takeover was asked for, or can go on.
    fn takeover(&self);
}

/// What an office is made of.
pub struct OfficeParts {
    /// What lives as long as the process.
    pub crew: Crew,
    /// The configuration and the channels, as they are at any time.
    pub current: Arc<Current>,
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// Who was told by the stages; the same as the crew's events.
    pub watch: Arc<Watch>,
    /// Makes the catalogue be read now.
    pub catalogue: Signal,
    /// The running month.
    pub live: Arc<Live>,
    /// How interfaces stand.
    pub board: Arc<Board>,
    /// Where metrics are served.
    pub http: Option<SocketAddr>,
    /// What the assembly does for it.
    pub lent: Arc<dyn Lent>,
}

impl std::fmt::Debug for OfficeParts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OfficeParts").finish_non_exhaustive()
    }
}

/// Answers operators, Prometheus and probes. Share it behind an `Arc`.
pub struct Office {
    crew: Crew,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    watch: Arc<Watch>,
    catalogue: Signal,
    live: Arc<Live>,
    board: Arc<Board>,
    http: Option<SocketAddr>,
    lent: Arc<dyn Lent>,
    started: Timestamp,
    /// Once everything was read through, it stays so.
    complete: AtomicBool,
    last: ArcSwapOption<Known>,
    compared: Mutex<Option<act::Compared>>,
    people: People,
    refusals: Mutex<roles::Refusals>,
}

/// What the last look said, for whoever must not wait.
struct Known {
    at: Timestamp,
    summary: Option<Summary>,
    not_ready: Vec<String>,
    page: Option<Arc<Page>>,
    certificates: Arc<Certificates>,
    standing: Vec<Standing>,
}

impl std::fmt::Debug for Office {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Office").finish_non_exhaustive()
    }
}

impl Office {
    /// An office over these parts; it starts now.
    pub fn new(parts: OfficeParts) -> Self {
        let started = parts.crew.supervisor.clock().now();
        Self {
            crew: parts.crew,
            current: parts.current,
            metrics: parts.metrics,
            watch: parts.watch,
            catalogue: parts.catalogue,
            live: parts.live,
            board: parts.board,
            http: parts.http,
            lent: parts.lent,
            started,
            complete: AtomicBool::new(false),
            last: ArcSwapOption::empty(),
            compared: Mutex::default(),
            people: People::default(),
            refusals: Mutex::default(),
        }
    }

    /// The same with other users and groups than the machine's.
    #[must_use]
    pub fn with_people(self, people: People) -> Self {
        Self { people, ..self }
    }

    /// The configuration and the channels as they are now.
    fn works(&self) -> Arc<Works> {
        self.current.load()
    }

    /// The sums, from a look of now.
    pub async fn summary(&self) -> Result<Summary, ledger::Error> {
        Ok(self.look().await?.summary())
    }

    /// Whether everything that stood in the city was read once, by this process or one before.
    pub async fn is_complete(&self) -> Result<bool, ledger::Error> {
        self.read_through().await
    }

    /// Looks into the ledger once and shows what it says as metrics, readiness, sums and the
    /// status page. Called by a timer, every second or so.
    pub async fn refresh(&self) {
        let now = self.now();
        let writable = self.crew.ledger.proven_writable().await;
        let works = self.works();
        let certificates = self.certificates(&works, now).await;
        let known = match self.look_at(&works).await {
            Ok(look) => {
                self.look_for_completion(certificates.at == now).await;
                let reach = self.watch.reach();
                let mut snapshot = look.snapshot(&reach, &certificates);
                self.show_score(&mut snapshot);
                let standing = match works.configuration.notify {
                    Some(_) => look.standing(&reach, &certificates),
                    None => Vec::new(),
                };
                self.current.show(&works, || self.metrics.show(&snapshot));
                let not_ready = self.not_ready_by(&look, writable.as_ref().err());
                let page = self.page_of(&works, &look, not_ready.clone(), &certificates);
                let (summary, page) = (Some(look.summary()), Some(Arc::new(page)));
                Known { at: now, summary, not_ready, page, certificates, standing }
            }
            Err(error) => {
                let not_ready = vec![format!("{}: the ledger cannot be read", error.code())];
                // The page goes on with what was known, and says what is wrong.
                let last = self.last.load().as_ref().and_then(|known| known.page.clone());
                let page = last.map(|page| {
                    Arc::new(Page { not_ready: not_ready.clone(), ..Page::clone(&page) })
                });
                // What stood still does, as far as anybody knows.
                let standing = self.standing();
                Known { at: now, summary: None, not_ready, page, certificates, standing }
            }
        };
        self.last.store(Some(Arc::new(known)));
    }

    fn now(&self) -> Timestamp {
        self.crew.supervisor.clock().now()
    }

    fn is_silent(&self, since: Timestamp) -> bool {
        Duration::try_from(self.now().duration_since(since)).is_ok_and(|age| age > SILENCE)
    }

    async fn answer(&self, request: Request, peer: Peer) -> Result<Response, Failure> {
        let access = request.access();
        let person = self.person(peer).await;
        self.admit(&request, access, &person).await?;
        self.refuse_watching(&request)?;
        if !access.is_act() {
            return self.perform(request, &person).await;
        }
        let (name, number) = (request.name(), self.record(&request, &person).await?);
        let answered = self.act(request, access, &person).await;
        self.record_outcome(number, (name, &person), &answered).await;
        answered
    }

    /// Does what was admitted and recorded, or has another person approve of it first.
    async fn act(
        &self,
        request: Request,
        access: Access,
        person: &Person,
    ) -> Result<Response, Failure> {
        let Access::Guarded(guard) = access else { return self.perform(request, person).await };
        if !self.works().configuration.control.two_people.contains(&guard) {
            return self.perform(request, person).await;
        }
        let number = match Box::pin(self.by_two(guard, &request, person)).await? {
            ByTwo::Waits(it) => return Ok(Response::Oversight(OversightAnswer::Pending(it))),
            ByTwo::Approved(number) => number,
        };
        let answered = self.perform(request, person).await;
        if let Ok(Response::Originals(page)) = &answered {
            self.crew.ledger.approval_paged(number, page.next.clone()).await.map_err(told)?;
        }
        answered
    }

    /// Does what was admitted and recorded.
    async fn perform(&self, request: Request, person: &Person) -> Result<Response, Failure> {
        let peer = person.peer;
        Ok(match request {
            Request::Status {} => Response::Status(Box::new(self.status().await.map_err(told)?)),
            Request::Datasets(query) => Response::Datasets(self.datasets(&query).await?),
            Request::Links(query) => Response::Links(self.links(&query).await?),
            Request::Batches(query) => Response::Batches(self.batches(&query).await?),
            Request::InboxList(query) => Response::Inbox(self.inbox(&query).await?),
            Request::InboxShow(query) => Response::InboxLines(self.inbox_lines(&query).await?),
            Request::RejectsList(query) => Response::Rejects(self.rejects(&query).await?),
            Request::RejectsShow(act) => {
                Response::Reject(Box::new(self.original(act.reject, peer).await?))
            }
            Request::RejectsExport(act) => Response::Originals(self.originals(&act.query).await?),
            Request::RejectsReplay(it) => Response::Accepted(self.replay(&it, peer).await?),
            Request::Resync(it) => Response::Accepted(self.resync(&it, peer).await?),
            Request::JobsList(query) => Response::Jobs(self.jobs(&query).await?),
            Request::JobsShow(name) => Response::Job(Box::new(self.job(&name.job).await?)),
            Request::JobsCancel(name) => Response::Job(Box::new(self.cancel(&name.job).await?)),
            Request::StandardList {} => Response::Standards(self.standards().await.map_err(told)?),
            Request::StandardShow(name) => {
                Response::Standard(Box::new(self.standard(&name.standard).await?))
            }
            Request::StandardDiff(it) => Response::Differences(self.differences(&it).await?),
            Request::StandardCheck(it) => self.check(&it).await?,
            Request::StandardWanted(it) => Response::Wanted(self.wanted(&it).await?),
            Request::StandardSupply(it) => Response::Supplied(self.supply(&it, peer).await?),
            Request::StandardShadow(it) => {
                Response::Shadow(Box::new(self.shadow(&it, peer).await?))
            }
            Request::StandardShadowOnce(it) => {
                Response::ShadowOnce(Box::new(self.shadow_once(&it).await?))
            }
            Request::StandardDrift {} => Response::Drift(self.drift().await?),
            Request::StandardActivate(it) => {
                Response::CutOver(self.activate(&it, peer, None).await?)
            }
            Request::StandardRollback(it) => Response::CutOver(self.roll_back(&it, peer).await?),
            Request::Reconcile(it) => Response::Reconciled(self.reconcile(&it).await?),
            Request::Bulletin(it) => Response::Bulletin(self.bulletin(&it).await?),
            Request::Mendings(query) => Response::Mendings(self.mendings(&query).await?),
            Request::MendImport(it) => Response::Mended(self.mend_import(&it).await?),
            Request::Mend(it) => Response::Mended(self.mend(&it).await?),
            Request::LedgerBackup(it) => Response::Ledger(self.backup(&it.directory).await?),
            Request::LedgerVerify {} => Response::Ledger(self.verify().await?),
            Request::Score(it) => Response::Score(self.score(&it).await?),
            Request::Ferry(it) => Response::Ferry(self.ferry(it).await?),
            Request::Takeover(it) => Response::Takeover(self.takeover(it, peer).await?),
            Request::Oversight(it) => Response::Oversight(self.oversight(&it, person).await?),
            Request::Mode(it) => Response::Reloaded(self.change_mode(it.mode).await?),
            Request::Reload {} => Response::Reloaded(self.lent.reload().await.map_err(act::first)?),
        })
    }
}

impl Handler for Office {
    async fn handle(&self, request: Request, peer: Peer) -> Response {
        match self.answer(request, peer).await {
            Ok(response) => response,
            Err(failure) => Response::Failed(failure),
        }
    }
}

impl Health for Office {
    fn metrics(&self) -> String {
        self.metrics.render()
    }

    fn not_alive(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let last = self.last.load().as_ref().map_or(self.started, |known| known.at);
        if self.is_silent(last) {
            reasons.push(format!("office-silent: the ledger was last looked at at {last}"));
        }
        for (stage, at) in self.crew.supervisor.silent(SILENCE) {
            reasons.push(format!("stage-silent: {stage} was last heard of at {at}"));
        }
        reasons
    }

    fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.not_alive();
        match self.last.load().as_ref() {
            Some(known) => reasons.extend(known.not_ready.iter().cloned()),
            None => reasons.push("starting: the ledger was not looked at yet".to_owned()),
        }
        reasons
    }

    fn summary(&self) -> Option<Summary> {
        self.last.load().as_ref().and_then(|known| known.summary)
    }

    fn page(&self) -> Option<Arc<Page>> {
        self.last.load().as_ref().and_then(|known| known.page.clone())
    }
}

/// A failure as operators are told it.
fn failure(code: &str, what: impl Into<String>, next: Option<&str>) -> Failure {
    Failure {
        code: code.to_owned(),
        what: what.into(),
        place: None,
        next: next.map(str::to_owned),
        temporary: false,
    }
}

/// The ledger failed. Its errors hold no content; the engine's own words stay in the log.
fn told(error: ledger::Error) -> Failure {
    tracing::warn!(code = error.code(), error = %crate::telemetry::logs::Chain(&error), "a request failed");
    let mut failure = failure(
        "E-LEDGER",
        format!("{error} ({})", error.code()),
        Some("see the log; `cascaded ledger verify` proves the ledger"),
    );
    failure.temporary = matches!(error, ledger::Error::DiskFull);
    failure
}

/// A stage's work failed for an operator.
fn failed(error: &cascade::Error) -> Failure {
    tracing::warn!(code = error.code(), error = %crate::telemetry::logs::Chain(error), "a request failed");
    let mut failure = failure("E-WORK", format!("{error} ({})", error.code()), Some("see the log"));
    failure.temporary = true;
    failure
}
