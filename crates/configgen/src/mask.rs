//! Configs without their secrets, for what people are shown.

use crate::MachineConfig;
use crate::pki;
use crate::yaml::{Node, Value};

/// What stands in place of a secret.
const MASK: &str = "(secret)";
/// What stands there when the other config has another secret.
const CHANGED: &str = "(secret, changed)";

/// A config as text whose secrets are masked, for people to look at.
pub fn masked_text(config: &MachineConfig) -> String {
    masked(config, None).print()
}

/// A copy whose secrets are masked; those that differ from `other`'s say so.
pub(crate) fn masked(config: &MachineConfig, other: Option<&MachineConfig>) -> MachineConfig {
    let mut copy = config.clone();
    for id in config.ids() {
        let twin = other.and_then(|other| other.document(&id));
        if let Some(root) = copy.document_mut(&id) {
            mask(root, "", twin, other.is_some());
        }
    }
    copy
}

/// A copy of one value, found below a key, whose secrets are masked.
pub(crate) fn masked_value(key: &str, value: &Node) -> Node {
    let mut copy = value.clone();
    mask(&mut copy, key, None, false);
    copy
}

fn mask(node: &mut Node, key: &str, twin: Option<&Node>, compared: bool) {
    let is_hidden = is_secret_key(key);
    match &mut node.value {
        Value::Mapping(mapping) if is_free_text(key) && !mapping.is_empty() => {
            for entry in mapping.iter_mut() {
                let twin = twin.and_then(|twin| twin.get(&[&entry.key.text]));
                hide_all(&mut entry.value, twin, compared);
            }
        }
        Value::Mapping(mapping) => {
            for entry in mapping.iter_mut() {
                let twin = twin.and_then(|twin| twin.get(&[&entry.key.text]));
                mask(&mut entry.value, &entry.key.text.clone(), twin, compared);
            }
        }
        Value::Sequence(items) => {
            for (position, item) in items.iter_mut().enumerate() {
                let twin = twin.and_then(|twin| twin.items()?.get(position));
                mask(item, key, twin, compared);
            }
        }
        Value::Scalar(scalar) => {
            if !scalar.text.is_empty()
                && (is_hidden || is_free_text(key) || is_secret_text(&scalar.text))
            {
                hide(node, twin, compared);
            }
        }
    }
}

fn hide_all(node: &mut Node, twin: Option<&Node>, compared: bool) {
    match &mut node.value {
        Value::Scalar(_) => hide(node, twin, compared),
        Value::Sequence(_) | Value::Mapping(_) => mask(node, "secret", twin, compared),
    }
}

fn hide(node: &mut Node, twin: Option<&Node>, compared: bool) {
    let is_same = !compared || twin.is_none_or(|twin| twin == node);
    *node = Node {
        at: node.at,
        ..Node::str(if is_same { MASK } else { CHANGED })
    };
}

/// Keys whose scalars are secrets wherever they stand; rather one too many than one too few.
fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let key = key.strip_suffix('s').unwrap_or(&key);
    key == "auth"
        || ["secret", "token", "password", "passphrase"]
            .iter()
            .any(|end| key.ends_with(end))
        || (key.ends_with("key") && key != "publickey")
}

/// Keys whose text is the operator's own, in which secrets may be anywhere.
fn is_free_text(key: &str) -> bool {
    matches!(
        key,
        "content"
            | "contents"
            | "manifest"
            | "environment"
            | "variables"
            | "env"
            | "extraManifestHeaders"
            | "headers"
    )
}

/// Private keys, plain or packed, and URLs with a password.
fn is_secret_text(text: &str) -> bool {
    let has_password = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next())
        .is_some_and(|authority| authority.contains('@'));
    let has_token = ["token=", "password=", "secret=", "apikey=", "access_key="]
        .iter()
        .any(|word| text.to_ascii_lowercase().contains(word));
    has_password
        || has_token
        || text.contains("PRIVATE KEY-----")
        || (text.starts_with("LS0tLS1CRUdJTi") && pki::is_packed_key(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_changes_of_them_shown() {
        let text = "\
machine:
    type: worker
    token: abcdef.0123456789abcdef
    ca:
        crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t
        key: LS0tLS1CRUdJTiBFRDI1NTE5IFBSSVZBVEUgS0VZLS0tLS0=
    env:
        https_proxy: http://user:pw@proxy
    files:
        - content: hidden
          path: /var/x
    registries:
        config:
            r.example:
                auth:
                    username: me
                    password: hunter2
    empty:
        key: \"\"
---
apiVersion: v1alpha1
kind: SideroLinkConfig
apiUrl: grpc://h:1?jointoken=abc
---
apiVersion: v1alpha1
kind: Unknown
where: https://me:pw@h/x
x: LS0tLS1CRUdJTiBFRDI1NTE5IFBSSVZBVEUgS0VZLS0tLS0=
";
        let before = MachineConfig::parse("before", text).unwrap();
        let after = MachineConfig::parse("after", &text.replace("hunter2", "hunter3")).unwrap();
        insta::assert_snapshot!(masked(&after, Some(&before)).print(), @r#"
    machine:
        type: worker
        token: (secret)
        ca:
            crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t
            key: (secret)
        env:
            https_proxy: (secret)
        files:
            - content: (secret)
              path: /var/x
        registries:
            config:
                r.example:
                    auth:
                        username: me
                        password: (secret, changed)
        empty:
            key: ""
    ---
    apiVersion: v1alpha1
    kind: SideroLinkConfig
    apiUrl: (secret)
    ---
    apiVersion: v1alpha1
    kind: Unknown
    where: (secret)
    x: (secret)
    "#);
    }

    #[test]
    fn every_kind_of_secret_is_masked() {
        let text = r#"
machine:
    type: worker
    acceptedCAs: [{crt: public}]
    network:
        interfaces:
            - interface: wg0
              wireguard: {privateKey: hunter2, peers: [{publicKey: public, endpoint: public}]}
              vip: {ip: public, hcloud: {apiToken: hunter2}}
    systemDiskEncryption: {state: {keys: [{slot: 0, static: {passphrase: hunter2}}]}}
    registries:
        mirrors: {docker.io: {endpoints: ["https://me:hunter2@mirror", "https://mirror/v2?token=hunter2"]}}
        config: {r: {auth: {username: me, auth: hunter2, identityToken: hunter2}, tls: {clientIdentity: {crt: public, key: hunter2}}}}
    pods: [{spec: {containers: [{env: [{name: A, value: hunter2}]}]}}]
    install: {extraKernelArgs: ["siderolink.api=grpc://h?jointoken=hunter2"]}
cluster:
    secret: hunter2
    token: hunter2
    aescbcEncryptionSecret: hunter2
    secretboxEncryptionSecret: hunter2
    aggregatorCA: {crt: public, key: hunter2}
    serviceAccount: {key: hunter2}
    apiServer: {env: {A: hunter2}, extraArgs: {oidc-client-secret: hunter2}}
    inlineManifests: [{name: public, contents: hunter2}]
---
{apiVersion: v1alpha1, kind: ExtensionServiceConfig, name: public, environment: [A=hunter2], configFiles: [{content: hunter2, mountPath: public}]}
---
{apiVersion: v1alpha1, kind: SideroLinkConfig, apiUrl: "grpc://h?jointoken=hunter2", uniqueToken: hunter2}
---
{apiVersion: v1alpha1, kind: WireguardConfig, name: wg0, privateKey: hunter2, peers: [{publicKey: public, presharedKey: hunter2}]}
---
{apiVersion: v1alpha1, kind: VolumeConfig, name: STATE, encryption: {keys: [{slot: 0, static: {passphrase: hunter2}}]}}
---
{apiVersion: v1alpha1, kind: RegistryAuthConfig, name: r.example, username: me, password: hunter2, auth: hunter2, identityToken: hunter2}
---
{apiVersion: v1alpha1, kind: RegistryTLSConfig, name: r.example, clientIdentity: {cert: public, key: hunter2}}
---
{apiVersion: v1alpha1, kind: DiscoveryIdentityConfig, clusterID: public, clusterSecret: hunter2}
---
{apiVersion: v1alpha1, kind: KubeEtcdEncryptionConfig, config: {resources: [{providers: [{aescbc: {keys: [{name: key1, secret: hunter2}]}}, {secretbox: {keys: [{name: key2, secret: hunter2}]}}]}]}}
---
{apiVersion: v1alpha1, kind: KubeServiceAccountConfig, issuer: {privateKey: hunter2, issuerURL: public}, accepted: {publicKeys: [public]}}
---
{apiVersion: v1alpha1, kind: KubeExternalManifestConfig, name: m, headers: {Authorization: hunter2}, url: public}
---
{apiVersion: v1alpha1, kind: KubeInlineManifestConfig, name: m, manifest: hunter2}
---
{apiVersion: v1alpha1, kind: KubeCredentialProviderConfig, configuration: {providers: [{env: [{name: A, value: hunter2}]}]}}
---
{apiVersion: v1alpha1, kind: HCloudVIPConfig, name: public, link: public, apiToken: hunter2}
---
{apiVersion: v1alpha1, kind: EnvironmentConfig, variables: {A: hunter2}}
---
{apiVersion: v1alpha1, kind: EtcFileConfig, name: public, contents: hunter2}
---
{apiVersion: v1alpha1, kind: CRICustomizationConfig, name: public, content: hunter2}
---
{apiVersion: v1alpha1, kind: ContainerConfig, name: c, environment: [A=hunter2]}
---
{apiVersion: v1alpha1, kind: NotKnownYet, name: n, sharedSecrets: [hunter2], tokens: [hunter2], psk_password: hunter2}
"#;
        let config = MachineConfig::parse("x", text).unwrap();
        let shown = masked_text(&config);
        let left: Vec<&str> = shown
            .lines()
            .filter(|line| line.contains("hunter"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let public = |text: &str| text.matches("public").count();
        // `publicKey` is a word of its own.
        assert_eq!(public(&shown), public(text), "{shown}");
    }
}
