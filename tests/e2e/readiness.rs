//! `/readyz`: each thing that keeps machines from being served is named while it lasts, in the words of `ktizo status`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::clock::poll;
use ktizo_tests::lan::{Host, inside};
use ktizo_tests::process::run;
use ktizo_tests::scene::{SERVER, Scene};

use crate::runner::{Lab, folder};

/// Longer than the daemon takes to look at its loaders again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A monitor that asks again and again on the one connection it has.
pub(crate) struct Monitor {
    stream: TcpStream,
}

impl Monitor {
    pub(crate) fn connect(host: &Host) -> Result<Self> {
        let stream = inside(host, || TcpStream::connect("127.0.0.1:8000"))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream })
    }

    /// The status and the text of `/readyz`.
    pub(crate) fn ask(&mut self) -> Result<(u16, String)> {
        self.get("/readyz", "")
    }

    pub(crate) fn get(&mut self, path: &str, headers: &str) -> Result<(u16, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: lab\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes())?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head)?.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.context("no length")?.parse()?];
        self.stream.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, String::from_utf8(body)?))
    }

    /// Asks until the answer is that `words` stand in the way; without words, that nothing does.
    pub(crate) fn until(&mut self, words: Option<&str>) -> Result<String> {
        let mut last = String::new();
        let found = poll(PATIENCE, || match self.ask() {
            Ok((status, text)) => {
                let so = match words {
                    Some(words) => status == 503 && text.contains(words),
                    None => status == 200 && text == "ready\n",
                };
                last.clone_from(&text);
                so.then_some(Ok(text))
            }
            Err(err) => Some(Err(err)),
        });
        found.with_context(|| format!("{words:?} is not what /readyz says:\n{last}"))?
    }
}

pub(crate) fn each_reason_is_named_while_it_lasts(lab: &Lab) -> Result<()> {
    let mut scene = Scene::set(&lab.kit, &lab.assets, folder(lab, "each_reason")?)?;
    let server = scene.server.clone();
    let mut monitor = Monitor::connect(&server)?;
    monitor.until(None)?;

    let state = scene.ktizo.state().to_path_buf();
    let loader = state.join("loaders/snponly.efi");
    let aside = state.join("loaders/aside");
    fs::rename(&loader, &aside)?;
    let said = monitor.until(Some("boot loader snponly.efi is in none of"))?;
    let status = scene.ktizo.command(["status"])?;
    for line in said.lines() {
        ensure!(status.contains(line), "`ktizo status` lacks: {line}");
    }
    fs::rename(&aside, &loader)?;
    monitor.until(None)?;

    let assets = state.join("assets");
    let file = fs::read_dir(&assets)?
        .flatten()
        .find(|entry| entry.path().is_file())
        .context("no asset")?
        .path();
    fs::rename(&file, &aside)?;
    monitor.until(Some("is gone from the state folder"))?;
    fs::rename(&aside, &file)?;
    monitor.until(None)?;

    let card = |state| {
        run(
            "ip",
            &["-netns", &server.netns, "link", "set", "eth0", state],
        )
    };
    card("down")?;
    monitor.until(Some("network card eth0 is down or not there"))?;
    card("up")?;
    monitor.until(None)?;

    // No file descriptor is left for a connection that came.
    let pid = scene.ktizo.process().pid().to_string();
    let open = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    let limit = |soft: &str| run("prlimit", &["--pid", &pid, &format!("--nofile={soft}:")]);
    let before = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let before = before
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|line| line.split_whitespace().next())
        .context("no limit")?
        .to_owned();
    limit(&open.to_string())?;
    // The first ones may take what was free below.
    let address = format!("{SERVER}:80");
    let waiting = inside(&server, || {
        (0..8)
            .map(|_| TcpStream::connect(&address))
            .collect::<std::io::Result<Vec<_>>>()
    })?;
    let said = monitor.until(Some("boot HTTP is not served at http://"))?;
    ensure!(said.contains("Too many open files"), "{said}");
    let token = fs::read_to_string(state.join("admin.token"))?;
    let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
    let (_, numbers) = monitor.get("/metrics", &bearer)?;
    for line in [
        "ktizo_port_served{service=\"boot HTTP\"} 0",
        "ktizo_port_served{service=\"TFTP\"} 1",
    ] {
        ensure!(numbers.contains(line), "no `{line}` in /metrics");
    }
    limit(&before)?;
    monitor.until(None)?;
    drop(waiting);
    Ok(())
}
