//! Answers on the wire, asked for with plain sockets: the address that faces the asker, the relay's own, one for each question.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::admin::by_tcp;
use ktizo_tests::asker::{Asker, Reply, discover, relayed};
use ktizo_tests::clock::poll;
use ktizo_tests::daemon::{Ktizo, Launch};
use ktizo_tests::frame::OFFER;
use ktizo_tests::lan::{CARD, Host, Lan, inside};
use ktizo_tests::process::run;

use crate::runner::{Lab, folder};

const CLIENT: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 0x30];
/// Longer than any answer takes on a busy host.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one is waited for of which it is not certain that it comes.
const MOMENT: Duration = Duration::from_secs(1);

/// Asks by broadcast, and gives the one answer.
fn one_offer(host: &Host, xid: u32, patience: Duration) -> Result<Reply> {
    let asker = Asker::open(host, CARD, 68)?;
    asker.send(&discover(CLIENT, xid), (Ipv4Addr::BROADCAST, 67))?;
    only(asker.answers(xid, patience)?, xid)
}

fn only(mut replies: Vec<Reply>, xid: u32) -> Result<Reply> {
    replies.retain(|reply| reply.xid == xid);
    ensure!(
        replies.len() == 1,
        "{} answers instead of one: {replies:?}",
        replies.len()
    );
    let reply = replies.remove(0);
    ensure!(reply.option(53) == Some(&[OFFER][..]), "{reply:?}");
    ensure!(
        reply.yiaddr.is_unspecified(),
        "an address is leased: {reply:?}"
    );
    Ok(reply)
}

fn faces(reply: &Reply, address: Ipv4Addr) -> Result<()> {
    let server = reply.option(54);
    ensure!(
        reply.siaddr == address
            && server == Some(&address.octets()[..])
            && reply.from == SocketAddr::from((address, 67)),
        "not from {address}: {reply:?}"
    );
    ensure!(reply.file.ends_with("snponly.efi"), "no loader: {reply:?}");
    Ok(())
}

pub(crate) fn each_card_answers_with_its_own_address(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "each_card")?;
    let (mut near, mut far) = (Lan::new()?, Lan::numbered(78)?);
    let host = near.host("ktizo", 2)?;
    let (one, two) = (near.host("one", 9)?, far.host("two", 9)?);
    let launch = Launch::new(&lab.kit, &host, &folder)?;
    // The second card is named, and is not there yet.
    let ktizo = launch.with("--interface").with("eth1").start()?;
    faces(&one_offer(&one, 1, PATIENCE)?, Ipv4Addr::new(10, 77, 0, 2))?;

    far.plug(&host, "eth1", 3)?;
    let mut xid = 100;
    let late = poll(PATIENCE, || {
        xid += 1;
        one_offer(&two, xid, MOMENT).ok()
    });
    let late = late.with_context(|| {
        format!(
            "the card that came later is not served; the daemon said:\n{}",
            ktizo.said()
        )
    })?;
    faces(&late, Ipv4Addr::new(10, 78, 0, 3))?;
    faces(&one_offer(&one, 2, PATIENCE)?, Ipv4Addr::new(10, 77, 0, 2))?;
    for (host, address) in [(&one, "10.77.0.2"), (&two, "10.78.0.3")] {
        let path = "/boot/52-54-00-77-00-30";
        let script = by_tcp(host, (address, 80), "GET", path, &[])?.text();
        ensure!(
            script.contains(&format!("http://{address}/boot/")),
            "the script names another address than {address}: {script}"
        );
    }
    Ok(())
}

/// A card with a second address: what is asked of that one is answered from it.
pub(crate) fn tftp_answers_from_the_address_that_was_asked(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "second_address")?;
    let mut lan = Lan::new()?;
    let (host, client) = (lan.host("ktizo", 2)?, lan.host("client", 9)?);
    let second = [
        "-netns",
        &host.netns,
        "address",
        "add",
        "10.77.0.22/24",
        "dev",
        CARD,
    ];
    run("ip", &second)?;
    let _ktizo = Ktizo::start(&lab.kit, &host, &folder)?;
    for address in ["10.77.0.2", "10.77.0.22"] {
        let socket = inside(&client, || std::net::UdpSocket::bind("0.0.0.0:0"))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send_to(b"\0\x01pxe/boot.ipxe\0octet\0", (address, 69))?;
        let mut buffer = [0; 600];
        let (length, from) = loop {
            match socket.recv_from(&mut buffer) {
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                heard => break heard?,
            }
        };
        ensure!(
            from.ip().to_string() == address,
            "{address} was asked, {from} answered"
        );
        let script = String::from_utf8_lossy(&buffer[4..length]);
        ensure!(
            buffer[..4] == [0, 3, 0, 1] && script.starts_with("#!ipxe"),
            "no first block: {script}"
        );
        socket.send_to(&[0, 4, 0, 1], from)?;
    }
    Ok(())
}

pub(crate) fn a_relayed_question_is_answered_to_its_relay(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "relayed")?;
    let mut lan = Lan::new()?;
    let (host, relay) = (lan.host("ktizo", 2)?, lan.host("relay", 9)?);
    // The relay's address on the machines' side, which the daemon reaches by a route.
    let side = Ipv4Addr::new(10, 99, 0, 1);
    run(
        "ip",
        &[
            "-netns",
            &relay.netns,
            "address",
            "add",
            "10.99.0.1/24",
            "dev",
            "lo",
        ],
    )?;
    run(
        "ip",
        &[
            "-netns",
            &host.netns,
            "route",
            "add",
            "10.99.0.0/24",
            "via",
            "10.77.0.9",
        ],
    )?;
    let _ktizo = Ktizo::start(&lab.kit, &host, &folder)?;
    let asker = Asker::open(&relay, CARD, 67)?;
    let own = Ipv4Addr::new(10, 77, 0, 2);
    // Circuit 9, and a remote id that the relay alone understands.
    let agent = [1, 2, 0, 9, 2, 3, 0xff, 0x00, 0x7f];
    for (xid, giaddr) in [(7, Ipv4Addr::new(10, 77, 0, 9)), (8, side)] {
        asker.send(&relayed(CLIENT, xid, giaddr, &agent), (own, 67))?;
        let reply = only(asker.answers(xid, PATIENCE)?, xid)?;
        faces(&reply, own)?;
        ensure!(reply.giaddr == giaddr, "{reply:?}");
        ensure!(
            reply.option(82) == Some(&agent[..]),
            "the relay's option is not given back: {reply:?}"
        );
        ensure!(
            reply.options.last().map(|(code, _)| *code) == Some(82),
            "option 82 is not the last one (RFC 3046, 2.2): {reply:?}"
        );
    }
    Ok(())
}
