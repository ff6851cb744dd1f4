//! What a request for a script tells of its machine, and asks for at its console, before anything is decided.

use std::sync::Arc;

use model::{Actor, BootStage, Inventory, SeenBy, StageOutcome};
use netboot::director::ScriptAsk;
use store::{Error as StoreError, Judgement, Lane};

use crate::director::Office;

impl Office {
    /// Notes what a machine says of itself: at once where a decision hangs on it, else when there is time. What would change who a
    /// device is counts only from an address that has the card, so that nobody else can bring a machine into a conflict. Where it
    /// cannot be written down the boot goes on, for what speaks against a machine is looked at with every decision.
    pub(super) async fn meet(&self, ask: &ScriptAsk, shows: &Inventory) -> Result<(), StoreError> {
        let mac = ask.mac;
        let (peers, seen) = (Arc::clone(&self.peers), shows.clone());
        let read = self.store.read(Lane::Boot, move |reader| {
            let device = reader.device_by_mac(mac)?;
            let judgement = reader.judge(device.as_ref(), mac, &seen, &|id| {
                peers.other_asking(id, mac)
            })?;
            let mut cards = match &device {
                Some(device) => reader.trusted_cards(device)?,
                None => Vec::new(),
            };
            cards.push(mac);
            Ok((judgement, cards, reader.settings()?.config_release))
        });
        let (judgement, cards, release) = read.await?;
        if judgement == Judgement::AsKnown {
            self.sightings.sight(mac, shows, SeenBy::Script);
            return Ok(());
        }
        if let Err(why) = self.has_card(ask, &cards, release) {
            tracing::debug!(%mac, %why, "what a request says of a machine is not noted");
            self.sightings
                .sight(mac, &Inventory::default(), SeenBy::Script);
            return Ok(());
        }
        let (peers, seen) = (Arc::clone(&self.peers), shows.clone());
        let write = self
            .store
            .write(Lane::Boot, Actor::Device(mac), move |writer| {
                let other = |id| peers.other_asking(id, mac);
                writer.sight_beside(mac, &seen, SeenBy::Script, &other)
            });
        if let Err(err) = write.await {
            tracing::error!(%mac, %err, "what a machine says of itself could not be written down");
        }
        Ok(())
    }

    /// Notes that a wipe was asked for at the console of an approved machine. It waits there for a person.
    pub(super) async fn wipe_asked(
        &self,
        ask: &ScriptAsk,
        seen: &Inventory,
    ) -> Result<(), StoreError> {
        let mac = ask.mac;
        let view = self.look(mac, seen).await?;
        if let Err(why) = self.recognise(ask, &view) {
            let why = format!("a wipe was asked for, which is not noted: {why}");
            let (stage, outcome) = (BootStage::Script, StageOutcome::Refused);
            self.sightings
                .decided(mac, stage, outcome, ask.site.peer, why);
            return Ok(());
        }
        let write = self
            .store
            .write(Lane::Boot, Actor::Device(mac), move |writer| {
                let device = writer
                    .device_by_mac(mac)?
                    .filter(|device| device.approval.is_approved());
                if let Some(mut device) = device {
                    let told = device.life.ask_wipe(writer.now());
                    writer.live(&device, told)?;
                }
                Ok(())
            });
        write.await
    }
}
