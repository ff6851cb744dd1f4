//! What the next network boots of many devices do, from one look at what they all hang on.

use model::{
    Arch, BootState, Device, NetworkSettings, Standing, Wipe, decide, hold_the_unsure, lacking,
    newest_whole,
};
use store::Reader;

use crate::{Error, types};

/// What decides, besides the device itself.
pub(super) struct Outlook {
    settings: NetworkSettings,
    /// For which processors kernel and initramfs are at hand.
    at_hand: Vec<Arch>,
}

impl Outlook {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let settings = reader.settings()?;
        let assets = reader.assets()?;
        let is_whole = |arch: &Arch| match &settings.talos_version {
            Some(version) => lacking(&assets, version, *arch).is_empty(),
            None => newest_whole(&assets, *arch).is_some(),
        };
        let at_hand = Arch::ALL.iter().copied().filter(is_whole).collect();
        Ok(Self { settings, at_hand })
    }

    /// What the next network boot of a device does, if it shows the card and the numbers that are known of it.
    pub(super) fn of(&self, device: &Device, is_in_conflict: bool) -> types::NextBoot {
        // A machine that never said what it is runs what most machines run.
        let arch = device.inventory.arch.unwrap_or(Arch::Amd64);
        let state = BootState {
            device: Some(device),
            settings: &self.settings,
            held: None,
            assets_at_hand: self.at_hand.contains(&arch),
            // What waits for a day is taken back in the store when that is over; what is there is in force.
            now: match device.life.wipe {
                Wipe::Asked { at } | Wipe::Ordered { at, .. } => at,
                _ => device.updated_at,
            },
            boot: None,
        };
        let standing = if is_in_conflict {
            Standing::Conflict
        } else {
            Standing::Sure
        };
        let decision = hold_the_unsure(decide(state), standing, state);
        types::NextBoot {
            does: decision.word().to_owned(),
            why: decision.why().map(str::to_owned),
        }
    }
}
