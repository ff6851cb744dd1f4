//! The query of a script's URL: what iPXE tells of its machine, and what an earlier script has to hand on.
//!
//! All of it comes from an unauthenticated network: each value is bounded and cleaned here, and a wrong one counts as absent,
//! for a machine whose SMBIOS holds rubbish shall boot all the same.

use model::{Arch, Firmware, Inventory, MacAddr, SmbiosUuid, Timestamp};

use crate::director::{Facts, MenuChoice, ScriptAsk, Site};

/// What the query of `/boot/{mac}` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptQuery {
    /// What iPXE says of the machine; `None` where the query has not one key of it, nor `facts`.
    pub facts: Option<Facts>,
    /// Since when the boot has been held (`since`, microseconds since 1970).
    pub held_since: Option<Timestamp>,
    /// What a person chose in the menu (`choice`).
    pub choice: Option<MenuChoice>,
}

/// More keys than any script of ours writes.
const MAX_PAIRS: usize = 32;

impl ScriptQuery {
    /// Reads the part of the URL after `?`. Of a key that comes twice, the first one that holds something counts.
    pub fn parse(query: &str) -> Self {
        let mut said = Self::default();
        for pair in query.split('&').take(MAX_PAIRS) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decoded(value);
            match key {
                "since" => said.held_since = said.held_since.or_else(|| moment(&value)),
                "choice" if value == "wipe" => said.choice = Some(MenuChoice::Wipe),
                _ => said.learn(key, &value),
            }
        }
        said
    }

    /// The question for the director.
    pub fn into_ask(self, mac: MacAddr, site: Site) -> ScriptAsk {
        ScriptAsk {
            mac,
            site,
            facts: self.facts,
            held_since: self.held_since,
            choice: self.choice,
        }
    }

    /// Takes one key of what iPXE says; its names are iPXE's own settings.
    fn learn(&mut self, key: &str, value: &str) {
        let known = matches!(
            key,
            "facts"
                | "uuid"
                | "serial"
                | "manufacturer"
                | "product"
                | "buildarch"
                | "platform"
                | "version"
        );
        if !known {
            return;
        }
        let facts = self.facts.get_or_insert_default();
        let told = &mut facts.inventory;
        match key {
            "uuid" => told.uuid = told.uuid.or_else(|| value.parse::<SmbiosUuid>().ok()),
            "serial" => keep_first(&mut told.serial, value),
            "manufacturer" => keep_first(&mut told.vendor, value),
            "product" => keep_first(&mut told.model, value),
            "buildarch" => told.arch = told.arch.or_else(|| arch(value)),
            "platform" => told.firmware = told.firmware.or_else(|| firmware(value)),
            "version" => keep_first(&mut facts.version, value),
            _ => {}
        }
    }
}

fn keep_first(own: &mut Option<String>, value: &str) {
    if own.is_none() {
        *own = Inventory::clean(value);
    }
}

/// iPXE's `${buildarch}`: what it was built for. A 32-bit build runs on 64-bit processors, which are all that Talos knows.
fn arch(buildarch: &str) -> Option<Arch> {
    match buildarch {
        "i386" | "x86_64" => Some(Arch::Amd64),
        "arm64" => Some(Arch::Arm64),
        _ => None,
    }
}

/// iPXE's `${platform}`.
fn firmware(platform: &str) -> Option<Firmware> {
    match platform {
        "pcbios" => Some(Firmware::Bios),
        "efi" => Some(Firmware::Uefi),
        _ => None,
    }
}

fn moment(micros: &str) -> Option<Timestamp> {
    micros.parse().ok().map(Timestamp::from_micros)
}

/// Undoes percent-encoding (RFC 3986 section 2.1). A `+` stays one, for iPXE's versions have it and its `:uristring` writes
/// spaces as `%20`; what is no UTF-8 afterwards is replaced.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(high * 16 + low);
            rest = &rest[3..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bare_url_tells_nothing_and_any_key_of_a_machine_tells_something() {
        for (query, told) in [
            ("", false),
            ("since=1", false),
            ("choice=wipe", false),
            ("x=y&z", false),
            ("facts=1", true),
            ("facts", true),
            ("serial=", true),
            ("version=2.0.0", true),
        ] {
            assert_eq!(ScriptQuery::parse(query).facts.is_some(), told, "{query}");
        }
    }

    #[test]
    fn reads_what_ipxe_says() {
        let said = ScriptQuery::parse(
            "uuid=4c4c4544-0000-4000-8000-000000000001&serial=AB%2F12&manufacturer=Dell%20Inc.&product=PowerEdge%20R640\
             &buildarch=x86_64&platform=efi&version=1.21.1+git-20250501&since=1790000000000000&choice=wipe",
        );
        let facts = said.facts.unwrap();
        assert_eq!(facts.version.as_deref(), Some("1.21.1+git-20250501"));
        assert_eq!(
            facts.inventory,
            Inventory {
                arch: Some(Arch::Amd64),
                firmware: Some(Firmware::Uefi),
                uuid: Some("4c4c4544-0000-4000-8000-000000000001".parse().unwrap()),
                serial: Some("AB/12".into()),
                vendor: Some("Dell Inc.".into()),
                model: Some("PowerEdge R640".into()),
            }
        );
        assert_eq!(
            said.held_since,
            Some(Timestamp::from_micros(1_790_000_000_000_000))
        );
        assert_eq!(said.choice, Some(MenuChoice::Wipe));
    }

    #[test]
    fn rubbish_counts_as_absent() {
        let said = ScriptQuery::parse(
            "uuid=00000000-0000-0000-0000-000000000000&buildarch=riscv64&platform=mac&serial=%00%0a%0d&product=%20%20\
             &manufacturer=%zz%4&since=soon&since=-&choice=format",
        );
        let facts = said.facts.unwrap();
        assert_eq!(
            facts.inventory,
            Inventory {
                vendor: Some("%zz%4".into()),
                ..Inventory::default()
            }
        );
        assert_eq!((said.held_since, said.choice), (None, None));
    }

    #[test]
    fn of_two_the_first_that_holds_something_counts() {
        let said = ScriptQuery::parse(
            "serial=&serial=A&serial=B&buildarch=x&buildarch=arm64&since=&since=7",
        );
        let inventory = said.facts.unwrap().inventory;
        assert_eq!(inventory.serial.as_deref(), Some("A"));
        assert_eq!(inventory.arch, Some(Arch::Arm64));
        assert_eq!(said.held_since, Some(Timestamp::from_micros(7)));
    }

    proptest! {
        #[test]
        fn no_query_tells_more_than_fits(query in "([a-z]{0,12}|serial|product|version)(=|&|%[0-9a-g]{2}|[ -~]){0,200}") {
            let Some(facts) = ScriptQuery::parse(&query).facts else { return Ok(()) };
            let told = facts.inventory;
            for text in [told.serial, told.vendor, told.model, facts.version].into_iter().flatten() {
                prop_assert!(text.chars().count() <= Inventory::MAX_TEXT);
                prop_assert!(!text.chars().any(char::is_control));
            }
        }
    }
}
