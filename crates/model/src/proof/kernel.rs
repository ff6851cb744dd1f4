//! What the kernel log of a machine comes to: Talos tells its sequences, phases and tasks there too.

use serde::{Deserialize, Serialize};

use super::reading::Progress;
use super::repeated::Heard;
use super::{Reception, Verdict};
use crate::kernel_log::KernelLogLine;
use crate::talos::{ErrorCode, SequenceAction, SequenceError, StepAction, TalosNotice};

/// A machine's kernel log, read in the order of arrival. It proves an install, a wipe and their failure, and that a machine is in
/// maintenance mode; that it came up it does not tell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KernelReading {
    heard: Heard<(u64, i64)>,
    progress: Progress,
    failure: Option<String>,
}

impl KernelReading {
    /// Reads one line; `None` for one that tells nothing here.
    pub fn read(&mut self, line: &KernelLogLine) -> Option<Reception> {
        let step = Step::parse(line.talos_text()?)?;
        if !self.heard.first((line.sequence, line.clock_us)) {
            return Some(Reception::Repeated);
        }
        if let Step::TaskFailed(_, error) = step {
            self.failure = Some(error.to_owned());
        }
        let reception = self.progress.take(&step.notice());
        if reception == Reception::BeganBoot && !matches!(step, Step::TaskFailed(..)) {
            self.failure = None;
        }
        if let Step::SequenceFailed(sequence) = step {
            let failed = self.failed(sequence);
            self.progress.take(&failed);
        }
        Some(reception)
    }

    /// Lines of another kernel follow, which may have the numbers and clocks of those before.
    pub(super) fn begin_anew(&mut self) {
        self.heard = Heard::default();
    }

    /// Where the current boot is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What the current boot comes to, as far as it has come.
    pub fn verdict(&self) -> Option<Verdict> {
        self.progress.verdict()
    }

    /// The end of a sequence that failed, for the reason that a task of it gave.
    fn failed(&mut self, sequence: &str) -> TalosNotice {
        let message = self
            .failure
            .take()
            .unwrap_or_else(|| format!("the {sequence} sequence failed"));
        // The log has one word for a failure and for being taken over; what the task said tells them apart.
        let code = if message.ends_with("context canceled") {
            ErrorCode::Canceled
        } else {
            ErrorCode::Fatal
        };
        TalosNotice::Sequence {
            sequence: sequence.to_owned(),
            action: SequenceAction::Noop,
            error: Some(SequenceError { code, message }),
        }
    }
}

/// A line of Talos's sequencer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    SequenceBegan(&'a str),
    SequenceDone(&'a str),
    SequenceFailed(&'a str),
    PhaseBegan(&'a str),
    PhaseEnded(&'a str),
    TaskBegan(&'a str),
    TaskDone(&'a str),
    TaskFailed(&'a str, &'a str),
}

impl<'a> Step<'a> {
    /// Reads `install sequence: 9 phase(s)`, `phase install (2/9): 1 tasks(s)`, `task install (1/1): starting`, and how each ends.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.lines().next()?;
        if let Some(text) = text.strip_prefix("phase ") {
            let (name, rest) = numbered(text)?;
            return if rest.ends_with(" tasks(s)") {
                Some(Self::PhaseBegan(name))
            } else {
                (rest == "failed" || rest.starts_with("done, ")).then_some(Self::PhaseEnded(name))
            };
        }
        if let Some(text) = text.strip_prefix("task ") {
            let (name, rest) = numbered(text)?;
            return match rest.strip_prefix("failed: ") {
                Some(error) => Some(Self::TaskFailed(name, error)),
                None if rest == "starting" => Some(Self::TaskBegan(name)),
                None => rest.starts_with("done, ").then_some(Self::TaskDone(name)),
            };
        }
        let (name, rest) = text.split_once(" sequence: ")?;
        if !is_name(name) {
            return None;
        }
        if rest.ends_with(" phase(s)") {
            Some(Self::SequenceBegan(name))
        } else if rest == "failed" {
            Some(Self::SequenceFailed(name))
        } else {
            rest.starts_with("done: ")
                .then_some(Self::SequenceDone(name))
        }
    }

    fn notice(self) -> TalosNotice {
        let sequence = |name: &str, action| TalosNotice::Sequence {
            sequence: name.to_owned(),
            action,
            error: None,
        };
        let phase = |name: &str, action| TalosNotice::Phase {
            phase: name.to_owned(),
            action,
        };
        let task = |name: &str, action| TalosNotice::Task {
            task: name.to_owned(),
            action,
        };
        match self {
            Self::SequenceBegan(name) => sequence(name, SequenceAction::Start),
            Self::SequenceDone(name) | Self::SequenceFailed(name) => {
                sequence(name, SequenceAction::Stop)
            }
            Self::PhaseBegan(name) => phase(name, StepAction::Start),
            Self::PhaseEnded(name) => phase(name, StepAction::Stop),
            Self::TaskBegan(name) => task(name, StepAction::Start),
            Self::TaskDone(name) | Self::TaskFailed(name, _) => task(name, StepAction::Stop),
        }
    }
}

/// Splits `name (2/9): rest`.
fn numbered(text: &str) -> Option<(&str, &str)> {
    let (name, text) = text.split_once(" (")?;
    let (number, rest) = text.split_once("): ")?;
    let (at, of) = number.split_once('/')?;
    let numbers = [at, of]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (numbers && is_name(name)).then_some((name, rest))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::Step::*;
    use super::*;

    #[test]
    fn the_sequencers_lines_are_told_from_all_others() {
        for (text, expected) in [
            (
                "install sequence: 9 phase(s)",
                Some(SequenceBegan("install")),
            ),
            ("boot sequence: done: 41.2s", Some(SequenceDone("boot"))),
            ("boot sequence: failed", Some(SequenceFailed("boot"))),
            (
                "phase install (2/9): 1 tasks(s)",
                Some(PhaseBegan("install")),
            ),
            ("phase meta (3/9): done, 1.99ms", Some(PhaseEnded("meta"))),
            ("phase install (2/9): failed", Some(PhaseEnded("install"))),
            ("task reboot (1/1): starting", Some(TaskBegan("reboot"))),
            (
                "task reboot (1/1): starting\n SUBSYSTEM=x",
                Some(TaskBegan("reboot")),
            ),
            ("task usb (1/1): done, 10s", Some(TaskDone("usb"))),
            (
                "task install (1/1): failed: lstat /dev/x: no such file",
                Some(TaskFailed("install", "lstat /dev/x: no such file")),
            ),
            ("task install (1/1): install successful", None),
            ("task install (1/): starting", None),
            ("task install: starting", None),
            ("task (1/1): starting", None),
            ("phase install (2/9): ", None),
            ("no sequence: 9 phases", None),
            ("service[apid](Starting): a sequence: failed", None),
            ("", None),
        ] {
            assert_eq!(Step::parse(text), expected, "{text:?}");
        }
    }
}
