//! The ProxyDHCP server: ports 67 and 4011.

mod counters;
mod flight;
mod server;

pub use counters::DhcpCounters;
pub use server::{DhcpConfig, DhcpPorts, DhcpServer, Sharing};
