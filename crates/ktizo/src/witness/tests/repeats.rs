//! Words that come twice: of the same boot they are the same words, of another they are not.

use model::{Install, StageRecord, StandingOrder};

use super::*;

impl House {
    /// The machine boots by network, is ordered to install and is given its config.
    async fn boots_to_install(&self, device: &Device) {
        let (device, at) = (device.id, self.sender(1).at);
        let write = self.store.write(Lane::Admin, Actor::System, move |writer| {
            let script = StageRecord {
                stage: BootStage::Ipxe,
                at,
                duration_us: None,
                bytes: None,
                retries: None,
                peer: None,
                outcome: StageOutcome::Done,
                detail: String::new(),
            };
            writer.record_stage(device, &script)?;
            let mut ordered = writer.device(device)?.unwrap();
            ordered.life.give(StandingOrder::Install);
            let order = StandingOrder::Install;
            writer.live(&ordered, Some(model::EventKind::OrderGiven { order }))?;
            writer.save_config(&ordered, Role::Worker, b"config")?;
            let config = writer.config(device)?.unwrap();
            writer.config_released(device, config.sha256)
        });
        write.await.unwrap();
    }

    async fn installs_itself(&self) {
        let lines = [
            "initialize sequence: 9 phase(s)",
            "install sequence: 9 phase(s)",
            "phase install (2/9): 1 tasks(s)",
            "phase stopEverything (7/9): 1 tasks(s)",
        ];
        let lines = (1..).zip(lines);
        let lines = lines.map(|(number, text)| line(number, &format!("[talos] {text}")));
        let sender = self.sender(1);
        self.witness.kernel_lines(sender, lines.collect()).await;
    }
}

/// A kernel numbers its lines from the beginning, and a virtual machine may even take the same time for each.
#[tokio::test]
async fn two_boots_that_are_alike_to_the_microsecond_prove_an_install_each() {
    let mut house = House::new();
    let device = house.device(1, "approved").await;
    for boot in ["first", "second"] {
        house.boots_to_install(&device).await;
        let install = house.install(&device).await;
        assert!(
            matches!(install, Install::Begun { .. }),
            "{boot}: {install:?}"
        );
        house.installs_itself().await;
        house = house.restarted().await;
        let install = house.install(&device).await;
        assert!(
            matches!(install, Install::Installed { .. }),
            "{boot}: {install:?}"
        );
    }
}
