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
use crate::glass::{Glass, USUAL};

/// What has arrived: the text, and for each piece where it ended and when it was seen.
#[derive(Debug, Default)]
struct Received {
    text: String,
    /// The beginning of a control sequence or a letter of which the rest has not come.
    begun: Vec<u8>,
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
                let mut glass = Glass::default();
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
                        show(&glass.through(&unshown));
                        unshown.clear();
                    }
                    if last && echo {
                        show(USUAL);
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
    let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
    received.begun.extend_from_slice(bytes);
    let whole = whole(&received.begun);
    let piece: Vec<u8> = received.begun.drain(..whole).collect();
    let text = without_escapes(&String::from_utf8_lossy(&piece));
    received.text.push_str(&text);
    let end = received.text.len();
    received.pieces.push((end, at));
}

/// How many bytes can be read before the rest has come: a piece may end in a control sequence, or in a letter of several bytes.
fn whole(bytes: &[u8]) -> usize {
    if let Some(at) = bytes.iter().rposition(|byte| *byte == 0x1b) {
        let is_whole = match bytes[at + 1..] {
            [] => false,
            [b'[', ref rest @ ..] => rest.iter().any(|byte| (b'@'..=b'~').contains(byte)),
            _ => true,
        };
        if !is_whole {
            return at;
        }
    }
    let last = bytes.utf8_chunks().last();
    let last = last.map(|chunk| chunk.invalid()).unwrap_or_default();
    let is_begun = std::str::from_utf8(last).is_err_and(|err| err.error_len().is_none());
    bytes.len() - if is_begun { last.len() } else { 0 }
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
    fn a_piece_may_end_anywhere() {
        let said = "Bo\u{1b}[1;37mo\u{1b}[0mt \u{1b}[2Jä\u{1b}Eö".as_bytes();
        for cut in 0..=said.len() {
            let received = Mutex::new(Received::default());
            take(&received, &said[..cut]);
            take(&received, &said[cut..]);
            assert_eq!(received.into_inner().unwrap().text, "Boot äö", "{cut}");
        }
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
