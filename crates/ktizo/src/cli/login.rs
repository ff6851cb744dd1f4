//! `ktizo login` and `ktizo logout`: the server that commands reach, and the token they show it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use api::{Client, ClientError, Fingerprint, Trust};
use model::Sha256Digest;
use serde::{Deserialize, Serialize};

use super::output::say;
use super::remote::Trusted;
use super::{Failure, confirm, prompt};

/// A server, and the token for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Login {
    /// Its address, such as `http://192.0.2.7:8000`.
    pub server: String,
    /// The token.
    pub token: String,
    /// The SHA-256 of its certificate, where that is what it is known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Sha256Digest>,
    /// The file of the authority that vouches for its certificate, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<PathBuf>,
}

impl Login {
    /// Which certificate is taken for the server's.
    pub(super) fn trust(&self) -> Trust {
        match (self.fingerprint, &self.ca) {
            (Some(fingerprint), _) => Trust::Fingerprint(fingerprint),
            (None, Some(ca)) => Trust::Authority(ca.clone()),
            (None, None) => Trust::Host,
        }
    }
}

/// Reach a daemon on another host with an API token
#[derive(Debug, clap::Args)]
pub(super) struct LoginArgs {
    /// Its address, such as https://192.0.2.7:8000
    server: String,
    #[command(flatten)]
    trusted: Trusted,
}

impl LoginArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let trust = match self.trusted.named() {
            Some(Trust::Authority(file)) => Trust::Authority(std::path::absolute(file)?),
            Some(named) => named,
            None => meet(&self.server).await?,
        };
        let token = match given_token() {
            Some(token) => token,
            None => prompt::secret("API token (`ktizo token add` on the server makes one): ")?
                .trim()
                .to_owned(),
        };
        let client = Client::tcp(&self.server, Some(token.clone()), &trust)?;
        let who = client.whoami().await?;
        let path = place()?;
        let (fingerprint, ca) = match trust {
            Trust::Host => (None, None),
            Trust::Fingerprint(fingerprint) => (Some(fingerprint), None),
            Trust::Authority(file) => (None, Some(file)),
        };
        let login = Login {
            server: self.server,
            token,
            fingerprint,
            ca,
        };
        save(&path, &login).map_err(|err| Failure::Local(format!("{}: {err}", path.display())))?;
        if login.server.starts_with("http://") && io::stderr().is_terminal() {
            let warning = "the connection is not encrypted: use it in a network you trust, or through an SSH tunnel";
            writeln!(io::stderr(), "ktizo: {warning}")?;
        }
        say(&format!(
            "Commands reach {} as {} ({}) from now on, where no ktizo runs on this host; `ktizo logout` ends it.",
            login.server, who.actor, who.authority
        ))
    }
}

/// Meets a server for the first time: one whose certificate this host does not trust is shown to the person, who can compare it
/// with what `ktizo status` says on its host. Nothing is sent to it before that.
async fn meet(server: &str) -> Result<Trust, Failure> {
    if !server.starts_with("https://") {
        return Ok(Trust::Host);
    }
    // Anything may come back but a failure to agree on TLS.
    let known = Client::tcp(server, None, &Trust::Host)?.whoami().await;
    if !matches!(known, Err(ClientError::Unreachable { .. })) {
        return Ok(Trust::Host);
    }
    let fingerprint = Client::fingerprint_at(server).await?;
    let shown = Fingerprint(fingerprint);
    let question = format!(
        "This host does not know the certificate of {server}. Its SHA-256 is\n  {shown}\n`ktizo status` on the server shows the same if it is the right one. Trust it?"
    );
    if confirm(&question)? {
        return Ok(Trust::Fingerprint(fingerprint));
    }
    Err(Failure::Closed(format!(
        "the certificate of {server} is not trusted; its SHA-256 is {shown}: compare it with `ktizo status` on the server, then give it as --fingerprint, or name its authority's file as --ca"
    )))
}

/// Forgets the server and its token.
pub(super) fn logout() -> Result<(), Failure> {
    let path = place()?;
    match std::fs::remove_file(&path) {
        Ok(()) => say(
            "The server and its token are forgotten; the token itself is revoked by `ktizo token revoke`.",
        ),
        Err(err) if err.kind() == io::ErrorKind::NotFound => say("There is nothing to forget."),
        Err(err) => Err(Failure::Local(format!("{}: {err}", path.display()))),
    }
}

/// The token in the environment, if there is one.
pub(super) fn given_token() -> Option<String> {
    let token = std::env::var("KTIZO_TOKEN").ok()?;
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

/// The login that was kept, if there is one.
pub(super) fn kept() -> Result<Option<Login>, Failure> {
    let Ok(path) = place() else { return Ok(None) };
    read(&path).map_err(|err| {
        Failure::Local(format!(
            "{}: {err}; `ktizo login` writes it anew",
            path.display()
        ))
    })
}

/// Where it is kept (XDG Base Directory Specification).
fn place() -> Result<PathBuf, Failure> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".config"));
    config
        .or_else(home)
        .map(|folder| folder.join("ktizo").join("login.json"))
        .ok_or_else(|| Failure::Local("neither XDG_CONFIG_HOME nor HOME is set".to_owned()))
}

fn read(path: &Path) -> io::Result<Option<Login>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// Writes it whole, for its owner alone.
fn save(path: &Path, login: &Login) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let part = path.with_extension("part");
    // One that was left behind may have another mode.
    let _ = std::fs::remove_file(&part);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)?;
    file.write_all(&serde_json::to_vec_pretty(login)?)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_login_is_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/ktizo/login.json");
        assert!(read(&path).unwrap().is_none());
        for token in ["one", "other"] {
            let login = Login {
                server: "http://192.0.2.7:8000".into(),
                token: token.into(),
                fingerprint: (token == "other").then_some(Sha256Digest([7; 32])),
                ca: None,
            };
            save(&path, &login).unwrap();
            assert!(read(&path).unwrap().as_ref() == Some(&login));
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
