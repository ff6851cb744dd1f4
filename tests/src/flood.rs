//! Many machines that ask for a boot program by DHCP, one after the other at a steady rate.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::Result;
use netboot::director::Platform;
use netboot::sim::load::{Load, LoadReport};
use netboot::sim::machine::Software;

use crate::lan::{Host, inside};

/// How many machines ask, how fast, and how long each waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Machines, with a card each; the same ones in every flood.
    pub machines: u32,
    /// The rate.
    pub per_second: u32,
    /// How long the last one waits.
    pub patience: Duration,
}

impl Flood {
    /// Asks from one host of the LAN to another.
    ///
    /// # Errors
    /// When an address is none, or a socket fails.
    pub fn run(self, client: &Host, server: &Host) -> Result<LoadReport> {
        let load = Load {
            server: SocketAddrV4::new(server.address.parse()?, 67),
            client: SocketAddrV4::new(client.address.parse::<Ipv4Addr>()?, 68),
            unicast: true,
            software: Software::Edk2Pxe(Platform::EfiX64),
            machines: self.machines,
            per_second: self.per_second,
            patience: self.patience,
        };
        let report = inside(client, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(load.run())
        })?;
        Ok(report)
    }
}
