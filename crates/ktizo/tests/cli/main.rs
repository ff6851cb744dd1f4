//! The command line as a person uses it: the built program, and an admin plane in this process at the other end.

#![allow(clippy::unwrap_used, reason = "this is all tests")]

mod cluster;
mod offline;

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use api::types::{ScriptPreview, ServiceStatus};
use api::{
    Access, Api, AssetFolder, Gate, Live, NextBoot, Pages, Progress, Sample, Service, UnixServer,
    router,
};
use model::{MacAddr, SystemClock, Timestamp};
use store::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Runs the program.
fn ktizo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ktizo"))
        .args(arguments)
        .env_remove("KTIZO_SOCKET")
        .env_remove("KTIZO_SERVER")
        .output()
        .unwrap()
}

/// What the program says when it does what it is told.
#[track_caller]
fn says(output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {err}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The exit code and the complaint of the program when it does not.
#[track_caller]
fn complains(output: &Output) -> (i32, String) {
    assert!(!output.status.success(), "{output:?}");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), err)
}

/// An admin plane with a state of its own.
struct Daemon {
    folder: TempDir,
    runtime: Runtime,
    stop: CancellationToken,
    _store: Store,
}

struct Well;

impl Service for Well {
    fn status(&self) -> ServiceStatus {
        ServiceStatus {
            version: "0".into(),
            started_at: Timestamp::from_micros(0),
            state_dir: "/state".into(),
            serves: Vec::new(),
            loaders: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn samples(&self) -> Vec<Sample> {
        Vec::new()
    }

    fn own_addresses(&self) -> Vec<Ipv4Addr> {
        vec![Ipv4Addr::new(10, 0, 0, 2)]
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

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&folder.path().join("ktizo.db"), clock.clone()).unwrap();
        let stop = CancellationToken::new();
        let live = Live::new(store.clone(), stop.clone());
        runtime.spawn(live.clone().follow());
        let app = router(Api {
            store: store.clone(),
            gate: Gate::new(store.clone(), clock.clone()),
            live,
            pages: Pages::new(&[]).unwrap(),
            state_dir: folder.path().to_owned(),
            assets: AssetFolder::open(folder.path().join("assets"), &[]).unwrap(),
            base_folder: folder.path().join("base"),
            service: Arc::new(Well),
            next_boot: Arc::new(Well),
            clock,
            progress: Progress::default(),
        });
        let access = Access {
            group: "ktizo-test-group-of-nobody".into(),
        };
        let socket = folder.path().join("ktizo.sock");
        let server = runtime.block_on(UnixServer::bind(&socket, access)).unwrap();
        runtime.spawn(server.serve(app, stop.clone()));
        Self {
            folder,
            runtime,
            stop,
            _store: store,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program with words split at spaces, and a file in the place of each `@NAME`.
    fn run(&self, line: &str) -> Output {
        let mut arguments: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            arguments.push(match word.strip_prefix('@') {
                Some(name) => self.path(name).display().to_string(),
                None => word.to_owned(),
            });
        }
        let socket = self.path("ktizo.sock").display().to_string();
        arguments.extend(["--socket".to_owned(), socket]);
        ktizo(arguments)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.cancel();
        let _guard = self.runtime.enter();
    }
}

/// Writes a file.
fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
