//! Exchanges as they happen, packet by packet, at their times.

use std::time::Duration;

use super::{Policy, Sending, Session, Step, Terms};
use crate::wire::tftp::Packet;

/// Plays one client against a file of `size` bytes.
///
/// Every line is a moment in milliseconds and what happens then: the client's `rrq OPTION=N...` (the first line opens the
/// session), `ack N`, `error N`, or `tick` for the timer. Behind `->` stands what the server does.
fn check(size: u64, script: &str) {
    let mut session: Option<Session> = None;
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (event, expected) = line.split_once("->").unwrap();
        let words: Vec<&str> = event.split_whitespace().collect();
        let now = Duration::from_millis(words[0].parse().unwrap());
        let said = match (&mut session, &words[1..]) {
            (None, ["rrq", options @ ..]) => {
                let terms = Terms::agree(&read_options(options), size, &Policy::default());
                let (opened, first) = Session::begin(terms, now);
                session = Some(opened);
                in_words(&Step::Send(first))
            }
            (Some(session), ["rrq"]) => in_words(&session.asked_again(now)),
            (Some(session), ["ack", block]) => {
                let ack = Packet::Ack(block.parse().unwrap()).print();
                in_words(&session.handle(&ack, now))
            }
            (Some(session), ["error", code]) => {
                let datagram = [0, 5, 0, code.parse().unwrap(), b'x', 0];
                in_words(&session.handle(&datagram, now))
            }
            (Some(session), ["tick"]) => {
                let early = session.deadline().saturating_sub(now);
                let step = in_words(&session.tick(now));
                if early.is_zero() {
                    step
                } else {
                    format!("{step}, {} ms early", early.as_millis())
                }
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(said, expected.trim(), "at: {line}\n{session:?}");
    }
}

fn read_options(pairs: &[&str]) -> crate::wire::tftp::Options {
    let mut request = b"\0\x01f\0octet\0".to_vec();
    for pair in pairs {
        request.extend(pair.replace('=', "\0").bytes());
        request.push(0);
    }
    match Packet::parse(&request) {
        Ok(Packet::Read(request)) => request.options,
        other => panic!("{other:?}"),
    }
}

fn in_words(step: &Step) -> String {
    match step {
        Step::Wait => "nothing".to_owned(),
        Step::Send(Sending::OptionAck(_)) => "oack".to_owned(),
        Step::Send(Sending::Blocks(span)) => {
            let blocks: Vec<String> = span
                .blocks()
                .map(|block| format!("{}:{}", block.number, block.len))
                .collect();
            format!("data {}", blocks.join(" "))
        }
        Step::End(end) => format!("end, {end}"),
    }
}

#[test]
fn a_plain_request_goes_block_by_block() {
    check(
        1300,
        "0 rrq     -> data 1:512
         1 ack 1   -> data 2:512
         2 ack 2   -> data 3:276
         3 ack 3   -> end, done",
    );
}

#[test]
fn a_file_of_whole_blocks_ends_with_an_empty_one() {
    check(
        512,
        "0 rrq     -> data 1:512
         1 ack 1   -> data 2:0
         2 ack 2   -> end, done",
    );
    check(
        0,
        "0 rrq tsize=0 -> oack
         1 ack 0   -> data 1:0
         2 ack 1   -> end, done",
    );
}

#[test]
fn options_wait_for_ack_0() {
    check(
        2000,
        "0 rrq blksize=1432 tsize=0 -> oack
         1 ack 1   -> nothing
         2 ack 0   -> data 1:1432
         3 ack 1   -> data 2:568
         4 ack 2   -> end, done",
    );
}

#[test]
fn a_window_goes_out_at_once_and_ends_with_the_file() {
    check(
        7000,
        "0 rrq blksize=1000 windowsize=4 -> oack
         1 ack 0   -> data 1:1000 2:1000 3:1000 4:1000
         2 ack 4   -> data 5:1000 6:1000 7:1000 8:0
         3 ack 8   -> end, done",
    );
}

#[test]
fn a_gap_in_a_window_is_filled_at_once() {
    check(
        9000,
        "0 rrq blksize=1000 windowsize=4 -> oack
         1 ack 0   -> data 1:1000 2:1000 3:1000 4:1000
         2 ack 2   -> data 3:1000 4:1000 5:1000 6:1000
         3 ack 6   -> data 7:1000 8:1000 9:1000 10:0
         4 ack 4   -> nothing
         5 ack 10  -> end, done",
    );
}

#[test]
fn a_lost_first_block_of_a_window_is_sent_again_at_once_and_only_once() {
    check(
        9000,
        "0 rrq blksize=1000 windowsize=4 -> oack
         2 ack 0   -> data 1:1000 2:1000 3:1000 4:1000
         4 ack 4   -> data 5:1000 6:1000 7:1000 8:1000
         6 ack 4   -> data 5:1000 6:1000 7:1000 8:1000
         6 ack 4   -> nothing
         9 ack 4   -> nothing
         9 ack 8   -> data 9:1000 10:0
         11 ack 8  -> nothing
         13 ack 8  -> data 9:1000 10:0
         14 ack 10 -> end, done",
    );
}

#[test]
fn an_echo_that_comes_before_the_window_can_have_arrived_is_not_answered() {
    check(
        9000,
        "0 rrq blksize=1000 -> oack
         10 ack 0  -> data 1:1000
         20 ack 1  -> data 2:1000
         20 ack 1  -> nothing
         24 ack 1  -> nothing
         30 ack 2  -> data 3:1000",
    );
}

#[test]
fn the_sorcerers_apprentice_stays_out() {
    // Block 1 is late, not lost. It is sent twice, so its ACK comes twice; without care every block after it would.
    check(
        4000,
        "0 rrq blksize=1000 -> oack
         10 ack 0  -> data 1:1000
         60 tick   -> data 1:1000
         110 ack 1 -> data 2:1000
         160 ack 1 -> nothing
         165 ack 2 -> data 3:1000
         170 ack 3 -> data 4:1000
         180 ack 4 -> data 5:0",
    );
}

#[test]
fn what_is_lost_is_sent_again_after_the_round_trip_measured() {
    check(
        5000,
        "0 rrq blksize=1000 windowsize=2 -> oack
         1 ack 0     -> data 1:1000 2:1000
         2 ack 2     -> data 3:1000 4:1000
         31 tick     -> nothing, 1 ms early
         32 tick     -> data 3:1000 4:1000
         91 tick     -> nothing, 1 ms early
         92 tick     -> data 3:1000 4:1000
         212 tick    -> data 3:1000 4:1000
         213 ack 4   -> data 5:1000 6:0
         243 tick    -> data 5:1000 6:0
         244 ack 6   -> end, done",
    );
}

#[test]
fn a_round_trip_that_grows_beyond_the_wait_is_measured_anew() {
    // A millisecond, then forty: two blocks are sent twice, and none after them.
    check(
        6000,
        "0 rrq blksize=1000 -> oack
         1 ack 0   -> data 1:1000
         2 ack 1   -> data 2:1000
         32 tick   -> data 2:1000
         42 ack 2  -> data 3:1000
         72 tick   -> data 3:1000
         73 ack 2  -> nothing
         82 ack 3  -> data 4:1000
         113 ack 3 -> nothing
         115 tick  -> nothing, 27 ms early
         122 ack 4 -> data 5:1000
         162 ack 5 -> data 6:1000
         202 ack 6 -> data 7:0",
    );
}

#[test]
fn a_client_that_never_answers_is_sent_six_packets() {
    check(
        5000,
        "0 rrq tsize=0 -> oack
         500 tick   -> oack
         1500 tick  -> oack
         3500 tick  -> oack
         6500 tick  -> oack
         9500 tick  -> oack
         12500 tick -> end, the machine never answered: does a firewall drop packets to or from high UDP ports?",
    );
}

#[test]
fn a_client_that_falls_silent_is_given_up_after_ten_seconds() {
    check(
        5000,
        "0 rrq blksize=1000 -> oack
         1 ack 0    -> data 1:1000
         31 tick    -> data 1:1000
         91 tick    -> data 1:1000
         211 tick   -> data 1:1000
         451 tick   -> data 1:1000
         931 tick   -> data 1:1000
         1891 tick  -> data 1:1000
         3811 tick  -> data 1:1000
         6811 tick  -> data 1:1000
         9811 tick  -> data 1:1000
         12811 tick -> end, the machine fell silent",
    );
}

#[test]
fn a_client_that_falls_silent_behind_the_last_block_has_it_all() {
    check(
        1500,
        "0 rrq blksize=1000 -> oack
         1 ack 0     -> data 1:1000
         2 ack 1     -> data 2:500
         4000 tick   -> data 2:500
         8000 tick   -> data 2:500
         12000 tick  -> end, done, though the last acknowledgement never came",
    );
}

#[test]
fn a_client_that_talks_and_never_goes_on_is_given_up() {
    let mut script = String::from("0 rrq blksize=1000 -> oack\n0 ack 0 -> data 1:1000\n");
    for second in (4..30).step_by(4) {
        script += &format!("{second}000 tick -> data 1:1000\n{second}100 ack 0 -> data 1:1000\n");
    }
    script += "32000 tick -> end, the machine fell silent";
    check(5000, &script);
}

#[test]
fn an_agreed_timeout_bounds_every_wait() {
    check(
        5000,
        "0 rrq timeout=1 -> oack
         500 tick  -> oack
         1500 tick -> oack
         2500 tick -> oack",
    );
}

#[test]
fn firmware_that_asks_for_the_size_is_done_at_once() {
    check(
        1_000_000,
        "0 rrq tsize=0 blksize=1468 windowsize=4 -> oack
         1 error 8 -> end, size asked",
    );
    check(
        1_000_000,
        "0 rrq tsize=0 -> oack
         1 ack 0   -> data 1:512
         2 error 0 -> end, size asked",
    );
}

#[test]
fn an_error_of_the_client_ends_the_session_at_once() {
    check(
        5000,
        "0 rrq blksize=1000 tsize=0 -> oack
         1 ack 0   -> data 1:1000
         2 ack 1   -> data 2:1000
         3 error 3 -> end, the machine broke it off with error 3 x",
    );
    check(
        5000,
        "0 rrq blksize=1000 -> oack
         1 error 8 -> end, the machine broke it off with error 8 x",
    );
}

#[test]
fn a_repeated_request_is_answered_as_the_first_was() {
    check(
        5000,
        "0 rrq blksize=1000 -> oack
         300 rrq  -> oack
         301 ack 0 -> data 1:1000
         302 ack 0 -> nothing
         303 ack 1 -> data 2:1000
         304 rrq   -> nothing",
    );
    check(
        5000,
        "0 rrq    -> data 1:512
         300 rrq  -> data 1:512
         301 ack 1 -> data 2:512
         302 ack 1 -> nothing
         304 rrq   -> nothing",
    );
}

#[test]
fn a_client_that_starts_anew_on_the_same_port_gets_it_from_the_beginning() {
    check(
        5000,
        "0 rrq blksize=1000 -> oack
         1 ack 0    -> data 1:1000
         2 ack 1    -> data 2:1000
         2000 rrq   -> oack
         2001 ack 0 -> data 1:1000",
    );
}

#[test]
fn nonsense_is_not_answered() {
    let terms = Terms::agree(&read_options(&[]), 5000, &Policy::default());
    let (mut session, _) = Session::begin(terms, Duration::ZERO);
    for datagram in [
        &b""[..],
        b"\0",
        b"\0\x04",
        b"\0\x09ab",
        b"\0\x03\0\x01x",
        b"\0\x06",
    ] {
        assert_eq!(session.handle(datagram, Duration::ZERO), Step::Wait);
    }
    assert!(!session.is_established());
}
