//! The `openssl` command and we read one another. Without it the published vectors beside
//! `src/signing` are what is left.

use std::path::Path;
use std::process::{Command, Stdio};

use cascaded::signing::{
    Algorithm, DEFAULT_IDENTITY, Encoding, Form, Key, Secret, Sm4Key, Sm4Mode, sign, sm3, verify,
};

/// What the command writes for `input`; `None` where there is no such command.
pub(super) fn openssl(folder: &Path, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    use std::io::Write;
    let child = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("not run, there is no openssl: {arguments:?}");
        return None;
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
    Some(output.stdout)
}

/// A new pair on the curve of SM2, `private.pem` and `public.pem`.
pub(super) fn pair(folder: &Path) -> Option<(Secret, Secret)> {
    let make = ["genpkey", "-algorithm", "SM2", "-out", "private.pem"];
    openssl(folder, &make, b"")?;
    openssl(folder, &["pkey", "-in", "private.pem", "-pubout", "-out", "public.pem"], b"")?;
    let read = |name| Secret::new(std::fs::read(folder.join(name)).unwrap());
    Some((read("private.pem"), read("public.pem")))
}

#[test]
fn signatures_of_sm2_are_read_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let Some((private, public)) = pair(folder.path()) else { return };
    let text = "级联：一网通办".as_bytes();
    for identity in [DEFAULT_IDENTITY, "511900-bazhong"] {
        let key = |pem, form| Key::Pair { pem, identity, form };
        let ours = sign(Algorithm::Sm2, key(&private, Form::Der), [text]).unwrap();
        std::fs::write(folder.path().join("ours"), &ours).unwrap();
        let option = format!("distid:{identity}");
        let check = ["dgst", "-sm3", "-verify", "public.pem", "-signature", "ours"];
        let said = openssl(folder.path(), &[&check[..], &["-sigopt", &option]].concat(), text);
        assert!(String::from_utf8_lossy(&said.unwrap()).contains("Verified OK"));
        let make = ["dgst", "-sm3", "-sign", "private.pem", "-sigopt", &option];
        let theirs = openssl(folder.path(), &make, text).unwrap();
        assert!(verify(Algorithm::Sm2, key(&public, Form::Der), [text], &theirs));
        let raw = Form::Raw.of_either(&theirs).unwrap();
        assert!(verify(Algorithm::Sm2, key(&public, Form::Raw), [text], &raw));
        let other = Key::Pair { pem: &public, identity: "another", form: Form::Der };
        assert!(!verify(Algorithm::Sm2, other, [text], &theirs));
    }
}

#[test]
fn digests_tags_and_ciphertexts_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let block = "0123456789abcdeffedcba9876543210";
    let bytes: [u8; 16] = Encoding::Hex.decode(block).unwrap().try_into().unwrap();
    let key = Sm4Key::new(&bytes).unwrap();
    for length in [0, 1, 15, 16, 17, 4096] {
        let text: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let Some(theirs) = openssl(folder.path(), &["dgst", "-sm3", "-binary"], &text) else {
            return;
        };
        assert_eq!(sm3([text.as_slice()]).to_vec(), theirs);
        let option = format!("hexkey:{block}");
        let mac = ["dgst", "-sm3", "-mac", "HMAC", "-macopt", &option, "-binary"];
        let theirs = openssl(folder.path(), &mac, &text).unwrap();
        let secret = Secret::new(bytes);
        let ours = sign(Algorithm::HmacSm3, Key::Shared(&secret), [text.as_slice()]).unwrap();
        assert_eq!(ours, theirs);
        for (name, mode, vector) in [
            ("-sm4-ecb", Sm4Mode::Ecb, &[][..]),
            ("-sm4-cbc", Sm4Mode::Cbc(bytes), &["-iv", block][..]),
        ] {
            let hide = [&["enc", name, "-K", block], vector].concat();
            let theirs = openssl(folder.path(), &hide, &text).unwrap();
            assert_eq!(key.encrypt(mode, &text), theirs, "{name} {length}");
            assert_eq!(key.decrypt(mode, &theirs).as_ref(), Some(&text));
            let open = [&["enc", "-d", name, "-K", block], vector].concat();
            assert_eq!(
                openssl(folder.path(), &open, &key.encrypt(mode, &text)),
                Some(text.clone())
            );
        }
    }
}
