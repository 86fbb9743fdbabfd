//! Bulletins on request: their files, from the ledger.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Office, failure};
use crate::app::bulletins::{NotMade, Press, period_of, settings_of};
use crate::bulletin::{Form, Period};
use crate::control::protocol::{BulletinFile, BulletinFiles, BulletinQuery, Failure};
use crate::language::Language;
use crate::telemetry::logs::Chain;

impl Office {
    /// A bulletin's files. Nothing is written here: whoever asked puts them where they belong.
    pub(super) async fn bulletin(&self, query: &BulletinQuery) -> Result<BulletinFiles, Failure> {
        let asked = |what: &str| failure("E-BULLETIN-ASKED", what, None);
        let form = Form::ALL.into_iter().find(|form| form.as_str() == query.form);
        let form = form.ok_or_else(|| asked("no such form"))?;
        let parsed = query.period.as_ref().map(|text| Period::parse(form, text));
        let parsed = parsed.map(|it| it.ok_or_else(|| asked("no such period"))).transpose()?;
        let configuration = Arc::clone(&self.works().configuration);
        let mut settings = settings_of(&configuration);
        if let Some(text) = &query.language {
            settings.language = Language::of(text).ok_or_else(|| asked("no such language"))?;
        }
        let (now, mode) = (query.at.unwrap_or_else(|| self.now()), settings.mode);
        let (ledger, supervisor) = (self.crew.ledger.clone(), self.crew.supervisor.clone());
        let press = Press::new(ledger, &configuration, settings, supervisor);
        let judge = press.judge().map_err(told)?;
        let period = period_of(&judge, form, parsed, now).map_err(told)?;
        let files = press.files(&judge, period, now).await.map_err(told)?;
        let file = |it: crate::bulletin::folder::Written| BulletinFile {
            name: it.name,
            bytes: STANDARD.encode(it.bytes),
        };
        let files = files.into_iter().map(file).collect();
        Ok(BulletinFiles { period: period.name(), mode, files })
    }
}

fn told(error: NotMade) -> Failure {
    if let NotMade::Ledger(error) = error {
        return super::told(error);
    }
    failure(error.code(), Chain(&error).to_string(), None)
}
