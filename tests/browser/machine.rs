//! A machine that boots by HTTP as iPXE does, without being one.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::thread::{JoinHandle, spawn};

use anyhow::{Context as _, Result, bail};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::http;

/// Switches a machine on: it says what it is, waits while it is held, and fetches what its script names. Gives the config it got at
/// the end, or nothing if it was sent to its disk.
pub(crate) fn switch_on(port: u16, mac: &str, model: &str) -> JoinHandle<Result<Option<String>>> {
    let (mac, model) = (mac.to_owned(), escaped(model));
    let from = address_of(&mac);
    spawn(move || {
        let get = |path: &str| get(from, port, path);
        let facts = facts(&mac, &model);
        let mut script = get(&format!("/boot/{mac}"))?;
        loop {
            let line = |word: &str| {
                script
                    .lines()
                    .find(|line| line.trim_start().starts_with(word))
            };
            if let Some(kernel) = line("kernel ") {
                let config = kernel
                    .split_whitespace()
                    .find_map(|word| word.strip_prefix("talos.config="));
                let config = path_of(config.context("the kernel is given no config")?)?;
                for word in kernel
                    .split_whitespace()
                    .chain(line("initrd ").unwrap_or_default().split_whitespace())
                {
                    if word.starts_with("http://") {
                        get(path_of(word)?)?;
                    }
                }
                return get(config.split("?").next().unwrap_or(config)).map(Some);
            }
            let Some(next) = next_of(&script) else {
                return Ok(None);
            };
            script = get(&told(path_of(next)?, &facts))?;
        }
    })
}

/// What iPXE says of the machine, by the names in the script that asks for it.
fn facts(mac: &str, model: &str) -> [(&'static str, String); 7] {
    let board = mac.replace([':', '-'], "");
    [
        ("${uuid}", format!("4c4c4544-0042-3510-8054-{board}")),
        ("${serial:uristring}", "SVC4711".to_owned()),
        ("${manufacturer:uristring}", "Dell%20Inc.".to_owned()),
        ("${product:uristring}", model.to_owned()),
        ("${buildarch}", "x86_64".to_owned()),
        ("${platform}", "efi".to_owned()),
        ("${version:uristring}", "1.21.1".to_owned()),
    ]
}

fn told(path: &str, facts: &[(&str, String)]) -> String {
    let fill = |path: String, (name, value): &(&str, String)| path.replace(name, value);
    facts.iter().fold(path.to_owned(), fill)
}

/// The same for a machine that says it has this UUID.
fn told_by(mac: &str, path: &str, uuid: &str) -> String {
    told(
        &path.replace("${uuid}", uuid),
        &facts(mac, "PowerEdge%20R650"),
    )
}

fn get(from: Ipv4Addr, port: u16, path: &str) -> Result<String> {
    let (status, body) = http::ask_from(from, port, "GET", path, &[], "")?;
    if status != 200 {
        bail!("GET {path}: {status}");
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Where a script goes on.
fn next_of(script: &str) -> Option<&str> {
    let line = script
        .lines()
        .find(|line| line.trim_start().starts_with("chain --replace"))?;
    line.split_whitespace()
        .find(|word| word.starts_with("http://"))
}

/// The script that a machine gets once it has said what it is, and does not run.
pub(crate) fn script(port: u16, mac: &str) -> Result<String> {
    let from = address_of(mac);
    let first = get(from, port, &format!("/boot/{mac}"))?;
    match next_of(&first) {
        Some(next) => get(from, port, &told(path_of(next)?, &facts(mac, "PowerEdge"))),
        None => Ok(first),
    }
}

/// The same for a machine that says it has this UUID.
pub(crate) fn script_of(port: u16, mac: &str, uuid: &str) -> Result<String> {
    let from = address_of(mac);
    let first = get(from, port, &format!("/boot/{mac}"))?;
    let next = next_of(&first).context("the script asks for no facts")?;
    get(from, port, &told_by(mac, path_of(next)?, uuid))
}

/// The script that a machine gets at whose console somebody asked for a wipe.
pub(crate) fn ask_for_wipe(port: u16, mac: &str, uuid: &str) -> Result<String> {
    let from = address_of(mac);
    let first = get(from, port, &format!("/boot/{mac}"))?;
    let next = next_of(&first).context("the script asks for no facts")?;
    let said = told_by(mac, path_of(next)?, uuid);
    get(from, port, &format!("{said}&choice=wipe"))
}

/// The address of a machine, by which the daemon knows who fetches a kernel and whose log it hears.
fn address_of(mac: &str) -> Ipv4Addr {
    let last = mac.rsplit('-').next();
    let last = last.and_then(|last| u8::from_str_radix(last, 16).ok());
    Ipv4Addr::new(127, 0, 1, last.unwrap_or(1))
}

/// Sends lines of a kernel log as Talos does; each with its level.
pub(crate) fn log(port: u16, mac: &str, lines: &[(&str, &str)]) -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddrV4::new(address_of(mac), 0).into())?;
    socket.connect(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())?;
    let mut stream = TcpStream::from(socket);
    for (number, (level, text)) in lines.iter().enumerate() {
        let facility = if text.starts_with("[talos]") {
            "user"
        } else {
            "kern"
        };
        let line = json!({
            "clock": 1_250_000 * (number + 1), "facility": facility, "msg": text, "priority": level, "seq": number + 1,
            "talos-level": level, "talos-time": "2026-03-11T09:14:04.571083917Z",
        });
        writeln!(stream, "{line}")?;
    }
    Ok(())
}

/// What follows host and port.
fn path_of(url: &str) -> Result<&str> {
    let (_, rest) = url.split_once("://").context("no URL")?;
    let slash = rest.find('/').context("a URL without a path")?;
    Ok(&rest[slash..])
}

/// A text as iPXE writes it with `:uristring` (RFC 3986 section 2.1).
fn escaped(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(b).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
