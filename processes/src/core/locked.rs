//! The state of a core while it is locked, and what is dropped when it is not locked any more.
//!
//! What a call has with it may take long to drop: memory of the arena that goes back to the system, an
//! end of a channel that a stopped process has locked. So nothing of that kind is dropped under the lock.
//! Whatever is found to be of no use there goes to the [`Remains`], and whoever unlocks the state drops
//! those afterwards: that is what this guard is for.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, MutexGuard};

use crate::arena::Keyed;
use crate::call::Call;
use crate::harvest::Piece;
use crate::scope;
use crate::target::Target;
use crate::tray::Tray;

use super::State;
use super::process::Process;

/// What is of no use any more, until the state is unlocked.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// Calls that nobody wants.
    pub(super) calls: Vec<Call>,
    /// Workers that are buried.
    pub(super) processes: Vec<Process>,
    /// Results of maps that are gone.
    pub(super) pieces: Vec<Piece>,
    /// Handles of trays that were looked at, perhaps the last ones.
    pub(super) trays: Vec<Arc<Tray>>,
}

impl Remains {
    /// Drops everything, without waiting for anybody.
    fn clear(self) {
        let mut buffers = Vec::new();
        for call in &self.calls {
            // A ticket has given away what travels with its call when it was settled.
            if let Target::Items(portion) = &call.target {
                scope::release(portion.take_keepers());
                portion.take_buffers(call.items(), &mut buffers);
            }
        }
        Keyed::let_go(buffers);
    }
}

/// The state, locked.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    /// The lock; none only while this is dropped.
    guard: Option<MutexGuard<'a, State>>,
}

impl<'a> Locked<'a> {
    /// From now on it is one's own.
    pub(super) fn new(guard: MutexGuard<'a, State>) -> Self {
        Self { guard: Some(guard) }
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.guard.as_deref().expect("it is locked until the drop")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.guard.as_deref_mut().expect("it is locked until the drop")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let remains = std::mem::take(&mut self.remains);
        drop(self.guard.take());
        remains.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::engine::Engine;
    use crate::scope::{Keep, send_along};
    use crate::{CallOptions, Pool, Queue};

    /// Anything that takes longer is taken for a hang.
    const BOUND: Duration = Duration::from_secs(30);

    /// Takes the lock of a pool when it is dropped; counts that.
    #[derive(Debug)]
    struct Nosy(Arc<dyn Engine>, Arc<AtomicUsize>);

    impl Keep for Nosy {
        fn let_go(&mut self) -> bool {
            true
        }
    }

    impl Drop for Nosy {
        fn drop(&mut self) {
            assert!(self.0.workers() > 0);
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something with which a [`Nosy`] travels.
    struct Companion(Option<(Arc<dyn Engine>, Arc<AtomicUsize>)>);

    impl Serialize for Companion {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let (engine, dropped) = self.0.as_ref().expect("it is sent once");
            send_along(Box::new(Nosy(Arc::clone(engine), Arc::clone(dropped))));
            ().serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Companion {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <()>::deserialize(deserializer).map(|()| Self(None))
        }
    }

    /// What each call here gets.
    type Argument = (Companion, Queue<u32>, Queue<u32>);

    /// Says who executes it, and waits to be let through.
    fn gated((_companion, entered, gate): Argument) {
        entered.put(std::process::id()).unwrap();
        gate.get().unwrap();
    }

    /// A pool of one worker, and what its calls are about.
    struct Stage {
        /// The pool.
        pool: Pool,
        /// Who has begun.
        entered: Queue<u32>,
        /// Where they wait.
        gate: Queue<u32>,
        /// How many companions were dropped.
        dropped: Arc<AtomicUsize>,
    }

    impl Stage {
        /// Nobody has begun.
        fn new() -> Self {
            let queue = || Queue::bounded(16).unwrap();
            let pool = Pool::new(1).unwrap();
            Self { pool, entered: queue(), gate: queue(), dropped: Arc::default() }
        }

        /// An argument.
        fn argument(&self) -> Argument {
            let both = (Arc::clone(self.pool.engine()), Arc::clone(&self.dropped));
            (Companion(Some(both)), self.entered.clone(), self.gate.clone())
        }

        /// The worker that begins a call.
        fn begins(&self) -> u32 {
            self.entered.get_timeout(BOUND).expect("a worker begins")
        }

        /// Waits until so many were dropped; the pool lives.
        fn has_dropped(&self, count: usize) {
            let call = self.pool.submit(|x: u8| x, 1);
            assert_eq!(call.join_timeout(BOUND).expect("the pool goes on").unwrap(), 1);
            let start = std::time::Instant::now();
            while self.dropped.load(Ordering::Relaxed) < count {
                assert!(start.elapsed() < BOUND, "{:?} of {count}", self.dropped);
                std::thread::yield_now();
            }
            assert_eq!(self.dropped.load(Ordering::Relaxed), count);
        }
    }

    /// In a thread of its own, as what is tested may hang.
    fn bounded(test: fn()) {
        let (ended, end) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            test();
            ended.send(()).unwrap();
        });
        let in_time = end.recv_timeout(3 * BOUND);
        assert_ne!(in_time, Err(std::sync::mpsc::RecvTimeoutError::Timeout), "it hangs");
        thread.join().unwrap();
    }

    #[test]
    fn what_travels_with_calls_is_dropped_without_the_lock() {
        bounded(|| {
            let stage = Stage::new();
            let running = stage.pool.submit(gated, stage.argument());
            stage.begins();
            // One of them is with the worker, the others in the queue.
            let calls: Vec<_> =
                (0..9).map(|_| stage.pool.submit(gated, stage.argument())).collect();
            assert!(calls.iter().all(crate::JoinHandle::cancel));
            stage.gate.put(1).unwrap();
            running.join().unwrap();
            stage.has_dropped(10);
        });
    }

    #[test]
    fn what_travels_with_items_is_dropped_without_the_lock() {
        bounded(|| {
            let stage = Stage::new();
            (0..4).for_each(|_| stage.gate.put(1).unwrap());
            for result in stage.pool.map(gated, (0..4).map(|_| stage.argument())) {
                result.unwrap();
            }
            stage.has_dropped(4);
            // With these travels nothing else.
            let alone = (0..3).map(|_| stage.argument().0);
            for result in stage.pool.map(|_: Companion| (), alone) {
                result.unwrap();
            }
            stage.has_dropped(7);
        });
    }

    /// One item is executed, the others wait; then the map is dropped, and then the worker dies.
    fn abandoned(options: CallOptions) {
        let stage = Stage::new();
        let items = (0..6).map(|_| stage.argument());
        let mut map = stage.pool.map(gated, items).options(options);
        assert!(map.next_timeout(Duration::ZERO).is_err());
        let worker = stage.begins();
        drop(map);
        let behind = stage.pool.submit(|x: u8| x, 1);
        let pid = rustix::process::Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        behind.join_timeout(BOUND).expect("the pool goes on").unwrap();
        stage.has_dropped(6);
        assert_eq!(stage.pool.stats().lost, 1);
    }

    #[test]
    fn what_travels_with_items_of_a_map_that_is_gone_is_dropped_without_the_lock() {
        bounded(|| abandoned(CallOptions::new()));
        // It would be run again, were there somebody who wants it.
        bounded(|| abandoned(CallOptions::new().retries(3)));
    }
}
