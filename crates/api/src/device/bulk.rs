//! The same for many devices: all of it or nothing, after a look at what it would do.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use model::{Author, DeviceId, Install, Role, StandingOrder, Wipe};
use store::{Lane, Reader, Store, Writer};

use super::approve::approve_in;
use super::delete::delete_in;
use super::order::order_in;
use super::reject::reject_in;
use super::suggest::Suggester;
use super::{DeviceRef, called, disk, find, shown};
use crate::Error;
use crate::generate::{Ready, Recipe};
use crate::sources::Sources;
use crate::types::{self, ApproveDevice, BulkAction, BulkAnswer, BulkDevices, BulkRow, GiveOrder};
use crate::version::{IfMatch, Version};

/// The most devices of one request: machines that boot wait while it is done.
pub(crate) const MOST_AT_ONCE: usize = 500;
/// How many devices a refusal names.
const NAMED: usize = 10;

/// A change that is undone: it was only a preview, or it cannot be.
enum Undone {
    Preview(BulkAnswer),
    Refused(Error),
}

impl From<store::Error> for Undone {
    fn from(err: store::Error) -> Self {
        Self::Refused(err.into())
    }
}

/// Does, or with `preview` only tells, what is asked for all devices. A device that cannot refuses it for all.
pub(crate) async fn bulk(
    store: &Store,
    author: Author,
    asked: BulkDevices,
    own: Vec<Ipv4Addr>,
) -> Result<BulkAnswer, Error> {
    if asked.devices.is_empty() || asked.devices.len() > MOST_AT_ONCE {
        let why = format!("must name 1 to {MOST_AT_ONCE} devices");
        return Err(Error::invalid("devices", why));
    }
    let done = store
        .write(Lane::Admin, author, move |writer| {
            let answer = all(writer, &asked, &own).map_err(Undone::Refused)?;
            check_seen(asked.seen.as_deref(), &answer.devices).map_err(Undone::Refused)?;
            if asked.preview {
                Err(Undone::Preview(answer))
            } else if answer.refused > 0 {
                Err(Undone::Refused(refusal(&answer)))
            } else {
                Ok(answer)
            }
        })
        .await;
    match done {
        Ok(answer) | Err(Undone::Preview(answer)) => Ok(answer),
        Err(Undone::Refused(err)) => Err(err),
    }
}

fn all(writer: &Writer<'_>, asked: &BulkDevices, own: &[Ipv4Addr]) -> Result<BulkAnswer, Error> {
    let mut tools = match asked.action {
        BulkAction::Approve => Some((Ready::read(writer)?, Suggester::read(writer, own.to_vec())?)),
        BulkAction::Reject | BulkAction::Order { .. } | BulkAction::Delete => None,
    };
    let looks = asked.preview || asked.seen.is_some();
    let installs = BulkAction::Order {
        order: StandingOrder::Install,
    };
    // What an approval is made with tells of the disks, too; to make it takes a while, in which boots wait.
    let recipe = match asked.action == installs && looks {
        true => Recipe::of(Sources::read(writer)?).ok(),
        false => None,
    };
    let mut devices: Vec<model::Device> = Vec::new();
    for text in &asked.devices {
        let device = find(writer, &text.parse::<DeviceRef>()?)?;
        if !devices.iter().any(|other| other.id == device.id) {
            devices.push(device);
        }
    }
    let named: Vec<DeviceId> = devices.iter().map(|device| device.id).collect();
    // What comes of it is the same in whatever order they are named: who joins a control plane comes after it, and goes before it.
    match &tools {
        Some((_, suggester)) => {
            devices.sort_by_key(|device| suggester.turn(device, device.role.or(asked.role)));
        }
        None => devices.sort_by_key(|device| device.role == Some(Role::Controlplane)),
    }
    let mut rows = Vec::new();
    for before in devices {
        let was = shown(writer, before.clone())?;
        let done = match (&asked.action, &mut tools) {
            (BulkAction::Approve, Some((ready, suggester))) => {
                approve(writer, (ready, suggester, own), &before, asked.role)
            }
            (BulkAction::Order { order }, _) => order_of(writer, &before, *order),
            (BulkAction::Delete, _) => {
                delete_in(writer, &DeviceRef::Id(before.id), &IfMatch::any()).map(|()| was.clone())
            }
            _ => reject_in(writer, &DeviceRef::Id(before.id), &IfMatch::any()),
        };
        let (after, refusal) = match done {
            Ok(device) => (device, None),
            Err(Error::Store(err)) if !matches!(err, store::Error::Taken { .. }) => {
                return Err(err.into());
            }
            Err(err) => (was.clone(), Some(err.body())),
        };
        let effect = if looks {
            let ready = tools.as_ref().map(|(ready, _)| ready.recipe());
            let recipe = ready.or(recipe.as_ref());
            effect(writer, (&before, after.role), asked.action, recipe)?
        } else {
            String::new()
        };
        rows.push(BulkRow {
            id: before.id,
            name: called(&before),
            version: version(&was, &after, &effect),
            before: was,
            device: after,
            effect,
            refusal,
        });
    }
    rows.sort_by_key(|row| named.iter().position(|id| *id == row.id));
    let refused = rows.iter().filter(|row| row.refusal.is_some()).count();
    Ok(BulkAnswer {
        preview: asked.preview,
        refused: refused as u64,
        devices: rows,
    })
}

/// Names what a row tells of a device: what persons decided of it, how its orders stand, who it is, and what would be done with it.
fn version(before: &types::Device, after: &types::Device, effect: &str) -> String {
    let decided = Version::of_device(before).to_string();
    let found = (&before.install, &before.wipe, &before.identity_conflict);
    let given = (&after.hostname, after.ip_address, after.role);
    Version::of(&(decided, found, given, effect)).to_string()
}

/// Refuses what a person saw otherwise, or did not see.
fn check_seen(seen: Option<&[String]>, rows: &[BulkRow]) -> Result<(), Error> {
    let Some(seen) = seen else { return Ok(()) };
    let seen: HashSet<&str> = seen.iter().map(String::as_str).collect();
    let stale = rows
        .iter()
        .filter(|row| !seen.contains(row.version.as_str()));
    let names: Vec<String> = stale.map(|row| row.name.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::SeenOtherwise {
        devices: first_of(names, ", "),
    })
}

/// Approves a device with what it has and what is suggested for the rest.
fn approve(
    writer: &Writer<'_>,
    (ready, suggester, own): (&Ready, &mut Suggester, &[Ipv4Addr]),
    before: &model::Device,
    role: Option<Role>,
) -> Result<types::Device, Error> {
    if before.approval.is_approved() {
        return shown(writer, before.clone());
    }
    let mut asked = before.clone();
    asked.role = asked.role.or(role);
    let suggested = suggester.suggest(&asked);
    let with = ApproveDevice {
        hostname: suggested.hostname,
        ip_address: suggested.ip_address,
        role: Some(suggested.role),
        ..ApproveDevice::default()
    };
    let device = approve_in(writer, ready, &DeviceRef::Id(before.id), with, own)?;
    suggester.give(
        device.id,
        device.hostname.clone(),
        device.ip_address,
        device.role,
        true,
    );
    Ok(device)
}

fn order_of(
    writer: &Writer<'_>,
    before: &model::Device,
    order: StandingOrder,
) -> Result<types::Device, Error> {
    order_in(
        writer,
        &DeviceRef::Id(before.id),
        &GiveOrder::standing(order),
        &IfMatch::any(),
    )
}

/// What is done to a machine, in this role, and to its disks, in sentences.
fn effect(
    reader: &Reader<'_>,
    (device, role): (&model::Device, Option<Role>),
    action: BulkAction,
    recipe: Option<&Recipe>,
) -> Result<String, Error> {
    let approved = device.approval.is_approved();
    let mut said = match action {
        BulkAction::Approve if approved => "It is approved already; nothing changes.".to_owned(),
        BulkAction::Approve => disk::told(reader, device, role, recipe)?,
        BulkAction::Reject => {
            let config = if approved { " Its config is deleted." } else { "" };
            format!("Its disks stay as they are: it is sent to its disk whenever it boots.{config}")
        }
        BulkAction::Order { order } => {
            let does = match order {
                StandingOrder::Install => {
                    let disk = match device.life.install {
                        Install::Installed { .. } => String::new(),
                        _ => format!(" {}", disk::told(reader, device, role, recipe)?),
                    };
                    format!(
                        "Its next network boot runs Talos, which overwrites the install disk unless it finds itself there already.{disk}"
                    )
                }
                StandingOrder::Local => {
                    "Its next network boot leaves to its disk at once; nothing is written.".to_owned()
                }
                StandingOrder::Menu => {
                    "Its next network boot asks at the console for a minute, then boots its disk; nothing is written unless a person \
                     there says so."
                        .to_owned()
                }
            };
            if approved {
                does
            } else {
                format!("Once it is approved: {does}")
            }
        }
        BulkAction::Delete => "Its disks stay as they are. If it boots again it is a new device, and waits for approval.".to_owned(),
    };
    match device.life.wipe {
        _ if action == BulkAction::Approve => {}
        Wipe::Ordered { .. } => said.push_str(" The wipe that is ordered is called off."),
        Wipe::Asked { .. } => {
            said.push_str(" The wipe that was asked for at its console is declined.");
        }
        Wipe::Spent { .. } if matches!(action, BulkAction::Order { .. }) => said.push_str(
            " The wipe that went out is not proven: the disk may be wiped, or half, or not. With this order nothing waits for its proof.",
        ),
        _ => {}
    }
    Ok(said)
}

/// Names the devices that stand in the way, and why.
fn refusal(answer: &BulkAnswer) -> Error {
    let named = answer
        .devices
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.name, row.refusal.as_ref()?.message)));
    let why = format!(
        "{} of {} devices stand in the way, so nothing was changed: {}",
        answer.refused,
        answer.devices.len(),
        first_of(named.collect(), "; ")
    );
    let hint = "ask with `preview: true` for each of them";
    Error::refused("bulk_refused", Some("devices".to_owned()), why, Some(hint))
}

/// The first of many, and how many more there are.
fn first_of(mut all: Vec<String>, between: &str) -> String {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.join(between)
}
