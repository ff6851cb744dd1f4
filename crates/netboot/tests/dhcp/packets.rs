//! Recorded packets, each with the decision that it has to get.
//!
//! A file has a comment, how the packet came in (`door`, `from`), what the director decided (`program`), the packet, and after `--` the
//! outcome in words. `UPDATE_EXPECT=1` writes the outcomes anew.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use netboot::core::answer::{ServerIdentity, answer};
use netboot::core::classify::{Door, Ingress, classify};
use netboot::director::{LoaderName, Offer, Program};
use netboot::wire::dhcp::Packet;

/// This server's address in all tests without sockets.
pub(crate) const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

struct Recorded {
    head: String,
    datagram: Vec<u8>,
    ingress: Ingress,
    program: Program,
    expected: String,
}

impl Recorded {
    fn parse(text: &str) -> Self {
        let (head, expected) = text.split_once("--\n").unwrap();
        let mut datagram = Vec::new();
        let mut program = None;
        let mut ingress = Ingress {
            door: Door::Dhcp,
            ifindex: 2,
            local: LOCAL,
            source: "0.0.0.0:68".parse().unwrap(),
            shared: false,
        };
        for line in head.lines().filter(|line| !line.starts_with('#')) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "door" => {
                    ingress.door = match rest {
                        "67" => Door::Dhcp,
                        "4011" => Door::Proxy,
                        other => panic!("no door {other}"),
                    }
                }
                "from" => ingress.source = rest.parse().unwrap(),
                "shared" => ingress.shared = true,
                "program" => {
                    program = Some(match rest.split_once(' ').unwrap_or((rest, "")) {
                        ("script", _) => Program::Script,
                        ("notfound", _) => Program::NotFound,
                        ("loader", name) => Program::Loader(LoaderName::parse(name).unwrap()),
                        other => panic!("no program {other:?}"),
                    });
                }
                _ => {
                    let digits: Vec<u8> = line.bytes().filter(|b| *b != b' ').collect();
                    datagram.extend(digits.chunks(2).map(|two| {
                        u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()
                    }));
                }
            }
        }
        Self {
            head: head.to_owned(),
            datagram,
            ingress,
            program: program.unwrap(),
            expected: expected.to_owned(),
        }
    }

    fn outcome(&self) -> String {
        let mut text = String::new();
        let query = match classify(&self.datagram, self.ingress) {
            Ok(query) => query,
            Err(why) => return format!("no answer: {} ({why:?})\n", why.word()),
        };
        let ask = query.ask();
        writeln!(text, "{} asks: {:?}", ask.mac, ask.client).unwrap();
        let facts = &ask.inventory;
        writeln!(
            text,
            "{:?} {:?} uuid {:?} relay {:?} address {:?}",
            facts.arch, facts.firmware, facts.uuid, ask.relay, ask.address
        )
        .unwrap();
        let offer = Offer {
            program: self.program.clone(),
            server: None,
            discovery_control: true,
        };
        let server = ServerIdentity {
            address: LOCAL,
            http_port: 80,
        };
        let Some(reply) = answer(&query, &offer, &server) else {
            return text + "no answer: nothing it could load\n";
        };
        writeln!(
            text,
            "{}:{} -> {} by interface {:?}, {} bytes: {}",
            reply.source,
            reply.source_port,
            reply.destination,
            reply.ifindex,
            reply.bytes.len(),
            reply.detail
        )
        .unwrap();
        let packet = Packet::decode(&reply.bytes).unwrap();
        writeln!(
            text,
            "{:?} htype {} hlen {} xid {:08x} secs {} flags {:04x}",
            packet.operation, packet.htype, packet.hlen, packet.xid, packet.secs, packet.flags
        )
        .unwrap();
        writeln!(
            text,
            "ciaddr {} yiaddr {} siaddr {} giaddr {}",
            packet.ciaddr, packet.yiaddr, packet.siaddr, packet.giaddr
        )
        .unwrap();
        writeln!(text, "file {:?}", String::from_utf8_lossy(&packet.file)).unwrap();
        // In the order of the wire, which matters for the first and the last.
        let mut rest = &reply.bytes[240..];
        while let [code, len, more @ ..] = rest
            && *code != 255
        {
            let (data, after) = more.split_at(usize::from(*len));
            let printable = data.iter().all(|b| (32..127).contains(b));
            if data.len() > 4 && printable {
                writeln!(text, "{code} {:?}", String::from_utf8_lossy(data)).unwrap();
            } else {
                let hex: String = data.iter().map(|b| format!("{b:02x}")).collect();
                writeln!(text, "{code} {hex}").unwrap();
            }
            rest = after;
        }
        assert_eq!(rest.first(), Some(&255), "the list of options has an end");
        assert!(
            rest[1..].iter().all(|byte| *byte == 0),
            "and nothing after it"
        );
        text
    }
}

#[test]
fn recorded_packets_get_their_decisions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dhcp");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut seen = 0;
    let mut wrong = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let recorded = Recorded::parse(&fs::read_to_string(&path).unwrap());
        let outcome = recorded.outcome();
        seen += 1;
        if update {
            fs::write(&path, format!("{}--\n{outcome}", recorded.head)).unwrap();
        } else if outcome != recorded.expected {
            let name = path.file_name().unwrap().to_string_lossy();
            write!(
                wrong,
                "\n== {name}\nexpected:\n{}got:\n{outcome}",
                recorded.expected
            )
            .unwrap();
        }
    }
    assert!(seen > 40, "only {seen} packets were found");
    assert!(wrong.is_empty(), "{wrong}");
}
