//! Names that say nothing about what is inside.

use super::{Fault, Source};

const EMPTY: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "misc",
];

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let Source { path, text } = source;
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let of_path = path
        .split('/')
        .map(|part| part.trim_end_matches(".rs"))
        .map(|name| (0, name));
    let of_modules = text.lines().enumerate().filter_map(|(index, line)| {
        let words: Vec<_> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "mod")?;
        // A line of code, not of prose: nothing but a visibility comes before.
        (at == 0 || (at == 1 && words[0].starts_with("pub"))).then(|| {
            words
                .get(at + 1)
                .map(|name| (index + 1, name.trim_end_matches([';', '{'])))
        })?
    });
    of_path
        .chain(of_modules)
        .filter(|(_, name)| EMPTY.contains(name))
        .map(|(line, name)| {
            Fault::new(
                path,
                line,
                format!("`{name}` says nothing about what is inside"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;

    #[test]
    fn empty_names_are_found_as_files_folders_and_modules() {
        let of = |path: &str, text: &str| said(check(&Source::of(path, text)));
        assert_eq!(
            of("crates/a/src/util.rs", ""),
            ["crates/a/src/util.rs: `util` says nothing about what is inside"]
        );
        assert_eq!(of("a/common/b.rs", "").len(), 1);
        assert_eq!(
            of(
                "a.rs",
                "//! mod helper\npub(crate) mod helper;\nmod helpers {\n"
            ),
            [
                "a.rs:2: `helper` says nothing about what is inside",
                "a.rs:3: `helpers` says nothing about what is inside"
            ]
        );
        assert_eq!(
            of("a/utility.rs", "mod commons;\nlet mod_manager = 1;\n"),
            [""; 0]
        );
    }
}
