//! The archive format that Linux unpacks its first file system from ("newc", Documentation/driver-api/early-userspace).

/// An archive being written. Entries belong to root and have no times, so that equal content gives equal bytes.
#[derive(Debug, Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

/// A directory's mode bits.
const DIRECTORY: u32 = 0o040_000;
/// A regular file's mode bits.
const REGULAR: u32 = 0o100_000;
/// A character device's mode bits.
const CHARACTER: u32 = 0o020_000;

impl Cpio {
    /// Adds a directory. Its parents must have been added before.
    pub fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY | 0o755, (0, 0), &[]);
    }

    /// Adds a file with its permission bits.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.entry(path, REGULAR | permissions, (0, 0), content);
    }

    /// Adds a character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, CHARACTER | 0o600, (major, minor), &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let length =
            |bytes: usize| u32::try_from(bytes).expect("the lab's files are far below 4 GiB");
        let fields = [
            self.entries,
            mode,
            0, // owner
            0, // group
            1, // links
            0, // time
            length(content.len()),
            0, // device of the file itself
            0,
            device.0,
            device.1,
            length(path.len() + 1),
            0, // no checksum in this form
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::output;
    use std::io::Write;
    use std::process::Command;

    #[test]
    fn another_cpio_reads_what_was_written() {
        let mut cpio = Cpio::default();
        cpio.directory("a");
        cpio.file("a/five", 0o644, b"12345");
        cpio.file("empty", 0o755, b"");
        let Ok(kit) = crate::kit::Kit::find() else {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "no busybox: run `cargo xtask setup`"
            );
            eprintln!("skipped: no busybox, run `cargo xtask setup`");
            return;
        };
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&cpio.finish()).unwrap();
        let listed = output(
            Command::new(kit.busybox())
                .args(["cpio", "-t", "-F"])
                .arg(file.path()),
        )
        .unwrap();
        assert_eq!(listed.lines().collect::<Vec<_>>(), ["a", "a/five", "empty"]);
    }
}
