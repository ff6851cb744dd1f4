//! What of a machine's console reaches this terminal: its words and colours, and nothing that changes the terminal itself.

/// Takes out of a stream what would clear the screen, move about on it, or leave the terminal otherwise than it was.
#[derive(Debug, Default)]
pub(crate) struct Glass {
    state: State,
    /// A control sequence, as far as it has come.
    held: Vec<u8>,
    /// Whether the last letter did not end a line.
    is_within_line: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between control sequences.
    #[default]
    Text,
    /// An escape came.
    Escape,
    /// `ESC [`, up to a byte from @ to ~ (ECMA-48, 5.4).
    Sequence,
    /// `ESC` with an intermediate byte, up to a byte from 0 to ~ (ECMA-35, 13.2).
    Designation,
    /// Words for the terminal itself, such as its title, up to a bell or the next escape (ECMA-48, 5.6).
    Command,
}

/// The most bytes of a control sequence.
const LONGEST: usize = 64;
/// Gives the terminal its usual colours.
pub(crate) const USUAL: &[u8] = b"\x1b[0m";

impl Glass {
    /// What is shown of the next bytes; a sequence that is not whole yet waits for the rest of it.
    pub(crate) fn through(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.take(*byte, &mut shown);
        }
        shown
    }

    fn take(&mut self, byte: u8, shown: &mut Vec<u8>) {
        match (self.state, byte) {
            (_, 0x1b) => {
                self.state = State::Escape;
                self.held.clear();
            }
            // These change the letters that follow.
            (State::Text, 0x0e | 0x0f) => {}
            (State::Text, _) => {
                self.is_within_line = !matches!(byte, b'\n' | b'\r');
                shown.push(byte);
            }
            (State::Escape, b'[') => self.state = State::Sequence,
            (State::Escape, b' '..=b'/') => self.state = State::Designation,
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => self.state = State::Command,
            // A sequence of two bytes, such as `ESC c`, which resets a terminal.
            (State::Escape, _) => self.state = State::Text,
            (State::Sequence, b'@'..=b'~') => {
                self.end(byte, shown);
                self.state = State::Text;
            }
            (State::Sequence, _) if self.held.len() < LONGEST => self.held.push(byte),
            // None is that long: it is noise.
            (State::Sequence, _) => self.state = State::Text,
            (State::Designation, b'0'..=b'~') => self.state = State::Text,
            (State::Command, 0x07) => self.state = State::Text,
            (State::Designation | State::Command, _) => {}
        }
    }

    /// The end of a control sequence: a colour is shown, and for a move to another place stands the end of the line.
    fn end(&mut self, last: u8, shown: &mut Vec<u8>) {
        match last {
            b'm' if self.held.iter().all(|it| matches!(it, b'0'..=b';')) => {
                shown.extend_from_slice(b"\x1b[");
                shown.append(&mut self.held);
                shown.push(last);
            }
            b'H' | b'f' if self.is_within_line => {
                shown.extend_from_slice(b"\r\n");
                self.is_within_line = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_colours_come_through_and_nothing_else() {
        for (said, expected) in [
            (
                "\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS\r\n",
                "\x1b[0mSeaBIOS\r\n",
            ),
            ("\x1b[=3h\x1b[2J\x1b[01;01H\r\n>>Start", "\r\n>>Start"),
            ("one\x1b[5;1Htwo", "one\r\ntwo"),
            ("\x1b[0;1miPXE\x1b[0m", "\x1b[0;1miPXE\x1b[0m"),
            ("61%\x08\x08ok", "61%\x08\x08ok"),
            ("\x1b(Bplain", "plain"),
            ("\x1b[>4;1mkeys", "keys"),
            ("\x0elines\x0f", "lines"),
            ("\x1b]0;title\x07one\x1b]0;title\x1b\\two", "onetwo"),
        ] {
            assert_eq!(
                Glass::default().through(said.as_bytes()),
                expected.as_bytes()
            );
            // A sequence may come in pieces.
            let mut glass = Glass::default();
            let pieces = said.bytes().flat_map(|byte| glass.through(&[byte]));
            assert_eq!(pieces.collect::<Vec<_>>(), expected.as_bytes(), "{said:?}");
        }
    }
}
