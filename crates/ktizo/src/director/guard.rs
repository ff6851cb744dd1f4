//! Who is given the token for a device's config: the device, as far as a network can tell who somebody is.

use std::net::IpAddr;

use configgen::script::ConfigLink;
use model::{BootDecision, ConfigRelease, ConfigToken, DeviceId, MacAddr, Timestamp};
use netboot::director::ScriptAsk;
use store::{Error as StoreError, Lane};

use super::Office;
use super::peers::Peers;
use super::scripts::View;

/// What a boot script may say of the config: where it is, or the sentence why it may not be said.
pub(super) type Release = Result<ConfigLink, String>;

impl Office {
    /// What the script for one boot says of the device's config. A token is in force, on the disk, before the script leaves with it,
    /// and puts the one of the boot before out of force.
    pub(super) async fn release_for(
        &self,
        ask: &ScriptAsk,
        view: &View,
        decision: BootDecision,
    ) -> Result<Release, StoreError> {
        let Some(device) = view.device.as_ref().filter(|_| names_config(decision)) else {
            return Ok(Ok(ConfigLink::None));
        };
        if view.settings.config_release == ConfigRelease::Mac {
            return Ok(Ok(ConfigLink::Plain));
        }
        let now = self.clock.now();
        let peer = ask.site.peer;
        if let Err(why) = self.peers.is_card_of(peer, ask.mac, &view.cards, now) {
            self.sightings.config_refused(ask.mac, peer, &why);
            return Ok(Err(why));
        }
        match new_token() {
            Ok(token) => {
                self.issue(device.id, ask.mac, token).await?;
                Ok(Ok(ConfigLink::Token(token)))
            }
            Err(why) => Ok(Err(why)),
        }
    }

    /// Why the script that wipes a machine must not go to whoever asks: it would wipe another. `None` if it is the machine, or if the
    /// settings leave that open.
    pub(super) fn is_stranger(&self, ask: &ScriptAsk, view: &View) -> Option<String> {
        if view.settings.config_release == ConfigRelease::Mac {
            return None;
        }
        let (now, peer) = (self.clock.now(), ask.site.peer);
        let why = self
            .peers
            .is_card_of(peer, ask.mac, &view.cards, now)
            .err()?;
        self.sightings.config_refused(ask.mac, peer, &why);
        Some(why)
    }

    async fn issue(
        &self,
        device: DeviceId,
        mac: MacAddr,
        token: ConfigToken,
    ) -> Result<(), StoreError> {
        let write = self
            .store
            .write(Lane::Boot, model::Actor::Device(mac), move |writer| {
                writer.issue_token(device, &token)
            });
        write.await
    }
}

/// Whether a script for this decision names the config.
fn names_config(decision: BootDecision) -> bool {
    matches!(
        decision,
        BootDecision::Install { .. } | BootDecision::Menu { .. }
    )
}

fn new_token() -> Result<ConfigToken, String> {
    let mut bytes = [0; ConfigToken::BYTES];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(ConfigToken::from_random(bytes)),
        Err(err) => Err(format!("the system gave no random bytes: {err}")),
    }
}

impl Peers {
    /// Whether `peer` is the address of one of a machine's `cards`; the error is a sentence.
    ///
    /// For a neighbour the kernel's table decides, whatever packets claimed. A machine behind a router is in no such table: it is
    /// believed if the DHCP requests of the card it `asks` as came through a relay in this boot, and if it is the first address that
    /// asked since; but not if that card was seen on a network of this host within the last hour.
    fn is_card_of(
        &self,
        peer: IpAddr,
        asks: MacAddr,
        cards: &[MacAddr],
        now: Timestamp,
    ) -> Result<(), String> {
        match self.card_of(peer) {
            Some(card) if cards.contains(&card) => Ok(()),
            Some(card) => Err(format!(
                "{peer} asked for it with card {card}, which is not known as a card of this machine"
            )),
            None if self.came_by_relay(asks, peer, now) => Ok(()),
            None => Err(format!(
                "{peer} is not on a network of this host, and no DHCP request of {asks} came from there through a relay in this boot"
            )),
        }
    }
}
