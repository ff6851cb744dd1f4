//! Files that are looked at again while the daemon runs: the loaders, the assets and the certificate.

use std::sync::Arc;
use std::time::Duration;

use api::{AssetFolder, Certificate, Fingerprint};
use store::{Lane, Store};
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

/// Reads the files of assets whole, once and whenever they changed, and says which are not what was imported.
pub(super) async fn look_at_assets(folder: AssetFolder, store: Store, stop: CancellationToken) {
    loop {
        let assets = store.read(Lane::Admin, |reader| reader.assets()).await;
        for asset in assets.unwrap_or_default() {
            if stop.is_cancelled() {
                return;
            }
            let (folder, name) = (folder.clone(), asset.name());
            let version = asset.version.clone();
            let checked = tokio::task::spawn_blocking(move || folder.check(&asset)).await;
            match checked {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(fault))) => tracing::error!(
                    "the file of {name} of Talos {version} {fault}: import it anew with `ktizo assets import DIR`"
                ),
                Ok(Err(err)) => {
                    tracing::debug!(%err, "the file of {name} of Talos {version} cannot be read");
                }
                Err(_) => return,
            }
        }
        if !again(&stop).await {
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
