//! Forms that were made before somebody else changed what they are about.

use serde_json::{Value, json};

use crate::forms::{Browser, tags};
use crate::world::{MAC_2, World};

/// The fields of the form of a page that posts to `to`, as a browser sends them untouched.
fn hidden<'a>(page: &'a str, to: &str) -> Vec<(&'a str, String)> {
    let begin = page.find(&format!("action=\"{to}\"")).expect(to);
    let form = page[begin..].split("</form>").next().unwrap();
    let value = |tag: &'a str, name: &str| {
        let value = tag.split(&format!("{name}=\"")).nth(1)?;
        value.split('"').next()
    };
    tags(form, "type=\"hidden\"")
        .into_iter()
        .filter(|tag| !tag.contains("name=\"csrf\""))
        .map(|tag| {
            let text = value(tag, "value").unwrap_or_default();
            (value(tag, "name").unwrap(), text.replace("&quot;", "\""))
        })
        .collect()
}

/// What a form sends.
fn filled<'a>(
    of_form: &'a [(&'a str, String)],
    typed: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let untouched = of_form.iter().map(|(name, value)| (*name, value.as_str()));
    untouched.chain(typed.iter().copied()).collect()
}

/// What is done from an old page is refused, and what changed since is named; a wipe above all.
#[tokio::test]
async fn what_is_done_from_an_old_page_is_refused_and_says_what_changed() {
    let mut world = World::with_control_plane().await;
    world.add(MAC_2).await;
    let browser = Browser::of(&mut world).await;
    let wipe = [
        ("order", "wipe"),
        ("wipe_confirm", "cp-1"),
        ("then", "local"),
    ];
    for (path, action, typed) in [
        ("/devices/1", "order", wipe.as_slice()),
        ("/devices/1", "order", &[("order", "install")]),
        ("/devices/2", "reject", &[]),
        ("/devices/1", "delete", &[("confirm", "cp-1")]),
    ] {
        let old = browser.get(path).await;
        let to = format!("{path}/{action}");
        let of_form = hidden(&old, &to);
        let notes = json!({"notes": format!("before {action} {}", typed.len())});
        let api = format!("/devices/{}", &path[9..]);
        let before = world.ok("PUT", &api, notes).await;
        let fields = filled(&of_form, typed);
        let (status, page) = browser.post(&to, &fields).await;
        assert_eq!(status, 409, "{to} {typed:?}");
        assert!(page.contains("changed: notes"), "{to}: {page}");
        assert_eq!(world.ok("GET", &api, Value::Null).await, before, "{to}");
        if let Some((_, order)) = typed.iter().find(|(name, _)| *name == "order") {
            let chosen = tags(&page, "name=\"order\"");
            let chosen: Vec<_> = chosen.iter().filter(|it| it.contains("checked")).collect();
            assert!(chosen.len() == 1 && chosen[0].contains(order), "{chosen:?}");
        }
        // The page that answered is of what is there now.
        let of_form = hidden(&page, &to);
        let fields = filled(&of_form, typed);
        if action != "delete" {
            let (status, page) = browser.post(&to, &fields).await;
            assert_eq!(status, 303, "{to}: {page}");
        }
    }
}

/// Rights that somebody took away meanwhile do not come back with a form in which nobody touched them.
#[tokio::test]
async fn a_password_that_is_given_from_an_old_page_gives_back_no_rights() {
    let mut world = World::new().await;
    let browser = Browser::of(&mut world).await;
    let zoe = json!({"name": "zoe", "authority": "operator", "password": "correct horse battery"});
    world.ok("POST", "/users", zoe).await;
    let old = browser.get("/people").await;
    let to = "/people/users/zoe";
    let of_form = hidden(&old, to);
    let viewer = json!({"authority": "viewer"});
    world.ok("PUT", "/users/zoe", viewer).await;
    let is = async || {
        let zoe = world.ok("GET", "/users/zoe", Value::Null).await;
        zoe["authority"].as_str().unwrap().to_owned()
    };
    let password = "another good password";
    let typed = [("authority", "operator"), ("password", password)];
    let (status, page) = browser.post(to, &filled(&of_form, &typed)).await;
    assert_eq!((status, is().await.as_str()), (303, "viewer"), "{page}");
    let signed_in = api::auth::sign_in(&world.gate, "zoe", password, "::1").await;
    assert!(signed_in.is_ok());

    // Rights that are given, and a deletion, are for what was shown.
    let typed = [("authority", "admin"), ("password", "")];
    let (status, page) = browser.post(to, &filled(&of_form, &typed)).await;
    assert_eq!((status, is().await.as_str()), (409, "viewer"));
    assert!(
        page.contains("zoe changed after this page was made"),
        "{page}"
    );
    assert!(page.contains("and is viewer now"), "{page}");
    let delete = "/people/users/zoe/delete";
    let (status, page) = browser
        .post(delete, &filled(&hidden(&old, delete), &[]))
        .await;
    assert_eq!((status, is().await.as_str()), (409, "viewer"), "{page}");
    let fresh = browser.get("/people").await;
    let (status, _) = browser.post(to, &filled(&hidden(&fresh, to), &typed)).await;
    assert_eq!((status, is().await.as_str()), (303, "admin"));

    // The same by the API.
    for (method, body) in [
        ("PUT", json!({"authority": "viewer"})),
        ("DELETE", Value::Null),
    ] {
        let ask = async |version: &str| {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let sent = world
                .http
                .request(method, "http://localhost/api/v1/users/zoe")
                .header("if-match", version)
                .body(body.to_string());
            sent.send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask("\"stale\"").await, 412, "{method}");
        let shown = world.http.get("http://localhost/api/v1/users/zoe").send();
        let version = shown.await.unwrap().headers()["etag"].clone();
        let done = ask(version.to_str().unwrap()).await;
        assert!((200..300).contains(&done), "{method} {done}");
    }
}

#[tokio::test]
async fn a_patch_that_somebody_else_changed_shows_what_differs() {
    let mut world = World::with_control_plane().await;
    let browser = Browser::of(&mut world).await;
    let text = |value: &str| format!("machine:\n  sysctls:\n    a.b: \"{value}\"\n");
    let patch = |value: &str| json!({"scope": "cluster", "name": "one", "text": text(value)});
    world.ok("POST", "/patches", patch("1")).await;
    let old = browser.get("/cluster/patches/1").await;
    world.ok("POST", "/patches", patch("theirs")).await;
    let mine = text("mine");
    let typed = [("text", mine.as_str()), ("then", "save")];
    let of_form = hidden(&old, "/cluster/patches");
    let (status, page) = browser
        .post("/cluster/patches", &filled(&of_form, &typed))
        .await;
    assert_eq!(status, 409);
    assert!(page.contains("From theirs to yours"), "{page}");
    assert!(page.contains("-    a.b: &quot;theirs&quot;"), "{page}");
    assert!(page.contains("+    a.b: &quot;mine&quot;"), "{page}");
    let delete = "/cluster/patches/1/delete";
    let (status, page) = browser
        .post(delete, &filled(&hidden(&old, delete), &[]))
        .await;
    assert_eq!(status, 409);
    assert!(
        page.contains("theirs&quot;") && page.contains("was not deleted"),
        "{page}"
    );
    let (status, _) = browser
        .post(delete, &filled(&hidden(&page, delete), &[]))
        .await;
    assert_eq!(status, 303);
    let (status, page) = browser
        .post("/cluster/patches", &filled(&of_form, &typed))
        .await;
    assert!(
        status == 409 && page.contains("Somebody else deleted this patch"),
        "{page}"
    );
}
