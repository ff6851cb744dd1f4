//! Asking for secrets, and for words.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use super::Failure;

/// Asks for a secret, which the terminal does not show. Without a terminal it is the first line of standard input.
pub(super) fn secret(question: &str) -> Result<String, Failure> {
    let input = io::stdin();
    let mut line = String::new();
    if !input.is_terminal() {
        input.read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let mut err = io::stderr();
    let terminal = |err: nix::Error| Failure::Terminal(err.into());
    let before = tcgetattr(&input).map_err(terminal)?;
    // Key by key: a Ctrl-C that ended the program in here would leave the terminal silent for good.
    let mut silent = before.clone();
    let words = LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
    silent.local_flags.remove(words);
    tcsetattr(&input, SetArg::TCSAFLUSH, &silent).map_err(terminal)?;
    // Asked when the terminal is silent: some type, or paste, at once.
    let asked = write!(err, "{question}").and_then(|()| err.flush());
    let read = asked.and_then(|()| typed(input.lock().bytes()));
    let restored = tcsetattr(&input, SetArg::TCSAFLUSH, &before).map_err(terminal);
    writeln!(err)?;
    restored?;
    match read? {
        Typed::Line(line) => Ok(line),
        Typed::Interrupted => {
            // Ends as it would have without this, so that a shell knows why.
            raise(Signal::SIGINT).map_err(terminal)?;
            Err(Failure::Local("interrupted".to_owned()))
        }
    }
}

/// What a person typed at a terminal that shows nothing.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Line(String),
    /// Ctrl-C.
    Interrupted,
}

/// Reads keys up to the end of the line, with what a terminal does by itself otherwise: backspace, Ctrl-U and Ctrl-W take away.
fn typed(keys: impl Iterator<Item = io::Result<u8>>) -> io::Result<Typed> {
    let mut line: Vec<u8> = Vec::new();
    for key in keys {
        match key? {
            b'\r' | b'\n' => break,
            // Ctrl-D
            4 => break,
            3 => return Ok(Typed::Interrupted),
            // Ctrl-U and Ctrl-W: nobody sees where a word of a secret begins.
            21 | 23 => line.clear(),
            8 | 127 => {
                // All bytes of a letter but its first begin with the bits 10.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            byte => line.push(byte),
        }
    }
    let line = String::from_utf8(line);
    let line = line.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Typed::Line(line))
}

/// Asks for a line, such as a name that confirms something. Without a terminal it is the first line of standard input.
pub(super) fn line(question: &str) -> Result<String, Failure> {
    let mut err = io::stderr();
    write!(err, "{question}").and_then(|()| err.flush())?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    if !io::stdin().is_terminal() {
        // Nobody ended the line of the question.
        writeln!(err)?;
    }
    Ok(line.trim().to_owned())
}

/// Asks for a new password, at a terminal twice.
pub(super) fn new_password(name: &str) -> Result<String, Failure> {
    let password = secret(&format!("New password for {name}: "))?;
    if io::stdin().is_terminal() && secret("The same again: ")? != password {
        return Err(Failure::Local(
            "the two are not the same; nothing was changed".to_owned(),
        ));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_a_line() {
        let read = |keys: &str| typed(keys.bytes().map(Ok)).unwrap();
        for (keys, line) in [
            ("secret\rmore", "secret"),
            ("secreet\u{7f}\u{7f}t\n", "secret"),
            ("gr\u{fc}\u{7f}\u{fc}n\n", "gr\u{fc}n"),
            ("\u{7f}a", "a"),
            ("wrong\u{15}right\u{4}", "right"),
            ("", ""),
        ] {
            assert_eq!(read(keys), Typed::Line(line.to_owned()), "{keys:?}");
        }
        assert_eq!(read("sec\u{3}ret"), Typed::Interrupted);
        assert!(typed([0xff, b'\n'].into_iter().map(Ok)).is_err());
    }
}
