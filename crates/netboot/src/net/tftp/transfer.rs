//! One transfer's task.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::counters::TftpCounters;
use super::edge::Edge;
use super::floor::{Floor, Seat};
use super::report::Report;
use super::source::Source;
use crate::Director;
use crate::core::path::BootPath;
use crate::core::tftp::{End, Policy, Sending, Session, Step, Terms};
use crate::director::{Content, Site};
use crate::net::udp::{Arrival, UdpPort};
use crate::wire::tftp::{ErrorCode, Packet, Request};

/// What all transfers of a server have in common.
pub(super) struct Shared {
    pub(super) director: Arc<dyn Director>,
    pub(super) port: UdpPort,
    pub(super) http_port: u16,
    pub(super) policy: Policy,
    pub(super) floor: Floor,
    pub(super) counters: Arc<TftpCounters>,
    pub(super) started: Instant,
}

impl Shared {
    /// The time, as the core counts it.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A request that was let in.
pub(super) struct Transfer {
    shared: Arc<Shared>,
    seat: Seat,
    request: Request,
    path: BootPath,
    arrival: Arrival,
}

/// How often a long transfer is heard of.
const PROGRESS: Duration = Duration::from_secs(2);
/// A client's packets are ACK and ERROR; what is longer is cut.
const LONGEST_PACKET: usize = 600;

impl Transfer {
    pub(super) fn new(
        shared: Arc<Shared>,
        seat: Seat,
        request: Request,
        path: BootPath,
        arrival: Arrival,
    ) -> Self {
        Self {
            shared,
            seat,
            request,
            path,
            arrival,
        }
    }

    /// Sends the file, tells the director, and gives the seat back.
    pub(super) async fn run(self) {
        let leave = self.seat.line.leave.clone();
        let opened = tokio::select! {
            biased;
            () = leave.cancelled() => {
                TftpCounters::count(&self.shared.counters.displaced);
                return;
            }
            opened = self.open() => opened,
        };
        let Some((source, edge)) = opened else { return };
        let mut policy = self.shared.policy;
        policy.windowsize = self
            .shared
            .floor
            .windowsize(*self.arrival.source.ip(), policy.windowsize);
        let terms = Terms::agree(&self.request.options, source.size(), &policy);
        let (session, first) = Session::begin(terms, self.shared.now());
        let mut running = Running {
            report: Report::new(self.path, self.arrival.source),
            shared: self.shared,
            seat: self.seat,
            edge,
            source,
            session,
            told_at: None,
        };
        let end = tokio::select! {
            biased;
            () = leave.cancelled() => End::Displaced,
            end = running.drive(first) => end,
        };
        running.finish(end).await;
    }

    /// Finds what was asked for, and opens the transfer's socket. `None` if one of them fails, and all is said.
    async fn open(&self) -> Option<(Source, Edge)> {
        let refuse = |why: &str| {
            tracing::debug!(peer = %self.arrival.source, file = %self.path, why, "TFTP request refused");
            self.shared
                .refuse(&self.arrival, ErrorCode::FILE_NOT_FOUND, why);
            let report = Report::new(self.path.clone(), self.arrival.source);
            self.shared.director.observe(report.refused(why));
        };
        let content = match self.content().await {
            Ok(content) => content,
            Err(why) => {
                TftpCounters::count(&self.shared.counters.missing);
                refuse(&why);
                return None;
            }
        };
        match self.socket().await {
            Ok(edge) => Some((Source::new(content), edge)),
            Err(err) => {
                TftpCounters::count(&self.shared.counters.broken);
                tracing::warn!(peer = %self.arrival.source, file = %self.path, %err, "cannot open a socket for a TFTP transfer");
                refuse("the server cannot open a socket for the transfer");
                None
            }
        }
    }

    async fn content(&self) -> Result<Content, String> {
        let director = &self.shared.director;
        let site = Site {
            server: self.arrival.destination,
            http_port: self.shared.http_port,
            peer: (*self.arrival.source.ip()).into(),
        };
        match &self.path {
            BootPath::Loader(name) => director.loader(name).await,
            BootPath::Autoexec => Ok(Content::Bytes(director.autoexec(site).await.into())),
            BootPath::Table => {
                let script = director.table(site).await?;
                Ok(Content::Bytes(script.into()))
            }
            BootPath::Asset { version, name } => director.asset(version.as_ref(), *name).await,
            BootPath::DeviceScript(_) | BootPath::Config(_) => {
                Err("this is served by HTTP only".to_owned())
            }
        }
    }

    /// Opens the socket. Where the process has no descriptor left, the oldest sessions that were never answered give theirs.
    async fn socket(&self) -> io::Result<Edge> {
        /// The moment that a dismissed session's task takes to end.
        const MOMENT: Duration = Duration::from_millis(2);
        for _ in 0..50 {
            match Edge::open(self.arrival.destination, self.arrival.source) {
                Err(err) if is_out_of_descriptors(&err) && self.shared.floor.make_room() => {
                    sleep(MOMENT).await;
                }
                done => return done,
            }
        }
        Edge::open(self.arrival.destination, self.arrival.source)
    }
}

/// A transfer under way.
struct Running {
    shared: Arc<Shared>,
    seat: Seat,
    edge: Edge,
    source: Source,
    session: Session,
    report: Report,
    /// When the director last heard of it; `None` before the client's first answer.
    told_at: Option<Duration>,
}

impl Running {
    async fn drive(&mut self, first: Sending) -> End {
        let mut buffer = [0; LONGEST_PACKET];
        let mut step = Step::Send(first);
        loop {
            match step {
                Step::Wait => {}
                Step::Send(sending) => {
                    if let Err(end) = self.send(sending).await {
                        return end;
                    }
                }
                Step::End(end) => return end,
            }
            let deadline = self.shared.started + self.session.deadline();
            step = tokio::select! {
                received = self.edge.recv(&mut buffer) => match received {
                    Ok(len) => self.session.handle(&buffer[..len], self.shared.now()),
                    Err(err) => self.unsent(&err),
                },
                () = sleep_until(deadline) => self.session.tick(self.shared.now()),
                () = self.seat.line.again.notified() => self.session.asked_again(self.shared.now()),
            };
            if self.session.is_established() && !matches!(step, Step::End(_)) {
                self.tell();
            }
        }
    }

    async fn send(&mut self, sending: Sending) -> Result<(), End> {
        let sent = match sending {
            Sending::OptionAck(options) => {
                let oack = Packet::OptionAck(options).print();
                self.edge.send(&oack).await
            }
            Sending::Blocks(span) => {
                let content = self.source.read(span.offset(), span.len()).await;
                let content = content.map_err(|err| {
                    End::Broken(format!("the server cannot read the file: {err}"))
                })?;
                self.edge.send_window(&span, content).await
            }
        };
        match sent.map_err(|err| self.unsent(&err)) {
            Err(Step::End(end)) => Err(end),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What a socket error means. Most are a packet lost, to be sent again when its time comes.
    fn unsent(&self, err: &io::Error) -> Step {
        if err.kind() == io::ErrorKind::ConnectionRefused {
            return self.session.unreachable();
        }
        TftpCounters::count(&self.shared.counters.send_errors);
        Step::Wait
    }

    /// Tells the director that the client has answered, and every now and then how far it has come.
    fn tell(&mut self) {
        let now = self.shared.now();
        if self.told_at.is_none() {
            self.seat.answered();
        }
        if self
            .told_at
            .is_none_or(|told| now.saturating_sub(told) >= PROGRESS)
        {
            self.told_at = Some(now);
            let since = self.session.outcome(End::Done, now).duration;
            self.shared
                .director
                .observe(self.report.running(&self.session, since));
        }
    }

    async fn finish(self, end: End) {
        let answered = self.session.is_established();
        if let End::Broken(why) = &end {
            let code = ErrorCode::NOT_DEFINED;
            let message = why.clone();
            // The client is told why, if it still can be told; nothing depends on it.
            let _ = self
                .edge
                .send(&Packet::Error { code, message }.print())
                .await;
        }
        let outcome = self.session.outcome(end, self.shared.now());
        let windowsize = self.session.terms().windowsize;
        self.seat
            .learn(windowsize, self.session.blocks(), outcome.retries);
        self.shared.counters.ended(&outcome, answered);
        tracing::debug!(
            bytes = outcome.bytes,
            retries = outcome.retries,
            ms = outcome.duration.as_millis(),
            end = %outcome.end,
            file = %self.report.path,
            peer = %self.report.peer,
            "TFTP transfer ended"
        );
        if let Some(observation) = self.report.ended(&outcome, answered) {
            self.shared.director.observe(observation);
        }
    }
}

fn is_out_of_descriptors(err: &io::Error) -> bool {
    use nix::errno::Errno;
    [Errno::EMFILE, Errno::ENFILE]
        .iter()
        .any(|errno| err.raw_os_error() == Some(*errno as i32))
}
