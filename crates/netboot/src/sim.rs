//! A machine's side of a network boot, for tests without machines.

pub mod boot;
pub mod load;
pub mod machine;
pub mod tftp;
