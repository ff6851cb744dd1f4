//! One transfer: a packet and the time in, what is to be sent out.

use std::fmt;
use std::time::Duration;

use crate::wire::tftp::{ErrorCode, Options, Packet};

use super::terms::{Span, Terms, number};
use super::timer::Timer;

/// One file on its way to one client.
///
/// It holds no content, only what of it has been acknowledged: the caller has the bytes, and puts them into the blocks that a
/// [`Span`] names.
#[derive(Clone, Debug)]
pub struct Session {
    terms: Terms,
    timer: Timer,
    phase: Phase,
    /// Blocks acknowledged.
    acked: u64,
    /// Blocks sent; those behind `acked` are in the air.
    sent: u64,
    /// Up to here, what is in the air has been in the air before.
    overlap: u64,
    /// Up to here, blocks had been sent before what was sent last.
    before: u64,
    began_at: Duration,
    /// When what is in the air was last sent.
    sent_at: Duration,
    /// When the client went on last.
    moved_at: Duration,
    /// When the client was last heard.
    heard_at: Option<Duration>,
    /// How often what is in the air has been sent again.
    resent: u32,
    /// Whether what came before was acknowledged after it had been sent again, so that nobody knows which sending was meant.
    unclear: bool,
    /// ACKs still to be expected for what came before, one for each time it was sent again.
    echoes: u32,
    /// Whether a repeated ACK has been answered with what is in the air.
    prompted: bool,
    /// Packets sent again.
    retries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The OACK is out and waits for ACK 0.
    Options,
    /// Blocks are going out.
    Blocks,
}

/// What to do after a packet or a timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until the next packet or [`Session::deadline`].
    Wait,
    /// Send this.
    Send(Sending),
    /// Nothing any more: it has ended.
    End(End),
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// The options that were agreed.
    OptionAck(Options),
    /// These blocks.
    Blocks(Span),
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client has all of it.
    Done,
    /// The client wanted to know the size and nothing else. Firmware asks like this before it fetches.
    SizeProbe,
    /// The client ended it.
    Aborted {
        /// Why, as a number.
        code: ErrorCode,
        /// Why, in its words.
        message: String,
    },
    /// All of it was sent, and the client fell silent before its last ACK. Clients do not wait to see that one arrive, so most
    /// likely it was lost.
    Unconfirmed,
    /// The client fell silent; `true` if it had answered before.
    Silent(bool),
    /// The client's host says that nobody waits for the packets (ICMP port unreachable).
    Unreachable,
    /// The session had to make room, or the daemon stops.
    Displaced,
    /// The content could not be read, or nothing could be sent. The sentence says why.
    Broken(String),
}

/// What became of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Bytes of content that the client has.
    pub bytes: u64,
    /// Packets sent again.
    pub retries: u32,
    /// From the request to the end; without the wait for a client that fell silent behind the last block.
    pub duration: Duration,
}

/// A client that has said nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// A client that has not gone on for so long never will, whatever it says.
const STALL: Duration = Duration::from_secs(30);
/// A request repeated by a client that has been silent for so long comes from one that has started anew.
const ANEW: Duration = Duration::from_secs(1);

impl Session {
    /// Opens a transfer, and says what to send first: the OACK, or the first block where no option was agreed.
    pub fn begin(terms: Terms, now: Duration) -> (Self, Sending) {
        let mut session = Self {
            terms,
            timer: Timer::new(terms.timeout),
            phase: if terms.answer.is_empty() {
                Phase::Blocks
            } else {
                Phase::Options
            },
            acked: 0,
            sent: 0,
            overlap: 0,
            before: 0,
            began_at: now,
            sent_at: now,
            moved_at: now,
            heard_at: None,
            resent: 0,
            unclear: false,
            echoes: 0,
            prompted: false,
            retries: 0,
        };
        let first = session.transmit(now);
        (session, first)
    }

    /// Takes a datagram of the client.
    pub fn handle(&mut self, datagram: &[u8], now: Duration) -> Step {
        match Packet::parse(datagram) {
            Ok(Packet::Ack(block)) => {
                self.heard_at = Some(now);
                self.acknowledged(block, now)
            }
            Ok(Packet::Error { code, message }) => {
                let probe = self.terms.size_asked && self.acked == 0;
                Step::End(if probe {
                    End::SizeProbe
                } else {
                    End::Aborted { code, message }
                })
            }
            _ => Step::Wait,
        }
    }

    /// Takes the same request again, from the same port: its answer was lost, or the client has started anew.
    pub fn asked_again(&mut self, now: Duration) -> Step {
        match self.heard_at {
            None => self.resend(now),
            Some(heard) if now.saturating_sub(heard) >= ANEW => {
                let (anew, first) = Self::begin(self.terms, now);
                *self = anew;
                Step::Send(first)
            }
            Some(_) => Step::Wait,
        }
    }

    /// When [`Self::tick`] is due.
    pub fn deadline(&self) -> Duration {
        self.sent_at + self.timer.wait()
    }

    /// Sends again, or gives up; nothing before the deadline.
    pub fn tick(&mut self, now: Duration) -> Step {
        if now < self.deadline() {
            return Step::Wait;
        }
        let silent = now.saturating_sub(self.heard_at.unwrap_or(self.began_at));
        if silent >= SILENCE || now.saturating_sub(self.moved_at) >= STALL {
            return Step::End(if self.is_all_sent() {
                End::Unconfirmed
            } else {
                End::Silent(self.heard_at.is_some())
            });
        }
        self.timer.back_off();
        self.prompted = false;
        self.resend(now)
    }

    /// Takes the word of the client's host that nobody waits for the packets (ICMP port unreachable).
    pub fn unreachable(&self) -> Step {
        Step::End(if self.is_all_sent() {
            End::Unconfirmed
        } else {
            End::Unreachable
        })
    }

    /// Whether the client has answered: until then, anybody could have sent the request in its name.
    pub fn is_established(&self) -> bool {
        self.heard_at.is_some()
    }

    /// What was agreed.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What has become of it so far, given how it ends.
    pub fn outcome(&self, end: End, now: Duration) -> Outcome {
        let (bytes, until) = match end {
            End::Unconfirmed => (self.terms.size, self.moved_at),
            _ => (self.bytes(), now),
        };
        Outcome {
            end,
            bytes,
            retries: self.retries,
            duration: until.saturating_sub(self.began_at),
        }
    }

    /// Bytes of content that the client has acknowledged.
    pub fn bytes(&self) -> u64 {
        self.terms.bytes(self.acked)
    }

    /// Blocks acknowledged.
    pub fn blocks(&self) -> u64 {
        self.acked
    }

    /// Whether the client, which is there, has been sent everything and owes only its last ACK.
    fn is_all_sent(&self) -> bool {
        self.is_established() && self.sent == self.terms.blocks()
    }

    fn acknowledged(&mut self, block: u16, now: Duration) -> Step {
        if self.phase == Phase::Options {
            if block != 0 {
                return Step::Wait;
            }
            if self.resent == 0 {
                self.timer.measure(now.saturating_sub(self.sent_at));
            }
            self.phase = Phase::Blocks;
            return self.advance(0, now);
        }
        // Far fewer than 65536 blocks are in the air, so the 16 bits tell which one is meant.
        let reached = self.acked + u64::from(block.wrapping_sub(number(self.acked)));
        if reached > self.sent {
            // For a block long past.
            return Step::Wait;
        }
        if reached == self.acked {
            return self.repeated(now);
        }
        if self.resent == 0 && reached > self.before {
            self.timer.measure(now.saturating_sub(self.sent_at));
        }
        if reached < self.sent {
            if reached <= self.overlap {
                return self.slide(reached, now);
            }
            // The block behind it was lost (RFC 7440 section 4): go on from there.
            self.retries += u32::try_from(self.sent - reached).unwrap_or(u32::MAX);
        }
        self.advance(reached, now)
    }

    fn advance(&mut self, reached: u64, now: Duration) -> Step {
        self.acked = reached;
        self.moved_at = now;
        self.echoes = self.resent;
        let unclear = self.resent > 0;
        self.resent = 0;
        self.prompted = false;
        // Twice in a row it is more likely that the round trip has grown than that packets were lost. The longer wait is kept, else
        // no round trip would ever be measured again, and all be sent twice to the end of the file (RFC 6298 section 5.7).
        if !(unclear && self.unclear) {
            self.timer.settle();
        }
        self.unclear = unclear;
        if reached == self.terms.blocks() {
            return Step::End(End::Done);
        }
        Step::Send(self.transmit(now))
    }

    /// Takes an ACK inside a window whose beginning has been sent before: most likely the client had it and says so, and the rest
    /// is on its way. Only what fills the window up goes out; going back would make the next window overlap as well, and so on
    /// to the end of the file.
    fn slide(&mut self, reached: u64, now: Duration) -> Step {
        let rest = self
            .terms
            .window_after(reached)
            .without_first(self.sent - reached);
        self.acked = reached;
        self.moved_at = now;
        self.resent = self.resent.saturating_sub(1);
        self.prompted = false;
        self.timer.settle();
        let Some(rest) = rest else { return Step::Wait };
        self.sent_at = now;
        self.before = self.sent;
        self.sent = rest.last();
        Step::Send(Sending::Blocks(rest))
    }

    /// Takes an ACK for the block before the window in the air. It says that the first block of the window was lost, and then is
    /// answered at once; or it is an echo, and answering echoes would double every packet from then on (RFC 1123 section
    /// 4.2.3.1, the Sorcerer's Apprentice). It is an echo if an ACK is still to come for a packet that was sent twice, if the
    /// window cannot have arrived yet, or if such an ACK has been answered already; then the timer decides.
    fn repeated(&mut self, now: Duration) -> Step {
        if self.echoes > 0 {
            self.echoes -= 1;
            return Step::Wait;
        }
        let too_soon = now.saturating_sub(self.sent_at) < self.timer.quickest() / 2;
        if self.prompted || too_soon {
            return Step::Wait;
        }
        self.prompted = true;
        self.timer.hurry();
        self.resend(now)
    }

    fn resend(&mut self, now: Duration) -> Step {
        self.resent += 1;
        let sending = self.transmit(now);
        self.retries += match &sending {
            Sending::OptionAck(_) => 1,
            Sending::Blocks(span) => u32::from(span.count()),
        };
        Step::Send(sending)
    }

    fn transmit(&mut self, now: Duration) -> Sending {
        self.sent_at = now;
        match self.phase {
            Phase::Options => Sending::OptionAck(self.terms.answer),
            Phase::Blocks => {
                let span = self.terms.window_after(self.acked);
                self.overlap = self.sent;
                self.before = self.sent;
                self.sent = span.last();
                Sending::Blocks(span)
            }
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::SizeProbe => f.write_str("size asked"),
            Self::Aborted { code, message } => {
                write!(f, "the machine broke it off with error {code} {message}")
            }
            Self::Unconfirmed => f.write_str("done, though the last acknowledgement never came"),
            Self::Silent(false) => f.write_str(
                "the machine never answered: does a firewall drop packets to or from high UDP ports?",
            ),
            Self::Silent(true) => f.write_str("the machine fell silent"),
            Self::Unreachable => f.write_str("the machine closed its port"),
            Self::Displaced => f.write_str("broken off to make room for another"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}
