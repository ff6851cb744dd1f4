//! A bounded queue with lanes, filled by async callers and emptied by threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

use crate::Error;

/// Jobs in `LANES` lanes, each bounded by itself; a lower lane goes before a higher one.
pub(crate) struct Queue<J, const LANES: usize> {
    state: Mutex<State<J, LANES>>,
    ready: Condvar,
    room: [Arc<Semaphore>; LANES],
    patience: Duration,
}

/// What the lock protects.
struct State<J, const LANES: usize> {
    lanes: [VecDeque<Waiting<J>>; LANES],
    open: bool,
}

/// A job and the room it takes.
struct Waiting<J> {
    job: J,
    _room: OwnedSemaphorePermit,
}

impl<J, const LANES: usize> Queue<J, LANES> {
    /// An empty queue whose lanes hold so many jobs each, and whose callers wait so long for room before they are told that it is busy.
    pub(crate) fn new(capacity: [usize; LANES], patience: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                lanes: std::array::from_fn(|_| VecDeque::new()),
                open: true,
            }),
            ready: Condvar::new(),
            room: capacity.map(|room| Arc::new(Semaphore::new(room))),
            patience,
        }
    }

    /// Puts a job in a lane, waiting a while for room.
    pub(crate) async fn push(&self, lane: usize, job: J) -> Result<(), Error> {
        let room = match Arc::clone(&self.room[lane]).try_acquire_owned() {
            Ok(room) => room,
            Err(TryAcquireError::Closed) => return Err(Error::Closed),
            Err(TryAcquireError::NoPermits) => {
                timeout(self.patience, Arc::clone(&self.room[lane]).acquire_owned())
                    .await
                    .map_err(|_| Error::Busy)?
                    .map_err(|_| Error::Closed)?
            }
        };
        self.put(lane, job, room)
    }

    /// Puts a job in a lane if there is room at this moment.
    pub(crate) fn try_push(&self, lane: usize, job: J) -> Result<(), Error> {
        let room = Arc::clone(&self.room[lane])
            .try_acquire_owned()
            .map_err(|why| match why {
                TryAcquireError::Closed => Error::Closed,
                TryAcquireError::NoPermits => Error::Busy,
            })?;
        self.put(lane, job, room)
    }

    fn put(&self, lane: usize, job: J, room: OwnedSemaphorePermit) -> Result<(), Error> {
        let mut state = self.lock();
        if !state.open {
            return Err(Error::Closed);
        }
        state.lanes[lane].push_back(Waiting { job, _room: room });
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for a job: one of lane `first` if it has any, else of the lowest lane that has. `None` once the queue is closed and empty.
    pub(crate) fn pop(&self, first: usize) -> Option<(usize, J)> {
        let mut state = self.lock();
        loop {
            for lane in std::iter::once(first).chain(0..LANES) {
                if let Some(waiting) = state.lanes[lane].pop_front() {
                    return Some((lane, waiting.job));
                }
            }
            if !state.open {
                return None;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the next job of a lane if there is one at this moment and no lower lane has any.
    pub(crate) fn try_pop(&self, lane: usize) -> Option<J> {
        let mut state = self.lock();
        if state.lanes[..lane].iter().any(|lower| !lower.is_empty()) {
            return None;
        }
        state.lanes[lane].pop_front().map(|waiting| waiting.job)
    }

    /// Takes no more jobs; those inside are still handed out.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.room.iter().for_each(|room| room.close());
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<J, LANES>> {
        // No code runs under the lock that could leave the lanes half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn lower_lanes_go_first_unless_the_other_is_asked_for() {
        let queue = Queue::<u8, 2>::new([4, 4], SOON);
        for (lane, job) in [(1, 10), (0, 1), (1, 11), (0, 2)] {
            queue.try_push(lane, job).unwrap();
        }
        assert_eq!(queue.try_pop(1), None);
        assert_eq!(queue.pop(0), Some((0, 1)));
        assert_eq!(queue.pop(1), Some((1, 10)));
        assert_eq!(queue.pop(1), Some((1, 11)));
        assert_eq!(queue.pop(1), Some((0, 2)));
        assert_eq!(queue.try_pop(0), None);
    }

    #[test]
    fn a_full_lane_refuses_and_leaves_the_other_alone() {
        let queue = Queue::<u8, 2>::new([1, 1], SOON);
        queue.try_push(0, 1).unwrap();
        assert!(matches!(queue.try_push(0, 2), Err(Error::Busy)));
        queue.try_push(1, 3).unwrap();
        assert_eq!(queue.pop(0), Some((0, 1)));
        queue.try_push(0, 4).unwrap();
    }

    #[test]
    fn a_closed_queue_hands_out_what_it_has() {
        let queue = Queue::<u8, 1>::new([2], SOON);
        queue.try_push(0, 1).unwrap();
        queue.close();
        assert!(matches!(queue.try_push(0, 2), Err(Error::Closed)));
        assert_eq!(queue.pop(0), Some((0, 1)));
        assert_eq!(queue.pop(0), None);
    }

    #[tokio::test]
    async fn a_caller_waits_for_room_but_not_for_ever() {
        let queue = Queue::<u8, 1>::new([1], SOON);
        queue.push(0, 1).await.unwrap();
        assert!(matches!(queue.push(0, 2).await, Err(Error::Busy)));
        let (pushed, popped) = tokio::join!(queue.push(0, 3), async { queue.pop(0) });
        assert_eq!(popped, Some((0, 1)));
        pushed.unwrap();
        assert_eq!(queue.pop(0), Some((0, 3)));
    }
}
