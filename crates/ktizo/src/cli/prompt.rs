//! Asking for secrets, and for words.

use std::io::{self, IsTerminal as _, Write as _};

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
    write!(err, "{question}").and_then(|()| err.flush())?;
    let terminal = |err: nix::Error| Failure::Terminal(err.into());
    let before = tcgetattr(&input).map_err(terminal)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&input, SetArg::TCSAFLUSH, &silent).map_err(terminal)?;
    let read = input.read_line(&mut line);
    let restored = tcsetattr(&input, SetArg::TCSAFLUSH, &before).map_err(terminal);
    writeln!(err)?;
    read?;
    restored?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for a line, such as a name that confirms something. Without a terminal it is the first line of standard input.
pub(super) fn line(question: &str) -> Result<String, Failure> {
    let mut err = io::stderr();
    write!(err, "{question}").and_then(|()| err.flush())?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
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
