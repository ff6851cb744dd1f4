//! What can keep a boot server from starting.

use std::io;

use crate::net::port::{PortOwner, Protocol, port_owner};

/// Why a boot server could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the port.
    #[error("{protocol} port {port} is in use by {}", holder(*.protocol, *.port, .owner.as_ref()))]
    PortInUse {
        /// The port.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
        /// Who has it, if that is visible to this process.
        owner: Option<PortOwner>,
    },
    /// The port is one for which this process lacks the right.
    #[error(
        "may not open {protocol} port {port}: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
    )]
    PortForbidden {
        /// The port.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
    },
    /// Port 67 belongs to another DHCP server, and sharing it is not permitted to this process.
    #[error(
        "cannot listen on UDP port {port} beside {}: that needs root or the capability CAP_NET_RAW: {source}",
        holder(Protocol::Udp, *.port, .owner.as_ref())
    )]
    PortNotShared {
        /// The port.
        port: u16,
        /// Who has it, if that is visible to this process.
        owner: Option<PortOwner>,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused the socket for another reason.
    #[error("cannot open {protocol} port {port}: {source}")]
    Socket {
        /// The port.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
        /// What the system said.
        source: io::Error,
    },
    /// The list of network interfaces could not be read.
    #[error("cannot list the network interfaces: {0}")]
    Interfaces(io::Error),
}

impl Error {
    /// Names the situation behind a failed bind of `port`, looking up who has it where it is in use.
    pub fn from_bind(protocol: Protocol, port: u16, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse {
                port,
                protocol,
                owner: port_owner(protocol, port),
            },
            io::ErrorKind::PermissionDenied => Self::PortForbidden { port, protocol },
            _ => Self::Socket {
                port,
                protocol,
                source,
            },
        }
    }
}

/// Names who has a port, or the command that shows it.
fn holder(protocol: Protocol, port: u16, owner: Option<&PortOwner>) -> String {
    owner.map_or_else(
        || {
            let kind = match protocol {
                Protocol::Udp => 'u',
                Protocol::Tcp => 't',
            };
            format!("another process; `sudo ss -ln{kind}p 'sport = :{port}'` shows which")
        },
        ToString::to_string,
    )
}
