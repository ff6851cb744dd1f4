//! What holds for any bytes at all.

use std::net::{Ipv4Addr, SocketAddrV4};

use netboot::core::answer::{ServerIdentity, answer};
use netboot::core::classify::{Door, Ignored, Ingress, classify};
use netboot::director::{LoaderName, Offer, Program};
use netboot::wire::dhcp::{BootReply, BootRequest, Operation, Packet};
use netboot::wire::options;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::packets::LOCAL;

fn program() -> impl Strategy<Value = Program> {
    prop_oneof![
        "[a-z0-9][a-z0-9._-]{0,63}"
            .prop_map(|name| Program::Loader(LoaderName::parse(&name).unwrap())),
        Just(Program::Script),
        Just(Program::NotFound),
        Just(Program::Nothing("closed")),
    ]
}

fn ingress() -> impl Strategy<Value = Ingress> {
    let source = prop_oneof![
        Just(Ipv4Addr::UNSPECIFIED),
        any::<[u8; 4]>().prop_map(Ipv4Addr::from)
    ];
    (any::<bool>(), source, any::<u16>(), any::<bool>()).prop_map(
        |(proxy, source, port, shared)| Ingress {
            door: if proxy { Door::Proxy } else { Door::Dhcp },
            ifindex: 2,
            local: LOCAL,
            source: SocketAddrV4::new(source, port),
            shared,
        },
    )
}

/// Options as a machine could send them, good and bad ones mixed.
fn some_options() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let good = prop_oneof![
        Just((options::MESSAGE_TYPE, vec![1])),
        Just((options::MESSAGE_TYPE, vec![3])),
        Just((
            options::VENDOR_CLASS,
            b"PXEClient:Arch:00007:UNDI:003000".to_vec()
        )),
        Just((options::VENDOR_CLASS, b"HTTPClient".to_vec())),
        Just((options::CLIENT_ARCH, vec![0, 0])),
        Just((options::CLIENT_ARCH, vec![0, 16])),
        Just((options::USER_CLASS, b"iPXE".to_vec())),
        Just((options::SERVER_IDENTIFIER, LOCAL.octets().to_vec())),
        Just((options::VENDOR_SPECIFIC, vec![71, 4, 0x80, 0, 0, 0, 255])),
        vec(any::<u8>(), 17).prop_map(|data| (options::CLIENT_UUID, data)),
        vec(any::<u8>(), 0..255).prop_map(|data| (options::RELAY_AGENT, data)),
        vec(any::<u8>(), 2).prop_map(|data| (options::MAX_MESSAGE_SIZE, data)),
    ];
    let any_option = (any::<u8>(), vec(any::<u8>(), 0..300));
    vec(prop_oneof![4 => good, 1 => any_option], 0..14)
}

prop_compose! {
    /// A datagram that is a DHCP message, nearly.
    fn nearly_dhcp()(
        head in any::<[u8; 44]>(),
        likely in any::<[bool; 6]>(),
        list in some_options(),
        cut in prop_oneof![4 => Just(usize::MAX), 1 => 0_usize..700],
    ) -> Vec<u8> {
        let mut bytes = vec![0; 240];
        bytes[..44].copy_from_slice(&head);
        if likely[0] { bytes[..3].copy_from_slice(&[1, 1, 6]); }
        if likely[1] { bytes[28] = 0x52; bytes[34..44].fill(0); }
        if likely[2] { bytes[24..28].fill(0); }
        if likely[3] { bytes[12..16].fill(0); }
        bytes[236..240].copy_from_slice(&[99, 130, 83, 99]);
        if likely[4] { bytes.extend(b"\x3c\x09PXEClient\x35\x01\x01"); }
        for (code, data) in list {
            let data = &data[..data.len().min(255)];
            bytes.push(code);
            bytes.push(u8::try_from(data.len()).unwrap());
            bytes.extend(data);
        }
        if likely[5] { bytes.push(255); }
        bytes.truncate(cut);
        bytes
    }
}

/// Says what an answer has to be, whatever the question was.
fn check(datagram: &[u8], ingress: Ingress, program: Program) -> Result<(), TestCaseError> {
    let Ok(query) = classify(datagram, ingress) else {
        return Ok(());
    };
    let asked = Packet::decode(datagram).expect("what is answered can be read");
    prop_assert_eq!(asked.operation, Operation::Request);
    let class = asked.option(options::VENDOR_CLASS).unwrap_or_default();
    prop_assert!(
        class.starts_with(b"PXEClient") || class.starts_with(b"HTTPClient"),
        "only network boot clients are answered"
    );
    let server = ServerIdentity {
        address: LOCAL,
        http_port: 80,
    };
    let offer = Offer {
        program,
        server: None,
        discovery_control: true,
    };
    let Some(reply) = answer(&query, &offer, &server) else {
        return Ok(());
    };
    let seen = BootReply::decode(&reply.bytes).expect("an answer can be read");
    let packet = &seen.packet;
    prop_assert_eq!(packet.xid, asked.xid);
    prop_assert_eq!(packet.chaddr, asked.chaddr);
    prop_assert_eq!((packet.htype, packet.hlen), (asked.htype, asked.hlen));
    prop_assert_eq!(packet.giaddr, asked.giaddr);
    prop_assert_eq!(packet.flags, asked.flags);
    prop_assert!(packet.yiaddr.is_unspecified());
    let uuid = asked
        .option(options::CLIENT_UUID)
        .filter(|data| data.len() <= 255);
    prop_assert_eq!(packet.option(options::CLIENT_UUID), uuid);
    prop_assert_eq!(
        packet.option(options::RELAY_AGENT),
        asked.option(options::RELAY_AGENT)
    );
    for lease in [1, 3, 6, 51, 58, 59] {
        prop_assert_eq!(packet.option(lease), None);
    }
    prop_assert!(seen.file.is_some());
    prop_assert!(reply.bytes.len() >= 300);
    let relay = packet
        .option(options::RELAY_AGENT)
        .map_or(0, |data| data.len() + 2 * (data.len() / 255 + 1));
    prop_assert!(reply.bytes.len() - relay <= 1472);
    prop_assert!(!reply.destination.ip().is_multicast());
    prop_assert!(!reply.destination.ip().is_unspecified());
    prop_assert_eq!(reply.source_port, ingress.door.port());
    // Its own answer, back at either door, is never answered.
    for door in [Door::Dhcp, Door::Proxy] {
        let echo = Ingress { door, ..ingress };
        prop_assert_eq!(classify(&reply.bytes, echo).unwrap_err(), Ignored::OwnReply);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..1600), ingress in ingress(), program in program()) {
        let _ = Packet::decode(&bytes);
        let _ = BootRequest::decode(&bytes);
        let _ = BootReply::decode(&bytes);
        check(&bytes, ingress, program)?;
    }

    #[test]
    fn any_dhcp_message_gets_at_most_one_right_answer(bytes in nearly_dhcp(), ingress in ingress(), program in program()) {
        check(&bytes, ingress, program)?;
    }

    #[test]
    fn what_is_printed_parses_to_the_same(
        fields in (any::<bool>(), any::<u8>(), 0_u8..=16, any::<[u8; 16]>(), any::<u32>(), any::<u16>(), any::<u16>()),
        addresses in any::<[[u8; 4]; 4]>(),
        file in vec(1_u8.., 0..=128),
        list in btree_map(1_u8..=254, vec(any::<u8>(), 0..600), 0..12),
    ) {
        let (request, htype, hlen, mut chaddr, xid, secs, flags) = fields;
        chaddr[usize::from(hlen)..].fill(0);
        let [ciaddr, yiaddr, siaddr, giaddr] = addresses.map(Ipv4Addr::from);
        let mut list = list;
        list.remove(&options::OVERLOAD);
        let packet = Packet {
            operation: if request { Operation::Request } else { Operation::Reply },
            htype, hlen, chaddr, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, file, options: list,
        };
        let printed = packet.encode();
        let parsed = Packet::decode(&printed).expect("what is printed is DHCP");
        prop_assert_eq!(&parsed, &packet);
        prop_assert_eq!(parsed.encode(), printed);
    }
}

#[test]
fn the_properties_are_not_about_nothing() {
    // Most of what `nearly_dhcp` makes has to be answered, or the property above would hold of an empty set.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut answered = 0;
    for _ in 0..500 {
        let bytes = nearly_dhcp().new_tree(&mut runner).unwrap().current();
        let ingress = ingress().new_tree(&mut runner).unwrap().current();
        answered += u32::from(classify(&bytes, ingress).is_ok());
    }
    assert!(answered > 50, "only {answered} of 500 are questions");
}
