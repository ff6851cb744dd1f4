//! What the boot HTTP server has done, by kind and status.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::path::BootPath;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpKind {
    /// A device's script.
    Script,
    /// `autoexec.ipxe`.
    Autoexec,
    /// The table script.
    Table,
    /// A device config.
    Config,
    /// A network boot loader.
    Loader,
    /// A kernel or initramfs.
    Asset,
    /// Something else, which is refused.
    Other,
}

impl HttpKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Script,
        Self::Autoexec,
        Self::Table,
        Self::Config,
        Self::Loader,
        Self::Asset,
        Self::Other,
    ];

    /// The kind of a path.
    pub fn of(path: &BootPath) -> Self {
        match path {
            BootPath::DeviceScript(_) => Self::Script,
            BootPath::Autoexec => Self::Autoexec,
            BootPath::Table => Self::Table,
            BootPath::Config(_) => Self::Config,
            BootPath::Loader(_) => Self::Loader,
            BootPath::Asset { .. } => Self::Asset,
        }
    }

    /// The word for it in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Autoexec => "autoexec",
            Self::Table => "table",
            Self::Config => "config",
            Self::Loader => "loader",
            Self::Asset => "asset",
            Self::Other => "other",
        }
    }
}

/// The statuses that are answered.
pub const STATUSES: [u16; 7] = [200, 206, 403, 404, 405, 416, 503];

/// Counts since the server was bound.
#[derive(Debug, Default)]
pub struct BootHttpCounters {
    answers: [[AtomicU64; STATUSES.len()]; HttpKind::ALL.len()],
    /// Connections taken.
    pub connections: AtomicU64,
    /// Connections refused, for all places were taken by answers under way.
    pub turned_away: AtomicU64,
    /// Connections closed while nothing was under way on them, to make room for another.
    pub made_way: AtomicU64,
    /// Connections closed because a request head did not come in time.
    pub slow_heads: AtomicU64,
    /// Connections closed because the client took nothing of its answer for too long.
    pub stalled: AtomicU64,
    /// Connections closed because the answer itself took too long.
    pub unanswered: AtomicU64,
    /// Connections closed because what came was no HTTP, or more than the limits allow.
    pub malformed: AtomicU64,
    /// Bytes of content handed out.
    pub bytes: AtomicU64,
}

impl BootHttpCounters {
    /// How many requests of `kind` were answered with `status`.
    pub fn answers(&self, kind: HttpKind, status: u16) -> u64 {
        self.cell(kind, status)
            .map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    pub(super) fn answered(&self, kind: HttpKind, status: u16) {
        if let Some(cell) = self.cell(kind, status) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn cell(&self, kind: HttpKind, status: u16) -> Option<&AtomicU64> {
        let column = STATUSES.iter().position(|known| *known == status)?;
        self.answers[kind as usize].get(column)
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
