//! Kernels and initramfs files, as the boot servers read them.

use std::sync::Arc;

use api::AssetFolder;
use model::Asset;
use netboot::director::Content;

/// Opens an imported asset. A file that is not what was imported is refused with a sentence.
pub(crate) async fn open_asset(folder: &AssetFolder, asset: &Asset) -> Result<Content, String> {
    let what = format!("{} of Talos {}", asset.name(), asset.version);
    let (folder, asset) = (folder.clone(), asset.clone());
    let opened = tokio::task::spawn_blocking(move || {
        if let Some(fault) = folder.fault(&asset) {
            return Ok(Err(fault));
        }
        let file = std::fs::File::open(folder.file(asset.sha256))?;
        Ok::<_, std::io::Error>(Ok((file, asset.size)))
    });
    match opened.await {
        Ok(Ok(Ok((file, length)))) => Ok(Content::File(Arc::new(file), length)),
        Ok(Ok(Err(fault))) => Err(format!("{what} {fault}; import it again")),
        Ok(Err(err)) => Err(format!("{what} cannot be read: {err}; import it again")),
        Err(_) => Err(format!("{what} cannot be read while ktizo shuts down")),
    }
}
