//! A table of the machines last heard of.

use std::collections::BTreeMap;

use model::MacAddr;

/// Something kept per machine, for the machines last heard of and no more than a given number of them.
///
/// Two generations make it: when the young one is full it becomes the old one, whose machines come back into the young one when they are
/// heard of, and are forgotten at the next turn otherwise. So each step is cheap, also the one that forgets thousands.
#[derive(Debug)]
pub(super) struct Recent<T> {
    half: usize,
    young: BTreeMap<MacAddr, T>,
    old: BTreeMap<MacAddr, T>,
}

impl<T> Recent<T> {
    /// Keeps at most `capacity` machines, and at least the half of that number last heard of.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            half: (capacity / 2).max(1),
            young: BTreeMap::new(),
            old: BTreeMap::new(),
        }
    }

    /// What is kept of `mac`, made by `fresh` if nothing is.
    pub(super) fn entry(&mut self, mac: MacAddr, fresh: impl FnOnce() -> T) -> &mut T {
        let kept = self.old.remove(&mac);
        if !self.young.contains_key(&mac) && self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young
            .entry(mac)
            .or_insert_with(|| kept.unwrap_or_else(fresh))
    }

    /// How many machines are kept.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
