//! Operations on patches.

mod check;

use model::{Approval, Author, Authority, Device, EventKind, PatchId, PatchScope};
use store::{Lane, Reader, Store, StoredPatch};

use crate::device::{DeviceRef, find, look};
use crate::progress::Progress;
use crate::remake::{Done, Ground, PatchPlan, Plan, Remade, remake};
use crate::sources::PatchText;
use crate::version::{IfMatch, Version};
use crate::{Error, auth, generate, types};

pub(crate) use check::check;

/// The longest name, in bytes.
const MAX_NAME: usize = 64;
/// The longest text, in bytes: a config with every document of Talos is far below.
const MAX_TEXT: usize = 256 * 1024;

/// Every patch without its text, in the order of application; with its fingerprint for those who may see texts.
pub(crate) async fn list(store: &Store, authority: Authority) -> Result<Vec<types::Patch>, Error> {
    look(store, move |reader| {
        let patches = reader.patches()?;
        patches
            .into_iter()
            .map(|patch| {
                let mut patch = shown(reader, patch, false)?;
                patch.sha256 = patch.sha256.filter(|_| authority == Authority::Admin);
                Ok(patch)
            })
            .collect()
    })
    .await
}

/// One patch with its text, for a person. Where that may hold a secret, it is written down.
pub(crate) async fn show(
    store: &Store,
    author: Author,
    id: PatchId,
) -> Result<types::Patch, Error> {
    let (patch, text) = look(store, move |reader| {
        let patch = stored(reader, id)?;
        Ok((shown(reader, patch.clone(), true)?, PatchText::from(patch)))
    })
    .await?;
    // What cannot be read any more may hold anything.
    let may_hold_secrets =
        generate::parse_patch(&text).map_or(true, |patch| patch.may_hold_secrets());
    if may_hold_secrets {
        let (file, of) = (format!("patch {}", text.called()), text.device);
        store
            .write(Lane::Admin, author, move |writer| {
                let device = match of {
                    Some(id) => writer.device(id)?,
                    None => None,
                };
                writer.event(device.as_ref(), EventKind::SecretsExported { file })?;
                Ok::<_, Error>(())
            })
            .await?;
    }
    Ok(patch)
}

/// Adds a patch, or puts its text in the place of that of the same name. The configs it is for follow, or nothing is changed.
/// Says whether it is new.
pub(crate) async fn save(
    store: &Store,
    progress: &Progress,
    author: Author,
    new: types::SavePatch,
    expected: IfMatch,
) -> Result<(types::PatchDone, bool), Error> {
    let (patch, device) = target(store, new).await?;
    put(store, progress, author, patch, device, expected).await
}

/// A patch as it was sent, with the device it is for, if it is for one.
async fn target(
    store: &Store,
    new: types::SavePatch,
) -> Result<(PatchText, Option<Device>), Error> {
    check_name(&new.name)?;
    let who = match (new.scope, &new.device) {
        (PatchScope::Device, Some(device)) => Some(device.parse::<DeviceRef>()?),
        (PatchScope::Device, None) => {
            let why = "a patch for one device needs its number, MAC or host name";
            return Err(Error::invalid("device", why));
        }
        (_, Some(_)) => {
            return Err(Error::invalid("device", "only goes with the scope device"));
        }
        (_, None) => None,
    };
    let device = match who {
        Some(who) => Some(look(store, move |reader| find(reader, &who)).await?),
        None => None,
    };
    let patch = PatchText {
        scope: new.scope,
        device: device.as_ref().map(|device| device.id),
        name: new.name,
        text: new.text,
    };
    if patch.text.len() > MAX_TEXT {
        let why = format!("must be at most {MAX_TEXT} bytes");
        return Err(Error::invalid("text", why));
    }
    Ok((patch, device))
}

/// Gives a patch another text.
pub(crate) async fn change(
    store: &Store,
    progress: &Progress,
    author: Author,
    id: PatchId,
    text: String,
    expected: IfMatch,
) -> Result<types::PatchDone, Error> {
    let (device, before) = look(store, move |reader| whole(reader, id)).await?;
    let patch = PatchText {
        text,
        ..before.into()
    };
    Ok(put(store, progress, author, patch, device, expected)
        .await?
        .0)
}

async fn put(
    store: &Store,
    progress: &Progress,
    author: Author,
    patch: PatchText,
    of: Option<Device>,
    expected: IfMatch,
) -> Result<(types::PatchDone, bool), Error> {
    if patch.text.len() > MAX_TEXT {
        let why = format!("must be at most {MAX_TEXT} bytes");
        return Err(Error::invalid("text", why));
    }
    generate::parse_patch(&patch)?;
    let (scope, device, name) = (patch.scope, patch.device, patch.name.clone());
    let called = patch.called();
    let is_new = {
        let name = name.clone();
        look(store, move |reader| {
            Ok(reader.patch_named(scope, device, &name)?.is_none())
        })
        .await?
    };
    let done = remake(store, progress, author, move |ground| {
        let before = &ground.sources.patches;
        let before = before
            .iter()
            .find(|it| it.is(patch.scope, patch.device, &patch.name));
        expected.check_maybe(before.map(|it| version_of_text(&it.text)).as_ref())?;
        if before.is_some_and(|it| it.text == patch.text) {
            return Ok(Plan::default());
        }
        generate::check_patch(&ground.sources, &patch)?;
        Ok(Plan {
            configs: concerned(ground, of.as_ref()),
            patch: Some(PatchPlan::Save(patch.clone())),
            ..Plan::default()
        })
    })
    .await?;
    let saved = look(store, move |reader| {
        let found = reader.patch_named(scope, device, &name)?;
        let found = found.ok_or_else(|| not_found(&name))?;
        shown(reader, found, false)
    })
    .await?;
    let message = if done.plan.patch.is_some() {
        format!(
            "patch {called} saved, {} device configs made anew",
            done.made
        )
    } else {
        format!("patch {called} has this text already")
    };
    Ok((answer(done, saved, message), is_new))
}

/// The version of a patch.
pub(crate) fn version(patch: &types::Patch) -> Version {
    Version::of(&patch.sha256)
}

fn version_of_text(text: &str) -> Version {
    Version::of(&Some(auth::secret::fingerprint(text)))
}

/// Deletes a patch. The configs it was for follow, or nothing is changed.
pub(crate) async fn delete(
    store: &Store,
    progress: &Progress,
    author: Author,
    id: PatchId,
    expected: IfMatch,
) -> Result<types::PatchDone, Error> {
    let before = look(store, move |reader| {
        let (of, before) = whole(reader, id)?;
        let gone = shown(reader, before.clone(), false)?;
        Ok((gone, of, PatchText::from(before)))
    });
    let (gone, of, patch) = before.await?;
    let called = patch.called();
    let done = remake(store, progress, author, move |ground| {
        let now = ground.sources.patches.iter();
        let mut now = now.filter(|it| it.is(patch.scope, patch.device, &patch.name));
        expected.check_maybe(now.next().map(|it| version_of_text(&it.text)).as_ref())?;
        Ok(Plan {
            configs: concerned(ground, of.as_ref()),
            patch: Some(PatchPlan::Delete(id, patch.clone())),
            ..Plan::default()
        })
    })
    .await?;
    let message = format!(
        "patch {called} deleted, {} device configs made anew",
        done.made
    );
    Ok(answer(done, gone, message))
}

fn answer(done: Done, patch: types::Patch, message: String) -> types::PatchDone {
    types::PatchDone {
        message,
        patch,
        device_configs_generated: done.made,
        warnings: done.warnings,
    }
}

/// Which device configs a patch is for: that of one device, as it is now, or all.
fn concerned(ground: &Ground, of: Option<&Device>) -> Remade {
    let Some(of) = of else {
        return Remade::All;
    };
    let now = ground.approved.iter().find(|device| device.id == of.id);
    let now = now.cloned().unwrap_or_else(|| Device {
        // It may have been turned away since it was read; no config is made for it then.
        approval: Approval::Pending,
        ..of.clone()
    });
    Remade::One(Box::new(now))
}

/// A patch with the device it is for.
fn whole(reader: &Reader<'_>, id: PatchId) -> Result<(Option<Device>, StoredPatch), Error> {
    let patch = stored(reader, id)?;
    let device = match patch.device {
        Some(device) => reader.device(device)?,
        None => None,
    };
    Ok((device, patch))
}

fn stored(reader: &Reader<'_>, id: PatchId) -> Result<StoredPatch, Error> {
    reader.patch(id)?.ok_or_else(|| not_found(&id.to_string()))
}

pub(crate) fn not_found(name: &str) -> Error {
    Error::NotFound {
        what: "patch",
        name: name.to_owned(),
    }
}

fn shown(reader: &Reader<'_>, patch: StoredPatch, whole: bool) -> Result<types::Patch, Error> {
    let mac_address = match patch.device {
        Some(id) => reader.device(id)?.map(|device| device.mac),
        None => None,
    };
    Ok(types::Patch {
        id: patch.id,
        scope: patch.scope,
        device: patch.device,
        mac_address,
        name: patch.name,
        size: patch.text.len() as u64,
        sha256: Some(patch.sha256),
        created_at: patch.created_at,
        updated_at: patch.updated_at,
        text: whole.then_some(patch.text),
    })
}

fn check_name(name: &str) -> Result<(), Error> {
    let letters = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    if letters && (1..=MAX_NAME).contains(&name.len()) {
        return Ok(());
    }
    let why = format!(
        "must be 1 to {MAX_NAME} letters, digits, dots, hyphens and underscores; patches of a scope are applied in the order of their names"
    );
    Err(Error::invalid("name", why))
}
