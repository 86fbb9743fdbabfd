//! What `doctor` looks at in the world: sources, channels with their clocks and certificates,
//! secrets, and room on the disk; for a candidate, the ways that it would be spoken on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::shadow::test_way;
use crate::city::Source;
use crate::clock::Clock;
use crate::config::{Configuration, LedgerSettings};
use crate::delivery::Outcome;
use crate::province::{self, Holder, Way};
use crate::standard::{Scope, Standard};
use crate::supervisor::Supervisor;
use crate::telemetry::logs::Chain;

/// A certificate that ends within so many days is told: a province issues a new one in weeks.
const CERTIFICATE_DAYS: i64 = 30;

/// Something `doctor` looked at.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Found {
    /// What, in English.
    pub what: String,
    /// 是什么。
    pub what_zh: String,
    /// It is as it should be.
    pub ok: bool,
    /// What to do when it is not.
    pub advice: Option<String>,
    /// 不对时怎么办。
    pub advice_zh: Option<String>,
}

impl Found {
    /// Something in English and in Chinese, and what to do about it where it is not `ok`.
    pub fn new(ok: bool, [what, what_zh]: [String; 2], [advice, advice_zh]: [&str; 2]) -> Self {
        let advise = |text: &str| (!ok && !text.is_empty()).then(|| text.to_owned());
        Self { what, what_zh, ok, advice: advise(advice), advice_zh: advise(advice_zh) }
    }
}

/// Looks at everything the daemon needs, without starting it; with a candidate, at the ways on
/// which it would be spoken as well.
pub async fn doctor(
    configuration: &Configuration,
    candidate: Option<&str>,
    clock: &Clock,
) -> Vec<Found> {
    let mut found = Vec::new();
    for problem in super::prove(configuration, clock).await {
        let what = format!("{}: {}", problem.place, problem.message);
        let advice = ["mend the configuration or the file it names", "改正配置或其所指的文件"];
        found.push(Found::new(false, [what.clone(), what], advice));
    }
    if let Some(candidate) = candidate {
        found.extend(prepared(configuration, candidate, clock).await);
        return found;
    }
    found.extend(sources(configuration, clock).await);
    for channel in &configuration.channels {
        let name = format!("channel {}", channel.settings.id);
        let name_zh = format!("通道 {}", channel.settings.id);
        let place = format!("channel.{}.province", channel.settings.id);
        let spoken = Spoken {
            names: [name, name_zh],
            place,
            settings: &channel.settings.province,
            standard: &channel.standard,
        };
        found.extend(spoken.examine(clock).await);
    }
    found.extend(super::probing::examine(configuration).await);
    found.push(secret("ledger.key_file", &configuration.ledger.key_file));
    for source in &configuration.sources {
        let place = format!("source.{}.password_file", source.id());
        found.extend(source.password_file().map(|path| secret(&place, path)));
    }
    for it in &configuration.probes {
        let place = format!("probe.{}.authorization_file", it.id);
        found.extend(it.authorization_file.iter().map(|path| secret(&place, path)));
    }
    found.push(room(&configuration.ledger));
    found
}

/// Asks every source for what its datasets declare.
async fn sources(configuration: &Configuration, clock: &Clock) -> Vec<Found> {
    let supervisor = Supervisor::new(clock.clone(), 2);
    let pool = super::pool::CityPool::shared(supervisor);
    let mut found = Vec::new();
    for it in &configuration.datasets {
        let settings = configuration.sources.iter().find(|it2| it2.id() == it.dataset.source);
        let Some(settings) = settings else { continue };
        let source = Source::open(settings.clone(), Arc::clone(&pool));
        let what = format!("dataset {} in source {}", it.dataset.id, settings.id());
        let what_zh = format!("数据集 {}（数据源 {}）", it.dataset.id, settings.id());
        let probed = source.probe(&it.dataset).await;
        let trouble = probed.err().map_or_else(String::new, |it| format!(": {}", Chain(&it)));
        found.push(Found::new(
            trouble.is_empty(),
            [format!("{what}{trouble}"), format!("{what_zh}{trouble}")],
            ["check address, credentials and rights of the source", "检查数据源的地址、口令和权限"],
        ));
    }
    found
}

/// The ways on which a candidate would be spoken, and on which it is tried.
async fn prepared(configuration: &Configuration, candidate: &str, clock: &Clock) -> Vec<Found> {
    let mut found = Vec::new();
    let Some(standard) = configuration.standards.get(candidate) else {
        return vec![unknown(configuration, candidate)];
    };
    for channel in &configuration.channels {
        let prepared = channel.settings.candidate.as_ref().filter(|it| it.standard == candidate);
        let Some(prepared) = prepared else { continue };
        let id = &channel.settings.id;
        let real = prepared.province.as_ref().map(|it| (it, "province", "", ""));
        let test = prepared.test.as_ref().map(|it| (it, "test", " (test)", "（测试）"));
        let own = real.is_none().then_some((&channel.settings.province, "", "", ""));
        for (settings, part, mark, mark_zh) in real.into_iter().chain(own).chain(test) {
            let place = match part {
                "" => format!("channel.{id}.province"),
                part => format!("channel.{id}.candidate.{part}"),
            };
            let names = [
                format!("channel {id}, {candidate}{mark}"),
                format!("通道 {id}，{candidate}{mark_zh}"),
            ];
            let spoken = Spoken { names, place, settings, standard };
            found.extend(spoken.examine(clock).await);
        }
        let test = prepared.test.as_ref();
        let wrong = test.and_then(|_| test_way(configuration, id, candidate).err());
        if let Some(why) = wrong {
            let what = format!("{} ({})", why.what, why.code);
            found.push(Found::new(
                false,
                [what.clone(), what],
                [
                    "a test platform has an address and secrets of its own",
                    "测试平台须用单独的地址与凭据",
                ],
            ));
        }
        if test.is_none() {
            found.push(Found::new(
                false,
                [
                    format!("channel {id}: no test endpoint for {candidate}"),
                    format!("通道 {id}：{candidate} 没有测试地址"),
                ],
                [
                    "ask the province for one: [channel.candidate.test]",
                    "向省平台申请，写入 [channel.candidate.test]",
                ],
            ));
        }
    }
    if found.is_empty() {
        for channel in &configuration.channels {
            found.extend(unprepared(channel, standard, clock).await);
        }
    }
    found
}

/// There is no such standard to look at.
fn unknown(configuration: &Configuration, candidate: &str) -> Found {
    let known: Vec<&str> = configuration.standards.keys().map(String::as_str).collect();
    let known = known.join(", ");
    Found::new(
        false,
        [
            format!("there is no standard `{candidate}`; there are: {known}"),
            format!("没有标准 `{candidate}`；已有：{known}"),
        ],
        [
            "put its directory beside the others; `cascaded standard list` lists them",
            "把它的目录放在其他标准旁边；`cascaded standard list` 列出已有标准",
        ],
    )
}

/// A channel that does not name the candidate: it speaks it already, or could only go over by the
/// address and the credentials that it has.
async fn unprepared(
    channel: &crate::config::Channel,
    standard: &Arc<Standard>,
    clock: &Clock,
) -> Vec<Found> {
    let (id, name) = (&channel.settings.id, standard.id());
    let spoken = channel.standard.id() == name;
    if !spoken && channel.standard.settings().id != standard.settings().id {
        return Vec::new();
    }
    let texts = if spoken {
        [format!("channel {id}: {name} is in force"), format!("通道 {id}：{name} 已在用")]
    } else {
        [
            format!("channel {id} does not name {name} in [channel.candidate]"),
            format!("通道 {id} 未在 [channel.candidate] 写明 {name}"),
        ]
    };
    let advice = [
        "name it there: until then it has no test platform, and would go over by the way below",
        "写明以前没有测试平台，切换时沿用下列地址与凭据",
    ];
    let mut found = vec![Found::new(spoken, texts, advice)];
    let way = Spoken {
        names: [format!("channel {id}, {name}"), format!("通道 {id}，{name}")],
        place: format!("channel.{id}.province"),
        settings: &channel.settings.province,
        standard,
    };
    found.extend(way.examine(clock).await);
    found
}

/// A standard on a way to a platform.
struct Spoken<'a> {
    /// In English and in Chinese.
    names: [String; 2],
    /// Its place in the configuration.
    place: String,
    settings: &'a province::Settings,
    standard: &'a Arc<Standard>,
}

impl Spoken<'_> {
    async fn examine(&self, clock: &Clock) -> Vec<Found> {
        let mut found = vec![self.reach(clock).await];
        found.extend(self.certificates(clock.now()).await);
        let settings = self.settings;
        let named = settings.credentials.iter();
        let credentials = named.map(|(name, path)| (format!("credentials.{name}"), path));
        let key = settings.client_key_file.iter().map(|path| ("client_key_file".to_owned(), path));
        let proxy = settings.proxy_credentials_file.iter();
        let proxy = proxy.map(|path| ("proxy_credentials_file".to_owned(), path));
        let files = credentials.chain(key).chain(proxy);
        found.extend(files.map(|(name, path)| secret(&format!("{}.{name}", self.place), path)));
        found
    }

    fn said(&self, [what, what_zh]: [&str; 2]) -> [String; 2] {
        let [name, name_zh] = &self.names;
        let url = &self.settings.url;
        [format!("{name} at {url}{what}"), format!("{name_zh} {url}{what_zh}")]
    }

    fn both(&self, what: &str) -> [String; 2] {
        self.said([what, what])
    }

    /// The first operation that can be asked without an object: a heartbeat, or an inventory.
    async fn reach(&self, clock: &Clock) -> Found {
        let made = Way::new(self.settings.clone(), Arc::clone(self.standard), clock.clone());
        let client = match made {
            Ok(client) => client,
            Err(error) => {
                let what = self.both(&format!(": {}", Chain(&error)));
                return Found::new(false, what, ["mend the channel's files", "改正通道的文件"]);
            }
        };
        let asked = ["heartbeat", "inventory.datasets"]
            .into_iter()
            .find_map(|name| Some((name, self.standard.build(name, &Scope::default()).ok()?)));
        let Some((operation, message)) = asked else {
            let what = self.said([": cannot be asked harmlessly", "：无法无害地询问"]);
            return Found::new(true, what, ["", ""]);
        };
        let reply = client.collect(operation, &message, "", None, None).await;
        let ahead = reply.clock_ahead.map(|ahead| ahead.as_secs_f64());
        if client.is_clock_off(&reply) {
            let ahead = ahead.unwrap_or_default();
            let en = format!(": its clock is {ahead:.0} s ahead of ours");
            let zh = format!("：其时钟比本机快 {ahead:.0} 秒");
            return Found::new(false, self.said([&en, &zh]), ["check NTP", "检查时间同步"]);
        }
        let lacking =
            |code: &str, advice| Found::new(false, self.both(&format!(": {code}")), advice);
        match reply.reading.outcome {
            Outcome::Accepted { .. } | Outcome::Exists { .. } => {
                let (mut en, mut zh) = (": answers".to_owned(), "：有应答".to_owned());
                if let Some(ahead) = ahead {
                    en.push_str(&format!(", its clock {ahead:+.0} s from ours"));
                    zh.push_str(&format!("，时钟相差 {ahead:+.0} 秒"));
                }
                Found::new(true, self.said([&en, &zh]), ["", ""])
            }
            Outcome::Auth { code } => lacking(
                &code,
                ["credentials refused: check their files", "凭据被拒绝：检查凭据文件"],
            ),
            Outcome::Retry { code, .. } | Outcome::Unknown { code } => lacking(
                &code,
                ["check network, proxy, certificates and address", "检查网络、代理、证书和地址"],
            ),
            Outcome::Refused { code, .. }
            | Outcome::NoPlace { code }
            | Outcome::Unlisted { code } => {
                lacking(&code, ["compare the standard with the platform", "对照标准与省平台"])
            }
        }
    }

    /// When the certificates end: ours, those we trust, and the one the platform shows.
    async fn certificates(&self, now: Timestamp) -> Vec<Found> {
        let mut found = Vec::new();
        // A file that cannot be read was told by `reach`.
        for it in province::certificates(self.settings).unwrap_or_default() {
            let whose = match it.holder {
                Holder::Ours => ["our certificate", "本方证书"],
                Holder::Trusted => ["the authority", "信任的根证书"],
            };
            found.push(self.ends(whose, Some(&it.file), it.ends, now));
        }
        if let Ok(Some(end)) = province::presented(self.settings).await {
            found.push(self.ends(
                ["the platform's certificate", "省平台证书"],
                None,
                Some(end),
                now,
            ));
        }
        found
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
        let days = end.map(|end| days_until(end, now));
        let (en, zh) = match days {
            None => ("cannot be read".to_owned(), "无法读取".to_owned()),
            Some(days) if days < 0 => {
                (format!("ended {} days ago", -days), format!("已过期 {} 天", -days))
            }
            Some(days) => (format!("ends in {days} days"), format!("还有 {days} 天到期")),
        };
        Found::new(
            days.is_some_and(|days| days >= CERTIFICATE_DAYS),
            [format!("{name}: {whose}{file} {en}"), format!("{name_zh}：{whose_zh}{file} {zh}")],
            ["ask for a new one now: it takes weeks", "现在就申请新证书：通常需要数周"],
        )
    }
}

/// Whole days from now, rounded down.
fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    end.duration_since(now).as_secs().div_euclid(24 * 3600)
}

/// Whether the disk has room for what the spool may still take.
fn room(ledger: &LedgerSettings) -> Found {
    let folder = &ledger.folder;
    let bound = ledger.spool_bytes;
    // Before the first start there is no folder: its nearest parent is on the same disk.
    let there = folder.ancestors().find(|path| path.is_dir()).unwrap_or(folder);
    let advice = ["make room, or lower ledger.spool_bytes", "腾出空间，或调小 ledger.spool_bytes"];
    let place = folder.display();
    match rustix::fs::statvfs(there) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let wanted = bound.saturating_sub(used(&folder.join("spool")));
            let mib = |bytes: u64| bytes >> 20;
            let en = format!(
                "ledger folder {place}: {} MiB free, the spool may still take {} MiB",
                mib(free),
                mib(wanted)
            );
            let zh = format!(
                "台账目录 {place}：可用 {} MiB，待发区还可能占用 {} MiB",
                mib(free),
                mib(wanted)
            );
            Found::new(free >= wanted, [en, zh], advice)
        }
        Err(error) => {
            let what =
                [format!("ledger folder {place}: {error}"), format!("台账目录 {place}：{error}")];
            Found::new(false, what, advice)
        }
    }
}

/// Bytes of the files of a folder; what vanishes meanwhile counts nothing.
fn used(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok());
    sizes.filter(std::fs::Metadata::is_file).fold(0, |sum, file| sum.saturating_add(file.len()))
}

/// A secret and who may read it. One that others can read, or that is missing, is a problem of the
/// configuration and told as such.
fn secret(place: &str, path: &Path) -> Found {
    let (shown, advice) = (
        path.display(),
        [
            "chmod 0600, owned by the user who runs the daemon",
            "chmod 0600，属主为运行守护进程的用户",
        ],
    );
    let (ok, about) = match std::fs::metadata(path) {
        Ok(about) => {
            let mode = about.permissions().mode() & 0o777;
            (mode & 0o007 == 0, format!("mode {mode:04o}"))
        }
        Err(error) => (false, error.to_string()),
    };
    let what =
        [format!("secret {place} {shown}: {about}"), format!("密钥 {place} {shown}：{about}")];
    Found::new(ok, what, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(folder: &Path, spool_bytes: u64) -> LedgerSettings {
        LedgerSettings {
            folder: folder.join("not/there/yet"),
            key_file: PathBuf::new(),
            spool_bytes,
            live_share_bytes: 0,
            deletion_percent: 10,
            begins: crate::delivery::Mode::Watch,
        }
    }

    #[test]
    fn a_spool_larger_than_the_disk_is_told_before_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        assert!(room(&ledger(folder.path(), 1 << 20)).ok);
        let full = room(&ledger(folder.path(), u64::MAX));
        assert!(!full.ok && full.advice.is_some() && full.advice_zh.is_some(), "{full:?}");
    }

    #[test]
    fn days_are_whole_and_a_past_end_is_negative() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let until = |end: &str| days_until(end.parse().unwrap(), now);
        assert_eq!(until("2026-12-22T12:00:00Z"), 30);
        assert_eq!(until("2026-12-22T11:59:59Z"), 29);
        assert_eq!(until("2026-11-22T11:59:59Z"), -1);
    }
}
