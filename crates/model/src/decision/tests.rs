//! The table of DESIGN section 5, row by row.

use super::*;
use crate::{Actor, DeviceId, EphemeralVolume, Inventory, Labels, Lifecycle, ProofSource};

const THIS: Option<BootId> = Some(BootId(7));
const OTHER: Option<BootId> = Some(BootId(6));
/// When the tests look; a wipe that was ordered at 0 still holds.
const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn device(approval: Approval, life: Lifecycle) -> Device {
    let at = Timestamp::from_micros(0);
    Device {
        id: DeviceId(1),
        mac: "52:54:00:00:00:01".parse().unwrap(),
        hostname: None,
        ip_address: None,
        role: None,
        approval,
        life,
        labels: Labels::default(),
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

/// Each way an install can stand, with its name.
fn installs() -> Vec<(&'static str, Install)> {
    let at = Timestamp::from_micros(0);
    let begun = |attempt, boot, released, reports| Install::Begun {
        attempt,
        since: at,
        boot,
        released,
        reports,
    };
    let failed = |attempt, reports| Install::Failed {
        attempt,
        at,
        boot: OTHER,
        error: None,
        last_stage: None,
        reports,
    };
    let by = ProofSource::Events;
    vec![
        ("waiting", Install::default()),
        ("begun 1", begun(1, OTHER, true, true)),
        ("begun 1 here", begun(1, THIS, true, true)),
        ("begun 2 here, no config", begun(2, THIS, false, true)),
        ("begun 2, no config", begun(2, OTHER, false, true)),
        ("begun 3 here, no config", begun(3, THIS, false, true)),
        ("begun 1 mute", begun(1, OTHER, true, false)),
        ("failed 1", failed(1, true)),
        ("failed 2", failed(2, true)),
        ("failed 3", failed(3, true)),
        ("failed 1 mute", failed(1, false)),
        ("installed", Install::Installed { at, by }),
    ]
}

/// Each way a wipe can stand, with its name; the last has waited for a day.
fn wipes() -> Vec<(&'static str, Wipe)> {
    let at = Timestamp::from_micros(0);
    let by = || Actor::Person("ada".into());
    let then = StandingOrder::Menu;
    let ordered = |expires| Wipe::Ordered {
        by: by(),
        at,
        expires,
        then,
    };
    vec![
        ("none", Wipe::None),
        ("asked", Wipe::Asked { at }),
        ("ordered", ordered(NOW.plus(Duration::from_micros(1)))),
        ("spent", Wipe::Spent { by: by(), at, then }),
        (
            "proven",
            Wipe::Proven {
                at,
                by: ProofSource::Events,
            },
        ),
        ("over", ordered(NOW)),
    ]
}

fn word(decision: BootDecision) -> String {
    match decision {
        BootDecision::Install {
            menu: Some(menu),
            attempt,
        } => format!("install {attempt} after {} s", menu.as_secs()),
        BootDecision::Install {
            menu: None,
            attempt,
        } => format!("install {attempt}"),
        BootDecision::Menu { why, .. } => format!("menu {why:?}"),
        BootDecision::Hold(why) => format!("hold {why:?}"),
        BootDecision::Leave(why) => format!("leave {why:?}"),
        BootDecision::LocalElseTalos { .. } => "local or talos".to_owned(),
        BootDecision::Wipe => "wipe".to_owned(),
    }
}

/// What an approved machine with order `install` gets, by how its install stands: with reports and without.
const INSTALL: &str = "
waiting                 | install 1 after 3 s | install 1 after 3 s
begun 1                 | install 2 after 3 s | menu Unproven
begun 1 here            | install 2 after 3 s | menu Unproven
begun 2 here, no config | install 2 after 3 s | install 2 after 3 s
begun 2, no config      | install 3 after 3 s | menu Unproven
begun 3 here, no config | install 3 after 3 s | install 3 after 3 s
begun 1 mute            | menu Unproven       | menu Unproven
failed 1                | install 2 after 3 s | menu Unproven
failed 2                | install 3 after 3 s | menu Unproven
failed 3                | hold InstallFailed  | menu Unproven
failed 1 mute           | menu Unproven       | menu Unproven
installed               | leave Installed     | leave Installed
";

/// What an approved machine gets that is ordered to be wiped, or asked to, or was: before its standing order, if it is not `-`.
const WIPE: &str = "
none    | -
asked   | hold WipeAsked
ordered | wipe
spent   | hold WipeNotProven
proven  | -
over    | -
";

fn cells(table: &str, name: &str) -> Vec<String> {
    let rows = table.trim().lines();
    let mut rows = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect());
    rows.find(|row: &Vec<String>| row[0] == name).unwrap()
}

/// What the table says, without files and holds that are over.
fn expected(device: &Device, names: (&str, &str), settings: &NetworkSettings) -> String {
    match device.approval {
        Approval::Pending if settings.strict_boot_mode => return "hold Approval".to_owned(),
        Approval::Pending => return "local or talos".to_owned(),
        Approval::Rejected { .. } => return "leave Rejected".to_owned(),
        Approval::Approved { .. } => {}
    }
    let wipe = cells(WIPE, names.1).remove(1);
    if wipe != "-" {
        return wipe;
    }
    match device.life.order {
        StandingOrder::Local if names.0 == "installed" => "leave Installed".to_owned(),
        StandingOrder::Local => "leave Ordered".to_owned(),
        StandingOrder::Menu => "menu Ordered".to_owned(),
        StandingOrder::Install => {
            cells(INSTALL, names.0).remove(if settings.reports { 1 } else { 2 })
        }
    }
}

/// Every combination of what a decision depends on.
#[test]
fn every_combination_has_its_outcome() {
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for approval in approvals() {
        for order in StandingOrder::ALL {
            for (install_name, install) in installs() {
                for (wipe_name, wipe) in wipes() {
                    let life = Lifecycle {
                        order: *order,
                        install: install.clone(),
                        wipe,
                    };
                    let device = device(approval.clone(), life);
                    for flags in 0..8 {
                        let settings = NetworkSettings {
                            strict_boot_mode: flags & 1 > 0,
                            reports: flags & 2 > 0,
                            ..NetworkSettings::default()
                        };
                        let assets_at_hand = flags & 4 > 0;
                        let names = (install_name, wipe_name);
                        for held in [None, Some(299), Some(300)] {
                            let decision = decide(BootState {
                                device: Some(&device),
                                settings: &settings,
                                held: held.map(Duration::from_secs),
                                assets_at_hand,
                                now: NOW,
                                boot: THIS,
                            });
                            let mut wanted = expected(&device, names, &settings);
                            let runs = wanted == "wipe" || wanted.starts_with("install");
                            if runs && !assets_at_hand {
                                wanted = "hold AssetMissing".to_owned();
                            }
                            if held.is_some() {
                                // Whoever comes out of a hold is not asked again.
                                wanted = wanted.replace(" after 3 s", "");
                            }
                            if held == Some(300) && wanted.starts_with("hold") {
                                wanted = "leave HoldLimit".to_owned();
                            }
                            let got = word(decision);
                            assert_eq!(got, wanted, "{device:?} {settings:?} held {held:?}");
                            *seen.entry(got).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(seen.len(), 19, "{seen:#?}");
}

#[test]
fn an_unknown_machine_is_as_a_pending_one() {
    for strict_boot_mode in [true, false] {
        let settings = NetworkSettings {
            strict_boot_mode,
            ..NetworkSettings::default()
        };
        let pending = device(Approval::Pending, Lifecycle::default());
        let of = |device| decide(state(device, &settings));
        assert_eq!(of(None), of(Some(&pending)));
    }
}

#[test]
fn a_limit_of_zero_lets_it_leave_at_once() {
    let settings = NetworkSettings {
        hold_limit_seconds: 0,
        ..NetworkSettings::default()
    };
    let decision = decide(state(None, &settings));
    assert_eq!(decision, BootDecision::Leave(LeaveReason::HoldLimit));
}

#[test]
fn a_menu_time_of_zero_shows_none() {
    let settings = NetworkSettings {
        menu_seconds: 0,
        ..NetworkSettings::default()
    };
    let [_, approved, _] = approvals();
    let device = device(approved, Lifecycle::default());
    let decision = decide(state(Some(&device), &settings));
    let wanted = BootDecision::Install {
        menu: None,
        attempt: 1,
    };
    assert_eq!(decision, wanted);
}

/// Where the present boot was not looked up, an attempt that repeats counts as another.
#[test]
fn without_a_look_at_the_boot_no_attempt_goes_on() {
    let [_, approved, _] = approvals();
    let (_, install) = installs().swap_remove(3);
    let life = Lifecycle {
        install,
        ..Lifecycle::default()
    };
    let device = device(approved, life);
    let decision = decide(state(Some(&device), &NetworkSettings::default()));
    assert_eq!(word(decision), "install 3 after 3 s");
}

fn state<'a>(device: Option<&'a Device>, settings: &'a NetworkSettings) -> BootState<'a> {
    BootState {
        device,
        settings,
        held: None,
        assets_at_hand: true,
        now: NOW,
        boot: None,
    }
}
