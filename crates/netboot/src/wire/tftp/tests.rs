//! Packets as clients send them, and any bytes at all.

use proptest::prelude::*;

use super::*;

/// What a datagram was read as, in one line.
fn read(datagram: &[u8]) -> String {
    match Packet::parse(datagram) {
        Err(malformed) => malformed.to_string(),
        Ok(Packet::Read(request)) => format!("read {}", in_words(&request)),
        Ok(Packet::Write(request)) => format!("write {}", in_words(&request)),
        Ok(Packet::Data { block, payload }) => format!("data {block} of {}", payload.len()),
        Ok(Packet::Ack(block)) => format!("ack {block}"),
        Ok(Packet::Error { code, message }) => format!("error {code} {message}"),
        Ok(Packet::OptionAck(options)) => format!("oack{}", options_in_words(options)),
    }
}

fn in_words(request: &Request) -> String {
    let name = request.name.escape_ascii();
    let options = options_in_words(request.options);
    format!("{name} {:?}{options}", request.mode)
}

fn options_in_words(options: Options) -> String {
    [
        ("b", options.blksize),
        ("s", options.tsize),
        ("t", options.timeout),
        ("w", options.windowsize),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| format!(" {name}={value}")))
    .collect()
}

#[test]
fn packets_are_read_as_clients_mean_them() {
    for (datagram, meant) in [
        // EDK2's size question, its second request, iPXE's request.
        (
            &b"\0\x01ipxe/snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0"[..],
            "read ipxe/snponly.efi Octet b=1468 s=0 w=4",
        ),
        (
            b"\0\x01snponly.efi\0octet\0blksize\x001468\0windowsize\x004\0",
            "read snponly.efi Octet b=1468 w=4",
        ),
        (
            b"\0\x01/pxe/boot.ipxe\0octet\0blksize\x001432\0tsize\x000\0",
            "read /pxe/boot.ipxe Octet b=1432 s=0",
        ),
        // Names and values as RFC 2347 allows and firmware writes them.
        (b"\0\x01f\0OCTET\0BlkSize\x00512\0", "read f Octet b=512"),
        (b"\0\x01f\0netascii\0", "read f Netascii"),
        (b"\0\x01f\0mail\0", "read f Other"),
        (b"\0\x01f\xff\0octet", r"read f\xff Octet"),
        (b"\0\x01f\0octet\0blksize", "read f Octet"),
        (b"\0\x01f\0octet\0blksize\x00512", "read f Octet b=512"),
        (b"\0\x01f\0octet\0\0\0\0\0", "read f Octet"),
        (b"\0\x01f\0octet\0blksize\0\0", "read f Octet"),
        (
            b"\0\x01f\0octet\0blksize\0+512\0tsize\0-1\0",
            "read f Octet",
        ),
        (
            b"\0\x01f\0octet\0tsize\x0099999999999999999999\0timeout\x003\0",
            "read f Octet t=3",
        ),
        (
            b"\0\x01f\0octet\0blksize\x00512\0blksize\x001024\0multicast\0\0",
            "read f Octet b=512",
        ),
        (b"\0\x01\0octet\0", "read  Octet"),
        (b"\0\x02f\0octet\0tsize\x005\0", "write f Octet s=5"),
        (b"\0\x03\xff\xffabc", "data 65535 of 3"),
        (b"\0\x03\0\x01", "data 1 of 0"),
        (b"\0\x04\0\0", "ack 0"),
        (b"\0\x04\x01\x02trailing", "ack 258"),
        (
            b"\0\x05\0\x08User aborted the transfer\0",
            "error 8 User aborted the transfer",
        ),
        (b"\0\x05\0\0", "error 0 "),
        (b"\0\x05\0\x01\x1b[2Jgone\n\xff", "error 1 [2Jgone\u{fffd}"),
        (
            b"\0\x06blksize\x001432\0tsize\x00991\0",
            "oack b=1432 s=991",
        ),
        // What is no packet.
        (b"", "the packet is too short"),
        (b"\0", "the packet is too short"),
        (b"\0\x04\0", "the packet is too short"),
        (b"\0\x07ab", "opcode 7 is not known"),
        (b"\x01\0ab", "opcode 256 is not known"),
        (
            b"\0\x01name-without-end",
            "the request has no file name or no transfer mode",
        ),
        (
            b"\0\x01name\0",
            "the request has no file name or no transfer mode",
        ),
    ] {
        assert_eq!(read(datagram), meant, "{}", datagram.escape_ascii());
    }
}

#[test]
fn error_messages_are_one_short_line() {
    let packet = Packet::Error {
        code: ErrorCode::FILE_NOT_FOUND,
        message: format!("a\0b\r\n{}", "é".repeat(400)),
    };
    let datagram = packet.print();
    assert!(datagram.len() <= 512, "{}", datagram.len());
    assert!(datagram.starts_with(b"\0\x05\0\x01ab\xc3\xa9"));
    assert_eq!(datagram.iter().filter(|byte| **byte == 0).count(), 3);
}

fn any_options() -> impl Strategy<Value = Options> {
    (any::<[Option<u64>; 4]>()).prop_map(|[blksize, tsize, timeout, windowsize]| Options {
        blksize,
        tsize,
        timeout,
        windowsize,
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(datagram in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(packet) = Packet::parse(&datagram) {
            let printed = packet.print();
            prop_assert_eq!(Packet::parse(&printed), Ok(packet));
        }
    }

    #[test]
    fn any_request_text_is_read_or_refused(body in "[\\x00a-cBLKSIZEblksize0-9]{0,80}") {
        let datagram = [b"\0\x01", body.as_bytes()].concat();
        if let Ok(packet) = Packet::parse(&datagram) {
            let printed = packet.print();
            prop_assert_eq!(Packet::parse(&printed), Ok(packet));
        }
    }

    #[test]
    fn requests_are_read_as_they_were_printed(name in "[^\\x00]{0,40}", options in any_options()) {
        let packet = Packet::Read(Request { name: name.into_bytes(), mode: Mode::Octet, options });
        let printed = packet.print();
        prop_assert_eq!(Packet::parse(&printed), Ok(packet));
        let packet = Packet::OptionAck(options);
        let printed = packet.print();
        prop_assert_eq!(Packet::parse(&printed), Ok(packet));
    }
}
