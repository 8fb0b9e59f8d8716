//! Deaths of a worker at chosen moments, for the tests below; elsewhere this is nothing.

/// Where a worker may be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    /// Before it claims a call.
    Claim = 1,
    /// After the board says `DONE`, before anything of the result is in the ring.
    Publish,
    /// The result is in the ring, and its end is not published.
    Half,
    /// The result is published, and nobody was woken.
    Bell,
}

#[cfg(test)]
pub(crate) use armed::here;

/// Does nothing.
#[cfg(not(test))]
#[inline]
pub(crate) fn here(_step: Step) {}

/// What only tests have.
#[cfg(test)]
mod armed {
    use std::sync::atomic::{AtomicU8, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Step;

    /// The number of the step at which this process dies; 0 for none.
    static ARMED: AtomicU8 = AtomicU8::new(0);

    /// This process dies when it comes to `step`.
    pub(super) fn arm(step: u8) {
        ARMED.store(step, Ordering::Relaxed);
    }

    /// Dies if this is the step.
    pub(crate) fn here(step: Step) {
        if ARMED.load(Ordering::Relaxed) == step as u8 {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
            loop {
                std::thread::park();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{JoinError, JoinHandle, Pool};

    /// Anything that takes longer is taken for a hang.
    const BOUND: Duration = Duration::from_secs(30);

    /// The outcome, which must come.
    fn joined(call: JoinHandle<u8>) -> Result<u8, JoinError> {
        call.join_timeout(BOUND).expect("each call resolves")
    }

    /// What becomes of a call whose worker dies at `step`, and of three behind it.
    fn dies_at(step: Step) -> Result<u8, JoinError> {
        let pool = Pool::new(1).unwrap();
        let arm: fn(u8) -> u8 = |step| {
            armed::arm(step);
            step
        };
        let first = pool.submit(arm, step as u8);
        let behind: Vec<_> = (0..3).map(|x: u8| pool.submit(|x| x, x)).collect();
        let first = joined(first);
        for (x, call) in (0..).zip(behind) {
            assert_eq!(joined(call).unwrap(), x, "{step:?}");
        }
        let stats = pool.stats();
        assert_eq!(stats.done + stats.failed, 4, "{step:?}");
        first
    }

    #[test]
    fn a_call_that_was_not_claimed_goes_to_the_next_worker() {
        assert_eq!(dies_at(Step::Claim).unwrap(), Step::Claim as u8);
    }

    #[test]
    fn a_result_that_was_not_published_is_lost_with_its_worker() {
        for step in [Step::Publish, Step::Half] {
            let lost = dies_at(step);
            assert!(matches!(lost, Err(JoinError::WorkerLost { signal: Some(9), .. })), "{lost:?}");
        }
    }

    #[test]
    fn a_published_result_outlives_a_worker_that_told_nobody() {
        assert_eq!(dies_at(Step::Bell).unwrap(), Step::Bell as u8);
    }
}
