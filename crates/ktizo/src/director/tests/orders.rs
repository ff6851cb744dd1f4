//! What a machine gets boot by boot, and what is on the disk before its script is.

use std::time::Duration;

use configgen::script::ReportPorts;
use model::proof::Verdict;
use model::{
    Install, NetworkSettings, ProofSource, Sha256Digest, StageRecord, StandingOrder, Wipe,
};
use netboot::director::Facts;

use super::*;

/// A machine with all it needs, whose boots these tests play.
pub(super) async fn scene(settings: NetworkSettings) -> House {
    let mut house = house().await;
    house.office = house.office.with_reports(ReportPorts {
        events: Some(8090),
        kernel_log: None,
    });
    house
        .change(move |writer, _| writer.save_settings(&settings))
        .await;
    import(&house.office).await;
    house
}

pub(super) fn settings() -> NetworkSettings {
    NetworkSettings {
        menu_seconds: 0,
        ..NetworkSettings::default()
    }
}

impl House {
    /// The machine is switched on: its firmware asks for an address.
    pub(super) async fn power_on(&self) {
        self.clock.advance(Duration::from_secs(70));
        let at = self.clock.now();
        self.change(move |writer, device| {
            let record = StageRecord {
                stage: BootStage::Discover,
                at,
                duration_us: None,
                bytes: None,
                retries: None,
                peer: None,
                outcome: StageOutcome::Done,
                detail: String::new(),
            };
            writer.record_stage(device.id, &record).map(drop)
        })
        .await;
    }

    pub(super) fn script_ask(&self, held: Option<Timestamp>) -> ScriptAsk {
        ScriptAsk {
            mac: self.device.mac,
            site: site(PEER),
            facts: Some(Facts {
                inventory: Inventory::default(),
                version: None,
            }),
            held_since: held,
            choice: None,
        }
    }

    /// Its script, in short.
    pub(super) async fn asks(&self) -> &'static str {
        gist(&self.office.script(self.script_ask(None)).await)
    }

    /// It fetches its config whole.
    pub(super) async fn fetches_its_config(&self) {
        self.ask(false).await;
        self.ended(StageOutcome::Done).await;
    }

    pub(super) async fn life(&self) -> model::Lifecycle {
        let id = self.device.id;
        let read = self
            .office
            .store
            .read(Lane::Boot, move |reader| reader.device(id));
        read.await.unwrap().unwrap().life
    }

    async fn hears(&self, verdict: Verdict) {
        self.change(move |writer, device| {
            let taken = writer.take_verdict(device.id, &verdict, ProofSource::Events)?;
            assert!(taken, "{verdict:?}");
            Ok(())
        })
        .await;
    }

    pub(super) async fn orders(&self, order: StandingOrder) {
        self.change(move |writer, device| {
            let mut device = writer.device(device.id)?.unwrap();
            device.give_order(order);
            writer.update_device(&device)
        })
        .await;
    }

    pub(super) async fn orders_a_wipe(&self, then: StandingOrder) {
        self.change(move |writer, device| {
            let mut device = writer.device(device.id)?.unwrap();
            let told = device
                .life
                .give_wipe(Actor::Person("anna".into()), writer.now(), then);
            writer.live(&device, Some(told)).map(drop)
        })
        .await;
    }

    async fn events(&self, word: &str) -> usize {
        let read = self.office.store.read(Lane::Boot, |reader| {
            reader.events(&store::EventFilter::default())
        });
        let events = read.await.unwrap();
        events.iter().filter(|e| e.what.word() == word).count()
    }
}

/// What a script does, in a word.
pub(super) fn gist(script: &str) -> &'static str {
    let has = |text: &str| script.contains(text);
    match () {
        () if has("talos.experimental.wipe=system") && !has("talos.config=") => "wipe",
        () if has("wipe not proven") => "hold: wipe not proven",
        () if has("nothing proves that it did") => "hold: install failed",
        () if has("choose ") && has("--default local") => "menu",
        () if has("talos.config=") => "install",
        () if has("boots its local disk") => "disk",
        () if has("The first script of every boot") => "asks anew",
        () if has("cannot say what this machine is to do") => "excuse",
        () => panic!("{script}"),
    }
}

/// Nothing is spent for a machine that could not start.
#[tokio::test]
async fn a_wipe_waits_where_a_file_that_was_imported_is_gone() {
    let house = scene(settings()).await;
    house.orders_a_wipe(StandingOrder::Install).await;
    house.power_on().await;
    let file = house.office.assets.file(Sha256Digest([7; 32]));
    std::fs::remove_file(&file).unwrap();
    house.office.drain.cancel();
    let script = house.office.script(house.script_ask(None)).await;
    assert!(
        script.contains("vmlinuz-amd64 of Talos v1.13.9 is gone from the state folder."),
        "{script}"
    );
    assert!(matches!(house.life().await.wipe, Wipe::Ordered { .. }));
    std::fs::write(&file, b"k").unwrap();
    assert_eq!(house.asks().await, "wipe");
}

#[tokio::test]
async fn silence_repeats_the_order_and_then_asks_for_a_person() {
    let house = scene(settings()).await;
    for (attempt, expected) in [(1, "install"), (2, "install"), (3, "install")] {
        house.power_on().await;
        assert_eq!(house.asks().await, expected, "attempt {attempt}");
        // A loader that could not fetch the kernel asks again, which is no other attempt.
        assert_eq!(house.asks().await, expected, "attempt {attempt}, again");
        house.fetches_its_config().await;
        assert_eq!(house.life().await.install.attempt(), attempt);
    }
    for _ in 0..2 {
        house.power_on().await;
        assert_eq!(house.asks().await, "hold: install failed");
    }
    assert!(matches!(
        house.life().await.install,
        Install::Failed { attempt: 3, .. }
    ));
    assert_eq!(house.events("install_failed").await, 3);
    assert_eq!(house.events("install_repeated").await, 2);
    // An order begins the count anew.
    house.orders(StandingOrder::Install).await;
    house.power_on().await;
    assert_eq!(house.asks().await, "install");
}

/// Talos is on the disk, and its reports do not reach us: it has its config and fetches none, so only the scripts can be counted.
#[tokio::test]
async fn a_machine_that_fetches_no_config_any_more_is_not_booted_for_ever() {
    let house = scene(settings()).await;
    house.power_on().await;
    house.asks().await;
    house.fetches_its_config().await;
    let mut scripts = Vec::new();
    for _ in 0..4 {
        house.power_on().await;
        scripts.push(house.asks().await);
    }
    let hold = "hold: install failed";
    assert_eq!(scripts, ["install", "install", hold, hold]);
}

#[tokio::test]
async fn a_proven_machine_goes_to_its_disk_for_good() {
    for verdict in [Verdict::Installed, Verdict::Running] {
        let house = scene(settings()).await;
        house.power_on().await;
        house.asks().await;
        house.fetches_its_config().await;
        house.hears(verdict).await;
        for _ in 0..5 {
            house.power_on().await;
            assert_eq!(house.asks().await, "disk");
        }
    }
}

#[tokio::test]
async fn a_failure_that_is_told_is_an_attempt() {
    let house = scene(settings()).await;
    for attempt in 1..=3 {
        house.power_on().await;
        assert_eq!(house.asks().await, "install");
        house.fetches_its_config().await;
        let error = "no disk matches".to_owned();
        house.hears(Verdict::InstallFailed { error }).await;
        assert_eq!(house.life().await.install.attempt(), attempt);
    }
    house.power_on().await;
    let script = house.office.script(house.script_ask(None)).await;
    assert!(
        script.contains("The last time: no disk matches"),
        "{script}"
    );
    assert!(
        script.contains("ktizo device installed 52:54:00:00:00:01"),
        "{script}"
    );
}

#[tokio::test]
async fn without_reports_silence_tells_nothing() {
    let house = scene(NetworkSettings {
        reports: false,
        ..settings()
    })
    .await;
    house.power_on().await;
    assert_eq!(house.asks().await, "install");
    house.fetches_its_config().await;
    for _ in 0..5 {
        house.power_on().await;
        assert_eq!(house.asks().await, "menu");
    }
    house.hears(Verdict::Installed).await;
    house.power_on().await;
    assert_eq!(house.asks().await, "disk");
}

#[tokio::test]
async fn a_wipe_goes_out_once() {
    let house = scene(settings()).await;
    house.orders_a_wipe(StandingOrder::Install).await;
    house.power_on().await;
    assert_eq!(house.asks().await, "wipe");
    // Its answer was lost, it was switched off at any stage, it was switched on again: the order is spent.
    let held = "hold: wipe not proven";
    assert_eq!(house.asks().await, held);
    for _ in 0..3 {
        house.power_on().await;
        assert_eq!(house.asks().await, held);
    }
    assert_eq!(house.events("wipe_sent").await, 1);
    house.hears(Verdict::Wiped).await;
    house.power_on().await;
    assert_eq!(house.asks().await, "install");
}

/// The machine, or the daemon, is gone at any moment between the order and the answer.
#[tokio::test]
async fn a_wipe_whose_answer_never_left_is_spent_all_the_same() {
    let house = scene(settings()).await;
    house.orders_a_wipe(StandingOrder::Menu).await;
    house.power_on().await;
    // The daemon ends as soon as the order is spent: nobody waits for the script any more.
    let mut changes = house.office.store.subscribe();
    let ask = house.script_ask(None);
    tokio::select! {
        biased;
        _ = async {
            while !matches!(house.life().await.wipe, Wipe::Spent { .. }) {
                changes.recv().await.unwrap();
            }
        } => {}
        script = house.office.script(ask) => assert_eq!(gist(&script), "wipe"),
    }
    assert_eq!(house.events("wipe_sent").await, 1);
    assert_eq!(house.asks().await, "hold: wipe not proven");
}

#[tokio::test]
async fn a_wipe_that_cannot_be_written_down_is_not_sent() {
    let house = scene(settings()).await;
    house.orders_a_wipe(StandingOrder::Menu).await;
    house.power_on().await;
    house.office.store.clone().close();
    assert_eq!(house.asks().await, "excuse");
}

#[tokio::test]
async fn a_wipe_waits_no_longer_than_a_day() {
    let house = scene(settings()).await;
    house.orders_a_wipe(StandingOrder::Menu).await;
    house.clock.advance(Duration::from_secs(24 * 3600));
    house.power_on().await;
    assert_eq!(house.asks().await, "install", "its standing order");
    assert_eq!(house.events("wipe_sent").await, 0);
}

/// Many machines and many requests of one: the order is spent by one of them.
#[tokio::test]
async fn of_requests_at_once_one_gets_the_wipe() {
    let house = scene(settings()).await;
    house.orders_a_wipe(StandingOrder::Menu).await;
    house.power_on().await;
    let ask = || house.office.script(house.script_ask(None));
    let scripts: [String; 5] = tokio::join!(ask(), ask(), ask(), ask(), ask()).into();
    let wipes = scripts.iter().filter(|script| gist(script) == "wipe");
    assert_eq!(wipes.count(), 1);
}

/// A machine that only says that it is the one would be wiped in its place.
#[tokio::test]
async fn a_stranger_gets_no_wipe_and_spends_none() {
    let house = scene(settings()).await;
    house.orders_a_wipe(StandingOrder::Menu).await;
    house.power_on().await;
    let stranger = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 66));
    let script = house.script(stranger).await;
    assert!(!script.contains("talos.experimental.wipe"), "{script}");
    assert_eq!(house.events("wipe_sent").await, 0);
    assert_eq!(house.asks().await, "wipe");
}
