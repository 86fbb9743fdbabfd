//! The outer side of a gap: another instance with a province of its own. The city's program puts down
//! numbered files, a device carries them as it likes, and what comes out at the other end goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cascaded::clock::Clock;
use cascaded::control::protocol::Status;
use cascaded::demo::SOCKET;
use cascaded::rehearsal::certificates::Certificates;

use super::place::{COLUMNS, RECEIPTS, scratch};
use crate::ferry::gap::{Fault, Gap};
use crate::ferry::key;
use crate::intake::place::secret;
use crate::support::daemon::TestCity;
use crate::support::operator::{Speech, command};
use crate::support::plain::{Table, settings, write_catalogue};

/// The dataset and the channel that go this way.
pub(super) const FERRY: &str = "ferry";
/// What the device does with one file after the other.
const FAULTS: &[Fault] = &[
    Fault::None,
    Fault::Twice,
    Fault::None,
    Fault::Late,
    Fault::None,
    Fault::Half,
    Fault::None,
    Fault::Renamed,
];
/// Between two looks of the device.
const CARRY_EVERY: Duration = Duration::from_millis(10);
/// How the outer side's rows are read: also by when they came.
const TAKEN: &[(&str, &str)] =
    &[("id", "text"), ("name", "text"), ("grade", "text"), ("taken_at", "time")];

/// Everything on the other side of the gap, and the gap.
pub(super) struct Outer {
    pub(super) city: TestCity,
    device: Device,
}

/// What carries files, until it is told to stop.
struct Device {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    fn start(gap: Gap) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::SeqCst) {
                gap.carry();
                std::thread::sleep(CARRY_EVERY);
            }
            gap.assert_nothing_in_clear(&["第一日", "新增", "r00011"]);
        });
        Self { stop, thread: Some(thread) }
    }

    fn stop(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

impl Outer {
    /// `below` is the city's folder: its ferry, and its standards and credentials, are there.
    pub(super) async fn new(below: &Path, clock: &Clock) -> Self {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let at = folder.path().to_owned();
        let made = |columns| Table {
            id: FERRY,
            columns,
            key: &["id"],
            from: format!(
                "source = \"inner\"\ntable = \"{FERRY}\"\npoll = \"1s\"\n\
                 compare_deletions = \"2s\"\nchange = {{ kind = \"time-column\", \
                 column = \"taken_at\", overlap = \"0s\" }}"
            ),
            rules: "",
        };
        write_catalogue(&at, &[made(COLUMNS)]);
        for folder in [&at, &below.to_owned()] {
            for way in ["in", "out"] {
                std::fs::create_dir_all(folder.join("ferry").join(way)).unwrap();
            }
            key(&folder.join("keys/ferry.key"));
        }
        let text = format!("{}{}", settings("", &[made(TAKEN)]), intake(&at, below));
        let city = TestCity::with(folder, &text, clock, |settings| {
            settings.database = Some(at.join("province.sqlite"));
        });
        let city = city.await;
        let text = std::fs::read_to_string(city.configuration_file()).unwrap();
        let text = format!("standards = [{:?}]\n{}", below.join("standards"), rest(&text));
        std::fs::write(city.configuration_file(), text).unwrap();
        let gap = Gap::new(&below.join("ferry"), &at.join("ferry"), FAULTS);
        Self { city, device: Device::start(gap) }
    }

    /// Its rows above, by key.
    pub(super) fn content(&self) -> BTreeMap<String, BTreeMap<String, Option<String>>> {
        self.city.platform.content(FERRY).unwrap()
    }

    /// Where it keeps what came over the gap.
    pub(super) fn store(&self) -> PathBuf {
        self.city.path().join("ledger/intake/515100.sqlite")
    }

    /// Its status, where it answers.
    pub(super) fn status(&self) -> Option<Status> {
        let socket = self.city.path().join(SOCKET);
        let words = ["--socket", socket.to_str().unwrap(), "status", "--json"];
        let said = command(Speech::English, &words);
        (said.code == Some(0)).then(|| said.json())
    }

    /// Nobody needs it any more; what was carried could be read by nobody.
    pub(super) async fn close(self) {
        self.device.stop();
        self.city.close().await;
    }
}

fn rest(text: &str) -> &str {
    text.split_once('\n').unwrap().1
}

/// The inner side as a county that registers its catalogue elsewhere.
fn intake(at: &Path, below: &Path) -> String {
    let certificates = Certificates::generate().unwrap();
    secret(&at.join("taking/server.pem"), &certificates.server.certificate);
    secret(&at.join("taking/server.key"), &certificates.server.key);
    for name in ["requester", "secret"] {
        let text = std::fs::read_to_string(below.join("keys").join(name)).unwrap();
        secret(&at.join("taking").join(name), &text);
    }
    format!(
        "\n[intake]\nlisten = \"127.0.0.1:0\"\nstandard = \"{RECEIPTS}\"\n\
         certificate_file = \"taking/server.pem\"\nkey_file = \"taking/server.key\"\n\n\
         [[intake.county]]\nid = \"inner\"\nregion = \"515100\"\ntitle = \"内网\"\n\
         registers = false\n\n\
         [intake.county.ferry]\nname = \"gap\"\nfolder = \"ferry\"\nkey_file = \"keys/ferry.key\"\n\n\
         [intake.county.credentials]\nrequester = \"taking/requester\"\n\
         secret = \"taking/secret\"\n\n\
         [control]\nsocket = {{ path = {:?} }}\n",
        at.join(SOCKET),
    )
}

/// The city's channel to it.
pub(super) fn channel(below: &Path) -> String {
    format!(
        "[[channel]]\nid = \"{FERRY}\"\nstandard = \"{RECEIPTS}\"\ncarries = [\"rows\"]\n\
         datasets = [\"{FERRY}\"]\n\n[channel.province]\nurl = \"ferry://{}\"\n\n\
         [channel.province.ferry]\nname = \"gap\"\nkey_file = \"keys/ferry.key\"\n\n\
         [channel.province.credentials]\nrequester = \"keys/requester\"\nsecret = \"keys/secret\"\n",
        below.join("ferry").display(),
    )
}
