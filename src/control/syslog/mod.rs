//! Acts for a log server: RFC 5424 messages, over the machine's own log socket, TCP or TLS.
//!
//! The ledger remembers the last line that the receiver has; only what it has is passed over, so
//! nothing is lost while it is away, and after a restart at most the last lot comes again, under
//! the same message id, which is the line's number in the chain. Plain TCP tells nobody that a
//! message arrived (RFC 6587 §3.1): therefore each lot has a connection of its own, whose end the
//! receiver must acknowledge by closing its side, which it does when it has read everything; a
//! receiver that breaks off, resets, or does not close in time has nothing.

mod message;
mod sender;

pub use message::{MOST_BYTES, Sayer};
pub use sender::{Error, Sender};

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// `[audit.syslog]`: who gets the acts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `unix:///dev/log`, `tcp://host:601` or `tls://host:6514`.
    pub to: Address,
    /// Certificates to trust, PEM: needed for `tls`, refused otherwise.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// Makes relative paths relative to the configuration's folder.
    pub fn resolve(&mut self, base: &Path) {
        self.ca_file = self.ca_file.take().map(|it| base.join(it));
    }

    /// What is wrong with it, by key.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        match (&self.to, &self.ca_file) {
            (Address::Tls { .. }, None) => {
                Some(("ca_file", "tls needs the certificates to trust".to_owned()))
            }
            (Address::Unix(_) | Address::Tcp { .. }, Some(_)) => {
                Some(("ca_file", "only tls trusts certificates".to_owned()))
            }
            (Address::Tls { .. }, Some(_)) | (Address::Unix(_) | Address::Tcp { .. }, None) => None,
        }
    }
}

/// Where the receiver listens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub enum Address {
    /// A datagram socket of this machine.
    Unix(PathBuf),
    /// Octet counting over TCP, in clear (RFC 6587 §3.4.1).
    Tcp {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// Octet counting over TLS (RFC 5425).
    Tls {
        /// The host, as its certificate names it.
        host: String,
        /// The port.
        port: u16,
    },
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let no = || "write unix:///dev/log, tcp://host:601 or tls://host:6514".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(no)?;
        if scheme == "unix" {
            return if rest.starts_with('/') { Ok(Self::Unix(rest.into())) } else { Err(no()) };
        }
        let (host, port) = rest.rsplit_once(':').ok_or_else(no)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(no)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let fits = |letter: char| letter.is_ascii_alphanumeric() || ".-:".contains(letter);
        if host.is_empty() || !host.chars().all(fits) {
            return Err(no());
        }
        match scheme {
            "tcp" => Ok(Self::Tcp { host, port }),
            "tls" => Ok(Self::Tls { host, port }),
            _ => Err(no()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_wrong_ones_are_told_how_to_write_them() {
        let read = |text: &str| Address::try_from(text.to_owned());
        assert_eq!(read("unix:///dev/log"), Ok(Address::Unix("/dev/log".into())));
        let tcp = |host: &str, port| Ok(Address::Tcp { host: host.to_owned(), port });
        assert_eq!(read("tcp://10.0.0.9:601"), tcp("10.0.0.9", 601));
        assert_eq!(read("tcp://[fd00::9]:601"), tcp("fd00::9", 601));
        let tls = Ok(Address::Tls { host: "log.example".to_owned(), port: 6514 });
        assert_eq!(read("tls://log.example:6514"), tls);
        for wrong in ["/dev/log", "unix://dev/log", "tcp://h", "tcp://h:0", "udp://h:1", "tcp://:1"]
        {
            assert!(read(wrong).unwrap_err().contains("unix:///dev/log"), "{wrong}");
        }
    }

    #[test]
    fn only_tls_trusts_and_it_has_to_be_told_whom() {
        let of = |to: &str, ca: Option<&str>| {
            let to = Address::try_from(to.to_owned()).unwrap();
            Settings { to, ca_file: ca.map(Into::into) }.problem().is_some()
        };
        assert!(!of("tls://h:1", Some("ca.pem")) && !of("tcp://h:1", None));
        assert!(of("tls://h:1", None) && of("tcp://h:1", Some("ca.pem")));
    }
}
