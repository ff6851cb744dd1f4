//! Real broadcasts on the real ports, alone and beside another DHCP server on the same host.
//!
//! The test runs itself again in a network namespace of its own, as the server, which runs it once more in another one, as the client.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use netboot::Director;
use netboot::core::classify::Ignored;
use netboot::director::Platform;
use netboot::net::dhcp::{DhcpConfig, DhcpServer, Sharing};
use netboot::net::interface::Interfaces;
use netboot::net::port::{Protocol, port_owner};
use netboot::net::udp::{Departure, UdpPort};
use netboot::sim::machine::{Machine, Next, Software};
use netboot::wire::dhcp::Packet;
use netboot::wire::options;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::packets::LOCAL;
use crate::sockets::Plain;

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 131);
const ROLE: &str = "KTIZO_TEST_SHARING";
/// What the server tells the client once both ends of the cable are plugged in.
const GO: &[u8] = b"go";
/// Longer than an answer takes that is due.
const DUE: Duration = Duration::from_secs(20);
/// How long it is listened for one that is not.
const A_WHILE: Duration = Duration::from_millis(800);

/// Runs one test of this binary in a network namespace of its own.
fn in_namespace(test: &str, sharing: &str) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", test])
        .env(ROLE, sharing);
    command
}

#[test]
fn one_answer_to_each_question_alone_and_beside_another_server() {
    let mut probe = Command::new("unshare");
    probe.arg("--net");
    if !nix::unistd::geteuid().is_root() {
        probe.arg("--map-root-user");
    }
    let able = probe
        .args(["ip", "link"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !able {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "network namespaces, `unshare` and `ip` are needed where CI=true"
        );
        println!("skipped: no network namespace can be made here");
        return;
    }
    let dnsmasq = Command::new("dnsmasq")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !dnsmasq {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "dnsmasq is needed where CI=true"
        );
        println!("skipped in part: dnsmasq is not installed");
    }
    let mut modes = vec!["own", "shared", "always"];
    modes.extend(dnsmasq.then_some("dnsmasq"));
    for sharing in modes {
        let output = in_namespace("namespaces::as_server", sharing)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{sharing}:\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn ip(words: &str) -> bool {
    Command::new("ip")
        .args(words.split(' '))
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

fn await_that(mut done: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if done() {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    panic!("it did not come about within a minute");
}

/// Lays the cable, and plugs it in at the server's end.
fn lay_cable() {
    assert!(ip("link set lo up"));
    assert!(ip("link add server0 type veth peer name client0"));
    assert!(ip("addr add 10.77.0.2/24 dev server0"));
    assert!(ip("link set server0 up"));
}

/// Starts the client and gives it its end of the cable.
fn start_client(sharing: &str) -> Child {
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let mut client = in_namespace("namespaces::as_client", sharing)
        .stdin(Stdio::piped())
        .stdout(Stdio::inherit())
        .spawn()
        .unwrap();
    let path = format!("/proc/{}/ns/net", client.id());
    await_that(|| fs::read_link(&path).is_ok_and(|namespace| namespace != own));
    assert!(ip(&format!("link set client0 netns {}", client.id())));
    await_that(|| is_plugged_in("server0"));
    client.stdin.take().unwrap().write_all(GO).unwrap();
    client
}

/// The site's own DHCP server on the same host.
fn start_dnsmasq(leases: &std::path::Path) -> Child {
    let dnsmasq = Command::new("dnsmasq")
        .args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0"])
        .args([
            "--interface=server0",
            "--user=root",
            "--no-ping",
            "--pid-file",
        ])
        .args(["--dhcp-authoritative", "--log-facility=/dev/null"])
        .args(["--dhcp-range=10.77.0.100,10.77.0.200,1h"])
        .arg("--dhcp-host=52:54:00:aa:bb:01,10.77.0.131")
        .arg(format!("--dhcp-leasefile={}", leases.display()))
        .spawn()
        .unwrap();
    await_that(|| port_owner(Protocol::Udp, 67).is_some());
    dnsmasq
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs in a network namespace that another test makes"]
async fn as_server() {
    let sharing = std::env::var(ROLE).unwrap();
    lay_cable();
    let leases = tempfile::NamedTempFile::new().unwrap();
    let mut dnsmasq = (sharing == "dnsmasq").then(|| start_dnsmasq(leases.path()));
    // The site's own DHCP server, as far as sockets go: whoever has the port.
    let other = (sharing == "shared").then(|| UdpSocket::bind("0.0.0.0:67").unwrap());
    let server = DhcpServer::bind(DhcpConfig {
        sharing: match sharing.as_str() {
            "always" => Sharing::Always,
            _ => Sharing::IfTaken,
        },
        // What a busy host answers late is not the matter here.
        deadline: DUE,
        ..DhcpConfig::default()
    })
    .unwrap();
    assert_eq!(server.shares_port(), sharing != "own");
    let counters = server.counters();
    let director = Arc::new(Plain::default()) as Arc<dyn Director>;
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "a test has no composition root")]
    let task = tokio::spawn(server.serve(director, stop.clone()));

    let mut client = start_client(&sharing);
    let status = tokio::task::spawn_blocking(move || client.wait().unwrap())
        .await
        .unwrap();
    if let Some(dnsmasq) = &mut dnsmasq {
        dnsmasq.kill().unwrap();
        dnsmasq.wait().unwrap();
    }
    assert!(status.success(), "the client failed");
    stop.cancel();
    task.await.unwrap();

    // Discover, its request, renewal, relayed discover, and one on 4011: no datagram was seen twice.
    assert_eq!((counters.received(), counters.answered()), (5, 3));
    assert_eq!(counters.ignored(Ignored::OtherServer), 2);
    if let Some(other) = other {
        other.set_nonblocking(true).unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = other.recv_from(&mut buffer) {
            let packet = Packet::decode(&buffer[..len]).unwrap();
            seen.push((from.to_string(), packet.xid));
        }
        let expected = [
            ("10.77.0.131:68", 1),
            ("10.77.0.131:68", 1),
            ("10.77.0.131:68", 2),
            ("10.77.0.131:67", 4),
        ];
        assert_eq!(
            seen,
            expected.map(|(from, xid)| (from.to_owned(), xid)),
            "the other server gets everything that comes to its port, unicast too"
        );
    }
}

/// A datagram: where it came from, where it went, its content.
type Heard = (SocketAddrV4, Ipv4Addr, Vec<u8>);

/// A client's port.
struct Ear {
    port: UdpPort,
    ifindex: u32,
}

impl Ear {
    fn open(port: u16, ifindex: u32) -> Self {
        Self {
            port: UdpPort::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)).unwrap(),
            ifindex,
        }
    }

    /// As [`Self::ask`], with the answers apart that give an address, and those that do not.
    async fn ask_both(
        &self,
        datagram: &[u8],
        to: SocketAddrV4,
        due: usize,
    ) -> (Vec<Heard>, Vec<Heard>) {
        self.ask(datagram, to, due)
            .await
            .into_iter()
            .partition(|(_, _, bytes)| {
                let packet = Packet::decode(bytes).unwrap();
                !packet.yiaddr.is_unspecified()
            })
    }

    /// Sends a datagram, and waits for the answers that are due; gives everything that comes back until a while after them, with the
    /// address it came from and the one it went to.
    async fn ask(&self, datagram: &[u8], to: SocketAddrV4, due: usize) -> Vec<Heard> {
        let departure = Departure {
            source: None,
            ifindex: Some(self.ifindex),
        };
        self.port.send(datagram, to, departure).await.unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            let patience = if heard.len() < due { DUE } else { A_WHILE };
            let Ok(arrival) = timeout(patience, self.port.recv(&mut buffer)).await else {
                return heard;
            };
            let arrival = arrival.unwrap();
            let bytes = buffer[..arrival.len].to_vec();
            heard.push((arrival.source, arrival.destination, bytes));
        }
    }
}

#[tokio::test]
#[ignore = "runs in a network namespace that another test makes"]
async fn as_client() {
    await_that(|| ip("link set client0 up"));
    assert!(ip("addr add 10.77.0.131/24 dev client0"));
    await_that(|| is_plugged_in("client0"));
    let mut go = [0; GO.len()];
    std::io::stdin().read_exact(&mut go).unwrap();
    let ifindex = Interfaces::read()
        .unwrap()
        .by_name("client0")
        .unwrap()
        .index;
    let machine = Machine {
        mac: "52:54:00:aa:bb:01".parse().unwrap(),
        guid: Some([7; 16]),
        software: Software::Edk2Pxe(Platform::EfiX64),
        address: CLIENT,
    };
    let everybody = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
    let server = |port| SocketAddrV4::new(LOCAL, port);

    // Beside dnsmasq, which has the same address, each question to it gets its one answer too: the one that gives an address.
    let dnsmasq = usize::from(std::env::var(ROLE).unwrap() == "dnsmasq");
    let client = Ear::open(68, ifindex);
    let (leases, offers) = client
        .ask_both(&machine.discover(1), everybody, dnsmasq + 1)
        .await;
    let [(from, to, offer)] = offers.as_slice() else {
        panic!("one offer, not {offers:?}");
    };
    assert_eq!((*from, *to), (server(67), Ipv4Addr::BROADCAST));
    assert!(matches!(machine.take_offer(offer, 1), Ok(Next::Fetch(_))));
    assert_eq!(leases.len(), dnsmasq);

    let router = match dnsmasq {
        0 => Ipv4Addr::new(10, 77, 0, 1),
        _ => LOCAL,
    };
    let request = machine.accept_lease(1, router);
    let (leases, answers) = client.ask_both(&request, everybody, dnsmasq).await;
    assert_eq!((leases.len(), answers.len()), (dnsmasq, 0));

    let mut renewal = Packet::decode(&machine.accept_lease(2, LOCAL)).unwrap();
    renewal.options.remove(&options::SERVER_IDENTIFIER);
    renewal.options.remove(&options::REQUESTED_ADDRESS);
    renewal.ciaddr = CLIENT;
    renewal.flags = 0;
    let (leases, answers) = client
        .ask_both(&renewal.encode(), server(67), dnsmasq)
        .await;
    assert_eq!((leases.len(), answers.len()), (dnsmasq, 0));
    for (_, to, lease) in leases {
        assert_eq!(to, CLIENT, "a renewal is answered by unicast");
        let kind = Packet::decode(&lease).unwrap().options[&options::MESSAGE_TYPE][0];
        assert_eq!(kind, 5, "and granted");
    }

    let firmware = Ear::open(4011, ifindex);
    let heard = firmware
        .ask(&machine.proxy_request(3, LOCAL), server(4011), 1)
        .await;
    let [(from, to, ack)] = heard.as_slice() else {
        panic!("one acknowledgement, not {heard:?}");
    };
    assert_eq!((*from, *to), (server(4011), CLIENT));
    assert!(machine.take_ack(ack, 3).is_ok());

    let relay = Ear::open(67, ifindex);
    let mut relayed = Packet::decode(&machine.discover(4)).unwrap();
    relayed.giaddr = CLIENT;
    relayed
        .options
        .insert(options::RELAY_AGENT, vec![1, 2, 9, 9]);
    let (_, offers) = relay.ask_both(&relayed.encode(), server(67), 1).await;
    let [(from, to, offer)] = offers.as_slice() else {
        panic!("one relayed offer, not {offers:?}");
    };
    assert_eq!((*from, *to), (server(67), CLIENT));
    let offer = Packet::decode(offer).unwrap();
    assert_eq!(offer.giaddr, CLIENT);
    assert_eq!(offer.option(options::RELAY_AGENT), Some(&[1, 2, 9, 9][..]));
}

/// Whether a card sends: the kernel sees the cable at once, and begins to send a moment later.
fn is_plugged_in(card: &str) -> bool {
    let link = Command::new("ip")
        .args(["link", "show", card])
        .output()
        .unwrap();
    String::from_utf8_lossy(&link.stdout).contains("state UP")
}
