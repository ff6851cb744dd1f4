//! Bundles made here, made by Talos, and spoiled.

use super::*;
use crate::{MachineConfig, golden};

fn fresh() -> SecretsBundle {
    golden::fresh_secrets()
}

#[test]
fn a_fresh_bundle_is_whole_and_survives_export() {
    let bundle = fresh();
    assert_eq!(bundle.problems(), Vec::<String>::new());
    let read = SecretsBundle::parse("secrets.yaml", bundle.export().expose()).unwrap();
    assert_eq!(read, bundle);
    assert!(
        bundle
            .service_account
            .expose()
            .starts_with("-----BEGIN RSA PRIVATE KEY-----\n")
    );
    assert_eq!(
        bundle.os.not_after().unwrap().to_string(),
        "2036-01-13T12:00:00Z"
    );
}

#[test]
fn nothing_is_dated_by_a_clock_that_was_never_set() {
    let refused = SecretsBundle::generate(Timestamp::from_micros(5_000_000)).unwrap_err();
    let said = refused.to_string();
    assert!(
        said.contains("1970-01-01") && said.contains("set its clock"),
        "{said}"
    );
}

#[test]
fn bundles_of_older_clusters_are_taken() {
    let text = fresh().export();
    let old = text.expose().replace(
        "certs:\n",
        "certs:\n    admin:\n        crt: LS0t\n        key: LS0t\n",
    );
    let mut expected = fresh();
    expected.trustd_token = Secret::new("some-old-token");
    let token = format!("token: {}", fresh().trustd_token.expose());
    let old = old.replace(&token, "token: some-old-token");
    for text in [
        old.clone(),
        old.replace('\n', "\r\n"),
        format!("\u{feff}{old}"),
    ] {
        assert_eq!(
            SecretsBundle::parse("secrets.yaml", &text).unwrap(),
            expected
        );
    }
}

#[test]
fn tokens_are_tokens_and_no_two_are_alike() {
    let tokens: Vec<Secret> = (0..200).map(|_| token().unwrap()).collect();
    assert!(tokens.iter().all(|token| is_token(token.expose())));
    assert!(tokens.windows(2).all(|pair| pair[0] != pair[1]));
    for wrong in [
        "",
        "abc.def",
        "ABCDEF.0123456789abcdef",
        "abcdef0123456789abcdef",
        "abcdef.0123456789abcde.",
    ] {
        assert!(!is_token(wrong), "{wrong}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let bundle = fresh();
    let shown = format!("{bundle:?} {:?}", bundle.export());
    assert!(
        !shown.contains("PRIVATE KEY") && !shown.contains(bundle.bootstrap_token.expose()),
        "{shown}"
    );
}

#[test]
fn what_is_spoiled_is_named_and_not_quoted() {
    let good = fresh();
    let text = good.export();
    let refused = |text: &str| {
        SecretsBundle::parse("secrets.yaml", text)
            .unwrap_err()
            .to_string()
    };
    let spoil = |change: &dyn Fn(&mut SecretsBundle)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        bundle.problems().join("; ")
    };
    insta::assert_snapshot!([
        refused("a: [1"),
        refused(""),
        refused("{}\n").chars().take(110).collect(),
        refused(&text.expose().replace("trustdinfo:\n    token:", "trustdinfo:\n    extra: 1\n    token:")),
        refused(&text.expose().replace("crt: LS", "crt: *S").replace("*S", "!S")),
        spoil(&|bundle| bundle.etcd.key = bundle.kubernetes.key.clone()),
        spoil(&|bundle| bundle.os = pki::client_certificate(&bundle.os, pki::ClientRole::Admin, Timestamp::from_micros(1_800_000_000_000_000)).unwrap()),
        spoil(&|bundle| bundle.aggregator.certificate = "nothing".to_owned()),
        spoil(&|bundle| bundle.aggregator.key = Secret::new(bundle.aggregator.key.expose().replace("EC PRIVATE", "ED25519 PRIVATE"))),
        spoil(&|bundle| bundle.service_account = bundle.os.key.clone()),
        spoil(&|bundle| bundle.cluster_secret = Secret::new("c2hvcnQ=")),
        spoil(&|bundle| bundle.secretbox_secret = None),
        spoil(&|bundle| bundle.aescbc_secret = bundle.secretbox_secret.clone()),
        spoil(&|bundle| bundle.bootstrap_token = Secret::new("x")),
    ].join("\n"), @r#"
    secrets.yaml: line 2, column 1: while parsing a flow sequence, expected ',' or ']'
    secrets.yaml: a secrets bundle is one YAML document, not 0
    secrets.yaml: cluster.id is missing; cluster.secret is missing; secrets.bootstraptoken is missing; trustdinfo.
    secrets.yaml: line 8: trustdinfo.extra is not a key of a secrets bundle
    secrets.yaml: certs.etcd.crt is missing; certs.k8s.crt is missing; certs.k8saggregator.crt is missing; certs.os.crt is missing
    certs.etcd: the key does not belong to the certificate
    certs.os: the certificate is not that of an authority
    certs.k8saggregator: the certificate is not a PEM certificate
    certs.k8saggregator: the key is not a PEM private key that Talos reads
    certs.k8sserviceaccount.key is not a PEM private key of RSA or ECDSA
    cluster.secret is not 32 bytes in base64
    secrets.secretboxencryptionsecret is missing (or secrets.aescbcencryptionsecret of an old cluster)
    secrets.secretboxencryptionsecret and secrets.aescbcencryptionsecret exclude each other
    secrets.bootstraptoken is not a token: 6 and 16 of a-z and 0-9, parted by a dot
    "#);
}

#[test]
fn golden_bundle_is_read_and_written_byte_for_byte() {
    if golden::talos().is_none() {
        return;
    }
    let text = golden::read("secrets.yaml");
    let bundle = SecretsBundle::parse("secrets.yaml", &text).unwrap();
    assert_eq!(bundle.export().expose(), text);
    for contract in golden::contracts() {
        let config = MachineConfig::parse(
            "controlplane.yaml",
            &golden::read(&format!("{contract}/controlplane.yaml")),
        )
        .unwrap();
        assert_eq!(
            SecretsBundle::from_controlplane(&config).unwrap(),
            bundle,
            "{contract}"
        );
        let worker = MachineConfig::parse(
            "worker.yaml",
            &golden::read(&format!("{contract}/worker.yaml")),
        )
        .unwrap();
        let error = SecretsBundle::from_controlplane(&worker)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("machine.ca.key is missing; is this the config of a control plane?"),
            "{error}"
        );
    }
}
