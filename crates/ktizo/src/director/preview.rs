//! What a machine's next boot would get at this moment: the same look and the same script, and nothing of it happens.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use api::types::ScriptPreview;
use api::{Error, NextBoot};
use async_trait::async_trait;
use model::{MacAddr, Timestamp};
use netboot::director::{Facts, ScriptAsk, Site};

use super::Office;

/// Looks ahead with the eyes of the office.
pub(crate) struct Preview {
    office: Arc<Office>,
    server: Box<dyn Fn() -> (Ipv4Addr, u16) + Send + Sync>,
}

impl Preview {
    /// For machines that would reach the boot HTTP server at the address and port that `server` gives at that moment.
    pub(crate) fn new(
        office: Arc<Office>,
        server: impl Fn() -> (Ipv4Addr, u16) + Send + Sync + 'static,
    ) -> Self {
        Self {
            office,
            server: Box::new(server),
        }
    }
}

#[async_trait]
impl NextBoot for Preview {
    async fn script(&self, mac: MacAddr, now: Timestamp) -> Result<ScriptPreview, Error> {
        let view = self.office.look(mac, &model::Inventory::default()).await?;
        let device = view.device.as_ref();
        let (server, http_port) = (self.server)();
        let ask = ScriptAsk {
            mac,
            site: Site {
                server,
                http_port,
                peer: IpAddr::V4(
                    device
                        .and_then(|device| device.ip_address)
                        .unwrap_or(Ipv4Addr::UNSPECIFIED),
                ),
            },
            facts: None,
            held_since: None,
            choice: None,
        };
        let facts = Facts {
            inventory: device.map_or_else(Default::default, |device| device.inventory.clone()),
            version: None,
        };
        let decision = view.decide(now, None, None);
        let drawn = self
            .office
            .draw(&ask, &facts, now, None, &view, decision)
            .map_err(|err| Error::Internal(err.to_string()))?;
        Ok(ScriptPreview {
            decision: decision.word().to_owned(),
            why: drawn.why,
            missing: view.talos.err(),
            script: drawn.script,
        })
    }
}
