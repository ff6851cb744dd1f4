//! The lab: whole machines that boot over a real network, without hardware.
//!
//! A [`Lan`](lan::Lan) is a bridge in private namespaces with a [site DHCP server](site::Site) and the
//! [daemon](daemon::Ktizo) on it, each as a host of its own. A [`Machine`](machine::Machine) is QEMU with real
//! firmware, plugged into it, with a serial [`Console`](console::Console) and a [disk](disk). The
//! [`Wiretap`](wiretap::Wiretap) sees every packet of the daemon's host: what a test asserts about the wire comes
//! from there, never from the daemon's own word. Everything ends with the process that made it ([`walls`]).

pub mod accel;
pub mod admin;
pub mod asker;
pub mod clock;
pub mod console;
pub mod cpio;
pub mod daemon;
pub mod dice;
pub mod disk;
pub mod efi;
pub mod flood;
pub mod frame;
mod glass;
pub mod guest;
pub mod kit;
pub mod lan;
pub mod ledger;
pub mod listeners;
pub mod machine;
pub mod process;
pub mod scene;
pub mod service;
pub mod site;
pub mod standin;
pub mod walls;
pub mod wiretap;
