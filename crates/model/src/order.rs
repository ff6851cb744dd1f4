//! What a person wants the next network boot of a device to do.

use crate::error::word_enum;

word_enum! {
    /// What the next network boot of an approved device does.
    BootOrder, "a boot order: install, local or menu", {
        /// Run Talos with the device's config, which installs it.
        Install = "install",
        /// Leave to the local disk.
        Local = "local",
        /// Show the menu for a minute, then leave to the local disk.
        Menu = "menu",
    }
}
