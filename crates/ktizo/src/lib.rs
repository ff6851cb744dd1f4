//! The one binary: command line, config, and the composition root that joins the other crates.

// The command line.
pub mod cli;
pub mod config;

// The daemon.
pub mod daemon;

// Its parts.
mod assets;
mod bound;
mod cards;
mod compiled;
mod deadlines;
mod director;
mod loaders;
mod logging;
mod notify;
mod privilege;
mod report;
mod restore;
mod screen;
mod state;
mod templates;
mod uptime;
mod witness;
