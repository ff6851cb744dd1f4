//! Writing `secrets.yaml`, key order and encodings as talosctl writes them.

use data_encoding::BASE64;

use super::SecretsBundle;
use crate::Secret;
use crate::pki::CertifiedKey;
use crate::yaml::{Node, print_node};

impl SecretsBundle {
    /// The text of `secrets.yaml`.
    pub fn export(&self) -> Secret {
        let mut secrets = vec![("bootstraptoken", text(&self.bootstrap_token))];
        secrets.extend(
            self.aescbc_secret
                .as_ref()
                .map(|key| ("aescbcencryptionsecret", text(key))),
        );
        secrets.extend(
            self.secretbox_secret
                .as_ref()
                .map(|key| ("secretboxencryptionsecret", text(key))),
        );
        let root = Node::map([
            (
                "cluster",
                Node::map([
                    ("id", text(&self.cluster_id)),
                    ("secret", text(&self.cluster_secret)),
                ]),
            ),
            ("secrets", Node::map(secrets)),
            (
                "trustdinfo",
                Node::map([("token", text(&self.trustd_token))]),
            ),
            (
                "certs",
                Node::map([
                    ("etcd", certified(&self.etcd)),
                    ("k8s", certified(&self.kubernetes)),
                    ("k8saggregator", certified(&self.aggregator)),
                    (
                        "k8sserviceaccount",
                        Node::map([("key", base64(self.service_account.expose()))]),
                    ),
                    ("os", certified(&self.os)),
                ]),
            ),
        ]);
        Secret::new(print_node(&root))
    }
}

fn text(secret: &Secret) -> Node {
    Node::str(secret.expose())
}

/// PEM text as Talos packs it into one line.
pub(crate) fn base64(pem: &str) -> Node {
    Node::str(BASE64.encode(pem.as_bytes()))
}

/// A certificate and its key, both packed.
pub(crate) fn certified(pair: &CertifiedKey) -> Node {
    Node::map([
        ("crt", base64(&pair.certificate)),
        ("key", base64(pair.key.expose())),
    ])
}
