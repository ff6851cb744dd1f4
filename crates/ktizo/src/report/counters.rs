//! What the servers of the boot plane have counted, as numbers with names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use api::Sample;
use netboot::net::dhcp::DhcpCounters;
use netboot::net::event_sink::{EventSinkCounters, EventSinkServer};
use netboot::net::http::{BootHttpCounters, HttpKind, STATUSES};
use netboot::net::kernel_log::{KernelLogCounters, KernelLogServer};
use netboot::net::tftp::TftpCounters;

use crate::bound::Bound;
use crate::witness::WitnessCounters;

/// What the servers of the boot plane have counted.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    /// What the witness counts.
    pub(super) witness: Arc<WitnessCounters>,
    dhcp: Arc<DhcpCounters>,
    tftp: Arc<TftpCounters>,
    http: Arc<BootHttpCounters>,
    events: Option<Arc<EventSinkCounters>>,
    kernel_log: Option<Arc<KernelLogCounters>>,
}

impl Counters {
    /// Those of what is bound.
    pub(super) fn new(bound: &Bound) -> Self {
        Self {
            witness: Arc::default(),
            dhcp: bound.dhcp.counters(),
            tftp: bound.tftp.counters(),
            http: bound.http.counters(),
            events: bound.events.as_ref().map(EventSinkServer::counters),
            kernel_log: bound.kernel_log.as_ref().map(KernelLogServer::counters),
        }
    }

    /// All of them.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let mut samples = self.witness.samples();
        samples.extend(self.events.iter().flat_map(|counters| of_events(counters)));
        samples.extend(
            self.kernel_log
                .iter()
                .flat_map(|counters| of_kernel_log(counters)),
        );
        samples.extend(of_dhcp(&self.dhcp));
        samples.extend(of_tftp(&self.tftp));
        samples.extend(of_http(&self.http));
        samples
    }
}

fn of_events(events: &EventSinkCounters) -> Vec<Sample> {
    let calls = by(
        "ktizo_event_sink_calls",
        "Calls of the receiver of Talos events, by outcome; strange ones are taken too",
        "outcome",
        [
            ("taken", &events.taken),
            ("strange", &events.strange),
            ("unavailable", &events.unavailable),
            ("stranger", &events.strangers),
            ("delayed", &events.delayed),
            ("malformed", &events.malformed),
            ("too_long", &events.too_long),
            ("unimplemented", &events.unimplemented),
        ],
    );
    let connections = by(
        "ktizo_event_sink_connections",
        "Connections of the receiver of Talos events, by what became of them",
        "outcome",
        [
            ("taken", &events.connections),
            ("made_way", &events.made_way),
            ("silent", &events.silent),
            ("broken", &events.broken),
        ],
    );
    calls.chain(connections).collect()
}

fn of_kernel_log(log: &KernelLogCounters) -> Vec<Sample> {
    let lines = by(
        "ktizo_kernel_log_lines",
        "Lines of the receiver of kernel logs, by outcome",
        "outcome",
        [
            ("taken", &log.lines),
            ("not_taken", &log.not_taken),
            ("malformed", &log.malformed),
            ("too_long", &log.too_long),
            ("dropped", &log.dropped),
        ],
    );
    let connections = by(
        "ktizo_kernel_log_connections",
        "Connections of the receiver of kernel logs, by what became of them",
        "outcome",
        [
            ("taken", &log.connections),
            ("made_way", &log.made_way),
            ("silent", &log.silent),
            ("delayed", &log.delayed),
        ],
    );
    lines.chain(connections).collect()
}

fn of_dhcp(dhcp: &DhcpCounters) -> Vec<Sample> {
    let received = Sample::counter(
        "ktizo_dhcp_received",
        "DHCP datagrams that came",
        &[],
        dhcp.received(),
    );
    let by_outcome = dhcp.rows().into_iter().map(|(outcome, detail, count)| {
        Sample::counter(
            "ktizo_dhcp_datagrams",
            "DHCP datagrams by outcome, and by what asked or why it was left",
            &[("outcome", outcome), ("detail", detail)],
            count,
        )
    });
    std::iter::once(received).chain(by_outcome).collect()
}

fn of_tftp(tftp: &TftpCounters) -> Vec<Sample> {
    let ended = by(
        "ktizo_tftp_sessions",
        "TFTP sessions that ended, by outcome",
        "outcome",
        [
            ("done", &tftp.done),
            ("size_probe", &tftp.size_probes),
            ("aborted", &tftp.aborted),
            ("silent", &tftp.silent),
            ("never_answered", &tftp.never_answered),
            ("displaced", &tftp.displaced),
            ("broken", &tftp.broken),
        ],
    );
    let refused = by(
        "ktizo_tftp_refused",
        "TFTP requests that opened no session, by reason",
        "reason",
        [
            ("stray", &tftp.stray),
            ("malformed", &tftp.malformed),
            ("write", &tftp.writes),
            ("unknown_name", &tftp.unknown_names),
            ("missing", &tftp.missing),
            ("too_often", &tftp.too_often),
            ("address_full", &tftp.address_full),
            ("full", &tftp.full),
            ("repeated", &tftp.repeated),
        ],
    );
    let sent = [
        one(
            "ktizo_tftp_bytes",
            "Bytes of content that TFTP clients have",
            &tftp.bytes,
        ),
        one(
            "ktizo_tftp_retries",
            "TFTP packets sent again",
            &tftp.retries,
        ),
    ];
    ended.chain(refused).chain(sent).collect()
}

fn of_http(http: &BootHttpCounters) -> Vec<Sample> {
    let mut samples = vec![
        one(
            "ktizo_http_bytes",
            "Bytes of content handed out by boot HTTP",
            &http.bytes,
        ),
        one(
            "ktizo_http_connections",
            "Connections taken by boot HTTP",
            &http.connections,
        ),
    ];
    for kind in HttpKind::ALL {
        for status in STATUSES {
            let count = http.answers(kind, status);
            let status = status.to_string();
            let labels = [("kind", kind.as_str()), ("status", status.as_str())];
            let help = "Answers of boot HTTP, by what was asked for and status";
            samples.push(Sample::counter("ktizo_http_answers", help, &labels, count));
        }
    }
    let closed = by(
        "ktizo_http_closed",
        "Connections that boot HTTP closed, by reason",
        "reason",
        [
            ("turned_away", &http.turned_away),
            ("made_way", &http.made_way),
            ("slow_head", &http.slow_heads),
            ("stalled", &http.stalled),
            ("unanswered", &http.unanswered),
            ("malformed", &http.malformed),
        ],
    );
    samples.extend(closed);
    samples
}

/// One number.
fn one(name: &'static str, help: &'static str, count: &AtomicU64) -> Sample {
    Sample::counter(name, help, &[], count.load(Ordering::Relaxed))
}

/// One number for each value of a label.
fn by<const N: usize>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    rows: [(&'static str, &AtomicU64); N],
) -> impl Iterator<Item = Sample> {
    rows.map(|(value, count)| {
        Sample::counter(name, help, &[(label, value)], count.load(Ordering::Relaxed))
    })
    .into_iter()
}
