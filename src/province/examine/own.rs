//! Our certificate and its key, and the certificates that we trust: what is wrong with the files
//! before anybody is shown them.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::chain::validity;
use super::{Identity, Provider};
use crate::province::credentials;
use crate::province::settings::Settings;

/// What is wrong with our certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OwnFlaw {
    /// The key is not the certificate's.
    Key,
    /// It ended then.
    Expired(Timestamp),
    /// It begins then.
    Early(Timestamp),
    /// It has purposes, and that of a client is not among them.
    Use,
}

/// What is wrong with our certificate, where one is configured and its files can be read: what
/// cannot be read the channel's own client says.
pub fn own(settings: &Settings, now: Timestamp) -> Option<OwnFlaw> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (chain, key) = files(settings)?;
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    let purposes = leaf.extended_key_usage().ok().flatten();
    let is_for_clients = purposes.is_none_or(|it| it.value.client_auth || it.value.any);
    let times = validity(&leaf);
    let certified = CertifiedKey::from_der(chain.clone(), key, &provider);
    if let Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) = certified {
        return Some(OwnFlaw::Key);
    }
    match times {
        Some((_, ends)) if ends < now => Some(OwnFlaw::Expired(ends)),
        Some((begins, _)) if now < begins => Some(OwnFlaw::Early(begins)),
        _ if !is_for_clients => Some(OwnFlaw::Use),
        _ => None,
    }
}

/// Our certificate with its key, where both can be used.
pub(super) fn key(settings: &Settings, provider: &Provider) -> Option<Identity> {
    let (chain, key) = files(settings)?;
    CertifiedKey::from_der(chain, key, provider).ok().map(Arc::new)
}

fn files(settings: &Settings) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificates(settings.client_certificate_file.as_ref()?)?;
    let path = settings.client_key_file.as_ref()?;
    let key = zeroize::Zeroizing::new(credentials::read("client key", path, true).ok()?);
    Some((chain, PrivateKeyDer::from_pem_slice(&key).ok()?))
}

/// The certificates of a file; `None` where it has none.
pub(super) fn certificates(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let pem = credentials::read("certificates", path, false).ok()?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    (!all.is_empty()).then_some(all)
}
