//! The sockets at the rim. They ask the director what a machine is to get, and decide nothing themselves.

pub mod chains;
pub mod dhcp;
pub mod event_sink;
pub mod http;
pub mod interface;
pub mod kernel_log;
pub mod neighbour;
pub mod places;
pub mod port;
pub mod route;
mod shared;
pub mod taker;
pub mod tftp;
pub mod udp;
