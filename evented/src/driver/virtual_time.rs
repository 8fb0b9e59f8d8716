//! The driver of a reactor in virtual time: no descriptors, and a clock that jumps.

use std::cell::Cell;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Driver, Ready, Unpark, Wait, Watch};
use crate::class::Rank;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct VirtualDriver {
    /// The time that it is in this driver; the record reads it, too.
    now: Rc<Cell<Instant>>,
    /// Ends a wait for other threads.
    bell: Arc<Bell>,
}

/// Rung by other threads.
#[derive(Debug, Default)]
struct Bell {
    /// Whether it was rung since the last wait.
    rung: Mutex<bool>,
    /// For the thread that waits.
    changed: Condvar,
}

impl VirtualDriver {
    /// Time begins now.
    pub(crate) fn new() -> Self {
        Self { now: Rc::new(Cell::new(Instant::now())), bell: Arc::default() }
    }

    /// Its clock.
    pub(crate) fn clock(&self) -> Rc<Cell<Instant>> {
        Rc::clone(&self.now)
    }
}

impl Driver for VirtualDriver {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn wait(&mut self, sleep: Wait, _due: u8, _ready: &mut Vec<Ready>) -> io::Result<()> {
        let rung = self.bell.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rung = match sleep {
            // Only another thread can change anything.
            Wait::Forever => self
                .bell
                .changed
                .wait_while(rung, |rung| !*rung)
                .unwrap_or_else(PoisonError::into_inner),
            Wait::Never | Wait::Look | Wait::For(_) => rung,
        };
        // What has come from another thread comes before time passes.
        if let (false, Wait::For(duration)) = (*rung, sleep) {
            // Timers are within its reach; a longer wait was for nothing.
            let now = self.now.get();
            self.now.set(now.checked_add(duration).unwrap_or(now));
        }
        *rung = false;
        Ok(())
    }

    fn advance(&mut self, by: Duration) -> bool {
        let now = self.now.get().checked_add(by);
        self.now.set(now.expect("the clock does not reach that far: advance it by less"));
        true
    }

    fn rank_for(&mut self, rank: Rank) -> Rank {
        rank
    }

    fn register(&mut self, _: Watch) -> io::Result<()> {
        let text = "a reactor in virtual time has no descriptors";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    fn reregister(&mut self, watch: Watch) -> io::Result<()> {
        self.register(watch)
    }

    fn deregister(&mut self, _: RawFd, _: Rank) -> io::Result<()> {
        Ok(())
    }

    fn descriptor(&self) -> io::Result<OwnedFd> {
        let text = "a reactor in virtual time has no descriptor";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    fn alarm(&mut self, _after: Option<Duration>) -> io::Result<bool> {
        Ok(true)
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        let bell: Arc<Bell> = Arc::clone(&self.bell);
        bell
    }
}

impl Unpark for Bell {
    fn unpark(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}
