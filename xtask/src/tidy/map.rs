//! The README's map names every crate.

use super::manifest::member;
use super::{Fault, Source};

pub(super) fn check(sources: &[Source]) -> Vec<Fault> {
    let Some(readme) = sources.iter().find(|source| source.path == "README.md") else {
        return vec![Fault::new("README.md", 0, "there is none")];
    };
    let folders = sources
        .iter()
        .filter(|source| member(&source.path).is_some());
    folders
        .filter_map(|source| source.path.strip_suffix("/Cargo.toml"))
        .filter(|folder| !readme.text.contains(folder))
        .map(|folder| Fault::new("README.md", 0, format!("the map does not name `{folder}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;

    #[test]
    fn a_crate_that_the_map_leaves_out_is_found() {
        let sources = [
            Source::of("README.md", "- `crates/model`: the words\n- `xtask`\n"),
            Source::of("crates/model/Cargo.toml", ""),
            Source::of("crates/store/Cargo.toml", ""),
            Source::of("xtask/Cargo.toml", ""),
        ];
        assert_eq!(
            said(check(&sources)),
            ["README.md: the map does not name `crates/store`"]
        );
        assert_eq!(said(check(&sources[1..])), ["README.md: there is none"]);
    }
}
