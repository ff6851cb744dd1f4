//! Requests that never go on, and datagrams that never made sense.

use std::collections::VecDeque;

use super::*;

/// Requests in the flood.
const REQUESTS: usize = 1300;

/// Sends requests that are never answered, from the addresses given in turn, while an honest machine fetches; how long that took.
///
/// The sockets of the flood stay open as long as their sessions, else the kernel would tell the server that they are gone.
async fn flooded(served: &Served, addresses: &[Ipv4Addr], open: usize) -> Duration {
    let request = machine::request("snponly.efi", edk2());
    let mut flood = VecDeque::new();
    for i in 0..REQUESTS {
        let machine = Machine::new(addresses[i % addresses.len()], served.address).await;
        machine.send(&request).await;
        flood.push_back(machine);
        if flood.len() > open {
            flood.pop_front();
        }
    }
    let began = Instant::now();
    let fetched = fetch(addresses[0], served.address, "talos/vmlinuz-amd64", edk2()).await;
    assert!(fetched.content.unwrap() == content(1_000_000));
    began.elapsed()
}

#[tokio::test]
async fn unanswered_requests_of_many_addresses_keep_nobody_waiting() {
    let limits = Limits {
        sessions: 128,
        ..Limits::default()
    };
    let served = Served::new(told(), limits);
    let addresses: Vec<Ipv4Addr> = (1..=100).map(|i| Ipv4Addr::new(127, 0, 1, i)).collect();
    let took = flooded(&served, &addresses, 256).await;
    println!("an honest machine had its megabyte {took:?} after the flood");
    assert!(
        took < Duration::from_secs(1),
        "{took:?} {:?}",
        served.counters
    );
    let displaced = served.counters.displaced.load(Ordering::Relaxed);
    assert!(displaced > 0, "the flood was too small to matter");
}

#[tokio::test]
async fn unanswered_requests_of_one_address_do_not_even_keep_itself_waiting() {
    let served = Served::new(told(), Limits::default());
    let took = flooded(&served, &[Ipv4Addr::LOCALHOST], 256).await;
    println!("an honest machine had its megabyte {took:?} after the flood");
    assert!(
        took < Duration::from_secs(1),
        "{took:?} {:?}",
        served.counters
    );
    let displaced = served.counters.displaced.load(Ordering::Relaxed);
    assert!(displaced > 0, "the flood was too small to matter");
}

#[tokio::test]
async fn any_datagrams_are_borne_and_answered_at_most_once() {
    let served = Served::new(told(), Limits::default());
    let machine = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
    let mut seed = 1_u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u8
    };
    for round in 0..2000 {
        let mut datagram: Vec<u8> = (0..next()).map(|_| next()).collect();
        if round % 2 == 0 {
            // As good as a request.
            datagram.splice(..datagram.len().min(2), [0, 1 + u8::from(round % 4 == 0)]);
        }
        machine.send(&datagram).await;
    }
    let mut answers = 0;
    while let Some(answer) = machine.recv_soon().await {
        assert!(matches!(Packet::parse(&answer), Ok(Packet::Error { .. })));
        answers += 1;
    }
    assert!(answers <= 1000, "{answers}");
    let fetched = fetch(Ipv4Addr::LOCALHOST, served.address, "snponly.efi", edk2()).await;
    assert!(fetched.content.unwrap() == content(300_000));
}
