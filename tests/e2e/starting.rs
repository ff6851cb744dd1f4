//! The daemon starts whole or not at all, and says in one sentence why not.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::admin::by_tcp;
use ktizo_tests::daemon::{Ktizo, Launch};
use ktizo_tests::lan::{Host, Lan, inside};
use ktizo_tests::process::{output, run};

use crate::runner::{Lab, folder};

/// What keeps a port from the daemon until it is dropped.
enum Squatter {
    Udp { _socket: UdpSocket },
    Tcp { _listener: TcpListener },
}

pub(crate) fn a_port_in_use_is_one_sentence(lab: &Lab) -> Result<()> {
    let mut lan = Lan::new()?;
    let host = lan.host("ktizo", 2)?;
    for (name, address) in [
        ("UDP port 4011", "0.0.0.0:4011"),
        ("UDP port 69", "0.0.0.0:69"),
        ("TCP port 80", "0.0.0.0:80"),
        ("TCP port 8000", "127.0.0.1:8000"),
    ] {
        let folder = folder(lab, "a_port_in_use")?;
        let launch = Launch::new(&lab.kit, &host, &folder)?;
        let squatter = inside(&host, || {
            Ok(if name.starts_with("UDP") {
                Squatter::Udp {
                    _socket: UdpSocket::bind(address)?,
                }
            } else {
                Squatter::Tcp {
                    _listener: TcpListener::bind(address)?,
                }
            })
        });
        let squatter = squatter.context("the port cannot be taken")?;
        let said = refusal(&launch)?;
        drop(squatter);
        ensure!(said.contains(name), "{name} is not named: {said}");
        let owner = format!("process {}", std::process::id());
        ensure!(said.contains(&owner), "its owner is not named: {said}");
        ensure!(
            !folder.join("state/ktizo.db").exists(),
            "the database was opened although {name} was in use"
        );
    }
    // Not one of the four attempts left something behind that stands in the way.
    Ktizo::start(&lab.kit, &host, &folder(lab, "a_port_in_use")?).map(drop)
}

pub(crate) fn a_second_daemon_is_refused(lab: &Lab) -> Result<()> {
    let mut lan = Lan::new()?;
    let (one, two) = (lan.host("one", 2)?, lan.host("two", 3)?);
    let first = folder(lab, "a_second_daemon_one")?;
    let _running = Ktizo::start(&lab.kit, &one, &first)?;

    let same_state = refusal(&Launch::new(&lab.kit, &two, &first)?)?;
    ensure!(
        same_state.contains("is in use by another ktizo"),
        "{same_state}"
    );
    let elsewhere = folder(lab, "a_second_daemon_two")?;
    let socket = format!("/run/{}.sock", one.netns);
    let same_socket = refusal(&Launch::new(&lab.kit, &two, &elsewhere)?.with_socket(&socket))?;
    ensure!(same_socket.contains(&socket), "{same_socket}");
    Ktizo::start(&lab.kit, &two, &elsewhere).map(drop)
}

/// A state folder that the user cannot reach is named, with the user and the folder above it that is closed.
pub(crate) fn a_state_folder_closed_to_the_user_is_named(lab: &Lab) -> Result<()> {
    let mut lan = Lan::new()?;
    let host = lan.host("ktizo", 2)?;
    let folder = folder(lab, "a_closed_folder")?;
    let closed = folder.join("closed");
    fs::create_dir(&closed)?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
    let file = folder.join("ktizo.yaml");
    fs::write(&file, "user: nobody\n")?;
    let launch = Launch::new(&lab.kit, &host, &closed)?;
    let said = refusal(&launch.with("--config").with(&file))?;
    for words in [
        "the user `nobody`",
        "closed is closed to it",
        "`user: null`",
    ] {
        ensure!(said.contains(words), "{words} is not said: {said}");
    }
    fs::write(&file, "user: null\n")?;
    let launch = Launch::new(&lab.kit, &host, &closed)?;
    launch.with("--config").with(&file).start().map(drop)
}

/// The one sentence of a daemon that does not start.
fn refusal(launch: &Launch) -> Result<String> {
    let output = launch.refused()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(1),
        "it ended with {}: {said}",
        output.status
    );
    ensure!(
        said.trim_end().lines().count() == 1 && said.starts_with("ktizo: "),
        "not one sentence: {said}"
    );
    ensure!(output.stdout.is_empty(), "it went on before it was refused");
    Ok(said)
}

pub(crate) fn a_wrong_config_file_is_refused_with_its_line(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "a_wrong_config_file")?;
    let file = folder.join("ktizo.yaml");
    let check = || {
        Command::new(lab.kit.ktizo())
            .arg("check-config")
            .arg(&file)
            .output()
    };
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../etc/ktizo.yaml");
    fs::copy(shipped, &file)?;
    let right = check()?;
    ensure!(right.status.success(), "the shipped file is refused");
    for (text, place) in [
        ("log: info\nboot:\n  http_prot: 80\n", "line 3 column 3"),
        ("log: info\nstate: /tmp\n", "line 2 column 1"),
    ] {
        fs::write(&file, text)?;
        let wrong = check()?;
        let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
        ensure!(wrong.status.code() == Some(1), "it was accepted: {text}");
        ensure!(said.contains(place), "{place} is not named: {said}");
        let mut lan = Lan::new()?;
        let launch = Launch::new(&lab.kit, &lan.host("ktizo", 2)?, &folder)?;
        let started = refusal(&launch.with("--config").with(&file))?;
        ensure!(started.contains(place), "{place} is not named: {started}");
    }
    Ok(())
}

/// Nothing of the admin plane is on the boot plane, and nothing of it is open to the LAN or to others on the host.
pub(crate) fn the_admin_plane_is_closed_to_the_network(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "the_admin_plane")?;
    let mut lan = Lan::new()?;
    let (host, client) = (lan.host("ktizo", 2)?, lan.host("client", 9)?);
    let ktizo = Ktizo::start(&lab.kit, &host, &folder)?;
    let ask = |from: &Host, port, path: &str, headers: &[&str]| {
        let to = if port == 80 { "10.77.0.2" } else { "127.0.0.1" };
        by_tcp(from, (to, port), "GET", path, headers)
    };
    ensure!(ask(&client, 80, "/boot.ipxe", &[])?.status == 200);
    for path in [
        "/api/v1/devices",
        "/api/v1/status",
        "/healthz",
        "/metrics",
        "/",
    ] {
        let status = ask(&client, 80, path, &[])?.status;
        ensure!(status == 404, "{path} on the boot port gives {status}");
    }
    ensure!(
        by_tcp(&client, ("10.77.0.2", 8000), "GET", "/api/v1/status", &[]).is_err(),
        "the admin port is open to the LAN"
    );
    let token = fs::read_to_string(ktizo.state().join("admin.token"))?;
    let bearer = |token: &str| format!("Authorization: Bearer {}", token.trim());
    let path = "/api/v1/status";
    for (header, status) in [
        ("X-Nothing: at all".to_owned(), 401),
        (bearer("0123456789abcdef0123456789abcdef"), 401),
        (bearer(&token), 200),
    ] {
        let given = ask(&host, 8000, path, &[&header])?.status;
        ensure!(given == status, "{given} instead of {status}");
    }
    for (name, mode) in [
        ("admin.token", 0o600),
        ("ktizo.db", 0o600),
        ("compiled/pxe/boot.ipxe", 0o600),
        ("", 0o700),
    ] {
        has_mode(&ktizo.state().join(name), mode)?;
    }
    // Another user of the host may connect to the socket, and is told that this user may do nothing.
    // The program lies where others may start it, which the folder of the build need not be.
    let open = tempfile::tempdir()?;
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755))?;
    let program = open.path().join("ktizo");
    fs::copy(lab.kit.ktizo(), &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let stranger = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["status", "--socket", &format!("/run/{}.sock", host.netns)])
        .output()?;
    ensure!(
        stranger.status.code() == Some(5),
        "a stranger was let in: {stranger:?}"
    );
    Ok(())
}

/// `ktizo admin reset` prints a link that leads to the page it is for, plain and by TLS.
pub(crate) fn a_set_up_link_leads_to_its_page(lab: &Lab) -> Result<()> {
    let mut lan = Lan::new()?;
    let host = lan.host("ktizo", 2)?;
    for (listen, root) in [
        ("{listen: 127.0.0.1:8000}", "http://127.0.0.1:8000"),
        ("{listen: 0.0.0.0:8000}", "http://10.77.0.2:8000"),
        (
            "{listen: 127.0.0.1:8000, tls: {}}",
            "https://127.0.0.1:8000",
        ),
    ] {
        let folder = folder(lab, "a_set_up_link")?;
        let file = folder.join("ktizo.yaml");
        fs::write(&file, format!("admin: {listen}\n"))?;
        let launch = Launch::new(&lab.kit, &host, &folder)?;
        let ktizo = launch.with("--config").with(&file).start()?;
        let said = ktizo.command(["admin", "reset"])?;
        let path = said.trim().strip_prefix(root);
        let path = path.filter(|path| path.starts_with("/set-up?token="));
        let path = path.with_context(|| format!("not a link at {root}: {said}"))?;
        if let Some(place) = root.strip_prefix("http://") {
            let place = place.strip_suffix(":8000").unwrap_or(place);
            let page = by_tcp(&host, (place, 8000), "GET", path, &[])?;
            ensure!(page.status == 200, "the link gives {}", page.status);
        }
    }
    Ok(())
}

fn has_mode(path: &Path, mode: u32) -> Result<()> {
    let found = fs::metadata(path)
        .with_context(|| format!("{} is not there", path.display()))?
        .permissions()
        .mode()
        & 0o777;
    ensure!(found == mode, "{} has mode {found:o}", path.display());
    Ok(())
}

pub(crate) fn the_unit_is_valid_and_closed(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "the_unit")?;
    let unit = folder.join("ktizo.service");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd/ktizo.service");
    let text = fs::read_to_string(shipped)?;
    let installed = "ExecStart=/usr/bin/ktizo";
    ensure!(text.contains(installed), "the unit starts something else");
    let built = format!("ExecStart={}", lab.kit.ktizo().display());
    fs::write(&unit, text.replace(installed, &built))?;
    let path = unit.to_string_lossy();
    let said = run("systemd-analyze", &["verify", "--man=no", &path])?;
    ensure!(said.trim().is_empty(), "{said}");
    let score = output(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=20"])
            .arg(&unit),
    )?;
    let overall = score.lines().find(|line| line.contains("Overall exposure"));
    ktizo_tests::ledger::say(format_args!("  {}", overall.unwrap_or_default().trim()));
    Ok(())
}

/// Started as root by hand, it binds, then becomes another user, and still does its work.
pub(crate) fn roots_powers_are_given_up(lab: &Lab) -> Result<()> {
    let logs = folder(lab, "roots_powers")?;
    let mut lan = Lan::new()?;
    let (host, client) = (lan.host("ktizo", 2)?, lan.host("client", 9)?);
    // The build folder may be closed to other users.
    let place = Path::new("/run").join(format!("{}-place", host.netns));
    fs::create_dir(&place)?;
    let file = logs.join("ktizo.yaml");
    fs::write(&file, "user: nobody\n")?;
    let launch = Launch::new(&lab.kit, &host, &place)?;
    let mut ktizo = launch.with("--config").with(&file).start()?;
    let status = fs::read_to_string(format!("/proc/{}/status", ktizo.process().pid()))?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.map(|line| {
            line.split_whitespace()
                .skip(1)
                .collect::<Vec<_>>()
                .join(" ")
        })
    };
    ensure!(
        field("Uid:").as_deref() == Some("65534 65534 65534 65534"),
        "{status}"
    );
    for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
        ensure!(
            field(set).as_deref() == Some("0000000000000000"),
            "{set} is not empty: {status}"
        );
    }
    ktizo.command(["device", "add", "52:54:00:77:00:20"])?;
    let script = by_tcp(&client, ("10.77.0.2", 80), "GET", "/boot.ipxe", &[])?;
    ensure!(script.status == 200, "{}", script.text());
    ktizo.stop(Duration::from_secs(10))?;
    ktizo.restart()?;
    ktizo.command(["device", "show", "52:54:00:77:00:20"])?;
    Ok(())
}
