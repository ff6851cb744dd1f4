//! Which files an import means, and what they are.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use model::{Arch, AssetContent, AssetName, HEAD_BYTES, Sha256Digest, TalosVersion};

/// A file to be imported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) name: AssetName,
    pub(super) version: TalosVersion,
    /// What `sha256sum.txt` beside it says.
    pub(super) expected: Option<Sha256Digest>,
    pub(super) size: u64,
}

/// Finds the assets among `paths` and, for folders, in them. The error is a sentence.
pub(super) fn find(
    paths: &[PathBuf],
    version: Option<&TalosVersion>,
    arch: Option<Arch>,
) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    for path in paths {
        let meta = std::fs::metadata(path).map_err(|err| format!("{}: {err}", path.display()))?;
        if meta.is_dir() {
            let entries =
                std::fs::read_dir(path).map_err(|err| format!("{}: {err}", path.display()))?;
            let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort();
            let before = found.len();
            for file in files {
                if let Some(name) =
                    asset_name(&file).filter(|name| arch.is_none_or(|arch| arch == name.arch))
                {
                    found.push(describe(file, name, version)?);
                }
            }
            if found.len() == before {
                return Err(format!(
                    "{} has no file named as in a Talos release, such as vmlinuz-amd64 and initramfs-amd64.xz",
                    path.display()
                ));
            }
        } else {
            let name = asset_name(path).ok_or_else(|| {
                format!("{} is not named as in a Talos release, such as vmlinuz-amd64 or initramfs-amd64.xz", path.display())
            })?;
            if arch.is_none_or(|arch| arch == name.arch) {
                found.push(describe(path.clone(), name, version)?);
            }
        }
    }
    if found.is_empty() {
        return Err("none of the files is for that architecture".to_owned());
    }
    Ok(found)
}

/// What a file is, by its name; a version in the name (`vmlinuz-v1.13.9-amd64`, `v1.13.9-vmlinuz-amd64`) is no part of it.
fn asset_name(path: &Path) -> Option<AssetName> {
    let name = path.file_name()?.to_str()?;
    AssetName::parse(name).or_else(|| {
        let kept: Vec<&str> = name
            .split('-')
            .filter(|part| version_of(part).is_none())
            .collect();
        AssetName::parse(&kept.join("-"))
    })
}

/// A version that a piece of a name is: `v1.13.9` or `v1.14.0-rc.1`, and nothing less telling.
fn version_of(piece: &str) -> Option<TalosVersion> {
    let (numbers, pre) = piece.split_once('-').unwrap_or((piece, "rc"));
    let telling = piece.starts_with('v') && numbers.matches('.').count() == 2;
    let released = ["alpha", "beta", "rc"]
        .iter()
        .any(|word| pre.starts_with(word));
    (telling && released).then(|| piece.parse().ok()).flatten()
}

fn describe(
    path: PathBuf,
    name: AssetName,
    version: Option<&TalosVersion>,
) -> Result<Found, String> {
    let version = version
        .cloned()
        .or_else(|| version_in(&path))
        .ok_or_else(|| {
            format!(
                "{}: no Talos version in its name or its folder's; give it with --version v1.13.9",
                path.display()
            )
        })?;
    let size = std::fs::metadata(&path)
        .map_err(|err| format!("{}: {err}", path.display()))?
        .len();
    let mut head = Vec::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut head))
        .map_err(|err| format!("{}: {err}", path.display()))?;
    AssetContent::of(&head)
        .check(name)
        .map_err(|why| format!("{} {why}; nothing was imported", path.display()))?;
    let expected = checksums(&path).remove(
        path.file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default(),
    );
    Ok(Found {
        path,
        name,
        version,
        expected,
        size,
    })
}

/// The version in the name of the file or of one of its folders, the nearest first: `talos-v1.13.9/vmlinuz-amd64`.
fn version_in(path: &Path) -> Option<TalosVersion> {
    let absolute = std::path::absolute(path).ok()?;
    let pieces = |name: &str| -> Option<TalosVersion> {
        let whole = name.find('v').and_then(|at| version_of(&name[at..]));
        whole.or_else(|| name.split(['-', '_']).find_map(version_of))
    };
    absolute
        .ancestors()
        .filter_map(|part| part.file_name()?.to_str())
        .take(3)
        .find_map(pieces)
}

/// The lines of `sha256sum.txt` in the folder of `path`, as a Talos release has it: `HEX  NAME`.
fn checksums(path: &Path) -> HashMap<String, Sha256Digest> {
    let text = path
        .parent()
        .and_then(|folder| std::fs::read_to_string(folder.join("sha256sum.txt")).ok())
        .unwrap_or_default();
    let line = |line: &str| {
        let (hex, name) = line.split_once(char::is_whitespace)?;
        let name = name
            .trim_start()
            .trim_start_matches('*')
            .trim_start_matches("./");
        Some((name.to_owned(), hex.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: &str = "MZ";
    const INITRAMFS: &str = "070701";

    fn folder(name: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(name);
        std::fs::create_dir(&path).unwrap();
        for (file, text) in files {
            std::fs::write(path.join(file), text).unwrap();
        }
        (root, path)
    }

    #[test]
    fn reads_a_release_as_it_was_downloaded() {
        let sums = format!(
            "{}  vmlinuz-amd64\n{}  metal-amd64.iso\n",
            "ab".repeat(32),
            "cd".repeat(32)
        );
        let files = [
            ("vmlinuz-amd64", KERNEL),
            ("initramfs-amd64.xz", INITRAMFS),
            ("metal-amd64.iso", "x"),
            ("sha256sum.txt", &sums),
        ];
        let (_root, path) = folder("talos-v1.14.0-rc.1", &files);
        let found = find(&[path], None, None).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|file| format!("{} {} {}", file.version, file.name, file.expected.is_some()))
            .collect();
        assert_eq!(
            shown,
            [
                "v1.14.0-rc.1 initramfs-amd64.xz false",
                "v1.14.0-rc.1 vmlinuz-amd64 true"
            ]
        );
    }

    #[test]
    fn a_version_may_stand_in_the_file_name() {
        let (_root, path) = folder("files", &[("vmlinuz-v1.13.9-arm64", KERNEL)]);
        let found = find(&[path.join("vmlinuz-v1.13.9-arm64")], None, None).unwrap();
        assert_eq!(
            (found[0].version.to_string(), found[0].name.to_string()),
            ("v1.13.9".into(), "vmlinuz-arm64".into())
        );
    }

    #[test]
    fn says_what_is_missing() {
        let (_root, path) = folder(
            "files",
            &[
                ("vmlinuz-amd64", KERNEL),
                ("initramfs-amd64.xz", ""),
                ("initramfs-arm64.xz", KERNEL),
                ("vmlinuz-arm64", "hello\n"),
                ("notes.txt", "x"),
            ],
        );
        let version: TalosVersion = "v1.13.9".parse().unwrap();
        for (file, version, expected) in [
            ("vmlinuz-amd64", None, "no Talos version in its name"),
            (
                "initramfs-amd64.xz",
                Some(&version),
                "is not an initramfs (cpio, alone or in xz, zstd, gzip or lz4): it seems to be empty",
            ),
            (
                "initramfs-arm64.xz",
                Some(&version),
                "it seems to be an EFI or DOS program",
            ),
            (
                "vmlinuz-arm64",
                Some(&version),
                "vmlinuz-arm64 is not a Linux kernel for arm64: it seems to be plain text; nothing was imported",
            ),
            (
                "notes.txt",
                Some(&version),
                "is not named as in a Talos release",
            ),
            ("absent", Some(&version), "No such file"),
        ] {
            let err = find(&[path.join(file)], version, None).unwrap_err();
            assert!(err.contains(expected), "{err}");
        }
    }
}
