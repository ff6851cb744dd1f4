//! The cluster: settings, secrets, base configs, and the client configuration of talosctl.

mod files;
mod generate;
mod secrets;
mod settings;
mod subnets;

use std::net::Ipv4Addr;

use configgen::{BaseConfig, ClusterInput, Contract, MachineConfig, SecretsBundle};
use model::Role;
use store::{Reader, SecretsRow, Store};

use crate::sources::{BaseText, Sources, drift};
use crate::types::{BaseState, Cluster, SecretsState};
use crate::{Error, device, generate as configs};

pub use files::ClusterFiles;
pub(crate) use files::{export_base, talosconfig};
pub(crate) use generate::generate;
pub(crate) use secrets::{Bundle, bundle_of, export, import};
pub(crate) use settings::{change, settings};
pub(crate) use subnets::check_apart;

/// What the cluster is called in confirmations while nothing tells its name.
pub(crate) const UNNAMED: &str = "unnamed";

/// All that is there, without a secret.
pub(crate) async fn show(store: &Store) -> Result<Cluster, Error> {
    device::look(store, |reader| {
        let sources = Sources::read(reader)?;
        let secrets = reader.secrets()?;
        let mut notes = Vec::new();
        if let Some(settings) = &sources.cluster {
            notes.extend(self::notes(settings));
            let booted = sources.talos_version();
            notes.extend(booted.and_then(|booted| drift(settings, booted)));
        }
        if secrets.is_none() && !sources.bases.is_empty() {
            notes.push(NO_SECRETS.to_owned());
        }
        let mut bases = Vec::new();
        for role in Role::ALL {
            bases.extend(reader.base(*role)?.map(|base| BaseState {
                role: *role,
                origin: base.origin,
                changed_at: base.imported_at,
            }));
        }
        Ok(Cluster {
            name: name(&sources),
            settings: sources.cluster,
            secrets: secrets.map(|row| state(&row)),
            backups: reader.replaced_secrets()?.iter().map(state).collect(),
            bases,
            patches: sources.patches.len() as u64,
            notes,
        })
    })
    .await
}

const NO_SECRETS: &str = "the base configs were imported without the cluster's secrets: a talosconfig cannot be made; import secrets.yaml with `ktizo cluster import DIR`";

fn state(row: &SecretsRow) -> SecretsState {
    SecretsState {
        id: row.id,
        origin: row.origin,
        made_at: row.made_at,
        replaced_at: row.replaced_at,
    }
}

/// The name of the cluster: by its settings, else by its control planes' base config.
fn name(sources: &Sources) -> Option<String> {
    if let Some(settings) = &sources.cluster {
        return Some(settings.name.clone());
    }
    let base = controlplane(sources)?;
    let config = base.config();
    let old = config.v1alpha1()?.text(&["cluster", "clusterName"]);
    let new = || config.kind("KubeClusterConfig")?.text(&["clusterName"]);
    old.or_else(new).map(str::to_owned)
}

/// What is to be known of settings before machines are made with them, in sentences.
pub(crate) fn notes(settings: &ClusterInput) -> Vec<String> {
    let of_version = Contract::note(&settings.talos_version);
    let mut notes: Vec<String> = of_version.into_iter().collect();
    let authority = settings.endpoint.split_once("://").map(|(_, rest)| rest);
    let authority = authority.and_then(|rest| rest.split('/').next());
    let has_port = |authority: &str| {
        let after_address = authority.rsplit(']').next().unwrap_or(authority);
        after_address.contains(':')
    };
    if let Some(authority) = authority.filter(|authority| !has_port(authority)) {
        notes.push(format!(
            "the endpoint {} names no port, so nodes ask port 443; the API server of Talos answers at 6443. Unless a load balancer \
             passes 443 on to it: `ktizo cluster set --endpoint https://{authority}:6443`",
            settings.endpoint
        ));
    }
    notes
}

/// The address of the Kubernetes API, if its endpoint is an address: by the settings, else by the control planes' base config.
pub(crate) fn endpoint(reader: &Reader<'_>) -> Result<Option<Ipv4Addr>, Error> {
    if let Some(settings) = crate::sources::cluster_settings(reader)? {
        return Ok(address_of(&settings.endpoint));
    }
    let Some(base) = reader.base(Role::Controlplane)? else {
        return Ok(None);
    };
    let base = configs::parse(Role::Controlplane, &base.text)?;
    let config = base.config();
    let old = config
        .v1alpha1()
        .and_then(|root| root.text(&["cluster", "controlPlane", "endpoint"]));
    let new = || config.kind("KubeClusterConfig")?.text(&["endpoint"]);
    Ok(old.or_else(new).and_then(address_of))
}

/// The IPv4 address in a URL such as `https://10.0.0.2:6443`.
fn address_of(url: &str) -> Option<Ipv4Addr> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    authority.split(':').next()?.parse().ok()
}

fn controlplane(sources: &Sources) -> Option<BaseConfig> {
    let base = sources.base(Role::Controlplane)?;
    configs::parse(Role::Controlplane, &base.text).ok()
}

/// Refuses what a person did not confirm by typing the cluster's name again.
fn confirmed(sources: &Sources, confirm: Option<&str>, why: &str) -> Result<(), Error> {
    let name = name(sources).unwrap_or_else(|| UNNAMED.to_owned());
    if confirm == Some(&name) {
        return Ok(());
    }
    let hint =
        format!("to do it all the same, give the cluster's name once more: confirm `{name}`");
    Err(Error::refused(
        "confirm",
        Some("confirm".to_owned()),
        why,
        Some(&hint),
    ))
}

/// Refuses base configs that belong to another cluster than the secrets: their nodes could not join.
pub(crate) fn check_kinship(bases: &[BaseText], secrets: &SecretsBundle) -> Result<(), Error> {
    for base in bases {
        let config = configs::parse(base.role, &base.text)?;
        let token = token(config.config());
        if token.is_some_and(|token| token != secrets.trustd_token.expose()) {
            let role = base.role;
            let why = format!(
                "the base config for {role} belongs to another cluster than the secrets: its `machine.token` is another"
            );
            let hint =
                "import controlplane.yaml, worker.yaml and secrets.yaml of one cluster together";
            return Err(Error::refused(
                "other_cluster",
                Some(role.to_string()),
                why,
                Some(hint),
            ));
        }
    }
    Ok(())
}

fn token(config: &MachineConfig) -> Option<&str> {
    config.v1alpha1()?.text(&["machine", "token"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_may_be_an_address() {
        for (url, address) in [
            ("https://10.0.0.2:6443", Some("10.0.0.2")),
            ("https://10.0.0.2", Some("10.0.0.2")),
            ("https://10.0.0.2:6443/x", Some("10.0.0.2")),
            ("https://cluster.example:6443", None),
            ("https://[fd00::1]:6443", None),
            ("10.0.0.2:6443", None),
        ] {
            assert_eq!(
                address_of(url).map(|address| address.to_string()),
                address.map(str::to_owned),
                "{url}"
            );
        }
    }
}
