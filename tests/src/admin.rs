//! HTTP by hand: one request on one connection, for the admin API by its Unix socket and the boot plane by TCP.
//!
//! A test that asks a hundred times in a few seconds has no time to start the command line for each.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::lan::{Host, inside};

/// Longer than any answer takes that is not a long poll.
const PATIENCE: Duration = Duration::from_secs(10);

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its content.
    pub body: Vec<u8>,
}

impl Answer {
    /// The content as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The admin API of one daemon.
#[derive(Clone, Debug)]
pub struct Admin {
    socket: PathBuf,
}

impl Admin {
    /// The API behind a socket.
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_path_buf(),
        }
    }

    /// Asks; `path` is what follows `/api/v1`.
    ///
    /// # Errors
    /// When the daemon is gone, or goes before it has answered whole: what was asked may have been done or not.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        exchange(stream, method, &format!("/api/v1{path}"), &[], body)
    }

    /// Fetches something.
    ///
    /// # Errors
    /// As [`Admin::ask`].
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, None)
    }
}

/// Asks a TCP port of `to` from a host of the lab.
///
/// # Errors
/// When nobody answers whole.
pub fn by_tcp(
    from: &Host,
    to: (&str, u16),
    method: &str,
    path: &str,
    headers: &[&str],
) -> io::Result<Answer> {
    let address = format!("{}:{}", to.0, to.1);
    let stream = inside(from, move || TcpStream::connect(address))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    exchange(stream, method, path, headers, None)
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[&str],
    body: Option<&Value>,
) -> io::Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if !body.is_empty() {
        head.push_str(&format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        ));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no whole answer"))
}

/// Reads an answer; one that is cut off is none.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let body = &bytes[end + 4..];
    // Only an answer without content may leave out its length (RFC 9110, 8.6).
    (body.len() == length.unwrap_or(0)).then(|| Answer {
        status,
        body: body.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let answer = parse(whole).unwrap();
        assert_eq!((answer.status, answer.text()), (200, "{}".to_owned()));
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_none(), "{length}");
        }
        assert_eq!(
            parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().status,
            204
        );
    }
}
