//! All that one machine tells of itself, by its events and by its kernel log, as one story.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{EventReading, KernelReading, Progress, Reception, Verdict};
use crate::Timestamp;
use crate::boot::{BootId, BootStage, StageOutcome};
use crate::kernel_log::KernelLogLine;
use crate::talos::{TalosEvent, TalosNotice};

/// What a machine has told of itself. It may be written down as JSON and taken up again: what it proves is then what it proved before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Testimony {
    events: EventReading,
    kernel: KernelReading,
    /// The number and the clock of the last line, which begin anew with the kernel.
    last_line: Option<(u64, i64)>,
    /// The machine's last boot, as ktizo counts them, when it spoke last.
    boot: Option<BootId>,
    begun: Begun,
    /// What of the present boot was told already, by either source.
    told: Vec<Step>,
}

/// By which sources the present boot has begun, and when the first of them said so.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Begun {
    events: bool,
    kernel: bool,
    at: Option<Timestamp>,
}

/// A step of Talos, in the words of a boot's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub stage: BootStage,
    /// How it stands.
    pub outcome: StageOutcome,
    /// What a person should know of it.
    pub detail: String,
}

/// What one event or line adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The steps that nobody had told.
    pub steps: Vec<Step>,
    /// What the boot comes to, where that is not what it came to before.
    pub verdict: Option<Verdict>,
    /// Whether anything changed that has to be written down.
    pub changed: bool,
}

/// Both sources begin when the machine has the network; one that begins later than this tells of another boot.
const TOGETHER: Duration = Duration::from_secs(120);

impl Testimony {
    /// Takes note of which boot is the machine's last before it goes on to speak. Another kernel numbers its lines anew, and where
    /// machines are alike it takes the same time for each: what was heard in another boot is no repetition.
    pub fn speaks_in(&mut self, boot: Option<BootId>) {
        if self.boot != boot {
            self.boot = boot;
            self.kernel.begin_anew();
        }
    }

    /// Takes one event, in which secrets are masked.
    pub fn hear_event(&mut self, event: &TalosEvent, at: Timestamp) -> Word {
        let before = self.events.progress().clone();
        let began = match self.events.read(event) {
            Reception::Repeated => return Word::default(),
            Reception::BeganBoot => true,
            Reception::Read => false,
        };
        let mut word = Word::default();
        if began && self.begins(|begun| &mut begun.events, |begun| begun.kernel, at) {
            self.tell(vec![first_word()], true, &mut word);
        }
        let before = if began { Progress::default() } else { before };
        let now = self.events.progress();
        word.changed |= began || *now != before;
        let mut steps = now.steps_since(&before);
        if let TalosNotice::Restart { command } = &event.notice {
            steps.push(Step {
                stage: BootStage::Restart,
                outcome: StageOutcome::Done,
                detail: command.to_string(),
            });
        }
        word.verdict = now.verdict().filter(|_| now.verdict() != before.verdict());
        self.tell(steps, true, &mut word);
        word
    }

    /// Takes one line of the kernel log, in which secrets are masked.
    pub fn hear_line(&mut self, line: &KernelLogLine, at: Timestamp) -> Word {
        let mut word = Word {
            changed: true,
            ..Word::default()
        };
        let here = (line.sequence, line.clock_us);
        let began = self
            .last_line
            .is_none_or(|(sequence, clock)| here.0 < sequence && here.1 < clock);
        self.last_line = Some(here);
        if began && self.begins(|begun| &mut begun.kernel, |begun| begun.events, at) {
            self.tell(vec![first_word()], false, &mut word);
        }
        let before = self.kernel.progress().clone();
        let before = match self.kernel.read(line) {
            None | Some(Reception::Repeated) => return word,
            Some(Reception::BeganBoot) => Progress::default(),
            Some(Reception::Read) => before,
        };
        let now = self.kernel.progress();
        word.verdict = now.verdict().filter(|_| now.verdict() != before.verdict());
        let steps = now.steps_since(&before);
        self.tell(steps, false, &mut word);
        word
    }

    /// Takes note that one source begins a boot; false where the other one has begun the same.
    fn begins(
        &mut self,
        own: fn(&mut Begun) -> &mut bool,
        other: fn(&Begun) -> bool,
        at: Timestamp,
    ) -> bool {
        let same = !*own(&mut self.begun)
            && other(&self.begun)
            && self
                .begun
                .at
                .is_some_and(|began| at.since(began) < TOGETHER);
        if !same {
            self.begun = Begun {
                at: Some(at),
                ..Begun::default()
            };
            self.told.clear();
        }
        *own(&mut self.begun) = true;
        !same
    }

    /// Tells what was not told yet. What has ended is not told again, and what is under way only by events, which know more of it.
    fn tell(&mut self, steps: Vec<Step>, by_event: bool, word: &mut Word) {
        for step in steps {
            let earlier = self.told.iter_mut().find(|told| told.stage == step.stage);
            let is_news = match &earlier {
                None => true,
                // Each try to get a config may fail for a reason of its own.
                Some(told) if step.stage == BootStage::Config => told.detail != step.detail,
                Some(told) if told.outcome != StageOutcome::Running => false,
                Some(told) if step.outcome == StageOutcome::Running => {
                    by_event && told.detail != step.detail
                }
                Some(_) => true,
            };
            if !is_news {
                continue;
            }
            match earlier {
                Some(told) => *told = step.clone(),
                None => self.told.push(step.clone()),
            }
            word.steps.push(step);
        }
    }
}

fn first_word() -> Step {
    Step {
        stage: BootStage::Talos,
        outcome: StageOutcome::Done,
        detail: "Talos started".to_owned(),
    }
}
