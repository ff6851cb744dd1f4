//! What a boot gets: the whole decision as one function of what is known at that moment.

use std::time::Duration;

use crate::{Approval, BootId, Device, Install, NetworkSettings, StandingOrder, Timestamp, Wipe};

/// All that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct BootState<'a> {
    /// The device, if it is known.
    pub device: Option<&'a Device>,
    /// The settings in force.
    pub settings: &'a NetworkSettings,
    /// How long this boot has been held already; `None` if it comes for the first time.
    pub held: Option<Duration>,
    /// Whether kernel and initramfs for the machine are at hand.
    pub assets_at_hand: bool,
    /// The moment.
    pub now: Timestamp,
    /// The machine's present boot, as far as it was looked up: an attempt that began in it goes on.
    pub boot: Option<BootId>,
}

/// What one boot gets at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDecision {
    /// Shows why it waits, and asks again.
    Hold(HoldReason),
    /// Goes to its disk.
    Leave(LeaveReason),
    /// Tries the local disks; only if none boots, a menu that runs Talos without a config after `menu`.
    LocalElseTalos {
        /// How long the menu waits.
        menu: Duration,
    },
    /// Runs Talos with the device's config, after a menu that defaults to that, if any.
    Install {
        /// How long the menu waits; `None` shows none.
        menu: Option<Duration>,
        /// Which attempt at the order it is, from 1.
        attempt: u32,
    },
    /// Runs Talos to wipe the disk. It may leave only once the order is spent.
    Wipe,
    /// Shows the menu; it defaults to the local disk.
    Menu {
        /// How long it waits.
        timeout: Duration,
        /// Why it is shown.
        why: MenuDefault,
    },
}

/// Why a machine waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// Nobody has decided whether it may join.
    Approval,
    /// A wipe was asked for at its console; a signed-in person has to confirm it.
    WipeAsked,
    /// Kernel or initramfs for it was not imported.
    AssetMissing,
    /// Its install was tried as often as the settings allow, and nothing proves it.
    InstallFailed,
    /// The script that wipes went out, and nothing proves what came of it.
    WipeNotProven,
    /// It boots with a card that nobody confirmed to be its.
    OtherCard,
    /// Two machines claim to be it.
    Conflict,
    /// A person said that it is not the machine whose card it has.
    TurnedAway,
}

/// Why a machine leaves to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// It was held as long as the settings allow.
    HoldLimit,
    /// It was rejected.
    Rejected,
    /// Its order says so.
    Ordered,
    /// Talos is on it.
    Installed,
}

/// Why the menu that defaults to the local disk is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuDefault {
    /// Its order says so.
    Ordered,
    /// Its config was served whole, and nothing proves that the install went well or badly: a second unattended install could
    /// destroy the first.
    Unproven,
}

impl BootDecision {
    /// The word for it, as the API writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hold(_) => "hold",
            Self::Leave(_) => "leave",
            Self::LocalElseTalos { .. } => "local_else_talos",
            Self::Install { .. } => "install",
            Self::Menu { .. } => "menu",
            Self::Wipe => "wipe",
        }
    }

    /// Why, where it is not simply what was ordered.
    pub const fn why(self) -> Option<&'static str> {
        match self {
            Self::Hold(why) => Some(why.in_words()),
            Self::Leave(why) => Some(why.in_words()),
            Self::Menu { why, .. } => Some(why.in_words()),
            Self::LocalElseTalos { .. } => {
                Some("strict boot mode is off: local disk, else Talos without a config")
            }
            Self::Install { .. } | Self::Wipe => None,
        }
    }
}

impl HoldReason {
    /// Why it waits.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Approval => "waits for approval",
            Self::WipeAsked => "a wipe was asked for at the console; waits for a signed-in person",
            Self::OtherCard => {
                "boots with a card that nobody confirmed to be its; waits for a person"
            }
            Self::Conflict => "two machines claim to be it; waits for a person",
            Self::TurnedAway => "another machine with its card, which a person turned away",
            Self::AssetMissing => "waits for a kernel and initramfs to be imported",
            Self::InstallFailed => "every attempt to install failed; waits for a signed-in person",
            Self::WipeNotProven => "wipe not proven; waits for a signed-in person",
        }
    }
}

impl LeaveReason {
    /// Why it leaves.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::HoldLimit => "held as long as it may be; sent to its disk",
            Self::Installed => "installed; sent to its disk",
            Self::Rejected => "rejected; sent to its disk",
            Self::Ordered => "sent to its disk, as ordered",
        }
    }
}

impl MenuDefault {
    /// Why it gets a menu.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Ordered => "menu, as ordered",
            Self::Unproven => {
                "menu that ends at the disk: its config was served and nothing proves what became of it"
            }
        }
    }
}

/// Whether a machine came out of a hold; it then skips the menu, for a person has just decided.
pub type Released = bool;

/// How long the menu of an order `menu`, or of an install without proof, waits.
const LONG_MENU: Duration = Duration::from_secs(60);
/// How long the menu of a machine without a bootable disk waits while strict boot mode is off.
const OPEN_MENU: Duration = Duration::from_secs(10);

/// Decides what one boot gets.
pub fn decide(state: BootState<'_>) -> BootDecision {
    let Some(device) = state.device else {
        return undecided(state);
    };
    match device.approval {
        Approval::Pending => undecided(state),
        Approval::Rejected { .. } => BootDecision::Leave(LeaveReason::Rejected),
        Approval::Approved { .. } => approved(device, state),
    }
}

/// For a machine that is unknown or pending.
fn undecided(state: BootState<'_>) -> BootDecision {
    if state.settings.strict_boot_mode {
        hold(HoldReason::Approval, state)
    } else {
        BootDecision::LocalElseTalos { menu: OPEN_MENU }
    }
}

/// For a machine that was let in. A wipe comes before the standing order, and its time may be over.
fn approved(device: &Device, state: BootState<'_>) -> BootDecision {
    match &device.life.wipe {
        Wipe::Spent { .. } => return hold(HoldReason::WipeNotProven, state),
        wipe if wipe.is_over(state.now) => {}
        Wipe::Ordered { .. } if !state.assets_at_hand => {
            return hold(HoldReason::AssetMissing, state);
        }
        Wipe::Ordered { .. } => return BootDecision::Wipe,
        Wipe::Asked { .. } => return hold(HoldReason::WipeAsked, state),
        Wipe::None | Wipe::Proven { .. } => {}
    }
    match device.life.order {
        StandingOrder::Local => BootDecision::Leave(match device.life.install {
            Install::Installed { .. } => LeaveReason::Installed,
            _ => LeaveReason::Ordered,
        }),
        StandingOrder::Menu => BootDecision::Menu {
            timeout: LONG_MENU,
            why: MenuDefault::Ordered,
        },
        StandingOrder::Install => install(&device.life.install, state),
    }
}

/// For a machine whose order is to install.
fn install(install: &Install, state: BootState<'_>) -> BootDecision {
    let attempt = match *install {
        // Nothing is installed over a proven install without a new order.
        Install::Installed { .. } => return BootDecision::Leave(LeaveReason::Installed),
        Install::Waiting { .. } => 1,
        // It asks again before its config went out.
        Install::Begun {
            attempt,
            released: false,
            boot,
            ..
        } if boot.is_some() && boot == state.boot => attempt,
        // Silence tells nothing of a machine that was not to speak.
        Install::Begun { reports, .. } | Install::Failed { reports, .. }
            if !reports || !state.settings.reports =>
        {
            return BootDecision::Menu {
                timeout: LONG_MENU,
                why: MenuDefault::Unproven,
            };
        }
        Install::Begun { attempt, .. } | Install::Failed { attempt, .. } => {
            if attempt >= state.settings.install_attempts {
                return hold(HoldReason::InstallFailed, state);
            }
            attempt + 1
        }
    };
    if !state.assets_at_hand {
        return hold(HoldReason::AssetMissing, state);
    }
    let released: Released = state.held.is_some();
    let seconds = u64::from(state.settings.menu_seconds);
    BootDecision::Install {
        menu: (seconds > 0 && !released).then(|| Duration::from_secs(seconds)),
        attempt,
    }
}

/// Holds until the limit is reached.
pub(crate) fn hold(why: HoldReason, state: BootState<'_>) -> BootDecision {
    let limit = Duration::from_secs(u64::from(state.settings.hold_limit_seconds));
    if state.held.unwrap_or_default() >= limit {
        BootDecision::Leave(LeaveReason::HoldLimit)
    } else {
        BootDecision::Hold(why)
    }
}

#[cfg(test)]
mod tests;
