//! Patches as Talos applies them, and what each layer did.

use super::*;
use crate::golden;
use crate::yaml::Path;

fn newest() -> TalosVersion {
    Contract::NEWEST.to_string().parse().unwrap()
}

/// Takes out what Go writes for unset fields, so that only set values are compared.
fn pruned(node: &Node) -> Option<Node> {
    match &node.value {
        Value::Scalar(scalar) => (!node.is_null() && !scalar.text.is_empty()).then(|| node.clone()),
        Value::Sequence(items) => {
            let items: Vec<Node> = items.iter().filter_map(pruned).collect();
            (!items.is_empty()).then(|| Node::seq(items))
        }
        Value::Mapping(mapping) => {
            // Golden files are written by Go, in its order; what a mapping holds is compared, not its order.
            let mut entries: Vec<(String, Node)> = mapping
                .iter()
                .filter_map(|entry| Some((entry.key.text.clone(), pruned(&entry.value)?)))
                .collect();
            entries.sort_by(|one, two| one.0.cmp(&two.0));
            (!entries.is_empty()).then(|| Node::map(entries))
        }
    }
}

#[test]
fn a_zero_overrides_where_talos_has_a_pointer_and_nowhere_else() {
    let base = "apiVersion: v1alpha1\nkind: BondConfig\nname: bond0\nlinks: [a]\nmiimon: 100\nmtu: 9000\nup: true\n---\n\
        apiVersion: v1alpha1\nkind: EthernetConfig\nname: a\nrings: {rx: 256, tx: 256}\n";
    let patch = "apiVersion: v1alpha1\nkind: BondConfig\nname: bond0\nmiimon: 0\nmtu: 0\nup: false\n---\n\
        apiVersion: v1alpha1\nkind: EthernetConfig\nname: a\nrings: {rx: 0}\n";
    let base = MachineConfig::parse("base.yaml", base).unwrap();
    let patch = Patch::parse("patch.yaml", patch).unwrap();
    let result = patch.apply(&base, &newest()).unwrap().print();
    for line in ["miimon: 0", "mtu: 9000", "up: false", "rx: 0", "tx: 256"] {
        assert!(result.contains(line), "{line}: {result}");
    }
}

#[test]
fn golden_patches_give_what_talos_gives() {
    let Some(folder) = golden::talos() else {
        return;
    };
    let mut cases = 0;
    for entry in std::fs::read_dir(folder.join("patches")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let read = |file: &str| golden::read(&format!("patches/{name}/{file}"));
        let base = MachineConfig::parse("base.yaml", &read("base.yaml")).unwrap();
        let result = Patch::parse("patch.yaml", &read("patch.yaml"))
            .and_then(|patch| patch.apply(&base, &newest()));
        cases += 1;
        if folder
            .join("patches")
            .join(&name)
            .join("expected-error.txt")
            .exists()
        {
            assert!(result.is_err(), "{name}: {}", result.unwrap().print());
            continue;
        }
        let result = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = MachineConfig::parse("expected.yaml", &read("expected.yaml")).unwrap();
        let found: Vec<_> = result
            .ids()
            .zip(result.documents().iter().map(|it| pruned(&it.root)))
            .collect();
        let wanted: Vec<_> = expected
            .ids()
            .zip(expected.documents().iter().map(|it| pruned(&it.root)))
            .collect();
        assert_eq!(found.len(), wanted.len(), "{name}: {}", result.print());
        for (found, wanted) in found.iter().zip(&wanted) {
            let show =
                |node: &Option<Node>| node.as_ref().map(yaml::print_node).unwrap_or_default();
            assert_eq!(found.0, wanted.0, "{name}");
            // Permissions are written as Go writes them; the golden base has that spelling too.
            assert_eq!(found.1, wanted.1, "{name} {}: {}", found.0, show(&found.1));
        }
    }
    assert!(cases >= 17, "{cases}");
}

fn config(text: &str) -> MachineConfig {
    MachineConfig::parse("config", text).unwrap()
}

fn patched(base: &str, patch: &str) -> String {
    let result = Patch::parse("p", patch).and_then(|patch| patch.apply(&config(base), &newest()));
    result.map_or_else(|error| error.to_string(), |config| config.print())
}

#[test]
fn spellings_survive_on_both_sides_and_unknown_documents_pass_through() {
    let base = "kind: Future\napiVersion: v9\nx: 1.10\ny: [on, 2024-01-02]\n---\nmachine:\n    type: worker\n    sysctls:\n        a: 0644\n        b: 1_000\n";
    let patch = "machine:\n    sysctls:\n        c: 1.10\n        b: 0x1F\n";
    insta::assert_snapshot!(patched(base, patch), @r#"
    kind: Future
    apiVersion: v9
    x: 1.10
    y:
        - on
        - 2024-01-02
    ---
    machine:
        type: worker
        sysctls:
            a: 0644
            b: 0x1F
            c: 1.10
    "#);
    let future = Patch::parse("p", "kind: Future\napiVersion: v9\nx: 1.20\ny: [yes]\n").unwrap();
    let refusal = future
        .apply(&config(base), &newest())
        .unwrap_err()
        .to_string();
    assert_eq!(
        refusal,
        "patch p: document Future, line 1: Talos v1.15 knows no kind Future"
    );
    let merged = future
        .apply(&config(base), &"v1.99.0".parse().unwrap())
        .unwrap()
        .print();
    assert!(
        merged.starts_with(
            "kind: Future\napiVersion: v9\nx: 1.20\ny:\n    - on\n    - 2024-01-02\n    - yes\n"
        ),
        "{merged}"
    );
}

#[test]
fn new_keys_stand_where_talos_writes_them() {
    insta::assert_snapshot!(patched("machine:\n    type: worker\n    nodeLabels: {a: b}\n", "machine:\n    kubelet: {image: x}\n    token: t\n"), @r#"
    machine:
        type: worker
        token: t
        kubelet:
            image: x
        nodeLabels:
            a: b
    "#);
}

#[test]
fn sizes_of_a_volume_are_taken_over_even_when_absent() {
    let base = "apiVersion: v1alpha1\nkind: VolumeConfig\nname: EPHEMERAL\nprovisioning: {minSize: 1GB, maxSize: 2GB, grow: true}\nmount: {secure: true}\n";
    insta::assert_snapshot!(patched(base, "apiVersion: v1alpha1\nkind: VolumeConfig\nname: EPHEMERAL\nmount: {secure: false}\n"), @r#"
    apiVersion: v1alpha1
    kind: VolumeConfig
    name: EPHEMERAL
    provisioning:
        grow: true
    mount:
        secure: false
    "#);
}

#[test]
fn json_patches_work_on_one_document_only() {
    let base = "machine:\n    type: worker\n    certSANs: [a]\n    sysctls: {a/b: \"1\"}\n";
    let patch = "[{\"op\": \"test\", \"path\": \"/machine/type\", \"value\": \"worker\"},\n {\"op\": \"add\", \"path\": \"/machine/certSANs/0\", \"value\": \"b\"},\n {\"op\": \"add\", \"path\": \"/machine/certSANs/-\", \"value\": \"c\"},\n {\"op\": \"replace\", \"path\": \"/machine/sysctls/a~1b\", \"value\": \"2\"},\n {\"op\": \"copy\", \"from\": \"/machine/type\", \"path\": \"/machine/token\"},\n {\"op\": \"move\", \"from\": \"/machine/token\", \"path\": \"/machine/x\"},\n {\"op\": \"remove\", \"path\": \"/machine/x\"}]";
    insta::assert_snapshot!(patched(base, patch), @r#"
    machine:
        type: worker
        certSANs:
            - "b"
            - a
            - "c"
        sysctls:
            a/b: "2"
    "#);
    insta::assert_snapshot!([
        patched(&format!("{base}---\napiVersion: v1alpha1\nkind: HostnameConfig\nauto: stable\n"), patch),
        patched(base, "- {op: remove, path: /machine/nothing}"),
        patched(base, "- {op: add, path: /machine/certSANs/5, value: x}"),
        patched(base, "- {op: add, path: /machine/certSANs/01, value: x}"),
        patched(base, "- {op: test, path: /machine/type, value: controlplane}"),
        patched(base, "- {op: paint, path: /machine}"),
        patched(base, "- {op: add, path: machine}"),
        patched(base, "- {op: add, path: /machine/a, value: 1}\n- {op: remove, path: ''}"),
    ].join("\n"), @r#"
    patch p: a JSON patch (RFC 6902) is for a config of one document, this one has 2; write it as documents to merge
    patch p: operation 1: there is nothing at /machine/nothing
    patch p: operation 1: there is nothing at /machine/certSANs/5
    patch p: operation 1: there is nothing at /machine/certSANs/01
    patch p: operation 1: the test of /machine/type failed: another value is there
    patch p: line 1: `op` must be add, remove, replace, move, copy or test
    patch p: line 1: this operation needs a `value`
    patch p: operation 2: the whole document cannot be removed
    "#);
}

#[test]
fn refusals_name_the_patch_the_line_and_the_reason() {
    let base = "machine:\n    type: worker\n    certSANs: [a]\n    network:\n        interfaces: [{interface: eth0, vlans: [{vlanId: 1}]}]\ncluster:\n    apiServer:\n        admissionControl: [{name: x, configuration: {a: 1, l: [1]}}]\n";
    insta::assert_snapshot!([
        patched(base, ""),
        patched(base, "a: [1"),
        patched(base, "machine:\n    bogus: 1\n"),
        patched(base, "kind: X\n"),
        patched(base, "$patch: delete\n"),
        patched(base, "machine:\n    env:\n        FOO: {$patch: delete}\n"),
        patched(base, "machine:\n    network:\n        interfaces:\n            - interface: eth9\n              $patch: delete\n"),
        patched(base, "machine:\n    network:\n        interfaces:\n            - interface: eth0\n              vlans: {$patch: delete}\n"),
        patched(base, "cluster:\n    apiServer:\n        admissionControl: [{name: x, configuration: {a: b}}]\n"),
        patched(base, "cluster:\n    apiServer:\n        admissionControl: [{name: x, configuration: {a: [1]}}]\n"),
    ].join("\n"), @r#"
    p: there is no document in it
    p: line 2, column 1: while parsing a flow sequence, expected ',' or ']'
    patch p: document v1alpha1, machine.bogus, line 2: unknown key
    patch p: line 1: a document with a `kind` needs `apiVersion: v1alpha1`
    patch p: line 1: the document v1alpha1 cannot be deleted
    patch p: line 1: cannot delete machine.env.FOO of document v1alpha1: it is not there
    patch p: line 1: cannot delete machine.network.interfaces[0] of document v1alpha1: it is not there
    patch p: line 1: machine.network.interfaces[0].vlans: Talos cannot delete a key inside of a list item
    patch p: line 1: cluster: apiServer: admissionControl: configuration: a: the patch has a value of another type, which Talos refuses to merge
    patch p: line 1: cluster: apiServer: admissionControl: configuration: a: the patch has a value of another shape, which Talos refuses to merge
    "#);
    let twice = Patch::parse("p", "machine: {token: a}\n---\nmachine: {token: b}\n").unwrap();
    let old: TalosVersion = "v1.13.0".parse().unwrap();
    assert!(
        twice
            .apply(&config(base), &old)
            .unwrap_err()
            .to_string()
            .contains("second time")
    );
    assert!(
        twice
            .apply(&config(base), &newest())
            .unwrap()
            .print()
            .contains("token: b")
    );
}

#[test]
fn a_json_patch_cannot_fill_the_memory_or_the_stack() {
    let base = config("machine: {type: worker}\na: {}\nb: {}\n");
    let refused = |operations: Vec<String>| {
        let patch = Patch::parse("bomb", &format!("[{}]", operations.join(","))).unwrap();
        patch.apply(&base, &newest()).unwrap_err().to_string()
    };
    let copies = (0..40).map(|n| format!(r#"{{"op":"copy","from":"","path":"/c{n}"}}"#));
    let found = refused(copies.collect());
    assert!(
        found.contains("more than any config holds") || found.contains("nested deeper"),
        "{found}"
    );
    let list = r#"{"op":"add","path":"/a","value":{"l":[1]}}"#.to_owned();
    let doubled = (0..60).map(|n| format!(r#"{{"op":"copy","from":"/a","path":"/a/{n}"}}"#));
    let flat = (0..3).map(|_| r#"{"op":"copy","from":"/a","path":"/b"}"#.to_owned());
    let found = refused([list].into_iter().chain(flat).chain(doubled).collect());
    assert!(
        found.contains("more than any config holds") || found.contains("nested deeper"),
        "{found}"
    );
    let nested = (0..5000).flat_map(|_| {
        [
            r#"{"op":"move","from":"/a","path":"/b/x"}"#,
            r#"{"op":"add","path":"/a","value":{}}"#,
            r#"{"op":"move","from":"/b","path":"/a/x"}"#,
            r#"{"op":"add","path":"/b","value":{}}"#,
        ]
        .map(str::to_owned)
    });
    assert!(refused(nested.collect()).contains("nested deeper"));
}

#[test]
fn explaining_shows_no_secret_wherever_it_stands() {
    let base = config(
        "machine:\n    type: worker\n    env: {A: hunter2}\n    files: [{content: hunter2, path: /x}]\ncluster: {extraManifestHeaders: {X: hunter2}}\n---\napiVersion: v1alpha1\nkind: RegistryAuthConfig\nname: r.example:5000\nusername: me\npassword: hunter2\n---\napiVersion: v1alpha1\nkind: RegistryAuthConfig\nname: r.example\npassword: hunter3\n",
    );
    let layers = Layered::new(base);
    for (path, count, value) in [
        ("machine.env.A", 1, "(secret)"),
        ("machine.env", 1, "A: (secret)"),
        ("machine.files[0].content", 1, "(secret)"),
        ("cluster.extraManifestHeaders.X", 1, "(secret)"),
        ("RegistryAuthConfig/r.example:5000:password", 1, "(secret)"),
        ("RegistryAuthConfig/r.example:5000:username", 1, "me"),
        ("RegistryAuthConfig/r.example:password", 1, "(secret)"),
        ("RegistryAuthConfig:password", 2, "(secret)"),
        ("RegistryAuthConfig/other.example:password", 0, ""),
        ("machine.type", 1, "worker"),
    ] {
        let found = layers.explain(path).unwrap();
        assert_eq!(found.len(), count, "{path}");
        for one in found {
            assert_eq!(one.value.unwrap().trim_end(), value, "{path}");
        }
    }
}

#[test]
fn a_patch_with_a_secret_is_known() {
    for (text, expected) in [
        ("machine: {sysctls: {a: b}}", false),
        ("machine: {token: x}", true),
        ("machine: {env: {A: x}}", true),
        ("[{op: add, path: /machine/token, value: x}]", true),
    ] {
        assert_eq!(
            Patch::parse("p", text).unwrap().may_hold_secrets(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn every_value_has_an_origin() {
    let mut layered = Layered::new(config(
        "machine:\n    type: worker\n    token: secret\n    certSANs: [a]\n    sysctls: {x: \"1\", y: \"1\"}\n---\napiVersion: v1alpha1\nkind: VolumeConfig\nname: EPHEMERAL\n",
    ));
    for (name, text) in [
        (
            "cluster",
            "machine:\n    sysctls: {x: \"2\"}\n    certSANs: [b]\n",
        ),
        (
            "role",
            "machine:\n    sysctls: {y: {$patch: delete}, z.w: \"3\"}\n---\napiVersion: v1alpha1\nkind: VolumeConfig\nname: EPHEMERAL\nprovisioning: {minSize: 1GB}\n",
        ),
        (
            "rack",
            "machine:\n    sysctls: {x: \"2\"}\n    token: other\n",
        ),
    ] {
        layered
            .patch(&Patch::parse(name, text).unwrap(), &newest())
            .unwrap();
    }
    let explain = |target: &str| -> String {
        let line = |it: &Explanation| {
            let layers: Vec<String> = it.layers.iter().map(ToString::to_string).collect();
            format!(
                "{}, {}: {} <- {}",
                it.document,
                it.path,
                it.value.as_deref().map_or("(deleted)", str::trim_end),
                layers.join(", ")
            )
        };
        layered.explain(target).map_or_else(
            |error| error.to_string(),
            |found| found.iter().map(line).collect::<Vec<_>>().join("\n"),
        )
    };
    insta::assert_snapshot!([
        explain("machine.sysctls.x"),
        explain("machine.sysctls.y"),
        explain("machine.sysctls[\"z.w\"]"),
        explain("machine.certSANs[1]"),
        explain("machine.token"),
        explain("VolumeConfig/EPHEMERAL:provisioning.minSize"),
        explain("provisioning.minSize"),
        explain("machine.nothing"),
        explain("a["),
    ].join("\n"), @r#"
    document v1alpha1, machine.sysctls.x: "2" <- base config, patch cluster
    document v1alpha1, machine.sysctls.y: (deleted) <- base config, patch role
    document v1alpha1, machine.sysctls["z.w"]: "3" <- patch role
    document v1alpha1, machine.certSANs[1]: b <- patch cluster
    document v1alpha1, machine.token: (secret) <- base config, patch rack
    document VolumeConfig `EPHEMERAL`, provisioning.minSize: 1GB <- patch role
    document VolumeConfig `EPHEMERAL`, provisioning.minSize: 1GB <- patch role

    path: `a[` is not a path: a `[` is not closed; write it like `machine.network.interfaces[0]` or `machine.sysctls["a.b"]`
    "#);
    let origins = layered.origins();
    assert!(origins.iter().any(|(_, path, layer)| *path
        == Path::keys(["machine", "sysctls", "x"])
        && *layer == Layer::Patch("cluster".to_owned())));
    assert!(
        origins
            .iter()
            .any(|(_, path, layer)| *path == Path::keys(["machine", "type"])
                && *layer == Layer::Base)
    );
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    fn sysctls() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec(("[a-d]", "[a-z0-9.]{0,3}"), 0..4)
    }

    fn document(entries: &[(String, String)]) -> MachineConfig {
        let values = entries
            .iter()
            .map(|(key, value)| (key.clone(), Node::str(value)));
        let machine = Node::map([
            ("type", Node::str("worker")),
            ("sysctls", Node::map(values)),
        ]);
        MachineConfig::from_documents("x", vec![Document::new(Node::map([("machine", machine)]))])
            .unwrap()
    }

    fn as_patch(config: &MachineConfig) -> Patch {
        Patch::parse("p", &config.print()).unwrap()
    }

    proptest! {
        #[test]
        fn a_config_without_lists_laid_over_itself_stays_the_same(entries in sysctls()) {
            let config = document(&entries);
            prop_assert_eq!(as_patch(&config).apply(&config, &newest()).unwrap().print(), config.print());
        }

        #[test]
        fn merging_mappings_is_associative(a in sysctls(), b in sysctls(), c in sysctls()) {
            let (a, b, c) = (document(&a), document(&b), document(&c));
            let left = as_patch(&c).apply(&as_patch(&b).apply(&a, &newest()).unwrap(), &newest()).unwrap();
            let right = as_patch(&as_patch(&c).apply(&b, &newest()).unwrap()).apply(&a, &newest()).unwrap();
            prop_assert_eq!(left.print(), right.print());
        }
    }
}
