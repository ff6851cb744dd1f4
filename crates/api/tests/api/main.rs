//! The admin API on real sockets and a real store.

#![allow(clippy::unwrap_used, reason = "this is all tests")]
#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Reader<'_>` is not general enough in its lifetime for `Store::read`"
)]

mod approval;
mod assets;
mod bulk;
mod cluster;
mod contract;
mod devices;
mod doors;
mod ends;
mod forms;
mod identity;
mod leaks;
mod lifecycle;
mod lists;
mod live;
mod network;
mod old_pages;
mod own_password;
mod patches;
mod people;
mod release;
mod scale;
mod tokens;
mod told;
mod world;
