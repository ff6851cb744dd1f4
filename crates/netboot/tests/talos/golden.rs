//! Messages that Talos's own code made: each is read as it was meant, and each boot comes to what it came to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use model::proof::{EventReading, KernelReading, Reception, Verdict};
use model::talos::{StepAction, TalosEvent, TalosNotice};
use model::{KernelLogLine, Timestamp};
use netboot::net::event_sink::EventSinkLimits;
use netboot::net::kernel_log::KernelLogLimits;
use netboot::wire::{kernel_log, talos_event};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::kernel::{self, LOCAL};
use crate::taker::{Bench, Keeper};

/// The folder of messages; without it a test says so and is skipped, except where everything has to run.
fn folder() -> Option<PathBuf> {
    let Some(root) = std::env::var_os("KTIZO_GOLDEN_DIR") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "KTIZO_GOLDEN_DIR has to be set where CI=true"
        );
        println!("skipped: KTIZO_GOLDEN_DIR is not set, so there are no messages to read");
        return None;
    };
    Some(PathBuf::from(root).join("events"))
}

#[derive(Deserialize)]
struct Index {
    files: Vec<File>,
    sequences: Vec<Sequence>,
    singles: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    file: String,
    id: String,
    id_time: Timestamp,
    actor_id: String,
    r#type: String,
    fields: Value,
}

#[derive(Deserialize)]
struct Sequence {
    name: String,
    hostname: String,
    addresses: Vec<String>,
    stages: Vec<String>,
    outcome: String,
    error: String,
    files: Vec<String>,
}

/// All messages by name, and what is said of them.
fn messages() -> Option<(BTreeMap<String, Vec<u8>>, Index)> {
    let folder = folder()?;
    let index = fs::read(folder.join("index.json")).unwrap();
    let messages = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "bin"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    Some((messages, serde_json::from_slice(&index).unwrap()))
}

/// The name of a protobuf enum's value.
fn name(word: &str) -> String {
    word.to_uppercase()
}

/// The kind of an event and its fields, named as in the protobuf files.
fn fields(notice: &TalosNotice) -> (&'static str, Value) {
    match notice {
        TalosNotice::Sequence {
            sequence,
            action,
            error,
        } => {
            let error = error.as_ref().map(|error| {
                json!({"code": name(error.code.as_str()), "details": [], "message": error.message})
            });
            let action = name(action.as_str());
            let fields = json!({"sequence": sequence, "action": action, "error": error});
            ("machine.SequenceEvent", fields)
        }
        TalosNotice::Phase { phase, action } => {
            let fields = json!({"phase": phase, "action": name(action.as_str())});
            ("machine.PhaseEvent", fields)
        }
        TalosNotice::Task { task, action } => {
            let fields = json!({"task": task, "action": name(action.as_str())});
            ("machine.TaskEvent", fields)
        }
        TalosNotice::Service {
            service,
            state,
            message,
            health,
        } => {
            let health = json!({
                "unknown": health.unknown,
                "healthy": health.healthy,
                "last_message": health.last_message,
                "last_change": health.last_change.map(Timestamp::as_micros),
            });
            let state = name(state.as_str());
            let fields =
                json!({"service": service, "action": state, "message": message, "health": health});
            ("machine.ServiceStateEvent", fields)
        }
        TalosNotice::Restart { command } => ("machine.RestartEvent", json!({"cmd": command.0})),
        TalosNotice::ConfigLoadError { error } => {
            ("machine.ConfigLoadErrorEvent", json!({"error": error}))
        }
        TalosNotice::ConfigValidationError { error } => (
            "machine.ConfigValidationErrorEvent",
            json!({"error": error}),
        ),
        TalosNotice::Address {
            hostname,
            addresses,
        } => {
            let fields = json!({"hostname": hostname, "addresses": addresses});
            ("machine.AddressEvent", fields)
        }
        TalosNotice::Status {
            stage,
            ready,
            unmet,
        } => {
            let unmet: Vec<Value> = unmet
                .iter()
                .map(|unmet| json!({"name": unmet.name, "reason": unmet.reason}))
                .collect();
            let status = json!({"ready": ready, "unmet_conditions": unmet});
            let fields = json!({"stage": name(stage.as_str()), "status": status});
            ("machine.MachineStatusEvent", fields)
        }
        TalosNotice::Unknown { .. } => ("unknown", Value::Null),
        TalosNotice::Damaged { .. } => ("damaged", Value::Null),
    }
}

/// Puts times as they are kept: in microseconds, and none for the year 1.
fn in_micros(mut fields: Value) -> Value {
    if let Some(change) = fields.pointer_mut("/health/last_change") {
        let text = change.as_str().unwrap();
        *change = match text {
            "0001-01-01T00:00:00Z" => Value::Null,
            _ => json!(text.parse::<Timestamp>().unwrap().as_micros()),
        };
    }
    fields
}

#[test]
fn every_message_is_read_field_by_field() {
    let Some((messages, index)) = messages() else {
        return;
    };
    let said: BTreeSet<&str> = index.files.iter().map(|file| file.file.as_str()).collect();
    assert!(
        messages.keys().map(String::as_str).eq(said),
        "each is in the index"
    );
    assert!(!index.singles.is_empty() && !index.sequences.is_empty());
    for file in index.files {
        let event = talos_event::decode(&messages[&file.file]).unwrap();
        let (kind, fields) = fields(&event.notice);
        assert_eq!(kind, file.r#type, "{}", file.file);
        assert_eq!(fields, in_micros(file.fields), "{}", file.file);
        assert_eq!((&event.id, &event.actor), (&file.id, &file.actor_id));
        assert_eq!(event.made_at(), Some(file.id_time), "{}", file.file);
    }
}

#[test]
fn every_message_cut_off_anywhere_is_refused_or_read() {
    let Some((messages, _)) = messages() else {
        return;
    };
    for (name, bytes) in messages {
        let whole = talos_event::decode(&bytes).unwrap();
        for length in 0..bytes.len() {
            let cut = talos_event::decode(&bytes[..length]);
            assert!(
                cut.is_err() || cut.is_ok_and(|cut| cut != whole),
                "{name} cut to {length}"
            );
        }
    }
}

fn events(sequence: &Sequence, messages: &BTreeMap<String, Vec<u8>>) -> Vec<TalosEvent> {
    let read = |name: &String| talos_event::decode(&messages[name]).unwrap();
    sequence.files.iter().map(read).collect()
}

/// Checks what a machine's events came to.
fn check(sequence: &Sequence, reading: &EventReading) {
    let name = &sequence.name;
    let verdict = reading.verdict().expect(name);
    let outcome = match &verdict {
        verdict if verdict.proves_install() => "installed",
        Verdict::InstallFailed { .. } => "failed",
        Verdict::Maintenance => "maintenance",
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(outcome, sequence.outcome, "{name}");
    assert_eq!(
        verdict.error().unwrap_or_default(),
        sequence.error,
        "{name}"
    );
    assert_eq!(reading.progress().hostname(), sequence.hostname, "{name}");
    let addresses: Vec<String> = reading
        .progress()
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, sequence.addresses, "{name}");
}

#[test]
fn every_boot_comes_to_what_it_came_to() {
    let Some((messages, index)) = messages() else {
        return;
    };
    for sequence in &index.sequences {
        let mut reading = EventReading::default();
        let mut stages: Vec<String> = Vec::new();
        let mut boots = 0;
        for event in events(sequence, &messages) {
            let reception = reading.read(&event);
            boots += u32::from(reception == Reception::BeganBoot);
            if let Some(stage) = reading.progress().stage() {
                let stage = name(stage.as_str());
                if stages.last() != Some(&stage) {
                    stages.push(stage);
                }
            }
        }
        assert_eq!(stages, sequence.stages, "{}", sequence.name);
        let begun = stages.iter().filter(|stage| *stage == "UNKNOWN").count();
        assert_eq!(boots as usize, begun, "{}", sequence.name);
        check(sequence, &reading);
    }
}

#[test]
fn a_single_message_says_what_it_says_and_no_more() {
    let Some((messages, index)) = messages() else {
        return;
    };
    for single in &index.singles {
        let mut reading = EventReading::default();
        reading.read(&talos_event::decode(&messages[single]).unwrap());
        let verdict = reading.verdict();
        let name = single
            .trim_start_matches("single-")
            .trim_end_matches(".bin");
        match name {
            "machine-status-running-ready" => assert_eq!(verdict, Some(Verdict::Running)),
            "machine-status-maintenance-ready" | "task-running-maintenance-start" => {
                assert_eq!(verdict, Some(Verdict::Maintenance));
            }
            "sequence-install-stop-with-error" | "sequence-install-noop-fatal" => {
                assert!(
                    matches!(verdict, Some(Verdict::InstallFailed { .. })),
                    "{name}"
                );
            }
            "sequence-initialize-noop-fatal" => {
                assert!(
                    matches!(verdict, Some(Verdict::BootFailed { .. })),
                    "{name}"
                );
            }
            _ => assert_eq!(verdict, None, "{name}"),
        }
        let explained = reading.progress().config_error().is_some();
        assert_eq!(explained, name.starts_with("config-"), "{name}");
    }
}

#[test]
fn nothing_is_proven_before_it_is_so() {
    let Some((messages, index)) = messages() else {
        return;
    };
    for sequence in &index.sequences {
        let mut reading = EventReading::default();
        let proof = events(sequence, &messages).into_iter().find(|event| {
            reading.read(event);
            reading
                .verdict()
                .is_some_and(|verdict| verdict.proves_install())
        });
        let notice = proof.map(|event| event.notice);
        match (sequence.name.as_str(), notice) {
            // All is written, the config too, when services are stopped for the restart.
            // An unattended install has no sequence of its own: the machine restarts by itself in the place of its boot.
            ("install-ok" | "install-unattended", Some(TalosNotice::Phase { phase, action })) => {
                assert_eq!(
                    (phase.as_str(), action),
                    ("stopEverything", StepAction::Start)
                );
            }
            ("install-failed" | "maintenance", None) => {}
            (name, other) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn what_comes_twice_or_from_the_start_again_changes_nothing() {
    let Some((messages, index)) = messages() else {
        return;
    };
    for sequence in &index.sequences {
        let mut reading = EventReading::default();
        let events = events(sequence, &messages);
        for (at, event) in events.iter().enumerate() {
            assert_ne!(reading.read(event), Reception::Repeated);
            assert_eq!(reading.read(event), Reception::Repeated);
            if at % 50 == 49 {
                for earlier in &events[..at] {
                    assert_eq!(reading.read(earlier), Reception::Repeated);
                }
            }
        }
        check(sequence, &reading);
    }
}

#[tokio::test]
async fn every_boot_comes_through_the_receiver() {
    let Some((messages, index)) = messages() else {
        return;
    };
    for sequence in &index.sequences {
        let bench = Bench::new(EventSinkLimits::default(), Keeper::default()).await;
        let mut tasks = JoinSet::new();
        let mut client = Client::connect(bench.address, &mut tasks).await;
        for file in &sequence.files {
            assert_eq!(
                client.publish(&messages[file]).await.unwrap(),
                "0",
                "{file}"
            );
        }
        let mut reading = EventReading::default();
        for (_, event) in bench.keeper.kept.lock().unwrap().iter() {
            reading.read(event);
        }
        check(sequence, &reading);
    }
}

fn kernel_log() -> Option<Vec<u8>> {
    Some(fs::read(folder()?.join("kmsg.jsonl")).unwrap())
}

/// Checks the lines against the JSON they came as.
fn check_lines(lines: &[KernelLogLine], log: &[u8]) {
    let values: Vec<Value> = serde_json::Deserializer::from_slice(log)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(lines.len(), values.len());
    for (line, value) in lines.iter().zip(values) {
        let text = value["msg"].as_str().unwrap();
        let time: Timestamp = value["talos-time"].as_str().unwrap().parse().unwrap();
        assert_eq!(line.message, text.trim_end_matches('\n'));
        assert_eq!(line.at, Some(time));
        assert_eq!(line.level.as_str(), value["talos-level"]);
        assert_eq!(line.facility, value["facility"]);
        assert_eq!(line.priority, value["priority"]);
        assert_eq!(line.sequence, value["seq"]);
        assert_eq!(line.clock_us, value["clock"]);
    }
}

#[test]
fn every_line_of_a_kernel_log_is_read_key_by_key_and_the_log_proves_the_install() {
    let Some(log) = kernel_log() else {
        return;
    };
    let lines: Vec<KernelLogLine> = log
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| kernel_log::parse(line).unwrap())
        .collect();
    check_lines(&lines, &log);
    let mut reading = KernelReading::default();
    for line in &lines {
        reading.read(line);
    }
    assert_eq!(reading.verdict(), Some(Verdict::Installed));
}

#[tokio::test]
async fn a_kernel_log_comes_through_the_receiver_over_tcp_and_udp() {
    let Some(log) = kernel_log() else {
        return;
    };
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();

    let bench = kernel::Bench::new(KernelLogLimits::default(), kernel::Keeper::default()).await;
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(&log).await.unwrap();
    check_lines(&bench.lines(lines.len()).await, &log);

    let bench = kernel::Bench::new(KernelLogLimits::default(), kernel::Keeper::default()).await;
    let socket = UdpSocket::bind(LOCAL).await.unwrap();
    for line in &lines {
        let datagram = line.strip_suffix(b"\n").unwrap();
        socket.send_to(datagram, bench.address).await.unwrap();
    }
    check_lines(&bench.lines(lines.len()).await, &log);
}
