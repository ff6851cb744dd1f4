//! A machine's serial console: every line with the moment it came.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::clock::{now, poll};

/// What has arrived: the text, and for each piece where it ended and when it was seen.
#[derive(Debug, Default)]
struct Received {
    text: String,
    pieces: Vec<(usize, Instant)>,
}

/// A console being read.
#[derive(Debug)]
pub struct Console {
    received: Arc<Mutex<Received>>,
    closed: Arc<AtomicBool>,
    hushed: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    log: PathBuf,
}

impl Console {
    /// Reads the file that a machine writes its serial line to; with `echo` it is shown on this terminal too.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(log: &Path, echo: bool) -> Result<Self> {
        File::create(log).with_context(|| format!("{} could not be made", log.display()))?;
        let mut file = File::open(log)?;
        let received = Arc::new(Mutex::new(Received::default()));
        let closed = Arc::new(AtomicBool::new(false));
        let hushed = Arc::new(AtomicBool::new(false));
        let (writer, end) = (Arc::clone(&received), Arc::clone(&closed));
        let quiet = Arc::clone(&hushed);
        let reader = std::thread::Builder::new()
            .name("console".into())
            .spawn(move || {
                let mut bytes = Vec::new();
                let mut unshown = Vec::new();
                loop {
                    // Asked before reading: what was written until then is still read.
                    let last = end.load(Ordering::Acquire);
                    bytes.clear();
                    if file.read_to_end(&mut bytes).is_err() {
                        return;
                    }
                    if !bytes.is_empty() {
                        take(&writer, &bytes);
                    }
                    if echo {
                        unshown.extend_from_slice(&bytes);
                    }
                    if last || !quiet.load(Ordering::Acquire) {
                        show(&unshown);
                        unshown.clear();
                    }
                    if last {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            })?;
        Ok(Self {
            received,
            closed,
            hushed,
            reader: Some(reader),
            log: log.to_path_buf(),
        })
    }

    /// Whether what comes is held back from this terminal, such as while a person is asked something there.
    pub fn hush(&self, hush: bool) {
        self.hushed.store(hush, Ordering::Release);
    }

    /// All it said.
    pub fn text(&self) -> String {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .text
            .clone()
    }

    /// When a text first was there, if it is.
    pub fn seen(&self, text: &str) -> Option<Instant> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let end = received.text.find(text)? + text.len();
        received
            .pieces
            .iter()
            .find(|(until, _)| *until >= end)
            .map(|(_, at)| *at)
    }

    /// Waits for a text.
    pub fn wait(&self, text: &str, limit: Duration) -> Option<Instant> {
        poll(limit, || self.seen(text))
    }

    /// Where the console is kept.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Reads what is left and stops.
    pub fn close(&mut self) {
        self.closed.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has nothing more to say.
            let _ = reader.join();
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.close();
    }
}

fn show(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    // A closed terminal does not stop the machine.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

fn take(received: &Mutex<Received>, bytes: &[u8]) {
    let at = now();
    let text = String::from_utf8_lossy(bytes);
    let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
    received.text.push_str(&without_escapes(&text));
    let end = received.text.len();
    received.pieces.push((end, at));
}

/// Firmware and iPXE colour and place their text: tests read the words only.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            plain.push(letter);
        } else if letters.next() == Some('[') {
            // A control sequence ends with a byte from @ to ~ (ECMA-48, 5.4).
            letters.by_ref().find(|letter| ('@'..='~').contains(letter));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_not_words() {
        assert_eq!(without_escapes("a\u{1b}[1;37mb\u{1b}[0m\u{1b}[2Jc"), "abc");
    }

    #[test]
    fn a_text_is_found_with_the_moment_it_was_whole() {
        let received = Mutex::new(Received::default());
        take(&received, b"GUEST ");
        let between = now();
        std::thread::sleep(Duration::from_millis(2));
        take(&received, b"DONE\n");
        let console = Console {
            received: Arc::new(received),
            closed: Arc::default(),
            hushed: Arc::default(),
            reader: None,
            log: PathBuf::new(),
        };
        assert!(console.seen("GUEST").unwrap() <= between);
        assert!(console.seen("GUEST DONE").unwrap() > between);
        assert_eq!(console.seen("NEVER"), None);
    }
}
