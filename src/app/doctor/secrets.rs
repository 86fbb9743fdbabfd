//! The files of secrets: whether they are there, whose they are, and what editors left in them.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::code::Code;
use super::finding::Found;
use crate::config::Configuration;
use crate::ledger::seal::Sealer;
use crate::province;

/// What is read of a secret to judge its form.
const READ_BYTES: u64 = 64 << 10;

/// Who else may read a secret: as strict as whoever reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Privacy {
    /// Owner and group may (systemd's credentials).
    Group,
    /// The owner alone may.
    Owner,
}

/// A secret and its place in the configuration.
pub(super) struct Secret {
    pub(super) place: String,
    path: PathBuf,
    privacy: Privacy,
    is_key: bool,
}

/// What was seen of a file.
#[derive(Debug)]
enum Seen {
    Missing(String),
    Mode(u32, Form),
}

/// What a secret's bytes look like; the bytes themselves are forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Plain,
    Empty,
    Mark,
    Blanks,
    Lines,
    Key(bool),
}

/// Every secret that the configuration names, those of channels aside.
pub(super) fn of(configuration: &Configuration, has_ledger: bool) -> Vec<Secret> {
    let secret = |place: String, path: &Path, privacy| {
        let path = path.to_owned();
        Secret { place, path, privacy, is_key: false }
    };
    let mut all = Vec::new();
    let ledger = &configuration.ledger;
    if has_ledger {
        let key = secret("ledger.key_file".to_owned(), &ledger.key_file, Privacy::Group);
        all.push(Secret { is_key: true, ..key });
    }
    for source in &configuration.sources {
        let place = format!("source.{}.password_file", source.id());
        let path = source.password_file();
        all.extend(path.map(|path| secret(place, path, Privacy::Owner)));
    }
    for it in &configuration.probes {
        let place = format!("probe.{}.authorization_file", it.id);
        let path = it.authorization_file.as_deref();
        all.extend(path.map(|path| secret(place, path, Privacy::Group)));
    }
    all
}

/// The secrets of a way to a platform.
pub(super) fn of_way(place: &str, settings: &province::Settings) -> Vec<Secret> {
    let named = settings.credentials.iter();
    let credentials = named.map(|(name, path)| (format!("credentials.{name}"), path));
    let key = settings.client_key_file.iter().map(|path| ("client_key_file".to_owned(), path));
    let proxy = settings.proxy_credentials_file.iter();
    let proxy = proxy.map(|path| ("proxy_credentials_file".to_owned(), path));
    let inbox = settings.inbox.iter().filter_map(|it| it.password_file.as_ref());
    let inbox = inbox.map(|path| ("inbox.password_file".to_owned(), path));
    let files = credentials.chain(key).chain(proxy).chain(inbox);
    files
        .map(|(name, path)| Secret {
            place: format!("{place}.{name}"),
            path: path.clone(),
            privacy: Privacy::Group,
            is_key: false,
        })
        .collect()
}

impl Secret {
    /// Looks at the file and says how it is. Blocking work.
    pub(super) fn examine(&self) -> Found {
        judge(self, &self.look())
    }

    fn look(&self) -> Seen {
        let about = match std::fs::metadata(&self.path) {
            Ok(about) if about.is_file() => about,
            Ok(_) => return Seen::Missing("not a file".to_owned()),
            Err(error) => return Seen::Missing(error.kind().to_string()),
        };
        match self.form() {
            Ok(form) => Seen::Mode(mode(&about), form),
            Err(error) => Seen::Missing(error.kind().to_string()),
        }
    }

    fn form(&self) -> std::io::Result<Form> {
        if self.is_key {
            let is_empty = std::fs::metadata(&self.path)?.len() == 0;
            let is_right = Sealer::from_key_file(&self.path).is_ok();
            return Ok(if is_empty { Form::Empty } else { Form::Key(is_right) });
        }
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(&self.path)?.take(READ_BYTES).read_to_end(&mut bytes)?;
        Ok(form(&bytes))
    }

    /// systemd guards its credentials by their folder.
    fn is_guarded(&self) -> bool {
        std::env::var_os("CREDENTIALS_DIRECTORY")
            .is_some_and(|folder| !folder.is_empty() && self.path.starts_with(folder))
    }
}

fn mode(about: &Metadata) -> u32 {
    about.permissions().mode() & 0o777
}

/// What a secret's bytes look like.
fn form(bytes: &[u8]) -> Form {
    if bytes.starts_with(&[0xef, 0xbb, 0xbf])
        || bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
    {
        return Form::Mark;
    }
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    let bytes = bytes.get(..end).unwrap_or_default();
    let is_pem = bytes.starts_with(b"-----BEGIN");
    let is_blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    match () {
        () if bytes.trim_ascii().is_empty() => Form::Empty,
        // Anything may stand in a key that is no text.
        () if is_pem || std::str::from_utf8(bytes).is_err() => Form::Plain,
        () if bytes.contains(&b'\n') || bytes.contains(&b'\r') => Form::Lines,
        () if is_blank(bytes.first()) || is_blank(bytes.last()) => Form::Blanks,
        () => Form::Plain,
    }
}

fn judge(secret: &Secret, seen: &Seen) -> Found {
    let place = format!("{} {}", secret.place, secret.path.display());
    let place_zh = format!("密钥 {place}");
    let place = format!("secret {place}");
    let of =
        |code, seen: &str, seen_zh: &str| Found::of(code, [&place, &place_zh], [seen, seen_zh]);
    let (mode, form) = match seen {
        Seen::Missing(why) => return of(Code::SecretMissing, why, why),
        Seen::Mode(mode, form) => (*mode, *form),
    };
    let told = format!("mode {mode:04o}");
    let others = match secret.privacy {
        Privacy::Group => 0o007,
        Privacy::Owner => 0o077,
    };
    if mode & others != 0 && !secret.is_guarded() {
        return of(Code::SecretExposed, &told, &told);
    }
    match form {
        Form::Plain | Form::Key(true) => {
            Found::good([format!("{place}: {told}"), format!("{place_zh}：{told}")])
        }
        Form::Empty => of(Code::SecretEmpty, "", ""),
        Form::Mark => of(Code::SecretForm, "a byte order mark", "字节序标记"),
        Form::Blanks => of(Code::SecretForm, "a blank at an end", "首尾有空白"),
        Form::Lines => of(Code::SecretForm, "more than one line", "不止一行"),
        Form::Key(false) => of(
            Code::SecretKey,
            "neither 32 bytes nor 64 hexadecimal digits, or the group may write it",
            "既不是 32 字节也不是 64 位十六进制，或同组用户可写",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_leave_in_a_secret_is_seen_and_a_line_end_is_not_counted() {
        for (bytes, expected) in [
            (&b"s3cret\n"[..], Form::Plain),
            (b"s3cret\r\n", Form::Plain),
            (b"", Form::Empty),
            (b" \n", Form::Empty),
            (b"\xef\xbb\xbfs3cret", Form::Mark),
            (b"\xff\xfes\0", Form::Mark),
            (b"s3cret \n", Form::Blanks),
            (b" s3cret", Form::Blanks),
            (b"s3cret\nother\n", Form::Lines),
            (b"-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n", Form::Plain),
            (b"\x80\x81\n\x82", Form::Plain),
        ] {
            assert_eq!(form(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_missing_file_comes_before_its_mode_and_its_mode_before_its_form() {
        let of = |privacy| Secret {
            place: "channel.a.province.credentials.secret".to_owned(),
            path: PathBuf::from("/srv/secret"),
            privacy,
            is_key: false,
        };
        let code = |privacy, seen| judge(&of(privacy), &seen).code;
        let group = Privacy::Group;
        assert_eq!(code(group, Seen::Missing(String::new())), Some("D-SECRET-MISSING"));
        assert_eq!(code(group, Seen::Mode(0o604, Form::Empty)), Some("D-SECRET-EXPOSED"));
        assert_eq!(code(group, Seen::Mode(0o640, Form::Plain)), None);
        assert_eq!(code(Privacy::Owner, Seen::Mode(0o640, Form::Plain)), Some("D-SECRET-EXPOSED"));
        assert_eq!(code(group, Seen::Mode(0o600, Form::Mark)), Some("D-SECRET-FORM"));
    }
}
