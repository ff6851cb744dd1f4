//! What machines tell, from the address they tell it from to what is written down.

mod repeats;
mod wipes;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::talos::{SequenceAction, StepAction};
use model::{
    Actor, Approval, BootStage, Clock, Device, EphemeralVolume, Inventory, KernelLogLevel,
    KernelLogLine, MacAddr, ManualClock, ProofSource, Role, StageOutcome, TalosEvent, TalosNotice,
    Timestamp,
};
use netboot::net::kernel_log::KernelLogServer;
use netboot::net::taker::{EventTaker, NotTaken, Sender};
use serde::Deserialize;
use store::{Error as StoreError, Lane, NewDevice, Store};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::sender::Stranger;
use super::*;

/// A store, and a witness whose keeper runs.
struct House {
    store: Store,
    clock: Arc<ManualClock>,
    peers: Arc<Peers>,
    counters: Arc<WitnessCounters>,
    witness: Witness,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    _folder: Arc<tempfile::TempDir>,
}

impl House {
    fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
        let store = Store::open(
            &folder.path().join("x.db"),
            Arc::clone(&clock) as Arc<dyn Clock>,
        )
        .unwrap();
        Self::with(store, clock, folder)
    }

    fn with(store: Store, clock: Arc<ManualClock>, folder: Arc<tempfile::TempDir>) -> Self {
        let peers = Arc::new(Peers::with_neighbours(neighbours));
        let counters = Arc::<WitnessCounters>::default();
        let (witness, keeper) =
            Witness::new(store.clone(), Arc::clone(&peers), Arc::clone(&counters));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run(stop.clone()));
        Self {
            store,
            clock,
            peers,
            counters,
            witness,
            stop,
            tasks,
            _folder: folder,
        }
    }

    /// The same after a restart of the daemon.
    async fn restarted(mut self) -> Self {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        Self::with(self.store, self.clock, self._folder)
    }

    async fn device(&self, n: u8, approval: &'static str) -> Device {
        let write = self
            .store
            .write(Lane::Admin, Actor::Person("anna".into()), move |writer| {
                let mut device = writer.insert_device(NewDevice {
                    mac: format!("52:54:00:00:00:{n:02x}").parse().unwrap(),
                    hostname: Some(format!("node-{n}").parse().unwrap()),
                    ip_address: Some(Ipv4Addr::new(127, 7, 0, n)),
                    role: Some(Role::Worker),
                    notes: String::new(),
                    install_disk: None,
                    ephemeral: EphemeralVolume::default(),
                    inventory: Inventory::default(),
                    seen: false,
                    labels: model::Labels::default(),
                })?;
                let (by, at) = (writer.actor().clone(), writer.now());
                device.approval = match approval {
                    "approved" => Approval::Approved { by, at },
                    "rejected" => Approval::Rejected { by, at },
                    _ => Approval::Pending,
                };
                writer.update_device(&device)?;
                Ok::<_, StoreError>(device)
            });
        write.await.unwrap()
    }

    fn sender(&self, n: u8) -> Sender {
        self.clock.advance(std::time::Duration::from_millis(10));
        Sender {
            peer: IpAddr::V4(Ipv4Addr::new(127, 7, 0, n)),
            connected: true,
            at: self.clock.now(),
        }
    }

    async fn stages(&self, device: &Device) -> Vec<Vec<(BootStage, StageOutcome)>> {
        let id = device.id;
        let boots = self
            .store
            .read(Lane::Admin, move |reader| reader.boots(id, 10));
        let boots = boots.await.unwrap();
        let stages = boots.into_iter().rev().map(|boot| {
            let stages = boot.stages.iter();
            stages.map(|stage| (stage.stage, stage.outcome)).collect()
        });
        stages.collect()
    }
}

/// Two addresses are on a network of this host: one of a device's own card, one of a card of nobody. All others are behind a router.
fn neighbours(address: IpAddr) -> Option<MacAddr> {
    let card = match address.to_string().as_str() {
        "127.7.0.7" => "52:54:00:00:00:07",
        "127.7.0.8" => "52:54:00:ff:ff:ff",
        _ => return None,
    };
    Some(card.parse().unwrap())
}

fn event(id: u32, notice: TalosNotice) -> TalosEvent {
    TalosEvent {
        id: format!("event-{id}"),
        actor: String::new(),
        notice,
    }
}

fn begins(sequence: &str) -> TalosNotice {
    TalosNotice::Sequence {
        sequence: sequence.to_owned(),
        action: SequenceAction::Start,
        error: None,
    }
}

fn phase(phase: &str) -> TalosNotice {
    TalosNotice::Phase {
        phase: phase.to_owned(),
        action: StepAction::Start,
    }
}

#[tokio::test]
async fn only_an_approved_device_is_heard() {
    let house = House::new();
    house.device(1, "approved").await;
    house.device(2, "pending").await;
    house.device(3, "rejected").await;
    let asks: IpAddr = "127.7.0.9".parse().unwrap();
    for (n, taken) in [
        (1, Ok(())),
        (2, Err(NotTaken::Stranger)),
        (3, Err(NotTaken::Stranger)),
        (4, Err(NotTaken::Stranger)),
    ] {
        let event = event(1, begins("initialize"));
        assert_eq!(house.witness.event(house.sender(n), event).await, taken);
    }
    assert_eq!(house.counters.strangers(Stranger::Unknown), 3);
    // Whose requests came from an address counts where nothing else is known of it.
    for (mac, taken) in [
        ("52:54:00:00:00:01", Ok(())),
        ("52:54:00:00:00:02", Err(NotTaken::Stranger)),
        ("52:54:00:00:00:03", Err(NotTaken::Stranger)),
    ] {
        house.peers.learn(Some(asks), mac.parse().unwrap());
        let event = event(2, begins("boot"));
        assert_eq!(house.witness.event(house.sender(9), event).await, taken);
    }
    assert_eq!(house.counters.strangers(Stranger::Pending), 1);
    assert_eq!(house.counters.strangers(Stranger::Rejected), 1);
}

#[tokio::test]
async fn a_believed_report_shows_that_the_machine_is_there_and_no_other_does() {
    let house = House::new();
    let (approved, pending) = (
        house.device(1, "approved").await.id,
        house.device(2, "pending").await.id,
    );
    let seen = async |id| {
        let read = house
            .store
            .read(Lane::Admin, move |reader| reader.device(id));
        read.await.unwrap().unwrap().last_seen
    };
    let tell = async |n: u8, id: u32| {
        let sender = house.sender(n);
        let _ = house.witness.event(sender, event(id, begins("boot"))).await;
        sender.at
    };
    let first = tell(1, 1).await;
    assert_eq!(seen(approved).await, Some(first));
    house.clock.advance(std::time::Duration::from_secs(60));
    // The same again says nothing else.
    let again = tell(1, 1).await;
    assert_eq!(seen(approved).await, Some(again));
    // The clock was behind when it came.
    house.clock.advance(std::time::Duration::from_secs(60));
    let set_back = Sender {
        at: first,
        ..house.sender(1)
    };
    let again = house.clock.now();
    let _ = house
        .witness
        .event(set_back, event(1, begins("boot")))
        .await;
    assert_eq!(seen(approved).await, Some(again));
    tell(2, 2).await;
    assert_eq!(seen(pending).await, None);
    // Anybody can send a datagram from there.
    house.clock.advance(std::time::Duration::from_secs(60));
    let by_datagram = Sender {
        connected: false,
        ..house.sender(1)
    };
    house
        .witness
        .kernel_lines(by_datagram, vec![line(1, "hello")])
        .await;
    let house = house.restarted().await;
    let read = house
        .store
        .read(Lane::Admin, move |reader| reader.device(approved));
    assert_eq!(read.await.unwrap().unwrap().last_seen, Some(again));
}

#[tokio::test]
async fn a_restart_of_the_daemon_in_the_middle_loses_no_proof() {
    let house = House::new();
    let device = house.device(1, "approved").await;
    let before = [begins("initialize"), begins("install"), phase("install")];
    for (id, notice) in (1..).zip(before) {
        let taken = house.witness.event(house.sender(1), event(id, notice));
        taken.await.unwrap();
    }
    let house = house.restarted().await;
    // The answer to the last event was lost.
    let again = house
        .witness
        .event(house.sender(1), event(3, phase("install")));
    again.await.unwrap();
    let last = house
        .witness
        .event(house.sender(1), event(4, phase("stopEverything")));
    last.await.unwrap();
    use BootStage::*;
    let done = StageOutcome::Done;
    assert_eq!(
        house.stages(&device).await,
        [[(Talos, done), (Install, done), (Installed, done)]]
    );
}

fn line(sequence: u64, text: &str) -> KernelLogLine {
    KernelLogLine {
        message: text.to_owned(),
        at: None,
        level: KernelLogLevel::Warn,
        facility: "user".to_owned(),
        priority: "warning".to_owned(),
        sequence,
        clock_us: i64::try_from(sequence).unwrap() * 1000,
    }
}

#[tokio::test]
async fn lines_are_kept_beside_their_boot_without_their_secrets() {
    let house = House::new();
    let device = house.device(1, "approved").await;
    let lines = vec![
        line(
            1,
            "Command line: talos.config=http://10.0.0.2/a.yaml?token=s3cret quiet",
        ),
        line(2, "[talos] initialize sequence: 9 phase(s)"),
        line(3, "last words"),
        line(
            1,
            "Command line: talos.config=http://10.0.0.2/a.yaml?token=0ther",
        ),
    ];
    house.witness.kernel_lines(house.sender(1), lines).await;
    house
        .witness
        .kernel_lines(house.sender(5), vec![line(1, "x")])
        .await;
    let house = house.restarted().await;
    let id = device.id;
    let read = house.store.read(Lane::Admin, move |reader| {
        let mut kept = Vec::new();
        for log in reader.kernel_logs(id)?.into_iter().rev() {
            let lines = reader.kernel_lines(id, log.boot, None, 100)?;
            kept.push(
                lines
                    .into_iter()
                    .map(|kept| kept.line.message)
                    .collect::<Vec<_>>(),
            );
        }
        Ok(kept)
    });
    assert_eq!(
        read.await.unwrap(),
        [
            vec![
                "Command line: talos.config=http://10.0.0.2/a.yaml?*** quiet",
                "[talos] initialize sequence: 9 phase(s)",
                "last words",
            ],
            vec!["Command line: talos.config=http://10.0.0.2/a.yaml?***"],
        ]
    );
    let talos = (BootStage::Talos, StageOutcome::Done);
    assert_eq!(house.stages(&device).await, [[talos], [talos]]);
}

impl House {
    /// An approved device whose config has just gone out.
    async fn installing(&self, n: u8) -> Device {
        let device = self.device(n, "approved").await;
        let released = device.clone();
        let write = self.store.write(Lane::Admin, Actor::System, move |writer| {
            writer.save_config(&released, Role::Worker, b"config")?;
            let config = writer.config(released.id)?.unwrap();
            writer.config_released(released.id, config.sha256)
        });
        write.await.unwrap();
        device
    }

    async fn install(&self, device: &Device) -> model::Install {
        let id = device.id;
        let read = self
            .store
            .read(Lane::Admin, move |reader| reader.device(id));
        read.await.unwrap().unwrap().life.install
    }
}

/// The recorded messages, where they are at hand.
fn golden() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("KTIZO_GOLDEN_DIR") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "KTIZO_GOLDEN_DIR is not set"
        );
        eprintln!("skipped: KTIZO_GOLDEN_DIR is not set");
        return None;
    };
    Some(PathBuf::from(folder).join("events"))
}

/// One run of a machine, as it was recorded.
#[derive(Deserialize)]
struct Sequence {
    name: String,
    files: Vec<String>,
    outcome: String,
    error: String,
}

#[derive(Deserialize)]
struct Index {
    sequences: Vec<Sequence>,
    singles: Vec<String>,
}

fn recorded(folder: &Path, file: &str) -> TalosEvent {
    netboot::wire::talos_event::decode(&std::fs::read(folder.join(file)).unwrap()).unwrap()
}

fn index(folder: &Path) -> Index {
    serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn every_recorded_run_ends_where_it_ended_also_if_each_word_comes_twice_and_ktizo_restarts() {
    use BootStage::*;
    use StageOutcome::{Done, Failed, Running};
    let Some(folder) = golden() else { return };
    let runs = index(&folder).sequences;
    assert_eq!(runs.len(), 4);
    for restart_every in [usize::MAX, 7] {
        let mut house = House::new();
        for (n, run) in (1..).zip(&runs) {
            let device = house.installing(n).await;
            for (number, file) in run.files.iter().enumerate() {
                let event = recorded(&folder, file);
                for _ in 0..2 {
                    let taken = house.witness.event(house.sender(n), event.clone()).await;
                    assert_eq!(taken, Ok(()), "{file}");
                }
                if number % restart_every == restart_every - 1 {
                    house = house.restarted().await;
                }
            }
            let up = vec![(Talos, Done), (Start, Done), (Ready, Done)];
            let stages = match run.name.as_str() {
                "install-ok" => vec![
                    vec![
                        (Talos, Done),
                        (Install, Done),
                        (Installed, Done),
                        (Restart, Done),
                    ],
                    up,
                ],
                "install-unattended" => vec![
                    vec![
                        (Talos, Done),
                        (Start, Done),
                        (Install, Done),
                        (Installed, Done),
                        (Restart, Done),
                    ],
                    up,
                ],
                "install-failed" => vec![vec![(Talos, Done), (Install, Failed)]],
                "maintenance" => vec![vec![(Talos, Done), (Maintenance, Running)]],
                other => panic!("a run that is new: {other}"),
            };
            let name = &run.name;
            assert_eq!(house.stages(&device).await, stages, "{name}");
            let install = house.install(&device).await;
            match run.outcome.as_str() {
                "installed" => assert!(
                    matches!(
                        install,
                        model::Install::Installed {
                            by: ProofSource::Events,
                            ..
                        }
                    ),
                    "{name}: {install:?}"
                ),
                "failed" => match install {
                    model::Install::Failed { error, .. } => {
                        assert_eq!(error.as_deref(), Some(run.error.as_str()), "{name}");
                    }
                    other => panic!("{name}: {other:?}"),
                },
                _ => assert!(
                    matches!(install, model::Install::Begun { .. }),
                    "{name}: {install:?}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn a_single_message_alone_proves_what_it_says() {
    let Some(folder) = golden() else { return };
    let house = House::new();
    for (n, single) in (1..).zip(index(&folder).singles) {
        let device = house.installing(n).await;
        let event = recorded(&folder, &single);
        let taken = house.witness.event(house.sender(n), event).await;
        assert_eq!(taken, Ok(()), "{single}");
        let installed = matches!(
            house.install(&device).await,
            model::Install::Installed { .. }
        );
        assert_eq!(
            installed,
            single == "single-machine-status-running-ready.bin",
            "{single}"
        );
    }
}

#[tokio::test]
async fn a_recorded_kernel_log_proves_the_install_over_a_real_socket() {
    use BootStage::*;
    let Some(folder) = golden() else { return };
    let log = std::fs::read(folder.join("kmsg.jsonl")).unwrap();
    let mut house = House::new();
    let device = house.installing(1).await;
    let clock = Arc::clone(&house.clock) as Arc<dyn Clock>;
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let receiver = KernelLogServer::bind(local, clock).await.unwrap();
    let address = receiver.local_addr();
    let (inbox, stop) = (house.witness.inbox.clone(), CancellationToken::new());
    let served = receiver.serve(Arc::new(Witness { inbox }), stop.clone());
    house.tasks.spawn(served);

    let mut changes = house.store.subscribe();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 7, 0, 1], 0))).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(&log).await.unwrap();
    drop(stream);
    let id = device.id;
    // The proof is not the last line.
    let kept = async || {
        let read = house
            .store
            .read(Lane::Admin, move |reader| reader.kernel_logs(id));
        let logs = read.await.unwrap();
        logs.iter().map(|log| log.lines).sum::<u64>()
    };
    let proven = async {
        while kept().await < 40
            || !matches!(
                house.install(&device).await,
                model::Install::Installed { .. }
            )
        {
            changes.recv().await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), proven)
        .await
        .unwrap();
    stop.cancel();
    let house = house.restarted().await;
    let done = StageOutcome::Done;
    assert_eq!(
        house.stages(&device).await,
        [[(Talos, done), (Install, done), (Installed, done)]]
    );
    let read = house
        .store
        .read(Lane::Admin, move |reader| reader.kernel_logs(id));
    let logs = read.await.unwrap();
    assert_eq!((logs.len(), logs[0].lines, logs[0].dropped), (1, 40, 0));
}

/// Whoever is on the network can send a datagram in the name of any machine.
#[tokio::test]
async fn a_kernel_log_by_datagrams_is_kept_and_proves_nothing() {
    let Some(folder) = golden() else { return };
    let log = std::fs::read(folder.join("kmsg.jsonl")).unwrap();
    let lines: Vec<KernelLogLine> = log
        .split(|byte| *byte == b'\n')
        .filter_map(|line| netboot::wire::kernel_log::parse(line).ok())
        .collect();
    let house = House::new();
    let device = house.installing(1).await;
    let id = device.id;
    let at = house.clock.now();
    let begins = house
        .store
        .write(Lane::Admin, Actor::System, move |writer| {
            let discover = model::StageRecord {
                stage: BootStage::Discover,
                at,
                duration_us: None,
                bytes: None,
                retries: None,
                peer: None,
                outcome: StageOutcome::Done,
                detail: String::new(),
            };
            writer.record_stage(id, &discover).map(drop)
        });
    begins.await.unwrap();
    let forged = Sender {
        connected: false,
        ..house.sender(1)
    };
    house.witness.kernel_lines(forged, lines.clone()).await;
    let house = house.restarted().await;
    assert!(matches!(
        house.install(&device).await,
        model::Install::Begun { .. }
    ));
    let read = house
        .store
        .read(Lane::Admin, move |reader| reader.kernel_logs(id));
    assert_eq!(read.await.unwrap()[0].lines, 40);
    // Nor do they keep the machine's own word from being taken.
    let own = house.sender(1);
    house.witness.kernel_lines(own, lines).await;
    let house = house.restarted().await;
    assert!(matches!(
        house.install(&device).await,
        model::Install::Installed { .. }
    ));
}
