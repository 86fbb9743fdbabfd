//! The other end: takes what comes over TLS, parses nothing, hashes it, makes a line per batch
//! durable and gives a receipt. In a process of its own, so that its work is nobody else's.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

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

struct Sink {
    journal: Mutex<File>,
    samples: PathBuf,
    count: AtomicU64,
}

/// Runs until it is ended; prints its address first.
pub(crate) async fn run(folder: &Path, samples: &Path) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let identity = Identity { certificate: read("server.pem"), key: read("server.key") };
    let (listener, acceptor, address) = tls::listen(&identity).await;
    println!("https://{address}");
    let journal =
        OpenOptions::new().create(true).append(true).open(folder.join("journal")).unwrap();
    let sink = Arc::new(Sink {
        journal: Mutex::new(journal),
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
    let (mut hash, mut bytes) = (Context::new(&SHA256), 0_u64);
    while let Some(frame) =
        std::future::poll_fn(|it| std::pin::Pin::new(&mut body).poll_frame(it)).await
    {
        let Ok(frame) = frame else { break };
        if let Some(data) = frame.data_ref() {
            hash.update(data);
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
