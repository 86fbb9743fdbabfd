//! The unix socket: length-bounded lines of JSON between the command line and the daemon.
//!
//! The socket's file mode is its access control, so it must never be visible with another one: it
//! is bound inside a directory only we can enter, given its mode, and then renamed into place.
//! Who is at the other end is asked of the kernel and logged with every act.
//!
//! One task owns every connection: there is nothing to detach and nothing to leak. Connections,
//! lines, and the time for each of them are bounded.

use std::fs;
use std::future::Future;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::protocol::{
    Call, Failure, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, Reply, Request, Response, VERSION,
};
use super::{Handler, Peer};

/// The most connections at once; more wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 32;

/// How long a peer may take to send its line or to read ours.
const LINE_DEADLINE: Duration = Duration::from_secs(30);

/// How long a request may take; what takes longer is a job.
const REQUEST_DEADLINE: Duration = Duration::from_secs(600);

/// How long running requests may still take when the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Where the socket is and who may use it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// An absolute path of at most 90 bytes.
    pub path: PathBuf,
    /// The file's mode, in octal as people write it.
    #[serde(default)]
    pub mode: Mode,
}

/// A file mode as people write it: `"0660"`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Mode(u32);

impl Default for Mode {
    /// Owner and group.
    fn default() -> Self {
        Self(0o660)
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode <= 0o777 && mode & 0o007 == 0 => Ok(Self(mode)),
            Ok(mode) if mode <= 0o777 => {
                Err(format!("mode {text} lets every user of the machine in; end it in 0"))
            }
            Ok(_) | Err(_) => Err(format!("mode {text} is not octal digits such as 0660")),
        }
    }
}

/// What can go wrong with the socket as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process answers there.
    #[error("another daemon answers on the control socket {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else lies there.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket {
        /// What lies there.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("could not bind the control socket {}", path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A bound socket that answers once [`Listener::serve`] runs.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Binds the socket. A socket file that nobody answers on is replaced.
    ///
    /// Must be called within a runtime.
    pub fn bind(settings: &Settings) -> Result<Self, Error> {
        let path = settings.path.clone();
        refuse_what_lives(&path)?;
        bind_hidden(&path, settings.mode)
            .map(|listener| Self { listener, path: path.clone() })
            .map_err(|source| Error::Bind { path, source })
    }

    /// Answers until `stop` completes, then lets running requests end for two seconds and removes
    /// the socket.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(()) = connections.next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => connections.push(converse(stream, Arc::clone(&handler))),
                        Err(error) => {
                            tracing::warn!(%error, "could not accept a control connection");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    }
                }
            }
        }
        let drained = timeout(STOP_GRACE, async { while connections.next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::debug!("cut control connections that were still open");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "could not remove the control socket");
        }
    }
}

fn refuse_what_lives(path: &Path) -> Result<(), Error> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(Error::NotASocket { path: path.to_owned() });
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(Error::InUse { path: path.to_owned() }),
        Err(_) => Ok(()),
    }
}

fn bind_hidden(path: &Path, mode: Mode) -> std::io::Result<UnixListener> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let hidden = folder.join(format!(".ctl-{}", std::process::id()));
    match fs::remove_dir_all(&hidden) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::DirBuilder::new().mode(0o700).create(&hidden)?;
    let inside = hidden.join("s");
    let bound = UnixListener::bind(&inside).and_then(|listener| {
        fs::set_permissions(&inside, fs::Permissions::from_mode(mode.0))?;
        fs::rename(&inside, path)?;
        Ok(listener)
    });
    let removed = fs::remove_dir_all(&hidden);
    bound.and_then(|listener| removed.map(|()| listener))
}

/// One connection: line after line until the peer hangs up or breaks a rule.
async fn converse<H: Handler>(stream: UnixStream, handler: Arc<H>) {
    let Ok(credentials) = stream.peer_cred() else {
        tracing::warn!("refused a control connection whose peer the kernel does not know");
        return;
    };
    let peer = Peer { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() };
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(MAX_REQUEST_BYTES).unwrap_or(u64::MAX) + 1;
        let mut bounded = (&mut reading).take(limit);
        match timeout(LINE_DEADLINE, bounded.read_until(b'\n', &mut line)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(Ok(_) | Err(_)) | Err(_) => return,
        }
        let (response, last) = match understand(&line) {
            Ok(request) => (answer(&*handler, request, peer).await, false),
            Err(failure) => (Response::Failed(failure), true),
        };
        let bytes = encode(response);
        let written = timeout(LINE_DEADLINE, writing.write_all(&bytes)).await;
        if last || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

async fn answer<H: Handler>(handler: &H, request: Request, peer: Peer) -> Response {
    let name = request.name();
    if request.is_act() {
        tracing::info!(
            request.name = name,
            peer.uid = peer.uid,
            peer.gid = peer.gid,
            peer.pid = peer.pid,
            "an operator asked for an act"
        );
    } else {
        tracing::debug!(request.name = name, peer.uid = peer.uid, "an operator asked");
    }
    timeout(REQUEST_DEADLINE, handler.handle(request, peer)).await.unwrap_or_else(|_| {
        Response::Failed(Failure {
            code: "E-CONTROL-TIMEOUT".to_owned(),
            what: format!("`{name}` did not answer within {} s", REQUEST_DEADLINE.as_secs()),
            place: None,
            next: Some(
                "what was asked may still have been recorded: look before asking again".to_owned(),
            ),
            temporary: true,
        })
    })
}

/// Reads a request line; refuses what it does not understand whole.
fn understand(line: &[u8]) -> Result<Request, Failure> {
    let failure = |code: &str, what: String, next: &str| Failure {
        code: code.to_owned(),
        what,
        place: None,
        next: Some(next.to_owned()),
        temporary: false,
    };
    let Some(text) = line.strip_suffix(b"\n") else {
        return Err(failure(
            "E-CONTROL-LINE",
            format!("a request is one line of at most {MAX_REQUEST_BYTES} bytes"),
            "ask for less at once",
        ));
    };
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice::<Versioned>(text) {
        Ok(Versioned { version }) if version != VERSION => {
            return Err(failure(
                "E-CONTROL-VERSION",
                format!("the daemon speaks version {VERSION}, the request is version {version}"),
                "restart the daemon after an upgrade",
            ));
        }
        Ok(_) | Err(_) => {}
    }
    serde_json::from_slice::<Call>(text).map(|call| call.request).map_err(|error| {
        failure("E-CONTROL-REQUEST", format!("not a request: {error}"), "see `cascaded --help`")
    })
}

fn encode(response: Response) -> Vec<u8> {
    let line = |response| {
        serde_json::to_vec(&Reply { version: VERSION, response }).map(|mut bytes| {
            bytes.push(b'\n');
            bytes
        })
    };
    let too_long = || {
        line(Response::Failed(Failure {
            code: "E-CONTROL-SIZE".to_owned(),
            what: format!("the answer is longer than {MAX_RESPONSE_BYTES} bytes"),
            place: None,
            next: Some("ask for smaller pages".to_owned()),
            temporary: false,
        }))
    };
    match line(response) {
        Ok(bytes) if bytes.len() <= MAX_RESPONSE_BYTES => bytes,
        Ok(_) | Err(_) => too_long().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    struct Echo;

    impl Handler for Echo {
        async fn handle(&self, request: Request, _peer: Peer) -> Response {
            Response::Failed(Failure {
                code: "E-TEST".to_owned(),
                what: request.name().to_owned(),
                place: None,
                next: None,
                temporary: false,
            })
        }
    }

    fn settings(folder: &tempfile::TempDir) -> Settings {
        Settings { path: folder.path().join("s"), mode: Mode::default() }
    }

    /// What a listener answers to some bytes, line by line until it hangs up.
    async fn said(bytes: &[u8]) -> Vec<Failure> {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        let listener = Listener::bind(&settings).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = listener.serve(Arc::new(Echo), async { drop(stopped.await) });
        let client = async {
            let mut stream = UnixStream::connect(&settings.path).await.unwrap();
            // The listener may hang up before it has read everything.
            stream.write_all(bytes).await.ok();
            stream.shutdown().await.ok();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok();
            stop.send(()).unwrap();
            String::from_utf8(answer).unwrap()
        };
        let text = tokio::join!(server, client).1;
        text.lines()
            .map(|line| {
                let reply: Reply = serde_json::from_str(line).unwrap();
                let Response::Failed(failure) = reply.response else { panic!("{reply:?}") };
                failure
            })
            .collect()
    }

    fn codes(said: &[Failure]) -> Vec<&str> {
        said.iter().map(|failure| failure.code.as_str()).collect()
    }

    #[tokio::test]
    async fn one_connection_may_ask_several_times() {
        let line = serde_json::to_string(&Call { version: VERSION, request: Request::Status {} });
        let twice = format!("{0}\n{0}\n", line.unwrap());
        assert_eq!(codes(&said(twice.as_bytes()).await), ["E-TEST", "E-TEST"]);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_refused_whole() {
        let cases: [(&str, &str); 6] = [
            ("{\"version\":1,\"request\":{\"status\":{\"more\":1}}}\n", "E-CONTROL-REQUEST"),
            ("{\"version\":1,\"request\":{\"obey\":{}}}\n", "E-CONTROL-REQUEST"),
            ("{\"version\":1,\"request\":{\"status\":{}},\"x\":1}\n", "E-CONTROL-REQUEST"),
            ("{\"version\":2,\"request\":{\"obey\":{}}}\n", "E-CONTROL-VERSION"),
            ("nonsense\n", "E-CONTROL-REQUEST"),
            ("{\"version\":1,\"request\":{\"status\":{}}}", "E-CONTROL-LINE"),
        ];
        for (line, code) in cases {
            assert_eq!(codes(&said(line.as_bytes()).await), [code], "{line}");
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_cut_off_at_the_limit() {
        let endless = vec![b' '; MAX_REQUEST_BYTES + 1];
        assert_eq!(codes(&said(&endless).await), ["E-CONTROL-LINE"]);
    }

    #[tokio::test]
    async fn the_socket_has_its_mode_and_replaces_only_a_dead_one() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        let first = Listener::bind(&settings).unwrap();
        let mode = fs::metadata(&settings.path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert!(matches!(Listener::bind(&settings), Err(Error::InUse { .. })));
        // As after a crash: the file stays, nobody answers.
        let dead = folder.path().join("dead");
        fs::rename(&settings.path, &dead).unwrap();
        drop(first);
        fs::rename(&dead, &settings.path).unwrap();
        drop(Listener::bind(&settings).unwrap());
        fs::write(&settings.path, "precious").unwrap();
        assert!(matches!(Listener::bind(&settings), Err(Error::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&settings.path).unwrap(), "precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_mode_that_lets_everybody_in_is_refused() {
        let read = |text: &str| Mode::try_from(text.to_owned());
        assert_eq!(read("0600"), Ok(Mode(0o600)));
        assert!(read("0666").is_err() && read("rw").is_err() && read("7777").is_err());
    }

    #[test]
    fn an_answer_that_is_too_long_says_so() {
        let what = "x".repeat(MAX_RESPONSE_BYTES);
        let failure =
            Failure { code: String::new(), what, place: None, next: None, temporary: false };
        let line = encode(Response::Failed(failure));
        let reply: Reply = serde_json::from_slice(&line).unwrap();
        assert!(matches!(reply.response, Response::Failed(it) if it.code == "E-CONTROL-SIZE"));
    }
}
