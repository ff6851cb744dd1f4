//! An operator's own templates.

use std::path::Path;

use anyhow::Context as _;

/// Reads those of a kind, by the ending of their names, as names and texts; without a folder there are none.
pub(super) fn own(folder: Option<&Path>, kind: &str) -> anyhow::Result<Vec<(String, String)>> {
    let Some(folder) = folder else {
        return Ok(Vec::new());
    };
    let mut own = Vec::new();
    for entry in std::fs::read_dir(folder)
        .with_context(|| format!("read the templates in {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == kind) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("read the template {}", path.display()))?;
            own.push((name, text));
        }
    }
    own.sort();
    Ok(own)
}
