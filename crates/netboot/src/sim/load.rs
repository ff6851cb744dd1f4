//! Many simulated machines at once, over UDP, for benchmarks and tests of a running server.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use model::MacAddr;
use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::machine::{Machine, Software};
use crate::wire::dhcp::BootReply;

/// A load on a ProxyDHCP server.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the discovers go: a server's port 67, or a broadcast address.
    pub server: SocketAddrV4,
    /// Where the machines listen: port 68 beside a real server. Tests whose server knows another client port take that one.
    pub client: SocketAddrV4,
    /// Whether the machines have addresses already, so that answers come to `client` alone; else they are broadcast.
    pub unicast: bool,
    /// What the machines run.
    pub software: Software,
    /// How many machines ask, each once.
    pub machines: u32,
    /// How many ask in a second, at most.
    pub per_second: u32,
    /// How long to wait for answers after the last has asked.
    pub patience: Duration,
}

/// What became of a [`Load`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// How many machines asked.
    pub sent: u32,
    /// How many answers came that their machine takes.
    pub answered: u32,
    /// How many answers came beyond one for each machine, or that no machine takes.
    pub surplus: u32,
    /// How long each answer took, the shortest first.
    pub times: Vec<Duration>,
}

impl LoadReport {
    /// The time within which `percent` of the answers came; zero if none did.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.times.len().saturating_sub(1);
        let at = (self.times.len() * percent / 100).min(last);
        self.times.get(at).copied().unwrap_or_default()
    }
}

impl Load {
    /// Sends it and gathers what comes back.
    pub async fn run(&self) -> io::Result<LoadReport> {
        let socket = UdpSocket::bind(self.client).await?;
        socket.set_broadcast(true)?;
        let mut ticks = interval(Duration::from_secs(1) / self.per_second.max(1));
        // A busy host that comes late must not make up for it with a burst that no LAN has.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting: HashMap<u32, (Machine, Instant)> = HashMap::new();
        let mut report = LoadReport {
            sent: 0,
            answered: 0,
            surplus: 0,
            times: Vec::new(),
        };
        let mut buffer = [0; 2048];
        let mut until = Instant::now() + self.patience;
        loop {
            let all_sent = report.sent == self.machines;
            if all_sent && waiting.is_empty() {
                break;
            }
            tokio::select! {
                _ = ticks.tick(), if !all_sent => {
                    let machine = self.machine(report.sent);
                    let xid = report.sent;
                    let datagram = self.discover(&machine, xid);
                    let now = Instant::now();
                    waiting.insert(xid, (machine, now));
                    socket.send_to(&datagram, SocketAddr::V4(self.server)).await?;
                    report.sent += 1;
                    until = now + self.patience;
                }
                got = socket.recv_from(&mut buffer) => {
                    let (len, _) = got?;
                    report.take(&buffer[..len], &mut waiting);
                }
                () = sleep_until(until), if all_sent => break,
            }
        }
        report.times.sort_unstable();
        Ok(report)
    }

    fn machine(&self, number: u32) -> Machine {
        let [a, b, c, d] = number.to_be_bytes();
        let mut guid = *b"simulatedmachine";
        guid[12..].copy_from_slice(&number.to_le_bytes());
        Machine {
            mac: MacAddr::from_bytes([0x52, 0x54, a, b, c, d])
                .expect("52:54 begins a card's own address"),
            guid: Some(guid),
            software: self.software,
            address: match self.unicast {
                true => *self.client.ip(),
                false => Ipv4Addr::UNSPECIFIED,
            },
        }
    }

    fn discover(&self, machine: &Machine, xid: u32) -> Vec<u8> {
        let mut datagram = machine.discover(xid);
        if self.unicast {
            // `ciaddr` (RFC 2131 section 2).
            datagram[12..16].copy_from_slice(&machine.address.octets());
        }
        datagram
    }
}

impl LoadReport {
    fn take(&mut self, datagram: &[u8], waiting: &mut HashMap<u32, (Machine, Instant)>) {
        let now = Instant::now();
        // Beside the server under test another one may answer; its answers give addresses, and are none of this.
        let Ok(reply) = BootReply::decode(datagram) else {
            return;
        };
        if !reply.packet.yiaddr.is_unspecified() {
            return;
        }
        let xid = reply.packet.xid;
        match waiting.get(&xid) {
            Some((machine, asked_at)) if machine.take_offer(datagram, xid).is_ok() => {
                self.answered += 1;
                self.times.push(now.saturating_duration_since(*asked_at));
                waiting.remove(&xid);
            }
            _ => self.surplus += 1,
        }
    }
}
