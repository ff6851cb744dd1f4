//! A terminal with a program on it, as a person has it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

/// What a person types to end a command.
pub(crate) const CTRL_C: &str = "\u{3}";
/// Longer than a program takes to say what it is waited for to say.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program on a terminal of its own, ended when dropped.
pub(crate) struct Terminal {
    keys: File,
    child: Child,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// Up to here, what is on the screen was waited for.
    read: usize,
}

impl Terminal {
    /// Starts a program; the terminal is its controlling one, so that keys such as Ctrl-C are signals.
    pub(crate) fn start(program: &mut Command) -> Self {
        let pty = openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = Command::new("setsid");
        // Who starts a test in the background ignores Ctrl-C for all that it starts.
        command.args(["--ctty", "--", "env", "--default-signal=INT"]);
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().unwrap();
        // Else it would never be at its end.
        drop(command);
        drop(pty.slave);
        let keys = File::from(pty.master);
        let mut output = keys.try_clone().unwrap();
        let (sent, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal that nobody has open any more is an error.
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                if sent.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            keys,
            child,
            screen,
            seen: String::new(),
            read: 0,
        }
    }

    /// Waits until this stands on the screen, behind what was waited for before; gives what stands up to its end.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                let begin = std::mem::replace(&mut self.read, 0);
                self.read = begin + at + text.len();
                return self.seen[begin..self.read].to_owned();
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(err) => panic!("`{text}` does not come ({err}); there is: {}", self.seen),
            }
        }
    }

    /// Types keys.
    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether the terminal shows what is typed.
    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.keys)
            .unwrap()
            .local_flags
            .contains(LocalFlags::ECHO)
    }

    /// Waits for the program's end; gives its exit code, 128 and the number for a signal, and all that stood on the screen.
    #[track_caller]
    pub(crate) fn end(mut self) -> (i32, String) {
        loop {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(err) => panic!("it does not end ({err}); there is: {}", self.seen),
            }
        }
        let status = self.child.wait().unwrap();
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal));
        (code.unwrap(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
