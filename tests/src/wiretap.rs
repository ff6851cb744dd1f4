//! A packet socket on a host of the LAN: sees every frame that enters or leaves it, and writes down what matters.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::{now, poll};
use crate::frame::{self, DISCOVER, Dhcp, Mac, Sighting};
use crate::lan::{Host, inside};

/// Every protocol (`linux/if_ether.h`, `ETH_P_ALL`).
const EVERYTHING: u16 = 3;

/// Room for frames that were not read yet, in bytes.
const ROOM: usize = 32 << 20;

/// What was seen, and when.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The moment the frame was taken from the socket.
    pub at: Instant,
    /// What it was.
    pub what: Sighting,
}

/// A tap on a host's wire, open until dropped.
#[derive(Debug)]
pub struct Wiretap {
    seen: Arc<Mutex<Vec<Seen>>>,
    end: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    server: Option<[u8; 4]>,
}

impl Wiretap {
    /// Opens the tap; the frames' first bytes go to a capture file as well (pcap), for people.
    ///
    /// # Errors
    /// Without root's powers in the host's namespace.
    pub fn open(host: &Host, capture: &Path) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let end = Arc::new(AtomicBool::new(false));
        let socket = inside(host, open).context("no packet socket on the host")?;
        let capture = Capture::create(capture)?;
        let (writer, stop) = (Arc::clone(&seen), Arc::clone(&end));
        let reader = std::thread::Builder::new()
            .name("wiretap".into())
            .spawn(move || listen(socket, &writer, &stop, capture))?;
        let server = host
            .address
            .parse::<std::net::Ipv4Addr>()
            .ok()
            .map(|address| address.octets());
        Ok(Self {
            seen,
            end,
            reader: Some(reader),
            server,
        })
    }

    /// All that was seen so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The first sighting of a kind from a moment on.
    pub fn first(&self, from: Instant, is: impl Fn(&Sighting) -> bool) -> Option<Seen> {
        self.seen()
            .into_iter()
            .find(|seen| seen.at >= from && is(&seen.what))
    }

    /// Waits for the first sighting of a kind from a moment on.
    pub fn wait(
        &self,
        from: Instant,
        limit: Duration,
        is: impl Fn(&Sighting) -> bool,
    ) -> Option<Seen> {
        poll(limit, || self.first(from, &is))
    }

    /// Checks the law of the ProxyDHCP port: every network boot's DISCOVER and every request on 4011 was answered
    /// exactly once, nothing else was, and no answer leased an address. Gives the number of answers.
    ///
    /// # Errors
    /// With the transaction that breaks it.
    pub fn exactly_one_reply(&self, client: Mac) -> Result<usize> {
        let seen = self.seen();
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        for seen in &seen {
            match &seen.what {
                Sighting::Asked(dhcp) if dhcp.client == client => asked.push(dhcp),
                // Frames of the site's own server pass by too: this host's answers carry this host's address.
                Sighting::Answered(dhcp) if dhcp.client == client && dhcp.server == self.server => {
                    answered.push(dhcp);
                }
                _ => {}
            }
        }
        if let Some(lease) = answered.iter().find(|dhcp| dhcp.given != [0; 4]) {
            bail!("an answer leases {:?}: {lease:?}", lease.given);
        }
        let exchange = |dhcp: &Dhcp| (dhcp.port, dhcp.xid);
        let mut exchanges: Vec<_> = asked
            .iter()
            .chain(&answered)
            .map(|dhcp| exchange(dhcp))
            .collect();
        exchanges.sort_unstable();
        exchanges.dedup();
        for (port, xid) in exchanges {
            let due = asked
                .iter()
                .filter(|dhcp| exchange(dhcp) == (port, xid) && self.wants_answer(dhcp))
                .count();
            let sent = answered
                .iter()
                .filter(|dhcp| exchange(dhcp) == (port, xid))
                .count();
            if sent != due {
                bail!(
                    "port {port}, xid {xid:08x}: {due} requests wanted an answer, {sent} answers were sent"
                );
            }
        }
        if answered.is_empty() {
            bail!("no request of the machine was answered");
        }
        Ok(answered.len())
    }

    fn wants_answer(&self, dhcp: &Dhcp) -> bool {
        match dhcp.port {
            4011 => dhcp.network_boot,
            _ => {
                dhcp.network_boot
                    && (dhcp.kind == DISCOVER
                        || (dhcp.server.is_some() && dhcp.server == self.server))
            }
        }
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has said so already.
            let _ = reader.join();
        }
    }
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::PACKET,
        Type::RAW,
        Some(Protocol::from(i32::from(EVERYTHING.to_be()))),
    )?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    // Kernel and initramfs pass at full speed, and a busy host reads late: more than the host allows by itself.
    if setsockopt(&socket, RcvBufForce, &ROOM).is_err() {
        socket.set_recv_buffer_size(ROOM)?;
    }
    Ok(socket)
}

fn listen(mut socket: Socket, seen: &Mutex<Vec<Seen>>, end: &AtomicBool, mut capture: Capture) {
    let mut buffer = vec![0; 65_536];
    loop {
        // Asked before reading: what came until then is still read.
        let last = end.load(Ordering::Acquire);
        match socket.read(&mut buffer) {
            Ok(length) => {
                let at = now();
                if let Some(what) = frame::read(&buffer[..length]) {
                    capture.write(&buffer[..length], at);
                    seen.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Seen { at, what });
                }
            }
            Err(err) if last && err.kind() != ErrorKind::Interrupted => return,
            // The read timeout; the card's going away with its namespace ends with the tap.
            Err(_) => {}
        }
    }
}

/// A capture file (libpcap's format 2.4) of the frames that meant something.
struct Capture {
    file: BufWriter<File>,
    start: Instant,
}

impl Capture {
    fn create(path: &Path) -> Result<Self> {
        let mut file = BufWriter::new(
            File::create(path).with_context(|| format!("{} could not be made", path.display()))?,
        );
        file.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
        file.write_all(&[2, 0, 4, 0])?;
        for field in [0_u32, 0, 65_536, 1] {
            file.write_all(&field.to_le_bytes())?;
        }
        Ok(Self { file, start: now() })
    }

    fn write(&mut self, frame: &[u8], at: Instant) {
        let since = at - self.start;
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        // The capture is for people: a full disk must not fail the test.
        for field in [seconds, since.subsec_micros(), length, length] {
            let _ = self.file.write_all(&field.to_le_bytes());
        }
        let _ = self.file.write_all(frame);
    }
}
