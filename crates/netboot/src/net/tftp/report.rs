//! What the director is told of a transfer.

use std::net::{IpAddr, SocketAddrV4};
use std::time::Duration;

use model::StageOutcome;

use crate::core::path::BootPath;
use crate::core::tftp::{End, Outcome, Session};
use crate::director::Observation;

/// What is the same in everything said of one transfer.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) path: BootPath,
    pub(super) peer: IpAddr,
}

impl Report {
    pub(super) fn new(path: BootPath, peer: SocketAddrV4) -> Self {
        let peer = (*peer.ip()).into();
        Self { path, peer }
    }

    /// The transfer is under way.
    pub(super) fn running(&self, session: &Session, since: Duration) -> Observation {
        Observation {
            bytes: Some(session.bytes()),
            duration: Some(since),
            ..self.say(StageOutcome::Running, "")
        }
    }

    /// There is nothing to transfer.
    pub(super) fn refused(&self, why: &str) -> Observation {
        self.say(StageOutcome::Refused, why)
    }

    /// The transfer has ended. Nothing is said of a client that only wanted to know a size, or that let go before the first
    /// block: firmware does so as a matter of course, and then asks again.
    pub(super) fn ended(&self, outcome: &Outcome, answered: bool) -> Option<Observation> {
        let (how, remark) = match &outcome.end {
            End::Done => (StageOutcome::Done, String::new()),
            End::Unconfirmed => (StageOutcome::Done, outcome.end.to_string()),
            End::SizeProbe => return None,
            End::Silent(_) | End::Broken(_) => (StageOutcome::Failed, outcome.end.to_string()),
            End::Aborted { .. } | End::Unreachable | End::Displaced => {
                if !answered {
                    return None;
                }
                (StageOutcome::Failed, outcome.end.to_string())
            }
        };
        Some(Observation {
            duration: Some(outcome.duration),
            bytes: Some(outcome.bytes),
            retries: Some(outcome.retries),
            ..self.say(how, &remark)
        })
    }

    fn say(&self, outcome: StageOutcome, remark: &str) -> Observation {
        let detail = if remark.is_empty() {
            self.path.to_string()
        } else {
            format!("{}: {remark}", self.path)
        };
        Observation {
            mac: None,
            peer: self.peer,
            stage: self.path.stage(),
            duration: None,
            bytes: None,
            retries: None,
            outcome,
            detail,
        }
    }
}
