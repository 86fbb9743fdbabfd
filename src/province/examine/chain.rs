//! What is wrong with the certificates that a platform shows. Looks at nothing but what it is given.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

/// What is wrong with a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// It ended then.
    Expired(Timestamp),
    /// It begins then.
    Early(Timestamp),
    /// It is for these names.
    Name(Vec<String>),
    /// It is signed by itself and by nobody we trust.
    SelfSigned,
    /// Of this issuer, who is not shown, a relative is trusted.
    Chain(String),
    /// By this authority, which is not trusted.
    Authority(String),
    /// Too weak, and how.
    Weak(String),
    /// It is one of the commercial ciphers (国密), which rustls does not know.
    Shangmi,
    /// Something else, in the library's words.
    Other(String),
}

/// MD5 and SHA-1 under RSA and ECDSA (RFC 8017, RFC 3279).
const WEAK: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.2.840.113549.1.1.2", "MD2"),
];
/// SM2 with SM3 (GM/T 0006).
const SHANGMI: &str = "1.2.156.10197.1.501";
/// RSA below this is refused by every library of today.
const RSA_BITS: usize = 2048;

/// The first thing that is wrong with `shown`, leaf first, for `name` at `now`. Without `roots` it
/// is not judged who signed: the system's own store does that.
pub(super) fn judge(
    shown: &[CertificateDer<'_>],
    roots: Option<&Trusted>,
    name: &ServerName<'_>,
    now: Timestamp,
    provider: &Arc<CryptoProvider>,
) -> Option<Flaw> {
    let read: Vec<X509Certificate<'_>> =
        shown.iter().filter_map(|it| Some(X509Certificate::from_der(it).ok()?.1)).collect();
    let Some(leaf) = read.first().filter(|_| read.len() == shown.len()) else {
        return Some(Flaw::Other("cannot be read".to_owned()));
    };
    if let Some(flaw) = read.iter().find_map(|it| out_of_time(it, now)) {
        return Some(flaw);
    }
    if let Some(flaw) = read.iter().find_map(weak) {
        return Some(flaw);
    }
    // For itself alone, as if its own last certificate were trusted: whether the name is right.
    let own = shown.last().map(|it| Trusted::of(vec![it.clone().into_owned()]));
    if let Some(Err(error)) = own.map(|it| verified(shown, &it, name, now, provider))
        && let Some(names) = other_names(&error)
    {
        return Some(Flaw::Name(names));
    }
    let roots = roots?;
    let error = verified(shown, roots, name, now, provider).err()?;
    if let Some(names) = other_names(&error) {
        return Some(Flaw::Name(names));
    }
    let is_own = leaf.subject() == leaf.issuer();
    if is_own && !roots.has(shown) {
        return Some(Flaw::SelfSigned);
    }
    if matches!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) {
        return Some(unknown(&read, roots));
    }
    Some(Flaw::Other(error.to_string()))
}

/// Certificates to trust.
pub(super) struct Trusted {
    certificates: Vec<CertificateDer<'static>>,
}

impl Trusted {
    pub(super) fn of(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self { certificates }
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        let _counts = store.add_parsable_certificates(self.certificates.iter().cloned());
        store
    }

    fn has(&self, shown: &[CertificateDer<'_>]) -> bool {
        shown.first().is_some_and(|leaf| self.certificates.iter().any(|it| it == leaf))
    }

    /// Whether one of them has the name, or is of the same organisation.
    fn knows(&self, issuer: &X509Name<'_>) -> bool {
        let organisation = |name: &X509Name<'_>| {
            let mut all = name.iter_organization();
            all.next().and_then(|it| it.as_str().ok()).map(str::to_owned)
        };
        self.certificates.iter().any(|it| {
            X509Certificate::from_der(it).is_ok_and(|(_, it)| {
                let same = organisation(it.subject());
                it.subject() == issuer || (same.is_some() && same == organisation(issuer))
            })
        })
    }
}

fn verified(
    shown: &[CertificateDer<'_>],
    roots: &Trusted,
    name: &ServerName<'_>,
    now: Timestamp,
    provider: &Arc<CryptoProvider>,
) -> Result<(), rustls::Error> {
    let Some((leaf, rest)) = shown.split_first() else { return Ok(()) };
    let builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots.store()), Arc::clone(provider));
    let verifier = builder.build().map_err(|error| rustls::Error::General(error.to_string()))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier.verify_server_cert(leaf, rest, name, &[], now).map(drop)
}

fn other_names(error: &rustls::Error) -> Option<Vec<String>> {
    let rustls::Error::InvalidCertificate(wrong) = error else { return None };
    if let CertificateError::NotValidForNameContext { presented, .. } = wrong {
        return Some(presented.iter().take(10).map(|name| plain_name(name)).collect());
    }
    matches!(wrong, CertificateError::NotValidForName).then(Vec::new)
}

/// `DnsName("a")` as `a`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

/// No way up to a trusted one: whose is the last that is shown?
fn unknown(read: &[X509Certificate<'_>], roots: &Trusted) -> Flaw {
    let Some(last) = read.last() else { return Flaw::Authority(String::new()) };
    let issuer = last.issuer().to_string();
    if last.issuer() != last.subject() && roots.knows(last.issuer()) {
        Flaw::Chain(issuer)
    } else {
        Flaw::Authority(issuer)
    }
}

fn out_of_time(certificate: &X509Certificate<'_>, now: Timestamp) -> Option<Flaw> {
    let (begins, ends) = validity(certificate)?;
    if ends < now {
        return Some(Flaw::Expired(ends));
    }
    (now < begins).then_some(Flaw::Early(begins))
}

pub(super) fn validity(certificate: &X509Certificate<'_>) -> Option<(Timestamp, Timestamp)> {
    let validity = certificate.validity();
    let moment = |seconds: i64| Timestamp::from_second(seconds).ok();
    Some((moment(validity.not_before.timestamp())?, moment(validity.not_after.timestamp())?))
}

fn weak(certificate: &X509Certificate<'_>) -> Option<Flaw> {
    let signed = certificate.signature_algorithm.algorithm.to_id_string();
    if signed == SHANGMI {
        return Some(Flaw::Shangmi);
    }
    // Nobody checks the signature of a root, which is its own.
    let is_root = certificate.subject() == certificate.issuer();
    let hash = WEAK.iter().find(|(oid, _)| *oid == signed && !is_root);
    if let Some((_, hash)) = hash {
        return Some(Flaw::Weak((*hash).to_owned()));
    }
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < RSA_BITS => {
            Some(Flaw::Weak(format!("RSA {}", key.key_size())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn judged(pem: &str, roots: &str, name: &str, now: &str) -> Option<Flaw> {
        let read = |pem: &str| {
            let all = CertificateDer::pem_slice_iter(pem.as_bytes());
            all.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let roots = Trusted::of(read(roots));
        judge(&read(pem), Some(&roots), &name, now.parse().unwrap(), &provider)
    }

    #[test]
    fn what_libraries_refuse_as_too_weak_is_named() {
        let rsa = include_str!("../../../tests/it/doctor/weak-rsa.pem");
        let day = "2030-01-01T00:00:00Z";
        assert_eq!(judged(rsa, rsa, "weak", day), Some(Flaw::Weak("RSA 1024".to_owned())));
        let old = include_str!("../../../tests/it/doctor/old-leaf.pem");
        let root = include_str!("../../../tests/it/doctor/old-root.pem");
        assert_eq!(judged(old, root, "localhost", day), Some(Flaw::Weak("SHA-1".to_owned())));
    }

    #[test]
    fn time_is_judged_before_names_and_names_before_trust() {
        let authority = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(2026, 1, 1);
            params.not_after = rcgen::date_time_ymd(2027, 1, 1);
            params.self_signed(&key).unwrap().pem()
        };
        let (shown, other) = (authority("a.gov.cn"), authority("b.gov.cn"));
        let day = "2026-06-01T00:00:00Z";
        let late = judged(&shown, &other, "c.gov.cn", "2028-01-01T00:00:00Z");
        assert!(matches!(late, Some(Flaw::Expired(_))), "{late:?}");
        let early = judged(&shown, &other, "c.gov.cn", "2025-01-01T00:00:00Z");
        assert!(matches!(early, Some(Flaw::Early(_))), "{early:?}");
        let named = judged(&shown, &other, "c.gov.cn", day);
        assert_eq!(named, Some(Flaw::Name(vec!["a.gov.cn".to_owned()])));
        assert_eq!(judged(&shown, &other, "a.gov.cn", day), Some(Flaw::SelfSigned));
        assert_eq!(judged(&shown, &shown, "a.gov.cn", day), None);
    }

    #[test]
    fn an_alternative_name_is_shown_as_people_write_it() {
        assert_eq!(plain_name("DnsName(\"a.gov.cn\")"), "a.gov.cn");
        assert_eq!(plain_name("10.0.0.1"), "10.0.0.1");
    }
}
