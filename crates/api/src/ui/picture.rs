//! Boots as pictures: what state one is in, and its stages on a line of time.

use std::time::Duration;

use model::{Boot, BootStage, BootStanding, StageOutcome, StageRecord, Timestamp};
use serde::Serialize;

/// A boot that was silent for this long goes on no more.
pub(super) const SILENT: Duration = Duration::from_secs(600);
/// The most stages that are shown of a boot; the newest.
const MOST: usize = 40;
/// The width of the line of time, in units of the picture.
const WIDTH: u64 = 1000;

/// A boot as the pages show it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BootPicture {
    pub(super) began_at: Timestamp,
    pub(super) last_at: Timestamp,
    /// Its state in a word or two.
    word: &'static str,
    /// What happened last, in a sentence.
    text: String,
    tone: &'static str,
    /// Whether more is to be expected.
    pub(super) moving: bool,
    /// From its beginning to its last sign, or to the present while its last stage goes on, in microseconds.
    total: u64,
    /// Whether its last stage goes on, so that it has no length yet.
    runs: bool,
    /// Whether its waits are drawn shorter than they were.
    is_shortened: bool,
    steps: [&'static str; 6],
    /// How many stages are not shown.
    hidden: usize,
    lanes: Vec<Lane>,
}

/// One stage on the line of time.
#[derive(Clone, Debug, Serialize)]
struct Lane {
    label: &'static str,
    outcome: StageOutcome,
    tone: &'static str,
    /// Since the beginning of the boot, in microseconds.
    after: u64,
    took: Option<u64>,
    bytes: Option<u64>,
    retries: Option<u32>,
    detail: String,
    x: u64,
    width: u64,
}

impl BootPicture {
    /// The picture of a boot at `now`.
    pub(super) fn new(boot: &Boot, now: Timestamp) -> Self {
        let last = boot.stages.last();
        let is_silent = now.since(boot.last_at) > SILENT;
        let outcome = last.map_or(StageOutcome::Running, |last| last.outcome);
        let stage = last.map_or(boot.furthest, |last| last.stage);
        let standing = BootStanding::of(boot, stage, outcome);
        let (word, tone) = state(boot, (stage, outcome), last, is_silent);
        let moving = standing.is_moving(is_silent);
        let runs = moving && last.is_some_and(|it| it.outcome == StageOutcome::Running);
        let sign = if runs {
            now.max(boot.last_at)
        } else {
            boot.last_at
        };
        let total = boot.stages.iter().map(end).fold(sign, Ord::max);
        let total = micros(total.since(boot.began_at));
        let hidden = boot.stages.len().saturating_sub(MOST);
        let scale = Scale::of(boot, total, runs);
        let mut shown: Vec<&StageRecord> = boot.stages[hidden..].iter().collect();
        // Two servers may note what they saw in another order than it happened.
        shown.sort_by_key(|stage| stage.at);
        let lanes = shown
            .into_iter()
            .map(|stage| lane(stage, boot.began_at, &scale, runs && last == Some(stage)));
        Self {
            began_at: boot.began_at,
            last_at: boot.last_at,
            word,
            text: last.map_or_else(String::new, |last| match last.detail.as_str() {
                // What the word says is not said again.
                "" if says(last.stage, word) => String::new(),
                "" => label(last.stage).to_owned(),
                detail if detail == word || detail == TO_DISK => String::new(),
                detail if says(last.stage, word) => match detail.split_once("; ") {
                    Some((why, TO_DISK)) => why.to_owned(),
                    _ => detail.to_owned(),
                },
                detail => format!("{}: {detail}", label(last.stage)),
            }),
            tone,
            moving,
            total,
            runs,
            is_shortened: scale.is_shortened(),
            steps: steps(boot, tone, moving),
            hidden,
            lanes: lanes.collect(),
        }
    }
}

/// What a machine waits for that nobody has let in.
const APPROVAL: &str = "waits for approval";

/// What a machine that was let go to its disk is told after the reason.
const TO_DISK: &str = "sent to its disk";
/// The word for a boot that ended at the disk.
const LEFT: &str = "went to its disk";

/// Whether the word for a boot tells its last stage.
fn says(stage: BootStage, word: &str) -> bool {
    word == doing(stage) || (stage == BootStage::Leave && word == LEFT)
}

/// The word for a boot and its colour.
fn state(
    boot: &Boot,
    (stage, outcome): (BootStage, StageOutcome),
    last: Option<&StageRecord>,
    silent: bool,
) -> (&'static str, &'static str) {
    match (stage, outcome) {
        (_, StageOutcome::Failed) => ("failed", "bad"),
        (_, StageOutcome::Refused) => ("refused", "bad"),
        (BootStage::Leave, _) => (LEFT, "calm"),
        (BootStage::Config, StageOutcome::Done) => ("config served", "good"),
        (BootStage::Installed, _) => ("installed", "good"),
        (BootStage::Ready, _) => ("is up", "good"),
        (BootStage::Restart, _) if boot.furthest == BootStage::Installed => ("installed", "good"),
        (BootStage::Wipe, StageOutcome::Done) => ("wiped", "good"),
        (BootStage::Restart, _) => ("restarted", "calm"),
        (BootStage::Maintenance, StageOutcome::Running) => ("waits for a config", "accent"),
        (BootStage::Start, _) if silent => (doing(stage), "calm"),
        _ if boot.left_at == Some(boot.last_at) => (LEFT, "calm"),
        (BootStage::Hold, _) if silent => ("stopped waiting", "calm"),
        _ if silent => ("broke off", "bad"),
        (BootStage::Hold, StageOutcome::Running) => match last {
            Some(last) if !["", APPROVAL].contains(&last.detail.as_str()) => {
                ("waits for a person", "wait")
            }
            _ => (APPROVAL, "wait"),
        },
        (stage, _) => (doing(stage), "accent"),
    }
}

/// The six parts of a boot, as far as it has come.
fn steps(boot: &Boot, tone: &'static str, moving: bool) -> [&'static str; 6] {
    let part = match boot.furthest {
        BootStage::Discover | BootStage::ProxyRequest => 0,
        BootStage::Loader | BootStage::Autoexec => 1,
        BootStage::Ipxe => 2,
        BootStage::Script | BootStage::Hold => 3,
        BootStage::Kernel | BootStage::Initramfs => 4,
        _ => 5,
    };
    std::array::from_fn(|index| match (index.cmp(&part), tone) {
        (std::cmp::Ordering::Less, _) => "done",
        (std::cmp::Ordering::Greater, _) => "ahead",
        (_, "wait" | "bad") => tone,
        _ if moving => "now",
        _ => "done",
    })
}

/// Where a moment of a boot lies in its picture. A wait for a person can be far longer than all the rest, which would be seen no
/// more: it is then drawn as long as the rest.
struct Scale {
    /// When it waited, as beginning and end.
    waits: Vec<(u64, u64)>,
    waited: u64,
    /// How long all waits together are drawn.
    drawn: u64,
    total: u64,
}

impl Scale {
    /// `runs`: whether the last stage goes on until `total`.
    fn of(boot: &Boot, total: u64, runs: bool) -> Self {
        let mut waits: Vec<(u64, u64)> = Vec::new();
        for stage in &boot.stages {
            let begin = micros(stage.at.since(boot.began_at));
            let end = if runs && boot.stages.last() == Some(stage) {
                total
            } else {
                begin
                    .saturating_add(stage.duration_us.unwrap_or(0))
                    .min(total)
            };
            let begin = begin.max(waits.last().map_or(0, |(_, end)| *end));
            if stage.stage == BootStage::Hold && begin < end {
                waits.push((begin, end));
            }
        }
        let waited: u64 = waits.iter().map(|(begin, end)| end - begin).sum();
        Self {
            waits,
            waited,
            drawn: waited.min((total - waited).max(1)),
            total,
        }
    }

    fn is_shortened(&self) -> bool {
        self.drawn < self.waited
    }

    /// The place of a moment, from 0 to [`WIDTH`].
    fn place(&self, at: u64) -> u64 {
        let waited = self
            .waits
            .iter()
            .map(|(begin, end)| at.min(*end).saturating_sub(*begin));
        let waited: u64 = waited.sum();
        let of = |part: u64, whole: u64, width: u64| {
            u128::from(part) * u128::from(width) / u128::from(whole.max(1))
        };
        let drawn = of(waited, self.waited, self.drawn) + u128::from(at - waited);
        let whole = self.total - self.waited + self.drawn;
        (drawn * u128::from(WIDTH) / u128::from(whole.max(1))) as u64
    }
}

fn lane(stage: &StageRecord, began: Timestamp, scale: &Scale, runs: bool) -> Lane {
    let after = micros(stage.at.since(began));
    let x = scale.place(after);
    let end = if runs {
        WIDTH
    } else {
        scale.place(after.saturating_add(stage.duration_us.unwrap_or(0)))
    };
    // A stage that took no time is still seen.
    let width = end.saturating_sub(x).max(6);
    Lane {
        label: label(stage.stage),
        outcome: stage.outcome,
        tone: match (stage.stage, stage.outcome) {
            (_, StageOutcome::Failed | StageOutcome::Refused) => "bad",
            (BootStage::Hold, _) => "wait",
            (BootStage::Leave, _) => "calm",
            _ => "accent",
        },
        after,
        took: stage.duration_us,
        bytes: stage.bytes,
        retries: stage.retries,
        detail: stage.detail.clone(),
        x: x.min(WIDTH - width.min(WIDTH)),
        width,
    }
}

/// When a stage ended, as far as it is known.
fn end(stage: &StageRecord) -> Timestamp {
    stage
        .at
        .plus(Duration::from_micros(stage.duration_us.unwrap_or(0)))
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// What a stage is called.
fn label(stage: BootStage) -> &'static str {
    match stage {
        BootStage::Discover => "Firmware asks",
        BootStage::ProxyRequest => "Asks again",
        BootStage::Loader => "Boot loader",
        BootStage::Autoexec => "autoexec.ipxe",
        BootStage::Ipxe => "iPXE asks",
        BootStage::Script => "Boot script",
        BootStage::Hold => "Waits",
        BootStage::Leave => "To its disk",
        BootStage::Kernel => "Kernel",
        BootStage::Initramfs => "Initramfs",
        BootStage::Config => "Config",
        BootStage::Talos => "Talos",
        BootStage::Maintenance => "Maintenance mode",
        BootStage::Wipe => "Wipe",
        BootStage::Start => "Services",
        BootStage::Install => "Install",
        BootStage::Restart => "Restart",
        BootStage::Installed => "Installed",
        BootStage::Ready => "Up",
    }
}

/// What a machine does while it is at a stage.
fn doing(stage: BootStage) -> &'static str {
    match stage {
        BootStage::Discover | BootStage::ProxyRequest => "firmware starts",
        BootStage::Loader | BootStage::Autoexec => "loads iPXE",
        BootStage::Ipxe => "iPXE starts",
        BootStage::Script | BootStage::Hold => "runs its script",
        BootStage::Leave => "goes to its disk",
        BootStage::Kernel => "loads the kernel",
        BootStage::Initramfs => "starts Talos",
        BootStage::Config => "fetches its config",
        BootStage::Talos => "runs Talos",
        BootStage::Maintenance => "waits for a config",
        BootStage::Wipe => "wipes its disk",
        BootStage::Start => "brings its services up",
        BootStage::Install => "installs",
        BootStage::Restart => "restarts",
        BootStage::Installed => "installed",
        BootStage::Ready => "is up",
    }
}

#[cfg(test)]
mod tests {
    use model::{BootId, DeviceId};

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).plus(Duration::from_secs(seconds))
    }

    fn boot(stages: &[(BootStage, u64, u64, StageOutcome)]) -> Boot {
        let stages: Vec<StageRecord> = stages
            .iter()
            .map(|(stage, from, took, outcome)| StageRecord {
                stage: *stage,
                at: at(*from),
                duration_us: Some(took * 1_000_000),
                bytes: None,
                retries: None,
                peer: None,
                outcome: *outcome,
                detail: String::new(),
            })
            .collect();
        let last = stages.last().unwrap();
        Boot {
            id: BootId(1),
            device: DeviceId(1),
            number: 1,
            began_at: stages[0].at,
            last_at: last.at,
            furthest: stages.iter().map(|stage| stage.stage).max().unwrap(),
            left_at: None,
            stages: stages.clone(),
        }
    }

    #[test]
    fn what_the_word_says_is_not_said_again() {
        let mut waiting = boot(&[(BootStage::Hold, 0, 0, StageOutcome::Running)]);
        waiting.stages[0].detail = "waits for approval".to_owned();
        let told = |boot: &Boot| BootPicture::new(boot, at(1)).text;
        assert_eq!(told(&waiting), "");
        waiting.stages[0].detail = "wipe not proven".to_owned();
        assert_eq!(told(&waiting), "Waits: wipe not proven");
        assert_eq!(BootPicture::new(&waiting, at(1)).word, "waits for a person");
        let mut left = boot(&[(BootStage::Leave, 0, 0, StageOutcome::Done)]);
        for (detail, text) in [
            ("", ""),
            ("sent to its disk", ""),
            ("installed; sent to its disk", "installed"),
            (
                "sent to its disk, as ordered",
                "sent to its disk, as ordered",
            ),
        ] {
            left.stages[0].detail = detail.to_owned();
            assert_eq!(told(&left), text, "{detail}");
        }
    }

    #[test]
    fn a_wait_that_goes_on_is_drawn_to_the_present() {
        use BootStage::*;
        let mut waiting = boot(&[
            (Discover, 0, 0, StageOutcome::Done),
            (Hold, 10, 0, StageOutcome::Running),
        ]);
        waiting.stages[1].duration_us = None;
        let picture = BootPicture::new(&waiting, at(15));
        assert!(picture.runs);
        assert_eq!(picture.total, 15_000_000);
        assert_eq!((picture.lanes[1].x, picture.lanes[1].width), (666, 334));
        // What was silent for long goes on no more.
        assert!(!BootPicture::new(&waiting, at(900)).runs);
    }

    #[test]
    fn a_boot_is_told_in_a_word() {
        use BootStage::*;
        use StageOutcome::*;
        for (stage, outcome, now, word, moving) in [
            (Discover, Done, 1, "firmware starts", true),
            (Hold, Running, 1, "waits for approval", true),
            (Hold, Running, 700, "stopped waiting", false),
            (Hold, Done, 1, "runs its script", true),
            (Kernel, Running, 1, "loads the kernel", true),
            (Kernel, Done, 700, "broke off", false),
            (Kernel, Failed, 1, "failed", false),
            (Config, Refused, 1, "refused", false),
            (Config, Done, 700, "config served", false),
            (Leave, Done, 1, "went to its disk", false),
            (Talos, Done, 1, "runs Talos", true),
            (Maintenance, Running, 1, "waits for a config", true),
            (Install, Running, 1, "installs", true),
            (Install, Running, 700, "broke off", false),
            (Install, Failed, 1, "failed", false),
            (Installed, Done, 700, "installed", false),
            (Wipe, Running, 1, "wipes its disk", true),
            (Wipe, Done, 700, "wiped", false),
            (Start, Running, 700, "brings its services up", false),
            (Ready, Done, 700, "is up", false),
        ] {
            let picture = BootPicture::new(&boot(&[(stage, 0, 0, outcome)]), at(now));
            assert_eq!(
                (picture.word, picture.moving),
                (word, moving),
                "{stage} {outcome} {now}"
            );
        }
    }

    #[test]
    fn stages_lie_where_they_happened() {
        use BootStage::*;
        use StageOutcome::Done;
        let boot = boot(&[
            (Discover, 0, 0, Done),
            (Hold, 10, 50, Done),
            (Kernel, 60, 20, Done),
            (Initramfs, 80, 20, Done),
        ]);
        let picture = BootPicture::new(&boot, at(100));
        let places: Vec<(u64, u64)> = picture
            .lanes
            .iter()
            .map(|lane| (lane.x, lane.width))
            .collect();
        assert_eq!(places, [(0, 6), (100, 500), (600, 200), (800, 200)]);
        assert_eq!(picture.total, 100_000_000);
        assert_eq!(
            picture.steps,
            ["done", "done", "done", "done", "now", "ahead"]
        );
        assert!(!picture.is_shortened);
    }

    #[test]
    fn stages_are_listed_in_the_order_of_time() {
        use BootStage::*;
        use StageOutcome::Done;
        let boot = boot(&[
            (Discover, 0, 0, Done),
            (Config, 42, 0, Done),
            (Talos, 41, 0, Done),
        ]);
        let picture = BootPicture::new(&boot, at(50));
        let labels: Vec<&str> = picture.lanes.iter().map(|lane| lane.label).collect();
        assert_eq!(labels, ["Firmware asks", "Talos", "Config"]);
        assert_eq!(picture.word, "runs Talos");
    }

    #[test]
    fn a_long_wait_leaves_room_for_the_rest() {
        use BootStage::*;
        use StageOutcome::Done;
        let boot = boot(&[
            (Discover, 0, 0, Done),
            (Hold, 10, 980, Done),
            (Kernel, 990, 10, Done),
        ]);
        let picture = BootPicture::new(&boot, at(1000));
        let places: Vec<(u64, u64)> = picture
            .lanes
            .iter()
            .map(|lane| (lane.x, lane.width))
            .collect();
        assert_eq!(places, [(0, 6), (250, 500), (750, 250)]);
        assert!(picture.is_shortened);
    }
}
