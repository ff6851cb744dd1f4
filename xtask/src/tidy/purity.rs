//! netboot's core stays pure: no runtime, no socket, no clock, no chance. What it decides follows from what it is given.

use super::{Fault, Source};

/// Where the rule holds.
const PURE: &[&str] = &["crates/netboot/src/wire", "crates/netboot/src/core"];

/// What may not be named there, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("tokio", "a runtime"),
    ("async fn", "a runtime"),
    (".await", "a runtime"),
    ("UdpSocket", "a socket"),
    ("TcpListener", "a socket"),
    ("TcpStream", "a socket"),
    ("UnixStream", "a socket"),
    ("UnixDatagram", "a socket"),
    ("socket2", "a socket"),
    ("nix::sys::socket", "a socket"),
    ("now()", "a clock"),
    ("SystemTime", "a clock"),
    ("rand::", "chance"),
    ("getrandom", "chance"),
    ("std::fs", "the disk"),
    ("std::env", "the environment"),
];

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let Source { path, text } = source;
    let pure = PURE.iter().any(|place| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest.starts_with(['/', '.']))
    });
    if !pure || !path.ends_with(".rs") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or(line);
        for (name, what) in FORBIDDEN {
            if names(code, name) {
                faults.push(Fault::new(
                    path,
                    index + 1,
                    format!("`{name}` is {what}: the core is pure"),
                ));
            }
        }
    }
    faults
}

/// Whether code has a name that is not just the end of a longer one.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !name.starts_with(|first: char| first.is_alphanumeric())
            || !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        said(check(&Source::of(path, text)))
    }

    #[test]
    fn the_core_may_not_reach_outside() {
        let path = "crates/netboot/src/core/answer.rs";
        assert_eq!(
            of(path, "use tokio::time;\nlet at = Instant::now();\n"),
            [
                "crates/netboot/src/core/answer.rs:1: `tokio` is a runtime: the core is pure",
                "crates/netboot/src/core/answer.rs:2: `now()` is a clock: the core is pure"
            ]
        );
        assert_eq!(
            of("crates/netboot/src/wire.rs", "let id = rand::random();\n").len(),
            1
        );
    }

    #[test]
    fn arguments_addresses_and_comments_are_free() {
        let text = "//! No tokio here.\nfn answer(now: Instant, from: SocketAddr) {} // not now()\nlet operand::Kind = x;\n";
        assert_eq!(of("crates/netboot/src/core/answer.rs", text), [""; 0]);
    }

    #[test]
    fn the_rim_is_free() {
        assert_eq!(
            of(
                "crates/netboot/src/net/udp.rs",
                "use tokio::net::UdpSocket;\n"
            ),
            [""; 0]
        );
        assert_eq!(
            of(
                "crates/netboot/src/corelib.rs",
                "use tokio::net::UdpSocket;\n"
            ),
            [""; 0]
        );
    }
}
