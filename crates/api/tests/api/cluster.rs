//! The cluster: settings, secrets, base configs, talosconfig.

use std::sync::OnceLock;

use configgen::SecretsBundle;
use model::{TalosVersion, Timestamp};
use serde_json::{Value, json};

use crate::world::{MAC_1, MAC_2, World, base};

pub(crate) const ENDPOINT: &str = "https://10.0.0.11:6443";

impl World {
    /// A world with a subnet and a cluster whose base configs ktizo made. Its secrets are the same in all tests: an RSA key takes long.
    pub(crate) async fn founded() -> Self {
        static SECRETS: OnceLock<String> = OnceLock::new();
        let world = Self::new().await;
        let subnet = json!({"node_subnet": "10.0.0.0/24", "gateway": "10.0.0.1"});
        world.ok("PUT", "/network/settings", subnet).await;
        let secrets = SECRETS.get_or_init(|| bundle().export().expose().to_owned());
        let body = json!({"secrets": secrets});
        world.ok("POST", "/cluster/secrets", body).await;
        let settings = json!({"name": "lab", "endpoint": ENDPOINT, "talos_version": "v1.13.9"});
        world.ok("PUT", "/cluster/settings", settings).await;
        world
            .ok("POST", "/cluster/config/generate", Value::Null)
            .await;
        world
    }

    /// Approves a device that may be new.
    pub(crate) async fn approve(&self, mac: &str, name: &str, last: u8, role: &str) -> Value {
        self.ok("POST", "/devices/register", json!({"mac_address": mac}))
            .await;
        let body = json!({"hostname": name, "ip_address": format!("10.0.0.{last}"), "role": role});
        self.ok("POST", &format!("/devices/{mac}/approve"), body)
            .await
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        match self.ok("GET", path, Value::Null).await {
            Value::String(text) => text,
            other => panic!("{path}: {other}"),
        }
    }
}

/// A bundle of another cluster.
pub(crate) fn bundle() -> SecretsBundle {
    SecretsBundle::generate(Timestamp::from_micros(1_700_000_000_000_000)).unwrap()
}

/// The base config of a role as `talosctl gen config` makes it.
fn made(role: model::Role, name: &str, bundle: &SecretsBundle) -> String {
    let version: TalosVersion = "v1.13.9".parse().unwrap();
    let input = configgen::ClusterInput::new(name, ENDPOINT, version);
    configgen::base_config(role, &input, bundle)
        .unwrap()
        .config()
        .print()
}

#[tokio::test]
async fn a_cluster_is_founded_without_anything_from_elsewhere() {
    let world = World::new().await;
    let subnet = json!({"node_subnet": "10.0.0.0/24"});
    world.ok("PUT", "/network/settings", subnet).await;
    let settings = json!({"name": "lab", "endpoint": ENDPOINT, "talos_version": "v1.13.9"});
    let answer = world.ok("PUT", "/cluster/settings", settings).await;
    assert!(answer["notes"].to_string().contains("nothing is made"));
    assert_eq!(
        world.ask("GET", "/cluster/secrets", Value::Null).await.0,
        404
    );
    let done = world
        .ok("POST", "/cluster/config/generate", Value::Null)
        .await;
    assert_eq!(done["secrets_made"], true);
    let cluster = world.ok("GET", "/cluster", Value::Null).await;
    assert_eq!(cluster["name"], "lab");
    assert_eq!(cluster["secrets"]["origin"], "generated");
    assert_eq!(cluster["bases"][1]["origin"], "generated");
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let config = world.config(MAC_1).await;
    assert!(config.contains("10.0.0.11/24") && config.contains("hostname: cp-1"));
    let findings = configgen::validate_file("x", &config, &"v1.13.9".parse().unwrap()).unwrap();
    assert!(findings.iter().all(|it| !it.is_error()), "{findings:?}");
    let kinds = world.kinds().await;
    let expected = [
        "settings_changed",
        "cluster_settings_changed",
        "secrets_made",
        "base_generated",
        "regenerated",
        "device_added",
        "device_approved",
    ];
    assert_eq!(kinds, expected);

    // Once more makes the same of the same secrets.
    let before = world.text("/cluster/secrets").await;
    let again = world
        .ok("POST", "/cluster/config/generate", Value::Null)
        .await;
    assert_eq!(again["secrets_made"], false);
    assert_eq!(again["roles"], json!([]));
    assert_eq!(world.text("/cluster/secrets").await, before);
}

#[tokio::test]
async fn settings_are_changed_one_by_one_and_configs_follow() {
    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let path = "/cluster/settings";
    let answer = world
        .ok("PUT", path, json!({"cni": "none", "kube_proxy": false}))
        .await;
    assert_eq!(
        (&answer["cni"], &answer["name"]),
        (&json!("none"), &json!("lab"))
    );
    assert!(world.config(MAC_1).await.contains("name: none"));
    let answer = world
        .ok("PUT", path, json!({"cni": null, "notes": ["x"]}))
        .await;
    assert_eq!(answer["cni"], "flannel");
    assert!(!world.config(MAC_1).await.contains("name: none"));
    assert_eq!(
        world.ok("GET", path, Value::Null).await["kube_proxy"],
        false
    );

    for (body, field) in [
        (json!({"endpoint": "http://x"}), "endpoint"),
        (json!({"pod_subnets": ["x"]}), "pod_subnets"),
        (json!({"pod_subnets": ["10.0.0.0/16"]}), "pod_subnets"),
        (
            json!({"service_subnets": ["10.244.0.0/16"]}),
            "service_subnets",
        ),
        (
            json!({"kubernetes_version": "1.12.0"}),
            "kubernetes_version",
        ),
        (json!({"talos_version": "v1.7.0"}), "talos_version"),
        (json!({"colour": "red"}), "colour"),
        (json!({"install": {"disk": "sda"}}), "install"),
        (json!({"name": null}), "name"),
    ] {
        let (_, named, why) = world.refused("PUT", path, body.clone()).await;
        assert_eq!(named, field, "{body}: {why}");
    }
    // What boots could not read such configs, which is said once and shortly.
    world
        .ok(
            "PUT",
            "/network/settings",
            json!({"talos_version": "v1.13.9"}),
        )
        .await;
    let newest = json!({"talos_version": "v1.99.0"});
    let (_, _, why) = world.refused("PUT", path, newest).await;
    assert!(
        why.contains("machines boot Talos v1.13.9") && why.len() < 500,
        "{why}"
    );
    world
        .ok("PUT", "/network/settings", json!({"talos_version": null}))
        .await;
    let newer = world
        .ok("PUT", path, json!({"talos_version": "v1.16.2"}))
        .await;
    assert!(newer["notes"][0].as_str().unwrap().contains("newest known"));
}

#[tokio::test]
async fn before_there_are_settings_nothing_is_made_of_them() {
    let world = World::new().await;
    assert_eq!(
        world.ask("GET", "/cluster/settings", Value::Null).await.0,
        404
    );
    assert_eq!(
        world.ask("GET", "/cluster/secrets", Value::Null).await.0,
        404
    );
    assert_eq!(
        world
            .ask("GET", "/cluster/talosconfig", Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        world
            .ask("GET", "/cluster/base/worker", Value::Null)
            .await
            .0,
        404
    );
    let (code, _, _) = world
        .refused("POST", "/cluster/config/generate", Value::Null)
        .await;
    assert_eq!(code, "missing");
    // Without a version anywhere, the settings lack one.
    let body = json!({"name": "lab", "endpoint": ENDPOINT});
    let (_, field, _) = world.refused("PUT", "/cluster/settings", body).await;
    assert_eq!(field, "talos_version");
}

#[tokio::test]
async fn secrets_are_replaced_only_with_the_name_typed_again_and_the_old_ones_kept() {
    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let (before, config) = (
        world.text("/cluster/secrets").await,
        world.config(MAC_1).await,
    );
    let other = bundle().export().expose().to_owned();
    for confirm in [Value::Null, json!("LAB"), json!("")] {
        let body = json!({"secrets": other, "confirm": confirm});
        let (code, field, _) = world.refused("POST", "/cluster/secrets", body).await;
        assert_eq!((code.as_str(), field.as_str()), ("confirm", "confirm"));
    }
    let same = world
        .ok("POST", "/cluster/secrets", json!({"secrets": before}))
        .await;
    assert_eq!(same["changed"], false);
    let body = json!({"secrets": other, "confirm": "lab"});
    let done = world.ok("POST", "/cluster/secrets", body).await;
    assert_eq!(
        (&done["replaced"], &done["device_configs_generated"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(world.text("/cluster/secrets").await, other);
    assert_ne!(world.config(MAC_1).await, config);
    let cluster = world.ok("GET", "/cluster", Value::Null).await;
    let backup = cluster["backups"][0]["id"].as_i64().unwrap();
    let path = format!("/cluster/secrets?backup={backup}");
    assert_eq!(world.text(&path).await, before);
    assert_eq!(
        world
            .ask("GET", "/cluster/secrets?backup=99", Value::Null)
            .await
            .0,
        404
    );

    for (body, field) in [
        (json!({}), "secrets"),
        (json!({"secrets": "cluster: {}"}), "secrets"),
        (
            json!({"controlplane": base("controlplane")}),
            "controlplane",
        ),
    ] {
        let (_, named, why) = world.refused("POST", "/cluster/secrets", body).await;
        assert_eq!(named, field, "{why}");
    }
}

#[tokio::test]
async fn a_cluster_that_talosctl_made_is_taken_over_with_its_secrets() {
    let world = World::new().await;
    let subnet = json!({"node_subnet": "10.0.0.0/24"});
    world.ok("PUT", "/network/settings", subnet).await;
    let old = bundle();
    let controlplane = made(model::Role::Controlplane, "old", &old);
    let worker = made(model::Role::Worker, "old", &old);
    let done = world
        .ok(
            "POST",
            "/cluster/base",
            json!({"controlplane": controlplane, "worker": worker}),
        )
        .await;
    assert_eq!(done["secrets_imported"], true, "{done}");
    assert_eq!(world.text("/cluster/secrets").await, old.export().expose());
    assert_eq!(world.text("/cluster/base/worker").await, worker);
    assert_eq!(
        world.ok("GET", "/cluster", Value::Null).await["name"],
        "old"
    );

    // A worker of another cluster, and secrets of another, do not belong to it.
    let other = bundle();
    let foreign = json!({"worker": made(model::Role::Worker, "old", &other)});
    let (code, _, _) = world.refused("POST", "/cluster/base", foreign).await;
    assert_eq!(code, "other_cluster");
    let mixed = json!({"controlplane": controlplane, "secrets": other.export().expose()});
    let (code, _, _) = world.refused("POST", "/cluster/base", mixed).await;
    assert_eq!(code, "other_cluster");
    let replaced = json!({"secrets": other.export().expose(), "confirm": "old"});
    let (code, _, _) = world.refused("POST", "/cluster/secrets", replaced).await;
    assert_eq!(code, "other_cluster");

    // Imported base configs are replaced only with the name typed again.
    let settings = json!({"name": "old", "endpoint": ENDPOINT, "talos_version": "v1.13.9"});
    let answer = world.ok("PUT", "/cluster/settings", settings).await;
    assert!(answer["notes"].to_string().contains("stay as they are"));
    assert_eq!(world.text("/cluster/base/worker").await, worker);
    let (code, _, _) = world
        .refused("POST", "/cluster/config/generate", Value::Null)
        .await;
    assert_eq!(code, "confirm");
    let done = world
        .ok(
            "POST",
            "/cluster/config/generate",
            json!({"confirm": "old"}),
        )
        .await;
    assert_eq!(done["secrets_made"], false);
    assert_eq!(world.text("/cluster/secrets").await, old.export().expose());
}

#[tokio::test]
async fn a_talosconfig_names_the_approved_control_planes() {
    let world = World::founded().await;
    let empty = world.text("/cluster/talosconfig").await;
    assert!(
        empty.contains("context: lab") && empty.contains("endpoints: []"),
        "{empty}"
    );
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    world.approve(MAC_2, "worker-1", 12, "worker").await;
    let config = world.text("/cluster/talosconfig").await;
    assert!(config.contains("- 10.0.0.11") && !config.contains("10.0.0.12"));
    assert_eq!(world.kinds().await.last().unwrap(), "secrets_exported");
}

#[tokio::test]
async fn a_config_that_talos_would_refuse_is_not_imported() {
    let world = World::ready().await;
    for (from, to, why) in [
        ("crt: YQ==", "crt: ''", "Talos API"),
        ("type: worker", "type: worker\n  colour: red", "colour"),
        ("https://cluster.example:6443", "cluster", "URL"),
    ] {
        let text = base("worker").replace(from, to);
        assert_ne!(text, base("worker"));
        let (_, field, message) = world
            .refused("POST", "/cluster/base", json!({"worker": text}))
            .await;
        assert!(message.contains(why), "{field}: {message}");
    }
}

#[tokio::test]
async fn the_first_control_plane_has_the_endpoints_address() {
    let world = World::founded().await;
    world.add(MAC_1).await;
    let suggested = world
        .ok(
            "GET",
            &format!("/devices/{MAC_1}/approval-suggestions"),
            Value::Null,
        )
        .await;
    assert_eq!(suggested["ip_address"], "10.0.0.11");
    let path = format!("/devices/{MAC_1}/approve");
    let mut body = json!({"hostname": "cp-1", "ip_address": "10.0.0.20", "role": "controlplane"});
    let (code, field, _) = world.refused("POST", &path, body.clone()).await;
    assert_eq!((code.as_str(), field.as_str()), ("endpoint", "ip_address"));
    body["endpoint_elsewhere"] = true.into();
    world.ok("POST", &path, body).await;

    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let moved = json!({"ip_address": "10.0.0.20"});
    let (code, _, _) = world
        .refused("PUT", &format!("/devices/{MAC_1}"), moved.clone())
        .await;
    assert_eq!(code, "endpoint");
    world.approve(MAC_2, "cp-2", 12, "controlplane").await;
    world.ok("PUT", &format!("/devices/{MAC_1}"), moved).await;
}
