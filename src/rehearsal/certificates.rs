//! Certificates for a rehearsal: an authority, a server, a client, and a server nobody trusts.
//!
//! Authority and leaves have different names, because some verifiers take a leaf with its issuer's
//! name for a self-signed one.

use std::error::Error as StdError;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use super::Error;

/// A certificate chain and its key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// The leaf's certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Identity(***)")
    }
}

/// Everything a rehearsal on loopback needs, PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority both sides trust.
    pub authority: String,
    /// The platform's identity, for `localhost`, `127.0.0.1` and `::1`.
    pub server: Identity,
    /// The city's identity.
    pub client: Identity,
    /// An identity for the same names by an authority nobody trusts.
    pub stranger: Identity,
}

impl Certificates {
    /// Makes new keys and certificates.
    pub fn generate() -> Result<Self, Error> {
        let (authority, issuer) = authority("Rehearsal Authority")?;
        let (_, other) = authority_of_strangers()?;
        Ok(Self {
            authority,
            server: leaf(&issuer, "rehearsal platform", ExtendedKeyUsagePurpose::ServerAuth)?,
            client: leaf(&issuer, "rehearsal city", ExtendedKeyUsagePurpose::ClientAuth)?,
            stranger: leaf(&other, "stranger", ExtendedKeyUsagePurpose::ServerAuth)?,
        })
    }
}

fn authority_of_strangers() -> Result<(String, Issuer<'static, KeyPair>), Error> {
    authority("Authority Nobody Trusts")
}

fn authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>), Error> {
    let key = KeyPair::generate().map_err(|source| failed("make the authority's key", source))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate =
        params.self_signed(&key).map_err(|source| failed("sign the authority", source))?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}

fn leaf(
    issuer: &Issuer<'static, KeyPair>,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<Identity, Error> {
    let key = KeyPair::generate().map_err(|source| failed("make a key", source))?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])
        .map_err(|source| failed("name a certificate", source))?;
    params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()));
    params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()));
    params.distinguished_name = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    let certificate =
        params.signed_by(&key, issuer).map_err(|source| failed("sign a certificate", source))?;
    Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn failed(operation: &'static str, source: impl StdError + Send + Sync + 'static) -> Error {
    Error::Certificates { operation, source: Box::new(source) }
}
