//! DHCP messages (RFC 2131) of network boot clients, by way of dhcproto.

pub mod arch;
pub mod packet;
pub mod reply;
pub mod request;

pub use arch::ClientArch;
pub use packet::{Malformed, Operation, Packet};
pub use reply::BootReply;
pub use request::{BootRequest, IpxeFacts, Kind, VendorClass};
