//! Messages to a receiver: one lot at a time, and what it has of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Address, Settings};

/// For connecting, for each datagram, and for each step of a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a receiver may say, which nobody asked it to.
const MOST_SAID: usize = 64 << 10;

/// Why the receiver does not have them all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificates to trust cannot be read.
    #[error("the certificates to trust cannot be used")]
    Trust(#[source] crate::sql::Error),
    /// The host's name is none.
    #[error("the receiver's host is not a name that a certificate can have")]
    Name,
    /// It cannot be reached, or broke off.
    #[error("the receiver did not take it: {step}")]
    Io {
        /// In what.
        step: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It takes too long.
    #[error("the receiver did not take it in time: {0}")]
    Late(&'static str),
    /// It speaks, and not as a receiver does.
    #[error("the receiver speaks where it should only listen")]
    Talks,
}

/// Sends lots of messages to one receiver.
#[derive(Clone)]
pub struct Sender {
    to: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sender").field("to", &self.to).finish_non_exhaustive()
    }
}

impl Sender {
    /// Reads the certificates. Connects nowhere. Blocking work.
    ///
    /// # Errors
    /// The certificates cannot be read, or the host cannot be named by one.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let tls = match (&settings.to, &settings.ca_file) {
            (Address::Tls { host, .. }, Some(path)) => {
                let trusting = crate::sql::trusting(path).map_err(Error::Trust)?;
                let name = ServerName::try_from(host.clone()).map_err(|_no_name| Error::Name)?;
                Some((TlsConnector::from(Arc::new(trusting)), name))
            }
            (Address::Tls { .. } | Address::Unix(_) | Address::Tcp { .. }, _) => None,
        };
        Ok(Self { to: settings.to.clone(), tls })
    }

    /// Sends a lot: how many of its messages the receiver has for certain, from the first on, and
    /// why it does not have the others. Cancel-safe: no; the same is then sent again.
    pub async fn send(&self, lot: &[Vec<u8>]) -> (usize, Result<(), Error>) {
        match (&self.to, &self.tls) {
            (Address::Unix(path), _) => datagrams(path, lot).await,
            (Address::Tcp { host, port }, _) => {
                let sent = async { stream(connect(host, *port).await?, lot).await };
                all_or_none(sent.await, lot)
            }
            (Address::Tls { host, port }, Some((connector, name))) => {
                let sent = async {
                    let plain = connect(host, *port).await?;
                    let sealed = connector.connect(name.clone(), plain);
                    stream(patiently("greeting it", sealed).await?, lot).await
                };
                all_or_none(sent.await, lot)
            }
            (Address::Tls { .. }, None) => (0, Err(Error::Name)),
        }
    }
}

fn all_or_none(sent: Result<(), Error>, lot: &[Vec<u8>]) -> (usize, Result<(), Error>) {
    (if sent.is_ok() { lot.len() } else { 0 }, sent)
}

/// One datagram each: the kernel says whether it lies with the receiver.
async fn datagrams(path: &Path, lot: &[Vec<u8>]) -> (usize, Result<(), Error>) {
    let failed = |step| move |source| Error::Io { step, source };
    let socket = UnixDatagram::unbound().map_err(failed("making a socket"));
    let socket =
        match socket.and_then(|it| it.connect(path).map(|()| it).map_err(failed("connecting"))) {
            Ok(socket) => socket,
            Err(error) => return (0, Err(error)),
        };
    for (sent, message) in lot.iter().enumerate() {
        if let Err(error) = patiently("writing", socket.send(message)).await {
            return (sent, Err(error));
        }
    }
    (lot.len(), Ok(()))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, Error> {
    patiently("connecting", TcpStream::connect((host, port))).await
}

/// Octet counting: each message after its length. Then our side is closed, and the receiver closes
/// its own once it has read to there: a broken connection is an error instead.
async fn stream(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    lot: &[Vec<u8>],
) -> Result<(), Error> {
    for message in lot {
        let head = format!("{} ", message.len());
        patiently("writing", stream.write_all(head.as_bytes())).await?;
        patiently("writing", stream.write_all(message)).await?;
    }
    patiently("writing", stream.shutdown()).await?;
    let mut said = [0; 1_024];
    let mut bytes = 0;
    loop {
        match patiently("waiting for it to close", stream.read(&mut said)).await? {
            0 => return Ok(()),
            read => bytes += read,
        }
        if bytes > MOST_SAID {
            return Err(Error::Talks);
        }
    }
}

async fn patiently<T>(
    step: &'static str,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Error> {
    match timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(|source| Error::Io { step, source }),
        Err(_late) => Err(Error::Late(step)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn sender(to: &str) -> Sender {
        let to = Address::try_from(to.to_owned()).unwrap();
        Sender::new(&Settings { to, ca_file: None }).unwrap()
    }

    fn lot() -> Vec<Vec<u8>> {
        vec![b"<109>1 one".to_vec(), "<109>1 二".as_bytes().to_vec()]
    }

    /// What a receiver does with a connection.
    async fn received(reads: usize, closes: bool) -> (usize, bool, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; reads];
            let mut seen = 0;
            while seen < reads {
                match stream.read(&mut bytes[seen..]).await.unwrap() {
                    0 => break,
                    read => seen += read,
                }
            }
            bytes.truncate(seen);
            if !closes {
                // Unread bytes at the end of a process are a reset.
                stream.set_zero_linger().unwrap();
            }
            drop(stream);
            bytes
        };
        let sender = sender(&format!("tcp://127.0.0.1:{port}"));
        let lot = lot();
        let ((taken, result), bytes) = tokio::join!(sender.send(&lot), receiver);
        (taken, result.is_ok(), bytes)
    }

    #[tokio::test]
    async fn a_lot_is_taken_when_the_receiver_has_read_to_its_end() {
        let (taken, is_ok, bytes) = received(1_000, true).await;
        assert_eq!((taken, is_ok), (2, true));
        assert_eq!(bytes, "10 <109>1 one10 <109>1 二".as_bytes());
    }

    #[tokio::test]
    async fn a_receiver_that_breaks_off_has_nothing() {
        let (taken, is_ok, bytes) = received(5, false).await;
        assert_eq!((taken, is_ok, bytes.len()), (0, false, 5));
    }

    #[tokio::test]
    async fn datagrams_count_one_by_one_and_nobody_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let sender = sender(&format!("unix://{}", path.display()));
        let (taken, result) = sender.send(&lot()).await;
        assert!(taken == 0 && result.is_err());
        let receiver = UnixDatagram::bind(&path).unwrap();
        let (taken, result) = sender.send(&lot()).await;
        assert_eq!(taken, 2);
        result.unwrap();
        let mut bytes = [0; 100];
        for sent in lot() {
            let read = receiver.recv(&mut bytes).await.unwrap();
            assert_eq!(bytes[..read], sent);
        }
    }
}
