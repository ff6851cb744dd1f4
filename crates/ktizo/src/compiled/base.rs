//! The folder `base/`: each file follows what is in force, and what a person wrote is never overwritten.

use std::path::{Path, PathBuf};

use api::{Hand, Written, hand_edit};
use model::{Role, Timestamp};
use store::Base;

use super::Behind;
use super::file::{at, make_folder, sync_folder, write_as_of, write_if_other};

/// The folder while it is made to hold what is in force.
pub(super) struct BaseFolder {
    path: PathBuf,
    written: Written,
    edits: Vec<String>,
    touched: bool,
    now: Timestamp,
}

impl BaseFolder {
    pub(super) fn open(path: &Path, now: Timestamp) -> Result<Self, Behind> {
        make_folder(path)?;
        Ok(Self {
            path: path.to_owned(),
            written: Written::read(path).map_err(at(path))?,
            edits: Vec::new(),
            touched: false,
            now,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file hold what is in force since a moment. A file that a person edited meanwhile stays and is not in use.
    pub(super) fn keep(
        &mut self,
        name: &str,
        in_force: &[u8],
        since: Timestamp,
    ) -> Result<(), Behind> {
        match self.written.judge(&self.path, name, in_force, since) {
            Hand::Edited => {
                self.edits.push(hand_edit(&self.path, name));
                return Ok(());
            }
            Hand::EditedBefore => self.set_aside(name)?,
            Hand::Same | Hand::Behind => {}
        }
        self.write(name, in_force, since)
    }

    /// Writes a file that nobody can take into use: what a person made of it is put beside.
    pub(super) fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<(), Behind> {
        match self.written.judge(&self.path, name, bytes, self.now) {
            Hand::Edited | Hand::EditedBefore => self.set_aside(name)?,
            Hand::Same | Hand::Behind => {}
        }
        self.write(name, bytes, self.now)
    }

    /// Makes a file that nobody edits hold these bytes.
    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), Behind> {
        self.touched |= write_if_other(&self.path.join(name), bytes)?;
        Ok(())
    }

    fn write(&mut self, name: &str, bytes: &[u8], since: Timestamp) -> Result<(), Behind> {
        self.touched |= write_as_of(&self.path.join(name), bytes, Some(since))?;
        self.written.note(name, bytes);
        Ok(())
    }

    /// Gives a file that a person edited another name: something else was taken into use after the text that was edited.
    fn set_aside(&mut self, name: &str) -> Result<(), Behind> {
        let from = self.path.join(name);
        let now = self.now.to_string();
        let day = now.split('T').next().unwrap_or_default();
        let to = (1..)
            .map(|number| self.path.join(format!("{name}.edited-{day}-{number}")))
            .find(|path| path.symlink_metadata().is_err())
            .unwrap_or_else(|| from.clone());
        std::fs::rename(&from, &to).map_err(at(&from))?;
        self.touched = true;
        tracing::warn!(path = %from.display(), kept_as = %to.display(), "a file was changed by hand, and another was taken into use since; the changed one is kept under another name");
        Ok(())
    }

    /// Writes down what was written, and gives the files that a person edited and that are not in use, in sentences.
    ///
    /// The record comes after the files: one that was not written before an end at this point is as in force, and needs no record.
    pub(super) fn close(mut self) -> Result<Vec<String>, Behind> {
        if self.written != Written::default() {
            self.put(Written::NAME, self.written.clone().print().as_bytes())?;
        }
        if self.touched {
            sync_folder(&self.path)?;
        }
        Ok(self.edits)
    }
}

/// Makes the files of the base configs hold what is in force.
pub(super) fn keep_bases(folder: &mut BaseFolder, bases: &[(Role, Base)]) -> Result<(), Behind> {
    bases.iter().try_for_each(|(role, base)| {
        folder.keep(
            &format!("{role}.yaml"),
            base.text.as_bytes(),
            base.imported_at,
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::time::UNIX_EPOCH;

    use model::{Clock as _, SystemClock};

    use super::*;

    fn keep(folder: &Path, text: &str, imported_at: i64) -> Vec<String> {
        let base = Base {
            text: text.to_owned(),
            imported_at: Timestamp::from_micros(imported_at),
            sha256: model::Sha256Digest([0; 32]),
            origin: model::Origin::Imported,
        };
        let mut open = BaseFolder::open(folder, SystemClock.now()).unwrap();
        keep_bases(&mut open, &[(Role::Worker, base)]).unwrap();
        open.close().unwrap()
    }

    #[test]
    fn a_base_config_edited_by_hand_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let nothing = BaseFolder::open(folder, SystemClock.now()).unwrap();
        assert!(nothing.close().unwrap().is_empty());
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
        let path = folder.join("worker.yaml");
        let read = || fs::read_to_string(&path).unwrap();
        assert!(keep(folder, "first", 0).is_empty());
        assert_eq!(read(), "first");
        // The second is newer than the file of the first, which nobody touched.
        assert!(keep(folder, "second", 1).is_empty());
        assert_eq!(read(), "second");

        // As after `cp -p` of a file that is older than all of it.
        fs::write(&path, "edited").unwrap();
        let old = FileTimes::new().set_modified(UNIX_EPOCH);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_times(old)
            .unwrap();
        for _ in 0..2 {
            let edits = keep(folder, "second", 1);
            assert_eq!(read(), "edited");
            assert!(
                edits.len() == 1 && edits[0].contains("worker.yaml was changed by hand"),
                "{edits:?}"
            );
        }

        // Another one is taken into use: the file follows, and the edit is not lost.
        assert!(keep(folder, "third", 2).is_empty());
        assert_eq!(read(), "third");
        let aside = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains("worker.yaml.edited-"));
        assert_eq!(fs::read_to_string(aside.unwrap()).unwrap(), "edited");

        // An edit that is taken into use is in force, and the next one follows it.
        fs::write(&path, "adopted").unwrap();
        assert!(keep(folder, "adopted", 3).is_empty());
        assert!(keep(folder, "fourth", 4).is_empty());
        assert_eq!(read(), "fourth");
        fs::remove_file(&path).unwrap();
        assert!(keep(folder, "fourth", 4).is_empty());
        assert_eq!(read(), "fourth");
    }

    #[test]
    fn a_file_that_nobody_can_take_into_use_is_put_beside() {
        let folder = tempfile::tempdir().unwrap();
        let replace = |text: &str| {
            let mut open = BaseFolder::open(folder.path(), SystemClock.now()).unwrap();
            open.replace("talosconfig", text.as_bytes()).unwrap();
            open.close().unwrap();
        };
        replace("first");
        replace("second");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names(), 2);
        fs::write(folder.path().join("talosconfig"), "edited").unwrap();
        replace("third");
        assert_eq!(names(), 3);
    }
}
