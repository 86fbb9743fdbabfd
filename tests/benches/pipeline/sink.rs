//! The other end: takes what comes over TLS, parses nothing, hashes it, makes a line per batch
//! durable and gives a receipt. In a process of its own, so that its work is nobody else's.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Body;
use axum::http::{Request, Response};
use cascaded::rehearsal::certificates::{Certificates, Identity};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

#[path = "../../it/support/tls.rs"]
mod tls;

/// Where rows go; everything else is the catalogue's.
const ROWS: &str = "/cascade/v1/rows";
/// What a request that is not of rows is answered with, by the end of its path.
const SAMPLES: &[(&str, &str)] = &[
    ("/state", "entry.state"),
    ("/receipt", "batch.receipt.absent"),
    ("/inventory/datasets", "inventory.datasets"),
    ("/inventory/keys", "inventory.keys"),
    ("/inventory/objects", "inventory.objects"),
    ("/heartbeat", "heartbeat"),
    ("/modify", "entry.modify"),
    ("/cancel", "entry.cancel"),
];

/// Where the sink notes how long rows with a [`STAMP`] took.
pub(crate) const MOMENTS: &str = "moments";
/// What stands before the moment of a change, in microseconds since 1970, within a row.
pub(crate) const STAMP: &str = "stamp";
/// Digits of such a moment, from 2001 to 2286.
const DIGITS: usize = 16;

/// Bytes in which a whole stamp has no room.
const SEAM: usize = STAMP.len() + DIGITS - 1;

/// The moments that a body names.
#[derive(Default)]
struct Stamps {
    found: Vec<u64>,
    /// The last bytes of what was seen: a stamp may lie across two frames.
    tail: Vec<u8>,
}

impl Stamps {
    fn look(&mut self, frame: &[u8]) {
        let mut seam = std::mem::take(&mut self.tail);
        let begun = seam.len();
        seam.extend_from_slice(frame.get(..SEAM).unwrap_or(frame));
        self.gather(&seam, begun);
        self.gather(frame, frame.len());
        let last = if frame.len() < SEAM { &seam } else { frame };
        self.tail = last.get(last.len().saturating_sub(SEAM)..).unwrap_or_default().to_vec();
    }

    /// Stamps that begin before `end`.
    fn gather(&mut self, bytes: &[u8], end: usize) {
        for at in memchr::memmem::find_iter(bytes, STAMP).take_while(|at| *at < end) {
            let digits = bytes.get(at + STAMP.len()..at + STAMP.len() + DIGITS);
            let digits = digits.and_then(|it| std::str::from_utf8(it).ok());
            self.found.extend(digits.and_then(|it| it.parse::<u64>().ok()));
        }
    }
}

struct Sink {
    journal: Mutex<File>,
    /// How long after their change rows have their receipt, in microseconds.
    moments: Mutex<File>,
    samples: PathBuf,
    count: AtomicU64,
}

/// Runs until it is ended; prints its address first.
pub(crate) async fn run(folder: &Path, samples: &Path) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let identity = Identity { certificate: read("server.pem"), key: read("server.key") };
    let (listener, acceptor, address) = tls::listen(&identity).await;
    println!("https://{address}");
    let open = |name: &str| {
        let file = OpenOptions::new().create(true).append(true).open(folder.join(name));
        Mutex::new(file.unwrap())
    };
    let sink = Arc::new(Sink {
        journal: open("journal"),
        moments: open(MOMENTS),
        samples: samples.to_owned(),
        count: AtomicU64::new(0),
    });
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (acceptor, sink) = (acceptor.clone(), Arc::clone(&sink));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request| answer(Arc::clone(&sink), request));
            let served = hyper::server::conn::http1::Builder::new();
            drop(served.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// Writes what a sink needs into `folder`.
pub(crate) fn prepare(folder: &Path, certificates: &Certificates) {
    std::fs::write(folder.join("server.pem"), &certificates.server.certificate).unwrap();
    std::fs::write(folder.join("server.key"), &certificates.server.key).unwrap();
}

async fn answer(sink: Arc<Sink>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    let (mut hash, mut bytes, mut stamps) = (Context::new(&SHA256), 0_u64, Stamps::default());
    while let Some(frame) =
        std::future::poll_fn(|it| std::pin::Pin::new(&mut body).poll_frame(it)).await
    {
        let Ok(frame) = frame else { break };
        if let Some(data) = frame.data_ref() {
            hash.update(data);
            stamps.look(data);
            bytes += u64::try_from(data.len()).unwrap();
        }
    }
    let digest = hash.finish();
    let number = sink.count.fetch_add(1, Ordering::Relaxed);
    let text = if path == ROWS {
        let noted = Arc::clone(&sink);
        let line = tokio::task::spawn_blocking(move || {
            let mut journal = noted.journal.lock().unwrap();
            writeln!(journal, "{number} {bytes} {digest:?}").unwrap();
            journal.sync_data().unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
            let told = |it: u64| format!("{}\n", now.saturating_sub(u128::from(it)));
            let lines: String = stamps.found.into_iter().map(told).collect();
            noted.moments.lock().unwrap().write_all(lines.as_bytes()).unwrap();
        });
        line.await.unwrap();
        reply(&format!("<Receipt id=\"R-{number}\"/>"))
    } else if path.ends_with("/register") {
        reply(&format!("<UpperId>P-{number}</UpperId><State>20</State>"))
    } else {
        let known = SAMPLES.iter().find(|(end, _)| path.ends_with(end));
        let sample = known.unwrap_or_else(|| panic!("nobody answers {path}")).1;
        std::fs::read_to_string(sink.samples.join(format!("{sample}.reply.xml"))).unwrap()
    };
    Ok(Response::builder()
        .header("content-type", "application/xml")
        .body(Body::from(text))
        .unwrap())
}

fn reply(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <Reply xmlns=\"urn:cascaded:model:reference-xml:1.0\"><Code>0000</Code>{content}</Reply>"
    )
}
