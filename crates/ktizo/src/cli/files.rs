//! Files of the operator's: read whole, and written for their owner only where they hold secrets.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
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
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options.open(path).and_then(|mut file| {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())
    });
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

#[cfg(test)]
mod tests {
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
        write(&path, "b", true).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!((read(&path).unwrap().as_str(), mode & 0o777), ("b", 0o600));
    }
}
