//! What the office writes down of a device's config.

use std::net::{IpAddr, Ipv4Addr};

use api::NextBoot as _;
use model::{EphemeralVolume, Inventory, ManualClock, Role, Timestamp};
use store::NewDevice;

use super::*;

const MAC: &str = "52:54:00:00:00:01";
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

/// An office with one approved device that has a config.
struct House {
    office: Office,
    device: model::Device,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
    let store = Store::open(&folder.path().join("x.db"), Arc::clone(&clock)).unwrap();
    let device = store
        .write(Lane::Admin, Actor::Person("anna".into()), |writer| {
            let mut device = writer.insert_device(NewDevice {
                mac: MAC.parse().unwrap(),
                hostname: Some("node-1".parse().unwrap()),
                ip_address: Some(Ipv4Addr::new(10, 0, 0, 5)),
                role: Some(Role::Worker),
                notes: String::new(),
                labels: model::Labels::default(),
                install_disk: None,
                ephemeral: EphemeralVolume::default(),
                inventory: Inventory::default(),
                seen: false,
            })?;
            device.approval = Approval::Approved {
                by: writer.actor().clone(),
                at: writer.now(),
            };
            writer.update_device(&device)?;
            writer.save_config(&device, Role::Worker, b"first")?;
            Ok::<_, StoreError>(device)
        })
        .await
        .unwrap();
    let office = Office::new(
        store,
        Arc::new(Scripts::new(&[]).unwrap()),
        Arc::new(Loaders::read(Vec::new(), Vec::new())),
        AssetFolder::open(folder.path().join("assets"), &[]).unwrap(),
        clock,
        CancellationToken::new(),
    );
    House {
        office,
        device,
        _folder: folder,
    }
}

impl House {
    async fn ask(&self, head_only: bool) -> ConfigAnswer {
        let site = Site {
            server: Ipv4Addr::new(10, 0, 0, 2),
            http_port: 80,
            peer: PEER,
        };
        let mac = self.device.mac;
        let ask = ConfigAsk {
            mac,
            site,
            head_only,
        };
        self.office.config(ask).await
    }

    /// A transfer ended. The store makes changes in their order, so it has been noted by the time the next one has been made.
    async fn ended(&self, outcome: StageOutcome) {
        self.office.observe(Observation {
            mac: Some(self.device.mac),
            peer: PEER,
            stage: BootStage::Config,
            duration: None,
            bytes: Some(5),
            retries: None,
            outcome,
            detail: String::new(),
        });
        self.change(|_, _| Ok(())).await;
    }

    async fn change(
        &self,
        f: impl FnOnce(&store::Writer<'_>, &model::Device) -> Result<(), StoreError> + Send + 'static,
    ) {
        let device = self.device.clone();
        let write = self
            .office
            .store
            .write(Lane::Boot, Actor::System, move |writer| f(writer, &device));
        write.await.unwrap();
    }

    async fn is_released(&self) -> bool {
        let mac = self.device.mac;
        let read = self
            .office
            .store
            .read(Lane::Boot, move |reader| reader.device_by_mac(mac));
        read.await.unwrap().unwrap().config_released_at.is_some()
    }
}

#[tokio::test]
async fn the_head_of_a_config_releases_nothing() {
    let house = house().await;
    let whole = ConfigAnswer::Serve(b"first".to_vec().into());
    assert_eq!(house.ask(true).await, whole);
    assert!(!house.is_released().await);
    assert_eq!(house.ask(false).await, whole);
    assert!(house.is_released().await);
    house.ended(StageOutcome::Failed).await;
    assert!(
        !house.is_released().await,
        "it is the only transfer there was"
    );
}

#[tokio::test]
async fn the_config_that_was_sent_is_the_one_that_was_served() {
    let house = house().await;
    let id = house.device.id;
    house.ask(false).await;
    house
        .change(|writer, device| {
            writer
                .save_config(device, Role::Worker, b"second")
                .map(drop)
        })
        .await;
    house.ended(StageOutcome::Done).await;
    let store = &house.office.store;
    let read = store.read(Lane::Boot, move |reader| reader.last_served(id));
    let served = read.await.unwrap();
    // Of the five bytes `first`.
    let expected = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
    assert_eq!(served.unwrap().0.to_string(), expected);
}

#[tokio::test]
async fn a_look_ahead_tells_and_changes_nothing() {
    let house = house().await;
    let mac = house.device.mac;
    let office = Arc::new(house.office);
    let preview = Preview::new(Arc::clone(&office), Ipv4Addr::new(10, 0, 0, 2), 80);
    let everything = || async {
        let read = office.store.read(Lane::Boot, move |reader| {
            let device = reader.device_by_mac(mac)?.unwrap();
            let boots = reader.boots(device.id, 9)?;
            Ok((device, boots, reader.last_event()?, reader.revision()?))
        });
        read.await.unwrap()
    };
    let look = || async { preview.script(mac, office.clock.now()).await.unwrap() };
    let before = everything().await;
    let ahead = look().await;
    assert_eq!(ahead.decision, "hold");
    assert!(
        ahead.missing.is_some() && ahead.why.contains("kernel"),
        "{ahead:?}"
    );
    assert_eq!(everything().await, before);

    let import = office.store.write(Lane::Admin, Actor::System, |writer| {
        for kind in model::AssetKind::ALL {
            writer.insert_asset(&model::Asset {
                version: "v1.13.9".parse().unwrap(),
                arch: model::Arch::Amd64,
                kind: *kind,
                size: 1,
                sha256: model::Sha256Digest([7; 32]),
                imported_at: writer.now(),
            })?;
        }
        Ok::<_, StoreError>(())
    });
    import.await.unwrap();
    let before = everything().await;
    let ahead = look().await;
    assert_eq!((ahead.decision.as_str(), ahead.missing), ("install", None));
    assert!(ahead.why.contains("v1.13.9"), "{}", ahead.why);
    assert!(
        ahead.script.contains("talos.config=http://10.0.0.2/"),
        "{}",
        ahead.script
    );
    assert_eq!(everything().await, before);
}
