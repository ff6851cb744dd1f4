//! Lines and lengths: no space at a line's end, a doc on top of each module, files that fit a reader's head.

use super::{Fault, Source};

/// A file beyond this is split.
const HARD: usize = 800;
/// A file beyond this asks for a second thought.
const SOFT: usize = 400;

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let Source { path, text } = source;
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            faults.push(Fault::new(path, index + 1, "space at the end of the line"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push(Fault::new(
            path,
            text.lines().count(),
            "the last line has no end",
        ));
    }
    if !path.ends_with(".rs") {
        return faults;
    }
    if !text
        .lines()
        .find(|line| !line.trim().is_empty())
        .is_some_and(|line| line.starts_with("//!"))
    {
        faults.push(Fault::new(path, 1, "no module doc (`//!`) on top"));
    }
    match text.lines().count() {
        lines if lines > HARD => faults.push(Fault::new(
            path,
            0,
            format!("{lines} lines, more than {HARD}: split it"),
        )),
        lines if lines > SOFT => faults.push(Fault::warning(
            path,
            format!("{lines} lines, more than {SOFT}"),
        )),
        _ => {}
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        said(check(&Source::of(path, text)))
    }

    #[test]
    fn a_good_file_has_no_faults() {
        assert_eq!(of("a.rs", "//! What it is.\nfn a() {}\n"), [""; 0]);
        assert_eq!(of("a.sql", "SELECT 1;\n"), [""; 0]);
    }

    #[test]
    fn spaces_at_the_end_are_found_in_every_file() {
        assert_eq!(
            of("a.md", "one \ntwo\nthree\t\n"),
            [
                "a.md:1: space at the end of the line",
                "a.md:3: space at the end of the line"
            ]
        );
    }

    #[test]
    fn a_module_without_a_doc_is_found() {
        assert_eq!(
            of("a.rs", "\nuse std::fs;\n"),
            ["a.rs:1: no module doc (`//!`) on top"]
        );
        assert_eq!(of("a.rs", ""), ["a.rs:1: no module doc (`//!`) on top"]);
    }

    #[test]
    fn a_file_without_a_last_line_end_is_found() {
        assert_eq!(
            of("a.toml", "a = 1\nb = 2"),
            ["a.toml:2: the last line has no end"]
        );
    }

    #[test]
    fn long_files_are_warned_about_and_longer_ones_refused() {
        let lines = |count: usize| format!("//! Doc.\n{}", "\n".repeat(count - 1));
        assert_eq!(of("a.rs", &lines(400)), [""; 0]);
        assert_eq!(
            of("a.rs", &lines(401)),
            ["a.rs: warning: 401 lines, more than 400"]
        );
        assert_eq!(
            of("a.rs", &lines(801)),
            ["a.rs: 801 lines, more than 800: split it"]
        );
    }
}
