//! Where a script is served from, and for whom.

use std::net::Ipv4Addr;

use model::MacAddr;
use tera::Context;

/// The server as one machine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The server's address that faces the machine.
    pub server: Ipv4Addr,
    /// The port of its boot HTTP server.
    pub http_port: u16,
    /// The machine.
    pub mac: MacAddr,
}

/// The root of the boot HTTP server: `http://10.0.0.2`, with the port unless it is 80.
pub fn boot_root(server: Ipv4Addr, http_port: u16) -> String {
    match http_port {
        80 => format!("http://{server}"),
        port => format!("http://{server}:{port}"),
    }
}

/// What iPXE fills in of itself and the machine, in the query of its next request. `:uristring` makes each text safe in a URL.
const FACTS: &str = "facts=1&uuid=${uuid}&serial=${serial:uristring}&manufacturer=${manufacturer:uristring}\
&product=${product:uristring}&buildarch=${buildarch}&platform=${platform}&version=${version:uristring}";

impl Place {
    /// The root of the boot HTTP server.
    pub fn base_url(&self) -> String {
        boot_root(self.server, self.http_port)
    }

    /// The root of the TFTP server.
    pub fn tftp_url(&self) -> String {
        format!("tftp://{}", self.server)
    }

    /// The URL of the machine's script.
    pub fn boot_url(&self) -> String {
        format!("{}/boot/{}", self.base_url(), self.mac.hyphenated())
    }

    /// The URL of the machine's config.
    pub fn config_url(&self) -> String {
        format!(
            "{}/talos/configs/{}.yaml",
            self.base_url(),
            self.mac.hyphenated()
        )
    }

    /// What every template may write.
    pub(super) fn context(&self) -> Context {
        let mut context = Context::new();
        context.insert("server", &self.server);
        context.insert("mac", &self.mac);
        context.insert("boot_url", &self.boot_url());
        context.insert_value("facts", tera::Value::safe_string(FACTS));
        context
    }
}
