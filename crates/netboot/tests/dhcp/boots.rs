//! Whole boots in memory: a simulated machine against the core, from its first broadcast to its script.

use std::net::{Ipv4Addr, SocketAddrV4};

use netboot::core::answer::{ServerIdentity, answer};
use netboot::core::classify::{Door, Ingress, classify};
use netboot::director::{BootAsk, BootClient, LoaderName, Offer, Platform, Program};
use netboot::sim::boot::{Carried, Step, Stuck, World, boot};
use netboot::sim::machine::{Machine, Software, Source};

use crate::packets::LOCAL;

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const SCRIPT: &str = "#!ipxe\necho hello\n";

/// The core, a director and a few files.
struct Site {
    discovery_control: bool,
    decide: fn(&BootAsk) -> Program,
    carried: usize,
}

impl World for Site {
    fn carry(&mut self, datagram: &[u8], source: SocketAddrV4, door: Door) -> Vec<Carried> {
        self.carried += 1;
        let ingress = Ingress {
            door,
            ifindex: 2,
            local: LOCAL,
            source,
            shared: false,
        };
        let Ok(query) = classify(datagram, ingress) else {
            return Vec::new();
        };
        let offer = Offer {
            program: (self.decide)(&query.ask()),
            server: None,
            discovery_control: self.discovery_control,
        };
        let server = ServerIdentity {
            address: LOCAL,
            http_port: 80,
        };
        answer(&query, &offer, &server)
            .map(|reply| Carried {
                source: SocketAddrV4::new(reply.source, reply.source_port),
                destination: reply.destination,
                bytes: reply.bytes,
            })
            .into_iter()
            .collect()
    }

    fn fetch(&mut self, source: &Source) -> Option<Vec<u8>> {
        let name = match source {
            Source::Tftp { server, path } if *server == LOCAL => path.as_str(),
            Source::Tftp { .. } => return None,
            Source::Http(url) => url.strip_prefix("http://10.77.0.2/")?,
        };
        match name {
            "ipxe/undionly.kpxe" | "ipxe/snponly.efi" | "ipxe/snponly-arm64.efi" => {
                Some(b"MZ a loader".to_vec())
            }
            "boot/52-54-00-aa-bb-01" | "pxe/boot.ipxe" => Some(SCRIPT.as_bytes().to_vec()),
            _ => None,
        }
    }
}

/// What a director of a plain site decides.
fn plain(ask: &BootAsk) -> Program {
    let (platform, script) = match ask.client {
        BootClient::Pxe(platform) | BootClient::Http(platform) => (platform, false),
        BootClient::Ipxe { platform, http } => (platform, http),
    };
    let loader = match platform {
        Platform::Bios => "undionly.kpxe",
        Platform::EfiArm64 => "snponly-arm64.efi",
        _ => "snponly.efi",
    };
    match script {
        true => Program::Script,
        false => Program::Loader(LoaderName::parse(loader).unwrap()),
    }
}

fn machine(software: Software) -> Machine {
    Machine {
        mac: "52:54:00:aa:bb:01".parse().unwrap(),
        guid: Some(*b"DELL\x00\x00\x00\x40\x80\x00\x00\x00\x00\x00\x00\x01"),
        software,
        address: Ipv4Addr::new(10, 77, 0, 131),
    }
}

fn go(
    software: Software,
    discovery_control: bool,
    decide: fn(&BootAsk) -> Program,
) -> Result<Vec<Step>, Stuck> {
    let mut site = Site {
        discovery_control,
        decide,
        carried: 0,
    };
    boot(&machine(software), ROUTER, &mut site)
}

/// The steps in short, such as `67 ipxe/snponly.efi 67 script`.
fn story(steps: &[Step]) -> String {
    let words: Vec<&str> = steps
        .iter()
        .map(|step| match step {
            Step::Answered(Door::Dhcp) => "67",
            Step::Answered(Door::Proxy) => "4011",
            Step::Loaded(Source::Tftp { path, .. }) => path,
            Step::Loaded(Source::Http(url)) => url,
            Step::Script(text) if text == SCRIPT => "script",
            Step::Script(_) => "another script",
        })
        .collect();
    words.join(" ")
}

#[test]
fn every_kind_of_machine_boots_to_its_script() {
    let ipxe = |http, chained| Software::Ipxe {
        platform: Platform::EfiX64,
        http,
        chained,
    };
    let (x64, arm64) = (Platform::EfiX64, Platform::EfiArm64);
    let url = "67 http://10.77.0.2/boot/52-54-00-aa-bb-01 script";
    for (software, discovery_control, first) in [
        (Software::BiosRom, true, "67 ipxe/undionly.kpxe "),
        (Software::BiosRom, false, "67 ipxe/undionly.kpxe "),
        (Software::Edk2Pxe(x64), true, "67 ipxe/snponly.efi "),
        (Software::Edk2Pxe(x64), false, "67 4011 ipxe/snponly.efi "),
        (Software::Edk2Pxe(arm64), true, "67 ipxe/snponly-arm64.efi "),
        (
            Software::Edk2Pxe(arm64),
            false,
            "67 4011 ipxe/snponly-arm64.efi ",
        ),
        (
            Software::Edk2Http(x64),
            true,
            "67 http://10.77.0.2/ipxe/snponly.efi ",
        ),
        (
            Software::Edk2Http(arm64),
            true,
            "67 http://10.77.0.2/ipxe/snponly-arm64.efi ",
        ),
        (ipxe(true, false), true, ""),
        (ipxe(true, true), true, ""),
        (ipxe(true, true), false, ""),
        (ipxe(false, false), true, "67 ipxe/snponly.efi "),
    ] {
        let steps = go(software, discovery_control, plain)
            .unwrap_or_else(|stuck| panic!("{software:?}: {stuck}"));
        assert_eq!(story(&steps), format!("{first}{url}"), "{software:?}");
    }
}

#[test]
fn a_machine_without_a_uuid_boots_too() {
    let mut nameless = machine(Software::BiosRom);
    nameless.guid = None;
    let mut site = Site {
        discovery_control: true,
        decide: plain,
        carried: 0,
    };
    let steps = boot(&nameless, ROUTER, &mut site).unwrap();
    assert!(story(&steps).ends_with("script"));
    // Two rounds of discover and request.
    assert_eq!(site.carried, 4);
}

#[test]
fn a_machine_whose_http_boot_is_to_fail_finds_nothing() {
    let stuck = go(Software::Edk2Http(Platform::EfiX64), true, |_| {
        Program::NotFound
    })
    .unwrap_err();
    let Stuck::Missing(Source::Http(url)) = stuck else {
        panic!("{stuck}");
    };
    assert_eq!(url, "http://10.77.0.2/nothing-to-boot.efi");
}

#[test]
fn the_simulated_machine_notices_a_loader_loop_and_silence() {
    let loop_of_loaders = go(Software::BiosRom, true, |_| {
        Program::Loader(LoaderName::parse("undionly.kpxe").unwrap())
    });
    assert_eq!(loop_of_loaders, Err(Stuck::Loop(4)));
    let silence = go(Software::BiosRom, true, |_| Program::Nothing("closed"));
    assert_eq!(silence, Err(Stuck::Silence(Door::Dhcp)));
}
