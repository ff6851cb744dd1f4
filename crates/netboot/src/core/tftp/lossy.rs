//! Whole transfers over a network in memory that loses, repeats and reorders packets.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use super::{End, Outcome, Policy, Sending, Session, Step, Terms};
use crate::sim::tftp::{Fetch, Manners, Reaction};
use crate::wire::tftp::{Options, Packet};

/// A generator of numbers that are random enough, the same for the same seed (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}

/// The time a packet keeps the line busy: a gigabit Ethernet's.
const LINE: Duration = Duration::from_micros(12);

/// What a network does to packets.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    /// Packets lost, of a thousand.
    lost: u64,
    /// Packets that come twice, of a thousand.
    twice: u64,
    /// Packets that take twice the way, so that others overtake them, of a thousand.
    late: u64,
    /// The way of a packet, in microseconds.
    way: u64,
}

/// A packet under way: when it arrives, a number that keeps those of one moment in order, whether it goes to the server, and
/// its bytes.
type Flying = Reverse<(Duration, u64, bool, Vec<u8>)>;

/// What became of a transfer.
struct Played {
    outcome: Outcome,
    content: Vec<u8>,
    agreed: Options,
    /// DATA packets sent.
    data: u64,
    /// When the client had the file.
    time: Duration,
}

fn content(size: usize) -> Vec<u8> {
    let mut dice = Dice::new(7);
    (0..size).map(|_| dice.roll(256) as u8).collect()
}

/// Plays a transfer of `content` to its end.
fn play(content: &[u8], options: Options, manners: Manners, weather: Weather, seed: u64) -> Played {
    let mut dice = Dice::new(seed);
    let mut air = BinaryHeap::new();
    let mut counter = 0;
    let mut free = [Duration::ZERO; 2];
    let mut launch =
        |air: &mut BinaryHeap<Flying>, now: Duration, to_server: bool, bytes: Vec<u8>| {
            let copies = match dice.roll(1000) {
                roll if roll < weather.lost => 0,
                roll if roll < weather.lost + weather.twice => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let free = &mut free[usize::from(to_server)];
                *free = now.max(*free) + LINE;
                let late = u64::from(dice.roll(1000) < weather.late);
                counter += 1;
                air.push(Reverse((
                    *free + Duration::from_micros(weather.way * (1 + late)),
                    counter,
                    to_server,
                    bytes.clone(),
                )));
            }
        };

    let (mut fetch, request) = Fetch::begin("f", options, manners, Duration::ZERO);
    launch(&mut air, Duration::ZERO, true, request);
    let mut session: Option<Session> = None;
    let mut whole = None;
    let mut data = 0;
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < 3_000_000, "the transfer runs in a circle");
        let timers = [
            session.as_ref().map(Session::deadline),
            whole.is_none().then(|| fetch.deadline()),
        ];
        let timer = timers.into_iter().flatten().min();
        let packet = air.peek().map(|Reverse((at, ..))| *at);
        let now = packet.into_iter().chain(timer).min().unwrap();
        let (reaction, step) = match (packet, air.peek()) {
            (Some(at), Some(_)) if at == now => {
                let Reverse((_, _, to_server, bytes)) = air.pop().unwrap();
                if !to_server && whole.is_some() {
                    // A client that has everything answers a repeated last block, if it is still there.
                    (Reaction::Wait, Step::Wait)
                } else if !to_server {
                    (fetch.handle(&bytes, now), Step::Wait)
                } else if let Some(session) = &mut session {
                    let again = matches!(Packet::parse(&bytes), Ok(Packet::Read(_)));
                    let step = if again {
                        session.asked_again(now)
                    } else {
                        session.handle(&bytes, now)
                    };
                    (Reaction::Wait, step)
                } else {
                    let Ok(Packet::Read(request)) = Packet::parse(&bytes) else {
                        panic!("the first packet is the request");
                    };
                    let size = content.len() as u64;
                    let terms = Terms::agree(&request.options, size, &Policy::default());
                    let (opened, first) = Session::begin(terms, now);
                    session = Some(opened);
                    (Reaction::Wait, Step::Send(first))
                }
            }
            _ => (
                if whole.is_some() {
                    Reaction::Wait
                } else {
                    fetch.tick(now)
                },
                session
                    .as_mut()
                    .map_or(Step::Wait, |session| session.tick(now)),
            ),
        };
        match reaction {
            Reaction::Wait => {}
            Reaction::Send(bytes) => launch(&mut air, now, true, bytes),
            Reaction::Done(bytes) => {
                whole = Some(now);
                launch(&mut air, now, true, bytes);
            }
            other => panic!("{other:?} at {now:?}, {} bytes in", fetch.content().len()),
        }
        let end = match step {
            Step::Wait => continue,
            Step::Send(Sending::OptionAck(options)) => {
                launch(&mut air, now, false, Packet::OptionAck(options).print());
                continue;
            }
            Step::Send(Sending::Blocks(span)) => {
                assert!(span.len() <= 64 * 1024, "a window is at most 64 KiB");
                let start = usize::try_from(span.offset()).unwrap();
                let bytes = &content[start..start + span.len()];
                for block in span.blocks() {
                    data += 1;
                    let packet = Packet::Data {
                        block: block.number,
                        payload: &bytes[block.start..][..block.len],
                    };
                    launch(&mut air, now, false, packet.print());
                }
                continue;
            }
            Step::End(end) => end,
        };
        return Played {
            outcome: session.unwrap().outcome(end, now),
            content: fetch.content().to_vec(),
            agreed: fetch.agreed().copied().unwrap_or_default(),
            data,
            time: whole.unwrap_or(now),
        };
    }
}

fn options(blksize: u64, windowsize: u64) -> Options {
    Options {
        blksize: Some(blksize),
        tsize: Some(0),
        timeout: None,
        windowsize: (windowsize > 1).then_some(windowsize),
    }
}

/// The last ACK may be lost, and nobody is there to send it again: then the file is whole and the server does not know.
fn whole(end: &End) -> bool {
    matches!(end, End::Done | End::Unconfirmed)
}

#[test]
fn every_window_brings_the_right_bytes_through_every_weather() {
    let file = content(200_000);
    for windowsize in [1, 2, 3, 4, 8, 16, 32, 44, 64] {
        for (lost, twice) in [(0, 0), (1, 0), (10, 10), (50, 20), (200, 100), (0, 300)] {
            for chatty in [false, true] {
                for seed in 1..=4 {
                    let weather = Weather {
                        lost,
                        twice,
                        late: twice,
                        way: 400,
                    };
                    let manners = Manners {
                        chatty,
                        ..Manners::default()
                    };
                    let played = play(&file, options(1468, windowsize), manners, weather, seed);
                    let what =
                        format!("window {windowsize}, {weather:?}, chatty {chatty}, seed {seed}");
                    assert!(played.content == file, "{what}");
                    assert!(whole(&played.outcome.end), "{what}: {:?}", played.outcome);
                    assert_eq!(played.agreed.tsize, Some(200_000), "{what}");
                    assert_eq!(
                        played.agreed.windowsize.unwrap_or(1),
                        windowsize.min(44),
                        "{what}"
                    );
                    let limit = Duration::from_secs(if lost < 200 { 15 } else { 150 });
                    assert!(played.time < limit, "{what}: {:?}", played.time);
                }
            }
        }
    }
}

#[test]
fn one_lost_packet_of_a_hundred_costs_little() {
    // 1 MB over a LAN with a round trip near a millisecond.
    let file = content(1_000_000);
    for (windowsize, goal_ms) in [(1, 1200), (4, 350), (16, 100)] {
        let mut times: Vec<Duration> = (1..=101)
            .map(|seed| {
                let weather = Weather {
                    lost: 10,
                    way: 400,
                    ..Weather::default()
                };
                let manners = Manners::default();
                let played = play(&file, options(1468, windowsize), manners, weather, seed);
                assert!(played.content == file);
                played.time
            })
            .collect();
        times.sort();
        eprintln!(
            "1 MB, 1 % lost, window {windowsize}: median {:.0?}",
            times[50]
        );
        assert!(
            times[50] < Duration::from_millis(goal_ms),
            "window {windowsize}: {times:?}"
        );
    }
}

#[test]
fn repeated_packets_do_not_multiply() {
    let file = content(1_000_000);
    for windowsize in [1, 4, 16] {
        for chatty in [false, true] {
            // A network that doubles one packet in a hundred, one so slow that the first timers run out in vain, and both.
            for (twice, way) in [(10, 400), (0, 900_000), (10, 300_000)] {
                let weather = Weather {
                    twice,
                    way,
                    ..Weather::default()
                };
                let manners = Manners {
                    chatty,
                    wait: Duration::from_secs(5),
                    ..Manners::default()
                };
                let played = play(&file, options(1468, windowsize), manners, weather, 1);
                assert!(played.content == file);
                let blocks = 1_000_000 / 1468 + 1;
                let factor = played.data as f64 / blocks as f64;
                assert!(
                    factor < 1.1,
                    "window {windowsize}, chatty {chatty}, {weather:?}: {factor}"
                );
            }
        }
    }
}

#[test]
fn block_numbers_go_round() {
    for windowsize in [1, 7, 64] {
        let file = content(70_000 * 8 + 3);
        let weather = Weather {
            lost: 2,
            twice: 1,
            late: 1,
            way: 200,
        };
        let played = play(
            &file,
            options(8, windowsize),
            Manners::default(),
            weather,
            3,
        );
        assert!(played.content == file, "window {windowsize}");
        assert_eq!(played.outcome.bytes, file.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_transfer_brings_the_right_bytes(
        size in 0_usize..40_000,
        blksize in prop_oneof![8_u64..600, Just(1432), Just(1468)],
        windowsize in 1_u64..=64,
        lost in 0_u64..150,
        twice in 0_u64..150,
        late in 0_u64..150,
        way in 1_u64..20_000,
        chatty: bool,
        seed: u64,
    ) {
        let file = content(size);
        let manners = Manners { chatty, waits: 12, ..Manners::default() };
        let played = play(&file, options(blksize, windowsize), manners, Weather { lost, twice, late, way }, seed);
        prop_assert!(played.content == file);
        prop_assert!(whole(&played.outcome.end));
    }

    #[test]
    fn any_datagrams_are_borne(
        datagrams in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..12),
                (0_u16..10).prop_map(|n| Packet::Ack(n).print()),
            ],
            0..60,
        ),
        gaps in proptest::collection::vec(0_u64..5_000, 60),
        windowsize in 1_u64..=64,
    ) {
        let terms = Terms::agree(&options(8, windowsize), 100, &Policy::default());
        let mut now = Duration::ZERO;
        let (mut session, _) = Session::begin(terms, now);
        for (datagram, gap) in datagrams.iter().zip(gaps) {
            now += Duration::from_millis(gap);
            for step in [session.tick(now), session.handle(datagram, now)] {
                match step {
                    Step::Send(Sending::Blocks(span)) => {
                        prop_assert!(span.offset() + span.len() as u64 <= 100);
                        prop_assert!(u64::from(span.count()) <= windowsize);
                    }
                    Step::Send(Sending::OptionAck(_)) | Step::Wait => {}
                    Step::End(_) => return Ok(()),
                }
            }
        }
    }
}
