//! `ktizo device log`.

use std::time::Duration;

use api::{ClientError, DeviceRef, LogQuery};
use model::{BootId, KernelLogEntry, KernelLogLevel, KernelLogSummary};

use super::super::output::say;
use super::super::{Failure, Output};

#[derive(Debug, clap::Args)]
pub(super) struct Log {
    /// Its name, its MAC address in any spelling, or its number
    device: DeviceRef,
    /// Of this boot, by its number in `ktizo device boots`; the last one with a log without it
    #[arg(long, value_name = "NUMBER")]
    boot: Option<u64>,
    /// Show no more than the last ones
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    limit: u64,
    /// Go on with what comes, until interrupted
    #[arg(long, short, conflicts_with = "boot")]
    follow: bool,
}

/// How often more lines are asked for.
const AGAIN: Duration = Duration::from_secs(1);

impl Log {
    pub(super) async fn run(self, client: &api::Client, output: Output) -> Result<(), Failure> {
        let boot = match self.boot {
            Some(number) => Some(numbered(client, &self.device, number).await?),
            None => None,
        };
        let mut query = LogQuery {
            boot,
            after: None,
            limit: self.limit,
        };
        let log = client.kernel_log(self.device.clone(), &query).await?;
        if !self.follow {
            return output.print(&log, |log| {
                let of_boot = log.logs.iter().find(|kept| Some(kept.boot) == log.boot);
                text(of_boot, &log.lines)
            });
        }
        let mut lines = log.lines;
        loop {
            for line in &lines {
                show(output, line)?;
            }
            query.after = lines.last().map(|line| line.id).or(query.after);
            lines = loop {
                tokio::time::sleep(AGAIN).await;
                match client.kernel_log(self.device.clone(), &query).await {
                    // A daemon that is started anew is waited for.
                    Err(ClientError::Unreachable { .. }) => {}
                    log => break log?.lines,
                }
            };
        }
    }
}

/// The boot of this number among those of the device that have a log.
async fn numbered(
    client: &api::Client,
    device: &DeviceRef,
    number: u64,
) -> Result<BootId, Failure> {
    let query = LogQuery {
        boot: None,
        after: None,
        limit: 1,
    };
    let logs = client.kernel_log(device.clone(), &query).await?.logs;
    if let Some(log) = logs.iter().find(|log| log.number == number) {
        return Ok(log.boot);
    }
    let there: Vec<String> = logs.iter().map(|log| log.number.to_string()).collect();
    Err(Failure::NotFound(if there.is_empty() {
        format!("there is no kernel log of boot {number}, nor of another boot of this machine")
    } else {
        format!(
            "there is no kernel log of boot {number} of this machine; there is one of: {}",
            there.join(", ")
        )
    }))
}

fn text(log: Option<&KernelLogSummary>, lines: &[KernelLogEntry]) -> String {
    let Some(log) = log else {
        return "This machine has not sent a kernel log yet.".to_owned();
    };
    let mut text = format!("kernel log of boot {}", log.number);
    if log.dropped > 0 {
        text.push_str(&format!(
            "; {} older lines are not kept any more",
            log.dropped
        ));
    }
    for line in lines {
        text.push('\n');
        text.push_str(&plain(line));
    }
    text
}

/// One line as `dmesg` prints it, with a word where it matters.
fn plain(entry: &KernelLogEntry) -> String {
    let line = &entry.line;
    let (seconds, rest) = (line.clock_us / 1_000_000, line.clock_us % 1_000_000);
    let level = match line.level {
        KernelLogLevel::Error => "ERROR ",
        KernelLogLevel::Warn if line.facility != "user" => "warning ",
        _ => "",
    };
    // What follows the first line is there for programs. A control character must not reach the terminal.
    let first = line.message.lines().next().unwrap_or_default();
    let first: String = first.chars().filter(|c| !c.is_control()).collect();
    format!("[{seconds:>5}.{rest:06}] {level}{first}")
}

fn show(output: Output, line: &KernelLogEntry) -> Result<(), Failure> {
    match output {
        Output::Table => say(&plain(line)),
        // One a line, as programs read a stream.
        Output::Json => {
            say(&serde_json::to_string(line).map_err(|err| Failure::Local(err.to_string()))?)
        }
        Output::Yaml => {
            say("---")?;
            output.print(line, |_| String::new())
        }
    }
}
