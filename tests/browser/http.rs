//! One HTTP request on one connection of the loopback.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};
use socket2::{Domain, Socket, Type};

/// Longer than a held machine waits for its answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Asks a port of the loopback from its own address; gives the status and the content.
pub(crate) fn ask(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, Vec<u8>)> {
    ask_from(Ipv4Addr::LOCALHOST, port, method, path, headers, body)
}

/// Asks a port of the loopback from an address of 127.0.0.0/8; gives the status and the content.
pub(crate) fn ask_from(
    from: Ipv4Addr,
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, Vec<u8>)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddrV4::new(from, 0).into())?;
    socket.connect(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(head.as_bytes())?;
    // A server may keep the connection in spite of the request, so that only the length tells the end.
    let (mut bytes, mut part) = (Vec::new(), [0; 65_536]);
    loop {
        if let Some(answer) = whole(&bytes) {
            return Ok(answer);
        }
        let read = match stream.read(&mut part) {
            // A host that was stopped and goes on ends a read that has a time limit (signal(7)).
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            read => read.with_context(|| format!("{method} {path} was not answered"))?,
        };
        if read == 0 {
            anyhow::bail!(
                "{method} {path}: the answer broke off after {} bytes",
                bytes.len()
            );
        }
        bytes.extend_from_slice(&part[..read]);
    }
}

/// The answer, once all of it is there.
fn whole(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length: usize = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })?;
    let body = &bytes[end + 4..];
    (body.len() >= length).then(|| (status, body[..length].to_vec()))
}
