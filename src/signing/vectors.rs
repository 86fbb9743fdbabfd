//! The commercial ciphers against published vectors: a few stand here, the rest is read from
//! OpenSSL's own test files where the shared data are at hand.

use std::path::PathBuf;

use sm2::SecretKey;
use sm2::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};

use super::*;

fn hex(text: &str) -> Vec<u8> {
    Encoding::Hex.decode(text).unwrap_or_else(|| panic!("no hexadecimal digits: {text}"))
}

/// GB/T 32918.5, annex A.2: the key pair of the example.
fn pair() -> (Secret, Secret) {
    let scalar = hex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8");
    let key = SecretKey::from_slice(&scalar).unwrap();
    let private = key.to_pkcs8_pem(LineEnding::LF).unwrap();
    let public = key.public_key().to_public_key_pem(LineEnding::LF).unwrap();
    (Secret::new(private.as_bytes()), Secret::new(public))
}

fn key(pem: &Secret, form: Form) -> Key<'_> {
    Key::Pair { pem, identity: DEFAULT_IDENTITY, form }
}

#[test]
fn digests_are_those_of_the_standard() {
    // GB/T 32905, annex A, examples 1 and 2.
    for (text, digest) in [
        ("abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (
            "abcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd",
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
        ),
    ] {
        let (head, tail) = text.as_bytes().split_at(2);
        assert_eq!(sign(Algorithm::Sm3, Key::None, [head, tail]).unwrap(), hex(digest));
    }
    // GM/T 0042, annex D.3, example 4.
    let secret = Secret::new("Jefe");
    let parts: [&[u8]; 2] = [b"what do ya ", b"want for nothing?"];
    let tag = sign(Algorithm::HmacSm3, Key::Shared(&secret), parts).unwrap();
    let known = hex("2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882");
    assert_eq!(tag, known);
    assert!(verify(Algorithm::HmacSm3, Key::Shared(&secret), parts, &known));
    assert!(!verify(Algorithm::HmacSm3, Key::Shared(&Secret::new("jefe")), parts, &known));
}

#[test]
fn the_example_of_the_standard_verifies_and_nothing_near_it() {
    // GB/T 32918.5, annex A.2.
    let (private, public) = pair();
    let known = hex("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
         b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa");
    let parts: [&[u8]; 2] = [b"message ", b"digest"];
    for pem in [&private, &public] {
        assert!(verify(Algorithm::Sm2, key(pem, Form::Raw), parts, &known));
    }
    let mut bad = known.clone();
    bad[63] ^= 1;
    let is_good =
        |key, parts: [&[u8]; 1], signature: &[u8]| verify(Algorithm::Sm2, key, parts, signature);
    assert!(is_good(key(&public, Form::Raw), [b"message digest"], &known));
    assert!(!is_good(key(&public, Form::Raw), [b"message digest"], &bad));
    assert!(!is_good(key(&public, Form::Raw), [b"message digest"], &known[..63]));
    assert!(!is_good(key(&public, Form::Raw), [b"message digesT"], &known));
    assert!(!is_good(key(&public, Form::Der), [b"message digest"], &known));
    let other = Key::Pair { pem: &public, identity: "ALICE123@YAHOO.COM", form: Form::Raw };
    assert!(!is_good(other, [b"message digest"], &known));
}

#[test]
fn what_was_signed_verifies_in_both_forms() {
    let (private, public) = pair();
    let text: [&[u8]; 1] = ["一网通办".as_bytes()];
    for form in Form::ALL {
        let signature = sign(Algorithm::Sm2, key(&private, form), text).unwrap();
        assert!(verify(Algorithm::Sm2, key(&public, form), text, &signature));
        assert_eq!(sign(Algorithm::Sm2, key(&private, form), text).unwrap(), signature);
        for other in Form::ALL {
            let written = other.of_either(&signature).unwrap();
            assert!(verify(Algorithm::Sm2, key(&public, other), text, &written), "{form:?}");
        }
        assert_eq!(Form::parse(form.as_str()), Some(form));
    }
    assert_eq!(Form::Raw.of_either(b"no signature"), None);
}

#[test]
fn a_key_of_another_kind_is_refused_and_not_shown() {
    let (_, public) = pair();
    for pem in [&public, &Secret::new("no pem"), &Secret::new("")] {
        let refused = sign(Algorithm::Sm2, key(pem, Form::Der), [&b"x"[..]]).unwrap_err();
        assert_eq!(refused, SignError::BadKey(Algorithm::Sm2));
    }
    let shared = Secret::new("s");
    assert_eq!(
        sign(Algorithm::Sm2, Key::Shared(&shared), [&b"x"[..]]),
        Err(SignError::NoKey(Algorithm::Sm2))
    );
    assert!(!format!("{:?}", key(&pair().0, Form::Der)).contains("PRIVATE"));
}

/// A test file of OpenSSL: the blocks of `Name = value` lines; `None` when it is not at hand. The
/// vectors above are the twin that always runs.
fn blocks(name: &str, test: &str) -> Option<Vec<Vec<(String, String)>>> {
    let root = std::env::var("CASCADED_SHARED_DATA").unwrap_or("../shared/data".to_owned());
    let path = PathBuf::from(root).join("sm-vectors").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("not run, {} is absent: {test}", path.display());
        return None;
    };
    let mut blocks = vec![Vec::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once('=') {
            Some((name, value)) if !line.starts_with("MIG") => {
                let pair = (name.trim().to_owned(), value.trim().to_owned());
                blocks.last_mut().unwrap().push(pair);
            }
            _ if line.trim().is_empty() => blocks.push(Vec::new()),
            _ => {}
        }
    }
    Some(blocks)
}

fn value<'a>(block: &'a [(String, String)], name: &str) -> Option<&'a str> {
    block.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A value: text in quotes, or hexadecimal digits.
fn bytes(block: &[(String, String)], name: &str) -> Vec<u8> {
    let text = value(block, name).unwrap();
    match text.strip_prefix('"') {
        Some(rest) => rest.trim_end_matches('"').as_bytes().to_vec(),
        None => hex(text),
    }
}

#[test]
fn openssls_digests_and_tags_are_ours() {
    let test = "openssls_digests_and_tags_are_ours";
    let (Some(digests), Some(tags)) =
        (blocks("evpmd_sm3.txt", test), blocks("evpmac_sm3.txt", test))
    else {
        return;
    };
    let mut count = 0;
    for block in digests.iter().filter(|block| value(block, "Digest") == Some("SM3")) {
        assert_eq!(sm3([bytes(block, "Input").as_slice()]).to_vec(), bytes(block, "Output"));
        count += 1;
    }
    for block in tags.iter().filter(|block| value(block, "MAC") == Some("HMAC")) {
        let secret = Secret::new(bytes(block, "Key"));
        let input = bytes(block, "Input");
        let tag = sign(Algorithm::HmacSm3, Key::Shared(&secret), [input.as_slice()]).unwrap();
        assert_eq!(tag, bytes(block, "Output"));
        count += 1;
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn openssls_ciphertexts_are_ours() {
    let Some(blocks) = blocks("evpciph_sm4.txt", "openssls_ciphertexts_are_ours") else { return };
    let mut count = 0;
    for block in &blocks {
        let mode = match value(block, "Cipher") {
            Some("SM4-ECB") => Sm4Mode::Ecb,
            Some("SM4-CBC") => Sm4Mode::Cbc(bytes(block, "IV").try_into().unwrap()),
            _ => continue,
        };
        let key = Sm4Key::new(&bytes(block, "Key")).unwrap();
        let (plain, sealed) = (bytes(block, "Plaintext"), bytes(block, "Ciphertext"));
        // The file's are whole blocks without padding; ours has one block of it more.
        let ours = key.encrypt(mode, &plain);
        assert_eq!(ours[..sealed.len()], sealed);
        assert_eq!(ours.len(), sealed.len() + BLOCK);
        assert_eq!(key.decrypt(mode, &ours), Some(plain));
        count += 1;
    }
    assert_eq!(count, 2);
}

#[test]
fn openssls_signatures_verify() {
    use sm2::dsa::signature::hazmat::PrehashVerifier;
    use sm2::dsa::{Signature, VerifyingKey};
    use sm2::pkcs8::DecodePrivateKey;
    let test = "openssls_signatures_verify";
    let Some(blocks) = blocks("evppkey_sm2.txt", test) else { return };
    // The file's key; its digests have the signer's identity in them already.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQg0JFWczAXva2An9m7\n\
               2MaT9gIwWTFptvlKrxyO4TjMmbWhRANCAAQ5OirZ4n5DrKqrhaGdO4VZHhRAYVcX\n\
               Wt3Te/d/8Mr57Tf886i09VwDhSMmH8pmNq/mp6+ioUgqYG9cs6GLLioe\n\
               -----END PRIVATE KEY-----\n";
    let public = SecretKey::from_pkcs8_pem(pem).unwrap().public_key();
    let verifying = VerifyingKey::new(DEFAULT_IDENTITY, public).unwrap();
    let mut count = 0;
    for block in &blocks {
        let is_good = value(block, "Verify").is_some() && value(block, "Result").is_none();
        if is_good && value(block, "Ctrl") == Some("digest:SM3") {
            let raw = Form::Raw.of_either(&bytes(block, "Output")).unwrap();
            let signature = Signature::from_slice(&raw).unwrap();
            verifying.verify_prehash(&bytes(block, "Input"), &signature).unwrap();
            count += 1;
        }
    }
    assert!(count >= 2, "{count}");
}
