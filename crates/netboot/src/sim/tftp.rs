//! A machine that fetches a file by TFTP: a packet and the time in, a packet out.

use std::time::Duration;

use crate::wire::tftp::{ErrorCode, Mode, Options, Packet, Request};

/// One file on its way to a machine, from the machine's side.
#[derive(Clone, Debug)]
pub struct Fetch {
    request: Request,
    manners: Manners,
    /// What the server agreed to; `None` until it has answered.
    agreed: Option<Options>,
    /// Every byte that came, in order.
    content: Vec<u8>,
    /// Blocks in `content`.
    blocks: u64,
    /// Blocks since the last ACK.
    unacked: u64,
    /// Whether a gap or a repeated block has been complained about since the last block in order.
    complained: bool,
    sent: Vec<u8>,
    sent_at: Duration,
    /// Timers that ran out without a word from the server.
    waits: u32,
}

/// How a client behaves where the RFCs leave it the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// How long it waits before it sends its last packet again.
    pub wait: Duration,
    /// How often it waits in a row.
    pub waits: u32,
    /// Whether it answers every packet out of order with an ACK, as many a ROM does, and not just the first.
    pub chatty: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(1),
            waits: 6,
            chatty: false,
        }
    }
}

/// What comes of a packet or a timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing.
    Wait,
    /// A packet to be sent to where the last one came from; to the server's port 69 before the first one came.
    Send(Vec<u8>),
    /// The file is whole; the last ACK has to be sent.
    Done(Vec<u8>),
    /// The server has refused.
    Refused(ErrorCode, String),
    /// The server fell silent.
    GaveUp,
}

impl Fetch {
    /// Begins, with the request to send.
    pub fn begin(name: &str, options: Options, manners: Manners, now: Duration) -> (Self, Vec<u8>) {
        let request = Request {
            name: name.into(),
            mode: Mode::Octet,
            options,
        };
        let sent = Packet::Read(request.clone()).print();
        let fetch = Self {
            request,
            manners,
            agreed: None,
            content: Vec::new(),
            blocks: 0,
            unacked: 0,
            complained: false,
            sent: sent.clone(),
            sent_at: now,
            waits: 0,
        };
        (fetch, sent)
    }

    /// Takes a datagram of the server.
    pub fn handle(&mut self, datagram: &[u8], now: Duration) -> Reaction {
        match Packet::parse(datagram) {
            Ok(Packet::OptionAck(options)) if self.blocks == 0 => {
                self.agreed = Some(options);
                self.ack(now)
            }
            Ok(Packet::Data { block, payload }) => {
                // A server that knows no options answers with the first block.
                self.agreed.get_or_insert_default();
                self.take(block, payload, now)
            }
            Ok(Packet::Error { code, message }) => Reaction::Refused(code, message),
            _ => Reaction::Wait,
        }
    }

    /// When [`Self::tick`] is due.
    pub fn deadline(&self) -> Duration {
        self.sent_at + self.manners.wait
    }

    /// Sends the last packet again, or gives up; nothing before the deadline.
    pub fn tick(&mut self, now: Duration) -> Reaction {
        if now < self.deadline() {
            return Reaction::Wait;
        }
        self.waits += 1;
        if self.waits > self.manners.waits {
            return Reaction::GaveUp;
        }
        self.sent_at = now;
        // Blocks since the last ACK are acknowledged now (RFC 7440 section 4).
        match self.agreed {
            Some(_) => self.ack(now),
            None => Reaction::Send(self.sent.clone()),
        }
    }

    /// What came, as far as it came in order.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// What the server agreed to; `None` until it has answered.
    pub fn agreed(&self) -> Option<&Options> {
        self.agreed.as_ref()
    }

    /// What was asked.
    pub fn request(&self) -> &Request {
        &self.request
    }

    fn take(&mut self, block: u16, payload: &[u8], now: Duration) -> Reaction {
        if block != wrapped(self.blocks + 1) {
            if self.complained && !self.manners.chatty {
                return Reaction::Wait;
            }
            self.complained = true;
            return self.ack(now);
        }
        self.waits = 0;
        self.complained = false;
        self.blocks += 1;
        self.unacked += 1;
        self.content.extend_from_slice(payload);
        let agreed = self.agreed.unwrap_or_default();
        if (payload.len() as u64) < agreed.blksize.unwrap_or(512) {
            return Reaction::Done(Packet::Ack(block).print());
        }
        if self.unacked >= agreed.windowsize.unwrap_or(1) {
            return self.ack(now);
        }
        self.sent_at = now;
        Reaction::Wait
    }

    fn ack(&mut self, now: Duration) -> Reaction {
        self.unacked = 0;
        self.sent = Packet::Ack(wrapped(self.blocks)).print();
        self.sent_at = now;
        Reaction::Send(self.sent.clone())
    }
}

/// The 16 bits of a block's index that go over the wire.
fn wrapped(index: u64) -> u16 {
    u16::try_from(index % 65_536).expect("it is below 65536")
}
