//! The admin plane measured: pages and lists of ten thousand devices, alone and beside listeners.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result};
use ktizo_tests::daemon::Ktizo;
use ktizo_tests::lan::{Host, inside};
use serde_json::json;

use super::figures::row;
use super::http::Asking;

/// Where the admin plane is, on the host of the daemon.
pub(crate) const AT: &str = "127.0.0.1:8000";
/// How often each page is asked for.
const REQUESTS: usize = 100;

/// What is asked for.
const PAGES: [(&str, &str, bool); 11] = [
    ("API, first 50 devices", "/api/v1/devices?limit=50", false),
    (
        "  by last seen",
        "/api/v1/devices?limit=50&sort=-last_seen",
        false,
    ),
    (
        "  search for a name",
        "/api/v1/devices?limit=50&q=node-99",
        false,
    ),
    (
        "  search for nothing there",
        "/api/v1/devices?limit=50&q=nowhere",
        false,
    ),
    (
        "  approved workers",
        "/api/v1/devices?limit=50&status=approved&role=worker",
        false,
    ),
    ("page, first 50 devices", "/devices", true),
    ("  first 500", "/devices?rows=500", true),
    ("  search for a name", "/devices?q=node-99", true),
    (
        "  approved workers by last seen",
        "/devices?status=approved&role=worker&sort=-last_seen",
        true,
    ),
    ("page of a device", "/devices/5000", true),
    ("overview", "/", true),
];

/// A way into the admin plane.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// The token that may do everything.
    pub(crate) token: String,
    /// The cookie of a person who is signed in.
    cookie: String,
}

impl Door {
    /// Signs a first user in.
    pub(crate) fn open(ktizo: &Ktizo, server: &Host) -> Result<Self> {
        let token = fs::read_to_string(ktizo.state().join("admin.token"))?;
        let link = ktizo
            .admin()
            .ask("POST", "/set-up-link", Some(&json!({})))?;
        let path = link.json()["path"].as_str().unwrap_or_default().to_owned();
        let (_, set_up) = path.split_once("token=").context("a set-up link")?;
        let password = "correct horse battery staple";
        let form = format!("token={set_up}&name=bench&password={password}&again={password}");
        let form = form.replace(' ', "+");
        let answer = inside(server, || {
            let mut stream = TcpStream::connect(AT)?;
            stream.write_all(format!("POST /set-up HTTP/1.1\r\nHost: {AT}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}", form.len()).as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })?;
        let cookie = answer
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .starts_with("set-cookie:")
                    .then(|| line[11..].trim())
            })
            .and_then(|cookie| cookie.split(';').next())
            .with_context(|| format!("the first user cannot sign in: {answer}"))?;
        Ok(Self {
            token: token.trim().to_owned(),
            cookie: cookie.to_owned(),
        })
    }

    /// Asks for each page, one request after the other.
    pub(crate) fn pages(&self, server: &Host) -> Result<()> {
        for (what, path, is_page) in PAGES {
            let headers = if is_page {
                format!("Cookie: {}\r\n", self.cookie)
            } else {
                format!("Authorization: Bearer {}\r\n", self.token)
            };
            let asking = Asking {
                from: server,
                to: AT.to_owned(),
                headers,
                connections: 1,
                requests: REQUESTS,
            };
            let (times, _) = asking.run(|_| path.to_owned())?;
            row(&format!("  {what}"), &times.spread(), "p99 under 100 ms");
        }
        Ok(())
    }
}
