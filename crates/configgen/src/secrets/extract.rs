//! Taking the bundle out of a control plane's config: up to contract v1.13 out of the v1alpha1 document, later out of several.

use super::SecretsBundle;
use super::import::unpacked;
use crate::pki::CertifiedKey;
use crate::yaml::Node;
use crate::{Error, MachineConfig, Secret};

impl SecretsBundle {
    /// Takes the bundle out of the config of a control plane.
    ///
    /// # Errors
    /// The config lacks some secret, as that of a worker does; every missing one is named.
    pub fn from_controlplane(config: &MachineConfig) -> Result<Self, Error> {
        let mut finder = Finder {
            config,
            problems: Vec::new(),
        };
        let v1alpha1 = |keys: &'static [&'static str]| Place { kind: None, keys };
        let document = |kind, keys: &'static [&'static str]| Place {
            kind: Some(kind),
            keys,
        };
        let bundle = Self {
            cluster_id: finder.text(&[
                v1alpha1(&["cluster", "id"]),
                document("DiscoveryIdentityConfig", &["clusterID"]),
            ]),
            cluster_secret: finder.text(&[
                v1alpha1(&["cluster", "secret"]),
                document("DiscoveryIdentityConfig", &["clusterSecret"]),
            ]),
            bootstrap_token: finder.text(&[v1alpha1(&["cluster", "token"])]),
            secretbox_secret: finder
                .optional(&[v1alpha1(&["cluster", "secretboxEncryptionSecret"])])
                .or_else(|| finder.encryption_key("secretbox")),
            aescbc_secret: finder
                .optional(&[v1alpha1(&["cluster", "aescbcEncryptionSecret"])])
                .or_else(|| finder.encryption_key("aescbc")),
            trustd_token: finder.text(&[v1alpha1(&["machine", "token"])]),
            etcd: finder.certified(&["cluster", "etcd", "ca"], None),
            kubernetes: finder.certified(&["cluster", "ca"], Some("KubeAPIServerCAConfig")),
            aggregator: finder
                .certified(&["cluster", "aggregatorCA"], Some("KubeAggregatorCAConfig")),
            service_account: finder.service_account(),
            os: finder.certified(&["machine", "ca"], None),
        };
        let file = config.file();
        if finder.problems.is_empty() {
            bundle.checked(file)
        } else {
            Err(Error::Secrets {
                file: file.to_owned(),
                problems: finder.problems,
            })
        }
    }
}

/// Where a secret may be.
struct Place {
    kind: Option<&'static str>,
    keys: &'static [&'static str],
}

struct Finder<'a> {
    config: &'a MachineConfig,
    problems: Vec<String>,
}

impl Finder<'_> {
    fn optional(&self, places: &[Place]) -> Option<Secret> {
        places.iter().find_map(|place| {
            let root = place
                .kind
                .map_or_else(|| self.config.v1alpha1(), |kind| self.config.kind(kind))?;
            root.text(place.keys)
                .filter(|text| !text.is_empty())
                .map(Secret::new)
        })
    }

    fn text(&mut self, places: &[Place]) -> Secret {
        self.optional(places)
            .unwrap_or_else(|| self.missing(&places[0].keys.join(".")))
    }

    fn missing(&mut self, what: &str) -> Secret {
        self.problems.push(format!(
            "{what} is missing; is this the config of a control plane?"
        ));
        Secret::new("")
    }

    /// `keys` in the v1alpha1 document hold base64, `issuingCA` in the document of a kind plain PEM.
    fn certified(&mut self, keys: &[&str], kind: Option<&str>) -> CertifiedKey {
        let old = self.config.v1alpha1().and_then(|root| root.get(keys));
        let new = kind.and_then(|kind| self.config.kind(kind)?.get(&["issuingCA"]));
        let half = |old_key: &str, new_key: &str| {
            let packed = old
                .and_then(|pair| pair.text(&[old_key]))
                .and_then(unpacked);
            packed
                .or_else(|| new?.text(&[new_key]).map(Secret::new))
                .filter(|text| !text.expose().is_empty())
        };
        let (certificate, key) = (half("crt", "cert"), half("key", "key"));
        let name = keys.join(".");
        let certificate = certificate.unwrap_or_else(|| self.missing(&format!("{name}.crt")));
        let key = key.unwrap_or_else(|| self.missing(&format!("{name}.key")));
        CertifiedKey {
            certificate: certificate.expose().to_owned(),
            key,
        }
    }

    fn service_account(&mut self) -> Secret {
        let old = self.optional(&[Place {
            kind: None,
            keys: &["cluster", "serviceAccount", "key"],
        }]);
        let new = Place {
            kind: Some("KubeServiceAccountConfig"),
            keys: &["issuer", "privateKey"],
        };
        old.and_then(|packed| unpacked(packed.expose()))
            .or_else(|| self.optional(&[new]))
            .unwrap_or_else(|| self.missing("cluster.serviceAccount.key"))
    }

    /// The key of a provider in `KubeEtcdEncryptionConfig`, whose content is Kubernetes' EncryptionConfiguration.
    fn encryption_key(&self, provider: &str) -> Option<Secret> {
        let resources = self
            .config
            .kind("KubeEtcdEncryptionConfig")?
            .get(&["config", "resources"])?
            .items()?;
        let providers = resources
            .iter()
            .filter_map(|resource| resource.get(&["providers"])?.items())
            .flatten();
        let keys = providers
            .filter_map(|each| each.get(&[provider, "keys"])?.items())
            .flatten();
        keys.filter_map(|key: &Node| key.text(&["secret"]))
            .next()
            .map(Secret::new)
    }
}
