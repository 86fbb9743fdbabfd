//! When the certificates of a channel's files end: ours, and those we trust.
//! A province issues a new one in weeks, so somebody should know before the day.

use std::path::PathBuf;

use jiff::Timestamp;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::credentials;
use super::error::Error;
use super::settings::Settings;

/// Whose certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holder {
    /// Ours, or one of its chain.
    Ours,
    /// An authority that we trust.
    Trusted,
}

/// A certificate file of a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// Whose.
    pub holder: Holder,
    /// The file.
    pub file: PathBuf,
    /// When the first certificate in it ends; `None` where none can be read.
    pub ends: Option<Timestamp>,
}

/// The certificate files that the settings name.
///
/// # Errors
///
/// A file that cannot be read.
pub fn certificates(settings: &Settings) -> Result<Vec<Certificate>, Error> {
    let files = [
        (Holder::Ours, "client certificate", &settings.client_certificate_file),
        (Holder::Trusted, "certificates to trust", &settings.ca_file),
    ];
    let mut list = Vec::new();
    for (holder, what, file) in files {
        let Some(file) = file else { continue };
        let pem = credentials::read(what, file, false)?;
        list.push(Certificate { holder, file: file.clone(), ends: first_end(&pem) });
    }
    Ok(list)
}

/// The earliest end among the certificates of a file.
fn first_end(pem: &[u8]) -> Option<Timestamp> {
    let blocks = Pem::iter_from_buffer(pem).filter_map(Result::ok);
    blocks.filter(|it| it.label == "CERTIFICATE").filter_map(|it| end(&it.contents)).min()
}

fn end(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 3, 1);
        parameters.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn the_first_to_end_counts_and_what_is_none_has_no_end() {
        let both = certificate(2031) + &certificate(2027);
        let end = "2027-03-01T00:00:00Z".parse().unwrap();
        assert_eq!(first_end(both.as_bytes()), Some(end));
        assert_eq!(
            first_end(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
            None
        );
        assert_eq!(first_end(b"no certificate at all"), None);
    }
}
