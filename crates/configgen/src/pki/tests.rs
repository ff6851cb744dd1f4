//! Keys in every form Talos reads, and certificates judged by openssl.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use model::Timestamp;

use super::*;

fn now() -> Timestamp {
    "2026-01-15T12:00:00.7Z".parse().unwrap()
}

/// Runs openssl in a folder; `None`, with the reason printed, where there is none. With `CI=true` that fails.
fn openssl(folder: &Path, arguments: &str) -> Option<String> {
    match Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
    {
        Ok(output) => {
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            let _infallible = write!(text, "{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "openssl {arguments}: {text}");
            Some(text)
        }
        Err(error) if std::env::var("CI").is_ok_and(|value| value == "true") => {
            panic!("openssl: {error}")
        }
        Err(error) => {
            println!("skipped: openssl: {error}");
            None
        }
    }
}

#[test]
fn keys_have_the_forms_that_every_talos_reads() {
    for (kind, label, length) in [
        (KeyKind::Ed25519, "ED25519 PRIVATE KEY", 48..=48),
        (KeyKind::EcdsaP256, "EC PRIVATE KEY", 121..=121),
        (KeyKind::Rsa4096, "RSA PRIVATE KEY", 2340..=2360),
    ] {
        let key = PrivateKey::generate(kind).unwrap();
        let text = key.to_pem().unwrap();
        let (found, der) = pem::decode(text.expose()).unwrap();
        assert_eq!(found, label);
        assert!(length.contains(&der.len()), "{kind:?}: {}", der.len());
        let again = PrivateKey::from_pem(text.expose()).unwrap();
        assert_eq!(again.public_der().unwrap(), key.public_der().unwrap());
        assert_eq!(again.to_pem().unwrap(), text);
        let general = pem::encode("PRIVATE KEY", &key.to_pkcs8().unwrap());
        let general = format!(
            "Bag Attributes\n    x: y\n{}",
            general.replace('\n', "\r\n")
        );
        assert_eq!(
            PrivateKey::from_pem(&general)
                .unwrap()
                .public_der()
                .unwrap(),
            key.public_der().unwrap()
        );
    }
    for wrong in [
        "",
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN X-----\n-----END X-----\n",
    ] {
        assert!(PrivateKey::from_pem(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn openssl_accepts_authorities_and_clients() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let os = make_ca(KeyKind::Ed25519, Some("talos"), now()).unwrap();
    let client = client_certificate(&os, ClientRole::Admin, now()).unwrap();
    let aggregator = make_ca(KeyKind::EcdsaP256, None, now()).unwrap();
    std::fs::write(at("os.crt"), &os.certificate).unwrap();
    std::fs::write(at("client.crt"), &client.certificate).unwrap();
    std::fs::write(at("aggregator.crt"), &aggregator.certificate).unwrap();
    std::fs::write(at("aggregator.key"), aggregator.key.expose()).unwrap();

    let noon = 1_768_500_000;
    let Some(verdict) = openssl(
        folder.path(),
        &format!("verify -attime {noon} -purpose sslclient -CAfile os.crt client.crt"),
    ) else {
        return;
    };
    assert_eq!(verdict.trim(), "client.crt: OK");
    openssl(
        folder.path(),
        &format!("verify -attime {noon} -CAfile aggregator.crt aggregator.crt"),
    );
    let public = openssl(folder.path(), "x509 -in aggregator.crt -noout -pubkey").unwrap();
    assert_eq!(
        openssl(folder.path(), "pkey -in aggregator.key -pubout").unwrap(),
        public
    );

    let shown = |name: &str| {
        let text = openssl(
            folder.path(),
            &format!("x509 -in {name} -noout -text -nameopt RFC2253,show_type"),
        )
        .unwrap();
        // Random numbers differ from run to run.
        let lines = text.lines().filter(|line| {
            let line = line.trim();
            let is_random = line.split(':').all(|part| part.len() <= 2) && line.len() > 2;
            !is_random && !line.contains("Serial Number")
        });
        lines
            .map(|line| format!("{}\n", line.trim_end()))
            .collect::<String>()
    };
    insta::assert_snapshot!(shown("os.crt"), @r#"
    Certificate:
        Data:
            Version: 3 (0x2)
            Signature Algorithm: ED25519
            Issuer: O=PRINTABLESTRING:talos
            Validity
                Not Before: Jan 15 12:00:00 2026 GMT
                Not After : Jan 13 12:00:00 2036 GMT
            Subject: O=PRINTABLESTRING:talos
            Subject Public Key Info:
                Public Key Algorithm: ED25519
                    ED25519 Public-Key:
                    pub:
            X509v3 extensions:
                X509v3 Key Usage: critical
                    Digital Signature, Certificate Sign
                X509v3 Extended Key Usage:
                    TLS Web Server Authentication, TLS Web Client Authentication
                X509v3 Subject Key Identifier:
                X509v3 Basic Constraints: critical
                    CA:TRUE
        Signature Algorithm: ED25519
        Signature Value:
    "#);
    insta::assert_snapshot!(shown("client.crt"), @r#"
    Certificate:
        Data:
            Version: 3 (0x2)
            Signature Algorithm: ED25519
            Issuer: O=PRINTABLESTRING:talos
            Validity
                Not Before: Jan 15 12:00:00 2026 GMT
                Not After : Jan 15 12:00:00 2027 GMT
            Subject: O=PRINTABLESTRING:os:admin
            Subject Public Key Info:
                Public Key Algorithm: ED25519
                    ED25519 Public-Key:
                    pub:
            X509v3 extensions:
                X509v3 Authority Key Identifier:
                X509v3 Key Usage: critical
                    Digital Signature
                X509v3 Extended Key Usage:
                    TLS Web Client Authentication
        Signature Algorithm: ED25519
        Signature Value:
    "#);
    insta::assert_snapshot!(shown("aggregator.crt"), @r#"
    Certificate:
        Data:
            Version: 3 (0x2)
            Signature Algorithm: ecdsa-with-SHA256
            Issuer:
            Validity
                Not Before: Jan 15 12:00:00 2026 GMT
                Not After : Jan 13 12:00:00 2036 GMT
            Subject:
            Subject Public Key Info:
                Public Key Algorithm: id-ecPublicKey
                    Public-Key: (256 bit)
                    pub:
                    ASN1 OID: prime256v1
                    NIST CURVE: P-256
            X509v3 extensions:
                X509v3 Key Usage: critical
                    Digital Signature, Certificate Sign
                X509v3 Extended Key Usage:
                    TLS Web Server Authentication, TLS Web Client Authentication
                X509v3 Subject Key Identifier:
                X509v3 Basic Constraints: critical
                    CA:TRUE
        Signature Algorithm: ecdsa-with-SHA256
        Signature Value:
    "#);
}

#[test]
fn a_client_names_its_authority_by_key_identifier() {
    use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};
    let os = make_ca(KeyKind::Ed25519, Some("talos"), now()).unwrap();
    let client = client_certificate(&os, ClientRole::Reader, now()).unwrap();
    let find = |text: &str, authority: bool| {
        let (_, der) = pem::decode(text).unwrap();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        certificate
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) if !authority => Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) if authority => {
                    Some(id.key_identifier.as_ref()?.0.to_vec())
                }
                _ => None,
            })
    };
    assert_eq!(
        find(&client.certificate, true),
        find(&os.certificate, false)
    );
    assert_eq!(find(&client.certificate, false), None);
    assert_eq!(find(&os.certificate, true), None);
}
