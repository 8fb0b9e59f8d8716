//! Descriptors that are kept for a step of a start that cannot do without.
//!
//! When ipc-channel 0.23.1 receives a channel and this process has no descriptor left for it, it
//! panics; and the first time that it receives anything it opens two more, without which it panics
//! now and each time that follows. With `panic = "abort"` that is the end of the program. So while a
//! worker starts, the core holds some descriptors for nothing. A start for which there are none is an
//! error before there is a process, and the channel is received the moment after they were closed.
//!
//! In that moment others in this program may open files. There are more than are needed for that
//! reason; a panic all the same is caught, where it can be ([`super::process::ServerSlot`]).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::shortage;

use super::{Core, State};

/// How many are held; at most three of them are needed.
const COUNT: usize = 4;

/// What is held while a worker starts.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<OwnedFd>>);

impl Spare {
    /// Holds them from now on, whatever file `model` is.
    ///
    /// # Errors
    /// There are not so many.
    pub(super) fn hold(&self, model: BorrowedFd<'_>) -> io::Result<()> {
        let mut held = self.lock();
        let missing = COUNT - held.len();
        held.extend(shortage::open(model, missing)?);
        Ok(())
    }

    /// As long as what this gives lives, they are for nobody else, and nobody lets them go.
    fn reserve(&self) -> Reserved<'_> {
        Reserved { held: self.lock() }
    }

    /// Holds none any more.
    fn let_go(&self) {
        self.lock().clear();
    }

    /// What is held.
    fn lock(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is held, for one step of one start.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    /// The lock order is state, then this. It is made before the state is unlocked in which the start is
    /// seen, so that nobody finds that there is none, and lets go what is held.
    held: MutexGuard<'a, Vec<OwnedFd>>,
}

impl Reserved<'_> {
    /// Calls `f`, which may open as many, and holds them again, whatever file `model` is, if there are so
    /// many.
    fn lend<T>(mut self, model: BorrowedFd<'_>, f: impl FnOnce() -> T) -> T {
        // Nobody holds them again before `f` has had them.
        self.held.clear();
        let value = f();
        self.held.extend(shortage::open(model, COUNT).unwrap_or_default());
        value
    }
}

impl Core {
    /// What is held, for one step of a start that is seen in the state, which is locked.
    pub(super) fn reserve_spare(&self, _state: &State) -> Reserved<'_> {
        self.spare.reserve()
    }

    /// Calls `f` where descriptors are sure to be there, as far as that can be.
    pub(super) fn with_spare<T>(&self, spare: Reserved<'_>, f: impl FnOnce() -> T) -> T {
        spare.lend(self.lifeline.end_for_worker(), f)
    }

    /// After the end of a start, good or bad: when no other worker starts, nothing has to be held.
    pub(super) fn release_spare(&self, state: &State) {
        let starts = state.seats.iter().any(|seat| {
            let process = seat.process.as_ref();
            seat.launching || process.is_some_and(|process| process.server.is_some())
        });
        if !starts {
            self.spare.let_go();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_there_for_who_borrows_it() {
        let (near, _far) = crate::control::Control::pair().unwrap();
        let model = std::os::fd::AsFd::as_fd(&near);
        let spare = Spare::default();
        spare.hold(model).unwrap();
        spare.hold(model).unwrap();
        assert_eq!(spare.lock().len(), COUNT);
        let lent = spare.reserve().lend(model, || shortage::open(model, COUNT).unwrap().len());
        assert_eq!((lent, spare.lock().len()), (COUNT, COUNT));
        spare.let_go();
        assert_eq!(spare.lock().len(), 0);
    }

    #[test]
    fn nobody_lets_go_what_is_reserved() {
        let (near, _far) = crate::control::Control::pair().unwrap();
        let model = std::os::fd::AsFd::as_fd(&near);
        let spare = Spare::default();
        spare.hold(model).unwrap();
        let reserved = spare.reserve();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| spare.let_go());
            assert_eq!(reserved.held.len(), COUNT);
            reserved.lend(model, || assert!(!other.is_finished(), "it waits"));
            other.join().unwrap();
        });
        assert_eq!(spare.lock().len(), 0);
    }
}
