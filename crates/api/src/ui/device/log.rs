//! The kernel log of a boot, as the page shows it.

use model::{BootId, KernelLogEntry, KernelLogLevel, KernelLogSummary};
use serde::Serialize;

use crate::device::{self, DeviceRef, LogQuery};
use crate::{Api, Error};

/// How many lines are shown, the newest; the rest is for `GET .../kernel-log`.
const LINES: u64 = 300;

/// The log of one boot, and which other boots have one.
#[derive(Serialize)]
pub(super) struct Log {
    boot: Option<BootId>,
    lines: Vec<Line>,
    /// How many older lines are not shown.
    hidden: u64,
    others: Vec<KernelLogSummary>,
}

#[derive(Serialize)]
struct Line {
    /// Seconds since the kernel began, as the kernel prints them.
    clock: String,
    level: KernelLogLevel,
    tone: &'static str,
    message: String,
    /// Whether Talos itself says it; the kernel's own lines are many.
    is_talos: bool,
}

impl Log {
    /// The log of a boot, or of the last one that has a log.
    pub(super) async fn read(
        api: &Api,
        who: DeviceRef,
        boot: Option<BootId>,
    ) -> Result<Self, Error> {
        let query = LogQuery {
            boot,
            limit: LINES,
            ..LogQuery::default()
        };
        let log = device::kernel_log(&api.store, who, query).await?;
        let of_boot = log.logs.iter().find(|it| Some(it.boot) == log.boot);
        let known = of_boot.map_or(0, |it| it.lines + it.dropped);
        Ok(Self {
            boot: log.boot,
            hidden: known.saturating_sub(log.lines.len() as u64),
            lines: log.lines.into_iter().map(Line::from).collect(),
            others: log
                .logs
                .into_iter()
                .filter(|it| Some(it.boot) != log.boot)
                .collect(),
        })
    }
}

impl From<KernelLogEntry> for Line {
    fn from(entry: KernelLogEntry) -> Self {
        let line = entry.line;
        let is_talos = line.facility == "user";
        Self {
            clock: format!(
                "{}.{:03}",
                line.clock_us / 1_000_000,
                line.clock_us / 1_000 % 1_000
            ),
            // All of Talos's own lines are warnings, whatever they say.
            tone: match line.level {
                KernelLogLevel::Error => "bad",
                KernelLogLevel::Warn if !is_talos => "wait",
                _ => "",
            },
            level: line.level,
            message: line.message,
            is_talos,
        }
    }
}
