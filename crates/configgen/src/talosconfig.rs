//! The configuration of `talosctl` for a cluster.

use model::Timestamp;

use crate::pki::{self, ClientRole};
use crate::secrets::base64;
use crate::yaml::{Node, print_node};
use crate::{Error, Secret, SecretsBundle};

/// What a `talosconfig` says besides its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TalosConfigInput {
    /// Name of the cluster, and of the context.
    pub cluster_name: String,
    /// Control planes to talk to, hosts with or without a port.
    pub endpoints: Vec<String>,
    /// Nodes that commands are for by default; left out if there is none.
    pub nodes: Vec<String>,
    /// What its holder may do.
    pub role: ClientRole,
}

/// Makes a `talosconfig` with a fresh key and a certificate that is valid for a year from `now`.
///
/// # Errors
/// The bundle's Talos API authority cannot sign.
pub fn talosconfig(
    secrets: &SecretsBundle,
    input: &TalosConfigInput,
    now: Timestamp,
) -> Result<Secret, Error> {
    let client = pki::client_certificate(&secrets.os, input.role, now)?;
    let list = |texts: &[String]| Node::seq(texts.iter().map(Node::str));
    let mut context = vec![("endpoints", list(&input.endpoints))];
    if !input.nodes.is_empty() {
        context.push(("nodes", list(&input.nodes)));
    }
    context.push(("ca", base64(&secrets.os.certificate)));
    context.push(("crt", base64(&client.certificate)));
    context.push(("key", base64(client.key.expose())));
    let root = Node::map([
        ("context", Node::str(&input.cluster_name)),
        (
            "contexts",
            Node::map([(input.cluster_name.clone(), Node::map(context))]),
        ),
    ]);
    Ok(Secret::new(print_node(&root)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;
    use crate::yaml::parse;

    #[test]
    fn golden_talosconfig_has_the_same_shape_and_authority() {
        if golden::talos().is_none() {
            return;
        }
        let bundle = SecretsBundle::parse("secrets.yaml", &golden::read("secrets.yaml")).unwrap();
        let mut input = TalosConfigInput {
            cluster_name: "lab".to_owned(),
            endpoints: Vec::new(),
            nodes: Vec::new(),
            role: ClientRole::Admin,
        };
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let made = talosconfig(&bundle, &input, now).unwrap();
        let fresh = |text: &str| {
            let is_random =
                |line: &&str| !line.trim().starts_with("crt:") && !line.trim().starts_with("key:");
            let keys = text
                .lines()
                .map(|line| line.split(':').next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>();
            (
                keys,
                text.lines()
                    .filter(is_random)
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(fresh(made.expose()), fresh(&golden::read("talosconfig")));

        input.endpoints = vec!["10.0.0.2".to_owned()];
        input.nodes = vec!["10.0.0.2".to_owned(), "10.0.0.3".to_owned()];
        let made = parse(talosconfig(&bundle, &input, now).unwrap().expose())
            .unwrap()
            .remove(0)
            .root;
        let nodes = made.lookup(&"contexts.lab.nodes[1]".parse().unwrap());
        assert_eq!(nodes.and_then(Node::as_str), Some("10.0.0.3"));
    }
}
