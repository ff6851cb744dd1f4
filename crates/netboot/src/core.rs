//! What an answer is: functions and state machines without sockets, clocks or randomness of their own.
pub mod allowance;
pub mod answer;
pub mod chain;
pub mod classify;
pub mod copies;
pub mod dampen;
pub mod http;
pub mod lines;
pub mod path;
mod recent;
pub mod tftp;
