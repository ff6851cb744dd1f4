//! The admin plane: what persons and their scripts see of ktizo and may change.
//!
//! A request comes in by a Unix socket, whose callers the kernel names, or by TCP with a token. [`router`] is the whole surface on
//! one page; a handler reads the request, calls one operation, and writes its answer. An operation is a function of the store and
//! its input: all of a change is one transaction with its event and the device configs that follow from it, or nothing. [`Client`]
//! is the other end, for the command line.

// The words of the wire.
pub mod types;

// Operations.
mod asset;
mod audit;
mod backup;
mod base;
mod cluster;
mod device;
mod event;
mod generate;
mod live;
mod metrics;
mod patch;
pub mod people;
mod progress;
mod remake;
mod settings;
mod sources;
mod status;

// The surface.
mod body;
mod error;
mod openapi;
mod router;
mod routes;
mod version;

// The pages.
mod ui;

// The doors.
pub mod auth;
mod server;

// The other end.
mod client;

pub use asset::{AssetFault, AssetFolder};
pub use auth::{Access, Gate, Token, TokenError};
pub use backup::{BACKUP_FORMAT, DATABASE, FOLDERS, MANIFEST, Manifest};
pub use base::{Hand, Written, hand_edit};
pub use client::{
    Client, ClientError, DeviceQuery, Download, EventQuery, Follow, LogQuery, News, Trust,
};
pub use cluster::ClusterFiles;
pub use device::DeviceRef;
pub use error::Error;
pub use live::Live;
pub use metrics::Sample;
pub use progress::Progress;
pub use router::{Api, authorities, router};
pub use server::{BindError, Certificate, Fingerprint, TcpServer, TlsError, UnixServer};
pub use status::{NextBoot, Service, picture};
pub use ui::{PageError, Pages};
pub use version::{IfMatch, Version};
