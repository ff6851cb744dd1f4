//! Every script, made once with sample values, so that a template that cannot work is known before a machine needs it.

use std::net::Ipv4Addr;
use std::time::Duration;

use model::{Arch, NetworkSettings, Role};

use super::{
    ConfigLink, DiskWays, Menu, Place, ReportPorts, ScriptError, Scripts, TableNode, TalosBoot,
};

/// Makes every script, each with and without what it may lack.
pub(super) fn try_all(scripts: &Scripts) -> Result<(), ScriptError> {
    let place = Place {
        server: Ipv4Addr::new(192, 0, 2, 1),
        http_port: 8080,
        mac: "52:54:00:00:00:01".parse().expect("this is a MAC"),
        reports: ReportPorts {
            events: Some(8090),
            kernel_log: Some(8092),
        },
    };
    let version = "v1.13.9".parse().expect("this is a version");
    let talos = TalosBoot::new(
        &place,
        &version,
        Arch::Amd64,
        &NetworkSettings::default(),
        ConfigLink::Plain,
    );
    let menu = Menu {
        title: "node-01".to_owned(),
        timeout: Duration::from_secs(5),
    };
    let lines = [
        "This is a sample.".to_owned(),
        "It boots nothing.".to_owned(),
    ];
    scripts.identify(&place)?;
    for remote in [false, true] {
        scripts.trouble(&place, &lines, remote)?;
    }
    scripts.autoexec(&place.base_url())?;
    let node = TableNode {
        mac: place.mac,
        role: Role::Worker,
        ip: place.server,
    };
    for nodes in [&[][..], &[node]] {
        scripts.table(&place.base_url(), nodes)?;
    }
    for lines in [&lines[..], &[]] {
        scripts.hold(&place, lines, 0)?;
        scripts.wipe(&place, lines, &talos)?;
        for (sanboot_bios, sanboot_uefi) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            let ways = DiskWays {
                sanboot_bios,
                sanboot_uefi,
            };
            scripts.leave(&place, ways, lines)?;
            for menu in [None, Some(&menu)] {
                scripts.install(&place, ways, menu, lines, &talos)?;
            }
            for talos in [Ok(&talos), Err("it is missing")] {
                scripts.choose(&place, ways, &menu, lines, talos)?;
                scripts.open(&place, ways, &menu, lines, talos)?;
            }
        }
    }
    Ok(())
}
