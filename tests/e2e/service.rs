//! What a service manager sees: ready, alive, and ended in time, whatever is under way.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::clock::{now, poll};
use ktizo_tests::daemon::Launch;
use ktizo_tests::lan::{Host, Lan, inside};
use ktizo_tests::ledger::within;

use crate::runner::{Lab, folder};
use crate::trial::{MAC, scene};

pub(crate) fn says_that_it_is_ready_and_that_it_lives(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "ready_and_alive")?;
    let mut lan = Lan::new()?;
    let host = lan.host("ktizo", 2)?;
    let launch = Launch::new(&lab.kit, &host, &folder)?;
    let mut ktizo = launch.with_env("WATCHDOG_USEC", "500000").start()?;
    within(
        "from start to ready",
        ktizo.ready_after,
        Duration::from_millis(300),
    )?;
    // Ready means that it answers.
    ensure!(ktizo.admin().get("/status")?.status == 200);
    let (asked, before) = (now(), ktizo.notices().count("WATCHDOG=1"));
    std::thread::sleep(Duration::from_secs(3));
    let beats = ktizo.notices().count("WATCHDOG=1") - before;
    // Two in each interval; on a busy host some come late, and three seconds take longer.
    let intervals = (now() - asked).as_secs_f64() / 0.5;
    let at_most = 2.0 * intervals + 2.0;
    ensure!(
        beats >= 6 && beats as f64 <= at_most,
        "{beats} signs of life in {intervals} intervals"
    );
    ktizo.stop(Duration::from_secs(10))?;
    ensure!(
        poll(Duration::from_secs(10), || ktizo
            .notices()
            .first("STOPPING=1"))
        .is_some(),
        "it did not say that it ends"
    );
    Ok(())
}

/// How many bytes lie unread in the connection that port 80 of a host has with a port elsewhere, by `/proc/net/tcp`.
fn unread(host: &Host, port: u16) -> Result<Option<u64>> {
    let table = inside(host, || fs::read_to_string("/proc/thread-self/net/tcp"))?;
    let (own, other) = (format!(":{:04X}", 80), format!(":{port:04X}"));
    let queue = table.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, local, remote, _, queues, ..] = words[..] else {
            return None;
        };
        let is_it = local.ends_with(&own) && remote.ends_with(&other);
        is_it.then(|| queues.split_once(':').map(|(_, unread)| unread.to_owned()))?
    });
    Ok(queue
        .map(|digits| u64::from_str_radix(&digits, 16))
        .transpose()?)
}

pub(crate) fn ends_in_time_with_work_under_way(lab: &Lab) -> Result<()> {
    let mut scene = scene(lab, "ends_in_time")?;
    let client = scene.lan.host("client", 9)?;
    let connect = || inside(&client, || TcpStream::connect("10.77.0.2:80"));

    // A machine that is held: its request is open.
    let first =
        format!("GET /boot/{MAC}?facts=1 HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let mut asked = connect()?;
    asked.write_all(first.as_bytes())?;
    asked.read_to_string(&mut answer)?;
    let since = answer
        .split("since=")
        .nth(1)
        .and_then(|rest| rest.split([' ', '&', '\n']).next())
        .context("the script that holds does not say since when")?;
    let mut held = connect()?;
    held.set_read_timeout(Some(Duration::from_secs(30)))?;
    held.write_all(
        first
            .replace("facts=1", &format!("facts=1&since={since}"))
            .as_bytes(),
    )?;
    // A transfer that its client has stopped reading.
    let mut stuck = connect()?;
    stuck.write_all(b"GET /talos/vmlinuz-amd64 HTTP/1.1\r\nHost: lab\r\n\r\n")?;
    stuck.read_exact(&mut [0; 1000])?;
    let port = held.local_addr()?.port();
    let taken = poll(Duration::from_secs(20), || {
        (unread(&scene.server, port).ok()? == Some(0)).then_some(())
    });
    taken.context("the held machine's request is not read")?;

    let told = now();
    let waiter = std::thread::spawn(move || {
        let mut answer = String::new();
        held.read_to_string(&mut answer).map(|_| (answer, now()))
    });
    let took = scene.ktizo.stop(Duration::from_secs(10))?;
    within(
        "to end with a stuck transfer",
        took,
        Duration::from_secs(10),
    )?;
    let (answer, at) = waiter
        .join()
        .map_err(|_| anyhow::anyhow!("the held request's thread panicked"))??;
    ensure!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("chain "),
        "the held machine was not told to ask again: {answer}"
    );
    within(
        "to answer the held machine",
        at - told,
        Duration::from_millis(500),
    )
}
