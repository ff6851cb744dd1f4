//! The secrets bundle of a cluster: what every node of it shares (`pkg/machinery/config/generate/secrets`).
//!
//! One bundle serves both roles and every Talos version. [`SecretsBundle::generate`] makes a fresh one,
//! [`SecretsBundle::parse`] reads `secrets.yaml`, [`SecretsBundle::from_controlplane`] takes it out of a control plane's
//! config, where all of it is, and [`SecretsBundle::export`] writes `secrets.yaml`.

mod export;
mod extract;
mod import;

#[cfg(test)]
mod tests;

pub(crate) use export::{base64, certified};

use data_encoding::{BASE64, BASE64URL};
use model::Timestamp;

use crate::pki::{self, CertifiedKey, KeyKind, PrivateKey};
use crate::{Error, Secret};

/// All secrets of a cluster. Debug shows none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsBundle {
    /// `cluster.id`: names the cluster in discovery; compared, never decoded.
    pub cluster_id: Secret,
    /// `cluster.secret`: encrypts what is told to discovery; 32 bytes in base64.
    pub cluster_secret: Secret,
    /// `secrets.bootstraptoken`: lets a kubelet join.
    pub bootstrap_token: Secret,
    /// `secrets.secretboxencryptionsecret`: encrypts Kubernetes secrets in etcd; 32 bytes in base64.
    pub secretbox_secret: Option<Secret>,
    /// `secrets.aescbcencryptionsecret`: the same in clusters made before Talos 1.3.
    pub aescbc_secret: Option<Secret>,
    /// `trustdinfo.token`: lets a node join.
    pub trustd_token: Secret,
    /// `certs.etcd`
    pub etcd: CertifiedKey,
    /// `certs.k8s`
    pub kubernetes: CertifiedKey,
    /// `certs.k8saggregator`
    pub aggregator: CertifiedKey,
    /// `certs.k8sserviceaccount.key`, PEM
    pub service_account: Secret,
    /// `certs.os`: the Talos API.
    pub os: CertifiedKey,
}

impl SecretsBundle {
    /// Makes a fresh bundle, as Talos 1.8 and later do; `now` is where its certificates begin.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate(now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            // Up to Talos 1.13 the URL alphabet; it is only ever compared, and this one is safe everywhere.
            cluster_id: Secret::new(BASE64URL.encode(&pki::random::<32>()?)),
            cluster_secret: key_of_32_bytes()?,
            bootstrap_token: token()?,
            secretbox_secret: Some(key_of_32_bytes()?),
            aescbc_secret: None,
            trustd_token: token()?,
            etcd: pki::make_ca(KeyKind::EcdsaP256, Some("etcd"), now)?,
            kubernetes: pki::make_ca(KeyKind::EcdsaP256, Some("kubernetes"), now)?,
            aggregator: pki::make_ca(KeyKind::EcdsaP256, None, now)?,
            service_account: PrivateKey::generate(KeyKind::Rsa4096)?.to_pem()?,
            os: pki::make_ca(KeyKind::Ed25519, Some("talos"), now)?,
        })
    }

    /// Everything that is wrong with the bundle, in words that quote nothing of it; empty for one that Talos takes.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.cluster_id.expose().is_empty() {
            problems.push("cluster.id is empty".to_owned());
        }
        let keys = [
            ("cluster.secret", Some(&self.cluster_secret)),
            (
                "secrets.secretboxencryptionsecret",
                self.secretbox_secret.as_ref(),
            ),
            (
                "secrets.aescbcencryptionsecret",
                self.aescbc_secret.as_ref(),
            ),
        ];
        for (name, key) in keys {
            if let Some(key) = key
                && BASE64
                    .decode(key.expose().as_bytes())
                    .map_or(0, |bytes| bytes.len())
                    != 32
            {
                problems.push(format!("{name} is not 32 bytes in base64"));
            }
        }
        match (&self.secretbox_secret, &self.aescbc_secret) {
            (None, None) => problems.push(
                "secrets.secretboxencryptionsecret is missing (or secrets.aescbcencryptionsecret of an old cluster)".to_owned(),
            ),
            (Some(_), Some(_)) => problems
                .push("secrets.secretboxencryptionsecret and secrets.aescbcencryptionsecret exclude each other".to_owned()),
            _ => {}
        }
        if !is_token(self.bootstrap_token.expose()) {
            problems.push(
                "secrets.bootstraptoken is not a token: 6 and 16 of a-z and 0-9, parted by a dot"
                    .to_owned(),
            );
        }
        // Talos compares it and reads nothing in it; Kubernetes wants the other one in its own form.
        if self.trustd_token.expose().is_empty() {
            problems.push("trustdinfo.token is empty".to_owned());
        }
        let authorities = [
            ("certs.etcd", &self.etcd),
            ("certs.k8s", &self.kubernetes),
            ("certs.k8saggregator", &self.aggregator),
            ("certs.os", &self.os),
        ];
        for (name, authority) in authorities {
            problems.extend(
                authority
                    .authority_problem()
                    .map(|problem| format!("{name}: {problem}")),
            );
        }
        if !matches!(
            PrivateKey::from_pem(self.service_account.expose()),
            Some(PrivateKey::Rsa(_) | PrivateKey::Ecdsa(_))
        ) {
            problems.push(
                "certs.k8sserviceaccount.key is not a PEM private key of RSA or ECDSA".to_owned(),
            );
        }
        problems
    }

    fn checked(self, file: &str) -> Result<Self, Error> {
        let problems = self.problems();
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(Error::Secrets {
                file: file.to_owned(),
                problems,
            })
        }
    }
}

fn key_of_32_bytes() -> Result<Secret, Error> {
    Ok(Secret::new(BASE64.encode(&pki::random::<32>()?)))
}

/// A token as Kubernetes defines it: `[a-z0-9]{6}.[a-z0-9]{16}`, every character as likely as the others.
fn token() -> Result<Secret, Error> {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut characters = String::with_capacity(23);
    while characters.len() < 23 {
        if characters.len() == 6 {
            characters.push('.');
        }
        let [byte] = pki::random::<1>()?;
        // 252 is the last multiple of 36 in a byte; beyond it the first letters would be likelier.
        if byte < 252 {
            characters.push(char::from(ALPHABET[usize::from(byte % 36)]));
        }
    }
    Ok(Secret::new(characters))
}

fn is_token(text: &str) -> bool {
    let part = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.split_once('.')
        .is_some_and(|(id, secret)| part(id, 6) && part(secret, 16))
}
