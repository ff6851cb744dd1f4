//! Manifests: versions are written once, in the workspace; lints hold everywhere.

use super::{Fault, Source};

/// What every member takes from the workspace.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// The members' manifests: which they are, and the name their package must have.
pub(super) fn member(path: &str) -> Option<&str> {
    match path.strip_suffix("/Cargo.toml")? {
        "tests" => Some("ktizo-tests"),
        "xtask" => Some("xtask"),
        folder => folder
            .strip_prefix("crates/")
            .filter(|name| !name.contains('/')),
    }
}

/// A dependency as a manifest names it.
pub(super) struct Dependency<'a> {
    pub(super) line: usize,
    pub(super) name: &'a str,
    inherited: bool,
}

/// The dependencies of a member's manifest, of every kind.
pub(super) fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut section = "";
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if section.ends_with("dependencies")
            && let Some((key, value)) = line.split_once('=')
        {
            let key = key.trim();
            let name = key.split('.').next().unwrap_or(key);
            let plain = name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
            if plain && !name.is_empty() {
                let inherited = key.ends_with(".workspace") || value.contains("workspace = true");
                found.push(Dependency {
                    line: index + 1,
                    name,
                    inherited,
                });
            }
        }
    }
    found
}

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let Source { path, text } = source;
    let Some(name) = member(path) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let has = |wanted: &str| text.lines().any(|line| line.trim() == wanted);
    if !has(&format!("name = \"{name}\"")) {
        faults.push(Fault::new(
            path,
            0,
            format!("the package in this folder is called `{name}`"),
        ));
    }
    for key in INHERITED {
        if !has(&format!("{key}.workspace = true")) {
            faults.push(Fault::new(
                path,
                0,
                format!("`{key}` is not the workspace's"),
            ));
        }
    }
    if !text.contains("[lints]\nworkspace = true") {
        faults.push(Fault::new(
            path,
            0,
            "the workspace's lints do not hold here",
        ));
    }
    for dependency in dependencies(text)
        .iter()
        .filter(|dependency| !dependency.inherited)
    {
        let what = format!(
            "`{}` has a version of its own: name it in the workspace",
            dependency.name
        );
        faults.push(Fault::new(path, dependency.line, what));
    }
    faults
}

/// Dependencies that the workspace names and no member takes.
pub(super) fn unused(sources: &[Source]) -> Vec<Fault> {
    let Some(root) = sources.iter().find(|source| source.path == "Cargo.toml") else {
        return Vec::new();
    };
    let members: Vec<_> = sources
        .iter()
        .filter(|source| member(&source.path).is_some())
        .collect();
    let taken = |name: &str| {
        members.iter().any(|source| {
            dependencies(&source.text)
                .iter()
                .any(|dependency| dependency.name == name)
        })
    };
    dependencies(&root.text)
        .into_iter()
        .filter(|dependency| !taken(dependency.name))
        .map(|dependency| {
            Fault::warning(
                "Cargo.toml",
                format!("no member takes `{}`", dependency.name),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;

    const GOOD: &str = "[package]\nname = \"store\"\nversion.workspace = true\nedition.workspace = true\n\
                        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n\
                        [lints]\nworkspace = true\n\n[dependencies]\nmodel.workspace = true\n\
                        nix = { workspace = true, features = [\"sched\"] }\n";

    #[test]
    fn a_good_manifest_has_no_faults() {
        assert_eq!(
            said(check(&Source::of("crates/store/Cargo.toml", GOOD))),
            [""; 0]
        );
    }

    #[test]
    fn what_is_not_inherited_is_found() {
        let text = GOOD
            .replace("edition.workspace = true", "edition = \"2021\"")
            .replace("[lints]\nworkspace = true\n", "");
        assert_eq!(
            said(check(&Source::of("crates/store/Cargo.toml", &text))),
            [
                "crates/store/Cargo.toml: `edition` is not the workspace's",
                "crates/store/Cargo.toml: the workspace's lints do not hold here"
            ]
        );
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        let text = format!("{GOOD}\n[dev-dependencies]\ninsta = \"1\"\n");
        assert_eq!(
            said(check(&Source::of("crates/store/Cargo.toml", &text))),
            [
                "crates/store/Cargo.toml:17: `insta` has a version of its own: name it in the workspace"
            ]
        );
    }

    #[test]
    fn a_package_is_called_as_its_folder() {
        assert_eq!(
            said(check(&Source::of("crates/shop/Cargo.toml", GOOD))),
            ["crates/shop/Cargo.toml: the package in this folder is called `shop`"]
        );
    }

    #[test]
    fn a_dependency_that_nobody_takes_is_warned_about() {
        let root = Source::of(
            "Cargo.toml",
            "[workspace.dependencies]\nmodel = { path = \"x\" }\nspare = \"1\"\n",
        );
        let faults = unused(&[root, Source::of("crates/store/Cargo.toml", GOOD)]);
        assert_eq!(
            said(faults),
            ["Cargo.toml: warning: no member takes `spare`"]
        );
    }
}
