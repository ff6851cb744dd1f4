//! Who a machine is, said at the command line.

use model::{Actor, Inventory, MacAddr, SeenBy};
use store::Lane;

use crate::{Daemon, complains, says};

const MAC: &str = "52:54:00:00:00:01";
const BOARD: &str = "4c4c4544-0000-4000-8000-000000000001";

/// What the script of a machine tells of its mainboard.
fn tells(daemon: &Daemon, card: &str, board: &str, serial: &str) {
    let mac: MacAddr = card.parse().unwrap();
    let inventory = Inventory {
        uuid: board.parse().ok(),
        serial: Some(serial.to_owned()),
        ..Inventory::default()
    };
    let told = daemon
        .store
        .write(Lane::Boot, Actor::Device(mac), move |writer| {
            writer.sight(mac, &inventory, SeenBy::Script).map(drop)
        });
    daemon.runtime.block_on(told).unwrap();
}

#[test]
fn who_a_machine_is_is_decided_of_what_was_shown() {
    let daemon = Daemon::founded();
    tells(&daemon, MAC, BOARD, "S1");
    tells(&daemon, MAC, "4c4c4544-0000-4000-8000-000000000002", "S9");
    daemon.asked.lock().unwrap().clear();
    let kept = daemon.run(&format!("device identity {MAC} --keep"));
    says(&kept);
    let shown = String::from_utf8_lossy(&kept.stderr);
    assert!(
        shown.contains("CONFLICT") && shown.contains("S9"),
        "{shown}"
    );
    let asked = daemon.asked.lock().unwrap().clone();
    let sent = asked.iter().find(|it| it.path.ends_with("/identity"));
    assert!(sent.unwrap().fields.contains(&"since".to_owned()));

    // Who looked before a colleague kept it learns of that before it is turned round.
    let accept = format!("device identity {MAC} --accept");
    let (code, why) = complains(&daemon.run(&accept));
    assert!(
        code == 1 && why.contains("nothing was decided") && why.contains("turned away"),
        "{why}"
    );
    let shown = || says(&daemon.run(&format!("device show {MAC}")));
    assert!(shown().contains("S1"));
    says(&daemon.run(&format!("{accept} --yes")));
    assert!(shown().contains("S9"));
}

#[test]
fn a_card_is_taken_away_by_a_yes_only() {
    let daemon = Daemon::founded();
    let card = "52:54:00:00:00:02";
    for mac in [MAC, card] {
        tells(&daemon, mac, BOARD, "S1");
    }
    let shown = || says(&daemon.run(&format!("device show {MAC}")));
    let split = format!("device identity {card} --split");
    let (code, why) = complains(&daemon.run(&split));
    assert!(
        code == 1 && why.contains(&format!("Take the card {card} away from {MAC}")),
        "{why}"
    );
    assert!(shown().contains(card));
    says(&daemon.run(&format!("{split} --yes")));
    assert!(!shown().contains(card));
}

#[test]
fn a_machine_that_is_let_in_by_a_card_has_that_card() {
    for line in [
        "device approve CARD --yes",
        "device approve CARD --label rack=r1 --yes",
        "device approve CARD --hostname cp1 --address 10.0.0.11 --role controlplane",
    ] {
        let daemon = Daemon::founded();
        let card = "52:54:00:00:00:02";
        for mac in [MAC, card] {
            tells(&daemon, mac, BOARD, "S1");
        }
        let shown = || says(&daemon.run(&format!("device show {MAC} --output json")));
        assert!(shown().contains("\"confirmed_at\": null"), "{}", shown());
        says(&daemon.run(&line.replace("CARD", card)));
        assert!(
            !shown().contains("\"confirmed_at\": null"),
            "{line}: {}",
            shown()
        );
    }
}
