//! Bytes to typed packets and back.

pub mod dhcp;
pub mod grpc;
pub mod kernel_log;
pub mod options;
pub mod talos_event;
pub mod tftp;
