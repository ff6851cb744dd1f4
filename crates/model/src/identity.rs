//! Which machine a boot belongs to: what it shows, weighed against what is known.
//!
//! All of it is hearsay. So what is found here only says who somebody seems to be: a card that no person confirmed gets no config,
//! and where two machines seem to be one, neither does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::word_enum;
use crate::{
    BootDecision, BootState, DeviceId, HoldReason, Inventory, MacAddr, SmbiosUuid, Timestamp,
    decision,
};

/// What one boot shows of its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The card it boots with.
    pub mac: MacAddr,
    /// Its mainboard's number.
    pub uuid: Option<SmbiosUuid>,
    /// Its serial number.
    pub serial: Option<Serial>,
}

/// What is known of one machine that may be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its row.
    pub id: DeviceId,
    /// Every card it booted with.
    pub macs: Vec<MacAddr>,
    /// Its mainboard's number.
    pub uuid: Option<SmbiosUuid>,
    /// Its serial number.
    pub serial: Option<Serial>,
    /// A card of it that is in a boot at this very moment, which one machine alone cannot be twice.
    pub booting: Option<MacAddr>,
}

/// A serial number that tells machines apart: never one of the texts that vendors leave in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial(String);

impl Serial {
    /// Texts found on many boards at once, in lower case.
    const DUMMIES: [&str; 21] = [
        "to be filled by o.e.m.",
        "to be filled by o.e.m",
        "to be filled by oem",
        "default string",
        "default",
        "system serial number",
        "chassis serial number",
        "base board serial number",
        "serial number",
        "not specified",
        "not applicable",
        "not available",
        "not settable",
        "none",
        "null",
        "n/a",
        "na",
        "oem",
        "o.e.m.",
        "unknown",
        "invalid",
    ];
    /// Runs of digits that stand for nothing.
    const COUNTS: [&str; 2] = ["0123456789", "1234567890"];

    /// Takes a text; `None` for what vendors leave in: their phrases, one sign again and again, and digits that count up.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let mut signs = text.chars();
        let first = signs.next()?;
        let same = signs.all(|c| c == first);
        let counts = text.len() >= 4
            && Self::COUNTS
                .iter()
                .any(|run| run.contains(text) || text.contains(run));
        let dummy = same || counts || Self::DUMMIES.contains(&lower.as_str());
        (!dummy).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whom a boot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// To nobody known.
    Unknown,
    /// To this machine, by a card of it.
    Same(DeviceId),
    /// To this machine, by another card.
    OtherCard(DeviceId),
    /// It cannot be told.
    Conflict(DeviceId, ConflictKind),
}

word_enum! {
    /// Why it cannot be told which of two machines somebody is.
    ConflictKind, "a conflict: one_mac_two_machines, one_uuid_two_serials or one_uuid_two_boots", {
        /// A machine boots with the card of a known one and says that it is another.
        OneMacTwoMachines = "one_mac_two_machines",
        /// Two cards show one UUID and two serial numbers.
        OneUuidTwoSerials = "one_uuid_two_serials",
        /// Two cards show one UUID and boot at the same time.
        OneUuidTwoBoots = "one_uuid_two_boots",
    }
}

impl ConflictKind {
    /// What it means, for the machine's screen and for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::OneMacTwoMachines => {
                "another machine boots with the MAC of a known one, or its mainboard was replaced"
            }
            Self::OneUuidTwoSerials => "two cards show one UUID and two serial numbers",
            Self::OneUuidTwoBoots => "two machines that show one UUID boot at the same time",
        }
    }
}

/// What speaks for, or against, a machine being a known one. A card weighs less than a mainboard's number, which weighs more than a
/// serial number, for that may be empty, typed in, or of the chassis.
const CARD: i32 = 3;
const BOARD: i32 = 4;
const OTHER_BOARD: i32 = -8;
const SERIAL: i32 = 2;
const OTHER_SERIAL: i32 = -4;

/// What speaks for `shown` being `known`: above zero it is, and without its card only if its board is.
fn score(shown: &Shown, known: &Known) -> i32 {
    let card = if known.macs.contains(&shown.mac) {
        CARD
    } else {
        0
    };
    let board = match (shown.uuid, known.uuid) {
        (Some(one), Some(other)) if one.same_board(other) => BOARD,
        (Some(_), Some(_)) => OTHER_BOARD,
        _ => 0,
    };
    let serial = match (&shown.serial, &known.serial) {
        (Some(one), Some(other)) if one == other => SERIAL,
        (Some(_), Some(_)) => OTHER_SERIAL,
        _ => 0,
    };
    card + board + serial
}

impl Shown {
    /// Whether no number that it shows is another than what is known. A card that nobody vouches for has nothing else to speak for it:
    /// it attached itself by a UUID, which boards of one batch may share.
    pub fn agrees_with(&self, known: &Known) -> bool {
        let other_board = self
            .uuid
            .zip(known.uuid)
            .is_some_and(|(one, other)| !one.same_board(other));
        let other_serial = self
            .serial
            .as_ref()
            .zip(known.serial.as_ref())
            .is_some_and(|(one, other)| one != other);
        !other_board && !other_serial
    }
}

/// Says whom a boot belongs to, among those that have its card or its UUID.
pub fn identify(shown: &Shown, known: &[Known]) -> Identity {
    if let Some(own) = known.iter().find(|known| known.macs.contains(&shown.mac)) {
        return if score(shown, own) > 0 {
            Identity::Same(own.id)
        } else {
            Identity::Conflict(own.id, ConflictKind::OneMacTwoMachines)
        };
    }
    let board = |known: &&Known| {
        let both = shown.uuid.zip(known.uuid);
        both.is_some_and(|(one, other)| one.same_board(other))
    };
    let best = known
        .iter()
        .filter(board)
        .max_by_key(|known| score(shown, known));
    match best {
        None => Identity::Unknown,
        Some(known) if score(shown, known) <= 0 => {
            Identity::Conflict(known.id, ConflictKind::OneUuidTwoSerials)
        }
        Some(known) if known.booting.is_some_and(|mac| mac != shown.mac) => {
            Identity::Conflict(known.id, ConflictKind::OneUuidTwoBoots)
        }
        Some(known) => Identity::OtherCard(known.id),
    }
}

word_enum! {
    /// What a person says of who a device is.
    IdentityDecision, "a decision: accept, keep or split", {
        /// It is what it shows: its mainboard was replaced, the card is its own, or two devices are one machine.
        Accept = "accept",
        /// It is what was known; whoever showed something else is turned away as long as it does.
        Keep = "keep",
        /// They are two machines, and their UUID tells nothing.
        Split = "split",
    }
}

/// What is undecided about who a device is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = IdentityConflict)]
pub struct Conflict {
    /// Why it cannot be told.
    pub kind: ConflictKind,
    /// The card of whoever showed it.
    pub mac: MacAddr,
    /// The UUID that was shown.
    pub uuid: Option<SmbiosUuid>,
    /// The serial number that was shown.
    pub serial: Option<String>,
    /// The other device, if it is one.
    pub with: Option<DeviceId>,
    /// Since when.
    pub since: Timestamp,
}

impl Conflict {
    /// Whether a machine that shows this is the one that was found.
    pub fn is_shown_by(&self, shows: &Inventory) -> bool {
        self.uuid == shows.uuid && self.serial == shows.serial
    }
}

/// A card of a device beside the one it was first seen with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = OtherCard)]
pub struct OtherCard {
    /// Its address.
    pub mac: MacAddr,
    /// When a person said that it is the device's; until then it gets no config.
    pub confirmed_at: Option<Timestamp>,
    /// When it was first seen.
    pub first_seen: Timestamp,
}

/// How sure it is that a boot is the machine that a person let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// As sure as a network can be.
    #[default]
    Sure,
    /// It boots with a card that attached itself by its UUID, which anybody can read and send.
    OtherCard,
    /// Two machines claim to be it.
    Conflict,
    /// It shows what a person said is another machine.
    TurnedAway,
}

/// Holds a boot that would get a config, or more than its own disk, while it is not sure whose it is.
pub fn hold_the_unsure(
    decision: BootDecision,
    standing: Standing,
    state: BootState<'_>,
) -> BootDecision {
    let why = match standing {
        Standing::Sure => return decision,
        Standing::OtherCard => HoldReason::OtherCard,
        Standing::Conflict => HoldReason::Conflict,
        Standing::TurnedAway => HoldReason::TurnedAway,
    };
    match decision {
        // These touch nothing that belongs to a device.
        BootDecision::Leave(_)
        | BootDecision::LocalElseTalos { .. }
        | BootDecision::Hold(HoldReason::Approval) => decision,
        _ => decision::hold(why, state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "52:54:00:00:00:0a";
    const B: &str = "52:54:00:00:00:0b";
    const U: &str = "4c4c4544-0000-4000-8000-000000000001";
    /// The same, as firmware before SMBIOS 2.6 prints it.
    const U_TURNED: &str = "44454c4c-0000-0040-8000-000000000001";
    const V: &str = "4c4c4544-0000-4000-8000-000000000002";
    const DUMMY: &str = "03000200-0400-0500-0006-000700080009";

    fn known(mac: &str, uuid: &str, serial: &str, booting: bool) -> Known {
        Known {
            id: DeviceId(1),
            macs: vec![mac.parse().unwrap()],
            uuid: uuid.parse().ok(),
            serial: Serial::new(serial),
            booting: booting.then(|| mac.parse().unwrap()),
        }
    }

    /// One known machine with card A: what a boot shows, and whom it belongs to.
    #[test]
    fn weighs_what_a_boot_shows() {
        use ConflictKind::{OneMacTwoMachines, OneUuidTwoBoots, OneUuidTwoSerials};
        let id = DeviceId(1);
        for (mac, uuid, serial, (known_uuid, known_serial, booting), expected) in [
            // By its card.
            (A, U, "S1", (U, "S1", true), Identity::Same(id)),
            (A, "", "", (U, "S1", false), Identity::Same(id)),
            (A, U, "S1", ("", "", false), Identity::Same(id)),
            (A, U_TURNED, "S1", (U, "S1", false), Identity::Same(id)),
            (A, U, "S2", (U, "S1", false), Identity::Same(id)),
            (
                A,
                DUMMY,
                "Default string",
                (U, "S1", false),
                Identity::Same(id),
            ),
            // Its card, on another machine.
            (
                A,
                V,
                "S1",
                (U, "S1", false),
                Identity::Conflict(id, OneMacTwoMachines),
            ),
            (
                A,
                V,
                "",
                (U, "", false),
                Identity::Conflict(id, OneMacTwoMachines),
            ),
            (
                A,
                V,
                "S2",
                (U, "S1", false),
                Identity::Conflict(id, OneMacTwoMachines),
            ),
            (
                A,
                "",
                "S2",
                (U, "S1", false),
                Identity::Conflict(id, OneMacTwoMachines),
            ),
            (
                A,
                DUMMY,
                "S2",
                (U, "S1", false),
                Identity::Conflict(id, OneMacTwoMachines),
            ),
            // Another card of it.
            (B, U, "S1", (U, "S1", false), Identity::OtherCard(id)),
            (B, U, "", (U, "S1", false), Identity::OtherCard(id)),
            (
                B,
                U_TURNED,
                "None",
                (U, "S1", false),
                Identity::OtherCard(id),
            ),
            // Somebody else.
            (B, V, "S1", (U, "S1", false), Identity::Unknown),
            (B, "", "S1", (U, "S1", false), Identity::Unknown),
            (B, DUMMY, "", (DUMMY, "", false), Identity::Unknown),
            (B, "", "", ("", "", true), Identity::Unknown),
            // A UUID that is on two boards.
            (
                B,
                U,
                "S2",
                (U, "S1", false),
                Identity::Conflict(id, OneUuidTwoSerials),
            ),
            (
                B,
                U,
                "S1",
                (U, "S1", true),
                Identity::Conflict(id, OneUuidTwoBoots),
            ),
            (
                B,
                U,
                "",
                (U, "", true),
                Identity::Conflict(id, OneUuidTwoBoots),
            ),
        ] {
            let shown = Shown {
                mac: mac.parse().unwrap(),
                uuid: uuid.parse().ok(),
                serial: Serial::new(serial),
            };
            let one = known(A, known_uuid, known_serial, booting);
            assert_eq!(
                identify(&shown, std::slice::from_ref(&one)),
                expected,
                "{shown:?} against {one:?}"
            );
        }
    }

    #[test]
    fn a_card_that_attached_itself_agrees_in_every_number() {
        for (uuid, serial, expected) in [
            (U, "S1", true),
            (U_TURNED, "S1", true),
            (U, "", true),
            ("", "S1", true),
            (DUMMY, "Default string", true),
            (U, "S2", false),
            ("", "S2", false),
            (V, "S1", false),
            (V, "", false),
        ] {
            let shown = Shown {
                mac: B.parse().unwrap(),
                uuid: uuid.parse().ok(),
                serial: Serial::new(serial),
            };
            let agrees = shown.agrees_with(&known(A, U, "S1", false));
            assert_eq!(agrees, expected, "{shown:?}");
        }
    }

    #[test]
    fn the_best_of_several_counts() {
        let other = |id, serial| Known {
            id: DeviceId(id),
            ..known(A, U, serial, false)
        };
        let shown = Shown {
            mac: B.parse().unwrap(),
            uuid: U.parse().ok(),
            serial: Serial::new("S2"),
        };
        let two = [other(1, "S1"), other(2, "S2")];
        assert_eq!(identify(&shown, &two), Identity::OtherCard(DeviceId(2)));
        assert_eq!(identify(&shown, &[]), Identity::Unknown);
    }

    #[test]
    fn what_vendors_leave_in_is_no_serial_number() {
        for text in [
            "",
            "  ",
            "To be filled by O.E.M.",
            "to be filled by o.e.m.",
            "Default string",
            "System Serial Number",
            "None",
            "0123456789",
            "123456789",
            "0",
            "00000000",
            "xxxxxxx",
            "........",
            "N/A",
        ] {
            assert_eq!(Serial::new(text), None, "{text}");
        }
        for text in ["S1", "LAB-10", "7XK2Y13", "12", " CZ1234 "] {
            assert_eq!(Serial::new(text).unwrap().to_string(), text.trim());
        }
    }
}
