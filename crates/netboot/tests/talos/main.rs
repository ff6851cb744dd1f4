//! What Talos tells of itself, from the wire to what it proves.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and one that is skipped says why"
)]

mod calls;
mod client;
mod golden;
mod kernel;
mod raw;
mod taker;
