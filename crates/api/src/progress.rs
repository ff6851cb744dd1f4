//! How far the making of device configs has come, for those who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::types::RegenerateProgress;

/// Counts what is under way; clones share it. Several that run at the same time are counted together.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    running: AtomicU64,
    saving: AtomicU64,
    done: AtomicU64,
    total: AtomicU64,
}

/// One making of configs; ends when dropped.
pub(crate) struct Running {
    counts: Arc<Counts>,
    total: AtomicU64,
    saving: AtomicU64,
}

impl Progress {
    /// Begins one.
    pub(crate) fn begin(&self) -> Running {
        // The first of several begins to count anew.
        if self.0.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.0.done.store(0, Ordering::SeqCst);
            self.0.total.store(0, Ordering::SeqCst);
        }
        Running {
            counts: Arc::clone(&self.0),
            total: AtomicU64::new(0),
            saving: AtomicU64::new(0),
        }
    }

    /// How far it is.
    pub(crate) fn look(&self) -> RegenerateProgress {
        let count = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let total = count(&self.0.total);
        RegenerateProgress {
            running: count(&self.0.running) > 0,
            saving: count(&self.0.saving) > 0,
            done: count(&self.0.done).min(total),
            total,
        }
    }
}

impl Running {
    /// So many more are to be made.
    pub(crate) fn expect(&self, configs: u64) {
        self.total.fetch_add(configs, Ordering::SeqCst);
        self.counts.total.fetch_add(configs, Ordering::SeqCst);
    }

    /// One more was made.
    pub(crate) fn step(&self) {
        self.counts.done.fetch_add(1, Ordering::Relaxed);
    }

    /// All were made and are written to the store.
    pub(crate) fn saving(&self) {
        if self.saving.swap(1, Ordering::SeqCst) == 0 {
            self.counts.saving.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let saving = self.saving.load(Ordering::SeqCst);
        self.counts.saving.fetch_sub(saving, Ordering::SeqCst);
        self.counts.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_begin_to_end() {
        let progress = Progress::default();
        assert!(!progress.look().running);
        let running = progress.begin();
        running.expect(2);
        running.step();
        let look = progress.look();
        assert!(look.running && !look.saving);
        assert_eq!((look.done, look.total), (1, 2));
        running.saving();
        running.saving();
        assert!(progress.look().saving);
        drop(running);
        let look = progress.look();
        assert!(!look.running && !look.saving);
        drop(progress.begin());
        assert_eq!(progress.look().total, 0);
    }
}
