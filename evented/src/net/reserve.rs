//! The descriptor that a listener keeps for when there are no others.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::reaction::Reaction;
use crate::time::sleep;

/// How long `accept` waits when nothing it could do would help: there is no memory, or no descriptor,
/// not even the reserved one.
const PAUSE: Duration = Duration::from_millis(50);

/// A copy of the listener's own descriptor. Giving it up makes room for one connection, which is
/// closed at once.
#[derive(Debug)]
pub(super) struct Reserve {
    /// None: it was used and could not be replaced yet.
    spare: Mutex<Option<OwnedFd>>,
}

/// What became of the attempt to turn a connection away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// One was closed, or there is nothing to be done.
    TurnedAway,
    /// None waits.
    Nobody,
    /// There is nothing to do it with.
    Helpless,
}

impl Reserve {
    /// # Errors
    ///
    /// When there is no descriptor left.
    pub(super) fn of(listener: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { spare: Mutex::new(Some(listener.try_clone_to_owned()?)) })
    }

    /// What follows an error of `accept`: returns when a caller that goes on does not spin. True if there
    /// is nothing to report: the system looks for a descriptor first, and no connection waits.
    /// `accept_one` accepts without waiting.
    pub(super) async fn relieve<S>(
        &self,
        error: &io::Error,
        listener: BorrowedFd<'_>,
        accept_one: impl FnOnce() -> io::Result<S>,
    ) -> bool {
        let outcome = match Reaction::to(error) {
            Reaction::TurnAway => self.turn_one_away(listener, accept_one),
            Reaction::Pause => Outcome::Helpless,
            Reaction::Retry | Reaction::Report => Outcome::TurnedAway,
        };
        if outcome != Outcome::TurnedAway {
            sleep(PAUSE).await;
        }
        outcome == Outcome::Nobody
    }

    /// Gives up the reserve, accepts one connection, closes it and takes a reserve again.
    fn turn_one_away<S>(
        &self,
        listener: BorrowedFd<'_>,
        accept_one: impl FnOnce() -> io::Result<S>,
    ) -> Outcome {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let had_one = spare.take().is_some();
        let accepted = accept_one();
        let outcome = match &accepted {
            Ok(_) if had_one => Outcome::TurnedAway,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Outcome::Nobody,
            _ => Outcome::Helpless,
        };
        drop(accepted);
        *spare = listener.try_clone_to_owned().ok();
        outcome
    }
}
