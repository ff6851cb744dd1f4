//! Kernel logs: beside their boots, in order, and bounded.

use model::{
    BootStage, DeviceId, KernelLogLevel, KernelLogLine, StageOutcome, StageRecord, Timestamp,
};
use store::{Change, Options};

use crate::{House, new};

fn line(sequence: u64, text: &str) -> KernelLogLine {
    KernelLogLine {
        message: text.to_owned(),
        at: Some(Timestamp::from_micros(7)),
        level: KernelLogLevel::Error,
        facility: "kern".to_owned(),
        priority: "err".to_owned(),
        sequence,
        clock_us: -5,
    }
}

async fn boots(house: &House, id: DeviceId, seconds: i64) {
    let record = StageRecord {
        stage: BootStage::Talos,
        at: Timestamp::from_micros(seconds * 1_000_000),
        duration_us: None,
        bytes: None,
        retries: None,
        peer: None,
        outcome: StageOutcome::Done,
        detail: String::new(),
    };
    house.write(move |w| w.record_stage(id, &record)).await;
}

async fn keep(house: &House, id: DeviceId, lines: Vec<KernelLogLine>) {
    house.write(move |w| w.keep_kernel_lines(id, &lines)).await;
}

async fn device(house: &House, n: u16) -> DeviceId {
    house.write(move |w| w.insert_device(new(n))).await.id
}

#[tokio::test]
async fn lines_lie_beside_the_boot_in_which_they_came() {
    let house = House::new();
    let id = device(&house, 1).await;
    keep(&house, id, vec![line(1, "before any boot")]).await;
    assert_eq!(house.read(move |r| r.kernel_logs(id)).await, []);
    boots(&house, id, 10).await;
    let mut changes = house.store.subscribe();
    keep(&house, id, vec![line(1, "a"), line(2, &"ö".repeat(3000))]).await;
    assert_eq!(
        changes.recv().await.unwrap(),
        Change {
            kernel_logs: vec![id],
            ..Change::default()
        }
    );
    boots(&house, id, 20).await;
    keep(&house, id, vec![line(1, "b"), line(2, "c"), line(3, "d")]).await;

    let logs = house.read(move |r| r.kernel_logs(id)).await;
    assert_eq!((logs.len(), logs[0].lines, logs[1].lines), (2, 3, 2));
    assert_eq!(logs[0].bytes, 3 * 65);
    let boot = logs[1].boot;
    let first = house.read(move |r| r.kernel_lines(id, boot, None, 9)).await;
    assert_eq!(first[0].line, line(1, "a"));
    assert_eq!(first[1].line.message.chars().count(), 1025);
    let boot = logs[0].boot;
    let last = house.read(move |r| r.kernel_lines(id, boot, None, 2)).await;
    let text = |lines: &[model::KernelLogEntry]| {
        let texts = lines.iter().map(|kept| kept.line.message.clone());
        texts.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(text(&last), "c d");
    let after = Some(last[0].id);
    let next = house
        .read(move |r| r.kernel_lines(id, boot, after, 9))
        .await;
    assert_eq!(text(&next), "d");
    // Not through another device.
    let other = device(&house, 2).await;
    let none = house
        .read(move |r| r.kernel_lines(other, boot, None, 9))
        .await;
    assert_eq!(none, []);
    house.write(move |w| w.delete_device(id)).await;
    assert_eq!(house.read(move |r| r.kernel_logs(id)).await, []);
}

#[tokio::test]
async fn a_chatty_node_keeps_what_is_newest() {
    let house = House::new();
    let id = device(&house, 1).await;
    boots(&house, id, 10).await;
    for batch in 0..40_u64 {
        let lines = (0..100).map(|n| line(batch * 100 + n, "x")).collect();
        keep(&house, id, lines).await;
    }
    let log = house.read(move |r| r.kernel_logs(id)).await[0];
    assert!((2000..=2250).contains(&log.lines), "{log:?}");
    assert_eq!(log.lines + log.dropped, 4000);
    let kept = house
        .read(move |r| r.kernel_lines(id, log.boot, None, 9999))
        .await;
    assert_eq!(kept.len() as u64, log.lines);
    assert_eq!(kept.last().unwrap().line.sequence, 3999);
    assert_eq!(kept[0].line.sequence, log.dropped);

    // Long lines weigh more.
    boots(&house, id, 20).await;
    for batch in 0..6_u64 {
        let long = "y".repeat(900);
        let lines = (0..100).map(|n| line(batch * 100 + n, &long)).collect();
        keep(&house, id, lines).await;
    }
    let log = house.read(move |r| r.kernel_logs(id)).await[0];
    assert!(log.bytes <= (256 << 10) + (32 << 10), "{log:?}");
    assert_eq!(log.lines + log.dropped, 600);
    for second in 3..10 {
        boots(&house, id, second * 10).await;
        keep(&house, id, vec![line(1, "z")]).await;
    }
    assert_eq!(house.read(move |r| r.kernel_logs(id)).await.len(), 4);
}

#[tokio::test]
async fn all_logs_together_are_bounded() {
    let house = House::with(Options {
        kernel_log_bytes: 100_000,
        ..Options::default()
    });
    for n in 1..=10 {
        let id = device(&house, n).await;
        boots(&house, id, 10).await;
        let lines = (0..200).map(|n| line(n, &"x".repeat(100))).collect();
        keep(&house, id, lines).await;
        house.pass(1);
    }
    let mut kept = Vec::new();
    for n in 1..=10_u16 {
        let id = DeviceId(n.into());
        kept.push(house.read(move |r| r.kernel_logs(id)).await.len());
    }
    assert_eq!(kept, [0, 0, 0, 0, 0, 0, 0, 1, 1, 1], "the oldest go first");
}
