//! netboot's question, answered: what is this machine to get, by the database at this moment.

mod guard;
mod log_budget;
pub(crate) mod peers;
mod preview;
mod scripts;
mod sightings;
mod talos;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use configgen::script::{ReportPorts, Scripts};
use model::{
    Actor, Approval, AssetName, BootStage, Clock, ConfigRelease, EventKind, FirmwareKind, SeenBy,
    StageOutcome, Standing, TalosVersion,
};
use netboot::director::{
    BootAsk, BootClient, ConfigAnswer, ConfigAsk, Content, Director, LoaderName, Observation,
    Offer, Platform, Program, ScriptAsk, Site,
};
use store::{Error as StoreError, Lane, Store, StoredConfig};
use tokio_util::sync::CancellationToken;

use api::AssetFolder;

use crate::assets::open_asset;
use crate::loaders::Loaders;
use peers::Peers;
pub(crate) use preview::Preview;
use sightings::Sightings;

/// Answers the boot servers from the store, the templates and the loaders.
pub(crate) struct Office {
    store: Store,
    scripts: Arc<Scripts>,
    loaders: Arc<Loaders>,
    assets: AssetFolder,
    clock: Arc<dyn Clock>,
    /// By which it is measured how long machines are held: all of them would leave at once where the other one is set.
    holds: Arc<dyn Clock>,
    /// Cancelled when the daemon drains: a machine that is held is answered at once then, and asks the next daemon.
    drain: CancellationToken,
    peers: Arc<Peers>,
    /// Where machines are told to report.
    reports: ReportPorts,
    sightings: Sightings,
}

impl Office {
    /// Puts the parts together.
    pub(crate) fn new(
        store: Store,
        scripts: Arc<Scripts>,
        loaders: Arc<Loaders>,
        assets: AssetFolder,
        clock: Arc<dyn Clock>,
        drain: CancellationToken,
    ) -> Self {
        let sightings = Sightings::new(store.clone(), Arc::clone(&clock));
        Self {
            store,
            scripts,
            loaders,
            assets,
            holds: Arc::clone(&clock),
            clock,
            drain,
            peers: Arc::default(),
            reports: ReportPorts::default(),
            sightings,
        }
    }

    /// Measures by this clock how long machines are held.
    #[must_use]
    pub(crate) fn with_holds_by(mut self, clock: Arc<dyn Clock>) -> Self {
        self.holds = clock;
        self
    }

    /// Tells machines to report to these ports.
    #[must_use]
    pub(crate) fn with_reports(mut self, reports: ReportPorts) -> Self {
        self.reports = reports;
        self
    }

    /// What requests have shown of machines and addresses.
    pub(crate) fn peers(&self) -> Arc<Peers> {
        Arc::clone(&self.peers)
    }

    /// The loader of one machine: its own or that of its firmware's profile, else the one of its platform.
    fn loader_of(&self, own: Option<&str>, platform: Platform) -> Option<LoaderName> {
        own.and_then(LoaderName::parse)
            .or_else(|| self.loaders.for_platform(platform).cloned())
    }
}

/// Which profile of the network settings is for a client.
const fn kind_of(client: BootClient) -> FirmwareKind {
    match client {
        BootClient::Http(Platform::EfiX64) => FirmwareKind::HttpX64,
        BootClient::Http(Platform::EfiArm64) => FirmwareKind::HttpArm64,
        BootClient::Pxe(platform)
        | BootClient::Http(platform)
        | BootClient::Ipxe { platform, .. } => match platform {
            Platform::Bios => FirmwareKind::Bios,
            Platform::EfiX64 => FirmwareKind::EfiX64,
            Platform::EfiArm64 => FirmwareKind::EfiArm64,
            Platform::EfiIa32 => FirmwareKind::EfiIa32,
            Platform::EfiArm32 => FirmwareKind::EfiArm32,
        },
    }
}

#[async_trait]
impl Director for Office {
    async fn offer(&self, ask: &BootAsk) -> Offer {
        self.peers.learn(ask.address.map(IpAddr::V4), ask.mac);
        self.peers.asked_by_dhcp(ask, self.clock.now());
        self.sightings.sight(ask.mac, &ask.inventory, SeenBy::Dhcp);
        let mac = ask.mac;
        let known = self
            .store
            .read(Lane::Boot, move |reader| {
                Ok((reader.device_by_mac(mac)?, reader.settings()?))
            })
            .await;
        let (device, settings) = match known {
            Ok((device, settings)) => (device, Some(settings)),
            Err(err) => {
                // The machine still gets its loader; what it may do is decided when its script is asked for.
                tracing::error!(%mac, %err, "the database did not answer a DHCP request");
                (None, None)
            }
        };
        let own = device.as_ref().and_then(|device| device.loader.as_deref());
        let profiles = settings.as_ref().map(|settings| &settings.firmware);
        let profile = profiles.map(|profiles| profiles.of(kind_of(ask.client)));
        let own = own.or_else(|| profile.and_then(|profile| profile.loader.as_deref()));
        let loader = |platform| match self.loader_of(own, platform) {
            Some(name) => Program::Loader(name),
            None => Program::Nothing("no loader is configured for this kind of machine"),
        };
        // What a person decided since it was sent to its disk brings it back.
        let changed = device.as_ref().map(|device| device.updated_at);
        let is_leaving = self.peers.is_leaving(mac, self.clock.now(), changed);
        let program = match ask.client {
            BootClient::Ipxe { http: true, .. } => Program::Script,
            BootClient::Http(_) if is_leaving => Program::NotFound,
            BootClient::Ipxe {
                platform,
                http: false,
            }
            | BootClient::Pxe(platform)
            | BootClient::Http(platform) => loader(platform),
        };
        // iPXE asks port 4011 for nothing, whatever the firmware below it does.
        let is_firmware = !matches!(ask.client, BootClient::Ipxe { .. });
        Offer {
            program,
            discovery_control: !is_firmware
                || profile.is_none_or(|profile| profile.discovery_control),
            server: settings.and_then(|settings| settings.server_address),
        }
    }

    async fn script(&self, ask: ScriptAsk) -> String {
        self.peers.learn(Some(ask.site.peer), ask.mac);
        match self.script_for(&ask).await {
            Ok(script) => script,
            Err(err) => {
                tracing::error!(mac = %ask.mac, %err, "no boot script could be made");
                scripts::excuse(&ask, &err.to_string())
            }
        }
    }

    async fn autoexec(&self, site: Site) -> String {
        let place = scripts::root(site, self.server_address().await);
        let made = self.made(|scripts| scripts.autoexec(&place));
        made.unwrap_or_else(|err| {
            tracing::error!(%err, "autoexec.ipxe could not be made");
            "#!ipxe\nautoboot\n".to_owned()
        })
    }

    async fn table(&self, site: Site) -> Result<String, String> {
        let read = self.store.read(Lane::Boot, |reader| {
            Ok((reader.approved()?, reader.settings()?))
        });
        let (approved, settings) = read.await.map_err(|err| err.to_string())?;
        let root = scripts::root(site, settings.server_address);
        let nodes = crate::compiled::table_nodes(&approved);
        self.made(|scripts| scripts.table(&root, &nodes))
            .map_err(|err| err.to_string())
    }

    async fn config(&self, ask: ConfigAsk) -> ConfigAnswer {
        self.peers.learn(Some(ask.site.peer), ask.mac);
        match self.release_config(ask).await {
            Ok(Ok(config)) => {
                self.peers.gives(ask.mac, ask.site.peer, config.sha256);
                ConfigAnswer::Serve(config.bytes.into())
            }
            Ok(Err(reason)) => {
                self.sightings
                    .config_refused(ask.mac, ask.site.peer, &reason);
                ConfigAnswer::Refused(reason)
            }
            Err(err) => {
                tracing::error!(mac = %ask.mac, %err, "a config could not be released");
                ConfigAnswer::Unavailable(format!("ktizo cannot read its database: {err}"))
            }
        }
    }

    async fn loader(&self, name: &LoaderName) -> Result<Content, String> {
        self.loaders
            .get(name)
            .map(|loader| Content::Bytes(loader.bytes))
    }

    async fn asset(
        &self,
        version: Option<&TalosVersion>,
        name: AssetName,
    ) -> Result<Content, String> {
        let wanted = version.cloned();
        let found = self.store.read(Lane::Boot, move |reader| {
            let version = match wanted {
                Some(version) => Some(version),
                None => match reader.settings()?.talos_version {
                    Some(version) => Some(version),
                    None => model::newest_whole(&reader.assets()?, name.arch),
                },
            };
            Ok((reader.asset(version.as_ref(), name)?, version))
        });
        let (asset, version) = found.await.map_err(|err| err.to_string())?;
        let asset = asset.ok_or_else(|| talos::missing_asset(version.as_ref(), &[name]))?;
        open_asset(&self.assets, &asset).await
    }

    fn observe(&self, seen: Observation) {
        let Some(mac) = seen.mac.or_else(|| self.peers.who_is(seen.peer)) else {
            tracing::debug!(peer = %seen.peer, stage = %seen.stage, "a step of a machine nobody knows by address");
            return;
        };
        if seen.stage == BootStage::Config && seen.outcome != StageOutcome::Running {
            let config = self.peers.was_given(mac, seen.peer);
            self.sightings.config_delivered(mac, &seen, config);
        }
        self.sightings.stage(mac, seen);
    }
}

impl Office {
    /// The address to name instead of the one that faces a machine.
    async fn server_address(&self) -> Option<Ipv4Addr> {
        let settings = self
            .store
            .read(Lane::Boot, |reader| reader.settings())
            .await;
        settings.ok().and_then(|settings| settings.server_address)
    }

    /// The config of an approved device, for the token that its boot script carried where that is asked for; the inner error is the
    /// reason for a no.
    ///
    /// That it was released is written down before its first byte leaves: whatever happens afterwards, the next boot of the machine
    /// does not install again by itself. Its head alone installs nothing.
    async fn release_config(
        &self,
        ask: ConfigAsk,
    ) -> Result<Result<StoredConfig, String>, StoreError> {
        let mac = ask.mac;
        self.store
            .write(Lane::Boot, Actor::Device(mac), move |writer| {
                let Some(device) = writer.device_by_mac(mac)? else {
                    writer.sight(mac, &model::Inventory::default(), SeenBy::Config)?;
                    return Ok(Err(format!("{mac} is not known; it is now recorded and waits for approval")));
                };
                match device.approval {
                    Approval::Pending => Ok(Err(format!("{mac} waits for approval"))),
                    Approval::Rejected { .. } => Ok(Err(format!("{mac} was rejected"))),
                    Approval::Approved { .. } => {
                        let why = match writer.standing(&device, mac, &model::Inventory::default())? {
                            Standing::Sure => None,
                            Standing::OtherCard => Some("is a card that nobody confirmed to be the device's"),
                            Standing::Conflict => Some("is claimed by two machines; a person has to decide: `ktizo device identity`"),
                            Standing::TurnedAway => Some("is another machine, as a person said"),
                        };
                        if let Some(why) = why {
                            return Ok(Err(format!("{mac} {why}")));
                        }
                        let guarded = writer.settings()?.config_release == ConfigRelease::Token;
                        if guarded
                            && let Err(why) = writer.take_token(device.id, ask.token.as_ref(), !ask.head_only)?
                        {
                            return Ok(Err(format!("{mac}: {why}")));
                        }
                        let Some(config) = writer.config(device.id)? else {
                            let reason = format!("{mac} is approved but has no config; `ktizo device regenerate` says why");
                            writer.event(Some(&device), EventKind::ConfigFailed { reason: reason.clone() })?;
                            return Ok(Err(reason));
                        };
                        if !ask.head_only {
                            writer.config_released(device.id, config.sha256)?;
                        }
                        Ok(Ok(config))
                    }
                }
            })
            .await
    }
}
