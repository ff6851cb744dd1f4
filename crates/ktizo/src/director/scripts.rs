//! The script for one machine at one moment: look, decide, and wait while it is held.

mod draw;
mod meet;
mod view;
mod words;

use std::net::Ipv4Addr;
use std::time::Duration;

use configgen::script::{Place, ScriptError, Scripts, boot_root};
use model::{
    Actor, BootDecision, BootStage, Device, HoldReason, Inventory, MacAddr, NetworkSettings,
    SeenBy, StageOutcome,
};
use netboot::director::{MenuChoice, ScriptAsk, Site};
use store::{Change, Error as StoreError, Lane};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::Office;
pub(super) use view::View;

/// A held machine is answered within this time, so that neither side takes the other for dead.
const LONG_POLL: Duration = Duration::from_secs(25);

/// Why no script could be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoScript {
    /// The store did not answer.
    #[error("the database did not answer: {0}")]
    Store(#[from] StoreError),
    /// A template failed.
    #[error(transparent)]
    Template(#[from] ScriptError),
}

impl Office {
    pub(super) async fn script_for(&self, ask: &ScriptAsk) -> Result<String, NoScript> {
        let mac = ask.mac;
        let Some(facts) = &ask.facts else {
            self.sightings
                .sight(mac, &Inventory::default(), SeenBy::Script);
            let place = self.place(ask, self.server_address().await);
            return Ok(self.identify(&place)?);
        };
        let turn = self.peers.begins_turn(mac, ask.site.peer);
        self.meet(ask, &facts.inventory).await?;
        if ask.choice == Some(MenuChoice::Wipe) {
            self.wipe_asked(ask, &facts.inventory).await?;
        }

        // A clock that was set back must not make the hold longer.
        let began = self.holds.now();
        let held_since = ask.held_since.map(|since| since.min(began));
        let since = held_since.unwrap_or(began);
        let deadline = Instant::now() + LONG_POLL;
        let mut changes = self.store.subscribe();
        let mut reason = HoldReason::Approval;
        loop {
            let mut view = self.look(mac, &facts.inventory).await?;
            let now = self.clock.now();
            let held = held_since.map(|since| self.holds.now().since(since));
            let mut decision = view.decide(now, held, None);
            // Asked at each poll, for whoever is behind a router is known by going on to ask.
            let is_there = self.has_own_card(ask, &view);
            // Nobody completes the timeline of another machine, or sends it to its disk.
            let is_stranger = is_there.is_err() && self.peers.card_of(ask.site.peer).is_some();
            if happens_once(decision) && !self.peers.has_turn(mac, ask.site.peer, turn) {
                // The machine asked anew, as after it was switched off and on. Whoever still waits here asks anew, too.
                return Ok(self.identify(&self.place(ask, view.settings.server_address))?);
            }
            if view.is_unsettled(decision) {
                match self.recognise(ask, &view) {
                    Ok(()) => {
                        (view, decision) = self.settle(mac, &facts.inventory, held).await?;
                    }
                    // Nothing is spent, and no attempt counted, for a stranger.
                    Err(why) => view.release = Err(why),
                }
            }
            if let BootDecision::Hold(why) = decision {
                reason = why;
            }
            let may_wait = matches!(decision, BootDecision::Hold(_)) && held.is_some();
            if may_wait && Instant::now() < deadline && !self.drain.is_cancelled() {
                let limit = Duration::from_secs(u64::from(view.settings.hold_limit_seconds));
                let left = limit.saturating_sub(held.unwrap_or_default());
                let until = deadline.min(Instant::now() + left);
                // One machine does not ask twice at a time: another card that does is another machine.
                let _asking = (view.device.as_ref()).map(|device| self.peers.asks(device.id, mac));
                self.wait(&mut changes, view.device.as_ref(), until).await;
                continue;
            }
            if let (Some(held), false) = (held, matches!(decision, BootDecision::Hold(_)))
                && !is_stranger
            {
                self.hold_ended(ask, held, reason.in_words().to_owned());
            }
            match self.release_for(ask, &view, decision).await? {
                Some(release) => view.release = release,
                // Somebody decided otherwise in the meantime.
                None => continue,
            }
            let drawn = self.draw(ask, facts, since, held, &view, decision)?;
            match drawn.stage {
                _ if is_there.is_err() => {}
                BootStage::Leave => {
                    let changed = view.device.as_ref().map(|device| device.updated_at);
                    self.peers.leaves(mac, self.clock.now(), changed);
                }
                _ => self.peers.stays(mac),
            }
            let is_told = match drawn.stage {
                BootStage::Hold => held.is_none(),
                BootStage::Leave => !is_stranger,
                _ => true,
            };
            if is_told {
                let peer = ask.site.peer;
                self.sightings
                    .decided(mac, drawn.stage, drawn.outcome, peer, drawn.why);
            }
            return Ok(drawn.script);
        }
    }

    /// The first script.
    fn identify(&self, place: &Place) -> Result<String, ScriptError> {
        self.made(|scripts| scripts.identify(place))
    }

    /// A script that no timeline tells of, by a template of the operator's or, where that fails, by the built-in one.
    pub(super) fn made(
        &self,
        make: impl Fn(&Scripts) -> Result<String, ScriptError>,
    ) -> Result<String, ScriptError> {
        let (script, failed) = self.scripts.or_built_in(make)?;
        if let Some(err) = failed {
            tracing::error!(%err, "an own template failed, and the built-in one is used");
        }
        Ok(script)
    }

    pub(super) async fn look(&self, mac: MacAddr, seen: &Inventory) -> Result<View, StoreError> {
        let (seen, heard) = (seen.clone(), self.reports.is_any());
        let folder = self.assets.clone();
        let read = self.store.read(Lane::Boot, move |reader| {
            View::read(reader, &folder, mac, &seen, heard)
        });
        read.await
    }

    /// Decides within a change, where the decision depends on what it changes: an attempt that is over, one that begins, and an
    /// order that is spent are on the disk before the first byte of the script leaves. If that fails, there is no script.
    async fn settle(
        &self,
        mac: MacAddr,
        seen: &Inventory,
        held: Option<Duration>,
    ) -> Result<(View, BootDecision), StoreError> {
        let (seen, heard) = (seen.clone(), self.reports.is_any());
        let folder = self.assets.clone();
        let write = self
            .store
            .write(Lane::Boot, Actor::Device(mac), move |writer| {
                let mut view = View::read(writer, &folder, mac, &seen, heard)?;
                let boot = match &view.device {
                    Some(device) => writer.last_boot(device.id)?.map(|boot| boot.id),
                    None => None,
                };
                let mut decision = view.decide(writer.now(), held, boot);
                if view.settle(writer, decision)? {
                    decision = view.decide(writer.now(), held, boot);
                }
                view.carry_out(writer, decision)?;
                Ok((view, decision))
            });
        write.await
    }

    /// Waits until something happened that the machine's decision may depend on, or `until`, or the daemon drains.
    async fn wait(
        &self,
        changes: &mut tokio::sync::broadcast::Receiver<Change>,
        device: Option<&Device>,
        until: Instant,
    ) {
        loop {
            let change = tokio::select! {
                () = sleep_until(until) => return,
                () = self.drain.cancelled() => return,
                change = changes.recv() => change,
            };
            match change {
                Ok(change) => {
                    let own = device.map_or(!change.devices.is_empty(), |device| {
                        change.devices.contains(&device.id)
                    });
                    if own || change.settings || change.assets {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => return,
                // The store is closed, so the daemon is on its way out: the machine finds the next one.
                Err(RecvError::Closed) => return sleep_until(until).await,
            }
        }
    }

    /// Completes the timeline's hold. The machine says since when it is held, and no hold is longer than its limit may be.
    fn hold_ended(&self, ask: &ScriptAsk, held: Duration, detail: String) {
        let longest = Duration::from_secs(NetworkSettings::MAX_HOLD_SECONDS.into());
        let seen = netboot::director::Observation {
            mac: Some(ask.mac),
            peer: ask.site.peer,
            stage: BootStage::Hold,
            duration: Some(held.min(longest)),
            bytes: None,
            retries: None,
            outcome: StageOutcome::Done,
            detail,
        };
        self.sightings.stage(ask.mac, seen);
    }
}

/// Whether a script for this decision carries what only one script may: a wipe, or the token that is in force.
const fn happens_once(decision: BootDecision) -> bool {
    matches!(
        decision,
        BootDecision::Wipe | BootDecision::Install { .. } | BootDecision::Menu { .. }
    )
}

/// The root of the boot HTTP server, as a machine at `site` sees it.
pub(super) fn root(site: Site, advertised: Option<Ipv4Addr>) -> String {
    boot_root(advertised.unwrap_or(site.server), site.http_port)
}

/// The script of last resort, for when nothing could be read or rendered: says so, and asks again.
pub(super) fn excuse(ask: &ScriptAsk, why: &str) -> String {
    let why: String = why
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || " .,:-/".contains(*c))
        .take(200)
        .collect();
    let url = format!("{}/boot/{}", root(ask.site, None), ask.mac.hyphenated());
    format!(
        "#!ipxe\necho ktizo cannot say what this machine is to do: {why}\n:ask\nsleep 10\nchain --replace --autofree {url} || goto ask\n"
    )
}
