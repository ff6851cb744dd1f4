//! Machines that load the same loader over and over, as they do where its own DHCP looks like that of the firmware.

use std::time::Duration;

use model::{MacAddr, Timestamp};

use super::recent::Recent;
use crate::director::LoaderName;

/// How often each machine was sent the same loader, and came no further. Such a machine is still answered, for an answer is what gets it
/// to its disk, but not with that loader.
#[derive(Debug)]
pub struct ChainWatch {
    chains: Recent<Option<Chain>>,
}

#[derive(Clone, Debug)]
struct Chain {
    loader: LoaderName,
    last_at: Timestamp,
    count: u32,
}

/// The longest pause between two requests of one loop. A lap of UEFI firmware takes seven seconds.
const PAUSE: Duration = Duration::from_secs(60);
/// How often firmware may ask for one loader: a discover that it repeats four times, and a second attempt.
const USUAL: u32 = 8;

impl ChainWatch {
    /// Keeps at most `capacity` machines in mind.
    pub fn new(capacity: usize) -> Self {
        Self {
            chains: Recent::new(capacity),
        }
    }

    /// Takes note that `mac` is to be sent `loader`. Says how often in a row, if that is more often than a boot explains.
    pub fn sent(&mut self, mac: MacAddr, loader: &LoaderName, now: Timestamp) -> Option<u32> {
        let kept = self.chains.entry(mac, || None);
        let chain = kept
            .take()
            .filter(|chain| chain.loader == *loader)
            .filter(|chain| now.is_soon_after(chain.last_at, PAUSE))
            .unwrap_or_else(|| Chain {
                loader: loader.clone(),
                last_at: now,
                count: 0,
            });
        // What kept firmware from its loader may be over, such as another server that was down: then it is given that again.
        let count = if chain.count >= 2 * USUAL {
            1
        } else {
            chain.count + 1
        };
        *kept = Some(Chain {
            count,
            last_at: now,
            ..chain
        });
        (count > USUAL).then_some(count)
    }

    /// The same for a request that follows another one and is not counted by itself.
    pub fn goes_on(&mut self, mac: MacAddr, loader: &LoaderName) -> Option<u32> {
        let chain = self.chains.entry(mac, || None).as_ref();
        let chain = chain.filter(|chain| chain.loader == *loader)?;
        (chain.count > USUAL).then_some(chain.count)
    }

    /// Takes note that `mac` came further than its loader.
    pub fn passed(&mut self, mac: MacAddr) {
        *self.chains.entry(mac, || None) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac() -> MacAddr {
        "52:54:00:aa:bb:01".parse().unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn loader(name: &str) -> LoaderName {
        LoaderName::parse(name).unwrap()
    }

    #[test]
    fn the_same_loader_again_and_again_is_said() {
        let mut watch = ChainWatch::new(100);
        let said: Vec<Option<u32>> = (0..10)
            .map(|second| watch.sent(mac(), &loader("undionly.kpxe"), at(second)))
            .collect();
        assert_eq!(said[..8], [None; 8]);
        assert_eq!(said[8..], [Some(9), Some(10)]);
        assert_eq!(watch.goes_on(mac(), &loader("undionly.kpxe")), Some(10));
        assert_eq!(watch.goes_on(mac(), &loader("ipxe.pxe")), None);
        // A minute later it counts anew, and so it does for another loader or after it came further.
        assert_eq!(watch.sent(mac(), &loader("undionly.kpxe"), at(69)), None);
        for second in 69..78 {
            watch.sent(mac(), &loader("undionly.kpxe"), at(second));
        }
        assert_eq!(watch.sent(mac(), &loader("ipxe.pxe"), at(78)), None);
        for second in 78..88 {
            watch.sent(mac(), &loader("ipxe.pxe"), at(second));
        }
        watch.passed(mac());
        assert_eq!(watch.goes_on(mac(), &loader("ipxe.pxe")), None);
        assert_eq!(watch.sent(mac(), &loader("ipxe.pxe"), at(88)), None);
    }

    #[test]
    fn what_could_not_load_anything_is_given_its_loader_again() {
        let mut watch = ChainWatch::new(100);
        let mut looped = || {
            (0..8)
                .map(|_| watch.sent(mac(), &loader("snponly.efi"), at(0)).is_some())
                .collect::<Vec<_>>()
        };
        for expected in [false, true, false, true] {
            assert_eq!(looped(), [expected; 8]);
        }
    }

    #[test]
    fn a_slow_loop_is_a_loop() {
        let mut watch = ChainWatch::new(100);
        let said: Vec<Option<u32>> = (0..10)
            .map(|lap| watch.sent(mac(), &loader("snponly.efi"), at(45 * lap)))
            .collect();
        assert_eq!(said[7..], [None, Some(9), Some(10)]);
    }

    #[test]
    fn two_loaders_in_turn_are_no_loop_of_one() {
        let mut watch = ChainWatch::new(100);
        for second in 0..40 {
            let name = ["snponly.efi", "ipxe.efi"][usize::from(second % 2 == 0)];
            assert_eq!(watch.sent(mac(), &loader(name), at(second)), None);
        }
    }
}
