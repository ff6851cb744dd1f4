//! What a boot gets: the whole decision as one function of what is known at that moment.

use std::time::Duration;

use crate::{Approval, Device, NetworkSettings, StandingOrder, Wipe};

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
    },
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

/// For a machine that was let in.
fn approved(device: &Device, state: BootState<'_>) -> BootDecision {
    if matches!(device.life.wipe, Wipe::Asked { .. }) {
        return hold(HoldReason::WipeAsked, state);
    }
    match device.life.order {
        StandingOrder::Local => BootDecision::Leave(LeaveReason::Ordered),
        StandingOrder::Menu => BootDecision::Menu {
            timeout: LONG_MENU,
            why: MenuDefault::Ordered,
        },
        StandingOrder::Install if device.config_released_at.is_some() => BootDecision::Menu {
            timeout: LONG_MENU,
            why: MenuDefault::Unproven,
        },
        StandingOrder::Install if !state.assets_at_hand => hold(HoldReason::AssetMissing, state),
        StandingOrder::Install => {
            let released: Released = state.held.is_some();
            let seconds = u64::from(state.settings.menu_seconds);
            BootDecision::Install {
                menu: (seconds > 0 && !released).then(|| Duration::from_secs(seconds)),
            }
        }
    }
}

/// Holds until the limit is reached.
fn hold(why: HoldReason, state: BootState<'_>) -> BootDecision {
    let limit = Duration::from_secs(u64::from(state.settings.hold_limit_seconds));
    if state.held.unwrap_or_default() >= limit {
        BootDecision::Leave(LeaveReason::HoldLimit)
    } else {
        BootDecision::Hold(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, DeviceId, EphemeralVolume, Inventory, Lifecycle, Timestamp};

    fn device(approval: Approval, order: StandingOrder) -> Device {
        let at = Timestamp::from_micros(0);
        Device {
            id: DeviceId(1),
            mac: "52:54:00:00:00:01".parse().unwrap(),
            hostname: None,
            ip_address: None,
            role: None,
            approval,
            life: Lifecycle {
                order,
                ..Lifecycle::default()
            },
            labels: crate::Labels::default(),
            notes: String::new(),
            install_disk: None,
            ephemeral: EphemeralVolume::default(),
            local_boot: crate::LocalBoot::Auto,
            loader: None,
            inventory: Inventory::default(),
            first_seen: None,
            last_seen: None,
            last_config_download: None,
            config_released_at: None,
            created_at: at,
            updated_at: at,
        }
    }

    fn approvals() -> [Approval; 3] {
        let (by, at) = (Actor::System, Timestamp::from_micros(0));
        [
            Approval::Pending,
            Approval::Approved { by: by.clone(), at },
            Approval::Rejected { by, at },
        ]
    }

    /// Every row of the table, for each combination of what it depends on, as one word a line.
    #[test]
    fn every_combination_has_its_outcome() {
        let mut seen = std::collections::BTreeMap::<String, usize>::new();
        for approval in approvals() {
            for order in StandingOrder::ALL {
                for strict_boot_mode in [true, false] {
                    for held in [
                        None,
                        Some(Duration::from_secs(299)),
                        Some(Duration::from_secs(300)),
                    ] {
                        for released in [None, Some(Timestamp::from_micros(1))] {
                            for wipe_asked_at in [None, Some(Timestamp::from_micros(1))] {
                                for assets_at_hand in [true, false] {
                                    let mut device = Device {
                                        config_released_at: released,
                                        ..device(approval.clone(), *order)
                                    };
                                    if let Some(at) = wipe_asked_at {
                                        device.life.wipe = Wipe::Asked { at };
                                    }
                                    let settings = NetworkSettings {
                                        strict_boot_mode,
                                        ..NetworkSettings::default()
                                    };
                                    let decision = decide(BootState {
                                        device: Some(&device),
                                        settings: &settings,
                                        held,
                                        assets_at_hand,
                                    });
                                    let pending = approval == Approval::Pending;
                                    let over = held == Some(Duration::from_secs(300));
                                    let expected = if pending && !strict_boot_mode {
                                        BootDecision::LocalElseTalos { menu: OPEN_MENU }
                                    } else if pending {
                                        if over {
                                            BootDecision::Leave(LeaveReason::HoldLimit)
                                        } else {
                                            BootDecision::Hold(HoldReason::Approval)
                                        }
                                    } else if !approval.is_approved() {
                                        BootDecision::Leave(LeaveReason::Rejected)
                                    } else if wipe_asked_at.is_some() {
                                        if over {
                                            BootDecision::Leave(LeaveReason::HoldLimit)
                                        } else {
                                            BootDecision::Hold(HoldReason::WipeAsked)
                                        }
                                    } else {
                                        match order {
                                            StandingOrder::Local => {
                                                BootDecision::Leave(LeaveReason::Ordered)
                                            }
                                            StandingOrder::Menu => BootDecision::Menu {
                                                timeout: LONG_MENU,
                                                why: MenuDefault::Ordered,
                                            },
                                            StandingOrder::Install if released.is_some() => {
                                                BootDecision::Menu {
                                                    timeout: LONG_MENU,
                                                    why: MenuDefault::Unproven,
                                                }
                                            }
                                            StandingOrder::Install if !assets_at_hand && over => {
                                                BootDecision::Leave(LeaveReason::HoldLimit)
                                            }
                                            StandingOrder::Install if !assets_at_hand => {
                                                BootDecision::Hold(HoldReason::AssetMissing)
                                            }
                                            StandingOrder::Install => BootDecision::Install {
                                                menu: held
                                                    .is_none()
                                                    .then_some(Duration::from_secs(3)),
                                            },
                                        }
                                    };
                                    assert_eq!(
                                        decision, expected,
                                        "{device:?} {settings:?} held {held:?}"
                                    );
                                    *seen.entry(format!("{decision:?}")).or_default() += 1;
                                }
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(seen.len(), 11, "{seen:#?}");
    }

    #[test]
    fn an_unknown_machine_is_as_a_pending_one() {
        for strict_boot_mode in [true, false] {
            let settings = NetworkSettings {
                strict_boot_mode,
                ..NetworkSettings::default()
            };
            let pending = device(Approval::Pending, StandingOrder::Install);
            let of = |device| {
                decide(BootState {
                    device,
                    settings: &settings,
                    held: None,
                    assets_at_hand: true,
                })
            };
            assert_eq!(of(None), of(Some(&pending)));
        }
    }

    #[test]
    fn a_limit_of_zero_lets_it_leave_at_once() {
        let settings = NetworkSettings {
            hold_limit_seconds: 0,
            ..NetworkSettings::default()
        };
        let decision = decide(BootState {
            device: None,
            settings: &settings,
            held: None,
            assets_at_hand: true,
        });
        assert_eq!(decision, BootDecision::Leave(LeaveReason::HoldLimit));
    }

    #[test]
    fn a_menu_time_of_zero_shows_none() {
        let settings = NetworkSettings {
            menu_seconds: 0,
            ..NetworkSettings::default()
        };
        let [_, approved, _] = approvals();
        let device = device(approved, StandingOrder::Install);
        let decision = decide(BootState {
            device: Some(&device),
            settings: &settings,
            held: None,
            assets_at_hand: true,
        });
        assert_eq!(decision, BootDecision::Install { menu: None });
    }
}
