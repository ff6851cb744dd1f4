//! Chromium, driven by chromedriver's WebDriver protocol (W3C WebDriver, and `goog/cdp/execute` for what it has no words for).

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use data_encoding::BASE64;
use ktizo_tests::clock::poll;
use ktizo_tests::process::Process;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{Daemon, PASSWORD, dev};
use crate::http;

/// A page shows what it should within this time; what is asked to be quicker says so itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where drivers listen: below the ports that the kernel gives away, and above those of the daemons.
const FIRST_PORT: u16 = 25_000;
const PORTS: u32 = 5_000;
static NEXT: AtomicU32 = AtomicU32::new(0);
/// The key by which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window and a profile of its own.
pub(crate) struct Chromium {
    port: u16,
    session: String,
    /// What every path is below.
    site: String,
    screen: Cell<Size>,
    _driver: Process,
    _profile: TempDir,
}

impl Chromium {
    /// Starts a browser that looks at a daemon.
    pub(crate) fn start(daemon: &Daemon) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let (driver, port) = start_driver(&profile.path().join("driver.log"))?;
        let user_data = format!("--user-data-dir={}", profile.path().join("data").display());
        let options = json!({
            "binary": "/usr/bin/chromium",
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", user_data,
            ],
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let mut chromium = Self {
            port,
            session: String::new(),
            screen: Cell::new(Size::Desk),
            site: format!("http://127.0.0.1:{}", daemon.admin_port),
            _driver: driver,
            _profile: profile,
        };
        let made = chromium.command("POST", "/session", &wanted)?;
        let id = made["sessionId"].as_str().context("no session")?;
        chromium.session = format!("/session/{id}");
        chromium.look_like("light", Size::Desk)?;
        Ok(chromium)
    }

    /// Starts one in which a new user of a daemon is signed in.
    pub(crate) fn signed_in(daemon: &Daemon, name: &str, authority: &str) -> Result<Self> {
        daemon.user(name, authority)?;
        let page = Self::start(daemon)?;
        page.sign_in(name)?;
        Ok(page)
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let headers = [("Content-Type", "application/json")];
        let (status, bytes) = http::ask(self.port, method, path, &headers, &body)?;
        let answer: Value = serde_json::from_slice(&bytes)?;
        if status != 200 {
            bail!(
                "{}: {}",
                answer["value"]["error"],
                answer["value"]["message"]
            );
        }
        Ok(answer["value"].clone())
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.command("POST", &format!("{}{path}", self.session), body)
    }

    /// Sends a command of the DevTools protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    /// Goes to a path.
    pub(crate) fn go(&self, path: &str) -> Result<()> {
        self.post("/url", &json!({"url": format!("{}{path}", self.site)}))
            .map(drop)
    }

    /// The path it is at.
    pub(crate) fn path(&self) -> Result<String> {
        let url = self.command("GET", &format!("{}/url", self.session), &Value::Null)?;
        let url = url.as_str().unwrap_or_default();
        Ok(url.strip_prefix(&self.site).unwrap_or(url).to_owned())
    }

    /// Runs a function body in the page.
    pub(crate) fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// How many elements fit a selector.
    pub(crate) fn count(&self, css: &str) -> Result<usize> {
        let found = self.post("/elements", &json!({"using": "css selector", "value": css}))?;
        Ok(found.as_array().map_or(0, Vec::len))
    }

    fn element(&self, css: &str) -> Result<String> {
        let found = poll(PATIENCE, || {
            let found = self
                .post("/element", &json!({"using": "css selector", "value": css}))
                .ok()?;
            found[ELEMENT].as_str().map(str::to_owned)
        });
        found.with_context(|| {
            format!(
                "there is no {css} on the page, which says:\n{}",
                self.text().unwrap_or_default()
            )
        })
    }

    /// Does something with an element: again with another, where the page has put that in its place meanwhile.
    fn with(&self, css: &str, act: impl Fn(&str) -> Result<()>) -> Result<()> {
        let done = poll(PATIENCE, || {
            let done = self.element(css).and_then(|element| act(&element));
            match &done {
                Err(err) if is_passing(err) => None,
                _ => Some(done),
            }
        });
        done.with_context(|| format!("{css} does not stay on the page for long enough"))?
    }

    /// Clicks on an element, out of reach of what sticks to the edges of the screen.
    pub(crate) fn click(&self, css: &str) -> Result<()> {
        let centred = "arguments[0].scrollIntoView({block: 'center'})";
        self.with(css, |element| {
            let it = json!({ELEMENT: element});
            self.post("/execute/sync", &json!({"script": centred, "args": [it]}))?;
            self.post(&format!("/element/{element}/click"), &json!({}))
                .map(drop)
        })
        .with_context(|| format!("{css} cannot be clicked"))
    }

    /// Types into a field in place of what it holds.
    pub(crate) fn fill(&self, css: &str, text: &str) -> Result<()> {
        self.with(css, |element| {
            self.post(&format!("/element/{element}/clear"), &json!({}))?;
            self.post(&format!("/element/{element}/value"), &json!({"text": text}))
                .map(drop)
        })
    }

    /// Chooses a file for a field.
    pub(crate) fn choose_file(&self, css: &str, file: &Path) -> Result<()> {
        self.with(css, |element| {
            self.post(&format!("/element/{element}/value"), &json!({"text": file}))
                .map(drop)
        })
    }

    /// Presses keys wherever the focus is.
    pub(crate) fn press(&self, keys: &[&str]) -> Result<()> {
        let of = |kind: &str, key: &str| json!({"type": kind, "value": key});
        let strokes: Vec<Value> = keys
            .iter()
            .flat_map(|key| [of("keyDown", key), of("keyUp", key)])
            .collect();
        self.post(
            "/actions",
            &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}),
        )
        .map(drop)
    }

    /// Switches what scripts pages bring along on or off.
    pub(crate) fn scripts(&self, on: bool) -> Result<()> {
        self.devtools(
            "Emulation.setScriptExecutionDisabled",
            &json!({"value": !on}),
        )
        .map(drop)
    }

    /// What the page says.
    pub(crate) fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText")?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page says something.
    pub(crate) fn await_text(&self, wanted: &str, limit: Duration) -> Result<()> {
        let said = poll(limit, || {
            self.text().ok().filter(|text| text.contains(wanted))
        });
        match said {
            Some(_) => Ok(()),
            None => bail!(
                "the page {} does not say `{wanted}` after {limit:?}, but:\n{}",
                self.path()?,
                self.text()?
            ),
        }
    }

    /// Waits until a function body gives a value: what a page does once it is there comes a moment later.
    pub(crate) fn await_value(&self, script: &str, wanted: &Value) -> Result<()> {
        let last = Cell::new(Value::Null);
        let given = poll(PATIENCE, || {
            let value = self.run(script).ok()?;
            let is_it = value == *wanted;
            last.set(value);
            is_it.then_some(())
        });
        given.with_context(|| format!("`{script}` gives {}, not {wanted}", last.take()))
    }

    /// Waits until an element has the focus.
    pub(crate) fn await_focus(&self, id: &str) -> Result<()> {
        self.await_value("return document.activeElement.id", &json!(id))
    }

    /// Waits until it is at a path, whatever follows its `?`.
    pub(crate) fn await_path(&self, wanted: &str) -> Result<()> {
        let there = poll(PATIENCE, || {
            self.path()
                .ok()
                .filter(|path| path.split('?').next() == Some(wanted))
        });
        match there {
            Some(_) => Ok(()),
            None => bail!(
                "it is at {} and not at {wanted}; the page says:\n{}",
                self.path()?,
                self.text()?
            ),
        }
    }

    /// Signs in by the form.
    pub(crate) fn sign_in(&self, name: &str) -> Result<()> {
        self.go("/sign-in")?;
        self.fill("#name", name)?;
        self.fill("#password", PASSWORD)?;
        self.click("main button")?;
        self.await_path("/")
    }

    /// Opens another window, and gives the one before.
    pub(crate) fn window(&self) -> Result<String> {
        let before = self.command("GET", &format!("{}/window", self.session), &Value::Null)?;
        let new = self.post("/window/new", &json!({"type": "window"}))?;
        self.post("/window", &json!({"handle": new["handle"]}))?;
        let before = before.as_str().context("no window")?;
        Ok(before.to_owned())
    }

    /// Goes back to a window.
    pub(crate) fn back_to(&self, window: &str) -> Result<()> {
        self.post("/window", &json!({"handle": window})).map(drop)
    }

    /// Puts the window away, as a tab behind others is: nobody sees its page, and the page is told.
    pub(crate) fn hide(&self) -> Result<()> {
        self.post("/window/minimize", &json!({})).map(drop)
    }

    /// Shows a window that was put away.
    pub(crate) fn show(&self) -> Result<()> {
        let (width, height, _) = self.screen.get().measures();
        self.post("/window/rect", &json!({"width": width, "height": height}))
            .map(drop)
    }

    /// Takes a colour scheme and the size of a screen.
    pub(crate) fn look_like(&self, scheme: &str, size: Size) -> Result<()> {
        self.screen.set(size);
        self.measure(size.measures())?;
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features)
            .map(drop)
    }

    /// Writes a picture of the page to `target/ktizo-dev/screenshots`.
    pub(crate) fn picture(&self, name: &str) -> Result<()> {
        let folder = screenshots()?;
        // A screen as high as the page, so that what sticks to its edges is where it is at the end of the page.
        let (width, height, mobile) = self.screen.get().measures();
        let all = self.run("return document.documentElement.scrollHeight")?;
        let all = all.as_u64().unwrap_or(height).max(height);
        self.measure((width, all, mobile))?;
        let picture = self.devtools(
            "Page.captureScreenshot",
            &json!({"captureBeyondViewport": true}),
        )?;
        let data = picture["data"].as_str().context("no picture")?;
        std::fs::write(
            folder.join(format!("{name}.png")),
            BASE64.decode(data.as_bytes())?,
        )?;
        self.measure((width, height, mobile))
    }

    fn measure(&self, (width, height, mobile): (u64, u64, bool)) -> Result<()> {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics)
            .map(drop)
    }

    /// What the browser complained of since the last time, such as a refusal by the content security policy.
    pub(crate) fn complaints(&self) -> Result<String> {
        let lines = self.post("/se/log", &json!({"type": "browser"}))?;
        let mut text = String::new();
        for line in lines.as_array().into_iter().flatten() {
            if line["level"] == "SEVERE" {
                writeln!(text, "{}", line["message"].as_str().unwrap_or_default())?;
            }
        }
        Ok(text)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser ends with its session; the driver with its guard.
        let _ = self.command("DELETE", &self.session, &Value::Null);
    }
}

/// Whether an element was not the page's any more, or something else was before it: the next look may find it.
fn is_passing(err: &anyhow::Error) -> bool {
    let said = err.to_string();
    ["stale element reference", "element click intercepted"]
        .iter()
        .any(|passing| said.contains(passing))
}

/// Starts a driver at a port that nobody has; gives both.
fn start_driver(log: &Path) -> Result<(Process, u16)> {
    for _ in 0..PORTS {
        // Not one that the kernel gives to connections, which could be taken for one of the two addresses that the driver listens at.
        let number = std::process::id() * 20 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + u16::try_from(number % PORTS)?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let mut driver = Process::start("chromedriver", &mut command, log)
            .context("chromedriver is in Debian's package chromium-driver")?;
        let started = format!("started successfully on port {port}");
        let answers = poll(PATIENCE, || {
            if driver.ended().is_some() {
                return Some(false);
            }
            let answer = http::ask(port, "GET", "/status", &[], "");
            (answer.is_ok() && driver.said().contains(&started)).then_some(true)
        });
        match answers {
            Some(true) => return Ok((driver, port)),
            Some(false) if driver.said().contains("not available") => {}
            _ => bail!("chromedriver did not start; it said:\n{}", driver.said()),
        }
    }
    bail!("chromedriver finds no port")
}

/// The size of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Desk,
    Phone,
}

impl Size {
    /// Width and height in CSS pixels, and whether it is touched.
    fn measures(self) -> (u64, u64, bool) {
        match self {
            Self::Desk => (1360, 900, false),
            Self::Phone => (390, 844, true),
        }
    }
}

fn screenshots() -> Result<PathBuf> {
    let folder = dev()?.join("screenshots");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
