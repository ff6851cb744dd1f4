//! What a person wants the next network boot of a device to do.

use crate::error::word_enum;

word_enum! {
    /// What the next network boot of an approved device does.
    BootOrder, "a boot order: install, local, menu or wipe", {
        /// Run Talos with the device's config, which installs it.
        Install = "install",
        /// Leave to the local disk.
        Local = "local",
        /// Show the menu for a minute, then leave to the local disk.
        Menu = "menu",
        /// Wipe the disk, once; the standing order is kept beneath.
        Wipe = "wipe",
    }
}

word_enum! {
    /// A boot order that holds until another is given, or until it is done.
    StandingOrder, "a standing order: install, local or menu", {
        /// Run Talos with the device's config, which installs it.
        Install = "install",
        /// Leave to the local disk.
        Local = "local",
        /// Show the menu for a minute, then leave to the local disk.
        Menu = "menu",
    }
}

impl From<StandingOrder> for BootOrder {
    fn from(order: StandingOrder) -> Self {
        match order {
            StandingOrder::Install => Self::Install,
            StandingOrder::Local => Self::Local,
            StandingOrder::Menu => Self::Menu,
        }
    }
}

impl BootOrder {
    /// The standing order it is; `None` for a wipe, which is given another way.
    pub const fn standing(self) -> Option<StandingOrder> {
        match self {
            Self::Install => Some(StandingOrder::Install),
            Self::Local => Some(StandingOrder::Local),
            Self::Menu => Some(StandingOrder::Menu),
            Self::Wipe => None,
        }
    }
}
