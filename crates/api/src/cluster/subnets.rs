//! The subnets of nodes, pods and services, of which no two may share an address: a node could not tell which of them is meant.

use configgen::ClusterInput;
use ipnet::IpNet;
use model::NetworkSettings;

use crate::Error;

/// The subnets of one kind.
struct Kind {
    /// The setting that says them.
    field: &'static str,
    /// What they are called.
    called: &'static str,
    subnets: Vec<IpNet>,
}

/// Refuses a change after which two kinds overlap, by the setting that changed. What does not change is left as it is, so that
/// settings that were stored with an overlap can be changed otherwise.
pub(crate) fn check_apart(
    cluster: &ClusterInput,
    network: &NetworkSettings,
    changed: &[String],
) -> Result<(), Error> {
    let parsed = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect();
    let nodes = network.node_subnet.map(IpNet::V4).into_iter().collect();
    let kinds = [
        Kind {
            field: "service_subnets",
            called: "service",
            subnets: parsed(&cluster.service_subnets),
        },
        Kind {
            field: "pod_subnets",
            called: "pod",
            subnets: parsed(&cluster.pod_subnets),
        },
        Kind {
            field: "node_subnet",
            called: "node",
            subnets: nodes,
        },
    ];
    let is_changed = |kind: &&Kind| changed.iter().any(|name| name == kind.field);
    for own in kinds.iter().filter(is_changed) {
        for other in kinds.iter().filter(|other| other.field != own.field) {
            for (one, theirs) in pairs(&own.subnets, &other.subnets) {
                if one.contains(theirs) || theirs.contains(one) {
                    return Err(refusal(own.field, one, other.called, theirs));
                }
            }
        }
    }
    Ok(())
}

fn pairs<'a>(
    own: &'a [IpNet],
    theirs: &'a [IpNet],
) -> impl Iterator<Item = (&'a IpNet, &'a IpNet)> {
    own.iter()
        .flat_map(move |one| theirs.iter().map(move |other| (one, other)))
}

fn refusal(field: &str, one: &IpNet, called: &str, other: &IpNet) -> Error {
    let why = format!("{one} overlaps the {called} subnet {other}");
    let hint = "nodes, pods and services each need addresses of their own";
    Error::refused("invalid", Some(field.to_owned()), why, Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_refused_by_the_setting_that_made_it() {
        let fields = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<Vec<_>>();
        let both = ["pod_subnets", "service_subnets"];
        for (pods, services, nodes, changed, expected) in [
            (
                "10.244.0.0/16",
                "10.96.0.0/12",
                Some("10.0.0.0/24"),
                &both[..],
                None,
            ),
            ("10.244.0.0/16", "10.96.0.0/12", None, &both[..], None),
            (
                "10.0.0.0/8",
                "10.96.0.0/12",
                None,
                &both[..1],
                Some("pod_subnets"),
            ),
            (
                "10.96.0.0/12",
                "10.96.4.0/24",
                None,
                &both[1..],
                Some("service_subnets"),
            ),
            (
                "192.168.0.0/16",
                "10.96.0.0/12",
                Some("192.168.1.0/24"),
                &both[..1],
                Some("pod_subnets"),
            ),
            (
                "10.244.0.0/16",
                "10.96.0.0/12",
                Some("10.100.0.0/24"),
                &["node_subnet"],
                Some("node_subnet"),
            ),
            (
                "fd00:1::/48",
                "fd00::/16",
                Some("10.0.0.0/24"),
                &both[..1],
                Some("pod_subnets"),
            ),
            (
                "fd00:1::/48",
                "fd00:2::/108",
                Some("10.0.0.0/24"),
                &both[..],
                None,
            ),
            // Of what was stored, only the part that changes is judged.
            (
                "10.0.0.0/8",
                "10.96.0.0/12",
                Some("10.0.0.0/24"),
                &["cni"],
                None,
            ),
            (
                "10.0.0.0/8",
                "10.96.0.0/12",
                Some("192.168.1.0/24"),
                &["node_subnet"],
                None,
            ),
        ] {
            let version = "v1.13.9".parse().unwrap();
            let mut cluster = ClusterInput::new("lab", "https://10.0.0.2:6443", version);
            (cluster.pod_subnets, cluster.service_subnets) = (fields(&[pods]), fields(&[services]));
            let network = NetworkSettings {
                node_subnet: nodes.map(|subnet| subnet.parse().unwrap()),
                ..NetworkSettings::default()
            };
            let refused = check_apart(&cluster, &network, &fields(changed)).err();
            let named = refused.and_then(|err| err.body().field);
            assert_eq!(named.as_deref(), expected, "{pods} {services} {nodes:?}");
        }
    }
}
