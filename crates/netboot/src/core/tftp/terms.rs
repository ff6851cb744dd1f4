//! What server and client agree on before the first block.

use std::time::Duration;

use crate::wire::tftp::Options;

/// How far a server goes to meet a client's wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The largest block, in bytes. 1468 fills an Ethernet frame of 1500 bytes.
    pub blksize: u16,
    /// The most blocks in a window.
    pub windowsize: u16,
    /// The most bytes in a window, which is all that a transfer has to keep at hand.
    pub window_bytes: u32,
    /// The longest `timeout` that is agreed to.
    pub timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            blksize: 1468,
            windowsize: 64,
            window_bytes: 64 * 1024,
            timeout: Duration::from_secs(10),
        }
    }
}

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Bytes in every block but the last, which has fewer.
    pub blksize: u16,
    /// Blocks sent without waiting for an ACK.
    pub windowsize: u16,
    /// The longest the server waits before it sends again, where the client named it.
    pub timeout: Option<Duration>,
    /// Bytes in the file.
    pub size: u64,
    /// What the OACK says; without any option there is none.
    pub answer: Options,
    /// Whether the client asked for the file's size, as firmware does with a request it then drops.
    pub size_asked: bool,
}

/// RFC 1350: the size of a block where none is agreed.
const PLAIN_BLKSIZE: u16 = 512;

impl Terms {
    /// Answers the options asked for a file of `size` bytes: each within the policy, never above what was asked, and no other
    /// (RFC 2347). An option whose value its RFC forbids is left out.
    pub fn agree(asked: &Options, size: u64, policy: &Policy) -> Self {
        // RFC 2348: 8 to 65464 bytes.
        let blksize = asked
            .blksize
            .filter(|bytes| (8..=65_464).contains(bytes))
            .map(|bytes| at_most(bytes, policy.blksize));
        let block = blksize.unwrap_or(PLAIN_BLKSIZE);
        // RFC 7440: 1 to 65535 blocks.
        let fits = at_most(u64::from(policy.window_bytes / u32::from(block)), u16::MAX).max(1);
        let windowsize = asked
            .windowsize
            .filter(|blocks| (1..=65_535).contains(blocks))
            .map(|blocks| at_most(blocks, policy.windowsize.min(fits)));
        // RFC 2349: 1 to 255 seconds, and the server agrees to the very number or not at all.
        let timeout = asked
            .timeout
            .filter(|seconds| (1..=policy.timeout.as_secs().min(255)).contains(seconds));
        Self {
            blksize: block,
            windowsize: windowsize.unwrap_or(1),
            timeout: timeout.map(Duration::from_secs),
            size,
            answer: Options {
                blksize: blksize.map(u64::from),
                tsize: asked.tsize.map(|_| size),
                timeout,
                windowsize: windowsize.map(u64::from),
            },
            size_asked: asked.tsize.is_some(),
        }
    }

    /// How many blocks the file has: the last one is shorter than the others, be it empty (RFC 1350 section 6).
    pub fn blocks(&self) -> u64 {
        self.size / u64::from(self.blksize) + 1
    }

    /// How many bytes of content the first `blocks` blocks hold.
    pub fn bytes(&self, blocks: u64) -> u64 {
        (blocks * u64::from(self.blksize)).min(self.size)
    }

    /// The window behind the first `acked` blocks, ending with the file.
    pub(super) fn window_after(&self, acked: u64) -> Span {
        let left = self.blocks() - acked;
        Span {
            first: acked + 1,
            count: at_most(left, self.windowsize),
            blksize: self.blksize,
            size: self.size,
        }
    }
}

/// Blocks to be sent one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    first: u64,
    count: u16,
    blksize: u16,
    size: u64,
}

/// One block of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number on the wire, which goes round from 65535 to 0.
    pub number: u16,
    /// Where its content begins, in bytes from the beginning of its span.
    pub start: usize,
    /// Bytes of content in it.
    pub len: usize,
}

impl Span {
    /// Where its content begins, in bytes from the beginning of the file.
    pub fn offset(&self) -> u64 {
        (self.first - 1) * u64::from(self.blksize)
    }

    /// Bytes of content in it; never more than the policy's window.
    pub fn len(&self) -> usize {
        let full = u64::from(self.count) * u64::from(self.blksize);
        usize::try_from(full.min(self.size.saturating_sub(self.offset())))
            .expect("a window is a few kilobytes")
    }

    /// Whether it is the one empty block that ends a file.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many blocks it has.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// What is left of it without its first `blocks` blocks.
    pub(super) fn without_first(&self, blocks: u64) -> Option<Self> {
        let count = u64::from(self.count).checked_sub(blocks)?;
        (count > 0).then(|| Self {
            first: self.first + blocks,
            count: at_most(count, self.count),
            ..*self
        })
    }

    /// How many blocks of the file have been sent once it is out.
    pub(super) fn last(&self) -> u64 {
        self.first - 1 + u64::from(self.count)
    }

    /// Its blocks.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + use<> {
        let (first, blksize, len) = (self.first, usize::from(self.blksize), self.len());
        (0..usize::from(self.count)).map(move |index| {
            let start = (index * blksize).min(len);
            Block {
                number: number(first + index as u64),
                start,
                len: blksize.min(len - start),
            }
        })
    }
}

/// The 16 bits of a block's index that go over the wire.
#[expect(
    clippy::cast_possible_truncation,
    reason = "block numbers go round from 65535 to 0"
)]
pub(super) fn number(index: u64) -> u16 {
    index as u16
}

fn at_most(value: u64, limit: u16) -> u16 {
    u16::try_from(value).map_or(limit, |value| value.min(limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tftp::Packet;

    /// What a request's options are answered with, as text: `blksize=1468 tsize=5`.
    fn answered(asked: &str, policy: &Policy) -> String {
        let mut request = b"\0\x01f\0octet\0".to_vec();
        for pair in asked.split_whitespace() {
            let (name, value) = pair.split_once('=').unwrap();
            request.extend(format!("{name}\0{value}\0").bytes());
        }
        let Ok(Packet::Read(request)) = Packet::parse(&request) else {
            panic!("no request: {asked}");
        };
        let terms = Terms::agree(&request.options, 5000, policy);
        let oack = Packet::OptionAck(terms.answer).print();
        let texts: Vec<&str> = std::str::from_utf8(&oack[2..])
            .unwrap()
            .split('\0')
            .collect();
        let pairs: Vec<String> = texts.chunks_exact(2).map(|pair| pair.join("=")).collect();
        pairs.join(" ")
    }

    #[test]
    fn options_are_answered_within_the_policy_and_only_those_asked() {
        for (asked, answer) in [
            ("", ""),
            ("tsize=0", "tsize=5000"),
            ("blksize=1432 tsize=0", "blksize=1432 tsize=5000"),
            ("blksize=1468 windowsize=4", "blksize=1468 windowsize=4"),
            ("blksize=8", "blksize=8"),
            ("blksize=1469", "blksize=1468"),
            (
                "blksize=65464 windowsize=65535",
                "blksize=1468 windowsize=44",
            ),
            ("windowsize=65535", "windowsize=64"),
            ("blksize=7", ""),
            ("blksize=0", ""),
            ("blksize=65465", ""),
            ("windowsize=0", ""),
            ("windowsize=65536", ""),
            ("timeout=0", ""),
            ("timeout=1", "timeout=1"),
            ("timeout=10", "timeout=10"),
            ("timeout=11", ""),
            ("timeout=255", ""),
            ("timeout=256", ""),
            ("blksize=x tsize=0", "tsize=5000"),
            ("multicast=1", ""),
        ] {
            assert_eq!(answered(asked, &Policy::default()), answer, "{asked}");
        }
        let wide = Policy {
            blksize: 65_464,
            ..Policy::default()
        };
        let answer = answered("blksize=65464 windowsize=65535", &wide);
        assert_eq!(answer, "blksize=65464 windowsize=1");
    }

    #[test]
    fn the_last_block_is_short_or_empty() {
        for (size, blksize, blocks, last) in [
            (0, 512, 1, 0),
            (1, 512, 1, 1),
            (511, 512, 1, 511),
            (512, 512, 2, 0),
            (513, 512, 2, 1),
            (40, 8, 6, 0),
        ] {
            let asked = Options {
                blksize: Some(blksize),
                windowsize: Some(64),
                ..Options::default()
            };
            let terms = Terms::agree(&asked, size, &Policy::default());
            let span = terms.window_after(0);
            assert_eq!(terms.blocks(), blocks, "{size}");
            assert_eq!(u64::from(span.count()), blocks, "{size}");
            assert_eq!(span.len() as u64, size);
            assert_eq!(span.blocks().last().unwrap().len, last, "{size}");
            let sum: usize = span.blocks().map(|block| block.len).sum();
            assert_eq!(sum as u64, size);
        }
    }
}
