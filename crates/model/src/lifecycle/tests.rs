//! The two tables, row by row.

use super::*;
use crate::{BootId, BootStage};

const FIRST: Option<BootId> = Some(BootId(1));
const SECOND: Option<BootId> = Some(BootId(2));

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn begun(attempt: u32, released: bool) -> Install {
    Install::Begun {
        attempt,
        since: at(1),
        boot: FIRST,
        released,
        reports: true,
    }
}

/// A state in short: its word, the attempt, whether the config is out, whose boot it is.
fn short(install: &Install) -> String {
    let number = |boot: &Option<BootId>| boot.map_or(0, |boot| boot.0);
    match install {
        Install::Waiting { proven: None } => "waiting".to_owned(),
        Install::Waiting {
            proven: Some(proof),
        } => format!("waiting, installed {}", proof.by),
        Install::Begun {
            attempt,
            boot,
            released,
            ..
        } => {
            let config = if *released { "config" } else { "script" };
            format!("begun {attempt} {config} in {}", number(boot))
        }
        Install::Failed {
            attempt,
            boot,
            error,
            ..
        } => {
            let why = error.as_deref().unwrap_or("silence");
            format!("failed {attempt} {why} in {}", number(boot))
        }
        Install::Installed { by, .. } => format!("installed {by}"),
    }
}

/// Every state and every event, each in the same boot and in a later one: what comes of it. `=` is no change.
const INSTALL: &str = "
event             | boot | waiting             | waiting, installed events | begun 1 config in 1   | begun 2 script in 1   | failed 1 silence in 1 | failed 2 E in 1      | installed events
ordered           | 1    | =                   | =                         | waiting               | waiting               | waiting               | waiting              | waiting, installed events
ordered           | 2    | =                   | =                         | waiting               | waiting               | waiting               | waiting              | waiting, installed events
countermanded     | 1    | =                   | installed events          | =                     | =                     | =                     | =                    | =
countermanded     | 2    | =                   | installed events          | =                     | =                     | =                     | =                    | =
repeated          | 1    | =                   | =                         | =                     | =                     | begun 2 script in 1   | begun 3 script in 1  | =
repeated          | 2    | =                   | =                         | =                     | =                     | begun 2 script in 2   | begun 3 script in 2  | =
released          | 1    | begun 1 config in 1 | begun 1 config in 1       | =                     | begun 2 config in 1   | =                     | =                    | =
released          | 2    | begun 1 config in 2 | begun 1 config in 2       | begun 2 config in 2   | begun 2 config in 2   | begun 2 config in 2   | begun 3 config in 2  | =
taken back        | 1    | =                   | =                         | waiting               | =                     | =                     | =                    | =
taken back        | 2    | =                   | =                         | waiting               | =                     | =                     | =                    | =
proven events     | 1    | =                   | =                         | installed events      | installed events      | installed events      | installed events     | =
proven events     | 2    | =                   | =                         | installed events      | installed events      | installed events      | installed events     | =
proven kernel_log | 1    | =                   | =                         | installed kernel_log  | installed kernel_log  | installed kernel_log  | installed kernel_log | =
proven kernel_log | 2    | =                   | =                         | installed kernel_log  | installed kernel_log  | installed kernel_log  | installed kernel_log | =
proven operator   | 1    | installed operator  | installed operator        | installed operator    | installed operator    | installed operator    | installed operator   | =
proven operator   | 2    | installed operator  | installed operator        | installed operator    | installed operator    | installed operator    | installed operator   | =
failed W          | 1    | =                   | =                         | failed 1 W in 1       | failed 2 W in 1       | failed 1 W in 1       | =                    | =
failed W          | 2    | =                   | =                         | failed 1 W in 1       | failed 2 W in 1       | failed 1 W in 1       | =                    | =
silent            | 1    | =                   | =                         | failed 1 silence in 1 | failed 2 silence in 1 | =                     | =                    | =
silent            | 2    | =                   | =                         | failed 1 silence in 1 | failed 2 silence in 1 | =                     | =                    | =
asked again       | 1    | =                   | =                         | failed 1 silence in 1 | =                     | =                     | =                    | =
asked again       | 2    | =                   | =                         | failed 1 silence in 1 | failed 2 silence in 1 | =                     | =                    | =
wiped             | 1    | =                   | waiting                   | waiting               | waiting               | waiting               | waiting              | waiting
wiped             | 2    | =                   | waiting                   | waiting               | waiting               | waiting               | waiting              | waiting
";

#[test]
fn every_install_state_and_event_has_its_outcome() {
    let failed = |attempt, error: Option<&str>| Install::Failed {
        attempt,
        at: at(2),
        boot: FIRST,
        error: error.map(str::to_owned),
        last_stage: Some(BootStage::Config),
        reports: true,
    };
    let proof = InstallProof {
        at: at(2),
        by: ProofSource::Events,
    };
    let states = [
        Install::default(),
        Install::Waiting {
            proven: Some(proof),
        },
        begun(1, true),
        begun(2, false),
        failed(1, None),
        failed(2, Some("E")),
        Install::Installed {
            at: at(2),
            by: ProofSource::Events,
        },
    ];
    let events = [
        ("ordered", InstallEvent::Ordered),
        ("countermanded", InstallEvent::Countermanded),
        ("repeated", InstallEvent::Repeated),
        ("released", InstallEvent::Released),
        ("taken back", InstallEvent::TakenBack),
        ("proven events", InstallEvent::Proven(ProofSource::Events)),
        (
            "proven kernel_log",
            InstallEvent::Proven(ProofSource::KernelLog),
        ),
        (
            "proven operator",
            InstallEvent::Proven(ProofSource::Operator),
        ),
        ("failed W", InstallEvent::Failed("W".to_owned())),
        ("silent", InstallEvent::Silent),
        ("asked again", InstallEvent::AskedAgain),
        ("wiped", InstallEvent::Wiped),
    ];
    let mut rows = table(INSTALL);
    let heads = rows.remove(0);
    let of_states: Vec<String> = states.iter().map(short).collect();
    assert_eq!(heads[2..], of_states);
    let mut rows = rows.into_iter();
    for (word, event) in events {
        for (number, boot) in [("1", FIRST), ("2", SECOND)] {
            let row = rows.next().unwrap();
            assert_eq!((row[0].as_str(), row[1].as_str()), (word, number));
            let scene = Scene {
                at: at(9),
                boot,
                furthest: Some(BootStage::Kernel),
                reports: false,
            };
            for (state, expected) in states.iter().zip(&row[2..]) {
                let next = state.after(&event, &scene);
                let got = if next == *state { "=" } else { &short(&next) };
                assert_eq!(got, expected, "{} and {word} in {number}", short(state));
            }
        }
    }
    assert_eq!(rows.next(), None);
}

const WIPE: &str = "
event     | none    | asked   | ordered | spent   | proven
asked     | asked   | =       | =       | =       | asked
ordered   | ordered | ordered | ordered | ordered | ordered
changed   | =       | =       | none    | =       | =
declined  | =       | none    | none    | =       | =
overruled | =       | none    | none    | none    | none
expired   | =       | none    | none    | =       | =
sent      | =       | =       | spent   | =       | =
proven    | =       | =       | =       | proven  | =
";

#[test]
fn every_wipe_state_and_event_has_its_outcome() {
    let by = Actor::Person("ada".into());
    let then = StandingOrder::Install;
    let ordered = Wipe::Ordered {
        by: by.clone(),
        at: at(1),
        expires: at(1).plus(WIPE_VALID),
        then,
    };
    let states = [
        Wipe::None,
        Wipe::Asked { at: at(1) },
        ordered.clone(),
        Wipe::Spent {
            by: by.clone(),
            at: at(2),
            then,
        },
        Wipe::Proven {
            at: at(2),
            by: ProofSource::Events,
        },
    ];
    let (at, then) = (at(9), StandingOrder::Menu);
    let events = [
        ("asked", WipeEvent::Asked { at }),
        (
            "ordered",
            WipeEvent::Ordered {
                by: Actor::Person("bob".into()),
                at,
                then,
            },
        ),
        ("changed", WipeEvent::Changed),
        ("declined", WipeEvent::Declined),
        ("overruled", WipeEvent::Overruled),
        ("expired", WipeEvent::Expired),
        ("sent", WipeEvent::Sent { at }),
        (
            "proven",
            WipeEvent::Proven {
                by: ProofSource::Operator,
                at,
            },
        ),
    ];
    let word = |wipe: &Wipe| {
        serde_json::to_value(wipe).unwrap()["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut rows = table(WIPE);
    let heads = rows.remove(0);
    assert_eq!(heads[1..], states.iter().map(word).collect::<Vec<_>>());
    let mut rows = rows.into_iter();
    for (name, event) in events {
        let row = rows.next().unwrap();
        assert_eq!(row[0], name);
        for (state, expected) in states.iter().zip(&row[1..]) {
            let next = state.after(&event);
            let got = if next == *state { "=" } else { &word(&next) };
            assert_eq!(got, expected, "{} and {name}", word(state));
        }
    }
    assert_eq!(rows.next(), None);
    assert_eq!(
        ordered.after(&WipeEvent::Sent { at }),
        Wipe::Spent {
            by,
            at,
            then: StandingOrder::Install
        }
    );
}

fn table(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    text.trim().lines().map(cells).collect()
}

#[test]
fn a_proof_sends_the_machine_to_its_disk_but_keeps_another_order() {
    let scene = Scene {
        at: at(9),
        ..Scene::default()
    };
    for (order, expected) in [
        (StandingOrder::Install, StandingOrder::Local),
        (StandingOrder::Menu, StandingOrder::Menu),
        (StandingOrder::Local, StandingOrder::Local),
    ] {
        for verdict in [Verdict::Installed, Verdict::Running] {
            let mut life = Lifecycle {
                order,
                install: begun(1, true),
                wipe: Wipe::None,
            };
            let told = life.hear(&verdict, ProofSource::Events, &scene);
            let by = ProofSource::Events;
            assert_eq!(told, Some(EventKind::InstallProven { by }));
            assert_eq!(life.order, expected);
            assert_eq!(life.hear(&verdict, ProofSource::KernelLog, &scene), None);
        }
    }
}

#[test]
fn an_old_word_does_not_undo_a_new_order() {
    let mut life = Lifecycle {
        order: StandingOrder::Local,
        install: Install::Installed {
            at: at(1),
            by: ProofSource::Events,
        },
        wipe: Wipe::None,
    };
    life.give(StandingOrder::Install);
    let scene = Scene::default();
    for verdict in [Verdict::Running, Verdict::Installed, Verdict::Wiped] {
        assert_eq!(life.hear(&verdict, ProofSource::Events, &scene), None);
    }
    let proven = InstallProof {
        at: at(1),
        by: ProofSource::Events,
    };
    let proven = Some(proven);
    assert_eq!(
        (life.order, &life.install),
        (StandingOrder::Install, &Install::Waiting { proven })
    );
    // Nothing went out under it, so that what was proven is still on the disk.
    for other in [StandingOrder::Menu, StandingOrder::Local] {
        let mut back = life.clone();
        back.give(other);
        let by = ProofSource::Events;
        assert_eq!(back.install, Install::Installed { at: at(1), by });
    }
    let released = life.install.after(&InstallEvent::Released, &scene);
    life.install = released.clone();
    life.give(StandingOrder::Local);
    assert_eq!(life.install, released);
}

#[test]
fn what_follows_a_wipe_is_what_its_order_said() {
    for then in StandingOrder::ALL {
        let mut life = Lifecycle {
            order: StandingOrder::Local,
            install: Install::Installed {
                at: at(1),
                by: ProofSource::Events,
            },
            wipe: Wipe::None,
        };
        life.give_wipe(Actor::Person("ada".into()), at(2), *then);
        assert_eq!(life.boot_order(), BootOrder::Wipe);
        // Whoever says so before the script went out says nothing of this wipe.
        let scene = Scene::default();
        assert_eq!(
            life.hear(&Verdict::Wiped, ProofSource::Events, &scene),
            None
        );
        assert_eq!(life.spend_wipe(at(3)), Some(EventKind::WipeSent));
        assert_eq!(life.spend_wipe(at(4)), None, "it is spent once");
        assert_eq!(life.order, StandingOrder::Local);
        let by = ProofSource::KernelLog;
        assert_eq!(
            life.hear(&Verdict::Wiped, by, &scene),
            Some(EventKind::WipeProven { by, then: *then })
        );
        assert_eq!((life.order, &life.install), (*then, &Install::default()));
    }
}

#[test]
fn what_waits_too_long_is_taken_back() {
    let over = at(1).plus(WIPE_VALID);
    let early = Timestamp::from_micros(over.as_micros() - 1);
    let mut asked = Lifecycle::default();
    asked.ask_wipe(at(1));
    let mut ordered = Lifecycle::default();
    ordered.give_wipe(Actor::System, at(1), StandingOrder::Menu);
    for mut life in [asked, ordered] {
        assert_eq!(life.expire(early), None);
        assert_eq!(life.expire(over), Some(EventKind::WipeExpired));
        assert_eq!(life.wipe, Wipe::None);
    }
}

#[test]
fn a_clock_that_was_set_far_back_makes_no_wipe_order_last_longer() {
    let given = at(1).plus(WIPE_VALID);
    for (hours, is_over) in [(0, false), (1, false), (2, true), (20, true)] {
        let mut life = Lifecycle::default();
        life.give_wipe(Actor::System, given, StandingOrder::Menu);
        let now = Timestamp::from_micros(given.as_micros() - hours * 3_600_000_000);
        assert_eq!(life.expire(now).is_some(), is_over, "{hours} h");
    }
}
