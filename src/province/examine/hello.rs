//! The first word of TLS, written and read by hand, in the old ways that rustls does not speak.
//!
//! Only what is said in clear is read: which version and cipher the other side would take (RFC 5246
//! §7.4.1, RFC 6101 §5.6, GB/T 38636 for TLCP), or its alert. No key is made and nothing is sent
//! behind it; the connection is closed then.

/// A way of greeting that modern libraries have given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Greeting {
    /// TLS 1.2 with every cipher that was ever common.
    Broad,
    /// TLS 1.0, for those that turn a newer version away.
    Tls10,
    /// SSL 3.0.
    Ssl3,
    /// The commercial ciphers' own version (国密 TLCP).
    Tlcp,
}

impl Greeting {
    /// In the order in which they are tried.
    pub(super) const ALL: [Self; 4] = [Self::Broad, Self::Tls10, Self::Ssl3, Self::Tlcp];

    fn version(self) -> u16 {
        match self {
            Self::Broad => 0x0303,
            Self::Tls10 => 0x0301,
            Self::Ssl3 => 0x0300,
            Self::Tlcp => 0x0101,
        }
    }
}

/// What came back for a greeting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// It would go on with this version and cipher.
    Hello {
        /// As on the wire.
        version: u16,
        /// As on the wire.
        suite: u16,
    },
    /// It says no, with this alert.
    Alert(u8),
    /// The beginning of an HTTP answer.
    Http,
    /// Something that is no TLS.
    Other,
    /// It closed without a word.
    Nothing,
}

/// Ciphers by their numbers (IANA; GB/T 38636 for the last four).
const SUITES: [(u16, &str); 31] = [
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
    (0xe013, "ECC_SM4_CBC_SM3"),
    (0xe053, "ECC_SM4_GCM_SM3"),
    (0xe011, "ECDHE_SM4_CBC_SM3"),
    (0xe051, "ECDHE_SM4_GCM_SM3"),
];

/// From here on the numbers are those of the commercial ciphers.
const SHANGMI: u16 = 0xe000;

/// A cipher's name.
pub(super) fn suite_name(suite: u16) -> String {
    let known = SUITES.iter().find(|(number, _)| *number == suite);
    known.map_or_else(|| format!("0x{suite:04x}"), |(_, name)| (*name).to_owned())
}

/// A version's name.
pub(super) fn version_name(version: u16) -> String {
    match version {
        0x0101 => "TLCP 1.1".to_owned(),
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("0x{other:04x}"),
    }
}

/// A `ClientHello` in one record; `host` is named in it where it is a name. Its random part is
/// fixed: nothing is ever made of it.
pub(super) fn greeting(kind: Greeting, host: Option<&str>) -> Vec<u8> {
    let is_tlcp = kind == Greeting::Tlcp;
    let suites = SUITES.iter().map(|(number, _)| *number).filter(|it| (*it >= SHANGMI) == is_tlcp);
    let mut body = kind.version().to_be_bytes().to_vec();
    body.extend_from_slice(&[0x5a; 32]);
    body.push(0);
    let suites: Vec<u8> = suites.flat_map(u16::to_be_bytes).collect();
    long(&mut body, &suites);
    body.extend_from_slice(&[1, 0]);
    if kind != Greeting::Ssl3 {
        long(&mut body, &extensions(kind, host));
    }
    let mut handshake = vec![1, 0];
    long(&mut handshake, &body);
    // A record of TLS 1.2 begins with an older version, so that nobody is frightened by it.
    let outer = if kind == Greeting::Broad { 0x0301 } else { kind.version() };
    let mut record = vec![22];
    record.extend_from_slice(&outer.to_be_bytes());
    long(&mut record, &handshake);
    record
}

fn extensions(kind: Greeting, host: Option<&str>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut add = |number: u16, content: &[u8]| {
        all.extend_from_slice(&number.to_be_bytes());
        long(&mut all, content);
    };
    if let Some(host) = host {
        let mut name = vec![0];
        long(&mut name, host.as_bytes());
        let mut list = Vec::new();
        long(&mut list, &name);
        add(0, &list);
    }
    // Curves, and how their points are written; 41 is SM2's (RFC 8998).
    add(10, if kind == Greeting::Tlcp { &[0, 2, 0, 41] } else { &[0, 6, 0, 29, 0, 23, 0, 24] });
    add(11, &[1, 0]);
    if kind == Greeting::Broad {
        // RSA and ECDSA, with SHA-256, SHA-384, SHA-512 and SHA-1.
        let schemes = [4, 1, 5, 1, 6, 1, 4, 3, 5, 3, 6, 3, 2, 1, 2, 3];
        let mut list = Vec::new();
        long(&mut list, &schemes);
        add(13, &list);
    }
    // Secure renegotiation, or some refuse (RFC 5746).
    add(0xff01, &[0]);
    all
}

/// Two bytes of length and the content.
fn long(target: &mut Vec<u8>, content: &[u8]) {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    target.extend_from_slice(&length.to_be_bytes());
    target.extend_from_slice(content);
}

/// Whether what has come so far is enough for [`read`].
pub(super) fn is_enough(bytes: &[u8]) -> bool {
    match bytes {
        [22, _, _, high, low, rest @ ..] => {
            rest.len() >= usize::from(u16::from_be_bytes([*high, *low])).min(HELLO)
        }
        [21, ..] => bytes.len() >= 7,
        _ => bytes.len() >= 5,
    }
}

/// As much of a `ServerHello` as is read: up to its cipher, behind the longest session id.
const HELLO: usize = 4 + 2 + 32 + 1 + 32 + 2;

/// What came back.
pub(super) fn read(bytes: &[u8]) -> Answer {
    match bytes {
        [] => Answer::Nothing,
        [22, _, _, _, _, 2, _, _, _, hello @ ..] => server_hello(hello).unwrap_or(Answer::Other),
        [21, _, _, _, _, _, alert, ..] => Answer::Alert(*alert),
        _ if bytes.starts_with(b"HTTP/") || bytes.starts_with(b"<") => Answer::Http,
        _ => Answer::Other,
    }
}

fn server_hello(hello: &[u8]) -> Option<Answer> {
    let (version, rest) = hello.split_first_chunk::<2>()?;
    let (_random, rest) = rest.split_first_chunk::<32>()?;
    let (length, rest) = rest.split_first()?;
    let (_session, rest) = rest.split_at_checked(usize::from(*length))?;
    let (suite, _rest) = rest.split_first_chunk::<2>()?;
    Some(Answer::Hello { version: u16::from_be_bytes(*version), suite: u16::from_be_bytes(*suite) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rustls_understands_the_broad_greeting_and_says_what_it_lacks() {
        // Our own library as the reader: it takes the record apart and finds the name in it.
        let mut acceptor = rustls::server::Acceptor::default();
        let hello = greeting(Greeting::Broad, Some("share.example.gov.cn"));
        acceptor.read_tls(&mut hello.as_slice()).unwrap();
        let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().unwrap();
        let seen = accepted.client_hello();
        assert_eq!(seen.server_name(), Some("share.example.gov.cn"));
        assert_eq!(seen.cipher_suites().len(), 27);
        assert!(is_enough(&hello) && !is_enough(&hello[..20]));
    }

    #[test]
    fn each_greeting_has_its_own_version_and_only_tlcp_offers_its_ciphers() {
        for (kind, version) in Greeting::ALL.into_iter().zip([0x0303_u16, 0x0301, 0x0300, 0x0101]) {
            let bytes = greeting(kind, None);
            assert_eq!(bytes[9..11], version.to_be_bytes(), "{kind:?}");
            let has = |suite: [u8; 2]| bytes.windows(2).any(|it| it == suite);
            assert_eq!(has([0xe0, 0x13]), kind == Greeting::Tlcp, "{kind:?}");
            assert_eq!(has([0x00, 0x2f]), kind != Greeting::Tlcp, "{kind:?}");
            let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
            assert_eq!(bytes.len(), length + 5);
        }
    }

    #[test]
    fn what_comes_back_is_told_apart() {
        let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
        hello.extend([7; 32]);
        hello.extend([0, 0x00, 0x0a, 0]);
        assert_eq!(read(&hello), Answer::Hello { version: 0x0301, suite: 0x000a });
        assert_eq!(suite_name(0x000a), "TLS_RSA_WITH_3DES_EDE_CBC_SHA");
        assert_eq!(read(&[21, 3, 3, 0, 2, 2, 70]), Answer::Alert(70));
        assert_eq!(read(b"HTTP/1.1 400 Bad Request\r\n"), Answer::Http);
        assert_eq!(read(b"SSH-2.0-OpenSSH_9.2\r\n"), Answer::Other);
        assert_eq!(read(b""), Answer::Nothing);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_back_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _answer = read(&bytes);
            let _enough = is_enough(&bytes);
        }
    }
}
