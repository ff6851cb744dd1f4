//! What comes to pass in a boot, in the words of a timeline.

use super::{Attempt, Progress};
use crate::boot::{BootStage, StageOutcome};
use crate::proof::Step;

impl Progress {
    /// What has come to pass since `before`, which was the same boot.
    pub(in crate::proof) fn steps_since(&self, before: &Self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut step = |stage, outcome, detail: String| {
            steps.push(Step {
                stage,
                outcome,
                detail,
            });
        };
        if let Some(error) = &self.config_error
            && before.config_error != self.config_error
        {
            step(
                BootStage::Config,
                StageOutcome::Failed,
                format!("Talos has no config: {error}"),
            );
        }
        if self.maintenance != before.maintenance {
            let outcome = if self.maintenance {
                StageOutcome::Running
            } else {
                StageOutcome::Done
            };
            step(
                BootStage::Maintenance,
                outcome,
                "waits for a config".to_owned(),
            );
        }
        let failure = match (&before.boot, &self.boot) {
            (Attempt::Failed(_), _) => None,
            (_, Attempt::Failed(error)) => Some(error),
            _ => None,
        };
        for (stage, doing, was, is) in [
            (BootStage::Wipe, "wipes its disk", &before.wipe, &self.wipe),
            (
                BootStage::Install,
                "writes Talos to its disk",
                &before.install,
                &self.install,
            ),
            (
                BootStage::Start,
                "brings its services up",
                &before.boot,
                &self.boot,
            ),
        ] {
            match is {
                // A wipe has no failure of its own: the boot fails.
                Attempt::Begun if stage == BootStage::Wipe && failure.is_some() => step(
                    stage,
                    StageOutcome::Failed,
                    format!("{doing}: {}", failure.map_or("", String::as_str)),
                ),
                Attempt::Begun if stage == BootStage::Start => {
                    if was != is || before.unmet != self.unmet {
                        step(stage, StageOutcome::Running, self.waits_for(doing));
                    }
                }
                _ if was == is => {}
                Attempt::NotSeen => {}
                Attempt::Begun => step(stage, StageOutcome::Running, doing.to_owned()),
                Attempt::Done => step(stage, StageOutcome::Done, doing.to_owned()),
                Attempt::Canceled => step(
                    stage,
                    StageOutcome::Done,
                    format!("{doing}: it gave way to another sequence"),
                ),
                Attempt::Failed(error) => {
                    step(stage, StageOutcome::Failed, format!("{doing}: {error}"));
                }
            }
        }
        if self.install == Attempt::Done && before.install != Attempt::Done {
            step(
                BootStage::Installed,
                StageOutcome::Done,
                "Talos and its config are on the disk".to_owned(),
            );
        }
        if self.boot == Attempt::Done && before.boot != Attempt::Done {
            step(
                BootStage::Ready,
                StageOutcome::Done,
                "the node is up".to_owned(),
            );
        }
        steps
    }

    /// What it does, and what it has not got for that, as it last said.
    fn waits_for(&self, doing: &str) -> String {
        let missing: Vec<String> = self
            .unmet
            .iter()
            .map(|unmet| match unmet.reason.as_str() {
                "" => unmet.name.clone(),
                reason => format!("{} ({reason})", unmet.name),
            })
            .collect();
        if missing.is_empty() {
            doing.to_owned()
        } else {
            format!("{doing}: waits for {}", missing.join(", "))
        }
    }
}
