//! What systemd is told (sd_notify(3)): ready, stopping, and that the daemon lives.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Says that everything is bound and served.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the daemon drains.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the daemon lives, twice in each interval that systemd asks for, as long as `alive` answers; returns when `stop` is
/// cancelled, and never if systemd asks for nothing.
pub(crate) async fn watchdog<F: Future<Output = bool>>(
    alive: impl Fn() -> F,
    stop: CancellationToken,
) {
    let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
    else {
        return stop.cancelled().await;
    };
    let mut beat = tokio::time::interval(interval / 2);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => {
                let lives = tokio::time::timeout(interval / 2, alive()).await.unwrap_or(false);
                if lives {
                    tell(&[NotifyState::Watchdog]);
                } else {
                    tracing::error!("the database did not answer within {:?}; the watchdog is not told to wait", interval / 2);
                }
            }
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(states) {
        tracing::debug!(%err, "systemd could not be told");
    }
}

/// How long a drain may take before what is left is cut off. systemd kills after 90 s, and a person waits less.
pub(crate) const DRAIN: Duration = Duration::from_secs(8);
