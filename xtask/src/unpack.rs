//! Packages of Debian 13 unpacked beside the system: downloaded and checked by apt, installed nowhere.
//!
//! Apt runs on folders of its own, with the mirror, the keys and the proxy that the host uses, so that the
//! host's package lists, cache and database stay as they are.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, run};
use crate::dirs::Dirs;

/// The suite that all unpacked packages come from, whatever the host runs: its loaders and kernel are the ones measured.
const SUITE: &str = "trixie";

/// Where the keys of Debian's archive are, newest habit first.
const KEYRINGS: &[&str] = &[
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];

/// A Debian archive that packages are unpacked from.
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Opens the archive, fetching its package list if that was not done before.
    pub(crate) fn open(dirs: &Dirs) -> Result<Self> {
        let archive = Self {
            folder: dirs.dev.join("apt"),
        };
        if !archive.folder.join("ready").exists() {
            archive.prepare()?;
        }
        Ok(archive)
    }

    /// Removes what is only needed while unpacking: lists, caches, unpacked packages.
    pub(crate) fn clear(dirs: &Dirs) -> Result<()> {
        let folder = dirs.dev.join("apt");
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("{} could not be removed", folder.display()))?;
        }
        Ok(())
    }

    /// The one package that a metapackage depends on, for the same architecture.
    pub(crate) fn depends(&self, metapackage: &str) -> Result<String> {
        let record =
            output(
                self.apt("apt-cache")
                    .args(["show", "--no-all-versions", metapackage]),
            )?;
        let depends = record
            .lines()
            .find_map(|line| line.strip_prefix("Depends: "));
        let first = depends.and_then(|line| line.split([' ', ',']).next());
        let first = first.with_context(|| format!("{metapackage} depends on nothing"))?;
        Ok(match metapackage.split_once(':') {
            Some((_, architecture)) => format!("{first}:{architecture}"),
            None => first.to_owned(),
        })
    }

    /// Downloads a package and unpacks it into a folder, which is given. Its name may end in `:` and another architecture.
    pub(crate) fn unpack(&self, package: &str) -> Result<PathBuf> {
        let folder = self.folder.join("unpacked").join(package);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("{} could not be removed", folder.display()))?;
        }
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} could not be made", folder.display()))?;
        let downloaded = self.folder.join("downloaded").join(package);
        fs::create_dir_all(&downloaded)
            .with_context(|| format!("{} could not be made", downloaded.display()))?;
        run(self
            .apt("apt-get")
            .args(["-q", "-q", "download", package])
            .current_dir(&downloaded))?;
        let mut found = fs::read_dir(&downloaded)?
            .filter_map(Result::ok)
            .map(|entry| entry.path());
        let file = found.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
        let file = file.with_context(|| format!("apt-get downloaded no {package}"))?;
        run(Command::new("dpkg-deb")
            .arg("--extract")
            .args([&file, &folder]))?;
        fs::remove_dir_all(&downloaded)?;
        Ok(folder)
    }

    fn prepare(&self) -> Result<()> {
        let keyring = KEYRINGS.iter().find(|path| Path::new(path).exists());
        let Some(keyring) = keyring else {
            bail!("Debian's archive keys are not here: install the package debian-archive-keyring");
        };
        for folder in [
            "lists/partial",
            "cache/archives/partial",
            "unpacked",
            "downloaded",
        ] {
            let folder = self.folder.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("{} could not be made", folder.display()))?;
        }
        let mirror = mirror(&host_sources());
        let source = format!(
            "Types: deb\nURIs: {mirror}\nSuites: {SUITE}\nComponents: main\nArchitectures: {}\nSigned-By: {keyring}\n",
            architectures().join(" ")
        );
        fs::write(self.folder.join("debian.sources"), source)?;
        let hosts = output(Command::new("apt-config").arg("dump"))?;
        fs::write(
            self.folder.join("apt.conf"),
            configuration(&self.folder, &hosts),
        )?;
        run(self.apt("apt-get").args(["-q", "-q", "update"])).with_context(|| {
            format!("the package list of {mirror} {SUITE} could not be fetched")
        })?;
        fs::write(self.folder.join("ready"), "")?;
        Ok(())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf"));
        command
    }
}

/// The architectures that packages are unpacked of: the lab has machines of both, whatever the host is.
fn architectures() -> [&'static str; 2] {
    if cfg!(target_arch = "aarch64") {
        ["arm64", "amd64"]
    } else {
        ["amd64", "arm64"]
    }
}

/// Apt's configuration for folders of our own. Nothing of the host's is read (it may run hooks on every update)
/// but how it reaches its mirrors.
fn configuration(folder: &Path, hosts: &str) -> String {
    let folder = folder.display();
    let mut text = String::new();
    let _ = write!(
        text,
        "Dir::Etc::Main \"/dev/null\";\n\
         Dir::Etc::Parts \"/dev/null\";\n\
         Dir::Etc::SourceList \"{folder}/debian.sources\";\n\
         Dir::Etc::SourceParts \"/dev/null\";\n\
         Dir::State::Lists \"{folder}/lists\";\n\
         Dir::State::Status \"/dev/null\";\n\
         Dir::Cache \"{folder}/cache\";\n\
         APT::Sandbox::User \"root\";\n\
         {}\n\
         Acquire::Languages \"none\";\n",
        architectures()
            .map(|name| format!("APT::Architectures:: \"{name}\";"))
            .join(" ")
    );
    let reaching = |line: &&str| {
        let lower = line.to_ascii_lowercase();
        lower.starts_with("acquire::")
            && ![
                "acquire::indextargets",
                "acquire::languages",
                "acquire::changelogs",
            ]
            .iter()
            .any(|not| lower.starts_with(not))
    };
    for line in hosts.lines().filter(reaching) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// What the host's own source lists say, in either of their two forms.
fn host_sources() -> String {
    let mut text = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    let parts = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    for part in parts {
        text.push('\n');
        text.push_str(&fs::read_to_string(part.path()).unwrap_or_default());
    }
    text
}

/// The mirror of Debian's main archive that the host uses, else Debian's own.
fn mirror(sources: &str) -> String {
    let words = sources
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(str::split_whitespace);
    let mut mirrors = words
        .filter(|word| word.contains("://"))
        .map(|word| word.trim_end_matches('/'));
    mirrors
        .find(|uri| uri.ends_with("/debian"))
        .unwrap_or("http://deb.debian.org/debian")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_hosts_own_in_either_form() {
        let one_line = "# deb http://old.example/debian stable main\ndeb [arch=amd64] http://near.example/debian/ bookworm main";
        assert_eq!(mirror(one_line), "http://near.example/debian");
        let deb822 = "Types: deb\nURIs: https://far.example/debian-security\n\nTypes: deb\nURIs: https://far.example/debian\n";
        assert_eq!(mirror(deb822), "https://far.example/debian");
        assert_eq!(
            mirror("deb https://packages.example/other stable main"),
            "http://deb.debian.org/debian"
        );
    }

    #[test]
    fn only_the_hosts_way_to_its_mirrors_is_taken_over() {
        let hosts = "Acquire::http::Proxy \"http://proxy.example:3128\";\nAPT::Update::Post-Invoke:: \"rm -rf /\";\n\
                     Acquire::IndexTargets::deb \"\";\nAcquire::Check-Date \"false\";\n";
        let ours = configuration(Path::new("/x"), hosts);
        assert!(ours.contains("Acquire::http::Proxy \"http://proxy.example:3128\";"));
        assert!(ours.contains("Acquire::Check-Date"));
        assert!(!ours.contains("Post-Invoke"));
        assert!(!ours.contains("IndexTargets"));
    }
}
