//! HTTP requests over connections that are kept open, one after the other on each.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use ktizo_tests::clock::now;
use ktizo_tests::lan::{Host, inside};

use super::figures::Times;

/// What is asked again and again.
#[derive(Clone, Debug)]
pub(crate) struct Asking<'a> {
    /// From which host.
    pub(crate) from: &'a Host,
    /// The address and port.
    pub(crate) to: String,
    /// Header lines that every request has, each with its line end.
    pub(crate) headers: String,
    /// How many connections ask at once.
    pub(crate) connections: usize,
    /// How many requests each of them sends.
    pub(crate) requests: usize,
}

impl Asking<'_> {
    /// Asks for the path of each number, which differ between connections; gives the times, and how many were answered in a second.
    ///
    /// # Errors
    /// When something is not answered with 200.
    pub(crate) fn run(&self, path: impl Fn(usize) -> String + Sync) -> io::Result<(Times, f64)> {
        let began = now();
        let times = inside(self.from, || {
            thread::scope(|scope| {
                // A thread begins in the namespace of the one that starts it.
                let path = &path;
                let hands: Vec<_> = (0..self.connections)
                    .map(|hand| scope.spawn(move || self.one_after_the_other(hand, path)))
                    .collect();
                let mut all = Vec::new();
                for hand in hands {
                    all.extend(hand.join().expect("a benchmark thread does not panic")?);
                }
                Ok(all)
            })
        })?;
        let times = Times::new(times);
        let rate = times.count() as f64 / began.elapsed().as_secs_f64();
        Ok((times, rate))
    }

    fn one_after_the_other(
        &self,
        hand: usize,
        path: impl Fn(usize) -> String,
    ) -> io::Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(&self.to)?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut times = Vec::with_capacity(self.requests);
        for number in 0..self.requests {
            let path = path(hand * self.requests + number);
            let request = format!("GET {path} HTTP/1.1\r\nHost: ktizo\r\n{}\r\n", self.headers);
            let asked = now();
            stream.write_all(request.as_bytes())?;
            answer(&mut reader).map_err(|err| io::Error::other(format!("{path}: {err}")))?;
            times.push(asked.elapsed());
        }
        Ok(times)
    }
}

/// Reads one answer whole; anything but a 200 is an error.
fn answer(reader: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(io::Error::other(format!("answered {}", line.trim())));
    }
    let mut length = None;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let head = line.trim().to_ascii_lowercase();
        if head.is_empty() {
            break;
        }
        if let Some(value) = head.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
    let length = length.ok_or_else(|| io::Error::other("answered without a length"))?;
    let read = io::copy(&mut reader.take(length), &mut io::sink())?;
    if read < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
