//! The report of one file that was sent: made when its answer begins, and given to the director exactly once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use model::{BootStage, MacAddr, StageOutcome};
use tokio::time::Instant;

use crate::Director;
use crate::director::Observation;

/// Tells the director that a file went out whole when it is closed, and that it broke off when it is dropped before.
pub(super) struct Receipt {
    director: Arc<dyn Director>,
    mac: Option<MacAddr>,
    peer: IpAddr,
    stage: BootStage,
    detail: String,
    began: Instant,
    bytes: u64,
    outcome: StageOutcome,
}

impl Receipt {
    /// Begins the report of a `stage`, as yet without a byte sent.
    pub(super) fn begin(
        director: Arc<dyn Director>,
        mac: Option<MacAddr>,
        peer: IpAddr,
        stage: BootStage,
        detail: String,
    ) -> Self {
        Self {
            director,
            mac,
            peer,
            stage,
            detail,
            began: Instant::now(),
            bytes: 0,
            outcome: StageOutcome::Failed,
        }
    }

    /// Counts content that was handed on.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Says which part of the file it is.
    pub(super) fn mention(&mut self, part: &str) {
        self.detail = format!("{}, {part}", self.detail);
    }

    /// Says that it is under way; the report follows under the same detail.
    pub(super) fn announce(&self) {
        self.tell(StageOutcome::Running, None, self.detail.clone());
    }

    fn tell(&self, outcome: StageOutcome, bytes: Option<u64>, detail: String) {
        self.director.observe(Observation {
            mac: self.mac,
            peer: self.peer,
            stage: self.stage,
            duration: bytes.map(|_| self.began.elapsed()),
            bytes,
            retries: None,
            outcome,
            detail,
        });
    }

    /// All of it has left.
    pub(super) fn close(mut self) {
        self.outcome = StageOutcome::Done;
    }

    /// It went as it was meant to, without a byte; `what` is a sentence for a person.
    pub(super) fn done(mut self, what: &str) {
        self.outcome = StageOutcome::Done;
        what.clone_into(&mut self.detail);
    }

    /// It was answered with a no; `why` is a sentence for a person.
    pub(super) fn refuse(mut self, why: &str) {
        self.outcome = StageOutcome::Refused;
        why.clone_into(&mut self.detail);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let detail = std::mem::take(&mut self.detail);
        self.tell(self.outcome, Some(self.bytes), detail);
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("stage", &self.stage)
            .field("peer", &self.peer)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
