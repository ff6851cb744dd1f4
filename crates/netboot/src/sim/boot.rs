//! A simulated machine's whole way from its first broadcast to its boot script, in memory.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::machine::{Machine, Next, Rejected, Software, Source};
use crate::core::answer::CLIENT_PORT;
use crate::core::classify::Door;

/// The network around a simulated machine.
pub trait World {
    /// Carries a datagram to a port, and back whatever was answered: where each answer came from, where it went, and its content.
    fn carry(&mut self, datagram: &[u8], source: SocketAddrV4, door: Door) -> Vec<Carried>;

    /// Fetches a file; `None` if the server does not have it.
    fn fetch(&mut self, source: &Source) -> Option<Vec<u8>>;
}

/// An answer on its way to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Where it left from.
    pub source: SocketAddrV4,
    /// Where it goes.
    pub destination: SocketAddrV4,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// One thing that happened on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It asked on this port and was answered.
    Answered(Door),
    /// It loaded a boot program.
    Loaded(Source),
    /// It got its script.
    Script(String),
}

/// Why a simulated machine got no further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// Nobody answered on this port.
    #[error("no answer on port {}", .0.port())]
    Silence(Door),
    /// More than one answer came to one question.
    #[error("{0} answers to one question")]
    Many(usize),
    /// Somebody answered what was meant for the site's own DHCP server.
    #[error("a request to the site's DHCP server was answered")]
    Intruded,
    /// The answer is none that its firmware takes.
    #[error("the answer was passed over: {0}")]
    Rejected(#[from] Rejected),
    /// The answer went where the machine does not listen.
    #[error("the answer went to {0}, where the machine does not listen")]
    Misdirected(SocketAddrV4),
    /// The server did not have what its answer named.
    #[error("{0:?} is not there")]
    Missing(Source),
    /// Loaders loaded loaders without end.
    #[error("a loader was loaded {0} times, one by the other")]
    Loop(usize),
}

/// How many loaders may follow each other.
const CHAIN: usize = 4;
/// A broadcast from a machine without an address.
const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT);

/// Boots a machine as far as its script. `dhcp_server` is the site's own, whose lease the machine takes on the way.
pub fn boot(
    machine: &Machine,
    dhcp_server: Ipv4Addr,
    world: &mut impl World,
) -> Result<Vec<Step>, Stuck> {
    let mut machine = machine.clone();
    let mut steps = Vec::new();
    for stage in 0..CHAIN {
        let xid = 0x1000_0000 + u32::try_from(stage).unwrap_or(0);
        let source = ask(&machine, xid, dhcp_server, world, &mut steps)?;
        let content = world
            .fetch(&source)
            .ok_or_else(|| Stuck::Missing(source.clone()))?;
        if content.starts_with(b"#!ipxe") {
            steps.push(Step::Loaded(source));
            steps.push(Step::Script(String::from_utf8_lossy(&content).into_owned()));
            return Ok(steps);
        }
        steps.push(Step::Loaded(source));
        machine.software = loaded_by(machine.software);
    }
    Err(Stuck::Loop(CHAIN))
}

/// What runs once the boot program has started: iPXE, whatever the machine ran before.
fn loaded_by(software: Software) -> Software {
    use crate::director::Platform;
    let (platform, chained) = match software {
        Software::BiosRom => (Platform::Bios, true),
        Software::Edk2Pxe(platform) => (platform, true),
        Software::Edk2Http(platform) => (platform, false),
        Software::Ipxe { platform, .. } => (platform, true),
    };
    Software::Ipxe {
        platform,
        http: true,
        chained,
    }
}

/// One round of DHCP: discover, the site's lease, and port 4011 where the software wants it.
fn ask(
    machine: &Machine,
    xid: u32,
    dhcp_server: Ipv4Addr,
    world: &mut impl World,
    steps: &mut Vec<Step>,
) -> Result<Source, Stuck> {
    let offer = one(
        world.carry(&machine.discover(xid), NOWHERE, Door::Dhcp),
        Door::Dhcp,
    )?;
    if offer.destination != SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT) {
        return Err(Stuck::Misdirected(offer.destination));
    }
    steps.push(Step::Answered(Door::Dhcp));
    let next = machine.take_offer(&offer.bytes, xid)?;
    let request = machine.accept_lease(xid, dhcp_server);
    if !world.carry(&request, NOWHERE, Door::Dhcp).is_empty() {
        return Err(Stuck::Intruded);
    }
    let server = match next {
        Next::Fetch(source) => return Ok(source),
        Next::AskProxy(server) => server,
    };
    let own = SocketAddrV4::new(machine.address, machine.proxy_source_port());
    let request = machine.proxy_request(xid, server);
    let ack = one(world.carry(&request, own, Door::Proxy), Door::Proxy)?;
    if ack.destination != own {
        return Err(Stuck::Misdirected(ack.destination));
    }
    if ack.source != SocketAddrV4::new(server, Door::Proxy.port()) {
        return Err(Rejected::Sender.into());
    }
    steps.push(Step::Answered(Door::Proxy));
    Ok(machine.take_ack(&ack.bytes, xid)?)
}

fn one(mut answers: Vec<Carried>, door: Door) -> Result<Carried, Stuck> {
    match (answers.pop(), answers.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(Stuck::Silence(door)),
        (Some(_), others) => Err(Stuck::Many(others + 1)),
    }
}
