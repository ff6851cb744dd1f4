//! `ktizo gen` and `ktizo machineconfig`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::{complains, ktizo, put, says};

/// Runs the program in words split at spaces, `@` standing for the folder.
fn run(folder: &Path, line: &str) -> std::process::Output {
    let folder = folder.display().to_string();
    ktizo(
        line.split_whitespace()
            .map(|word| word.replace("DIR", &folder)),
    )
}

#[test]
fn a_cluster_is_made_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    says(&run(dir, "gen secrets -o DIR/secrets.yaml"));
    let (code, why) = complains(&run(dir, "gen secrets -o DIR/secrets.yaml"));
    assert_eq!(code, 1);
    assert!(why.contains("--force"), "{why}");

    put(
        &dir.join("patch.yaml"),
        "machine:\n  sysctls:\n    a.b: \"1\"\n",
    );
    let line = "gen config lab https://10.0.0.2:6443 --with-secrets DIR/secrets.yaml --talos-version v1.13.9 \
        --kubernetes-version 1.35.0 --install-disk /dev/vda --install-image example/installer:1 --additional-sans a.example,b.example \
        --additional-sans c.example --dns-domain lab.local --pod-subnets 10.1.0.0/16 --service-subnets 10.2.0.0/16 --cni none \
        --allow-scheduling-on-control-planes --with-kubespan=false --with-cluster-discovery=false \
        --config-patch @DIR/patch.yaml --config-patch-control-plane {\"machine\":{\"sysctls\":{\"c.d\":\"2\"}}} \
        --config-patch-worker {\"machine\":{\"sysctls\":{\"e.f\":\"3\"}}} --output DIR/out";
    says(&run(dir, line));
    let read = |name: &str| std::fs::read_to_string(dir.join("out").join(name)).unwrap();
    let (controlplane, worker) = (read("controlplane.yaml"), read("worker.yaml"));
    for expected in [
        "kubelet:v1.35.0",
        "disk: /dev/vda",
        "image: example/installer:1",
        "- c.example",
        "dnsDomain: lab.local",
        "- 10.1.0.0/16",
        "- 10.2.0.0/16",
        "name: none",
        "allowSchedulingOnControlPlanes: true",
        "enabled: false",
        "a.b: \"1\"",
        "c.d",
    ] {
        assert!(controlplane.contains(expected), "{expected}");
    }
    assert!(worker.contains("a.b: \"1\"") && worker.contains("e.f"));
    assert!(!worker.contains("c.d"));
    assert!(read("talosconfig").contains("context: lab"));
    for name in ["out/controlplane.yaml", "out/talosconfig", "secrets.yaml"] {
        let mode = std::fs::metadata(dir.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (_, why) = complains(&run(dir, line));
    assert!(why.contains("--force"), "{why}");
    says(&run(dir, &format!("{line} --force")));

    let all = "machineconfig validate --mode metal --talos-version v1.13 DIR/out/controlplane.yaml DIR/out/worker.yaml";
    assert!(says(&run(dir, all)).contains("worker.yaml is valid for metal mode"));
    says(&run(
        dir,
        "gen secrets --from-controlplane-config DIR/out/controlplane.yaml -o DIR/again.yaml",
    ));
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(text("again.yaml"), text("secrets.yaml"));

    let one = "gen config lab https://10.0.0.2:6443 --with-secrets DIR/secrets.yaml --talos-version v1.13.9 -t worker -o -";
    assert!(says(&run(dir, one)).contains("type: worker"));
}

#[test]
fn what_is_impossible_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    says(&run(dir, "gen secrets -o DIR/secrets.yaml"));
    let gen_config = |more: &str| {
        let line = format!(
            "gen config lab https://10.0.0.2:6443 --with-secrets DIR/secrets.yaml --output DIR/out {more}"
        );
        complains(&run(dir, &line))
    };
    for (more, expected, why) in [
        ("", 2, "--talos-version"),
        ("--talos-version v1.7.0", 3, "older than"),
        (
            "--talos-version v1.13.9 --kubernetes-version 1.12.0",
            3,
            "kubernetes_version",
        ),
        ("--talos-version v1.13.9 --cni x", 3, "cni"),
        (
            "--talos-version v1.13.9 --registry-mirror x",
            3,
            "REGISTRY=URL",
        ),
        (
            "--talos-version v1.13.9 --config-patch {\"machine\":{\"colour\":1}}",
            3,
            "colour",
        ),
        (
            "--talos-version v1.13.9 --config-patch @DIR/nowhere",
            1,
            "nowhere",
        ),
    ] {
        let (code, told) = gen_config(more);
        assert_eq!(code, expected, "{more}: {told}");
        assert!(told.contains(why), "{more}: {told}");
    }
    assert!(!dir.join("out").exists(), "nothing was written");
}

#[test]
fn configs_are_patched_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    put(
        &dir.join("config.yaml"),
        "machine:\n  type: worker\n  sysctls: {a: '1_000'}\n",
    );
    put(
        &dir.join("p.yaml"),
        "machine:\n  sysctls: {b: '0644'}\n---\napiVersion: v1alpha1\nkind: HostnameConfig\nhostname: x\n",
    );
    let line =
        "machineconfig patch DIR/config.yaml --patch @DIR/p.yaml --patch [] --output DIR/out.yaml";
    let (code, _) = complains(&run(dir, line));
    assert_eq!(code, 3);
    let line = "machineconfig patch DIR/config.yaml --patch @DIR/p.yaml";
    let patched = says(&run(dir, line));
    assert!(
        patched.contains("'1_000'") && patched.contains("'0644'"),
        "{patched}"
    );
    assert!(patched.contains("kind: HostnameConfig"));
    says(&run(dir, &format!("{line} --output DIR/out.yaml")));
    assert_eq!(
        std::fs::read_to_string(dir.join("out.yaml")).unwrap(),
        patched
    );

    put(&dir.join("broken.yaml"), "machine: [");
    let (code, told) = complains(&run(
        dir,
        "machineconfig validate --mode metal DIR/config.yaml DIR/broken.yaml",
    ));
    assert_eq!(code, 3);
    assert!(told.contains("2 of 2 configs"), "{told}");
    let (code, _) = complains(&run(
        dir,
        "machineconfig validate --mode cloud DIR/config.yaml",
    ));
    assert_eq!(code, 2);
}

#[test]
fn completions_end_with_their_reader() {
    let mut script = std::process::Command::new(env!("CARGO_BIN_EXE_ktizo"))
        .args(["completion", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The reader goes away before the first byte.
    drop(script.stdout.take());
    let ended = script.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.is_empty(), "{said}");
}
