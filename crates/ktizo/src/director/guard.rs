//! Who is given the token for a device's config: the device, as far as a network can tell who somebody is.

use std::net::IpAddr;

use configgen::script::ConfigLink;
use model::{
    ApprovalStatus, BootDecision, ConfigRelease, ConfigToken, Device, MacAddr, StandingOrder,
    Timestamp, Wipe,
};
use netboot::director::ScriptAsk;
use store::{Error as StoreError, Lane};

use super::Office;
use super::peers::Peers;
use super::scripts::View;

/// What a boot script may say of the config: where it is, or the sentence why it may not be said.
pub(super) type Release = Result<ConfigLink, String>;

impl Office {
    /// What the script for one boot says of the device's config; `None` if somebody decided about the device in the meantime. A token
    /// is in force, on the disk, before the script leaves with it, and puts the one of the boot before out of force.
    pub(super) async fn release_for(
        &self,
        ask: &ScriptAsk,
        view: &View,
        decision: BootDecision,
    ) -> Result<Option<Release>, StoreError> {
        let Some(device) = view.device.as_ref().filter(|_| names_config(decision)) else {
            if let (BootDecision::Wipe, Err(why)) = (decision, &view.release) {
                self.sightings.config_refused(ask.mac, ask.site.peer, why);
                return Ok(Some(Err(why.clone())));
            }
            return Ok(Some(Ok(ConfigLink::None)));
        };
        if view.settings.config_release == ConfigRelease::Mac {
            return Ok(Some(Ok(ConfigLink::Plain)));
        }
        if let Err(why) = self.recognise(ask, view) {
            self.sightings.config_refused(ask.mac, ask.site.peer, &why);
            return Ok(Some(Err(why)));
        }
        match new_token() {
            Ok(token) => {
                let issued = self.issue(device, ask.mac, token).await?;
                Ok(issued.then_some(Ok(ConfigLink::Token(token))))
            }
            Err(why) => Ok(Some(Err(why))),
        }
    }

    /// Whether who asks is the device, so that it may have what is given once; the error is a sentence.
    pub(super) fn recognise(&self, ask: &ScriptAsk, view: &View) -> Result<(), String> {
        self.has_card(ask, &view.cards, view.settings.config_release)
    }

    /// Whether who asks has the card it names, or one that is known as the device's.
    pub(super) fn has_own_card(&self, ask: &ScriptAsk, view: &View) -> Result<(), String> {
        let cards = [view.cards.as_slice(), &[ask.mac]].concat();
        self.has_card(ask, &cards, view.settings.config_release)
    }

    /// The same for any `cards`. Where the MAC is enough, whoever names it has it.
    pub(super) fn has_card(
        &self,
        ask: &ScriptAsk,
        cards: &[MacAddr],
        release: ConfigRelease,
    ) -> Result<(), String> {
        match release {
            ConfigRelease::Mac => Ok(()),
            ConfigRelease::Token => {
                let now = self.clock.now();
                self.peers.is_card_of(ask.site.peer, ask.mac, cards, now)
            }
        }
    }

    /// Says whether what was ordered of the device is still what `seen` says.
    async fn issue(
        &self,
        seen: &Device,
        mac: MacAddr,
        token: ConfigToken,
    ) -> Result<bool, StoreError> {
        let id = seen.id;
        let ordered = ordered(seen);
        let write = self
            .store
            .write(Lane::Boot, model::Actor::Device(mac), move |writer| {
                let device = writer.device(id)?;
                if device.is_none_or(|device| self::ordered(&device) != ordered) {
                    return Ok(false);
                }
                writer.issue_token(id, &token)?;
                Ok(true)
            });
        write.await
    }
}

/// What persons have decided of a device that its boot hangs on.
fn ordered(device: &Device) -> (MacAddr, ApprovalStatus, StandingOrder, Wipe) {
    let (order, wipe) = (device.life.order, device.life.wipe.clone());
    (device.mac, device.approval.status(), order, wipe)
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
