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
        let mut fields: Vec<(&str, &str)> = of_form.iter().map(|(k, v)| (*k, v.as_str())).collect();
        fields.extend(typed);
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
        let mut fields: Vec<(&str, &str)> = of_form.iter().map(|(k, v)| (*k, v.as_str())).collect();
        fields.extend(typed);
        if action != "delete" {
            let (status, page) = browser.post(&to, &fields).await;
            assert_eq!(status, 303, "{to}: {page}");
        }
    }
}
