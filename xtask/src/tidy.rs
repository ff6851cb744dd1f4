//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! Each rule is a function from text to faults; this file only walks the checkout and prints what they found.

mod edges;
mod manifest;
mod map;
mod names;
mod purity;
mod templates;
mod text;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::say;
use crate::dirs::Dirs;

/// A file of the project: its path from the checkout's root, with `/`, and its text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: String,
    text: String,
}

/// A broken rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    path: String,
    /// Counted from 1; 0 when it is the file as a whole.
    line: usize,
    what: String,
    /// A warning is printed and passes.
    warning: bool,
}

impl Fault {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
            warning: false,
        }
    }

    fn warning(path: &str, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: 0,
            what: what.into(),
            warning: true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            what,
            warning,
        } = self;
        let mark = if *warning { "warning: " } else { "" };
        if *line == 0 {
            write!(f, "{path}: {mark}{what}")
        } else {
            write!(f, "{path}:{line}: {mark}{what}")
        }
    }
}

/// Checks the whole checkout.
pub(crate) fn tidy(dirs: &Dirs) -> Result<()> {
    let mut sources = Vec::new();
    collect(&dirs.root, "", &mut sources)?;
    let faults = check(&sources);
    faults
        .iter()
        .for_each(|fault| say(format_args!("tidy: {fault}")));
    let broken = faults.iter().filter(|fault| !fault.warning).count();
    if broken > 0 {
        bail!("{broken} rules of the house are broken");
    }
    say(format_args!(
        "tidy: {} files keep the rules of the house",
        sources.len()
    ));
    Ok(())
}

fn check(sources: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in sources {
        faults.extend(text::check(source));
        faults.extend(names::check(source));
        faults.extend(purity::check(source));
        faults.extend(manifest::check(source));
    }
    faults.extend(edges::check(sources));
    faults.extend(manifest::unused(sources));
    faults.extend(map::check(sources));
    faults.extend(templates::check(sources));
    faults
}

/// Kinds of files that people write; the rest (images, captures) has no lines.
const WRITTEN: &[&str] = &[
    "rs", "toml", "md", "yaml", "yml", "json", "html", "css", "js", "svg", "ipxe", "sql",
    "service", "socket", "conf", "sh", "",
];

fn collect(folder: &Path, prefix: &str, sources: &mut Vec<Source>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("{} could not be read", folder.display()))?
        .collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            let foreign = name == "target"
                || (name.starts_with('.') && ![".ci", ".cargo"].contains(&name.as_str()));
            if !foreign {
                collect(&entry.path(), &format!("{path}/"), sources)?;
            }
            continue;
        }
        let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
        if WRITTEN.contains(&kind) {
            // What is not text is not written by people.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                sources.push(Source { path, text });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
impl Source {
    fn of(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// What a rule says about one file, as lines, for the rules' own tests.
#[cfg(test)]
fn said(faults: impl IntoIterator<Item = Fault>) -> Vec<String> {
    faults.into_iter().map(|fault| fault.to_string()).collect()
}
