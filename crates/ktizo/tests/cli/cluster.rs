//! `ktizo cluster`, `ktizo patch` and `ktizo device config`, with a daemon.

use crate::{Daemon, complains, put, says};

const MAC: &str = "52:54:00:00:00:01";

fn founded() -> Daemon {
    let daemon = Daemon::start();
    says(&daemon.run("network set --node-subnet 10.0.0.0/24 --gateway 10.0.0.1"));
    says(&daemon.run(
        "cluster init lab https://10.0.0.11:6443 --talos-version v1.13.9 --install-disk /dev/vda",
    ));
    daemon
}

#[test]
fn a_cluster_is_founded_changed_and_taken_out() {
    let daemon = founded();
    let shown = says(&daemon.run("cluster show"));
    assert!(
        shown.contains("/dev/vda") && shown.contains("worker (generated"),
        "{shown}"
    );
    let (code, why) = complains(&daemon.run("cluster init lab https://10.0.0.11:6443"));
    assert_eq!(code, 3);
    assert!(why.contains("cluster set"), "{why}");
    let changed =
        says(&daemon.run("cluster set --cni none --kube-proxy off --pod-subnets 10.1.0.0/16"));
    assert!(changed.contains("10.1.0.0/16"), "{changed}");
    let (code, why) = complains(&daemon.run("cluster set --kubernetes-version 1.12.0"));
    assert_eq!(code, 3, "{why}");
    complains(&daemon.run("cluster set"));

    assert!(says(&daemon.run("cluster talosconfig")).contains("context: lab"));
    says(&daemon.run("cluster export @out"));
    let (_, why) = complains(&daemon.run("cluster export @out"));
    assert!(why.contains("--force"), "{why}");
    let secrets = std::fs::read_to_string(daemon.path("out/secrets.yaml")).unwrap();
    assert_eq!(says(&daemon.run("cluster secrets")).trim(), secrets.trim());

    // Another daemon takes it over.
    let other = Daemon::start();
    let line = format!("cluster import {}", daemon.path("out").display());
    let told = says(&other.run(&line));
    assert!(told.contains("with the cluster's secrets"), "{told}");
}

#[test]
fn secrets_are_replaced_by_name() {
    let daemon = founded();
    let folder = daemon.path("other");
    std::fs::create_dir(&folder).unwrap();
    let out = folder.join("secrets.yaml").display().to_string();
    says(&crate::ktizo(["gen", "secrets", "-o", &out]));
    let (code, why) = complains(&daemon.run("cluster import @other"));
    assert_eq!(code, 3);
    assert!(why.contains("confirm `lab`"), "{why}");
    says(&daemon.run("cluster import @other --confirm lab"));
    let shown = says(&daemon.run("cluster show"));
    assert!(
        shown.contains("backup") && shown.contains("number 1"),
        "{shown}"
    );
    let (old, new) = (
        says(&daemon.run("cluster secrets --backup 1")),
        says(&daemon.run("cluster secrets")),
    );
    assert_ne!(old, new);
    assert_eq!(new.trim(), std::fs::read_to_string(&out).unwrap().trim());
    let (code, why) = complains(&daemon.run("cluster generate --confirm x --no-such"));
    assert_eq!(code, 2, "{why}");
    says(&daemon.run("cluster generate"));
}

#[test]
fn patches_and_settings_show_in_the_config_and_are_explained() {
    let daemon = founded();
    says(&daemon.run(&format!("device add {MAC}")));
    let preview = says(&daemon.run(&format!("device config preview {MAC}")));
    assert!(
        preview.contains("10.0.0.11/24") && preview.contains("(secret)"),
        "{preview}"
    );
    says(&daemon.run(&format!("device approve {MAC} --yes")));

    put(
        &daemon.path("p.yaml"),
        "machine:\n  sysctls:\n    a.b: \"1\"\n",
    );
    let told = says(&daemon.run("patch set 10-a @p.yaml --scope controlplane"));
    assert!(told.contains("1 device configs made anew"), "{told}");
    says(&daemon.run(&format!("patch set own @p.yaml --device {MAC}")));
    let listed = says(&daemon.run("patch list"));
    assert!(listed.contains("10-a") && listed.contains(MAC), "{listed}");
    assert!(says(&daemon.run("patch show 10-a --scope controlplane")).contains("a.b"));
    let told = says(&daemon.run(&format!("device config explain {MAC} machine.sysctls")));
    assert!(told.contains("patch controlplane/10-a"), "{told}");
    assert!(says(&daemon.run(&format!("device config show {MAC}"))).contains("a.b: \"1\""));
    let told = says(&daemon.run(&format!("device config diff {MAC}")));
    assert!(told.contains("never received"), "{told}");
    let (code, _) = complains(&daemon.run("patch delete 10-a --scope controlplane"));
    assert_eq!(code, 1, "without a terminal nobody can be asked");
    says(&daemon.run("patch delete 10-a --scope controlplane --yes"));
    let (code, _) = complains(&daemon.run("patch show 10-a --scope controlplane"));
    assert_eq!(code, 4);
    put(&daemon.path("bad.yaml"), "machine: {colour: red}\n");
    let (code, why) = complains(&daemon.run("patch set bad @bad.yaml"));
    assert_eq!(code, 3);
    assert!(why.contains("colour"), "{why}");

    says(&daemon.run(&format!(
        "device set {MAC} --install-selector serial=S1 --kernel-module bonding --install-image example/x:1"
    )));
    let config = says(&daemon.run(&format!("device config show {MAC}")));
    assert!(
        config.contains("serial: S1") && config.contains("name: bonding"),
        "{config}"
    );
    let (code, why) = complains(&daemon.run(&format!(
        "device set {MAC} --notes moved --label rack=r1 --order menu --install-image= --schematic x"
    )));
    assert!(code == 3 && why.contains("schematic"), "{why}");
    let shown = says(&daemon.run(&format!("device show {MAC}")));
    assert!(
        !shown.contains("moved") && !shown.contains("rack"),
        "the part before the refused one was kept: {shown}"
    );
    says(&daemon.run(&format!(
        "device set {MAC} --notes moved --label rack=r1 --order menu --kernel-module="
    )));
    let shown = says(&daemon.run(&format!("device show {MAC}")));
    assert!(
        shown.contains("moved") && shown.contains("rack") && shown.contains("menu"),
        "{shown}"
    );
    says(&daemon.run("device regenerate"));
}

#[test]
fn the_audit_tells_what_was_before_and_after() {
    let daemon = founded();
    says(&daemon.run("network set --hold-limit 120"));
    let audit = says(&daemon.run("events --audit"));
    for wanted in ["FROM", "hold_limit_seconds: 300 -> 120", " UTC"] {
        assert!(audit.contains(wanted), "{wanted}: {audit}");
    }
    assert!(!audit.contains("person:"), "{audit}");
    let (code, _) = complains(&daemon.run("events --audit --follow"));
    assert_eq!(code, 2);
    let (_, why) = complains(&daemon.run("device show 52:54:00:00:00:99"));
    assert!(
        why.contains("there is no device 52:54:00:00:00:99"),
        "{why}"
    );
}
