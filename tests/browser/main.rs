//! The web pages in a real browser: Debian's Chromium, driven by the WebDriver protocol, against a daemon on loopback.
//!
//! Started by name (`cargo xtask test` does), never by a plain `cargo test`: `cargo test -p ktizo-tests --test browser`.

mod chromium;
mod daemon;
mod fleet;
mod follow;
mod http;
mod live;
mod machine;
mod pages;
mod people;
mod plain;
mod story;
mod tabs;
