//! A bar for what takes the daemon a while.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use api::{Client, ClientError};
use indicatif::{ProgressBar, ProgressStyle};

/// How often the daemon is asked.
const LOOK: Duration = Duration::from_millis(50);
/// Fewer configs are made before a bar could be read.
const WORTH_A_BAR: u64 = 200;

/// Waits for `done`, and on a terminal shows how far the daemon is with the configs of devices.
pub(super) async fn with_bar<T>(
    client: &Client,
    done: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::pin!(done);
    if !io::stderr().is_terminal() {
        return done.await;
    }
    let mut bar: Option<ProgressBar> = None;
    let outcome = loop {
        tokio::select! {
            outcome = &mut done => break outcome,
            () = tokio::time::sleep(LOOK) => {}
        }
        // Where the question fails, the answer that is waited for tells why.
        let Ok(now) = client.progress().await else {
            continue;
        };
        if now.running && now.total >= WORTH_A_BAR {
            let bar = bar.get_or_insert_with(|| ProgressBar::new(now.total).with_style(style()));
            bar.set_length(now.total);
            bar.set_position(now.done);
            bar.set_message(if now.saving { "saving" } else { "made" });
        }
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    outcome
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_bar} {pos}/{len} configs {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
