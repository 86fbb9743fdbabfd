//! Acts at a log server: Debian's own rsyslogd, away, back, killed; and one over TLS.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cascaded::control::protocol::ActsProven;
use cascaded::control::syslog::{Address, Sender, Settings};
use cascaded::rehearsal::certificates::Certificates;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::oversight::listening;
use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, Speech, wait_for};
use crate::support::tls::listen;

const RSYSLOGD: &str = "/usr/sbin/rsyslogd";

/// Debian's log server with a configuration of its own; killed when dropped.
struct Receiver {
    child: Child,
    written: PathBuf,
    log: PathBuf,
}

impl Receiver {
    fn start(folder: &Path, port: u16) -> Self {
        let (written, log) = (folder.join("received"), folder.join("rsyslogd.log"));
        let text = format!(
            "module(load=\"imtcp\")\n\
             module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             input(type=\"imuxsock\" Socket=\"{}\" UseSpecialParser=\"off\")\n\
             template(name=\"taken\" type=\"string\" \
             string=\"%msgid%|%pri%|%app-name%|%protocol-version%|%structured-data%|%msg%\\n\")\n\
             action(type=\"omfile\" file=\"{}\" template=\"taken\" flushOnTXEnd=\"on\" asyncWriting=\"off\")\n",
            folder.join("devlog").display(),
            written.display(),
        );
        let configuration = folder.join("rsyslog.conf");
        std::fs::write(&configuration, text).unwrap();
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(RSYSLOGD)
            .args(["-n", "-f"])
            .arg(&configuration)
            .arg("-i")
            .arg(folder.join("rsyslogd.pid"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, written, log }
    }

    /// The lines that it wrote: message id, structured data, text.
    fn taken(&self) -> Vec<[String; 3]> {
        let text = std::fs::read_to_string(&self.written).unwrap_or_default();
        let line = |line: &str| {
            let mut parts = line.splitn(6, '|').map(str::to_owned);
            let id = parts.next().unwrap();
            let (priority, name, version) =
                (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            assert!(["109", "108"].contains(&priority.as_str()), "{line}");
            assert_eq!((name.as_str(), version.as_str()), ("cascaded", "1"), "{line}");
            [id, parts.next().unwrap(), parts.next().unwrap()]
        };
        text.lines().map(line).collect()
    }

    /// Waits until it has every line of the chain of acts, and gives how many came twice.
    fn has_all(&self, lines: u64) -> usize {
        let wanted: BTreeSet<u64> = (1..=lines).collect();
        let ids = || -> Vec<u64> { self.taken().iter().map(|it| it[0].parse().unwrap()).collect() };
        wait_for(
            "every act is with the receiver",
            || (ids().into_iter().collect::<BTreeSet<u64>>() == wanted).then_some(()),
            || format!("{:?}\n{}", self.taken(), std::fs::read_to_string(&self.log).unwrap()),
        );
        ids().len() - wanted.len()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn is_there(test: &str) -> bool {
    let is_there = Path::new(RSYSLOGD).exists();
    if !is_there {
        println!("{test}: not run, for there is no {RSYSLOGD}");
    }
    is_there
}

fn forwarded_to(city: &TestCity, to: &str) {
    let text = std::fs::read_to_string(city.configuration_file()).unwrap();
    let text = format!("{text}\n[audit]\nkeep_days = 200\nsyslog = {{ to = \"{to}\" }}\n");
    std::fs::write(city.configuration_file(), text).unwrap();
}

fn acts(service: &Service) -> u64 {
    let proven: ActsProven = service.json(&["audit", "verify"]);
    assert_eq!(proven.problems, Vec::<String>::new());
    proven.lines
}

#[test]
fn a_log_server_gets_every_act_however_often_it_is_away() {
    if !is_there("a_log_server_gets_every_act_however_often_it_is_away") {
        return;
    }
    run(async {
        let city = listening().await;
        // Free a moment ago: it has to be known before the receiver is there.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        forwarded_to(&city, &format!("tcp://127.0.0.1:{port}"));
        let mut service = Service::start(&city, &[]);
        service.settled();
        let act = |service: &Service, reason: &str| {
            let words = ["rejects", "show", "1", "--reason", reason];
            assert_eq!(service.asked(Speech::English, &words).code, Some(0));
        };
        act(&service, "nobody\"]\\listens\n群众来电");
        act(&service, "yet");
        // It comes.
        let mut receiver = Receiver::start(city.path(), port);
        let twice = receiver.has_all(acts(&service));
        assert_eq!(twice, 0, "nothing broke off");
        let first = receiver.taken().swap_remove(0);
        assert!(first[1].contains("act=\"rejects_show\" form=\"2\" chain=\""), "{first:?}");
        assert!(first[2].contains("reject 1: nobody\"]\\listens 群众来电"), "{first:?}");
        assert!(receiver.taken()[1][1].contains("about=\"1\""));
        assert!(receiver.taken()[1][1].contains("outcome=\"done\""));
        // It is killed, and so are we.
        receiver.kill();
        act(&service, "killed");
        drop(service);
        let mut service = Service::start(&city, &[]);
        service.settled();
        act(&service, "back");
        let mut receiver = Receiver::start(city.path(), port);
        receiver.has_all(acts(&service));
        let proven: ActsProven = service.json(&["audit", "verify"]);
        wait_for(
            "the cursor follows",
            || (service.json::<ActsProven>(&["audit", "verify"]).waiting == 0).then_some(()),
            || service.log(),
        );
        assert_eq!(proven.lines, 8);
        receiver.kill();
        service.stop();
        city.close().await;
    });
}

#[test]
fn the_machines_own_log_socket_takes_acts_as_they_are() {
    if !is_there("the_machines_own_log_socket_takes_acts_as_they_are") {
        return;
    }
    run(async {
        let city = listening().await;
        let socket = city.path().join("devlog");
        forwarded_to(&city, &format!("unix://{}", socket.display()));
        let receiver = Receiver::start(city.path(), 0);
        let mut service = Service::start(&city, &[]);
        service.settled();
        assert_eq!(service.asked(Speech::English, &["reload"]).code, Some(0));
        assert_eq!(receiver.has_all(2), 0);
        assert_eq!(receiver.taken()[0][2].trim_start_matches('\u{feff}').trim(), "reload");
        service.stop();
        city.close().await;
    });
}

#[cfg(feature = "sabotage")]
#[test]
fn killed_between_sending_and_noting_it_sends_the_same_again_and_loses_nothing() {
    if !is_there("killed_between_sending_and_noting_it_sends_the_same_again_and_loses_nothing") {
        return;
    }
    run(async {
        let city = listening().await;
        let socket = city.path().join("devlog");
        forwarded_to(&city, &format!("unix://{}", socket.display()));
        let receiver = Receiver::start(city.path(), 0);
        let mut service = Service::start(&city, &[("CASCADED_CRASH_AT", "acts-forwarded:1")]);
        wait_for("it answers", || service.status(), String::new);
        // Its answer may be cut off by the end that the first lot brings.
        service.asked(Speech::English, &["reload"]);
        service.ended();
        let mut service = Service::start(&city, &[]);
        service.settled();
        let lines = acts(&service);
        wait_for(
            "the lot that was sent before the end comes again",
            || (receiver.has_all(lines) > 0).then_some(()),
            || format!("{:?}", receiver.taken()),
        );
        service.stop();
        city.close().await;
    });
}

#[test]
fn over_tls_only_who_is_trusted_gets_acts_and_only_a_whole_lot_counts() {
    run(async {
        let certificates = Certificates::generate().unwrap();
        let others = Certificates::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("authority.pem");
        std::fs::write(&ca_file, &certificates.authority).unwrap();
        let lot = vec![b"<109>1 one".to_vec(), b"<109>1 two".to_vec()];
        // (whose certificate, how much is read, whether the connection is ended in order)
        for (identity, reads, in_order, takes) in [
            (&certificates.server, 64, true, 2),
            (&others.server, 64, true, 0),
            (&certificates.server, 64, false, 0),
        ] {
            let (listener, acceptor, address) = listen(identity).await;
            let to = Address::Tls { host: "127.0.0.1".to_owned(), port: address.port() };
            let sender = Sender::new(&Settings { to, ca_file: Some(ca_file.clone()) }).unwrap();
            let receiver = async {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { return Vec::new() };
                let mut bytes = Vec::new();
                let mut some = vec![0; reads];
                while let Ok(read) = stream.read(&mut some).await
                    && read > 0
                {
                    bytes.extend_from_slice(&some[..read]);
                }
                if in_order {
                    stream.shutdown().await.ok();
                }
                bytes
            };
            let ((taken, result), bytes) = tokio::join!(sender.send(&lot), receiver);
            assert_eq!((taken, result.is_ok()), (takes, takes > 0), "{result:?}");
            let whole: &[u8] = b"10 <109>1 one10 <109>1 two";
            assert!(takes == 0 || bytes == whole, "{bytes:?}");
        }
    });
}

#[test]
fn a_lifetime_of_acts_below_six_months_is_refused() {
    run(async {
        let city = listening().await;
        let sound = std::fs::read_to_string(city.configuration_file()).unwrap();
        for (audit, told) in [
            ("keep_days = 90", "audit.keep_days"),
            ("syslog = { to = \"udp://h:514\" }", "unix:///dev/log"),
            ("syslog = { to = \"tls://h:6514\" }", "audit.syslog.ca_file"),
        ] {
            let text = format!("{sound}\n[audit]\n{audit}\n");
            std::fs::write(city.configuration_file(), text).unwrap();
            let config = city.configuration_file().to_str().unwrap();
            let words = ["check", "--config", config];
            let said = crate::support::operator::command(Speech::English, &words);
            assert_eq!(said.code, Some(78), "{said:?}");
            assert!(said.err.contains(told), "{said:?}");
        }
        city.close().await;
    });
}
