//! A daemon's admin plane in a folder of its own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::types::{LoaderStatus, ScriptPreview, Served, ServiceStatus};
use api::{
    Access, Api, AssetFolder, Client, Gate, Live, NextBoot, Pages, Progress, Sample, Service,
    UnixServer, router,
};
use axum::Router;
use model::{
    Actor, BootStage, Inventory, MacAddr, ManualClock, SeenBy, StageOutcome, StageRecord, Timestamp,
};
use reqwest::Method;
use serde_json::{Value, json};
use store::{Lane, Store};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a person, or a test, does with the API.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) app: Router,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinSet<()>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) gate: Gate,
    pub(crate) http: reqwest::Client,
}

struct Well;

impl Service for Well {
    fn status(&self) -> ServiceStatus {
        ServiceStatus {
            version: "0.1.0".into(),
            started_at: Timestamp::from_micros(0),
            state_dir: "/state".into(),
            serves: vec![Served {
                what: "ProxyDHCP".into(),
                address: "udp 0.0.0.0:67".into(),
                trouble: None,
            }],
            web_root: None,
            loaders: vec![
                LoaderStatus {
                    name: "snponly.efi".into(),
                    platform: Some("efi_x64".into()),
                    path: None,
                    complaint: None,
                },
                LoaderStatus {
                    name: "old.efi".into(),
                    platform: None,
                    path: Some("/loaders/old.efi".into()),
                    complaint: Some("it is from 2019".into()),
                },
            ],
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn samples(&self) -> Vec<Sample> {
        let help = "Answers";
        vec![Sample::counter(
            "ktizo_dhcp_datagrams",
            help,
            &[("outcome", "offer")],
            3,
        )]
    }

    fn own_addresses(&self) -> Vec<Ipv4Addr> {
        vec![OWN_ADDRESS]
    }
}

#[async_trait::async_trait]
impl NextBoot for Well {
    async fn script(&self, mac: MacAddr, _: Timestamp) -> Result<ScriptPreview, api::Error> {
        Ok(ScriptPreview {
            decision: "hold".into(),
            why: "waits for approval".into(),
            missing: None,
            script: format!("#!ipxe\necho {mac}\n"),
        })
    }
}

/// The address of the daemon's host.
pub(crate) const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

pub(crate) const MAC_1: &str = "52:54:00:00:00:01";
pub(crate) const MAC_2: &str = "52:54:00:00:00:02";

/// The address of a machine.
pub(crate) fn mac(number: u8) -> String {
    format!("52:54:00:00:01:{number:02x}")
}

/// A base config with what a device config needs and one secret.
pub(crate) fn base(role: &str) -> String {
    let key = if role == "controlplane" {
        "    key: YQ==\n"
    } else {
        ""
    };
    format!(
        "version: v1alpha1\nmachine:\n  type: {role}\n  token: abcdef.verysecret\n  ca:\n    crt: YQ==\n{key}  install:\n    disk: /dev/sda\ncluster:\n  controlPlane:\n    endpoint: https://cluster.example:6443\n  clusterName: test\n"
    )
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = "2026-11-23T07:00:00Z".parse::<Timestamp>().unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let store = Store::open(
            &dir.path().join("ktizo.db"),
            Arc::<ManualClock>::clone(&clock),
        )
        .unwrap();
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        let gate = Gate::new(store.clone(), Arc::<ManualClock>::clone(&clock));
        let live = Live::new(store.clone(), stop.clone());
        serving.spawn(live.clone().follow());
        let app = router(Api {
            store: store.clone(),
            live,
            gate: gate.clone(),
            pages: Pages::new(&[]).unwrap(),
            assets: AssetFolder::open(dir.path().join("assets"), &[]).unwrap(),
            state_dir: dir.path().to_owned(),
            base_folder: dir.path().join("base"),
            service: Arc::new(Well),
            next_boot: Arc::new(Well),
            clock: Arc::<ManualClock>::clone(&clock),
            progress: Progress::default(),
        });
        let socket = dir.path().join("ktizo.sock");
        let server = UnixServer::bind(&socket, access()).await.unwrap();
        serving.spawn(server.serve(app.clone(), stop.clone()));
        let http = reqwest::Client::builder().unix_socket(socket.clone());
        Self {
            client: Client::unix(&socket).unwrap(),
            http: http.build().unwrap(),
            dir,
            store,
            gate,
            app,
            stop,
            serving,
            clock,
        }
    }

    /// A world in which machines can be approved: subnet set, base configs imported.
    pub(crate) async fn ready() -> Self {
        let world = Self::new().await;
        let subnet = json!({"node_subnet": "10.0.0.0/24", "gateway": "10.0.0.1"});
        world.ok("PUT", "/network/settings", subnet).await;
        let bases = json!({"controlplane": base("controlplane"), "worker": base("worker")});
        world.ok("POST", "/cluster/base", bases).await;
        world
    }

    /// The same with one approved control plane.
    pub(crate) async fn with_control_plane() -> Self {
        let world = Self::ready().await;
        world.add(MAC_1).await;
        let cp = json!({"hostname": "cp-1", "ip_address": "10.0.0.11", "role": "controlplane"});
        let path = format!("/devices/{MAC_1}/approve");
        world.ok("POST", &path, cp).await;
        world
    }

    /// Records a stage of the boot of a device that is known.
    pub(crate) fn stage(&self, mac: &str, stage: BootStage) {
        record(&self.store, mac, stage);
    }

    /// A machine that was never heard of before boots.
    pub(crate) async fn stage_of_new(&self, mac: &str) {
        boots(&self.store, mac).await;
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("ktizo.sock")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds a device.
    pub(crate) async fn add(&self, mac: &str) -> Value {
        self.ok("POST", "/devices", json!({"mac_address": mac}))
            .await
    }

    /// One request; its status and its JSON body.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.ask_raw(method, &format!("/api/v1{path}"), text).await
    }

    pub(crate) async fn ask_raw(&self, method: &str, path: &str, body: String) -> (u16, Value) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .http
            .request(method, format!("http://localhost{path}"))
            .body(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, body)
    }

    /// A request that is granted.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// A request that is refused with 422: its word, field and sentence. Nothing may have changed.
    pub(crate) async fn refused(
        &self,
        method: &str,
        path: &str,
        body: Value,
    ) -> (String, String, String) {
        let before = self.everything().await;
        let (status, answer) = self.ask(method, path, body.clone()).await;
        assert_eq!(status, 422, "{method} {path} {body}: {answer}");
        assert_eq!(self.everything().await, before, "{method} {path} {body}");
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        (text("code"), text("field"), text("message"))
    }

    /// All that a change could touch.
    async fn everything(&self) -> (Value, Value, Value, Value, i64) {
        let revision = self.store.read(Lane::Admin, |reader| reader.revision());
        (
            self.ok("GET", "/devices", Value::Null).await,
            self.ok("GET", "/network/settings", Value::Null).await,
            self.ok("GET", "/events?limit=1000", Value::Null).await,
            self.ok("GET", "/assets", Value::Null).await,
            revision.await.unwrap(),
        )
    }

    /// The config that is served to a device; empty if there is none. Nobody is written down as having seen it.
    pub(crate) async fn config(&self, mac: &str) -> String {
        let mac: MacAddr = mac.parse().unwrap();
        let found = self.store.read(Lane::Admin, move |reader| {
            let device = reader.device_by_mac(mac)?;
            match device {
                Some(device) => reader.config(device.id),
                None => Ok(None),
            }
        });
        let config = found.await.unwrap();
        config.map_or_else(String::new, |config| {
            String::from_utf8(config.bytes).unwrap()
        })
    }

    /// The kinds of the events since the world began, oldest first.
    pub(crate) async fn kinds(&self) -> Vec<String> {
        let events = self.ok("GET", "/events?limit=1000", Value::Null).await;
        let mut kinds: Vec<String> = events
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["what"]["kind"].as_str().unwrap().to_owned())
            .collect();
        kinds.reverse();
        kinds
    }
}

fn record(store: &Store, mac: &str, stage: BootStage) {
    let mac: MacAddr = mac.parse().unwrap();
    store.submit(Actor::Device(mac), move |writer| {
        let device = writer.device_by_mac(mac)?.unwrap();
        let record = StageRecord {
            stage,
            at: writer.now(),
            duration_us: None,
            bytes: None,
            retries: None,
            peer: None,
            outcome: StageOutcome::Done,
            detail: String::new(),
        };
        writer.record_stage(device.id, &record).map(drop)
    });
}

/// A machine that a store never heard of before boots.
pub(crate) async fn boots(store: &Store, mac: &str) {
    let address: MacAddr = mac.parse().unwrap();
    let sighting = store.write(Lane::Boot, Actor::Device(address), move |writer| {
        writer.sight(address, &Inventory::default(), SeenBy::Dhcp)
    });
    sighting.await.unwrap();
    record(store, mac, BootStage::Discover);
}

pub(crate) fn access() -> Access {
    Access {
        group: "ktizo-test-group-of-nobody".into(),
    }
}

/// Waits until `done`.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let is_done = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), is_done).await;
    assert!(waited.is_ok(), "{what}");
}

/// The names of the files in a folder.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
