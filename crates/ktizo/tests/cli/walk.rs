//! What a person does at a terminal, and what the same command does without one.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::ACCEPT;
use axum::middleware::{Next, from_fn};
use model::{
    Actor, BootStage, Clock as _, EphemeralVolume, EventKind, Inventory, Labels, MacAddr, SeenBy,
    StageOutcome, StageRecord, SystemClock,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use store::{Lane, NewDevice};

use crate::terminal::{CTRL_C, PATIENCE, Terminal};
use crate::{Daemon, complains, put, says};

const MAC: &str = "52:54:00:00:00:01";

/// Asks until it is so.
#[track_caller]
fn await_that(otherwise: &str, is_so: impl Fn() -> bool) {
    let began = SystemClock.now();
    while !is_so() {
        let waited = SystemClock.now().since(began);
        assert!(waited < PATIENCE, "{otherwise}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Daemon {
    /// The program with words split at spaces, which finds the daemon, and keeps its login in the daemon's folder.
    fn program(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ktizo"));
        command
            .args(line.split_whitespace())
            .env("KTIZO_SOCKET", self.path("ktizo.sock"))
            .env("XDG_CONFIG_HOME", self.path("home"))
            .env_remove("KTIZO_TOKEN")
            .env_remove("KTIZO_SERVER");
        command
    }

    pub(crate) fn at_terminal(&self, line: &str) -> Terminal {
        Terminal::start(&mut self.program(line))
    }

    /// Machines that wait for approval, past the API.
    pub(crate) fn crowd(&self, numbers: std::ops::Range<u32>) {
        let filled = self.store.write(Lane::Admin, Actor::System, move |writer| {
            for number in numbers {
                let [_, _, high, low] = number.to_be_bytes();
                let mac = format!("52:54:00:01:{high:02x}:{low:02x}");
                writer.insert_device(NewDevice {
                    mac: mac.parse().unwrap(),
                    hostname: None,
                    ip_address: None,
                    role: None,
                    notes: String::new(),
                    labels: Labels::default(),
                    install_disk: None,
                    ephemeral: EphemeralVolume::default(),
                    inventory: Inventory::default(),
                    seen: false,
                })?;
            }
            Ok::<_, store::Error>(())
        });
        self.runtime.block_on(filled).unwrap();
    }

    pub(crate) fn founded() -> Self {
        let daemon = Self::start();
        says(&daemon.run("network set --node-subnet 10.0.0.0/16 --gateway 10.0.0.1"));
        says(&daemon.run("cluster init lab https://lab.example:6443 --talos-version v1.13.9 --install-disk /dev/vda"));
        daemon
    }
}

#[test]
fn a_login_shows_an_unknown_certificate_and_takes_no_for_an_answer() {
    let daemon = Daemon::start();
    let (url, token, fingerprint) = daemon.open_tcp();
    let shown = api::Fingerprint(fingerprint.parse().unwrap()).to_string();
    let login = format!("login {url}");
    let kept = daemon.path("home/ktizo/login.json");

    for answer in ["n\n", "\n", "what?\n"] {
        let mut terminal = daemon.at_terminal(&login);
        terminal.expect(&shown);
        terminal.expect("Trust it? [y/N] ");
        terminal.type_keys(answer);
        let (code, screen) = terminal.end();
        assert!(
            code == 5 && screen.contains("is not trusted"),
            "{code} {screen}"
        );
    }
    // Nobody to ask: it is refused in words that say how to go on.
    let output = daemon
        .program(&login)
        .env("KTIZO_TOKEN", &token)
        .stdin(Stdio::null())
        .output();
    let (code, why) = complains(&output.unwrap());
    assert!(
        code == 5 && why.contains(&shown) && why.contains("--fingerprint"),
        "{code} {why}"
    );
    assert!(!why.contains("[y/N]"), "nobody is asked: {why}");
    assert!(!kept.exists());

    // Ctrl-C where the token is asked for leaves the terminal as it was.
    let mut terminal = daemon.at_terminal(&login);
    terminal.expect("[y/N] ");
    terminal.type_keys("y\n");
    terminal.expect("API token");
    terminal.expect(": ");
    terminal.type_keys("half a tok");
    terminal.type_keys(CTRL_C);
    terminal.expect("\n");
    assert!(terminal.echoes(), "the terminal is left silent");
    assert_eq!(terminal.end().0, 130);
    assert!(!kept.exists());

    let mut terminal = daemon.at_terminal(&login);
    terminal.expect("[y/N] ");
    terminal.type_keys("y\n");
    terminal.expect("makes one): ");
    assert!(!terminal.echoes());
    terminal.type_keys(&format!("{token}x\u{7f}\r"));
    terminal.expect("Commands reach");
    let (code, screen) = terminal.end();
    assert!(code == 0 && !screen.contains(&token), "{code} {screen}");
    assert!(kept.exists());

    // From then on it is known, also to a script, however it writes the address.
    let nowhere = daemon.path("nowhere").display().to_string();
    for url in [&url, &format!("{url}/")] {
        let mut status = daemon.program("status");
        status.args(["--server", url]).env("KTIZO_SOCKET", &nowhere);
        assert!(says(&status.output().unwrap()).contains("devices"), "{url}");
    }
    for other in [url.replace("https", "http"), format!("{url}0")] {
        let mut status = daemon.program("status");
        status.args(["--server", &other]);
        let (code, why) = complains(&status.output().unwrap());
        assert!(code == 5 && why.contains("needs a token"), "{other}: {why}");
    }
    says(&daemon.program("logout").output().unwrap());
    assert!(!kept.exists());
}

#[test]
fn events_are_followed_over_a_restart_until_somebody_has_enough() {
    let mut daemon = Daemon::start();
    says(&daemon.run(&format!("device add {MAC}")));
    let mut terminal = daemon.at_terminal("events --follow");
    let before = terminal.expect("added by hand");
    assert!(before.contains(MAC), "{before}");
    says(&daemon.run(&format!("device reject {MAC}")));
    terminal.expect("rejected");

    // What happens before it is back with the daemon is told as well, and once.
    daemon = daemon.restart();
    says(&daemon.run(&format!("device set {MAC} --notes moved")));
    terminal.expect("changed: notes");
    says(&daemon.run(&format!("device delete {MAC} --yes")));
    terminal.expect("deleted");
    terminal.type_keys(CTRL_C);
    let (code, screen) = terminal.end();
    assert_eq!(code, 130, "{screen}");
    for told in ["added by hand", "  rejected", "changed: notes", "deleted"] {
        assert_eq!(screen.matches(told).count(), 1, "{told}: {screen}");
    }
    assert!(screen.trim_end().ends_with("^C"), "{screen}");
    assert!(
        !screen.contains("panicked") && !screen.contains("ktizo: stream"),
        "{screen}"
    );

    // A reader that goes away ends it, and is no failure.
    let mut follow = daemon.program("events --follow --output json --kind device_added");
    let mut child = follow
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains(MAC), "{line}");
    drop(lines);
    says(&daemon.run("device add 52:54:00:00:00:02"));
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && err.is_empty(),
        "{} {err}",
        output.status
    );
}

#[test]
fn a_follower_hears_all_that_it_missed() {
    let daemon = Daemon::start();
    says(&daemon.run(&format!("device add {MAC}")));
    let many = daemon.store.write(Lane::Admin, Actor::System, |writer| {
        (0..1200).try_for_each(|_| writer.event(None, EventKind::SignedOut).map(drop))
    });
    daemon.runtime.block_on(many).unwrap();
    for (line, count) in [
        ("events --follow --after 1 --output json", 1200),
        ("events --follow --after 1 --limit 7 --output json", 7),
    ] {
        let mut follow = daemon.program(line);
        let mut child = follow.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let heard: Vec<i64> = lines
            .take(count)
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
                event["id"].as_i64().unwrap()
            })
            .collect();
        let newest = 1201;
        let first = newest + 1 - i64::try_from(count).unwrap();
        assert!(heard.into_iter().eq(first..=newest), "{line}");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    // A backup was put back: it had heard of more than there is.
    daemon.asked.lock().unwrap().clear();
    let mut terminal = daemon.at_terminal("events --follow --after 9999");
    // The list, the stream, and what was missed, which is asked for when the stream is there.
    let listens = || daemon.asked.lock().unwrap().len() >= 3;
    await_that("it does not listen", listens);
    says(&daemon.run(&format!("device reject {MAC}")));
    terminal.expect("rejected");
    terminal.type_keys(CTRL_C);
    assert_eq!(terminal.end().0, 130);
}

#[test]
fn a_follower_hears_once_of_what_happens_while_it_asks_for_what_it_missed() {
    let daemon = Daemon::start();
    let write = async |store: store::Store, count: u32| {
        let written = store.write(Lane::Admin, Actor::System, move |writer| {
            (0..count).try_for_each(|_| writer.event(None, EventKind::SignedOut).map(drop))
        });
        written.await.unwrap();
    };
    // Something happens whenever a list is asked for.
    let store = daemon.store.clone();
    let busy = from_fn(move |request: Request, next: Next| {
        let store = store.clone();
        async move {
            if request
                .headers()
                .get(ACCEPT)
                .is_none_or(|it| it != "text/event-stream")
            {
                write(store, 1).await;
            }
            next.run(request).await
        }
    });
    let socket = daemon.also_serve(daemon.app.clone().layer(busy), "busy.sock");
    let mut follow = daemon.program("events --follow --after 0 --output json --socket");
    let mut child = follow.arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || {
        let event: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        event["id"].as_i64().unwrap()
    };
    assert_eq!(next(), 1);
    // The list, and the stream.
    let listens = || daemon.asked.lock().unwrap().len() >= 2;
    await_that("it does not listen", listens);
    // More at once than is told one by one: it asks for the 601st as well, which then comes by the stream.
    let all = |count| daemon.runtime.block_on(write(daemon.store.clone(), count));
    all(599);
    let mut heard: Vec<i64> = (2..=601).map(|_| next()).collect();
    all(1);
    heard.push(next());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(heard.iter().copied().eq(2..=602), "{heard:?}");
}

#[test]
fn an_environment_variable_that_is_empty_says_nothing() {
    let daemon = Daemon::start();
    let mut status = daemon.program("status");
    for name in [
        "KTIZO_SERVER",
        "KTIZO_FINGERPRINT",
        "KTIZO_CA",
        "KTIZO_TOKEN",
    ] {
        status.env(name, "");
    }
    assert!(says(&status.output().unwrap()).contains("devices"));
    let socket = daemon.path("ktizo.sock");
    status.env("KTIZO_SOCKET", "").arg("--socket").arg(socket);
    assert!(says(&status.output().unwrap()).contains("devices"));
}

#[test]
fn what_was_shown_is_what_it_is_done_with() {
    let daemon = Daemon::founded();
    daemon.crowd(0..3);
    let [shown, other] = ["52:54:00:01:00:00", "52:54:00:01:00:01"];
    let call = |mac: &str, name: &str| {
        says(&daemon.run(&format!("device set {mac} --hostname {name}")));
    };
    call("52:54:00:01:00:02", "node-c");
    let look = || says(&daemon.run(&format!("device show {other} --output json")));
    let try_with = |line: &str, question: &str| {
        call(other, "node-b");
        call(shown, "node-a");
        let (code, why) = complains(&daemon.run(line));
        assert!(
            code == 1 && why.contains("--yes") && why.contains(shown),
            "{line}: {why}"
        );
        // The name goes to another machine while somebody looks.
        let mut terminal = daemon.at_terminal(line);
        let seen = terminal.expect(question);
        assert!(seen.contains(shown) && !seen.contains(other), "{seen}");
        terminal.expect("[y/N] ");
        call(shown, "node-x");
        call(other, "node-a");
        let before = look();
        terminal.type_keys("y\n");
        let (code, screen) = terminal.end();
        assert_eq!(look(), before, "{line}: {screen}");
        assert_ne!(code, 0, "{line}: {screen}");
    };
    try_with(
        "device order local node-a node-c",
        "Order local for these 2 machines?",
    );
    try_with("device reject node-a node-c", "Reject these 2 machines?");
    try_with(
        "device delete node-a node-c",
        "Forget these 2 machines and their configs?",
    );
    try_with("device approve node-a node-c", "Approve these 2?");
    // What was said yes to was another look at them.
    let list = says(&daemon.run("device list"));
    assert_eq!(list.matches("pending").count(), 3, "{list}");
    try_with("device approve node-a", "Approve 52:54:00:01:00:00 as ");
}

#[test]
fn effects_stand_beside_each_of_many() {
    let daemon = Daemon::founded();
    daemon.crowd(0..2);
    let both = "52:54:00:01:00:00 52:54:00:01:00:01";
    for (line, effect) in [
        (
            format!("device order install {both}"),
            "overwrites the install disk",
        ),
        (
            format!("device reject {both}"),
            "Its disks stay as they are",
        ),
        (format!("device delete {both}"), "it is a new device"),
    ] {
        let (_, why) = complains(&daemon.run(&line));
        assert_eq!(why.matches(effect).count(), 2, "{line}: {why}");
        assert!(why.contains("no terminal to ask"), "{line}: {why}");
        says(&daemon.run(&format!("{line} --yes")));
    }
    assert_eq!(says(&daemon.run("device list --output json")).trim(), "[]");
}

#[test]
fn strict_boot_mode_lets_held_machines_go_by_a_yes_only() {
    let daemon = Daemon::founded();
    daemon.crowd(0..1);
    let off = "network set --strict-boot-mode off";
    says(&daemon.run(off));
    says(&daemon.run("network set --strict-boot-mode on"));
    let mac: MacAddr = "52:54:00:01:00:00".parse().unwrap();
    let held = daemon
        .store
        .write(Lane::Boot, Actor::Device(mac), move |writer| {
            let device = writer
                .sight(mac, &Inventory::default(), SeenBy::Script)?
                .device;
            let record = StageRecord {
                stage: BootStage::Hold,
                at: writer.now(),
                duration_us: None,
                bytes: None,
                retries: None,
                peer: None,
                outcome: StageOutcome::Running,
                detail: String::new(),
            };
            writer.record_stage(device.id, &record).map(drop)
        });
    daemon.runtime.block_on(held).unwrap();
    let is_on = || says(&daemon.run("network show")).contains("strict boot mode   on");
    let question = "1 machine is held for approval, and goes on at once: to its disk, or to Talos without a config.";
    let (code, why) = complains(&daemon.run(off));
    assert!(
        code == 1 && why.contains(question) && why.contains("--yes"),
        "{why}"
    );
    let mut terminal = daemon.at_terminal(off);
    terminal.expect(question);
    terminal.expect("[y/N] ");
    terminal.type_keys("n\n");
    assert_eq!(terminal.end().0, 1);
    assert!(is_on());
    says(&daemon.run(&format!("{off} --yes")));
    assert!(!is_on());
}

#[test]
fn an_import_shows_how_far_it_is() {
    let daemon = Daemon::start();
    let folder = daemon.path("v1.13.9");
    std::fs::create_dir(&folder).unwrap();
    let kernel = std::fs::File::create(folder.join("vmlinuz-amd64")).unwrap();
    std::io::Write::write_all(&mut &kernel, b"MZ").unwrap();
    kernel.set_len(48 << 20).unwrap();
    let line = format!("assets import {}", folder.display());
    let mut terminal = daemon.at_terminal(&line);
    terminal.expect("vmlinuz-amd64");
    terminal.expect("/48.00 MiB");
    let (code, screen) = terminal.end();
    assert!(
        code == 0 && screen.contains("1 new, 0 as they were"),
        "{code} {screen}"
    );
    let quiet = daemon.run(&line);
    assert!(says(&quiet).contains("0 new, 1 as they were"));
    assert!(
        quiet.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&quiet.stderr)
    );
}

#[test]
fn a_shell_completes_commands_and_flags() {
    let complete = |typed: &str| {
        let script = format!(
            "source <(\"$KTIZO\" completion bash); \
             read -ra COMP_WORDS <<<'{typed}'; [[ '{typed}' == *' ' ]] && COMP_WORDS+=(''); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE='{typed}'; COMP_POINT=${{#COMP_LINE}}; \
             spec=$(complete -p ktizo); [[ $spec =~ -F\\ ([^ ]+) ]]; \
             \"${{BASH_REMATCH[1]}}\" ktizo \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &script])
            .env("KTIZO", env!("CARGO_BIN_EXE_ktizo"));
        let output = bash.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(err.is_empty(), "{err}");
        says(&output)
    };
    for (typed, wanted) in [
        ("ktizo dev", "device"),
        ("ktizo device app", "approve"),
        ("ktizo device approve --all", "--all-pending"),
        ("ktizo device order ", "install"),
        ("ktizo events --fol", "--follow"),
        ("ktizo status --output ", "json"),
    ] {
        let found = complete(typed);
        assert!(
            found.split_whitespace().any(|word| word == wanted),
            "{typed}: {found}"
        );
    }
}

/// The daemon itself on the loopback interface, with ports that nobody has.
struct Served {
    folder: tempfile::TempDir,
    admin: u16,
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Below those that the kernel gives to connections, of which other tests make many meanwhile.
        let first = 10_000 + u16::try_from(std::process::id() % 400 * 20).unwrap();
        let is_free = |port: &u16| {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok()
                && TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok()
        };
        let ports: Vec<u16> = (first..).filter(is_free).take(5).collect();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "state_dir: {}\nsocket: {}\ninterfaces: [lo]\nuser: null\ngroup: root\nboot: {{dhcp_port: {}, pxe_port: {}, tftp_port: {}, http_port: {}, \
             events_port: null, kernel_log_port: null}}\nadmin: {{listen: \"127.0.0.1:{}\"}}\n",
            path("state"),
            path("ktizo.sock"),
            ports[0],
            ports[1],
            ports[2],
            ports[3],
            ports[4]
        );
        put(&folder.path().join("ktizo.yaml"), &text);
        Self {
            folder,
            admin: ports[4],
        }
    }

    fn program(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ktizo"));
        command
            .args(line.split_whitespace())
            .env("KTIZO_SOCKET", self.folder.path().join("ktizo.sock"));
        command
    }

    /// Waits until it answers.
    fn await_answer(&self) {
        let answers = || self.program("status").output().unwrap().status.success();
        await_that("it does not answer", answers);
    }

    fn serve(&self) -> Command {
        let mut serve = self.program("serve --config");
        serve.arg(self.folder.path().join("ktizo.yaml"));
        serve.env_remove("KTIZO_SOCKET");
        serve
    }
}

/// Ends a daemon as systemd does.
fn terminate(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
}

#[test]
fn a_set_up_link_is_shown_to_a_person_and_kept_from_logs() {
    let served = Served::new();
    let link = format!("http://127.0.0.1:{}/set-up?token=", served.admin);
    // As under systemd: no terminal.
    let mut serve = served.serve();
    serve
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = serve.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("ktizo admin reset") {
        assert_ne!(out.read_line(&mut said).unwrap(), 0, "{said}");
    }
    served.await_answer();
    let reset = says(&served.program("admin reset").output().unwrap());
    let token = reset
        .trim()
        .strip_prefix(&link)
        .unwrap_or_else(|| panic!("{reset}"));
    assert!(token.len() > 20 && reset.lines().count() == 1, "{reset}");
    terminate(&child);
    out.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("token=") && !said.contains(token), "{said}");

    let mut terminal = Terminal::start(&mut served.serve());
    terminal.expect(&link);
    terminal.expect("\n");
    served.await_answer();
    terminal.type_keys(CTRL_C);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert_eq!(screen.matches("token=").count(), 1, "{screen}");
}
