//! The boots of a run: what each took, stage by stage, and how many there were.

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::frame::{ACK, DISCOVER, Mac, Sighting};
use crate::wiretap::Seen;

/// Prints one line, at once.
pub fn say(line: impl fmt::Display) {
    let mut out = std::io::stdout().lock();
    // A closed terminal does not stop the lab.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The stages of one boot, each with the time since the machine was switched on.
#[derive(Clone, Debug, Default)]
pub struct Stages(Vec<(String, Duration)>);

impl Stages {
    /// Reads the stages that show on the wire: the first of each kind.
    pub fn from_wire(seen: &[Seen], client: Mac, started: Instant) -> Self {
        let mut stages = Self::default();
        for seen in seen {
            let name = match &seen.what {
                Sighting::Asked(dhcp)
                    if dhcp.client == client && dhcp.network_boot && dhcp.kind == DISCOVER =>
                {
                    "DISCOVER".to_owned()
                }
                Sighting::Answered(dhcp)
                    if dhcp.client == client && dhcp.port == 4011 && dhcp.kind == ACK =>
                {
                    "4011 ACK".to_owned()
                }
                Sighting::TftpRead { from, name } if *from == client => {
                    format!("tftp {}", last_part(name))
                }
                Sighting::HttpRequest { from, line } if *from == client => {
                    match line.strip_prefix("GET ") {
                        Some(path) => format!("http {}", last_part(path)),
                        None => continue,
                    }
                }
                _ => continue,
            };
            stages.first(name, seen.at.saturating_duration_since(started));
        }
        stages
    }

    /// Adds a stage unless it was there before.
    pub fn first(&mut self, name: impl Into<String>, at: Duration) {
        let name = name.into();
        if !self.0.iter().any(|(known, _)| *known == name) {
            self.0.push((name, at));
        }
    }
}

/// The last part of a path, without its query: enough to tell one file from another.
fn last_part(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, at)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {:.1}", at.as_secs_f64())?;
        }
        write!(f, " s")
    }
}

/// A goal for a time: printed beside what was measured. Only ten times the goal is a failure, for hosts differ.
///
/// # Errors
/// Beyond ten times the goal.
pub fn within(what: &str, measured: Duration, goal: Duration) -> anyhow::Result<()> {
    say(format_args!(
        "  {what}: {} ms (goal {} ms)",
        measured.as_millis(),
        goal.as_millis()
    ));
    anyhow::ensure!(
        measured <= goal * 10,
        "{what} took {measured:?}, more than ten times its goal of {goal:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_stage_counts() {
        let mut stages = Stages::default();
        stages.first("DISCOVER", Duration::from_millis(1_250));
        stages.first("DISCOVER", Duration::from_secs(9));
        stages.first("script", Duration::from_secs(2));
        assert_eq!(stages.to_string(), "DISCOVER 1.2, script 2.0 s");
    }

    #[test]
    fn a_goal_fails_beyond_ten_times() {
        assert!(within("x", Duration::from_millis(900), Duration::from_millis(100)).is_ok());
        assert!(
            within(
                "x",
                Duration::from_millis(1_100),
                Duration::from_millis(100)
            )
            .is_err()
        );
    }
}
