//! A channel's way to its platform: what the look at it ([`province::line`]) and the answer to a
//! harmless question mean.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::answer;
use super::code::Code;
use super::database;
use super::finding::Found;
use super::secrets;
use crate::clock::Clock;
use crate::province::{self, Flaw, Hindrance, Holder, Line, OwnFlaw, Way};
use crate::standard::{Scope, Standard};
use crate::telemetry::logs::Chain;

/// A certificate that ends within so many days is told: a province issues a new one in weeks.
const CERTIFICATE_DAYS: i64 = 30;
/// How far clocks may be apart where nobody says otherwise.
const TOLERANCE: Duration = Duration::from_secs(300);

/// A standard on a way to a platform.
pub(super) struct Spoken<'a> {
    /// In English and in Chinese.
    pub(super) names: [String; 2],
    /// Its place in the configuration.
    pub(super) place: String,
    pub(super) settings: &'a province::Settings,
    pub(super) standard: &'a Arc<Standard>,
}

impl Spoken<'_> {
    /// Everything there is to say of the way, none of it twice: what hinders is said instead of
    /// what it makes impossible.
    pub(super) async fn examine(&self, clock: &Clock) -> Vec<Found> {
        let now = clock.now();
        let secrets = secrets::of_way(&self.place, self.settings);
        let mut found: Vec<Found> = secrets.iter().map(secrets::Secret::examine).collect();
        found.extend(self.files(now));
        if let Some(flaw) = province::own(self.settings, now) {
            found.push(self.own(flaw));
        }
        let is_sound = found.iter().all(|it| it.ok);
        let way = match Way::new(self.settings.clone(), Arc::clone(self.standard), clock.clone()) {
            Ok(way) => Some(way),
            Err(error) => {
                // What a file's own look found is the cause.
                found.extend(is_sound.then(|| self.unmade(&error)));
                None
            }
        };
        let said = self.standard.settings();
        let is_http =
            said.tables.is_none() && said.files.is_none() && self.settings.ferry.is_none();
        let is_addressed = !found.iter().any(|it| it.code == Some(Code::Address.entry().word));
        let mut is_open = true;
        if is_http && is_addressed {
            if self.settings.is_plain() {
                found.push(self.of(Code::PlainHttp, ""));
            }
            let line = province::line(self.settings, now).await;
            let told = self.line(&line);
            is_open = told.iter().all(|it| it.ok);
            found.extend(told);
            found.extend(line.ends.filter(|_| line.flaw.is_none()).map(|end| {
                self.ends(["the platform's certificate", "省平台证书"], None, Some(end), now)
            }));
        }
        // With another clock or secret than it takes, its answer would only say so again.
        if let Some(way) = way.filter(|_| is_open && is_sound) {
            found.push(self.asked(&way).await);
        }
        found
    }

    fn named(&self) -> [String; 2] {
        let [name, name_zh] = &self.names;
        let url = &self.settings.url;
        [format!("{name} at {url}"), format!("{name_zh} {url}")]
    }

    fn of(&self, code: Code, seen: &str) -> Found {
        let [name, name_zh] = self.named();
        Found::of(code, [&name, &name_zh], [seen, seen])
    }

    /// Why the channel's client cannot be made.
    fn unmade(&self, error: &province::Error) -> Found {
        use province::Error as E;
        let by_file = |what: &str| match what {
            "certificates to trust" => Code::CertFile,
            "client certificate" | "client key" => Code::ClientFile,
            _ => Code::SecretMissing,
        };
        let code = match error {
            E::Exposed { .. } => Code::SecretExposed,
            E::Read { what, .. } => by_file(what),
            E::Content { what, .. } if by_file(what) == Code::SecretMissing => Code::SecretForm,
            E::Content { what, .. } => by_file(what),
            E::Setting { setting: "url" | "via" | "proxy" | "plain_http", .. } => Code::Address,
            E::Setting { setting: "client_certificate_file", .. } => Code::ClientFile,
            E::Setting { .. } | E::Signer { .. } => Code::Config,
            E::Credentials { .. } => Code::Credentials,
            E::Key { .. } => Code::SecretKey,
            E::Unsupported { .. } => Code::Standard,
            E::Client(_) => Code::ClientFile,
        };
        self.of(code, &Chain(error).to_string())
    }

    fn own(&self, flaw: OwnFlaw) -> Found {
        match flaw {
            OwnFlaw::Key => self.of(Code::ClientKey, ""),
            OwnFlaw::Expired(end) => self.of(Code::ClientExpired, &end.to_string()),
            OwnFlaw::Early(begin) => self.of(Code::ClientEarly, &begin.to_string()),
            OwnFlaw::Use => self.of(Code::ClientUse, ""),
        }
    }

    /// What the look at the way means. The clock comes with the rest: it may be the cause of what is
    /// wrong with certificates.
    fn line(&self, line: &Line) -> Vec<Found> {
        let mut found = Vec::new();
        if let Some(ahead) = line.ahead.filter(|ahead| self.is_off(*ahead)) {
            found.push(self.clock(ahead));
        }
        if let Some(hindrance) = &line.hindrance {
            let (code, seen) = hindered(hindrance);
            found.push(self.of(code, &seen));
        }
        if let Some(flaw) = &line.flaw {
            let (code, seen) = flawed(flaw);
            found.push(self.of(code, &seen));
        }
        if let Some((version, suite)) = line.agreed.as_ref().filter(|_| found.is_empty()) {
            let [name, name_zh] = self.named();
            let said = format!("{version}, {suite}");
            found.push(Found::good([format!("{name}: {said}"), format!("{name_zh}：{said}")]));
        }
        found
    }

    fn is_off(&self, ahead: SignedDuration) -> bool {
        let said = self.standard.settings().sign.as_ref().and_then(|sign| sign.tolerance);
        ahead.unsigned_abs() > self.settings.clock_tolerance.or(said).unwrap_or(TOLERANCE)
    }

    fn clock(&self, ahead: SignedDuration) -> Found {
        let seconds = ahead.as_secs();
        let [name, name_zh] = self.named();
        let en = format!("its clock is {seconds} s ahead of ours");
        let zh = format!("其时钟比本机快 {seconds} 秒");
        Found::of(Code::Clock, [&name, &name_zh], [&en, &zh])
    }

    /// The first operation that can be asked without an object: a heartbeat, or an inventory.
    async fn asked(&self, way: &Way) -> Found {
        let [name, name_zh] = self.named();
        if self.standard.settings().tables.is_some() {
            return match way.lacks(None).await {
                Ok(_) => Found::good([format!("{name}: answers"), format!("{name_zh}：有应答")]),
                Err(error) => self.of(database::database(&error), &Chain(&error).to_string()),
            };
        }
        let asked = ["heartbeat", "inventory.datasets"]
            .into_iter()
            .find_map(|name| Some((name, self.standard.build(name, &Scope::default()).ok()?)));
        let Some((operation, message)) = asked else {
            return Found::good([
                format!("{name}: cannot be asked harmlessly"),
                format!("{name_zh}：无法无害地询问"),
            ]);
        };
        let reply = way.collect(operation, &message, "", None, None).await;
        if let Some(ahead) = reply.clock_ahead.filter(|ahead| self.is_off(*ahead)) {
            return self.clock(ahead);
        }
        let seen = answer::Seen::of(&reply, self.settings.proxy.is_some());
        if let Some((code, seen)) = answer::judge(&seen) {
            return self.of(code, &seen);
        }
        let clock = reply.clock_ahead.map(|ahead| ahead.as_secs_f64());
        let en = clock.map_or_else(String::new, |it| format!(", its clock {it:+.0} s from ours"));
        let zh = clock.map_or_else(String::new, |it| format!("，时钟相差 {it:+.0} 秒"));
        Found::good([format!("{name}: answers{en}"), format!("{name_zh}：有应答{zh}")])
    }

    /// When the certificates of files end: ours, and those we trust.
    fn files(&self, now: Timestamp) -> Vec<Found> {
        // A file that cannot be read is told by whoever makes the client.
        let files = province::certificates(self.settings).unwrap_or_default();
        let readable = files.into_iter().filter_map(|it| Some((it.holder, it.file, it.ends?)));
        readable
            .filter_map(|(holder, file, end)| match holder {
                // An end that is past says more elsewhere.
                Holder::Ours if end < now => None,
                Holder::Ours => {
                    let whose = ["our certificate", "本方证书"];
                    Some(self.ends(whose, Some(&file), Some(end), now))
                }
                Holder::Trusted if end < now => {
                    Some(self.of(Code::TrustExpired, &format!("{} {end}", file.display())))
                }
                Holder::Trusted => {
                    let whose = ["the authority", "信任的根证书"];
                    Some(self.ends(whose, Some(&file), Some(end), now))
                }
            })
            .collect()
    }

    fn ends(
        &self,
        [whose, whose_zh]: [&str; 2],
        file: Option<&PathBuf>,
        end: Option<Timestamp>,
        now: Timestamp,
    ) -> Found {
        let [name, name_zh] = &self.names;
        let file = file.map_or_else(String::new, |path| format!(" {}", path.display()));
        let days = end.map_or(0, |end| days_until(end, now));
        let places = [format!("{name}: {whose}{file}"), format!("{name_zh}：{whose_zh}{file}")];
        let told = [format!("ends in {days} days"), format!("还有 {days} 天到期")];
        let ([place, place_zh], [en, zh]) = (&places, &told);
        if days < CERTIFICATE_DAYS {
            return Found::of(Code::CertEnds, [place, place_zh], [en, zh]);
        }
        Found::good([format!("{place} {en}"), format!("{place_zh} {zh}")])
    }
}

/// What hinders, as a finding and what was seen.
fn hindered(hindrance: &Hindrance) -> (Code, String) {
    use Hindrance as H;
    let plain = |code| (code, String::new());
    let inner = |code, cause: &Hindrance| {
        let (inner, seen) = hindered(cause);
        (code, format!("{}: {seen}", inner.entry().title[0]))
    };
    match hindrance {
        H::SourceAddress(address) => (Code::SourceAddress, address.to_string()),
        H::Unresolved(name) => (Code::Dns, name.clone()),
        H::ResolverSilent(name) => (Code::DnsSilent, name.clone()),
        H::NowhereAddress(address) => (Code::DnsAddress, address.to_string()),
        H::Refused(address) => (Code::Refused, address.to_string()),
        H::Unreachable(address) => (Code::Unreachable, address.to_string()),
        H::Silent(address) => (Code::ConnectSilent, address.to_string()),
        H::Cut(why) => (Code::ConnectSilent, why.clone()),
        H::Gateway(cause) => inner(Code::Gateway, cause),
        H::Proxy(cause) => inner(Code::ProxyUnreachable, cause),
        H::ProxyCredentials => plain(Code::ProxyCredentials),
        H::ProxyForbids(status) => (Code::ProxyForbids, status.clone()),
        H::SpeaksHttp => plain(Code::TlsPlain),
        H::SpeaksOther => plain(Code::TlsOther),
        H::TlsSilent => plain(Code::TlsSilent),
        H::TlsCut => plain(Code::TlsCut),
        H::TlsOld(offer) => (Code::TlsOld, offer.clone()),
        H::TlsCiphers(offer) => (Code::TlsCiphers, offer.clone()),
        H::TlsShangmi(offer) => (Code::TlsShangmi, offer.clone()),
        H::TlsRefused(alert) => (Code::TlsRefused, alert.clone()),
        H::SpeaksTls => plain(Code::HttpIsTls),
        H::ClientWanted => plain(Code::ClientWanted),
        H::ClientRefused(alert) => (Code::ClientRefused, alert.clone()),
    }
}

/// What is wrong with certificates, as a finding and what was seen.
fn flawed(flaw: &Flaw) -> (Code, String) {
    match flaw {
        Flaw::Expired(end) => (Code::CertExpired, end.to_string()),
        Flaw::Early(begin) => (Code::CertEarly, begin.to_string()),
        Flaw::Name(names) => (Code::CertName, names.join(", ")),
        Flaw::SelfSigned => (Code::CertSelfSigned, String::new()),
        Flaw::Chain(issuer) => (Code::CertChain, issuer.clone()),
        Flaw::Authority(issuer) => (Code::CertAuthority, issuer.clone()),
        Flaw::Weak(how) => (Code::CertWeak, how.clone()),
        Flaw::Shangmi => (Code::TlsShangmi, "SM2".to_owned()),
        Flaw::Other(why) => (Code::CertUntrusted, why.clone()),
    }
}

/// Whole days from now, rounded down.
fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    end.duration_since(now).as_secs().div_euclid(24 * 3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_a_past_end_is_negative() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let until = |end: &str| days_until(end.parse().unwrap(), now);
        assert_eq!(until("2026-12-22T12:00:00Z"), 30);
        assert_eq!(until("2026-12-22T11:59:59Z"), 29);
        assert_eq!(until("2026-11-22T11:59:59Z"), -1);
    }

    #[test]
    fn what_hinders_behind_a_proxy_or_gateway_names_both() {
        let refused = Hindrance::Refused("10.0.0.2:3128".parse().unwrap());
        let (code, seen) = hindered(&Hindrance::Proxy(Box::new(refused.clone())));
        assert_eq!(code, Code::ProxyUnreachable);
        assert!(seen.contains("nobody listens") && seen.contains("10.0.0.2:3128"), "{seen}");
        assert_eq!(hindered(&Hindrance::Gateway(Box::new(refused))).0, Code::Gateway);
    }
}
