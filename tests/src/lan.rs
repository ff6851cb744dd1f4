//! One LAN: a bridge, hosts behind it in network namespaces of their own, and taps for machines.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};

use crate::process::{output, run};

/// LANs of one process have different names: none waits for another to be gone.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A LAN, gone when dropped.
#[derive(Debug)]
pub struct Lan {
    id: String,
    /// The second part of its addresses: 10.`subnet`.0.0/24.
    subnet: u8,
    hosts: Vec<String>,
    taps: Vec<String>,
}

/// A server's place on the LAN.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its network namespace, for `ip netns exec`.
    pub netns: String,
    /// Its IPv4 address, without the prefix length of 24.
    pub address: String,
}

/// The name of the network card of every host.
pub const CARD: &str = "eth0";

impl Lan {
    /// Makes a LAN with nothing on it, for addresses of 10.77.0.0/24.
    ///
    /// # Errors
    /// Where network namespaces cannot be made.
    pub fn new() -> Result<Self> {
        Self::numbered(77)
    }

    /// Makes a LAN for addresses of 10.`subnet`.0.0/24.
    ///
    /// # Errors
    /// Where network namespaces cannot be made.
    pub fn numbered(subnet: u8) -> Result<Self> {
        // Interface names have 15 characters.
        let id = format!(
            "k{}n{}",
            std::process::id() % 100_000,
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let lan = Self {
            id,
            subnet,
            hosts: Vec::new(),
            taps: Vec::new(),
        };
        let bridge = lan.bridge();
        ip(&format!(
            "link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set {bridge} up\n"
        ))?;
        Ok(lan)
    }

    /// Two hosts and one cable between them: no bridge, nobody else.
    ///
    /// # Errors
    /// Where network namespaces cannot be made.
    pub fn cable(one: (&str, u8), other: (&str, u8)) -> Result<(Self, Host, Host)> {
        let mut lan = Self::new()?;
        let (one, other) = (
            (lan.namespace(one.0, one.1)?, one.1),
            (lan.namespace(other.0, other.1)?, other.1),
        );
        ip_in(
            Some(&one.0.netns),
            &format!(
                "link add {CARD} type veth peer name {CARD} netns {}\n",
                other.0.netns
            ),
        )?;
        for (host, last) in [&one, &other] {
            lan.dress(host, CARD, *last)?;
        }
        Ok((lan, one.0, other.0))
    }

    fn bridge(&self) -> String {
        format!("{}br", self.id)
    }

    /// Adds a host with an address of the LAN and an IPv6 address of fd77::/64.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn host(&mut self, name: &str, last: u8) -> Result<Host> {
        let host = self.namespace(name, last)?;
        self.plug(&host, CARD, last)?;
        Ok(host)
    }

    /// A host without a card.
    fn namespace(&mut self, name: &str, last: u8) -> Result<Host> {
        let netns = format!("{}{name}", self.id);
        ip(&format!("netns add {netns}\n"))?;
        self.hosts.push(netns.clone());
        ip_in(Some(&netns), "link set lo up\n")?;
        Ok(Host {
            netns,
            address: self.address(last),
        })
    }

    fn address(&self, last: u8) -> String {
        format!("10.{}.0.{last}", self.subnet)
    }

    /// Gives a host, of this LAN or another, a card on this one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn plug(&self, host: &Host, card: &str, last: u8) -> Result<()> {
        let (netns, outside) = (&host.netns, format!("{}v{last}", self.id));
        let bridge = self.bridge();
        ip(&format!(
            "link add {outside} type veth peer name {card} netns {netns}\nlink set {outside} master {bridge} up\n"
        ))?;
        // Without this UDP leaves with unfinished checksums, which firmware may refuse.
        run("ethtool", &["-K", &outside, "tx", "off"])?;
        self.dress(host, card, last)
    }

    /// Gives a card its addresses and sets it up.
    fn dress(&self, host: &Host, card: &str, last: u8) -> Result<()> {
        let netns = &host.netns;
        // Duplicate address detection would keep the first router advertisement waiting for two seconds.
        output(
            Command::new("ip")
                .args(["netns", "exec", netns, "sh", "-c"])
                .arg(format!("echo 0 >/proc/sys/net/ipv6/conf/{card}/accept_dad")),
        )?;
        let mut inside = String::new();
        let _ = write!(
            inside,
            "address add {}/24 dev {card}\naddress add fd{}::{last}/64 dev {card} nodad\nlink set {card} up\n",
            self.address(last),
            self.subnet
        );
        ip_in(Some(netns), &inside)?;
        run(
            "ip",
            &["netns", "exec", netns, "ethtool", "-K", card, "tx", "off"],
        )?;
        Ok(())
    }

    /// Adds a tap for a machine and gives its name.
    ///
    /// # Errors
    /// Where there is no `/dev/net/tun`.
    pub fn tap(&mut self) -> Result<String> {
        let tap = format!("{}t{}", self.id, self.taps.len());
        ip(&format!(
            "tuntap add {tap} mode tap\nlink set {tap} master {} up\n",
            self.bridge()
        ))
        .context("a tap needs /dev/net/tun")?;
        self.taps.push(tap.clone());
        Ok(tap)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let mut batch = String::new();
        for tap in &self.taps {
            let _ = writeln!(batch, "link delete {tap}");
        }
        for host in &self.hosts {
            // The card's other end goes with the namespace.
            let _ = writeln!(batch, "netns delete {host}");
        }
        let _ = writeln!(batch, "link delete {}", self.bridge());
        // Whatever is left goes when the lab ends.
        let _ = feed(Command::new("ip").args(["-force", "-batch", "-"]), &batch);
    }
}

/// Does something in a host's network namespace, such as opening a socket, which stays there.
///
/// # Errors
/// What it fails with, or that the namespace cannot be entered.
pub fn inside<T: Send>(host: &Host, act: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let namespace = File::open(format!("/run/netns/{}", host.netns))?;
    // A thread alone enters the namespace.
    let enter = || {
        setns(&namespace, CloneFlags::CLONE_NEWNET)?;
        act()
    };
    std::thread::scope(|scope| scope.spawn(enter).join())
        .unwrap_or_else(|_| Err(io::Error::other("it panicked")))
}

fn ip(batch: &str) -> Result<()> {
    ip_in(None, batch)
}

fn ip_in(netns: Option<&str>, batch: &str) -> Result<()> {
    let mut command = Command::new("ip");
    if let Some(netns) = netns {
        command.args(["-netns", netns]);
    }
    feed(command.args(["-batch", "-"]), batch)
}

fn feed(command: &mut Command, batch: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("ip has no standard input")?
        .write_all(batch.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "ip refused: {}\n{batch}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(())
}
