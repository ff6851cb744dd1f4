//! The network boot servers: ProxyDHCP, TFTP and boot HTTP.
//!
//! Three layers, each knowing only the ones above it in this list:
//!
//! - [`wire`]: bytes to typed packets and back, nothing else.
//! - [`core`]: what an answer is. Functions and state machines that take bytes and the time and give bytes; no socket, no clock,
//!   no randomness of their own.
//! - [`net`]: the sockets at the rim. They ask the [`Director`] what a machine is to get, and never decide anything themselves.
//!
//! [`sim`] is a machine's side of it all, for tests without machines.

pub mod core;
pub mod director;
mod error;
pub mod net;
pub mod sim;
pub mod wire;

pub use director::Director;
pub use error::Error;
