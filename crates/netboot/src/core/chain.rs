//! Machines that load the same loader over and over.

use std::time::Duration;

use model::{MacAddr, Timestamp};

use super::recent::Recent;
use crate::director::LoaderName;

/// How often each machine was sent the same loader within the last minute. Such a loop is still answered, for an answer is what gets a
/// machine to its disk, but it is said.
#[derive(Debug)]
pub struct ChainWatch {
    chains: Recent<Option<Chain>>,
}

#[derive(Clone, Debug)]
struct Chain {
    loader: LoaderName,
    began_at: Timestamp,
    count: u32,
}

/// How long a count runs.
const WINDOW: Duration = Duration::from_secs(60);
/// How often firmware may ask for one loader in a minute: a discover that it repeats four times, and a second attempt.
const USUAL: u32 = 8;

impl ChainWatch {
    /// Keeps at most `capacity` machines in mind.
    pub fn new(capacity: usize) -> Self {
        Self {
            chains: Recent::new(capacity),
        }
    }

    /// Takes note that `mac` was sent `loader`. Says how often within a minute, if that is more often than a boot explains.
    pub fn sent(&mut self, mac: MacAddr, loader: &LoaderName, now: Timestamp) -> Option<u32> {
        let kept = self.chains.entry(mac, || None);
        let chain = kept
            .take()
            .filter(|chain| chain.loader == *loader)
            .filter(|chain| now.is_soon_after(chain.began_at, WINDOW))
            .unwrap_or_else(|| Chain {
                loader: loader.clone(),
                began_at: now,
                count: 0,
            });
        let count = chain.count.saturating_add(1);
        *kept = Some(Chain { count, ..chain });
        (count > USUAL).then_some(count)
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
        // A minute later it counts anew, and so it does for another loader or after it came further.
        assert_eq!(watch.sent(mac(), &loader("undionly.kpxe"), at(60)), None);
        for second in 60..69 {
            watch.sent(mac(), &loader("undionly.kpxe"), at(second));
        }
        assert_eq!(watch.sent(mac(), &loader("ipxe.pxe"), at(69)), None);
        for second in 69..79 {
            watch.sent(mac(), &loader("ipxe.pxe"), at(second));
        }
        watch.passed(mac());
        assert_eq!(watch.sent(mac(), &loader("ipxe.pxe"), at(79)), None);
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
