//! What the daemon acknowledged, kept by the one who asked.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use ktizo_tests::dice::Dice;
use serde_json::{Value, json};

/// What became of a change.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was acknowledged; with the number of the device, if it has one.
    Done(Option<i64>),
    /// It was refused, which none of ours should be.
    Refused(String),
    /// The daemon was gone before it answered: the change was made or not.
    CutOff,
}

/// A change that is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Add {
        mac: String,
    },
    Approve {
        mac: String,
        number: u64,
        role: &'static str,
    },
    Update {
        mac: String,
        notes: String,
        disk: String,
    },
    Rename {
        mac: String,
        number: u64,
    },
    Order {
        mac: String,
        order: &'static str,
    },
    Reject {
        mac: String,
    },
    Delete {
        mac: String,
    },
    Settings {
        seconds: u64,
    },
    /// The machine fetches its config.
    Fetch {
        mac: String,
    },
}

impl Change {
    fn mac(&self) -> Option<&str> {
        match self {
            Self::Add { mac }
            | Self::Approve { mac, .. }
            | Self::Update { mac, .. }
            | Self::Rename { mac, .. }
            | Self::Order { mac, .. }
            | Self::Reject { mac }
            | Self::Delete { mac }
            | Self::Fetch { mac } => Some(mac),
            Self::Settings { .. } => None,
        }
    }
}

/// A device as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Known {
    pub(crate) id: i64,
    pub(crate) status: String,
    pub(crate) hostname: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) role: Option<&'static str>,
    pub(crate) notes: String,
    pub(crate) disk: Option<String>,
    pub(crate) order: String,
    /// Whether its config went out; not compared, but never forgotten.
    pub(crate) fetched: bool,
}

impl Known {
    /// What its config must contain of what was last set.
    pub(crate) fn notes_mark(&self) -> String {
        self.disk
            .as_ref()
            .map_or_else(String::new, |disk| format!("disk: {disk}"))
    }

    fn same(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.fetched = self.fetched;
        *self == other
    }
}

/// All of it, and the one change of which nobody knows.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) devices: BTreeMap<String, Known>,
    menu_seconds: Option<u64>,
    uncertain: Option<Change>,
    numbers: u64,
}

/// More devices than this are not added: every one is compared after every kill.
const DEVICES: usize = 25;

impl Ledger {
    /// Chooses a change that the daemon must accept.
    pub(crate) fn next_change(&mut self, dice: &mut Dice) -> Change {
        self.numbers += 1;
        let number = self.numbers;
        let add = Change::Add {
            mac: format!(
                "52:54:01:00:{:02x}:{:02x}",
                number >> 8 & 0xff,
                number & 0xff
            ),
        };
        if self.devices.len() < 5 {
            return add;
        }
        let picked = usize::try_from(dice.below(self.devices.len() as u64)).unwrap_or(0);
        let Some((mac, device)) = self.devices.iter().nth(picked) else {
            return add;
        };
        // A cluster has a control plane before it has workers, and as long as it has any.
        let plane =
            |device: &Known| device.status == "approved" && device.role == Some("controlplane");
        let planes = self.devices.values().filter(|device| plane(device)).count();
        let last = planes == 1 && plane(device);
        let (mac, approved) = (mac.clone(), device.status == "approved");
        let role = ["controlplane", "worker"][usize::from(planes > 0 && dice.below(2) == 0)];
        match dice.below(10) {
            0 if self.devices.len() < DEVICES => add,
            0 | 1 if self.devices.len() > 10 && !last => Change::Delete { mac },
            0 | 1 => add,
            2 => Change::Settings {
                seconds: dice.below(60),
            },
            3 if !last => Change::Reject { mac },
            3..=5 if approved => Change::Update {
                mac,
                notes: format!("note {number}"),
                disk: format!("/dev/disk{number}"),
            },
            6 if approved => Change::Rename { mac, number },
            7 if approved => Change::Order {
                mac,
                order: ["install", "local", "menu"][usize::try_from(dice.below(3)).unwrap_or(0)],
            },
            8 if approved => Change::Fetch { mac },
            _ if approved && !last => Change::Reject { mac },
            _ if approved => Change::Settings {
                seconds: dice.below(60),
            },
            _ => Change::Approve { mac, number, role },
        }
    }

    /// The request for a change.
    pub(crate) fn request(&self, change: &Change) -> (&'static str, String, Option<Value>) {
        let id = change
            .mac()
            .and_then(|mac| self.devices.get(mac))
            .map_or(0, |device| device.id);
        match change {
            Change::Add { mac } => ("POST", "/devices".into(), Some(json!({"mac_address": mac}))),
            Change::Approve { number, role, .. } => (
                "POST",
                format!("/devices/{id}/approve"),
                Some(
                    json!({"hostname": hostname(*number), "ip_address": address(*number), "role": role}),
                ),
            ),
            Change::Update { notes, disk, .. } => (
                "PUT",
                format!("/devices/{id}"),
                Some(json!({"notes": notes, "install_disk": disk})),
            ),
            Change::Rename { number, .. } => (
                "PUT",
                format!("/devices/{id}"),
                Some(json!({"hostname": hostname(*number), "ip_address": address(*number)})),
            ),
            Change::Order { order, .. } => (
                "POST",
                format!("/devices/{id}/order"),
                Some(json!({"order": order})),
            ),
            Change::Reject { .. } => ("POST", format!("/devices/{id}/reject"), None),
            Change::Delete { .. } => ("DELETE", format!("/devices/{id}"), None),
            Change::Settings { seconds } => (
                "PUT",
                "/network/settings".into(),
                Some(json!({"menu_seconds": seconds})),
            ),
            Change::Fetch { mac } => ("GET", format!("/talos/configs/{mac}.yaml"), None),
        }
    }

    /// Notes a change that was acknowledged.
    pub(crate) fn done(&mut self, change: &Change, id: Option<i64>) {
        if let Change::Settings { seconds } = change {
            self.menu_seconds = Some(*seconds);
        }
        let Some(mac) = change.mac() else { return };
        match after(self.devices.get(mac), change, id) {
            Some(device) => drop(self.devices.insert(mac.to_owned(), device)),
            None => drop(self.devices.remove(mac)),
        }
    }

    /// Notes a change of which nobody knows.
    pub(crate) fn cut_off(&mut self, change: Change) {
        self.uncertain = Some(change);
    }

    /// Compares with what the restarted daemon says, and learns from it what became of the change that was cut off.
    pub(crate) fn compare(&mut self, devices: &Value, settings: &Value) -> Result<()> {
        let mut found = BTreeMap::new();
        for device in devices.as_array().map(Vec::as_slice).unwrap_or_default() {
            let (mac, device) = read(device);
            found.insert(mac, device);
        }
        let uncertain = self.uncertain.take();
        let touched = uncertain.as_ref().and_then(Change::mac);
        let macs: Vec<_> = self.devices.keys().chain(found.keys()).cloned().collect();
        for mac in macs {
            let (known, seen) = (self.devices.get(&mac), found.get(&mac));
            let same = |one: Option<&Known>| match (one, seen) {
                (Some(one), Some(seen)) => one.same(seen),
                (None, None) => true,
                _ => false,
            };
            let change = uncertain.as_ref().filter(|_| touched == Some(mac.as_str()));
            if same(known) {
                // The same order given again leaves no other trace, and may have come through.
                if let (Some(Change::Order { .. }), Some(device)) =
                    (change, self.devices.get_mut(&mac))
                {
                    device.fetched = false;
                }
                continue;
            }
            let Some(change) = change else {
                bail!("{mac} was acknowledged as {known:?} and is {seen:?}");
            };
            let changed = after(known, change, seen.map(|seen| seen.id));
            ensure!(
                same(changed.as_ref()),
                "{change:?} was made by half: before {known:?}, now {seen:?}"
            );
            match changed {
                Some(device) => drop(self.devices.insert(mac, device)),
                None => drop(self.devices.remove(&mac)),
            }
        }
        let seconds = settings["menu_seconds"].as_u64();
        let expected = self.menu_seconds.is_none_or(|known| Some(known) == seconds);
        let in_doubt = matches!(&uncertain, Some(Change::Settings { seconds: asked }) if Some(*asked) == seconds);
        ensure!(
            expected || in_doubt,
            "menu_seconds was acknowledged as {:?} and is {seconds:?}",
            self.menu_seconds
        );
        self.menu_seconds = seconds;
        Ok(())
    }

    /// The lines of the table script.
    pub(crate) fn table_lines(&self) -> Vec<String> {
        let approved = self
            .devices
            .iter()
            .filter(|(_, device)| device.status == "approved");
        approved
            .map(|(mac, device)| {
                format!(
                    "iseq ${{mac}} {mac} && set node_role {} && set node_ip {} && goto matched ||",
                    device.role.unwrap_or_default(),
                    device.ip.as_deref().unwrap_or_default()
                )
            })
            .collect()
    }
}

/// A device after a change.
fn after(before: Option<&Known>, change: &Change, id: Option<i64>) -> Option<Known> {
    if let Change::Add { .. } = change {
        return Some(Known {
            id: id.unwrap_or_default(),
            status: "pending".into(),
            hostname: None,
            ip: None,
            role: None,
            notes: String::new(),
            disk: None,
            order: "install".into(),
            fetched: false,
        });
    }
    let mut device = before?.clone();
    match change {
        Change::Approve { number, role, .. } => {
            device.status = "approved".into();
            device.hostname = Some(hostname(*number));
            device.ip = Some(address(*number));
            device.role = Some(role);
        }
        Change::Update { notes, disk, .. } => {
            device.notes.clone_from(notes);
            device.disk = Some(disk.clone());
        }
        Change::Rename { number, .. } => {
            device.hostname = Some(hostname(*number));
            device.ip = Some(address(*number));
        }
        Change::Order { order, .. } => {
            device.order = (*order).into();
            // An order is a decision: what went out before no longer counts.
            device.fetched = false;
        }
        Change::Reject { .. } => {
            device.status = "rejected".into();
            device.fetched = false;
        }
        Change::Delete { .. } => return None,
        Change::Fetch { .. } => device.fetched = true,
        Change::Add { .. } | Change::Settings { .. } => {}
    }
    Some(device)
}

fn read(device: &Value) -> (String, Known) {
    let text = |field: &str| device[field].as_str().map(str::to_owned);
    let role = match device["role"].as_str() {
        Some("controlplane") => Some("controlplane"),
        Some("worker") => Some("worker"),
        _ => None,
    };
    let known = Known {
        id: device["id"].as_i64().unwrap_or_default(),
        status: text("status").unwrap_or_default(),
        hostname: text("hostname"),
        ip: text("ip_address"),
        role,
        notes: text("notes").unwrap_or_default(),
        disk: text("install_disk"),
        order: text("boot_order").unwrap_or_default(),
        fetched: false,
    };
    (text("mac_address").unwrap_or_default(), known)
}

fn hostname(number: u64) -> String {
    format!("node-{number}")
}

/// An address of 10.77.0.0/16 that no other number has.
fn address(number: u64) -> String {
    format!("10.77.{}.{}", 1 + number / 250, 1 + number % 250)
}
