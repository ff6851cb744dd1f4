//! What ktizo knows, in one SQLite file. No other crate knows SQL.
//!
//! # The data
//!
//! `devices` are the machines, one row per boot MAC. Everything that belongs to one of them goes with it: its config
//! (`device_configs`, the very bytes that are served) and its attempts (`boots`, each with its `boot_stages`). `events` only name
//! their device, so they outlive it; they are appended in the transaction of the change they tell of. `network_settings` is one
//! row, absent while all is at its default. `config_tokens` are the fingerprints of what boot scripts carry for the
//! config of their device. `device_macs` are the other cards of devices, `conflicts` what is undecided about who they are. `base_configs` holds one text per role, `assets` one row per imported file.
//! `testimonies` are what devices have told of themselves so far; `kernel_logs` and their `kernel_lines` lie beside boots.
//! `revisions` counts the changes to all of these but boots and events.
//!
//! What configs are made from, besides: `cluster_settings`, one row in the form of the config generator; `secrets_bundles`, of which
//! one is in use and none is ever deleted; `patches`, applied in the order of their names, scope by scope; `device_settings`, what one
//! device's config has beyond its row. `served_configs` keeps the bytes a device has, so that a difference can be shown.
//!
//! Times are microseconds since 1970 in UTC, in columns named `*_at`. Names, addresses and words are kept in the one text form
//! that the model prints, and parsed again when they are read; what does not parse is reported as damage. What must be unique or
//! belong together is a constraint of the schema (`schema.sql`), not a habit of the code.
//!
//! # The threads
//!
//! One thread writes. It takes what has queued up, boot lane first, as one transaction with a savepoint for each change, and
//! answers each caller only after the commit is on the disk (write-ahead log, `synchronous = FULL`). A change whose closure
//! returns an error or panics is undone alone; a commit that fails is an error for all changes in it, and the thread goes on. Two
//! threads read for machines and two for persons, each on a connection of its own, so neither a change nor a long list stands
//! between a machine and its answer.
//!
//! # What strangers can do
//!
//! Anyone on the network can make up addresses. So the number of devices that no person had a hand in is capped ([`Options`]), and
//! so are the events of machines, the boots of a device, the stages of a boot and the length of every text a machine sends.

// The doors.
mod change;
mod error;
mod reader;
mod store;
mod writer;

// One file each for what is kept.
mod api_token;
mod asset;
mod base;
mod boot;
mod cluster;
mod config;
mod device;
mod device_list;
mod event;
mod expiry;
mod identity;
mod kernel_log;
mod lifecycle;
mod patch;
mod person;
mod release;
mod session;
mod settings;
mod sight;
mod testimony;

// Below them.
mod backup;
mod commit;
mod connection;
mod latency;
mod queue;
mod row;
mod schema;

pub use api_token::{ApiToken, Maker};
pub use backup::{Barred, Revival, check_copy, copy};
pub use base::Base;
pub use boot::Newest;
pub use change::Change;
pub use cluster::SecretsRow;
pub use config::StoredConfig;
pub use device::{NewDevice, OwnLoader};
pub use device_list::{DeviceFilter, DeviceKey, DeviceSort, SortValue};
pub use error::Error;
pub use event::EventFilter;
pub use identity::Judgement;
pub use latency::{LATENCY_BOUNDS, Latency};
pub use lifecycle::StoodDown;
pub use patch::StoredPatch;
pub use person::User;
pub use reader::Reader;
pub use session::OpenSession;
pub use sight::Sight;
pub use store::{Lane, Options, Store};
pub use writer::Writer;
