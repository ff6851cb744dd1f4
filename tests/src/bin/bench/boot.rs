//! The boot plane measured, alone and beside listeners of the admin plane.

use std::time::Duration;

use anyhow::Result;
use ktizo_tests::flood::Flood;
use ktizo_tests::lan::Host;
use netboot::sim::load::LoadReport;

use super::figures::{Times, millis, row};
use super::http::Asking;
use super::mac;

/// How many machines ask by DHCP, at this rate.
pub(crate) const MACHINES: u32 = 10_000;
pub(crate) const PER_SECOND: u32 = 1_000;
/// How many scripts of each kind are asked for.
const SCRIPTS: usize = 1_000;
/// What iPXE says of the machine it runs on.
pub(crate) const FACTS: &str =
    "facts=1&platform=efi&buildarch=x86_64&version=1.21.1%2Bgit-20250501&serial=S";

/// Machines that ask for a boot program by DHCP.
pub(crate) fn discovers(client: &Host, server: &Host) -> Result<LoadReport> {
    let flood = Flood {
        machines: MACHINES,
        per_second: PER_SECOND,
        patience: Duration::from_secs(3),
    };
    flood.run(client, server)
}

/// Requests to the boot HTTP server.
pub(crate) fn asking<'a>(client: &'a Host, server: &Host, connections: usize) -> Asking<'a> {
    Asking {
        from: client,
        to: format!("{}:80", server.address),
        headers: String::new(),
        connections,
        requests: SCRIPTS,
    }
}

/// How the boot plane did in one situation.
#[derive(Clone, Debug)]
pub(crate) struct Showing {
    discovers: LoadReport,
    approved: Times,
    stranger: Times,
}

impl Showing {
    /// Machines ask by DHCP, then for scripts.
    pub(crate) fn of(client: &Host, server: &Host) -> Result<Self> {
        let discovers = discovers(client, server)?;
        let asking = asking(client, server, 1);
        let number = |number: usize| u32::try_from(number).unwrap_or(0);
        let (approved, _) = asking.run(|at| format!("/boot/{}?{FACTS}", mac(number(at))))?;
        // Those that asked by DHCP wait for approval.
        let (stranger, _) = asking.run(|at| {
            let [a, b, c, d] = number(at).to_be_bytes();
            format!("/boot/52-54-{a:02x}-{b:02x}-{c:02x}-{d:02x}")
        })?;
        Ok(Self {
            discovers,
            approved,
            stranger,
        })
    }

    /// Prints it; with how much longer 99 of 100 took than in `alone`.
    pub(crate) fn tell(&self, alone: Option<&Self>) {
        let times = |report: &LoadReport| (report.percentile(50), report.percentile(99));
        let of = |times: &Times| (times.at(50), times.at(99));
        let lost = self.discovers.sent - self.discovers.answered;
        for (what, own, other) in [
            (
                format!("    ProxyDHCP, {PER_SECOND}/s, {lost} unanswered"),
                times(&self.discovers),
                alone.map(|alone| times(&alone.discovers)),
            ),
            (
                "    script of an approved machine".to_owned(),
                of(&self.approved),
                alone.map(|alone| of(&alone.approved)),
            ),
            (
                "    first script of a stranger".to_owned(),
                of(&self.stranger),
                alone.map(|alone| of(&alone.stranger)),
            ),
        ] {
            let ratio = |own: Duration, other: Duration| own.as_secs_f64() / other.as_secs_f64();
            let against = other.map_or_else(String::new, |other| {
                format!(
                    "p50 x {:.2}, p99 x {:.2}",
                    ratio(own.0, other.0),
                    ratio(own.1, other.1)
                )
            });
            let spread = format!("p50 {}  p99 {}", millis(own.0), millis(own.1));
            row(&what, &spread, &against);
        }
    }
}
