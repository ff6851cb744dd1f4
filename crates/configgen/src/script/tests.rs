//! Each script as a machine gets it, and what may never be in one.

use proptest::prelude::*;

use super::*;
use model::{Arch, ConfigToken, NetworkSettings, Payload};

fn place() -> Place {
    Place {
        server: Ipv4Addr::new(10, 0, 0, 2),
        http_port: 80,
        mac: "52:54:00:00:00:01".parse().unwrap(),
        reports: ReportPorts::default(),
    }
}

fn talos(settings: &NetworkSettings, config: ConfigLink) -> TalosBoot {
    TalosBoot::new(
        &place(),
        &"v1.13.9".parse().unwrap(),
        Arch::Amd64,
        settings,
        config,
    )
}

const MODERN: DiskWays = DiskWays {
    sanboot_bios: true,
    sanboot_uefi: true,
};

fn scripts() -> Scripts {
    Scripts::new(&[]).unwrap()
}

/// What iPXE would run: each line that is neither blank nor a comment.
fn commands(script: &str) -> Vec<&str> {
    assert!(script.starts_with("#!ipxe\n"), "{script}");
    script
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn the_first_script_says_what_the_machine_is() {
    let script = scripts().identify(&place()).unwrap();
    insta::assert_snapshot!(commands(&script).join("\n"), @r#"
    :ask
    chain --replace --autofree http://10.0.0.2/boot/52-54-00-00-00-01?facts=1&uuid=${uuid}&serial=${serial:uristring}&manufacturer=${manufacturer:uristring}&product=${product:uristring}&buildarch=${buildarch}&platform=${platform}&version=${version:uristring} ||
    echo ktizo at 10.0.0.2 did not answer, asking again in 3 seconds
    sleep 3
    goto ask
    "#);
}

#[test]
fn a_held_machine_asks_again_without_nesting() {
    let lines = [
        "Unknown MAC Address".to_owned(),
        "52:54:00:00:00:01".to_owned(),
    ];
    let script = scripts()
        .hold(&place(), &lines, 1_700_000_000_000_000)
        .unwrap();
    insta::assert_snapshot!(commands(&script).join("\n"));
}

#[test]
fn a_rejected_machine_goes_to_its_disk() {
    let lines = ["This machine was rejected.".to_owned()];
    let script = scripts().leave(&place(), MODERN, &lines).unwrap();
    insta::assert_snapshot!(commands(&script).join("\n"));
    let old = DiskWays {
        sanboot_uefi: false,
        ..MODERN
    };
    assert!(
        !scripts()
            .leave(&place(), old, &lines)
            .unwrap()
            .contains("--drive 0 ")
    );
}

#[test]
fn an_approved_machine_installs_after_its_menu() {
    let menu = Menu {
        title: "node-01".into(),
        timeout: Duration::from_secs(3),
    };
    let talos = talos(&NetworkSettings::default(), ConfigLink::Plain);
    let script = scripts()
        .install(
            &place(),
            MODERN,
            Some(&menu),
            &["Approved as worker node-01".into()],
            &talos,
        )
        .unwrap();
    insta::assert_snapshot!(commands(&script).join("\n"));
}

#[test]
fn a_released_machine_sees_no_menu() {
    let talos = talos(
        &NetworkSettings {
            payload: Payload::Tftp,
            ..NetworkSettings::default()
        },
        ConfigLink::Plain,
    );
    let script = scripts()
        .install(&place(), MODERN, None, &[], &talos)
        .unwrap();
    assert!(!script.contains("choose"), "{script}");
    assert!(script.contains("kernel tftp://10.0.0.2/talos/v1.13.9/vmlinuz-amd64 initrd=initramfs.xz talos.platform=metal"), "{script}");
}

#[test]
fn a_token_is_in_the_script_and_nowhere_else() {
    let token = ConfigToken::from_random([0xa5; 24]);
    let talos = talos(&NetworkSettings::default(), ConfigLink::Token(token));
    let script = scripts()
        .install(&place(), MODERN, None, &[], &talos)
        .unwrap();
    let url = format!(
        " talos.config=http://10.0.0.2/talos/configs/52-54-00-00-00-01.yaml?token={} ",
        "a5".repeat(24)
    );
    assert!(script.contains(&url), "{script}");
    assert_eq!(script.matches("a5a5").count(), 12);
    assert!(!format!("{talos:?}").contains("a5a5"));
}

#[test]
fn a_wipe_names_no_config() {
    let talos = talos(&NetworkSettings::default(), ConfigLink::None).wiping();
    let script = scripts()
        .wipe(&place(), &["A wipe was ordered.".into()], &talos)
        .unwrap();
    let kernel = commands(&script)
        .into_iter()
        .find(|line| line.starts_with("kernel "));
    let kernel = kernel.unwrap();
    assert!(
        kernel.contains(" talos.experimental.wipe=system ||"),
        "{kernel}"
    );
    assert!(!script.contains("talos.config"), "{script}");
    assert!(
        !script.contains("menu") && !script.contains("choose"),
        "{script}"
    );
}

#[test]
fn the_cautious_menu_ends_at_the_disk() {
    let menu = Menu {
        title: "node-01".into(),
        timeout: Duration::from_secs(60),
    };
    let talos = talos(&NetworkSettings::default(), ConfigLink::Plain);
    let script = scripts()
        .choose(
            &place(),
            MODERN,
            &menu,
            &["Its config was served.".into()],
            Ok(&talos),
        )
        .unwrap();
    insta::assert_snapshot!(commands(&script).join("\n"));
    let without = scripts()
        .choose(&place(), MODERN, &menu, &[], Err("no kernel was imported"))
        .unwrap();
    assert!(
        without.contains(":install\necho no kernel was imported\n"),
        "{without}"
    );
}

#[test]
fn an_open_boot_tries_the_disk_before_talos_without_a_config() {
    let menu = Menu {
        title: "not approved".into(),
        timeout: Duration::from_secs(10),
    };
    let talos = talos(&NetworkSettings::default(), ConfigLink::None);
    let script = scripts()
        .open(
            &place(),
            MODERN,
            &menu,
            &["Strict boot mode is off.".into()],
            Ok(&talos),
        )
        .unwrap();
    assert!(!script.contains("talos.config"), "{script}");
    insta::assert_snapshot!(commands(&script).join("\n"));
}

#[test]
fn the_table_matches_and_chains() {
    let node = TableNode {
        mac: place().mac,
        role: Role::Worker,
        ip: Ipv4Addr::new(10, 0, 0, 5),
    };
    let script = scripts().table("http://10.0.0.2", &[node]).unwrap();
    insta::assert_snapshot!(commands(&script).join("\n"));
}

#[test]
fn ipxe_starts_early_through_autoexec() {
    let script = scripts().autoexec("http://10.0.0.2:8080").unwrap();
    insta::assert_snapshot!(commands(&script).join("\n"));
}

#[test]
fn an_own_template_takes_the_place_of_the_built_in_one() {
    let own = [("leave.ipxe".to_owned(), "#!ipxe\nexit 1\n".to_owned())];
    let scripts = Scripts::new(&own).unwrap();
    assert_eq!(
        scripts.leave(&place(), MODERN, &[]).unwrap(),
        "#!ipxe\nexit 1\n"
    );
    assert_eq!(scripts.overridden(), ["leave.ipxe"]);
}

#[test]
fn an_own_template_that_cannot_work_is_refused_by_name() {
    for (name, text, expected) in [
        ("leaf.ipxe", "", "leaf.ipxe replaces nothing"),
        ("leave.ipxe", "#!ipxe\n{% if x %}", "leave.ipxe"),
        ("leave.ipxe", "#!ipxe\necho {{ nosuch }}\n", "nosuch"),
        ("to-disk.ipxe", "echo {{ nosuch }}\n", "to-disk.ipxe:1:9: "),
        (
            "choose.ipxe",
            "#!ipxe\n{% if kernel_url %}{% else %}{{ nosuch }}{% endif %}",
            "nosuch",
        ),
        (
            "leave.ipxe",
            "exit 1\n",
            "leave.ipxe: the first line of what it makes must be `#!ipxe`",
        ),
        ("boot.ipxe", "", "boot.ipxe: the first line"),
    ] {
        let err = Scripts::new(&[(name.to_owned(), text.to_owned())]).unwrap_err();
        assert!(err.to_string().contains(expected), "{err}");
    }
}

#[test]
fn where_an_own_template_fails_with_the_values_of_a_machine_the_built_in_one_is_taken() {
    let fails = "#!ipxe\n{% if \"a bad day\" in lines %}{{ nosuch }}{% endif %}exit 1\n";
    let scripts = Scripts::new(&[("leave.ipxe".to_owned(), fails.to_owned())]).unwrap();
    let leave = |lines: &[String]| {
        let (script, failed) = scripts
            .or_built_in(|scripts| scripts.leave(&place(), MODERN, lines))
            .unwrap();
        (script, failed.map(|err| err.to_string()))
    };
    assert_eq!(leave(&[]), ("#!ipxe\nexit 1\n".to_owned(), None));
    let lines = ["a bad day".to_owned()];
    let (script, failed) = leave(&lines);
    let built_in = Scripts::new(&[]).unwrap();
    assert_eq!(script, built_in.leave(&place(), MODERN, &lines).unwrap());
    assert!(failed.unwrap().contains("nosuch"));
}

proptest! {
    #[test]
    fn no_text_becomes_a_command(text in any::<String>()) {
        let plain = scripts().leave(&place(), MODERN, &["x".into()]).unwrap();
        let script = scripts().leave(&place(), MODERN, std::slice::from_ref(&text)).unwrap();
        let verbs = |script: &str| -> Vec<String> {
            commands(script).iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
        };
        prop_assert_eq!(verbs(&script), verbs(&plain));
        let line = script.lines().find(|line| line.starts_with("echo ") ).unwrap_or_default();
        prop_assert!(!line.contains("||") && !line.contains("&&") && !line.contains('$') && !line.contains(';'), "{}", line);
    }
}

#[test]
fn talos_reports_to_the_ports_that_are_served_and_only_once() {
    let both = ReportPorts {
        events: Some(8090),
        kernel_log: Some(8092),
    };
    let one = ReportPorts {
        kernel_log: None,
        ..both
    };
    let (sink, log) = (
        "talos.events.sink=10.0.0.2:8090",
        "talos.logging.kernel=tcp://10.0.0.2:8092/",
    );
    for (reports, ports, extra, expected) in [
        (true, both, vec![], vec![sink, log]),
        (true, one, vec![], vec![sink]),
        (true, ReportPorts::default(), vec![], vec![]),
        (false, both, vec![], vec![]),
        (
            true,
            both,
            vec!["talos.events.sink=10.0.0.9:1"],
            vec!["talos.events.sink=10.0.0.9:1", log],
        ),
        (
            true,
            both,
            vec![
                "talos.logging.kernel=udp://10.0.0.9:1",
                "talos.events.sinks=1",
            ],
            vec![
                "talos.logging.kernel=udp://10.0.0.9:1",
                "talos.events.sinks=1",
                sink,
            ],
        ),
    ] {
        let settings = NetworkSettings {
            reports,
            extra_kernel_args: extra.into_iter().map(str::to_owned).collect(),
            ..NetworkSettings::default()
        };
        let place = Place {
            reports: ports,
            ..place()
        };
        for config in [ConfigLink::Plain, ConfigLink::None] {
            let version = "v1.13.9".parse().unwrap();
            let talos = TalosBoot::new(&place, &version, Arch::Amd64, &settings, config);
            let script = scripts()
                .install(&place, MODERN, None, &[], &talos)
                .unwrap();
            let said: Vec<&str> = script
                .split_whitespace()
                .filter(|word| {
                    word.starts_with("talos.events.") || word.starts_with("talos.logging.")
                })
                .collect();
            assert_eq!(said, expected);
        }
    }
}
