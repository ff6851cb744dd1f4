//! What a Talos node tells of itself: the events of its sink (`talos.events.sink`), in the words of Talos's API.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::error::word_enum;
use crate::{Timestamp, Xid, mask_queries};

/// One event of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalosEvent {
    /// What tells it from every other event; the same again where it is sent again. An [`Xid`], as far as Talos is known.
    pub id: String,
    /// Who asked for what it tells of: the id of an API call, empty where the machine acts by itself.
    pub actor: String,
    /// What it says.
    pub notice: TalosNotice,
}

impl TalosEvent {
    /// The same without the secrets that an error may quote.
    #[must_use]
    pub fn masked(mut self) -> Self {
        let texts: Vec<&mut String> = match &mut self.notice {
            TalosNotice::Sequence {
                error: Some(error), ..
            } => vec![&mut error.message],
            TalosNotice::ConfigLoadError { error }
            | TalosNotice::ConfigValidationError { error } => {
                vec![error]
            }
            TalosNotice::Status { unmet, .. } => {
                unmet.iter_mut().map(|unmet| &mut unmet.reason).collect()
            }
            _ => Vec::new(),
        };
        for text in texts {
            *text = mask_queries(text).into_owned();
        }
        self
    }

    /// When it was made, by the machine's own clock, which may be wrong until it has the network's time.
    pub fn made_at(&self) -> Option<Timestamp> {
        self.id.parse::<Xid>().ok().map(Xid::made_at)
    }
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TalosNotice {
    /// A sequence, such as `install` or `boot`, began or ended, or an error of it is told.
    Sequence {
        /// Its name.
        sequence: String,
        /// What it does.
        action: SequenceAction,
        /// Why it did not end well. It comes after the end, in a notice of its own.
        error: Option<SequenceError>,
    },
    /// A phase of the running sequence began or ended, well or not.
    Phase {
        /// Its name.
        phase: String,
        /// What it does.
        action: StepAction,
    },
    /// A task of the running phase began or ended, well or not.
    Task {
        /// Its name.
        task: String,
        /// What it does.
        action: StepAction,
    },
    /// A service changed.
    Service {
        /// Its name.
        service: String,
        /// Its new state.
        state: ServiceState,
        /// What Talos says of it.
        message: String,
        /// How it is.
        health: ServiceHealth,
    },
    /// The kernel is about to restart.
    Restart {
        /// In which way.
        command: RestartCommand,
    },
    /// A config was not to be had, or is of no use. Talos goes on trying.
    ConfigLoadError {
        /// Why.
        error: String,
    },
    /// A config is wrong.
    ConfigValidationError {
        /// Why.
        error: String,
    },
    /// The machine's names.
    Address {
        /// Its host name, empty while it has none.
        hostname: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// What the machine as a whole is doing.
    Status {
        /// The stage.
        stage: TalosStage,
        /// Whether all that the stage needs is there.
        ready: bool,
        /// What is missing.
        unmet: Vec<UnmetCondition>,
    },
    /// A kind of event that is not known here.
    Unknown {
        /// Its type URL.
        type_url: String,
    },
    /// A known kind of event with a content that is not.
    Damaged {
        /// Its type URL.
        type_url: String,
    },
}

/// Why a sequence did not end well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceError {
    /// How bad it is.
    pub code: ErrorCode,
    /// What Talos says.
    pub message: String,
}

impl SequenceError {
    /// Whether the sequence failed. It did not where another one ran, or took over, or where it ended in the restart that it was to
    /// end in: Talos tells that as an error too, for the call that restarts the kernel does not return.
    pub fn is_failure(&self) -> bool {
        self.code == ErrorCode::Fatal && !self.is_restart()
    }

    /// Whether the sequence ended in a restart: the text ends in `unix.Reboot(` and the command in hex digits.
    pub fn is_restart(&self) -> bool {
        let command = self
            .message
            .trim_end()
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once("unix.Reboot("));
        self.code == ErrorCode::Fatal
            && command.is_some_and(|(_, hex)| {
                !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit())
            })
    }
}

/// How a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Whether that is not known.
    pub unknown: bool,
    /// Whether it does its work.
    pub healthy: bool,
    /// What the last check said.
    pub last_message: String,
    /// When that changed; `None` before the first check.
    pub last_change: Option<Timestamp>,
}

/// Something that a stage needs and has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmetCondition {
    /// What.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// The command of reboot(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RestartCommand(pub i64);

impl RestartCommand {
    /// A restart through the firmware.
    pub const COLD: Self = Self(0x0123_4567);
    /// A restart straight into a kernel loaded before.
    pub const KEXEC: Self = Self(0x4558_4543);
    /// Power off.
    pub const POWER_OFF: Self = Self(0x4321_fedc);
}

impl fmt::Display for RestartCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::COLD => f.pad("restart"),
            Self::KEXEC => f.pad("restart by kexec"),
            Self::POWER_OFF => f.pad("power off"),
            Self(other) => write!(f, "reboot({other:#x})"),
        }
    }
}

word_enum! {
    /// What a sequence does.
    SequenceAction, "an action of a sequence", {
        /// Nothing: the notice is there for its error.
        Noop = "noop",
        /// It begins.
        Start = "start",
        /// It ended, well or not.
        Stop = "stop",
        /// Something newer than this program.
        Other = "other",
    }
}

word_enum! {
    /// What a phase or a task does.
    StepAction, "start, stop or other", {
        /// It begins.
        Start = "start",
        /// It ended, well or not.
        Stop = "stop",
        /// Something newer than this program.
        Other = "other",
    }
}

word_enum! {
    /// How bad an error is.
    ErrorCode, "fatal, locked, canceled or other", {
        /// The sequence failed, or restarted the kernel.
        Fatal = "fatal",
        /// It did not begin, for another one runs.
        Locked = "locked",
        /// Another one took over.
        Canceled = "canceled",
        /// Something newer than this program.
        Other = "other",
    }
}

word_enum! {
    /// What a service does.
    ServiceState, "a state of a service", {
        /// It is known and not begun.
        Initialized = "initialized",
        /// It makes itself ready.
        Preparing = "preparing",
        /// It waits for something.
        Waiting = "waiting",
        /// It runs.
        Running = "running",
        /// It is being stopped.
        Stopping = "stopping",
        /// It came to its end.
        Finished = "finished",
        /// It failed.
        Failed = "failed",
        /// It is not needed.
        Skipped = "skipped",
        /// It begins.
        Starting = "starting",
        /// Something newer than this program.
        Other = "other",
    }
}

word_enum! {
    /// What a machine as a whole is doing.
    TalosStage, "a stage of Talos", {
        /// Not said yet, as at the very start.
        Unknown = "unknown",
        /// It boots.
        Booting = "booting",
        /// It writes Talos to its disk.
        Installing = "installing",
        /// It waits for a config.
        Maintenance = "maintenance",
        /// Its boot is over. It is up where it is ready too.
        Running = "running",
        /// It is about to restart.
        Rebooting = "rebooting",
        /// It is about to power off.
        ShuttingDown = "shutting_down",
        /// It wipes its disk.
        Resetting = "resetting",
        /// It writes another version to its disk.
        Upgrading = "upgrading",
        /// Something newer than this program.
        Other = "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_told_as_an_error_is_no_failure() {
        use ErrorCode::*;
        for (code, message, failure, restart) in [
            (Fatal, "task 1/1: failed, exit code 1", true, false),
            (
                Fatal,
                "task 1/1: failed, unix.Reboot(45584543)",
                false,
                true,
            ),
            (
                Fatal,
                "task 1/1: failed, unix.Reboot(1234567)\n",
                false,
                true,
            ),
            // A text that only speaks of one.
            (Fatal, "unix.Reboot(1234567): not permitted", true, false),
            (Fatal, "unix.Reboot()", true, false),
            (Fatal, "unix.Reboot(no hex)", true, false),
            (Fatal, "", true, false),
            (Locked, "sequence not started: locked", false, false),
            (Canceled, "context canceled", false, false),
            (Canceled, "unix.Reboot(1234567)", false, false),
            (Other, "what may come", false, false),
        ] {
            let error = SequenceError {
                code,
                message: message.to_owned(),
            };
            assert_eq!(error.is_failure(), failure, "{code} {message:?}");
            assert_eq!(error.is_restart(), restart, "{code} {message:?}");
        }
    }

    #[test]
    fn an_event_survives_being_kept_as_json() {
        let event = TalosEvent {
            id: "d6oj4nau3i80009q23qg".to_owned(),
            actor: String::new(),
            notice: TalosNotice::Status {
                stage: TalosStage::ShuttingDown,
                ready: true,
                unmet: Vec::new(),
            },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"id":"d6oj4nau3i80009q23qg","actor":"","notice":{"kind":"status","stage":"shutting_down","ready":true,"unmet":[]}}"#
        );
        assert_eq!(serde_json::from_str::<TalosEvent>(&json).unwrap(), event);
        assert_eq!(event.made_at(), "2026-03-11T09:14:05Z".parse().ok());
    }

    #[test]
    fn a_restart_is_named() {
        for (command, text) in [
            (0x0123_4567, "restart"),
            (0x4558_4543, "restart by kexec"),
            (0x4321_fedc, "power off"),
            (0xcdef_0123, "reboot(0xcdef0123)"),
        ] {
            assert_eq!(RestartCommand(command).to_string(), text);
        }
    }
}
