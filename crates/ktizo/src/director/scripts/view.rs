//! All that a decision about one machine reads, at one moment, and what the decision changes.

use std::time::Duration;

use api::AssetFolder;
use configgen::script::ConfigLink;
use model::{
    Arch, BootDecision, BootId, BootState, Device, HoldReason, Install, InstallEvent, Inventory,
    MacAddr, NetworkSettings, Standing, TalosVersion, Timestamp, decide, hold_the_unsure,
};
use store::{Error as StoreError, Reader, Writer};

use crate::director::guard::Release;
use crate::director::talos::talos_for;

/// What is known of a machine that asks, and what hangs on it.
pub(in crate::director) struct View {
    pub(in crate::director) device: Option<Device>,
    pub(in crate::director) settings: NetworkSettings,
    /// What it would boot; else the sentence about what is missing.
    pub(in crate::director) talos: Result<(TalosVersion, Arch), String>,
    /// How sure it is that the boot is the device's.
    standing: Standing,
    /// The cards with which the device may have its config.
    pub(in crate::director) cards: Vec<MacAddr>,
    /// What its script says of its config. Until that is decided: where it is, without a token.
    pub(in crate::director) release: Release,
}

impl View {
    /// Reads it; without `heard`, no machine can report.
    pub(super) fn read(
        reader: &Reader<'_>,
        folder: &AssetFolder,
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
        let talos = talos_for(reader, folder, &settings, device.as_ref())?;
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
    pub(in crate::director) fn decide(
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
    pub(super) fn is_unsettled(&self, decision: BootDecision) -> bool {
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
    pub(super) fn attempt(&self) -> u32 {
        let device = self.device.as_ref();
        device.map_or(0, |device| device.life.install.attempt())
    }

    /// What became of that.
    pub(super) fn last_failure(&self) -> String {
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
    pub(super) fn settle(
        &mut self,
        writer: &Writer<'_>,
        decision: BootDecision,
    ) -> Result<bool, StoreError> {
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
    pub(super) fn carry_out(
        &mut self,
        writer: &Writer<'_>,
        decision: BootDecision,
    ) -> Result<(), StoreError> {
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
