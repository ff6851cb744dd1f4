//! What the office writes down of a device's config.

use std::net::{IpAddr, Ipv4Addr};

use api::NextBoot as _;
use model::{EphemeralVolume, Inventory, ManualClock, Role, Timestamp};
use store::NewDevice;

use super::*;
use model::ConfigToken;

mod firmware;
mod orders;
mod places;
mod strangers;
mod templates;

const MAC: &str = "52:54:00:00:00:01";
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

/// An office with one approved device that has a config.
struct House {
    office: Office,
    device: model::Device,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
    let hand = Arc::clone(&clock);
    let clock: Arc<dyn Clock> = clock;
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
    let mut office = Office::new(
        store,
        Arc::new(Scripts::new(&[]).unwrap()),
        Arc::new(Loaders::read(Vec::new(), Vec::new())),
        AssetFolder::open(folder.path().join("assets"), &[]).unwrap(),
        clock,
        CancellationToken::new(),
    );
    office.peers = Arc::new(Peers::with_neighbours(neighbours));
    House {
        office,
        device,
        clock: hand,
        _folder: folder,
    }
}

/// The same with a kernel and an initramfs, so that it can boot.
async fn equipped() -> House {
    let house = house().await;
    import(&house.office).await;
    house
}

/// A kernel and an initramfs are imported; it is the same file.
async fn import(office: &Office) {
    let sha256 = model::Sha256Digest([7; 32]);
    std::fs::write(office.assets.file(sha256), b"k").unwrap();
    let write = office
        .store
        .write(Lane::Admin, Actor::System, move |writer| {
            for kind in model::AssetKind::ALL {
                writer.insert_asset(&model::Asset {
                    version: "v1.13.9".parse().unwrap(),
                    arch: model::Arch::Amd64,
                    kind: *kind,
                    size: 1,
                    sha256,
                    imported_at: writer.now(),
                })?;
            }
            Ok::<_, StoreError>(())
        });
    write.await.unwrap();
}

/// The kernel's table as the tests have it: the machine, a stranger, and nobody else.
fn neighbours(address: IpAddr) -> Option<model::MacAddr> {
    let IpAddr::V4(address) = address else {
        return None;
    };
    match address.octets() {
        [10, 0, 0, 9] => MAC.parse().ok(),
        [10, 0, 0, 66] => "52:54:00:00:00:66".parse().ok(),
        _ => None,
    }
}

fn site(peer: IpAddr) -> Site {
    Site {
        server: Ipv4Addr::new(10, 0, 0, 2),
        http_port: 80,
        peer,
    }
}

impl House {
    /// Asks for the config with the token in force, as the machine does.
    async fn ask(&self, head_only: bool) -> ConfigAnswer {
        let token = self.token().await;
        self.ask_with(token, head_only).await
    }

    async fn ask_with(&self, token: Option<ConfigToken>, head_only: bool) -> ConfigAnswer {
        let ask = ConfigAsk {
            mac: self.device.mac,
            site: site(PEER),
            token,
            head_only,
        };
        self.office.config(ask).await
    }

    /// The reason for a no.
    async fn refusal(&self, token: Option<ConfigToken>) -> String {
        match self.ask_with(token, false).await {
            ConfigAnswer::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// The script that `peer` gets for the machine.
    async fn script(&self, peer: IpAddr) -> String {
        let ask = ScriptAsk {
            mac: self.device.mac,
            site: site(peer),
            facts: Some(netboot::director::Facts::default()),
            held_since: None,
            choice: None,
        };
        self.office.script(ask).await
    }

    /// The token that the machine's own script carries.
    async fn token(&self) -> Option<ConfigToken> {
        token_in(&self.script(PEER).await)
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
    let house = equipped().await;
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
    let house = equipped().await;
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
    let preview = Preview::new(Arc::clone(&office), || (Ipv4Addr::new(10, 0, 0, 2), 80));
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

    import(&office).await;
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

fn token_in(script: &str) -> Option<ConfigToken> {
    let (_, rest) = script.split_once(".yaml?token=")?;
    ConfigToken::read(rest.get(..48)?)
}

#[tokio::test]
async fn a_config_is_served_for_the_token_of_the_last_script_alone() {
    let house = equipped().await;
    assert!(house.refusal(None).await.contains("no token"));
    let made_up = ConfigToken::from_random([1; 24]);
    assert!(
        house
            .refusal(Some(made_up))
            .await
            .contains("no token is in force")
    );
    let first = house.token().await;
    assert!(first.is_some());
    let second = house.token().await;
    assert!(house.refusal(first).await.contains("not the one"));
    assert!(house.refusal(None).await.contains("no token"));
    assert!(house.refusal(Some(made_up)).await.contains("not the one"));
    let whole = ConfigAnswer::Serve(b"first".to_vec().into());
    assert_eq!(house.ask_with(second, false).await, whole);
    // Talos asks again after a broken transfer, and after a restart of its own.
    assert_eq!(house.ask_with(second, false).await, whole);
}

#[tokio::test]
async fn a_token_ends_with_its_time_its_fetches_and_every_decision_about_the_device() {
    let house = equipped().await;
    let token = house.token().await;
    let whole = ConfigAnswer::Serve(b"first".to_vec().into());
    for _ in 0..50 {
        // A head is no fetch.
        assert_eq!(house.ask_with(token, true).await, whole);
        assert_eq!(house.ask_with(token, false).await, whole);
    }
    assert!(house.refusal(token).await.contains("50 times"));
    house
        .change(|writer, device| {
            writer
                .renew_token(device.id)
                .map(|renewed| assert!(renewed))
        })
        .await;
    assert_eq!(house.ask_with(token, false).await, whole);
    house
        .clock
        .advance(std::time::Duration::from_secs(3 * 60 * 60));
    assert!(house.refusal(token).await.contains("expired"));
    house
        .change(|writer, device| {
            writer
                .renew_token(device.id)
                .map(|renewed| assert!(renewed))
        })
        .await;
    assert_eq!(house.ask_with(token, false).await, whole);
    house
        .change(|writer, device| {
            let mut device = writer.device(device.id)?.unwrap();
            device.life.order = model::StandingOrder::Local;
            writer.update_device(&device)
        })
        .await;
    assert!(house.refusal(token).await.contains("no token is in force"));
    house
        .change(|writer, device| {
            writer
                .renew_token(device.id)
                .map(|renewed| assert!(!renewed))
        })
        .await;
}

#[tokio::test]
async fn a_stranger_gets_no_token_by_asking_for_the_script_of_another_machine() {
    let house = equipped().await;
    let own = house.token().await;
    for peer in ["10.0.0.66", "10.0.0.67", "192.0.2.1"] {
        let script = house.script(peer.parse().unwrap()).await;
        assert!(
            !script.contains("token") && !script.contains(".yaml"),
            "{script}"
        );
        assert!(script.contains("its config is not released"), "{script}");
    }
    // Nor does it put the machine's own token out of force.
    let whole = ConfigAnswer::Serve(b"first".to_vec().into());
    assert_eq!(house.ask_with(own, false).await, whole);
    house.change(|_, _| Ok(())).await;
    let read = house
        .office
        .store
        .read(Lane::Admin, |reader| reader.count_events("config_refused"));
    assert_eq!(read.await.unwrap(), 3);
}

#[tokio::test]
async fn where_the_mac_is_enough_no_token_is_made() {
    let house = equipped().await;
    house
        .change(|writer, _| {
            writer.save_settings(&model::NetworkSettings {
                config_release: ConfigRelease::Mac,
                ..writer.settings()?
            })
        })
        .await;
    let script = house.script("10.0.0.66".parse().unwrap()).await;
    assert!(
        script.contains(".yaml") && !script.contains("token"),
        "{script}"
    );
    let whole = ConfigAnswer::Serve(b"first".to_vec().into());
    assert_eq!(house.ask_with(None, false).await, whole);
}

const SECOND_CARD: &str = "52:54:00:00:00:66";
const BOARD: &str = "4c4c4544-0000-4000-8000-000000000001";
const OTHER_BOARD: &str = "4c4c4544-0000-4000-8000-000000000002";

impl House {
    /// The script of a machine that boots with `mac`, from its own address, and says what it is.
    async fn says(&self, mac: &str, uuid: &str, serial: Option<&str>) -> String {
        let peer = if mac == MAC { "10.0.0.9" } else { "10.0.0.66" };
        let inventory = Inventory {
            uuid: uuid.parse().ok(),
            serial: serial.map(str::to_owned),
            ..Inventory::default()
        };
        let ask = ScriptAsk {
            mac: mac.parse().unwrap(),
            site: site(peer.parse().unwrap()),
            facts: Some(netboot::director::Facts {
                inventory,
                version: None,
            }),
            held_since: None,
            choice: None,
        };
        self.office.script(ask).await
    }
}

#[tokio::test]
async fn two_machines_with_one_mac_get_no_config_until_a_person_decides() {
    let house = equipped().await;
    let id = house.device.id;
    let token = token_in(&house.says(MAC, BOARD, Some("S1")).await);
    assert!(token.is_some());
    let other = house.says(MAC, OTHER_BOARD, Some("S1")).await;
    assert!(other.contains("IDENTITY CONFLICT"), "{other}");
    assert!(!other.contains(".yaml"), "{other}");
    let own = house.says(MAC, BOARD, Some("S1")).await;
    assert!(own.contains("IDENTITY CONFLICT"), "{own}");
    assert!(house.refusal(token).await.contains("two machines"));
    let known = house
        .office
        .store
        .read(Lane::Admin, move |reader| {
            Ok((reader.device(id)?.unwrap(), reader.conflict(id)?.unwrap()))
        })
        .await
        .unwrap();
    assert_eq!(known.0.inventory.uuid.unwrap().to_string(), BOARD);
    assert_eq!(known.1.uuid.unwrap().to_string(), OTHER_BOARD);

    // It is the one that was known: the other one is turned away, and brings nothing up again.
    house
        .change(|writer, device| writer.keep_known(device.id))
        .await;
    assert!(token_in(&house.says(MAC, BOARD, Some("S1")).await).is_some());
    let turned_away = house.says(MAC, OTHER_BOARD, Some("S1")).await;
    assert!(turned_away.contains("This is not "), "{turned_away}");
    assert!(!turned_away.contains(".yaml") && !turned_away.contains("CONFLICT"));
    assert!(token_in(&house.says(MAC, BOARD, Some("S1")).await).is_some());

    // Its board was replaced.
    let found = known.1;
    house
        .change(move |writer, device| writer.accept_shown(device.id, &found))
        .await;
    assert!(token_in(&house.says(MAC, OTHER_BOARD, Some("S1")).await).is_some());
}

#[tokio::test]
async fn another_card_attaches_and_gets_a_config_once_a_person_confirmed_it() {
    let house = equipped().await;
    let id = house.device.id;
    house.says(MAC, BOARD, None).await;
    let script = house.says(SECOND_CARD, BOARD, None).await;
    assert!(
        script.contains("another card of node-1") && !script.contains(".yaml"),
        "{script}"
    );
    let count = house
        .office
        .store
        .read(Lane::Admin, |reader| reader.count_devices(None));
    assert_eq!(count.await.unwrap(), 1);
    let card = SECOND_CARD.parse().unwrap();
    house
        .change(move |writer, _| writer.confirm_card(id, card).map(|done| assert!(done)))
        .await;
    assert!(token_in(&house.says(SECOND_CARD, BOARD, None).await).is_some());

    // One UUID and another serial number is another machine, or none can tell.
    house
        .change(move |writer, _| writer.detach_card(id, card).map(drop))
        .await;
    house.says(MAC, BOARD, Some("S1")).await;
    house.says(SECOND_CARD, BOARD, Some("S2")).await;
    let twins = house.office.store.read(Lane::Admin, |reader| {
        Ok((reader.count_devices(None)?, reader.conflicts()?))
    });
    let (count, conflicts) = twins.await.unwrap();
    assert_eq!((count, conflicts.len()), (2, 2));
    assert_eq!(token_in(&house.says(MAC, BOARD, Some("S1")).await), None);
    house
        .change(|writer, _| writer.share_uuid(BOARD.parse().unwrap()))
        .await;
    assert!(token_in(&house.says(MAC, BOARD, Some("S1")).await).is_some());
}
