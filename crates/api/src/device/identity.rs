//! Saying who a device is.

use model::{Author, Conflict, ConflictKind, Device, IdentityDecision, Timestamp};
use store::{Lane, Store, Writer};

use super::{DeviceRef, called, find_expected, shown_again};
use crate::version::IfMatch;
use crate::{Error, types};

/// Decides a conflict of a device or, where there is none and it is named by another card of it, about that card. A machine that was
/// turned away may still be accepted.
pub(crate) async fn decide_identity(
    store: &Store,
    author: Author,
    who: DeviceRef,
    said: types::DecideIdentity,
    expected: IfMatch,
) -> Result<types::Device, Error> {
    let decision = said.decision;
    store
        .write(Lane::Admin, author, move |writer| {
            let device = find_expected(writer, &who, &expected)?;
            let mut conflict = writer.conflict(device.id)?;
            // As its text, for that tells milliseconds.
            let text = |since: Timestamp| since.to_string();
            let present = conflict.as_ref().map(|found| text(found.since));
            if said.since.is_some() && said.since.map(text) != present {
                return Err(Error::Stale);
            }
            let card = match who {
                DeviceRef::Mac(mac) if mac != device.mac => Some(mac),
                _ => None,
            };
            if conflict.is_none() && card.is_none() && decision == IdentityDecision::Accept {
                conflict = writer.turned_away(device.id)?;
            }
            let (device, about) = match (conflict, card) {
                (Some(conflict), _) if conflict.with.is_some() => {
                    let about = conflict.mac;
                    (of_two(writer, device, &conflict, decision)?, about)
                }
                (Some(conflict), _) => {
                    of_one(writer, &device, &conflict, decision)?;
                    (device, conflict.mac)
                }
                (None, Some(card)) => {
                    if decision == IdentityDecision::Accept {
                        writer.confirm_card(device.id, card)?;
                    } else {
                        writer.detach_card(device.id, card)?;
                        if let Some(uuid) = device.inventory.uuid {
                            writer.share_uuid(uuid)?;
                        }
                    }
                    (device, card)
                }
                (None, None) => {
                    let why = format!("nothing is undecided about {}", called(&device));
                    let hint = "to decide about another card of it, name that card";
                    return Err(Error::refused("nothing_undecided", None, why, Some(hint)));
                }
            };
            writer.identity_decided(&device, decision, about)?;
            shown_again(writer, device.id)
        })
        .await
}

/// Another machine showed up with its card.
fn of_one(
    writer: &Writer<'_>,
    device: &Device,
    conflict: &Conflict,
    decision: IdentityDecision,
) -> Result<(), Error> {
    match decision {
        IdentityDecision::Accept => Ok(writer.accept_shown(device.id, conflict)?),
        IdentityDecision::Keep => Ok(writer.keep_known(device.id)?),
        IdentityDecision::Split => {
            let why = format!(
                "two machines with one MAC cannot be two devices ({})",
                ConflictKind::OneMacTwoMachines.meaning()
            );
            let hint = "give one of them another MAC, or accept or keep";
            Err(Error::refused("one_mac", None, why, Some(hint)))
        }
    }
}

/// Two devices show one UUID. Returns the one that stays.
fn of_two(
    writer: &Writer<'_>,
    device: Device,
    conflict: &Conflict,
    decision: IdentityDecision,
) -> Result<Device, Error> {
    let other = conflict.with.map(|with| writer.device(with)).transpose()?;
    let Some(other) = other.flatten() else {
        writer.end_conflict(device.id)?;
        return Ok(device);
    };
    if decision != IdentityDecision::Accept {
        writer.end_conflict(device.id)?;
        writer.end_conflict(other.id)?;
        for uuid in [device.inventory.uuid, other.inventory.uuid]
            .into_iter()
            .flatten()
        {
            writer.share_uuid(uuid)?;
        }
        return Ok(device);
    }
    // The one that was let in stays.
    let (stays, goes) = if other.approval.is_approved() {
        (other, device)
    } else {
        (device, other)
    };
    if goes.approval.is_approved() {
        let why = format!(
            "{} and {} are both approved, so neither can become a card of the other",
            called(&stays),
            called(&goes)
        );
        let hint = "reject or delete one of them first";
        return Err(Error::refused("both_approved", None, why, Some(hint)));
    }
    writer.merge_devices(&stays, &goes)?;
    writer.end_conflict(stays.id)?;
    Ok(stays)
}
