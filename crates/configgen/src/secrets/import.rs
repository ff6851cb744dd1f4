//! Reading `secrets.yaml`.

use data_encoding::BASE64;

use super::SecretsBundle;
use crate::pki::CertifiedKey;
use crate::yaml::{self, Node};
use crate::{Error, Secret};

/// Every key of the file; what is not here is refused, for an export would lose it.
const KEYS: &[(&[&str], &[&str])] = &[
    (&[], &["cluster", "secrets", "trustdinfo", "certs"]),
    (&["cluster"], &["id", "secret"]),
    (
        &["secrets"],
        &[
            "bootstraptoken",
            "aescbcencryptionsecret",
            "secretboxencryptionsecret",
        ],
    ),
    (&["trustdinfo"], &["token"]),
    (
        &["certs"],
        // Talos before v1.3 kept an administrator's certificate here too, which a bundle does without.
        &[
            "admin",
            "etcd",
            "k8s",
            "k8saggregator",
            "k8sserviceaccount",
            "os",
        ],
    ),
    (&["certs", "etcd"], &["crt", "key"]),
    (&["certs", "k8s"], &["crt", "key"]),
    (&["certs", "k8saggregator"], &["crt", "key"]),
    (&["certs", "k8sserviceaccount"], &["key"]),
    (&["certs", "os"], &["crt", "key"]),
];

impl SecretsBundle {
    /// Reads a bundle; `file` is what errors call it.
    ///
    /// # Errors
    /// It is not YAML, has an unknown key, or lacks something; every problem is named, no value quoted.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let documents = yaml::parse(text).map_err(|source| Error::Syntax {
            file: file.to_owned(),
            source,
        })?;
        let [document] = documents.as_slice() else {
            let reason = format!(
                "a secrets bundle is one YAML document, not {}",
                documents.len()
            );
            return Err(Error::File {
                file: file.to_owned(),
                reason,
            });
        };
        let mut reader = Reader {
            root: &document.root,
            problems: unknown_keys(&document.root),
        };
        let bundle = Self {
            cluster_id: reader.text(&["cluster", "id"]),
            cluster_secret: reader.text(&["cluster", "secret"]),
            bootstrap_token: reader.text(&["secrets", "bootstraptoken"]),
            secretbox_secret: reader.optional(&["secrets", "secretboxencryptionsecret"]),
            aescbc_secret: reader.optional(&["secrets", "aescbcencryptionsecret"]),
            trustd_token: reader.text(&["trustdinfo", "token"]),
            etcd: reader.certified("etcd"),
            kubernetes: reader.certified("k8s"),
            aggregator: reader.certified("k8saggregator"),
            service_account: reader.pem(&["certs", "k8sserviceaccount", "key"]),
            os: reader.certified("os"),
        };
        if reader.problems.is_empty() {
            bundle.checked(file)
        } else {
            Err(Error::Secrets {
                file: file.to_owned(),
                problems: reader.problems,
            })
        }
    }
}

fn unknown_keys(root: &Node) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, known) in KEYS {
        for entry in root.get(path).and_then(Node::mapping).into_iter().flatten() {
            let key = entry.key.text.as_str();
            if !known.contains(&key) {
                let above = path
                    .iter()
                    .map(|step| format!("{step}."))
                    .collect::<String>();
                problems.push(format!(
                    "line {}: {above}{key} is not a key of a secrets bundle",
                    entry.at.line
                ));
            }
        }
    }
    problems
}

/// Reads values and collects what is missing, so that one look tells everything.
struct Reader<'a> {
    root: &'a Node,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn optional(&self, path: &[&str]) -> Option<Secret> {
        self.root
            .text(path)
            .filter(|text| !text.is_empty())
            .map(Secret::new)
    }

    fn text(&mut self, path: &[&str]) -> Secret {
        self.optional(path).unwrap_or_else(|| {
            self.problems.push(format!("{} is missing", path.join(".")));
            Secret::new("")
        })
    }

    fn pem(&mut self, path: &[&str]) -> Secret {
        let packed = self.text(path);
        unpacked(packed.expose()).unwrap_or_else(|| {
            self.problems
                .push(format!("{} is not base64 of PEM text", path.join(".")));
            Secret::new("")
        })
    }

    fn certified(&mut self, name: &str) -> CertifiedKey {
        let certificate = self.pem(&["certs", name, "crt"]);
        CertifiedKey {
            certificate: certificate.expose().to_owned(),
            key: self.pem(&["certs", name, "key"]),
        }
    }
}

/// The text in base64; white space between its digits is allowed.
pub(super) fn unpacked(base64: &str) -> Option<Secret> {
    let digits: Vec<u8> = base64
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    Some(Secret::new(
        String::from_utf8(BASE64.decode(&digits).ok()?).ok()?,
    ))
}
