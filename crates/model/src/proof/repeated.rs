//! What was heard before: delivery is at least once.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

/// The keys last heard. Talos keeps a thousand events and may send all of them again; more than that are kept in mind here. What is
/// written down are the last few: a machine that finds its receiver again goes on where it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    from = "Vec<K>",
    into = "Vec<K>",
    bound(
        serialize = "K: Clone + Serialize",
        deserialize = "K: Clone + Eq + Hash + Deserialize<'de>"
    )
)]
pub(super) struct Heard<K> {
    order: VecDeque<K>,
    keys: HashSet<K>,
}

const KEPT: usize = 4096;
const WRITTEN_DOWN: usize = 16;

impl<K: Clone> From<Heard<K>> for Vec<K> {
    fn from(heard: Heard<K>) -> Self {
        let passed_over = heard.order.len().saturating_sub(WRITTEN_DOWN);
        heard.order.into_iter().skip(passed_over).collect()
    }
}

impl<K: Clone + Eq + Hash> From<Vec<K>> for Heard<K> {
    fn from(keys: Vec<K>) -> Self {
        let mut heard = Self::default();
        for key in keys {
            heard.first(key);
        }
        heard
    }
}

impl<K> Default for Heard<K> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            keys: HashSet::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Heard<K> {
    /// Whether `key` is heard for the first time.
    pub(super) fn first(&mut self, key: K) -> bool {
        if !self.keys.insert(key.clone()) {
            return false;
        }
        if self.order.len() == KEPT {
            self.order
                .pop_front()
                .map(|forgotten| self.keys.remove(&forgotten));
        }
        self.order.push_back(key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_new_once_and_again_only_when_many_came_after_it() {
        let mut heard = Heard::default();
        assert!(heard.first(0));
        for key in 1..KEPT {
            assert!(heard.first(key));
            assert!(!heard.first(0));
        }
        assert!(heard.first(KEPT));
        assert!(heard.first(0), "the oldest is forgotten");
        assert_eq!((heard.order.len(), heard.keys.len()), (KEPT, KEPT));
    }
}
