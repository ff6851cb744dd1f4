//! An operator's own templates.

use std::path::Path;

use anyhow::Context as _;
use api::Pages;
use configgen::script::Scripts;

/// The boot scripts, with those in `folder` in place of the built-in ones of the same name. Each was made once with sample values.
pub(crate) fn scripts(folder: Option<&Path>) -> anyhow::Result<Scripts> {
    let own = own(folder, "ipxe")?;
    Scripts::new(&own).with_context(|| told(folder))
}

/// The web pages, likewise.
pub(crate) fn pages(folder: Option<&Path>) -> anyhow::Result<Pages> {
    let own = own(folder, "html")?;
    Pages::new(&own).with_context(|| told(folder))
}

/// Whose templates cannot be used.
fn told(folder: Option<&Path>) -> String {
    match folder {
        Some(folder) => format!("the templates in {}", folder.display()),
        None => "the built-in templates".to_owned(),
    }
}

/// Reads those of a kind, by the ending of their names, as names and texts; without a folder there are none.
fn own(folder: Option<&Path>, kind: &str) -> anyhow::Result<Vec<(String, String)>> {
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
