//! Secrets stay where they belong: in served configs and explicit exports.

use std::io;
use std::sync::{Arc, Mutex};

use api::types::{BaseImport, PatchContent, SavePatch, SecretsImport};
use configgen::SecretsBundle;
use serde_json::{Value, json};

use crate::cluster::bundle;
use crate::world::{MAC_1, MAC_2, World};

/// Every text of a bundle that nobody may see: its values as the files have them, and every line of its keys.
fn secrets_of(bundle: &SecretsBundle) -> Vec<String> {
    let mut secrets: Vec<String> = [
        &bundle.cluster_secret,
        &bundle.bootstrap_token,
        &bundle.trustd_token,
        &bundle.service_account,
        &bundle.etcd.key,
        &bundle.kubernetes.key,
        &bundle.aggregator.key,
        &bundle.os.key,
    ]
    .into_iter()
    .chain(&bundle.secretbox_secret)
    .map(|secret| secret.expose().to_owned())
    .collect();
    let lines: Vec<String> = secrets
        .iter()
        .flat_map(|secret| secret.lines())
        .filter(|line| !line.starts_with("-----"))
        .map(str::to_owned)
        .collect();
    let packed: Vec<String> = bundle
        .export()
        .expose()
        .lines()
        .filter_map(|line| line.trim().strip_prefix("key: "))
        .map(str::to_owned)
        .collect();
    assert!(packed.len() >= 5);
    secrets.extend(lines);
    secrets.extend(packed);
    secrets.retain(|secret| secret.len() >= 16);
    secrets
}

/// Keeps all that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_in_an_event_a_list_an_error_a_log_or_debug_output() {
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || sink.clone())
        .finish();
    // For all threads, those of the store as well; what other tests do may be in it.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let world = World::founded().await;
    let first = world.text("/cluster/secrets").await;
    let first = SecretsBundle::parse("secrets.yaml", &first).unwrap();
    let second = bundle();
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut see = |what: &str, text: String| seen.push((what.to_owned(), text));

    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    world.approve(MAC_2, "worker-1", 12, "worker").await;
    let text = second.export().expose().to_owned();

    // Refusals of files that are nearly right.
    let broken_secrets = text.replace("bootstraptoken:", "bootstraptokem:");
    let broken_yaml = format!("{text}\n  wrong: [");
    let mismatched = text.replacen(
        &data_encoding::BASE64.encode(second.os.key.expose().as_bytes()),
        &data_encoding::BASE64.encode(first.os.key.expose().as_bytes()),
        1,
    );
    assert_ne!(mismatched, text);
    for body in [
        json!({"secrets": text}),
        json!({"secrets": broken_secrets}),
        json!({"secrets": broken_yaml}),
        json!({"secrets": mismatched, "confirm": "lab"}),
        json!({"controlplane": text}),
    ] {
        let (status, answer) = world.ask("POST", "/cluster/secrets", body).await;
        assert_eq!(status, 422, "{answer}");
        see("a refusal", answer.to_string());
    }
    let config = world.config(MAC_1).await;
    for text in [
        config.replace("type: controlplane", "type: worker"),
        config.replace("token:", "tokem:"),
        config.replace("crt:", "crt: ["),
    ] {
        let body = json!({"controlplane": text});
        let (status, answer) = world.ask("POST", "/cluster/base", body).await;
        assert_eq!(status, 422, "{answer}");
        see("a refusal", answer.to_string());
    }
    let token = second.trustd_token.expose();
    for text in [
        format!("machine: {{token: {token}, colour: red}}"),
        format!("machine: {{token: [{token}]}}"),
        format!("machine: {{token: \"{token}\", type: \"{token}\"}}"),
        format!("machine: {{ca: {{key: {token}}}"),
    ] {
        let body = json!({"scope": "cluster", "name": "x", "text": text});
        let (status, answer) = world.ask("POST", "/patches", body).await;
        assert_eq!(status, 422, "{answer}");
        see("a refusal", answer.to_string());
    }

    // What works.
    let patch = format!("machine:\n  env:\n    TOKEN: {token}\n");
    let body = json!({"scope": "cluster", "name": "env", "text": patch});
    let done = world.ok("POST", "/patches", body).await;
    see("saving a patch", done.to_string());
    let body = json!({"secrets": text, "confirm": "lab"});
    let done = world.ok("POST", "/cluster/secrets", body).await;
    see("an import", done.to_string());
    world.text("/cluster/talosconfig").await;
    world.text("/cluster/secrets").await;
    world.text("/cluster/base/controlplane").await;
    world.ok("POST", "/devices/regenerate", Value::Null).await;

    for path in [
        "/events?limit=1000",
        "/audit/logs?limit=1000",
        "/devices",
        "/cluster",
        "/cluster/settings",
        "/patches",
        "/status",
        "/network/settings",
        &format!("/devices/{MAC_1}"),
        &format!("/devices/{MAC_1}/settings"),
        &format!("/devices/{MAC_1}/config/diff"),
        &format!("/devices/{MAC_1}/config/preview"),
        &format!("/devices/{MAC_1}/config/explain?path=machine.token"),
        &format!("/devices/{MAC_1}/config/explain?path=cluster"),
        &format!("/devices/{MAC_1}/config/explain?path=machine.env.TOKEN"),
    ] {
        let (status, answer) = world.ask("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        see(path, answer.to_string());
    }

    let controlplane = world.text("/cluster/base/controlplane").await;
    let base_import = BaseImport {
        controlplane: Some(controlplane.clone()),
        secrets: Some(text.clone()),
        ..BaseImport::default()
    };
    let secrets_import = SecretsImport {
        secrets: Some(text.clone()),
        ..SecretsImport::default()
    };
    let save = SavePatch {
        scope: model::PatchScope::Cluster,
        device: None,
        name: "x".to_owned(),
        text: text.clone(),
    };
    let content = PatchContent { text: text.clone() };
    see(
        "Debug",
        format!("{base_import:?}{secrets_import:?}{save:?}{content:?}"),
    );
    see("Debug", format!("{first:?}{second:?}"));
    let rows = world.store.read(store::Lane::Admin, |reader| {
        Ok(format!(
            "{:?}{:?}{:?}{:?}{:?}",
            reader.secrets()?,
            reader.replaced_secrets()?,
            reader.patches()?,
            reader.base(model::Role::Controlplane)?,
            reader.configs_since(-1)?
        ))
    });
    see("Debug", rows.await.unwrap());
    see(
        "the log",
        String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned(),
    );

    for secret in secrets_of(&first).iter().chain(&secrets_of(&second)) {
        for (what, text) in &seen {
            assert!(
                !text.contains(secret.as_str()),
                "{what} has a secret:\n{text}"
            );
        }
    }
}
