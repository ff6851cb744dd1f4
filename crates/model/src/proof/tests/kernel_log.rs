//! Kernel logs of Talos, and what they prove.

use proptest::prelude::*;

use super::*;
use crate::{KernelLogLevel, KernelLogLine};

fn line(sequence: u64, message: &str) -> KernelLogLine {
    KernelLogLine {
        message: format!("[talos] {message}"),
        at: None,
        level: KernelLogLevel::Warn,
        facility: "user".to_owned(),
        priority: "warning".to_owned(),
        sequence,
        clock_us: 1000 * i64::try_from(sequence).unwrap(),
    }
}

fn read_log(lines: &[&str]) -> KernelReading {
    let mut reading = KernelReading::default();
    for (number, text) in (1..).zip(lines) {
        reading.read(&line(number, text));
    }
    reading
}

#[test]
fn the_kernel_log_proves_an_install_and_its_failure() {
    let begins = [
        "initialize sequence: 9 phase(s)",
        "install sequence: 9 phase(s)",
        "phase install (2/9): 1 tasks(s)",
        "task install (1/1): starting",
    ];
    let script = |rest: &[&'static str]| [&begins[..], rest].concat();
    for (script, expected) in [
        (script(&["task install (1/1): install successful"]), None),
        (script(&["phase saveConfig (6/9): 1 tasks(s)"]), None),
        (
            script(&["phase stopEverything (7/9): 1 tasks(s)"]),
            Some(Verdict::Installed),
        ),
        (
            script(&["task reboot (1/1): starting"]),
            Some(Verdict::Installed),
        ),
        (
            script(&[
                "task install (1/1): failed: lstat /dev/x",
                "phase install (2/9): failed",
                "install sequence: failed",
            ]),
            failed("lstat /dev/x"),
        ),
        (
            script(&[
                "task install (1/1): failed: context canceled",
                "install sequence: failed",
            ]),
            None,
        ),
        (
            script(&["install sequence: failed"]),
            failed("the install sequence failed"),
        ),
        (
            script(&[
                "task reboot (1/1): starting",
                "initialize sequence: 9 phase(s)",
            ]),
            None,
        ),
        (
            vec![
                "initialize sequence: 9 phase(s)",
                "task x (1/1): failed: context canceled",
                "boot sequence: failed",
                "initialize sequence: 9 phase(s)",
                "install sequence: 9 phase(s)",
                "phase install (2/9): 1 tasks(s)",
                "install sequence: failed",
            ],
            failed("the install sequence failed"),
        ),
        (
            vec![
                "initialize sequence: 9 phase(s)",
                "task x (1/1): failed: yesterday",
                "initialize sequence: 9 phase(s)",
                "install sequence: 9 phase(s)",
                "phase install (2/9): 1 tasks(s)",
                "install sequence: failed",
            ],
            failed("the install sequence failed"),
        ),
        (
            vec!["task runningMaintenance (1/1): starting"],
            Some(Verdict::Maintenance),
        ),
        (
            vec!["boot sequence: 3 phase(s)", "boot sequence: done: 1s"],
            None,
        ),
    ] {
        assert_eq!(read_log(&script).verdict(), expected, "{script:?}");
    }
}

#[test]
fn the_kernels_own_lines_prove_nothing() {
    let mut reading = read_log(&[
        "install sequence: 9 phase(s)",
        "phase install (2/9): 1 tasks(s)",
    ]);
    let mut forged = line(9, "task reboot (1/1): starting");
    forged.facility = "daemon".to_owned();
    assert_eq!(reading.read(&forged), None);
    assert_eq!(reading.verdict(), None);
    forged.facility = "user".to_owned();
    assert_eq!(reading.read(&forged), Some(Reception::Read));
    assert_eq!(reading.read(&forged), Some(Reception::Repeated));
    assert_eq!(reading.verdict(), Some(Verdict::Installed));
}

proptest! {
    #[test]
    fn no_text_of_a_kernel_log_is_too_strange(texts in prop::collection::vec(".{0,60}|(task|phase) [a-z ]{0,9}[(][0-9/]{0,5}[)]: [a-z(), :]{0,20}", 0..20)) {
        let mut reading = KernelReading::default();
        for (number, text) in (0..).zip(&texts) {
            reading.read(&line(number, text));
        }
        prop_assert!(reading.verdict().is_none_or(|v| !v.proves_install()));
    }
}
