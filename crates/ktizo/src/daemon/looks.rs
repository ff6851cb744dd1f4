//! Files that are looked at again while the daemon runs: the loaders and the certificate.

use std::sync::Arc;
use std::time::Duration;

use api::{Certificate, Fingerprint};
use tokio_util::sync::CancellationToken;

use crate::loaders::Loaders;

/// How often.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Notices loaders that come, go or change.
pub(super) async fn look_for_loaders(loaders: Arc<Loaders>, stop: CancellationToken) {
    while again(&stop).await {
        let loaders = Arc::clone(&loaders);
        if tokio::task::spawn_blocking(move || loaders.refresh())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Notices a certificate that was renewed.
pub(super) async fn look_at_certificate(certificate: Arc<Certificate>, stop: CancellationToken) {
    let mut told = String::new();
    while again(&stop).await {
        let own = Arc::clone(&certificate);
        match tokio::task::spawn_blocking(move || own.refresh()).await {
            Ok(Ok(false)) => told.clear(),
            Ok(Ok(true)) => {
                let fingerprint = Fingerprint(certificate.fingerprint());
                tracing::info!(%fingerprint, "the admin API shows its new certificate");
            }
            Ok(Err(err)) => {
                // Said once, not every time it is looked at.
                let why = err.to_string();
                if told != why {
                    tracing::warn!(%why, "the certificate changed and cannot be used; the old one stays");
                    told = why;
                }
            }
            Err(_) => return,
        }
    }
}

/// Waits until it is time to look again; false when told to stop.
async fn again(stop: &CancellationToken) -> bool {
    let pause = tokio::time::sleep(LOOK_AGAIN);
    stop.run_until_cancelled(pause).await.is_some()
}
