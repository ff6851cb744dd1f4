//! Who has a port, for the sentence that says why this program cannot have it.

use std::fmt;
use std::fs;

/// The transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// A process that has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// Its name, as the kernel keeps it (at most 15 bytes).
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// Who listens on a port of this host; `None` if nobody does, or if the owner is another user's process that this one may not see.
pub fn port_owner(protocol: Protocol, port: u16) -> Option<PortOwner> {
    let tables: [&str; 2] = match protocol {
        Protocol::Udp => ["/proc/self/net/udp", "/proc/self/net/udp6"],
        Protocol::Tcp => ["/proc/self/net/tcp", "/proc/self/net/tcp6"],
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening_inodes(protocol, port, &table))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes.iter().map(|i| format!("socket:[{i}]")).collect();
    let pids = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        // Another user's process cannot be looked into, and any process may end meanwhile.
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        let holds = files
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .any(|target| links.iter().any(|link| target.as_os_str() == link.as_str()));
        if holds {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            return Some(PortOwner {
                name: name.trim().to_owned(),
                pid,
            });
        }
    }
    None
}

/// The socket inodes in one of the kernel's tables (`/proc/net/udp`, `tcp` and their IPv6 twins) that listen on `port`.
fn listening_inodes(protocol: Protocol, port: u16, table: &str) -> Vec<u64> {
    // TCP_LISTEN of the kernel's tcp_states.h. A UDP socket has no such state.
    const LISTEN: &str = "0A";
    let local_port = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = protocol == Protocol::Udp || *fields.get(3)? == LISTEN;
            let mine = fields.get(1)?.ends_with(&local_port) && listens;
            mine.then(|| fields.get(9)?.parse().ok()).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4242 2 0000000000000000 0
   1: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4343 1 0000000000000000 0
   2: 0100007F:1F40 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 4444 1 0000000000000000 0
   3: short
";

    #[test]
    fn finds_the_socket_that_listens() {
        assert_eq!(listening_inodes(Protocol::Udp, 67, TABLE), [4242]);
        assert_eq!(listening_inodes(Protocol::Tcp, 8000, TABLE), [4343]);
        assert!(listening_inodes(Protocol::Tcp, 67, TABLE).is_empty());
        assert!(listening_inodes(Protocol::Udp, 68, TABLE).is_empty());
        assert!(listening_inodes(Protocol::Udp, 67, "").is_empty());
    }

    #[test]
    fn names_this_very_process() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        for (protocol, port) in [
            (Protocol::Udp, udp.local_addr().unwrap().port()),
            (Protocol::Tcp, tcp.local_addr().unwrap().port()),
        ] {
            let owner = port_owner(protocol, port).unwrap();
            assert_eq!(owner.pid, std::process::id(), "{protocol}");
            assert!(!owner.name.is_empty());
        }
    }

    #[test]
    fn nobody_has_a_free_port() {
        let free = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        assert_eq!(port_owner(Protocol::Udp, free), None);
    }
}
