//! Whether a channel has everything that its standard asks for, before anything is opened.

use std::collections::BTreeSet;

use super::credentials::Credentials;
use super::error::Error;
use super::request::key_of;
use super::signer::Signers;
use crate::signing::{self, Algorithm, Form};
use crate::standard::Standard;
use crate::standard::settings::Sign;

/// What a request for a token is called where an operation's name is meant.
pub(super) const TOKEN: &str = "token";

/// Refuses a standard that this build cannot speak, credentials that are missing, signers that
/// nothing asks for, and keys that cannot sign.
pub(super) fn check(
    standard: &Standard,
    credentials: &Credentials,
    signers: &Signers,
) -> Result<(), Error> {
    let settings = standard.settings();
    if settings.http.media == "tables" {
        let what = "tables instead of HTTP".to_owned();
        return Err(Error::Unsupported { what });
    }
    if let Some(one) = standard.operations().iter().find(|it| it.body == "multipart") {
        let what = format!("a multipart body in `{}`", one.name);
        return Err(Error::Unsupported { what });
    }
    let signing = keys_that_sign(standard);
    if let Some(name) = signers.names().find(|name| !signing.contains(*name)) {
        let reason = "the standard signs with no credential of this name";
        return Err(Error::Signer { name: name.to_owned(), reason });
    }
    let needed = wanted_credentials(standard);
    let is_there = |name: &str| credentials.get(name).is_some();
    let is_outside = |name: &String| signers.get(name).is_some();
    let mut missing: BTreeSet<String> = needed.into_iter().filter(|name| !is_there(name)).collect();
    missing.extend(signing.into_iter().filter(|name| !is_there(name) && !is_outside(name)));
    if !missing.is_empty() {
        return Err(Error::Credentials { missing: missing.into_iter().collect() });
    }
    settings.sign.as_ref().map_or(Ok(()), |sign| check_key(sign, credentials, signers))
}

/// A key that cannot sign is found now rather than by the first batch.
fn check_key(sign: &Sign, credentials: &Credentials, signers: &Signers) -> Result<(), Error> {
    let Some(name) = sign.key.strip_prefix("credential.") else { return Ok(()) };
    let Some(algorithm) = Algorithm::parse(&sign.algorithm) else { return Ok(()) };
    let Some(secret) = credentials.get(name).filter(|_| signers.get(name).is_none()) else {
        return Ok(());
    };
    let form = Form::parse(&sign.form).unwrap_or_default();
    let tried = signing::sign(algorithm, key_of(sign, algorithm, form, secret), [&b""[..]]);
    tried.map(drop).map_err(|_cause| Error::Key {
        credential: sign.key.clone(),
        reason: "not a private key in PKCS #8 and PEM on the curve of SM2",
    })
}

/// The credentials that sign, and that a signer outside may stand in for.
fn keys_that_sign(standard: &Standard) -> BTreeSet<String> {
    let settings = standard.settings();
    let Some(sign) = &settings.sign else { return BTreeSet::new() };
    let keys = [sign.key.as_str(), settings.auth.as_ref().map_or("", |auth| auth.key.as_str())];
    keys.iter().filter_map(|key| key.strip_prefix("credential.")).map(str::to_owned).collect()
}

/// The other credentials that the standard's tables and templates name.
fn wanted_credentials(standard: &Standard) -> BTreeSet<String> {
    let settings = standard.settings();
    let mut wanted = BTreeSet::new();
    let operations: Vec<&str> =
        standard.operations().iter().map(|operation| operation.name.as_str()).collect();
    let auth = settings.auth.as_ref();
    let asked: Vec<&String> =
        auth.iter().flat_map(|auth| auth.form.values().chain(auth.request.values())).collect();
    let is_signed = asked.iter().any(|template| template.contains("{signature}"));
    let over: Vec<&String> = settings.sign.iter().flat_map(|sign| &sign.over).collect();
    let carried = auth.iter().flat_map(|auth| auth.headers.values());
    let sent = settings.http.headers.values().chain(carried).chain(over.iter().copied());
    add(&mut wanted, sent, &operations);
    add(&mut wanted, asked, &[TOKEN]);
    if is_signed {
        add(&mut wanted, over, &[TOKEN]);
    }
    let mut words: Vec<&str> = Vec::new();
    if let Some(auth) = auth {
        words.extend([auth.user.as_str(), auth.password.as_str()]);
        // What opens the answer is needed here, whoever signs.
        words.extend(Some(auth.key.as_str()).filter(|_| !auth.decrypt.is_empty()));
    }
    if let Some(encrypt) = &settings.encrypt {
        words.extend([encrypt.key.as_str(), encrypt.iv.as_str()]);
    }
    let rows = standard.tables().messages.values().flatten();
    words.extend(rows.map(|row| row.value.as_str()));
    let named = words.into_iter().filter_map(|word| word.strip_prefix("credential."));
    wanted.extend(named.map(str::to_owned));
    wanted
}

/// The credentials of templates; `NAME.*` is one for each operation.
fn add<'a>(
    wanted: &mut BTreeSet<String>,
    templates: impl IntoIterator<Item = &'a String>,
    operations: &[&str],
) {
    for template in templates {
        let words = template.split("{credential.").skip(1);
        for name in words.filter_map(|rest| rest.split_once('}').map(|(name, _)| name.trim())) {
            match name.strip_suffix(".*") {
                Some(start) => wanted.extend(operations.iter().map(|it| format!("{start}.{it}"))),
                None => {
                    wanted.insert(name.to_owned());
                }
            }
        }
    }
}
