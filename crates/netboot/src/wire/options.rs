//! The numbers of the DHCP options and sub-options that a network boot uses.

/// Fills space, one byte without a length (RFC 2132 section 3.1).
pub const PAD: u8 = 0;
/// What is in option 43 is defined by option 60 (RFC 2132 section 8.4; PXE 2.1 section 2.2.3).
pub const VENDOR_SPECIFIC: u8 = 43;
/// The address that a client wants (RFC 2132 section 9.1).
pub const REQUESTED_ADDRESS: u8 = 50;
/// The `file` and `sname` fields hold options too (RFC 2132 section 9.3).
pub const OVERLOAD: u8 = 52;
/// What kind of message it is (RFC 2132 section 9.6).
pub const MESSAGE_TYPE: u8 = 53;
/// The server that is meant, or that answers (RFC 2132 section 9.7).
pub const SERVER_IDENTIFIER: u8 = 54;
/// The options a client asks for (RFC 2132 section 9.8).
pub const PARAMETER_LIST: u8 = 55;
/// The longest message a client takes, IP and UDP headers included (RFC 2132 section 9.10).
pub const MAX_MESSAGE_SIZE: u8 = 57;
/// What kind of client it is, such as `PXEClient:Arch:00007:UNDI:003016` (RFC 2132 section 9.13; RFC 4578 section 2).
pub const VENDOR_CLASS: u8 = 60;
/// What a client calls itself (RFC 2132 section 9.14; RFC 4361 section 6.1).
pub const CLIENT_IDENTIFIER: u8 = 61;
/// The boot file (RFC 2132 section 9.5).
pub const BOOT_FILE: u8 = 67;
/// What software asks (RFC 3004 section 4); iPXE writes its name without the length that the RFC wants.
pub const USER_CLASS: u8 = 77;
/// What a relay wants to get back unchanged (RFC 3046 section 2.0).
pub const RELAY_AGENT: u8 = 82;
/// The processor architectures that a client can boot, two bytes each (RFC 4578 section 2.1; RFC 5970 section 3.3).
pub const CLIENT_ARCH: u8 = 93;
/// The network interface's type and version (RFC 4578 section 2.2).
pub const CLIENT_INTERFACE: u8 = 94;
/// The machine's UUID after a byte of type 0 (RFC 4578 section 2.3).
pub const CLIENT_UUID: u8 = 97;
/// iPXE's own options, nested.
pub const IPXE: u8 = 175;
/// The last of all (RFC 2132 section 3.2).
pub const END: u8 = 255;

/// Sub-options of option 43 of a PXE client (PXE 2.1, table 2-1).
pub mod pxe {
    /// How boot servers are looked for, one byte of flags.
    pub const DISCOVERY_CONTROL: u8 = 6;
    /// The boot servers.
    pub const BOOT_SERVERS: u8 = 8;
    /// The menu.
    pub const BOOT_MENU: u8 = 9;
    /// What the menu's prompt says.
    pub const MENU_PROMPT: u8 = 10;
    /// The menu item that was chosen: type and layer, two bytes each.
    pub const BOOT_ITEM: u8 = 71;
    /// The last of all.
    pub const END: u8 = 255;
    /// The flag of [`DISCOVERY_CONTROL`] that a file which came with the offer is to be loaded without menu, prompt and discovery.
    pub const DOWNLOAD_OFFERED_FILE: u8 = 0x08;
}

/// Sub-options of option 175 that iPXE sends of itself.
pub mod ipxe {
    /// It can fetch by HTTP.
    pub const HTTP: u8 = 0x13;
    /// It runs under UEFI.
    pub const EFI: u8 = 0x24;
    /// Its version: major, minor, patch, one byte each.
    pub const VERSION: u8 = 0xeb;
}
