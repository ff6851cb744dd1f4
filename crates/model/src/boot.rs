//! One attempt of one device, from its first packet to the node that is up, or to Talos on its disk.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::word_enum;
use crate::id::row_id;
use crate::{DeviceId, Timestamp};

row_id! {
    /// Names one boot.
    BootId
}

word_enum! {
    /// A step of a boot, in the order in which a machine takes them. Not every machine takes every step.
    BootStage, "a boot stage", {
        /// The firmware asked by DHCP and was offered a boot program.
        Discover = "discover",
        /// The firmware asked again on port 4011 and was answered.
        ProxyRequest = "proxy_request",
        /// A network boot loader went out.
        Loader = "loader",
        /// iPXE's `autoexec.ipxe` went out.
        Autoexec = "autoexec",
        /// iPXE asked by DHCP and was offered its script.
        Ipxe = "ipxe",
        /// A boot script went out.
        Script = "script",
        /// The machine waits for a person.
        Hold = "hold",
        /// The machine was sent to its disk.
        Leave = "leave",
        /// The kernel went out.
        Kernel = "kernel",
        /// The initramfs went out.
        Initramfs = "initramfs",
        /// The device config went out, or was refused.
        Config = "config",
        /// Talos said its first word: its kernel runs and it has the network.
        Talos = "talos",
        /// Talos waits for a config; nothing is written.
        Maintenance = "maintenance",
        /// Talos wipes its disk.
        Wipe = "wipe",
        /// Talos brings its services up.
        Start = "start",
        /// Talos writes itself to the disk.
        Install = "install",
        /// Talos restarts the machine.
        Restart = "restart",
        /// Talos and its config are on the disk.
        Installed = "installed",
        /// The node is up, and all it needs is there.
        Ready = "ready",
    }
}

word_enum! {
    /// How a stage ended.
    StageOutcome, "an outcome: running, done, failed or refused", {
        /// It is under way.
        Running = "running",
        /// It went well.
        Done = "done",
        /// It broke off.
        Failed = "failed",
        /// It was answered with a no.
        Refused = "refused",
    }
}

/// One attempt of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Boot {
    /// Its row.
    pub id: BootId,
    /// The device that boots.
    pub device: DeviceId,
    /// Which of its boots it is, from 1.
    #[serde(default)]
    pub number: u64,
    /// When its first packet came.
    pub began_at: Timestamp,
    /// When it was last heard of.
    pub last_at: Timestamp,
    /// The last stage it reached.
    pub furthest: BootStage,
    /// When it was last sent to its disk.
    pub left_at: Option<Timestamp>,
    /// Its stages, in order; empty where only the summary was asked for.
    pub stages: Vec<StageRecord>,
}

/// One stage of a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StageRecord {
    /// Which one.
    pub stage: BootStage,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in microseconds, as far as it is known.
    pub duration_us: Option<u64>,
    /// How many bytes of content went out.
    pub bytes: Option<u64>,
    /// How often something had to be sent again.
    pub retries: Option<u32>,
    /// The address of the machine in it.
    #[schema(value_type = Option<String>)]
    pub peer: Option<IpAddr>,
    /// How it ended.
    pub outcome: StageOutcome,
    /// What a person should know of it: the file, the reason of a refusal. Never a secret.
    pub detail: String,
}

word_enum! {
    /// How the last boot of a machine stands, whatever the moment; with its silence that says whether it goes on or has failed.
    BootStanding, "a standing of a boot", {
        /// Its last stage failed or was refused.
        Failed = "failed",
        /// It waits for a person, who may take long.
        Waits = "waits",
        /// It goes on: if it falls silent it has failed.
        Goes = "goes",
        /// It goes on, and to fall silent is no failure.
        MayFallSilent = "may_fall_silent",
        /// Talos waits for a config, however long.
        WaitsForConfig = "waits_for_config",
        /// It came to its end.
        Ended = "ended",
    }
}

impl BootStanding {
    /// Of a boot with this last stage.
    pub fn of(boot: &Boot, stage: BootStage, outcome: StageOutcome) -> Self {
        match (stage, outcome) {
            (_, StageOutcome::Failed | StageOutcome::Refused) => Self::Failed,
            (
                BootStage::Leave | BootStage::Restart | BootStage::Installed | BootStage::Ready,
                _,
            )
            | (BootStage::Config | BootStage::Wipe, StageOutcome::Done) => Self::Ended,
            (BootStage::Maintenance, StageOutcome::Running) => Self::WaitsForConfig,
            _ if boot.left_at == Some(boot.last_at) => Self::Ended,
            (BootStage::Hold, StageOutcome::Running) => Self::Waits,
            // A node may be silent for long while it waits for the rest of its cluster.
            (BootStage::Start | BootStage::Hold, _) => Self::MayFallSilent,
            _ => Self::Goes,
        }
    }

    /// Whether more is to be expected.
    pub fn is_moving(self, is_silent: bool) -> bool {
        match self {
            Self::Waits | Self::Goes | Self::MayFallSilent => !is_silent,
            Self::WaitsForConfig => true,
            Self::Failed | Self::Ended => false,
        }
    }

    /// Whether it came to nothing.
    pub fn has_failed(self, is_silent: bool) -> bool {
        self == Self::Failed || self == Self::Goes && is_silent
    }
}

/// A boot that was silent for this long is over.
const OVER_AFTER: Duration = Duration::from_secs(600);
/// A machine sent to its disk tries its other network boot entries for this long, which is still the same boot.
const LEAVING_FOR: Duration = Duration::from_secs(60);

/// Whether `stage` of a device at `now` begins a new boot, given its last one.
pub fn begins_boot(last: Option<&Boot>, stage: BootStage, now: Timestamp) -> bool {
    let Some(last) = last else { return true };
    if stage > BootStage::Talos {
        // However long ago Talos began, what it says of itself belongs to that.
        return false;
    }
    if now.since(last.last_at) > OVER_AFTER {
        return true;
    }
    let first_packet = matches!(stage, BootStage::Discover | BootStage::Ipxe);
    // What takes no time is told when it happens; with a clock that was set back, nothing says how long ago the last word was.
    let since = if first_packet {
        last.last_at
    } else {
        last.began_at
    };
    let set_back = now.is_set_back_since(since);
    if last.furthest >= BootStage::Talos {
        // Of these, Talos itself only fetches a config. A transfer that ends late began before.
        let is_later = now > last.last_at || set_back;
        return stage == BootStage::Talos || stage != BootStage::Config && is_later;
    }
    if !first_packet {
        return false;
    }
    if let Some(left_at) = last.left_at {
        return now.since(left_at) > LEAVING_FOR || set_back;
    }
    match (stage, last.furthest) {
        // A loader that went out may be fetched again, as firmware does whose first try broke off.
        (BootStage::Discover, BootStage::Loader) => {
            now.since(last.last_at) > LEAVING_FOR || set_back
        }
        // Firmware starts from nothing, so a boot that had come further has been cut short.
        (BootStage::Discover, furthest) => furthest > BootStage::Loader,
        // iPXE follows a loader; where it is the firmware itself, it is the first packet.
        (_, furthest) => furthest > BootStage::Ipxe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).plus(Duration::from_secs(seconds))
    }

    fn boot(furthest: BootStage, left: Option<u64>) -> Boot {
        Boot {
            id: BootId(1),
            device: DeviceId(1),
            number: 1,
            began_at: at(0),
            last_at: at(100),
            furthest,
            left_at: left.map(at),
            stages: Vec::new(),
        }
    }

    #[test]
    fn knows_a_new_power_on_from_the_next_step() {
        use BootStage::*;
        for (furthest, left, stage, now, expected) in [
            (Discover, None, Discover, 104, false),
            (ProxyRequest, None, Discover, 104, false),
            (Loader, None, Discover, 104, false),
            (Loader, None, Discover, 170, true),
            (Loader, None, Ipxe, 104, false),
            (Ipxe, None, Ipxe, 104, false),
            (Script, None, Ipxe, 130, true),
            (Hold, None, Discover, 104, true),
            (Hold, None, Script, 125, false),
            (Leave, Some(100), Discover, 115, false),
            (Leave, Some(100), Ipxe, 120, false),
            (Leave, Some(100), Discover, 170, true),
            (Config, None, Discover, 130, true),
            (Kernel, None, Config, 130, false),
            (Hold, None, Script, 701, true),
            // Talos, from the network or from the disk, in the boot that led to it.
            (Initramfs, None, Talos, 130, false),
            (Leave, Some(100), Talos, 130, false),
            (Config, None, Talos, 701, true),
            (Talos, None, Config, 130, false),
            (Talos, None, Install, 130, false),
            // A node may wait long for the rest of its cluster.
            (Start, None, Ready, 90_000, false),
            // It restarted, straight into the next kernel or through the firmware.
            (Installed, None, Talos, 130, true),
            (Ready, None, Talos, 90_000, true),
            (Installed, None, Discover, 130, true),
            (Installed, None, Script, 130, true),
            (Installed, None, Discover, 100, false),
        ] {
            let got = begins_boot(Some(&boot(furthest, left)), stage, at(now));
            assert_eq!(got, expected, "{furthest} then {stage} at {now}");
        }
        assert!(begins_boot(None, Config, at(0)));
    }

    #[test]
    fn a_clock_that_was_set_back_hides_no_power_on() {
        use BootStage::*;
        let hour = Duration::from_secs(3600);
        for (furthest, left, stage, expected) in [
            (Discover, None, Discover, false),
            (Loader, None, Discover, true),
            (Leave, Some(100), Discover, true),
            (Leave, Some(100), Ipxe, true),
            (Ready, None, Discover, true),
            (Ready, None, Ipxe, true),
            // The machine may have had its config since then, and the kernel that fetches it tells itself.
            (Ready, None, Config, false),
        ] {
            let last = boot(furthest, left);
            let early = last.began_at.minus(hour + Duration::from_micros(1));
            assert_eq!(
                begins_boot(Some(&last), stage, early),
                expected,
                "{furthest} then {stage}"
            );
            let slip = last.last_at.minus(hour);
            assert!(
                !begins_boot(Some(&last), stage, slip),
                "{furthest} then {stage}"
            );
        }
    }
}
