//! What somebody else does between a look and a yes, and what was done before something goes wrong.

use crate::{Daemon, says};

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
