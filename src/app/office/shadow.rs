//! Shadow runs as operators ask for them: begun, ended, looked at; one operation alone.

use super::changeover::part;
use super::list::job_name;
use super::resync::asker;
use super::{Office, failed, failure, told};
use crate::app::shadow::{Why, test_way, trial};
use crate::cascade::Channel;
use crate::catalogue::{Kind, ObjectKey};
use crate::changeover::shadow::{Once, Refusal, ShadowReport, report};
use crate::control::Peer;
use crate::control::protocol::{Failure, Shadow, ShadowAct, ShadowOnce};
use crate::ledger::{self, ShadowAsked};

/// What to do about each reason for which nothing can be tried.
fn hindered(why: Why) -> Failure {
    let next = match why.code {
        "E-SHADOW-PRODUCTIVE" => "name the address of the province's test platform, and reload",
        "E-SHADOW-SECRET" => "ask the province for credentials of the test platform alone",
        "E-STANDARD-IN-FORCE" => "see `cascaded status`",
        _ => "complete [channel.candidate.test] in the configuration and reload",
    };
    let mut failure = failure(why.code, why.what, Some(next));
    failure.temporary = why.passing;
    failure
}

impl Office {
    pub(super) async fn shadow(&self, asked: &Shadow, peer: Peer) -> Result<ShadowReport, Failure> {
        let candidate = self.candidate(&asked.standard).await?;
        let channel = self.meant(asked.channel.as_deref(), &[&candidate])?;
        match asked.act {
            ShadowAct::Report {} => {}
            ShadowAct::Start { with_rows } => {
                self.start(&channel, &asked.standard, with_rows, peer).await?;
            }
            ShadowAct::Stop {} => self.end(&channel, &asked.standard).await?,
        }
        let last = self.crew.ledger.last_shadow(channel.id.clone()).await.map_err(told)?;
        let last = last.filter(|run| run.asked.standard == asked.standard);
        let (ledger, pool) = (&self.crew.ledger, self.crew.supervisor.pool());
        let part = part(&channel);
        let found = report(ledger, pool, &part, &candidate, last.is_some()).await;
        let mut found = found.map_err(told)?;
        found.in_force = channel.standard.id().to_string();
        found.endpoint = self.endpoint(&channel, &asked.standard).await.unwrap_or_default();
        if let Some(run) = last {
            found.job = Some(job_name(run.number));
            found.running = run.running;
            found.with_rows = run.asked.with_rows;
            found.since = Some(run.since);
            found.trouble = run.result;
        }
        Ok(found)
    }

    async fn start(
        &self,
        channel: &Channel,
        standard: &str,
        with_rows: bool,
        peer: Peer,
    ) -> Result<(), Failure> {
        let asked = ledger::Shadow {
            channel: channel.id.to_string(),
            standard: standard.to_owned(),
            with_rows,
        };
        // Whatever would end it is told now.
        trial(&self.works(), &self.crew, &asked).await.map_err(hindered)?;
        let answer = self.crew.ledger.shadow_asked(asked, asker(peer)).await.map_err(told)?;
        if let ShadowAsked::Busy(number) = answer {
            let what =
                format!("another shadow run goes on at {}: {}", channel.id, job_name(number));
            let next = "stop it first: `cascaded jobs cancel` with its name";
            return Err(failure("E-SHADOW-BUSY", what, Some(next)));
        }
        self.lent.shadow();
        Ok(())
    }

    async fn end(&self, channel: &Channel, standard: &str) -> Result<(), Failure> {
        let last = self.crew.ledger.last_shadow(channel.id.clone()).await.map_err(told)?;
        let running = last.filter(|run| run.running && run.asked.standard == standard);
        let Some(run) = running else {
            let what = format!("no shadow run of {standard} goes on at {}", channel.id);
            return Err(failure("E-NO-SHADOW", what, Some("see `cascaded jobs list`")));
        };
        self.crew.ledger.job_cancelled(run.number).await.map_err(told)?;
        self.lent.shadow();
        Ok(())
    }

    /// The test platform's address, where one may be used.
    async fn endpoint(&self, channel: &Channel, standard: &str) -> Option<String> {
        let configuration = std::sync::Arc::clone(&self.works().configuration);
        let (id, name) = (channel.id.to_string(), standard.to_owned());
        let pool = self.crew.supervisor.pool();
        pool.run(move || test_way(&configuration, &id, &name)).await.ok().map(|way| way.url)
    }

    pub(super) async fn shadow_once(&self, asked: &ShadowOnce) -> Result<Once, Failure> {
        let candidate = self.candidate(&asked.standard).await?;
        let channel = self.meant(asked.channel.as_deref(), &[&candidate])?;
        let object = asked.object.as_ref().map(|id| {
            let kind = asked.operation.split_once('.').and_then(|(kind, _)| Kind::parse(kind));
            kind.map(|kind| ObjectKey { kind, id: id.clone() })
        });
        let object = match object {
            Some(None) => return Err(refused(&Refusal::NotAlone, asked)),
            Some(Some(key)) => Some(key),
            None => None,
        };
        let run = ledger::Shadow {
            channel: channel.id.to_string(),
            standard: asked.standard.clone(),
            with_rows: false,
        };
        let mut trial = trial(&self.works(), &self.crew, &run).await.map_err(hindered)?;
        let once = trial.once(&self.crew, &asked.operation, object).await;
        once.map_err(|error| failed(&error))?.map_err(|refusal| refused(&refusal, asked))
    }
}

fn refused(refusal: &Refusal, asked: &ShadowOnce) -> Failure {
    let ShadowOnce { standard, operation, .. } = asked;
    let (what, next) = match refusal {
        Refusal::NoOperation => (
            format!("{standard} has no operation `{operation}`"),
            "`cascaded standard show` lists its operations",
        ),
        Refusal::NoObject(lack) => (
            format!("no object has a message for `{operation}`: {lack}"),
            "`cascaded standard check` names what is missing",
        ),
        Refusal::NotAlone => (
            format!("`{operation}` is not sent alone"),
            "register, modify or state of an object, rows.upsert, heartbeat, an inventory",
        ),
        Refusal::NoRows(why) => (
            format!("no masked row can be written: {why}"),
            "`cascaded standard check --rows sample` says more",
        ),
        Refusal::NoWords => (format!("{standard} is spoken in tables"), "see the tables"),
    };
    failure("E-SHADOW-ONCE", what, Some(next))
}
