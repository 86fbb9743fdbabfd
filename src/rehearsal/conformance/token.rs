//! What `[auth]` demands before the first test: a token that every request carries, or a secret
//! that signs them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::access::{self, Auth, TOKEN};
use super::super::directory::{Directory, Sign};
use super::super::signature::{self, Signed};
use super::super::tree::{self, Path};
use super::client::{Client, Prepared, filled, names};
use super::compose::form;
use super::words::{City, time};

impl Client {
    /// Fetches what lets the city in, where the standard has such a thing. A secret becomes the
    /// credential `token`, by which the standard's signature names it.
    pub(super) async fn enter(
        &mut self,
        directory: &Directory,
        city: &mut City,
    ) -> Result<(), String> {
        let Some(auth) = directory.auth.as_ref().filter(|auth| auth.kind != "basic") else {
            return Ok(());
        };
        let (status, _, body) = self.exchange(&asked(auth, directory, city)?).await?;
        if status != 200 {
            return Err(format!("the request for a token was answered with HTTP {status}"));
        }
        let answer = tree::read(directory.media, &body)?;
        let path = Path::parse(directory.media, &auth.token);
        let told = path.texts(&answer, &directory.spaces).first().map(|text| (*text).to_owned());
        let told = told.ok_or("the answer to the request for a token holds none")?;
        let key = credential(&auth.key, city);
        let token = match auth.decrypt.as_str() {
            "" => told,
            _ => access::revealed(&key, &told).ok_or("the secret cannot be opened")?,
        };
        city.credentials.insert(TOKEN.to_owned(), token.clone());
        self.token = Some(token);
        Ok(())
    }

    /// The headers by which a request is let in.
    pub(super) fn lets_in(
        &self,
        directory: &Directory,
        city: &City,
    ) -> Result<Vec<(String, String)>, String> {
        let Some(auth) = &directory.auth else { return Ok(Vec::new()) };
        if auth.kind == "basic" {
            let pair =
                format!("{}:{}", credential(&auth.user, city), credential(&auth.password, city));
            return Ok(vec![(
                "Authorization".to_owned(),
                format!("Basic {}", STANDARD.encode(pair)),
            )]);
        }
        let token = self.token.clone().unwrap_or_default();
        let words = BTreeMap::from([(TOKEN.to_owned(), token)]);
        let headers = auth.headers.iter();
        headers.map(|(name, template)| Ok((name.clone(), filled(template, &words)?))).collect()
    }
}

fn credential(word: &str, city: &City) -> String {
    let name = word.strip_prefix("credential.").unwrap_or(word);
    city.credentials.get(name).cloned().unwrap_or_default()
}

/// The request for a token.
fn asked(auth: &Auth, directory: &Directory, city: &City) -> Result<Prepared, String> {
    let templates = auth.form.values().chain(auth.request.values());
    let over = directory.sign.iter().flat_map(|sign| sign.over.iter());
    let mut words = BTreeMap::new();
    for name in templates.chain(over).flat_map(|template| names(template)) {
        if let Some(format) = name.strip_prefix("attempt.time") {
            words.insert(name.to_owned(), time(city.now, format.trim(), &city.zone));
        }
    }
    words.insert("attempt.nonce".to_owned(), city.nonce.clone());
    signature::complete(&mut words, &city.credentials, TOKEN);
    if let Some(sign) = &directory.sign {
        let own = Directory {
            sign: Some(Sign { key: auth.key.clone(), ..sign.clone() }),
            ..directory.clone()
        };
        let (method, path) = ("POST", auth.path.as_str());
        let signed = Signed { method, path, operation: TOKEN, body: b"", fields: None };
        if let Some(text) = signature::sign(&own, &words, &signed, &city.credentials)? {
            words.insert("signature".to_owned(), text);
        }
    }
    let pairs = |templates: &BTreeMap<String, String>| -> Result<Vec<(String, String)>, String> {
        let filled = templates.iter().map(|(name, it)| Ok((name.clone(), filled(it, &words)?)));
        filled.collect()
    };
    let fields = pairs(&auth.form)?;
    let (media, body) = match auth.body.as_str() {
        "json" => {
            let fields: BTreeMap<String, String> = fields.into_iter().collect();
            let body = serde_json::to_vec(&fields).map_err(|error| error.to_string())?;
            ("application/json", body)
        }
        _ => ("application/x-www-form-urlencoded", form(&fields).into_bytes()),
    };
    let request = Prepared {
        method: "POST".to_owned(),
        path: auth.path.clone(),
        headers: pairs(&auth.request)?,
        plain: body.clone(),
        body,
        ..Prepared::default()
    };
    Ok(request.header("Content-Type", media))
}
