//! Handlers: read the request, call one operation, write its answer. One file per noun.

pub(crate) mod assets;
pub(crate) mod cluster;
pub(crate) mod devices;
pub(crate) mod events;
pub(crate) mod network;
pub(crate) mod patches;
pub(crate) mod people;
pub(crate) mod state;
