//! A client that is not ours: Python's gRPC speaks the wire form of Istio, written by hand byte for byte, and OpenSSL makes the
//! keys and judges the answer.

use std::path::Path;
use std::time::SystemTime;

use ripstop_identity::issuance::{IssuancePolicy, RefusalReason};
use tokio::process::Command;

use crate::support::{Control, HOUR, id};
use crate::testdir::TestDir;

const CLIENT: &str = include_str!("istio_client.py");

/// Runs a program; it has to succeed. Gives what it wrote.
async fn run(program: &str, args: &[&str]) -> String {
    // Where `.ci/grpc` has put Python's gRPC.
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/grpc");
    let command =
        Command::new(program).args(args).env("PYTHONPATH", packages).kill_on_drop(true).output().await;
    let output = command.unwrap_or_else(|error| panic!("{program} is needed (see CONTRIBUTING.md): {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// What the authority answers a request for `kind` of key: the bytes of the message, or the code and the text of the refusal.
async fn ask(control: &Control, dir: &Path, key: &[&str], token: &str) -> Result<Vec<u8>, String> {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (key_file, csr_file, root_file) = (path("key.pem"), path("csr.pem"), path("root.pem"));
    std::fs::write(&root_file, control.authority.trust_bundle().to_pem()).unwrap();
    let name = format!("subjectAltName=URI:{}", id("a"));
    let mut args = vec![
        "req", "-new", "-nodes", "-subj", "/", "-addext", &name, "-keyout", &key_file, "-out", &csr_file,
    ];
    args.extend(key);
    run("openssl", &args).await;
    let said = run("python3", &["-c", CLIENT, &control.address, &root_file, &csr_file, token]).await;
    match said.trim().split_once(' ') {
        Some(("OK", hex)) => Ok((0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect()),
        _ => Err(said),
    }
}

/// The strings of field 1, read by hand. Nothing else may be there.
fn chain(mut bytes: &[u8]) -> Vec<String> {
    let mut chain = Vec::new();
    while let [0x0a, rest @ ..] = bytes {
        let (mut length, mut shift, mut at) = (0_usize, 0, 0);
        loop {
            length |= usize::from(rest[at] & 0x7f) << shift;
            shift += 7;
            at += 1;
            if rest[at - 1] & 0x80 == 0 {
                break;
            }
        }
        chain.push(String::from_utf8(rest[at..at + length].to_vec()).unwrap());
        bytes = &rest[at + length..];
    }
    assert!(bytes.is_empty(), "unknown bytes follow: {bytes:02x?}");
    chain
}

#[tokio::test]
async fn pythons_grpc_gets_certificates_for_every_kind_of_key() {
    let control = Control::start(IssuancePolicy::default()).await;
    let dir = TestDir::new();
    std::fs::create_dir_all(dir.path()).unwrap();
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let kinds: [&[&str]; 5] = [
        &curve,
        &["-newkey", "ed25519"],
        &["-newkey", "rsa:2048"],
        &["-newkey", "rsa:3072"],
        &["-newkey", "rsa:4096"],
    ];
    for kind in kinds {
        let token = control.tokens.issue(id("a"), HOUR, SystemTime::now()).unwrap();
        let bytes = ask(&control, dir.path(), kind, token.expose()).await.unwrap();
        let chain = chain(&bytes);
        let [leaf, issuer, root] = chain.as_slice() else { panic!("{chain:?}") };
        assert_eq!(*root, control.authority.trust_bundle().to_pem());
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (leaf, issuer) = (file("leaf.pem", leaf), file("issuer.pem", issuer));
        let root = file("root.pem", root);
        for purpose in ["sslclient", "sslserver"] {
            let args = ["verify", "-purpose", purpose, "-CAfile", &root, "-untrusted", &issuer, &leaf];
            assert!(run("openssl", &args).await.contains("OK"));
        }
        // The key in the certificate is the one that was asked with.
        let asked =
            run("openssl", &["pkey", "-in", dir.path().join("key.pem").to_str().unwrap(), "-pubout"]).await;
        let given = run("openssl", &["x509", "-in", &leaf, "-noout", "-pubkey"]).await;
        assert_eq!(asked, given, "{kind:?}");
        let text = run("openssl", &["x509", "-in", &leaf, "-noout", "-ext", "subjectAltName"]).await;
        assert!(text.contains("critical") && text.contains(id("a").as_str()), "{text}");
    }
    assert_eq!(control.stats.issued(), 5);

    let refused = ask(&control, dir.path(), &curve, "rsj_nonsense").await.unwrap_err();
    assert!(refused.starts_with("UNAUTHENTICATED malformed join token"), "{refused}");
    let token = control.tokens.issue(id("a"), HOUR, SystemTime::now()).unwrap();
    let refused = ask(&control, dir.path(), &["-newkey", "rsa:1024"], token.expose()).await.unwrap_err();
    assert!(refused.starts_with("INVALID_ARGUMENT RSA-1024 keys are not accepted"), "{refused}");
    assert_eq!(control.stats.refused(RefusalReason::WeakKey), 1);
}
