//! Kernels and initramfs files, as the boot servers read them.

use std::sync::Arc;

use api::AssetFolder;
use model::Asset;
use netboot::director::Content;

/// Opens an imported asset. A file that is gone or has another length than the one imported is refused with a sentence.
pub(crate) async fn open_asset(folder: &AssetFolder, asset: &Asset) -> Result<Content, String> {
    let path = folder.file(asset.sha256);
    let size = asset.size;
    let what = format!("{} of Talos {}", asset.name(), asset.version);
    let opened = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(path)?;
        let len = file.metadata()?.len();
        Ok::<_, std::io::Error>((file, len))
    });
    match opened.await {
        Ok(Ok((file, len))) if len == size => Ok(Content::File(Arc::new(file), len)),
        Ok(Ok((_, len))) => Err(format!(
            "{what} has {len} bytes on disk and had {size} when it was imported; import it again"
        )),
        Ok(Err(err)) => Err(format!("{what} cannot be read: {err}; import it again")),
        Err(_) => Err(format!("{what} cannot be read while ktizo shuts down")),
    }
}
