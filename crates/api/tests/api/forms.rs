//! Forms of the pages: what is said before they are sent, and where a refusal stands.

use std::time::Duration;

use model::{Actor, BootStage, Inventory, MacAddr, SeenBy, StageOutcome, StageRecord};
use serde_json::{Value, json};
use store::Lane;

use crate::people::{by_tcp, new_user};
use crate::world::{MAC_1, MAC_2, World, files, mac};

/// A browser in which an admin is signed in.
pub(crate) struct Browser {
    url: String,
    cookie: String,
    csrf: String,
    http: reqwest::Client,
}

impl Browser {
    pub(crate) async fn of(world: &mut World) -> Self {
        let url = by_tcp(world).await;
        let (cookie, csrf) = new_user(world, "ada").await;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            url,
            cookie,
            csrf,
            http: http.build().unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let asked = self.http.get(format!("{}{path}", self.url));
        let answer = asked.header("cookie", &self.cookie).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    /// Sends a form: the status, and the page that answers.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf", &self.csrf).extend_pairs(fields);
        let sent = self
            .http
            .post(format!("{}{path}", self.url))
            .header("cookie", &self.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.finish());
        let answer = sent.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// The tags of a page that have `part` in them.
pub(crate) fn tags<'a>(page: &'a str, part: &str) -> Vec<&'a str> {
    let tags = page.split('<').filter_map(|rest| rest.split_once('>'));
    tags.map(|(tag, _)| tag)
        .filter(|tag| tag.contains(part))
        .collect()
}

/// Refuses a form, and looks whether the refusal is at a field and no sentence without one stands on top.
async fn refused_at(browser: &Browser, path: &str, fields: &[(&str, &str)], at: &str) -> String {
    let (status, page) = browser.post(path, fields).await;
    assert_eq!(status, 422, "{path} {fields:?}");
    let marked = tags(&page, "aria-invalid=\"true\"");
    assert_eq!(marked.len(), 1, "{path} {fields:?}: {marked:?}");
    assert!(marked[0].contains(at), "{path} {fields:?}: {marked:?}");
    let on_top = page.contains("data-tone=\"bad\" role=\"alert\"><span>");
    assert!(!on_top, "{path} {fields:?}: a sentence on top");
    page
}

/// The version that the form of a page was made of.
fn seen(page: &str) -> [String; 2] {
    ["name=\"seen\"", "name=\"seen_settings\""].map(|name| {
        let tag = tags(page, name)[0];
        let value = tag.split("value=\"").nth(1).unwrap();
        value.trim_end_matches('"').replace("&quot;", "\"")
    })
}

#[tokio::test]
async fn a_refusal_stands_at_its_field_and_the_fold_around_it_is_open() {
    let mut world = World::ready().await;
    world.add(MAC_1).await;
    let browser = Browser::of(&mut world).await;
    let cluster = [
        ("name", "lab"),
        ("endpoint", "https://10.0.0.11:6443"),
        ("talos_version", "v1.13.0"),
        ("discovery", "true"),
        ("kube_proxy", "true"),
    ];
    for (field, value, install, at) in [
        ("disk_size", "lots", "selector", "id=\"disk_size\""),
        ("disk_size", "=> 5GB", "selector", "id=\"disk_size\""),
        ("disk_type", "tape", "selector", "id=\"disk_type\""),
        (
            "registry_mirrors",
            "docker.io",
            "disk",
            "id=\"registry_mirrors\"",
        ),
    ] {
        let mut fields = cluster.to_vec();
        fields.extend([
            ("install", install),
            ("install_disk", "/dev/sda"),
            (field, value),
        ]);
        let page = refused_at(&browser, "/cluster/settings", &fields, at).await;
        let fold = tags(&page, "id=\"more-settings\"")[0];
        assert_eq!(
            fold.contains(" open"),
            field == "registry_mirrors",
            "{fold}"
        );
    }
    let page = browser.get("/devices/1").await;
    // What is not known of it is said so.
    assert!(page.contains("<span class=\"muted\">none</span>"));
    let [device, settings] = seen(&page);
    for (field, value, at, fold) in [
        ("disk_size", "lots", "id=\"disk_size\"", "install-fields"),
        ("disk_type", "tape", "id=\"disk_type\"", "install-fields"),
        ("labels", "rack=7 =bad", "id=\"labels\"", ""),
    ] {
        let mut fields = vec![
            ("seen", device.as_str()),
            ("seen_settings", settings.as_str()),
            (field, value),
        ];
        if field == "disk_type" {
            fields.push(("disk_size", ""));
        }
        let page = refused_at(&browser, "/devices/1", &fields, at).await;
        let open = tags(&page, " open");
        let is_open = open
            .iter()
            .any(|tag| !fold.is_empty() && tag.contains(fold));
        assert_eq!(is_open, !fold.is_empty(), "{open:?}");
    }
    let token = json!({"name": "ci", "authority": "viewer"});
    world.ok("POST", "/tokens", token).await;
    let again = [
        ("token_name", "ci"),
        ("token_authority", "viewer"),
        ("days", ""),
    ];
    let page = refused_at(&browser, "/people/tokens", &again, "id=\"token_name\"").await;
    assert!(page.contains("is taken by another token"), "{page}");
    let user = json!({"name": "otto", "authority": "viewer", "password": "correct horse battery"});
    world.ok("POST", "/users", user).await;
    let short = [("authority", "operator"), ("password", "short")];
    let at = "New password of otto";
    let page = refused_at(&browser, "/people/users/otto", &short, at).await;
    assert!(page.contains("The password must have at least"), "{page}");
    assert!(!page.contains("\"short\""), "the password is in the page");
    let last = [("authority", "viewer"), ("password", "")];
    refused_at(&browser, "/people/users/ada", &last, "Role of ada").await;
}

/// A form as a browser sends it that has a file in it.
async fn send_file(
    browser: &Browser,
    fields: &[(&str, &str)],
    file: (&str, &[u8]),
) -> (u16, String) {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let (name, content) = file;
    let part = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(part.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let sent = browser
        .http
        .post(format!("{}/assets", browser.url))
        .header("cookie", &browser.cookie)
        .header("content-type", "multipart/form-data; boundary=edge")
        .body(body);
    let answer = sent.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Without a script the file comes with its form.
#[tokio::test]
async fn a_file_is_imported_by_its_form() {
    let mut world = World::ready().await;
    let browser = Browser::of(&mut world).await;
    let kernel = [b"MZ".as_slice(), &[b'k'; 9_000_000]].concat();
    let csrf = ("csrf", browser.csrf.as_str());
    let of = |version| {
        [
            csrf,
            ("kind", "kernel"),
            ("arch", "amd64"),
            ("version", version),
        ]
    };
    let file = ("vmlinuz-amd64", kernel.as_slice());
    let uploads = world.path("assets/uploads");

    let (status, _) = send_file(
        &browser,
        &[("csrf", "another"), ("version", "v1.13.8")],
        file,
    )
    .await;
    assert_eq!((status, files(&uploads)), (403, vec![]));
    let (status, _) = send_file(&browser, &of("v1.13.8")[1..], file).await;
    assert_eq!((status, files(&uploads)), (403, vec![]));
    let short = [of("v1.13.8").as_slice(), &[("expected_sha256", "abc")]].concat();
    for (fields, file, at) in [
        (of("newest").as_slice(), file, "version"),
        (&of("v1.13.8"), ("", b"".as_slice()), "file"),
        (&of("v1.13.8"), ("vmlinuz-amd64", b"#!/bin/sh"), "file"),
        (&short, file, "expected_sha256"),
    ] {
        let (status, page) = send_file(&browser, fields, file).await;
        assert_eq!(status, 422, "{fields:?}");
        let marked = tags(&page, "aria-invalid=\"true\"");
        assert_eq!(marked.len(), 1, "{fields:?}: {marked:?}");
        let name = format!("name=\"{at}\"");
        assert!(marked[0].contains(&name), "{fields:?}: {marked:?}");
        assert_eq!(world.ok("GET", "/assets", Value::Null).await, json!([]));
    }
    let (status, _) = send_file(&browser, &of("v1.13.8"), file).await;
    assert_eq!(status, 303);
    let assets = world.ok("GET", "/assets", Value::Null).await;
    assert_eq!(
        (&assets[0]["version"], &assets[0]["size"]),
        (&json!("v1.13.8"), &json!(9_000_002))
    );
}

/// Whoever sends a form without a session comes back to the page it stood on.
#[tokio::test]
async fn a_form_without_a_session_leads_back_to_its_page() {
    let mut world = World::ready().await;
    let browser = Browser::of(&mut world).await;
    let own = &browser.url;
    for (referer, to) in [
        (
            format!("{own}/devices/1?log=2"),
            "/sign-in?next=/devices/1%3Flog%3D2",
        ),
        (format!("{own}/"), "/sign-in"),
        ("http://elsewhere.example/devices/1".to_owned(), "/sign-in"),
        ("nonsense".to_owned(), "/sign-in"),
    ] {
        let sent = browser
            .http
            .post(format!("{own}/devices/1/order"))
            .header("referer", &referer);
        let answer = sent.send().await.unwrap();
        assert_eq!(
            (
                answer.status().as_u16(),
                answer.headers()["location"].to_str().unwrap()
            ),
            (303, to),
            "{referer}"
        );
    }
}

/// A machine that was added is at a stage of its boot.
async fn tells(world: &World, mac: &str, stage: BootStage, outcome: StageOutcome) {
    let address: MacAddr = mac.parse().unwrap();
    let told = world
        .store
        .write(Lane::Boot, Actor::Device(address), move |writer| {
            let device = writer
                .sight(address, &Inventory::default(), SeenBy::Script)?
                .device;
            let stage = StageRecord {
                stage,
                at: writer.now(),
                duration_us: None,
                bytes: None,
                retries: None,
                peer: None,
                outcome,
                detail: String::new(),
            };
            writer.record_stage(device.id, &stage).map(drop)
        });
    told.await.unwrap();
}

/// Among many that wait, a person finds the machine that was switched on just now; and many failures are counted to the last.
#[tokio::test]
async fn of_many_the_newest_are_shown_and_all_are_counted() {
    let mut world = World::ready().await;
    for number in 1..=71 {
        world.add(&mac(number)).await;
    }
    // What failed two days ago is history.
    tells(&world, &mac(71), BootStage::Kernel, StageOutcome::Failed).await;
    world.clock.advance(Duration::from_secs(2 * 86_400));
    let browser = Browser::of(&mut world).await;
    for number in 3..=70 {
        let (stage, outcome) = (BootStage::Kernel, StageOutcome::Failed);
        tells(&world, &mac(number), stage, outcome).await;
    }
    let (stage, outcome) = (BootStage::Hold, StageOutcome::Running);
    tells(&world, &mac(2), stage, outcome).await;
    world.clock.advance(Duration::from_secs(1));
    tells(&world, &mac(1), stage, outcome).await;
    // Whoever is held comes before whoever was seen after that.
    world.clock.advance(Duration::from_secs(1));
    tells(&world, &mac(70), BootStage::Kernel, StageOutcome::Failed).await;
    let page = browser.get("/").await;
    let asked = tags(&page, "id=\"approve-");
    let first: Vec<bool> = ["approve-1\"", "approve-2\"", "approve-70\""]
        .iter()
        .zip(&asked)
        .map(|(id, tag)| tag.contains(id))
        .collect();
    assert_eq!((first, asked.len()), (vec![true; 3], 10), "{asked:?}");
    assert!(page.contains("<b>68</b>"), "the count of those that failed");
    assert!(page.contains("The newest 50 of 68."));
    let page = browser.get("/devices?status=pending").await;
    assert!(tags(&page, "name=\"id\"")[0].contains("pick-1\""));
    let page = browser.get("/devices?status=pending&sort=hostname").await;
    assert!(!tags(&page, "name=\"id\"")[0].contains("pick-70\""));
}

/// To switch strict boot mode off lets go of machines that are held: the page says of how many before it is done.
#[tokio::test]
async fn who_is_let_go_is_said_before_strict_boot_mode_is_switched_off() {
    let mut world = World::ready().await;
    let browser = Browser::of(&mut world).await;
    let nobody = "No machine waits for approval at the moment";
    assert!(browser.get("/network").await.contains(nobody));
    for mac in [MAC_1, MAC_2] {
        world.add(mac).await;
        tells(&world, mac, BootStage::Hold, StageOutcome::Running).await;
    }
    let page = browser.get("/network").await;
    assert!(page.contains("2 machines wait for approval at the moment"));
    assert!(page.contains("each goes on at once, to its disk"));
    // Who is not pending waits for something else, and who was silent for long waits no more.
    let rejected = format!("/devices/{MAC_2}/reject");
    world.ok("POST", &rejected, Value::Null).await;
    let page = browser.get("/network").await;
    assert!(page.contains("1 machine waits for approval at the moment"));
    world.clock.advance(Duration::from_secs(3600));
    assert!(browser.get("/network").await.contains(nobody));
    // Once it is off there is nothing to be said before.
    let off = json!({"strict_boot_mode": false});
    world.ok("PUT", "/network/settings", off).await;
    assert!(!browser.get("/network").await.contains("id=\"lets-go\""));
}

#[tokio::test]
async fn all_that_is_wrong_with_an_approval_is_told_at_once() {
    let mut world = World::with_control_plane().await;
    let id = world.add(MAC_2).await["id"].to_string();
    let browser = Browser::of(&mut world).await;
    let page = browser.get(&format!("/devices/{id}/approve")).await;
    let names =
        ["seen", "hostname", "ip_address", "role", "install_disk"].map(|it| format!("{it}-{id}"));
    let [seen, hostname, address, role, disk] = names.each_ref().map(String::as_str);
    let tag = tags(&page, &format!("name=\"{seen}\""))[0];
    let version = tag.split("value=\"").nth(1).unwrap();
    let version = version.trim_end_matches('"').replace("&quot;", "\"");
    let form = [
        ("id", id.as_str()),
        (seen, &version),
        (hostname, "CP_1"),
        (address, "10.0.0.11"),
        (role, "worker"),
        (disk, "CP_1"),
    ];
    let (status, page) = browser.post("/devices/approve", &form).await;
    assert_eq!(status, 422);
    let marked = tags(&page, "aria-invalid=\"true\"");
    assert_eq!(marked.len(), 3, "{marked:?}");
    for (tag, name) in marked.iter().zip([hostname, address, disk]) {
        assert!(tag.contains(name), "{tag}");
    }
    assert!(
        page.contains("is taken by the approved device cp-1"),
        "{page}"
    );
    let device = world
        .ok("GET", &format!("/devices/{id}"), Value::Null)
        .await;
    assert_eq!(device["status"], "pending");
}

/// Browsers send each line of a text with CR and LF (HTML, "constructing the entry list").
#[tokio::test]
async fn notes_of_more_than_one_line_are_saved() {
    let mut world = World::ready().await;
    world.add(MAC_1).await;
    let browser = Browser::of(&mut world).await;
    let [device, settings] = seen(&browser.get("/devices/1").await);
    let fields = [
        ("seen", device.as_str()),
        ("seen_settings", settings.as_str()),
        ("notes", "first line\r\nsecond line"),
    ];
    let (status, page) = browser.post("/devices/1", &fields).await;
    assert_eq!(status, 303, "{page}");
    let device = world.ok("GET", "/devices/1", Value::Null).await;
    assert_eq!(device["notes"], "first line\nsecond line");
}

/// What is deleted while somebody fills a form of many is passed over, and nothing else is lost.
#[tokio::test]
async fn a_form_of_many_outlives_a_device_of_it() {
    let mut world = World::with_control_plane().await;
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.push(world.add(&mac(number)).await["id"].to_string());
    }
    let browser = Browser::of(&mut world).await;
    let query = |path: &str, ids: &[String]| {
        let ids: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
        format!("{path}{}", ids.join("&"))
    };
    let delete = async |id: &str| {
        world
            .ok("DELETE", &format!("/devices/{id}"), Value::Null)
            .await
    };
    let page = browser.get(&query("/devices/approve?", &ids)).await;
    assert!(!page.contains("left out"), "{page}");
    delete(&ids[0]).await;
    let said = "1 of the chosen devices";
    assert!(
        browser
            .get(&query("/devices/approve?", &ids))
            .await
            .contains(said)
    );
    let reject = "/devices/bulk?action=reject&";
    assert!(browser.get(&query(reject, &ids)).await.contains(said));

    // The second is right, the third is not: one is let in, one comes back with what was typed, and one is gone.
    let mut form = Vec::new();
    for (id, hostname, address) in [
        (&ids[0], "worker-1", "10.0.0.21"),
        (&ids[1], "worker-2", "10.0.0.22"),
        (&ids[2], "worker-3", "10.9.9.9"),
    ] {
        let tags = tags(&page, &format!("name=\"seen-{id}\""));
        let seen = tags[0].split("value=\"").nth(1).unwrap();
        let seen = seen.trim_end_matches('"').replace("&quot;", "\"");
        form.push(("id".to_owned(), id.clone()));
        for (name, value) in [
            ("seen", seen.as_str()),
            ("hostname", hostname),
            ("ip_address", address),
            ("role", "worker"),
        ] {
            form.push((format!("{name}-{id}"), value.to_owned()));
        }
    }
    let fields: Vec<(&str, &str)> = form
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let (status, page) = browser.post("/devices/approve", &fields).await;
    assert_eq!(status, 422, "{page}");
    assert!(
        page.contains(said) && page.contains("1 were approved"),
        "{page}"
    );
    assert!(page.contains("value=\"10.9.9.9\""), "{page}");
    assert!(page.contains("aria-invalid=\"true\""), "{page}");

    // All are gone or let in: no form is left, and the list says so.
    delete(&ids[2]).await;
    let at = async |path: &str| {
        let asked = browser.http.get(format!("{}{path}", browser.url));
        let answer = asked
            .header("cookie", &browser.cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 303, "{path}");
        answer.headers()["location"].to_str().unwrap().to_owned()
    };
    let gone = [ids[0].clone(), ids[2].clone()];
    for path in ["/devices/approve?", reject] {
        assert_eq!(at(&query(path, &gone)).await, "/devices?said=gone");
    }
    let notice = browser.get("/devices?said=gone").await;
    assert!(notice.contains("is not there any more"), "{notice}");
    for fields in [
        vec![("id", gone[0].as_str())],
        vec![("action", "delete"), ("id", &gone[1]), ("count", "1")],
    ] {
        let path = if fields.len() == 1 {
            "/devices/approve"
        } else {
            "/devices/bulk"
        };
        assert_eq!(browser.post(path, &fields).await.0, 303, "{path}");
    }
    let one = format!("{}/devices/{}/approve", browser.url, gone[0]);
    let one = browser.http.get(one).header("cookie", &browser.cookie);
    assert_eq!(one.send().await.unwrap().status(), 404);
}

/// A filter that cannot be read finds nothing, and lets nobody in.
#[tokio::test]
async fn a_wrong_filter_of_devices_is_said_and_finds_nothing() {
    let mut world = World::with_control_plane().await;
    world.add(MAC_2).await;
    let browser = Browser::of(&mut world).await;
    let page = browser.get("/devices?label=rack%3D%3D7").await;
    let marked = tags(&page, "aria-invalid=\"true\"");
    assert_eq!(marked.len(), 1, "{page}");
    assert!(
        marked[0].contains("id=\"label\"") && marked[0].contains("rack==7"),
        "{marked:?}"
    );
    assert!(page.contains("must be the value of a label"), "{page}");
    assert!(
        page.contains("Nothing was looked for") && !page.contains(MAC_2),
        "{page}"
    );
    let page = browser.get("/devices?role=wroker").await;
    assert!(page.contains("role: must be"), "{page}");
    assert!(!page.contains(MAC_2), "{page}");
    assert!(
        browser
            .get("/devices?label=rack")
            .await
            .contains("No device fits")
    );
    for path in [
        "/devices/approve?all=pending&label=rack%3D%3D7",
        "/devices/approve?all=pending&role=wroker",
    ] {
        let asked = browser.http.get(format!("{}{path}", browser.url));
        let answer = asked
            .header("cookie", &browser.cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 422, "{path}");
        assert!(!answer.text().await.unwrap().contains(MAC_2), "{path}");
    }
}

/// Whoever turns the pages while devices go is at the last page, and not behind it.
#[tokio::test]
async fn no_page_of_the_list_is_behind_the_last() {
    let mut world = World::ready().await;
    for number in 1..=53 {
        world.add(&mac(number)).await;
    }
    let browser = Browser::of(&mut world).await;
    for (skip, shown) in [
        ("50", "51 to 53 of 53"),
        ("600", "51 to 53 of 53"),
        ("53", "51 to 53 of 53"),
        ("52", "53 to 53 of 53"),
    ] {
        let page = browser.get(&format!("/devices?skip={skip}")).await;
        assert!(page.contains(shown), "{skip}: {page}");
        assert!(
            page.contains(&mac(53)) && !page.contains("No devices yet"),
            "{skip}: {page}"
        );
    }
    assert!(
        browser
            .get("/devices?skip=600&q=nothing")
            .await
            .contains("No device fits")
    );
}

/// The log of a boot that was chosen stays: what the page is fetched anew from names that boot.
#[tokio::test]
async fn a_page_of_a_chosen_log_is_fetched_anew_with_it() {
    let mut world = World::ready().await;
    world.add(MAC_1).await;
    let browser = Browser::of(&mut world).await;
    for (path, from) in [
        ("/devices/1", "/devices/1"),
        ("/devices/1?log=7", "/devices/1?log=7"),
        ("/devices/1?log=x", "/devices/1"),
    ] {
        let page = browser.get(path).await;
        let main = tags(&page, "id=\"main\"")[0].to_owned();
        assert!(main.contains(&format!("data-from=\"{from}\"")), "{main}");
    }
}
