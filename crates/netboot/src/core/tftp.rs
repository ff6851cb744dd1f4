//! TFTP as a server does it, without a socket: what is agreed, what is sent when, who is let in.
//!
//! - [`Terms`]: what a request and the policy make of each other.
//! - [`Session`]: one transfer. A packet and the time in, what is to be sent out.
//! - [`Admission`]: which requests become sessions, and which one makes room for another.
//!
//! Times are spans since a moment of the caller's choosing that never goes back.

mod admission;
mod session;
mod terms;
mod timer;

pub use admission::{Admission, Admitted, Limits, SessionId, Turned};
pub use session::{End, Outcome, Sending, Session, Step};
pub use terms::{Block, Policy, Span, Terms};

#[cfg(test)]
mod lossy;
#[cfg(test)]
mod scripted;
