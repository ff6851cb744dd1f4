//! What the command line says where it does not do what it is told: what is wanted, in words of the field.

use crate::{Daemon, complains, put, says};

#[test]
fn refusals_say_what_is_wanted() {
    let daemon = Daemon::founded();
    says(&daemon.run("device add 52:54:00:00:00:09 --hostname worker-9 --address 10.0.0.9"));
    says(&daemon.run("device approve 1 --role controlplane --yes"));
    std::fs::create_dir(daemon.path("v1.13.9")).unwrap();
    put(&daemon.path("v1.13.9/vmlinuz-amd64"), "hello\n");
    let none = daemon.path("none").display().to_string();
    for (line, wanted) in [
        (
            "network set --hold-limit 5m",
            "a whole number of seconds without a unit, such as 300",
        ),
        ("network set --hold-limit -5", "such as 300"),
        (
            "network set --node-subnet 192.168.1.0",
            "such as 192.168.1.0/24",
        ),
        (
            "network set --gateway 10.0.0.1/24",
            "without a prefix length",
        ),
        (
            "device approve 1 --address 10.0.0.9/24",
            "without a prefix length",
        ),
        (
            "device set 1 --address 10.0.0.9/24",
            "without a prefix length",
        ),
        (
            "device add 52:54:00:00:00:08 --address 10.0.0.9",
            "--address: ",
        ),
        ("device wipe 1 --confirm x", "--confirm: is not the name"),
        (
            "device delete 1",
            "nothing was deleted: there is no terminal to ask \"Forget 52:54:00:00:00:09 (worker-9, approved) and its config?\" at; --yes says yes to it",
        ),
        (
            "assets import @v1.13.9",
            "is not a Linux kernel for amd64: it seems to be plain text; nothing was imported",
        ),
        ("events --kind foo", "device_approved"),
        (
            "events --since 200000000d",
            "as long ago as 90s, 15m, 2h or 7d",
        ),
    ] {
        let (_, why) = complains(&daemon.run(line));
        assert!(why.contains(wanted), "{line}: {why}");
        for jargon in [
            "invalid digit",
            "syntax",
            "ip_address",
            "Usage: ktizo network set [OPTIONS]",
        ] {
            assert!(!why.contains(jargon), "{line}: {why}");
        }
    }
    let (_, why) = complains(&crate::ktizo(["status", "--socket", &none]));
    assert!(why.contains("systemctl start ktizo"), "{why}");
}

#[test]
fn answers_say_what_came_of_it() {
    let daemon = Daemon::founded();
    says(&daemon.run("device add 52:54:00:00:00:09"));
    for (line, wanted) in [
        ("network set --hold-limit 60", "hold limit  300 s -> 60 s"),
        ("network set --hold-limit 60", "Nothing changed"),
        (
            "device show 1",
            "boot order       none yet; install once it is approved",
        ),
        (
            "device approve 1 --yes --label rack=r1 --install-selector serial=S1",
            "It cannot be installed yet: no kernel",
        ),
        ("device show 1", "rack=r1"),
        ("device config explain 1 machine.install.diskSelector", "S1"),
        ("events --kind device_updated", "install_selector"),
        ("device set 1 --order local", "none is ordered"),
        (
            "cluster set --endpoint https://10.0.0.11",
            "names no port, so nodes ask port 443",
        ),
    ] {
        let said = says(&daemon.run(line));
        assert!(said.contains(wanted), "{line}: {said}");
    }
}

/// A rule and a wrong use have codes of their own, and each is told by an option that the command has.
#[test]
fn exit_codes_tell_what_kind_of_no_it_is() {
    let daemon = Daemon::founded();
    daemon.crowd(0..3);
    says(&daemon.run("device approve 1 --hostname cp-1 --address 10.0.0.11 --role controlplane"));
    says(&daemon.run("device approve 2 --hostname w-1 --address 10.0.0.12 --role worker"));
    says(&daemon.run("token add ci --authority viewer"));
    for (line, expected, wanted) in [
        (
            "device reject 1",
            3,
            "ktizo: cp-1 (52:54:00:01:00:00) is the last control plane",
        ),
        (
            "device delete 1 --yes",
            3,
            "ktizo: cp-1 (52:54:00:01:00:00) is the last control plane",
        ),
        ("device reject 3 1 --yes", 3, "some stand in the way"),
        ("device set 3", 2, "nothing to change was given"),
        ("cluster set", 2, "nothing to change was given"),
        ("device set 3 --order wipe", 2, "`ktizo device wipe DEVICE`"),
        ("device order wipe 3", 2, "`ktizo device wipe DEVICE`"),
        (
            "device identity 3 --accept",
            3,
            "ktizo: nothing is undecided",
        ),
        (
            "device config show 52-54-00-01-00-02",
            4,
            "52:54:00:01:00:02, which is pending",
        ),
        (
            "token add ci --authority viewer",
            3,
            "name: `ci` is taken by another",
        ),
        (
            "cluster set --pod-subnets 10.0.9.0/24",
            3,
            "--pod-subnets: 10.0.9.0/24 overlaps the node subnet 10.0.0.0/16",
        ),
        (
            "network set --node-subnet 10.96.0.0/16 --gateway none",
            3,
            "--node-subnet: 10.96.0.0/16 overlaps the service subnet 10.96.0.0/12",
        ),
        ("backup @none/backup.tar", 1, "backup.tar: No such file"),
    ] {
        let (code, why) = complains(&daemon.run(line));
        assert!(
            code == expected && why.contains(wanted),
            "{line}: {code}: {why}"
        );
    }
    let told = says(&daemon.run("events --kind backup_taken"));
    assert!(!told.contains("backup of"), "{told}");
    let said = says(&daemon.run("device wipe 1 --cancel"));
    assert!(
        said.contains("no wipe of 52:54:00:01:00:00 (cp-1) is ordered"),
        "{said}"
    );
    says(&daemon.run("device wipe 1 --confirm cp-1"));
    let said = says(&daemon.run("device wipe 1 --cancel"));
    assert!(said.contains("is called off"), "{said}");
    says(&daemon.run("backup @backup.tar"));
    let (code, why) = complains(&daemon.run("backup @backup.tar"));
    assert!(code == 1 && why.contains("is there already"), "{why}");
}

#[test]
fn a_file_that_is_wrong_is_told_once_and_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    put(&folder.path().join("notes.txt"), "no archive");
    let state = path("state");
    for file in [path("notes.txt"), path("nowhere.tar")] {
        let (code, why) = complains(&crate::ktizo(["restore", &file, "--state-dir", &state]));
        assert!(code == 1 && !why.contains("Replace the state"), "{why}");
    }
    let (_, why) = complains(&crate::ktizo(["serve", "--config", &path("nowhere.yaml")]));
    assert_eq!(why.matches("No such file").count(), 1, "{why}");
}

#[test]
fn a_release_that_is_too_old_and_a_role_without_a_base_config_are_told() {
    let daemon = Daemon::start();
    let status = says(&daemon.run("status"));
    assert!(
        status.contains("no base config for the roles controlplane and worker"),
        "{status}"
    );
    std::fs::create_dir(daemon.path("v1.5.0")).unwrap();
    put(&daemon.path("v1.5.0/vmlinuz-amd64"), "MZ");
    put(&daemon.path("v1.5.0/initramfs-amd64.xz"), "070701");
    let said = says(&daemon.run("assets import @v1.5.0"));
    assert!(said.contains("Talos v1.5.0 is too old"), "{said}");
    let status = says(&daemon.run("status"));
    assert!(
        status.contains("machines boot Talos v1.5.0, and configs"),
        "{status}"
    );
}

/// What machines boot is not taken away without a word.
#[test]
fn the_release_in_use_is_removed_by_a_yes_only() {
    let daemon = Daemon::founded();
    for version in ["v1.13.8", "v1.13.9"] {
        std::fs::create_dir(daemon.path(version)).unwrap();
        put(&daemon.path(&format!("{version}/vmlinuz-amd64")), "MZ");
        put(
            &daemon.path(&format!("{version}/initramfs-amd64.xz")),
            "070701",
        );
        says(&daemon.run(&format!("assets import @{version}")));
    }
    says(&daemon.run("assets remove v1.13.8"));
    let (code, why) = complains(&daemon.run("assets remove v1.13.9"));
    assert!(
        code == 1 && why.contains("Talos v1.13.9 is what machines boot, 0 approved"),
        "{why}"
    );
    assert!(says(&daemon.run("assets list")).contains("v1.13.9"));
    let said = says(&daemon.run("assets remove v1.13.9 --yes"));
    assert!(said.contains("removed"), "{said}");
}
