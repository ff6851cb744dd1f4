//! What the events of a machine come to.

mod steps;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::repeated::Heard;
use super::{Reception, Verdict};
use crate::talos::{
    ErrorCode, SequenceAction, StepAction, TalosEvent, TalosNotice, TalosStage, UnmetCondition,
};

/// A machine's events, read in the order of arrival.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EventReading {
    heard: Heard<String>,
    progress: Progress,
}

impl EventReading {
    /// Reads one event.
    pub fn read(&mut self, event: &TalosEvent) -> Reception {
        if !event.id.is_empty() && !self.heard.first(event.id.clone()) {
            return Reception::Repeated;
        }
        let reception = self.progress.take(&event.notice);
        self.progress.note_asked(event);
        reception
    }

    /// Where the current boot is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What the current boot comes to, as far as it has come.
    pub fn verdict(&self) -> Option<Verdict> {
        self.progress.verdict()
    }
}

/// Where one boot of a machine is, as its notices tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The stage, its readiness and what is missing, as last said.
    stage: Option<TalosStage>,
    ready: bool,
    unmet: Vec<UnmetCondition>,
    /// The names, as last said.
    hostname: String,
    addresses: Vec<IpAddr>,
    /// What is under way.
    sequence: Option<String>,
    phase: Option<String>,
    task: Option<String>,
    /// Why there is no config yet.
    config_error: Option<String>,
    /// How far the signs of the boot have come.
    heard: bool,
    initialized: bool,
    restarting: bool,
    /// It gave up its first boot to restart, and nobody asked for that.
    restarts_by_itself: bool,
    maintenance: bool,
    waiting_for_config: bool,
    install: Attempt,
    wipe: Attempt,
    boot: Attempt,
}

/// How something that can be proven stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Attempt {
    #[default]
    NotSeen,
    Begun,
    Done,
    /// Another sequence took over.
    Canceled,
    Failed(String),
}

/// The sequence that every boot begins with.
const INITIALIZE: &str = "initialize";
/// The sequence that installs, where there is something to install, and its phase that writes the disk.
const INSTALL: &str = "install";
/// The sequence that brings the machine up.
const BOOT: &str = "boot";
/// The sequence that restarts the machine.
const REBOOT: &str = "reboot";
/// The phase of `talos.experimental.wipe`, and the task in it.
const WIPE_PHASE: &str = "wipeDisks";
const WIPE_TASK: &str = "wipeSystemDisk";
/// Where an install has written all it writes, the config too, and goes on to restart: phases, and the tasks in them.
const TOWARDS_RESTART: [&str; 5] = [
    "stopEverything",
    "stopAllServices",
    "kexec",
    "kexecPrepare",
    "reboot",
];

impl Progress {
    /// What the machine as a whole is doing, as it last said.
    pub fn stage(&self) -> Option<TalosStage> {
        self.stage
    }

    /// Whether it said that all the stage needs is there.
    pub fn ready(&self) -> bool {
        self.ready
    }

    /// What the stage needs and has not.
    pub fn unmet(&self) -> &[UnmetCondition] {
        &self.unmet
    }

    /// Its host name; empty while it has none. It changes when the config comes.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// Its addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The sequence, phase and task that began last, each while it is under way.
    pub fn step(&self) -> [Option<&str>; 3] {
        [&self.sequence, &self.phase, &self.task].map(Option::as_deref)
    }

    /// Why it has no config, while it has none.
    pub fn config_error(&self) -> Option<&str> {
        self.config_error.as_deref()
    }

    /// What the boot comes to, as far as it has come.
    pub fn verdict(&self) -> Option<Verdict> {
        match (&self.install, &self.wipe, &self.boot) {
            // What is on the disk is there, whatever fails after it.
            (Attempt::Done, ..) => Some(Verdict::Installed),
            (_, Attempt::Done, _) => Some(Verdict::Wiped),
            (Attempt::Failed(error), ..) => Some(Verdict::InstallFailed {
                error: error.clone(),
            }),
            (_, _, Attempt::Failed(error)) => Some(Verdict::BootFailed {
                error: error.clone(),
            }),
            (_, _, Attempt::Done) => Some(Verdict::Running),
            _ if self.maintenance => Some(Verdict::Maintenance),
            _ => None,
        }
    }

    /// Takes one notice, and begins anew where it is the first of another boot.
    pub(super) fn take(&mut self, notice: &TalosNotice) -> Reception {
        let begins = self.begins_boot(notice);
        if begins {
            *self = Self::default();
        }
        self.heard = true;
        self.note(notice);
        if begins {
            Reception::BeganBoot
        } else {
            Reception::Read
        }
    }

    /// Whether `notice` comes from another boot than those before it. A kernel that said that it restarts has said its last but for the
    /// end of what was under way; the first word of the next is the stage `unknown`, then the sequence `initialize`.
    fn begins_boot(&self, notice: &TalosNotice) -> bool {
        if !self.heard {
            return true;
        }
        match notice {
            TalosNotice::Status { stage, .. } => match stage {
                TalosStage::Unknown => {
                    self.restarting || self.stage.is_some_and(|last| last != TalosStage::Unknown)
                }
                TalosStage::Booting | TalosStage::Maintenance | TalosStage::Running => {
                    self.restarting
                }
                _ => false,
            },
            TalosNotice::Sequence {
                sequence,
                action: SequenceAction::Start,
                ..
            } => self.restarting || (sequence == INITIALIZE && self.initialized),
            _ => false,
        }
    }

    fn note(&mut self, notice: &TalosNotice) {
        match notice {
            TalosNotice::Status {
                stage,
                ready,
                unmet,
            } => self.note_status(*stage, *ready, unmet),
            TalosNotice::Sequence {
                sequence,
                action,
                error,
            } => {
                match action {
                    SequenceAction::Start => self.note_begin(sequence),
                    SequenceAction::Stop => {
                        (self.sequence, self.phase, self.task) = (None, None, None);
                    }
                    SequenceAction::Noop | SequenceAction::Other => {}
                }
                let Some(error) = error else { return };
                if error.is_restart() {
                    self.note_restart(sequence);
                } else if error.is_failure() {
                    self.note_failure(sequence, &error.message);
                } else if error.code == ErrorCode::Canceled && sequence == BOOT {
                    self.boot = Attempt::Canceled;
                }
            }
            TalosNotice::Phase { phase, action } => match action {
                StepAction::Start => {
                    self.note_step(phase);
                    self.phase = Some(phase.clone());
                }
                StepAction::Stop | StepAction::Other => self.phase = None,
            },
            TalosNotice::Task { task, action } => match action {
                StepAction::Start => {
                    self.note_step(task);
                    self.waiting_for_config |= task == MAINTENANCE_TASK;
                    self.maintenance |= task == MAINTENANCE_TASK;
                    self.task = Some(task.clone());
                }
                StepAction::Stop | StepAction::Other => {
                    self.waiting_for_config &= task != MAINTENANCE_TASK;
                    self.maintenance &= task != MAINTENANCE_TASK;
                    self.task = self.task.take().filter(|running| running != task);
                }
            },
            TalosNotice::Restart { .. } => {
                let sequence = self.sequence.clone().unwrap_or_default();
                self.note_restart(&sequence);
                self.restarting = true;
            }
            TalosNotice::ConfigLoadError { error }
            | TalosNotice::ConfigValidationError { error } => {
                self.config_error = Some(error.clone());
            }
            TalosNotice::Address {
                hostname,
                addresses,
            } => {
                self.hostname.clone_from(hostname);
                self.addresses.clone_from(addresses);
            }
            TalosNotice::Service { .. }
            | TalosNotice::Unknown { .. }
            | TalosNotice::Damaged { .. } => {}
        }
    }

    fn note_status(&mut self, stage: TalosStage, ready: bool, unmet: &[UnmetCondition]) {
        self.stage = Some(stage);
        self.ready = ready;
        self.unmet = unmet.to_vec();
        self.maintenance = stage == TalosStage::Maintenance || self.waiting_for_config;
        match stage {
            // The end of a boot that failed or gave way shows as this stage too, for a moment.
            TalosStage::Running if ready => {
                if matches!(self.boot, Attempt::NotSeen | Attempt::Begun) {
                    self.boot = Attempt::Done;
                }
            }
            // After a failure it comes with no sequence under way.
            TalosStage::Rebooting if self.sequence.as_deref() == Some(INSTALL) => {
                self.install.finish();
            }
            _ => {}
        }
    }

    fn note_begin(&mut self, sequence: &str) {
        self.sequence = Some(sequence.to_owned());
        (self.phase, self.task) = (None, None);
        match sequence {
            INITIALIZE => self.initialized = true,
            // They only begin with a config.
            INSTALL | BOOT => {
                self.config_error = None;
                self.maintenance = false;
                if sequence == BOOT && self.boot != Attempt::Done {
                    self.boot = Attempt::Begun;
                }
            }
            _ => {}
        }
    }

    /// Takes note of whether somebody asked for a restart. An install by `UnattendedInstallConfig` (v1.14 on) has no sequence of its
    /// own: it ends in a restart that the machine itself puts in the place of its boot.
    fn note_asked(&mut self, event: &TalosEvent) {
        if let TalosNotice::Sequence {
            sequence,
            action: SequenceAction::Start,
            ..
        } = &event.notice
        {
            self.restarts_by_itself = sequence == REBOOT
                && event.actor.is_empty()
                && self.boot == Attempt::Canceled
                && self.install == Attempt::NotSeen;
        }
    }

    /// Takes note of a phase or task that begins.
    fn note_step(&mut self, step: &str) {
        match self.sequence.as_deref() {
            Some(INSTALL) if step == INSTALL => self.install.begin(),
            Some(INSTALL) if TOWARDS_RESTART.contains(&step) => self.install.finish(),
            Some(REBOOT) if self.restarts_by_itself && TOWARDS_RESTART.contains(&step) => {
                self.install = Attempt::Done;
            }
            Some(INITIALIZE) if step == WIPE_PHASE || step == WIPE_TASK => self.wipe.begin(),
            // A wipe of some partitions goes on to the next phase; a failed one ends the sequence.
            Some(INITIALIZE) => self.wipe.finish(),
            _ => {}
        }
    }

    fn note_restart(&mut self, sequence: &str) {
        match sequence {
            INSTALL => self.install.finish(),
            INITIALIZE => self.wipe.finish(),
            _ => {}
        }
    }

    fn note_failure(&mut self, sequence: &str, error: &str) {
        let attempt = match sequence {
            INSTALL => &mut self.install,
            BOOT | INITIALIZE => &mut self.boot,
            _ => return,
        };
        // What is proven stays so. A machine that was up and then fails a later sequence of that name was up.
        if *attempt != Attempt::Done || sequence == BOOT {
            *attempt = Attempt::Failed(error.to_owned());
        }
    }
}

/// The task that is maintenance mode: it ends when a config comes.
const MAINTENANCE_TASK: &str = "runningMaintenance";

impl Attempt {
    fn begin(&mut self) {
        if *self != Self::Done {
            *self = Self::Begun;
        }
    }

    /// It went well, if it was begun and has not failed.
    fn finish(&mut self) {
        if *self == Self::Begun {
            *self = Self::Done;
        }
    }
}
