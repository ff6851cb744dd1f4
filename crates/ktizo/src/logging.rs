//! Logs on standard error: plain lines, with the priority that the journal understands where systemd reads them.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts logging with `filter`, such as `info` or `info,netboot=debug`.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(filter).with_context(|| format!("the key `log` is `{filter}`"))?;
    // JOURNAL_STREAM: systemd.exec(5). The journal keeps times of its own.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_target(false)
        .with_ansi(!journal && std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = if journal {
        lines.without_time().try_init()
    } else {
        lines.try_init()
    };
    started.map_err(|err| anyhow::anyhow!("logging cannot be started: {err}"))
}
