//! Who may import whom: down only, and the three siblings are strangers.

use super::manifest::{dependencies, member};
use super::{Fault, Source};

/// The crates of the house and what each may take. The lab may take any.
const MAY_TAKE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("netboot", &["model"]),
    ("configgen", &["model"]),
    ("store", &["model"]),
    ("api", &["model", "netboot", "configgen", "store"]),
    ("ktizo", &["model", "netboot", "configgen", "store", "api"]),
    ("xtask", &[]),
    (
        "ktizo-tests",
        &["model", "netboot", "configgen", "store", "api", "ktizo"],
    ),
];

pub(super) fn check(sources: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for Source { path, text } in sources {
        let Some(name) = member(path) else { continue };
        let Some((_, allowed)) = MAY_TAKE.iter().find(|(known, _)| *known == name) else {
            faults.push(Fault::new(
                path,
                0,
                format!("`{name}` has no place among the crates of the house"),
            ));
            continue;
        };
        for dependency in dependencies(text) {
            let ours = MAY_TAKE.iter().any(|(known, _)| *known == dependency.name);
            if ours && !allowed.contains(&dependency.name) {
                let what = format!(
                    "`{name}` may not import `{}`: imports point down only",
                    dependency.name
                );
                faults.push(Fault::new(path, dependency.line, what));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        said(check(&[Source::of(path, text)]))
    }

    #[test]
    fn imports_down_are_free() {
        assert_eq!(
            of(
                "crates/store/Cargo.toml",
                "[dependencies]\nmodel.workspace = true\nserde.workspace = true\n"
            ),
            [""; 0]
        );
        assert_eq!(
            of(
                "crates/ktizo/Cargo.toml",
                "[dependencies]\napi.workspace = true\n"
            ),
            [""; 0]
        );
    }

    #[test]
    fn siblings_are_strangers_in_tests_too() {
        assert_eq!(
            of(
                "crates/store/Cargo.toml",
                "[dev-dependencies]\nnetboot.workspace = true\n"
            ),
            [
                "crates/store/Cargo.toml:2: `store` may not import `netboot`: imports point down only"
            ]
        );
    }

    #[test]
    fn imports_up_are_found() {
        assert_eq!(
            of(
                "crates/model/Cargo.toml",
                "[dependencies]\nstore = { workspace = true }\n"
            )
            .len(),
            1
        );
        assert_eq!(
            of(
                "crates/api/Cargo.toml",
                "[build-dependencies]\nktizo.workspace = true\n"
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_stranger_has_no_place() {
        assert_eq!(of("crates/extra/Cargo.toml", "").len(), 1);
    }
}
