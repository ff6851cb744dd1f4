//! Checks of what an operator says of a cluster.

use std::net::IpAddr;

use super::{ClusterInput, Cni, InstallTarget};
use crate::{Contract, Error};

impl ClusterInput {
    /// Checks all that can be told without secrets and role.
    ///
    /// # Errors
    /// A setting is impossible, by itself or with this Talos version.
    pub fn validate(&self) -> Result<(), Error> {
        self.check(Contract::of(&self.talos_version)?).map(drop)
    }

    /// Checks every setting; answers the endpoint's host.
    pub(super) fn check(&self, contract: Contract) -> Result<String, Error> {
        if self.name.is_empty() || self.name.chars().any(char::is_control) {
            return Err(Error::setting(
                "name",
                "a cluster needs a name in printable characters",
            ));
        }
        let host = endpoint_host(&self.endpoint)?;
        if let Some(version) = &self.kubernetes_version {
            contract.check_kubernetes(version)?;
        }
        check_dns_domain(&self.dns_domain)?;
        check_subnets("pod_subnets", &self.pod_subnets)?;
        check_subnets("service_subnets", &self.service_subnets)?;
        if let Cni::Custom(urls) = &self.cni {
            let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
            if urls.is_empty() || !urls.iter().all(is_url) {
                return Err(Error::setting(
                    "cni",
                    "a custom CNI needs the http(s) URLs of its manifests",
                ));
            }
        }
        for san in &self.additional_sans {
            let is_name = !san.is_empty()
                && san
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-:*_".contains(&byte));
            if !is_name {
                return Err(Error::setting(
                    "additional_sans",
                    format!("`{}` is no name and no address", san.escape_default()),
                ));
            }
        }
        match &self.install {
            None if !contract.is_documents_only() => {
                return Err(Error::setting(
                    "install",
                    format!("Talos {contract} needs an install disk or disk selector"),
                ));
            }
            Some(InstallTarget::Selector(selector)) => selector.check()?,
            Some(InstallTarget::Disk(path)) => crate::device::check_disk_path("install", path)?,
            None => {}
        }
        if self.kubespan && !self.discovery {
            return Err(Error::setting("kubespan", "needs discovery, which is off"));
        }
        for mirror in &self.registry_mirrors {
            if mirror.registry.is_empty() || mirror.endpoints.is_empty() {
                return Err(Error::setting(
                    "registry_mirrors",
                    "each needs the name of a registry and at least one endpoint",
                ));
            }
        }
        let mut registries: Vec<&str> = self
            .registry_mirrors
            .iter()
            .map(|mirror| mirror.registry.as_str())
            .collect();
        registries.sort_unstable();
        if let Some(pair) = registries.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::setting(
                "registry_mirrors",
                format!("{} stands there twice", pair[0].escape_default()),
            ));
        }
        Ok(host)
    }
}

/// The host of `https://host[:port][/...]`, brackets of an IPv6 address taken off.
fn endpoint_host(endpoint: &str) -> Result<String, Error> {
    let wrong = |why: &str| {
        Error::setting(
            "endpoint",
            format!(
                "`{}` is not a URL such as https://10.0.0.2:6443: {why}",
                endpoint.escape_default()
            ),
        )
    };
    let rest = endpoint
        .strip_prefix("https://")
        .ok_or_else(|| wrong("it must begin with https://"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = if let Some(inside) = authority.strip_prefix('[') {
        let (host, port) = inside
            .split_once(']')
            .ok_or_else(|| wrong("a bracket is not closed"))?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| wrong("between brackets belongs an IPv6 address"))?;
        (
            host,
            port.strip_prefix(':')
                .or(if port.is_empty() { None } else { Some("x") }),
        )
    } else {
        match authority.split_once(':') {
            Some((host, port)) if port.contains(':') && !host.is_empty() => {
                return Err(wrong("an IPv6 address needs brackets"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let is_name = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
    };
    if host.is_empty() || !is_name(host) {
        return Err(wrong("the host is missing or has odd characters"));
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(0, |number| number) == 0) {
        return Err(wrong("the port must be 1 to 65535"));
    }
    if rest.contains(char::is_whitespace) || rest.contains(char::is_control) {
        return Err(wrong("it has white space"));
    }
    Ok(host.to_owned())
}

fn check_dns_domain(domain: &str) -> Result<(), Error> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() <= 253 && domain.split('.').all(is_label) {
        Ok(())
    } else {
        Err(Error::setting(
            "dns_domain",
            format!(
                "`{}` is not a DNS name such as cluster.local",
                domain.escape_default()
            ),
        ))
    }
}

fn check_subnets(field: &'static str, subnets: &[String]) -> Result<(), Error> {
    if subnets.is_empty() {
        return Err(Error::setting(field, "needs at least one subnet"));
    }
    match subnets.iter().find(|subnet| !is_subnet(subnet)) {
        Some(wrong) => Err(Error::setting(
            field,
            format!(
                "`{}` is not a subnet such as 10.244.0.0/16",
                wrong.escape_default()
            ),
        )),
        None => Ok(()),
    }
}

/// Whether a text is an address, a slash and a fitting prefix length.
pub(crate) fn is_subnet(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else {
        return false;
    };
    let (Ok(address), Ok(prefix)) = (address.parse::<IpAddr>(), prefix.parse::<u8>()) else {
        return false;
    };
    prefix <= if address.is_ipv4() { 32 } else { 128 }
}
