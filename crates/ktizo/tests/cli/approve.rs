//! Letting machines in after a look: what somebody else does between a look and a yes, and what was done before something goes wrong.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;

use crate::terminal::CTRL_C;
use crate::{Daemon, complains, ktizo, says};

const MAC: &str = "52:54:00:01:00:00";

#[test]
fn a_machine_that_changed_since_it_was_shown_is_not_approved() {
    let daemon = Daemon::founded();
    daemon.crowd(0..1);
    let status = || says(&daemon.run(&format!("device show {MAC}")));
    for (meanwhile, left) in [
        (format!("device set {MAC} --hostname cp9"), "pending"),
        (format!("device reject {MAC}"), "rejected"),
    ] {
        let mut terminal = daemon.at_terminal(&format!("device approve {MAC}"));
        terminal.expect("[y/N] ");
        says(&daemon.run(&meanwhile));
        terminal.type_keys("y\n");
        let (code, screen) = terminal.end();
        assert!(
            code == 3
                && screen.contains("changed by somebody else")
                && screen.contains(&format!("look at it again with `ktizo device show {MAC}`")),
            "{code}: {screen}"
        );
        assert!(status().contains(left), "{}", status());
    }
    // Labels are put to those that were there.
    let all =
        format!("device approve {MAC} --hostname cp1 --address 10.0.0.11 --role controlplane");
    says(&daemon.run(&format!("{all} --label rack=r1")));
    assert!(status().contains("rack=r1"));
    // A script may say the same twice, without a look.
    says(&daemon.run(&all));
    says(&daemon.run(&format!("device approve {MAC} --yes")));
}

#[test]
fn it_is_told_how_many_were_approved_before_it_went_wrong() {
    let daemon = Daemon::founded();
    daemon.crowd(0..260);
    let begun = |daemon: &Daemon| {
        let mut terminal = daemon.at_terminal("device approve --all-pending");
        terminal.expect("Approve these 250 (10 more follow)? [y/N] ");
        terminal.type_keys("y\n");
        let rest = terminal.expect("Approve these 10? [y/N] ");
        (terminal, rest)
    };
    let (mut terminal, rest) = begun(&daemon);
    let mut words = rest.split_whitespace();
    let last = words.find(|word| word.starts_with("52:54:")).unwrap();
    says(&daemon.run(&format!("device reject {last}")));
    terminal.type_keys("y\n");
    let (code, screen) = terminal.end();
    assert!(
        code == 3
            && screen.contains("changed after the preview")
            && screen.contains("Approved before that: 250. Not approved: 10; the same command"),
        "{code}: {screen}"
    );
    let waiting = says(&daemon.run("device list --status pending"));
    assert_eq!(waiting.matches("52:54:").count(), 9, "{waiting}");
}

#[test]
fn many_are_approved_after_a_look_at_them() {
    let daemon = Daemon::founded();
    daemon.crowd(0..2);
    let first = says(&daemon.run("device list --output json"));
    let approve = "device approve --all-pending";
    let (code, why) = complains(&daemon.run(approve));
    assert!(
        code == 1 && why.contains("--yes") && why.contains("52:54:00:01:00:01"),
        "{why}"
    );
    for answer in ["n\n", CTRL_C] {
        let mut terminal = daemon.at_terminal(approve);
        let look = terminal.expect("Approve these 2? [y/N] ");
        for wanted in [
            "52:54:00:01:00:00",
            "52:54:00:01:00:01",
            "10.0.0.",
            "2 machines, of each: ",
            "Whatever is on that disk is lost.",
        ] {
            assert!(look.contains(wanted), "{wanted}: {look}");
        }
        terminal.type_keys(answer);
        let (code, screen) = terminal.end();
        assert_eq!(code, if answer == CTRL_C { 130 } else { 1 }, "{screen}");
        assert_eq!(says(&daemon.run("device list --output json")), first);
    }
    let mut terminal = daemon.at_terminal(approve);
    terminal.expect("[y/N] ");
    terminal.type_keys("y\n");
    terminal.expect("2 machines are approved.");
    assert_eq!(terminal.end().0, 0);

    // More than one request takes: no look shows an address that another has shown.
    daemon.crowd(2..300);
    let mut terminal = daemon.at_terminal(approve);
    let look = terminal.expect("Approve these 250 (48 more follow)? [y/N] ");
    terminal.type_keys("y\n");
    let rest = terminal.expect("Approve these 48? [y/N] ");
    terminal.type_keys("y\n");
    terminal.expect("298 machines are approved.");
    assert_eq!(terminal.end().0, 0);
    let addresses = |text: &str| {
        let words = text
            .split_whitespace()
            .filter(|word| word.starts_with("10.0."));
        words
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (look, rest) = (addresses(&look), addresses(&rest));
    assert_eq!((look.len(), rest.len()), (250, 48));
    assert!(look.is_disjoint(&rest));

    // What takes a while shows how far it is, where somebody looks. A quick host may be done before the first look at it.
    let shows_a_bar = || {
        let (code, screen) = daemon.at_terminal("device regenerate").end();
        assert!(
            code == 0 && screen.contains("300 device configs"),
            "{screen}"
        );
        screen.contains("/300 configs")
    };
    assert!((0..30).any(|_| shows_a_bar()), "no bar in thirty runs");
    let quiet = daemon.run("device regenerate");
    says(&quiet);
    assert!(
        quiet.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&quiet.stderr)
    );
}

#[test]
fn an_approval_stands_though_the_status_cannot_be_told() {
    let daemon = Daemon::founded();
    daemon.crowd(0..1);
    let no_status = from_fn(async |request: Request, next: Next| {
        if request.uri().path() == "/api/v1/status" {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        next.run(request).await
    });
    let socket = daemon.also_serve(daemon.app.clone().layer(no_status), "other.sock");
    complains(&ktizo(["status", "--socket", &socket]));
    let said = says(&ktizo([
        "device", "approve", "1", "--yes", "--socket", &socket,
    ]));
    assert!(said.contains("is approved"), "{said}");
}

#[test]
fn several_are_not_approved_with_values_of_one() {
    let daemon = Daemon::founded();
    daemon.crowd(0..2);
    let first = says(&daemon.run("device list --output json"));
    for whom in ["--all-pending", "1 2"] {
        for values in [
            "--install-disk /dev/sdb",
            "--install-selector serial=S3Z9NX0M",
            "--ephemeral-min-size 10GiB",
            "--ephemeral-max-size 10GiB",
            "--ephemeral-disk-selector system_disk",
            "--hostname cp1",
            "--address 10.0.0.11",
            "--notes x",
            "--label rack=r1",
            "--endpoint-elsewhere",
        ] {
            let (code, why) =
                complains(&daemon.run(&format!("device approve {whom} {values} --yes")));
            assert!(
                code == 2 && why.contains("one by one"),
                "{whom} {values}: {code} {why}"
            );
        }
    }
    assert_eq!(says(&daemon.run("device list --output json")), first);
    says(&daemon.run("device approve --all-pending --role controlplane --yes"));
}
