//! Boots of machines as short scripts, and what each comes to.

mod kernel_log;
mod properties;

use super::*;
use crate::talos::{
    RestartCommand, SequenceAction, SequenceError, StepAction, TalosEvent, TalosNotice, TalosStage,
};

/// Reads a line of a script: `+s install` begins a sequence, `-s install` ends it, `+p`, `-p`, `+t`, `-t` do so for phases and tasks,
/// `!install fatal text` is an error, `=running ready` a stage, `restart` and `config text` what they say.
fn notice(line: &str) -> TalosNotice {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let sequence = |action, error| TalosNotice::Sequence {
        sequence: word.trim_start_matches('!').to_owned(),
        action,
        error,
    };
    let named = |notice: TalosNotice| match notice {
        TalosNotice::Sequence { action, error, .. } => TalosNotice::Sequence {
            sequence: rest.to_owned(),
            action,
            error,
        },
        other => other,
    };
    let (phase, task) = (rest.to_owned(), rest.to_owned());
    match word {
        "+s" => named(sequence(SequenceAction::Start, None)),
        "-s" => named(sequence(SequenceAction::Stop, None)),
        "+p" => TalosNotice::Phase {
            phase,
            action: StepAction::Start,
        },
        "-p" => TalosNotice::Phase {
            phase,
            action: StepAction::Stop,
        },
        "+t" => TalosNotice::Task {
            task,
            action: StepAction::Start,
        },
        "-t" => TalosNotice::Task {
            task,
            action: StepAction::Stop,
        },
        "restart" => TalosNotice::Restart {
            command: RestartCommand::KEXEC,
        },
        "config" => TalosNotice::ConfigLoadError {
            error: rest.to_owned(),
        },
        _ if word.starts_with('=') => TalosNotice::Status {
            stage: word[1..].parse().unwrap(),
            ready: rest == "ready",
            unmet: Vec::new(),
        },
        _ => {
            let (code, message) = rest.split_once(' ').unwrap();
            let error = SequenceError {
                code: code.parse().unwrap(),
                message: message.to_owned(),
            };
            sequence(SequenceAction::Noop, Some(error))
        }
    }
}

fn events(script: &[&str]) -> Vec<TalosEvent> {
    let event = |(number, line): (usize, &&str)| TalosEvent {
        id: number.to_string(),
        actor: String::new(),
        notice: notice(line),
    };
    script.iter().enumerate().map(event).collect()
}

fn read(script: &[&str]) -> EventReading {
    let mut reading = EventReading::default();
    for event in events(script) {
        reading.read(&event);
    }
    reading
}

fn failed(error: &str) -> Option<Verdict> {
    Some(Verdict::InstallFailed {
        error: error.to_owned(),
    })
}

const START: [&str; 4] = [
    "=unknown ready",
    "+s initialize",
    "=booting",
    "-s initialize",
];
const WRITES: [&str; 5] = [
    "+s install",
    "+p install",
    "=installing ready",
    "+t install",
    "-t install",
];

fn boot(rest: &[&'static str]) -> Vec<&'static str> {
    [&START[..], rest].concat()
}

fn install(rest: &[&'static str]) -> Vec<&'static str> {
    boot(&[&WRITES[..], &["-p install"], rest].concat())
}

#[test]
fn an_install_is_proven_when_all_is_written_and_not_before() {
    use Verdict::Installed;
    for (script, expected) in [
        (install(&[]), None),
        // The config is not on the disk yet.
        (install(&["+p saveConfig"]), None),
        (
            install(&["+p saveMeta", "+p stopEverything"]),
            Some(Installed),
        ),
        (install(&["=rebooting ready"]), Some(Installed)),
        (install(&["restart"]), Some(Installed)),
        (
            install(&["-s install", "!install fatal a, unix.Reboot(45584543)"]),
            Some(Installed),
        ),
        (
            install(&["-s install", "!install fatal no disk"]),
            failed("no disk"),
        ),
        (
            install(&[
                "-s install",
                "!install fatal no disk",
                "=rebooting ready",
                "restart",
            ]),
            failed("no disk"),
        ),
        // Nothing was written by a sequence without the phase.
        (boot(&["+s install", "-s install"]), None),
        (boot(&["+s install", "=rebooting ready"]), None),
        (boot(&["+s install", "restart"]), None),
        // The phase has to be one of the install sequence.
        (
            boot(&["+s upgrade", "+p install", "+p stopEverything", "restart"]),
            None,
        ),
        (install(&["-s install", "!install locked no"]), None),
        (install(&["-s install", "!install canceled no"]), None),
        // What is on the disk is there.
        (
            install(&["+p reboot", "-s install", "!install fatal late"]),
            Some(Installed),
        ),
        (
            boot(&["+s install", "!install fatal early"]),
            failed("early"),
        ),
    ] {
        assert_eq!(read(&script).verdict(), expected, "{script:?}");
    }
}

#[test]
fn up_is_running_and_ready_after_a_boot_that_did_not_fail() {
    use Verdict::Running;
    let boot_failed = |error: &str| {
        Some(Verdict::BootFailed {
            error: error.to_owned(),
        })
    };
    for (script, expected) in [
        (boot(&["+s boot"]), None),
        (boot(&["+s boot", "-s boot", "=running"]), None),
        (
            boot(&["+s boot", "-s boot", "=running", "=running ready"]),
            Some(Running),
        ),
        // Its beginning may be lost, where it is long ago.
        (vec!["=running ready"], Some(Running)),
        (
            boot(&[
                "+s boot",
                "-s boot",
                "=running",
                "!boot fatal bad",
                "=running ready",
            ]),
            boot_failed("bad"),
        ),
        (
            boot(&["+s boot", "-s boot", "=running ready", "!boot fatal bad"]),
            boot_failed("bad"),
        ),
        (
            boot(&[
                "+s boot",
                "-s boot",
                "!boot canceled stop",
                "=running ready",
            ]),
            None,
        ),
        (
            boot(&[
                "+s boot",
                "-s boot",
                "!upgrade locked busy",
                "=running ready",
            ]),
            Some(Running),
        ),
        // A machine that was up and restarts was up.
        (
            boot(&[
                "+s boot",
                "-s boot",
                "=running ready",
                "+s reboot",
                "=rebooting ready",
                "restart",
                "-s reboot",
                "!reboot fatal x, unix.Reboot(1234567)",
            ]),
            Some(Running),
        ),
        (
            vec!["+s initialize", "!initialize fatal pti=on is missing"],
            boot_failed("pti=on is missing"),
        ),
        // Readiness in any other stage is none.
        (
            boot(&["=booting ready", "=rebooting ready", "=unknown ready"]),
            None,
        ),
    ] {
        assert_eq!(read(&script).verdict(), expected, "{script:?}");
    }
}

#[test]
fn an_unattended_install_is_proven_by_the_restart_that_nobody_asked_for() {
    use Verdict::Installed;
    let gives_way = ["+s boot", "-s boot", "!boot canceled wait"];
    for (script, expected) in [
        (vec!["+s reboot", "=rebooting ready"], None),
        (
            vec!["+s reboot", "+p cleanup", "+p stopEverything"],
            Some(Installed),
        ),
        (vec!["+s reboot", "+t reboot"], Some(Installed)),
        // Not a restart.
        (vec!["+s shutdown", "+p stopEverything"], None),
        (vec!["+s reset", "+p stopEverything"], None),
    ] {
        let script = boot(&[&gives_way[..], &script].concat());
        assert_eq!(read(&script).verdict(), expected, "{script:?}");
    }
    // One that failed first, or was not given up, and one that a person asked for.
    let failed = boot(&[
        "+s boot",
        "-s boot",
        "!boot fatal bad",
        "+s reboot",
        "+t reboot",
    ]);
    let bad = Verdict::BootFailed {
        error: "bad".to_owned(),
    };
    assert_eq!(read(&failed).verdict(), Some(bad));
    let whole = boot(&["+s boot", "-s boot", "+s reboot", "+t reboot"]);
    assert_eq!(read(&whole).verdict(), None);
    let mut asked = events(&boot(
        &[&gives_way[..], &["+s reboot", "+t reboot"]].concat(),
    ));
    for event in &mut asked {
        event.actor = "a call".to_owned();
    }
    let mut reading = EventReading::default();
    for event in &asked {
        reading.read(event);
    }
    assert_eq!(reading.verdict(), None);
}

#[test]
fn maintenance_lasts_until_a_config_comes() {
    use Verdict::Maintenance;
    let waits = [
        "=unknown ready",
        "+s initialize",
        "=booting",
        "+t loadConfig",
        "+t runningMaintenance",
    ];
    let script = |rest: &[&'static str]| [&waits[..], rest].concat();
    for (script, expected) in [
        (script(&[]), Some(Maintenance)),
        (script(&["=booting ready"]), Some(Maintenance)),
        (script(&["=maintenance ready"]), Some(Maintenance)),
        (
            script(&["=maintenance ready", "-t runningMaintenance"]),
            None,
        ),
        (
            script(&["=maintenance ready", "-t loadConfig"]),
            Some(Maintenance),
        ),
        (vec!["=maintenance ready"], Some(Maintenance)),
        (vec!["=maintenance ready", "+s boot"], None),
        (vec!["=maintenance ready", "=booting ready"], None),
    ] {
        assert_eq!(read(&script).verdict(), expected, "{script:?}");
    }
}

#[test]
fn a_wipe_is_proven_by_what_follows_it() {
    use Verdict::Wiped;
    let wipes = [
        "=unknown ready",
        "+s initialize",
        "+p wipeDisks",
        "+t wipeSystemDisk",
    ];
    let script = |rest: &[&'static str]| [&wipes[..], rest].concat();
    for (script, expected) in [
        (script(&[]), None),
        (script(&["-t wipeSystemDisk", "-p wipeDisks"]), None),
        (script(&["restart"]), Some(Wiped)),
        (
            script(&["-s initialize", "!initialize fatal x, unix.Reboot(1234567)"]),
            Some(Wiped),
        ),
        // Some partitions only.
        (script(&["-p wipeDisks", "+p config"]), Some(Wiped)),
        (
            script(&["-s initialize", "!initialize fatal no disk"]),
            Some(Verdict::BootFailed {
                error: "no disk".to_owned(),
            }),
        ),
        (vec!["+s initialize", "+p config", "restart"], None),
    ] {
        assert_eq!(read(&script).verdict(), expected, "{script:?}");
    }
}

#[test]
fn a_config_error_lasts_until_there_is_a_config() {
    let script = ["+s initialize", "config 403", "config 404"];
    assert_eq!(read(&script).progress().config_error(), Some("404"));
    assert_eq!(read(&script).verdict(), None, "Talos goes on trying");
    let script = [&script[..], &["-s initialize", "+s install"]].concat();
    assert_eq!(read(&script).progress().config_error(), None);
}

#[test]
fn a_new_boot_begins_with_the_first_word_of_it() {
    let first = install(&["+p reboot", "restart", "-s install"]);
    for (next, begins) in [
        ("=unknown ready", true),
        ("+s initialize", true),
        // Where what came before was lost.
        ("=booting", true),
        ("+s boot", true),
        ("=maintenance ready", true),
        ("!install fatal x, unix.Reboot(45584543)", false),
        ("-p reboot", false),
        ("=rebooting ready", false),
    ] {
        let mut reading = read(&first);
        let event = TalosEvent {
            id: "next".to_owned(),
            actor: String::new(),
            notice: notice(next),
        };
        let reception = reading.read(&event);
        assert_eq!(reception == Reception::BeganBoot, begins, "{next}");
        assert_eq!(
            reading.verdict().is_none_or(|v| v == Verdict::Maintenance),
            begins,
            "{next}"
        );
    }
}

#[test]
fn power_cut_at_any_moment_begins_anew() {
    let script = install(&["+p stopEverything"]);
    for length in 1..=script.len() {
        let cut = [&script[..length], &START].concat();
        let reading = read(&cut);
        assert_eq!(reading.verdict(), None, "cut after {length}");
        assert_eq!(reading.progress().stage(), Some(TalosStage::Booting));
    }
}

#[test]
fn only_one_boot_begins_whichever_first_word_comes_first() {
    for script in [
        ["=unknown ready", "+s initialize"],
        ["+s initialize", "=unknown ready"],
    ] {
        let mut reading = EventReading::default();
        let receptions = events(&script)
            .iter()
            .map(|e| reading.read(e))
            .collect::<Vec<_>>();
        assert_eq!(receptions, [Reception::BeganBoot, Reception::Read]);
    }
}

#[test]
fn the_step_under_way_is_known() {
    let script = boot(&WRITES[..4]);
    let reading = read(&script);
    assert_eq!(reading.progress().step(), [Some("install"); 3]);
    assert!(reading.progress().ready());
    let script = install(&["-s install"]);
    assert_eq!(read(&script).progress().step(), [None; 3]);
}

#[test]
fn which_verdict_says_what() {
    let error = "why".to_owned();
    for (verdict, proves, text) in [
        (Verdict::Installed, true, None),
        (Verdict::Running, true, None),
        (Verdict::Wiped, false, None),
        (Verdict::Maintenance, false, None),
        (
            Verdict::InstallFailed {
                error: error.clone(),
            },
            false,
            Some("why"),
        ),
        (Verdict::BootFailed { error }, false, Some("why")),
    ] {
        assert_eq!(
            (verdict.proves_install(), verdict.error()),
            (proves, text),
            "{verdict:?}"
        );
    }
}
