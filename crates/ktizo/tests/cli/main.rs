//! The command line as a person uses it: the built program, and an admin plane in this process at the other end.

#![allow(clippy::unwrap_used, reason = "this is all tests")]

mod approve;
mod backup;
mod boots;
mod cluster;
mod identity;
mod offline;
mod reach;
mod restore;
mod terminal;
mod walk;
mod words;

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use api::types::{ScriptPreview, ServiceStatus};
use api::{
    Access, Api, AssetFolder, Certificate, Gate, Live, NextBoot, Pages, Progress, Sample, Service,
    TcpServer, Token, UnixServer, router,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use model::{Clock as _, MacAddr, SystemClock, Timestamp};
use serde_json::Value;
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
    folder: Arc<TempDir>,
    runtime: Runtime,
    stop: CancellationToken,
    store: Store,
    app: Router,
    asked: Asked,
}

/// A request that came from the command line.
#[derive(Clone, Debug)]
struct Question {
    method: String,
    path: String,
    /// The names behind the `?`, and the fields of its body.
    fields: Vec<String>,
}

/// What the command line asked.
type Asked = Arc<Mutex<Vec<Question>>>;

async fn write_down(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let mut fields: Vec<String> = query
        .split('&')
        .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()))
        .collect();
    let is_json = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    let body = if is_json {
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        if let Ok(Value::Object(body)) = serde_json::from_slice(&bytes) {
            // What is not given may be sent as `null`.
            let given = body.into_iter().filter(|(_, value)| !value.is_null());
            fields.extend(given.map(|(field, _)| field));
        }
        Body::from(bytes)
    } else {
        body
    };
    asked.lock().unwrap().push(Question {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        fields,
    });
    next.run(Request::from_parts(parts, body)).await
}

struct Well;

impl Service for Well {
    fn status(&self) -> ServiceStatus {
        ServiceStatus {
            version: "0".into(),
            started_at: Timestamp::from_micros(0),
            state_dir: "/state".into(),
            serves: Vec::new(),
            web_root: None,
            loaders: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
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
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Starts it again with what it has kept.
    fn restart(self) -> Self {
        let folder = Arc::clone(&self.folder);
        drop(self);
        Self::start_in(folder)
    }

    fn start_in(folder: Arc<TempDir>) -> Self {
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
        let asked = Asked::default();
        let app = app.layer(from_fn_with_state(Arc::clone(&asked), write_down));
        let access = Access {
            group: "ktizo-test-group-of-nobody".into(),
        };
        let socket = folder.path().join("ktizo.sock");
        let server = runtime.block_on(UnixServer::bind(&socket, access)).unwrap();
        runtime.spawn(server.serve(app.clone(), stop.clone()));
        Self {
            folder,
            runtime,
            stop,
            store,
            app,
            asked,
        }
    }

    /// Opens it by TCP, with a self-made certificate; gives its URL, the token that may do everything, and the fingerprint.
    fn open_tcp(&self) -> (String, String, String) {
        let token = Token::read_or_make(&self.path("admin.token")).unwrap();
        let certificate = Certificate::read_or_make(
            self.folder.path(),
            vec!["127.0.0.1".into()],
            SystemClock.now(),
        )
        .unwrap();
        let certificate = Arc::new(certificate);
        let anywhere = (Ipv4Addr::LOCALHOST, 0).into();
        let server = self
            .runtime
            .block_on(TcpServer::bind(anywhere, token))
            .unwrap();
        let server = server.with_tls(Arc::clone(&certificate)).unwrap();
        let url = format!("https://{}", server.local_addr());
        self.runtime
            .spawn(server.serve(self.app.clone(), self.stop.clone()));
        let token = std::fs::read_to_string(self.path("admin.token")).unwrap();
        (
            url,
            token.trim().to_owned(),
            certificate.fingerprint().to_string(),
        )
    }

    /// Serves `app` at another socket; gives its path.
    fn also_serve(&self, app: Router, name: &str) -> String {
        let socket = self.path(name);
        let access = Access {
            group: "ktizo-test-group-of-nobody".into(),
        };
        let server = self.runtime.block_on(UnixServer::bind(&socket, access));
        self.runtime
            .spawn(server.unwrap().serve(app, self.stop.clone()));
        socket.display().to_string()
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
