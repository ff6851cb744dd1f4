//! The network boot loaders on this host: found in the configured folders, kept in memory, and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

use bytes::Bytes;
use netboot::director::{LoaderName, Platform};
use sha2::{Digest as _, Sha256};

/// The loaders that are served, by file name. Files that come, go or change are noticed by [`Loaders::refresh`].
#[derive(Debug)]
pub(crate) struct Loaders {
    folders: Vec<PathBuf>,
    chosen: Vec<(Platform, LoaderName)>,
    found: RwLock<Arc<BTreeMap<LoaderName, Loader>>>,
    /// Those beyond [`MAX_OTHERS`], which are not read.
    left_out: RwLock<BTreeSet<LoaderName>>,
}

/// One loader in memory.
#[derive(Clone, Debug)]
pub(crate) struct Loader {
    /// Where it was read.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Bytes,
    /// What is known to be bad about it, and the way out.
    pub warning: Option<String>,
    modified: Option<SystemTime>,
}

/// Larger files are no loaders: iPXE's largest is about 1.2 MB.
const MAX_BYTES: u64 = 8 << 20;
/// So many files in the folders are read besides those that are chosen.
const MAX_OTHERS: usize = 64;

impl Loaders {
    /// Reads the loaders in `folders`; the first folder that has a name wins. `chosen` is what each kind of machine is given.
    pub(crate) fn read(folders: Vec<PathBuf>, chosen: Vec<(Platform, LoaderName)>) -> Self {
        let loaders = Self {
            folders,
            chosen,
            found: RwLock::default(),
            left_out: RwLock::default(),
        };
        loaders.refresh();
        loaders
    }

    /// Looks at the folders again and reads what is new or changed. Does file input, so it belongs on a thread that may wait.
    pub(crate) fn refresh(&self) {
        let before = self.all();
        let is_chosen = |name: &LoaderName| self.chosen.iter().any(|(_, chosen)| chosen == name);
        let (mut found, mut left_out, mut others) = (BTreeMap::new(), BTreeSet::new(), 0);
        for folder in &self.folders {
            for (name, path, modified) in candidates(folder, is_chosen) {
                if found.contains_key(&name) {
                    continue;
                }
                if !is_chosen(&name) {
                    if others == MAX_OTHERS {
                        left_out.insert(name);
                        continue;
                    }
                    others += 1;
                }
                let known = before
                    .get(&name)
                    .filter(|old| old.path == path && old.modified == modified);
                let loader = match known {
                    Some(old) => old.clone(),
                    None => match std::fs::read(&path) {
                        Ok(bytes) => Loader {
                            warning: judge(&bytes),
                            bytes: bytes.into(),
                            path,
                            modified,
                        },
                        Err(err) => {
                            tracing::warn!(path = %path.display(), %err, "a boot loader cannot be read");
                            continue;
                        }
                    },
                };
                found.insert(name, loader);
            }
        }
        let written = "nobody panics while holding this lock";
        *self.found.write().expect(written) = Arc::new(found);
        *self.left_out.write().expect(written) = left_out;
    }

    /// Every loader, as found by the last look.
    pub(crate) fn all(&self) -> Arc<BTreeMap<LoaderName, Loader>> {
        Arc::clone(
            &self
                .found
                .read()
                .expect("nobody panics while holding this lock"),
        )
    }

    /// The loader of that name; the error is a sentence with the way out.
    pub(crate) fn get(&self, name: &LoaderName) -> Result<Loader, String> {
        self.all().get(name).cloned().ok_or_else(|| {
            let folders: Vec<String> = self
                .folders
                .iter()
                .map(|folder| folder.display().to_string())
                .collect();
            if folders.is_empty() {
                return format!(
                    "boot loader {name} is nowhere, for `loaders.folders` in the config file names no folder"
                );
            }
            let package = if name.as_str() == "ipxe-arm64.efi" {
                "`ipxe` of Debian 13, for that of Debian 12 lacks it,"
            } else {
                "`ipxe`"
            };
            format!(
                "boot loader {name} is in none of {}; install the package {package} or copy it there",
                folders.join(", ")
            )
        })
    }

    /// What a kind of machine is given.
    pub(crate) fn for_platform(&self, platform: Platform) -> Option<&LoaderName> {
        self.chosen
            .iter()
            .find(|(of, _)| *of == platform)
            .map(|(_, name)| name)
    }

    /// Sentences about each loader that is chosen and missing.
    pub(crate) fn missing(&self) -> Vec<String> {
        let missing = |(platform, name): &(Platform, LoaderName)| {
            let why = self.get(name).err()?;
            let key = key(*platform);
            Some(format!(
                "{why}; or set `{key}: null` in the config file if no such machine is to be served"
            ))
        };
        self.chosen.iter().filter_map(missing).collect()
    }

    /// Sentences about each loader that is chosen and known to be bad, and about files that are not read.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let doubt = |(_, name): &(Platform, LoaderName)| {
            let loader = self.get(name).ok()?;
            let warning = loader.warning?;
            Some(format!("boot loader {}: {warning}", loader.path.display()))
        };
        let mut doubts: Vec<String> = self.chosen.iter().filter_map(doubt).collect();
        let left_out = self
            .left_out
            .read()
            .expect("nobody panics while holding this lock");
        if let Some(first) = left_out.first() {
            doubts.push(format!(
                "the loader folders hold {} files too many, and these are not served, such as {first}; at most {MAX_OTHERS} are, \
                 besides those that the config file names",
                left_out.len()
            ));
        }
        doubts
    }
}

/// The key of the config file that chooses the loader of a kind of machine.
const fn key(platform: Platform) -> &'static str {
    match platform {
        Platform::Bios => "loaders.bios",
        Platform::EfiIa32 => "loaders.efi_ia32",
        Platform::EfiX64 => "loaders.efi_x64",
        Platform::EfiArm32 => "loaders.efi_arm32",
        Platform::EfiArm64 => "loaders.efi_arm64",
    }
}

/// The files of a folder that could be loaders, by their ending or because they are chosen, in the order of their names.
fn candidates(
    folder: &Path,
    is_chosen: impl Fn(&LoaderName) -> bool,
) -> Vec<(LoaderName, PathBuf, Option<SystemTime>)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = LoaderName::parse(entry.file_name().to_str()?)?;
            let mut endings = LoaderName::ENDINGS.iter();
            if !endings.any(|ending| name.as_str().ends_with(ending)) && !is_chosen(&name) {
                return None;
            }
            let meta = std::fs::metadata(entry.path())
                .ok()
                .filter(|meta| meta.is_file() && meta.len() <= MAX_BYTES)?;
            Some((name, entry.path(), meta.modified().ok()))
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// What is known to be bad about a loader's build. iPXE's EFI builds name themselves in plain text; its BIOS builds are compressed, so
/// those of Debian 12, which are from January 2019, are known by their fingerprints.
fn judge(bytes: &[u8]) -> Option<String> {
    const OLD: &[u8] = b"1.0.0+git-20190125";
    const OLD_BIOS: [&str; 3] = [
        "f09cfbe9bbd39c3f5eb9cdf7386b520a4f5858bbc4438960c5b870c7a8930a7f",
        "2e318bc5882a1ffb191dabe6775930ca22605e86cb4fa5c80d8db10a223d9958",
        "46bd33729c022ef33b3f0c52599b5dadf07f60c6bea681e0a7fb7db43d5ddaca",
    ];
    let fault = if bytes.windows(OLD.len()).any(|window| window == OLD) {
        "under UEFI it hangs when its script ends, and it waits 16 s for IPv6 routers where there are none"
    } else {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
        OLD_BIOS
            .contains(&digest.as_str())
            .then_some("it waits 16 s for IPv6 routers where there are none")?
    };
    Some(format!(
        "this iPXE build is from 2019 (Debian 12): {fault}; use the package of Debian 13"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> LoaderName {
        LoaderName::parse(text).unwrap()
    }

    #[test]
    fn the_first_folder_that_has_a_name_wins_and_changes_are_noticed() {
        let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        std::fs::write(second.path().join("snponly.efi"), b"second").unwrap();
        std::fs::write(second.path().join("readme.txt"), b"no loader").unwrap();
        let chosen = vec![
            (Platform::EfiX64, name("snponly.efi")),
            (Platform::Bios, name("undionly.kpxe")),
        ];
        let loaders = Loaders::read(
            vec![first.path().into(), second.path().into(), "/nowhere".into()],
            chosen,
        );
        assert_eq!(loaders.all().len(), 1);
        assert_eq!(
            &loaders.get(&name("snponly.efi")).unwrap().bytes[..],
            b"second"
        );
        assert!(
            loaders.missing()[0].contains("undionly.kpxe is in none of"),
            "{:?}",
            loaders.missing()
        );
        std::fs::write(first.path().join("snponly.efi"), b"first").unwrap();
        loaders.refresh();
        assert_eq!(
            &loaders.get(&name("snponly.efi")).unwrap().bytes[..],
            b"first"
        );
    }

    #[test]
    fn a_chosen_loader_is_read_whatever_its_ending_and_however_many_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), b"x").unwrap();
        for number in 0..71 {
            write(&format!("a{number:02}.efi"));
        }
        let names = ["undionly.kkkpxe", "ipxe.lkrn", "snponly.efi", "my-loader"];
        names.iter().copied().for_each(write);
        let chosen = names.map(|text| (Platform::Bios, name(text))).to_vec();
        let loaders = Loaders::read(vec![folder.path().into()], chosen);
        assert_eq!(loaders.missing(), [""; 0]);
        assert_eq!(loaders.all().len(), MAX_OTHERS + names.len());
        let doubts = loaders.doubts();
        assert!(
            doubts.len() == 1
                && doubts[0].contains(" 7 files too many")
                && doubts[0].contains("a64.efi"),
            "{doubts:?}"
        );
        for number in 0..7 {
            std::fs::remove_file(folder.path().join(format!("a{number:02}.efi"))).unwrap();
        }
        loaders.refresh();
        assert_eq!(loaders.doubts(), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_said_with_a_way_out_that_there_is() {
        let missing = |folders: Vec<PathBuf>, platform, file| {
            Loaders::read(folders, vec![(platform, name(file))]).missing()
        };
        let bios = missing(vec!["/nowhere".into()], Platform::Bios, "undionly.kpxe");
        assert_eq!(
            bios,
            [
                "boot loader undionly.kpxe is in none of /nowhere; install the package `ipxe` or copy it there; \
              or set `loaders.bios: null` in the config file if no such machine is to be served"
            ]
        );
        let arm = missing(
            vec!["/nowhere".into()],
            Platform::EfiArm64,
            "ipxe-arm64.efi",
        );
        assert!(
            arm[0].contains("Debian 13") && arm[0].contains("`loaders.efi_arm64: null`"),
            "{arm:?}"
        );
        let nowhere = missing(Vec::new(), Platform::Bios, "undionly.kpxe");
        assert!(
            nowhere[0].contains("`loaders.folders` in the config file names no folder"),
            "{nowhere:?}"
        );
    }

    #[test]
    fn a_build_of_2019_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("ipxe.efi"),
            b"MZ iPXE 1.0.0+git-20190125.36a4c85-5.1",
        )
        .unwrap();
        let loaders = Loaders::read(
            vec![folder.path().into()],
            vec![(Platform::EfiX64, name("ipxe.efi"))],
        );
        assert!(
            loaders.doubts()[0].contains("from 2019"),
            "{:?}",
            loaders.doubts()
        );
    }
}
