//! The script for one machine at one moment: look, decide, and wait while it is held.

mod words;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use configgen::script::{ConfigLink, DiskWays, Menu, Place, ScriptError, TalosBoot, boot_root};
use model::{
    Actor, Arch, BootDecision, BootId, BootStage, BootState, Device, HoldReason, Install,
    InstallEvent, Inventory, LocalBoot, MacAddr, NetworkSettings, SeenBy, StageOutcome, Standing,
    TalosVersion, Timestamp, decide, hold_the_unsure,
};
use netboot::director::{Facts, MenuChoice, ScriptAsk, Site};
use store::{Change, Error as StoreError, Judgement, Lane, Reader, Writer};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::Office;
use super::guard::Release;
use super::talos::talos_for;
use words::{hold_detail, leave_detail, lines, menu_detail, refusal_lines};

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

/// All that a decision about one machine reads, at one moment.
pub(super) struct View {
    pub(super) device: Option<Device>,
    pub(super) settings: NetworkSettings,
    /// What it would boot; else the sentence about what is missing.
    pub(super) talos: Result<(TalosVersion, Arch), String>,
    /// How sure it is that the boot is the device's.
    standing: Standing,
    /// The cards with which the device may have its config.
    pub(super) cards: Vec<MacAddr>,
    /// What its script says of its config. Until that is decided: where it is, without a token.
    pub(super) release: Release,
}

/// A script, and what the timeline says of it.
pub(super) struct Drawn {
    pub(super) script: String,
    /// The decision in words.
    pub(super) why: String,
    stage: BootStage,
    outcome: StageOutcome,
}

impl View {
    /// Reads it; without `heard`, no machine can report.
    fn read(
        reader: &Reader<'_>,
        mac: MacAddr,
        seen: &Inventory,
        heard: bool,
    ) -> Result<Self, StoreError> {
        let mut device = reader.device_by_mac(mac)?;
        let (mut standing, mut cards) = (Standing::Sure, Vec::new());
        if let Some(device) = &mut device {
            standing = reader.standing(device, mac, seen)?;
            cards = reader.trusted_cards(device)?;
            // What the machine says now may not have been written down yet.
            device.inventory.learn(seen);
        }
        let mut settings = reader.settings()?;
        settings.reports &= heard;
        let talos = talos_for(reader, &settings, device.as_ref())?;
        Ok(Self {
            device,
            settings,
            talos,
            standing,
            cards,
            release: Ok(ConfigLink::Plain),
        })
    }

    /// What the boot gets.
    pub(super) fn decide(
        &self,
        now: Timestamp,
        held: Option<Duration>,
        boot: Option<BootId>,
    ) -> BootDecision {
        let state = BootState {
            device: self.device.as_ref(),
            settings: &self.settings,
            held,
            assets_at_hand: self.talos.is_ok(),
            now,
            boot,
        };
        hold_the_unsure(decide(state), self.standing, state)
    }

    /// Whether the decision changes something that must be written down before it is told. Most change nothing.
    fn is_unsettled(&self, decision: BootDecision) -> bool {
        match decision {
            BootDecision::Wipe => true,
            BootDecision::Install { attempt, .. } => attempt > 1,
            BootDecision::Hold(HoldReason::InstallFailed) => self.is_begun(),
            _ => false,
        }
    }

    fn is_begun(&self) -> bool {
        let begun = |device: &Device| matches!(device.life.install, Install::Begun { .. });
        self.device.as_ref().is_some_and(begun)
    }

    /// Which attempt to install was the last.
    fn attempt(&self) -> u32 {
        let device = self.device.as_ref();
        device.map_or(0, |device| device.life.install.attempt())
    }

    /// What became of that.
    fn last_failure(&self) -> String {
        match self.device.as_ref().map(|device| &device.life.install) {
            Some(Install::Failed {
                error: Some(error), ..
            }) => error.clone(),
            Some(Install::Failed {
                last_stage: Some(stage),
                ..
            }) => format!("no proof came after stage {stage}"),
            _ => "no proof came".to_owned(),
        }
    }

    /// Notes that the attempt before is over, where the machine asks again without a proof. Says whether it was.
    fn settle(&mut self, writer: &Writer<'_>, decision: BootDecision) -> Result<bool, StoreError> {
        let by_silence = matches!(
            decision,
            BootDecision::Install { .. } | BootDecision::Hold(HoldReason::InstallFailed)
        );
        let (reports, begun) = (self.settings.reports, self.is_begun());
        match &mut self.device {
            Some(device) if by_silence && begun => {
                writer.install_event(device, &InstallEvent::AskedAgain, reports)
            }
            _ => Ok(false),
        }
    }

    /// Writes down what the script will do.
    fn carry_out(&mut self, writer: &Writer<'_>, decision: BootDecision) -> Result<(), StoreError> {
        let reports = self.settings.reports;
        let Some(device) = &mut self.device else {
            return Ok(());
        };
        match decision {
            BootDecision::Wipe => {
                let told = device.life.spend_wipe(writer.now());
                writer.live(device, told)?;
            }
            BootDecision::Install { .. } => {
                writer.install_event(device, &InstallEvent::Repeated, reports)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Office {
    pub(super) async fn script_for(&self, ask: &ScriptAsk) -> Result<String, NoScript> {
        let mac = ask.mac;
        let Some(facts) = &ask.facts else {
            self.sightings
                .sight(mac, &Inventory::default(), SeenBy::Script);
            let place = self.place(ask, self.server_address().await);
            return Ok(self.scripts.identify(&place)?);
        };
        let turn = self.peers.begins_turn(mac, ask.site.peer);
        self.meet(ask, &facts.inventory).await?;
        if ask.choice == Some(MenuChoice::Wipe) {
            self.wipe_asked(ask, &facts.inventory).await?;
        }

        // A clock that was set back must not make the hold longer.
        let began = self.clock.now();
        let held_since = ask.held_since.map(|since| since.min(began));
        let since = held_since.unwrap_or(began);
        let deadline = Instant::now() + LONG_POLL;
        let mut changes = self.store.subscribe();
        let mut reason = HoldReason::Approval;
        loop {
            let mut view = self.look(mac, &facts.inventory).await?;
            let now = self.clock.now();
            let held = held_since.map(|since| now.since(since));
            let mut decision = view.decide(now, held, None);
            if happens_once(decision) && !self.peers.has_turn(mac, ask.site.peer, turn) {
                // The machine asked anew, as after it was switched off and on. Whoever still waits here asks anew, too.
                return Ok(self
                    .scripts
                    .identify(&self.place(ask, view.settings.server_address))?);
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
            if let (Some(held), false) = (held, matches!(decision, BootDecision::Hold(_))) {
                self.hold_ended(ask, held, hold_detail(reason).to_owned());
            }
            match self.release_for(ask, &view, decision).await? {
                Some(release) => view.release = release,
                // Somebody decided otherwise in the meantime.
                None => continue,
            }
            let drawn = self.draw(ask, facts, since, held, &view, decision)?;
            match decision {
                BootDecision::Leave(_) => self.peers.leaves(mac, self.clock.now()),
                _ => self.peers.stays(mac),
            }
            if held.is_none() || drawn.stage != BootStage::Hold {
                let peer = ask.site.peer;
                self.sightings
                    .decided(mac, drawn.stage, drawn.outcome, peer, drawn.why);
            }
            return Ok(drawn.script);
        }
    }

    /// Notes what a machine says of itself: at once where a decision hangs on it, else when there is time. What would change who a
    /// device is counts only from an address that has the card, so that nobody else can bring a machine into a conflict. Where it
    /// cannot be written down the boot goes on, for what speaks against a machine is looked at with every decision.
    async fn meet(&self, ask: &ScriptAsk, shows: &Inventory) -> Result<(), StoreError> {
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

    pub(super) async fn look(&self, mac: MacAddr, seen: &Inventory) -> Result<View, StoreError> {
        let (seen, heard) = (seen.clone(), self.reports.is_any());
        let read = self.store.read(Lane::Boot, move |reader| {
            View::read(reader, mac, &seen, heard)
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
        let write = self
            .store
            .write(Lane::Boot, Actor::Device(mac), move |writer| {
                let mut view = View::read(writer, mac, &seen, heard)?;
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

    async fn wipe_asked(&self, ask: &ScriptAsk, seen: &Inventory) -> Result<(), StoreError> {
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

    /// Writes the script for a decision. It changes nothing: a preview does the same.
    pub(super) fn draw(
        &self,
        ask: &ScriptAsk,
        facts: &Facts,
        since: Timestamp,
        held: Option<Duration>,
        view: &View,
        decision: BootDecision,
    ) -> Result<Drawn, NoScript> {
        let (mac, settings) = (ask.mac, &view.settings);
        let place = self.place(ask, settings.server_address);
        let ways = disk_ways(view.device.as_ref(), facts);
        let talos = |has_config: bool| {
            let (version, arch) = view.talos.as_ref().map_err(String::as_str)?;
            let config = match &view.release {
                _ if !has_config => ConfigLink::None,
                Ok(link) => *link,
                Err(why) => return Err(why.as_str()),
            };
            Ok(TalosBoot::new(&place, version, *arch, settings, config))
        };
        let name = view
            .device
            .as_ref()
            .and_then(|device| device.hostname.as_ref())
            .map_or_else(|| mac.to_string(), ToString::to_string);
        let menu = |timeout| Menu {
            title: format!("{name} ({mac})"),
            timeout,
        };
        let lines = lines(mac, &name, view, held, decision);

        let mut said = (BootStage::Script, StageOutcome::Done, String::new());
        let mut told = |stage, outcome, detail: String| said = (stage, outcome, detail);
        let script = match decision {
            BootDecision::Hold(why) => {
                told(
                    BootStage::Hold,
                    StageOutcome::Running,
                    hold_detail(why).to_owned(),
                );
                self.scripts.hold(&place, &lines, since.as_micros())?
            }
            BootDecision::Leave(why) => {
                told(
                    BootStage::Leave,
                    StageOutcome::Done,
                    leave_detail(why).to_owned(),
                );
                self.scripts.leave(&place, ways, &lines)?
            }
            BootDecision::LocalElseTalos { menu: timeout } => {
                told(
                    BootStage::Script,
                    StageOutcome::Done,
                    "strict boot mode is off: local disk, else Talos without a config".to_owned(),
                );
                self.scripts.open(
                    &place,
                    ways,
                    &menu(timeout),
                    &lines,
                    talos(false).as_ref().map_err(|missing| *missing),
                )?
            }
            BootDecision::Wipe => match (&view.release, talos(false)) {
                (Err(why), _) => {
                    let said = format!("its wipe is not sent: {why}");
                    told(BootStage::Script, StageOutcome::Refused, said);
                    let first = format!("A wipe of {name} was ordered, but is not sent:");
                    self.scripts.trouble(&place, &refusal_lines(first, why))?
                }
                (Ok(_), Ok(boot)) => {
                    told(
                        BootStage::Script,
                        StageOutcome::Done,
                        format!("wipe with {boot}, once"),
                    );
                    self.scripts.wipe(&place, &lines, &boot.wiping())?
                }
                // The decision was to hold if they are missing.
                (Ok(_), Err(missing)) => self.scripts.trouble(&place, &[missing.to_owned()])?,
            },
            BootDecision::Install {
                menu: timeout,
                attempt,
            } => {
                let talos = talos(true);
                match &talos {
                    Ok(boot) => {
                        let after = if timeout.is_some() { "menu, then " } else { "" };
                        let again = if attempt > 1 {
                            format!(", attempt {attempt} of {}", settings.install_attempts)
                        } else {
                            String::new()
                        };
                        told(
                            BootStage::Script,
                            StageOutcome::Done,
                            format!("{after}install with {boot}{again}"),
                        );
                        self.scripts.install(
                            &place,
                            ways,
                            timeout.map(menu).as_ref(),
                            &lines,
                            boot,
                        )?
                    }
                    // Files are not missing: the decision would be to hold.
                    Err(why) => {
                        let why = (*why).to_owned();
                        told(BootStage::Script, StageOutcome::Failed, why.clone());
                        let first = format!("{name} is approved, but its config is not released:");
                        self.scripts.trouble(&place, &refusal_lines(first, &why))?
                    }
                }
            }
            BootDecision::Menu { timeout, why } => {
                told(
                    BootStage::Script,
                    StageOutcome::Done,
                    menu_detail(why).to_owned(),
                );
                self.scripts.choose(
                    &place,
                    ways,
                    &menu(timeout),
                    &lines,
                    talos(true).as_ref().map_err(|missing| *missing),
                )?
            }
        };
        let (stage, outcome, why) = said;
        Ok(Drawn {
            script,
            why,
            stage,
            outcome,
        })
    }

    /// Where the script is served from, as the machine sees it.
    fn place(&self, ask: &ScriptAsk, advertised: Option<Ipv4Addr>) -> Place {
        Place {
            server: advertised.unwrap_or(ask.site.server),
            http_port: ask.site.http_port,
            mac: ask.mac,
            reports: self.reports,
        }
    }

    /// Completes the timeline's hold.
    fn hold_ended(&self, ask: &ScriptAsk, held: Duration, detail: String) {
        let seen = netboot::director::Observation {
            mac: Some(ask.mac),
            peer: ask.site.peer,
            stage: BootStage::Hold,
            duration: Some(held),
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

/// How a machine can be sent to its disk.
fn disk_ways(device: Option<&Device>, facts: &Facts) -> DiskWays {
    match device.map_or(LocalBoot::Auto, |device| device.local_boot) {
        LocalBoot::Auto => DiskWays {
            sanboot_bios: true,
            sanboot_uefi: facts.version.as_deref().is_some_and(comes_back),
        },
        LocalBoot::Sanboot => DiskWays {
            sanboot_bios: true,
            sanboot_uefi: true,
        },
        LocalBoot::Exit => DiskWays {
            sanboot_bios: false,
            sanboot_uefi: false,
        },
    }
}

/// Whether an iPXE of this version can start a disk under UEFI and comes back if there is nothing on it: builds of 2025 and newer, by
/// the date in a distribution's version text (`1.21.1+git-20250501`), and the 2.x line.
fn comes_back(version: &str) -> bool {
    let number = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse::<u32>()
            .ok()
    };
    let major = number(version.trim_start_matches('v'));
    let year = version
        .split_once("git-")
        .or_else(|| version.split_once("git"))
        .and_then(|(_, date)| number(date.get(..4)?));
    major.is_some_and(|major| major >= 2) || year.is_some_and(|year| year >= 2025)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_builds_that_come_back_from_an_empty_disk() {
        for (version, expected) in [
            ("1.0.0+git-20190125.36a4c85-5.1", false),
            ("1.21.1+git-20220113.fbbdc3926-0ubuntu1", false),
            ("1.21.1+git-20250501.abcdef0-1", true),
            ("1.21.1+ (g5e62b4bc6)", false),
            ("2.0.0", true),
            ("v2.0.0+", true),
            ("", false),
        ] {
            assert_eq!(comes_back(version), expected, "{version}");
        }
    }
}
