//! What holds for any events in any order.

use proptest::prelude::*;

use super::*;

fn any_line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "=unknown ready",
        "=booting",
        "=installing ready",
        "=maintenance ready",
        "=running",
        "=running ready",
        "=rebooting ready",
        "+s initialize",
        "-s initialize",
        "+s install",
        "-s install",
        "+s boot",
        "-s boot",
        "+s reboot",
        "+p install",
        "-p install",
        "+p stopEverything",
        "+p reboot",
        "+p wipeDisks",
        "+t install",
        "-t install",
        "+t runningMaintenance",
        "-t runningMaintenance",
        "restart",
        "config 403",
        "!install fatal bad",
        "!install fatal x, unix.Reboot(1234567)",
        "!boot fatal bad",
        "!boot canceled no",
        "!upgrade locked no",
    ])
}

proptest! {
    #[test]
    fn repeating_any_of_it_changes_nothing(script in prop::collection::vec(any_line(), 0..60), again in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let events = events(&script);
        let mut once = EventReading::default();
        let mut often = EventReading::default();
        for (at, event) in events.iter().enumerate() {
            let reception = once.read(event);
            prop_assert_eq!(often.read(event), reception);
            if let Some(index) = again.get(at) {
                prop_assert_eq!(often.read(&events[index.index(at + 1)]), Reception::Repeated);
            }
        }
        prop_assert_eq!(once.progress(), often.progress());
        for event in &events {
            prop_assert_eq!(often.read(event), Reception::Repeated);
        }
        prop_assert_eq!(once.progress(), often.progress());
    }

    #[test]
    fn no_proof_without_its_signs(script in prop::collection::vec(any_line(), 0..60)) {
        let verdict = read(&script).verdict();
        let said = |line: &str| script.contains(&line);
        match verdict {
            Some(Verdict::Installed) => {
                let installed = said("+s install") && (said("+p install") || said("+t install"));
                let unattended = said("!boot canceled no") && said("+s reboot");
                prop_assert!(installed || unattended);
            }
            Some(Verdict::Running) => prop_assert!(said("=running ready")),
            Some(Verdict::Wiped) => prop_assert!(said("+s initialize") && said("+p wipeDisks")),
            Some(Verdict::InstallFailed { error }) => prop_assert!(error == "bad" && said("!install fatal bad")),
            Some(Verdict::BootFailed { error }) => prop_assert!(error == "bad" && said("!boot fatal bad")),
            Some(Verdict::Maintenance) => {
                prop_assert!(said("=maintenance ready") || said("+t runningMaintenance"));
            }
            None => {}
        }
    }
}
