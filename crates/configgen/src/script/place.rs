//! Where a script is served from, and for whom.

use std::net::Ipv4Addr;

use model::{ConfigToken, MacAddr, NetworkSettings};
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
    /// The ports to which Talos reports.
    pub reports: ReportPorts,
}

/// The ports of the receivers of what Talos tells of itself; `None` where one is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportPorts {
    /// Of its events (`talos.events.sink`).
    pub events: Option<u16>,
    /// Of its kernel log (`talos.logging.kernel`).
    pub kernel_log: Option<u16>,
}

impl ReportPorts {
    /// Whether Talos can report at all.
    pub const fn is_any(&self) -> bool {
        self.events.is_some() || self.kernel_log.is_some()
    }
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

    /// The URL of the machine's config, with the token that lets it have it, if it needs one.
    pub fn config_url(&self, token: Option<&ConfigToken>) -> String {
        let query = token.map_or_else(String::new, |token| {
            format!("?{}={}", ConfigToken::KEY, token.expose())
        });
        format!(
            "{}/talos/configs/{}.yaml{query}",
            self.base_url(),
            self.mac.hyphenated()
        )
    }

    /// The kernel arguments that make Talos report, as far as there is a receiver (`pkg/machinery/constants`). Its installer writes them to
    /// the installed system too.
    pub(super) fn report_args(&self) -> impl Iterator<Item = (&'static str, String)> {
        let events = self.reports.events.map(|port| {
            (
                NetworkSettings::EVENTS_ARG,
                format!("{}:{port}", self.server),
            )
        });
        let kernel_log = self.reports.kernel_log.map(|port| {
            (
                NetworkSettings::KERNEL_LOG_ARG,
                format!("tcp://{}:{port}/", self.server),
            )
        });
        events.into_iter().chain(kernel_log)
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
