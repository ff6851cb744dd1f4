//! Boots and kernel logs, which people count by machine.

use model::{
    Actor, BootStage, Clock as _, Inventory, KernelLogLevel, KernelLogLine, MacAddr, SeenBy,
    StageOutcome, StageRecord, SystemClock,
};
use store::Lane;

use crate::{Daemon, complains, says};

impl Daemon {
    /// A machine boots, and says a line where it is to.
    fn boots(&self, mac: &str, line: Option<&str>) {
        let mac: MacAddr = mac.parse().unwrap();
        let line = line.map(|line| KernelLogLine {
            message: line.to_owned(),
            at: None,
            level: KernelLogLevel::Info,
            facility: "kern".to_owned(),
            priority: "info".to_owned(),
            sequence: 1,
            clock_us: 1,
        });
        let told = self
            .store
            .write(Lane::Boot, Actor::Device(mac), move |writer| {
                let device = writer
                    .sight(mac, &Inventory::default(), SeenBy::Script)?
                    .device;
                // Each is the first packet of a boot after the last one was up.
                for stage in [BootStage::Discover, BootStage::Script, BootStage::Talos] {
                    let record = StageRecord {
                        stage,
                        at: SystemClock.now(),
                        duration_us: None,
                        bytes: None,
                        retries: None,
                        peer: None,
                        outcome: StageOutcome::Done,
                        detail: String::new(),
                    };
                    writer.record_stage(device.id, &record)?;
                }
                line.map_or(Ok(()), |line| {
                    writer.keep_kernel_lines(device.id, std::slice::from_ref(&line))
                })
            });
        self.runtime.block_on(told).unwrap();
    }
}

#[test]
fn boots_are_counted_by_machine_and_logs_are_named_by_that_count() {
    let daemon = Daemon::start();
    let [one, two] = ["52:54:00:00:00:01", "52:54:00:00:00:02"];
    daemon.boots(one, Some("the first of one"));
    for line in [Some("the first of two"), None, Some("the third of two")] {
        daemon.boots(two, line);
    }
    daemon.boots(one, Some("the second of one"));
    let numbers = |mac: &str| {
        let boots = says(&daemon.run(&format!("device boots {mac} --limit 9")));
        let heads = boots.lines().filter_map(|line| line.strip_prefix("boot "));
        let number = |head: &str| head.split(' ').next().unwrap().to_owned();
        heads.map(number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(one), ["2", "1"]);
    assert_eq!(numbers(two), ["3", "2", "1"]);
    for (mac, boot, line) in [
        (one, "1", "the first of one"),
        (one, "2", "the second of one"),
        (two, "1", "the first of two"),
        (two, "3", "the third of two"),
    ] {
        let log = says(&daemon.run(&format!("device log {mac} --boot {boot}")));
        let head = format!("kernel log of boot {boot}");
        assert!(log.starts_with(&head) && log.contains(line), "{log}");
    }
    let last = says(&daemon.run(&format!("device log {two}")));
    assert!(last.starts_with("kernel log of boot 3"), "{last}");
    let (code, why) = complains(&daemon.run(&format!("device log {two} --boot 2")));
    assert!(code == 4 && why.contains("there is one of: 3, 1"), "{why}");
}
