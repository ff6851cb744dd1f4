//! Which device speaks from an address.

use std::net::IpAddr;

use model::{Approval, BootId, Device, MacAddr, Timestamp, Wipe};
use store::{Error as StoreError, Reader};

use crate::director::peers::Peers;

/// What this host knows of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) peer: IpAddr,
    /// The card that has it, where it is on a network of this host.
    pub(super) card: Option<MacAddr>,
    /// Whose requests came from it, by what they said.
    pub(super) asked: Option<MacAddr>,
    /// Whether that machine's present boot is known to come through a relay, and from there.
    pub(super) relayed: bool,
}

/// Who speaks from an address.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    pub(super) device: Device,
    /// Whether more than the address says so: its card, or the relay of its boot.
    pub(super) is_sure: bool,
    /// The device's last boot.
    pub(super) boot: Option<BootId>,
}

/// Why somebody is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// No device is known to have the address.
    Unknown,
    /// Nobody has decided about the device.
    Pending,
    /// The device was rejected.
    Rejected,
    /// The device is to prove a wipe, for which more is asked of a card than the address.
    Unsure,
}

impl Stranger {
    /// Each of them, in the order of declaration.
    pub(super) const ALL: [Self; 4] = [Self::Unknown, Self::Pending, Self::Rejected, Self::Unsure];

    /// The word for it in metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_address",
            Self::Pending => "pending_device",
            Self::Rejected => "rejected_device",
            Self::Unsure => "strange_card_while_wiping",
        }
    }
}

impl Address {
    /// Looks `peer` up.
    pub(super) fn look(peer: IpAddr, peers: &Peers, now: Timestamp) -> Self {
        let (card, asked) = (peers.card_of(peer), peers.who_asked_from(peer));
        let relayed =
            card.is_none() && asked.is_some_and(|mac| peers.stays_by_relay(mac, peer, now));
        Self {
            peer,
            card,
            asked,
            relayed,
        }
    }

    /// The approved device behind the address.
    ///
    /// The neighbour table goes first: a machine on this network cannot speak for another by an address alone, whatever it has asked for.
    /// A card of no device, as of a second one in the same machine, speaks only for the device that has the address by its settings. What
    /// requests have said counts only for an address behind a router, of which nothing better is known.
    ///
    /// While a wipe waits for its proof, which may let an install begin, that is not enough: the card must be the device's own, or
    /// its boot must have come through a relay from that address.
    pub(super) fn device(
        &self,
        reader: &Reader<'_>,
    ) -> Result<Result<Speaker, Stranger>, StoreError> {
        let of_card = self.card.map(|card| reader.device_by_mac(card));
        let mut device = of_card.transpose()?.flatten();
        if let Some(known) = &device
            && !self.card.is_some_and(|card| {
                reader
                    .trusted_cards(known)
                    .is_ok_and(|own| own.contains(&card))
            })
        {
            // It attached itself by a UUID that anybody can send.
            device = None;
        }
        let has_card = device.is_some();
        if device.is_none()
            && let IpAddr::V4(address) = self.peer
            && let Some(id) = reader.device_with_address(address)?
        {
            device = reader
                .device(id)?
                .filter(|device| device.approval.is_approved());
        }
        if device.is_none()
            && self.card.is_none()
            && let Some(asked) = self.asked
        {
            device = reader.device_by_mac(asked)?;
        }
        let Some(device) = device else {
            return Ok(Err(Stranger::Unknown));
        };
        let is_sure = has_card || self.is_relayed(reader, &device)?;
        let waits = matches!(device.life.wipe, Wipe::Spent { .. });
        Ok(match device.approval {
            Approval::Approved { .. } if waits && !is_sure => Err(Stranger::Unsure),
            Approval::Approved { .. } => Ok(Speaker {
                boot: reader.last_boot(device.id)?.map(|boot| boot.id),
                device,
                is_sure,
            }),
            Approval::Pending => Err(Stranger::Pending),
            Approval::Rejected { .. } => Err(Stranger::Rejected),
        })
    }

    /// Whether the present boot of `device` came through a relay, from here.
    fn is_relayed(&self, reader: &Reader<'_>, device: &Device) -> Result<bool, StoreError> {
        let own = reader.trusted_cards(device)?;
        Ok(self.relayed && self.asked.is_some_and(|asked| own.contains(&asked)))
    }
}
