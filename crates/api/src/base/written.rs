//! What ktizo wrote into `base/` last, by which a file that a person edited is known whatever its time says.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use model::{Sha256Digest, Timestamp};
use sha2::{Digest as _, Sha256};

/// The fingerprints of the files that ktizo wrote, by name. It lies beside them in the form of `sha256sum`, so that
/// `sha256sum --check .written` tells which were edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written(BTreeMap<String, Sha256Digest>);

/// What became of a file that holds what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// It is as in force.
    Same,
    /// It is not there, or as ktizo wrote it before: nobody touched it.
    Behind,
    /// A person edited what is in force.
    Edited,
    /// A person edited what was in force before.
    EditedBefore,
}

impl Written {
    /// The name of the record.
    pub const NAME: &'static str = ".written";

    /// Reads the record of a folder. A line that is none is passed over, and no record is an empty one: then the time of a file decides.
    ///
    /// # Errors
    /// There is one and it cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let text = match fs::read(folder.join(Self::NAME)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(err) => return Err(err),
        };
        let line = |line: &str| {
            let (digest, name) = line.split_once("  ")?;
            Some((name.to_owned(), digest.parse().ok()?))
        };
        Ok(Self(text.lines().filter_map(line).collect()))
    }

    /// The record as it is written.
    pub fn print(&self) -> String {
        let line = |(name, digest): (&String, &Sha256Digest)| format!("{digest}  {name}\n");
        self.0.iter().map(line).collect()
    }

    /// Notes that a file holds these bytes by ktizo's hand.
    pub fn note(&mut self, name: &str, bytes: &[u8]) {
        self.0.insert(name.to_owned(), fingerprint(bytes));
    }

    /// What became of the file `name` in `folder`, which is to hold `in_force` since that moment. A file that cannot be read was put
    /// there by somebody.
    ///
    /// Without a word in the record, one that is younger than what is in force was edited, and an older one was edited before.
    pub fn judge(&self, folder: &Path, name: &str, in_force: &[u8], since: Timestamp) -> Hand {
        let path = folder.join(name);
        let now = match fs::read(&path) {
            Ok(bytes) if bytes == in_force => return Hand::Same,
            Ok(bytes) => Some(fingerprint(&bytes)),
            Err(err) if err.kind() == ErrorKind::NotFound => return Hand::Behind,
            Err(_) => None,
        };
        let of_this = match self.0.get(name) {
            Some(last) if now == Some(*last) => return Hand::Behind,
            Some(last) => *last == fingerprint(in_force),
            None => modified(&path).is_some_and(|at| at > since),
        };
        if of_this {
            Hand::Edited
        } else {
            Hand::EditedBefore
        }
    }
}

fn fingerprint(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(bytes).into())
}

fn modified(path: &Path) -> Option<Timestamp> {
    let at = fs::metadata(path).and_then(|metadata| metadata.modified());
    let since: Duration = at.ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Timestamp::from_micros(0).plus(since))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    const NAME: &str = "worker.yaml";

    #[test]
    fn an_edit_is_known_by_its_content_whatever_its_time_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let since = Timestamp::from_micros(1_000_000_000_000_000);
        let mut written = Written::default();
        for (file, recorded, age, found) in [
            (None, None, 0, Hand::Behind),
            (Some("new"), None, 0, Hand::Same),
            (Some("new"), Some("old"), 0, Hand::Same),
            (Some("old"), Some("old"), 0, Hand::Behind),
            (Some("edited"), Some("new"), 9, Hand::Edited),
            (Some("edited"), Some("new"), -9, Hand::Edited),
            (Some("edited"), Some("old"), 9, Hand::EditedBefore),
            (Some("edited"), None, 9, Hand::Edited),
            (Some("edited"), None, -9, Hand::EditedBefore),
        ] {
            written.0.clear();
            if let Some(text) = recorded {
                written.note(NAME, text.as_bytes());
            }
            if let Some(text) = file {
                fs::write(&path, text).unwrap();
                let at = UNIX_EPOCH
                    + Duration::from_secs(1_000_000_000).saturating_add(Duration::from_secs(10));
                let at = if age < 0 {
                    at - Duration::from_secs(20)
                } else {
                    at
                };
                let times = FileTimes::new().set_modified(at);
                File::options()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .set_times(times)
                    .unwrap();
            }
            assert_eq!(
                written.judge(folder.path(), NAME, b"new", since),
                found,
                "{file:?} where {recorded:?} was written, {age} s from what is in force"
            );
        }
    }

    #[test]
    fn the_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Written::read(folder.path()).unwrap(), Written::default());
        let mut written = Written::default();
        written.note("worker.yaml", b"");
        assert_eq!(
            written.print(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  worker.yaml\n"
        );
        fs::write(
            folder.path().join(Written::NAME),
            format!("no line\n{}", written.print()),
        )
        .unwrap();
        assert_eq!(Written::read(folder.path()).unwrap(), written);
    }
}
