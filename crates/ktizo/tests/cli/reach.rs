//! The command line reaches what the API does: every route, every filter, every field.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{Daemon, put};

/// Commands in the order in which they are given, and below each the routes that it reaches.
const COMMANDS: &str = include_str!("reach.txt");

/// What no command of [`COMMANDS`] asks, and why: a route with all its fields, or one parameter or field of a route.
const WITHOUT: &[(&str, &str)] = &[
    (
        "GET /devices after",
        "pages are for programs: the command line lists all, or leaves out the first",
    ),
    (
        "GET /devices/regenerate/progress",
        "the bar of long commands asks, on a terminal: see `walk.rs`",
    ),
    (
        "GET /openapi.json",
        "it is for programs, which have an HTTP client",
    ),
    (
        "GET /cluster/settings",
        "`cluster show` asks GET /cluster, which has the same settings",
    ),
    (
        "GET /devices/{id}/kernel-log after",
        "`device log --follow` asks, until interrupted",
    ),
    (
        "GET /devices/{id}/kernel-log boot",
        "`device log --boot` asks, where there is a log of that boot: see `boots.rs`",
    ),
    (
        "POST /devices/{id}/identity since",
        "`device identity` sends it where something is undecided: see `walk.rs`",
    ),
    (
        "POST /cluster/secrets controlplane",
        "`gen secrets --from-controlplane-config` makes the file that `cluster import` brings",
    ),
    (
        "PUT /devices/{id} boot_order",
        "`order` is the same, and also gives the order that stands",
    ),
    (
        "PUT /devices/{id}/settings",
        "`device set` sends them within PUT /devices/{id}, so that all of it is done or nothing",
    ),
    (
        "PUT /patches/{id}",
        "`patch set` saves by name, with POST /patches",
    ),
];

/// One line of [`COMMANDS`] with its routes.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut rows: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in COMMANDS.lines().filter(|line| !line.trim().is_empty()) {
        match line.strip_prefix("    ") {
            Some(route) => rows.last_mut().unwrap().1.push(route),
            None => rows.push((line, Vec::new())),
        }
    }
    rows
}

/// The route of the table that answers a path: that with the fewest places for names.
fn route_of(method: &str, path: &str) -> Option<String> {
    let path: Vec<&str> = path.strip_prefix("/api/v1")?.split('/').collect();
    let fits = |route: &&str| {
        let parts: Vec<&str> = route.split('/').collect();
        let mut pairs = parts.iter().zip(&path);
        parts.len() == path.len() && pairs.all(|(part, own)| part == own || part.starts_with('{'))
    };
    let table = api::authorities();
    let of_method = table.iter().filter(|(known, ..)| known == method);
    let found = of_method.map(|(_, path, _)| *path).filter(fits);
    let found = found.min_by_key(|path| path.matches('{').count())?;
    Some(format!("{method} {found}"))
}

impl Daemon {
    /// Runs the program by its environment alone, as a script does, with a password at standard input.
    fn script(&self, line: &str, url: &str, token: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ktizo"));
        for word in line.split_whitespace() {
            match word.strip_prefix('@') {
                Some(name) => command.arg(self.path(name)),
                None => command.arg(word.replace("URL", url)),
            };
        }
        let mut child = command
            .env("KTIZO_SOCKET", self.path("ktizo.sock"))
            .env("KTIZO_TOKEN", token)
            .env("XDG_CONFIG_HOME", self.path("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that asks for nothing may have ended before it is told.
        let _ = child
            .stdin
            .take()
            .unwrap()
            .write_all(b"correct horse battery staple\n");
        child.wait_with_output().unwrap()
    }

    /// Every route with the names of its parameters and the fields of its body, each as one line.
    fn reachable(&self) -> BTreeSet<String> {
        let mut stream = UnixStream::connect(self.path("ktizo.sock")).unwrap();
        stream
            .write_all(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let document: Value = serde_json::from_str(body).unwrap();
        let mut all = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let path = path.strip_prefix("/api/v1").unwrap();
            for (method, operation) in methods.as_object().unwrap() {
                let route = format!("{} {path}", method.to_uppercase());
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let in_query = parameters.filter(|parameter| parameter["in"] == "query");
                let names =
                    in_query.map(|parameter| parameter["name"].as_str().unwrap().to_owned());
                all.extend(names.map(|name| format!("{route} {name}")));
                let body = &operation["requestBody"]["content"]["application/json"]["schema"];
                if let Some(name) = body["$ref"].as_str() {
                    let schema = document.pointer(name.strip_prefix('#').unwrap()).unwrap();
                    let fields = schema["properties"].as_object().unwrap();
                    all.extend(fields.keys().map(|field| format!("{route} {field}")));
                }
                all.insert(route);
            }
        }
        all
    }
}

#[test]
fn every_route_filter_and_field_of_the_api_has_a_command() {
    let daemon = Daemon::start();
    let (url, token, fingerprint) = daemon.open_tcp();
    let patch = "machine:\n  sysctls:\n    a.b: \"1\"\n";
    put(&daemon.path("patch.yaml"), patch);
    std::fs::create_dir(daemon.path("secrets")).unwrap();
    std::fs::create_dir(daemon.path("v1.13.9")).unwrap();
    put(&daemon.path("v1.13.9/vmlinuz-amd64"), "MZ no kernel");
    let secrets = daemon.path("secrets/secrets.yaml").display().to_string();
    crate::says(&crate::ktizo(["gen", "secrets", "-o", &secrets]));

    let all = daemon.reachable();
    let mut reached = BTreeSet::new();
    let mut wrong = Vec::new();
    daemon.asked.lock().unwrap().clear();
    for (line, routes) in rows() {
        let line = line.replace("FINGERPRINT", &fingerprint);
        let output = daemon.script(&line, &url, &token);
        let said = String::from_utf8_lossy(&output.stderr);
        let mut asked = BTreeSet::new();
        for question in daemon.asked.lock().unwrap().drain(..) {
            let Some(route) = route_of(&question.method, &question.path) else {
                wrong.push(format!("`{line}` asks {question:?}, which is no route"));
                continue;
            };
            asked.extend(
                question
                    .fields
                    .iter()
                    .map(|field| format!("{route} {field}")),
            );
            asked.insert(route);
        }
        for route in routes {
            if !all.contains(route) {
                wrong.push(format!("`{line}`: there is no route {route}"));
            } else if !asked.contains(route) {
                wrong.push(format!("`{line}` does not ask {route}: {said}"));
            }
        }
        if !matches!(output.status.code(), Some(0 | 3 | 4)) {
            wrong.push(format!("`{line}` ended with {}: {said}", output.status));
        }
        reached.extend(asked);
    }
    for (what, why) in WITHOUT {
        assert!(!why.is_empty(), "{what}");
        if !all.contains(*what) {
            wrong.push(format!("{what} is excused, and the API has no such thing"));
        } else if reached.contains(*what) {
            wrong.push(format!("{what} is excused, and a command asks it"));
        }
    }
    let excused = |what: &String| {
        let mut excused = WITHOUT.iter().map(|(excused, _)| *excused);
        excused.any(|excused| what == excused || what.starts_with(&format!("{excused} ")))
    };
    for what in all.difference(&reached).filter(|what| !excused(what)) {
        wrong.push(format!("no command asks {what}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
