//! ProxyDHCP as machines see it: recorded packets, any bytes at all, whole boots in memory, real firmware's captures, real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and one that is skipped says why"
)]

mod boots;
mod golden;
mod namespaces;
mod packets;
mod properties;
mod sockets;
