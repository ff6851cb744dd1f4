//! Boot orders, and words about what became of them.

use model::proof::Verdict;
use model::{Author, BootOrder, Device, EventKind, ProofSource, StandingOrder};
use store::{Lane, Store, Writer};

use super::{DeviceRef, called, find_expected, shown_again};
use crate::types::{GiveOrder, Proof};
use crate::version::IfMatch;
use crate::{Error, audit, types};

/// Gives a device a boot order, also the one it has: an `install` is then done once more. A wipe is ordered with the device's name as
/// its confirmation; any other order answers one that is asked for or ordered with a no. The device must be the expected version.
pub(crate) async fn give_order(
    store: &Store,
    author: Author,
    who: DeviceRef,
    given: GiveOrder,
    expected: IfMatch,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            order_in(writer, &who, &given, &expected)
        })
        .await
}

/// The same within a change.
pub(super) fn order_in(
    writer: &Writer<'_>,
    who: &DeviceRef,
    given: &GiveOrder,
    expected: &IfMatch,
) -> Result<types::Device, Error> {
    let before = find_expected(writer, who, expected)?;
    match given.order.standing() {
        Some(order) => {
            if given.confirm.is_some() || given.then.is_some() {
                let field = if given.confirm.is_some() {
                    "confirm"
                } else {
                    "then"
                };
                return Err(Error::invalid(field, "belongs to the order `wipe` alone"));
            }
            let mut device = before.clone();
            device.give_order(order);
            writer.update_device(&device)?;
            record_order(writer, &before, &device)?;
        }
        None => order_wipe(writer, &before, given)?,
    }
    shown_again(writer, before.id)
}

/// Orders a wipe of an approved device whose name was typed.
fn order_wipe(writer: &Writer<'_>, before: &Device, given: &GiveOrder) -> Result<(), Error> {
    let name = before.hostname.as_ref().map(ToString::to_string);
    let (Some(name), true) = (name, before.approval.is_approved()) else {
        let why = format!("{} is not approved, so it cannot be wiped", called(before));
        return Err(Error::refused(
            "not_approved",
            Some("order".to_owned()),
            why,
            None,
        ));
    };
    if given.confirm.as_deref() != Some(name.as_str()) {
        let why = match &given.confirm {
            None => {
                "a wipe destroys what is on the disk; it is confirmed with the name of the device"
                    .to_owned()
            }
            Some(_) => "is not the name of the device".to_owned(),
        };
        let hint = format!(
            "`ktizo device wipe {} --confirm {name}`; by API, `confirm: {name}`",
            before.mac
        );
        return Err(Error::refused(
            "confirm",
            Some("confirm".to_owned()),
            why,
            Some(&hint),
        ));
    }
    let mut device = before.clone();
    let then = given.then.unwrap_or(StandingOrder::Menu);
    let told = device
        .life
        .give_wipe(writer.actor().clone(), writer.now(), then);
    writer.update_device(&device)?;
    let mut changes = audit::of_device(before, &device);
    changes.retain(|change| change.field == "boot_order");
    writer.event_of(Some(&device), told, &changes)?;
    Ok(())
}

/// Says no to a wipe that was asked for at the console or ordered. Where there is none, nothing changes.
pub(crate) async fn decline_wipe(
    store: &Store,
    author: Author,
    who: DeviceRef,
    expected: IfMatch,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let mut device = find_expected(writer, &who, &expected)?;
            if let Some(told) = device.life.decline_wipe() {
                writer.update_device(&device)?;
                writer.event(Some(&device), told)?;
            }
            shown_again(writer, device.id)
        })
        .await
}

/// A person vouches for what no machine has proven.
pub(crate) async fn vouch(
    store: &Store,
    author: Author,
    who: DeviceRef,
    proof: Proof,
    expected: IfMatch,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let device = find_expected(writer, &who, &expected)?;
            let verdict = match proof {
                Proof::Installed => Verdict::Installed,
                Proof::Wiped => Verdict::Wiped,
            };
            let taken = writer.take_verdict(device.id, &verdict, ProofSource::Operator)?;
            if !taken && proof == Proof::Wiped {
                let why = format!("no wipe of {} is on its way", called(&device));
                return Err(Error::refused(
                    "no_wipe",
                    Some("proof".to_owned()),
                    why,
                    None,
                ));
            }
            shown_again(writer, device.id)
        })
        .await
}

/// Writes the event of an order.
pub(super) fn record_order(
    writer: &Writer<'_>,
    before: &Device,
    device: &Device,
) -> Result<(), Error> {
    let what = EventKind::OrderGiven {
        order: device.life.order,
    };
    let mut changes = audit::of_device(before, device);
    changes.retain(|change| change.field == "boot_order");
    writer.event_of(Some(device), what, &changes)?;
    Ok(())
}

/// The standing order that a change of fields gives, if it gives one: a wipe is not given that way.
pub(super) fn standing(
    before: &Device,
    order: Option<BootOrder>,
) -> Result<Option<StandingOrder>, Error> {
    let Some(order) = order.filter(|order| *order != before.life.boot_order()) else {
        return Ok(None);
    };
    match order.standing() {
        Some(order) => Ok(Some(order)),
        None => Err(no_back_door("boot_order")),
    }
}

/// The refusal of a wipe that is not confirmed.
pub(super) fn no_back_door(field: &str) -> Error {
    let why =
        "a wipe is not ordered by PUT, for it has to be confirmed with the name of the device";
    let hint = "POST .../order with `order: wipe` and `confirm`, or `ktizo device wipe`";
    Error::refused("confirm", Some(field.to_owned()), why, Some(hint))
}
