//! Files of the operator's: read whole, and written for their owner only where they hold secrets.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::Failure;
use super::output::say;

/// Reads a text; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|err| Failure::Local(format!("{}: {err}", path.display())))
}

/// The text of a patch argument: `@FILE`, or the patch itself; with the name that errors call it by.
pub(super) fn patch(argument: &str) -> Result<(String, String), Failure> {
    match argument.strip_prefix('@') {
        Some(file) => Ok((file.to_owned(), read(Path::new(file))?)),
        None => Ok(("on the command line".to_owned(), argument.to_owned())),
    }
}

/// Writes a text that holds secrets to a file of mode 0600, or to standard output for `-`. Another file is only replaced with `force`.
pub(super) fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return say(text.trim_end());
    }
    let written = if force && (path.is_file() || !path.exists()) {
        replace(path, text)
    } else {
        new_file(force)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
    };
    written.map_err(|err| {
        let path = path.display();
        Failure::Local(match err.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{path} exists already; --force overwrites it")
            }
            _ => format!("{path}: {err}"),
        })
    })
}

/// How a file is made that is for its owner only from the first moment on. What is there already is a pipe or a device, if it may be.
fn new_file(may_be_there: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).create_new(!may_be_there);
    options
}

/// Writes a file whole beside another and puts it in its place: whoever has the old one open does not see the new one, and a full disk
/// leaves the old one as it is.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let beside = target.with_file_name(name);
    let written = new_file(false).open(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &target)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_with_secrets_is_for_its_owner_and_not_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.yaml");
        write(&path, "a", false).unwrap();
        let refused = write(&path, "b", false).unwrap_err().to_string();
        assert!(refused.contains("--force"), "{refused}");
        assert_eq!(read(&path).unwrap(), "a");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut opened = std::fs::File::open(&path).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, "b", true).unwrap();
        let mut seen = String::new();
        opened.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "a", "who had the old file open sees the new one");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!((read(&path).unwrap().as_str(), mode & 0o777), ("b", 0o600));
    }
}
