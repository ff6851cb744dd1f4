//! Captures of real firmware: what each machine sent there has to be answered here as it wants.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use netboot::core::answer::{Reply, ServerIdentity, answer};
use netboot::core::classify::{Door, Ignored, Ingress, classify};
use netboot::director::{BootClient, LoaderName, Offer, Program};
use netboot::wire::dhcp::{BootReply, Packet};
use netboot::wire::options;

use crate::packets::LOCAL;

/// The folder of captures; without it the test says so and is skipped, except where everything has to run.
fn captures() -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("KTIZO_GOLDEN_DIR") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "KTIZO_GOLDEN_DIR has to be set where CI=true"
        );
        println!("skipped: KTIZO_GOLDEN_DIR is not set, so there are no captures to replay");
        return None;
    };
    let files = fs::read_dir(PathBuf::from(root).join("pcap")).unwrap();
    let mut list: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "pcap"))
        .collect();
    list.sort();
    Some(list)
}

struct Datagram {
    source: SocketAddrV4,
    destination: SocketAddrV4,
    content: Vec<u8>,
}

/// Reads the UDP datagrams of a little-endian pcap file of Ethernet frames.
fn read_pcap(bytes: &[u8]) -> Vec<Datagram> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((word(0), word(20)), (0xa1b2_c3d4, 1), "pcap of Ethernet");
    let mut datagrams = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let captured = usize::try_from(word(at + 8)).unwrap();
        let frame = &bytes[at + 16..at + 16 + captured];
        at += 16 + captured;
        if frame.len() < 42 || frame[12..14] != [8, 0] || frame[23] != 17 {
            continue;
        }
        let udp = &frame[14 + usize::from(frame[14] & 15) * 4..];
        let two = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
        let address =
            |at: usize| Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]);
        let end = usize::from(two(4)).min(udp.len());
        datagrams.push(Datagram {
            source: SocketAddrV4::new(address(26), two(0)),
            destination: SocketAddrV4::new(address(30), two(2)),
            content: udp[8..end].to_vec(),
        });
    }
    datagrams
}

fn decide(client: BootClient) -> Program {
    match client {
        BootClient::Ipxe { http: true, .. } => Program::Script,
        _ => Program::Loader(LoaderName::parse("loader.efi").unwrap()),
    }
}

fn reply_to(datagram: &Datagram, door: Door) -> Result<(BootClient, Reply), Ignored> {
    let ingress = Ingress {
        door,
        ifindex: 2,
        local: LOCAL,
        source: datagram.source,
        shared: false,
    };
    let query = classify(&datagram.content, ingress)?;
    let offer = Offer {
        program: decide(query.client),
        server: None,
        discovery_control: true,
    };
    let server = ServerIdentity {
        address: LOCAL,
        http_port: 80,
    };
    let reply = answer(&query, &offer, &server);
    Ok((query.client, reply.expect("each of these can be answered")))
}

/// Every row of what real clients insist on, at once.
fn check_reply(what: &str, asked: &Packet, client: BootClient, reply: &Reply, door: Door) {
    let seen = BootReply::decode(&reply.bytes).unwrap();
    let packet = &seen.packet;
    assert!((300..=548).contains(&reply.bytes.len()), "{what}: length");
    assert_eq!(reply.bytes[240..242], [53, 1], "{what}: 53 comes first");
    assert_eq!(packet.xid, asked.xid, "{what}");
    assert_eq!(packet.chaddr, asked.chaddr, "{what}");
    assert_eq!(packet.flags, asked.flags, "{what}");
    assert_eq!(packet.siaddr, LOCAL, "{what}");
    assert_eq!(seen.server, Some(LOCAL), "{what}");
    assert!(packet.yiaddr.is_unspecified(), "{what}: gives no address");
    assert_eq!(
        packet.option(options::CLIENT_UUID),
        asked.option(options::CLIENT_UUID),
        "{what}"
    );
    let http_boot = matches!(client, BootClient::Http(_));
    let class: &[u8] = if http_boot {
        b"HTTPClient"
    } else {
        b"PXEClient"
    };
    assert_eq!(packet.option(options::VENDOR_CLASS), Some(class), "{what}");
    let vendor = packet.option(options::VENDOR_SPECIFIC);
    match vendor {
        None => assert!(http_boot, "{what}: option 43"),
        Some(data) => {
            assert!(!http_boot, "{what}: option 43");
            assert_eq!(data[..3], [6, 1, 8], "{what}");
            assert_eq!(data.last(), Some(&255), "{what}");
        }
    }
    let file = match client {
        BootClient::Http(_) => "http://10.77.0.2/ipxe/loader.efi".to_owned(),
        BootClient::Pxe(_) => "ipxe/loader.efi".to_owned(),
        BootClient::Ipxe { .. } => {
            let mac: Vec<String> = asked.chaddr[..6]
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            format!("http://10.77.0.2/boot/{}", mac.join("-"))
        }
    };
    assert_eq!(packet.file, file.as_bytes(), "{what}");
    assert_eq!(seen.file, Some(file), "{what}");
    for lease in [1, 3, 6, 50, 51, 58, 59] {
        assert_eq!(packet.option(lease), None, "{what}: leases nothing");
    }
    let (kind, port) = match door {
        Door::Dhcp => (BootReply::OFFER, 67),
        Door::Proxy => (BootReply::ACK, 4011),
    };
    assert_eq!((seen.kind, reply.source_port), (Some(kind), port), "{what}");
}

#[test]
fn real_firmware_gets_what_it_wants() {
    let Some(files) = captures() else { return };
    // For each capture: answers to discovers, answers on 4011, machines' requests that are not ours, answers of other servers.
    let mut counts = BTreeMap::new();
    for path in &files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let count = counts.entry(name.clone()).or_insert([0; 4]);
        for (number, datagram) in read_pcap(&fs::read(path).unwrap()).iter().enumerate() {
            let what = format!("{name}, datagram {number}");
            let door = match datagram.destination.port() {
                67 => Door::Dhcp,
                4011 => Door::Proxy,
                // Answers of the servers there: coming in at a door, they are passed over.
                68 => {
                    let why = reply_to(datagram, Door::Dhcp).unwrap_err();
                    let own = *datagram.source.ip() == LOCAL;
                    let expected = if own {
                        Ignored::OwnReply
                    } else {
                        Ignored::OtherReply
                    };
                    assert_eq!(why, expected, "{what}");
                    count[3] += 1;
                    continue;
                }
                _ => continue,
            };
            if datagram.source.port() == 4011 && *datagram.source.ip() == LOCAL {
                assert_eq!(reply_to(datagram, door).unwrap_err(), Ignored::OwnReply);
                count[3] += 1;
                continue;
            }
            let asked = Packet::decode(&datagram.content).unwrap();
            assert_eq!(
                Packet::decode(&asked.encode()),
                Ok(asked.clone()),
                "{what}: what is printed parses to the same"
            );
            let kind = asked.option(options::MESSAGE_TYPE).unwrap()[0];
            let linux = asked
                .option(options::VENDOR_CLASS)
                .unwrap()
                .starts_with(b"udhcp");
            match reply_to(datagram, door) {
                Ok((client, reply)) => {
                    assert!(door == Door::Proxy || kind == 1, "{what}");
                    check_reply(&what, &asked, client, &reply, door);
                    let destination = match door {
                        Door::Proxy => datagram.source,
                        Door::Dhcp => "255.255.255.255:68".parse().unwrap(),
                    };
                    assert_eq!(reply.destination, destination, "{what}");
                    count[usize::from(door == Door::Proxy)] += 1;
                }
                Err(why) => {
                    let expected = if linux {
                        Ignored::NotNetworkBoot
                    } else {
                        Ignored::OtherServer
                    };
                    assert_eq!(why, expected, "{what}");
                    assert!(linux || kind == 3, "{what}");
                    count[2] += 1;
                }
            }
        }
    }
    assert!(!counts.is_empty(), "there are captures");
    for (name, [offers, acks, passed, replies]) in &counts {
        // A capture is one machine's whole boot: its firmware or iPXE looked for servers, took the router's lease, and so did its Linux.
        assert!(*offers >= 1 && *passed >= 3 && *replies >= 4, "{name}");
        let second_step = name.contains("-pxe") || name.contains("legacy");
        assert_eq!(*acks, usize::from(second_step), "{name}");
    }
}
